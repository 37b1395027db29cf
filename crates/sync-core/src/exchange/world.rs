//! A world in memory: boxes and a hub with simple stores, streams that are cut at any byte, restarts, restores
//! and clones, all chosen by a seed.

mod model;
mod model_box;
mod model_hub;
mod stories;

use std::collections::VecDeque;
use std::time::Duration;

use super::*;
use model_box::ModelBox;
use model_hub::ModelHub;

/// A small generator of numbers (xorshift64*), so that a seed replays a run.
pub(super) struct Dice(pub(super) u64);

impl Dice {
    pub(super) fn roll(&mut self) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_f491_4f6c_dd1d)
    }

    pub(super) fn below(&mut self, bound: u64) -> u64 {
        self.roll() % bound
    }
}

/// One connection: both ends and the bytes between them.
pub(super) struct Connection {
    pub(super) at_box: Exchange,
    pub(super) at_hub: Exchange,
    up: VecDeque<u8>,
    down: VecDeque<u8>,
    /// Bytes that each direction still carries before it is cut.
    pub(super) life: [usize; 2],
    pub(super) carried: [usize; 2],
    /// Steps after which a long ask is answered.
    pub(super) late: u64,
    /// The long ask of each end, and the steps that it still takes.
    beside: [Option<(Ask, u64)>; 2],
}

impl Connection {
    pub(super) fn new(end: &mut ModelBox, hub: &ModelHub, now: Duration) -> Self {
        let mut at_hub = Exchange::for_hub(hub.credentials(end), now);
        // Few sessions live here: a sketch tells them all the same.
        at_hub.set_listed_max(hub.listed_max);
        Self {
            at_box: Exchange::for_box(end.credentials(hub), &end.hello(), Duration::ZERO, now),
            at_hub,
            up: VecDeque::new(),
            down: VecDeque::new(),
            life: [usize::MAX; 2],
            carried: [0; 2],
            late: 0,
            beside: [None, None],
        }
    }

    /// Puts a long ask aside for a while; gives back any other one, and the long one whose time has come.
    fn aside(&mut self, side: usize, ask: Option<Ask>) -> Option<Ask> {
        match ask {
            Some(ask) if self.late > 0 && ask.is_long() => {
                assert!(self.beside[side].is_none(), "one long ask at a time");
                self.beside[side] = Some((ask, self.late));
                None
            }
            Some(ask) => Some(ask),
            None => {
                let (_, steps) = self.beside[side].as_mut()?;
                *steps -= 1;
                self.beside[side]
                    .take_if(|(_, steps)| *steps == 0)
                    .map(|(ask, _)| ask)
            }
        }
    }

    /// What is long ends with the next step.
    pub(super) fn finish_long(&mut self) {
        self.late = 0;
        self.beside.iter_mut().flatten().for_each(|(_, steps)| *steps = 1);
    }

    /// Lets both ends work once; `Ok(false)` when nothing moved, `Err` when the connection is over.
    pub(super) fn step(
        &mut self,
        end: &mut ModelBox,
        hub: &mut ModelHub,
        now: Duration,
        most: usize,
    ) -> Result<bool, ExchangeFault> {
        let mut moved = self.beside.iter().any(Option::is_some);
        loop {
            let ask = self.at_box.poll_ask(now);
            let asked = ask.is_some();
            moved |= asked;
            if let Some(ask) = self.aside(0, ask) {
                let answer = end.answer(ask);
                self.at_box.handle_answer(answer, now)?;
            } else if !asked {
                break;
            }
        }
        loop {
            let ask = self.at_hub.poll_ask(now);
            let asked = ask.is_some();
            moved |= asked;
            if let Some(ask) = self.aside(1, ask) {
                let answer = hub.answer(end.device(), ask);
                self.at_hub.handle_answer(answer, now)?;
            } else if !asked {
                break;
            }
        }
        while self.up.len() < 4096 {
            let Some(bytes) = self.at_box.poll_transmit(now) else {
                break;
            };
            self.up.extend(bytes);
        }
        while self.down.len() < 4096 {
            let Some(bytes) = self.at_hub.poll_transmit(now) else {
                break;
            };
            self.down.extend(bytes);
        }
        for way in 0..2 {
            let (from, to) = if way == 0 {
                (&mut self.up, &mut self.at_hub)
            } else {
                (&mut self.down, &mut self.at_box)
            };
            let count = from.len().min(most).min(self.life[way]);
            self.life[way] -= count;
            self.carried[way] += count;
            if count > 0 {
                let bytes: Vec<u8> = from.drain(..count).collect();
                to.handle_bytes(&bytes, now)?;
                moved = true;
            }
            if self.life[way] == 0 {
                return Err(ExchangeFault::Silent("cut"));
            }
        }
        Ok(moved)
    }

    /// Runs until the box is settled.
    pub(super) fn settle(&mut self, end: &mut ModelBox, hub: &mut ModelHub, now: Duration) {
        for _ in 0..200_000 {
            let moved = self.step(end, hub, now, 1500).unwrap();
            if self.at_box.is_settled() && !moved {
                return;
            }
            assert!(
                moved,
                "nothing moves and the box is not settled: {:?}",
                self.at_box
            );
        }
        panic!("the exchange does not end");
    }
}

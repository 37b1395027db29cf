//! One connection: both ends of the exchange and the bytes on their way. Within a connection order is kept, as TCP
//! keeps it; an end may outlive the other, and bytes that were under way when the link was cut may still arrive.

use std::time::Duration;

use sync_core::exchange::{Ask, Exchange};
use sync_core::identity::Actor;
use sync_core::wire::Lane;

/// Most bytes that are handed to the link at once.
const WRITE_BYTES: usize = 4 * 1024;
/// How far ahead of the link an end may write: more would stand in a modem's queue.
const AHEAD: Duration = Duration::from_millis(700);
/// How long an end packs or unpacks a message of a backlog.
const LONG: Duration = Duration::from_millis(900);

/// An end of a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Side {
    Box,
    Hub,
}

impl Side {
    pub(crate) fn other(self) -> Self {
        match self {
            Self::Box => Self::Hub,
            Self::Hub => Self::Box,
        }
    }
}

/// One direction.
#[derive(Debug, Clone)]
pub(crate) struct Way {
    /// When the last byte that was handed over has left.
    free_at: Duration,
    /// What is handed over later than this, or would arrive later, is lost.
    pub(crate) cut_at: Option<Duration>,
}

/// A connection of a box.
#[derive(Debug)]
pub(crate) struct Line {
    /// The box.
    pub(crate) at: usize,
    pub(crate) box_end: Option<Exchange>,
    pub(crate) hub_end: Option<Exchange>,
    /// From the box, and from the hub.
    pub(crate) ways: [Way; 2],
    /// When each end is woken next.
    pub(crate) timers: [Option<Duration>; 2],
    /// When each end goes on sending.
    goes_on: [Option<Duration>; 2],
    /// Ends of the clinic's feed when the hub looked last.
    pub(crate) seen: [u64; Lane::COUNT],
    /// When it was made.
    pub(crate) since: Duration,
    /// Under which session the box greeted.
    pub(crate) actor: Option<Actor>,
    /// What each end packs or unpacks beside its other work, and when that is done.
    long: [Option<(Ask, Duration)>; 2],
    latency: Duration,
    /// Bytes a second.
    rate: u64,
}

impl Line {
    /// What an end asks of its store next. What is long comes again when its time is over.
    pub(crate) fn next_ask(&mut self, side: Side, now: Duration) -> Option<Ask> {
        // What an end that is gone had asked is nobody's any more.
        self.end(side).as_ref()?;
        let done = self.long[side as usize].take_if(|(_, done)| *done <= now);
        if let Some((ask, _)) = done {
            return Some(ask);
        }
        loop {
            let ask = self.end(side).as_mut()?.poll_ask(now)?;
            if !ask.is_long() {
                return Some(ask);
            }
            self.long[side as usize] = Some((ask, now + LONG));
        }
    }

    /// When an end is done with what is long.
    pub(crate) fn long_until(&self, side: Side) -> Option<Duration> {
        self.long[side as usize].as_ref().map(|(_, done)| *done)
    }

    pub(crate) fn new(
        at: usize,
        ends: (Exchange, Exchange),
        now: Duration,
        latency: Duration,
        rate: u64,
    ) -> Self {
        let way = Way {
            free_at: now,
            cut_at: None,
        };
        Self {
            at,
            box_end: Some(ends.0),
            hub_end: Some(ends.1),
            ways: [way.clone(), way],
            timers: [None; 2],
            goes_on: [None; 2],
            seen: [0; Lane::COUNT],
            since: now,
            actor: None,
            long: [None, None],
            latency,
            rate,
        }
    }

    pub(crate) fn end(&mut self, side: Side) -> &mut Option<Exchange> {
        match side {
            Side::Box => &mut self.box_end,
            Side::Hub => &mut self.hub_end,
        }
    }

    /// Bytes that this end hands over now and when they arrive, and when it is to go on.
    pub(crate) fn send(&mut self, side: Side, now: Duration) -> (Vec<(Duration, Vec<u8>)>, Option<Duration>) {
        let mut sent = Vec::new();
        loop {
            if self.ways[side as usize].free_at > now + AHEAD {
                return (sent, Some(self.ways[side as usize].free_at - AHEAD / 2));
            }
            let Some(exchange) = self.end(side) else {
                return (sent, None);
            };
            let mut bytes = Vec::new();
            while bytes.len() < WRITE_BYTES
                && let Some(more) = exchange.poll_transmit(now)
            {
                bytes.extend(more);
            }
            if bytes.is_empty() {
                return (sent, exchange.poll_transmit_at());
            }
            let way = &mut self.ways[side as usize];
            let takes = Duration::from_millis(bytes.len() as u64 * 1000 / self.rate);
            way.free_at = way.free_at.max(now) + takes;
            sent.push((way.free_at + self.latency, bytes));
        }
    }

    /// Whether nothing yet lets this end go on sending by then: many causes make it look, and one wait is enough.
    pub(crate) fn waits_for(&mut self, side: Side, again: Duration, now: Duration) -> bool {
        let waits = &mut self.goes_on[side as usize];
        let new = waits.is_none_or(|set| set <= now || again < set);
        if new {
            *waits = Some(again);
        }
        new
    }

    /// When something that is said now would be heard.
    pub(crate) fn heard_at(&self, side: Side, now: Duration) -> Duration {
        self.ways[side as usize].free_at.max(now) + self.latency
    }

    /// Whether bytes that arrive now came through.
    pub(crate) fn lets_through(&self, from: Side, now: Duration) -> bool {
        self.ways[from as usize].cut_at.is_none_or(|cut| now <= cut)
    }

    pub(crate) fn is_over(&self) -> bool {
        self.box_end.is_none() && self.hub_end.is_none()
    }
}

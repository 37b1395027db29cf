//! Numbers that depend on a seed only, without floating point, so that a seed replays a run on any machine.

use std::time::Duration;

use store::Random;

/// A small generator of numbers (xorshift64*: Marsaglia 2003, Vigna 2016).
#[derive(Debug, Clone)]
pub(crate) struct Dice(u64);

impl Dice {
    /// Numbers of their own for each purpose, so that one more roll in one place moves nothing elsewhere.
    pub(crate) fn new(seed: u64, purpose: &str) -> Self {
        let mut hasher = blake3::Hasher::new();
        hasher.update(&seed.to_be_bytes());
        hasher.update(purpose.as_bytes());
        let mut first = [0; 8];
        hasher.finalize_xof().fill(&mut first);
        Self(u64::from_be_bytes(first) | 1)
    }

    pub(crate) fn roll(&mut self) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_f491_4f6c_dd1d)
    }

    /// A number below `bound`; 0 where nothing is below.
    pub(crate) fn below(&mut self, bound: u64) -> u64 {
        (self.roll() >> 16) % bound.max(1)
    }

    pub(crate) fn index(&mut self, length: usize) -> usize {
        self.below(length as u64) as usize
    }

    pub(crate) fn chance(&mut self, percent: u64) -> bool {
        self.below(100) < percent
    }

    /// A time around `mean`: between a quarter and seven quarters of it.
    pub(crate) fn around(&mut self, mean: Duration) -> Duration {
        let quarter = mean.as_millis() as u64 / 4;
        Duration::from_millis(quarter + self.below(6 * quarter + 1))
    }

    pub(crate) fn between(&mut self, least: Duration, most: Duration) -> Duration {
        let span = most.saturating_sub(least).as_millis() as u64;
        least + Duration::from_millis(self.below(span + 1))
    }

    /// One of these.
    pub(crate) fn pick<'a, T>(&mut self, all: &'a [T]) -> Option<&'a T> {
        if all.is_empty() {
            None
        } else {
            all.get(self.index(all.len()))
        }
    }
}

/// A machine's source of random bytes in one run of its program.
pub(crate) fn random_bytes(seed: u64, machine: u64, run: u64) -> Random {
    let mut hasher = blake3::Hasher::new();
    for part in [seed, machine, run] {
        hasher.update(&part.to_be_bytes());
    }
    let mut stream = hasher.finalize_xof();
    Box::new(move |bytes| stream.fill(bytes))
}

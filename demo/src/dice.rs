//! Seeded choice for the demo's village.

use rand::rngs::SmallRng;
use rand::{RngExt, SeedableRng};

/// A source of choices that one seed determines.
pub struct Dice(SmallRng);

impl Dice {
    /// The dice of this seed.
    pub fn new(seed: u64) -> Self {
        Self(SmallRng::seed_from_u64(seed))
    }

    /// A number from 0 to `limit - 1`; 0 where `limit` is 0.
    pub fn below(&mut self, limit: u32) -> u32 {
        if limit == 0 {
            0
        } else {
            self.0.random_range(0..limit)
        }
    }

    /// True in `percent` of a hundred throws.
    pub fn chance(&mut self, percent: u32) -> bool {
        self.below(100) < percent
    }

    /// One of the items.
    ///
    /// # Panics
    /// Where there are none: each caller chooses from a fixed, filled list.
    pub fn pick<'a, T>(&mut self, items: &'a [T]) -> &'a T {
        &items[self.0.random_range(0..items.len())]
    }
}

//! How long to wait before the next try: growing, with jitter, so that 500 boxes do not come back at once.

use std::time::Duration;

/// Shortest wait.
pub const SHORTEST: Duration = Duration::from_secs(1);
/// Longest wait.
pub const LONGEST: Duration = Duration::from_secs(300);

/// The waits after failed tries.
#[derive(Debug, Clone, Default)]
pub struct Backoff {
    failures: u32,
}

impl Backoff {
    /// A try failed: how long to wait. `random` is any random number; the wait lies between half and the whole
    /// of the bound, which doubles with each failure.
    pub fn failed(&mut self, random: u64) -> Duration {
        let bound = self.bound();
        self.failures = self.failures.saturating_add(1);
        let half = bound / 2;
        let steps = u64::try_from(half.as_millis()).unwrap_or(u64::MAX).max(1);
        (half + Duration::from_millis(random % (steps + 1))).max(SHORTEST / 2)
    }

    /// The other end was reached for so long before it went away. The waits begin small again if something new was
    /// carried, or if this lasted longer than the wait that comes now: an end that greets and falls over each time
    /// is asked no more often than one that does not answer.
    pub fn reached(&mut self, lasted: Duration, carried_something: bool) {
        if carried_something || lasted > self.bound() {
            self.failures = 0;
        }
    }

    fn bound(&self) -> Duration {
        SHORTEST.saturating_mul(1 << self.failures.min(16)).min(LONGEST)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn waits_grow_and_stay_within_their_bounds() {
        let mut backoff = Backoff::default();
        let mut longest = Duration::ZERO;
        for n in 0..40u64 {
            let wait = backoff.failed(n.wrapping_mul(0x9e37_79b9_7f4a_7c15));
            assert!(wait >= SHORTEST / 2 && wait <= LONGEST);
            longest = longest.max(wait);
        }
        assert!(longest > LONGEST / 2);
    }

    #[test]
    fn an_end_that_carries_something_or_lasts_is_tried_again_soon() {
        let worn_out = || {
            let mut backoff = Backoff::default();
            for _ in 0..12 {
                backoff.failed(0);
            }
            backoff
        };
        for (lasted, carried_something) in [(Duration::ZERO, true), (LONGEST * 2, false)] {
            let mut backoff = worn_out();
            backoff.reached(lasted, carried_something);
            assert!(backoff.failed(u64::MAX) <= SHORTEST);
        }
    }

    proptest! {
        #[test]
        fn an_end_that_greets_and_falls_over_is_not_hammered(
            tries in proptest::collection::vec((0..2_000u64, any::<u64>()), 60..80),
        ) {
            let mut backoff = Backoff::default();
            let mut waited = Duration::ZERO;
            for (millis, random) in &tries {
                backoff.reached(Duration::from_millis(*millis), false);
                waited += backoff.failed(*random);
            }
            // Sixty tries of an end that is never there wait some two hours; two seconds of greeting save little.
            prop_assert!(waited > LONGEST / 2 * 45, "{waited:?}");
        }
    }
}

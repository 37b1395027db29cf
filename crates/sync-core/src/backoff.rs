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
        let bound = SHORTEST.saturating_mul(1 << self.failures.min(16)).min(LONGEST);
        self.failures = self.failures.saturating_add(1);
        let half = bound / 2;
        let steps = u64::try_from(half.as_millis()).unwrap_or(u64::MAX).max(1);
        (half + Duration::from_millis(random % (steps + 1))).max(SHORTEST / 2)
    }

    /// A try came through to the other end.
    pub fn succeeded(&mut self) {
        self.failures = 0;
    }
}

#[cfg(test)]
mod tests {
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
        backoff.succeeded();
        assert!(backoff.failed(u64::MAX) <= SHORTEST);
    }
}

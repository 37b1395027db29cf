//! A bound on tries: token buckets by key, with time as an argument.

use std::collections::HashMap;
use std::hash::Hash;
use std::sync::Mutex;
use std::time::Duration;

/// Keys that are remembered at most; beyond it the ones that are nearly full again go first.
const KEYS_LIMIT: usize = 4096;

/// Too many tries.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Refused {
    /// Time until the next try is allowed.
    pub wait: Duration,
}

#[derive(Debug, Clone, Copy)]
struct Bucket {
    /// Tries left, in thousandths.
    left: u64,
    filled: Duration,
}

/// Allows a burst of tries per key, then one per interval.
#[derive(Debug)]
pub struct RateLimit<K> {
    burst: u64,
    interval: Duration,
    buckets: Mutex<HashMap<K, Bucket>>,
}

impl<K: Eq + Hash + Clone> RateLimit<K> {
    /// A limit of `burst` tries at once and one more each `interval`.
    pub fn new(burst: u32, interval: Duration) -> Self {
        Self {
            burst: u64::from(burst) * 1000,
            interval,
            buckets: Mutex::new(HashMap::new()),
        }
    }

    /// Counts a try at `now`, a time that only moves forward.
    pub fn check(&self, key: &K, now: Duration) -> Result<(), Refused> {
        let mut buckets = self
            .buckets
            .lock()
            .unwrap_or_else(std::sync::PoisonError::into_inner);
        if buckets.len() >= KEYS_LIMIT && !buckets.contains_key(key) {
            self.forget_calm_keys(&mut buckets, now);
        }
        let mut bucket = buckets.get(key).copied().unwrap_or(Bucket {
            left: self.burst,
            filled: now,
        });
        bucket.left = self.refilled(&bucket, now);
        bucket.filled = now;
        let answer = match bucket.left.checked_sub(1000) {
            Some(left) => {
                bucket.left = left;
                Ok(())
            }
            None => {
                let missing = 1000 - bucket.left;
                Err(Refused {
                    wait: self.interval.mul_f64(missing as f64 / 1000.0),
                })
            }
        };
        buckets.insert(key.clone(), bucket);
        answer
    }

    fn refilled(&self, bucket: &Bucket, now: Duration) -> u64 {
        let passed = now.saturating_sub(bucket.filled).as_millis();
        let gained = passed.saturating_mul(1000) / self.interval.as_millis().max(1);
        bucket
            .left
            .saturating_add(u64::try_from(gained).unwrap_or(u64::MAX))
            .min(self.burst)
    }

    /// Makes room: full buckets say nothing; if none is full, the fullest half goes.
    fn forget_calm_keys(&self, buckets: &mut HashMap<K, Bucket>, now: Duration) {
        buckets.retain(|_, bucket| self.refilled(bucket, now) < self.burst);
        if buckets.len() >= KEYS_LIMIT {
            let mut levels: Vec<u64> = buckets
                .values()
                .map(|bucket| self.refilled(bucket, now))
                .collect();
            levels.sort_unstable();
            let middle = levels[levels.len() / 2];
            let mut over = buckets.len() / 2;
            buckets.retain(|_, bucket| {
                let goes = over > 0 && self.refilled(bucket, now) >= middle;
                over -= usize::from(goes);
                !goes
            });
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    #[test]
    fn a_burst_passes_then_one_each_interval() {
        let limit = RateLimit::new(3, 10 * SECOND);
        for _ in 0..3 {
            assert!(limit.check(&"a", SECOND).is_ok());
        }
        let refused = limit.check(&"a", SECOND).unwrap_err();
        assert_eq!(refused.wait, 10 * SECOND);
        assert!(limit.check(&"b", SECOND).is_ok());
        assert!(limit.check(&"a", 10 * SECOND).is_err());
        assert!(limit.check(&"a", 21 * SECOND).is_ok());
    }

    #[test]
    fn many_keys_cost_bounded_memory_and_free_nobody_who_is_blocked() {
        let limit = RateLimit::new(1, 1000 * SECOND);
        assert!(limit.check(&u32::MAX, Duration::ZERO).is_ok());
        for key in 0..20_000_u32 {
            let at = SECOND.saturating_mul(key / 100);
            assert!(limit.check(&key, at).is_ok());
            assert!(limit.buckets.lock().unwrap().len() <= KEYS_LIMIT);
        }
        let strict = RateLimit::new(2, 1000 * SECOND);
        for _ in 0..2 {
            assert!(strict.check(&0, Duration::ZERO).is_ok());
        }
        for key in 1..10_000_u32 {
            assert!(strict.check(&key, Duration::ZERO).is_ok());
        }
        assert!(strict.check(&0, Duration::ZERO).is_err());
    }
}

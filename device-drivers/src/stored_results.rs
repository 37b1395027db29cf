//! Tells a new result from one out of a monitor's memory, and from one that was taken already.
//!
//! A monitor's clock may be wrong by any amount, so nothing is compared with ours: what counts is that the
//! difference between the two clocks stays the same. A result whose difference falls back is an older one,
//! unless the next result, minutes later, confirms that somebody set the monitor's clock back.

use std::collections::VecDeque;
use std::time::Duration;

use jiff::civil::DateTime;

use crate::events::Origin;

/// Results that are remembered: more than a monitor's display memory repeats at once.
const REMEMBERED: usize = 64;
/// How far the difference of the clocks may fall back: both count whole minutes, and clocks drift.
const TOLERANCE_MINUTES: i64 = 3;
/// Two results this far apart with the same new difference show that the monitor's clock was set back; the
/// memory of a monitor comes at once.
const CONFIRMED_AFTER: Duration = Duration::from_secs(5 * 60);

/// Results that come closer together than this, or so soon after the line was opened, were not measured in
/// between: a memory is sent at once.
const AT_ONCE: Duration = Duration::from_secs(2);

/// The results of one monitor so far.
#[derive(Debug)]
pub(crate) struct StoredResults<T> {
    seen: VecDeque<T>,
    opened: Option<Duration>,
    last: Option<Duration>,
    minutes_ahead: Option<i64>,
    set_back: Option<(i64, Duration)>,
}

impl<T> Default for StoredResults<T> {
    fn default() -> Self {
        Self {
            seen: VecDeque::new(),
            opened: None,
            last: None,
            minutes_ahead: None,
            set_back: None,
        }
    }
}

impl<T: PartialEq> StoredResults<T> {
    /// Whether exactly this result came before; it is remembered from now on.
    pub(crate) fn is_repeated(&mut self, result: T) -> bool {
        if self.seen.contains(&result) {
            return true;
        }
        if self.seen.len() == REMEMBERED {
            self.seen.pop_front();
        }
        self.seen.push_back(result);
        false
    }

    /// The line was opened.
    pub(crate) fn opened(&mut self, now: Duration) {
        self.opened = Some(now);
    }

    /// Where a result with this time of the monitor's clock comes from.
    pub(crate) fn origin(&mut self, device_time: DateTime, now: Duration) -> Origin {
        let at_once = |since: Option<Duration>| since.is_some_and(|at| now.saturating_sub(at) < AT_ONCE);
        let clock_unknown = self.minutes_ahead.is_none();
        let in_a_burst = at_once(self.last) || (clock_unknown && at_once(self.opened));
        self.last = Some(now);
        let by_clock = self.origin_by_clock(device_time, now);
        if in_a_burst { Origin::Memory } else { by_clock }
    }

    fn origin_by_clock(&mut self, device_time: DateTime, now: Duration) -> Origin {
        let ahead = minutes(device_time) - (now.as_secs() / 60) as i64;
        let earlier_than = |known: i64| ahead < known - TOLERANCE_MINUTES;
        if !self.minutes_ahead.is_some_and(earlier_than) {
            self.minutes_ahead = Some(ahead);
            self.set_back = None;
            return Origin::Fresh;
        }
        let confirmed = self.set_back.is_some_and(|(before, at)| {
            (ahead - before).abs() <= TOLERANCE_MINUTES && now.saturating_sub(at) >= CONFIRMED_AFTER
        });
        if confirmed {
            self.minutes_ahead = Some(ahead);
            self.set_back = None;
            return Origin::Fresh;
        }
        self.set_back = Some((ahead, now));
        Origin::Memory
    }
}

/// Minutes of the civil calendar; only differences matter.
fn minutes(at: DateTime) -> i64 {
    let day = at.date().duration_since(jiff::civil::date(2000, 1, 1)).as_secs() / 60;
    day + i64::from(at.hour()) * 60 + i64::from(at.minute())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(minute: i64) -> DateTime {
        "2026-03-05T08:00".parse::<DateTime>().unwrap() + jiff::Span::new().minutes(minute)
    }

    fn after(minutes: u64) -> Duration {
        Duration::from_secs(minutes * 60)
    }

    #[test]
    fn results_in_the_order_of_time_are_fresh_whatever_the_clock_says() {
        let mut results = StoredResults::<u8>::default();
        for minute in [0, 1, 5, 600, 10_000] {
            assert_eq!(results.origin(at(minute), after(minute as u64)), Origin::Fresh);
        }
    }

    #[test]
    fn a_memory_sent_at_once_is_told_from_new_results() {
        let mut results = StoredResults::<u8>::default();
        assert_eq!(results.origin(at(500), after(500)), Origin::Fresh);
        for old in [100, 101, 102, 300] {
            assert_eq!(results.origin(at(old), after(501)), Origin::Memory);
        }
        assert_eq!(results.origin(at(510), after(510)), Origin::Fresh);
    }

    #[test]
    fn a_memory_sent_on_connection_is_not_new() {
        let mut results = StoredResults::<u8>::default();
        results.opened(after(7));
        for old in [100, 900, 2_000] {
            assert_eq!(results.origin(at(old), after(7)), Origin::Memory);
        }
        assert_eq!(results.origin(at(2_030), after(8)), Origin::Fresh);
    }

    #[test]
    fn a_clock_set_back_is_believed_at_the_second_result() {
        let mut results = StoredResults::<u8>::default();
        assert_eq!(results.origin(at(1440), after(0)), Origin::Fresh);
        assert_eq!(results.origin(at(10), after(10)), Origin::Memory);
        assert_eq!(results.origin(at(20), after(20)), Origin::Fresh);
        assert_eq!(results.origin(at(30), after(30)), Origin::Fresh);
    }

    #[test]
    fn only_the_same_result_is_a_repetition() {
        let mut results = StoredResults::default();
        assert!(!results.is_repeated(1));
        assert!(results.is_repeated(1));
        assert!((2..200).all(|result| !results.is_repeated(result)));
        assert_eq!(results.seen.len(), REMEMBERED);
    }
}

//! Notices records that are missing although nothing damaged was seen: they carry no number, so only the clock
//! can tell. Bytes that merely come late (a busy box, a full buffer) are made up for within seconds; what is not
//! is lost.

use std::collections::VecDeque;
use std::time::Duration;

use super::RECORDS_PER_SECOND;

/// Seconds within which late records catch up.
const WINDOW_SECONDS: usize = 5;
/// Missing records from which a loss is believed: a quarter of a second; the crystals of box and recorder
/// differ by far less within the window.
const LOST_FROM: i64 = 250;

/// Compares the records that came with the time that passed.
#[derive(Debug)]
pub(super) struct FlowWatch {
    started: Duration,
    records: i64,
    /// Smallest lag within each of the last seconds, by second.
    lags: VecDeque<(u64, i64)>,
    usual_lag: Option<i64>,
}

impl FlowWatch {
    pub(super) fn new(started: Duration) -> Self {
        Self {
            started,
            records: 0,
            lags: VecDeque::with_capacity(WINDOW_SECONDS + 1),
            usual_lag: None,
        }
    }

    /// Counts a record, whole or seen to be damaged.
    pub(super) fn record(&mut self) {
        self.records += 1;
    }

    /// Looks at the clock after records were counted; gives the number of records that are lost for good.
    pub(super) fn observe(&mut self, now: Duration) -> Option<u32> {
        let elapsed = now.saturating_sub(self.started);
        let due = elapsed.as_millis() as i64 * i64::from(RECORDS_PER_SECOND) / 1_000;
        let lag = due - self.records;
        let second = elapsed.as_secs();
        match self.lags.back_mut() {
            Some((last, least)) if *last == second => *least = lag.min(*least),
            Some(_) | None => self.lags.push_back((second, lag)),
        }
        let usual = *self.usual_lag.get_or_insert(lag);
        if self.lags.len() <= WINDOW_SECONDS {
            self.usual_lag = Some(usual.min(lag));
            return None;
        }
        self.lags.pop_front();
        let least = self.lags.iter().map(|(_, lag)| *lag).min()?;
        self.usual_lag = Some(least);
        u32::try_from(least - usual)
            .ok()
            .filter(|lost| i64::from(*lost) >= LOST_FROM)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Feeds `records(ms)` new records each 10 ms and gives what was found lost.
    fn lost(milliseconds: u64, records: impl Fn(u64) -> u32) -> Vec<u32> {
        let mut watch = FlowWatch::new(Duration::ZERO);
        let mut found = Vec::new();
        for at in (10..milliseconds).step_by(10) {
            for _ in 0..records(at) {
                watch.record();
            }
            found.extend(watch.observe(Duration::from_millis(at)));
        }
        found
    }

    #[test]
    fn a_steady_stream_has_no_loss() {
        assert_eq!(lost(60_000, |_| 10), Vec::<u32>::new());
    }

    #[test]
    fn a_stall_that_catches_up_is_no_loss() {
        let stalled = |at: u64| match at {
            20_000..=22_990 => 0,
            23_000 => 3_010,
            _ => 10,
        };
        assert_eq!(lost(60_000, stalled), Vec::<u32>::new());
    }

    #[test]
    fn crystals_that_differ_are_no_loss() {
        assert_eq!(
            lost(600_000, |at| if at % 1_000 == 0 { 9 } else { 10 }),
            Vec::<u32>::new()
        );
    }

    #[test]
    fn a_second_that_never_came_is_counted_once() {
        let cut = |at: u64| if (20_000..21_000).contains(&at) { 0 } else { 10 };
        let found = lost(60_000, cut);
        assert!(found.len() == 1 && (950..=1_000).contains(&found[0]), "{found:?}");
    }
}

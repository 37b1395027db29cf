//! How much of the less urgent lanes may be under way, told by the receiver's progress.
//!
//! A modem's own queue holds seconds of data; an urgent message sent behind it waits as long. So the sender
//! keeps no more in flight than the measured rate times the shortest round trip, plus a little to probe for
//! more (the idea of BBR: Cardwell et al., "BBR: Congestion-Based Congestion Control", 2016).

use std::collections::VecDeque;
use std::time::Duration;

/// In flight before anything was measured: about what TCP sends at its start (RFC 6928).
const WINDOW_AT_START: u64 = 16 * 1024;
/// Never less than this: one step of progress and a segment on top.
const WINDOW_LEAST: u64 = 8 * 1024;
/// Never more than this.
const WINDOW_MOST: u64 = 1024 * 1024;
/// Added to rate × round trip, so that the rate can show that it grew.
const PROBE: u64 = 2 * 1024;
/// Measurements that the rate is taken over.
const MEMORY: usize = 16;

#[derive(Debug)]
pub(crate) struct Pace {
    sent: u64,
    told: u64,
    told_at: Option<Duration>,
    /// Total after a segment, and when it was sent.
    marks: VecDeque<(u64, Duration)>,
    /// The shortest of this connection: a queue on the way makes later ones longer, and a window that follows
    /// them would feed the queue.
    round_trip: Option<Duration>,
    /// Bytes per second.
    rates: VecDeque<u64>,
    window: u64,
}

impl Default for Pace {
    fn default() -> Self {
        Self {
            sent: 0,
            told: 0,
            told_at: None,
            marks: VecDeque::new(),
            round_trip: None,
            rates: VecDeque::new(),
            window: WINDOW_AT_START,
        }
    }
}

impl Pace {
    pub(crate) fn has_room(&self) -> bool {
        self.sent - self.told < self.window
    }

    pub(crate) fn sent(&mut self, bytes: u64, now: Duration) {
        self.sent += bytes;
        self.marks.push_back((self.sent, now));
    }

    /// The receiver has this many bytes in all. A number that was never sent is not believed.
    pub(crate) fn told(&mut self, total: u64, now: Duration) {
        if total <= self.told || total > self.sent {
            return;
        }
        let mut sent_at = None;
        while let Some((_, at)) = self.marks.pop_front_if(|(mark, _)| *mark <= total) {
            sent_at = Some(at);
        }
        if let Some(at) = sent_at {
            let trip = now.saturating_sub(at);
            self.round_trip = Some(self.round_trip.map_or(trip, |shortest| shortest.min(trip)));
        }
        if let Some(before) = self.told_at {
            let micros = now.saturating_sub(before).as_micros().max(1);
            let rate = u128::from(total - self.told) * 1_000_000 / micros;
            if self.rates.len() == MEMORY {
                self.rates.pop_front();
            }
            self.rates.push_back(u64::try_from(rate).unwrap_or(u64::MAX));
        }
        self.told = total;
        self.told_at = Some(now);
        self.measure();
    }

    fn measure(&mut self) {
        let (Some(rate), Some(trip)) = (self.rates.iter().max(), self.round_trip) else {
            return;
        };
        let bytes = u128::from(*rate) * trip.as_micros() * 5 / 4 / 1_000_000;
        let bytes = u64::try_from(bytes).unwrap_or(WINDOW_MOST);
        self.window = bytes.saturating_add(PROBE).clamp(WINDOW_LEAST, WINDOW_MOST);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Sends for a while through a way of this rate (bytes a second) and round trip; gives the largest number
    /// of bytes in flight in the second half.
    fn in_flight(rate: u64, round_trip: Duration) -> u64 {
        let mut pace = Pace::default();
        let mut way_free = Duration::ZERO;
        let mut progress: VecDeque<(Duration, u64)> = VecDeque::new();
        let (mut now, mut most, mut total) = (Duration::ZERO, 0, 0);
        let end = rate * 60;
        while total < end {
            while pace.has_room() {
                pace.sent(1024, now);
                total += 1024;
                way_free = way_free.max(now) + Duration::from_micros(1024 * 1_000_000 / rate);
                if total % 4096 == 0 {
                    progress.push_back((way_free + round_trip, total));
                }
            }
            if total > end / 2 {
                most = most.max(pace.sent - pace.told);
            }
            let Some((at, bytes)) = progress.pop_front() else {
                break;
            };
            now = at;
            pace.told(bytes, now);
        }
        most
    }

    #[test]
    fn a_slow_way_is_filled_but_not_flooded() {
        // 64 kbit/s and 600 ms: 4.8 kB fill the way; more would stand in the modem's queue.
        let flight = in_flight(8000, Duration::from_millis(600));
        assert!((4800..=14_000).contains(&flight), "{flight}");
    }

    #[test]
    fn a_fast_way_is_filled_too() {
        // 16 Mbit/s and 100 ms: 200 kB.
        let flight = in_flight(2_000_000, Duration::from_millis(100));
        assert!((180_000..=700_000).contains(&flight), "{flight}");
    }

    #[test]
    fn progress_that_was_never_sent_is_not_believed() {
        let mut pace = Pace::default();
        pace.sent(1000, Duration::ZERO);
        pace.told(u64::MAX, Duration::ZERO);
        assert_eq!(pace.told, 0);
    }
}

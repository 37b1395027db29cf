//! How much of the less urgent lanes may be under way, told by the receiver's progress.
//!
//! A modem's own queue holds seconds of data; an urgent message sent behind it waits as long. So the sender
//! keeps no more in flight than the measured rate times the shortest round trip, plus a little to probe for
//! more (the idea of BBR: Cardwell et al., "BBR: Congestion-Based Congestion Control", 2016).

use std::collections::VecDeque;
use std::time::Duration;

use crate::wire::Lane;

/// So much goes at once, before anything was measured: a little more than what TCP sends at its start (RFC 6928). A day's
/// work is not more: in one flight, a lost packet of it is told by those behind, and does not wait for a timer.
const FIRST_FLIGHT: u64 = 20 * 1024;
/// Never less than this. What is in flight is what a cut loses: 5.9 % of a blob of 10 MB at 32 kbit/s, cut every 30 s. With
/// 4 KiB that line stood still a third of the time (`measure blob`); with 5 KiB one of 64 kbit/s whose words of progress
/// come 200 ms apart was given more than it carries.
const WINDOW_LEAST: u64 = 6 * 1024;
/// Never more than this.
const WINDOW_MOST: u64 = 1024 * 1024;
/// What urgent requests may have under way, whatever else is: a request goes at once, and an ECG that follows it does not
/// stand before a notice for longer than a second of a line of 64 kbit/s.
const REQUESTS_LEAST: u64 = 8 * 1024;
/// Added to rate × round trip at least, so that the rate can show that it grew; an eighth of it where that is more.
const PROBE: u64 = 1024;
/// Measurements that the rate is taken over.
const MEMORY: usize = 16;
/// Round trips without growth of the rate by an eighth, after which the way counts as filled and no more than [`PROBE`] is
/// added.
const FILLED_AFTER: u32 = 3;
/// A round trip that is longer than the shortest by this part of it had a queue on its way.
const QUEUED_PART: u32 = 4;

/// A segment that is under way.
#[derive(Debug, Clone, Copy)]
struct Mark {
    /// Bytes sent in all, with it.
    total: u64,
    bytes: u64,
    /// Whether it is of the lane of requests.
    request: bool,
    at: Duration,
    /// What the receiver had told when it was sent, and since when that was known.
    told: u64,
    told_at: Duration,
    /// Whether at least half of the window was in use, so that the way set the rate and not the sender.
    filling: bool,
}

#[derive(Debug)]
pub(crate) struct Pace {
    sent: u64,
    told: u64,
    told_at: Duration,
    /// Bytes of the lane of requests that are under way.
    requests: u64,
    marks: VecDeque<Mark>,
    /// The shortest of this connection, and the bytes of the segment that had it: a queue on the way makes later ones
    /// longer, and a window that follows them would feed the queue.
    round_trip: Option<(Duration, u64)>,
    /// Bytes per second.
    rates: VecDeque<u64>,
    /// The round trip under way ends with the first segment sent after this much was told.
    round_end: u64,
    /// The fastest rate when it began.
    rate_before: u64,
    /// Round trips since the rate last grew.
    steady: u32,
    window: u64,
}

impl Default for Pace {
    fn default() -> Self {
        Self {
            sent: 0,
            told: 0,
            told_at: Duration::ZERO,
            requests: 0,
            marks: VecDeque::new(),
            round_trip: None,
            rates: VecDeque::new(),
            round_end: 0,
            rate_before: 0,
            steady: 0,
            window: WINDOW_LEAST,
        }
    }
}

impl Pace {
    /// Whether a segment of this lane may go: notices always, requests where not too many of them are under way.
    pub(crate) fn has_room(&self, lane: Lane) -> bool {
        match lane {
            Lane::P0 => true,
            Lane::P1 => self.requests < self.window.max(REQUESTS_LEAST),
            Lane::P2 | Lane::P3 | Lane::P4 => self.sent < FIRST_FLIGHT || self.sent - self.told < self.window,
        }
    }

    pub(crate) fn sent(&mut self, lane: Lane, bytes: u64, now: Duration) {
        if self.sent == self.told {
            // Nothing was under way: the time before is not the way's.
            self.told_at = now;
        }
        self.sent += bytes;
        let request = lane == Lane::P1;
        self.requests += if request { bytes } else { 0 };
        self.marks.push_back(Mark {
            request,
            total: self.sent,
            bytes,
            at: now,
            told: self.told,
            told_at: self.told_at,
            filling: (self.sent - self.told) * 2 >= self.window,
        });
    }

    /// The receiver has this many bytes in all. A number that was never sent is not believed.
    pub(crate) fn told(&mut self, total: u64, now: Duration) {
        if total <= self.told || total > self.sent {
            return;
        }
        let mut last = None;
        while let Some(mark) = self.marks.pop_front_if(|mark| mark.total <= total) {
            self.requests -= if mark.request { mark.bytes } else { 0 };
            last = Some(mark);
        }
        self.told = total;
        self.told_at = now;
        if let Some(mark) = last {
            self.measure(mark, now);
        }
    }

    /// The rate is what was delivered from before the segment was sent until it was told: at least a round trip, so
    /// that two words of progress that arrive together do not look like a fast way.
    fn measure(&mut self, mark: Mark, now: Duration) {
        let this = (now.saturating_sub(mark.at), mark.bytes);
        let (trip, own) = self.round_trip.map_or(this, |shortest| shortest.min(this));
        self.round_trip = Some((trip, own));
        let micros = now.saturating_sub(mark.told_at).as_micros().max(1);
        let rate = u128::from(self.told - mark.told) * 1_000_000 / micros;
        let rate = u64::try_from(rate).unwrap_or(u64::MAX);
        let fastest = self.rates.iter().max().copied().unwrap_or(0);
        if rate > fastest || mark.filling {
            if self.rates.len() == MEMORY {
                self.rates.pop_front();
            }
            self.rates.push_back(rate);
        }
        let fastest = self.rates.iter().max().copied().unwrap_or(0);
        if mark.told >= self.round_end {
            let grew = fastest > self.rate_before.saturating_add(self.rate_before / 8);
            self.steady = if grew { 0 } else { self.steady.saturating_add(1) };
            self.rate_before = fastest;
            self.round_end = self.told;
        }
        // The trip of a segment begins with the time that the way needs for the segment itself.
        let fills = (u128::from(fastest) * trip.as_micros() / 1_000_000).saturating_sub(u128::from(own));
        let fills = u64::try_from(fills).unwrap_or(WINDOW_MOST);
        // The first round trips tell less than the way carries: nothing had filled it yet. Where bytes stand in a queue,
        // something has.
        let queues = this.0 > trip + trip / QUEUED_PART;
        let more = if self.steady < FILLED_AFTER && !queues {
            fills / 2
        } else {
            fills / 8
        };
        self.window = fills
            .saturating_add(more.max(PROBE))
            .clamp(WINDOW_LEAST, WINDOW_MOST);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Sends for a minute's bytes through a way of this rate (bytes a second) and round trip, whose words of progress
    /// arrive at the ends of `ticks`; gives the largest number of bytes in flight once three first flights were sent, and
    /// the seconds that it took.
    fn in_flight(rate: u64, round_trip: Duration, tick: Duration) -> (u64, f64) {
        let mut pace = Pace::default();
        let mut way_free = Duration::ZERO;
        let mut progress: VecDeque<(Duration, u64)> = VecDeque::new();
        let (mut now, mut most, mut total) = (Duration::ZERO, 0, 0);
        let end = rate * 60;
        while total < end {
            while pace.has_room(Lane::P2) {
                pace.sent(Lane::P2, 1024, now);
                total += 1024;
                way_free = way_free.max(now) + Duration::from_micros(1024 * 1_000_000 / rate);
                progress.push_back((way_free + round_trip, total));
            }
            if total > 3 * FIRST_FLIGHT {
                most = most.max(pace.sent - pace.told);
            }
            let Some((at, bytes)) = progress.pop_front() else {
                break;
            };
            let ticks = at.as_nanos().div_ceil(tick.as_nanos());
            let arrives = Duration::from_nanos((ticks * tick.as_nanos()).try_into().unwrap());
            now = arrives.max(now + Duration::from_micros(1));
            pace.told(bytes, now);
        }
        (most, now.as_secs_f64())
    }

    #[test]
    fn a_slow_way_is_filled_but_not_flooded() {
        // 64 kbit/s and 600 ms: 4.8 kB fill the way; more would stand in the modem's queue.
        for tick in [1, 200].map(Duration::from_millis) {
            let (flight, took) = in_flight(8000, Duration::from_millis(600), tick);
            assert!((4800..=8 * 1024).contains(&flight), "{tick:?}: {flight}");
            assert!(took < 65.0, "{tick:?}: {took}");
        }
    }

    #[test]
    fn a_fast_way_is_filled_too() {
        // 16 Mbit/s and 100 ms: 200 kB.
        for tick in [1, 20].map(Duration::from_millis) {
            let (flight, took) = in_flight(2_000_000, Duration::from_millis(100), tick);
            assert!((180_000..=450_000).contains(&flight), "{tick:?}: {flight}");
            assert!(took < 70.0, "{tick:?}: {took}");
        }
    }

    #[test]
    fn a_pause_of_the_sender_is_not_a_slow_way() {
        let mut pace = Pace::default();
        let mut now = Duration::ZERO;
        let trip = Duration::from_millis(100);
        let mut burst = |pace: &mut Pace, segments: u64| {
            for _ in 0..segments {
                pace.sent(Lane::P2, 1024, now);
            }
            pace.told(pace.sent, now + trip);
            now += Duration::from_secs(60);
        };
        burst(&mut pace, 256);
        let window = pace.window;
        for _ in 0..2 * MEMORY {
            burst(&mut pace, 1);
        }
        assert!(pace.window >= window * 2 / 3, "{window} {}", pace.window);
    }

    #[test]
    fn progress_that_was_never_sent_is_not_believed() {
        let mut pace = Pace::default();
        pace.sent(Lane::P2, 1000, Duration::ZERO);
        pace.told(u64::MAX, Duration::ZERO);
        assert_eq!(pace.told, 0);
    }
}

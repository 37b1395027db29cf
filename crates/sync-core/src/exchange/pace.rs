//! How much of the less urgent lanes may be under way, told by the receiver's progress.
//!
//! A modem's own queue holds seconds of data; an urgent message sent behind it waits as long, and what stands there is lost
//! with the connection. So the sender measures how fast the way delivers and sends no faster, but for a little more now and
//! then, to find out whether it could (the idea of BBR: Cardwell et al., "BBR: Congestion-Based Congestion Control", 2016).
//! Where even the quickest segment of a round trip took much longer than one can, a queue stands, and it lets it drain.

use std::collections::VecDeque;
use std::time::Duration;

use crate::wire::Lane;

/// So much goes at once, before anything was measured: a little more than what TCP sends at its start (RFC 6928). A day's
/// work is not more: in one flight, a lost packet of it is told by those behind, and does not wait for a timer.
const FIRST_FLIGHT: u64 = 20 * 1024;
/// So much may be under way at least, whatever was measured.
const UNDER_WAY_LEAST: u64 = 4 * 1024;
/// Never more than this.
const UNDER_WAY_MOST: u64 = 1024 * 1024;
/// What urgent requests may have under way, whatever else is: a request goes at once, and an ECG that follows it does not
/// stand before a notice for longer than a second of a line of 64 kbit/s.
const REQUESTS_LEAST: u64 = 8 * 1024;
/// What the way holds, so many times, is the most that is under way: what waits behind a lost packet is told late, and
/// the way must not run empty meanwhile.
const HELD_TIMES: u64 = 2;
/// A sender that was woken late makes up for so much of it.
const LATE_MOST: Duration = Duration::from_millis(5);
/// A rate is taken over at least so many of the shortest trips, so that words of progress that arrive together do not look
/// like a fast way.
const RATE_TRIPS: u32 = 2;
/// Round trips that a rate is remembered for.
const RATE_ROUNDS: u64 = 10;
/// Round trips without growth of the rate by an eighth, after which the way counts as filled.
const FILLED_AFTER: u32 = 3;
/// A queue stands where every trip of a round was longer than the shortest by this part of it.
const QUEUED_PART: u32 = 8;
/// A queue is long where every trip of a round was longer by this part.
const LONG_QUEUE_PART: u32 = 3;
/// Rounds with a queue one after the other, after which the way counts as filled.
const QUEUED_AFTER: u32 = 2;
/// Rounds with a queue one after the other, after which it is no queue but a way that got longer.
const LONGER_AFTER: u32 = 16;
/// Round trips from one attempt to send faster to the next.
const PROBE_ROUNDS: u32 = 8;
/// Round trips from one in which a queue drains to the next: never two without a pause, or the rate of a way that is not
/// filled would be believed.
const DRAIN_ROUNDS: u32 = 2;

/// How fast to send.
#[derive(Debug, Clone, Copy, Default)]
enum Gain {
    /// The way was not filled yet.
    #[default]
    Start,
    /// Perhaps the way got faster.
    Probe,
    /// As fast as the way delivers.
    Keep,
    /// A queue is to become shorter.
    Drain,
    /// A long one is.
    DrainSoon,
}

impl Gain {
    /// In eighths of the measured rate.
    const fn eighths(self) -> u128 {
        match self {
            Self::Start => 16,
            Self::Probe => 10,
            Self::Keep => 8,
            Self::Drain => 6,
            Self::DrainSoon => 3,
        }
    }
}

/// A segment that is under way.
#[derive(Debug, Clone, Copy)]
struct Mark {
    /// Bytes sent in all, with it.
    total: u64,
    bytes: u64,
    /// Whether it is of the lane of requests.
    request: bool,
    at: Duration,
    /// Whether as much was under way as half of what the way holds, so that the way set the rate and not the sender.
    filling: bool,
}

/// A word of progress.
#[derive(Debug, Clone, Copy)]
struct Word {
    told: u64,
    at: Duration,
    /// When the last byte that it tells of was sent.
    sent_at: Duration,
}

#[derive(Debug, Default)]
pub(crate) struct Pace {
    sent: u64,
    told: u64,
    /// Bytes of the lane of requests that are under way.
    requests: u64,
    marks: VecDeque<Mark>,
    /// Since when something is under way without a pause, and what had been told then.
    began: (Duration, u64),
    /// Words since then.
    words: VecDeque<Word>,
    /// The shortest that a segment took to be told.
    trip: Option<Duration>,
    /// Bytes per second behind the round that they were measured in: the fastest, and slower ones that came later.
    rates: VecDeque<(u64, u64)>,
    /// Round trips that the way was filled in: a sender that had nothing to send measures nothing.
    round: u64,
    /// The round trip under way ends with the first segment that was sent after this much was.
    round_end: u64,
    /// The shortest trip of this round.
    round_trip: Option<Duration>,
    /// The fastest rate when it began.
    rate_before: u64,
    /// Round trips since the rate last grew.
    steady: u32,
    /// Rounds with a standing queue, one after the other.
    queued: u32,
    /// Rounds since it last sent faster, and slower, than the way delivers.
    probed: u32,
    drained: u32,
    gain: Gain,
    /// Bytes that were sent before their time at this moment: below zero where time was not used.
    owed: i64,
    owed_at: Duration,
}

impl Pace {
    /// Whether a segment of this lane may go: notices always, requests where not too many of them are under way.
    pub(crate) fn has_room(&self, lane: Lane, now: Duration) -> bool {
        match lane {
            Lane::P0 => true,
            Lane::P1 => self.requests < self.most().max(REQUESTS_LEAST),
            Lane::P2 | Lane::P3 | Lane::P4 => self.room_at(lane).is_some_and(|at| at <= now),
        }
    }

    /// When a segment of this lane may go; nothing where only a word of progress makes room for it.
    pub(crate) fn room_at(&self, lane: Lane) -> Option<Duration> {
        let first = self.sent < FIRST_FLIGHT;
        match lane {
            Lane::P2 | Lane::P3 | Lane::P4 if first => Some(Duration::ZERO),
            Lane::P2 | Lane::P3 | Lane::P4 if self.sent - self.told < self.most() => Some(self.paid_at()),
            Lane::P0 | Lane::P1 | Lane::P2 | Lane::P3 | Lane::P4 => None,
        }
    }

    pub(crate) fn sent(&mut self, lane: Lane, bytes: u64, now: Duration) {
        if self.sent == self.told {
            // Nothing was under way: the time before is not the way's.
            self.began = (now, self.told);
            self.words.clear();
        }
        self.sent += bytes;
        let request = lane == Lane::P1;
        self.requests += if request { bytes } else { 0 };
        self.marks.push_back(Mark {
            request,
            total: self.sent,
            bytes,
            at: now,
            filling: (self.sent - self.told) * 2 >= self.holds(),
        });
        if self.sent > FIRST_FLIGHT {
            let since = self.carries(now.saturating_sub(self.owed_at));
            let spared = -self.carries(LATE_MOST);
            self.owed = self.owed.saturating_sub(since).max(spared);
            self.owed = self.owed.saturating_add_unsigned(bytes);
            self.owed_at = now;
        }
    }

    /// What may be sent in this time.
    fn carries(&self, time: Duration) -> i64 {
        let bytes = u128::from(self.rate()) * self.gain.eighths() * time.as_nanos() / 8_000_000_000;
        i64::try_from(bytes).unwrap_or(i64::MAX)
    }

    /// When time has made up for everything that was sent: by the rate of now, which may be better known than it was then.
    /// At once where nothing was measured.
    fn paid_at(&self) -> Duration {
        let owed = u128::from(self.owed.max(0).unsigned_abs());
        let takes = (owed * 8_000_000_000).checked_div(u128::from(self.rate()) * self.gain.eighths());
        let takes = takes.map_or(Ok(0), u64::try_from).unwrap_or(u64::MAX);
        self.owed_at.saturating_add(Duration::from_nanos(takes))
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
        if let Some(mark) = last {
            self.measure(mark, now);
        }
    }

    fn measure(&mut self, mark: Mark, now: Duration) {
        let this = now.saturating_sub(mark.at);
        let trip = self.trip.map_or(this, |shortest| shortest.min(this));
        self.trip = Some(trip);
        self.round_trip = Some(self.round_trip.map_or(this, |shortest| shortest.min(this)));
        self.words.push_back(Word {
            told: self.told,
            at: now,
            sent_at: mark.at,
        });
        self.measure_rate(mark, trip, now);
        if mark.total > self.round_end {
            self.end_round(trip, mark.filling);
        }
    }

    /// The rate is what was told between two words, but no faster than it was sent: what a lost packet held up is told
    /// at once.
    fn measure_rate(&mut self, mark: Mark, trip: Duration, now: Duration) {
        let long_ago = |word: &Word| word.at + trip * RATE_TRIPS <= now;
        while self.words.get(1).is_some_and(long_ago) {
            self.words.pop_front();
        }
        let rate = match self.words.front() {
            Some(from) if long_ago(from) => {
                let took = now.saturating_sub(from.at);
                rate_of(
                    self.told - from.told,
                    took.max(mark.at.saturating_sub(from.sent_at)),
                )
            }
            // With the trip of the first segment in it: less than the way delivers, but never more.
            _ => rate_of(self.told - self.began.1, now.saturating_sub(self.began.0)),
        };
        if let Some(rate) = rate
            && (mark.filling || rate > self.rate())
        {
            while self.rates.pop_back_if(|(_, slower)| *slower <= rate).is_some() {}
            self.rates.push_back((self.round, rate));
        }
    }

    fn end_round(&mut self, trip: Duration, filling: bool) {
        self.round_end = self.sent;
        if filling {
            self.round += 1;
        }
        // One stays, however old.
        while self.rates.len() > 1 && self.rates[0].0 + RATE_ROUNDS < self.round {
            self.rates.pop_front();
        }
        let fastest = self.rate();
        let grew = fastest > self.rate_before.saturating_add(self.rate_before / 8);
        self.steady = if grew { 0 } else { self.steady.saturating_add(1) };
        self.rate_before = fastest;
        let quickest = self.round_trip.take();
        let longer_by = |part| quickest.is_some_and(|quickest| quickest > trip + trip / part);
        let queued = longer_by(QUEUED_PART);
        self.queued = if queued { self.queued + 1 } else { 0 };
        if self.queued >= LONGER_AFTER {
            self.queued = 0;
            self.steady = 0;
            self.trip = quickest;
        }
        if self.queued >= QUEUED_AFTER {
            self.steady = self.steady.max(FILLED_AFTER);
        }
        self.drained += 1;
        self.probed += 1;
        self.gain = if self.steady < FILLED_AFTER {
            Gain::Start
        } else if queued && self.drained >= DRAIN_ROUNDS {
            self.drained = 0;
            if longer_by(LONG_QUEUE_PART) {
                Gain::DrainSoon
            } else {
                Gain::Drain
            }
        } else if !queued && self.probed >= PROBE_ROUNDS {
            self.probed = 0;
            Gain::Probe
        } else {
            Gain::Keep
        };
    }

    /// Bytes per second; zero where nothing was measured.
    fn rate(&self) -> u64 {
        self.rates.front().map_or(0, |(_, rate)| *rate)
    }

    /// What the way holds, in bytes.
    fn holds(&self) -> u64 {
        let trip = self.trip.unwrap_or_default();
        let holds = u128::from(self.rate()) * trip.as_micros() / 1_000_000;
        u64::try_from(holds).unwrap_or(u64::MAX)
    }

    /// The most that may be under way.
    fn most(&self) -> u64 {
        self.holds()
            .saturating_mul(HELD_TIMES)
            .clamp(UNDER_WAY_LEAST, UNDER_WAY_MOST)
    }
}

/// Bytes per second; nothing where no time passed.
fn rate_of(bytes: u64, took: Duration) -> Option<u64> {
    let rate = (u128::from(bytes) * 1_000_000).checked_div(took.as_micros())?;
    Some(u64::try_from(rate).unwrap_or(u64::MAX).max(1))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A way as a modem makes it: packets one after the other at its rate, each word of progress some time later, in the
    /// order of the stream.
    #[derive(Clone, Copy)]
    struct Way {
        /// Bytes a second.
        rate: u64,
        round_trip: Duration,
        /// What each direction adds to it at most, another time for each packet.
        jitter: Duration,
        /// Words arrive at the ends of these.
        tick: Duration,
        /// So many packets of a hundred are lost, and come one and a half round trips later, those behind them too.
        lost: u64,
    }

    const LEVEL: Way = Way {
        rate: 8000,
        round_trip: Duration::from_millis(600),
        jitter: Duration::ZERO,
        tick: Duration::from_millis(1),
        lost: 0,
    };
    /// 16 Mbit/s.
    const FAST: Way = Way {
        rate: 2_000_000,
        round_trip: Duration::from_millis(100),
        ..LEVEL
    };

    /// What came of some seconds of sending; all but the first ten.
    #[derive(Debug)]
    struct Flow {
        /// Part of what the way could have carried.
        used: f64,
        most_under_way: u64,
        /// How long something urgent would have waited at the modem, in the mean, in seconds.
        waits: f64,
        /// What the modem held when each urgent record came, in seconds.
        before_urgent: Vec<f64>,
    }

    /// Sends as fast as the pace lets it.
    fn flow(pace: &mut Pace, way: Way, from: Duration, seconds: u64) -> Flow {
        flow_with(pace, way, from, seconds, None)
    }

    /// The same with an urgent record of 5 kB now and then, the first after four seconds.
    fn flow_with(
        pace: &mut Pace,
        way: Way,
        from: Duration,
        seconds: u64,
        urgent_every: Option<Duration>,
    ) -> Flow {
        let mut random = 1_u64;
        let mut dice = move |most: Duration| {
            random = random
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1_442_695_040_888_963_407);
            let part = u32::try_from(random >> 40).unwrap();
            (most / (1 << 12) * (part >> 12), u64::from(part % 100))
        };
        let (counted_from, end) = (
            from + Duration::from_secs(10),
            from + Duration::from_secs(seconds),
        );
        let (mut now, mut free, mut in_order, mut word_free) = (from, from, from, from);
        let mut words: VecDeque<(Duration, u64)> = VecDeque::new();
        let mut most_under_way = 0;
        let (mut told_before, mut waited) = (None, 0.0);
        let mut urgent_at = urgent_every.map(|_| from + Duration::from_secs(4));
        let (mut urgent, mut before_urgent) = (0, Vec::new());
        while now < end {
            if let (Some(at), Some(every)) = (urgent_at, urgent_every)
                && at <= now
            {
                urgent = 5;
                urgent_at = Some(at + every);
                before_urgent.push(free.saturating_sub(now).as_secs_f64());
            }
            while urgent > 0 || pace.has_room(Lane::P2, now) {
                let lane = if urgent > 0 { Lane::P0 } else { Lane::P2 };
                urgent -= i32::from(urgent > 0);
                pace.sent(lane, 1024, now);
                free = free.max(now) + Duration::from_nanos(1024 * 1_000_000_000 / way.rate);
                let (late, chance) = dice(way.jitter);
                let lost = if chance < way.lost {
                    way.round_trip * 3 / 2
                } else {
                    Duration::ZERO
                };
                in_order = in_order.max(free + late + way.round_trip / 2 + lost);
                word_free = word_free.max(in_order + way.round_trip / 2 + dice(way.jitter).0);
                let tick = way.tick.as_nanos();
                let at = word_free.as_nanos().div_ceil(tick) * tick;
                words.push_back((Duration::from_nanos(u64::try_from(at).unwrap()), pace.sent));
            }
            let timer = pace.room_at(Lane::P2).filter(|at| *at > now);
            // A timer of the system has steps of a millisecond.
            let timer = timer.map(|at| at + Duration::from_millis(1));
            let word = words.front().map(|(at, _)| *at);
            let next = timer.into_iter().chain(word).chain(urgent_at).min().unwrap();
            if now >= counted_from {
                told_before.get_or_insert(pace.told);
                most_under_way = most_under_way.max(pace.sent - pace.told);
                waited += free.saturating_sub(now).as_secs_f64() * (next - now).as_secs_f64();
            }
            now = next;
            while let Some((_, told)) = words.pop_front_if(|(at, _)| *at <= now) {
                pace.told(told, now);
            }
        }
        let counted = (now - counted_from).as_secs_f64();
        Flow {
            used: (pace.told - told_before.unwrap()) as f64 / (counted * way.rate as f64),
            most_under_way,
            waits: waited / counted,
            before_urgent,
        }
    }

    fn of(way: Way) -> Flow {
        flow(&mut Pace::default(), way, Duration::ZERO, 60)
    }

    #[test]
    fn a_slow_way_is_filled_but_not_flooded() {
        // A segment alone takes 0.13 s of 64 kbit/s, 0.26 of 32.
        for (rate, waits) in [(8000, 0.25), (4000, 0.4)] {
            let flow = of(Way { rate, ..LEVEL });
            assert!(flow.used > 0.93 && flow.waits < waits, "{rate}: {flow:?}");
            let holds = rate * 6 / 10;
            assert!(flow.most_under_way < holds + 4 * 1024, "{rate}: {flow:?}");
        }
    }

    #[test]
    fn what_stands_at_the_modem_from_the_beginning_is_drained_soon() {
        let every = Some(Duration::from_secs(2));
        let flow = flow_with(&mut Pace::default(), LEVEL, Duration::ZERO, 30, every);
        let early = &flow.before_urgent[1..4];
        assert!(early.iter().sum::<f64>() / 3.0 < 0.2, "{flow:?}");
    }

    #[test]
    fn a_way_whose_trips_differ_is_filled_too() {
        let ways = [
            (
                "words at each fifth of a second",
                Way {
                    tick: Duration::from_millis(200),
                    ..LEVEL
                },
            ),
            (
                "a slow radio",
                Way {
                    jitter: Duration::from_millis(300),
                    ..LEVEL
                },
            ),
            (
                "a quick radio",
                Way {
                    jitter: Duration::from_millis(50),
                    rate: 125_000,
                    ..FAST
                },
            ),
            (
                "a very quick radio",
                Way {
                    jitter: Duration::from_millis(50),
                    ..FAST
                },
            ),
        ];
        for (name, way) in ways {
            let flow = of(way);
            assert!(flow.used > 0.8 && flow.waits < 0.6, "{name}: {flow:?}");
        }
    }

    #[test]
    fn a_way_that_loses_packets_is_filled_too() {
        for (rate, lost) in [(8000, 5), (4000, 5), (125_000, 1)] {
            let way = Way { rate, lost, ..LEVEL };
            let flow = of(way);
            assert!(flow.used > 0.75 && flow.waits < 0.5, "{rate}: {flow:?}");
        }
    }

    #[test]
    fn a_fast_way_is_filled() {
        for tick in [1, 20].map(Duration::from_millis) {
            let flow = of(Way { tick, ..FAST });
            assert!(flow.used > 0.9 && flow.waits < 0.05, "{tick:?}: {flow:?}");
        }
    }

    #[test]
    fn a_way_that_changes_is_measured_anew() {
        let mut pace = Pace::default();
        let wide = Way {
            rate: 100_000,
            round_trip: Duration::from_millis(50),
            ..LEVEL
        };
        let far = Way {
            rate: 50_000,
            ..LEVEL
        };
        let minute = Duration::from_secs(60);
        for (start, way) in (0..).zip([wide, far, wide]) {
            // What was under way when it changed is told at once.
            let from = minute * start;
            pace.told(pace.sent, from);
            flow(&mut pace, way, from, 30);
            pace.told(pace.sent, from + minute / 2);
            let flow = flow(&mut pace, way, from + minute / 2, 30);
            assert!(flow.used > 0.8 && flow.waits < 0.4, "{start}: {flow:?}");
        }
    }

    #[test]
    fn a_pause_of_the_sender_is_not_a_slow_way() {
        let mut pace = Pace::default();
        let way = Way {
            rate: 125_000,
            ..FAST
        };
        flow(&mut pace, way, Duration::ZERO, 20);
        pace.told(pace.sent, Duration::from_secs(21));
        let (rate, mut now) = (pace.rate(), Duration::from_secs(60));
        for _ in 0..100 {
            pace.sent(Lane::P2, 1024, now);
            pace.told(pace.sent, now + way.round_trip);
            now += Duration::from_secs(60);
        }
        assert!(pace.rate() >= rate * 2 / 3, "{rate} {}", pace.rate());
    }

    #[test]
    fn what_was_sent_before_the_rate_was_known_holds_nothing_up() {
        let mut pace = Pace::default();
        let second = Duration::from_secs(1);
        // A greeting of a few bytes: some hundred bytes a second, as far as one can know.
        pace.sent(Lane::P0, 100, Duration::ZERO);
        pace.told(100, second);
        while pace.sent < FIRST_FLIGHT {
            pace.sent(Lane::P2, 1024, second);
        }
        pace.told(pace.sent, second * 4);
        assert!(
            pace.has_room(Lane::P2, second * 4),
            "{:?}",
            pace.room_at(Lane::P2)
        );
    }

    #[test]
    fn progress_that_was_never_sent_is_not_believed() {
        let mut pace = Pace::default();
        pace.sent(Lane::P2, 1000, Duration::ZERO);
        pace.told(u64::MAX, Duration::ZERO);
        assert_eq!(pace.told, 0);
    }
}

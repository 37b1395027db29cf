//! Which lanes have something to send, from which place on, and how much may be unhandled at the other end.

use std::time::Duration;

use crate::exchange::ExchangeFault;
use crate::wire::Lane;

/// Messages of one lane that the other end may not have handled yet.
const MESSAGES_UNDER_WAY: u64 = 16;
/// Bytes of one lane that wait in the pipe before more is read from the store.
const LANE_BACKLOG: usize = 64 * 1024;
/// Bytes of items in one message of the urgent lanes.
const URGENT_BUDGET: usize = 16 * 1024;
/// Bytes of items in one message of the other lanes: packs well, and a cut costs at most this much again. A working day of a
/// village doctor makes two of them, so that either end works on one while the other is on its way.
const BULK_BUDGET: usize = 80 * 1024;

#[derive(Debug, Default, Clone, Copy)]
struct Source {
    /// Place of the last item that was read.
    after: u64,
    /// From when on something may be read.
    awake: Option<Duration>,
    asked: bool,
    /// The open question was overtaken by a new start; its answer does not count.
    stale: bool,
    sent: u64,
    handled: u64,
}

#[derive(Debug)]
pub(crate) struct Sources {
    lanes: [Source; Lane::COUNT],
    gather: Duration,
}

impl Sources {
    pub(crate) fn new(gather: Duration) -> Self {
        Self {
            lanes: [Source::default(); Lane::COUNT],
            gather,
        }
    }

    pub(crate) fn wake(&mut self, lane: Lane, now: Duration) {
        let wait = if lane.is_urgent() {
            Duration::ZERO
        } else {
            self.gather
        };
        let due = now + wait;
        let awake = &mut self.lanes[lane.index()].awake;
        *awake = Some(awake.map_or(due, |before| before.min(due)));
    }

    pub(crate) fn wake_at_once(&mut self, lane: Lane) {
        self.lanes[lane.index()].awake = Some(Duration::ZERO);
    }

    /// Goes on behind this place.
    pub(crate) fn start_from(&mut self, lane: Lane, after: u64) {
        self.lanes[lane.index()].after = after;
    }

    /// Everything is read again from the start.
    pub(crate) fn start_again(&mut self) {
        for lane in &mut self.lanes {
            lane.after = 0;
            lane.stale = lane.asked;
            lane.awake = Some(Duration::ZERO);
        }
    }

    /// Nothing more is read until something new wakes a lane, or all are read again.
    pub(crate) fn stop(&mut self) {
        self.lanes.iter_mut().for_each(|lane| lane.awake = None);
    }

    /// The most urgent lane of these that may be read: its place and how many bytes to read.
    pub(crate) fn next(
        &mut self,
        now: Duration,
        mut lanes: impl Iterator<Item = Lane>,
        queued: impl Fn(Lane) -> usize,
    ) -> Option<(Lane, u64, usize)> {
        let lane = lanes.find(|lane| {
            let source = &self.lanes[lane.index()];
            source.awake.is_some_and(|due| due <= now)
                && !source.asked
                && source.sent - source.handled < MESSAGES_UNDER_WAY
                && queued(*lane) < LANE_BACKLOG
        })?;
        let source = &mut self.lanes[lane.index()];
        source.asked = true;
        source.awake = None;
        let budget = if lane.is_urgent() {
            URGENT_BUDGET
        } else {
            BULK_BUDGET
        };
        Some((lane, source.after, budget))
    }

    /// The store answered: items up to this place were read. `false` where a new start overtook the question,
    /// so that the items will come again.
    pub(crate) fn read(&mut self, lane: Lane, upto: u64, more: bool) -> bool {
        let source = &mut self.lanes[lane.index()];
        source.asked = false;
        if std::mem::take(&mut source.stale) {
            return false;
        }
        source.after = source.after.max(upto);
        if more {
            source.awake = Some(Duration::ZERO);
        }
        true
    }

    /// The place up to which a lane was read.
    pub(crate) fn place(&self, lane: Lane) -> u64 {
        self.lanes[lane.index()].after
    }

    pub(crate) fn sent(&mut self, lane: Lane) {
        self.lanes[lane.index()].sent += 1;
    }

    pub(crate) fn peer_handled(&mut self, handled: &[u64; Lane::COUNT]) -> Result<(), ExchangeFault> {
        for (source, count) in self.lanes.iter_mut().zip(handled) {
            if *count > source.sent {
                return Err(ExchangeFault::OutOfTurn(
                    "an acknowledgement of what was not sent",
                ));
            }
            source.handled = source.handled.max(*count);
        }
        Ok(())
    }

    pub(crate) fn total_sent(&self) -> u64 {
        self.lanes.iter().map(|lane| lane.sent).sum()
    }

    /// Whether messages are under way that the other end has not handled.
    pub(crate) fn is_awaiting(&self) -> bool {
        self.lanes.iter().any(|lane| lane.handled < lane.sent)
    }

    /// Whether there is nothing left to read.
    pub(crate) fn is_exhausted(&self) -> bool {
        self.lanes.iter().all(|lane| lane.awake.is_none() && !lane.asked)
    }

    /// The time has come for what was gathered until now: it is read as soon as there is room for it. No timer tells that,
    /// and one that stayed in the past would go off without end.
    pub(crate) fn ripen(&mut self, now: Duration) {
        let ripe = self.lanes.iter_mut().filter_map(|lane| lane.awake.as_mut());
        ripe.filter(|due| **due <= now)
            .for_each(|due| *due = Duration::ZERO);
    }

    /// When gathered items are due.
    pub(crate) fn due(&self) -> Option<Duration> {
        self.lanes
            .iter()
            .filter_map(|lane| lane.awake)
            .filter(|due| *due > Duration::ZERO)
            .min()
    }
}

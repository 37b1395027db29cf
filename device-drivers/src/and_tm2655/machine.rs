//! Asks, starts, stops, and tells a new result from the one that the monitor has held all along.

use std::time::Duration;

use super::{Body, Command, Frame, ResultFields, Rules};
use crate::catalogue::DeviceKey;
use crate::events::{DeviceEvent, Origin, Progress, Status};
use crate::framing::{Direction, Found, Framer};
use crate::machine::{FrameWatch, Machine, Outbox, Request, earlier, is_due};
use crate::stored_results::StoredResults;

/// Without a result for this long after the start there will be none; the monitor is told to stop.
pub const GIVE_UP_AFTER: Duration = Duration::from_secs(120);
/// How often the last result is asked for at rest: a person may start the monitor by its own button.
const ASK_AT_REST: Duration = Duration::from_secs(5);
/// How often it is asked for during a measurement.
const ASK_MEASURING: Duration = Duration::from_secs(2);
/// A pause inside a frame after which the rest will not come, or the frame had no check byte.
const PAUSE: Duration = Duration::from_millis(500);
/// No answer to two questions in a row.
const ANSWER_WITHIN: Duration = Duration::from_secs(10);

/// Machine of a TM-2655 or TM-2657.
#[derive(Debug)]
pub struct AndMachine {
    framer: Framer<Rules>,
    results: StoredResults<ResultFields>,
    outbox: Outbox,
    watch: FrameWatch,
    /// The result that the monitor held when last heard.
    held: Option<ResultFields>,
    open: bool,
    identified: bool,
    asked: bool,
    started: Option<Duration>,
    next_question: Option<Duration>,
    pause_ends: Option<Duration>,
}

impl Default for AndMachine {
    fn default() -> Self {
        Self {
            framer: Framer::with(Rules::new(Direction::FromDevice)),
            results: StoredResults::default(),
            outbox: Outbox::default(),
            watch: FrameWatch::default(),
            held: None,
            open: false,
            identified: false,
            asked: false,
            started: None,
            next_question: None,
            pause_ends: None,
        }
    }
}

impl AndMachine {
    fn ask(&mut self, now: Duration) {
        self.outbox.send(Command::LastResult.encode());
        self.asked = true;
        self.watch.expect(now);
        let interval = if self.started.is_some() {
            ASK_MEASURING
        } else {
            ASK_AT_REST
        };
        self.next_question = Some(now + interval);
    }

    fn take(&mut self, found: Vec<Found<Frame>>, now: Duration) {
        for found in found {
            match found {
                Found::Frame(frame) => self.frame(frame.body, now),
                Found::Reject(reason, bytes) => self.outbox.reject(reason, bytes),
            }
        }
        self.pause_ends = self.framer.is_partial().then_some(now + PAUSE);
    }

    fn frame(&mut self, body: Body, now: Duration) {
        match body {
            Body::Acknowledged => self.outbox.status(Status::Acknowledged),
            Body::Refused => {
                self.outbox.status(Status::Refused);
                // Not the answer to a question, so the start was refused.
                if !self.asked {
                    self.started = None;
                }
            }
            Body::Pulses(list) => {
                self.watch.satisfied();
                self.outbox.status(Status::PulseList(list.pulses));
            }
            Body::Result(result) => self.result(result, now),
            // Only the grammar of the other direction gives commands.
            Body::Command(_) => {}
        }
    }

    /// What a result means depends on what was known: the first one after the start of the program may be of
    /// yesterday, one that changed while the line was gone is of somebody's measurement then.
    fn result(&mut self, result: ResultFields, now: Duration) {
        self.watch.satisfied();
        let asked = std::mem::take(&mut self.asked);
        let first_since_opening = !std::mem::replace(&mut self.identified, true);
        if first_since_opening {
            self.outbox.status(Status::Identified { serial: None });
        }
        let known = self.held.replace(result.clone());
        let unchanged = known.as_ref() == Some(&result);
        // A failed try within the same minute looks like the failure before it, but nobody asked for it.
        let failed_again = self.started.is_some() && !asked && result.error != "00";
        if unchanged && !failed_again {
            if !asked {
                self.outbox.status(Status::Repeated);
            }
            return;
        }
        if known.is_none() && asked {
            self.results.is_repeated(result);
            self.outbox.status(Status::LastResultKnown);
            return;
        }
        if result.error == "00" && self.results.is_repeated(result.clone()) {
            self.outbox.status(Status::Repeated);
            return;
        }
        let by_clock = self.results.origin(result.device_time, now);
        let origin = match self.started {
            // We started it, and what the monitor holds has changed since.
            Some(_) => Origin::Fresh,
            None if first_since_opening && asked => Origin::Memory,
            None => by_clock,
        };
        self.outbox.event(result.event(origin));
        self.started = None;
        self.next_question = Some(now + ASK_AT_REST);
    }

    fn start(&mut self, now: Duration) {
        self.outbox.send(Command::Start.encode());
        self.outbox.status(Status::Started);
        self.started = Some(now);
        self.next_question = Some(now + ASK_MEASURING);
    }

    fn stop(&mut self, status: Status, now: Duration) {
        self.outbox.send(Command::Stop.encode());
        self.outbox.status(status);
        self.started = None;
        self.next_question = Some(now + ASK_AT_REST);
    }
}

impl Machine for AndMachine {
    fn key(&self) -> DeviceKey {
        DeviceKey::AndTm2655
    }

    fn handle_opened(&mut self, now: Duration) {
        self.results.opened(now);
        self.framer = Framer::with(Rules::new(Direction::FromDevice));
        self.outbox.forget_commands();
        self.watch.satisfied();
        self.open = true;
        self.identified = false;
        self.pause_ends = None;
        self.ask(now);
    }

    fn handle_closing(&mut self, now: Duration) {
        if self.started.is_some() {
            self.stop(Status::Stopped, now);
        }
    }

    fn handle_closed(&mut self, _now: Duration) {
        self.open = false;
        self.watch.satisfied();
        self.outbox.forget_commands();
        self.started = None;
        self.asked = false;
        self.next_question = None;
        self.pause_ends = None;
    }

    fn handle_bytes(&mut self, bytes: &[u8], now: Duration) {
        let found = self.framer.feed(bytes);
        self.take(found, now);
    }

    fn handle_timeout(&mut self, now: Duration) {
        if is_due(self.pause_ends, now) {
            let found = self.framer.finish();
            self.take(found, now);
        }
        if self
            .started
            .is_some_and(|at| now.saturating_sub(at) >= GIVE_UP_AFTER)
        {
            self.stop(Status::GaveUp, now);
        }
        if is_due(self.next_question, now) {
            if let Some(started) = self.started {
                let seconds = now.saturating_sub(started).as_secs().min(u64::from(u32::MAX)) as u32;
                self.outbox
                    .event(DeviceEvent::Progress(Progress::Measuring { seconds }));
            }
            self.ask(now);
        }
    }

    fn handle_request(&mut self, request: Request, now: Duration) {
        match request {
            Request::Start | Request::Stop if !self.open => self.outbox.status(Status::Refused),
            Request::Start => self.start(now),
            Request::Stop => self.stop(Status::Stopped, now),
        }
    }

    fn poll_transmit(&mut self) -> Option<Vec<u8>> {
        self.outbox.poll_transmit()
    }

    fn poll_event(&mut self) -> Option<DeviceEvent> {
        self.outbox.poll_event()
    }

    fn poll_timeout(&self) -> Option<Duration> {
        let give_up = self.started.map(|at| at + GIVE_UP_AFTER);
        earlier(earlier(self.pause_ends, self.next_question), give_up)
    }

    fn silent_for(&self, now: Duration) -> Option<Duration> {
        self.watch.longer_than(ANSWER_WITHIN, now)
    }
}

//! The monitor only pushes; the machine cuts lines, tells repetitions and stored results apart and notices a
//! line that carries something else.

use std::time::Duration;

use super::{Line, Rules};
use crate::catalogue::DeviceKey;
use crate::events::{DeviceEvent, Status};
use crate::framing::{Found, Framer};
use crate::machine::{FrameWatch, Machine, Outbox, Request};
use crate::stored_results::StoredResults;

/// Bytes without a whole line for longer than this are noise, a wrong rate or another device.
const LINE_WITHIN: Duration = Duration::from_secs(5);
/// After this long without any byte the line is at rest again, whatever came before.
const AT_REST_AFTER: Duration = Duration::from_secs(30);

/// Machine of an HBP-9030.
#[derive(Debug, Default)]
pub struct OmronMachine {
    framer: Framer<Rules>,
    results: StoredResults<Line>,
    outbox: Outbox,
    watch: FrameWatch,
    last_byte: Option<Duration>,
    identified: bool,
}

impl OmronMachine {
    fn line(&mut self, line: Line, now: Duration) {
        self.watch.satisfied();
        if !std::mem::replace(&mut self.identified, true) {
            self.outbox.status(Status::Identified { serial: None });
        }
        let is_error = line.error != 0;
        if !is_error && self.results.is_repeated(line.clone()) {
            self.outbox.status(Status::Repeated);
            return;
        }
        let origin = self.results.origin(line.device_time, now);
        self.outbox.event(line.event(origin));
    }
}

impl Machine for OmronMachine {
    fn key(&self) -> DeviceKey {
        DeviceKey::OmronHbp9030
    }

    fn handle_opened(&mut self, now: Duration) {
        self.results.opened(now);
        self.framer = Framer::default();
        self.watch.satisfied();
        self.identified = false;
    }

    fn handle_closing(&mut self, _now: Duration) {}

    fn handle_closed(&mut self, _now: Duration) {
        self.watch.satisfied();
    }

    fn handle_bytes(&mut self, bytes: &[u8], now: Duration) {
        if bytes.is_empty() {
            return;
        }
        if self
            .last_byte
            .is_none_or(|at| now.saturating_sub(at) > AT_REST_AFTER)
        {
            self.watch.satisfied();
        }
        self.watch.expect(now);
        self.last_byte = Some(now);
        for found in self.framer.feed(bytes) {
            match found {
                Found::Frame(line) => self.line(line, now),
                // A damaged line may hold the subject in any place.
                Found::Reject(reason, _) => self.outbox.reject(reason, Vec::new()),
            }
        }
        if self.framer.is_partial() {
            self.watch.expect(now);
        }
    }

    fn handle_timeout(&mut self, _now: Duration) {}

    fn handle_request(&mut self, _request: Request, _now: Duration) {
        self.outbox.status(Status::NotSupported);
    }

    fn poll_transmit(&mut self) -> Option<Vec<u8>> {
        self.outbox.poll_transmit()
    }

    fn poll_event(&mut self) -> Option<DeviceEvent> {
        self.outbox.poll_event()
    }

    fn poll_timeout(&self) -> Option<Duration> {
        None
    }

    fn silent_for(&self, now: Duration) -> Option<Duration> {
        let at_rest = self
            .last_byte
            .is_none_or(|at| now.saturating_sub(at) > AT_REST_AFTER);
        if at_rest {
            None
        } else {
            self.watch.longer_than(LINE_WITHIN, now)
        }
    }
}

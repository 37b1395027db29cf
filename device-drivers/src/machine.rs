//! What all device machines have in common: bytes, requests and time go in; bytes and events come out.
//!
//! A machine knows neither the port nor the clock. Time is a [`Duration`] since an arbitrary moment of the
//! caller's, never going back.

use std::collections::VecDeque;
use std::time::Duration;

use crate::catalogue::DeviceKey;
use crate::events::{DeviceEvent, Reject, Status};
use crate::framing::RejectReason;

/// Most events that wait to be taken; beyond it rejects and states are left out, readings and samples never.
pub const EVENTS_MAX: usize = 4096;

/// What a person or the kiosk asks of a device.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Request {
    /// Start a measurement or recording.
    Start,
    /// Stop it.
    Stop,
}

/// The machine of one device on one line.
pub trait Machine: Send {
    /// Which device.
    fn key(&self) -> DeviceKey;
    /// The port was opened, again after an unplug too: half frames are forgotten, the handshake begins.
    fn handle_opened(&mut self, now: Duration);
    /// The program is about to close the port: what it started is stopped.
    fn handle_closing(&mut self, now: Duration);
    /// The port is gone.
    fn handle_closed(&mut self, now: Duration);
    /// Bytes came; where they were cut makes no difference.
    fn handle_bytes(&mut self, bytes: &[u8], now: Duration);
    /// The time of [`Self::poll_timeout`] has come.
    fn handle_timeout(&mut self, now: Duration);
    /// Somebody asks something of the device.
    fn handle_request(&mut self, request: Request, now: Duration);
    /// Bytes to send, one command at a time.
    fn poll_transmit(&mut self) -> Option<Vec<u8>>;
    /// The next event.
    fn poll_event(&mut self) -> Option<DeviceEvent>;
    /// When [`Self::handle_timeout`] wants to be called.
    fn poll_timeout(&self) -> Option<Duration>;
    /// How long no valid frame came although one should have; `None` while all is well.
    fn silent_for(&self, now: Duration) -> Option<Duration>;
}

/// Commands and events on their way out of a machine.
#[derive(Debug, Default)]
pub(crate) struct Outbox {
    events: VecDeque<DeviceEvent>,
    transmit: VecDeque<Vec<u8>>,
}

impl Outbox {
    pub(crate) fn event(&mut self, event: DeviceEvent) {
        let may_be_left_out = matches!(event, DeviceEvent::Reject(_) | DeviceEvent::Status(_));
        if self.events.len() < EVENTS_MAX || !may_be_left_out {
            self.events.push_back(event);
        }
    }

    pub(crate) fn status(&mut self, status: Status) {
        self.event(DeviceEvent::Status(status));
    }

    pub(crate) fn reject(&mut self, reason: RejectReason, bytes: Vec<u8>) {
        self.event(DeviceEvent::Reject(Reject { reason, bytes }));
    }

    pub(crate) fn send(&mut self, bytes: impl Into<Vec<u8>>) {
        self.transmit.push_back(bytes.into());
    }

    /// Forgets commands that belong to a line that is gone.
    pub(crate) fn forget_commands(&mut self) {
        self.transmit.clear();
    }

    pub(crate) fn poll_event(&mut self) -> Option<DeviceEvent> {
        self.events.pop_front()
    }

    pub(crate) fn poll_transmit(&mut self) -> Option<Vec<u8>> {
        self.transmit.pop_front()
    }
}

/// Tells for how long a frame has been missing.
#[derive(Debug, Default)]
pub(crate) struct FrameWatch {
    missing_since: Option<Duration>,
}

impl FrameWatch {
    /// A frame should come from now on; what was missing before goes on missing.
    pub(crate) fn expect(&mut self, now: Duration) {
        self.missing_since.get_or_insert(now);
    }

    /// A valid frame came, or none is expected any more.
    pub(crate) fn satisfied(&mut self) {
        self.missing_since = None;
    }

    /// How long a frame is missing, if longer than `limit`.
    pub(crate) fn longer_than(&self, limit: Duration, now: Duration) -> Option<Duration> {
        let missing = now.saturating_sub(self.missing_since?);
        (missing > limit).then_some(missing)
    }
}

/// The earlier of two deadlines.
pub(crate) fn earlier(a: Option<Duration>, b: Option<Duration>) -> Option<Duration> {
    match (a, b) {
        (Some(a), Some(b)) => Some(a.min(b)),
        (a, b) => a.or(b),
    }
}

/// Whether a deadline has come.
pub(crate) fn is_due(deadline: Option<Duration>, now: Duration) -> bool {
    deadline.is_some_and(|at| at <= now)
}

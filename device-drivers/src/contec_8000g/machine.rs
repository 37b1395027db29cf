//! Starts and stops the stream, restarts it after an unplug, and hands samples out in blocks without losing one
//! silently.

use std::time::Duration;

use super::flow::FlowWatch;
use super::wave::Assembler;
use super::{Command, Frame, Record, Rules, SAMPLES_PER_SECOND, WaveBlock};
use crate::catalogue::DeviceKey;
use crate::events::{DeviceEvent, Status};
use crate::framing::{Found, Framer, REJECT_BYTES_MAX, RejectReason};
use crate::machine::{FrameWatch, Machine, Outbox, Request, earlier, is_due};

/// Pause between the commands that start the stream.
const BETWEEN_COMMANDS: Duration = Duration::from_millis(40);
/// A stream without a record for this long is started again.
const RESTART_AFTER: Duration = Duration::from_secs(3);
/// From when on a missing record is told.
const RECORD_WITHIN: Duration = Duration::from_secs(2);
/// A stream that nobody asked for is told to stop this often.
const HUSH_EVERY: Duration = Duration::from_secs(1);
/// Bytes of a record whose marker was lost.
const HEADLESS_RECORD: usize = 14;
/// Bytes from here on are markers, never payload.
const FIRST_MARKER: u8 = 0x80;
/// Marker of a sample record, as the first byte of a reject.
const SAMPLE_MARKER: u8 = 0xa0;

/// Machine of an 8000G.
#[derive(Debug, Default)]
pub struct EcgMachine {
    framer: Framer<Rules>,
    assembler: Assembler,
    outbox: Outbox,
    watch: FrameWatch,
    identified: bool,
    open: bool,
    recording: bool,
    /// Commands of the start that are still to be sent, and when.
    starting: Option<(Command, Duration)>,
    flow: Option<FlowWatch>,
    last_record: Option<Duration>,
    /// The newest record; it counts when what follows it is no stray byte.
    newest: Option<Record>,
    hushed: Option<Duration>,
    /// The bytes before were a record cut short.
    after_cut: bool,
    /// When a stream was last asked for.
    stream_asked: Option<Duration>,
}

impl EcgMachine {
    fn begin_stream(&mut self, now: Duration) {
        self.outbox.send(Command::Idle.bytes());
        self.starting = Some((Command::Prepare, now + BETWEEN_COMMANDS));
        self.framer = Framer::default();
        self.flow = None;
        self.stream_asked = Some(now);
        self.watch.expect(now);
    }

    fn next_command(&mut self, now: Duration) {
        let Some((command, _)) = self.starting.filter(|(_, at)| *at <= now) else {
            return;
        };
        self.outbox.send(command.bytes());
        self.starting = match command {
            Command::Prepare => Some((Command::Start, now + BETWEEN_COMMANDS)),
            Command::Idle | Command::Start => None,
        };
    }

    fn take(&mut self, found: Vec<Found<Frame>>, now: Duration) {
        for found in found {
            match found {
                Found::Frame(frame) => self.frame(frame, now),
                Found::Reject(reason, bytes) => {
                    if self.recording {
                        self.damage(reason, &bytes);
                    }
                    self.outbox.reject(reason, bytes);
                }
            }
        }
    }

    fn frame(&mut self, frame: Frame, now: Duration) {
        self.after_cut = false;
        if !std::mem::replace(&mut self.identified, true) {
            self.outbox.status(Status::Identified { serial: None });
        }
        if !self.recording {
            self.hush(now);
            return;
        }
        self.watch.satisfied();
        match frame {
            Frame::Sample(record) => self.sample(record, now),
            Frame::Boundary => {
                self.commit();
                self.outbox.status(Status::StreamBoundary);
            }
            Frame::Status(bytes) => {
                self.commit();
                self.outbox.status(Status::Raw(bytes.to_vec()));
            }
        }
    }

    fn sample(&mut self, record: Record, now: Duration) {
        self.commit();
        if self.flow.is_none() {
            // The stream begins, or begins again: the time in between is a gap of known length.
            if let Some(last) = self.last_record {
                self.gap(Some(samples_in(now.saturating_sub(last))));
            }
            self.flow = Some(FlowWatch::new(now));
        }
        self.newest = Some(record);
        self.last_record = Some(now);
        if let Some(flow) = &mut self.flow {
            flow.record();
        }
    }

    /// Accepts the newest record: what follows it begins with a marker.
    fn commit(&mut self) {
        if let Some(record) = self.newest.take() {
            let block = self.assembler.record(record);
            self.wave(block);
        }
    }

    /// Judges which records a damaged stretch cost. One lost, added or changed byte costs one record, whose
    /// twin holds the same sample.
    fn damage(&mut self, reason: RejectReason, bytes: &[u8]) {
        let after_cut = std::mem::take(&mut self.after_cut);
        if reason == RejectReason::Truncated {
            self.commit();
            self.after_cut = true;
            if bytes.first() == Some(&SAMPLE_MARKER) {
                self.lose_one();
            }
            return;
        }
        let payload = bytes.iter().filter(|byte| **byte < FIRST_MARKER).count();
        let begins_with_payload = bytes.first().is_some_and(|byte| *byte < FIRST_MARKER);
        if bytes.len() >= REJECT_BYTES_MAX {
            self.gap(None);
        } else if after_cut {
            // The tail of the record that was cut, behind a stray marker; what is longer was more than one.
            (0..payload / HEADLESS_RECORD).for_each(|_| self.lose_one());
        } else if begins_with_payload && payload % HEADLESS_RECORD != 0 && self.newest.take().is_some() {
            // Stray bytes right behind a record: a byte was put into it, so it is not what it says.
            self.lose_one();
            (0..payload / HEADLESS_RECORD).for_each(|_| self.lose_one());
        } else {
            // Whole records whose marker was lost or changed, or a marker that is none.
            self.commit();
            (0..payload / HEADLESS_RECORD).for_each(|_| self.lose_one());
        }
    }

    fn lose_one(&mut self) {
        if let Some(flow) = &mut self.flow {
            flow.record();
        }
        let block = self.assembler.lost_record();
        self.wave(block);
    }

    fn gap(&mut self, missing: Option<u32>) {
        self.newest = None;
        self.assembler.lost_some(missing);
    }

    fn wave(&mut self, block: Option<WaveBlock>) {
        if let Some(block) = block {
            self.outbox.event(DeviceEvent::Wave(block));
        }
    }

    /// Ends the recording and hands out what is left of it.
    fn finish(&mut self, now: Duration) {
        let found = self.framer.finish();
        self.take(found, now);
        self.commit();
        let block = self.assembler.flush();
        self.wave(block);
        self.assembler = Assembler::default();
        self.recording = false;
        self.starting = None;
        self.flow = None;
        self.last_record = None;
        self.watch.satisfied();
    }

    fn hush(&mut self, now: Duration) {
        if self.hushed.is_none_or(|at| now.saturating_sub(at) >= HUSH_EVERY) {
            self.hushed = Some(now);
            self.outbox.send(Command::Idle.bytes());
        }
    }

    fn restart_due(&self) -> Option<Duration> {
        let waiting = self.recording && self.open && self.starting.is_none();
        let since = self.last_record.max(self.stream_asked);
        since.filter(|_| waiting).map(|since| since + RESTART_AFTER)
    }
}

fn samples_in(time: Duration) -> u32 {
    let samples = time.as_millis() * u128::from(SAMPLES_PER_SECOND) / 1_000;
    u32::try_from(samples).unwrap_or(u32::MAX)
}

impl Machine for EcgMachine {
    fn key(&self) -> DeviceKey {
        DeviceKey::Contec8000g
    }

    fn handle_opened(&mut self, now: Duration) {
        self.open = true;
        self.identified = false;
        self.framer = Framer::default();
        self.outbox.forget_commands();
        if self.recording {
            self.begin_stream(now);
        } else {
            self.outbox.send(Command::Idle.bytes());
        }
    }

    fn handle_closing(&mut self, now: Duration) {
        if self.recording {
            self.handle_request(Request::Stop, now);
        }
    }

    fn handle_closed(&mut self, now: Duration) {
        self.open = false;
        let found = self.framer.finish();
        self.take(found, now);
        self.commit();
        self.starting = None;
        self.flow = None;
        self.outbox.forget_commands();
    }

    fn handle_bytes(&mut self, bytes: &[u8], now: Duration) {
        let found = self.framer.feed(bytes);
        self.take(found, now);
        if let Some(lost) = self.flow.as_mut().and_then(|flow| flow.observe(now)) {
            self.commit();
            self.assembler.lost_some(Some(lost / 2));
        }
    }

    fn handle_timeout(&mut self, now: Duration) {
        self.next_command(now);
        if is_due(self.restart_due(), now) {
            self.begin_stream(now);
        }
    }

    fn handle_request(&mut self, request: Request, now: Duration) {
        match request {
            Request::Start if self.recording => {}
            Request::Start if !self.open => self.outbox.status(Status::Refused),
            Request::Start => {
                self.recording = true;
                self.outbox.status(Status::Started);
                self.begin_stream(now);
            }
            Request::Stop if self.recording => {
                self.outbox.send(Command::Idle.bytes());
                self.finish(now);
                self.outbox.status(Status::Stopped);
            }
            Request::Stop => self.outbox.send(Command::Idle.bytes()),
        }
    }

    fn poll_transmit(&mut self) -> Option<Vec<u8>> {
        self.outbox.poll_transmit()
    }

    fn poll_event(&mut self) -> Option<DeviceEvent> {
        self.outbox.poll_event()
    }

    fn poll_timeout(&self) -> Option<Duration> {
        earlier(self.starting.map(|(_, at)| at), self.restart_due())
    }

    fn silent_for(&self, now: Duration) -> Option<Duration> {
        if !self.recording {
            return None;
        }
        let since_record = self.last_record.map(|at| now.saturating_sub(at));
        let silent = since_record.filter(|silent| *silent > RECORD_WITHIN);
        silent.or_else(|| self.watch.longer_than(RECORD_WITHIN, now))
    }
}

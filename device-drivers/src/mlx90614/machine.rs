//! Makes a reading out of single values: only when asked, and only of a value that stands still.

use std::collections::VecDeque;
use std::ops::RangeInclusive;
use std::time::Duration;

use records::units::DeciCelsius;

use super::OBJECT_CENTI_CELSIUS;
use super::frame::{AnswerError, Register, Value};
use crate::events::{
    DeviceError, DeviceEvent, Fault, OutOfRange, Progress, Quantity, Reading, Reject, Status, Temperature,
    TemperatureSite,
};
use crate::framing::RejectReason;
use crate::machine::{FrameWatch, Outbox, Request};

/// Values that a reading is the mean of.
const STEADY_VALUES: usize = 10;
/// Largest spread of these values, hundredths of °C.
const STEADY_SPREAD: i64 = 30;
/// Time between two values of a measurement; the sensor's own filter settles in about as long.
const VALUE_EVERY: Duration = Duration::from_millis(100);
/// Time between two looks at the sensor at rest.
const REST_EVERY: Duration = Duration::from_secs(1);
/// Without a steady value for this long there is no reading.
pub const GIVE_UP_AFTER: Duration = Duration::from_secs(10);
/// Time that a reading takes at least.
pub const SHORTEST_MEASUREMENT: Duration = Duration::from_millis(900);
/// A sensor without a good answer for this long is told to be silent.
const ANSWER_WITHIN: Duration = Duration::from_secs(5);
/// Bounds of a value that [`DeciCelsius`] holds as well, hundredths of °C.
const PUBLISHED: RangeInclusive<i64> = OBJECT_CENTI_CELSIUS;

/// Why a register could not be read, without the bus's own error.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SampleFault {
    /// The bus failed.
    Bus,
    /// The answer was no value.
    Answer(AnswerError),
}

/// Machine of the sensor. It speaks in registers instead of bytes: [`Self::poll_read`] names the register to
/// read now, [`Self::handle_sample`] takes what came of it.
#[derive(Debug, Default)]
pub struct ThermometerMachine {
    outbox: Outbox,
    watch: FrameWatch,
    open: bool,
    identified: bool,
    measuring: Option<Duration>,
    values: VecDeque<i64>,
    ambient: Option<i64>,
    due: Option<Duration>,
    wanted: Option<Register>,
}

impl ThermometerMachine {
    /// The bus was opened.
    pub fn handle_opened(&mut self, now: Duration) {
        self.open = true;
        self.identified = false;
        self.due = Some(now);
        self.watch.expect(now);
        self.handle_timeout(now);
    }

    /// The bus is gone.
    pub fn handle_closed(&mut self) {
        self.open = false;
        self.watch.satisfied();
        self.due = None;
        self.wanted = None;
        self.measuring = None;
    }

    /// Somebody asks for a measurement, or takes that back.
    pub fn handle_request(&mut self, request: Request, now: Duration) {
        self.values.clear();
        match request {
            Request::Start if !self.open => self.outbox.status(Status::Refused),
            Request::Start => {
                self.measuring = Some(now);
                self.due = Some(now);
                self.outbox.status(Status::Started);
                self.handle_timeout(now);
            }
            Request::Stop => {
                self.measuring = None;
                self.outbox.status(Status::Stopped);
            }
        }
    }

    /// The time of [`Self::poll_timeout`] has come.
    pub fn handle_timeout(&mut self, now: Duration) {
        if self
            .measuring
            .is_some_and(|started| now.saturating_sub(started) >= GIVE_UP_AFTER)
        {
            self.measuring = None;
            self.error(Fault::Unsteady);
        }
        if self.due.is_some_and(|due| due <= now) {
            self.wanted = Some(if self.measuring.is_some() {
                Register::Object1
            } else {
                Register::Ambient
            });
            self.due = None;
        }
    }

    /// The register to read now.
    pub fn poll_read(&mut self) -> Option<Register> {
        self.wanted.take()
    }

    /// A register was read.
    pub fn handle_sample(&mut self, register: Register, sample: Result<Value, SampleFault>, now: Duration) {
        let every = if self.measuring.is_some() {
            VALUE_EVERY
        } else {
            REST_EVERY
        };
        self.due = Some(now + every);
        match sample {
            Ok(value) => {
                self.watch.satisfied();
                if !std::mem::replace(&mut self.identified, true) {
                    self.outbox.status(Status::Identified { serial: None });
                }
                self.value(register, value, now);
            }
            Err(fault) => self.fault(fault, now),
        }
    }

    fn value(&mut self, register: Register, value: Value, now: Duration) {
        let Value::CentiCelsius(centi) = value else {
            return;
        };
        let centi = i64::from(centi);
        match register {
            Register::Ambient => self.ambient = Some(centi),
            Register::Object1 => self.object(centi, now),
            Register::Object2 | Register::Emissivity => {}
        }
    }

    fn object(&mut self, centi: i64, now: Duration) {
        let Some(started) = self.measuring else {
            return;
        };
        if self.values.len() == STEADY_VALUES {
            self.values.pop_front();
        }
        self.values.push_back(centi);
        if let Some(value) = deci(centi) {
            self.outbox
                .event(DeviceEvent::Progress(Progress::SurfaceTemperature(value)));
        }
        let (least, most) = self
            .values
            .iter()
            .fold((i64::MAX, i64::MIN), |(least, most), value| {
                (least.min(*value), most.max(*value))
            });
        let long_enough = now.saturating_sub(started) >= SHORTEST_MEASUREMENT;
        if self.values.len() < STEADY_VALUES || most - least > STEADY_SPREAD || !long_enough {
            return;
        }
        self.measuring = None;
        let mean = self.values.iter().sum::<i64>().div_euclid(STEADY_VALUES as i64);
        self.outbox.event(self.judge(mean));
    }

    fn judge(&self, mean: i64) -> DeviceEvent {
        match deci(mean) {
            Some(value) => DeviceEvent::Reading(Reading::Temperature(Temperature {
                value,
                site: TemperatureSite::Surface,
                ambient: self.ambient.and_then(deci),
            })),
            None => DeviceEvent::OutOfRange(OutOfRange {
                values: vec![(Quantity::CentiCelsius, mean)],
                subject: None,
                device_time: None,
            }),
        }
    }

    fn fault(&mut self, fault: SampleFault, now: Duration) {
        self.watch.expect(now);
        match fault {
            SampleFault::Answer(AnswerError::PacketError) => self.outbox.event(DeviceEvent::Reject(Reject {
                reason: RejectReason::Checksum,
                bytes: Vec::new(),
            })),
            SampleFault::Answer(AnswerError::ErrorFlag) => {
                if self.measuring.take().is_some() {
                    self.error(Fault::SensorFault);
                }
            }
            SampleFault::Bus => {
                if self.measuring.take().is_some() {
                    self.error(Fault::NoAnswer);
                }
            }
        }
    }

    fn error(&mut self, fault: Fault) {
        self.values.clear();
        self.outbox.event(DeviceEvent::DeviceError(DeviceError {
            code: String::new(),
            fault,
            subject: None,
            device_time: None,
        }));
    }

    /// The next event.
    pub fn poll_event(&mut self) -> Option<DeviceEvent> {
        self.outbox.poll_event()
    }

    /// When [`Self::handle_timeout`] wants to be called.
    pub fn poll_timeout(&self) -> Option<Duration> {
        self.due
    }

    /// How long no good answer came; `None` while all is well.
    pub fn silent_for(&self, now: Duration) -> Option<Duration> {
        self.watch.longer_than(ANSWER_WITHIN, now)
    }
}

/// Tenths of a degree of hundredths inside the published range, rounded half up.
fn deci(centi: i64) -> Option<DeciCelsius> {
    PUBLISHED
        .contains(&centi)
        .then(|| DeciCelsius::new((centi + 5).div_euclid(10)).ok())
        .flatten()
}

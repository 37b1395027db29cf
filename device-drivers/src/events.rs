//! What a device said, as values. A reading exists only from a complete, checked frame that says finished and
//! whose numbers lie inside the device's published range; everything else has an event of its own.

use std::fmt;

use jiff::civil::DateTime;
use records::units::{Bpm, DeciCelsius, MmHg};

use crate::contec_8000g::WaveBlock;
use crate::framing::RejectReason;
use crate::idcard_sam::IdCard;

/// Anything that a device machine reports.
#[derive(Debug, Clone, PartialEq)]
pub enum DeviceEvent {
    /// A finished measurement.
    Reading(Reading),
    /// A measurement is under way; never a reading.
    Progress(Progress),
    /// Samples of a recording under way.
    Wave(WaveBlock),
    /// The device or the machine changed state.
    Status(Status),
    /// A host frame, by the name of its command (only when host traffic is decoded).
    Command(&'static str),
    /// A checked frame whose numbers lie outside the device's published range: for the bay's log, never
    /// attachable.
    OutOfRange(OutOfRange),
    /// A well-formed frame by which the device reports that there is no result.
    DeviceError(DeviceError),
    /// Bytes that are no frame of this device.
    Reject(Reject),
    /// An identity card was read whole.
    Card(Box<IdCard>),
}

/// A finished measurement.
#[derive(Debug, Clone, PartialEq)]
pub enum Reading {
    /// Blood pressure, with the pulse taken by the cuff.
    BloodPressure(BloodPressure),
    /// A temperature.
    Temperature(Temperature),
}

/// One blood pressure as a monitor sent it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BloodPressure {
    /// Systolic pressure.
    pub systolic: MmHg,
    /// Diastolic pressure.
    pub diastolic: MmHg,
    /// Mean arterial pressure, where the monitor sends it.
    pub mean: Option<MmHg>,
    /// Pulse during the measurement.
    pub pulse: Option<Bpm>,
    /// What was typed or swiped at the monitor; `None` where the monitor has no such field or it was empty.
    pub subject: Option<SubjectId>,
    /// The monitor's own clock, to the minute; its error is unknown.
    pub device_time: Option<DateTime>,
    /// Signs of a poor measurement.
    pub quality: BloodPressureQuality,
    /// Whether this was measured now or sent out of the monitor's memory.
    pub origin: Origin,
    /// The frame as it came, the subject in it blanked: evidence to be kept beside the reading.
    pub raw: Vec<u8>,
}

/// Signs of a poor measurement that the monitor sent with its result.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct BloodPressureQuality {
    /// Body movements noticed (Omron: their number; A&D: 0 or 1); 1 or more calls for a warning.
    pub movement: Option<u8>,
    /// Irregular beats counted.
    pub irregular_beats: Option<u8>,
    /// The monitor measured a second time by itself.
    pub retested: Option<bool>,
}

/// Where a result came from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Origin {
    /// Nothing speaks against a measurement that has just finished.
    Fresh,
    /// The monitor's clock stands earlier than it must for a new result: an older one out of its memory.
    Memory,
}

/// One temperature as a sensor gave it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Temperature {
    /// The temperature.
    pub value: DeciCelsius,
    /// What was measured; a surface is not a body temperature.
    pub site: TemperatureSite,
    /// Temperature of the sensor itself.
    pub ambient: Option<DeciCelsius>,
}

/// What a thermometer looked at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TemperatureSite {
    /// A surface seen by its infrared light (forehead, wrist).
    Surface,
}

/// A subject's id as it stands in a frame: transient, compared with the open visit, never logged.
#[derive(Clone, PartialEq, Eq)]
pub struct SubjectId(String);

impl SubjectId {
    /// Takes a padded field; `None` if nothing stands in it.
    pub fn from_field(field: &str) -> Option<Self> {
        let text = field.trim();
        (!text.is_empty()).then(|| Self(text.to_owned()))
    }

    /// The id, for the comparison with the open visit.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for SubjectId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SubjectId({} characters)", self.0.chars().count())
    }
}

/// How far a measurement is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Progress {
    /// The cuff was started and has sent no result yet.
    Measuring {
        /// Seconds since the start.
        seconds: u32,
    },
    /// The surface thermometer sees this now.
    SurfaceTemperature(DeciCelsius),
}

/// A change of state that is no measurement.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Status {
    /// The device answered its handshake. The serial number is the device's, never a person's.
    Identified {
        /// Serial number, where the device tells it.
        serial: Option<String>,
    },
    /// A measurement or recording was started by us.
    Started,
    /// A measurement or recording was stopped by us.
    Stopped,
    /// The device acknowledged a command.
    Acknowledged,
    /// The device refused a command.
    Refused,
    /// A result that was taken already came again; it is no second reading.
    Repeated,
    /// The last result in the device's memory, learnt at connection; it is no reading.
    LastResultKnown,
    /// No result came within the time limit; the device was told to stop.
    GaveUp,
    /// The device's stream (re)starts here.
    StreamBoundary,
    /// The device's own status bytes, of no public meaning.
    Raw(Vec<u8>),
    /// Pressures and amplitudes of single pulses, as (mmHg, amplitude).
    PulseList(Vec<(u16, u16)>),
    /// A card lies on the reader.
    CardFound,
    /// The reader sees no card any more.
    CardGone,
    /// The request makes no sense for this device.
    NotSupported,
}

/// Which quantity a number outside the published range is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Quantity {
    /// Systolic pressure, mmHg.
    Systolic,
    /// Diastolic pressure, mmHg.
    Diastolic,
    /// Mean arterial pressure, mmHg.
    Mean,
    /// Pulse, per minute.
    Pulse,
    /// Temperature, hundredths of °C.
    CentiCelsius,
}

/// A checked frame with numbers that this device cannot measure.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OutOfRange {
    /// The numbers of the frame.
    pub values: Vec<(Quantity, i64)>,
    /// Subject in the frame.
    pub subject: Option<SubjectId>,
    /// The device's clock.
    pub device_time: Option<DateTime>,
}

/// The device reports that there is no result.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeviceError {
    /// The device's own code, as it writes it.
    pub code: String,
    /// What that code means, as one word of the family's table.
    pub fault: Fault,
    /// Subject in the frame.
    pub subject: Option<SubjectId>,
    /// The device's clock.
    pub device_time: Option<DateTime>,
}

/// What a device error means.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// The cuff measured and found nothing (loose cuff, movement, leak: the maker's code says which).
    NoMeasurement,
    /// No card on the reader.
    NoCard,
    /// The card could not be selected.
    SelectFailed,
    /// The card left or could not be read.
    ReadFailed,
    /// Card and reader do not accept each other.
    CardRefused,
    /// Another kind of card.
    WrongCardType,
    /// Nothing of this kind is stored on the card.
    NoSuchItem,
    /// The reader did not understand us.
    HostFault,
    /// The reader or sensor reports a fault of its own.
    SensorFault,
    /// The value did not settle within the time limit.
    Unsteady,
    /// The bus or line gave no answer.
    NoAnswer,
}

impl Fault {
    /// The word in tables and JSON.
    pub fn word(self) -> &'static str {
        match self {
            Self::NoMeasurement => "device_error",
            Self::NoCard => "no_card",
            Self::SelectFailed => "select_failed",
            Self::ReadFailed => "read_failed",
            Self::CardRefused => "card_refused",
            Self::WrongCardType => "wrong_card_type",
            Self::NoSuchItem => "no_such_item",
            Self::HostFault => "host_fault",
            Self::SensorFault => "sensor_error",
            Self::Unsteady => "unsteady",
            Self::NoAnswer => "no_answer",
        }
    }
}

/// Bytes that are no frame.
#[derive(Clone, PartialEq, Eq)]
pub struct Reject {
    /// Why.
    pub reason: RejectReason,
    /// The first bytes, at most [`crate::framing::REJECT_BYTES_MAX`]; empty for devices whose frames name
    /// people.
    pub bytes: Vec<u8>,
}

impl fmt::Debug for Reject {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Reject({}, {} bytes)", self.reason.word(), self.bytes.len())
    }
}

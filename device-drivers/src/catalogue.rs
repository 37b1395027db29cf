//! The devices that this program speaks to: model → line, handshake, range, shortest measurement.

mod models;

use std::fmt;
use std::ops::RangeInclusive;
use std::str::FromStr;
use std::time::Duration;

use crate::events::Quantity;
use crate::machine::Machine;

/// Names a model of the catalogue, in configuration files and on command lines.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum DeviceKey {
    /// Omron HBP-9030 and HBP-9031C.
    OmronHbp9030,
    /// A&D TM-2655, TM-2655P, TM-2657, TM-2657P.
    AndTm2655,
    /// Contec 8000G.
    Contec8000g,
    /// Resident identity card reader with the SAM protocol.
    IdcardSam,
    /// MLX90614 infrared thermometer.
    Mlx90614I2c,
}

/// A text that is no key of the catalogue.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("no device has the key {0:?}")]
pub struct UnknownDevice(pub String);

/// Everything about a model that is data.
#[derive(Debug)]
pub struct Model {
    /// Its key.
    pub key: DeviceKey,
    /// The maker's name of it, the same in all languages.
    pub name: &'static str,
    /// Key of its kind's name among the texts.
    pub text_key: &'static str,
    /// What it measures.
    pub measures: Measures,
    /// How it is connected.
    pub transport: Transport,
    /// How one makes sure that it is this device.
    pub handshake: Handshake,
    /// Who starts a measurement.
    pub started_by: StartedBy,
    /// Shortest time from the start of a measurement to its result: a result that comes sooner after a bay
    /// was opened was begun before.
    pub shortest_measurement: Duration,
    /// Longest time after which there is no result to be expected.
    pub longest_measurement: Duration,
    /// Published ranges; what lies outside is no reading.
    pub ranges: &'static [(Quantity, RangeInclusive<i64>)],
}

/// What a device delivers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Measures {
    /// Blood pressure and pulse, mmHg and per minute.
    BloodPressure,
    /// A 12-lead ECG.
    Ecg,
    /// Identity cards.
    IdentityCard,
    /// Surface temperature, °C.
    SurfaceTemperature,
}

/// How a device is connected.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Transport {
    /// A serial line, or USB that looks like one.
    Serial(SerialLine),
    /// An I2C bus, at this address.
    I2c {
        /// Seven-bit address as delivered.
        address: u8,
    },
}

/// Settings of a serial line: eight data bits, one stop bit, no parity, no flow control.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SerialLine {
    /// Bits a second.
    pub baud: u32,
    /// What happens to DTR after opening.
    pub dtr: LineRule,
    /// What happens to RTS after opening.
    pub rts: LineRule,
}

/// What the driver does with a control line of the port.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LineRule {
    /// Nothing, ever: on many devices an edge is a reset.
    Untouched,
    /// Switched on once after opening.
    On,
}

/// How one makes sure that a port leads to this device.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Handshake {
    /// The device only ever pushes: its first valid frame is the proof.
    FirstFrame,
    /// It answers a harmless question that the machine asks on opening.
    Question,
    /// It shows itself when a stream is started.
    Stream,
}

/// Who starts a measurement.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StartedBy {
    /// Only the person at the device.
    Device,
    /// Only the program.
    Program,
    /// Both can.
    Both,
}

impl DeviceKey {
    /// Every key.
    pub const ALL: [Self; 5] = [
        Self::OmronHbp9030,
        Self::AndTm2655,
        Self::Contec8000g,
        Self::IdcardSam,
        Self::Mlx90614I2c,
    ];

    /// The text of the key.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::OmronHbp9030 => "omron-hbp9030",
            Self::AndTm2655 => "and-tm2655",
            Self::Contec8000g => "contec-8000g",
            Self::IdcardSam => "idcard-sam",
            Self::Mlx90614I2c => "mlx90614-i2c",
        }
    }

    /// The data of the model.
    pub fn model(self) -> &'static Model {
        models::model(self)
    }

    /// A machine for a device on a serial line; `None` for one on another bus.
    pub fn machine(self) -> Option<Box<dyn Machine>> {
        match self {
            Self::OmronHbp9030 => Some(Box::new(crate::omron_hbp9030::OmronMachine::default())),
            Self::AndTm2655 => Some(Box::new(crate::and_tm2655::AndMachine::default())),
            Self::Contec8000g => Some(Box::new(crate::contec_8000g::EcgMachine::default())),
            Self::IdcardSam => Some(Box::new(crate::idcard_sam::CardMachine::default())),
            Self::Mlx90614I2c => None,
        }
    }
}

impl fmt::Display for DeviceKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for DeviceKey {
    type Err = UnknownDevice;
    fn from_str(text: &str) -> Result<Self, UnknownDevice> {
        let key = Self::ALL.into_iter().find(|key| key.as_str() == text);
        key.ok_or_else(|| UnknownDevice(text.chars().take(64).collect()))
    }
}

//! Devices that are not there. Each speaks its protocol with an encoder of its own (never the codec under test)
//! over a pseudo terminal, takes the time that the real one takes, and can be made to misbehave.
//!
//! A [`SimulatedDevice`] is as pure as a machine: bytes, commands and time go in, bytes come out. [`Simulator`]
//! runs one on a thread behind a pseudo terminal.

mod and_tm2655;
mod cable_folder;
mod contec_8000g;
mod faults;
mod idcard_sam;
mod mlx90614;
mod omron_hbp9030;
mod pseudo_terminal;
mod runner;

pub use contec_8000g::{Replay, ReplayError};
pub use faults::{Faults, UnknownFault};
pub use idcard_sam::SimCard;
pub use mlx90614::{BusFault, SimulatedSensor};
pub use runner::{SimError, Simulator};

#[cfg(test)]
pub(crate) use faults::Line;

use std::str::FromStr;
use std::sync::Arc;
use std::time::Duration;

use jiff::civil::DateTime;

use crate::catalogue::DeviceKey;

/// Time that a simulated cuff takes.
pub const CUFF_DURATION: Duration = Duration::from_secs(20);
/// Time after which a recording plays its replay again from the start, where nothing else is set.
const RECORDING_DURATION: Duration = Duration::from_secs(10);

/// What to simulate.
#[derive(Debug, Clone)]
pub struct SimOptions {
    /// Which device.
    pub device: DeviceKey,
    /// A recording for the ECG; the synthetic heart plays without one.
    pub replay: Option<Arc<Replay>>,
    /// Beats per minute of the synthetic heart.
    pub heart_rate_bpm: u16,
    /// The subject that the monitor sends with its results.
    pub patient: Option<String>,
    /// How it misbehaves.
    pub faults: Faults,
    /// A measurement's length; the device's usual one if absent.
    pub duration: Option<Duration>,
    /// How many times faster than real its time runs; 1 except in tests.
    pub speed: u32,
    /// Decides noise and small variations; equal seeds play equally.
    pub seed: u64,
    /// What the device's own clock says at the start.
    pub device_clock: DateTime,
}

impl SimOptions {
    /// A well-behaved device at real speed.
    pub fn new(device: DeviceKey, device_clock: DateTime) -> Self {
        Self {
            device,
            replay: None,
            heart_rate_bpm: 72,
            patient: None,
            faults: Faults::default(),
            duration: None,
            speed: 1,
            seed: 1,
            device_clock,
        }
    }

    fn duration_or(&self, usual: Duration) -> Duration {
        self.duration.unwrap_or(usual)
    }

    /// The device's clock after this much of its time.
    fn clock_at(&self, now: Duration) -> DateTime {
        let wrong = if self.faults.wrong_clock { -24 * 60 * 60 } else { 0 };
        let seconds = i64::try_from(now.as_secs()).unwrap_or(0) + wrong;
        self.device_clock
            .saturating_add(jiff::SignedDuration::from_secs(seconds))
    }
}

/// What a person does at the device.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Command {
    /// Puts the arm in and starts; after the measurement's time the monitor shows these values.
    Measure(Values),
    /// The same, but the monitor ends with this error number; on a card reader: puts a card there that cannot be read.
    Fail(u8),
    /// Holds a surface of this temperature, in hundredths of °C, before the sensor.
    Hold(i32),
    /// Puts a card on the reader.
    Card(Box<SimCard>),
    /// Takes the card off.
    Lift,
    /// Connects the electrodes anew: a recording plays from its first sample.
    Record,
    /// Pulls the plug.
    Unplug,
    /// Puts it back.
    Replug,
}

/// A blood pressure to be shown, whether possible or not.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Values {
    /// Systolic pressure, mmHg.
    pub systolic: u16,
    /// Diastolic pressure, mmHg.
    pub diastolic: u16,
    /// Pulse, per minute.
    pub pulse: u16,
}

/// A line that is no command.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("expected: measure 138/86/77, fail 7, hold 36.5, card IDNUMBER NAME, lift, record, unplug or replug")]
pub struct UnknownCommand;

impl FromStr for Values {
    type Err = UnknownCommand;
    fn from_str(text: &str) -> Result<Self, UnknownCommand> {
        let mut numbers = text
            .split('/')
            .map(|part| part.trim().parse::<u16>().map_err(|_| UnknownCommand));
        let mut next = || numbers.next().unwrap_or(Err(UnknownCommand));
        let values = Self {
            systolic: next()?,
            diastolic: next()?,
            pulse: next()?,
        };
        let fits = [values.systolic, values.diastolic, values.pulse]
            .iter()
            .all(|value| *value <= 999);
        if fits && numbers.next().is_none() {
            Ok(values)
        } else {
            Err(UnknownCommand)
        }
    }
}

impl FromStr for Command {
    type Err = UnknownCommand;
    fn from_str(line: &str) -> Result<Self, UnknownCommand> {
        let (word, rest) = line
            .trim()
            .split_once(char::is_whitespace)
            .unwrap_or((line.trim(), ""));
        let rest = rest.trim();
        match (word, rest) {
            ("measure", values) => values.parse().map(Self::Measure),
            ("fail", number) => number.parse().map(Self::Fail).map_err(|_| UnknownCommand),
            ("hold", degrees) => {
                let degrees: f64 = degrees.parse().map_err(|_| UnknownCommand)?;
                let possible = (-70.0..=382.0).contains(&degrees);
                possible
                    .then(|| Self::Hold((degrees * 100.0).round() as i32))
                    .ok_or(UnknownCommand)
            }
            ("card", holder) => {
                let (number, name) = holder.split_once(char::is_whitespace).ok_or(UnknownCommand)?;
                SimCard::new(number, name.trim())
                    .map(|card| Self::Card(Box::new(card)))
                    .ok_or(UnknownCommand)
            }
            ("lift", "") => Ok(Self::Lift),
            ("record", "") => Ok(Self::Record),
            ("unplug", "") => Ok(Self::Unplug),
            ("replug", "") => Ok(Self::Replug),
            _ => Err(UnknownCommand),
        }
    }
}

/// A simulated device; time is a [`Duration`] since its start, in the device's own time.
pub trait SimulatedDevice: Send {
    /// The host opened the line.
    fn handle_connected(&mut self, now: Duration);
    /// The host sent bytes.
    fn handle_bytes(&mut self, bytes: &[u8], now: Duration);
    /// A person does something at the device.
    fn handle_command(&mut self, command: &Command, now: Duration);
    /// The time of [`Self::poll_timeout`] has come.
    fn handle_timeout(&mut self, now: Duration);
    /// When [`Self::handle_timeout`] wants to be called.
    fn poll_timeout(&self) -> Option<Duration>;
    /// Bytes for the host, one burst at a time.
    fn poll_output(&mut self) -> Option<Vec<u8>>;
    /// Whether noise may also damage bursts themselves: only where the host asks again or counts losses.
    fn survives_damage(&self) -> bool;
}

/// The device of these options.
pub fn device(options: &SimOptions) -> Box<dyn SimulatedDevice> {
    match options.device {
        DeviceKey::OmronHbp9030 => Box::new(omron_hbp9030::Monitor::new(options.clone())),
        DeviceKey::AndTm2655 => Box::new(and_tm2655::Monitor::new(options.clone())),
        DeviceKey::Contec8000g => Box::new(contec_8000g::Recorder::new(options.clone())),
        DeviceKey::IdcardSam => Box::new(idcard_sam::Reader::new(options.clone())),
        DeviceKey::Mlx90614I2c => Box::new(mlx90614::Bridge::new(options)),
    }
}

/// A small generator of numbers that only have to look random (xorshift64* of Marsaglia and Vigna).
#[derive(Debug, Clone)]
struct Dice(u64);

impl Dice {
    fn new(seed: u64) -> Self {
        Self(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1)
    }

    fn roll(&mut self) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 16
    }

    /// A number below `end`, which is not 0.
    fn below(&mut self, end: usize) -> usize {
        (self.roll() % end.max(1) as u64) as usize
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_of_a_person_are_understood() {
        let values = Values {
            systolic: 138,
            diastolic: 86,
            pulse: 77,
        };
        assert_eq!("measure 138/86/77".parse(), Ok(Command::Measure(values)));
        assert_eq!("hold 36.55".parse(), Ok(Command::Hold(3655)));
        assert_eq!(" lift ".parse(), Ok(Command::Lift));
        let card = SimCard::new("11010519491231002X", "张 示例").unwrap();
        assert_eq!(
            "card 11010519491231002X 张 示例".parse(),
            Ok(Command::Card(Box::new(card)))
        );
        for line in [
            "",
            "measure",
            "measure 138/86",
            "measure 1/2/3/4",
            "measure 1000/2/3",
            "card X",
            "dance",
        ] {
            assert_eq!(line.parse::<Command>(), Err(UnknownCommand), "{line}");
        }
    }
}

//! The text of an answer: model, time, command, then fields known by their first letter.

use jiff::civil::DateTime;
use records::units::{Bpm, MmHg};

use super::frame::{Body, RS};
use super::{PRESSURE_MMHG, PULSE_BPM};
use crate::events::{
    BloodPressure, BloodPressureQuality, DeviceError, DeviceEvent, Fault, Origin, OutOfRange, Quantity,
    Reading,
};
use crate::framing::RejectReason;

/// Most pairs of a pulse list; its count has two digits.
const PULSES_MAX: usize = 99;
/// Longest name of a model.
const MODEL_MAX: usize = 16;

/// Answer to RB.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ResultFields {
    /// Name of the model.
    pub model: String,
    /// The monitor's clock.
    pub device_time: DateTime,
    /// Measuring mode, one letter.
    pub mode: Option<char>,
    /// Error code, `00` for none.
    pub error: String,
    /// Systolic pressure, mmHg; `None` where blanks stand.
    pub systolic: Option<i64>,
    /// Mean pressure, mmHg.
    pub mean: Option<i64>,
    /// Diastolic pressure, mmHg.
    pub diastolic: Option<i64>,
    /// Pulse, per minute.
    pub pulse: Option<i64>,
    /// Inflation as sent; its unit is not public (17 went with a first pulse at 157 mmHg).
    pub inflation: Option<i64>,
    /// Largest pulse amplitude as sent; its unit is not public.
    pub amplitude: Option<i64>,
    /// Irregular beats (TM-2657).
    pub irregular_beats: Option<i64>,
    /// Movement seen (TM-2657).
    pub movement: Option<i64>,
    /// Measured a second time by itself (TM-2657).
    pub retested: Option<i64>,
    /// Duration of the measurement in seconds (TM-2657).
    pub seconds: Option<i64>,
    /// The text of the answer as it came; it has no subject.
    pub raw: Vec<u8>,
}

/// Answer to RP.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PulseList {
    /// Name of the model.
    pub model: String,
    /// The monitor's clock.
    pub device_time: DateTime,
    /// Pressure in mmHg and amplitude of each pulse, falling pressure.
    pub pulses: Vec<(u16, u16)>,
}

pub(super) fn parse(text: &[u8]) -> Result<Body, RejectReason> {
    let raw = text.to_vec();
    let text = std::str::from_utf8(text).map_err(|_| RejectReason::Layout)?;
    let text = text.strip_suffix(char::from(RS)).unwrap_or(text);
    let mut fields = text.split(char::from(RS));
    let model = fields.next().filter(|name| (1..=MODEL_MAX).contains(&name.len()));
    let model = model.ok_or(RejectReason::Layout)?.trim().to_owned();
    let device_time = read_time(fields.next().ok_or(RejectReason::Layout)?)?;
    match fields.next() {
        Some("RB") => {
            let start = ResultFields {
                model,
                device_time,
                raw,
                ..ResultFields::default()
            };
            read_result(start, fields).map(Body::Result)
        }
        Some("RP") => Ok(Body::Pulses(PulseList {
            model,
            device_time,
            pulses: read_pulses(fields)?,
        })),
        Some(_) | None => Err(RejectReason::Layout),
    }
}

/// `YYMMDDhhmm` of this century.
fn read_time(field: &str) -> Result<DateTime, RejectReason> {
    if field.len() != 10 || !field.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err(RejectReason::Timestamp);
    }
    let part = |at: usize| {
        field[at..at + 2]
            .parse::<i8>()
            .map_err(|_| RejectReason::Timestamp)
    };
    let year = 2000 + i16::from(part(0)?);
    DateTime::new(year, part(2)?, part(4)?, part(6)?, part(8)?, 0, 0).map_err(|_| RejectReason::Timestamp)
}

fn read_result<'a>(
    mut result: ResultFields,
    fields: impl Iterator<Item = &'a str>,
) -> Result<ResultFields, RejectReason> {
    for (at, field) in fields.enumerate() {
        let mut letters = field.chars();
        let Some(letter) = letters.next() else {
            return Err(RejectReason::Layout);
        };
        let value = letters.as_str();
        if at == 0 && value.is_empty() {
            result.mode = Some(letter);
            continue;
        }
        match letter {
            'E' => result.error = error_code(value)?,
            'S' => result.systolic = number(value)?,
            'M' => result.mean = number(value)?,
            'D' => result.diastolic = number(value)?,
            'P' => result.pulse = number(value)?,
            'I' => result.inflation = number(value)?,
            'L' => result.amplitude = number(value)?,
            'i' => result.irregular_beats = number(value)?,
            'm' => result.movement = number(value)?,
            'r' => result.retested = number(value)?,
            't' => result.seconds = number(value)?,
            // Later models add fields; what we do not know does not void what we do.
            _ => {}
        }
    }
    let complete = result.systolic.is_some() && result.diastolic.is_some() && result.pulse.is_some();
    match result.error.as_str() {
        "" => Err(RejectReason::Layout),
        "00" if !complete => Err(RejectReason::Digits),
        _ => Ok(result),
    }
}

fn error_code(value: &str) -> Result<String, RejectReason> {
    let fits = value.len() == 2 && value.bytes().all(|byte| byte.is_ascii_alphanumeric());
    fits.then(|| value.to_owned()).ok_or(RejectReason::Digits)
}

/// Up to three digits, blanks before them; all blanks are no value.
fn number(value: &str) -> Result<Option<i64>, RejectReason> {
    let digits = value.trim_start_matches(' ');
    if digits.is_empty() {
        return Ok(None);
    }
    if value.len() > 3 || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err(RejectReason::Digits);
    }
    digits.parse().map(Some).map_err(|_| RejectReason::Digits)
}

fn read_pulses<'a>(mut fields: impl Iterator<Item = &'a str>) -> Result<Vec<(u16, u16)>, RejectReason> {
    let count = fields
        .next()
        .and_then(|field| field.strip_prefix('N'))
        .ok_or(RejectReason::Layout)?;
    let count: usize = count.trim().parse().map_err(|_| RejectReason::Digits)?;
    let read = |field: &str| {
        let (pressure, amplitude) = field.split_once(',').ok_or(RejectReason::Layout)?;
        let number = |text: &str| text.trim().parse::<u16>().map_err(|_| RejectReason::Digits);
        Ok((number(pressure)?, number(amplitude)?))
    };
    let pulses: Vec<_> = fields
        .take(PULSES_MAX + 1)
        .map(read)
        .collect::<Result<_, RejectReason>>()?;
    if pulses.len() == count && count <= PULSES_MAX {
        Ok(pulses)
    } else {
        Err(RejectReason::Length)
    }
}

impl ResultFields {
    /// The result as an event; `origin` says whether it can be new.
    pub fn event(&self, origin: Origin) -> DeviceEvent {
        if self.error != "00" {
            return DeviceEvent::DeviceError(DeviceError {
                code: self.error.clone(),
                fault: Fault::NoMeasurement,
                subject: None,
                device_time: Some(self.device_time),
            });
        }
        match self.blood_pressure(origin) {
            Some(reading) => DeviceEvent::Reading(Reading::BloodPressure(reading)),
            None => DeviceEvent::OutOfRange(OutOfRange {
                values: [
                    (Quantity::Systolic, self.systolic),
                    (Quantity::Diastolic, self.diastolic),
                    (Quantity::Mean, self.mean),
                    (Quantity::Pulse, self.pulse),
                ]
                .into_iter()
                .filter_map(|(quantity, value)| value.map(|value| (quantity, value)))
                .collect(),
                subject: None,
                device_time: Some(self.device_time),
            }),
        }
    }

    /// The reading, if every value is possible and the pressures stand in their order.
    fn blood_pressure(&self, origin: Origin) -> Option<BloodPressure> {
        let (systolic, diastolic, pulse) = (self.systolic?, self.diastolic?, self.pulse?);
        let mean_fits = self
            .mean
            .is_none_or(|mean| (diastolic..=systolic).contains(&mean));
        let inside = PRESSURE_MMHG.contains(&systolic)
            && PRESSURE_MMHG.contains(&diastolic)
            && PULSE_BPM.contains(&pulse)
            && diastolic < systolic
            && mean_fits;
        if !inside {
            return None;
        }
        let small = |value: Option<i64>| value.and_then(|value| u8::try_from(value).ok());
        Some(BloodPressure {
            systolic: MmHg::new(systolic).ok()?,
            diastolic: MmHg::new(diastolic).ok()?,
            mean: self.mean.and_then(|mean| MmHg::new(mean).ok()),
            pulse: Some(Bpm::new(pulse).ok()?),
            subject: None,
            device_time: Some(self.device_time),
            quality: BloodPressureQuality {
                movement: small(self.movement),
                irregular_beats: small(self.irregular_beats),
                retested: self.retested.map(|value| value != 0),
            },
            origin,
            raw: self.raw.clone(),
        })
    }
}

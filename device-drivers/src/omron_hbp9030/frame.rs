//! The line of output format 5.

use jiff::civil::DateTime;
use records::units::{Bpm, MmHg};

use super::{DIASTOLIC_MMHG, PULSE_BPM, SYSTOLIC_MMHG};
use crate::events::{
    BloodPressure, BloodPressureQuality, DeviceError, DeviceEvent, Fault, Origin, OutOfRange, Quantity,
    Reading, SubjectId,
};
use crate::framing::{Grammar, RejectReason, Scan};

/// Characters before CR LF.
const LINE_LENGTH: usize = 53;
/// Where the commas stand.
const COMMAS: [usize; 10] = [4, 7, 10, 13, 16, 37, 39, 43, 47, 51];
/// How lines of the output formats 1 to 4 begin.
const OTHER_FORMATS: [&[u8]; 3] = [b"MMBP203N", b"ID", b"bp,"];

/// A well-formed line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Line {
    /// The monitor's clock.
    pub device_time: DateTime,
    /// What was typed or swiped at the monitor.
    pub subject: Option<SubjectId>,
    /// Error number, 0 for none.
    pub error: u8,
    /// The three values, where digits stood in all three fields.
    pub values: Option<Values>,
    /// Body movements counted, 0 to 9.
    pub movement: u8,
    /// The line as it came, with asterisks for the subject.
    pub raw: Vec<u8>,
}

/// The numbers of a line, not yet judged.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Values {
    /// Systolic pressure, mmHg.
    pub systolic: i64,
    /// Diastolic pressure, mmHg.
    pub diastolic: i64,
    /// Pulse, per minute.
    pub pulse: i64,
}

impl Line {
    /// Reads a line without its CR LF.
    pub fn parse(line: &[u8]) -> Result<Self, RejectReason> {
        if OTHER_FORMATS.iter().any(|start| line.starts_with(start)) {
            return Err(RejectReason::OutputFormat);
        }
        if line.len() != LINE_LENGTH {
            return Err(RejectReason::Length);
        }
        if COMMAS.iter().any(|&at| line[at] != b',') || line[17..37].contains(&b',') {
            return Err(RejectReason::Layout);
        }
        if !line.iter().all(|byte| (0x20..0x7f).contains(byte)) {
            return Err(RejectReason::Layout);
        }
        let error = digits(&line[38..39])?;
        let movement = digits(&line[52..53])?;
        let fields = [&line[40..43], &line[44..47], &line[48..51]];
        let values = read_values(fields, error != 0)?;
        let subject = SubjectId::from_field(&String::from_utf8_lossy(&line[17..37]));
        let mut raw = line.to_vec();
        raw[17..37].fill(b'*');
        Ok(Self {
            device_time: read_time(line)?,
            subject,
            error: error as u8,
            values,
            movement: movement as u8,
            raw,
        })
    }

    /// The line as an event; `origin` says whether it can be new.
    pub fn event(&self, origin: Origin) -> DeviceEvent {
        let error = || {
            DeviceEvent::DeviceError(DeviceError {
                code: self.error.to_string(),
                fault: Fault::NoMeasurement,
                subject: self.subject.clone(),
                device_time: Some(self.device_time),
            })
        };
        let (Some(values), 0) = (self.values, self.error) else {
            return error();
        };
        match values.reading() {
            Some((systolic, diastolic, pulse)) => {
                DeviceEvent::Reading(Reading::BloodPressure(BloodPressure {
                    systolic,
                    diastolic,
                    mean: None,
                    pulse: Some(pulse),
                    subject: self.subject.clone(),
                    device_time: Some(self.device_time),
                    quality: BloodPressureQuality {
                        movement: Some(self.movement),
                        ..Default::default()
                    },
                    origin,
                    raw: self.raw.clone(),
                }))
            }
            None => DeviceEvent::OutOfRange(OutOfRange {
                values: vec![
                    (Quantity::Systolic, values.systolic),
                    (Quantity::Diastolic, values.diastolic),
                    (Quantity::Pulse, values.pulse),
                ],
                subject: self.subject.clone(),
                device_time: Some(self.device_time),
            }),
        }
    }
}

impl Values {
    /// The values as quantities, if all three are possible; a diastolic pressure not below the systolic one
    /// is not.
    fn reading(self) -> Option<(MmHg, MmHg, Bpm)> {
        let inside = SYSTOLIC_MMHG.contains(&self.systolic)
            && DIASTOLIC_MMHG.contains(&self.diastolic)
            && PULSE_BPM.contains(&self.pulse)
            && self.diastolic < self.systolic;
        let quantities = || {
            Some((
                MmHg::new(self.systolic).ok()?,
                MmHg::new(self.diastolic).ok()?,
                Bpm::new(self.pulse).ok()?,
            ))
        };
        inside.then(quantities).flatten()
    }
}

fn digits(field: &[u8]) -> Result<i64, RejectReason> {
    field.iter().try_fold(0, |number, byte| match byte {
        b'0'..=b'9' => Ok(number * 10 + i64::from(byte - b'0')),
        _ => Err(RejectReason::Digits),
    })
}

/// With an error three blanks may stand for each value.
fn read_values(fields: [&[u8]; 3], blanks_allowed: bool) -> Result<Option<Values>, RejectReason> {
    if blanks_allowed && fields.iter().any(|field| *field == b"   ") {
        let fits = fields
            .iter()
            .all(|field| *field == b"   " || digits(field).is_ok());
        return if fits { Ok(None) } else { Err(RejectReason::Digits) };
    }
    let [systolic, diastolic, pulse] = fields.map(digits);
    Ok(Some(Values {
        systolic: systolic?,
        diastolic: diastolic?,
        pulse: pulse?,
    }))
}

fn read_time(line: &[u8]) -> Result<DateTime, RejectReason> {
    let year = digits(&line[0..4])? as i16;
    let part = |at: usize| digits(&line[at..at + 2]).map(|number| number as i8);
    DateTime::new(year, part(5)?, part(8)?, part(11)?, part(14)?, 0, 0).map_err(|_| RejectReason::Timestamp)
}

/// Cuts lines at CR LF. A line end that is only half there ends its line as well, so that one lost byte costs
/// one line; what is too long is dropped up to the next line end.
#[derive(Debug, Default)]
pub struct Rules {
    dropping: bool,
}

impl Grammar for Rules {
    type Frame = Line;
    const FRAME_MAX: usize = LINE_LENGTH + 2;

    fn scan(&mut self, buffer: &[u8], ended: bool) -> Scan<Line> {
        let end = buffer.iter().position(|byte| !(0x20..0x7f).contains(byte));
        if self.dropping {
            self.dropping = end.is_none();
            return Scan::Filler(end.map_or(buffer.len(), |at| at + 1));
        }
        let Some(at) = end else {
            if buffer.len() <= LINE_LENGTH {
                return Scan::More;
            }
            self.dropping = true;
            return Scan::Bad {
                reason: RejectReason::Length,
                resume: buffer.len(),
            };
        };
        match (buffer[at], buffer.get(at + 1)) {
            (b'\r', Some(b'\n')) if at == 0 => Scan::Filler(2),
            (b'\r', Some(b'\n')) => match Line::parse(&buffer[..at]) {
                Ok(frame) => Scan::Frame {
                    frame,
                    length: at + 2,
                },
                Err(reason) => Scan::Bad {
                    reason,
                    resume: at + 2,
                },
            },
            (b'\r', None) if !ended => Scan::More,
            (b'\r' | b'\n', _) if at == 0 => Scan::Filler(1),
            (b'\r' | b'\n', _) => Scan::Bad {
                reason: half_ended(&buffer[..at]),
                resume: at + 1,
            },
            _ => Scan::Bad {
                reason: RejectReason::Junk,
                resume: at + 1,
            },
        }
    }
}

/// Formats 1 to 4 may end in CR alone; they are worth naming.
fn half_ended(line: &[u8]) -> RejectReason {
    match Line::parse(line) {
        Err(RejectReason::OutputFormat) => RejectReason::OutputFormat,
        Ok(_) | Err(_) => RejectReason::Terminator,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_beside_an_error_are_never_a_reading() {
        let subject = " ".repeat(20);
        for error in 0..=9 {
            let line = format!("2026,03,05,08,30,{subject},{error},138,086,077,0");
            let event = Line::parse(line.as_bytes()).unwrap().event(Origin::Fresh);
            let is_reading = matches!(event, DeviceEvent::Reading(_));
            assert_eq!(is_reading, error == 0, "error {error}");
        }
    }
}

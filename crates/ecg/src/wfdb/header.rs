//! The text header (`NAME.hea`).

use super::WfdbError;
use crate::model::{BadWaveform, LeadName, MAX_LEADS, SampleRateHz, Scale};

/// Largest header that is read: a few hundred bytes are usual.
pub const MAX_HEADER_BYTES: usize = 64 * 1024;
/// Rate of a record whose header names none (`header(5)`).
const DEFAULT_RATE_HZ: u32 = 250;
/// Units per millivolt of a signal whose header names none, or 0 (`header(5)`).
const DEFAULT_GAIN: f64 = 200.0;

/// What a header says.
#[derive(Debug, Clone, PartialEq)]
pub struct Header {
    /// Name of the record.
    pub record: String,
    /// Samples per second.
    pub rate: SampleRateHz,
    /// Samples of each signal; none where the length of the files says it.
    pub samples: Option<u64>,
    /// Time of day and date of the first sample as written, if they stand there.
    pub start: Option<String>,
    /// The signals in the order of the file.
    pub signals: Vec<Signal>,
    /// Comment lines without their `#`.
    pub comments: Vec<String>,
}

/// What a header says of one signal.
#[derive(Debug, Clone, PartialEq)]
pub struct Signal {
    /// File that holds its samples: a plain name, in the header's folder.
    pub file: String,
    /// Storage format.
    pub format: u32,
    /// First byte of the samples in the file.
    pub offset: usize,
    /// Voltage of one unit; none where the signal is no voltage.
    pub scale: Option<Scale>,
    /// Unit that stands for 0 V.
    pub baseline: i32,
    /// Value of the first sample, if it stands there.
    pub initial: Option<i32>,
    /// Sum of all samples, modulo 65536, if it stands there.
    pub checksum: Option<u16>,
    /// Name of the lead.
    pub name: LeadName,
}

/// Reads a header.
///
/// Refuses multi-segment records, several samples a frame and skewed signals, which need more than a waveform
/// can hold.
pub fn read_header(text: &str) -> Result<Header, WfdbError> {
    if text.len() > MAX_HEADER_BYTES {
        return Err(WfdbError::TooLarge);
    }
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let mut comments = Vec::new();
    let mut lines = Vec::new();
    for (index, line) in text.lines().enumerate() {
        let line = line.trim();
        match line.strip_prefix('#') {
            Some(comment) => comments.push(comment.trim().to_owned()),
            None if line.is_empty() => {}
            None => lines.push((index + 1, line)),
        }
    }
    let mut lines = lines.into_iter();
    let (number, record_line) = lines.next().ok_or(WfdbError::NoRecordLine)?;
    let (mut header, count) = record(number, record_line)?;
    for place in 0..count {
        let (number, line) = lines.next().ok_or(WfdbError::BadLine {
            line: number,
            what: "names more signals than follow",
        })?;
        let signal = signal(number, line, place)?;
        let elsewhere = header.signals.iter().any(|other| other.file == signal.file);
        if elsewhere && header.signals.last().is_some_and(|last| last.file != signal.file) {
            return Err(WfdbError::BadLine {
                line: number,
                what: "signals of one file do not stand together",
            });
        }
        header.signals.push(signal);
    }
    header.comments = comments;
    Ok(header)
}

fn record(line: usize, text: &str) -> Result<(Header, usize), WfdbError> {
    let bad = |what| WfdbError::BadLine { line, what };
    let mut fields = text.split_ascii_whitespace();
    let record = fields.next().ok_or(WfdbError::NoRecordLine)?;
    if record.contains('/') {
        return Err(WfdbError::MultiSegment);
    }
    let count = fields.next().and_then(|field| field.parse::<usize>().ok());
    let count = count.ok_or(bad("no number of signals"))?;
    if count > MAX_LEADS {
        return Err(WfdbError::TooLarge);
    }
    let rate = match fields.next() {
        None => SampleRateHz::new(DEFAULT_RATE_HZ)?,
        Some(field) => {
            // The counter frequency after the slash and its base count say nothing about the samples.
            let rate = field
                .split(['/', '('])
                .next()
                .and_then(|rate| rate.parse::<f64>().ok());
            SampleRateHz::from_hz_f64(rate.ok_or(bad("sampling rate is no number"))?)?
        }
    };
    let samples = match fields.next() {
        None => None,
        Some(field) => Some(
            field
                .parse::<u64>()
                .map_err(|_| bad("number of samples is no number"))?,
        ),
    };
    let start = fields.collect::<Vec<_>>().join(" ");
    let header = Header {
        record: record.to_owned(),
        rate,
        samples: samples.filter(|samples| *samples > 0),
        start: Some(start).filter(|start| !start.is_empty()),
        signals: Vec::with_capacity(count),
        comments: Vec::new(),
    };
    Ok((header, count))
}

fn signal(line: usize, text: &str, place: usize) -> Result<Signal, WfdbError> {
    let bad = |what| WfdbError::BadLine { line, what };
    let mut rest = text;
    let mut next = || {
        let trimmed = rest.trim_start();
        let end = trimmed.find(char::is_whitespace).unwrap_or(trimmed.len());
        let (field, after) = trimmed.split_at(end);
        rest = after;
        (!field.is_empty()).then_some(field)
    };
    let file = next().ok_or(bad("no file name"))?;
    // The name comes from a foreign file and is opened by the caller: it may not leave the header's folder.
    if file.contains(['/', '\\', '\0']) || file.starts_with('.') || file == "-" || file == "~" {
        return Err(bad("file name is not a plain name"));
    }
    let (format, offset) = storage(next().ok_or(bad("no storage format"))?, line)?;
    let gain_field = next();
    let _adc_bits = next();
    let adc_zero = integer(next()).map_err(|_| bad("ADC zero is no number"))?;
    let initial = integer(next()).map_err(|_| bad("initial value is no number"))?;
    let checksum = integer(next()).map_err(|_| bad("checksum is no number"))?;
    let _block = next();
    let zero = i32::try_from(adc_zero.unwrap_or(0)).map_err(|_| bad("ADC zero out of range"))?;
    let gain =
        gain(gain_field.unwrap_or("200"), zero).ok_or(bad("gain is not of the form GAIN(BASELINE)/UNITS"))?;
    let name = rest.trim();
    let name = if name.is_empty() {
        LeadName::Other(format!("signal {place}"))
    } else {
        LeadName::parse(name)?
    };
    Ok(Signal {
        file: file.to_owned(),
        format,
        offset,
        scale: scale(&gain)?,
        baseline: gain.baseline,
        initial: initial.and_then(|value| i32::try_from(value).ok()),
        checksum: checksum.map(|value| value as u16),
        name,
    })
}

fn integer(field: Option<&str>) -> Result<Option<i64>, std::num::ParseIntError> {
    field.map(str::parse).transpose()
}

/// `FORMAT[xSAMPLES][:SKEW][+OFFSET]`.
fn storage(field: &str, line: usize) -> Result<(u32, usize), WfdbError> {
    let bad = WfdbError::BadLine {
        line,
        what: "storage format is not of the form FORMAT[xN][:SKEW][+OFFSET]",
    };
    let digits = field.find(|c: char| !c.is_ascii_digit()).unwrap_or(field.len());
    let (format, mut rest) = field.split_at(digits);
    let format = format.parse().map_err(|_| bad.clone())?;
    let mut offset = 0;
    while let Some(sign) = rest.chars().next() {
        let after = &rest[sign.len_utf8()..];
        let end = after.find(|c: char| !c.is_ascii_digit()).unwrap_or(after.len());
        let value: usize = after[..end].parse().map_err(|_| bad.clone())?;
        match sign {
            'x' if value > 1 => return Err(WfdbError::MixedRates),
            ':' if value > 0 => return Err(WfdbError::Skew),
            'x' | ':' => {}
            '+' => offset = value,
            _ => return Err(bad),
        }
        rest = &after[end..];
    }
    Ok((format, offset))
}

struct Gain {
    per_unit: f64,
    baseline: i32,
    units: String,
}

/// `GAIN[(BASELINE)][/UNITS]`, also with the two optional parts in the other order.
fn gain(field: &str, adc_zero: i32) -> Option<Gain> {
    let end = field.find(['(', '/']).unwrap_or(field.len());
    let (number, mut rest) = field.split_at(end);
    let mut gain = Gain {
        per_unit: number.parse().ok()?,
        baseline: adc_zero,
        units: "mV".to_owned(),
    };
    while let Some(sign) = rest.chars().next() {
        let after = &rest[sign.len_utf8()..];
        if sign == '(' {
            let (baseline, behind) = after.split_once(')')?;
            gain.baseline = baseline.trim().parse().ok()?;
            rest = behind;
        } else if sign == '/' {
            let end = after.find('(').unwrap_or(after.len());
            let (units, behind) = after.split_at(end);
            gain.units = units.to_owned();
            rest = behind;
        } else {
            return None;
        }
    }
    if gain.per_unit == 0.0 {
        gain.per_unit = DEFAULT_GAIN;
    }
    (gain.per_unit.is_finite() && gain.per_unit > 0.0).then_some(gain)
}

/// Voltage of one unit; none where the units are none of voltage.
fn scale(gain: &Gain) -> Result<Option<Scale>, BadWaveform> {
    // Micro sign and Greek mu are two characters that look the same.
    let femtovolts = match gain.units.as_str() {
        "V" | "v" => 1e15,
        "mV" | "mv" | "MV" => 1e12,
        "uV" | "uv" | "UV" | "\u{b5}V" | "\u{3bc}V" => 1e9,
        "nV" | "nv" | "NV" => 1e6,
        _ => return Ok(None),
    };
    let per_unit = (femtovolts / gain.per_unit).round();
    if (1.0..=Scale::MAX_FEMTOVOLTS as f64).contains(&per_unit) {
        Scale::from_femtovolts(per_unit as i64).map(Some)
    } else {
        Err(BadWaveform::BadScale)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn one(gain: &str) -> Signal {
        let text = format!("r 1 360 10\nr.dat 212 {gain} 11 1024 995 -22131 0 MLII\n");
        read_header(&text).unwrap().signals.remove(0)
    }

    fn millivolts(signal: &Signal, value: i32) -> f64 {
        f64::from(value - signal.baseline) * signal.scale.unwrap().millivolts()
    }

    /// A reader that took baseline and units in the wrong order gave voltages off by the baseline.
    #[test]
    fn baseline_and_units_are_told_apart() {
        assert_eq!(millivolts(&one("200(16)/mV"), 216), 1.0);
        assert_eq!(millivolts(&one("200(16)/uV"), 216), 0.001);
        for units in ["\u{b5}V", "\u{3bc}V", "uv"] {
            assert_eq!(
                millivolts(&one(&format!("200(16)/{units}")), 216),
                0.001,
                "{units}"
            );
        }
        assert_eq!(millivolts(&one("200/mV(16)"), 216), 1.0);
        assert_eq!(millivolts(&one("200/uV"), 1224), 0.001);
        assert_eq!(millivolts(&one("200"), 1224), 1.0);
        assert_eq!(millivolts(&one("0"), 1224), 1.0);
        assert_eq!(millivolts(&one("1000.0(-5)/mV"), 995), 1.0);
        assert_eq!(millivolts(&one("2(0)/V"), 1), 500.0);
        assert_eq!(one("200(16)/mmHg").scale, None);
    }

    #[test]
    fn gains_that_are_none_are_refused() {
        for gain in [
            "x",
            "200(16",
            "200(16)mV",
            "-3",
            "nan",
            "inf",
            "200(1e9)/mV",
            "200()/mV",
            "1e300",
        ] {
            let text = format!("r 1 360 10\nr.dat 212 {gain} 11 1024\n");
            assert!(read_header(&text).is_err(), "{gain}");
        }
    }

    #[test]
    fn a_header_with_everything_is_read() {
        let text = "\u{feff}# before\r\n\r\n100 2 250/360(12) 650000 0:07:00 1/2/1990\r\n\
            a.dat 16+24 200(0) 11 1024 995 -22131 0 V5\r\n\r\nb.dat 80x1:0 100/uV 8 0 1 2 0 my lead\r\n# after\r\n";
        let header = read_header(text).unwrap();
        assert_eq!(header.rate.millihertz(), 250_000);
        assert_eq!(header.samples, Some(650_000));
        assert_eq!(header.start.as_deref(), Some("0:07:00 1/2/1990"));
        assert_eq!(header.comments, ["before", "after"]);
        assert_eq!(header.signals[0].offset, 24);
        assert_eq!(header.signals[0].name, LeadName::V5);
        assert_eq!(header.signals[0].checksum, Some(43405));
        assert_eq!(header.signals[1].name, LeadName::Other("my lead".into()));
        let short = read_header("r 1\nr.dat 16\n").unwrap();
        assert_eq!((short.rate.hz(), short.samples), (250.0, None));
    }

    #[test]
    fn what_is_not_supported_is_said() {
        let with = |signal: &str| read_header(&format!("r 1 500 10\n{signal}\n"));
        assert_eq!(read_header("r/3 2 500 10\n"), Err(WfdbError::MultiSegment));
        assert_eq!(with("r.dat 16x4 200"), Err(WfdbError::MixedRates));
        assert_eq!(with("r.dat 16:3 200"), Err(WfdbError::Skew));
        for name in ["../../etc/passwd", "/etc/passwd", "a\\b", "..", "-", "~"] {
            assert!(
                matches!(
                    with(&format!("{name} 16 200")),
                    Err(WfdbError::BadLine { line: 2, .. })
                ),
                "{name}"
            );
        }
        assert!(matches!(
            read_header("r 2 500 10\nr.dat 16\n"),
            Err(WfdbError::BadLine { .. })
        ));
        assert_eq!(read_header("r 9999 500 10\n"), Err(WfdbError::TooLarge));
        assert!(read_header("r 3 500 9\na 16\nb 16\na 16\n").is_err());
        assert_eq!(read_header("# only\n"), Err(WfdbError::NoRecordLine));
        assert!(read_header("r 1 -5 10\nr.dat 16\n").is_err());
    }
}

//! Comma-separated text: a row a sample, a column a lead, as spreadsheets and scripts exchange it.
//!
//! The first row names the columns. A lead's name may carry its unit (`II`, `II_mV`, `II (uV)`); without one it
//! is millivolts. A first column named `time`, `t` or `seconds` (or `time_ms`) gives the sampling rate, as does
//! a line `# fs_hz 500` before the names, or the caller. An empty cell, `nan` or `-` is a missing sample.

use std::fmt::Write as _;

use crate::model::{
    BadWaveform, Lead, LeadName, MAX_LEADS, MAX_MARKS, MAX_TOTAL_SAMPLES, Mark, MarkKind, SampleRateHz,
    Scale, Waveform,
};

/// Digits after the point of a millivolt that are kept: a nanovolt.
const MOST_DECIMALS: u32 = 6;
/// Steps of the time column may differ from their mean by this share: times are often written with few digits.
const UNEVEN: f64 = 0.25;

/// What keeps a text from being read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CsvError {
    /// No row of names, or none but a time.
    #[error("no row with the names of leads")]
    NoNames,
    /// Neither a time column nor a rate.
    #[error("no sampling rate: neither a time column nor a line # fs_hz")]
    NoRate,
    /// Something in this line (from 1) is not as it must be.
    #[error("line {line}: {what}")]
    BadLine {
        /// Number of the line, from 1.
        line: usize,
        /// What is wrong with it.
        what: &'static str,
    },
    /// The time column does not rise in equal steps.
    #[error("times do not rise in equal steps")]
    UnevenTime,
    /// The samples are no waveform.
    #[error(transparent)]
    Waveform(#[from] BadWaveform),
}

/// A lead as far as it was read.
struct Column {
    name: LeadName,
    /// Millivolts of the unit as a power of ten: 0 for mV, -3 for µV, 3 for V.
    power: i32,
    cells: Vec<Option<f64>>,
    decimals: u32,
}

/// Reads a text. `rate` is used if the text itself says none.
pub fn read(text: &str, rate: Option<SampleRateHz>) -> Result<Waveform, CsvError> {
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let mut stated = None;
    let mut table: Option<Table> = None;
    for (index, line) in text.lines().enumerate() {
        let (number, line) = (index + 1, line.trim_end_matches('\r'));
        if let Some(comment) = line.strip_prefix('#') {
            stated = stated_rate(comment)?.or(stated);
        } else if line.trim().is_empty() {
            continue;
        } else if let Some(table) = &mut table {
            table.add(number, line)?;
        } else {
            table = Some(Table::named(number, line)?);
        }
    }
    let table = table.ok_or(CsvError::NoNames)?;
    let rate = table.rate()?.or(stated).or(rate).ok_or(CsvError::NoRate)?;
    table.waveform(rate)
}

fn stated_rate(comment: &str) -> Result<Option<SampleRateHz>, BadWaveform> {
    let comment = comment.trim();
    let Some(value) = comment.strip_prefix("fs_hz") else {
        return Ok(None);
    };
    let value = value.trim_matches([' ', ':', '=']);
    value
        .parse()
        .map_err(|_| BadWaveform::BadRate)
        .and_then(SampleRateHz::from_hz_f64)
        .map(Some)
}

/// The time column as far as it was read.
#[derive(Debug, Default)]
struct Times {
    ends: Option<(f64, f64)>,
    steps: usize,
    shortest: Option<f64>,
    longest: f64,
}

impl Times {
    fn add(&mut self, time: f64) -> Result<(), CsvError> {
        if let Some((first, last)) = self.ends {
            let step = time - last;
            if step <= 0.0 {
                return Err(CsvError::UnevenTime);
            }
            self.ends = Some((first, time));
            self.steps += 1;
            self.shortest = Some(self.shortest.map_or(step, |shortest| shortest.min(step)));
            self.longest = self.longest.max(step);
        } else {
            self.ends = Some((time, time));
        }
        Ok(())
    }

    /// The mean step, if the steps are as equal as few digits can make them.
    fn step(&self) -> Result<Option<f64>, CsvError> {
        let (Some((first, last)), Some(shortest)) = (self.ends, self.shortest) else {
            return Ok(None);
        };
        let mean = (last - first) / self.steps as f64;
        let even = self.longest - shortest <= 2.0 * UNEVEN * mean;
        if even {
            Ok(Some(mean))
        } else {
            Err(CsvError::UnevenTime)
        }
    }
}

struct Table {
    separator: char,
    /// Seconds of a unit of the time column, if there is one.
    time_unit: Option<f64>,
    times: Times,
    columns: Vec<Column>,
}

impl Table {
    fn named(line: usize, text: &str) -> Result<Self, CsvError> {
        let separator = ['\t', ';', ',']
            .into_iter()
            .find(|separator| text.contains(*separator))
            .unwrap_or(',');
        let names: Vec<&str> = text.split(separator).map(unquoted).collect();
        if names.len() > MAX_LEADS + 1 {
            return Err(BadWaveform::TooManyLeads(names.len()).into());
        }
        let time_unit = names.first().and_then(|name| time_unit(name));
        let leads = names.iter().skip(usize::from(time_unit.is_some()));
        let columns: Vec<Column> = leads.map(|name| column(line, name)).collect::<Result<_, _>>()?;
        if columns.is_empty() {
            return Err(CsvError::NoNames);
        }
        Ok(Self {
            separator,
            time_unit,
            times: Times::default(),
            columns,
        })
    }

    fn add(&mut self, line: usize, text: &str) -> Result<(), CsvError> {
        let bad = |what| CsvError::BadLine { line, what };
        let mut cells = text.split(self.separator).map(unquoted);
        if self.time_unit.is_some() {
            let time = cells.next().and_then(|cell| number(cell, self.separator));
            let (time, _) = time.ok_or(bad("time is no number"))?;
            self.times.add(time)?;
        }
        let total = self.columns.len() * (self.columns[0].cells.len() + 1);
        if total > MAX_TOTAL_SAMPLES {
            return Err(BadWaveform::TooManySamples(total as u64).into());
        }
        for column in &mut self.columns {
            let cell = cells.next().ok_or(bad("fewer cells than leads"))?;
            if matches!(cell, "" | "-") || cell.eq_ignore_ascii_case("nan") {
                column.cells.push(None);
                continue;
            }
            let (value, decimals) = number(cell, self.separator).ok_or(bad("cell is no number"))?;
            column.decimals = column.decimals.max(decimals);
            column.cells.push(Some(value));
        }
        if cells.any(|cell| !cell.is_empty()) {
            return Err(bad("more cells than leads"));
        }
        Ok(())
    }

    fn rate(&self) -> Result<Option<SampleRateHz>, CsvError> {
        let (Some(unit), Some(step)) = (self.time_unit, self.times.step()?) else {
            return Ok(None);
        };
        let hertz = 1.0 / (step * unit);
        // Times with few digits make 499.98 of 500.
        let whole = hertz.round();
        let hertz = if (hertz - whole).abs() < 0.001 * whole {
            whole
        } else {
            hertz
        };
        Ok(Some(SampleRateHz::from_hz_f64(hertz)?))
    }

    fn waveform(self, rate: SampleRateHz) -> Result<Waveform, CsvError> {
        let (mut leads, mut marks) = (Vec::new(), Vec::new());
        for (place, column) in self.columns.into_iter().enumerate() {
            // The unit of the samples is the last digit that was written, at least a nanovolt.
            let decimals = column
                .decimals
                .min((MOST_DECIMALS as i32 + column.power).max(0) as u32);
            let scale = Scale::from_femtovolts(10_i64.pow((12 + column.power) as u32 - decimals))?;
            let units = 10_f64.powi(decimals as i32);
            let mut samples: Vec<i32> = Vec::with_capacity(column.cells.len());
            let first = column.cells.iter().flatten().next().copied().unwrap_or(0.0);
            let mut last = (first * units).round() as i32;
            for (at, cell) in column.cells.iter().enumerate() {
                if let Some(value) = cell {
                    last = (value * units).round() as i32;
                } else {
                    note_gap(&mut marks, place, at);
                }
                samples.push(last);
            }
            leads.push(Lead {
                name: column.name,
                scale,
                zero: 0,
                samples,
            });
        }
        if marks.len() > MAX_MARKS {
            return Err(BadWaveform::TooManyMarks(marks.len()).into());
        }
        Ok(Waveform::new(rate, leads, marks)?)
    }
}

fn note_gap(marks: &mut Vec<Mark>, place: usize, at: usize) {
    let lead = u8::try_from(place).ok();
    match marks.last_mut() {
        Some(mark) if mark.lead == lead && mark.range().end == at => mark.len += 1,
        Some(_) | None => marks.push(Mark {
            start: at as u32,
            len: 1,
            lead,
            kind: MarkKind::Gap,
        }),
    }
}

fn unquoted(cell: &str) -> &str {
    cell.trim().trim_matches('"').trim()
}

fn time_unit(name: &str) -> Option<f64> {
    let plain: String = name
        .to_ascii_lowercase()
        .chars()
        .filter(char::is_ascii_alphanumeric)
        .collect();
    match plain.as_str() {
        "time" | "t" | "seconds" | "times" | "timeseconds" | "s" => Some(1.0),
        "timems" | "ms" | "tms" | "milliseconds" => Some(0.001),
        _ => None,
    }
}

fn column(line: usize, name: &str) -> Result<Column, CsvError> {
    let bare = name.trim_end_matches([')', ']']);
    let units = [("\u{b5}V", -3), ("\u{3bc}V", -3), ("uV", -3), ("mV", 0), ("V", 3)];
    let split = units.into_iter().find_map(|(unit, power)| {
        let rest = bare.strip_suffix(unit)?;
        let name = rest.trim_end_matches(['_', ' ', '(', '[', '/']);
        // Only what is set off is a unit: the V of a name is none.
        (name.len() < rest.len() && !name.is_empty()).then_some((name, power))
    });
    let (name, power) = split.unwrap_or((name, 0));
    let name = LeadName::parse(name).map_err(|_| CsvError::BadLine {
        line,
        what: "not a name of a lead",
    })?;
    Ok(Column {
        name,
        power,
        cells: Vec::new(),
        decimals: 0,
    })
}

/// A decimal number and how many digits stand after its point. With another separator than a comma, a comma may
/// be the point.
fn number(cell: &str, separator: char) -> Option<(f64, u32)> {
    let cell = if separator == ',' {
        cell.to_owned()
    } else {
        cell.replace(',', ".")
    };
    let value: f64 = cell.parse().ok().filter(|value: &f64| value.is_finite())?;
    let (mantissa, exponent) = match cell.split_once(['e', 'E']) {
        None => (cell.as_str(), 0),
        Some((mantissa, exponent)) => (mantissa, exponent.parse::<i32>().ok()?),
    };
    let written = mantissa
        .split_once('.')
        .map_or(0, |(_, digits)| digits.trim_end_matches('0').len());
    let decimals = i32::try_from(written).ok()?.saturating_sub(exponent).clamp(0, 15);
    Some((value, decimals as u32))
}

/// Writes a text that [`read`] reads: times in seconds, leads in millivolts with all their digits. Gaps become
/// empty cells; other marks have no place in the format.
pub fn write(waveform: &Waveform) -> String {
    let mut out = String::new();
    let _ = writeln!(out, "# fs_hz {}", waveform.rate());
    out.push_str("time_s");
    for lead in waveform.leads() {
        // A foreign name must not break the row.
        let name: String = lead
            .name
            .as_str()
            .chars()
            .filter(|c| !matches!(c, ',' | ';' | '\t' | '"'))
            .collect();
        let _ = write!(out, ",{}_mV", name.trim_start_matches('#'));
    }
    out.push('\n');
    let gaps: Vec<Vec<bool>> = (0..waveform.leads().len())
        .map(|place| waveform.gaps(place))
        .collect();
    for at in 0..waveform.len() {
        let _ = write!(out, "{:.6}", waveform.rate().seconds(at));
        for (lead, gaps) in waveform.leads().iter().zip(&gaps) {
            out.push(',');
            if !gaps[at] {
                let units = i128::from(lead.samples[at]) - i128::from(lead.zero);
                put_millivolts(&mut out, units * i128::from(lead.scale.femtovolts()));
            }
        }
        out.push('\n');
    }
    out
}

/// Exact decimal millivolts without trailing zeros.
fn put_millivolts(out: &mut String, femtovolts: i128) {
    const FEMTOVOLTS: i128 = 1_000_000_000_000;
    let (whole, part) = (femtovolts.abs() / FEMTOVOLTS, femtovolts.abs() % FEMTOVOLTS);
    if femtovolts < 0 {
        out.push('-');
    }
    let _ = write!(out, "{whole}");
    if part != 0 {
        let digits = format!("{part:012}");
        let _ = write!(out, ".{}", digits.trim_end_matches('0'));
    }
}

/// For fuzzing: whatever the bytes, reading does not panic.
pub fn fuzz_one(bytes: &[u8]) {
    if let Ok(waveform) = read(&String::from_utf8_lossy(bytes), None) {
        write(&waveform);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::synthetic::{Heart, HeartSettings};
    use proptest::prelude::*;

    fn millivolts(waveform: &Waveform, place: usize) -> Vec<f64> {
        waveform.leads()[place].millivolts()
    }

    #[test]
    fn names_units_and_rates_are_read() {
        let text =
            "\u{feff}# fs_hz 250\r\nII,V1_uV,\"aVR (mV)\",V\r\n1.25,-300,0,1\r\n\r\n-0.5,12.5,1e-3,2\r\n";
        let read = super::read(text, None).unwrap();
        assert_eq!(read.rate().hz(), 250.0);
        let names: Vec<&str> = read.leads().iter().map(|lead| lead.name.as_str()).collect();
        assert_eq!(names, ["II", "V1", "aVR", "V"]);
        assert_eq!(millivolts(&read, 0), [1.25, -0.5]);
        assert_eq!(millivolts(&read, 1), [-0.3, 0.0125]);
        assert_eq!(millivolts(&read, 2), [0.0, 0.001]);
    }

    #[test]
    fn times_give_the_rate() {
        let rows: String = (0..50)
            .map(|at| format!("{:.3},0.1\n", f64::from(at) / 360.0))
            .collect();
        assert_eq!(
            super::read(&format!("time_s,I\n{rows}"), None)
                .unwrap()
                .rate()
                .hz(),
            360.0
        );
        let milliseconds = "time (ms);I\n0;0,5\n2;0,25\n4;-1\n";
        let read = super::read(milliseconds, None).unwrap();
        assert_eq!(
            (read.rate().hz(), millivolts(&read, 0)),
            (500.0, vec![0.5, 0.25, -1.0])
        );
        assert_eq!(super::read("t,I\n0,1\n0,1\n", None), Err(CsvError::UnevenTime));
        assert_eq!(
            super::read("t,I\n0,1\n0.002,1\n0.9,1\n", None),
            Err(CsvError::UnevenTime)
        );
    }

    #[test]
    fn missing_cells_are_gaps() {
        let read = super::read("I,II\n,1\n2,nan\n3,-\n", Some(SampleRateHz::DIAGNOSTIC)).unwrap();
        assert_eq!(millivolts(&read, 0), [2.0, 2.0, 3.0]);
        let gap = |start, len, lead| Mark {
            start,
            len,
            lead: Some(lead),
            kind: MarkKind::Gap,
        };
        assert_eq!(read.marks(), [gap(0, 1, 0), gap(1, 2, 1)]);
        assert!(write(&read).contains("0.000000,,1\n0.002000,2,\n"));
    }

    #[test]
    fn bad_tables_are_said() {
        let rate = Some(SampleRateHz::DIAGNOSTIC);
        let line = |line, what| Err(CsvError::BadLine { line, what });
        assert_eq!(super::read("", rate), Err(CsvError::NoNames));
        assert_eq!(super::read("time\n1\n", rate), Err(CsvError::NoNames));
        assert_eq!(super::read("I\n1\n", None), Err(CsvError::NoRate));
        assert_eq!(super::read("I,II\n1\n", rate), line(2, "fewer cells than leads"));
        assert_eq!(super::read("I\n1,2\n", rate), line(2, "more cells than leads"));
        assert_eq!(super::read("I\nx\n", rate), line(2, "cell is no number"));
        assert_eq!(super::read("I\n1e999\n", rate), line(2, "cell is no number"));
        assert!(super::read("I,I\n1,2\n", rate).is_err());
        assert!(super::read("# fs_hz fast\nI\n1\n", rate).is_err());
    }

    #[test]
    fn a_heart_comes_back_in_volts() {
        let heart = Heart::new(HeartSettings::default(), 2).record(2.0, SampleRateHz::DIAGNOSTIC);
        let again = super::read(&write(&heart), None).unwrap();
        assert_eq!((again.rate(), again.len()), (heart.rate(), heart.len()));
        for place in 0..12 {
            let worst = millivolts(&again, place)
                .into_iter()
                .zip(millivolts(&heart, place));
            assert!(worst.map(|(a, b)| (a - b).abs()).fold(0.0, f64::max) < 1e-9);
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]
        #[test]
        fn no_text_does_harm(text in "(# fs_hz [0-9]{1,4}\n)?(time|t|I|II|V1_uV|,|;){1,6}\n([-0-9.,;eE\n ]|nan){0,80}", bytes: Vec<u8>) {
            fuzz_one(text.as_bytes());
            fuzz_one(&bytes);
        }
    }
}

//! Signal files: packed integers of several signals, sample by sample.

use std::fmt::Display;

use super::{Header, Signal, WfdbError};
use crate::model::{Lead, MAX_MARKS, Mark, MarkKind, Waveform, check_size};

/// A record as read.
#[derive(Debug, Clone, PartialEq)]
pub struct Recording {
    /// The leads in the order of the header. Samples that the file calls missing are marked as gaps and hold
    /// the value before them.
    pub waveform: Waveform,
    /// What in the record contradicts itself.
    pub warnings: Vec<Warning>,
}

/// Something in a record that does not fit, and does not keep it from being read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Warning {
    /// The samples of this signal (from 0) do not add up to the header's checksum.
    Checksum(usize),
    /// The first sample of this signal (from 0) is not the header's initial value.
    InitialValue(usize),
}

/// Names of the signal files, each once, in order.
pub fn files_named(header: &Header) -> Vec<&str> {
    let mut names: Vec<&str> = header.signals.iter().map(|signal| signal.file.as_str()).collect();
    names.dedup();
    names
}

/// Reads the samples of a record; `fetch` gives the bytes of a file that the header names.
pub fn read<E: Display>(
    header: &Header,
    mut fetch: impl FnMut(&str) -> Result<Vec<u8>, E>,
) -> Result<Recording, WfdbError> {
    check_size(header.signals.len(), header.samples.unwrap_or(0))?;
    let mut channels: Vec<Channel> = Vec::with_capacity(header.signals.len());
    let mut expected = header.samples;
    for group in header.signals.chunk_by(|a, b| a.file == b.file) {
        let name = &group[0].file;
        let bytes = fetch(name).map_err(|error| WfdbError::File {
            name: name.clone(),
            reason: error.to_string(),
        })?;
        let packing = Packing::of(group)?;
        let body = bytes.get(group[0].offset..).unwrap_or_default();
        let found = packing.whole_samples(body.len()) / group.len() as u64;
        let wanted = *expected.get_or_insert(found);
        if wanted > found {
            return Err(WfdbError::Truncated {
                name: name.clone(),
                expected: wanted,
                found,
            });
        }
        check_size(header.signals.len(), wanted)?;
        let at = channels.len();
        channels.resize_with(at + group.len(), || Channel::with_capacity(wanted as usize));
        packing.unpack(body, wanted as usize, &mut channels[at..]);
    }
    assemble(header, channels)
}

fn assemble(header: &Header, channels: Vec<Channel>) -> Result<Recording, WfdbError> {
    let (mut leads, mut marks, mut warnings) = (Vec::new(), Vec::new(), Vec::new());
    for (place, (signal, channel)) in header.signals.iter().zip(channels).enumerate() {
        let sum = channel.samples.iter().zip(&channel.missing);
        let sum = sum.fold(0u16, |sum, (value, missing)| {
            let raw = if *missing { channel.missing_value } else { *value };
            sum.wrapping_add(raw as u16)
        });
        if signal.checksum.is_some_and(|expected| expected != sum) {
            warnings.push(Warning::Checksum(place));
        }
        let first = channel
            .samples
            .first()
            .filter(|_| channel.missing.first() == Some(&false));
        if let (Some(first), Some(initial)) = (first, signal.initial)
            && *first != initial
        {
            warnings.push(Warning::InitialValue(place));
        }
        let scale = signal.scale.ok_or(WfdbError::NotVoltage { signal: place })?;
        let samples = held(channel.samples, &channel.missing, signal.baseline);
        marks.extend(runs(&channel.missing).map(|(start, len)| Mark {
            start,
            len,
            lead: u8::try_from(place).ok(),
            kind: MarkKind::Gap,
        }));
        leads.push(Lead {
            name: signal.name.clone(),
            scale,
            zero: signal.baseline,
            samples,
        });
    }
    let marks = merged(marks, leads.len());
    Ok(Recording {
        waveform: Waveform::new(header.rate, leads, marks)?,
        warnings,
    })
}

/// One mark over all leads where each of them has the same one; the longest ones if there are too many.
fn merged(mut marks: Vec<Mark>, leads: usize) -> Vec<Mark> {
    marks.sort_unstable();
    let mut out: Vec<Mark> = Vec::new();
    for same in marks.chunk_by(|a, b| (a.start, a.len) == (b.start, b.len)) {
        if same.len() == leads {
            out.push(Mark {
                lead: None,
                ..same[0]
            });
        } else {
            out.extend_from_slice(same);
        }
    }
    if out.len() > MAX_MARKS {
        out.sort_by_key(|mark| std::cmp::Reverse(mark.len));
        out.truncate(MAX_MARKS);
    }
    out
}

/// The samples with the missing ones holding the value before them (at the start: the first value there is).
fn held(mut samples: Vec<i32>, missing: &[bool], baseline: i32) -> Vec<i32> {
    let first = samples
        .iter()
        .zip(missing)
        .find(|(_, missing)| !**missing)
        .map(|(value, _)| *value);
    let mut last = first.unwrap_or(baseline);
    for (value, missing) in samples.iter_mut().zip(missing) {
        if *missing {
            *value = last;
        }
        last = *value;
    }
    samples
}

/// Runs of true: first place and length.
fn runs(flags: &[bool]) -> impl Iterator<Item = (u32, u32)> + '_ {
    let mut at = 0u32;
    flags.chunk_by(|a, b| a == b).filter_map(move |run| {
        let (start, len) = (at, run.len() as u32);
        at += len;
        run[0].then_some((start, len))
    })
}

struct Channel {
    samples: Vec<i32>,
    missing: Vec<bool>,
    missing_value: i32,
}

impl Channel {
    fn with_capacity(samples: usize) -> Self {
        Self {
            samples: Vec::with_capacity(samples),
            missing: Vec::with_capacity(samples),
            missing_value: 0,
        }
    }
}

/// How integers lie in the bytes of one file.
#[derive(Debug, Clone, Copy)]
enum Packing {
    /// Whole bytes each: number of bytes, big-endian or not, value that is subtracted.
    Bytes {
        width: usize,
        big_endian: bool,
        offset: i32,
    },
    /// Two 12-bit values in three bytes.
    Twelve,
    /// Three 10-bit values in two little-endian words, each shifted up by one bit; the third in the top bits.
    TenSplit,
    /// Three 10-bit values in one little-endian word of 32 bits, the first lowest.
    TenPacked,
}

impl Packing {
    fn of(group: &[Signal]) -> Result<Self, WfdbError> {
        let format = group[0].format;
        if let Some(other) = group.iter().find(|signal| signal.format != format) {
            return Err(WfdbError::Format(other.format));
        }
        let bytes = |width, big_endian, offset| Self::Bytes {
            width,
            big_endian,
            offset,
        };
        match format {
            16 => Ok(bytes(2, false, 0)),
            24 => Ok(bytes(3, false, 0)),
            32 => Ok(bytes(4, false, 0)),
            61 => Ok(bytes(2, true, 0)),
            80 => Ok(bytes(1, false, 128)),
            160 => Ok(bytes(2, false, 32768)),
            212 => Ok(Self::Twelve),
            310 => Ok(Self::TenSplit),
            311 => Ok(Self::TenPacked),
            other => Err(WfdbError::Format(other)),
        }
    }

    /// Values that this many bytes hold completely.
    fn whole_samples(self, bytes: usize) -> u64 {
        let bytes = bytes as u64;
        match self {
            Self::Bytes { width, .. } => bytes / width as u64,
            Self::Twelve => bytes / 3 * 2 + bytes % 3 / 2,
            Self::TenSplit | Self::TenPacked => bytes / 4 * 3 + bytes % 4 / 2,
        }
    }

    fn missing_value(self) -> i32 {
        match self {
            Self::Bytes { width: 1, .. } => -128,
            Self::Bytes { width: 2, .. } => -32768,
            Self::Bytes { width: 3, .. } => -8_388_608,
            Self::Bytes { .. } => i32::MIN,
            Self::Twelve => -2048,
            Self::TenSplit | Self::TenPacked => -512,
        }
    }

    /// Deals the values out to the channels in turn. The caller has checked the length.
    fn unpack(self, bytes: &[u8], samples: usize, channels: &mut [Channel]) {
        let missing_value = self.missing_value();
        for channel in channels.iter_mut() {
            channel.missing_value = missing_value;
        }
        let mut at = 0;
        for _ in 0..samples {
            for channel in channels.iter_mut() {
                let value = self.value(bytes, at);
                at += 1;
                channel.samples.push(value);
                channel.missing.push(value == missing_value);
            }
        }
    }

    fn value(self, bytes: &[u8], at: usize) -> i32 {
        let byte = |place: usize| i32::from(bytes.get(place).copied().unwrap_or(0));
        let signed = |value: i32, bits: u32| (value << (32 - bits)) >> (32 - bits);
        match self {
            Self::Bytes {
                width,
                big_endian,
                offset,
            } => {
                let start = at * width;
                let value = (0..width).fold(0i32, |value, index| {
                    let place = if big_endian {
                        start + index
                    } else {
                        start + width - 1 - index
                    };
                    (value << 8) | byte(place)
                });
                let bits = width as u32 * 8;
                // Offset binary is unsigned with its middle at `offset`.
                if offset == 0 {
                    signed(value, bits)
                } else {
                    value - offset
                }
            }
            Self::Twelve => {
                let start = at / 2 * 3;
                let value = if at.is_multiple_of(2) {
                    byte(start) | (byte(start + 1) & 0x0f) << 8
                } else {
                    byte(start + 2) | (byte(start + 1) & 0xf0) << 4
                };
                signed(value, 12)
            }
            Self::TenSplit => {
                let start = at / 3 * 4;
                let word = |place: usize| byte(start + place) | byte(start + place + 1) << 8;
                let value = match at % 3 {
                    0 => word(0) >> 1,
                    1 => word(2) >> 1,
                    _ => (word(0) >> 11 & 0x1f) | (word(2) >> 11 & 0x1f) << 5,
                };
                signed(value & 0x3ff, 10)
            }
            Self::TenPacked => {
                let start = at / 3 * 4;
                let word = (0..4)
                    .rev()
                    .fold(0u32, |word, index| word << 8 | byte(start + index) as u32);
                signed((word >> (at % 3 * 10) & 0x3ff) as i32, 10)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wfdb::read_header;

    fn record(header: &str, bytes: &[u8]) -> Result<Recording, WfdbError> {
        read(&read_header(header).unwrap(), |_| Ok::<_, String>(bytes.to_vec()))
    }

    fn column(header: &str, bytes: &[u8]) -> Vec<i32> {
        record(header, bytes).unwrap().waveform.leads()[0].samples.clone()
    }

    #[test]
    fn each_format_is_unpacked_by_the_book() {
        assert_eq!(
            column("r 1 360 3\nr 16\n", &[1, 0, 0xff, 0xff, 0, 0x80]),
            [1, -1, -1]
        );
        assert_eq!(column("r 1 360 2\nr 61\n", &[0, 1, 0xff, 0xfe]), [1, -2]);
        assert_eq!(column("r 1 360 2\nr 24\n", &[1, 0, 0, 0xfe, 0xff, 0xff]), [1, -2]);
        assert_eq!(
            column("r 1 360 2\nr 32\n", &[1, 0, 0, 0, 0xfe, 0xff, 0xff, 0xff]),
            [1, -2]
        );
        assert_eq!(column("r 1 360 2\nr 80\n", &[129, 126]), [1, -2]);
        assert_eq!(column("r 1 360 2\nr 160\n", &[1, 0x80, 0xfe, 0x7f]), [1, -2]);
        assert_eq!(
            column("r 1 360 3\nr 212\n", &[0x01, 0xf0, 0xfe, 0x03, 0x00]),
            [1, -2, 3]
        );
        // Values 1, -2, 3: 1 << 1 with the low five bits of 3 above, -2 << 1 with the high five bits of 3.
        let split = [0x02, 0x18, 0xfc, 0x07];
        assert_eq!(column("r 1 360 3\nr 310\n", &split), [1, -2, 3]);
        let packed = (1u32 | 0x3fe << 10 | 3 << 20).to_le_bytes();
        assert_eq!(column("r 1 360 3\nr 311\n", &packed), [1, -2, 3]);
    }

    #[test]
    fn missing_samples_become_gaps_that_hold_the_value_before() {
        let bytes: Vec<u8> = [-32768i16, 7, 5, 7, -32768, -32768, 6, -32768]
            .iter()
            .flat_map(|value| value.to_le_bytes())
            .collect();
        let recording = record("r 2 360 4\nr 16 200 16 0 -32768\nr 16\n", &bytes).unwrap();
        let leads = recording.waveform.leads();
        assert_eq!(leads[0].samples, [5, 5, 5, 6]);
        assert_eq!(leads[1].samples, [7, 7, 7, 7]);
        let gap = |start, len, lead| Mark {
            start,
            len,
            lead,
            kind: MarkKind::Gap,
        };
        let expected = [gap(0, 1, Some(0)), gap(2, 1, Some(0)), gap(2, 2, Some(1))];
        assert_eq!(recording.waveform.marks(), expected);
        assert_eq!(recording.warnings, []);
    }

    #[test]
    fn a_gap_in_all_leads_is_one_mark() {
        let marks = record("r 2 360 2\nr 16\nr 16\n", &[1, 0, 1, 0, 0, 0x80, 0, 0x80])
            .unwrap()
            .waveform;
        assert_eq!(
            marks.marks(),
            [Mark {
                start: 1,
                len: 1,
                lead: None,
                kind: MarkKind::Gap
            }]
        );
    }

    #[test]
    fn cut_files_wrong_sums_and_foreign_units_are_said() {
        let cut = record("r 2 360 2\nr 16\nr 16\n", &[0; 7]);
        assert_eq!(
            cut,
            Err(WfdbError::Truncated {
                name: "r".into(),
                expected: 2,
                found: 1
            })
        );
        let wrong = record("r 1 360 2\nr 16 200 16 0 5 9 0\n", &[1, 0, 2, 0]).unwrap();
        assert_eq!(wrong.warnings, [Warning::Checksum(0), Warning::InitialValue(0)]);
        let right = record("r 1 360 2\nr 16 200 16 0 1 3 0\n", &[1, 0, 2, 0]).unwrap();
        assert_eq!(right.warnings, []);
        let pressure = record("r 1 360 1\nr 16 200/mmHg\n", &[1, 0]);
        assert_eq!(pressure, Err(WfdbError::NotVoltage { signal: 0 }));
        assert_eq!(record("r 1 360 1\nr 516\n", &[1, 0]), Err(WfdbError::Format(516)));
        let huge = "r 1 360 99999999999\nr 16\n";
        assert!(matches!(record(huge, &[]), Err(WfdbError::Waveform(_))));
        let header = read_header("r 1 360 1\nr 16\n").unwrap();
        assert!(matches!(
            read(&header, |_| Err("gone")),
            Err(WfdbError::File { .. })
        ));
    }

    #[test]
    fn signals_in_several_files_are_read_together() {
        let header =
            read_header("r 3 360 2\na 16 200 16 0 1 3 0 V1\na 16 200 16 0 5 11 0 I\nb 80 9/uV 8 0 II\n");
        assert!(header.is_err(), "a lead name where a number belongs");
        let header = read_header("r 3 360 2\na 16\na 16\nb 80\n").unwrap();
        assert_eq!(files_named(&header), ["a", "b"]);
        let give = |name: &str| {
            Ok::<_, String>(if name == "a" {
                vec![1, 0, 2, 0, 3, 0, 4, 0]
            } else {
                vec![133, 134]
            })
        };
        let waveform = read(&header, give).unwrap().waveform;
        let columns: Vec<_> = waveform.leads().iter().map(|lead| lead.samples.clone()).collect();
        assert_eq!(columns, [[1, 3], [2, 4], [5, 6]]);
    }
}

//! Export: a header and one signal file in format 16, or 32 where a value does not fit 16 bits.

use std::fmt::Write as _;

use super::WfdbError;
use crate::model::Waveform;

/// A record in the form of its two files.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Export {
    /// Text of `NAME.hea`.
    pub header: String,
    /// Bytes of `NAME.dat`.
    pub samples: Vec<u8>,
}

/// Writes a record. Gaps become the format's missing value. The name goes into the header and must be the stem
/// of the two files.
pub fn write(waveform: &Waveform, record: &str) -> Result<Export, WfdbError> {
    let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_');
    if record.is_empty() || record.len() > 64 || !record.chars().all(plain) {
        return Err(WfdbError::BadRecordName);
    }
    // The smallest value of each width stands for a missing sample.
    let fits = |value: &i32| i16::try_from(*value).is_ok_and(|value| value != i16::MIN);
    let narrow = waveform.leads().iter().all(|lead| lead.samples.iter().all(fits));
    let (format, missing) = if narrow {
        (16, i32::from(i16::MIN))
    } else {
        (32, i32::MIN)
    };
    let gaps: Vec<Vec<bool>> = (0..waveform.leads().len())
        .map(|place| waveform.gaps(place))
        .collect();
    let raw = |place: usize, sample: usize| {
        if gaps[place][sample] {
            missing
        } else {
            waveform.leads()[place].samples[sample]
        }
    };
    let mut samples =
        Vec::with_capacity(waveform.len() * waveform.leads().len() * if narrow { 2 } else { 4 });
    for sample in 0..waveform.len() {
        for place in 0..waveform.leads().len() {
            let bytes = raw(place, sample).to_le_bytes();
            samples.extend_from_slice(if narrow { &bytes[..2] } else { &bytes });
        }
    }
    let mut header = String::new();
    let (leads, rate, len) = (waveform.leads(), waveform.rate(), waveform.len());
    let _ = writeln!(header, "{record} {} {rate} {len}", leads.len());
    for (place, lead) in leads.iter().enumerate() {
        let gain = 1e12 / lead.scale.femtovolts() as f64;
        let sum = (0..len).fold(0u16, |sum, sample| sum.wrapping_add(raw(place, sample) as u16)) as i16;
        let first = if len == 0 { 0 } else { raw(place, 0) };
        let zero = lead.zero;
        let _ = writeln!(
            header,
            "{record}.dat {format} {gain}({zero})/mV {format} 0 {first} {sum} 0 {}",
            lead.name
        );
    }
    Ok(Export { header, samples })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{Lead, LeadName, Mark, MarkKind, SampleRateHz, Scale};
    use crate::wfdb::{read, read_header};
    use proptest::prelude::*;

    fn again(waveform: &Waveform) -> Waveform {
        let export = write(waveform, "strip-1").unwrap();
        let header = read_header(&export.header).unwrap();
        let recording = read(&header, |name| {
            assert_eq!(name, "strip-1.dat");
            Ok::<_, String>(export.samples.clone())
        });
        let recording = recording.unwrap();
        assert_eq!(recording.warnings, []);
        recording.waveform
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]
        #[test]
        fn what_is_written_reads_the_same(
            samples in prop::collection::vec((any::<i16>(), any::<i32>()), 1..50),
            zero in -300_000i32..300_000, femtovolts in 1i64..Scale::MAX_FEMTOVOLTS,
            millihertz in 1_000u32..2_000_000, wide: bool,
        ) {
            let lead = |name, samples| {
                Lead { name, scale: Scale::from_femtovolts(femtovolts).unwrap(), zero, samples }
            };
            let narrow = |value: i16| i32::from(value.max(-32767));
            let one = samples.iter().map(|(a, b)| if wide { (*b).max(-i32::MAX) } else { narrow(*a) }).collect();
            let two = samples.iter().map(|(a, _)| narrow(*a)).rev().collect();
            let leads = vec![lead(LeadName::V3, one), lead(LeadName::Other("my lead".into()), two)];
            let rate = SampleRateHz::from_millihertz(millihertz).unwrap();
            let waveform = Waveform::new(rate, leads, vec![]).unwrap();
            prop_assert_eq!(again(&waveform), waveform);
        }
    }

    #[test]
    fn gaps_survive_and_odd_names_are_refused() {
        let samples = vec![4, 4, 4, -9];
        let lead = Lead {
            name: LeadName::II,
            scale: Scale::RECORDER_STEP,
            zero: 3,
            samples,
        };
        let gap = Mark {
            start: 1,
            len: 2,
            lead: None,
            kind: MarkKind::Gap,
        };
        let waveform = Waveform::new(SampleRateHz::DIAGNOSTIC, vec![lead], vec![gap]).unwrap();
        assert_eq!(again(&waveform), waveform);
        for name in ["", "a/b", "..", "a b", "张"] {
            assert_eq!(write(&waveform, name), Err(WfdbError::BadRecordName), "{name}");
        }
    }
}

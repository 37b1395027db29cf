//! A preview of at most two kilobytes, which travels before the recording: a rhythm strip of up to ten seconds
//! and the median beat of all leads. Enough to see what is urgent; not for measuring.
//!
//! Layout: `ECGP`, version, heart rate in tenths per minute (varint, 0 = not measured), length of the strip
//! (varint), strip and beat in the form of [`crate::codec`].

use crate::codec::{self, CodecError, bytes};
use crate::filters::{Band, DisplayFilter, low_pass};
use crate::measure;
use crate::model::{Lead, LeadName, SampleRateHz, Scale, Waveform};

/// First bytes of the form.
pub const MAGIC: [u8; 4] = *b"ECGP";
/// The version that is written, and the newest that is read.
pub const VERSION: u8 = 1;
/// Most bytes of a preview.
pub const MAX_BYTES: usize = 2048;
/// Samples per second of strip and beat.
const RATE_HZ: u32 = 100;
/// Longest strip, seconds.
const STRIP_SECONDS: f64 = 10.0;
/// What the beat holds before and after its R peak, seconds.
const BEFORE_R: f64 = 0.25;
const AFTER_R: f64 = 0.45;
/// Fast parts that 100 samples a second cannot hold are taken away first.
const CORNER_HZ: f64 = 40.0;
/// Steps that are tried until the preview is small enough, nanovolts.
const STEPS_NV: [i64; 5] = [10_000, 20_000, 40_000, 80_000, 160_000];

/// What a preview shows.
#[derive(Debug, Clone, PartialEq)]
pub struct Preview {
    /// Heart rate per minute to a tenth, if it could be measured.
    pub heart_rate_per_min: Option<f64>,
    /// Lead II, or the first lead there is.
    pub strip: Waveform,
    /// The median beat of each lead, if there are beats.
    pub beat: Option<Waveform>,
}

/// Makes the preview of a recording, at most [`MAX_BYTES`] long.
///
/// Fails only where a recording of noise does not fit in any step, which no recorder's range allows.
pub fn encode(waveform: &Waveform) -> Result<Vec<u8>, CodecError> {
    let measured = measure::measure(waveform);
    let place = waveform.place(&LeadName::II).unwrap_or(0);
    let rate = SampleRateHz::new(RATE_HZ)?;
    let steady = DisplayFilter {
        band: Band::Diagnostic,
        mains_50_hz: true,
    };
    let fs = waveform.rate().hz();
    let shown: Vec<Vec<f64>> = (0..waveform.leads().len())
        .map(|place| low_pass(&steady.apply(waveform, place), CORNER_HZ, fs))
        .collect();
    let seconds = waveform.seconds().min(STRIP_SECONDS);
    let strip = at_rate(&shown[place], fs, 0.0, rate.samples_in(seconds));
    let beats = median_beats(&shown, fs, &measured.beats);
    for step in STEPS_NV {
        let scale = Scale::from_nanovolts(step)?;
        let lead = |name: &LeadName, values: &[f64]| {
            let samples = values
                .iter()
                .map(|mv| (mv / scale.millivolts()).round() as i32)
                .collect();
            Lead {
                name: name.clone(),
                scale,
                zero: 0,
                samples,
            }
        };
        let name = &waveform.leads()[place].name;
        let strip = codec::encode(&Waveform::new(rate, vec![lead(name, &strip)], Vec::new())?);
        let names = waveform.leads().iter().map(|lead| &lead.name);
        let leads: Vec<Lead> = names.zip(&beats).map(|(name, beat)| lead(name, beat)).collect();
        let beat = if leads.is_empty() {
            Vec::new()
        } else {
            codec::encode(&Waveform::new(rate, leads, Vec::new())?)
        };
        let mut out = MAGIC.to_vec();
        out.push(VERSION);
        let tenths = measured
            .heart_rate_per_min
            .map_or(0, |per_min| (per_min * 10.0).round() as u64);
        bytes::put_unsigned(&mut out, tenths);
        bytes::put_unsigned(&mut out, strip.len() as u64);
        out.extend_from_slice(&strip);
        out.extend_from_slice(&beat);
        if out.len() <= MAX_BYTES {
            return Ok(out);
        }
    }
    Err(CodecError::Length)
}

/// Reads a preview.
pub fn decode(preview: &[u8]) -> Result<Preview, CodecError> {
    if preview.len() > MAX_BYTES {
        return Err(CodecError::Length);
    }
    let body = preview.strip_prefix(&MAGIC).ok_or(CodecError::NotAWaveform)?;
    let (version, body) = body.split_first().ok_or(CodecError::Length)?;
    match *version {
        VERSION => {}
        0 => return Err(CodecError::Field("version")),
        newer => return Err(CodecError::NewerVersion(newer)),
    }
    let mut reader = bytes::Reader(body);
    let tenths = u32::try_from(reader.unsigned()?).map_err(|_| CodecError::Field("heart rate"))?;
    let len = usize::try_from(reader.unsigned()?).map_err(|_| CodecError::Length)?;
    let strip = codec::decode(reader.take(len).ok_or(CodecError::Length)?)?;
    let beat = if reader.0.is_empty() {
        None
    } else {
        Some(codec::decode(reader.0)?)
    };
    let heart_rate_per_min = (tenths > 0).then(|| f64::from(tenths) / 10.0);
    Ok(Preview {
        heart_rate_per_min,
        strip,
        beat,
    })
}

/// The values at [`RATE_HZ`], from `start` seconds on, between the samples on straight lines.
fn at_rate(values: &[f64], fs: f64, start: f64, count: usize) -> Vec<f64> {
    let value = |at: usize| {
        let position = (start + at as f64 / f64::from(RATE_HZ)) * fs;
        let low = (position.max(0.0) as usize).min(values.len().saturating_sub(1));
        let high = (low + 1).min(values.len().saturating_sub(1));
        let (Some(a), Some(b)) = (values.get(low), values.get(high)) else {
            return 0.0;
        };
        a + (b - a) * (position - low as f64).clamp(0.0, 1.0)
    };
    (0..count).map(value).collect()
}

/// For each lead the middle value over all beats at each time around R, above the level before P; nothing where
/// no beat is whole.
fn median_beats(leads: &[Vec<f64>], fs: f64, beats: &[usize]) -> Vec<Vec<f64>> {
    let len = leads.first().map_or(0, Vec::len);
    let seconds = |beat: &usize| *beat as f64 / fs;
    let whole = |beat: &&usize| seconds(beat) >= BEFORE_R && seconds(beat) + AFTER_R < len as f64 / fs;
    let starts: Vec<f64> = beats
        .iter()
        .filter(whole)
        .map(|beat| seconds(beat) - BEFORE_R)
        .collect();
    if starts.is_empty() {
        return Vec::new();
    }
    let count = ((BEFORE_R + AFTER_R) * f64::from(RATE_HZ)).round() as usize;
    let of_lead = |values: &Vec<f64>| {
        let beats: Vec<Vec<f64>> = starts
            .iter()
            .map(|start| at_rate(values, fs, *start, count))
            .collect();
        let middle = |at: usize| {
            let mut column: Vec<f64> = beats.iter().map(|beat| beat[at]).collect();
            let half = column.len() / 2;
            *column.select_nth_unstable_by(half, f64::total_cmp).1
        };
        let beat: Vec<f64> = (0..count).map(middle).collect();
        let level = beat[..4].iter().sum::<f64>() / 4.0;
        beat.into_iter().map(|value| value - level).collect()
    };
    leads.iter().map(of_lead).collect()
}

/// For fuzzing: whatever the bytes, decoding does not panic.
pub fn fuzz_one(bytes: &[u8]) {
    let _ = decode(bytes);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::synthetic::{Heart, HeartSettings};
    use proptest::prelude::*;

    fn heart(settings: HeartSettings) -> Waveform {
        Heart::new(settings, 3).record(12.0, SampleRateHz::DIAGNOSTIC)
    }

    #[test]
    fn a_preview_shows_rate_strip_and_beat() {
        let bytes = encode(&heart(HeartSettings {
            rate_bpm: 80.0,
            ..Default::default()
        }))
        .unwrap();
        assert!(bytes.len() <= MAX_BYTES, "{}", bytes.len());
        let preview = decode(&bytes).unwrap();
        assert!((preview.heart_rate_per_min.unwrap() - 80.0).abs() < 1.0);
        assert_eq!(
            (preview.strip.len(), preview.strip.leads()[0].name.clone()),
            (1000, LeadName::II)
        );
        let beat = preview.beat.unwrap();
        assert!(beat.is_twelve_lead());
        let two = beat.lead(&LeadName::II).unwrap().millivolts();
        let top = (0..two.len()).max_by(|a, b| two[*a].total_cmp(&two[*b])).unwrap();
        assert!(
            (24..=26).contains(&top) && (0.8..1.4).contains(&two[top]),
            "R of {} at {top}",
            two[top]
        );
    }

    #[test]
    fn noisy_long_empty_and_flat_recordings_fit() {
        let noisy = HeartSettings {
            noise_uv: 3000.0,
            wander_mv: 5.0,
            mains_uv: 4000.0,
            ..Default::default()
        };
        for settings in [
            noisy,
            HeartSettings {
                rate_bpm: 250.0,
                noise_uv: 300.0,
                ..Default::default()
            },
        ] {
            assert!(encode(&heart(settings)).unwrap().len() <= MAX_BYTES);
        }
        let empty = Heart::new(HeartSettings::default(), 3).record(0.0, SampleRateHz::DIAGNOSTIC);
        let preview = decode(&encode(&empty).unwrap()).unwrap();
        assert_eq!(
            (preview.heart_rate_per_min, preview.beat, preview.strip.len()),
            (None, None, 0)
        );
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]
        #[test]
        fn damaged_previews_are_refused_or_read(at in 0usize..1000, byte: u8) {
            static BYTES: std::sync::LazyLock<Vec<u8>> =
                std::sync::LazyLock::new(|| encode(&heart(HeartSettings::default())).unwrap());
            let mut bytes = BYTES.clone();
            let at = at % bytes.len();
            bytes[at] = byte;
            fuzz_one(&bytes);
            fuzz_one(&bytes[..at]);
        }
    }
}

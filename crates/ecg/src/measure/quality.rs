//! Whether a lead can be read, and if not, why.

use crate::filters::{high_pass, in_usable_runs, tone_power, without_mains};
use crate::model::{LeadName, MarkKind, Waveform};

/// A lead that moves less than this many units in a second is flat.
const FLAT_UNITS: u32 = 2;
/// Share of samples at the end of the range that makes a lead clipped.
const CLIPPED_SHARE: f64 = 0.05;
/// Hum of more than this many microvolts rms is worth saying; beyond four times that the strip is repeated.
const HUM_UV: f64 = 35.0;
/// Noise above 40 Hz, hum left out, in microvolts rms: likewise.
const NOISE_UV: f64 = 35.0;
/// Swing of the baseline below 0.5 Hz in microvolts rms: likewise.
const WANDER_UV: f64 = 250.0;
/// Share of the strip without signal that is worth saying, and that makes it unreadable.
const MISSING_SHARE: (f64, f64) = (0.01, 0.5);

/// How well a lead can be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Grade {
    /// Nothing to say.
    Good,
    /// Readable; the faults are said.
    Usable,
    /// Record again.
    Repeat,
}

/// What is wrong with a lead.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Fault {
    /// No movement: an electrode is off or a cable broken.
    Flat,
    /// Gaps or reported contact losses.
    Missing,
    /// The voltage was beyond the range of the recorder.
    Clipped,
    /// Mains hum.
    Hum,
    /// Muscle or contact noise.
    Noise,
    /// The baseline swings.
    Wander,
}

/// Quality of one lead.
#[derive(Debug, Clone, PartialEq)]
pub struct LeadQuality {
    /// Which lead.
    pub lead: LeadName,
    /// The verdict.
    pub grade: Grade,
    /// Its reasons; empty for a good lead.
    pub faults: Vec<Fault>,
    /// Seconds without any movement.
    pub flat_seconds: f64,
    /// Share of the samples that carry no signal, 0 to 1.
    pub missing_share: f64,
    /// Share of the samples that are clipped, 0 to 1.
    pub clipped_share: f64,
    /// Mains hum, microvolts rms.
    pub hum_uv: f64,
    /// Noise above 40 Hz without the hum, microvolts rms.
    pub noise_uv: f64,
    /// Swing below 0.5 Hz, microvolts rms.
    pub wander_uv: f64,
}

/// Judges the lead at this place of a waveform. A place that is not there panics.
pub fn lead_quality(waveform: &Waveform, place: usize) -> LeadQuality {
    let lead = &waveform.leads()[place];
    let fs = waveform.rate().hz();
    let unusable = waveform.unusable(place);
    let len = waveform.len().max(1) as f64;
    let missing_share = unusable.iter().filter(|flag| **flag).count() as f64 / len;
    let values = in_usable_runs(&lead.millivolts(), &unusable, centred);
    let uv = |power: f64| power.max(0.0).sqrt() * 1000.0;
    let hum = (-2..=2)
        .map(|step| tone_power(&values, 50.0 + f64::from(step) * 0.25, fs))
        .sum::<f64>();
    let quick = high_pass(&values, 0.5, fs);
    let slow: Vec<f64> = values
        .iter()
        .zip(&quick)
        .map(|(all, quick)| all - quick)
        .collect();
    let mean_square = slow.iter().map(|value| value * value).sum::<f64>() / len;
    let mut quality = LeadQuality {
        lead: lead.name.clone(),
        grade: Grade::Good,
        faults: Vec::new(),
        flat_seconds: flat_samples(&lead.samples, &unusable, waveform.rate().samples_in(1.0)) / fs,
        missing_share,
        clipped_share: clipped_share(waveform, place),
        hum_uv: uv(hum),
        noise_uv: noise_uv(&values, fs),
        wander_uv: uv(mean_square),
    };
    judge(&mut quality, waveform.seconds());
    quality
}

fn judge(quality: &mut LeadQuality, seconds: f64) {
    let mut say = |fault, worth_saying: bool, unreadable: bool| {
        if worth_saying || unreadable {
            quality.faults.push(fault);
            let grade = if unreadable { Grade::Repeat } else { Grade::Usable };
            quality.grade = quality.grade.max(grade);
        }
    };
    let flat = quality.flat_seconds;
    say(Fault::Flat, flat >= 1.0, flat >= 1.0 && flat > 0.5 * seconds);
    let missing = quality.missing_share;
    say(
        Fault::Missing,
        missing > MISSING_SHARE.0,
        missing > MISSING_SHARE.1,
    );
    let clipped = quality.clipped_share;
    say(Fault::Clipped, clipped > 0.0, clipped > CLIPPED_SHARE);
    for (fault, value, limit) in [
        (Fault::Hum, quality.hum_uv, HUM_UV),
        (Fault::Noise, quality.noise_uv, NOISE_UV),
        (Fault::Wander, quality.wander_uv, WANDER_UV),
    ] {
        say(fault, value > limit, value > 4.0 * limit);
    }
}

fn centred(run: &[f64]) -> Vec<f64> {
    let mean = run.iter().sum::<f64>() / run.len() as f64;
    run.iter().map(|value| value - mean).collect()
}

/// Noise above 40 Hz in microvolts rms. Taken from the middle size, which QRS complexes do not move: their
/// share of the time is small.
fn noise_uv(values: &[f64], fs: f64) -> f64 {
    // Half of a normal distribution lies within this many standard deviations.
    const MIDDLE_OF_NORMAL: f64 = 0.6745;
    let fast = high_pass(&without_mains(values, fs), 40.0, fs);
    let mut sizes: Vec<f64> = fast.iter().map(|value| value.abs()).collect();
    if sizes.is_empty() || fs <= 100.0 {
        return 0.0;
    }
    let half = sizes.len() / 2;
    *sizes.select_nth_unstable_by(half, f64::total_cmp).1 / MIDDLE_OF_NORMAL * 1000.0
}

/// Number of samples in stretches of at least a second that do not move.
fn flat_samples(samples: &[i32], unusable: &[bool], second: usize) -> f64 {
    let (mut flat, mut start) = (0, 0);
    let (mut low, mut high) = (i32::MAX, i32::MIN);
    let usable = samples
        .iter()
        .zip(unusable)
        .map(|(value, unusable)| (!unusable).then_some(*value));
    // One step more ends the last stretch.
    for (at, value) in usable.chain([None]).enumerate() {
        let still = value.is_some_and(|value| high.max(value).abs_diff(low.min(value)) <= FLAT_UNITS);
        if !still {
            if at - start >= second.max(2) {
                flat += at - start;
            }
            start = if value.is_some() { at } else { at + 1 };
            (low, high) = (i32::MAX, i32::MIN);
        }
        if let Some(value) = value {
            (low, high) = (low.min(value), high.max(value));
        }
    }
    flat as f64
}

/// Share of the samples under a clipping mark.
fn clipped_share(waveform: &Waveform, place: usize) -> f64 {
    let over = waveform
        .marks()
        .iter()
        .filter(|mark| mark.kind == MarkKind::Clipped && mark.covers(place));
    let clipped: u64 = over.map(|mark| u64::from(mark.len)).sum();
    (clipped as f64 / waveform.len().max(1) as f64).min(1.0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{Lead, Mark, SampleRateHz};
    use crate::synthetic::{Heart, HeartSettings};

    fn quality(settings: HeartSettings) -> LeadQuality {
        lead_quality(&Heart::new(settings, 8).record(10.0, SampleRateHz::DIAGNOSTIC), 1)
    }

    fn with(change: impl Fn(&mut Lead), marks: Vec<Mark>) -> LeadQuality {
        let strip = Heart::new(HeartSettings::default(), 8).record(10.0, SampleRateHz::DIAGNOSTIC);
        let mut leads = strip.leads().to_vec();
        change(&mut leads[1]);
        lead_quality(&Waveform::new(strip.rate(), leads, marks).unwrap(), 1)
    }

    #[test]
    fn a_good_strip_is_good() {
        let found = quality(HeartSettings::default());
        assert_eq!(
            (found.grade, found.faults.as_slice()),
            (Grade::Good, [].as_slice()),
            "{found:?}"
        );
    }

    #[test]
    fn each_fault_is_named() {
        let usual = HeartSettings::default();
        let hum = quality(HeartSettings {
            mains_uv: 100.0,
            ..usual
        });
        assert_eq!(
            (hum.grade, hum.faults.as_slice()),
            (Grade::Usable, [Fault::Hum].as_slice()),
            "{hum:?}"
        );
        assert!((hum.hum_uv - 70.7).abs() < 10.0, "{hum:?}");
        assert_eq!(
            quality(HeartSettings {
                mains_uv: 400.0,
                ..usual
            })
            .grade,
            Grade::Repeat
        );
        let noise = quality(HeartSettings {
            noise_uv: 80.0,
            ..usual
        });
        assert_eq!(noise.faults, [Fault::Noise], "{noise:?}");
        let wander = quality(HeartSettings {
            wander_mv: 0.8,
            ..usual
        });
        assert_eq!(wander.faults, [Fault::Wander], "{wander:?}");
        let flat = with(|lead| lead.samples.fill(3), vec![]);
        assert_eq!(
            (flat.grade, flat.faults.as_slice()),
            (Grade::Repeat, [Fault::Flat].as_slice())
        );
        assert_eq!(flat.flat_seconds, 10.0);
        let part = with(|lead| lead.samples[1000..2000].fill(3), vec![]);
        assert!(
            part.grade == Grade::Usable && part.faults == [Fault::Flat],
            "{part:?}"
        );
    }

    #[test]
    fn marks_count() {
        let mark = |kind| {
            vec![Mark {
                start: 0,
                len: 3000,
                lead: Some(1),
                kind,
            }]
        };
        let off = with(|_| (), mark(MarkKind::LeadOff));
        assert_eq!(
            (off.grade, off.faults.as_slice()),
            (Grade::Repeat, [Fault::Missing].as_slice()),
            "{off:?}"
        );
        let clipped = with(|_| (), mark(MarkKind::Clipped));
        assert_eq!((clipped.grade, clipped.clipped_share), (Grade::Repeat, 0.6));
    }
}

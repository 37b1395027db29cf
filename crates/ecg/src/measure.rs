//! Automatic measurements of a strip. They are no diagnosis: a physician reads the strip.
//!
//! What could not be measured is absent, never 0.

mod quality;

pub use quality::{Fault, Grade, LeadQuality, lead_quality};

use crate::filters::{Band, DisplayFilter};
use crate::model::{LeadName, LimbResidual, Waveform, limb_residuals};
use crate::qrs;

/// Fewest RR intervals that make a heart rate.
const LEAST_INTERVALS: usize = 2;
/// Correlation of lead I with V6 below which the arm electrodes are likely to be swapped.
const ARMS_SWAPPED_BELOW: f64 = -0.3;

/// What was measured in a strip.
#[derive(Debug, Clone, PartialEq)]
pub struct Measurements {
    /// Sample numbers of the R peaks, ascending, from 0.
    pub beats: Vec<usize>,
    /// Beats per minute: 60000 over the mean RR interval in ms. None where fewer than two intervals could be
    /// measured.
    pub heart_rate_per_min: Option<f64>,
    /// RR intervals, if there is a heart rate.
    pub rr: Option<RrIntervals>,
    /// Each lead's quality, in the order of the waveform.
    pub leads: Vec<LeadQuality>,
    /// How far the limb leads are from what I and II say.
    pub limbs: Vec<LimbResidual>,
    /// Lead I points against V6: the arm electrodes are likely to be swapped (or the heart lies on the right).
    /// None where the leads are not there or too short.
    pub arms_maybe_swapped: Option<bool>,
}

/// RR intervals in milliseconds, without those across a gap.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct RrIntervals {
    /// How many.
    pub count: usize,
    /// Mean.
    pub mean_ms: f64,
    /// Shortest.
    pub min_ms: f64,
    /// Longest.
    pub max_ms: f64,
    /// Root mean square of the differences of neighbouring intervals; none with a single interval.
    pub rmssd_ms: Option<f64>,
}

/// Measures a strip.
pub fn measure(waveform: &Waveform) -> Measurements {
    let beats = qrs::detect(waveform);
    let rr = rr_intervals(waveform, &beats);
    Measurements {
        heart_rate_per_min: rr.map(|rr| 60_000.0 / rr.mean_ms),
        rr,
        leads: (0..waveform.leads().len())
            .map(|place| lead_quality(waveform, place))
            .collect(),
        limbs: limb_residuals(waveform),
        arms_maybe_swapped: arms_maybe_swapped(waveform),
        beats,
    }
}

/// Heart rate per minute of a strip, for instance of the last seconds of a running one.
pub fn heart_rate_per_min(waveform: &Waveform) -> Option<f64> {
    rr_intervals(waveform, &qrs::detect(waveform)).map(|rr| 60_000.0 / rr.mean_ms)
}

/// The intervals between neighbouring beats. An interval in which every lead lacks signal somewhere counts for
/// nothing: a beat may be missing there.
fn rr_intervals(waveform: &Waveform, beats: &[usize]) -> Option<RrIntervals> {
    let places = 0..waveform.leads().len();
    let unusable: Vec<Vec<bool>> = places.map(|place| waveform.unusable(place)).collect();
    let broken = |pair: &[usize]| {
        let between = pair[0]..pair[1];
        unusable.iter().all(|lead| lead[between.clone()].contains(&true))
    };
    let fs = waveform.rate().hz();
    let pairs = beats.windows(2).filter(|pair| !broken(pair));
    let intervals: Vec<f64> = pairs
        .map(|pair| (pair[1] - pair[0]) as f64 * 1000.0 / fs)
        .collect();
    if intervals.len() < LEAST_INTERVALS {
        return None;
    }
    let steps: Vec<f64> = intervals
        .windows(2)
        .map(|pair| (pair[1] - pair[0]).powi(2))
        .collect();
    let mean = |values: &[f64]| values.iter().sum::<f64>() / values.len() as f64;
    Some(RrIntervals {
        count: intervals.len(),
        mean_ms: mean(&intervals),
        min_ms: intervals.iter().copied().fold(f64::INFINITY, f64::min),
        max_ms: intervals.iter().copied().fold(0.0, f64::max),
        rmssd_ms: (!steps.is_empty()).then(|| mean(&steps).sqrt()),
    })
}

fn arms_maybe_swapped(waveform: &Waveform) -> Option<bool> {
    let (one, six) = (waveform.place(&LeadName::I)?, waveform.place(&LeadName::V6)?);
    if waveform.seconds() < 2.0 {
        return None;
    }
    let steady = DisplayFilter {
        band: Band::Monitor,
        mains_50_hz: false,
    };
    let (one, six) = (steady.apply(waveform, one), steady.apply(waveform, six));
    let dot = |a: &[f64], b: &[f64]| a.iter().zip(b).map(|(a, b)| a * b).sum::<f64>();
    let size = (dot(&one, &one) * dot(&six, &six)).sqrt();
    (size > 0.0).then(|| dot(&one, &six) / size < ARMS_SWAPPED_BELOW)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{Lead, Mark, MarkKind, SampleRateHz};
    use crate::synthetic::{Heart, HeartSettings};

    fn strip(settings: HeartSettings, seconds: f64) -> Waveform {
        Heart::new(settings, 6).record(seconds, SampleRateHz::DIAGNOSTIC)
    }

    #[test]
    fn the_rate_is_that_of_the_heart() {
        for (rate_bpm, t_over_r) in [(60.0, 1.2), (60.0, 0.28), (40.0, 0.5), (180.0, 0.3)] {
            let found = measure(&strip(
                HeartSettings {
                    rate_bpm,
                    t_over_r,
                    ..Default::default()
                },
                10.0,
            ));
            let rate = found.heart_rate_per_min.unwrap();
            assert!(
                (rate - rate_bpm).abs() <= rate_bpm / 60.0,
                "{rate} for {rate_bpm}, T/R {t_over_r}"
            );
        }
    }

    #[test]
    fn what_cannot_be_measured_is_absent() {
        let short = measure(&strip(HeartSettings::default(), 1.2));
        assert_eq!((short.heart_rate_per_min, short.rr), (None, None));
        assert_eq!(
            measure(&strip(HeartSettings::default(), 0.0)).heart_rate_per_min,
            None
        );
    }

    #[test]
    fn a_pause_of_the_recording_is_no_pause_of_the_heart() {
        let whole = strip(
            HeartSettings {
                rate_bpm: 75.0,
                ..Default::default()
            },
            12.0,
        );
        let gap = Mark {
            start: 2000,
            len: 2000,
            lead: None,
            kind: MarkKind::Gap,
        };
        let broken = Waveform::new(whole.rate(), whole.leads().to_vec(), vec![gap]).unwrap();
        let found = measure(&broken);
        assert!((found.heart_rate_per_min.unwrap() - 75.0).abs() < 2.0);
        assert!(found.rr.unwrap().max_ms < 1000.0);
    }

    #[test]
    fn swapped_arms_are_suspected() {
        let right = strip(HeartSettings::default(), 10.0);
        assert_eq!(measure(&right).arms_maybe_swapped, Some(false));
        let swapped = right.leads().iter().map(|lead| {
            let of = |name: &LeadName| {
                right
                    .lead(name)
                    .map(|lead| lead.samples.clone())
                    .unwrap_or_default()
            };
            let samples = match &lead.name {
                LeadName::I => lead.samples.iter().map(|value| -value).collect(),
                LeadName::II => of(&LeadName::III),
                LeadName::III => of(&LeadName::II),
                LeadName::AVR => of(&LeadName::AVL),
                LeadName::AVL => of(&LeadName::AVR),
                other => of(other),
            };
            Lead {
                samples,
                ..lead.clone()
            }
        });
        let swapped = Waveform::new(right.rate(), swapped.collect(), vec![]).unwrap();
        let found = measure(&swapped);
        assert_eq!(found.arms_maybe_swapped, Some(true));
        assert!(found.limbs.iter().all(LimbResidual::is_consistent));
    }
}

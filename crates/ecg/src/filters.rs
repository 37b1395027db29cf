//! Filters for display, print and measurement. They work on copies in millivolts; stored samples are never
//! touched. All run forward and backward over the strip, so they shift nothing in time.

use std::f64::consts::{PI, TAU};

use crate::model::Waveform;

/// How a strip is shown. The setting is printed with the strip.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct DisplayFilter {
    /// Which band is kept.
    pub band: Band,
    /// Whether hum of the 50 Hz mains is estimated and subtracted.
    pub mains_50_hz: bool,
}

/// A band of frequencies that is kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Band {
    /// Everything that was recorded.
    Full,
    /// 0.05 to 150 Hz: the band of an adult's diagnostic recording (AHA/ACC/HRS 2007). ST and P are kept.
    Diagnostic,
    /// 0.5 to 40 Hz: steady to look at; not for judging ST or QT.
    Monitor,
}

impl Band {
    /// Every band.
    pub const ALL: [Self; 3] = [Self::Full, Self::Diagnostic, Self::Monitor];

    /// Lower and upper corner in hertz; none where nothing is taken away.
    pub fn corners_hz(self) -> Option<(f64, f64)> {
        match self {
            Self::Full => None,
            Self::Diagnostic => Some((0.05, 150.0)),
            Self::Monitor => Some((0.5, 40.0)),
        }
    }
}

impl DisplayFilter {
    /// What a page shows when nobody chose: the diagnostic band, hum left in.
    pub const DEFAULT: Self = Self {
        band: Band::Diagnostic,
        mains_50_hz: false,
    };

    /// Millivolts of the lead at this place, filtered. Each stretch between gaps or contact losses is filtered
    /// on its own; samples in them are 0.
    pub fn apply(self, waveform: &Waveform, place: usize) -> Vec<f64> {
        let Some(lead) = waveform.leads().get(place) else {
            return Vec::new();
        };
        let fs = waveform.rate().hz();
        in_usable_runs(&lead.millivolts(), &waveform.unusable(place), |run| {
            let run = if self.mains_50_hz {
                without_mains(run, fs)
            } else {
                run.to_vec()
            };
            match self.band.corners_hz() {
                None => run,
                Some((low, high)) => low_pass(&high_pass(&run, low, fs), high, fs),
            }
        })
    }
}

/// Treats each run of usable samples on its own and puts 0 elsewhere.
pub(crate) fn in_usable_runs(
    values: &[f64],
    unusable: &[bool],
    mut treat: impl FnMut(&[f64]) -> Vec<f64>,
) -> Vec<f64> {
    let mut out = vec![0.0; values.len()];
    let mut at = 0;
    for run in unusable.chunk_by(|a, b| a == b) {
        let range = at..at + run.len();
        at = range.end;
        if !run[0] {
            let treated = treat(&values[range.clone()]);
            out[range].copy_from_slice(&treated);
        }
    }
    out
}

/// Removes what is slower than the corner; second order, applied in both directions.
pub(crate) fn high_pass(values: &[f64], corner_hz: f64, fs: f64) -> Vec<f64> {
    both_ways(values, Biquad::high_pass(corner_hz, fs), fs / corner_hz)
}

/// Removes what is faster than the corner; nothing happens where the rate cannot hold the corner.
pub(crate) fn low_pass(values: &[f64], corner_hz: f64, fs: f64) -> Vec<f64> {
    if corner_hz >= 0.45 * fs {
        return values.to_vec();
    }
    both_ways(values, Biquad::low_pass(corner_hz, fs), fs / corner_hz)
}

/// A second-order section; coefficients by the bilinear transform (Bristow-Johnson, Audio EQ Cookbook).
#[derive(Debug, Clone, Copy)]
struct Biquad {
    b: [f64; 3],
    a: [f64; 2],
}

/// Quality of a section that loses 1.5 dB at its corner, so that two passes lose 3 dB.
const QUALITY: f64 = 0.841;

impl Biquad {
    fn high_pass(corner_hz: f64, fs: f64) -> Self {
        let (cos, alpha) = Self::angle(corner_hz, fs);
        Self::scaled([(1.0 + cos) / 2.0, -(1.0 + cos), (1.0 + cos) / 2.0], cos, alpha)
    }

    fn low_pass(corner_hz: f64, fs: f64) -> Self {
        let (cos, alpha) = Self::angle(corner_hz, fs);
        Self::scaled([(1.0 - cos) / 2.0, 1.0 - cos, (1.0 - cos) / 2.0], cos, alpha)
    }

    fn angle(corner_hz: f64, fs: f64) -> (f64, f64) {
        let angle = TAU * corner_hz / fs;
        (angle.cos(), angle.sin() / (2.0 * QUALITY))
    }

    fn scaled(b: [f64; 3], cos: f64, alpha: f64) -> Self {
        let norm = 1.0 + alpha;
        Self {
            b: b.map(|b| b / norm),
            a: [-2.0 * cos / norm, (1.0 - alpha) / norm],
        }
    }

    fn run(self, values: &mut [f64]) {
        let (mut first, mut second) = (0.0, 0.0);
        for value in values {
            let input = *value;
            let output = self.b[0] * input + first;
            first = self.b[1] * input - self.a[0] * output + second;
            second = self.b[2] * input - self.a[1] * output;
            *value = output;
        }
    }
}

/// Forward and backward, with the ends mirrored about their last value so that the filter has settled.
fn both_ways(values: &[f64], filter: Biquad, settling: f64) -> Vec<f64> {
    let (Some(first), Some(last)) = (values.first(), values.last()) else {
        return Vec::new();
    };
    let pad = (settling.ceil() as usize).min(values.len() - 1);
    let mut padded = Vec::with_capacity(values.len() + 2 * pad);
    padded.extend((1..=pad).rev().map(|place| 2.0 * first - values[place]));
    padded.extend_from_slice(values);
    padded.extend((1..=pad).map(|place| 2.0 * last - values[values.len() - 1 - place]));
    // A constant taken away before and given back after starts the filter at rest. A high-pass takes it.
    let rest = |padded: &mut [f64]| {
        let start = padded[0];
        padded.iter_mut().for_each(|value| *value -= start);
        filter.run(padded);
        let gain = filter.b.iter().sum::<f64>() / (1.0 + filter.a.iter().sum::<f64>());
        padded.iter_mut().for_each(|value| *value += start * gain);
        padded.reverse();
    };
    rest(&mut padded);
    rest(&mut padded);
    padded[pad..pad + values.len()].to_vec()
}

/// Nominal mains frequency in China.
const MAINS_HZ: f64 = 50.0;
/// Length and distance of the stretches in which the hum is estimated, seconds.
const HUM_WINDOW: f64 = 0.5;
const HUM_HOP: f64 = 0.25;

/// Subtracts the hum of the mains: a sine whose size and phase are estimated every quarter of a second on the
/// flat parts. Unlike a narrow notch it does not ring after a QRS.
pub(crate) fn without_mains(values: &[f64], fs: f64) -> Vec<f64> {
    let half = (fs / MAINS_HZ / 2.0).round() as usize;
    if half < 2 || values.len() < (HUM_WINDOW * fs) as usize {
        return values.to_vec();
    }
    let coarse = hum(values, half, MAINS_HZ, fs);
    // The mains drift: how fast the phase turns from window to window tells the true frequency.
    let turns: (f64, f64) = coarse.windows(2).fold((0.0, 0.0), |sum, pair| {
        let ((a, b), (c, d)) = (pair[0], pair[1]);
        (sum.0 + a * c + b * d, sum.1 + a * d - b * c)
    });
    let drift = turns.1.atan2(turns.0) / TAU / HUM_HOP;
    let frequency = MAINS_HZ + drift.clamp(-1.0, 1.0);
    let fine = hum(values, half, frequency, fs);
    let at_window = |position: f64| {
        let position = position.clamp(0.0, (fine.len() - 1) as f64);
        let (low, part) = (position.floor() as usize, position.fract());
        let high = (low + 1).min(fine.len() - 1);
        let mix = |a: f64, b: f64| a + (b - a) * part;
        (mix(fine[low].0, fine[high].0), mix(fine[low].1, fine[high].1))
    };
    let subtract = |(index, value): (usize, &f64)| {
        let time = index as f64 / fs;
        let (sine, cosine) = at_window((time - HUM_WINDOW / 2.0) / HUM_HOP);
        let angle = TAU * frequency * time;
        value - sine * angle.sin() - cosine * angle.cos()
    };
    values.iter().enumerate().map(subtract).collect()
}

/// Sine and cosine parts of the hum in each window.
fn hum(values: &[f64], half: usize, frequency: f64, fs: f64) -> Vec<(f64, f64)> {
    // A sample less the mean of those half a period away doubles the hum and flattens what is slow.
    let gain = 1.0 - (TAU * frequency * half as f64 / fs).cos();
    let mut fast = vec![0.0; values.len()];
    for at in half..values.len() - half {
        fast[at] = (values[at] - (values[at - half] + values[at + half]) / 2.0) / gain;
    }
    let window = (HUM_WINDOW * fs) as usize;
    let count = ((values.len() - window) as f64 / (HUM_HOP * fs)) as usize + 1;
    let mut parts = Vec::with_capacity(count);
    for index in 0..count {
        let start = (index as f64 * HUM_HOP * fs) as usize;
        let range = start..(start + window).min(values.len());
        let mut sizes: Vec<f64> = fast[range.clone()].iter().map(|value| value.abs()).collect();
        let middle = sizes.len() / 2;
        let usual = *sizes.select_nth_unstable_by(middle, f64::total_cmp).1;
        // Normal equations of a sine and a cosine over the samples that are no QRS.
        let [mut ss, mut sc, mut cc, mut sv, mut cv] = [0.0; 5];
        for at in range.filter(|at| fast[*at].abs() <= 3.0 * usual) {
            let (sin, cos) = (TAU * frequency * at as f64 / fs).sin_cos();
            ss += sin * sin;
            sc += sin * cos;
            cc += cos * cos;
            sv += sin * fast[at];
            cv += cos * fast[at];
        }
        let determinant = ss * cc - sc * sc;
        let solved = (
            (sv * cc - cv * sc) / determinant,
            (cv * ss - sv * sc) / determinant,
        );
        parts.push(if determinant > 1e-9 { solved } else { (0.0, 0.0) });
    }
    parts
}

/// Strength of one frequency: mean square of its sine (Goertzel 1958).
pub(crate) fn tone_power(values: &[f64], hz: f64, fs: f64) -> f64 {
    let (mut sin, mut cos) = (0.0, 0.0);
    for (index, value) in values.iter().enumerate() {
        let angle = 2.0 * PI * hz * index as f64 / fs;
        sin += value * angle.sin();
        cos += value * angle.cos();
    }
    let count = values.len().max(1) as f64;
    2.0 * (sin * sin + cos * cos) / (count * count)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{LeadName, Mark, MarkKind, SampleRateHz};
    use crate::synthetic::{Heart, HeartSettings};

    const FS: f64 = 500.0;

    fn settings() -> HeartSettings {
        let still = HeartSettings {
            noise_uv: 0.0,
            wander_mv: 0.0,
            irregularity: 0.0,
            ..Default::default()
        };
        HeartSettings {
            rate_bpm: 60.0,
            p_mv: 0.1,
            st_mv: 0.2,
            ..still
        }
    }

    /// Heights of P, ST and R above the flat line before P, for a beat in the middle of lead II.
    fn heights(values: &[f64], heart: &Heart) -> [f64; 3] {
        let r = (heart.r_peak_seconds(5) * FS) as usize;
        let at = |ms: i64| (r as i64 + ms / 2) as usize;
        let mean = |from, to| values[at(from)..at(to)].iter().sum::<f64>() / (at(to) - at(from)) as f64;
        let base = mean(-260, -230);
        let top = |from, to| values[at(from)..at(to)].iter().copied().fold(f64::MIN, f64::max) - base;
        [top(-220, -100), mean(70, 100) - base, top(-20, 20)]
    }

    /// A 3-45 Hz filter of another program ate P and T.
    #[test]
    fn p_and_st_are_shown_within_a_tenth_and_stored_untouched() {
        let heart = Heart::new(settings(), 1);
        let strip = heart.record(10.0, SampleRateHz::DIAGNOSTIC);
        let before = strip.clone();
        let raw = heights(
            &DisplayFilter {
                band: Band::Full,
                mains_50_hz: false,
            }
            .apply(&strip, 1),
            &heart,
        );
        assert!(
            (raw[0] - 0.1).abs() < 0.01 && (raw[1] - 0.2).abs() < 0.02,
            "{raw:?}"
        );
        for mains_50_hz in [false, true] {
            let shown = heights(
                &DisplayFilter {
                    band: Band::Diagnostic,
                    mains_50_hz,
                }
                .apply(&strip, 1),
                &heart,
            );
            for (shown, raw) in shown.iter().zip(raw) {
                assert!((shown - raw).abs() <= 0.1 * raw, "{shown} {raw}");
            }
        }
        let monitor = heights(
            &DisplayFilter {
                band: Band::Monitor,
                mains_50_hz: false,
            }
            .apply(&strip, 1),
            &heart,
        );
        assert!(
            (monitor[0] - raw[0]).abs() <= 0.1 * raw[0],
            "P in the monitor band: {monitor:?}"
        );
        assert_eq!(strip, before);
    }

    #[test]
    fn hum_goes_and_the_qrs_stays() {
        for (mains_hz, tolerance) in [(50.0, 0.01), (49.6, 0.02), (50.4, 0.02)] {
            let heart = Heart::new(settings(), 1);
            let clean = heart.record(10.0, SampleRateHz::DIAGNOSTIC).leads()[1].millivolts();
            let hum = |at: usize| 0.1 * (TAU * mains_hz * at as f64 / FS + 0.7).sin();
            let noisy: Vec<f64> = clean
                .iter()
                .enumerate()
                .map(|(at, value)| value + hum(at))
                .collect();
            let shown = without_mains(&noisy, FS);
            let inside = 200..clean.len() - 200;
            let worst = inside.map(|at| (shown[at] - clean[at]).abs()).fold(0.0, f64::max);
            assert!(worst < tolerance, "{worst} mV left of 0.1 mV at {mains_hz} Hz");
        }
        let clean = Heart::new(settings(), 1)
            .record(10.0, SampleRateHz::DIAGNOSTIC)
            .leads()[1]
            .millivolts();
        let shown = without_mains(&clean, FS);
        let worst = shown
            .iter()
            .zip(&clean)
            .map(|(a, b)| (a - b).abs())
            .fold(0.0, f64::max);
        assert!(worst < 0.01, "{worst} mV added to a clean strip");
    }

    #[test]
    fn bands_pass_and_stop_what_they_say() {
        let tone = |hz: f64| {
            (0..10_000)
                .map(|at| (TAU * hz * f64::from(at) / FS).sin())
                .collect::<Vec<f64>>()
        };
        let gain = |filtered: Vec<f64>, hz: f64| (tone_power(&filtered[2000..8000], hz, FS) * 2.0).sqrt();
        let band = |hz: f64, low, high| gain(low_pass(&high_pass(&tone(hz), low, FS), high, FS), hz);
        for hz in [1.0, 10.0, 40.0] {
            assert!((band(hz, 0.05, 150.0) - 1.0).abs() < 0.1, "{hz}");
        }
        assert!((band(150.0, 0.05, 150.0) - 0.71).abs() < 0.1);
        assert!((band(0.5, 0.5, 40.0) - 0.71).abs() < 0.1);
        assert!(band(0.05, 0.5, 40.0) < 0.02 && band(120.0, 0.5, 40.0) < 0.02);
        let level = low_pass(&[3.0; 50], 40.0, FS);
        assert!(level.iter().all(|value| (value - 3.0).abs() < 1e-9));
        assert!(
            high_pass(&[3.0; 50], 0.5, FS)
                .iter()
                .all(|value| value.abs() < 1e-9)
        );
        assert!(high_pass(&[], 0.5, FS).is_empty());
    }

    #[test]
    fn filters_start_anew_after_a_gap() {
        let heart = Heart::new(settings(), 1).record(6.0, SampleRateHz::DIAGNOSTIC);
        let mut leads = heart.leads().to_vec();
        leads[1].samples[1500..]
            .iter_mut()
            .for_each(|value| *value += 4000);
        let gap = Mark {
            start: 1400,
            len: 100,
            lead: None,
            kind: MarkKind::Gap,
        };
        let broken = Waveform::new(heart.rate(), leads, vec![gap]).unwrap();
        let place = broken.place(&LeadName::II).unwrap();
        let shown = DisplayFilter {
            band: Band::Monitor,
            mains_50_hz: false,
        }
        .apply(&broken, place);
        assert!(shown[1400..1500].iter().all(|value| *value == 0.0));
        assert!(
            shown[1500..].iter().all(|value| value.abs() < 2.0),
            "the 10 mV step is no wave"
        );
    }
}

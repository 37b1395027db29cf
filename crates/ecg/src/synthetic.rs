//! A synthetic twelve-lead heart for demos and tests: the same seed gives the same samples, at any rate.
//!
//! Waves are Gaussian bumps (the idea of McSharry and others, 2003) whose sizes per lead are those of a textbook
//! normal recording; limb leads follow Einthoven and Goldberger exactly. It imitates a recording for people to
//! look at and for programs to measure; it is no physiological model.

use std::f64::consts::TAU;

use crate::model::{SampleRateHz, Scale, Waveform};

/// What the heart shall look like.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct HeartSettings {
    /// Beats per minute; taken as 20 to 250.
    pub rate_bpm: f64,
    /// Height of T over height of R in the leads with an upright QRS.
    pub t_over_r: f64,
    /// Height of P in lead II, millivolts.
    pub p_mv: f64,
    /// Level of ST in lead II, millivolts.
    pub st_mv: f64,
    /// Noise of each independent lead, microvolts rms.
    pub noise_uv: f64,
    /// Mains hum at 50 Hz in each independent lead, microvolts of amplitude.
    pub mains_uv: f64,
    /// Slow swing of the baseline at 0.3 Hz, millivolts of amplitude.
    pub wander_mv: f64,
    /// Largest shift of a beat from strict rhythm as a share of the RR interval; taken as 0 to 0.4.
    pub irregularity: f64,
}

impl Default for HeartSettings {
    /// A regular 72 per minute with ordinary waves and the noise of a good recording.
    fn default() -> Self {
        Self {
            rate_bpm: 72.0,
            t_over_r: 0.28,
            p_mv: 0.12,
            st_mv: 0.0,
            noise_uv: 4.0,
            mains_uv: 0.0,
            wander_mv: 0.02,
            irregularity: 0.015,
        }
    }
}

/// Sizes of the waves of one independent lead. P and ST are shares of lead II, Q, R and S are millivolts, T is
/// a share of the largest deflection.
struct LeadShape {
    p: f64,
    q: f64,
    r: f64,
    s: f64,
    st: f64,
    t: f64,
}

const fn shape(p: f64, q: f64, r: f64, s: f64, st: f64, t: f64) -> LeadShape {
    LeadShape { p, q, r, s, st, t }
}

/// I, II, V1 to V6.
const SHAPES: [LeadShape; 8] = [
    shape(0.6, -0.06, 0.75, -0.10, 0.5, 1.0),
    shape(1.0, -0.08, 1.15, -0.14, 1.0, 1.0),
    shape(0.4, 0.0, 0.20, -0.95, -0.4, 0.35),
    shape(0.5, 0.0, 0.45, -1.50, -0.2, 1.0),
    shape(0.5, -0.02, 0.85, -0.90, 0.2, 1.0),
    shape(0.5, -0.06, 1.50, -0.45, 0.4, 1.0),
    shape(0.5, -0.09, 1.40, -0.20, 0.7, 1.0),
    shape(0.5, -0.09, 1.05, -0.08, 0.7, 1.0),
];

/// Width of R, Q and S in seconds (standard deviation of the bump), and where Q and S lie from R.
const R_WIDTH: f64 = 0.010;
const Q_AT: f64 = -0.026;
const S_AT: f64 = 0.027;
const QS_WIDTH: f64 = 0.008;
/// Share of a bump's height below which it is left out: far below one unit of any device.
const NEGLIGIBLE: f64 = 1e-5;

/// A heart that beats for ever from time 0.
#[derive(Debug, Clone)]
pub struct Heart {
    settings: HeartSettings,
    seed: u64,
    rr: f64,
}

impl Heart {
    /// A heart with these settings; the seed decides noise and the small shifts of the beats.
    pub fn new(settings: HeartSettings, seed: u64) -> Self {
        let rate = if settings.rate_bpm.is_finite() {
            settings.rate_bpm.clamp(20.0, 250.0)
        } else {
            72.0
        };
        Self {
            settings,
            seed,
            rr: 60.0 / rate,
        }
    }

    /// Seconds from the first sample to the R peak of beat `beat` (0 is the first one after the start).
    pub fn r_peak_seconds(&self, beat: u64) -> f64 {
        self.r_peak(beat as i64)
    }

    fn r_peak(&self, beat: i64) -> f64 {
        let shift =
            self.settings.irregularity.clamp(0.0, 0.4) * self.rr * uniform(self.seed ^ 0x5eed, beat as u64);
        (beat as f64 + 0.5) * self.rr + shift
    }

    /// Millivolts of I, II, III, aVR, aVL, aVF, V1 to V6 at sample `index` of a recording at `fs_hz`.
    pub fn sample(&self, index: u64, fs_hz: u32) -> [f64; 12] {
        self.at(index, f64::from(fs_hz.max(1)))
    }

    /// A recording of this length in units of 2.5 µV, leads in standard order.
    pub fn record(&self, seconds: f64, rate: SampleRateHz) -> Waveform {
        let scale = Scale::RECORDER_STEP;
        let steps = |index| {
            self.at(index, rate.hz())
                .map(|millivolts| (millivolts / scale.millivolts()).round() as i32)
        };
        Waveform::of_instants(rate, scale, (0..rate.samples_in(seconds) as u64).map(steps))
    }

    fn at(&self, index: u64, fs: f64) -> [f64; 12] {
        let time = index as f64 / fs;
        let mut leads = [0.0; 8];
        let here = (time / self.rr - 0.5).floor() as i64;
        for beat in here - 1..=here + 2 {
            self.add_beat(time - self.r_peak(beat), &mut leads);
        }
        let settings = &self.settings;
        let hum = settings.mains_uv / 1000.0 * (TAU * 50.0 * time).sin();
        let sway = settings.wander_mv * (TAU * 0.3 * time).sin();
        for (place, lead) in leads.iter_mut().enumerate() {
            let noise = settings.noise_uv / 1000.0 * normal(self.seed ^ (place as u64 + 1), index);
            *lead += hum + sway * (1.0 - place as f64 * 0.1) + noise;
        }
        let [one, two, v1, v2, v3, v4, v5, v6] = leads;
        let (avr, avl, avf) = (-(one + two) / 2.0, one - two / 2.0, two - one / 2.0);
        [one, two, two - one, avr, avl, avf, v1, v2, v3, v4, v5, v6]
    }

    /// Adds the waves of one beat, `from_r` seconds after its R peak.
    fn add_beat(&self, from_r: f64, leads: &mut [f64; 8]) {
        // Fast hearts have shorter PR and QT; the square root is Bazett's rule (1920).
        let stretch = self.rr.min(1.2).sqrt();
        let p = bump(from_r + 0.05 + 0.115 * stretch.min(1.0), 0.021);
        let (q, r, s) = (
            bump(from_r - Q_AT, QS_WIDTH),
            bump(from_r, R_WIDTH),
            bump(from_r - S_AT, QS_WIDTH),
        );
        let t_at = 0.29 * stretch;
        let t_width = if from_r < t_at { 0.050 } else { 0.036 } * stretch;
        let t = bump(from_r - t_at, t_width);
        let st = plateau(from_r, t_at, 0.12 * stretch);
        if p + q + r + s + t + st == 0.0 {
            return;
        }
        let settings = &self.settings;
        for (lead, shape) in leads.iter_mut().zip(&SHAPES) {
            let largest = shape.r.max(-shape.s);
            *lead += shape.p * settings.p_mv * p
                + shape.q * q
                + shape.r * r
                + shape.s * s
                + shape.st * settings.st_mv * st
                + shape.t * settings.t_over_r * largest * t;
        }
    }
}

fn bump(from_centre: f64, width: f64) -> f64 {
    let height = (-0.5 * (from_centre / width).powi(2)).exp();
    if height < NEGLIGIBLE { 0.0 } else { height }
}

/// 1 from the end of QRS to the peak of T, with smooth edges.
fn plateau(from_r: f64, t_at: f64, fall: f64) -> f64 {
    let rise = ((from_r - 0.035) / 0.02).clamp(0.0, 1.0);
    let drop = 1.0 - ((from_r - t_at) / fall).clamp(0.0, 1.0);
    let smooth = |x: f64| x * x * (3.0 - 2.0 * x);
    smooth(rise) * smooth(drop)
}

/// A well-mixed word of two numbers (the finalizer of SplitMix64, Steele and others 2014).
fn mixed(seed: u64, index: u64) -> u64 {
    let mut word = seed.wrapping_add((index.wrapping_add(1)).wrapping_mul(0x9e37_79b9_7f4a_7c15));
    word = (word ^ (word >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    word = (word ^ (word >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    word ^ (word >> 31)
}

/// Between -1 and 1.
fn uniform(seed: u64, index: u64) -> f64 {
    (mixed(seed.wrapping_mul(0x2545_f491_4f6c_dd1d), index) >> 11) as f64 / (1u64 << 52) as f64 - 1.0
}

/// Nearly normal with variance 1: the sum of four uniform numbers.
fn normal(seed: u64, index: u64) -> f64 {
    let sum: f64 = (0..4)
        .map(|part| uniform(seed.wrapping_add(part << 32), index))
        .sum();
    sum * (3.0_f64 / 4.0).sqrt()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{LimbResidual, limb_residuals};

    #[test]
    fn limb_leads_obey_einthoven_and_goldberger() {
        let heart = Heart::new(
            HeartSettings {
                noise_uv: 30.0,
                mains_uv: 20.0,
                ..Default::default()
            },
            7,
        );
        for index in (0..5000).step_by(7) {
            let [one, two, three, avr, avl, avf, ..] = heart.sample(index, 500);
            assert!((three - (two - one)).abs() < 1e-12);
            assert!((avr + (one + two) / 2.0).abs() < 1e-12);
            assert!((avl - (one - three) / 2.0).abs() < 1e-12);
            assert!((avf - (two + three) / 2.0).abs() < 1e-12);
        }
        assert!(
            limb_residuals(&heart.record(5.0, SampleRateHz::DIAGNOSTIC))
                .iter()
                .all(LimbResidual::is_consistent)
        );
    }

    #[test]
    fn waves_have_the_sizes_asked_for() {
        let quiet = HeartSettings {
            noise_uv: 0.0,
            wander_mv: 0.0,
            irregularity: 0.0,
            ..Default::default()
        };
        let settings = HeartSettings {
            rate_bpm: 60.0,
            t_over_r: 1.2,
            p_mv: 0.1,
            st_mv: 0.2,
            ..quiet
        };
        let heart = Heart::new(settings, 1);
        let lead_two = |seconds: f64| heart.sample((seconds * 1000.0).round() as u64, 1000)[1];
        let r = heart.r_peak_seconds(3);
        let largest = |from: i32, to: i32| {
            (from..to)
                .map(|ms| lead_two(r + f64::from(ms) / 1000.0))
                .fold(f64::MIN, f64::max)
        };
        assert!((largest(-20, 20) - 1.15).abs() < 0.03);
        assert!((largest(-220, -100) - 0.1).abs() < 0.01);
        assert!((largest(200, 400) - (1.2 * 1.15 + 0.2)).abs() < 0.05);
        assert!((lead_two(r + 0.08) - 0.2).abs() < 0.02);
    }

    #[test]
    fn the_same_seed_gives_the_same_heart_at_any_point() {
        let heart = Heart::new(HeartSettings::default(), 9);
        let again = Heart::new(HeartSettings::default(), 9);
        assert_eq!(heart.sample(123_456, 500), again.sample(123_456, 500));
        assert_ne!(
            heart.sample(5, 500),
            Heart::new(HeartSettings::default(), 10).sample(5, 500)
        );
        let at_500 = heart.record(2.0, SampleRateHz::DIAGNOSTIC);
        assert_eq!(at_500.len(), 1000);
        assert!(at_500.is_twelve_lead());
    }

    #[test]
    fn noise_has_the_strength_asked_for() {
        let count = 20_000;
        let power: f64 = (0..count).map(|index| normal(3, index).powi(2)).sum();
        assert!((power / count as f64 - 1.0).abs() < 0.05);
    }
}

//! Tests of the beat detector on the synthetic heart; real records are scored in `recordings`.

use super::*;
use crate::model::{Lead, Mark, MarkKind, SampleRateHz, Scale};
use crate::score::score;
use crate::synthetic::{Heart, HeartSettings};

fn expected(heart: &Heart, waveform: &Waveform) -> Vec<usize> {
    let fs = waveform.rate().hz();
    let beats = (0..).map(|beat| (heart.r_peak_seconds(beat) * fs).round() as usize);
    beats.take_while(|at| *at < waveform.len()).collect()
}

fn assert_all_found(settings: HeartSettings, lead: Option<LeadName>, rate: u32) {
    let heart = Heart::new(settings, 11);
    let strip = heart.record(10.0, SampleRateHz::new(rate).unwrap());
    let found = match &lead {
        None => detect(&strip),
        Some(name) => detect_in(&strip, &[strip.place(name).unwrap()]),
    };
    let reference = expected(&heart, &strip);
    // A beat cut by an end of the strip may be found or not.
    let fs = strip.rate().hz();
    let whole = |at: &&usize| (**at as f64) > 0.06 * fs && (**at as f64) < strip.len() as f64 - 0.06 * fs;
    let reference: Vec<usize> = reference.iter().filter(whole).copied().collect();
    let found: Vec<usize> = found.iter().filter(whole).copied().collect();
    let score = score(&reference, &found, (0.03 * fs) as usize);
    assert_eq!(
        (score.missed, score.extra),
        (0, 0),
        "{settings:?} {lead:?} {rate} Hz"
    );
}

/// Another program counted a T that was taller than R as a beat.
#[test]
fn a_t_wave_taller_than_r_is_no_beat() {
    for t_over_r in [-1.2, 0.0, 0.5, 1.2, 1.6] {
        for rate_bpm in [45.0, 60.0, 90.0] {
            let settings = HeartSettings {
                rate_bpm,
                t_over_r,
                ..Default::default()
            };
            assert_all_found(settings, None, 500);
            assert_all_found(settings, Some(LeadName::II), 500);
        }
    }
}

#[test]
fn every_rate_of_heart_and_recorder_is_followed() {
    for rate_bpm in [30.0, 72.0, 130.0, 180.0, 210.0] {
        for rate in [125, 200, 360, 500, 1000] {
            assert_all_found(
                HeartSettings {
                    rate_bpm,
                    ..Default::default()
                },
                Some(LeadName::II),
                rate,
            );
        }
    }
}

#[test]
fn irregular_and_noisy_hearts_are_followed() {
    let noisy = HeartSettings {
        noise_uv: 60.0,
        mains_uv: 100.0,
        wander_mv: 0.8,
        ..Default::default()
    };
    assert_all_found(noisy, None, 500);
    assert_all_found(
        HeartSettings {
            irregularity: 0.25,
            rate_bpm: 95.0,
            ..noisy
        },
        None,
        500,
    );
}

#[test]
fn noise_hum_and_a_flat_line_hold_no_beat() {
    let without = HeartSettings {
        t_over_r: 0.0,
        p_mv: 0.0,
        ..Default::default()
    };
    let heart = Heart::new(
        HeartSettings {
            noise_uv: 80.0,
            mains_uv: 200.0,
            ..without
        },
        4,
    );
    let strip = heart.record(10.0, SampleRateHz::DIAGNOSTIC);
    let pure = Heart::new(
        HeartSettings {
            noise_uv: 0.0,
            mains_uv: 0.0,
            wander_mv: 0.0,
            ..without
        },
        4,
    );
    let beats = pure.record(10.0, SampleRateHz::DIAGNOSTIC);
    let noise = |lead: (&Lead, &Lead)| {
        let samples = lead
            .0
            .samples
            .iter()
            .zip(&lead.1.samples)
            .map(|(a, b)| a - b)
            .collect();
        Lead {
            samples,
            ..lead.0.clone()
        }
    };
    let leads: Vec<Lead> = strip.leads().iter().zip(beats.leads()).map(noise).collect();
    assert_eq!(
        detect(&Waveform::new(strip.rate(), leads, vec![]).unwrap()),
        [0; 0]
    );
    let flat = Lead {
        name: LeadName::II,
        scale: Scale::RECORDER_STEP,
        zero: 0,
        samples: vec![7; 5000],
    };
    assert_eq!(
        detect(&Waveform::new(strip.rate(), vec![flat], vec![]).unwrap()),
        [0; 0]
    );
}

#[test]
fn edges_of_gaps_are_no_beats() {
    let heart = Heart::new(HeartSettings::default(), 2);
    let strip = heart.record(10.0, SampleRateHz::DIAGNOSTIC);
    let mut leads = strip.leads().to_vec();
    for lead in &mut leads {
        let held = lead.samples[1999];
        lead.samples[2000..3000].fill(held);
        lead.samples[3000..].iter_mut().for_each(|value| *value += 3000);
    }
    let gap = Mark {
        start: 2000,
        len: 1000,
        lead: None,
        kind: MarkKind::Gap,
    };
    let broken = Waveform::new(strip.rate(), leads, vec![gap]).unwrap();
    let clear = |at: &usize| !(1960..3040).contains(at) && *at > 40 && *at < 4960;
    let found: Vec<usize> = detect(&broken).into_iter().filter(clear).collect();
    let reference: Vec<usize> = expected(&heart, &strip).into_iter().filter(clear).collect();
    assert_eq!(found.len(), reference.len());
    assert!(detect(&broken).iter().all(|at| !(2000..3000).contains(at)));
}

#[test]
fn short_and_slow_recordings_are_no_harm() {
    let heart = Heart::new(HeartSettings::default(), 2);
    for (seconds, rate) in [
        (0.0, 500),
        (0.002, 500),
        (0.1, 500),
        (0.4, 500),
        (3.0, 1),
        (3.0, 30),
        (3.0, 50),
    ] {
        detect(&heart.record(seconds, SampleRateHz::new(rate).unwrap()));
    }
}

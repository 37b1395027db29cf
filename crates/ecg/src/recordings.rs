//! Checks on public recordings. They are no part of this project: the folder that `CLINIC_RECORDINGS` names
//! holds them (`ecg/mitdb`, `ecg/ludb`, `ecg/twelve`, ..., each a folder of WFDB records). Without it the same
//! checks run on synthetic hearts and say so.

use std::path::{Path, PathBuf};

use crate::model::{Lead, LeadName, LimbResidual, SampleRateHz, Waveform, limb_residuals};
use crate::score::{Score, score};
use crate::synthetic::{Heart, HeartSettings};
use crate::{codec, measure, preview, qrs, wfdb};

/// Headers of the records in a folder, in order; nothing without the recordings.
fn records(folder: &str) -> Vec<PathBuf> {
    let Some(root) = std::env::var_os("CLINIC_RECORDINGS") else {
        println!("CLINIC_RECORDINGS is not set: checking synthetic hearts in place of {folder}");
        return Vec::new();
    };
    let folder = Path::new(&root).join("ecg").join(folder);
    let files = std::fs::read_dir(&folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display()));
    let mut headers: Vec<PathBuf> = files.map(|file| file.unwrap().path()).collect();
    headers.retain(|path| path.extension().is_some_and(|extension| extension == "hea"));
    headers.sort();
    assert!(!headers.is_empty(), "no records in {}", folder.display());
    headers
}

fn recording(header: &Path) -> Waveform {
    let text = std::fs::read(header).unwrap();
    let parsed = wfdb::read_header(&String::from_utf8_lossy(&text)).unwrap();
    let folder = header.parent().unwrap();
    let recording = wfdb::read(&parsed, |name| std::fs::read(folder.join(name))).unwrap();
    assert_eq!(recording.warnings, [], "{}", header.display());
    recording.waveform
}

fn synthetic(seed: u64, seconds: f64) -> (Heart, Waveform) {
    let settings = HeartSettings {
        rate_bpm: 50.0 + 8.0 * seed as f64,
        irregularity: 0.1,
        ..Default::default()
    };
    let heart = Heart::new(settings, seed);
    let strip = heart.record(seconds, SampleRateHz::DIAGNOSTIC);
    (heart, strip)
}

/// The samples `from` to `to` of the first leads.
fn cut(waveform: &Waveform, leads: usize, from: usize, to: usize) -> Waveform {
    let to = to.min(waveform.len());
    let cut = |lead: &Lead| Lead {
        samples: lead.samples[from.min(to)..to].to_vec(),
        ..lead.clone()
    };
    let leads = waveform.leads().iter().take(leads).map(cut).collect();
    Waveform::new(waveform.rate(), leads, Vec::new()).unwrap()
}

#[test]
fn twelve_leads_are_stored_bit_exact_and_small() {
    let mut strips: Vec<Waveform> = records("twelve").iter().map(|header| recording(header)).collect();
    if strips.is_empty() {
        strips = (1..4).map(|seed| synthetic(seed, 10.0).1).collect();
    }
    let mut total = 0;
    for strip in &strips {
        assert!(strip.is_twelve_lead());
        assert!(limb_residuals(strip).iter().all(LimbResidual::is_consistent));
        let bytes = codec::encode(strip);
        total += bytes.len();
        assert_eq!(codec::decode(&bytes).as_ref(), Ok(strip));
    }
    let mean = total / strips.len();
    println!("{} twelve-lead recordings: {mean} bytes each", strips.len());
    assert!(mean < 24_000, "{mean} bytes");
}

#[test]
fn twelve_leads_have_a_rate_and_a_preview() {
    let headers = records("twelve");
    let mut strips: Vec<Waveform> = headers
        .iter()
        .step_by(4)
        .map(|header| recording(header))
        .collect();
    if strips.is_empty() {
        strips = (1..4).map(|seed| synthetic(seed, 10.0).1).collect();
    }
    for strip in strips {
        let rate = measure::heart_rate_per_min(&strip).unwrap();
        assert!((30.0..220.0).contains(&rate));
        let bytes = preview::encode(&strip).unwrap();
        let shown = preview::decode(&bytes).unwrap();
        assert!(bytes.len() <= preview::MAX_BYTES && (shown.heart_rate_per_min.unwrap() - rate).abs() < 0.06);
    }
}

/// Detected and reference beats of the part of a record that counts: long ones from the sixth minute on (the
/// first five are for learning, AAMI EC57), annotated spans only.
fn scored(header: &Path, extension: &str) -> Score {
    let mut waveform = recording(header);
    let rate = waveform.rate();
    let annotations =
        wfdb::read_annotations(&std::fs::read(header.with_extension(extension)).unwrap()).unwrap();
    let mut reference: Vec<usize> = annotations
        .iter()
        .filter(|one| one.code.is_beat())
        .map(|one| one.sample as usize)
        .collect();
    let mut span = (0, waveform.len());
    if waveform.seconds() > 600.0 {
        // An unoptimised build takes three minutes of each half hour.
        let end = if cfg!(debug_assertions) {
            rate.samples_in(480.0)
        } else {
            waveform.len()
        };
        waveform = cut(&waveform, usize::MAX, 0, end);
        span = (rate.samples_in(300.0), end);
    } else if extension != "atr" {
        span = (
            annotations[0].sample as usize,
            annotations[annotations.len() - 1].sample as usize + 1,
        );
    }
    let counts = |at: &usize| (span.0..span.1).contains(at);
    let found: Vec<usize> = qrs::detect(&waveform).into_iter().filter(counts).collect();
    reference.retain(counts);
    score(&reference, &found, rate.samples_in(0.15))
}

fn scored_synthetic() -> Score {
    (1..6).fold(Score::default(), |sum, seed| {
        let (heart, strip) = synthetic(seed, 30.0);
        let fs = strip.rate().hz();
        let beats = (0..).map(|beat| (heart.r_peak_seconds(beat) * fs).round() as usize);
        let reference: Vec<usize> = beats.take_while(|at| *at < strip.len()).collect();
        sum.and(score(
            &reference,
            &qrs::detect(&strip),
            strip.rate().samples_in(0.15),
        ))
    })
}

fn assert_found(folder: &str, extension: &str, step: usize, least: (f64, f64)) {
    let headers = records(folder);
    let each = headers
        .iter()
        .step_by(step)
        .map(|header| scored(header, extension));
    let sum = each.reduce(Score::and).unwrap_or_else(scored_synthetic);
    let (found, real) = (sum.sensitivity(), sum.positive_predictivity());
    let beats = sum.matched + sum.missed;
    println!("{folder}: {beats} beats, sensitivity {found:.4}, positive predictivity {real:.4}");
    assert!(
        beats > 40 && found >= least.0 && real >= least.1,
        "{folder}: {sum:?}"
    );
}

#[test]
fn beats_of_the_arrhythmia_database_are_found() {
    assert_found("mitdb", "atr", 1, (0.998, 0.994));
}

#[test]
fn beats_of_the_lobachevsky_database_are_found() {
    assert_found(
        "ludb",
        "ii",
        if cfg!(debug_assertions) { 10 } else { 1 },
        (0.995, 0.98),
    );
}

#[test]
fn beats_of_atrial_fibrillation_are_found() {
    assert_found("cpsc2021", "atr", 1, (0.998, 0.995));
}

/// The headers of one database carry a gain of each lead that is not its true one.
#[test]
fn wrong_gains_of_limb_leads_are_said() {
    let mut strips: Vec<Waveform> = records("ludb")
        .iter()
        .take(10)
        .map(|header| recording(header))
        .collect();
    if strips.is_empty() {
        let (_, strip) = synthetic(1, 4.0);
        let double = crate::model::Scale::from_nanovolts(5000).unwrap();
        let change = |lead: &Lead| Lead {
            scale: if lead.name == LeadName::II {
                double
            } else {
                lead.scale
            },
            ..lead.clone()
        };
        let leads = strip.leads().iter().map(change).collect();
        strips = vec![Waveform::new(strip.rate(), leads, Vec::new()).unwrap()];
    }
    assert!(
        strips
            .iter()
            .all(|strip| limb_residuals(strip).iter().any(|lead| !lead.is_consistent()))
    );
}

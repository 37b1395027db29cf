//! The ECG recorder: sample for sample, noise, unplug, real recordings.

use std::sync::Arc;

use ecg::model::SampleRateHz;
use ecg::synthetic::{Heart, HeartSettings};

use crate::bench::{Bench, options};
use crate::catalogue::DeviceKey::Contec8000g;
use crate::events::DeviceEvent;
use crate::machine::Request;
use crate::simulators::Replay;

fn replay_of(seconds: f64) -> Arc<Replay> {
    let heart = Heart::new(HeartSettings::default(), 7);
    let waveform = heart.record(seconds, SampleRateHz::new(500).unwrap());
    Arc::new(Replay::from_waveform(&waveform).unwrap())
}

fn sent(replay: &Replay) -> Vec<i16> {
    replay.samples().iter().flatten().copied().collect()
}

#[test]
fn a_recording_comes_out_sample_for_sample() {
    let mut settings = options(Contec8000g, "");
    let replay = replay_of(30.0);
    settings.replay = Some(replay.clone());
    let mut bench = Bench::new(settings);
    bench.seconds(1);
    bench.request(Request::Start);
    bench.seconds(25);
    assert_eq!(bench.machine.silent_for(bench.now), None);
    bench.request(Request::Stop);
    let (samples, gaps) = bench.recording();
    assert_eq!(gaps, 0);
    assert!(samples.len() / 8 > 12_300, "25 seconds at 500 a second");
    assert_eq!(samples, sent(&replay)[..samples.len()]);
}

/// Real recordings are read from the folder that `CLINIC_RECORDINGS` names; without it the synthetic heart
/// stands for them.
#[test]
fn every_real_recording_comes_out_sample_for_sample() {
    let folder =
        std::env::var_os("CLINIC_RECORDINGS").map(|root| std::path::Path::new(&root).join("ecg/twelve"));
    let mut replays = Vec::new();
    for entry in folder
        .iter()
        .flat_map(|folder| std::fs::read_dir(folder).unwrap().flatten())
    {
        if entry.path().extension().is_some_and(|ending| ending == "hea") {
            replays.push(Replay::from_wfdb(&entry.path()).unwrap());
        }
    }
    if replays.is_empty() {
        println!("CLINIC_RECORDINGS is not set: the synthetic heart stands for real recordings");
        replays.push(Arc::unwrap_or_clone(replay_of(10.0)));
    }
    for replay in replays {
        let replay = Arc::new(replay);
        let seconds = replay.samples().len() as u64 / 500;
        let mut settings = options(Contec8000g, "");
        settings.replay = Some(replay.clone());
        let mut bench = Bench::new(settings);
        bench.request(Request::Start);
        bench.seconds(seconds + 1);
        bench.request(Request::Stop);
        let (samples, gaps) = bench.recording();
        let original = sent(&replay);
        assert!(samples.len() >= original.len() && gaps == 0);
        assert_eq!(samples[..original.len()], original);
    }
}

#[test]
fn a_noisy_recording_marks_what_is_lost_and_mixes_nothing() {
    let mut settings = options(Contec8000g, "noise");
    let replay = replay_of(120.0);
    settings.replay = Some(replay.clone());
    let mut bench = Bench::new(settings);
    bench.request(Request::Start);
    bench.seconds(100);
    bench.request(Request::Stop);
    let rejects = bench
        .events
        .iter()
        .filter(|event| matches!(event, DeviceEvent::Reject(_)))
        .count();
    assert!(rejects > 50, "the line was noisy");
    let original = sent(&replay);
    let mut wrong = 0;
    for event in &bench.events {
        let DeviceEvent::Wave(block) = event else { continue };
        let gaps: Vec<usize> = block.gaps.iter().map(|gap| gap.before).collect();
        for (offset, sample) in block.samples.chunks_exact(8).enumerate() {
            let missing: u32 = block
                .gaps
                .iter()
                .filter(|gap| gap.before <= offset)
                .filter_map(|g| g.missing)
                .sum();
            let at = (block.first_sample as usize + offset + missing as usize) * 8;
            wrong += usize::from(original[at..at + 8] != *sample && !gaps.contains(&offset));
        }
    }
    assert_eq!(wrong, 0, "every sample that is not marked stands in its place");
}

#[test]
fn an_unplug_in_a_recording_is_a_gap_of_known_length() {
    let mut settings = options(Contec8000g, "");
    settings.replay = Some(replay_of(60.0));
    let mut bench = Bench::new(settings);
    bench.request(Request::Start);
    bench.seconds(5);
    bench.unplug();
    bench.seconds(3);
    assert!(bench.machine.silent_for(bench.now).is_some());
    bench.plug();
    bench.seconds(5);
    bench.request(Request::Stop);
    let missing: Vec<_> = bench
        .events
        .iter()
        .filter_map(|event| match event {
            DeviceEvent::Wave(block) => Some(block.gaps.iter().map(|gap| gap.missing)),
            _ => None,
        })
        .flatten()
        .collect();
    let [Some(missing)] = missing[..] else {
        panic!("one gap of known length: {missing:?}")
    };
    assert!((1_450..=1_650).contains(&missing), "{missing}");
}

#[test]
fn nothing_is_recorded_that_nobody_asked_for() {
    let mut bench = Bench::new(options(Contec8000g, ""));
    bench.request(Request::Start);
    bench.seconds(3);
    bench.request(Request::Stop);
    let blocks = bench.events.len();
    bench.seconds(10);
    assert_eq!(bench.events.len(), blocks);
    assert_eq!(
        bench.machine.silent_for(bench.now),
        None,
        "an idle recorder is silent by right"
    );
}

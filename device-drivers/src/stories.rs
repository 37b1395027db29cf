//! Machines and simulated devices together, in time that passes at will.

use std::sync::Arc;
use std::time::Duration;

use ecg::model::SampleRateHz;
use ecg::synthetic::{Heart, HeartSettings};
use records::units::{Bpm, DeciCelsius, MmHg};

use crate::bench::{Bench, options};
use crate::catalogue::DeviceKey::{self, AndTm2655, Contec8000g, IdcardSam, OmronHbp9030};
use crate::events::{DeviceEvent, Fault, Origin, Quantity, Reading, Status};
use crate::idcard_sam::IdCard;
use crate::machine::Request;
use crate::mlx90614::{Mlx90614, SampleFault, ThermometerMachine};
use crate::simulators::{Replay, SimulatedSensor};

fn pressures(reading: &Reading) -> (i64, i64, Option<i64>) {
    match reading {
        Reading::BloodPressure(pressure) => (
            pressure.systolic.get(),
            pressure.diastolic.get(),
            pressure.pulse.map(Bpm::get),
        ),
        Reading::Temperature(_) => panic!("a cuff measures no temperature"),
    }
}

fn origin(reading: &Reading) -> Origin {
    match reading {
        Reading::BloodPressure(pressure) => pressure.origin,
        Reading::Temperature(_) => panic!("a cuff measures no temperature"),
    }
}

fn cards(bench: &Bench) -> Vec<&IdCard> {
    let events = bench.events.iter();
    events
        .filter_map(|event| match event {
            DeviceEvent::Card(card) => Some(card.as_ref()),
            _ => None,
        })
        .collect()
}

fn faults(bench: &Bench) -> Vec<(Fault, &str)> {
    let events = bench.events.iter();
    events
        .filter_map(|event| match event {
            DeviceEvent::DeviceError(error) => Some((error.fault, error.code.as_str())),
            _ => None,
        })
        .collect()
}

#[test]
fn a_kiosk_monitor_sends_one_reading_when_it_has_finished() {
    let mut settings = options(OmronHbp9030, "");
    settings.patient = Some("JX00012345".to_owned());
    let mut bench = Bench::new(settings);
    bench.command("measure 138/86/77");
    bench.seconds(19);
    assert_eq!(bench.readings().len(), 0, "nothing before the cuff has finished");
    bench.seconds(2);
    let [Reading::BloodPressure(pressure)] = bench.readings()[..] else {
        panic!("one reading: {:?}", bench.events);
    };
    assert_eq!(pressure.systolic, MmHg::new(138).unwrap());
    assert_eq!(pressure.subject.as_ref().unwrap().as_str(), "JX00012345");
    assert_eq!(pressure.device_time.unwrap().to_string(), "2026-03-05T08:47:00");
    assert_eq!(pressure.origin, Origin::Fresh);
}

#[test]
fn a_failed_or_impossible_measurement_is_no_reading() {
    for key in [OmronHbp9030, AndTm2655] {
        let mut bench = Bench::new(options(key, ""));
        bench.seconds(30);
        bench.command("fail 7");
        bench.seconds(30);
        bench.command("measure 300/400/77");
        bench.seconds(30);
        assert_eq!(bench.readings().len(), 0, "{key}");
        let code = if key == OmronHbp9030 { "7" } else { "07" };
        assert_eq!(faults(&bench), [(Fault::NoMeasurement, code)], "{key}");
        let out_of_range = bench.events.iter().find_map(|event| match event {
            DeviceEvent::OutOfRange(out) => Some(&out.values),
            _ => None,
        });
        assert!(
            out_of_range.unwrap().contains(&(Quantity::Diastolic, 400)),
            "{key}"
        );
    }
}

#[test]
fn sentinels_of_other_protocols_are_out_of_range() {
    for sentinel in [0, 127, 255, 511, 999] {
        let mut bench = Bench::new(options(OmronHbp9030, ""));
        bench.command(&format!("measure {sentinel}/{sentinel}/{sentinel}"));
        bench.seconds(30);
        assert_eq!(bench.readings().len(), 0, "{sentinel}");
    }
}

#[test]
fn results_from_a_memory_and_repetitions_are_told_from_new_ones() {
    for key in [OmronHbp9030, AndTm2655] {
        let mut bench = Bench::new(options(key, "replay"));
        bench.seconds(60);
        assert!(
            bench
                .readings()
                .iter()
                .all(|reading| origin(reading) == Origin::Memory),
            "{key}"
        );
        let old = bench.readings().len();
        bench.command("measure 138/86/77");
        bench.seconds(60);
        let fresh: Vec<_> = bench.readings().into_iter().skip(old).collect();
        assert_eq!(
            fresh.iter().map(|reading| pressures(reading)).collect::<Vec<_>>(),
            [(138, 86, Some(77))]
        );
        assert_eq!(origin(fresh[0]), Origin::Fresh, "{key}");
        assert!(bench.count(&Status::Repeated) > 0, "{key}");
        bench.unplug();
        bench.plug();
        bench.seconds(60);
        assert_eq!(
            bench.readings().len(),
            old + 1,
            "{key}: nothing comes twice after a replug"
        );
    }
}

#[test]
fn every_reading_survives_a_noisy_line() {
    for key in [OmronHbp9030, AndTm2655] {
        let mut bench = Bench::new(options(key, "noise"));
        let values = |n: u64| format!("measure {}/{}/{}", 110 + n, 70 + n, 60 + n);
        for n in 0..12 {
            bench.command(&values(n));
            bench.seconds(120);
        }
        let seen: Vec<_> = bench
            .readings()
            .iter()
            .map(|reading| pressures(reading).0)
            .collect();
        assert_eq!(seen, (110..122).collect::<Vec<_>>(), "{key}");
    }
}

#[test]
fn a_wrong_rate_gives_no_reading_and_is_told() {
    for key in [OmronHbp9030, AndTm2655, IdcardSam] {
        let mut bench = Bench::new(options(key, "baud"));
        for _ in 0..20 {
            bench.command("measure 138/86/77");
            bench.seconds(10);
        }
        assert_eq!(bench.readings().len() + cards(&bench).len(), 0, "{key}");
        assert!(
            bench.machine.silent_for(bench.now) > Some(Duration::from_secs(5)),
            "{key}"
        );
    }
}

#[test]
fn the_host_starts_a_cuff_and_the_result_comes_once() {
    let mut bench = Bench::new(options(AndTm2655, ""));
    bench.seconds(10);
    assert_eq!(bench.count(&Status::Identified { serial: None }), 1);
    assert_eq!(bench.count(&Status::LastResultKnown), 1);
    assert_eq!(bench.readings().len(), 0, "yesterday's result is no reading");
    bench.request(Request::Start);
    bench.seconds(60);
    assert_eq!(bench.readings().len(), 1);
    let progress = bench
        .events
        .iter()
        .filter(|event| matches!(event, DeviceEvent::Progress(_)))
        .count();
    assert!(progress >= 5, "a person sees that it goes on");
    assert_eq!(bench.machine.silent_for(bench.now), None);
}

#[test]
fn a_cuff_without_a_result_is_stopped() {
    let mut settings = options(AndTm2655, "");
    settings.duration = Some(Duration::from_secs(600));
    let mut bench = Bench::new(settings);
    bench.request(Request::Start);
    bench.seconds(119);
    assert_eq!(bench.count(&Status::GaveUp), 0);
    bench.seconds(2);
    assert_eq!(bench.count(&Status::GaveUp), 1);
    bench.seconds(600);
    assert_eq!(bench.readings().len(), 0);
}

#[test]
fn a_result_of_the_time_without_a_line_comes_as_one_from_memory() {
    let mut bench = Bench::new(options(AndTm2655, ""));
    bench.seconds(10);
    bench.command("measure 150/95/80");
    bench.seconds(5);
    bench.unplug();
    bench.seconds(60);
    bench.plug();
    bench.seconds(10);
    let [reading] = bench.readings()[..] else {
        panic!("one reading")
    };
    assert_eq!(
        (pressures(reading), origin(reading)),
        ((150, 95, Some(80)), Origin::Memory)
    );
}

#[test]
fn a_card_is_reported_once_until_it_is_lifted() {
    let mut bench = Bench::new(options(IdcardSam, ""));
    bench.seconds(2);
    bench.command("card 11010519491231002X 张示例");
    bench.seconds(20);
    let [card] = cards(&bench)[..] else {
        panic!("one card")
    };
    assert_eq!(
        (card.name.as_str(), card.number.as_str()),
        ("张示例", "11010519491231002X")
    );
    assert_eq!(card.birth.unwrap().to_string(), "1949-12-31");
    assert_eq!(card.sex_code, "2");
    bench.command("lift");
    bench.seconds(3);
    assert_eq!(bench.count(&Status::CardGone), 1);
    bench.command("card 440524188001010014 王样张");
    bench.seconds(5);
    assert_eq!(
        cards(&bench)
            .iter()
            .map(|card| card.name.as_str())
            .collect::<Vec<_>>(),
        ["张示例", "王样张"]
    );
}

#[test]
fn a_card_that_slides_away_while_it_is_read_is_an_error_and_then_read() {
    let mut bench = Bench::new(options(IdcardSam, ""));
    bench.seconds(2);
    // The card leaves between find and read: the reader answers 41 or 81 from then on.
    bench.machine.handle_timeout(bench.now);
    bench.command("card 11010519491231002X 张示例");
    bench.command("lift");
    bench.seconds(2);
    bench.command("card 11010519491231002X 张示例");
    bench.seconds(5);
    assert_eq!(cards(&bench).len(), 1);
}

#[test]
fn cards_are_read_on_a_noisy_line() {
    let mut bench = Bench::new(options(IdcardSam, "noise"));
    for round in 1..=5 {
        bench.command("card 11010519491231002X 张示例");
        bench.seconds(60);
        bench.command("lift");
        bench.seconds(30);
        assert_eq!(cards(&bench).len(), round);
    }
    let rejects = bench.events.iter().filter_map(|event| match event {
        DeviceEvent::Reject(reject) => Some(reject.bytes.len()),
        _ => None,
    });
    assert!(
        rejects.clone().count() > 0 && rejects.sum::<usize>() == 0,
        "refused frames show no bytes"
    );
}

#[test]
fn an_event_of_a_card_names_nobody_when_it_is_printed() {
    let mut bench = Bench::new(options(IdcardSam, ""));
    bench.command("card 11010519491231002X 张示例");
    bench.seconds(5);
    let printed = format!("{:?}", bench.events);
    for secret in ["张示例", "11010519491231002X", "示例省", "19491231"] {
        assert!(!printed.contains(secret), "{secret}");
    }
}

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

#[test]
fn a_request_without_a_line_is_refused() {
    for key in [AndTm2655, Contec8000g] {
        let mut bench = Bench::new(options(key, ""));
        bench.unplug();
        bench.request(Request::Start);
        assert_eq!(bench.count(&Status::Refused), 1, "{key}");
    }
}

#[test]
fn a_device_on_the_wrong_socket_gives_no_reading() {
    // The plugs of two bays were swapped: each machine sees the other device.
    for (machine, device) in [
        (OmronHbp9030, AndTm2655),
        (AndTm2655, OmronHbp9030),
        (IdcardSam, AndTm2655),
    ] {
        let mut bench = Bench::new(options(device, ""));
        bench.machine = machine.machine().unwrap();
        bench.plug();
        for _ in 0..30 {
            bench.command("measure 138/86/77");
            bench.seconds(4);
        }
        assert_eq!(bench.readings().len(), 0);
        assert!(
            bench.machine.silent_for(bench.now) > Some(Duration::from_secs(4)),
            "{machine} on {device}"
        );
    }
}

/// Drives the thermometer over the simulated bus for a number of milliseconds.
fn thermometer(
    machine: &mut ThermometerMachine,
    sensor: &SimulatedSensor,
    milliseconds: std::ops::Range<u64>,
) -> Vec<DeviceEvent> {
    let mut sensor = Mlx90614::new(sensor.clone());
    for at in milliseconds.step_by(10).map(Duration::from_millis) {
        machine.handle_timeout(at);
        while let Some(register) = machine.poll_read() {
            machine.handle_sample(register, sensor.read(register).map_err(|_| SampleFault::Bus), at);
        }
    }
    std::iter::from_fn(|| machine.poll_event()).collect()
}

#[test]
fn a_thermometer_reads_when_asked_and_steady() {
    let sensor = SimulatedSensor::default();
    sensor.hold(3655);
    let mut machine = ThermometerMachine::default();
    machine.handle_opened(Duration::ZERO);
    let idle = thermometer(&mut machine, &sensor, 0..5_000);
    assert_eq!(idle, [DeviceEvent::Status(Status::Identified { serial: None })]);
    machine.handle_request(Request::Start, Duration::from_millis(5_000));
    let events = thermometer(&mut machine, &sensor, 5_000..8_000);
    let readings: Vec<_> = events
        .iter()
        .filter(|event| matches!(event, DeviceEvent::Reading(_)))
        .collect();
    let [DeviceEvent::Reading(Reading::Temperature(temperature))] = readings[..] else {
        panic!("one reading: {events:?}");
    };
    assert_eq!(temperature.value, DeciCelsius::new(366).unwrap());
    assert_eq!(temperature.ambient, Some(DeciCelsius::new(246).unwrap()));
}

#[test]
fn a_value_that_does_not_stand_still_is_no_reading() {
    let sensor = SimulatedSensor::default();
    let mut machine = ThermometerMachine::default();
    machine.handle_opened(Duration::ZERO);
    machine.handle_request(Request::Start, Duration::ZERO);
    let mut events = Vec::new();
    for step in 0..120 {
        sensor.hold(2_500 + 20 * step);
        let from = step as u64 * 100;
        events.extend(thermometer(&mut machine, &sensor, from..from + 100));
    }
    assert!(
        !events
            .iter()
            .any(|event| matches!(event, DeviceEvent::Reading(_)))
    );
    let unsteady = events
        .iter()
        .filter(|event| matches!(event, DeviceEvent::DeviceError(error) if error.fault == Fault::Unsteady));
    assert_eq!(unsteady.count(), 1);
}

#[test]
fn every_model_names_who_starts_it_truly() {
    for key in DeviceKey::ALL {
        let Some(mut machine) = key.machine() else {
            continue;
        };
        machine.handle_opened(Duration::ZERO);
        machine.handle_request(Request::Start, Duration::ZERO);
        let refused = std::iter::from_fn(|| machine.poll_event())
            .any(|event| event == DeviceEvent::Status(Status::NotSupported));
        assert_eq!(
            refused,
            key.model().started_by == crate::catalogue::StartedBy::Device,
            "{key}"
        );
    }
}

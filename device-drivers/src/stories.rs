//! Machines and simulated devices together, in time that passes at will.

mod cards;
mod recordings;
mod rules;

use std::time::Duration;

use records::units::{Bpm, DeciCelsius, MmHg};

use crate::bench::{Bench, options};
use crate::catalogue::DeviceKey::{self, AndTm2655, Contec8000g, IdcardSam, OmronHbp9030};
use crate::events::{DeviceEvent, Fault, Origin, Quantity, Reading, Status};
use crate::machine::Request;
use crate::mlx90614::{Mlx90614, SampleFault, ThermometerMachine};
use crate::simulators::SimulatedSensor;

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
    let raw = "2026,03,05,08,47,********************,0,138,086,077,0";
    assert_eq!(pressure.raw, raw.as_bytes(), "the evidence names nobody");
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
        assert_eq!(bench.readings().len() + cards::cards(&bench).len(), 0, "{key}");
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

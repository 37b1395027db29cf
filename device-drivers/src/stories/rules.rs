//! Rules of the manuals that no simulated device breaks by itself: the machines are fed by hand.

use std::time::Duration;

use crate::catalogue::DeviceKey::AndTm2655;
use crate::events::{DeviceEvent, Fault, Origin, Quantity, Reading};
use crate::machine::{Machine, Request};
use crate::mlx90614::{AnswerError, Register, SHORTEST_MEASUREMENT, SampleFault, ThermometerMachine, Value};

use super::{origin, pressures};

/// A TM-2655's answer to RB, as section "answers" of the manual lays it out.
fn answer(time: &str, systolic: u32, mean: u32, diastolic: u32, pulse: u32) -> Vec<u8> {
    let text = format!(
        "TM2655\u{1e}{time}\u{1e}RB\u{1e}M\u{1e}E00\u{1e}S{systolic:3}\u{1e}M{mean:3}\u{1e}D{diastolic:3}\
         \u{1e}P{pulse:3}\u{1e}I17\u{1e}L139\u{1e}"
    );
    let check = text.bytes().fold(0, |sum, byte| sum ^ byte);
    let envelope = [0x16, 0x16, 0x01, b'0', b'0', 0x02];
    [&envelope[..], text.as_bytes(), &[0x03, check]].concat()
}

fn events(machine: &mut dyn Machine) -> Vec<DeviceEvent> {
    std::iter::from_fn(|| machine.poll_event()).collect()
}

fn readings(events: &[DeviceEvent]) -> Vec<&Reading> {
    let events = events.iter();
    events
        .filter_map(|event| match event {
            DeviceEvent::Reading(reading) => Some(reading),
            _ => None,
        })
        .collect()
}

#[test]
fn a_slow_answer_about_the_time_without_a_line_is_still_one_from_memory() {
    let mut machine = AndTm2655.machine().unwrap();
    let at = Duration::from_secs;
    machine.handle_opened(at(1_000));
    machine.handle_bytes(&answer("2603050830", 126, 95, 81, 72), at(1_001));
    machine.handle_closed(at(1_010));
    // Somebody else measured meanwhile; the monitor takes its time to answer, so no burst gives it away.
    machine.handle_opened(at(1_310));
    machine.handle_bytes(&answer("2603050834", 158, 117, 97, 88), at(1_316));
    let told = events(machine.as_mut());
    let [reading] = readings(&told)[..] else {
        panic!("one reading: {told:?}");
    };
    assert_eq!(pressures(reading), (158, 97, Some(88)));
    assert_eq!(origin(reading), Origin::Memory, "nobody knows who it was");
    // On the same line afterwards a change is a measurement of now.
    machine.handle_timeout(at(1_321));
    machine.handle_bytes(&answer("2603050836", 131, 99, 84, 70), at(1_400));
    let told = events(machine.as_mut());
    assert_eq!(
        readings(&told)
            .iter()
            .map(|reading| origin(reading))
            .collect::<Vec<_>>(),
        [Origin::Fresh]
    );
}

#[test]
fn a_mean_that_is_none_of_these_two_pressures_voids_the_result() {
    for (mean, possible) in [(80, false), (81, true), (95, true), (126, true), (127, false)] {
        let mut machine = AndTm2655.machine().unwrap();
        machine.handle_opened(Duration::from_secs(1_000));
        machine.handle_bytes(
            &answer("2603050830", 145, 110, 91, 70),
            Duration::from_secs(1_001),
        );
        machine.handle_request(Request::Start, Duration::from_secs(1_010));
        machine.handle_bytes(
            &answer("2603050831", 126, mean, 81, 72),
            Duration::from_secs(1_040),
        );
        let told = events(machine.as_mut());
        assert_eq!(readings(&told).len(), usize::from(possible), "{mean}: {told:?}");
        let kept = told.iter().any(|event| {
            matches!(event, DeviceEvent::OutOfRange(out) if out.values.contains(&(Quantity::Mean, i64::from(mean))))
        });
        assert_eq!(kept, !possible, "{mean}: shown in the bay's log");
    }
}

/// Runs a measurement in which the sensor answers as `sample` says; the events with their times.
fn measure(sample: impl Fn(Duration) -> Result<Value, SampleFault>) -> Vec<(Duration, DeviceEvent)> {
    let mut machine = ThermometerMachine::default();
    machine.handle_opened(Duration::ZERO);
    machine.handle_request(Request::Start, Duration::ZERO);
    let mut told = Vec::new();
    for now in (0..12_000).step_by(5).map(Duration::from_millis) {
        machine.handle_timeout(now);
        while let Some(register) = machine.poll_read() {
            let answer = if register == Register::Object1 {
                sample(now)
            } else {
                Ok(Value::CentiCelsius(2_460))
            };
            machine.handle_sample(register, answer, now);
        }
        told.extend(std::iter::from_fn(|| machine.poll_event()).map(|event| (now, event)));
    }
    told
}

#[test]
fn a_surface_outside_the_published_range_is_no_reading() {
    for (centi, possible) in [(-7_001, false), (-7_000, true), (38_000, true), (38_001, false)] {
        let told = measure(|_| Ok(Value::CentiCelsius(centi)));
        let is_reading = |event: &DeviceEvent| matches!(event, DeviceEvent::Reading(_));
        assert_eq!(
            told.iter().filter(|(_, event)| is_reading(event)).count(),
            usize::from(possible),
            "{centi}"
        );
        let kept = told.iter().any(|(_, event)| {
            matches!(event, DeviceEvent::OutOfRange(out)
                if out.values == [(Quantity::CentiCelsius, i64::from(centi))])
        });
        assert_eq!(kept, !possible, "{centi}: shown in the bay's log");
    }
}

#[test]
fn a_sensor_that_reports_its_own_fault_ends_the_measurement() {
    let told = measure(|now| {
        if now < Duration::from_millis(500) {
            Ok(Value::CentiCelsius(3_650))
        } else {
            Err(SampleFault::Answer(AnswerError::ErrorFlag))
        }
    });
    let faults: Vec<_> = told
        .iter()
        .filter_map(|(_, event)| match event {
            DeviceEvent::DeviceError(error) => Some(error.fault),
            DeviceEvent::Reading(reading) => panic!("no reading of a faulty sensor: {reading:?}"),
            _ => None,
        })
        .collect();
    assert_eq!(faults, [Fault::SensorFault], "told once");
}

#[test]
fn a_measurement_lasts_its_shortest_time_and_starts_from_nothing() {
    let told = measure(|_| Ok(Value::CentiCelsius(3_650)));
    let first = told
        .iter()
        .find(|(_, event)| matches!(event, DeviceEvent::Reading(_)));
    assert!(first.unwrap().0 >= SHORTEST_MEASUREMENT);

    // Values that came before the request are of whoever stood there then.
    let mut machine = ThermometerMachine::default();
    machine.handle_opened(Duration::ZERO);
    machine.handle_request(Request::Start, Duration::ZERO);
    for _ in 0..9 {
        machine.handle_sample(
            Register::Object1,
            Ok(Value::CentiCelsius(3_900)),
            Duration::from_millis(100),
        );
    }
    machine.handle_request(Request::Start, Duration::from_secs(5));
    machine.handle_sample(
        Register::Object1,
        Ok(Value::CentiCelsius(3_900)),
        Duration::from_secs(6),
    );
    let reading =
        std::iter::from_fn(|| machine.poll_event()).any(|event| matches!(event, DeviceEvent::Reading(_)));
    assert!(!reading, "one value of this measurement is not ten");
    // A sensor that answers faster than it is asked does not shorten the measurement.
    machine.handle_request(Request::Start, Duration::from_secs(10));
    for _ in 0..20 {
        machine.handle_sample(
            Register::Object1,
            Ok(Value::CentiCelsius(3_650)),
            Duration::from_secs(10),
        );
    }
    let reading =
        std::iter::from_fn(|| machine.poll_event()).any(|event| matches!(event, DeviceEvent::Reading(_)));
    assert!(!reading, "ten values at once stand still for no time at all");
}

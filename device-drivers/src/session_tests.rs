//! Sessions over scripted ports (no time passes) and over pseudo terminals (as little as the devices need).

use std::sync::Arc;
use std::sync::mpsc::{Receiver, channel};
use std::thread::JoinHandle;
use std::time::Duration;

use ecg::model::SampleRateHz;
use ecg::synthetic::{Heart, HeartSettings};

use crate::bench::options;
use crate::catalogue::{DeviceKey, LineRule, SerialLine, Transport};
use crate::clock::{Clock, ManualClock, MonotonicClock};
use crate::events::{DeviceEvent, Origin, Reading, Status};
use crate::machine::Request;
use crate::port::{OpenError, Port, apply_lines};
use crate::scripted::{Script, Step};
use crate::serial;
use crate::session::{Control, LinkState, SessionEvent, run_bay, run_device};
use crate::simulators::{Command, Replay, SimOptions, Simulator, Values};

/// Longest wait for an event of a simulated device; only a broken test waits so long.
const PATIENCE: Duration = Duration::from_secs(30);
const LINE: &[u8] = b"2026,07,11,09,05,                    ,0,120,080,072,0\r\n";
const LATER_LINE: &[u8] = b"2026,07,11,09,09,                    ,0,118,079,070,0\r\n";

fn line_of(key: DeviceKey) -> SerialLine {
    match key.model().transport {
        Transport::Serial(line) => line,
        Transport::I2c { .. } => panic!("{key} has no serial line"),
    }
}

/// Runs a session on scripted ports, opened one after the other; the plug is pulled from the last one.
fn play(key: DeviceKey, scripts: &[Script], requests: &[Request]) -> (Vec<SessionEvent>, Duration) {
    let clock = ManualClock::default();
    let control = Control::default();
    for request in requests {
        assert!(control.request(*request));
    }
    let mut machine = key.machine().unwrap();
    let mut events = Vec::new();
    let mut opened = 0;
    let mut open = || {
        let Some(script) = scripts.get(opened) else {
            control.stop();
            return Err(OpenError::Absent("/dev/gone".into()));
        };
        opened += 1;
        let mut port: Box<dyn Port> = Box::new(script.port(&clock));
        apply_lines(port.as_mut(), &line_of(key)).unwrap();
        Ok(port)
    };
    run_device(&mut open, machine.as_mut(), &clock, &control, &mut |event| {
        events.push(event)
    });
    (events, clock.now())
}

fn links(events: &[SessionEvent]) -> Vec<LinkState> {
    let link = |event: &SessionEvent| match event {
        SessionEvent::Link(state) => Some(state.clone()),
        SessionEvent::Device(_) => None,
    };
    events.iter().filter_map(link).collect()
}

fn readings(events: &[SessionEvent]) -> usize {
    events
        .iter()
        .filter(|event| matches!(event, SessionEvent::Device(DeviceEvent::Reading(_))))
        .count()
}

#[test]
fn modem_lines_move_only_as_the_catalogue_says() {
    for key in DeviceKey::ALL {
        if key.machine().is_none() {
            continue;
        }
        let script = Script::new([Step::Quiet(Duration::from_secs(40)), Step::Unplug]);
        play(key, std::slice::from_ref(&script), &[Request::Start]);
        let seen = script.seen();
        let edges = |rule: LineRule| u32::from(rule == LineRule::On);
        let line = line_of(key);
        assert_eq!(
            (seen.dtr_edges, seen.rts_edges),
            (edges(line.dtr), edges(line.rts)),
            "{key}"
        );
    }
}

#[test]
fn no_device_but_the_ecg_recorder_has_its_lines_moved() {
    for key in DeviceKey::ALL {
        if let Transport::Serial(line) = key.model().transport {
            let on = key == DeviceKey::Contec8000g;
            assert_eq!(line.dtr == LineRule::On, on, "{key}");
            assert_eq!(line.rts == LineRule::On, on, "{key}");
        }
    }
}

#[test]
fn an_unplug_heals_within_five_seconds() {
    let first = Script::new([
        Step::Bytes(LINE.to_vec()),
        Step::Quiet(Duration::from_secs(30)),
        Step::Unplug,
    ]);
    let second = Script::new([
        Step::Quiet(Duration::from_secs(2)),
        Step::Bytes(LATER_LINE.to_vec()),
        Step::Unplug,
    ]);
    let (events, elapsed) = play(DeviceKey::OmronHbp9030, &[first, second], &[]);
    assert_eq!(
        links(&events),
        [
            LinkState::Connected,
            LinkState::Gone,
            LinkState::Connected,
            LinkState::Gone
        ]
    );
    assert_eq!(readings(&events), 2);
    assert!(elapsed < Duration::from_secs(30 + 2 + 5), "{elapsed:?}");
}

#[test]
fn a_half_frame_of_the_time_before_an_unplug_spoils_nothing() {
    let first = Script::new([Step::Bytes(LINE[..30].to_vec()), Step::Unplug]);
    let second = Script::new([
        Step::Quiet(Duration::from_secs(2)),
        Step::Bytes(LINE.to_vec()),
        Step::Unplug,
    ]);
    let (events, _) = play(DeviceKey::OmronHbp9030, &[first, second], &[]);
    assert_eq!(readings(&events), 1);
}

#[test]
fn silence_is_told_by_the_second() {
    let script = Script::new([
        Step::Bytes(LINE[..30].to_vec()),
        Step::Quiet(Duration::from_secs(8)),
        Step::Bytes(LINE[30..].to_vec()),
        Step::Unplug,
    ]);
    let (events, _) = play(DeviceKey::OmronHbp9030, &[script], &[]);
    let told = links(&events);
    let silent = |seconds| LinkState::Silent {
        since: Duration::from_secs(seconds),
    };
    assert_eq!(told[..4], [LinkState::Connected, silent(5), silent(6), silent(7)]);
    assert_eq!(told[told.len() - 2..], [LinkState::Connected, LinkState::Gone]);
    assert_eq!(readings(&events), 1);
}

#[test]
fn no_byte_is_lost_between_reads() {
    let bytes: Vec<u8> = (0..500)
        .flat_map(|n| {
            let line = format!(
                "2026,07,11,{:02},{:02},                    ,0,120,080,072,0\r\n",
                n / 60,
                n % 60
            );
            line.into_bytes()
        })
        .collect();
    let script = Script::new([Step::Bytes(bytes), Step::Unplug]);
    let (events, _) = play(DeviceKey::OmronHbp9030, &[script], &[]);
    assert_eq!(readings(&events), 500);
}

#[test]
fn a_port_that_cannot_be_had_says_why() {
    let path = || "/dev/serial/by-id/x".into();
    for (error, state) in [
        (OpenError::Absent(path()), LinkState::Gone),
        (OpenError::Denied(path()), LinkState::Denied),
        (
            OpenError::Busy {
                path: path(),
                by: Some("ModemManager".to_owned()),
            },
            LinkState::Busy {
                by: Some("ModemManager".to_owned()),
            },
        ),
        (
            OpenError::Ambiguous {
                path: path(),
                by_path: vec!["/dev/a".into(), "/dev/b".into()],
            },
            LinkState::Ambiguous {
                by_path: vec!["/dev/a".into(), "/dev/b".into()],
            },
        ),
    ] {
        assert_eq!(LinkState::from(&error), state);
    }
    let busy = OpenError::Busy {
        path: path(),
        by: Some("ModemManager".to_owned()),
    };
    assert!(busy.to_string().contains("held by ModemManager"));
}

/// A bay on a simulated device, on a thread as in the appliance.
struct Bay {
    control: Control,
    events: Receiver<SessionEvent>,
    thread: Option<JoinHandle<()>>,
}

impl Bay {
    fn run(key: DeviceKey, path: std::path::PathBuf) -> Self {
        let control = Control::default();
        let (sender, events) = channel();
        let session = control.clone();
        let thread = std::thread::spawn(move || {
            let clock = MonotonicClock::start();
            run_bay(key, &path, &clock, &session, &mut |event| {
                // The test may have seen enough.
                let _nobody_listens = sender.send(event).is_err();
            });
        });
        Self {
            control,
            events,
            thread: Some(thread),
        }
    }

    /// Waits for an event that fits; the others before it are dropped.
    fn wait<T>(&self, fits: impl Fn(&SessionEvent) -> Option<T>) -> T {
        loop {
            let event = self
                .events
                .recv_timeout(PATIENCE)
                .expect("an event of the device in time");
            if let Some(found) = fits(&event) {
                return found;
            }
        }
    }

    fn wait_for_link(&self, state: &LinkState) {
        self.wait(|event| (*event == SessionEvent::Link(state.clone())).then_some(()));
    }

    fn wait_for_status(&self, fits: impl Fn(&Status) -> bool) {
        self.wait(|event| match event {
            SessionEvent::Device(DeviceEvent::Status(status)) => fits(status).then_some(()),
            _ => None,
        });
    }

    fn wait_for_reading(&self) -> Reading {
        self.wait(|event| match event {
            SessionEvent::Device(DeviceEvent::Reading(reading)) => Some(reading.clone()),
            _ => None,
        })
    }
}

impl Drop for Bay {
    fn drop(&mut self) {
        self.control.stop();
        if let Some(thread) = self.thread.take() {
            thread.join().expect("the session ends without a panic");
        }
    }
}

fn simulated(options: SimOptions) -> (Simulator, Bay) {
    let simulator = Simulator::spawn(options.clone()).unwrap();
    let bay = Bay::run(options.device, simulator.path().to_owned());
    bay.wait_for_link(&LinkState::Connected);
    (simulator, bay)
}

fn fast(key: DeviceKey) -> SimOptions {
    SimOptions {
        speed: 100,
        ..options(key, "")
    }
}

fn values(systolic: u16) -> Command {
    Command::Measure(Values {
        systolic,
        diastolic: 80,
        pulse: 70,
    })
}

fn systolic(reading: &Reading) -> i64 {
    match reading {
        Reading::BloodPressure(pressure) => pressure.systolic.get(),
        Reading::Temperature(_) => panic!("a cuff measures no temperature"),
    }
}

#[test]
fn cuffs_speak_over_a_pseudo_terminal_and_come_back_after_an_unplug() {
    for key in [DeviceKey::OmronHbp9030, DeviceKey::AndTm2655] {
        let (simulator, bay) = simulated(fast(key));
        if key == DeviceKey::AndTm2655 {
            bay.wait_for_status(|status| *status == Status::LastResultKnown);
        }
        simulator.send(values(131));
        assert_eq!(systolic(&bay.wait_for_reading()), 131);
        simulator.send(Command::Unplug);
        bay.wait_for_link(&LinkState::Gone);
        simulator.send(Command::Replug);
        bay.wait_for_link(&LinkState::Connected);
        if key == DeviceKey::AndTm2655 {
            bay.wait_for_status(|status| matches!(status, Status::Identified { .. }));
        }
        simulator.send(values(132));
        assert_eq!(systolic(&bay.wait_for_reading()), 132, "{key}");
    }
}

#[test]
fn the_host_starts_a_cuff_over_a_pseudo_terminal() {
    let (_simulator, bay) = simulated(fast(DeviceKey::AndTm2655));
    bay.wait_for_status(|status| *status == Status::LastResultKnown);
    assert!(bay.control.request(Request::Start));
    let Reading::BloodPressure(pressure) = bay.wait_for_reading() else {
        panic!("a cuff")
    };
    assert_eq!((pressure.systolic.get(), pressure.origin), (126, Origin::Fresh));
}

#[test]
fn a_card_is_read_over_a_pseudo_terminal() {
    let (simulator, bay) = simulated(fast(DeviceKey::IdcardSam));
    bay.wait_for_status(|status| matches!(status, Status::Identified { serial: Some(_) }));
    simulator.send("card 11010519491231002X 张示例".parse().unwrap());
    let name = bay.wait(|event| match event {
        SessionEvent::Device(DeviceEvent::Card(card)) => Some(card.name.clone()),
        _ => None,
    });
    assert_eq!(name, "张示例");
}

#[test]
fn a_thermometer_is_read_through_a_bus_bridge() {
    let (simulator, bay) = simulated(fast(DeviceKey::Mlx90614I2c));
    bay.wait_for_status(|status| matches!(status, Status::Identified { .. }));
    simulator.send(Command::Hold(3640));
    assert!(bay.control.request(Request::Start));
    let Reading::Temperature(temperature) = bay.wait_for_reading() else {
        panic!("a thermometer")
    };
    assert!((363..=365).contains(&temperature.value.get()), "{temperature:?}");
}

#[test]
fn a_recording_over_a_pseudo_terminal_is_complete() {
    let heart = Heart::new(HeartSettings::default(), 11);
    let waveform = heart.record(12.0, SampleRateHz::new(500).unwrap());
    let replay = Arc::new(Replay::from_waveform(&waveform).unwrap());
    let settings = SimOptions {
        speed: 6,
        replay: Some(replay.clone()),
        ..options(DeviceKey::Contec8000g, "")
    };
    let (_simulator, bay) = simulated(settings);
    assert!(bay.control.request(Request::Start));
    let mut samples = Vec::new();
    while samples.len() < 5_000 * 8 {
        let block = bay.wait(|event| match event {
            SessionEvent::Device(DeviceEvent::Wave(block)) => Some(block.clone()),
            _ => None,
        });
        assert!(block.gaps.is_empty());
        samples.extend(block.samples);
    }
    let sent: Vec<i16> = replay.samples().iter().flatten().copied().collect();
    assert_eq!(samples, sent[..samples.len()]);
}

#[test]
fn a_port_in_use_is_refused() {
    let simulator = Simulator::spawn(fast(DeviceKey::OmronHbp9030)).unwrap();
    let line = line_of(DeviceKey::OmronHbp9030);
    let held = serial::open(simulator.path(), &line).unwrap();
    assert!(matches!(
        serial::open(simulator.path(), &line),
        Err(OpenError::Busy { .. })
    ));
    drop(held);
    assert!(serial::open(simulator.path(), &line).is_ok());
}

#[test]
fn the_fault_unplug_pulls_the_plug_once_and_the_result_is_not_lost() {
    let settings = SimOptions {
        speed: 20,
        ..options(DeviceKey::AndTm2655, "unplug")
    };
    let (simulator, bay) = simulated(settings);
    bay.wait_for_status(|status| *status == Status::LastResultKnown);
    simulator.send(values(133));
    bay.wait_for_link(&LinkState::Gone);
    bay.wait_for_link(&LinkState::Connected);
    assert_eq!(systolic(&bay.wait_for_reading()), 133);
}

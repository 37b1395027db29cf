//! Hostile bytes: noise, lost bytes, lying length fields, any chopping.

use std::time::Duration;

use proptest::prelude::*;

use crate::and_tm2655;
use crate::bench::{Bench, options};
use crate::catalogue::DeviceKey;
use crate::decode::fuzz_one;
use crate::events::{DeviceEvent, Origin};
use crate::framing::{Direction, Found, Framer, Grammar, REJECT_BYTES_MAX};
use crate::machine::Machine;
use crate::simulators::{self, SimOptions, SimulatedDevice};
use crate::{contec_8000g, idcard_sam, omron_hbp9030};

const SERIAL: [DeviceKey; 4] = [
    DeviceKey::OmronHbp9030,
    DeviceKey::AndTm2655,
    DeviceKey::Contec8000g,
    DeviceKey::IdcardSam,
];

/// Frames as the simulated device sends them, one a list entry.
fn frames(key: DeviceKey) -> Vec<Vec<u8>> {
    let settings: SimOptions = options(key, "");
    let mut device = simulators::device(&settings);
    let mut sent = Vec::new();
    let mut drain = |device: &mut Box<dyn SimulatedDevice>| {
        sent.extend(std::iter::from_fn(|| device.poll_output()));
    };
    match key {
        DeviceKey::OmronHbp9030 | DeviceKey::AndTm2655 => {
            for n in 0..6u64 {
                let now = Duration::from_secs(100 * n);
                let line = format!("measure {}/{}/{}", 120 + n, 70 + n, 60 + n);
                device.handle_command(&line.parse().unwrap(), now);
                device.handle_timeout(now + Duration::from_secs(20));
                drain(&mut device);
            }
        }
        DeviceKey::Contec8000g => {
            device.handle_bytes(&[0x85, 0x01, 0x90, 0x05], Duration::ZERO);
            for n in 1..=40 {
                device.handle_timeout(Duration::from_millis(n));
            }
            drain(&mut device);
        }
        DeviceKey::IdcardSam => {
            for _ in 0..6 {
                device.handle_command(&"card 11010519491231002X 张示例".parse().unwrap(), Duration::ZERO);
                for command in [
                    idcard_sam::Command::Find,
                    idcard_sam::Command::Select,
                    idcard_sam::Command::Read,
                ] {
                    device.handle_bytes(&command.encode(), Duration::ZERO);
                }
            }
            drain(&mut device);
        }
        DeviceKey::Mlx90614I2c => {}
    }
    sent
}

/// What a framer of this device finds, as text without regard to who it is.
fn found(key: DeviceKey, chunks: &[&[u8]], pause: bool) -> Vec<String> {
    fn run<G: Grammar>(mut framer: Framer<G>, chunks: &[&[u8]], pause: bool) -> Vec<String>
    where
        G::Frame: std::fmt::Debug,
    {
        let mut all = Vec::new();
        for chunk in chunks {
            all.extend(framer.feed(chunk));
            if pause {
                all.extend(framer.finish());
            }
            assert!(framer.held() <= G::FRAME_MAX + REJECT_BYTES_MAX + 1, "bounded");
        }
        all.extend(framer.finish());
        all.iter().map(|found| format!("{found:?}")).collect()
    }
    match key {
        DeviceKey::OmronHbp9030 => run(Framer::<omron_hbp9030::Rules>::default(), chunks, pause),
        DeviceKey::AndTm2655 => run(
            Framer::with(and_tm2655::Rules::new(Direction::FromDevice)),
            chunks,
            pause,
        ),
        DeviceKey::Contec8000g => run(Framer::<contec_8000g::Rules>::default(), chunks, pause),
        DeviceKey::IdcardSam => run(Framer::<idcard_sam::Rules>::default(), chunks, pause),
        DeviceKey::Mlx90614I2c => Vec::new(),
    }
}

fn good(found: &[String]) -> Vec<&String> {
    found.iter().filter(|text| text.starts_with("Frame")).collect()
}

/// Every way to lose one byte of the middle frame, or to make one byte FF, costs that frame at most.
fn at_most_one_is_lost(key: DeviceKey, pause: bool) {
    let frames = frames(key);
    assert!(frames.len() >= 5, "{key}: {}", frames.len());
    let whole: Vec<&[u8]> = frames.iter().map(Vec::as_slice).collect();
    let all = found(key, &whole, pause);
    let expected = good(&all);
    let middle = frames.len() / 2;
    for at in 0..frames[middle].len() {
        for lose in [true, false] {
            let mut damaged = frames[middle].clone();
            if lose {
                damaged.remove(at);
            } else {
                damaged[at] = 0xff;
            }
            let mut chunks = whole.clone();
            chunks[middle] = &damaged;
            let seen = found(key, &chunks, pause);
            let rest = good(&seen)
                .into_iter()
                .filter(|text| expected.contains(text))
                .count();
            assert!(
                rest + 1 >= expected.len(),
                "{key}: byte {at}, lost {lose}: {rest} of {}",
                expected.len()
            );
        }
    }
}

#[test]
fn a_lost_byte_or_an_ff_costs_one_frame_at_most() {
    at_most_one_is_lost(DeviceKey::OmronHbp9030, false);
    at_most_one_is_lost(DeviceKey::AndTm2655, true);
    at_most_one_is_lost(DeviceKey::AndTm2655, false);
    at_most_one_is_lost(DeviceKey::Contec8000g, false);
    at_most_one_is_lost(DeviceKey::IdcardSam, true);
    at_most_one_is_lost(DeviceKey::IdcardSam, false);
}

#[test]
fn a_length_field_of_ff_keeps_nobody_waiting() {
    // Without any pause: the frames after the lying one come out as soon as they are whole.
    let good = [0xaa, 0xaa, 0xaa, 0x96, 0x69, 0x00, 0x04, 0x00, 0x00, 0x80, 0x84];
    let lying = [0xaa, 0xaa, 0xaa, 0x96, 0x69, 0xff, 0xff, 0x00, 0x00, 0x80, 0x84];
    let mut framer = Framer::<idcard_sam::Rules>::default();
    assert!(
        framer
            .feed(&lying)
            .iter()
            .any(|found| matches!(found, Found::Reject(..)))
    );
    assert!(
        framer
            .feed(&good)
            .iter()
            .any(|found| matches!(found, Found::Frame(_)))
    );
}

#[test]
fn a_frame_cut_short_is_given_up_after_a_pause_and_told_meanwhile() {
    // A card is read, but only the first hundred bytes arrive; then each second a short answer.
    let mut machine = idcard_sam::CardMachine::default();
    machine.handle_opened(Duration::ZERO);
    let frames = frames(DeviceKey::IdcardSam);
    let long = frames.iter().find(|frame| frame.len() > 1_000).unwrap();
    machine.handle_bytes(&long[..100], Duration::from_secs(1));
    assert_eq!(
        machine.silent_for(Duration::from_secs(9)),
        Some(Duration::from_secs(9))
    );
    let at = machine.poll_timeout().unwrap();
    assert!(
        at <= Duration::from_millis(1_500),
        "the pause ends the frame: {at:?}"
    );
    machine.handle_timeout(Duration::from_secs(9));
    machine.handle_bytes(&frames[0], Duration::from_secs(10));
    assert_eq!(machine.silent_for(Duration::from_secs(10)), None);
}

#[test]
fn one_lost_byte_a_second_never_hides_the_next_reading() {
    let mut machine = omron_hbp9030::OmronMachine::default();
    machine.handle_opened(Duration::ZERO);
    let lines = frames(DeviceKey::OmronHbp9030);
    let mut readings = 0;
    for (second, line) in lines.iter().enumerate() {
        let now = Duration::from_secs(30 * (second as u64 + 1));
        let mut line = line.clone();
        if second == 2 {
            line.pop();
        }
        machine.handle_bytes(&line, now);
        readings += std::iter::from_fn(|| machine.poll_event())
            .filter(|event| matches!(event, DeviceEvent::Reading(_)))
            .count();
    }
    assert_eq!(readings, lines.len() - 1);
}

#[test]
fn a_half_line_is_told_as_silence_and_no_gap_ends_it() {
    let mut machine = omron_hbp9030::OmronMachine::default();
    machine.handle_opened(Duration::ZERO);
    let line = &frames(DeviceKey::OmronHbp9030)[0];
    machine.handle_bytes(&line[..20], Duration::from_secs(1));
    assert_eq!(machine.silent_for(Duration::from_secs(4)), None);
    assert_eq!(
        machine.silent_for(Duration::from_secs(11)),
        Some(Duration::from_secs(10))
    );
    machine.handle_bytes(&line[20..], Duration::from_secs(12));
    assert!(
        std::iter::from_fn(|| machine.poll_event()).any(|event| matches!(event, DeviceEvent::Reading(_)))
    );
    assert_eq!(machine.silent_for(Duration::from_secs(13)), None);
}

#[test]
fn an_output_format_that_is_not_five_is_named() {
    for line in [
        "MMBP203N,120,80\r\n",
        "ID,1234\r\n",
        "bp,99999999999999999999,2023/04/27,15:06,140\r",
    ] {
        let mut framer = Framer::<omron_hbp9030::Rules>::default();
        let mut found = framer.feed(line.as_bytes());
        found.extend(framer.finish());
        let reasons: Vec<_> = found
            .iter()
            .map(|found| match found {
                Found::Reject(reason, _) => reason.word(),
                Found::Frame(_) => "frame",
            })
            .collect();
        assert_eq!(reasons, ["output_format"], "{line}");
    }
}

#[test]
fn an_answer_without_a_check_byte_is_taken_after_a_pause() {
    let frame = &frames(DeviceKey::AndTm2655)[0];
    let bare = &frame[..frame.len() - 1];
    let mut framer = Framer::with(and_tm2655::Rules::new(Direction::FromDevice));
    assert!(framer.feed(bare).is_empty());
    assert!(matches!(framer.finish()[..], [Found::Frame(_)]));
    let mut both = bare.to_vec();
    both.extend(frame);
    let found = framer.feed(&both);
    assert!(
        matches!(found[..], [Found::Frame(_), Found::Frame(_)]),
        "{found:?}"
    );
}

#[test]
fn an_omron_line_survives_its_own_encoder_at_every_corner() {
    for (systolic, diastolic, pulse, reading) in [
        (60, 30, 40, true),
        (260, 215, 180, true),
        (261, 80, 72, false),
        (59, 40, 72, false),
        (120, 29, 72, false),
        (120, 80, 181, false),
        (120, 120, 72, false),
    ] {
        let text =
            format!("2026,07,11,09,05,                    ,0,{systolic:03},{diastolic:03},{pulse:03},0");
        let line = omron_hbp9030::Line::parse(text.as_bytes()).unwrap();
        assert_eq!(
            matches!(line.event(Origin::Fresh), DeviceEvent::Reading(_)),
            reading,
            "{text}"
        );
    }
}

fn chopped<'a>(bytes: &'a [u8], cuts: &[usize]) -> Vec<&'a [u8]> {
    let mut places: Vec<usize> = cuts.iter().map(|cut| cut % (bytes.len() + 1)).collect();
    places.sort_unstable();
    let mut chunks = Vec::new();
    let mut from = 0;
    for place in places {
        chunks.push(&bytes[from..place]);
        from = place;
    }
    chunks.push(&bytes[from..]);
    chunks
}

/// A stream of real frames with junk between and bytes damaged.
fn stream(key: DeviceKey) -> impl Strategy<Value = Vec<u8>> {
    let frames = frames(key);
    let piece = prop_oneof![
        3 => (0..frames.len()).prop_map(move |at| frames[at].clone()),
        1 => proptest::collection::vec(any::<u8>(), 0..20),
        1 => proptest::collection::vec(proptest::sample::select(vec![0x16u8, 0x01, 0xaa, 0xa0, 0xee, 0x0d]), 0..9),
    ];
    let damage = proptest::collection::vec((any::<proptest::sample::Index>(), any::<u8>()), 0..4);
    (proptest::collection::vec(piece, 0..6), damage).prop_map(|(pieces, damage)| {
        let mut bytes = pieces.concat();
        for (at, value) in damage {
            if !bytes.is_empty() {
                let at = at.index(bytes.len());
                bytes[at] = value;
            }
        }
        bytes
    })
}

fn any_stream() -> impl Strategy<Value = (DeviceKey, Vec<u8>)> {
    proptest::sample::select(&SERIAL[..]).prop_flat_map(|key| stream(key).prop_map(move |bytes| (key, bytes)))
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 96, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn chopping_makes_no_difference(
        (key, bytes) in any_stream(),
        cuts in proptest::collection::vec(any::<usize>(), 0..12),
    ) {
        let once = found(key, &[&bytes], false);
        prop_assert_eq!(&once, &found(key, &chopped(&bytes, &cuts), false));
        let single: Vec<&[u8]> = bytes.chunks(1).collect();
        prop_assert_eq!(&once, &found(key, &single, false));
    }

    #[test]
    fn machines_say_the_same_however_the_bytes_were_chopped(
        (key, bytes) in any_stream(),
        cuts in proptest::collection::vec(any::<usize>(), 0..12),
    ) {
        let run = |chunks: &[&[u8]]| {
            let mut machine = key.machine().unwrap();
            let now = Duration::from_secs(100);
            machine.handle_opened(now);
            machine.handle_request(crate::machine::Request::Start, now);
            for chunk in chunks {
                machine.handle_bytes(chunk, now);
            }
            machine.handle_closed(now);
            std::iter::from_fn(|| machine.poll_event()).collect::<Vec<_>>()
        };
        prop_assert_eq!(run(&[&bytes]), run(&chopped(&bytes, &cuts)));
    }

    #[test]
    fn noise_is_never_a_reading_and_never_a_panic(bytes in proptest::collection::vec(any::<u8>(), 0..3000)) {
        for key in DeviceKey::ALL {
            fuzz_one(key, &bytes);
            let Some(mut machine) = key.machine() else { continue };
            machine.handle_opened(Duration::ZERO);
            machine.handle_bytes(&bytes, Duration::ZERO);
            machine.handle_timeout(Duration::from_secs(60));
            let events: Vec<_> = std::iter::from_fn(|| machine.poll_event()).collect();
            let is_result = |event: &DeviceEvent| matches!(event, DeviceEvent::Reading(_) | DeviceEvent::Card(_));
            prop_assert!(!events.iter().any(is_result));
            prop_assert!(events.len() <= crate::machine::EVENTS_MAX);
        }
    }

    #[test]
    fn a_simulated_line_of_any_seed_loses_no_reading(seed in any::<u64>()) {
        let mut settings = options(DeviceKey::OmronHbp9030, "noise");
        settings.seed = seed;
        let mut bench = Bench::new(settings);
        for n in 0..4 {
            bench.command(&format!("measure {}/80/70", 120 + n));
            bench.seconds(40);
        }
        prop_assert_eq!(bench.readings().len(), 4);
    }
}

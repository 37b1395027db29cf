//! The card reader: presented, read, lifted; noise; readers that see differently.

use std::time::Duration;

use crate::bench::{Bench, options};
use crate::catalogue::DeviceKey::IdcardSam;
use crate::events::{DeviceEvent, Fault, Status};
use crate::framing::{Found, Framer};
use crate::idcard_sam::{CardMachine, HostRules, IdCard};
use crate::machine::Machine;
use crate::simulators;

pub(super) fn cards(bench: &Bench) -> Vec<&IdCard> {
    let events = bench.events.iter();
    events
        .filter_map(|event| match event {
            DeviceEvent::Card(card) => Some(card.as_ref()),
            _ => None,
        })
        .collect()
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
fn a_card_is_gone_when_it_was_lifted_and_not_before() {
    let mut bench = Bench::new(options(IdcardSam, ""));
    bench.seconds(2);
    for round in 1..=3 {
        bench.command("card 11010519491231002X 张示例");
        bench.seconds(60);
        assert_eq!(
            (cards(&bench).len(), bench.count(&Status::CardGone)),
            (round, round - 1)
        );
        bench.command("lift");
        bench.seconds(1);
        assert_eq!(bench.count(&Status::CardGone), round, "told within a second");
    }
}

/// Answers of a reader, driven by hand: what the machine asked, then what it hears.
fn dialogue(machine: &mut CardMachine, answers: &[(&str, Vec<u8>)], now: &mut Duration) -> Vec<DeviceEvent> {
    for (asked, answer) in answers {
        while machine
            .poll_transmit()
            .map(|bytes| command_name(&bytes))
            .as_deref()
            != Some(asked)
        {
            *now = machine.poll_timeout().expect("the machine goes on");
            machine.handle_timeout(*now);
        }
        machine.handle_bytes(answer, *now);
    }
    std::iter::from_fn(|| machine.poll_event()).collect()
}

fn command_name(bytes: &[u8]) -> String {
    let mut framer = Framer::<HostRules>::default();
    match framer.feed(bytes).pop() {
        Some(Found::Frame(command)) => command.name().to_owned(),
        other => panic!("no command: {other:?}"),
    }
}

/// An answer with a status and so many zero bytes.
fn answer(status: u8, zeros: u8) -> Vec<u8> {
    let mut bytes = vec![0xaa, 0xaa, 0xaa, 0x96, 0x69, 0, 4 + zeros, 0, 0, status];
    bytes.extend(vec![0; usize::from(zeros)]);
    bytes.push(bytes[5..].iter().fold(0, |sum, byte| sum ^ byte));
    bytes
}

#[test]
fn a_card_that_slides_away_while_it_is_read_is_told_as_an_error() {
    let (mut machine, mut now) = (CardMachine::default(), Duration::ZERO);
    machine.handle_opened(now);
    let script = [
        ("read SAM id", answer(0x90, 16)),
        ("find card", answer(0x9f, 4)),
        ("select card", answer(0x90, 8)),
        ("read text+photo", answer(0x41, 0)),
        ("find card", answer(0x80, 0)),
        ("reset", answer(0x90, 0)),
        ("find card", answer(0x80, 0)),
    ];
    let events = dialogue(&mut machine, &script, &mut now);
    let faults: Vec<_> = events
        .iter()
        .filter_map(|event| match event {
            DeviceEvent::DeviceError(error) => Some(error.fault),
            _ => None,
        })
        .collect();
    assert_eq!(faults, [Fault::ReadFailed]);
    assert_eq!(events.last(), Some(&DeviceEvent::Status(Status::CardGone)));
}

#[test]
fn a_reader_that_finds_lying_cards_is_believed_without_a_reset() {
    let (mut machine, mut now) = (CardMachine::default(), Duration::ZERO);
    machine.handle_opened(now);
    let script = [
        ("read SAM id", answer(0x90, 16)),
        ("find card", answer(0x9f, 4)),
        ("select card", answer(0x90, 8)),
        ("read text+photo", answer(0x31, 0)),
        ("find card", answer(0x9f, 4)),
        ("find card", answer(0x9f, 4)),
        ("find card", answer(0x80, 0)),
    ];
    let events = dialogue(&mut machine, &script, &mut now);
    let told = |status: Status| {
        events
            .iter()
            .filter(|event| **event == DeviceEvent::Status(status.clone()))
            .count()
    };
    assert_eq!((told(Status::CardFound), told(Status::CardGone)), (1, 1));
    let refused = |event: &&DeviceEvent| matches!(event, DeviceEvent::DeviceError(error) if error.fault == Fault::CardRefused);
    assert_eq!(
        events.iter().filter(refused).count(),
        1,
        "told once, however often the card is found"
    );
}

#[test]
fn a_card_exchanged_between_two_looks_is_never_taken_for_the_first() {
    let mut bench = Bench::new(options(IdcardSam, ""));
    bench.seconds(2);
    bench.command("card 11010519491231002X 张示例");
    bench.seconds(20);
    bench.command("lift");
    bench.command("card 440524188001010014 王样张");
    bench.seconds(20);
    let names: Vec<_> = cards(&bench).iter().map(|card| card.name.as_str()).collect();
    assert_eq!(names, ["张示例", "王样张"]);
    assert_eq!(bench.count(&Status::CardGone), 1, "the first session must end");
}

/// A card's frame as the reader sends it.
fn card_answer(number: &str, name: &str) -> Vec<u8> {
    use crate::idcard_sam::Command::{Find, Read, Select};
    let mut reader = simulators::device(&options(IdcardSam, ""));
    let put = format!("card {number} {name}").parse().unwrap();
    reader.handle_command(&put, Duration::ZERO);
    for command in [Find, Select, Read] {
        reader.handle_bytes(&command.encode(), Duration::ZERO);
    }
    std::iter::from_fn(|| reader.poll_output()).last().unwrap()
}

/// A dialogue up to the address of the first card, which its reader refuses with this status.
fn address_refused(machine: &mut CardMachine, now: &mut Duration, status: u8) -> Vec<DeviceEvent> {
    machine.handle_opened(*now);
    let script = [
        ("read SAM id", answer(0x90, 16)),
        ("find card", answer(0x9f, 4)),
        ("select card", answer(0x90, 8)),
        ("read text+photo", card_answer("11010519491231002X", "张示例")),
        ("read new address", answer(status, 0)),
    ];
    dialogue(machine, &script, now)
}

fn numbers(events: &[DeviceEvent]) -> Vec<&str> {
    let events = events.iter();
    events
        .filter_map(|event| match event {
            DeviceEvent::Card(card) => Some(card.number.as_str()),
            _ => None,
        })
        .collect()
}

#[test]
fn a_card_exchanged_before_its_address_was_read_is_never_reported() {
    for status in [0x41, 0x80, 0x81] {
        let (mut machine, mut now) = (CardMachine::default(), Duration::ZERO);
        let events = address_refused(&mut machine, &mut now, status);
        assert_eq!(numbers(&events), [""; 0], "{status:02x}: it may be gone");
        let other = [
            ("find card", answer(0x9f, 4)),
            ("select card", answer(0x90, 8)),
            ("read text+photo", card_answer("440524188001010014", "王样张")),
            ("read new address", answer(0x91, 0)),
        ];
        let events = dialogue(&mut machine, &other, &mut now);
        assert_eq!(numbers(&events), ["440524188001010014"], "{status:02x}");
    }
}

#[test]
fn a_reader_that_refuses_every_address_reports_the_card_at_the_second_reading() {
    let (mut machine, mut now) = (CardMachine::default(), Duration::ZERO);
    address_refused(&mut machine, &mut now, 0x41);
    let again = [
        ("find card", answer(0x80, 0)),
        ("reset", answer(0x90, 0)),
        ("find card", answer(0x9f, 4)),
        ("select card", answer(0x90, 8)),
        ("read text+photo", card_answer("11010519491231002X", "张示例")),
        ("read new address", answer(0x41, 0)),
    ];
    let events = dialogue(&mut machine, &again, &mut now);
    assert_eq!(numbers(&events), ["11010519491231002X"]);
}

#[test]
fn a_card_lifted_before_its_address_was_read_is_told_as_not_read() {
    let (mut machine, mut now) = (CardMachine::default(), Duration::ZERO);
    address_refused(&mut machine, &mut now, 0x41);
    let lifted = [
        ("find card", answer(0x80, 0)),
        ("reset", answer(0x90, 0)),
        ("find card", answer(0x80, 0)),
    ];
    let events = dialogue(&mut machine, &lifted, &mut now);
    let failed = |event: &&DeviceEvent| matches!(event, DeviceEvent::DeviceError(error) if error.fault == Fault::ReadFailed);
    assert_eq!(events.iter().filter(failed).count(), 1, "{events:?}");
    assert_eq!(numbers(&events), [""; 0]);
}

#[test]
fn a_card_exchanged_while_its_reading_again_fails_ends_the_first_session() {
    let (mut machine, mut now) = (CardMachine::default(), Duration::ZERO);
    machine.handle_opened(now);
    let mut script = vec![
        ("read SAM id", answer(0x90, 16)),
        ("find card", answer(0x9f, 4)),
        ("select card", answer(0x90, 8)),
        ("read text+photo", card_answer("11010519491231002X", "张示例")),
        ("read new address", answer(0x91, 0)),
    ];
    for _ in 0..3 {
        script.push(("find card", answer(0x9f, 4)));
        script.push(("select card", answer(0x81, 0)));
    }
    let events = dialogue(&mut machine, &script, &mut now);
    assert_eq!(events.last(), Some(&DeviceEvent::Status(Status::CardGone)));
    let again = [
        ("find card", answer(0x9f, 4)),
        ("select card", answer(0x90, 8)),
        ("read text+photo", card_answer("440524188001010014", "王样张")),
        ("read new address", answer(0x91, 0)),
    ];
    let events = dialogue(&mut machine, &again, &mut now);
    let Some(DeviceEvent::Card(card)) = events.last() else {
        panic!("the second card: {events:?}")
    };
    assert_eq!(card.number, "440524188001010014");
}

#[test]
fn a_card_put_back_between_two_looks_does_not_make_the_reader_believed() {
    let (mut machine, mut now) = (CardMachine::default(), Duration::ZERO);
    machine.handle_opened(now);
    let card = card_answer("11010519491231002X", "张示例");
    let script = [
        ("read SAM id", answer(0x90, 16)),
        ("find card", answer(0x9f, 4)),
        ("select card", answer(0x90, 8)),
        ("read text+photo", card.clone()),
        ("read new address", answer(0x91, 0)),
        // Lifted and put back: found as a new one, and it is the same.
        ("find card", answer(0x9f, 4)),
        ("select card", answer(0x90, 8)),
        ("read text+photo", card.clone()),
        // It lies there and is not new: the reader must be reset before it is believed.
        ("find card", answer(0x80, 0)),
        ("reset", answer(0x90, 0)),
        ("find card", answer(0x9f, 4)),
        ("select card", answer(0x90, 8)),
        ("read text+photo", card),
    ];
    let events = dialogue(&mut machine, &script, &mut now);
    assert!(!events.contains(&DeviceEvent::Status(Status::CardGone)));
}

#[test]
fn a_reader_without_a_reset_tells_lifted_cards_all_the_same() {
    let (mut machine, mut now) = (CardMachine::default(), Duration::ZERO);
    machine.handle_opened(now);
    let start = [
        ("read SAM id", answer(0x90, 16)),
        ("find card", answer(0x9f, 4)),
        ("select card", answer(0x90, 8)),
        ("read text+photo", card_answer("11010519491231002X", "张示例")),
        ("read new address", answer(0x91, 0)),
        ("find card", answer(0x80, 0)),
        ("reset", Vec::new()),
        ("reset", Vec::new()),
        ("reset", Vec::new()),
        ("find card", answer(0x80, 0)),
    ];
    let events = dialogue(&mut machine, &start, &mut now);
    assert_eq!(events.last(), Some(&DeviceEvent::Status(Status::CardGone)));
}

#[test]
fn cards_exchanged_on_a_noisy_line_are_never_taken_for_each_other() {
    let mut bench = Bench::new(options(IdcardSam, "noise"));
    for round in 1..=6 {
        let name = if round % 2 == 0 {
            "440524188001010014 王样张"
        } else {
            "11010519491231002X 张示例"
        };
        bench.command("lift");
        bench.command(&format!("card {name}"));
        bench.seconds(60);
        let seen = cards(&bench);
        assert_eq!(
            seen.last().map(|card| card.number.as_str()),
            name.split(' ').next(),
            "round {round}"
        );
    }
    // Between two cards of different people the first is always told to be gone.
    let mut holder: Option<&str> = None;
    for event in &bench.events {
        match event {
            DeviceEvent::Card(card) => {
                assert!(
                    holder.is_none_or(|number| number == card.number),
                    "one session for two people"
                );
                holder = Some(&card.number);
            }
            DeviceEvent::Status(Status::CardGone) => holder = None,
            _ => {}
        }
    }
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
fn a_card_is_gone_when_its_reader_is_unplugged() {
    let mut bench = Bench::new(options(IdcardSam, ""));
    bench.command("card 11010519491231002X 张示例");
    bench.seconds(10);
    bench.unplug();
    assert_eq!(
        bench.count(&Status::CardGone),
        1,
        "nobody sees whether it still lies there"
    );
    bench.plug();
    bench.seconds(10);
    assert_eq!(cards(&bench).len(), 2, "it is read anew");
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

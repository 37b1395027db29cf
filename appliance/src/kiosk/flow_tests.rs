//! Tests of the kiosk's steps.

use proptest::prelude::*;

use super::*;
use crate::bays::shown::Word;

fn s(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

fn guest(n: u8) -> Guest {
    Guest {
        patient: PatientId([n; 16]),
        masked_name: "王*英".to_owned(),
        subjects: Vec::new(),
    }
}

fn shown() -> Shown {
    Shown {
        numbers: vec![("138/86".to_owned(), "mmHg")],
        word: Word::Normal,
        critical: false,
        ecg: None,
    }
}

fn measuring() -> Flow {
    let mut flow = Flow::new(s(0));
    assert_eq!(flow.card(s(1)), [Effect::LookUp]);
    flow.looked_up(Ok(guest(1)), s(1));
    assert_eq!(flow.press(Press::Yes, s(5)), None);
    assert_eq!(flow.press(Press::Bay(2), s(9)), Some(Effect::Open(guest(1), 2)));
    flow
}

#[test]
fn from_card_to_result_to_an_empty_screen() {
    let mut flow = measuring();
    flow.attached(2, guest(1).patient, shown(), s(50));
    assert!(matches!(flow.step(), Step::Result { .. }));
    assert_eq!(flow.card_lifted(s(60)), None);
    assert_eq!(flow.step(), &Step::Welcome);
}

#[test]
fn a_result_of_somebody_else_or_of_another_bay_is_not_shown() {
    let mut flow = measuring();
    flow.attached(2, guest(2).patient, shown(), s(50));
    flow.attached(3, guest(1).patient, shown(), s(50));
    assert!(matches!(flow.step(), Step::Measure { .. }));
}

#[test]
fn nobody_there_clears_and_closes() {
    let mut flow = measuring();
    assert_eq!(flow.asks_still_there(s(68)), None);
    assert_eq!(flow.asks_still_there(s(69)), Some(s(30)));
    assert_eq!(flow.tick(s(98)), None);
    assert_eq!(flow.tick(s(99)), Some(Effect::Close(2)));
    assert_eq!(flow.step(), &Step::Welcome);

    let mut flow = measuring();
    assert_eq!(flow.press(Press::Stay, s(80)), Some(Effect::Touch(2)));
    assert_eq!(flow.tick(s(150)), None);
}

#[test]
fn another_card_takes_the_kiosk() {
    let mut flow = measuring();
    assert_eq!(flow.card(s(20)), [Effect::Close(2), Effect::LookUp]);
    flow.looked_up(Err(Desk::NotRegistered), s(20));
    assert_eq!(flow.step(), &Step::AskDoctor(Desk::NotRegistered));
    assert_eq!(flow.card_lifted(s(21)), None);
    assert_eq!(flow.tick(s(200)), None);
    assert_eq!(flow.step(), &Step::Welcome);
}

#[test]
fn a_second_try_after_a_failure() {
    let mut flow = measuring();
    flow.failed(2, Failure::NoResult, s(30));
    assert_eq!(flow.press(Press::Again, s(35)), Some(Effect::Open(guest(1), 2)));
    flow.handed(2, TrayReason::TooEarly, s(40));
    assert_eq!(flow.press(Press::Other, s(45)), Some(Effect::Close(2)));
    assert_eq!(flow.step(), &Step::Choose(guest(1)));
}

#[test]
fn the_device_is_started_once() {
    let mut flow = measuring();
    assert_eq!(flow.press(Press::Start, s(12)), Some(Effect::Start(2)));
    assert_eq!(flow.press(Press::Start, s(13)), None);
    assert_eq!(flow.press(Press::Stay, s(14)), Some(Effect::Touch(2)));
}

#[test]
fn late_presses_change_nothing() {
    let mut flow = measuring();
    assert_eq!(flow.press(Press::Yes, s(20)), None);
    assert_eq!(flow.press(Press::Bay(1), s(20)), None);
    assert!(matches!(flow.step(), Step::Measure { bay: 2, .. }));
    flow.looked_up(Ok(guest(2)), s(21));
    assert!(matches!(flow.step(), Step::Measure { bay: 2, .. }));
}

#[test]
fn names_are_masked() {
    for (name, expected) in [
        ("王秀英", "王*英"),
        ("王英", "王*"),
        ("王", "王"),
        ("", ""),
        ("欧阳秀英", "欧**英"),
        ("古丽·示例", "古***例"),
    ] {
        assert_eq!(masked(name), expected);
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(128))]

    /// Whatever happens, an idle kiosk ends empty, and a session that it opened is closed or finished.
    #[test]
    fn an_idle_kiosk_ends_empty(presses in prop::collection::vec(0..9u8, 0..20)) {
        let mut flow = Flow::new(s(0));
        let mut open: Option<usize> = None;
        let mut now = 0;
        for press in presses {
            now += 5;
            let effects: Vec<Effect> = match press {
                0 => flow.card(s(now)),
                1 => { flow.looked_up(Ok(guest(1)), s(now)); Vec::new() }
                2 => flow.press(Press::Yes, s(now)).into_iter().collect(),
                3 => flow.press(Press::Bay(1), s(now)).into_iter().collect(),
                4 => flow.press(Press::Again, s(now)).into_iter().collect(),
                5 => flow.press(Press::Other, s(now)).into_iter().collect(),
                6 => flow.card_lifted(s(now)).into_iter().collect(),
                7 => { flow.failed(1, Failure::NoResult, s(now)); Vec::new() }
                _ => {
                    if open.take().is_some() {
                        flow.attached(1, guest(1).patient, shown(), s(now));
                    }
                    Vec::new()
                }
            };
            for effect in effects {
                match effect {
                    Effect::Open(_, bay) => open = Some(bay),
                    Effect::Close(_) => open = None,
                    Effect::LookUp | Effect::Touch(_) | Effect::Start(_) => {}
                }
            }
        }
        if let Some(Effect::Close(_)) = flow.tick(s(now + 1000)) {
            open = None;
        }
        prop_assert_eq!(flow.step(), &Step::Welcome);
        prop_assert_eq!(open, None);
    }
}

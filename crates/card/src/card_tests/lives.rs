//! The life of a system without power cuts, and every way in which it may end.

use super::*;
use crate::firmware::starts;
use crate::slots::{Began, Card, STARTS_MAX, SlotFault};
use crate::state::{Outcome, Why};

fn install(card: &mut Card<LoggedCard>, running: Slot, new: &Release) -> Result<Slot, SlotFault> {
    card.install(
        running,
        &new.system,
        [&mut new.boot.as_slice(), &mut new.root.as_slice()],
        |_| {},
    )
}

/// What the firmware starts; the flag is used up.
fn slot(card: &mut Card<LoggedCard>, trial: bool) -> Slot {
    starts(card.parts().0, trial).unwrap().slot.unwrap()
}

#[test]
fn a_new_system_is_installed_tried_and_committed_and_the_next_goes_the_other_way() {
    let mut card = Card::open(card(&release(1))).unwrap();
    let mut running = Slot::A;
    for version in 2..5 {
        let new = release(version);
        assert_eq!(card.begin(running).unwrap(), Began::Ordinary { starts: 1 });
        card.healthy(running).unwrap();
        let slot_of_new = install(&mut card, running, &new).unwrap();
        assert_eq!(slot_of_new, running.other());
        assert!(card.is_whole(slot_of_new).unwrap());
        assert_eq!(
            slot(&mut card, false),
            running,
            "nothing is selected by an install"
        );
        card.ask_for_trial(running).unwrap();
        assert_eq!(slot(&mut card, true), slot_of_new);
        let began = card.begin(slot_of_new).unwrap();
        assert_eq!(began, Began::OnTrial(Version(version)));
        assert_eq!(slot(&mut card, false), running, "a hang goes back");
        card.healthy(slot_of_new).unwrap();
        assert_eq!(slot(&mut card, false), slot_of_new);
        assert_eq!(card.state().last, Outcome::Committed(Version(version)));
        running = slot_of_new;
    }
}

#[test]
fn a_bad_version_goes_back_and_its_reason_is_kept() {
    let bad = release(2);
    let reason = |act: &dyn Fn(&mut Card<LoggedCard>)| {
        let mut card = Card::open(card(&release(1))).unwrap();
        install(&mut card, Slot::A, &bad).unwrap();
        act(&mut card);
        assert_eq!(slot(&mut card, false), Slot::A);
        let mut card = Card::open(card.into_device()).unwrap();
        assert_eq!(card.begin(Slot::A).unwrap(), Began::Ordinary { starts: 1 });
        assert!(matches!(
            card.ask_for_trial(Slot::A),
            Err(SlotFault::NothingThere)
        ));
        card.state().last.clone()
    };
    let back = |why, detail: &str| Outcome::RolledBack {
        version: Version(2),
        why,
        detail: detail.to_owned(),
    };
    // The kernel never reaches its first program, twice.
    let silent = reason(&|card| {
        card.ask_for_trial(Slot::A).unwrap();
        assert_eq!(card.begin(Slot::A).unwrap(), Began::TrialOpen(Version(2)));
        card.ask_for_trial(Slot::A).unwrap();
        let began = card.begin(Slot::A).unwrap();
        assert_eq!(began, Began::RolledBack(Version(2), Why::NeverBegan));
    });
    assert_eq!(silent, back(Why::NeverBegan, ""));
    // It begins and hangs, twice.
    let hangs = reason(&|card| {
        for _ in 0..2 {
            card.ask_for_trial(Slot::A).unwrap();
            assert_eq!(card.begin(Slot::B).unwrap(), Began::OnTrial(Version(2)));
            card.begin(Slot::A).unwrap();
        }
    });
    assert_eq!(hangs, back(Why::NotHealthyInTime, ""));
    // It looks at itself and finds a fault; the text is longer than the sector has room for.
    let text = "存储打不开 ".repeat(20);
    let ill = reason(&|card| {
        card.ask_for_trial(Slot::A).unwrap();
        card.begin(Slot::B).unwrap();
        card.roll_back(Why::Unhealthy, &text).unwrap();
    });
    let Outcome::RolledBack { why, detail, .. } = ill else {
        panic!("{ill:?}");
    };
    assert!(why == Why::Unhealthy && text.starts_with(&detail) && detail.len() > 100);
}

#[test]
fn what_is_not_as_signed_or_does_not_fit_is_not_installed() {
    let mut card = Card::open(card(&release(1))).unwrap();
    let (new, other) = (release(2), release(3));
    let mixed = card.install(
        Slot::A,
        &new.system,
        [&mut new.boot.as_slice(), &mut other.root.as_slice()],
        |_| {},
    );
    assert!(matches!(mixed, Err(SlotFault::OtherSystem)));
    assert!(matches!(
        card.ask_for_trial(Slot::A),
        Err(SlotFault::NothingThere)
    ));
    let short = card.install(
        Slot::A,
        &new.system,
        [&mut new.boot.as_slice(), &mut &new.root[..500]],
        |_| {},
    );
    assert!(matches!(short, Err(SlotFault::Source(_))));
    let mut large = new.system;
    large.boot.len = ALIGN + 1;
    let large = card.install(
        Slot::A,
        &large,
        [&mut std::io::empty(), &mut std::io::empty()],
        |_| {},
    );
    assert!(matches!(large, Err(SlotFault::TooLarge { part: "boot", .. })));
    let wrong_slot = install(&mut card, Slot::B, &new);
    assert!(
        matches!(wrong_slot, Err(SlotFault::Unsettled)),
        "never over what is selected"
    );
    assert_eq!(slot(&mut card, false), Slot::A);
    assert!(card.is_whole(Slot::A).unwrap());
}

#[test]
fn nothing_is_installed_while_another_is_on_trial() {
    let mut card = Card::open(card(&release(1))).unwrap();
    install(&mut card, Slot::A, &release(2)).unwrap();
    card.ask_for_trial(Slot::A).unwrap();
    card.begin(Slot::B).unwrap();
    for running in Slot::BOTH {
        let refused = install(&mut card, running, &release(3));
        assert!(matches!(refused, Err(SlotFault::Unsettled)));
    }
}

#[test]
fn a_selected_slot_that_does_not_become_healthy_is_left_for_a_whole_one_only() {
    let mut card = Card::open(card(&release(1))).unwrap();
    for starts in 1..=STARTS_MAX {
        assert_eq!(card.begin(Slot::A).unwrap(), Began::Ordinary { starts });
    }
    let refused = card.leave(Slot::A, Why::Damaged, "root");
    assert!(matches!(refused, Err(SlotFault::NothingThere)));
    // A newer one was never seen healthy: it is tried, not taken.
    card.healthy(Slot::A).unwrap();
    install(&mut card, Slot::A, &release(2)).unwrap();
    let refused = card.leave(Slot::A, Why::Damaged, "root");
    assert!(matches!(refused, Err(SlotFault::NothingThere)) && card.fallback(Slot::A).is_none());
    card.ask_for_trial(Slot::A).unwrap();
    card.begin(Slot::B).unwrap();
    card.healthy(Slot::B).unwrap();
    assert_eq!(card.leave(Slot::B, Why::Damaged, "root").unwrap(), Slot::A);
    assert_eq!(slot(&mut card, false), Slot::A);
    assert!(matches!(
        &card.state().last,
        Outcome::RolledBack {
            why: Why::Damaged,
            version: Version(2),
            ..
        }
    ));
}

//! The power is cut at every write of an install, a trial, a commit, a roll-back and a first start.

use super::*;
use crate::firmware::starts;
use crate::first_start;
use crate::slots::{Began, Card};
use crate::state::{Data, Outcome, Why};

/// What must hold in every state: an ordinary start finds a slot, and that slot is exactly one of the known releases.
pub(super) fn assert_starts_whole(card: &mut LoggedCard, releases: &[&Release]) -> (Slot, Version) {
    let slot = starts(card, false).unwrap().slot.unwrap();
    let layout = Layout::read(card).unwrap();
    let is = |card: &mut LoggedCard, release: &&&Release| {
        let holds = |card: &mut LoggedCard, extent, content| {
            crate::slots::holds(card, extent, content, &mut |_| {}).unwrap()
        };
        holds(card, layout.boot_of(slot), &release.system.boot)
            && holds(card, layout.root_of(slot), &release.system.root)
    };
    let whole = releases.iter().find(|release| is(card, release));
    let release = whole.expect("the slot that starts is no whole release");
    (slot, release.system.version)
}

fn install(card: &mut Card<LoggedCard>, running: Slot, new: &Release) {
    card.install(
        running,
        &new.system,
        [&mut new.boot.as_slice(), &mut new.root.as_slice()],
        |_| {},
    )
    .unwrap();
}

/// What a box does after a cut, until the new version is in force: the way is the same from every state.
fn go_on(card: LoggedCard, new: &Release) -> Version {
    go_on_by(card, new, |card, running| install(card, running, new))
}

/// As [`go_on`], with another way to install.
pub(super) fn go_on_by(
    card: LoggedCard,
    new: &Release,
    mut install: impl FnMut(&mut Card<LoggedCard>, Slot),
) -> Version {
    let mut card = Card::open(card).unwrap();
    let mut flag = false;
    for _ in 0..8 {
        let slot = starts(card.parts().0, flag).unwrap().slot.unwrap();
        flag = false;
        match card.begin(slot).unwrap() {
            Began::OnTrial(_) => card.healthy(slot).unwrap(),
            Began::TrialOpen(_) => {
                card.ask_for_trial(slot).unwrap();
                flag = true;
            }
            Began::Ordinary { .. } | Began::RolledBack(..) => {
                card.healthy(slot).unwrap();
                let version = card.state().system(slot).unwrap().version;
                if version == new.system.version {
                    return version;
                }
                if card.state().system(slot.other()) != Some(&new.system) {
                    install(&mut card, slot);
                }
                card.ask_for_trial(slot).unwrap();
                flag = true;
            }
            Began::Unselected => panic!("{:?}", card.state()),
        }
    }
    panic!("the update never ends: {:?}", card.state());
}

/// A card that runs version 2 from slot B and has version 1 in A.
fn settled() -> (Card<LoggedCard>, [Release; 3]) {
    let releases = [release(1), release(2), release(3)];
    let mut card = Card::open(card(&releases[0])).unwrap();
    card.begin(Slot::A).unwrap();
    card.healthy(Slot::A).unwrap();
    install(&mut card, Slot::A, &releases[1]);
    card.ask_for_trial(Slot::A).unwrap();
    card.begin(Slot::B).unwrap();
    card.healthy(Slot::B).unwrap();
    let card = Card::open(card.into_device().settled()).unwrap();
    (card, releases)
}

#[test]
fn a_cut_at_any_write_of_an_update_leaves_a_whole_slot_and_the_update_ends_well() {
    let (mut card, [one, two, three]) = settled();
    assert_eq!(card.begin(Slot::B).unwrap(), Began::Ordinary { starts: 1 });
    card.healthy(Slot::B).unwrap();
    install(&mut card, Slot::B, &three);
    card.ask_for_trial(Slot::B).unwrap();
    card.begin(Slot::A).unwrap();
    card.healthy(Slot::A).unwrap();
    let mut seen = std::collections::BTreeSet::new();
    let mut number = 0;
    let count = card.into_device().cuts(1, |mut state| {
        let (slot, version) = assert_starts_whole(&mut state, &[&one, &two, &three]);
        assert_eq!(
            slot == Slot::A,
            version == Version(3),
            "never back to what was overwritten"
        );
        seen.insert(version);
        number += 1;
        // Going on takes longer than looking: every seventh state, and all around the commit.
        if number % 7 == 0 || version == Version(3) {
            assert_eq!(go_on(state.settled(), &three), Version(3));
        }
    });
    assert!(count > 800, "{count} states");
    assert_eq!(seen, [Version(2), Version(3)].into());
}

#[test]
fn a_cut_at_any_write_of_a_roll_back_keeps_the_old_system_and_in_the_end_the_reason() {
    let (mut card, [_, two, three]) = settled();
    install(&mut card, Slot::B, &three);
    card.ask_for_trial(Slot::B).unwrap();
    card.begin(Slot::A).unwrap();
    let mut card = Card::open(card.into_device().settled()).unwrap();
    card.roll_back(Why::Unhealthy, "the store does not open").unwrap();
    let count = card.into_device().cuts(2, |mut state| {
        assert_eq!(assert_starts_whole(&mut state, &[&two]), (Slot::B, Version(2)));
        let mut card = Card::open(state.settled()).unwrap();
        match card.begin(Slot::B).unwrap() {
            Began::Ordinary { .. } => assert!(matches!(
                card.state().last,
                Outcome::RolledBack {
                    why: Why::Unhealthy,
                    ..
                }
            )),
            // The reason was not on the card yet: the trial is open, and will end with one.
            Began::TrialOpen(version) => assert_eq!(version, Version(3)),
            other => panic!("{other:?}"),
        }
    });
    assert!(count >= 2, "{count}");
}

#[test]
fn a_cut_while_a_damaged_slot_is_left_starts_one_of_the_two() {
    let (mut card, [one, two, _]) = settled();
    card.leave(Slot::B, Why::Damaged, "root").unwrap();
    let count = card.into_device().cuts(3, |mut state| {
        assert_starts_whole(&mut state, &[&one, &two]);
        let mut card = Card::open(state.settled()).unwrap();
        let slot = starts(card.parts().0, false).unwrap().slot.unwrap();
        card.begin(slot).unwrap();
        card.healthy(slot).unwrap();
    });
    assert!(count > 4, "{count}");
}

/// The same check finds an updater that selects the new slot before it is on the card: two steps the wrong way round.
#[test]
#[should_panic(expected = "no whole release")]
fn an_updater_that_selects_before_it_flushes_is_caught() {
    let (card, [one, two, three]) = settled();
    let layout = card.layout().clone();
    let mut card = card.into_device();
    crate::select::select(&mut card, &layout, Slot::A).unwrap();
    for (extent, bytes) in [
        (layout.boot_of(Slot::A), &three.boot),
        (layout.root_of(Slot::A), &three.root),
    ] {
        let mut part = Part::new(&mut card, extent);
        part.write_all(bytes).unwrap();
        part.flush().unwrap();
    }
    card.cuts(4, |mut state| {
        assert_starts_whole(&mut state, &[&one, &two, &three]);
    });
}

/// A volume whose data somebody has written to.
fn with_data(card: &mut LoggedCard, extent: Extent) {
    card.write_at(extent.at + 64 * BLOCK, &[0xda; BLOCK as usize])
        .unwrap();
    card.flush().unwrap();
}

fn has_data(card: &mut LoggedCard, extent: Extent) -> bool {
    let mut block = vec![0; BLOCK as usize];
    card.read_at(extent.at + 64 * BLOCK, &mut block).unwrap();
    block == [0xda; BLOCK as usize]
}

#[test]
fn a_cut_at_any_write_of_the_first_start_never_costs_data_and_the_next_start_has_them() {
    let one = release(1);
    let mut first = card(&one);
    let mut state = State::read(&mut first).unwrap();
    let ready = first_start::start(&mut first, &mut state, &mut Plain, [5; 16]).unwrap();
    let writes = first.events();
    with_data(&mut first, ready.extent);
    assert!(writes > 100, "{writes}");
    let mut outcomes = [0; 2];
    let count = first.cuts(5, |mut card| {
        assert_starts_whole(&mut card, &[&one]);
        let had_data = has_data(&mut card, ready.extent);
        let mut state = State::read(&mut card).unwrap();
        let again = first_start::start(&mut card, &mut state, &mut Plain, [6; 16]).unwrap();
        assert_eq!(again.extent, ready.extent);
        outcomes[usize::from(again.is_new)] += 1;
        assert!(!(had_data && again.is_new), "made over data");
        // From here on it is settled: a third start changes nothing.
        let mut card = card.settled();
        let mut state = State::read(&mut card).unwrap();
        let third = first_start::start(&mut card, &mut state, &mut Plain, [7; 16]).unwrap();
        assert!(!third.is_new && card.events() == 0);
        assert_starts_whole(&mut card, &[&one]);
    });
    assert!(
        count > 400 && outcomes.iter().all(|outcome| *outcome > 10),
        "{count} {outcomes:?}"
    );
}

/// Data that were written before the mark was on the card would be made anew over: the check must see that.
#[test]
#[should_panic(expected = "made over data")]
fn a_first_start_that_lets_data_in_before_its_mark_is_caught() {
    let mut first = card(&release(1));
    let layout = layout();
    let extent = layout.data_for(CAPACITY).unwrap();
    Volume::make(&mut Plain, &mut first, extent, [5; 16]).unwrap();
    with_data(&mut first, extent);
    first.cuts(6, |mut card| {
        let had_data = has_data(&mut card, extent);
        let mut state = State::read(&mut card).unwrap();
        let again = first_start::start(&mut card, &mut state, &mut Plain, [6; 16]).unwrap();
        assert!(!(had_data && again.is_new), "made over data");
    });
}

#[test]
fn a_card_whose_marks_are_damaged_is_refused_and_left_alone() {
    let mut made = card(&release(1));
    let mut state = State::read(&mut made).unwrap();
    let ready = first_start::start(&mut made, &mut state, &mut Plain, [5; 16]).unwrap();
    with_data(&mut made, ready.extent);
    let layout = Layout::read(&mut made).unwrap();
    let refused = |mut card: LoggedCard, mut state: State| {
        let before = card.events();
        let fault = first_start::start(&mut card, &mut state, &mut Plain, [6; 16]).unwrap_err();
        assert_eq!(card.events(), before, "{fault}");
        assert!(has_data(&mut card, ready.extent));
        fault
    };
    let mut spoilt = made.clone();
    spoilt.write_at(layout.data_mark(), &[0xff; 512]).unwrap();
    let blank = State {
        data: Data::Blank,
        ..state.clone()
    };
    // No mark tells, and there is a volume: it is opened and the marks are mended. Without one nothing is made.
    for known in [&blank, &state] {
        let mut card = spoilt.clone();
        let opened = first_start::start(&mut card, &mut known.clone(), &mut Plain, [6; 16]).unwrap();
        assert!(!opened.is_new && has_data(&mut card, ready.extent));
    }
    spoilt.write_at(ready.extent.at, &[0; BLOCK as usize]).unwrap();
    assert_eq!(refused(spoilt, blank), DataFault::Unsure);
    let other = State {
        data: Data::Made([1; 16]),
        ..state.clone()
    };
    assert_eq!(refused(made.clone(), other), DataFault::OtherData);
    let mut headless = made.clone();
    headless.write_at(ready.extent.at, &[0; BLOCK as usize]).unwrap();
    assert_eq!(refused(headless, state), DataFault::Missing);
}

#[test]
fn a_state_is_read_as_it_was_written_and_survives_one_damaged_copy() {
    let (card, _) = settled();
    let mut state = card.state().clone();
    state.last = Outcome::RolledBack {
        version: Version(9),
        why: Why::Unhealthy,
        detail: "数据库打不开".to_owned(),
    };
    assert_eq!(State::parse(&state.to_sector()), Some(state.clone()));
    let mut device = card.into_device();
    let before = State::read(&mut device).unwrap();
    state.write(&mut device).unwrap();
    let newest = crate::layout::STATE_AT[(state.sequence % 2) as usize];
    assert_eq!(State::read(&mut device).unwrap(), state);
    device.write_at(newest, &[7; 512]).unwrap();
    assert_eq!(State::read(&mut device).unwrap().sequence, before.sequence);
    for at in crate::layout::STATE_AT {
        device.write_at(at, &[7; 512]).unwrap();
    }
    assert!(State::read(&mut device).is_err());
    crate::state::fuzz_one(&state.to_sector());
}

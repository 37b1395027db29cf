//! Years of a box in a few steps: starts by the firmware's rules and the first program's decisions, verdicts, power
//! cuts at any write, slots that rot; a slot that starts is always found.

use proptest::prelude::*;

use super::*;
use crate::firmware::starts;
use crate::slots::Card;
use crate::starting::{Health, Restart, Step, after_look, first_step};
use crate::state::{Outcome, Why};

/// What happens while a system runs.
#[derive(Debug, Clone)]
enum Event {
    /// The power goes before anything is known.
    Cut,
    /// The power goes at one of the writes of the verdict.
    CutWhileSettling(u8),
    /// The box is well.
    Well,
    /// It is not.
    Ill,
    /// The next release is installed, then the box is found well.
    Install,
    /// The running slot rots.
    Rot,
}

fn event() -> impl Strategy<Value = Event> {
    prop_oneof![
        2 => Just(Event::Cut),
        2 => any::<u8>().prop_map(Event::CutWhileSettling),
        4 => Just(Event::Well),
        2 => Just(Event::Ill),
        3 => Just(Event::Install),
        1 => Just(Event::Rot),
    ]
}

/// The card with the one-shot flag of the firmware.
struct Life {
    card: LoggedCard,
    flag: bool,
    next: u64,
    rotten: [bool; 2],
}

impl Life {
    /// Firmware and first program: the slot that runs in the end. Ends, whatever lies on the card.
    fn start(&mut self) -> Slot {
        for _ in 0..4 {
            let slot = starts(&mut self.card, self.flag).unwrap().slot.unwrap();
            self.flag = false;
            let mut card = Card::open(self.card.clone().settled()).unwrap();
            let began = card.begin(slot).unwrap();
            let fallback = card.fallback(slot).is_some();
            let step = match first_step(&began, fallback) {
                Step::Look => after_look(card.is_whole(slot).unwrap(), fallback),
                step => step,
            };
            if let Step::Leave(why) = step {
                // Never for one that was only installed.
                let versions = [slot, slot.other()].map(|slot| card.state().system(slot).unwrap().version);
                assert!(versions[1] < versions[0], "{versions:?}");
                card.leave(slot, why, "").unwrap();
            }
            self.card = card.into_device().settled();
            if !matches!(step, Step::Leave(_)) {
                return slot;
            }
        }
        panic!("the box only leaves slots");
    }

    fn happens(&mut self, event: &Event, slot: Slot) {
        let mut card = Card::open(self.card.clone().settled()).unwrap();
        let well = Health::Well;
        match event {
            Event::Cut => return,
            Event::CutWhileSettling(place) => {
                card.settle(slot, &well).unwrap();
                let mut states = Vec::new();
                let logged = card.into_device();
                let whole = logged.clone();
                logged.cuts(u64::from(*place), |state| states.push(state));
                self.card = match states.len() {
                    0 => whole.settled(),
                    count => states.swap_remove(usize::from(*place) % count).settled(),
                };
                return;
            }
            Event::Well => {}
            Event::Ill => {
                let (_, restart) = card.settle(slot, &Health::Ill("store".to_owned())).unwrap();
                self.flag = restart == Some(Restart::Trial);
                self.card = card.into_device().settled();
                return;
            }
            Event::Install => {
                let new = release(self.next);
                let (mut boot, mut root) = (new.boot.as_slice(), new.root.as_slice());
                if card
                    .install(slot, &new.system, [&mut boot, &mut root], |_| {})
                    .is_ok()
                {
                    self.next += 1;
                    self.rotten[slot.other().index()] = false;
                }
            }
            Event::Rot => {
                let root = card.layout().root_of(slot);
                card.parts().0.write_at(root.at + BLOCK, &[0xee; 512]).unwrap();
                self.rotten[slot.index()] = true;
                self.card = card.into_device().settled();
                return;
            }
        }
        let (_, restart) = card.settle(slot, &well).unwrap();
        self.flag = restart == Some(Restart::Trial);
        self.card = card.into_device().settled();
    }

    /// An ordinary start takes a system that is what was installed, unless it rotted there.
    fn check(&mut self) {
        let slot = starts(&mut self.card, false).unwrap().slot.unwrap();
        let mut card = Card::open(self.card.clone()).unwrap();
        assert!(
            self.rotten[slot.index()] || card.is_whole(slot).unwrap(),
            "{slot:?} {:?}",
            card.state()
        );
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn whatever_happens_a_whole_system_starts(events in prop::collection::vec(event(), 1..24)) {
        let mut life = Life { card: card(&release(1)), flag: false, next: 2, rotten: [false; 2] };
        for event in &events {
            let slot = life.start();
            life.happens(event, slot);
            life.check();
        }
        // In the end the box is left alone and stays where it is.
        for _ in 0..4 {
            let slot = life.start();
            life.happens(&Event::Well, slot);
        }
        let slot = life.start();
        let before = Card::open(life.card.clone()).unwrap().state().systems;
        life.happens(&Event::Well, slot);
        prop_assert!(!life.flag && life.start() == slot);
        prop_assert_eq!(Card::open(life.card.clone()).unwrap().state().systems, before);
    }
}

/// A running system that rots is left for the one of before once its starts are in vain.
#[test]
fn a_slot_that_rotted_is_left_for_the_system_of_before() {
    let mut life = Life {
        card: card(&release(1)),
        flag: false,
        next: 2,
        rotten: [false; 2],
    };
    for event in [Event::Install, Event::Well, Event::Rot] {
        let slot = life.start();
        life.happens(&event, slot);
    }
    // Rotten, it does not get as far as a verdict: this is its second start in vain, then it is looked at.
    let ran: Vec<Slot> = (0..3).map(|_| life.start()).collect();
    assert_eq!(ran, [Slot::B, Slot::A, Slot::A]);
    let last = Card::open(life.card.clone()).unwrap().state().last.clone();
    assert!(
        matches!(
            last,
            Outcome::RolledBack {
                version: Version(2),
                why: Why::Damaged,
                ..
            }
        ),
        "{last:?}"
    );
}

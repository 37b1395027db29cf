//! What a start does with the slots: decided here, without a card, and done by the first program and by the box
//! ([`Card::settle`]).

use crate::device::BlockDevice;
use crate::layout::Slot;
use crate::slots::{Began, Card, STARTS_MAX, SlotFault};
use crate::state::{Outcome, Trial, Version, Why};

/// Starts of a slot without being found healthy after which its content is compared with what was installed, before it
/// is used: one may end with the power.
pub const STARTS_UNCHECKED: u8 = 2;

/// What the first program does before it touches the root.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Step {
    /// Starts the system.
    Go,
    /// Compares the slot with what was installed, then decides by [`after_look`].
    Look,
    /// Leaves the slot for the other one and restarts.
    Leave(Why),
}

/// What the first program does after it noted a start. `other_is_there`: a system that the slot may be left
/// for lies in the other one ([`crate::slots::Card::fallback`]).
pub fn first_step(began: &Began, other_is_there: bool) -> Step {
    match began {
        Began::Ordinary { starts } if *starts >= STARTS_MAX && other_is_there => {
            Step::Leave(Why::NotHealthyInTime)
        }
        Began::Ordinary { starts } if *starts > STARTS_UNCHECKED && other_is_there => Step::Look,
        Began::Ordinary { .. }
        | Began::OnTrial(_)
        | Began::TrialOpen(_)
        | Began::RolledBack(..)
        | Began::Unselected => Step::Go,
    }
}

/// What follows from a look at the whole slot, and from a root that the kernel found damaged.
pub fn after_look(is_whole: bool, other_is_there: bool) -> Step {
    if is_whole || !other_is_there {
        // A damaged system is better than none: its blocks are checked one by one, and most of them are mended.
        Step::Go
    } else {
        Step::Leave(Why::Damaged)
    }
}

/// What the box found when it looked at itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Health {
    /// The store opens, the page answers, the bays are up.
    Well,
    /// A fault, in a few words.
    Ill(String),
}

/// What the box does once it has looked at itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Settling {
    /// Notes that the running system is healthy; on trial that commits it.
    Note,
    /// Notes it, then asks for a trial of the other slot and restarts with the one-shot flag.
    NoteAndTry,
    /// Asks for the trial of the other slot once more, and restarts with the flag.
    TryAgain,
    /// Goes back with this reason, and restarts.
    GoBack(String),
    /// Waits for a person: nothing better is there.
    Stay,
}

/// How the machine restarts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Restart {
    /// With the one-shot flag: the firmware takes the slot on trial.
    Trial,
    /// As ever.
    Plain,
}

/// The running slot, as a look at the state finds it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Place<'a> {
    /// Version of the running system; `None` where the state does not know it.
    pub running: Option<Version>,
    /// Version of the system in the other slot.
    pub other: Option<Version>,
    /// The open trial.
    pub trial: Option<Trial>,
    /// Whether the running slot is the one on trial.
    pub is_on_trial: bool,
    /// How the last trial ended.
    pub last: &'a Outcome,
}

/// What the box does with what it found. The hub is no part of it: a clinic without a line must not go back.
pub fn settle(place: &Place<'_>, health: &Health) -> Settling {
    match (place.trial, place.is_on_trial, health) {
        (Some(_), true, Health::Well) => Settling::Note,
        (Some(_), true, Health::Ill(why)) => Settling::GoBack(why.clone()),
        // The trial ended with the power: `begin` closes it once it was asked for often enough.
        (Some(_), false, _) => Settling::TryAgain,
        (None, _, Health::Ill(_)) => Settling::Stay,
        (None, _, Health::Well) => {
            let went_back =
                |version| matches!(place.last, Outcome::RolledBack { version: back, .. } if *back == version);
            let is_new = place
                .other
                .is_some_and(|other| Some(other) > place.running && !went_back(other));
            if is_new {
                Settling::NoteAndTry
            } else {
                Settling::Note
            }
        }
    }
}

impl<D: BlockDevice> Card<D> {
    /// Does with the slots what the verdict over the running one asks for. Tells how the machine has to restart, if at
    /// all.
    ///
    /// # Errors
    /// [`SlotFault`].
    pub fn settle(
        &mut self,
        running: Slot,
        health: &Health,
    ) -> Result<(Settling, Option<Restart>), SlotFault> {
        let state = self.state();
        let version = |slot| state.system(slot).map(|system| system.version);
        let settling = settle(
            &Place {
                running: version(running),
                other: version(running.other()),
                trial: state.trial,
                is_on_trial: state.trial.is_some_and(|trial| trial.slot == running),
                last: &state.last,
            },
            health,
        );
        let restart = match &settling {
            Settling::Note => {
                self.healthy(running)?;
                None
            }
            Settling::NoteAndTry => {
                self.healthy(running)?;
                self.ask_for_trial(running)?;
                Some(Restart::Trial)
            }
            Settling::TryAgain => {
                self.ask_for_trial(running)?;
                Some(Restart::Trial)
            }
            Settling::GoBack(why) => {
                self.roll_back(Why::Unhealthy, why)?;
                Some(Restart::Plain)
            }
            Settling::Stay => None,
        };
        Ok((settling, restart))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn began() -> impl Strategy<Value = Began> {
        let version = || (1_u64..5).prop_map(Version);
        prop_oneof![
            (0_u8..=255).prop_map(|starts| Began::Ordinary { starts }),
            version().prop_map(Began::OnTrial),
            version().prop_map(Began::TrialOpen),
            version().prop_map(|version| Began::RolledBack(version, Why::NeverBegan)),
            Just(Began::Unselected),
        ]
    }

    proptest! {
        /// A slot is left only for one that is there, and only an ordinary start that was tried often leaves it.
        #[test]
        fn a_slot_is_left_only_for_a_whole_one(began in began(), other in any::<bool>(), whole in any::<bool>()) {
            let step = first_step(&began, other);
            if !other {
                prop_assert_eq!(step, Step::Go);
                prop_assert_eq!(after_look(whole, other), Step::Go);
            }
            if let Step::Leave(why) = step {
                prop_assert_eq!(why, Why::NotHealthyInTime);
                let often = matches!(began, Began::Ordinary { starts } if starts >= STARTS_MAX);
                prop_assert!(often);
            }
            prop_assert_eq!(after_look(whole, other) == Step::Leave(Why::Damaged), !whole && other);
        }

        /// From any state, a box that finds itself well never goes back, and one that is ill commits nothing.
        #[test]
        fn only_a_fault_goes_back_and_only_health_commits(
            running in prop::option::of((1_u64..5).prop_map(Version)),
            other in prop::option::of((1_u64..5).prop_map(Version)),
            trial in any::<Option<bool>>(),
            went_back in prop::option::of(1_u64..5),
            well in any::<bool>(),
        ) {
            let last = went_back.map_or(Outcome::None, |version| Outcome::RolledBack {
                version: Version(version),
                why: Why::Unhealthy,
                detail: String::new(),
            });
            let place = Place {
                running,
                other,
                trial: trial.map(|_| Trial { slot: Slot::B, asked: 1, began: 1 }),
                is_on_trial: trial == Some(true),
                last: &last,
            };
            let health = if well { Health::Well } else { Health::Ill("store".to_owned()) };
            let settled = settle(&place, &health);
            let goes_back = matches!(settled, Settling::GoBack(_));
            prop_assert_eq!(goes_back, place.is_on_trial && !well);
            if matches!(settled, Settling::Note | Settling::NoteAndTry) {
                prop_assert!(well);
            }
            if settled == Settling::NoteAndTry {
                prop_assert!(other > running && place.trial.is_none());
                prop_assert!(went_back.map(Version) != other);
            }
        }
    }

    #[test]
    fn a_slot_that_is_started_in_vain_is_looked_at_and_then_left() {
        let steps: Vec<Step> = (1..=STARTS_MAX)
            .map(|starts| first_step(&Began::Ordinary { starts }, true))
            .collect();
        let left = Step::Leave(Why::NotHealthyInTime);
        assert_eq!(steps, [Step::Go, Step::Go, Step::Look, Step::Look, left]);
    }
}

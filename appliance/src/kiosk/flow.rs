//! The steps of one kiosk as data: what stands on the screen and what may come next. Pure; the shell opens and
//! closes bay sessions as the effects say.
//!
//! ```text
//! welcome ─card─► confirm ─yes─► choose ─bay─► measure ─reading─► result ─done/lift/idle─► welcome
//! ```

use std::time::Duration;

use records::ids::PatientId;

use crate::bays::attachment::{KIOSK_IDLE_ASK, KIOSK_IDLE_BAR, TrayReason};
use crate::bays::shown::Shown;

/// Time that a result stays without a touch before the kiosk asks: reading it takes longer than a tap.
const RESULT_IDLE_ASK: Duration = KIOSK_IDLE_ASK;

/// Who stands before the kiosk.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Guest {
    /// Their chart.
    pub patient: PatientId,
    /// Their name with all but the first and last sign hidden.
    pub masked_name: String,
    /// What a device may name as its subject for them.
    pub subjects: Vec<String>,
}

/// Why the kiosk sends somebody to the doctor.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Desk {
    /// No chart has this ID number.
    NotRegistered,
    /// Several charts have this ID number, or the card's name is another one.
    Unclear,
    /// The card cannot be read.
    UnreadableCard,
    /// The box cannot save: nothing is measured.
    CannotSave,
}

/// Why a measurement gave no result that can be shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Failure {
    /// The device says that it found nothing.
    NoResult,
    /// The numbers cannot be; they are in the bay's log only.
    OutOfRange,
    /// The device went away.
    DeviceGone,
}

/// What stands on the screen.
#[derive(Debug, Clone, PartialEq)]
pub enum Step {
    /// Waits for a card.
    Welcome,
    /// Looks the card up.
    Reading,
    /// Sends the person to the doctor.
    AskDoctor(Desk),
    /// "Are you 王*英?"
    Confirm(Guest),
    /// What to measure.
    Choose(Guest),
    /// Measures at a bay.
    Measure {
        /// Who.
        guest: Guest,
        /// Number of the bay.
        bay: usize,
        /// Whether somebody pressed start here; where the device has a start key of its own it stays `false`.
        started: bool,
    },
    /// The result in large type.
    Result {
        /// Who.
        guest: Guest,
        /// Number of the bay.
        bay: usize,
        /// What was measured.
        shown: Shown,
    },
    /// The reading waits for a person to say whose it is.
    Handed {
        /// Who.
        guest: Guest,
        /// Number of the bay.
        bay: usize,
        /// Why.
        reason: TrayReason,
    },
    /// No result.
    Failed {
        /// Who.
        guest: Guest,
        /// Number of the bay.
        bay: usize,
        /// Why.
        failure: Failure,
    },
}

/// What the shell does for the kiosk.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Effect {
    /// Find the chart of the card on the reader; answer by [`Flow::looked_up`].
    LookUp,
    /// Open a session for the guest at this bay.
    Open(Guest, usize),
    /// Start the device of this bay.
    Start(usize),
    /// Close the session at this bay.
    Close(usize),
    /// The guest touched the screen: a sign for the session at this bay.
    Touch(usize),
}

/// What a guest can press.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Press {
    /// "Yes, that is me."
    Yes,
    /// "No", "back", "done": ends the visit at the kiosk.
    Leave,
    /// Measure at this bay.
    Bay(usize),
    /// "I am ready": start the device.
    Start,
    /// Measure again.
    Again,
    /// Back to the choice.
    Other,
    /// "I am still here", or any touch.
    Stay,
}

/// The state of one kiosk.
#[derive(Debug, Clone)]
pub struct Flow {
    step: Step,
    last_touch: Duration,
    changes: u64,
}

impl Flow {
    /// A kiosk that waits for a card.
    pub fn new(now: Duration) -> Self {
        Self {
            step: Step::Welcome,
            last_touch: now,
            changes: 0,
        }
    }

    /// What stands on the screen.
    pub fn step(&self) -> &Step {
        &self.step
    }

    /// Counts the changes of the screen; a page that shows an older one is renewed.
    pub fn changes(&self) -> u64 {
        self.changes
    }

    /// Whether the kiosk asks "are you still there?", and for how long it still does.
    pub fn asks_still_there(&self, now: Duration) -> Option<Duration> {
        let ask = self.idle_ask()?;
        let idle = now.saturating_sub(self.last_touch);
        (idle >= ask).then(|| (ask + KIOSK_IDLE_BAR).saturating_sub(idle))
    }

    fn idle_ask(&self) -> Option<Duration> {
        match &self.step {
            Step::Welcome => None,
            Step::Result { .. } => Some(RESULT_IDLE_ASK),
            Step::Reading
            | Step::AskDoctor(_)
            | Step::Confirm(_)
            | Step::Choose(_)
            | Step::Measure { .. }
            | Step::Handed { .. }
            | Step::Failed { .. } => Some(KIOSK_IDLE_ASK),
        }
    }

    fn go(&mut self, step: Step, now: Duration) {
        if self.step != step {
            self.changes += 1;
        }
        self.step = step;
        self.last_touch = now;
    }

    /// Clears the screen, and ends what was under way.
    fn clear(&mut self, now: Duration) -> Option<Effect> {
        let effect = self.bay_in_use().map(Effect::Close);
        self.go(Step::Welcome, now);
        effect
    }

    fn bay_in_use(&self) -> Option<usize> {
        match &self.step {
            Step::Measure { bay, .. } | Step::Handed { bay, .. } | Step::Failed { bay, .. } => Some(*bay),
            Step::Welcome
            | Step::Reading
            | Step::AskDoctor(_)
            | Step::Confirm(_)
            | Step::Choose(_)
            | Step::Result { .. } => None,
        }
    }

    /// A card was put on the reader: whoever was here before is gone.
    pub fn card(&mut self, now: Duration) -> Vec<Effect> {
        let closed = self.clear(now);
        self.go(Step::Reading, now);
        closed.into_iter().chain([Effect::LookUp]).collect()
    }

    /// The reader could not read the card.
    pub fn card_unreadable(&mut self, now: Duration) -> Option<Effect> {
        let closed = self.clear(now);
        self.go(Step::AskDoctor(Desk::UnreadableCard), now);
        closed
    }

    /// The card was taken from the reader.
    pub fn card_lifted(&mut self, now: Duration) -> Option<Effect> {
        match &self.step {
            // What sends somebody to the doctor names nobody and stays until it was read.
            Step::Welcome | Step::AskDoctor(_) => None,
            Step::Reading
            | Step::Confirm(_)
            | Step::Choose(_)
            | Step::Measure { .. }
            | Step::Result { .. }
            | Step::Handed { .. }
            | Step::Failed { .. } => self.clear(now),
        }
    }

    /// The chart of the card, or why there is none.
    pub fn looked_up(&mut self, found: Result<Guest, Desk>, now: Duration) {
        if self.step != Step::Reading {
            return;
        }
        match found {
            Ok(guest) => self.go(Step::Confirm(guest), now),
            Err(desk) => self.go(Step::AskDoctor(desk), now),
        }
    }

    /// The guest pressed something. What the present step does not offer changes nothing: a page that was
    /// drawn earlier, or a button pressed twice.
    pub fn press(&mut self, press: Press, now: Duration) -> Option<Effect> {
        self.last_touch = now;
        match (press, self.step.clone()) {
            (Press::Yes, Step::Confirm(guest)) => self.go(Step::Choose(guest), now),
            (Press::Leave, _) => return self.clear(now),
            (Press::Bay(bay), Step::Choose(guest)) => return Some(self.measure(guest, bay, now)),
            (
                Press::Again,
                Step::Result { guest, bay, .. }
                | Step::Handed { guest, bay, .. }
                | Step::Failed { guest, bay, .. },
            ) => return Some(self.measure(guest, bay, now)),
            (
                Press::Other,
                Step::Measure { guest, .. }
                | Step::Result { guest, .. }
                | Step::Handed { guest, .. }
                | Step::Failed { guest, .. },
            ) => {
                let closed = self.bay_in_use().map(Effect::Close);
                self.go(Step::Choose(guest), now);
                return closed;
            }
            (
                Press::Start,
                Step::Measure {
                    guest,
                    bay,
                    started: false,
                },
            ) => {
                self.go(
                    Step::Measure {
                        guest,
                        bay,
                        started: true,
                    },
                    now,
                );
                return Some(Effect::Start(bay));
            }
            (Press::Stay, Step::Measure { bay, .. }) => return Some(Effect::Touch(bay)),
            (Press::Yes | Press::Bay(_) | Press::Start | Press::Again | Press::Other | Press::Stay, _) => {}
        }
        None
    }

    fn measure(&mut self, guest: Guest, bay: usize, now: Duration) -> Effect {
        self.go(
            Step::Measure {
                guest: guest.clone(),
                bay,
                started: false,
            },
            now,
        );
        Effect::Open(guest, bay)
    }

    /// A reading was attached to the guest and saved; `true` if the guest of this kiosk sees it.
    pub fn attached(&mut self, at_bay: usize, patient: PatientId, shown: Shown, now: Duration) -> bool {
        let Some(guest) = self
            .guest_measured_at(at_bay)
            .filter(|guest| guest.patient == patient)
        else {
            return false;
        };
        self.go(
            Step::Result {
                guest,
                bay: at_bay,
                shown,
            },
            now,
        );
        true
    }

    /// A reading at the guest's bay went to the tray.
    pub fn handed(&mut self, at_bay: usize, reason: TrayReason, now: Duration) {
        if let Some(guest) = self.guest_measured_at(at_bay) {
            self.go(
                Step::Handed {
                    guest,
                    bay: at_bay,
                    reason,
                },
                now,
            );
        }
    }

    /// The measurement at the guest's bay gave no result.
    pub fn failed(&mut self, at_bay: usize, failure: Failure, now: Duration) {
        if let Some(guest) = self.guest_measured_at(at_bay) {
            self.go(
                Step::Failed {
                    guest,
                    bay: at_bay,
                    failure,
                },
                now,
            );
        }
    }

    /// The box cannot save: nothing is measured for this guest.
    pub fn cannot_save(&mut self, at_bay: usize, now: Duration) -> Option<Effect> {
        self.guest_measured_at(at_bay)?;
        let closed = self.clear(now);
        self.go(Step::AskDoctor(Desk::CannotSave), now);
        closed
    }

    /// Another session took the bay, or the guest's one ended.
    pub fn session_ended(&mut self, at_bay: usize, now: Duration) {
        if let Some(guest) = self.guest_measured_at(at_bay) {
            self.go(Step::Choose(guest), now);
        }
    }

    fn guest_measured_at(&self, at_bay: usize) -> Option<Guest> {
        match &self.step {
            Step::Measure { guest, bay, .. } if *bay == at_bay => Some(guest.clone()),
            Step::Handed { guest, bay, .. } | Step::Failed { guest, bay, .. } if *bay == at_bay => {
                Some(guest.clone())
            }
            Step::Welcome
            | Step::Reading
            | Step::AskDoctor(_)
            | Step::Confirm(_)
            | Step::Choose(_)
            | Step::Measure { .. }
            | Step::Result { .. }
            | Step::Handed { .. }
            | Step::Failed { .. } => None,
        }
    }

    /// Clears the screen where nobody touched it for too long.
    pub fn tick(&mut self, now: Duration) -> Option<Effect> {
        let ask = self.idle_ask()?;
        if now.saturating_sub(self.last_touch) < ask + KIOSK_IDLE_BAR {
            return None;
        }
        self.clear(now)
    }
}

/// A name with all but its first and last sign hidden; of two signs only the first is shown.
pub fn masked(name: &str) -> String {
    let signs: Vec<char> = name.trim().chars().collect();
    match signs.as_slice() {
        [] => String::new(),
        [only] => only.to_string(),
        [first, _] => format!("{first}*"),
        [first, middle @ .., last] => {
            let stars = "*".repeat(middle.len().min(3));
            format!("{first}{stars}{last}")
        }
    }
}

#[cfg(test)]
#[path = "flow_tests.rs"]
mod tests;

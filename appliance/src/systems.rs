//! What the card of the box says of the systems on it: which one starts, what lies in the other slot, and how the last
//! update ended. Reads only.

use card::FileDevice;
use card::layout::Slot;
use card::slots::{Card, SlotFault};
use card::state::{Outcome, Version};

use serde_json::{Value, json};

use crate::config::CardConfig;
use crate::update::work::Said;

/// The systems of a box.
#[derive(Debug)]
pub enum Systems {
    /// The machine does not start from a card of ours.
    NoCard,
    /// The card cannot be read, and why.
    Unreadable(String),
    /// What it says.
    Read(Standing),
}

/// The systems of a card.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Standing {
    /// The slot that ordinary starts take.
    pub starts: Slot,
    /// What lies there.
    pub version: Option<Version>,
    /// What lies in the other slot, whole; `None` where it is empty.
    pub other: Option<Version>,
    /// Whether the other slot is on trial.
    pub on_trial: bool,
    /// How the last trial ended, with its reason.
    pub last: Outcome,
    /// The answer to the last bundle since this start.
    pub said: Option<Said>,
}

impl Standing {
    /// Whether a new system was installed and waits for its trial.
    pub fn is_ready(&self) -> bool {
        !self.on_trial && self.other > self.version
    }
}

/// Reads the card where there is one; waits for it where it holds up nobody.
pub async fn of(config: Option<CardConfig>) -> Systems {
    let Some(config) = config else {
        return Systems::NoCard;
    };
    match tokio::task::spawn_blocking(move || read_now(&config)).await {
        Ok(systems) => systems,
        Err(fault) => Systems::Unreadable(fault.to_string()),
    }
}

/// Reads the card now; waits for it.
pub fn read_now(config: &CardConfig) -> Systems {
    read(config).map_or_else(Systems::Unreadable, Systems::Read)
}

/// How a trial ended, as scripts read it.
pub fn told(last: &Outcome) -> Value {
    match last {
        Outcome::None => Value::Null,
        Outcome::Committed(version) => json!({ "committed": version.0 }),
        Outcome::RolledBack { version, why, detail } => {
            json!({ "rolled_back": version.0, "why": format!("{why:?}"), "detail": detail })
        }
    }
}

/// One sentence where it cannot be read.
fn read(config: &CardConfig) -> Result<Standing, String> {
    let said = |fault: SlotFault| fault.to_string();
    let device = FileDevice::open_to_read(&config.device).map_err(|error| error.to_string())?;
    let mut card = Card::open(device).map_err(said)?;
    let starts = card.selected().map_err(said)?.ok_or("it selects no system")?;
    let state = card.state();
    let version = |slot| state.system(slot).map(|system| system.version);
    Ok(Standing {
        starts,
        version: version(starts),
        other: version(starts.other()),
        on_trial: state.trial.is_some(),
        last: state.last.clone(),
        said: Said::last(config),
    })
}

#[cfg(test)]
#[path = "systems_tests.rs"]
mod tests;

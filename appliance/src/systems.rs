//! What the card of the box says of the systems on it: which one starts, what lies in the other slot, and how the last
//! update ended. Reads only.

use std::path::Path;

use card::FileDevice;
use card::layout::Slot;
use card::slots::{Card, SlotFault};
use card::state::{Outcome, Version};

use crate::config::CardConfig;

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
}

/// Reads the card where there is one; waits for it where it holds up nobody.
pub async fn of(config: Option<CardConfig>) -> Systems {
    let Some(config) = config else {
        return Systems::NoCard;
    };
    match tokio::task::spawn_blocking(move || read(&config.device)).await {
        Ok(Ok(standing)) => Systems::Read(standing),
        Ok(Err(why)) => Systems::Unreadable(why),
        Err(fault) => Systems::Unreadable(fault.to_string()),
    }
}

/// One sentence where it cannot be read.
fn read(path: &Path) -> Result<Standing, String> {
    let said = |fault: SlotFault| fault.to_string();
    let device = FileDevice::open_to_read(path).map_err(|error| error.to_string())?;
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
    })
}

#[cfg(test)]
#[path = "systems_tests.rs"]
mod tests;

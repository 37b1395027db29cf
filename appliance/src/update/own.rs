//! What a box knows of itself when it is offered a bundle: from the card, and from what the first program said.

use std::fs::{self, File};
use std::path::Path;

use card::FileDevice;
use card::bundle::{DataForms, Taker};
use card::identity;
use card::layout::Slot;
use card::signed::PublicKey;
use card::slots::Card;
use card::state::{Outcome, System};

use super::UpdateFault;
use crate::config::CardConfig;

/// The forms of data that this program knows.
pub const DATA: DataForms = DataForms {
    oldest: store::FORMS.oldest,
    newest: store::FORMS.newest,
    writes: store::FORMS.writes,
};

/// A box as its card and its first program tell it.
#[derive(Debug, Clone)]
pub struct Own {
    /// Its county.
    pub county: String,
    /// Its board.
    pub board: String,
    /// The slot that runs.
    pub slot: Slot,
    /// What runs.
    pub running: System,
    /// How the last trial ended.
    pub last: Outcome,
    /// The keys that it believes.
    pub keys: Vec<PublicKey>,
}

impl Own {
    /// Reads it.
    ///
    /// # Errors
    /// [`UpdateFault`].
    pub fn read(config: &CardConfig) -> Result<Self, UpdateFault> {
        let keys = vec![county_key(config)?];
        let (slot, board) = (slot(config)?, said(config, "board", "its board")?);
        let mut card = open_to_read(config)?;
        let layout = card.layout().clone();
        let (identity, _) = identity::read(card.parts().0, &layout, &keys)?;
        let state = card.state();
        Ok(Self {
            county: identity.county,
            board,
            slot,
            running: *state.system(slot).ok_or(UpdateFault::UnknownSystem)?,
            last: state.last.clone(),
            keys,
        })
    }

    /// As a bundle is judged.
    pub fn taker(&self) -> Taker<'_> {
        Taker {
            county: &self.county,
            hardware: &self.board,
            running: &self.running,
            data: DATA,
            last: &self.last,
        }
    }
}

/// The county's key, of which a provisioned image holds the public half.
///
/// # Errors
/// [`UpdateFault`].
pub fn county_key(config: &CardConfig) -> Result<PublicKey, UpdateFault> {
    let path = &config.county_key;
    let text = fs::read_to_string(path).map_err(UpdateFault::file(path))?;
    Ok(PublicKey::parse(text.trim())?)
}

/// The slot that runs.
///
/// # Errors
/// [`UpdateFault::NotSaid`].
pub fn slot(config: &CardConfig) -> Result<Slot, UpdateFault> {
    match said(config, "slot", "its slot")?.as_str() {
        "A" => Ok(Slot::A),
        "B" => Ok(Slot::B),
        _ => Err(UpdateFault::NotSaid("its slot")),
    }
}

fn said(config: &CardConfig, name: &str, what: &'static str) -> Result<String, UpdateFault> {
    let text = fs::read_to_string(config.run.join(name)).map_err(|_| UpdateFault::NotSaid(what))?;
    let text = text.trim();
    if text.is_empty() {
        return Err(UpdateFault::NotSaid(what));
    }
    Ok(text.to_owned())
}

fn open_to_read(config: &CardConfig) -> Result<Card<FileDevice>, UpdateFault> {
    let path = &config.device;
    let device = FileDevice::open_to_read(path).map_err(UpdateFault::file(path))?;
    Ok(Card::open(device)?)
}

/// The card for writing, with a lock that keeps other programs of this box off it until it is dropped.
#[derive(Debug)]
pub struct Held {
    /// The card.
    pub card: Card<FileDevice>,
    _lock: File,
}

impl Held {
    /// Waits for the lock and opens the card.
    ///
    /// # Errors
    /// [`UpdateFault`].
    pub fn open(config: &CardConfig) -> Result<Self, UpdateFault> {
        let lock = lock(&config.run.join("lock"))?;
        let path = &config.device;
        let device = FileDevice::open_in_use(path).map_err(UpdateFault::file(path))?;
        Ok(Self {
            card: Card::open(device)?,
            _lock: lock,
        })
    }
}

fn lock(path: &Path) -> Result<File, UpdateFault> {
    let file = File::create(path).map_err(UpdateFault::file(path))?;
    file.lock().map_err(UpdateFault::file(path))?;
    Ok(file)
}

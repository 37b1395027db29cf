//! What is done for the pages by the program that may write the card: it answers every request in the mailbox.

use std::fs::{self, File};
use std::io;
use std::path::Path;

use card::bundle::Bundle;
use card::identity;
use card::starting::Restart;
use card::state::Version;
use serde::{Deserialize, Serialize};

use super::own::Held;
use super::{Mailbox, Own, UpdateFault};
use crate::config::CardConfig;

/// File of the last answer, beside what the first program said.
const SAID: &str = "update.json";

/// The answer to the last bundle.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "what", rename_all = "snake_case")]
pub enum Said {
    /// It is being written to the other slot.
    Installing,
    /// It lies in the other slot and is tried at the next start.
    Installed {
        /// Its version.
        version: u64,
    },
    /// It was not installed.
    Refused {
        /// Key of the page's text.
        text: String,
        /// The sentence for logs and scripts.
        why: String,
    },
}

impl Said {
    /// The last answer since this start.
    pub fn last(config: &CardConfig) -> Option<Self> {
        let text = fs::read(config.run.join(SAID)).ok()?;
        serde_json::from_slice(&text).ok()
    }

    fn keep(&self, config: &CardConfig) {
        let text = serde_json::to_vec(self).unwrap_or_default();
        let kept = fs::write(config.run.join(SAID), text);
        if let Err(error) = kept {
            tracing::warn!(%error, "the answer to the update is not shown");
        }
    }
}

/// Answers every request. A refused one is gone, too: it would be refused again.
///
/// # Errors
/// The first fault, after all requests were answered.
pub fn work(
    config: &CardConfig,
    mailbox: &Mailbox,
    moved: impl FnMut(u64),
) -> Result<Option<Restart>, UpdateFault> {
    let token = answer(mailbox, &mailbox.token_used(), || clear_token(config));
    let bundle = answer(mailbox, &mailbox.bundle(), || {
        install_and_say(config, &mailbox.bundle(), moved)
    });
    let restart = answer(mailbox, &mailbox.restart(), || try_now(config));
    token?;
    bundle?;
    restart
}

fn answer<T>(
    mailbox: &Mailbox,
    request: &Path,
    doing: impl FnOnce() -> Result<T, UpdateFault>,
) -> Result<Option<T>, UpdateFault> {
    if !request.exists() {
        return Ok(None);
    }
    let done = doing();
    mailbox.answered(request).map_err(UpdateFault::file(request))?;
    done.map(Some)
}

fn clear_token(config: &CardConfig) -> Result<(), UpdateFault> {
    let mut held = Held::open(config)?;
    let layout = held.card.layout().clone();
    Ok(identity::use_up(held.card.parts().0, &layout)?)
}

fn install_and_say(
    config: &CardConfig,
    bundle: &Path,
    moved: impl FnMut(u64),
) -> Result<Version, UpdateFault> {
    Said::Installing.keep(config);
    let installed = install(config, bundle, moved);
    let said = match &installed {
        Ok(version) => Said::Installed { version: version.0 },
        Err(fault) => Said::Refused {
            text: fault.text().to_owned(),
            why: fault.to_string(),
        },
    };
    said.keep(config);
    installed
}

fn install(config: &CardConfig, path: &Path, moved: impl FnMut(u64)) -> Result<Version, UpdateFault> {
    let own = Own::read(config)?;
    let file: Result<File, io::Error> = File::open(path);
    // Who left the file may have changed it since: everything is checked again, and the unpacked systems by their
    // hashes once more as they are written.
    let mut bundle = Bundle::open(file.map_err(UpdateFault::file(path))?, &own.keys)?;
    bundle.manifest().judge(&own.taker())?;
    let mut held = Held::open(config)?;
    let system = bundle.manifest().system;
    // A power cut may come after the system was installed and before the request was gone.
    let other = own.slot.other();
    if held.card.state().system(other) != Some(&system) || !held.card.is_whole(other)? {
        bundle.install(&mut held.card, own.slot, moved)?;
    }
    Ok(system.version)
}

fn try_now(config: &CardConfig) -> Result<Restart, UpdateFault> {
    let slot = super::own::slot(config)?;
    Held::open(config)?.card.ask_for_trial(slot)?;
    Ok(Restart::Trial)
}

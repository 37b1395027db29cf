//! Systems that the hub offers: what this box says of its own, and a release that came whole is handed over like a bundle
//! from a stick.

use std::fs::{self, File};
use std::io::{self, Write};
use std::path::Path;
use std::time::Duration;

use card::state::{Outcome, Why};
use store::{Store, StoreEvent, WholeRelease};
use sync_core::wire::{SystemReport, WentBack};
use tokio::sync::broadcast::error::RecvError;

use super::{Mailbox, Own, UpdateFault, taking};
use crate::config::CardConfig;
use crate::hub_link::SOFTWARE;
use crate::state::AppState;
use crate::systems::{self, Systems};

/// Time between two looks at the card: a verdict over a trial comes from another program.
const LOOK: Duration = Duration::from_secs(60);

/// Tells the hub of the card's systems and takes what it offers, until the box stops.
pub async fn follow(state: AppState, card: CardConfig) {
    let mut changes = state.store.changes();
    let mut every = tokio::time::interval(LOOK);
    loop {
        tokio::select! {
            _ = every.tick() => tell(&state.store, &card).await,
            event = changes.recv() => match event {
                Ok(StoreEvent::SyncState) | Err(RecvError::Lagged(_)) => {}
                Ok(_) => continue,
                Err(RecvError::Closed) => return,
            },
        }
        if let Err(error) = take_whole(&state, &card).await {
            tracing::warn!(error, "the release from the hub was not taken");
        }
    }
}

/// What a box says of its systems.
pub fn report(own: &Own, on_trial: bool) -> SystemReport {
    let went_back = match &own.last {
        Outcome::RolledBack { version, why, .. } => Some((
            version.0,
            match why {
                Why::NeverBegan | Why::NotHealthyInTime => WentBack::DidNotStart,
                Why::Unhealthy | Why::Asked => WentBack::Unhealthy,
                Why::Damaged => WentBack::Damaged,
            },
        )),
        Outcome::None | Outcome::Committed(_) => None,
    };
    SystemReport {
        running: own.running.version.0,
        on_trial,
        went_back,
    }
}

/// Notes what the hub hears of this box's systems at the next contact.
pub async fn tell(store: &Store, card: &CardConfig) {
    if let Err(error) = try_to_tell(store, card).await {
        tracing::warn!(error, "the hub does not hear of this box's systems");
    }
}

async fn try_to_tell(store: &Store, card: &CardConfig) -> Result<(), String> {
    let card = card.clone();
    let read = tokio::task::spawn_blocking(move || {
        let on_trial = match systems::read_now(&card) {
            Systems::Read(standing) => {
                standing.on_trial && Some(standing.starts) != super::own::slot(&card).ok()
            }
            Systems::NoCard | Systems::Unreadable(_) => false,
        };
        Own::read(&card).map(|own| report(&own, on_trial))
    });
    let report = read.await.map_err(|error| error.to_string())?;
    let report = report.map_err(|fault| fault.to_string())?;
    let told = report.behind(SOFTWARE);
    let told = store.tell_of_systems(report.running, &told).await;
    told.map_err(|error| error.to_string())
}

async fn take_whole(state: &AppState, card: &CardConfig) -> Result<(), String> {
    let store = &state.store;
    let whole = store.whole_release().await.map_err(|error| error.to_string())?;
    let Some(whole) = whole else {
        return Ok(());
    };
    // One that arrives from a stick just now goes first.
    if !state.updates.begin(whole.offer.length()) {
        return Ok(());
    }
    let taken = take(store, card, &whole).await;
    state.updates.ended(&taken);
    let taken = taken.map_err(|fault| fault.to_string());
    // Refused once, it would be refused again; a fault of this machine may pass, and a later release comes anyway.
    store
        .release_done(whole.doc)
        .await
        .map_err(|error| error.to_string())?;
    taken.map(|version| tracing::info!(%version, "a release from the hub waits for its installing"))
}

async fn take(
    store: &Store,
    card: &CardConfig,
    whole: &WholeRelease,
) -> Result<card::state::Version, UpdateFault> {
    let mailbox = Mailbox::of(store.folder());
    let path = mailbox.fetched();
    let written = write(store, &mailbox, &path, whole).await;
    let (card, from) = (card.clone(), path.clone());
    let taken = match written {
        Err(error) => Err(UpdateFault::file(&path)(error)),
        Ok(()) => {
            tokio::task::spawn_blocking(move || taking::take(&from, &Own::read(&card)?, &mailbox, |_| {}))
                .await
                .unwrap_or(Err(UpdateFault::BrokenOff))
        }
    };
    let _ = fs::remove_file(&path);
    taken
}

async fn write(store: &Store, mailbox: &Mailbox, path: &Path, whole: &WholeRelease) -> io::Result<()> {
    mailbox.make()?;
    let mut file = File::create(path)?;
    for (blob, _) in &whole.offer.pieces {
        let bytes = store.blob(*blob).await.map_err(io::Error::other)?;
        file.write_all(&bytes.ok_or(io::ErrorKind::NotFound)?)?;
    }
    Ok(())
}

//! Who the box is, from its card: a provisioned box joins its hub at its first start, without a keyboard.
//!
//! The row names the hub and its certificate; the one-time token beside it is overwritten on the card once the box has
//! joined. A power cut between the two is made good at the next start.

use std::io;
use std::path::{Path, PathBuf};

use card::FileDevice;
use card::identity::{self, Identity, IdentityFault, Kept};
use card::layout::{Layout, LayoutFault};
use card::signed::{BadKey, PublicKey};
use store::StoreError;
use sync_core::backoff::Backoff;

use crate::config::CardConfig;
use crate::hub_link::{HubLink, JoinFault};
use crate::update::Mailbox;

/// Why the box did not join by its card.
#[derive(Debug, thiserror::Error)]
pub enum CardFault {
    /// A file cannot be opened.
    #[error("cannot open {0}: {1}")]
    Open(PathBuf, io::Error),
    /// The county's key is none.
    #[error("the county's key: {0}")]
    Key(#[from] BadKey),
    /// The card's partitions cannot be read.
    #[error(transparent)]
    Layout(#[from] LayoutFault),
    /// The row is missing or not believed.
    #[error(transparent)]
    Identity(#[from] IdentityFault),
    /// The hub.
    #[error(transparent)]
    Join(#[from] JoinFault),
    /// The store.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// Reading the card ended by a panic.
    #[error("reading the card was broken off")]
    BrokenOff,
}

impl CardFault {
    /// Whether the next try may end otherwise without a person.
    fn may_pass(&self) -> bool {
        matches!(
            self,
            Self::Join(JoinFault::Unreached | JoinFault::NotThisHub | JoinFault::Refused)
        )
    }
}

/// What a try came to.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Tried {
    /// The box joined as this clinic's.
    Joined(String),
    /// It had joined before; the token is gone now.
    TokenCleared,
    /// The row was used before.
    Used,
}

/// Joins by the card, and tries again until it is done or needs a person.
pub(crate) async fn join(link: HubLink, card: CardConfig, mailbox: Mailbox) {
    let mut backoff = Backoff::default();
    loop {
        let wait = match attempt(&link, &card, &mailbox).await {
            Ok(Tried::Joined(clinic)) => {
                tracing::info!(clinic, "the box joined its hub by the identity of its card");
                return;
            }
            Ok(Tried::TokenCleared) => {
                tracing::info!("the token on the card was used up");
                return;
            }
            Ok(Tried::Used) => return,
            Err(fault) if fault.may_pass() => {
                let wait = backoff.failed(rand::random());
                tracing::warn!(%fault, wait_ms = wait.as_millis() as u64, "not joined by the card yet");
                wait
            }
            Err(fault) => {
                tracing::error!(%fault, "the box does not join by its card: join it on its page");
                return;
            }
        };
        tokio::time::sleep(wait).await;
    }
}

async fn attempt(link: &HubLink, config: &CardConfig, mailbox: &Mailbox) -> Result<Tried, CardFault> {
    let card = config.clone();
    let (identity, kept) = on_card(move || read(&card)).await?;
    let Kept::Fresh(secrets) = kept else {
        return Ok(Tried::Used);
    };
    let was_joined = link.is_joined().await?;
    if !was_joined {
        link.join(&identity.hub, &secrets.token, Some(&identity.hub_ca))
            .await?;
    }
    // Only now: a cut before this leaves a token that the hub knows as used by this box.
    let (card, mailbox) = (config.clone(), mailbox.clone());
    on_card(move || use_up(&card, &mailbox)).await?;
    Ok(if was_joined {
        Tried::TokenCleared
    } else {
        Tried::Joined(identity.clinic)
    })
}

/// Runs a step that waits for the card where it holds up nobody.
async fn on_card<T: Send + 'static>(
    step: impl FnOnce() -> Result<T, CardFault> + Send + 'static,
) -> Result<T, CardFault> {
    let step = tokio::task::spawn_blocking(step);
    step.await.map_err(|_| CardFault::BrokenOff)?
}

pub(crate) fn read(config: &CardConfig) -> Result<(Identity, Kept), CardFault> {
    let key = std::fs::read_to_string(&config.county_key).map_err(opening(&config.county_key))?;
    let key = PublicKey::parse(key.trim())?;
    let mut device = FileDevice::open_to_read(&config.device).map_err(opening(&config.device))?;
    let layout = Layout::read(&mut device)?;
    Ok(identity::read(&mut device, &layout, &[key])?)
}

/// Overwrites the token; a process that may not write the card asks the one that may.
fn use_up(config: &CardConfig, mailbox: &Mailbox) -> Result<(), CardFault> {
    let mut device = match FileDevice::open_in_use(&config.device) {
        Err(error) if error.kind() == io::ErrorKind::PermissionDenied => {
            let request = mailbox.token_used();
            return mailbox.ask(&request).map_err(opening(&request));
        }
        opened => opened.map_err(opening(&config.device))?,
    };
    let layout = Layout::read(&mut device)?;
    Ok(identity::use_up(&mut device, &layout)?)
}

fn opening(path: &Path) -> impl FnOnce(io::Error) -> CardFault {
    let path = path.to_owned();
    move |error| CardFault::Open(path, error)
}

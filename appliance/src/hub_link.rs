//! The link to the county hub: joining it, keeping it, and what it is told to do.

use store::{Store, StoreError};
use tokio::task::JoinHandle;

use crate::state::AppState;

/// A switch in the cable.
#[derive(Debug, Clone, Default)]
pub struct Cable;

/// The link could not be started.
#[derive(Debug, thiserror::Error)]
pub enum LinkFault {
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Why the box did not join.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum JoinFault {
    /// The address is no https://HOST:PORT.
    #[error("the hub's address is not of the form https://HOST:PORT")]
    BadAddress,
    /// Nobody answers there.
    #[error("the hub does not answer")]
    Unreached,
    /// Whoever answers there does not have the key that the token names.
    #[error("whoever answers at this address is not the hub of the token")]
    NotThisHub,
    /// The token is no token, or has expired.
    #[error("the token is not valid or has expired")]
    BadToken,
    /// The token was used before.
    #[error("the token was used already")]
    TokenUsed,
    /// The box belongs to another clinic than the token.
    #[error("the token is for another clinic")]
    OtherClinic,
    /// The hub refused for another reason, or the box could not keep what it was given.
    #[error("the hub refused, or the enrolment could not be kept")]
    Refused,
}

/// The link as pages see it.
#[derive(Debug, Clone, Default)]
pub struct HubLink {}

impl HubLink {
    /// The link of this box.
    pub async fn new(_store: &Store, _hub: Option<String>, _cable: Option<Cable>) -> Result<Self, LinkFault> {
        Ok(Self {})
    }

    /// Starts the loop.
    pub fn start(&self, _state: &AppState) -> Option<JoinHandle<()>> {
        None
    }

    /// Whether the box has joined a hub.
    pub async fn is_joined(&self) -> Result<bool, StoreError> {
        Ok(false)
    }

    /// Address of the hub.
    pub fn url(&self) -> Option<String> {
        None
    }

    /// Joins.
    pub async fn join(&self, _url: &str, _token: &str) -> Result<(), JoinFault> {
        Ok(())
    }

    /// Tries at once.
    pub fn try_now(&self) {}
}

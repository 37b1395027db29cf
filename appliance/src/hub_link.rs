//! The link to the county hub: joining it, keeping it, and asking it to try at once.

use std::sync::{Arc, Mutex, PoisonError};

use link::client::{Client, ClientOptions, OnHubTime};
use link::enrol::EnrolError;
use records::ids::DeviceId;
use records::time::ClockSource;
use store::{Store, StoreError};

use crate::state::AppState;

pub use link::Cable;

/// Name under which the hub lists this program.
pub(crate) const SOFTWARE: &str = concat!("appliance ", env!("CARGO_PKG_VERSION"));

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

impl From<EnrolError> for JoinFault {
    fn from(error: EnrolError) -> Self {
        match error {
            EnrolError::BadAddress(_) => Self::BadAddress,
            EnrolError::BadToken(_) | EnrolError::ExpiredToken | EnrolError::WrongToken => Self::BadToken,
            EnrolError::NotThisHub | EnrolError::WrongCa => Self::NotThisHub,
            EnrolError::Unreached(_) => Self::Unreached,
            EnrolError::UsedToken => Self::TokenUsed,
            EnrolError::OtherClinic => Self::OtherClinic,
            EnrolError::Refused(_) | EnrolError::NotJoined => Self::Refused,
            EnrolError::Store(error) => {
                tracing::error!(%error, "the enrolment could not be kept");
                Self::Refused
            }
        }
    }
}

/// Options of the link as this program keeps it.
pub fn client_options(cable: Option<Cable>, on_hub_time: Option<OnHubTime>) -> ClientOptions {
    ClientOptions {
        cable: cable.unwrap_or_default(),
        on_hub_time,
        ..ClientOptions::new(SOFTWARE)
    }
}

/// Gives the box a new key that its old one vouches for; the device that it is from its next start on.
pub async fn change_key(store: &Store, cable: &Cable) -> Result<DeviceId, EnrolError> {
    let next = store.next_key().await?.device();
    link::enrol::change_key(store, &next.to_string(), cable).await?;
    Ok(next)
}

/// Joins a hub: the box's key is certified, the enrolment kept.
pub async fn join(
    store: &Store,
    url: &str,
    token: &str,
    hub_ca: Option<&str>,
    cable: &Cable,
) -> Result<(), EnrolError> {
    let name = store.device().to_string();
    link::enrol::join(store, url, token, hub_ca, &name, cable).await?;
    Ok(())
}

/// The link as pages see it. A cheap clone.
#[derive(Clone)]
pub struct HubLink {
    store: Store,
    hub: Option<String>,
    cable: Cable,
    client: Arc<Mutex<Option<Client>>>,
}

impl HubLink {
    /// The link of this box; nothing runs yet.
    pub fn new(store: &Store, hub: Option<String>, cable: Option<Cable>) -> Self {
        Self {
            store: store.clone(),
            hub,
            cable: cable.unwrap_or_default(),
            client: Arc::default(),
        }
    }

    /// Starts the loop that waits for an enrolment and then keeps the link.
    pub fn start(&self, state: &AppState) {
        let told = state.clone();
        let running = tokio::runtime::Handle::current();
        let on_hub_time: OnHubTime = Arc::new(move |at| {
            let told = told.clone();
            running.spawn(async move { told.offer_time(at, ClockSource::Hub).await });
        });
        let options = client_options(Some(self.cable.clone()), Some(on_hub_time));
        let client = Client::start(self.store.clone(), self.hub.clone(), options);
        *self.client.lock().unwrap_or_else(PoisonError::into_inner) = Some(client);
    }

    /// Ends the loop.
    pub async fn stop(&self) {
        let client = self.client.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(client) = client {
            client.stop().await;
        }
    }

    /// Whether the box has joined a hub.
    pub async fn is_joined(&self) -> Result<bool, StoreError> {
        Ok(self.store.enrolment().await?.is_some())
    }

    /// Address of the hub that the program was started with.
    pub fn url(&self) -> Option<String> {
        self.hub.clone()
    }

    /// Joins a hub while the box is running. `hub_ca` is the county's certificate (PEM) where it is known beforehand.
    pub async fn join(&self, url: &str, token: &str, hub_ca: Option<&str>) -> Result<(), JoinFault> {
        join(&self.store, url, token, hub_ca, &self.cable).await?;
        self.try_now();
        Ok(())
    }

    /// Tries at once.
    pub fn try_now(&self) {
        if let Some(client) = self
            .client
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .as_ref()
        {
            client.try_now();
        }
    }

    /// The switch in the cable.
    pub fn cable(&self) -> &Cable {
        &self.cable
    }
}

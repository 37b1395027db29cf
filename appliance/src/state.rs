//! What every page needs: the store, the clock, the bays, live events, and the state of the box's own network.

use std::sync::Arc;
use std::sync::atomic::AtomicUsize;

use axum::extract::FromRequestParts;
use axum::http::request::Parts;
use records::ids::{ClinicCode, PatientId};
use records::time::{ClockSource, Stamp, WallTime};
use shell::closing::Closing;
use shell::errors::PageError;
use shell::keeping::Keeping;
use shell::storage::Storage;
use store::Store;
use web::light::StatusLight;
use web::trouble::Trouble;

use crate::bays::Bays;
use crate::bays::attachment::Person;
use crate::checkup::Checkup;
use crate::clock::{Offer, SystemClock};
use crate::config::{CardConfig, KioskConfig, LanConfig};
use crate::hub_link::HubLink;
use crate::inbox::Desk;
use crate::kiosk::Kiosks;
use crate::limits::Limits;
use crate::live::Live;
use crate::opener::client::Door;
use crate::pages::update::Updates;
use crate::setup::{Lan, Radio};

/// Shared by all pages; a cheap clone.
#[derive(Clone)]
pub struct AppState {
    /// What the box keeps on disk.
    pub store: Store,
    /// The time.
    pub clock: Arc<dyn store::Clock>,
    /// The clock that can be told better; none where a test drives the time by hand.
    pub system_clock: Option<Arc<SystemClock>>,
    /// The device bays.
    pub bays: Bays,
    /// Kiosk screens.
    pub kiosks: Kiosks,
    /// Events for open pages.
    pub live: Live,
    /// The link to the hub.
    pub link: HubLink,
    /// The box's own network, where it is served.
    pub lan: Arc<Option<Lan>>,
    /// Settings of that network.
    pub lan_config: Arc<LanConfig>,
    /// The radio network that the card's row names.
    pub radio: Arc<Option<Radio>>,
    /// Settings of the kiosk.
    pub kiosk_config: Arc<KioskConfig>,
    /// The card that the box started from, where it is known.
    pub card: Arc<Option<CardConfig>>,
    /// Bounds on tries.
    pub limits: Arc<Limits>,
    /// Backups and sticks.
    pub keeping: Keeping,
    /// Bundles that arrive.
    pub updates: Updates,
    /// The acceptance test.
    pub checkup: Checkup,
    /// Tells when the box is stopping.
    pub closing: Closing,
    /// Words above every page, such as 演示数据.
    pub notice: Option<Arc<str>>,
    /// Readings of the locked box that cannot be read.
    pub unreadable: Arc<AtomicUsize>,
}

impl AppState {
    /// Moves the clock to a better time, and notes it with the session so that earlier records can be shown
    /// corrected.
    pub async fn offer_time(&self, at: WallTime, source: ClockSource) {
        let Some(clock) = &self.system_clock else { return };
        match clock.offer(at, source) {
            Offer::Taken(behind) => {
                tracing::info!(source = source.word(), behind_ms = behind, "the clock was set");
                if let Err(error) = self.store.note_clock(Stamp { at, source }).await {
                    tracing::warn!(%error, "the clock's note was not kept");
                }
            }
            Offer::Worse => {}
            Offer::Implausible => tracing::warn!(source = source.word(), "an implausible time was offered"),
        }
    }

    /// The opener of a box whose data a person opens; `None` on any other.
    pub(crate) fn door(&self) -> Option<Door> {
        crate::inbox::door_of(self.card.as_ref().as_ref())
    }

    /// Where readings of the locked box are taken in; `None` where its data need no person.
    pub(crate) fn desk(&self) -> Option<Desk> {
        Desk::of(
            self.card.as_ref().as_ref(),
            &self.store,
            Arc::clone(&self.unreadable),
        )
    }

    /// The clinic that the box belongs to.
    pub async fn clinic(&self) -> Result<ClinicCode, PageError> {
        self.store.clinic().await?.ok_or(PageError(Trouble::NotFound))
    }

    /// What the status light shows, from stored facts.
    pub async fn light(&self) -> Result<StatusLight, store::StoreError> {
        crate::status::light(self).await
    }

    /// What the data folder lies on.
    pub fn storage(&self) -> Storage {
        Storage::of(self.store.folder())
    }

    /// A patient as the person of a bay session; `None` where there is no such chart.
    pub async fn person(&self, patient: PatientId) -> Result<Option<Person>, store::StoreError> {
        let chart = self.store.chart(patient).await?;
        Ok(chart.map(|chart| Person {
            patient,
            subjects: crate::kiosk::subjects(&chart.value),
        }))
    }

    /// Notes the time that the system's time service told.
    pub async fn note_time(&self) {
        if let Err(error) = self.store.note_clock(self.clock.now()).await {
            tracing::warn!(%error, "the clock's note was not kept");
        }
    }
}

/// By which listener a request came.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Transport {
    /// Plain HTTP on this machine.
    Loopback,
    /// HTTPS on the local network.
    Lan,
}

impl<S: Send + Sync> FromRequestParts<S> for Transport {
    type Rejection = std::convert::Infallible;

    async fn from_request_parts(parts: &mut Parts, _state: &S) -> Result<Self, Self::Rejection> {
        Ok(parts.extensions.get::<Self>().copied().unwrap_or(Self::Loopback))
    }
}

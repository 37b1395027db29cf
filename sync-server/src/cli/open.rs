//! Opening the hub's data folder for a verb.

use std::path::Path;
use std::sync::Arc;

use shell::opening::{self, OpeningFault};
use shell::verbs::{Failure, chain};
use store::{Address, BlobStore, Mode, OpenError, Side, Store};

use super::{AboutArgs, Place, place};
use crate::clinics;
use crate::clock::HubClock;

/// Opens the folder for a verb that works beside a running `serve`. A folder that holds nothing yet is begun.
pub(super) async fn beside_or_new(place: &Place) -> Result<Store, Failure> {
    begun(&place.data, place.database()?, place.blobs()?).await
}

/// The same for a verb that names the folder only.
pub(super) async fn folder_or_new(data: &Path) -> Result<Store, Failure> {
    begun(data, place::of_environment()?, place::blobs_of_environment()?).await
}

async fn begun(data: &Path, database: Option<Address>, blobs: Option<BlobStore>) -> Result<Store, Failure> {
    let missing = |fault: &OpeningFault| {
        matches!(
            fault,
            OpeningFault::Refused {
                why: OpenError::Missing,
                ..
            }
        )
    };
    let opened = match open(data, &database, &blobs, Mode::Beside).await {
        Err(fault) if missing(&fault) => open(data, &database, &blobs, Mode::Serve).await,
        opened => opened,
    };
    opened.map_err(|fault| Failure::new(fault.to_string()))
}

/// Opens the folder for a verb that reads, also beside a running `serve`.
pub(super) async fn beside(place: &Place) -> Result<Store, Failure> {
    let opened = open(&place.data, &place.database()?, &place.blobs()?, Mode::Beside).await;
    opened.map_err(|fault| Failure::new(fault.to_string()))
}

/// The same for a verb that tells of the county or of one clinic, which must be there.
pub(super) async fn about(args: &AboutArgs) -> Result<Store, Failure> {
    let store = beside(&args.place).await?;
    if let Some(code) = &args.clinic {
        let known = clinics::find(&store, code).await;
        known.map_err(|error| Failure::new(chain(&error)))?;
    }
    Ok(store)
}

/// The same for a verb that names the folder only.
pub(super) async fn folder(data: &Path) -> Result<Store, Failure> {
    let opened = open(
        data,
        &place::of_environment()?,
        &place::blobs_of_environment()?,
        Mode::Beside,
    )
    .await;
    opened.map_err(|fault| Failure::new(fault.to_string()))
}

/// Opens the folder for a verb that writes documents: no `serve` may run beside it.
pub(super) async fn alone(data: &Path) -> Result<Store, Failure> {
    let opened = open(
        data,
        &place::of_environment()?,
        &place::blobs_of_environment()?,
        Mode::Serve,
    )
    .await;
    opened.map_err(|fault| Failure::new(fault.to_string()))
}

/// A copy of the database that the arguments name, for reading.
pub(super) async fn copy(place: &Place, copy: Address) -> Result<Store, Failure> {
    let opened = open(&place.data, &Some(copy), &place.blobs()?, Mode::Beside).await;
    opened.map_err(|fault| Failure::new(fault.to_string()))
}

/// Opens what the arguments name for a verb that writes alone.
pub(super) async fn alone_at(place: &Place) -> Result<Store, Failure> {
    let opened = open(&place.data, &place.database()?, &place.blobs()?, Mode::Serve).await;
    opened.map_err(|fault| Failure::new(fault.to_string()))
}

async fn open(
    data: &Path,
    database: &Option<Address>,
    blobs: &Option<BlobStore>,
    mode: Mode,
) -> Result<Store, OpeningFault> {
    let options = store::OpenOptions {
        database: database.clone(),
        blobs: blobs.clone(),
        ..opening::options(Side::Hub, Arc::new(HubClock::start()), mode)
    };
    opening::open(data, options).await
}

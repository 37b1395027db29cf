//! Opening the hub's data folder for a verb.

use std::path::Path;
use std::sync::Arc;

use shell::opening::{self, OpeningFault};
use shell::verbs::Failure;
use store::{Mode, OpenError, Side, Store};

use crate::clock::HubClock;

/// Opens the folder for a verb that works beside a running `serve`. A folder that holds nothing yet is begun.
pub(super) async fn beside_or_new(data: &Path) -> Result<Store, Failure> {
    let missing = |fault: &OpeningFault| {
        matches!(
            fault,
            OpeningFault::Refused {
                why: OpenError::Missing,
                ..
            }
        )
    };
    let opened = match open(data, Mode::Beside).await {
        Err(fault) if missing(&fault) => open(data, Mode::Serve).await,
        opened => opened,
    };
    opened.map_err(|fault| Failure::new(fault.to_string()))
}

/// Opens the folder for a verb that reads, also beside a running `serve`.
pub(super) async fn beside(data: &Path) -> Result<Store, Failure> {
    let opened = open(data, Mode::Beside).await;
    opened.map_err(|fault| Failure::new(fault.to_string()))
}

/// Opens the folder for a verb that writes documents: no `serve` may run beside it.
pub(super) async fn alone(data: &Path) -> Result<Store, Failure> {
    let opened = open(data, Mode::Serve).await;
    opened.map_err(|fault| Failure::new(fault.to_string()))
}

async fn open(data: &Path, mode: Mode) -> Result<Store, OpeningFault> {
    opening::open(
        data,
        opening::options(Side::Hub, Arc::new(HubClock::start()), mode),
    )
    .await
}

//! Opening the box's data folder for a verb.

use std::path::Path;
use std::sync::Arc;

use shell::opening;
use shell::verbs::Failure;
use store::{Mode, Side, Store};

use crate::clock::SystemClock;

/// Opens the folder for a verb that writes documents: no `serve` may run beside it.
pub(super) async fn alone(data: &Path) -> Result<Store, Failure> {
    open(data, Mode::Serve).await
}

/// Opens the folder for a verb that reads, also beside a running `serve`.
pub(super) async fn beside(data: &Path) -> Result<Store, Failure> {
    open(data, Mode::Beside).await
}

async fn open(data: &Path, mode: Mode) -> Result<Store, Failure> {
    let options = opening::options(Side::Box, Arc::new(SystemClock::start()), mode);
    let opened = opening::open(data, options).await;
    opened.map_err(|error| Failure::new(error.to_string()))
}

//! Opening a data folder for a verb: who may write, and what is said when it is in use or not there.

use std::path::Path;
use std::sync::Arc;

use store::{Mode, OpenError, OpenOptions, Side, Store};

use super::Failure;
use crate::clock::HubClock;

/// Options of an ordinary start with this clock.
pub(crate) fn options(clock: Arc<dyn store::Clock>, mode: Mode) -> OpenOptions {
    let random = Box::new(|bytes: &mut [u8]| rand::fill(bytes));
    OpenOptions {
        mode,
        ..OpenOptions::new(Side::Hub, clock, random)
    }
}

/// Opens the folder for a verb that works beside a running `serve`. A folder that holds nothing yet is begun.
pub(crate) async fn beside_or_new(data: &Path) -> Result<Store, Failure> {
    match open(data, Mode::Beside).await? {
        Ok(store) => Ok(store),
        Err(OpenError::Missing) => {
            let begun = open(data, Mode::Serve).await?;
            begun.map_err(|error| Failure::new(sentence(data, &error)))
        }
        Err(error) => Err(Failure::new(sentence(data, &error))),
    }
}

/// Opens the folder for a verb that reads, also beside a running `serve`.
pub(crate) async fn beside(data: &Path) -> Result<Store, Failure> {
    let opened = open(data, Mode::Beside).await?;
    opened.map_err(|error| Failure::new(sentence(data, &error)))
}

async fn open(data: &Path, mode: Mode) -> Result<Result<Store, OpenError>, Failure> {
    let folder = data.to_owned();
    let clock = Arc::new(HubClock::start());
    let opened = tokio::task::spawn_blocking(move || Store::open(&folder, options(clock, mode))).await;
    opened.map_err(|_| Failure::new("opening the data folder ended unexpectedly"))
}

/// Why a folder cannot be opened, and what to do.
pub(crate) fn sentence(data: &Path, error: &OpenError) -> String {
    let folder = data.display();
    match error {
        OpenError::InUse { pid: Some(pid) } => format!(
            "data folder {folder} is in use by process {pid} (sync-server serve is running); stop it first"
        ),
        OpenError::InUse { pid: None } => {
            format!("data folder {folder} is in use (sync-server serve is running); stop it first")
        }
        OpenError::Missing => format!("data folder {folder} holds no county data yet"),
        OpenError::Newer { .. } => {
            format!("data folder {folder} was written by a newer release; install that release")
        }
        OpenError::Folder { .. }
        | OpenError::BadKey { .. }
        | OpenError::Database(_)
        | OpenError::Rebuild(_)
        | OpenError::Thread(_) => {
            format!("data folder {folder} cannot be opened: {}", super::chain(error))
        }
    }
}

//! Opening a data folder for a verb: who may write, and what is said when it is in use or not there.

use std::path::Path;
use std::sync::Arc;

use store::{Mode, OpenError, OpenOptions, Side, Store};

use super::Failure;
use crate::clock::SystemClock;

/// Options of an ordinary start with this clock.
pub(crate) fn options(clock: Arc<dyn store::Clock>, mode: Mode) -> OpenOptions {
    let random = Box::new(|bytes: &mut [u8]| rand::fill(bytes));
    OpenOptions {
        mode,
        ..OpenOptions::new(Side::Box, clock, random)
    }
}

/// Opens the folder for a verb that writes documents: no `serve` may run beside it.
pub(crate) async fn alone(data: &Path) -> Result<Store, Failure> {
    open(data, Mode::Serve).await
}

/// Opens the folder for a verb that reads, also beside a running `serve`.
pub(crate) async fn beside(data: &Path) -> Result<Store, Failure> {
    open(data, Mode::Beside).await
}

async fn open(data: &Path, mode: Mode) -> Result<Store, Failure> {
    let folder = data.to_owned();
    let clock = Arc::new(SystemClock::start());
    let opened = tokio::task::spawn_blocking(move || Store::open(&folder, options(clock, mode))).await;
    match opened {
        Ok(Ok(store)) => Ok(store),
        Ok(Err(error)) => Err(Failure::new(sentence(data, &error))),
        Err(_) => Err(Failure::new("opening the data folder ended unexpectedly")),
    }
}

/// Why a folder cannot be opened, and what to do.
pub(crate) fn sentence(data: &Path, error: &OpenError) -> String {
    let folder = data.display();
    match error {
        OpenError::InUse { pid: Some(pid) } => format!(
            "data folder {folder} is in use by process {pid} (appliance serve is running); stop it first"
        ),
        OpenError::InUse { pid: None } => {
            format!("data folder {folder} is in use (appliance serve is running); stop it first")
        }
        OpenError::Missing => no_data(data),
        OpenError::Folder { source, .. } if source.kind() == std::io::ErrorKind::NotFound => no_data(data),
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

fn no_data(data: &Path) -> String {
    format!("data folder {} holds no clinic data yet", data.display())
}

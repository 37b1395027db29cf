//! Opening a data folder: who may write, and what is said when it is in use or not there.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use store::{Clock, Mode, OpenError, OpenOptions, Side, Store};

use crate::verbs::chain;

/// Options of an ordinary start on this side with this clock.
pub fn options(side: Side, clock: Arc<dyn Clock>, mode: Mode) -> OpenOptions {
    let random = Box::new(|bytes: &mut [u8]| rand::fill(bytes));
    OpenOptions {
        mode,
        ..OpenOptions::new(side, clock, random)
    }
}

/// Why a data folder was not opened, in a sentence for whoever started the program.
#[derive(Debug, thiserror::Error)]
pub enum OpeningFault {
    /// The store refused.
    #[error("{}", sentence(*.side, .folder, .why))]
    Refused {
        /// Whose folder was wanted.
        side: Side,
        /// The folder.
        folder: PathBuf,
        /// The store's reason; the sentence says it.
        why: OpenError,
    },
    /// The thread that opened it ended by a panic.
    #[error("opening the data folder ended unexpectedly")]
    Ended,
}

/// Opens a folder off the runtime: tables may be rebuilt for minutes.
///
/// # Errors
///
/// See [`OpeningFault`].
pub async fn open(folder: &Path, options: OpenOptions) -> Result<Store, OpeningFault> {
    let (side, opens) = (options.side, folder.to_owned());
    match tokio::task::spawn_blocking(move || Store::open(&opens, options)).await {
        Ok(Ok(store)) => Ok(store),
        Ok(Err(why)) => Err(OpeningFault::Refused {
            side,
            folder: folder.to_owned(),
            why,
        }),
        Err(_) => Err(OpeningFault::Ended),
    }
}

/// Why a folder cannot be opened, and what to do.
fn sentence(side: Side, data: &Path, error: &OpenError) -> String {
    let folder = data.display();
    let (program, holds) = match side {
        Side::Box => ("appliance", "clinic"),
        Side::Hub => ("sync-server", "county"),
    };
    match error {
        OpenError::InUse { pid: Some(pid) } => format!(
            "data folder {folder} is in use by process {pid} ({program} serve is running); stop it first"
        ),
        OpenError::InUse { pid: None } => {
            format!("data folder {folder} is in use ({program} serve is running); stop it first")
        }
        OpenError::Missing => format!("data folder {folder} holds no {holds} data yet"),
        OpenError::Folder { source, .. } if source.kind() == std::io::ErrorKind::NotFound => {
            format!("data folder {folder} holds no {holds} data yet")
        }
        OpenError::RestoreCutOff => {
            format!("a restore into data folder {folder} did not finish; run {program} restore again")
        }
        OpenError::Newer { .. } => {
            format!("data folder {folder} was written by a newer release; install that release")
        }
        OpenError::Folder { .. }
        | OpenError::BadKey { .. }
        | OpenError::BoxOnServer
        | OpenError::OtherHub
        | OpenError::Database(_)
        | OpenError::Rebuild(_)
        | OpenError::Thread(_) => {
            format!("data folder {folder} cannot be opened: {}", chain(error))
        }
    }
}

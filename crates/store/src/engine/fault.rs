//! Why reading or writing failed, and the mark that a damaged file leaves.

use std::cell::Cell;
use std::path::Path;

use rusqlite::ErrorCode;
use sync_core::document::DocumentError;

use crate::folder;

/// Reading or writing failed.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// No space is left; nothing of the write was kept.
    #[error("the disk is full")]
    DiskFull,
    /// The file system or the folder takes no writes.
    #[error("the data folder is read-only")]
    ReadOnly,
    /// The database file is damaged; it is checked and set aside at the next start.
    #[error("the database is damaged")]
    Damaged,
    /// This process does not write documents: another one serves this folder.
    #[error("another process serves this folder")]
    NotServing,
    /// The database refused for another reason.
    #[error("database: {0}")]
    Database(#[source] rusqlite::Error),
    /// A document could not be read or edited.
    #[error(transparent)]
    Document(#[from] DocumentError),
    /// A stored row is not what this release writes.
    #[error("a stored {0} is unreadable")]
    Unreadable(&'static str),
    /// The store was shut down.
    #[error("the store is closed")]
    Closed,
}

thread_local! {
    /// Whether the database told of damage on this thread: errors pass through callers of every kind, the mark that
    /// has the file checked at the next start must not depend on them.
    static DAMAGE_SEEN: Cell<bool> = const { Cell::new(false) };
}

impl From<rusqlite::Error> for StoreError {
    fn from(error: rusqlite::Error) -> Self {
        let code = error.sqlite_error_code();
        match code {
            Some(ErrorCode::DiskFull) => Self::DiskFull,
            Some(ErrorCode::ReadOnly) => Self::ReadOnly,
            Some(ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase) => {
                DAMAGE_SEEN.set(true);
                Self::Damaged
            }
            Some(_) | None => Self::Database(error),
        }
    }
}

/// Leaves a mark if an answer of the database on this thread told of damage since the last time.
pub(super) fn note_damage(folder: &Path) {
    if DAMAGE_SEEN.take() && !folder::is_suspect(folder) {
        tracing::error!("the database answered with damage; it will be checked at the next start");
        folder::mark_suspect(folder);
    }
}

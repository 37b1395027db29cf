//! Why reading or writing failed, and the mark that a damaged file leaves.

use std::cell::Cell;
use std::path::Path;

use records::ids::BlobId;
use sync_core::document::DocumentError;

use crate::folder;
use crate::sql::Kind;

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
    Database(#[source] crate::sql::Error),
    /// A document could not be read or edited.
    #[error(transparent)]
    Document(#[from] DocumentError),
    /// A stored row is not what this release writes.
    #[error("a stored {0} is unreadable")]
    Unreadable(&'static str),
    /// The database on a server belongs to a hub with another root.
    #[error(
        "the database belongs to another county: county.pem and county.key.pem of a node that serves it belong into this data folder"
    )]
    OtherCounty,
    /// Blobs lie outside the database, and this process was not told where.
    #[error("the blobs lie outside the database: name the place by --blobs")]
    BlobsNotNamed,
    /// The store of the blobs failed; what is in it is not lost by that.
    #[error("the store of the blobs failed")]
    Objects(#[source] object_store::Error),
    /// The store of the blobs is another hub's.
    #[error("the store of the blobs holds those of another hub")]
    NotOurObjects,
    /// An object is missing, or is not what its name says.
    #[error("the content of {0} is missing or damaged")]
    BlobLost(BlobId),
    /// The store was shut down.
    #[error("the store is closed")]
    Closed,
}

thread_local! {
    /// Whether the database told of damage on this thread: errors pass through callers of every kind, the mark that
    /// has the file checked at the next start must not depend on them.
    static DAMAGE_SEEN: Cell<bool> = const { Cell::new(false) };
}

impl From<crate::sql::Error> for StoreError {
    fn from(error: crate::sql::Error) -> Self {
        match error.kind() {
            Kind::DiskFull => Self::DiskFull,
            Kind::ReadOnly => Self::ReadOnly,
            Kind::Damaged => {
                DAMAGE_SEEN.set(true);
                Self::Damaged
            }
            Kind::Interrupted | Kind::Other => Self::Database(error),
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

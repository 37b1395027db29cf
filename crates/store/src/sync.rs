//! What the link needs of the store.

use records::ids::{BlobId, ClinicCode, DocId};
use rusqlite::Connection;
use sync_core::document::Document;
use sync_core::identity::Position;
use sync_core::wire::Lane;

use crate::engine::{StoreError, Tx};

/// Makes the link's local tables.
pub(crate) fn create_tables(_sql: &Connection) -> rusqlite::Result<()> {
    Ok(())
}

/// A change was written into the log.
pub(crate) fn note_change(
    _tx: &Tx<'_>,
    _lane: Lane,
    _k: i64,
    _position: &Position,
    _doc: DocId,
    _length: usize,
) -> Result<(), StoreError> {
    Ok(())
}

/// A blob came with a commit.
pub(crate) fn note_blob(
    _tx: &Tx<'_>,
    _lane: Lane,
    _blob: BlobId,
    _doc: Option<DocId>,
    _length: usize,
) -> Result<(), StoreError> {
    Ok(())
}

/// An entry was written into the audit log.
pub(crate) fn note_audit(_tx: &Tx<'_>, _row: i64, _length: usize) -> Result<(), StoreError> {
    Ok(())
}

/// Whether a clinic holds a document: its own ones here, and what its feed gave it.
pub(crate) fn is_held_by(
    _sql: &Connection,
    _d: i64,
    document: &Document,
    clinic: &ClinicCode,
) -> Result<bool, StoreError> {
    Ok(document.owner().as_ref() == Some(clinic))
}

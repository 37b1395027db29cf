//! Documents that go: for ever (a purge that the hub signed), or from one clinic (it does not hold the patient any
//! more). The positions of their changes stay known as void, with sequence and hash, so that nobody sends them again;
//! of a purge the document's id stays as well and refuses what comes late.

use records::ids::{BlobId, ClinicCode, DocId};
use sync_core::identity::Position;
use sync_core::wire::FactKind;

use crate::engine::{Store, StoreError, StoreEvent, Tx};
use crate::sql::{Connection, params};
use crate::sync::{directory, facts, feeds, kept, queue, ranges};
use crate::{AuditAct, By};
use crate::{audit, derive, log, objects};

pub(crate) const TABLES: &str = "
CREATE TABLE IF NOT EXISTS link_tombstones(doc BLOB PRIMARY KEY, at INTEGER NOT NULL) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS link_void(
    s INTEGER NOT NULL, seq INTEGER NOT NULL, doc BLOB NOT NULL, hash BLOB NOT NULL, PRIMARY KEY(s, seq)) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS link_void_by_document ON link_void(doc);
";

/// Most documents in one purge.
const PURGED_MAX: usize = 4_096;

/// Whether a document was purged: it never comes back.
pub(crate) fn is_purged(sql: &Connection, doc: DocId) -> Result<bool, StoreError> {
    let mut find = sql.prepare_cached("SELECT 1 FROM link_tombstones WHERE doc = ?1")?;
    Ok(find.exists([doc.as_bytes()])?)
}

/// A change of a purged document came late: its position is known from now on, its content is not kept.
pub(crate) fn void(tx: &Tx<'_>, position: Position, doc: DocId, hash: &[u8; 32]) -> Result<(), StoreError> {
    let s = log::session_row(tx, position.actor)?;
    let mut put = tx.sql.prepare_cached(
        "INSERT INTO link_void(s, seq, doc, hash) VALUES(?1, ?2, ?3, ?4) ON CONFLICT DO NOTHING",
    )?;
    put.execute(params![s, position.seq.cast_signed(), doc.as_bytes(), hash])?;
    ranges::hold(tx.sql, s, position.seq, hash)
}

/// A position that was void holds its change again.
pub(crate) fn is_back(tx: &Tx<'_>, position: Position) -> Result<(), StoreError> {
    let s = log::session_row(tx, position.actor)?;
    tx.sql
        .prepare_cached("DELETE FROM link_void WHERE s = ?1 AND seq = ?2")?
        .execute([s, position.seq.cast_signed()])?;
    tx.sql
        .prepare_cached("DELETE FROM link_kept WHERE s = ?1 AND seq = ?2")?
        .execute([s, position.seq.cast_signed()])?;
    Ok(())
}

/// Carries a purge out: no byte of the documents is left.
pub(crate) fn carry_out(tx: &mut Tx<'_>, body: &[u8]) -> Result<(), StoreError> {
    // What is deleted from here on is overwritten in the file, not only unlinked.
    tx.sql.pragma_update("secure_delete", true)?;
    for doc in body.as_chunks::<16>().0.iter().map(|id| DocId(*id)) {
        let new = tx
            .sql
            .prepare_cached("INSERT INTO link_tombstones(doc, at) VALUES(?1, ?2) ON CONFLICT DO NOTHING")?
            .execute(params![doc.as_bytes(), tx.now.at.0])?;
        if new == 0 {
            continue;
        }
        remove(tx, doc)?;
        kept::forget(tx.sql, doc)?;
        forget_refused(tx, doc)?;
        forget_local(tx, doc)?;
        audit::append(tx, By::Hub, AuditAct::Purge, None, Some(doc))?;
    }
    tx.state.scrub = true;
    Ok(())
}

/// Changes of the document that were set aside, here or by the hub, lose their content as well.
fn forget_refused(tx: &Tx<'_>, doc: DocId) -> Result<(), StoreError> {
    tx.sql.execute(
        "INSERT INTO link_void(s, seq, doc, hash)
         SELECT s, seq, doc, hash FROM parked WHERE doc = ?1
         UNION ALL SELECT s, seq, doc, hash FROM link_refused JOIN sessions USING(device, session) WHERE doc = ?1 ON CONFLICT DO NOTHING",
        [doc.as_bytes()],
    )?;
    let mut find = tx.sql.prepare_cached("SELECT p FROM parked WHERE doc = ?1")?;
    let rows = find.query_map([doc.as_bytes()], |row| row.get(0))?;
    for p in rows.collect::<crate::sql::Result<Vec<i64>>>()? {
        feeds::forget_unread(tx, p)?;
    }
    for table in ["parked", "link_refused"] {
        tx.sql
            .execute(&format!("DELETE FROM {table} WHERE doc = ?1"), [doc.as_bytes()])?;
    }
    Ok(())
}

/// Drafts of forms about the document, and readings that were claimed into it.
fn forget_local(tx: &mut Tx<'_>, doc: DocId) -> Result<(), StoreError> {
    let named = format!("%{doc}%");
    tx.sql.execute(
        "DELETE FROM local_drafts WHERE page LIKE ?1 OR content LIKE ?1",
        [named],
    )?;
    let gone = tx
        .sql
        .execute("DELETE FROM local_tray WHERE doc = ?1", [doc.as_bytes()])?;
    if gone > 0 {
        tx.emit(StoreEvent::Tray);
    }
    Ok(())
}

/// Takes a document out of everything but the positions of its changes.
pub(crate) fn remove(tx: &mut Tx<'_>, doc: DocId) -> Result<(), StoreError> {
    forget_blobs(tx, doc)?;
    let Some(row) = log::doc_row(tx.sql, doc)? else {
        return Ok(());
    };
    let patient = log::load_row(tx.sql, row.d, doc)
        .ok()
        .and_then(|document| derive::patient_of(&document));
    let d = row.d;
    tx.sql.execute(
        "INSERT INTO link_void(s, seq, doc, hash) SELECT s, seq, ?2, hash FROM log WHERE d = ?1 ON CONFLICT DO NOTHING",
        params![d, doc.as_bytes()],
    )?;
    queue::forget_document(tx, d)?;
    feeds::forget_document(tx, d)?;
    tx.sql.execute("DELETE FROM log WHERE d = ?1", [d])?;
    for table in derive::TABLES {
        tx.sql
            .execute(&format!("DELETE FROM {table} WHERE d = ?1"), [d])?;
    }
    log::remove_doc(tx, &row)?;
    tx.emit(StoreEvent::DocChanged { doc, patient });
    Ok(())
}

/// Blobs that no other document names.
fn forget_blobs(tx: &Tx<'_>, doc: DocId) -> Result<(), StoreError> {
    let mut find = tx.sql.prepare_cached(
        "SELECT blob FROM link_blobs WHERE doc = ?1
             AND NOT EXISTS(SELECT 1 FROM link_blobs x WHERE x.blob = link_blobs.blob AND x.doc <> ?1)
         UNION SELECT blob FROM link_wanted WHERE doc = ?1",
    )?;
    let blobs = find.query_map([doc.as_bytes()], |row| Ok(BlobId(row.get(0)?)))?;
    for blob in blobs.collect::<crate::sql::Result<Vec<BlobId>>>()? {
        queue::forget_blob(tx, blob)?;
        feeds::forget_blob(tx, blob)?;
        for table in ["link_pieces", "link_wanted", "link_deferred", "link_blob_places"] {
            tx.sql
                .execute(&format!("DELETE FROM {table} WHERE blob = ?1"), [blob.as_bytes()])?;
        }
        objects::remove(tx, blob)?;
    }
    tx.sql
        .execute("DELETE FROM link_blobs WHERE doc = ?1", [doc.as_bytes()])?;
    Ok(())
}

impl Store {
    /// Hub: purges documents for ever, here and at every box. What may be purged, and that two people decided, is
    /// the caller's business. `false` where there are too many, or this hub has not drawn its keys.
    pub async fn purge(&self, clinic: &ClinicCode, docs: &[DocId]) -> Result<bool, StoreError> {
        let (clinic, body) = (
            clinic.clone(),
            docs.iter().flat_map(|doc| doc.0).collect::<Vec<u8>>(),
        );
        if docs.is_empty() || docs.len() > PURGED_MAX {
            return Ok(false);
        }
        self.write(move |tx| {
            if directory::clinic_row(tx.sql, &clinic)?.is_none() {
                return Ok(false);
            }
            let stated = facts::state_fact(tx, FactKind::Purge, &clinic, body.clone())?;
            if stated.is_some() {
                carry_out(tx, &body)?;
            }
            Ok(stated.is_some())
        })
        .await
    }

    /// Whether a document was purged.
    pub async fn is_purged(&self, doc: DocId) -> Result<bool, StoreError> {
        self.read(move |sql| is_purged(sql, doc)).await
    }
}

//! What a box put away and its hub could still lose: nobody here reads it any more, and a hub that goes back to a time
//! before it came gets it again. It goes for good once it lies inside a backup of the hub that was verified by
//! restoring it.

use records::ids::{BlobId, DocId};
use sync_core::wire::{BLOB_PIECE, BlobOffer, ChangeItem, Lane, change_hash};

use crate::engine::{StoreError, Tx};
use crate::log;
use crate::sql::{Connection, OptionalExtension, params};
use crate::sync::state;

pub(crate) const TABLES: &str = "
CREATE TABLE IF NOT EXISTS link_kept(
    kept INTEGER PRIMARY KEY, s INTEGER NOT NULL, seq INTEGER NOT NULL, doc BLOB NOT NULL, lane INTEGER NOT NULL,
    hash BLOB NOT NULL, body BLOB NOT NULL, UNIQUE(s, seq));
CREATE INDEX IF NOT EXISTS link_kept_by_document ON link_kept(doc);
CREATE TABLE IF NOT EXISTS link_kept_blobs(
    kept INTEGER PRIMARY KEY, id BLOB NOT NULL UNIQUE, doc BLOB NOT NULL, lane INTEGER NOT NULL,
    body BLOB NOT NULL);
CREATE TABLE IF NOT EXISTS link_kept_until(doc BLOB PRIMARY KEY, ends BLOB) WITHOUT ROWID;
";

/// Keeps the changes and blobs of a document that is about to be put away.
pub(crate) fn keep(tx: &Tx<'_>, doc: DocId) -> Result<(), StoreError> {
    tx.sql.execute(
        "INSERT INTO link_kept(s, seq, doc, lane, hash, body)
         SELECT s, seq, id, lane, hash, body FROM log JOIN documents USING(d) WHERE id = ?1
         ON CONFLICT DO NOTHING",
        [doc.as_bytes()],
    )?;
    tx.sql.execute(
        "INSERT INTO link_kept_blobs(id, doc, lane, body)
         SELECT id, doc, lane, body FROM link_blobs JOIN blobs ON blobs.id = link_blobs.blob WHERE doc = ?1
             AND NOT EXISTS(SELECT 1 FROM link_blobs x WHERE x.blob = link_blobs.blob AND x.doc <> ?1)
         ON CONFLICT DO NOTHING",
        [doc.as_bytes()],
    )?;
    keep_until_safe(tx, doc)
}

/// Keeps a change of a document that was put away before it came; `true` where it was not kept yet.
pub(crate) fn keep_late(tx: &Tx<'_>, lane: Lane, change: &ChangeItem) -> Result<bool, StoreError> {
    let (position, doc) = (change.position, change.doc);
    let s = log::session_row(tx, position.actor)?;
    let new = tx
        .sql
        .prepare_cached(
            "INSERT INTO link_kept(s, seq, doc, lane, hash, body) VALUES(?1, ?2, ?3, ?4, ?5, ?6)
             ON CONFLICT DO NOTHING",
        )?
        .execute(params![
            s,
            position.seq.cast_signed(),
            doc.as_bytes(),
            lane.number(),
            change_hash(&change.bytes),
            log::fold(position.actor, doc, &change.bytes)
        ])?;
    keep_until_safe(tx, doc)?;
    Ok(new > 0)
}

fn keep_until_safe(tx: &Tx<'_>, doc: DocId) -> Result<(), StoreError> {
    tx.sql
        .prepare_cached(
            "INSERT INTO link_kept_until(doc, ends) VALUES(?1, NULL) ON CONFLICT(doc) DO UPDATE SET ends = NULL",
        )?
        .execute([doc.as_bytes()])?;
    Ok(())
}

/// Everything is exchanged: what is kept lies before the ends of the feed as they are now.
pub(crate) fn settled(sql: &Connection) -> Result<(), StoreError> {
    let open = "SELECT 1 FROM link_kept_until WHERE ends IS NULL LIMIT 1";
    if !sql.prepare_cached(open)?.exists([])? {
        return Ok(());
    }
    let ends: Vec<u8> = state::feed_ends(sql)?
        .iter()
        .flat_map(|end| end.position.to_be_bytes())
        .collect();
    sql.execute("UPDATE link_kept_until SET ends = ?1 WHERE ends IS NULL", [ends])?;
    Ok(())
}

/// The hub's feed is another: where in it things lie is not known any more.
pub(crate) fn part_ways(sql: &Connection) -> Result<(), StoreError> {
    sql.execute("UPDATE link_kept_until SET ends = NULL", [])?;
    Ok(())
}

/// A verified backup of the hub holds the feed up to here: what lies before goes for good.
pub(crate) fn forget_safe(sql: &Connection, safe_through: &[u64; Lane::COUNT]) -> Result<(), StoreError> {
    let mut find = sql.prepare_cached("SELECT doc, ends FROM link_kept_until WHERE ends IS NOT NULL")?;
    let rows = find.query_map([], |row| Ok((DocId(row.get(0)?), row.get(1)?)))?;
    for (doc, ends) in rows.collect::<crate::sql::Result<Vec<(DocId, Vec<u8>)>>>()? {
        let ends = ends.as_chunks::<8>().0.iter().map(|end| u64::from_be_bytes(*end));
        if ends.zip(safe_through).all(|(end, safe)| end <= *safe) {
            forget(sql, doc)?;
        }
    }
    Ok(())
}

/// Nothing is kept of a document any more.
pub(crate) fn forget(sql: &Connection, doc: DocId) -> Result<(), StoreError> {
    for (kind, table) in [(KEPT, "link_kept"), (KEPT_BLOB, "link_kept_blobs")] {
        sql.execute(
            &format!(
                "DELETE FROM link_queue WHERE kind = ?2 AND row IN (SELECT kept FROM {table} WHERE doc = ?1)"
            ),
            params![doc.as_bytes(), kind],
        )?;
        sql.execute(&format!("DELETE FROM {table} WHERE doc = ?1"), [doc.as_bytes()])?;
    }
    sql.execute("DELETE FROM link_kept_until WHERE doc = ?1", [doc.as_bytes()])?;
    Ok(())
}

/// The row in the queue is one of the changes that are kept.
pub(crate) const KEPT: i64 = 5;
/// The row in the queue is one of the blobs that are kept.
pub(crate) const KEPT_BLOB: i64 = 6;

/// A change that is kept.
pub(crate) fn change(sql: &Connection, kept: i64) -> Result<Option<ChangeItem>, StoreError> {
    let mut find = sql.prepare_cached("SELECT s, seq, doc, hash, body FROM link_kept WHERE kept = ?1")?;
    type Found = (i64, i64, DocId, [u8; 32], Vec<u8>);
    let row: Option<Found> = find
        .query_row([kept], |row| {
            let doc = DocId(row.get(2)?);
            Ok((row.get(0)?, row.get(1)?, doc, row.get(3)?, row.get(4)?))
        })
        .optional()?;
    let Some((s, seq, doc, hash, body)) = row else {
        return Ok(None);
    };
    let position = log::actor_of(sql, s)?.at(seq.cast_unsigned());
    Ok(Some(ChangeItem {
        position,
        doc,
        bytes: log::unfold(&body, position.actor, doc, &hash)?,
    }))
}

/// A blob that is kept, to be offered.
pub(crate) fn offer(sql: &Connection, kept: i64) -> Result<Option<BlobOffer>, StoreError> {
    let mut find = sql.prepare_cached("SELECT id, doc, length(body) FROM link_kept_blobs WHERE kept = ?1")?;
    let offer = find.query_row([kept], |row| {
        Ok(BlobOffer {
            blob: BlobId(row.get(0)?),
            doc: DocId(row.get(1)?),
            length: row.get::<_, i64>(2)?.cast_unsigned(),
        })
    });
    Ok(offer.optional()?)
}

/// Bytes of a blob that is kept from this place on, at most one piece; nothing where it is not.
pub(crate) fn read(sql: &Connection, blob: BlobId, from: i64) -> Result<Vec<u8>, StoreError> {
    let mut find = sql.prepare_cached("SELECT substr(body, ?2, ?3) FROM link_kept_blobs WHERE id = ?1")?;
    let bytes = find.query_row(params![blob.as_bytes(), from, BLOB_PIECE as i64], |row| {
        row.get(0)
    });
    Ok(bytes.optional()?.unwrap_or_default())
}

/// The feed's places are not asked for here: whoever lost something may have lost any of it.
pub(crate) fn offer_again(tx: &Tx<'_>) -> Result<(), StoreError> {
    tx.sql
        .prepare_cached(
            "INSERT INTO link_queue(lane, kind, row, bytes, at)
             SELECT lane, ?1, kept, length(body), ?2 FROM link_kept_blobs WHERE true
             ON CONFLICT DO NOTHING",
        )?
        .execute(params![KEPT_BLOB, tx.now.at.0])?;
    Ok(())
}

/// How many changes and blobs are kept.
#[cfg(test)]
pub(crate) fn count(sql: &Connection) -> Result<(i64, i64), StoreError> {
    let count = |table: &str| sql.query_row(&format!("SELECT count(*) FROM {table}"), [], |row| row.get(0));
    Ok((count("link_kept")?, count("link_kept_blobs")?))
}

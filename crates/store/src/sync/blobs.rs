//! Blobs on their way: which document names them, the pieces that came, what is still wanted.

use records::ids::{BlobId, DocId};
use sync_core::wire::{BlobHave, BlobOffer, BlobPiece, BlobState, Lane, WantedBlob};

use crate::commit::CommitError;
use crate::engine::{StoreError, Tx};
use crate::objects::{self, Stretch};
use crate::open::Side;
use crate::sql::{Connection, OptionalExtension, params};
use crate::sync::{kept, releases};

pub(crate) const TABLES: &str = "
CREATE TABLE IF NOT EXISTS link_blobs(
    blob BLOB NOT NULL, doc BLOB NOT NULL, lane INTEGER NOT NULL, length INTEGER NOT NULL,
    PRIMARY KEY(blob, doc)) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS link_blobs_by_document ON link_blobs(doc);
CREATE TABLE IF NOT EXISTS link_pieces(
    piece INTEGER PRIMARY KEY, blob BLOB NOT NULL, start INTEGER NOT NULL, bytes BLOB NOT NULL,
    UNIQUE(blob, start));
CREATE TABLE IF NOT EXISTS link_wanted(
    blob BLOB PRIMARY KEY, doc BLOB NOT NULL, lane INTEGER NOT NULL, length INTEGER NOT NULL) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS link_blob_places(
    blob BLOB PRIMARY KEY, lane INTEGER NOT NULL, position INTEGER NOT NULL) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS link_deferred(
    blob BLOB PRIMARY KEY, times INTEGER NOT NULL, contacts_left INTEGER NOT NULL) WITHOUT ROWID;
";

/// Most contacts that a blob waits for after the hub had no room for it.
const DEFERRED_MAX: i64 = 64;

/// Notes that a document names a blob.
pub(crate) fn name(tx: &Tx<'_>, blob: BlobId, doc: DocId, lane: Lane, length: u64) -> Result<(), StoreError> {
    let mut put = tx.sql.prepare_cached(
        "INSERT INTO link_blobs(blob, doc, lane, length) VALUES(?1, ?2, ?3, ?4) ON CONFLICT DO NOTHING",
    )?;
    put.execute(params![
        blob.as_bytes(),
        doc.as_bytes(),
        lane.number(),
        length.cast_signed()
    ])?;
    Ok(())
}

/// How much of an offered blob is here. Whole it is only for a document that is known to name it: nobody learns
/// by a hash alone that somebody else's blob is here.
pub(crate) fn have(sql: &Connection, offer: &BlobOffer) -> Result<BlobHave, StoreError> {
    let blob = offer.blob;
    let mut whole = sql.prepare_cached(
        "SELECT blobs.length FROM blobs JOIN link_blobs ON link_blobs.blob = blobs.id
         WHERE blobs.id = ?1 AND link_blobs.doc = ?2",
    )?;
    let place = params![blob.as_bytes(), offer.doc.as_bytes()];
    let length: Option<i64> = whole.query_row(place, |row| row.get(0)).optional()?;
    if let Some(length) = length {
        return Ok(BlobHave {
            blob,
            have: length.cast_unsigned(),
            state: BlobState::Complete,
        });
    }
    // Each begins where the one before ends, so the last one tells, however many they are.
    let mut last = sql.prepare_cached(
        "SELECT start + length(bytes) FROM link_pieces WHERE blob = ?1 ORDER BY start DESC LIMIT 1",
    )?;
    let have: Option<i64> = last.query_row([blob.as_bytes()], |row| row.get(0)).optional()?;
    Ok(BlobHave {
        blob,
        have: have.unwrap_or(0).cast_unsigned(),
        state: BlobState::Wanted,
    })
}

/// Hub: whether no new blob can be taken now. One of which something came before still may come to its end.
fn has_no_room(tx: &Tx<'_>) -> Result<bool, StoreError> {
    Ok(tx.state.side == Side::Hub && objects::is_full(tx)?)
}

/// Hub: what it answers to an offer.
pub(crate) fn answer(tx: &Tx<'_>, offer: &BlobOffer) -> Result<BlobHave, StoreError> {
    let mut have = have(tx.sql, offer)?;
    if have.state == BlobState::Wanted && have.have == 0 && has_no_room(tx)? {
        tracing::warn!("so much waits for the store of the blobs that a box is asked to keep its blob");
        have.state = BlobState::NotNow;
    }
    Ok(have)
}

/// Takes a piece; `true` where the blob is whole now and was not before.
pub(crate) fn take(tx: &mut Tx<'_>, lane: Lane, piece: &BlobPiece) -> Result<(BlobHave, bool), StoreError> {
    let offer = &piece.offer;
    let mut have = have(tx.sql, offer)?;
    // Where a connection broke, the next one may begin at another byte: what is here already is passed over.
    let held = have.have.checked_sub(piece.offset);
    let news = held
        .and_then(|held| usize::try_from(held).ok())
        .and_then(|held| piece.bytes.get(held..));
    let Some(news) = news.filter(|news| have.state == BlobState::Wanted && !news.is_empty()) else {
        return Ok((have, false));
    };
    if have.have == 0 && has_no_room(tx)? {
        have.state = BlobState::NotNow;
        return Ok((have, false));
    }
    let mut put = tx
        .sql
        .prepare_cached("INSERT INTO link_pieces(blob, start, bytes) VALUES(?1, ?2, ?3)")?;
    put.execute(params![offer.blob.as_bytes(), have.have.cast_signed(), news])?;
    have.have += news.len() as u64;
    if have.have < offer.length {
        return Ok((have, false));
    }
    let whole = assemble(tx.sql, offer.blob)?;
    tx.sql
        .prepare_cached("DELETE FROM link_pieces WHERE blob = ?1")?
        .execute([offer.blob.as_bytes()])?;
    if sync_core::blobs::blob_id(&whole) != offer.blob {
        // Something went wrong on the way: from the start again.
        have.have = 0;
        return Ok((have, false));
    }
    match crate::blobs::put(tx, &whole) {
        Ok(_) => {}
        Err(CommitError::Store(error)) => return Err(error),
        Err(CommitError::DiskFull) => return Err(StoreError::DiskFull),
        Err(
            CommitError::Refused(_)
            | CommitError::Stale
            | CommitError::TrayMoved
            | CommitError::UnknownDocument(_),
        ) => {
            have.state = BlobState::NotNow;
            return Ok((have, false));
        }
    }
    name(tx, offer.blob, offer.doc, lane, offer.length)?;
    tx.sql
        .prepare_cached("DELETE FROM link_wanted WHERE blob = ?1")?
        .execute([offer.blob.as_bytes()])?;
    have.state = BlobState::Complete;
    Ok((have, true))
}

fn assemble(sql: &Connection, blob: BlobId) -> Result<Vec<u8>, StoreError> {
    let mut rows = sql.prepare_cached("SELECT bytes FROM link_pieces WHERE blob = ?1 ORDER BY start")?;
    let mut rows = rows.query([blob.as_bytes()])?;
    let mut whole = Vec::new();
    while let Some(row) = rows.next()? {
        whole.extend_from_slice(row.get_ref(0)?.as_blob().ok_or(StoreError::Unreadable("blob"))?);
    }
    Ok(whole)
}

/// Bytes of a whole blob from this place on, at most one piece, or where they are; nothing where it is not here.
pub(crate) fn read(sql: &Connection, blob: BlobId, offset: u64) -> Result<Stretch, StoreError> {
    if let Some(stretch) = objects::stretch(sql, blob, offset)? {
        return Ok(stretch);
    }
    let from = offset.saturating_add(1).min(i64::MAX as u64).cast_signed();
    kept::read(sql, blob, from).map(Stretch::Here)
}

/// The hub has no room for a blob: it is offered again after one contact, then two, four ... so that a full hub
/// does not eat the box's data plan.
pub(crate) fn defer(tx: &Tx<'_>, blob: BlobId) -> Result<(), StoreError> {
    let mut put = tx.sql.prepare_cached(
        "INSERT INTO link_deferred(blob, times, contacts_left) VALUES(?1, 1, 1)
         ON CONFLICT(blob) DO UPDATE SET times = link_deferred.times + 1,
             contacts_left = min(1 << CAST(min(link_deferred.times, 10) AS INTEGER), ?2)",
    )?;
    put.execute(params![blob.as_bytes(), DEFERRED_MAX])?;
    Ok(())
}

/// A contact began: blobs that wait for it are one contact nearer.
pub(crate) fn count_contact(sql: &Connection) -> Result<(), StoreError> {
    sql.execute(
        "UPDATE link_deferred SET contacts_left = contacts_left - 1 WHERE contacts_left >= 0",
        [],
    )?;
    Ok(())
}

pub(crate) fn is_deferred(sql: &Connection, blob: BlobId) -> Result<bool, StoreError> {
    let mut find =
        sql.prepare_cached("SELECT 1 FROM link_deferred WHERE blob = ?1 AND contacts_left >= 0")?;
    Ok(find.exists([blob.as_bytes()])?)
}

/// The hub has a blob whole.
pub(crate) fn undefer(tx: &Tx<'_>, blob: BlobId) -> Result<(), StoreError> {
    tx.sql
        .prepare_cached("DELETE FROM link_deferred WHERE blob = ?1")?
        .execute([blob.as_bytes()])?;
    Ok(())
}

/// A box was offered a blob: keeps the wish until the blob is whole.
pub(crate) fn wish(tx: &Tx<'_>, lane: Lane, offer: &BlobOffer) -> Result<BlobHave, StoreError> {
    name(tx, offer.blob, offer.doc, lane, offer.length)?;
    let have = have(tx.sql, offer)?;
    if have.state == BlobState::Wanted {
        let mut put = tx.sql.prepare_cached(
            "INSERT INTO link_wanted(blob, doc, lane, length) VALUES(?1, ?2, ?3, ?4) ON CONFLICT DO NOTHING",
        )?;
        put.execute(params![
            offer.blob.as_bytes(),
            offer.doc.as_bytes(),
            lane.number(),
            offer.length.cast_signed()
        ])?;
    }
    Ok(have)
}

/// Whether a box waits for a blob.
pub(crate) fn is_wanted(sql: &Connection, blob: BlobId) -> Result<bool, StoreError> {
    let mut find = sql.prepare_cached("SELECT 1 FROM link_wanted WHERE blob = ?1")?;
    Ok(find.exists([blob.as_bytes()])?)
}

/// Everything is exchanged: what was offered with documents that did not come is not waited for.
pub(crate) fn forget_wishes(sql: &Connection) -> Result<(), StoreError> {
    let release = releases::fetched(sql)?.map_or([0; 16], |doc| doc.0);
    sql.prepare_cached(
        "DELETE FROM link_wanted WHERE doc NOT IN (SELECT id FROM documents) AND doc NOT IN (SELECT doc FROM parked)
             AND doc <> ?1",
    )?
    .execute([release])?;
    Ok(())
}

/// The pieces of a release are not waited for, and what came of it goes.
pub(crate) fn forget_release(tx: &Tx<'_>, doc: DocId) -> Result<(), StoreError> {
    const OF_RELEASE: &str =
        "SELECT blob FROM link_wanted WHERE doc = ?1 UNION SELECT blob FROM link_blobs WHERE doc = ?1";
    // A blob that a record names as well stays.
    let only = format!(
        "SELECT blob FROM ({OF_RELEASE}) AS pieces WHERE blob NOT IN (SELECT blob FROM link_blobs WHERE doc <> ?1)"
    );
    let mut find = tx.sql.prepare_cached(&only)?;
    let blobs = find.query_map([doc.as_bytes()], |row| Ok(BlobId(row.get(0)?)))?;
    for blob in blobs.collect::<crate::sql::Result<Vec<BlobId>>>()? {
        tx.sql
            .execute("DELETE FROM link_pieces WHERE blob = ?1", [blob.as_bytes()])?;
        objects::remove(tx, blob)?;
    }
    for table in ["link_wanted", "link_blobs"] {
        tx.sql
            .execute(&format!("DELETE FROM {table} WHERE doc = ?1"), [doc.as_bytes()])?;
    }
    Ok(())
}

/// The hub has a blob whole: it stands at this place of its feed.
pub(crate) fn note_place(tx: &Tx<'_>, blob: BlobId, lane: Lane, position: u64) -> Result<(), StoreError> {
    tx.sql
        .prepare_cached(
            "INSERT INTO link_blob_places(blob, lane, position) VALUES(?1, ?2, ?3)
             ON CONFLICT(blob) DO UPDATE SET lane = ?2, position = ?3",
        )?
        .execute(params![blob.as_bytes(), lane.number(), position.cast_signed()])?;
    Ok(())
}

/// The hub's feed is another behind this place: whether it has the blobs that stood there is not known any more.
pub(crate) fn forget_places(sql: &Connection, lane: Lane, behind: u64) -> Result<(), StoreError> {
    sql.prepare_cached("DELETE FROM link_blob_places WHERE lane = ?1 AND position > ?2")?
        .execute(params![lane.number(), behind.cast_signed()])?;
    Ok(())
}

/// Blobs that were offered and are not whole, most urgent first.
pub(crate) fn wanted(sql: &Connection) -> Result<Vec<WantedBlob>, StoreError> {
    let mut rows =
        sql.prepare_cached("SELECT blob, doc, lane, length FROM link_wanted ORDER BY lane, blob")?;
    let mut rows = rows.query([])?;
    let mut wanted = Vec::new();
    while let Some(row) = rows.next()? {
        let offer = BlobOffer {
            blob: BlobId(row.get(0)?),
            doc: DocId(row.get(1)?),
            length: row.get::<_, i64>(3)?.cast_unsigned(),
        };
        let lane = Lane::from_number(row.get(2)?).ok_or(StoreError::Unreadable("lane"))?;
        wanted.push(WantedBlob {
            lane,
            offer,
            have: have(sql, &offer)?.have,
        });
    }
    Ok(wanted)
}

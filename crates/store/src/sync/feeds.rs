//! The feeds of clinics at a hub: what each clinic shall hold, lane by lane, and the sums over it.
//!
//! A clinic holds the patients whose charts it owns and those it wrote about. Joining a patient puts everything
//! that is there into the clinic's feed, the chart first. Positions are given inside the writing transaction,
//! so none is overtaken.

use records::ids::{BlobId, ClinicCode, DocId, DocKind, PatientId};
use sync_core::exchange::{LaneItem, NextItems};
use sync_core::fingerprint::Fingerprint;
use sync_core::identity::{Actor, Position};
use sync_core::wire::{BlobOffer, ChangeItem, Fact, FeedEnd, Holdings, Lane, MAX_ITEMS, MAX_TIPS};

use crate::engine::{StoreError, StoreEvent, Tx};
use crate::sql::{Connection, OptionalExtension, params};
use crate::sync::{directory, facts, panels, parked, queue, state, upstream};
use crate::{derive, log};

pub(crate) const TABLES: &str = "
CREATE TABLE IF NOT EXISTS link_feed(
    c INTEGER NOT NULL, lane INTEGER NOT NULL, position INTEGER NOT NULL,
    kind INTEGER NOT NULL, row INTEGER NOT NULL, chain BLOB NOT NULL,
    PRIMARY KEY(c, lane, position)) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS link_holds(d INTEGER NOT NULL, c INTEGER NOT NULL, PRIMARY KEY(d, c)) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS link_holds_by_clinic ON link_holds(c, d);
CREATE TABLE IF NOT EXISTS link_patients(
    patient BLOB NOT NULL, c INTEGER NOT NULL, PRIMARY KEY(patient, c)) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS link_patients_by_clinic ON link_patients(c);
CREATE TABLE IF NOT EXISTS link_patient_documents(
    patient BLOB NOT NULL, d INTEGER NOT NULL, PRIMARY KEY(patient, d)) WITHOUT ROWID;
";

/// The row is one of the log.
pub(crate) const CHANGE: i64 = 0;
/// The row is one of the facts.
const FACT: i64 = 1;
/// The row is one of the blobs.
pub(crate) const BLOB: i64 = 2;
/// The row is one of the log; whoever wrote it gets it back, too.
pub(crate) const RETURNED: i64 = 3;
/// The row is one of the parked changes, whose kind is of a newer release.
const UNREAD: i64 = 5;
/// What stood here was purged.
pub(crate) const VOID: i64 = 4;
/// Feed entries that are looked at for one message: many may be held by the box already.
const LOOKED_AT_MAX: usize = 10_000;

/// A change that was written at the hub and goes to the clinics that hold its document.
#[derive(Debug)]
pub(crate) struct Spread<'a> {
    /// Row of the document.
    pub(crate) d: i64,
    /// The clinic that owns the document.
    pub(crate) owner: Option<&'a ClinicCode>,
    /// The clinic that wrote; `None` for the hub.
    pub(crate) writer: Option<i64>,
    /// The patient that the document is about.
    pub(crate) patient: Option<PatientId>,
    /// The change's log row.
    pub(crate) k: i64,
    /// The lane that brought it.
    pub(crate) lane: Lane,
    /// Its hash.
    pub(crate) hash: &'a [u8; 32],
    /// Whether its writer had taken it out and gets it back.
    pub(crate) returned: bool,
}

/// Puts a change into the feeds of those who hold its document, and with `join` lets those who should hold it
/// join: they get every log row of it at once.
pub(crate) fn spread(tx: &mut Tx<'_>, change: &Spread<'_>, join: bool) -> Result<(), StoreError> {
    for c in holders(tx.sql, change.d)? {
        let kind = if change.returned { RETURNED } else { CHANGE };
        append(tx, c, change.lane, kind, change.k, change.hash)?;
    }
    if !join {
        return Ok(());
    }
    let owner = match change.owner {
        Some(code) => directory::clinic_row(tx.sql, code)?,
        None => None,
    };
    // A county holds what its clinics hold.
    let mut counties = Vec::new();
    for c in [owner, change.writer].into_iter().flatten() {
        counties.extend(upstream::county_of(tx.sql, c)?);
    }
    let Some(patient) = change.patient else {
        for c in owner.into_iter().chain(counties) {
            hold(tx, c, change.d)?;
        }
        return spread_link(tx, change.d);
    };
    tx.sql
        .prepare_cached(
            "INSERT INTO link_patient_documents(patient, d) VALUES(?1, ?2) ON CONFLICT DO NOTHING",
        )?
        .execute(params![patient.0, change.d])?;
    for c in [owner, change.writer].into_iter().flatten().chain(counties) {
        relate(tx, c, patient)?;
    }
    for c in clinics_of(tx.sql, patient)? {
        hold(tx, c, change.d)?;
    }
    // What a clinic wrote before it heard that the patient had left stays with it.
    owner.map_or(Ok(()), |c| hold(tx, c, change.d))
}

/// A link between charts goes to whoever holds one of them; no clinic comes to hold a patient by it.
fn spread_link(tx: &mut Tx<'_>, d: i64) -> Result<(), StoreError> {
    for chart in derive::links::charts_of(tx.sql, d)? {
        tx.sql
            .prepare_cached(
                "INSERT INTO link_patient_documents(patient, d) VALUES(?1, ?2) ON CONFLICT DO NOTHING",
            )?
            .execute(params![chart.0, d])?;
        for c in clinics_of(tx.sql, chart)? {
            hold(tx, c, d)?;
        }
    }
    Ok(())
}

/// A clinic holds a patient from now on, unless it left the patient: then only joining anew takes it back.
pub(crate) fn relate(tx: &mut Tx<'_>, c: i64, patient: PatientId) -> Result<(), StoreError> {
    if panels::left_at(tx.sql, c, patient)?.is_some() {
        return Ok(());
    }
    relate_again(tx, c, patient, false)
}

/// The same for one that joins; `returned`: its boxes had put the records away and get everything again.
pub(crate) fn relate_again(
    tx: &mut Tx<'_>,
    c: i64,
    patient: PatientId,
    returned: bool,
) -> Result<(), StoreError> {
    let mut put = tx
        .sql
        .prepare_cached("INSERT INTO link_patients(patient, c) VALUES(?1, ?2) ON CONFLICT DO NOTHING")?;
    if put.execute(params![patient.0, c])? == 0 {
        return Ok(());
    }
    let mut find = tx.sql.prepare_cached(
        "SELECT d FROM link_patient_documents JOIN documents USING(d) WHERE patient = ?1
         ORDER BY kind <> ?2, d",
    )?;
    let docs = find.query_map(params![patient.0, DocKind::Chart.byte()], |row| row.get(0))?;
    for d in docs.collect::<crate::sql::Result<Vec<i64>>>()? {
        hold_as(tx, c, d, if returned { RETURNED } else { CHANGE })?;
    }
    // What the clinic wrote before it might is taken now.
    let mut find = tx.sql.prepare_cached(
        "SELECT DISTINCT doc FROM parked JOIN documents ON documents.id = parked.doc
             JOIN link_patient_documents USING(d) WHERE patient = ?1",
    )?;
    let docs = find.query_map(params![patient.0], |row| Ok(DocId(row.get(0)?)))?;
    for doc in docs.collect::<crate::sql::Result<Vec<DocId>>>()? {
        parked::try_again(tx, Some(doc))?;
    }
    Ok(())
}

/// A clinic holds a document from now on: all that is there of it goes into its feed.
fn hold(tx: &mut Tx<'_>, c: i64, d: i64) -> Result<(), StoreError> {
    hold_as(tx, c, d, CHANGE)
}

fn hold_as(tx: &mut Tx<'_>, c: i64, d: i64, kind: i64) -> Result<(), StoreError> {
    let mut put = tx
        .sql
        .prepare_cached("INSERT INTO link_holds(d, c) VALUES(?1, ?2) ON CONFLICT DO NOTHING")?;
    if put.execute([d, c])? == 0 {
        return Ok(());
    }
    let mut find = tx
        .sql
        .prepare_cached("SELECT id, print FROM documents WHERE d = ?1")?;
    let (id, print): ([u8; 16], [u8; 32]) = find.query_row([d], |row| Ok((row.get(0)?, row.get(1)?)))?;
    directory::change_print(tx.sql, c, |sum| sum.add(&print))?;
    let mut rows = tx
        .sql
        .prepare_cached("SELECT k, lane, hash FROM log WHERE d = ?1 ORDER BY k")?;
    let rows = rows.query_map([d], |row| Ok((row.get(0)?, row.get::<_, u8>(1)?, row.get(2)?)))?;
    for (k, lane, hash) in rows.collect::<crate::sql::Result<Vec<(i64, u8, [u8; 32])>>>()? {
        let lane = Lane::from_number(lane).ok_or(StoreError::Unreadable("lane"))?;
        append(tx, c, lane, kind, k, &hash)?;
    }
    let mut blobs = tx.sql.prepare_cached(
        "SELECT b, id, lane FROM link_blobs JOIN blobs ON blobs.id = link_blobs.blob WHERE doc = ?1",
    )?;
    let blobs = blobs.query_map([id], |row| Ok((row.get(0)?, row.get(1)?, row.get::<_, u8>(2)?)))?;
    for (b, blob, lane) in blobs.collect::<crate::sql::Result<Vec<(i64, [u8; 32], u8)>>>()? {
        let lane = Lane::from_number(lane).ok_or(StoreError::Unreadable("lane"))?;
        append(tx, c, lane, BLOB, b, &blob)?;
    }
    Ok(())
}

/// A clinic holds a patient no more; what it owns itself stays with it, and so do links between charts: they say
/// which ids are of one person and nothing of the person.
pub(crate) fn part(tx: &mut Tx<'_>, c: i64, patient: PatientId) -> Result<(), StoreError> {
    let clinic = directory::clinic_code(tx.sql, c)?;
    tx.sql.execute(
        "DELETE FROM link_patients WHERE patient = ?1 AND c = ?2",
        params![patient.0, c],
    )?;
    let mut find = tx.sql.prepare_cached(
        "SELECT d, print FROM link_patient_documents JOIN documents USING(d) JOIN link_holds USING(d)
         WHERE patient = ?1 AND c = ?2 AND owner <> ?3 AND kind <> ?4",
    )?;
    let place = params![patient.0, c, clinic.as_str(), DocKind::Link.byte()];
    let rows = find.query_map(place, |row| Ok((row.get(0)?, row.get(1)?)))?;
    for (d, print) in rows.collect::<crate::sql::Result<Vec<(i64, [u8; 32])>>>()? {
        tx.sql
            .execute("DELETE FROM link_holds WHERE d = ?1 AND c = ?2", [d, c])?;
        directory::change_print(tx.sql, c, |sum| sum.subtract(&print))?;
        // What stands in the feed and was not sent yet is not sent any more.
        tx.sql.execute(
            "UPDATE link_feed SET kind = ?3, row = 0 WHERE c = ?1 AND kind IN (?4, ?5)
                 AND row IN (SELECT k FROM log WHERE d = ?2)",
            params![c, d, VOID, CHANGE, RETURNED],
        )?;
    }
    tx.emit(StoreEvent::SyncState);
    Ok(())
}

/// A document goes: nobody holds it, and its places in the feeds are void.
pub(crate) fn forget_document(tx: &mut Tx<'_>, d: i64) -> Result<(), StoreError> {
    let print: [u8; 32] = tx
        .sql
        .query_row("SELECT print FROM documents WHERE d = ?1", [d], |row| row.get(0))?;
    for c in holders(tx.sql, d)? {
        directory::change_print(tx.sql, c, |sum| sum.subtract(&print))?;
    }
    tx.sql.execute(
        "UPDATE link_feed SET kind = ?2, row = 0 WHERE kind IN (?3, ?4) AND row IN (SELECT k FROM log WHERE d = ?1)",
        params![d, VOID, CHANGE, RETURNED],
    )?;
    tx.sql.execute(
        "DELETE FROM link_arrivals WHERE k IN (SELECT k FROM log WHERE d = ?1)",
        [d],
    )?;
    for table in ["link_holds", "link_patient_documents"] {
        tx.sql
            .execute(&format!("DELETE FROM {table} WHERE d = ?1"), [d])?;
    }
    Ok(())
}

/// A blob goes: its places in the feeds are void.
pub(crate) fn forget_blob(tx: &Tx<'_>, blob: BlobId) -> Result<(), StoreError> {
    tx.sql.execute(
        "UPDATE link_feed SET kind = ?2, row = 0 WHERE kind = ?3 AND row = (SELECT b FROM blobs WHERE id = ?1)",
        params![blob.as_bytes(), VOID, BLOB],
    )?;
    Ok(())
}

/// Entries whose row is gone say so: what comes back is fed anew.
pub(crate) fn void_gone(sql: &Connection) -> Result<(), StoreError> {
    sql.execute(
        "UPDATE link_feed SET kind = ?1, row = 0 WHERE (kind IN (?2, ?3) AND row NOT IN (SELECT k FROM log))
             OR (kind = ?4 AND row NOT IN (SELECT b FROM blobs))
             OR (kind = ?5 AND row NOT IN (SELECT p FROM parked))",
        params![VOID, CHANGE, RETURNED, BLOB, UNREAD],
    )?;
    Ok(())
}

/// A whole blob of a document goes to those who hold the document.
pub(crate) fn spread_blob(tx: &mut Tx<'_>, blob: BlobId, doc: DocId, lane: Lane) -> Result<(), StoreError> {
    let mut find = tx.sql.prepare_cached("SELECT b FROM blobs WHERE id = ?1")?;
    let b: Option<i64> = find.query_row([blob.as_bytes()], |row| row.get(0)).optional()?;
    let (Some(b), Some(row)) = (b, log::doc_row(tx.sql, doc)?) else {
        return Ok(());
    };
    for c in holders(tx.sql, row.d)? {
        append(tx, c, lane, BLOB, b, &blob.0)?;
    }
    Ok(())
}

/// A fact goes into a clinic's feed.
pub(crate) fn append_fact(
    tx: &mut Tx<'_>,
    c: i64,
    lane: Lane,
    f: i64,
    fact: &Fact,
) -> Result<(), StoreError> {
    let content = *blake3::hash(&fact.encode()).as_bytes();
    append(tx, c, lane, FACT, f, &content)
}

pub(crate) fn append(
    tx: &mut Tx<'_>,
    c: i64,
    lane: Lane,
    kind: i64,
    row: i64,
    content: &[u8; 32],
) -> Result<(), StoreError> {
    let end = feed_end(tx.sql, c, lane)?.next(content);
    let mut put = tx.sql.prepare_cached(
        "INSERT INTO link_feed(c, lane, position, kind, row, chain) VALUES(?1, ?2, ?3, ?4, ?5, ?6)",
    )?;
    put.execute(params![
        c,
        lane.number(),
        end.position.cast_signed(),
        kind,
        row,
        end.chain
    ])?;
    tx.emit(StoreEvent::SyncState);
    Ok(())
}

fn feed_end(sql: &Connection, c: i64, lane: Lane) -> Result<FeedEnd, StoreError> {
    let mut find = sql.prepare_cached(
        "SELECT position, chain FROM link_feed WHERE c = ?1 AND lane = ?2 ORDER BY position DESC LIMIT 1",
    )?;
    let end = find.query_row(params![c, lane.number()], |row| {
        Ok(FeedEnd {
            position: row.get::<_, i64>(0)?.cast_unsigned(),
            chain: row.get(1)?,
        })
    });
    Ok(end.optional()?.unwrap_or_default())
}

/// The last positions of a clinic's feed.
pub(crate) fn feed_ends(sql: &Connection, c: i64) -> Result<[FeedEnd; Lane::COUNT], StoreError> {
    let mut ends = [FeedEnd::default(); Lane::COUNT];
    for lane in Lane::ALL {
        ends[lane.index()] = feed_end(sql, c, lane)?;
    }
    Ok(ends)
}

/// Chain hash at a position of a feed; `None` where the feed is shorter.
pub(crate) fn feed_at(
    sql: &Connection,
    c: i64,
    lane: Lane,
    position: u64,
) -> Result<Option<FeedEnd>, StoreError> {
    if position == 0 {
        return Ok(Some(FeedEnd::default()));
    }
    let mut find =
        sql.prepare_cached("SELECT chain FROM link_feed WHERE c = ?1 AND lane = ?2 AND position = ?3")?;
    let chain = find.query_row(params![c, lane.number(), position.cast_signed()], |row| {
        row.get(0)
    });
    Ok(chain.optional()?.map(|chain| FeedEnd { position, chain }))
}

/// Ends of a clinic's feed and places before them, ever further back: where a box finds one that it knows, both
/// went on alike until there.
pub(crate) fn tips(sql: &Connection, c: i64) -> Result<[Vec<FeedEnd>; Lane::COUNT], StoreError> {
    let mut tips: [Vec<FeedEnd>; Lane::COUNT] = Default::default();
    for lane in Lane::ALL {
        let end = feed_end(sql, c, lane)?.position;
        let mut back = 0;
        while back < end && tips[lane.index()].len() < MAX_TIPS {
            tips[lane.index()].extend(feed_at(sql, c, lane, end - back)?);
            back = back * 2 + 1;
        }
    }
    Ok(tips)
}

pub(crate) fn holders(sql: &Connection, d: i64) -> Result<Vec<i64>, StoreError> {
    let mut find = sql.prepare_cached("SELECT c FROM link_holds WHERE d = ?1")?;
    let rows = find.query_map([d], |row| row.get(0))?;
    Ok(rows.collect::<crate::sql::Result<_>>()?)
}

/// Whether a clinic holds a patient.
pub(crate) fn cares_for(sql: &Connection, c: i64, patient: PatientId) -> Result<bool, StoreError> {
    Ok(clinics_of(sql, patient)?.contains(&c))
}

fn clinics_of(sql: &Connection, patient: PatientId) -> Result<Vec<i64>, StoreError> {
    let mut find = sql.prepare_cached("SELECT c FROM link_patients WHERE patient = ?1")?;
    let rows = find.query_map([patient.0], |row| row.get(0))?;
    Ok(rows.collect::<crate::sql::Result<_>>()?)
}

/// Whether a clinic holds a document.
pub(crate) fn holds(sql: &Connection, c: i64, doc: DocId) -> Result<bool, StoreError> {
    let mut find = sql.prepare_cached(
        "SELECT 1 FROM link_holds JOIN documents USING(d) WHERE documents.id = ?1 AND c = ?2",
    )?;
    Ok(find.exists(params![doc.as_bytes(), c])?)
}

/// Whether a clinic holds the document of this row.
pub(crate) fn holds_row(sql: &Connection, c: i64, d: i64) -> Result<bool, StoreError> {
    Ok(sql
        .prepare_cached("SELECT 1 FROM link_holds WHERE d = ?1 AND c = ?2")?
        .exists([d, c])?)
}

/// A held document's print changed.
pub(crate) fn replace_print(tx: &Tx<'_>, d: i64, old: &[u8; 32], new: &[u8; 32]) -> Result<(), StoreError> {
    for c in holders(tx.sql, d)? {
        directory::change_print(tx.sql, c, |sum| {
            sum.subtract(old);
            sum.add(new);
        })?;
    }
    Ok(())
}

/// The sum over what a clinic holds, made anew.
pub(crate) fn sum(sql: &Connection, c: i64) -> Result<Fingerprint, StoreError> {
    let mut rows = sql.prepare_cached("SELECT print FROM link_holds JOIN documents USING(d) WHERE c = ?1")?;
    let mut rows = rows.query([c])?;
    let mut sum = Fingerprint::default();
    while let Some(row) = rows.next()? {
        sum.add(&row.get(0)?);
    }
    Ok(sum)
}

/// The next entries of a clinic's feed behind a position; what the box holds is left out.
pub(crate) fn next(
    sql: &Connection,
    c: i64,
    signer: Actor,
    lane: Lane,
    after: u64,
    budget: usize,
    held: &Holdings,
) -> Result<NextItems, StoreError> {
    let mut next = NextItems::none(lane, after);
    next.signer = Some(signer);
    let epoch = state::epoch(sql)?.unwrap_or(1);
    let mut rows = sql.prepare_cached(
        "SELECT position, kind, row, chain FROM link_feed WHERE c = ?1 AND lane = ?2 AND position > ?3
         ORDER BY position LIMIT ?4",
    )?;
    // One more than is looked at says whether more is there.
    let most = LOOKED_AT_MAX as i64 + 1;
    let mut rows = rows.query(params![c, lane.number(), after.cast_signed(), most])?;
    let (mut size, mut looked_at) = (0, 0);
    while let Some(row) = rows.next()? {
        looked_at += 1;
        if size >= budget || next.items.len() >= MAX_ITEMS || looked_at > LOOKED_AT_MAX {
            next.more = true;
            break;
        }
        let position = row.get::<_, i64>(0)?.cast_unsigned();
        next.upto = position;
        next.feed = Some((
            epoch,
            FeedEnd {
                position,
                chain: row.get(3)?,
            },
        ));
        if let Some(item) = item(sql, row.get(1)?, row.get(2)?, held)? {
            size += match &item {
                LaneItem::Change(change) => change.bytes.len() + 48,
                LaneItem::Fact(fact) => fact.body.len() + 100,
                LaneItem::Blob(_) | LaneItem::Audit(..) | LaneItem::HandBack(_) => 64,
            };
            next.items.push((position, item));
        }
    }
    Ok(next)
}

/// A change of a kind that this release does not know goes to its writer's clinic as it came.
pub(crate) fn relay_unread(
    tx: &mut Tx<'_>,
    c: i64,
    lane: Lane,
    position: Position,
    hash: &[u8; 32],
) -> Result<(), StoreError> {
    let s = log::session_row(tx, position.actor)?;
    let p: i64 = tx.sql.query_row(
        "SELECT p FROM parked WHERE s = ?1 AND seq = ?2",
        [s, position.seq.cast_signed()],
        |row| row.get(0),
    )?;
    append(tx, c, lane, UNREAD, p, hash)
}

/// It is parked no more: what was not relayed yet comes as an ordinary change, or not at all.
pub(crate) fn forget_unread(tx: &Tx<'_>, p: i64) -> Result<(), StoreError> {
    tx.sql
        .prepare_cached("UPDATE link_feed SET kind = ?2, row = 0 WHERE kind = ?3 AND row = ?1")?
        .execute([p, VOID, UNREAD])?;
    Ok(())
}

/// Such a change.
fn unread(sql: &Connection, p: i64, held: &Holdings) -> Result<Option<LaneItem>, StoreError> {
    let mut find = sql.prepare_cached("SELECT s, seq, doc, body FROM parked WHERE p = ?1")?;
    let row: Option<(i64, i64, [u8; 16], Vec<u8>)> = find
        .query_row([p], |row| {
            Ok((row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?))
        })
        .optional()?;
    let Some((s, seq, doc, body)) = row else {
        return Ok(None);
    };
    let position = log::actor_of(sql, s)?.at(seq.cast_unsigned());
    Ok(
        (!held.contains(&position)).then_some(LaneItem::Change(ChangeItem {
            position,
            doc: DocId(doc),
            bytes: log::unpack(&body)?,
        })),
    )
}

fn item(sql: &Connection, kind: i64, row: i64, held: &Holdings) -> Result<Option<LaneItem>, StoreError> {
    match kind {
        CHANGE => {
            let mut find = sql.prepare_cached("SELECT s, seq FROM log WHERE k = ?1")?;
            let (s, seq): (i64, i64) = find.query_row([row], |row| Ok((row.get(0)?, row.get(1)?)))?;
            if held.contains(&log::actor_of(sql, s)?.at(seq.cast_unsigned())) {
                return Ok(None);
            }
            Ok(Some(LaneItem::Change(queue::change(sql, row)?)))
        }
        RETURNED => Ok(Some(LaneItem::Change(queue::change(sql, row)?))),
        VOID => Ok(None),
        UNREAD => unread(sql, row, held),
        FACT => Ok(facts::read(sql, row)?.map(LaneItem::Fact)),
        BLOB => {
            let mut find = sql.prepare_cached(
                "SELECT id, doc, blobs.length FROM blobs JOIN link_blobs ON link_blobs.blob = blobs.id
                 WHERE b = ?1 LIMIT 1",
            )?;
            let offer = find.query_row([row], |row| {
                Ok(BlobOffer {
                    blob: BlobId(row.get(0)?),
                    doc: DocId(row.get(1)?),
                    length: row.get::<_, i64>(2)?.cast_unsigned(),
                })
            });
            Ok(offer.optional()?.map(LaneItem::Blob))
        }
        _ => Ok(None),
    }
}

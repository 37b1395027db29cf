//! What waits at a box for the hub's acknowledgement, lane by lane.
//!
//! The queue is a hint and what a screen shows: what the hub lacks is told by the hub, and the queue is made
//! anew from the log where it turns out to be wrong.

use std::collections::BTreeSet;

use records::ids::{BlobId, DeviceId, DocId, SessionId};
use records::time::WallTime;
use sync_core::exchange::{LaneItem, NextItems};
use sync_core::identity::Actor;
use sync_core::wire::{
    Ack, BlobOffer, BlobState, ChangeItem, Holds, Lane, MAX_ITEMS, QueueReport, RangeSet, SessionPrint,
};

use crate::engine::{StoreError, StoreEvent, Tx};
use crate::log;
use crate::sql::{Connection, OptionalExtension, params};
use crate::sync::kept::{KEPT, KEPT_BLOB};
use crate::sync::{again, blobs, facts, hand_back, kept, panels, ranges, state, successions};

pub(crate) const TABLES: &str = "
CREATE TABLE IF NOT EXISTS link_queue(
    place INTEGER PRIMARY KEY AUTOINCREMENT,
    lane INTEGER NOT NULL, kind INTEGER NOT NULL, row INTEGER NOT NULL,
    bytes INTEGER NOT NULL, at INTEGER NOT NULL);
CREATE INDEX IF NOT EXISTS link_queue_by_lane ON link_queue(lane, place);
CREATE UNIQUE INDEX IF NOT EXISTS link_queue_by_row ON link_queue(kind, row);
CREATE INDEX IF NOT EXISTS link_queue_by_age ON link_queue(lane, at);
CREATE TABLE IF NOT EXISTS link_queue_sums(
    lane INTEGER NOT NULL, kind INTEGER NOT NULL, items INTEGER NOT NULL, bytes INTEGER NOT NULL,
    PRIMARY KEY(lane, kind)) WITHOUT ROWID;
INSERT INTO link_queue_sums(lane, kind, items, bytes)
    SELECT lane, kind, count(*), sum(bytes) FROM link_queue
    WHERE NOT EXISTS (SELECT 1 FROM link_queue_sums) GROUP BY lane, kind;
";

/// Keeps the sums of what waits. A hub on a server has no queue.
pub(crate) const TRIGGERS: &str = "
CREATE TRIGGER IF NOT EXISTS link_queue_added AFTER INSERT ON link_queue BEGIN
    INSERT OR IGNORE INTO link_queue_sums(lane, kind, items, bytes) VALUES(new.lane, new.kind, 0, 0);
    UPDATE link_queue_sums SET items = items + 1, bytes = bytes + new.bytes
        WHERE lane = new.lane AND kind = new.kind;
END;
CREATE TRIGGER IF NOT EXISTS link_queue_taken AFTER DELETE ON link_queue BEGIN
    UPDATE link_queue_sums SET items = items - 1, bytes = bytes - old.bytes
        WHERE lane = old.lane AND kind = old.kind;
END;
";

/// What waits, counted as it comes and goes: every page shows it, and a box that has never met its hub holds hundreds
/// of thousands of rows. A file of before counts once; triggers keep the sums from then on.
pub(crate) const SUMS: &str = "link_queue_sums";

/// The row is one of the log.
const CHANGE: i64 = 0;
/// The row is one of the audit log.
const AUDIT: i64 = 1;
/// The row is one of the blobs.
const BLOB: i64 = 2;
/// The row is one of the facts.
const FACT: i64 = 3;
/// The row is one of the stretches that were fed.
const RELAY: i64 = 4;

fn add(tx: &Tx<'_>, lane: Lane, kind: i64, row: i64, bytes: usize) -> Result<(), StoreError> {
    let mut insert = tx.sql.prepare_cached(
        "INSERT INTO link_queue(lane, kind, row, bytes, at) VALUES(?1, ?2, ?3, ?4, ?5) ON CONFLICT DO NOTHING",
    )?;
    insert.execute(params![lane.number(), kind, row, bytes as i64, tx.now.at.0])?;
    Ok(())
}

pub(crate) fn add_change(tx: &Tx<'_>, lane: Lane, k: i64, bytes: usize) -> Result<(), StoreError> {
    add(tx, lane, CHANGE, k, bytes)
}

pub(crate) fn add_audit(tx: &Tx<'_>, row: i64, bytes: usize) -> Result<(), StoreError> {
    add(tx, Lane::P3, AUDIT, row, bytes)
}

pub(crate) fn add_blob(tx: &Tx<'_>, lane: Lane, blob: BlobId, bytes: usize) -> Result<(), StoreError> {
    let mut find = tx.sql.prepare_cached("SELECT b FROM blobs WHERE id = ?1")?;
    let row: Option<i64> = find.query_row([blob.as_bytes()], |row| row.get(0)).optional()?;
    row.map_or(Ok(()), |row| add(tx, lane, BLOB, row, bytes))
}

/// Nothing of a document waits any more.
pub(crate) fn forget_document(tx: &Tx<'_>, d: i64) -> Result<(), StoreError> {
    tx.sql
        .prepare_cached("DELETE FROM link_queue WHERE kind = ?1 AND row IN (SELECT k FROM log WHERE d = ?2)")?
        .execute([CHANGE, d])?;
    Ok(())
}

/// A blob does not wait any more.
pub(crate) fn forget_blob(tx: &Tx<'_>, blob: BlobId) -> Result<(), StoreError> {
    tx.sql
        .prepare_cached(
            "DELETE FROM link_queue WHERE kind = ?1 AND row = (SELECT b FROM blobs WHERE id = ?2)",
        )?
        .execute(params![BLOB, blob.as_bytes()])?;
    Ok(())
}

/// Facts and stretches of a lane's feed behind a place are handed back to a hub that lost them. Facts go first.
pub(crate) fn add_handed_back(tx: &Tx<'_>, lane: Lane, behind: u64) -> Result<(), StoreError> {
    let mut put = tx.sql.prepare_cached(
        "INSERT INTO link_queue(lane, kind, row, bytes, at)
         SELECT ?1, ?2, f, length(body), ?3 FROM link_statements LEFT JOIN link_fact_places USING(f)
         WHERE (lane = ?4 AND position > ?5) OR (lane IS NULL AND ?4 = 0) ORDER BY f ON CONFLICT DO NOTHING",
    )?;
    put.execute(params![
        Lane::P0.number(),
        FACT,
        tx.now.at.0,
        lane.number(),
        behind.cast_signed()
    ])?;
    add_relays(tx, lane, behind)
}

/// Stretches of a lane's feed behind a place are handed back.
pub(crate) fn add_relays(tx: &Tx<'_>, lane: Lane, behind: u64) -> Result<(), StoreError> {
    let mut put = tx.sql.prepare_cached(
        "INSERT INTO link_queue(lane, kind, row, bytes, at)
         SELECT lane, ?1, r, length(places), ?2 FROM link_relays WHERE lane = ?3 AND upto > ?4 ORDER BY r ON CONFLICT DO NOTHING",
    )?;
    put.execute(params![RELAY, tx.now.at.0, lane.number(), behind.cast_signed()])?;
    Ok(())
}

/// A stretch is handed back; gives how many wait more than before.
pub(crate) fn add_relay(tx: &Tx<'_>, r: i64) -> Result<usize, StoreError> {
    let mut put = tx.sql.prepare_cached(
        "INSERT INTO link_queue(lane, kind, row, bytes, at)
         SELECT lane, ?1, r, length(places), ?2 FROM link_relays WHERE r = ?3 ON CONFLICT DO NOTHING",
    )?;
    Ok(put.execute(params![RELAY, tx.now.at.0, r])?)
}

/// A fact is handed back; gives how many wait more than before.
pub(crate) fn add_fact(tx: &Tx<'_>, f: i64) -> Result<usize, StoreError> {
    let mut put = tx.sql.prepare_cached(
        "INSERT INTO link_queue(lane, kind, row, bytes, at)
         SELECT ?1, ?2, f, length(body), ?3 FROM link_statements WHERE f = ?4 ON CONFLICT DO NOTHING",
    )?;
    Ok(put.execute(params![Lane::P0.number(), FACT, tx.now.at.0, f])?)
}

/// How many facts wait to be handed back.
pub(crate) fn facts_waiting(sql: &Connection) -> Result<u64, StoreError> {
    let mut count = sql.prepare_cached("SELECT count(*) FROM link_queue WHERE kind = ?1")?;
    Ok(count
        .query_row([FACT], |row| row.get::<_, i64>(0))?
        .cast_unsigned())
}

/// Nothing waits whose row is gone.
pub(crate) fn forget_gone(sql: &Connection) -> Result<(), StoreError> {
    for (kind, rows) in [
        (CHANGE, "SELECT k FROM log"),
        (AUDIT, "SELECT a FROM audit"),
        (BLOB, "SELECT b FROM blobs"),
    ] {
        sql.execute(
            &format!("DELETE FROM link_queue WHERE kind = ?1 AND row NOT IN ({rows})"),
            [kind],
        )?;
    }
    Ok(())
}

/// A change does not wait any more.
pub(crate) fn forget(tx: &Tx<'_>, k: i64) -> Result<(), StoreError> {
    tx.sql
        .prepare_cached("DELETE FROM link_queue WHERE kind = ?1 AND row = ?2")?
        .execute([CHANGE, k])?;
    Ok(())
}

/// Entries of this device's audit chain that the hub has not acknowledged; they wait no more.
pub(crate) fn take_audit(tx: &Tx<'_>, actor: Actor) -> Result<Vec<Vec<u8>>, StoreError> {
    let mut find = tx.sql.prepare_cached(
        "SELECT a, entry FROM audit WHERE device = ?1 AND session = ?2
             AND n > coalesce((SELECT upto FROM link_sure_audit WHERE session = ?2), 0) ORDER BY n",
    )?;
    let place = params![actor.device.as_bytes(), actor.session.as_bytes()];
    let rows = find.query_map(place, |row| Ok((row.get(0)?, row.get(1)?)))?;
    let rows = rows.collect::<crate::sql::Result<Vec<(i64, Vec<u8>)>>>()?;
    for (a, _) in &rows {
        tx.sql
            .prepare_cached("DELETE FROM link_queue WHERE kind = ?1 AND row = ?2")?
            .execute([AUDIT, *a])?;
    }
    Ok(rows.into_iter().map(|(_, entry)| entry).collect())
}

/// What waits, lane by lane.
pub(crate) fn report(sql: &Connection) -> Result<[QueueReport; Lane::COUNT], StoreError> {
    let mut rows = sql.prepare_cached(
        "SELECT s.lane, sum(s.items), sum(s.bytes), (SELECT min(at) FROM link_queue q WHERE q.lane = s.lane)
         FROM link_queue_sums s GROUP BY s.lane HAVING sum(s.items) > 0",
    )?;
    let mut rows = rows.query([])?;
    let mut report = [QueueReport::default(); Lane::COUNT];
    while let Some(row) = rows.next()? {
        if let Some(lane) = Lane::from_number(row.get(0)?) {
            report[lane.index()] = QueueReport {
                items: row.get::<_, i64>(1)?.cast_unsigned(),
                bytes: row.get::<_, i64>(2)?.cast_unsigned(),
                oldest: Some(WallTime(row.get(3)?)),
            };
        }
    }
    Ok(report)
}

/// Changes and blobs that the hub has not acknowledged; audit entries apart.
pub(crate) fn pending(sql: &Connection) -> Result<u64, StoreError> {
    let mut count = sql.prepare_cached(
        "SELECT coalesce(sum(items), 0) FROM link_queue_sums WHERE kind IN (?1, ?2, ?3, ?4)",
    )?;
    Ok(count
        .query_row([CHANGE, BLOB, KEPT, KEPT_BLOB], |row| row.get::<_, i64>(0))?
        .cast_unsigned())
}

/// The next items of a lane behind a place.
pub(crate) fn next(
    sql: &Connection,
    own: DeviceId,
    lane: Lane,
    after: u64,
    budget: usize,
) -> Result<NextItems, StoreError> {
    let mut next = NextItems::none(lane, after);
    next.knows = state::feed_ends(sql)?[Lane::P2.index()].position;
    let mut rows = sql.prepare_cached(
        "SELECT place, kind, row FROM link_queue WHERE lane = ?1 AND place > ?2 ORDER BY place LIMIT ?3",
    )?;
    let mut rows = rows.query(params![lane.number(), after.cast_signed(), MAX_ITEMS as i64 + 1])?;
    let (mut size, mut taken) = (0, BTreeSet::new());
    while let Some(row) = rows.next()? {
        if size >= budget || next.items.len() >= MAX_ITEMS {
            next.more = true;
            break;
        }
        let place = row.get::<_, i64>(0)?.cast_unsigned();
        let (kind, row): (i64, i64) = (row.get(1)?, row.get(2)?);
        let before = next.items.len();
        match kind {
            CHANGE => {
                let ancestors = if lane.is_urgent() {
                    waiting_before(sql, row)?
                } else {
                    Vec::new()
                };
                for k in ancestors.into_iter().chain([row]) {
                    if taken.insert(k) {
                        next.items.push((place, LaneItem::Change(change(sql, k)?)));
                    }
                }
            }
            AUDIT => next
                .items
                .extend(audit_entry(sql, row)?.map(|item| (place, item))),
            FACT => {
                let fact = facts::read(sql, row)?.map(LaneItem::Fact);
                next.items.extend(fact.map(|item| (place, item)));
            }
            RELAY => {
                let back = hand_back::read(sql, row, own)?.map(LaneItem::HandBack);
                next.items.extend(back.map(|item| (place, item)));
            }
            KEPT => {
                let change = kept::change(sql, row)?.map(LaneItem::Change);
                next.items.extend(change.map(|item| (place, item)));
            }
            BLOB | KEPT_BLOB => {
                let offer = if kind == BLOB {
                    blob(sql, row)?
                } else {
                    kept::offer(sql, row)?
                };
                if let Some(offer) = offer
                    && !blobs::is_deferred(sql, offer.blob)?
                {
                    next.items.push((place, LaneItem::Blob(offer)));
                }
            }
            _ => {}
        }
        size += next.items[before..]
            .iter()
            .map(|(_, item)| bytes_of(item))
            .sum::<usize>();
        next.upto = place;
    }
    // An urgent change may bring ancestors along past the limit; the message's own limit is for the sender.
    if next.items.len() > MAX_ITEMS {
        next.items.truncate(MAX_ITEMS);
        next.upto = next
            .items
            .last()
            .map_or(after, |(place, _)| place.saturating_sub(1).max(after));
        next.more = true;
    }
    Ok(next)
}

fn bytes_of(item: &LaneItem) -> usize {
    match item {
        LaneItem::Change(change) => change.bytes.len() + 32,
        LaneItem::Audit(_, _, entry) => entry.len() + 8,
        LaneItem::Blob(_) => 64,
        LaneItem::Fact(fact) => fact.body.len() + 128,
        LaneItem::HandBack(back) => back.items().map(|change| change.bytes.len() + 48).sum(),
    }
}

/// Changes of the same document that were written before and wait in another lane: an urgent change takes
/// them along.
fn waiting_before(sql: &Connection, k: i64) -> Result<Vec<i64>, StoreError> {
    let mut find = sql.prepare_cached(
        "SELECT log.k FROM log JOIN link_queue ON link_queue.kind = ?2 AND link_queue.row = log.k
         WHERE log.d = (SELECT d FROM log WHERE k = ?1) AND log.k < ?1 ORDER BY log.k",
    )?;
    let rows = find.query_map([k, CHANGE], |row| row.get(0))?;
    Ok(rows.collect::<crate::sql::Result<_>>()?)
}

/// A change read from the log.
pub(crate) fn change(sql: &Connection, k: i64) -> Result<ChangeItem, StoreError> {
    let mut find = sql.prepare_cached(
        "SELECT s, seq, id, hash, body FROM log JOIN documents ON documents.d = log.d WHERE k = ?1",
    )?;
    type Found = (i64, i64, DocId, [u8; 32], Vec<u8>);
    let (s, seq, doc, hash, body): Found = find.query_row([k], |row| {
        let doc = DocId(row.get(2)?);
        Ok((row.get(0)?, row.get(1)?, doc, row.get(3)?, row.get(4)?))
    })?;
    let position = log::actor_of(sql, s)?.at(seq.cast_unsigned());
    Ok(ChangeItem {
        position,
        doc,
        bytes: log::unfold(&body, position.actor, doc, &hash)?,
    })
}

fn audit_entry(sql: &Connection, row: i64) -> Result<Option<LaneItem>, StoreError> {
    let mut find = sql.prepare_cached("SELECT device, session, n, entry FROM audit WHERE a = ?1")?;
    let item = find.query_row([row], |row| {
        let actor = Actor {
            device: DeviceId(row.get(0)?),
            session: SessionId(row.get(1)?),
        };
        Ok(LaneItem::Audit(
            actor,
            row.get::<_, i64>(2)?.cast_unsigned(),
            row.get(3)?,
        ))
    });
    Ok(item.optional()?)
}

fn blob(sql: &Connection, row: i64) -> Result<Option<BlobOffer>, StoreError> {
    let mut find = sql.prepare_cached(
        "SELECT blobs.id, link_blobs.doc, blobs.length FROM blobs JOIN link_blobs ON link_blobs.blob = blobs.id
         WHERE b = ?1 LIMIT 1",
    )?;
    let item = find.query_row([row], |row| {
        Ok(BlobOffer {
            blob: BlobId(row.get(0)?),
            doc: DocId(row.get(1)?),
            length: row.get::<_, i64>(2)?.cast_unsigned(),
        })
    });
    Ok(item.optional()?)
}

/// The hub stored this.
pub(crate) fn acked(tx: &mut Tx<'_>, ack: &Ack) -> Result<(), StoreError> {
    again::spoiled(tx, &ack.spoiled)?;
    for (actor, set) in &ack.held.0 {
        if !successions::is_own(tx, actor.device)? {
            continue;
        }
        ranges::add_acked(tx.sql, actor.session, set)?;
        forget_changes(tx, *actor, set)?;
    }
    for (actor, upto) in &ack.audit {
        if !successions::is_own(tx, actor.device)? {
            continue;
        }
        ranges::set_acked_audit(tx.sql, actor.session, *upto)?;
        if !ack.spoiled.iter().any(|one| one.position.actor == *actor) {
            ranges::set_sure_audit(tx.sql, actor.session, *upto)?;
        }
        let mut done = tx.sql.prepare_cached(
            "DELETE FROM link_queue WHERE kind = ?1 AND row IN
                 (SELECT a FROM audit WHERE device = ?2 AND session = ?3 AND n <= ?4)",
        )?;
        let place = params![
            AUDIT,
            actor.device.as_bytes(),
            actor.session.as_bytes(),
            upto.cast_signed()
        ];
        done.execute(place)?;
    }
    for name in &ack.taken_back {
        hand_back::handed(tx.sql, name)?;
        let mut done = tx.sql.prepare_cached(
            "DELETE FROM link_queue WHERE (kind = ?1 AND row = (SELECT f FROM link_statements WHERE name = ?3))
                 OR (kind = ?2 AND row = (SELECT r FROM link_relays WHERE name = ?3))",
        )?;
        done.execute(params![FACT, RELAY, name])?;
    }
    for have in ack.blobs.iter().filter(|have| have.state == BlobState::Complete) {
        let mut done = tx.sql.prepare_cached(
            "DELETE FROM link_queue WHERE (kind = ?1 AND row = (SELECT b FROM blobs WHERE id = ?2))
                 OR (kind = ?3 AND row = (SELECT kept FROM link_kept_blobs WHERE id = ?2))",
        )?;
        done.execute(params![BLOB, have.blob.as_bytes(), KEPT_BLOB])?;
    }
    for have in &ack.blobs {
        match have.state {
            BlobState::NotNow => blobs::defer(tx, have.blob)?,
            BlobState::Complete => blobs::undefer(tx, have.blob)?,
            BlobState::Wanted => {}
        }
    }
    state::note_parked(tx, &ack.parked)?;
    again::parked(tx, &ack.parked)?;
    panels::put_away(tx)?;
    tx.emit(StoreEvent::SyncState);
    Ok(())
}

fn forget_changes(tx: &Tx<'_>, actor: Actor, held: &RangeSet) -> Result<(), StoreError> {
    let mut done = tx.sql.prepare_cached(
        "DELETE FROM link_queue WHERE kind = ?1 AND row IN
             (SELECT k FROM log JOIN sessions USING(s)
              WHERE device = ?2 AND session = ?3 AND seq BETWEEN ?4 AND ?5)",
    )?;
    let mut done_kept = tx.sql.prepare_cached(
        "DELETE FROM link_queue WHERE kind = ?1 AND row IN
             (SELECT kept FROM link_kept JOIN sessions USING(s)
              WHERE device = ?2 AND session = ?3 AND seq BETWEEN ?4 AND ?5)",
    )?;
    for (first, last) in held.iter() {
        for (kind, done) in [(CHANGE, &mut done), (KEPT, &mut done_kept)] {
            done.execute(params![
                kind,
                actor.device.as_bytes(),
                actor.session.as_bytes(),
                first.cast_signed(),
                last.min(i64::MAX as u64).cast_signed()
            ])?;
        }
    }
    Ok(())
}

/// Makes the queue anew by what the hub says that it holds of this device.
pub(crate) fn requeue(tx: &mut Tx<'_>, holds: &Holds) -> Result<(), StoreError> {
    let own = tx.state.actor.device;
    let before = ranges::acked(tx.sql, own)?;
    ranges::clear_acked(tx.sql)?;
    let lost = before
        .0
        .iter()
        .any(|(actor, set)| !holds.changes.0.get(actor).is_some_and(|held| held.covers(set)));
    for (actor, set) in &holds.changes.0 {
        if actor.device != own {
            // Of a device before this one: whose session it is, is known by its row.
            log::session_row(tx, *actor)?;
        }
        ranges::add_acked(tx.sql, actor.session, set)?;
        forget_changes(tx, *actor, set)?;
    }
    tx.sql.execute("DELETE FROM link_doubted", [])?;
    for actor in own_sessions(tx.sql, own)? {
        let s = log::session_row(tx, actor)?;
        let doubted = match holds.changes.0.get(&actor) {
            Some(told) => doubt(tx.sql, s, told, before.0.get(&actor), holds.prints.get(&actor))?,
            None => RangeSet::default(),
        };
        if !doubted.is_empty() {
            tx.sql.execute("INSERT INTO link_doubted(s) VALUES(?1)", [s])?;
        }
        let held = holds.changes.0.get(&actor);
        let here = ranges::of_session(tx.sql, s)?;
        if doubted.is_empty() && held.is_some_and(|held| held.covers(&here)) {
            continue;
        }
        let mut rows = tx.sql.prepare_cached(
            "SELECT k, seq, lane, length(body), ?2 FROM log WHERE s = ?1
             UNION ALL SELECT kept, seq, lane, length(body), ?3 FROM link_kept WHERE s = ?1 ORDER BY seq",
        )?;
        let mut rows = rows.query([s, CHANGE, KEPT])?;
        while let Some(row) = rows.next()? {
            let seq = row.get::<_, i64>(1)?.cast_unsigned();
            if !held.is_some_and(|held| held.contains(seq)) || doubted.contains(seq) {
                let lane = Lane::from_number(row.get(2)?).ok_or(StoreError::Unreadable("lane"))?;
                add(
                    tx,
                    lane,
                    row.get(4)?,
                    row.get(0)?,
                    row.get::<_, i64>(3)?.unsigned_abs() as usize,
                )?;
            }
        }
    }
    requeue_audit(tx, holds, own)?;
    if lost {
        requeue_blobs(tx)?;
    }
    state::note_parked(tx, &holds.parked)?;
    again::parked(tx, &holds.parked)?;
    tx.emit(StoreEvent::SyncState);
    Ok(())
}

/// Positions that the hub claims to hold although it never acknowledged them, where it may be another change
/// that it holds: another machine wrote under this session. They are sent again, and the hub tells.
fn doubt(
    sql: &Connection,
    s: i64,
    told: &RangeSet,
    acknowledged: Option<&RangeSet>,
    print: Option<&SessionPrint>,
) -> Result<RangeSet, StoreError> {
    let held = ranges::of_session(sql, s)?;
    let common = told.intersection(&held);
    if acknowledged.is_some_and(|acknowledged| acknowledged.covers(&common)) {
        return Ok(RangeSet::default());
    }
    if held.covers(told)
        && print.is_some_and(|print| ranges::print_over(sql, s, told).is_ok_and(|own| own == *print))
    {
        return Ok(RangeSet::default());
    }
    let mut doubted = RangeSet::default();
    for seq in common.iter().flat_map(|(first, last)| first..=last) {
        if acknowledged.is_none_or(|acknowledged| !acknowledged.contains(seq)) {
            doubted.insert(seq, seq);
        }
    }
    Ok(doubted)
}

fn own_sessions(sql: &Connection, own: DeviceId) -> Result<Vec<Actor>, StoreError> {
    let mut rows = sql.prepare_cached(
        "SELECT device, session FROM sessions
         WHERE device = ?1 OR device IN (SELECT predecessor FROM link_successions WHERE device = ?1)
         ORDER BY s",
    )?;
    let actors = rows.query_map([own.as_bytes()], |row| {
        Ok(Actor {
            device: DeviceId(row.get(0)?),
            session: SessionId(row.get(1)?),
        })
    })?;
    Ok(actors.collect::<crate::sql::Result<_>>()?)
}

fn requeue_audit(tx: &Tx<'_>, holds: &Holds, own: DeviceId) -> Result<(), StoreError> {
    tx.sql
        .execute("DELETE FROM link_queue WHERE kind = ?1", [AUDIT])?;
    for (actor, upto) in &holds.audit {
        ranges::set_acked_audit(tx.sql, actor.session, *upto)?;
    }
    let mut rows = tx.sql.prepare_cached(
        "SELECT a, length(entry) FROM audit WHERE device = ?1 AND session = ?2 AND n > ?3 ORDER BY a",
    )?;
    for (actor, end) in ranges::audit_ends(tx.sql, own)? {
        let upto = holds.audit.get(&actor).copied().unwrap_or(0);
        if upto >= end {
            continue;
        }
        let mut rows = rows.query(params![
            actor.device.as_bytes(),
            actor.session.as_bytes(),
            upto.cast_signed()
        ])?;
        while let Some(row) = rows.next()? {
            add_audit(tx, row.get(0)?, row.get::<_, i64>(1)?.unsigned_abs() as usize)?;
        }
    }
    Ok(())
}

/// A hub that lost changes lost blobs, too: those that do not stand in its feed are offered again.
pub(crate) fn requeue_blobs(tx: &Tx<'_>) -> Result<(), StoreError> {
    tx.sql.execute(
        "INSERT INTO link_queue(lane, kind, row, bytes, at)
         SELECT link_blobs.lane, ?1, blobs.b, blobs.length, ?2
         FROM link_blobs JOIN blobs ON blobs.id = link_blobs.blob
         WHERE blobs.id NOT IN (SELECT blob FROM link_blob_places) ON CONFLICT DO NOTHING",
        params![BLOB, tx.now.at.0],
    )?;
    kept::offer_again(tx)
}

#[cfg(test)]
mod tests;

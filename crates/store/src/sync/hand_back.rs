//! What a box keeps so that a restored hub loses nothing: which stretches of the feed came, under which signature,
//! and the facts. And how a hub takes it back.

use std::collections::BTreeSet;

use records::ids::{DeviceId, DocId};
use sync_core::exchange::Taken;
use sync_core::identity::{Actor, Position};
use sync_core::wire::{Fact, FedChange, FeedBatch, FeedEnd, FeedItem, HandBack, Lane, Welcome, change_hash};

use crate::engine::{StoreError, Tx};
use crate::ingest::{Foreign, Ingested, Stored, ingest, retry};
use crate::log;
use crate::sql::{Connection, OptionalExtension, params};
use crate::sync::{blobs, facts, hub_end, kept, purge, queue, ranges, state, successions, upstream};

pub(crate) const TABLES: &str = "
CREATE TABLE IF NOT EXISTS link_relays(
    r INTEGER PRIMARY KEY, lane INTEGER NOT NULL, upto INTEGER NOT NULL, actor BLOB NOT NULL,
    signature BLOB NOT NULL, name BLOB NOT NULL UNIQUE, places BLOB NOT NULL);
CREATE INDEX IF NOT EXISTS link_relays_by_place ON link_relays(lane, upto);
CREATE TABLE IF NOT EXISTS link_feed_marks(
    lane INTEGER NOT NULL, position INTEGER NOT NULL, chain BLOB NOT NULL, PRIMARY KEY(lane, position)) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS link_handed(name BLOB PRIMARY KEY, times INTEGER NOT NULL) WITHOUT ROWID;
";

/// Where the feeds go on after the box found a place in the history of a restored hub.
const FOUND: &str = "feeds_found";
/// Ends of the feed in one lane that are kept; older ones are thinned out.
const MARKS_MAX: i64 = 512;
/// Place of a stretch of a history that the hub forgot: whenever the hub forgets again, it is handed back.
const OUTLIVED: i64 = i64::MAX;

/// A stretch of the feed came; gives its row where it is kept to be handed back. `outlived`: it is of a history that
/// the hub forgot, so that its places say nothing.
pub(crate) fn note(
    tx: &Tx<'_>,
    lane: Lane,
    feed: &FeedBatch,
    joined: bool,
    outlived: bool,
) -> Result<Option<i64>, StoreError> {
    if joined {
        put_mark(tx.sql, lane, feed.end)?;
    }
    let changes = feed.items.iter().filter_map(|(_, item)| match item {
        FeedItem::Change(change) => Some(change.position),
        FeedItem::Fact(_) | FeedItem::Blob(_) => None,
    });
    let positions: Vec<Position> = changes.collect();
    // The box's own changes are sent again by itself.
    let mut foreign = false;
    for position in &positions {
        foreign |= !successions::is_own(tx, position.actor.device)?;
    }
    if !foreign {
        return Ok(None);
    }
    let upto = if outlived {
        OUTLIVED
    } else {
        feed.end.position.cast_signed()
    };
    let mut places = Vec::with_capacity(positions.len() * 16);
    for position in positions {
        places.extend_from_slice(&log::session_row(tx, position.actor)?.to_be_bytes());
        places.extend_from_slice(&position.seq.to_be_bytes());
    }
    let mut put = tx.sql.prepare_cached(
        "INSERT INTO link_relays(lane, upto, actor, signature, name, places)
         VALUES(?1, ?2, ?3, ?4, ?5, ?6) ON CONFLICT(name) DO UPDATE SET upto = min(link_relays.upto, excluded.upto)
         RETURNING r",
    )?;
    let r = put.query_row(
        params![
            lane.number(),
            upto,
            feed.actor.to_bytes(),
            feed.signature,
            feed.signature[..8].to_vec(),
            places
        ],
        |row| row.get(0),
    )?;
    Ok(Some(r))
}

fn put_mark(sql: &Connection, lane: Lane, end: FeedEnd) -> Result<(), StoreError> {
    let lane = lane.number();
    sql.prepare_cached(
        "INSERT INTO link_feed_marks(lane, position, chain) VALUES(?1, ?2, ?3)
             ON CONFLICT(lane, position) DO UPDATE SET chain = ?3",
    )?
    .execute(params![lane, end.position.cast_signed(), end.chain])?;
    // Of those behind the newest, only every eighth position stays.
    sql.prepare_cached(
        "DELETE FROM link_feed_marks WHERE lane = ?1 AND position % 8 <> 0 AND position <
             (SELECT min(position) FROM
                 (SELECT position FROM link_feed_marks WHERE lane = ?1 ORDER BY position DESC LIMIT ?2) AS found)",
    )?
    .execute(params![lane, MARKS_MAX])?;
    Ok(())
}

/// The hub's feed is another than the box knows: goes back to the last place that both know, and queues what came
/// behind it to be handed back.
pub(crate) fn part_ways(tx: &Tx<'_>, welcome: &Welcome) -> Result<(), StoreError> {
    let mut ends = [FeedEnd::default(); Lane::COUNT];
    let mut whole = true;
    for lane in Lane::ALL {
        let tips = &welcome.tips[lane.index()];
        let known = common(tx.sql, lane, tips)?;
        whole &= known.is_some() || tips.is_empty();
        ends[lane.index()] = known.unwrap_or_default();
    }
    if !whole {
        ends = [FeedEnd::default(); Lane::COUNT];
    }
    tx.sql.execute("DELETE FROM link_handed", [])?;
    kept::part_ways(tx.sql)?;
    let mut found = Vec::new();
    for (lane, end) in Lane::ALL.into_iter().zip(ends) {
        state::set_feed_end(tx.sql, lane, end)?;
        tx.sql.execute(
            "DELETE FROM link_feed_marks WHERE lane = ?1 AND position > ?2",
            params![lane.number(), end.position.cast_signed()],
        )?;
        queue::add_handed_back(tx, lane, end.position)?;
        outlive(tx.sql, lane, end.position)?;
        blobs::forget_places(tx.sql, lane, end.position)?;
        found.extend_from_slice(&end.position.to_be_bytes());
    }
    queue::requeue_blobs(tx)?;
    state::put(tx.sql, FOUND, whole.then_some(found.as_slice()))
}

/// The hub took something back.
pub(crate) fn handed(sql: &Connection, name: &[u8; 8]) -> Result<(), StoreError> {
    sql.prepare_cached(
        "INSERT INTO link_handed(name, times) VALUES(?1, 1) ON CONFLICT(name) DO UPDATE SET times = link_handed.times + 1",
    )?
    .execute([name])?;
    Ok(())
}

/// Everything is exchanged: what was handed back and is not in the hub's feed yet is handed back once more, since the
/// hub may have gone back again before it fed it. What is in the feed again need not be kept twice. `true` where
/// something waits now.
pub(crate) fn look_after(tx: &Tx<'_>) -> Result<bool, StoreError> {
    if !tx
        .sql
        .prepare_cached("SELECT 1 FROM link_handed LIMIT 1")?
        .exists([])?
    {
        return Ok(false);
    }
    let mut live = BTreeSet::new();
    let mut outlived = Vec::new();
    {
        let mut find = tx
            .sql
            .prepare_cached("SELECT r, upto, name, places FROM link_relays")?;
        let mut rows = find.query([])?;
        while let Some(row) = rows.next()? {
            let (upto, places): (i64, Vec<u8>) = (row.get(1)?, row.get(3)?);
            if upto == OUTLIVED {
                outlived.push((row.get::<_, i64>(0)?, row.get::<_, [u8; 8]>(2)?, places));
            } else {
                live.extend(places.as_chunks::<16>().0.iter().copied());
            }
        }
    }
    let mut missing = 0;
    for (r, name, places) in outlived {
        if places
            .as_chunks::<16>()
            .0
            .iter()
            .all(|place| live.contains(place))
        {
            tx.sql
                .prepare_cached("DELETE FROM link_relays WHERE r = ?1")?
                .execute([r])?;
        } else if handed_once(tx.sql, &name)? {
            missing += queue::add_relay(tx, r)?;
        }
    }
    let mut find = tx.sql.prepare_cached(
        "SELECT f, name FROM link_statements LEFT JOIN link_fact_places USING(f) WHERE position IS NULL",
    )?;
    let facts = find.query_map([], |row| Ok((row.get(0)?, row.get(1)?)))?;
    for (f, name) in facts.collect::<crate::sql::Result<Vec<(i64, [u8; 8])>>>()? {
        if handed_once(tx.sql, &name)? {
            missing += queue::add_fact(tx, f)?;
        }
    }
    if missing == 0 {
        tx.sql.execute("DELETE FROM link_handed", [])?;
    }
    Ok(missing > 0)
}

/// Whether it was handed back once and not a second time.
fn handed_once(sql: &Connection, name: &[u8; 8]) -> Result<bool, StoreError> {
    let mut find = sql.prepare_cached("SELECT 1 FROM link_handed WHERE name = ?1 AND times = 1")?;
    Ok(find.exists([name])?)
}

/// What came behind a place belongs to a history that the hub forgot: its positions say nothing any more, and
/// whenever the hub forgets again, it is handed back.
fn outlive(sql: &Connection, lane: Lane, behind: u64) -> Result<(), StoreError> {
    let place = params![lane.number(), behind.cast_signed()];
    sql.prepare_cached("DELETE FROM link_fact_places WHERE lane = ?1 AND position > ?2")?
        .execute(place)?;
    sql.prepare_cached("UPDATE link_relays SET upto = ?3 WHERE lane = ?1 AND upto > ?2")?
        .execute(params![lane.number(), behind.cast_signed(), OUTLIVED])?;
    Ok(())
}

fn common(sql: &Connection, lane: Lane, tips: &[FeedEnd]) -> Result<Option<FeedEnd>, StoreError> {
    let mut find =
        sql.prepare_cached("SELECT 1 FROM link_feed_marks WHERE lane = ?1 AND position = ?2 AND chain = ?3")?;
    for tip in tips {
        if find.exists(params![lane.number(), tip.position.cast_signed(), tip.chain])? {
            return Ok(Some(*tip));
        }
    }
    Ok(None)
}

/// Where the feeds go on, if that was found; asked for once.
pub(crate) fn found(sql: &Connection) -> Result<Option<[u64; Lane::COUNT]>, StoreError> {
    let Some(bytes) = state::get(sql, FOUND)? else {
        return Ok(None);
    };
    let mut ends = [0; Lane::COUNT];
    for (end, bytes) in ends.iter_mut().zip(bytes.as_chunks::<8>().0) {
        *end = u64::from_be_bytes(*bytes);
    }
    Ok(Some(ends))
}

/// A stretch as it is handed back.
pub(crate) fn read(
    sql: &Connection,
    r: i64,
    own: records::ids::DeviceId,
) -> Result<Option<HandBack>, StoreError> {
    let mut find = sql.prepare_cached("SELECT actor, signature, places FROM link_relays WHERE r = ?1")?;
    let row: Option<(Vec<u8>, [u8; 64], Vec<u8>)> = find
        .query_row([r], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)))
        .optional()?;
    let Some((actor, signature, places)) = row else {
        return Ok(None);
    };
    let actor = Actor::from_slice(&actor).ok_or(StoreError::Unreadable("relay"))?;
    let mut changes = Vec::new();
    for place in places.as_chunks::<16>().0 {
        let (s, seq) = place.split_at(8);
        let number = |bytes: &[u8]| bytes.try_into().map(u64::from_be_bytes).unwrap_or_default();
        let (s, seq) = (number(s).cast_signed(), number(seq));
        let position = log::actor_of(sql, s)?.at(seq);
        let Some((doc, hash, body)) = at(sql, s, seq)? else {
            return Ok(None);
        };
        let device = position.actor.device;
        let sent_by_itself = device == own || successions::follows(sql, own, device)?;
        let bytes = body
            .filter(|_| !sent_by_itself)
            .map(|body| log::unfold(&body, position.actor, doc, &hash))
            .transpose()?;
        changes.push(FedChange {
            position,
            doc,
            hash,
            bytes,
        });
    }
    Ok(Some(HandBack {
        actor,
        changes,
        signature,
    }))
}

type Held = (DocId, [u8; 32], Option<Vec<u8>>);

/// What stands at a position, or stood there.
fn at(sql: &Connection, s: i64, seq: u64) -> Result<Option<Held>, StoreError> {
    let mut find = sql.prepare_cached(
        "SELECT id, hash, body FROM log JOIN documents USING(d) WHERE s = ?1 AND seq = ?2
         UNION ALL SELECT doc, hash, body FROM parked WHERE s = ?1 AND seq = ?2
         UNION ALL SELECT doc, hash, body FROM link_kept WHERE s = ?1 AND seq = ?2
         UNION ALL SELECT doc, hash, NULL FROM link_void WHERE s = ?1 AND seq = ?2 LIMIT 1",
    )?;
    let held = find.query_row([s, seq.cast_signed()], |row| {
        Ok((DocId(row.get(0)?), row.get(1)?, row.get(2)?))
    });
    Ok(held.optional()?)
}

/// A verified backup of the hub holds the feed up to here: what was kept for a hub that loses it may go.
pub(crate) fn forget(sql: &Connection, safe_through: &[u64; Lane::COUNT]) -> Result<(), StoreError> {
    for (lane, position) in Lane::ALL
        .into_iter()
        .zip(safe_through)
        .filter(|(_, end)| **end > 0)
    {
        sql.prepare_cached("DELETE FROM link_relays WHERE lane = ?1 AND upto <= ?2")?
            .execute(params![lane.number(), position.cast_signed()])?;
    }
    Ok(())
}

/// Hub: takes facts back.
pub(crate) fn take_facts(
    tx: &mut Tx<'_>,
    device: DeviceId,
    lane: Lane,
    facts: &[Fact],
) -> Result<Taken, StoreError> {
    let mut taken = Taken::nothing(lane);
    for fact in facts {
        if !facts::take_back(tx, fact)? && !upstream::vouched(tx, device, fact)? {
            tracing::warn!(n = fact.n, "a fact that was handed back is not this hub's");
        }
        taken.ack.taken_back.push(fact.name());
    }
    Ok(taken)
}

/// Hub: takes changes back that it had relayed; the signature was checked.
pub(crate) fn take_changes(tx: &mut Tx<'_>, lane: Lane, back: &HandBack) -> Result<Taken, StoreError> {
    let mut taken = Taken::nothing(lane);
    taken.ack.taken_back.push(back.name());
    for change in back.items() {
        let hash = change_hash(&change.bytes);
        if purge::is_purged(tx.sql, change.doc)? {
            purge::void(tx, change.position, change.doc, &hash)?;
            continue;
        }
        let foreign = Foreign {
            position: change.position,
            doc: change.doc,
            lane,
            bytes: &change.bytes,
        };
        let outcome = ingest(tx, &foreign, &|_, _, _| Ok(()))?;
        match &outcome {
            Ingested::Stored(stored) => {
                taken.new_changes += 1;
                hub_end::spread(tx, None, lane, &change, stored, false)?;
            }
            // Its writer brought it as well and was not to be trusted: here this hub's own signature stands for it.
            Ingested::Known => {
                if let Some(stored) = take_parked(tx, &foreign, &hash)? {
                    taken.new_changes += 1;
                    hub_end::spread(tx, None, lane, &change, &stored, false)?;
                }
            }
            Ingested::Waiting | Ingested::Parked(_) => {}
            Ingested::Spoiled | Ingested::NotNow => continue,
        }
        let s = log::session_row(tx, change.position.actor)?;
        ranges::hold(tx.sql, s, change.position.seq, &hash)?;
    }
    Ok(taken)
}

/// Takes up a change that was set aside for who brought it.
fn take_parked(
    tx: &mut Tx<'_>,
    foreign: &Foreign<'_>,
    hash: &[u8; 32],
) -> Result<Option<Stored>, StoreError> {
    let s = log::session_row(tx, foreign.position.actor)?;
    let place = params![s, foreign.position.seq.cast_signed(), hash];
    let p: Option<i64> = tx
        .sql
        .prepare_cached("SELECT p FROM parked WHERE s = ?1 AND seq = ?2 AND hash = ?3")?
        .query_row(place, |row| row.get(0))
        .optional()?;
    p.map_or(Ok(None), |p| retry(tx, foreign, &|_, _, _| Ok(()), p))
}

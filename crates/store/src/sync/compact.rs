//! The store's part in packing messages: what the log knows, and bases that both ends hold.
//!
//! A box chooses its base once for each run of the program: its newest changes that the hub holds. The message that
//! starts from it names its ranges; the hub makes the same base from its own log, or says that it cannot, and then
//! everything is told in full. Nothing of a base is written to the disk. What was learned from it stays in memory,
//! a few at most, and is forgotten with every purge.

use std::collections::{HashMap, HashSet, VecDeque};
use std::sync::{Arc, PoisonError};

use records::ids::{DeviceId, DocId, SessionId};
use sync_core::compact::{BASE_BYTES_MAX, BASE_CHANGES_MAX, Base, Known, Learned, Nothing, Range};
use sync_core::document::Origin;
use sync_core::exchange::Answer;
use sync_core::identity::{Actor, Position};
use sync_core::wire::{ChangeItem, Lane, Message};

use crate::engine::{Store, StoreError};
use crate::log;
use crate::sql::{Connection, OptionalExtension, params};

/// Bytes of changes that a box takes into its base.
const BASE_BYTES: usize = 384 * 1024;
/// Fewer bytes are not worth learning.
const BASE_BYTES_LEAST: usize = 32 * 1024;
/// Sessions that a base may reach into.
const BASE_SESSIONS: usize = 8;
/// Messages of fewer items are packed without a base: learning it would take longer than sending them.
const WORTH_A_BASE: usize = 4;
/// What was learned is kept for this many bases: about 20 MB each.
const KEPT: usize = 3;
/// Devices of which a hub remembers the base.
const REMEMBERED: usize = 1024;

/// What packing keeps in memory.
#[derive(Default)]
pub(crate) struct Packing {
    /// What was learned, newest last.
    learned: VecDeque<([u8; 8], Arc<Learned>)>,
    /// A hub: the base that each box named. A box: its own, under no device.
    bases: HashMap<Option<DeviceId>, Base>,
    /// Ends that asked to be told everything in full. A box: the hub, under no device.
    in_full: HashSet<Option<DeviceId>>,
    /// How often something was purged: what was learned across a purge is not kept.
    purges: u64,
}

impl Packing {
    /// A purge: nothing may stay learned from what is gone.
    pub(crate) fn forget(&mut self) {
        self.purges += 1;
        self.learned.clear();
        self.bases.clear();
    }

    /// How often something was purged.
    #[cfg(test)]
    pub(crate) fn purges(&self) -> u64 {
        self.purges
    }

    fn find(&self, check: [u8; 8]) -> Option<Arc<Learned>> {
        let found = self.learned.iter().find(|(known, _)| *known == check)?;
        Some(found.1.clone())
    }

    fn keep(&mut self, check: [u8; 8], learned: &Arc<Learned>, purges: u64) {
        if self.purges != purges {
            return;
        }
        self.learned.retain(|(known, _)| *known != check);
        if self.learned.len() >= KEPT {
            self.learned.pop_front();
        }
        self.learned.push_back((check, learned.clone()));
    }
}

/// What the log tells. A box refers to what the hub acknowledged or fed.
struct LogView<'a> {
    sql: &'a Connection,
    at_box: bool,
}

impl LogView<'_> {
    fn position_of(&self, doc: DocId, hash: &[u8; 32]) -> crate::sql::Result<Option<Position>> {
        let mut find = self.sql.prepare_cached(
            "SELECT s, seq FROM log INDEXED BY log_by_document
             WHERE d = (SELECT d FROM documents WHERE id = ?1) AND hash = ?2
             AND NOT EXISTS (SELECT 1 FROM link_queue WHERE kind = 0 AND row = log.k)",
        )?;
        let found = find.query_row(params![doc.as_bytes(), hash], s_and_seq);
        self.position(found.optional()?)
    }

    fn origin_of(&self, doc: DocId) -> crate::sql::Result<Option<Position>> {
        let mut find = self.sql.prepare_cached(
            "SELECT s, seq FROM log INDEXED BY log_by_document
             WHERE d = (SELECT d FROM documents WHERE id = ?1) ORDER BY k LIMIT 1",
        )?;
        let found = find.query_row([doc.as_bytes()], s_and_seq);
        self.position(found.optional()?)
    }

    fn position(&self, found: Option<(i64, i64)>) -> crate::sql::Result<Option<Position>> {
        let Some((s, seq)) = found else { return Ok(None) };
        let mut find = self
            .sql
            .prepare_cached("SELECT device, session FROM sessions WHERE s = ?1")?;
        let actor = find.query_row([s], |row| {
            Ok(Actor {
                device: DeviceId(row.get(0)?),
                session: SessionId(row.get(1)?),
            })
        })?;
        Ok(Some(actor.at(seq.cast_unsigned())))
    }

    fn hash_of(&self, position: Position) -> crate::sql::Result<Option<[u8; 32]>> {
        let actor = position.actor;
        let mut find = self
            .sql
            .prepare_cached("SELECT s FROM sessions WHERE device = ?1 AND session = ?2")?;
        let s: Option<i64> = find
            .query_row(
                params![actor.device.as_bytes(), actor.session.as_bytes()],
                |row| row.get(0),
            )
            .optional()?;
        let Some(s) = s else { return Ok(None) };
        for places in [
            "SELECT hash FROM log WHERE s = ?1 AND seq = ?2",
            "SELECT hash FROM link_void WHERE s = ?1 AND seq = ?2",
            "SELECT hash FROM parked WHERE s = ?1 AND seq = ?2",
        ] {
            let mut find = self.sql.prepare_cached(places)?;
            let found = find.query_row(params![s, position.seq.cast_signed()], |row| row.get(0));
            if let Some(hash) = found.optional()? {
                return Ok(Some(hash));
            }
        }
        Ok(None)
    }
}

fn s_and_seq(row: &crate::sql::Row<'_>) -> crate::sql::Result<(i64, i64)> {
    Ok((row.get(0)?, row.get(1)?))
}

impl Known for LogView<'_> {
    fn origin(&self, doc: DocId) -> Option<Origin> {
        let position = self.origin_of(doc).ok()??;
        Some(Origin {
            device: position.actor.device,
            session: position.actor.session,
            n: position.seq,
        })
    }

    fn position(&self, doc: DocId, hash: &[u8; 32]) -> Option<Position> {
        // What a box holds of others' changes the hub does not know for sure.
        self.at_box.then(|| self.position_of(doc, hash).ok()?).flatten()
    }

    fn hash_at(&self, position: Position) -> Option<[u8; 32]> {
        self.hash_of(position).ok()?
    }
}

/// The changes of these ranges; `None` where there are too many, or none.
fn changes_in(sql: &Connection, ranges: &[Range]) -> Result<Option<Vec<ChangeItem>>, StoreError> {
    let mut changes = Vec::new();
    let mut bytes = 0;
    for range in ranges {
        let mut rows = sql.prepare_cached(
            "SELECT seq, id, hash, body FROM log JOIN sessions USING(s) JOIN documents USING(d)
             WHERE device = ?1 AND session = ?2 AND seq BETWEEN ?3 AND ?4 ORDER BY seq",
        )?;
        let mut rows = rows.query(params![
            range.actor.device.as_bytes(),
            range.actor.session.as_bytes(),
            range.first.cast_signed(),
            range.last.min(i64::MAX as u64).cast_signed()
        ])?;
        while let Some(row) = rows.next()? {
            let doc = DocId(row.get(1)?);
            let body = log::unfold(&row.get::<_, Vec<u8>>(3)?, range.actor, doc, &row.get(2)?)?;
            bytes += body.len();
            if bytes > BASE_BYTES_MAX || changes.len() >= BASE_CHANGES_MAX {
                return Ok(None);
            }
            changes.push(ChangeItem {
                position: range.actor.at(row.get::<_, i64>(0)?.cast_unsigned()),
                doc,
                bytes: body,
            });
        }
    }
    Ok((!changes.is_empty()).then_some(changes))
}

/// The newest changes of this device that the hub holds, session by session.
fn choose(sql: &Connection, own: DeviceId) -> Result<Vec<Range>, StoreError> {
    let mut sessions =
        sql.prepare_cached("SELECT s, session FROM sessions WHERE device = ?1 ORDER BY s DESC LIMIT ?2")?;
    let sessions = sessions
        .query_map(params![own.as_bytes(), BASE_SESSIONS as i64], |row| {
            Ok((row.get(0)?, SessionId(row.get(1)?)))
        })?
        .collect::<crate::sql::Result<Vec<(i64, SessionId)>>>()?;
    let (mut ranges, mut bytes) = (Vec::new(), 0);
    for (s, session) in sessions {
        let mut rows = sql.prepare_cached(
            "SELECT seq, id, hash, body FROM log JOIN documents USING(d) WHERE s = ?1
             AND NOT EXISTS (SELECT 1 FROM link_queue WHERE kind = 0 AND row = log.k)
             ORDER BY seq DESC LIMIT ?2",
        )?;
        let mut rows = rows.query(params![s, BASE_CHANGES_MAX as i64 / 2])?;
        let actor = Actor { device: own, session };
        let mut found: Option<(u64, u64)> = None;
        while bytes < BASE_BYTES
            && let Some(row) = rows.next()?
        {
            let seq = row.get::<_, i64>(0)?.cast_unsigned();
            if found.is_some_and(|(first, _)| seq + 1 != first) {
                break;
            }
            let (doc, body) = (DocId(row.get(1)?), row.get::<_, Vec<u8>>(3)?);
            bytes += log::unfold(&body, actor, doc, &row.get(2)?)?.len();
            found = Some((seq, found.map_or(seq, |(_, last)| last)));
        }
        ranges.extend(found.map(|(first, last)| Range { actor, first, last }));
    }
    ranges.reverse();
    Ok(if bytes >= BASE_BYTES_LEAST {
        ranges
    } else {
        Vec::new()
    })
}

fn items_of(message: &Message) -> usize {
    match message {
        Message::Batch(batch) => batch.changes.len(),
        Message::Feed(feed) => feed.items.len(),
        Message::Audit(_)
        | Message::Offer(_)
        | Message::Piece(_)
        | Message::Facts(_)
        | Message::HandBack(_) => 0,
    }
}

impl Store {
    fn packing<T>(&self, work: impl FnOnce(&mut Packing) -> T) -> T {
        work(&mut self.inner.packing.lock().unwrap_or_else(PoisonError::into_inner))
    }

    pub(crate) fn tell_in_full(&self, device: Option<DeviceId>) -> Answer {
        self.packing(|packing| packing.in_full.insert(device));
        Answer::Done
    }

    /// The base for messages to the other end, learned.
    fn base_for(&self, sql: &Connection, device: Option<DeviceId>) -> Option<(Base, Arc<Learned>)> {
        let mut base = self.packing(|packing| packing.bases.get(&device).cloned());
        if base.is_none() && device.is_none() {
            let ranges = choose(sql, self.device()).ok()?;
            let changes = changes_in(sql, &ranges).ok()??;
            base = Some(Base::of(ranges, &changes));
        }
        let base = base?;
        let learned = self.learn(sql, &base)?;
        self.packing(|packing| packing.bases.insert(device, base.clone()));
        Some((base, learned))
    }

    /// What is learned from a base, where its changes are here.
    fn learn(&self, sql: &Connection, base: &Base) -> Option<Arc<Learned>> {
        if let Some(learned) = self.packing(|packing| packing.find(base.check)) {
            return Some(learned);
        }
        let purges = self.packing(|packing| packing.purges);
        let changes = changes_in(sql, &base.ranges).ok()??;
        if Base::of(base.ranges.clone(), &changes) != *base {
            return None;
        }
        let learned = Arc::new(Learned::of_base(&changes));
        self.packing(|packing| packing.keep(base.check, &learned, purges));
        Some(learned)
    }

    /// The base that a message of the other end names, learned, where its changes are here.
    fn base_of(&self, sql: &Connection, device: Option<DeviceId>, wanted: &Base) -> Option<Arc<Learned>> {
        // A box's base is made of its own changes, for both directions.
        let owner = device.unwrap_or_else(|| self.device());
        let own = wanted.ranges.iter().all(|range| range.actor.device == owner);
        let learned = own.then(|| self.learn(sql, wanted)).flatten()?;
        self.packing(|packing| {
            if packing.bases.len() < REMEMBERED || packing.bases.contains_key(&device) {
                packing.bases.insert(device, wanted.clone());
            }
        });
        Some(learned)
    }

    /// Learns the base of a message of the hub (`None`) or of a box that is on its way.
    pub(crate) async fn learn_ahead(
        &self,
        device: Option<DeviceId>,
        lane: Lane,
        base: Base,
    ) -> Result<Answer, StoreError> {
        let store = self.clone();
        self.read(move |sql| {
            // Where it is not here the message is refused once it is whole.
            store.base_of(sql, device, &base);
            Ok(Answer::Learned(lane))
        })
        .await
    }

    /// Packs a message for the hub (`None`) or a box.
    pub(crate) async fn pack(
        &self,
        device: Option<DeviceId>,
        lane: Lane,
        message: Box<Message>,
        more: bool,
        learned: Option<Box<Learned>>,
    ) -> Result<Answer, StoreError> {
        let store = self.clone();
        self.read(move |sql| {
            let view = LogView {
                sql,
                at_box: device.is_none(),
            };
            let in_full = store.packing(|packing| packing.in_full.contains(&device));
            let known: &dyn Known = if in_full { &Nothing } else { &view };
            let worth = !in_full && (more || items_of(&message) >= WORTH_A_BASE);
            let base = || {
                let (base, learned) = worth.then(|| store.base_for(sql, device)).flatten()?;
                Some((base, Arc::unwrap_or_clone(learned)))
            };
            Ok(Answer::packed(lane, &message, more, learned, base, known))
        })
        .await
    }

    /// Unpacks a message of the hub (`None`) or of a box.
    pub(crate) async fn unpack(
        &self,
        device: Option<DeviceId>,
        lane: Lane,
        bytes: Vec<u8>,
        learned: Option<Box<Learned>>,
    ) -> Result<Answer, StoreError> {
        let store = self.clone();
        self.read(move |sql| {
            let view = LogView {
                sql,
                at_box: device.is_none(),
            };
            let base = |wanted: &Base| store.base_of(sql, device, wanted).map(Arc::unwrap_or_clone);
            Ok(Answer::unpacked(lane, &bytes, learned, base, &view))
        })
        .await
    }
}

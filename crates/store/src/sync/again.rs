//! What this box wrote and the hub does not take: taken out of the documents, and what must not be lost written
//! again under a new session.
//!
//! A session is spoiled where the hub holds another change at one of its positions (two machines ran with one
//! session). The box then goes on under a new session and writes its part again; documents keep their ids, and
//! creating changes carry the first position. A change that the hub set aside is taken out alone: what builds on
//! it is written again without it, and its text stays readable here. A document whose creating change was set
//! aside stays as it is: there is nothing before it.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};

use records::conflicts::shown;
use records::ids::{DocId, PatientId, SessionId};
use records::time::WallTime;
use records::tree::{Edit, Node, Scalar};
use sync_core::document::{Document, Fate, Heads, Origin, Part, Rewritten, dependants, outline, write_again};
use sync_core::identity::{Actor, Position};
use sync_core::wire::{Lane, ParkReason, Spoiled};

use crate::alarms::AlarmKind;
use crate::engine::{Store, StoreError, StoreEvent, Tx, raise_alarm};
use crate::sql::{Connection, OptionalExtension, params};
use crate::sync::{queue, ranges, successions};
use crate::{audit, derive, log};

pub(crate) const TABLES: &str = "
CREATE TABLE IF NOT EXISTS link_refused(
    device BLOB NOT NULL, session BLOB NOT NULL, seq INTEGER NOT NULL, doc BLOB NOT NULL, lane INTEGER NOT NULL,
    hash BLOB NOT NULL, reason INTEGER NOT NULL, again INTEGER NOT NULL, at INTEGER NOT NULL, text TEXT NOT NULL,
    body BLOB NOT NULL, PRIMARY KEY(device, session, seq, hash)) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS link_refused_by_document ON link_refused(doc);
CREATE TABLE IF NOT EXISTS link_instead(old BLOB PRIMARY KEY, heads BLOB NOT NULL) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS link_came(k INTEGER PRIMARY KEY);
CREATE TABLE IF NOT EXISTS link_renamed(old BLOB PRIMARY KEY, new BLOB NOT NULL) WITHOUT ROWID;
";

/// Longest text of a refused change that is kept beside its bytes, in characters.
const TEXT_CHARS_MAX: usize = 2_000;

/// A change of this box that the county does not take.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RefusedChange {
    /// The document.
    pub doc: DocId,
    /// The patient that it is about, where the document is held.
    pub patient: Option<PatientId>,
    /// Why.
    pub reason: ParkReason,
    /// When this box heard of it.
    pub at: WallTime,
    /// What the change had written: a line for each field, name and value. Personal data.
    pub text: String,
}

/// A change of this box that does not stay, and why.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Refusal {
    pub(crate) position: Position,
    pub(crate) reason: ParkReason,
    /// The document of the change that the hub holds at the position.
    held: Option<DocId>,
}

impl Refusal {
    /// Whether its content is written again: it was refused for its place, not for what it says.
    fn again(&self) -> bool {
        matches!(self.reason, ParkReason::Spoiled | ParkReason::IdTaken)
    }
}

#[derive(Debug, Clone)]
struct Row {
    k: i64,
    s: i64,
    seq: u64,
    lane: Lane,
    hash: [u8; 32],
    bytes: Vec<u8>,
}

/// The hub holds other changes at these positions.
pub(crate) fn spoiled(tx: &mut Tx<'_>, spoiled: &[Spoiled]) -> Result<(), StoreError> {
    let mut refusals = Vec::new();
    for one in spoiled {
        if !successions::is_own(tx, one.position.actor.device)? {
            continue;
        }
        let actor = one.position.actor;
        if one.position.seq == 0 {
            // The audit chain alone: another machine wrote under this session, too.
            alarm(tx, actor)?;
            leave(tx, actor, true)?;
            continue;
        }
        let Some((_, _, hash)) = place(tx.sql, one.position)? else {
            continue;
        };
        // What stands here now is what the hub holds: this was settled before.
        if one.held.is_none_or(|(_, start)| hash[..8] != start) {
            refusals.push(Refusal {
                position: one.position,
                reason: ParkReason::Spoiled,
                held: one.held.map(|(doc, _)| doc),
            });
        }
    }
    take_back(tx, &refusals)
}

/// A change came from the hub where this box holds another one of its own; `true` where the place is free now.
pub(crate) fn give_way(
    tx: &mut Tx<'_>,
    position: Position,
    doc: DocId,
    bytes: &[u8],
) -> Result<bool, StoreError> {
    if !successions::is_own(tx, position.actor.device)? {
        return Ok(false);
    }
    let mut refusals = Vec::new();
    let refuse = |position| Refusal {
        position,
        reason: ParkReason::Spoiled,
        held: Some(doc),
    };
    if place(tx.sql, position)?.is_some() {
        refusals.push(refuse(position));
    }
    let rival = log::load(tx.sql, doc)?.and_then(|document| document.rival_of(bytes));
    if let Some(hash) = rival {
        let mut find = tx.sql.prepare_cached("SELECT s, seq FROM log WHERE hash = ?1")?;
        let found: Option<(i64, i64)> = find
            .query_row([hash], |row| Ok((row.get(0)?, row.get(1)?)))
            .optional()?;
        if let Some((s, seq)) = found {
            refusals.push(refuse(log::actor_of(tx.sql, s)?.at(seq.cast_unsigned())));
        }
    }
    let any = !refusals.is_empty();
    take_back(tx, &refusals)?;
    Ok(any)
}

/// The hub set these changes of ours aside.
pub(crate) fn parked(tx: &mut Tx<'_>, parked: &[(Position, ParkReason)]) -> Result<(), StoreError> {
    let mut refusals = Vec::new();
    for (position, reason) in parked {
        if !successions::is_own(tx, position.actor.device)? {
            continue;
        }
        // The document's id is another record's at the hub: it gets a new one.
        let taken = match place(tx.sql, *position)? {
            Some((_, d, _)) if *reason == ParkReason::IdTaken => Some(doc_of(tx.sql, d)?),
            Some(_) | None => None,
        };
        if *reason == ParkReason::IdTaken {
            let own = position.actor;
            tx.sql.execute(
                "DELETE FROM link_parked WHERE device = ?1 AND session = ?2 AND seq = ?3",
                params![
                    own.device.as_bytes(),
                    own.session.as_bytes(),
                    position.seq.cast_signed()
                ],
            )?;
        }
        if *reason != ParkReason::UnknownKind {
            refusals.push(Refusal {
                position: *position,
                reason: *reason,
                held: taken,
            });
        }
    }
    take_back(tx, &refusals)
}

fn doc_of(sql: &Connection, d: i64) -> Result<DocId, StoreError> {
    let id = sql.query_row("SELECT id FROM documents WHERE d = ?1", [d], |row| row.get(0))?;
    Ok(DocId(id))
}

fn place(sql: &Connection, position: Position) -> Result<Option<(i64, i64, [u8; 32])>, StoreError> {
    let mut find = sql.prepare_cached(
        "SELECT k, d, hash FROM log JOIN sessions USING(s) WHERE device = ?1 AND session = ?2 AND seq = ?3",
    )?;
    let actor = position.actor;
    let place = params![
        actor.device.as_bytes(),
        actor.session.as_bytes(),
        position.seq.cast_signed()
    ];
    Ok(find
        .query_row(place, |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)))
        .optional()?)
}

fn alarm(tx: &mut Tx<'_>, actor: Actor) -> Result<(), StoreError> {
    let Actor { device, session } = actor;
    tracing::error!(%session, "another machine wrote under a session of this box");
    raise_alarm(tx, &AlarmKind::SessionSpoiled, &format!("{device} {session}"))
}

/// Takes changes of this box out of their documents.
fn take_back(tx: &mut Tx<'_>, refusals: &[Refusal]) -> Result<(), StoreError> {
    let mut by_document: BTreeMap<i64, HashMap<[u8; 32], Refusal>> = BTreeMap::new();
    let mut order = Vec::new();
    for refusal in refusals {
        let Some((k, d, hash)) = place(tx.sql, refusal.position)? else {
            continue;
        };
        order.push((k, d));
        by_document.entry(d).or_default().insert(hash, *refusal);
    }
    order.sort_unstable();
    let mut done = BTreeSet::new();
    let mut moves = Moves {
        by_actor: BTreeMap::new(),
        spoiled: refusals
            .iter()
            .any(|refusal| refusal.reason == ParkReason::Spoiled),
    };
    for (_, d) in order {
        if done.insert(d)
            && let Some(refused) = by_document.get(&d)
        {
            rewrite(tx, d, refused, &mut moves)?;
        }
    }
    Ok(())
}

/// Which session goes on for which.
#[derive(Debug)]
struct Moves {
    by_actor: BTreeMap<Actor, Actor>,
    /// Whether they are left because another machine wrote under them.
    spoiled: bool,
}

impl Moves {
    /// The session that writes again what `old` wrote. `old` never writes again: its numbers in the document
    /// may be taken.
    fn of(&mut self, tx: &mut Tx<'_>, old: Actor) -> Result<Actor, StoreError> {
        if let Some(new) = self.by_actor.get(&old) {
            return Ok(*new);
        }
        let new = leave(tx, old, self.spoiled)?;
        self.by_actor.insert(old, new);
        Ok(new)
    }
}

/// Stops writing under a session; gives the one that goes on.
fn leave(tx: &mut Tx<'_>, old: Actor, spoiled: bool) -> Result<Actor, StoreError> {
    let new = Actor {
        device: tx.state.actor.device,
        session: SessionId(tx.state.fresh()),
    };
    log::session_row(tx, new)?;
    tx.state.side_sessions.retain(|session| *session != old.session);
    if spoiled {
        audit::go_on_under(tx, old, new)?;
    }
    if old == tx.state.actor {
        tx.state.actor = new;
    } else {
        tx.state.side_sessions.push(new.session);
    }
    Ok(new)
}

fn rows_of(sql: &Connection, d: i64, doc: DocId) -> Result<Vec<Row>, StoreError> {
    let mut find =
        sql.prepare_cached("SELECT k, s, seq, lane, hash, body FROM log WHERE d = ?1 ORDER BY k")?;
    let mut rows = find.query([d])?;
    let mut found = Vec::new();
    while let Some(row) = rows.next()? {
        let (s, hash) = (row.get(1)?, row.get(4)?);
        found.push(Row {
            k: row.get(0)?,
            s,
            seq: row.get::<_, i64>(2)?.cast_unsigned(),
            lane: Lane::from_number(row.get(3)?).ok_or(StoreError::Unreadable("lane"))?,
            hash,
            bytes: log::unfold(&row.get::<_, Vec<u8>>(5)?, log::actor_of(sql, s)?, doc, &hash)?,
        });
    }
    Ok(found)
}

/// Writes one document again without the refused changes.
fn rewrite(
    tx: &mut Tx<'_>,
    d: i64,
    refused: &HashMap<[u8; 32], Refusal>,
    moves: &mut Moves,
) -> Result<(), StoreError> {
    let doc = doc_of(tx.sql, d)?;
    let row = log::doc_row(tx.sql, doc)?.ok_or(StoreError::Unreadable("document"))?;
    let rows = rows_of(tx.sql, d, doc)?;
    let before = log::load_row(tx.sql, d, doc)?;
    let first = rows.first().ok_or(StoreError::Unreadable("document"))?;
    let creator = outline(doc, &first.bytes)?;
    let mut gone: HashSet<[u8; 32]> = refused.keys().copied().collect();
    // There is nothing before a creating change that was set aside: its document stays, here alone.
    if let Some(refusal) = refused.get(&creator.hash)
        && !refusal.again()
    {
        return Ok(());
    }
    gone = dependants(rows.iter().map(|row| row.bytes.as_slice()), &gone)?;
    let mut fates = Vec::with_capacity(rows.len());
    for row in &rows {
        let actor = log::actor_of(tx.sql, row.s)?;
        fates.push(match (gone.contains(&row.hash), refused.get(&row.hash)) {
            (false, _) => Fate::Stays,
            (true, _) if !successions::is_own(tx, actor.device)? => {
                tracing::error!(%doc, "another device builds on a change that the hub does not take");
                return Ok(());
            }
            (true, Some(refusal)) if !refusal.again() => Fate::Out,
            (true, Some(_) | None) => Fate::Again(moves.of(tx, actor)?),
        });
    }
    for refusal in refused
        .values()
        .filter(|refusal| refusal.reason == ParkReason::Spoiled)
    {
        alarm(tx, refusal.position.actor)?;
    }
    let author = log::actor_of(tx.sql, first.s)?;
    let (id, origin) = identity(tx, doc, &before, author, refused.get(&creator.hash), moves)?;
    let renamed = renamed(tx.sql)?;
    let parts: Vec<Part<'_>> = rows
        .iter()
        .zip(&fates)
        .map(|(row, fate)| Part {
            bytes: &row.bytes,
            fate: *fate,
        })
        .collect();
    let rewritten = write_again(id, origin, &parts, &renamed)?;
    for (row, _) in rows.iter().zip(&fates).filter(|(_, fate)| **fate != Fate::Stays) {
        let refusal = refused.get(&row.hash).copied();
        put_aside(tx, doc, &before, row, refusal)?;
        // What the hub set aside is held by both; a spoiled place is free for what the hub holds there.
        if moves.spoiled {
            ranges::let_go(tx.sql, row.s, row.seq, &row.hash)?;
        }
    }
    put_back(tx, d, &row, id, &rewritten, &rows)
}

/// The id under which a document is written again: its own, or a new one where the hub holds another record
/// under it.
fn identity(
    tx: &mut Tx<'_>,
    doc: DocId,
    before: &Document,
    author: Actor,
    creator: Option<&Refusal>,
    moves: &mut Moves,
) -> Result<(DocId, Origin), StoreError> {
    let origin = before
        .origin(author)
        .ok_or(StoreError::Unreadable("origin of a document"))?;
    if creator.is_none_or(|refusal| refusal.held != Some(doc)) {
        return Ok((doc, origin));
    }
    let actor = moves.of(tx, author)?;
    let s = log::session_row(tx, actor)?;
    let origin = Origin {
        device: actor.device,
        session: actor.session,
        n: log::next_seq(tx, s)?,
    };
    let new = origin.id(before.kind());
    tx.sql
        .prepare_cached(
            "INSERT INTO link_renamed(old, new) VALUES(?1, ?2) ON CONFLICT(old) DO UPDATE SET new = ?2",
        )?
        .execute(params![doc.as_bytes(), new.as_bytes()])?;
    Ok((new, origin))
}

fn renamed(sql: &Connection) -> Result<Vec<(DocId, DocId)>, StoreError> {
    let mut find = sql.prepare_cached("SELECT old, new FROM link_renamed")?;
    let rows = find.query_map([], |row| Ok((DocId(row.get(0)?), DocId(row.get(1)?))))?;
    Ok(rows.collect::<crate::sql::Result<_>>()?)
}

/// Moves a row of the log to what is kept of refused changes.
fn put_aside(
    tx: &Tx<'_>,
    doc: DocId,
    before: &Document,
    row: &Row,
    refusal: Option<Refusal>,
) -> Result<(), StoreError> {
    let actor = log::actor_of(tx.sql, row.s)?;
    let reason = refusal.map_or(ParkReason::BuildsOnParked, |refusal| refusal.reason);
    let out = refusal.is_some_and(|refusal| !refusal.again());
    let text = if out { text_of(before, row) } else { String::new() };
    let mut put = tx.sql.prepare_cached(
        "INSERT INTO link_refused(device, session, seq, doc, lane, hash, reason, again, at, text, body)
         VALUES(?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11)
         ON CONFLICT(device, session, seq, hash) DO UPDATE SET
             doc = ?4, lane = ?5, reason = ?7, again = ?8, at = ?9, text = ?10, body = ?11",
    )?;
    put.execute(params![
        actor.device.as_bytes(),
        actor.session.as_bytes(),
        row.seq.cast_signed(),
        doc.as_bytes(),
        row.lane.number(),
        row.hash,
        reason.number(),
        !out,
        tx.now.at.0,
        text,
        log::pack(&row.bytes)
    ])?;
    tx.sql
        .prepare_cached("DELETE FROM log WHERE k = ?1")?
        .execute([row.k])?;
    queue::forget(tx, row.k)?;
    Ok(())
}

/// What a change had written: the leaves in which the state with it differs from the state before.
fn text_of(document: &Document, row: &Row) -> String {
    let Some(deps) = sync_core::document::deps_of(&row.bytes) else {
        return String::new();
    };
    let trees = (
        document.tree_at(&Heads::new(deps)),
        document.tree_at(&Heads::new([row.hash])),
    );
    let (Ok(before), Ok(after)) = trees else {
        return String::new();
    };
    let (mut known, mut new) = (Vec::new(), Vec::new());
    lines("", &before, &mut known);
    lines("", &after, &mut new);
    let new = new.into_iter().filter(|line| !known.contains(line));
    new.collect::<Vec<_>>()
        .join("\n")
        .chars()
        .take(TEXT_CHARS_MAX)
        .collect()
}

/// A tree as lines of name and value.
fn lines(path: &str, node: &Node, into: &mut Vec<String>) {
    match node {
        Node::Map(parts) => parts.iter().for_each(|(key, part)| {
            let path = if path.is_empty() {
                key.clone()
            } else {
                format!("{path}.{key}")
            };
            lines(&path, part, into);
        }),
        Node::List(items) => items.iter().for_each(|item| lines(path, item, into)),
        Node::Leaf(leaf) => {
            let values = std::iter::once(&leaf.winner).chain(&leaf.others);
            into.extend(values.map(|value| format!("{path}: {}", shown(value))));
        }
    }
}

/// Writes the new changes and the document's row.
fn put_back(
    tx: &mut Tx<'_>,
    d: i64,
    row: &log::DocRow,
    id: DocId,
    rewritten: &Rewritten,
    rows: &[Row],
) -> Result<(), StoreError> {
    let old_id: [u8; 16] = tx
        .sql
        .query_row("SELECT id FROM documents WHERE d = ?1", [d], |row| row.get(0))?;
    for again in &rewritten.again {
        let Some(change) = &again.change else { continue };
        let lane = rows
            .iter()
            .find(|row| row.hash == again.old)
            .map_or(Lane::P2, |row| row.lane);
        let s = log::session_row(tx, again.actor)?;
        let position = again.actor.at(log::next_seq(tx, s)?);
        let body = log::fold(again.actor, id, &change.bytes);
        let k = log::append(tx, s, position, d, lane, &change.hash, &body)?;
        ranges::hold(tx.sql, s, position.seq, &change.hash)?;
        queue::add_change(tx, lane, k, change.bytes.len())?;
    }
    for (old, heads) in &rewritten.instead {
        tx.sql
            .prepare_cached("INSERT INTO link_instead(old, heads) VALUES(?1, ?2) ON CONFLICT(old) DO UPDATE SET heads = ?2")?
            .execute(params![old, heads.concat()])?;
    }
    if id.0 != old_id {
        tx.sql.execute(
            "UPDATE documents SET id = ?2 WHERE d = ?1",
            params![d, id.as_bytes()],
        )?;
        tx.sql.execute(
            "UPDATE link_blobs SET doc = ?2 WHERE doc = ?1",
            params![old_id, id.as_bytes()],
        )?;
        tx.sql.execute(
            "UPDATE local_tray SET doc = ?2 WHERE doc = ?1",
            params![old_id, id.as_bytes()],
        )?;
    }
    log::update_doc(tx, row, &rewritten.document)?;
    if id.0 != old_id {
        repoint(tx, DocId(old_id), id)?;
    }
    let patient = derive::project(tx.sql, d, &rewritten.document, true)?;
    tx.emit(StoreEvent::DocChanged { doc: id, patient });
    tx.emit(StoreEvent::SyncState);
    Ok(())
}

/// What this box wrote about a document names its new id. What came from others means the other record.
fn repoint(tx: &mut Tx<'_>, old: DocId, new: DocId) -> Result<(), StoreError> {
    let mut find = tx.sql.prepare_cached(
        "SELECT documents.id FROM documents
         WHERE d IN (SELECT d FROM encounters WHERE patient = ?1 UNION SELECT d FROM series WHERE patient = ?1)
             AND EXISTS(SELECT 1 FROM log JOIN sessions USING(s) WHERE log.d = documents.d AND own = 1
                 AND k = (SELECT min(k) FROM log x WHERE x.d = documents.d)
                 AND k NOT IN (SELECT k FROM link_came))",
    )?;
    let docs = find.query_map([old.as_bytes()], |row| Ok(DocId(row.get(0)?)))?;
    for doc in docs.collect::<crate::sql::Result<Vec<DocId>>>()? {
        let Some(row) = log::doc_row(tx.sql, doc)? else {
            continue;
        };
        let mut document = log::load_row(tx.sql, row.d, doc)?;
        let mut edits = Vec::new();
        naming(&document.tree(), old, &mut Vec::new(), &mut |path| {
            edits.push(Edit::Put(
                path.to_vec(),
                Node::from(Scalar::Bytes(new.0.to_vec())),
            ));
        });
        let actor = tx.state.actor;
        if let Some(change) = document.edit(actor, tx.now.at, &edits)? {
            let s = log::session_row(tx, actor)?;
            let position = actor.at(log::next_seq(tx, s)?);
            log::write_own(tx, Some(&row), &document, position, Lane::P2, &change)?;
        }
    }
    Ok(())
}

/// The fields that hold exactly this id.
fn naming(node: &Node, id: DocId, path: &mut Vec<String>, found: &mut dyn FnMut(&[String])) {
    match node {
        Node::Map(parts) => {
            for (key, part) in parts {
                path.push(key.clone());
                naming(part, id, path, found);
                path.pop();
            }
        }
        Node::Leaf(leaf) if leaf.winner == Scalar::Bytes(id.0.to_vec()) => found(path),
        Node::Leaf(_) | Node::List(_) => {}
    }
}

/// The heads that stand today for heads that a form saw earlier.
pub(crate) fn heads_today(sql: &Connection, heads: &Heads) -> Result<Heads, StoreError> {
    let mut find = sql.prepare_cached("SELECT heads FROM link_instead WHERE old = ?1")?;
    let (mut open, mut seen, mut found) = (Vec::new(), HashSet::new(), Vec::new());
    open.extend(heads.iter().copied());
    while let Some(hash) = open.pop() {
        if !seen.insert(hash) {
            continue;
        }
        match find
            .query_row([hash], |row| row.get::<_, Vec<u8>>(0))
            .optional()?
        {
            Some(instead) => open.extend_from_slice(instead.as_chunks::<32>().0),
            None => found.push(hash),
        }
    }
    Ok(Heads::new(found))
}

impl Store {
    /// Changes of this box that the county does not take, newest first: their text stays readable here. What
    /// was written again is not among them.
    pub async fn refused_changes(&self, limit: usize) -> Result<Vec<RefusedChange>, StoreError> {
        self.read(move |sql| {
            let mut find = sql.prepare_cached(
                "SELECT doc, reason, at, text FROM link_refused WHERE again = 0 ORDER BY at DESC LIMIT ?1",
            )?;
            let mut rows = find.query([limit as i64])?;
            let mut found = Vec::new();
            while let Some(row) = rows.next()? {
                let doc = DocId(row.get(0)?);
                let document = log::load(sql, doc)?;
                found.push(RefusedChange {
                    doc,
                    patient: document.as_ref().and_then(derive::patient_of),
                    reason: ParkReason::from_number(row.get(1)?),
                    at: WallTime(row.get(2)?),
                    text: row.get(3)?,
                });
            }
            Ok(found)
        })
        .await
    }
}

//! What is left of records after some of their rows were lost: each document is brought into the state that its
//! readable changes make, and what builds on a lost change waits for it.

use std::collections::HashSet;

use records::ids::{DeviceId, DocId, DocKind, SessionId};
use sync_core::document::{Document, deps_of, genesis_hash, outline};
use sync_core::fingerprint::print_of;
use sync_core::identity::Actor;
use sync_core::wire::change_hash;

use super::Lost;
use crate::engine::StoreError;
use crate::ingest::ORPHAN;
use crate::sql::{Connection, OptionalExtension, Row, params};
use crate::{log, sync};

/// A change of the log that is what its hash says.
struct Kept {
    k: i64,
    hash: [u8; 32],
    bytes: Vec<u8>,
}

pub(super) fn settle(sql: &Connection, lost: &mut Lost) -> Result<(), StoreError> {
    lost.spoilt += drop_spoilt(sql)?;
    lost.spoilt += drop_spoilt_parked(sql)?;
    lost.spoilt += drop_spoilt_blobs(sql)?;
    let mut rows = sql.prepare("SELECT d FROM log UNION SELECT d FROM documents ORDER BY d")?;
    let all = rows
        .query_map([], |row| row.get(0))?
        .collect::<crate::sql::Result<Vec<i64>>>()?;
    for d in all {
        lost.documents += u64::from(!document(sql, d)?);
    }
    log::sum_up(sql)?;
    sync::after_salvage(sql)
}

/// The bytes of a change, if they are what its hash says. Its author or its document may be lost: of the latter only
/// the kind counts, and there are few.
fn bytes_of(body: &[u8], hash: &[u8; 32], actor: Option<Actor>, id: Option<DocId>) -> Option<Vec<u8>> {
    let actor = actor.unwrap_or(Actor {
        device: DeviceId([0; 8]),
        session: SessionId([0; 8]),
    });
    let kinds = DocKind::ALL.into_iter().map(any_of);
    id.into_iter()
        .chain(kinds)
        .find_map(|id| log::unfold(body, actor, id, hash).ok())
}

/// An id of a kind, where only the kind is looked at.
fn any_of(kind: DocKind) -> DocId {
    DocId([kind.byte(); 16])
}

/// A row of the log with what it takes to read its body.
const OF_LOG: &str = "SELECT k, hash, body, device, session, id FROM log LEFT JOIN sessions USING(s)
     LEFT JOIN documents ON documents.d = log.d";

fn kept(row: &Row<'_>) -> crate::sql::Result<Result<Kept, i64>> {
    let k = row.get(0)?;
    let actor = row
        .get(3)
        .ok()
        .zip(row.get(4).ok())
        .map(|(device, session)| Actor {
            device: DeviceId(device),
            session: SessionId(session),
        });
    let id = row.get(5).ok().map(DocId);
    let hash: Option<[u8; 32]> = row.get(1).ok();
    let body: Vec<u8> = row.get(2).unwrap_or_default();
    let bytes = hash.and_then(|hash| Some((hash, bytes_of(&body, &hash, actor, id)?)));
    Ok(bytes.map(|(hash, bytes)| Kept { k, hash, bytes }).ok_or(k))
}

/// Takes changes out of the log whose body is not what their hash says; how many.
fn drop_spoilt(sql: &Connection) -> Result<u64, StoreError> {
    let mut rows = sql.prepare(OF_LOG)?;
    let mut spoilt = Vec::new();
    for row in rows.query_map([], kept)? {
        spoilt.extend(row?.err());
    }
    let mut drop = sql.prepare("DELETE FROM log WHERE k = ?1")?;
    for row in &spoilt {
        drop.execute([row])?;
    }
    Ok(spoilt.len() as u64)
}

/// The same of changes that are set aside, which are kept whole.
fn drop_spoilt_parked(sql: &Connection) -> Result<u64, StoreError> {
    let mut spoilt = Vec::new();
    let mut rows = sql.prepare("SELECT p, hash, body FROM parked")?;
    let mut rows = rows.query([])?;
    while let Some(row) = rows.next()? {
        let hash = row.get::<_, [u8; 32]>(1).ok();
        let body = row.get::<_, Vec<u8>>(2).unwrap_or_default();
        if log::unpack(&body).ok().map(|bytes| change_hash(&bytes)) != hash {
            spoilt.push(row.get::<_, i64>(0)?);
        }
    }
    let mut drop = sql.prepare("DELETE FROM parked WHERE p = ?1")?;
    for row in &spoilt {
        drop.execute([row])?;
    }
    Ok(spoilt.len() as u64)
}

fn drop_spoilt_blobs(sql: &Connection) -> Result<u64, StoreError> {
    let mut spoilt = Vec::new();
    let mut rows = sql.prepare(
        "SELECT b, id, length, body FROM blobs
         WHERE NOT EXISTS(SELECT 1 FROM objects WHERE blob = id AND moved = 1)",
    )?;
    let mut rows = rows.query([])?;
    while let Some(row) = rows.next()? {
        let body = row.get::<_, Vec<u8>>(3).unwrap_or_default();
        let named = row.get::<_, [u8; 32]>(1).ok();
        let length = row.get::<_, i64>(2)?;
        if named != Some(sync_core::blobs::blob_id(&body).0) || body.len() as i64 != length {
            spoilt.push(row.get::<_, i64>(0)?);
        }
    }
    let mut drop = sql.prepare("DELETE FROM blobs WHERE b = ?1")?;
    for row in &spoilt {
        drop.execute([row])?;
    }
    Ok(spoilt.len() as u64)
}

/// Brings the row of a document to what its changes make; `false` where some of them are missing.
fn document(sql: &Connection, d: i64) -> Result<bool, StoreError> {
    let mut find = sql.prepare_cached("SELECT id, heads FROM documents WHERE d = ?1")?;
    let told: Option<(DocId, Vec<u8>)> = find
        .query_row([d], |row| Ok((DocId(row.get(0)?), row.get(1)?)))
        .optional()?;
    let changes = changes(sql, d)?;
    let told_id = told.as_ref().map(|(id, _)| *id).filter(|id| id.kind().is_some());
    let Some(id) = created_as(&changes).or(told_id) else {
        // Nobody knows whose these changes are; they stay in the file that was set aside.
        return forget(sql, d);
    };
    let Some(kind) = id.kind() else {
        return forget(sql, d);
    };
    let (usable, waiting) = split(kind, changes);
    for change in &waiting {
        park(sql, id, change)?;
    }
    let loaded = Document::load(id, usable.iter().map(|change| change.bytes.as_slice()))
        .ok()
        .filter(|document| document.change_count() > 0);
    let Some((document, owner)) = loaded.and_then(|document| document.owner().map(|owner| (document, owner)))
    else {
        return forget(sql, d);
    };
    let heads = document.heads();
    let whole = waiting.is_empty() && told.is_some_and(|(_, told)| told == heads.to_bytes());
    sql.prepare_cached("DELETE FROM documents WHERE d = ?1 OR id = ?2")?
        .execute(params![d, id.as_bytes()])?;
    sql.prepare_cached(
        "INSERT INTO documents(d, id, kind, owner, heads, print, changes) VALUES(?1, ?2, ?3, ?4, ?5, ?6, ?7)",
    )?
    .execute(params![
        d,
        id.as_bytes(),
        kind.byte(),
        owner.as_str(),
        heads.to_bytes(),
        print_of(id, &heads),
        document.change_count() as i64
    ])?;
    Ok(whole)
}

fn changes(sql: &Connection, d: i64) -> Result<Vec<Kept>, StoreError> {
    let mut find = sql.prepare_cached(&format!("{OF_LOG} WHERE log.d = ?1 ORDER BY k"))?;
    let rows = find.query_map([d], kept)?;
    rows.map(|row| row?.map_err(|_| StoreError::Unreadable("change")))
        .collect()
}

/// The id of the document that one of these changes created: made of that change's content.
fn created_as(changes: &[Kept]) -> Option<DocId> {
    DocKind::ALL.into_iter().find_map(|kind| {
        let any = any_of(kind);
        changes.iter().find_map(|change| {
            let outline = outline(any, &change.bytes)
                .ok()
                .filter(|outline| outline.creates)?;
            let first = Document::load(any, [change.bytes.as_slice()]).ok()?;
            Some(first.origin(outline.actor)?.id(kind))
        })
    })
}

/// Those whose past is whole, in an order in which each comes after what it builds on; and the others.
fn split(kind: DocKind, changes: Vec<Kept>) -> (Vec<Kept>, Vec<Kept>) {
    let mut known = HashSet::from([genesis_hash(kind)]);
    let (mut usable, mut waiting) = (Vec::new(), changes);
    loop {
        let before = usable.len();
        let mut later = Vec::new();
        for change in waiting {
            let deps = deps_of(&change.bytes).unwrap_or_default();
            if !deps.is_empty() && deps.iter().all(|dep| known.contains(dep)) {
                known.insert(change.hash);
                usable.push(change);
            } else {
                later.push(change);
            }
        }
        waiting = later;
        if waiting.is_empty() || usable.len() == before {
            return (usable, waiting);
        }
    }
}

/// A change waits for what it builds on.
fn park(sql: &Connection, doc: DocId, change: &Kept) -> Result<(), StoreError> {
    sql.prepare_cached(
        "INSERT OR IGNORE INTO parked(s, seq, doc, lane, hash, reason, body)
         SELECT s, seq, ?2, lane, hash, ?3, ?4 FROM log WHERE k = ?1",
    )?
    .execute(params![
        change.k,
        doc.as_bytes(),
        ORPHAN,
        log::pack(&change.bytes)
    ])?;
    sql.prepare_cached("DELETE FROM log WHERE k = ?1")?
        .execute([change.k])?;
    Ok(())
}

fn forget(sql: &Connection, d: i64) -> Result<bool, StoreError> {
    for table in ["log", "documents"] {
        sql.execute(&format!("DELETE FROM {table} WHERE d = ?1"), [d])?;
    }
    Ok(false)
}

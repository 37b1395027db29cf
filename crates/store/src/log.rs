//! The change log and the documents made of it.

mod body;

use records::ids::{ClinicCode, DeviceId, DocId, PatientId, SessionId};
use sync_core::document::{Change, Document, Heads};
use sync_core::fingerprint::{Fingerprint, print_of};
use sync_core::identity::{Actor, Position};
use sync_core::wire::Lane;

use crate::engine::{State, StoreError, StoreEvent, Tx};
use crate::open::{CrashPoint, Mode};
use crate::sql::{Connection, OptionalExtension, params};
use crate::sync::OwnChange;
use crate::{derive, sync};
pub use body::{each_stream, fuzz_one};
pub(crate) use body::{fold, pack, unfold, unpack};

const FINGERPRINT: &str = "fingerprint";

/// A document's row.
#[derive(Debug, Clone)]
pub(crate) struct DocRow {
    /// The row's number, by which derived tables refer to the document.
    pub(crate) d: i64,
    /// The clinic that owns it.
    pub(crate) owner: ClinicCode,
    /// Its print in the fingerprint.
    print: [u8; 32],
}

/// Row of a session, made with its first change.
pub(crate) fn session_row(tx: &Tx<'_>, actor: Actor) -> Result<i64, StoreError> {
    let (device, session) = (actor.device.as_bytes(), actor.session.as_bytes());
    let mut find = tx
        .sql
        .prepare_cached("SELECT s FROM sessions WHERE device = ?1 AND session = ?2")?;
    if let Some(s) = find
        .query_row(params![device, session], |row| row.get(0))
        .optional()?
    {
        return Ok(s);
    }
    let own = crate::sync::successions::is_own(tx, actor.device)?;
    let parent = if own { parent_of(tx, actor)? } else { None };
    tx.sql.execute(
        "INSERT INTO sessions(device, session, parent, own, opened) VALUES(?1, ?2, ?3, ?4, ?5)",
        params![device, session, parent, own, tx.now.at.0],
    )?;
    Ok(tx.sql.last_insert_rowid()?)
}

/// The session from which a new one of this device goes on: the last that wrote here.
fn parent_of(tx: &Tx<'_>, actor: Actor) -> Result<Option<Vec<u8>>, StoreError> {
    if actor.session != tx.state.actor.session {
        return Ok(Some(tx.state.actor.session.as_bytes().to_vec()));
    }
    let mut last = tx.sql.prepare_cached(
        "SELECT session FROM sessions WHERE device = ?1 AND own = 1 ORDER BY s DESC LIMIT 1",
    )?;
    Ok(last
        .query_row([actor.device.as_bytes()], |row| row.get(0))
        .optional()?)
}

/// The next free number in a session's log. A number whose change was purged or put away is not free.
pub(crate) fn next_seq(tx: &Tx<'_>, s: i64) -> Result<u64, StoreError> {
    let mut last = tx.sql.prepare_cached(
        "SELECT max(seq) FROM (SELECT max(seq) AS seq FROM log WHERE s = ?1
             UNION ALL SELECT max(last) FROM link_held WHERE s = ?1
             UNION ALL SELECT max(seq) FROM link_void WHERE s = ?1) AS found",
    )?;
    let last: Option<i64> = last.query_row([s], |row| row.get(0))?;
    Ok(last.unwrap_or(0).cast_unsigned() + 1)
}

/// The row of a document.
pub(crate) fn doc_row(sql: &Connection, doc: DocId) -> Result<Option<DocRow>, StoreError> {
    let mut find = sql.prepare_cached("SELECT d, owner, print FROM documents WHERE id = ?1")?;
    let row = find
        .query_row([doc.as_bytes()], |row| {
            Ok((row.get(0)?, row.get::<_, String>(1)?, row.get(2)?))
        })
        .optional()?;
    let Some((d, owner, print)) = row else {
        return Ok(None);
    };
    let owner = owner.parse().map_err(|_| StoreError::Unreadable("document"))?;
    Ok(Some(DocRow { d, owner, print }))
}

/// Heads of a document as its row has them.
pub(crate) fn doc_heads(sql: &Connection, doc: DocId) -> Result<Option<Heads>, StoreError> {
    let mut find = sql.prepare_cached("SELECT heads FROM documents WHERE id = ?1")?;
    let heads: Option<Vec<u8>> = find.query_row([doc.as_bytes()], |row| row.get(0)).optional()?;
    heads
        .map(|bytes| Heads::from_bytes(&bytes).ok_or(StoreError::Unreadable("document")))
        .transpose()
}

/// Loads a document from its changes in the log.
pub(crate) fn load(sql: &Connection, doc: DocId) -> Result<Option<Document>, StoreError> {
    let mut find = sql.prepare_cached("SELECT d FROM documents WHERE id = ?1")?;
    let d: Option<i64> = find.query_row([doc.as_bytes()], |row| row.get(0)).optional()?;
    d.map(|d| load_row(sql, d, doc)).transpose()
}

/// Loads the document of a row. A body whose bits rotted never reaches Automerge, which panics on some.
pub(crate) fn load_row(sql: &Connection, d: i64, doc: DocId) -> Result<Document, StoreError> {
    let mut rows = sql.prepare_cached(
        "SELECT device, session, hash, body FROM log JOIN sessions USING(s) WHERE d = ?1 ORDER BY k",
    )?;
    let mut rows = rows.query([d])?;
    let mut changes = Vec::new();
    while let Some(row) = rows.next()? {
        let actor = Actor {
            device: DeviceId(row.get(0)?),
            session: SessionId(row.get(1)?),
        };
        let body = row
            .get_ref(3)?
            .as_blob()
            .ok_or(StoreError::Unreadable("change"))?;
        changes.push(unfold(body, actor, doc, &row.get(2)?)?);
    }
    Ok(Document::load(doc, changes.iter().map(Vec::as_slice))?)
}

/// Puts a change into the log at a position; returns its row.
pub(crate) fn append(
    tx: &Tx<'_>,
    s: i64,
    position: Position,
    d: i64,
    lane: Lane,
    hash: &[u8; 32],
    body: &[u8],
) -> Result<i64, StoreError> {
    let mut insert = tx
        .sql
        .prepare_cached("INSERT INTO log(s, seq, d, lane, hash, body) VALUES(?1, ?2, ?3, ?4, ?5, ?6)")?;
    insert.execute(params![
        s,
        position.seq.cast_signed(),
        d,
        lane.number(),
        hash,
        body
    ])?;
    Ok(tx.sql.last_insert_rowid()?)
}

/// Makes the row of a new document.
pub(crate) fn insert_doc(tx: &mut Tx<'_>, document: &Document) -> Result<i64, StoreError> {
    let owner = document.owner().ok_or(StoreError::Unreadable("owner"))?;
    let heads = document.heads();
    let print = print_of(document.id(), &heads);
    let mut insert = tx.sql.prepare_cached(
        "INSERT INTO documents(id, kind, owner, heads, print, changes) VALUES(?1, ?2, ?3, ?4, ?5, ?6)",
    )?;
    insert.execute(params![
        document.id().as_bytes(),
        document.kind().byte(),
        owner.as_str(),
        heads.to_bytes(),
        print,
        document.change_count() as i64,
    ])?;
    fingerprint(tx)?.add(&print);
    Ok(tx.sql.last_insert_rowid()?)
}

/// Brings the row of a changed document up to date.
pub(crate) fn update_doc(tx: &mut Tx<'_>, row: &DocRow, document: &Document) -> Result<(), StoreError> {
    let heads = document.heads();
    let print = print_of(document.id(), &heads);
    let mut update = tx
        .sql
        .prepare_cached("UPDATE documents SET heads = ?2, print = ?3, changes = ?4 WHERE d = ?1")?;
    update.execute(params![
        row.d,
        heads.to_bytes(),
        print,
        document.change_count() as i64
    ])?;
    let sum = fingerprint(tx)?;
    sum.subtract(&row.print);
    sum.add(&print);
    sync::note_print(tx, row.d, &row.print, &print)
}

/// Takes the row of a document out.
pub(crate) fn remove_doc(tx: &mut Tx<'_>, row: &DocRow) -> Result<(), StoreError> {
    tx.sql
        .prepare_cached("DELETE FROM documents WHERE d = ?1")?
        .execute([row.d])?;
    fingerprint(tx)?.subtract(&row.print);
    Ok(())
}

/// The sum over all documents, read at its first use in a transaction and written at the end.
fn fingerprint<'t>(tx: &'t mut Tx<'_>) -> Result<&'t mut Fingerprint, StoreError> {
    let kept = match tx.fingerprint {
        Some(sum) => sum,
        None => stored_fingerprint(tx.sql)?,
    };
    Ok(tx.fingerprint.insert(kept))
}

/// The fingerprint over all documents held.
pub(crate) fn stored_fingerprint(sql: &Connection) -> Result<Fingerprint, StoreError> {
    let mut find = sql.prepare_cached("SELECT value FROM totals WHERE name = ?1")?;
    let bytes: Option<[u8; 32]> = find.query_row([FINGERPRINT], |row| row.get(0)).optional()?;
    Ok(bytes.map(Fingerprint::from_bytes).unwrap_or_default())
}

/// Makes the fingerprint anew from the rows of all documents.
pub(crate) fn sum_up(sql: &Connection) -> Result<(), StoreError> {
    let mut sum = Fingerprint::default();
    let mut rows = sql.prepare("SELECT print FROM documents")?;
    let mut rows = rows.query([])?;
    while let Some(row) = rows.next()? {
        sum.add(&row.get(0)?);
    }
    put_fingerprint(sql, sum)
}

fn put_fingerprint(sql: &Connection, sum: Fingerprint) -> Result<(), StoreError> {
    let mut put = sql.prepare_cached(
        "INSERT INTO totals(name, value) VALUES(?1, ?2) ON CONFLICT(name) DO UPDATE SET value = ?2",
    )?;
    put.execute(params![FINGERPRINT, sum.to_bytes()])?;
    Ok(())
}

/// Writes the fingerprint if the transaction changed it.
pub(crate) fn flush_fingerprint(tx: &mut Tx<'_>) -> Result<(), StoreError> {
    match tx.fingerprint.take() {
        Some(sum) => put_fingerprint(tx.sql, sum),
        None => Ok(()),
    }
}

/// Refuses to write documents where another process serves the folder.
pub(crate) fn require_serving(state: &State) -> Result<(), StoreError> {
    if state.mode == Mode::Serve {
        Ok(())
    } else {
        Err(StoreError::NotServing)
    }
}

/// Writes one change of this device and everything that follows from it.
pub(crate) fn write_own(
    tx: &mut Tx<'_>,
    known: Option<&DocRow>,
    document: &Document,
    position: Position,
    lane: Lane,
    change: &Change,
) -> Result<Option<PatientId>, StoreError> {
    let body = fold(position.actor, document.id(), &change.bytes);
    write_packed(tx, known, document, position, lane, change, &body)
}

/// The same for a change whose body is packed already.
pub(crate) fn write_packed(
    tx: &mut Tx<'_>,
    known: Option<&DocRow>,
    document: &Document,
    position: Position,
    lane: Lane,
    change: &Change,
    body: &[u8],
) -> Result<Option<PatientId>, StoreError> {
    let s = session_row(tx, position.actor)?;
    let d = match known {
        Some(row) => row.d,
        None => insert_doc(tx, document)?,
    };
    let k = append(tx, s, position, d, lane, &change.hash, body)?;
    if let Some(row) = known {
        update_doc(tx, row, document)?;
    }
    tx.state.pass(CrashPoint::MidDerive);
    let patient = derive::project(tx.sql, d, document, known.is_some())?;
    let created_owner = if known.is_none() { document.owner() } else { None };
    let note = OwnChange {
        lane,
        s,
        k,
        position: &position,
        d,
        owner: known.map(|row| &row.owner).or(created_owner.as_ref()),
        patient,
        hash: &change.hash,
        length: change.bytes.len(),
    };
    sync::note_change(tx, &note)?;
    tx.emit(StoreEvent::DocChanged {
        doc: document.id(),
        patient,
    });
    Ok(patient)
}

/// A position's actor read from a row of sessions.
pub(crate) fn actor_of(sql: &Connection, s: i64) -> Result<Actor, StoreError> {
    let mut find = sql.prepare_cached("SELECT device, session FROM sessions WHERE s = ?1")?;
    Ok(find.query_row([s], |row| {
        Ok(Actor {
            device: DeviceId(row.get(0)?),
            session: SessionId(row.get(1)?),
        })
    })?)
}

//! Taking changes of others: checked fully, then written like our own.

#[cfg(test)]
mod tests;

use records::ids::{ClinicCode, DeviceId, DocId, PatientId};
use sync_core::check::{Checked, Fault, check_foreign};
use sync_core::document::{Change, Document, deps_of};
use sync_core::identity::Position;
use sync_core::wire::{Lane, change_hash};

use crate::derive;
use crate::engine::{StoreError, StoreEvent, Tx};
use crate::log;
use crate::open::CrashPoint;
use crate::sql::{OptionalExtension, params};

/// Changes that may wait for what they build on, over all documents. More are not taken, and so not
/// acknowledged: they come again.
pub(crate) const ORPHANS_MAX: i64 = 20_000;
/// The reason under which a change is kept that waits for what it builds on.
pub(crate) const ORPHAN: &str = "dependencies";
/// The reason under which a change is kept that builds on one that was set aside.
pub(crate) const BUILDS_ON_PARKED: &str = "builds-on-parked";

/// A change of another device as it arrived.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Foreign<'a> {
    /// Where it stands in its session, as the signed batch says.
    pub(crate) position: Position,
    /// The document, as the signed batch says.
    pub(crate) doc: DocId,
    /// The lane in which it travels.
    pub(crate) lane: Lane,
    /// The raw chunk.
    pub(crate) bytes: &'a [u8],
    /// Devices whose sessions the author may carry on.
    pub(crate) predecessors: &'a [DeviceId],
}

/// What became of it. Everything but `Spoiled` and `NotNow` is acknowledged.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Ingested {
    /// Written.
    Stored(Stored),
    /// Held already.
    Known,
    /// Kept until what it builds on arrives.
    Waiting,
    /// Kept aside with its reason; the document is as before.
    Parked(Fault),
    /// Another change stands at this position: the sender must write it again under a new session.
    Spoiled,
    /// Too many changes wait; it must come again.
    NotNow,
}

/// A written change.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Stored {
    /// The log row.
    pub(crate) k: i64,
    /// The patient that the document is about.
    pub(crate) patient: Option<PatientId>,
    /// The clinic that owns the document.
    pub(crate) owner: ClinicCode,
    /// Whether the change created the document.
    pub(crate) created: bool,
    /// Log rows of changes that had waited for this one, with their positions.
    pub(crate) released: Vec<(i64, Position)>,
}

/// Judges a checked change by who may write what; `Err` parks it with the reason.
pub(crate) type Permit<'p> =
    &'p dyn Fn(&Foreign<'_>, &Checked, Option<&ClinicCode>) -> Result<(), &'static str>;

/// Takes a change. `permit` is asked once it is known to be sound; it hears who owns the document.
pub(crate) fn ingest(
    tx: &mut Tx<'_>,
    foreign: &Foreign<'_>,
    permit: Permit<'_>,
) -> Result<Ingested, StoreError> {
    log::require_serving(tx.state)?;
    let hash = change_hash(foreign.bytes);
    if let Some(answer) = held_at(tx, foreign, &hash)? {
        return Ok(answer);
    }
    let outcome = accept(tx, foreign, permit)?;
    let Outcome::Stored(mut stored) = outcome else {
        return match outcome {
            Outcome::Refused(Fault::Spoiled) => Ok(Ingested::Spoiled),
            Outcome::Refused(fault) => {
                park(tx, foreign, &hash, fault.word())?;
                park_dependants(tx, foreign.doc)?;
                Ok(Ingested::Parked(fault))
            }
            Outcome::Forbidden(reason) => {
                park(tx, foreign, &hash, reason)?;
                park_dependants(tx, foreign.doc)?;
                Ok(Ingested::Parked(Fault::Head(reason)))
            }
            Outcome::Orphan if builds_on_parked(tx, foreign)? => {
                park(tx, foreign, &hash, BUILDS_ON_PARKED)?;
                park_dependants(tx, foreign.doc)?;
                Ok(Ingested::Parked(Fault::Head(BUILDS_ON_PARKED)))
            }
            Outcome::Orphan if orphans(tx)? >= ORPHANS_MAX => Ok(Ingested::NotNow),
            Outcome::Orphan => {
                park(tx, foreign, &hash, ORPHAN)?;
                Ok(Ingested::Waiting)
            }
            // The same change stands at another position already: this one has no content of its own.
            Outcome::Stored(_) | Outcome::Known => {
                crate::sync::void(tx, foreign.position, foreign.doc, &hash)?;
                Ok(Ingested::Known)
            }
        };
    };
    stored.released = release(tx, foreign.doc, permit)?;
    Ok(Ingested::Stored(stored))
}

/// Tries a parked change again; gives what was stored of it.
pub(crate) fn retry(
    tx: &mut Tx<'_>,
    foreign: &Foreign<'_>,
    permit: Permit<'_>,
    p: i64,
) -> Result<Option<Stored>, StoreError> {
    let outcome = accept(tx, foreign, permit)?;
    let reason = match &outcome {
        Outcome::Stored(_) | Outcome::Known => None,
        Outcome::Orphan => return Ok(None),
        Outcome::Refused(fault) => Some(fault.word()),
        Outcome::Forbidden(reason) => Some(*reason),
    };
    if let Some(reason) = reason {
        tx.sql
            .execute("UPDATE parked SET reason = ?2 WHERE p = ?1", params![p, reason])?;
        return Ok(None);
    }
    tx.sql.execute("DELETE FROM parked WHERE p = ?1", [p])?;
    crate::sync::forget_unread(tx, p)?;
    let Outcome::Stored(mut stored) = outcome else {
        return Ok(None);
    };
    stored.released = release(tx, foreign.doc, permit)?;
    Ok(Some(stored))
}

enum Outcome {
    Stored(Stored),
    Known,
    Orphan,
    Refused(Fault),
    Forbidden(&'static str),
}

/// Whether something stands at the position already.
fn held_at(tx: &Tx<'_>, foreign: &Foreign<'_>, hash: &[u8; 32]) -> Result<Option<Ingested>, StoreError> {
    let actor = foreign.position.actor;
    let mut find = tx.sql.prepare_cached(
        "SELECT hash FROM log WHERE seq = ?3 AND s = (SELECT s FROM sessions WHERE device = ?1 AND session = ?2)
         UNION ALL
         SELECT hash FROM parked WHERE seq = ?3
             AND s = (SELECT s FROM sessions WHERE device = ?1 AND session = ?2)",
    )?;
    let place = params![
        actor.device.as_bytes(),
        actor.session.as_bytes(),
        foreign.position.seq.cast_signed()
    ];
    let held: Option<Vec<u8>> = find.query_row(place, |row| row.get(0)).optional()?;
    Ok(held.map(|held| {
        if held == hash {
            Ingested::Known
        } else {
            Ingested::Spoiled
        }
    }))
}

fn accept(tx: &mut Tx<'_>, foreign: &Foreign<'_>, permit: Permit<'_>) -> Result<Outcome, StoreError> {
    let row = log::doc_row(tx.sql, foreign.doc)?;
    let document = row
        .as_ref()
        .map(|row| log::load_row(tx.sql, row.d, foreign.doc))
        .transpose()?;
    let checked = check_foreign(
        document.as_ref(),
        foreign.doc,
        foreign.bytes,
        foreign.position,
        foreign.predecessors,
    );
    let checked = match checked {
        Ok(checked) if checked.known => return Ok(Outcome::Known),
        Ok(checked) => checked,
        Err(Fault::MissingDependencies) => return Ok(Outcome::Orphan),
        Err(fault) => return Ok(Outcome::Refused(fault)),
    };
    let owner = row.as_ref().map(|row| &row.owner);
    if let Err(reason) = permit(foreign, &checked, owner) {
        return Ok(Outcome::Forbidden(reason));
    }
    let Checked { change, document, .. } = checked;
    store(tx, foreign, row.as_ref(), &document, &change).map(Outcome::Stored)
}

fn store(
    tx: &mut Tx<'_>,
    foreign: &Foreign<'_>,
    row: Option<&log::DocRow>,
    document: &Document,
    change: &Change,
) -> Result<Stored, StoreError> {
    let s = log::session_row(tx, foreign.position.actor)?;
    let d = match row {
        Some(row) => row.d,
        None => log::insert_doc(tx, document)?,
    };
    let body = log::pack(&change.bytes);
    let k = log::append(tx, s, foreign.position, d, foreign.lane, &change.hash, &body)?;
    if let Some(row) = row {
        log::update_doc(tx, row, document)?;
    }
    tx.state.pass(CrashPoint::MidDerive);
    let patient = derive::project(tx.sql, d, document, row.is_some())?;
    tx.emit(StoreEvent::DocChanged {
        doc: document.id(),
        patient,
    });
    let owner = document.owner().ok_or(StoreError::Unreadable("owner"))?;
    Ok(Stored {
        k,
        patient,
        owner,
        created: row.is_none(),
        released: Vec::new(),
    })
}

fn park(tx: &Tx<'_>, foreign: &Foreign<'_>, hash: &[u8; 32], reason: &str) -> Result<(), StoreError> {
    let s = log::session_row(tx, foreign.position.actor)?;
    let mut insert = tx.sql.prepare_cached(
        "INSERT INTO parked(s, seq, doc, lane, hash, reason, body) VALUES(?1, ?2, ?3, ?4, ?5, ?6, ?7)
         ON CONFLICT(s, seq) DO UPDATE SET reason = ?6",
    )?;
    insert.execute(params![
        s,
        foreign.position.seq.cast_signed(),
        foreign.doc.as_bytes(),
        foreign.lane.number(),
        hash,
        reason,
        log::pack(foreign.bytes)
    ])?;
    Ok(())
}

/// Whether a change builds on one that was set aside.
fn builds_on_parked(tx: &Tx<'_>, foreign: &Foreign<'_>) -> Result<bool, StoreError> {
    let mut find = tx
        .sql
        .prepare_cached("SELECT 1 FROM parked WHERE doc = ?1 AND hash = ?2 AND reason <> ?3")?;
    for dep in deps_of(foreign.bytes).unwrap_or_default() {
        if find.exists(params![foreign.doc.as_bytes(), dep, ORPHAN])? {
            return Ok(true);
        }
    }
    Ok(false)
}

/// Changes of a document that waited and turn out to build on one that was set aside are set aside as well.
fn park_dependants(tx: &mut Tx<'_>, doc: DocId) -> Result<(), StoreError> {
    loop {
        let mut moved = false;
        for (p, position, lane, body) in waiting(tx, doc)? {
            let bytes = log::unpack(&body)?;
            let foreign = Foreign {
                position,
                doc,
                lane,
                bytes: &bytes,
                predecessors: &[],
            };
            if builds_on_parked(tx, &foreign)? {
                tx.sql.execute(
                    "UPDATE parked SET reason = ?2 WHERE p = ?1",
                    params![p, BUILDS_ON_PARKED],
                )?;
                moved = true;
            }
        }
        if !moved {
            return Ok(());
        }
    }
}

fn orphans(tx: &Tx<'_>) -> Result<i64, StoreError> {
    let mut count = tx
        .sql
        .prepare_cached("SELECT count(*) FROM parked WHERE reason = ?1")?;
    Ok(count.query_row([ORPHAN], |row| row.get(0))?)
}

/// Takes up changes of a document that waited, until none of them moves any more.
fn release(tx: &mut Tx<'_>, doc: DocId, permit: Permit<'_>) -> Result<Vec<(i64, Position)>, StoreError> {
    let mut released = Vec::new();
    loop {
        let before = released.len();
        for (p, position, lane, body) in waiting(tx, doc)? {
            let bytes = log::unpack(&body)?;
            let foreign = Foreign {
                position,
                doc,
                lane,
                bytes: &bytes,
                predecessors: &[],
            };
            let reason = match accept(tx, &foreign, permit)? {
                Outcome::Stored(stored) => {
                    released.push((stored.k, position));
                    None
                }
                Outcome::Known => None,
                Outcome::Orphan => continue,
                Outcome::Refused(fault) => Some(fault.word()),
                Outcome::Forbidden(reason) => Some(reason),
            };
            match reason {
                None => tx.sql.execute("DELETE FROM parked WHERE p = ?1", [p])?,
                Some(word) => tx
                    .sql
                    .execute("UPDATE parked SET reason = ?2 WHERE p = ?1", params![p, word])?,
            };
        }
        if released.len() == before {
            return Ok(released);
        }
    }
}

type WaitingRow = (i64, Position, Lane, Vec<u8>);

fn waiting(tx: &Tx<'_>, doc: DocId) -> Result<Vec<WaitingRow>, StoreError> {
    let mut find = tx.sql.prepare_cached(
        "SELECT p, s, seq, lane, body FROM parked WHERE doc = ?1 AND reason = ?2 ORDER BY p",
    )?;
    let rows = find.query_map(params![doc.as_bytes(), ORPHAN], |row| {
        Ok((
            row.get(0)?,
            row.get::<_, i64>(1)?,
            row.get::<_, i64>(2)?,
            row.get::<_, u8>(3)?,
            row.get(4)?,
        ))
    })?;
    rows.map(|row| {
        let (p, s, seq, lane, body) = row?;
        let position = log::actor_of(tx.sql, s)?.at(seq.cast_unsigned());
        let lane = Lane::from_number(lane).ok_or(StoreError::Unreadable("lane"))?;
        Ok((p, position, lane, body))
    })
    .collect()
}

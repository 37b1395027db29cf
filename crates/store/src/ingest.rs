//! Taking changes of others: checked fully, then written like our own.

#[cfg(test)]
mod tests;

use records::ids::{ClinicCode, DocId, PatientId};
use sync_core::check::{Checked, Fault, check_foreign};
use sync_core::document::{Change, Document, deps_of};
use sync_core::identity::Position;
use sync_core::wire::{Lane, change_hash};

use crate::derive;
use crate::engine::{StoreError, StoreEvent, Tx};
use crate::log;
use crate::open::CrashPoint;
use crate::sql::{OptionalExtension, params};
use crate::sync::successions;

/// Changes that may wait for what they build on, over all documents. More are not taken, and so not
/// acknowledged: they come again.
pub(crate) const ORPHANS_MAX: i64 = 20_000;
/// The reason under which a change is kept that waits for what it builds on.
pub(crate) const ORPHAN: &str = "dependencies";
/// The reason under which a change is kept that a box brought which may have been revoked: the hub was restored and has
/// not heard yet what it forgot.
pub(crate) const UNHEARD: &str = "unheard";
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

/// Keeps a change unread until the hub has heard what it forgot.
pub(crate) fn keep_unheard(tx: &mut Tx<'_>, foreign: &Foreign<'_>) -> Result<Ingested, StoreError> {
    let hash = change_hash(foreign.bytes);
    if let Some(answer) = held_at(tx, foreign, &hash)? {
        return Ok(answer);
    }
    if orphans(tx)? >= ORPHANS_MAX {
        return Ok(Ingested::NotNow);
    }
    park(tx, foreign, &hash, UNHEARD)?;
    Ok(Ingested::Waiting)
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
        Outcome::Orphan => {
            tx.sql.execute(
                "UPDATE parked SET reason = ?2 WHERE p = ?1 AND reason = ?3",
                params![p, ORPHAN, UNHEARD],
            )?;
            return Ok(None);
        }
        Outcome::Refused(fault) => Some(fault.word()),
        Outcome::Forbidden(reason) => Some(*reason),
    };
    if let Some(reason) = reason {
        tx.sql
            .execute("UPDATE parked SET reason = ?2 WHERE p = ?1", params![p, reason])?;
        return Ok(None);
    }
    waits_no_more(tx, foreign, p, &outcome)?;
    let Outcome::Stored(mut stored) = outcome else {
        return Ok(None);
    };
    stored.released = release(tx, foreign.doc, permit)?;
    Ok(Some(stored))
}

/// A change that was set aside was taken, or stands at another position already: its own is held without content then.
fn waits_no_more(
    tx: &mut Tx<'_>,
    foreign: &Foreign<'_>,
    p: i64,
    outcome: &Outcome,
) -> Result<(), StoreError> {
    tx.sql.execute("DELETE FROM parked WHERE p = ?1", [p])?;
    crate::sync::forget_unread(tx, p)?;
    if matches!(outcome, Outcome::Known) {
        crate::sync::void(tx, foreign.position, foreign.doc, &change_hash(foreign.bytes))?;
    }
    Ok(())
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
    // Whose documents the author may make anew: it took the place of these devices.
    let predecessors = successions::predecessors(tx.sql, foreign.position.actor.device)?;
    let checked = check_foreign(
        document.as_ref(),
        foreign.doc,
        foreign.bytes,
        foreign.position,
        &predecessors,
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
    let body = log::fold(foreign.position.actor, document.id(), &change.bytes);
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
        .prepare_cached("SELECT 1 FROM parked WHERE doc = ?1 AND hash = ?2 AND reason NOT IN (?3, ?4)")?;
    for dep in deps_of(foreign.bytes).unwrap_or_default() {
        if find.exists(params![foreign.doc.as_bytes(), dep, ORPHAN, UNHEARD])? {
            return Ok(true);
        }
    }
    Ok(false)
}

/// Changes of a document that waited and turn out to build on one that was set aside are set aside as well.
fn park_dependants(tx: &mut Tx<'_>, doc: DocId) -> Result<(), StoreError> {
    loop {
        let mut moved = false;
        for waiting in waiting(tx, doc)? {
            let (p, foreign) = (waiting.p, waiting.as_foreign());
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
        .prepare_cached("SELECT count(*) FROM parked WHERE reason IN (?1, ?2)")?;
    Ok(count.query_row([ORPHAN, UNHEARD], |row| row.get(0))?)
}

/// Takes up changes of a document that waited, until none of them moves any more.
fn release(tx: &mut Tx<'_>, doc: DocId, permit: Permit<'_>) -> Result<Vec<(i64, Position)>, StoreError> {
    let mut released = Vec::new();
    loop {
        let before = released.len();
        for waiting in waiting(tx, doc)? {
            let (p, foreign) = (waiting.p, waiting.as_foreign());
            let outcome = accept(tx, &foreign, permit)?;
            let reason = match &outcome {
                Outcome::Stored(_) | Outcome::Known => {
                    waits_no_more(tx, &foreign, p, &outcome)?;
                    if let Outcome::Stored(stored) = outcome {
                        released.push((stored.k, waiting.position));
                    }
                    continue;
                }
                Outcome::Orphan => continue,
                Outcome::Refused(fault) => fault.word(),
                Outcome::Forbidden(reason) => *reason,
            };
            tx.sql
                .execute("UPDATE parked SET reason = ?2 WHERE p = ?1", params![p, reason])?;
        }
        if released.len() == before {
            return Ok(released);
        }
    }
}

/// A change that was set aside.
pub(crate) struct Waiting {
    /// Its row.
    pub(crate) p: i64,
    /// Where it stands in its session.
    pub(crate) position: Position,
    /// Its document.
    pub(crate) doc: DocId,
    /// The lane that brought it.
    pub(crate) lane: Lane,
    /// The raw chunk.
    pub(crate) bytes: Vec<u8>,
    /// Why it was set aside.
    pub(crate) reason: String,
}

impl Waiting {
    /// The change as it arrived.
    pub(crate) fn as_foreign(&self) -> Foreign<'_> {
        Foreign {
            position: self.position,
            doc: self.doc,
            lane: self.lane,
            bytes: &self.bytes,
        }
    }
}

/// Changes that only wait for what they build on, of one document.
fn waiting(tx: &Tx<'_>, doc: DocId) -> Result<Vec<Waiting>, StoreError> {
    set_aside(tx, Some(doc), "reason = ?2", i64::MAX)
}

/// Changes that were set aside, of one document or all. `which` is a condition in which ?2 is [`ORPHAN`].
pub(crate) fn set_aside(
    tx: &Tx<'_>,
    doc: Option<DocId>,
    which: &str,
    most: i64,
) -> Result<Vec<Waiting>, StoreError> {
    // Said apart, so that the index by document is used.
    let of = if doc.is_some() {
        "doc = ?1"
    } else {
        "CAST(?1 AS BLOB) IS NULL"
    };
    let mut find = tx.sql.prepare_cached(&format!(
        "SELECT p, s, seq, doc, lane, body, reason FROM parked WHERE {of} AND {which} ORDER BY p LIMIT ?3"
    ))?;
    let mut rows = find.query(params![doc.map(|doc| doc.0), ORPHAN, most])?;
    let mut found = Vec::new();
    while let Some(row) = rows.next()? {
        found.push(Waiting {
            p: row.get(0)?,
            position: log::actor_of(tx.sql, row.get(1)?)?.at(row.get::<_, i64>(2)?.cast_unsigned()),
            doc: DocId(row.get(3)?),
            lane: Lane::from_number(row.get(4)?).ok_or(StoreError::Unreadable("lane"))?,
            bytes: log::unpack(&row.get::<_, Vec<u8>>(5)?)?,
            reason: row.get(6)?,
        });
    }
    Ok(found)
}

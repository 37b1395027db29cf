//! A patient leaves a clinic's panel, and may come back: the clinic's boxes put the patient's records away, once
//! everything that they wrote is at the hub, and get them again later. What the clinic owns stays with it.
//!
//! The latest statement about a clinic and a patient holds, whatever order the statements come in: over a stick, or
//! handed back by a box, an old one may come last.

use records::ids::{ClinicCode, DocId, PatientId};
use sync_core::wire::{Fact, FactKind, Lane};

use crate::engine::{Store, StoreError, Tx};
use crate::sql::{Connection, OptionalExtension, params};
use crate::sync::{directory, facts, feeds, kept, purge, state};

pub(crate) const TABLES: &str = "
CREATE TABLE IF NOT EXISTS link_left(
    c INTEGER NOT NULL, patient BLOB NOT NULL, position INTEGER NOT NULL, PRIMARY KEY(c, patient)) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS link_leaving(doc BLOB PRIMARY KEY) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS link_away(doc BLOB PRIMARY KEY, patient BLOB NOT NULL) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS link_panels(
    clinic TEXT NOT NULL, patient BLOB NOT NULL, epoch INTEGER NOT NULL, n INTEGER NOT NULL, joined INTEGER NOT NULL,
    PRIMARY KEY(clinic, patient)) WITHOUT ROWID;
";

/// Last byte of a panel fact: the clinic does not hold the patient any more.
const LEFT: u8 = 0;
/// The clinic holds the patient again.
const JOINED: u8 = 1;

fn body(patient: PatientId, what: u8) -> Vec<u8> {
    [&patient.0[..], &[what]].concat()
}

pub(crate) fn parse(body: &[u8]) -> Option<(PatientId, bool)> {
    let (id, rest) = body.split_first_chunk::<16>()?;
    match rest {
        [LEFT] => Some((PatientId(*id), false)),
        [JOINED] => Some((PatientId(*id), true)),
        _ => None,
    }
}

/// Notes a panel fact; what it says where it is the latest about its patient, `None` where it was overtaken.
fn note(sql: &Connection, fact: &Fact) -> Result<Option<(PatientId, bool)>, StoreError> {
    let Some((patient, joined)) = parse(&fact.body) else {
        return Ok(None);
    };
    let mut put = sql.prepare_cached(
        "INSERT INTO link_panels(clinic, patient, epoch, n, joined) VALUES(?1, ?2, ?3, ?4, ?5)
         ON CONFLICT(clinic, patient) DO UPDATE SET epoch = ?3, n = ?4, joined = ?5
             WHERE link_panels.epoch < ?3 OR (link_panels.epoch = ?3 AND link_panels.n < ?4)",
    )?;
    let new = put.execute(params![
        fact.clinic.as_str(),
        patient.0,
        fact.epoch,
        fact.n.cast_signed(),
        joined
    ])?;
    Ok((new > 0).then_some((patient, joined)))
}

/// Hub: states that a clinic holds a patient, or does not any more.
fn declare(tx: &mut Tx<'_>, clinic: &ClinicCode, patient: PatientId, what: u8) -> Result<(), StoreError> {
    if let Some(fact) = facts::state_fact(tx, FactKind::Panel, clinic, body(patient, what))? {
        note(tx.sql, &fact)?;
    }
    Ok(())
}

/// Whether a clinic left a patient; then how far its clinical feed went at that moment.
pub(crate) fn left_at(sql: &Connection, c: i64, patient: PatientId) -> Result<Option<u64>, StoreError> {
    let mut find = sql.prepare_cached("SELECT position FROM link_left WHERE c = ?1 AND patient = ?2")?;
    let position: Option<i64> = find
        .query_row(params![c, patient.0], |row| row.get(0))
        .optional()?;
    Ok(position.map(i64::cast_unsigned))
}

/// Hub: a clinic does not hold a patient any more.
fn leave(tx: &mut Tx<'_>, c: i64, patient: PatientId) -> Result<(), StoreError> {
    let position = feeds::feed_ends(tx.sql, c)?[Lane::P2.index()].position;
    tx.sql.execute(
        "INSERT INTO link_left(c, patient, position) VALUES(?1, ?2, ?3)
         ON CONFLICT(c, patient) DO UPDATE SET position = ?3",
        params![c, patient.0, position.cast_signed()],
    )?;
    feeds::part(tx, c, patient)
}

/// Hub: a clinic holds a patient, also where it had left. It is stated each time: a hub that went back may have
/// forgotten that the clinic had left, and its boxes have not.
pub(crate) fn join(tx: &mut Tx<'_>, c: i64, patient: PatientId) -> Result<(), StoreError> {
    forget_leaving(tx, c, patient)?;
    let clinic = directory::clinic_code(tx.sql, c)?;
    declare(tx, &clinic, patient, JOINED)?;
    feeds::relate_again(tx, c, patient, true)
}

/// The hub above a county: what the county's hub stated of one of its clinics.
pub(crate) fn carried(tx: &mut Tx<'_>, c: i64, patient: PatientId, joined: bool) -> Result<(), StoreError> {
    if !joined {
        return leave(tx, c, patient);
    }
    forget_leaving(tx, c, patient)?;
    feeds::relate_again(tx, c, patient, false)
}

/// A statement about a clinic: the body of its fact, and what tells it from an earlier one.
type Statement = (ClinicCode, Vec<u8>, Vec<u8>);

/// The latest statement about each clinic and patient.
pub(crate) fn stated(sql: &Connection) -> Result<Vec<Statement>, StoreError> {
    let mut find = sql.prepare_cached(
        "SELECT clinic, patient, epoch, n, joined FROM link_panels ORDER BY epoch, n, clinic, patient",
    )?;
    let mut rows = find.query([])?;
    let mut all = Vec::new();
    while let Some(row) = rows.next()? {
        let clinic: String = row.get(0)?;
        let clinic = clinic
            .parse()
            .map_err(|_| StoreError::Unreadable("clinic code"))?;
        let what = if row.get::<_, bool>(4)? { JOINED } else { LEFT };
        let (epoch, n): (i64, i64) = (row.get(2)?, row.get(3)?);
        let told = [epoch.to_be_bytes(), n.to_be_bytes()].concat();
        all.push((clinic, body(PatientId(row.get(1)?), what), told));
    }
    Ok(all)
}

fn forget_leaving(tx: &Tx<'_>, c: i64, patient: PatientId) -> Result<(), StoreError> {
    tx.sql.execute(
        "DELETE FROM link_left WHERE c = ?1 AND patient = ?2",
        params![c, patient.0],
    )?;
    Ok(())
}

/// Hub: what it had stated before it was restored, unless something later was stated since.
pub(crate) fn stated_before(tx: &mut Tx<'_>, fact: &Fact) -> Result<(), StoreError> {
    let Some(c) = directory::clinic_row(tx.sql, &fact.clinic)? else {
        return Ok(());
    };
    match note(tx.sql, fact)? {
        Some((patient, true)) => {
            forget_leaving(tx, c, patient)?;
            feeds::relate_again(tx, c, patient, true)
        }
        Some((patient, false)) => leave(tx, c, patient),
        None => Ok(()),
    }
}

/// Box: puts a patient's records away, or stops doing so.
pub(crate) fn carry_out(tx: &mut Tx<'_>, fact: &Fact) -> Result<(), StoreError> {
    let Some((patient, joined)) = note(tx.sql, fact)? else {
        return Ok(());
    };
    let Some(enrolment) = state::enrolment(tx.sql)? else {
        return Ok(());
    };
    let mut find = tx.sql.prepare_cached(
        "SELECT documents.id FROM documents WHERE owner <> ?2 AND (documents.id = ?3
             OR d IN (SELECT d FROM encounters WHERE patient = ?1) OR d IN (SELECT d FROM series WHERE patient = ?1))",
    )?;
    let chart = patient.doc();
    let place = params![patient.0, enrolment.clinic.as_str(), chart.as_bytes()];
    let docs = find.query_map(place, |row| Ok(DocId(row.get(0)?)))?;
    for doc in docs.collect::<crate::sql::Result<Vec<DocId>>>()? {
        if joined {
            tx.sql
                .execute("DELETE FROM link_leaving WHERE doc = ?1", [doc.as_bytes()])?;
        } else {
            leaves(tx, doc, patient)?;
        }
    }
    put_away(tx)
}

/// Box: a document came; it goes again where its patient left. A stick that was written before may bring it.
pub(crate) fn came(
    tx: &Tx<'_>,
    doc: DocId,
    owner: &ClinicCode,
    patient: PatientId,
) -> Result<(), StoreError> {
    let Some(enrolment) = state::enrolment(tx.sql)?.filter(|enrolment| enrolment.clinic != *owner) else {
        return Ok(());
    };
    let mut find = tx
        .sql
        .prepare_cached("SELECT 1 FROM link_panels WHERE clinic = ?1 AND patient = ?2 AND joined = 0")?;
    if find.exists(params![enrolment.clinic.as_str(), patient.0])? {
        leaves(tx, doc, patient)?;
    }
    Ok(())
}

/// A document is to be put away.
fn leaves(tx: &Tx<'_>, doc: DocId, patient: PatientId) -> Result<(), StoreError> {
    tx.sql
        .prepare_cached("INSERT INTO link_leaving(doc) VALUES(?1) ON CONFLICT DO NOTHING")?
        .execute([doc.as_bytes()])?;
    tx.sql
        .prepare_cached("INSERT INTO link_away(doc, patient) VALUES(?1, ?2) ON CONFLICT DO NOTHING")?
        .execute(params![doc.as_bytes(), patient.0])?;
    Ok(())
}

/// Box: whether a document was put away, and its patient has not come back.
pub(crate) fn is_away(sql: &Connection, doc: DocId) -> Result<bool, StoreError> {
    let mut find = sql.prepare_cached(
        "SELECT 1 FROM link_away JOIN link_panels USING(patient) WHERE doc = ?1 AND joined = 0
             AND NOT EXISTS(SELECT 1 FROM documents WHERE id = ?1)",
    )?;
    Ok(find.exists([doc.as_bytes()])?)
}

/// Documents that are to be put away and of which nothing waits for the hub. The order of the join is said, because
/// this runs with every acknowledgement: left to itself SQLite looks at each document against the whole queue.
const READY_TO_LEAVE: &str = "SELECT doc FROM link_leaving CROSS JOIN documents ON documents.id = doc
     WHERE NOT EXISTS(SELECT 1 FROM log JOIN link_queue ON link_queue.kind = 0 AND link_queue.row = log.k
         WHERE log.d = documents.d)";

/// Box: what is to be put away goes as soon as all that was written in it is at the hub.
pub(crate) fn put_away(tx: &mut Tx<'_>) -> Result<(), StoreError> {
    let mut find = tx.sql.prepare_cached(READY_TO_LEAVE)?;
    let docs = find.query_map([], |row| Ok(DocId(row.get(0)?)))?;
    for doc in docs.collect::<crate::sql::Result<Vec<DocId>>>()? {
        kept::keep(tx, doc)?;
        purge::remove(tx, doc)?;
        tx.sql
            .execute("DELETE FROM link_leaving WHERE doc = ?1", [doc.as_bytes()])?;
    }
    Ok(())
}

impl Store {
    /// Hub: a clinic does not hold a patient any more (a contract ended, consent was withdrawn); `false` where there
    /// is no such clinic. What the clinic itself owns stays with it. [`Store::join_patient`] takes it back.
    pub async fn leave_patient(&self, clinic: &ClinicCode, patient: PatientId) -> Result<bool, StoreError> {
        let clinic = clinic.clone();
        self.write(move |tx| {
            let Some(c) = directory::clinic_row(tx.sql, &clinic)? else {
                return Ok(false);
            };
            leave(tx, c, patient)?;
            declare(tx, &clinic, patient, LEFT)?;
            Ok(true)
        })
        .await
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_acknowledgement_costs_no_look_at_every_document() {
        let sql = Connection::open_in_memory().unwrap();
        crate::schema::create(&sql).unwrap();
        let mut plan = sql
            .prepare(&format!("EXPLAIN QUERY PLAN {READY_TO_LEAVE}"))
            .unwrap();
        let steps: Vec<String> = plan
            .query_map([], |row| row.get(3))
            .unwrap()
            .collect::<crate::sql::Result<_>>()
            .unwrap();
        assert!(steps[0].contains("link_leaving"), "{steps:?}");
        assert!(steps[1..].iter().all(|step| !step.contains("SCAN")), "{steps:?}");
    }
}

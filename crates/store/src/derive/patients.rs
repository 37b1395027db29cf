//! Patients: one row a chart for lists, its content beside it, and the keys by which a person is found.

use std::collections::BTreeSet;

use records::ids::{DocId, PatientId};
use records::patients::{AllergyBadge, Chart, PatientLine, Sex};
use records::time::WallTime;
use records::tree::Node;
use sync_core::document::Heads;

use super::{links, put_source};
use crate::engine::{Store, StoreError};
use crate::node;
use crate::sql::{Connection, OptionalExtension, Row, params};
use crate::{Read, search};

pub(super) const TABLES: &str = "
CREATE TABLE IF NOT EXISTS patients(
    d INTEGER PRIMARY KEY,
    id BLOB NOT NULL,
    name TEXT NOT NULL,
    sex TEXT NOT NULL,
    birth TEXT,
    village_group TEXT NOT NULL,
    id_tail TEXT,
    phone_tail TEXT,
    allergies TEXT NOT NULL,
    clash INTEGER NOT NULL,
    deceased INTEGER NOT NULL);
CREATE INDEX IF NOT EXISTS patients_by_id ON patients(id);
CREATE INDEX IF NOT EXISTS patients_by_name ON patients(name, id);
CREATE INDEX IF NOT EXISTS patients_by_clash ON patients(d) WHERE clash = 1;
CREATE TABLE IF NOT EXISTS charts(d INTEGER PRIMARY KEY, body BLOB NOT NULL);
CREATE TABLE IF NOT EXISTS patient_keys(
    key TEXT NOT NULL, d INTEGER NOT NULL, PRIMARY KEY(key, d)) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS patient_keys_by_document ON patient_keys(d);
";

/// Columns of a line. What stands in other documents is looked up beside them: the last visit, and whether any other chart
/// may be of the same person, which hardly anybody has.
const LINE: &str = "p.id, p.name, p.sex, p.birth, p.village_group, p.id_tail, p.phone_tail, p.allergies,
    p.clash, p.deceased,
    (SELECT max(e.opened) FROM encounters e WHERE e.patient = p.id),
    EXISTS(SELECT 1 FROM links l WHERE l.chart = p.id)
        OR EXISTS(SELECT 1 FROM patient_numbers a JOIN patient_numbers b ON b.number = a.number
                  WHERE a.d = p.d AND b.chart <> p.id)";

/// A line, and whether other charts may be of the same person.
fn read_line(row: &Row<'_>) -> crate::sql::Result<(PatientLine, bool)> {
    let (sex, birth, allergies): (String, Option<String>, String) = (row.get(2)?, row.get(3)?, row.get(7)?);
    let line = PatientLine {
        id: PatientId(row.get(0)?),
        name: row.get(1)?,
        sex: Sex::from_word(&sex).unwrap_or_default(),
        birth: birth.and_then(|date| date.parse().ok()),
        village_group: row.get(4)?,
        id_tail: row.get(5)?,
        phone_tail: row.get(6)?,
        allergies: AllergyBadge::from_word(&allergies),
        last_visit: row.get::<_, Option<i64>>(10)?.map(WallTime),
        clash: row.get(8)?,
        deceased: row.get(9)?,
    };
    Ok((line, row.get(11)?))
}

/// The lines of these rows, in their order.
pub(crate) fn lines_of(sql: &Connection, rows: &[i64]) -> Result<Vec<PatientLine>, StoreError> {
    let mut find = sql.prepare_cached(&format!("SELECT {LINE} FROM patients p WHERE p.d = ?1"))?;
    let lines = rows.iter().map(|d| find.query_row([*d], read_line));
    links::counted(sql, lines.collect::<crate::sql::Result<_>>()?)
}

pub(super) fn project(
    sql: &Connection,
    d: i64,
    id: DocId,
    tree: &Node,
    known: bool,
) -> Result<Option<PatientId>, StoreError> {
    if known {
        sql.prepare_cached("DELETE FROM patients WHERE d = ?1")?
            .execute([d])?;
        sql.prepare_cached("DELETE FROM charts WHERE d = ?1")?
            .execute([d])?;
        sql.prepare_cached("DELETE FROM patient_keys WHERE d = ?1")?
            .execute([d])?;
        sql.prepare_cached("DELETE FROM patient_numbers WHERE d = ?1")?
            .execute([d])?;
    }
    let Some(patient) = id.patient() else {
        return Ok(None);
    };
    let chart = Chart::read(tree);
    let line = chart.line(patient, None);
    let mut put = sql.prepare_cached(
        "INSERT INTO patients(d, id, name, sex, birth, village_group, id_tail, phone_tail, allergies, clash,
             deceased) VALUES(?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11)",
    )?;
    put.execute(params![
        d,
        patient.as_bytes(),
        line.name,
        line.sex.word(),
        line.birth.map(|birth| birth.to_string()),
        line.village_group,
        line.id_tail,
        line.phone_tail,
        line.allergies.word(),
        line.clash,
        line.deceased,
    ])?;
    let mut put = sql.prepare_cached("INSERT INTO charts(d, body) VALUES(?1, ?2)")?;
    put.execute(params![d, node::encode(tree)])?;
    let mut put = sql.prepare_cached("INSERT INTO patient_keys(key, d) VALUES(?1, ?2)")?;
    for key in search::keys_of(&chart, tree) {
        put.execute(params![key, d])?;
    }
    links::put_numbers(sql, d, patient, tree)?;
    for source in sources(&chart, tree) {
        put_source(sql, &source, d)?;
    }
    Ok(Some(patient))
}

fn sources(chart: &Chart, tree: &Node) -> BTreeSet<String> {
    let line = chart.source.iter().map(|source| source.id.clone());
    line.chain(records::imports::edit_hashes(tree)).collect()
}

impl Store {
    /// A patient's chart and the heads at which it was read.
    pub async fn chart(&self, patient: PatientId) -> Result<Option<Read<Chart>>, StoreError> {
        self.read(move |sql| chart(sql, patient)).await
    }

    /// How many people's charts hold two values of one field between which a person has to choose.
    pub async fn clashing_count(&self) -> Result<u64, StoreError> {
        self.read(|sql| {
            let mut count = sql.prepare_cached("SELECT count(*) FROM patients WHERE clash = 1")?;
            Ok(count.query_row([], |row| row.get::<_, i64>(0))?.unsigned_abs())
        })
        .await
    }

    /// These people, by name, at most so many.
    pub async fn clashing(&self, limit: usize) -> Result<Vec<PatientLine>, StoreError> {
        let limit = i64::try_from(limit).unwrap_or(i64::MAX);
        self.read(move |sql| {
            let mut find = sql.prepare_cached(&format!(
                "SELECT {LINE} FROM patients p WHERE p.clash = 1 ORDER BY p.name, p.id LIMIT ?1"
            ))?;
            let lines = find.query_map([limit], read_line)?;
            links::counted(sql, lines.collect::<crate::sql::Result<_>>()?)
        })
        .await
    }

    /// A patient's chart as it stood at heads that it once had, as a page showed it then; `None` where it never had
    /// them.
    pub async fn chart_at(&self, patient: PatientId, heads: &Heads) -> Result<Option<Chart>, StoreError> {
        let heads = heads.clone();
        self.read(move |sql| {
            let heads = crate::sync::heads_today(sql, &heads)?;
            let document = crate::log::load(sql, patient.doc())?.filter(|document| document.has(&heads));
            let Some(document) = document else { return Ok(None) };
            Ok(Some(Chart::read(&document.tree_at(&heads)?)))
        })
        .await
    }

    /// The chart's whole content, clashing values included.
    pub async fn chart_tree(&self, patient: PatientId) -> Result<Option<Read<Node>>, StoreError> {
        self.read(move |sql| tree(sql, patient)).await
    }

    /// A patient as lists show them.
    pub async fn patient_line(&self, patient: PatientId) -> Result<Option<PatientLine>, StoreError> {
        self.read(move |sql| line_of(sql, patient)).await
    }

    /// A page of all patients in the order of their names, after the one that ended the page before.
    pub async fn patients_page(
        &self,
        after: Option<PatientId>,
        limit: usize,
    ) -> Result<Vec<PatientLine>, StoreError> {
        self.read(move |sql| {
            let mut find = sql.prepare_cached(&format!(
                "SELECT {LINE} FROM patients p
                 WHERE ?1 IS NULL OR (p.name, p.id) > (SELECT name, id FROM patients WHERE id = ?1)
                 ORDER BY p.name, p.id LIMIT ?2"
            ))?;
            let lines = find.query_map(params![after.map(|id| id.0), limit as i64], read_line)?;
            links::counted(sql, lines.collect::<crate::sql::Result<_>>()?)
        })
        .await
    }

    /// Number of patients held.
    pub async fn patients_count(&self) -> Result<u64, StoreError> {
        self.read(|sql| {
            let count: i64 = sql.query_row("SELECT count(*) FROM patients", [], |row| row.get(0))?;
            Ok(count.unsigned_abs())
        })
        .await
    }
}

/// A patient as lists show them, with what other charts of the same person say of allergies.
pub(super) fn line_of(sql: &Connection, patient: PatientId) -> Result<Option<PatientLine>, StoreError> {
    let mut find = sql.prepare_cached(&format!("SELECT {LINE} FROM patients p WHERE p.id = ?1"))?;
    let line = find.query_row([patient.as_bytes()], read_line).optional()?;
    Ok(links::counted(sql, line.into_iter().collect())?.pop())
}

pub(crate) fn chart(sql: &Connection, patient: PatientId) -> Result<Option<Read<Chart>>, StoreError> {
    Ok(tree(sql, patient)?.map(|read| Read {
        value: Chart::read(&read.value),
        heads: read.heads,
    }))
}

fn tree(sql: &Connection, patient: PatientId) -> Result<Option<Read<Node>>, StoreError> {
    let mut find = sql.prepare_cached(
        "SELECT c.body, x.heads FROM documents x JOIN charts c ON c.d = x.d WHERE x.id = ?1",
    )?;
    let row: Option<(Vec<u8>, Vec<u8>)> = find
        .query_row([patient.as_bytes()], |row| Ok((row.get(0)?, row.get(1)?)))
        .optional()?;
    let Some((body, heads)) = row else { return Ok(None) };
    let value = node::decode(&body).ok_or(StoreError::Unreadable("chart row"))?;
    let heads = Heads::from_bytes(&heads).ok_or(StoreError::Unreadable("document"))?;
    Ok(Some(Read { value, heads }))
}

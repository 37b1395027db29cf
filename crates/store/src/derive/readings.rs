//! Readings and ECGs of encounter and series documents.

mod row;

use std::collections::BTreeMap;

use records::ecgs::{EcgMeta, read_ecgs};
use records::ids::{ClinicCode, DocId, EcgId, PatientId};
use records::tree::{Edit, Node};
use records::vitals::{Observation, VitalKind, read_observations, series_patient, start_series};
use sync_core::document::Document;

use crate::engine::{Store, StoreError};
use crate::node;
use crate::sql::{Connection, OptionalExtension, Row, params};

/// The tables of series and ECGs; that of readings is [`OBSERVATIONS`].
pub(super) const TABLES: &str = "
CREATE TABLE IF NOT EXISTS series(
    d INTEGER PRIMARY KEY, id BLOB NOT NULL, patient BLOB NOT NULL, month TEXT NOT NULL, owner TEXT NOT NULL);
CREATE INDEX IF NOT EXISTS series_by_patient ON series(patient, month);
CREATE TABLE IF NOT EXISTS ecgs(
    d INTEGER NOT NULL,
    n INTEGER NOT NULL,
    id BLOB NOT NULL,
    taken INTEGER NOT NULL,
    body BLOB NOT NULL,
    PRIMARY KEY(d, n)) WITHOUT ROWID;
";

/// The table of readings.
pub(super) const OBSERVATIONS: &str = row::TABLE;

/// Documents that hold readings of a patient.
const OF_PATIENT: &str =
    "(SELECT d, id FROM encounters WHERE patient = ?1 UNION ALL SELECT d, id FROM series WHERE patient = ?1)";

/// A reading and the document in which it stands.
#[derive(Debug, Clone, PartialEq)]
pub struct ObservationLine {
    /// The encounter or series document.
    pub doc: DocId,
    /// The reading.
    pub observation: Observation,
}

/// A recording and the document in which it stands.
#[derive(Debug, Clone, PartialEq)]
pub struct EcgLine {
    /// The encounter or series document.
    pub doc: DocId,
    /// The recording.
    pub ecg: EcgMeta,
}

pub(super) fn project_series(
    sql: &Connection,
    d: i64,
    document: &Document,
    tree: &Node,
    known: bool,
) -> Result<Option<PatientId>, StoreError> {
    if known {
        sql.prepare_cached("DELETE FROM series WHERE d = ?1")?
            .execute([d])?;
    }
    let patient = series_patient(tree);
    if let Some(patient) = patient {
        let owner = document.owner().ok_or(StoreError::Unreadable("owner"))?;
        let month = tree.text(&["series", "month"]).unwrap_or_default();
        let mut put = sql
            .prepare_cached("INSERT INTO series(d, id, patient, month, owner) VALUES(?1, ?2, ?3, ?4, ?5)")?;
        put.execute(params![
            d,
            document.id().as_bytes(),
            patient.as_bytes(),
            month,
            owner.as_str()
        ])?;
    }
    project(sql, d, tree, known)?;
    Ok(patient)
}

/// Writes the rows of the readings and ECGs in a document.
pub(super) fn project(sql: &Connection, d: i64, tree: &Node, known: bool) -> Result<(), StoreError> {
    if known {
        sql.prepare_cached("DELETE FROM observations WHERE d = ?1")?
            .execute([d])?;
        sql.prepare_cached("DELETE FROM ecgs WHERE d = ?1")?
            .execute([d])?;
    }
    for (n, reading) in read_observations(tree).iter().enumerate() {
        row::put(sql, d, n, reading)?;
    }
    let mut put = sql.prepare_cached("INSERT INTO ecgs(d, n, id, taken, body) VALUES(?1, ?2, ?3, ?4, ?5)")?;
    for (n, ecg) in read_ecgs(tree).iter().enumerate() {
        let body = ecg_part(tree, &ecg.id.to_string());
        put.execute(params![d, n as i64, ecg.id.as_bytes(), ecg.taken.at.0, body])?;
    }
    Ok(())
}

/// The part of a document that says everything about one ECG, as a small document of its own.
fn ecg_part(tree: &Node, key: &str) -> Vec<u8> {
    let mut parts = BTreeMap::new();
    for name in ["ecgs", "withdrawn"] {
        if let Some(node) = tree.at(&[name, key]) {
            parts.insert(name.to_owned(), Node::map([(key, node.clone())]));
        }
    }
    node::encode(&Node::Map(parts))
}

fn decode(body: &[u8]) -> Result<Node, StoreError> {
    node::decode(body).ok_or(StoreError::Unreadable("ecg's row"))
}

impl Store {
    /// Readings of a patient over all visits and series, of one kind or all, newest first; withdrawn ones are
    /// among them and say so.
    pub async fn observations_of(
        &self,
        patient: PatientId,
        kind: Option<VitalKind>,
        limit: usize,
    ) -> Result<Vec<ObservationLine>, StoreError> {
        self.read(move |sql| observations_of(sql, patient, kind, limit))
            .await
    }

    /// A recording of a document, and the patient whose it is.
    pub async fn ecg(&self, doc: DocId, id: EcgId) -> Result<Option<(PatientId, EcgMeta)>, StoreError> {
        self.read(move |sql| {
            let mut find = sql.prepare_cached(
                "SELECT coalesce(v.patient, s.patient), e.body FROM documents x JOIN ecgs e ON e.d = x.d
                 LEFT JOIN encounters v ON v.d = x.d LEFT JOIN series s ON s.d = x.d
                 WHERE x.id = ?1 AND e.id = ?2 AND coalesce(v.patient, s.patient) IS NOT NULL",
            )?;
            let row: Option<([u8; 16], Vec<u8>)> = find
                .query_row(params![doc.as_bytes(), id.as_bytes()], |row| {
                    Ok((row.get(0)?, row.get(1)?))
                })
                .optional()?;
            let Some((patient, body)) = row else {
                return Ok(None);
            };
            let found = read_ecgs(&decode(&body)?).into_iter().next();
            Ok(found.map(|ecg| (PatientId(patient), ecg)))
        })
        .await
    }

    /// ECGs of a patient, newest first; withdrawn ones are among them and say so.
    pub async fn ecgs_of(&self, patient: PatientId) -> Result<Vec<EcgLine>, StoreError> {
        self.read(move |sql| ecgs_of(sql, patient)).await
    }
}

fn id_and_body(row: &Row<'_>) -> crate::sql::Result<(DocId, Vec<u8>)> {
    Ok((DocId(row.get(0)?), row.get(1)?))
}

pub(crate) fn observations_of(
    sql: &Connection,
    patient: PatientId,
    kind: Option<VitalKind>,
    limit: usize,
) -> Result<Vec<ObservationLine>, StoreError> {
    let mut find = sql.prepare_cached(&format!(
        "SELECT x.id, {} FROM {OF_PATIENT} x JOIN observations o ON o.d = x.d
         WHERE ?2 IS NULL OR o.kind = ?2 ORDER BY o.taken DESC, o.id LIMIT ?3",
        row::COLUMNS
    ))?;
    let kind = kind.map(VitalKind::word);
    let mut rows = find.query(params![patient.as_bytes(), kind, limit as i64])?;
    let mut lines = Vec::new();
    while let Some(row) = rows.next()? {
        lines.push(row::read(&row)?);
    }
    Ok(lines)
}

pub(crate) fn ecgs_of(sql: &Connection, patient: PatientId) -> Result<Vec<EcgLine>, StoreError> {
    let mut find = sql.prepare_cached(&format!(
        "SELECT x.id, e.body FROM {OF_PATIENT} x JOIN ecgs e ON e.d = x.d
         ORDER BY e.taken DESC, e.id LIMIT 1000"
    ))?;
    let rows = find.query_map([patient.as_bytes()], id_and_body)?;
    let mut lines = Vec::new();
    for row in rows {
        let (doc, body) = row?;
        lines.extend(
            read_ecgs(&decode(&body)?)
                .into_iter()
                .map(|ecg| EcgLine { doc, ecg }),
        );
    }
    Ok(lines)
}

/// This clinic's series document of a patient and month, the oldest where two were made.
pub(crate) fn series_of(
    sql: &Connection,
    patient: PatientId,
    month: &str,
    owner: &ClinicCode,
) -> Result<Option<DocId>, StoreError> {
    let mut find = sql.prepare_cached(
        "SELECT id FROM series WHERE patient = ?1 AND month = ?2 AND owner = ?3 ORDER BY d LIMIT 1",
    )?;
    let id: Option<[u8; 16]> = find
        .query_row(params![patient.as_bytes(), month, owner.as_str()], |row| {
            row.get(0)
        })
        .optional()?;
    Ok(id.map(DocId))
}

/// The edits that begin a series document.
pub(crate) fn series_head(patient: PatientId, month: &str) -> Vec<Edit> {
    start_series(patient, month)
}

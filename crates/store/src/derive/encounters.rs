//! Visits: one row an encounter document.

use records::encounters::{Encounter, EncounterLine};
use records::ids::{EncounterId, PatientId};
use records::patients::PatientLine;
use records::time::{ClockSource, Date, Stamp, WallTime};
use records::tree::Node;
use sync_core::document::{Document, Heads};

use super::patients;
use super::{put_source, readings};
use crate::engine::{Store, StoreError};
use crate::sql::{Connection, OptionalExtension, Row, params};
use crate::{Read, log};

pub(super) const TABLES: &str = "
CREATE TABLE IF NOT EXISTS encounters(
    d INTEGER PRIMARY KEY,
    id BLOB NOT NULL,
    patient BLOB NOT NULL,
    opened INTEGER NOT NULL,
    clock TEXT NOT NULL,
    day TEXT NOT NULL,
    doctor TEXT NOT NULL,
    state TEXT NOT NULL,
    triage INTEGER,
    complaint TEXT NOT NULL,
    diagnosis TEXT NOT NULL,
    clinic TEXT);
CREATE INDEX IF NOT EXISTS encounters_by_patient ON encounters(patient, opened);
CREATE INDEX IF NOT EXISTS encounters_by_day ON encounters(day, opened);
";

/// Columns of a line.
const LINE: &str =
    "e.id, e.patient, e.opened, e.clock, e.doctor, e.state, e.triage, e.complaint, e.diagnosis, e.clinic";

/// A visit of a day with its patient, whose chart may not have arrived yet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TodayLine {
    /// The visit.
    pub visit: EncounterLine,
    /// The patient.
    pub patient: Option<PatientLine>,
}

fn state_word(word: &str) -> &'static str {
    ["signed", "imported"]
        .into_iter()
        .find(|known| *known == word)
        .unwrap_or("open")
}

fn read_line(row: &Row<'_>) -> crate::sql::Result<EncounterLine> {
    let (clock, state): (String, String) = (row.get(3)?, row.get(5)?);
    Ok(EncounterLine {
        id: EncounterId(row.get(0)?),
        patient: PatientId(row.get(1)?),
        opened: Stamp {
            at: WallTime(row.get(2)?),
            source: ClockSource::from_word(&clock),
        },
        doctor: row.get(4)?,
        state: state_word(&state),
        triage: row.get(6)?,
        complaint: row.get(7)?,
        diagnosis: row.get(8)?,
        clinic: row
            .get::<_, Option<String>>(9)?
            .and_then(|code| code.parse().ok()),
    })
}

/// Reads a visit: a signed one as it was signed, with what came later beside it.
fn read(document: &Document, tree: &Node) -> Encounter {
    let encounter = Encounter::read(tree);
    let Some(first) = encounter.signatures.first() else {
        return encounter;
    };
    let frozen = document
        .base_of(&["signatures", &first.form.to_string()])
        .and_then(|heads| document.tree_at(&heads).ok());
    match frozen {
        Some(frozen) => Encounter::read_signed(&frozen, tree),
        None => encounter,
    }
}

pub(super) fn project(
    sql: &Connection,
    d: i64,
    document: &Document,
    tree: &Node,
    known: bool,
) -> Result<Option<PatientId>, StoreError> {
    if known {
        sql.prepare_cached("DELETE FROM encounters WHERE d = ?1")?
            .execute([d])?;
    }
    let encounter = read(document, tree);
    let id = EncounterId(document.id().0);
    if let Some(line) = encounter.line(id) {
        let clinic = line.clinic.clone().or_else(|| document.owner());
        let mut put = sql.prepare_cached(
            "INSERT INTO encounters(d, id, patient, opened, clock, day, doctor, state, triage, complaint,
                 diagnosis, clinic) VALUES(?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12)",
        )?;
        put.execute(params![
            d,
            id.as_bytes(),
            line.patient.as_bytes(),
            line.opened.at.0,
            line.opened.source.word(),
            line.opened.at.china_date().to_string(),
            line.doctor,
            line.state,
            line.triage,
            line.complaint,
            line.diagnosis,
            clinic.as_ref().map(|code| code.as_str()),
        ])?;
    }
    readings::project(sql, d, tree, known)?;
    if let Some(source) = records::imports::source(tree) {
        put_source(sql, &source.id, d)?;
    }
    for key in records::imports::edit_hashes(tree) {
        put_source(sql, &key, d)?;
    }
    Ok(encounter.patient)
}

impl Store {
    /// Visits of a patient, newest first.
    pub async fn visits_of(
        &self,
        patient: PatientId,
        limit: usize,
    ) -> Result<Vec<EncounterLine>, StoreError> {
        self.read(move |sql| visits_of(sql, patient, limit)).await
    }

    /// A visit with everything in it, and its heads.
    pub async fn encounter(&self, id: EncounterId) -> Result<Option<Read<Encounter>>, StoreError> {
        self.read(move |sql| {
            let Some(document) = log::load(sql, id.doc())? else {
                return Ok(None);
            };
            let value = read(&document, &document.tree());
            Ok(Some(Read {
                value,
                heads: document.heads(),
            }))
        })
        .await
    }

    /// A visit as it stood at heads that it once had, as a page showed it then; `None` where it never had them.
    pub async fn encounter_at(
        &self,
        id: EncounterId,
        heads: &Heads,
    ) -> Result<Option<Encounter>, StoreError> {
        let heads = heads.clone();
        self.read(move |sql| {
            let heads = crate::sync::heads_today(sql, &heads)?;
            let document = log::load(sql, id.doc())?.filter(|document| document.has(&heads));
            let Some(document) = document else { return Ok(None) };
            let tree = document.tree_at(&heads)?;
            Ok(Some(read(&document, &tree)))
        })
        .await
    }

    /// A visit as lists show it.
    pub async fn encounter_line(&self, id: EncounterId) -> Result<Option<EncounterLine>, StoreError> {
        self.read(move |sql| {
            let mut find = sql.prepare_cached(&format!(
                "SELECT {LINE} FROM documents x JOIN encounters e ON e.d = x.d WHERE x.id = ?1"
            ))?;
            Ok(find.query_row([id.as_bytes()], read_line).optional()?)
        })
        .await
    }

    /// The visits that began on a day (in China), newest first, with their patients.
    pub async fn today(&self, day: Date) -> Result<Vec<TodayLine>, StoreError> {
        self.read(move |sql| {
            let mut find = sql.prepare_cached(&format!(
                "SELECT {LINE} FROM encounters e WHERE e.day = ?1 ORDER BY e.opened DESC LIMIT 1000"
            ))?;
            let visits = find.query_map([day.to_string()], read_line)?;
            visits
                .map(|visit| {
                    let visit = visit?;
                    let patient = patients::line_of(sql, visit.patient)?;
                    Ok(TodayLine { visit, patient })
                })
                .collect()
        })
        .await
    }

    /// The patient's visit of a day that is still open, the newest where there are several.
    pub async fn open_encounter_of(
        &self,
        patient: PatientId,
        day: Date,
    ) -> Result<Option<EncounterId>, StoreError> {
        self.read(move |sql| {
            let mut find = sql.prepare_cached(
                "SELECT id FROM encounters WHERE patient = ?1 AND day = ?2 AND state = 'open'
                 ORDER BY opened DESC LIMIT 1",
            )?;
            let id: Option<[u8; 16]> = find
                .query_row(params![patient.as_bytes(), day.to_string()], |row| row.get(0))
                .optional()?;
            Ok(id.map(EncounterId))
        })
        .await
    }
}

pub(crate) fn visits_of(
    sql: &Connection,
    patient: PatientId,
    limit: usize,
) -> Result<Vec<EncounterLine>, StoreError> {
    let mut find = sql.prepare_cached(&format!(
        "SELECT {LINE} FROM encounters e WHERE e.patient = ?1 ORDER BY e.opened DESC, e.id LIMIT ?2"
    ))?;
    let lines = find.query_map(params![patient.as_bytes(), limit as i64], read_line)?;
    Ok(lines.collect::<crate::sql::Result<Vec<_>>>()?)
}

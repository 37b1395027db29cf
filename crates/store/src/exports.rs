//! Writing records out as lines: an imported document as the lines that it came from, everything else whole.

use records::ids::{BlobId, DocId, DocKind, PatientId};
use records::imports;
use serde_json::{Map, Value};
use sync_core::document::{Document, Heads};

use crate::engine::{Store, StoreError};
use crate::objects::{self, Held};
use crate::sql::{Connection, OptionalExtension, params};
use crate::{json, log};

/// Documents that are read in one transaction.
const DOCUMENTS_AT_ONCE: usize = 64;

/// What is written out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ExportOf {
    /// Everything.
    All,
    /// What is held of one patient.
    Patient(PatientId),
}

/// Takes one line; `false` ends the export.
pub type TakeLine = Box<dyn FnMut(&Value) -> bool + Send>;

impl Store {
    /// Finds the patient whom an export names: by the id of the imported line, else by the document id in
    /// hexadecimal.
    pub async fn patient_named(&self, name: &str) -> Result<Option<PatientId>, StoreError> {
        let name = name.to_owned();
        self.read(move |sql| patient_named(sql, &name)).await
    }

    /// Writes records out line by line; returns the number of lines. It reads a few documents at a time: no state of
    /// the database is held for long, which would let its log grow without bound.
    pub async fn export(&self, what: ExportOf, mut take: TakeLine) -> Result<u64, StoreError> {
        let documents = self.read(move |sql| documents(sql, &what)).await?;
        let mut count = 0;
        for some in documents.chunks(DOCUMENTS_AT_ONCE) {
            let some = some.to_vec();
            for line in self.read(move |sql| lines_of_all(sql, &some)).await? {
                let line = match line {
                    Line::Whole(line) => line,
                    Line::Blob(blob, held) => {
                        let content = match held {
                            Some(held) => Some(self.content(held).await?),
                            None => None,
                        };
                        blob_line(blob, content)
                    }
                };
                count += 1;
                if !take(&line) {
                    return Ok(count);
                }
            }
        }
        Ok(count)
    }
}

fn patient_named(sql: &Connection, name: &str) -> Result<Option<PatientId>, StoreError> {
    let mut find = sql.prepare_cached(
        "SELECT x.id FROM sources s JOIN documents x ON x.d = s.d WHERE s.source = ?1 AND x.kind = ?2 LIMIT 1",
    )?;
    let kind = DocKind::Chart.byte();
    let id: Option<[u8; 16]> = find.query_row(params![name, kind], |row| row.get(0)).optional()?;
    if let Some(id) = id {
        return Ok(Some(PatientId(id)));
    }
    let Ok(id) = name.parse::<PatientId>() else {
        return Ok(None);
    };
    Ok(log::doc_row(sql, id.doc())?.and(id.doc().patient()))
}

/// The documents of an export. Clinics first, then each patient with their visits, so that the lines can be
/// imported in this order.
fn documents(sql: &Connection, what: &ExportOf) -> Result<Vec<(i64, DocId)>, StoreError> {
    let mut find = sql.prepare(
        "SELECT x.d, x.id FROM documents x
         LEFT JOIN encounters e ON e.d = x.d LEFT JOIN series s ON s.d = x.d
         LEFT JOIN documents c ON c.id = coalesce(e.patient, s.patient, x.id)
         WHERE ?1 IS NULL OR coalesce(e.patient, s.patient, x.id) = ?1
         ORDER BY x.kind <> ?2, c.d, x.kind, e.opened, x.d",
    )?;
    let patient = match what {
        ExportOf::All => None,
        ExportOf::Patient(patient) => Some(patient.0),
    };
    let rows = find.query_map(params![patient, DocKind::Clinic.byte()], |row| {
        Ok((row.get(0)?, DocId(row.get(1)?)))
    })?;
    Ok(rows.collect::<crate::sql::Result<Vec<_>>>()?)
}

/// A line, or the blob that it will hold: its content may lie outside the database.
enum Line {
    Whole(Value),
    Blob(BlobId, Option<Held>),
}

fn lines_of_all(sql: &Connection, documents: &[(i64, DocId)]) -> Result<Vec<Line>, StoreError> {
    let mut lines = Vec::new();
    for (d, id) in documents {
        lines.extend(lines_of(sql, *d, &log::load_row(sql, *d, *id)?)?);
    }
    Ok(lines)
}

/// The lines of a document: those that it came from, and itself where it came from none or where more was written
/// into it than imports did.
fn lines_of(sql: &Connection, d: i64, document: &Document) -> Result<Vec<Line>, StoreError> {
    let now = document.tree();
    let first = document
        .changes()
        .into_iter()
        .next()
        .ok_or(StoreError::Unreadable("document"))?;
    let original = document.tree_at(&Heads::new([first.hash]))?;
    let mut lines: Vec<Value> = imports::lines(document.kind(), &original, &now)
        .iter()
        .map(json::from_node)
        .collect();
    let mut written = sql.prepare_cached(
        "SELECT 1 FROM log l JOIN sessions s ON s.s = l.s WHERE l.d = ?1 AND s.import = 0 LIMIT 1",
    )?;
    if lines.is_empty() || written.exists([d])? {
        lines.push(whole_line(document, json::from_node(&now)));
    }
    let mut lines: Vec<Line> = lines.into_iter().map(Line::Whole).collect();
    for blob in records::ecgs::blobs(&now) {
        lines.push(Line::Blob(blob, objects::held(sql, blob)?));
    }
    Ok(lines)
}

/// A blob that a document names, in hexadecimal; `null` where it has not arrived.
fn blob_line(id: BlobId, content: Option<Vec<u8>>) -> Value {
    let mut line = Map::new();
    line.insert("t".to_owned(), Value::from("blob"));
    line.insert("id".to_owned(), Value::from(id.to_string()));
    line.insert(
        "hex".to_owned(),
        content.map_or(Value::Null, |bytes| Value::from(hex::encode(bytes))),
    );
    Value::Object(line)
}

fn whole_line(document: &Document, content: Value) -> Value {
    let mut line = Map::new();
    line.insert("t".to_owned(), Value::from("document"));
    line.insert("id".to_owned(), Value::from(document.id().to_string()));
    line.insert("kind".to_owned(), Value::from(document.kind().name()));
    let owner = document.owner().map(|owner| owner.to_string());
    line.insert("owner".to_owned(), owner.map_or(Value::Null, Value::from));
    line.insert("schema".to_owned(), Value::from(document.schema()));
    line.insert("changes".to_owned(), Value::from(document.change_count()));
    line.insert("content".to_owned(), content);
    Value::Object(line)
}

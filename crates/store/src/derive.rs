//! Tables derived from documents: what lists on screens show. Built again from the log they come out equal.
//!
//! A document's rows are written in the transaction of its change, all of them anew. Rows refer to the document
//! by the number of its row in `documents`; nothing is unique or bound by content, and a parent may not have
//! arrived yet.

pub(crate) mod clinics;
pub(crate) mod encounters;
pub(crate) mod links;
#[cfg(test)]
mod links_tests;
pub(crate) mod patients;
pub(crate) mod readings;
pub(crate) mod rebuild;
pub(crate) mod record;
#[cfg(test)]
mod tests;

use records::ids::{DocKind, PatientId};
use sync_core::document::Document;

use crate::engine::StoreError;
use crate::sql::Connection;

pub(crate) use clinics::members_of;
pub(crate) use readings::{series_head, series_of};
pub(crate) use rebuild::rebuild_in_place;

/// Version of the derived tables; another one is built again from the log at the next start.
pub(crate) const VERSION: i64 = 3;

/// Every derived table.
pub(crate) const TABLES: &[&str] = &[
    "patients",
    "charts",
    "patient_keys",
    "encounters",
    "series",
    "observations",
    "ecgs",
    "clinics",
    "links",
    "patient_numbers",
    "sources",
];

/// Where something imported went: the id of its line, or for an edit the hash of its line.
const SOURCES: &str = "
CREATE TABLE IF NOT EXISTS sources(source TEXT NOT NULL, d INTEGER NOT NULL, PRIMARY KEY(source, d)) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS sources_by_document ON sources(d);
";

/// Makes the derived tables that are missing.
pub(crate) fn create_tables(sql: &Connection) -> crate::sql::Result<()> {
    for tables in [
        patients::TABLES,
        encounters::TABLES,
        readings::TABLES,
        readings::OBSERVATIONS,
        clinics::TABLES,
        links::TABLES,
        SOURCES,
    ] {
        sql.create_tables(tables)?;
    }
    Ok(())
}

/// Drops the derived tables.
pub(crate) fn drop_tables(sql: &Connection) -> crate::sql::Result<()> {
    TABLES
        .iter()
        .try_for_each(|table| sql.execute_batch(&format!("DROP TABLE IF EXISTS {table}")))
}

/// Writes the rows of a document. `known` says that it may have rows already.
pub(crate) fn project(
    sql: &Connection,
    d: i64,
    document: &Document,
    known: bool,
) -> Result<Option<PatientId>, StoreError> {
    let tree = document.tree();
    if known {
        sql.prepare_cached("DELETE FROM sources WHERE d = ?1")?
            .execute([d])?;
    }
    match document.kind() {
        DocKind::Chart => patients::project(sql, d, document.id(), &tree, known),
        DocKind::Encounter => encounters::project(sql, d, document, &tree, known),
        DocKind::Series => readings::project_series(sql, d, document, &tree, known),
        DocKind::Clinic => {
            clinics::project(sql, d, document, &tree, known)?;
            Ok(None)
        }
        DocKind::Link => {
            links::project(sql, d, document.id(), &tree, known)?;
            Ok(None)
        }
        DocKind::Request => Ok(None),
    }
}

/// Notes where a line of an import went.
fn put_source(sql: &Connection, source: &str, d: i64) -> Result<(), StoreError> {
    let mut put =
        sql.prepare_cached("INSERT INTO sources(source, d) VALUES(?1, ?2) ON CONFLICT DO NOTHING")?;
    put.execute(crate::sql::params![source, d])?;
    Ok(())
}

/// The patient that a document is about.
pub(crate) fn patient_of(document: &Document) -> Option<PatientId> {
    match document.kind() {
        DocKind::Chart => document.id().patient(),
        DocKind::Encounter => records::encounters::patient_of(&document.tree()),
        DocKind::Series => records::vitals::series_patient(&document.tree()),
        DocKind::Request | DocKind::Link | DocKind::Clinic => None,
    }
}

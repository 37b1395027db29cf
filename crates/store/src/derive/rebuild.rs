//! Building the derived tables again from the log, in place or into a scratch file to compare.

use std::path::Path;

use records::ids::DocId;

use super::{TABLES, create_tables, drop_tables, project};
use crate::engine::{Store, StoreError, Tx, open_reader};
use crate::sql::Connection;
use crate::{folder, log, schema};

/// Most differences that are listed of one table.
const LISTED_MAX: usize = 100;
/// Name of the scratch file; it lies in the data folder, since it holds records.
const SCRATCH: &str = "rebuild.scratch";

/// A row that the tables have and a rebuild does not, or the other way round.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Difference {
    /// The derived table.
    pub table: String,
    /// Row of the document.
    pub document: Option<DocId>,
    /// Whether the row stands only in the tables in use (`true`) or only in the rebuilt ones.
    pub only_in_use: bool,
}

/// Hears how far a long work is: done, of all.
pub type Progress = Box<dyn FnMut(u64, u64) + Send>;

/// Builds the derived tables of this database again, within the transaction.
pub(crate) fn rebuild_in_place(tx: &mut Tx<'_>) -> Result<(), StoreError> {
    drop_tables(tx.sql)?;
    create_tables(tx.sql)?;
    let mut rows = tx.sql.prepare("SELECT d, id FROM documents ORDER BY d")?;
    let mut rows = rows.query([])?;
    while let Some(row) = rows.next()? {
        let (d, id): (i64, DocId) = (row.get(0)?, DocId(row.get(1)?));
        let document = log::load_row(tx.sql, d, id)?;
        project(tx.sql, d, &document, false)?;
    }
    Ok(schema::note_derived(tx.sql)?)
}

impl Store {
    /// Builds the derived tables into a scratch file and lists where they differ from those in use.
    pub async fn rebuild(&self, progress: Progress) -> Result<Vec<Difference>, StoreError> {
        if !self.inner.is_file() {
            return Err(crate::sql::Error::NotOnServer("comparing with tables that are built again").into());
        }
        let folder = self.inner.folder.clone();
        let compared = tokio::task::spawn_blocking(move || compare(&folder, progress)).await;
        compared.map_err(|_| StoreError::Closed)?
    }

    /// Builds the derived tables in use again, all in one transaction.
    pub async fn replace_derived(&self) -> Result<(), StoreError> {
        self.write(rebuild_in_place).await
    }
}

fn compare(folder: &Path, mut progress: Progress) -> Result<Vec<Difference>, StoreError> {
    let path = folder.join(SCRATCH);
    remove(&path);
    let outcome = build(folder, &path, &mut progress).and_then(|()| differences(folder, &path));
    remove(&path);
    outcome
}

fn remove(path: &Path) {
    if path.exists()
        && let Err(error) = std::fs::remove_file(path)
    {
        tracing::warn!(%error, "scratch file of a rebuild stays");
    }
}

fn build(folder: &Path, path: &Path, progress: &mut Progress) -> Result<(), StoreError> {
    let source = open_reader(&folder.join(folder::DATABASE))?;
    source.execute_batch("BEGIN")?;
    let scratch = Connection::open(path)?;
    scratch.pragma_update("journal_mode", "OFF")?;
    scratch.pragma_update("synchronous", "OFF")?;
    schema::prepare(&scratch)?;
    create_tables(&scratch)?;
    scratch.execute_batch("BEGIN")?;
    let all: i64 = source.query_row("SELECT count(*) FROM documents", [], |row| row.get(0))?;
    let mut rows = source.prepare("SELECT d, id FROM documents ORDER BY d")?;
    let mut rows = rows.query([])?;
    let mut done = 0u64;
    while let Some(row) = rows.next()? {
        let (d, id): (i64, DocId) = (row.get(0)?, DocId(row.get(1)?));
        let document = log::load_row(&source, d, id)?;
        project(&scratch, d, &document, false)?;
        done += 1;
        if done.is_multiple_of(256) {
            progress(done, all.unsigned_abs());
        }
    }
    scratch.execute_batch("COMMIT")?;
    progress(done, all.unsigned_abs());
    Ok(())
}

fn differences(folder: &Path, path: &Path) -> Result<Vec<Difference>, StoreError> {
    let source = open_reader(&folder.join(folder::DATABASE))?;
    source.execute("ATTACH ?1 AS scratch", [path.to_string_lossy()])?;
    let mut found = Vec::new();
    for table in TABLES {
        for (left, right, only_in_use) in [("main", "scratch", true), ("scratch", "main", false)] {
            let mut rows = source.prepare(&format!(
                "SELECT (SELECT id FROM main.documents x WHERE x.d = r.d) FROM
                     (SELECT * FROM {left}.{table} EXCEPT SELECT * FROM {right}.{table}) r LIMIT {LISTED_MAX}"
            ))?;
            let rows = rows.query_map([], |row| row.get::<_, Option<[u8; 16]>>(0))?;
            for id in rows {
                let document = id?.map(DocId);
                found.push(Difference {
                    table: (*table).to_owned(),
                    document,
                    only_in_use,
                });
            }
        }
    }
    Ok(found)
}

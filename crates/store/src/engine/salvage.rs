//! A damaged database: everything that is not derived is copied into a new file, which is checked whole before it
//! takes the place of the damaged one. That one is set aside all the same. So a torn page of a list, of an index or
//! of the free space costs no record. Where a page of the records themselves is torn, they are copied row by row:
//! what can be read is saved, what builds on lost changes waits for them, and what the other side holds is fetched
//! again, because it is not claimed to be held any more.

mod rows;
mod settle;

use std::fs;
use std::path::{Path, PathBuf};

use super::{StoreError, open_reader};
use crate::alarms::AlarmKind;
use crate::open::OpenError;
use crate::sql::{self, Connection};
use crate::sync::queue;
use crate::{derive, folder, schema, verify};

/// Folder of the copy, inside the data folder.
const WORK: &str = "salvage.work";
/// Name of a copy that was found whole.
const SOUND: &str = "sound.db";

/// What could not be saved from a damaged database. It stays readable in the file that was set aside.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Lost {
    /// Stretches of tables that could not be read.
    pub(super) stretches: u64,
    /// Rows whose content is not what its hash says: changes and blobs.
    pub(super) spoilt: u64,
    /// Documents of which a change is missing.
    pub(super) documents: u64,
}

/// Copies what is not derived, and checks the copy; what could not be saved. Nothing is changed where that fails.
pub(super) fn copy(folder: &Path, damaged: &Path) -> Result<Lost, StoreError> {
    let work = folder.join(WORK);
    let outcome = whole(&work, damaged).or_else(|error| {
        tracing::warn!(%error, "not everything can be copied: row by row");
        row_by_row(&work, damaged)
    });
    if outcome.is_err() {
        let _nothing_was_made = fs::remove_dir_all(&work);
    }
    outcome
}

/// Puts a copy that was found whole in the place of a database that was set aside, also where the process died in
/// between. Whether there was one.
pub(super) fn put_in_place(folder: &Path, path: &Path) -> Result<bool, OpenError> {
    let work = folder.join(WORK);
    if !work.exists() {
        return Ok(false);
    }
    let failed = |source| OpenError::Folder {
        path: work.clone(),
        source,
    };
    let sound = work.join(SOUND);
    let wanted = sound.exists() && !path.exists();
    if wanted {
        fs::rename(&sound, path).map_err(failed)?;
        fs::File::open(folder)
            .and_then(|folder| folder.sync_all())
            .map_err(failed)?;
    }
    fs::remove_dir_all(&work).map_err(failed)?;
    Ok(wanted)
}

/// Table by table: only where every row can be read and all fits together.
fn whole(work: &Path, damaged: &Path) -> Result<Lost, StoreError> {
    fresh(work)?;
    let made = work.join(folder::DATABASE);
    copy_tables(damaged, &made)?;
    let found = verify::verify(work, None, Box::new(|_, _| {}))?;
    if !found.problems.is_empty() {
        return Err(StoreError::Damaged);
    }
    keep(&made, &work.join(SOUND))?;
    Ok(Lost::default())
}

/// Row by row, and what is left of each document brought into a state that holds by itself.
fn row_by_row(work: &Path, damaged: &Path) -> Result<Lost, StoreError> {
    fresh(work)?;
    let made = work.join(folder::DATABASE);
    let mut lost = Lost::default();
    {
        let from = open_reader(damaged)?;
        let sql = open_copy(&made)?;
        let copying = sql.unchecked_transaction()?;
        for table in tables(&sql)? {
            lost.stretches += rows::copy(&from, &sql, &table)?;
        }
        settle::settle(&sql, &mut lost)?;
        schema::outdate_derived(&sql)?;
        copying.commit()?;
    }
    let found = verify::verify(work, None, Box::new(|_, _| {}))?;
    // A chain of the audit log that lost an entry stays broken for everybody to see.
    if found
        .problems
        .iter()
        .any(|problem| !problem.contains("audit entry"))
    {
        return Err(StoreError::Damaged);
    }
    keep(&made, &work.join(SOUND))?;
    Ok(lost)
}

fn open_copy(made: &Path) -> Result<Connection, StoreError> {
    let sql = Connection::open(made)?;
    schema::prepare(&sql)?;
    // The copy counts only once it is whole and on the disk.
    sql.pragma_update("journal_mode", "OFF")?;
    sql.pragma_update("synchronous", "OFF")?;
    schema::create(&sql)?;
    Ok(sql)
}

fn fresh(work: &Path) -> Result<(), StoreError> {
    let made = match fs::remove_dir_all(work) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => Err(error),
        Ok(()) | Err(_) => fs::create_dir(work),
    };
    made.map_err(unusable)
}

/// Brings the copy to the disk under the name that says it is whole.
fn keep(made: &Path, sound: &Path) -> Result<(), StoreError> {
    let kept = fs::File::open(made)
        .and_then(|file| file.sync_all())
        .and_then(|()| fs::rename(made, sound));
    kept.map_err(unusable)
}

fn unusable(error: std::io::Error) -> StoreError {
    tracing::warn!(%error, "the damaged database cannot be copied");
    StoreError::DiskFull
}

fn copy_tables(damaged: &Path, made: &Path) -> Result<(), StoreError> {
    let sql = open_copy(made)?;
    sql.execute("ATTACH ?1 AS damaged", [damaged.to_string_lossy()])?;
    let copying = sql.unchecked_transaction()?;
    for table in tables(&sql)? {
        let columns = rows::columns(&sql, &table)?;
        sql.execute_batch(&format!(
            "DELETE FROM main.{table}; INSERT INTO main.{table}({columns}) SELECT {columns} FROM damaged.{table} NOT INDEXED"
        ))?;
    }
    schema::outdate_derived(&sql)?;
    copying.commit()?;
    Ok(())
}

/// The tables of this release that are not derived.
fn tables(sql: &Connection) -> Result<Vec<String>, StoreError> {
    let mut names = sql.prepare(
        "SELECT name FROM main.sqlite_schema WHERE type = 'table' AND name NOT LIKE 'sqlite_%' ORDER BY name",
    )?;
    let names = names.query_map([], |row| row.get::<_, String>(0))?;
    let mut kept = names.collect::<sql::Result<Vec<_>>>()?;
    // Sums follow their rows as these are copied.
    kept.retain(|name| !derive::TABLES.contains(&name.as_str()) && name != queue::SUMS);
    Ok(kept)
}

/// Where a database was set aside, and what of its records does not stand in the new one; `None`: nothing could be
/// saved.
#[derive(Debug)]
pub(super) struct Aside {
    pub(super) path: PathBuf,
    pub(super) lost: Option<Lost>,
}

impl Aside {
    /// The alarm that tells of it: its kind, and the path with what was lost.
    pub(super) fn alarm(&self) -> (AlarmKind, String) {
        let path = self.path.display();
        match self.lost {
            None => (AlarmKind::Damaged, path.to_string()),
            Some(lost) if lost == Lost::default() => (AlarmKind::Repaired, path.to_string()),
            Some(Lost {
                stretches,
                spoilt,
                documents,
            }) => (
                AlarmKind::Salvaged,
                format!("{path} · stretches {stretches}, rows {spoilt}, documents {documents}"),
            ),
        }
    }
}

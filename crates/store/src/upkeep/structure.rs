//! Pages: which table or index is torn, and what may be done without touching a torn page.

use std::fs::{self, File};
use std::path::Path;
use std::time::Duration;

use crate::engine::{Store, StoreError, open_reader};
use crate::sql::{Connection, Kind, OptionalExtension, params};
use crate::{folder, log};

/// How long one table is looked at; a larger one is read row by row with its documents anyway.
const TABLE_MAX: Duration = Duration::from_secs(60);
/// Growth of the write-ahead log at which the look at a table is broken off: while it goes on, no page of the log can
/// be used again.
const GROWTH_MAX: u64 = 16 * 1024 * 1024;
/// Steps of SQLite's machine between two looks at clock and log.
const STEPS: i32 = 10_000;
/// Problems of one table that are looked at.
const PROBLEMS_MAX: usize = 100;
/// A database is made anew at a start where more than this share of its pages is unused, and they are this many.
const WASTE_SHARE: i64 = 2;
const WASTE_PAGES_MIN: i64 = 4_096;
/// Folder of the copy that takes the place of a wasteful database.
const WORK: &str = "compact.work";

/// A table or an index of which a page is torn.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Torn {
    pub(super) name: String,
    /// How an index is made again; `None` for a table, and for an index that is part of one.
    pub(super) sql: Option<String>,
}

/// The table behind a name, in the order of names.
pub(super) fn table_behind(sql: &Connection, after: &str) -> Result<Option<String>, StoreError> {
    let mut find = sql.prepare_cached(
        "SELECT name FROM sqlite_schema WHERE type = 'table' AND name > ?1 ORDER BY name LIMIT 1",
    )?;
    Ok(find.query_row([after], |row| row.get(0)).optional()?)
}

/// What SQLite finds wrong with the whole file. Pages that nothing uses are no damage: what was torn and made again
/// leaves them behind, because no torn page is ever given to anybody else.
pub(crate) fn verdicts(sql: &Connection, most: usize) -> crate::sql::Result<Vec<String>> {
    let mut rows = sql.prepare("PRAGMA quick_check(100000)")?;
    let rows = rows.query_map([], |row| row.get::<_, String>(0))?;
    let is_damage = |verdict: &String| verdict != "ok" && !verdict.ends_with(": never used");
    let mut found = Vec::new();
    for verdict in rows {
        // One row may hold several lines.
        found.extend(verdict?.lines().map(str::to_owned).filter(is_damage));
        if found.len() >= most {
            break;
        }
    }
    found.retain(|line| !line.starts_with("*** in database"));
    found.truncate(most);
    Ok(found)
}

impl Store {
    /// Which parts of a table are torn: itself, its indexes.
    pub(super) async fn torn_in(&self, table: String) -> Result<Vec<Torn>, StoreError> {
        let (folder, clock) = (self.folder().to_owned(), self.clock().clone());
        let looked = tokio::task::spawn_blocking(move || {
            let path = folder.join(folder::DATABASE);
            // A connection of its own, so that the readers' caches keep what pages need.
            let sql = open_reader(&path)?;
            let wal = folder.join(format!("{}-wal", folder::DATABASE));
            let size = move || wal.metadata().map_or(0, |meta| meta.len());
            let (end, full) = (clock.uptime() + TABLE_MAX, size() + GROWTH_MAX);
            sql.stop_when(STEPS, move || clock.uptime() > end || size() > full)?;
            look(&sql, &table)
        });
        looked.await.map_err(|_| StoreError::Closed)?
    }
}

fn look(sql: &Connection, table: &str) -> Result<Vec<Torn>, StoreError> {
    let mut parts = sql.prepare(
        "SELECT name, iif(type = 'index', sql, NULL), rootpage FROM sqlite_schema WHERE tbl_name = ?1
             AND type IN ('table', 'index')",
    )?;
    let parts = parts
        .query_map([table], |row| {
            let torn = Torn {
                name: row.get(0)?,
                sql: row.get(1)?,
            };
            Ok((torn, row.get::<_, i64>(2)?))
        })?
        .collect::<crate::sql::Result<Vec<_>>>()?;
    let itself = || {
        let own = parts.iter().filter(|(part, _)| part.name == table);
        own.map(|(part, _)| part.clone()).collect::<Vec<_>>()
    };
    let problems = match problems(sql, table) {
        Ok(problems) => problems,
        Err(error) if error.kind() == Kind::Interrupted => {
            tracing::info!(
                table,
                "the look at a table was broken off; its rows are looked at with the documents"
            );
            return Ok(Vec::new());
        }
        Err(error) if is_corrupt(&error) => return Ok(itself()),
        Err(error) => return Err(error.into()),
    };
    let mut torn: Vec<Torn> = problems
        .iter()
        .flat_map(|problem| {
            let named: Vec<Torn> = parts
                .iter()
                .filter(|(part, root)| is_about(problem, &part.name, *root))
                .map(|(part, _)| part.clone())
                .collect();
            if named.is_empty() { itself() } else { named }
        })
        .collect();
    torn.sort();
    torn.dedup();
    Ok(torn)
}

fn is_corrupt(error: &crate::sql::Error) -> bool {
    error.kind() == Kind::Damaged
}

fn problems(sql: &Connection, table: &str) -> crate::sql::Result<Vec<String>> {
    let quoted = table.replace('\'', "''");
    let mut rows = sql.prepare(&format!("PRAGMA integrity_check('{quoted}')"))?;
    let rows = rows.query_map([], |row| row.get::<_, String>(0))?;
    let mut found = Vec::new();
    for verdict in rows.take(PROBLEMS_MAX) {
        let verdict = match verdict {
            // It stumbled over a page of which it had told.
            Err(error) if is_corrupt(&error) && !found.is_empty() => break,
            verdict => verdict?,
        };
        let lines = verdict.lines().map(str::to_owned);
        found.extend(lines.filter(|line| line != "ok" && !line.starts_with("*** in database")));
    }
    Ok(found)
}

/// Whether a problem names this part: `Tree 17 page …` by its first page, `… index NAME` by its name.
fn is_about(problem: &str, name: &str, root: i64) -> bool {
    let tree = problem
        .strip_prefix("Tree ")
        .and_then(|rest| rest.split(' ').next())
        .and_then(|number| number.parse::<i64>().ok());
    tree == Some(root) || problem.ends_with(&format!(" index {name}"))
}

/// Takes tables and indexes out of the schema without touching their pages: a torn page may point anywhere, and
/// dropping it would free pages of others. Their pages stay unused until the database is made anew.
pub(super) fn unhook(sql: &Connection, names: &[String]) -> crate::sql::Result<()> {
    sql.pragma_update("writable_schema", true)?;
    let gone = names.iter().try_for_each(|name| {
        sql.execute(
            "DELETE FROM sqlite_schema WHERE name = ?1 OR tbl_name = ?1",
            [name],
        )
        .map(drop)
    });
    sql.execute_batch("PRAGMA writable_schema = RESET")?;
    gone
}

/// Makes a database anew at a start where most of its pages are unused. The old one stays until the copy was found
/// whole; a failure (no room) leaves everything as it was, and the next start tries again. Temporary files lie in the
/// data folder.
pub(crate) fn compact_if_wasteful(folder: &Path, path: &Path) {
    let work = folder.join(WORK);
    let outcome = (|| -> Result<bool, StoreError> {
        if !is_wasteful(path)? {
            return Ok(false);
        }
        let _left_of_before = fs::remove_dir_all(&work);
        fs::create_dir(&work).map_err(|_| StoreError::DiskFull)?;
        let made = work.join(folder::DATABASE);
        copy_whole(path, &made)?;
        put_in_place(folder, path, &made)?;
        Ok(true)
    })();
    let _nothing_or_moved = fs::remove_dir_all(&work);
    match outcome {
        Ok(false) => {}
        Ok(true) => tracing::info!("the database was made anew without its unused pages"),
        Err(error) => tracing::warn!(%error, "the database keeps its unused pages until the next start"),
    }
}

fn is_wasteful(path: &Path) -> Result<bool, StoreError> {
    let sql = open_reader(path)?;
    let number = |name: &str| sql.query_row(&format!("PRAGMA {name}"), [], |row| row.get::<_, i64>(0));
    let (pages, free) = (number("page_count")?, number("freelist_count")?);
    let unhooked = crate::settings::get(&sql, super::mend::UNHOOKED)
        .ok()
        .flatten()
        .is_some();
    Ok(unhooked || (free >= WASTE_PAGES_MIN && free * WASTE_SHARE > pages))
}

fn copy_whole(path: &Path, made: &Path) -> Result<(), StoreError> {
    let sql = Connection::open(path)?;
    crate::schema::prepare(&sql)?;
    // Nobody else may be inside: what they wrote after the copy would be lost with the old file.
    sql.pragma_update("locking_mode", "EXCLUSIVE")?;
    sql.execute_batch("BEGIN IMMEDIATE; COMMIT")?;
    sql.execute("VACUUM INTO ?1", [made.to_string_lossy()])?;
    let copy = Connection::open(made)?;
    copy.execute(
        "DELETE FROM local_settings WHERE key = ?1",
        params![super::mend::UNHOOKED],
    )?;
    let count = |sql: &Connection| -> crate::sql::Result<i64> {
        sql.query_row("SELECT count(*) FROM log", [], |row| row.get(0))
    };
    let same = count(&sql)? == count(&copy)?
        && log::stored_fingerprint(&sql)? == log::stored_fingerprint(&copy)?
        && verdicts(&copy, 1)?.is_empty();
    drop(copy);
    if !same {
        return Err(StoreError::Damaged);
    }
    File::open(made)
        .and_then(|file| file.sync_all())
        .map_err(|_| StoreError::DiskFull)?;
    // The write-ahead log must be empty before its database is replaced.
    let busy: i64 = sql.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |row| row.get(0))?;
    if busy == 0 {
        Ok(())
    } else {
        Err(StoreError::NotServing)
    }
}

fn put_in_place(folder: &Path, path: &Path, made: &Path) -> Result<(), StoreError> {
    let moved = (|| -> std::io::Result<()> {
        for end in ["-wal", "-shm"] {
            let file = folder.join(format!("{}{end}", folder::DATABASE));
            match fs::remove_file(file) {
                Err(error) if error.kind() != std::io::ErrorKind::NotFound => return Err(error),
                Ok(()) | Err(_) => {}
            }
        }
        fs::rename(made, path)?;
        File::open(folder)?.sync_all()
    })();
    moved.map_err(|error| {
        tracing::error!(%error, "the copy of the database could not take its place");
        StoreError::ReadOnly
    })
}

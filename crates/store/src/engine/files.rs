//! The database file: opened for writing and reading, checked, and set aside where it is damaged.

use std::path::Path;
use std::time::Duration;

use super::StoreError;
use super::salvage::{self, Aside};
use crate::open::{Mode, OpenError, OpenOptions};
use crate::sql::{self, Address, Connection, Kind};
use crate::{folder, schema, upkeep, verify};

/// How long a start checks the database; one that gave reason to is checked to its end.
const CHECK_MAX: Duration = Duration::from_secs(5);
/// Steps of SQLite's machine between two looks at the clock.
const CHECK_STEPS: i32 = 10_000;

pub(super) fn open_writer(path: &Path, options: &OpenOptions) -> Result<Connection, OpenError> {
    let sql = Connection::open(path)?;
    known_version(&sql, options.mode)?;
    schema::prepare_writer(&sql, options.pages_max)?;
    Ok(sql)
}

/// Connects to a server that holds the tables, or shall hold them.
pub(super) fn open_on_server(address: &Address, options: &OpenOptions) -> Result<Connection, OpenError> {
    let sql = Connection::open_address(address)?;
    known_version(&sql, options.mode)?;
    Ok(sql)
}

/// Refuses tables of a newer release, and none at all beside a process that would make them.
fn known_version(sql: &Connection, mode: Mode) -> Result<(), OpenError> {
    let found = sql.version()?;
    if found > schema::VERSION {
        return Err(OpenError::Newer {
            found,
            known: schema::VERSION,
        });
    }
    // Whoever began it died before the tables stood; the next `serve` makes them.
    if found == 0 && mode == Mode::Beside {
        return Err(OpenError::Missing);
    }
    Ok(())
}

pub(crate) fn open_reader(path: &Path) -> sql::Result<Connection> {
    let sql = Connection::open_read_only(path)?;
    schema::prepare(&sql)?;
    Ok(sql)
}

/// Checks the database before it is used and sets a damaged one aside; what can be read of its records stands in a
/// new one then.
pub(super) fn set_aside_if_damaged(
    folder: &Path,
    path: &Path,
    options: &OpenOptions,
) -> Result<Option<Aside>, OpenError> {
    if salvage::put_in_place(folder, path)? {
        tracing::warn!("the process died while a damaged database was set aside; its copy is in place now");
        return Ok(Some(Aside {
            path: folder.to_owned(),
            lost: Some(salvage::Lost::default()),
        }));
    }
    if !path.exists() {
        return Ok(None);
    }
    let bound = (!folder::is_suspect(folder)).then_some(CHECK_MAX);
    let checked = check(path, options, bound).and_then(|()| match bound {
        Some(_) => Ok(()),
        None => check_contents(folder),
    });
    let aside = match checked {
        Ok(()) => None,
        Err(StoreError::Damaged) => {
            let lost = salvage::copy(folder, path).ok();
            let aside = folder::set_aside(folder, options.clock.now().at.0)?;
            tracing::error!(path = %aside.display(), ?lost, "the database was damaged and has been set aside");
            if lost.is_some() {
                salvage::put_in_place(folder, path)?;
            }
            Some(Aside { path: aside, lost })
        }
        Err(StoreError::Database(error)) => return Err(OpenError::Database(error)),
        Err(other) => return Err(OpenError::Rebuild(Box::new(other))),
    };
    folder::clear_suspect(folder);
    upkeep::compact_if_wasteful(folder, path);
    Ok(aside)
}

/// Looks for damage, at most for `bound`: a start does not wait for the check of a large file, which goes on at the
/// next one that finds a reason to.
fn check(path: &Path, options: &OpenOptions, bound: Option<Duration>) -> Result<(), StoreError> {
    let sql = Connection::open(path)?;
    sql.query_row("SELECT count(*) FROM sqlite_schema", [], |_| Ok(()))?;
    if let Some(bound) = bound {
        let (clock, end) = (options.clock.clone(), options.clock.uptime() + bound);
        sql.stop_when(CHECK_STEPS, move || clock.uptime() > end)?;
    }
    match upkeep::verdicts(&sql, 1) {
        Ok(verdicts) if verdicts.is_empty() => Ok(()),
        Ok(_) => Err(StoreError::Damaged),
        Err(error) if error.kind() == Kind::Interrupted => {
            tracing::info!("the check of the database did not end in its time; no damage was found so far");
            Ok(())
        }
        Err(error) => Err(error.into()),
    }
}

/// Looks at what the pages hold, where an earlier run gave reason to: a spoilt change leaves its page in order.
fn check_contents(folder: &Path) -> Result<(), StoreError> {
    let found = verify::verify(folder, None, Box::new(|_, _| {}))?;
    match found.problems.first() {
        Some(problem) if !problem.contains("audit entry") => Err(StoreError::Damaged),
        Some(_) | None => Ok(()),
    }
}

/// Brings the write-ahead log into the file and empties it; `false` where a reader was inside for longer than `wait`.
pub(super) fn start_log_over(sql: &Connection, wait: Duration) -> sql::Result<bool> {
    sql.wait_at_most(wait)?;
    let busy = sql.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |row| row.get::<_, i64>(0));
    sql.wait_at_most(schema::BUSY_MAX)?;
    Ok(busy? == 0)
}

/// Bytes of one row that fills free pages.
const FILL: i64 = 1 << 20;

/// Overwrites the free pages of a database with zeros and empties its write-ahead log. `false` where a reader kept it
/// from doing the latter.
///
/// A server gives the space of deleted rows back to its own use; what its disk and its archives keep of them is its
/// keeper's matter.
pub(super) fn scrub(sql: &Connection) -> sql::Result<bool> {
    if !sql.is_file() {
        sql.execute_batch("VACUUM")?;
        return Ok(true);
    }
    sql.pragma_update("secure_delete", true)?;
    let free = |sql: &Connection| sql.query_row("PRAGMA freelist_count", [], |row| row.get::<_, i64>(0));
    let page: i64 = sql.query_row("PRAGMA page_size", [], |row| row.get(0))?;
    if free(sql)? > 0 {
        let filling = sql.unchecked_transaction()?;
        sql.execute_batch("CREATE TABLE scrub(filling BLOB NOT NULL)")?;
        loop {
            let left = free(sql)?;
            if left == 0 {
                break;
            }
            let bytes = (left * (page - 64)).clamp(1, FILL);
            sql.execute("INSERT INTO scrub(filling) VALUES(zeroblob(?1))", [bytes])?;
        }
        sql.execute_batch("DROP TABLE scrub")?;
        filling.commit()?;
    }
    let busy: i64 = sql.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |row| row.get(0))?;
    Ok(busy == 0)
}

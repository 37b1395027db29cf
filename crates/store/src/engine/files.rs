//! The database file: opened for writing and reading, checked, and set aside where it is damaged.

use std::path::{Path, PathBuf};

use rusqlite::{Connection, OpenFlags};

use super::StoreError;
use crate::open::{Mode, OpenError, OpenOptions};
use crate::{folder, schema};

/// A database up to this size is checked whole at each start; a larger one when it gave reason to.
const CHECK_ALWAYS_BYTES: u64 = 64 * 1024 * 1024;

pub(super) fn open_writer(path: &Path, options: &OpenOptions) -> Result<Connection, OpenError> {
    let sql = Connection::open(path)?;
    let found: i64 = sql.query_row("PRAGMA user_version", [], |row| row.get(0))?;
    if found > schema::VERSION {
        return Err(OpenError::Newer {
            found,
            known: schema::VERSION,
        });
    }
    // Whoever began it died before the tables stood; the next `serve` makes them.
    if found == 0 && options.mode == Mode::Beside {
        return Err(OpenError::Missing);
    }
    schema::prepare_writer(&sql, options.pages_max)?;
    Ok(sql)
}

pub(crate) fn open_reader(path: &Path) -> rusqlite::Result<Connection> {
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let sql = Connection::open_with_flags(path, flags)?;
    schema::prepare(&sql)?;
    Ok(sql)
}

/// Checks the database where it is small or gave reason to, and sets a damaged one aside.
pub(super) fn set_aside_if_damaged(
    folder: &Path,
    path: &Path,
    options: &OpenOptions,
) -> Result<Option<PathBuf>, OpenError> {
    if !path.exists() {
        return Ok(None);
    }
    let length = path.metadata().map_or(0, |meta| meta.len());
    let whole = length <= CHECK_ALWAYS_BYTES || folder::is_suspect(folder);
    let sound = check(path, whole);
    let aside = match sound {
        Ok(()) => None,
        Err(StoreError::Damaged) => {
            let aside = folder::set_aside(folder, options.clock.now().at.0)?;
            tracing::error!(path = %aside.display(), "the database was damaged and has been set aside");
            Some(aside)
        }
        Err(StoreError::Database(error)) => return Err(OpenError::Database(error)),
        Err(other) => return Err(OpenError::Rebuild(Box::new(other))),
    };
    folder::clear_suspect(folder);
    Ok(aside)
}

fn check(path: &Path, whole: bool) -> Result<(), StoreError> {
    let sql = Connection::open(path)?;
    sql.query_row("SELECT count(*) FROM sqlite_schema", [], |_| Ok(()))?;
    if whole {
        let verdict: String = sql.query_row("PRAGMA quick_check(1)", [], |row| row.get(0))?;
        if verdict != "ok" {
            return Err(StoreError::Damaged);
        }
    }
    Ok(())
}

/// Bytes of one row that fills free pages.
const FILL: i64 = 1 << 20;

/// Overwrites the free pages of a database with zeros and empties its write-ahead log. `false` where a reader kept it
/// from doing the latter.
pub(super) fn scrub(sql: &Connection) -> rusqlite::Result<bool> {
    sql.pragma_update(None, "secure_delete", true)?;
    let free = |sql: &Connection| sql.query_row("PRAGMA freelist_count", [], |row| row.get::<_, i64>(0));
    let page: i64 = sql.query_row("PRAGMA page_size", [], |row| row.get(0))?;
    if free(sql)? > 0 {
        let filling = sql.unchecked_transaction()?;
        filling.execute_batch("CREATE TABLE scrub(filling BLOB NOT NULL)")?;
        loop {
            let left = free(&filling)?;
            if left == 0 {
                break;
            }
            let bytes = (left * (page - 64)).clamp(1, FILL);
            filling.execute("INSERT INTO scrub(filling) VALUES(zeroblob(?1))", [bytes])?;
        }
        filling.execute_batch("DROP TABLE scrub")?;
        filling.commit()?;
    }
    let busy: i64 = sql.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |row| row.get(0))?;
    Ok(busy == 0)
}

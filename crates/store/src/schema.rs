//! The tables that are not derived: the log, documents and sessions, and the local tables of this machine.
//!
//! Derived tables are declared by their modules (see `derive`). Local tables have names that begin with
//! `local_`; a rebuild never touches them.

use crate::derive;
use crate::sql::{Connection, ValueRef, params};

/// Version of the tables below and of what stands in them; kept in SQLite's `user_version`. Derived tables have a
/// version of their own. Version 2 brought folded bodies of changes (`log::body`); a file of version 1 is read and
/// written on as it is.
pub(crate) const VERSION: i64 = 2;

/// The forms of a data folder that a program of this release knows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Forms {
    /// The oldest that it reads.
    pub oldest: u32,
    /// The newest that it reads.
    pub newest: u32,
    /// What it writes.
    pub writes: u32,
}

/// What an update has to know before a box takes it: after a trial, the program of before must read what was written.
/// A new form is read by one release before the next one writes it.
pub const FORMS: Forms = Forms {
    oldest: 1,
    newest: VERSION as u32,
    writes: VERSION as u32,
};

/// Versions of the derived tables differ: they are built again from the log, never migrated.
const DERIVED_VERSION_KEY: &str = "derived_version";

const TABLES: &str = "
CREATE TABLE IF NOT EXISTS totals(name TEXT PRIMARY KEY, value BLOB NOT NULL) WITHOUT ROWID;

CREATE TABLE IF NOT EXISTS sessions(
    s INTEGER PRIMARY KEY,
    device BLOB NOT NULL,
    session BLOB NOT NULL,
    parent BLOB,
    own INTEGER NOT NULL,
    import INTEGER NOT NULL DEFAULT 0,
    opened INTEGER NOT NULL,
    UNIQUE(device, session));

CREATE TABLE IF NOT EXISTS documents(
    d INTEGER PRIMARY KEY,
    id BLOB NOT NULL UNIQUE,
    kind INTEGER NOT NULL,
    owner TEXT NOT NULL,
    heads BLOB NOT NULL,
    print BLOB NOT NULL,
    changes INTEGER NOT NULL);

CREATE TABLE IF NOT EXISTS log(
    k INTEGER PRIMARY KEY,
    s INTEGER NOT NULL,
    seq INTEGER NOT NULL,
    d INTEGER NOT NULL,
    lane INTEGER NOT NULL,
    hash BLOB NOT NULL,
    body BLOB NOT NULL);
CREATE UNIQUE INDEX IF NOT EXISTS log_by_position ON log(s, seq);
CREATE INDEX IF NOT EXISTS log_by_document ON log(d);

CREATE TABLE IF NOT EXISTS parked(
    p INTEGER PRIMARY KEY,
    s INTEGER NOT NULL,
    seq INTEGER NOT NULL,
    doc BLOB NOT NULL,
    lane INTEGER NOT NULL,
    hash BLOB NOT NULL,
    reason TEXT NOT NULL,
    body BLOB NOT NULL,
    UNIQUE(s, seq));
CREATE INDEX IF NOT EXISTS parked_by_document ON parked(doc);

CREATE TABLE IF NOT EXISTS blobs(
    b INTEGER PRIMARY KEY,
    id BLOB NOT NULL UNIQUE,
    length INTEGER NOT NULL,
    body BLOB NOT NULL);

CREATE TABLE IF NOT EXISTS audit(
    a INTEGER PRIMARY KEY,
    device BLOB NOT NULL,
    session BLOB NOT NULL,
    n INTEGER NOT NULL,
    at INTEGER NOT NULL,
    by TEXT NOT NULL,
    act TEXT NOT NULL,
    patient BLOB,
    entry BLOB NOT NULL,
    hash BLOB NOT NULL,
    UNIQUE(device, session, n));
CREATE INDEX IF NOT EXISTS audit_by_patient ON audit(patient) WHERE patient IS NOT NULL;

CREATE TABLE IF NOT EXISTS local_settings(key TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS local_alarms(
    id INTEGER PRIMARY KEY, kind TEXT NOT NULL UNIQUE, at INTEGER NOT NULL, text TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS local_forms(
    form BLOB PRIMARY KEY, at INTEGER NOT NULL, docs BLOB NOT NULL) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS local_drafts(
    form BLOB PRIMARY KEY, staff BLOB NOT NULL, page TEXT NOT NULL, at INTEGER NOT NULL, content TEXT NOT NULL);
CREATE INDEX IF NOT EXISTS local_drafts_by_staff ON local_drafts(staff, at);
CREATE TABLE IF NOT EXISTS local_tray(
    id BLOB PRIMARY KEY, bay TEXT NOT NULL, at INTEGER NOT NULL, state TEXT NOT NULL,
    claimed_by BLOB, claimed_at INTEGER, doc BLOB, entry BLOB, reason TEXT NOT NULL, content TEXT NOT NULL);
CREATE INDEX IF NOT EXISTS local_tray_by_state ON local_tray(state, at);
CREATE TABLE IF NOT EXISTS local_bay_log(
    id INTEGER PRIMARY KEY, bay TEXT NOT NULL, at INTEGER NOT NULL, word TEXT NOT NULL, detail TEXT NOT NULL);
CREATE INDEX IF NOT EXISTS local_bay_log_by_bay ON local_bay_log(bay, id);
CREATE TABLE IF NOT EXISTS local_credentials(
    staff BLOB NOT NULL, secret TEXT NOT NULL, wrong INTEGER NOT NULL,
    left_ms INTEGER NOT NULL, since_ms INTEGER NOT NULL, run BLOB NOT NULL,
    PRIMARY KEY(staff, secret)) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS local_sessions(
    token BLOB PRIMARY KEY, staff BLOB NOT NULL, tablet TEXT NOT NULL, locked INTEGER NOT NULL,
    opened INTEGER NOT NULL) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS local_sessions_by_staff ON local_sessions(staff);
CREATE TABLE IF NOT EXISTS local_roster(
    staff BLOB PRIMARY KEY, name TEXT NOT NULL, login TEXT NOT NULL, roles TEXT NOT NULL, state TEXT NOT NULL,
    password TEXT NOT NULL, pin TEXT NOT NULL, clinic TEXT, must_change INTEGER NOT NULL) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS local_clock_notes(
    id INTEGER PRIMARY KEY, session BLOB NOT NULL, uptime_ms INTEGER NOT NULL, at INTEGER NOT NULL,
    source TEXT NOT NULL);
";

/// How long a statement waits for another process.
pub(crate) const BUSY_MAX: std::time::Duration = std::time::Duration::from_secs(10);

/// Settings of a connection that writes.
pub(crate) fn prepare_writer(sql: &Connection, pages_max: Option<u32>) -> crate::sql::Result<()> {
    sql.pragma_update("journal_mode", "WAL")?;
    // A commit returns when it is on the disk, not before.
    sql.pragma_update("synchronous", "FULL")?;
    // The write-ahead log shrinks to this after a checkpoint.
    sql.pragma_update("journal_size_limit", 16 * 1024 * 1024)?;
    // Deleted content is overwritten where its page is written anyway; a purge overwrites the rest.
    sql.pragma_update("secure_delete", "FAST")?;
    prepare(sql)?;
    if let Some(pages) = pages_max {
        sql.pragma_update("max_page_count", pages)?;
    }
    Ok(())
}

/// Settings of every connection.
pub(crate) fn prepare(sql: &Connection) -> crate::sql::Result<()> {
    // Temporary files would leave the data folder, and with it the encrypted partition.
    sql.pragma_update("temp_store", "MEMORY")?;
    sql.pragma_update("cache_size", -16_384)?;
    sql.pragma_update("trusted_schema", false)?;
    sql.plan_once()?;
    sql.wait_at_most(BUSY_MAX)?;
    sql.keep_statements(128)
}

/// Makes what is missing, all of it or nothing: a process that dies here leaves no half-made tables. Returns whether
/// the derived tables are of another version and must be built again; their version is noted by [`note_derived`].
pub(crate) fn create(sql: &Connection) -> crate::sql::Result<bool> {
    let making = sql.unchecked_transaction()?;
    sql.create_tables(TABLES)?;
    sql.create_tables(crate::objects::TABLES)?;
    crate::sync::create_tables(sql)?;
    let found = derived_version(sql)?;
    let outdated = found.is_some_and(|version| version != derive::VERSION);
    if !outdated {
        derive::create_tables(sql)?;
        note_derived(sql)?;
    }
    sql.set_version(VERSION)?;
    making.commit()?;
    Ok(outdated)
}

/// The version that the derived tables are of; `None` where there are none yet.
fn derived_version(sql: &Connection) -> crate::sql::Result<Option<i64>> {
    let mut find = sql.prepare("SELECT value FROM totals WHERE name = ?1")?;
    let mut rows = find.query([DERIVED_VERSION_KEY])?;
    let Some(row) = rows.next()? else {
        return Ok(None);
    };
    if sql.is_file() {
        return row.get(0).map(Some);
    }
    Ok(Some(i64::from_be_bytes(row.get(0)?)))
}

fn put_derived_version(sql: &Connection, version: i64) -> crate::sql::Result<()> {
    let bytes = version.to_be_bytes();
    // The column holds bytes. SQLite takes a number there, too, and its files have always had one.
    let value = if sql.is_file() {
        ValueRef::Integer(version)
    } else {
        ValueRef::Blob(&bytes)
    };
    sql.execute(
        "INSERT INTO totals(name, value) VALUES(?1, ?2) ON CONFLICT(name) DO UPDATE SET value = ?2",
        params![DERIVED_VERSION_KEY, value],
    )?;
    Ok(())
}

/// Notes that the derived tables are of this release's version.
pub(crate) fn note_derived(sql: &Connection) -> crate::sql::Result<()> {
    put_derived_version(sql, derive::VERSION)
}

/// Has the derived tables built again at the next opening.
pub(crate) fn outdate_derived(sql: &Connection) -> crate::sql::Result<()> {
    put_derived_version(sql, -1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tables_of_another_version_stay_outdated_until_they_were_built_again() {
        let sql = Connection::open_in_memory().unwrap();
        assert!(!create(&sql).unwrap());
        sql.execute(
            "UPDATE totals SET value = -1 WHERE name = ?1",
            [DERIVED_VERSION_KEY],
        )
        .unwrap();
        assert!(create(&sql).unwrap());
        assert!(create(&sql).unwrap(), "a process that died before building them");
        note_derived(&sql).unwrap();
        assert!(!create(&sql).unwrap());
    }
}

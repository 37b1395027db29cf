//! SQLite behind the common shapes.

use std::path::Path;

use rusqlite::types::{ToSqlOutput, ValueRef as Theirs};
use rusqlite::{CachedStatement, OpenFlags, Statement, params_from_iter};

use super::{Error, Params, Result, ValueRef};

/// Opens a file for reading.
pub(super) fn open_read_only(path: &Path) -> rusqlite::Result<rusqlite::Connection> {
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    rusqlite::Connection::open_with_flags(path, flags)
}

impl rusqlite::ToSql for ValueRef<'_> {
    fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
        Ok(ToSqlOutput::Borrowed(match *self {
            Self::Null => Theirs::Null,
            Self::Integer(number) => Theirs::Integer(number),
            Self::Real(number) => Theirs::Real(number),
            Self::Text(text) => Theirs::Text(text.as_bytes()),
            Self::Blob(bytes) => Theirs::Blob(bytes),
        }))
    }
}

/// A column of a row, read in place.
pub(super) fn column<'r>(row: &'r rusqlite::Row<'_>, column: usize) -> Result<ValueRef<'r>> {
    Ok(match row.get_ref(column)? {
        Theirs::Null => ValueRef::Null,
        Theirs::Integer(number) => ValueRef::Integer(number),
        Theirs::Real(number) => ValueRef::Real(number),
        Theirs::Text(text) => ValueRef::Text(std::str::from_utf8(text).map_err(|_| Error::Column(column))?),
        Theirs::Blob(bytes) => ValueRef::Blob(bytes),
    })
}

/// A statement of SQLite.
pub(crate) enum Prepared<'c> {
    /// Used once.
    Once(Statement<'c>),
    /// Goes back to the connection's store after its use.
    Kept(CachedStatement<'c>),
}

impl<'c> Prepared<'c> {
    fn statement(&mut self) -> &mut Statement<'c> {
        match self {
            Self::Once(statement) => statement,
            Self::Kept(statement) => statement,
        }
    }

    pub(super) fn column_count(&self) -> usize {
        match self {
            Self::Once(statement) => statement.column_count(),
            Self::Kept(statement) => statement.column_count(),
        }
    }

    pub(super) fn execute(&mut self, params: impl Params) -> Result<usize> {
        let statement = self.statement();
        Ok(params.with(|values| statement.execute(params_from_iter(values)))?)
    }

    pub(super) fn query(&mut self, params: impl Params) -> Result<rusqlite::Rows<'_>> {
        let statement = self.statement();
        Ok(params.with(|values| statement.query(params_from_iter(values)))?)
    }
}

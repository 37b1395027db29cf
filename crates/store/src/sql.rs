//! How the store speaks to its database: connections, statements, rows and values, in the shapes of `rusqlite`.
//!
//! Only this module, and the files that handle SQLite's file itself, name an engine's library; everything else is
//! written once. A value that is bound is borrowed and a column is read in place, so SQLite costs what it cost before.

mod error;
mod postgres;
mod sqlite;
mod value;

use std::ffi::c_int;
use std::path::Path;
use std::time::Duration;

pub use error::{Error, Kind};
pub use postgres::{Address, AddressFault};
pub(crate) use postgres::{Heard, Listening};
pub(crate) use value::{FromSql, Params, ToSql, Value, ValueRef, params};

/// An answer of the database.
pub(crate) type Result<T> = std::result::Result<T, Error>;

/// A connection to the database.
pub(crate) enum Connection {
    /// A SQLite file, or one in memory.
    Sqlite(rusqlite::Connection),
    /// A PostgreSQL server.
    Postgres(Box<postgres::Connection>),
}

impl Connection {
    /// Opens a SQLite file for writing, making it where it is missing.
    pub(crate) fn open(path: impl AsRef<Path>) -> Result<Self> {
        Ok(Self::Sqlite(rusqlite::Connection::open(path)?))
    }

    /// Opens a SQLite file for reading.
    pub(crate) fn open_read_only(path: &Path) -> Result<Self> {
        Ok(Self::Sqlite(sqlite::open_read_only(path)?))
    }

    /// Connects to a PostgreSQL server.
    pub(crate) fn open_address(address: &Address) -> Result<Self> {
        Ok(Self::Postgres(Box::new(postgres::Connection::open(address)?)))
    }

    /// An empty SQLite database that goes with its connection.
    pub(crate) fn open_in_memory() -> Result<Self> {
        Ok(Self::Sqlite(rusqlite::Connection::open_in_memory()?))
    }

    /// Makes a statement that is used once.
    pub(crate) fn prepare(&self, text: &str) -> Result<Statement<'_>> {
        match self {
            Self::Sqlite(sql) => Ok(Statement::Sqlite(sqlite::Prepared::Once(sql.prepare(text)?))),
            Self::Postgres(sql) => Ok(Statement::postgres(sql, text)),
        }
    }

    /// Makes a statement, or takes one that was made before from the connection's store of them.
    pub(crate) fn prepare_cached(&self, text: &str) -> Result<Statement<'_>> {
        match self {
            Self::Sqlite(sql) => Ok(Statement::Sqlite(sqlite::Prepared::Kept(
                sql.prepare_cached(text)?,
            ))),
            Self::Postgres(sql) => Ok(Statement::postgres(sql, text)),
        }
    }

    /// Runs one statement that answers no rows, made as by [`Connection::prepare_cached`]; tells how many rows it
    /// changed.
    pub(crate) fn execute(&self, text: &str, params: impl Params) -> Result<usize> {
        self.prepare_cached(text)?.execute(params)
    }

    /// Runs statements that take no values, separated by `;`.
    pub(crate) fn execute_batch(&self, text: &str) -> Result<()> {
        match self {
            Self::Sqlite(sql) => Ok(sql.execute_batch(text)?),
            Self::Postgres(sql) => sql.execute_batch(text),
        }
    }

    /// Reads the first row of an answer; [`Error::NoRow`] where there is none.
    pub(crate) fn query_row<T>(
        &self,
        text: &str,
        params: impl Params,
        read: impl FnOnce(&Row<'_>) -> Result<T>,
    ) -> Result<T> {
        self.prepare(text)?.query_row(params, read)
    }

    /// Number of the row that was inserted last on this connection.
    pub(crate) fn last_insert_rowid(&self) -> Result<i64> {
        match self {
            Self::Sqlite(sql) => Ok(sql.last_insert_rowid()),
            Self::Postgres(sql) => sql.last_insert_rowid(),
        }
    }

    /// Makes the tables that are missing, from declarations in SQLite's words.
    pub(crate) fn create_tables(&self, declarations: &str) -> Result<()> {
        match self {
            Self::Sqlite(sql) => Ok(sql.execute_batch(declarations)?),
            Self::Postgres(sql) => sql.execute_batch(&postgres::tables(declarations)),
        }
    }

    /// Begins a transaction that writes: it waits for whoever writes, and nobody else writes until it ends.
    pub(crate) fn begin_write(&self) -> Result<()> {
        match self {
            Self::Sqlite(_) => self.execute("BEGIN IMMEDIATE", []).map(drop),
            Self::Postgres(sql) => sql.begin_write(),
        }
    }

    /// Begins a transaction that reads one state.
    pub(crate) fn begin_read(&self) -> Result<()> {
        match self {
            Self::Sqlite(sql) => Ok(sql.execute_batch("BEGIN")?),
            Self::Postgres(sql) => sql.begin_read(),
        }
    }

    /// Ends the transaction; all of it stands now, or none of it where this fails.
    pub(crate) fn commit(&self) -> Result<()> {
        match self {
            Self::Sqlite(_) => self.execute("COMMIT", []).map(drop),
            Self::Postgres(sql) => sql.commit(),
        }
    }

    /// Ends the transaction; nothing of it stands.
    pub(crate) fn rollback(&self) -> Result<()> {
        match self {
            Self::Sqlite(sql) => Ok(sql.execute_batch("ROLLBACK")?),
            Self::Postgres(sql) => sql.rollback(),
        }
    }

    /// The version of the tables, 0 where there are none.
    pub(crate) fn version(&self) -> Result<i64> {
        match self {
            Self::Sqlite(_) => self.query_row("PRAGMA user_version", [], |row| row.get(0)),
            Self::Postgres(sql) => sql.version(),
        }
    }

    /// Notes the version of the tables.
    pub(crate) fn set_version(&self, version: i64) -> Result<()> {
        match self {
            Self::Sqlite(_) => self.pragma_update("user_version", version),
            Self::Postgres(sql) => sql.set_version(version),
        }
    }

    /// A file of SQLite and nothing else: for what is done with the file itself.
    pub(crate) fn is_file(&self) -> bool {
        matches!(self, Self::Sqlite(_))
    }

    /// Tells other processes on the same database this, once the transaction stands.
    pub(crate) fn notify(&self, told: &str) -> Result<()> {
        match self {
            Self::Sqlite(_) => Ok(()),
            Self::Postgres(sql) => sql.notify(told),
        }
    }

    /// Whether no transaction is open.
    pub(crate) fn is_autocommit(&self) -> bool {
        match self {
            Self::Sqlite(sql) => sql.is_autocommit(),
            Self::Postgres(sql) => sql.is_autocommit(),
        }
    }

    /// Begins a transaction that is taken back unless it is committed.
    pub(crate) fn unchecked_transaction(&self) -> Result<Transaction<'_>> {
        match self {
            // Of SQLite's kinds the one that locks nothing yet: a damaged file may be attached, from which is only read.
            Self::Sqlite(sql) => sql.execute_batch("BEGIN")?,
            Self::Postgres(sql) => sql.begin_write()?,
        }
        Ok(Transaction { sql: self })
    }

    /// Sets a pragma of SQLite; a server has its own settings.
    pub(crate) fn pragma_update(&self, name: &str, value: impl ToSql) -> Result<()> {
        match self {
            Self::Sqlite(sql) => Ok(sql.pragma_update(None, name, value.to_sql())?),
            Self::Postgres(_) => Ok(()),
        }
    }

    /// How long SQLite waits for another process that writes.
    pub(crate) fn wait_at_most(&self, wait: Duration) -> Result<()> {
        match self {
            Self::Sqlite(sql) => Ok(sql.busy_timeout(wait)?),
            Self::Postgres(_) => Ok(()),
        }
    }

    /// How many prepared statements are kept.
    pub(crate) fn keep_statements(&self, count: usize) -> Result<()> {
        match self {
            Self::Sqlite(sql) => {
                sql.set_prepared_statement_cache_capacity(count);
                Ok(())
            }
            Self::Postgres(_) => Ok(()),
        }
    }

    /// Has SQLite plan each statement once, whatever values are bound to it later. Once there are statistics of the
    /// tables it would else read the statement's text anew for most values.
    pub(crate) fn plan_once(&self) -> Result<()> {
        match self {
            Self::Sqlite(sql) => {
                sql.set_db_config(rusqlite::config::DbConfig::SQLITE_DBCONFIG_ENABLE_QPSG, true)?;
                Ok(())
            }
            Self::Postgres(_) => Ok(()),
        }
    }

    /// Has SQLite ask after every so many of its steps whether to stop.
    pub(crate) fn stop_when(&self, steps: c_int, stop: impl FnMut() -> bool + Send + 'static) -> Result<()> {
        match self {
            Self::Sqlite(sql) => Ok(sql.progress_handler(steps, Some(stop))?),
            Self::Postgres(_) => Ok(()),
        }
    }
}

/// A transaction of a connection, taken back where it goes without a commit.
pub(crate) struct Transaction<'c> {
    sql: &'c Connection,
}

impl Transaction<'_> {
    /// Ends the transaction; all of it stands now.
    pub(crate) fn commit(self) -> Result<()> {
        self.sql.commit()
    }
}

impl Drop for Transaction<'_> {
    fn drop(&mut self) {
        if !self.sql.is_autocommit()
            && let Err(error) = self.sql.rollback()
        {
            tracing::error!(%error, "rollback failed");
        }
    }
}

/// A statement that was made of a text with places `?1`, `?2`, … for values.
pub(crate) enum Statement<'c> {
    /// One of SQLite.
    Sqlite(sqlite::Prepared<'c>),
    /// One of PostgreSQL, made when its values are known.
    Postgres {
        /// The connection.
        sql: &'c postgres::Connection,
        /// The text.
        text: String,
    },
}

impl<'c> Statement<'c> {
    fn postgres(sql: &'c postgres::Connection, text: &str) -> Self {
        Self::Postgres {
            sql,
            text: text.to_owned(),
        }
    }
}

impl Statement<'_> {
    /// How many columns its answer has.
    pub(crate) fn column_count(&self) -> Result<usize> {
        match self {
            Self::Sqlite(statement) => Ok(statement.column_count()),
            Self::Postgres { sql, text } => sql.column_count(text),
        }
    }

    /// Runs the statement; tells how many rows it changed.
    pub(crate) fn execute(&mut self, params: impl Params) -> Result<usize> {
        match self {
            Self::Sqlite(statement) => statement.execute(params),
            Self::Postgres { sql, text } => sql.execute(text, params),
        }
    }

    /// The rows of its answer.
    pub(crate) fn query(&mut self, params: impl Params) -> Result<Rows<'_>> {
        match self {
            Self::Sqlite(statement) => Ok(Rows::Sqlite(statement.query(params)?)),
            Self::Postgres { sql, text } => Ok(Rows::Postgres {
                rows: sql.query(text, params)?.into_iter(),
                current: None,
            }),
        }
    }

    /// What `read` makes of each row.
    pub(crate) fn query_map<T, F: FnMut(&Row<'_>) -> Result<T>>(
        &mut self,
        params: impl Params,
        read: F,
    ) -> Result<Mapped<'_, F>> {
        Ok(Mapped {
            rows: self.query(params)?,
            read,
        })
    }

    /// Reads the first row; [`Error::NoRow`] where there is none.
    pub(crate) fn query_row<T>(
        &mut self,
        params: impl Params,
        read: impl FnOnce(&Row<'_>) -> Result<T>,
    ) -> Result<T> {
        let mut rows = self.query(params)?;
        let row = rows.next()?.ok_or(Error::NoRow)?;
        read(&row)
    }

    /// Whether the answer has a row.
    pub(crate) fn exists(&mut self, params: impl Params) -> Result<bool> {
        Ok(self.query(params)?.next()?.is_some())
    }
}

/// Rows of an answer, one after the other.
pub(crate) enum Rows<'s> {
    /// Read from SQLite as they are asked for.
    Sqlite(rusqlite::Rows<'s>),
    /// Read from PostgreSQL already.
    Postgres {
        /// Those behind the current one.
        rows: std::vec::IntoIter<tokio_postgres::Row>,
        /// The one that is looked at.
        current: Option<tokio_postgres::Row>,
    },
}

impl Rows<'_> {
    /// The next row, `None` behind the last.
    pub(crate) fn next(&mut self) -> Result<Option<Row<'_>>> {
        match self {
            Self::Sqlite(rows) => Ok(rows.next()?.map(Row::Sqlite)),
            Self::Postgres { rows, current } => {
                *current = rows.next();
                Ok(current.as_ref().map(Row::Postgres))
            }
        }
    }
}

/// Rows of an answer, each through a function.
pub(crate) struct Mapped<'s, F> {
    rows: Rows<'s>,
    read: F,
}

impl<T, F: FnMut(&Row<'_>) -> Result<T>> Iterator for Mapped<'_, F> {
    type Item = Result<T>;

    fn next(&mut self) -> Option<Self::Item> {
        match self.rows.next() {
            Ok(row) => row.map(|row| (self.read)(&row)),
            Err(error) => Some(Err(error)),
        }
    }
}

/// One row of an answer.
pub(crate) enum Row<'r> {
    /// One of SQLite.
    Sqlite(&'r rusqlite::Row<'r>),
    /// One of PostgreSQL.
    Postgres(&'r tokio_postgres::Row),
}

impl Row<'_> {
    /// The value of a column, counted from zero.
    pub(crate) fn get<C: ColumnIndex, T: FromSql>(&self, column: C) -> Result<T> {
        let column = column.index();
        T::from_sql(self.get_ref(column)?).ok_or(Error::Column(column))
    }

    /// The text of a column where it stands; `None` where it has no value.
    pub(crate) fn text(&self, column: usize) -> Result<Option<&str>> {
        match self.get_ref(column)? {
            ValueRef::Null => Ok(None),
            ValueRef::Text(text) => Ok(Some(text)),
            ValueRef::Integer(_) | ValueRef::Real(_) | ValueRef::Blob(_) => Err(Error::Column(column)),
        }
    }

    /// The bytes of a column where they stand; `None` where it has no value.
    pub(crate) fn bytes(&self, column: usize) -> Result<Option<&[u8]>> {
        match self.get_ref(column)? {
            ValueRef::Null => Ok(None),
            ValueRef::Blob(bytes) => Ok(Some(bytes)),
            ValueRef::Integer(_) | ValueRef::Real(_) | ValueRef::Text(_) => Err(Error::Column(column)),
        }
    }

    /// The value of a column where it stands.
    pub(crate) fn get_ref(&self, column: usize) -> Result<ValueRef<'_>> {
        match self {
            Self::Sqlite(row) => sqlite::column(row, column),
            Self::Postgres(row) => postgres::column(row, column),
        }
    }
}

/// What names a column: its number from zero on.
pub(crate) trait ColumnIndex {
    /// The number.
    fn index(&self) -> usize;
}

impl ColumnIndex for usize {
    fn index(&self) -> usize {
        *self
    }
}

/// An answer that may have no row.
pub(crate) trait OptionalExtension<T> {
    /// `None` where there was no row.
    fn optional(self) -> Result<Option<T>>;
}

impl<T> OptionalExtension<T> for Result<T> {
    fn optional(self) -> Result<Option<T>> {
        match self {
            Ok(value) => Ok(Some(value)),
            Err(Error::NoRow) => Ok(None),
            Err(error) => Err(error),
        }
    }
}

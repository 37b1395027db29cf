//! Why the database refused.

use tokio_postgres::error::SqlState;

/// The database refused, or its answer is not what was asked for.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// There was no row where one was asked for.
    #[error("the answer has no row")]
    NoRow,
    /// A column, counted from zero, does not hold what its reader expects.
    #[error("column {0} of the answer holds another kind of value")]
    Column(usize),
    /// SQLite refused.
    #[error(transparent)]
    Sqlite(rusqlite::Error),
    /// PostgreSQL refused, or the connection to it broke. Its own words may quote what is stored, so only the code of
    /// the refusal is told.
    #[error("PostgreSQL {}", told(.0))]
    Postgres(tokio_postgres::Error),
    /// The transaction was taken back because one of its statements had failed.
    #[error("the transaction was taken back")]
    Aborted,
    /// The thread that speaks with servers does not run.
    #[error("the connections to servers cannot be driven: {0}")]
    Driver(String),
    /// What only a SQLite file can do was asked of a server.
    #[error("{0} is not possible on PostgreSQL")]
    NotOnServer(&'static str),
}

/// What a refusal means to whoever keeps the data.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// No space is left.
    DiskFull,
    /// The file takes no writes.
    ReadOnly,
    /// What is stored is damaged.
    Damaged,
    /// The work was told to stop.
    Interrupted,
    /// Anything else.
    Other,
}

impl Error {
    /// What the refusal means.
    pub fn kind(&self) -> Kind {
        match self {
            Self::NoRow | Self::Column(_) | Self::Aborted | Self::Driver(_) | Self::NotOnServer(_) => {
                Kind::Other
            }
            Self::Postgres(error) => match error.code() {
                Some(&SqlState::DISK_FULL) => Kind::DiskFull,
                Some(&SqlState::READ_ONLY_SQL_TRANSACTION) => Kind::ReadOnly,
                Some(_) | None => Kind::Other,
            },
            Self::Sqlite(error) => match error.sqlite_error_code() {
                Some(rusqlite::ErrorCode::DiskFull) => Kind::DiskFull,
                Some(rusqlite::ErrorCode::ReadOnly) => Kind::ReadOnly,
                Some(rusqlite::ErrorCode::DatabaseCorrupt | rusqlite::ErrorCode::NotADatabase) => {
                    Kind::Damaged
                }
                Some(rusqlite::ErrorCode::OperationInterrupted) => Kind::Interrupted,
                Some(_) | None => Kind::Other,
            },
        }
    }
}

impl From<rusqlite::Error> for Error {
    fn from(error: rusqlite::Error) -> Self {
        match error {
            rusqlite::Error::QueryReturnedNoRows => Self::NoRow,
            other => Self::Sqlite(other),
        }
    }
}

impl From<tokio_postgres::Error> for Error {
    fn from(error: tokio_postgres::Error) -> Self {
        Self::Postgres(error)
    }
}

fn told(error: &tokio_postgres::Error) -> String {
    match error.code() {
        Some(code) => format!("refused (code {})", code.code()),
        None if error.is_closed() => "ended the connection".to_owned(),
        None => match tls_fault(error) {
            Some(fault) => format!("is not whom the address names: {fault}"),
            None => "cannot be reached, or a value does not fit".to_owned(),
        },
    }
}

/// What TLS found wrong with the server.
fn tls_fault(error: &tokio_postgres::Error) -> Option<String> {
    let mut source = std::error::Error::source(error);
    while let Some(cause) = source {
        if let Some(fault) = cause.downcast_ref::<rustls::Error>() {
            return Some(fault.to_string());
        }
        let inner = cause
            .downcast_ref::<std::io::Error>()
            .and_then(std::io::Error::get_ref);
        source = match inner {
            Some(inner) => Some(inner),
            None => cause.source(),
        };
    }
    None
}

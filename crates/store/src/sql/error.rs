//! Why the database refused.

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
            Self::NoRow | Self::Column(_) => Kind::Other,
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

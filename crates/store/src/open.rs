//! How a data folder is opened.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use records::time::Stamp;

use crate::objects::BlobStore;
use crate::sql::Address;

/// What kind of machine the store is on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Side {
    /// A clinic's box: holds the documents of its panel.
    Box,
    /// A hub: holds the documents of all its clinics.
    Hub,
}

/// Whether this process is the one that writes documents in the folder.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mode {
    /// Takes the folder's lock; one process at a time.
    Serve,
    /// Works beside the process that holds the lock: reads everything, writes local tables, never documents.
    Beside,
}

/// The time as the program knows it. Tests move it by hand.
pub trait Clock: Send + Sync {
    /// Wall time and where it came from.
    fn now(&self) -> Stamp;
    /// Time since the process started, which no correction of the wall clock moves.
    fn uptime(&self) -> Duration;
}

/// Points at which a test may end the process, as a power cut would.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CrashPoint {
    /// The log row stands, its derived rows do not.
    MidDerive,
    /// All is written, nothing is committed.
    BeforeCommit,
    /// The transaction is on disk, the caller has not heard.
    BeforeReply,
    /// Between two transactions of an import.
    BetweenBatches,
}

impl CrashPoint {
    /// Every point.
    pub const ALL: [Self; 4] = [
        Self::MidDerive,
        Self::BeforeCommit,
        Self::BeforeReply,
        Self::BetweenBatches,
    ];

    /// The point's name for a command line or an environment variable.
    pub fn word(self) -> &'static str {
        match self {
            Self::MidDerive => "mid-derive",
            Self::BeforeCommit => "before-commit",
            Self::BeforeReply => "before-reply",
            Self::BetweenBatches => "between-batches",
        }
    }

    /// Reads `word:count`, as in `before-commit:17`.
    pub fn parse(text: &str) -> Option<(Self, u64)> {
        let (word, count) = text.split_once(':')?;
        let point = Self::ALL.into_iter().find(|point| point.word() == word)?;
        Some((point, count.parse().ok()?))
    }
}

/// Source of random bytes.
pub type Random = Box<dyn FnMut(&mut [u8]) + Send>;

/// What a store needs from its program.
pub struct OpenOptions {
    /// Box or hub.
    pub side: Side,
    /// Whether this process writes documents.
    pub mode: Mode,
    /// The time.
    pub clock: Arc<dyn Clock>,
    /// Cryptographically strong random bytes: device key, sessions, tokens.
    pub random: Random,
    /// Ends the process when it comes to this point for the n-th time; for kill tests only.
    pub crash_at: Option<(CrashPoint, u64)>,
    /// Most pages that the database may take (of 4 KiB), to test a full disk.
    pub pages_max: Option<u32>,
    /// The PostgreSQL database of the store; `None` keeps everything in a SQLite file of the data folder. Key and lock
    /// are in the folder either way.
    pub database: Option<Address>,
    /// Where a hub keeps its blobs outside the database; `None` keeps them in it.
    pub blobs: Option<BlobStore>,
    /// Cost of new password hashes in KiB of memory; `None` takes Argon2's recommendation (19 MiB, 2 passes).
    pub password_cost_kib: Option<u32>,
    /// Writes and reads on the thread of whoever asks, without threads of its own: for simulations, which must run
    /// the same way each time.
    pub inline: bool,
}

impl OpenOptions {
    /// Options of an ordinary start.
    pub fn new(side: Side, clock: Arc<dyn Clock>, random: Random) -> Self {
        Self {
            side,
            mode: Mode::Serve,
            clock,
            random,
            crash_at: None,
            pages_max: None,
            database: None,
            blobs: None,
            password_cost_kib: None,
            inline: false,
        }
    }
}

/// The data folder could not be opened.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// Another process holds the folder.
    #[error("the data folder is in use by process {}", .pid.map_or_else(|| "unknown".to_owned(), |pid| pid.to_string()))]
    InUse {
        /// The process that holds it, where it left its number.
        pid: Option<u32>,
    },
    /// The folder or one of its files could not be made or read.
    #[error("{path}: {source}")]
    Folder {
        /// The path that was tried.
        path: PathBuf,
        /// The system's answer.
        #[source]
        source: std::io::Error,
    },
    /// The file of the device key is there but is no key.
    #[error("{path} is not a device key")]
    BadKey {
        /// The file.
        path: PathBuf,
    },
    /// The database was written by a newer release.
    #[error("the database is of version {found}, this release knows up to {known}")]
    Newer {
        /// Version in the file.
        found: i64,
        /// Newest version that this release knows.
        known: i64,
    },
    /// A restore into this folder was cut off; it must be done again.
    #[error("a restore into this folder did not finish; run it again")]
    RestoreCutOff,
    /// No database is there, and a process beside another does not make one.
    #[error("no database in this folder")]
    Missing,
    /// The database failed in a way that is no damage.
    #[error("database: {0}")]
    Database(#[from] crate::sql::Error),
    /// The database on a server belongs to a hub with another key.
    #[error(
        "the database belongs to a hub with another key: device.key, county.pem and county.key.pem of a node that serves it belong into the data folder"
    )]
    OtherHub,
    /// A box keeps its records in its own folder.
    #[error("a box keeps its records in its own data folder, not on a server")]
    BoxOnServer,
    /// The tables could not be brought up to this release.
    #[error("building the derived tables again failed: {0}")]
    Rebuild(#[source] Box<crate::StoreError>),
    /// The thread that writes could not be started.
    #[error("could not start the writing thread: {0}")]
    Thread(#[source] std::io::Error),
}

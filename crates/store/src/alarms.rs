//! Alarms: what a person must know about this machine. Local.

use records::ids::DeviceId;
use records::time::WallTime;

use crate::audit::{self, AuditAct, By};
use crate::engine::{Store, StoreError, StoreEvent, Tx};

/// Longest word of a kind that is kept; a newer release may have written any.
const WORD_CHARS_MAX: usize = 40;

macro_rules! kinds {
    ($($(#[$doc:meta])* $name:ident = $word:literal,)+) => {
        /// What an alarm is about. The words are stable: they stand in tables and in `status --json`.
        #[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum AlarmKind {
            $($(#[$doc])* $name,)+
            /// A kind of a newer release, under its own word.
            Other(String),
        }

        impl AlarmKind {
            /// Every kind that this release knows.
            pub const KNOWN: &[Self] = &[$(Self::$name,)+];

            /// The word in tables and reports.
            pub fn word(&self) -> &str {
                match self {
                    $(Self::$name => $word,)+
                    Self::Other(word) => word,
                }
            }

            /// The kind with this word; one that is not known keeps its word.
            pub fn from_word(word: &str) -> Self {
                match word {
                    $($word => Self::$name,)+
                    other => Self::Other(other.chars().take(WORD_CHARS_MAX).collect()),
                }
            }
        }
    };
}

kinds! {
    /// The database was damaged and set aside; a fresh one began.
    Damaged = "damaged",
    /// The database was damaged; every record could be read and stands in a new one.
    Repaired = "repaired",
    /// The database was damaged; what could be read stands in a new one, the rest is fetched again.
    Salvaged = "salvaged",
    /// Records in the database are damaged; the next start saves what can be read.
    Suspect = "suspect",
    /// A derived table or an index was damaged and has been built again.
    Rebuilt = "rebuilt",
    /// The disk takes no more.
    DiskFull = "disk_full",
    /// Little space is left.
    DiskLow = "disk_low",
    /// The disk takes no writes.
    ReadOnly = "read_only",
    /// Two machines run with one key.
    Clone = "clone",
    /// Two machines wrote under one session.
    SessionSpoiled = "session_spoiled",
    /// Box and hub hold different things although nothing waits.
    Differs = "fingerprint",
    /// Changes were set aside.
    Parked = "parked",
    /// The store of a hub's blobs cannot be reached; new ones wait in the database.
    BlobStore = "blob_store",
    /// A blob is missing in the store of the hub's blobs, or damaged.
    BlobLost = "blob_lost",
}

impl AlarmKind {
    /// Whether the alarm stands until a person says that it was seen to. The others are facts that go away by
    /// themselves once what they tell is over.
    pub fn waits_for_person(&self) -> bool {
        match self {
            Self::Damaged
            | Self::Repaired
            | Self::Salvaged
            | Self::Rebuilt
            | Self::Clone
            | Self::SessionSpoiled
            | Self::BlobLost
            | Self::Other(_) => true,
            Self::Suspect
            | Self::DiskFull
            | Self::DiskLow
            | Self::ReadOnly
            | Self::Differs
            | Self::Parked
            | Self::BlobStore => false,
        }
    }
}

/// Something that a person must know about this machine.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Alarm {
    /// What it is about.
    pub kind: AlarmKind,
    /// When it was raised.
    pub at: WallTime,
    /// What is the matter: paths, ids and codes, no personal data.
    pub text: String,
}

impl Alarm {
    /// The device that the text begins with, where it names one.
    pub fn device(&self) -> Option<DeviceId> {
        self.text.split(' ').next()?.parse().ok()
    }
}

impl Store {
    /// Alarms that stand, oldest first.
    pub async fn alarms(&self) -> Result<Vec<Alarm>, StoreError> {
        self.read(|sql| {
            let mut rows = sql.prepare_cached("SELECT kind, at, text FROM local_alarms ORDER BY id")?;
            let alarms = rows.query_map([], |row| {
                Ok(Alarm {
                    kind: AlarmKind::from_word(&row.get::<_, String>(0)?),
                    at: WallTime(row.get(1)?),
                    text: row.get(2)?,
                })
            })?;
            Ok(alarms.collect::<crate::sql::Result<Vec<_>>>()?)
        })
        .await
    }

    /// Raises an alarm; one of the same kind is replaced. The text holds no personal data.
    pub async fn raise_alarm(&self, kind: AlarmKind, text: &str) -> Result<(), StoreError> {
        let text = text.to_owned();
        self.write(move |tx| raise_alarm(tx, &kind, &text)).await
    }

    /// Somebody saw to an alarm: it goes, and who did it is noted. One that was raised again after `at`, when the
    /// page was drawn, stays. `false` where there was none.
    pub async fn settle_alarm(&self, by: By, kind: AlarmKind, at: WallTime) -> Result<bool, StoreError> {
        self.write(move |tx| {
            let gone = clear_alarm(tx, &kind, at)?;
            if gone {
                audit::append(tx, by, AuditAct::AlarmSettle, None, None)?;
            }
            Ok(gone)
        })
        .await
    }
}

impl Store {
    /// What the alarm told of is over.
    pub(crate) async fn clear_alarm(&self, kind: AlarmKind) -> Result<(), StoreError> {
        self.write(move |tx| clear_alarm(tx, &kind, WallTime::MAX).map(|_| ()))
            .await
    }
}

/// Raises an alarm within a transaction.
pub(crate) fn raise_alarm(tx: &mut Tx<'_>, kind: &AlarmKind, text: &str) -> Result<(), StoreError> {
    tx.sql.execute(
        "INSERT INTO local_alarms(kind, at, text) VALUES(?1, ?2, ?3)
         ON CONFLICT(kind) DO UPDATE SET at = ?2, text = ?3",
        crate::sql::params![kind.word(), tx.now.at.0, text],
    )?;
    tx.emit(StoreEvent::Alarm);
    Ok(())
}

/// Takes an alarm away within a transaction, unless it was raised after `at`.
pub(crate) fn clear_alarm(tx: &mut Tx<'_>, kind: &AlarmKind, at: WallTime) -> Result<bool, StoreError> {
    let gone = tx.sql.execute(
        "DELETE FROM local_alarms WHERE kind = ?1 AND at <= ?2",
        crate::sql::params![kind.word(), at.0],
    )? > 0;
    if gone {
        tx.emit(StoreEvent::Alarm);
    }
    Ok(gone)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_kind_of_a_newer_release_keeps_its_word() {
        for kind in AlarmKind::KNOWN {
            assert_eq!(&AlarmKind::from_word(kind.word()), kind);
        }
        let newer = AlarmKind::from_word("of_a_newer_release");
        assert_eq!(newer.word(), "of_a_newer_release");
        assert!(newer.waits_for_person());
        assert!(AlarmKind::from_word(&"x".repeat(1000)).word().len() <= WORD_CHARS_MAX);
    }
}

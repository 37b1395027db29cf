//! Clock notes: what better clocks said in this run, so that records under an untrusted clock can be corrected.

use records::ids::SessionId;
use records::time::{ClockSource, Stamp, WallTime};

use crate::engine::{Store, StoreError};
use crate::sql::params;

/// A better time that was heard.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ClockNote {
    /// The run of the program.
    pub session: SessionId,
    /// Age of the run then, in milliseconds.
    pub uptime_ms: i64,
    /// What the better clock said.
    pub stamp: Stamp,
}

impl Store {
    /// Notes that a better clock said this, now.
    pub async fn note_clock(&self, heard: Stamp) -> Result<(), StoreError> {
        let uptime = i64::try_from(self.inner.clock.uptime().as_millis()).unwrap_or(i64::MAX);
        let session = self.session();
        self.write(move |tx| {
            tx.sql.execute(
                "INSERT INTO local_clock_notes(session, uptime_ms, at, source) VALUES(?1, ?2, ?3, ?4)",
                params![session.as_bytes(), uptime, heard.at.0, heard.source.word()],
            )?;
            Ok(())
        })
        .await
    }

    /// The notes of all runs, oldest first.
    pub async fn clock_notes(&self) -> Result<Vec<ClockNote>, StoreError> {
        self.read(|sql| {
            let mut find = sql
                .prepare_cached("SELECT session, uptime_ms, at, source FROM local_clock_notes ORDER BY id")?;
            let notes = find.query_map([], |row| {
                let source: String = row.get(3)?;
                Ok(ClockNote {
                    session: SessionId(row.get(0)?),
                    uptime_ms: row.get(1)?,
                    stamp: Stamp {
                        at: WallTime(row.get(2)?),
                        source: ClockSource::from_word(&source),
                    },
                })
            })?;
            Ok(notes.collect::<crate::sql::Result<Vec<_>>>()?)
        })
        .await
    }
}

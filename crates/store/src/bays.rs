//! The log of the device bays: what came in, what was refused and why. Local.

use records::time::WallTime;

use crate::engine::{Store, StoreError};
use crate::sql::params;

/// Lines kept per bay; older ones go.
const BAY_LINES_MAX: i64 = 2_000;

/// A line of a bay's log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BayLine {
    /// The bay.
    pub bay: String,
    /// When.
    pub at: WallTime,
    /// What happened: a stable word.
    pub word: String,
    /// Codes and numbers about it.
    pub detail: String,
}

impl Store {
    /// Notes what happened at a bay.
    pub async fn bay_note(&self, bay: &str, word: &str, detail: &str) -> Result<(), StoreError> {
        let (bay, word, detail) = (bay.to_owned(), word.to_owned(), detail.to_owned());
        self.write(move |tx| {
            let mut put = tx
                .sql
                .prepare_cached("INSERT INTO local_bay_log(bay, at, word, detail) VALUES(?1, ?2, ?3, ?4)")?;
            put.execute(params![bay, tx.now.at.0, word, detail])?;
            let mut trim = tx.sql.prepare_cached(
                "DELETE FROM local_bay_log WHERE bay = ?1 AND id <=
                     (SELECT id FROM local_bay_log WHERE bay = ?1 ORDER BY id DESC LIMIT 1 OFFSET ?2)",
            )?;
            trim.execute(params![bay, BAY_LINES_MAX])?;
            Ok(())
        })
        .await
    }

    /// The newest lines of a bay, newest first.
    pub async fn bay_log(&self, bay: &str, limit: usize) -> Result<Vec<BayLine>, StoreError> {
        let bay = bay.to_owned();
        self.read(move |sql| {
            let mut find = sql.prepare_cached(
                "SELECT bay, at, word, detail FROM local_bay_log WHERE bay = ?1 ORDER BY id DESC LIMIT ?2",
            )?;
            let lines = find.query_map(params![bay, limit as i64], |row| {
                Ok(BayLine {
                    bay: row.get(0)?,
                    at: WallTime(row.get(1)?),
                    word: row.get(2)?,
                    detail: row.get(3)?,
                })
            })?;
            Ok(lines.collect::<crate::sql::Result<Vec<_>>>()?)
        })
        .await
    }
}

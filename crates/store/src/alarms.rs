//! Alarms: what a person must know about this machine. Local.

use records::time::WallTime;

use crate::engine::{Store, StoreError, StoreEvent, Tx};

/// Something that a person must know about this machine.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Alarm {
    /// Stable word: `damaged`, `disk_full`, `clone`, ...
    pub kind: String,
    /// When it was raised.
    pub at: WallTime,
    /// What is the matter: paths, ids and codes, no personal data.
    pub text: String,
}

impl Store {
    /// Alarms that stand, oldest first.
    pub async fn alarms(&self) -> Result<Vec<Alarm>, StoreError> {
        self.read(|sql| {
            let mut rows = sql.prepare_cached("SELECT kind, at, text FROM local_alarms ORDER BY id")?;
            let alarms = rows.query_map([], |row| {
                Ok(Alarm {
                    kind: row.get(0)?,
                    at: WallTime(row.get(1)?),
                    text: row.get(2)?,
                })
            })?;
            Ok(alarms.collect::<crate::sql::Result<Vec<_>>>()?)
        })
        .await
    }

    /// Raises an alarm; one of the same kind is replaced. The text holds no personal data.
    pub async fn raise_alarm(&self, kind: &str, text: &str) -> Result<(), StoreError> {
        let (kind, text) = (kind.to_owned(), text.to_owned());
        self.write(move |tx| raise_alarm(tx, &kind, &text)).await
    }

    /// Takes an alarm away.
    pub async fn clear_alarm(&self, kind: &str) -> Result<(), StoreError> {
        let kind = kind.to_owned();
        self.write(move |tx| {
            if tx
                .sql
                .execute("DELETE FROM local_alarms WHERE kind = ?1", [&kind])?
                > 0
            {
                tx.emit(StoreEvent::Alarm);
            }
            Ok(())
        })
        .await
    }
}

/// Raises an alarm within a transaction.
pub(crate) fn raise_alarm(tx: &mut Tx<'_>, kind: &str, text: &str) -> Result<(), StoreError> {
    tx.sql.execute(
        "INSERT INTO local_alarms(kind, at, text) VALUES(?1, ?2, ?3)
         ON CONFLICT(kind) DO UPDATE SET at = ?2, text = ?3",
        crate::sql::params![kind, tx.now.at.0, text],
    )?;
    tx.emit(StoreEvent::Alarm);
    Ok(())
}

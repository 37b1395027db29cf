//! The unclaimed tray: readings that belong to nobody yet. Local; a reading is synced once it is claimed.

use records::ids::{DocId, ObservationId, StaffId, TrayId};
use records::time::WallTime;

use crate::engine::{Store, StoreError, StoreEvent, Tx};
use crate::sql::{OptionalExtension, Row, params};

/// Where an item of the tray stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TrayState {
    /// Nobody claimed it.
    Waiting,
    /// Attached to a record; can be taken back.
    Claimed,
    /// A person said that it belongs to nobody.
    Dismissed,
}

impl TrayState {
    /// Every state.
    pub const ALL: [Self; 3] = [Self::Waiting, Self::Claimed, Self::Dismissed];

    /// The word in the table.
    pub fn word(self) -> &'static str {
        match self {
            Self::Waiting => "waiting",
            Self::Claimed => "claimed",
            Self::Dismissed => "dismissed",
        }
    }

    fn from_word(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|state| state.word() == word)
    }
}

/// A reading in the tray.
#[derive(Debug, Clone, PartialEq)]
pub struct TrayItem {
    /// Its id.
    pub id: TrayId,
    /// The bay at which it came.
    pub bay: String,
    /// When it came.
    pub at: WallTime,
    /// Where it stands.
    pub state: TrayState,
    /// Why it was not attached by itself: a stable word of the bay.
    pub reason: String,
    /// The reading as the bay describes it.
    pub content: serde_json::Value,
    /// Who claimed it.
    pub claimed_by: Option<StaffId>,
    /// When.
    pub claimed_at: Option<WallTime>,
    /// The document and entry that it became.
    pub became: Option<(DocId, ObservationId)>,
}

const COLUMNS: &str = "id, bay, at, state, reason, content, claimed_by, claimed_at, doc, entry";

fn read(row: &Row<'_>) -> crate::sql::Result<TrayItem> {
    let (state, content): (String, String) = (row.get(3)?, row.get(5)?);
    let doc: Option<[u8; 16]> = row.get(8)?;
    let entry: Option<[u8; 8]> = row.get(9)?;
    Ok(TrayItem {
        id: TrayId(row.get(0)?),
        bay: row.get(1)?,
        at: WallTime(row.get(2)?),
        state: TrayState::from_word(&state).unwrap_or(TrayState::Waiting),
        reason: row.get(4)?,
        content: serde_json::from_str(&content).unwrap_or(serde_json::Value::Null),
        claimed_by: row.get::<_, Option<[u8; 8]>>(6)?.map(StaffId),
        claimed_at: row.get::<_, Option<i64>>(7)?.map(WallTime),
        became: doc.map(DocId).zip(entry.map(ObservationId)),
    })
}

impl Store {
    /// Puts a reading into the tray; `true` if this id was new.
    pub async fn tray_put(
        &self,
        id: TrayId,
        bay: &str,
        at: WallTime,
        reason: &str,
        content: &serde_json::Value,
    ) -> Result<bool, StoreError> {
        let (bay, reason, content) = (bay.to_owned(), reason.to_owned(), content.to_string());
        self.write(move |tx| {
            let mut put = tx.sql.prepare_cached(
                "INSERT INTO local_tray(id, bay, at, state, reason, content)
                 VALUES(?1, ?2, ?3, 'waiting', ?4, ?5) ON CONFLICT(id) DO NOTHING",
            )?;
            let new = put.execute(params![id.as_bytes(), bay, at.0, reason, content])? > 0;
            tx.emit(StoreEvent::Tray);
            Ok(new)
        })
        .await
    }

    /// Items in a state, newest first.
    pub async fn tray_list(&self, state: TrayState, limit: usize) -> Result<Vec<TrayItem>, StoreError> {
        self.read(move |sql| {
            let mut find = sql.prepare_cached(&format!(
                "SELECT {COLUMNS} FROM local_tray WHERE state = ?1 ORDER BY at DESC LIMIT ?2"
            ))?;
            let items = find.query_map(params![state.word(), limit as i64], read)?;
            Ok(items.collect::<crate::sql::Result<Vec<_>>>()?)
        })
        .await
    }

    /// Number of items that wait.
    pub async fn tray_waiting(&self) -> Result<u64, StoreError> {
        self.read(|sql| {
            let mut count = sql.prepare_cached("SELECT count(*) FROM local_tray WHERE state = 'waiting'")?;
            Ok(count.query_row([], |row| row.get::<_, i64>(0))?.unsigned_abs())
        })
        .await
    }

    /// One item.
    pub async fn tray_item(&self, id: TrayId) -> Result<Option<TrayItem>, StoreError> {
        self.read(move |sql| {
            let mut find = sql.prepare_cached(&format!("SELECT {COLUMNS} FROM local_tray WHERE id = ?1"))?;
            Ok(find.query_row([id.as_bytes()], read).optional()?)
        })
        .await
    }

    /// Says that a waiting item belongs to nobody, or takes that back; `false` if it was in another state.
    pub async fn tray_dismiss(&self, id: TrayId, dismissed: bool) -> Result<bool, StoreError> {
        let (from, to) = if dismissed {
            (TrayState::Waiting, TrayState::Dismissed)
        } else {
            (TrayState::Dismissed, TrayState::Waiting)
        };
        self.write(move |tx| {
            let mut update = tx
                .sql
                .prepare_cached("UPDATE local_tray SET state = ?3 WHERE id = ?1 AND state = ?2")?;
            let moved = update.execute(params![id.as_bytes(), from.word(), to.word()])? > 0;
            if moved {
                tx.emit(StoreEvent::Tray);
            }
            Ok(moved)
        })
        .await
    }
}

/// Marks a waiting item as attached; `false` where it was not waiting.
pub(crate) fn claim(
    tx: &Tx<'_>,
    id: TrayId,
    by: StaffId,
    doc: DocId,
    entry: ObservationId,
) -> Result<bool, StoreError> {
    let mut update = tx.sql.prepare_cached(
        "UPDATE local_tray SET state = 'claimed', claimed_by = ?2, claimed_at = ?3, doc = ?4, entry = ?5
         WHERE id = ?1 AND state = 'waiting'",
    )?;
    let moved = update.execute(params![
        id.as_bytes(),
        by.as_bytes(),
        tx.now.at.0,
        doc.as_bytes(),
        entry.as_bytes()
    ])?;
    Ok(moved > 0)
}

/// Lets an attached item wait again; who had claimed it stays readable in the audit log.
pub(crate) fn release(tx: &Tx<'_>, id: TrayId) -> Result<bool, StoreError> {
    let mut update = tx.sql.prepare_cached(
        "UPDATE local_tray SET state = 'waiting', claimed_by = NULL, claimed_at = NULL, doc = NULL, entry = NULL
         WHERE id = ?1 AND state = 'claimed'",
    )?;
    Ok(update.execute([id.as_bytes()])? > 0)
}

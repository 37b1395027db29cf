//! Documents that differ although nothing waits: both ends send them again, change by change. What is held is known
//! by its content, so only what was missing is written.

use sync_core::wire::Lane;

use crate::engine::{StoreError, StoreEvent, Tx};
use crate::sql::{Connection, OptionalExtension};
use crate::sync::{feeds, queue};

/// The prints of all documents, or of those that a clinic holds.
pub(crate) fn prints(sql: &Connection, c: Option<i64>) -> Result<Vec<[u8; 32]>, StoreError> {
    let mut find = sql.prepare_cached(
        "SELECT print FROM documents WHERE ?1 IS NULL OR d IN (SELECT d FROM link_holds WHERE c = ?1)",
    )?;
    let rows = find.query_map([c], |row| row.get(0))?;
    Ok(rows.collect::<crate::sql::Result<_>>()?)
}

fn document(sql: &Connection, print: &[u8; 32]) -> Result<Option<i64>, StoreError> {
    let mut find = sql.prepare_cached("SELECT d FROM documents WHERE print = ?1")?;
    Ok(find.query_row([print], |row| row.get(0)).optional()?)
}

/// Rows of a document's changes with lane, hash and length.
type Rows = Vec<(i64, Lane, [u8; 32], usize, bool)>;

fn rows(sql: &Connection, d: i64) -> Result<Rows, StoreError> {
    let mut find = sql.prepare_cached(
        "SELECT k, lane, hash, length(body), own FROM log JOIN sessions USING(s) WHERE d = ?1 ORDER BY k",
    )?;
    let mut found = find.query([d])?;
    let mut rows = Vec::new();
    while let Some(row) = found.next()? {
        let lane = Lane::from_number(row.get(1)?).ok_or(StoreError::Unreadable("lane"))?;
        let length = row.get::<_, i64>(3)?.unsigned_abs() as usize;
        rows.push((row.get(0)?, lane, row.get(2)?, length, row.get(4)?));
    }
    Ok(rows)
}

/// Box: its own changes of these documents wait again, and what came from the hub is handed back.
pub(crate) fn from_box(tx: &mut Tx<'_>, prints: &[[u8; 32]]) -> Result<(), StoreError> {
    let mut foreign = false;
    for print in prints {
        let Some(d) = document(tx.sql, print)? else {
            continue;
        };
        for (k, lane, _, length, own) in rows(tx.sql, d)? {
            if own {
                queue::add_change(tx, lane, k, length)?;
            } else {
                foreign = true;
            }
        }
    }
    if foreign {
        for lane in Lane::ALL {
            queue::add_relays(tx, lane, 0)?;
        }
    }
    tracing::warn!(
        documents = prints.len(),
        "documents that differ from the hub's are sent again"
    );
    tx.emit(StoreEvent::SyncState);
    Ok(())
}

/// Hub: all changes of these documents go into the clinic's feed again.
pub(crate) fn from_hub(tx: &mut Tx<'_>, c: i64, prints: &[[u8; 32]]) -> Result<(), StoreError> {
    for print in prints {
        let Some(d) = document(tx.sql, print)? else {
            continue;
        };
        if feeds::holds_row(tx.sql, c, d)? {
            for (k, lane, hash, _, _) in rows(tx.sql, d)? {
                feeds::append(tx, c, lane, feeds::RETURNED, k, &hash)?;
            }
        }
    }
    tracing::warn!(
        documents = prints.len(),
        "documents that differ from a box's are sent again"
    );
    Ok(())
}

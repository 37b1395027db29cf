//! Contents: whether documents, their rows and their derived rows are what their changes make, and blobs what their
//! names say.

use records::ids::{BlobId, DocId};
use sync_core::document::{Document, Heads};
use sync_core::fingerprint::print_of;

use crate::derive::{self, TABLES, create_tables};
use crate::engine::StoreError;
use crate::log;
use crate::sql::{Connection, Value, params};

/// What a look at some documents found.
#[derive(Debug, Default)]
pub(super) struct Documents {
    /// The last that was looked at; `None` where there are no more.
    pub(super) last: Option<i64>,
    /// The first whose changes do not make what its row says.
    pub(super) broken: Option<DocId>,
    /// Those whose derived rows are not what the document says.
    pub(super) stale: Vec<(i64, DocId)>,
}

/// Empty derived tables in memory.
pub(super) fn scratch() -> Result<Connection, StoreError> {
    let sql = Connection::open_in_memory()?;
    create_tables(&sql)?;
    Ok(sql)
}

/// Looks at the next documents.
pub(super) fn documents(sql: &Connection, after: i64, most: i64) -> Result<Documents, StoreError> {
    let scratch = scratch()?;
    let mut found = Documents::default();
    let mut rows =
        sql.prepare_cached("SELECT d, id, heads, print FROM documents WHERE d > ?1 ORDER BY d LIMIT ?2")?;
    let mut rows = rows.query([after, most])?;
    while let Some(row) = rows.next()? {
        let (d, doc): (i64, DocId) = (row.get(0)?, DocId(row.get(1)?));
        let (heads, print): (Vec<u8>, [u8; 32]) = (row.get(2)?, row.get(3)?);
        found.last = Some(d);
        let document = match log::load_row(sql, d, doc) {
            Ok(document) => document,
            Err(StoreError::Document(_) | StoreError::Unreadable(_)) => {
                found.broken.get_or_insert(doc);
                continue;
            }
            Err(other) => return Err(other),
        };
        let loaded = document.heads();
        if Heads::from_bytes(&heads).as_ref() != Some(&loaded) || print_of(doc, &loaded) != print {
            found.broken.get_or_insert(doc);
        }
        if !stale_tables(sql, &scratch, d, &document)?.is_empty() {
            found.stale.push((d, doc));
        }
    }
    Ok(found)
}

/// The derived tables whose rows of a document are not what it says.
pub(super) fn stale_tables(
    sql: &Connection,
    scratch: &Connection,
    d: i64,
    document: &Document,
) -> Result<Vec<&'static str>, StoreError> {
    derive::project(scratch, d, document, false)?;
    let mut stale = Vec::new();
    for table in TABLES {
        if rows(sql, table, d)? != rows(scratch, table, d)? {
            stale.push(*table);
        }
    }
    Ok(stale)
}

/// The rows of a document in a table, in an order of their own.
fn rows(sql: &Connection, table: &str, d: i64) -> Result<Vec<String>, StoreError> {
    let mut find = sql.prepare_cached(&format!("SELECT * FROM {table} WHERE d = ?1"))?;
    let width = find.column_count()?;
    let rows = find.query_map([d], |row| {
        let values: Vec<Value> = (0..width)
            .map(|n| row.get(n))
            .collect::<crate::sql::Result<_>>()?;
        Ok(format!("{values:?}"))
    })?;
    let mut rows = rows.collect::<crate::sql::Result<Vec<_>>>()?;
    rows.sort_unstable();
    Ok(rows)
}

/// Looks at the next blobs; the last of them (`None` where there are no more), and the first that is not what its
/// name says.
pub(super) fn blobs(
    sql: &Connection,
    after: i64,
    bytes_max: u64,
) -> Result<(Option<i64>, Option<BlobId>), StoreError> {
    let mut rows = sql.prepare_cached(
        "SELECT b, id, length, body FROM blobs WHERE b > ?1
             AND NOT EXISTS(SELECT 1 FROM objects WHERE blob = id AND moved = 1) ORDER BY b",
    )?;
    let mut rows = rows.query(params![after])?;
    let (mut bytes, mut last, mut broken) = (0, None, None);
    while bytes < bytes_max
        && let Some(row) = rows.next()?
    {
        let (id, body): (BlobId, Vec<u8>) = (BlobId(row.get(1)?), row.get(3)?);
        if sync_core::blobs::blob_id(&body) != id || body.len() as i64 != row.get::<_, i64>(2)? {
            broken.get_or_insert(id);
        }
        bytes += body.len() as u64;
        last = Some(row.get(0)?);
    }
    Ok((last, broken))
}

//! How much is kept, for the status page.

use crate::engine::{Store, StoreError};
use crate::folder;

/// What the data folder holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct StorageFacts {
    /// Bytes of the database file.
    pub database_bytes: u64,
    /// Bytes of its write-ahead log.
    pub log_bytes: u64,
    /// Documents held.
    pub documents: u64,
    /// Changes in the log.
    pub changes: u64,
    /// Blobs held.
    pub blobs: u64,
    /// Their bytes.
    pub blob_bytes: u64,
    /// Changes of others that were kept aside with a reason.
    pub parked: u64,
}

impl Store {
    /// Counts and sizes of what is kept.
    pub async fn storage(&self) -> Result<StorageFacts, StoreError> {
        let size = |end: &str| {
            let path = self.inner.folder.join(format!("{}{end}", folder::DATABASE));
            path.metadata().map_or(0, |meta| meta.len())
        };
        let (database_bytes, log_bytes) = (size(""), size("-wal"));
        self.read(move |sql| {
            let number = |text: &str| -> Result<u64, StoreError> {
                let count: i64 = sql.prepare_cached(text)?.query_row([], |row| row.get(0))?;
                Ok(count.unsigned_abs())
            };
            Ok(StorageFacts {
                database_bytes,
                log_bytes,
                documents: number("SELECT count(*) FROM documents")?,
                changes: number("SELECT count(*) FROM log")?,
                blobs: number("SELECT count(*) FROM blobs")?,
                blob_bytes: number("SELECT coalesce(sum(length), 0) FROM blobs")?,
                parked: number("SELECT count(*) FROM parked")?,
            })
        })
        .await
    }
}

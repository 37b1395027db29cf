//! Blobs: waveforms and pictures, named by the hash of their content.

use records::ids::BlobId;
use sync_core::blobs::{BLOB_BYTES_MAX, blob_id};

use crate::commit::CommitError;
use crate::engine::{Store, StoreError, Tx};
use crate::objects;
use crate::sql::params;

impl Store {
    /// The content of a blob that is held here whole.
    pub async fn blob(&self, id: BlobId) -> Result<Option<Vec<u8>>, StoreError> {
        match self.read(move |sql| objects::held(sql, id)).await? {
            Some(held) => self.content(held).await.map(Some),
            None => Ok(None),
        }
    }

    /// Keeps a blob that no document names yet (one that arrives over the link, say).
    pub async fn put_blob(&self, content: Vec<u8>) -> Result<BlobId, CommitError> {
        self.write(move |tx| put(tx, &content)).await
    }

    /// Whether a blob is held here.
    pub async fn has_blob(&self, id: BlobId) -> Result<bool, StoreError> {
        self.read(move |sql| {
            let mut find = sql.prepare_cached("SELECT 1 FROM blobs WHERE id = ?1")?;
            Ok(find.exists([id.as_bytes()])?)
        })
        .await
    }
}

pub(crate) fn put(tx: &mut Tx<'_>, content: &[u8]) -> Result<BlobId, CommitError> {
    if content.len() > BLOB_BYTES_MAX {
        return Err(CommitError::Refused("blob too large"));
    }
    let id = blob_id(content);
    let mut insert = tx.sql.prepare_cached(
        "INSERT INTO blobs(id, length, body) VALUES(?1, ?2, ?3) ON CONFLICT(id) DO NOTHING",
    )?;
    if insert.execute(params![id.as_bytes(), content.len() as i64, content])? > 0 {
        objects::note_new(tx, id, content.len())?;
    }
    Ok(id)
}

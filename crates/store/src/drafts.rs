//! Drafts: what stands in a form that was not saved yet. Local, never synced.

use records::ids::{FormId, StaffId};
use records::time::WallTime;

use crate::engine::{Store, StoreError, Tx};
use crate::sql::{OptionalExtension, Row, params};

/// Longest content of a draft, in bytes.
const DRAFT_BYTES_MAX: usize = 256 * 1024;

/// A draft.
#[derive(Debug, Clone, PartialEq)]
pub struct Draft {
    /// The form.
    pub form: FormId,
    /// Whose it is.
    pub staff: StaffId,
    /// The page on which it goes on, as that page names itself.
    pub page: String,
    /// When it was last changed.
    pub at: WallTime,
    /// The fields as they stand.
    pub content: serde_json::Value,
}

fn read(row: &Row<'_>) -> crate::sql::Result<Draft> {
    let content: String = row.get(4)?;
    Ok(Draft {
        form: FormId(row.get(0)?),
        staff: StaffId(row.get(1)?),
        page: row.get(2)?,
        at: WallTime(row.get(3)?),
        content: serde_json::from_str(&content).unwrap_or(serde_json::Value::Null),
    })
}

impl Store {
    /// Keeps a draft. One that would be too large is refused; a form that was already saved leaves no draft.
    pub async fn put_draft(
        &self,
        form: FormId,
        staff: StaffId,
        page: &str,
        content: &serde_json::Value,
    ) -> Result<bool, StoreError> {
        let (page, content) = (page.to_owned(), content.to_string());
        if content.len() > DRAFT_BYTES_MAX {
            return Ok(false);
        }
        self.write(move |tx| {
            let mut done = tx
                .sql
                .prepare_cached("SELECT 1 FROM local_forms WHERE form = ?1")?;
            if done.exists([form.as_bytes()])? {
                return Ok(false);
            }
            let mut put = tx.sql.prepare_cached(
                "INSERT INTO local_drafts(form, staff, page, at, content) VALUES(?1, ?2, ?3, ?4, ?5)
                 ON CONFLICT(form) DO UPDATE SET at = ?4, content = ?5 WHERE local_drafts.staff = ?2",
            )?;
            let kept = put.execute(params![
                form.as_bytes(),
                staff.as_bytes(),
                page,
                tx.now.at.0,
                content
            ])?;
            Ok(kept > 0)
        })
        .await
    }

    /// The draft of a form.
    pub async fn draft(&self, form: FormId) -> Result<Option<Draft>, StoreError> {
        self.read(move |sql| {
            let mut find = sql
                .prepare_cached("SELECT form, staff, page, at, content FROM local_drafts WHERE form = ?1")?;
            Ok(find.query_row([form.as_bytes()], read).optional()?)
        })
        .await
    }

    /// The drafts of a person, newest first.
    pub async fn drafts_of(&self, staff: StaffId) -> Result<Vec<Draft>, StoreError> {
        self.read(move |sql| {
            let mut find = sql.prepare_cached(
                "SELECT form, staff, page, at, content FROM local_drafts WHERE staff = ?1
                 ORDER BY at DESC LIMIT 100",
            )?;
            let drafts = find.query_map([staff.as_bytes()], read)?;
            Ok(drafts.collect::<crate::sql::Result<Vec<_>>>()?)
        })
        .await
    }

    /// Throws a draft away because its author said so.
    pub async fn drop_draft(&self, form: FormId) -> Result<(), StoreError> {
        self.write(move |tx| remove(tx, form)).await
    }
}

pub(crate) fn remove(tx: &Tx<'_>, form: FormId) -> Result<(), StoreError> {
    let mut delete = tx
        .sql
        .prepare_cached("DELETE FROM local_drafts WHERE form = ?1")?;
    delete.execute([form.as_bytes()])?;
    Ok(())
}

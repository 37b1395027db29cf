//! Whether what is kept is whole: every document loads from its changes and has the heads that its row says, the
//! sums are right, chains and blobs are unbroken.

use std::path::Path;

use records::ids::{BlobId, ClinicCode, DocId, DocKind};
use sync_core::document::Heads;
use sync_core::fingerprint::{Fingerprint, print_of};

use crate::derive::rebuild::Progress;
use crate::engine::{Store, StoreError, open_reader};
use crate::sql::Connection;
use crate::{audit, folder, log, sync, upkeep};

/// Most problems that are listed.
const PROBLEMS_MAX: usize = 1_000;

/// Most problems of the file's pages that are listed.
const PAGE_PROBLEMS_MAX: usize = 20;

/// What a check of the store found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Verify {
    /// Charts held.
    pub patients: u64,
    /// Encounters held.
    pub encounters: u64,
    /// Readings held; a blood pressure with its pulse is one.
    pub observations: u64,
    /// Rows of the log.
    pub changes: u64,
    /// The fingerprint over the documents held.
    pub fingerprint: Fingerprint,
    /// What is wrong: ids and words, no personal data.
    pub problems: Vec<String>,
}

impl Store {
    /// Checks everything; with a clinic, counts and fingerprint are over what that clinic holds.
    pub async fn verify(&self, clinic: Option<ClinicCode>, progress: Progress) -> Result<Verify, StoreError> {
        let (inner, whole) = (self.inner.clone(), clinic.is_none());
        let checked = tokio::task::spawn_blocking(move || {
            let sql = inner.reader()?;
            verify_on(&sql, clinic.as_ref(), progress)
        })
        .await;
        let mut found = checked.map_err(|_| StoreError::Closed)??;
        if whole {
            let problems = self.check_objects(PROBLEMS_MAX).await?;
            found.problems.extend(problems);
            found.problems.truncate(PROBLEMS_MAX);
        }
        Ok(found)
    }

    /// The fingerprint over the documents held, as it is kept.
    pub async fn fingerprint(&self) -> Result<Fingerprint, StoreError> {
        self.read(log::stored_fingerprint).await
    }
}

pub(crate) fn verify(
    folder: &Path,
    clinic: Option<&ClinicCode>,
    progress: Progress,
) -> Result<Verify, StoreError> {
    verify_on(&open_reader(&folder.join(folder::DATABASE))?, clinic, progress)
}

fn verify_on(
    sql: &Connection,
    clinic: Option<&ClinicCode>,
    mut progress: Progress,
) -> Result<Verify, StoreError> {
    sql.begin_read()?;
    let mut problems = Vec::new();
    check_pages(sql, &mut problems)?;
    let mut found = check_documents(sql, clinic, &mut problems, &mut progress)?;
    if clinic.is_none() && log::stored_fingerprint(sql)? != found.fingerprint {
        problems.push("the kept fingerprint is not the sum over the documents".to_owned());
    }
    check_sessions(sql, &mut problems)?;
    check_blobs(sql, &mut problems)?;
    problems.extend(audit::verify(sql)?);
    problems.truncate(PROBLEMS_MAX);
    found.problems = problems;
    Ok(found)
}

fn check_pages(sql: &Connection, problems: &mut Vec<String>) -> Result<(), StoreError> {
    if sql.is_file() {
        let verdicts = upkeep::verdicts(sql, PAGE_PROBLEMS_MAX)?;
        problems.extend(verdicts.iter().map(|verdict| format!("database: {verdict}")));
    }
    Ok(())
}

fn check_documents(
    sql: &Connection,
    clinic: Option<&ClinicCode>,
    problems: &mut Vec<String>,
    progress: &mut Progress,
) -> Result<Verify, StoreError> {
    let mut found = Verify {
        patients: 0,
        encounters: 0,
        observations: 0,
        changes: 0,
        fingerprint: Fingerprint::default(),
        problems: Vec::new(),
    };
    let all: i64 = sql.query_row("SELECT count(*) FROM documents", [], |row| row.get(0))?;
    let mut rows = sql.prepare("SELECT d, id, heads, print, changes, owner FROM documents ORDER BY d")?;
    let mut readings = sql.prepare("SELECT count(*) FROM observations WHERE d = ?1")?;
    let mut rows = rows.query([])?;
    let mut done = 0u64;
    while let Some(row) = rows.next()? {
        done += 1;
        if done.is_multiple_of(256) {
            progress(done, all.unsigned_abs());
        }
        let (d, id): (i64, DocId) = (row.get(0)?, DocId(row.get(1)?));
        let (heads, print): (Vec<u8>, [u8; 32]) = (row.get(2)?, row.get(3)?);
        let owner: String = row.get(5)?;
        let document = match log::load_row(sql, d, id) {
            Ok(document) => document,
            Err(error) => {
                problems.push(format!("document {id}: {error}"));
                continue;
            }
        };
        let loaded = document.heads();
        if Heads::from_bytes(&heads).as_ref() != Some(&loaded) || print_of(id, &loaded) != print {
            problems.push(format!("document {id}: its row has other heads than its changes"));
        }
        if document.owner().is_none_or(|found| found.as_str() != owner) {
            problems.push(format!(
                "document {id}: its row has another owner than its changes"
            ));
        }
        if let Some(clinic) = clinic
            && !sync::is_held_by(sql, d, clinic)?
        {
            continue;
        }
        found.fingerprint.add(&print_of(id, &loaded));
        found.changes += document.change_count() as u64;
        found.patients += u64::from(document.kind() == DocKind::Chart);
        found.encounters += u64::from(document.kind() == DocKind::Encounter);
        found.observations += readings
            .query_row([d], |row| row.get::<_, i64>(0))?
            .unsigned_abs();
    }
    progress(done, all.unsigned_abs());
    Ok(found)
}

/// Every position that is said to be held is here: in the log, set aside, taken out again, or purged.
fn check_sessions(sql: &Connection, problems: &mut Vec<String>) -> Result<(), StoreError> {
    for session in sync::sessions_with_gaps(sql)? {
        problems.push(format!("session {session} has a gap"));
    }
    Ok(())
}

fn check_blobs(sql: &Connection, problems: &mut Vec<String>) -> Result<(), StoreError> {
    let mut all = sql.prepare("SELECT b FROM blobs ORDER BY b")?;
    let mut one = sql.prepare(
        "SELECT id, length, body FROM blobs WHERE b = ?1
             AND NOT EXISTS(SELECT 1 FROM objects WHERE blob = id AND moved = 1)",
    )?;
    for b in all.query_map([], |row| row.get::<_, i64>(0))? {
        let mut rows = one.query([b?])?;
        let Some(row) = rows.next()? else { continue };
        let (id, length): (BlobId, i64) = (BlobId(row.get(0)?), row.get(1)?);
        let body = row.get_ref(2)?.as_blob().ok_or(StoreError::Unreadable("blob"))?;
        if sync_core::blobs::blob_id(body) != id || body.len() as i64 != length {
            problems.push(format!("blob {id} is not what its name says"));
        }
    }
    Ok(())
}

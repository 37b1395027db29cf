//! Blobs of a hub outside its database: objects in a folder or a bucket that all nodes of the hub share.
//!
//! A blob that arrives is kept in the database first, in the transaction that acknowledges it; it is moved out
//! afterwards, read back, and only then its bytes leave the database. So whoever was told that a blob is held was told
//! the truth, whether the store of the objects answers or not; while it does not, blobs wait in the database until
//! [`BlobStore`]'s room for that is used up, and then no new ones are taken: boxes keep what was not acknowledged.
//!
//! Every object has a name of its own: the hash of its content, and a ticket that stands in the database before anything
//! is written under the name. An object is never written over, and what is removed can not be somebody else's new one,
//! whichever nodes did what at the same time.

mod moving;

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use object_store::path::Path;
use object_store::{ObjectStore, ObjectStoreExt as _};
use records::ids::BlobId;
use sync_core::wire::BLOB_PIECE;
use tokio::sync::Semaphore;

use crate::alarms::AlarmKind;
use crate::engine::{Store, StoreError, Tx};
use crate::settings;
use crate::sql::{Connection, OptionalExtension, params};

pub use moving::Moved;

pub(crate) const TABLES: &str = "
CREATE TABLE IF NOT EXISTS objects(
    blob BLOB PRIMARY KEY, ticket BLOB NOT NULL, length INTEGER NOT NULL, moved INTEGER NOT NULL) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS objects_waiting ON objects(blob, length) WHERE moved = 0;
CREATE TABLE IF NOT EXISTS objects_gone(
    blob BLOB PRIMARY KEY, passes INTEGER NOT NULL, at INTEGER NOT NULL) WITHOUT ROWID;
";

/// Setting that says where the blobs of this database lie; without it they are in the database.
const PLACE: &str = "objects";
/// Object that says whose objects these are: the device of the hub.
const OWNER: &str = "hub";
/// Most bytes that the object which names the owner may have.
const OWNER_BYTES_MAX: u64 = 256;
/// Bytes of blobs that may wait in the database for their move where nobody chose: a day of a county's recordings.
pub const WAITING_BYTES_MAX: u64 = 8 * 1024 * 1024 * 1024;
/// Blobs that are read at the same time.
const READS: usize = 4;
/// Bytes of objects that are kept in memory: boxes read a blob piece by piece.
const KEPT_BYTES_MAX: usize = 64 * 1024 * 1024;
/// How long they are kept.
const KEPT_FOR: Duration = Duration::from_secs(60);
/// How long a box's connection may wait for an object: its other lanes wait with it.
const SEND_WAIT: Duration = Duration::from_secs(5);
/// How long after a failure no box waits for an object at all.
const FAILED_FOR: Duration = Duration::from_secs(30);

/// Where the blobs of a hub lie outside its database.
#[derive(Clone)]
pub struct BlobStore {
    objects: Arc<dyn ObjectStore>,
    place: String,
    waiting_max: u64,
}

impl BlobStore {
    /// A store of objects; `place` is its address for people, without any secret.
    pub fn new(objects: Arc<dyn ObjectStore>, place: impl Into<String>) -> Self {
        Self {
            objects,
            place: place.into(),
            waiting_max: WAITING_BYTES_MAX,
        }
    }

    /// The same with another bound of the bytes that may wait in the database.
    #[must_use]
    pub fn with_room(self, waiting_max: u64) -> Self {
        Self { waiting_max, ..self }
    }

    /// How many bytes may wait in the database.
    pub(crate) fn waiting_max(&self) -> u64 {
        self.waiting_max
    }
}

impl std::fmt::Debug for BlobStore {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("BlobStore").field(&self.place).finish()
    }
}

/// A hub and its blobs do not belong together.
#[derive(Debug, thiserror::Error)]
pub enum ObjectsFault {
    /// The database says that its blobs lie elsewhere, and nobody said where to look.
    #[error("the blobs of this hub lie in {0}: name it by --blobs")]
    NotNamed(String),
    /// The folder or bucket holds the blobs of another hub.
    #[error("{0} holds the blobs of another hub")]
    OtherHub(String),
    /// Blobs of this hub were moved out, and this is not where they are.
    #[error("{0} is empty, and {1} blobs of this hub lie outside its database: is it the right one?")]
    Empty(String, u64),
    /// The folder or bucket does not answer, and has never been used before.
    #[error("{0} cannot be used")]
    Unreachable(String, #[source] object_store::Error),
    /// The database failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// An object with the blob that it holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Away {
    pub(crate) blob: BlobId,
    ticket: [u8; 8],
    length: u64,
}

impl Away {
    fn path(&self) -> Path {
        folder_of(self.blob).join(hex::encode(self.ticket))
    }
}

/// Where the objects of one blob are: there is one, and for moments more of them.
fn folder_of(blob: BlobId) -> Path {
    let name = blob.to_string();
    Path::from_iter([&name[..2], &name])
}

/// The content of a blob, or where it is.
pub(crate) enum Held {
    Here(Vec<u8>),
    Away(Away),
}

/// Bytes of a blob, or where they are: from this place of the object on.
pub(crate) enum Stretch {
    Here(Vec<u8>),
    Away(Away, u64),
}

/// The objects of an open store.
pub(crate) struct Objects {
    named: BlobStore,
    /// Turns at reading an object that is not in memory.
    reads: Semaphore,
    kept: Mutex<Vec<Kept>>,
    /// When reading for a box failed last.
    failed: Mutex<Option<Instant>>,
}

struct Kept {
    away: Away,
    content: Arc<[u8]>,
    since: Instant,
}

impl Objects {
    pub(crate) fn new(named: BlobStore) -> Self {
        Self {
            named,
            reads: Semaphore::new(READS),
            kept: Mutex::default(),
            failed: Mutex::default(),
        }
    }

    /// Whether reading for a box failed a moment ago.
    fn has_failed(&self) -> bool {
        let failed = self.failed.lock().unwrap_or_else(PoisonError::into_inner);
        failed.is_some_and(|at| at.elapsed() < FAILED_FOR)
    }

    fn note_failed(&self, at: Option<Instant>) {
        *self.failed.lock().unwrap_or_else(PoisonError::into_inner) = at;
    }

    /// Reads an object whole: what comes back is what the blob's name says, or an error.
    async fn read(&self, away: Away) -> Result<Arc<[u8]>, StoreError> {
        if let Some(content) = self.kept(away) {
            return Ok(content);
        }
        let _turn = self.reads.acquire().await.map_err(|_| StoreError::Closed)?;
        if let Some(content) = self.kept(away) {
            return Ok(content);
        }
        let content = self.read_now(away).await?;
        self.keep(away, &content);
        Ok(content)
    }

    async fn read_now(&self, away: Away) -> Result<Arc<[u8]>, StoreError> {
        let found = match self.named.objects.get(&away.path()).await {
            Ok(found) => found,
            Err(object_store::Error::NotFound { .. }) => return Err(StoreError::BlobLost(away.blob)),
            Err(error) => return Err(StoreError::Objects(error)),
        };
        // Nothing is read of an object that cannot be the one that was written.
        if found.meta.size != away.length {
            return Err(StoreError::BlobLost(away.blob));
        }
        let content = found.bytes().await.map_err(StoreError::Objects)?;
        if sync_core::blobs::blob_id(&content) != away.blob {
            return Err(StoreError::BlobLost(away.blob));
        }
        Ok(Arc::from(&*content))
    }

    /// What is in memory, but for what is not asked for any more.
    fn in_memory(&self) -> MutexGuard<'_, Vec<Kept>> {
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        kept.retain(|kept| kept.since.elapsed() < KEPT_FOR);
        kept
    }

    fn kept(&self, away: Away) -> Option<Arc<[u8]>> {
        let kept = self.in_memory();
        let found = kept.iter().find(|kept| kept.away == away)?;
        Some(Arc::clone(&found.content))
    }

    fn keep(&self, away: Away, content: &Arc<[u8]>) {
        let mut kept = self.in_memory();
        kept.push(Kept {
            away,
            content: Arc::clone(content),
            since: Instant::now(),
        });
        while kept.iter().map(|kept| kept.content.len()).sum::<usize>() > KEPT_BYTES_MAX {
            kept.remove(0);
        }
    }

    /// What is not asked for any more leaves the memory.
    fn forget_old(&self) {
        drop(self.in_memory());
    }
}

/// Whether blobs of this database are moved out.
fn are_used(sql: &Connection) -> Result<bool, StoreError> {
    Ok(settings::get(sql, PLACE)?.is_some())
}

/// A new blob is in the database: it waits for its move.
pub(crate) fn note_new(tx: &mut Tx<'_>, blob: BlobId, length: usize) -> Result<(), StoreError> {
    if !are_used(tx.sql)? {
        return Ok(());
    }
    let ticket = tx.state.fresh();
    let mut put = tx
        .sql
        .prepare_cached("INSERT INTO objects(blob, ticket, length, moved) VALUES(?1, ?2, ?3, 0)")?;
    put.execute(params![blob.as_bytes(), ticket, length as i64])?;
    Ok(())
}

/// Takes a blob away for ever: its row now, its objects as soon as they can be reached.
pub(crate) fn remove(tx: &Tx<'_>, blob: BlobId) -> Result<(), StoreError> {
    tx.sql
        .prepare_cached("DELETE FROM blobs WHERE id = ?1")?
        .execute([blob.as_bytes()])?;
    let known = tx
        .sql
        .prepare_cached("DELETE FROM objects WHERE blob = ?1")?
        .execute([blob.as_bytes()])?;
    // A hub that was restored may have written an object that it does not know of.
    if known > 0 || are_used(tx.sql)? {
        forget_objects(tx, blob)?;
    }
    Ok(())
}

/// Objects of this blob have to go, all but the one that counts when they are looked at.
fn forget_objects(tx: &Tx<'_>, blob: BlobId) -> Result<(), StoreError> {
    tx.sql
        .prepare_cached(
            "INSERT INTO objects_gone(blob, passes, at) VALUES(?1, 0, ?2)
             ON CONFLICT(blob) DO UPDATE SET passes = 0, at = ?2",
        )?
        .execute(params![blob.as_bytes(), tx.now.at.0])?;
    Ok(())
}

/// Whether so much waits in the database for its move that no new blob is taken.
pub(crate) fn is_full(tx: &Tx<'_>) -> Result<bool, StoreError> {
    Ok(waiting(tx.sql)?.1 > tx.state.waiting_max)
}

/// Blobs that wait in the database for their move, and their bytes.
fn waiting(sql: &Connection) -> Result<(u64, u64), StoreError> {
    let mut find = sql.prepare_cached(
        "SELECT count(*), CAST(coalesce(sum(length), 0) AS INTEGER) FROM objects WHERE moved = 0",
    )?;
    let (count, bytes): (i64, i64) = find.query_row([], |row| Ok((row.get(0)?, row.get(1)?)))?;
    Ok((count.unsigned_abs(), bytes.unsigned_abs()))
}

/// How many blobs lie outside this database.
pub(crate) fn count_away(sql: &Connection) -> Result<u64, StoreError> {
    let mut find = sql.prepare_cached("SELECT count(*) FROM objects WHERE moved = 1")?;
    Ok(find.query_row([], |row| row.get::<_, i64>(0))?.unsigned_abs())
}

/// Where a blob lies outside the database; `None` for one that is in it, or not here at all.
fn away(sql: &Connection, blob: BlobId) -> Result<Option<Away>, StoreError> {
    let mut find = sql.prepare_cached("SELECT ticket, length FROM objects WHERE blob = ?1 AND moved = 1")?;
    let found = find.query_row([blob.as_bytes()], |row| {
        Ok(Away {
            blob,
            ticket: row.get(0)?,
            length: row.get::<_, i64>(1)?.unsigned_abs(),
        })
    });
    Ok(found.optional()?)
}

/// The content of a blob that is held whole, or where it is.
pub(crate) fn held(sql: &Connection, blob: BlobId) -> Result<Option<Held>, StoreError> {
    if let Some(away) = away(sql, blob)? {
        return Ok(Some(Held::Away(away)));
    }
    let mut find = sql.prepare_cached("SELECT body FROM blobs WHERE id = ?1")?;
    let body = find.query_row([blob.as_bytes()], |row| row.get(0)).optional()?;
    Ok(body.map(Held::Here))
}

/// Bytes of a whole blob from this place on, at most one piece, or where they are; `None` where it is not held.
pub(crate) fn stretch(sql: &Connection, blob: BlobId, offset: u64) -> Result<Option<Stretch>, StoreError> {
    if let Some(away) = away(sql, blob)? {
        return Ok(Some(Stretch::Away(away, offset)));
    }
    let from = offset.saturating_add(1).min(i64::MAX as u64).cast_signed();
    let mut find = sql.prepare_cached("SELECT substr(body, ?2, ?3) FROM blobs WHERE id = ?1")?;
    let bytes = find.query_row(params![blob.as_bytes(), from, BLOB_PIECE as i64], |row| {
        row.get(0)
    });
    Ok(bytes.optional()?.map(Stretch::Here))
}

impl Store {
    /// The content of what is held.
    pub(crate) async fn content(&self, held: Held) -> Result<Vec<u8>, StoreError> {
        match held {
            Held::Here(content) => Ok(content),
            Held::Away(away) => Ok(self.read_object(away).await?.to_vec()),
        }
    }

    /// Bytes of a stretch. What cannot be read now is told as nothing: whoever waits for it asks again at another
    /// contact, and everything else goes on.
    pub(crate) async fn bytes_of(&self, stretch: Stretch) -> Vec<u8> {
        let (away, offset) = match stretch {
            Stretch::Here(bytes) => return bytes,
            Stretch::Away(away, offset) => (away, offset),
        };
        if self.inner.objects.as_ref().is_some_and(Objects::has_failed) {
            return Vec::new();
        }
        let read = tokio::time::timeout(SEND_WAIT, self.read_object(away)).await;
        let down = !matches!(read, Ok(Ok(_) | Err(StoreError::BlobLost(_))));
        if let Some(objects) = &self.inner.objects {
            objects.note_failed(down.then(Instant::now));
        }
        match read {
            Err(_) => {
                tracing::warn!(blob = %away.blob, "a blob is not sent now: its store does not answer in time");
                Vec::new()
            }
            Ok(Ok(content)) => {
                let from = usize::try_from(offset).unwrap_or(usize::MAX).min(content.len());
                content[from..content.len().min(from + BLOB_PIECE)].to_vec()
            }
            Ok(Err(error)) => {
                tracing::error!(blob = %away.blob, %error, "a blob cannot be sent now");
                Vec::new()
            }
        }
    }

    async fn read_object(&self, away: Away) -> Result<Arc<[u8]>, StoreError> {
        let objects = self.inner.objects.as_ref().ok_or(StoreError::BlobsNotNamed)?;
        let read = objects.read(away).await;
        if let Err(StoreError::BlobLost(blob)) = &read {
            tracing::error!(%blob, "an object is missing or is not what its name says");
            self.raise_alarm(AlarmKind::BlobLost, &blob.to_string()).await?;
        }
        read
    }

    /// Reads every object and compares it with its name; what is wrong, in words without personal data.
    pub(crate) async fn check_objects(&self, problems_max: usize) -> Result<Vec<String>, StoreError> {
        let all = self.read(all_away).await?;
        let mut problems = Vec::new();
        let Some(objects) = &self.inner.objects else {
            if !all.is_empty() {
                problems.push(format!(
                    "{} blobs lie outside the database and were not looked at: name the place by --blobs",
                    all.len()
                ));
            }
            return Ok(problems);
        };
        for away in all {
            match objects.read_now(away).await {
                Ok(_) => continue,
                Err(StoreError::BlobLost(blob)) => {
                    problems.push(format!(
                        "blob {blob} is missing in {} or damaged",
                        objects.named.place
                    ));
                }
                Err(StoreError::Objects(error)) => {
                    problems.push(format!("{} cannot be read: {error}", objects.named.place));
                    break;
                }
                Err(other) => return Err(other),
            }
            if problems.len() >= problems_max {
                break;
            }
        }
        Ok(problems)
    }

    /// Whether the objects are named here.
    pub(crate) fn has_objects(&self) -> bool {
        self.inner.objects.is_some()
    }
}

fn all_away(sql: &Connection) -> Result<Vec<Away>, StoreError> {
    let mut all =
        sql.prepare_cached("SELECT blob, ticket, length FROM objects WHERE moved = 1 ORDER BY blob")?;
    let rows = all.query_map([], |row| {
        Ok(Away {
            blob: BlobId(row.get(0)?),
            ticket: row.get(1)?,
            length: row.get::<_, i64>(2)?.unsigned_abs(),
        })
    })?;
    Ok(rows.collect::<crate::sql::Result<_>>()?)
}

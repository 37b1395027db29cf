//! Backups: an online copy of everything that a data folder holds, encrypted, and verified by restoring it.
//!
//! The file is `tar`, compressed by zstd, encrypted in the age format. Any number of keys can open it. One more key
//! is made for each backup and forgotten after it: with it the finished file is read back from its medium, unpacked
//! into a scratch folder inside the data folder (nothing leaves the encrypted partition) and checked like any data
//! folder. Only then does the file get its name, so that a good older backup is replaced by a good one only.

mod archive;
mod restore;
#[cfg(test)]
mod tests;

use std::fs::{self, File};
use std::io::{self, BufReader, BufWriter};
use std::path::{Path, PathBuf};

use records::time::WallTime;
use serde::{Deserialize, Serialize};
use sync_core::fingerprint::Fingerprint;

use crate::derive::rebuild::Progress;
use crate::engine::{Store, StoreError, open_reader};
use crate::open::{OpenError, Side};
use crate::sealing::{OpeningKey, SealFault, SealKey, seal};
use crate::sql::Connection;
use crate::{folder, log, settings, verify};

pub(crate) use restore::is_unfinished;
pub use restore::{Restored, reseal, restore};

/// Setting that holds the public half of the recovery key.
const RECOVERY_KEY: &str = "recovery_key";
/// Setting that tells of the last backup.
const LAST_BACKUP: &str = "last_backup";
/// A backup that is made to see whether it can be restored.
const REHEARSAL: &str = "rehearsal.backup";
/// Folder inside the data folder for the copy that a backup is made of, and the one that it is restored to.
const WORK: &str = "backup.work";
/// Files beside the database larger than this are not ours.
const FILE_BYTES_MAX: u64 = 1024 * 1024;
/// Files beside the database.
const FILES_MAX: usize = 256;

/// A backup cannot be made or restored.
#[derive(Debug, thiserror::Error)]
pub enum BackupError {
    /// The records are on a server, whose keeper has backups of its own.
    #[error("the records are in a PostgreSQL database: back it up with pg_dump or pg_basebackup")]
    OnServer,
    /// There is no key to encrypt to.
    #[error("there is no key to encrypt the backup to")]
    NoKey,
    /// The file cannot be encrypted or opened.
    #[error(transparent)]
    Seal(#[from] SealFault),
    /// What is inside the file is not a backup of this release or an older one.
    #[error("the file is not a backup: {0}")]
    NotABackup(&'static str),
    /// A box's backup for a hub, or a hub's for a box.
    #[error("the backup is of the other kind of machine")]
    OtherSide,
    /// The folder to restore to holds something.
    #[error("the data folder is not empty")]
    NotEmpty,
    /// What was restored is not what was backed up, or was not whole before.
    #[error("the restored copy is not whole: {0}")]
    NotWhole(String),
    /// A file could not be read or written.
    #[error("{path}: {source}")]
    File {
        /// The path that was tried.
        path: PathBuf,
        /// The system's answer.
        #[source]
        source: io::Error,
    },
    /// The restored folder could not be opened.
    #[error(transparent)]
    Open(#[from] OpenError),
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl From<crate::sql::Error> for BackupError {
    fn from(error: crate::sql::Error) -> Self {
        Self::Store(error.into())
    }
}

/// What a backup holds, its first entry. No personal data.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Manifest {
    /// Version of the layout.
    pub(crate) format: u32,
    /// `box` or `hub`.
    pub(crate) side: String,
    /// When it was made, milliseconds of the machine's clock.
    pub(crate) made_ms: i64,
    /// The device in hex.
    pub(crate) device: String,
    /// Fingerprint over the documents held, in hex.
    pub(crate) fingerprint: String,
    /// Rows of the log.
    pub(crate) changes: i64,
    /// Blobs held.
    pub(crate) blobs: i64,
    /// How many of them lie outside the database, and so outside this file.
    #[serde(default, skip_serializing_if = "is_none")]
    pub(crate) blobs_outside: i64,
}

fn is_none(count: &i64) -> bool {
    *count == 0
}

/// A finished backup.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Backup {
    /// The file.
    pub path: PathBuf,
    /// Its bytes.
    pub bytes: u64,
    /// When it was made.
    pub made: WallTime,
    /// Fingerprint over the documents in it: that of the restored copy.
    pub fingerprint: Fingerprint,
    /// Changes in its log.
    pub changes: u64,
    /// Blobs that its records name.
    pub blobs: u64,
    /// How many of them lie outside the database and are not in the file.
    pub blobs_outside: u64,
    /// How many keys open it.
    pub keys: usize,
}

/// The last backup that was made from this folder.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LastBackup {
    /// When, milliseconds since 1970.
    pub at_ms: i64,
    /// Bytes of the file.
    pub bytes: u64,
}

impl Store {
    /// The public half of the recovery key, once one was made.
    pub async fn recovery_key(&self) -> Result<Option<SealKey>, StoreError> {
        self.read(recovery_key).await
    }

    /// Makes a recovery key; its public half is kept, the secret is in the answer only. An older one opens later
    /// backups no more.
    pub async fn new_recovery_key(&self) -> Result<OpeningKey, BackupError> {
        let mut secret = [0; 32];
        self.fill_random(&mut secret);
        let key = OpeningKey::from_secret(&secret)?;
        let public = serde_json::Value::from(key.public().to_string());
        self.put_setting(RECOVERY_KEY, &public).await?;
        Ok(key)
    }

    /// The keys that backups are encrypted to where none is named: the hub's that this box has joined, and the
    /// recovery key.
    pub async fn backup_keys(&self) -> Result<Vec<SealKey>, BackupError> {
        let mut keys = Vec::new();
        if let Some(enrolment) = self.enrolment().await? {
            keys.push(SealKey::of_device(enrolment.hub()?)?);
        }
        keys.extend(self.recovery_key().await?);
        Ok(keys)
    }

    /// When this folder was last backed up.
    pub async fn last_backup(&self) -> Result<Option<LastBackup>, StoreError> {
        let told = self.setting(LAST_BACKUP).await?;
        Ok(told.and_then(|told| serde_json::from_value(told).ok()))
    }

    /// Writes a backup, also while the folder is being served. `path` is a file or a folder in which the file gets
    /// a name of its own. Returns after the file was restored to a scratch folder and found whole; on an error no
    /// file is left and an older one at `path` stays.
    pub async fn backup(
        &self,
        path: &Path,
        keys: Vec<SealKey>,
        progress: Progress,
    ) -> Result<Backup, BackupError> {
        let now = self.clock().now().at;
        let path = if path.is_dir() {
            path.join(self.backup_name(now))
        } else {
            path.to_owned()
        };
        let (backup, extent) = self.make_backup(path, now, keys, progress).await?;
        // Boxes may forget what is safe: blobs outside count only where each of them was seen to be there.
        let safe =
            backup.blobs_outside == 0 || (self.has_objects() && self.check_objects(1).await?.is_empty());
        if let Some(extent) = extent.filter(|_| safe) {
            self.note_safe(extent).await?;
        }
        let last = LastBackup {
            at_ms: backup.made.0,
            bytes: backup.bytes,
        };
        let told = serde_json::to_value(last).map_err(|_| StoreError::Unreadable("backup note"))?;
        self.put_setting(LAST_BACKUP, &told).await?;
        Ok(backup)
    }

    /// Writes a backup beside the data, restores it to a scratch folder, compares, and removes both: whether backups
    /// of this machine can be restored, without one being made.
    pub async fn rehearse_backup(&self) -> Result<Backup, BackupError> {
        let path = self.folder().join(REHEARSAL);
        let _gone = Draft(path.clone());
        let keys = vec![SealKey::of_device(self.device_key().public())?];
        let now = self.clock().now().at;
        let (backup, _) = self.make_backup(path, now, keys, Box::new(|_, _| {})).await?;
        Ok(backup)
    }

    async fn make_backup(
        &self,
        path: PathBuf,
        now: WallTime,
        keys: Vec<SealKey>,
        progress: Progress,
    ) -> Result<(Backup, Option<crate::FeedExtent>), BackupError> {
        if !self.inner.is_file() {
            return Err(BackupError::OnServer);
        }
        let mut secret = [0; 32];
        self.fill_random(&mut secret);
        let job = Job {
            folder: self.folder().to_owned(),
            side: self.side(),
            device: self.device().to_string(),
            now,
            keys,
            check: OpeningKey::from_secret(&secret)?,
        };
        let made = tokio::task::spawn_blocking(move || job.run(&path, progress)).await;
        made.map_err(|_| StoreError::Closed)?
    }

    fn backup_name(&self, now: WallTime) -> String {
        let digits = now
            .rfc3339()
            .chars()
            .filter(char::is_ascii_digit)
            .take(14)
            .collect::<String>();
        let (day, time) = digits.split_at(digits.len().min(8));
        format!("{}-{}-{day}T{time}Z.backup", word(self.side()), self.device())
    }
}

fn recovery_key(sql: &Connection) -> Result<Option<SealKey>, StoreError> {
    let kept = settings::get(sql, RECOVERY_KEY)?;
    Ok(kept.and_then(|key| key.as_str().and_then(|text| text.parse().ok())))
}

fn word(side: Side) -> &'static str {
    match side {
        Side::Box => "box",
        Side::Hub => "hub",
    }
}

fn failed(path: &Path) -> impl FnOnce(io::Error) -> BackupError {
    let path = path.to_owned();
    move |source| BackupError::File { path, source }
}

/// A folder for scratch files, removed with all that is in it.
struct Scratch(PathBuf);

impl Scratch {
    fn new(path: PathBuf) -> Result<Self, BackupError> {
        if path.exists() {
            fs::remove_dir_all(&path).map_err(failed(&path))?;
        }
        fs::create_dir_all(&path).map_err(failed(&path))?;
        Ok(Self(path))
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        if let Err(error) = fs::remove_dir_all(&self.0)
            && error.kind() != io::ErrorKind::NotFound
        {
            tracing::warn!(%error, "scratch files of a backup are left");
        }
    }
}

/// A file that goes away unless it gets its name.
pub(crate) struct Draft(pub(crate) PathBuf);

impl Draft {
    /// The draft of a file, beside it.
    pub(crate) fn of(path: &Path) -> Self {
        let mut name = path.as_os_str().to_owned();
        name.push(".part");
        Self(name.into())
    }
}

impl Drop for Draft {
    fn drop(&mut self) {
        let _gone_already = fs::remove_file(&self.0);
    }
}

struct Job {
    folder: PathBuf,
    side: Side,
    device: String,
    now: WallTime,
    keys: Vec<SealKey>,
    check: OpeningKey,
}

impl Job {
    fn run(
        &self,
        path: &Path,
        progress: Progress,
    ) -> Result<(Backup, Option<crate::FeedExtent>), BackupError> {
        if self.keys.is_empty() {
            return Err(BackupError::NoKey);
        }
        let scratch = Scratch::new(self.folder.join(WORK))?;
        let copy = scratch.0.join("copy.db");
        let manifest = self.copy_database(&copy)?;
        let draft = Draft::of(path);
        self.write(&draft.0, &manifest, &copy)?;
        // Room for the restored copy.
        fs::remove_file(&copy).map_err(failed(&copy))?;
        let restored = scratch.0.join("restored");
        fs::create_dir(&restored).map_err(failed(&restored))?;
        let from = BufReader::new(File::open(&draft.0).map_err(failed(&draft.0))?);
        let found = archive::unpack(from, std::slice::from_ref(&self.check), &restored)?;
        if found != manifest {
            return Err(BackupError::NotWhole("another manifest came back".to_owned()));
        }
        let fingerprint = check(&restored, &manifest, progress)?;
        let extent = match self.side {
            Side::Box => None,
            Side::Hub => {
                let sql = open_reader(&restored.join(folder::DATABASE))?;
                Some(crate::sync::extent_of(&sql)?)
            }
        };
        let bytes = draft.0.metadata().map_err(failed(&draft.0))?.len();
        fs::rename(&draft.0, path).map_err(failed(path))?;
        sync_parent(path)?;
        let backup = Backup {
            path: path.to_owned(),
            bytes,
            made: self.now,
            fingerprint,
            changes: manifest.changes.unsigned_abs(),
            blobs: manifest.blobs.unsigned_abs(),
            blobs_outside: manifest.blobs_outside.unsigned_abs(),
            keys: self.keys.len(),
        };
        Ok((backup, extent))
    }

    /// Copies the database as it stands in one moment, beside whoever writes to it.
    fn copy_database(&self, to: &Path) -> Result<Manifest, BackupError> {
        let sql = open_reader(&self.folder.join(folder::DATABASE))?;
        sql.execute("VACUUM INTO ?1", [to.to_string_lossy()])?;
        drop(sql);
        let copy = open_reader(to)?;
        let count = |text: &str| copy.query_row(text, [], |row| row.get::<_, i64>(0));
        Ok(Manifest {
            format: archive::FORMAT,
            side: word(self.side).to_owned(),
            made_ms: self.now.0,
            device: self.device.clone(),
            fingerprint: log::stored_fingerprint(&copy)?.to_string(),
            changes: count("SELECT count(*) FROM log")?,
            blobs: count("SELECT count(*) FROM blobs")?,
            blobs_outside: count("SELECT count(*) FROM objects WHERE moved = 1")?,
        })
    }

    fn write(&self, draft: &Path, manifest: &Manifest, copy: &Path) -> Result<(), BackupError> {
        let mut keys = self.keys.clone();
        keys.push(self.check.public());
        let file = File::create(draft).map_err(failed(draft))?;
        let sealed = seal(BufWriter::new(file), &keys)?;
        let mut files = vec![(folder::DATABASE.to_owned(), copy.to_owned())];
        files.extend(archive::files_of(&self.folder)?);
        let out = archive::pack(sealed, manifest, &files).map_err(failed(draft))?;
        let file = out
            .into_inner()
            .map_err(|error| failed(draft)(error.into_error()))?;
        file.sync_all().map_err(failed(draft))
    }
}

/// Checks an unpacked folder like any other and against what its manifest says.
fn check(folder: &Path, manifest: &Manifest, progress: Progress) -> Result<Fingerprint, BackupError> {
    let found = verify::verify(folder, None, progress)?;
    if let Some(first) = found.problems.first() {
        let more = found.problems.len();
        return Err(BackupError::NotWhole(format!("{first} ({more} problems)")));
    }
    if found.fingerprint.to_string() != manifest.fingerprint {
        return Err(BackupError::NotWhole("another fingerprint".to_owned()));
    }
    Ok(found.fingerprint)
}

/// Makes a rename in the folder of this file last.
pub(crate) fn sync_parent_of(path: &Path) -> io::Result<()> {
    match path.parent() {
        Some(parent) if parent.as_os_str().is_empty() => File::open(".")?.sync_all(),
        Some(parent) => File::open(parent)?.sync_all(),
        None => Ok(()),
    }
}

fn sync_parent(path: &Path) -> Result<(), BackupError> {
    sync_parent_of(path).map_err(failed(path))
}

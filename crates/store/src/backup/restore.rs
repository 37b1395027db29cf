//! Restoring a backup into an empty folder: all of it or nothing.

use std::fs::{self, File};
use std::io::{self, BufReader, BufWriter, Read as _, Write as _};
use std::path::{Path, PathBuf};

use records::time::WallTime;
use sync_core::fingerprint::Fingerprint;

use super::{BackupError, Draft, archive, check, failed, sync_parent, word};
use crate::derive::rebuild::Progress;
use crate::engine::{Store, StoreError};
use crate::folder;
use crate::open::{OpenOptions, Side};
use crate::sealing::{OpeningKey, SealKey, seal, unreadable, unseal};

/// Folder inside the data folder that holds what is not checked yet. While it is there, the restore did not finish.
const RESTORING: &str = "restore.work";
/// What a fresh file system puts into its root.
const NOT_OURS: &str = "lost+found";

/// What was restored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Restored {
    /// When the backup was made, by its machine's clock.
    pub made: WallTime,
    /// Fingerprint over the documents, computed from what was restored.
    pub fingerprint: Fingerprint,
    /// Changes in the log.
    pub changes: u64,
    /// Blobs that the records name.
    pub blobs: u64,
    /// How many of them lie outside the database: they were not in the backup.
    pub blobs_outside: u64,
    /// A hub's new epoch.
    pub epoch: Option<u32>,
}

/// Whether a restore into this folder was cut off. Nothing may be begun there before it was done again.
pub(crate) fn is_unfinished(folder: &Path) -> bool {
    folder.join(RESTORING).exists()
}

/// Restores a backup into a folder that is empty or not there. Everything is unpacked and checked inside it first;
/// on an error it is as it was. The box writes under a new session from its next start on; a hub begins a new epoch
/// before anything of it can be served. `options` say which kind of machine it is.
pub async fn restore(
    from: &Path,
    folder: &Path,
    keys: Vec<OpeningKey>,
    options: OpenOptions,
    progress: Progress,
) -> Result<Restored, BackupError> {
    let (from, into, side) = (from.to_owned(), folder.to_owned(), options.side);
    let unpacked = tokio::task::spawn_blocking(move || unpack(&from, &into, &keys, side, progress)).await;
    let (work, mut restored) = unpacked.map_err(|_| StoreError::Closed)??;
    if side == Side::Hub {
        restored.epoch = Some(new_epoch(&work.path, options).await?);
    }
    let into = folder.to_owned();
    let moved = tokio::task::spawn_blocking(move || work.put_in_place(&into)).await;
    moved.map_err(|_| StoreError::Closed)??;
    Ok(restored)
}

async fn new_epoch(work: &Path, options: OpenOptions) -> Result<u32, BackupError> {
    let path = work.to_owned();
    let opened = tokio::task::spawn_blocking(move || Store::open(&path, options)).await;
    let hub = opened.map_err(|_| StoreError::Closed)??;
    let epoch = hub.begin_epoch().await?;
    // The last handle closes the database; that waits for its thread.
    let closed = tokio::task::spawn_blocking(move || drop(hub)).await;
    closed.map_err(|_| StoreError::Closed)?;
    Ok(epoch)
}

fn unpack(
    from: &Path,
    folder: &Path,
    keys: &[OpeningKey],
    side: Side,
    progress: Progress,
) -> Result<(Work, Restored), BackupError> {
    let file = File::open(from).map_err(failed(from))?;
    let work = Work::begin(folder)?;
    let manifest = archive::unpack(BufReader::new(file), keys, &work.path)?;
    if manifest.side != word(side) {
        return Err(BackupError::OtherSide);
    }
    let fingerprint = check(&work.path, &manifest, progress)?;
    let restored = Restored {
        made: WallTime(manifest.made_ms),
        fingerprint,
        changes: manifest.changes.unsigned_abs(),
        blobs: manifest.blobs.unsigned_abs(),
        blobs_outside: manifest.blobs_outside.unsigned_abs(),
        epoch: None,
    };
    Ok((work, restored))
}

/// The folder in which a restore works, taken away again unless everything was put in place.
struct Work {
    path: PathBuf,
    made_folder: Option<PathBuf>,
    placing: bool,
}

impl Work {
    fn begin(folder: &Path) -> Result<Self, BackupError> {
        let made = !folder.exists();
        fs::create_dir_all(folder).map_err(failed(folder))?;
        let path = folder.join(RESTORING);
        if path.exists() {
            // A restore was cut off here; what it had put in place already is replaced.
            fs::remove_dir_all(&path).map_err(failed(&path))?;
        } else {
            for entry in fs::read_dir(folder).map_err(failed(folder))? {
                if entry.map_err(failed(folder))?.file_name() != NOT_OURS {
                    return Err(BackupError::NotEmpty);
                }
            }
        }
        fs::create_dir(&path).map_err(failed(&path))?;
        Ok(Self {
            path,
            made_folder: made.then(|| folder.to_owned()),
            placing: false,
        })
    }

    /// Moves everything to its place, the database last, so that none begins without its key.
    fn put_in_place(mut self, folder: &Path) -> Result<(), BackupError> {
        self.placing = true;
        let mut names = Vec::new();
        for entry in fs::read_dir(&self.path).map_err(failed(&self.path))? {
            let name = entry.map_err(failed(&self.path))?.file_name();
            if name.to_str().is_none_or(|name| !folder::is_lock(name)) {
                names.push(name);
            }
        }
        names.sort_by_key(|name| name == folder::DATABASE);
        for name in names {
            let (from, to) = (self.path.join(&name), folder.join(&name));
            if to.is_dir() {
                fs::remove_dir_all(&to).map_err(failed(&to))?;
            }
            fs::rename(&from, &to).map_err(failed(&to))?;
        }
        sync_parent(&self.path)?;
        fs::remove_dir_all(&self.path).map_err(failed(&self.path))?;
        sync_parent(&self.path)
    }
}

impl Drop for Work {
    fn drop(&mut self) {
        if self.placing {
            return;
        }
        let gone = fs::remove_dir_all(&self.path);
        if let Err(error) = gone
            && error.kind() != io::ErrorKind::NotFound
        {
            tracing::warn!(%error, "scratch files of a restore are left");
        }
        if let Some(folder) = &self.made_folder {
            let _somebody_put_something_there = fs::remove_dir(folder);
        }
    }
}

/// Encrypts a file to other keys: a hub opens the backup of a box for whoever restores it. The new file appears
/// whole or not at all.
pub fn reseal(from: &Path, to: &Path, keys: &[OpeningKey], for_keys: &[SealKey]) -> Result<(), BackupError> {
    let file = File::open(from).map_err(failed(from))?;
    let mut content = unseal(BufReader::new(file), keys)?;
    let draft = Draft::of(to);
    let out = File::create(&draft.0).map_err(failed(&draft.0))?;
    let mut sealed = seal(BufWriter::new(out), for_keys)?;
    let mut piece = vec![0; 64 * 1024];
    loop {
        let count = content.read(&mut piece).map_err(unreadable)?;
        if count == 0 {
            break;
        }
        sealed.write_all(&piece[..count]).map_err(failed(&draft.0))?;
    }
    let out = sealed.finish().map_err(failed(&draft.0))?;
    let out = out
        .into_inner()
        .map_err(|error| failed(&draft.0)(error.into_error()))?;
    out.sync_all().map_err(failed(&draft.0))?;
    fs::rename(&draft.0, to).map_err(failed(to))?;
    sync_parent(to)
}

//! The files of a data folder: lock, device key, database, and what was set aside.

use std::fs::{File, TryLockError};
use std::io::{Read, Seek, Write};
use std::path::{Path, PathBuf};

use sync_core::identity::DeviceKey;

use crate::open::OpenError;

/// Name of the database file.
pub(crate) const DATABASE: &str = "clinic.db";
/// Name of the lock file; it holds the number of the process that has the lock.
const LOCK: &str = "lock";
/// Name of the file with the device's secret key: beside the database, so that a damaged one costs no identity.
const KEY: &str = "device.key";
/// The key that takes its place once the hub knows it.
const NEXT_KEY: &str = "device.key.next";
/// Its presence says that the database answered with damage and must be checked at the next start.
const SUSPECT: &str = "clinic.db.suspect";

fn failed(path: &Path) -> impl FnOnce(std::io::Error) -> OpenError {
    let path = path.to_owned();
    move |source| OpenError::Folder { path, source }
}

/// Whether a file of the data folder is the database in any form, the lock, or a draft.
pub(crate) fn is_of_database_or_lock(name: &str) -> bool {
    name.starts_with(DATABASE) || is_lock(name) || name.ends_with(".new")
}

/// Whether this is the name of the lock file.
pub(crate) fn is_lock(name: &str) -> bool {
    name == LOCK
}

/// What work leaves behind whose process died: copies of the database and tables under construction. They hold
/// records, and take room.
const SCRATCH: [&str; 4] = ["backup.work", "compact.work", "rebuild.scratch", "upkeep.scratch"];

/// Takes away what work left behind. For whoever has the folder's lock.
pub(crate) fn clear_scratch(folder: &Path) {
    for name in SCRATCH {
        let path = folder.join(name);
        let gone = if path.is_dir() {
            std::fs::remove_dir_all(&path)
        } else {
            std::fs::remove_file(&path)
        };
        match gone {
            Ok(()) => tracing::info!(name, "took away what a process that died had left"),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
            Err(error) => tracing::warn!(%error, name, "what a process that died had left stays"),
        }
    }
}

/// Makes the folder where it is missing.
pub(crate) fn make(folder: &Path) -> Result<(), OpenError> {
    std::fs::create_dir_all(folder).map_err(failed(folder))
}

/// Takes the folder for this process until the file is dropped.
pub(crate) fn lock(folder: &Path) -> Result<File, OpenError> {
    let path = folder.join(LOCK);
    let mut file = File::options()
        .read(true)
        .write(true)
        .create(true)
        .truncate(false)
        .open(&path)
        .map_err(failed(&path))?;
    match file.try_lock() {
        Ok(()) => {}
        Err(TryLockError::WouldBlock) => {
            let mut text = String::new();
            let pid = file
                .read_to_string(&mut text)
                .ok()
                .and_then(|_| text.trim().parse().ok());
            return Err(OpenError::InUse { pid });
        }
        Err(TryLockError::Error(source)) => return Err(OpenError::Folder { path, source }),
    }
    let written = file
        .set_len(0)
        .and_then(|()| file.rewind())
        .and_then(|()| file.write_all(std::process::id().to_string().as_bytes()));
    written.map_err(failed(&path))?;
    Ok(file)
}

/// The device's key; made from `seed` where there is none yet and `may_make` allows it.
pub(crate) fn device_key(
    folder: &Path,
    may_make: bool,
    seed: impl FnOnce() -> [u8; 32],
) -> Result<DeviceKey, OpenError> {
    let path = folder.join(KEY);
    match std::fs::read(&path) {
        Ok(bytes) => {
            let seed: [u8; 32] = bytes.try_into().map_err(|_| OpenError::BadKey { path })?;
            Ok(DeviceKey::from_seed(&seed))
        }
        Err(error) if error.kind() == std::io::ErrorKind::NotFound && may_make => {
            let seed = seed();
            write_secret(folder, &path, &seed).map_err(failed(&path))?;
            Ok(DeviceKey::from_seed(&seed))
        }
        Err(source) => Err(OpenError::Folder { path, source }),
    }
}

/// The key that the device will have; made from `seed` where there is none yet.
pub(crate) fn next_key(folder: &Path, seed: impl FnOnce() -> [u8; 32]) -> std::io::Result<DeviceKey> {
    let path = folder.join(NEXT_KEY);
    let seed = match std::fs::read(&path) {
        Ok(bytes) => match bytes.try_into() {
            Ok(seed) => seed,
            Err(_) => return Err(std::io::ErrorKind::InvalidData.into()),
        },
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
            let seed = seed();
            write_secret(folder, &path, &seed)?;
            seed
        }
        Err(error) => return Err(error),
    };
    Ok(DeviceKey::from_seed(&seed))
}

/// The next key becomes the device's, if `taken` says that the hub took it; the key that counts now.
pub(crate) fn change_key(
    folder: &Path,
    key: DeviceKey,
    taken: impl FnOnce(&DeviceKey) -> bool,
) -> Result<DeviceKey, OpenError> {
    let path = folder.join(NEXT_KEY);
    if !path.exists() {
        return Ok(key);
    }
    let next = next_key(folder, || key.seed()).map_err(failed(&path))?;
    if !taken(&next) {
        return Ok(key);
    }
    std::fs::rename(&path, folder.join(KEY)).map_err(failed(&path))?;
    File::open(folder)
        .and_then(|folder| folder.sync_all())
        .map_err(failed(&path))?;
    Ok(next)
}

/// Writes a file that only its owner may read, whole or not at all, also across a power cut.
fn write_secret(folder: &Path, path: &Path, content: &[u8]) -> std::io::Result<()> {
    let draft = path.with_extension("new");
    let mut options = File::options();
    options.write(true).create(true).truncate(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let mut file = options.open(&draft)?;
    file.write_all(content)?;
    file.sync_all()?;
    std::fs::rename(&draft, path)?;
    File::open(folder)?.sync_all()
}

/// Remembers that the database must be checked before it is used again.
pub(crate) fn mark_suspect(folder: &Path) {
    if let Err(error) = File::create(folder.join(SUSPECT)) {
        tracing::error!(%error, "could not leave a mark that the database is damaged");
    }
}

/// Whether the database answered with damage in an earlier run.
pub(crate) fn is_suspect(folder: &Path) -> bool {
    folder.join(SUSPECT).exists()
}

/// Takes the mark away after a check.
pub(crate) fn clear_suspect(folder: &Path) {
    let path = folder.join(SUSPECT);
    if path.exists()
        && let Err(error) = std::fs::remove_file(&path)
    {
        tracing::warn!(%error, "could not take away the mark of a damaged database");
    }
}

/// Sets a damaged database aside under a name with the time; nothing is deleted. Returns the new path.
pub(crate) fn set_aside(folder: &Path, at_ms: i64) -> Result<PathBuf, OpenError> {
    let mut aside = folder.join(format!("{DATABASE}.damaged-{at_ms}"));
    let mut n = 1;
    while aside.exists() {
        aside = folder.join(format!("{DATABASE}.damaged-{at_ms}-{n}"));
        n += 1;
    }
    for end in ["-wal", "-shm", ""] {
        let from = folder.join(format!("{DATABASE}{end}"));
        if from.exists() {
            let mut to = aside.clone().into_os_string();
            to.push(end);
            std::fs::rename(&from, PathBuf::from(to)).map_err(failed(&from))?;
        }
    }
    Ok(aside)
}

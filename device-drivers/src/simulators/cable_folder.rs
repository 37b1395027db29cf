//! The folder in which a simulator keeps its port's stable name. It goes with the simulator; what a killed one
//! left behind the next to start removes.
//!
//! A lock on the folder tells the dead from the living: the kernel lets go of it when the process ends, however
//! it ends.

use std::fs::File;
use std::io;
use std::path::Path;

use rustix::fs::{FlockOperation, Mode, OFlags, flock, open};
use tempfile::TempDir;

/// Begin of the folders' names.
const PREFIX: &str = "simulated-";
/// Written once the lock is held: a folder without it may be just being made.
const LOCKED: &str = "locked";
/// Most folders looked at in one start.
const LOOKED_AT_MAX: usize = 1_000;

/// A folder of a living simulator.
#[derive(Debug)]
pub(super) struct CableFolder {
    folder: TempDir,
    _lock: File,
}

impl CableFolder {
    /// Makes a folder within `parent`, after the dead ones there were removed.
    pub(super) fn make(parent: &Path) -> io::Result<Self> {
        remove_dead(parent);
        let folder = tempfile::Builder::new().prefix(PREFIX).tempdir_in(parent)?;
        let lock = locked(folder.path())?;
        File::create(folder.path().join(LOCKED))?;
        Ok(Self { folder, _lock: lock })
    }

    pub(super) fn path(&self) -> &Path {
        self.folder.path()
    }
}

/// The folder itself, with its lock; an error if somebody holds it, or if the name is a link.
fn locked(folder: &Path) -> io::Result<File> {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let file = File::from(open(folder, flags, Mode::empty())?);
    flock(&file, FlockOperation::NonBlockingLockExclusive)?;
    Ok(file)
}

/// Removes folders whose simulator ended without doing so. Whatever cannot be read or removed belongs to
/// somebody else and stays.
fn remove_dead(parent: &Path) {
    let Ok(entries) = std::fs::read_dir(parent) else {
        return;
    };
    let ours = entries
        .flatten()
        .filter(|entry| entry.file_name().to_string_lossy().starts_with(PREFIX));
    for entry in ours.take(LOOKED_AT_MAX) {
        let path = entry.path();
        if !path.join(LOCKED).is_file() {
            continue;
        }
        if let Ok(_lock) = locked(&path) {
            let _stays = std::fs::remove_dir_all(&path).is_err();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_folder_of_a_dead_simulator_is_removed_and_no_other() {
        let parent = tempfile::tempdir().unwrap();
        let living = CableFolder::make(parent.path()).unwrap();
        let dead = parent.path().join("simulated-dead");
        std::fs::create_dir(&dead).unwrap();
        File::create(dead.join(LOCKED)).unwrap();
        std::os::unix::fs::symlink("/dev/pts/none", dead.join("omron-hbp9030")).unwrap();
        let being_made = parent.path().join("simulated-being-made");
        let foreign = parent.path().join("other");
        for folder in [&being_made, &foreign] {
            std::fs::create_dir(folder).unwrap();
        }
        File::create(foreign.join(LOCKED)).unwrap();
        let next = CableFolder::make(parent.path()).unwrap();
        assert!(!dead.exists());
        for folder in [living.path(), next.path(), &being_made, &foreign] {
            assert!(folder.exists(), "{}", folder.display());
        }
        let path = next.path().to_owned();
        drop(next);
        assert!(!path.exists(), "it goes with its simulator");
    }
}

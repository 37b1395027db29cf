//! The folder of one browser: its profile, its home and all its scratch files. It goes with the browser, also when the
//! test failed; what a killed test left behind the next browser removes, with the processes that still use it.

use std::fs::{File, TryLockError};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use tempfile::TempDir;

/// Begin of the folders' names.
const PREFIX: &str = "clinic-browser-";
/// Locked by the test that uses the folder; the kernel lets go of it when the test ends, however it ends.
const LOCK: &str = "lock";
/// Longest wait for processes that were killed to be gone.
const END_MAX: Duration = Duration::from_secs(10);

/// A browser's folder.
pub(crate) struct Profile {
    /// `None` once it was removed.
    folder: Option<TempDir>,
    path: PathBuf,
    _lock: File,
}

impl Profile {
    /// Makes a folder, after those of killed tests were removed.
    pub(crate) fn make() -> Self {
        Self::make_in(&std::env::temp_dir())
    }

    fn make_in(parent: &Path) -> Self {
        remove_left(parent);
        let folder = tempfile::Builder::new()
            .prefix(PREFIX)
            .tempdir_in(parent)
            .unwrap();
        // Under its name it is locked from the first moment: nobody takes a folder for dead that is being made.
        let fresh = folder.path().join("lock.new");
        let lock = File::create(&fresh).unwrap();
        lock.try_lock().unwrap();
        std::fs::rename(&fresh, folder.path().join(LOCK)).unwrap();
        std::fs::create_dir(folder.path().join("tmp")).unwrap();
        Self {
            path: folder.path().to_owned(),
            folder: Some(folder),
            _lock: lock,
        }
    }

    /// The folder; also the browser's home.
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// Where the browser and its driver put scratch files.
    pub(crate) fn scratch(&self) -> PathBuf {
        self.path.join("tmp")
    }
}

impl Drop for Profile {
    fn drop(&mut self) {
        end_processes(&self.path);
        let removed = self.folder.take().map(TempDir::close);
        if let Some(Err(error)) = removed
            && !std::thread::panicking()
        {
            panic!("the folder of a browser stays: {error}");
        }
    }
}

/// Kills the processes whose command line names this folder and waits until they are gone: one that still ends writes
/// files into a folder that is being removed. A browser whose driver is gone goes on by itself.
fn end_processes(folder: &Path) {
    let deadline = Instant::now() + END_MAX;
    loop {
        let living = processes_of(folder);
        if living.is_empty() || Instant::now() > deadline {
            return;
        }
        for pid in living {
            // It may have ended by itself meanwhile.
            let _ended = Command::new("kill")
                .args(["-KILL", &pid])
                .stderr(std::process::Stdio::null())
                .status();
        }
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// Ids of processes whose command line names this folder; one that has ended has none.
fn processes_of(folder: &Path) -> Vec<String> {
    let folder = folder.display().to_string();
    let entries = std::fs::read_dir("/proc").unwrap().map_while(Result::ok);
    let names = entries.map(|entry| entry.file_name().to_string_lossy().into_owned());
    let numbers = names.filter(|name| name.bytes().all(|byte| byte.is_ascii_digit()));
    numbers
        .filter(|pid| {
            let line = std::fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
            String::from_utf8_lossy(&line).contains(&folder)
        })
        .collect()
}

/// Removes folders whose test was killed.
fn remove_left(parent: &Path) {
    let entries = std::fs::read_dir(parent).unwrap().map_while(Result::ok);
    let ours = entries.filter(|entry| entry.file_name().to_string_lossy().starts_with(PREFIX));
    for folder in ours.map(|entry| entry.path()) {
        let Ok(lock) = File::open(folder.join(LOCK)) else {
            continue;
        };
        match lock.try_lock() {
            Ok(()) => {
                end_processes(&folder);
                // Another test may remove it at the same time.
                let _removed = std::fs::remove_dir_all(&folder);
            }
            Err(TryLockError::WouldBlock | TryLockError::Error(_)) => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use std::process::Stdio;

    use super::*;
    use crate::programs::wait_until;

    /// A process that names a folder and goes on writing into it, as a browser does.
    fn writer(folder: &Path) -> std::process::Child {
        let script = "while true; do mkdir -p \"$1/profile\"; echo x > \"$1/profile/$(date +%N)\"; done";
        let writer = Command::new("bash")
            .args(["-c", script, "writer", &folder.display().to_string()])
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        // A process that only just began has no command line yet, and is nobody's.
        wait_until("it writes", || folder.join("profile").exists().then_some(()));
        writer
    }

    #[test]
    fn a_folder_goes_with_its_browser_even_when_the_test_fails() {
        let parent = tempfile::tempdir().unwrap();
        let profile = Profile::make_in(parent.path());
        let path = profile.path().to_owned();
        let mut busy = writer(&path);
        let reaped = std::thread::spawn(move || busy.wait().unwrap());
        let failing = std::thread::spawn(move || {
            let _mine = profile;
            std::panic::resume_unwind(Box::new("the test fails"));
        });
        assert!(failing.join().is_err());
        assert!(!reaped.join().unwrap().success(), "its processes are ended");
        assert!(!path.exists());
    }

    #[test]
    fn what_a_killed_test_left_the_next_one_removes_and_nothing_else() {
        let parent = tempfile::tempdir().unwrap();
        let living = Profile::make_in(parent.path());
        let dead = parent.path().join("clinic-browser-dead");
        std::fs::create_dir(&dead).unwrap();
        File::create(dead.join(LOCK)).unwrap();
        let mut orphan = writer(&dead);
        let reaped = std::thread::spawn(move || orphan.wait().unwrap());
        let being_made = parent.path().join("clinic-browser-being-made");
        std::fs::create_dir(&being_made).unwrap();
        let next = Profile::make_in(parent.path());
        assert!(!dead.exists());
        assert!(!reaped.join().unwrap().success(), "its browser is ended");
        for folder in [living.path(), next.path(), &being_made] {
            assert!(folder.exists(), "{}", folder.display());
        }
    }
}

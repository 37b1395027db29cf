//! How fast the data folder's storage writes. A card that is counterfeit or worn shows here first: every record that
//! is saved waits for one small write.

use std::fs::{self, File};
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::time::Instant;

/// Bytes of the long write.
const LONG_BYTES: usize = 16 * 1024 * 1024;
/// Bytes of a piece of it.
const PIECE_BYTES: usize = 1024 * 1024;
/// Small writes, each of which is waited for.
const SMALL_WRITES: usize = 33;
/// Bytes of a small write: a page of the database.
const SMALL_BYTES: usize = 4096;
const NAME: &str = "checkup.scratch";

/// What was measured.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Speed {
    /// Megabytes a second of a long write, until it lies on the storage.
    pub(crate) megabytes: f64,
    /// Milliseconds until a small write lies on the storage: the median.
    pub(crate) milliseconds: f64,
}

/// A scratch file, removed whatever happens.
struct Scratch(PathBuf);

impl Drop for Scratch {
    fn drop(&mut self) {
        let _gone_already = fs::remove_file(&self.0);
    }
}

/// Writes into a folder and measures.
///
/// # Errors
///
/// The folder takes no writes.
pub(crate) fn measure(folder: &Path) -> io::Result<Speed> {
    let scratch = Scratch(folder.join(NAME));
    let mut file = File::create(&scratch.0)?;
    // Storage that packs what is alike would seem faster than it is.
    let mut piece = vec![0; PIECE_BYTES];
    let mut value = 0x9e37_79b9_u32;
    for byte in &mut piece {
        value ^= value << 13;
        value ^= value >> 17;
        value ^= value << 5;
        *byte = value.to_le_bytes()[0];
    }
    let began = Instant::now();
    for _ in 0..LONG_BYTES / PIECE_BYTES {
        file.write_all(&piece)?;
    }
    file.sync_all()?;
    let megabytes = LONG_BYTES as f64 / 1e6 / began.elapsed().as_secs_f64();
    let mut times = Vec::with_capacity(SMALL_WRITES);
    for _ in 0..SMALL_WRITES {
        let began = Instant::now();
        file.write_all(&piece[..SMALL_BYTES])?;
        file.sync_data()?;
        times.push(began.elapsed());
    }
    times.sort();
    Ok(Speed {
        megabytes,
        milliseconds: times[SMALL_WRITES / 2].as_secs_f64() * 1e3,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_is_left_behind() {
        let folder = tempfile::tempdir().unwrap();
        let speed = measure(folder.path()).unwrap();
        assert!(speed.megabytes > 0.0 && speed.milliseconds >= 0.0);
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0);
        assert!(measure(&folder.path().join("not-there")).is_err());
    }
}

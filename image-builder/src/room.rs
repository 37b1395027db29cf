//! How much room a folder has.

use std::io;
use std::path::Path;

/// Bytes that a program may still write in a folder.
///
/// # Errors
/// Where the folder is not there.
pub fn room(folder: &Path) -> io::Result<u64> {
    let stat = rustix::fs::statvfs(folder)?;
    Ok(stat.f_bavail.saturating_mul(stat.f_frsize))
}

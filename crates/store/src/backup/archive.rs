//! The archive inside a backup: the manifest first, then the database and the small files beside it.

use std::fs::{self, File};
use std::io::{self, BufRead, Read, Write};
use std::path::{Component, Path, PathBuf};

use age::stream::StreamWriter;

use super::{BackupError, FILE_BYTES_MAX, FILES_MAX, Manifest, failed};
use crate::folder;
use crate::sealing::{OpeningKey, unreadable, unseal};

/// Version of the layout.
pub(super) const FORMAT: u32 = 1;
/// Name of the first entry.
const MANIFEST: &str = "manifest.json";
/// Longest manifest.
const MANIFEST_BYTES_MAX: u64 = 16 * 1024;
/// Level of compression: bodies in the log are compressed already.
const ZSTD_LEVEL: i32 = 3;
/// Largest window that unpacking takes memory for (2^23 = 8 MiB).
const WINDOW_LOG_MAX: u32 = 23;
/// How deep files lie below the data folder.
const DEPTH_MAX: usize = 3;
/// Largest database that is unpacked: far above a county's.
const DATABASE_BYTES_MAX: u64 = 1 << 42;

/// The small files of a data folder that belong into a backup: keys and certificates, not the database, not what
/// was set aside or is in work. Sorted.
pub(super) fn files_of(root: &Path) -> Result<Vec<(String, PathBuf)>, BackupError> {
    let mut found = Vec::new();
    collect(root, "", 1, &mut found)?;
    found.sort();
    Ok(found)
}

fn collect(
    folder: &Path,
    below: &str,
    depth: usize,
    found: &mut Vec<(String, PathBuf)>,
) -> Result<(), BackupError> {
    for entry in fs::read_dir(folder).map_err(failed(folder))? {
        let entry = entry.map_err(failed(folder))?;
        let (path, meta) = (entry.path(), entry.metadata().map_err(failed(folder))?);
        let Ok(name) = entry.file_name().into_string() else {
            continue;
        };
        if depth == 1 && (name.ends_with(".work") || folder::is_of_database_or_lock(&name)) {
            continue;
        }
        let name = format!("{below}{name}");
        if meta.is_dir() && depth < DEPTH_MAX {
            collect(&path, &format!("{name}/"), depth + 1, found)?;
        } else if meta.is_file() && meta.len() <= FILE_BYTES_MAX && is_plain(Path::new(&name)) {
            found.push((name, path));
        }
        if found.len() > FILES_MAX {
            return Err(BackupError::NotWhole(
                "too many files in the data folder".to_owned(),
            ));
        }
    }
    Ok(())
}

/// A path below the folder, of few names that mean the same on every system.
fn is_plain(path: &Path) -> bool {
    let plain = |name: &str| {
        let known = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_');
        name.len() <= 100 && !name.starts_with('.') && name.chars().all(known)
    };
    let mut depth = 0;
    path.components().all(|part| {
        depth += 1;
        matches!(part, Component::Normal(name) if name.to_str().is_some_and(plain)) && depth <= DEPTH_MAX
    })
}

fn header(length: u64) -> tar::Header {
    let mut header = tar::Header::new_gnu();
    header.set_size(length);
    header.set_mode(0o600);
    header.set_mtime(0);
    header
}

/// Writes the archive into an encrypted stream and ends that.
pub(super) fn pack<W: Write>(
    sealed: StreamWriter<W>,
    manifest: &Manifest,
    files: &[(String, PathBuf)],
) -> io::Result<W> {
    let mut packed = zstd::Encoder::new(sealed, ZSTD_LEVEL)?;
    packed.include_checksum(true)?;
    let mut archive = tar::Builder::new(packed);
    let told = serde_json::to_vec(manifest)?;
    archive.append_data(&mut header(told.len() as u64), MANIFEST, told.as_slice())?;
    for (name, path) in files {
        let file = File::open(path)?;
        let length = file.metadata()?.len();
        archive.append_data(&mut header(length), name, file.take(length))?;
    }
    archive.into_inner()?.finish()?.finish()
}

/// Unpacks a backup into an empty folder. What is not made as [`pack`] makes it is refused.
pub(super) fn unpack<R: BufRead>(from: R, keys: &[OpeningKey], into: &Path) -> Result<Manifest, BackupError> {
    let sealed = unseal(from, keys)?;
    let mut packed = zstd::Decoder::new(sealed).map_err(broken)?;
    packed.window_log_max(WINDOW_LOG_MAX).map_err(broken)?;
    let mut archive = tar::Archive::new(packed);
    let mut manifest = None;
    let mut has_database = false;
    for (place, entry) in archive.entries().map_err(broken)?.enumerate() {
        let entry = entry.map_err(broken)?;
        if place > FILES_MAX + 2 {
            return Err(BackupError::NotABackup("too many files"));
        }
        if !entry.header().entry_type().is_file() {
            return Err(BackupError::NotABackup("something that is no file"));
        }
        let name = entry.path().map_err(broken)?.into_owned();
        if place == 0 {
            manifest = Some(read_manifest(&name, entry)?);
            continue;
        }
        let is_database = name == Path::new(folder::DATABASE);
        has_database |= is_database;
        let most = if is_database {
            DATABASE_BYTES_MAX
        } else {
            FILE_BYTES_MAX
        };
        if !is_plain(&name) || entry.size() > most {
            return Err(BackupError::NotABackup("a file that has no place"));
        }
        write_file(&into.join(name), entry)?;
    }
    // The end, too, must be there and fit.
    let mut rest = archive.into_inner();
    io::copy(&mut rest, &mut io::sink()).map_err(broken)?;
    match manifest {
        Some(manifest) if has_database => Ok(manifest),
        Some(_) | None => Err(BackupError::NotABackup("no database")),
    }
}

fn broken(error: io::Error) -> BackupError {
    unreadable(error).into()
}

fn read_manifest(name: &Path, entry: impl Read) -> Result<Manifest, BackupError> {
    if name != Path::new(MANIFEST) {
        return Err(BackupError::NotABackup("no manifest"));
    }
    let mut text = Vec::new();
    entry
        .take(MANIFEST_BYTES_MAX)
        .read_to_end(&mut text)
        .map_err(broken)?;
    let manifest: Manifest =
        serde_json::from_slice(&text).map_err(|_| BackupError::NotABackup("an unreadable manifest"))?;
    if manifest.format > FORMAT {
        return Err(BackupError::NotABackup("written by a newer release"));
    }
    Ok(manifest)
}

/// Writes one file; an error of the reader is one of the backup, an error of the writer one of the folder.
fn write_file(path: &Path, mut content: impl Read) -> Result<(), BackupError> {
    if let Some(parent) = path.parent() {
        fs::create_dir_all(parent).map_err(failed(parent))?;
    }
    let mut options = File::options();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let mut file = match options.open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
            return Err(BackupError::NotABackup("a file twice"));
        }
        Err(error) => return Err(failed(path)(error)),
    };
    let mut piece = vec![0; 64 * 1024];
    loop {
        let count = content.read(&mut piece).map_err(broken)?;
        if count == 0 {
            break;
        }
        file.write_all(&piece[..count]).map_err(failed(path))?;
    }
    file.sync_all().map_err(failed(path))
}

//! Package files on this machine: a cache by hash, and the folder in which a release keeps its own.

use std::fs;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use sha2::{Digest, Sha256};

use crate::packages::archive::{Archive, ArchiveError};
use crate::packages::lock::{Lock, Locked};

/// Why a package file is not to be had.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// The archive does not answer with the locked file.
    #[error(
        "{name} {version} is neither in the cache nor in the archive any more{and_others} ({words}): refresh the lock with `image-builder lock`, or name the folder of a release that kept its packages with --keep-packages"
    )]
    Gone {
        /// The package.
        name: String,
        /// The locked version.
        version: String,
        /// How many others.
        and_others: String,
        /// What the archive said.
        words: String,
    },
    /// There is no room.
    #[error("there is no room for {} more in {}", crate::size::Size(*needed), folder.display())]
    NoRoom {
        /// Bytes that are wanted.
        needed: u64,
        /// Where.
        folder: PathBuf,
    },
    /// A file cannot be read or written.
    #[error("{}: {error}", path.display())]
    File {
        /// Which.
        path: PathBuf,
        /// Why.
        error: io::Error,
    },
    /// The archive cannot be asked.
    #[error(transparent)]
    Archive(#[from] ArchiveError),
}

/// Where package files lie.
#[derive(Debug, Clone)]
pub struct Store {
    /// The cache.
    pub cache: PathBuf,
    /// The folder of a release that keeps its packages; it is looked in first, and gets a copy of each.
    pub keep: Option<PathBuf>,
}

/// The name under which a package's file is kept.
pub fn file_name(package: &Locked) -> String {
    let name = package.file.rsplit('/').next().unwrap_or(&package.name);
    // The epoch is part of the version and not of the archive's file name.
    name.replace(':', "%3a")
}

impl Store {
    /// Where each package's file lies; what is missing is fetched.
    ///
    /// # Errors
    /// [`StoreError::Gone`] with the package that nobody has.
    pub fn files(
        &self,
        lock: &Lock,
        archive: impl FnOnce() -> Result<Archive, ArchiveError>,
        mut progress: impl FnMut(u64),
    ) -> Result<Vec<PathBuf>, StoreError> {
        let file_error = |path: &Path| {
            let path = path.to_owned();
            move |error| StoreError::File { path, error }
        };
        for folder in [Some(&self.cache), self.keep.as_ref()].into_iter().flatten() {
            fs::create_dir_all(folder).map_err(file_error(folder))?;
        }
        let mut found: Vec<Option<PathBuf>> = Vec::new();
        for package in &lock.packages {
            let path = self.find(package);
            if path.is_some() {
                progress(package.size);
            }
            found.push(path);
        }
        let missing: Vec<&Locked> = lock
            .packages
            .iter()
            .zip(&found)
            .filter_map(|(package, path)| path.is_none().then_some(package))
            .collect();
        let mut words = String::new();
        if !missing.is_empty() {
            let needed: u64 = missing.iter().map(|package| package.size).sum();
            if crate::room::room(&self.cache).map_err(file_error(&self.cache))? < needed {
                return Err(StoreError::NoRoom {
                    needed,
                    folder: self.cache.clone(),
                });
            }
            words = self.fetch(&missing, &archive()?, &mut progress)?;
        }
        let mut files = Vec::new();
        let mut gone: Vec<&Locked> = Vec::new();
        for (package, path) in lock.packages.iter().zip(found) {
            match path.or_else(|| self.find(package)) {
                Some(path) => files.push(self.kept(package, path)?),
                None => gone.push(package),
            }
        }
        match gone.as_slice() {
            [] => Ok(files),
            [first, others @ ..] => Err(StoreError::Gone {
                name: first.name.clone(),
                version: first.version.clone(),
                and_others: match others.len() {
                    0 => String::new(),
                    n => format!(", nor are {n} others"),
                },
                words: if words.is_empty() {
                    "it has no such file".to_owned()
                } else {
                    words
                },
            }),
        }
    }

    /// Fetches files into the cache. The beginning of one is gone on with; where the whole does not fit its hash then,
    /// the beginning was spoilt, and all of it is fetched once more.
    fn fetch(
        &self,
        missing: &[&Locked],
        archive: &Archive,
        progress: &mut impl FnMut(u64),
    ) -> Result<String, StoreError> {
        let mut words = String::new();
        let mut missing = missing.to_vec();
        for is_again in [false, true] {
            let mut wanted = Vec::new();
            for package in &missing {
                let path = self.cache.join(file_name(package));
                if fs::metadata(&path).is_ok_and(|meta| is_again || meta.len() >= package.size) {
                    fs::remove_file(&path).map_err(|error| StoreError::File {
                        path: path.clone(),
                        error,
                    })?;
                }
                if let Some(address) = archive.address(&package.suite, &package.file) {
                    wanted.push((address, path, package.sha256.clone()));
                }
            }
            let mut sizes = missing.iter().map(|package| package.size);
            words = archive.fetch(&wanted, |files| {
                let bytes: u64 = sizes.by_ref().take(files).sum();
                progress(if is_again { 0 } else { bytes });
            })?;
            missing.retain(|package| !is_whole(&self.cache.join(file_name(package)), package));
            if missing.is_empty() {
                break;
            }
        }
        Ok(words)
    }

    /// A whole file of a package, where there is one.
    fn find(&self, package: &Locked) -> Option<PathBuf> {
        let name = file_name(package);
        [self.keep.as_ref(), Some(&self.cache)]
            .into_iter()
            .flatten()
            .map(|folder| folder.join(&name))
            .find(|path| is_whole(path, package))
    }

    fn kept(&self, package: &Locked, path: PathBuf) -> Result<PathBuf, StoreError> {
        let Some(keep) = self.keep.as_ref().filter(|keep| !path.starts_with(keep)) else {
            return Ok(path);
        };
        let kept = keep.join(file_name(package));
        fs::copy(&path, &kept).map_err(|error| StoreError::File {
            path: kept.clone(),
            error,
        })?;
        Ok(kept)
    }
}

fn is_whole(path: &Path, package: &Locked) -> bool {
    let is_as_long = fs::metadata(path).is_ok_and(|meta| meta.len() == package.size);
    is_as_long && hash_of(path).is_ok_and(|hash| hash == package.sha256)
}

/// SHA-256 of a file, hex.
///
/// # Errors
/// Where it cannot be read.
pub fn hash_of(path: &Path) -> io::Result<String> {
    let mut file = fs::File::open(path)?;
    let mut hash = Sha256::new();
    let mut buffer = vec![0; 1 << 20];
    loop {
        match file.read(&mut buffer)? {
            0 => return Ok(hex::encode(hash.finalize())),
            read => hash.update(&buffer[..read]),
        }
    }
}

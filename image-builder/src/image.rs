//! The image of a card, made in memory from unpacked packages: no package's script runs, nothing is mounted, and
//! nothing needs another user's rights. [`root`] joins the parts, [`disk`] writes the card.

pub mod accounts;
pub mod boot;
pub mod deb;
pub mod disk;
pub mod ext4;
pub mod initrd;
pub mod lint;
pub mod modules;
pub mod pattern;
pub mod root;
pub mod sbom;
pub mod tree;
pub mod units;

#[cfg(test)]
mod manifest_tests;
#[cfg(test)]
mod tests;

use std::io;
use std::path::PathBuf;

/// The time that everything in an image bears, in seconds since 1970: 1 January 2026. The same in all releases, so
/// that what did not change is the same bytes, and an update does not carry it again.
pub const STAMP: i64 = 1_767_225_600;

/// Why there is no image.
#[derive(Debug, thiserror::Error)]
pub enum BuildError {
    /// A file cannot be read or written.
    #[error("{}: {error}", path.display())]
    File {
        /// Which.
        path: PathBuf,
        /// Why.
        error: io::Error,
    },
    /// A package is not in order.
    #[error("the package {name} cannot be unpacked: {what}")]
    Package {
        /// Which.
        name: String,
        /// Why.
        what: String,
    },
    /// A program of this machine is missing.
    #[error("{program} is not on this machine: install the package {package}")]
    Missing {
        /// The program.
        program: &'static str,
        /// The Debian package that brings it.
        package: &'static str,
    },
    /// The manifest asks for what the packages do not hold.
    #[error("the manifest asks for {what}, and no package holds it")]
    Absent {
        /// What.
        what: String,
    },
    /// A program that was given is not for the image's processor.
    #[error("{} is no program for {wanted}: {what}", path.display())]
    OtherMachine {
        /// The file.
        path: PathBuf,
        /// The image's processor.
        wanted: String,
        /// What it is.
        what: String,
    },
    /// Something does not fit its partition.
    #[error("the {part} partition has {} and needs {}: give it more in the manifest", crate::size::Size(*has), crate::size::Size(*needs))]
    TooSmall {
        /// Which.
        part: &'static str,
        /// Its bytes.
        has: u64,
        /// What is to go in.
        needs: u64,
    },
    /// Anything else.
    #[error("{0}")]
    Other(String),
}

impl BuildError {
    /// An error of a file.
    pub fn file(path: impl Into<PathBuf>) -> impl FnOnce(io::Error) -> Self {
        let path = path.into();
        move |error| Self::File { path, error }
    }
}

//! The lock file: the packages of an image with version, origin, size and hash. It is what `build` takes, and what
//! the list of an image's parts is made from.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::manifest::Manifest;
use crate::packages::index::Index;
use crate::packages::resolve::{Chosen, ResolveError, resolve};

/// The form of the file; others are refused.
const FORM: u32 = 1;
/// Most packages of a lock.
const PACKAGES_MAX: usize = 10_000;

/// A lock file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Lock {
    form: u32,
    /// The manifest's name.
    pub manifest: String,
    /// Debian's word for the processor.
    pub architecture: String,
    /// What the manifest asked for, so that a lock of an older manifest is noticed.
    pub asked: Vec<String>,
    /// The packages, by name.
    #[serde(rename = "package")]
    pub packages: Vec<Locked>,
}

/// One package of a lock file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Locked {
    /// Its name.
    pub name: String,
    /// Its version.
    pub version: String,
    /// The suite whose index listed it.
    pub suite: String,
    /// Its path inside the archive.
    pub file: String,
    /// Bytes of its file.
    pub size: u64,
    /// SHA-256 of its file, hex.
    pub sha256: String,
    /// `asked for`, `essential`, or `needed by NAME`.
    pub why: String,
}

/// Why a lock cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum LockError {
    /// It is no lock file.
    #[error("not a lock file: {0}")]
    Form(String),
    /// The manifest says something else now.
    #[error(
        "the lock was made for another state of the manifest \"{manifest}\" ({difference}): refresh it with `image-builder lock`"
    )]
    OtherManifest {
        /// The manifest.
        manifest: String,
        /// What differs.
        difference: String,
    },
}

impl Lock {
    /// Chooses the packages of a manifest and locks them.
    ///
    /// # Errors
    /// [`ResolveError`] with the package that does not fit.
    pub fn of(manifest: &Manifest, index: &Index) -> Result<Self, ResolveError> {
        let chosen: BTreeMap<String, Chosen> = resolve(manifest, index)?;
        let packages = chosen.into_values().map(|chosen| Locked {
            name: chosen.package.name,
            version: chosen.package.version.as_str().to_owned(),
            suite: chosen.package.suite,
            file: chosen.package.file,
            size: chosen.package.size,
            sha256: chosen.package.sha256.to_ascii_lowercase(),
            why: chosen.why,
        });
        Ok(Self {
            form: FORM,
            manifest: manifest.name.clone(),
            architecture: manifest.architecture.clone(),
            asked: asked(manifest),
            packages: packages.collect(),
        })
    }

    /// Reads a lock file.
    ///
    /// # Errors
    /// [`LockError::Form`] with what is wrong in it.
    pub fn parse(text: &str) -> Result<Self, LockError> {
        let lock: Self = toml::from_str(text).map_err(|error| LockError::Form(error.message().to_owned()))?;
        let wrong = |what: String| Err(LockError::Form(what));
        if lock.form != FORM {
            return wrong("its form is of another version".to_owned());
        }
        if lock.packages.len() > PACKAGES_MAX {
            return wrong("it has too many packages".to_owned());
        }
        for package in &lock.packages {
            let is_hash = package.sha256.len() == 64
                && package
                    .sha256
                    .bytes()
                    .all(|b| b.is_ascii_digit() || (b'a'..=b'f').contains(&b));
            if !is_hash {
                return wrong(format!("the hash of {} is none", package.name));
            }
            let is_plain = |text: &str| !text.is_empty() && !text.contains(['/', '\0']) && text != "..";
            if !is_plain(&package.name) || !is_plain(&package.version) {
                return wrong(format!("{:?} is no name of a package", package.name));
            }
            if package.file.starts_with('/') || package.file.split('/').any(|part| part == "..") {
                return wrong(format!("the file of {} lies outside the archive", package.name));
            }
        }
        Ok(lock)
    }

    /// The lock file's text.
    pub fn to_text(&self) -> String {
        let head = "# The packages of an image, written by `image-builder lock`; do not edit.\n\n";
        format!("{head}{}", toml::to_string(self).unwrap_or_default())
    }

    /// Checks that a manifest still asks for what was locked.
    ///
    /// # Errors
    /// [`LockError::OtherManifest`] with the difference.
    pub fn check(&self, manifest: &Manifest) -> Result<(), LockError> {
        let differs = |difference: String| {
            Err(LockError::OtherManifest {
                manifest: manifest.name.clone(),
                difference,
            })
        };
        if self.manifest != manifest.name {
            return differs(format!("the lock is of \"{}\"", self.manifest));
        }
        let asked = asked(manifest);
        if let Some(name) = asked.iter().find(|name| !self.asked.contains(name)) {
            return differs(format!("{name} is not in the lock"));
        }
        if let Some(name) = self.asked.iter().find(|name| !asked.contains(name)) {
            return differs(format!("{name} is asked for no more"));
        }
        let left_out = self
            .packages
            .iter()
            .find(|package| manifest.leave_out.contains_key(&package.name));
        if let Some(package) = left_out {
            return differs(format!("{} is left out now", package.name));
        }
        Ok(())
    }

    /// Bytes of all package files.
    pub fn bytes(&self) -> u64 {
        self.packages.iter().map(|package| package.size).sum()
    }
}

fn asked(manifest: &Manifest) -> Vec<String> {
    let mut asked = manifest.packages.clone();
    for (suite, names) in &manifest.packages_from {
        asked.extend(names.iter().map(|name| format!("{name}/{suite}")));
    }
    asked.sort();
    asked
}

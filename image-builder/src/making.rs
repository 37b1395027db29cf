//! The verbs that make an image: `lock`, `plan`.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use clap::Args;
use image_builder::manifest::Manifest;
use image_builder::packages::archive::Archive;
use image_builder::packages::lock::Lock;
use image_builder::plan;
use image_builder::size::Size;
use serde_json::json;

use crate::Said;

/// Chooses the packages of a manifest and writes them down with versions, sizes and hashes.
///
/// The archive is the one that this machine's apt is set up for; apt checks its signatures.
#[derive(Args)]
pub(crate) struct LockArguments {
    #[command(flatten)]
    input: Input,
    #[command(flatten)]
    archive: ArchiveArguments,
    /// Print one JSON object.
    #[arg(long)]
    pub(crate) json: bool,
}

/// Shows what `build` would put into an image.
#[derive(Args)]
pub(crate) struct PlanArguments {
    #[command(flatten)]
    input: Input,
    /// Print one JSON object.
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Args)]
struct Input {
    /// The manifest.
    #[arg(long)]
    manifest: PathBuf,
    /// The lock file [the manifest's name with the ending `lock`].
    #[arg(long)]
    lock: Option<PathBuf>,
}

#[derive(Args)]
struct ArchiveArguments {
    /// The folder of apt's sources.
    #[arg(long, default_value = "/etc/apt", value_name = "DIR")]
    apt_sources: PathBuf,
    /// The folder for indexes and package files [clinic-image in the user's cache].
    #[arg(long, value_name = "DIR")]
    cache: Option<PathBuf>,
}

impl Input {
    fn lock_path(&self) -> PathBuf {
        self.lock
            .clone()
            .unwrap_or_else(|| self.manifest.with_extension("lock"))
    }

    fn read(&self) -> Result<(Manifest, Lock)> {
        let manifest = Manifest::read(&self.manifest)?;
        let path = self.lock_path();
        let text = fs::read_to_string(&path).with_context(|| {
            format!(
                "there is no lock {}: make it with `image-builder lock`",
                path.display()
            )
        })?;
        let lock = Lock::parse(&text).with_context(|| path.display().to_string())?;
        lock.check(&manifest)?;
        Ok((manifest, lock))
    }
}

impl ArchiveArguments {
    fn cache(&self) -> PathBuf {
        let home = || std::env::var_os("HOME").map(|home| Path::new(&home).join(".cache"));
        let user = || std::env::var_os("XDG_CACHE_HOME").map(PathBuf::from);
        self.cache.clone().unwrap_or_else(|| {
            user()
                .or_else(home)
                .unwrap_or_else(std::env::temp_dir)
                .join("clinic-image")
        })
    }

    fn archive(
        &self,
        manifest: &Manifest,
        suites: &[String],
    ) -> Result<Archive, image_builder::packages::archive::ArchiveError> {
        Archive::set_up(&self.cache().join("apt"), &self.apt_sources, manifest, suites)
    }
}

pub(crate) fn lock(arguments: &LockArguments) -> Result<Said> {
    let manifest = Manifest::read(&arguments.input.manifest)?;
    let archive = arguments.archive.archive(&manifest, &manifest.all_suites())?;
    let lock = Lock::of(&manifest, &archive.refresh()?)?;
    let path = arguments.input.lock_path();
    fs::write(&path, lock.to_text()).with_context(|| path.display().to_string())?;
    Ok(Said {
        text: format!(
            "{}: {} packages, {}\n",
            path.display(),
            lock.packages.len(),
            Size(lock.bytes())
        ),
        object: json!({ "lock": path, "packages": lock.packages.len(), "bytes": lock.bytes() }),
        is_well: true,
    })
}

pub(crate) fn plan(arguments: &PlanArguments) -> Result<Said> {
    let (manifest, lock) = arguments.input.read()?;
    let packages: Vec<_> = lock
        .packages
        .iter()
        .map(|package| {
            json!({
                "name": package.name, "version": package.version, "suite": package.suite,
                "bytes": package.size, "sha256": package.sha256, "why": package.why,
            })
        })
        .collect();
    Ok(Said {
        text: plan::plan(&manifest, &lock),
        object: json!({ "image": manifest.name, "packages": packages, "bytes": lock.bytes() }),
        is_well: true,
    })
}

//! The verbs that make an image: `lock`, `plan`, `build`, `lint`.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, anyhow, bail};
use card::signed::PublicKey;
use card::state::Version;
use clap::Args;
use image_builder::image;
use image_builder::image::root::{Programs, System, assemble};
use image_builder::manifest::Manifest;
use image_builder::packages::archive::Archive;
use image_builder::packages::lock::Lock;
use image_builder::packages::store::Store;
use image_builder::plan;
use image_builder::size::Size;
use serde_json::json;

use crate::{Said, terminal};

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

/// Makes the card image, its block map and the list of its parts.
///
/// Needs no rights of root, no loop device and no emulation. What is cached is not fetched again.
#[derive(Args)]
pub(crate) struct BuildArguments {
    #[command(flatten)]
    system: SystemArguments,
    /// The folder for the image.
    #[arg(long, value_name = "DIR")]
    out: PathBuf,
    /// The release's number; a box refuses a smaller one than it has.
    #[arg(long, default_value_t = 1)]
    release: u64,
    /// The Cargo.lock of the box's program, for the list of parts.
    #[arg(long, value_name = "FILE")]
    crates: Option<PathBuf>,
    /// Print one JSON object.
    #[arg(long)]
    pub(crate) json: bool,
}

/// Looks over the root that `build` would make: libraries, units, accounts, rights, keys.
///
/// Exit code 1 where something is found.
#[derive(Args)]
pub(crate) struct LintArguments {
    #[command(flatten)]
    system: SystemArguments,
    /// Print one JSON object.
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Args)]
struct SystemArguments {
    #[command(flatten)]
    input: Input,
    #[command(flatten)]
    archive: ArchiveArguments,
    /// A folder that keeps the release's packages: looked in first, and each is copied there.
    #[arg(long, value_name = "DIR")]
    keep_packages: Option<PathBuf>,
    /// The program of the box, built for the image's processor.
    #[arg(long, value_name = "FILE")]
    appliance: PathBuf,
    /// The first program on the card, built for the image's processor without libraries.
    #[arg(long, value_name = "FILE")]
    init: PathBuf,
    /// The public half of the county's key (FILE.pub of `key`); without it boxes join by no card and take no updates.
    #[arg(long, value_name = "FILE")]
    county_key: Option<PathBuf>,
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

/// The text of a public key, checked: a secret one in its place would stand on every card.
fn county_key(path: &Path) -> Result<String> {
    let text = fs::read_to_string(path).with_context(|| path.display().to_string())?;
    if path.extension().is_none_or(|end| end != "pub") {
        bail!("{}: the public half of the key ends in .pub", path.display());
    }
    let key = PublicKey::parse(text.trim()).with_context(|| path.display().to_string())?;
    Ok(format!("{key}\n"))
}

/// Fetches what is missing and joins it, with a line of progress on a terminal.
fn system(arguments: &SystemArguments) -> Result<(Manifest, Lock, System)> {
    let (manifest, lock) = arguments.input.read()?;
    let store = Store {
        cache: arguments.archive.cache().join("packages"),
        keep: arguments.keep_packages.clone(),
    };
    let suites: BTreeSet<String> = lock
        .packages
        .iter()
        .map(|package| package.suite.clone())
        .collect();
    let suites: Vec<String> = suites.into_iter().collect();
    let fetching = terminal::line("packages", lock.bytes());
    let files = store.files(
        &lock,
        || arguments.archive.archive(&manifest, &suites),
        |bytes| fetching.inc(bytes),
    )?;
    fetching.finish_and_clear();
    let programs = Programs {
        appliance: arguments.appliance.clone(),
        init: arguments.init.clone(),
        county_key: arguments.county_key.as_deref().map(county_key).transpose()?,
    };
    let unpacking = terminal::line("unpacking", lock.bytes());
    let system = assemble(&manifest, &lock, &files, &programs, |_, bytes| {
        unpacking.inc(bytes)
    })?;
    unpacking.finish_and_clear();
    Ok((manifest, lock, system))
}

pub(crate) fn build(arguments: &BuildArguments) -> Result<Said> {
    let (manifest, lock, mut system) = system(&arguments.system)?;
    system.set_release(Version(arguments.release));
    let findings = image::lint::lint(&system.root, &system.accounts, &manifest);
    if !findings.is_empty() {
        bail!("no image was made: {}", findings.join("; "));
    }
    let written = image::disk::write(&manifest, &system, Version(arguments.release), &arguments.out)?;
    let crates = match &arguments.crates {
        Some(path) => Some(fs::read_to_string(path).with_context(|| path.display().to_string())?),
        None => None,
    };
    let parts = image::sbom::spdx(&lock, &written.sha256, crates.as_deref())
        .map_err(|error| anyhow!("the list of crates cannot be read: {error}"))?;
    let list = arguments.out.join(format!("{}.spdx.json", manifest.name));
    fs::write(&list, parts).with_context(|| list.display().to_string())?;
    Ok(Said {
        text: format!(
            "{}: {}, of which {} are written to a card\nroot {}, boot {}, kernel {}\nsha256 {}\n",
            written.image.display(),
            Size(written.bytes),
            Size(written.mapped),
            Size(written.root),
            Size(written.boot),
            system.kernel_version,
            written.sha256
        ),
        object: json!({
            "image": written.image, "bytes": written.bytes, "mapped_bytes": written.mapped,
            "root_bytes": written.root, "boot_bytes": written.boot, "kernel": system.kernel_version,
            "sha256": written.sha256, "parts": list,
        }),
        is_well: true,
    })
}

pub(crate) fn lint(arguments: &LintArguments) -> Result<Said> {
    let (manifest, _, system) = system(&arguments.system)?;
    let findings = image::lint::lint(&system.root, &system.accounts, &manifest);
    let text = match findings.as_slice() {
        [] => "nothing found\n".to_owned(),
        findings => findings.iter().map(|finding| format!("{finding}\n")).collect(),
    };
    Ok(Said {
        text,
        is_well: findings.is_empty(),
        object: json!({ "findings": findings }),
    })
}

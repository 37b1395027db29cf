//! Joins unpacked packages, our own files and the built programs to what boots and what runs.

use std::fs;
use std::path::{Path, PathBuf};

use card::state::Version;

use crate::image::accounts::Accounts;
use crate::image::modules::{self, Chosen};
use crate::image::pattern::name_matches;
use crate::image::tree::{Kind, Node, Tree};
use crate::image::{BuildError, deb, initrd, units};
use crate::manifest::Manifest;
use crate::packages::lock::Lock;

/// The marks of a plain kernel image for arm64 ("Documentation/arch/arm64/booting.rst" of Linux), and where it stands.
const ARM64_IMAGE: (usize, &[u8]) = (56, b"ARM\x64");
/// The box's program in the root.
pub const PROGRAM: &str = "usr/bin/appliance";

/// The county's public key in the root.
pub const COUNTY_KEY: &str = "etc/clinic/county.pub";

/// The programs that were built for the box.
#[derive(Debug, Clone)]
pub struct Programs {
    /// The box itself.
    pub appliance: PathBuf,
    /// The first program on the card; it must need no library.
    pub init: PathBuf,
    /// The county's public key, where the image is made for one.
    pub county_key: Option<String>,
}

/// What stands in a slot, before it becomes partitions.
#[derive(Debug)]
pub struct System {
    /// The root.
    pub root: Tree,
    /// The accounts in it.
    pub accounts: Accounts,
    /// The kernel.
    pub kernel: Vec<u8>,
    /// The kernel's version.
    pub kernel_version: String,
    /// What the kernel unpacks first.
    pub initrd: Vec<u8>,
    /// Firmware and device trees for the boot partition, by name.
    pub firmware: Vec<(String, Vec<u8>)>,
}

/// The release's number in the root: with it, the roots of two releases are never the same, and a first program knows its
/// own slot by the root that it was started for.
const RELEASE: &str = "etc/clinic/release";

impl System {
    /// Writes the release's number into the root.
    pub fn set_release(&mut self, release: Version) {
        let text = format!("{release}\n");
        self.root.put(RELEASE, Node::file(text.into_bytes(), 0o644));
    }
}

/// Makes a system of package files, in the lock's order.
///
/// # Errors
/// [`BuildError`].
pub fn assemble(
    manifest: &Manifest,
    lock: &Lock,
    files: &[PathBuf],
    programs: &Programs,
    mut unpacked: impl FnMut(&str, u64),
) -> Result<System, BuildError> {
    let mut root = Tree::default();
    for (package, path) in lock.packages.iter().zip(files) {
        let bytes = fs::read(path).map_err(BuildError::file(path))?;
        deb::unpack(&package.name, &bytes, &mut root)?;
        unpacked(&package.name, package.size);
    }
    // Nobody signs in on a box, so hardly a program of the packages has use for another user's rights.
    root.take_rights(&manifest.setuid);
    for folder in &manifest.files {
        root.lay_over(folder)?;
    }
    let (kernel, kernel_version) = kernel(&root)?;
    let firmware = firmware(&root, &manifest.boot)?;
    let chosen = modules::choose(&mut root, &manifest.modules)?;
    root.thin(&manifest.drop, &manifest.keep);
    let accounts = Accounts::of(&root);
    accounts.write(&mut root);
    let appliance = program(&programs.appliance, &manifest.architecture)?;
    root.put(PROGRAM, Node::file(appliance, 0o755));
    if let Some(key) = &programs.county_key {
        root.put(COUNTY_KEY, Node::file(key.clone().into_bytes(), 0o644));
    }
    units::apply(&mut root, &manifest.units)?;
    let init = program(&programs.init, &manifest.architecture)?;
    Ok(System {
        root,
        accounts,
        kernel,
        kernel_version,
        initrd: first_root(init, &chosen),
        firmware,
    })
}

fn kernel(root: &Tree) -> Result<(Vec<u8>, String), BuildError> {
    let found = root
        .files_in("boot", "")
        .find_map(|(path, bytes)| Some((path.strip_prefix("boot/vmlinuz-")?.to_owned(), bytes)));
    let (version, bytes) = found.ok_or_else(|| BuildError::Absent {
        what: "a kernel".to_owned(),
    })?;
    let (at, mark) = ARM64_IMAGE;
    if bytes.get(at..at + mark.len()) != Some(mark) {
        return Err(BuildError::Other(format!(
            "the kernel {version} is not the plain image that the firmware loads"
        )));
    }
    Ok((bytes.to_vec(), version))
}

/// Files that a pattern `FOLDER//NAME` names, under their name; a star may stand in either half.
fn firmware(root: &Tree, patterns: &[String]) -> Result<Vec<(String, Vec<u8>)>, BuildError> {
    let mut files = Vec::new();
    for pattern in patterns {
        let (folder, name) = pattern.split_once("//").unwrap_or(("", pattern));
        let folder: Vec<&str> = folder.split('/').collect();
        let mut found = root.iter().filter_map(|(path, node)| {
            let (above, file) = path.rsplit_once('/')?;
            let above: Vec<&str> = above.split('/').collect();
            let is_there = above.len() == folder.len()
                && above
                    .iter()
                    .zip(&folder)
                    .all(|(name, pattern)| name_matches(pattern, name))
                && name_matches(name, file);
            match &node.kind {
                Kind::File(bytes) if is_there => Some((file.to_owned(), bytes.to_vec())),
                Kind::File(_) | Kind::Folder | Kind::Link(_) => None,
            }
        });
        let first = found.next().ok_or_else(|| BuildError::Absent {
            what: format!("the boot file {pattern}"),
        })?;
        files.push(first);
        files.extend(found);
    }
    Ok(files)
}

/// Reads a built program and checks that it is one for the image's processor.
fn program(path: &Path, architecture: &str) -> Result<Vec<u8>, BuildError> {
    use object::{Architecture, Object};
    let bytes = fs::read(path).map_err(BuildError::file(path))?;
    let other = |what: String| BuildError::OtherMachine {
        path: path.to_owned(),
        wanted: architecture.to_owned(),
        what,
    };
    let file = object::File::parse(&bytes[..]).map_err(|error| other(error.to_string()))?;
    match (file.architecture(), architecture) {
        (Architecture::Aarch64, "arm64") => {}
        (found, _) => return Err(other(format!("it is for {found:?}"))),
    }
    drop(file);
    Ok(bytes)
}

/// Where the first program finds the modules, in the order of their names.
pub const FIRST_MODULES: &str = "modules";

fn first_root(init: Vec<u8>, chosen: &Chosen) -> Vec<u8> {
    let mut tree = Tree::default();
    for folder in ["dev", "proc", "root", "run", "sys", "system"] {
        tree.put(folder, Node::folder(0o755));
    }
    tree.put("init", Node::file(init, 0o755));
    for (number, (name, bytes)) in chosen.first.iter().enumerate() {
        let path = format!("{FIRST_MODULES}/{number:03}-{name}.ko");
        tree.put(&path, Node::file(bytes.clone(), 0o644));
    }
    initrd::archive(&tree)
}

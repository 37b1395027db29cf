//! Kernel modules: those that a box needs, with what they need themselves, out of the four thousand of a kernel.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io::Read;
use std::process::Command;

use object::{Object, ObjectSection};

use crate::image::BuildError;
use crate::image::tree::{Node, Tree};
use crate::manifest::Modules;

/// Where modules lie.
const FOLDER: &str = "usr/lib/modules";
/// Longest module in bytes.
const MODULE_MAX: u64 = 64 << 20;

/// One module.
#[derive(Debug, Clone)]
struct Module {
    /// Its path below the folder of the kernel's version, without the ending of its compression.
    path: String,
    bytes: Vec<u8>,
    /// Names of those that must be loaded before it.
    before: Vec<String>,
}

/// The modules of an image.
#[derive(Debug, Default)]
pub struct Chosen {
    /// The kernel's version.
    pub version: String,
    /// Name and content of those that the first program loads, in order.
    pub first: Vec<(String, Vec<u8>)>,
    all: BTreeMap<String, Module>,
}

/// The name of a module as the kernel has it.
fn name_of(path: &str) -> String {
    let file = path.rsplit('/').next().unwrap_or(path);
    file.split(".ko").next().unwrap_or(file).replace('-', "_")
}

/// Chooses the modules of a manifest from the tree, and takes all others out of it.
///
/// # Errors
/// [`BuildError::Absent`] with a module that the kernel does not have.
pub fn choose(tree: &mut Tree, wanted: &Modules) -> Result<Chosen, BuildError> {
    let mut shelf = Shelf::of(tree)?;
    let mut first = Vec::new();
    for name in &wanted.first {
        shelf.take(name, &mut first)?;
    }
    let mut rest = first.clone();
    for name in &wanted.root {
        match name.strip_suffix('/') {
            None => shelf.take(name, &mut rest)?,
            Some(folder) => {
                let inside: Vec<String> = shelf
                    .paths
                    .iter()
                    .filter(|(_, path)| path.contains(&format!("/{folder}/")))
                    .map(|(name, _)| name.clone())
                    .collect();
                for name in inside {
                    shelf.take(&name, &mut rest)?;
                }
            }
        }
    }
    let (version, taken) = (shelf.version.clone(), std::mem::take(&mut shelf.taken));
    tree.thin(&[format!("{FOLDER}/{version}/kernel/**")], &[]);
    for module in taken.values() {
        let path = format!("{FOLDER}/{version}/{}", module.path);
        tree.put(&path, Node::file(module.bytes.clone(), 0o644));
    }
    let first = first
        .into_iter()
        .filter_map(|name| {
            taken
                .get(&name)
                .map(|module| (name.clone(), module.bytes.clone()))
        })
        .collect();
    let chosen = Chosen {
        version,
        first,
        all: taken,
    };
    index(tree, &chosen)?;
    Ok(chosen)
}

struct Shelf<'a> {
    tree: &'a Tree,
    version: String,
    /// Paths by name.
    paths: BTreeMap<String, String>,
    built_in: BTreeSet<String>,
    taken: BTreeMap<String, Module>,
}

impl<'a> Shelf<'a> {
    fn of(tree: &'a Tree) -> Result<Self, BuildError> {
        let absent = || BuildError::Absent {
            what: "a kernel".to_owned(),
        };
        let (path, built_in) = tree
            .files_in(FOLDER, "/modules.builtin")
            .next()
            .ok_or_else(absent)?;
        let version = path.split('/').nth(3).ok_or_else(absent)?.to_owned();
        let built_in = String::from_utf8_lossy(built_in).lines().map(name_of).collect();
        let paths = tree
            .files_in(FOLDER, "")
            .filter(|(path, _)| path.contains(".ko"))
            .map(|(path, _)| (name_of(path), path.to_owned()))
            .collect();
        Ok(Self {
            tree,
            version,
            paths,
            built_in,
            taken: BTreeMap::new(),
        })
    }

    /// Takes a module after those that it needs, and writes the order down.
    fn take(&mut self, name: &str, order: &mut Vec<String>) -> Result<(), BuildError> {
        let name = name_of(name);
        if self.built_in.contains(&name) || order.contains(&name) {
            return Ok(());
        }
        let module = match self.taken.get(&name) {
            Some(module) => module.clone(),
            None => {
                let module = self.read(&name)?;
                self.taken.insert(name.clone(), module.clone());
                module
            }
        };
        for before in &module.before {
            self.take(before, order)?;
        }
        if !order.contains(&name) {
            order.push(name);
        }
        Ok(())
    }

    fn read(&self, name: &str) -> Result<Module, BuildError> {
        let absent = || BuildError::Absent {
            what: format!("the kernel module {name}"),
        };
        let path = self.paths.get(name).ok_or_else(absent)?;
        let packed = self.tree.content(path).ok_or_else(absent)?;
        let wrong = |what: String| BuildError::Other(format!("the kernel module {name}: {what}"));
        let mut bytes = Vec::new();
        let plain = match path.strip_suffix(".xz") {
            Some(plain) => {
                liblzma::read::XzDecoder::new(&packed[..])
                    .take(MODULE_MAX)
                    .read_to_end(&mut bytes)
                    .map_err(|error| wrong(error.to_string()))?;
                plain
            }
            None => {
                bytes.extend_from_slice(packed);
                path
            }
        };
        let before = needs(&bytes).map_err(wrong)?;
        let below = format!("{FOLDER}/{}/", self.version);
        let before = before
            .into_iter()
            // A module that is only wished for may not exist on this kernel.
            .filter(|(other, is_needed)| *is_needed || self.paths.contains_key(other))
            .map(|(other, _)| other)
            .collect();
        Ok(Module {
            path: plain.strip_prefix(&below).unwrap_or(plain).to_owned(),
            bytes,
            before,
        })
    }
}

/// What a module needs (`true`) or wishes for (`false`) before it, as it says itself.
fn needs(module: &[u8]) -> Result<Vec<(String, bool)>, String> {
    let file = object::File::parse(module).map_err(|error| error.to_string())?;
    let section = file
        .section_by_name(".modinfo")
        .ok_or("it says nothing of itself")?;
    let data = section.data().map_err(|error| error.to_string())?;
    let mut needs = Vec::new();
    for line in data.split(|byte| *byte == 0) {
        let line = String::from_utf8_lossy(line);
        if let Some(list) = line.strip_prefix("depends=") {
            let names = list.split(',').filter(|name| !name.is_empty());
            needs.extend(names.map(|name| (name_of(name), true)));
        } else if let Some(list) = line.strip_prefix("softdep=") {
            let mut is_before = false;
            for word in list.split_whitespace() {
                match word {
                    "pre:" => is_before = true,
                    "post:" => is_before = false,
                    name if is_before => needs.push((name_of(name), false)),
                    _ => {}
                }
            }
        }
    }
    Ok(needs)
}

/// Writes the indexes that udev and `modprobe` read, by the machine's `depmod`: it reads modules of any processor.
fn index(tree: &mut Tree, chosen: &Chosen) -> Result<(), BuildError> {
    let scratch = scratch()?;
    let version = &chosen.version;
    let folder = scratch.0.join("lib/modules").join(version);
    let inside = format!("{FOLDER}/{version}");
    for module in chosen.all.values() {
        put(&folder.join(&module.path), &module.bytes)?;
    }
    for list in ["modules.builtin", "modules.builtin.modinfo", "modules.order"] {
        if let Some(bytes) = tree.content(&format!("{inside}/{list}")) {
            put(&folder.join(list), bytes)?;
        }
    }
    let mut command = Command::new("depmod");
    let path = std::env::var("PATH").unwrap_or_default();
    command.env("PATH", format!("{path}:/usr/sbin:/sbin"));
    let output = command
        .arg("-b")
        .arg(&scratch.0)
        .arg(version)
        .output()
        .map_err(|_| BuildError::Missing {
            program: "depmod",
            package: "kmod",
        })?;
    if !output.status.success() {
        let words = String::from_utf8_lossy(&output.stderr);
        return Err(BuildError::Other(format!("depmod: {}", words.trim())));
    }
    for entry in fs::read_dir(&folder).map_err(BuildError::file(&folder))? {
        let path = entry.map_err(BuildError::file(&folder))?.path();
        let name = path
            .file_name()
            .unwrap_or_default()
            .to_string_lossy()
            .into_owned();
        if path.is_file() && name.starts_with("modules.") {
            let bytes = fs::read(&path).map_err(BuildError::file(&path))?;
            tree.put(&format!("{inside}/{name}"), Node::file(bytes, 0o644));
        }
    }
    Ok(())
}

fn put(path: &std::path::Path, bytes: &[u8]) -> Result<(), BuildError> {
    if let Some(parent) = path.parent() {
        fs::create_dir_all(parent).map_err(BuildError::file(parent))?;
    }
    fs::write(path, bytes).map_err(BuildError::file(path))
}

/// A folder that goes when it is no longer needed.
struct Scratch(std::path::PathBuf);

impl Drop for Scratch {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

fn scratch() -> Result<Scratch, BuildError> {
    let name = format!("clinic-modules-{:016x}", rand::random::<u64>());
    let path = std::env::temp_dir().join(name);
    fs::create_dir(&path).map_err(BuildError::file(&path))?;
    Ok(Scratch(path))
}

//! Manifests: what an image is made of, as a person writes it down. One builds on another, so that `clinic` says
//! only what `base` does not.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use serde::Deserialize;

/// Longest chain of manifests that build on each other.
const CHAIN_MAX: usize = 8;
/// Longest manifest file in bytes.
const FILE_MAX: u64 = 256 << 10;

/// What an image is made of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Manifest {
    /// Its name, also that of the image.
    pub name: String,
    /// Debian's word for the processor: `arm64`.
    pub architecture: String,
    /// Suites that packages come from; the newest version of all of them is taken.
    pub suites: Vec<String>,
    /// Parts of the archive.
    pub components: Vec<String>,
    /// Packages that are asked for.
    pub packages: Vec<String>,
    /// Packages that come from a suite of their own, by suite.
    pub packages_from: BTreeMap<String, Vec<String>>,
    /// Packages that others need and the image does without, each with its reason.
    pub leave_out: BTreeMap<String, String>,
    /// Folders whose content is laid over the unpacked packages, in this order.
    pub files: Vec<PathBuf>,
    /// Paths of packages that stay out of the image; `*` stands for a piece of a name, `**` for any folders.
    pub drop: Vec<String>,
    /// Paths that stay although a pattern of `drop` names them.
    pub keep: Vec<String>,
    /// Kernel modules.
    pub modules: Modules,
    /// Units of systemd.
    pub units: Units,
    /// Programs that may keep their set-user or set-group bit, by path.
    pub setuid: Vec<String>,
    /// Words that the kernel is started with, beside those that the builder adds.
    pub cmdline: String,
    /// Files of packages that go to the boot partition: the Raspberry Pi's firmware and device trees. The part of a
    /// path after a `//` is where a file goes.
    pub boot: Vec<String>,
    /// Sizes on the card.
    pub card: CardSizes,
}

/// Kernel modules, by name; what they need is added.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Modules {
    /// Those that the first program loads before there is a root, in this order.
    #[serde(default)]
    pub first: Vec<String>,
    /// Those that stay in the root, for udev to load: names, or folders ending in `/`.
    #[serde(default)]
    pub root: Vec<String>,
}

/// Units of systemd that are switched on, and others that must never start.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Units {
    /// Started at boot.
    #[serde(default)]
    pub enable: Vec<String>,
    /// Never started.
    #[serde(default)]
    pub mask: Vec<String>,
    /// What a boot ends in.
    #[serde(default)]
    pub default: Option<String>,
}

/// Sizes of the partitions in MiB.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct CardSizes {
    /// The partition that chooses a slot and holds the clinic's identity.
    #[serde(default)]
    pub select_mib: Option<u32>,
    /// Each of the two boot slots.
    #[serde(default)]
    pub boot_mib: Option<u32>,
    /// Each of the two root slots.
    #[serde(default)]
    pub root_mib: Option<u32>,
    /// The data partition, before it grows at the first start.
    #[serde(default)]
    pub data_mib: Option<u32>,
}

/// Why a manifest cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum ManifestError {
    /// It cannot be read.
    #[error("the manifest {} cannot be read: {error}", path.display())]
    Unread {
        /// Its file.
        path: PathBuf,
        /// Why.
        error: std::io::Error,
    },
    /// It says something that no manifest says.
    #[error("the manifest {}, line {line}: {what}", path.display())]
    Form {
        /// Its file.
        path: PathBuf,
        /// The line, from 1 on.
        line: usize,
        /// What is wrong.
        what: String,
    },
    /// Something is not said.
    #[error("the manifest {} does not say its {key}", path.display())]
    Lacks {
        /// Its file.
        path: PathBuf,
        /// What it does not say.
        key: &'static str,
    },
    /// They build on each other in a ring.
    #[error("the manifest {} builds on more than {CHAIN_MAX} others, or on itself", path.display())]
    Ring {
        /// Its file.
        path: PathBuf,
    },
}

/// A manifest's file, before it is joined with the one that it builds on.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
struct Page {
    base: Option<PathBuf>,
    name: Option<String>,
    architecture: Option<String>,
    #[serde(default)]
    suites: Vec<String>,
    #[serde(default)]
    components: Vec<String>,
    #[serde(default)]
    packages: Vec<String>,
    #[serde(default)]
    packages_from: BTreeMap<String, Vec<String>>,
    #[serde(default)]
    leave_out: BTreeMap<String, String>,
    #[serde(default)]
    files: Vec<PathBuf>,
    #[serde(default)]
    drop: Vec<String>,
    #[serde(default)]
    keep: Vec<String>,
    #[serde(default)]
    modules: Modules,
    #[serde(default)]
    units: Units,
    #[serde(default)]
    setuid: Vec<String>,
    #[serde(default)]
    cmdline: Vec<String>,
    #[serde(default)]
    boot: Vec<String>,
    #[serde(default)]
    card: CardSizes,
}

impl Manifest {
    /// Reads a manifest and those that it builds on.
    ///
    /// # Errors
    /// [`ManifestError`] with the file and the line.
    pub fn read(path: &Path) -> Result<Self, ManifestError> {
        let mut pages = Vec::new();
        let mut next = Some(path.to_owned());
        while let Some(path) = next {
            if pages.len() == CHAIN_MAX {
                return Err(ManifestError::Ring { path });
            }
            let page = read_page(&path)?;
            next = page.base.as_ref().map(|base| beside(&path, base));
            pages.push(page);
        }
        let mut whole = Page::default();
        for page in pages.into_iter().rev() {
            whole.extend(page);
        }
        whole.finish(path)
    }

    /// Every suite that any package comes from.
    pub fn all_suites(&self) -> Vec<String> {
        let mut suites = self.suites.clone();
        for suite in self.packages_from.keys() {
            if !suites.contains(suite) {
                suites.push(suite.clone());
            }
        }
        suites
    }
}

fn beside(page: &Path, other: &Path) -> PathBuf {
    page.parent().unwrap_or(Path::new("")).join(other)
}

fn read_page(path: &Path) -> Result<Page, ManifestError> {
    let unread = |error| ManifestError::Unread {
        path: path.to_owned(),
        error,
    };
    if std::fs::metadata(path).map_err(unread)?.len() > FILE_MAX {
        return Err(unread(std::io::Error::other("it is too long")));
    }
    let text = std::fs::read_to_string(path).map_err(unread)?;
    let mut page: Page = toml::from_str(&text).map_err(|error| {
        let at = error.span().map_or(0, |span| span.start.min(text.len()));
        ManifestError::Form {
            path: path.to_owned(),
            line: text.as_bytes()[..at].iter().filter(|b| **b == b'\n').count() + 1,
            what: error.message().to_owned(),
        }
    })?;
    for folder in &mut page.files {
        *folder = beside(path, folder);
    }
    Ok(page)
}

impl Page {
    /// Lists grow, single values are replaced.
    fn extend(&mut self, later: Self) {
        let replace = |old: &mut Option<String>, new: Option<String>| {
            if new.is_some() {
                *old = new;
            }
        };
        replace(&mut self.name, later.name);
        replace(&mut self.architecture, later.architecture);
        replace(&mut self.units.default, later.units.default);
        let lists = [
            (&mut self.suites, later.suites),
            (&mut self.components, later.components),
            (&mut self.packages, later.packages),
            (&mut self.drop, later.drop),
            (&mut self.keep, later.keep),
            (&mut self.modules.first, later.modules.first),
            (&mut self.modules.root, later.modules.root),
            (&mut self.units.enable, later.units.enable),
            (&mut self.units.mask, later.units.mask),
            (&mut self.setuid, later.setuid),
            (&mut self.cmdline, later.cmdline),
            (&mut self.boot, later.boot),
        ];
        for (list, more) in lists {
            for item in more {
                if !list.contains(&item) {
                    list.push(item);
                }
            }
        }
        self.files.extend(later.files);
        self.leave_out.extend(later.leave_out);
        for (suite, names) in later.packages_from {
            self.packages_from.entry(suite).or_default().extend(names);
        }
        let sizes = [
            (&mut self.card.select_mib, later.card.select_mib),
            (&mut self.card.boot_mib, later.card.boot_mib),
            (&mut self.card.root_mib, later.card.root_mib),
            (&mut self.card.data_mib, later.card.data_mib),
        ];
        for (size, new) in sizes {
            *size = new.or(*size);
        }
    }

    fn finish(self, path: &Path) -> Result<Manifest, ManifestError> {
        let lacks = |key| ManifestError::Lacks {
            path: path.to_owned(),
            key,
        };
        if self.suites.is_empty() {
            return Err(lacks("suites"));
        }
        Ok(Manifest {
            name: self.name.ok_or_else(|| lacks("name"))?,
            architecture: self.architecture.ok_or_else(|| lacks("architecture"))?,
            suites: self.suites,
            components: self.components,
            packages: self.packages,
            packages_from: self.packages_from,
            leave_out: self.leave_out,
            files: self.files,
            drop: self.drop,
            keep: self.keep,
            modules: self.modules,
            units: self.units,
            setuid: self.setuid,
            cmdline: self.cmdline.join(" "),
            boot: self.boot,
            card: self.card,
        })
    }
}

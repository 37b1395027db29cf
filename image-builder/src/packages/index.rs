//! The index of an archive: which packages there are, and what each needs. The text was checked by apt against the
//! archive's signature; it is still parsed as text from outside.

use std::collections::BTreeMap;

use crate::packages::version::Version;

/// Most packages of one index: Debian's main holds 68,200.
const PACKAGES_MAX: usize = 1 << 19;

/// One package of an index.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Package {
    /// Its name.
    pub name: String,
    /// Its version.
    pub version: Version,
    /// `arm64` or `all`.
    pub architecture: String,
    /// The suite whose index lists it.
    pub suite: String,
    /// Its path inside the archive.
    pub file: String,
    /// Bytes of its file.
    pub size: u64,
    /// SHA-256 of its file, hex.
    pub sha256: String,
    /// A system is not whole without it; nothing names it as needed.
    pub essential: bool,
    /// What it needs, before and after unpacking.
    pub depends: Vec<Need>,
    /// What must not stand beside it.
    pub conflicts: Vec<Need>,
    /// Names that it stands for, some with a version.
    pub provides: Vec<(String, Option<Version>)>,
}

/// Alternatives of which one must do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Need(pub Vec<Wish>);

/// A package by name, some with a bound on its version.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Wish {
    /// The name.
    pub name: String,
    /// The bound.
    pub bound: Option<(Relation, Version)>,
}

/// How a version must stand to the one of the bound.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Relation {
    /// `<<`
    Before,
    /// `<=`
    UpTo,
    /// `=`
    Exactly,
    /// `>=`
    From,
    /// `>>`
    After,
}

/// Why an index cannot be read.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error("the index of {suite} cannot be read: package {package}: {what}")]
pub struct IndexError {
    /// Whose index.
    pub suite: String,
    /// Which entry.
    pub package: String,
    /// What is wrong.
    pub what: String,
}

/// All packages of some suites, by name.
#[derive(Debug, Default, Clone)]
pub struct Index {
    by_name: BTreeMap<String, Vec<Package>>,
    providers: BTreeMap<String, Vec<String>>,
    count: usize,
}

impl Index {
    /// Adds the packages of one suite, in the form of an archive's `Packages` file.
    ///
    /// # Errors
    /// [`IndexError`] with the entry that is wrong.
    pub fn add(&mut self, suite: &str, text: &str) -> Result<(), IndexError> {
        for paragraph in text.split("\n\n").filter(|p| !p.trim().is_empty()) {
            let package = parse(suite, paragraph)?;
            self.count += 1;
            if self.count > PACKAGES_MAX {
                return Err(IndexError {
                    suite: suite.to_owned(),
                    package: package.name,
                    what: "there are too many packages".to_owned(),
                });
            }
            for (name, _) in &package.provides {
                let providers = self.providers.entry(name.clone()).or_default();
                if !providers.contains(&package.name) {
                    providers.push(package.name.clone());
                }
            }
            self.by_name
                .entry(package.name.clone())
                .or_default()
                .push(package);
        }
        Ok(())
    }

    /// All versions of a package.
    pub fn named(&self, name: &str) -> &[Package] {
        self.by_name.get(name).map_or(&[], Vec::as_slice)
    }

    /// Names of the packages that stand for a name, in the order of the alphabet.
    pub fn providers(&self, name: &str) -> Vec<&str> {
        let mut names: Vec<&str> = self
            .providers
            .get(name)
            .into_iter()
            .flatten()
            .map(String::as_str)
            .collect();
        names.sort_unstable();
        names
    }

    /// Names of the packages without which no system is whole.
    pub fn essential(&self) -> impl Iterator<Item = &str> {
        self.by_name
            .iter()
            .filter(|(_, versions)| versions.iter().any(|package| package.essential))
            .map(|(name, _)| name.as_str())
    }
}

impl Package {
    /// Whether it meets a wish, by its own name or by one that it stands for.
    pub fn meets(&self, wish: &Wish) -> bool {
        if self.name == wish.name && wish.allows(&self.version) {
            return true;
        }
        self.provides.iter().any(|(name, version)| {
            // A name without a version meets no bound (deb-control, "Provides").
            *name == wish.name
                && match (version, &wish.bound) {
                    (_, None) => true,
                    (Some(version), Some(_)) => wish.allows(version),
                    (None, Some(_)) => false,
                }
        })
    }
}

impl Wish {
    fn allows(&self, version: &Version) -> bool {
        match &self.bound {
            None => true,
            Some((Relation::Before, bound)) => version < bound,
            Some((Relation::UpTo, bound)) => version <= bound,
            Some((Relation::Exactly, bound)) => version == bound,
            Some((Relation::From, bound)) => version >= bound,
            Some((Relation::After, bound)) => version > bound,
        }
    }

    fn parse(text: &str) -> Option<Self> {
        let (name, bound) = match text.split_once('(') {
            None => (text, None),
            Some((name, bound)) => {
                let bound = bound.trim().strip_suffix(')')?.trim();
                let split = bound.find(|c: char| !"<>=".contains(c))?;
                let relation = match &bound[..split] {
                    "<<" => Relation::Before,
                    "<=" => Relation::UpTo,
                    "=" => Relation::Exactly,
                    ">=" => Relation::From,
                    ">>" => Relation::After,
                    _ => return None,
                };
                (name, Some((relation, Version::new(&bound[split..]))))
            }
        };
        // `:any` speaks of architectures; all packages of an image are of one.
        let name = name.trim().split(':').next()?;
        let is_name = !name.is_empty()
            && name
                .bytes()
                .all(|b| b.is_ascii_alphanumeric() || b"+-._".contains(&b));
        is_name.then(|| Self {
            name: name.to_owned(),
            bound,
        })
    }
}

fn needs(text: &str) -> Result<Vec<Need>, String> {
    text.split(',')
        .map(str::trim)
        .filter(|group| !group.is_empty())
        .map(|group| {
            let wishes: Option<Vec<Wish>> = group.split('|').map(Wish::parse).collect();
            wishes.map(Need).ok_or_else(|| format!("it needs \"{group}\""))
        })
        .collect()
}

fn parse(suite: &str, paragraph: &str) -> Result<Package, IndexError> {
    let mut fields: BTreeMap<String, String> = BTreeMap::new();
    let mut last = String::new();
    for line in paragraph.lines() {
        if line.starts_with([' ', '\t']) {
            if let Some(value) = fields.get_mut(&last) {
                value.push(' ');
                value.push_str(line.trim());
            }
        } else if let Some((name, value)) = line.split_once(':') {
            last = name.to_ascii_lowercase();
            fields.insert(last.clone(), value.trim().to_owned());
        }
    }
    let wrong = |what: String| IndexError {
        suite: suite.to_owned(),
        package: fields.get("package").cloned().unwrap_or_default(),
        what,
    };
    let get = |name: &str| {
        fields
            .get(name)
            .cloned()
            .ok_or_else(|| wrong(format!("{name} is not there")))
    };
    let list = |name: &str| needs(fields.get(name).map_or("", String::as_str)).map_err(&wrong);
    let mut depends = list("pre-depends")?;
    depends.extend(list("depends")?);
    let mut conflicts = list("conflicts")?;
    conflicts.extend(list("breaks")?);
    let provides = list("provides")?
        .into_iter()
        .flat_map(|need| need.0)
        .map(|wish| (wish.name, wish.bound.map(|(_, version)| version)))
        .collect();
    let file = get("filename")?;
    if file.starts_with('/') || file.split('/').any(|part| part == "..") {
        return Err(wrong("its file lies outside the archive".to_owned()));
    }
    let sha256 = get("sha256")?;
    if sha256.len() != 64 || !sha256.bytes().all(|b| b.is_ascii_hexdigit()) {
        return Err(wrong("its hash is none".to_owned()));
    }
    let size = get("size")?;
    Ok(Package {
        name: get("package")?,
        version: Version::new(&get("version")?),
        architecture: get("architecture")?,
        suite: suite.to_owned(),
        size: size
            .parse()
            .map_err(|_| wrong(format!("its size is \"{size}\"")))?,
        essential: fields.get("essential").is_some_and(|value| value == "yes"),
        file,
        sha256,
        depends,
        conflicts,
        provides,
    })
}

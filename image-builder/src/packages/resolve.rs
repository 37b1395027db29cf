//! Which packages an image is made of: those that the manifest asks for, the essential ones, and what they need.
//!
//! A choice is the same on every machine: the newest version of the suites, of alternatives the one that is there
//! already, else the first.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use crate::manifest::Manifest;
use crate::packages::index::{Index, Need, Package, Wish};

/// A package with the reason why it is there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Chosen {
    /// The package.
    pub package: Package,
    /// `asked for`, `essential`, or `needed by NAME`.
    pub why: String,
}

/// Why no set of packages fits a manifest.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum ResolveError {
    /// It is in none of the suites.
    #[error("the package {name} ({why}) is in none of the suites {suites}")]
    Unknown {
        /// The package.
        name: String,
        /// Why it is wanted.
        why: String,
        /// Where it was looked for.
        suites: String,
    },
    /// Nothing meets what a package needs.
    #[error("{package} needs {need}, and nothing in the suites meets that")]
    Unmet {
        /// Who needs.
        package: String,
        /// What.
        need: String,
    },
    /// Two packages do not stand each other.
    #[error("{one} and {other} cannot stand in one image")]
    Conflict {
        /// One of them.
        one: String,
        /// The other.
        other: String,
    },
    /// The manifest leaves out what it asks for.
    #[error("the manifest asks for {0} and leaves it out")]
    AskedAndLeftOut(String),
}

/// Chooses the packages of an image, by name.
///
/// # Errors
/// [`ResolveError`] with the package that does not fit.
pub fn resolve(manifest: &Manifest, index: &Index) -> Result<BTreeMap<String, Chosen>, ResolveError> {
    let mut choice = Choice {
        manifest,
        index,
        chosen: BTreeMap::new(),
        waiting: VecDeque::new(),
    };
    let mut asked: BTreeSet<&str> = manifest.packages.iter().map(String::as_str).collect();
    asked.extend(manifest.packages_from.values().flatten().map(String::as_str));
    for name in asked {
        if manifest.leave_out.contains_key(name) {
            return Err(ResolveError::AskedAndLeftOut(name.to_owned()));
        }
        choice.take_named(name, "asked for")?;
    }
    let essential: Vec<&str> = index.essential().collect();
    for name in essential {
        if !manifest.leave_out.contains_key(name) {
            choice.take_named(name, "essential")?;
        }
    }
    while let Some(name) = choice.waiting.pop_front() {
        let package = choice.chosen[&name].package.clone();
        for need in &package.depends {
            choice.meet(&package, need)?;
        }
    }
    check_conflicts(&choice.chosen)?;
    Ok(choice.chosen)
}

struct Choice<'a> {
    manifest: &'a Manifest,
    index: &'a Index,
    chosen: BTreeMap<String, Chosen>,
    waiting: VecDeque<String>,
}

impl Choice<'_> {
    /// The newest version that the manifest's suites offer of a package.
    fn candidate(&self, name: &str) -> Option<&Package> {
        let from = self
            .manifest
            .packages_from
            .iter()
            .find(|(_, names)| names.iter().any(|n| n == name));
        self.index
            .named(name)
            .iter()
            .filter(|package| match from {
                Some((suite, _)) => package.suite == *suite,
                None => self.manifest.suites.contains(&package.suite),
            })
            .max_by(|a, b| a.version.cmp(&b.version))
    }

    fn take_named(&mut self, name: &str, why: &str) -> Result<(), ResolveError> {
        let Some(package) = self.candidate(name).cloned() else {
            return Err(ResolveError::Unknown {
                name: name.to_owned(),
                why: why.to_owned(),
                suites: self.manifest.all_suites().join(", "),
            });
        };
        self.take(package, why.to_owned());
        Ok(())
    }

    fn take(&mut self, package: Package, why: String) {
        let name = package.name.clone();
        if !self.chosen.contains_key(&name) {
            self.waiting.push_back(name.clone());
            self.chosen.insert(name, Chosen { package, why });
        }
    }

    fn meet(&mut self, of: &Package, need: &Need) -> Result<(), ResolveError> {
        let is_met = |wish: &Wish| self.chosen.values().any(|chosen| chosen.package.meets(wish));
        let is_left_out = |wish: &Wish| self.manifest.leave_out.contains_key(&wish.name);
        if need.0.iter().any(is_met) || need.0.iter().any(is_left_out) {
            return Ok(());
        }
        let found = need.0.iter().find_map(|wish| {
            let by_name = self.candidate(&wish.name).filter(|package| package.meets(wish));
            by_name.or_else(|| {
                self.index
                    .providers(&wish.name)
                    .into_iter()
                    .filter(|name| !self.manifest.leave_out.contains_key(*name))
                    .filter_map(|name| self.candidate(name))
                    .find(|package| package.meets(wish))
            })
        });
        let Some(package) = found.cloned() else {
            let names: Vec<&str> = need.0.iter().map(|wish| wish.name.as_str()).collect();
            return Err(ResolveError::Unmet {
                package: of.name.clone(),
                need: names.join(" or "),
            });
        };
        self.take(package, format!("needed by {}", of.name));
        Ok(())
    }
}

fn check_conflicts(chosen: &BTreeMap<String, Chosen>) -> Result<(), ResolveError> {
    for one in chosen.values() {
        for wish in one.package.conflicts.iter().flat_map(|need| &need.0) {
            let other = chosen
                .values()
                .find(|other| other.package.name != one.package.name && other.package.meets(wish));
            if let Some(other) = other {
                return Err(ResolveError::Conflict {
                    one: one.package.name.clone(),
                    other: other.package.name.clone(),
                });
            }
        }
    }
    Ok(())
}

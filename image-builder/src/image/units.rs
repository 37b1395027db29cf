//! Units of systemd: links for those that start, and for those that never do.

use crate::image::BuildError;
use crate::image::tree::{Node, Tree};
use crate::manifest::Units;

/// Folders of units, the strongest first.
const FOLDERS: [&str; 2] = ["etc/systemd/system", "usr/lib/systemd/system"];
/// Longest chain of units that switch each other on.
const DEPTH_MAX: usize = 8;

/// The text of a unit and its path; a template stands for its instances.
pub fn text(tree: &Tree, unit: &str) -> Option<(String, String)> {
    let template = unit.split_once('@').map(|(stem, rest)| {
        let kind = rest.rsplit('.').next().unwrap_or("service");
        format!("{stem}@.{kind}")
    });
    let names = [Some(unit.to_owned()), template];
    names.into_iter().flatten().find_map(|name| {
        FOLDERS.iter().find_map(|folder| {
            let path = tree.resolve(&format!("{folder}/{name}"))?;
            let bytes = tree.content(&path)?;
            Some((path, String::from_utf8_lossy(bytes).into_owned()))
        })
    })
}

/// The words of every line of a key, in a section.
pub fn words(text: &str, section: &str, key: &str) -> Vec<String> {
    let mut here = "";
    let mut words = Vec::new();
    for line in text.lines().map(str::trim) {
        if let Some(name) = line.strip_prefix('[').and_then(|line| line.strip_suffix(']')) {
            here = name;
        } else if here == section
            && let Some((name, value)) = line.split_once('=')
            && name.trim() == key
        {
            words.extend(value.split_whitespace().map(str::to_owned));
        }
    }
    words
}

/// Switches units on and masks others, by links.
///
/// # Errors
/// [`BuildError::Absent`] with a unit that is not there.
pub fn apply(tree: &mut Tree, units: &Units) -> Result<(), BuildError> {
    for unit in &units.enable {
        enable(tree, unit, DEPTH_MAX)?;
    }
    for unit in &units.mask {
        tree.put(&format!("etc/systemd/system/{unit}"), Node::link("/dev/null"));
    }
    if let Some(target) = &units.default {
        let (path, _) = text(tree, target).ok_or_else(|| absent(target))?;
        tree.put(
            "etc/systemd/system/default.target",
            Node::link(&format!("/{path}")),
        );
    }
    Ok(())
}

fn absent(unit: &str) -> BuildError {
    BuildError::Absent {
        what: format!("the unit {unit}"),
    }
}

fn enable(tree: &mut Tree, unit: &str, depth: usize) -> Result<(), BuildError> {
    let (path, text) = text(tree, unit).ok_or_else(|| absent(unit))?;
    let link = Node::link(&format!("/{path}"));
    for (key, ending) in [("WantedBy", "wants"), ("RequiredBy", "requires")] {
        for target in words(&text, "Install", key) {
            tree.put(
                &format!("etc/systemd/system/{target}.{ending}/{unit}"),
                link.clone(),
            );
        }
    }
    for alias in words(&text, "Install", "Alias") {
        tree.put(&format!("etc/systemd/system/{alias}"), link.clone());
    }
    for other in words(&text, "Install", "Also") {
        if depth > 0 && self::text(tree, &other).is_some() {
            enable(tree, &other, depth - 1)?;
        }
    }
    Ok(())
}

//! A tree of files in memory: what will be the root of a box. Owners are numbers, so nobody need be root to make it.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;
use std::sync::Arc;

use crate::image::BuildError;
use crate::image::pattern::matches;

/// Folders of older systems that are links into `usr` today; packages still name them.
const MERGED: [&str; 3] = ["bin", "lib", "sbin"];
/// Links that are followed until a path counts as a circle.
const LINKS_MAX: usize = 16;

/// Set-user and set-group bit.
pub const SET_ID: u16 = 0o6000;

/// What stands at a path.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Kind {
    /// A folder.
    Folder,
    /// A file with its content.
    File(Arc<[u8]>),
    /// A link and where it leads.
    Link(String),
}

/// One entry of a tree.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Node {
    /// What it is.
    pub kind: Kind,
    /// Permissions with set-user and set-group bits.
    pub mode: u16,
    /// Number of the owner.
    pub user: u32,
    /// Number of the owning group.
    pub group: u32,
}

impl Node {
    /// A file of root.
    pub fn file(bytes: impl Into<Arc<[u8]>>, mode: u16) -> Self {
        Self {
            kind: Kind::File(bytes.into()),
            mode,
            user: 0,
            group: 0,
        }
    }

    /// A folder of root.
    pub fn folder(mode: u16) -> Self {
        Self {
            kind: Kind::Folder,
            mode,
            user: 0,
            group: 0,
        }
    }

    /// A link.
    pub fn link(target: &str) -> Self {
        Self {
            kind: Kind::Link(target.to_owned()),
            mode: 0o777,
            user: 0,
            group: 0,
        }
    }
}

/// A tree; paths have no leading slash, parents come before what lies in them.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Tree {
    nodes: BTreeMap<String, Node>,
}

/// A path as the tree keeps it: no `.`, no leading slash, old folders inside `usr`. `None` where it climbs out.
pub fn normal(path: &str) -> Option<String> {
    let mut parts: Vec<&str> = Vec::new();
    for part in path.split('/') {
        match part {
            "" | "." => {}
            ".." => {
                parts.pop()?;
            }
            part => parts.push(part),
        }
    }
    if parts.len() > 1 && MERGED.contains(&parts[0]) {
        parts.insert(0, "usr");
    }
    Some(parts.join("/"))
}

impl Tree {
    /// Puts an entry at a path; folders above it come to be where they are missing, and links among them are followed.
    pub fn put(&mut self, path: &str, node: Node) {
        let Some(path) = normal(path).filter(|path| !path.is_empty()) else {
            return;
        };
        let path = self.through_links(&path);
        let mut above = path.as_str();
        while let Some((parent, _)) = above.rsplit_once('/') {
            if self.nodes.contains_key(parent) {
                break;
            }
            self.nodes.insert(parent.to_owned(), Node::folder(0o755));
            above = parent;
        }
        // A folder and a link to one under the same name: what is there stays, except for a folder with nothing in it.
        let stays = match self.nodes.get(&path).map(|node| &node.kind) {
            Some(Kind::Link(_)) => node.kind == Kind::Folder,
            Some(Kind::Folder) => matches!(node.kind, Kind::Link(_)) && self.is_filled(&path),
            Some(Kind::File(_)) | None => false,
        };
        if stays {
            return;
        }
        self.nodes.insert(path, node);
    }

    fn is_filled(&self, folder: &str) -> bool {
        let inside = format!("{folder}/");
        let mut after = self.nodes.range(inside.clone()..);
        after.next().is_some_and(|(path, _)| path.starts_with(&inside))
    }

    /// A path whose folders are folders: where one is a link, what it leads to; a link to nothing gives way.
    fn through_links(&mut self, path: &str) -> String {
        let is_link = |tree: &Self, path: &str| {
            matches!(tree.nodes.get(path).map(|node| &node.kind), Some(Kind::Link(_)))
        };
        let ends: Vec<usize> = path.match_indices('/').map(|(at, _)| at).collect();
        for end in ends {
            let parent = &path[..end];
            if is_link(self, parent) {
                match self.resolve(parent) {
                    Some(target) => return format!("{target}{}", &path[end..]),
                    None => {
                        self.nodes.remove(parent);
                    }
                }
            }
        }
        path.to_owned()
    }

    /// The entry at a path, links not followed.
    pub fn get(&self, path: &str) -> Option<&Node> {
        self.nodes.get(&normal(path)?)
    }

    /// The content of a file, links not followed.
    pub fn content(&self, path: &str) -> Option<&Arc<[u8]>> {
        match &self.get(path)?.kind {
            Kind::File(bytes) => Some(bytes),
            Kind::Folder | Kind::Link(_) => None,
        }
    }

    /// The path of the file or folder that a path leads to.
    pub fn resolve(&self, path: &str) -> Option<String> {
        let mut path = normal(path)?;
        for _ in 0..LINKS_MAX {
            let ends = path.match_indices('/').map(|(at, _)| at).chain([path.len()]);
            let link = ends
                .map(|end| &path[..end])
                .find_map(|prefix| match &self.nodes.get(prefix)?.kind {
                    Kind::Link(target) => Some((prefix.to_owned(), target.clone())),
                    Kind::Folder | Kind::File(_) => None,
                });
            let Some((prefix, target)) = link else {
                return self.nodes.contains_key(&path).then_some(path);
            };
            let rest = &path[prefix.len()..];
            let parent = prefix.rsplit_once('/').map_or("", |(parent, _)| parent);
            let next = if target.starts_with('/') {
                format!("{target}{rest}")
            } else {
                format!("{parent}/{target}{rest}")
            };
            path = normal(&next)?;
        }
        None
    }

    /// All entries, parents first.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &Node)> {
        self.nodes.iter().map(|(path, node)| (path.as_str(), node))
    }

    /// Files below a folder whose name ends so, with content.
    pub fn files_in<'a>(
        &'a self,
        folder: &'a str,
        ending: &'a str,
    ) -> impl Iterator<Item = (&'a str, &'a Arc<[u8]>)> {
        self.iter().filter_map(move |(path, node)| {
            let below = path.strip_prefix(folder)?.strip_prefix('/')?;
            match &node.kind {
                Kind::File(bytes) if below.ends_with(ending) => Some((path, bytes)),
                Kind::File(_) | Kind::Folder | Kind::Link(_) => None,
            }
        })
    }

    /// Takes out what a pattern of `drop` names and none of `keep`; a folder stays for what is kept in it.
    pub fn thin(&mut self, drop: &[String], keep: &[String]) {
        let named = |patterns: &[String], path: &str| patterns.iter().any(|pattern| matches(pattern, path));
        let stays = |path: &str| !named(drop, path) || named(keep, path);
        let mut needed = BTreeSet::new();
        for path in self.nodes.keys().filter(|path| stays(path)) {
            let mut above = path.as_str();
            while let Some((parent, _)) = above.rsplit_once('/') {
                needed.insert(parent.to_owned());
                above = parent;
            }
        }
        self.nodes.retain(|path, _| needed.contains(path) || stays(path));
    }

    /// Takes the set-user and set-group bits from all files but these.
    pub fn take_rights(&mut self, except: &[String]) {
        for (path, node) in &mut self.nodes {
            if matches!(node.kind, Kind::File(_)) && !except.contains(path) {
                node.mode &= !SET_ID;
            }
        }
    }

    /// Lays a folder of this machine over the tree. Of the permissions only whether a file is a program counts.
    ///
    /// # Errors
    /// Where the folder cannot be read.
    pub fn lay_over(&mut self, folder: &Path) -> Result<(), BuildError> {
        self.lay(folder, "")
    }

    fn lay(&mut self, folder: &Path, below: &str) -> Result<(), BuildError> {
        use std::os::unix::fs::PermissionsExt;
        let entries = fs::read_dir(folder).map_err(BuildError::file(folder))?;
        for entry in entries {
            let entry = entry.map_err(BuildError::file(folder))?;
            let path = entry.path();
            let inside = format!("{below}/{}", entry.file_name().to_string_lossy());
            let meta = fs::symlink_metadata(&path).map_err(BuildError::file(&path))?;
            if meta.is_dir() {
                self.put(&inside, Node::folder(0o755));
                self.lay(&path, &inside)?;
            } else if meta.is_symlink() {
                let target = fs::read_link(&path).map_err(BuildError::file(&path))?;
                self.put(&inside, Node::link(&target.to_string_lossy()));
            } else {
                let is_program = meta.permissions().mode() & 0o100 != 0;
                let bytes = fs::read(&path).map_err(BuildError::file(&path))?;
                self.put(&inside, Node::file(bytes, if is_program { 0o755 } else { 0o644 }));
            }
        }
        Ok(())
    }
}

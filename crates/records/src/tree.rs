//! The content of a document as plain data: a tree of maps, lists and values, and edits of it.
//!
//! `records` knows what stands in a document; `sync-core` turns trees and edits into Automerge and back. A
//! [`Leaf`] keeps every concurrent value, so that no merge hides what a person entered.

use std::collections::BTreeMap;

/// A value that a person or a device wrote. Text is atomic: it is replaced whole.
#[derive(Debug, Clone, PartialEq)]
pub enum Scalar {
    /// A truth value.
    Bool(bool),
    /// An integer with the scale of its field.
    Int(i64),
    /// A number of an imported line that is kept exactly as it came.
    Float(f64),
    /// A text.
    Text(String),
    /// Bytes: ids and hashes.
    Bytes(Vec<u8>),
    /// Known to be empty (JSON null of an imported line).
    Null,
}

impl Scalar {
    /// The text, if it is one.
    pub fn as_text(&self) -> Option<&str> {
        if let Self::Text(text) = self {
            Some(text)
        } else {
            None
        }
    }

    /// The integer, if it is one.
    pub fn as_int(&self) -> Option<i64> {
        if let Self::Int(number) = self {
            Some(*number)
        } else {
            None
        }
    }

    /// The truth value, if it is one.
    pub fn as_bool(&self) -> Option<bool> {
        if let Self::Bool(truth) = self {
            Some(*truth)
        } else {
            None
        }
    }

    /// The bytes, if they are.
    pub fn as_bytes(&self) -> Option<&[u8]> {
        if let Self::Bytes(bytes) = self {
            Some(bytes)
        } else {
            None
        }
    }
}

impl From<&str> for Scalar {
    fn from(text: &str) -> Self {
        Self::Text(text.to_owned())
    }
}

impl From<String> for Scalar {
    fn from(text: String) -> Self {
        Self::Text(text)
    }
}

impl From<i64> for Scalar {
    fn from(number: i64) -> Self {
        Self::Int(number)
    }
}

impl From<Vec<u8>> for Scalar {
    fn from(bytes: Vec<u8>) -> Self {
        Self::Bytes(bytes)
    }
}

impl From<bool> for Scalar {
    fn from(truth: bool) -> Self {
        Self::Bool(truth)
    }
}

/// The values of one field: the one that is shown first, and those that were written at the same time.
#[derive(Debug, Clone, PartialEq)]
pub struct Leaf {
    /// The winner by Automerge's rule: the same on every replica.
    pub winner: Scalar,
    /// Values written concurrently with the winner; empty where nobody clashed.
    pub others: Vec<Scalar>,
}

/// A part of a document.
#[derive(Debug, Clone, PartialEq)]
pub enum Node {
    /// A field.
    Leaf(Leaf),
    /// Named parts; maps that grow are keyed by random id.
    Map(BTreeMap<String, Node>),
    /// Parts in an order that means something.
    List(Vec<Node>),
}

impl Default for Node {
    fn default() -> Self {
        Self::Map(BTreeMap::new())
    }
}

impl From<Scalar> for Node {
    fn from(winner: Scalar) -> Self {
        Self::Leaf(Leaf {
            winner,
            others: Vec::new(),
        })
    }
}

impl Node {
    /// A map of these parts.
    pub fn map<K: Into<String>>(parts: impl IntoIterator<Item = (K, Node)>) -> Self {
        Self::Map(parts.into_iter().map(|(key, node)| (key.into(), node)).collect())
    }

    /// The part at this path of map keys.
    pub fn at(&self, path: &[&str]) -> Option<&Node> {
        path.iter().try_fold(self, |node, key| match node {
            Node::Map(parts) => parts.get(*key),
            Node::Leaf(_) | Node::List(_) => None,
        })
    }

    /// The field at this path.
    pub fn leaf(&self, path: &[&str]) -> Option<&Leaf> {
        match self.at(path)? {
            Node::Leaf(leaf) => Some(leaf),
            Node::Map(_) | Node::List(_) => None,
        }
    }

    /// The winning text at this path.
    pub fn text(&self, path: &[&str]) -> Option<&str> {
        self.leaf(path)?.winner.as_text()
    }

    /// The winning integer at this path.
    pub fn int(&self, path: &[&str]) -> Option<i64> {
        self.leaf(path)?.winner.as_int()
    }

    /// The parts of the map at this path, in the order of their keys; nothing where there is no map.
    pub fn entries<'a>(&'a self, path: &[&str]) -> impl Iterator<Item = (&'a str, &'a Node)> + use<'a> {
        let parts = match self.at(path) {
            Some(Node::Map(parts)) => Some(parts),
            Some(Node::Leaf(_) | Node::List(_)) | None => None,
        };
        parts
            .into_iter()
            .flatten()
            .map(|(key, node)| (key.as_str(), node))
    }

    /// The winning truth value at this path.
    pub fn flag(&self, path: &[&str]) -> Option<bool> {
        self.leaf(path)?.winner.as_bool()
    }

    /// The winning bytes at this path.
    pub fn bytes(&self, path: &[&str]) -> Option<&[u8]> {
        self.leaf(path)?.winner.as_bytes()
    }

    /// The items of the list at this path; nothing where there is no list.
    pub fn items(&self, path: &[&str]) -> &[Node] {
        match self.at(path) {
            Some(Node::List(items)) => items,
            Some(Node::Leaf(_) | Node::Map(_)) | None => &[],
        }
    }
}

/// Keys from the root of a document to a part of it.
pub type Path = Vec<String>;

/// One edit of a document. An edit that names a part below a missing map creates the maps on the way.
#[derive(Debug, Clone, PartialEq)]
pub enum Edit {
    /// Puts a part (a field, or a whole new map or list) at a path. Putting a map where one stands already
    /// edits inside it and never replaces it; a list is replaced whole.
    Put(Path, Node),
    /// Puts a part at the end of the list at a path.
    Append(Path, Node),
    /// Takes the part at a path away.
    Delete(Path),
}

impl Edit {
    /// Puts a value at a path.
    pub fn put(path: &[&str], value: impl Into<Scalar>) -> Self {
        Self::Put(owned(path), Node::from(value.into()))
    }

    /// Puts a part at a path.
    pub fn put_node(path: &[&str], node: Node) -> Self {
        Self::Put(owned(path), node)
    }

    /// Takes the part at a path away.
    pub fn delete(path: &[&str]) -> Self {
        Self::Delete(owned(path))
    }
}

fn owned(path: &[&str]) -> Path {
    path.iter().map(|key| (*key).to_owned()).collect()
}

/// An edit that does not fit the document.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Misfit {
    /// The edit names no part, or one without a name.
    #[error("the edit names no part")]
    NoPath,
    /// A value or a list stands where the edit needs a map, or the other way round.
    #[error("a part of another shape stands there")]
    Shape,
}

/// Applies one edit to plain data, as the documents apply it when nobody writes at the same time.
///
/// A value that is put replaces all values of the field, so it also settles a clash.
pub fn apply(root: &mut Node, edit: &Edit) -> Result<(), Misfit> {
    let (Edit::Put(path, _) | Edit::Append(path, _) | Edit::Delete(path)) = edit;
    if path.iter().any(String::is_empty) {
        return Err(Misfit::NoPath);
    }
    let (last, parents) = path.split_last().ok_or(Misfit::NoPath)?;
    match edit {
        Edit::Put(_, node) => put(map_at(root, parents)?, last, node),
        Edit::Append(_, node) => {
            let list = map_at(root, parents)?
                .entry(last.clone())
                .or_insert(Node::List(Vec::new()));
            let Node::List(items) = list else {
                return Err(Misfit::Shape);
            };
            items.push(node.clone());
            Ok(())
        }
        Edit::Delete(_) => {
            let parents: Vec<&str> = parents.iter().map(String::as_str).collect();
            if root.at(&parents).is_some() {
                let owned: Path = parents.iter().map(|key| (*key).to_owned()).collect();
                map_at(root, &owned)?.remove(last);
            }
            Ok(())
        }
    }
}

/// Applies edits in their order, up to the first that does not fit.
pub fn apply_all<'a>(root: &mut Node, edits: impl IntoIterator<Item = &'a Edit>) -> Result<(), Misfit> {
    edits.into_iter().try_for_each(|edit| apply(root, edit))
}

fn map_at<'a>(root: &'a mut Node, keys: &[String]) -> Result<&'a mut BTreeMap<String, Node>, Misfit> {
    let mut node = root;
    for key in keys {
        let Node::Map(parts) = node else {
            return Err(Misfit::Shape);
        };
        node = parts.entry(key.clone()).or_default();
    }
    match node {
        Node::Map(parts) => Ok(parts),
        Node::Leaf(_) | Node::List(_) => Err(Misfit::Shape),
    }
}

fn put(map: &mut BTreeMap<String, Node>, key: &str, node: &Node) -> Result<(), Misfit> {
    match (map.get_mut(key), node) {
        (Some(Node::Map(old)), Node::Map(parts)) => {
            parts.iter().try_for_each(|(name, part)| put(old, name, part))
        }
        (Some(Node::Map(_)), Node::Leaf(_) | Node::List(_))
        | (Some(Node::Leaf(_) | Node::List(_)), Node::Map(_))
        | (Some(Node::List(_)), Node::Leaf(_)) => Err(Misfit::Shape),
        (Some(Node::Leaf(_) | Node::List(_)) | None, _) => {
            map.insert(key.to_owned(), node.clone());
            Ok(())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_put_map_edits_inside_and_a_put_value_settles() {
        let mut root = Node::default();
        let clash = Leaf {
            winner: "a".into(),
            others: vec!["b".into()],
        };
        let parts = [("x", Node::Leaf(clash)), ("y", Scalar::Int(1).into())];
        apply(&mut root, &Edit::put_node(&["m"], Node::map(parts))).unwrap();
        apply(
            &mut root,
            &Edit::put_node(&["m"], Node::map([("y", Scalar::Int(2).into())])),
        )
        .unwrap();
        assert_eq!(root.leaf(&["m", "x"]).unwrap().others.len(), 1);
        assert_eq!(root.int(&["m", "y"]), Some(2));
        apply(&mut root, &Edit::put(&["m", "x"], "c")).unwrap();
        assert_eq!(root.leaf(&["m", "x"]).unwrap().others.len(), 0);
    }

    #[test]
    fn edits_of_another_shape_are_refused_and_change_nothing() {
        let mut root = Node::map([("m", Node::map([("x", Scalar::Int(1).into())]))]);
        let before = root.clone();
        assert_eq!(apply(&mut root, &Edit::put(&["m"], 5)), Err(Misfit::Shape));
        assert_eq!(
            apply(&mut root, &Edit::put(&["m", "x", "z"], 5)),
            Err(Misfit::Shape)
        );
        assert_eq!(apply(&mut root, &Edit::put(&[], 5)), Err(Misfit::NoPath));
        assert_eq!(apply(&mut root, &Edit::put(&["m", ""], 5)), Err(Misfit::NoPath));
        assert_eq!(root, before);
    }

    #[test]
    fn a_list_grows_and_a_part_goes_away() {
        let mut root = Node::default();
        let edits = [
            Edit::Append(vec!["l".into()], Scalar::Int(1).into()),
            Edit::Append(vec!["l".into()], Scalar::Int(2).into()),
            Edit::delete(&["nothing", "here"]),
        ];
        apply_all(&mut root, &edits).unwrap();
        assert_eq!(root.items(&["l"]).len(), 2);
        assert!(root.at(&["nothing"]).is_none());
        apply(&mut root, &Edit::delete(&["l"])).unwrap();
        assert_eq!(root, Node::default());
    }
}

//! Entries: facts that are written once, each in one field below a container, under a key of its own.
//!
//! Two writers who add at the same time both stay; later acts (refuted, stopped, withdrawn) stand under the same
//! key in a container of their own. An entry of an imported line keeps the line's part as it came, under `line`.

use std::collections::BTreeMap;

use crate::ids::{EntryId, StaffId};
use crate::packed;
use crate::time::{ClockSource, Stamp, WallTime};
use crate::tree::{Edit, Leaf, Node, Scalar};

/// Source of fresh random ids: each call gives 8 bytes that were never given before.
pub type Fresh<'a> = dyn FnMut() -> [u8; 8] + 'a;

/// Name of the part that holds an imported line's own content.
pub(crate) const LINE: &str = "line";
/// The same, of a reading whose line does not name the visit under which it stands.
pub(crate) const WHOLE_LINE: &str = "whole";

/// The named parts of an entry, read or being written.
#[derive(Debug, Clone, PartialEq, Default)]
pub(crate) struct Entry {
    parts: BTreeMap<String, Node>,
    imported: bool,
}

impl Entry {
    /// An entry that says who wrote it and when.
    pub(crate) fn by(by: Option<StaffId>, at: Stamp) -> Self {
        let mut entry = Self::default().stamp(at);
        if let Some(by) = by {
            entry
                .parts
                .insert("by".into(), Scalar::Bytes(by.0.to_vec()).into());
        }
        entry
    }

    /// Adds a text; an empty one is left out.
    pub(crate) fn text(mut self, key: &str, text: &str) -> Self {
        if !text.is_empty() {
            self.parts.insert(key.into(), Scalar::from(text).into());
        }
        self
    }

    /// Adds a value.
    pub(crate) fn value(mut self, key: &str, value: impl Into<Scalar>) -> Self {
        self.parts.insert(key.into(), Node::from(value.into()));
        self
    }

    /// Adds plain data.
    pub(crate) fn node(mut self, key: &str, node: Node) -> Self {
        self.parts.insert(key.into(), node);
        self
    }

    fn stamp(self, at: Stamp) -> Self {
        self.value("at", at.at.0).value("clock", at.source.word())
    }

    /// The edit that writes the entry. `None` where it is larger than a fact may be.
    pub(crate) fn write(self, container: &str, key: &str) -> Edit {
        // Every typed entry is built from fields of bounded length, so packing cannot fail; an empty fact would
        // be read as unreadable, never as absent.
        let bytes = packed::pack(&Node::Map(self.parts)).unwrap_or_default();
        Edit::put(&[container, key], bytes)
    }

    /// Reads the entry of a field; of a clash the winner.
    pub(crate) fn read(node: &Node) -> Option<Self> {
        match node {
            Node::Leaf(Leaf {
                winner: Scalar::Bytes(bytes),
                ..
            }) => Self::unpack(bytes),
            Node::Leaf(_) | Node::Map(_) | Node::List(_) => None,
        }
    }

    /// Every entry that stands in a field: the winner first, then those written at the same time.
    pub(crate) fn read_all(node: &Node) -> Vec<Option<Self>> {
        let Node::Leaf(leaf) = node else { return vec![None] };
        let values = std::iter::once(&leaf.winner).chain(&leaf.others);
        values
            .map(|value| value.as_bytes().and_then(Self::unpack))
            .collect()
    }

    fn unpack(bytes: &[u8]) -> Option<Self> {
        let Node::Map(mut parts) = packed::unpack(bytes).ok()? else {
            return None;
        };
        let own_line = (parts.len() == 1).then(|| parts.remove(LINE).or_else(|| parts.remove(WHOLE_LINE)));
        let Some(line) = own_line.flatten() else {
            return Some(Self {
                parts,
                imported: false,
            });
        };
        let parts = match line {
            Node::Map(parts) => parts,
            // A bare text stands for the name of the thing.
            bare @ (Node::Leaf(_) | Node::List(_)) => BTreeMap::from([("text".to_owned(), bare)]),
        };
        Some(Self {
            parts,
            imported: true,
        })
    }

    /// Whether the entry came with an imported line.
    pub(crate) fn is_imported(&self) -> bool {
        self.imported
    }

    pub(crate) fn part(&self, key: &str) -> Option<&Node> {
        self.parts.get(key)
    }

    fn scalar(&self, key: &str) -> Option<&Scalar> {
        match self.parts.get(key)? {
            Node::Leaf(leaf) => Some(&leaf.winner),
            Node::Map(_) | Node::List(_) => None,
        }
    }

    /// The text of a part; empty where there is none.
    pub(crate) fn get_text(&self, key: &str) -> String {
        self.scalar(key)
            .and_then(Scalar::as_text)
            .unwrap_or_default()
            .to_owned()
    }

    /// The text of the first of these parts that has one.
    pub(crate) fn first_text(&self, keys: &[&str]) -> String {
        keys.iter()
            .map(|key| self.get_text(key))
            .find(|text| !text.is_empty())
            .unwrap_or_default()
    }

    pub(crate) fn int(&self, key: &str) -> Option<i64> {
        self.scalar(key)?.as_int()
    }

    pub(crate) fn flag(&self, key: &str) -> Option<bool> {
        self.scalar(key)?.as_bool()
    }

    pub(crate) fn bytes(&self, key: &str) -> Option<&[u8]> {
        self.scalar(key)?.as_bytes()
    }

    /// Who wrote it.
    pub(crate) fn author(&self) -> Option<StaffId> {
        StaffId::from_slice(self.bytes("by")?).ok()
    }

    /// When it was written.
    pub(crate) fn written(&self) -> Option<Stamp> {
        let source = ClockSource::from_word(&self.get_text("clock"));
        self.int("at").map(|at| Stamp {
            at: WallTime(at),
            source,
        })
    }
}

/// The entries below a container that can be read, with their ids, in the order of their keys.
pub(crate) fn read_container(
    document: &Node,
    container: &str,
) -> impl Iterator<Item = (EntryId, Option<Entry>)> {
    document
        .entries(&[container])
        .filter_map(|(key, node)| Some((key.parse().ok()?, Entry::read(node))))
}

/// The entry of a later act about the entry with this id.
pub(crate) fn act(document: &Node, container: &str, id: EntryId) -> Option<Entry> {
    document.at(&[container, &id.to_string()]).and_then(Entry::read)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tree;

    #[test]
    fn an_entry_says_who_and_when() {
        let at = Stamp {
            at: WallTime(1_700_000_000_000),
            source: ClockSource::Hub,
        };
        let edit = Entry::by(Some(StaffId([7; 8])), at)
            .text("name", "x")
            .text("empty", "")
            .write("problems", "ab");
        let mut document = Node::default();
        tree::apply(&mut document, &edit).unwrap();
        let entry = Entry::read(document.at(&["problems", "ab"]).unwrap()).unwrap();
        assert_eq!(
            (entry.author(), entry.written()),
            (Some(StaffId([7; 8])), Some(at))
        );
        assert_eq!(entry.get_text("name"), "x");
        assert!(entry.part("empty").is_none() && !entry.is_imported());
    }

    #[test]
    fn what_is_no_entry_is_read_as_none() {
        assert_eq!(Entry::read(&Scalar::Bytes(vec![0xff]).into()), None);
        assert_eq!(Entry::read(&Scalar::Int(4).into()), None);
    }
}

//! Imported lines: what other programs exported, one object a line, kept whole.
//!
//! A field that the records know goes to its own place, so that pages, search and rules see it; everything else is
//! packed into one field. Nothing is stored twice, and [`lines`] puts the original line together again, equal as
//! JSON. JSON itself is read and written by the caller.

mod edits;
mod export;
mod places;
mod visits;

use std::collections::BTreeMap;

use crate::entries;
use crate::ids::DocKind;
use crate::packed;
use crate::patients::ImportSource;
use crate::time::WallTime;
use crate::tree::{Edit, Node, Scalar};

pub use edits::{clinic_edits, edit_edits, edit_hashes};
pub use export::{lines, vital_ids};
pub use visits::{encounter_edits, patient_edits, vital_edits, vital_observation};

/// Longest id of a line, in bytes.
pub const LINE_ID_BYTES_MAX: usize = 128;

/// A line that is not taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, thiserror::Error)]
pub enum LineFault {
    /// Not a JSON object.
    #[error("not a json object")]
    NotAnObject,
    /// No `t`, or one that nobody knows.
    #[error("unknown kind of line")]
    UnknownKind,
    /// No id, or one that is empty or too long.
    #[error("no usable id")]
    NoId,
    /// The patient that it names was not imported.
    #[error("unknown patient")]
    UnknownPatient,
    /// The visit that it names was not imported.
    #[error("unknown visit")]
    UnknownVisit,
    /// An edit that does not fit what stands there.
    #[error("the edit does not fit the document")]
    BadEdit,
    /// Larger or nested deeper than a document takes.
    #[error("line too large or nested too deep")]
    TooLarge,
}

/// The kinds of lines, by their `t`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum LineKind {
    /// How the file was made.
    Meta,
    /// A clinic.
    Clinic,
    /// A person.
    Patient,
    /// A visit.
    Encounter,
    /// A reading.
    Vital,
    /// A change of an earlier line.
    Edit,
}

impl LineKind {
    /// Every kind.
    pub const ALL: [Self; 6] = [
        Self::Meta,
        Self::Clinic,
        Self::Patient,
        Self::Encounter,
        Self::Vital,
        Self::Edit,
    ];

    /// The word in `t`.
    pub fn word(self) -> &'static str {
        match self {
            Self::Meta => "meta",
            Self::Clinic => "clinic",
            Self::Patient => "patient",
            Self::Encounter => "encounter",
            Self::Vital => "vital",
            Self::Edit => "edit",
        }
    }
}

/// A line of a known kind with what it needs to be taken.
#[derive(Debug, Clone, PartialEq)]
pub struct Line {
    kind: LineKind,
    parts: BTreeMap<String, Node>,
}

impl Line {
    /// Takes the parsed object of a line.
    pub fn read(node: Node) -> Result<Self, LineFault> {
        let Node::Map(parts) = node else {
            return Err(LineFault::NotAnObject);
        };
        let line = Self {
            kind: LineKind::Meta,
            parts,
        };
        let word = line.text("t").ok_or(LineFault::UnknownKind)?;
        let kind = LineKind::ALL
            .into_iter()
            .find(|kind| kind.word() == word)
            .ok_or(LineFault::UnknownKind)?;
        let line = Self { kind, ..line };
        let id_fits = (1..=LINE_ID_BYTES_MAX).contains(&line.id().len());
        if kind != LineKind::Meta && !id_fits {
            Err(LineFault::NoId)
        } else {
            Ok(line)
        }
    }

    /// The kind.
    pub fn kind(&self) -> LineKind {
        self.kind
    }

    /// What the line is called: its id, the code of a clinic, the document of an edit; empty for `meta`.
    pub fn id(&self) -> &str {
        let key = match self.kind {
            LineKind::Meta => return "",
            LineKind::Clinic => "code",
            LineKind::Patient | LineKind::Encounter | LineKind::Vital => "id",
            LineKind::Edit => "doc",
        };
        self.text(key).unwrap_or_default()
    }

    /// The id of the patient that a visit or reading names.
    pub fn patient(&self) -> Option<&str> {
        self.text("patient")
    }

    /// The id of the visit that a reading names.
    pub fn encounter(&self) -> Option<&str> {
        self.text("encounter")
    }

    /// When it happened, as a visit or reading says.
    pub fn time(&self) -> Option<WallTime> {
        self.text("taken_at")
            .or_else(|| self.text("started_at"))
            .and_then(local_time)
    }

    fn text(&self, key: &str) -> Option<&str> {
        match self.parts.get(key)? {
            Node::Leaf(leaf) => leaf.winner.as_text(),
            Node::Map(_) | Node::List(_) => None,
        }
    }
}

/// A time as other programs write it: RFC 3339, or without offset, which is then China's.
pub fn local_time(text: &str) -> Option<WallTime> {
    if let Ok(instant) = text.parse::<jiff::Timestamp>() {
        return Some(WallTime(instant.as_millisecond()));
    }
    text.parse::<jiff::civil::DateTime>()
        .ok()
        .map(WallTime::from_china)
}

/// The line that a document came from.
pub fn source(document: &Node) -> Option<ImportSource> {
    document
        .text(&["source", "id"])
        .map(|id| ImportSource { id: id.to_owned() })
}

/// The fields of a document's imported line that have no place of their own, as they are now.
pub fn further(document: &Node) -> BTreeMap<String, Node> {
    let mut parts = rest(document);
    for (key, node) in document.entries(&["fields"]) {
        if let Some(value) = unpacked(node) {
            parts.insert(key.to_owned(), value);
        }
    }
    parts
}

/// The packed remainder of the original line.
fn rest(document: &Node) -> BTreeMap<String, Node> {
    match document.at(&["source", "rest"]).and_then(unpacked) {
        Some(Node::Map(parts)) => parts,
        Some(Node::Leaf(_) | Node::List(_)) | None => BTreeMap::new(),
    }
}

fn unpacked(node: &Node) -> Option<Node> {
    match node {
        Node::Leaf(leaf) => packed::unpack(leaf.winner.as_bytes()?).ok(),
        Node::Map(_) | Node::List(_) => None,
    }
}

/// The edits that say from which line a document came, and keep what has no place of its own.
fn source_edits(id: &str, rest: BTreeMap<String, Node>) -> Result<Vec<Edit>, LineFault> {
    let mut edits = vec![Edit::put(&["source", "id"], id)];
    if !rest.is_empty() {
        edits.push(Edit::put(&["source", "rest"], pack(&Node::Map(rest))?));
    }
    Ok(edits)
}

fn pack(node: &Node) -> Result<Vec<u8>, LineFault> {
    packed::pack(node).map_err(|_| LineFault::TooLarge)
}

/// A part of a line as an entry: marked as imported, otherwise as it came.
fn pack_entry(node: &Node) -> Result<Vec<u8>, LineFault> {
    pack(&Node::map([(entries::LINE, node.clone())]))
}

/// What an entry that was imported holds, as it came.
fn unpack_entry(node: &Node) -> Option<Node> {
    unpack_marked(node, entries::LINE)
}

fn unpack_marked(node: &Node, mark: &str) -> Option<Node> {
    let Node::Map(mut parts) = unpacked(node)? else {
        return None;
    };
    if parts.len() == 1 {
        parts.remove(mark)
    } else {
        None
    }
}

/// FNV-1a, 64 bits (Fowler, Noll, Vo): makes keys out of ids that are unique within their file. An imported
/// reading stands under this key of its id.
pub fn key_of(text: &str) -> [u8; 8] {
    let hash = text.bytes().fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3)
    });
    hash.to_be_bytes()
}

fn text_node(text: &str) -> Node {
    Scalar::from(text).into()
}

/// Whether a kind of document can come from imported lines.
pub fn takes_lines(kind: DocKind) -> bool {
    match kind {
        DocKind::Chart | DocKind::Encounter | DocKind::Series | DocKind::Clinic => true,
        DocKind::Request | DocKind::Link => false,
    }
}

#[cfg(test)]
mod tests;

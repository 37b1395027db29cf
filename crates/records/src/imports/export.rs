//! Original lines put together again.

use std::collections::BTreeMap;

use super::places::{Place, line_text, placed};
use super::{rest, source, text_node, unpack_entry, unpacked};
use crate::ids::DocKind;
use crate::tree::{Node, Scalar};

/// The lines that a document came from: the line that began it, its imported readings, then imported edits in their
/// order. `original` is the document at its first change, `now` as it is. A document that was not imported gives none.
pub fn lines(kind: DocKind, original: &Node, now: &Node) -> Vec<Node> {
    let mut lines = Vec::new();
    let begun = match kind {
        DocKind::Chart => first_line(kind, "patient", original),
        DocKind::Encounter => first_line(kind, "encounter", original),
        DocKind::Series | DocKind::Request | DocKind::Link | DocKind::Clinic => None,
    };
    let own_id = source(original).map(|source| source.id);
    let patient = rest(original)
        .remove("patient")
        .filter(|_| kind == DocKind::Encounter);
    lines.extend(begun);
    lines.extend(vitals(
        now,
        own_id.filter(|_| kind == DocKind::Encounter),
        patient,
    ));
    lines.extend(counted(now, "edits"));
    lines.extend(counted(now, "imported"));
    lines
}

fn first_line(kind: DocKind, word: &str, original: &Node) -> Option<Node> {
    let id = source(original)?.id;
    let mut parts = rest(original);
    for (field, place) in placed(kind) {
        let value = match place {
            Place::Text(container, key) => original.text(&[container, key]).map(text_node),
            Place::Sex => original
                .text(&["person", "sex"])
                .map(|word| text_node(&line_text(*place, word))),
            Place::Entries(container) => items(original, container),
            Place::Rest => None,
        };
        if let Some(value) = value {
            parts.entry((*field).to_owned()).or_insert(value);
        }
    }
    parts.insert("t".to_owned(), text_node(word));
    parts.insert("id".to_owned(), text_node(&id));
    Some(Node::Map(parts))
}

pub(super) fn items(document: &Node, container: &str) -> Option<Node> {
    let items: Vec<Node> = document
        .entries(&[container])
        .filter_map(|(_, node)| unpack_entry(node))
        .collect();
    (!items.is_empty()).then_some(Node::List(items))
}

/// The imported readings as lines, in the order of their times and ids.
fn vitals(now: &Node, encounter: Option<String>, patient: Option<Node>) -> Vec<Node> {
    let mut lines = Vec::new();
    for (_, node) in now.entries(&["observations"]) {
        let Some(Node::Map(mut parts)) = unpack_entry(node) else {
            continue;
        };
        let visit = [
            ("encounter", encounter.as_deref().map(text_node)),
            ("patient", patient.clone()),
        ];
        for (key, value) in visit {
            let left_out = parts.remove(&format!("no {key}")).is_some();
            if let Some(value) = value.filter(|_| !left_out) {
                parts.entry(key.to_owned()).or_insert(value);
            }
        }
        parts.insert("t".to_owned(), text_node("vital"));
        lines.push(parts);
    }
    lines.sort_by_cached_key(|parts| ["taken_at", "id"].map(|key| sort_text(parts, key)));
    lines.into_iter().map(Node::Map).collect()
}

fn sort_text(parts: &BTreeMap<String, Node>, key: &str) -> String {
    match parts.get(key) {
        Some(Node::Leaf(leaf)) => leaf.winner.as_text().unwrap_or_default().to_owned(),
        Some(Node::Map(_) | Node::List(_)) | None => String::new(),
    }
}

/// The lines that a container keeps whole, each with its number.
fn counted(now: &Node, container: &str) -> Vec<Node> {
    let mut lines: Vec<(i64, String, Node)> = now
        .entries(&[container])
        .filter_map(|(key, node)| {
            let entry = unpacked(node)?;
            let Node::Map(mut parts) = entry else { return None };
            let number = match parts.get("n") {
                Some(Node::Leaf(leaf)) => leaf.winner.as_int().unwrap_or(0),
                Some(Node::Map(_) | Node::List(_)) | None => 0,
            };
            parts
                .remove(crate::entries::LINE)
                .map(|line| (number, key.to_owned(), line))
        })
        .collect();
    lines.sort_by(|left, right| (left.0, &left.1).cmp(&(right.0, &right.1)));
    lines.into_iter().map(|(_, _, line)| line).collect()
}

/// The ids of the `vital` lines that a document holds.
pub fn vital_ids(document: &Node) -> Vec<String> {
    let id = |node: &Node| match unpack_entry(node)? {
        Node::Map(parts) => match parts.get("id")? {
            Node::Leaf(leaf) => leaf.winner.as_text().map(str::to_owned),
            Node::Map(_) | Node::List(_) => None,
        },
        Node::Leaf(_) | Node::List(_) => None,
    };
    document
        .entries(&["observations"])
        .filter_map(|(_, node)| id(node))
        .collect()
}

/// Kept for its use by edits: the value of a scalar node.
pub(super) fn scalar(node: &Node) -> Option<&Scalar> {
    match node {
        Node::Leaf(leaf) => Some(&leaf.winner),
        Node::Map(_) | Node::List(_) => None,
    }
}

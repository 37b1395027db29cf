//! Original lines put together again.

use std::collections::BTreeMap;

use super::places::{Place, line_text, placed};
use super::{rest, source, text_node, unpack_entry, unpack_marked, unpacked};
use crate::entries;
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
    let encounter = encounter.as_deref().map(text_node);
    let mut lines = Vec::new();
    for (_, node) in now.entries(&["observations"]) {
        let Some((told, mut parts)) = reading(node) else {
            continue;
        };
        if told {
            let visit = [("encounter", &encounter), ("patient", &patient)];
            parts.extend(
                visit
                    .into_iter()
                    .filter_map(|(key, value)| Some((key.to_owned(), value.clone()?))),
            );
        }
        parts.insert("t".to_owned(), text_node("vital"));
        lines.push(parts);
    }
    lines.sort_by_cached_key(|parts| ["taken_at", "id"].map(|key| sort_text(parts, key)));
    lines.into_iter().map(Node::Map).collect()
}

/// An imported reading's own fields, and whether its visit and patient are those of the document.
fn reading(node: &Node) -> Option<(bool, BTreeMap<String, Node>)> {
    let told = unpack_entry(node);
    let is_told = told.is_some();
    match told.or_else(|| unpack_marked(node, entries::WHOLE_LINE))? {
        Node::Map(parts) => Some((is_told, parts)),
        Node::Leaf(_) | Node::List(_) => None,
    }
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
                .remove(entries::LINE)
                .map(|line| (number, key.to_owned(), line))
        })
        .collect();
    lines.sort_by(|left, right| (left.0, &left.1).cmp(&(right.0, &right.1)));
    lines.into_iter().map(|(_, _, line)| line).collect()
}

/// The ids of the `vital` lines that a document holds.
pub fn vital_ids(document: &Node) -> Vec<String> {
    let readings = document
        .entries(&["observations"])
        .filter_map(|(_, node)| reading(node));
    readings
        .map(|(_, parts)| sort_text(&parts, "id"))
        .filter(|id| !id.is_empty())
        .collect()
}

/// The value of a part of a path.
pub(super) fn scalar(node: &Node) -> Option<&Scalar> {
    match node {
        Node::Leaf(leaf) => Some(&leaf.winner),
        Node::Map(_) | Node::List(_) => None,
    }
}

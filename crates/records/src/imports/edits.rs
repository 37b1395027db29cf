//! `edit` lines, and lines that are kept whole.

use super::export::{items, scalar};
use super::places::{Place, line_text, place_of, placed_text};
use super::{Line, LineFault, further, pack, pack_entry, text_node};
use crate::ids::{DocKind, EntryId};
use crate::tree::{Edit, Node, Scalar};

/// Longest path of an `edit` line.
const PATH_MAX: usize = 16;

/// Bytes of a line's hash by which it is known.
const LINE_KEY_BYTES: usize = 16;

fn line_key(hash: &[u8; 32]) -> String {
    hash[..LINE_KEY_BYTES]
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect()
}

/// The hashes (their first 16 bytes in hexadecimal) of the `edit`, `clinic` and `meta` lines that a document holds.
pub fn edit_hashes(document: &Node) -> Vec<String> {
    let both = document
        .entries(&["edits"])
        .chain(document.entries(&["imported"]));
    both.map(|(key, _)| key.to_owned()).collect()
}

fn keep_line(container: &str, key: &str, document: &Node, line: &Line) -> Result<Edit, LineFault> {
    let count = document.entries(&[container]).count();
    let number = Scalar::Int(i64::try_from(count).unwrap_or(i64::MAX));
    let whole = Node::Map(line.parts.clone());
    let kept = Node::map([("n", number.into()), (crate::entries::LINE, whole)]);
    Ok(Edit::put(&[container, key], pack(&kept)?))
}

/// The edits that keep a `clinic` or `meta` line in the clinic's document. `hash` is the line's own; a line that is
/// there already gives none. What the clinic does not say of itself yet is taken from the line.
pub fn clinic_edits(line: &Line, hash: &[u8; 32], document: &Node) -> Result<Vec<Edit>, LineFault> {
    let key = line_key(hash);
    if document.at(&["imported", &key]).is_some() {
        return Ok(Vec::new());
    }
    let mut edits = vec![keep_line("imported", &key, document, line)?];
    for field in ["code", "region", "town"] {
        let known = document
            .text(&["clinic", field])
            .is_some_and(|text| !text.is_empty());
        if let Some(text) = line.text(field)
            && !known
        {
            edits.push(Edit::put(&["clinic", field], text));
        }
    }
    Ok(edits)
}

/// The edits of an `edit` line in the document that it names. `hash` is the line's own; an edit that is there
/// already gives none.
pub fn edit_edits(
    line: &Line,
    hash: &[u8; 32],
    kind: DocKind,
    document: &Node,
) -> Result<Vec<Edit>, LineFault> {
    let key = line_key(hash);
    if document.at(&["edits", &key]).is_some() {
        return Ok(Vec::new());
    }
    let Some(Node::List(path)) = line.parts.get("path") else {
        return Err(LineFault::BadEdit);
    };
    let value = line.parts.get("value").ok_or(LineFault::BadEdit)?;
    let (field, deeper) = path.split_first().ok_or(LineFault::BadEdit)?;
    let field = scalar(field)
        .and_then(Scalar::as_text)
        .ok_or(LineFault::BadEdit)?;
    if path.len() > PATH_MAX || field.is_empty() || matches!(field, "t" | "id") {
        return Err(LineFault::BadEdit);
    }
    let old = current(kind, field, document);
    let mut new = old.clone();
    match line.text("op") {
        Some("set") => set(&mut new, deeper, value)?,
        Some("push") => push(&mut new, deeper, value)?,
        _ => return Err(LineFault::BadEdit),
    }
    let new = new.ok_or(LineFault::BadEdit)?;
    let mut edits = write(kind, field, old.as_ref(), &new, hash, document)?;
    edits.push(keep_line("edits", &key, document, line)?);
    Ok(edits)
}

/// What a field of the line is now.
fn current(kind: DocKind, field: &str, document: &Node) -> Option<Node> {
    let place = place_of(kind, field);
    let placed = match place {
        Place::Text(container, key) => document.text(&[container, key]).map(text_node),
        Place::Sex => document
            .text(&["person", "sex"])
            .map(|word| text_node(&line_text(place, word))),
        Place::Entries(container) => items(document, container),
        Place::Rest => None,
    };
    placed.or_else(|| further(document).remove(field))
}

fn set(node: &mut Option<Node>, path: &[Node], value: &Node) -> Result<(), LineFault> {
    let Some((step, deeper)) = path.split_first() else {
        *node = Some(value.clone());
        return Ok(());
    };
    let mut part = take(node, step)?;
    set(&mut part, deeper, value)?;
    give(node, step, part.ok_or(LineFault::BadEdit)?)
}

fn push(node: &mut Option<Node>, path: &[Node], value: &Node) -> Result<(), LineFault> {
    let Some((step, deeper)) = path.split_first() else {
        let list = node.get_or_insert_with(|| Node::List(Vec::new()));
        let Node::List(items) = list else {
            return Err(LineFault::BadEdit);
        };
        items.push(value.clone());
        return Ok(());
    };
    let mut part = take(node, step)?;
    push(&mut part, deeper, value)?;
    give(node, step, part.ok_or(LineFault::BadEdit)?)
}

/// The part that a step of a path names: a key of an object, or a place in an array.
fn take(node: &Option<Node>, step: &Node) -> Result<Option<Node>, LineFault> {
    match (node, scalar(step)) {
        (Some(Node::Map(parts)), Some(Scalar::Text(key))) => Ok(parts.get(key).cloned()),
        (Some(Node::List(items)), Some(Scalar::Int(at))) => {
            let at = usize::try_from(*at).map_err(|_| LineFault::BadEdit)?;
            if at > items.len() {
                Err(LineFault::BadEdit)
            } else {
                Ok(items.get(at).cloned())
            }
        }
        (None, Some(Scalar::Text(_))) => Ok(None),
        (Some(_) | None, _) => Err(LineFault::BadEdit),
    }
}

fn give(node: &mut Option<Node>, step: &Node, part: Node) -> Result<(), LineFault> {
    match (node.get_or_insert_default(), scalar(step)) {
        (Node::Map(parts), Some(Scalar::Text(key))) => {
            parts.insert(key.clone(), part);
            Ok(())
        }
        (Node::List(items), Some(Scalar::Int(at))) => {
            let at = usize::try_from(*at).map_err(|_| LineFault::BadEdit)?;
            if at < items.len() {
                items[at] = part
            } else {
                items.push(part)
            }
            Ok(())
        }
        (Node::Leaf(_) | Node::Map(_) | Node::List(_), _) => Err(LineFault::BadEdit),
    }
}

/// The edits that make a field of the line be `new`.
fn write(
    kind: DocKind,
    field: &str,
    old: Option<&Node>,
    new: &Node,
    hash: &[u8; 32],
    document: &Node,
) -> Result<Vec<Edit>, LineFault> {
    let place = place_of(kind, field);
    if let Some(text) = placed_text(place, new) {
        let path = match place {
            Place::Text(container, key) => [container, key],
            Place::Sex | Place::Entries(_) | Place::Rest => ["person", "sex"],
        };
        return Ok(vec![Edit::put(&path, text)]);
    }
    let old_items = match old {
        Some(Node::List(items)) => items.as_slice(),
        Some(Node::Leaf(_) | Node::Map(_)) | None => &[],
    };
    if let (Place::Entries(container), Node::List(items)) = (place, new) {
        return write_entries(container, old_items, items, hash, document);
    }
    Ok(vec![Edit::put(&["fields", field], pack(new)?)])
}

/// Items that differ are written again under their keys, further ones added. Items that are gone are taken away, but
/// an allergy only by a refutation: it stays.
fn write_entries(
    container: &str,
    old: &[Node],
    new: &[Node],
    hash: &[u8; 32],
    document: &Node,
) -> Result<Vec<Edit>, LineFault> {
    let imported = document
        .entries(&[container])
        .filter(|(_, node)| super::unpack_entry(node).is_some());
    let keys: Vec<&str> = imported.map(|(key, _)| key).collect();
    let mut edits = Vec::new();
    for (at, item) in new.iter().enumerate() {
        match keys.get(at) {
            Some(key) if old.get(at) != Some(item) => {
                edits.push(Edit::put(&[container, key], pack_entry(item)?));
            }
            Some(_) => {}
            None => edits.push(Edit::put(&[container, &added_key(at, hash)], pack_entry(item)?)),
        }
    }
    if container != "allergies" {
        edits.extend(
            keys.iter()
                .skip(new.len())
                .map(|key| Edit::delete(&[container, key])),
        );
    }
    Ok(edits)
}

/// Sorts behind the items that stand there, and is no other line's.
fn added_key(at: usize, hash: &[u8; 32]) -> String {
    let place = u16::try_from(at).unwrap_or(u16::MAX).to_be_bytes();
    let mut key = [1, place[0], place[1], 0, 0, 0, 0, 0];
    key[3..].copy_from_slice(&hash[..5]);
    EntryId(key).to_string()
}

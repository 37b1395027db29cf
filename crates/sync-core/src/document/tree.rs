//! A document as a tree of plain data.

use std::collections::BTreeMap;

use automerge::{Automerge, ChangeHash, ObjId, ObjType, ROOT, ReadDoc, ScalarValue, Value};
use records::tree::{Node, Scalar};

use super::{DEPTH_MAX, SELF_KEY};

/// Reads the content, at `heads` or as it is now, without the container in which the document describes itself.
pub(super) fn read(document: &Automerge, heads: Option<&[ChangeHash]>) -> Node {
    let reader = Reader { document, heads };
    let mut root = reader.map(&ROOT, 0);
    root.remove(SELF_KEY);
    Node::Map(root)
}

struct Reader<'a> {
    document: &'a Automerge,
    heads: Option<&'a [ChangeHash]>,
}

impl Reader<'_> {
    fn map(&self, object: &ObjId, depth: usize) -> BTreeMap<String, Node> {
        let mut parts = BTreeMap::new();
        if depth > DEPTH_MAX {
            return parts;
        }
        let items = match self.heads {
            Some(heads) => self.document.map_range_at(object, .., heads),
            None => self.document.map_range(object, ..),
        };
        for item in items {
            let key = item.key.to_string();
            let node = if item.conflict {
                self.clash(object, &key, depth)
            } else {
                match &item.value {
                    automerge::ValueRef::Object(kind) => Some(self.object(*kind, &item.id(), depth)),
                    automerge::ValueRef::Scalar(value) => Some(scalar(&value.to_owned().into()).into()),
                }
            };
            if let Some(node) = node {
                parts.insert(key, node);
            }
        }
        parts
    }

    fn object(&self, kind: ObjType, id: &ObjId, depth: usize) -> Node {
        match kind {
            ObjType::Map | ObjType::Table => Node::Map(self.map(id, depth + 1)),
            ObjType::List => Node::List(self.list(id, depth + 1)),
            ObjType::Text => Scalar::Text(self.document.text(id).unwrap_or_default()).into(),
        }
    }

    fn list(&self, object: &ObjId, depth: usize) -> Vec<Node> {
        if depth > DEPTH_MAX {
            return Vec::new();
        }
        let items = match self.heads {
            Some(heads) => self.document.list_range_at(object, .., heads),
            None => self.document.list_range(object, ..),
        };
        items
            .map(|item| match &item.value {
                automerge::ValueRef::Object(kind) => self.object(*kind, &item.id(), depth),
                automerge::ValueRef::Scalar(value) => scalar(&value.to_owned().into()).into(),
            })
            .collect()
    }

    /// Every value under one key, the winner first. Values become one leaf with its others; maps and lists
    /// that two writers made under one name are shown together, so that none hides the other.
    fn clash(&self, object: &ObjId, key: &str, depth: usize) -> Option<Node> {
        let found = match self.heads {
            Some(heads) => self.document.get_all_at(object, key, heads),
            None => self.document.get_all(object, key),
        };
        let mut nodes = found.ok()?.into_iter().rev().map(|(value, id)| match value {
            Value::Object(kind) => self.object(kind, &id, depth),
            Value::Scalar(value) => scalar(&value).into(),
        });
        let mut shown = nodes.next()?;
        nodes.for_each(|node| join(&mut shown, node));
        Some(shown)
    }
}

/// Joins what a second writer wrote under the same key into what is shown.
fn join(shown: &mut Node, other: Node) {
    match (shown, other) {
        (Node::Leaf(leaf), Node::Leaf(other)) => {
            for value in std::iter::once(other.winner).chain(other.others) {
                if leaf.winner != value && !leaf.others.contains(&value) {
                    leaf.others.push(value);
                }
            }
        }
        (Node::Map(parts), Node::Map(others)) => {
            for (key, node) in others {
                match parts.entry(key) {
                    std::collections::btree_map::Entry::Vacant(free) => {
                        free.insert(node);
                    }
                    std::collections::btree_map::Entry::Occupied(mut taken) => join(taken.get_mut(), node),
                }
            }
        }
        (Node::List(items), Node::List(others)) => {
            for item in others {
                if !items.contains(&item) {
                    items.push(item);
                }
            }
        }
        // Structure shows more than one value does; the value stays in the document.
        (shown @ Node::Leaf(_), other @ (Node::Map(_) | Node::List(_))) => *shown = other,
        (Node::Map(_), Node::Leaf(_) | Node::List(_)) | (Node::List(_), Node::Leaf(_) | Node::Map(_)) => {}
    }
}

fn scalar(value: &ScalarValue) -> Scalar {
    match value {
        ScalarValue::Bytes(bytes) => Scalar::Bytes(bytes.clone()),
        ScalarValue::Str(text) => Scalar::Text(text.to_string()),
        ScalarValue::Int(number) | ScalarValue::Timestamp(number) => Scalar::Int(*number),
        ScalarValue::Uint(number) => i64::try_from(*number).map_or(Scalar::Null, Scalar::Int),
        ScalarValue::F64(number) => Scalar::Float(*number),
        ScalarValue::Counter(counter) => Scalar::Int(i64::from(counter)),
        ScalarValue::Boolean(truth) => Scalar::Bool(*truth),
        ScalarValue::Unknown { .. } | ScalarValue::Null => Scalar::Null,
    }
}

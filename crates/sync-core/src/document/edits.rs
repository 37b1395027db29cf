//! Edits written into an Automerge transaction.

use automerge::transaction::{Transactable, Transaction};
use automerge::{AutomergeError, ObjId, ObjType, ROOT, ReadDoc, ScalarValue, Value};
use records::ids::{ClinicCode, DocKind};
use records::tree::{Edit, Node, Scalar};

use super::{
    DEPTH_MAX, DocumentError, EDITS_MAX, EXTENSION_KEY, FIELD_BYTES_MAX, KEY_BYTES_MAX, Origin, SCHEMA,
    SELF_KEY,
};

/// What the first change of a document says about the document itself.
pub(super) struct Head<'a> {
    /// The clinic that owns it.
    pub(super) owner: &'a ClinicCode,
    /// The number in its origin.
    pub(super) n: u64,
    /// The whole origin, where it is not told by the author of the change.
    pub(super) origin: Option<Origin>,
}

/// Writes the head of a new document, then the edits in their order.
pub(super) fn apply(
    transaction: &mut Transaction<'_>,
    kind: DocKind,
    head: Option<&Head<'_>>,
    edits: &[Edit],
) -> Result<(), DocumentError> {
    let mut writer = Writer { kind, transaction };
    if let Some(head) = head {
        writer.head(head).map_err(|error| refused(&[], error))?;
    }
    if edits.len() > EDITS_MAX {
        return Err(bad(&[], "too many edits"));
    }
    edits.iter().try_for_each(|edit| writer.edit(edit))
}

struct Writer<'a, 't> {
    kind: DocKind,
    transaction: &'a mut Transaction<'t>,
}

fn bad(path: &[String], why: &'static str) -> DocumentError {
    DocumentError::BadEdit {
        path: path.join("."),
        why,
    }
}

fn key_fits(key: &str) -> bool {
    (1..=KEY_BYTES_MAX).contains(&key.len())
}

fn refused(path: &[String], _: AutomergeError) -> DocumentError {
    bad(path, "the document does not take it")
}

impl Writer<'_, '_> {
    fn head(&mut self, head: &Head<'_>) -> Result<(), AutomergeError> {
        let Some((_, own)) = self.transaction.get(ROOT, SELF_KEY)? else {
            return Ok(());
        };
        let n = i64::try_from(head.n).unwrap_or(i64::MAX);
        self.transaction.put(&own, "n", n)?;
        self.transaction.put(&own, "owner", head.owner.as_str())?;
        self.transaction.put(&own, "schema", SCHEMA)?;
        if let Some(origin) = head.origin {
            let mut bytes = origin.device.as_bytes().to_vec();
            bytes.extend_from_slice(origin.session.as_bytes());
            self.transaction.put(&own, "origin", ScalarValue::Bytes(bytes))?;
        }
        Ok(())
    }

    fn edit(&mut self, edit: &Edit) -> Result<(), DocumentError> {
        let (Edit::Put(path, _) | Edit::Append(path, _) | Edit::Delete(path)) = edit;
        let Some((last, parents)) = path.split_last() else {
            return Err(bad(path, "no field named"));
        };
        if path[0] == SELF_KEY || path.len() > DEPTH_MAX || path.iter().any(|key| !key_fits(key)) {
            return Err(bad(path, "not a field of the record"));
        }
        let names_container = path.len() == 1 && self.is_container(&path[0]);
        if names_container && !matches!(edit, Edit::Put(_, Node::Map(_))) {
            return Err(bad(path, "a container is never replaced"));
        }
        match edit {
            Edit::Put(_, node) => {
                let maps = self.open(path, parents, true)?;
                self.put(path, &maps, last, node)
            }
            Edit::Append(_, node) => {
                let maps = self.open(path, parents, true)?;
                self.append(path, &maps, last, node)
            }
            Edit::Delete(_) => {
                let maps = self.open(path, parents, false)?;
                maps.iter().try_for_each(|map| self.delete(path, map, last))
            }
        }
    }

    /// The map objects at a path, the winner first; several where writers made maps under one name.
    fn open(&mut self, path: &[String], keys: &[String], make: bool) -> Result<Vec<ObjId>, DocumentError> {
        let mut maps = vec![ROOT];
        for key in keys {
            let mut below = Vec::new();
            for map in &maps {
                below.extend(self.maps_under(path, map, key)?);
            }
            if below.is_empty() {
                let taken = self
                    .transaction
                    .get(&maps[0], key.as_str())
                    .map_err(|e| refused(path, e))?;
                if taken.is_some() && make {
                    return Err(bad(path, "a value stands where a map is needed"));
                }
                if !make {
                    return Ok(Vec::new());
                }
                let made = self.transaction.put_object(&maps[0], key.as_str(), ObjType::Map);
                below.push(made.map_err(|e| refused(path, e))?);
            }
            maps = below;
        }
        Ok(maps)
    }

    /// Whether a root key is one of the containers that every document of the kind has.
    fn is_container(&self, key: &str) -> bool {
        key == EXTENSION_KEY || records::layout::containers(self.kind).contains(&key)
    }

    fn maps_under(&self, path: &[String], map: &ObjId, key: &str) -> Result<Vec<ObjId>, DocumentError> {
        let found = self.transaction.get_all(map, key).map_err(|e| refused(path, e))?;
        let maps = found
            .into_iter()
            .rev()
            .filter(|(value, _)| is_object(value, ObjType::Map));
        Ok(maps.map(|(_, id)| id).collect())
    }

    fn put(&mut self, path: &[String], maps: &[ObjId], key: &str, node: &Node) -> Result<(), DocumentError> {
        let Some((map, others)) = maps.split_first() else {
            return Ok(());
        };
        match node {
            Node::Leaf(leaf) => {
                let value = scalar(path, &leaf.winner)?;
                let found = self.transaction.get_all(map, key).map_err(|e| refused(path, e))?;
                if found.iter().any(|(value, _)| matches!(value, Value::Object(_))) {
                    return Err(bad(path, "a map or list stands where a value is put"));
                }
                let same = matches!(found.as_slice(), [(Value::Scalar(old), _)] if **old == value);
                if !same {
                    self.transaction
                        .put(map, key, value)
                        .map_err(|e| refused(path, e))?;
                }
                others.iter().try_for_each(|other| self.delete(path, other, key))
            }
            Node::Map(parts) => {
                let mut below = Vec::new();
                for map in maps {
                    below.extend(self.maps_under(path, map, key)?);
                }
                if below.is_empty() {
                    if self
                        .transaction
                        .get(map, key)
                        .map_err(|e| refused(path, e))?
                        .is_some()
                    {
                        return Err(bad(path, "a value stands where a map is put"));
                    }
                    let made = self.transaction.put_object(map, key, ObjType::Map);
                    below.push(made.map_err(|e| refused(path, e))?);
                }
                if path.len() > DEPTH_MAX {
                    return Err(bad(path, "nested too deep"));
                }
                for (name, part) in parts {
                    if !key_fits(name) {
                        return Err(bad(path, "a name below is empty or too long"));
                    }
                    let mut inner = path.to_vec();
                    inner.push(name.clone());
                    self.put(&inner, &below, name, part)?;
                }
                Ok(())
            }
            Node::List(items) => {
                if !self.same_list(map, key, items) {
                    let list = self.transaction.put_object(map, key, ObjType::List);
                    let list = list.map_err(|e| refused(path, e))?;
                    for (index, item) in items.iter().enumerate() {
                        self.insert(path, &list, index, item, 0)?;
                    }
                }
                others.iter().try_for_each(|other| self.delete(path, other, key))
            }
        }
    }

    /// Whether exactly this list of plain values stands there already, and nothing beside it.
    fn same_list(&self, map: &ObjId, key: &str, items: &[Node]) -> bool {
        let Ok(found) = self.transaction.get_all(map, key) else {
            return false;
        };
        let [(Value::Object(ObjType::List), list)] = found.as_slice() else {
            return false;
        };
        self.transaction.length(list) == items.len()
            && items.iter().enumerate().all(|(index, item)| {
                let Node::Leaf(leaf) = item else { return false };
                let (Ok(Some((Value::Scalar(old), _))), Ok(new)) =
                    (self.transaction.get(list, index), scalar(&[], &leaf.winner))
                else {
                    return false;
                };
                *old == new
            })
    }

    fn append(
        &mut self,
        path: &[String],
        maps: &[ObjId],
        key: &str,
        node: &Node,
    ) -> Result<(), DocumentError> {
        let Some(map) = maps.first() else { return Ok(()) };
        let found = self.transaction.get(map, key).map_err(|e| refused(path, e))?;
        let list = match found {
            Some((value, id)) if is_object(&value, ObjType::List) => id,
            Some(_) => return Err(bad(path, "no list to append to")),
            None => self
                .transaction
                .put_object(map, key, ObjType::List)
                .map_err(|e| refused(path, e))?,
        };
        let end = self.transaction.length(&list);
        self.insert(path, &list, end, node, 0)
    }

    fn insert(
        &mut self,
        path: &[String],
        list: &ObjId,
        index: usize,
        node: &Node,
        depth: usize,
    ) -> Result<(), DocumentError> {
        if path.len() + depth > DEPTH_MAX {
            return Err(bad(path, "nested too deep"));
        }
        match node {
            Node::Leaf(leaf) => {
                let value = scalar(path, &leaf.winner)?;
                self.transaction
                    .insert(list, index, value)
                    .map_err(|e| refused(path, e))
            }
            Node::Map(parts) => {
                let map = self.transaction.insert_object(list, index, ObjType::Map);
                let map = map.map_err(|e| refused(path, e))?;
                for (name, part) in parts {
                    if !key_fits(name) {
                        return Err(bad(path, "a name below is empty or too long"));
                    }
                    let mut inner = path.to_vec();
                    inner.push(name.clone());
                    self.put(&inner, std::slice::from_ref(&map), name, part)?;
                }
                Ok(())
            }
            Node::List(items) => {
                let inner = self.transaction.insert_object(list, index, ObjType::List);
                let inner = inner.map_err(|e| refused(path, e))?;
                for (at, item) in items.iter().enumerate() {
                    self.insert(path, &inner, at, item, depth + 1)?;
                }
                Ok(())
            }
        }
    }

    fn delete(&mut self, path: &[String], map: &ObjId, key: &str) -> Result<(), DocumentError> {
        match self.transaction.get(map, key).map_err(|e| refused(path, e))? {
            Some(_) => self.transaction.delete(map, key).map_err(|e| refused(path, e)),
            None => Ok(()),
        }
    }
}

fn is_object(value: &Value<'_>, kind: ObjType) -> bool {
    matches!(value, Value::Object(found) if *found == kind)
}

fn scalar(path: &[String], value: &Scalar) -> Result<ScalarValue, DocumentError> {
    match value {
        Scalar::Text(text) if text.len() > FIELD_BYTES_MAX => Err(bad(path, "text too long")),
        Scalar::Bytes(bytes) if bytes.len() > FIELD_BYTES_MAX => Err(bad(path, "too many bytes")),
        Scalar::Float(number) if !number.is_finite() => Err(bad(path, "not a number")),
        Scalar::Bool(truth) => Ok(ScalarValue::Boolean(*truth)),
        Scalar::Int(number) => Ok(ScalarValue::Int(*number)),
        Scalar::Float(number) => Ok(ScalarValue::F64(*number)),
        Scalar::Text(text) => Ok(ScalarValue::Str(text.as_str().into())),
        Scalar::Bytes(bytes) => Ok(ScalarValue::Bytes(bytes.clone())),
        Scalar::Null => Ok(ScalarValue::Null),
    }
}

//! What a change may refer to: the operations in its past.

use std::collections::{BTreeSet, HashMap, HashSet};

use automerge::legacy::{ElementId, Key, ObjectId, Op, OpId, OpType};
use automerge::{ActorId, ChangeHash, ExpandedChange, ObjType};

use super::Fault;
use crate::document::{DEPTH_MAX, Document, KEY_BYTES_MAX, SELF_KEY};

/// Where an operation puts something: a name in a map, or an element of a list.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Place {
    Name(String),
    Element(OpId),
}

#[derive(Debug, Clone)]
struct Known {
    object: ObjectId,
    place: Place,
    makes: Option<ObjType>,
    inserts: bool,
    deletes: bool,
    /// Depth of the object that it makes, and the root key under which it lies.
    depth: usize,
    root_key: String,
}

/// The operations in the past of a change, and what the change adds while it is checked.
pub(super) struct Past {
    ops: HashMap<OpId, Known>,
    /// Largest operation number among the dependencies.
    pub(super) max_op: u64,
    /// How many changes of the author lie in the past.
    pub(super) author_changes: u64,
    containers: BTreeSet<String>,
    /// Root keys below which the change writes.
    pub(super) touched: BTreeSet<String>,
}

impl Past {
    /// Gathers the past of these dependencies. `None` where one of them is not held.
    pub(super) fn of(document: &Document, deps: &[ChangeHash], author: &ActorId) -> Option<Self> {
        let all: HashMap<ChangeHash, automerge::Change> = document
            .inner()
            .get_changes(&[])
            .into_iter()
            .map(|change| (change.hash(), change))
            .collect();
        let (mut open, mut seen, mut chosen) = (deps.to_vec(), HashSet::new(), Vec::new());
        while let Some(hash) = open.pop() {
            if !seen.insert(hash) {
                continue;
            }
            let change = all.get(&hash)?;
            open.extend_from_slice(change.deps());
            chosen.push(change);
        }
        chosen.sort_by_key(|change| change.start_op());
        let containers = records::layout::containers(document.kind())
            .iter()
            .map(|name| (*name).to_owned());
        let mut past = Self {
            ops: HashMap::new(),
            max_op: 0,
            author_changes: 0,
            containers: containers
                .chain([SELF_KEY.to_owned(), "ext".to_owned()])
                .collect(),
            touched: BTreeSet::new(),
        };
        for change in chosen {
            past.max_op = past.max_op.max(change.max_op());
            past.author_changes += u64::from(change.actor_id() == author);
            let expanded = change.decode();
            for (id, op) in numbered(&expanded) {
                // It was checked when it came in.
                if let Some(known) = past.known(op) {
                    past.ops.insert(id, known);
                }
            }
        }
        Some(past)
    }

    fn known(&self, op: &Op) -> Option<Known> {
        let (depth, root_key) = match &op.obj {
            ObjectId::Root => match &op.key {
                Key::Map(name) => (1, name.to_string()),
                Key::Seq(_) => return None,
            },
            ObjectId::Id(id) => {
                let parent = self.ops.get(id)?;
                (parent.depth + 1, parent.root_key.clone())
            }
        };
        let place = match &op.key {
            Key::Map(name) => Place::Name(name.to_string()),
            Key::Seq(ElementId::Id(id)) => Place::Element(id.clone()),
            Key::Seq(ElementId::Head) => Place::Name(String::new()),
        };
        let makes = op.obj_type();
        let deletes = matches!(op.action, OpType::Delete);
        Some(Known {
            object: op.obj.clone(),
            place,
            makes,
            inserts: op.insert,
            deletes,
            depth,
            root_key,
        })
    }

    /// Checks the operations of a change in their order.
    pub(super) fn check(&mut self, change: &ExpandedChange, creates: bool) -> Result<(), Fault> {
        for (id, op) in numbered(change) {
            let known = self.known(op).ok_or(Fault::UnknownObject)?;
            self.check_target(op)?;
            self.check_predecessors(op)?;
            let at_root = op.obj == ObjectId::Root;
            if at_root && self.containers.contains(&known.root_key) {
                return Err(Fault::Container);
            }
            if (known.root_key == SELF_KEY) && !creates {
                return Err(Fault::Head(
                    "a later change writes what the document says of itself",
                ));
            }
            if known.depth > DEPTH_MAX {
                return Err(Fault::Bounds("nested too deep"));
            }
            self.touched.insert(known.root_key.clone());
            self.ops.insert(id, known);
        }
        Ok(())
    }

    fn check_target(&self, op: &Op) -> Result<(), Fault> {
        let holder = match &op.obj {
            ObjectId::Root => ObjType::Map,
            ObjectId::Id(id) => self
                .ops
                .get(id)
                .and_then(|made| made.makes)
                .ok_or(Fault::UnknownObject)?,
        };
        match (holder, &op.key) {
            (ObjType::Map, Key::Map(name)) => {
                let fits = (1..=KEY_BYTES_MAX).contains(&name.len()) && !op.insert;
                if fits {
                    Ok(())
                } else {
                    Err(Fault::Bounds("name of a field"))
                }
            }
            (ObjType::List, Key::Seq(ElementId::Head)) if op.insert => Ok(()),
            (ObjType::List, Key::Seq(ElementId::Id(element))) => {
                let inserted = self
                    .ops
                    .get(element)
                    .is_some_and(|at| at.inserts && at.object == op.obj);
                if inserted {
                    Ok(())
                } else {
                    Err(Fault::UnknownElement)
                }
            }
            (ObjType::Map | ObjType::List | ObjType::Table | ObjType::Text, _) => Err(Fault::UnknownElement),
        }
    }

    fn check_predecessors(&self, op: &Op) -> Result<(), Fault> {
        if op.insert && !op.pred.is_empty() {
            return Err(Fault::UnknownPredecessor);
        }
        if matches!(op.action, OpType::Delete) && (op.pred.is_empty() || op.insert) {
            return Err(Fault::UnknownPredecessor);
        }
        for pred in op.pred.iter() {
            let before = self.ops.get(pred).ok_or(Fault::UnknownPredecessor)?;
            let same_place = match &op.key {
                Key::Map(name) => before.place == Place::Name(name.to_string()),
                Key::Seq(ElementId::Id(element)) => {
                    (before.inserts && pred == element)
                        || (!before.inserts && before.place == Place::Element(element.clone()))
                }
                Key::Seq(ElementId::Head) => false,
            };
            if before.object != op.obj || !same_place || before.deletes {
                return Err(Fault::UnknownPredecessor);
            }
        }
        Ok(())
    }
}

/// The operations of a change with their ids.
fn numbered(change: &ExpandedChange) -> impl Iterator<Item = (OpId, &Op)> {
    let start = change.start_op.get();
    change
        .operations
        .iter()
        .enumerate()
        .map(move |(at, op)| (OpId::new(start.saturating_add(at as u64), &change.actor_id), op))
}

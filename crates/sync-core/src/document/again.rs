//! Writing changes again: what a document becomes when some of its changes cannot stay.
//!
//! Another machine may have written under the same session, or the hub may have refused a change. The document
//! is then built without it, and what must not be lost is written again under a fresh actor, operation by
//! operation: what overwrote a change that is gone overwrites what that one had overwritten; what edits an
//! object that is gone is left out and stays readable in the change's old text.

#[cfg(test)]
mod tests;

use std::collections::{HashMap, HashSet};
use std::num::NonZeroU64;

use automerge::legacy::{ElementId, Key, ObjectId, Op, OpId, OpType};
use automerge::{ActorId, Change as RawChange, ChangeHash, ExpandedChange, ScalarValue};
use records::ids::DocId;
use records::time::WallTime;

use super::{Change, Document, DocumentError, Origin, genesis, genesis_hash};
use crate::identity::Actor;

/// What becomes of a change.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fate {
    /// It stays. It must not build on one that does not.
    Stays,
    /// Its content is written again by this actor, who has written nothing else in the document.
    Again(Actor),
    /// It is taken out.
    Out,
}

/// A change of the document and what becomes of it.
#[derive(Debug, Clone, Copy)]
pub struct Part<'a> {
    /// The raw chunk.
    pub bytes: &'a [u8],
    /// What becomes of it.
    pub fate: Fate,
}

/// A change that was written again.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Again {
    /// Hash of the old change.
    pub old: [u8; 32],
    /// Who wrote the new one.
    pub actor: Actor,
    /// The new change; `None` where nothing of the old one was left.
    pub change: Option<Change>,
}

/// A document that was written again.
#[derive(Debug, Clone)]
pub struct Rewritten {
    /// The document as it is now.
    pub document: Document,
    /// The changes whose content was written again, in their old order.
    pub again: Vec<Again>,
    /// For each change that is gone the heads that stand where it stood.
    pub instead: Vec<([u8; 32], Vec<[u8; 32]>)>,
}

/// What changes of a document say of each other, read from their bytes alone.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Outline {
    /// The change's hash.
    pub hash: [u8; 32],
    /// Who wrote it.
    pub actor: Actor,
    /// Whether it creates the document.
    pub creates: bool,
}

/// Reads who wrote a change and whether it creates its document.
pub fn outline(doc: DocId, bytes: &[u8]) -> Result<Outline, DocumentError> {
    let kind = doc.kind().ok_or(DocumentError::UnknownKind)?;
    let change = parse(bytes)?;
    let actor = Actor::from_slice(change.actor_id().to_bytes())
        .ok_or_else(|| DocumentError::broken("an actor of another length"))?;
    Ok(Outline {
        hash: change.hash().0,
        actor,
        creates: change.deps() == [ChangeHash(genesis_hash(kind))],
    })
}

/// The changes that build on any of those that go, themselves included. `changes` in an order in which each
/// comes after what it builds on.
pub fn dependants<'a>(
    changes: impl IntoIterator<Item = &'a [u8]>,
    gone: &HashSet<[u8; 32]>,
) -> Result<HashSet<[u8; 32]>, DocumentError> {
    let mut found = gone.clone();
    for bytes in changes {
        let change = parse(bytes)?;
        if change.deps().iter().any(|dep| found.contains(&dep.0)) {
            found.insert(change.hash().0);
        }
    }
    Ok(found)
}

/// The hashes of what a change builds on directly.
pub fn deps_of(bytes: &[u8]) -> Option<Vec<[u8; 32]>> {
    let change = parse(bytes).ok()?;
    Some(change.deps().iter().map(|dep| dep.0).collect())
}

/// When a change says that it was written, from its bytes; `None` where they are no change, or its time is none.
pub fn written_at(bytes: &[u8]) -> Option<WallTime> {
    let seconds = parse(bytes).ok()?.timestamp();
    let at = WallTime(seconds.checked_mul(1000)?);
    (WallTime::MIN..=WallTime::MAX).contains(&at).then_some(at)
}

impl Document {
    /// The change that stands in this document under the number that another change of the same actor claims.
    pub fn rival_of(&self, bytes: &[u8]) -> Option<[u8; 32]> {
        let change = parse(bytes).ok()?;
        let held = self.inner.get_changes_meta(&[]);
        held.iter()
            .find(|meta| {
                *meta.actor == *change.actor_id() && meta.seq == change.seq() && meta.hash != change.hash()
            })
            .map(|meta| meta.hash.0)
    }
}

fn parse(bytes: &[u8]) -> Result<RawChange, DocumentError> {
    RawChange::try_from(bytes).map_err(DocumentError::broken)
}

/// Builds a document from its parts. `origin` is what a creating change that is written again carries, so that
/// the document's id stays; `id` must be the origin's. Byte strings that hold an id on the left of `renamed`
/// get the one on the right.
pub fn write_again(
    id: DocId,
    origin: Origin,
    parts: &[Part<'_>],
    renamed: &[(DocId, DocId)],
) -> Result<Rewritten, DocumentError> {
    let kind = id.kind().ok_or(DocumentError::UnknownKind)?;
    let genesis_hash = ChangeHash(genesis_hash(kind));
    let mut work = Work {
        document: Document::from_parts(id, kind, genesis(kind)),
        genesis: genesis_hash,
        origin,
        renamed,
        deps: HashMap::new(),
        ops: HashMap::new(),
        largest: HashMap::new(),
    };
    for meta in work.document.inner.get_changes_meta(&[]) {
        work.largest.insert(meta.hash, meta.max_op);
    }
    let mut done = Vec::new();
    for part in parts {
        let change = parse(part.bytes)?;
        match part.fate {
            Fate::Stays => work.apply(change)?,
            Fate::Out => work.take_out(&change),
            Fate::Again(actor) => {
                let old = change.hash().0;
                let change = work.write(&change, actor)?;
                done.push(Again { old, actor, change });
            }
        }
    }
    let plain = |hashes: &Vec<ChangeHash>| hashes.iter().map(|hash| hash.0).collect();
    Ok(Rewritten {
        instead: work.deps.iter().map(|(old, new)| (old.0, plain(new))).collect(),
        document: work.document,
        again: done,
    })
}

/// Where an operation of a change that does not stay went.
enum Went {
    To(OpId),
    /// Nowhere: these it had overwritten, and there its element was inserted.
    Nowhere {
        before: Vec<OpId>,
        place: Key,
    },
}

struct Work<'a> {
    document: Document,
    genesis: ChangeHash,
    origin: Origin,
    renamed: &'a [(DocId, DocId)],
    /// What stands for a change that does not stay, where others build on it.
    deps: HashMap<ChangeHash, Vec<ChangeHash>>,
    ops: HashMap<OpId, Went>,
    /// Largest operation number up to each change of the new document.
    largest: HashMap<ChangeHash, u64>,
}

impl Work<'_> {
    fn apply(&mut self, change: RawChange) -> Result<(), DocumentError> {
        let (hash, largest) = (change.hash(), change.max_op());
        self.document
            .inner
            .apply_changes([change])
            .map_err(DocumentError::broken)?;
        if self.document.inner.get_change_meta_by_hash(&hash).is_none() {
            return Err(DocumentError::broken("a change is missing"));
        }
        self.largest.insert(hash, largest);
        Ok(())
    }

    fn take_out(&mut self, change: &RawChange) {
        let deps = self.mapped_deps(change.deps());
        self.deps.insert(change.hash(), deps);
        let expanded = change.decode();
        for (id, op) in numbered(&expanded) {
            self.ops.insert(
                id,
                Went::Nowhere {
                    before: op.pred.iter().cloned().collect(),
                    place: op.key.clone(),
                },
            );
        }
    }

    fn mapped_deps(&self, deps: &[ChangeHash]) -> Vec<ChangeHash> {
        let mut mapped: Vec<ChangeHash> = Vec::new();
        for dep in deps {
            match self.deps.get(dep) {
                Some(instead) => mapped.extend(instead),
                None => mapped.push(*dep),
            }
        }
        mapped.sort_unstable();
        mapped.dedup();
        // What another dependency builds on anyway is not named.
        let all = mapped.clone();
        mapped.retain(|dep| {
            !all.iter()
                .any(|other| other != dep && self.document.is_in_past(&dep.0, &super::Heads::new([other.0])))
        });
        mapped
    }

    fn write(&mut self, change: &RawChange, actor: Actor) -> Result<Option<Change>, DocumentError> {
        let creates = change.deps() == [self.genesis];
        let expanded = change.decode();
        let deps = self.mapped_deps(change.deps());
        if deps.is_empty() || (deps == [self.genesis] && !creates) {
            return Err(DocumentError::broken("nothing is left to build on"));
        }
        let largest = deps.iter().filter_map(|dep| self.largest.get(dep)).max();
        let start = largest
            .and_then(|largest| NonZeroU64::new(largest + 1))
            .ok_or_else(|| DocumentError::broken("a change is missing"))?;
        let author = ActorId::from(&actor.to_bytes()[..]);
        let mut operations = Vec::with_capacity(expanded.operations.len() + 1);
        for (old, op) in numbered(&expanded) {
            match self.mapped(op) {
                Some(op) => {
                    let id = OpId::new(start.get() + operations.len() as u64, &author);
                    self.ops.insert(old, Went::To(id));
                    operations.push(op);
                }
                None => {
                    let before = op.pred.iter().cloned().collect();
                    let place = op.key.clone();
                    self.ops.insert(old, Went::Nowhere { before, place });
                }
            }
        }
        if creates {
            self.write_origin(&mut operations);
        }
        if operations.is_empty() {
            self.deps.insert(change.hash(), deps);
            return Ok(None);
        }
        let written = self.document.inner.get_changes_meta(&[]);
        let seq = written.iter().filter(|meta| *meta.actor == author).count() as u64 + 1;
        let new: RawChange = ExpandedChange {
            operations,
            actor_id: author,
            hash: None,
            seq,
            start_op: start,
            deps,
            ..expanded
        }
        .into();
        let made = Change {
            hash: new.hash().0,
            bytes: new.raw_bytes().to_vec(),
        };
        self.deps.insert(change.hash(), vec![new.hash()]);
        self.apply(new)?;
        Ok(Some(made))
    }

    /// An operation with everything that it names where it went; `None` where that is gone.
    fn mapped(&self, op: &Op) -> Option<Op> {
        let obj = match &op.obj {
            ObjectId::Root => ObjectId::Root,
            ObjectId::Id(id) => ObjectId::Id(self.now(id)?),
        };
        let key = match &op.key {
            Key::Seq(ElementId::Id(element)) if op.insert => self.anchor(element),
            Key::Seq(ElementId::Id(element)) => Key::Seq(ElementId::Id(self.now(element)?)),
            Key::Seq(ElementId::Head) | Key::Map(_) => op.key.clone(),
        };
        let mut pred = Vec::new();
        op.pred.iter().for_each(|id| self.before(id, &mut pred));
        pred.sort_unstable();
        pred.dedup();
        if matches!(op.action, OpType::Delete) && pred.is_empty() {
            return None;
        }
        Some(Op {
            action: self.renamed(&op.action),
            obj,
            key,
            pred: pred.into(),
            insert: op.insert,
        })
    }

    fn now(&self, id: &OpId) -> Option<OpId> {
        match self.ops.get(id) {
            None => Some(id.clone()),
            Some(Went::To(new)) => Some(new.clone()),
            Some(Went::Nowhere { .. }) => None,
        }
    }

    /// What an operation overwrites that overwrote this one.
    fn before(&self, id: &OpId, found: &mut Vec<OpId>) {
        match self.ops.get(id) {
            None => found.push(id.clone()),
            Some(Went::To(new)) => found.push(new.clone()),
            Some(Went::Nowhere { before, .. }) => before.iter().for_each(|id| self.before(id, found)),
        }
    }

    /// Behind which element something is inserted that was inserted behind this one.
    fn anchor(&self, element: &OpId) -> Key {
        match self.ops.get(element) {
            None => Key::Seq(ElementId::Id(element.clone())),
            Some(Went::To(new)) => Key::Seq(ElementId::Id(new.clone())),
            Some(Went::Nowhere { place, .. }) => match place {
                Key::Seq(ElementId::Id(before)) => self.anchor(before),
                Key::Seq(ElementId::Head) | Key::Map(_) => Key::Seq(ElementId::Head),
            },
        }
    }

    fn renamed(&self, action: &OpType) -> OpType {
        let OpType::Put(ScalarValue::Bytes(bytes)) = action else {
            return action.clone();
        };
        let mut bytes = bytes.clone();
        for (old, new) in self.renamed {
            let places: Vec<usize> = bytes
                .windows(old.0.len())
                .enumerate()
                .filter(|(_, window)| **window == old.0)
                .map(|(at, _)| at)
                .collect();
            for at in places {
                bytes[at..at + new.0.len()].copy_from_slice(&new.0);
            }
        }
        OpType::Put(ScalarValue::Bytes(bytes))
    }

    /// Puts the document's origin into its creating change.
    fn write_origin(&self, operations: &mut Vec<Op>) {
        let is_own = |op: &Op, name: &str| {
            matches!(&op.obj, ObjectId::Id(id) if id.0 == 1)
                && matches!(&op.key, Key::Map(key) if *key == name)
        };
        let (device, session) = (self.origin.device, self.origin.session);
        let bytes = [device.as_bytes().as_slice(), session.as_bytes().as_slice()].concat();
        let origin = OpType::Put(ScalarValue::Bytes(bytes));
        let n = i64::try_from(self.origin.n).unwrap_or(i64::MAX);
        let mut own = None;
        for op in operations.iter_mut().filter(|op| is_own(op, "n")) {
            op.action = OpType::Put(ScalarValue::Int(n));
            own = Some(op.obj.clone());
        }
        if let Some(op) = operations.iter_mut().find(|op| is_own(op, "origin")) {
            op.action = origin;
        } else if let Some(obj) = own {
            operations.push(Op {
                action: origin,
                obj,
                key: Key::Map("origin".into()),
                pred: Vec::new().into(),
                insert: false,
            });
        }
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

//! A record as an Automerge document: created, loaded, read as a tree, edited.
//!
//! A document begins with a genesis change whose bytes are the same everywhere for its kind, so that two
//! writers never make two containers of one name of which one hides the other. The genesis is implied: it
//! stands in no log and travels nowhere. The first change after it writes the number `n` from which, with
//! device and session, the document's id is hashed: a change's bytes alone do not say to which document they
//! belong.

mod again;
mod edits;
mod genesis;
#[cfg(test)]
mod tests;
mod tree;

use automerge::transaction::CommitOptions;
use automerge::{ActorId, Automerge, ChangeHash, ROOT, ReadDoc, ScalarValue, Value};
use records::ids::{ClinicCode, DeviceId, DocId, DocKind, SessionId};
use records::time::WallTime;
use records::tree::{Edit, Node};
use sha2::{Digest, Sha256};

use crate::identity::Actor;
pub use again::{
    Again, Fate, Outline, Part, Rewritten, dependants, deps_of, outline, write_again, written_at,
};
pub(crate) use genesis::genesis;
pub use genesis::genesis_hash;

/// Name of the container in which a document says what it is; not a part of the record.
pub const SELF_KEY: &str = "doc";
/// Name of the container that newer releases may use before the genesis is ever changed.
pub const EXTENSION_KEY: &str = "ext";
/// Version of the layout of records that this release writes.
pub const SCHEMA: i64 = 1;
/// Deepest nesting of maps and lists in a document.
pub const DEPTH_MAX: usize = 16;
/// Longest text or byte string of one field, in bytes.
pub const FIELD_BYTES_MAX: usize = 256 * 1024;
/// Longest name of a field, in bytes.
pub const KEY_BYTES_MAX: usize = 256;
/// Most edits in one change.
pub const EDITS_MAX: usize = 4096;
/// Longest change, in bytes.
pub const CHANGE_BYTES_MAX: usize = 1024 * 1024;
/// Most operations in one change.
pub const OPS_MAX: usize = 20_000;

/// The hashes of the changes that nothing follows yet, sorted. They commit to the whole content.
#[derive(Debug, Clone, PartialEq, Eq, Default, Hash)]
pub struct Heads(Vec<[u8; 32]>);

impl Heads {
    /// Heads in whatever order they come; duplicates count once.
    pub fn new(hashes: impl IntoIterator<Item = [u8; 32]>) -> Self {
        let mut heads: Vec<[u8; 32]> = hashes.into_iter().collect();
        heads.sort_unstable();
        heads.dedup();
        Self(heads)
    }

    /// Heads from the bytes of [`Heads::to_bytes`]; `None` where the length is no multiple of 32.
    pub fn from_bytes(bytes: &[u8]) -> Option<Self> {
        let (hashes, rest) = bytes.as_chunks::<32>();
        rest.is_empty().then(|| Self::new(hashes.iter().copied()))
    }

    /// The hashes one after the other, 32 bytes each, sorted.
    pub fn to_bytes(&self) -> Vec<u8> {
        self.0.concat()
    }

    /// The hashes, sorted.
    pub fn iter(&self) -> impl Iterator<Item = &[u8; 32]> {
        self.0.iter()
    }

    /// Number of heads.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    fn to_automerge(&self) -> Vec<ChangeHash> {
        self.0.iter().map(|hash| ChangeHash(*hash)).collect()
    }

    fn from_automerge(hashes: &[ChangeHash]) -> Self {
        Self::new(hashes.iter().map(|hash| hash.0))
    }
}

impl TryFrom<&[u8]> for Heads {
    type Error = BadHeads;

    fn try_from(bytes: &[u8]) -> Result<Self, BadHeads> {
        Self::from_bytes(bytes).ok_or(BadHeads)
    }
}

/// Bytes that are no heads.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the length of heads is no multiple of 32")]
pub struct BadHeads;

/// One change of a document as it stands in the log: Automerge's raw chunk, not deflated.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Change {
    /// SHA-256 of the chunk's content.
    pub hash: [u8; 32],
    /// The chunk.
    pub bytes: Vec<u8>,
}

/// The hash of a change from its raw chunk: the SHA-256 of everything from the chunk's type on. `None` where
/// the bytes are too short for a chunk.
pub fn chunk_hash(bytes: &[u8]) -> Option<[u8; 32]> {
    // Magic and checksum, four bytes each, stand before the type.
    bytes
        .get(8..)
        .filter(|content| !content.is_empty())
        .map(|content| Sha256::digest(content).into())
}

/// From what the id of a document is made: the position of its first change.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Origin {
    /// The device that created the document.
    pub device: DeviceId,
    /// Its session then.
    pub session: SessionId,
    /// The position of the first change in that session's log.
    pub n: u64,
}

/// Prefix of what a document id hashes.
const ID_TAG: &[u8] = b"clinic-box document v1\0";

impl Origin {
    /// The id of the document of this kind that was created here: the kind's byte and 15 bytes of a hash.
    pub fn id(&self, kind: DocKind) -> DocId {
        let digest = Sha256::new()
            .chain_update(ID_TAG)
            .chain_update([kind.byte()])
            .chain_update(self.device.as_bytes())
            .chain_update(self.session.as_bytes())
            .chain_update(self.n.to_be_bytes())
            .finalize();
        let mut id = [0; 16];
        id[0] = kind.byte();
        id[1..].copy_from_slice(&digest[..15]);
        DocId(id)
    }
}

/// A document that could not be read or edited.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum DocumentError {
    /// The first byte of the id is of no kind that this release knows.
    #[error("document of a kind that this release does not know")]
    UnknownKind,
    /// The changes do not make a document: damaged bytes or a missing change.
    #[error("the stored changes do not make a document: {0}")]
    Broken(String),
    /// The heads that an edit builds on are not in this document.
    #[error("the edit builds on a state that this document never had")]
    UnknownBase,
    /// The actor has written in this document what the base does not know; it would write a number twice.
    #[error("the actor has already written past the base of the edit")]
    ActorBusy,
    /// More than one change may hold: no other side would take it.
    #[error("too much for one change")]
    TooLarge,
    /// An edit that the layout does not allow.
    #[error("edit not possible at {path}: {why}")]
    BadEdit {
        /// Field names from the root, never their values.
        path: String,
        /// What is wrong.
        why: &'static str,
    },
}

impl DocumentError {
    fn broken(error: impl std::fmt::Display) -> Self {
        Self::Broken(error.to_string())
    }
}

/// An Automerge document with its id.
#[derive(Debug, Clone)]
pub struct Document {
    id: DocId,
    kind: DocKind,
    inner: Automerge,
}

impl Document {
    /// Creates a document. `origin` is the position of its first change, which the caller has reserved for it;
    /// `actor` writes that change (another than the origin's only where a spoiled session is written again).
    pub fn create(
        kind: DocKind,
        owner: &ClinicCode,
        origin: Origin,
        actor: Actor,
        at: WallTime,
        edits: &[Edit],
    ) -> Result<(Self, Change), DocumentError> {
        let mut document = Self {
            id: origin.id(kind),
            kind,
            inner: genesis(kind),
        };
        let own = (origin.device, origin.session) == (actor.device, actor.session);
        let head = edits::Head {
            owner,
            origin: (!own).then_some(origin),
            n: origin.n,
        };
        let change = document.write(actor, at, Some(&head), edits)?;
        change
            .map(|change| (document, change))
            .ok_or_else(|| DocumentError::broken("empty first change"))
    }

    /// Loads a document from its logged changes, in an order in which each comes after what it builds on.
    pub fn load<'a>(id: DocId, changes: impl IntoIterator<Item = &'a [u8]>) -> Result<Self, DocumentError> {
        let kind = id.kind().ok_or(DocumentError::UnknownKind)?;
        let parsed = changes
            .into_iter()
            .map(|bytes| automerge::Change::try_from(bytes).map_err(DocumentError::broken))
            .collect::<Result<Vec<_>, _>>()?;
        let (count, mut inner) = (parsed.len(), genesis(kind));
        inner.apply_changes(parsed).map_err(DocumentError::broken)?;
        let document = Self { id, kind, inner };
        if document.change_count() < count {
            return Err(DocumentError::broken("a change is missing"));
        }
        Ok(document)
    }

    /// The document's id.
    pub fn id(&self) -> DocId {
        self.id
    }

    /// The document's kind.
    pub fn kind(&self) -> DocKind {
        self.kind
    }

    /// The current heads.
    pub fn heads(&self) -> Heads {
        Heads::from_automerge(&self.inner.get_heads())
    }

    /// Number of changes, without the genesis.
    pub fn change_count(&self) -> usize {
        usize::try_from(self.inner.stats().num_changes.saturating_sub(1)).unwrap_or(usize::MAX)
    }

    /// The clinic that owns the document.
    pub fn owner(&self) -> Option<ClinicCode> {
        match self.own_field("owner")? {
            ScalarValue::Str(code) => code.parse().ok(),
            _ => None,
        }
    }

    /// The version of the layout by which the document was created.
    pub fn schema(&self) -> i64 {
        self.own_field("schema")
            .and_then(|value| value.as_i64())
            .unwrap_or(SCHEMA)
    }

    /// The position of the document's first change, which its author wrote as this actor.
    pub fn origin(&self, author: Actor) -> Option<Origin> {
        let n = u64::try_from(self.own_field("n")?.as_i64()?).ok()?;
        let actor = match self.own_field("origin") {
            Some(ScalarValue::Bytes(bytes)) => Actor::from_slice(&bytes)?,
            _ => author,
        };
        Some(Origin {
            device: actor.device,
            session: actor.session,
            n,
        })
    }

    fn own_field(&self, key: &str) -> Option<ScalarValue> {
        let (_, container) = self.inner.get(ROOT, SELF_KEY).ok()??;
        match self.inner.get(container, key).ok()?? {
            (Value::Scalar(value), _) => Some(value.into_owned()),
            (Value::Object(_), _) => None,
        }
    }

    /// The content. Where writers clashed, each leaf keeps every value.
    pub fn tree(&self) -> Node {
        tree::read(&self.inner, None)
    }

    /// The content as it was at these heads (what a signature froze, say).
    pub fn tree_at(&self, heads: &Heads) -> Result<Node, DocumentError> {
        if !self.has(heads) {
            return Err(DocumentError::UnknownBase);
        }
        Ok(tree::read(&self.inner, Some(&heads.to_automerge())))
    }

    /// Whether every one of these heads is a change of this document.
    pub fn has(&self, heads: &Heads) -> bool {
        heads
            .to_automerge()
            .iter()
            .all(|head| self.inner.get_change_meta_by_hash(head).is_some())
    }

    /// Whether the change stands in the past of these heads, themselves included.
    pub fn is_in_past(&self, change: &[u8; 32], heads: &Heads) -> bool {
        let wanted = ChangeHash(*change);
        let mut open = heads.to_automerge();
        let mut seen = std::collections::HashSet::new();
        while let Some(hash) = open.pop() {
            if hash == wanted {
                return true;
            }
            if seen.insert(hash)
                && let Some(meta) = self.inner.get_change_meta_by_hash(&hash)
            {
                open.extend(meta.deps.iter().copied());
            }
        }
        false
    }

    /// The state on which the change was built that wrote the field at this path first: what a signature froze.
    /// `None` where the field does not stand.
    pub fn base_of(&self, path: &[&str]) -> Option<Heads> {
        let (last, parents) = path.split_last()?;
        let mut map = ROOT;
        for key in parents {
            (_, map) = self.inner.get(&map, *key).ok()??;
        }
        let written = self.inner.get_all(&map, *last).ok()?;
        let changes = written.iter().filter_map(|(_, id)| {
            let hash = self.inner.hash_for_opid(id)?;
            self.inner.get_change_meta_by_hash(&hash)
        });
        let first = changes.min_by_key(|meta| (meta.start_op, meta.hash))?;
        Some(Heads::from_automerge(&first.deps))
    }

    /// Edits the current state. `None` where the edits change nothing.
    pub fn edit(
        &mut self,
        actor: Actor,
        at: WallTime,
        edits: &[Edit],
    ) -> Result<Option<Change>, DocumentError> {
        self.write(actor, at, None, edits)
    }

    /// Edits the state at `base`, as a form does that was opened before others wrote, and merges: clashing
    /// values both stay. The actor must not have written here since `base` (see [`Document::is_free`]).
    pub fn edit_at(
        &mut self,
        base: &Heads,
        actor: Actor,
        at: WallTime,
        edits: &[Edit],
    ) -> Result<Option<Change>, DocumentError> {
        if *base == self.heads() {
            return self.write(actor, at, None, edits);
        }
        if !self.has(base) || base.is_empty() {
            return Err(DocumentError::UnknownBase);
        }
        if !self.is_free(actor, base) {
            return Err(DocumentError::ActorBusy);
        }
        let fork = self
            .inner
            .fork_at(&base.to_automerge())
            .map_err(|_| DocumentError::UnknownBase)?;
        let mut fork = Self {
            id: self.id,
            kind: self.kind,
            inner: fork,
        };
        let change = fork.write(actor, at, None, edits)?;
        if change.is_some() {
            self.inner.merge(&mut fork.inner).map_err(DocumentError::broken)?;
        }
        Ok(change)
    }

    /// Whether an actor may write on top of `base`: all that it wrote here lies in the past of `base`. One
    /// that wrote later would number two changes alike, which locks a document for ever.
    pub fn is_free(&self, actor: Actor, base: &Heads) -> bool {
        let theirs = ActorId::from(&actor.to_bytes()[..]);
        let known: std::collections::HashSet<ChangeHash> = self.past(base);
        self.inner
            .get_changes_meta(&[])
            .iter()
            .filter(|meta| *meta.actor == theirs)
            .all(|meta| known.contains(&meta.hash))
    }

    fn past(&self, heads: &Heads) -> std::collections::HashSet<ChangeHash> {
        let mut open = heads.to_automerge();
        let mut seen = std::collections::HashSet::new();
        while let Some(hash) = open.pop() {
            if seen.insert(hash)
                && let Some(meta) = self.inner.get_change_meta_by_hash(&hash)
            {
                open.extend(meta.deps.iter().copied());
            }
        }
        seen
    }

    /// Every change after the genesis, each after what it builds on.
    pub fn changes(&self) -> Vec<Change> {
        self.inner
            .get_changes(&[genesis_hash(self.kind)].map(ChangeHash))
            .iter()
            .map(|change| Change {
                hash: change.hash().0,
                bytes: change.raw_bytes().to_vec(),
            })
            .collect()
    }

    /// The document in Automerge's own file format, for checks.
    pub fn save(&self) -> Vec<u8> {
        self.inner.save()
    }

    pub(crate) fn inner(&self) -> &Automerge {
        &self.inner
    }

    pub(crate) fn from_parts(id: DocId, kind: DocKind, inner: Automerge) -> Self {
        Self { id, kind, inner }
    }

    fn write(
        &mut self,
        actor: Actor,
        at: WallTime,
        head: Option<&edits::Head<'_>>,
        edits: &[Edit],
    ) -> Result<Option<Change>, DocumentError> {
        self.inner.set_actor(ActorId::from(&actor.to_bytes()[..]));
        let mut transaction = self.inner.transaction();
        let outcome = edits::apply(&mut transaction, self.kind, head, edits);
        if let Err(error) = outcome {
            transaction.rollback();
            return Err(error);
        }
        let seconds = at.0.div_euclid(1000);
        let (hash, _) = transaction.commit_with(CommitOptions::default().with_time(seconds));
        let Some(hash) = hash else { return Ok(None) };
        let change = self
            .inner
            .get_change_by_hash(&hash)
            .ok_or(DocumentError::UnknownBase)?;
        if change.len() > OPS_MAX || change.raw_bytes().len() > CHANGE_BYTES_MAX {
            return Err(DocumentError::TooLarge);
        }
        Ok(Some(Change {
            hash: hash.0,
            bytes: change.raw_bytes().to_vec(),
        }))
    }
}

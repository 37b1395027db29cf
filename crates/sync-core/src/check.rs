//! The full check of a change that comes from elsewhere, before it is written.
//!
//! A well-formed change by an honest key can still kill a document: with a wrong operation number or
//! predecessor Automerge applies and saves it and never loads it again, and a predecessor among concurrent
//! operations hides what somebody entered. So everything that a change refers to must lie in its past, and the
//! document must survive a save and a load with it.

mod bounds;
mod past;
#[cfg(test)]
mod tests;

use std::panic::{AssertUnwindSafe, catch_unwind};

use automerge::legacy::{Key, OpType};
use automerge::{ActorId, Automerge, ExpandedChange, ReadDoc, ScalarValue};
use records::ids::{ClinicCode, DeviceId, DocId};
use records::time::WallTime;

use crate::document::{Change, Document, FIELD_BYTES_MAX, Heads, OPS_MAX, Origin, genesis, genesis_hash};
use crate::identity::{Actor, Position};
use past::Past;

/// Version of the rules of this check; raised whenever a release may take what the one before did not, so that
/// changes that were set aside are tried again.
pub const RULES: u32 = 1;

/// Why a change is not taken. All but [`Fault::MissingDependencies`] and [`Fault::Spoiled`] park it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Fault {
    /// Not the bytes of a change in its one canonical form.
    #[error("malformed: {0}")]
    Malformed(&'static str),
    /// Larger than anything that this release writes.
    #[error("out of bounds: {0}")]
    Bounds(&'static str),
    /// Written under another actor than the batch claims.
    #[error("written under the actor of somebody else")]
    WrongActor,
    /// The document's kind is of a newer release.
    #[error("document of an unknown kind")]
    UnknownKind,
    /// It builds on changes that are not held yet; it can be checked when they are.
    #[error("builds on changes that are not here yet")]
    MissingDependencies,
    /// The document holds another change under the same number of this actor: the session is spoiled.
    #[error("another change stands under this number of its session")]
    Spoiled,
    /// Numbers of the change or of its operations do not follow from its past.
    #[error("numbers do not follow from its past")]
    Numbering,
    /// It edits an object that is not in its past.
    #[error("edits an object that is not in its past")]
    UnknownObject,
    /// It names a list element that is not in its past.
    #[error("names a list element that is not in its past")]
    UnknownElement,
    /// It overwrites an operation that is not in its past or not at the same place.
    #[error("overwrites what is not in its past")]
    UnknownPredecessor,
    /// It replaces a container that every document of the kind has.
    #[error("replaces a container")]
    Container,
    /// An operation or value that this release does not use.
    #[error("uses an operation that this release does not know")]
    UnknownOperation,
    /// What the document says of itself does not fit its id or its author.
    #[error("the document's head: {0}")]
    Head(&'static str),
    /// The document was created by another change: two records would become one.
    #[error("another change creates the document")]
    CreatedBefore,
    /// The document would not survive a save and a load.
    #[error("the document does not survive a save and a load")]
    DoesNotSurvive,
}

impl Fault {
    /// A stable word for tables and the wire.
    pub fn word(self) -> &'static str {
        match self {
            Self::Malformed(_) => "malformed",
            Self::Bounds(_) => "bounds",
            Self::WrongActor => "actor",
            Self::UnknownKind => "kind",
            Self::MissingDependencies => "dependencies",
            Self::Spoiled => "spoiled",
            Self::Numbering => "numbering",
            Self::UnknownObject => "object",
            Self::UnknownElement => "element",
            Self::UnknownPredecessor => "predecessor",
            Self::Container => "container",
            Self::UnknownOperation => "operation",
            Self::Head(_) => "head",
            Self::CreatedBefore => "created",
            Self::DoesNotSurvive => "survival",
        }
    }
}

/// A change that passed, and the document with it.
#[derive(Debug, Clone)]
pub struct Checked {
    /// The change.
    pub change: Change,
    /// The document as it is with the change.
    pub document: Document,
    /// Who owns the document, where this change creates it.
    pub creates: Option<ClinicCode>,
    /// Root keys below which the change writes, sorted: the rules of a kind are judged by them.
    pub touched: Vec<String>,
    /// Whether it was known already, and nothing is to be written.
    pub known: bool,
}

/// Checks a change that claims to stand at `position` and to belong to `doc`.
///
/// `document` is what is held of it. `predecessors` are the devices whose sessions the author may carry on
/// (a signed succession). Panics of the library are caught and count as a fault.
pub fn check_foreign(
    document: Option<&Document>,
    doc: DocId,
    bytes: &[u8],
    position: Position,
    predecessors: &[DeviceId],
) -> Result<Checked, Fault> {
    bounds::check(bytes)?;
    catch_unwind(AssertUnwindSafe(|| {
        check_parsed(document, doc, bytes, position, predecessors)
    }))
    .unwrap_or(Err(Fault::DoesNotSurvive))
}

fn check_parsed(
    document: Option<&Document>,
    doc: DocId,
    bytes: &[u8],
    position: Position,
    predecessors: &[DeviceId],
) -> Result<Checked, Fault> {
    let kind = doc.kind().ok_or(Fault::UnknownKind)?;
    let change = automerge::Change::try_from(bytes).map_err(|_| Fault::Malformed("unreadable"))?;
    let expanded = change.decode();
    check_form(&change, &expanded, bytes, position)?;
    let genesis_hash = automerge::ChangeHash(genesis_hash(kind));
    let creates = change.deps() == [genesis_hash];
    let empty;
    let held = match document {
        Some(document) => document,
        None => {
            empty = Document::from_parts(doc, kind, genesis(kind));
            &empty
        }
    };
    let hash = change.hash();
    let made = Change {
        hash: hash.0,
        bytes: bytes.to_vec(),
    };
    if held.inner().get_change_meta_by_hash(&hash).is_some() {
        let document = held.clone();
        return Ok(Checked {
            change: made,
            document,
            creates: None,
            touched: Vec::new(),
            known: true,
        });
    }
    if creates && !creates_the_same(held, &change, genesis_hash) {
        return Err(Fault::CreatedBefore);
    }
    let author = change.actor_id();
    let mut past = Past::of(held, change.deps(), author).ok_or(Fault::MissingDependencies)?;
    let in_use = held.inner().get_changes_meta(&[]);
    if in_use
        .iter()
        .any(|other| *other.actor == *author && other.seq == change.seq())
    {
        return Err(Fault::Spoiled);
    }
    if change.seq() != past.author_changes + 1 || change.start_op().get() != past.max_op + 1 {
        return Err(Fault::Numbering);
    }
    past.check(&expanded, creates)?;
    let owner = if creates {
        Some(check_head(&expanded, doc, position, predecessors)?)
    } else {
        None
    };
    let document = try_out(held, change)?;
    let touched = past.touched.into_iter().collect();
    Ok(Checked {
        change: made,
        document,
        creates: owner,
        touched,
        known: false,
    })
}

/// Whether what is held was begun with the same content, if it was begun at all: a creating change that was
/// written again may meet its first form, but another record under the same id is never mixed in.
fn creates_the_same(
    held: &Document,
    change: &automerge::Change,
    genesis_hash: automerge::ChangeHash,
) -> bool {
    let begun = |change: automerge::Change| {
        let mut inner = genesis(held.kind());
        let applied = inner.apply_changes([change]).is_ok();
        applied.then(|| Document::from_parts(held.id(), held.kind(), inner).tree())
    };
    let all = held.inner().get_changes_meta(&[]);
    let mut creators = all.iter().filter(|meta| *meta.deps == [genesis_hash]);
    let new = begun(change.clone());
    creators.all(|meta| {
        let creator = held.inner().get_change_by_hash(&meta.hash);
        new.is_some() && creator.and_then(&begun) == new
    })
}

/// Checks what can be told without the document.
fn check_form(
    change: &automerge::Change,
    expanded: &ExpandedChange,
    bytes: &[u8],
    position: Position,
) -> Result<(), Fault> {
    if *change.actor_id() != ActorId::from(&position.actor.to_bytes()[..]) {
        return Err(Fault::WrongActor);
    }
    if change.is_empty() || change.len() > OPS_MAX {
        return Err(Fault::Bounds("number of operations"));
    }
    let (first, last) = (WallTime::MIN.0 / 1000, WallTime::MAX.0 / 1000);
    if !(first..=last).contains(&change.timestamp()) {
        return Err(Fault::Bounds("time"));
    }
    if change.message().is_some() || !change.extra_bytes().is_empty() {
        return Err(Fault::UnknownOperation);
    }
    if change.deps().is_empty() {
        return Err(Fault::Head("builds on no genesis"));
    }
    // A change has one form: what Automerge would write for these operations.
    if automerge::Change::from(expanded.clone()).raw_bytes() != bytes {
        return Err(Fault::Malformed("not in canonical form"));
    }
    expanded
        .operations
        .iter()
        .try_for_each(|op| check_action(&op.action))
}

fn check_action(action: &OpType) -> Result<(), Fault> {
    use automerge::ObjType;
    match action {
        OpType::Make(ObjType::Map | ObjType::List) | OpType::Delete => Ok(()),
        OpType::Make(ObjType::Table | ObjType::Text)
        | OpType::Increment(_)
        | OpType::MarkBegin(_)
        | OpType::MarkEnd(_) => Err(Fault::UnknownOperation),
        OpType::Put(value) => match value {
            ScalarValue::Str(text) if text.len() > FIELD_BYTES_MAX => Err(Fault::Bounds("text")),
            ScalarValue::Bytes(bytes) if bytes.len() > FIELD_BYTES_MAX => Err(Fault::Bounds("bytes")),
            ScalarValue::F64(number) if !number.is_finite() => Err(Fault::Bounds("not a number")),
            ScalarValue::Str(_)
            | ScalarValue::Bytes(_)
            | ScalarValue::Int(_)
            | ScalarValue::F64(_)
            | ScalarValue::Boolean(_)
            | ScalarValue::Null => Ok(()),
            ScalarValue::Uint(_)
            | ScalarValue::Counter(_)
            | ScalarValue::Timestamp(_)
            | ScalarValue::Unknown { .. } => Err(Fault::UnknownOperation),
        },
    }
}

/// Checks that the first change of a document says from where the document's id comes.
fn check_head(
    change: &ExpandedChange,
    doc: DocId,
    position: Position,
    predecessors: &[DeviceId],
) -> Result<ClinicCode, Fault> {
    let put = |name: &str| {
        change
            .operations
            .iter()
            .find_map(|op| match (&op.key, &op.action) {
                // Only the document's own container has these names directly under an object of the genesis.
                (Key::Map(key), OpType::Put(value)) if *key == name && is_own(&op.obj) => Some(value),
                _ => None,
            })
    };
    let n = match put("n") {
        Some(ScalarValue::Int(n)) => u64::try_from(*n).map_err(|_| Fault::Head("number"))?,
        Some(_) | None => return Err(Fault::Head("no number")),
    };
    let author = position.actor;
    let origin = match put("origin") {
        None => {
            if n != position.seq {
                return Err(Fault::Head("the number is not its position"));
            }
            Origin {
                device: author.device,
                session: author.session,
                n,
            }
        }
        Some(ScalarValue::Bytes(bytes)) => {
            let actor = Actor::from_slice(bytes).ok_or(Fault::Head("origin"))?;
            if actor.device != author.device && !predecessors.contains(&actor.device) {
                return Err(Fault::Head("origin of a stranger"));
            }
            Origin {
                device: actor.device,
                session: actor.session,
                n,
            }
        }
        Some(_) => return Err(Fault::Head("origin")),
    };
    let kind = doc.kind().ok_or(Fault::UnknownKind)?;
    if origin.id(kind) != doc {
        return Err(Fault::Head("another document"));
    }
    match put("owner") {
        Some(ScalarValue::Str(code)) => code.parse().map_err(|_| Fault::Head("owner")),
        Some(_) | None => Err(Fault::Head("no owner")),
    }
}

/// Whether an object is the container in which the document describes itself: the first that the genesis makes.
fn is_own(object: &automerge::legacy::ObjectId) -> bool {
    use automerge::legacy::ObjectId;
    match object {
        ObjectId::Id(id) => id.0 == 1,
        ObjectId::Root => false,
    }
}

/// Applies the change to a copy and sends the copy through a save and a load.
fn try_out(held: &Document, change: automerge::Change) -> Result<Document, Fault> {
    let mut inner = held.inner().clone();
    let hash = change.hash();
    inner.apply_changes([change]).map_err(|_| Fault::DoesNotSurvive)?;
    if inner.get_change_meta_by_hash(&hash).is_none() {
        return Err(Fault::DoesNotSurvive);
    }
    let tried = Document::from_parts(held.id(), held.kind(), inner);
    let loaded = Automerge::load(&tried.save()).map_err(|_| Fault::DoesNotSurvive)?;
    let loaded = Document::from_parts(held.id(), held.kind(), loaded);
    let same: (Heads, _) = (loaded.heads(), loaded.tree());
    if same != (tried.heads(), tried.tree()) {
        return Err(Fault::DoesNotSurvive);
    }
    Ok(tried)
}

/// Judges arbitrary bytes against an empty document: for fuzzers. Must neither panic nor run long.
pub fn fuzz_one(bytes: &[u8]) {
    let actor = Actor {
        device: DeviceId([1; 8]),
        session: records::ids::SessionId([1; 8]),
    };
    let origin = Origin {
        device: actor.device,
        session: actor.session,
        n: 1,
    };
    let verdict = check_foreign(
        None,
        origin.id(records::ids::DocKind::Chart),
        bytes,
        actor.at(1),
        &[],
    );
    if let Ok(checked) = verdict {
        debug_assert!(checked.document.has(&checked.document.heads()));
    }
}

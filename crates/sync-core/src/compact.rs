//! The compact form of changes: their operations as a reversible stream, coded by a model that learns.
//!
//! A change is taken apart into operations; what follows from what both ends know (the document's head, numbers
//! of operations, ids that are hashes of positions) is told in a symbol or not at all. Reading puts Automerge's own
//! bytes together again. What would not come out byte for byte travels raw inside the stream.

mod alone;
mod fields;
mod ops;
mod scene;
mod tape;
mod values;

mod messages;
#[cfg(test)]
mod tests;

use std::num::NonZeroU64;
use std::panic::{AssertUnwindSafe, catch_unwind};

use automerge::{ActorId, ChangeHash, ExpandedChange};
use records::ids::{DocId, DocKind};

use crate::document::{Origin, genesis_hash};
use crate::identity::{Actor, Position};
use crate::wire::{ChangeItem, MAX_CHANGE, WireFault, change_hash};
pub use alone::{fold, fuzz_one, unfold};
pub use messages::{BASE_BYTES_MAX, BASE_CHANGES_MAX, Base, Envelope, Learned, Range, Start, pack, unpack};
use scene::{Scene, origin_of};
use tape::{Source, Tape};

/// What an end's store knows that makes a stream shorter. What does not hold is told in full.
pub trait Known {
    /// Where a document was created.
    fn origin(&self, doc: DocId) -> Option<Origin>;
    /// The position of the change of this document with this hash, where the other end has it, too.
    fn position(&self, doc: DocId, hash: &[u8; 32]) -> Option<Position>;
    /// The hash of the change at a position.
    fn hash_at(&self, position: Position) -> Option<[u8; 32]>;
}

/// Knows nothing.
#[derive(Debug, Clone, Copy)]
pub struct Nothing;

impl Known for Nothing {
    fn origin(&self, _: DocId) -> Option<Origin> {
        None
    }

    fn position(&self, _: DocId, _: &[u8; 32]) -> Option<Position> {
        None
    }

    fn hash_at(&self, _: Position) -> Option<[u8; 32]> {
        None
    }
}

/// Most dependencies of one change.
const DEPS_MAX: usize = 1000;

const DOC_NEW: u8 = 0;
const DOC_MET: u8 = 1;
const DOC_ORIGIN: u8 = 2;
const DOC_WHOLE: u8 = 3;

const FORM_OPS: u8 = 0;
const FORM_RAW: u8 = 1;

/// Largest operation number: Automerge keeps them in 32 bits.
const COUNTER_MAX: u64 = u32::MAX as u64 / 2;
const DEP_GENESIS: u8 = 0;
const DEP_HEAD: u8 = 1;
const DEP_CREATION: u8 = 2;
const DEP_POSITION: u8 = 3;
const DEP_WHOLE: u8 = 4;
const DEP_END: u8 = 5;

fn genesis_end(doc: DocId) -> u64 {
    doc.kind()
        .map_or(1, |kind| records::layout::containers(kind).len() as u64 + 3)
}

fn put_item(tape: &mut Tape, scene: &mut Scene<'_>, item: &ChangeItem) {
    scene.put_actor(tape, fields::ACTOR, &item.position.actor.to_bytes());
    tape.signed(
        fields::SEQ,
        (item.position.seq as i64)
            .wrapping_sub(scene.position.seq as i64)
            .wrapping_sub(1),
    );
    scene.position = item.position;
    put_doc(tape, scene, item);
    match parted(&item.bytes) {
        Some((expanded, hash)) => {
            tape.byte(fields::FORM, FORM_OPS);
            put_change(tape, scene, item.doc, &expanded, hash);
        }
        None => {
            tape.byte(fields::FORM, FORM_RAW);
            tape.bytes(fields::RAW, &item.bytes);
        }
    }
    scene.tell(change_hash(&item.bytes));
}

/// A change's operations and its hash, where its bytes can be put together again from them.
fn parted(bytes: &[u8]) -> Option<(ExpandedChange, [u8; 32])> {
    let (expanded, hash) = taken_apart(bytes)?;
    let again = automerge::Change::from(expanded.clone());
    (again.raw_bytes() == bytes).then_some((expanded, hash))
}

/// A change's operations and its hash, where a stream has words for them; whether its bytes come back is open.
fn taken_apart(bytes: &[u8]) -> Option<(ExpandedChange, [u8; 32])> {
    let change = automerge::Change::try_from(bytes).ok()?;
    if change.raw_bytes() != bytes || change.author().is_some() {
        return None;
    }
    // The library panics on some changes whose hash is right: what a tampered box has in its log travels as it is.
    let expanded = catch_unwind(AssertUnwindSafe(|| change.decode())).ok()?;
    let end = u64::from(expanded.start_op) + expanded.operations.len() as u64;
    let fits = end <= COUNTER_MAX && expanded.deps.len() <= DEPS_MAX && ops::fit(&expanded.operations);
    fits.then(|| (expanded, change.hash().0))
}

fn put_doc(tape: &mut Tape, scene: &mut Scene<'_>, item: &ChangeItem) {
    scene.doc_origin = None;
    let own = origin_of(item.position.actor, item.position.seq);
    let kind = item.doc.kind();
    if let Some(ago) = scene.ago(item.doc) {
        tape.byte(fields::DOC, DOC_MET);
        tape.number(fields::DOC_AGO, ago as u64);
        return;
    }
    if kind.is_some_and(|kind| own.id(kind) == item.doc) {
        tape.byte(fields::DOC, DOC_NEW);
        tape.byte(fields::DOC_KIND, item.doc.0[0]);
        return;
    }
    match scene.known_document(&item.doc.0) {
        Some((doc, origin)) => {
            tape.byte(fields::DOC, DOC_ORIGIN);
            scene.put_origin(tape, doc, &origin);
            scene.doc_origin = Some(origin);
        }
        None => {
            tape.byte(fields::DOC, DOC_WHOLE);
            tape.array(fields::DOC_ID, &item.doc.0);
        }
    }
}

fn take_doc(from: &mut impl Source, scene: &mut Scene<'_>) -> Result<DocId, WireFault> {
    scene.doc_origin = None;
    match from.byte(fields::DOC)? {
        DOC_NEW => {
            let kind = from.byte(fields::DOC_KIND)?;
            let kind = DocKind::from_byte(kind).ok_or(WireFault::BadValue("kind of document"))?;
            Ok(origin_of(scene.position.actor, scene.position.seq).id(kind))
        }
        DOC_MET => {
            let ago = usize::try_from(from.number(fields::DOC_AGO)?).unwrap_or(usize::MAX);
            scene
                .met_ago(ago)
                .map(|met| met.doc)
                .ok_or(WireFault::BadValue("document"))
        }
        DOC_ORIGIN => {
            let (doc, origin) = scene.take_origin(from)?;
            scene.doc_origin = Some(origin);
            Ok(doc)
        }
        DOC_WHOLE => Ok(DocId(from.array(fields::DOC_ID)?)),
        _ => Err(WireFault::BadValue("document")),
    }
}

fn put_change(tape: &mut Tape, scene: &mut Scene<'_>, doc: DocId, expanded: &ExpandedChange, hash: [u8; 32]) {
    scene.put_actor(tape, fields::ACTOR ^ 0x400, expanded.actor_id.to_bytes());
    let (mut next_op, mut own_seq) = (genesis_end(doc), 1);
    if let Some(ago) = scene.ago(doc)
        && let Some(met) = scene.met_ago(ago)
    {
        next_op = met.next_op;
        own_seq = met
            .own_seqs
            .get(expanded.actor_id.to_bytes())
            .map_or(1, |seq| seq + 1);
    }
    for dep in &expanded.deps {
        put_dep(tape, scene, doc, &dep.0);
    }
    tape.byte(fields::DEPS, DEP_END);
    let start = u64::from(expanded.start_op);
    tape.signed(fields::START, (start as i64).wrapping_sub(next_op as i64));
    tape.signed(
        fields::OWN_SEQ,
        (expanded.seq as i64).wrapping_sub(own_seq as i64),
    );
    tape.signed(fields::TIME, expanded.time.wrapping_sub(scene.time));
    scene.time = expanded.time;
    tape.text(fields::MESSAGE, expanded.message.as_deref().unwrap_or_default());
    tape.bytes(fields::EXTRA, &expanded.extra_bytes);
    let line = ops::line_of(&expanded.operations);
    tape.byte(fields::HAS_LINE, u8::from(line.is_some()));
    if let Some(line) = line {
        tape.array(fields::LINE, &line);
    }
    ops::put_ops(tape, scene, &expanded.actor_id, start, line, &expanded.operations);
    let end = start + expanded.operations.len() as u64;
    scene.meet(doc, hash, end, expanded.actor_id.to_bytes(), expanded.seq);
}

fn put_dep(tape: &mut Tape, scene: &mut Scene<'_>, doc: DocId, dep: &[u8; 32]) {
    if doc.kind().is_some_and(|kind| genesis_hash(kind) == *dep) {
        return tape.byte(fields::DEPS, DEP_GENESIS);
    }
    if let Some(ago) = scene.ago(doc)
        && scene.met_ago(ago).is_some_and(|met| met.head == *dep)
    {
        return tape.byte(fields::DEPS, DEP_HEAD);
    }
    match scene.position_of(doc, dep) {
        Some(position) => {
            let told = origin_of(position.actor, position.seq);
            if scene.doc_origin == Some(told) {
                return tape.byte(fields::DEPS, DEP_CREATION);
            }
            tape.byte(fields::DEPS, DEP_POSITION);
            scene.put_actor(tape, fields::ACTOR ^ 0x600, &position.actor.to_bytes());
            scene::put_far(tape, fields::DEP_SEQ, position.seq);
        }
        None => {
            tape.byte(fields::DEPS, DEP_WHOLE);
            tape.array(fields::HASH, dep);
        }
    }
}

fn take_item(from: &mut impl Source, scene: &mut Scene<'_>) -> Result<ChangeItem, WireFault> {
    let actor = scene.take_position_actor(from, fields::ACTOR)?;
    let step = from.signed(fields::SEQ)?;
    let seq = (scene.position.seq as i64).wrapping_add(step).wrapping_add(1);
    scene.position = actor.at(seq.cast_unsigned());
    let doc = take_doc(from, scene)?;
    let bytes = match from.byte(fields::FORM)? {
        FORM_OPS => take_change(from, scene, doc)?.raw_bytes().to_vec(),
        FORM_RAW => from.bytes(fields::RAW, MAX_CHANGE)?,
        _ => return Err(WireFault::BadValue("form of a change")),
    };
    scene.tell(change_hash(&bytes));
    Ok(ChangeItem {
        position: scene.position,
        doc,
        bytes,
    })
}

fn take_change(
    from: &mut impl Source,
    scene: &mut Scene<'_>,
    doc: DocId,
) -> Result<automerge::Change, WireFault> {
    let actor = ActorId::from(scene.take_actor(from, fields::ACTOR ^ 0x400)?);
    let (mut next_op, mut own_seq) = (genesis_end(doc), 1);
    if let Some(ago) = scene.ago(doc)
        && let Some(met) = scene.met_ago(ago)
    {
        next_op = met.next_op;
        own_seq = met.own_seqs.get(actor.to_bytes()).map_or(1, |seq| seq + 1);
    }
    let mut deps = Vec::new();
    while let Some(dep) = take_dep(from, scene, doc)? {
        deps.push(ChangeHash(dep));
        if deps.len() > DEPS_MAX {
            return Err(WireFault::TooLong("dependencies"));
        }
    }
    let start = (next_op as i64)
        .wrapping_add(from.signed(fields::START)?)
        .cast_unsigned();
    let seq = (own_seq as i64)
        .wrapping_add(from.signed(fields::OWN_SEQ)?)
        .cast_unsigned();
    if start > COUNTER_MAX {
        return Err(WireFault::BadValue("operation number"));
    }
    scene.time = scene.time.wrapping_add(from.signed(fields::TIME)?);
    let time = scene.time;
    let message = from.text(fields::MESSAGE, MAX_CHANGE)?;
    let extra_bytes = from.bytes(fields::EXTRA, MAX_CHANGE)?;
    let line = match from.byte(fields::HAS_LINE)? {
        0 => None,
        _ => Some(from.array(fields::LINE)?),
    };
    let operations = ops::take_ops(from, scene, &actor, start, line)?;
    let end = start + operations.len() as u64;
    let expanded = ExpandedChange {
        operations,
        actor_id: actor.clone(),
        hash: None,
        seq,
        start_op: NonZeroU64::new(start).ok_or(WireFault::BadValue("operation number"))?,
        time,
        message: (!message.is_empty()).then_some(message),
        deps,
        extra_bytes,
        author: None,
    };
    let change = automerge::Change::from(expanded);
    scene.meet(doc, change.hash().0, end, actor.to_bytes(), seq);
    Ok(change)
}

fn take_dep(
    from: &mut impl Source,
    scene: &mut Scene<'_>,
    doc: DocId,
) -> Result<Option<[u8; 32]>, WireFault> {
    let found = match from.byte(fields::DEPS)? {
        DEP_END => return Ok(None),
        DEP_GENESIS => doc.kind().map(genesis_hash),
        DEP_HEAD => scene
            .ago(doc)
            .and_then(|ago| scene.met_ago(ago).map(|met| met.head)),
        DEP_CREATION => scene.doc_origin.and_then(|origin| {
            let actor = Actor {
                device: origin.device,
                session: origin.session,
            };
            scene.hash_at(actor.at(origin.n))
        }),
        DEP_POSITION => {
            let actor = scene.take_position_actor(from, fields::ACTOR ^ 0x600)?;
            let seq = scene::take_far(from, fields::DEP_SEQ)?;
            scene.hash_at(actor.at(seq))
        }
        DEP_WHOLE => Some(from.array(fields::HASH)?),
        _ => return Err(WireFault::BadValue("dependency")),
    };
    found.map(Some).ok_or(WireFault::NotHere("dependency"))
}

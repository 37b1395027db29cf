//! Whole messages in the compact form, and what the model had learned before them.
//!
//! A message says in front from where the model starts: from nothing, from a shared base, or from what the message
//! before on the same lane of the same connection left. A *base* is a recipe: ranges of changes that both ends
//! hold, with a check over their hashes. So nothing more than the log is kept for it, and a purge of a record takes
//! it out of every base.

use std::collections::HashMap;

use context_mixing::{Decoder, Encoder, Model, Size};
use records::ids::DocId;

use super::scene::{Scene, origin_of};
use super::tape::{Source, Tape};
use super::{Known, Nothing, fields, put_item, take_item};
use crate::document::Origin;
use crate::identity::{Actor, Position};
use crate::wire::bytes::{Reader, Writer};
use crate::wire::greeting::read_actor;
use crate::wire::{
    AuditBatch, Batch, BlobOffer, ChangeItem, Fact, FeedBatch, FeedEnd, FeedItem, MAX_AUDIT_ENTRY, MAX_FACT,
    MAX_ITEMS, MAX_MESSAGE, MAX_PLAIN, Message, WireFault, change_hash,
};

/// Most changes in a base.
pub const BASE_CHANGES_MAX: usize = 4096;
/// Most bytes of changes in a base: learning them takes about a second on a desktop processor.
pub const BASE_BYTES_MAX: usize = 1024 * 1024;
/// Most ranges of a base.
const RANGES_MAX: usize = 16;
/// Bytes of a stream that a short message may unfold to, and how many each coded byte may stand for: a message of a
/// few bytes must not keep a processor busy.
const UNFOLDED_FREE: usize = 256 * 1024;
const UNFOLDED_EACH: usize = 64;
/// The packing of this form; 0 and 1 are the plain and the zstd form.
const PACKED_COMPACT: u8 = 2;
/// The message behind this one goes on from what this one leaves.
const MORE: u8 = 0x10;

const CONTINUED: u8 = 0;
const SMALL: u8 = 1;
const LARGE: u8 = 2;
const SHARED: u8 = 3;

/// Numbers of one session, first and last.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Range {
    /// The session.
    pub actor: Actor,
    /// The first number.
    pub first: u64,
    /// The last number.
    pub last: u64,
}

/// A base by its recipe.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Base {
    /// The changes of which it is made, in their order.
    pub ranges: Vec<Range>,
    /// Check over the positions, documents and hashes of all of them.
    pub check: [u8; 8],
}

impl Base {
    /// The base of these changes, which stand in the order of the ranges.
    pub fn of(ranges: Vec<Range>, changes: &[ChangeItem]) -> Self {
        let mut hasher = blake3::Hasher::new();
        for change in changes {
            hasher.update(&change.position.actor.to_bytes());
            hasher.update(&change.position.seq.to_be_bytes());
            hasher.update(change.doc.as_bytes());
            hasher.update(&change_hash(&change.bytes));
        }
        let mut check = [0; 8];
        check.copy_from_slice(&hasher.finalize().as_bytes()[..8]);
        Self { ranges, check }
    }
}

/// From where the model starts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Start {
    /// From what the message before left.
    Continued,
    /// From nothing; for a single message.
    Small,
    /// From nothing; for a long stream.
    Large,
    /// From a base.
    Shared(Base),
}

/// What a model has learned; both ends have learned the same.
#[derive(Debug, Clone)]
pub struct Learned(Model);

impl PartialEq for Learned {
    /// Models are never compared; only the very same one is equal.
    fn eq(&self, other: &Self) -> bool {
        std::ptr::eq(self, other)
    }
}

impl Learned {
    /// What is learned from the changes of a base.
    pub fn of_base(changes: &[ChangeItem]) -> Self {
        let known = Inside::new(changes);
        let sender = changes.first().map(|change| change.position.actor);
        let Some(sender) = sender else {
            return Self(Model::new(Size::Large));
        };
        let mut scene = Scene::new(&known, sender);
        let mut tape = Tape::default();
        changes
            .iter()
            .for_each(|change| put_item(&mut tape, &mut scene, change));
        code(Model::new(Size::Large), &tape).1
    }
}

/// A base's changes know of each other and of nothing else, so that both ends write the same.
struct Inside(HashMap<DocId, Origin>);

impl Inside {
    fn new(changes: &[ChangeItem]) -> Self {
        let mut origins = HashMap::new();
        for change in changes {
            let origin = origin_of(change.position.actor, change.position.seq);
            origins.entry(change.doc).or_insert(origin);
        }
        Self(origins)
    }
}

impl Known for Inside {
    fn origin(&self, doc: DocId) -> Option<Origin> {
        self.0.get(&doc).copied()
    }

    fn position(&self, doc: DocId, hash: &[u8; 32]) -> Option<Position> {
        Nothing.position(doc, hash)
    }

    fn hash_at(&self, position: Position) -> Option<[u8; 32]> {
        Nothing.hash_at(position)
    }
}

fn code(model: Model, tape: &Tape) -> (Vec<u8>, Learned) {
    let mut encoder = Encoder::new(model);
    let mut begins = tape.begins.iter().peekable();
    for (at, byte) in tape.bytes.iter().enumerate() {
        while let Some((_, field)) = begins.next_if(|(place, _)| *place <= at) {
            encoder.begin(*field);
        }
        encoder.put(*byte);
    }
    let (coded, model) = encoder.finish();
    (coded, Learned(model))
}

/// Reads coded bytes; gives up after as many as a message may have.
struct Coded<'a> {
    decoder: Decoder<'a>,
    left: usize,
}

impl Source for Coded<'_> {
    fn begin(&mut self, field: u32) {
        self.decoder.begin(field);
    }

    fn take(&mut self) -> Result<u8, WireFault> {
        self.left = self
            .left
            .checked_sub(1)
            .ok_or(WireFault::TooLong("unpacked message"))?;
        Ok(self.decoder.take())
    }
}

/// What stands in front of a compact message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Envelope {
    kind: u8,
    /// From where the model starts.
    pub start: Start,
    /// Whether what the message leaves is wanted for the next.
    pub more: bool,
    /// Where the coded bytes begin.
    from: usize,
}

impl Envelope {
    /// Reads what stands in front; `None` where the message is of another form.
    pub fn read(bytes: &[u8]) -> Result<Option<Self>, WireFault> {
        if bytes.len() > MAX_MESSAGE {
            return Err(WireFault::TooLong("message"));
        }
        if bytes.get(1) != Some(&PACKED_COMPACT) {
            return Ok(None);
        }
        let mut from = Reader::new(bytes);
        let kind = from.byte("message kind")?;
        from.byte("packing")?;
        let flags = from.byte("start of the model")?;
        let start = match flags & !MORE {
            CONTINUED => Start::Continued,
            SMALL => Start::Small,
            LARGE => Start::Large,
            SHARED => Start::Shared(read_base(&mut from)?),
            _ => return Err(WireFault::BadValue("start of the model")),
        };
        let from = bytes.len() - from.remaining().len();
        Ok(Some(Self {
            kind,
            start,
            more: flags & MORE > 0,
            from,
        }))
    }

    fn write(kind: u8, start: &Start, more: bool) -> Vec<u8> {
        let mut out = Writer::default();
        out.byte(kind);
        out.byte(PACKED_COMPACT);
        let flag = if more { MORE } else { 0 };
        match start {
            Start::Continued => out.byte(CONTINUED | flag),
            Start::Small => out.byte(SMALL | flag),
            Start::Large => out.byte(LARGE | flag),
            Start::Shared(base) => {
                out.byte(SHARED | flag);
                out.count(base.ranges.len());
                for range in &base.ranges {
                    out.put(&range.actor.to_bytes());
                    out.number(range.first);
                    out.number(range.last - range.first);
                }
                out.put(&base.check);
            }
        }
        out.bytes
    }
}

fn read_base(from: &mut Reader<'_>) -> Result<Base, WireFault> {
    let mut ranges = Vec::new();
    let mut changes = 0u64;
    for _ in 0..from.count(RANGES_MAX, 18, "ranges of a base")? {
        let actor = read_actor(from)?;
        let first = from.number("range of a base")?;
        let more = from.number("range of a base")?;
        let last = first
            .checked_add(more)
            .ok_or(WireFault::BadValue("range of a base"))?;
        changes = changes.saturating_add(more).saturating_add(1);
        ranges.push(Range { actor, first, last });
    }
    if changes > BASE_CHANGES_MAX as u64 {
        return Err(WireFault::TooLong("base"));
    }
    Ok(Base {
        ranges,
        check: from.array("check of a base")?,
    })
}

/// The message in the compact form, and what it leaves. `None` for messages that have no such form. `learned` is
/// what the start names; nothing for the starts from nothing.
pub fn pack(
    message: &Message,
    start: &Start,
    learned: Option<Learned>,
    more: bool,
    known: &dyn Known,
) -> Option<(Vec<u8>, Learned)> {
    let (kind, tape) = write(message, known)?;
    // Whatever the reader would make of it must be the message; else it goes in another form.
    if read(kind, &mut tape.read(), known).as_ref() != Ok(message) {
        return None;
    }
    let model = match (start, learned) {
        (Start::Continued | Start::Shared(_), Some(learned)) => learned.0,
        (Start::Continued | Start::Shared(_), None) => return None,
        (Start::Small, _) => Model::new(Size::Small),
        (Start::Large, _) => Model::new(Size::Large),
    };
    let mut bytes = Envelope::write(kind, start, more);
    let (coded, learned) = code(model, &tape);
    bytes.extend_from_slice(&coded);
    let fits = bytes.len() <= MAX_MESSAGE && tape.bytes.len() <= unfolded_max(&coded);
    fits.then_some((bytes, learned))
}

fn unfolded_max(coded: &[u8]) -> usize {
    (UNFOLDED_FREE + coded.len() * UNFOLDED_EACH).min(MAX_PLAIN)
}

/// Reads a compact message. `learned` is what its [`Envelope`] names.
pub fn unpack(
    bytes: &[u8],
    learned: Option<Learned>,
    known: &dyn Known,
) -> Result<(Message, Learned), WireFault> {
    let envelope = Envelope::read(bytes)?.ok_or(WireFault::BadValue("packing"))?;
    let model = match (&envelope.start, learned) {
        (Start::Continued | Start::Shared(_), Some(learned)) => learned.0,
        (Start::Continued | Start::Shared(_), None) => return Err(WireFault::NotHere("base")),
        (Start::Small, _) => Model::new(Size::Small),
        (Start::Large, _) => Model::new(Size::Large),
    };
    let coded = bytes.get(envelope.from..).unwrap_or_default();
    let mut source = Coded {
        decoder: Decoder::new(model, coded),
        left: unfolded_max(coded),
    };
    let message = read(envelope.kind, &mut source, known)?;
    let (model, whole) = source.decoder.finish();
    if !whole {
        return Err(WireFault::Trailing("message"));
    }
    Ok((message, Learned(model)))
}

const BATCH: u8 = 0;
const AUDIT: u8 = 1;
const FEED: u8 = 4;

const ITEM_CHANGE: u8 = 0;
const ITEM_FACT: u8 = 1;
const ITEM_BLOB: u8 = 2;

fn write(message: &Message, known: &dyn Known) -> Option<(u8, Tape)> {
    let mut tape = Tape::default();
    let kind = match message {
        Message::Batch(batch) => {
            write_batch(&mut tape, batch, known);
            BATCH
        }
        Message::Audit(audit) => {
            write_audit(&mut tape, audit);
            AUDIT
        }
        Message::Feed(feed) => {
            write_feed(&mut tape, feed, known);
            FEED
        }
        Message::Offer(_) | Message::Piece(_) | Message::Facts(_) | Message::HandBack(_) => return None,
    };
    Some((kind, tape))
}

fn read(kind: u8, from: &mut impl Source, known: &dyn Known) -> Result<Message, WireFault> {
    match kind {
        BATCH => read_batch(from, known).map(Message::Batch),
        AUDIT => read_audit(from).map(Message::Audit),
        FEED => read_feed(from, known).map(Message::Feed),
        _ => Err(WireFault::BadValue("message kind")),
    }
}

fn actor_of(from: &mut impl Source) -> Result<Actor, WireFault> {
    let bytes: [u8; 16] = from.array(fields::SENDER)?;
    Actor::from_slice(&bytes).ok_or(WireFault::BadValue("actor"))
}

fn count_of(from: &mut impl Source) -> Result<usize, WireFault> {
    let count = usize::try_from(from.number(fields::COUNT)?).unwrap_or(usize::MAX);
    if count > MAX_ITEMS {
        return Err(WireFault::TooLong("items"));
    }
    Ok(count)
}

fn write_batch(tape: &mut Tape, batch: &Batch, known: &dyn Known) {
    tape.array(fields::SENDER, &batch.actor.to_bytes());
    tape.number(fields::KNOWS, batch.knows);
    tape.number(fields::COUNT, batch.changes.len() as u64);
    let mut scene = Scene::new(known, batch.actor);
    batch
        .changes
        .iter()
        .for_each(|change| put_item(tape, &mut scene, change));
    tape.array(fields::SIGNATURE, &batch.signature);
}

fn read_batch(from: &mut impl Source, known: &dyn Known) -> Result<Batch, WireFault> {
    let actor = actor_of(from)?;
    let knows = from.number(fields::KNOWS)?;
    let mut scene = Scene::new(known, actor);
    let mut changes = Vec::new();
    for _ in 0..count_of(from)? {
        let change = take_item(from, &mut scene)?;
        if change.position.actor != actor {
            return Err(WireFault::BadValue("actor"));
        }
        changes.push(change);
    }
    let signature = from.array(fields::SIGNATURE)?;
    Ok(Batch {
        actor,
        knows,
        changes,
        signature,
    })
}

fn write_audit(tape: &mut Tape, audit: &AuditBatch) {
    tape.array(fields::SENDER, &audit.actor.to_bytes());
    tape.number(fields::SEQ, audit.first);
    tape.number(fields::COUNT, audit.entries.len() as u64);
    audit
        .entries
        .iter()
        .for_each(|entry| tape.bytes(fields::AUDIT, entry));
    tape.array(fields::SIGNATURE, &audit.signature);
}

fn read_audit(from: &mut impl Source) -> Result<AuditBatch, WireFault> {
    let actor = actor_of(from)?;
    let first = from.number(fields::SEQ)?;
    if first == 0 || first > u64::MAX - MAX_ITEMS as u64 {
        return Err(WireFault::BadValue("audit number"));
    }
    let mut entries = Vec::new();
    for _ in 0..count_of(from)? {
        entries.push(from.bytes(fields::AUDIT, MAX_AUDIT_ENTRY)?);
    }
    Ok(AuditBatch {
        actor,
        first,
        entries,
        signature: from.array(fields::SIGNATURE)?,
    })
}

fn write_feed(tape: &mut Tape, feed: &FeedBatch, known: &dyn Known) {
    tape.number(fields::EPOCH, feed.epoch.into());
    tape.number(fields::AFTER, feed.after);
    tape.number(fields::STEP, feed.end.position.saturating_sub(feed.after));
    tape.array(fields::CHAIN, &feed.end.chain);
    tape.array(fields::SENDER, &feed.actor.to_bytes());
    tape.number(fields::COUNT, feed.items.len() as u64);
    let mut scene = Scene::new(known, feed.actor);
    let mut at = feed.after;
    for (position, item) in &feed.items {
        tape.number(fields::STEP, position.saturating_sub(at));
        at = *position;
        match item {
            FeedItem::Change(change) => {
                tape.byte(fields::ITEM, ITEM_CHANGE);
                put_item(tape, &mut scene, change);
            }
            FeedItem::Fact(fact) => {
                tape.byte(fields::ITEM, ITEM_FACT);
                let mut out = Writer::default();
                fact.write(&mut out);
                tape.bytes(fields::FACT, &out.bytes);
            }
            FeedItem::Blob(offer) => {
                tape.byte(fields::ITEM, ITEM_BLOB);
                let mut out = Writer::default();
                offer.write(&mut out);
                tape.bytes(fields::BLOB, &out.bytes);
            }
        }
    }
    tape.array(fields::SIGNATURE, &feed.signature);
}

fn read_feed(from: &mut impl Source, known: &dyn Known) -> Result<FeedBatch, WireFault> {
    let wrong = WireFault::BadValue("feed position");
    let epoch = u32::try_from(from.number(fields::EPOCH)?).map_err(|_| WireFault::BadValue("epoch"))?;
    let after = from.number(fields::AFTER)?;
    let position = after.checked_add(from.number(fields::STEP)?).ok_or(wrong)?;
    let end = FeedEnd {
        position,
        chain: from.array(fields::CHAIN)?,
    };
    let actor = actor_of(from)?;
    let mut scene = Scene::new(known, actor);
    let mut items = Vec::new();
    let mut at = after;
    for _ in 0..count_of(from)? {
        let step = from.number(fields::STEP)?;
        at = at.checked_add(step).ok_or(wrong)?;
        if step == 0 || at > position {
            return Err(wrong);
        }
        let item = match from.byte(fields::ITEM)? {
            ITEM_CHANGE => FeedItem::Change(take_item(from, &mut scene)?),
            ITEM_FACT => {
                let bytes = from.bytes(fields::FACT, MAX_FACT + 1024)?;
                let mut reader = Reader::new(&bytes);
                let fact = Fact::read(&mut reader)?;
                reader.end("fact")?;
                FeedItem::Fact(fact)
            }
            ITEM_BLOB => {
                let bytes = from.bytes(fields::BLOB, 128)?;
                let mut reader = Reader::new(&bytes);
                let offer = BlobOffer::read(&mut reader)?;
                reader.end("blob")?;
                FeedItem::Blob(offer)
            }
            _ => return Err(WireFault::BadValue("feed entry")),
        };
        items.push((at, item));
    }
    Ok(FeedBatch {
        epoch,
        after,
        end,
        actor,
        items,
        signature: from.array(fields::SIGNATURE)?,
    })
}

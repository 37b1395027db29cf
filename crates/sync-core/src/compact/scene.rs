//! What both ends know while they go through the changes of one stream: actors, documents, positions.

use std::collections::{BTreeMap, HashMap};

use records::ids::{DeviceId, DocId, DocKind, SessionId};

use super::Known;
use super::fields;
use super::tape::{Source, Tape};
use crate::document::Origin;
use crate::identity::{Actor, Position};
use crate::wire::WireFault;

/// Most actors of one stream.
const ACTORS_MAX: usize = 4096;
/// The place in the table that stands for an actor that is told whole.
const NEW: u64 = 0;

/// A document that was met in this stream.
pub(super) struct Met {
    pub(super) doc: DocId,
    /// Hash of its last change here, whose position, and the largest operation number after it.
    pub(super) head: [u8; 32],
    pub(super) next_op: u64,
    pub(super) own_seqs: BTreeMap<Vec<u8>, u64>,
}

pub(super) struct Scene<'a> {
    known: &'a dyn Known,
    actors: Vec<Vec<u8>>,
    places: BTreeMap<Vec<u8>, u64>,
    pub(super) met: Vec<Met>,
    met_places: BTreeMap<DocId, usize>,
    pub(super) time: i64,
    pub(super) position: Position,
    /// Origin of the document at hand, where it was told by it.
    pub(super) doc_origin: Option<Origin>,
    /// Changes of this stream: later ones may build on them.
    told: HashMap<Position, [u8; 32]>,
    told_at: HashMap<[u8; 32], Position>,
    /// The stream is kept: it must be read by every later release.
    pub(super) lasting: bool,
}

impl<'a> Scene<'a> {
    pub(super) fn new(known: &'a dyn Known, sender: Actor) -> Self {
        let mut scene = Self {
            known,
            actors: Vec::new(),
            places: BTreeMap::new(),
            met: Vec::new(),
            met_places: BTreeMap::new(),
            time: 0,
            position: sender.at(0),
            doc_origin: None,
            told: HashMap::new(),
            told_at: HashMap::new(),
            lasting: false,
        };
        scene.add_actor(&[0; 16]);
        scene.add_actor(&sender.to_bytes());
        scene
    }

    fn add_actor(&mut self, actor: &[u8]) {
        self.actors.push(actor.to_vec());
        self.places.insert(actor.to_vec(), self.actors.len() as u64);
    }

    pub(super) fn put_actor(&mut self, tape: &mut Tape, field: u32, actor: &[u8]) {
        match self.places.get(actor) {
            Some(place) => tape.number(field, *place),
            None => {
                tape.number(field, NEW);
                tape.bytes(fields::NEW_ACTOR, actor);
                self.add_actor(actor);
            }
        }
    }

    pub(super) fn take_actor(&mut self, from: &mut impl Source, field: u32) -> Result<Vec<u8>, WireFault> {
        let place = from.number(field)?;
        if place == NEW {
            if self.actors.len() >= ACTORS_MAX {
                return Err(WireFault::TooLong("actors"));
            }
            let actor = from.bytes(fields::NEW_ACTOR, 64)?;
            self.add_actor(&actor);
            return Ok(actor);
        }
        let place = usize::try_from(place - 1).unwrap_or(usize::MAX);
        self.actors
            .get(place)
            .cloned()
            .ok_or(WireFault::BadValue("actor"))
    }

    pub(super) fn take_position_actor(
        &mut self,
        from: &mut impl Source,
        field: u32,
    ) -> Result<Actor, WireFault> {
        Actor::from_slice(&self.take_actor(from, field)?).ok_or(WireFault::BadValue("actor"))
    }

    /// The change at hand, once it was told.
    pub(super) fn tell(&mut self, hash: [u8; 32]) {
        self.told.insert(self.position, hash);
        self.told_at.insert(hash, self.position);
    }

    /// The position of a change that both ends have: of this stream, or known before.
    pub(super) fn position_of(&self, doc: DocId, hash: &[u8; 32]) -> Option<Position> {
        let told = self.told_at.get(hash).copied();
        told.or_else(|| self.known.position(doc, hash))
    }

    pub(super) fn hash_at(&self, position: Position) -> Option<[u8; 32]> {
        let told = self.told.get(&position).copied();
        told.or_else(|| self.known.hash_at(position))
    }

    pub(super) fn seq_now(&self) -> i64 {
        i64::try_from(self.position.seq).unwrap_or(i64::MAX)
    }

    /// How many documents ago this one was met, from 1.
    pub(super) fn ago(&self, doc: DocId) -> Option<usize> {
        self.met_places.get(&doc).map(|place| self.met.len() - place)
    }

    pub(super) fn met_ago(&mut self, ago: usize) -> Option<&mut Met> {
        let place = self.met.len().checked_sub(ago)?;
        self.met.get_mut(place)
    }

    pub(super) fn meet(&mut self, doc: DocId, head: [u8; 32], next_op: u64, actor: &[u8], own_seq: u64) {
        match self.met_places.get(&doc) {
            Some(place) => {
                let met = &mut self.met[*place];
                met.head = head;
                met.next_op = met.next_op.max(next_op);
                met.own_seqs.insert(actor.to_vec(), own_seq);
            }
            None => {
                self.met_places.insert(doc, self.met.len());
                self.met.push(Met {
                    doc,
                    head,
                    next_op,
                    own_seqs: BTreeMap::from([(actor.to_vec(), own_seq)]),
                });
            }
        }
    }

    /// The document whose id these bytes are, and from where it comes, where the other end can hash it again.
    pub(super) fn known_document(&self, bytes: &[u8]) -> Option<(DocId, Origin)> {
        let doc = DocId::from_slice(bytes).ok()?;
        let origin = self.known.origin(doc)?;
        (origin.id(doc.kind()?) == doc).then_some((doc, origin))
    }

    pub(super) fn put_origin(&mut self, tape: &mut Tape, doc: DocId, origin: &Origin) {
        let actor = Actor {
            device: origin.device,
            session: origin.session,
        };
        self.put_actor(tape, fields::ACTOR ^ 0x200, &actor.to_bytes());
        tape.byte(fields::DOC_KIND, doc.0[0]);
        put_far(tape, fields::ORIGIN, origin.n);
    }

    pub(super) fn take_origin(&mut self, from: &mut impl Source) -> Result<(DocId, Origin), WireFault> {
        let actor = self.take_position_actor(from, fields::ACTOR ^ 0x200)?;
        let kind = from.byte(fields::DOC_KIND)?;
        let kind = DocKind::from_byte(kind).ok_or(WireFault::BadValue("kind of document"))?;
        let n = take_far(from, fields::ORIGIN)?;
        let origin = origin_of(actor, n);
        Ok((origin.id(kind), origin))
    }
}

pub(super) fn origin_of(actor: Actor, n: u64) -> Origin {
    let (device, session): (DeviceId, SessionId) = (actor.device, actor.session);
    Origin { device, session, n }
}

/// A number that is spread evenly: its upper byte first, so that the lower one costs its eight bits and no more.
pub(super) fn put_far(tape: &mut Tape, field: u32, number: u64) {
    match u16::try_from(number) {
        Ok(short) if short < 0xff00 => tape.array(field, &short.to_be_bytes()),
        Ok(_) | Err(_) => {
            tape.array(field, &[0xff]);
            tape.number(field ^ 0x400_0000, number);
        }
    }
}

pub(super) fn take_far(from: &mut impl Source, field: u32) -> Result<u64, WireFault> {
    from.begin(field);
    match from.take()? {
        0xff => from.number(field ^ 0x400_0000),
        high => Ok((u64::from(high) << 8) | u64::from(from.take()?)),
    }
}

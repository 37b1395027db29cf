//! Acknowledgements: what the receiver's transaction stored, told as ranges.

use records::ids::{BlobId, DocId};

use crate::identity::{Actor, Position};
use crate::wire::bytes::{Reader, WireFault, Writer};
use crate::wire::greeting::read_actor;
use crate::wire::ranges::Holdings;
use crate::wire::{Lane, RangeSet};

/// Most sessions, parked changes or blobs in one ACK.
pub const MAX_ACK_ENTRIES: usize = 256;

/// Why a change was set aside instead of being applied.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum ParkReason {
    /// It is no change that can be applied: its form, its operations or its bounds.
    Malformed,
    /// Its writer is not the actor that it was sent under.
    WrongActor,
    /// The writer may not change this document.
    NotAllowed,
    /// Another change is held at its position.
    Spoiled,
    /// It builds on a change that is set aside.
    BuildsOnParked,
    /// The writer's key was revoked before.
    Revoked,
    /// The document's id is another record's already.
    IdTaken,
    /// The kind of document is of a newer release: kept and relayed, and taken after an upgrade.
    UnknownKind,
    /// A reason of a newer release.
    Unknown(u8),
}

impl ParkReason {
    /// The number on the wire and in tables.
    pub fn number(self) -> u8 {
        match self {
            Self::Malformed => 1,
            Self::WrongActor => 2,
            Self::NotAllowed => 3,
            Self::Spoiled => 4,
            Self::BuildsOnParked => 5,
            Self::Revoked => 6,
            Self::IdTaken => 7,
            Self::UnknownKind => 8,
            Self::Unknown(number) => number,
        }
    }

    /// The reason with this number.
    pub fn from_number(number: u8) -> Self {
        match number {
            1 => Self::Malformed,
            2 => Self::WrongActor,
            3 => Self::NotAllowed,
            4 => Self::Spoiled,
            5 => Self::BuildsOnParked,
            6 => Self::Revoked,
            7 => Self::IdTaken,
            8 => Self::UnknownKind,
            other => Self::Unknown(other),
        }
    }

    /// The word in tables and reports.
    pub fn word(self) -> &'static str {
        match self {
            Self::Malformed => "malformed",
            Self::WrongActor => "wrong-actor",
            Self::NotAllowed => "not-allowed",
            Self::Spoiled => "spoiled",
            Self::BuildsOnParked => "builds-on-parked",
            Self::Revoked => "revoked",
            Self::IdTaken => "id-taken",
            Self::UnknownKind => "unknown-kind",
            Self::Unknown(_) => "unknown",
        }
    }
}

pub(crate) fn write_parked(parked: &[(Position, ParkReason)], out: &mut Writer) {
    out.count(parked.len());
    for (position, reason) in parked {
        out.put(&position.actor.to_bytes());
        out.number(position.seq);
        out.byte(reason.number());
    }
}

pub(crate) fn read_parked(from: &mut Reader<'_>) -> Result<Vec<(Position, ParkReason)>, WireFault> {
    let count = from.count(MAX_ACK_ENTRIES, 18, "parked changes")?;
    let mut parked = Vec::with_capacity(count);
    for _ in 0..count {
        let position = Position {
            actor: read_actor(from)?,
            seq: from.number("parked position")?,
        };
        parked.push((position, ParkReason::from_number(from.byte("park reason")?)));
    }
    Ok(parked)
}

/// A position at which the receiver holds another change, or whose session it closed for that reason.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Spoiled {
    /// The position.
    pub position: Position,
    /// Document and first bytes of the hash of the change that is held there; `None` where none is.
    pub held: Option<(DocId, [u8; 8])>,
}

impl Spoiled {
    fn write(&self, out: &mut Writer) {
        out.put(&self.position.actor.to_bytes());
        out.number(self.position.seq);
        out.flag(self.held.is_some());
        if let Some((doc, hash)) = &self.held {
            out.put(doc.as_bytes());
            out.put(hash);
        }
    }

    fn read(from: &mut Reader<'_>) -> Result<Self, WireFault> {
        let position = Position {
            actor: read_actor(from)?,
            seq: from.number("spoiled position")?,
        };
        let held = if from.flag("spoiled position")? {
            Some((DocId(from.array("document id")?), from.array("hash")?))
        } else {
            None
        };
        Ok(Self { position, held })
    }
}

/// How much of a blob the receiver has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BlobHave {
    /// The blob.
    pub blob: BlobId,
    /// Bytes held from the start.
    pub have: u64,
    /// What shall happen next.
    pub state: BlobState,
}

/// What a receiver says about a blob.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BlobState {
    /// Send on from `have`.
    Wanted,
    /// All of it is here and its hash fits.
    Complete,
    /// Not now (no room, no document that names it): offer it again at the next contact.
    NotNow,
}

/// What the receiver stored of what one lane brought.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Ack {
    /// Messages handled so far on this connection, lane by lane.
    pub handled: [u64; Lane::COUNT],
    /// Positions stored; parked ones are among them.
    pub held: Holdings,
    /// Positions that were set aside, and why.
    pub parked: Vec<(Position, ParkReason)>,
    /// Positions whose changes are not taken, since their session is spoiled.
    pub spoiled: Vec<Spoiled>,
    /// The contiguous end of audit chains.
    pub audit: Vec<(Actor, u64)>,
    /// Blobs.
    pub blobs: Vec<BlobHave>,
    /// Names of facts and of stretches that were handed back and are taken.
    pub taken_back: Vec<[u8; 8]>,
}

impl Ack {
    /// Whether it only counts messages: what they held was neither stored nor set aside.
    pub(crate) fn took_nothing(&self) -> bool {
        let handled = self.handled;
        *self
            == Self {
                handled,
                ..Self::default()
            }
    }

    pub(crate) fn write(&self, out: &mut Writer) {
        self.handled.iter().for_each(|count| out.number(*count));
        out.count(self.held.0.len());
        for (actor, set) in &self.held.0 {
            out.put(&actor.to_bytes());
            set.write(out);
        }
        write_parked(&self.parked, out);
        out.count(self.spoiled.len());
        self.spoiled.iter().for_each(|spoiled| spoiled.write(out));
        out.count(self.audit.len());
        for (actor, end) in &self.audit {
            out.put(&actor.to_bytes());
            out.number(*end);
        }
        out.count(self.blobs.len());
        for blob in &self.blobs {
            out.put(blob.blob.as_bytes());
            out.number(blob.have);
            out.byte(match blob.state {
                BlobState::Wanted => 0,
                BlobState::Complete => 1,
                BlobState::NotNow => 2,
            });
        }
        out.count(self.taken_back.len());
        self.taken_back.iter().for_each(|name| out.put(name));
    }

    pub(crate) fn read(from: &mut Reader<'_>) -> Result<Self, WireFault> {
        let mut ack = Self::default();
        for count in &mut ack.handled {
            *count = from.number("handled messages")?;
        }
        for _ in 0..from.count(MAX_ACK_ENTRIES, 17, "held sessions")? {
            let actor = read_actor(from)?;
            ack.held.0.insert(actor, RangeSet::read(from)?);
        }
        ack.parked = read_parked(from)?;
        for _ in 0..from.count(MAX_ACK_ENTRIES, 18, "spoiled positions")? {
            ack.spoiled.push(Spoiled::read(from)?);
        }
        for _ in 0..from.count(MAX_ACK_ENTRIES, 17, "audited sessions")? {
            ack.audit.push((read_actor(from)?, from.number("audit end")?));
        }
        for _ in 0..from.count(MAX_ACK_ENTRIES, 34, "blobs")? {
            let blob = BlobId(from.array("blob id")?);
            let have = from.number("blob bytes")?;
            let state = match from.byte("blob state")? {
                0 => BlobState::Wanted,
                1 => BlobState::Complete,
                2 => BlobState::NotNow,
                _ => return Err(WireFault::BadValue("blob state")),
            };
            ack.blobs.push(BlobHave { blob, have, state });
        }
        for _ in 0..from.count(MAX_ACK_ENTRIES, 8, "facts taken")? {
            ack.taken_back.push(from.array("fact taken")?);
        }
        Ok(ack)
    }

    /// How many entries it has, all kinds together.
    pub fn size(&self) -> usize {
        let ranges: usize = self.held.0.values().map(|set| set.iter().count()).sum();
        ranges
            + self.parked.len()
            + self.spoiled.len()
            + self.audit.len()
            + self.blobs.len()
            + self.taken_back.len()
    }

    /// Adds what another acknowledgement of the same connection says. The larger counts stand.
    pub fn merge(&mut self, other: Self) {
        for (mine, theirs) in self.handled.iter_mut().zip(other.handled) {
            *mine = (*mine).max(theirs);
        }
        self.held.extend(&other.held);
        self.parked.extend(other.parked);
        self.spoiled.extend(other.spoiled);
        self.audit.extend(other.audit);
        self.blobs.extend(other.blobs);
        self.taken_back.extend(other.taken_back);
    }
}

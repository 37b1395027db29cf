//! What the exchange asks of the store, and the answers.

use std::sync::Arc;

use records::ids::BlobId;

use crate::compact::{Base, Envelope, Known, Learned, Start, pack, unpack};
use crate::identity::Actor;
use crate::wire::{
    Ack, AuditBatch, Batch, BlobOffer, BlobPiece, Bye, ChangeItem, Fact, FeedBatch, FeedEnd, HandBack, Hello,
    Holdings, Holds, Lane, Message, SessionSketch, Untold, Wanted, WantedBlob, Welcome, WireFault,
};

/// A question or an order for the store. Whatever it writes is one transaction.
#[derive(Debug, Clone, PartialEq)]
pub enum Ask {
    /// Hub: a box greets. Answer: [`Answer::Greeting`] or [`Answer::Refused`].
    Greet(Box<Hello>),
    /// Box: the hub answered; keep its epoch, its time and that it was reached. Answer: [`Answer::Done`].
    Welcomed(Welcome),
    /// Box: all that the hub holds of the box's own sessions; what it lacks is to be sent. Answer:
    /// [`Answer::Requeued`].
    HubHolds(Holds),
    /// Box: the same in short. Answer: [`Answer::Requeued`], or [`Answer::Untold`] where that is not enough.
    HubSketch {
        /// The sketch.
        sketch: SessionSketch,
        /// What was told one by one beside it.
        told: Holds,
    },
    /// Box: tell holdings. Answer: [`Answer::Holdings`].
    TellHoldings {
        /// Whose.
        wanted: Wanted,
        /// Whether to tell what is lacking of the own sessions instead of what is held.
        lacks: bool,
    },
    /// Hub: what is held of the box's own sessions now. Answer: [`Answer::Holdings`].
    OwnHoldings,
    /// Both: the next items of a lane behind this place. Answer: [`Answer::Next`].
    Next {
        /// The lane.
        lane: Lane,
        /// The place behind which to go on: of the queue at the box, of the feed at the hub.
        after: u64,
        /// About how many bytes of items.
        budget: usize,
        /// Hub: what the box holds already; such changes are left out.
        held: Arc<Holdings>,
    },
    /// Hub: store a batch whose signature fits. Answer: [`Answer::Taken`].
    TakeBatch {
        /// The lane that brought it.
        lane: Lane,
        /// The changes.
        batch: Batch,
    },
    /// Hub: store audit entries whose signature fits. Answer: [`Answer::Taken`].
    TakeAudit {
        /// The lane that brought them.
        lane: Lane,
        /// The entries.
        audit: AuditBatch,
    },
    /// Box: store a stretch of the feed whose signature fits. Answer: [`Answer::Taken`].
    TakeFeed {
        /// The lane.
        lane: Lane,
        /// The stretch.
        feed: FeedBatch,
    },
    /// Hub: take facts back that it had stated itself. Answer: [`Answer::Taken`].
    TakeFacts {
        /// The lane that brought them.
        lane: Lane,
        /// The facts; their signatures are checked by whoever takes them.
        facts: Vec<Fact>,
    },
    /// Hub: take changes back that it had relayed itself and whose signature fits. Answer: [`Answer::Taken`].
    TakeBack {
        /// The lane that brought them.
        lane: Lane,
        /// The changes.
        back: HandBack,
    },
    /// Hub: say how much of an offered blob is here. Answer: [`Answer::Taken`].
    TakeOffer {
        /// The lane that brought it.
        lane: Lane,
        /// The offer.
        offer: BlobOffer,
    },
    /// Both: store bytes of a blob. Answer: [`Answer::Taken`].
    TakePiece {
        /// The lane that brought it.
        lane: Lane,
        /// The bytes.
        piece: BlobPiece,
    },
    /// Both: bytes of a blob from this place on, at most one piece. Answer: [`Answer::BlobBytes`], empty where
    /// the blob is gone.
    ReadBlob {
        /// The blob.
        offer: BlobOffer,
        /// Where to read from.
        offset: u64,
    },
    /// Both: bring a signed message into the compact form, or into another where that is not possible. Answer:
    /// [`Answer::Packed`].
    Pack {
        /// Its lane.
        lane: Lane,
        /// The message.
        message: Box<Message>,
        /// Whether further ones follow at once, for which what is learned from this one counts.
        more: bool,
        /// What the one before left.
        learned: Option<Box<Learned>>,
    },
    /// Both: a message that starts from this base is on its way; learn it meanwhile, where its changes are here. Answer:
    /// [`Answer::Learned`].
    Learn {
        /// Its lane.
        lane: Lane,
        /// The base.
        base: Base,
    },
    /// Both: read a message in the compact form. Answer: [`Answer::Unpacked`].
    Unpack {
        /// Its lane.
        lane: Lane,
        /// Its bytes.
        bytes: Vec<u8>,
        /// What the one before left.
        learned: Option<Box<Learned>>,
    },
    /// Both: the other end lacks what messages built on; from now on tell everything in full. Answer:
    /// [`Answer::Done`].
    TellInFull,
    /// Both: the other end stored this. Answer: [`Answer::Done`].
    Acked(Ack),
    /// Hub: the fingerprint of what the clinic holds. Answer: [`Answer::Fingerprint`].
    Fingerprint,
    /// Box: everything is exchanged; the hub has this fingerprint. Answer: [`Answer::Settled`], or
    /// [`Answer::Differs`] where nothing explains that this end has another one, or [`Answer::Woken`] where something is
    /// to be sent after all.
    Settled([u8; 8]),
    /// Both: the prints of all documents that are compared. Answer: [`Answer::Prints`].
    Prints,
    /// Both: send the documents with these prints again. Answer: [`Answer::Woken`].
    SendAgain(Vec<[u8; 32]>),
}

impl Ask {
    /// The lane that it serves, where it serves one.
    fn lane(&self) -> Option<Lane> {
        match self {
            Self::Next { lane, .. }
            | Self::TakeBatch { lane, .. }
            | Self::TakeAudit { lane, .. }
            | Self::TakeFeed { lane, .. }
            | Self::TakeFacts { lane, .. }
            | Self::TakeBack { lane, .. }
            | Self::TakeOffer { lane, .. }
            | Self::TakePiece { lane, .. }
            | Self::Pack { lane, .. }
            | Self::Learn { lane, .. }
            | Self::Unpack { lane, .. } => Some(*lane),
            Self::Greet(_)
            | Self::Welcomed(_)
            | Self::HubHolds(_)
            | Self::HubSketch { .. }
            | Self::TellHoldings { .. }
            | Self::OwnHoldings
            | Self::ReadBlob { .. }
            | Self::TellInFull
            | Self::Acked(_)
            | Self::Fingerprint
            | Self::Settled(_)
            | Self::Prints
            | Self::SendAgain(_) => None,
        }
    }

    /// Whether it takes long and writes nothing: to pack or unpack a message of a backlog, or to learn its base. Its answer
    /// may come after those to asks that were given out later.
    pub fn is_long(&self) -> bool {
        match self {
            Self::Pack { lane, .. } | Self::Learn { lane, .. } | Self::Unpack { lane, .. } => {
                !lane.is_urgent()
            }
            _ => false,
        }
    }

    /// Whether it waits while a long one is under way: each lane keeps its order.
    pub(crate) fn waits_for_long(&self) -> bool {
        self.lane().is_some_and(|lane| !lane.is_urgent())
    }

    /// Whether it may be carried out before others that came earlier and wait for a long one.
    pub(crate) fn overtakes_long(&self) -> bool {
        matches!(self, Self::Acked(_)) || self.lane().is_some_and(Lane::is_urgent)
    }
}

/// The store's answer to an [`Ask`].
#[derive(Debug, Clone, PartialEq)]
pub enum Answer {
    /// The order was carried out.
    Done,
    /// The hub greets.
    Greeting(Box<Greeting>),
    /// The hub does not serve this box.
    Refused(Bye),
    /// What is held.
    Holdings(Told),
    /// The sketch was not enough: the hub must tell these sessions one by one.
    Untold(Untold),
    /// The queue was made anew: begin from its start.
    Requeued,
    /// Something was put into these lanes.
    Woken(Vec<Lane>),
    /// Items to send.
    Next(NextItems),
    /// Bytes of a blob.
    BlobBytes {
        /// The blob.
        offer: BlobOffer,
        /// Where they stand.
        offset: u64,
        /// The bytes.
        bytes: Vec<u8>,
    },
    /// A message was stored.
    Taken(Box<Taken>),
    /// First bytes of a fingerprint.
    Fingerprint([u8; 8]),
    /// Blobs that the box was offered, now or earlier, and has not got whole: most urgent first.
    Settled(Vec<WantedBlob>),
    /// The same where both ends hold different things although nothing waits.
    Differs(Vec<WantedBlob>),
    /// Prints of documents.
    Prints(Vec<[u8; 32]>),
    /// A message as it goes out, and what was learned from it.
    Packed {
        /// Its lane.
        lane: Lane,
        /// Its bytes.
        bytes: Vec<u8>,
        /// What was learned; nothing where it has another form.
        learned: Option<Box<Learned>>,
    },
    /// What a message of this lane starts from is learned, as far as it is here.
    Learned(Lane),
    /// A message that came.
    Unpacked {
        /// Its lane.
        lane: Lane,
        /// How many bytes it had.
        length: usize,
        /// The message, or why it could not be read.
        message: Box<Result<Message, WireFault>>,
        /// What was learned from it, where the sender counts on it.
        learned: Option<Box<Learned>>,
    },
}

impl Answer {
    /// The answer to [`Ask::Unpack`] of an end that has this base and knows this.
    pub fn unpacked(
        lane: Lane,
        bytes: &[u8],
        learned: Option<Box<Learned>>,
        base: impl FnOnce(&Base) -> Option<Learned>,
        known: &dyn Known,
    ) -> Self {
        let read = || {
            let envelope = Envelope::read(bytes)?.ok_or(WireFault::BadValue("packing"))?;
            let start = match &envelope.start {
                Start::Continued => learned.map(|learned| *learned),
                Start::Shared(wanted) => Some(base(wanted).ok_or(WireFault::NotHere("base"))?),
                Start::Small | Start::Large => None,
            };
            let (message, learned) = unpack(bytes, start, known)?;
            Ok((message, envelope.more.then(|| Box::new(learned))))
        };
        let (message, learned) = match read() {
            Ok((message, learned)) => (Ok(message), learned),
            Err(fault) => (Err(fault), None),
        };
        Self::Unpacked {
            lane,
            length: bytes.len(),
            message: Box::new(message),
            learned,
        }
    }

    /// The answer to [`Ask::Pack`] of an end that knows this. `base` gives the base to start from, if there is one;
    /// it is asked only where a message is worth it.
    pub fn packed(
        lane: Lane,
        message: &Message,
        more: bool,
        learned: Option<Box<Learned>>,
        base: impl FnOnce() -> Option<(Base, Learned)>,
        known: &dyn Known,
    ) -> Self {
        let (start, learned) = match learned {
            Some(learned) => (Start::Continued, Some(*learned)),
            None if lane.is_urgent() => (Start::Small, None),
            None => match base() {
                Some((base, learned)) => (Start::Shared(base), Some(learned)),
                None if more => (Start::Large, None),
                None => (Start::Small, None),
            },
        };
        match pack(message, &start, learned, more, known) {
            Some((bytes, learned)) => Self::Packed {
                lane,
                bytes,
                learned: more.then(|| Box::new(learned)),
            },
            None => Self::Packed {
                lane,
                bytes: message.encode(),
                learned: None,
            },
        }
    }
}

/// What an end tells of its holdings.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Told {
    /// What it holds.
    pub holds: Holds,
    /// Where asked for: what a box lacks of its own sessions that the hub holds. It holds all the rest of them, and
    /// `holds` is of other sessions only.
    pub lacks: Option<Holdings>,
}

/// How a hub greets.
#[derive(Debug, Clone, PartialEq)]
pub struct Greeting {
    /// The words.
    pub welcome: Welcome,
    /// What the hub holds of the box's own sessions.
    pub own: Holds,
}

/// Something that stands in a lane.
#[derive(Debug, Clone, PartialEq)]
pub enum LaneItem {
    /// A change.
    Change(ChangeItem),
    /// An entry of an audit chain and its number.
    Audit(Actor, u64, Vec<u8>),
    /// A blob.
    Blob(BlobOffer),
    /// A fact of the hub.
    Fact(Fact),
    /// Changes of others that the hub had fed.
    HandBack(HandBack),
}

/// The next items of a lane.
#[derive(Debug, Clone, PartialEq)]
pub struct NextItems {
    /// The lane.
    pub lane: Lane,
    /// The items and their places, rising.
    pub items: Vec<(u64, LaneItem)>,
    /// The place of the last item looked at, also where it was left out.
    pub upto: u64,
    /// Whether more stands behind it.
    pub more: bool,
    /// Box: how far the clinical feed is held (goes into the batch). Hub: unused.
    pub knows: u64,
    /// Hub: epoch and chain hash at `upto`.
    pub feed: Option<(u32, FeedEnd)>,
    /// Hub: the session that signs what is relayed. Box: unused.
    pub signer: Option<Actor>,
}

impl NextItems {
    /// Nothing waits behind this place.
    pub fn none(lane: Lane, after: u64) -> Self {
        Self {
            lane,
            items: Vec::new(),
            upto: after,
            more: false,
            knows: 0,
            feed: None,
            signer: None,
        }
    }
}

/// What was stored of one message.
#[derive(Debug, Clone, PartialEq)]
pub struct Taken {
    /// The lane that brought the message.
    pub lane: Lane,
    /// What to tell the sender; the counts of handled messages are filled in by the exchange.
    pub ack: Ack,
    /// Changes that were not held before.
    pub new_changes: u64,
    /// A blob that is whole now and was not before.
    pub new_blob: Option<BlobId>,
}

impl Taken {
    /// Nothing but that the message was handled.
    pub fn nothing(lane: Lane) -> Self {
        Self {
            lane,
            ack: Ack::default(),
            new_changes: 0,
            new_blob: None,
        }
    }
}

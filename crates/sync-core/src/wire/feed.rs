//! Feeds: what a hub relays to a clinic, in the order of its positions.

use records::ids::DocId;

use crate::identity::{Actor, Claim, DeviceKey, Position, Purpose, SIGNATURE_LEN, SignedLeaf, merkle_root};
use crate::wire::batch::ChangeItem;
use crate::wire::blob::BlobOffer;
use crate::wire::bytes::{Reader, WireFault, Writer};
use crate::wire::fact::Fact;
use crate::wire::greeting::{FeedEnd, read_actor};
use crate::wire::{MAX_CHANGE, MAX_ITEMS};

/// One entry of a feed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum FeedItem {
    /// A change, with its writer.
    Change(ChangeItem),
    /// A fact that the hub states.
    Fact(Fact),
    /// A blob that the clinic may have; its bytes follow when the box wants them.
    Blob(BlobOffer),
}

/// A stretch of the feed of one lane, signed by the hub.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FeedBatch {
    /// The hub's epoch.
    pub epoch: u32,
    /// The position before the stretch.
    pub after: u64,
    /// The last position of the stretch. What the box holds already is left out.
    pub end: FeedEnd,
    /// The hub's session that signed.
    pub actor: Actor,
    /// The entries with their positions, rising.
    pub items: Vec<(u64, FeedItem)>,
    /// Signature of the hub over the changes; facts carry their own.
    pub signature: [u8; SIGNATURE_LEN],
}

impl FeedBatch {
    /// Signs the changes of the stretch.
    #[must_use]
    pub fn signed(mut self, key: &DeviceKey, protocol: u16, county: &[u8; 32]) -> Self {
        self.signature = key.sign(&self.claim(protocol, county));
        self
    }

    /// What the signature must fit.
    pub fn claim<'a>(&self, protocol: u16, county: &'a [u8; 32]) -> Claim<'a> {
        let leaves: Vec<SignedLeaf> = self
            .items
            .iter()
            .filter_map(|(_, item)| match item {
                FeedItem::Change(change) => Some(change.leaf()),
                FeedItem::Fact(_) | FeedItem::Blob(_) => None,
            })
            .collect();
        Claim {
            purpose: Purpose::Relay,
            protocol,
            county,
            actor: self.actor,
            root: merkle_root(&leaves),
        }
    }

    pub(crate) fn write(&self, out: &mut Writer) {
        out.number(self.epoch.into());
        out.number(self.after);
        out.number(self.end.position - self.after);
        out.put(&self.end.chain);
        out.put(&self.actor.to_bytes());
        out.count(self.items.len());
        let mut at = self.after;
        for (position, item) in &self.items {
            out.number(position - at);
            at = *position;
            match item {
                FeedItem::Change(change) => {
                    out.byte(0);
                    out.put(&change.position.actor.to_bytes());
                    out.number(change.position.seq);
                    out.put(change.doc.as_bytes());
                    out.bytes(&change.bytes);
                }
                FeedItem::Fact(fact) => {
                    out.byte(1);
                    fact.write(out);
                }
                FeedItem::Blob(offer) => {
                    out.byte(2);
                    offer.write(out);
                }
            }
        }
        out.put(&self.signature);
    }

    pub(crate) fn read(from: &mut Reader<'_>) -> Result<Self, WireFault> {
        let epoch = from.number_u32("epoch")?;
        let after = from.number("feed position")?;
        let length = from.number("feed length")?;
        let position = after
            .checked_add(length)
            .ok_or(WireFault::BadValue("feed length"))?;
        let end = FeedEnd {
            position,
            chain: from.array("feed chain")?,
        };
        let actor = read_actor(from)?;
        let mut items = Vec::new();
        let mut at = after;
        for _ in 0..from.count(MAX_ITEMS, 2, "feed entries")? {
            let step = from.number("feed position")?;
            at = at.checked_add(step).ok_or(WireFault::BadValue("feed position"))?;
            if step == 0 || at > position {
                return Err(WireFault::BadValue("feed position"));
            }
            items.push((at, read_feed_item(from)?));
        }
        Ok(Self {
            epoch,
            after,
            end,
            actor,
            items,
            signature: from.array("signature")?,
        })
    }
}

fn read_feed_item(from: &mut Reader<'_>) -> Result<FeedItem, WireFault> {
    match from.byte("feed entry")? {
        0 => Ok(FeedItem::Change(ChangeItem {
            position: Position {
                actor: read_actor(from)?,
                seq: from.number("sequence")?,
            },
            doc: DocId(from.array("document id")?),
            bytes: from.bytes(MAX_CHANGE, "change")?.to_vec(),
        })),
        1 => Fact::read(from).map(FeedItem::Fact),
        2 => BlobOffer::read(from).map(FeedItem::Blob),
        _ => Err(WireFault::BadValue("feed entry")),
    }
}

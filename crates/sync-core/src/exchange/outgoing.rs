//! Items of a lane as signed messages: the same for the network and for a stick.

use crate::exchange::{LaneItem, NextItems};
use crate::identity::{Actor, DeviceKey, SIGNATURE_LEN};
use crate::wire::{AuditBatch, Batch, BlobOffer, ChangeItem, Fact, FeedBatch, FeedItem, Message, VERSION};

/// What goes out.
#[derive(Debug, Clone, PartialEq)]
pub enum Outgoing {
    /// A signed message.
    Message(Message),
    /// A blob that could go out.
    Blob(BlobOffer),
}

/// What a hub read of a feed behind a position as one stretch, not signed yet; `on_blob` hears of each blob in it. `None`
/// where nothing stands behind the position.
pub fn unsigned_stretch(
    next: NextItems,
    after: u64,
    mut on_blob: impl FnMut(BlobOffer),
) -> Option<FeedBatch> {
    let ((epoch, end), actor) = (next.feed?, next.signer?);
    if end.position <= after {
        return None;
    }
    let mut items = Vec::with_capacity(next.items.len());
    for (position, item) in next.items {
        let item = match item {
            LaneItem::Change(change) => FeedItem::Change(change),
            LaneItem::Fact(fact) => FeedItem::Fact(fact),
            LaneItem::Blob(offer) => {
                on_blob(offer);
                FeedItem::Blob(offer)
            }
            LaneItem::Audit(..) | LaneItem::HandBack(_) => continue,
        };
        items.push((position, item));
    }
    Some(FeedBatch {
        epoch,
        after,
        end,
        actor,
        items,
        signature: [0; SIGNATURE_LEN],
    })
}

/// Runs of items that can share one message.
enum Run {
    Changes(Actor, Vec<ChangeItem>),
    Audit(Actor, u64, Vec<Vec<u8>>),
    Facts(Vec<Fact>),
}

/// A box's items as messages that its device signed, in their order.
pub fn signed_messages(key: &DeviceKey, county: &[u8; 32], next: NextItems) -> Vec<Outgoing> {
    let mut out = Vec::new();
    let mut run: Option<Run> = None;
    let finish = |run: Option<Run>, out: &mut Vec<Outgoing>| match run {
        None => {}
        Some(Run::Changes(actor, changes)) => {
            let batch = Batch::sign(key, VERSION, county, actor, next.knows, changes);
            out.push(Outgoing::Message(Message::Batch(batch)));
        }
        Some(Run::Audit(actor, first, entries)) => {
            let audit = AuditBatch::sign(key, VERSION, county, actor, first, entries);
            out.push(Outgoing::Message(Message::Audit(audit)));
        }
        Some(Run::Facts(facts)) => out.push(Outgoing::Message(Message::Facts(facts))),
    };
    for (_, item) in next.items {
        run = match (run, item) {
            (Some(Run::Changes(actor, mut changes)), LaneItem::Change(change))
                if change.position.actor == actor =>
            {
                changes.push(change);
                Some(Run::Changes(actor, changes))
            }
            (Some(Run::Audit(actor, first, mut entries)), LaneItem::Audit(author, n, entry))
                if author == actor && first + entries.len() as u64 == n =>
            {
                entries.push(entry);
                Some(Run::Audit(actor, first, entries))
            }
            (Some(Run::Facts(mut facts)), LaneItem::Fact(fact)) => {
                facts.push(fact);
                Some(Run::Facts(facts))
            }
            (before, item) => {
                finish(before, &mut out);
                match item {
                    LaneItem::Change(change) => Some(Run::Changes(change.position.actor, vec![change])),
                    LaneItem::Audit(actor, n, entry) => Some(Run::Audit(actor, n, vec![entry])),
                    LaneItem::Blob(offer) => {
                        out.push(Outgoing::Blob(offer));
                        None
                    }
                    LaneItem::Fact(fact) => Some(Run::Facts(vec![fact])),
                    LaneItem::HandBack(back) => {
                        out.push(Outgoing::Message(Message::HandBack(back)));
                        None
                    }
                }
            }
        };
    }
    finish(run, &mut out);
    out
}

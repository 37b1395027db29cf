//! A box's store as plain collections.

use std::collections::{BTreeMap, BTreeSet};

use records::ids::{BlobId, DeviceId, DocId, SessionId};
use records::time::{ClockSource, Stamp, WallTime};

use super::model::*;
use super::model_hub::ModelHub;
use crate::exchange::{Answer, Ask, Credentials, LaneItem, NextItems, Taken, Told};
use crate::identity::{Actor, DeviceKey, Position};
use crate::wire::*;

#[derive(Clone)]
enum Queued {
    Change(Position),
    Audit(Actor, u64),
    Blob(BlobOffer),
    Fact(Fact),
    HandBack(HandBack),
}

#[derive(Clone)]
pub(in crate::exchange) struct ModelBox {
    pub(super) key: DeviceKey,
    pub(super) actor: Actor,
    seq: u64,
    audit_n: u64,
    pub(super) log: BTreeMap<Position, Entry>,
    pub(super) audit: BTreeMap<(Actor, u64), Vec<u8>>,
    pub(super) blobs: BTreeMap<BlobId, Vec<u8>>,
    own_blobs: Vec<(BlobOffer, Lane)>,
    parts: Parts,
    wanted: Vec<BlobOffer>,
    queue: BTreeMap<(Lane, u64), Queued>,
    next_place: u64,
    /// What the hub holds of this device, as far as this box knows.
    acked: Holdings,
    audit_acked: BTreeMap<Actor, u64>,
    feeds: [FeedEnd; Lane::COUNT],
    /// Ends of the feed that it once had, oldest first.
    marks: [Vec<FeedEnd>; Lane::COUNT],
    /// What came in the feed: lane, end of the stretch, signature and changes.
    relays: Vec<(Lane, u64, HandBack)>,
    facts: Vec<(u64, Fact)>,
    /// How often what a hub forgot was handed back without being seen in its feed since.
    handed: BTreeMap<[u8; 8], u8>,
    /// Where the feeds go on, found in the tips of a hub whose feed is another.
    found: Option<[u64; Lane::COUNT]>,
    epoch: u32,
    pub(super) parked: BTreeSet<Position>,
    pub(super) hub_print: Option<[u8; 8]>,
    /// Whether it brings messages into the compact form, which takes its time.
    pub(super) packs: bool,
    /// Changes that came although they were held.
    pub(super) repeated: u64,
}

impl ModelBox {
    pub(super) fn new(seed: u8) -> Self {
        let key = DeviceKey::from_seed(&[seed; 32]);
        let actor = Actor {
            device: key.device(),
            session: SessionId([seed; 8]),
        };
        Self {
            key,
            actor,
            seq: 0,
            audit_n: 0,
            log: BTreeMap::new(),
            audit: BTreeMap::new(),
            blobs: BTreeMap::new(),
            own_blobs: Vec::new(),
            parts: Parts::new(),
            wanted: Vec::new(),
            queue: BTreeMap::new(),
            next_place: 1,
            acked: Holdings::default(),
            audit_acked: BTreeMap::new(),
            feeds: [FeedEnd::default(); Lane::COUNT],
            marks: Default::default(),
            relays: Vec::new(),
            facts: Vec::new(),
            handed: BTreeMap::new(),
            found: None,
            epoch: 0,
            parked: BTreeSet::new(),
            hub_print: None,
            packs: true,
            repeated: 0,
        }
    }

    pub(super) fn device(&self) -> DeviceId {
        self.key.device()
    }

    pub(super) fn credentials(&self, hub: &ModelHub) -> Credentials {
        Credentials {
            key: self.key.clone(),
            county: COUNTY,
            peer: hub.key.public(),
            predecessors: Vec::new(),
        }
    }

    /// A new run of the program.
    pub(super) fn restart(&mut self, session: u64) {
        self.actor.session = SessionId(session.to_be_bytes());
        self.seq = 0;
        self.audit_n = 0;
    }

    fn enqueue(&mut self, lane: Lane, queued: Queued) {
        let waits = |other: &Queued| match (other, &queued) {
            (Queued::Fact(one), Queued::Fact(two)) => one == two,
            (Queued::HandBack(one), Queued::HandBack(two)) => one == two,
            _ => false,
        };
        if self.queue.values().any(waits) {
            return;
        }
        self.queue.insert((lane, self.next_place), queued);
        self.next_place += 1;
    }

    /// Writes a change, its audit entry and sometimes a blob.
    pub(super) fn write(&mut self, lane: Lane, dice: &mut super::Dice, length: usize) {
        self.seq += 1;
        let position = self.actor.at(self.seq);
        let mut bytes = vec![0u8; length.max(40)];
        bytes
            .iter_mut()
            .for_each(|byte| *byte = dice.roll().to_be_bytes()[0] & 0x3f);
        if dice.below(12) == 0 {
            bytes[0] = UNACCEPTABLE;
        }
        let doc = DocId([u8::try_from(dice.below(5)).unwrap(); 16]);
        let change = ChangeItem { position, doc, bytes };
        self.log.insert(position, Entry { change, lane });
        self.enqueue(lane, Queued::Change(position));
        self.audit_n += 1;
        self.audit
            .insert((self.actor, self.audit_n), position.seq.to_be_bytes().to_vec());
        self.enqueue(Lane::P3, Queued::Audit(self.actor, self.audit_n));
        if dice.below(6) == 0 {
            let whole: Vec<u8> = (0..1 + dice.below(90_000))
                .map(|n| n.to_le_bytes()[0] ^ doc.0[0])
                .collect();
            let offer = BlobOffer {
                blob: BlobId(blake3::hash(&whole).into()),
                doc,
                length: whole.len() as u64,
            };
            self.blobs.insert(offer.blob, whole);
            self.own_blobs.push((offer, Lane::P4));
            self.enqueue(Lane::P4, Queued::Blob(offer));
        }
    }

    fn wish(&self, offer: &BlobOffer) -> WantedBlob {
        let have = self.parts.get(&offer.blob).map_or(0, Vec::len) as u64;
        WantedBlob {
            lane: Lane::P4,
            offer: *offer,
            have,
        }
    }

    pub(super) fn pending(&self) -> usize {
        self.queue.len()
    }

    fn prints_of(&self, held: &Holdings) -> BTreeMap<Actor, SessionPrint> {
        prints_of(
            self.log
                .iter()
                .map(|(at, entry)| (*at, change_hash(&entry.change.bytes))),
            held,
        )
    }

    fn own_held(&self) -> Holdings {
        let mut held = Holdings::default();
        self.log
            .keys()
            .filter(|at| at.actor.device == self.device())
            .for_each(|at| held.insert(*at));
        held
    }

    pub(super) fn print(&self) -> [u8; 8] {
        let mut sum = [0; 8];
        for (position, entry) in &self.log {
            if !self.parked.contains(position) {
                add(&mut sum, &change_hash(&entry.change.bytes));
            }
        }
        sum
    }

    pub(super) fn hello(&self) -> Hello {
        let held = self.own_held();
        let whole = self
            .acked
            .0
            .iter()
            .all(|(actor, set)| held.0.get(actor).is_some_and(|own| own.covers(set)));
        Hello {
            versions: VERSIONS,
            actor: self.actor,
            clinic: "0017".parse().unwrap(),
            software: "model".into(),
            epoch: self.epoch,
            own: self.acked.digest(&self.audit_acked),
            own_whole: whole,
            feeds: FeedMarks::new(&self.feeds),
            queue: Default::default(),
            clock: Stamp {
                at: WallTime(0),
                source: ClockSource::None,
            },
        }
    }

    pub(super) fn answer(&mut self, ask: Ask) -> Answer {
        match ask {
            Ask::Pack { lane, message, .. } if !self.packs => Answer::Packed {
                lane,
                bytes: message.encode(),
                learned: None,
            },
            Ask::Pack {
                lane,
                message,
                more,
                learned,
            } => Answer::packed(lane, &message, more, learned, || None, &crate::compact::Nothing),
            Ask::Learn { lane, .. } => Answer::Learned(lane),
            Ask::Unpack { lane, bytes, learned } => {
                Answer::unpacked(lane, &bytes, learned, |_| None, &crate::compact::Nothing)
            }
            Ask::TellInFull => Answer::Done,
            Ask::Welcomed(welcome) => {
                self.epoch = welcome.epoch;
                if welcome.wanted != Wanted::All {
                    return Answer::Done;
                }
                self.part_ways(&welcome.tips);
                Answer::Woken(Lane::ALL.to_vec())
            }
            Ask::HubHolds(holds) => {
                self.requeue(holds);
                Answer::Requeued
            }
            Ask::HubSketch { sketch, told } => {
                let believed = Holds {
                    changes: self.acked.clone(),
                    prints: self.prints_of(&self.acked),
                    audit: self.audit_acked.clone(),
                    ..Holds::default()
                };
                match sketch.resolve(&believed, &told) {
                    Ok(holds) => {
                        self.requeue(holds);
                        Answer::Requeued
                    }
                    Err(untold) => Answer::Untold(untold),
                }
            }
            Ask::TellHoldings { wanted, lacks } => {
                let lacks = lacks.then(|| self.acked.without(&self.own_held()));
                let mut changes = Holdings::default();
                let found = self.found.take();
                let all = wanted == Wanted::All && found.is_none();
                let told = self.log.keys().filter(|at| {
                    let own = at.actor.device == self.device();
                    (all || own) && !(own && lacks.is_some())
                });
                told.for_each(|at| changes.insert(*at));
                let facts = self.queue.values();
                let holds = Holds {
                    changes,
                    feeds_from: found,
                    hands_back: facts.filter(|queued| matches!(queued, Queued::Fact(_))).count() as u64,
                    ..Holds::default()
                };
                Answer::Holdings(Told { holds, lacks })
            }
            Ask::Next {
                lane, after, budget, ..
            } => Answer::Next(self.next(lane, after, budget)),
            Ask::TakeFeed { lane, feed } => Answer::Taken(Box::new(self.take_feed(lane, feed))),
            Ask::TakePiece { lane, piece } => {
                let (have, new) = take_piece(&mut self.blobs, &mut self.parts, &piece);
                let mut taken = Taken::nothing(lane);
                taken.ack.blobs.push(have);
                taken.new_blob = new.then_some(have.blob);
                self.wanted.retain(|offer| !self.blobs.contains_key(&offer.blob));
                Answer::Taken(Box::new(taken))
            }
            Ask::ReadBlob { offer, offset } => read_blob(&self.blobs, offer, offset),
            Ask::Acked(ack) => {
                self.acked.extend(&ack.held);
                self.audit_acked.extend(ack.audit.iter().copied());
                self.parked
                    .extend(ack.parked.iter().map(|(position, _)| *position));
                for name in &ack.taken_back {
                    *self.handed.entry(*name).or_default() += 1;
                }
                self.queue.retain(|_, queued| match queued {
                    Queued::Change(position) => !ack.held.contains(position),
                    Queued::Audit(actor, n) => !ack.audit.iter().any(|(a, end)| a == actor && end >= n),
                    Queued::Fact(fact) => !ack.taken_back.contains(&fact.name()),
                    Queued::HandBack(back) => !ack.taken_back.contains(&back.name()),
                    Queued::Blob(offer) => !ack
                        .blobs
                        .iter()
                        .any(|have| have.blob == offer.blob && have.state == BlobState::Complete),
                });
                Answer::Done
            }
            Ask::Settled(print) => {
                if self.look_after() {
                    return Answer::Woken(Lane::ALL.to_vec());
                }
                self.hub_print = Some(print);
                Answer::Settled(self.wanted.iter().map(|offer| self.wish(offer)).collect())
            }
            Ask::Greet(_)
            | Ask::TakeBatch { .. }
            | Ask::TakeAudit { .. }
            | Ask::TakeOffer { .. }
            | Ask::TakeFacts { .. }
            | Ask::TakeBack { .. }
            | Ask::Prints
            | Ask::SendAgain(_)
            | Ask::OwnHoldings
            | Ask::Fingerprint => {
                panic!("a hub's question at a box")
            }
        }
    }

    /// The hub's feed is another: goes back to the last place that both know, and hands back what came behind it.
    fn part_ways(&mut self, tips: &[Vec<FeedEnd>; Lane::COUNT]) {
        let common = [0, 1, 2, 3, 4].map(|lane: usize| {
            let known = |tip: &&FeedEnd| self.marks[lane].contains(tip);
            tips[lane].iter().find(known).copied()
        });
        let whole = (0..Lane::COUNT).all(|lane| common[lane].is_some() || tips[lane].is_empty());
        let ends = common.map(|end| end.filter(|_| whole).unwrap_or_default());
        self.handed.clear();
        self.found = whole.then(|| ends.map(|end| end.position));
        self.feeds = ends;
        for (marks, end) in self.marks.iter_mut().zip(ends) {
            marks.retain(|mark| mark.position <= end.position);
        }
        let (facts, relays) = (std::mem::take(&mut self.facts), std::mem::take(&mut self.relays));
        for (position, fact) in facts {
            if position > ends[1].position {
                // It belongs to a history that the hub forgot: whenever the hub forgets again, it is handed back.
                self.facts.push((u64::MAX, fact.clone()));
                self.enqueue(Lane::P0, Queued::Fact(fact));
            } else {
                self.facts.push((position, fact));
            }
        }
        for (lane, end, back) in relays {
            if end > ends[lane.index()].position {
                self.relays.push((lane, u64::MAX, back.clone()));
                self.enqueue(lane, Queued::HandBack(back));
            } else {
                self.relays.push((lane, end, back));
            }
        }
    }

    /// What was handed back and is not in the hub's feed yet is handed back once more: the hub may have gone back
    /// again before it fed it. What is in the feed again need not be kept twice.
    fn look_after(&mut self) -> bool {
        let live: BTreeSet<Position> = self
            .relays
            .iter()
            .filter(|(_, end, _)| *end < u64::MAX)
            .flat_map(|(_, _, back)| back.changes.iter().map(|change| change.position))
            .collect();
        self.relays.retain(|(_, end, back)| {
            *end < u64::MAX || !back.changes.iter().all(|change| live.contains(&change.position))
        });
        let fed: Vec<[u8; 8]> = self
            .facts
            .iter()
            .filter(|(at, _)| *at < u64::MAX)
            .map(|(_, fact)| fact.name())
            .collect();
        self.facts
            .retain(|(at, fact)| *at < u64::MAX || !fed.contains(&fact.name()));
        let again = |handed: &BTreeMap<[u8; 8], u8>, name: [u8; 8]| handed.get(&name) == Some(&1);
        let mut queued: Vec<(Lane, Queued)> = Vec::new();
        for (_, fact) in self.facts.iter().filter(|(at, _)| *at == u64::MAX) {
            if again(&self.handed, fact.name()) {
                queued.push((Lane::P0, Queued::Fact(fact.clone())));
            }
        }
        for (lane, _, back) in self.relays.iter().filter(|(_, end, _)| *end == u64::MAX) {
            if again(&self.handed, back.name()) {
                queued.push((*lane, Queued::HandBack(back.clone())));
            }
        }
        let any = !queued.is_empty();
        queued
            .into_iter()
            .for_each(|(lane, item)| self.enqueue(lane, item));
        any
    }

    fn requeue(&mut self, holds: Holds) {
        let Holds {
            changes,
            audit,
            parked,
            ..
        } = holds;
        self.acked = changes.clone();
        self.audit_acked = audit.clone();
        self.parked = parked.into_iter().map(|(position, _)| position).collect();
        self.queue
            .retain(|_, queued| matches!(queued, Queued::Fact(_) | Queued::HandBack(_)));
        let own: Vec<(Position, Lane)> = self
            .log
            .iter()
            .filter(|(at, _)| at.actor.device == self.key.device() && !changes.contains(at))
            .map(|(at, entry)| (*at, entry.lane))
            .collect();
        own.into_iter()
            .for_each(|(at, lane)| self.enqueue(lane, Queued::Change(at)));
        let entries: Vec<(Actor, u64)> = self.audit.keys().copied().collect();
        for (actor, n) in entries {
            if actor.device == self.device() && audit.get(&actor).is_none_or(|end| *end < n) {
                self.enqueue(Lane::P3, Queued::Audit(actor, n));
            }
        }
        for (offer, lane) in self.own_blobs.clone() {
            self.enqueue(lane, Queued::Blob(offer));
        }
    }

    fn next(&self, lane: Lane, after: u64, budget: usize) -> NextItems {
        let mut next = NextItems::none(lane, after);
        let mut size = 0;
        for ((_, place), queued) in self.queue.range((lane, after + 1)..=(lane, u64::MAX)) {
            if size >= budget || next.items.len() >= MAX_ITEMS {
                next.more = true;
                break;
            }
            let item = match queued {
                Queued::Change(position) => LaneItem::Change(self.log[position].change.clone()),
                Queued::Audit(actor, n) => LaneItem::Audit(*actor, *n, self.audit[&(*actor, *n)].clone()),
                Queued::Blob(offer) => LaneItem::Blob(*offer),
                Queued::Fact(fact) => LaneItem::Fact(fact.clone()),
                Queued::HandBack(back) => LaneItem::HandBack(back.clone()),
            };
            size += if let LaneItem::Change(change) = &item {
                change.bytes.len()
            } else {
                20
            };
            next.items.push((*place, item));
            next.upto = *place;
        }
        next
    }

    fn take_feed(&mut self, lane: Lane, feed: FeedBatch) -> Taken {
        let mut taken = Taken::nothing(lane);
        let end = &mut self.feeds[lane.index()];
        assert_eq!(end.position, feed.after, "a feed goes on where it stopped");
        *end = feed.end;
        self.marks[lane.index()].push(feed.end);
        let changes = feed.items.iter().filter_map(|(_, item)| match item {
            FeedItem::Change(change) => Some(FedChange {
                position: change.position,
                doc: change.doc,
                hash: change_hash(&change.bytes),
                bytes: Some(change.bytes.clone()),
            }),
            FeedItem::Fact(_) | FeedItem::Blob(_) => None,
        });
        let back = HandBack {
            actor: feed.actor,
            changes: changes.collect(),
            signature: feed.signature,
        };
        if !back.changes.is_empty() {
            self.relays.push((lane, feed.end.position, back));
        }
        for (place, item) in feed.items {
            match item {
                FeedItem::Change(change) => {
                    if change.position.actor.device == self.device() {
                        self.acked.insert(change.position);
                    }
                    let new = Entry { change, lane };
                    match self.log.entry(new.change.position) {
                        std::collections::btree_map::Entry::Occupied(_) => self.repeated += 1,
                        std::collections::btree_map::Entry::Vacant(place) => {
                            taken.new_changes += 1;
                            place.insert(new);
                        }
                    }
                }
                FeedItem::Fact(fact) => self.facts.push((place, fact)),
                FeedItem::Blob(offer) => {
                    if !self.blobs.contains_key(&offer.blob) {
                        self.wanted.push(offer);
                    }
                    taken.ack.blobs.push(consider(&self.blobs, &self.parts, &offer));
                }
            }
        }
        taken
    }
}

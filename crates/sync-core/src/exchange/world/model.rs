//! Stores of boxes and hub as plain collections.

use std::collections::{BTreeMap, BTreeSet};

use records::ids::{BlobId, DeviceId, DocId, SessionId};
use records::time::{ClockSource, Stamp, WallTime};

use crate::exchange::{Answer, Ask, Credentials, Greeting, LaneItem, NextItems, Taken};
use crate::identity::{Actor, DeviceKey, Position};
use crate::wire::*;

pub(super) const COUNTY: [u8; 32] = [7; 32];
/// A change with this first byte is one that the hub does not accept.
pub(super) const UNACCEPTABLE: u8 = 0xbd;

pub(super) type Hash = [u8; 32];

#[derive(Clone)]
pub(super) struct Entry {
    pub(super) change: ChangeItem,
    pub(super) lane: Lane,
}

fn add(sum: &mut [u8; 8], hash: &Hash) {
    sum.iter_mut().zip(hash).for_each(|(a, b)| *a ^= b);
}

/// Bytes of blobs on their way.
type Parts = BTreeMap<BlobId, Vec<u8>>;

fn take_piece(
    blobs: &mut BTreeMap<BlobId, Vec<u8>>,
    parts: &mut Parts,
    piece: &BlobPiece,
) -> (BlobHave, bool) {
    let blob = piece.offer.blob;
    if let Some(whole) = blobs.get(&blob) {
        return (
            BlobHave {
                blob,
                have: whole.len() as u64,
                state: BlobState::Complete,
            },
            false,
        );
    }
    let part = parts.entry(blob).or_default();
    if part.len() as u64 == piece.offset {
        part.extend_from_slice(&piece.bytes);
    }
    let have = part.len() as u64;
    if have < piece.offer.length {
        return (
            BlobHave {
                blob,
                have,
                state: BlobState::Wanted,
            },
            false,
        );
    }
    let whole = parts.remove(&blob).unwrap();
    assert_eq!(BlobId(blake3::hash(&whole).into()), blob);
    blobs.insert(blob, whole);
    (
        BlobHave {
            blob,
            have,
            state: BlobState::Complete,
        },
        true,
    )
}

fn consider(blobs: &BTreeMap<BlobId, Vec<u8>>, parts: &Parts, offer: &BlobOffer) -> BlobHave {
    let blob = offer.blob;
    match blobs.get(&blob) {
        Some(_) => BlobHave {
            blob,
            have: offer.length,
            state: BlobState::Complete,
        },
        None => {
            let have = parts.get(&blob).map_or(0, Vec::len) as u64;
            BlobHave {
                blob,
                have,
                state: BlobState::Wanted,
            }
        }
    }
}

fn read_blob(blobs: &BTreeMap<BlobId, Vec<u8>>, offer: BlobOffer, offset: u64) -> Answer {
    let bytes = blobs.get(&offer.blob).map_or(Vec::new(), |whole| {
        let start = usize::try_from(offset).unwrap().min(whole.len());
        whole[start..whole.len().min(start + BLOB_PIECE)].to_vec()
    });
    Answer::BlobBytes { offer, offset, bytes }
}

#[derive(Clone)]
enum Queued {
    Change(Position),
    Audit(Actor, u64),
    Blob(BlobOffer),
}

#[derive(Clone)]
pub(in crate::exchange) struct ModelBox {
    key: DeviceKey,
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
    epoch: u32,
    pub(super) parked: BTreeSet<Position>,
    pub(super) hub_print: Option<[u8; 8]>,
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
            epoch: 0,
            parked: BTreeSet::new(),
            hub_print: None,
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
        }
    }

    /// A new run of the program.
    pub(super) fn restart(&mut self, session: u64) {
        self.actor.session = SessionId(session.to_be_bytes());
        self.seq = 0;
        self.audit_n = 0;
    }

    fn enqueue(&mut self, lane: Lane, queued: Queued) {
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
            Ask::Welcomed(welcome) => {
                for (end, from) in self.feeds.iter_mut().zip(welcome.feeds_from) {
                    if end.position != from {
                        *end = FeedEnd::default();
                    }
                }
                self.epoch = welcome.epoch;
                Answer::Done
            }
            Ask::HubHolds(holds) => {
                self.requeue(holds);
                Answer::Requeued
            }
            Ask::TellHoldings(wanted) => {
                let mut changes = Holdings::default();
                let all = wanted == Wanted::All;
                let told = self
                    .log
                    .keys()
                    .filter(|at| all || at.actor.device == self.device());
                told.for_each(|at| changes.insert(*at));
                Answer::Holdings(Holds {
                    changes,
                    ..Holds::default()
                })
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
                self.queue.retain(|_, queued| match queued {
                    Queued::Change(position) => !ack.held.contains(position),
                    Queued::Audit(actor, n) => !ack.audit.iter().any(|(a, end)| a == actor && end >= n),
                    Queued::Blob(offer) => !ack
                        .blobs
                        .iter()
                        .any(|have| have.blob == offer.blob && have.state == BlobState::Complete),
                });
                Answer::Done
            }
            Ask::Settled(print) => {
                self.hub_print = Some(print);
                Answer::Settled(self.wanted.iter().map(|offer| self.wish(offer)).collect())
            }
            Ask::Greet(_)
            | Ask::TakeBatch { .. }
            | Ask::TakeAudit { .. }
            | Ask::TakeOffer { .. }
            | Ask::Fingerprint => {
                panic!("a hub's question at a box")
            }
        }
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
        self.queue.clear();
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
        for (_, item) in feed.items {
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
                FeedItem::Fact(_) => {}
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

#[derive(Clone)]
pub(in crate::exchange) struct ModelHub {
    key: DeviceKey,
    actor: Actor,
    pub(super) epoch: u32,
    pub(super) log: BTreeMap<Position, Entry>,
    pub(super) parked: BTreeMap<Position, Hash>,
    pub(super) audit: BTreeMap<(Actor, u64), Vec<u8>>,
    pub(super) blobs: BTreeMap<BlobId, Vec<u8>>,
    parts: Parts,
    feeds: [Vec<(LaneItem, FeedEnd)>; Lane::COUNT],
    /// Changes that came although they were held.
    pub(super) repeated: u64,
}

impl ModelHub {
    pub(super) fn new() -> Self {
        let key = DeviceKey::from_seed(&[200; 32]);
        let actor = Actor {
            device: key.device(),
            session: SessionId([200; 8]),
        };
        Self {
            key,
            actor,
            epoch: 1,
            log: BTreeMap::new(),
            parked: BTreeMap::new(),
            audit: BTreeMap::new(),
            blobs: BTreeMap::new(),
            parts: Parts::new(),
            feeds: Default::default(),
            repeated: 0,
        }
    }

    pub(super) fn credentials(&self, end: &ModelBox) -> Credentials {
        Credentials {
            key: self.key.clone(),
            county: COUNTY,
            peer: end.key.public(),
        }
    }

    pub(super) fn feed(&mut self, lane: Lane, item: LaneItem) {
        let content: Hash = match &item {
            LaneItem::Change(change) => change_hash(&change.bytes),
            LaneItem::Blob(offer) => offer.blob.0,
            LaneItem::Audit(..) | LaneItem::Fact(_) => [0; 32],
        };
        let feed = &mut self.feeds[lane.index()];
        let end = feed
            .last()
            .map_or(FeedEnd::default(), |(_, end)| *end)
            .next(&content);
        feed.push((item, end));
    }

    /// An edit at a desk.
    pub(super) fn write(&mut self, seq: u64, lane: Lane, bytes: Vec<u8>) {
        let position = Actor {
            session: SessionId([201; 8]),
            ..self.actor
        }
        .at(seq);
        let change = ChangeItem {
            position,
            doc: DocId([1; 16]),
            bytes,
        };
        self.log.insert(
            position,
            Entry {
                change: change.clone(),
                lane,
            },
        );
        self.feed(lane, LaneItem::Change(change));
    }

    pub(super) fn print(&self) -> [u8; 8] {
        let mut sum = [0; 8];
        self.log
            .values()
            .for_each(|entry| add(&mut sum, &change_hash(&entry.change.bytes)));
        sum
    }

    fn holds_of(&self, device: DeviceId) -> Holds {
        let mut holds = Holds::default();
        let all = self.log.keys().chain(self.parked.keys());
        all.filter(|at| at.actor.device == device)
            .for_each(|at| holds.changes.insert(*at));
        for (actor, n) in self.audit.keys().filter(|(actor, _)| actor.device == device) {
            let end = holds.audit.entry(*actor).or_default();
            *end = (*end).max(*n);
        }
        let parked = self.parked.keys().filter(|at| at.actor.device == device);
        holds.parked = parked.map(|at| (*at, ParkReason::Malformed)).collect();
        holds
    }

    pub(super) fn answer(&mut self, device: DeviceId, ask: Ask) -> Answer {
        match ask {
            Ask::Greet(hello) => Answer::Greeting(Box::new(self.greet(&hello))),
            Ask::Next {
                lane,
                after,
                budget,
                held,
            } => Answer::Next(self.next(lane, after, budget, &held)),
            Ask::TakeBatch { lane, batch } => Answer::Taken(Box::new(self.take_batch(lane, batch))),
            Ask::TakeAudit { lane, audit } => {
                let mut taken = Taken::nothing(lane);
                let mut end = self
                    .holds_of(device)
                    .audit
                    .get(&audit.actor)
                    .copied()
                    .unwrap_or(0);
                for (n, entry) in (audit.first..).zip(audit.entries) {
                    if n == end + 1 {
                        self.audit.insert((audit.actor, n), entry);
                        end = n;
                    }
                }
                taken.ack.audit.push((audit.actor, end));
                Answer::Taken(Box::new(taken))
            }
            Ask::TakeOffer { lane, offer } => {
                let mut taken = Taken::nothing(lane);
                taken.ack.blobs.push(consider(&self.blobs, &self.parts, &offer));
                Answer::Taken(Box::new(taken))
            }
            Ask::TakePiece { lane, piece } => {
                let (have, new) = take_piece(&mut self.blobs, &mut self.parts, &piece);
                if new {
                    self.feed(Lane::P4, LaneItem::Blob(piece.offer));
                }
                let mut taken = Taken::nothing(lane);
                taken.ack.blobs.push(have);
                taken.new_blob = new.then_some(have.blob);
                Answer::Taken(Box::new(taken))
            }
            Ask::ReadBlob { offer, offset } => read_blob(&self.blobs, offer, offset),
            Ask::Acked(_) => Answer::Done,
            Ask::Fingerprint => Answer::Fingerprint(self.print()),
            Ask::Welcomed(_)
            | Ask::HubHolds { .. }
            | Ask::TellHoldings(_)
            | Ask::TakeFeed { .. }
            | Ask::Settled(_) => panic!("a box's question at a hub"),
        }
    }

    fn greet(&self, hello: &Hello) -> Greeting {
        let own = self.holds_of(hello.actor.device);
        let mut ends = [FeedEnd::default(); Lane::COUNT];
        let mut reachable = true;
        for (nth, feed) in self.feeds.iter().enumerate() {
            let at = usize::try_from(hello.feeds.ends[nth]).unwrap();
            if at > 0 {
                match feed.get(at - 1) {
                    Some((_, end)) => ends[nth] = *end,
                    None => reachable = false,
                }
            }
        }
        let same_feed = reachable && FeedMarks::new(&ends) == hello.feeds;
        let own_equal = own.changes.digest(&own.audit) == hello.own;
        let wanted = match (same_feed, own_equal) {
            (false, _) => Wanted::All,
            (true, false) => Wanted::Own,
            (true, true) => Wanted::Nothing,
        };
        let welcome = Welcome {
            version: 1,
            actor: self.actor,
            epoch: self.epoch,
            at: WallTime(1),
            holds_follow: !own_equal,
            wanted,
            feeds_from: if same_feed {
                hello.feeds.ends
            } else {
                [0; Lane::COUNT]
            },
        };
        Greeting { welcome, own }
    }

    fn next(&self, lane: Lane, after: u64, budget: usize, held: &Holdings) -> NextItems {
        let mut next = NextItems::none(lane, after);
        next.signer = Some(self.actor);
        let mut size = 0;
        for (item, end) in &self.feeds[lane.index()][usize::try_from(after).unwrap()..] {
            if size >= budget || next.items.len() >= MAX_ITEMS {
                next.more = true;
                break;
            }
            next.upto = end.position;
            next.feed = Some((self.epoch, *end));
            match item {
                LaneItem::Change(change) if held.contains(&change.position) => continue,
                LaneItem::Change(change) => size += change.bytes.len(),
                LaneItem::Blob(_) | LaneItem::Audit(..) | LaneItem::Fact(_) => size += 50,
            }
            next.items.push((end.position, item.clone()));
        }
        next
    }

    fn take_batch(&mut self, lane: Lane, batch: Batch) -> Taken {
        let mut taken = Taken::nothing(lane);
        for change in batch.changes {
            let position = change.position;
            taken.ack.held.insert(position);
            if self.log.contains_key(&position) || self.parked.contains_key(&position) {
                self.repeated += 1;
                if self.parked.contains_key(&position) {
                    taken.ack.parked.push((position, ParkReason::Malformed));
                }
            } else if change.bytes[0] == UNACCEPTABLE {
                self.parked.insert(position, change_hash(&change.bytes));
                taken.ack.parked.push((position, ParkReason::Malformed));
            } else {
                taken.new_changes += 1;
                self.log.insert(
                    position,
                    Entry {
                        change: change.clone(),
                        lane,
                    },
                );
                self.feed(lane, LaneItem::Change(change));
            }
        }
        taken
    }
}

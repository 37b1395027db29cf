//! A hub's store as plain collections.

use std::collections::{BTreeMap, BTreeSet};

use records::ids::{BlobId, DeviceId, DocId, SessionId};
use records::time::WallTime;

use super::model::*;
use super::model_box::ModelBox;
use crate::exchange::{Answer, Ask, Credentials, Greeting, LaneItem, NextItems, Taken, Told};
use crate::identity::{Actor, DeviceKey, Position};
use crate::wire::*;

#[derive(Clone)]
pub(in crate::exchange) struct ModelHub {
    pub(super) key: DeviceKey,
    actor: Actor,
    pub(super) epoch: u32,
    /// The wire version that it speaks.
    pub(super) version: u16,
    /// Whether it brings messages into the compact form, which takes its time.
    pub(super) packs: bool,
    /// How many sessions it lists one by one.
    pub(super) listed_max: usize,
    pub(super) log: BTreeMap<Position, Entry>,
    pub(super) parked: BTreeMap<Position, Hash>,
    pub(super) audit: BTreeMap<(Actor, u64), Vec<u8>>,
    pub(super) blobs: BTreeMap<BlobId, Vec<u8>>,
    pub(super) facts: BTreeSet<[u8; 8]>,
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
            version: VERSIONS.1,
            packs: true,
            listed_max: 1,
            log: BTreeMap::new(),
            parked: BTreeMap::new(),
            audit: BTreeMap::new(),
            blobs: BTreeMap::new(),
            facts: BTreeSet::new(),
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
            predecessors: Vec::new(),
        }
    }

    pub(super) fn feed(&mut self, lane: Lane, item: LaneItem) {
        let content: Hash = match &item {
            LaneItem::Change(change) => change_hash(&change.bytes),
            LaneItem::Blob(offer) => offer.blob.0,
            LaneItem::Fact(fact) => blake3::hash(&fact.encode()).into(),
            LaneItem::Audit(..) | LaneItem::HandBack(_) => [0; 32],
        };
        let feed = &mut self.feeds[lane.index()];
        let end = feed
            .last()
            .map_or(FeedEnd::default(), |(_, end)| *end)
            .next(&content);
        feed.push((item, end));
    }

    /// A fact that the hub states.
    pub(super) fn state(&mut self, n: u64) {
        let fact = Fact {
            epoch: self.epoch,
            n,
            kind: FactKind::Unknown(99),
            clinic: "0017".parse().unwrap(),
            actor: self.actor,
            body: n.to_be_bytes().to_vec(),
            signature: [0; 64],
        }
        .signed(&self.key, VERSION, &COUNTY);
        self.facts.insert(fact.name());
        self.feed(Lane::P1, LaneItem::Fact(fact));
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
        let stored = self
            .log
            .iter()
            .map(|(at, entry)| (*at, change_hash(&entry.change.bytes)));
        let aside = self.parked.iter().map(|(at, hash)| (*at, *hash));
        holds.prints = prints_of(stored.chain(aside), &holds.changes);
        let parked = self.parked.keys().filter(|at| at.actor.device == device);
        holds.parked = parked.map(|at| (*at, ParkReason::Malformed)).collect();
        holds
    }

    pub(super) fn answer(&mut self, device: DeviceId, ask: Ask) -> Answer {
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
            Ask::Greet(hello) => {
                if hello.epoch > self.epoch {
                    self.epoch = hello.epoch + 1;
                }
                Answer::Greeting(Box::new(self.greet(&hello)))
            }
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
            Ask::TakeFacts { lane, facts } => {
                let mut taken = Taken::nothing(lane);
                for fact in facts {
                    assert!(fact.verify(self.key.public(), VERSION, &COUNTY).is_ok());
                    taken.ack.taken_back.push(fact.name());
                    if self.facts.insert(fact.name()) {
                        self.feed(Lane::P1, LaneItem::Fact(fact));
                    }
                }
                Answer::Taken(Box::new(taken))
            }
            Ask::TakeBack { lane, back } => {
                let mut taken = Taken::nothing(lane);
                taken.ack.taken_back.push(back.name());
                for change in back.items() {
                    let position = change.position;
                    if self.log.contains_key(&position) || self.parked.contains_key(&position) {
                        self.repeated += 1;
                        continue;
                    }
                    let entry = Entry {
                        change: change.clone(),
                        lane,
                    };
                    self.log.insert(position, entry);
                    taken.new_changes += 1;
                    self.feed(lane, LaneItem::Change(change));
                }
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
            Ask::OwnHoldings => Answer::Holdings(Told {
                holds: self.holds_of(device),
                lacks: None,
            }),
            Ask::Fingerprint => Answer::Fingerprint(self.print()),
            Ask::Welcomed(_)
            | Ask::HubHolds { .. }
            | Ask::HubSketch { .. }
            | Ask::TellHoldings { .. }
            | Ask::TakeFeed { .. }
            | Ask::Prints
            | Ask::SendAgain(_)
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
        let same_epoch = hello.epoch == 0 || hello.epoch == self.epoch;
        let same_feed = reachable && same_epoch && FeedMarks::new(&ends) == hello.feeds;
        let own_equal = own.changes.digest(&own.audit) == hello.own;
        let wanted = match (same_feed, own_equal) {
            (false, _) => Wanted::All,
            (true, false) => Wanted::Own,
            (true, true) => Wanted::Nothing,
        };
        let mut tips: [Vec<FeedEnd>; Lane::COUNT] = Default::default();
        if !same_feed {
            for (tips, feed) in tips.iter_mut().zip(&self.feeds) {
                tips.extend(feed.iter().rev().map(|(_, end)| *end).take(4));
            }
        }
        let welcome = Welcome {
            tips,
            safe_through: [0; Lane::COUNT],
            kinds: vec![1, 2, 3, 4, 5, 6],
            version: self.version,
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
                LaneItem::Blob(_) | LaneItem::Audit(..) | LaneItem::Fact(_) | LaneItem::HandBack(_) => {
                    size += 50;
                }
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

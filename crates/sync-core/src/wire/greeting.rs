//! The first words of both ends: HELLO and WELCOME, and the holdings that follow where digests differ.

use std::collections::BTreeMap;

use records::ids::ClinicCode;
use records::time::{ClockSource, Stamp, WallTime};

use crate::identity::{Actor, Position};
use crate::wire::Lane;
use crate::wire::ack::{ParkReason, read_parked, write_parked};
use crate::wire::bytes::{Reader, WireFault, Writer};
use crate::wire::ranges::{Holdings, RangeSet};

/// Most bytes of the software version text.
pub const MAX_SOFTWARE: usize = 32;
/// Most sessions in one HOLDS frame.
pub const MAX_HOLDS: usize = 256;
/// Most places of one lane of a feed that a hub names to find where two histories part.
pub const MAX_TIPS: usize = 16;
/// The wire version from which a hub tells which kinds of documents it knows.
const KINDS_SINCE: u16 = 3;
/// Kinds that hubs of before know: chart, encounter, series, request, link, clinic.
const KINDS_BEFORE: [u8; 6] = [1, 2, 3, 4, 5, 6];
/// Most kinds of documents.
const MAX_KINDS: usize = 32;
/// Most bytes of a clinic's code on the wire.
const MAX_CLINIC: usize = 16;

/// What waits at a box in one lane, for the hub's fleet page.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct QueueReport {
    /// Items that the hub has not acknowledged.
    pub items: u64,
    /// Their bytes.
    pub bytes: u64,
    /// When the oldest of them was written, by the box's clock.
    pub oldest: Option<WallTime>,
}

/// How far a box holds its feeds: one position a lane, and a digest of the chain hashes at these positions.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct FeedMarks {
    /// The contiguous end in each lane; 0 where nothing came yet.
    pub ends: [u64; Lane::COUNT],
    /// Digest of the lanes' chain hashes at these ends.
    pub digest: [u8; 8],
}

impl FeedMarks {
    /// The marks at these ends of chains.
    pub fn new(chains: &[FeedEnd; Lane::COUNT]) -> Self {
        let mut out = Writer::default();
        chains.iter().for_each(|end| out.put(&end.chain));
        let mut digest = [0; 8];
        digest.copy_from_slice(&blake3::hash(&out.bytes).as_bytes()[..8]);
        Self {
            ends: chains.map(|end| end.position),
            digest,
        }
    }
}

/// One position in a feed and the hash of the chain up to it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct FeedEnd {
    /// The position, from 1; 0 before the first.
    pub position: u64,
    /// Chain hash over all entries up to the position.
    pub chain: [u8; 8],
}

impl FeedEnd {
    /// The end after one more entry with this content hash.
    pub fn next(self, content: &[u8; 32]) -> Self {
        let mut hasher = blake3::Hasher::new();
        hasher.update(&self.chain);
        hasher.update(content);
        let mut chain = [0; 8];
        chain.copy_from_slice(&hasher.finalize().as_bytes()[..8]);
        Self {
            position: self.position + 1,
            chain,
        }
    }
}

/// The box speaks first.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Hello {
    /// Oldest and newest wire version that the box speaks.
    pub versions: (u16, u16),
    /// Device and session of the box.
    pub actor: Actor,
    /// The clinic that the box belongs to.
    pub clinic: ClinicCode,
    /// Version of the program, for the fleet page.
    pub software: String,
    /// The hub's epoch as the box last knew it; 0 before the first contact.
    pub epoch: u32,
    /// Digest of what the hub holds of the box's own sessions, as far as the box knows.
    pub own: [u8; 8],
    /// Whether the box itself holds all of that. Not so after a restore, and in a twin.
    pub own_whole: bool,
    /// How far the box holds its feeds.
    pub feeds: FeedMarks,
    /// What waits at the box.
    pub queue: [QueueReport; Lane::COUNT],
    /// The box's clock.
    pub clock: Stamp,
}

impl Hello {
    pub(crate) fn write(&self, out: &mut Writer) {
        out.number(self.versions.0.into());
        out.number(self.versions.1.into());
        out.put(&self.actor.to_bytes());
        out.bytes(self.clinic.as_str().as_bytes());
        out.bytes(self.software.as_bytes());
        out.number(self.epoch.into());
        out.put(&self.own);
        out.flag(self.own_whole);
        self.feeds.ends.iter().for_each(|end| out.number(*end));
        out.put(&self.feeds.digest);
        for lane in &self.queue {
            out.number(lane.items);
            if lane.items > 0 {
                out.number(lane.bytes);
                out.flag(lane.oldest.is_some());
                lane.oldest.iter().for_each(|at| out.signed(at.0));
            }
        }
        out.signed(self.clock.at.0);
        out.byte(source_byte(self.clock.source));
    }

    pub(crate) fn read(from: &mut Reader<'_>) -> Result<Self, WireFault> {
        let versions = (version(from)?, version(from)?);
        let actor = read_actor(from)?;
        let clinic = read_clinic(from)?;
        let software = from.text(MAX_SOFTWARE, "software version")?;
        let epoch = from.number_u32("epoch")?;
        let own = from.array("digest of own sessions")?;
        let own_whole = from.flag("own sessions whole")?;
        let mut ends = [0; Lane::COUNT];
        for end in &mut ends {
            *end = from.number("feed end")?;
        }
        let feeds = FeedMarks {
            ends,
            digest: from.array("feed digest")?,
        };
        let mut queue = [QueueReport::default(); Lane::COUNT];
        for lane in &mut queue {
            lane.items = from.number("queue")?;
            if lane.items > 0 {
                lane.bytes = from.number("queue")?;
                lane.oldest = from
                    .flag("queue")?
                    .then(|| from.signed("queue"))
                    .transpose()?
                    .map(WallTime);
            }
        }
        let at = WallTime(from.signed("clock")?);
        let clock = Stamp {
            at,
            source: read_source(from)?,
        };
        Ok(Self {
            versions,
            actor,
            clinic,
            software,
            epoch,
            own,
            own_whole,
            feeds,
            queue,
            clock,
        })
    }
}

/// Whose holdings the hub wants to hear before it sends from the feeds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Wanted {
    /// None: the digests are equal.
    Nothing,
    /// Those of the box's own sessions: its memory and the hub's differ.
    Own,
    /// All sessions: the feed is another than the box knows.
    All,
}

/// The hub's answer to HELLO.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Welcome {
    /// The wire version that both speak from here on.
    pub version: u16,
    /// Session of the hub, whose device key signs what it relays.
    pub actor: Actor,
    /// The hub's epoch; drawn anew when the hub was restored.
    pub epoch: u32,
    /// The hub's time.
    pub at: WallTime,
    /// Whether HOLDS frames with what the hub holds of the box's sessions follow.
    pub holds_follow: bool,
    /// What the box shall tell before it is fed.
    pub wanted: Wanted,
    /// Where each lane of the feed goes on; lower than the box's ends after a restore of the hub.
    pub feeds_from: [u64; Lane::COUNT],
    /// Where the feed is another than the box knows: its ends, and some places before them, latest first. The
    /// box tells from which of them on it goes.
    pub tips: [Vec<FeedEnd>; Lane::COUNT],
    /// How far the feed lies inside a backup that was verified by restoring it.
    pub safe_through: [u64; Lane::COUNT],
    /// First bytes of the ids of the kinds of documents that the hub's release knows. What it does not know it keeps and
    /// relays, but does not count among what a clinic holds. Told from wire version 3 on.
    pub kinds: Vec<u8>,
}

impl Welcome {
    pub(crate) fn write(&self, out: &mut Writer) {
        out.number(self.version.into());
        out.put(&self.actor.to_bytes());
        out.number(self.epoch.into());
        out.signed(self.at.0);
        out.flag(self.holds_follow);
        out.byte(match self.wanted {
            Wanted::Nothing => 0,
            Wanted::Own => 1,
            Wanted::All => 2,
        });
        self.feeds_from.iter().for_each(|end| out.number(*end));
        let any = self.tips.iter().any(|tips| !tips.is_empty());
        out.flag(any);
        if any {
            for tips in &self.tips {
                out.count(tips.len());
                for tip in tips {
                    out.number(tip.position);
                    out.put(&tip.chain);
                }
            }
        }
        self.safe_through.iter().for_each(|end| out.number(*end));
        if self.version >= KINDS_SINCE {
            out.bytes(&self.kinds);
        }
    }

    pub(crate) fn read(from: &mut Reader<'_>) -> Result<Self, WireFault> {
        let version = version(from)?;
        let actor = read_actor(from)?;
        let epoch = from.number_u32("epoch")?;
        let at = WallTime(from.signed("hub time")?);
        let holds_follow = from.flag("holds follow")?;
        let wanted = match from.byte("wanted holdings")? {
            0 => Wanted::Nothing,
            1 => Wanted::Own,
            2 => Wanted::All,
            _ => return Err(WireFault::BadValue("wanted holdings")),
        };
        let mut feeds_from = [0; Lane::COUNT];
        for end in &mut feeds_from {
            *end = from.number("feed end")?;
        }
        let mut tips: [Vec<FeedEnd>; Lane::COUNT] = Default::default();
        if from.flag("feed tips")? {
            for tips in &mut tips {
                for _ in 0..from.count(MAX_TIPS, 9, "feed tips")? {
                    tips.push(FeedEnd {
                        position: from.number("feed tip")?,
                        chain: from.array("feed tip")?,
                    });
                }
            }
        }
        let mut safe_through = [0; Lane::COUNT];
        for end in &mut safe_through {
            *end = from.number("safe end")?;
        }
        let kinds = if version >= KINDS_SINCE {
            from.bytes(MAX_KINDS, "kinds of documents")?.to_vec()
        } else {
            KINDS_BEFORE.to_vec()
        };
        Ok(Self {
            version,
            actor,
            epoch,
            at,
            holds_follow,
            wanted,
            feeds_from,
            tips,
            safe_through,
            kinds,
        })
    }
}

/// Eight bytes that tell whether two ends hold the same changes at the same positions of a session: the sum
/// (exclusive or) over them all, so that it is kept as changes come and go.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct SessionPrint(pub [u8; 8]);

impl SessionPrint {
    /// Puts a change in, or takes it out again.
    pub fn toggle(&mut self, seq: u64, hash: &[u8; 32]) {
        let mut hasher = blake3::Hasher::new();
        hasher.update(&seq.to_be_bytes());
        hasher.update(hash);
        let print = hasher.finalize();
        self.0
            .iter_mut()
            .zip(print.as_bytes())
            .for_each(|(sum, byte)| *sum ^= byte);
    }
}

/// Pages of what a box lacks of its own sessions that the hub holds; at least one, since an empty one says that nothing
/// is lacking.
pub(crate) fn lacks_pages(lacks: &Holdings) -> Vec<Holdings> {
    let mut pages = vec![Holdings::default()];
    let mut room = MAX_HOLDS;
    for (actor, set) in lacks.0.iter().filter(|(_, set)| !set.is_empty()) {
        let mut set = set.clone();
        if set.iter().count() > MAX_HOLDS {
            // Too many pieces for a page: what lies between them is sent as well, and known when it comes.
            let ends = (set.iter().next(), set.iter().last());
            if let (Some((first, _)), Some((_, last))) = ends {
                set = RangeSet::from_range(first, last);
            }
        }
        let cost = set.iter().count();
        if cost > room {
            pages.push(Holdings::default());
            room = MAX_HOLDS;
        }
        room -= cost;
        if let Some(page) = pages.last_mut() {
            page.0.insert(*actor, set);
        }
    }
    pages
}

pub(crate) fn write_lacks(page: &Holdings, out: &mut Writer) {
    out.count(page.0.len());
    for (actor, set) in &page.0 {
        out.put(&actor.to_bytes());
        set.write(out);
    }
}

pub(crate) fn read_lacks(from: &mut Reader<'_>) -> Result<Holdings, WireFault> {
    let mut page = Holdings::default();
    for _ in 0..from.count(MAX_HOLDS, 17, "lacking sessions")? {
        page.0.insert(read_actor(from)?, RangeSet::read(from)?);
    }
    Ok(page)
}

/// One page of what an end holds.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Holds {
    /// Whether this is the last page.
    pub last: bool,
    /// Changes held, session by session.
    pub changes: Holdings,
    /// Print over position and hash of what is held of each of these sessions: two ends that hold the same
    /// positions may still hold other changes there. Where none is told nothing is compared.
    pub prints: BTreeMap<Actor, SessionPrint>,
    /// The contiguous end of the audit chain of each session.
    pub audit: BTreeMap<Actor, u64>,
    /// Positions among the changes that were set aside.
    pub parked: Vec<(Position, ParkReason)>,
    /// From a box on its last page: where the feeds go on, where it found one of the hub's tips in its own
    /// history. What it holds of others need not be told then.
    pub feeds_from: Option<[u64; Lane::COUNT]>,
    /// From a box on its last page: how many facts it hands back on this connection before it is fed.
    pub hands_back: u64,
}

impl Holds {
    /// The pages of these holdings; at least one.
    pub fn pages(&self) -> Vec<Self> {
        let mut pages = vec![Self::default()];
        let mut room = MAX_HOLDS;
        for (actor, set) in &self.changes.0 {
            // A session that came in very many pieces is told as far as a page goes; the rest is sent again.
            let mut told = RangeSet::default();
            set.iter()
                .take(MAX_HOLDS)
                .for_each(|(first, last)| told.insert(first, last));
            let cost = told.iter().count().max(1);
            let whole = told == *set;
            let page = page_with_room(&mut pages, &mut room, cost);
            page.changes.0.insert(*actor, told);
            if let Some(print) = self.prints.get(actor).filter(|_| whole) {
                page.prints.insert(*actor, *print);
            }
        }
        for (actor, end) in &self.audit {
            page_with_room(&mut pages, &mut room, 1)
                .audit
                .insert(*actor, *end);
        }
        for parked in &self.parked {
            page_with_room(&mut pages, &mut room, 1).parked.push(*parked);
        }
        if let Some(page) = pages.last_mut() {
            page.last = true;
            page.feeds_from = self.feeds_from;
            page.hands_back = self.hands_back;
        }
        pages
    }

    pub(crate) fn write(&self, out: &mut Writer) {
        out.flag(self.last);
        out.count(self.changes.0.len());
        for (actor, set) in &self.changes.0 {
            out.put(&actor.to_bytes());
            set.write(out);
            let print = self.prints.get(actor);
            out.flag(print.is_some());
            print.iter().for_each(|print| out.put(&print.0));
        }
        out.count(self.audit.len());
        for (actor, end) in &self.audit {
            out.put(&actor.to_bytes());
            out.number(*end);
        }
        write_parked(&self.parked, out);
        out.flag(self.feeds_from.is_some());
        for end in self.feeds_from.iter().flatten() {
            out.number(*end);
        }
        out.number(self.hands_back);
    }

    /// Adds what another page says.
    pub fn extend(&mut self, other: Self) {
        self.changes.extend(&other.changes);
        self.prints.extend(other.prints);
        self.audit.extend(other.audit);
        self.parked.extend(other.parked);
        self.feeds_from = self.feeds_from.or(other.feeds_from);
        self.hands_back = self.hands_back.max(other.hands_back);
    }

    pub(crate) fn read(from: &mut Reader<'_>) -> Result<Self, WireFault> {
        let mut page = Self {
            last: from.flag("last page")?,
            ..Self::default()
        };
        for _ in 0..from.count(MAX_HOLDS, 18, "held sessions")? {
            let actor = read_actor(from)?;
            page.changes.0.insert(actor, RangeSet::read(from)?);
            if from.flag("session print")? {
                page.prints
                    .insert(actor, SessionPrint(from.array("session print")?));
            }
        }
        for _ in 0..from.count(MAX_HOLDS, 17, "audited sessions")? {
            page.audit.insert(read_actor(from)?, from.number("audit end")?);
        }
        page.parked = read_parked(from)?;
        if from.flag("feeds go on")? {
            let mut ends = [0; Lane::COUNT];
            for end in &mut ends {
                *end = from.number("feed end")?;
            }
            page.feeds_from = Some(ends);
        }
        page.hands_back = from.number("facts handed back")?;
        Ok(page)
    }
}

fn page_with_room<'a>(pages: &'a mut Vec<Holds>, room: &mut usize, cost: usize) -> &'a mut Holds {
    if cost > *room {
        pages.push(Holds::default());
        *room = MAX_HOLDS;
    }
    *room = room.saturating_sub(cost);
    let last = pages.len() - 1;
    &mut pages[last]
}

pub(crate) fn read_actor(from: &mut Reader<'_>) -> Result<Actor, WireFault> {
    Actor::from_slice(from.take(16, "actor")?).ok_or(WireFault::BadValue("actor"))
}

pub(crate) fn read_clinic(from: &mut Reader<'_>) -> Result<ClinicCode, WireFault> {
    from.text(MAX_CLINIC, "clinic code")?
        .parse()
        .map_err(|_| WireFault::BadValue("clinic code"))
}

pub(crate) fn read_optional_clinic(from: &mut Reader<'_>) -> Result<Option<ClinicCode>, WireFault> {
    let code = from.text(MAX_CLINIC, "clinic code")?;
    if code.is_empty() {
        return Ok(None);
    }
    code.parse()
        .map(Some)
        .map_err(|_| WireFault::BadValue("clinic code"))
}

fn version(from: &mut Reader<'_>) -> Result<u16, WireFault> {
    u16::try_from(from.number("version")?).map_err(|_| WireFault::BadValue("version"))
}

fn source_byte(source: ClockSource) -> u8 {
    match source {
        ClockSource::None => 0,
        ClockSource::Tablet => 1,
        ClockSource::Hub => 2,
        ClockSource::Network => 3,
    }
}

fn read_source(from: &mut Reader<'_>) -> Result<ClockSource, WireFault> {
    let byte = from.byte("clock source")?;
    ClockSource::ALL
        .get(usize::from(byte))
        .copied()
        .ok_or(WireFault::BadValue("clock source"))
}

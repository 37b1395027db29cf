//! What a hub holds of a device's sessions, told in a few kilobytes however many sessions there are.
//!
//! A sketch is an invertible Bloom lookup table (Eppstein, Goodrich, Uyeda, Varghese, "What's the difference?",
//! SIGCOMM 2011): every session is one entry of fixed width and is added into four cells. Whoever takes the entries
//! that it knows out again finds cells with one entry left, takes that one out elsewhere, and so on until nothing is
//! left: the sessions in which both differ. The cost follows the number of differences, in no order and in one
//! flight, which is what a restored hub, a restored box, a twin and a cut before an acknowledgement have in common.

use std::collections::{BTreeMap, BTreeSet};

use records::ids::{DeviceId, SessionId};

use crate::identity::Actor;
use crate::wire::bytes::{Reader, WireFault, Writer};
use crate::wire::greeting::{Holds, SessionPrint};
use crate::wire::ranges::RangeSet;

/// Sessions that are still listed one by one: a list of them is no longer than a sketch.
pub const LISTED_MAX: usize = 96;
/// Cells of a sketch: at least as many as tell about thirty differences, at most what one frame carries.
const CELLS: (usize, usize) = (64, 300);
/// Sessions for each cell in between: who has very many sessions may differ in more.
const SESSIONS_PER_CELL: usize = 32;
/// Into how many cells an entry goes, each in its own part of the sketch.
const PARTS: usize = 4;
/// Bytes of an entry.
const WIDTH: usize = 40;
/// Bit of an entry's place: the session is not held as one stretch from its first position on.
const IN_PIECES: u64 = 1 << 63;

/// How a session is held: the entry of a sketch.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Entry {
    actor: Actor,
    /// Last position held where everything before it is, too; else [`IN_PIECES`] and a digest of the ranges.
    place: u64,
    /// End of the audit chain.
    audit: u64,
    print: [u8; 8],
}

impl Entry {
    fn to_bytes(self) -> [u8; WIDTH] {
        let mut bytes = [0; WIDTH];
        let parts = [
            self.actor.device.0,
            self.actor.session.0,
            self.place.to_be_bytes(),
            self.audit.to_be_bytes(),
            self.print,
        ];
        for (to, from) in bytes.as_chunks_mut::<8>().0.iter_mut().zip(parts) {
            *to = from;
        }
        bytes
    }

    fn from_bytes(bytes: &[u8; WIDTH]) -> Self {
        let part = |nth: usize| bytes.as_chunks::<8>().0[nth];
        Self {
            actor: Actor {
                device: DeviceId(part(0)),
                session: SessionId(part(1)),
            },
            place: u64::from_be_bytes(part(2)),
            audit: u64::from_be_bytes(part(3)),
            print: part(4),
        }
    }

    /// The positions, where the entry alone says which they are.
    fn held(&self) -> Option<RangeSet> {
        (self.place & IN_PIECES == 0).then(|| RangeSet::from_range(1, self.place))
    }
}

fn place_of(set: &RangeSet) -> u64 {
    let mut ranges = set.iter();
    match (ranges.next(), ranges.next()) {
        (None, _) => 0,
        (Some((1, last)), None) if last & IN_PIECES == 0 => last,
        (Some(_), _) => {
            let mut out = Writer::default();
            set.write(&mut out);
            let mut digest = [0; 8];
            digest.copy_from_slice(&blake3::hash(&out.bytes).as_bytes()[..8]);
            u64::from_be_bytes(digest) | IN_PIECES
        }
    }
}

fn entries(holds: &Holds) -> BTreeSet<Entry> {
    let held = holds.changes.0.iter().filter(|(_, set)| !set.is_empty());
    let audited = holds.audit.iter().filter(|(_, end)| **end > 0);
    let actors: BTreeSet<Actor> = held
        .map(|(actor, _)| *actor)
        .chain(audited.map(|(actor, _)| *actor))
        .collect();
    let entry = |actor: Actor| Entry {
        actor,
        place: holds.changes.0.get(&actor).map_or(0, place_of),
        audit: holds.audit.get(&actor).copied().unwrap_or(0),
        print: holds.prints.get(&actor).copied().unwrap_or_default().0,
    };
    actors.into_iter().map(entry).collect()
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Cell {
    count: i64,
    check: [u8; 4],
    sum: [u8; WIDTH],
}

impl Cell {
    const EMPTY: Self = Self {
        count: 0,
        check: [0; 4],
        sum: [0; WIDTH],
    };

    fn toggle(&mut self, bytes: &[u8; WIDTH], check: [u8; 4], by: i64) {
        self.count = self.count.wrapping_add(by);
        self.check
            .iter_mut()
            .zip(check)
            .for_each(|(sum, byte)| *sum ^= byte);
        self.sum
            .iter_mut()
            .zip(bytes)
            .for_each(|(sum, byte)| *sum ^= byte);
    }
}

/// Sessions that must be told one by one; none named means all of them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Untold(pub Vec<SessionId>);

/// The sketch of what a hub holds of the sessions of a device and of those that it took the place of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SessionSketch {
    cells: Vec<Cell>,
}

impl SessionSketch {
    /// The sketch of these holdings.
    pub fn of(holds: &Holds) -> Self {
        let entries = entries(holds);
        let cells = (entries.len() / SESSIONS_PER_CELL).clamp(CELLS.0, CELLS.1);
        let mut sketch = Self {
            cells: vec![Cell::EMPTY; cells.next_multiple_of(PARTS)],
        };
        entries.iter().for_each(|entry| sketch.toggle(entry, 1));
        sketch
    }

    fn toggle(&mut self, entry: &Entry, by: i64) {
        let bytes = entry.to_bytes();
        let (places, check) = self.places(&bytes);
        for place in places {
            self.cells[place].toggle(&bytes, check, by);
        }
    }

    /// The cells of an entry and its check.
    fn places(&self, bytes: &[u8; WIDTH]) -> ([usize; PARTS], [u8; 4]) {
        let hash = blake3::hash(bytes);
        let words = hash.as_bytes().as_chunks::<4>().0;
        let part = self.cells.len() / PARTS;
        let place = |nth: usize| nth * part + u32::from_be_bytes(words[nth]) as usize % part;
        (std::array::from_fn(place), words[PARTS])
    }

    /// What the sender of the sketch holds, where the receiver believes it to hold `believed`. `told` are the
    /// sessions that were told one by one beside the sketch, with what was set aside.
    ///
    /// # Errors
    /// The sessions that must be told one by one before it is known.
    pub fn resolve(mut self, believed: &Holds, told: &Holds) -> Result<Holds, Untold> {
        for entry in entries(believed) {
            self.toggle(&entry, -1);
        }
        let Some((there, only_believed)) = self.peel() else {
            return Err(Untold(Vec::new()));
        };
        let mut holds = Holds {
            last: true,
            changes: believed.changes.clone(),
            prints: believed.prints.clone(),
            audit: believed.audit.clone(),
            parked: told.parked.clone(),
            ..Holds::default()
        };
        for entry in only_believed {
            holds.changes.0.remove(&entry.actor);
            holds.prints.remove(&entry.actor);
            holds.audit.remove(&entry.actor);
        }
        let mut untold = Vec::new();
        for entry in there {
            let actor = entry.actor;
            let by_list = told
                .changes
                .0
                .get(&actor)
                .filter(|set| place_of(set) == entry.place);
            match entry.held().or_else(|| by_list.cloned()) {
                Some(set) => {
                    holds.changes.0.insert(actor, set);
                    holds.prints.insert(actor, SessionPrint(entry.print));
                    holds.audit.insert(actor, entry.audit);
                }
                None => untold.push(actor.session),
            }
        }
        if untold.is_empty() {
            Ok(holds)
        } else {
            Err(Untold(untold))
        }
    }

    /// Takes the entries out that are left: those of the sender and those of the receiver. `None` where there are
    /// too many.
    fn peel(&mut self) -> Option<(Vec<Entry>, Vec<Entry>)> {
        let (mut there, mut here) = (Vec::new(), Vec::new());
        let mut look_at: Vec<usize> = (0..self.cells.len()).collect();
        while let Some(place) = look_at.pop() {
            let cell = self.cells[place];
            if cell.count.unsigned_abs() != 1 {
                continue;
            }
            let (places, check) = self.places(&cell.sum);
            if check != cell.check || !places.contains(&place) {
                continue;
            }
            let entry = Entry::from_bytes(&cell.sum);
            if cell.count > 0 {
                there.push(entry)
            } else {
                here.push(entry)
            }
            // As many entries as cells are never left: somebody made this up.
            if there.len() + here.len() > self.cells.len() {
                return None;
            }
            self.toggle(&entry, -cell.count);
            look_at.extend(places);
        }
        self.cells
            .iter()
            .all(|cell| *cell == Cell::EMPTY)
            .then_some((there, here))
    }

    pub(crate) fn write(&self, out: &mut Writer) {
        out.count(self.cells.len());
        for cell in &self.cells {
            out.signed(cell.count);
            out.put(&cell.check);
            out.put(&cell.sum);
        }
    }

    pub(crate) fn read(from: &mut Reader<'_>) -> Result<Self, WireFault> {
        let count = from.count(CELLS.1, WIDTH + 5, "sketch")?;
        if count == 0 || !count.is_multiple_of(PARTS) {
            return Err(WireFault::BadValue("sketch"));
        }
        let mut cells = Vec::with_capacity(count);
        for _ in 0..count {
            cells.push(Cell {
                count: from.signed("sketch")?,
                check: from.array("sketch")?,
                sum: from.array("sketch")?,
            });
        }
        Ok(Self { cells })
    }
}

/// What is told beside a sketch: sessions that are held in pieces, as many as go into one page, and what was set
/// aside.
pub(crate) fn beside(own: &Holds) -> Holds {
    let in_pieces = |set: &RangeSet| place_of(set) & IN_PIECES != 0;
    let listed: BTreeMap<Actor, RangeSet> = own
        .changes
        .0
        .iter()
        .filter(|(_, set)| in_pieces(set))
        .take(LISTED_MAX)
        .map(|(actor, set)| (*actor, set.clone()))
        .collect();
    Holds {
        last: true,
        changes: crate::wire::Holdings(listed),
        parked: own.parked.clone(),
        ..Holds::default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const DEVICE: DeviceId = DeviceId([3; 8]);

    fn actor(session: u64) -> Actor {
        Actor {
            device: DEVICE,
            session: SessionId(session.wrapping_mul(0x9e37_79b9_7f4a_7c15).to_be_bytes()),
        }
    }

    fn many(count: u64) -> Holds {
        let mut holds = Holds {
            last: true,
            ..Holds::default()
        };
        for session in 1..=count {
            holds
                .changes
                .0
                .insert(actor(session), RangeSet::from_range(1, 10 + session % 90));
            holds
                .prints
                .insert(actor(session), SessionPrint([session.to_le_bytes()[0]; 8]));
            holds.audit.insert(actor(session), session % 70 + 1);
        }
        holds
    }

    /// The sketch as it arrives.
    fn sent(holds: &Holds) -> SessionSketch {
        let mut out = Writer::default();
        SessionSketch::of(holds).write(&mut out);
        assert!(out.bytes.len() < crate::wire::MAX_FRAME);
        SessionSketch::read(&mut Reader::new(&out.bytes)).unwrap()
    }

    #[test]
    fn a_hub_that_went_back_seven_days_is_understood_at_once() {
        let believed = many(3650);
        let mut there = many(3640);
        // One session was under way when the backup was made.
        there.changes.0.insert(actor(3640), RangeSet::from_range(1, 4));
        let told = sent(&there).resolve(&believed, &beside(&there)).unwrap();
        assert_eq!(told, there);
        let mut out = Writer::default();
        SessionSketch::of(&there).write(&mut out);
        assert!(out.bytes.len() < 6_000, "{} bytes", out.bytes.len());
    }

    #[test]
    fn sessions_in_pieces_are_listed_or_asked_for() {
        let believed = many(500);
        let mut there = many(500);
        let mut pieces = RangeSet::from_range(1, 3);
        pieces.insert(7, 9);
        there.changes.0.insert(actor(9), pieces);
        assert_eq!(
            sent(&there).resolve(&believed, &beside(&there)),
            Ok(there.clone())
        );
        let unlisted = Holds {
            last: true,
            ..Holds::default()
        };
        assert_eq!(
            sent(&there).resolve(&believed, &unlisted),
            Err(Untold(vec![actor(9).session]))
        );
    }

    #[test]
    fn a_week_of_differences_is_found_at_once_nearly_always() {
        let believed = many(400);
        let understood = (0..100u64).filter(|seed| {
            let mut there = believed.clone();
            for nth in 0..7 {
                let session = actor(1 + (seed * 31 + nth * 17) % 400);
                there
                    .changes
                    .0
                    .insert(session, RangeSet::from_range(1, 1_000 + seed));
            }
            sent(&there).resolve(&believed, &beside(&there)) == Ok(there)
        });
        assert!(understood.count() >= 98);
    }

    #[test]
    fn too_many_differences_are_told_one_by_one() {
        let believed = many(300);
        assert_eq!(
            sent(&many(2)).resolve(&believed, &Holds::default()),
            Err(Untold(Vec::new()))
        );
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(256))]
        /// Whatever is found is right.
        #[test]
        fn differences_are_found_wherever_they_are(
            changed in proptest::collection::btree_set(0u64..400, 0..12),
            gone in proptest::collection::btree_set(0u64..400, 0..4),
            new in proptest::collection::btree_set(1000u64..1400, 0..4),
        ) {
            let believed = many(399);
            let mut there = believed.clone();
            for session in &changed {
                there.changes.0.insert(actor(*session), RangeSet::from_range(1, 500 + session));
                there.prints.insert(actor(*session), SessionPrint([9; 8]));
                there.audit.insert(actor(*session), 1000);
            }
            for session in &gone {
                there.changes.0.remove(&actor(*session));
                there.prints.remove(&actor(*session));
                there.audit.remove(&actor(*session));
            }
            for session in &new {
                there.changes.0.insert(actor(*session), RangeSet::from_range(1, *session));
                there.prints.insert(actor(*session), SessionPrint([1; 8]));
                there.audit.insert(actor(*session), 1);
            }
            match sent(&there).resolve(&believed, &beside(&there)) {
                Ok(told) => prop_assert_eq!(told, there),
                Err(untold) => prop_assert!(untold.0.is_empty()),
            }
        }

        #[test]
        fn any_bytes_are_understood_or_refused(bytes in proptest::collection::vec(any::<u8>(), 0..4000)) {
            if let Ok(sketch) = SessionSketch::read(&mut Reader::new(&bytes)) {
                let _ = sketch.resolve(&many(5), &Holds::default());
            }
        }
    }
}

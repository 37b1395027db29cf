//! A card whose power is cut: it notes every write and every flush, and gives every state that a cut may leave.
//!
//! What was written before the last flush is there. Of the sectors written since, any may be there and any may not,
//! whatever their order, and the last one may have been written in part, from its beginning or up to its end.

use std::collections::BTreeMap;
use std::rc::Rc;

use crate::device::{BlockDevice, DeviceFault, SECTOR, check_range};

/// Most unflushed sectors of which every subset is tried: 2^10 states.
pub const EXHAUSTIVE: usize = 10;
/// Places at which a sector is torn, each way.
const TEARS: usize = 6;
/// Random subsets of more sectors than [`EXHAUSTIVE`].
const RANDOM: usize = 200;

type Sector = [u8; SECTOR as usize];

#[derive(Debug, Clone)]
enum Event {
    Write(u64, Box<Sector>),
    Flush,
}

/// A card that keeps a log.
#[derive(Debug, Clone)]
pub struct LoggedCard {
    capacity: u64,
    /// What was there when the log began.
    base: Rc<BTreeMap<u64, Sector>>,
    /// What was written since.
    over: BTreeMap<u64, Sector>,
    log: Vec<Event>,
}

impl LoggedCard {
    /// An empty card: all zeros.
    pub fn new(capacity: u64) -> Self {
        Self {
            capacity,
            base: Rc::new(BTreeMap::new()),
            over: BTreeMap::new(),
            log: Vec::new(),
        }
    }

    /// The same content on a card of another capacity.
    #[must_use]
    pub fn with_capacity(self, capacity: u64) -> Self {
        Self { capacity, ..self }
    }

    /// Forgets the log: what stands on the card now is where cuts begin.
    #[must_use]
    pub fn settled(self) -> Self {
        let mut base = Rc::unwrap_or_clone(self.base);
        base.extend(self.over);
        Self {
            base: Rc::new(base),
            over: BTreeMap::new(),
            log: Vec::new(),
            ..self
        }
    }

    /// Sectors written and flushes since the log began.
    pub fn events(&self) -> usize {
        self.log.len()
    }

    /// Gives every state that a cut may leave to `check`; for more unflushed sectors than [`EXHAUSTIVE`] every prefix,
    /// every single one, all without each one, and random subsets. Returns how many states there were.
    pub fn cuts(&self, seed: u64, mut check: impl FnMut(Self)) -> usize {
        let mut random = seed | 1;
        let mut durable: BTreeMap<u64, Sector> = BTreeMap::new();
        let mut pending: Vec<(u64, Sector)> = Vec::new();
        let mut count = 0;
        for (number, event) in self.log.iter().enumerate() {
            if let Event::Write(at, sector) = event {
                pending.push((*at, **sector));
            }
            if matches!(event, Event::Flush) || number + 1 == self.log.len() {
                for subset in subsets(pending.len(), &mut random) {
                    count += self.of_subset(&durable, &pending, &subset, &mut check);
                }
                durable.extend(pending.drain(..));
            }
        }
        count
    }

    /// The states of one subset: all of its sectors whole, and the last one torn.
    fn of_subset(
        &self,
        durable: &BTreeMap<u64, Sector>,
        pending: &[(u64, Sector)],
        subset: &[bool],
        check: &mut impl FnMut(Self),
    ) -> usize {
        let mut over = durable.clone();
        let mut last = None;
        for ((at, sector), _) in pending.iter().zip(subset).filter(|(_, is_there)| **is_there) {
            let before = over.insert(*at, *sector);
            last = Some((*at, *sector, before));
        }
        let state = |over: BTreeMap<u64, Sector>| Self {
            capacity: self.capacity,
            base: Rc::clone(&self.base),
            over,
            log: Vec::new(),
        };
        let mut count = 1;
        if let Some((at, new, before)) = last {
            let old = before.or_else(|| self.base.get(&at).copied()).unwrap_or([0; 512]);
            for torn in tears(&old, &new) {
                let mut over = over.clone();
                over.insert(at, torn);
                check(state(over));
                count += 1;
            }
        }
        check(state(over));
        count
    }
}

/// Which of so many sectors are there.
fn subsets(len: usize, random: &mut u64) -> Vec<Vec<bool>> {
    if len <= EXHAUSTIVE {
        return (0..1_u32 << len)
            .map(|bits| (0..len).map(|index| bits >> index & 1 == 1).collect())
            .collect();
    }
    let prefixes = (0..=len).map(|end| (0..len).map(|index| index < end).collect());
    let singles = (0..len).map(|one| (0..len).map(|index| index == one).collect());
    let without = (0..len).map(|one| (0..len).map(|index| index != one).collect());
    let mut all: Vec<Vec<bool>> = prefixes.chain(singles).chain(without).collect();
    for _ in 0..RANDOM {
        all.push((0..len).map(|_| next(random) >> 60 & 1 == 1).collect());
    }
    all
}

/// Xorshift: a test's states must be the same in every run.
fn next(random: &mut u64) -> u64 {
    *random ^= *random << 13;
    *random ^= *random >> 7;
    *random ^= *random << 17;
    random.wrapping_mul(0x2545_f491_4f6c_dd1d)
}

/// A sector written in part: torn between any two bytes that changed, at most [`TEARS`] of those.
fn tears(old: &Sector, new: &Sector) -> Vec<Sector> {
    let changed: Vec<usize> = (0..old.len())
        .filter(|index| old[*index] != new[*index])
        .collect();
    let step = changed.len().div_ceil(TEARS).max(1);
    let mut torn = Vec::new();
    for end in changed.iter().skip(1).step_by(step) {
        let (mut from_start, mut to_end) = (*old, *new);
        from_start[..*end].copy_from_slice(&new[..*end]);
        to_end[..*end].copy_from_slice(&old[..*end]);
        torn.push(from_start);
        torn.push(to_end);
    }
    torn
}

impl BlockDevice for LoggedCard {
    fn capacity(&self) -> u64 {
        self.capacity
    }

    fn grain(&self) -> u64 {
        SECTOR
    }

    fn read_at(&mut self, at: u64, into: &mut [u8]) -> Result<(), DeviceFault> {
        check_range(self.capacity, SECTOR, at, into.len())?;
        for (part, at) in into
            .chunks_exact_mut(SECTOR as usize)
            .zip((at..).step_by(SECTOR as usize))
        {
            match self.over.get(&at).or_else(|| self.base.get(&at)) {
                Some(sector) => part.copy_from_slice(sector),
                None => part.fill(0),
            }
        }
        Ok(())
    }

    fn write_at(&mut self, at: u64, bytes: &[u8]) -> Result<(), DeviceFault> {
        check_range(self.capacity, SECTOR, at, bytes.len())?;
        for (part, at) in bytes
            .as_chunks::<{ SECTOR as usize }>()
            .0
            .iter()
            .zip((at..).step_by(SECTOR as usize))
        {
            self.over.insert(at, *part);
            self.log.push(Event::Write(at, Box::new(*part)));
        }
        Ok(())
    }

    fn flush(&mut self) -> Result<(), DeviceFault> {
        self.log.push(Event::Flush);
        Ok(())
    }
}

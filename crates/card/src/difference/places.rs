//! What moved where between an old and a new partition, and at which addresses programs in it run.

use std::collections::BinaryHeap;

/// A stretch of a program that is loaded: bytes of a file at an address.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Segment {
    /// First byte in the partition.
    pub(super) at: u64,
    /// Length in bytes.
    pub(super) len: u64,
    /// Where it runs.
    pub(super) address: u64,
    /// Which program it is of.
    pub(super) program: u32,
}

impl Segment {
    fn end(&self) -> u64 {
        self.at.saturating_add(self.len)
    }
}

/// The segments of a partition, by their place.
#[derive(Debug, Default)]
pub(super) struct Segments(Vec<Segment>);

impl Segments {
    pub(super) fn new(mut segments: Vec<Segment>) -> Self {
        segments.sort_by_key(|segment| segment.at);
        Self(segments)
    }

    pub(super) fn all(&self) -> &[Segment] {
        &self.0
    }

    fn index_of(&self, at: u64) -> Option<usize> {
        let index = self
            .0
            .partition_point(|segment| segment.at <= at)
            .checked_sub(1)?;
        (at < self.0[index].end()).then_some(index)
    }

    /// The address of a byte; outside of all segments places count as addresses, as in a kernel's image.
    fn address(&self, at: u64) -> u64 {
        self.index_of(at).map_or(at, |index| {
            let segment = &self.0[index];
            segment.address.wrapping_add(at - segment.at)
        })
    }

    /// Where the byte of an address lies, as seen from a byte of the same program. Behind the bytes of a segment a
    /// program has room for data that begin as zeros: its last byte and how far behind it.
    fn place(&self, near: u64, address: u64) -> Option<(u64, u64)> {
        let Some(index) = self.index_of(near) else {
            return Some((address, 0));
        };
        let program = self.0[index].program;
        let is_own = |segment: &&Segment| segment.program == program;
        let before = self.0[..index].iter().rev().take(NEAR_MAX).take_while(is_own);
        let after = self.0[index..].iter().take(NEAR_MAX).take_while(is_own);
        let segment = before
            .chain(after)
            .filter(|segment| segment.address <= address && segment.len > 0)
            .max_by_key(|segment| segment.address)?;
        let offset = address - segment.address;
        let inside = offset.min(segment.len - 1);
        Some((segment.at + inside, offset - inside))
    }
}

/// How many segments before and behind an instruction's own may be its program's: linkers make two to five.
const NEAR_MAX: usize = 8;

/// A stretch that was copied.
#[derive(Debug, Clone, Copy)]
struct Move {
    old: u64,
    len: u64,
    new: u64,
}

/// Both partitions, and what moved between them.
#[derive(Debug, Default)]
pub(super) struct Places {
    old: Segments,
    new: Segments,
    moves: Vec<Move>,
}

/// For each byte of the old partition that was copied, the longest stretch that it was copied with: a program moves in
/// long stretches, and a few bytes of it may have been of use elsewhere.
fn longest(moves: &[Move]) -> Vec<Move> {
    let end = |one: &Move| one.old + one.len;
    let mut bounds: Vec<u64> = moves.iter().flat_map(|one| [one.old, end(one)]).collect();
    bounds.sort_unstable();
    bounds.dedup();
    let mut begins: Vec<&Move> = moves.iter().collect();
    begins.sort_unstable_by_key(|one| (one.old, one.len, one.new));
    let mut begins = begins.into_iter().peekable();
    let mut going: BinaryHeap<(u64, u64, u64)> = BinaryHeap::new();
    let mut all: Vec<Move> = Vec::new();
    for pair in bounds.windows(2) {
        let (from, until) = (pair[0], pair[1]);
        while let Some(one) = begins.next_if(|one| one.old == from) {
            going.push((one.len, one.old, one.new));
        }
        while going.peek().is_some_and(|(len, old, _)| old + len <= from) {
            going.pop();
        }
        let Some((_, old, new)) = going.peek() else {
            continue;
        };
        let new = new + (from - old);
        match all.last_mut() {
            Some(last) if end(last) == from && last.new + last.len == new => last.len += until - from,
            _ => all.push(Move {
                old: from,
                len: until - from,
                new,
            }),
        }
    }
    all
}

impl Places {
    /// `copied` are old place, length and new place of each stretch.
    pub(super) fn new(old: Segments, new: Segments, copied: impl Iterator<Item = (u64, u64, u64)>) -> Self {
        let moves: Vec<Move> = copied
            .filter(|(_, len, _)| *len > 0)
            .map(|(old, len, new)| Move { old, len, new })
            .collect();
        let moves = longest(&moves);
        Self { old, new, moves }
    }

    /// The segments of the old and of the new partition.
    pub(super) fn segments(&self) -> [&[Segment]; 2] {
        [self.old.all(), self.new.all()]
    }

    pub(super) fn old_address(&self, at: u64) -> u64 {
        self.old.address(at)
    }

    pub(super) fn new_address(&self, at: u64) -> u64 {
        self.new.address(at)
    }

    /// The new address of what an instruction at `near` of the old partition points at.
    pub(super) fn moved(&self, near: u64, address: u64) -> Option<u64> {
        let (old, behind) = self.old.place(near, address)?;
        let end = self.moves.partition_point(|one| one.old <= old);
        let one = self.moves[..end].last().filter(|one| old - one.old < one.len)?;
        let new = one.new + (old - one.old);
        Some(self.new.address(new).wrapping_add(behind))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_moves_with_the_longest_stretch_that_holds_it() {
        let segments = || Segments::new(Vec::new());
        let moves = [
            (100, 1000, 5000),
            (150, 10, 40),
            (155, 20, 9000),
            (300, 5, 1),
            (1090, 50, 7000),
        ];
        let places = Places::new(segments(), segments(), moves.into_iter());
        let moved = |address| places.moved(0, address);
        assert_eq!(moved(99), None);
        for address in [100, 152, 160, 302, 1099] {
            assert_eq!(moved(address), Some(address + 4900), "{address}");
        }
        assert_eq!(moved(1100), Some(7010));
        assert_eq!(moved(1140), None);
    }

    #[test]
    fn an_address_is_looked_for_in_its_own_program_only() {
        let segment = |at, address, program| Segment {
            at,
            len: 100,
            address,
            program,
        };
        let old = Segments::new(vec![
            segment(1000, 0, 1),
            segment(1100, 0x1_0000, 1),
            segment(2000, 0, 2),
        ]);
        let new = Segments::new(vec![
            segment(1300, 0, 1),
            segment(1500, 0x2_0000, 1),
            segment(2000, 0, 2),
        ]);
        let moves = [(1000, 100, 1300), (1100, 100, 1500), (2000, 100, 2000)];
        let places = Places::new(old, new, moves.into_iter());
        assert_eq!(
            (places.old_address(1007), places.new_address(1510)),
            (7, 0x2_000a)
        );
        assert_eq!(places.moved(1000, 0x1_0005), Some(0x2_0005));
        assert_eq!(places.moved(1150, 9), Some(9));
        // Room behind the bytes of a segment moves with its end.
        assert_eq!(places.moved(1000, 0x1_0070), Some(0x2_0070));
        assert_eq!(places.moved(2000, 105), Some(105));
        // Outside of programs places are addresses.
        assert_eq!(places.moved(5, 1001), Some(1));
    }
}

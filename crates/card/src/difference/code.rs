//! Programs of 64-bit ARM: where an instruction of the old system points, and how it reads in the new one.
//!
//! When a function grows, everything behind it moves, and every call and every address across it changes. Both ends
//! know from the steps of a difference what moved where, so they foretell these instructions, and nothing is sent.
//! A wrong guess costs bytes, never correctness: what differs from the guess is in the difference.
//!
//! Encodings: Arm Architecture Reference Manual, C4.1 (`B`, `BL`: 26 bits of words; `ADRP`: 21 bits of pages of 4 KiB;
//! `ADD` and loads and stores with an unsigned offset: 12 bits).

use super::places::Places;

/// Bytes of an instruction.
pub(super) const WORD: usize = 4;
/// How many instructions behind an `ADRP` its other half is looked for.
const HALF_MAX: usize = 16;
/// Bytes behind a piece that foretelling looks at.
pub(super) const AHEAD: usize = HALF_MAX * WORD;
const PAGE: u64 = 4096;

fn word(bytes: &[u8], at: usize) -> Option<u32> {
    let bytes = bytes.get(at..at + WORD)?;
    Some(u32::from_le_bytes(bytes.try_into().ok()?))
}

fn is_branch(word: u32) -> bool {
    word & 0x7c00_0000 == 0x1400_0000
}

fn is_adrp(word: u32) -> bool {
    word & 0x9f00_0000 == 0x9000_0000
}

fn is_add(word: u32) -> bool {
    word & 0xffc0_0000 == 0x9100_0000
}

fn is_load_or_store(word: u32) -> bool {
    word & 0x3b00_0000 == 0x3900_0000
}

fn is_store(word: u32) -> bool {
    is_load_or_store(word) && word >> 22 & 3 == 0
}

/// How far the offset of a load or store is shifted: by the size of what is moved.
fn scale(word: u32) -> u32 {
    let size = word >> 30;
    let is_quad = size == 0 && word >> 26 & 1 == 1 && word >> 23 & 1 == 1;
    if is_quad { 4 } else { size }
}

fn first_register(word: u32) -> usize {
    (word & 31) as usize
}

fn base_register(word: u32) -> usize {
    (word >> 5 & 31) as usize
}

/// The low half of an address, where the word may hold one.
fn low_half(word: u32) -> Option<u64> {
    let bits = u64::from(word >> 10 & 0xfff);
    if is_add(word) {
        Some(bits)
    } else {
        is_load_or_store(word).then(|| bits << scale(word))
    }
}

/// An image without what moves when code moves: what is alike in two builds is alike here.
pub(super) fn skeleton(image: &[u8]) -> Vec<u8> {
    let mut bare = image.to_vec();
    for bytes in bare.as_chunks_mut::<WORD>().0 {
        let word = u32::from_le_bytes(*bytes);
        let kept = if is_branch(word) {
            0xfc00_0000
        } else if is_adrp(word) {
            0x9f00_001f
        } else if is_add(word) {
            0xffc0_03ff
        } else {
            continue;
        };
        *bytes = (word & kept).to_le_bytes();
    }
    bare
}

/// Foretells a stretch of code, piece after piece.
#[derive(Debug, Default)]
pub(super) struct Foretelling {
    /// The page that each register was given.
    pages: [Option<u64>; 32],
}

impl Foretelling {
    /// Foretells the first `len` bytes of `bytes`, which stood at `old_at` and stand at `new_at`; what lies behind them
    /// is only looked at. A piece that is not the last one ends at a whole instruction.
    pub(super) fn foretell(
        &mut self,
        places: &Places,
        old_at: u64,
        new_at: u64,
        bytes: &mut [u8],
        len: usize,
    ) {
        let first = (old_at.wrapping_neg() % WORD as u64) as usize;
        if !old_at.abs_diff(new_at).is_multiple_of(WORD as u64) {
            return;
        }
        let mut at = first;
        while at + WORD <= len {
            let here = (old_at + at as u64, new_at + at as u64);
            if let Some(word) = word(bytes, at)
                && let Some(foretold) = self.instruction(places, here, word, &bytes[at..])
            {
                bytes[at..at + WORD].copy_from_slice(&foretold.to_le_bytes());
            }
            at += WORD;
        }
    }

    fn instruction(&mut self, places: &Places, here: (u64, u64), word: u32, from_here: &[u8]) -> Option<u32> {
        if is_branch(word) {
            let words = i64::from((word << 6).cast_signed() >> 6);
            let target = places
                .old_address(here.0)
                .wrapping_add_signed(words * WORD as i64);
            let by = places
                .moved(here.0, target)?
                .wrapping_sub(places.new_address(here.1));
            return Some(word & 0xfc00_0000 | (by >> 2) as u32 & 0x03ff_ffff);
        }
        if is_adrp(word) {
            let bits = (word >> 5 & 0x7_ffff) << 2 | word >> 29 & 3;
            let pages = i64::from((bits << 11).cast_signed() >> 11);
            let own = places.old_address(here.0) / PAGE * PAGE;
            let page = own.wrapping_add_signed(pages * PAGE as i64);
            let register = first_register(word);
            self.pages[register] = Some(page);
            let low = other_half(from_here, register)?;
            let target = places.moved(here.0, page.wrapping_add(low))?;
            let by = (target / PAGE).wrapping_sub(places.new_address(here.1) / PAGE) as u32;
            return Some(word & 0x9f00_001f | (by & 3) << 29 | (by >> 2 & 0x7_ffff) << 5);
        }
        let low = low_half(word)?;
        let page = self.pages[base_register(word)];
        if !is_store(word) {
            self.pages[first_register(word)] = None;
        }
        let target = places.moved(here.0, page?.wrapping_add(low))?;
        let shift = if is_add(word) { 0 } else { scale(word) };
        let bits = (target % PAGE) as u32 >> shift;
        Some(word & 0xffc0_03ff | bits << 10)
    }
}

/// The low half that goes with the page in a register: the first that takes it.
fn other_half(from_here: &[u8], register: usize) -> Option<u64> {
    (1..HALF_MAX)
        .map_while(|number| word(from_here, number * WORD))
        .filter(|word| base_register(*word) == register)
        .find_map(low_half)
}

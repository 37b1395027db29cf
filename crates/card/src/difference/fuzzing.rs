//! What a fuzzer calls: no bytes are a difference that panics, reads beside the old partition, or goes on without end.

use std::cell::RefCell;
use std::io::Cursor;

use super::{HEAD, SECTIONS, Unpacking, make};
use crate::device::{BLOCK, BlockDevice, DeviceFault, check_range};
use crate::mbr::Extent;
use crate::slots::{SlotFault, Source};
use crate::verity::{SALT, Seed, Verity};

/// Bytes before the lengths of unpacked sections.
const LEN: usize = 2;
/// Where the old partition begins on its device: what lies before and behind it belongs to others.
const OLD_AT: u64 = BLOCK;

/// A device in memory that cannot be written.
struct Memory(Vec<u8>);

impl BlockDevice for Memory {
    fn capacity(&self) -> u64 {
        self.0.len() as u64
    }

    fn read_at(&mut self, at: u64, into: &mut [u8]) -> Result<(), DeviceFault> {
        check_range(self.capacity(), BLOCK, at, into.len())?;
        into.copy_from_slice(&self.0[at as usize..at as usize + into.len()]);
        Ok(())
    }

    fn write_at(&mut self, _: u64, _: &[u8]) -> Result<(), DeviceFault> {
        Err(DeviceFault::WriteProtected)
    }

    fn flush(&mut self) -> Result<(), DeviceFault> {
        Ok(())
    }
}

/// Makes a new partition of `new_len` bytes, `at_once` bytes at a time.
///
/// # Errors
/// [`SlotFault`].
pub(super) fn apply(
    difference: &[u8],
    old: &[u8],
    new_len: usize,
    at_once: usize,
) -> Result<Vec<u8>, SlotFault> {
    let mut device = Memory(vec![0xee; OLD_AT as usize]);
    device.0.extend_from_slice(old);
    let end = device.0.len().next_multiple_of(BLOCK as usize);
    device.0.resize(end, 0xee);
    let file = RefCell::new(Cursor::new(difference));
    let extent = Extent {
        at: OLD_AT,
        len: old.len() as u64,
    };
    let mut unpacking = Unpacking::new(&file, 0, difference.len() as u64, extent, new_len as u64)?;
    let mut new = vec![0; new_len];
    for part in new.chunks_mut(at_once) {
        unpacking.fill(&mut device, part)?;
    }
    Ok(new)
}

/// A difference of sections that are not compressed yet, each behind its length.
fn of_sections(mut bytes: &[u8]) -> Option<Vec<u8>> {
    let mut packed = Vec::new();
    for _ in 0..SECTIONS {
        let (len, rest) = bytes.split_first_chunk::<LEN>()?;
        let (section, rest) = rest.split_at_checked(u16::from_le_bytes(*len).into())?;
        packed.push(zstd::bulk::compress(section, 1).ok()?);
        bytes = rest;
    }
    let lens = packed
        .iter()
        .flat_map(|section| (section.len() as u64).to_le_bytes());
    Some(lens.chain(packed.iter().flatten().copied()).collect())
}

/// The header of a program that is loaded in two segments, the second one at other addresses than its bytes in the file.
pub(super) fn header(code: usize, data: usize) -> Vec<u8> {
    let mut header = vec![0; 256];
    header[..6].copy_from_slice(b"\x7fELF\x02\x01");
    let mut put = |at: usize, bytes: &[u8]| header[at..at + bytes.len()].copy_from_slice(bytes);
    put(18, &183_u16.to_le_bytes());
    put(32, &64_u64.to_le_bytes());
    put(56, &2_u16.to_le_bytes());
    for (at, from, len, address) in [(64, 0, code, 0), (120, code, data, code + 0x1_0000)] {
        put(at, &1_u32.to_le_bytes());
        put(at + 8, &(from as u64).to_le_bytes());
        put(at + 16, &(address as u64).to_le_bytes());
        put(at + 32, &(len as u64).to_le_bytes());
    }
    header
}

/// A file system of two blocks: a program of instructions that point at each other, `more` of them in the middle.
fn program(more: usize) -> Vec<u8> {
    let instruction = |number: u32| match number % 4 {
        0 => 0x9400_0000 | (40_u32.wrapping_sub(number) & 0x03ff_ffff),
        1 => 0x9000_0000 | number & 31,
        2 => 0x9100_0000 | ((number * 5) & 0xfff) << 10 | ((number - 1) & 31) << 5,
        _ => 0xf940_0000 | number << 10,
    };
    let before = (0..600).map(instruction);
    let inside = (0..more as u32).map(|number| 0xd503_201f ^ number << 5);
    let words = before.chain(inside).chain((600..1500).map(instruction));
    let mut bytes = header(5000, 1000);
    bytes.extend(words.flat_map(u32::to_le_bytes));
    bytes.resize(2 * BLOCK as usize, 0);
    bytes
}

/// The same with tree and parity.
fn sealed(more: usize) -> Vec<u8> {
    let mut bytes = program(more);
    let seed = Seed {
        uuid: [1; 16],
        salt: [2; SALT],
    };
    bytes.extend(
        Verity::of(&bytes, &seed)
            .map(|verity| verity.trailer)
            .unwrap_or_default(),
    );
    bytes
}

/// One run.
pub fn fuzz_one(bytes: &[u8]) {
    let old = program(0);
    for difference in [Some(bytes.to_vec()), of_sections(bytes)].into_iter().flatten() {
        for blocks in [0, 2, 6] {
            let _ = apply(&difference, &old, blocks * BLOCK as usize, 1000);
        }
    }
}

/// Inputs to begin with: differences as they travel, and the same before their sections are compressed.
pub fn fuzz_seeds() -> Vec<Vec<u8>> {
    let mut seeds = Vec::new();
    for new in [program(4), sealed(7)] {
        let Ok(difference) = make(&new, &program(0), 3) else {
            continue;
        };
        let mut bare = Vec::new();
        let mut rest = &difference[HEAD..];
        for len in difference[..HEAD].as_chunks().0 {
            let (section, behind) = rest.split_at(u64::from_le_bytes(*len) as usize);
            let section = zstd::bulk::decompress(section, 1 << 16).unwrap_or_default();
            bare.extend_from_slice(&(section.len() as u16).to_le_bytes());
            bare.extend_from_slice(&section);
            rest = behind;
        }
        seeds.extend([difference, bare]);
    }
    seeds
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_seeds_are_differences_and_bring_the_program_forward() {
        let seeds = fuzz_seeds();
        assert_eq!(seeds.len(), 4);
        for (pair, new) in seeds.chunks(2).zip([program(4), sealed(7)]) {
            let again = of_sections(&pair[1]).unwrap();
            for difference in [&pair[0], &again] {
                assert!(apply(difference, &program(0), new.len(), 1000).unwrap() == new);
            }
            pair.iter().for_each(|seed| fuzz_one(seed));
        }
        assert_eq!(sealed(7).len(), 6 * BLOCK as usize);
    }
}

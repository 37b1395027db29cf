//! A partition as the difference from an old one, made for programs: copied stretches, what changed in them byte by
//! byte, and what is new. A whole partition is the difference from nothing.
//!
//! | section | content, each compressed by zstd |
//! |---|---|
//! | steps | numbers: the seed of a hash tree, the segments of programs, then the steps |
//! | places | numbers: bytes that are right and bytes that are not, in turn, over all that was copied |
//! | fixes | what is added to each byte that is not right |
//! | new | bytes that were not there |
//!
//! Numbers are LEB128. A step copies a stretch, as it stands or with its instructions foretold (`code`), and is followed
//! by new bytes. Tree and parity of a root file system ([`crate::verity`]) are not sent: whoever has the file system
//! and the seed makes them again, and their hashes would be new for all that changed.
//!
//! Who applies a difference holds the steps and some windows in memory ([`STEPS_MAX`], [`WINDOW_LOG_MAX`]), not the
//! partitions.

use std::io::{self, Read};

mod apply;
mod code;
mod fuzzing;
mod make;
mod places;
#[cfg(test)]
mod tests;

pub use apply::Unpacking;
pub use fuzzing::{fuzz_one, fuzz_seeds};
pub use make::make;

use crate::device::BLOCK;
use crate::layout::PART_MAX;
use crate::verity::{SALT, Seed};
use places::{Places, Segment, Segments};

/// Most steps of a difference: 32 bytes each in memory.
pub const STEPS_MAX: u64 = 1 << 20;
/// Most segments of programs, of the old and of the new partition each.
pub const SEGMENTS_MAX: u64 = 1 << 14;
/// Largest window of the compression as a power of two: 32 MiB, for one section at most two of which are read at once.
pub const WINDOW_LOG_MAX: u32 = 25;
/// Sections.
const SECTIONS: usize = 4;
/// The lengths of the sections, before them.
pub(crate) const HEAD: usize = SECTIONS * 8;
/// Longest number in bytes: 63 bits.
const NUMBER_MAX: u32 = 9;

/// A stretch that is copied, and what comes behind it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
struct Step {
    /// First byte in the old partition.
    old: u64,
    /// Bytes to copy.
    copied: u64,
    /// Bytes that are new, behind them.
    new: u64,
    /// Whether instructions are foretold.
    is_code: bool,
}

/// What the first section says.
#[derive(Debug)]
struct Plan {
    /// Blocks and seed of the file system whose tree and parity follow.
    sealed: Option<(u64, Seed)>,
    steps: Vec<Step>,
    places: Places,
}

/// A difference that cannot be.
fn ill(what: &str) -> io::Error {
    io::Error::new(
        io::ErrorKind::InvalidData,
        format!("the difference is not well formed: {what}"),
    )
}

fn put(out: &mut Vec<u8>, mut number: u64) {
    while number >= 0x80 {
        out.push(number as u8 | 0x80);
        number >>= 7;
    }
    out.push(number as u8);
}

/// Small numbers for small steps in either direction.
fn put_signed(out: &mut Vec<u8>, number: i64) {
    put(out, ((number << 1) ^ (number >> 63)).cast_unsigned());
}

/// The next number; `None` at the end.
fn number(from: &mut impl Read) -> io::Result<Option<u64>> {
    let mut number = 0;
    for place in 0..NUMBER_MAX {
        let mut byte = [0];
        if from.read(&mut byte)? == 0 {
            return if place == 0 {
                Ok(None)
            } else {
                Err(ill("it ends in a number"))
            };
        }
        number |= u64::from(byte[0] & 0x7f) << (7 * place);
        if byte[0] < 0x80 {
            return Ok(Some(number));
        }
    }
    Err(ill("a number is too long"))
}

fn needed(from: &mut impl Read) -> io::Result<u64> {
    number(from)?.ok_or_else(|| ill("it ends too soon"))
}

fn signed(number: u64) -> i64 {
    (number >> 1).cast_signed() ^ -(number & 1).cast_signed()
}

impl Plan {
    fn write(&self) -> Vec<u8> {
        let mut out = Vec::new();
        put(&mut out, self.sealed.map_or(0, |(blocks, _)| blocks));
        if let Some((_, seed)) = &self.sealed {
            out.extend_from_slice(&seed.uuid);
            out.extend_from_slice(&seed.salt);
        }
        for segments in self.places.segments() {
            put(&mut out, segments.len() as u64);
            let mut end = 0;
            for segment in segments {
                put(&mut out, segment.at - end);
                put(&mut out, segment.len);
                put(&mut out, segment.address);
                put(&mut out, u64::from(segment.program));
                end = segment.at + segment.len;
            }
        }
        let mut end = 0;
        for step in &self.steps {
            put(&mut out, step.copied << 1 | u64::from(step.is_code));
            if step.copied > 0 {
                put_signed(&mut out, step.old.cast_signed().wrapping_sub(end));
                end = (step.old + step.copied).cast_signed();
            }
            put(&mut out, step.new);
        }
        out
    }

    /// Reads the section of a difference from an old partition of `old_len` bytes to a new one of `new_len`.
    fn read(from: &mut impl Read, old_len: u64, new_len: u64) -> io::Result<Self> {
        let sealed = match needed(from)? {
            0 => None,
            blocks => Some((blocks, seed(from)?)),
        };
        let old = segments(from, old_len)?;
        let new = segments(from, new_len)?;
        let (mut steps, mut end, mut len) = (Vec::new(), 0_u64, 0_u64);
        while let Some(head) = number(from)? {
            if steps.len() as u64 == STEPS_MAX {
                return Err(ill("it has too many steps"));
            }
            let copied = head >> 1;
            let mut old = end;
            if copied > 0 {
                old = end.wrapping_add_signed(signed(needed(from)?));
                end = old
                    .checked_add(copied)
                    .filter(|end| *end <= old_len)
                    .ok_or_else(|| ill("it copies what is not there"))?;
            }
            let new = needed(from)?;
            len = [copied, new]
                .into_iter()
                .try_fold(len, u64::checked_add)
                .filter(|len| *len <= new_len)
                .ok_or_else(|| ill("it makes more than it should"))?;
            steps.push(Step {
                old,
                copied,
                new,
                is_code: head & 1 == 1,
            });
        }
        if sealed.is_some_and(|(blocks, _)| blocks.checked_mul(BLOCK) != Some(len)) {
            return Err(ill("its tree is of another length"));
        }
        Ok(Self {
            sealed,
            places: Places::new(old, new, copies(&steps)),
            steps,
        })
    }
}

/// Old place, length and new place of what is copied.
fn copies(steps: &[Step]) -> impl Iterator<Item = (u64, u64, u64)> {
    let mut at = 0;
    steps.iter().map(move |step| {
        let new = at;
        at += step.copied + step.new;
        (step.old, step.copied, new)
    })
}

fn seed(from: &mut impl Read) -> io::Result<Seed> {
    let mut seed = Seed {
        uuid: [0; 16],
        salt: [0; SALT],
    };
    from.read_exact(&mut seed.uuid)?;
    from.read_exact(&mut seed.salt)?;
    Ok(seed)
}

fn segments(from: &mut impl Read, part_len: u64) -> io::Result<Segments> {
    let count = needed(from)?;
    if count > SEGMENTS_MAX {
        return Err(ill("it has too many segments"));
    }
    let mut segments = Vec::new();
    let mut end = 0_u64;
    for _ in 0..count {
        let (gap, len) = (needed(from)?, needed(from)?);
        let at = end.checked_add(gap).filter(|at| *at <= PART_MAX);
        let fits = at.filter(|at| len <= part_len.saturating_sub(*at));
        let at = fits.ok_or_else(|| ill("a segment is not there"))?;
        segments.push(Segment {
            at,
            len,
            address: needed(from)?,
            program: u32::try_from(needed(from)?).map_err(|_| ill("a number is too long"))?,
        });
        end = at + len;
    }
    Ok(Segments::new(segments))
}

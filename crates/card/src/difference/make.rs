//! Finds the difference: what of the new partition stands in the old one, if not quite.

use std::io::{self, Write};

use super::code::{Foretelling, skeleton};
use super::places::{Places, Segment, Segments};
use super::{Plan, SECTIONS, SEGMENTS_MAX, STEPS_MAX, Step, WINDOW_LOG_MAX, copies, ill, put};
use crate::device::BLOCK;
use crate::verity::{Verity, seed_of};

mod matching;

/// From how many right bytes on a copied stretch is a step of its own: data of a file system that look like instructions
/// would be foretold, and be wrong.
const APART: usize = 4096;
/// Smallest window of the compression as a power of two.
const WINDOW_LOG_MIN: u32 = 20;

/// Makes the difference from an old partition to a new one; a whole one is the difference from nothing. Both images
/// are held in memory, with an index of twice the old one's length.
///
/// # Errors
/// What the compression reports.
pub fn make(new: &[u8], old: &[u8], level: i32) -> io::Result<Vec<u8>> {
    let sealed = sealed(new);
    let sent = match sealed {
        Some((blocks, _)) => &new[..(blocks * BLOCK) as usize],
        None => new,
    };
    let (bare_old, bare_new) = (skeleton(old), skeleton(sent));
    let steps = matching::steps(&bare_old, &bare_new);
    drop((bare_old, bare_new));
    let mut steps = apart(&steps, old, sent);
    if steps.len() as u64 > STEPS_MAX {
        return Err(ill("it has too many steps"));
    }
    let inexact: Vec<(u64, u64, u64)> = copies(&steps)
        .filter(|(from, len, to)| part(old, *from, *len) != part(sent, *to, *len))
        .collect();
    let old_changed = inexact.iter().map(|(from, len, _)| (*from, *len));
    let new_changed = inexact.iter().map(|(_, len, to)| (*to, *len));
    let (old_segments, new_segments) = (programs(old, old_changed), programs(sent, new_changed));
    let places = Places::new(old_segments, new_segments, copies(&steps));

    let mut fixes = Fixes::default();
    let mut added = Vec::new();
    let mut at = 0;
    for step in &mut steps {
        let wanted = part(sent, at, step.copied);
        let plain = part(old, step.old, step.copied);
        let mut guess = plain.to_vec();
        if plain != wanted {
            Foretelling::default().foretell(&places, step.old, at, &mut guess, plain.len());
            step.is_code = wrong(&guess, wanted) < wrong(plain, wanted);
        }
        fixes.of(if step.is_code { &guess } else { plain }, wanted);
        at += step.copied;
        added.extend_from_slice(part(sent, at, step.new));
        at += step.new;
    }
    let plan = Plan {
        sealed,
        steps,
        places,
    };
    join([&plan.write(), &fixes.places, &fixes.bytes, &added], level)
}

/// The same steps, with what is copied right apart from what is not.
fn apart(steps: &[Step], old: &[u8], new: &[u8]) -> Vec<Step> {
    let mut all = Vec::new();
    for (step, (from, len, to)) in steps.iter().zip(copies(steps)) {
        let (was, wanted) = (part(old, from, len), part(new, to, len));
        let mut ends = Vec::new();
        let mut at = 0;
        while at < wanted.len() {
            let right = matching::common(&was[at..], &wanted[at..]);
            if right >= APART {
                ends.extend([at, at + right]);
            }
            at += right;
            let pairs = was[at..].iter().zip(&wanted[at..]);
            at += pairs.take_while(|(was, wanted)| was != wanted).count();
        }
        ends.push(wanted.len());
        let mut begin = 0;
        for end in ends {
            if end > begin {
                all.push(Step {
                    old: from + begin as u64,
                    copied: (end - begin) as u64,
                    ..Step::default()
                });
            }
            begin = end;
        }
        match all.last_mut() {
            Some(last) if len > 0 => last.new = step.new,
            _ => all.push(*step),
        }
    }
    all
}

fn part(image: &[u8], at: u64, len: u64) -> &[u8] {
    &image[at as usize..(at + len) as usize]
}

fn wrong(guess: &[u8], wanted: &[u8]) -> usize {
    guess
        .iter()
        .zip(wanted)
        .filter(|(guess, wanted)| guess != wanted)
        .count()
}

/// What is added to the bytes that were not copied right.
#[derive(Default)]
struct Fixes {
    places: Vec<u8>,
    bytes: Vec<u8>,
    /// Right bytes since the last wrong one.
    right: u64,
}

impl Fixes {
    fn of(&mut self, guess: &[u8], wanted: &[u8]) {
        let mut at = 0;
        while at < wanted.len() {
            let right = matching::common(&guess[at..], &wanted[at..]);
            self.right += right as u64;
            at += right;
            let wrong = guess[at..]
                .iter()
                .zip(&wanted[at..])
                .take_while(|(guess, wanted)| guess != wanted);
            let bytes: Vec<u8> = wrong.map(|(guess, wanted)| wanted.wrapping_sub(*guess)).collect();
            if !bytes.is_empty() {
                put(&mut self.places, self.right);
                put(&mut self.places, bytes.len() as u64);
                self.right = 0;
                at += bytes.len();
                self.bytes.extend_from_slice(&bytes);
            }
        }
    }
}

/// The seed of the tree and the parity that a root partition ends with, where these are ours to the last byte.
fn sealed(new: &[u8]) -> Option<(u64, crate::verity::Seed)> {
    new.as_chunks::<{ BLOCK as usize }>()
        .0
        .iter()
        .enumerate()
        .filter(|(_, block)| block.starts_with(b"verity\0\0"))
        .find_map(|(number, block)| {
            let (blocks, seed) = seed_of(block)?;
            let (data, trailer) = new.split_at(number * BLOCK as usize);
            let is_ours = blocks == number as u64 && Verity::of(data, &seed).ok()?.trailer == trailer;
            is_ours.then_some((blocks, seed))
        })
}

/// The segments of those 64-bit ARM programs in a partition that hold any of these stretches (place and length). File
/// systems put files on whole blocks and, unless they are torn, in one piece; a program in pieces is foretold less well.
fn programs(image: &[u8], stretches: impl Iterator<Item = (u64, u64)>) -> Segments {
    let mut changed: Vec<(u64, u64)> = stretches.collect();
    changed.sort_unstable();
    let mut all = Vec::new();
    for (number, start) in (0..image.len()).step_by(BLOCK as usize).enumerate() {
        let segments = segments(&image[start..], start as u64, number as u32);
        let holds = |segment: &Segment| {
            let before = changed.partition_point(|(at, _)| *at < segment.at + segment.len);
            changed[..before]
                .last()
                .is_some_and(|(at, len)| at + len > segment.at)
        };
        if segments.iter().any(holds) && (all.len() + segments.len()) as u64 <= SEGMENTS_MAX {
            all.extend(segments);
        }
    }
    Segments::new(all)
}

/// The segments of the program that begins here; none where none begins. Offsets: ELF-64 object file format, 1.5.
fn segments(file: &[u8], at: u64, program: u32) -> Vec<Segment> {
    const HEADER: usize = 56;
    const LOADED: u64 = 1;
    const AARCH64: u64 = 183;
    let number = |from: usize, len: usize| -> u64 {
        let bytes = file.get(from..from + len).unwrap_or_default();
        bytes
            .iter()
            .rev()
            .fold(0, |number, byte| number << 8 | u64::from(*byte))
    };
    if !file.starts_with(b"\x7fELF\x02\x01") || number(18, 2) != AARCH64 {
        return Vec::new();
    }
    let (headers, count) = (number(32, 4) as usize, number(56, 2) as usize);
    let mut segments: Vec<Segment> = (0..count)
        .map(|index| headers + index * HEADER)
        .filter(|header| number(*header, 4) == LOADED)
        .map(|header| Segment {
            at: at.saturating_add(number(header + 8, 8)),
            len: number(header + 32, 8),
            address: number(header + 16, 8),
            program,
        })
        .collect();
    segments.sort_by_key(|segment| segment.at);
    let ends = at + file.len() as u64;
    let fits = segments
        .iter()
        .all(|segment| segment.at.saturating_add(segment.len) <= ends && segment.address.leading_zeros() > 0);
    let follow = segments
        .windows(2)
        .all(|pair| pair[0].at + pair[0].len <= pair[1].at);
    if fits && follow { segments } else { Vec::new() }
}

fn join(sections: [&[u8]; SECTIONS], level: i32) -> io::Result<Vec<u8>> {
    let packed: Vec<Vec<u8>> = sections
        .into_iter()
        .map(|section| pack(section, level))
        .collect::<io::Result<_>>()?;
    let lens = packed
        .iter()
        .flat_map(|section| (section.len() as u64).to_le_bytes());
    Ok(lens.chain(packed.iter().flatten().copied()).collect())
}

fn pack(section: &[u8], level: i32) -> io::Result<Vec<u8>> {
    let log = (usize::BITS - section.len().leading_zeros()).clamp(WINDOW_LOG_MIN, WINDOW_LOG_MAX);
    let mut encoder = zstd::stream::write::Encoder::new(Vec::new(), level)?;
    encoder.long_distance_matching(true)?;
    encoder.window_log(log)?;
    encoder.set_pledged_src_size(Some(section.len() as u64))?;
    encoder.write_all(section)?;
    encoder.finish()
}

//! Stretches that two images have in common, some wrong bytes among them allowed.
//!
//! The way of bsdiff (C. Percival, "Naive differences of executable code", 2003), with an index of short seeds in the
//! place of its suffix array: that takes less memory, and images without their addresses ([`super::skeleton`]) have
//! long stretches in common.

use super::super::Step;

/// Bytes that two stretches have in common before they are looked at.
const SEED: usize = 16;
/// Every so many bytes of the old image begin a seed: instructions have four, and what is common for longer than
/// `SEED + STEP` bytes is found wherever it stands.
const STEP: usize = 4;
/// How many places with the same seed are looked at.
const CHAIN: usize = 32;
/// So many bytes in common at the place where the last stretch goes on: nothing better is looked for.
const ENOUGH: usize = 16 << 10;
/// By how many bytes another place must be better than going on.
const BETTER: usize = 8;
/// Least and most entries of the index' table, as powers of two.
const TABLE_LOGS: [u32; 2] = [8, 24];
const NONE: u32 = u32::MAX;

/// How many bytes two slices have in common from their start.
pub(super) fn common(left: &[u8], right: &[u8]) -> usize {
    let (left_words, right_words) = (left.as_chunks::<8>().0, right.as_chunks::<8>().0);
    let same = left_words
        .iter()
        .zip(right_words)
        .take_while(|(left, right)| left == right)
        .count();
    let from = same * 8;
    let rest = left[from..].iter().zip(&right[from..]);
    from + rest.take_while(|(left, right)| left == right).count()
}

/// Where each seed stands in the old image, the last place first.
struct Index<'a> {
    old: &'a [u8],
    table_log: u32,
    heads: Vec<u32>,
    before: Vec<u32>,
}

fn slot(seed: &[u8], table_log: u32) -> usize {
    let (low, high) = seed.split_at(SEED / 2);
    let number = |bytes: &[u8]| {
        bytes
            .iter()
            .fold(0_u64, |number, byte| number << 8 | u64::from(*byte))
    };
    let mixed = number(low).wrapping_mul(0x9e37_79b9_7f4a_7c15) ^ number(high).rotate_left(29);
    (mixed.wrapping_mul(0xd6e8_feb8_6659_fd93) >> (u64::BITS - table_log)) as usize
}

impl<'a> Index<'a> {
    fn new(old: &'a [u8]) -> Self {
        let [least, most] = TABLE_LOGS;
        let table_log = (old.len() / STEP + 1).ilog2().clamp(least, most);
        let mut heads = vec![NONE; 1 << table_log];
        let mut before = vec![NONE; old.len() / STEP + 1];
        let mut last: &[u8] = &[];
        for (number, seed) in old.windows(SEED).step_by(STEP).enumerate() {
            // Of a run of one pattern the first place is enough.
            if seed != last {
                let head = &mut heads[slot(seed, table_log)];
                before[number] = *head;
                *head = number as u32;
            }
            last = seed;
        }
        Self {
            old,
            table_log,
            heads,
            before,
        }
    }

    /// The longest stretch at the start of `new`, its length and its place in the old image; `here` is where the last
    /// one would go on.
    fn longest(&self, new: &[u8], here: Option<usize>) -> (usize, usize) {
        let go_on = here.filter(|here| *here < self.old.len());
        let mut best = go_on.map_or((0, 0), |here| (common(&self.old[here..], new), here));
        if best.0 >= ENOUGH || new.len() < SEED {
            return best;
        }
        let mut next = self.heads[slot(&new[..SEED], self.table_log)];
        for _ in 0..CHAIN {
            if next == NONE {
                break;
            }
            let place = next as usize * STEP;
            // Where the byte that would make it longer differs, it is not longer.
            if self.old.get(place + best.0) == new.get(best.0) {
                let len = common(&self.old[place..], new);
                if len > best.0 {
                    best = (len, place);
                }
            }
            next = self.before[next as usize];
        }
        best
    }
}

/// A place in both images.
#[derive(Clone, Copy)]
struct Place {
    old: usize,
    new: usize,
}

/// The steps that make the new image; bytes that differ within copied stretches are not told here.
pub(super) fn steps(old: &[u8], new: &[u8]) -> Vec<Step> {
    let mut steps = Vec::new();
    let mut last = Place { old: 0, new: 0 };
    if old.len() < SEED {
        return vec![Step {
            new: new.len() as u64,
            ..Step::default()
        }];
    }
    let index = Index::new(old);
    let (mut at, mut len) = (0, 0);
    // The place where the last stretch was found, which goes on until another one is better.
    let mut going = last;
    loop {
        at += len;
        let found = next(&index, new, &mut at, going);
        len = found.map_or(0, |(len, _)| len);
        let start = found.map_or(
            Place {
                old: old.len(),
                new: new.len(),
            },
            |(_, place)| place,
        );
        let (forward, back) = extended(old, new, last, start, found.is_some());
        let begins = start.new - back;
        steps.push(Step {
            old: last.old as u64,
            copied: forward as u64,
            new: (begins - last.new - forward) as u64,
            is_code: false,
        });
        if found.is_none() {
            return steps;
        }
        last = Place {
            old: start.old - back,
            new: begins,
        };
        going = start;
    }
}

/// Looks from `at` on for a stretch that is better than going on: its length and place. `at` is left where it begins.
fn next(index: &Index<'_>, new: &[u8], at: &mut usize, going: Place) -> Option<(usize, Place)> {
    let old = index.old;
    let here = |at: usize| (at + going.old).checked_sub(going.new);
    let is_right = |at: usize| here(at).and_then(|here| old.get(here)) == new.get(at);
    let (mut score, mut scored) = (0_usize, *at);
    while *at < new.len() {
        let (len, place) = index.longest(&new[*at..], here(*at));
        while scored < *at + len {
            score += usize::from(is_right(scored));
            scored += 1;
        }
        if len == score && len > 0 {
            // Going on is as good: what follows is looked at next.
            *at += len;
            score = 0;
            scored = *at;
            continue;
        }
        if len > score + BETTER {
            let place = Place { old: place, new: *at };
            return Some((len, place));
        }
        if scored > *at {
            score -= usize::from(is_right(*at));
        } else {
            scored = *at + 1;
        }
        *at += 1;
    }
    None
}

/// How far the stretch at `last` goes on, and how far the one at `start` reaches back: as long as more bytes are right
/// than wrong, and none twice.
fn extended(old: &[u8], new: &[u8], last: Place, start: Place, reaches_back: bool) -> (usize, usize) {
    let between = start.new - last.new;
    let mut forward = best(between.min(old.len() - last.old), |by| {
        old[last.old + by] == new[last.new + by]
    });
    if !reaches_back {
        return (forward, 0);
    }
    let mut back = best(between.min(start.old), |by| {
        old[start.old - 1 - by] == new[start.new - 1 - by]
    });
    let overlap = (forward + back).saturating_sub(between);
    if overlap > 0 {
        // Split where most bytes are right.
        let (from_last, from_start) = (forward - overlap, back);
        let (mut score, mut most, mut split) = (0_i64, 0, 0);
        for by in 0..overlap {
            let byte = new[last.new + from_last + by];
            score += i64::from(old[last.old + from_last + by] == byte);
            score -= i64::from(old[start.old - from_start + by] == byte);
            if score > most {
                (most, split) = (score, by + 1);
            }
        }
        forward = from_last + split;
        back = from_start - split;
    }
    (forward, back)
}

/// The length up to which most more bytes are right than wrong.
fn best(most: usize, is_right: impl Fn(usize) -> bool) -> usize {
    let (mut score, mut top, mut len) = (0_i64, 0, 0);
    for by in 0..most {
        score += if is_right(by) { 1 } else { -1 };
        if score > top {
            (top, len) = (score, by + 1);
        }
    }
    len
}

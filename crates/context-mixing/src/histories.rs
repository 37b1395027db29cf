//! Bit histories: what a context has seen of one bit, in one byte.
//!
//! A history is a pair of small counts and which bit came last. Counts are bounded so that all pairs fit a byte;
//! a bit that contradicts many others takes weight away from them, so that what is recent counts more. The idea of
//! indirect modelling (context to history, history to an adaptive probability) is Mahoney's ("Adaptive weighing of
//! context models for lossless data compression", 2005); the table below is built by the rules of this file.

use std::sync::OnceLock;

/// Largest count of one bit beside so many of the other.
const LIMITS: [u8; 6] = [40, 24, 12, 7, 6, 5];

/// What comes next after a history.
pub(crate) struct Histories {
    next: [[u8; 2]; 256],
    /// Sum of both counts: how much a history is worth keeping.
    weight: [u8; 256],
    /// A first guess of the probability of a one, 16 bits.
    guess: [u16; 256],
}

#[derive(Clone, Copy, PartialEq, Eq)]
struct Counts {
    zeros: u8,
    ones: u8,
    last: u8,
}

fn fits(zeros: u8, ones: u8) -> bool {
    let within = |few: u8, many: u8| LIMITS.get(usize::from(few)).is_some_and(|limit| many <= *limit);
    within(zeros.min(ones), zeros.max(ones))
}

/// Whether the last bit is told apart: only where both bits were seen and few of them.
fn knows_last(zeros: u8, ones: u8) -> bool {
    zeros > 0 && ones > 0 && zeros + ones <= 9
}

fn all() -> Vec<Counts> {
    let mut all = Vec::new();
    for total in 0..=LIMITS[0] {
        for ones in 0..=total {
            let zeros = total - ones;
            if fits(zeros, ones) {
                let kinds = if knows_last(zeros, ones) { 2 } else { 1 };
                all.extend((0..kinds).map(|last| Counts { zeros, ones, last }));
            }
        }
    }
    all.truncate(256);
    all
}

fn after(counts: Counts, bit: u8) -> Counts {
    let (mut same, mut other) = if bit == 1 {
        (counts.ones, counts.zeros)
    } else {
        (counts.zeros, counts.ones)
    };
    same = same.saturating_add(1);
    if other > 2 {
        // Half of what is above two is forgotten.
        other = 2 + (other - 2) / 2;
    }
    while !fits(same, other) {
        if same > other && same > 1 {
            same -= 1;
        } else {
            other = other.saturating_sub(1);
        }
    }
    let (zeros, ones) = if bit == 1 { (other, same) } else { (same, other) };
    let last = if knows_last(zeros, ones) { bit } else { 0 };
    Counts { zeros, ones, last }
}

impl Histories {
    fn build() -> Self {
        let all = all();
        let number = |wanted: Counts| {
            let found = all.iter().position(|counts| *counts == wanted).unwrap_or(0);
            u8::try_from(found).unwrap_or(0)
        };
        let guess = |counts: &Counts| {
            let ones = u32::from(counts.ones) * 2 + 1;
            let both = u32::from(counts.zeros) * 2 + 1 + ones;
            u16::try_from((ones * 65_535) / both).unwrap_or(u16::MAX)
        };
        let mut table = Self {
            next: [[0; 2]; 256],
            weight: [0; 256],
            guess: [32_768; 256],
        };
        for (at, counts) in all.iter().enumerate() {
            table.next[at] = [number(after(*counts, 0)), number(after(*counts, 1))];
            table.weight[at] = counts.zeros + counts.ones;
            table.guess[at] = guess(counts);
        }
        table
    }

    /// The one table.
    pub(crate) fn get() -> &'static Self {
        static TABLE: OnceLock<Histories> = OnceLock::new();
        TABLE.get_or_init(Self::build)
    }

    pub(crate) fn next(&self, history: u8, bit: u8) -> u8 {
        self.next[usize::from(history)][usize::from(bit & 1)]
    }

    pub(crate) fn weight(&self, history: u8) -> u8 {
        self.weight[usize::from(history)]
    }

    pub(crate) fn guess(&self, history: u8) -> u16 {
        self.guess[usize::from(history)]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_history_fits_a_byte_and_leads_to_another() {
        let all = all();
        assert!(all.len() <= 256, "{}", all.len());
        for counts in &all {
            for bit in 0..2 {
                assert!(
                    all.contains(&after(*counts, bit)),
                    "{} {}",
                    counts.zeros,
                    counts.ones
                );
            }
        }
    }

    #[test]
    fn many_equal_bits_make_a_strong_history() {
        let table = Histories::get();
        let many = (0..100).fold(0, |history, _| table.next(history, 1));
        assert!(table.guess(many) > 64_000);
        let turned = table.next(many, 0);
        assert!(table.weight(turned) < table.weight(many));
    }
}

//! The code of a prediction error: its number of bits, the bits themselves and the sign, each decision with a
//! probability learned for the size of the errors around it.

use super::range::{Bit, Coder};

/// Classes of expected size.
const SIZES: usize = 24;
/// Classes of the errors of other leads at the same instant.
const NEIGHBOURS: usize = 3;
/// A magnitude of 32 bits has 0 to 32 bits.
const LENGTHS: usize = 33;

/// Learned probabilities; shared by leads, since a class means the same in each.
#[derive(Debug, Clone)]
pub(super) struct Residuals {
    lengths: Vec<[Bit; LENGTHS]>,
    tops: Vec<[Bit; 4]>,
    signs: [Bit; 3],
}

/// Sizes of the last errors of one lead.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Recent {
    fast: u32,
    slow: u32,
    sign: usize,
}

impl Recent {
    fn size(self) -> usize {
        // Half octaves of the running mean, which has four bits after the point.
        let mean = self.expected();
        let octave = 32 - mean.leading_zeros();
        let half = if octave >= 2 { mean >> (octave - 2) & 1 } else { 0 };
        ((octave * 2 + half) as usize).min(SIZES - 1)
    }

    /// Expected size of the next error, with four bits after the point.
    pub(super) fn expected(self) -> u32 {
        (self.fast + self.slow) / 2
    }

    fn note(&mut self, error: i32) {
        let size = error.unsigned_abs().min(1 << 24) << 4;
        self.fast = self.fast - self.fast / 4 + size / 4;
        self.slow = self.slow - self.slow / 16 + size / 16;
        self.sign = match error.signum() {
            -1 => 1,
            1 => 2,
            _ => 0,
        };
    }
}

impl Residuals {
    pub(super) fn new() -> Self {
        let classes = SIZES * NEIGHBOURS;
        Self {
            lengths: vec![[Bit::EVEN; LENGTHS]; classes],
            tops: vec![[Bit::EVEN; 4]; LENGTHS * SIZES],
            signs: [Bit::EVEN; 3],
        }
    }

    /// Codes one error; `neighbour` is the class of the errors of other leads now, below [`NEIGHBOURS`].
    pub(super) fn code(
        &mut self,
        coder: &mut impl Coder,
        recent: &mut Recent,
        neighbour: usize,
        error: i32,
    ) -> i32 {
        let size = recent.size();
        let magnitude = error.unsigned_abs();
        let bits = 32 - magnitude.leading_zeros();
        let lengths = &mut self.lengths[size * NEIGHBOURS + neighbour];
        let mut length = 0;
        while length < 32 && coder.bit(&mut lengths[length as usize], length < bits) {
            length += 1;
        }
        let mut value = u32::from(length > 0);
        if length > 1 {
            let tops = &mut self.tops[length as usize * SIZES + size];
            let below = length - 1;
            let modelled = below.min(2);
            let mut node = 1;
            for place in (0..modelled).rev() {
                let bit = magnitude >> (below - modelled + place) & 1 == 1;
                node = node << 1 | usize::from(coder.bit(&mut tops[node & 3], bit));
            }
            value = 1 << modelled | (node as u32 & ((1 << modelled) - 1));
            let even = below - modelled;
            // Of the rest of the magnitude: too small a share to be worth a probability.
            let mask = if even == 0 { 0 } else { u32::MAX >> (32 - even) };
            value = value << even | coder.even(even, magnitude & mask);
        }
        let negative = length > 0 && coder.bit(&mut self.signs[recent.sign], error < 0);
        let error = if negative {
            (value as i32).wrapping_neg()
        } else {
            value as i32
        };
        recent.note(error);
        error
    }
}

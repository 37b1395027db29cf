//! Inputs made from others: the same ones from the same seed.

use crate::INPUT_MAX;

/// Numbers at which lengths and counts go wrong.
const EDGES: [u64; 8] = [
    0,
    0x7f,
    0x80,
    0xff,
    0x7fff_ffff,
    0xffff_ffff,
    i64::MAX as u64,
    u64::MAX,
];

/// Draws changed inputs.
#[derive(Debug, Clone)]
pub struct Mutations {
    state: u64,
}

impl Mutations {
    /// The sequence of a seed.
    pub fn new(seed: u64) -> Self {
        Self {
            state: seed ^ 0x9e37_79b9_7f4a_7c15,
        }
    }

    /// The next number (SplitMix64).
    fn next(&mut self) -> u64 {
        self.state = self.state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.state;
        z = (z ^ z >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ z >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ z >> 31
    }

    /// A number below `end`, 0 where that is 0.
    pub fn below(&mut self, end: usize) -> usize {
        (self.next() % end.max(1) as u64) as usize
    }

    /// One of several changes to an input, or several of them one after the other.
    pub fn mutate(&mut self, input: &[u8], other: &[u8]) -> Vec<u8> {
        let mut bytes = input.to_vec();
        for _ in 0..=self.below(4) {
            let at = self.below(bytes.len() + 1);
            let length = 1 + self.below(16);
            match self.below(7) {
                0 if at < bytes.len() => bytes[at] ^= 1 << self.below(8),
                1 if at < bytes.len() => bytes[at] = self.next().to_le_bytes()[0],
                2 => bytes.truncate(at),
                3 => drop(bytes.drain(at..bytes.len().min(at + length))),
                4 => {
                    let edge = EDGES[self.below(EDGES.len())].to_be_bytes();
                    let from = 8 - (1 << self.below(4)).min(8);
                    let end = bytes.len().min(at + 8 - from);
                    bytes.splice(at..end, edge[from..].iter().copied());
                }
                5 => {
                    let again = bytes[at..bytes.len().min(at + length)].to_vec();
                    bytes.splice(at..at, again);
                }
                _ => {
                    let from = self.below(other.len());
                    let piece = other[from..other.len().min(from + 4 * length)].to_vec();
                    bytes.splice(at..at, piece);
                }
            }
        }
        bytes.truncate(INPUT_MAX);
        bytes
    }
}

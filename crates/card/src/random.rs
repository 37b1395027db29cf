//! Random bytes from one seed that a caller drew: SHA-256 over the seed and a counter.

use sha2::{Digest, Sha256};
use zeroize::Zeroizing;

/// A source of random bytes.
pub struct Random {
    seed: Zeroizing<[u8; 32]>,
    counter: u64,
}

impl Random {
    /// Grows from a seed of 256 random bits, which must be used for nothing else.
    pub fn new(seed: Zeroizing<[u8; 32]>) -> Self {
        Self { seed, counter: 0 }
    }

    /// The next bytes.
    pub fn draw<const N: usize>(&mut self) -> Zeroizing<[u8; N]> {
        let mut bytes = Zeroizing::new([0; N]);
        for chunk in bytes.chunks_mut(32) {
            let mut hash = Sha256::new();
            hash.update(b"clinic card random 1\n");
            hash.update(*self.seed);
            hash.update(self.counter.to_le_bytes());
            self.counter += 1;
            let drawn = Zeroizing::new(<[u8; 32]>::from(hash.finalize()));
            chunk.copy_from_slice(&drawn[..chunk.len()]);
        }
        bytes
    }
}

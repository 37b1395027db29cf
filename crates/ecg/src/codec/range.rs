//! Adaptive binary range coder: the carry-propagating coder of LZMA (Pavlov, 7-Zip), with a probability that is
//! the mean of a fast and a slow estimate.

/// Bits of a probability.
const BITS: u32 = 12;
/// A probability stays this far from 0 and 1, so each decision costs at least log2(4096/4064) = 0.0113 bits.
const MARGIN: u32 = 32;
const TOP: u32 = 1 << 24;

/// Most decisions that one byte of output can stand for, from the margin: 8 / 0.0113, rounded up.
pub(super) const MAX_DECISIONS_PER_BYTE: u64 = 712;

/// The learned probability of one decision being 0.
#[derive(Debug, Clone, Copy)]
pub(super) struct Bit {
    fast: u16,
    slow: u16,
}

impl Bit {
    pub(super) const EVEN: Self = Self {
        fast: 1 << 15,
        slow: 1 << 15,
    };

    fn zero(self) -> u32 {
        let mean = (u32::from(self.fast) + u32::from(self.slow)) >> (17 - BITS);
        mean.clamp(MARGIN, (1 << BITS) - MARGIN)
    }

    fn learn(&mut self, bit: bool) {
        if bit {
            self.fast -= self.fast >> 4;
            self.slow -= self.slow >> 7;
        } else {
            self.fast += (u16::MAX - self.fast) >> 4;
            self.slow += (u16::MAX - self.slow) >> 7;
        }
    }
}

/// Both directions of the coder, so that one description of the bit stream serves encoding and decoding: an
/// encoder is given the bit and returns it, a decoder ignores what it is given and returns what it read.
pub(super) trait Coder {
    fn bit(&mut self, model: &mut Bit, bit: bool) -> bool;
    fn even(&mut self, count: u32, value: u32) -> u32;
}

#[derive(Debug)]
pub(super) struct Encoder {
    low: u64,
    range: u32,
    pending: u64,
    cache: u8,
    out: Vec<u8>,
}

impl Encoder {
    pub(super) fn new() -> Self {
        Self {
            low: 0,
            range: u32::MAX,
            pending: 0,
            cache: 0,
            out: Vec::new(),
        }
    }

    fn shift(&mut self) {
        if self.low < 0xff00_0000 || self.low > 0xffff_ffff {
            let carry = (self.low >> 32) as u8;
            self.out.push(self.cache.wrapping_add(carry));
            for _ in 0..self.pending {
                self.out.push(0xff_u8.wrapping_add(carry));
            }
            self.pending = 0;
            self.cache = (self.low >> 24) as u8;
        } else {
            self.pending += 1;
        }
        self.low = (self.low & 0x00ff_ffff) << 8;
    }

    fn normalise(&mut self) {
        while self.range < TOP {
            self.range <<= 8;
            self.shift();
        }
    }

    pub(super) fn finish(mut self) -> Vec<u8> {
        for _ in 0..5 {
            self.shift();
        }
        // The first byte of the coder is always 0.
        self.out.split_off(1)
    }
}

impl Coder for Encoder {
    fn bit(&mut self, model: &mut Bit, bit: bool) -> bool {
        let bound = (self.range >> BITS) * model.zero();
        if bit {
            self.low += u64::from(bound);
            self.range -= bound;
        } else {
            self.range = bound;
        }
        model.learn(bit);
        self.normalise();
        bit
    }

    fn even(&mut self, count: u32, value: u32) -> u32 {
        for place in (0..count).rev() {
            self.range >>= 1;
            if value >> place & 1 == 1 {
                self.low += u64::from(self.range);
            }
            self.normalise();
        }
        value
    }
}

#[derive(Debug)]
pub(super) struct Decoder<'a> {
    range: u32,
    code: u32,
    rest: &'a [u8],
}

impl<'a> Decoder<'a> {
    pub(super) fn new(bytes: &'a [u8]) -> Self {
        let mut decoder = Self {
            range: u32::MAX,
            code: 0,
            rest: bytes,
        };
        for _ in 0..4 {
            decoder.code = decoder.code << 8 | decoder.byte();
        }
        decoder
    }

    /// Bytes beyond the end read as 0; the checksum of the container tells a cut stream.
    fn byte(&mut self) -> u32 {
        let Some((first, rest)) = self.rest.split_first() else {
            return 0;
        };
        self.rest = rest;
        u32::from(*first)
    }

    fn normalise(&mut self) {
        while self.range < TOP {
            self.range <<= 8;
            self.code = self.code << 8 | self.byte();
        }
    }
}

impl Coder for Decoder<'_> {
    fn bit(&mut self, model: &mut Bit, _: bool) -> bool {
        let bound = (self.range >> BITS) * model.zero();
        let bit = self.code >= bound;
        if bit {
            self.code -= bound;
            self.range -= bound;
        } else {
            self.range = bound;
        }
        model.learn(bit);
        self.normalise();
        bit
    }

    fn even(&mut self, count: u32, _: u32) -> u32 {
        let mut value = 0;
        for _ in 0..count {
            self.range >>= 1;
            let bit = self.code >= self.range;
            if bit {
                self.code -= self.range;
            }
            value = value << 1 | u32::from(bit);
            self.normalise();
        }
        value
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]
        #[test]
        fn decisions_come_back(bits in prop::collection::vec((any::<bool>(), 0usize..4, any::<u16>()), 0..600)) {
            let mut models = [Bit::EVEN; 4];
            let mut encoder = Encoder::new();
            for (bit, model, value) in &bits {
                encoder.bit(&mut models[*model], *bit);
                encoder.even(16, u32::from(*value));
            }
            let bytes = encoder.finish();
            let mut models = [Bit::EVEN; 4];
            let mut decoder = Decoder::new(&bytes);
            for (bit, model, value) in bits {
                prop_assert_eq!(decoder.bit(&mut models[model], false), bit);
                prop_assert_eq!(decoder.even(16, 0), u32::from(value));
            }
        }
    }

    #[test]
    fn the_least_cost_of_a_decision_is_as_stated() {
        let mut model = Bit::EVEN;
        let mut encoder = Encoder::new();
        let count = 200_000;
        for _ in 0..count {
            encoder.bit(&mut model, false);
        }
        let bytes = encoder.finish().len() as u64;
        assert!(
            count / bytes <= MAX_DECISIONS_PER_BYTE && count / bytes > 600,
            "{bytes}"
        );
    }
}

//! Arithmetic coding of bytes with the model's probabilities.

use crate::model::Model;

/// Takes bytes with the field that they stand in.
#[derive(Debug)]
pub struct Encoder {
    model: Model,
    low: u32,
    high: u32,
    out: Vec<u8>,
}

impl Encoder {
    /// Begins with what the model has learned.
    pub fn new(model: Model) -> Self {
        Self {
            model,
            low: 0,
            high: u32::MAX,
            out: Vec::new(),
        }
    }

    /// The next byte begins a value of this field.
    pub fn begin(&mut self, field: u32) {
        self.model.begin(field);
    }

    /// Codes a byte.
    pub fn put(&mut self, byte: u8) {
        for shift in (0..8).rev() {
            let bit = (byte >> shift) & 1;
            let split = split(self.low, self.high, self.model.predict());
            if bit == 1 {
                self.high = split;
            } else {
                self.low = split + 1;
            }
            self.model.update(bit);
            while (self.low ^ self.high) >> 24 == 0 {
                self.out.push((self.high >> 24) as u8);
                self.low <<= 8;
                self.high = (self.high << 8) | 255;
            }
        }
    }

    /// The coded bytes: as few as tell the last bits apart; behind them a decoder reads zeros.
    pub fn finish(mut self) -> (Vec<u8>, Model) {
        let mut keep = 0;
        let mut value = 0u32;
        for bytes in 0..=4u32 {
            let mask = if bytes == 0 {
                0
            } else {
                u32::MAX << (32 - 8 * bytes)
            };
            value = self.high & mask;
            keep = bytes;
            if value >= self.low {
                break;
            }
        }
        self.out.extend_from_slice(&value.to_be_bytes()[..keep as usize]);
        (self.out, self.model)
    }
}

fn split(low: u32, high: u32, chance: u32) -> u32 {
    let range = high - low;
    low + (range >> 16) * chance + (((range & 0xffff) * chance) >> 16)
}

/// Gives the bytes back; it must be told the same fields at the same places. Behind the end of the coded bytes it
/// reads zeros, so the caller has to know how much to take.
#[derive(Debug)]
pub struct Decoder<'a> {
    model: Model,
    low: u32,
    high: u32,
    value: u32,
    rest: &'a [u8],
}

impl<'a> Decoder<'a> {
    /// Begins with what the model has learned; it must be equal to the encoder's at its beginning.
    pub fn new(model: Model, bytes: &'a [u8]) -> Self {
        let mut decoder = Self {
            model,
            low: 0,
            high: u32::MAX,
            value: 0,
            rest: bytes,
        };
        for _ in 0..4 {
            decoder.shift();
        }
        decoder
    }

    fn shift(&mut self) {
        let byte = match self.rest.split_first() {
            Some((byte, rest)) => {
                self.rest = rest;
                *byte
            }
            None => 0,
        };
        self.value = (self.value << 8) | u32::from(byte);
    }

    /// The next byte begins a value of this field.
    pub fn begin(&mut self, field: u32) {
        self.model.begin(field);
    }

    /// The next byte.
    pub fn take(&mut self) -> u8 {
        let mut byte = 0;
        for _ in 0..8 {
            let split = split(self.low, self.high, self.model.predict());
            let bit = u8::from(self.value <= split);
            if bit == 1 {
                self.high = split;
            } else {
                self.low = split + 1;
            }
            self.model.update(bit);
            while (self.low ^ self.high) >> 24 == 0 {
                self.low <<= 8;
                self.high = (self.high << 8) | 255;
                self.shift();
            }
            byte = (byte << 1) | bit;
        }
        byte
    }

    /// The model with what it learned, and whether all coded bytes were used.
    pub fn finish(self) -> (Model, bool) {
        (self.model, self.rest.is_empty())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Size;
    use proptest::prelude::*;

    fn encode(model: Model, values: &[(u32, Vec<u8>)]) -> (Vec<u8>, Model) {
        let mut encoder = Encoder::new(model);
        for (field, bytes) in values {
            encoder.begin(*field);
            bytes.iter().for_each(|byte| encoder.put(*byte));
        }
        encoder.finish()
    }

    fn decode(model: Model, coded: &[u8], values: &[(u32, Vec<u8>)]) -> (Vec<Vec<u8>>, Model, bool) {
        let mut decoder = Decoder::new(model, coded);
        let mut out = Vec::new();
        for (field, bytes) in values {
            decoder.begin(*field);
            out.push(bytes.iter().map(|_| decoder.take()).collect());
        }
        let (model, whole) = decoder.finish();
        (out, model, whole)
    }

    fn phrases() -> Vec<(u32, Vec<u8>)> {
        (0..60u32)
            .map(|n| {
                (
                    n % 3,
                    format!("咳嗽{}天，伴发热；BP {}/80", n % 7, 120 + n % 5).into_bytes(),
                )
            })
            .collect()
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: 12, failure_persistence: None, ..ProptestConfig::default() })]

        #[test]
        fn bytes_come_back(
            values in prop::collection::vec((0u32..2000, prop::collection::vec(any::<u8>(), 0..40)), 0..30),
            more in prop::collection::vec((0u32..9, prop::collection::vec(0u8..4, 0..200)), 0..5),
        ) {
            let (coded, model) = encode(Model::new(Size::Small), &values);
            let (out, after, whole) = decode(Model::new(Size::Small), &coded, &values);
            prop_assert!(whole && out.iter().eq(values.iter().map(|(_, bytes)| bytes)));
            // What both learned is equal, so the next stream is read, too.
            let (coded, _) = encode(model, &more);
            let (out, _, whole) = decode(after, &coded, &more);
            prop_assert!(whole && out.iter().eq(more.iter().map(|(_, bytes)| bytes)));
        }

        #[test]
        fn any_bytes_decode_to_something(coded in prop::collection::vec(any::<u8>(), 0..60)) {
            let mut decoder = Decoder::new(Model::new(Size::Small), &coded);
            for field in 0..20 {
                decoder.begin(field);
                (0..20).for_each(|_| { decoder.take(); });
            }
        }
    }

    #[test]
    fn what_was_seen_before_makes_the_rest_short() {
        let values = phrases();
        let plain: usize = values.iter().map(|(_, bytes)| bytes.len()).sum();
        let (first, model) = encode(Model::new(Size::Small), &values);
        let (second, _) = encode(model, &values);
        assert!(first.len() * 6 < plain, "{} of {plain}", first.len());
        assert!(second.len() * 2 < first.len(), "{} {}", second.len(), first.len());
    }

    /// The format: other bytes here mean that ends of two releases do not understand each other.
    #[test]
    fn the_coded_bytes_are_the_same_everywhere_and_always() {
        let (coded, _) = encode(Model::new(Size::Small), &phrases());
        let sum = coded.iter().fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
            (hash ^ u64::from(*byte)).wrapping_mul(0x0000_0100_0000_01b3)
        });
        assert_eq!((coded.len(), sum), (74, 15_829_765_814_540_843_352));
    }

    #[test]
    fn nothing_takes_no_bytes() {
        assert!(Encoder::new(Model::new(Size::Small)).finish().0.is_empty());
    }
}

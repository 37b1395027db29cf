//! Tells a card that holds what it claims from a counterfeit one before an image is written to it.
//!
//! A ruler of marks is written over the whole card, one every so many bytes (the spacing), then one unbroken strip of marks
//! as long as that spacing at the very end. A card whose addresses wrap around at any size lays the strip over
//! the ruler: an unbroken run of addresses as long as the spacing always meets a mark. A card that forgets what
//! lies beyond its size loses the marks there. (The idea of f3probe, Digirati 2014, without its assumption that a
//! card wraps around at a power of two.)

use card::{BLOCK, BlockDevice, DeviceFault};
use sha2::{Digest, Sha256};

/// Marks of the ruler: a random write takes some 10 ms on a slow card.
const MARKS: u64 = 2048;
/// Smallest distance of two marks in bytes.
const SPACING_MIN: u64 = 1 << 20;
/// Bytes of the strip that one call writes or reads.
const AT_ONCE: u64 = 4 << 20;

/// What the marks say of a card.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// It holds what it claims.
    Honest,
    /// It claims more than it holds.
    Counterfeit {
        /// Upper bound of what it holds, in bytes.
        holds_at_most: u64,
    },
    /// It forgets in single places.
    Worn {
        /// The first of them.
        at: u64,
    },
    /// It keeps nothing that is written to it.
    KeepsNothing,
}

/// The marks of one probing of one card.
#[derive(Debug, Clone)]
pub struct Probe {
    capacity: u64,
    nonce: [u8; 16],
}

/// Distance of two marks on a card of this capacity, a multiple of the block.
fn spacing(capacity: u64) -> u64 {
    (capacity / MARKS).max(SPACING_MIN).next_multiple_of(BLOCK)
}

impl Probe {
    /// A probe of a card with this capacity; `nonce` tells its marks from those of any other probe.
    pub fn new(capacity: u64, nonce: [u8; 16]) -> Self {
        Self { capacity, nonce }
    }

    /// Bytes that the probe writes and reads again.
    pub fn bytes(&self) -> u64 {
        2 * (self.ruler().count() as u64 * BLOCK + self.capacity - self.strip_start())
    }

    fn strip_start(&self) -> u64 {
        self.capacity.saturating_sub(spacing(self.capacity)) / BLOCK * BLOCK
    }

    fn ruler(&self) -> impl Iterator<Item = u64> + use<> {
        let step = usize::try_from(spacing(self.capacity)).unwrap_or(usize::MAX);
        (0..self.strip_start()).step_by(step)
    }

    /// The parts of the strip, each written and read at once.
    fn strip(&self) -> impl Iterator<Item = (u64, u64)> + use<> {
        let end = self.capacity;
        (self.strip_start()..end)
            .step_by(AT_ONCE as usize)
            .map(move |at| (at, AT_ONCE.min(end - at)))
    }

    /// The block that stands at this byte: the probe's nonce, the place, then what only they give.
    fn mark(&self, at: u64) -> [u8; BLOCK as usize] {
        let mut block = [0; BLOCK as usize];
        let seed = Sha256::new()
            .chain_update(self.nonce)
            .chain_update(at.to_le_bytes())
            .finalize();
        for (number, part) in block.chunks_mut(32).enumerate() {
            for (byte, seed) in part.iter_mut().zip(seed.iter()) {
                *byte = seed ^ number as u8;
            }
        }
        block[..16].copy_from_slice(&self.nonce);
        block[16..24].copy_from_slice(&at.to_le_bytes());
        block
    }

    fn marks(&self, at: u64, len: u64) -> Vec<u8> {
        let places = (at..at + len).step_by(BLOCK as usize);
        places.flat_map(|place| self.mark(place)).collect()
    }

    /// The place whose mark this block is.
    pub fn place_of(&self, block: &[u8]) -> Option<u64> {
        let place = u64::from_le_bytes(block.get(16..24)?.try_into().ok()?);
        (block.get(..16)? == self.nonce && block == self.mark(place)).then_some(place)
    }

    /// Writes all marks. `moved` hears of each call's bytes.
    ///
    /// # Errors
    /// What the card reports.
    pub fn write(&self, card: &mut impl BlockDevice, mut moved: impl FnMut(u64)) -> Result<(), DeviceFault> {
        for at in self.ruler() {
            card.write_at(at, &self.mark(at))?;
            moved(BLOCK);
        }
        for (at, len) in self.strip() {
            card.write_at(at, &self.marks(at, len))?;
            moved(len);
        }
        card.flush()
    }

    /// Reads the marks from byte `from` on again and judges the card.
    ///
    /// # Errors
    /// What the card reports.
    pub fn judge(
        &self,
        card: &mut impl BlockDevice,
        from: u64,
        mut moved: impl FnMut(u64),
    ) -> Result<Verdict, DeviceFault> {
        let mut tally = Tally::default();
        let ruler = self.ruler().map(|at| (at, BLOCK));
        for (at, len) in ruler.chain(self.strip()).filter(|(at, _)| *at >= from) {
            let mut bytes = vec![0; len as usize];
            card.read_at(at, &mut bytes)?;
            for (block, at) in bytes.chunks(BLOCK as usize).zip((at..).step_by(BLOCK as usize)) {
                tally.take(at, self.place_of(block));
            }
            moved(len);
        }
        Ok(tally.verdict())
    }
}

/// What was found at the places of marks, in rising order.
#[derive(Debug, Default)]
struct Tally {
    kept: Option<u64>,
    first_lost: Option<u64>,
    kept_after_lost: bool,
    shift: Option<u64>,
}

impl Tally {
    fn take(&mut self, at: u64, found: Option<u64>) {
        match found {
            Some(place) if place == at => {
                self.kept = Some(at);
                self.kept_after_lost |= self.first_lost.is_some();
            }
            Some(place) => {
                let shift = place.abs_diff(at);
                self.shift = Some(self.shift.map_or(shift, |least| least.min(shift)));
            }
            None => {
                self.first_lost.get_or_insert(at);
            }
        }
    }

    fn verdict(&self) -> Verdict {
        match (self.shift, self.first_lost, self.kept) {
            (Some(holds_at_most), _, _) => Verdict::Counterfeit { holds_at_most },
            (None, None, _) => Verdict::Honest,
            (None, Some(_), None) => Verdict::KeepsNothing,
            (None, Some(at), Some(_)) if self.kept_after_lost => Verdict::Worn { at },
            (None, Some(at), Some(_)) => Verdict::Counterfeit { holds_at_most: at },
        }
    }
}

#[cfg(test)]
mod tests {
    use card::simulated::{Beyond, Defect, SimulatedCard};
    use proptest::prelude::*;

    use super::*;

    const MIB: u64 = 1 << 20;

    fn probe(card: &mut SimulatedCard) -> Verdict {
        let probe = Probe::new(card.capacity(), [7; 16]);
        probe.write(card, |_| {}).unwrap();
        probe.judge(card, 0, |_| {}).unwrap()
    }

    #[test]
    fn an_honest_card_of_any_size_is_honest() {
        for bytes in [MIB, MIB + BLOCK, 5 * MIB, 64 * MIB + 7 * BLOCK] {
            assert_eq!(probe(&mut SimulatedCard::new(bytes)), Verdict::Honest, "{bytes}");
        }
    }

    #[test]
    fn a_card_that_keeps_nothing_or_forgets_in_places_is_told_from_a_counterfeit_one() {
        let frozen = SimulatedCard::new(16 * MIB).with(Defect::Frozen);
        assert_eq!(probe(&mut frozen.clone()), Verdict::KeepsNothing);
        let worn = SimulatedCard::new(16 * MIB).with(Defect::TurnsABit { at: 3 * MIB });
        assert_eq!(probe(&mut worn.clone()), Verdict::Worn { at: 3 * MIB });
    }

    #[test]
    fn the_marks_of_an_earlier_probe_prove_nothing() {
        let mut card = SimulatedCard::new(16 * MIB);
        Probe::new(card.capacity(), [1; 16])
            .write(&mut card, |_| {})
            .unwrap();
        card.set_defect(Some(Defect::Frozen));
        assert_eq!(probe(&mut card), Verdict::KeepsNothing);
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(200))]
        #[test]
        fn every_false_capacity_is_found(
            claims in 512_u64..16_384,
            share in 1_u64..1_000,
            wraps in any::<bool>(),
        ) {
            let (claims, holds) = (claims * BLOCK, (claims * share / 1_000).max(1) * BLOCK);
            let beyond = if wraps { Beyond::WrapsAround } else { Beyond::Forgets };
            let verdict = probe(&mut SimulatedCard::counterfeit(claims, holds, beyond));
            // One so small that not even the first mark is left has nothing to be measured by.
            let named = matches!(verdict, Verdict::Counterfeit { holds_at_most } if holds_at_most >= holds);
            prop_assert!(named, "{verdict:?} for {holds} of {claims}");
        }
    }
}

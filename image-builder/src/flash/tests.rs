//! Cards that lie, fail and vanish: none of them passes, and none that is not ready starts.

use std::io::Cursor;

use card::simulated::{Beyond, Defect, SimulatedCard};
use proptest::prelude::*;

use super::*;

const MIB: u64 = 1 << 20;

/// Hears nothing but the steps.
#[derive(Default)]
struct Steps(Vec<Step>, u64, u64);

impl Watch for Steps {
    fn step(&mut self, step: Step, bytes: u64) {
        self.0.push(step);
        self.1 += bytes;
    }

    fn moved(&mut self, bytes: u64) {
        self.2 += bytes;
    }
}

/// An image of so many blocks, every fourth of them a hole.
fn image(blocks: u64) -> (Cursor<Vec<u8>>, BlockMap) {
    let block = |number: u64| {
        let seed = number.wrapping_mul(0x9e37_79b9_7f4a_7c15);
        let full = number % 4 != 3;
        (0..BLOCK).map(move |at| {
            if full {
                (seed >> (at % 57)) as u8 ^ at as u8 | 1
            } else {
                0
            }
        })
    };
    let mut image = Cursor::new((0..blocks).flat_map(block).collect());
    let map = BlockMap::of(&mut image).unwrap();
    (image, map)
}

fn try_flash(card: &mut SimulatedCard, blocks: u64) -> Result<(), FlashFault> {
    let (mut image, map) = image(blocks);
    flash(card, &mut image, &map, [9; 16], &mut Steps::default())
}

/// Whether the firmware would find a partition table.
fn starts(card: &SimulatedCard, blocks: u64) -> bool {
    card.stored(0) == Some(&image(blocks).0.get_ref()[..BLOCK as usize])
}

#[test]
fn a_good_card_holds_the_image_and_what_is_told_of_the_way_is_true() {
    let mut card = SimulatedCard::new(16 * MIB);
    let (mut image, map) = image(600);
    let mut steps = Steps::default();
    assert!(!holds_already(&mut card, &map).unwrap());
    flash(&mut card, &mut image, &map, [9; 16], &mut steps).unwrap();
    assert_eq!(steps.0, [Step::Probing, Step::Writing, Step::Verifying]);
    assert_eq!(steps.1, steps.2, "the bars end where they said");
    assert!(holds_already(&mut card, &map).unwrap());
    for stretch in map.stretches() {
        assert!(stretch.holds(&read(&mut card, stretch).unwrap()));
    }
}

#[test]
fn every_defect_is_named_and_leaves_a_card_that_does_not_start() {
    let at = 100 * BLOCK;
    let cases = [
        (Defect::TurnsABit { at }, "worn"),
        (Defect::CannotRead { at }, "dying"),
        (Defect::CannotWrite { at }, "dying"),
        (Defect::CannotWrite { at: 0 }, "dying"),
        (Defect::Frozen, "keeps_nothing"),
        (Defect::Locked, "write_protected"),
    ];
    for (defect, word) in cases {
        let mut card = SimulatedCard::new(16 * MIB).with(defect);
        let fault = try_flash(&mut card, 600).unwrap_err();
        assert_eq!(fault.word(), word, "{defect:?}: {fault}");
        assert!(!starts(&card, 600), "{defect:?}");
    }
    let mut small = SimulatedCard::new(MIB);
    assert_eq!(try_flash(&mut small, 600).unwrap_err().word(), "too_small");
    assert_eq!(small.calls(), 0, "a card that is too small is left alone");
}

#[test]
fn a_card_pulled_out_at_any_moment_does_not_start_until_it_is_ready() {
    let mut whole = SimulatedCard::new(2 * MIB);
    try_flash(&mut whole, 40).unwrap();
    let calls = whole.calls();
    for after in 0..calls {
        let mut card = SimulatedCard::new(2 * MIB).with(Defect::PulledOut { after });
        assert_eq!(
            try_flash(&mut card, 40).unwrap_err().word(),
            "taken_out",
            "{after}"
        );
        // The last write is the first block; what follows only looks.
        assert!(!starts(&card, 40) || after >= calls - 2, "{after} of {calls}");
        card.set_defect(None);
        try_flash(&mut card, 40).unwrap();
        assert!(starts(&card, 40), "begun again: {after}");
    }
}

#[test]
fn an_image_that_is_not_the_one_of_its_map_makes_no_card() {
    let mut card = SimulatedCard::new(8 * MIB);
    let (mut changed, map) = image(600);
    changed.get_mut()[300 * BLOCK as usize] ^= 1;
    let fault = flash(&mut card, &mut changed, &map, [9; 16], &mut Steps::default()).unwrap_err();
    assert_eq!(fault.word(), "image");
    assert!(!starts(&card, 600));
}

#[test]
fn a_card_that_forgets_only_after_the_probe_is_found_while_verifying() {
    /// Wraps around once the marks were judged: a controller that gave them from its own memory.
    struct LateLiar(SimulatedCard, SimulatedCard, u64);
    impl BlockDevice for LateLiar {
        fn capacity(&self) -> u64 {
            self.0.capacity()
        }
        fn read_at(&mut self, at: u64, into: &mut [u8]) -> Result<(), DeviceFault> {
            let honest = self.2 == 0;
            if honest {
                self.0.read_at(at, into)
            } else {
                self.1.read_at(at, into)
            }
        }
        fn write_at(&mut self, at: u64, bytes: &[u8]) -> Result<(), DeviceFault> {
            // The block of zeros at the start comes right after the probe.
            self.2 += u64::from(at == 0 && bytes.iter().all(|byte| *byte == 0));
            self.0.write_at(at, bytes)?;
            self.1.write_at(at, bytes)
        }
        fn flush(&mut self) -> Result<(), DeviceFault> {
            Ok(())
        }
    }
    let liar = SimulatedCard::counterfeit(16 * MIB, 400 * BLOCK, Beyond::WrapsAround);
    let mut card = LateLiar(SimulatedCard::new(16 * MIB), liar, 0);
    let (mut image, map) = image(600);
    let fault = flash(&mut card, &mut image, &map, [9; 16], &mut Steps::default()).unwrap_err();
    assert!(
        matches!(fault, FlashFault::Counterfeit { holds_at_most, .. } if holds_at_most == 400 * BLOCK),
        "{fault}"
    );
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(60))]
    #[test]
    fn no_counterfeit_card_passes(claims in 1_024_u64..8_192, share in 1_u64..1_000, wraps in any::<bool>()) {
        let holds = (claims * share / 1_000).max(1);
        let beyond = if wraps { Beyond::WrapsAround } else { Beyond::Forgets };
        let mut card = SimulatedCard::counterfeit(claims * BLOCK, holds * BLOCK, beyond);
        let fault = try_flash(&mut card, 600).unwrap_err();
        prop_assert_eq!(fault.word(), "counterfeit", "{}", fault);
        prop_assert!(!starts(&card, 600));
    }

    #[test]
    fn no_single_bad_block_passes_where_the_image_lies(block in 0_u64..600, kind in 0_u8..3) {
        prop_assume!(block % 4 != 3);
        let at = block * BLOCK;
        let defect = match kind {
            0 => Defect::TurnsABit { at },
            1 => Defect::CannotRead { at },
            _ => Defect::CannotWrite { at },
        };
        let mut card = SimulatedCard::new(16 * MIB).with(defect);
        prop_assert!(try_flash(&mut card, 600).is_err());
        prop_assert!(!starts(&card, 600));
    }
}

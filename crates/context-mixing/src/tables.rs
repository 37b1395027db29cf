//! What a model keeps in mind, and spare sets of it: a short message changes little of three megabytes, and putting
//! that back costs far less than new ones.

use std::sync::{Mutex, PoisonError};

use crate::chance::Chance;
use crate::histories::Histories;
use crate::logistic::squash;
use crate::model::{CONTEXTS, FIELDS_BITS, INPUTS, STEP, STEPS, STEPS_FROM, Size};

/// Sets of weights: by the length of the match, by the field, by the bits so far and the known orders.
pub(crate) const SETS_MATCH: usize = 16;
pub(crate) const SETS_FIELD: usize = 1024;
pub(crate) const SETS_ORDER: usize = 256 * 3;
/// What every weight is at first; 4096 is one.
const FIRST_WEIGHT: i16 = 700;
/// What the match is thought worth at first, and lengths of a match times what it expects.
const FIRST_MATCH: u16 = 49_152;
const MATCH_CHANCES: usize = 64 * 2;
/// Places of each of the two last refinements.
const CURVES: usize = 1 << 12;
/// Lines whose taking is noted, an eighth of a small table: behind it, all of them are wiped.
const NOTED_MAX: usize = 1 << 14;
/// Spare sets that wait for a message, 3 MB each.
const SPARE_MAX: usize = 2;

/// The spare sets, each as new: nothing of anybody waits in them.
static SPARE: Mutex<Vec<Tables>> = Mutex::new(Vec::new());

/// The tables of a model.
#[derive(Clone, Default, PartialEq, Eq, Debug)]
pub(crate) struct Tables {
    /// By the hash of a context: a check byte and the 15 histories of half a byte.
    pub(crate) lines: Vec<[u8; 16]>,
    /// What a history means, context by context.
    pub(crate) chances: Vec<[Chance; 256]>,
    pub(crate) weights: [Vec<[i16; INPUTS]>; 3],
    pub(crate) past: Vec<u8>,
    pub(crate) matches: Vec<u32>,
    pub(crate) match_chances: Vec<Chance>,
    pub(crate) fields: Vec<u32>,
    /// The last refinement: what came of a probability in this place.
    pub(crate) curves: [Vec<[Chance; STEPS]>; 2],
    /// Which lines were taken, up to [`NOTED_MAX`].
    noted: Vec<u32>,
    /// Which curves learned something, a bit each.
    bent: [Vec<u64>; 2],
}

fn first_chances() -> [Chance; 256] {
    let histories = Histories::get();
    std::array::from_fn(|history| Chance::new(histories.guess(history as u8)))
}

fn first_curve() -> [Chance; STEPS] {
    std::array::from_fn(|at| Chance::new(squash(at as i32 * STEP + STEPS_FROM) as u16))
}

impl Tables {
    /// Tables of a model that has seen nothing: spare ones where there are some.
    pub(crate) fn take(size: Size) -> Self {
        let spare = match size {
            Size::Small => SPARE.lock().unwrap_or_else(PoisonError::into_inner).pop(),
            Size::Large => None,
        };
        spare.unwrap_or_else(|| Self::new(size))
    }

    fn new(size: Size) -> Self {
        Self {
            lines: vec![[0; 16]; 1 << size.lines_bits()],
            chances: vec![first_chances(); CONTEXTS],
            weights: [SETS_MATCH, SETS_FIELD, SETS_ORDER].map(|sets| vec![[FIRST_WEIGHT; INPUTS]; sets]),
            past: vec![0; 1 << size.past_bits()],
            matches: vec![0; 1 << size.matches_bits()],
            match_chances: vec![Chance::new(FIRST_MATCH); MATCH_CHANCES],
            fields: vec![0; 1 << FIELDS_BITS],
            curves: [vec![first_curve(); CURVES], vec![first_curve(); CURVES]],
            noted: Vec::new(),
            bent: [vec![0; CURVES / 64], vec![0; CURVES / 64]],
        }
    }

    /// A bit is about to be learned: which lines and curves it changes. `place`: where in the lines; each history of half
    /// a byte begins at 1.
    pub(crate) fn note(&mut self, place: usize, slots: &[usize; CONTEXTS], spots: [usize; 2]) {
        for (bent, spot) in self.bent.iter_mut().zip(spots) {
            bent[spot / 64] |= 1 << (spot % 64);
        }
        if place == 1 && self.noted.len() < NOTED_MAX {
            let new = slots.iter().filter(|slot| self.lines[**slot][1] == 0);
            self.noted.extend(new.map(|slot| *slot as u32));
        }
    }

    /// Forgets everything that was learned within `seen` bytes, and lets the next message have the tables. `looked_at`:
    /// the lines that were looked up last, of which nothing need have been learned.
    pub(crate) fn give_back(mut self, seen: usize, looked_at: &[usize; CONTEXTS]) {
        self.forget(seen, looked_at);
        let mut spare = SPARE.lock().unwrap_or_else(PoisonError::into_inner);
        if spare.len() < SPARE_MAX {
            spare.push(self);
        }
    }

    fn forget(&mut self, seen: usize, looked_at: &[usize; CONTEXTS]) {
        if self.noted.len() >= NOTED_MAX {
            self.lines.fill([0; 16]);
        } else {
            let noted = self.noted.iter().map(|slot| *slot as usize);
            for slot in noted.chain(looked_at.iter().copied()) {
                self.lines[slot] = [0; 16];
            }
        }
        self.noted.clear();
        let seen = seen.min(self.past.len());
        self.past[..seen].fill(0);
        self.matches.fill(0);
        self.fields.fill(0);
        self.chances.fill(first_chances());
        self.match_chances.fill(Chance::new(FIRST_MATCH));
        for weights in &mut self.weights {
            weights.fill([FIRST_WEIGHT; INPUTS]);
        }
        let first = first_curve();
        for (curves, bent) in self.curves.iter_mut().zip(&mut self.bent) {
            for (word, curves) in bent.iter_mut().zip(curves.chunks_mut(64)) {
                while *word != 0 {
                    curves[word.trailing_zeros() as usize] = first;
                    *word &= *word - 1;
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::{Encoder, Model};

    proptest! {
        #![proptest_config(ProptestConfig { cases: 12, failure_persistence: None, ..ProptestConfig::default() })]

        #[test]
        fn what_was_learned_is_forgotten_to_the_last_bit(
            values in prop::collection::vec((0u32..2000, prop::collection::vec(any::<u8>(), 0..60)), 0..40),
            is_long in any::<bool>(),
        ) {
            let mut encoder = Encoder::new(Model::new(Size::Small));
            // A long message changes more than is noted.
            for round in 0..if is_long { 8 } else { 1 } {
                for (field, bytes) in &values {
                    encoder.begin(*field + round * 2000);
                    bytes.iter().for_each(|byte| encoder.put(*byte));
                }
            }
            let (mut tables, seen, looked_at) = encoder.finish().1.into_tables();
            tables.forget(seen, &looked_at);
            prop_assert!(tables == Tables::new(Size::Small));
        }
    }

    #[test]
    fn a_line_that_was_only_looked_up_is_forgotten_too() {
        let mut model = Model::new(Size::Small);
        model.begin(7);
        model.predict();
        let (mut tables, seen, looked_at) = model.into_tables();
        assert!(tables != Tables::new(Size::Small));
        tables.forget(seen, &looked_at);
        assert!(tables == Tables::new(Size::Small));
    }

    #[test]
    fn no_more_tables_wait_than_are_allowed() {
        let models: Vec<Model> = (0..2 * SPARE_MAX).map(|_| Model::new(Size::Small)).collect();
        drop(models);
        assert!(SPARE.lock().unwrap().len() <= SPARE_MAX);
    }
}

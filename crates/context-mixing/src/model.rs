//! The model: how probable is a one as the next bit, given all bytes so far and where in an operation they stand.
//!
//! Context mixing: many contexts (the last bytes, the clause of a text, the field and its previous value) each
//! tell a probability, and small networks weigh them by which were right before (Mahoney, "Adaptive weighing of
//! context models for lossless data compression", 2005). Everything is integers of fixed width: both ends, on any
//! machine, come to the same probabilities.

use crate::histories::Histories;
use crate::logistic::{STRETCH_MAX, Stretcher, squash};
use crate::tables::{SETS_FIELD, SETS_MATCH, Tables};

/// Contexts that are looked up in the table.
pub(crate) const CONTEXTS: usize = 13;
/// Inputs of the mixer: one a context, two of the match, one constant.
pub(crate) const INPUTS: usize = CONTEXTS + 3;
/// Places where each field's last value began.
pub(crate) const FIELDS_BITS: u32 = 14;
/// Fewest equal bytes that make a match.
const MATCH_LEAST: u32 = 5;
/// Longer matches count as this long.
const MATCH_MOST: u32 = 63;
/// Observations after which an adaptive probability moves no slower.
const COUNT_MOST: u32 = 400;
/// The same for what the match and the last refinement learn.
const MATCH_COUNT_MOST: u32 = 1000;
const REFINED_COUNT_MOST: u32 = 250;
/// Steps of the last refinement across the logistic domain, and their width.
pub(crate) const STEPS: usize = 24;
pub(crate) const STEP: i32 = 174;
pub(crate) const STEPS_FROM: i32 = -2001;
/// No bit is surer than this of 65,536.
const LEAST_CHANCE: i32 = 24;

/// How much a model can keep in mind. A part of the format: ends of different sizes do not understand each other.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Size {
    /// About 3 MB: for single messages.
    Small,
    /// About 20 MB: for long streams and large bases.
    Large,
}

impl Size {
    /// Lines of the table, each with a check byte and the 15 histories of half a byte, as a power of two.
    pub(crate) fn lines_bits(self) -> u32 {
        match self {
            Self::Small => 17,
            Self::Large => 20,
        }
    }

    /// Bytes of the past that a match may point to, as a power of two.
    pub(crate) fn past_bits(self) -> u32 {
        match self {
            Self::Small => 17,
            Self::Large => 20,
        }
    }

    /// Places of the past by the hash of the bytes before them, as a power of two.
    pub(crate) fn matches_bits(self) -> u32 {
        self.past_bits() - 2
    }
}

/// What was learned so far: equal at both ends as long as both saw the same bytes.
#[derive(Clone)]
pub struct Model {
    size: Size,
    tables: Tables,
    /// Bytes so far.
    at: usize,
    match_at: usize,
    match_length: u32,
    field: u32,
    /// Where the next byte of the field's previous value stands; 0 where there is none.
    field_at: usize,
    field_start: usize,
    /// Whether the value equals the field's previous one so far.
    field_equal: bool,
    /// Hashes of the clause and the word so far.
    clause: u32,
    word: u32,
    /// The last eight bytes.
    last: u64,
    hashes: [u32; CONTEXTS],
    slots: [usize; CONTEXTS],
    /// Bits of the byte so far, with a one in front.
    partial: usize,
    /// Which curve of each last refinement the coming bit uses, the step of it below the mixed probability and the way
    /// to the next.
    spots: [usize; 2],
    step: (usize, i32),
    inputs: [i16; INPUTS],
    sets: [usize; 3],
    outputs: [i32; 3],
    mixed: i32,
    expected: Option<u8>,
    /// The contexts of the next byte were not looked up yet.
    fresh: bool,
    stretcher: Stretcher,
    histories: &'static Histories,
}

impl Drop for Model {
    /// The next message has the tables, without what was learned.
    fn drop(&mut self) {
        if self.size == Size::Small {
            std::mem::take(&mut self.tables).give_back(self.at, &self.slots);
        }
    }
}

impl std::fmt::Debug for Model {
    /// Never shows what it learned: that is people's data.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Model({} bytes)", self.at)
    }
}

/// What the weighed inputs sum up to. Not inlined: the compiler takes eight at once only where it sees nothing else.
#[inline(never)]
fn dot(weights: &[i16; INPUTS], inputs: &[i16; INPUTS]) -> i32 {
    let products = weights
        .iter()
        .zip(inputs)
        .map(|(weight, input)| i32::from(*weight) * i32::from(*input));
    products.sum()
}

/// Moves the weights by an error.
#[inline(never)]
fn train(weights: &mut [i16; INPUTS], inputs: &[i16; INPUTS], error: i16) {
    for (weight, input) in weights.iter_mut().zip(inputs) {
        // Product / 65,536, rounded, in halves of the product that processors have for eight inputs at once.
        let upper = ((i32::from(*input) * i32::from(error)) >> 16) as i16;
        let half = (input.wrapping_mul(error) as u16) >> 15;
        *weight = weight.saturating_add(upper + half as i16);
    }
}

/// The line with this check byte among three, or the one of them that is worth least, emptied.
fn take_line(lines: &mut [[u8; 16]], histories: &Histories, first: usize, check: u8) -> usize {
    let places = [first, first ^ 1, first ^ 2];
    if let Some(found) = places.into_iter().find(|place| lines[*place][0] == check) {
        return found;
    }
    let weight = |place: &usize| histories.weight(lines[*place][1]);
    let place = places.into_iter().min_by_key(weight).unwrap_or(first);
    lines[place] = [0; 16];
    lines[place][0] = check;
    place
}

fn hash(a: u32, b: u32) -> u32 {
    let mixed = a.wrapping_mul(0x9e37_79b1) ^ b.wrapping_mul(0x85eb_ca6b).rotate_left(13);
    (mixed ^ (mixed >> 15)).wrapping_mul(0x2c1b_3c6d)
}

impl Model {
    /// A model that has seen nothing.
    pub fn new(size: Size) -> Self {
        Self {
            size,
            tables: Tables::take(size),
            at: 0,
            match_at: 0,
            match_length: 0,
            field: 0,
            field_at: 0,
            field_start: 0,
            field_equal: false,
            clause: 0,
            word: 0,
            last: 0,
            hashes: [0; CONTEXTS],
            slots: [0; CONTEXTS],
            partial: 1,
            spots: [0; 2],
            step: (0, 0),
            inputs: [0; INPUTS],
            sets: [0; 3],
            outputs: [0; 3],
            mixed: 32_768,
            expected: None,
            fresh: true,
            stretcher: Stretcher::new(),
            histories: Histories::get(),
        }
    }

    /// The tables, how many bytes were seen, and which lines were looked up last.
    #[cfg(test)]
    pub(crate) fn into_tables(mut self) -> (Tables, usize, [usize; CONTEXTS]) {
        // What is dropped has none any more.
        let tables = std::mem::replace(&mut self.tables, Tables::take(self.size));
        (tables, self.at, self.slots)
    }

    /// A value of this field begins.
    pub(crate) fn begin(&mut self, field: u32) {
        let slot = (hash(field, 77) >> (32 - FIELDS_BITS)) as usize;
        self.field = field;
        self.field_at = self.tables.fields[slot] as usize;
        self.tables.fields[slot] = u32::try_from(self.at).unwrap_or(0);
        self.field_start = self.at;
        self.field_equal = self.field_at > 0;
        self.clause = 0;
        self.word = 0;
        self.fresh = true;
    }

    fn past_byte(&self, at: usize) -> u8 {
        self.tables.past[at & ((1 << self.size.past_bits()) - 1)]
    }

    fn start_byte(&mut self) {
        let last = self.last;
        let order = |bytes: u32| {
            let kept = last & (u64::MAX >> (64 - 8 * bytes));
            hash(
                (kept as u32) ^ bytes.wrapping_mul(0x1f35_7a17),
                (kept >> 32) as u32,
            )
        };
        let field = hash(self.field, 3);
        let offset = u32::try_from(self.at - self.field_start).unwrap_or(u32::MAX);
        let before = if self.field_at > 0 {
            let byte = u32::from(self.past_byte(self.field_at));
            1 + byte + (u32::from(self.field_equal) << 9)
        } else {
            0
        };
        let last3 = hash((last & 0xff_ffff) as u32, 5);
        let long = hash(order(8), (self.last_bytes(12) & 0xffff_ffff) as u32);
        self.hashes = [
            order(1),
            order(2),
            order(3),
            order(4),
            order(6),
            long,
            field,
            hash(field, order(1)),
            hash(field, last3),
            hash(self.clause, 11),
            hash(hash(field, before), (last & 0xff) as u32),
            hash(hash(field, offset.min(255)), before),
            hash(self.word, field),
        ];
        for (at, context) in self.hashes.iter_mut().enumerate() {
            *context = hash(*context, at as u32 + 1);
        }
        self.partial = 1;
        self.find_lines();
        self.expected = (self.match_length >= MATCH_LEAST).then(|| self.past_byte(self.match_at));
        self.sets[1] = (self.field as usize) % SETS_FIELD;
    }

    fn last_bytes(&self, back: usize) -> u64 {
        let mut bytes = 0;
        for at in self.at.saturating_sub(back)..self.at.saturating_sub(8) {
            bytes = (bytes << 8) | u64::from(self.past_byte(at));
        }
        bytes
    }

    fn find_lines(&mut self) {
        let half = if self.partial >= 16 {
            (self.partial as u32).wrapping_mul(0x3d4d_51cb)
        } else {
            0
        };
        let lines = &mut self.tables.lines[..];
        let shift = 32 - self.size.lines_bits();
        let wanted = self.hashes.map(|context| hash(context, half));
        // All are fetched before any is looked at: the table is far larger than the caches.
        let checks = wanted.map(|wanted| lines[(wanted >> shift) as usize][0]);
        for ((slot, wanted), found) in self.slots.iter_mut().zip(wanted).zip(checks) {
            let check = (wanted & 0xff) as u8;
            let first = (wanted >> shift) as usize;
            // What an earlier context just took may be this very line.
            *slot = if found == check && lines[first][0] == check {
                first
            } else {
                take_line(lines, self.histories, first, check)
            };
        }
    }

    fn nibble_bits(&self) -> u32 {
        (usize::BITS - 1 - self.partial.leading_zeros()).saturating_sub(4)
    }

    /// The probability of a one, 16 bits, never 0 or 65,536.
    pub(crate) fn predict(&mut self) -> u32 {
        if self.fresh {
            self.fresh = false;
            self.start_byte();
        }
        let place = self.place() & 15;
        let lines = &self.tables.lines[..];
        let mut inputs = [0; INPUTS];
        for ((input, slot), chances) in inputs.iter_mut().zip(self.slots).zip(&self.tables.chances) {
            let history = lines[slot][place];
            let stretched = self.stretcher.stretch(chances[usize::from(history)].p16()) as i16;
            *input = if history == 0 { 0 } else { stretched };
        }
        let mut bucket = 0;
        let (mut plain, mut strong) = (0, 0);
        if let Some(bit) = self.expected_bit() {
            let chance = self.tables.match_chances[self.match_length as usize].p16();
            let stretched = self.stretcher.stretch(chance);
            let sign = if bit == 1 { 1 } else { -1 };
            plain = stretched * sign;
            strong = ((chance - 32_768) >> 4) * sign;
            bucket = 1 + (self.match_length.ilog2() as usize).min(6) * 2 + usize::from(bit);
        }
        inputs[CONTEXTS] = plain as i16;
        inputs[CONTEXTS + 1] = strong as i16;
        inputs[CONTEXTS + 2] = 256;
        self.sets[0] = bucket.min(SETS_MATCH - 1);
        let known = inputs[1..5].iter().filter(|input| **input != 0).count();
        self.sets[2] = self.partial + 256 * (known / 2).min(2);
        self.find_spots();
        let mut sum = 0;
        for (nth, weights) in self.tables.weights.iter().enumerate() {
            let stretched = (dot(&weights[self.sets[nth]], &inputs) >> 12).clamp(-STRETCH_MAX, STRETCH_MAX);
            self.outputs[nth] = squash(stretched);
            sum += stretched;
        }
        self.inputs = inputs;
        self.mixed = sum / 3;
        let at = (self.mixed - STEPS_FROM).clamp(0, STEP * (STEPS as i32 - 1) - 1);
        self.step = ((at / STEP) as usize, at % STEP);
        let refined = self.refine();
        let p = (squash(self.mixed) + refined + 1) >> 1;
        p.clamp(LEAST_CHANCE, 65_535 - LEAST_CHANCE) as u32
    }

    fn refine(&self) -> i32 {
        let (low, rest) = self.step;
        let mut sum = 0;
        for (chances, spot) in self.tables.curves.iter().zip(self.spots) {
            let curve = &chances[spot];
            sum += (curve[low].p16() * (STEP - rest) + curve[low + 1].p16() * rest) / STEP;
        }
        sum / 2
    }

    /// Chooses the curves of the last refinement, and has them fetched while the mixing goes on.
    fn find_spots(&mut self) {
        let order1 = self.sets[0] * 256 + self.partial;
        let field = (hash(hash(self.field, (self.last & 0xff) as u32), self.partial as u32) >> 20) as usize;
        self.spots = [order1, field];
        for (chances, spot) in self.tables.curves.iter().zip(self.spots) {
            let curve = &chances[spot];
            std::hint::black_box((curve[0].p16(), curve[STEPS - 1].p16()));
        }
    }

    fn place(&self) -> usize {
        if self.partial < 16 {
            self.partial
        } else {
            let bits = self.nibble_bits();
            (1 << bits) | (self.partial & ((1 << bits) - 1))
        }
    }

    fn expected_bit(&self) -> Option<u8> {
        let byte = self.expected?;
        let bits = usize::BITS - 1 - self.partial.leading_zeros();
        let so_far = (usize::from(byte) | 256) >> (8 - bits);
        (so_far == self.partial).then(|| (byte >> (7 - bits)) & 1)
    }

    /// The bit that really came.
    pub(crate) fn update(&mut self, bit: u8) {
        let target = i32::from(bit) << 16;
        for (nth, weights) in self.tables.weights.iter_mut().enumerate() {
            let error = ((target - self.outputs[nth]).clamp(-65_535, 65_535) * 3) >> 5;
            // Sixteen bits suffice for it: 65,535 x 3 / 32.
            train(&mut weights[self.sets[nth]], &self.inputs, error as i16);
        }
        let place = self.place() & 15;
        if self.size == Size::Small {
            self.tables.note(place, &self.slots, self.spots);
        }
        let (low, rest) = self.step;
        for (chances, spot) in self.tables.curves.iter_mut().zip(self.spots) {
            chances[spot][low + usize::from(rest > STEP / 2)].update(bit, REFINED_COUNT_MOST);
        }
        if let Some(expected) = self.expected_bit() {
            let right = u8::from(expected == bit);
            self.tables.match_chances[self.match_length as usize].update(right, MATCH_COUNT_MOST);
            if right == 0 {
                self.match_length = 0;
                self.expected = None;
            }
        }
        let (lines, histories) = (&mut self.tables.lines[..], self.histories);
        for (slot, chances) in self.slots.into_iter().zip(&mut self.tables.chances) {
            let history = &mut lines[slot][place];
            chances[usize::from(*history)].update(bit, COUNT_MOST);
            *history = histories.next(*history, bit);
        }
        self.partial = (self.partial << 1) | usize::from(bit);
        if self.partial >= 256 {
            let byte = (self.partial & 255) as u8;
            self.end_byte(byte);
        } else if self.partial >= 16 && self.partial < 32 {
            self.find_lines();
        }
    }

    fn end_byte(&mut self, byte: u8) {
        let mask = (1 << self.size.past_bits()) - 1;
        self.tables.past[self.at & mask] = byte;
        self.at += 1;
        self.last = (self.last << 8) | u64::from(byte);
        if self.field_at > 0 {
            self.field_equal &= self.past_byte(self.field_at) == byte;
            self.field_at += 1;
        }
        self.clause = hash(self.clause, u32::from(byte) + 1);
        self.word = if byte.is_ascii_alphanumeric() || byte >= 0x80 {
            hash(self.word, u32::from(byte) + 1)
        } else {
            0
        };
        let ends = matches!(
            self.last & 0xff_ffff,
            0xef_bc8c | 0xe3_8082 | 0xef_bc9b | 0xe3_8081 // ，。；、
        );
        if ends {
            self.clause = 0;
            self.word = 0;
        }
        self.find_match();
        self.fresh = true;
    }

    fn find_match(&mut self) {
        let mask = (1 << self.size.past_bits()) - 1;
        if self.match_length > 0 {
            self.match_at += 1;
            self.match_length = (self.match_length + 1).min(MATCH_MOST);
        }
        let key = hash(
            (self.last & 0xffff_ffff) as u32,
            ((self.last >> 32) & 0xff) as u32,
        );
        let slot = (key >> (32 - self.size.matches_bits())) as usize;
        if self.match_length < MATCH_LEAST {
            self.match_length = 0;
            let candidate = self.tables.matches[slot] as usize;
            if candidate > 0 && self.at - candidate <= mask {
                let mut length = 0;
                while length < MATCH_MOST
                    && (length as usize) < candidate
                    && self.past_byte(candidate - 1 - length as usize)
                        == self.past_byte(self.at - 1 - length as usize)
                {
                    length += 1;
                }
                self.match_at = candidate;
                self.match_length = length;
            }
        }
        self.tables.matches[slot] = u32::try_from(self.at).unwrap_or(0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn weights_move_by_the_rounded_product(
            before in prop::array::uniform16(any::<i16>()),
            inputs in prop::array::uniform16(-2047..=2047i16),
            error in -6144..=6144i16,
        ) {
            let mut weights = before;
            train(&mut weights, &inputs, error);
            for ((after, before), input) in weights.into_iter().zip(before).zip(inputs) {
                let step = (i32::from(input) * i32::from(error) + 32_768).div_euclid(65_536);
                let plain = (i32::from(before) + step).clamp(i32::from(i16::MIN), i32::from(i16::MAX));
                prop_assert_eq!(i32::from(after), plain);
            }
        }
    }
}

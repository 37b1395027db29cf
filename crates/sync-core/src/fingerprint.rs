//! One number that says whether two sides hold the same documents: the sum of a print per document.

use std::fmt;

use records::ids::DocId;

use crate::document::Heads;

/// The sum modulo 2^256 of BLAKE3(document id, sorted heads) over a set of documents. A document that changes
/// is taken out with its old print and put in with its new one, so the sum is kept as changes are written.
#[derive(Clone, Copy, PartialEq, Eq, Default)]
pub struct Fingerprint([u8; 32]);

/// The print of one document at its heads.
pub fn print_of(doc: DocId, heads: &Heads) -> [u8; 32] {
    let mut hasher = blake3::Hasher::new();
    hasher.update(doc.as_bytes());
    for head in heads.iter() {
        hasher.update(head);
    }
    *hasher.finalize().as_bytes()
}

impl Fingerprint {
    /// The fingerprint kept as these bytes, most significant first.
    pub fn from_bytes(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    /// The bytes, most significant first.
    pub fn to_bytes(self) -> [u8; 32] {
        self.0
    }

    /// Puts a document's print in.
    pub fn add(&mut self, print: &[u8; 32]) {
        let mut carry = 0u16;
        for (mine, theirs) in self.0.iter_mut().zip(print).rev() {
            let sum = u16::from(*mine) + u16::from(*theirs) + carry;
            let [high, low] = sum.to_be_bytes();
            *mine = low;
            carry = u16::from(high);
        }
    }

    /// Takes a document's print out.
    pub fn subtract(&mut self, print: &[u8; 32]) {
        let mut borrow = false;
        for (mine, theirs) in self.0.iter_mut().zip(print).rev() {
            let (first, under_first) = mine.overflowing_sub(*theirs);
            let (second, under_second) = first.overflowing_sub(u8::from(borrow));
            *mine = second;
            borrow = under_first || under_second;
        }
    }
}

impl fmt::Display for Fingerprint {
    /// 64 lower-case hexadecimal digits.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for Fingerprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Fingerprint({self})")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn the_sum_wraps_at_two_to_the_256() {
        let mut sum = Fingerprint::from_bytes([0xff; 32]);
        let mut one = [0; 32];
        one[31] = 1;
        sum.add(&one);
        assert_eq!(sum, Fingerprint::default());
        sum.subtract(&one);
        assert_eq!(sum.to_string(), "f".repeat(64));
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]
        #[test]
        fn order_does_not_matter_and_taking_out_undoes_putting_in(
            prints in prop::collection::vec(any::<[u8; 32]>(), 0..8),
            extra in any::<[u8; 32]>(),
        ) {
            let mut forward = Fingerprint::default();
            prints.iter().for_each(|print| forward.add(print));
            let mut backward = Fingerprint::default();
            backward.add(&extra);
            prints.iter().rev().for_each(|print| backward.add(print));
            backward.subtract(&extra);
            prop_assert_eq!(forward, backward);
        }
    }
}

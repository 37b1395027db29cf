//! What `decode` says of a citizen number (GB 11643-1999: 17 digits and a check character). Whether a number is
//! valid is [`ResidentIdNumber`]'s word; the parts are judged here each for itself, which that type, being valid
//! or not there at all, cannot tell.

use jiff::civil::Date;
use records::identity::ResidentIdNumber;

const WEIGHTS: [u32; 17] = [7, 9, 10, 5, 8, 4, 2, 1, 6, 3, 7, 9, 10, 5, 8, 4, 2];
const CHECKS: &[u8; 11] = b"10X98765432";

/// What a number of the right shape says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Judgement {
    /// The number is valid as a whole.
    pub is_valid: bool,
    /// Its check character fits.
    pub checksum_ok: bool,
    /// Its birth date, if that is a real date.
    pub birth: Option<Date>,
    /// Its sequence number is odd.
    pub is_male: bool,
}

/// Judges a number of 18 characters, the last a digit or `X` (small `x` as typed on keyboards is accepted);
/// `None` for any other text.
pub fn judge(text: &str) -> Option<Judgement> {
    let text = text.trim();
    let bytes: &[u8; 18] = text.as_bytes().try_into().ok()?;
    let (check, digits) = bytes.split_last()?;
    if !digits.iter().all(u8::is_ascii_digit) || !(check.is_ascii_digit() || matches!(check, b'X' | b'x')) {
        return None;
    }
    let sum: u32 = digits
        .iter()
        .zip(WEIGHTS)
        .map(|(digit, weight)| u32::from(digit - b'0') * weight)
        .sum();
    let number = |at: usize, length: usize| {
        digits[at..at + length]
            .iter()
            .fold(0_i16, |number, digit| number * 10 + i16::from(digit - b'0'))
    };
    let birth = Date::new(number(6, 4), number(10, 2) as i8, number(12, 2) as i8).ok();
    Some(Judgement {
        is_valid: ResidentIdNumber::parse(text).is_ok(),
        checksum_ok: CHECKS[(sum % 11) as usize] == check.to_ascii_uppercase(),
        birth,
        is_male: digits[16] % 2 == 1,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_small_x_is_an_x_and_other_texts_are_no_numbers() {
        assert!(judge("11010519491231002x").unwrap().is_valid);
        for text in [
            "",
            "110105491231002",
            "1101051949123100XX",
            "11010519491231002Y",
            "１１０１０５",
        ] {
            assert_eq!(judge(text), None, "{text}");
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: 200, failure_persistence: None, ..ProptestConfig::default() })]

        #[test]
        fn a_number_is_valid_exactly_when_its_parts_are(text in "[1-6][0-9]{5}(19|20)[0-9]{9}[0-9X]") {
            let judgement = judge(&text).unwrap();
            prop_assert_eq!(judgement.is_valid, judgement.checksum_ok && judgement.birth.is_some());
        }
    }
}

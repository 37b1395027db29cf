//! The citizen number of GB 11643-1999: 17 digits and a check character.

use jiff::civil::Date;

const WEIGHTS: [u32; 17] = [7, 9, 10, 5, 8, 4, 2, 1, 6, 3, 7, 9, 10, 5, 8, 4, 2];
const CHECKS: &[u8; 11] = b"10X98765432";

/// What a number of the right shape says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Judgement {
    /// Its check character fits.
    pub checksum_ok: bool,
    /// Its birth date, if that is a real date.
    pub birth: Option<Date>,
    /// Its sequence number is odd.
    pub is_male: bool,
}

impl Judgement {
    /// Whether check and birth date are both right.
    pub fn is_valid(&self) -> bool {
        self.checksum_ok && self.birth.is_some()
    }
}

/// Judges a number of 18 characters, the last a digit or `X` (small `x` as typed on keyboards is accepted);
/// `None` for any other text.
pub fn judge(text: &str) -> Option<Judgement> {
    let bytes: &[u8; 18] = text.trim().as_bytes().try_into().ok()?;
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
        checksum_ok: CHECKS[(sum % 11) as usize] == check.to_ascii_uppercase(),
        birth,
        is_male: digits[16] % 2 == 1,
    })
}

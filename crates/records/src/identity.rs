//! Resident identity numbers (GB 11643) and health archive numbers.

use crate::ids::BadId;
use crate::patients::Sex;
use crate::text::fold;
use crate::time::{BirthDate, Date};

/// Length of an identity number.
pub const ID_NUMBER_CHARS: usize = 18;
/// Most characters of an identity number that is kept unverified.
pub const UNVERIFIED_CHARS_MAX: usize = 40;

/// Weights of the first 17 digits (GB 11643, ISO 7064 MOD 11-2).
const WEIGHTS: [u32; 17] = [7, 9, 10, 5, 8, 4, 2, 1, 6, 3, 7, 9, 10, 5, 8, 4, 2];
/// Check characters by remainder (GB 11643).
const CHECKS: [u8; 11] = *b"10X98765432";

/// Why a text is not a valid identity number.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, thiserror::Error)]
pub enum IdNumberFault {
    /// Neither 18 nor (old form) 15 characters.
    #[error("identity number of a wrong length")]
    Length,
    /// Something else than digits, or an X before the end.
    #[error("identity number with characters that are no digits")]
    Digits,
    /// The date in it does not exist.
    #[error("identity number with a date that does not exist")]
    Date,
    /// The date in it lies after today.
    #[error("identity number with a birth date in the future")]
    Future,
    /// The check character is wrong.
    #[error("identity number whose check character is wrong")]
    Check,
}

/// An identity number of 18 characters whose date exists and whose check character is right.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ResidentIdNumber {
    text: String,
    birth: BirthDate,
}

impl ResidentIdNumber {
    /// Reads a number as it is typed: full-width, in groups, with a small x. The date is not compared with today
    /// (see [`ResidentIdNumber::parse_on`]); a number of the old form is refused (see [`OldIdNumber`]).
    pub fn parse(text: &str) -> Result<Self, IdNumberFault> {
        let text = tidy_number(text);
        let bytes = text.as_bytes();
        if bytes.len() != ID_NUMBER_CHARS {
            return Err(IdNumberFault::Length);
        }
        if !bytes[..17].iter().all(u8::is_ascii_digit) || !(bytes[17].is_ascii_digit() || bytes[17] == b'X') {
            return Err(IdNumberFault::Digits);
        }
        let birth: BirthDate = text[6..14].parse().map_err(|_| IdNumberFault::Date)?;
        if check_character(&bytes[..17]) != bytes[17] {
            return Err(IdNumberFault::Check);
        }
        Ok(Self { text, birth })
    }

    /// As [`ResidentIdNumber::parse`], and the birth date is not after `today`.
    pub fn parse_on(text: &str, today: Date) -> Result<Self, IdNumberFault> {
        let number = Self::parse(text)?;
        if number.birth.0 > today {
            Err(IdNumberFault::Future)
        } else {
            Ok(number)
        }
    }

    /// The 18 characters.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// The birth date in it.
    pub fn birth_date(&self) -> BirthDate {
        self.birth
    }

    /// The sex in it: the 17th digit is odd for men.
    pub fn sex(&self) -> Sex {
        if (self.text.as_bytes()[16] - b'0') % 2 == 1 {
            Sex::Male
        } else {
            Sex::Female
        }
    }

    /// The last four characters behind dots, as lists show it.
    pub fn masked(&self) -> String {
        masked(&self.text)
    }
}

/// The last four characters of any number, the others as dots.
pub fn masked(number: &str) -> String {
    let count = number.chars().count();
    number
        .chars()
        .enumerate()
        .map(|(at, c)| if at + 4 < count { '•' } else { c })
        .collect()
}

fn tidy_number(text: &str) -> String {
    let folded = fold(text);
    folded
        .chars()
        .filter(|c| !c.is_whitespace() && *c != '-')
        .flat_map(char::to_uppercase)
        .collect()
}

fn check_character(digits: &[u8]) -> u8 {
    let sum: u32 = digits
        .iter()
        .zip(WEIGHTS)
        .map(|(digit, weight)| u32::from(digit - b'0') * weight)
        .sum();
    CHECKS[sum as usize % CHECKS.len()]
}

/// A number of the cards of 1985 to 1999: 15 digits, a year of two digits and no check character. It is kept as it
/// is; the modern form is offered.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct OldIdNumber {
    text: String,
    modern: ResidentIdNumber,
}

impl OldIdNumber {
    /// Reads 15 digits whose date exists in the 20th century.
    pub fn parse(text: &str) -> Result<Self, IdNumberFault> {
        let text = tidy_number(text);
        if text.len() != 15 {
            return Err(IdNumberFault::Length);
        }
        if !text.bytes().all(|byte| byte.is_ascii_digit()) {
            return Err(IdNumberFault::Digits);
        }
        let mut modern = format!("{}19{}", &text[..6], &text[6..]);
        modern.push(char::from(check_character(modern.as_bytes())));
        let modern = ResidentIdNumber::parse(&modern)?;
        Ok(Self { text, modern })
    }

    /// The 15 digits.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// The number in its form of 18 characters.
    pub fn modern(&self) -> &ResidentIdNumber {
        &self.modern
    }
}

/// The identity number of a person. One that fails its check is kept and never dropped; it stands for nobody when
/// charts are matched.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum IdNumber {
    /// A number that is right in itself.
    Checked(ResidentIdNumber),
    /// What was written where a number is expected: a spoilt number, an old one, another country's.
    Unverified(String),
}

impl IdNumber {
    /// Takes what was written; `None` where nothing was.
    pub fn read(text: &str) -> Option<Self> {
        if let Ok(number) = ResidentIdNumber::parse(text) {
            return Some(Self::Checked(number));
        }
        let kept: String = tidy_number(text).chars().take(UNVERIFIED_CHARS_MAX).collect();
        (!kept.is_empty()).then_some(Self::Unverified(kept))
    }

    /// The number as text.
    pub fn as_str(&self) -> &str {
        match self {
            Self::Checked(number) => number.as_str(),
            Self::Unverified(text) => text,
        }
    }

    /// The number if it may stand for a person in matching.
    pub fn checked(&self) -> Option<&ResidentIdNumber> {
        match self {
            Self::Checked(number) => Some(number),
            Self::Unverified(_) => None,
        }
    }

    /// The last four characters behind dots.
    pub fn masked(&self) -> String {
        masked(self.as_str())
    }

    /// The last four characters alone.
    pub fn tail(&self) -> String {
        let chars: Vec<char> = self.as_str().chars().collect();
        chars[chars.len().saturating_sub(4)..].iter().collect()
    }
}

/// A resident's health archive number: 17 digits, county (6), township (3), village block (3), serial (5).
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ArchiveNumber(String);

impl ArchiveNumber {
    /// Reads 17 digits. The village block is 001-099 (residents committee), 101-199 (villagers committee) or
    /// 901-999 (other); serials begin at 00001.
    pub fn parse(text: &str) -> Result<Self, BadId> {
        let bad = BadId {
            kind: "ArchiveNumber",
            expected: "17 digits with a known village block",
        };
        let text = tidy_number(text);
        if text.len() != 17 || !text.bytes().all(|byte| byte.is_ascii_digit()) {
            return Err(bad);
        }
        let block: u32 = text[9..12].parse().map_err(|_| bad.clone())?;
        let block_known = matches!(block, 1..=99 | 101..=199 | 901..=999);
        if !block_known || &text[12..] == "00000" {
            Err(bad)
        } else {
            Ok(Self(text))
        }
    }

    /// The 17 digits.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The last eight digits as forms print them: block and serial.
    pub fn short(&self) -> String {
        format!("{}-{}", &self.0[9..12], &self.0[12..])
    }
}

/// Entry for fuzzing: reading never panics, and what is accepted reads again as itself.
pub fn fuzz_one(text: &str) {
    if let Ok(number) = ResidentIdNumber::parse(text) {
        assert_eq!(ResidentIdNumber::parse(number.as_str()).as_ref(), Ok(&number));
    }
    if let Some(number) = IdNumber::read(text) {
        let _ = (number.masked(), number.tail());
    }
    let _ = (OldIdNumber::parse(text), ArchiveNumber::parse(text));
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn vectors(kind: &str) -> Vec<Vec<String>> {
        let lines = crate::tables::rows(include_str!("../tables/identity_test_vectors.csv"));
        let lines: Vec<_> = lines.into_iter().filter(|line| line[0] == kind).collect();
        assert!(lines.len() >= 7);
        lines
    }

    #[test]
    fn identity_numbers_are_judged_as_the_vectors_say() {
        let today: Date = "2026-03-10".parse().unwrap();
        for line in vectors("id_no") {
            let (input, expected) = (&line[1], line[2].as_str());
            let read = ResidentIdNumber::parse_on(input, today);
            let verdict = match expected {
                "invalid: no such date" => Err(IdNumberFault::Date),
                "invalid: future date" => Err(IdNumberFault::Future),
                "invalid: checksum" => Err(IdNumberFault::Check),
                "invalid: length" => Err(IdNumberFault::Length),
                "valid legacy 15" => {
                    let old = OldIdNumber::parse(input).unwrap();
                    assert_eq!(old.as_str(), input);
                    assert!(
                        matches!(IdNumber::read(input), Some(IdNumber::Unverified(kept)) if kept == *input)
                    );
                    Ok(old.modern().clone())
                }
                valid => {
                    assert!(valid.starts_with("valid"), "{valid}");
                    read.clone()
                }
            };
            match verdict {
                Ok(number) => {
                    assert_eq!(number.birth_date().to_string(), line[4], "{input}");
                    assert_eq!(number.sex().word(), line[3], "{input}");
                }
                Err(fault) => {
                    assert_eq!(read, Err(fault), "{input}");
                    assert!(IdNumber::read(input).is_some(), "never dropped");
                }
            }
        }
    }

    #[test]
    fn archive_numbers_are_judged_as_the_vectors_say() {
        for line in vectors("archive_no") {
            assert_eq!(
                ArchiveNumber::parse(&line[1]).is_ok(),
                line[2] == "valid",
                "{line:?}"
            );
        }
        assert_eq!(
            ArchiveNumber::parse("35042610010100001").unwrap().short(),
            "101-00001"
        );
    }

    #[test]
    fn a_spoilt_number_is_kept_and_stands_for_nobody() {
        let spoilt = IdNumber::read("4.40981E+17").unwrap();
        assert!(spoilt.checked().is_none());
        assert_eq!(spoilt.tail(), "E+17");
        assert_eq!(IdNumber::read(" 　"), None);
    }

    #[test]
    fn only_the_tail_is_visible() {
        let number = ResidentIdNumber::parse("350426194803159992").unwrap();
        assert_eq!(number.masked(), "••••••••••••••9992");
        assert_eq!(masked("123"), "123");
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: 300, failure_persistence: None, ..ProptestConfig::default() })]

        #[test]
        fn any_text_is_read_or_refused(text in "([0-9]{15}|[0-9]{17}[0-9Xx]|\\PC{0,20})") {
            fuzz_one(&text);
        }

        #[test]
        fn one_wrong_digit_is_found(at in 0usize..17, step in 1u8..10) {
            let good = b"350426194803159992";
            let mut bad = *good;
            bad[at] = b'0' + (bad[at] - b'0' + step) % 10;
            prop_assert!(ResidentIdNumber::parse(std::str::from_utf8(&bad).unwrap()).is_err());
        }
    }
}

//! Debian version numbers and their order (deb-version(7)).

use std::cmp::Ordering;
use std::fmt;

/// A version: `[epoch:]upstream[-revision]`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Version(String);

impl Version {
    /// Takes any text; what is no version sorts by the same rules.
    pub fn new(text: &str) -> Self {
        Self(text.trim().to_owned())
    }

    /// As the archive writes it.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    fn parts(&self) -> (u64, &str, &str) {
        let (epoch, rest) = match self.0.split_once(':') {
            Some((epoch, rest)) => (epoch.parse().unwrap_or(0), rest),
            None => (0, self.0.as_str()),
        };
        match rest.rsplit_once('-') {
            Some((upstream, revision)) => (epoch, upstream, revision),
            None => (epoch, rest, ""),
        }
    }
}

impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl Ord for Version {
    fn cmp(&self, other: &Self) -> Ordering {
        let (a, b) = (self.parts(), other.parts());
        a.0.cmp(&b.0)
            .then_with(|| compare(a.1.as_bytes(), b.1.as_bytes()))
            .then_with(|| compare(a.2.as_bytes(), b.2.as_bytes()))
    }
}

impl PartialOrd for Version {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

/// Letters before other signs, a tilde before everything and before the end.
fn weight(byte: Option<&u8>) -> i32 {
    match byte {
        None => 0,
        Some(byte) if byte.is_ascii_digit() => 0,
        Some(b'~') => -1,
        Some(byte) if byte.is_ascii_alphabetic() => i32::from(*byte),
        Some(byte) => i32::from(*byte) + 256,
    }
}

/// Runs of other signs and runs of digits by turns.
fn compare(mut a: &[u8], mut b: &[u8]) -> Ordering {
    let is_text = |rest: &[u8]| rest.first().is_some_and(|byte| !byte.is_ascii_digit());
    while !a.is_empty() || !b.is_empty() {
        while is_text(a) || is_text(b) {
            let order = weight(a.first()).cmp(&weight(b.first()));
            if order != Ordering::Equal {
                return order;
            }
            a = a.get(1..).unwrap_or_default();
            b = b.get(1..).unwrap_or_default();
        }
        let (left, right) = (number(&mut a), number(&mut b));
        // Numbers without leading zeros: the longer one is the larger one.
        let order = left.len().cmp(&right.len()).then_with(|| left.cmp(right));
        if order != Ordering::Equal {
            return order;
        }
    }
    Ordering::Equal
}

fn number<'a>(rest: &mut &'a [u8]) -> &'a [u8] {
    let digits = rest.iter().take_while(|byte| byte.is_ascii_digit()).count();
    let (run, after) = rest.split_at(digits);
    *rest = after;
    let zeros = run.iter().take_while(|byte| **byte == b'0').count();
    &run[zeros..]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_ordered_as_the_archive_orders_them() {
        let ascending = [
            "0.9~~",
            "0.9~rc1-1",
            "0.9",
            "0.9-1~bpo1",
            "0.9-1",
            "0.9-1+b1",
            "0.9a",
            "0.9+dfsg-1",
            "0.10-0.1",
            "6.12.99-1",
            "6.12.117-1",
            "257.13-1~deb13u1",
            "257.13-1",
            "1:0.1",
            "2:0~",
        ];
        for pair in ascending.windows(2) {
            assert!(
                Version::new(pair[0]) < Version::new(pair[1]),
                "{} is before {}",
                pair[0],
                pair[1]
            );
        }
        assert_eq!(Version::new("1.0").cmp(&Version::new("0:1.00")), Ordering::Equal);
    }
}

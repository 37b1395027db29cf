//! Sizes as the print on a card tells them: decimal units.

use std::fmt;

/// A number of bytes for a person.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Size(pub u64);

impl fmt::Display for Size {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        const UNITS: [(u64, &str); 4] = [
            (1_000_000_000_000, "TB"),
            (1_000_000_000, "GB"),
            (1_000_000, "MB"),
            (1_000, "kB"),
        ];
        match UNITS.into_iter().find(|(unit, _)| self.0 >= *unit) {
            Some((unit, name)) => {
                let tenths = self.0 / (unit / 10);
                write!(f, "{}.{} {name}", tenths / 10, tenths % 10)
            }
            None => write!(f, "{} bytes", self.0),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_those_on_the_print_of_a_card() {
        let text = |bytes| Size(bytes).to_string();
        assert_eq!(text(31_914_983_424), "31.9 GB");
        assert_eq!(text(4_000_787_030_016), "4.0 TB");
        assert_eq!(
            (text(512), text(999_999)),
            ("512 bytes".to_owned(), "999.9 kB".to_owned())
        );
    }
}

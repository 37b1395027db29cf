//! How the box's data are protected on its disk. What the kernel shows decides whether they are encrypted; with whose
//! key is what the first program of the card told at this start.

use std::fs;

use card::protection::Source;
use shell::storage::Storage;

use crate::config::CardConfig;

/// What is known.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Protected {
    /// Nothing: no block device can be seen.
    Unknown,
    /// They lie open.
    Plain,
    /// They are encrypted; by a key of this machine where that is known.
    Encrypted(Option<Source>),
}

impl Protected {
    /// Looks.
    pub fn of(storage: &Storage, card: Option<&CardConfig>) -> Self {
        match storage.encrypted {
            None => Self::Unknown,
            Some(false) => Self::Plain,
            Some(true) => Self::Encrypted(card.and_then(told)),
        }
    }

    /// The key's source as one word.
    pub fn key(self) -> Option<&'static str> {
        match self {
            Self::Encrypted(source) => source.map(Source::word),
            Self::Unknown | Self::Plain => None,
        }
    }
}

fn told(card: &CardConfig) -> Option<Source> {
    Source::named(fs::read_to_string(card.run.join("data")).ok()?.trim())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_box_tells_no_more_of_its_disk_than_it_sees_and_was_told() {
        let run = tempfile::tempdir().unwrap();
        let card = CardConfig {
            device: "/dev/none".into(),
            county_key: "/none".into(),
            run: run.path().to_owned(),
        };
        let seen = |encrypted, card| {
            let storage = Storage {
                free: None,
                size: None,
                read_only: None,
                encrypted,
            };
            Protected::of(&storage, card)
        };
        assert_eq!(seen(Some(true), Some(&card)), Protected::Encrypted(None));
        fs::write(run.path().join("data"), "serial\n").unwrap();
        let basic = Protected::Encrypted(Some(Source::Serial));
        assert_eq!(seen(Some(true), Some(&card)), basic);
        assert_eq!(basic.key(), Some("serial"));
        assert_eq!(seen(Some(true), None), Protected::Encrypted(None));
        // The word of the first program makes no disk encrypted.
        assert_eq!(seen(Some(false), Some(&card)), Protected::Plain);
        assert_eq!(seen(None, Some(&card)), Protected::Unknown);
        fs::write(run.path().join("data"), "plain\n").unwrap();
        assert_eq!(seen(Some(true), Some(&card)), Protected::Encrypted(None));
    }
}

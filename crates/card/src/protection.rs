//! How the data of a box are protected, and the key of the machine that opens them without a person.

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use zeroize::Zeroizing;

/// Bytes of a key in one-time memory.
const OTP_BYTES: usize = 32;

/// What a county chose for a site.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Protection {
    /// The data lie open on the card. What rows said that were made before there was a choice.
    #[default]
    Plain,
    /// They are encrypted, and the machine opens them by its own key.
    Device,
    /// They are encrypted, and a person opens them once at each start.
    Pin,
    /// The same, and the county's hub opens them where it is reached.
    Hub,
}

/// Where a machine's key comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Source {
    /// The one-time memory of a Raspberry Pi, 256 bits that were drawn at random.
    Otp,
    /// QEMU's `fw_cfg`, which stands for it in tests.
    Emulated,
    /// The serial number of the processor, 32 bits: keeps who finds a card from reading it, and nobody who tries.
    Serial,
}

impl Source {
    /// From the strongest to the weakest; the emulated one is met only where there is no other.
    pub const ALL: [Self; 3] = [Self::Otp, Self::Emulated, Self::Serial];

    /// The source as one word, which stands in the volume's header.
    pub fn word(self) -> &'static str {
        match self {
            Self::Otp => "otp",
            Self::Emulated => "fw_cfg",
            Self::Serial => "serial",
        }
    }

    /// The source of this word.
    pub fn named(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|source| source.word() == word)
    }
}

/// The key of one machine; wiped when dropped.
pub struct DeviceKey {
    source: Source,
    secret: Zeroizing<[u8; 32]>,
}

impl DeviceKey {
    /// The key from what a source holds; `None` where it holds nothing that a key can be made of.
    pub fn of(source: Source, bytes: &[u8]) -> Option<Self> {
        let bytes = match source {
            // The device tree ends a text with a zero byte.
            Source::Serial => bytes.trim_ascii_end().strip_suffix(b"\0").unwrap_or(bytes),
            Source::Otp | Source::Emulated => bytes,
        };
        let is_key = match source {
            Source::Otp | Source::Emulated => bytes.len() == OTP_BYTES,
            Source::Serial => (8..=64).contains(&bytes.len()) && bytes.iter().all(u8::is_ascii_hexdigit),
        };
        // What was never written is all zeros, or one digit throughout.
        if !is_key || bytes.iter().all(|byte| Some(byte) == bytes.first()) {
            return None;
        }
        let mut hash = Sha256::new();
        hash.update(b"clinic box device key 1\n");
        hash.update(source.word());
        hash.update(b"\n");
        hash.update(bytes);
        let secret = Zeroizing::new(hash.finalize().into());
        Some(Self { source, secret })
    }

    /// Where it comes from.
    pub fn source(&self) -> Source {
        self.source
    }

    /// The secret that opens a slot.
    pub fn secret(&self) -> &[u8] {
        &*self.secret
    }
}

impl std::fmt::Debug for DeviceKey {
    /// Never shows the secret.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "DeviceKey({})", self.source.word())
    }
}

/// What knows the keys of a machine: its files on a box, anything in a test.
pub trait DeviceKeys {
    /// The bytes of this source; `None` where the machine has none.
    fn bytes(&self, source: Source) -> Option<Zeroizing<Vec<u8>>>;

    /// The key of this source.
    fn key(&self, source: Source) -> Option<DeviceKey> {
        DeviceKey::of(source, &self.bytes(source)?)
    }

    /// The strongest key, for a new volume.
    fn strongest(&self) -> Option<DeviceKey> {
        Source::ALL.into_iter().find_map(|source| self.key(source))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_made_of_what_a_source_really_holds() {
        let otp: Vec<u8> = (0..32).collect();
        let key = |source, bytes: &[u8]| DeviceKey::of(source, bytes).map(|key| key.secret().to_vec());
        assert!(key(Source::Otp, &otp).is_some());
        assert_ne!(key(Source::Otp, &otp), key(Source::Emulated, &otp));
        assert_eq!(key(Source::Otp, &[0; 32]), None, "never written");
        assert_eq!(key(Source::Otp, &otp[1..]), None);
        let serial = key(Source::Serial, b"10000000abcd1234\0");
        assert!(serial.is_some());
        assert_eq!(serial, key(Source::Serial, b"10000000abcd1234"));
        assert_eq!(key(Source::Serial, b"0000000000000000\0"), None);
        assert_eq!(key(Source::Serial, b"no serial"), None);
        for source in Source::ALL {
            assert_eq!(Source::named(source.word()), Some(source));
        }
    }
}

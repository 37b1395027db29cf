//! Encryption of files that leave the machine, in the age format (age-encryption.org/v1), so that other programs
//! open them, too. Age cuts the content into authenticated pieces: what was changed or cut off is noticed.

use std::fmt;
use std::io::{self, BufRead, Write};
use std::str::FromStr;

use age::secrecy::ExposeSecret as _;
use age::stream::{StreamReader, StreamWriter};
use age::x25519::{Identity, Recipient};
use bech32::{Bech32, Hrp};
use sync_core::identity::{DeviceKey, DevicePublicKey};

/// Prefix of a secret key's text form (age's specification).
const SECRET_PREFIX: Hrp = Hrp::parse_unchecked("age-secret-key-");
/// Prefix of a public key's text form.
const PUBLIC_PREFIX: Hrp = Hrp::parse_unchecked("age");
/// Longest text in which secret keys are looked for.
const KEY_TEXT_MAX: usize = 64 * 1024;
/// Most keys that one file is encrypted to.
pub const SEAL_KEYS_MAX: usize = 20;

/// A file cannot be encrypted or opened.
#[derive(Debug, thiserror::Error)]
pub enum SealFault {
    /// The text is no key to encrypt to.
    #[error("not a public key (age1…)")]
    BadPublicKey,
    /// The text holds no secret key.
    #[error("no secret key (AGE-SECRET-KEY-1…) in it")]
    BadSecretKey,
    /// Nobody was named who may open it, or too many.
    #[error("no key to encrypt to, or more than {SEAL_KEYS_MAX}")]
    NoKey,
    /// It was encrypted to other keys.
    #[error("encrypted to another key")]
    OtherKey,
    /// It is no encrypted file of ours, was changed, or its end is missing.
    #[error("damaged, cut off, or not an encrypted file")]
    Damaged,
    /// The file could not be read or written.
    #[error("could not read or write it")]
    File(#[from] io::Error),
}

/// A key that files are encrypted to. No secret.
#[derive(Clone, PartialEq, Eq)]
pub struct SealKey(Recipient);

impl SealKey {
    /// The key of a device or hub that is known by its public key.
    pub fn of_device(key: DevicePublicKey) -> Result<Self, SealFault> {
        let text = bech32::encode::<Bech32>(PUBLIC_PREFIX, &key.sealing_key());
        text.map_err(|_| SealFault::BadPublicKey)?.parse()
    }
}

impl FromStr for SealKey {
    type Err = SealFault;

    fn from_str(text: &str) -> Result<Self, SealFault> {
        let key = text.trim().parse().map_err(|_| SealFault::BadPublicKey)?;
        Ok(Self(key))
    }
}

impl fmt::Display for SealKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl fmt::Debug for SealKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SealKey({self})")
    }
}

/// A secret key that opens files.
#[derive(Clone)]
pub struct OpeningKey(Identity);

impl OpeningKey {
    /// The key of these 32 random bytes.
    pub fn from_secret(secret: &[u8; 32]) -> Result<Self, SealFault> {
        let text = bech32::encode::<Bech32>(SECRET_PREFIX, secret).map_err(|_| SealFault::BadSecretKey)?;
        let key = text.to_uppercase().parse().map_err(|_| SealFault::BadSecretKey)?;
        Ok(Self(key))
    }

    /// The key that opens what was encrypted to this device.
    pub fn of_device(key: &DeviceKey) -> Result<Self, SealFault> {
        Self::from_secret(&key.sealing_secret())
    }

    /// The keys in a text: one a line; lines that begin with `#` are notes.
    pub fn read_all(text: &str) -> Result<Vec<Self>, SealFault> {
        if text.len() > KEY_TEXT_MAX {
            return Err(SealFault::BadSecretKey);
        }
        let lines = text.lines().map(str::trim);
        let keys = lines.filter(|line| !line.is_empty() && !line.starts_with('#'));
        let keys = keys
            .map(|line| line.parse().map(Self).map_err(|_| SealFault::BadSecretKey))
            .collect::<Result<Vec<_>, _>>()?;
        if keys.is_empty() {
            return Err(SealFault::BadSecretKey);
        }
        Ok(keys)
    }

    /// The key as text. A secret: shown once, never logged.
    pub fn secret_text(&self) -> String {
        self.0.to_string().expose_secret().to_owned()
    }

    /// The public half.
    pub fn public(&self) -> SealKey {
        SealKey(self.0.to_public())
    }
}

impl fmt::Debug for OpeningKey {
    /// Never shows the secret.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "OpeningKey({})", self.public())
    }
}

/// Encrypts what is written to it; [`StreamWriter::finish`] ends it.
pub(crate) fn seal<W: Write>(out: W, keys: &[SealKey]) -> Result<StreamWriter<W>, SealFault> {
    if keys.is_empty() || keys.len() > SEAL_KEYS_MAX {
        return Err(SealFault::NoKey);
    }
    let recipients = keys.iter().map(|key| &key.0 as &dyn age::Recipient);
    let encryptor = age::Encryptor::with_recipients(recipients).map_err(|_| SealFault::NoKey)?;
    Ok(encryptor.wrap_output(out)?)
}

/// Reads what was encrypted to one of the keys.
pub(crate) fn unseal<R: BufRead>(from: R, keys: &[OpeningKey]) -> Result<StreamReader<R>, SealFault> {
    let damaged = |error| match error {
        age::DecryptError::NoMatchingKeys => SealFault::OtherKey,
        age::DecryptError::Io(error) => unreadable(error),
        _ => SealFault::Damaged,
    };
    let decryptor = age::Decryptor::new_buffered(from).map_err(damaged)?;
    let identities = keys.iter().map(|key| &key.0 as &dyn age::Identity);
    decryptor.decrypt(identities).map_err(damaged)
}

/// What a failed read means: the system's own errors are those of the medium, all others tell of the content.
pub(crate) fn unreadable(error: io::Error) -> SealFault {
    if error.raw_os_error().is_some() {
        SealFault::File(error)
    } else {
        SealFault::Damaged
    }
}

#[cfg(test)]
mod tests {
    use std::io::Read as _;

    use super::*;

    fn sealed(content: &[u8], keys: &[SealKey]) -> Vec<u8> {
        let mut writer = seal(Vec::new(), keys).unwrap();
        writer.write_all(content).unwrap();
        writer.finish().unwrap()
    }

    fn opened(bytes: &[u8], key: &OpeningKey) -> Result<Vec<u8>, SealFault> {
        let mut content = Vec::new();
        let mut reader = unseal(bytes, std::slice::from_ref(key))?;
        reader.read_to_end(&mut content).map_err(unreadable)?;
        Ok(content)
    }

    #[test]
    fn a_device_opens_what_was_sealed_to_its_public_key() {
        let (device, other) = (DeviceKey::from_seed(&[7; 32]), DeviceKey::from_seed(&[8; 32]));
        let bytes = sealed(b"record", &[SealKey::of_device(device.public()).unwrap()]);
        assert_eq!(
            opened(&bytes, &OpeningKey::of_device(&device).unwrap()).unwrap(),
            b"record"
        );
        assert!(matches!(
            opened(&bytes, &OpeningKey::of_device(&other).unwrap()),
            Err(SealFault::OtherKey)
        ));
    }

    #[test]
    fn every_changed_byte_and_every_missing_end_is_noticed() {
        let key = OpeningKey::from_secret(&[3; 32]).unwrap();
        let bytes = sealed(&[5; 200], &[key.public()]);
        for at in 0..bytes.len() {
            let mut changed = bytes.clone();
            changed[at] ^= 1;
            assert!(opened(&changed, &key).is_err(), "byte {at}");
            assert!(opened(&bytes[..at], &key).is_err(), "cut at {at}");
        }
    }

    #[test]
    fn keys_survive_their_text_form() {
        let key = OpeningKey::from_secret(&[9; 32]).unwrap();
        let text = format!("# made at first start\r\n\n{}\n", key.secret_text());
        assert_eq!(OpeningKey::read_all(&text).unwrap()[0].public(), key.public());
        assert_eq!(key.public().to_string().parse::<SealKey>().unwrap(), key.public());
        for bad in ["", "# only a note", "AGE-SECRET-KEY-1QQ", "age1qq"] {
            assert!(OpeningKey::read_all(bad).is_err(), "{bad}");
        }
        assert!(!format!("{key:?}").contains("SECRET"));
    }
}

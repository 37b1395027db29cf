//! Texts under an Ed25519 signature: one line of JSON, one line with the signature in hex.

use std::fmt;

use ed25519_dalek::{Signature, Signer, SigningKey, VerifyingKey};

/// What a signature is about; one for one purpose never fits another.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Purpose {
    /// Who a box is.
    Identity,
    /// What an update bundle holds.
    Bundle,
    /// Whom a box lets in for a while.
    Technician,
}

impl Purpose {
    fn tag(self) -> &'static [u8] {
        match self {
            Self::Identity => b"clinic box identity 1\n",
            Self::Bundle => b"clinic box update bundle 1\n",
            Self::Technician => b"clinic box technician 1\n",
        }
    }
}

/// Why a signed text is not believed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum SignedFault {
    /// It is not two lines, or the second is no signature.
    #[error("it is no signed text, or was cut short")]
    Form,
    /// None of the known keys made the signature over this text.
    #[error("its signature does not fit: it was changed, or signed with a key that is not known here")]
    DoesNotFit,
}

/// A text that is no key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not a key: 64 hexadecimal digits are expected")]
pub struct BadKey;

/// A key that signs.
pub struct SecretKey(SigningKey);

/// A key that checks.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct PublicKey(VerifyingKey);

fn bytes_of(text: &str) -> Result<[u8; 32], BadKey> {
    let mut bytes = [0; 32];
    hex::decode_to_slice(text.trim(), &mut bytes).map_err(|_| BadKey)?;
    Ok(bytes)
}

impl SecretKey {
    /// The key grown from random bytes.
    pub fn from_seed(seed: &[u8; 32]) -> Self {
        Self(SigningKey::from_bytes(seed))
    }

    /// Reads the text of a key's file.
    ///
    /// # Errors
    /// [`BadKey`].
    pub fn parse(text: &str) -> Result<Self, BadKey> {
        bytes_of(text).map(|seed| Self::from_seed(&seed))
    }

    /// The text of a key's file. A secret.
    pub fn to_text(&self) -> String {
        format!("{}\n", hex::encode(self.0.to_bytes()))
    }

    /// The other half.
    pub fn public(&self) -> PublicKey {
        PublicKey(self.0.verifying_key())
    }

    /// The scalar behind the key, for [`crate::recovery`].
    pub(crate) fn to_scalar_bytes(&self) -> zeroize::Zeroizing<[u8; 32]> {
        zeroize::Zeroizing::new(self.0.to_scalar_bytes())
    }

    /// Signs one line.
    pub fn seal(&self, purpose: Purpose, line: &str) -> String {
        let signature = self.0.sign(&[purpose.tag(), line.as_bytes()].concat());
        format!("{line}\n{}\n", hex::encode(signature.to_bytes()))
    }
}

impl fmt::Debug for SecretKey {
    /// Never shows the secret.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SecretKey({})", self.public())
    }
}

impl PublicKey {
    /// Reads the text of a key.
    ///
    /// # Errors
    /// [`BadKey`].
    pub fn parse(text: &str) -> Result<Self, BadKey> {
        let key = VerifyingKey::from_bytes(&bytes_of(text)?);
        key.map(Self).map_err(|_| BadKey)
    }

    /// The same key as one that texts are sealed to, for [`crate::recovery`].
    pub(crate) fn to_montgomery(self) -> curve25519_dalek::MontgomeryPoint {
        self.0.to_montgomery()
    }
}

impl fmt::Display for PublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&hex::encode(self.0.to_bytes()))
    }
}

impl fmt::Debug for PublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "PublicKey({self})")
    }
}

/// The line of a signed text that one of these keys signed for this purpose; what follows the two lines is not looked
/// at.
///
/// # Errors
/// [`SignedFault`].
pub fn open<'a>(purpose: Purpose, text: &'a [u8], keys: &[PublicKey]) -> Result<&'a str, SignedFault> {
    let mut lines = text.splitn(3, |byte| *byte == b'\n');
    let (Some(line), Some(signature), Some(_)) = (lines.next(), lines.next(), lines.next()) else {
        return Err(SignedFault::Form);
    };
    let mut bytes = [0; 64];
    hex::decode_to_slice(signature, &mut bytes).map_err(|_| SignedFault::Form)?;
    // One spelling, as it was written: two texts that differ are never both believed.
    if signature.iter().any(u8::is_ascii_uppercase) {
        return Err(SignedFault::Form);
    }
    let signature = Signature::from_bytes(&bytes);
    let message = [purpose.tag(), line].concat();
    if !keys
        .iter()
        .any(|key| key.0.verify_strict(&message, &signature).is_ok())
    {
        return Err(SignedFault::DoesNotFit);
    }
    std::str::from_utf8(line).map_err(|_| SignedFault::Form)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_signed_line_is_believed_for_its_purpose_and_key_only_and_no_byte_may_change() {
        let key = SecretKey::from_seed(&[3; 32]);
        let other = SecretKey::from_seed(&[4; 32]);
        let text = key.seal(Purpose::Bundle, r#"{"version":7}"#).into_bytes();
        let keys = [other.public(), key.public()];
        assert_eq!(open(Purpose::Bundle, &text, &keys), Ok(r#"{"version":7}"#));
        assert_eq!(
            open(Purpose::Identity, &text, &keys),
            Err(SignedFault::DoesNotFit)
        );
        assert_eq!(
            open(Purpose::Bundle, &text, &keys[..1]),
            Err(SignedFault::DoesNotFit)
        );
        for byte in 0..text.len() {
            for bit in 0..8 {
                let mut changed = text.clone();
                changed[byte] ^= 1 << bit;
                let opened = open(Purpose::Bundle, &changed, &keys);
                // The line feed at the very end is the only byte without a meaning, and still has to be one.
                assert!(opened.is_err(), "bit {bit} of byte {byte}");
            }
            assert!(
                open(Purpose::Bundle, &text[..byte], &keys).is_err(),
                "cut at {byte}"
            );
        }
    }

    #[test]
    fn keys_are_read_as_they_were_written_and_a_secret_is_not_shown() {
        let key = SecretKey::from_seed(&[9; 32]);
        assert_eq!(SecretKey::parse(&key.to_text()).unwrap().public(), key.public());
        assert_eq!(
            PublicKey::parse(&format!("{}\n", key.public())).unwrap(),
            key.public()
        );
        assert!(!format!("{key:?}").contains(&"09".repeat(32)));
        assert!(SecretKey::parse("abc").is_err() && PublicKey::parse(&"f".repeat(63)).is_err());
    }
}

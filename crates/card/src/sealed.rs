//! Sealing to a public key: what was sealed only the holder of the other half reads, not even who sealed it. X25519 with
//! a key pair for this one message, then ChaCha20-Poly1305.

use chacha20poly1305::aead::Aead;
use chacha20poly1305::{ChaCha20Poly1305, KeyInit};
use curve25519_dalek::MontgomeryPoint;
use sha2::{Digest, Sha256};
use zeroize::Zeroizing;

use crate::random::Random;

/// Bytes of a public key, and of the sender's half before what is sealed.
const POINT: usize = 32;
/// Bytes by which the sealed form is longer.
pub const LONGER: usize = POINT + 16;
/// What is sealed by a box for itself.
const INBOX: &[u8] = b"clinic box inbox 1\n";

/// Seals bytes to a public key; `purpose` keeps what is sealed for one use from being opened in another.
pub(crate) fn seal(purpose: &[u8], bytes: &[u8], theirs: MontgomeryPoint, random: &mut Random) -> Vec<u8> {
    let once: Zeroizing<[u8; 32]> = random.draw();
    let ours = MontgomeryPoint::mul_base_clamped(*once);
    let cipher = cipher(purpose, theirs.mul_clamped(*once), ours, theirs);
    // The key serves this one message: its number may be any.
    let sealed = cipher.encrypt(&Default::default(), bytes);
    [&ours.to_bytes()[..], &sealed.unwrap_or_default()].concat()
}

/// Opens what was sealed to the public half of this secret; `None` where it was not, or was changed.
pub(crate) fn open(purpose: &[u8], sealed: &[u8], secret: &[u8; 32]) -> Option<Zeroizing<Vec<u8>>> {
    let (point, sealed) = sealed.split_first_chunk::<POINT>()?;
    let theirs = MontgomeryPoint(*point);
    let ours = MontgomeryPoint::mul_base_clamped(*secret);
    let cipher = cipher(purpose, theirs.mul_clamped(*secret), theirs, ours);
    cipher
        .decrypt(&Default::default(), sealed)
        .ok()
        .map(Zeroizing::new)
}

fn cipher(
    purpose: &[u8],
    shared: MontgomeryPoint,
    sender: MontgomeryPoint,
    receiver: MontgomeryPoint,
) -> ChaCha20Poly1305 {
    let mut hash = Sha256::new();
    hash.update(purpose);
    for point in [shared, sender, receiver] {
        hash.update(point.to_bytes());
    }
    let key = Zeroizing::new(<[u8; 32]>::from(hash.finalize()));
    ChaCha20Poly1305::new(&(*key).into())
}

/// The half of a box's inbox key that may lie on a locked card: it seals, and opens nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct InboxPublic([u8; POINT]);

impl InboxPublic {
    /// Seals a message.
    pub fn seal(&self, bytes: &[u8], random: &mut Random) -> Vec<u8> {
        seal(INBOX, bytes, MontgomeryPoint(self.0), random)
    }

    /// 64 hexadecimal digits.
    pub fn to_hex(self) -> String {
        hex::encode(self.0)
    }

    /// The key of 64 hexadecimal digits.
    pub fn from_hex(text: &str) -> Option<Self> {
        let mut point = [0; POINT];
        hex::decode_to_slice(text, &mut point).ok()?;
        Some(Self(point))
    }
}

/// The half of a box's inbox key that lies among its data; wiped when dropped.
pub struct InboxKey(Zeroizing<[u8; 32]>);

impl InboxKey {
    /// The key of these bytes, which were drawn at random.
    pub fn new(secret: Zeroizing<[u8; 32]>) -> Self {
        Self(secret)
    }

    /// Its other half.
    pub fn public(&self) -> InboxPublic {
        InboxPublic(MontgomeryPoint::mul_base_clamped(*self.0).to_bytes())
    }

    /// Opens a message; `None` where it was sealed to another key, or was changed.
    pub fn open(&self, sealed: &[u8]) -> Option<Zeroizing<Vec<u8>>> {
        open(INBOX, sealed, &self.0)
    }
}

impl std::fmt::Debug for InboxKey {
    /// Never shows it.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("InboxKey")
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn key(seed: u8) -> InboxKey {
        InboxKey::new(Zeroizing::new([seed; 32]))
    }

    proptest! {
        #[test]
        fn only_the_other_half_opens_a_message_and_no_bit_may_change(
            bytes in proptest::collection::vec(any::<u8>(), 0..600),
            at in any::<prop::sample::Index>(),
            bit in 0_u8..8,
        ) {
            let mut random = Random::new(Zeroizing::new([7; 32]));
            let sealed = key(1).public().seal(&bytes, &mut random);
            prop_assert_eq!(sealed.len(), bytes.len() + LONGER);
            prop_assert_eq!(key(1).open(&sealed).map(|opened| opened.to_vec()), Some(bytes));
            prop_assert!(key(2).open(&sealed).is_none());
            let mut changed = sealed.clone();
            changed[at.index(sealed.len())] ^= 1 << bit;
            // A point has two forms that mean the same: its highest bit counts for nothing by itself, and yet is checked.
            prop_assert!(key(1).open(&changed).is_none());
            prop_assert!(open(b"clinic box recovery key 1\n", &sealed, &[1; 32]).is_none());
        }
    }

    #[test]
    fn a_public_half_is_read_as_it_was_written() {
        let public = key(3).public();
        assert_eq!(InboxPublic::from_hex(&public.to_hex()), Some(public));
        for text in ["", "00", &"zz".repeat(32)] {
            assert_eq!(InboxPublic::from_hex(text), None);
        }
    }
}

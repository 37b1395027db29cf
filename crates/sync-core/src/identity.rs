//! Who wrote a change: device keys, actors, positions in the log, and signatures over batches.
//!
//! A device signs batches, not records: one signature covers the Merkle root of (sequence, document, hash) of
//! all changes in the batch. A change's hash commits to its whole past, so the signature stands for every
//! record in it, at 64 bytes a batch.

use std::fmt;

use ed25519_dalek::{Signature, Signer, SigningKey, VerifyingKey};
use records::ids::{DeviceId, DocId, SessionId};
use sha2::{Digest, Sha256};

/// Length of an Ed25519 signature in bytes (RFC 8032).
pub const SIGNATURE_LEN: usize = 64;
/// Length of an Ed25519 public key in bytes (RFC 8032).
pub const PUBLIC_KEY_LEN: usize = 32;

/// A run of the program on a device: the Automerge actor of every change that it writes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Actor {
    /// The device.
    pub device: DeviceId,
    /// The run of the program on it.
    pub session: SessionId,
}

impl Actor {
    /// The 16 bytes of the Automerge actor: device, then session.
    pub fn to_bytes(self) -> [u8; 16] {
        let mut bytes = [0; 16];
        bytes[..8].copy_from_slice(self.device.as_bytes());
        bytes[8..].copy_from_slice(self.session.as_bytes());
        bytes
    }

    /// The actor with these 16 bytes; `None` for any other length.
    pub fn from_slice(bytes: &[u8]) -> Option<Self> {
        if bytes.len() != 16 {
            return None;
        }
        let device = DeviceId::from_slice(&bytes[..8]).ok()?;
        let session = SessionId::from_slice(&bytes[8..]).ok()?;
        Some(Self { device, session })
    }

    /// The position of this actor's change with the number `seq`.
    pub fn at(self, seq: u64) -> Position {
        Position { actor: self, seq }
    }
}

/// Where a change stands in the log of its writer. Counted from 1 across all documents of a session.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Position {
    /// Who wrote it.
    pub actor: Actor,
    /// The how-manieth change of the session it is, from 1.
    pub seq: u64,
}

/// A bad key or a signature that does not fit.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum SignatureFault {
    /// The bytes are no point that Ed25519 accepts as a public key.
    #[error("not an ed25519 public key")]
    BadKey,
    /// The signature was made by another key or over other content.
    #[error("signature does not fit the batch")]
    DoesNotFit,
}

/// The secret key of a device. Made on the device and never leaves it.
#[derive(Clone)]
pub struct DeviceKey(SigningKey);

impl DeviceKey {
    /// The key grown from 32 random bytes.
    pub fn from_seed(seed: &[u8; 32]) -> Self {
        Self(SigningKey::from_bytes(seed))
    }

    /// The 32 bytes that the key is kept as. A secret.
    pub fn seed(&self) -> [u8; 32] {
        self.0.to_bytes()
    }

    /// The public half.
    pub fn public(&self) -> DevicePublicKey {
        DevicePublicKey(self.0.verifying_key())
    }

    /// The id of the device that owns this key.
    pub fn device(&self) -> DeviceId {
        self.public().device()
    }

    /// The X25519 secret of the same key pair (RFC 7748; RFC 8032 section 5.1.5): opens files that were encrypted to
    /// [`DevicePublicKey::sealing_key`].
    pub fn sealing_secret(&self) -> [u8; 32] {
        self.0.to_scalar_bytes()
    }

    /// Signs a claim.
    pub fn sign(&self, claim: &Claim<'_>) -> [u8; SIGNATURE_LEN] {
        self.0.sign(&claim.message()).to_bytes()
    }

    /// The key as PKCS #8 (RFC 8410, version 1), for TLS. A secret.
    pub fn to_pkcs8(&self) -> Vec<u8> {
        let mut der = PKCS8_ED25519_HEAD.to_vec();
        der.extend_from_slice(&self.seed());
        der
    }
}

/// DER of a PKCS #8 v1 private key with the Ed25519 algorithm, up to the 32 key bytes (RFC 8410 section 7).
const PKCS8_ED25519_HEAD: [u8; 16] = [
    0x30, 0x2e, 0x02, 0x01, 0x00, 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70, 0x04, 0x22, 0x04, 0x20,
];

impl fmt::Debug for DeviceKey {
    /// Never shows the secret.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "DeviceKey({})", self.device())
    }
}

/// The public key of a device.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct DevicePublicKey(VerifyingKey);

impl DevicePublicKey {
    /// Reads a key from its 32 bytes.
    pub fn from_slice(bytes: &[u8]) -> Result<Self, SignatureFault> {
        let bytes: &[u8; PUBLIC_KEY_LEN] = bytes.try_into().map_err(|_| SignatureFault::BadKey)?;
        VerifyingKey::from_bytes(bytes)
            .map(Self)
            .map_err(|_| SignatureFault::BadKey)
    }

    /// The 32 bytes of the key.
    pub fn to_bytes(self) -> [u8; PUBLIC_KEY_LEN] {
        self.0.to_bytes()
    }

    /// The X25519 public key of the same key pair (the point in Montgomery form, RFC 7748): files for this device are
    /// encrypted to it, so that knowing whom to trust is enough to write to it.
    pub fn sealing_key(self) -> [u8; 32] {
        self.0.to_montgomery().to_bytes()
    }

    /// The id of the device: the first 8 bytes of the SHA-256 of its public key.
    pub fn device(self) -> DeviceId {
        let digest = Sha256::digest(self.to_bytes());
        let mut id = [0; 8];
        id.copy_from_slice(&digest[..8]);
        DeviceId(id)
    }

    /// Checks a signature. Keys and signatures of small order are refused (`verify_strict`).
    pub fn verify(self, claim: &Claim<'_>, signature: &[u8; SIGNATURE_LEN]) -> Result<(), SignatureFault> {
        self.0
            .verify_strict(&claim.message(), &Signature::from_bytes(signature))
            .map_err(|_| SignatureFault::DoesNotFit)
    }
}

impl fmt::Debug for DevicePublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "DevicePublicKey({})", self.device())
    }
}

/// What a signature is about; a signature for one purpose never fits another.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Purpose {
    /// A device sends changes that it wrote.
    Batch,
    /// A device sends entries of its audit chain.
    Audit,
    /// A hub relays changes of others.
    Relay,
    /// A hub states a fact of its own (roster, enrolment, epoch).
    Fact,
    /// A device asks to be taken in.
    Enrol,
    /// A device names the one that takes its place.
    Succession,
    /// A device or a hub writes a file for the stick.
    Stick,
    /// A locked box asks its hub for its share.
    ShareAsk,
    /// An open box gives its hub a share to keep.
    ShareGive,
    /// A hub says why it gives no share.
    ShareRefusal,
}

impl Purpose {
    fn tag(self) -> &'static [u8] {
        match self {
            Self::Batch => b"clinic-box batch v1\0",
            Self::Audit => b"clinic-box audit v1\0",
            Self::Relay => b"clinic-box relay v1\0",
            Self::Fact => b"clinic-box fact v1\0",
            Self::Enrol => b"clinic-box enrol v1\0",
            Self::Succession => b"clinic-box succession v1\0",
            Self::Stick => b"clinic-box stick v1\0",
            Self::ShareAsk => b"clinic-box share ask v1\0",
            Self::ShareGive => b"clinic-box share give v1\0",
            Self::ShareRefusal => b"clinic-box share refusal v1\0",
        }
    }
}

/// What is signed: purpose, protocol, county, the signing actor and the root over the content.
#[derive(Debug, Clone, Copy)]
pub struct Claim<'a> {
    /// What the signature is about.
    pub purpose: Purpose,
    /// Version of the wire protocol under which it was made.
    pub protocol: u16,
    /// The county: the SHA-256 of the public key of the hub's CA.
    pub county: &'a [u8; 32],
    /// Whose session the content belongs to; for a hub's relay, the hub's own.
    pub actor: Actor,
    /// Root over the content.
    pub root: [u8; 32],
}

impl Claim<'_> {
    fn message(&self) -> Vec<u8> {
        let mut message = Vec::with_capacity(112);
        message.extend_from_slice(self.purpose.tag());
        message.extend_from_slice(&self.protocol.to_be_bytes());
        message.extend_from_slice(self.county);
        message.extend_from_slice(&self.actor.to_bytes());
        message.extend_from_slice(&self.root);
        message
    }
}

/// The content of one leaf under a signed root.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SignedLeaf {
    /// Who wrote the change; the same as the claim's actor except in a hub's relay.
    pub position: Position,
    /// The document.
    pub doc: DocId,
    /// The change's hash.
    pub hash: [u8; 32],
}

impl SignedLeaf {
    fn hash(&self) -> [u8; 32] {
        let mut hasher = Sha256::new();
        hasher.update([LEAF_TAG]);
        hasher.update(self.position.actor.to_bytes());
        hasher.update(self.position.seq.to_be_bytes());
        hasher.update(self.doc.as_bytes());
        hasher.update(self.hash);
        hasher.finalize().into()
    }
}

/// Prefix of leaves, so that a leaf is never taken for a node (as in RFC 6962).
const LEAF_TAG: u8 = 0;
/// Prefix of inner nodes.
const NODE_TAG: u8 = 1;

/// The Merkle root over the leaves in their order; an odd node at the end of a row moves up unchanged. The
/// root over nothing is all zeros.
pub fn merkle_root(leaves: &[SignedLeaf]) -> [u8; 32] {
    let mut row: Vec<[u8; 32]> = leaves.iter().map(SignedLeaf::hash).collect();
    while row.len() > 1 {
        row = row
            .chunks(2)
            .map(|pair| match pair {
                [left, right] => {
                    let mut hasher = Sha256::new();
                    hasher.update([NODE_TAG]);
                    hasher.update(left);
                    hasher.update(right);
                    hasher.finalize().into()
                }
                rest => rest.first().copied().unwrap_or_default(),
            })
            .collect();
    }
    row.first().copied().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn leaf(seq: u64) -> SignedLeaf {
        let actor = Actor {
            device: DeviceId([1; 8]),
            session: SessionId([2; 8]),
        };
        SignedLeaf {
            position: actor.at(seq),
            doc: DocId([3; 16]),
            hash: [4; 32],
        }
    }

    #[test]
    fn a_device_is_named_by_its_public_key() {
        // RFC 8032 section 7.1, test 1; the id is what `sha256sum` says of the public key.
        let seed = [
            0x9d, 0x61, 0xb1, 0x9d, 0xef, 0xfd, 0x5a, 0x60, 0xba, 0x84, 0x4a, 0xf4, 0x92, 0xec, 0x2c, 0xc4,
            0x44, 0x49, 0xc5, 0x69, 0x7b, 0x32, 0x69, 0x19, 0x70, 0x3b, 0xac, 0x03, 0x1c, 0xae, 0x7f, 0x60,
        ];
        let key = DeviceKey::from_seed(&seed);
        assert_eq!(key.public().to_bytes()[..4], [0xd7, 0x5a, 0x98, 0x01]);
        assert_eq!(key.device().to_string(), "21fe31dfa154a261");
        let again = DevicePublicKey::from_slice(&key.public().to_bytes()).unwrap();
        assert_eq!(again, key.public());
        assert_eq!(DevicePublicKey::from_slice(&[1; 31]), Err(SignatureFault::BadKey));
        assert!(!format!("{key:?}").contains("9d61"));
    }

    #[test]
    fn an_actor_survives_its_bytes() {
        let actor = leaf(1).position.actor;
        assert_eq!(Actor::from_slice(&actor.to_bytes()), Some(actor));
        assert_eq!(Actor::from_slice(&[0; 15]), None);
    }

    #[test]
    fn a_signature_fits_one_claim_only() {
        let key = DeviceKey::from_seed(&[9; 32]);
        let county = [5; 32];
        let claim = Claim {
            purpose: Purpose::Batch,
            protocol: 1,
            county: &county,
            actor: leaf(1).position.actor,
            root: merkle_root(&[leaf(1), leaf(2)]),
        };
        let signature = key.sign(&claim);
        assert_eq!(key.public().verify(&claim, &signature), Ok(()));
        let others = [
            Claim {
                purpose: Purpose::Relay,
                ..claim
            },
            Claim { protocol: 2, ..claim },
            Claim {
                county: &[6; 32],
                ..claim
            },
            Claim {
                actor: Actor {
                    session: SessionId([9; 8]),
                    ..claim.actor
                },
                ..claim
            },
            Claim {
                root: merkle_root(&[leaf(2), leaf(1)]),
                ..claim
            },
        ];
        for other in others {
            assert_eq!(
                key.public().verify(&other, &signature),
                Err(SignatureFault::DoesNotFit)
            );
        }
        let stranger = DeviceKey::from_seed(&[8; 32]).public();
        assert_eq!(
            stranger.verify(&claim, &signature),
            Err(SignatureFault::DoesNotFit)
        );
    }

    #[test]
    fn every_leaf_and_its_place_count_in_the_root() {
        let roots: Vec<_> = (0..9)
            .map(|n| merkle_root(&(0..n).map(leaf).collect::<Vec<_>>()))
            .collect();
        for (at, root) in roots.iter().enumerate() {
            assert!(!roots[at + 1..].contains(root));
        }
        assert_eq!(roots[0], [0; 32]);
    }
}

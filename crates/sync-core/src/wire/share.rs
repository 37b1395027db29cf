//! The hub's share of a box's opening: what an open box gives its hub to keep, and what a locked one asks for.
//!
//! The certificate of a locked box lies among its data, so it comes without one, as a box does that asks to be taken in. It
//! knocks and names its device; the hub answers with a nonce; everything after that is signed over this nonce, the county
//! and the device. What was signed for one connection is worth nothing at another.

use records::ids::{DeviceId, SessionId};
use sha2::{Digest, Sha256};

use crate::identity::{
    Actor, Claim, DeviceKey, DevicePublicKey, PUBLIC_KEY_LEN, Purpose, SIGNATURE_LEN, SignatureFault,
};
use crate::wire::bytes::{Reader, WireFault, Writer};

/// Bytes of a nonce.
pub const NONCE_LEN: usize = 32;
/// Bytes of a share.
pub const SHARE_LEN: usize = 32;

/// What the hub keeps for a box: a secret.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Share(pub [u8; SHARE_LEN]);

impl std::fmt::Debug for Share {
    /// Never shows it.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Share")
    }
}

/// A box comes about its share.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Knock {
    /// The device that it says it is.
    pub device: DeviceId,
}

impl Knock {
    pub(crate) fn write(&self, out: &mut Writer) {
        out.put(self.device.as_bytes());
    }

    pub(crate) fn read(from: &mut Reader<'_>) -> Result<Self, WireFault> {
        from.array("device").map(|device| Self {
            device: DeviceId(device),
        })
    }
}

/// One connection, as both of its ends know it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Meeting {
    /// The county: SHA-256 of the public key of the hub's CA.
    pub county: [u8; 32],
    /// The device that knocked.
    pub device: DeviceId,
    /// The hub's nonce.
    pub nonce: [u8; NONCE_LEN],
}

impl Meeting {
    fn claim(&self, purpose: Purpose, parts: &[&[u8]]) -> Claim<'_> {
        let mut hasher = Sha256::new();
        hasher.update(self.nonce);
        for part in parts {
            hasher.update(part);
        }
        Claim {
            purpose,
            protocol: super::VERSION,
            county: &self.county,
            // It speaks for no run of the program: the data are closed.
            actor: Actor {
                device: self.device,
                session: SessionId([0; 8]),
            },
            root: hasher.finalize().into(),
        }
    }
}

/// A locked box asks for its share, by a key of its own for this purpose.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ShareAsk {
    /// The public half of that key.
    pub key: [u8; PUBLIC_KEY_LEN],
    /// The box's own nonce: what the hub refuses, it refuses to this question.
    pub nonce: [u8; NONCE_LEN],
    /// Proof that the box has the secret half.
    pub signature: [u8; SIGNATURE_LEN],
}

impl ShareAsk {
    /// Makes the question.
    pub fn sign(key: &DeviceKey, meeting: &Meeting, nonce: [u8; NONCE_LEN]) -> Self {
        let public = key.public().to_bytes();
        let claim = meeting.claim(Purpose::ShareAsk, &[&public, &nonce]);
        Self {
            key: public,
            nonce,
            signature: key.sign(&claim),
        }
    }

    /// Checks the proof.
    ///
    /// # Errors
    /// [`SignatureFault`]: for another connection, device, county or key.
    pub fn verify(&self, meeting: &Meeting) -> Result<(), SignatureFault> {
        let claim = meeting.claim(Purpose::ShareAsk, &[&self.key, &self.nonce]);
        DevicePublicKey::from_slice(&self.key)?.verify(&claim, &self.signature)
    }

    pub(crate) fn write(&self, out: &mut Writer) {
        out.put(&self.key);
        out.put(&self.nonce);
        out.put(&self.signature);
    }

    pub(crate) fn read(from: &mut Reader<'_>) -> Result<Self, WireFault> {
        Ok(Self {
            key: from.array("opening key")?,
            nonce: from.array("nonce")?,
            signature: from.array("signature")?,
        })
    }
}

/// An open box gives its hub what it will ask for, by its device's key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ShareGive {
    /// The device's public key.
    pub device_key: [u8; PUBLIC_KEY_LEN],
    /// The public half of the key by which the locked box will ask.
    pub key: [u8; PUBLIC_KEY_LEN],
    /// The share.
    pub share: Share,
    /// The device's signature over both.
    pub signature: [u8; SIGNATURE_LEN],
}

impl ShareGive {
    /// Makes it; `key` is the public half of the key by which the locked box will ask.
    pub fn sign(device: &DeviceKey, meeting: &Meeting, key: [u8; PUBLIC_KEY_LEN], share: Share) -> Self {
        let claim = meeting.claim(Purpose::ShareGive, &[&key, &share.0]);
        Self {
            device_key: device.public().to_bytes(),
            key,
            share,
            signature: device.sign(&claim),
        }
    }

    /// Checks the proof.
    ///
    /// # Errors
    /// [`SignatureFault`]: for another connection, county or device.
    pub fn verify(&self, meeting: &Meeting) -> Result<(), SignatureFault> {
        let device = DevicePublicKey::from_slice(&self.device_key)?;
        if device.device() != meeting.device {
            return Err(SignatureFault::DoesNotFit);
        }
        let claim = meeting.claim(Purpose::ShareGive, &[&self.key, &self.share.0]);
        device.verify(&claim, &self.signature)
    }

    pub(crate) fn write(&self, out: &mut Writer) {
        out.put(&self.device_key);
        out.put(&self.key);
        out.put(&self.share.0);
        out.put(&self.signature);
    }

    pub(crate) fn read(from: &mut Reader<'_>) -> Result<Self, WireFault> {
        Ok(Self {
            device_key: from.array("public key")?,
            key: from.array("opening key")?,
            share: Share(from.array("share")?),
            signature: from.array("signature")?,
        })
    }
}

/// Why a hub gives no share, or keeps none.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ShareWhy {
    /// The device was revoked.
    Revoked,
    /// Another device took the place of this one.
    Succeeded,
    /// The hub does not know the device.
    Unknown,
    /// The hub keeps no share for this device.
    NotKept,
    /// The question does not prove the key that the hub knows for this device.
    BadProof,
    /// The device asked too often.
    TooOften,
    /// The hub could not read or write its store.
    HubFault,
    /// The hub was restored and waits until another box was heard: it may have forgotten a revocation.
    NotYet,
    /// A reason of a newer release.
    Other(u8),
}

impl ShareWhy {
    /// The number on the wire.
    pub fn number(self) -> u8 {
        match self {
            Self::Revoked => 1,
            Self::Succeeded => 2,
            Self::Unknown => 3,
            Self::NotKept => 4,
            Self::BadProof => 5,
            Self::TooOften => 6,
            Self::HubFault => 7,
            Self::NotYet => 8,
            Self::Other(number) => number,
        }
    }

    /// The reason of this number.
    pub fn from_number(number: u8) -> Self {
        match number {
            1 => Self::Revoked,
            2 => Self::Succeeded,
            3 => Self::Unknown,
            4 => Self::NotKept,
            5 => Self::BadProof,
            6 => Self::TooOften,
            7 => Self::HubFault,
            8 => Self::NotYet,
            other => Self::Other(other),
        }
    }
}

/// A refusal that the hub signed: a box acts on one of its own hub only, and only on one that answers its question.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ShareRefusal {
    /// Why.
    pub why: ShareWhy,
    /// The signature of the hub's own key.
    pub signature: [u8; SIGNATURE_LEN],
}

impl ShareRefusal {
    /// Makes it; `nonce` is the box's own, all zeros where it had said none.
    pub fn sign(hub: &DeviceKey, meeting: &Meeting, nonce: &[u8; NONCE_LEN], why: ShareWhy) -> Self {
        let claim = meeting.claim(Purpose::ShareRefusal, &[nonce, &[why.number()]]);
        Self {
            why,
            signature: hub.sign(&claim),
        }
    }

    /// Checks that this hub says it, to this question.
    ///
    /// # Errors
    /// [`SignatureFault`].
    pub fn verify(
        &self,
        hub: DevicePublicKey,
        meeting: &Meeting,
        nonce: &[u8; NONCE_LEN],
    ) -> Result<(), SignatureFault> {
        let claim = meeting.claim(Purpose::ShareRefusal, &[nonce, &[self.why.number()]]);
        hub.verify(&claim, &self.signature)
    }
}

/// The hub's answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ShareAnswer {
    /// The share is kept.
    Kept,
    /// The share that was asked for.
    Given(Share),
    /// Neither.
    Refused(ShareRefusal),
}

impl ShareAnswer {
    pub(crate) fn write(&self, out: &mut Writer) {
        match self {
            Self::Kept => out.byte(0),
            Self::Given(share) => {
                out.byte(1);
                out.put(&share.0);
            }
            Self::Refused(refusal) => {
                out.byte(2);
                out.byte(refusal.why.number());
                out.put(&refusal.signature);
            }
        }
    }

    pub(crate) fn read(from: &mut Reader<'_>) -> Result<Self, WireFault> {
        match from.byte("answer about a share")? {
            0 => Ok(Self::Kept),
            1 => from.array("share").map(|share| Self::Given(Share(share))),
            2 => Ok(Self::Refused(ShareRefusal {
                why: ShareWhy::from_number(from.byte("reason")?),
                signature: from.array("signature")?,
            })),
            _ => Err(WireFault::BadValue("answer about a share")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(seed: u8) -> DeviceKey {
        DeviceKey::from_seed(&[seed; 32])
    }

    fn meeting() -> Meeting {
        Meeting {
            county: [1; 32],
            device: key(7).device(),
            nonce: [2; NONCE_LEN],
        }
    }

    /// Meetings that differ from ours in one thing each.
    fn others() -> [Meeting; 3] {
        let mut others = [meeting(); 3];
        others[0].county[31] ^= 1;
        others[1].device.0[7] ^= 1;
        others[2].nonce[31] ^= 1;
        others
    }

    #[test]
    fn a_question_is_worth_nothing_at_another_connection_hub_or_device_and_no_byte_may_change() {
        let ask = ShareAsk::sign(&key(8), &meeting(), [3; NONCE_LEN]);
        assert_eq!(ask.verify(&meeting()), Ok(()));
        for other in others() {
            assert_eq!(ask.verify(&other), Err(SignatureFault::DoesNotFit), "{other:?}");
        }
        let of_another = ShareAsk {
            key: key(9).public().to_bytes(),
            ..ask
        };
        let answers_another = ShareAsk {
            nonce: [4; NONCE_LEN],
            ..ask
        };
        for changed in [of_another, answers_another] {
            assert!(changed.verify(&meeting()).is_err());
        }
    }

    #[test]
    fn a_share_is_taken_from_the_device_itself_only() {
        let (share, opening) = (Share([5; SHARE_LEN]), key(8).public().to_bytes());
        let give = ShareGive::sign(&key(7), &meeting(), opening, share);
        assert_eq!(give.verify(&meeting()), Ok(()));
        for other in others() {
            assert_eq!(give.verify(&other), Err(SignatureFault::DoesNotFit), "{other:?}");
        }
        let by_another = ShareGive::sign(&key(9), &meeting(), opening, share);
        assert_eq!(by_another.verify(&meeting()), Err(SignatureFault::DoesNotFit));
        let changed = ShareGive {
            share: Share([6; SHARE_LEN]),
            ..give
        };
        assert!(changed.verify(&meeting()).is_err());
        assert!(!format!("{give:?}").contains("5, 5, 5"), "{give:?}");
    }

    #[test]
    fn a_refusal_counts_from_the_own_hub_to_the_own_question_and_for_its_own_reason() {
        let (hub, nonce) = (key(6), [3; NONCE_LEN]);
        let refusal = ShareRefusal::sign(&hub, &meeting(), &nonce, ShareWhy::Revoked);
        assert_eq!(refusal.verify(hub.public(), &meeting(), &nonce), Ok(()));
        assert!(refusal.verify(key(9).public(), &meeting(), &nonce).is_err());
        assert!(refusal.verify(hub.public(), &meeting(), &[4; NONCE_LEN]).is_err());
        for other in others() {
            assert!(refusal.verify(hub.public(), &other, &nonce).is_err());
        }
        let harder = ShareRefusal {
            signature: ShareRefusal::sign(&hub, &meeting(), &nonce, ShareWhy::NotKept).signature,
            ..refusal
        };
        assert!(harder.verify(hub.public(), &meeting(), &nonce).is_err());
        for number in 0..=255 {
            assert_eq!(ShareWhy::from_number(number).number(), number);
        }
    }
}

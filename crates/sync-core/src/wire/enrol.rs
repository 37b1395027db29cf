//! Enrolment: the only thing that a client without a certificate can do at a hub.

use records::ids::{ClinicCode, DeviceId, SessionId};
use records::time::WallTime;
use sha2::{Digest, Sha256};

use crate::identity::{
    Actor, Claim, DeviceKey, DevicePublicKey, PUBLIC_KEY_LEN, Purpose, SIGNATURE_LEN, SignatureFault,
};
use crate::wire::bytes::{Reader, WireFault, Writer};
use crate::wire::greeting::{read_actor, read_clinic, read_optional_clinic};

/// Random bytes of a token.
pub const TOKEN_SECRET_LEN: usize = 16;
/// Most bytes of a box's name.
pub const MAX_BOX_NAME: usize = 64;
/// Most bytes of one certificate.
pub const MAX_CERTIFICATE: usize = 2048;
/// Most bytes of a clinic's name.
const MAX_CLINIC_NAME: usize = 120;

/// A box asks to be taken in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EnrolRequest {
    /// The secret of the one-time token.
    pub secret: [u8; TOKEN_SECRET_LEN],
    /// The box's public key.
    pub public_key: [u8; PUBLIC_KEY_LEN],
    /// The box's device and session.
    pub actor: Actor,
    /// The clinic that the box says it belongs to, where its first start said so.
    pub clinic: Option<ClinicCode>,
    /// A name for the fleet page.
    pub box_name: String,
    /// Proof that the box has the secret half of its key.
    pub signature: [u8; SIGNATURE_LEN],
}

impl EnrolRequest {
    /// Makes the request.
    pub fn sign(
        key: &DeviceKey,
        actor: Actor,
        secret: [u8; TOKEN_SECRET_LEN],
        clinic: Option<ClinicCode>,
        box_name: &str,
    ) -> Self {
        let mut end = box_name.len().min(MAX_BOX_NAME);
        while !box_name.is_char_boundary(end) {
            end -= 1;
        }
        let mut request = Self {
            secret,
            public_key: key.public().to_bytes(),
            actor,
            clinic,
            box_name: box_name[..end].to_owned(),
            signature: [0; SIGNATURE_LEN],
        };
        request.signature = key.sign(&request.claim());
        request
    }

    /// Checks the proof; gives the key.
    pub fn verify(&self) -> Result<DevicePublicKey, SignatureFault> {
        let key = DevicePublicKey::from_slice(&self.public_key)?;
        if key.device() != self.actor.device {
            return Err(SignatureFault::DoesNotFit);
        }
        key.verify(&self.claim(), &self.signature)?;
        Ok(key)
    }

    fn claim(&self) -> Claim<'static> {
        let mut hasher = Sha256::new();
        hasher.update(self.secret);
        hasher.update(self.public_key);
        hasher.update(self.clinic.as_ref().map_or("", ClinicCode::as_str).as_bytes());
        hasher.update([0]);
        hasher.update(self.box_name.as_bytes());
        let root = hasher.finalize().into();
        Claim {
            purpose: Purpose::Enrol,
            protocol: super::VERSION,
            county: &[0; 32],
            actor: self.actor,
            root,
        }
    }

    pub(crate) fn write(&self, out: &mut Writer) {
        out.put(&self.secret);
        out.put(&self.public_key);
        out.put(&self.actor.to_bytes());
        out.bytes(self.clinic.as_ref().map_or("", ClinicCode::as_str).as_bytes());
        out.bytes(self.box_name.as_bytes());
        out.put(&self.signature);
    }

    pub(crate) fn read(from: &mut Reader<'_>) -> Result<Self, WireFault> {
        Ok(Self {
            secret: from.array("token")?,
            public_key: from.array("public key")?,
            actor: read_actor(from)?,
            clinic: read_optional_clinic(from)?,
            box_name: from.text(MAX_BOX_NAME, "box name")?,
            signature: from.array("signature")?,
        })
    }
}

/// A box with a new key asks to take the place of the device that it was. The old key vouches for the new one, so that
/// no token and no person is needed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SuccessionRequest {
    /// The new device's own request; its token counts for nothing.
    pub request: EnrolRequest,
    /// The public key of the device before.
    pub predecessor: [u8; PUBLIC_KEY_LEN],
    /// Its signature over the new key.
    pub signature: [u8; SIGNATURE_LEN],
}

impl SuccessionRequest {
    /// Makes the request, signed by both keys.
    pub fn sign(
        old: &DeviceKey,
        new: &DeviceKey,
        session: SessionId,
        county: &[u8; 32],
        clinic: Option<ClinicCode>,
        box_name: &str,
    ) -> Self {
        let actor = Actor {
            device: new.device(),
            session,
        };
        let request = EnrolRequest::sign(new, actor, [0; TOKEN_SECRET_LEN], clinic, box_name);
        let signature = old.sign(&succession(old.public(), &request, county));
        Self {
            request,
            predecessor: old.public().to_bytes(),
            signature,
        }
    }

    /// Checks both signatures; gives the new key and the old device.
    pub fn verify(&self, county: &[u8; 32]) -> Result<(DevicePublicKey, DeviceId), SignatureFault> {
        let new = self.request.verify()?;
        let old = DevicePublicKey::from_slice(&self.predecessor)?;
        old.verify(&succession(old, &self.request, county), &self.signature)?;
        if old.device() == new.device() {
            return Err(SignatureFault::DoesNotFit);
        }
        Ok((new, old.device()))
    }

    pub(crate) fn write(&self, out: &mut Writer) {
        self.request.write(out);
        out.put(&self.predecessor);
        out.put(&self.signature);
    }

    pub(crate) fn read(from: &mut Reader<'_>) -> Result<Self, WireFault> {
        Ok(Self {
            request: EnrolRequest::read(from)?,
            predecessor: from.array("predecessor")?,
            signature: from.array("signature")?,
        })
    }
}

fn succession<'a>(old: DevicePublicKey, request: &EnrolRequest, county: &'a [u8; 32]) -> Claim<'a> {
    Claim {
        purpose: Purpose::Succession,
        protocol: super::VERSION,
        county,
        actor: Actor {
            device: old.device(),
            session: request.actor.session,
        },
        root: Sha256::digest(request.public_key).into(),
    }
}

/// Why a hub does not take a box in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum EnrolRefusal {
    /// No such token was given out.
    WrongToken,
    /// The token was used by another box.
    UsedToken,
    /// The token was given out too long ago.
    ExpiredToken,
    /// The request does not prove its key.
    BadProof,
    /// The device was revoked.
    Revoked,
    /// The token is for another clinic than the box's.
    OtherClinic,
    /// The hub could not write.
    HubFault,
}

impl EnrolRefusal {
    const ALL: [Self; 7] = [
        Self::WrongToken,
        Self::UsedToken,
        Self::ExpiredToken,
        Self::BadProof,
        Self::Revoked,
        Self::HubFault,
        Self::OtherClinic,
    ];

    fn number(self) -> u8 {
        match self {
            Self::WrongToken => 1,
            Self::UsedToken => 2,
            Self::ExpiredToken => 3,
            Self::BadProof => 4,
            Self::Revoked => 5,
            Self::HubFault => 6,
            Self::OtherClinic => 7,
        }
    }
}

/// What a box that was taken in needs to know.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Enrolled {
    /// The clinic that the token was for.
    pub clinic: ClinicCode,
    /// Its name.
    pub clinic_name: String,
    /// The hub's epoch.
    pub epoch: u32,
    /// The hub's time.
    pub at: WallTime,
    /// The hub's device key, with which it signs what it relays and states.
    pub hub_key: [u8; PUBLIC_KEY_LEN],
    /// The county's CA certificate (DER).
    pub ca: Vec<u8>,
    /// The box's certificate (DER).
    pub certificate: Vec<u8>,
}

/// The hub's answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum EnrolAnswer {
    /// Taken in.
    Enrolled(Enrolled),
    /// Not taken in.
    Refused(EnrolRefusal),
}

impl EnrolAnswer {
    pub(crate) fn write(&self, out: &mut Writer) {
        match self {
            Self::Refused(refusal) => out.byte(refusal.number()),
            Self::Enrolled(enrolled) => {
                out.byte(0);
                out.bytes(enrolled.clinic.as_str().as_bytes());
                out.bytes(enrolled.clinic_name.as_bytes());
                out.number(enrolled.epoch.into());
                out.signed(enrolled.at.0);
                out.put(&enrolled.hub_key);
                out.bytes(&enrolled.ca);
                out.bytes(&enrolled.certificate);
            }
        }
    }

    pub(crate) fn read(from: &mut Reader<'_>) -> Result<Self, WireFault> {
        let number = from.byte("enrolment answer")?;
        if number != 0 {
            let refusal = EnrolRefusal::ALL
                .into_iter()
                .find(|refusal| refusal.number() == number);
            return refusal
                .map(Self::Refused)
                .ok_or(WireFault::BadValue("enrolment answer"));
        }
        Ok(Self::Enrolled(Enrolled {
            clinic: read_clinic(from)?,
            clinic_name: from.text(MAX_CLINIC_NAME, "clinic name")?,
            epoch: from.number_u32("epoch")?,
            at: WallTime(from.signed("hub time")?),
            hub_key: from.array("hub key")?,
            ca: from.bytes(MAX_CERTIFICATE, "certificate")?.to_vec(),
            certificate: from.bytes(MAX_CERTIFICATE, "certificate")?.to_vec(),
        }))
    }
}

//! Facts that only the hub can state: numbered, signed, carried in the feeds, kept by the boxes.

use records::ids::ClinicCode;
use sha2::{Digest, Sha256};

use crate::identity::{Actor, Claim, DeviceKey, DevicePublicKey, Purpose, SIGNATURE_LEN, SignatureFault};
use crate::wire::bytes::{Reader, WireFault, Writer};
use crate::wire::greeting::{read_actor, read_clinic};

/// Most bytes of one fact's content.
pub const MAX_FACT: usize = 256 * 1024;

/// What a fact is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum FactKind {
    /// The staff of a clinic, whole.
    Roster,
    /// A device was taken in.
    Enrolment,
    /// A device is served no more. For every clinic.
    Revocation,
    /// Documents that are gone for ever. For every clinic.
    Purge,
    /// A clinic does not hold a patient any more, or holds it again.
    Panel,
    /// Numbers that a clinic may give.
    NumberBlock,
    /// A device carries on the sessions of another one.
    Succession,
    /// The system that a clinic's boxes are offered.
    Release,
    /// A kind of a newer release: kept, not applied.
    Unknown(u8),
}

impl FactKind {
    /// The number on the wire and in tables.
    pub fn number(self) -> u8 {
        match self {
            Self::Roster => 1,
            Self::Enrolment => 2,
            Self::Revocation => 3,
            Self::Purge => 4,
            Self::Panel => 5,
            Self::NumberBlock => 6,
            Self::Succession => 7,
            Self::Release => 8,
            Self::Unknown(number) => number,
        }
    }

    /// The kind with this number.
    pub fn from_number(number: u8) -> Self {
        match number {
            1 => Self::Roster,
            2 => Self::Enrolment,
            3 => Self::Revocation,
            4 => Self::Purge,
            5 => Self::Panel,
            6 => Self::NumberBlock,
            7 => Self::Succession,
            8 => Self::Release,
            other => Self::Unknown(other),
        }
    }
}

impl FactKind {
    /// Whether every clinic hears of it, so that any box can hand it back to a hub that forgot it.
    pub fn is_for_all(self) -> bool {
        match self {
            Self::Revocation | Self::Purge | Self::Succession => true,
            Self::Roster
            | Self::Enrolment
            | Self::Panel
            | Self::NumberBlock
            | Self::Release
            | Self::Unknown(_) => false,
        }
    }
}

/// One fact.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fact {
    /// The hub's epoch in which it was stated.
    pub epoch: u32,
    /// Its number in the epoch, from 1; of two facts of one kind the later one stands.
    pub n: u64,
    /// What it is about.
    pub kind: FactKind,
    /// The clinic that it is for.
    pub clinic: ClinicCode,
    /// The hub's session that stated it.
    pub actor: Actor,
    /// Its content, in the form of its kind.
    pub body: Vec<u8>,
    /// Signature of the hub.
    pub signature: [u8; SIGNATURE_LEN],
}

impl Fact {
    /// Signs this fact.
    #[must_use]
    pub fn signed(mut self, key: &DeviceKey, protocol: u16, county: &[u8; 32]) -> Self {
        self.signature = key.sign(&self.claim(protocol, county));
        self
    }

    /// Checks that the hub with this key stated it.
    pub fn verify(
        &self,
        hub: DevicePublicKey,
        protocol: u16,
        county: &[u8; 32],
    ) -> Result<(), SignatureFault> {
        if self.actor.device != hub.device() {
            return Err(SignatureFault::DoesNotFit);
        }
        hub.verify(&self.claim(protocol, county), &self.signature)
    }

    fn claim<'a>(&self, protocol: u16, county: &'a [u8; 32]) -> Claim<'a> {
        let mut content = Writer::default();
        self.write_content(&mut content);
        let root = Sha256::digest(&content.bytes).into();
        Claim {
            purpose: Purpose::Fact,
            protocol,
            county,
            actor: self.actor,
            root,
        }
    }

    fn write_content(&self, out: &mut Writer) {
        out.number(self.epoch.into());
        out.number(self.n);
        out.byte(self.kind.number());
        out.bytes(self.clinic.as_str().as_bytes());
        out.put(&self.actor.to_bytes());
        out.bytes(&self.body);
    }

    /// Eight bytes that name this very fact: two hubs of one folder may give one number twice.
    pub fn name(&self) -> [u8; 8] {
        let mut name = [0; 8];
        name.copy_from_slice(&blake3::hash(&self.encode()).as_bytes()[..8]);
        name
    }

    /// The bytes of the fact, for storage and the wire.
    pub fn encode(&self) -> Vec<u8> {
        let mut out = Writer::default();
        self.write(&mut out);
        out.bytes
    }

    /// Reads a stored fact.
    pub fn decode(bytes: &[u8]) -> Result<Self, WireFault> {
        let mut from = Reader::new(bytes);
        let fact = Self::read(&mut from)?;
        from.end("fact")?;
        Ok(fact)
    }

    pub(crate) fn write(&self, out: &mut Writer) {
        self.write_content(out);
        out.put(&self.signature);
    }

    pub(crate) fn read(from: &mut Reader<'_>) -> Result<Self, WireFault> {
        Ok(Self {
            epoch: from.number_u32("epoch")?,
            n: from.number("fact number")?,
            kind: FactKind::from_number(from.byte("fact kind")?),
            clinic: read_clinic(from)?,
            actor: read_actor(from)?,
            body: from.bytes(MAX_FACT, "fact")?.to_vec(),
            signature: from.array("signature")?,
        })
    }
}

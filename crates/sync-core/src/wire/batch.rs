//! Batches: changes and audit entries of one actor, signed by its device.

use records::ids::DocId;
use sha2::{Digest, Sha256};

use crate::identity::{Actor, Claim, DeviceKey, Position, Purpose, SIGNATURE_LEN, SignedLeaf, merkle_root};
use crate::wire::bytes::{Reader, WireFault, Writer};
use crate::wire::greeting::read_actor;
use crate::wire::{MAX_CHANGE, MAX_ITEMS};

/// Most bytes of one audit entry.
pub const MAX_AUDIT_ENTRY: usize = 4096;

/// A change and where it stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ChangeItem {
    /// Its position in the log of its writer.
    pub position: Position,
    /// The document that it belongs to.
    pub doc: DocId,
    /// Automerge's uncompressed bytes of the change.
    pub bytes: Vec<u8>,
}

impl ChangeItem {
    /// The leaf that a signature over a batch covers.
    pub fn leaf(&self) -> SignedLeaf {
        SignedLeaf {
            position: self.position,
            doc: self.doc,
            hash: change_hash(&self.bytes),
        }
    }
}

/// The first four bytes of every Automerge chunk (automerge binary format, "magic bytes").
const CHUNK_MAGIC: [u8; 4] = [0x85, 0x6f, 0x4a, 0x83];
/// Chunk type of an uncompressed change (automerge binary format).
const CHUNK_CHANGE: u8 = 1;

/// The hash of a change from its bytes: SHA-256 over chunk type, length and content, as Automerge defines it.
/// Bytes that are no uncompressed change get a hash of their own kind, so that a signature over them can
/// still be checked and the receiver can set them aside by name.
pub fn change_hash(bytes: &[u8]) -> [u8; 32] {
    let is_change =
        bytes.len() > 9 && bytes.starts_with(&CHUNK_MAGIC) && bytes.get(8).copied() == Some(CHUNK_CHANGE);
    if is_change {
        Sha256::digest(&bytes[8..]).into()
    } else {
        blake3::hash(bytes).into()
    }
}

/// Changes of one actor, signed by its device.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Batch {
    /// Who wrote all of them.
    pub actor: Actor,
    /// How far the sender held its clinical feed when it sent: the relations that it knew.
    pub knows: u64,
    /// The changes: sequence, document, bytes.
    pub changes: Vec<ChangeItem>,
    /// Signature of the device over the root.
    pub signature: [u8; SIGNATURE_LEN],
}

impl Batch {
    /// Signs these changes of one actor.
    pub fn sign(
        key: &DeviceKey,
        protocol: u16,
        county: &[u8; 32],
        actor: Actor,
        knows: u64,
        changes: Vec<ChangeItem>,
    ) -> Self {
        let root = batch_root(&changes);
        let claim = Claim {
            purpose: Purpose::Batch,
            protocol,
            county,
            actor,
            root,
        };
        let signature = key.sign(&claim);
        Self {
            actor,
            knows,
            changes,
            signature,
        }
    }

    /// What the signature must fit.
    pub fn claim<'a>(&self, protocol: u16, county: &'a [u8; 32]) -> Claim<'a> {
        let root = batch_root(&self.changes);
        Claim {
            purpose: Purpose::Batch,
            protocol,
            county,
            actor: self.actor,
            root,
        }
    }

    pub(crate) fn write(&self, out: &mut Writer) {
        out.put(&self.actor.to_bytes());
        out.number(self.knows);
        out.count(self.changes.len());
        for change in &self.changes {
            out.number(change.position.seq);
            out.put(change.doc.as_bytes());
            out.bytes(&change.bytes);
        }
        out.put(&self.signature);
    }

    pub(crate) fn read(from: &mut Reader<'_>) -> Result<Self, WireFault> {
        let actor = read_actor(from)?;
        let knows = from.number("feed position")?;
        let mut changes = Vec::new();
        for _ in 0..from.count(MAX_ITEMS, 18, "changes")? {
            changes.push(ChangeItem {
                position: actor.at(from.number("sequence")?),
                doc: DocId(from.array("document id")?),
                bytes: from.bytes(MAX_CHANGE, "change")?.to_vec(),
            });
        }
        Ok(Self {
            actor,
            knows,
            changes,
            signature: from.array("signature")?,
        })
    }
}

fn batch_root(changes: &[ChangeItem]) -> [u8; 32] {
    merkle_root(&changes.iter().map(ChangeItem::leaf).collect::<Vec<_>>())
}

/// Entries of the audit chain of one session, signed by its device.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AuditBatch {
    /// Whose chain it is.
    pub actor: Actor,
    /// Number of the first entry, from 1.
    pub first: u64,
    /// The entries as they are hashed into the chain.
    pub entries: Vec<Vec<u8>>,
    /// Signature of the device over the root.
    pub signature: [u8; SIGNATURE_LEN],
}

impl AuditBatch {
    /// Signs these entries.
    pub fn sign(
        key: &DeviceKey,
        protocol: u16,
        county: &[u8; 32],
        actor: Actor,
        first: u64,
        entries: Vec<Vec<u8>>,
    ) -> Self {
        let mut batch = Self {
            actor,
            first,
            entries,
            signature: [0; SIGNATURE_LEN],
        };
        batch.signature = key.sign(&batch.claim(protocol, county));
        batch
    }

    /// What the signature must fit.
    pub fn claim<'a>(&self, protocol: u16, county: &'a [u8; 32]) -> Claim<'a> {
        let leaves: Vec<SignedLeaf> = (self.first..)
            .zip(&self.entries)
            .map(|(n, entry)| SignedLeaf {
                position: self.actor.at(n),
                doc: DocId([0; 16]),
                hash: blake3::hash(entry).into(),
            })
            .collect();
        Claim {
            purpose: Purpose::Audit,
            protocol,
            county,
            actor: self.actor,
            root: merkle_root(&leaves),
        }
    }

    pub(crate) fn write(&self, out: &mut Writer) {
        out.put(&self.actor.to_bytes());
        out.number(self.first);
        out.count(self.entries.len());
        self.entries.iter().for_each(|entry| out.bytes(entry));
        out.put(&self.signature);
    }

    pub(crate) fn read(from: &mut Reader<'_>) -> Result<Self, WireFault> {
        let actor = read_actor(from)?;
        let first = from.number("audit number")?;
        if first == 0 || first > u64::MAX - MAX_ITEMS as u64 {
            return Err(WireFault::BadValue("audit number"));
        }
        let mut entries = Vec::new();
        for _ in 0..from.count(MAX_ITEMS, 1, "audit entries")? {
            entries.push(from.bytes(MAX_AUDIT_ENTRY, "audit entry")?.to_vec());
        }
        Ok(Self {
            actor,
            first,
            entries,
            signature: from.array("signature")?,
        })
    }
}

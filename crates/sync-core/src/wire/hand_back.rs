//! What a box was fed by a hub that lost it since: handed back as the hub itself had signed it.

use records::ids::DocId;

use crate::identity::{
    Actor, Claim, DevicePublicKey, Position, Purpose, SIGNATURE_LEN, SignatureFault, SignedLeaf, merkle_root,
};
use crate::wire::batch::{ChangeItem, change_hash};
use crate::wire::bytes::{Reader, WireFault, Writer};
use crate::wire::greeting::read_actor;
use crate::wire::{MAX_CHANGE, MAX_ITEMS};

/// A change that was fed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FedChange {
    /// Its position in the log of its writer.
    pub position: Position,
    /// The document.
    pub doc: DocId,
    /// Its hash.
    pub hash: [u8; 32],
    /// Its bytes; `None` where they are gone here, or where their writer sends them itself.
    pub bytes: Option<Vec<u8>>,
}

/// The changes of one stretch of a feed with the signature that they came under.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HandBack {
    /// The hub's session that signed.
    pub actor: Actor,
    /// The changes in the order of the stretch.
    pub changes: Vec<FedChange>,
    /// Signature of the hub over all of them.
    pub signature: [u8; SIGNATURE_LEN],
}

impl HandBack {
    /// Checks that the hub with this key had relayed all of it.
    pub fn verify(
        &self,
        hub: DevicePublicKey,
        protocol: u16,
        county: &[u8; 32],
    ) -> Result<(), SignatureFault> {
        let told = |change: &FedChange| {
            change
                .bytes
                .as_ref()
                .is_none_or(|bytes| change_hash(bytes) == change.hash)
        };
        if self.actor.device != hub.device() || !self.changes.iter().all(told) {
            return Err(SignatureFault::DoesNotFit);
        }
        let leaves: Vec<SignedLeaf> = self
            .changes
            .iter()
            .map(|change| SignedLeaf {
                position: change.position,
                doc: change.doc,
                hash: change.hash,
            })
            .collect();
        let claim = Claim {
            purpose: Purpose::Relay,
            protocol,
            county,
            actor: self.actor,
            root: merkle_root(&leaves),
        };
        hub.verify(&claim, &self.signature)
    }

    /// Eight bytes that name this stretch.
    pub fn name(&self) -> [u8; 8] {
        let mut name = [0; 8];
        name.copy_from_slice(&self.signature[..8]);
        name
    }

    /// The changes whose bytes are here.
    pub fn items(&self) -> impl Iterator<Item = ChangeItem> + '_ {
        self.changes.iter().filter_map(|change| {
            Some(ChangeItem {
                position: change.position,
                doc: change.doc,
                bytes: change.bytes.clone()?,
            })
        })
    }

    pub(crate) fn write(&self, out: &mut Writer) {
        out.put(&self.actor.to_bytes());
        out.count(self.changes.len());
        for change in &self.changes {
            out.put(&change.position.actor.to_bytes());
            out.number(change.position.seq);
            out.put(change.doc.as_bytes());
            out.flag(change.bytes.is_some());
            match &change.bytes {
                Some(bytes) => out.bytes(bytes),
                None => out.put(&change.hash),
            }
        }
        out.put(&self.signature);
    }

    pub(crate) fn read(from: &mut Reader<'_>) -> Result<Self, WireFault> {
        let actor = read_actor(from)?;
        let mut changes = Vec::new();
        for _ in 0..from.count(MAX_ITEMS, 34, "changes handed back")? {
            let position = Position {
                actor: read_actor(from)?,
                seq: from.number("sequence")?,
            };
            let doc = DocId(from.array("document id")?);
            let (hash, bytes) = if from.flag("change handed back")? {
                let bytes = from.bytes(MAX_CHANGE, "change")?.to_vec();
                (change_hash(&bytes), Some(bytes))
            } else {
                (from.array("hash")?, None)
            };
            changes.push(FedChange {
                position,
                doc,
                hash,
                bytes,
            });
        }
        Ok(Self {
            actor,
            changes,
            signature: from.array("signature")?,
        })
    }
}

//! Messages: what travels in the lanes, cut into segments. Batches of changes, audit entries, blobs and feeds.

use records::ids::{BlobId, DocId};
use sha2::{Digest, Sha256};

use crate::identity::{Actor, Claim, DeviceKey, Position, Purpose, SIGNATURE_LEN, SignedLeaf, merkle_root};
use crate::wire::bytes::{Reader, WireFault, Writer};
use crate::wire::fact::Fact;
use crate::wire::greeting::{FeedEnd, read_actor};
use crate::wire::{Lane, MAX_BLOB, MAX_CHANGE, MAX_ITEMS, MAX_MESSAGE, MAX_PLAIN};

/// Level of zstd for batches: the best that a small board compresses faster than a modem sends.
const ZSTD_LEVEL: i32 = 12;
/// Most bytes of one audit entry.
pub const MAX_AUDIT_ENTRY: usize = 4096;
/// Bytes of a blob in one message.
pub const BLOB_PIECE: usize = 16 * 1024;

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

    fn write(&self, out: &mut Writer) {
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

    fn read(from: &mut Reader<'_>) -> Result<Self, WireFault> {
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

    fn write(&self, out: &mut Writer) {
        out.put(&self.actor.to_bytes());
        out.number(self.first);
        out.count(self.entries.len());
        self.entries.iter().for_each(|entry| out.bytes(entry));
        out.put(&self.signature);
    }

    fn read(from: &mut Reader<'_>) -> Result<Self, WireFault> {
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

/// A blob that the sender could send.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BlobOffer {
    /// The blob: the BLAKE3 hash of its content.
    pub blob: BlobId,
    /// A document that names it; whoever may read the document may have the blob.
    pub doc: DocId,
    /// Its length in bytes.
    pub length: u64,
}

impl BlobOffer {
    fn write(&self, out: &mut Writer) {
        out.put(self.blob.as_bytes());
        out.put(self.doc.as_bytes());
        out.number(self.length);
    }

    fn read(from: &mut Reader<'_>) -> Result<Self, WireFault> {
        let blob = BlobId(from.array("blob id")?);
        let doc = DocId(from.array("document id")?);
        let length = from.number("blob length")?;
        if length == 0 || length > MAX_BLOB {
            return Err(WireFault::TooLong("blob"));
        }
        Ok(Self { blob, doc, length })
    }
}

/// A blob that a box was offered and has not got whole.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct WantedBlob {
    /// The lane to send it in.
    pub lane: Lane,
    /// The offer.
    pub offer: BlobOffer,
    /// Bytes held from the start.
    pub have: u64,
}

impl WantedBlob {
    /// Fewest bytes on the wire.
    pub(crate) const LEAST: usize = 51;

    pub(crate) fn write(&self, out: &mut Writer) {
        out.byte(self.lane.number());
        self.offer.write(out);
        out.number(self.have);
    }

    pub(crate) fn read(from: &mut Reader<'_>) -> Result<Self, WireFault> {
        let lane = Lane::from_number(from.byte("lane")?).ok_or(WireFault::BadValue("lane"))?;
        Ok(Self {
            lane,
            offer: BlobOffer::read(from)?,
            have: from.number("blob bytes")?,
        })
    }
}

/// Some bytes of an offered blob.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BlobPiece {
    /// The offer that the bytes belong to.
    pub offer: BlobOffer,
    /// Where they stand in the blob.
    pub offset: u64,
    /// The bytes.
    pub bytes: Vec<u8>,
}

impl BlobPiece {
    fn read(from: &mut Reader<'_>) -> Result<Self, WireFault> {
        let offer = BlobOffer::read(from)?;
        let offset = from.number("blob offset")?;
        let bytes = from.bytes(BLOB_PIECE, "blob piece")?.to_vec();
        let end = offset
            .checked_add(bytes.len() as u64)
            .ok_or(WireFault::BadValue("blob offset"))?;
        if bytes.is_empty() || end > offer.length {
            return Err(WireFault::BadValue("blob piece"));
        }
        Ok(Self { offer, offset, bytes })
    }
}

/// One entry of a feed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum FeedItem {
    /// A change, with its writer.
    Change(ChangeItem),
    /// A fact that the hub states.
    Fact(Fact),
    /// A blob that the clinic may have; its bytes follow when the box wants them.
    Blob(BlobOffer),
}

/// A stretch of the feed of one lane, signed by the hub.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FeedBatch {
    /// The hub's epoch.
    pub epoch: u32,
    /// The position before the stretch.
    pub after: u64,
    /// The last position of the stretch. What the box holds already is left out.
    pub end: FeedEnd,
    /// The hub's session that signed.
    pub actor: Actor,
    /// The entries with their positions, rising.
    pub items: Vec<(u64, FeedItem)>,
    /// Signature of the hub over the changes; facts carry their own.
    pub signature: [u8; SIGNATURE_LEN],
}

impl FeedBatch {
    /// Signs the changes of the stretch.
    #[must_use]
    pub fn signed(mut self, key: &DeviceKey, protocol: u16, county: &[u8; 32]) -> Self {
        self.signature = key.sign(&self.claim(protocol, county));
        self
    }

    /// What the signature must fit.
    pub fn claim<'a>(&self, protocol: u16, county: &'a [u8; 32]) -> Claim<'a> {
        let leaves: Vec<SignedLeaf> = self
            .items
            .iter()
            .filter_map(|(_, item)| match item {
                FeedItem::Change(change) => Some(change.leaf()),
                FeedItem::Fact(_) | FeedItem::Blob(_) => None,
            })
            .collect();
        Claim {
            purpose: Purpose::Relay,
            protocol,
            county,
            actor: self.actor,
            root: merkle_root(&leaves),
        }
    }

    fn write(&self, out: &mut Writer) {
        out.number(self.epoch.into());
        out.number(self.after);
        out.number(self.end.position - self.after);
        out.put(&self.end.chain);
        out.put(&self.actor.to_bytes());
        out.count(self.items.len());
        let mut at = self.after;
        for (position, item) in &self.items {
            out.number(position - at);
            at = *position;
            match item {
                FeedItem::Change(change) => {
                    out.byte(0);
                    out.put(&change.position.actor.to_bytes());
                    out.number(change.position.seq);
                    out.put(change.doc.as_bytes());
                    out.bytes(&change.bytes);
                }
                FeedItem::Fact(fact) => {
                    out.byte(1);
                    fact.write(out);
                }
                FeedItem::Blob(offer) => {
                    out.byte(2);
                    offer.write(out);
                }
            }
        }
        out.put(&self.signature);
    }

    fn read(from: &mut Reader<'_>) -> Result<Self, WireFault> {
        let epoch = from.number_u32("epoch")?;
        let after = from.number("feed position")?;
        let length = from.number("feed length")?;
        let position = after
            .checked_add(length)
            .ok_or(WireFault::BadValue("feed length"))?;
        let end = FeedEnd {
            position,
            chain: from.array("feed chain")?,
        };
        let actor = read_actor(from)?;
        let mut items = Vec::new();
        let mut at = after;
        for _ in 0..from.count(MAX_ITEMS, 2, "feed entries")? {
            let step = from.number("feed position")?;
            at = at.checked_add(step).ok_or(WireFault::BadValue("feed position"))?;
            if step == 0 || at > position {
                return Err(WireFault::BadValue("feed position"));
            }
            items.push((at, read_feed_item(from)?));
        }
        Ok(Self {
            epoch,
            after,
            end,
            actor,
            items,
            signature: from.array("signature")?,
        })
    }
}

fn read_feed_item(from: &mut Reader<'_>) -> Result<FeedItem, WireFault> {
    match from.byte("feed entry")? {
        0 => Ok(FeedItem::Change(ChangeItem {
            position: Position {
                actor: read_actor(from)?,
                seq: from.number("sequence")?,
            },
            doc: DocId(from.array("document id")?),
            bytes: from.bytes(MAX_CHANGE, "change")?.to_vec(),
        })),
        1 => Fact::read(from).map(FeedItem::Fact),
        2 => BlobOffer::read(from).map(FeedItem::Blob),
        _ => Err(WireFault::BadValue("feed entry")),
    }
}

/// What a lane carries.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Message {
    /// Changes of the sender.
    Batch(Batch),
    /// Audit entries of the sender.
    Audit(AuditBatch),
    /// A blob that could be sent.
    Offer(BlobOffer),
    /// Bytes of a blob.
    Piece(BlobPiece),
    /// A stretch of the feed.
    Feed(FeedBatch),
}

/// How the body of a message is packed.
const PACKED_PLAIN: u8 = 0;
/// zstd, with the unpacked length in front.
const PACKED_ZSTD: u8 = 1;

impl Message {
    /// The bytes of the message, packed where that makes it shorter.
    pub fn encode(&self) -> Vec<u8> {
        let mut body = Writer::default();
        let kind = match self {
            Self::Batch(batch) => {
                batch.write(&mut body);
                0
            }
            Self::Audit(audit) => {
                audit.write(&mut body);
                1
            }
            Self::Offer(offer) => {
                offer.write(&mut body);
                2
            }
            Self::Piece(piece) => {
                piece.offer.write(&mut body);
                body.number(piece.offset);
                body.bytes(&piece.bytes);
                3
            }
            Self::Feed(feed) => {
                feed.write(&mut body);
                4
            }
        };
        let packed = zstd::bulk::compress(&body.bytes, ZSTD_LEVEL).unwrap_or_default();
        let mut out = Writer::default();
        out.byte(kind);
        if packed.is_empty() || packed.len() + 4 >= body.bytes.len() {
            out.byte(PACKED_PLAIN);
            out.put(&body.bytes);
        } else {
            out.byte(PACKED_ZSTD);
            out.count(body.bytes.len());
            out.put(&packed);
        }
        out.bytes
    }

    /// Reads a message; its unpacked length is bounded before anything is unpacked.
    pub fn decode(bytes: &[u8]) -> Result<Self, WireFault> {
        if bytes.len() > MAX_MESSAGE {
            return Err(WireFault::TooLong("message"));
        }
        let mut head = Reader::new(bytes);
        let kind = head.byte("message kind")?;
        let unpacked;
        let body = match head.byte("packing")? {
            PACKED_PLAIN => head.remaining(),
            PACKED_ZSTD => {
                let length = head.number("unpacked length")?;
                unpacked = unpack(head.remaining(), length)?;
                &unpacked
            }
            _ => return Err(WireFault::BadValue("packing")),
        };
        let mut from = Reader::new(body);
        let message = match kind {
            0 => Self::Batch(Batch::read(&mut from)?),
            1 => Self::Audit(AuditBatch::read(&mut from)?),
            2 => Self::Offer(BlobOffer::read(&mut from)?),
            3 => Self::Piece(BlobPiece::read(&mut from)?),
            4 => Self::Feed(FeedBatch::read(&mut from)?),
            _ => return Err(WireFault::BadValue("message kind")),
        };
        from.end("message")?;
        Ok(message)
    }
}

fn unpack(packed: &[u8], length: u64) -> Result<Vec<u8>, WireFault> {
    let length = usize::try_from(length).unwrap_or(usize::MAX);
    if length > MAX_PLAIN {
        return Err(WireFault::TooLong("unpacked message"));
    }
    let plain = zstd::bulk::decompress(packed, length).map_err(|_| WireFault::BadValue("packed message"))?;
    if plain.len() == length {
        Ok(plain)
    } else {
        Err(WireFault::BadValue("unpacked length"))
    }
}

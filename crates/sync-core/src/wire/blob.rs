//! Blobs: offers, wishes, and the pieces that they travel in.

use records::ids::{BlobId, DocId};

use crate::wire::bytes::{Reader, WireFault, Writer};
use crate::wire::{Lane, MAX_BLOB};

/// Bytes of a blob in one message.
pub const BLOB_PIECE: usize = 16 * 1024;

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
    pub(crate) fn write(&self, out: &mut Writer) {
        out.put(self.blob.as_bytes());
        out.put(self.doc.as_bytes());
        out.number(self.length);
    }

    pub(crate) fn read(from: &mut Reader<'_>) -> Result<Self, WireFault> {
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
    /// What came of a piece whose message was torn off; at least one byte.
    pub(crate) fn read_torn(mut from: Reader<'_>) -> Result<Self, WireFault> {
        let offer = BlobOffer::read(&mut from)?;
        let offset = from.number("blob offset")?;
        let stated = from.number("blob piece")?;
        if stated > BLOB_PIECE as u64 || offset.checked_add(stated).is_none_or(|end| end > offer.length) {
            return Err(WireFault::BadValue("blob piece"));
        }
        let bytes = from.remaining();
        if bytes.is_empty() || bytes.len() as u64 > stated {
            return Err(WireFault::BadValue("blob piece"));
        }
        let bytes = bytes.to_vec();
        Ok(Self { offer, offset, bytes })
    }

    pub(crate) fn read(from: &mut Reader<'_>) -> Result<Self, WireFault> {
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

//! Messages: what travels in the lanes, cut into segments, and how they are packed.

use crate::wire::batch::{AuditBatch, Batch};
use crate::wire::blob::{BlobOffer, BlobPiece};
use crate::wire::bytes::{Reader, WireFault, Writer};
use crate::wire::fact::Fact;
use crate::wire::feed::FeedBatch;
use crate::wire::hand_back::HandBack;
use crate::wire::{MAX_ITEMS, MAX_MESSAGE, MAX_PLAIN};

/// Level of zstd for batches: the best that a small board compresses faster than a modem sends.
const ZSTD_LEVEL: i32 = 12;

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
    /// Facts of the hub that it may have lost.
    Facts(Vec<Fact>),
    /// Changes that the hub had fed and may have lost.
    HandBack(HandBack),
}

/// The kind of message that is of use without its end.
const PIECE: u8 = 3;

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
                PIECE
            }
            Self::Feed(feed) => {
                feed.write(&mut body);
                4
            }
            Self::Facts(facts) => {
                body.count(facts.len());
                facts.iter().for_each(|fact| fact.write(&mut body));
                5
            }
            Self::HandBack(back) => {
                back.write(&mut body);
                6
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

    /// The piece of a blob of which this is the beginning, with the bytes that came; nothing where it is the beginning of
    /// something else, or tells nothing without its end.
    pub fn decode_torn(bytes: &[u8]) -> Option<BlobPiece> {
        let mut head = Reader::new(bytes);
        let plain_piece = head.byte("message kind") == Ok(PIECE) && head.byte("packing") == Ok(PACKED_PLAIN);
        plain_piece.then(|| BlobPiece::read_torn(head).ok()).flatten()
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
            PIECE => Self::Piece(BlobPiece::read(&mut from)?),
            4 => Self::Feed(FeedBatch::read(&mut from)?),
            5 => {
                let mut facts = Vec::new();
                for _ in 0..from.count(MAX_ITEMS, 80, "facts")? {
                    facts.push(Fact::read(&mut from)?);
                }
                Self::Facts(facts)
            }
            6 => Self::HandBack(HandBack::read(&mut from)?),
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

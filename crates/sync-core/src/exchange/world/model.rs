//! What the stores of boxes and hub in memory share.

use std::collections::BTreeMap;

use records::ids::BlobId;

use crate::exchange::Answer;
use crate::identity::{Actor, Position};
use crate::wire::*;

pub(super) const COUNTY: [u8; 32] = [7; 32];
/// A change with this first byte is one that the hub does not accept.
pub(super) const UNACCEPTABLE: u8 = 0xbd;

pub(super) type Hash = [u8; 32];

#[derive(Clone)]
pub(super) struct Entry {
    pub(super) change: ChangeItem,
    pub(super) lane: Lane,
}

pub(super) fn add(sum: &mut [u8; 8], hash: &Hash) {
    sum.iter_mut().zip(hash).for_each(|(a, b)| *a ^= b);
}

/// Prints over what is held of each session.
pub(super) fn prints_of(
    log: impl Iterator<Item = (Position, Hash)>,
    held: &Holdings,
) -> BTreeMap<Actor, SessionPrint> {
    let mut prints: BTreeMap<Actor, SessionPrint> = BTreeMap::new();
    for (at, hash) in log.filter(|(at, _)| held.contains(at)) {
        prints.entry(at.actor).or_default().toggle(at.seq, &hash);
    }
    prints
}

/// Bytes of blobs on their way.
pub(super) type Parts = BTreeMap<BlobId, Vec<u8>>;

pub(super) fn take_piece(
    blobs: &mut BTreeMap<BlobId, Vec<u8>>,
    parts: &mut Parts,
    piece: &BlobPiece,
) -> (BlobHave, bool) {
    let blob = piece.offer.blob;
    if let Some(whole) = blobs.get(&blob) {
        return (
            BlobHave {
                blob,
                have: whole.len() as u64,
                state: BlobState::Complete,
            },
            false,
        );
    }
    let part = parts.entry(blob).or_default();
    if part.len() as u64 == piece.offset {
        part.extend_from_slice(&piece.bytes);
    }
    let have = part.len() as u64;
    if have < piece.offer.length {
        return (
            BlobHave {
                blob,
                have,
                state: BlobState::Wanted,
            },
            false,
        );
    }
    let whole = parts.remove(&blob).unwrap();
    assert_eq!(BlobId(blake3::hash(&whole).into()), blob);
    blobs.insert(blob, whole);
    (
        BlobHave {
            blob,
            have,
            state: BlobState::Complete,
        },
        true,
    )
}

pub(super) fn consider(blobs: &BTreeMap<BlobId, Vec<u8>>, parts: &Parts, offer: &BlobOffer) -> BlobHave {
    let blob = offer.blob;
    match blobs.get(&blob) {
        Some(_) => BlobHave {
            blob,
            have: offer.length,
            state: BlobState::Complete,
        },
        None => {
            let have = parts.get(&blob).map_or(0, Vec::len) as u64;
            BlobHave {
                blob,
                have,
                state: BlobState::Wanted,
            }
        }
    }
}

pub(super) fn read_blob(blobs: &BTreeMap<BlobId, Vec<u8>>, offer: BlobOffer, offset: u64) -> Answer {
    let bytes = blobs.get(&offer.blob).map_or(Vec::new(), |whole| {
        let start = usize::try_from(offset).unwrap().min(whole.len());
        whole[start..whole.len().min(start + BLOB_PIECE)].to_vec()
    });
    Answer::BlobBytes { offer, offset, bytes }
}

//! Blobs that this end offered and sends where they are wanted, from the byte on that the other end lacks.

use std::collections::BTreeMap;

use records::ids::BlobId;

use crate::wire::{BLOB_PIECE, BlobHave, BlobOffer, BlobState, Lane, WantedBlob};

/// Bytes of one blob that may be under way.
const BLOB_UNDER_WAY: u64 = 4 * BLOB_PIECE as u64;
/// Bytes of a lane that wait in the pipe before another piece is read.
const PIPE_BACKLOG: usize = 2 * BLOB_PIECE;
/// How often a receiver may go back to an earlier byte (its hash did not fit) before the blob waits for the
/// next connection.
const RESTARTS: u8 = 2;

#[derive(Debug)]
struct Sending {
    lane: Lane,
    offer: BlobOffer,
    /// `None` until the other end said what it has.
    have: Option<u64>,
    read: u64,
    reading: bool,
    restarts: u8,
}

#[derive(Debug, Default)]
pub(crate) struct BlobSender(BTreeMap<BlobId, Sending>);

impl BlobSender {
    /// This end offered a blob in a lane; `false` where it is under way already.
    pub(crate) fn offered(&mut self, lane: Lane, offer: BlobOffer) -> bool {
        if self.0.contains_key(&offer.blob) {
            return false;
        }
        let sending = Sending {
            lane,
            offer,
            have: None,
            read: 0,
            reading: false,
            restarts: 0,
        };
        self.0.insert(offer.blob, sending);
        true
    }

    /// The other end asked for a blob that was offered before.
    pub(crate) fn wanted(&mut self, wanted: &WantedBlob) {
        let WantedBlob { lane, offer, have } = *wanted;
        let sending = Sending {
            lane,
            offer,
            have: Some(have),
            read: have,
            reading: false,
            restarts: 0,
        };
        self.0.entry(offer.blob).or_insert(sending);
    }

    /// The other end said what it has. `Some(true)` when it has the whole blob now, `Some(false)` when it goes
    /// on or waits, `None` for a blob that is not under way.
    pub(crate) fn answered(&mut self, have: &BlobHave) -> Option<bool> {
        let sending = self.0.get_mut(&have.blob)?;
        match have.state {
            BlobState::Complete => {
                let sent_something = sending.read > 0;
                self.0.remove(&have.blob);
                Some(sent_something)
            }
            BlobState::NotNow => {
                self.0.remove(&have.blob);
                Some(false)
            }
            BlobState::Wanted => {
                let before = sending.have.replace(have.have);
                if before.is_none() {
                    sending.read = have.have;
                } else if before.is_some_and(|before| have.have < before) {
                    sending.restarts += 1;
                    sending.read = have.have;
                }
                if sending.restarts > RESTARTS || have.have > sending.offer.length {
                    self.0.remove(&have.blob);
                }
                Some(false)
            }
        }
    }

    /// The next piece to read: most urgent lane first.
    pub(crate) fn next_piece(&mut self, queued: impl Fn(Lane) -> usize) -> Option<(BlobOffer, u64)> {
        let sending = self
            .0
            .values_mut()
            .filter(|sending| {
                let under_way = sending.have.map(|have| sending.read.saturating_sub(have));
                !sending.reading
                    && under_way.is_some_and(|bytes| bytes < BLOB_UNDER_WAY)
                    && sending.read < sending.offer.length
                    && queued(sending.lane) < PIPE_BACKLOG
            })
            .min_by_key(|sending| sending.lane)?;
        sending.reading = true;
        Some((sending.offer, sending.read))
    }

    /// A piece was read: the lane to send it in. `None` where it is no longer wanted from there, or the blob
    /// is gone.
    pub(crate) fn read(&mut self, offer: &BlobOffer, offset: u64, length: u64) -> Option<Lane> {
        let sending = self.0.get_mut(&offer.blob)?;
        sending.reading = false;
        if length == 0 {
            self.0.remove(&offer.blob);
            return None;
        }
        if sending.read != offset {
            return None;
        }
        sending.read += length;
        Some(sending.lane)
    }

    /// Whether blobs are offered or under way.
    pub(crate) fn is_awaiting(&self) -> bool {
        !self.0.is_empty()
    }
}

//! The exchange without a connection: what a box would send as messages in a file, and what the hub would send
//! back. Every message is signed and idempotent, so files and network may interleave in any order, and a file may
//! be read twice. The file itself (name, encryption, its own signature) is its writer's business.

use std::io;

use records::ids::{ClinicCode, DeviceId};
use sync_core::exchange::{Answer, Ask, LaneItem, Outgoing, Taken, signed_messages, unsigned_stretch};
use sync_core::identity::{Actor, Claim, DevicePublicKey, Purpose, SIGNATURE_LEN, SignatureFault};
use sync_core::wire::{
    Ack, BLOB_PIECE, BlobOffer, BlobPiece, FeedMarks, Frame, FrameReader, Hello, Holdings, Lane,
    MAX_ACK_ENTRIES, Message, VERSION, WireFault,
};

use crate::engine::{Store, StoreError};
use crate::sql::{Connection, OptionalExtension};
use crate::sync::{blobs, box_end, directory, feeds, hub_end, queue, ranges, recovery, state};

/// Bytes of items in one message.
const BUDGET: usize = 128 * 1024;

/// A parcel that cannot be made or taken.
#[derive(Debug, thiserror::Error)]
pub enum ParcelError {
    /// This machine has not joined a county.
    #[error("this machine has not joined a county")]
    NotJoined,
    /// The file is not made of messages.
    #[error("the parcel is not well-formed")]
    Malformed(#[from] WireFault),
    /// A message of another direction, or a head that is none.
    #[error("the parcel is not for this side")]
    NotForHere,
    /// A signature does not fit: another county's, or changed on its way.
    #[error("a signature in the parcel does not fit")]
    Signature(#[from] SignatureFault),
    /// The sender is not in the directory.
    #[error("the sender of the parcel is not known here")]
    UnknownDevice,
    /// The sender was revoked.
    #[error("the sender of the parcel was revoked")]
    Revoked,
    /// The hub went back to an old copy of its disk and has not heard yet whom it had revoked since.
    #[error("this hub was restored and must hear from another box before it writes for this one")]
    Unheard,
    /// The file could not be read or written.
    #[error("the parcel could not be read or written")]
    File(#[from] io::Error),
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl From<crate::sql::Error> for ParcelError {
    fn from(error: crate::sql::Error) -> Self {
        Self::Store(error.into())
    }
}

/// What a parcel held, or what was new of it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct ParcelCounts {
    /// Messages.
    pub messages: u64,
    /// Changes; where a parcel is taken only those that were not held before.
    pub changes: u64,
    /// Audit entries; 0 where a parcel is taken.
    pub audit: u64,
    /// Blobs; where a parcel is taken only those that are whole now and were not before.
    pub blobs: u64,
}

/// What a hub took of a box's parcel.
#[derive(Debug, Clone, PartialEq)]
pub struct ParcelTaken {
    /// The box.
    pub device: DeviceId,
    /// Its clinic.
    pub clinic: ClinicCode,
    /// What was new.
    pub counts: ParcelCounts,
    /// What to tell the box: acknowledgements, for [`Store::take_parcel_answers`].
    pub answers: Vec<Vec<u8>>,
}

fn read_head(head: &[u8]) -> Result<Hello, ParcelError> {
    match read_frame(head)? {
        Frame::Hello(hello) => Ok(hello),
        _ => Err(ParcelError::NotForHere),
    }
}

/// A message with its lane in front.
fn entry(lane: Lane, message: &Message) -> Vec<u8> {
    let mut entry = vec![lane.number()];
    entry.extend_from_slice(&message.encode());
    entry
}

fn read_entry(entry: &[u8]) -> Result<(Lane, Message), ParcelError> {
    let (lane, message) = entry.split_first().ok_or(ParcelError::NotForHere)?;
    let lane = Lane::from_number(*lane).ok_or(ParcelError::NotForHere)?;
    Ok((lane, Message::decode(message)?))
}

fn read_frame(bytes: &[u8]) -> Result<Frame, ParcelError> {
    let mut reader = FrameReader::default();
    reader.push(bytes);
    let frame = reader.next_frame()?.ok_or(ParcelError::NotForHere)?;
    if reader.is_inside_frame() {
        return Err(ParcelError::NotForHere);
    }
    Ok(frame)
}

impl Store {
    /// Box: the head of its parcel: who it is and how far it holds its feeds.
    pub async fn parcel_head(&self, software: &str) -> Result<Vec<u8>, ParcelError> {
        let hello = self.hello(software).await?.ok_or(ParcelError::NotJoined)?;
        Ok(Frame::Hello(hello).encode())
    }

    /// Box: everything that the hub has not acknowledged, as messages, most urgent first.
    pub async fn parcel_up(
        &self,
        mut put: impl FnMut(Vec<u8>) -> io::Result<()> + Send,
    ) -> Result<ParcelCounts, ParcelError> {
        let enrolment = self.enrolment().await?.ok_or(ParcelError::NotJoined)?;
        let (key, mut counts) = (self.device_key().clone(), ParcelCounts::default());
        let own = self.device();
        for lane in Lane::ALL {
            let mut after = 0;
            loop {
                let next = self
                    .read(move |sql| queue::next(sql, own, lane, after, BUDGET))
                    .await?;
                let (more, upto) = (next.more, next.upto);
                for (_, item) in &next.items {
                    match item {
                        LaneItem::Change(_) => counts.changes += 1,
                        LaneItem::Audit(..) => counts.audit += 1,
                        LaneItem::Blob(_) => counts.blobs += 1,
                        LaneItem::Fact(_) | LaneItem::HandBack(_) => {}
                    }
                }
                for outgoing in signed_messages(&key, &enrolment.county, next) {
                    match outgoing {
                        Outgoing::Message(message) => {
                            put(entry(lane, &message))?;
                            counts.messages += 1;
                        }
                        Outgoing::Blob(offer) => {
                            counts.messages += self.put_pieces(lane, offer, &mut put).await?;
                        }
                    }
                }
                if !more || upto <= after {
                    break;
                }
                after = upto;
            }
        }
        Ok(counts)
    }

    async fn put_pieces(
        &self,
        lane: Lane,
        offer: BlobOffer,
        put: &mut (impl FnMut(Vec<u8>) -> io::Result<()> + Send),
    ) -> Result<u64, ParcelError> {
        let (mut offset, mut pieces) = (0, 0);
        while offset < offer.length {
            let found = self.read(move |sql| blobs::read(sql, offer.blob, offset)).await?;
            let bytes = self.bytes_of(found).await;
            if bytes.is_empty() {
                break;
            }
            let length = bytes.len() as u64;
            put(entry(lane, &Message::Piece(BlobPiece { offer, offset, bytes })))?;
            offset += length;
            pieces += 1;
        }
        debug_assert!(pieces <= offer.length.div_ceil(BLOB_PIECE as u64));
        Ok(pieces)
    }

    /// Hub: takes the messages of a box's parcel. What is not the box's own, or changed, ends it; what came
    /// before stays.
    pub async fn take_parcel_up(
        &self,
        head: &[u8],
        messages: impl IntoIterator<Item = io::Result<Vec<u8>>> + Send,
    ) -> Result<ParcelTaken, ParcelError> {
        let hello = read_head(head)?;
        let device = hello.actor.device;
        let sender = self.read(move |sql| sender(sql, device)).await?;
        let (key, clinic, county) = sender;
        self.write(move |tx| match directory::known(tx.sql, device)? {
            Some(known) => hub_end::checked_epoch(tx, known.c, &hello).map(drop),
            None => Ok(()),
        })
        .await?;
        let before = self.predecessors(device).await?;
        let mut taken = ParcelTaken {
            device,
            clinic,
            counts: ParcelCounts::default(),
            answers: Vec::new(),
        };
        let mut ack = Ack::default();
        for bytes in messages {
            let (lane, message) = read_entry(&bytes?)?;
            let ask = match message {
                Message::Batch(batch) => {
                    verify_of(key, &before, &batch.claim(VERSION, &county), &batch.signature)?;
                    Ask::TakeBatch {
                        lane: Lane::P2,
                        batch,
                    }
                }
                Message::Audit(audit) => {
                    verify_of(key, &before, &audit.claim(VERSION, &county), &audit.signature)?;
                    Ask::TakeAudit { lane, audit }
                }
                Message::Piece(piece) => Ask::TakePiece {
                    lane: Lane::P4,
                    piece,
                },
                Message::Facts(facts) => Ask::TakeFacts { lane, facts },
                Message::HandBack(back) => Ask::TakeBack { lane, back },
                Message::Offer(_) | Message::Feed(_) => return Err(ParcelError::NotForHere),
            };
            if let Answer::Taken(told) = self.answer_as_hub(device, ask).await? {
                count(&mut taken.counts, &told);
                if ack.size() + told.ack.size() > MAX_ACK_ENTRIES {
                    taken.answers.push(Frame::Ack(std::mem::take(&mut ack)).encode());
                }
                ack.merge(told.ack);
            }
        }
        taken.answers.push(Frame::Ack(ack).encode());
        Ok(taken)
    }

    /// Box: hears what the hub took.
    pub async fn take_parcel_answers(&self, answers: &[Vec<u8>]) -> Result<(), ParcelError> {
        for answer in answers {
            let Frame::Ack(ack) = read_frame(answer)? else {
                return Err(ParcelError::NotForHere);
            };
            self.write(move |tx| queue::acked(tx, &ack)).await?;
        }
        Ok(())
    }

    /// Hub: what the clinic of a box shall hold, as messages: behind what its parcel's head says, or all of it
    /// where that is another feed (a new box, too).
    pub async fn parcel_down(
        &self,
        head: &[u8],
        mut put: impl FnMut(Vec<u8>) -> io::Result<()> + Send,
    ) -> Result<ParcelCounts, ParcelError> {
        let hello = read_head(head)?;
        let device = hello.actor.device;
        let (_, _, county) = self.read(move |sql| sender(sql, device)).await?;
        if !self.read(move |sql| recovery::may_feed(sql, device)).await? {
            return Err(ParcelError::Unheard);
        }
        let (c, from, held) = self.read(move |sql| start(sql, &hello)).await?;
        let (signer, key, mut counts) = (self.actor(), self.device_key().clone(), ParcelCounts::default());
        let held = std::sync::Arc::new(held);
        for lane in Lane::ALL {
            let mut after = from[lane.index()];
            loop {
                let held = std::sync::Arc::clone(&held);
                let next = self
                    .read(move |sql| feeds::next(sql, c, signer, lane, after, BUDGET, &held))
                    .await?;
                let (more, upto) = (next.more, next.upto);
                let mut offers = Vec::new();
                let Some(feed) = unsigned_stretch(next, after, |offer| offers.push(offer)) else {
                    break;
                };
                counts.changes += feed.items.len() as u64 - offers.len() as u64;
                put(entry(lane, &Message::Feed(feed.signed(&key, VERSION, &county))))?;
                counts.messages += 1;
                for offer in offers {
                    counts.messages += self.put_pieces(lane, offer, &mut put).await?;
                    counts.blobs += 1;
                }
                if !more || upto <= after {
                    break;
                }
                after = upto;
            }
        }
        Ok(counts)
    }

    /// Box: takes the messages of a hub's parcel.
    pub async fn take_parcel_down(
        &self,
        messages: impl IntoIterator<Item = io::Result<Vec<u8>>> + Send,
    ) -> Result<ParcelCounts, ParcelError> {
        let enrolment = self.enrolment().await?.ok_or(ParcelError::NotJoined)?;
        let (hub, mut counts) = (enrolment.hub()?, ParcelCounts::default());
        for bytes in messages {
            let (lane, message) = read_entry(&bytes?)?;
            let told = match message {
                Message::Feed(feed) => {
                    if feed.actor.device != hub.device() {
                        return Err(SignatureFault::DoesNotFit.into());
                    }
                    verify(hub, &feed.claim(VERSION, &enrolment.county), &feed.signature)?;
                    self.write(move |tx| box_end::take_stretch(tx, lane, feed))
                        .await?
                }
                Message::Piece(piece) => match self.take_piece(lane, piece).await? {
                    Answer::Taken(told) => *told,
                    _ => continue,
                },
                Message::Batch(_)
                | Message::Audit(_)
                | Message::Offer(_)
                | Message::Facts(_)
                | Message::HandBack(_) => {
                    return Err(ParcelError::NotForHere);
                }
            };
            count(&mut counts, &told);
        }
        Ok(counts)
    }

    /// Signs a file for the stick by the digest of its content, as this device or hub.
    pub fn sign_parcel(&self, county: &[u8; 32], digest: [u8; 32]) -> (Actor, [u8; SIGNATURE_LEN]) {
        let actor = self.actor();
        let claim = stick_claim(county, actor, digest);
        (actor, self.device_key().sign(&claim))
    }

    /// Hub: whether a device of the county signed a file with this digest.
    pub async fn parcel_is_of_device(
        &self,
        actor: Actor,
        digest: [u8; 32],
        signature: &[u8; SIGNATURE_LEN],
    ) -> Result<(), ParcelError> {
        let (key, _, county) = self.read(move |sql| sender(sql, actor.device)).await?;
        verify(key, &stick_claim(&county, actor, digest), signature)
    }

    /// Box: whether its hub signed a file with this digest.
    pub async fn parcel_is_of_hub(
        &self,
        actor: Actor,
        digest: [u8; 32],
        signature: &[u8; SIGNATURE_LEN],
    ) -> Result<(), ParcelError> {
        let enrolment = self.enrolment().await?.ok_or(ParcelError::NotJoined)?;
        let hub = enrolment.hub()?;
        if actor.device != hub.device() {
            return Err(SignatureFault::DoesNotFit.into());
        }
        verify(hub, &stick_claim(&enrolment.county, actor, digest), signature)
    }
}

fn stick_claim(county: &[u8; 32], actor: Actor, digest: [u8; 32]) -> Claim<'_> {
    Claim {
        purpose: Purpose::Stick,
        protocol: VERSION,
        county,
        actor,
        root: digest,
    }
}

/// The same for what a box sends: of its own sessions, or of those of the devices before it.
fn verify_of(
    key: DevicePublicKey,
    before: &[DeviceId],
    claim: &Claim<'_>,
    signature: &[u8; SIGNATURE_LEN],
) -> Result<(), ParcelError> {
    if before.contains(&claim.actor.device) {
        return Ok(key.verify(claim, signature)?);
    }
    verify(key, claim, signature)
}

fn verify(
    key: DevicePublicKey,
    claim: &Claim<'_>,
    signature: &[u8; SIGNATURE_LEN],
) -> Result<(), ParcelError> {
    if claim.actor.device != key.device() {
        return Err(SignatureFault::DoesNotFit.into());
    }
    Ok(key.verify(claim, signature)?)
}

fn count(counts: &mut ParcelCounts, told: &Taken) {
    counts.messages += 1;
    counts.changes += told.new_changes;
    counts.blobs += u64::from(told.new_blob.is_some());
}

/// The key of a device that may send and be sent to, its clinic and the county.
pub(crate) fn sender(
    sql: &Connection,
    device: DeviceId,
) -> Result<(DevicePublicKey, ClinicCode, [u8; 32]), ParcelError> {
    let known = directory::known(sql, device)?.ok_or(ParcelError::UnknownDevice)?;
    if known.revoked {
        return Err(ParcelError::Revoked);
    }
    let mut find = sql.prepare_cached("SELECT key FROM link_devices WHERE device = ?1")?;
    let key: Option<Vec<u8>> = find.query_row([device.as_bytes()], |row| row.get(0)).optional()?;
    let key = DevicePublicKey::from_slice(&key.unwrap_or_default())?;
    let county = directory::county(sql)?.ok_or(ParcelError::NotJoined)?;
    Ok((key, directory::clinic_code(sql, known.c)?, county))
}

/// Where the feeds of a box's clinic go on, and what the box holds of its own.
fn start(sql: &Connection, hello: &Hello) -> Result<(i64, [u64; Lane::COUNT], Holdings), StoreError> {
    let device = hello.actor.device;
    let known = directory::known(sql, device)?.ok_or(StoreError::Unreadable("device: it is not served"))?;
    let mut ends = [sync_core::wire::FeedEnd::default(); Lane::COUNT];
    let mut same = hello.epoch == state::epoch(sql)?.unwrap_or(1);
    for lane in Lane::ALL {
        match feeds::feed_at(sql, known.c, lane, hello.feeds.ends[lane.index()])? {
            Some(end) => ends[lane.index()] = end,
            None => same = false,
        }
    }
    if !same || FeedMarks::new(&ends) != hello.feeds {
        return Ok((known.c, [0; Lane::COUNT], Holdings::default()));
    }
    let held = if hello.own_whole {
        ranges::held(sql, Some(device))?
    } else {
        Holdings::default()
    };
    Ok((known.c, hello.feeds.ends, held))
}

//! The exchange between a box and its hub as a state machine, the same one for both ends.
//!
//! It knows neither socket nor store nor clock. The shell is a dull loop: feed bytes
//! ([`Exchange::handle_bytes`]), carry out what is asked of the store ([`Exchange::poll_ask`],
//! [`Exchange::handle_answer`]), send what comes out ([`Exchange::poll_transmit`]), wake it in time
//! ([`Exchange::poll_timeout`], [`Exchange::handle_timeout`]). Each ask gets exactly one answer, in order, and
//! the socket is read only while nothing is asked, so a slow store slows the sender down. One ask may be answered later
//! than its order: one that [`Ask::is_long`]. While it is under way, what is urgent goes on, and the socket is read as
//! long as [`Exchange::has_room`].
//!
//! What to send is decided by what the other end says it holds, never by the memory of having sent it; that
//! memory only lets the first flight already carry the right things. Everything is idempotent, so a
//! connection may be cut at any byte.

mod acks;
mod ask;
mod blob_sender;
mod box_end;
mod compare;
mod hub_end;
mod outgoing;
mod pace;
mod packing;
mod pipe;
mod sources;

use std::collections::{BTreeSet, VecDeque};
use std::time::Duration;

use records::ids::DeviceId;

use crate::identity::{DeviceKey, DevicePublicKey, SignatureFault};
use crate::wire::{BlobOffer, BlobPiece, Bye, Frame, Hello, Lane, Message, VERSION, WireFault};
use acks::PendingAck;
use blob_sender::BlobSender;
use box_end::BoxEnd;
use compare::Compare;
use hub_end::HubEnd;
use packing::{COMPACT_SINCE, Packing};
use pipe::{Incoming, Pipe};
use sources::Sources;

pub use outgoing::{Outgoing, signed_messages, unsigned_stretch};

pub use ask::{Answer, Ask, Greeting, LaneItem, NextItems, Taken, Told};

/// How long an end may be silent while something is expected of it, the greeting included.
pub const SILENCE_LIMIT: Duration = Duration::from_secs(30);
/// After how much silence an idle box asks whether the hub is still there.
pub const PING_AFTER: Duration = Duration::from_secs(60);
/// After how much silence a hub gives an idle box up.
pub const HUB_SILENCE_LIMIT: Duration = Duration::from_secs(150);

/// Asks that may wait for a long one before the socket is read no more. An end that keeps to its bounds has fewer
/// messages under way.
const ASKS_WAITING_MAX: usize = 128;

/// Why an exchange cannot go on; the connection is closed and made anew.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum ExchangeFault {
    /// The other end does not keep to the format.
    #[error("the other end sent bytes that are not well-formed")]
    Wire(#[from] WireFault),
    /// A signature of the other end does not fit.
    #[error("a signature of the other end does not fit")]
    Signature(#[from] SignatureFault),
    /// A frame that does not belong where it came.
    #[error("the other end sent {0} out of turn")]
    OutOfTurn(&'static str),
    /// A batch of another device than the one that the connection belongs to.
    #[error("the other end sent a batch of another device")]
    ForeignBatch,
    /// Nothing was heard for too long.
    #[error("nothing was heard for too long while waiting for {0}")]
    Silent(&'static str),
    /// The other end closed with a reason.
    #[error("the other end closed: {0:?}")]
    Closed(Bye),
    /// This end closes with a reason.
    #[error("closed: {0:?}")]
    Refused(Bye),
}

impl ExchangeFault {
    /// What to tell the other end before closing, where that helps it.
    pub fn bye(&self) -> Option<Bye> {
        match self {
            Self::Wire(_) | Self::Signature(_) | Self::OutOfTurn(_) | Self::ForeignBatch => {
                Some(Bye::Malformed)
            }
            Self::Silent(_) => Some(Bye::Silent),
            Self::Refused(bye) => Some(*bye),
            Self::Closed(_) => None,
        }
    }
}

/// Keys and names under which an end speaks.
#[derive(Debug, Clone)]
pub struct Credentials {
    /// This end's device key.
    pub key: DeviceKey,
    /// The county: SHA-256 of the public key of the hub's CA.
    pub county: [u8; 32],
    /// The other end's key: the box's from its certificate, the hub's from the enrolment.
    pub peer: DevicePublicKey,
    /// Devices of which the box of this connection took the place: it carries their sessions on.
    pub predecessors: Vec<DeviceId>,
}

impl Credentials {
    /// Whether a device is this one of the box, or one of which that took the place.
    fn carries(&self, own: DeviceId, device: DeviceId) -> bool {
        own == device || self.predecessors.contains(&device)
    }
}

/// What was carried so far on this connection.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Counts {
    /// Changes of ours that the other end stored.
    pub changes_sent: u64,
    /// Changes of others that came and were new.
    pub changes_received: u64,
    /// Blobs that the other end has whole now.
    pub blobs_sent: u64,
    /// Blobs that came whole.
    pub blobs_received: u64,
    /// Bytes on the stream that were audit, both ways.
    pub audit_bytes: u64,
    /// How often this end had nothing left to send and waited for an answer.
    pub round_trips: u64,
}

impl Counts {
    /// Whether a change or a blob got across, either way.
    pub fn is_something_new(&self) -> bool {
        [
            self.changes_sent,
            self.changes_received,
            self.blobs_sent,
            self.blobs_received,
        ]
        .iter()
        .any(|count| *count > 0)
    }
}

#[derive(Debug)]
enum End {
    Box(BoxEnd),
    Hub(HubEnd),
}

/// One end of one connection.
#[derive(Debug)]
pub struct Exchange {
    credentials: Credentials,
    end: End,
    pipe: Pipe,
    packing: Packing,
    asks: VecDeque<Ask>,
    /// Asks given out and not answered.
    unanswered: usize,
    /// One of them is long.
    long_under_way: bool,
    sources: Sources,
    blobs: BlobSender,
    /// Messages of the other end that were handled.
    handled: [u64; Lane::COUNT],
    pending_ack: Option<PendingAck>,
    counts: Counts,
    silent_since: Duration,
    silence_limit: Duration,
    pinged: bool,
    compare: Option<Compare>,
    /// Box: names of facts that were handed back on this connection, and how many of them were taken.
    facts_sent: BTreeSet<[u8; 8]>,
    taken_back: u64,
    /// The same when the box's holdings were asked for.
    taken_before: u64,
    /// Hub: facts that came and are being taken.
    facts_came: u64,
    /// What waits is sent once more, and nothing of it was acknowledged yet.
    again: bool,
    /// Hub: the box's first message, until the prints are read.
    question: Option<Vec<u8>>,
    /// Box: whether this connection compared already.
    compared: bool,
    /// Whether something was sent since the last wait that counted as a round trip.
    sent_since_wait: bool,
}

impl Exchange {
    /// The box's end: greets and sends at once what it believes the hub lacks. Changes of lanes P2 to P4 are
    /// gathered for `gather` before they are sent.
    pub fn for_box(credentials: Credentials, hello: &Hello, gather: Duration, now: Duration) -> Self {
        let mut exchange = Self::new(credentials, End::Box(BoxEnd::new(hello)), gather, now);
        // A hub that was reached before is no older than this box knows it.
        exchange.packing.speaks = hello.epoch > 0 && hello.versions.1 >= COMPACT_SINCE;
        exchange.pipe.send_control(&Frame::Hello(hello.clone()));
        exchange.sent_since_wait = true;
        Lane::ALL
            .into_iter()
            .for_each(|lane| exchange.sources.wake_at_once(lane));
        exchange
    }

    /// The hub's end: waits for the box's greeting.
    pub fn for_hub(credentials: Credentials, now: Duration) -> Self {
        Self::new(credentials, End::Hub(HubEnd::default()), Duration::ZERO, now)
    }

    fn new(credentials: Credentials, end: End, gather: Duration, now: Duration) -> Self {
        Self {
            credentials,
            end,
            pipe: Pipe::default(),
            packing: Packing::default(),
            asks: VecDeque::new(),
            unanswered: 0,
            long_under_way: false,
            sources: Sources::new(gather),
            blobs: BlobSender::default(),
            handled: [0; Lane::COUNT],
            pending_ack: None,
            counts: Counts::default(),
            silent_since: now,
            silence_limit: SILENCE_LIMIT,
            pinged: false,
            compare: None,
            facts_sent: BTreeSet::new(),
            taken_back: 0,
            taken_before: 0,
            facts_came: 0,
            again: false,
            question: None,
            compared: false,
            sent_since_wait: false,
        }
    }

    /// Gives a silent end up earlier than [`SILENCE_LIMIT`].
    pub fn set_silence_limit(&mut self, limit: Duration) {
        self.silence_limit = limit.min(SILENCE_LIMIT);
    }

    /// Takes bytes as they came from the stream.
    pub fn handle_bytes(&mut self, bytes: &[u8], now: Duration) -> Result<(), ExchangeFault> {
        if bytes.is_empty() {
            return Ok(());
        }
        self.silent_since = now;
        self.pinged = false;
        if self.sent_since_wait && self.pipe.is_drained() {
            self.counts.round_trips += 1;
            self.sent_since_wait = false;
        }
        self.pipe.push_bytes(bytes);
        while let Some(incoming) = self.pipe.next_incoming(now)? {
            match incoming {
                Incoming::Begun(lane, bytes) => self.message_begins(lane, &bytes),
                Incoming::Message(lane, bytes) => self.handle_message(lane, bytes)?,
                Incoming::Control(frame) => self.handle_control(*frame)?,
            }
        }
        self.after_event();
        Ok(())
    }

    fn handle_control(&mut self, frame: Frame) -> Result<(), ExchangeFault> {
        match frame {
            Frame::Ack(ack) => self.handle_ack(ack),
            Frame::Bye(bye) => Err(ExchangeFault::Closed(bye)),
            Frame::Hello(hello) => self.hub_handle_hello(hello),
            Frame::Welcome(welcome) => self.box_handle_welcome(welcome),
            Frame::Holds(page) => match self.end {
                End::Box(_) => self.box_handle_holds(page),
                End::Hub(_) => self.hub_handle_holds(page),
            },
            Frame::Sketch(sketch) => self.box_handle_sketch(sketch),
            Frame::Tell(sessions) => self.hub_handle_tell(sessions),
            Frame::Lacks(page) => self.hub_handle_lacks(&page),
            Frame::Quiet(quiet) => self.box_handle_quiet(quiet),
            Frame::Want(blobs) => self.hub_handle_want(&blobs),
            Frame::Compare(bytes) => self.handle_compare(bytes),
            Frame::Lacking(prints) => self.hub_handle_lacking(prints),
            Frame::Enrol(_) | Frame::Succeed(_) | Frame::EnrolAnswer(_) => {
                Err(ExchangeFault::OutOfTurn("an enrolment"))
            }
            Frame::Knock(_)
            | Frame::Nonce(_)
            | Frame::ShareAsk(_)
            | Frame::ShareGive(_)
            | Frame::ShareAnswer(_) => Err(ExchangeFault::OutOfTurn("a word about a share")),
            Frame::Segment(_) | Frame::Progress(_) | Frame::Ping | Frame::Pong => {
                Err(ExchangeFault::OutOfTurn("a frame of the stream"))
            }
        }
    }

    /// Whether a device is the box at the other end, or one of which it took the place.
    fn is_of_peer(&self, device: DeviceId) -> bool {
        self.credentials.carries(self.credentials.peer.device(), device)
    }

    /// What to ask of the store for a message that came, once who sent it is sure.
    fn checked(&mut self, lane: Lane, message: Message, length: usize) -> Result<Ask, ExchangeFault> {
        Ok(match (message, &self.end) {
            (Message::Batch(batch), End::Hub(_)) => {
                if !self.is_of_peer(batch.actor.device) {
                    return Err(ExchangeFault::ForeignBatch);
                }
                let claim = batch.claim(VERSION, &self.credentials.county);
                self.credentials.peer.verify(&claim, &batch.signature)?;
                Ask::TakeBatch { lane, batch }
            }
            (Message::Audit(audit), End::Hub(_)) => {
                if !self.is_of_peer(audit.actor.device) {
                    return Err(ExchangeFault::ForeignBatch);
                }
                let claim = audit.claim(VERSION, &self.credentials.county);
                self.credentials.peer.verify(&claim, &audit.signature)?;
                self.counts.audit_bytes += length as u64;
                Ask::TakeAudit { lane, audit }
            }
            (Message::Feed(feed), End::Box(_)) => {
                if feed.actor.device != self.credentials.peer.device() {
                    return Err(ExchangeFault::ForeignBatch);
                }
                let claim = feed.claim(VERSION, &self.credentials.county);
                self.credentials.peer.verify(&claim, &feed.signature)?;
                Ask::TakeFeed { lane, feed }
            }
            (Message::Facts(facts), End::Hub(_)) => {
                self.facts_came += facts.len() as u64;
                Ask::TakeFacts { lane, facts }
            }
            (Message::HandBack(back), End::Hub(_)) => {
                let own = self.credentials.key.public();
                back.verify(own, VERSION, &self.credentials.county)?;
                Ask::TakeBack { lane, back }
            }
            (Message::Offer(offer), End::Hub(_)) => Ask::TakeOffer { lane, offer },
            (Message::Piece(piece), End::Box(_) | End::Hub(_)) => Ask::TakePiece { lane, piece },
            (
                Message::Batch(_)
                | Message::Audit(_)
                | Message::Offer(_)
                | Message::Facts(_)
                | Message::HandBack(_),
                End::Box(_),
            ) => {
                return Err(ExchangeFault::OutOfTurn("a box's message"));
            }
            (Message::Feed(_), End::Hub(_)) => return Err(ExchangeFault::OutOfTurn("a hub's message")),
        })
    }

    /// Whether more may be read from the stream while a long ask is under way.
    pub fn has_room(&self) -> bool {
        self.asks.len() < ASKS_WAITING_MAX
    }

    /// The next thing that is asked of the store. Each ask gets exactly one answer.
    pub fn poll_ask(&mut self, now: Duration) -> Option<Ask> {
        let ask = self.next_ask(now)?;
        self.long_under_way |= ask.is_long();
        match &ask {
            Ask::Acked(ack) => {
                let facts = ack.taken_back.iter();
                self.taken_back += facts.filter(|name| self.facts_sent.remove(*name)).count() as u64;
            }
            Ask::TellHoldings { .. } => self.taken_before = self.taken_back,
            _ => {}
        }
        self.unanswered += 1;
        Some(self.with_learned(ask))
    }

    fn next_ask(&mut self, now: Duration) -> Option<Ask> {
        if !self.long_under_way {
            return self.asks.pop_front().or_else(|| self.next_read(now));
        }
        let waiting = self.asks.iter().take_while(|ask| ask.waits_for_long()).count();
        match self.asks.get(waiting) {
            Some(ask) if ask.overtakes_long() => self.asks.remove(waiting),
            Some(_) => None,
            None => self.next_read(now),
        }
    }

    /// What can be read from the store to be sent; while something long is under way, of the urgent lanes only.
    fn next_read(&mut self, now: Duration) -> Option<Ask> {
        if let End::Hub(hub) = &self.end
            && !hub.may_feed()
        {
            return None;
        }
        let pipe = &self.pipe;
        let all = !self.long_under_way;
        let lanes = Lane::ALL.into_iter().filter(|lane| all || lane.is_urgent());
        if let Some((lane, after, budget)) = self.sources.next(now, lanes, |lane| pipe.queued(lane)) {
            let held = match &self.end {
                End::Hub(hub) => hub.peer_holds(),
                End::Box(_) => Default::default(),
            };
            return Some(Ask::Next {
                lane,
                after,
                budget,
                held,
            });
        }
        if !all {
            return None;
        }
        let (offer, offset) = self.blobs.next_piece(|lane| pipe.queued(lane))?;
        Some(Ask::ReadBlob { offer, offset })
    }

    /// Takes the store's answer to the oldest open ask, or to the long one.
    pub fn handle_answer(&mut self, answer: Answer, now: Duration) -> Result<(), ExchangeFault> {
        self.unanswered = self.unanswered.saturating_sub(1);
        let awaited = self.is_awaiting();
        match answer {
            Answer::Done => {}
            Answer::Greeting(greeting) => self.hub_greet(*greeting)?,
            Answer::Refused(bye) => return Err(ExchangeFault::Refused(bye)),
            Answer::Holdings(told) => match self.end {
                End::Box(_) => self.box_tell_holdings(told),
                End::Hub(_) => self.hub_tell(&told.holds),
            },
            Answer::Untold(untold) => self.box_ask_for(untold)?,
            Answer::Requeued => {
                self.box_understood();
                self.sources.start_again();
            }
            Answer::Woken(lanes) => lanes.into_iter().for_each(|lane| self.sources.wake_at_once(lane)),
            Answer::Next(next) => match self.end {
                End::Box(_) => self.box_send(next),
                End::Hub(_) => self.hub_send(next),
            },
            Answer::BlobBytes { offer, offset, bytes } => self.send_piece(offer, offset, bytes),
            Answer::Taken(taken) => self.acknowledge(*taken, now),
            Answer::Fingerprint(fingerprint) => self.hub_say_quiet(fingerprint),
            Answer::Settled(wanted) => self.box_settle(wanted),
            Answer::Learned(lane) => self.long_under_way &= lane.is_urgent(),
            Answer::Packed { lane, bytes, learned } => {
                self.long_under_way &= lane.is_urgent();
                self.packed(lane, bytes, learned);
            }
            Answer::Unpacked {
                lane,
                length,
                message,
                learned,
            } => {
                self.long_under_way &= lane.is_urgent();
                self.unpacked(lane, length, *message, learned)?;
            }
            Answer::Differs(wanted) => {
                self.box_settle(wanted);
                self.box_differs();
            }
            Answer::Prints(prints) => self.handle_prints(&prints)?,
        }
        if !awaited && self.is_awaiting() {
            // The other end owed nothing until now: its silence counts from here.
            self.silent_since = now;
        }
        self.after_event();
        Ok(())
    }

    fn send_piece(&mut self, offer: BlobOffer, offset: u64, bytes: Vec<u8>) {
        let Some(lane) = self.blobs.read(&offer, offset, bytes.len() as u64) else {
            return;
        };
        self.send(lane, Message::Piece(BlobPiece { offer, offset, bytes }));
    }

    /// The stream is at its end: what came of a blob's piece that was torn off, for the store. Nobody hears its answer any
    /// more; the next connection tells what is held.
    pub fn torn_off(&mut self) -> Vec<Ask> {
        let torn = self.pipe.torn();
        torn.filter_map(|(lane, bytes)| {
            let piece = Message::decode_torn(&bytes)?;
            Some(Ask::TakePiece { lane, piece })
        })
        .collect()
    }

    fn send(&mut self, lane: Lane, message: Message) {
        self.send_all(lane, vec![message], false);
    }

    /// The quiet that waited is not true any more; another one follows.
    fn hub_has_news(&mut self) {
        if self.pipe.take_back_last()
            && let End::Hub(hub) = &mut self.end
        {
            hub.news();
        }
    }

    fn send_bytes(&mut self, lane: Lane, bytes: Vec<u8>, audit: bool) {
        self.hub_has_news();
        let cost = self.pipe.send_message(lane, bytes);
        if audit {
            self.counts.audit_bytes += cost;
        }
        self.sources.sent(lane);
    }

    fn after_event(&mut self) {
        match self.end {
            End::Box(_) => self.box_check_settled(),
            End::Hub(_) => self.hub_check_quiet(),
        }
    }

    /// New items wait in a lane: the box's own changes, or the clinic's feed at the hub.
    pub fn wake(&mut self, lane: Lane, now: Duration) {
        self.sources.wake(lane, now);
        if let End::Hub(hub) = &mut self.end {
            hub.news();
        }
    }

    /// Reads and sends once more what waits, where the other end handled everything that was sent and did not
    /// acknowledge all of it: it may have had no room. `false` where something is under way.
    pub fn send_again(&mut self) -> bool {
        let idle = self.is_open()
            && !self.is_awaiting()
            && self.asks.is_empty()
            && self.unanswered == 0
            && self.packing.is_empty()
            && self.sources.is_exhausted()
            && self.pipe.is_drained();
        if idle {
            self.again = true;
            self.sources.start_again();
            self.box_unsettle();
        }
        idle
    }

    /// The next bytes for the stream.
    pub fn poll_transmit(&mut self, now: Duration) -> Option<Vec<u8>> {
        if self.gathers_acks_until().is_none_or(|until| until <= now) {
            self.flush_ack();
        }
        let bytes = self.pipe.next_outgoing(now)?;
        self.sent_since_wait = true;
        Some(bytes)
    }

    /// When [`Self::poll_transmit`] will give more, where only time has to pass until then.
    pub fn poll_transmit_at(&self) -> Option<Duration> {
        self.pipe.room_at().or_else(|| self.gathers_acks_until())
    }

    /// When [`Self::handle_timeout`] is due, if nothing happens before.
    pub fn poll_timeout(&self) -> Duration {
        let silence = self.silent_since + self.silence_limit().1;
        self.sources.due().map_or(silence, |due| due.min(silence))
    }

    /// Time has passed.
    pub fn handle_timeout(&mut self, now: Duration) -> Result<(), ExchangeFault> {
        self.sources.ripen(now);
        let (what, limit) = self.silence_limit();
        if now.saturating_sub(self.silent_since) >= limit {
            if limit < PING_AFTER || matches!(self.end, End::Hub(_)) || self.pinged {
                return Err(ExchangeFault::Silent(what));
            }
            self.pinged = true;
            self.pipe.send_control(&Frame::Ping);
        }
        Ok(())
    }

    fn is_awaiting(&self) -> bool {
        self.sources.is_awaiting() || self.blobs.is_awaiting()
    }

    /// What is being waited for and for how long at most.
    fn silence_limit(&self) -> (&'static str, Duration) {
        let expects = self.is_awaiting();
        match &self.end {
            End::Box(end) if !end.is_welcomed() => ("the greeting", self.silence_limit),
            End::Hub(end) if !end.is_greeted() => ("the greeting", self.silence_limit),
            End::Box(_) | End::Hub(_) if expects => ("an acknowledgement", self.silence_limit),
            End::Box(_) if self.pinged => ("a sign of life", PING_AFTER + self.silence_limit),
            End::Box(_) => ("a sign of life", PING_AFTER),
            End::Hub(_) => ("a sign of life", HUB_SILENCE_LIMIT),
        }
    }

    /// Says why this end closes. Send what [`Self::poll_transmit`] gives, then close.
    pub fn close(&mut self, bye: Bye) {
        self.flush_ack();
        self.pipe.send_control(&Frame::Bye(bye));
    }

    /// Whether the box has nothing to send, the hub said the same, and all that came is stored. Never true at
    /// the hub.
    pub fn is_settled(&self) -> bool {
        match &self.end {
            End::Box(end) => {
                let stored = self.asks.is_empty() && self.unanswered == 0 && self.pending_ack.is_none();
                end.is_settled() && stored && self.pipe.is_drained()
            }
            End::Hub(_) => false,
        }
    }

    /// Whether the greeting of both ends is done.
    pub fn is_open(&self) -> bool {
        match &self.end {
            End::Box(end) => end.is_welcomed(),
            End::Hub(end) => end.is_greeted(),
        }
    }

    /// What was carried so far.
    pub fn counts(&self) -> Counts {
        self.counts
    }
}

#[cfg(test)]
mod world;

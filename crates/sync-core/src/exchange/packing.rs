//! Messages on their way into and out of the compact form, which needs what the store knows.
//!
//! Packing is asked of the store one message after the other, so what a lane sends keeps its order; the urgent lanes have
//! a seat of their own and do not wait for a backlog. What the model learned from a message is kept, lane by lane, only
//! while more of a backlog follows at once: an idle connection holds no model.

use std::collections::VecDeque;

use crate::compact::{Envelope, Learned, Start};
use crate::exchange::{Ask, Exchange, ExchangeFault};
use crate::wire::{Bye, Fact, Lane, Message, WireFault};

/// The wire version from which the compact form is understood.
pub(crate) const COMPACT_SINCE: u16 = 2;
/// The wire version from which many sessions are told as a sketch.
pub(crate) const SKETCH_SINCE: u16 = 3;

/// A message that waits to be packed.
#[derive(Debug)]
struct Unsent {
    lane: Lane,
    message: Message,
    more: bool,
}

/// Where messages are packed one after the other.
#[derive(Debug, Default)]
struct Seat {
    unsent: VecDeque<Unsent>,
    /// The message that the store packs just now: whether it is audit, whether more follows.
    busy: Option<(bool, bool)>,
}

#[derive(Debug, Default)]
pub(crate) struct Packing {
    /// Whether the other end understands the compact form.
    pub(crate) speaks: bool,
    /// Of the urgent lanes and of the others.
    seats: [Seat; 2],
    out: [Option<Box<Learned>>; Lane::COUNT],
    into: [Option<Box<Learned>>; Lane::COUNT],
}

impl Packing {
    /// Bytes that wait here are counted by their number only: whether anything waits.
    pub(crate) fn is_empty(&self) -> bool {
        self.seats
            .iter()
            .all(|seat| seat.unsent.is_empty() && seat.busy.is_none())
    }

    fn seat(&mut self, lane: Lane) -> &mut Seat {
        &mut self.seats[usize::from(!lane.is_urgent())]
    }
}

fn has_compact_form(message: &Message) -> bool {
    match message {
        Message::Batch(_) | Message::Audit(_) | Message::Feed(_) => true,
        Message::Offer(_) | Message::Piece(_) | Message::Facts(_) | Message::HandBack(_) => false,
    }
}

impl Exchange {
    /// Sends messages of a lane in their order. `more` says that further ones will follow at once.
    pub(crate) fn send_all(&mut self, lane: Lane, messages: Vec<Message>, more: bool) {
        for message in &messages {
            if let Message::Facts(facts) = message {
                self.facts_sent.extend(facts.iter().map(Fact::name));
            }
        }
        let last = messages.iter().rposition(has_compact_form);
        for (at, message) in messages.into_iter().enumerate() {
            let more = !lane.is_urgent() && (more || last.is_some_and(|last| at < last));
            self.hub_has_news();
            let unsent = Unsent { lane, message, more };
            self.packing.seat(lane).unsent.push_back(unsent);
        }
        self.pump(lane);
    }

    /// Goes on at the seat of this lane.
    fn pump(&mut self, lane: Lane) {
        while self.packing.seat(lane).busy.is_none()
            && let Some(Unsent { lane, message, more }) = self.packing.seat(lane).unsent.pop_front()
        {
            let audit = matches!(message, Message::Audit(_));
            if self.packing.speaks && has_compact_form(&message) {
                self.packing.seat(lane).busy = Some((audit, more));
                let learned = self.packing.out[lane.index()].take();
                let message = Box::new(message);
                self.asks.push_back(Ask::Pack {
                    lane,
                    message,
                    more,
                    learned,
                });
            } else {
                self.send_bytes(lane, message.encode(), audit);
            }
        }
    }

    /// The store packed the message that it was asked to.
    pub(crate) fn packed(&mut self, lane: Lane, bytes: Vec<u8>, learned: Option<Box<Learned>>) {
        if let Some((audit, more)) = self.packing.seat(lane).busy.take() {
            self.packing.out[lane.index()] = learned.filter(|_| more);
            self.send_bytes(lane, bytes, audit);
        }
        self.pump(lane);
    }

    /// A message begins to come. What its model starts from can be learned while the rest is on its way; a message of an
    /// urgent lane starts from nothing.
    pub(crate) fn message_begins(&mut self, lane: Lane, bytes: &[u8]) {
        if let Ok(Some(envelope)) = Envelope::read(bytes)
            && let Start::Shared(base) = envelope.start
            && !lane.is_urgent()
        {
            self.asks.push_back(Ask::Learn { lane, base });
        }
    }

    /// A message came: one in the compact form is unpacked by the store first.
    pub(crate) fn handle_message(&mut self, lane: Lane, bytes: Vec<u8>) -> Result<(), ExchangeFault> {
        if Envelope::read(&bytes)?.is_some() {
            self.asks.push_back(Ask::Unpack {
                lane,
                bytes,
                learned: None,
            });
            return Ok(());
        }
        let message = Message::decode(&bytes)?;
        let ask = self.checked(lane, message, bytes.len())?;
        self.asks.push_back(ask);
        Ok(())
    }

    /// Gives an ask to unpack what the message before it left.
    pub(crate) fn with_learned(&mut self, ask: Ask) -> Ask {
        match ask {
            Ask::Unpack { lane, bytes, .. } => {
                let learned = self.packing.into[lane.index()].take();
                Ask::Unpack { lane, bytes, learned }
            }
            other => other,
        }
    }

    /// The store unpacked a message.
    pub(crate) fn unpacked(
        &mut self,
        lane: Lane,
        length: usize,
        message: Result<Message, WireFault>,
        learned: Option<Box<Learned>>,
    ) -> Result<(), ExchangeFault> {
        let message = match message {
            Ok(message) => message,
            Err(WireFault::NotHere(_)) => return Err(ExchangeFault::Refused(Bye::NotHere)),
            Err(fault) => return Err(fault.into()),
        };
        self.packing.into[lane.index()] = learned;
        let ask = self.checked(lane, message, length)?;
        // Before what came behind it.
        self.asks.push_front(ask);
        Ok(())
    }
}

//! Acknowledgements: what the other end stored of ours, and what is said of that which came.

use std::time::Duration;

use crate::exchange::{Ask, End, Exchange, ExchangeFault, Taken};
use crate::wire::{Ack, Frame, Lane, MAX_ACK_ENTRIES, RangeSet};

/// How long an acknowledgement waits for those of messages that came with its own and are being read: together they are one
/// packet, and the fewer packets end an exchange, the seldomer the loss of one holds it up.
pub(super) const ACK_GATHER: Duration = Duration::from_millis(200);

/// An acknowledgement on its way out.
#[derive(Debug)]
pub(super) struct PendingAck {
    ack: Ack,
    /// Until when it may wait for further ones.
    until: Duration,
}

impl Exchange {
    /// The other end stored some of ours.
    pub(super) fn handle_ack(&mut self, ack: Ack) -> Result<(), ExchangeFault> {
        self.sources.peer_handled(&ack.handled)?;
        self.counts.changes_sent += ack.held.0.values().map(RangeSet::count).sum::<u64>();
        for have in &ack.blobs {
            if let Some(done) = self.blobs.answered(have) {
                self.counts.blobs_sent += u64::from(done);
            }
        }
        if ack.took_nothing() {
            // Still no room: what else waits would go over the line in vain.
            if self.again {
                self.sources.stop();
            }
        } else {
            self.again = false;
        }
        self.asks.push_back(Ask::Acked(ack));
        Ok(())
    }

    /// The store took a message.
    pub(super) fn acknowledge(&mut self, taken: Taken, now: Duration) {
        let came = std::mem::take(&mut self.facts_came);
        self.handled[taken.lane.index()] += 1;
        self.counts.changes_received += taken.new_changes;
        self.counts.blobs_received += taken
            .ack
            .blobs
            .iter()
            .filter(|have| taken.new_blob == Some(have.blob))
            .count() as u64;
        if let End::Hub(hub) = &mut self.end {
            hub.peer_stored(&taken.ack.held);
            hub.took_back(came);
            // What was stored has its place in the clinic's feed, and may have led to more.
            Lane::ALL
                .into_iter()
                .for_each(|lane| self.sources.wake_at_once(lane));
        }
        let mut ack = taken.ack;
        ack.handled = self.handled;
        // Whoever sent something urgent, or has the next piece of a blob to send, waits for the word.
        let is_awaited = taken.lane.is_urgent() || !ack.blobs.is_empty();
        let until = now + if is_awaited { Duration::ZERO } else { ACK_GATHER };
        match &mut self.pending_ack {
            Some(pending) if pending.ack.size() + ack.size() <= MAX_ACK_ENTRIES => {
                pending.ack.merge(ack);
                pending.until = pending.until.min(until);
            }
            Some(_) | None => {
                self.flush_ack();
                self.pending_ack = Some(PendingAck { ack, until });
            }
        }
    }

    pub(super) fn flush_ack(&mut self) {
        if let Some(pending) = self.pending_ack.take() {
            self.pipe.send_control(&Frame::Ack(pending.ack));
        }
    }

    /// Until when an acknowledgement waits for that of what is being read just now.
    pub(super) fn gathers_acks_until(&self) -> Option<Duration> {
        let pending = self.pending_ack.as_ref()?;
        (self.long_under_way && self.pipe.is_drained()).then_some(pending.until)
    }
}

//! The box's part of the exchange.

use std::collections::BTreeSet;

use records::ids::BlobId;

use crate::exchange::packing::{COMPACT_SINCE, SKETCH_SINCE};
use crate::exchange::{Ask, End, Exchange, ExchangeFault, NextItems, Outgoing, Told, signed_messages};
use crate::identity::Actor;
use crate::wire::greeting::lacks_pages;
use crate::wire::{
    Bye, Frame, Hello, Holds, MAX_HOLDS, MAX_WANTED, Message, Quiet, SessionSketch, Untold, Wanted,
    WantedBlob, Welcome,
};

#[derive(Debug)]
pub(crate) struct BoxEnd {
    versions: (u16, u16),
    welcomed: bool,
    /// Holdings of the hub that are still arriving.
    holds: Option<Holds>,
    /// The same in short, until it is understood.
    sketch: Option<SessionSketch>,
    /// Whether the hub understands what is lacking instead of what is held.
    tells_lacks: bool,
    /// What to tell once they arrived.
    tell: Option<Wanted>,
    quiet: Option<Quiet>,
    /// Blobs that were asked for on this connection; what the hub lacks is not asked for twice.
    asked: BTreeSet<BlobId>,
    settled: bool,
}

impl BoxEnd {
    pub(crate) fn new(hello: &Hello) -> Self {
        Self {
            versions: hello.versions,
            welcomed: false,
            holds: None,
            sketch: None,
            tells_lacks: false,
            tell: None,
            quiet: None,
            asked: BTreeSet::new(),
            settled: false,
        }
    }

    pub(crate) fn is_welcomed(&self) -> bool {
        self.welcomed
    }

    pub(crate) fn is_settled(&self) -> bool {
        self.settled
    }
}

impl Exchange {
    fn box_end(&mut self, what: &'static str) -> Result<&mut BoxEnd, ExchangeFault> {
        match &mut self.end {
            End::Box(end) => Ok(end),
            End::Hub(_) => Err(ExchangeFault::OutOfTurn(what)),
        }
    }

    pub(crate) fn box_handle_welcome(&mut self, welcome: Welcome) -> Result<(), ExchangeFault> {
        let hub = self.credentials.peer.device();
        let end = self.box_end("a welcome")?;
        if end.welcomed {
            return Err(ExchangeFault::OutOfTurn("a second welcome"));
        }
        if welcome.version < end.versions.0 || welcome.version > end.versions.1 {
            return Err(ExchangeFault::Refused(Bye::NoCommonVersion));
        }
        if welcome.actor.device != hub {
            return Err(ExchangeFault::OutOfTurn("a welcome of another hub"));
        }
        end.welcomed = true;
        let speaks = welcome.version >= COMPACT_SINCE;
        end.tells_lacks = welcome.version >= SKETCH_SINCE;
        let lacks = end.tells_lacks;
        end.holds = welcome.holds_follow.then(Holds::default);
        let tell = (welcome.wanted != Wanted::Nothing).then_some(welcome.wanted);
        // What the hub holds may show that some of it is not what is held here.
        if welcome.holds_follow {
            end.tell = tell;
        }
        let at_once = tell.filter(|_| !welcome.holds_follow);
        self.packing.speaks = speaks;
        self.asks.push_back(Ask::Welcomed(welcome));
        self.asks
            .extend(at_once.map(|wanted| Ask::TellHoldings { wanted, lacks }));
        Ok(())
    }

    pub(crate) fn box_handle_holds(&mut self, page: Holds) -> Result<(), ExchangeFault> {
        let own = self.credentials.key.device();
        let foreign = |actor: &Actor| !self.credentials.carries(own, actor.device);
        if page.changes.0.keys().any(foreign) {
            return Err(ExchangeFault::OutOfTurn("holdings of another device"));
        }
        let end = self.box_end("holdings")?;
        let Some(holds) = end.holds.as_mut() else {
            return Err(ExchangeFault::OutOfTurn("holdings"));
        };
        let last = page.last;
        holds.extend(page);
        if last {
            let whole = holds.clone();
            match end.sketch.clone() {
                Some(sketch) => self.asks.push_back(Ask::HubSketch { sketch, told: whole }),
                None => self.asks.push_back(Ask::HubHolds(whole)),
            }
        }
        Ok(())
    }

    pub(crate) fn box_handle_sketch(&mut self, sketch: SessionSketch) -> Result<(), ExchangeFault> {
        let end = self.box_end("a sketch")?;
        if end.holds.as_ref() != Some(&Holds::default()) || end.sketch.is_some() {
            return Err(ExchangeFault::OutOfTurn("a sketch"));
        }
        end.sketch = Some(sketch);
        Ok(())
    }

    /// The sketch was not enough: the hub tells these sessions one by one.
    pub(crate) fn box_ask_for(&mut self, untold: Untold) -> Result<(), ExchangeFault> {
        let end = self.box_end("holdings")?;
        let Untold(mut sessions) = untold;
        if sessions.is_empty() || sessions.len() > MAX_HOLDS {
            sessions.clear();
            end.sketch = None;
            end.holds = Some(Holds::default());
        }
        self.pipe.send_control(&Frame::Tell(sessions));
        Ok(())
    }

    /// What the hub holds of this device is known now.
    pub(crate) fn box_understood(&mut self) {
        let End::Box(end) = &mut self.end else { return };
        end.holds = None;
        end.sketch = None;
        let lacks = end.tells_lacks;
        let tell = end.tell.take().map(|wanted| Ask::TellHoldings { wanted, lacks });
        // Before the news that came meanwhile: the hub feeds nothing until it hears this.
        tell.into_iter().for_each(|ask| self.asks.push_front(ask));
    }

    pub(crate) fn box_tell_holdings(&mut self, told: Told) {
        let Told { mut holds, lacks } = told;
        for page in lacks.iter().flat_map(lacks_pages) {
            self.pipe.send_control(&Frame::Lacks(page));
        }
        // What was taken already counts as well: the hub counts from the start of the connection.
        holds.hands_back += self.taken_before;
        for page in holds.pages() {
            self.pipe.send_control(&Frame::Holds(page));
        }
    }

    pub(crate) fn box_handle_quiet(&mut self, quiet: Quiet) -> Result<(), ExchangeFault> {
        self.box_end("quiet")?.quiet = Some(quiet);
        Ok(())
    }

    pub(crate) fn box_send(&mut self, next: NextItems) {
        let lane = next.lane;
        if !self.sources.read(lane, next.upto, next.more) {
            return;
        }
        let more = next.more;
        let (key, county) = (&self.credentials.key, &self.credentials.county);
        let mut messages = Vec::new();
        for piece in signed_messages(key, county, next) {
            match piece {
                Outgoing::Message(message) => messages.push(message),
                Outgoing::Blob(offer) => {
                    if self.blobs.offered(lane, offer) {
                        messages.push(Message::Offer(offer));
                    }
                }
            }
        }
        self.send_all(lane, messages, more);
        if let End::Box(end) = &mut self.end {
            end.settled = false;
        }
    }

    pub(crate) fn box_check_settled(&mut self) {
        let idle = self.asks.is_empty()
            && self.unanswered == 0
            && self.packing.is_empty()
            && self.sources.is_exhausted()
            && !self.blobs.is_awaiting();
        let sent = self.sources.total_sent();
        let End::Box(end) = &mut self.end else { return };
        if !idle || !end.welcomed || end.holds.is_some() || self.compare.is_some() {
            return;
        }
        // Whether a quiet that came earlier still holds is told by its count: the hub had handled all of it.
        if let Some(quiet) = end.quiet.take_if(|quiet| quiet.handled == sent) {
            self.asks.push_back(Ask::Settled(quiet.fingerprint));
        }
    }

    /// Something is to be found out or sent yet: the hub says anew that it is quiet.
    pub(crate) fn box_unsettle(&mut self) {
        if let End::Box(end) = &mut self.end {
            end.settled = false;
        }
    }

    pub(crate) fn box_settle(&mut self, wanted: Vec<WantedBlob>) {
        let End::Box(end) = &mut self.end else { return };
        let missing: Vec<WantedBlob> = wanted
            .into_iter()
            .filter(|wanted| end.asked.insert(wanted.offer.blob))
            .collect();
        // The hub says that it is quiet again when it has sent what it has of them.
        end.settled = missing.is_empty();
        for page in missing.chunks(MAX_WANTED) {
            self.pipe.send_control(&Frame::Want(page.to_vec()));
        }
    }
}

//! The hub's part of the exchange.

use std::sync::Arc;

use records::ids::SessionId;

use crate::exchange::packing::{COMPACT_SINCE, SKETCH_SINCE};
use crate::exchange::{Ask, End, Exchange, ExchangeFault, Greeting, NextItems, unsigned_stretch};
use crate::wire::{
    Bye, Frame, Hello, Holdings, Holds, LISTED_MAX, Lane, Message, Quiet, SessionSketch, VERSION, VERSIONS,
    Wanted, WantedBlob, beside,
};

/// Most facts that a box may hand back before it is fed.
const HANDED_BACK_MAX: u64 = 100_000;

#[derive(Debug)]
pub(crate) struct HubEnd {
    hello: bool,
    /// The box said that it holds all of its own sessions that it knows the hub to hold.
    own_whole: bool,
    greeted: bool,
    /// Holdings of the box that are awaited and still arriving.
    awaited: bool,
    /// What the box hands back before it is fed (a purge or a revocation may be among it), and how much of it
    /// was taken since the connection began.
    hands_back: u64,
    taken_back: u64,
    /// What the box holds: told by it, or equal by digest, or stored from it on this connection.
    peer_holds: Arc<Holdings>,
    /// What this hub held of the box's own sessions when it greeted, where the box was told.
    own: Holdings,
    /// What the box lacks of that, as far as it told.
    lacks: Option<Holdings>,
    /// Sessions that are still told one by one.
    listed_max: usize,
    /// Sessions that the box wants to be told one by one.
    asked_for: Vec<SessionId>,
    /// Something happened since the box was last told that the hub is quiet.
    restless: bool,
    asked_fingerprint: bool,
}

impl Default for HubEnd {
    fn default() -> Self {
        Self {
            hello: false,
            own_whole: false,
            greeted: false,
            awaited: false,
            hands_back: 0,
            taken_back: 0,
            peer_holds: Arc::default(),
            own: Holdings::default(),
            lacks: None,
            listed_max: LISTED_MAX,
            asked_for: Vec::new(),
            restless: false,
            asked_fingerprint: false,
        }
    }
}

impl HubEnd {
    pub(crate) fn is_greeted(&self) -> bool {
        self.greeted
    }

    /// Whether the feeds may be sent: the box said what it holds.
    pub(crate) fn may_feed(&self) -> bool {
        self.greeted && !self.awaited && self.taken_back >= self.hands_back
    }

    pub(crate) fn took_back(&mut self, count: u64) {
        self.taken_back += count;
    }

    pub(crate) fn peer_holds(&self) -> Arc<Holdings> {
        Arc::clone(&self.peer_holds)
    }

    pub(crate) fn peer_stored(&mut self, held: &Holdings) {
        Arc::make_mut(&mut self.peer_holds).extend(held);
        self.restless = true;
    }

    pub(crate) fn news(&mut self) {
        self.restless = true;
    }
}

impl Exchange {
    fn hub_end(&mut self, what: &'static str) -> Result<&mut HubEnd, ExchangeFault> {
        match &mut self.end {
            End::Hub(end) => Ok(end),
            End::Box(_) => Err(ExchangeFault::OutOfTurn(what)),
        }
    }

    pub(crate) fn hub_handle_hello(&mut self, hello: Hello) -> Result<(), ExchangeFault> {
        let device = self.credentials.peer.device();
        let end = self.hub_end("a greeting")?;
        if end.hello {
            return Err(ExchangeFault::OutOfTurn("a second greeting"));
        }
        end.hello = true;
        end.own_whole = hello.own_whole;
        if hello.actor.device != device {
            return Err(ExchangeFault::ForeignBatch);
        }
        if hello.versions.1 < VERSIONS.0 || hello.versions.0 > VERSIONS.1 {
            return Err(ExchangeFault::Refused(Bye::NoCommonVersion));
        }
        self.packing.speaks = hello.versions.1.min(VERSIONS.1) >= COMPACT_SINCE;
        self.asks.push_back(Ask::Greet(Box::new(hello)));
        Ok(())
    }

    pub(crate) fn hub_greet(&mut self, greeting: Greeting) -> Result<(), ExchangeFault> {
        let end = self.hub_end("a greeting")?;
        end.greeted = true;
        end.restless = true;
        end.awaited = greeting.welcome.wanted != Wanted::Nothing;
        if !end.awaited && end.own_whole {
            end.peer_holds = Arc::new(greeting.own.changes.clone());
        }
        for (lane, after) in Lane::ALL.into_iter().zip(greeting.welcome.feeds_from) {
            self.sources.start_from(lane, after);
            self.sources.wake_at_once(lane);
        }
        let Greeting { welcome, own } = greeting;
        let (holds_follow, brief) = (welcome.holds_follow, welcome.version >= SKETCH_SINCE);
        self.pipe.send_control(&Frame::Welcome(welcome));
        let End::Hub(end) = &mut self.end else {
            return Ok(());
        };
        let sessions = own.changes.0.len().max(own.audit.len());
        if holds_follow && brief && sessions > end.listed_max {
            self.pipe.send_control(&Frame::Sketch(SessionSketch::of(&own)));
            self.tell_pages(&beside(&own));
        } else if holds_follow {
            self.tell_pages(&own);
        }
        if let End::Hub(end) = &mut self.end {
            end.own = own.changes;
        }
        Ok(())
    }

    fn tell_pages(&mut self, holds: &Holds) {
        for page in holds.pages() {
            self.pipe.send_control(&Frame::Holds(page));
        }
    }

    /// The box could not make out everything from the sketch.
    pub(crate) fn hub_handle_tell(&mut self, sessions: Vec<SessionId>) -> Result<(), ExchangeFault> {
        let end = self.hub_end("a question for sessions")?;
        if !end.greeted {
            return Err(ExchangeFault::OutOfTurn("a question for sessions"));
        }
        end.asked_for = sessions;
        self.asks.push_back(Ask::OwnHoldings);
        Ok(())
    }

    pub(crate) fn hub_tell(&mut self, own: &Holds) {
        let End::Hub(end) = &mut self.end else { return };
        let asked_for = std::mem::take(&mut end.asked_for);
        let mut told = own.clone();
        if !asked_for.is_empty() {
            told.changes
                .0
                .retain(|actor, _| asked_for.contains(&actor.session));
            told.prints.clear();
            told.audit.clear();
            told.parked.clear();
        }
        self.tell_pages(&told);
    }

    /// Lists fewer sessions one by one.
    #[cfg(test)]
    pub(crate) fn set_listed_max(&mut self, most: usize) {
        if let End::Hub(end) = &mut self.end {
            end.listed_max = most;
        }
    }

    pub(crate) fn hub_handle_lacks(&mut self, page: &Holdings) -> Result<(), ExchangeFault> {
        let end = self.hub_end("what is lacking")?;
        if !end.awaited {
            return Err(ExchangeFault::OutOfTurn("what is lacking"));
        }
        end.lacks.get_or_insert_default().extend(page);
        Ok(())
    }

    pub(crate) fn hub_handle_holds(&mut self, page: Holds) -> Result<(), ExchangeFault> {
        let end = self.hub_end("holdings")?;
        if !end.awaited && end.own_whole {
            return Err(ExchangeFault::OutOfTurn("holdings"));
        }
        end.awaited = !page.last;
        end.hands_back = end.hands_back.max(page.hands_back.min(HANDED_BACK_MAX));
        end.peer_stored(&page.changes);
        if page.last
            && let Some(lacks) = end.lacks.take()
        {
            let held = end.own.without(&lacks);
            end.peer_stored(&held);
        }
        for (lane, after) in Lane::ALL.into_iter().zip(page.feeds_from.into_iter().flatten()) {
            self.sources.start_from(lane, after);
        }
        Lane::ALL
            .into_iter()
            .for_each(|lane| self.sources.wake_at_once(lane));
        Ok(())
    }

    pub(crate) fn hub_handle_want(&mut self, wanted: &[WantedBlob]) -> Result<(), ExchangeFault> {
        self.hub_end("a wish")?.restless = true;
        wanted.iter().for_each(|blob| self.blobs.wanted(blob));
        Ok(())
    }

    pub(crate) fn hub_send(&mut self, next: NextItems) {
        let lane = next.lane;
        let after = self.sources.place(lane);
        let more = next.more;
        self.sources.read(lane, next.upto, more);
        let blobs = &mut self.blobs;
        let Some(feed) = unsigned_stretch(next, after, |offer| {
            blobs.offered(lane, offer);
        }) else {
            return;
        };
        let feed = feed.signed(&self.credentials.key, VERSION, &self.credentials.county);
        self.send_all(lane, vec![Message::Feed(feed)], more);
        if let End::Hub(end) = &mut self.end {
            end.restless = true;
        }
    }

    pub(crate) fn hub_check_quiet(&mut self) {
        let idle = self.asks.is_empty()
            && self.unanswered == 0
            && self.packing.is_empty()
            && self.sources.is_exhausted()
            && !self.blobs.is_awaiting();
        let End::Hub(end) = &mut self.end else { return };
        if idle && end.may_feed() && end.restless && !end.asked_fingerprint {
            end.asked_fingerprint = true;
            self.asks.push_back(Ask::Fingerprint);
        }
    }

    pub(crate) fn hub_say_quiet(&mut self, fingerprint: [u8; 8]) {
        let handled = self.handled.iter().sum();
        let quiet = self.asks.is_empty()
            && self.unanswered == 0
            && self.packing.is_empty()
            && self.sources.is_exhausted()
            && !self.blobs.is_awaiting();
        self.flush_ack();
        let End::Hub(end) = &mut self.end else { return };
        end.asked_fingerprint = false;
        if quiet {
            end.restless = false;
            // Behind everything that waits in the lanes: the box must not take it for the end before.
            self.pipe.send_last(&Frame::Quiet(Quiet { handled, fingerprint }));
        }
    }
}

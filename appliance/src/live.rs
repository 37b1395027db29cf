//! What changes at the box, told to pages that are open: one server-sent stream a browser.
//!
//! Events carry a name and at most the number of a bay or the id of a patient, never what changed: a page that
//! may show it asks for it.

use std::sync::{Arc, Mutex, PoisonError};

use axum::extract::State;
use axum::response::Response;
use axum::response::sse::Event;
use records::ids::PatientId;
use records::time::Stamp;
use shell::streaming::{self, PageEvent};
use store::StoreEvent;
use tokio::sync::broadcast;
use tokio::sync::broadcast::error::RecvError;

use crate::state::AppState;

/// Events that a slow browser may lag behind; after that it is told to renew everything.
const EVENTS: usize = 256;
/// Most calls for the doctor that wait at a time.
pub const CALLS_MAX: usize = 32;

/// Something that open pages want to know.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LiveEvent {
    /// The state of the link, an alarm, or a call for the doctor: the light and the notices changed.
    Sync,
    /// The unclaimed tray changed.
    Tray,
    /// A bay changed: session, measurement, connection.
    Bay(usize),
    /// A visit or a patient of today's list changed.
    Today,
    /// Something about this patient changed.
    Patient(PatientId),
    /// An ECG was saved, or one is being recorded, at this bay.
    Ecg(usize),
    /// Nothing changed; the box is there.
    StillHere,
}

impl PageEvent for LiveEvent {
    const STILL_HERE: Self = Self::StillHere;

    fn sse(&self) -> Event {
        let bay = |name: &str, bay: usize| Event::default().event(name).data(format!("{{\"bay\":{bay}}}"));
        match self {
            Self::Sync => Event::default().event("sync").data("{}"),
            Self::Tray => Event::default().event("tray").data("{}"),
            Self::Bay(number) => bay("bay", *number),
            Self::Today => Event::default().event("today").data("{}"),
            Self::Patient(patient) => Event::default()
                .event("patient")
                .data(format!("{{\"patient\":\"{patient}\"}}")),
            Self::Ecg(number) => bay("ecg", *number),
            Self::StillHere => Event::default().event("still-here").data("{}"),
        }
    }
}

/// Somebody at a kiosk wants the doctor.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Call {
    /// Its number, counted since the process started.
    pub number: u64,
    /// Name of the place: the kiosk's card reader.
    pub place: String,
    /// When.
    pub at: Stamp,
}

/// The hub of live events and of calls for the doctor. A cheap clone.
#[derive(Debug, Clone)]
pub struct Live {
    events: broadcast::Sender<LiveEvent>,
    calls: Arc<Mutex<Calls>>,
}

#[derive(Debug, Default)]
struct Calls {
    waiting: Vec<Call>,
    so_far: u64,
}

impl Default for Live {
    fn default() -> Self {
        let (events, _) = broadcast::channel(EVENTS);
        Self {
            events,
            calls: Arc::default(),
        }
    }
}

impl Live {
    /// Tells all open pages.
    pub fn tell(&self, event: LiveEvent) {
        // Nobody listens: nothing to tell.
        let _ = self.events.send(event);
    }

    /// Listens from now on.
    pub fn listen(&self) -> broadcast::Receiver<LiveEvent> {
        self.events.subscribe()
    }

    /// Somebody calls the doctor from this place; a call that waits there already stays one.
    pub fn call(&self, place: &str, at: Stamp) {
        let mut calls = self.calls.lock().unwrap_or_else(PoisonError::into_inner);
        if calls.waiting.iter().any(|call| call.place == place) || calls.waiting.len() >= CALLS_MAX {
            return;
        }
        calls.so_far += 1;
        let call = Call {
            number: calls.so_far,
            place: place.to_owned(),
            at,
        };
        calls.waiting.push(call);
        drop(calls);
        self.tell(LiveEvent::Sync);
    }

    /// Calls that nobody has answered.
    pub fn calls(&self) -> Vec<Call> {
        self.calls
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .waiting
            .clone()
    }

    /// Somebody goes to look.
    pub fn answer_call(&self, number: u64) {
        self.calls
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .waiting
            .retain(|call| call.number != number);
        self.tell(LiveEvent::Sync);
    }

    /// Hands on what the store tells, until the store is closed.
    pub async fn follow(self, mut changes: broadcast::Receiver<StoreEvent>) {
        loop {
            match changes.recv().await {
                Ok(StoreEvent::DocChanged { patient, .. }) => {
                    if let Some(patient) = patient {
                        self.tell(LiveEvent::Patient(patient));
                    }
                    self.tell(LiveEvent::Today);
                }
                Ok(StoreEvent::Tray) => self.tell(LiveEvent::Tray),
                Ok(StoreEvent::SyncState | StoreEvent::Staff | StoreEvent::Alarm) => {
                    self.tell(LiveEvent::Sync)
                }
                Ok(StoreEvent::Bulk) | Err(RecvError::Lagged(_)) => self.tell(LiveEvent::Today),
                Err(RecvError::Closed) => return,
            }
        }
    }
}

/// `GET /live`: the stream.
pub async fn stream(State(state): State<AppState>) -> Response {
    streaming::answer(state.live.listen(), state.closing.clone())
}

#[cfg(test)]
mod tests {
    use futures_util::StreamExt as _;
    use records::time::{ClockSource, WallTime};

    use super::*;

    const NOON: Stamp = Stamp {
        at: WallTime(1_700_000_000_000),
        source: ClockSource::Hub,
    };

    #[test]
    fn a_call_waits_until_it_is_answered() {
        let live = Live::default();
        let mut events = live.listen();
        live.call("大厅", NOON);
        live.call("大厅", NOON);
        live.call("走廊", NOON);
        let waiting = live.calls();
        assert_eq!(
            waiting.iter().map(|call| call.place.as_str()).collect::<Vec<_>>(),
            ["大厅", "走廊"]
        );
        live.answer_call(waiting[0].number);
        assert_eq!(live.calls().len(), 1);
        assert_eq!(events.try_recv(), Ok(LiveEvent::Sync));
    }

    #[test]
    fn calls_are_bounded() {
        let live = Live::default();
        for place in 0..CALLS_MAX + 5 {
            live.call(&place.to_string(), NOON);
        }
        assert_eq!(live.calls().len(), CALLS_MAX);
    }

    #[tokio::test]
    async fn the_stream_tells_names_and_no_content() {
        let live = Live::default();
        let mut stream = Box::pin(streaming::events(live.listen()));
        assert!(stream.next().await.is_some());
        live.tell(LiveEvent::Bay(2));
        let event = format!("{:?}", stream.next().await);
        assert!(event.contains("bay"), "{event}");
    }
}

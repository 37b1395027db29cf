//! What changes at the hub, told to desks that are open: one server-sent stream a browser.
//!
//! Events carry a name and at most the id of a patient, never what changed: a page that may show it asks for it.

use axum::extract::State;
use axum::response::Response;
use axum::response::sse::Event;
use records::ids::PatientId;
use shell::streaming::{self, PageEvent};
use store::StoreEvent;
use tokio::sync::broadcast;
use tokio::sync::broadcast::error::RecvError;

use crate::state::HubState;

/// Events that a slow browser may lag behind; after that it is told to renew everything.
const EVENTS: usize = 256;

/// Something that open desks want to know.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LiveEvent {
    /// A clinic was heard of, its queue or an alarm changed.
    Sync,
    /// Something about this patient changed.
    Patient(PatientId),
    /// Visits or patients changed.
    Today,
    /// Nothing changed; the hub is there.
    StillHere,
}

impl PageEvent for LiveEvent {
    const STILL_HERE: Self = Self::StillHere;

    fn sse(&self) -> Event {
        match self {
            Self::Sync => Event::default().event("sync").data("{}"),
            Self::Today => Event::default().event("today").data("{}"),
            Self::Patient(patient) => Event::default()
                .event("patient")
                .data(format!("{{\"patient\":\"{patient}\"}}")),
            Self::StillHere => Event::default().event("still-here").data("{}"),
        }
    }
}

/// The events of this process. A cheap clone.
#[derive(Debug, Clone)]
pub struct Live(broadcast::Sender<LiveEvent>);

impl Default for Live {
    fn default() -> Self {
        Self(broadcast::channel(EVENTS).0)
    }
}

impl Live {
    /// Tells all open desks.
    pub fn tell(&self, event: LiveEvent) {
        // Nobody listens: nothing to tell.
        let _ = self.0.send(event);
    }

    /// Listens from now on.
    pub fn listen(&self) -> broadcast::Receiver<LiveEvent> {
        self.0.subscribe()
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
                Ok(StoreEvent::SyncState | StoreEvent::Staff | StoreEvent::Alarm | StoreEvent::Tray) => {
                    self.tell(LiveEvent::Sync);
                }
                Ok(StoreEvent::Bulk) | Err(RecvError::Lagged(_)) => self.tell(LiveEvent::Today),
                Err(RecvError::Closed) => return,
            }
        }
    }
}

/// `GET /live`: the stream.
pub async fn stream(State(state): State<HubState>) -> Response {
    streaming::answer(state.live.listen(), state.closing.clone())
}

#[cfg(test)]
mod tests {
    use futures_util::StreamExt as _;

    use super::*;

    #[tokio::test]
    async fn the_stream_tells_names_and_ids_only() {
        let live = Live::default();
        let mut stream = Box::pin(streaming::events(live.listen()));
        assert!(stream.next().await.is_some());
        live.tell(LiveEvent::Patient(PatientId([7; 16])));
        let event = format!("{:?}", stream.next().await);
        assert!(event.contains("patient") && event.contains("0707"), "{event}");
    }
}

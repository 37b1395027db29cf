//! What nodes of one database tell each other about a commit: who wrote, and what its listeners were told.
//!
//! Ids and words only, never what changed; a hint, since a connection may break: whoever waits looks for itself, too.

use std::fmt::Write as _;
use std::sync::{Arc, Mutex, PoisonError};

use records::ids::{DocId, PatientId, SessionId};
use tokio::sync::broadcast;

use super::StoreEvent;
use crate::sql::{Address, Heard, Listening};
use crate::sync::Packing;

/// The word of a purge: nothing may stay learned from what is gone.
const PURGED: &str = "purged";

/// What a commit tells. PostgreSQL takes 8,000 bytes; the writer tells fewer than 100 events, of 66 bytes at most.
pub(super) fn told(by: SessionId, purged: bool, events: &[StoreEvent]) -> String {
    let mut text = by.to_string();
    if purged {
        text.push(' ');
        text.push_str(PURGED);
    }
    for event in events {
        text.push(' ');
        match event {
            StoreEvent::DocChanged { doc, patient } => {
                text.push_str(&hex::encode(doc.0));
                if let Some(patient) = patient {
                    text.push('/');
                    // Writing into a string does not fail.
                    let _ = write!(text, "{}", hex::encode(patient.0));
                }
            }
            StoreEvent::Bulk => text.push_str("bulk"),
            StoreEvent::Tray => text.push_str("tray"),
            StoreEvent::SyncState => text.push_str("sync"),
            StoreEvent::Staff => text.push_str("staff"),
            StoreEvent::Alarm => text.push_str("alarm"),
        }
    }
    text
}

/// A commit of another node.
#[derive(Debug, PartialEq, Eq)]
struct Commit {
    by: String,
    purged: bool,
    events: Vec<StoreEvent>,
}

/// Reads what [`told`] wrote; `None` for what another release may tell.
fn heard(text: &str) -> Option<Commit> {
    let mut words = text.split(' ');
    let mut commit = Commit {
        by: words.next()?.to_owned(),
        purged: false,
        events: Vec::new(),
    };
    let id = |text: &str| <[u8; 16]>::try_from(hex::decode(text).ok()?).ok();
    for word in words {
        commit.events.push(match word {
            PURGED => {
                commit.purged = true;
                continue;
            }
            "bulk" => StoreEvent::Bulk,
            "tray" => StoreEvent::Tray,
            "sync" => StoreEvent::SyncState,
            "staff" => StoreEvent::Staff,
            "alarm" => StoreEvent::Alarm,
            ids => match ids.split_once('/') {
                Some((doc, patient)) => StoreEvent::DocChanged {
                    doc: DocId(id(doc)?),
                    patient: Some(PatientId(id(patient)?)),
                },
                None => StoreEvent::DocChanged {
                    doc: DocId(id(ids)?),
                    patient: None,
                },
            },
        });
    }
    Some(commit)
}

/// Hands on to the listeners of this process what other nodes of the database wrote.
pub(super) fn listen(
    address: &Address,
    own: SessionId,
    events: broadcast::Sender<StoreEvent>,
    packing: Arc<Mutex<Packing>>,
) -> crate::sql::Result<Listening> {
    let own = own.to_string();
    let forget = move || packing.lock().unwrap_or_else(PoisonError::into_inner).forget();
    // Nobody listens: nothing to tell.
    let tell = move |event| drop(events.send(event));
    Listening::start(address, move |news| match news {
        Heard::Nothing => tell(StoreEvent::SyncState),
        Heard::Told(text) => match heard(&text) {
            Some(commit) if commit.by == own => {}
            Some(commit) => {
                if commit.purged {
                    forget();
                }
                commit.events.into_iter().for_each(&tell);
            }
            None => {
                forget();
                tell(StoreEvent::Bulk);
            }
        },
        // Whatever was told meanwhile was not heard.
        Heard::Again => {
            forget();
            tell(StoreEvent::Bulk);
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_told_is_heard() {
        let by = SessionId([7; 8]);
        let events = vec![
            StoreEvent::DocChanged {
                doc: DocId([1; 16]),
                patient: Some(PatientId([2; 16])),
            },
            StoreEvent::DocChanged {
                doc: DocId([3; 16]),
                patient: None,
            },
            StoreEvent::Bulk,
            StoreEvent::Tray,
            StoreEvent::SyncState,
            StoreEvent::Staff,
            StoreEvent::Alarm,
        ];
        for purged in [false, true] {
            let commit = Commit {
                by: by.to_string(),
                purged,
                events: events.clone(),
            };
            assert_eq!(heard(&told(by, purged, &events)), Some(commit));
        }
        assert_eq!(heard("07 of-a-later-release"), None);
    }

    #[test]
    fn as_many_events_as_a_commit_tells_fit() {
        let doc = StoreEvent::DocChanged {
            doc: DocId([1; 16]),
            patient: Some(PatientId([2; 16])),
        };
        let most = super::super::writer::EVENTS_EACH_MAX + 10;
        assert!(told(SessionId([7; 8]), true, &vec![doc; most]).len() < 8000);
    }
}

//! What devices deliver while the data are locked: each reading is sealed and kept like one that was typed. Whose it is
//! the doctor says at the tray; an ECG is too long to be kept, and its bay says so.

use std::sync::Arc;
use std::time::Duration;

use super::LockedState;
use crate::bays::attachment::TrayReason;
use crate::bays::keeper::{Keep, Queue};
use crate::bays::readings::to_tray;
use crate::bays::shown::Shown;
use crate::inbox::Message;

/// Time until a reading that could not be kept is tried again.
const AGAIN: Duration = Duration::from_secs(5);

/// Keeps what comes through the queue until it is closed.
pub(super) async fn follow(state: LockedState, queue: Arc<Queue>) {
    while let Some(keep) = queue.take().await {
        match keep {
            Keep::Reading {
                place, found, taken, ..
            } => {
                let serial = place.serial.as_deref().unwrap_or_default();
                let content = to_tray(&found, place.key.as_str(), serial, taken);
                let message = Message::new(&place.bay, "", "", content);
                let id: [u8; 16] = rand::random();
                while !kept(&state, id, &message, place.number).await {
                    tokio::time::sleep(AGAIN).await;
                }
                let shown = Shown::unjudged(&found.measured);
                state
                    .bays
                    .saved(place.number, None, shown, Some(TrayReason::TakenLocked));
            }
            Keep::Ecg { place, .. } => {
                tracing::warn!(bay = place.number, "an ECG is not kept while the data are locked");
                state.bays.cannot_save(place.number);
            }
            // The bay's log lies among the data.
            Keep::Note { .. } | Keep::Devices(_) => {}
        }
    }
}

async fn kept(state: &LockedState, id: [u8; 16], message: &Message, bay: usize) -> bool {
    match state.keep(id, message).await {
        Ok(true) => true,
        Ok(false) => {
            tracing::error!("a reading waits: the inbox is full");
            state.bays.cannot_save(bay);
            false
        }
        // Logged where it was met.
        Err(_) => {
            state.bays.cannot_save(bay);
            false
        }
    }
}

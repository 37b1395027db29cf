//! Where what was saved here has got to: the status light and the object of the `status` verb, from stored facts.

use std::path::Path;

use records::time::WallTime;
use serde_json::{Map, Value, json};
use shell::storage::{Room, Storage};
use store::{Alarm, AlarmKind, Lane, LinkStatus, Store, StoreError};
use web::light::StatusLight;

use crate::clock::BUILT_AT;
use crate::state::AppState;

/// Key of the setting in which `serve` keeps the state of its bays for other verbs.
pub const DEVICES_SETTING: &str = "devices";

/// What the light shows. It claims no more than the store knows.
pub async fn light(state: &AppState) -> Result<StatusLight, StoreError> {
    let store = &state.store;
    let link = store.link_status().await?;
    let joined = store.enrolment().await?.is_some();
    let alarms = store.alarms().await?.len() as u64;
    let clashes = store.clashing_count().await?;
    let calls = state.live.calls().len() as u64;
    let cannot_save = u64::from(state.bays.is_stuck() || !state.storage().takes_writes());
    Ok(light_of(
        &link,
        joined,
        alarms + clashes + calls + link.parked + cannot_save,
    ))
}

/// The light of these facts; `persons` things need a person.
pub fn light_of(link: &LinkStatus, joined: bool, persons: u64) -> StatusLight {
    if persons > 0 {
        return StatusLight::NeedsPerson { count: persons };
    }
    if !joined {
        return StatusLight::Alone { kept: link.pending };
    }
    if !link.connected || link.cause.is_some() {
        return StatusLight::Unreached { kept: link.pending };
    }
    if link.pending > 0 {
        return StatusLight::Sending {
            waiting: link.pending,
        };
    }
    StatusLight::Synced {
        at: link.last_contact,
    }
}

/// The object of `status --json`.
pub async fn object(store: &Store, data: &Path) -> Result<Value, StoreError> {
    let link = store.link_status().await?;
    let enrolment = store.enrolment().await?;
    let notes = store.clock_notes().await?;
    let now = store.clock().now();
    let heard = notes
        .last()
        .map(|note| json!({ "at": time(Some(note.stamp.at)), "source": note.stamp.source.word() }));
    let storage = Storage::of(data);
    let devices = store.setting(DEVICES_SETTING).await?.unwrap_or_else(|| json!([]));
    Ok(json!({
        "queue": queue(&link),
        "pending": link.pending,
        "last_contact": time(link.last_contact),
        "cause": link.cause.map(|cause| cause.word()),
        "next_try": time(link.next_try),
        "hub": enrolment.as_ref().map(|enrolment| &enrolment.hub_url),
        "clinic": store.clinic().await?.map(|clinic| clinic.as_str().to_owned()),
        "clock": { "now": time(Some(now.at)), "source": now.source.word(), "heard": heard },
        "storage": {
            "folder": data.display().to_string(),
            "free_bytes": storage.free,
            "size_bytes": storage.size,
            "read_only": storage.read_only,
            "encrypted": storage.encrypted,
            "checked": time(store.checked_at().await?),
        },
        "devices": devices,
        "alarms": alarms(&store.alarms().await?, &storage),
        "versions": {
            "program": env!("CARGO_PKG_VERSION"),
            "built": time(Some(BUILT_AT)),
            "tables": records::tables::VERSION,
        },
    }))
}

fn queue(link: &LinkStatus) -> Value {
    let lanes = Lane::ALL.into_iter().zip(&link.queue).map(|(lane, waiting)| {
        let waiting =
            json!({ "items": waiting.items, "bytes": waiting.bytes, "oldest": time(waiting.oldest) });
        (format!("P{}", lane.number()), waiting)
    });
    Value::Object(lanes.collect::<Map<_, _>>())
}

fn alarms(raised: &[Alarm], storage: &Storage) -> Vec<Value> {
    let raised = raised
        .iter()
        .map(|alarm| json!({ "kind": alarm.kind.word(), "text": alarm.text, "at": time(Some(alarm.at)) }));
    let mut all: Vec<Value> = raised.collect();
    let room = match storage.room() {
        Room::Enough => None,
        Room::Low => Some((AlarmKind::DiskLow, "less than 512 MiB are free")),
        Room::Full => Some((AlarmKind::DiskFull, "less than 16 MiB are free: nothing is saved")),
        Room::ReadOnly => Some((AlarmKind::ReadOnly, "the data folder takes no writes")),
    };
    all.extend(room.map(|(kind, text)| json!({ "kind": kind.word(), "text": text })));
    all
}

fn time(at: Option<WallTime>) -> Value {
    at.map_or(Value::Null, |at| Value::String(at.rfc3339()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn link(pending: u64, connected: bool) -> LinkStatus {
        LinkStatus {
            queue: Default::default(),
            pending,
            last_contact: Some(WallTime(5)),
            cause: None,
            next_try: (!connected).then_some(WallTime(9)),
            connected,
            parked: 0,
            spent_today: store::Spent::default(),
        }
    }

    #[test]
    fn the_light_claims_no_more_than_is_known() {
        assert_eq!(
            light_of(&link(3, false), false, 0),
            StatusLight::Alone { kept: 3 }
        );
        assert_eq!(
            light_of(&link(3, false), true, 0),
            StatusLight::Unreached { kept: 3 }
        );
        assert_eq!(
            light_of(&link(3, true), true, 0),
            StatusLight::Sending { waiting: 3 }
        );
        assert_eq!(
            light_of(&link(0, true), true, 0),
            StatusLight::Synced {
                at: Some(WallTime(5))
            }
        );
        assert_eq!(
            light_of(&link(0, true), true, 2),
            StatusLight::NeedsPerson { count: 2 }
        );
    }
}

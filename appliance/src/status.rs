//! Where what was saved here has got to: the status light and the object of the `status` verb, from stored facts.

use store::StoreError;
use web::light::StatusLight;

use crate::state::AppState;

/// What the light shows. It claims no more than the store knows.
pub async fn light(state: &AppState) -> Result<StatusLight, StoreError> {
    let status = state.store.status().await?;
    let persons = status.alarms.len() as u64 + status.clashes + state.live.calls().len() as u64;
    Ok(light_of(&status, persons))
}

/// The light of these facts; `persons` things need a person.
pub fn light_of(status: &store::Status, persons: u64) -> StatusLight {
    if persons > 0 {
        return StatusLight::NeedsPerson { count: persons };
    }
    if status.hub.is_none() {
        return StatusLight::Alone { kept: status.pending };
    }
    if status.cause.is_some() {
        return StatusLight::Unreached { kept: status.pending };
    }
    if status.pending > 0 {
        return StatusLight::Sending { waiting: status.pending };
    }
    StatusLight::Synced { at: status.last_contact }
}

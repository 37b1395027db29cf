//! Where what was saved here has got to.

use store::StoreError;
use web::light::StatusLight;

use crate::state::AppState;

/// What the light shows.
pub async fn light(_state: &AppState) -> Result<StatusLight, StoreError> {
    Ok(StatusLight::Alone { kept: 0 })
}

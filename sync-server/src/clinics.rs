//! The clinics of the county and the tokens by which their boxes join; also beside a running `serve`.

use link::CaFault;
use link::hub_ca::HubCa;
use link::token::TokenError;
use records::clinics::CLINIC_NAME_CHARS_MAX;
use records::ids::{ClinicCode, DeviceId};
use records::text::tidy;
use store::{AuditAct, By, ClinicRow, Store, StoreError};

/// Why something about a clinic was refused.
#[derive(Debug, thiserror::Error)]
pub enum ClinicError {
    /// The name is empty or too long.
    #[error("a clinic's name has 1 to {CLINIC_NAME_CHARS_MAX} characters")]
    Name,
    /// No clinic has this code.
    #[error("no clinic has the code {0}; add it first")]
    Unknown(ClinicCode),
    /// No box of the county has this number.
    #[error("no box of this county has the number {0}")]
    UnknownBox(DeviceId),
    /// The hub's own certificates could not be read or made.
    #[error(transparent)]
    Ca(#[from] CaFault),
    /// The token could not be made.
    #[error(transparent)]
    Token(#[from] TokenError),
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Adds a clinic, or gives the one with this code its new name. Returns whether it is new.
pub async fn add(store: &Store, code: &ClinicCode, name: &str) -> Result<bool, ClinicError> {
    let name = tidy(name);
    if name.is_empty() || name.chars().count() > CLINIC_NAME_CHARS_MAX {
        return Err(ClinicError::Name);
    }
    Ok(store.add_clinic(code, &name).await?)
}

/// The clinic with this code.
pub async fn find(store: &Store, code: &ClinicCode) -> Result<ClinicRow, ClinicError> {
    let found = store
        .clinics()
        .await?
        .into_iter()
        .find(|clinic| clinic.code == *code);
    found.ok_or_else(|| ClinicError::Unknown(code.clone()))
}

/// A one-time token by which one box joins for this clinic. It carries the pin of the hub's CA.
pub async fn new_token(store: &Store, code: &ClinicCode) -> Result<String, ClinicError> {
    find(store, code).await?;
    let ca = open_ca(store)?;
    Ok(link::token::new_token(store, ca.county(), code).await?)
}

/// A box is not answered any more; what it brought stays.
pub async fn revoke_box(store: &Store, by: By, device: DeviceId) -> Result<(), ClinicError> {
    if !store.revoke_device(device).await? {
        return Err(ClinicError::UnknownBox(device));
    }
    Ok(store.audit_note(by, AuditAct::SettingsChange, None).await?)
}

/// The county's root; made where there is none yet.
pub fn open_ca(store: &Store) -> Result<HubCa, CaFault> {
    HubCa::open(store.folder(), store.clock().now().at)
}

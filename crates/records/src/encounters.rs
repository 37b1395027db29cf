//! Visits: opened, written, signed, amended.

mod form;
mod reading;
mod signing;

pub use form::{Triage, VisitForm, open_visit};
pub use reading::{
    Amendment, Certainty, Diagnosis, Encounter, EncounterLine, EncounterState, LateEdit, Signature,
    patient_of,
};
pub use signing::{amend, sign};

/// Longest text of a visit's note, in characters.
pub const NOTE_CHARS_MAX: usize = 8000;
/// Longest complaint, in characters.
pub const COMPLAINT_CHARS_MAX: usize = 500;
/// Most diagnoses of one visit.
pub const DIAGNOSES_MAX: usize = 5;

/// Why a visit is not changed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum VisitFault {
    /// The visit is signed or imported: only amendments are possible.
    #[error("the visit is closed")]
    Closed,
    /// The visit is not signed yet: it is edited, not amended.
    #[error("the visit is still open")]
    StillOpen,
    /// Fields that cannot be taken.
    #[error("fields of the visit cannot be taken")]
    Fields(Vec<crate::faults::FieldFault>),
}

#[cfg(test)]
mod tests;

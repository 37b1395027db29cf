//! Closing a visit and adding to a closed one.

use super::form::VisitForm;
use super::reading::Encounter;
use super::{NOTE_CHARS_MAX, VisitFault};
use crate::entries::Entry;
use crate::faults::{FaultKind, FieldFault, too_long};
use crate::ids::{EntryId, FormId, StaffId};
use crate::text::tidy;
use crate::time::Stamp;
use crate::tree::Edit;

/// The edits that sign an open visit. They must be a change of their own that builds on the heads which the signer
/// saw: those heads are what is signed, so they are not written down again.
pub fn sign(
    encounter: &Encounter,
    by: StaffId,
    name: &str,
    at: Stamp,
    form: FormId,
) -> Result<Vec<Edit>, VisitFault> {
    if !encounter.is_open() {
        return Err(VisitFault::Closed);
    }
    let faults = VisitForm::of(encounter).check_for_signing();
    if !faults.is_empty() {
        return Err(VisitFault::Fields(faults));
    }
    let entry = Entry::by(Some(by), at).text("name", name);
    Ok(vec![entry.write("signatures", &form.to_string())])
}

/// The edits that add a text to a closed visit.
pub fn amend(
    encounter: &Encounter,
    by: StaffId,
    name: &str,
    at: Stamp,
    reason: &str,
    text: &str,
    fresh: &mut crate::Fresh<'_>,
) -> Result<Vec<Edit>, VisitFault> {
    if encounter.is_open() {
        return Err(VisitFault::StillOpen);
    }
    let mut faults = Vec::new();
    for (field, content) in [("reason", reason), ("text", text)] {
        if tidy(content).is_empty() {
            faults.push(FieldFault::new(field, FaultKind::Missing));
        }
        too_long(field, content, NOTE_CHARS_MAX, &mut faults);
    }
    if !faults.is_empty() {
        return Err(VisitFault::Fields(faults));
    }
    let entry = Entry::by(Some(by), at)
        .text("name", name)
        .text("reason", &tidy(reason))
        .text("text", &tidy(text));
    Ok(vec![entry.write("amendments", &EntryId(fresh()).to_string())])
}

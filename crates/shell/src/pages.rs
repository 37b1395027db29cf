//! The pages that are the same at a clinic and at the county, each with who may ask for it.

use records::staff::Action;
use web::guard::{Access, Routes};

use crate::station::Station;
use crate::{account, alarms, audit, chart, demographics, drafts, find, keeping, patient, same, session};

/// Adds the doors, a person's own account, the drafts of forms, a patient's page with its lists and forms, and the audit log to a station's pages.
pub fn add<S: Station>(routes: Routes<S>) -> Routes<S> {
    let (edit, who) = (
        Access::May(Action::EditChart),
        Access::May(Action::EditDemographics),
    );
    let (may_find, read) = (
        Access::May(Action::FindPatients),
        Access::May(Action::ReadClinical),
    );
    let keeps = Access::May(S::KEEPS);
    let resolve = Access::May(Action::ResolveClash);
    routes
        .get("/sign-in", Access::Open, session::sign_in_page::<S>)
        .post("/sign-in", Access::Open, session::sign_in::<S>)
        .post("/sign-out", Access::LockedToo, session::sign_out::<S>)
        .post_background("/lock", Access::LockedToo, session::lock::<S>)
        .get("/unlock", Access::LockedToo, session::unlock_page::<S>)
        .post("/unlock", Access::LockedToo, session::unlock::<S>)
        .post_background("/drafts/{form}", Access::SignedIn, drafts::keep::<S>)
        .post("/drafts/{form}/drop", Access::SignedIn, drafts::throw_away::<S>)
        .get("/account", Access::SignedIn, account::page::<S>)
        .post("/account", Access::SignedIn, account::change::<S>)
        .post(
            "/alarms/settle",
            Access::May(S::SETTLES_ALARMS),
            alarms::settle::<S>,
        )
        .get("/patients", may_find, find::page::<S>)
        .get("/patients/{id}", may_find, patient::page::<S>)
        .get_background("/patients/{id}/banner", may_find, patient::banner_part::<S>)
        .get("/patients/{id}/readings", read, patient::readings_page::<S>)
        .get("/patients/{id}/ecgs", read, patient::ecgs_page::<S>)
        .get("/patients/{id}/visits", read, patient::visits_page::<S>)
        .post("/patients/{id}/clash", resolve, patient::choose::<S>)
        .get("/patients/{id}/same", resolve, same::page::<S>)
        .post("/patients/{id}/same", resolve, same::say::<S>)
        .get("/keeping", keeps, keeping::page::<S>)
        .post("/keeping/backup", keeps, keeping::backup::<S>)
        .post("/keeping/stick/write", keeps, keeping::stick_write::<S>)
        .post("/keeping/stick/take", keeps, keeping::stick_take::<S>)
        .post("/keeping/recovery-key", keeps, keeping::recovery_key::<S>)
        .get("/links", resolve, same::list::<S>)
        .get("/patients/{id}/edit", who, demographics::page::<S>)
        .post("/patients/{id}/edit", who, demographics::change::<S>)
        .get("/patients/{id}/chart", edit, chart::page::<S>)
        .post("/patients/{id}/chart/{part}", edit, chart::change::<S>)
        .get("/audit", Access::May(Action::ReadAudit), audit::page::<S>)
}

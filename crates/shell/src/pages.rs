//! The pages that are the same at a clinic and at the county, each with who may ask for it.

use records::staff::Action;
use web::guard::{Access, Routes};

use crate::station::Station;
use crate::{audit, chart, drafts, session};

/// Adds the doors, the drafts of forms, the facts of a chart and the audit log to a station's pages.
pub fn add<S: Station>(routes: Routes<S>) -> Routes<S> {
    let edit = Access::May(Action::EditChart);
    routes
        .get("/sign-in", Access::Open, session::sign_in_page::<S>)
        .post("/sign-in", Access::Open, session::sign_in::<S>)
        .post("/sign-out", Access::LockedToo, session::sign_out::<S>)
        .post_background("/lock", Access::LockedToo, session::lock::<S>)
        .get("/unlock", Access::LockedToo, session::unlock_page::<S>)
        .post("/unlock", Access::LockedToo, session::unlock::<S>)
        .post_background("/drafts/{form}", Access::SignedIn, drafts::keep::<S>)
        .post("/drafts/{form}/drop", Access::SignedIn, drafts::throw_away::<S>)
        .get("/patients/{id}/chart", edit, chart::page::<S>)
        .post("/patients/{id}/chart/{part}", edit, chart::change::<S>)
        .get("/audit", Access::May(Action::ReadAudit), audit::page::<S>)
}

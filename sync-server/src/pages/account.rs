//! A person's own password and PIN.

use axum::response::Response;
use records::staff::StaffMember;
use shell::errors::Page as Answer;
use shell::session::refusal;
use store::SignIn;
use web::account::{page as draw, wanted_faults};
use web::fields::Fields;
use web::forms::Faults;
use web::trouble::Trouble;

use super::visitor::{Visitor, go_to};
use crate::staff;

/// `GET /account`.
pub async fn page(visitor: Visitor) -> Answer {
    let member = own(&visitor).await?;
    let done = visitor.here.ends_with("?done");
    visitor
        .page(&draw(
            visitor.lang,
            "/",
            member.must_change,
            done,
            &Faults::none(),
        ))
        .await
}

async fn own(visitor: &Visitor) -> Answer<StaffMember> {
    let member = visitor.state.store.staff_member(visitor.person.staff).await?;
    member.ok_or_else(|| Trouble::SignInNeeded.into())
}

/// `POST /account`.
pub async fn change(visitor: Visitor, fields: Fields) -> Answer<Response> {
    let lang = visitor.lang;
    let store = &visitor.state.store;
    let mut member = own(&visitor).await?;
    let mut faults = wanted_faults(lang, &fields);
    if faults.is_empty() {
        let present = store
            .check_password(&member.id.to_string(), fields.get("present"))
            .await?;
        if !matches!(present, SignIn::Ok(_)) {
            faults.add("present", refusal(lang, &present, "account-present-wrong"));
        }
    }
    if faults.is_empty() && fields.get("password") == fields.get("present") && member.must_change {
        faults.add("password", lang.t("hub-account-same"));
    }
    if !faults.is_empty() {
        return visitor
            .refused(draw(lang, "/", member.must_change, false, &faults))
            .await;
    }
    let first = member.must_change && fields.has("password");
    if fields.has("password") {
        member.password_hash = store.hash_secret(fields.get("password")).await?;
        member.must_change = false;
    }
    if fields.has("pin") {
        member.pin_hash = store.hash_secret(fields.get("pin")).await?;
    }
    store
        .end_sessions_of(member.id, Some(&visitor.person.token))
        .await?;
    staff::keep(store, visitor.by(), member).await?;
    go_to(if first { "/" } else { "/account?done" })
}

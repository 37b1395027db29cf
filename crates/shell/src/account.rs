//! A person's own password and PIN.

use axum::response::Response;
use records::staff::StaffMember;
use store::SignIn;
use web::account::{page as draw, wanted_faults};
use web::fields::Fields;
use web::forms::Faults;
use web::trouble::Trouble;

use crate::errors::Page;
use crate::session::refusal;
use crate::station::Station;
use crate::visitor::{Visitor, go_to};

/// Address of the page: where somebody is sent who signed in with a password that somebody else set.
pub const ACCOUNT: &str = "/account";
/// The same page after a change was kept.
pub const ACCOUNT_DONE: &str = "/account?done";

/// `GET /account`.
///
/// # Errors
///
/// The person is no member of the staff any more, or the store failed.
pub async fn page<S: Station>(visitor: Visitor<S>) -> Page {
    let member = own(&visitor).await?;
    let done = visitor.here == ACCOUNT_DONE;
    let page = draw(
        visitor.lang,
        S::ACCOUNT_BACK,
        member.must_change,
        done,
        &Faults::none(),
    );
    visitor.page(&page).await
}

async fn own<S: Station>(visitor: &Visitor<S>) -> Page<StaffMember> {
    let member = visitor.state.store().staff_member(visitor.person.staff).await?;
    member.ok_or_else(|| Trouble::SignInNeeded.into())
}

/// `POST /account`.
///
/// # Errors
///
/// The person is no member of the staff any more, or the store failed.
pub async fn change<S: Station>(visitor: Visitor<S>, fields: Fields) -> Page<Response> {
    let lang = visitor.lang;
    let store = visitor.state.store();
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
        let page = draw(lang, S::ACCOUNT_BACK, member.must_change, false, &faults);
        return visitor.refused(page).await;
    }
    let first = member.must_change && fields.has("password");
    if fields.has("password") {
        member.password_hash = store.hash_secret(fields.get("password")).await?;
        member.must_change = false;
    }
    if fields.has("pin") {
        member.pin_hash = store.hash_secret(fields.get("pin")).await?;
    }
    visitor.state.keep_member(visitor.by(), &member).await?;
    store
        .end_sessions_of(member.id, Some(&visitor.person.token))
        .await?;
    go_to(if first {
        S::FIRST_PASSWORD_LEADS
    } else {
        ACCOUNT_DONE
    })
}

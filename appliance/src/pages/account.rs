//! A person's own password and PIN.

use axum::response::Response;
use maud::{Markup, html};
use records::faults::{FaultKind, FieldFault};
use records::staff::StaffMember;
use shell::errors::Page as Answer;
use store::SignIn;
use web::fields::Fields;
use web::forms::{Faults, Form, Input};
use web::layout::{Page, heading};
use web::panels::{Class, panel};
use web::texts::Lang;
use web::trouble::Trouble;

use crate::founding::keep_member;
use crate::pages::staff::secret_faults;
use crate::pages::visitor::{Visitor, go_to};

/// `GET /account`.
pub async fn page(visitor: Visitor) -> Answer {
    let member = own(&visitor).await?;
    let done = visitor.here.ends_with("?done");
    visitor
        .page(&draw(visitor.lang, &member, done, &Faults::none()))
        .await
}

async fn own(visitor: &Visitor) -> Answer<StaffMember> {
    let member = visitor.state.store.staff_member(visitor.person.staff).await?;
    member.ok_or_else(|| Trouble::SignInNeeded.into())
}

fn draw(lang: Lang, member: &StaffMember, done: bool, faults: &Faults) -> Page {
    let title = lang.t("account-title");
    let body = html! {
        (heading(&title, &html! {}))
        div.narrow.stack {
            @if done { (panel(lang, Class::Done, &lang.t("account-done"), &html! {})) }
            @if member.must_change { (panel(lang, Class::Must, &lang.t("account-must-change"), &html! {})) }
            section.card { (form(lang, faults)) }
        }
    };
    Page::new(title.clone(), body)
}

fn form(lang: Lang, faults: &Faults) -> Markup {
    let labels = [
        "account-present",
        "account-new-password",
        "account-repeat",
        "account-new-pin",
    ]
    .map(|key| lang.t(key));
    let (password_hint, pin_hint) = (lang.t("password-hint"), lang.t("pin-hint"));
    let [present, password, repeat, pin] = &labels;
    let submit = lang.t("save");
    let fields = html! {
        (Input::password("present", present).fills("current-password").markup(lang, faults))
        (Input::password("password", password).hint(&password_hint).fills("new-password").optional().markup(lang, faults))
        (Input::password("repeat", repeat).fills("new-password").optional().markup(lang, faults))
        (Input::pin("pin", pin).hint(&pin_hint).fills("new-password").optional().markup(lang, faults))
    };
    let form = Form {
        action: "/account",
        faults: Some(faults),
        submit: &submit,
        back: Some("/more"),
        ..Form::default()
    };
    form.around(lang, &fields, &html! {})
}

/// `POST /account`.
pub async fn change(visitor: Visitor, fields: Fields) -> Answer<Response> {
    let lang = visitor.lang;
    let mut member = own(&visitor).await?;
    let mut faults = Faults::none();
    for fault in wanted_faults(&fields) {
        faults.add(fault.field, web::checks::secret_sentence(lang, fault));
    }
    if fields.get("password") != fields.get("repeat") {
        faults.add("repeat", lang.t("password-repeat-differs"));
    }
    if faults.is_empty() {
        match visitor
            .state
            .store
            .check_password(&member.id.to_string(), fields.get("present"))
            .await?
        {
            SignIn::Ok(_) => {}
            SignIn::Wrong { .. } => faults.add("present", lang.t("account-present-wrong")),
            SignIn::Locked { wait } => {
                faults.add(
                    "present",
                    lang.t_n("sign-in-locked", wait.as_secs().div_ceil(60).max(1)),
                );
            }
        }
    }
    if !faults.is_empty() {
        return visitor.refused(draw(lang, &member, false, &faults)).await;
    }
    if fields.has("password") {
        member.password_hash = visitor.state.store.hash_secret(fields.get("password")).await?;
        member.must_change = false;
    }
    if fields.has("pin") {
        member.pin_hash = visitor.state.store.hash_secret(fields.get("pin")).await?;
    }
    keep_member(&visitor.state.store, visitor.by(), &member, None).await?;
    visitor
        .state
        .store
        .end_sessions_of(member.id, Some(&visitor.person.token))
        .await?;
    go_to("/account?done")
}

fn wanted_faults(fields: &Fields) -> Vec<FieldFault> {
    let mut faults = Vec::new();
    if !fields.has("present") {
        faults.push(FieldFault::new("present", FaultKind::Missing));
    }
    if !fields.has("password") && !fields.has("pin") {
        faults.push(FieldFault::new("password", FaultKind::Missing));
    }
    faults.extend(secret_faults(fields.get("password"), fields.get("pin"), true));
    faults
}

//! A closed visit: to read, to amend, and to choose between what two people wrote.

use axum::extract::Path;
use axum::response::Response;
use maud::{Markup, html};
use records::encounters::{VisitFault, amend};
use records::ids::FormId;
use records::staff::Action;
use shell::errors::Page as Answer;
use shell::forms::{heads_text, new_form};
use store::{AuditAct, Target};
use web::checks::{Checked, label};
use web::fields::Fields;
use web::forms::{Area, Form, Input};
use web::icons::Icon;
use web::layout::Page;
use web::panels::{Class, panel};
use web::people::Names;
use web::people::clashes::chosen;
use web::people::visit::VisitRead;
use web::texts::Lang;

use super::form::note;
use super::{Open, commit, questions};
use crate::pages::readings::device_name;
use crate::pages::visitor::{Visitor, go_to};

/// Somebody signed while this form was open: nothing of it is lost, it is offered as an amendment.
pub(super) async fn closed_meanwhile(
    visitor: &Visitor,
    open: &Open,
    form: FormId,
    fields: &Fields,
) -> Answer<Response> {
    if visitor.state.store.form_applied(form).await? {
        return go_to(&open.href());
    }
    let lang = visitor.lang;
    let wanted = note(fields);
    let pairs = [
        ("complaint", &open.visit.complaint, &wanted.complaint),
        ("history", &open.visit.history, &wanted.history),
        ("examination", &open.visit.examination, &wanted.examination),
        ("advice", &open.visit.advice, &wanted.advice),
    ];
    let changed = pairs
        .iter()
        .filter(|(_, signed, typed)| signed.trim() != typed.trim() && !typed.trim().is_empty());
    let mut text: Vec<String> = changed
        .map(|(field, _, typed)| format!("{} {typed}", label(lang, field)))
        .collect();
    let new = wanted
        .diagnoses
        .iter()
        .filter(|one| !open.visit.diagnoses.iter().any(|old| old.name == one.name));
    text.extend(new.map(|one| format!("{} {} {}", lang.t("visit-diagnoses"), one.name, one.code)));
    let mut amending = Amending::new();
    amending.fields.put("text", text.join("\n"));
    let told = panel(
        lang,
        Class::Must,
        &lang.t("visit-closed-meanwhile"),
        &html! { p { (lang.t("visit-closed-meanwhile-do")) } },
    );
    visitor
        .overtaken(draw_closed(visitor, open, &told, &amending).await?)
        .await
}

/// The form of an amendment.
pub(super) struct Amending {
    form: FormId,
    fields: Fields,
    checked: Checked,
}

impl Amending {
    pub(super) fn new() -> Self {
        Self {
            form: new_form(),
            fields: Fields::default(),
            checked: Checked::default(),
        }
    }
}

pub(super) async fn draw_closed(
    visitor: &Visitor,
    open: &Open,
    told: &Markup,
    amending: &Amending,
) -> Answer<Page> {
    let lang = visitor.lang;
    let names = Names::of(&visitor.state.store.staff().await?);
    let clinic = crate::pages::place(&visitor.state, lang).await?;
    let read = VisitRead {
        lang,
        today: visitor.today(),
        id: open.id,
        visit: &open.visit,
        chart: &open.person.chart,
        names: &names,
        clinic: &clinic,
        device: device_name,
        actions: &html! {
            button.button type="button" data-print="" { (Icon::Print.svg()) (lang.t("print")) }
            a.button href=(open.person.href()) { (lang.t("back-to-patient")) }
        },
        questions: &questions(visitor, open),
    };
    let body = html! {
        (told)
        (web::people::visit::visit(&read))
        @if !open.visit.is_open() && visitor.may(Action::AmendVisit) { (amend_card(lang, open, amending)) }
    };
    Ok(Page::new(lang.t("visit-title"), body).about(open.person.banner(visitor, false)))
}

fn amend_card(lang: Lang, open: &Open, amending: &Amending) -> Markup {
    let action = format!("{}/amend", open.href());
    let (submit, reason, text) = (
        lang.t("visit-amend"),
        lang.t("field-reason"),
        lang.t("field-amendment"),
    );
    let checked = &amending.checked;
    let form = Form {
        action: &action,
        id: Some(amending.form.to_string()),
        base: Some(heads_text(&open.heads)),
        faults: Some(&checked.faults),
        submit: &submit,
        ..Form::default()
    };
    let inner = html! {
        (Input::text("reason", &reason).value(amending.fields.get("reason")).markup(lang, &checked.faults))
        (Area::new("text", &text, amending.fields.get("text")).markup(lang, &checked.faults))
    };
    html! { section.card.no-print #amend { h2 { (lang.t("visit-amend-title")) } p.quiet { (lang.t("visit-amend-about")) } (form.around(lang, &inner, &html! {})) } }
}

/// `POST /visits/{id}/amend`.
pub async fn amend_visit(visitor: Visitor, Path(id): Path<String>, fields: Fields) -> Answer<Response> {
    let open = Open::of(&visitor, &id).await?;
    let form = fields.form()?;
    let edits = amend(
        &open.visit,
        visitor.person.staff,
        &visitor.person.name,
        visitor.now(),
        fields.get("reason"),
        fields.get("text"),
        &mut rand::random,
    );
    match edits {
        Ok(edits) => {
            let target = Target::Existing(open.id.doc());
            visitor
                .state
                .store
                .commit(commit(
                    &visitor,
                    target,
                    None,
                    edits,
                    AuditAct::VisitAmend,
                    Some(form),
                ))
                .await?;
            go_to(&open.href())
        }
        Err(VisitFault::Fields(faults)) => {
            let checked = Checked::of(visitor.lang, &faults, &fields);
            let amending = Amending {
                form,
                fields,
                checked,
            };
            visitor
                .refused(draw_closed(&visitor, &open, &html! {}, &amending).await?)
                .await
        }
        Err(VisitFault::Closed | VisitFault::StillOpen) => go_to(&open.href()),
    }
}

/// `POST /visits/{id}/clash`.
pub async fn choose(visitor: Visitor, Path(id): Path<String>, fields: Fields) -> Answer<Response> {
    let open = Open::of(&visitor, &id).await?;
    if let Some((clash, value)) = chosen(&open.visit.clashes, &fields) {
        let staff = visitor.person.staff;
        let edits = records::conflicts::resolve(clash, value, staff, visitor.now(), &mut rand::random);
        if let Some(edits) = edits {
            let target = Target::Existing(open.id.doc());
            let choice = commit(
                &visitor,
                target,
                Some(open.heads.clone()),
                edits,
                AuditAct::ClashResolve,
                None,
            );
            visitor.state.store.commit(choice).await?;
        }
    }
    go_to(&open.href())
}

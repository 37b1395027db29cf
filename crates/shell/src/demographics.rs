//! Changing who a person is: name, number, birth, address, telephone. Only what was changed is written.

use axum::extract::Path;
use axum::response::Response;
use maud::html;
use records::ids::FormId;
use store::AuditAct;
use sync_core::document::Heads;
use web::checks::Checked;
use web::fields::Fields;
use web::forms::Form;
use web::layout::{Page, heading};
use web::people::demographics::{Wanted, inputs, of_chart};
use web::trouble::Trouble;

use crate::drafts::{self, Opened};
use crate::errors::{Page as Answer, PageError};
use crate::forms::heads_text;
use crate::person::Person;
use crate::station::Station;
use crate::visitor::{Visitor, go_to};

/// `GET /patients/{id}/edit`.
///
/// # Errors
///
/// There is no such patient here, or the store failed.
pub async fn page<S: Station>(visitor: Visitor<S>, Path(id): Path<String>) -> Answer {
    let person = Person::of(&visitor, &id).await?;
    let Opened { form, kept, at } = drafts::open(&visitor, &here(&person)).await?;
    let fields = kept.unwrap_or_else(|| of_chart(&person.chart, &heads_text(&person.heads)));
    let page = draw(&visitor, &person, (form, at), &fields, &Checked::default());
    visitor.page(&page).await
}

fn here(person: &Person) -> String {
    format!("{}/edit", person.href())
}

fn draw<S: Station>(
    visitor: &Visitor<S>,
    person: &Person,
    (form, kept_at): (FormId, Option<String>),
    fields: &Fields,
    checked: &Checked,
) -> Page {
    let lang = visitor.lang;
    let title = lang.t("demographics-title");
    let (action, back, submit) = (here(person), person.href(), lang.t("save"));
    let around = Form {
        action: &action,
        id: Some(form.to_string()),
        base: Some(fields.get("base").to_owned()),
        draft: true,
        draft_from: kept_at,
        faults: Some(&checked.faults),
        doubts: &checked.doubts,
        confirmed: &checked.confirmed,
        submit: &submit,
        back: Some(&back),
        ..Form::default()
    };
    let inner =
        html! { input type="hidden" name="page" value=(action); (inputs(lang, fields, &checked.faults)) };
    let body = html! {
        (heading(&title, &html! {}))
        @if let Some(travels) = S::CHANGES_TRAVEL { p.quiet { (lang.t(travels.note)) } }
        section.card.narrow { (around.around(lang, &inner, &html! {})) }
    };
    Page::new(title.clone(), body).about(person.banner(visitor, false))
}

/// `POST /patients/{id}/edit`.
///
/// # Errors
///
/// There is no such patient here, the form is broken, or the store failed.
pub async fn change<S: Station>(
    visitor: Visitor<S>,
    Path(id): Path<String>,
    fields: Fields,
) -> Answer<Response> {
    let person = Person::of(&visitor, &id).await?;
    let store = visitor.state.store();
    let form = fields.form()?;
    // What the form's page showed: a field that its author left alone is not written, whoever changed it since.
    let base = fields.base::<Heads>()?.ok_or(Trouble::Unreadable)?;
    let shown = store.chart_at(person.id, &base).await?.ok_or(Trouble::Stale)?;
    let wanted = Wanted::read(&fields);
    let checked = Checked::of(visitor.lang, &wanted.faults(&shown, visitor.today()), &fields);
    let draw = |checked: &Checked| draw(&visitor, &person, (form, None), &fields, checked);
    if !checked.passes() {
        return visitor.refused(draw(&checked)).await;
    }
    let edits = match wanted.edits(&shown, visitor.person.staff, visitor.now(), &mut rand::random) {
        Ok(edits) => edits,
        Err(faults) => {
            let checked = Checked::of(visitor.lang, &faults, &fields);
            return visitor.refused(draw(&checked)).await;
        }
    };
    if edits.is_empty() {
        store.drop_draft(form).await?;
        return go_to(&person.href());
    }
    let written = person.write(&visitor, AuditAct::ChartChange, edits, &fields);
    match written.await {
        Err(PageError(full @ Trouble::DiskFull)) => visitor.unsaved(&full, draw(&checked)).await,
        Err(other) => Err(other),
        Ok(_) if S::CHANGES_TRAVEL.is_some() => go_to(&format!("{}?kept", person.href())),
        Ok(_) => go_to(&person.href()),
    }
}

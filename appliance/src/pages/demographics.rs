//! Changing who a person is: name, number, birth, address, telephone. Only what was changed is written.

use axum::extract::Path;
use axum::response::Response;
use maud::html;
use records::ids::FormId;
use shell::drafts::{self, Opened};
use shell::errors::{Page as Answer, PageError};
use shell::forms::heads_text;
use shell::person::Person;
use store::AuditAct;
use sync_core::document::Heads;
use web::checks::Checked;
use web::fields::Fields;
use web::forms::Form;
use web::layout::{Page, heading};
use web::people::demographics::{Wanted, inputs, of_chart};
use web::trouble::Trouble;

use crate::pages::visitor::{Visitor, go_to};

/// `GET /patients/{id}/edit`.
pub async fn page(visitor: Visitor, Path(id): Path<String>) -> Answer {
    let person = Person::of(&visitor, &id).await?;
    let Opened { form, kept, at } = drafts::open(&visitor, &here(&person)).await?;
    let fields = kept.unwrap_or_else(|| of_chart(&person.chart, &heads_text(&person.heads)));
    visitor
        .page(&draw(&visitor, &person, form, at, &fields, &Checked::default()))
        .await
}

fn here(person: &Person) -> String {
    format!("{}/edit", person.href())
}

fn draw(
    visitor: &Visitor,
    person: &Person,
    form: FormId,
    kept_at: Option<String>,
    fields: &Fields,
    checked: &Checked,
) -> Page {
    let lang = visitor.lang;
    let title = lang.t("demographics-title");
    let action = here(person);
    let back = person.href();
    let submit = lang.t("save");
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
    let body = html! { (heading(&title, &html! {})) section.card.narrow { (around.around(lang, &inner, &html! {})) } };
    Page::new(title.clone(), body).about(person.banner(visitor, false))
}

/// `POST /patients/{id}/edit`.
pub async fn change(visitor: Visitor, Path(id): Path<String>, fields: Fields) -> Answer<Response> {
    let person = Person::of(&visitor, &id).await?;
    let form = fields.form()?;
    // What the form's page showed: a field that its author left alone is not written, whoever changed it since.
    let base = fields.base::<Heads>()?.ok_or(Trouble::Unreadable)?;
    let shown = visitor
        .state
        .store
        .chart_at(person.id, &base)
        .await?
        .ok_or(Trouble::Stale)?;
    let wanted = Wanted::read(&fields);
    let faults = wanted.faults(&shown, visitor.today());
    let checked = Checked::of(visitor.lang, &faults, &fields);
    let draw = || draw(&visitor, &person, form, None, &fields, &checked);
    if !checked.passes() {
        return visitor.refused(draw()).await;
    }
    let edits = match wanted.edits(&shown, visitor.person.staff, visitor.now(), &mut rand::random) {
        Ok(edits) => edits,
        Err(faults) => {
            let checked = Checked::of(visitor.lang, &faults, &fields);
            return visitor
                .refused(self::draw(&visitor, &person, form, None, &fields, &checked))
                .await;
        }
    };
    if edits.is_empty() {
        visitor.state.store.drop_draft(form).await?;
        return go_to(&person.href());
    }
    match person
        .write(&visitor, AuditAct::ChartChange, edits, &fields)
        .await
    {
        Err(PageError(Trouble::DiskFull)) => visitor.unsaved(&Trouble::DiskFull, draw()).await,
        Err(other) => Err(other),
        Ok(_) => go_to(&person.href()),
    }
}

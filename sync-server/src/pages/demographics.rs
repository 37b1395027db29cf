//! Who a person is, changed at the county.

use axum::extract::Path;
use axum::response::Response;
use maud::html;
use records::ids::FormId;
use shell::drafts::{self, Opened};
use shell::errors::{Page as Answer, PageError};
use shell::forms::heads_text;
use shell::person::Person;
use store::AuditAct;
use web::checks::Checked;
use web::fields::Fields;
use web::forms::Form;
use web::layout::{Page, heading};
use web::people::demographics::{Wanted, inputs, of_chart};
use web::trouble::Trouble;

use super::visitor::{Visitor, go_to};

/// `GET /patients/{id}/edit`.
pub async fn page(visitor: Visitor, Path(id): Path<String>) -> Answer {
    let person = Person::of(&visitor, &id).await?;
    let Opened { form, kept, at } = drafts::open(&visitor, &here(&person)).await?;
    let fields = kept.unwrap_or_else(|| of_chart(&person.chart, &heads_text(&person.heads)));
    visitor
        .page(&draw(&visitor, &person, (form, at), &fields, &Checked::default()))
        .await
}

fn here(person: &Person) -> String {
    format!("{}/edit", person.href())
}

fn draw(
    visitor: &Visitor,
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
        p.quiet { (lang.t("hub-chart-travels")) }
        section.card.narrow { (around.around(lang, &inner, &html! {})) }
    };
    Page::new(title.clone(), body).about(person.banner(visitor, false))
}

/// `POST /patients/{id}/edit`.
pub async fn change(visitor: Visitor, Path(id): Path<String>, fields: Fields) -> Answer<Response> {
    let person = Person::of(&visitor, &id).await?;
    let store = &visitor.state.store;
    let form = fields.form()?;
    // What the form's page showed: a field that its author left alone is not written, whoever changed it since.
    let base = fields.base()?.ok_or(Trouble::Unreadable)?;
    let shown = store.chart_at(person.id, &base).await?.ok_or(Trouble::Stale)?;
    let wanted = Wanted::read(&fields);
    let checked = Checked::of(visitor.lang, &wanted.faults(&shown, visitor.today()), &fields);
    if !checked.passes() {
        return visitor
            .refused(draw(&visitor, &person, (form, None), &fields, &checked))
            .await;
    }
    match wanted.edits(&shown, visitor.person.staff, visitor.now(), &mut rand::random) {
        Err(faults) => {
            let checked = Checked::of(visitor.lang, &faults, &fields);
            visitor
                .refused(draw(&visitor, &person, (form, None), &fields, &checked))
                .await
        }
        Ok(edits) if edits.is_empty() => {
            store.drop_draft(form).await?;
            go_to(&person.href())
        }
        Ok(edits) => match person
            .write(&visitor, AuditAct::ChartChange, edits, &fields)
            .await
        {
            Err(PageError(full @ Trouble::DiskFull)) => {
                let page = draw(&visitor, &person, (form, None), &fields, &checked);
                visitor.unsaved(&full, page).await
            }
            Err(other) => Err(other),
            Ok(_) => go_to(&format!("{}?kept", person.href())),
        },
    }
}

//! What stands in a chart for long: allergies, problems, medication. Facts are added, and refuted, ended or stopped
//! by a named person with a reason; nothing is deleted.

use axum::extract::{Path, Query};
use axum::response::Response;
use maud::html;
use records::patients::ChartCommand;
use records::staff::Action;
use serde::Deserialize;
use store::AuditAct;
use web::checks::Checked;
use web::fields::Fields;
use web::layout::{Page, heading};
use web::people::Names;
use web::people::standing::{ChartForms, Part, opened, wanted};
use web::trouble::Trouble;

use crate::errors::{Page as Answer, PageError};
use crate::forms::{heads_text, new_form};
use crate::person::Person;
use crate::station::Station;
use crate::visitor::{Visitor, go_to};

/// What is asked of the page.
#[derive(Debug, Default, Deserialize)]
pub struct Asked {
    /// Problem that is looked for in the table of diagnoses.
    #[serde(default)]
    q: String,
    /// Problem that was chosen there.
    #[serde(default)]
    code: String,
}

/// `GET /patients/{id}/chart`.
///
/// # Errors
///
/// There is no such patient here, or the store failed.
pub async fn page<S: Station>(
    visitor: Visitor<S>,
    Path(id): Path<String>,
    Query(asked): Query<Asked>,
) -> Answer {
    let person = Person::of(&visitor, &id).await?;
    let fields = opened(visitor.lang, &asked.q, &asked.code);
    visitor
        .page(&draw(&visitor, &person, None, &fields, &Checked::default()).await?)
        .await
}

async fn draw<S: Station>(
    visitor: &Visitor<S>,
    person: &Person,
    sent: Option<Part>,
    fields: &Fields,
    checked: &Checked,
) -> Answer<Page> {
    let lang = visitor.lang;
    let title = lang.t("chart-title");
    let names = Names::of(&visitor.state.store().staff().await?);
    let forms = ChartForms {
        lang,
        chart: &person.chart,
        path: &person.href(),
        base: &heads_text(&person.heads),
        form: &new_form,
        names: &names,
        may_refute: visitor.may(Action::RefuteAllergy),
    };
    let body = html! {
        (heading(&title, &html! { a.button href=(person.href()) { (lang.t("back-to-patient")) } }))
        @if let Some(travels) = S::CHANGES_TRAVEL { p.quiet { (lang.t(travels.note)) } }
        div.narrow.stack { (forms.markup(sent, fields, checked)) }
    };
    Ok(Page::new(title.clone(), body).about(person.banner(visitor, false)))
}

/// `POST /patients/{id}/chart/{part}`.
///
/// # Errors
///
/// There is no such patient or form, the role does not allow it, or the store failed.
pub async fn change<S: Station>(
    visitor: Visitor<S>,
    Path((id, part)): Path<(String, String)>,
    fields: Fields,
) -> Answer<Response> {
    let person = Person::of(&visitor, &id).await?;
    let (command, sent) = wanted(&part, &fields)?;
    if matches!(command, ChartCommand::RefuteAllergy { .. }) {
        visitor.require(Action::RefuteAllergy)?;
    }
    let back = format!("{}/chart#{}", person.href(), sent.anchor());
    if visitor.state.store().form_applied(fields.form()?).await? {
        return go_to(&back);
    }
    match command.edits(
        &person.chart,
        visitor.person.staff,
        visitor.now(),
        &mut rand::random,
    ) {
        Ok(edits) => match person
            .write(&visitor, AuditAct::ChartChange, edits, &fields)
            .await
        {
            Err(PageError(full @ Trouble::DiskFull)) => {
                let page = draw(&visitor, &person, Some(sent), &fields, &Checked::default()).await?;
                visitor.unsaved(&full, page).await
            }
            Err(other) => Err(other),
            Ok(_) => go_to(&back),
        },
        Err(faults) => {
            let checked = Checked::of(visitor.lang, &faults, &fields);
            visitor
                .refused(draw(&visitor, &person, Some(sent), &fields, &checked).await?)
                .await
        }
    }
}

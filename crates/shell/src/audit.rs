//! The audit log: who looked at and changed whose record.

use axum::extract::Query;
use maud::{Markup, html};
use records::ids::{PatientId, StaffId};
use records::staff::Action;
use serde::Deserialize;
use store::{AuditAct, AuditFilter, By};
use web::forms::{Faults, Pick};
use web::icons::Icon;
use web::layout::{Page, heading};
use web::people::audit::{AuditRow, table};
use web::texts::Lang;

use crate::errors::Page as Answer;
use crate::station::Station;
use crate::visitor::Visitor;

/// Lines on a page.
const LINES: usize = 100;

/// What is looked for.
#[derive(Debug, Default, Deserialize)]
pub struct Wanted {
    #[serde(default)]
    patient: String,
    #[serde(default)]
    by: String,
    before: Option<i64>,
}

/// `GET /audit`.
///
/// # Errors
///
/// The store failed.
pub async fn page<S: Station>(visitor: Visitor<S>, Query(wanted): Query<Wanted>) -> Answer {
    let lang = visitor.lang;
    let store = visitor.state.store();
    let staff = store.staff().await?;
    let filter = AuditFilter {
        patient: wanted.patient.parse().ok(),
        by: wanted.by.parse().ok().map(By::Staff),
        before: wanted.before,
    };
    let about = filter.patient;
    store
        .audit_view(visitor.by(), AuditAct::ViewAudit, about, None)
        .await?;
    let lines = store.audit_lines(filter, LINES).await?;
    let older = lines
        .last()
        .filter(|_| lines.len() == LINES)
        .map(|(row, _)| format!("/audit?patient={}&by={}&before={row}", wanted.patient, wanted.by));
    let mut rows = Vec::with_capacity(lines.len());
    for (_, line) in lines {
        let patient = match line.patient {
            Some(patient) => Some((patient, name_of(&visitor, patient).await?)),
            None => None,
        };
        let name = |id| {
            staff
                .iter()
                .find(|member| member.id == id)
                .map(|member| member.name.clone())
        };
        let who = who(lang, line.by, name);
        rows.push(AuditRow {
            at: line.at,
            who,
            act: line.act,
            patient,
        });
    }
    let people = staff
        .iter()
        .map(|member| (member.id.to_string(), member.name.clone()))
        .collect();
    let title = lang.t("audit-title");
    let body = html! {
        (heading(&title, &html! {}))
        (filters(lang, &wanted, about, people))
        section.card { (table(lang, &rows, visitor.today())) }
        @if let Some(older) = older { p.pages { a.button href=(older) { (lang.t("audit-older")) } } }
    };
    visitor.page(&Page::new(title.clone(), body)).await
}

/// An auditor sees whose record it was by name only where their role may find people; else by the record's id.
async fn name_of<S: Station>(visitor: &Visitor<S>, patient: PatientId) -> Answer<String> {
    if !visitor.may(Action::FindPatients) {
        return Ok(patient.to_string().chars().take(8).collect());
    }
    let line = visitor.state.store().patient_line(patient).await?;
    Ok(line.map_or_else(|| visitor.t("audit-not-here"), |line| line.name))
}

fn filters(lang: Lang, wanted: &Wanted, about: Option<PatientId>, people: Vec<(String, String)>) -> Markup {
    let (by, none) = (lang.t("audit-by"), Faults::none());
    let chosen = Some(wanted.by.as_str()).filter(|by| !by.is_empty());
    html! {
        form.card.pair method="get" action="/audit" {
            @if about.is_some() {
                input type="hidden" name="patient" value=(wanted.patient);
                p { span.tag.tag-note { (lang.t("audit-one-patient")) } " " a href="/audit" { (lang.t("audit-all")) } }
            }
            (Pick::new("by", &by, people).chosen(chosen).optional().markup(lang, &none))
            p.actions { button.button type="submit" { (Icon::Search.svg()) (lang.t("audit-show")) } }
        }
    }
}

fn who(lang: Lang, by: By, name: impl Fn(StaffId) -> Option<String>) -> String {
    match by {
        By::Staff(id) => name(id).unwrap_or_else(|| lang.t("staff-unknown")),
        By::Kiosk => lang.t("audit-by-kiosk"),
        By::Bay => lang.t("audit-by-bay"),
        By::Import => lang.t("audit-by-import"),
        By::System => lang.t("audit-by-system"),
        By::Hub => lang.t("audit-by-hub"),
    }
}

//! The audit log: who looked at and changed whose record.

use axum::extract::Query;
use maud::{Markup, html};
use records::ids::{PatientId, StaffId};
use serde::Deserialize;
use store::{AuditAct, AuditFilter, AuditLine, By};
use web::forms::{Faults, Input, Pick};
use web::icons::Icon;
use web::layout::{Page, heading};
use web::moments;
use web::texts::Lang;

use crate::errors::Page as Answer;
use crate::pages::visitor::Visitor;

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

/// A line with the names that belong to it.
struct Shown {
    line: AuditLine,
    who: String,
    patient: Option<(PatientId, String)>,
}

/// `GET /audit`.
pub async fn page(visitor: Visitor, Query(wanted): Query<Wanted>) -> Answer {
    let lang = visitor.lang;
    let store = &visitor.state.store;
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
    let last = lines.last().map(|(row, _)| *row);
    let full = lines.len() == LINES;
    let mut shown = Vec::with_capacity(lines.len());
    for (_, line) in lines {
        let patient = match line.patient {
            Some(patient) => Some((patient, name_of(&visitor, patient).await?)),
            None => None,
        };
        let who = who(lang, line.by, |id| {
            staff
                .iter()
                .find(|member| member.id == id)
                .map(|member| member.name.clone())
        });
        shown.push(Shown { line, who, patient });
    }
    let people = staff
        .iter()
        .map(|member| (member.id.to_string(), member.name.clone()))
        .collect();
    let title = lang.t("audit-title");
    let older = last
        .filter(|_| full)
        .map(|row| format!("/audit?patient={}&by={}&before={row}", wanted.patient, wanted.by));
    let body = html! {
        (heading(&title, &html! {}))
        (filters(lang, &wanted, about, people))
        section.card { (table(&visitor, &shown)) }
        @if let Some(older) = older { p.pages { a.button href=(older) { (lang.t("audit-older")) } } }
    };
    visitor.page(&Page::new(title.clone(), body)).await
}

async fn name_of(visitor: &Visitor, patient: PatientId) -> Answer<String> {
    let line = visitor.state.store.patient_line(patient).await?;
    Ok(line.map_or_else(|| visitor.t("audit-not-here"), |line| line.name))
}

fn filters(lang: Lang, wanted: &Wanted, about: Option<PatientId>, people: Vec<(String, String)>) -> Markup {
    let (by, none) = (lang.t("audit-by"), Faults::none());
    html! {
        form.card.pair method="get" action="/audit" {
            @if about.is_some() {
                input type="hidden" name="patient" value=(wanted.patient);
                p { span.tag.tag-note { (lang.t("audit-one-patient")) } " " a href="/audit" { (lang.t("audit-all")) } }
            }
            (Pick::new("by", &by, people).chosen(Some(wanted.by.as_str()).filter(|by| !by.is_empty())).optional().markup(lang, &none))
            p.actions { button.button type="submit" { (Icon::Search.svg()) (lang.t("audit-show")) } }
        }
    }
}

fn table(visitor: &Visitor, lines: &[Shown]) -> Markup {
    let lang = visitor.lang;
    let today = visitor.today();
    html! {
        @if lines.is_empty() { p.empty { (lang.t("audit-empty")) } } @else {
            div.scroll tabindex="0" role="group" aria-label=(lang.t("audit-title")) {
                table.table {
                    thead { tr {
                        th scope="col" { (lang.t("column-time")) }
                        th scope="col" { (lang.t("audit-who")) }
                        th scope="col" { (lang.t("audit-what")) }
                        th scope="col" { (lang.t("audit-whom")) }
                    } }
                    tbody { @for shown in lines {
                        tr {
                            td.num { (moments::day_and_clock(lang, shown.line.at, today)) }
                            td { (shown.who) }
                            td { (act(lang, &shown.line.act)) }
                            td { @if let Some((id, name)) = &shown.patient { a href={ "/audit?patient=" (id) } { (name) } } }
                        }
                    } }
                }
            }
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

/// The words for an act; a newer release's word is shown as it is.
fn act(lang: Lang, word: &str) -> String {
    let Some(act) = AuditAct::ALL.iter().copied().find(|act| act.word() == word) else {
        return word.to_owned();
    };
    match act {
        AuditAct::SignIn => lang.t("act-sign-in"),
        AuditAct::SignInFailed => lang.t("act-sign-in-failed"),
        AuditAct::LockedOut => lang.t("act-locked-out"),
        AuditAct::SignOut => lang.t("act-sign-out"),
        AuditAct::Unlock => lang.t("act-unlock"),
        AuditAct::Pair => lang.t("act-pair"),
        AuditAct::Setup => lang.t("act-setup"),
        AuditAct::Enroll => lang.t("act-enroll"),
        AuditAct::Register => lang.t("act-register"),
        AuditAct::ChartChange => lang.t("act-chart-change"),
        AuditAct::ClashResolve => lang.t("act-clash-resolve"),
        AuditAct::VisitOpen => lang.t("act-visit-open"),
        AuditAct::VisitSave => lang.t("act-visit-save"),
        AuditAct::VisitSign => lang.t("act-visit-sign"),
        AuditAct::VisitAmend => lang.t("act-visit-amend"),
        AuditAct::ReadingAttach => lang.t("act-reading-attach"),
        AuditAct::ReadingType => lang.t("act-reading-type"),
        AuditAct::ReadingClaim => lang.t("act-reading-claim"),
        AuditAct::ReadingReturn => lang.t("act-reading-return"),
        AuditAct::ReadingWithdraw => lang.t("act-reading-withdraw"),
        AuditAct::EcgRecord => lang.t("act-ecg-record"),
        AuditAct::EcgWithdraw => lang.t("act-ecg-withdraw"),
        AuditAct::ViewPatient => lang.t("act-view-patient"),
        AuditAct::ViewVisit => lang.t("act-view-visit"),
        AuditAct::ViewEcg => lang.t("act-view-ecg"),
        AuditAct::ViewAudit => lang.t("act-view-audit"),
        AuditAct::Print => lang.t("act-print"),
        AuditAct::KioskIdentify => lang.t("act-kiosk-identify"),
        AuditAct::Export => lang.t("act-export"),
        AuditAct::Import => lang.t("act-import"),
        AuditAct::StaffChange => lang.t("act-staff-change"),
        AuditAct::SettingsChange => lang.t("act-settings-change"),
        AuditAct::BreakGlass => lang.t("act-break-glass"),
    }
}

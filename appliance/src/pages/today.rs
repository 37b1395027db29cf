//! The front page: who came today, what waits, who calls.

use axum::extract::Path;
use axum::response::Response;
use maud::{Markup, html};
use records::ids::{EncounterId, PatientId};
use records::patients::Sex;
use records::staff::Action;
use shell::errors::Page as Answer;
use store::TodayLine;
use web::icons::Icon;
use web::layout::{Page, heading};
use web::moments;
use web::panels::{Class, panel};
use web::patients::{hits_place, person, search_box};
use web::visits::{TodayRow, today_lines};
use web::words;

use crate::pages::visitor::{Visitor, go_to};

/// Drafts that are offered.
const DRAFTS: usize = 5;

/// `GET /`.
pub async fn page(visitor: Visitor) -> Answer {
    if !visitor.may(Action::FindPatients) {
        return go_to("/more");
    }
    let lang = visitor.lang;
    let today = now_part(&visitor).await?;
    if visitor.part {
        return visitor.part(today);
    }
    let title = format!(
        "{} {}",
        lang.t("nav-today"),
        moments::day(lang, visitor.today(), visitor.today())
    );
    let actions = html! {
        @if visitor.may(Action::RegisterPatient) {
            a.button href="/patients/new" { (Icon::Add.svg()) (lang.t("register-title")) }
        }
    };
    let body = html! {
        (heading(&title, &actions))
        div.stack {
            (search_box(lang, "/patients", "", true, false))
            (hits_place(&html! {}))
            (today)
        }
    };
    visitor.page(&Page::new(title.clone(), body)).await
}

async fn now_part(visitor: &Visitor) -> Answer<Markup> {
    let lang = visitor.lang;
    let state = &visitor.state;
    let lines = state.store.today(visitor.today()).await?;
    let waiting = state.store.tray_waiting().await?;
    let open = lines.iter().filter(|line| line.visit.state == "open").count();
    let signed = lines.iter().filter(|line| line.visit.state == "signed").count();
    let rows: Vec<TodayRow> = lines.iter().map(|line| row(visitor, line)).collect();
    Ok(html! {
        div.stack #today hx-get="/" hx-trigger="live-today from:body, live-tray from:body, live-sync from:body, live-tick from:body" hx-swap="outerHTML" hx-sync="this:replace" {
            (calls(visitor))
            (drafts(visitor).await?)
            ul.counts {
                li { strong.num { (open) } (lang.t("today-open")) }
                li { strong.num { (signed) } (lang.t("today-signed")) }
                @if visitor.may(Action::ClaimReading) { li { a href="/tray" { strong.num { (waiting) } (lang.t("today-tray")) } } }
            }
            (today_lines(lang, &rows))
        }
    })
}

fn row(visitor: &Visitor, line: &TodayLine) -> TodayRow {
    let lang = visitor.lang;
    let clinical = visitor.may(Action::ReadClinical);
    let visit = &line.visit;
    let sex = line.patient.as_ref().map_or(Sex::Unknown, |patient| patient.sex);
    let birth = line.patient.as_ref().and_then(|patient| patient.birth);
    TodayRow {
        href: if clinical {
            format!("/visits/{}", visit.id)
        } else {
            format!("/patients/{}", visit.patient)
        },
        at: visit.opened.at,
        name: line
            .patient
            .as_ref()
            .map_or_else(|| lang.t("today-chart-missing"), |patient| patient.name.clone()),
        person: person(lang, &words::sex(lang, sex), birth, visitor.today()),
        village_group: line
            .patient
            .as_ref()
            .map(|patient| patient.village_group.clone())
            .unwrap_or_default(),
        state: words::visit_state(visit.state),
        triage: visit
            .triage
            .filter(|_| clinical)
            .map(|level| (level, words::triage(lang, level))),
        complaint: if clinical {
            visit.complaint.clone()
        } else {
            String::new()
        },
        doctor: visit.doctor.clone(),
    }
}

/// Somebody at a kiosk wants the doctor.
fn calls(visitor: &Visitor) -> Markup {
    let lang = visitor.lang;
    let calls = visitor.state.live.calls();
    html! {
        @for call in &calls {
            (panel(lang, Class::Must, &lang.t_with("call-title", &[("place", &call.place), ("at", &moments::clock(call.at.at))]), &html! {
                form method="post" action={ "/calls/" (call.number) } { button.button.button-main type="submit" { (lang.t("call-answer")) } }
            }))
        }
    }
}

/// `POST /calls/{number}`.
pub async fn answer_call(visitor: Visitor, Path(number): Path<u64>) -> Answer<Response> {
    visitor.state.live.answer_call(number);
    go_to("/")
}

/// What its author left unsaved, and where it goes on.
async fn drafts(visitor: &Visitor) -> Answer<Markup> {
    let lang = visitor.lang;
    let mut drafts = visitor.state.store.drafts_of(visitor.person.staff).await?;
    drafts.truncate(DRAFTS);
    let mut named = Vec::with_capacity(drafts.len());
    for draft in drafts {
        let about = about_whom(visitor, &draft.page).await?;
        named.push((draft, about));
    }
    Ok(html! {
        @if !named.is_empty() {
            section.card {
                h2 { (lang.t("today-drafts")) }
                ul.facts { @for (draft, name) in &named { li {
                    a href=(draft.page) { @if let Some(name) = name { (name) " · " } (draft_words(visitor, &draft.page)) } " " span.quiet { (lang.t("draft-saved")) " " (moments::day_and_clock(lang, draft.at, visitor.today())) }
                } } }
            }
        }
    })
}

/// The name of the person whose page a draft stands on.
async fn about_whom(visitor: &Visitor, page: &str) -> Answer<Option<String>> {
    let store = &visitor.state.store;
    let mut parts = page.trim_start_matches('/').split(['/', '?']);
    let (kind, id) = (parts.next(), parts.next().unwrap_or_default());
    let patient = match kind {
        Some("patients") => id.parse::<PatientId>().ok(),
        Some("visits") => match id.parse::<EncounterId>() {
            Ok(visit) => store.encounter_line(visit).await?.map(|line| line.patient),
            Err(_) => None,
        },
        _ => None,
    };
    let Some(patient) = patient else { return Ok(None) };
    Ok(store.patient_line(patient).await?.map(|line| line.name))
}

fn draft_words(visitor: &Visitor, page: &str) -> String {
    let lang = visitor.lang;
    if page.starts_with("/visits/") {
        lang.t("visit-title")
    } else if page.ends_with("/readings/new") {
        lang.t("patient-type-reading")
    } else if page.ends_with("/edit") {
        lang.t("demographics-title")
    } else {
        lang.t("register-title")
    }
}

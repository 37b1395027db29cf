//! A patient's page, and the lists behind it: readings with their course, ECGs.

use axum::extract::{Path, Query};
use axum::http::StatusCode;
use axum::response::IntoResponse;
use maud::{Markup, html};
use records::encounters::EncounterLine;
use records::ids::ClinicCode;
use records::staff::Action;
use records::vitals::{Observation, VitalKind};
use serde::Deserialize;
use shell::errors::Page as Answer;
use shell::forms::new_form;
use shell::person::{Person, patient_id};
use store::{AuditAct, EcgLine, ObservationLine};
use web::charts::Range;
use web::icons::Icon;
use web::layout::Page;
use web::patients::{EcgRow, PatientPageView};
use web::people::courses::{course_card, courses};
use web::people::facts::{allergy_facts, drug_lines, ecg_row, facts, problem_facts};
use web::people::{Names, Shelf};
use web::visits::VisitRow;
use web::vitals::kind_name;
use web::words;

use crate::pages::clashes;
use crate::pages::readings::device_name;
use crate::pages::visitor::{Visitor, go_to};

/// Visits that the page shows.
const VISITS: usize = 8;
/// Visits that the list shows.
const VISITS_LISTED: usize = 500;
/// ECGs that the page shows.
const ECGS: usize = 6;
/// Readings that the page reads for its tiles and charts.
const READINGS: usize = 300;
/// Readings in the page's own table.
const READINGS_SHOWN: usize = 40;
/// Readings that the list shows.
const READINGS_LISTED: usize = 1000;

/// What is asked of the page.
#[derive(Debug, Default, Deserialize)]
pub struct Asked {
    #[serde(default)]
    range: String,
    #[serde(default)]
    seen: String,
}

/// What the page shows of the record.
struct Record {
    readings: Vec<ObservationLine>,
    visits: Vec<EncounterLine>,
    ecgs: Vec<EcgLine>,
    names: Names,
    here: Option<ClinicCode>,
}

impl Record {
    async fn read(visitor: &Visitor, person: &Person) -> Answer<Self> {
        let store = &visitor.state.store;
        Ok(Self {
            readings: store.observations_of(person.id, None, READINGS).await?,
            visits: store.visits_of(person.id, VISITS + 1).await?,
            ecgs: store.ecgs_of(person.id).await?,
            names: Names::of(&store.staff().await?),
            here: store.clinic().await?,
        })
    }

    /// A short text that differs when what the page shows differs.
    fn print(&self, person: &Person) -> String {
        let withdrawn = self
            .readings
            .iter()
            .filter(|line| line.observation.withdrawn.is_some())
            .count();
        let newest = self
            .readings
            .first()
            .map(|line| line.observation.id.to_string())
            .unwrap_or_default();
        let visits: Vec<String> = self
            .visits
            .iter()
            .map(|visit| format!("{}{}", visit.id, visit.state))
            .collect();
        let facts = format!(
            "{}{withdrawn}{newest}{}{}{}",
            self.readings.len(),
            visits.concat(),
            self.ecgs.len(),
            shell::forms::heads_text(&person.heads)
        );
        let hash = sync_core::blobs::blob_id(facts.as_bytes()).to_string();
        hash.chars().take(16).collect()
    }
}

/// What is asked of the banner alone.
#[derive(Debug, Default, Deserialize)]
pub struct BannerAsked {
    own: Option<String>,
}

/// `GET /patients/{id}/banner`: the banner alone, for pages that follow the record. Whoever has such a page open was
/// noted when it was opened.
pub async fn banner_part(
    visitor: Visitor,
    Path(id): Path<String>,
    Query(asked): Query<BannerAsked>,
) -> Answer {
    let person = Person::read(&visitor, patient_id(&id)?).await?;
    if !visitor.part {
        return go_to(&person.href());
    }
    visitor.part(person.banner(&visitor, asked.own.is_some()))
}

/// `GET /patients/{id}`; a script that renews the page gets its record only, and nothing where nothing changed.
pub async fn page(visitor: Visitor, Path(id): Path<String>, Query(asked): Query<Asked>) -> Answer {
    let person = Person::read(&visitor, patient_id(&id)?).await?;
    let lang = visitor.lang;
    if !visitor.may(Action::ReadClinical) {
        visitor.viewed(AuditAct::ViewPatient, person.id, None).await?;
        let body = html! {
            h1.only-read { (lang.t("person-page-title")) }
            div.actions.patient-actions { (actions(&visitor, &person)) }
            section.card { h2 { (lang.t("facts-title")) } (web::patients::pairs(&facts(lang, &person.chart))) }
        };
        return visitor
            .page(&Page::new(lang.t("person-page-title"), body).about(person.banner(&visitor, true)))
            .await;
    }
    let record = Record::read(&visitor, &person).await?;
    let print = record.print(&person);
    if visitor.part && asked.seen == print {
        return Ok(StatusCode::NO_CONTENT.into_response());
    }
    visitor.viewed(AuditAct::ViewPatient, person.id, None).await?;
    let range = Range::from_code(&asked.range);
    let renew = format!("{}?range={}&seen={print}", person.href(), range.code());
    let trigger = format!("live-patient-{} from:body, live-tick from:body", person.id);
    let body = html! {
        div.stack #record hx-get=(renew) hx-trigger=(trigger) hx-swap="outerHTML" {
            (draw(&visitor, &person, &record, range))
        }
    };
    if visitor.part {
        return visitor.part(body);
    }
    visitor
        .page(&Page::new(lang.t("person-page-title"), body).about(person.banner(&visitor, true)))
        .await
}

fn draw(visitor: &Visitor, person: &Person, record: &Record, range: Range) -> Markup {
    let lang = visitor.lang;
    let today = visitor.today();
    let at = person.href();
    let shelf = Shelf {
        lang,
        chart: &person.chart,
        names: &record.names,
        device: device_name,
        withdraw: None,
    };
    let newest: Vec<_> = record
        .readings
        .iter()
        .map(|line| (line.doc, &line.observation))
        .collect();
    let vitals = shelf.latest(&newest, |kind| format!("{at}/readings?kind={}", kind.word()));
    let observations: Vec<Observation> = record
        .readings
        .iter()
        .map(|line| line.observation.clone())
        .collect();
    let visits: Vec<VisitRow> = record
        .visits
        .iter()
        .take(VISITS)
        .map(|visit| words::visit_row(lang, visit, format!("/visits/{}", visit.id), record.here.as_ref()))
        .collect();
    let more = format!("{at}/visits");
    let edit_chart = format!("{at}/chart");
    let edit_facts = format!("{at}/edit");
    let ecgs: Vec<EcgRow> = record
        .ecgs
        .iter()
        .take(ECGS)
        .map(|line| ecg_row(line.doc, &line.ecg))
        .collect();
    let chart = &person.chart;
    let view = PatientPageView {
        today,
        path: &at,
        actions: &actions(visitor, person),
        questions: &clashes::panels(visitor, person),
        vitals: &vitals,
        range,
        charts: &courses(lang, chart, &observations, range, today),
        readings: &shelf.lines(newest.iter().take(READINGS_SHOWN).copied()),
        visits: &visits,
        more_visits: (record.visits.len() > VISITS).then_some(more.as_str()),
        ecgs: &ecgs,
        allergies: &allergy_facts(lang, chart),
        problems: &problem_facts(lang, chart),
        drugs: &drug_lines(lang, chart),
        edit_chart: visitor.may(Action::EditChart).then_some(edit_chart.as_str()),
        facts: &facts(lang, chart),
        edit_facts: visitor
            .may(Action::EditDemographics)
            .then_some(edit_facts.as_str()),
    };
    web::patients::page(lang, &view)
}

fn actions(visitor: &Visitor, person: &Person) -> Markup {
    let lang = visitor.lang;
    let at = person.href();
    html! {
        @if visitor.may(Action::WriteVisit) {
            form method="post" action={ (at) "/visits" } {
                input type="hidden" name="form" value=(new_form());
                button.button.button-main type="submit" { (Icon::Note.svg()) (lang.t("patient-visit")) }
            }
        }
        @if visitor.may(Action::Measure) {
            a.button href={ (at) "/measure" } { (Icon::Device.svg()) (lang.t("patient-measure")) }
            a.button href={ (at) "/readings/new" } { (Icon::Add.svg()) (lang.t("patient-type-reading")) }
        }
        @if visitor.may(Action::ReadAudit) {
            a.button href={ "/audit?patient=" (person.id) } { (Icon::Shield.svg()) (lang.t("patient-audit")) }
        }
    }
}

/// What is asked of the list of readings.
#[derive(Debug, Default, Deserialize)]
pub struct ReadingsAsked {
    #[serde(default)]
    kind: String,
    #[serde(default)]
    range: String,
}

/// `GET /patients/{id}/readings`: all readings, or the course of one kind.
pub async fn readings_page(
    visitor: Visitor,
    Path(id): Path<String>,
    Query(asked): Query<ReadingsAsked>,
) -> Answer {
    let person = Person::of(&visitor, &id).await?;
    let lang = visitor.lang;
    let kind = VitalKind::from_word(&asked.kind);
    let lines = visitor
        .state
        .store
        .observations_of(person.id, kind, READINGS_LISTED)
        .await?;
    let names = Names::of(&visitor.state.store.staff().await?);
    let observations: Vec<Observation> = lines.iter().map(|line| line.observation.clone()).collect();
    let withdraw = visitor.may(Action::WithdrawReading).then_some(person.id);
    let shelf = Shelf {
        lang,
        chart: &person.chart,
        names: &names,
        device: device_name,
        withdraw,
    };
    let title = kind.map_or_else(|| lang.t("readings-all"), |kind| kind_name(lang, kind));
    let body = html! {
        div.heading {
            h1 { (title) }
            div.actions {
                @if visitor.may(Action::Measure) {
                    a.button.button-main href={ (person.href()) "/readings/new" } { (Icon::Add.svg()) (lang.t("patient-type-reading")) }
                }
                a.button href=(person.href()) { (lang.t("back-to-patient")) }
            }
        }
        div.stack {
            @if let Some(kind) = kind { (course_card(lang, &person.chart, &person.href(), kind, &observations, (Range::from_code(&asked.range), visitor.today()))) }
            section.card { (web::vitals::table(lang, &shelf.lines(lines.iter().map(|line| (line.doc, &line.observation))), visitor.today())) }
        }
    };
    visitor
        .page(&Page::new(title.clone(), body).about(person.banner(&visitor, false)))
        .await
}

/// `GET /patients/{id}/visits`.
pub async fn visits_page(visitor: Visitor, Path(id): Path<String>) -> Answer {
    let person = Person::of(&visitor, &id).await?;
    let lang = visitor.lang;
    let here = visitor.state.store.clinic().await?;
    let visits = visitor.state.store.visits_of(person.id, VISITS_LISTED).await?;
    let rows: Vec<VisitRow> = visits
        .iter()
        .map(|visit| words::visit_row(lang, visit, format!("/visits/{}", visit.id), here.as_ref()))
        .collect();
    list_page(
        &visitor,
        &person,
        &lang.t("visits-more"),
        &web::visits::lines(lang, &rows, visitor.today()),
    )
    .await
}

/// `GET /patients/{id}/ecgs`.
pub async fn ecgs_page(visitor: Visitor, Path(id): Path<String>) -> Answer {
    let person = Person::of(&visitor, &id).await?;
    let lang = visitor.lang;
    let ecgs = visitor.state.store.ecgs_of(person.id).await?;
    let rows: Vec<EcgRow> = ecgs.iter().map(|line| ecg_row(line.doc, &line.ecg)).collect();
    let list = html! {
        @if rows.is_empty() { p.empty { (lang.t("nothing-noted")) } } @else {
            ul.lines { @for row in &rows { li { a.line-row href=(row.href) {
                span.line-main { (Icon::Trace.svg()) span.line-name { (web::moments::day_and_clock(lang, row.at, visitor.today())) } }
                span.line-side {
                    @if row.withdrawn { span.tag { (lang.t("withdrawn")) } }
                    @else if let Some(rate) = row.heart_rate { span.num { (lang.t("ecg-rate")) " " (rate) span.unit { (lang.t("unit-per-minute")) } } }
                }
            } } } }
        }
    };
    list_page(&visitor, &person, &lang.t("ecg-title"), &list).await
}

async fn list_page(visitor: &Visitor, person: &Person, title: &str, list: &Markup) -> Answer {
    let body = html! {
        div.heading { h1 { (title) } div.actions { a.button href=(person.href()) { (visitor.t("back-to-patient")) } } }
        (list)
    };
    visitor
        .page(&Page::new(title, body).about(person.banner(visitor, false)))
        .await
}

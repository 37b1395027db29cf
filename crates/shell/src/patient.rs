//! A patient's page, and the lists behind it: readings with their course, visits, ECGs; two records of one fact are
//! shown as a clinical question, both kept until a named person chooses.

use axum::extract::{Path, Query};
use axum::http::StatusCode;
use axum::response::IntoResponse;
use maud::{Markup, html};
use records::encounters::EncounterLine;
use records::ids::PatientId;
use records::patients::ChartCommand;
use records::staff::Action;
use records::vitals::{Observation, VitalKind};
use serde::Deserialize;
use store::{AuditAct, EcgLine, ObservationLine};
use web::charts::Range;
use web::fields::Fields;
use web::icons::Icon;
use web::layout::Page;
use web::panels::{Class, panel};
use web::patients::{EcgRow, PatientPageView};
use web::people::courses::{course_card, courses};
use web::people::facts::{allergy_facts, drug_lines, ecg_row, facts, problem_facts};
use web::people::{Names, Shelf, clashes};
use web::texts::Lang;
use web::trouble::Trouble;
use web::visits::VisitRow;
use web::vitals::kind_name;
use web::words;

use crate::clinics::ClinicNames;
use crate::errors::Page as Answer;
use crate::forms::{heads_text, new_form};
use crate::person::{Person, patient_id};
use crate::station::Station;
use crate::visitor::{Visitor, go_to};

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
    kept: Option<String>,
}

/// What the page shows of the record.
struct Record {
    readings: Vec<ObservationLine>,
    visits: Vec<EncounterLine>,
    ecgs: Vec<EcgLine>,
    names: Names,
    clinics: ClinicNames,
}

impl Record {
    /// The chart and what else the page shows, as they stood together.
    async fn read<S: Station>(visitor: &Visitor<S>, id: PatientId) -> Answer<(Person, Self)> {
        let store = visitor.state.store();
        let record = store.patient_record(id, VISITS + 1, READINGS).await?;
        let record = record.ok_or(Trouble::NotFound)?;
        let person = Person {
            id,
            chart: record.chart.value,
            heads: record.chart.heads,
            others: record.others,
        };
        let shown = Self {
            readings: record.readings,
            visits: record.visits,
            ecgs: record.ecgs,
            names: Names::of(&store.staff().await?),
            clinics: visitor.state.clinic_names().await?,
        };
        Ok((person, shown))
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
            heads_text(&person.heads)
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
///
/// # Errors
///
/// There is no such patient here, or the store failed.
pub async fn banner_part<S: Station>(
    visitor: Visitor<S>,
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
///
/// # Errors
///
/// There is no such patient here, or the store failed.
pub async fn page<S: Station>(
    visitor: Visitor<S>,
    Path(id): Path<String>,
    Query(asked): Query<Asked>,
) -> Answer {
    let id = patient_id(&id)?;
    let lang = visitor.lang;
    if !visitor.may(Action::ReadClinical) {
        let person = Person::read(&visitor, id).await?;
        visitor.viewed(AuditAct::ViewPatient, person.id, None).await?;
        let body = html! {
            h1.only-read { (lang.t("person-page-title")) }
            div.actions.patient-actions { (S::patient_actions(&visitor, &person)) }
            section.card { h2 { (lang.t("facts-title")) } (web::patients::pairs(&facts(lang, &person.chart))) }
        };
        return visitor
            .page(&Page::new(lang.t("person-page-title"), body).about(person.banner(&visitor, true)))
            .await;
    }
    let (person, record) = Record::read(&visitor, id).await?;
    let print = record.print(&person);
    if visitor.part && asked.seen == print {
        return Ok(StatusCode::NO_CONTENT.into_response());
    }
    visitor.viewed(AuditAct::ViewPatient, person.id, None).await?;
    let range = Range::from_code(&asked.range);
    let renew = format!("{}?range={}&seen={print}", person.href(), range.code());
    let trigger = format!("live-patient-{} from:body, live-tick from:body", person.id);
    let body = html! {
        div.stack #record hx-get=(renew) hx-trigger=(trigger) hx-swap="outerHTML" hx-sync="this:replace" {
            @if let (Some(_), Some(travels)) = (&asked.kept, S::CHANGES_TRAVEL) {
                (panel(lang, Class::Done, &lang.t(travels.kept), &html! { p { (lang.t(travels.about)) } }))
            }
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

fn draw<S: Station>(visitor: &Visitor<S>, person: &Person, record: &Record, range: Range) -> Markup {
    let lang = visitor.lang;
    let today = visitor.today();
    let at = person.href();
    let shelf = Shelf {
        lang,
        chart: &person.chart,
        names: &record.names,
        device: S::device_name,
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
        .map(|visit| visit_row(lang, visit, &record.clinics))
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
        actions: &S::patient_actions(visitor, person),
        questions: &questions(visitor, person),
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

fn visit_row(lang: Lang, visit: &EncounterLine, clinics: &ClinicNames) -> VisitRow {
    let mut row = words::visit_row(lang, visit, format!("/visits/{}", visit.id), None);
    row.clinic = clinics.elsewhere(visit.clinic.as_ref());
    row
}

/// The questions about a chart, for those who may answer them.
fn questions<S: Station>(visitor: &Visitor<S>, person: &Person) -> Vec<Markup> {
    if !visitor.may(Action::ResolveClash) {
        return Vec::new();
    }
    let address = format!("{}/clash", person.href());
    clashes::questions(visitor.lang, &person.chart.clashes, &address)
}

/// `POST /patients/{id}/clash`: which of two values counts.
///
/// # Errors
///
/// There is no such patient here, or the store failed.
pub async fn choose<S: Station>(visitor: Visitor<S>, Path(id): Path<String>, mut fields: Fields) -> Answer {
    let person = Person::of(&visitor, &id).await?;
    if let Some((clash, value)) = clashes::chosen(&person.chart.clashes, &fields) {
        let command = ChartCommand::ResolveClash {
            path: clash.path.clone(),
            chosen: value.clone(),
        };
        let edits = command.edits(
            &person.chart,
            visitor.person.staff,
            visitor.now(),
            &mut rand::random,
        );
        fields.put("form", new_form().to_string());
        // The choice is about the values that were seen: one that arrives meanwhile clashes anew.
        fields.put("base", heads_text(&person.heads));
        if let Ok(edits) = edits {
            person
                .write(&visitor, AuditAct::ClashResolve, edits, &fields)
                .await?;
        }
    }
    go_to(&person.href())
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
///
/// # Errors
///
/// There is no such patient here, or the store failed.
pub async fn readings_page<S: Station>(
    visitor: Visitor<S>,
    Path(id): Path<String>,
    Query(asked): Query<ReadingsAsked>,
) -> Answer {
    let person = Person::of(&visitor, &id).await?;
    let lang = visitor.lang;
    let kind = VitalKind::from_word(&asked.kind);
    let lines = visitor
        .state
        .store()
        .observations_of(person.id, kind, READINGS_LISTED)
        .await?;
    let names = Names::of(&visitor.state.store().staff().await?);
    let observations: Vec<Observation> = lines.iter().map(|line| line.observation.clone()).collect();
    let withdraw = (S::MEASURES && visitor.may(Action::WithdrawReading)).then_some(person.id);
    let shelf = Shelf {
        lang,
        chart: &person.chart,
        names: &names,
        device: S::device_name,
        withdraw,
    };
    let title = kind.map_or_else(|| lang.t("readings-all"), |kind| kind_name(lang, kind));
    let body = html! {
        div.heading {
            h1 { (title) }
            div.actions {
                @if S::MEASURES && visitor.may(Action::Measure) {
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
///
/// # Errors
///
/// There is no such patient here, or the store failed.
pub async fn visits_page<S: Station>(visitor: Visitor<S>, Path(id): Path<String>) -> Answer {
    let person = Person::of(&visitor, &id).await?;
    let lang = visitor.lang;
    let clinics = visitor.state.clinic_names().await?;
    let visits = visitor.state.store().visits_of(person.id, VISITS_LISTED).await?;
    let rows: Vec<VisitRow> = visits
        .iter()
        .map(|visit| visit_row(lang, visit, &clinics))
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
///
/// # Errors
///
/// There is no such patient here, or the store failed.
pub async fn ecgs_page<S: Station>(visitor: Visitor<S>, Path(id): Path<String>) -> Answer {
    let person = Person::of(&visitor, &id).await?;
    let lang = visitor.lang;
    let ecgs = visitor.state.store().ecgs_of(person.id).await?;
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

async fn list_page<S: Station>(visitor: &Visitor<S>, person: &Person, title: &str, list: &Markup) -> Answer {
    let body = html! {
        div.heading { h1 { (title) } div.actions { a.button href=(person.href()) { (visitor.t("back-to-patient")) } } }
        (list)
    };
    visitor
        .page(&Page::new(title, body).about(person.banner(visitor, false)))
        .await
}

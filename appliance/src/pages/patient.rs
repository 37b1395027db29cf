//! A patient's page, and the lists behind it: readings with their course, ECGs.

use axum::extract::{Path, Query};
use axum::http::StatusCode;
use axum::response::IntoResponse;
use maud::{Markup, html};
use records::encounters::EncounterLine;
use records::patients::AllergyState;
use records::staff::Action;
use records::time::Date;
use records::vitals::{Observation, VitalKind};
use serde::Deserialize;
use store::{EcgLine, ObservationLine};
use web::charts::{PressureChart, Range, TrendChart, pressure_chart, trend_chart};
use web::icons::Icon;
use web::layout::Page;
use web::patients::{EcgRow, FactLine, PatientPageView};
use web::texts::Lang;
use web::visits::{VisitRow, VisitState};
use web::vitals::{band_of, kind_name, points_of, pressures_of, unit_of};
use web::words;

use crate::errors::Page as Answer;
use crate::pages::clashes;
use crate::pages::fields::new_form;
use crate::pages::person::{Person, sex_word};
use crate::pages::readings::{Names, Shelf};
use crate::pages::visitor::Visitor;

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
}

impl Record {
    async fn read(visitor: &Visitor, person: &Person) -> Answer<Self> {
        let store = &visitor.state.store;
        Ok(Self {
            readings: store.observations_of(person.id, None, READINGS).await?,
            visits: store.visits_of(person.id, VISITS + 1).await?,
            ecgs: store.ecgs_of(person.id).await?,
            names: Names::of(&store.staff().await?),
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
            crate::pages::fields::heads_text(&person.heads)
        );
        let hash = sync_core::blobs::blob_id(facts.as_bytes()).to_string();
        hash.chars().take(16).collect()
    }
}

/// `GET /patients/{id}`; a script that renews the page gets its record only, and nothing where nothing changed.
pub async fn page(visitor: Visitor, Path(id): Path<String>, Query(asked): Query<Asked>) -> Answer {
    let person = Person::of(&visitor, &id).await?;
    let lang = visitor.lang;
    if !visitor.may(Action::ReadClinical) {
        let body = html! {
            h1.only-read { (lang.t("person-page-title")) }
            div.actions.patient-actions { (actions(&visitor, &person)) }
            section.card { h2 { (lang.t("facts-title")) } (web::patients::pairs(&facts(lang, &person))) }
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
    let range = Range::from_code(&asked.range);
    let renew = format!("{}?range={}&seen={print}", person.href(), range.code());
    let trigger = format!("live-patient-{} from:body, live-tick from:body", person.id);
    let body = html! {
        div #record hx-get=(renew) hx-trigger=(trigger) hx-swap="outerHTML" {
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
        .map(|visit| visit_row(lang, visit))
        .collect();
    let more = format!("{at}/visits");
    let edit_chart = format!("{at}/chart");
    let edit_facts = format!("{at}/edit");
    let ecgs: Vec<EcgRow> = record.ecgs.iter().take(ECGS).map(ecg_row).collect();
    let chart = &person.chart;
    let view = PatientPageView {
        today,
        path: &at,
        actions: &actions(visitor, person),
        questions: &clashes::panels(visitor, person),
        vitals: &vitals,
        range,
        charts: &charts(lang, person, &observations, range, today),
        readings: &shelf.lines(newest.iter().take(READINGS_SHOWN).copied()),
        visits: &visits,
        more_visits: (record.visits.len() > VISITS).then_some(more.as_str()),
        ecgs: &ecgs,
        allergies: &allergy_facts(lang, chart),
        problems: &chart
            .problems
            .iter()
            .filter(|one| one.ended.is_none())
            .map(|one| words::problem_fact(lang, one))
            .collect::<Vec<_>>(),
        drugs: &chart
            .medications
            .iter()
            .filter(|one| one.stopped.is_none())
            .map(|one| words::drug_line(lang, one))
            .collect::<Vec<_>>(),
        edit_chart: visitor.may(Action::EditChart).then_some(edit_chart.as_str()),
        facts: &facts(lang, person),
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

/// The charts of a range: blood pressure, and the other kinds that have at least two readings in it.
fn charts(lang: Lang, person: &Person, readings: &[Observation], range: Range, today: Date) -> Vec<Markup> {
    let first = readings.iter().map(|reading| reading.taken.at.china_date()).min();
    let days = range.days(first, today);
    let inside = |reading: &&Observation| (days.0..=days.1).contains(&reading.taken.at.china_date());
    let mut drawn = Vec::new();
    for kind in VitalKind::ALL {
        let count = readings
            .iter()
            .filter(inside)
            .filter(|reading| reading.measured.kind() == Some(kind))
            .count();
        if count > 1 || (kind == VitalKind::BloodPressure && !readings.is_empty()) {
            drawn.push(course(lang, person, kind, readings, days, today));
        }
    }
    drawn
}

fn course(
    lang: Lang,
    person: &Person,
    kind: VitalKind,
    readings: &[Observation],
    days: (Date, Date),
    today: Date,
) -> Markup {
    let band = band_of(lang, kind, &person.age(today));
    let title = kind_name(lang, kind);
    let chart = match always(kind) {
        None => pressure_chart(
            lang,
            &PressureChart {
                readings: &pressures_of(readings),
                days,
                band,
            },
        ),
        Some(always) => {
            let points = points_of(lang, readings, kind);
            let unit = unit_of(lang, kind);
            trend_chart(
                lang,
                &TrendChart {
                    title: &title,
                    unit,
                    points: &points,
                    days,
                    band,
                    always,
                },
            )
        }
    };
    html! { div { h3 { (title) } (chart) } }
}

/// The values that the chart of a kind always shows; none for blood pressure, which has a chart of its own.
fn always(kind: VitalKind) -> Option<(f64, f64)> {
    match kind {
        VitalKind::BloodPressure => None,
        VitalKind::Pulse => Some((40.0, 130.0)),
        VitalKind::Temperature => Some((35.0, 40.0)),
        VitalKind::SpO2 => Some((85.0, 100.0)),
        VitalKind::Respiration => Some((8.0, 30.0)),
        VitalKind::Height => Some((100.0, 190.0)),
        VitalKind::Weight => Some((40.0, 90.0)),
        VitalKind::Glucose => Some((3.0, 12.0)),
        VitalKind::Waist => Some((60.0, 110.0)),
    }
}

fn allergy_facts(lang: Lang, chart: &records::patients::Chart) -> Vec<FactLine> {
    let state = |words: String| {
        vec![FactLine {
            words,
            note: String::new(),
            ended: false,
            action: None,
        }]
    };
    let mut facts = match &chart.allergies {
        AllergyState::Known(known) => known
            .iter()
            .map(|allergy| words::allergy_fact(lang, allergy))
            .collect(),
        AllergyState::NoneKnown => state(lang.t("allergies-none")),
        AllergyState::NotAsked => state(lang.t("allergies-not-asked")),
        AllergyState::Unreadable => vec![FactLine {
            words: lang.t("allergies-unreadable"),
            note: lang.t("allergies-unreadable-do"),
            ended: false,
            action: None,
        }],
    };
    facts.extend(
        chart
            .refuted_allergies
            .iter()
            .map(|allergy| words::allergy_fact(lang, allergy)),
    );
    facts
}

/// A visit as a line.
pub fn visit_row(lang: Lang, visit: &EncounterLine) -> VisitRow {
    VisitRow {
        href: format!("/visits/{}", visit.id),
        at: visit.opened.at,
        doctor: visit.doctor.clone(),
        state: visit_state(visit.state),
        triage: visit.triage.map(|level| (level, words::triage(lang, level))),
        complaint: visit.complaint.clone(),
        diagnosis: visit.diagnosis.clone(),
        clinic: None,
    }
}

/// How far a visit has come.
pub fn visit_state(word: &str) -> VisitState {
    match word {
        "signed" => VisitState::Signed,
        "imported" => VisitState::Imported,
        _ => VisitState::Open,
    }
}

/// An ECG as a line.
pub fn ecg_row(line: &EcgLine) -> EcgRow {
    EcgRow {
        href: format!("/ecgs/{}/{}", line.doc, line.ecg.id),
        at: line.ecg.taken.at,
        heart_rate: line.ecg.heart_rate.map(records::units::Bpm::get),
        withdrawn: line.ecg.withdrawn.is_some(),
    }
}

fn facts(lang: Lang, person: &Person) -> Vec<(String, String)> {
    let chart = &person.chart;
    let address = &chart.address;
    let parts = [
        &address.county,
        &address.town,
        &address.village,
        &address.group,
        &address.house,
    ];
    let address: Vec<&str> = parts
        .into_iter()
        .map(String::as_str)
        .filter(|part| !part.is_empty())
        .collect();
    let unknown = lang.t("unknown");
    let said = |text: &str| {
        if text.is_empty() {
            unknown.clone()
        } else {
            text.to_owned()
        }
    };
    let number = match &chart.id_number {
        None => unknown.clone(),
        Some(number) if number.checked().is_some() => number.masked(),
        Some(number) => format!("{} ({})", number.masked(), lang.t("register-unverified")),
    };
    vec![
        (lang.t("field-sex"), sex_word(lang, chart.sex)),
        (lang.t("field-id-number"), number),
        (lang.t("field-phone"), said(&chart.phone)),
        (lang.t("patient-address"), said(&address.join(" "))),
        (lang.t("field-ethnicity"), chart.ethnicity.clone()),
        (lang.t("field-archive-no"), chart.archive_number.clone()),
        (lang.t("patient-family-doctor"), chart.family_doctor.clone()),
        (lang.t("patient-householder"), chart.household.householder.clone()),
    ]
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
    let withdraw = visitor.may(Action::WithdrawReading).then_some(person.id);
    let shelf = Shelf {
        lang,
        chart: &person.chart,
        names: &names,
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
            @if let Some(kind) = kind { (course_card(&visitor, &person, kind, &lines, Range::from_code(&asked.range))) }
            section.card { (web::vitals::table(lang, &shelf.lines(lines.iter().map(|line| (line.doc, &line.observation))), visitor.today())) }
        }
    };
    visitor
        .page(&Page::new(title.clone(), body).about(person.banner(&visitor, false)))
        .await
}

fn course_card(
    visitor: &Visitor,
    person: &Person,
    kind: VitalKind,
    lines: &[ObservationLine],
    range: Range,
) -> Markup {
    let lang = visitor.lang;
    let today = visitor.today();
    let readings: Vec<Observation> = lines.iter().map(|line| line.observation.clone()).collect();
    let first = readings.iter().map(|reading| reading.taken.at.china_date()).min();
    let ranges = [
        (Range::Week, lang.t("range-week")),
        (Range::Month, lang.t("range-month")),
        (Range::Year, lang.t("range-year")),
        (Range::All, lang.t("range-all")),
    ];
    html! {
        section.card {
            div.card-head {
                h2 { (lang.t("trends-title")) }
                nav.ranges aria-label=(lang.t("range-label")) {
                    @for (one, words) in &ranges {
                        a href={ (person.href()) "/readings?kind=" (kind.word()) "&range=" (one.code()) } aria-current=[(*one == range).then_some("true")] { (words) }
                    }
                }
            }
            (course(lang, person, kind, &readings, range.days(first, today), today))
        }
    }
}

/// `GET /patients/{id}/visits`.
pub async fn visits_page(visitor: Visitor, Path(id): Path<String>) -> Answer {
    let person = Person::of(&visitor, &id).await?;
    let lang = visitor.lang;
    let visits = visitor.state.store.visits_of(person.id, VISITS_LISTED).await?;
    let rows: Vec<VisitRow> = visits.iter().map(|visit| visit_row(lang, visit)).collect();
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
    let rows: Vec<EcgRow> = ecgs.iter().map(ecg_row).collect();
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

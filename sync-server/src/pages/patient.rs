//! A patient's page at the county, the same view as at the clinic's box, and the lists behind it.

use axum::extract::{Path, Query};
use axum::http::StatusCode;
use axum::response::IntoResponse;
use maud::{Markup, html};
use records::encounters::EncounterLine;
use records::ids::ClinicCode;
use records::staff::Action;
use records::tree::Edit;
use records::vitals::{Observation, VitalKind};
use serde::Deserialize;
use shell::errors::Page as Answer;
use shell::forms::{heads_text, new_form};
use shell::person::Person;
use store::{AuditAct, EcgLine, ObservationLine};
use web::charts::Range;
use web::fields::Fields;
use web::icons::Icon;
use web::layout::Page;
use web::panels::{Class, panel};
use web::patients::{EcgRow, PatientPageView};
use web::people::{Names, Shelf, clashes, courses, facts};
use web::trouble::Trouble;
use web::visits::VisitRow;
use web::vitals::kind_name;
use web::words;

use super::clinics::ClinicNames;
use super::device_name;
use super::visitor::{Visitor, go_to};

/// Visits that the page shows.
const VISITS: usize = 8;
/// Visits that the list shows.
const VISITS_LISTED: usize = 500;
/// ECGs that the page shows.
const ECGS: usize = 60;
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
    async fn read(visitor: &Visitor, person: &Person) -> Answer<Self> {
        let store = &visitor.state.store;
        Ok(Self {
            readings: store.observations_of(person.id, None, READINGS).await?,
            visits: store.visits_of(person.id, VISITS + 1).await?,
            ecgs: store.ecgs_of(person.id).await?,
            names: Names::of(&store.staff().await?),
            clinics: ClinicNames::read(store).await?,
        })
    }

    /// A short text that differs when what the page shows differs.
    fn print(&self, person: &Person) -> String {
        let withdrawn = self
            .readings
            .iter()
            .filter(|line| line.observation.withdrawn.is_some())
            .count();
        let newest = self.readings.first().map(|line| line.observation.id.to_string());
        let visits: Vec<String> = self
            .visits
            .iter()
            .map(|visit| format!("{}{}", visit.id, visit.state))
            .collect();
        let facts = format!(
            "{}-{withdrawn}-{}-{}-{}-{}",
            self.readings.len(),
            newest.unwrap_or_default(),
            visits.concat(),
            self.ecgs.len(),
            heads_text(&person.heads)
        );
        sync_core::blobs::blob_id(facts.as_bytes())
            .to_string()
            .chars()
            .take(16)
            .collect()
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
    let person = Person::read(&visitor, id.parse().map_err(|_| Trouble::NotFound)?).await?;
    if !visitor.part {
        return go_to(&person.href());
    }
    visitor.part(person.banner(&visitor, asked.own.is_some()))
}

/// `GET /patients/{id}`; a script that renews the page gets its record only, and nothing where nothing changed.
pub async fn page(visitor: Visitor, Path(id): Path<String>, Query(asked): Query<Asked>) -> Answer {
    let person = Person::of(&visitor, &id).await?;
    let lang = visitor.lang;
    let title = lang.t("person-page-title");
    if !visitor.may(Action::ReadClinical) {
        let body = html! {
            h1.only-read { (title) }
            div.actions.patient-actions { (actions(&visitor, &person)) }
            section.card { h2 { (lang.t("facts-title")) } (web::patients::pairs(&facts::facts(lang, &person.chart))) }
        };
        return visitor
            .page(&Page::new(title, body).about(person.banner(&visitor, true)))
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
        div.stack #record hx-get=(renew) hx-trigger=(trigger) hx-swap="outerHTML" {
            @if asked.kept.is_some() { (panel(lang, Class::Done, &lang.t("hub-kept"), &html! { p { (lang.t("hub-kept-about")) } })) }
            (draw(&visitor, &person, &record, range))
        }
    };
    if visitor.part {
        return visitor.part(body);
    }
    visitor
        .page(&Page::new(title, body).about(person.banner(&visitor, true)))
        .await
}

fn draw(visitor: &Visitor, person: &Person, record: &Record, range: Range) -> Markup {
    let lang = visitor.lang;
    let today = visitor.today();
    let at = person.href();
    let chart = &person.chart;
    let shelf = Shelf {
        lang,
        chart,
        names: &record.names,
        device: device_name,
        withdraw: None,
    };
    let newest: Vec<_> = record
        .readings
        .iter()
        .map(|line| (line.doc, &line.observation))
        .collect();
    let observations: Vec<Observation> = record
        .readings
        .iter()
        .map(|line| line.observation.clone())
        .collect();
    let visits: Vec<VisitRow> = record
        .visits
        .iter()
        .take(VISITS)
        .map(|visit| visit_row(visitor, visit, &record.clinics))
        .collect();
    let ecgs: Vec<EcgRow> = record
        .ecgs
        .iter()
        .take(ECGS)
        .map(|line| facts::ecg_row(line.doc, &line.ecg))
        .collect();
    let (more, edit_chart, edit_facts) = (
        format!("{at}/visits"),
        format!("{at}/chart"),
        format!("{at}/edit"),
    );
    let view = PatientPageView {
        today,
        path: &at,
        actions: &actions(visitor, person),
        questions: &questions(visitor, person),
        vitals: &shelf.latest(&newest, |kind| format!("{at}/readings?kind={}", kind.word())),
        range,
        charts: &courses::courses(lang, chart, &observations, range, today),
        readings: &shelf.lines(newest.iter().take(READINGS_SHOWN).copied()),
        visits: &visits,
        more_visits: (record.visits.len() > VISITS).then_some(more.as_str()),
        ecgs: &ecgs,
        allergies: &facts::allergy_facts(lang, chart),
        problems: &facts::problem_facts(lang, chart),
        drugs: &facts::drug_lines(lang, chart),
        edit_chart: visitor.may(Action::EditChart).then_some(edit_chart.as_str()),
        facts: &facts::facts(lang, chart),
        edit_facts: visitor
            .may(Action::EditDemographics)
            .then_some(edit_facts.as_str()),
    };
    web::patients::page(lang, &view)
}

fn visit_row(visitor: &Visitor, visit: &EncounterLine, clinics: &ClinicNames) -> VisitRow {
    let mut row = words::visit_row(visitor.lang, visit, format!("/visits/{}", visit.id), None);
    row.clinic = visit.clinic.as_ref().map(|code: &ClinicCode| clinics.get(code));
    row
}

fn actions(visitor: &Visitor, person: &Person) -> Markup {
    let lang = visitor.lang;
    let at = person.href();
    html! {
        @if visitor.may(Action::EditChart) {
            a.button.button-main href={ (at) "/chart" } { (Icon::Note.svg()) (lang.t("hub-edit-chart")) }
        }
        @if visitor.may(Action::EditDemographics) {
            a.button href={ (at) "/edit" } { (Icon::Person.svg()) (lang.t("demographics-title")) }
        }
        @if visitor.may(Action::ReadAudit) {
            a.button href={ "/audit?patient=" (person.id) } { (Icon::Shield.svg()) (lang.t("patient-audit")) }
        }
    }
}

fn questions(visitor: &Visitor, person: &Person) -> Vec<Markup> {
    if !visitor.may(Action::ResolveClash) {
        return Vec::new();
    }
    clashes::questions(
        visitor.lang,
        &person.chart.clashes,
        &format!("{}/clash", person.href()),
    )
}

/// `POST /patients/{id}/clash`: which of two values counts.
pub async fn choose(visitor: Visitor, Path(id): Path<String>, mut fields: Fields) -> Answer {
    let person = Person::of(&visitor, &id).await?;
    if let Some((clash, value)) = clashes::chosen(&person.chart.clashes, &fields) {
        let staff = visitor.person.staff;
        let edits: Option<Vec<Edit>> =
            records::conflicts::resolve(clash, value, staff, visitor.now(), &mut rand::random);
        fields.put("form", new_form().to_string());
        // The choice is about the values that were seen: one that arrives meanwhile clashes anew.
        fields.put("base", heads_text(&person.heads));
        if let Some(edits) = edits {
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
pub async fn readings_page(
    visitor: Visitor,
    Path(id): Path<String>,
    Query(asked): Query<ReadingsAsked>,
) -> Answer {
    let person = Person::of(&visitor, &id).await?;
    let lang = visitor.lang;
    let today = visitor.today();
    let store = &visitor.state.store;
    let kind = VitalKind::from_word(&asked.kind);
    let lines = store.observations_of(person.id, kind, READINGS_LISTED).await?;
    let names = Names::of(&store.staff().await?);
    let shelf = Shelf {
        lang,
        chart: &person.chart,
        names: &names,
        device: device_name,
        withdraw: None,
    };
    let observations: Vec<Observation> = lines.iter().map(|line| line.observation.clone()).collect();
    let course = kind.map(|kind| {
        let range = (Range::from_code(&asked.range), today);
        courses::course_card(lang, &person.chart, &person.href(), kind, &observations, range)
    });
    let title = kind.map_or_else(|| lang.t("readings-all"), |kind| kind_name(lang, kind));
    let rows = shelf.lines(lines.iter().map(|line| (line.doc, &line.observation)));
    let list = html! {
        div.stack {
            @if let Some(course) = course { (course) }
            section.card { (web::vitals::table(lang, &rows, today)) }
        }
    };
    list_page(&visitor, &person, &title, &list).await
}

/// `GET /patients/{id}/visits`.
pub async fn visits_page(visitor: Visitor, Path(id): Path<String>) -> Answer {
    let person = Person::of(&visitor, &id).await?;
    let lang = visitor.lang;
    let store = &visitor.state.store;
    let visits = store.visits_of(person.id, VISITS_LISTED).await?;
    let clinics = ClinicNames::read(store).await?;
    let rows: Vec<VisitRow> = visits
        .iter()
        .map(|visit| visit_row(&visitor, visit, &clinics))
        .collect();
    let list = web::visits::lines(lang, &rows, visitor.today());
    list_page(&visitor, &person, &lang.t("visits-more"), &list).await
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

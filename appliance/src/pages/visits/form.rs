//! The form of a visit as it is drawn and read, with the readings of its day.

use axum::extract::{Path, Query};
use axum::http::StatusCode;
use axum::response::IntoResponse;
use maud::{Markup, html};
use records::encounters::{Certainty, DIAGNOSES_MAX, Diagnosis, Triage, VisitForm};
use records::faults::FieldFault;
use records::ids::FormId;
use records::staff::Action;
use records::tables::{icd10, triage_levels};
use serde::Deserialize;
use shell::errors::Page as Answer;
use shell::forms::heads_text;
use store::{AuditAct, ObservationLine};
use web::checks::Checked;
use web::fields::Fields;
use web::forms::Form;
use web::icons::Icon;
use web::layout::Page;
use web::moments;
use web::people::{Names, Shelf};
use web::texts::Lang;
use web::visits::form::names;
use web::visits::{VisitFormView, diagnosis_hits, visit_form};
use web::words;

use super::{Open, questions};
use crate::pages::readings::device_name;
use crate::pages::typed;
use crate::pages::visitor::{Visitor, go_to};

/// Diagnoses that a search offers.
const HITS: usize = 10;
/// Readings that are looked through for those of the day.
const READINGS: usize = 100;

/// The form as it is drawn.
pub(super) struct View<'a> {
    pub(super) form: FormId,
    pub(super) kept_at: Option<String>,
    pub(super) fields: &'a Fields,
    pub(super) checked: &'a Checked,
    pub(super) told: Markup,
}

/// The form as the visit fills it.
pub(super) fn of_visit(open: &Open) -> Fields {
    let visit = &open.visit;
    let mut fields = Fields::default();
    fields.put("base", heads_text(&open.heads));
    if let Some(triage) = &visit.triage {
        fields.put(names::LEVEL, triage.level.to_string());
        fields.put(names::REASON, triage.reason.clone());
    }
    for (name, text) in [
        (names::COMPLAINT, &visit.complaint),
        (names::HISTORY, &visit.history),
        (names::EXAMINATION, &visit.examination),
        (names::ADVICE, &visit.advice),
    ] {
        fields.put(name, text.clone());
    }
    for diagnosis in &visit.diagnoses {
        add_diagnosis(&mut fields, diagnosis);
    }
    fields
}

fn add_diagnosis(fields: &mut Fields, diagnosis: &Diagnosis) {
    fields.add(names::DIAGNOSIS_CODE, diagnosis.code.clone());
    fields.add(names::DIAGNOSIS_NAME, diagnosis.name.clone());
    fields.add(
        names::DIAGNOSIS_CERTAINTY,
        diagnosis.certainty.map_or("", Certainty::word),
    );
}

/// The diagnoses of a form: codes, names and certainties stand in step.
fn diagnoses(fields: &Fields) -> Vec<Diagnosis> {
    let codes = fields.all(names::DIAGNOSIS_CODE);
    let named = codes
        .zip(fields.all(names::DIAGNOSIS_NAME))
        .zip(fields.all(names::DIAGNOSIS_CERTAINTY));
    named
        .filter(|((_, name), _)| !name.is_empty())
        .map(|((code, name), certainty)| Diagnosis {
            id: None,
            code: code.to_owned(),
            name: name.to_owned(),
            certainty: Certainty::from_word(certainty),
        })
        .collect()
}

/// The note that the form holds.
pub(super) fn note(fields: &Fields) -> VisitForm {
    let text = |name: &str| fields.get(name).to_owned();
    let triage = fields.get(names::LEVEL).parse().ok().map(|level| Triage {
        level,
        reason: text(names::REASON),
    });
    VisitForm {
        triage,
        complaint: text(names::COMPLAINT),
        history: text(names::HISTORY),
        examination: text(names::EXAMINATION),
        diagnoses: diagnoses(fields),
        advice: text(names::ADVICE),
    }
}

fn certainty_word(lang: Lang, certainty: Certainty) -> String {
    words::code(lang, "icd_verification", certainty.word())
}

/// Code and name of the diagnoses that fit what was typed.
fn found(lang: Lang, wanted: &str) -> Vec<(String, String)> {
    if wanted.trim().is_empty() {
        return Vec::new();
    }
    let lines = icd10().search(wanted, HITS);
    let name = |line: &records::tables::IcdLine| {
        if lang == Lang::Zh {
            line.zh.clone()
        } else {
            line.en.clone()
        }
    };
    lines
        .into_iter()
        .map(|line| (line.code_cn.clone(), name(line)))
        .collect()
}

/// What is looked for among diagnoses.
#[derive(Debug, Default, Deserialize)]
pub struct DiagnosisAsked {
    #[serde(default)]
    diagnosis_wanted: String,
}

/// `GET /diagnoses`: the part of the form that shows hits.
pub async fn find_diagnoses(visitor: Visitor, Query(asked): Query<DiagnosisAsked>) -> Answer {
    let wanted: String = asked.diagnosis_wanted.chars().take(64).collect();
    visitor.part(diagnosis_hits(
        visitor.lang,
        &wanted,
        &found(visitor.lang, &wanted),
    ))
}

pub(super) async fn draw_form(visitor: &Visitor, open: &Open, view: &View<'_>) -> Answer<Page> {
    let lang = visitor.lang;
    let names_of = Names::of(&visitor.state.store.staff().await?);
    let fields = view.fields;
    let (action, back, submit) = (open.href(), open.person.href(), lang.t("visit-save"));
    let levels: Vec<(u8, String)> = triage_levels()
        .iter()
        .map(|line| (line.level, words::triage(lang, line.level)))
        .collect();
    let certainties: Vec<(String, String)> = std::iter::once((String::new(), lang.t("visit-certainty-none")))
        .chain(
            Certainty::ALL
                .into_iter()
                .map(|one| (one.word().to_owned(), certainty_word(lang, one))),
        )
        .collect();
    let form = VisitFormView {
        form: Form {
            action: &action,
            id: Some(view.form.to_string()),
            base: Some(fields.get("base").to_owned()),
            draft: true,
            draft_from: view.kept_at.clone(),
            faults: Some(&view.checked.faults),
            doubts: &view.checked.doubts,
            confirmed: &view.checked.confirmed,
            submit: &submit,
            back: Some(&back),
            files: false,
        },
        levels: &levels,
        level: fields.get(names::LEVEL).parse().ok(),
        reason: fields.get(names::REASON),
        complaint: fields.get(names::COMPLAINT),
        history: fields.get(names::HISTORY),
        examination: fields.get(names::EXAMINATION),
        advice: fields.get(names::ADVICE),
        diagnoses: &diagnoses(fields)
            .iter()
            .map(|one| words::diagnosis_line(lang, one))
            .collect::<Vec<_>>(),
        certainties: &certainties,
        wanted: fields.get(names::WANTED),
        found: &found(lang, fields.get(names::WANTED)),
        readings: &readings(visitor, open, &names_of, view).await?,
        extra: &sign_button(visitor),
    };
    let body = html! {
        div.heading {
            h1 { (lang.t("visit-title")) " " (moments::day_and_clock(lang, open.visit.opened.at, visitor.today())) }
            div.actions {
                @if visitor.may(Action::Measure) { a.button href={ (open.person.href()) "/measure" } { (Icon::Device.svg()) (lang.t("patient-measure")) } }
            }
        }
        div.stack {
            (view.told)
            @for question in questions(visitor, open) { (question) }
            section.card { (visit_form(lang, &form)) }
        }
    };
    Ok(Page::new(lang.t("visit-title"), body).about(open.person.banner(visitor, false)))
}

fn sign_button(visitor: &Visitor) -> Markup {
    html! {
        @if visitor.may(Action::SignVisit) {
            button.button type="submit" name="act" value="sign" { (Icon::Check.svg()) (visitor.t("visit-sign")) }
        }
    }
}

/// The visit's readings, which renew themselves, and the fields for typed ones.
async fn readings(visitor: &Visitor, open: &Open, names_of: &Names, view: &View<'_>) -> Answer<Markup> {
    let lang = visitor.lang;
    Ok(html! {
        section.form-section {
            h2 { (lang.t("vitals-title")) }
            input type="hidden" name="page" value=(open.href());
            (readings_part(visitor, open, names_of).await?)
            @if visitor.may(Action::Measure) {
                details.typed-readings open[typed_any(view.fields)] {
                    summary { (lang.t("patient-type-reading")) }
                    (typed::inputs(lang, view.fields, &view.checked.faults))
                }
            }
        }
    })
}

fn typed_any(fields: &Fields) -> bool {
    records::vitals::VitalKind::ALL
        .iter()
        .any(|kind| fields.has(kind.word()))
}

/// Readings of the visit's day: those in the visit, and those that were taken before it was opened.
async fn readings_of(visitor: &Visitor, open: &Open) -> Answer<Vec<ObservationLine>> {
    let day = open.visit.opened.at.china_date();
    let mut lines = visitor
        .state
        .store
        .observations_of(open.person.id, None, READINGS)
        .await?;
    lines.retain(|line| line.doc == open.id.doc() || line.observation.taken.at.china_date() == day);
    Ok(lines)
}

async fn readings_part(visitor: &Visitor, open: &Open, names_of: &Names) -> Answer<Markup> {
    let lang = visitor.lang;
    let readings = readings_of(visitor, open).await?;
    let shelf = Shelf {
        lang,
        chart: &open.person.chart,
        names: names_of,
        device: device_name,
        withdraw: None,
    };
    let lines = shelf.lines(readings.iter().map(|line| (line.doc, &line.observation)));
    let trigger = format!("live-patient-{} from:body, live-tick from:body", open.person.id);
    let renew = format!(
        "{}/readings?seen={}",
        open.href(),
        readings_print(&readings, open)
    );
    Ok(html! {
        div #visit-readings hx-get=(renew) hx-trigger=(trigger) hx-swap="outerHTML" hx-sync="this:replace" {
            (web::vitals::table(lang, &lines, visitor.today()))
            @for ecg in &open.visit.ecgs {
                p { a href={ "/ecgs/" (open.id) "/" (ecg.id) } { (Icon::Trace.svg()) (lang.t("ecg-title")) " " (moments::clock(ecg.taken.at)) } }
            }
        }
    })
}

/// A short text that differs when the readings differ.
fn readings_print(readings: &[ObservationLine], open: &Open) -> String {
    let withdrawn = readings
        .iter()
        .filter(|line| line.observation.withdrawn.is_some())
        .count();
    format!("{}-{withdrawn}-{}", readings.len(), open.visit.ecgs.len())
}

/// What a page that renews its readings has.
#[derive(Debug, Default, Deserialize)]
pub struct ReadingsAsked {
    #[serde(default)]
    seen: String,
}

/// `GET /visits/{id}/readings`: the part of the page that shows readings; nothing where nothing changed.
pub async fn readings_only(
    visitor: Visitor,
    Path(id): Path<String>,
    Query(asked): Query<ReadingsAsked>,
) -> Answer {
    let open = Open::read(&visitor, &id).await?;
    if !visitor.part {
        return go_to(&open.href());
    }
    if asked.seen == readings_print(&readings_of(&visitor, &open).await?, &open) {
        return Ok(StatusCode::NO_CONTENT.into_response());
    }
    visitor
        .viewed(AuditAct::ViewVisit, open.person.id, Some(open.id.doc()))
        .await?;
    let names_of = Names::of(&visitor.state.store.staff().await?);
    visitor.part(readings_part(&visitor, &open, &names_of).await?)
}

/// Faults that the rules name by parts of a field stand at the field that the form has.
pub(super) fn on_form(faults: Vec<FieldFault>) -> Vec<FieldFault> {
    let field = |field: &'static str| match field {
        "triage" => names::LEVEL,
        "diagnoses" => names::WANTED,
        other => other,
    };
    faults
        .into_iter()
        .map(|fault| FieldFault::new(field(fault.field), fault.kind))
        .collect()
}

/// Without a script the buttons of the list of diagnoses send the whole form; `true` where one of them was pressed.
pub(super) fn work_on_diagnoses(fields: &mut Fields) -> bool {
    if fields.has(names::ADD) {
        // Own words come without a code, behind a space.
        let (code, name) = fields.whole(names::ADD).split_once(' ').unwrap_or_default();
        let added = Diagnosis {
            id: None,
            code: code.to_owned(),
            name: name.trim().to_owned(),
            certainty: None,
        };
        if !added.name.is_empty() && diagnoses(fields).len() < DIAGNOSES_MAX {
            add_diagnosis(fields, &added);
        }
        fields.take_out(names::ADD);
        fields.put(names::WANTED, "");
        return true;
    }
    if let Ok(at) = fields.get(names::REMOVE).parse::<usize>() {
        let mut kept = diagnoses(fields);
        if at < kept.len() {
            kept.remove(at);
        }
        for name in [
            names::DIAGNOSIS_CODE,
            names::DIAGNOSIS_NAME,
            names::DIAGNOSIS_CERTAINTY,
            names::REMOVE,
        ] {
            fields.take_out(name);
        }
        kept.iter().for_each(|diagnosis| add_diagnosis(fields, diagnosis));
        return true;
    }
    let find = fields.has(names::FIND);
    fields.take_out(names::FIND);
    find
}

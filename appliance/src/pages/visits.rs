//! Visits: opening one, the form with its draft, saving, signing, amending.
//!
//! A form says on which heads it was filled. What its page showed then is read again from the document, so only what
//! its author changed is written; where two tabs changed the same field both values survive as a question.

use axum::extract::{Path, Query};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use maud::{Markup, html};
use records::encounters::{
    Certainty, DIAGNOSES_MAX, Diagnosis, Encounter, Triage, VisitFault, VisitForm, amend, open_visit, sign,
};
use records::faults::FieldFault;
use records::ids::{DocId, DocKind, EncounterId, FormId};
use records::staff::Action;
use records::tables::{icd10, triage_levels};
use records::tree::Edit;
use serde::Deserialize;
use store::{
    AuditAct, Commit, CommitError, Committed, Lane, LocalEffect, ObservationLine, Read, Target, Write,
};
use sync_core::document::Heads;
use web::checks::{Checked, label};
use web::fields::Fields;
use web::forms::{Area, Form, Input};
use web::icons::Icon;
use web::layout::Page;
use web::moments;
use web::panels::{Class, panel};
use web::people::clashes::{chosen, questions as questions_about};
use web::people::visit::VisitRead;
use web::people::{Names, Shelf};
use web::texts::Lang;
use web::trouble::Trouble;
use web::visits::form::names;
use web::visits::{VisitFormView, diagnosis_hits, visit_form};
use web::words;

use crate::errors::Page as Answer;
use crate::pages::drafts;
use crate::pages::fields::{heads_text, new_form};
use crate::pages::person::Person;
use crate::pages::readings::device_name;
use crate::pages::typed;
use crate::pages::visitor::{Visitor, go_to};

/// Diagnoses that a search offers.
const HITS: usize = 10;
/// Readings that are looked through for those of the day.
const READINGS: usize = 100;

/// A visit that is open on the screen, with its patient.
struct Open {
    id: EncounterId,
    visit: Encounter,
    heads: Heads,
    person: Person,
}

impl Open {
    /// Reads a visit for somebody who is noted as having looked.
    async fn of(visitor: &Visitor, id: &str) -> Answer<Self> {
        let open = Self::read(visitor, id).await?;
        visitor
            .viewed(AuditAct::ViewVisit, open.person.id, Some(open.id.doc()))
            .await?;
        Ok(open)
    }

    /// Reads a visit without a note: whoever answers with something of it makes the note.
    async fn read(visitor: &Visitor, id: &str) -> Answer<Self> {
        let id: EncounterId = id.parse().map_err(|_| Trouble::NotFound)?;
        let Read { value: visit, heads } = visitor
            .state
            .store
            .encounter(id)
            .await?
            .ok_or(Trouble::NotFound)?;
        let patient = visit.patient.ok_or(Trouble::NotFound)?;
        let Read {
            value: chart,
            heads: chart_heads,
        } = visitor
            .state
            .store
            .chart(patient)
            .await?
            .ok_or(Trouble::NotFound)?;
        Ok(Self {
            id,
            visit,
            heads,
            person: Person {
                id: patient,
                chart,
                heads: chart_heads,
            },
        })
    }

    fn href(&self) -> String {
        format!("/visits/{}", self.id)
    }
}

/// `POST /patients/{id}/visits`: goes on with the visit of today that is open, else begins one.
pub async fn open(visitor: Visitor, Path(id): Path<String>, fields: Fields) -> Answer<Response> {
    let person = Person::of(&visitor, &id).await?;
    open_for(&visitor, &person, fields.form()?).await
}

/// Opens a visit for a person and leads to it.
pub async fn open_for(visitor: &Visitor, person: &Person, form: FormId) -> Answer<Response> {
    visitor.require(Action::WriteVisit)?;
    let at = visitor.now();
    let store = &visitor.state.store;
    if let Some(visit) = store.open_encounter_of(person.id, at.at.china_date()).await? {
        return go_to(&format!("/visits/{visit}"));
    }
    let clinic = visitor.clinic().await?;
    let edits = open_visit(person.id, &clinic, visitor.person.staff, &visitor.person.name, at);
    let target = Target::New {
        kind: DocKind::Encounter,
        owner: clinic,
    };
    let done = store
        .commit(commit(
            visitor,
            target,
            None,
            edits,
            AuditAct::VisitOpen,
            Some(form),
        ))
        .await?;
    let visit = done
        .docs
        .first()
        .copied()
        .and_then(DocId::encounter)
        .ok_or(Trouble::NotFound)?;
    go_to(&format!("/visits/{visit}"))
}

fn commit(
    visitor: &Visitor,
    target: Target,
    base: Option<Heads>,
    edits: Vec<Edit>,
    act: AuditAct,
    form: Option<FormId>,
) -> Commit {
    Commit {
        writes: vec![Write { target, base, edits }],
        blobs: Vec::new(),
        by: visitor.by(),
        act,
        lane: Lane::P2,
        form,
        settle: form.map(LocalEffect::DropDraft).into_iter().collect(),
    }
}

/// What is asked of a visit's page.
#[derive(Debug, Default, Deserialize)]
pub struct Asked {
    saved: Option<String>,
    merged: Option<String>,
}

/// `GET /visits/{id}`.
pub async fn page(visitor: Visitor, Path(id): Path<String>, Query(asked): Query<Asked>) -> Answer {
    let open = Open::of(&visitor, &id).await?;
    let told = told(&visitor, &asked);
    if !open.visit.is_open() || !visitor.may(Action::WriteVisit) {
        return visitor
            .page(&draw_closed(&visitor, &open, &told, &Amending::new()).await?)
            .await;
    }
    let opened = drafts::open(&visitor, &open.href()).await?;
    let fields = opened.kept.unwrap_or_else(|| of_visit(&open));
    let view = View {
        form: opened.form,
        kept_at: opened.at,
        fields: &fields,
        checked: &Checked::default(),
        told,
    };
    visitor.page(&draw_form(&visitor, &open, &view).await?).await
}

/// What a redirect to the page says about the form before it.
fn told(visitor: &Visitor, asked: &Asked) -> Markup {
    let lang = visitor.lang;
    html! {
        @if asked.merged.is_some() {
            (panel(lang, Class::Must, &lang.t("visit-merged"), &html! { p { (lang.t("visit-merged-do")) } }))
        } @else if asked.saved.is_some() {
            (panel(lang, Class::Done, &lang.t_with("visit-saved", &[("at", &moments::clock(visitor.now().at))]), &html! {}))
        }
    }
}

/// The form as it is drawn.
struct View<'a> {
    form: FormId,
    kept_at: Option<String>,
    fields: &'a Fields,
    checked: &'a Checked,
    told: Markup,
}

/// The form as the visit fills it.
fn of_visit(open: &Open) -> Fields {
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
fn note(fields: &Fields) -> VisitForm {
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

async fn draw_form(visitor: &Visitor, open: &Open, view: &View<'_>) -> Answer<Page> {
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

fn questions(visitor: &Visitor, open: &Open) -> Vec<Markup> {
    if !visitor.may(Action::ResolveClash) {
        return Vec::new();
    }
    questions_about(
        visitor.lang,
        &open.visit.clashes,
        &format!("{}/clash", open.href()),
    )
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
        div #visit-readings hx-get=(renew) hx-trigger=(trigger) hx-swap="outerHTML" {
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

/// `POST /visits/{id}`: saves, signs, or (without a script) works on the list of diagnoses.
pub async fn save(visitor: Visitor, Path(id): Path<String>, mut fields: Fields) -> Answer<Response> {
    let open = Open::of(&visitor, &id).await?;
    let form = fields.form()?;
    if !open.visit.is_open() {
        return closed_meanwhile(&visitor, &open, form, &fields).await;
    }
    if work_on_diagnoses(&mut fields) {
        let content = fields.content();
        visitor
            .state
            .store
            .put_draft(form, visitor.person.staff, &open.href(), &content)
            .await?;
        let kept_at = Some(moments::clock(visitor.now().at));
        let view = View {
            form,
            kept_at,
            fields: &fields,
            checked: &Checked::default(),
            told: html! {},
        };
        return visitor.page(&draw_form(&visitor, &open, &view).await?).await;
    }
    let signing = fields.get("act") == "sign";
    if signing {
        visitor.require(Action::SignVisit)?;
    }
    let base = fields.base::<Heads>()?.ok_or(Trouble::Unreadable)?;
    let shown = visitor
        .state
        .store
        .encounter_at(open.id, &base)
        .await?
        .ok_or(Trouble::Stale)?;
    let note = note(&fields);
    let typed = typed::read(&fields, &open.person.chart, visitor.today());
    let mut faults = if signing {
        note.check_for_signing()
    } else {
        note.check()
    };
    faults.extend(typed.faults.iter().copied());
    let mut checked = Checked::of(visitor.lang, &on_form(faults), &fields);
    if signing && open.visit.clashes.iter().any(|clash| clash.policy.needs_choice()) {
        checked.refuse(names::COMPLAINT, visitor.t("visit-clash-first"));
    }
    let view = View {
        form,
        kept_at: None,
        fields: &fields,
        checked: &checked,
        told: html! {},
    };
    if !checked.passes() {
        return visitor.refused(draw_form(&visitor, &open, &view).await?).await;
    }
    let saved = match write(&visitor, &open, &shown, base, form, &note, &typed).await {
        Ok(saved) => saved,
        Err(CommitError::DiskFull) => {
            return visitor
                .unsaved(&Trouble::DiskFull, draw_form(&visitor, &open, &view).await?)
                .await;
        }
        Err(other) => return Err(other.into()),
    };
    if let Some(critical) = saved.critical {
        return go_to(&format!("{}/critical/{}/{critical}", open.person.href(), open.id));
    }
    if saved.merged {
        return go_to(&format!("{}?merged=1", open.href()));
    }
    if signing {
        return sign_saved(&visitor, &id, form, saved.heads).await;
    }
    go_to(&format!("{}?saved=1", open.href()))
}

/// Faults that the rules name by parts of a field stand at the field that the form has.
fn on_form(faults: Vec<FieldFault>) -> Vec<FieldFault> {
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
fn work_on_diagnoses(fields: &mut Fields) -> bool {
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

/// What saving did.
struct Saved {
    heads: Heads,
    merged: bool,
    critical: Option<records::ids::ObservationId>,
}

async fn write(
    visitor: &Visitor,
    open: &Open,
    shown: &Encounter,
    base: Heads,
    form: FormId,
    note: &VisitForm,
    typed: &typed::Typed,
) -> Result<Saved, CommitError> {
    let at = visitor.now();
    let staff = visitor.person.staff;
    let store = &visitor.state.store;
    let texts = |fault: VisitFault| match fault {
        VisitFault::Closed | VisitFault::StillOpen => CommitError::Refused("the visit is closed"),
        VisitFault::Fields(_) => CommitError::Refused("fields that were checked before"),
    };
    let edits = note
        .edits_against(shown, staff, at, &mut rand::random)
        .map_err(texts)?;
    let (readings, ids, critical) = typed::edits(visitor, &open.person.chart, &typed.measured, at);
    let all: Vec<Edit> = edits.iter().cloned().chain(readings).collect();
    // Readings that a device brought meanwhile are no second author.
    let merged = VisitForm::of(shown) != VisitForm::of(&open.visit);
    let target = || Target::Existing(open.id.doc());
    let mut first = commit(
        visitor,
        target(),
        Some(base.clone()),
        all,
        AuditAct::VisitSave,
        Some(form),
    );
    if critical {
        first.lane = Lane::P0;
    }
    let done = store.commit(first).await?;
    if !done.already {
        return Ok(Saved {
            heads: heads_of(&done),
            merged,
            critical: ids.first().copied().filter(|_| critical),
        });
    }
    // The form was applied before. Pressed twice, nothing of it is new; sent again with other words (by Back, or by a
    // second tab of the same draft) its words still count. Readings were taken the first time.
    let now = store
        .encounter(open.id)
        .await?
        .ok_or(CommitError::UnknownDocument(open.id.doc()))?;
    let news = note
        .edits_against(&now.value, staff, at, &mut rand::random)
        .map_err(texts)?;
    if news.is_empty() {
        return Ok(Saved {
            heads: now.heads,
            merged: false,
            critical: None,
        });
    }
    let again = commit(
        visitor,
        target(),
        Some(base),
        edits,
        AuditAct::VisitSave,
        Some(new_form()),
    );
    let done = store.commit(again).await?;
    Ok(Saved {
        heads: heads_of(&done),
        merged: true,
        critical: None,
    })
}

fn heads_of(done: &Committed) -> Heads {
    done.heads.first().cloned().unwrap_or_default()
}

/// Signs what was just saved: a change of its own on exactly those heads.
async fn sign_saved(visitor: &Visitor, id: &str, form: FormId, heads: Heads) -> Answer<Response> {
    let open = Open::of(visitor, id).await?;
    if open.heads != heads {
        return go_to(&format!("{}?merged=1", open.href()));
    }
    let at = visitor.now();
    // The signature's form is its own: the saving form is spent.
    let signed = sign(
        &open.visit,
        visitor.person.staff,
        &visitor.person.name,
        at,
        sign_form(form),
    );
    let edits = match signed {
        Ok(edits) => edits,
        Err(VisitFault::Closed | VisitFault::StillOpen) => return go_to(&open.href()),
        Err(VisitFault::Fields(faults)) => {
            let fields = of_visit(&open);
            let checked = Checked::of(visitor.lang, &on_form(faults), &fields);
            let view = View {
                form: new_form(),
                kept_at: None,
                fields: &fields,
                checked: &checked,
                told: html! {},
            };
            return visitor.refused(draw_form(visitor, &open, &view).await?).await;
        }
    };
    let target = Target::Existing(open.id.doc());
    let signing = commit(
        visitor,
        target,
        Some(heads),
        edits,
        AuditAct::VisitSign,
        Some(sign_form(form)),
    );
    visitor.state.store.commit(signing).await?;
    go_to(&open.href())
}

/// The id of the signature that belongs to a form: the same for the same form, so that two presses sign once.
fn sign_form(form: FormId) -> FormId {
    let mut id = form.0;
    id.iter_mut().for_each(|byte| *byte ^= 0x5a);
    FormId(id)
}

/// Somebody signed while this form was open: nothing of it is lost, it is offered as an amendment.
async fn closed_meanwhile(visitor: &Visitor, open: &Open, form: FormId, fields: &Fields) -> Answer<Response> {
    if visitor.state.store.form_applied(form).await? {
        return go_to(&open.href());
    }
    let lang = visitor.lang;
    let wanted = note(fields);
    let pairs = [
        ("complaint", &open.visit.complaint, &wanted.complaint),
        ("history", &open.visit.history, &wanted.history),
        ("examination", &open.visit.examination, &wanted.examination),
        ("advice", &open.visit.advice, &wanted.advice),
    ];
    let changed = pairs
        .iter()
        .filter(|(_, signed, typed)| signed.trim() != typed.trim() && !typed.trim().is_empty());
    let mut text: Vec<String> = changed
        .map(|(field, _, typed)| format!("{} {typed}", label(lang, field)))
        .collect();
    let new = wanted
        .diagnoses
        .iter()
        .filter(|one| !open.visit.diagnoses.iter().any(|old| old.name == one.name));
    text.extend(new.map(|one| format!("{} {} {}", lang.t("visit-diagnoses"), one.name, one.code)));
    let mut amending = Amending::new();
    amending.fields.put("text", text.join("\n"));
    let told = panel(
        lang,
        Class::Must,
        &lang.t("visit-closed-meanwhile"),
        &html! { p { (lang.t("visit-closed-meanwhile-do")) } },
    );
    visitor
        .unsaved(
            &Trouble::Stale,
            draw_closed(visitor, open, &told, &amending).await?,
        )
        .await
}

/// The form of an amendment.
struct Amending {
    form: FormId,
    fields: Fields,
    checked: Checked,
}

impl Amending {
    fn new() -> Self {
        Self {
            form: new_form(),
            fields: Fields::default(),
            checked: Checked::default(),
        }
    }
}

async fn draw_closed(visitor: &Visitor, open: &Open, told: &Markup, amending: &Amending) -> Answer<Page> {
    let lang = visitor.lang;
    let names = Names::of(&visitor.state.store.staff().await?);
    let clinic = crate::pages::place(&visitor.state, lang).await?;
    let read = VisitRead {
        lang,
        today: visitor.today(),
        id: open.id,
        visit: &open.visit,
        chart: &open.person.chart,
        names: &names,
        clinic: &clinic,
        device: device_name,
        actions: &html! {
            button.button type="button" data-print="" { (Icon::Print.svg()) (lang.t("print")) }
            a.button href=(open.person.href()) { (lang.t("back-to-patient")) }
        },
        questions: &questions(visitor, open),
    };
    let body = html! {
        (told)
        (web::people::visit::visit(&read))
        @if !open.visit.is_open() && visitor.may(Action::AmendVisit) { (amend_card(lang, open, amending)) }
    };
    Ok(Page::new(lang.t("visit-title"), body).about(open.person.banner(visitor, false)))
}

fn amend_card(lang: Lang, open: &Open, amending: &Amending) -> Markup {
    let action = format!("{}/amend", open.href());
    let (submit, reason, text) = (
        lang.t("visit-amend"),
        lang.t("field-reason"),
        lang.t("field-amendment"),
    );
    let checked = &amending.checked;
    let form = Form {
        action: &action,
        id: Some(amending.form.to_string()),
        base: Some(heads_text(&open.heads)),
        faults: Some(&checked.faults),
        submit: &submit,
        ..Form::default()
    };
    let inner = html! {
        (Input::text("reason", &reason).value(amending.fields.get("reason")).markup(lang, &checked.faults))
        (Area::new("text", &text, amending.fields.get("text")).markup(lang, &checked.faults))
    };
    html! { section.card.no-print #amend { h2 { (lang.t("visit-amend-title")) } p.quiet { (lang.t("visit-amend-about")) } (form.around(lang, &inner, &html! {})) } }
}

/// `POST /visits/{id}/amend`.
pub async fn amend_visit(visitor: Visitor, Path(id): Path<String>, fields: Fields) -> Answer<Response> {
    let open = Open::of(&visitor, &id).await?;
    let form = fields.form()?;
    let edits = amend(
        &open.visit,
        visitor.person.staff,
        &visitor.person.name,
        visitor.now(),
        fields.get("reason"),
        fields.get("text"),
        &mut rand::random,
    );
    match edits {
        Ok(edits) => {
            let target = Target::Existing(open.id.doc());
            visitor
                .state
                .store
                .commit(commit(
                    &visitor,
                    target,
                    None,
                    edits,
                    AuditAct::VisitAmend,
                    Some(form),
                ))
                .await?;
            go_to(&open.href())
        }
        Err(VisitFault::Fields(faults)) => {
            let checked = Checked::of(visitor.lang, &faults, &fields);
            let amending = Amending {
                form,
                fields,
                checked,
            };
            visitor
                .refused(draw_closed(&visitor, &open, &html! {}, &amending).await?)
                .await
        }
        Err(VisitFault::Closed | VisitFault::StillOpen) => go_to(&open.href()),
    }
}

/// `POST /visits/{id}/clash`.
pub async fn choose(visitor: Visitor, Path(id): Path<String>, fields: Fields) -> Answer<Response> {
    let open = Open::of(&visitor, &id).await?;
    if let Some((clash, value)) = chosen(&open.visit.clashes, &fields) {
        let staff = visitor.person.staff;
        let edits = records::conflicts::resolve(clash, value, staff, visitor.now(), &mut rand::random);
        if let Some(edits) = edits {
            let target = Target::Existing(open.id.doc());
            let choice = commit(
                &visitor,
                target,
                Some(open.heads.clone()),
                edits,
                AuditAct::ClashResolve,
                None,
            );
            visitor.state.store.commit(choice).await?;
        }
    }
    go_to(&open.href())
}

//! Readings that a person types, marking one as taken in error, and what follows a critical value.

use axum::extract::Path;
use axum::response::Response;
use maud::{Markup, html};
use records::faults::{FaultKind, FieldFault};
use records::ids::{DocId, FormId, ObservationId};
use records::patients::Chart;
use records::text::tidy;
use records::time::{Date, Stamp};
use records::tree::Edit;
use records::vitals::{
    GlucoseTiming, Measured, Observation, Origin, PersonAge, VitalKind, Withdrawal, add_observation,
    check_typed, flag, parse_typed, withdraw_observation,
};
use shell::drafts::{self, Opened};
use shell::errors::{Page as Answer, PageError};
use shell::forms::new_form;
use shell::person::Person;
use store::{AuditAct, Commit, CommitError, LocalEffect, Target, Write};
use web::checks::Checked;
use web::fields::Fields;
use web::forms::{Area, Faults, Form, Input, Pick};
use web::layout::{Page, heading};
use web::panels::{NextStep, critical};
use web::people::shelf::sentence;
use web::texts::Lang;
use web::trouble::Trouble;
use web::vitals::{kind_name, unit_of};
use web::words;

use crate::bays::shown;
use crate::pages::visitor::{Visitor, go_to};

/// Longest reason for a withdrawal, in characters.
const REASON_CHARS_MAX: usize = 200;

/// What was typed and may be saved.
pub struct Typed {
    /// The readings.
    pub measured: Vec<Measured>,
    /// What is wrong, by the form's fields.
    pub faults: Vec<FieldFault>,
}

/// Reads the fields of readings. Empty ones are not readings.
pub fn read(fields: &Fields, chart: &Chart, today: Date) -> Typed {
    let person = PersonAge::on(chart.birth, chart.sex, today);
    let timing = GlucoseTiming::from_word(fields.get("glucose_timing")).unwrap_or(GlucoseTiming::Random);
    let mut typed = Typed {
        measured: Vec::new(),
        faults: Vec::new(),
    };
    for kind in VitalKind::ALL {
        if !fields.has(kind.word()) {
            continue;
        }
        match parse_typed(kind, fields.get(kind.word()), timing) {
            Ok(measured) => {
                // A part's fault (systolic) stands at the field in which it was typed (bp), the worst one first.
                let found = check_typed(&measured, &person);
                let worst = found.iter().find(|fault| !fault.kind.is_soft()).or(found.first());
                typed
                    .faults
                    .extend(worst.map(|fault| FieldFault::new(kind.word(), fault.kind)));
                typed.measured.push(measured);
            }
            Err(fault) => typed.faults.push(fault),
        }
    }
    typed
}

/// The edits that add typed readings, and whether one of them is critical.
pub fn edits(
    visitor: &Visitor,
    chart: &Chart,
    measured: &[Measured],
    at: Stamp,
) -> (Vec<Edit>, Vec<ObservationId>, bool) {
    let person = PersonAge::on(chart.birth, chart.sex, at.at.china_date());
    let (mut edits, mut ids, mut alarming) = (Vec::new(), Vec::new(), Vec::new());
    for one in measured {
        let observation = Observation {
            id: ObservationId(rand::random()),
            measured: one.clone(),
            taken: at,
            origin: Origin::Typed,
            by: Some(visitor.person.staff),
            marks: Vec::new(),
            withdrawn: None,
        };
        let critical = flag(one, &person).is_some_and(records::vitals::Flag::is_critical);
        if critical {
            alarming.push(observation.id);
        }
        ids.push(observation.id);
        edits.extend(add_observation(&observation));
    }
    let critical = !alarming.is_empty();
    (edits, if critical { alarming } else { ids }, critical)
}

/// The fields of readings.
pub fn inputs(lang: Lang, fields: &Fields, faults: &Faults) -> Markup {
    let (bp_hint, timing_label) = (lang.t("typed-bp-hint"), lang.t("typed-glucose-timing"));
    let timings = GlucoseTiming::ALL.map(|timing| {
        (
            timing.word().to_owned(),
            words::code(lang, "glucose_timing", timing.word()),
        )
    });
    let timing = Some(fields.get("glucose_timing")).filter(|word| !word.is_empty());
    html! {
        div.pair.typed {
            @for kind in VitalKind::ALL {
                @let name = kind_name(lang, kind);
                @let input = if kind == VitalKind::BloodPressure { Input::text(kind.word(), &name).hint(&bp_hint) } else { Input::decimal(kind.word(), &name) };
                (input.unit(unit_of(lang, kind)).value(fields.get(kind.word())).optional().markup(lang, faults))
                @if kind == VitalKind::Glucose {
                    (Pick::new("glucose_timing", &timing_label, timings.to_vec()).chosen(timing).optional().markup(lang, faults))
                }
            }
        }
    }
}

/// `GET /patients/{id}/readings/new`.
pub async fn page(visitor: Visitor, Path(id): Path<String>) -> Answer {
    let person = Person::of(&visitor, &id).await?;
    let Opened { form, kept, at } = drafts::open(&visitor, &here(&person)).await?;
    let fields = kept.unwrap_or_default();
    visitor
        .page(&draw(&visitor, &person, form, at, &fields, &Checked::default()))
        .await
}

fn here(person: &Person) -> String {
    format!("{}/readings/new", person.href())
}

fn draw(
    visitor: &Visitor,
    person: &Person,
    form: FormId,
    kept_at: Option<String>,
    fields: &Fields,
    checked: &Checked,
) -> Page {
    let lang = visitor.lang;
    let title = lang.t("patient-type-reading");
    let (action, back, submit) = (here(person), person.href(), lang.t("save"));
    let around = Form {
        action: &action,
        id: Some(form.to_string()),
        draft: true,
        draft_from: kept_at,
        faults: Some(&checked.faults),
        doubts: &checked.doubts,
        confirmed: &checked.confirmed,
        submit: &submit,
        back: Some(&back),
        ..Form::default()
    };
    let inner =
        html! { input type="hidden" name="page" value=(action); (inputs(lang, fields, &checked.faults)) };
    let body = html! { (heading(&title, &html! {})) section.card.narrow { (around.around(lang, &inner, &html! {})) } };
    Page::new(title.clone(), body).about(person.banner(visitor, false))
}

/// `POST /patients/{id}/readings/new`.
pub async fn save(visitor: Visitor, Path(id): Path<String>, fields: Fields) -> Answer<Response> {
    let person = Person::of(&visitor, &id).await?;
    let form = fields.form()?;
    let typed = read(&fields, &person.chart, visitor.today());
    let mut checked = Checked::of(visitor.lang, &typed.faults, &fields);
    if typed.measured.is_empty() && typed.faults.is_empty() {
        checked.refuse("bp", visitor.t("typed-nothing"));
    }
    if !checked.passes() {
        return visitor
            .refused(draw(&visitor, &person, form, None, &fields, &checked))
            .await;
    }
    let at = visitor.now();
    let (edits, ids, alarming) = edits(&visitor, &person.chart, &typed.measured, at);
    let target = target(&visitor, &person, at.at.china_date()).await?;
    let commit = Commit {
        writes: vec![Write::new(target, edits)],
        blobs: Vec::new(),
        by: visitor.by(),
        act: AuditAct::ReadingType,
        lane: shown::lane(alarming),
        form: Some(form),
        settle: vec![LocalEffect::DropDraft(form)],
    };
    let done = match visitor.state.store.commit(commit).await {
        Ok(done) => done,
        Err(CommitError::DiskFull) => {
            let page = draw(&visitor, &person, form, None, &fields, &checked);
            return visitor.unsaved(&Trouble::DiskFull, page).await;
        }
        Err(other) => return Err(other.into()),
    };
    match (alarming && !done.already, done.docs.first(), ids.first()) {
        (true, Some(doc), Some(reading)) => go_to(&format!("{}/critical/{doc}/{reading}", person.href())),
        _ => go_to(&person.href()),
    }
}

/// The document that takes a reading of today: the open visit, else the month's series.
async fn target(visitor: &Visitor, person: &Person, day: Date) -> Answer<Target> {
    let visit = visitor.state.store.open_encounter_of(person.id, day).await?;
    Ok(match visit {
        Some(visit) => Target::Existing(visit.doc()),
        None => Target::Series {
            patient: person.id,
            month: format!("{:04}-{:02}", day.year(), day.month()),
            owner: visitor.state.clinic().await?,
        },
    })
}

/// A reading of this patient in one of the patient's documents.
async fn reading_of(visitor: &Visitor, person: &Person, doc: &str, id: &str) -> Answer<(DocId, Observation)> {
    let doc: DocId = doc.parse().map_err(|_| Trouble::NotFound)?;
    let id: ObservationId = id.parse().map_err(|_| Trouble::NotFound)?;
    let lines = visitor
        .state
        .store
        .observations_of(person.id, None, usize::MAX >> 1)
        .await?;
    let line = lines
        .into_iter()
        .find(|line| line.doc == doc && line.observation.id == id);
    line.map(|line| (line.doc, line.observation))
        .ok_or(PageError(Trouble::NotFound))
}

/// `GET /patients/{id}/readings/{doc}/{reading}/withdraw`.
pub async fn withdraw_page(
    visitor: Visitor,
    Path((id, doc, reading)): Path<(String, String, String)>,
) -> Answer {
    let person = Person::of(&visitor, &id).await?;
    let (doc, reading) = reading_of(&visitor, &person, &doc, &reading).await?;
    visitor
        .page(&withdraw_form(
            &visitor,
            &person,
            doc,
            &reading,
            new_form(),
            &Fields::default(),
            &Faults::none(),
        ))
        .await
}

fn withdraw_form(
    visitor: &Visitor,
    person: &Person,
    doc: DocId,
    reading: &Observation,
    form: FormId,
    fields: &Fields,
    faults: &Faults,
) -> Page {
    let lang = visitor.lang;
    let title = lang.t("withdraw-title");
    let action = format!("{}/readings/{doc}/{}/withdraw", person.href(), reading.id);
    let back = format!("{}/readings", person.href());
    let (submit, reason, hint) = (
        lang.t("withdraw-do"),
        lang.t("field-reason"),
        lang.t("withdraw-hint"),
    );
    let around = Form {
        action: &action,
        id: Some(form.to_string()),
        faults: Some(faults),
        submit: &submit,
        back: Some(&back),
        ..Form::default()
    };
    let inner = html! {
        p.lead { strong { (sentence(lang, &reading.measured)) } " " (web::moments::day_and_clock(lang, reading.taken.at, visitor.today())) }
        p { (lang.t("withdraw-about")) }
        (Area::new("reason", &reason, fields.get("reason")).hint(&hint).rows(2).markup(lang, faults))
    };
    let body = html! { (heading(&title, &html! {})) section.card.narrow { (around.around(lang, &inner, &html! {})) } };
    Page::new(title.clone(), body).about(person.banner(visitor, false))
}

/// `POST /patients/{id}/readings/{doc}/{reading}/withdraw`: stays readable, struck through, with who and why.
pub async fn withdraw(
    visitor: Visitor,
    Path((id, doc, reading)): Path<(String, String, String)>,
    fields: Fields,
) -> Answer<Response> {
    let person = Person::of(&visitor, &id).await?;
    let (doc, reading) = reading_of(&visitor, &person, &doc, &reading).await?;
    let form = fields.form()?;
    let reason: String = tidy(fields.get("reason"))
        .chars()
        .take(REASON_CHARS_MAX)
        .collect();
    if reason.is_empty() {
        let mut faults = Faults::none();
        let fault = FieldFault::new("reason", FaultKind::Missing);
        faults.add("reason", web::checks::sentence(visitor.lang, fault));
        return visitor
            .refused(withdraw_form(
                &visitor, &person, doc, &reading, form, &fields, &faults,
            ))
            .await;
    }
    let back = format!("{}/readings", person.href());
    if reading.withdrawn.is_some() {
        return go_to(&back);
    }
    let withdrawal = Withdrawal {
        by: Some(visitor.person.staff),
        at: visitor.now(),
        reason,
    };
    let commit = Commit {
        form: Some(form),
        ..Commit::new(
            visitor.by(),
            AuditAct::ReadingWithdraw,
            vec![Write::new(
                Target::Existing(doc),
                withdraw_observation(reading.id, &withdrawal),
            )],
        )
    };
    visitor.state.store.commit(commit).await?;
    go_to(&back)
}

/// `GET /patients/{id}/critical/{doc}/{reading}`: blocks until the person has said what is done.
pub async fn critical_page(
    visitor: Visitor,
    Path((id, doc, reading)): Path<(String, String, String)>,
) -> Answer {
    let person = Person::of(&visitor, &id).await?;
    let (_, reading) = reading_of(&visitor, &person, &doc, &reading).await?;
    let lang = visitor.lang;
    let steps = [
        ("repeat", lang.t("critical-repeat")),
        ("visit", lang.t("critical-visit")),
        ("seen", lang.t("critical-seen")),
    ];
    let steps = steps.map(|(value, label)| NextStep {
        value: value.to_owned(),
        label,
    });
    let action = format!("{}/critical", person.href());
    let body = critical(
        lang,
        &lang.t("critical-do"),
        &sentence(lang, &reading.measured),
        &action,
        &new_form().to_string(),
        &steps,
    );
    visitor
        .page(&Page::new(lang.t("critical-title"), body).about(person.banner(&visitor, false)))
        .await
}

/// `POST /patients/{id}/critical`: leads on to what the person chose.
pub async fn critical_step(visitor: Visitor, Path(id): Path<String>, fields: Fields) -> Answer<Response> {
    let person = Person::of(&visitor, &id).await?;
    match fields.get("step") {
        "repeat" => go_to(&format!("{}/measure", person.href())),
        "visit" => crate::pages::visits::open_for(&visitor, &person, fields.form()?).await,
        _ => go_to(&person.href()),
    }
}

#[cfg(test)]
mod tests {
    use records::tree::Node;

    use super::*;

    fn typed(pairs: &[(&str, &str)]) -> Typed {
        let fields = Fields::of(
            pairs
                .iter()
                .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
                .collect(),
        );
        read(
            &fields.unwrap(),
            &Chart::read(&Node::default()),
            "2026-03-10".parse().unwrap(),
        )
    }

    #[test]
    fn full_width_numbers_are_readings() {
        let read = typed(&[
            ("temp", "３６。５"),
            ("bp", "１３８／８８"),
            ("weight", "６２．５"),
        ]);
        assert!(read.faults.is_empty(), "{:?}", read.faults);
        let said: Vec<_> = read
            .measured
            .iter()
            .map(|measured| sentence(Lang::Zh, measured))
            .collect();
        assert_eq!(said, ["血压 138/88 mmHg", "体温 36.5 ℃", "体重 62.5 kg"]);
    }

    #[test]
    fn an_impossible_pressure_is_refused_at_its_field() {
        let read = typed(&[("bp", "300/400")]);
        assert_eq!(read.faults, [FieldFault::new("bp", FaultKind::Impossible)]);
        assert_eq!(
            typed(&[("bp", "230/130")]).faults,
            [FieldFault::new("bp", FaultKind::Unusual)]
        );
        assert_eq!(
            typed(&[("bp", "138")]).faults,
            [FieldFault::new("bp", FaultKind::NotANumber)]
        );
        assert!(typed(&[("bp", "")]).measured.is_empty());
    }
}

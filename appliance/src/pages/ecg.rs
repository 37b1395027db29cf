//! The page of an ECG recording: true to scale, with its heart rate, never a diagnosis; printable.

use axum::extract::Path;
use axum::response::Response;
use ecg::draw::{DrawOptions, DrawTexts, svg};
use maud::{Markup, PreEscaped, html};
use records::ecgs::{EcgMeta, withdraw_ecg};
use records::faults::{FaultKind, FieldFault};
use records::ids::{DocId, EcgId, PatientId};
use records::staff::Action;
use records::text::tidy;
use records::vitals::Withdrawal;
use store::{AuditAct, Commit, Lane, Target, Write};
use web::ecg::{RecordingView, recording};
use web::forms::{Faults, Form, Input};
use web::layout::Page;
use web::moments;
use web::trouble::Trouble;

use crate::errors::Page as Answer;
use crate::pages::faults::sentence;
use crate::pages::fields::{Fields, new_form};
use crate::pages::person::Person;
use crate::pages::readings::{Names, device_name};
use crate::pages::visitor::{Visitor, go_to};
use crate::pages::visits::print_head;

/// A recording with its patient.
struct Open {
    doc: DocId,
    meta: EcgMeta,
    person: Person,
}

impl Open {
    async fn of(visitor: &Visitor, doc: &str, id: &str) -> Answer<Self> {
        let doc: DocId = doc.parse().map_err(|_| Trouble::NotFound)?;
        let id: EcgId = id.parse().map_err(|_| Trouble::NotFound)?;
        let (patient, meta) = visitor.state.store.ecg(doc, id).await?.ok_or(Trouble::NotFound)?;
        let person = Self::person(visitor, patient).await?;
        visitor.viewed(AuditAct::ViewEcg, patient, Some(doc)).await?;
        Ok(Self { doc, meta, person })
    }

    async fn person(visitor: &Visitor, patient: PatientId) -> Answer<Person> {
        let read = visitor
            .state
            .store
            .chart(patient)
            .await?
            .ok_or(Trouble::NotFound)?;
        Ok(Person {
            id: patient,
            chart: read.value,
            heads: read.heads,
        })
    }

    fn href(&self) -> String {
        format!("/ecgs/{}/{}", self.doc, self.meta.id)
    }
}

/// `GET /ecgs/{doc}/{ecg}`.
pub async fn page(visitor: Visitor, Path((doc, id)): Path<(String, String)>) -> Answer {
    let open = Open::of(&visitor, &doc, &id).await?;
    visitor
        .page(&draw(&visitor, &open, &Fields::default(), &Faults::none()).await?)
        .await
}

async fn draw(visitor: &Visitor, open: &Open, fields: &Fields, faults: &Faults) -> Answer<Page> {
    let lang = visitor.lang;
    let meta = &open.meta;
    let names = Names::of(&visitor.state.store.staff().await?);
    let paper = paper(visitor, open).await?;
    let withdrawn = meta.withdrawn.as_ref().map(|withdrawal| {
        let who = withdrawal.by.map(|by| names.get(lang, by)).unwrap_or_default();
        format!("{who} {}", withdrawal.reason).trim().to_owned()
    });
    let clipped: Vec<String> = if meta.clipped {
        meta.leads.clone()
    } else {
        Vec::new()
    };
    let view = RecordingView {
        taken: meta.taken.at,
        today: visitor.today(),
        device: &device_name(&meta.device),
        heart_rate: meta.heart_rate.map(records::units::Bpm::get),
        tenths_of_second: i64::from(meta.duration_ms / 100),
        fs_hz: meta.rate_hz,
        gaps: meta.gaps as usize,
        clipped: if paper.1.is_empty() && meta.clipped {
            &clipped
        } else {
            &paper.1
        },
        withdrawn: withdrawn.as_deref(),
        paper: paper.0.as_ref(),
        print_head: &print_head(lang, &open.person),
        pdf: None,
        synthetic: visitor.state.notice.is_some(),
    };
    let body = html! {
        (recording(lang, &view))
        @if meta.withdrawn.is_none() && visitor.may(Action::WithdrawReading) { (withdraw_card(visitor, open, fields, faults)) }
        p.actions.no-print { a.button href=(open.person.href()) { (lang.t("back-to-patient")) } }
    };
    Ok(Page::new(lang.t("ecg-title"), body)
        .about(open.person.banner(visitor, false))
        .landscape())
}

/// The drawing and the leads that ran against the recorder's limit; no drawing where the samples are not here.
async fn paper(visitor: &Visitor, open: &Open) -> Answer<(Option<Markup>, Vec<String>)> {
    let lang = visitor.lang;
    let Some(bytes) = visitor.state.store.blob(open.meta.blob).await? else {
        return Ok((None, Vec::new()));
    };
    let drawn = {
        let texts = [
            lang.t("ecg-paper-label"),
            lang.t("ecg-draw-gap"),
            lang.t("ecg-draw-clipped"),
            lang.t("ecg-draw-lead-off"),
            lang.t("ecg-draw-missing"),
            lang.t("ecg-draw-filter"),
            lang.t("ecg-draw-unfiltered"),
            lang.t("ecg-no-diagnosis"),
        ];
        let id = format!("ecg-{}", open.meta.id);
        let when = moments::day_and_clock(lang, open.meta.taken.at, visitor.today());
        let rate = match open.meta.heart_rate {
            Some(rate) => format!("{} {rate} {}", lang.t("ecg-rate"), lang.t("unit-per-minute")),
            None => format!("{} {}", lang.t("ecg-rate"), lang.t("ecg-rate-none")),
        };
        let foot = format!("{when} · {} · {rate}", device_name(&open.meta.device));
        // Drawing takes milliseconds of one core: away from the threads that answer.
        tokio::task::spawn_blocking(move || {
            let waveform = ecg::codec::decode(&bytes).ok()?;
            let [
                title,
                gap,
                clipped,
                lead_off,
                missing_lead,
                filter,
                unfiltered,
                no_diagnosis,
            ] = &texts;
            let footer = [foot.as_str(), no_diagnosis.as_str()];
            let texts = DrawTexts {
                id: &id,
                title,
                description: &foot,
                gap,
                clipped,
                lead_off,
                missing_lead,
                filter,
                unfiltered,
                footer: &footer,
            };
            let picture = svg(&waveform, &DrawOptions::default(), &texts);
            Some((picture, clipped_leads(&waveform)))
        })
        .await
    };
    let drawn = drawn.map_err(|error| Trouble::broken(&error))?;
    Ok(match drawn {
        Some((picture, clipped)) => (Some(PreEscaped(picture)), clipped),
        None => (None, Vec::new()),
    })
}

/// Names of the leads with marked clipping.
fn clipped_leads(waveform: &ecg::model::Waveform) -> Vec<String> {
    let clipped = |place: &usize| {
        waveform
            .marks()
            .iter()
            .any(|mark| mark.kind == ecg::model::MarkKind::Clipped && mark.covers(*place))
    };
    let places = (0..waveform.leads().len()).filter(clipped);
    places
        .map(|place| waveform.leads()[place].name.as_str().to_owned())
        .collect()
}

fn withdraw_card(visitor: &Visitor, open: &Open, fields: &Fields, faults: &Faults) -> Markup {
    let lang = visitor.lang;
    let action = format!("{}/withdraw", open.href());
    let (submit, reason, hint) = (
        lang.t("ecg-withdraw"),
        lang.t("field-reason"),
        lang.t("ecg-withdraw-hint"),
    );
    let form = Form {
        action: &action,
        id: Some(new_form().to_string()),
        faults: Some(faults),
        submit: &submit,
        ..Form::default()
    };
    let inner = Input::text("reason", &reason)
        .hint(&hint)
        .value(fields.get("reason"))
        .markup(lang, faults);
    html! {
        details.card.no-print open[!faults.is_empty()] {
            summary { (lang.t("ecg-withdraw")) }
            (form.around(lang, &inner, &html! {}))
        }
    }
}

/// `POST /ecgs/{doc}/{ecg}/withdraw`: stays readable with who and why.
pub async fn withdraw(
    visitor: Visitor,
    Path((doc, id)): Path<(String, String)>,
    fields: Fields,
) -> Answer<Response> {
    let open = Open::of(&visitor, &doc, &id).await?;
    let form = fields.form()?;
    let reason = tidy(fields.get("reason"));
    if reason.is_empty() {
        let mut faults = Faults::none();
        faults.add(
            "reason",
            sentence(visitor.lang, FieldFault::new("reason", FaultKind::Missing)),
        );
        return visitor
            .refused(draw(&visitor, &open, &fields, &faults).await?)
            .await;
    }
    if open.meta.withdrawn.is_none() {
        let withdrawal = Withdrawal {
            by: Some(visitor.person.staff),
            at: visitor.now(),
            reason,
        };
        let edits = withdraw_ecg(open.meta.id, &withdrawal);
        let commit = Commit {
            writes: vec![Write {
                target: Target::Existing(open.doc),
                base: None,
                edits,
            }],
            blobs: Vec::new(),
            by: visitor.by(),
            act: AuditAct::EcgWithdraw,
            lane: Lane::P2,
            form: Some(form),
            settle: Vec::new(),
        };
        visitor.state.store.commit(commit).await?;
    }
    go_to(&open.href())
}

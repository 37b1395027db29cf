//! The page of an ECG recording: true to scale, with its heart rate, never a diagnosis; printable.

use axum::extract::Path;
use axum::response::Response;
use maud::{Markup, html};
use records::ecgs::{EcgMeta, withdraw_ecg};
use records::faults::{FaultKind, FieldFault};
use records::ids::{DocId, EcgId, PatientId};
use records::staff::Action;
use records::text::tidy;
use records::vitals::Withdrawal;
use shell::errors::Page as Answer;
use shell::forms::new_form;
use shell::person::Person;
use store::{AuditAct, Commit, Target, Write};
use web::checks::sentence;
use web::fields::Fields;
use web::forms::{Faults, Form, Input};
use web::layout::Page;
use web::people::Names;
use web::people::facts::person_line;
use web::people::recording::{self, EcgRead, Paper, recording};
use web::trouble::Trouble;

use crate::pages::readings::device_name;
use crate::pages::visitor::{Visitor, go_to};

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
        Person::read(visitor, patient).await
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
    let names = Names::of(&visitor.state.store.staff().await?);
    let device = device_name(&open.meta.device);
    let paper = paper(visitor, open, device.clone()).await?;
    let on_its_side = paper.is_some();
    let read = EcgRead {
        lang,
        today: visitor.today(),
        meta: &open.meta,
        names: &names,
        device: &device,
        paper: paper.as_ref(),
        synthetic: visitor.state.notice.is_some(),
    };
    let body = html! {
        (recording(&read))
        @if open.meta.withdrawn.is_none() && visitor.may(Action::WithdrawReading) { (withdraw_card(visitor, open, fields, faults)) }
        p.actions.no-print { a.button href=(open.person.href()) { (lang.t("back-to-patient")) } }
    };
    let page = Page::new(lang.t("ecg-title"), body).about(open.person.banner(visitor, false));
    Ok(if on_its_side { page.landscape() } else { page })
}

/// The drawing; none where the samples are not here.
async fn paper(visitor: &Visitor, open: &Open, device: String) -> Answer<Option<Paper>> {
    let Some(samples) = visitor.state.store.blob(open.meta.blob).await? else {
        return Ok(None);
    };
    let (lang, today, meta) = (visitor.lang, visitor.today(), open.meta.clone());
    let person = person_line(lang, &open.person.chart, visitor.state.notice.is_some());
    // Drawing takes milliseconds of one core: away from the threads that answer.
    let draw = move || recording::paper(lang, &meta, &person, &device, today, &samples);
    let drawn = tokio::task::spawn_blocking(draw).await;
    drawn.map_err(|error| Trouble::broken(&error).into())
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
            form: Some(form),
            ..Commit::new(
                visitor.by(),
                AuditAct::EcgWithdraw,
                vec![Write::new(Target::Existing(open.doc), edits)],
            )
        };
        visitor.state.store.commit(commit).await?;
    }
    go_to(&open.href())
}

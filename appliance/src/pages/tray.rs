//! The unclaimed tray: readings whose owner is not certain. Claimed by two identifiers, given back with a trace.

use axum::extract::{Path, Query};
use axum::response::Response;
use maud::{Markup, html};
use records::faults::{FaultKind, FieldFault};
use records::ids::{PatientId, TrayId};
use records::patients::PatientLine;
use records::text::{fold, tidy};
use serde::Deserialize;
use shell::errors::{Page as Answer, PageError};
use shell::forms::new_form;
use shell::person::patient_id;
use store::TrayState;
use web::checks::sentence;
use web::fields::Fields;
use web::forms::{Faults, Form, Input};
use web::layout::{Page, heading};
use web::moments;
use web::panels::{Class, panel, undo};
use web::patients::search_box;
use web::people::Names;
use web::people::shelf::sentence as reading_words;
use web::texts::Lang;
use web::trouble::Trouble;

use crate::bays::attachment::TrayReason;
use crate::bays::tray::{self, ClaimRefusal, Identifier, Waiting, What};
use crate::pages::visitor::{Visitor, go_to};

/// Hits of the search for the owner of a reading.
const HITS: usize = 12;
/// Claimed readings that the page lists.
const CLAIMED: usize = 30;

/// What is asked of the tray.
#[derive(Debug, Default, Deserialize)]
pub struct Asked {
    dismissed: Option<String>,
}

/// `GET /tray`.
pub async fn list(visitor: Visitor, Query(asked): Query<Asked>) -> Answer {
    let lang = visitor.lang;
    let waiting = waiting_part(&visitor).await?;
    if visitor.part {
        return visitor.part(waiting);
    }
    let mut claimed = tray::list(&visitor.state, TrayState::Claimed).await?;
    claimed.truncate(CLAIMED);
    let dismissed = tray::list(&visitor.state, TrayState::Dismissed).await?;
    let names = Names::of(&visitor.state.store.staff().await?);
    let title = lang.t("tray-title");
    let body = html! {
        (heading(&title, &html! {}))
        div.stack {
            p.quiet { (lang.t("tray-about")) }
            (waiting)
            @if !claimed.is_empty() {
                section.card { h2 { (lang.t("tray-claimed")) } ul.lines { @for item in &claimed { (claimed_line(&visitor, item, &names)) } } }
            }
            @if !dismissed.is_empty() {
                details.card { summary { (lang.t("tray-dismissed")) } ul.facts { @for item in &dismissed { li {
                    (what_words(lang, item)) " " span.quiet { (when(&visitor, item)) }
                    form method="post" action={ "/tray/" (item.id) "/restore" } { button.button type="submit" { (lang.t("tray-restore")) } }
                } } } }
            }
        }
        @if let Some(id) = asked.dismissed.as_deref().and_then(|id| id.parse::<TrayId>().ok()) {
            (undo(lang, &lang.t("tray-dismissed-now"), &format!("/tray/{id}/restore"), &[]))
        }
    };
    visitor.page(&Page::new(title.clone(), body)).await
}

async fn waiting_part(visitor: &Visitor) -> Answer<Markup> {
    let lang = visitor.lang;
    let waiting = tray::list(&visitor.state, TrayState::Waiting).await?;
    Ok(html! {
        div #waiting hx-get="/tray" hx-trigger="live-tray from:body, live-tick from:body" hx-swap="outerHTML" hx-sync="this:replace" aria-live="polite" {
            @if waiting.is_empty() { p.empty { (lang.t("tray-empty")) } } @else {
                ul.lines { @for item in &waiting {
                    li { a.line-row href={ "/tray/" (item.id) } {
                        span.line-main {
                            span.line-time { (when(visitor, item)) }
                            span.line-name { (what_words(lang, item)) }
                            span.line-sub { (item.bay) }
                        }
                        span.line-side { (reason_words(lang, item.reason)) }
                    } }
                } }
            }
        }
    })
}

fn when(visitor: &Visitor, item: &Waiting) -> String {
    moments::day_and_clock(visitor.lang, item.taken.at, visitor.today())
}

fn what_words(lang: Lang, item: &Waiting) -> String {
    match &item.what {
        What::Reading(found) => reading_words(lang, &found.measured),
        What::Ecg(meta) => match meta.heart_rate {
            Some(rate) => format!("{} {rate} {}", lang.t("ecg-title"), lang.t("unit-per-minute")),
            None => lang.t("ecg-title"),
        },
        What::Unknown => lang.t("reading-not-read"),
    }
}

/// Why a reading was not attached by itself.
fn reason_words(lang: Lang, reason: Option<TrayReason>) -> String {
    let Some(reason) = reason else {
        return lang.t("tray-reason-unknown");
    };
    match reason {
        TrayReason::NoSession => lang.t("tray-reason-no-session"),
        TrayReason::TooEarly => lang.t("tray-reason-too-early"),
        TrayReason::TooSoonAfterAnother => lang.t("tray-reason-too-soon"),
        TrayReason::BegunBefore => lang.t("tray-reason-begun-before"),
        TrayReason::OtherSubject => lang.t("tray-reason-other-subject"),
        TrayReason::FromMemory => lang.t("tray-reason-from-memory"),
        TrayReason::PersonBefore => lang.t("tray-reason-person-before"),
        TrayReason::RecordRefused => lang.t("tray-reason-record-refused"),
        TrayReason::TakenLocked => lang.t("tray-reason-taken-locked"),
    }
}

/// The words for a reason by its word in the bays' log.
pub fn reason_of_word(lang: Lang, word: &str) -> Option<String> {
    TrayReason::from_word(word).map(|reason| reason_words(lang, Some(reason)))
}

fn claimed_line(visitor: &Visitor, item: &Waiting, names: &Names) -> Markup {
    let lang = visitor.lang;
    html! {
        li { a.line-row href={ "/tray/" (item.id) } {
            span.line-main { span.line-time { (when(visitor, item)) } span.line-name { (what_words(lang, item)) } }
            span.line-side { @if let Some((by, at)) = item.claimed { (lang.t_with("tray-claimed-by", &[("name", &names.get(lang, by)), ("at", &moments::day_and_clock(lang, at, visitor.today()))])) } }
        } }
    }
}

/// Whose a reading may be.
#[derive(Debug, Default, Deserialize)]
pub struct Owner {
    #[serde(default)]
    q: String,
    #[serde(default)]
    patient: String,
}

async fn item_of(visitor: &Visitor, id: &str) -> Answer<Waiting> {
    let id: TrayId = id.parse().map_err(|_| Trouble::NotFound)?;
    tray::item(&visitor.state, id)
        .await?
        .ok_or(PageError(Trouble::NotFound))
}

/// `GET /tray/{id}`: first whose it is, then two identifiers.
pub async fn page(visitor: Visitor, Path(id): Path<String>, Query(owner): Query<Owner>) -> Answer {
    let item = item_of(&visitor, &id).await?;
    if visitor.part {
        return visitor.part(hits(&visitor, &item, &owner.q).await?);
    }
    let page = match (item.state, patient_id(&owner.patient)) {
        (TrayState::Waiting, Ok(patient)) => {
            claim_page(&visitor, &item, patient, &Fields::default(), &Faults::none()).await?
        }
        (TrayState::Waiting, Err(_)) => find_page(&visitor, &item, &owner.q).await?,
        (TrayState::Claimed, _) => return_page(&visitor, &item, &Fields::default(), &Faults::none()),
        (TrayState::Dismissed, _) => return go_to("/tray"),
    };
    visitor.page(&page).await
}

fn head(visitor: &Visitor, item: &Waiting) -> Markup {
    let lang = visitor.lang;
    let subject = match &item.what {
        What::Reading(found) => found.subject.clone(),
        What::Ecg(_) | What::Unknown => None,
    };
    html! {
        section.card {
            p.values { strong { (what_words(lang, item)) } }
            p { (when(visitor, item)) " · " (item.bay) }
            p { (lang.t("tray-why")) " " (reason_words(lang, item.reason)) }
            @if let Some(subject) = subject { p { (lang.t("tray-subject")) " " strong { (subject) } } }
        }
    }
}

async fn find_page(visitor: &Visitor, item: &Waiting, query: &str) -> Answer<Page> {
    let lang = visitor.lang;
    let title = lang.t("tray-find");
    let address = format!("/tray/{}", item.id);
    let body = html! {
        (heading(&title, &html! { a.button href="/tray" { (lang.t("form-back")) } }))
        div.stack {
            (head(visitor, item))
            (search_box(lang, &address, query, true, true))
            div #hits { (hits(visitor, item, query).await?) }
            form method="post" action={ "/tray/" (item.id) "/dismiss" } { button.button type="submit" { (lang.t("tray-dismiss")) } }
        }
    };
    Ok(Page::new(title.clone(), body))
}

async fn hits(visitor: &Visitor, item: &Waiting, query: &str) -> Answer<Markup> {
    let lang = visitor.lang;
    let lines: Vec<PatientLine> = if query.trim().is_empty() {
        Vec::new()
    } else {
        visitor.state.store.search_patients(query, HITS).await?
    };
    let rows: Vec<_> = lines
        .iter()
        .map(|line| {
            let mut row = shell::find::row(visitor, line, false);
            row.href = format!("/tray/{}?patient={}", item.id, line.id);
            row
        })
        .collect();
    if query.trim().is_empty() {
        return Ok(html! { div data-query="" { p.quiet { (lang.t("tray-find-about")) } } });
    }
    Ok(web::patients::hits(lang, query, &rows, false, visitor.today()))
}

async fn claim_page(
    visitor: &Visitor,
    item: &Waiting,
    patient: PatientId,
    fields: &Fields,
    faults: &Faults,
) -> Answer<Page> {
    let lang = visitor.lang;
    let line = visitor
        .state
        .store
        .patient_line(patient)
        .await?
        .ok_or(Trouble::NotFound)?;
    let title = lang.t("tray-claim");
    let action = format!("/tray/{}/claim", item.id);
    let back = format!("/tray/{}", item.id);
    let submit = lang.t("tray-claim-do");
    let labels = ["tray-id-birth", "tray-id-number", "tray-id-phone"].map(|key| lang.t(key));
    let (birth_hint, name_label) = (lang.t("field-birth-hint"), lang.t("tray-id-name"));
    let [birth, number, phone] = &labels;
    let form = Form {
        action: &action,
        id: Some(new_form().to_string()),
        faults: Some(faults),
        submit: &submit,
        back: Some(&back),
        ..Form::default()
    };
    let inner = html! {
        input type="hidden" name="patient" value=(patient);
        p { (lang.t("tray-claim-about")) }
        (Input::text("name", &name_label).value(fields.get("name")).optional().markup(lang, faults))
        (Input::digits("birth", birth).value(fields.get("birth")).hint(&birth_hint).optional().markup(lang, faults))
        (Input::text("id_tail", number).value(fields.get("id_tail")).optional().markup(lang, faults))
        (Input::digits("phone_tail", phone).value(fields.get("phone_tail")).optional().markup(lang, faults))
    };
    let body = html! {
        (heading(&title, &html! {}))
        div.narrow.stack {
            (head(visitor, item))
            // Only the name: the identifiers are what the claimer knows, not what stands on the screen.
            p.lead { (lang.t("tray-claim-for")) " " strong { (line.name) } }
            section.card { (form.around(lang, &inner, &html! {})) }
        }
    };
    Ok(Page::new(title.clone(), body))
}

/// The identifiers of a form: the first two that are filled.
fn identifiers(lang: Lang, fields: &Fields, faults: &mut Faults) -> Option<[Identifier; 2]> {
    let mut found = Vec::new();
    if fields.has("name") {
        found.push(Identifier::Name(fields.get("name").to_owned()));
    }
    if fields.has("birth") {
        match fold(fields.get("birth")).parse() {
            Ok(birth) => found.push(Identifier::BirthDate(birth)),
            Err(_) => faults.add(
                "birth",
                sentence(lang, FieldFault::new("birth", FaultKind::NotADate)),
            ),
        }
    }
    if fields.has("id_tail") {
        found.push(Identifier::IdTail(fields.get("id_tail").to_owned()));
    }
    if fields.has("phone_tail") {
        found.push(Identifier::PhoneTail(fields.get("phone_tail").to_owned()));
    }
    let mut found = found.into_iter();
    Some([found.next()?, found.next()?])
}

/// `POST /tray/{id}/claim`.
pub async fn claim(visitor: Visitor, Path(id): Path<String>, fields: Fields) -> Answer<Response> {
    let lang = visitor.lang;
    let item = item_of(&visitor, &id).await?;
    let patient = patient_id(fields.get("patient"))?;
    let mut faults = Faults::none();
    let two = identifiers(lang, &fields, &mut faults);
    if two.is_none() && faults.is_empty() {
        faults.add("name", lang.t("tray-two-identifiers"));
    }
    if let Some(two) = two.filter(|_| faults.is_empty()) {
        match tray::claim(&visitor.state, item.id, patient, &two, visitor.person.staff).await {
            Ok(_) => return go_to(&format!("/patients/{patient}")),
            Err(refusal) => faults.add("name", refusal_words(lang, refusal)?),
        }
    }
    visitor
        .refused(claim_page(&visitor, &item, patient, &fields, &faults).await?)
        .await
}

fn refusal_words(lang: Lang, refusal: ClaimRefusal) -> Answer<String> {
    Ok(match refusal {
        ClaimRefusal::TwoIdentifiers => lang.t("tray-two-identifiers"),
        ClaimRefusal::NotThisPerson => lang.t("tray-not-this-person"),
        ClaimRefusal::NoPatient => lang.t("tray-no-patient"),
        ClaimRefusal::NoReading | ClaimRefusal::Moved => lang.t("tray-moved"),
        ClaimRefusal::NoClinic => lang.t("tray-no-clinic"),
        ClaimRefusal::Commit(error) => return Err(error.into()),
    })
}

fn return_page(visitor: &Visitor, item: &Waiting, fields: &Fields, faults: &Faults) -> Page {
    let lang = visitor.lang;
    let title = lang.t("tray-return");
    let action = format!("/tray/{}/return", item.id);
    let (submit, reason) = (lang.t("tray-return-do"), lang.t("field-reason"));
    let form = Form {
        action: &action,
        faults: Some(faults),
        submit: &submit,
        back: Some("/tray"),
        ..Form::default()
    };
    let inner = html! { (Input::text("reason", &reason).value(fields.get("reason")).markup(lang, faults)) };
    let body = html! {
        (heading(&title, &html! {}))
        div.narrow.stack {
            (head(visitor, item))
            (panel(lang, Class::Warning, &lang.t("tray-return-about"), &html! {}))
            section.card { (form.around(lang, &inner, &html! {})) }
        }
    };
    Page::new(title.clone(), body)
}

/// `POST /tray/{id}/return`: the claim was wrong.
pub async fn give_back(visitor: Visitor, Path(id): Path<String>, fields: Fields) -> Answer<Response> {
    let lang = visitor.lang;
    let item = item_of(&visitor, &id).await?;
    let reason = tidy(fields.get("reason"));
    let mut faults = Faults::none();
    if reason.is_empty() {
        faults.add(
            "reason",
            sentence(lang, FieldFault::new("reason", FaultKind::Missing)),
        );
    } else {
        match tray::give_back(&visitor.state, item.id, visitor.person.staff, &reason).await {
            Ok(()) => return go_to("/tray"),
            Err(refusal) => faults.add("reason", refusal_words(lang, refusal)?),
        }
    }
    visitor
        .refused(return_page(&visitor, &item, &fields, &faults))
        .await
}

/// `POST /tray/{id}/dismiss`: it belongs to nobody; can be undone.
pub async fn dismiss(visitor: Visitor, Path(id): Path<String>) -> Answer<Response> {
    let item = item_of(&visitor, &id).await?;
    visitor.state.store.tray_dismiss(item.id, true).await?;
    go_to(&format!("/tray?dismissed={}", item.id))
}

/// `POST /tray/{id}/restore`.
pub async fn restore(visitor: Visitor, Path(id): Path<String>) -> Answer<Response> {
    let item = item_of(&visitor, &id).await?;
    visitor.state.store.tray_dismiss(item.id, false).await?;
    go_to("/tray")
}

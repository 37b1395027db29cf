//! The clinics of the county: when each was last heard, what waited at its box then, its boxes, and the tokens by
//! which new ones join. Stored facts only: a hub knows nothing of a box but what it told at its last contact.

use std::collections::BTreeMap;

use axum::extract::Path;
use axum::response::Response;
use maud::{Markup, html};
use records::ids::{ClinicCode, DeviceId};
use records::staff::Action;
use records::text::tidy;
use records::time::WallTime;
use shell::clinics::ClinicNames;
use shell::errors::{Page as Answer, PageError};
use shell::forms::new_form;
use store::{AuditAct, ClinicRow, DeviceRow, Lane, Openings, Store};
use web::checks::sentence;
use web::fields::Fields;
use web::forms::{Faults, Form, Input};
use web::icons::Icon;
use web::layout::{Page, heading};
use web::moments;
use web::panels::{Class, panel};
use web::status::Level;
use web::texts::Lang;
use web::trouble::Trouble;

use super::visitor::{Visitor, go_to};
use crate::clinics::{self, ClinicError};

/// A clinic that was not heard for this long needs a look: every working day has a contact.
pub const SILENT_MS: i64 = 24 * 3600 * 1000;

/// What the county's clinics are called.
pub async fn clinic_names(store: &Store) -> Answer<ClinicNames> {
    let clinics = store.clinics().await?.into_iter();
    Ok(ClinicNames {
        here: None,
        names: clinics.map(|clinic| (clinic.code, clinic.name)).collect(),
    })
}

/// How a clinic stands, by when it was heard.
pub fn level(clinic: &ClinicRow, now: WallTime) -> Level {
    match clinic.last_contact {
        Some(at) if now.0 - at.0 <= SILENT_MS => Level::Good,
        Some(_) => Level::Bad,
        None => Level::Known,
    }
}

/// What waited at the box at its last contact.
fn waiting(clinic: &ClinicRow) -> u64 {
    clinic.queue.iter().map(|lane| lane.items).sum()
}

/// The oldest thing that waited.
fn oldest(clinic: &ClinicRow) -> Option<WallTime> {
    clinic
        .queue
        .iter()
        .filter(|lane| lane.items > 0)
        .filter_map(|lane| lane.oldest)
        .min()
}

/// `GET /clinics`.
pub async fn list(visitor: Visitor) -> Answer {
    let table = table(&visitor, &visitor.state.store.clinics().await?);
    if visitor.part {
        return visitor.part(table);
    }
    let title = visitor.t("hub-clinics-title");
    let actions = html! {
        @if visitor.may(Action::ManageClinics) {
            a.button.button-main href="/clinics/new" { (Icon::Add.svg()) (visitor.t("hub-clinic-add")) }
        }
    };
    let body = html! { (heading(&title, &actions)) (table) p.quiet { (visitor.t("hub-clinics-about")) } };
    visitor.page(&Page::new(title.clone(), body)).await
}

fn table(visitor: &Visitor, clinics: &[ClinicRow]) -> Markup {
    let lang = visitor.lang;
    html! {
        section.card #clinics hx-get="/clinics" hx-trigger="live-sync from:body, live-tick from:body" hx-swap="outerHTML" hx-sync="this:replace" {
            @if clinics.is_empty() { p.empty { (lang.t("hub-clinics-none")) } } @else {
                div.scroll tabindex="0" role="group" aria-label=(lang.t("hub-clinics-title")) { table.table {
                    thead { tr {
                        th scope="col" { (lang.t("hub-clinic")) }
                        th scope="col" { (lang.t("hub-state")) }
                        th scope="col" { (lang.t("hub-last-contact")) }
                        th.num scope="col" { (lang.t("hub-waiting")) }
                        th scope="col" { (lang.t("queue-oldest")) }
                        th.num scope="col" { (lang.t("hub-boxes")) }
                        th.num scope="col" { (lang.t("hub-patients")) }
                        th scope="col" { (lang.t("hub-software")) }
                    } }
                    tbody { @for clinic in clinics { (line(visitor, clinic)) } }
                } }
            }
        }
    }
}

fn line(visitor: &Visitor, clinic: &ClinicRow) -> Markup {
    let lang = visitor.lang;
    html! {
        tr {
            th scope="row" { a href={ "/clinics/" (clinic.code) } { (clinic.name) } " " span.quiet.num { (clinic.code) } }
            td { (state_tag(visitor, clinic)) }
            td { (when(visitor, clinic.last_contact)) }
            td.num { @if clinic.last_contact.is_some() { (waiting(clinic)) } @else { (lang.t("unknown")) } }
            td { @match oldest(clinic) { Some(at) => (when(visitor, Some(at))), None => "—" } }
            td.num { (clinic.devices) }
            td.num { (clinic.patients) }
            td { (if clinic.software.is_empty() { lang.t("unknown") } else { clinic.software.clone() }) }
        }
    }
}

fn state_tag(visitor: &Visitor, clinic: &ClinicRow) -> Markup {
    let lang = visitor.lang;
    match level(clinic, visitor.now().at) {
        Level::Good => html! { span.tag.tag-good { "● " (lang.t("hub-state-heard")) } },
        Level::Known => html! { span.tag.tag-note { "▲ " (lang.t("hub-state-never")) } },
        Level::Bad => html! { span.tag.tag-bad { "◆ " (lang.t("hub-state-silent")) } },
    }
}

fn when(visitor: &Visitor, at: Option<WallTime>) -> String {
    let words = |at| moments::day_and_clock(visitor.lang, at, visitor.today());
    at.map_or_else(|| visitor.t("status-never"), words)
}

/// `GET /clinics/new`.
pub async fn new_page(visitor: Visitor) -> Answer {
    visitor
        .page(&new_form_page(visitor.lang, &Fields::default(), &Faults::none()))
        .await
}

fn new_form_page(lang: Lang, fields: &Fields, faults: &Faults) -> Page {
    let title = lang.t("hub-clinic-add");
    let (code, code_hint) = (lang.t("field-code"), lang.t("hub-code-hint"));
    let (name, submit) = (lang.t("field-clinic-name"), lang.t("hub-clinic-add-do"));
    let form = Form {
        action: "/clinics/new",
        id: Some(new_form().to_string()),
        faults: Some(faults),
        submit: &submit,
        back: Some("/clinics"),
        ..Form::default()
    };
    let inner = html! {
        (Input::text("clinic_name", &name).value(fields.get("clinic_name")).markup(lang, faults))
        (Input::text("code", &code).value(fields.get("code")).hint(&code_hint).markup(lang, faults))
    };
    let body =
        html! { (heading(&title, &html! {})) section.card.narrow { (form.around(lang, &inner, &html! {})) } };
    Page::new(title.clone(), body)
}

/// `POST /clinics/new`.
pub async fn add(visitor: Visitor, fields: Fields) -> Answer<Response> {
    use records::faults::{FaultKind, FieldFault};
    let lang = visitor.lang;
    let mut faults = Faults::none();
    let code: Option<ClinicCode> = tidy(fields.get("code")).parse().ok();
    if code.is_none() {
        faults.add("code", lang.t("hub-code-hint"));
    }
    if fields.get("clinic_name").is_empty() {
        faults.add(
            "clinic_name",
            sentence(lang, FieldFault::new("clinic_name", FaultKind::Missing)),
        );
    }
    let store = &visitor.state.store;
    if let Some(code) = &code
        && store.clinics().await?.iter().any(|clinic| clinic.code == *code)
    {
        faults.add("code", lang.t("hub-code-taken"));
    }
    if let (Some(code), true) = (code, faults.is_empty()) {
        match clinics::add(store, &code, fields.get("clinic_name")).await {
            Ok(_) => {
                store
                    .audit_note(visitor.by(), AuditAct::SettingsChange, None)
                    .await?;
                return go_to(&format!("/clinics/{code}"));
            }
            Err(ClinicError::Name) => {
                faults.add(
                    "clinic_name",
                    sentence(lang, FieldFault::new("clinic_name", FaultKind::TooLong)),
                );
            }
            Err(other) => return Err(failed(other)),
        }
    }
    visitor.refused(new_form_page(lang, &fields, &faults)).await
}

fn failed(error: ClinicError) -> PageError {
    match error {
        ClinicError::Store(error) => error.into(),
        ClinicError::Unknown(_) | ClinicError::UnknownBox(_) => Trouble::NotFound.into(),
        ClinicError::Name | ClinicError::Ca(_) | ClinicError::Token(_) => Trouble::broken(&error).into(),
    }
}

async fn clinic_of(visitor: &Visitor, code: &str) -> Answer<ClinicRow> {
    let code: ClinicCode = code.parse().map_err(|_| Trouble::NotFound)?;
    clinics::find(&visitor.state.store, &code).await.map_err(failed)
}

/// `GET /clinics/{code}`.
pub async fn page(visitor: Visitor, Path(code): Path<String>) -> Answer {
    let clinic = clinic_of(&visitor, &code).await?;
    let facts = facts(&visitor, &clinic).await?;
    if visitor.part {
        return visitor.part(facts);
    }
    let lang = visitor.lang;
    let actions = html! {
        @if visitor.may(Action::ManageClinics) {
            form method="post" action={ "/clinics/" (clinic.code) "/token" } {
                button.button.button-main type="submit" { (Icon::Add.svg()) (lang.t("hub-token-new")) }
            }
        }
        a.button href="/clinics" { (lang.t("hub-back-to-clinics")) }
    };
    let body = html! { (heading(&clinic.name, &actions)) (facts) };
    visitor.page(&Page::new(lang.t("hub-clinic"), body)).await
}

async fn facts(visitor: &Visitor, clinic: &ClinicRow) -> Answer<Markup> {
    let lang = visitor.lang;
    let store = &visitor.state.store;
    let devices = store.devices(Some(&clinic.code)).await?;
    let openings = store.openings(&clinic.code).await?;
    let software = if clinic.software.is_empty() {
        lang.t("unknown")
    } else {
        clinic.software.clone()
    };
    Ok(html! {
        div.columns #clinic hx-get={ "/clinics/" (clinic.code) } hx-trigger="live-sync from:body, live-tick from:body" hx-swap="outerHTML" hx-sync="this:replace" {
            div.stack {
                section.card {
                    div.card-head { h2 { (lang.t("hub-contact")) } (state_tag(visitor, clinic)) }
                    dl.pairs {
                        dt { (lang.t("hub-last-contact")) } dd.num { (when(visitor, clinic.last_contact)) }
                        dt { (lang.t("field-code")) } dd.num { (clinic.code) }
                        dt { (lang.t("hub-added")) } dd.num { (when(visitor, Some(clinic.added))) }
                        dt { (lang.t("hub-patients")) } dd.num { (clinic.patients) }
                        dt { (lang.t("hub-documents")) } dd.num { (clinic.documents) }
                        dt { (lang.t("hub-software")) } dd.num { (software) }
                    }
                }
                section.card {
                    h2 { (lang.t("hub-queue")) }
                    @match clinic.last_contact {
                        None => p.empty { (lang.t("hub-queue-unknown")) },
                        Some(at) => {
                            p.quiet { (lang.t_with("hub-queue-at", &[("at", &when(visitor, Some(at)))])) }
                            (queue(visitor, clinic))
                        }
                    }
                }
            }
            section.card { h2 { (lang.t("hub-boxes")) } (boxes(visitor, &devices, &openings)) }
        }
    })
}

fn queue(visitor: &Visitor, clinic: &ClinicRow) -> Markup {
    let lang = visitor.lang;
    html! {
        div.scroll { table.table {
            thead { tr {
                th scope="col" { (lang.t("queue-lane")) }
                th.num scope="col" { (lang.t("queue-items")) }
                th.num scope="col" { (lang.t("queue-bytes")) }
                th scope="col" { (lang.t("queue-oldest")) }
            } }
            tbody { @for (lane, report) in LANES.into_iter().zip(&clinic.queue) { tr {
                th scope="row" { (lane_words(lang, lane)) }
                td.num { (report.items) }
                td.num { (report.bytes / 1000) "." (report.bytes % 1000 / 100) " kB" }
                td { @match report.oldest { Some(at) => (when(visitor, Some(at))), None => "—" } }
            } } }
        } }
    }
}

const LANES: [Lane; 5] = [Lane::P0, Lane::P1, Lane::P2, Lane::P3, Lane::P4];

fn lane_words(lang: Lang, lane: Lane) -> String {
    match lane {
        Lane::P0 => lang.t("lane-p0"),
        Lane::P1 => lang.t("lane-p1"),
        Lane::P2 => lang.t("lane-p2"),
        Lane::P3 => lang.t("lane-p3"),
        Lane::P4 => lang.t("lane-p4"),
    }
}

fn boxes(visitor: &Visitor, devices: &[DeviceRow], openings: &BTreeMap<DeviceId, Openings>) -> Markup {
    let lang = visitor.lang;
    html! {
        @if devices.is_empty() { p.empty { (lang.t("hub-boxes-none")) } }
        ul.facts { @for device in devices { li {
            p {
                strong { (device.name) }
                @if device.name != device.device.to_string() { " " span.quiet.num { (device.device) } }
            }
            p.small { (lang.t("hub-enrolled")) " " (when(visitor, Some(device.enrolled))) " · " (lang.t("hub-last-contact")) " " (when(visitor, device.last_contact)) }
            @if let Some(openings) = openings.get(&device.device) {
                p.small {
                    (lang.t_n("hub-openings-n", openings.count))
                    @if openings.last.is_some() { " · " (lang.t("hub-opening-last")) " " (when(visitor, openings.last)) }
                }
            }
            @match device.revoked {
                Some(at) => p { span.tag.tag-bad { (lang.t("hub-revoked")) } " " (when(visitor, Some(at))) },
                None => @if visitor.may(Action::ManageClinics) {
                    details.ending {
                        summary { (lang.t("hub-revoke")) }
                        form.form method="post" action={ "/clinics/" (device.clinic) "/boxes/" (device.device) "/revoke" } {
                            p { (lang.t("hub-revoke-about")) }
                            button.button.button-danger type="submit" { (lang.t("hub-revoke-do")) }
                        }
                    }
                }
            }
        } } }
    }
}

/// `POST /clinics/{code}/token`: a token, shown this once.
pub async fn token(visitor: Visitor, Path(code): Path<String>) -> Answer {
    let lang = visitor.lang;
    let clinic = clinic_of(&visitor, &code).await?;
    let store = &visitor.state.store;
    let token = clinics::new_token(store, &clinic.code).await.map_err(failed)?;
    store.audit_note(visitor.by(), AuditAct::Enroll, None).await?;
    let title = lang.t("hub-token-title");
    let code = web::qr::code(&token, &lang.t("hub-token-qr")).map_err(|error| Trouble::broken(&error))?;
    let body = html! {
        (heading(&title, &html! { a.button href={ "/clinics/" (clinic.code) } { (lang.t("hub-back-to-clinic")) } }))
        div.narrow.stack {
            (panel(lang, Class::Must, &lang.t("hub-token-once"), &html! { p { (lang.t("hub-token-about")) } }))
            section.card.stack {
                p { strong { (clinic.name) } " " span.quiet.num { (clinic.code) } }
                div.field {
                    label for="token" { (lang.t("hub-token")) }
                    textarea #token readonly rows="3" spellcheck="false" { (token) }
                }
                (code)
                @if let Some(link) = &visitor.state.link {
                    p { (lang.t("hub-token-address")) " " span.num { (link) } }
                }
            }
        }
    };
    let mut response = visitor.page(&Page::new(title.clone(), body)).await?;
    let never = axum::http::HeaderValue::from_static("no-store");
    response
        .headers_mut()
        .insert(axum::http::header::CACHE_CONTROL, never);
    Ok(response)
}

/// `POST /clinics/{code}/boxes/{device}/revoke`: the box is not answered any more; what it brought stays.
pub async fn revoke(visitor: Visitor, Path((code, device)): Path<(String, String)>) -> Answer<Response> {
    let clinic = clinic_of(&visitor, &code).await?;
    let device: DeviceId = device.parse().map_err(|_| Trouble::NotFound)?;
    let store = &visitor.state.store;
    let mut own = store.devices(Some(&clinic.code)).await?.into_iter();
    if own.all(|row| row.device != device) {
        return Err(Trouble::NotFound.into());
    }
    clinics::revoke_box(store, visitor.by(), device)
        .await
        .map_err(failed)?;
    go_to(&format!("/clinics/{}", clinic.code))
}

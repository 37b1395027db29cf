//! Device bays on the tablet: their state, opening one for a patient, the result without reload, their log.

pub mod words;

use axum::extract::{Path, Query};
use axum::response::Response;
use device_drivers::catalogue::{Measures, StartedBy};
use maud::{Markup, html};
use records::ids::PatientId;
use records::patients::Chart;
use records::staff::Action;
use serde::Deserialize;
use shell::errors::Page as Answer;
use shell::person::{Person, patient_id};
use store::AuditAct;
use web::fields::Fields;
use web::icons::Icon;
use web::layout::{Page, heading};
use web::moments;
use web::panels::{Class, panel};
use web::texts::Lang;
use web::trouble::Trouble;
use web::vitals::unit_words;

use crate::bays::attachment::{Opener, Person as Subject};
use crate::bays::shown::Shown;
use crate::bays::{BayView, Doing};
use crate::pages::visitor::{Visitor, go_to};
use words::{doing, kind, link_tag, log_word, refusal_word, refusal_words, word};

/// Lines of a bay's log that are shown.
const LOG_LINES: usize = 200;

/// `GET /bays`.
pub async fn list(visitor: Visitor) -> Answer {
    let lang = visitor.lang;
    let title = lang.t("nav-bays");
    let list = cards(&visitor).await?;
    if visitor.part {
        return visitor.part(list);
    }
    let body = html! { (heading(&title, &html! {})) div.stack { (list) (screens(&visitor)) } };
    visitor.page(&Page::new(title.clone(), body)).await
}

/// Making this browser a kiosk screen, and taking that back from all.
fn screens(visitor: &Visitor) -> Markup {
    let lang = visitor.lang;
    let readers: Vec<BayView> = visitor
        .state
        .bays
        .list()
        .into_iter()
        .filter(|bay| bay.device.measures == Measures::IdentityCard)
        .collect();
    let paired = visitor.state.kiosks.screens().all().len();
    html! {
        @if visitor.may(Action::ManageDevices) && !readers.is_empty() {
            section.card.stack {
                h2 { (lang.t("screens-title")) }
                p.quiet { (lang.t("screens-about")) }
                div.actions {
                    @for reader in &readers {
                        form method="post" action="/kiosk/pair" {
                            input type="hidden" name="reader" value=(reader.number);
                            button.button type="submit" { (lang.t_with("screens-pair", &[("reader", &reader.name)])) }
                        }
                    }
                    @if paired > 0 {
                        form method="post" action="/kiosk/forget" { button.button.button-danger type="submit" { (lang.t_n("screens-forget", paired)) } }
                    }
                }
            }
        }
    }
}

async fn cards(visitor: &Visitor) -> Answer<Markup> {
    let lang = visitor.lang;
    let bays = visitor.state.bays.list();
    let mut drawn = Vec::with_capacity(bays.len());
    for bay in &bays {
        drawn.push(card(visitor, bay).await?);
    }
    Ok(html! {
        div #bays hx-get="/bays" hx-trigger="live-bay from:body, live-tick from:body" hx-swap="outerHTML" hx-sync="this:replace" {
            @if bays.is_empty() {
                p.empty { (lang.t("bays-none")) }
                p.quiet { (lang.t("bays-none-do")) }
            } @else {
                div.bays { @for one in &drawn { (one) } }
            }
        }
    })
}

async fn card(visitor: &Visitor, bay: &BayView) -> Answer<Markup> {
    let lang = visitor.lang;
    let patient = match (&bay.session, visitor.may(Action::FindPatients)) {
        (Some(session), true) => visitor.state.store.patient_line(session.patient).await?,
        _ => None,
    };
    Ok(html! {
        section.card.bay {
            div.card-head { h2 { a href={ "/bays/" (bay.number) } { (bay.name) } } (link_tag(lang, &bay.link)) }
            p.quiet { (kind(lang, bay.device.measures)) " · " (bay.device.name) }
            p.bay-doing { (doing(lang, bay)) }
            @if let Some(patient) = patient { p { (lang.t("bay-session-of")) " " strong { (patient.name) } } }
            p.actions { a.button href={ "/bays/" (bay.number) "/log" } { (lang.t("bay-log")) } }
        }
    })
}

/// `GET /patients/{id}/measure`: which device.
pub async fn choose(visitor: Visitor, Path(id): Path<String>) -> Answer {
    let person = Person::of(&visitor, &id).await?;
    let lang = visitor.lang;
    let bays: Vec<BayView> = visitor
        .state
        .bays
        .list()
        .into_iter()
        .filter(|bay| bay.device.measures != Measures::IdentityCard)
        .collect();
    let title = lang.t("measure-title");
    let body = html! {
        (heading(&title, &html! {
            a.button href={ (person.href()) "/readings/new" } { (Icon::Add.svg()) (lang.t("patient-type-reading")) }
            a.button href=(person.href()) { (lang.t("back-to-patient")) }
        }))
        @if bays.is_empty() { p.empty { (lang.t("bays-none")) } p.quiet { (lang.t("bays-none-do")) } } @else {
            div.bays { @for bay in &bays {
                section.card.bay {
                    div.card-head { h2 { (kind(lang, bay.device.measures)) } (link_tag(lang, &bay.link)) }
                    p.quiet { (bay.name) " · " (bay.device.name) }
                    @if bay.session.is_some() { p { (lang.t("bay-in-use")) } }
                    form method="post" action={ "/bays/" (bay.number) "/open" } {
                        input type="hidden" name="patient" value=(person.id);
                        button.button.button-main type="submit" { (lang.t("measure-here")) }
                    }
                }
            } }
        }
    };
    visitor
        .page(&Page::new(title.clone(), body).about(person.banner(&visitor, false)))
        .await
}

/// For whom a bay is looked at.
#[derive(Debug, Default, Deserialize)]
pub struct Asked {
    #[serde(default)]
    patient: String,
    refused: Option<String>,
}

/// `POST /bays/{number}/open`: for the chosen patient; devices that the program starts are started by a second press.
pub async fn open(visitor: Visitor, Path(number): Path<usize>, fields: Fields) -> Answer<Response> {
    let patient = patient_id(fields.get("patient"))?;
    let person = Person::open(&visitor, patient).await?;
    let here = format!("/bays/{number}?patient={patient}");
    match visitor
        .state
        .bays
        .open_for(number, subject(patient, &person.chart), visitor.person.staff)
    {
        Ok(()) => go_to(&here),
        Err(refusal) => go_to(&format!("{here}&refused={}", refusal_word(refusal))),
    }
}

/// The person with what a device may name them by.
fn subject(patient: PatientId, chart: &Chart) -> Subject {
    let number = chart.id_number.iter().map(|number| number.as_str().to_owned());
    let archive = Some(chart.archive_number.clone()).filter(|number| !number.is_empty());
    let source = chart.source.iter().map(|source| source.id.clone());
    Subject {
        patient,
        subjects: number.chain(archive).chain(source).collect(),
    }
}

/// `GET /bays/{number}`: the bay at work, for the patient for whom it is open.
pub async fn page(visitor: Visitor, Path(number): Path<usize>, Query(asked): Query<Asked>) -> Answer {
    let lang = visitor.lang;
    let bay = visitor.state.bays.bay(number).ok_or(Trouble::NotFound)?;
    // The address names the patient, so that the page stays about this one also after the session is over. A part that
    // renews itself on a page about nobody stays about nobody: that page has no banner that would say whose it is.
    let at_work = bay.session.as_ref().map(|session| session.patient);
    let patient = patient_id(&asked.patient)
        .ok()
        .or(at_work.filter(|_| !visitor.part));
    let person = match patient.filter(|_| visitor.may(Action::FindPatients)) {
        Some(patient) => Some(Person::read(&visitor, patient).await?),
        None => None,
    };
    // A part that renews itself while a cuff inflates shows nobody's record; one with a result does.
    let owner = bay.last.as_ref().and_then(|(owner, _)| *owner);
    if let Some(person) = person
        .as_ref()
        .filter(|person| !visitor.part || owner == Some(person.id))
    {
        visitor.viewed(AuditAct::ViewPatient, person.id, None).await?;
    }
    let live = now_part(&visitor, &bay, person.as_ref()).await?;
    if visitor.part {
        return visitor.part(live);
    }
    let title = kind(lang, bay.device.measures);
    let body = html! {
        (heading(&title, &html! {
            @if let Some(person) = &person { a.button href=(person.href()) { (lang.t("back-to-patient")) } }
            a.button href="/bays" { (lang.t("bays-all")) }
        }))
        div.stack {
            @if let Some(words) = asked.refused.as_deref().and_then(|word| refusal_words(lang, word)) {
                (panel(lang, Class::Warning, &words, &html! {}))
            }
            (live)
            @if bay.device.measures == Measures::Ecg { section.card { (web::ecg::live(lang, &format!("/bays/{number}/ecg"))) } }
        }
    };
    let page = Page::new(title.clone(), body);
    let page = match &person {
        Some(person) => page.about(person.banner(&visitor, false)),
        None => page,
    };
    visitor.page(&page).await
}

/// The part that renews itself whenever the bay says something.
async fn now_part(visitor: &Visitor, bay: &BayView, person: Option<&Person>) -> Answer<Markup> {
    let lang = visitor.lang;
    let number = bay.number;
    let patient = person.map(|person| person.id);
    let renew = patient.map_or_else(
        || format!("/bays/{number}"),
        |id| format!("/bays/{number}?patient={id}"),
    );
    let mine = bay
        .session
        .as_ref()
        .is_some_and(|session| Some(session.patient) == patient);
    let other = match bay.session.as_ref().filter(|_| !mine) {
        Some(session) => visitor.state.store.patient_line(session.patient).await?,
        None => None,
    };
    Ok(html! {
        section.card.stack #bay-now hx-get=(renew) hx-trigger={ "live-bay-" (number) " from:body, live-tick from:body" } hx-swap="outerHTML" hx-sync="this:replace" aria-live="polite" {
            div.card-head { h2 { (bay.name) " · " (bay.device.name) } (link_tag(lang, &bay.link)) }
            p.bay-doing { (doing(lang, bay)) }
            @if let Some(words) = hint(lang, bay, mine) { p { (words) } }
            @if let Some(other) = other.as_ref().filter(|_| patient.is_none()) { p { (lang.t("bay-session-of")) " " strong { (other.name) } } }
            @if let Some(other) = other.filter(|_| patient.is_some()) { (panel(lang, Class::Must, &lang.t("bay-other-person"), &html! { p { (opened_by(lang, bay)) " " strong { (other.name) } } })) }
            @if let Some((owner, shown)) = &bay.last { (result(visitor, patient, *owner, shown)) }
            (buttons(visitor, bay, patient, mine))
            noscript { p { a.button href=(renew) { (lang.t("renew")) } } }
        }
    })
}

fn opened_by(lang: Lang, bay: &BayView) -> String {
    match bay.session.as_ref().map(|session| session.opener) {
        Some(Opener::Card { .. }) => lang.t("bay-opened-by-card"),
        Some(Opener::Doctor(_)) | None => lang.t("bay-opened-by-doctor"),
    }
}

/// What to do now.
fn hint(lang: Lang, bay: &BayView, mine: bool) -> Option<String> {
    if !mine || bay.doing != Doing::Idle {
        return None;
    }
    Some(match (bay.device.started_by, bay.device.measures) {
        (StartedBy::Device, _) => lang.t("bay-start-at-device"),
        (StartedBy::Program | StartedBy::Both, Measures::Ecg) => lang.t("bay-start-ecg"),
        (StartedBy::Program | StartedBy::Both, _) => lang.t("bay-start-here"),
    })
}

/// The last result: with the patient only on the page of the one whose it is.
fn result(visitor: &Visitor, patient: Option<PatientId>, owner: Option<PatientId>, shown: &Shown) -> Markup {
    let lang = visitor.lang;
    let numbers = html! { p.values { @for (number, unit) in &shown.numbers { strong.num { (number) } span.unit { (unit_words(lang, unit)) } " " } @if shown.ecg.is_some() { (lang.t("ecg-title")) } } };
    match owner {
        Some(owner) if Some(owner) == patient => {
            let class = if shown.critical { Class::Must } else { Class::Done };
            panel(
                lang,
                class,
                &lang.t("bay-result-saved"),
                &html! {
                    (numbers)
                    p { (word(lang, shown.word)) }
                    p.actions { a.button.button-main href={ "/patients/" (owner) } { (lang.t("back-to-patient")) } }
                },
            )
        }
        Some(_) => html! {},
        None => panel(
            lang,
            Class::Warning,
            &lang.t("bay-result-tray"),
            &html! {
                (numbers)
                p { (lang.t("bay-result-tray-do")) }
                @if visitor.may(Action::ClaimReading) { p.actions { a.button href="/tray" { (Icon::Tray.svg()) (lang.t("nav-tray")) } } }
            },
        ),
    }
}

fn buttons(visitor: &Visitor, bay: &BayView, patient: Option<PatientId>, mine: bool) -> Markup {
    let lang = visitor.lang;
    let press = |act: &str, words: String, class: &str| {
        html! {
            form method="post" action=(if act == "open" { format!("/bays/{}/open", bay.number) } else { format!("/bays/{}/act/{act}", bay.number) }) {
                @if let Some(patient) = patient { input type="hidden" name="patient" value=(patient); }
                button class=(class) type="submit" { (words) }
            }
        }
    };
    let starts = matches!(bay.device.started_by, StartedBy::Program | StartedBy::Both);
    let ecg = bay.device.measures == Measures::Ecg;
    let busy = bay.doing != Doing::Idle;
    html! {
        @if visitor.may(Action::Measure) {
            div.actions {
                @if mine {
                    @if starts && !matches!(bay.doing, Doing::Recording { .. } | Doing::Measuring { .. }) {
                        (press("start", lang.t(if ecg { "bay-record" } else { "bay-start" }), "button button-main"))
                    }
                    @if ecg && bay.doing == Doing::Idle { (press("watch", lang.t("bay-watch"), "button")) }
                    @if starts && busy { (press("stop", lang.t("bay-stop"), "button")) }
                    (press("end", lang.t("bay-end"), "button"))
                } @else if patient.is_some() && bay.device.measures != Measures::IdentityCard {
                    (press("open", lang.t("bay-open-again"), "button button-main"))
                }
            }
        }
    }
}

/// `POST /bays/{number}/act/{act}`.
pub async fn act(
    visitor: Visitor,
    Path((number, act)): Path<(usize, String)>,
    fields: Fields,
) -> Answer<Response> {
    let bays = &visitor.state.bays;
    let session = bays.bay(number).ok_or(Trouble::NotFound)?.session;
    let here = match patient_id(fields.get("patient")) {
        Ok(patient) => format!("/bays/{number}?patient={patient}"),
        Err(_) => format!("/bays/{number}?"),
    };
    // A page that was left open about somebody else starts and ends nothing of the present one.
    let mine = session.is_some_and(|session| session.patient.to_string() == fields.get("patient"));
    if !mine {
        return go_to(&here);
    }
    let done = match act.as_str() {
        "start" => bays.start(number),
        "watch" => bays.watch(number),
        "stop" => bays.stop(number),
        "end" => {
            bays.end(number);
            Ok(())
        }
        _ => return Err(Trouble::NotFound.into()),
    };
    match done {
        Ok(()) => go_to(&here),
        Err(refusal) => go_to(&format!("{here}&refused={}", refusal_word(refusal))),
    }
}

/// `GET /bays/{number}/log`.
pub async fn log(visitor: Visitor, Path(number): Path<usize>) -> Answer {
    let lang = visitor.lang;
    let bay = visitor.state.bays.bay(number).ok_or(Trouble::NotFound)?;
    let lines = visitor.state.store.bay_log(&bay.name, LOG_LINES).await?;
    let title = format!("{} {}", bay.name, lang.t("bay-log"));
    let today = visitor.today();
    let body = html! {
        (heading(&title, &html! { a.button href={ "/bays/" (number) } { (lang.t("form-back")) } }))
        section.card {
            p.quiet { (lang.t("bay-log-about")) }
            @if lines.is_empty() { p.empty { (lang.t("bay-log-none")) } } @else {
                div.scroll tabindex="0" role="group" aria-label=(title) {
                    table.table {
                        thead { tr { th scope="col" { (lang.t("column-time")) } th scope="col" { (lang.t("bay-log-what")) } th scope="col" { (lang.t("bay-log-detail")) } } }
                        tbody { @for line in &lines { tr {
                            td.num { (moments::day_and_clock(lang, line.at, today)) }
                            td { (log_word(lang, &line.word)) }
                            td { (log_word(lang, &line.detail)) }
                        } } }
                    }
                }
            }
        }
    };
    visitor.page(&Page::new(title.clone(), body)).await
}

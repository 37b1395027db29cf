//! The kiosk's pages: one address, one question a screen, large targets. They work without a script: a page then
//! loads itself anew every few seconds.

use std::net::IpAddr;

use axum::Form;
use axum::extract::{Query, State};
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Redirect, Response};
use device_drivers::catalogue::{Measures, StartedBy};
use device_drivers::session::LinkState;
use maud::{Markup, html};
use serde::Deserialize;
use shell::errors::Page;
use web::guard::{Caller, SCREEN_COOKIE, SignedIn};
use web::icons::Icon;
use web::layout::kiosk_page;
use web::texts::Lang;
use web::trouble::Trouble;
use web::vitals::unit_words;

use super::NO_READER;
use super::flow::{Desk, Failure, Press, Step};
use crate::bays::BayView;
use crate::bays::shown::{Shown, Word};
use crate::state::{AppState, Transport};

/// Seconds after which a page without script loads itself anew.
const RELOAD_SECONDS: u32 = 3;

/// The kiosk to which a screen belongs: that of its pairing, else the first one.
fn reader(state: &AppState, caller: &Caller) -> usize {
    let paired = caller
        .screen
        .as_deref()
        .and_then(|token| state.kiosks.screens().reader_of(token));
    paired.unwrap_or_else(|| state.kiosks.first_reader())
}

/// `GET /kiosk`.
pub async fn page(State(state): State<AppState>, caller: Caller, lang: Lang) -> Page<Markup> {
    let reader = reader(&state, &caller);
    let (step, changes, asks) = state.kiosks.screen(reader).ok_or(Trouble::NotFound)?;
    let place = crate::pages::place(&state, lang).await?;
    let body = html! {
        (renewal(changes))
        @if asks.is_some() {
            noscript { (still_there(lang)) }
        }
        (screen(lang, &state, &step, reader))
    };
    let idle = (step != Step::Welcome).then_some("/kiosk/clear");
    Ok(kiosk_page(lang, &place, &title(lang, &step), &body, idle))
}

/// Keeps the screen up to date: by script when something changed, else by loading anew. Touches are told to the
/// box, which has a clock of its own.
fn renewal(changes: u64) -> Markup {
    html! {
        noscript { meta http-equiv="refresh" content=(RELOAD_SECONDS); }
        div hidden hx-get={ "/kiosk/changed?seen=" (changes) } hx-trigger="every 1s" hx-swap="none" {}
        div hidden hx-post="/kiosk/stay" hx-trigger="pointerdown from:body throttle:5s, keydown from:body throttle:5s" hx-swap="none" {}
    }
}

fn still_there(lang: Lang) -> Markup {
    html! {
        section.kiosk-still role="alertdialog" {
            p { (lang.t("kiosk-still-there")) }
            (press_button("stay", "button-go", &lang.t("kiosk-stay")))
        }
    }
}

fn title(lang: Lang, step: &Step) -> String {
    match step {
        Step::Welcome => lang.t("kiosk-welcome"),
        Step::Reading => lang.t("kiosk-reading-card"),
        Step::AskDoctor(_) => lang.t("kiosk-ask-doctor"),
        Step::Confirm(_) => lang.t("kiosk-confirm-title"),
        Step::Choose(_) => lang.t("kiosk-choose"),
        Step::Measure { .. } => lang.t("kiosk-measuring"),
        Step::Result { .. } => lang.t("kiosk-result"),
        Step::Handed { .. } => lang.t("kiosk-handed"),
        Step::Failed { .. } => lang.t("kiosk-failed"),
    }
}

fn screen(lang: Lang, state: &AppState, step: &Step, reader: usize) -> Markup {
    match step {
        Step::Welcome => welcome(lang, state, reader),
        Step::Reading => html! { (picture(Icon::Card)) h1 { (lang.t("kiosk-reading-card")) } },
        Step::AskDoctor(desk) => ask_doctor(lang, *desk),
        Step::Confirm(guest) => html! {
            (picture(Icon::Person))
            h1 { (lang.t_with("kiosk-confirm", &[("name", &guest.masked_name)])) }
            (choices(&html! {
                (press_button("yes", "button-go", &lang.t("kiosk-yes")))
                (press_button("leave", "button-back", &lang.t("kiosk-no")))
            }))
        },
        Step::Choose(_) => choose(lang, &state.kiosks.offers()),
        Step::Measure { bay, started, .. } => measure(lang, state.bays.bay(*bay).as_ref(), *started),
        Step::Result { shown, .. } => result(lang, shown),
        Step::Handed { .. } => html! {
            (picture(Icon::Tray))
            h1 { (lang.t("kiosk-handed")) }
            p.kiosk-sentence { (lang.t("kiosk-handed-do")) }
            (again(lang))
        },
        Step::Failed { failure, .. } => failed(lang, *failure),
    }
}

fn picture(icon: Icon) -> Markup {
    html! { div.kiosk-picture aria-hidden="true" { (icon.svg()) } }
}

fn choices(buttons: &Markup) -> Markup {
    html! { div.kiosk-choices { (buttons) } }
}

fn press_button(press: &str, class: &str, words: &str) -> Markup {
    html! {
        form method="post" action="/kiosk/press" {
            button class={ "button " (class) } type="submit" name="press" value=(press) { (words) }
        }
    }
}

fn again(lang: Lang) -> Markup {
    choices(&html! {
        (press_button("again", "button-go", &lang.t("kiosk-again")))
        (press_button("leave", "button-back", &lang.t("kiosk-done")))
    })
}

fn welcome(lang: Lang, state: &AppState, reader: usize) -> Markup {
    let link = state.bays.bay(reader).map(|bay| bay.link);
    let ready = matches!(link, Some(LinkState::Connected));
    html! {
        div.kiosk-picture.kiosk-card-here aria-hidden="true" { (Icon::Card.svg()) }
        @if reader == NO_READER {
            h1 { (lang.t("kiosk-no-reader")) }
        } @else if ready {
            h1 { (lang.t("kiosk-welcome")) }
            p.kiosk-sentence { (lang.t("kiosk-welcome-do")) }
        } @else {
            h1 { (lang.t("kiosk-reader-gone")) }
        }
        (web::layout::language_switch(lang, "/kiosk"))
    }
}

fn ask_doctor(lang: Lang, desk: Desk) -> Markup {
    let sentence = match desk {
        Desk::NotRegistered => lang.t("kiosk-not-registered"),
        Desk::Unclear => lang.t("kiosk-unclear"),
        Desk::UnreadableCard => lang.t("kiosk-unreadable"),
        Desk::CannotSave => lang.t("kiosk-cannot-save"),
    };
    html! {
        (picture(Icon::Person))
        h1 { (lang.t("kiosk-ask-doctor")) }
        p.kiosk-sentence { (sentence) }
        (choices(&press_button("leave", "button-go", &lang.t("kiosk-understood"))))
    }
}

fn choose(lang: Lang, bays: &[BayView]) -> Markup {
    html! {
        h1 { (lang.t("kiosk-choose")) }
        (choices(&html! {
            @for bay in bays {
                @let ready = matches!(bay.link, LinkState::Connected | LinkState::Silent { .. });
                form method="post" action="/kiosk/press" {
                    button.button.button-go type="submit" name="press" value={ "bay-" (bay.number) } disabled[!ready] {
                        (icon_of(bay.device.measures).svg())
                        span { (what(lang, bay.device.measures)) }
                        span.kiosk-bay { (bay.name) }
                    }
                }
            }
            (press_button("leave", "button-back", &lang.t("kiosk-leave")))
        }))
    }
}

fn icon_of(measures: Measures) -> Icon {
    match measures {
        Measures::BloodPressure => Icon::Heart,
        Measures::Ecg => Icon::Trace,
        Measures::IdentityCard => Icon::Card,
        Measures::SurfaceTemperature => Icon::Device,
    }
}

fn what(lang: Lang, measures: Measures) -> String {
    match measures {
        Measures::BloodPressure => lang.t("kiosk-blood-pressure"),
        Measures::Ecg => lang.t("kiosk-ecg"),
        Measures::IdentityCard => lang.t("kiosk-card"),
        Measures::SurfaceTemperature => lang.t("kiosk-temperature"),
    }
}

fn measure(lang: Lang, bay: Option<&BayView>, started: bool) -> Markup {
    let measures = bay.map_or(Measures::BloodPressure, |bay| bay.device.measures);
    let started_here = bay.is_some_and(|bay| bay.device.started_by != StartedBy::Device);
    let (first, second) = match measures {
        Measures::BloodPressure | Measures::IdentityCard => {
            let first = if started_here {
                lang.t("kiosk-measure-bp-here")
            } else {
                lang.t("kiosk-measure-bp")
            };
            (first, lang.t("kiosk-measure-bp-still"))
        }
        Measures::Ecg => (lang.t("kiosk-measure-ecg"), lang.t("kiosk-measure-ecg-still")),
        Measures::SurfaceTemperature => (lang.t("kiosk-measure-temperature"), lang.t("kiosk-measure-still")),
    };
    html! {
        div.kiosk-picture.kiosk-breathing aria-hidden="true" { (icon_of(measures).svg()) }
        h1 { (second) }
        p.kiosk-sentence { (first) }
        @if let Some(bay) = bay { p.kiosk-bay { (bay.name) } }
        (choices(&html! {
            @if started_here && !started { (press_button("start", "button-go", &lang.t("kiosk-start"))) }
            (press_button("other", "button-back", &lang.t("kiosk-stop")))
        }))
    }
}

/// The result: numbers large, a word and a shape; never what it might mean.
fn result(lang: Lang, shown: &Shown) -> Markup {
    let (shape, class, word) = match shown.word {
        Word::Normal => ("●", "kiosk-word word-normal", lang.t("kiosk-word-normal")),
        Word::High => ("▲", "kiosk-word word-high", lang.t("kiosk-word-high")),
        Word::Low => ("▼", "kiosk-word word-low", lang.t("kiosk-word-low")),
        Word::SeeDoctor => ("◆", "kiosk-word word-doctor", lang.t("kiosk-word-doctor")),
        Word::Recorded => ("✓", "kiosk-word word-normal", lang.t("kiosk-word-recorded")),
    };
    html! {
        h1 { (lang.t("kiosk-result")) }
        @for (value, unit) in &shown.numbers {
            p.kiosk-value { strong { (value) } " " span.unit { (unit_words(lang, unit)) } }
        }
        p class=(class) { span aria-hidden="true" { (shape) } " " (word) }
        p.kiosk-sentence { (lang.t("kiosk-take-card")) }
        (again(lang))
    }
}

fn failed(lang: Lang, failure: Failure) -> Markup {
    let sentence = match failure {
        Failure::NoResult => lang.t("kiosk-no-result"),
        Failure::OutOfRange => lang.t("kiosk-out-of-range"),
        Failure::DeviceGone => lang.t("kiosk-device-gone"),
    };
    html! {
        (picture(Icon::Device))
        h1 { (lang.t("kiosk-failed")) }
        p.kiosk-sentence { (sentence) }
        (again(lang))
    }
}

/// What the page had seen.
#[derive(Debug, Deserialize)]
pub struct Seen {
    /// Number of changes of the screen that it shows.
    seen: u64,
}

/// `GET /kiosk/changed`: nothing, or the order to load the page anew.
pub async fn changed(State(state): State<AppState>, caller: Caller, Query(seen): Query<Seen>) -> Response {
    let now = state
        .kiosks
        .screen(reader(&state, &caller))
        .map(|(_, changes, _)| changes);
    if now == Some(seen.seen) {
        return StatusCode::NO_CONTENT.into_response();
    }
    let mut response = StatusCode::OK.into_response();
    response
        .headers_mut()
        .insert("hx-refresh", HeaderValue::from_static("true"));
    response
}

/// A button of the kiosk.
#[derive(Debug, Deserialize)]
pub struct Pressed {
    /// Its word: `yes`, `leave`, `start`, `again`, `other`, `stay`, or `bay-` and a number.
    press: String,
}

fn press_of(word: &str) -> Option<Press> {
    match word {
        "yes" => Some(Press::Yes),
        "leave" => Some(Press::Leave),
        "start" => Some(Press::Start),
        "again" => Some(Press::Again),
        "other" => Some(Press::Other),
        "stay" => Some(Press::Stay),
        _ => word
            .strip_prefix("bay-")
            .and_then(|number| number.parse().ok())
            .map(Press::Bay),
    }
}

/// `POST /kiosk/press`.
pub async fn press(State(state): State<AppState>, caller: Caller, Form(pressed): Form<Pressed>) -> Page {
    slow_down(&state, caller.peer)?;
    let press = press_of(&pressed.press).ok_or(Trouble::Unreadable)?;
    let known = |number| state.kiosks.offers().iter().any(|bay| bay.number == number);
    if let Press::Bay(number) = press
        && !known(number)
    {
        return Err(Trouble::NotFound.into());
    }
    state.kiosks.press(reader(&state, &caller), press).await;
    Ok(Redirect::to("/kiosk").into_response())
}

/// `POST /kiosk/stay`: a touch somewhere on the screen.
pub async fn stay(State(state): State<AppState>, caller: Caller) -> StatusCode {
    state.kiosks.press(reader(&state, &caller), Press::Stay).await;
    StatusCode::NO_CONTENT
}

/// `POST /kiosk/clear`: the page's own clock found nobody there.
pub async fn clear(State(state): State<AppState>, caller: Caller) -> Response {
    state.kiosks.press(reader(&state, &caller), Press::Leave).await;
    Redirect::to("/kiosk").into_response()
}

/// `POST /kiosk/call`: the red button.
pub async fn call(State(state): State<AppState>, caller: Caller, lang: Lang) -> Page<Markup> {
    slow_down(&state, caller.peer)?;
    state.kiosks.call(reader(&state, &caller));
    let place = crate::pages::place(&state, lang).await?;
    let body = html! {
        (picture(Icon::Bell))
        h1 { (lang.t("kiosk-called")) }
        p.kiosk-sentence { (lang.t("kiosk-called-do")) }
        div.kiosk-choices { a.button.button-go href="/kiosk" { (lang.t("kiosk-understood")) } }
        noscript { meta http-equiv="refresh" content="20; url=/kiosk"; }
    };
    Ok(kiosk_page(
        lang,
        &place,
        &lang.t("kiosk-called"),
        &body,
        Some("/kiosk/clear"),
    ))
}

fn slow_down(state: &AppState, peer: Option<IpAddr>) -> Result<(), Trouble> {
    let checked = state.limits.kiosk.check(&peer, state.clock.uptime());
    checked.map_err(|refused| Trouble::TooMany {
        wait: refused.wait.as_secs().max(1),
    })
}

/// Which reader stands beside the screen.
#[derive(Debug, Deserialize)]
pub struct Pairing {
    /// Number of the reader's bay.
    reader: usize,
}

/// `POST /kiosk/pair`: makes the browser that asks a kiosk screen and signs the person out of it.
pub async fn pair(
    State(state): State<AppState>,
    person: SignedIn,
    transport: Transport,
    Form(pairing): Form<Pairing>,
) -> Page {
    let at = state.clock.now().at;
    let token = state
        .kiosks
        .screens()
        .pair(&state.store, pairing.reader, at)
        .await?;
    state.store.end_session(&person.token).await?;
    let secure = if transport == Transport::Lan {
        "; Secure"
    } else {
        ""
    };
    // A screen stays paired until it is forgotten at the box: ten years.
    let cookie =
        format!("{SCREEN_COOKIE}={token}; Path=/; HttpOnly; SameSite=Lax; Max-Age=315360000{secure}");
    let mut response = Redirect::to("/kiosk").into_response();
    let cookie = HeaderValue::try_from(cookie).map_err(|error| Trouble::broken(&error))?;
    response.headers_mut().append(header::SET_COOKIE, cookie);
    response
        .headers_mut()
        .append(header::SET_COOKIE, web::cookies::end_session());
    Ok(response)
}

/// `POST /kiosk/forget`: no paired screen is a kiosk any more.
pub async fn forget(State(state): State<AppState>) -> Page {
    state.kiosks.screens().forget_all(&state.store).await?;
    Ok(Redirect::to("/bays").into_response())
}

#[cfg(test)]
mod tests {
    use records::ids::BlobId;
    use records::units::Bpm;

    use super::*;

    #[test]
    fn buttons_are_known_words() {
        assert_eq!(press_of("bay-3"), Some(Press::Bay(3)));
        assert_eq!(press_of("stay"), Some(Press::Stay));
        for word in ["", "bay-", "bay--1", "bay-x", "YES"] {
            assert_eq!(press_of(word), None, "{word}");
        }
    }

    #[test]
    fn a_rate_has_its_unit_in_the_reader_s_language() {
        let shown = Shown::ecg(BlobId([0; 32]), Bpm::new(72).ok(), None);
        let drawn = |lang| result(lang, &shown).into_string();
        assert!(drawn(Lang::Zh).contains("次/分") && !drawn(Lang::Zh).contains("/min"));
        assert!(drawn(Lang::En).contains("/min") && !drawn(Lang::En).contains("次/分"));
    }
}

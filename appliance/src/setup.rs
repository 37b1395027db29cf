//! Setting up a tablet: join the box's Wi-Fi, install its certificate once, see green on the check page.
//!
//! The pages stand on the box's ordinary listeners under `/setup`, and alone on a listener of their own over
//! plain HTTP, since a tablet without the certificate can open nothing else.

pub mod probes;
pub mod words;

use std::net::IpAddr;

use axum::extract::{Request, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Redirect, Response};
use axum::routing::{get, post};
use axum::{Form, Router};
use maud::{Markup, html};
use records::time::{ClockSource, WallTime};
use serde::Deserialize;
use web::guard::Caller;
use web::icons::Icon;
use web::layout::{Screen, bare_page, heading, language_switch};
use web::texts::Lang;

use crate::config::CardConfig;
use crate::state::{AppState, Transport};

/// What the pages need to know about the box's own network.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Lan {
    /// The box's own CA certificate (DER).
    pub ca: Vec<u8>,
    /// Its fingerprint in words.
    pub words: [String; 4],
    /// Address (`https://NAME` or `https://NAME:PORT`) under which tablets reach the box.
    pub address: String,
    /// http://ADDRESS of the set-up page, where it is served.
    pub setup_address: Option<String>,
}

/// The radio network that the card's row names.
#[derive(Clone, PartialEq, Eq)]
pub struct Radio {
    /// Its name.
    pub name: String,
    /// Its password.
    pub password: String,
}

impl std::fmt::Debug for Radio {
    /// Never shows the password.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Radio({})", self.name)
    }
}

impl Radio {
    /// Reads it off the card; a card whose row is not believed has none.
    pub(crate) async fn of(card: CardConfig) -> Option<Self> {
        let read = tokio::task::spawn_blocking(move || crate::card_identity::read(&card)).await;
        match read {
            Ok(Ok((identity, _))) => Some(Self {
                name: identity.wifi_name,
                password: identity.wifi_password,
            }),
            Ok(Err(fault)) => {
                tracing::info!(%fault, "the card names no radio network");
                None
            }
            Err(_) => None,
        }
    }
}

/// Name of the radio network, and its password where this caller may see it. The page asks nobody who he is, so the card's
/// password is shown only to who has it already, to be scanned by the next tablet: over that very network, or on the
/// box's own screen. What stands in the settings was put there to be shown.
fn radio(state: &AppState, caller: &Caller) -> Option<(String, Option<String>)> {
    let config = &state.lan_config;
    if let Some(name) = &config.wifi_name {
        return Some((
            name.clone(),
            Some(config.wifi_password.clone().unwrap_or_default()),
        ));
    }
    let Radio { name, password } = state.radio.as_ref().clone()?;
    let is_near = caller.peer.is_some_and(|peer| {
        peer.is_loopback() || config.addresses.iter().any(|own| are_neighbours(*own, peer))
    });
    Some((name, is_near.then_some(password)))
}

/// Whether two addresses are of one small network (24 bits), as the radio's is.
fn are_neighbours(one: IpAddr, other: IpAddr) -> bool {
    matches!((one, other), (IpAddr::V4(one), IpAddr::V4(other)) if one.octets()[..3] == other.octets()[..3])
}

/// Makers' ways to the place where a certificate is installed.
const MAKERS: [&str; 5] = ["huawei", "xiaomi", "oppo", "vivo", "ipad"];

/// The set-up page's own listener: plain HTTP on the local network, nothing else on it.
pub fn router(state: AppState) -> Router {
    Router::new()
        .route("/", get(page))
        .route("/setup", get(page))
        .route("/setup/ca.crt", get(certificate))
        .route("/setup/clock", post(offer_clock))
        .route("/language", post(choose_language))
        .route("/ping", get(|| async { StatusCode::NO_CONTENT }))
        .merge(web::assets::router())
        .fallback(elsewhere)
        .with_state(state)
}

/// A language that was chosen.
#[derive(Debug, Deserialize)]
pub struct LanguageChoice {
    to: String,
}

/// `POST /language` of pages that nobody has signed in to: keeps the choice, and goes to the first of them.
pub async fn choose_language(Form(choice): Form<LanguageChoice>) -> Response {
    let mut response = Redirect::to("/").into_response();
    if let Some(line) = Lang::from_code(&choice.to).and_then(web::cookies::keep_lang) {
        response.headers_mut().append(header::SET_COOKIE, line);
    }
    response
}

/// Any other address: a probe of the tablet's system, or somebody who shall see the set-up page.
async fn elsewhere(State(state): State<AppState>, request: Request) -> Response {
    let host = request
        .headers()
        .get(header::HOST)
        .and_then(|host| host.to_str().ok())
        .unwrap_or_default();
    if let Some(answer) = probes::answer(host, request.uri().path(), &state.lan_config.probe_hosts) {
        return answer;
    }
    let target = state
        .lan
        .as_ref()
        .as_ref()
        .and_then(|lan| lan.setup_address.clone());
    Redirect::temporary(target.as_deref().unwrap_or("/")).into_response()
}

/// `GET /setup`: the steps with their QR codes.
pub async fn page(State(state): State<AppState>, caller: Caller, lang: Lang) -> Markup {
    let title = lang.t("setup-title");
    let steps = match state.lan.as_ref() {
        Some(lan) => steps(lang, lan, radio(&state, &caller)),
        None => html! { p.lead { (lang.t("setup-no-lan")) } },
    };
    let body = html! {
        (heading(&title, &language_switch(lang, "/setup")))
        (steps)
    };
    bare_page(lang, Screen::Tablet, &title, false, &body)
}

fn steps(lang: Lang, lan: &Lan, radio: Option<(String, Option<String>)>) -> Markup {
    html! {
        p.lead { (lang.t("setup-lead")) }
        ol.steps {
            @if let Some((name, password)) = &radio {
                li.step {
                    h2 { (lang.t("setup-wifi")) }
                    @if let Some(password) = password {
                        p { (lang.t_with("setup-wifi-do", &[("name", name)])) }
                        (qr(&web::qr::wifi(name, password), &lang.t("setup-wifi")))
                    } @else {
                        p { (lang.t_with("setup-wifi-label", &[("name", name)])) }
                    }
                }
            }
            @if let Some(address) = &lan.setup_address {
                li.step {
                    h2 { (lang.t("setup-open")) }
                    p { (lang.t("setup-open-do")) " " strong.address { (address) } }
                    (qr(address, &lang.t("setup-open")))
                }
            }
            li.step {
                h2 { (lang.t("setup-install")) }
                p { (lang.t("setup-install-do")) }
                p { a.button.button-main href="/setup/ca.crt" download="clinic-box.crt" { (Icon::Download.svg()) (lang.t("setup-download")) } }
                p { (lang.t("setup-words")) " " strong.box-words { (lan.words.join(" ")) } }
                @for maker in MAKERS {
                    details { summary { (maker_name(lang, maker)) } p { (maker_way(lang, maker)) } }
                }
            }
            li.step {
                h2 { (lang.t("setup-check")) }
                p { (lang.t("setup-check-do")) " " strong.address { (lan.address) } }
                p { a.button.button-main href={ (lan.address) "/setup/check" } { (Icon::Check.svg()) (lang.t("setup-check-open")) } }
                (qr(&format!("{}/setup/check", lan.address), &lang.t("setup-check")))
            }
        }
        offer-clock action="/setup/clock" {}
    }
}

fn qr(text: &str, label: &str) -> Markup {
    web::qr::code(text, label).unwrap_or_else(|_| html! {})
}

fn maker_name(lang: Lang, maker: &str) -> String {
    match maker {
        "huawei" => lang.t("setup-maker-huawei"),
        "xiaomi" => lang.t("setup-maker-xiaomi"),
        "oppo" => lang.t("setup-maker-oppo"),
        "vivo" => lang.t("setup-maker-vivo"),
        _ => lang.t("setup-maker-ipad"),
    }
}

fn maker_way(lang: Lang, maker: &str) -> String {
    match maker {
        "huawei" => lang.t("setup-way-huawei"),
        "xiaomi" => lang.t("setup-way-xiaomi"),
        "oppo" => lang.t("setup-way-oppo"),
        "vivo" => lang.t("setup-way-vivo"),
        _ => lang.t("setup-way-ipad"),
    }
}

/// `GET /setup/ca.crt`: the box's own CA certificate, in the form that Android and iPads install.
pub async fn certificate(State(state): State<AppState>) -> Response {
    let Some(lan) = state.lan.as_ref() else {
        return StatusCode::NOT_FOUND.into_response();
    };
    let headers = [
        (header::CONTENT_TYPE, "application/x-x509-ca-cert"),
        (
            header::CONTENT_DISPOSITION,
            "attachment; filename=\"clinic-box.crt\"",
        ),
    ];
    (headers, lan.ca.clone()).into_response()
}

/// `GET /setup/check`: green only where the page came over HTTPS that the tablet really trusts. A certificate
/// whose warning was clicked away lets pages through but no service worker; so the page registers one.
pub async fn check(State(state): State<AppState>, transport: Transport, lang: Lang) -> Markup {
    let title = lang.t("setup-check");
    let words = state.lan.as_ref().as_ref().map(|lan| lan.words.join(" "));
    let body = html! {
        (heading(&title, &language_switch(lang, "/setup/check")))
        @if transport == Transport::Lan {
            trust-check worker="/setup/worker.js" scope="/setup/check" good=(lang.t("setup-trusted")) bad=(lang.t("setup-untrusted")) {
                p.trust.trust-open role="status" { span.trust-shape aria-hidden="true" { "▲" } " " span.trust-words { (lang.t("setup-checking")) } }
                noscript { p { (lang.t("setup-check-script")) } }
            }
        } @else {
            p.trust.trust-bad role="status" { span.trust-shape aria-hidden="true" { "■" } " " (lang.t("setup-not-https")) }
        }
        @if let Some(words) = words {
            p { (lang.t("setup-words-compare")) }
            p.box-words { strong { (words) } }
        }
        p.actions { a.button href="/" { (lang.t("trouble-home")) } }
    };
    bare_page(lang, Screen::Tablet, &title, false, &body)
}

/// `GET /setup/worker.js`: a service worker that does nothing; that it can be registered is the proof.
pub async fn worker() -> Response {
    let headers = [
        (header::CONTENT_TYPE, "text/javascript"),
        (header::CACHE_CONTROL, "no-store"),
    ];
    (
        headers,
        "\"use strict\";\nself.addEventListener(\"install\", () => self.skipWaiting());\n",
    )
        .into_response()
}

/// A tablet's own time.
#[derive(Debug, Deserialize)]
pub struct TabletClock {
    /// Milliseconds since 1970.
    at: i64,
}

/// `POST /setup/clock`: a tablet offers its time. Taken only while the box knows none: whoever is on the Wi-Fi
/// can send it.
pub async fn offer_clock(State(state): State<AppState>, Form(tablet): Form<TabletClock>) -> StatusCode {
    if store::Clock::now(state.clock.as_ref()).source == ClockSource::None {
        state.offer_time(WallTime(tablet.at), ClockSource::Tablet).await;
    }
    StatusCode::NO_CONTENT
}

/// Whether a request's host is the box itself, by one of the names under which it may be asked over plain HTTP.
/// A page elsewhere whose name is made to point at this machine comes with its own name.
pub fn is_loopback_host(headers: &HeaderMap) -> bool {
    let Some(host) = headers.get(header::HOST).and_then(|host| host.to_str().ok()) else {
        return false;
    };
    let name = match host.strip_prefix('[') {
        Some(rest) => rest.split(']').next().unwrap_or_default(),
        None => host.split(':').next().unwrap_or_default(),
    };
    let address: Option<std::net::IpAddr> = name.parse().ok();
    name.eq_ignore_ascii_case("localhost")
        || name.to_ascii_lowercase().ends_with(".localhost")
        || address.is_some_and(|address| address.is_loopback())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_names_of_this_machine_are_loopback() {
        let of = |host: &str| {
            let mut headers = HeaderMap::new();
            headers.insert(header::HOST, host.parse().unwrap());
            is_loopback_host(&headers)
        };
        for host in [
            "localhost",
            "LOCALHOST:8080",
            "127.0.0.1:8080",
            "[::1]:8080",
            "box.localhost:1",
        ] {
            assert!(of(host), "{host}");
        }
        for host in [
            "evil.example",
            "localhost.evil.example",
            "192.168.8.1",
            "[::2]:80",
            "",
        ] {
            assert!(!of(host), "{host}");
        }
        assert!(!is_loopback_host(&HeaderMap::new()));
    }
}

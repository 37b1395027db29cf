//! The page behind the status light: what waits, since when, why, and what is tried next. Stored facts only.

use axum::extract::State;
use axum::response::{IntoResponse, Response};
use maud::{Markup, html};
use records::staff::Action;
use records::time::{ClockSource, WallTime};
use web::layout::{Page, heading};
use web::moments;
use web::status::{Level, StateRow, states};
use web::texts::Lang;

use crate::bays::link_word;
use crate::errors::Page as Answer;
use crate::pages::visitor::{Visitor, go_to};
use crate::state::AppState;

/// `GET /light`: the light alone, which renews itself.
pub async fn light(State(state): State<AppState>, lang: Lang) -> Answer {
    Ok(state
        .light()
        .await?
        .slot(lang, "/status", Some("/light"))
        .into_response())
}

/// `GET /status`.
pub async fn page(visitor: Visitor) -> Answer {
    let lang = visitor.lang;
    let facts = facts(&visitor).await?;
    if visitor.part {
        return visitor.part(facts);
    }
    let title = lang.t("more-status");
    let body = html! { (heading(&title, &actions(&visitor))) (facts) };
    visitor.page(&Page::new(title.clone(), body)).await
}

fn actions(visitor: &Visitor) -> Markup {
    let lang = visitor.lang;
    html! {
        @if visitor.may(Action::ManageLink) {
            form method="post" action="/status/try" { button.button type="submit" { (lang.t("status-try")) } }
        }
    }
}

/// `POST /status/try`: asks the link to try at once.
pub async fn try_now(visitor: Visitor) -> Answer<Response> {
    visitor.state.link.try_now();
    go_to("/status")
}

async fn facts(visitor: &Visitor) -> Answer<Markup> {
    let lang = visitor.lang;
    let alarms = visitor.state.store.alarms().await?;
    let light = visitor.state.light().await?.words(lang);
    Ok(html! {
        div.columns #facts hx-get="/status" hx-trigger="live-sync from:body, live-tick from:body" hx-swap="outerHTML" {
            div.stack {
                section.card { h2 { (lang.t("status-link")) } p.lead { (light) } }
            }
            div.stack {
                section.card { h2 { (lang.t("status-attention")) } (states(&attention(visitor, &alarms))) }
                section.card { h2 { (lang.t("status-box")) } (states(&box_rows(visitor))) }
            }
        }
    })
}

fn at(visitor: &Visitor, at: Option<WallTime>) -> String {
    at.map_or_else(
        || visitor.t("status-never"),
        |at| moments::day_and_clock(visitor.lang, at, visitor.today()),
    )
}

fn row(level: Level, title: String, words: String) -> StateRow {
    StateRow {
        level,
        title,
        words,
        action: None,
    }
}

fn attention(visitor: &Visitor, alarms: &[store::Alarm]) -> Vec<StateRow> {
    let lang = visitor.lang;
    let mut rows: Vec<StateRow> = alarms
        .iter()
        .map(|alarm| {
            row(
                Level::Bad,
                alarm_words(lang, &alarm.kind),
                format!("{} · {}", at(visitor, Some(alarm.at)), alarm.text),
            )
        })
        .collect();
    for call in visitor.state.live.calls() {
        rows.push(row(
            Level::Bad,
            lang.t("status-call"),
            format!("{} {}", call.place, moments::clock(call.at.at)),
        ));
    }
    if rows.is_empty() {
        rows.push(row(
            Level::Good,
            lang.t("status-attention"),
            lang.t("status-nothing"),
        ));
    }
    rows
}

fn alarm_words(lang: Lang, kind: &str) -> String {
    match kind {
        "damaged" => lang.t("alarm-damaged"),
        "disk_full" => lang.t("alarm-disk-full"),
        "read_only" => lang.t("alarm-read-only"),
        "clone" => lang.t("alarm-clone"),
        "parked" => lang.t("alarm-parked"),
        "certificate" => lang.t("alarm-certificate"),
        other => lang.t_with("alarm-other", &[("word", other)]),
    }
}

fn box_rows(visitor: &Visitor) -> Vec<StateRow> {
    let lang = visitor.lang;
    let now = visitor.now();
    let clock = match now.source {
        ClockSource::None => row(Level::Bad, lang.t("status-clock"), lang.t("clock-none")),
        ClockSource::Tablet => row(Level::Known, lang.t("status-clock"), lang.t("clock-tablet")),
        ClockSource::Hub => row(Level::Good, lang.t("status-clock"), lang.t("clock-hub")),
        ClockSource::Network => row(Level::Good, lang.t("status-clock"), lang.t("clock-network")),
    };
    let mut rows = vec![clock];
    for bay in visitor.state.bays.list() {
        let level = match link_word(&bay.link) {
            "connected" => Level::Good,
            "silent" => Level::Known,
            _ => Level::Bad,
        };
        let words = crate::pages::bays::link_words(lang, &bay.link);
        rows.push(row(
            level,
            bay.name.clone(),
            format!("{} · {words}", bay.device.name),
        ));
    }
    rows
}

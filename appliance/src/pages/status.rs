//! The page behind the status light: what waits, since when, why, and what is tried next. Stored facts only.

use std::sync::atomic::Ordering;

use axum::extract::State;
use axum::response::{IntoResponse, Response};
use card::protection::Source;
use maud::{Markup, html};
use records::staff::Action;
use records::time::{ClockSource, WallTime};
use shell::alarms;
use shell::errors::Page as Answer;
use shell::keeping::{backup_row, last_backup};
use shell::storage::{Room, room_row};
use store::{AlarmKind, Cause, Lane, LinkStatus};
use web::layout::{Page, heading};
use web::moments;
use web::status::{Level, StateRow, states};
use web::texts::Lang;

use crate::bays::link_word;
use crate::opener::protocol::{Answer as Said, Request, Standing};
use crate::pages::bays::words::link_words;
use crate::pages::systems;
use crate::pages::visitor::{Visitor, go_to};
use crate::protection::Protected;
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
    let actions = html! {
        @if visitor.may(Action::ManageLink) {
            form method="post" action="/status/try" { button.button type="submit" { (lang.t("status-try")) } }
        }
    };
    let body = html! { (heading(&title, &actions)) (facts) };
    visitor.page(&Page::new(title.clone(), body)).await
}

/// `POST /status/try`: asks the link to try at once.
pub async fn try_now(visitor: Visitor) -> Answer<Response> {
    visitor.state.link.try_now();
    go_to("/status")
}

async fn facts(visitor: &Visitor) -> Answer<Markup> {
    let lang = visitor.lang;
    let store = &visitor.state.store;
    let link = store.link_status().await?;
    let hub = store.enrolment().await?.map(|enrolment| enrolment.hub_url);
    let backup = backup(visitor, last_backup(store).await?);
    let (asks, stands) = match backup.level {
        Level::Good => (None, Some(backup)),
        Level::Known | Level::Bad => (Some(backup), None),
    };
    let attention = attention(visitor, &link, asks).await?;
    let card = visitor.state.card.as_ref().clone();
    let systems = crate::systems::of(card).await;
    let opened_by = opened_by(visitor).await;
    Ok(html! {
        div.columns #facts hx-get="/status" hx-trigger="live-sync from:body, live-tick from:body" hx-swap="outerHTML" hx-sync="this:replace" {
            div.stack {
                section.card { h2 { (lang.t("status-link")) } (states(&link_rows(visitor, &link, hub))) }
                section.card { h2 { (lang.t("status-queue")) } (queue(visitor, &link)) }
                section.card { h2 { (lang.t("systems-title")) } (states(&systems::rows(lang, &systems)))
                    @if visitor.may(crate::pages::update::MAY) && visitor.state.card.is_some() {
                        p { a.button href="/update" { (lang.t("update-title")) } }
                    }
                }
            }
            div.stack {
                section.card { h2 { (lang.t("status-attention")) } (states(&attention)) }
                section.card { h2 { (lang.t("status-box")) } (states(&box_rows(visitor, opened_by.as_ref(), stands))) }
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
    StateRow::new(level, title, words)
}

fn link_rows(visitor: &Visitor, link: &LinkStatus, hub: Option<String>) -> Vec<StateRow> {
    let lang = visitor.lang;
    let Some(hub) = hub else {
        let mut alone = row(Level::Known, lang.t("status-hub"), lang.t("status-not-joined"));
        let joins = visitor.may(Action::ManageLink);
        alone.action = joins.then(|| html! { a.button href="/start/hub" { (lang.t("start-hub-join")) } });
        return vec![alone];
    };
    let state = match link.cause {
        Some(cause) => row(Level::Known, lang.t("status-cause"), cause_words(lang, cause)),
        None if link.connected => row(Level::Good, lang.t("status-cause"), lang.t("status-connected")),
        None => row(Level::Known, lang.t("status-cause"), lang.t("status-connecting")),
    };
    let mut rows = vec![row(Level::Good, lang.t("status-hub"), hub), state];
    rows.push(row(
        Level::Good,
        lang.t("status-last-contact"),
        at(visitor, link.last_contact),
    ));
    if link.next_try.is_some() {
        rows.push(row(
            Level::Known,
            lang.t("status-next-try"),
            at(visitor, link.next_try),
        ));
    }
    rows
}

/// Why the last try failed, in words.
fn cause_words(lang: Lang, cause: Cause) -> String {
    match cause {
        Cause::Unreachable => lang.t("cause-unreachable"),
        Cause::Silent => lang.t("cause-silent"),
        Cause::LoginPage => lang.t("cause-login-page"),
        Cause::NotThisHub => lang.t("cause-not-this-hub"),
        Cause::Unknown => lang.t("cause-unknown"),
        Cause::Revoked => lang.t("cause-revoked"),
        Cause::Version => lang.t("cause-version"),
        Cause::Cut => lang.t("cause-cut"),
        Cause::HubFault => lang.t("cause-hub-fault"),
        Cause::OwnStore => lang.t("cause-own-store"),
        Cause::Malformed => lang.t("cause-malformed"),
        Cause::NotJoined => lang.t("status-not-joined"),
    }
}

fn queue(visitor: &Visitor, link: &LinkStatus) -> Markup {
    let lang = visitor.lang;
    html! {
        div.scroll {
            table.table {
                thead { tr {
                    th scope="col" { (lang.t("queue-lane")) }
                    th.num scope="col" { (lang.t("queue-items")) }
                    th.num scope="col" { (lang.t("queue-bytes")) }
                    th scope="col" { (lang.t("queue-oldest")) }
                } }
                tbody { @for (lane, waiting) in Lane::ALL.into_iter().zip(&link.queue) {
                    tr {
                        th scope="row" { (lane_words(lang, lane)) }
                        td.num { (waiting.items) }
                        td.num { (kilobytes(waiting.bytes)) }
                        td { @match waiting.oldest {
                            Some(oldest) => (moments::day_and_clock(lang, oldest, visitor.today())),
                            None => "—",
                        } }
                    }
                } }
            }
        }
        p.quiet { (lang.t("queue-about")) }
    }
}

fn lane_words(lang: Lang, lane: Lane) -> String {
    match lane {
        Lane::P0 => lang.t("lane-p0"),
        Lane::P1 => lang.t("lane-p1"),
        Lane::P2 => lang.t("lane-p2"),
        Lane::P3 => lang.t("lane-p3"),
        Lane::P4 => lang.t("lane-p4"),
    }
}

/// Bytes as kilobytes with one decimal.
fn kilobytes(bytes: u64) -> String {
    format!("{}.{} kB", bytes / 1000, bytes % 1000 / 100)
}

async fn attention(visitor: &Visitor, link: &LinkStatus, backup: Option<StateRow>) -> Answer<Vec<StateRow>> {
    let lang = visitor.lang;
    let mut rows = Vec::new();
    let stored = visitor.state.store.alarms().await?;
    rows.extend(alarms::rows(visitor, &stored, |_| None));
    let room = match visitor.state.storage().room() {
        Room::Enough | Room::Low if visitor.state.bays.is_stuck() => Room::Full,
        room => room,
    };
    rows.extend(room_row(lang, room));
    if link.parked > 0 {
        let count = lang.t_n("refused-n", link.parked);
        let show = html! { a.button href="/status/aside" { (lang.t("aside-show")) } };
        rows.push(alarms::row(lang, &AlarmKind::Parked, Level::Bad, count).with_action(show));
    }
    let clashing = visitor.state.store.clashing_count().await?;
    if clashing > 0 {
        let mut clash = row(
            Level::Bad,
            lang.t("clash-title"),
            lang.t_n("status-clash-n", clashing),
        );
        clash.action = Some(html! { a.button href="/patients?show=clash" { (lang.t("status-clash-show")) } });
        rows.push(clash);
    }
    for call in visitor.state.live.calls() {
        let words = format!("{} {}", call.place, moments::clock(call.at.at));
        rows.push(row(Level::Bad, lang.t("status-call"), words));
    }
    let unreadable = visitor.state.unreadable.load(Ordering::Acquire) as u64;
    if unreadable > 0 {
        let words = lang.t_n("inbox-unreadable-n", unreadable);
        rows.push(row(Level::Bad, lang.t("inbox-title"), words));
    }
    rows.extend(backup);
    if rows.is_empty() {
        rows.push(row(
            Level::Good,
            lang.t("status-attention"),
            lang.t("status-nothing"),
        ));
    }
    Ok(rows)
}

/// How the last backup stands, with the way to make one.
fn backup(visitor: &Visitor, last: Option<WallTime>) -> StateRow {
    let mut row = backup_row(visitor.lang, last, visitor.now().at, visitor.today());
    if visitor.may(Action::ManageClinic) {
        row.action = Some(html! { a.button href="/keeping" { (visitor.t("hub-open")) } });
    }
    row
}

/// How the data stand, where the box has an opener and it answers.
async fn opened_by(visitor: &Visitor) -> Option<Standing> {
    match visitor.state.door()?.ask(Request::State).await {
        Ok(Said::State { standing }) => Some(standing),
        Ok(_) | Err(_) => None,
    }
}

/// Level and words of data that a person opens, or the hub.
fn protected_by_person(protected: Protected, opened_by: Option<&Standing>) -> (Level, &'static str) {
    let by_hub = opened_by.filter(|standing| standing.by_hub);
    match (protected, by_hub.map(|standing| standing.has_share)) {
        (Protected::Encrypted(Some(_)), Some(false)) => (Level::Known, "storage-hub-not-yet"),
        (Protected::Encrypted(Some(Source::Serial)), Some(true)) => (Level::Known, "storage-hub-serial"),
        (Protected::Encrypted(Some(_)), Some(true)) => (Level::Good, "storage-hub"),
        (Protected::Encrypted(Some(Source::Serial)), None) => (Level::Known, "storage-pin-serial"),
        (Protected::Encrypted(Some(_)), None) => (Level::Good, "storage-pin"),
        (other, _) => protected_by_machine(other),
    }
}

/// The same of data that the machine opens by itself, or that lie open.
fn protected_by_machine(protected: Protected) -> (Level, &'static str) {
    match protected {
        Protected::Encrypted(None) => (Level::Good, "storage-encrypted"),
        Protected::Encrypted(Some(Source::Otp)) => (Level::Good, "storage-key-otp"),
        Protected::Encrypted(Some(Source::Serial)) => (Level::Known, "storage-key-serial"),
        Protected::Encrypted(Some(Source::Emulated)) => (Level::Known, "storage-key-emulated"),
        Protected::Plain => (Level::Known, "storage-plain"),
        Protected::Unknown => (Level::Known, "storage-unknown"),
    }
}

fn box_rows(visitor: &Visitor, opened_by: Option<&Standing>, backup: Option<StateRow>) -> Vec<StateRow> {
    let lang = visitor.lang;
    let clock = match visitor.now().source {
        ClockSource::None => row(Level::Bad, lang.t("status-clock"), lang.t("clock-none")),
        ClockSource::Tablet => row(Level::Good, lang.t("status-clock"), lang.t("clock-tablet")),
        ClockSource::Hub => row(Level::Good, lang.t("status-clock"), lang.t("clock-hub")),
        ClockSource::Network => row(Level::Good, lang.t("status-clock"), lang.t("clock-network")),
    };
    let protected = Protected::of(&visitor.state.storage(), visitor.state.card.as_ref().as_ref());
    let (level, words) = match visitor.state.door() {
        Some(_) => protected_by_person(protected, opened_by),
        None => protected_by_machine(protected),
    };
    let encrypted = row(level, lang.t("status-storage"), lang.t(words));
    let mut rows = vec![clock, encrypted];
    rows.extend(backup);
    for bay in visitor.state.bays.list() {
        let level = match link_word(&bay.link) {
            "connected" => Level::Good,
            "silent" => Level::Known,
            _ => Level::Bad,
        };
        let words = format!("{} · {}", bay.device.name, link_words(lang, &bay.link));
        rows.push(row(level, bay.name.clone(), words));
    }
    rows
}

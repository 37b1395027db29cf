//! The state of the hub behind its light: which clinics are heard, and what needs a person. Stored facts only.

use axum::extract::State;
use axum::response::IntoResponse;
use maud::{Markup, html};
use records::staff::Action;
use shell::errors::Page as Answer;
use shell::storage::{Room, Storage, room_row};
use store::{Alarm, ClinicRow};
use web::layout::{Page, heading};
use web::light::StatusLight;
use web::moments;
use web::status::{Level, StateRow, states};
use web::texts::Lang;

use super::clinics::level;
use super::visitor::Visitor;
use crate::state::HubState;

/// Clinics that a list of those that are silent names.
const NAMED: usize = 50;

/// What the light shows.
pub async fn light_of(state: &HubState) -> Answer<StatusLight> {
    let alarms = state.store.alarms().await?;
    let no_room = Storage::of(state.store.folder()).room() > Room::Low;
    if !alarms.is_empty() || no_room {
        let count = alarms.len() as u64 + u64::from(no_room);
        return Ok(StatusLight::NeedsPerson { count });
    }
    let clinics = state.store.clinics().await?;
    let now = state.clock.now().at;
    let enrolled = clinics.iter().filter(|clinic| clinic.devices > 0);
    let heard = enrolled
        .clone()
        .filter(|clinic| level(clinic, now) == Level::Good)
        .count() as u64;
    Ok(StatusLight::Fleet {
        heard,
        enrolled: enrolled.count() as u64,
    })
}

/// `GET /light`: the light alone, which renews itself.
pub async fn light(State(state): State<HubState>, lang: Lang) -> Answer {
    Ok(light_of(&state)
        .await?
        .slot(lang, "/status", Some("/light"))
        .into_response())
}

/// `GET /status`.
pub async fn page(visitor: Visitor) -> Answer {
    let facts = facts(&visitor).await?;
    if visitor.part {
        return visitor.part(facts);
    }
    let title = visitor.t("hub-status-title");
    visitor
        .page(&Page::new(
            title.clone(),
            html! { (heading(&title, &html! {})) (facts) },
        ))
        .await
}

async fn facts(visitor: &Visitor) -> Answer<Markup> {
    let lang = visitor.lang;
    let store = &visitor.state.store;
    let alarms = store.alarms().await?;
    let clinics = store.clinics().await?;
    Ok(html! {
        div.columns #facts hx-get="/status" hx-trigger="live-sync from:body, live-tick from:body" hx-swap="outerHTML" hx-sync="this:replace" {
            section.card { h2 { (lang.t("status-attention")) } (states(&attention(visitor, &alarms))) }
            section.card { h2 { (lang.t("hub-clinics-title")) } (states(&contact(visitor, &clinics))) }
        }
    })
}

fn attention(visitor: &Visitor, alarms: &[Alarm]) -> Vec<StateRow> {
    let lang = visitor.lang;
    let room = room_row(lang, Storage::of(visitor.state.store.folder()).room());
    if alarms.is_empty() && room.is_none() {
        let words = lang.t("hub-no-alarms");
        return vec![StateRow {
            level: Level::Good,
            title: lang.t("hub-alarms"),
            words,
            action: None,
        }];
    }
    let row = |alarm: &Alarm| StateRow {
        level: Level::Bad,
        title: alarm_words(lang, &alarm.kind),
        words: format!(
            "{} · {}",
            moments::day_and_clock(lang, alarm.at, visitor.today()),
            alarm.text
        ),
        action: None,
    };
    room.into_iter().chain(alarms.iter().map(row)).collect()
}

/// The words for a kind of alarm; one of a newer release is shown by its own word.
fn alarm_words(lang: Lang, kind: &str) -> String {
    match kind {
        "damaged" => lang.t("hub-alarm-damaged"),
        "repaired" => lang.t("hub-alarm-repaired"),
        "salvaged" => lang.t("hub-alarm-salvaged"),
        "suspect" => lang.t("hub-alarm-suspect"),
        "rebuilt" => lang.t("hub-alarm-rebuilt"),
        "twin" | "clone" => lang.t("hub-alarm-twin"),
        "parked" => lang.t("hub-alarm-parked"),
        other => lang.t_with("hub-alarm-other", &[("kind", other)]),
    }
}

fn contact(visitor: &Visitor, clinics: &[ClinicRow]) -> Vec<StateRow> {
    let lang = visitor.lang;
    let now = visitor.now().at;
    let row = |clinic: &ClinicRow| StateRow {
        level: level(clinic, now),
        title: clinic.name.clone(),
        words: match clinic.last_contact {
            Some(at) => {
                let at = moments::day_and_clock(lang, at, visitor.today());
                lang.t_with("hub-heard-at", &[("at", &at)])
            }
            None => lang.t("hub-state-never"),
        },
        action: visitor
            .may(Action::SeeClinics)
            .then(|| html! { a.button href={ "/clinics/" (clinic.code) } { (lang.t("hub-open")) } }),
    };
    let mut rows: Vec<StateRow> = clinics.iter().map(row).collect();
    rows.sort_by_key(|row| match row.level {
        Level::Bad => 0,
        Level::Known => 1,
        Level::Good => 2,
    });
    rows.truncate(NAMED);
    rows
}

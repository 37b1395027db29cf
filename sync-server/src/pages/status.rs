//! The state of the hub behind its light: which clinics are heard, and what needs a person. Stored facts only.

use axum::extract::State;
use axum::response::IntoResponse;
use maud::{Markup, html};
use records::staff::Action;
use shell::alarms;
use shell::errors::Page as Answer;
use shell::keeping::{backup_row, last_backup};
use shell::storage::{Room, Storage, room_row};
use store::{Alarm, AlarmKind, ClinicRow, Store};
use web::layout::{Page, heading};
use web::light::StatusLight;
use web::moments;
use web::status::{Level, StateRow, states};
use web::texts::Lang;

use super::clinics::{clinic_names, level};
use super::visitor::Visitor;
use crate::state::HubState;

/// Pairs of charts that are counted; more than these are as urgent.
const LINKS_COUNTED: usize = 200;
/// Clinics that a list of those that are silent names.
const NAMED: usize = 50;

/// What the light shows.
pub async fn light_of(state: &HubState) -> Answer<StatusLight> {
    let no_room = Storage::of(state.store.folder()).room() > Room::Low;
    let count = Attention::of(&state.store).await?.count() + u64::from(no_room);
    if count > 0 {
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
    let attention = attention(visitor).await?;
    let clinics = store.clinics().await?;
    Ok(html! {
        div.columns #facts hx-get="/status" hx-trigger="live-sync from:body, live-tick from:body" hx-swap="outerHTML" hx-sync="this:replace" {
            section.card { h2 { (lang.t("status-attention")) } (states(&attention)) }
            section.card { h2 { (lang.t("hub-clinics-title")) } (states(&contact(visitor, &clinics))) }
        }
    })
}

/// What needs a person at the hub.
struct Attention {
    alarms: Vec<Alarm>,
    parked: u64,
    clashing: u64,
    links: u64,
}

impl Attention {
    async fn of(store: &Store) -> Answer<Self> {
        Ok(Self {
            alarms: store.alarms().await?,
            parked: store.parked_count().await?,
            clashing: store.clashing_count().await?,
            links: store.open_links(LINKS_COUNTED).await?.len() as u64,
        })
    }

    fn count(&self) -> u64 {
        self.alarms.len() as u64 + self.parked + self.clashing + self.links
    }
}

async fn attention(visitor: &Visitor) -> Answer<Vec<StateRow>> {
    let lang = visitor.lang;
    let store = &visitor.state.store;
    let found = Attention::of(store).await?;
    let (devices, names) = (store.devices(None).await?, clinic_names(store).await?);
    let place_of = |alarm: &Alarm| {
        let device = alarm.device()?;
        let row = devices.iter().find(|row| row.device == device)?;
        Some(names.get(&row.clinic))
    };
    let mut rows = alarms::rows(visitor, &found.alarms, place_of);
    rows.extend(room_row(lang, Storage::of(store.folder()).room()));
    if found.parked > 0 {
        let mut row = alarms::row(
            lang,
            &AlarmKind::Parked,
            Level::Bad,
            lang.t_n("refused-n", found.parked),
        );
        if visitor.may(Action::SeeClinics) {
            row.action = Some(html! { a.button href="/status/aside" { (lang.t("aside-show")) } });
        }
        rows.push(row);
    }
    if found.clashing > 0 {
        let words = lang.t_n("status-clash-n", found.clashing);
        let mut row = StateRow::new(Level::Bad, lang.t("clash-title"), words);
        if visitor.may(Action::ResolveClash) {
            row.action =
                Some(html! { a.button href="/patients?show=clash" { (lang.t("status-clash-show")) } });
        }
        rows.push(row);
    }
    if found.links > 0 {
        let words = lang.t_n("same-list-n", found.links);
        let mut row = StateRow::new(Level::Bad, lang.t("same-list"), words);
        if visitor.may(Action::ResolveClash) {
            row.action = Some(html! { a.button href="/links" { (lang.t("status-clash-show")) } });
        }
        rows.push(row);
    }
    let last = last_backup(store).await?;
    let mut backup = backup_row(lang, last, visitor.now().at, visitor.today());
    if visitor.may(Action::ManageClinics) {
        backup.action = Some(html! { a.button href="/keeping" { (lang.t("hub-open")) } });
    }
    let nothing_else = rows.is_empty();
    rows.push(backup);
    if nothing_else {
        let (title, words) = (lang.t("hub-alarms"), lang.t("hub-no-alarms"));
        rows.push(StateRow::new(Level::Good, title, words));
    }
    Ok(rows)
}

fn contact(visitor: &Visitor, clinics: &[ClinicRow]) -> Vec<StateRow> {
    let lang = visitor.lang;
    let now = visitor.now().at;
    let row = |clinic: &ClinicRow| {
        let words = match clinic.last_contact {
            Some(at) => {
                let at = moments::day_and_clock(lang, at, visitor.today());
                lang.t_with("hub-heard-at", &[("at", &at)])
            }
            None => lang.t("hub-state-never"),
        };
        let mut row = StateRow::new(level(clinic, now), clinic.name.clone(), words);
        if visitor.may(Action::SeeClinics) {
            row.action = Some(html! { a.button href={ "/clinics/" (clinic.code) } { (lang.t("hub-open")) } });
        }
        row
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

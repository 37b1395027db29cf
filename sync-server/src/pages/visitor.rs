//! Who asks for a page of a desk, and what a hub does in its own way.

use std::net::IpAddr;

use axum::http::Extensions;
use axum::response::Response;
use maud::{Markup, html};
use records::staff::{Action, StaffMember};
use shell::account::ACCOUNT;
use shell::clinics::ClinicNames;
use shell::errors::{Page, PageError};
use shell::keeping::Keeping;
use shell::person::Person;
use shell::station::{Station, Travels};
pub use shell::visitor::go_to;
use shell::visitor::menu;
use store::{By, Clock, Store};
use web::guard::{Caller, RateLimit};
use web::icons::Icon;
use web::layout::{Frame, NavItem, Screen};
use web::texts::Lang;

use super::clinics::clinic_names;
use super::device_name;
use crate::staff;
use crate::state::HubState;

/// A request of somebody who is signed in at a desk.
pub type Visitor = shell::visitor::Visitor<HubState>;

impl Station for HubState {
    const SCREEN: Screen = Screen::Desk;
    const DOOR_NOTE: Option<&'static str> = Some("hub-sign-in-clinic");
    const ACCOUNT_BACK: &'static str = "/";
    const DECIDES_LINKS: bool = true;
    const KEEPS: Action = Action::ManageClinics;
    const SOFTWARE: &'static str = env!("CARGO_PKG_VERSION");
    const HITS: usize = 50;
    const LINES: usize = 100;
    const PATIENTS_TITLE: &'static str = "hub-patients-title";
    const SETTLES_ALARMS: Action = Action::ManageClinics;
    const FIRST_PASSWORD_LEADS: &'static str = "/";
    const CHANGES_TRAVEL: Option<Travels> = Some(Travels {
        note: "hub-chart-travels",
        kept: "hub-kept",
        about: "hub-kept-about",
    });
    const MEASURES: bool = false;

    fn store(&self) -> &Store {
        &self.store
    }

    fn keeping(&self) -> &Keeping {
        &self.keeping
    }

    fn clock(&self) -> &dyn Clock {
        self.clock.as_ref()
    }

    fn tries(&self) -> &RateLimit<Option<IpAddr>> {
        &self.sign_in
    }

    /// Desks are the county's: who works at a clinic now has no session here.
    fn works_here(&self, member: &StaffMember) -> bool {
        member.clinic.is_none()
    }

    /// A hub has no kiosk.
    fn is_kiosk(&self, _caller: &Caller) -> bool {
        false
    }

    fn is_secure(&self, _request: &Extensions) -> bool {
        self.secure
    }

    async fn place(&self, lang: Lang) -> Page<String> {
        Ok(lang.t("hub-place"))
    }

    async fn keep_member(&self, by: By, member: &StaffMember) -> Page<()> {
        Ok(staff::keep(&self.store, by, member.clone()).await?)
    }

    async fn clinic_names(&self) -> Page<ClinicNames> {
        clinic_names(&self.store).await
    }

    fn device_name(key: &str) -> String {
        device_name(key)
    }

    fn patient_actions(visitor: &Visitor, person: &Person) -> Markup {
        let lang = visitor.lang;
        let at = person.href();
        html! {
            @if visitor.may(Action::EditChart) {
                a.button.button-main href={ (at) "/chart" } { (Icon::Note.svg()) (lang.t("hub-edit-chart")) }
            }
            @if visitor.may(Action::EditDemographics) {
                a.button href={ (at) "/edit" } { (Icon::Person.svg()) (lang.t("demographics-title")) }
            }
            @if visitor.may(Action::ResolveClash) {
                a.button href={ (at) "/same" } { (Icon::People.svg()) (lang.t("same-find")) }
            }
            @if visitor.may(Action::ReadAudit) {
                a.button href={ "/audit?patient=" (person.id) } { (Icon::Shield.svg()) (lang.t("patient-audit")) }
            }
        }
    }

    async fn frame(visitor: &Visitor) -> Result<Frame, PageError> {
        Ok(Frame {
            lang: visitor.lang,
            screen: Screen::Desk,
            place: visitor.t("hub-place"),
            user: Some(visitor.person.name.clone()),
            nav: nav(visitor),
            light: Some(super::status::light_of(&visitor.state).await?),
            here: visitor.here.clone(),
            live: Some("/live"),
            notice: visitor.state.notice.as_deref().map(str::to_owned),
        })
    }

    /// Whoever got their password from somebody else changes it before anything else.
    async fn lead_elsewhere(visitor: &Visitor) -> Page<Option<Response>> {
        let member = visitor.state.store.staff_member(visitor.person.staff).await?;
        let must_change = member.is_none_or(|member| member.must_change);
        let path = visitor.here.split('?').next();
        if must_change && path != Some(ACCOUNT) {
            return go_to(ACCOUNT).map(Some);
        }
        Ok(None)
    }
}

fn nav(visitor: &Visitor) -> Vec<NavItem> {
    let lang = visitor.lang;
    let entries = [
        (
            Some(Action::FindPatients),
            "/patients",
            lang.t("hub-nav-patients"),
            Icon::People,
            0,
        ),
        (
            Some(Action::SeeClinics),
            "/clinics",
            lang.t("hub-nav-clinics"),
            Icon::Clinics,
            0,
        ),
        (
            Some(Action::SeeClinics),
            "/fleet",
            lang.t("hub-nav-fleet"),
            Icon::Device,
            0,
        ),
        (
            Some(Action::ManageStaff),
            "/staff",
            lang.t("hub-nav-staff"),
            Icon::Person,
            0,
        ),
        (
            Some(Action::ReadAudit),
            "/audit",
            lang.t("hub-nav-audit"),
            Icon::Shield,
            0,
        ),
        (None, ACCOUNT, lang.t("hub-nav-account"), Icon::Lock, 0),
    ];
    menu(visitor, entries)
}

/// `GET /`: the page where the person's work begins.
pub async fn front(visitor: Visitor) -> Page {
    let nav = nav(&visitor);
    go_to(nav.first().map_or(ACCOUNT, |first| first.href))
}

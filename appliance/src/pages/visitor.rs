//! Who asks for a page of the box, and what a box does in its own way.

use std::collections::BTreeSet;
use std::net::IpAddr;

use axum::http::Extensions;
use axum::response::Response;
use maud::{Markup, html};
use records::ids::PatientId;
use records::staff::{Action, StaffMember};
use records::time::{ClockSource, WallTime};
use shell::clinics::ClinicNames;
use shell::errors::{Page, PageError};
use shell::forms::new_form;
use shell::keeping::Keeping;
use shell::person::Person;
use shell::station::Station;
pub use shell::visitor::go_to;
use shell::visitor::menu;
use store::{By, Clock, Store};
use web::fields::Fields;
use web::guard::{Caller, RateLimit};
use web::icons::Icon;
use web::layout::{Frame, NavItem, Screen};
use web::texts::Lang;

use crate::founding::keep_member;
use crate::pages::readings::device_name;
use crate::pages::{is_fresh, place};
use crate::state::{AppState, Transport};

/// A request of somebody who is signed in at a tablet.
pub type Visitor = shell::visitor::Visitor<AppState>;

impl Station for AppState {
    const SCREEN: Screen = Screen::Tablet;
    const MEASURES: bool = true;
    const ACCOUNT_BACK: &'static str = "/more";
    const DECIDES_LINKS: bool = false;
    const KEEPS: Action = Action::ManageClinic;
    const SOFTWARE: &'static str = env!("CARGO_PKG_VERSION");
    const HITS: usize = 30;
    const LINES: usize = 50;
    const PATIENTS_TITLE: &'static str = "nav-patients";
    const SETTLES_ALARMS: Action = Action::ManageLink;

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
        &self.limits.sign_in
    }

    /// A box knows the people of its own clinic only.
    fn works_here(&self, _member: &StaffMember) -> bool {
        true
    }

    /// The box's own screen, or one that was paired.
    fn is_kiosk(&self, caller: &Caller) -> bool {
        let screens = self.kiosks.screens();
        let paired = caller
            .screen
            .as_deref()
            .is_some_and(|token| screens.reader_of(token).is_some());
        let own_screen = self.kiosk_config.on_loopback && caller.peer.is_some_and(|peer| peer.is_loopback());
        paired || own_screen
    }

    fn is_secure(&self, request: &Extensions) -> bool {
        request.get::<Transport>() == Some(&Transport::Lan)
    }

    async fn place(&self, lang: Lang) -> Page<String> {
        place(self, lang).await
    }

    /// A box knows no other clinic's name.
    async fn clinic_names(&self) -> Page<ClinicNames> {
        Ok(ClinicNames {
            here: self.store.clinic().await?,
            ..ClinicNames::default()
        })
    }

    fn device_name(key: &str) -> String {
        device_name(key)
    }

    fn patient_actions(visitor: &Visitor, person: &Person) -> Markup {
        let lang = visitor.lang;
        let at = person.href();
        html! {
            @if visitor.may(Action::WriteVisit) {
                form method="post" action={ (at) "/visits" } {
                    input type="hidden" name="form" value=(new_form());
                    button.button.button-main type="submit" { (Icon::Note.svg()) (lang.t("patient-visit")) }
                }
            }
            @if visitor.may(Action::Measure) {
                a.button href={ (at) "/measure" } { (Icon::Device.svg()) (lang.t("patient-measure")) }
                a.button href={ (at) "/readings/new" } { (Icon::Add.svg()) (lang.t("patient-type-reading")) }
            }
            @if visitor.may(Action::ResolveClash) {
                a.button href={ (at) "/same" } { (Icon::People.svg()) (lang.t("same-find")) }
            }
            @if visitor.may(Action::ReadAudit) {
                a.button href={ "/audit?patient=" (person.id) } { (Icon::Shield.svg()) (lang.t("patient-audit")) }
            }
        }
    }

    fn list_actions(visitor: &Visitor) -> Markup {
        html! {
            @if visitor.may(Action::RegisterPatient) {
                a.button.button-main href="/patients/new" { (Icon::Add.svg()) (visitor.t("register-title")) }
            }
            @if visitor.may(Action::ExchangeResidents) {
                a.button href="/residents" { (Icon::Download.svg()) (visitor.t("more-residents")) }
            }
        }
    }

    async fn todays(visitor: &Visitor) -> Page<BTreeSet<PatientId>> {
        let today = visitor.state.store.today(visitor.today()).await?;
        Ok(today.into_iter().map(|line| line.visit.patient).collect())
    }

    async fn frame(visitor: &Visitor) -> Result<Frame, PageError> {
        let waiting = visitor.state.store.tray_waiting().await?;
        Ok(Frame {
            lang: visitor.lang,
            screen: Screen::Tablet,
            place: place(&visitor.state, visitor.lang).await?,
            user: Some(visitor.person.name.clone()),
            nav: nav(visitor, waiting),
            light: Some(visitor.state.light().await?),
            here: visitor.here.clone(),
            live: Some("/live"),
            notice: visitor.state.notice.as_deref().map(str::to_owned),
        })
    }

    async fn before_sign_in(&self) -> Page<Option<&'static str>> {
        Ok(is_fresh(self).await?.then_some("/start"))
    }

    async fn keep_member(&self, by: By, member: &StaffMember) -> Page<()> {
        Ok(keep_member(&self.store, by, member, None).await?)
    }

    /// A tablet that signs in offers its own time; only a script can fill the field.
    async fn signed_in(&self, fields: &Fields) {
        if let Ok(at) = fields.get("clock").parse::<i64>() {
            self.offer_time(WallTime(at), ClockSource::Tablet).await;
        }
    }

    async fn lead_elsewhere(_visitor: &Visitor) -> Page<Option<Response>> {
        Ok(None)
    }
}

fn nav(visitor: &Visitor, waiting: u64) -> Vec<NavItem> {
    let lang = visitor.lang;
    let entries = [
        (
            Some(Action::FindPatients),
            "/",
            lang.t("nav-today"),
            Icon::Today,
            0,
        ),
        (
            Some(Action::FindPatients),
            "/patients",
            lang.t("nav-patients"),
            Icon::People,
            0,
        ),
        (
            Some(Action::SeeDevices),
            "/bays",
            lang.t("nav-bays"),
            Icon::Device,
            0,
        ),
        (
            Some(Action::ClaimReading),
            "/tray",
            lang.t("nav-tray"),
            Icon::Tray,
            waiting,
        ),
        (None, "/more", lang.t("nav-more"), Icon::Settings, 0),
    ];
    menu(visitor, entries)
}

//! What box and hub do each in their own way.

use std::collections::BTreeSet;
use std::net::IpAddr;

use axum::http::Extensions;
use axum::response::Response;
use maud::Markup;
use records::ids::PatientId;
use records::staff::{Action, StaffMember};
use store::{By, Clock, Store};
use web::fields::Fields;
use web::guard::{Caller, RateLimit};
use web::layout::{Frame, Screen};
use web::texts::Lang;

use crate::account::ACCOUNT_DONE;
use crate::clinics::ClinicNames;
use crate::errors::{Page, PageError};
use crate::keeping::Keeping;
use crate::person::Person;
use crate::visitor::Visitor;

/// Keys of the texts about changes that travel before they count.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Travels {
    /// Above the forms.
    pub note: &'static str,
    /// That a change was kept.
    pub kept: &'static str,
    /// What happens to it now.
    pub about: &'static str,
}

/// A program at which people sign in and read and write records: the state that its pages share, a cheap clone.
pub trait Station: Clone + Send + Sync + 'static {
    /// Kind of the screens at which people sit.
    const SCREEN: Screen;
    /// Text below the fields of the sign-in page, for those who are at the wrong door.
    const DOOR_NOTE: Option<&'static str> = None;
    /// What is said about changes of a chart, where they travel before they count.
    const CHANGES_TRAVEL: Option<Travels> = None;
    /// Whether readings are taken here: typed, measured and withdrawn.
    const MEASURES: bool;
    /// Where the page of the own password leads back to.
    const ACCOUNT_BACK: &'static str;
    /// Where somebody goes on who has changed a password that somebody else had set.
    const FIRST_PASSWORD_LEADS: &'static str = ACCOUNT_DONE;

    /// What somebody may who says that an alarm was seen to.
    const SETTLES_ALARMS: Action;

    /// Whether it is decided here if two charts are of one person; a clinic only proposes it.
    const DECIDES_LINKS: bool;
    /// Hits of a search that are shown.
    const HITS: usize;
    /// Lines on a page of the list of people.
    const LINES: usize;
    /// Text above the list of people.
    const PATIENTS_TITLE: &'static str;

    /// What somebody may who makes backups and keys.
    const KEEPS: Action;
    /// Version of the program, as files on a stick carry it.
    const SOFTWARE: &'static str;

    /// Backups and sticks.
    fn keeping(&self) -> &Keeping;

    /// What is kept on disk.
    fn store(&self) -> &Store;

    /// The time.
    fn clock(&self) -> &dyn Clock;

    /// Bounds on tries at the door, by address.
    fn tries(&self) -> &RateLimit<Option<IpAddr>>;

    /// Whether a member of the staff works here, and so may have a session.
    fn works_here(&self, member: &StaffMember) -> bool;

    /// Whether this caller is a kiosk screen.
    fn is_kiosk(&self, caller: &Caller) -> bool;

    /// Whether a request came over HTTPS, so that its cookies never travel without it.
    fn is_secure(&self, request: &Extensions) -> bool;

    /// Name of the place in the head of each page.
    fn place(&self, lang: Lang) -> impl Future<Output = Page<String>> + Send;

    /// Names of clinics, as far as they are known here.
    fn clinic_names(&self) -> impl Future<Output = Page<ClinicNames>> + Send;

    /// The maker's name of a device; the key itself where it is not known.
    fn device_name(key: &str) -> String;

    /// What a visitor may do from a patient's page.
    fn patient_actions(visitor: &Visitor<Self>, person: &Person) -> Markup;

    /// What a visitor may do from the list of people.
    fn list_actions(_visitor: &Visitor<Self>) -> Markup {
        Markup::default()
    }

    /// People whose turn is today; a search shows them first.
    fn todays(_visitor: &Visitor<Self>) -> impl Future<Output = Page<BTreeSet<PatientId>>> + Send {
        std::future::ready(Ok(BTreeSet::new()))
    }

    /// The frame around the content of a visitor's page.
    fn frame(visitor: &Visitor<Self>) -> impl Future<Output = Result<Frame, PageError>> + Send;

    /// Address of what has to be done before anybody can sign in.
    fn before_sign_in(&self) -> impl Future<Output = Page<Option<&'static str>>> + Send {
        std::future::ready(Ok(None))
    }

    /// Keeps a changed member of the staff.
    fn keep_member(&self, by: By, member: &StaffMember) -> impl Future<Output = Page<()>> + Send;

    /// Somebody signed in with these fields.
    fn signed_in(&self, _fields: &Fields) -> impl Future<Output = ()> + Send {
        std::future::ready(())
    }

    /// Answers in place of the page that a visitor asked for.
    fn lead_elsewhere(visitor: &Visitor<Self>) -> impl Future<Output = Page<Option<Response>>> + Send;
}

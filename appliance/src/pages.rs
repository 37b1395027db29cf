//! The tablet's pages: each extracts, authorises by the role table, acts, and answers. One file a domain.
//!
//! Every page works without a script. A form carries an id made when it was opened and the heads of the record that
//! it was filled from; a refused form comes back with status 422, a taken one leads on by a redirect.

pub mod bays;
pub mod checkup;
pub mod ecg;
pub mod more;
pub mod readings;
pub mod refused;
pub mod register;
pub mod residents;
pub mod staff;
pub mod start;
pub mod start_pin;
pub mod status;
pub(crate) mod systems;
#[cfg(test)]
mod tests;
pub mod today;
pub mod tray;
pub mod typed;
pub mod update;
pub mod visitor;
pub mod visits;

use records::staff::Action;
use shell::errors::PageError;
use web::guard::{Access, Routes};
use web::texts::Lang;

use crate::residents_csv::LIST_BYTES_MAX;
use crate::state::AppState;

/// Adds the tablet's pages, each with who may ask for it.
pub fn add(routes: Routes<AppState>) -> Routes<AppState> {
    let routes = first_start(shell::pages::add(routes));
    let routes = people(routes);
    let routes = records(routes);
    let routes = devices(routes);
    house(routes)
}

/// First start.
fn first_start(routes: Routes<AppState>) -> Routes<AppState> {
    routes
        .get("/start", Access::Open, start::begin)
        .get("/start/language", Access::Open, start::language)
        .post("/start/language", Access::Open, start::choose_language)
        .get("/start/clinic", Access::Open, start::clinic)
        .post("/start/clinic", Access::Open, start::set_clinic)
        .get("/start/doctor", Access::Open, start::doctor)
        .post("/start/doctor", Access::Open, start::set_doctor)
        .get("/start/pin", Access::May(Action::ManageClinic), start::pin)
        .post("/start/pin", Access::May(Action::ManageClinic), start::set_pin)
        .get("/start/hub", Access::May(Action::ManageLink), start::hub)
        .post("/start/hub", Access::May(Action::ManageLink), start::join)
        .post(
            "/start/hub/later",
            Access::May(Action::ManageLink),
            start::hub_later,
        )
        .get("/start/tablet", Access::May(Action::ManageClinic), start::tablet)
        .post("/start/tablet", Access::May(Action::ManageClinic), start::finish)
}

/// Finding, registering, who people are.
fn people(routes: Routes<AppState>) -> Routes<AppState> {
    let register = Access::May(Action::RegisterPatient);
    let exchange = Access::May(Action::ExchangeResidents);
    routes
        .get("/", Access::SignedIn, today::page)
        .get("/patients/new", register, register::page)
        .post("/patients/new", register, register::register)
        .get("/patients/new/card", register, register::card_part)
        .post("/patients/new/card", register, register::register_card)
        .get("/residents", exchange, residents::page)
        .post_up_to(
            "/residents",
            exchange,
            LIST_BYTES_MAX + 64 * 1024,
            residents::take,
        )
        .get("/residents.csv", exchange, residents::give)
}

/// What stands in records.
fn records(routes: Routes<AppState>) -> Routes<AppState> {
    let read = Access::May(Action::ReadClinical);
    let measure = Access::May(Action::Measure);
    let withdraw = Access::May(Action::WithdrawReading);
    routes
        .get("/patients/{id}/readings/new", measure, typed::page)
        .post("/patients/{id}/readings/new", measure, typed::save)
        .get(
            "/patients/{id}/readings/{doc}/{reading}/withdraw",
            withdraw,
            typed::withdraw_page,
        )
        .post(
            "/patients/{id}/readings/{doc}/{reading}/withdraw",
            withdraw,
            typed::withdraw,
        )
        .get(
            "/patients/{id}/critical/{doc}/{reading}",
            read,
            typed::critical_page,
        )
        .post("/patients/{id}/critical", read, typed::critical_step)
        .post(
            "/patients/{id}/visits",
            Access::May(Action::WriteVisit),
            visits::open,
        )
        .get("/visits/{id}", read, visits::page)
        .post(
            "/visits/{id}",
            Access::May(Action::WriteVisit),
            visits::saving::save,
        )
        .get("/visits/{id}/readings", read, visits::form::readings_only)
        .post(
            "/visits/{id}/amend",
            Access::May(Action::AmendVisit),
            visits::closed::amend_visit,
        )
        .post(
            "/visits/{id}/clash",
            Access::May(Action::ResolveClash),
            visits::closed::choose,
        )
        .get(
            "/diagnoses",
            Access::May(Action::WriteVisit),
            visits::form::find_diagnoses,
        )
        .get("/ecgs/{doc}/{ecg}", read, ecg::page)
        .post("/ecgs/{doc}/{ecg}/withdraw", withdraw, ecg::withdraw)
}

/// Bays and the tray.
fn devices(routes: Routes<AppState>) -> Routes<AppState> {
    let see = Access::May(Action::SeeDevices);
    let measure = Access::May(Action::Measure);
    let claim = Access::May(Action::ClaimReading);
    routes
        .get("/bays", see, bays::list)
        .get("/bays/{number}", see, bays::page)
        .get("/bays/{number}/log", see, bays::log)
        .post("/bays/{number}/open", measure, bays::open)
        .post("/bays/{number}/act/{act}", measure, bays::act)
        .get("/patients/{id}/measure", measure, bays::choose)
        .get("/tray", claim, tray::list)
        .get("/tray/{id}", claim, tray::page)
        .post("/tray/{id}/claim", claim, tray::claim)
        .post("/tray/{id}/return", claim, tray::give_back)
        .post("/tray/{id}/dismiss", claim, tray::dismiss)
        .post("/tray/{id}/restore", claim, tray::restore)
        .post(
            "/calls/{number}",
            Access::May(Action::FindPatients),
            today::answer_call,
        )
}

/// The house: link, people who work here, help.
fn house(routes: Routes<AppState>) -> Routes<AppState> {
    let staff = Access::May(Action::ManageStaff);
    routes
        .get_background("/light", Access::SignedIn, status::light)
        .get("/status", Access::May(Action::SeeLink), status::page)
        .get("/status/aside", Access::May(Action::SeeLink), refused::page)
        .post("/status/try", Access::May(Action::ManageLink), status::try_now)
        .get("/update", Access::May(update::MAY), update::page)
        .post("/update/take", Access::May(update::MAY), update::take)
        .post("/update/restart", Access::May(update::MAY), update::restart)
        .get("/start-pin", Access::May(Action::ManageClinic), start_pin::page)
        .post("/start-pin", Access::May(Action::ManageClinic), start_pin::change)
        .get("/checkup", Access::May(Action::ManageDevices), checkup::page)
        .post("/checkup", Access::May(Action::ManageDevices), checkup::begin)
        .get("/staff", staff, staff::list)
        .get("/staff/new", staff, staff::new_page)
        .post("/staff/new", staff, staff::add)
        .get("/staff/{id}", staff, staff::member_page)
        .post("/staff/{id}", staff, staff::change)
        .get("/more", Access::SignedIn, more::page)
        .get("/help", Access::SignedIn, more::help)
}

/// The name of the clinic, for the head of each page.
pub async fn place(state: &AppState, lang: Lang) -> Result<String, PageError> {
    let clinic = state.store.clinic_record().await?;
    let name = clinic.map(|read| read.value.name).filter(|name| !name.is_empty());
    Ok(name.unwrap_or_else(|| lang.t("place-unnamed")))
}

/// Whether nobody works here yet: first start is open then.
pub async fn is_fresh(state: &AppState) -> Result<bool, PageError> {
    Ok(state.store.staff().await?.is_empty())
}

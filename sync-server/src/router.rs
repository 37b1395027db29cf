//! Every route of the hub's desks, with who may ask for it.

use std::sync::Arc;

use axum::Router;
use axum::extract::Request;
use axum::http::{HeaderMap, StatusCode, header};
use axum::middleware::{Next, from_fn};
use axum::response::{IntoResponse, Response};
use records::staff::Action;
use shell::sessions::StationSessions;
use web::guard::{Access, RouteLine, Routes, layers};

use crate::live;
use crate::pages::{clinics, ecgs, fleet, parked, staff, status, visitor, visits};
use crate::state::HubState;

/// The table of routes and their handlers.
fn routes(state: &HubState) -> Routes<HubState> {
    let table = Routes::new(Arc::new(StationSessions::of(state)));
    let table = desk(shell::pages::add(table));
    let table = people(table);
    county(table)
}

fn desk(table: Routes<HubState>) -> Routes<HubState> {
    table
        .get("/", Access::SignedIn, visitor::front)
        .get_background("/live", Access::SignedIn, live::stream)
        .get_background("/light", Access::SignedIn, status::light)
        .get("/status", Access::SignedIn, status::page)
}

fn people(table: Routes<HubState>) -> Routes<HubState> {
    use Action::{ReadClinical, ResolveClash};
    table
        .get("/visits/{id}", Access::May(ReadClinical), visits::page)
        .post("/visits/{id}/clash", Access::May(ResolveClash), visits::choose)
        .get("/ecgs/{doc}/{ecg}", Access::May(ReadClinical), ecgs::page)
}

fn county(table: Routes<HubState>) -> Routes<HubState> {
    use Action::{ManageClinics, ManageStaff, SeeClinics};
    table
        .get("/status/aside", Access::May(SeeClinics), parked::page)
        .get("/clinics", Access::May(SeeClinics), clinics::list)
        .get("/clinics/new", Access::May(ManageClinics), clinics::new_page)
        .post("/clinics/new", Access::May(ManageClinics), clinics::add)
        .get("/clinics/{code}", Access::May(SeeClinics), clinics::page)
        .post(
            "/clinics/{code}/token",
            Access::May(ManageClinics),
            clinics::token,
        )
        .post(
            "/clinics/{code}/boxes/{device}/revoke",
            Access::May(ManageClinics),
            clinics::revoke,
        )
        .get("/fleet", Access::May(SeeClinics), fleet::page)
        .post("/fleet/go-on", Access::May(ManageClinics), fleet::go_on)
        .post("/fleet/pause", Access::May(ManageClinics), fleet::pause)
        .get("/staff", Access::May(ManageStaff), staff::list)
        .get("/staff/new", Access::May(ManageStaff), staff::new_page)
        .post("/staff/new", Access::May(ManageStaff), staff::add)
        .get("/staff/{id}", Access::May(ManageStaff), staff::member_page)
        .post("/staff/{id}", Access::May(ManageStaff), staff::change)
        .post("/staff/{id}/password", Access::May(ManageStaff), staff::renew)
}

/// The table of routes, for tests of who may ask for what.
pub fn table(state: &HubState) -> Vec<RouteLine> {
    routes(state).finish().1
}

/// The pages as the desks' listener serves them.
pub fn pages(state: HubState) -> Router {
    let secure = state.secure;
    let (router, _) = routes(&state).finish();
    let router = layers(router.with_state(state));
    router.layer(from_fn(move |request, next| arrive(secure, request, next)))
}

/// Over plain HTTP only this machine's own names are answered: a page elsewhere whose name was made to point here
/// comes with its own.
async fn arrive(secure: bool, request: Request, next: Next) -> Response {
    if !secure && !is_loopback_host(request.headers()) {
        return StatusCode::MISDIRECTED_REQUEST.into_response();
    }
    next.run(request).await
}

/// Whether a request names this machine's loopback.
fn is_loopback_host(headers: &HeaderMap) -> bool {
    let Some(host) = headers.get(header::HOST).and_then(|host| host.to_str().ok()) else {
        return false;
    };
    let name = match host.strip_prefix('[') {
        Some(rest) => rest.split(']').next().unwrap_or_default(),
        None => host.split(':').next().unwrap_or_default(),
    };
    let address: Option<std::net::IpAddr> = name.parse().ok();
    name.eq_ignore_ascii_case("localhost") || address.is_some_and(|address| address.is_loopback())
}

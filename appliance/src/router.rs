//! Every route of the box, with who may ask for it. Tablet pages add theirs by [`crate::pages::add`].

use std::sync::Arc;

use axum::Router;
use axum::extract::Request;
use axum::http::{HeaderValue, StatusCode, header};
use axum::middleware::{Next, from_fn};
use axum::response::{IntoResponse, Redirect, Response};
use axum::routing::get;
use records::staff::Action;
use shell::sessions::StationSessions;
use web::guard::{Access, RouteLine, Routes, layers};
use web::trouble::Trouble;

use crate::state::{AppState, Transport};
use crate::{bays, kiosk, live, pages, setup, update};

/// When and where the own screen's browser leaves a page that says what is wrong: seconds, and the kiosk.
const LEAD_BACK: HeaderValue = HeaderValue::from_static("8; url=/kiosk");

/// The table of routes and their handlers.
fn routes(state: &AppState) -> Routes<AppState> {
    let table = Routes::new(Arc::new(StationSessions::of(state)))
        // Asked by the program that settles trials of new systems.
        .get_background("/health", Access::Open, update::health::page)
        // What changes, for pages that are open.
        .get_background("/live", Access::SignedIn, live::stream)
        .get_background(
            "/bays/{number}/ecg",
            Access::May(Action::Measure),
            bays::wave::socket,
        )
        .merge(kiosk_routes(state))
        .post(
            "/kiosk/pair",
            Access::May(Action::ManageDevices),
            kiosk::pages::pair,
        )
        .post(
            "/kiosk/forget",
            Access::May(Action::ManageDevices),
            kiosk::pages::forget,
        )
        // Setting up a tablet; also alone on the set-up page's own listener.
        .get("/setup", Access::Open, setup::page)
        .get("/setup/ca.crt", Access::Open, setup::certificate)
        .get("/setup/check", Access::Open, setup::check)
        .get("/setup/worker.js", Access::Open, setup::worker)
        .post("/setup/clock", Access::Open, setup::offer_clock);
    // The tablet's pages.
    pages::add(table)
}

/// What a patients' screen may ask for.
fn kiosk_routes(state: &AppState) -> Routes<AppState> {
    Routes::new(Arc::new(StationSessions::of(state)))
        .get("/kiosk", Access::Kiosk, kiosk::pages::page)
        .get_background("/kiosk/changed", Access::Kiosk, kiosk::pages::changed)
        .post("/kiosk/press", Access::Kiosk, kiosk::pages::press)
        .post_background("/kiosk/stay", Access::Kiosk, kiosk::pages::stay)
        .post("/kiosk/clear", Access::Kiosk, kiosk::pages::clear)
        .post("/kiosk/call", Access::Kiosk, kiosk::pages::call)
}

/// The table of routes, for tests of who may ask for what.
pub fn table(state: &AppState) -> Vec<RouteLine> {
    routes(state).finish().1
}

/// The pages as one listener serves them.
pub fn pages(state: AppState, transport: Transport) -> Router {
    let (router, _) = routes(&state).finish();
    let router = layers(router.with_state(state));
    router.layer(from_fn(move |request, next| arrive(transport, request, next)))
}

/// The set-up page's own listener.
pub fn setup_page(state: AppState) -> Router {
    layers(setup::router(state))
}

/// The listener of the box's own screen: the kiosk and nothing else, whoever asks.
pub fn own_screen(state: AppState) -> Router {
    let (router, _) = kiosk_routes(&state).finish();
    let router = router
        .route("/", get(|| async { Redirect::to("/kiosk") }))
        .fallback(|| async { Trouble::Forbidden });
    let router = layers(router.with_state(state)).layer(from_fn(lead_back));
    router.layer(from_fn(|request, next| {
        arrive(Transport::Loopback, request, next)
    }))
}

/// Nobody leads this browser back from a page that only says what is wrong: after a while it goes back by itself.
async fn lead_back(request: Request, next: Next) -> Response {
    let is_part = request.headers().contains_key("hx-request");
    let mut response = next.run(request).await;
    let status = response.status();
    if !is_part && (status.is_client_error() || status.is_server_error()) {
        response.headers_mut().insert(header::REFRESH, LEAD_BACK);
    }
    response
}

/// Notes by which listener a request came. Over plain HTTP only this machine's own names are answered: a page
/// elsewhere whose name was made to point here comes with its own.
pub(crate) async fn arrive(transport: Transport, mut request: Request, next: Next) -> Response {
    if transport == Transport::Loopback && !setup::is_loopback_host(request.headers()) {
        return StatusCode::MISDIRECTED_REQUEST.into_response();
    }
    request.extensions_mut().insert(transport);
    next.run(request).await
}

#[cfg(test)]
#[path = "router_tests.rs"]
mod tests;

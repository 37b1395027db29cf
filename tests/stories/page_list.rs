//! The pages that box and hub have, read off their routers: a walk that misses one fails.

use std::collections::BTreeSet;

use axum::http::Method;
use web::guard::RouteLine;

/// Addresses of the box that are no page of their own: streams, files, parts that pages renew, redirects.
const NO_PAGE_OF_BOX: [&str; 16] = [
    "/bays/{number}/ecg",
    "/diagnoses",
    "/health",
    "/kiosk/changed",
    "/light",
    "/live",
    "/patients/{id}/banner",
    "/patients/new/card",
    "/ping",
    "/residents.csv",
    "/setup/ca.crt",
    "/setup/worker.js",
    "/start",
    // On a box whose data a person opens only: `locked_start` looks at them.
    "/start-pin",
    "/start/pin",
    "/visits/{id}/readings",
];
/// The same of the hub; its front page leads to where a person works.
const NO_PAGE_OF_HUB: [&str; 5] = ["/", "/light", "/live", "/patients/{id}/banner", "/ping"];

/// The pages of a table of routes, as `walk::pattern` writes addresses.
fn pages(table: &[RouteLine], no_pages: &[&str]) -> BTreeSet<String> {
    let asked: BTreeSet<&str> = table
        .iter()
        .filter(|line| line.method == Method::GET)
        .map(|line| line.path.as_str())
        .collect();
    for path in no_pages {
        assert!(asked.contains(path), "{path} is no address any more");
    }
    let pages = asked.into_iter().filter(|path| !no_pages.contains(path));
    pages.map(shape).collect()
}

/// `/visits/{id}` becomes `/visits/_`.
fn shape(path: &str) -> String {
    let parts: Vec<&str> = path
        .split('/')
        .map(|part| if part.starts_with('{') { "_" } else { part })
        .collect();
    parts.join("/")
}

/// The pages of the box.
pub(crate) async fn of_box() -> BTreeSet<String> {
    let folder = tempfile::tempdir().unwrap();
    let options = appliance::Options {
        listen: ([127, 0, 0, 1], 0).into(),
        ..appliance::Options::new(folder.path().join("box"))
    };
    let running = appliance::run(options).await.unwrap();
    let pages = pages(&appliance::router::table(&running.state), &NO_PAGE_OF_BOX);
    running.stop().await;
    assert!(pages.len() > 30, "{pages:?}");
    pages
}

/// The pages of the hub.
pub(crate) async fn of_hub() -> BTreeSet<String> {
    let folder = tempfile::tempdir().unwrap();
    let options = sync_server::Options {
        desk: sync_server::Desk::LoopbackHttp(([127, 0, 0, 1], 0).into()),
        ..sync_server::Options::new(folder.path().join("hub"))
    };
    let running = sync_server::run(options).await.unwrap();
    let pages = pages(&sync_server::router::table(&running.state), &NO_PAGE_OF_HUB);
    running.stop().await;
    assert!(pages.len() > 12, "{pages:?}");
    pages
}

/// Fails where pages were not looked at in both languages.
pub(crate) fn assert_all_seen(pages: &BTreeSet<String>, seen: &BTreeSet<String>) {
    let missed: Vec<&String> = pages.difference(seen).collect();
    assert!(missed.is_empty(), "nobody looked at {missed:?}");
}

#[test]
#[should_panic(expected = "nobody looked at")]
fn a_page_that_nobody_looked_at_fails() {
    let list = |paths: &[&str]| paths.iter().map(|path| (*path).to_owned()).collect();
    assert_all_seen(&list(&["/more", "/new-page"]), &list(&["/more", "/help"]));
}

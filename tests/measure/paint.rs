//! What a patient's page weighs on the wire in a real browser, and when it is first painted.

use harness::browser::{Browser, Screen};
use harness::doctor::{LOGIN, PASSWORD, Tablet};
use serde::Deserialize;
use serde_json::json;

use crate::figures::{Figure, Unit};

/// Loads that are timed.
const LOADS: usize = 9;
/// How many times slower a cheap tablet's processor is than this machine's.
const SLOW_DOWN: u32 = 6;
/// Most kilobytes and requests of a page whose styles and scripts the browser does not have yet.
const FIRST_KB_MAX: f64 = 40.0;
const FIRST_REQUESTS_MAX: f64 = 6.0;
/// Most kilobytes of each page after it.
const NEXT_KB_MAX: f64 = 6.0;
/// Most milliseconds to the first paint with the processor slowed down.
const SLOW_PAINT_MAX_MS: f64 = 1_000.0;
/// What the design was measured at when it was chosen: weight, requests, first paint, and that slowed down.
const DESIGN: &str = "of the design:";
const DESIGN_KB: f64 = 18.0;
const DESIGN_REQUESTS: f64 = 4.0;
const DESIGN_PAINT_MS: f64 = 84.0;
const DESIGN_SLOW_PAINT_MS: f64 = 316.0;

/// One load of a page, as the browser timed it.
#[derive(Debug, Deserialize)]
struct Load {
    /// Bytes of answers with their heads, up to the end of loading.
    bytes: f64,
    /// Answers that came over the wire.
    requests: f64,
    /// Milliseconds to the first paint.
    paint: f64,
}

/// Requests that the live parts make once the page stands are not part of its loading.
const TIMES: &str = "const [page] = performance.getEntriesByType('navigation');
    const [paint] = performance.getEntriesByType('paint');
    if (page.loadEventEnd === 0 || !paint) return null;
    const parts = performance.getEntriesByType('resource').filter((one) => one.initiatorType !== 'fetch');
    const came = [page, ...parts].filter((one) => one.transferSize > 0);
    return { bytes: came.reduce((sum, one) => sum + one.transferSize, 0), requests: came.length, paint: paint.startTime };";

/// The figures of the page of one patient of the box whose pages begin at this address.
pub(crate) fn figures(pages: &str, patient: &str) -> Vec<Figure> {
    eprintln!("painting a patient's page");
    let threads = tokio::runtime::Runtime::new().unwrap();
    let (first, next, slow) = threads.block_on(async {
        let browser = Browser::start(Screen::Tablet).await;
        let tablet = Tablet::new(&browser, pages);
        tablet.open("/sign-in").await;
        tablet.send(&[("user", LOGIN), ("password", PASSWORD)]).await;
        let patient = format!("/patients/{patient}");
        let first = loads(&tablet, &patient, true).await;
        let next = loads(&tablet, &patient, false).await;
        let rate = json!({ "rate": SLOW_DOWN });
        browser.command("Emulation.setCPUThrottlingRate", rate).await;
        let slow = loads(&tablet, &patient, true).await;
        browser.quit().await;
        (first, next, slow)
    });
    let median = |loads: &[Load], of: fn(&Load) -> f64| {
        let mut values: Vec<f64> = loads.iter().map(of).collect();
        values.sort_by(f64::total_cmp);
        values[values.len() / 2]
    };
    let kilobytes = |loads: &[Load]| median(loads, |load| load.bytes) / 1e3;
    vec![
        Figure::told(
            "patient page, nothing cached: on the wire",
            kilobytes(&first),
            Unit::Kilobytes,
        )
        .against(DESIGN, DESIGN_KB)
        .at_most(FIRST_KB_MAX),
        Figure::told(
            "patient page, nothing cached: requests",
            median(&first, |load| load.requests),
            Unit::Count,
        )
        .against(DESIGN, DESIGN_REQUESTS)
        .at_most(FIRST_REQUESTS_MAX),
        Figure::told(
            "patient page after it: on the wire",
            kilobytes(&next),
            Unit::Kilobytes,
        )
        .at_most(NEXT_KB_MAX),
        Figure::told(
            "patient page, first paint, median",
            median(&first, |load| load.paint),
            Unit::Milliseconds,
        )
        .against(DESIGN, DESIGN_PAINT_MS),
        Figure::told(
            format!("the same with the processor slowed down {SLOW_DOWN} times"),
            median(&slow, |load| load.paint),
            Unit::Milliseconds,
        )
        .against(DESIGN, DESIGN_SLOW_PAINT_MS)
        .at_most(SLOW_PAINT_MAX_MS),
    ]
}

/// Loads the page again and again, with an empty cache where it is `fresh`.
async fn loads(tablet: &Tablet<'_>, path: &str, fresh: bool) -> Vec<Load> {
    let browser = tablet.browser;
    let mut found = Vec::new();
    for _ in 0..LOADS {
        if fresh {
            browser.command("Network.clearBrowserCache", json!({})).await;
        }
        tablet.open(path).await;
        let is_loaded = format!("const find = () => {{ {TIMES} }}; return find() !== null;");
        browser.wait_script("the page is painted", &is_loaded).await;
        found.push(browser.script(TIMES, vec![]).await);
    }
    found
}

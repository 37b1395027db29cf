//! From process start to the first page.

use std::collections::BTreeMap;
use std::time::Instant;

use harness::plain_browser::PlainBrowser;
use harness::programs::Program;

use crate::figures::{Figure, Unit};
use crate::pages::runtime;

/// Most seconds until the demo's first page can be used.
const SECONDS_MAX: f64 = 5.0;

/// The figures of starting.
pub(crate) fn figures() -> Vec<Figure> {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("demo").to_str().unwrap().to_owned();
    let free = "127.0.0.1:0";
    let arguments = [
        "--data",
        &data,
        "--listen",
        free,
        "--hub-listen",
        free,
        "--control-listen",
        free,
    ];
    vec![
        demo(
            "demo: process start to first page, new data",
            &arguments,
            folder.path(),
        ),
        demo(
            "demo: process start to first page, data of before",
            &arguments,
            folder.path(),
        ),
    ]
}

fn demo(what: &str, arguments: &[&str], logs: &std::path::Path) -> Figure {
    eprintln!("{what}");
    let began = Instant::now();
    let mut program = Program::start("demo", arguments, &[], logs);
    let browser = PlainBrowser::new(&program.url("pages"), BTreeMap::new());
    let answer = runtime().block_on(browser.get("/sign-in")).unwrap();
    let seconds = began.elapsed().as_secs_f64();
    assert_eq!(answer.status, 200, "{}", answer.body);
    assert!(program.stop().success());
    Figure::told(what, seconds, Unit::Seconds).at_most(SECONDS_MAX)
}

//! Patient pages and search over HTTP, against the real program on an imported panel.

use std::collections::BTreeMap;
use std::path::Path;
use std::time::{Duration, Instant};

use harness::plain_browser::{PlainBrowser, percent_encoded};
use harness::programs::Program;
use harness::workload::Workload;
use rand::rngs::StdRng;
use rand::{RngExt as _, SeedableRng as _};
use records::patients::PatientLine;
use records::pinyin::name_keys;

use crate::figures::{Figure, Times, Unit, mebibytes};
use crate::import::DATA;
use crate::paint;
use crate::rows::{self, Panel};

/// Requests of each kind that are timed.
const REQUESTS: usize = 500;
/// Requests before them that are not.
const WARM_UP: usize = 25;
/// Most milliseconds that 95 of 100 requests may take.
const P95_MAX_MS: f64 = 50.0;
/// Most mebibytes of memory that a box takes when nobody works on it.
const IDLE_MAX_MIB: f64 = 80.0;
/// The same when people do.
const BUSY_MAX_MIB: f64 = 200.0;
/// Stands in a page of hits: the link to a chart, whose id begins with its kind.
const HIT: &str = "href=\"/patients/01";
/// Stands in a patient's page with readings.
const RECORD: &str = "id=\"record\"";
/// Chooses patients and what is searched.
const SEED: u64 = 1;

/// A runtime for one thread of requests.
pub(crate) fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap()
}

/// The figures of pages on the panel that lies in `folder`.
pub(crate) fn figures(panel: Workload, folder: &Path) -> Vec<Figure> {
    let data = folder.join(DATA);
    let arguments = [
        "serve",
        "--data",
        data.to_str().unwrap(),
        "--listen",
        "127.0.0.1:0",
    ];
    let began = Instant::now();
    let mut program = Program::start("appliance", &arguments, &[], folder);
    let browser = PlainBrowser::new(&program.url("pages"), BTreeMap::new());
    let started = began.elapsed().as_secs_f64();
    runtime().block_on(browser.get("/sign-in")).unwrap();
    let idle = resident(program.pid(), "VmRSS:");
    let lines = Panel::open(&data).patients();
    let mut figures = vec![Figure::told(
        "serve: process start to listening",
        started,
        Unit::Seconds,
    )];
    let (pages, searches) = runtime().block_on(async {
        browser.found().await;
        eprintln!("asking for pages");
        let mut dice = StdRng::seed_from_u64(SEED);
        let pages = paths(|| format!("/patients/{}", pick(&lines, &mut dice).id));
        let pages = ask(&browser, &pages, RECORD).await;
        let mut dice = StdRng::seed_from_u64(SEED);
        let searches = paths(|| {
            let line = pick(&lines, &mut dice);
            format!("/patients?q={}", percent_encoded(&typed(line, &mut dice)))
        });
        (pages, ask(&browser, &searches, HIT).await)
    });
    figures.extend(percentiles("patient page", panel, &pages));
    figures.extend(percentiles("search", panel, &searches));
    figures.push(Figure::told("serve: memory when idle", idle, Unit::Mebibytes).at_most(IDLE_MAX_MIB));
    let busy = resident(program.pid(), "VmHWM:");
    figures.push(Figure::told("serve: memory at most", busy, Unit::Mebibytes).at_most(BUSY_MAX_MIB));
    let somebody = lines[0].id.to_string();
    figures.extend(paint::figures(&program.url("pages"), &somebody));
    let file = std::fs::metadata(data.join("clinic.db")).unwrap().len();
    figures.push(Figure::told("database", mebibytes(file), Unit::Mebibytes));
    assert!(program.stop().success());
    figures.push(rows::figure(&data, &lines));
    figures
}

fn paths(make: impl FnMut() -> String) -> Vec<String> {
    std::iter::repeat_with(make).take(WARM_UP + REQUESTS).collect()
}

fn pick<'a>(lines: &'a [PatientLine], dice: &mut StdRng) -> &'a PatientLine {
    &lines[dice.random_range(0..lines.len())]
}

/// What somebody types to find a person: the name, its beginning, pinyin, initials, the tail of a number.
fn typed(line: &PatientLine, dice: &mut StdRng) -> String {
    let keys = name_keys(&line.name);
    let spelt = || keys.full.first().map(|syllables| syllables.concat());
    let initials = || {
        keys.full
            .first()
            .map(|syllables| syllables.iter().filter_map(|one| one.chars().next()).collect())
    };
    let found = match dice.random_range(0..6) {
        0 => Some(line.name.clone()),
        1 => Some(line.name.chars().take(2).collect()),
        2 => spelt(),
        3 => initials(),
        4 => line.id_tail.clone(),
        _ => line.phone_tail.clone(),
    };
    found
        .filter(|text: &String| !text.is_empty())
        .unwrap_or_else(|| line.name.clone())
}

/// Times requests whose answers must hold `mark`: an empty answer would be a fast one.
async fn ask(browser: &PlainBrowser, paths: &[String], mark: &str) -> Times {
    let mut times: Vec<Duration> = Vec::new();
    for path in paths {
        let began = Instant::now();
        let answer = browser.get(path).await.unwrap();
        times.push(began.elapsed());
        assert_eq!(answer.status, 200, "{path}");
        assert!(answer.body.contains(mark), "{path} shows nothing");
    }
    Times::of(times.split_off(WARM_UP))
}

fn percentiles(what: &str, panel: Workload, times: &Times) -> Vec<Figure> {
    let figure = |percent| {
        let what = format!("{what}, {} patients, p{percent}", panel.patients);
        Figure::told(what, times.percentile(percent), Unit::Milliseconds)
    };
    vec![figure(50), figure(95).at_most(P95_MAX_MS), figure(99)]
}

/// A line of proc(5) `status` of a process, in mebibytes.
pub(crate) fn resident(pid: u32, key: &str) -> f64 {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix(key)).unwrap();
    let kibibytes: u64 = line.trim().trim_end_matches(" kB").parse().unwrap();
    mebibytes(kibibytes * 1024)
}

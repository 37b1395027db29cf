//! How soon an urgent record is at the hub while a long history is still on its way over a narrow line.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use harness::clinic_box::Bay;
use harness::far_hub::FarHub;
use harness::narrow_line::{Narrow, NarrowLine};
use harness::plain_browser::{PlainBrowser, form_id};
use harness::programs::{PATIENCE, wait_until};
use harness::workload::Workload;
use rand::rngs::StdRng;
use rand::{RngExt as _, SeedableRng as _};
use store::Lane;

use crate::figures::{Figure, Times, Unit};
use crate::narrow::EDGE;
use crate::pages::runtime;
use crate::rows::Panel;

/// The edge of a cell on a good day: nothing is lost.
const LINE: Narrow = Narrow {
    loss_percent: 0,
    ..EDGE
};
/// Who comes.
const PANEL: Workload = Workload {
    patients: 1_000,
    years: 6,
    visits: 6,
    seed: 1,
};
const SHORT_PANEL: Workload = Workload {
    patients: 200,
    years: 2,
    visits: 6,
    seed: 1,
};
/// Urgent records that are timed.
const RECORDS: usize = 9;
/// Signs of a text; of 20,000 different ones nothing makes them smaller than some 1.8 bytes each.
const SIGNS: usize = 930;
/// Signs of a text of a visit that comes with an ECG: together more than the 65 kB that are promised for.
const SIGNS_WITH_ECG: usize = 6_000;
/// ECGs that are timed.
const ECGS: usize = 3;
/// A heart that somebody must see at once.
const RECORDER: Bay<'_> = Bay {
    name: "心电",
    device: "contec-8000g",
    arguments: &["--heart-rate", "210"],
};
/// Texts of a record: together some 5 kB on the wire.
const TEXTS: [&str; 3] = ["history", "examination", "advice"];
/// A pressure that somebody must see at once.
const CRITICAL: &str = "186/122";
/// What the page asks to confirm of it.
const CONFIRMING: &str = "bp=186/122";
/// Most seconds until half of them are acknowledged.
const MEDIAN_MAX_S: f64 = 2.0;
/// The same with an ECG: 65 kB alone take eight seconds of the line.
const WITH_ECG_MAX_S: f64 = 12.0;
const WHAT: &str = "an urgent record of 5 kB beside a backlog: acknowledged, median";

/// The figures.
pub(crate) fn figures(short: bool) -> Vec<Figure> {
    let Some(line) = NarrowLine::lay_from_here(LINE) else {
        return vec![Figure::absent(WHAT, Unit::Seconds)];
    };
    let panel = if short { SHORT_PANEL } else { PANEL };
    let folder = tempfile::tempdir().unwrap();
    let ends = FarHub::with_base(folder.path(), panel);
    eprintln!("importing the backlog of {panel}");
    let history = folder.path().join("history");
    panel.write(&history);
    ends.import(&history);
    let (hub, url) = ends.serve(Some(line.far()), NarrowLine::FAR);
    let (mut clinic, recorder) = ends.serve_box_with(&url, &[RECORDER]);
    let tablet = PlainBrowser::new(&clinic.url("pages"), BTreeMap::new());
    let beside = Panel::open(&ends.box_data());
    let patients = beside.patients();
    let waiting = |lane: Lane| {
        let status = runtime().block_on(beside.link_status());
        status.queue[lane.index()].items
    };
    let urgent = [Lane::P0, Lane::P1];
    runtime().block_on(tablet.found());
    wait_until("the backlog begins to go", || {
        let status = runtime().block_on(beside.link_status());
        (status.connected && waiting(Lane::P0) == 0).then_some(())
    });
    let mut dice = StdRng::seed_from_u64(1);
    let times: Vec<Duration> = patients
        .iter()
        .take(RECORDS)
        .map(|patient| {
            runtime().block_on(write(&tablet, &patient.id.to_string(), SIGNS, &mut dice));
            let began = Instant::now();
            let took = until_none(began, || waiting(Lane::P0));
            eprintln!("an urgent record: {took:?}");
            took
        })
        .collect();
    let mut largest = 0;
    let with_ecg: Vec<Duration> = patients
        .iter()
        .skip(RECORDS)
        .take(ECGS)
        .map(|patient| {
            let patient = patient.id.to_string();
            runtime().block_on(record(&tablet, &patient));
            wait_until("the ECG is stored", || {
                (urgent.map(waiting) != [0, 0]).then_some(())
            });
            let began = Instant::now();
            runtime().block_on(write(&tablet, &patient, SIGNS_WITH_ECG, &mut dice));
            let status = runtime().block_on(beside.link_status());
            let bytes: u64 = urgent.iter().map(|lane| status.queue[lane.index()].bytes).sum();
            let took = until_none(began, || urgent.map(waiting).iter().sum());
            largest = largest.max(bytes);
            eprintln!("an urgent visit with an ECG, {bytes} bytes: {took:?}");
            took
        })
        .collect();
    drop(recorder);
    let left = Lane::ALL.map(waiting).iter().sum::<u64>();
    assert!(left > 0, "the backlog was gone before the urgent records were");
    assert!(clinic.stop().success() && hub.stop().success());
    vec![
        Figure::told(
            "changes and blobs still waiting behind it",
            left as f64,
            Unit::Count,
        ),
        Figure::told(WHAT, Times::of(times).percentile(50) / 1e3, Unit::Seconds).at_most(MEDIAN_MAX_S),
        Figure::told(
            "an urgent visit and its ECG beside it: acknowledged, median",
            Times::of(with_ecg).percentile(50) / 1e3,
            Unit::Seconds,
        )
        .at_most(WITH_ECG_MAX_S),
        Figure::told("their bytes, at most", largest as f64 / 1e3, Unit::Kilobytes),
    ]
}

/// The time from `began` until nothing waits any more.
fn until_none(began: Instant, waiting: impl Fn() -> u64) -> Duration {
    while waiting() > 0 {
        assert!(began.elapsed() < PATIENCE, "never acknowledged");
        std::thread::sleep(Duration::from_millis(20));
    }
    began.elapsed()
}

/// Starts the recorder for somebody.
async fn record(tablet: &PlainBrowser, patient: &str) {
    for path in ["/bays/0/open", "/bays/0/act/start"] {
        let answer = tablet.post(path, &[("patient", patient)]).await.unwrap();
        let refused = answer.location.as_deref().is_none_or(|to| to.contains("refused"));
        assert!(
            answer.status == 303 && !refused,
            "{path}: {:?} {}",
            answer.location,
            answer.body
        );
    }
}

/// Saves a visit with a critical pressure and long texts.
async fn write(tablet: &PlainBrowser, patient: &str, signs: usize, dice: &mut StdRng) {
    let opened = tablet
        .post(&format!("/patients/{patient}/visits"), &[("form", &form_id())])
        .await
        .unwrap();
    let address = format!("/visits/{}", opened.id().unwrap());
    let page = tablet.get(&address).await.unwrap();
    let text = |dice: &mut StdRng| -> String {
        let sign = |dice: &mut StdRng| char::from_u32(dice.random_range(0x4e00..0x9e00));
        (0..signs).filter_map(|_| sign(dice)).collect()
    };
    let texts: Vec<String> = TEXTS.iter().map(|_| text(dice)).collect();
    let form = form_id();
    let mut fields = vec![
        ("form", form.as_str()),
        ("base", page.hidden("base").unwrap()),
        ("bp", CRITICAL),
        ("confirming", CONFIRMING),
        ("confirm", "yes"),
    ];
    fields.extend(
        TEXTS
            .iter()
            .zip(&texts)
            .map(|(name, text)| (*name, text.as_str())),
    );
    let saved = tablet.post(&address, &fields).await.unwrap();
    assert_eq!(saved.status, 303, "{}", saved.body);
}

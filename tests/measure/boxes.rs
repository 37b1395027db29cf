//! A county's boxes that reconnect to their hub within a minute, as after a power cut of the whole county: how soon the
//! urgent record of each is at the hub while others send long backlogs, and what memory the hub takes. The hub is the real
//! program; the boxes are real stores and links in this process, on the same processors.

use std::time::{Duration, Instant};

use appliance::hub_link::{Cable, client_options, join};
use harness::county_hub::CountyHub;
use link::client::Client;
use rand::rngs::StdRng;
use rand::{RngExt as _, SeedableRng as _};
use records::ids::{ClinicCode, PatientId};
use store::{Commit, Lane, Side, Store};
use tokio::task::JoinSet;

use crate::commits;
use crate::figures::{Figure, Times, Unit};
use crate::pages::resident;
use crate::wire::open;

/// How many there are, and what they hold.
#[derive(Clone, Copy)]
struct County {
    boxes: usize,
    /// Boxes that were away for long.
    behind: usize,
    /// Visits that wait in an ordinary box; in one that was away, a hundred times as many.
    visits: usize,
    /// All connect within this time.
    within: Duration,
}

const COUNTY: County = County {
    boxes: 500,
    behind: 5,
    visits: 10,
    within: Duration::from_secs(60),
};
const SHORT_COUNTY: County = County {
    boxes: 20,
    behind: 1,
    visits: 2,
    // At once: many more than the hub's store has readers.
    within: Duration::ZERO,
};
/// Backlog of a box that was away, in those of an ordinary one.
const TIMES_BEHIND: usize = 100;
/// Most seconds until 99 of 100 urgent records are at the hub.
const URGENT_MAX_S: f64 = 30.0;
/// Most memory of the hub.
const MEMORY_MAX_MIB: f64 = 1024.0;
/// How often a box is asked whether its urgent record is there: no more than the timing needs.
const LOOK_EVERY: Duration = Duration::from_millis(250);
/// Everything is at the hub by then, or it never comes.
const PATIENCE: Duration = Duration::from_secs(900);

/// What became of one box.
struct Told {
    urgent: Duration,
    failures: usize,
}

/// The figures.
pub(crate) fn figures(short: bool) -> Vec<Figure> {
    let county = if short { SHORT_COUNTY } else { COUNTY };
    let folder = tempfile::tempdir().unwrap();
    let mut hub = CountyHub::start(folder.path());
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .unwrap();
    eprintln!("enrolling {} boxes", county.boxes);
    let stores: Vec<Store> = (0..county.boxes)
        .map(|n| {
            let code = format!("B{n:03}");
            let token = hub.invite(&code, "示例卫生室");
            let store = open(&folder.path().join(format!("box-{n}")), Side::Box);
            let visits = if n < county.behind {
                county.visits * TIMES_BEHIND
            } else {
                county.visits
            };
            runtime.block_on(fill(&store, &code, &hub, &token, visits));
            store
        })
        .collect();
    eprintln!("they reconnect within {} s", county.within.as_secs());
    let mut dice = StdRng::seed_from_u64(1);
    let told = runtime.block_on(async {
        let mut boxes = JoinSet::new();
        for store in stores {
            let wait = county.within.mul_f64(dice.random());
            boxes.spawn(reconnect(store, wait));
        }
        boxes.join_all().await
    });
    let memory = resident(hub.pid(), "VmHWM:");
    hub.stop();
    let failures: usize = told.iter().map(|told| told.failures).sum();
    let times = Times::of(told.iter().map(|told| told.urgent).collect());
    let of = format!("{} boxes, {} of them far behind", county.boxes, county.behind);
    let seconds = |percent| times.percentile(percent) / 1e3;
    vec![
        Figure::told(
            format!("{of}: urgent record at the hub, p50"),
            seconds(50),
            Unit::Seconds,
        ),
        Figure::told("p99", seconds(99), Unit::Seconds).at_most(URGENT_MAX_S),
        Figure::told("sessions that failed", failures as f64, Unit::Count).at_most(0.0),
        Figure::told("memory of the hub at most", memory, Unit::Mebibytes).at_most(MEMORY_MAX_MIB),
    ]
}

/// Enrols a box and lets it work without its hub.
async fn fill(store: &Store, code: &str, hub: &CountyHub, token: &str, visits: usize) {
    let url = format!("https://{}", hub.link());
    join(store, &url, token, None, &Cable::default()).await.unwrap();
    let clinic: ClinicCode = code.parse().unwrap();
    let patient: PatientId = commits::register(store, &clinic).await;
    for n in 0..visits {
        let visit = commits::visit(patient, &clinic, n);
        store.commit(visit).await.unwrap();
    }
    let urgent = Commit {
        lane: Lane::P0,
        ..commits::visit(patient, &clinic, visits)
    };
    store.commit(urgent).await.unwrap();
    let waits = store.link_status().await.unwrap().queue[Lane::P0.index()].items;
    assert!(waits > 0, "what is timed is not urgent");
}

/// Connects after a while, and stays until everything is at the hub.
async fn reconnect(store: Store, wait: Duration) -> Told {
    tokio::time::sleep(wait).await;
    let began = Instant::now();
    let client = Client::start(store.clone(), None, client_options(None, None));
    let mut told = Told {
        urgent: Duration::ZERO,
        failures: 0,
    };
    let mut failing = false;
    loop {
        tokio::time::sleep(LOOK_EVERY).await;
        let status = store.link_status().await.unwrap();
        let fails = status.cause.is_some();
        told.failures += usize::from(fails && !failing);
        failing = fails;
        if told.urgent.is_zero() && status.queue[Lane::P0.index()].items == 0 {
            told.urgent = began.elapsed();
        }
        if status.pending == 0 {
            break;
        }
        assert!(began.elapsed() < PATIENCE, "it never came: {status:?}");
    }
    client.stop().await;
    told
}

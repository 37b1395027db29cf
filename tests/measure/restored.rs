//! A hub that went back seven days, with a box that started every morning of ten years: what the link carries until both
//! hold the same again, beside what was lost.

use std::io::{BufRead, BufReader, Write};
use std::path::Path;

use harness::workload::Workload;
use records::ids::{ClinicCode, DocId, DocKind};
use records::tree::Edit;
use store::{AuditAct, By, Commit, Side, Store, Target};

use crate::figures::{Figure, Unit};
use crate::wire::{self, Contact};

/// Mornings of ten years, and of a run of the tests.
const SESSIONS: (usize, usize) = (3_650, 200);
/// Days that the hub lost.
const DAYS: usize = 7;
/// Visits of these days: 60 a day.
const VISITS: u32 = 420;
/// Most bytes of the repair, as a multiple of what was lost.
const REPAIR_MAX: f64 = 1.1;
/// Most round trips of the repair.
const ROUND_TRIPS_MAX: f64 = 2.0;

/// One small change, as somebody writes it in the morning.
async fn morning(store: &Store, chart: Option<DocId>, day: usize) -> DocId {
    let clinic: ClinicCode = "0017".parse().unwrap();
    let write = store::Write::new(
        chart.map_or(
            Target::New {
                kind: DocKind::Chart,
                owner: clinic,
            },
            Target::Existing,
        ),
        vec![Edit::put(&["ext", "day"], day as i64)],
    );
    let commit = Commit::new(By::System, AuditAct::ChartChange, vec![write]);
    store.commit(commit).await.unwrap().docs[0]
}

/// Copies a folder whose store is closed.
fn copy(from: &Path, to: &Path) {
    std::fs::create_dir(to).unwrap();
    for entry in std::fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        if entry.file_type().unwrap().is_file() {
            std::fs::copy(entry.path(), to.join(entry.file_name())).unwrap();
        }
    }
}

/// The lines of a file as so many files, in order.
fn split(path: &Path, parts: usize) -> Vec<std::path::PathBuf> {
    let lines: Vec<String> = BufReader::new(std::fs::File::open(path).unwrap())
        .lines()
        .map(|line| line.unwrap())
        .collect();
    let each = lines.len().div_ceil(parts);
    let write = |(nth, lines): (usize, &[String])| {
        let path = path.with_extension(nth.to_string());
        let mut file = std::fs::File::create(&path).unwrap();
        lines.iter().for_each(|line| writeln!(file, "{line}").unwrap());
        path
    };
    lines.chunks(each).enumerate().map(write).collect()
}

struct Told {
    nothing: Contact,
    lost: f64,
    repair: Contact,
    equal: bool,
}

async fn run(folder: &Path, days: &[std::path::PathBuf], sessions: usize) -> Told {
    let (box_folder, hub_folder) = (folder.join("box"), folder.join("hub"));
    let mut end = wire::open(&box_folder, Side::Box);
    let hub = wire::open(&hub_folder, Side::Hub);
    wire::enrol(&end, &hub).await;
    eprintln!("starting the box {sessions} times");
    let mut chart = None;
    for day in 0..sessions {
        drop(end);
        end = wire::open(&box_folder, Side::Box);
        chart = Some(morning(&end, chart, day).await);
        if day % 100 == 0 {
            wire::contact(&end, &hub).await;
        }
    }
    wire::contact(&end, &hub).await;
    let nothing = wire::contact(&end, &hub).await;
    drop(hub);
    let backup = folder.join("backup");
    copy(&hub_folder, &backup);
    let hub = wire::open(&hub_folder, Side::Hub);
    let mut lost = 0;
    for lines in days {
        drop(end);
        end = wire::open(&box_folder, Side::Box);
        wire::import(&end, lines).await;
        lost += wire::contact(&end, &hub).await.bytes;
    }
    drop(hub);
    let hub = wire::open(&backup, Side::Hub);
    hub.begin_epoch().await.unwrap();
    eprintln!("the hub comes back as it was {DAYS} days ago");
    let repair = wire::contact(&end, &hub).await;
    let clinic: ClinicCode = "0017".parse().unwrap();
    let there = hub.clinic_summary(&clinic).await.unwrap().unwrap();
    let here = end.fingerprint().await.unwrap();
    Told {
        nothing,
        lost: lost as f64,
        repair,
        equal: there.fingerprint == here.to_bytes() && end.link_status().await.unwrap().pending == 0,
    }
}

/// The figures. In a short run there is less to lose, so that only the round trips are judged.
pub(crate) fn figures(whole: bool) -> Vec<Figure> {
    let folder = tempfile::tempdir().unwrap();
    let visits = if whole { VISITS } else { VISITS / 10 };
    let lines = folder.path().join("days");
    let panel = Workload {
        patients: visits / 2,
        years: 1,
        visits: 6,
        seed: 2,
    };
    panel.write_base(&lines);
    let days = split(&lines, DAYS);
    let sessions = if whole { SESSIONS.0 } else { SESSIONS.1 };
    let threads = tokio::runtime::Runtime::new().unwrap();
    let told = threads.block_on(run(folder.path(), &days, sessions));
    let what = |text: &str| format!("hub back {DAYS} days, {sessions} old sessions: {text}");
    let times = Figure::told(
        what("bytes, times those lost"),
        told.repair.bytes as f64 / told.lost,
        Unit::Count,
    )
    .against("bytes that were lost", told.lost);
    vec![
        Figure::told(
            what("records that differ afterwards"),
            f64::from(u8::from(!told.equal)),
            Unit::Count,
        )
        .at_most(0.0),
        if whole { times.at_most(REPAIR_MAX) } else { times },
        Figure::told(
            what("round trips"),
            told.repair.counts.round_trips as f64,
            Unit::Count,
        )
        .at_most(ROUND_TRIPS_MAX),
        Figure::told(
            format!("nothing new, {sessions} old sessions, bytes both ways"),
            told.nothing.bytes as f64,
            Unit::Count,
        )
        .at_most(wire::NOTHING_MAX),
    ]
}

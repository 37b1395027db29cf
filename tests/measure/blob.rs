//! A large blob over a very narrow line that is cut again and again, and a box that is rebooted midway.

use std::time::{Duration, Instant};

use harness::far_hub::FarHub;
use harness::narrow_line::{Narrow, NarrowLine, ORDINARY_PACKET};
use harness::workload::Workload;
use rand::rngs::StdRng;
use rand::{Rng as _, SeedableRng as _};
use records::tree::Edit;
use store::{AuditAct, By, Commit, Side, Store, Target, Write};

use crate::figures::{Figure, Unit};
use crate::pages::runtime;
use crate::rows::Panel;
use crate::wire;

/// Who has the blob.
const FEW: Workload = Workload {
    patients: 20,
    years: 1,
    visits: 1,
    seed: 1,
};
/// A line that hardly carries anything, and how often it breaks.
const LINE: Narrow = Narrow {
    kbit: 32,
    delay_ms: 300,
    loss_percent: 0,
    largest: ORDINARY_PACKET,
    seed: 1,
};
const CUT_EVERY: Duration = Duration::from_secs(30);
const BLOB: usize = 10_000_000;
/// The short form sends a twentieth of it over the same line.
const SHORT_BLOB: usize = BLOB / 20;
/// Without cuts, to compare with.
const WHOLE: Narrow = Narrow {
    kbit: 8_000,
    delay_ms: 10,
    ..LINE
};
/// Most bytes of the blob that are sent twice, in a hundred.
const AGAIN_MAX: f64 = 5.0;
/// How many times what the bare line needs it may take before it counts as stalled.
const PATIENCE: u32 = 4;

/// The figures.
pub(crate) fn figures(short: bool) -> Vec<Figure> {
    let size = if short { SHORT_BLOB } else { BLOB };
    let what = format!(
        "a blob of {} MB, 32 kbit/s, cut every 30 s, box rebooted: sent again, %",
        size as f64 / 1e6,
    );
    let Some(whole) = NarrowLine::lay(WHOLE) else {
        return vec![Figure::absent(what, Unit::Count)];
    };
    let folder = tempfile::tempdir().unwrap();
    let ends = FarHub::with_base(&folder.path().join("ends"), FEW);
    attach(&ends, size);
    let [without_cuts, greeting] = uncut(&ends.copy_to(&folder.path().join("uncut")), whole);
    let cut = with_cuts(&ends, size);
    let more = cut.sent.saturating_sub(without_cuts);
    // A connection after each cut and after the reboot greets anew: no byte of the blob.
    let greetings = greeting * u64::from(cut.cuts + 1);
    let percent = |bytes: u64| bytes as f64 * 100.0 / size as f64;
    vec![
        Figure::told(what, percent(more.saturating_sub(greetings)), Unit::Count).at_most(AGAIN_MAX),
        Figure::told(
            "handshakes and greetings of the connections, %",
            percent(greetings),
            Unit::Count,
        ),
        Figure::told("its cuts", f64::from(cut.cuts), Unit::Count),
        Figure::told("it took", cut.took.as_secs_f64(), Unit::Seconds)
            .against("the bare line, s:", bare(size).as_secs_f64()),
    ]
}

/// How long the bytes alone take.
fn bare(size: usize) -> Duration {
    Duration::from_secs_f64(size as f64 * 8.0 / (f64::from(LINE.kbit) * 1e3))
}

/// Gives a patient a picture that nothing makes smaller.
fn attach(ends: &FarHub, size: usize) {
    runtime().block_on(async {
        let store: Store = wire::open(&ends.box_data(), Side::Box);
        let patients = store.patients_page(None, 1).await.unwrap();
        let mut picture = vec![0; size];
        StdRng::seed_from_u64(1).fill_bytes(&mut picture);
        let edits = vec![Edit::put(&["ext", "attached"], size as i64)];
        let write = Write::new(Target::Existing(patients[0].id.doc()), edits);
        let commit = Commit {
            blobs: vec![picture],
            ..Commit::new(By::System, AuditAct::ChartChange, vec![write])
        };
        store.commit(commit).await.unwrap();
    });
}

/// Bytes that go up over a line that holds: with the blob, and of a connection that has nothing to send.
fn uncut(ends: &FarHub, mut line: NarrowLine) -> [u64; 2] {
    let (hub, url) = ends.serve(Some(line.far()), NarrowLine::FAR);
    let ends = [(); 2].map(|()| {
        let said = ends.exchange(Some(&line), &url);
        let sent = said.unwrap_or_else(|said| panic!("{} {}", said.out, said.err));
        assert_eq!(sent.told["pending"], 0, "{}", sent.told);
        line.sent()
    });
    assert!(hub.stop().success());
    [ends[0], ends[1] - ends[0]]
}

struct Cut {
    sent: u64,
    cuts: u32,
    took: Duration,
}

/// The same over a line that is cut, with a box that loses its power halfway.
fn with_cuts(ends: &FarHub, size: usize) -> Cut {
    let mut line = NarrowLine::lay_from_here(LINE).unwrap();
    let (hub, url) = ends.serve(Some(line.far()), NarrowLine::FAR);
    let mut clinic = Some(ends.serve_box(&url));
    let beside = Panel::open(&ends.box_data());
    let waits = || runtime().block_on(beside.link_status()).pending > 0;
    assert!(waits(), "the blob was gone before anything was sent");
    let began = Instant::now();
    let (mut since, mut cuts) = (began, 0);
    let mut rebooted = false;
    while waits() {
        std::thread::sleep(Duration::from_millis(20));
        let now = line.sent();
        if !rebooted && now >= size as u64 / 2 {
            eprintln!("the box loses its power after {now} bytes");
            clinic.take().unwrap().kill();
            clinic = Some(ends.serve_box(&url));
            rebooted = true;
        }
        if since.elapsed() >= CUT_EVERY {
            line.cut();
            since = Instant::now();
            cuts += 1;
            eprintln!("cut {cuts}, {now} bytes sent");
        }
        assert!(began.elapsed() < bare(size) * PATIENCE, "it stalled");
    }
    let took = began.elapsed();
    assert!(rebooted && cuts > 0, "nothing was cut");
    assert!(clinic.unwrap().stop().success() && hub.stop().success());
    let [there, here] = ends.fingerprints();
    assert_eq!(there, here);
    Cut {
        sent: line.sent(),
        cuts,
        took,
    }
}

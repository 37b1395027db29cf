//! Real programs in network namespaces: a working day over a narrow line with loss, and one over a line on which full
//! packets vanish. Everything counts, from the start of the box's process to its end: TCP, TLS, the exchange.

use std::path::Path;
use std::time::Duration;

use harness::far_hub::FarHub;
use harness::narrow_line::{Narrow, NarrowLine, ORDINARY_PACKET};
use harness::workload::Workload;

use crate::figures::{Figure, Times, Unit};

/// A phone network at the edge of its cell: 64 kbit/s, 600 ms there and back, one packet in twenty lost.
pub(crate) const EDGE: Narrow = Narrow {
    kbit: 64,
    delay_ms: 300,
    loss_percent: 5,
    largest: ORDINARY_PACKET,
    seed: 1,
};
/// A tunnel that drops packets of more than 1,400 bytes without a word.
const SWALLOWS: Narrow = Narrow {
    kbit: 2_000,
    delay_ms: 20,
    loss_percent: 0,
    largest: 1_400,
    seed: 1,
};
/// Days that are sent, each from a fresh pair of folders.
const DAYS: usize = 20;
const DAYS_SHORT: usize = 2;
/// Most seconds of a day over the edge: of half of them, and of the worst.
const MEDIAN_MAX_S: f64 = 5.0;
const WORST_MAX_S: f64 = 12.0;

/// The figures.
pub(crate) fn figures(panel: Workload, short: bool) -> Vec<Figure> {
    let median = "a day over 64 kbit/s, 600 ms, 5 % loss: median";
    let worst = "the worst of them";
    let waits = "a day where full packets vanish: changes that still wait";
    let folder = tempfile::tempdir().unwrap();
    if NarrowLine::lay(EDGE).is_none() {
        return vec![
            Figure::absent(median, Unit::Seconds),
            Figure::absent(worst, Unit::Seconds),
            Figure::absent(waits, Unit::Count),
        ];
    }
    eprintln!("sending the base of {panel}");
    let ends = FarHub::with_base(folder.path(), panel);
    let day = folder.path().join("day");
    panel.write_day_after_base(&day);
    ends.import(&day);
    let days = if short { DAYS_SHORT } else { DAYS };
    let mut bytes = Vec::new();
    let times: Vec<Duration> = (0..days)
        .map(|number| {
            let narrow = Narrow {
                seed: number as u64,
                ..EDGE
            };
            let (told, took) = send(&ends, &folder.path().join(format!("day-{number}")), narrow);
            assert_eq!(told["pending"], 0, "{told}");
            eprintln!("day {} of {days}: {took:.2?}", number + 1);
            bytes.push(told["bytes_up"].as_f64().unwrap() + told["bytes_down"].as_f64().unwrap());
            took
        })
        .collect();
    let (told, _) = send(&ends, &folder.path().join("swallowed"), SWALLOWS);
    let times = Times::of(times);
    let seconds = |percent| times.percentile(percent) / 1e3;
    vec![
        Figure::told(median, seconds(50), Unit::Seconds).at_most(MEDIAN_MAX_S),
        Figure::told(worst, seconds(100), Unit::Seconds).at_most(WORST_MAX_S),
        Figure::told("its bytes, both ways", bytes[0] / 1e3, Unit::Kilobytes),
        Figure::told(waits, told["pending"].as_f64().unwrap(), Unit::Count).at_most(0.0),
    ]
}

/// One exchange of copies of the folders over a line.
fn send(ends: &FarHub, folder: &Path, narrow: Narrow) -> (serde_json::Value, Duration) {
    let line = NarrowLine::lay(narrow).unwrap();
    let ends = ends.copy_to(folder);
    let (hub, url) = ends.serve(Some(line.far()), NarrowLine::FAR);
    let sent = ends.exchange(Some(&line), &url);
    let sent = sent.unwrap_or_else(|said| panic!("{} {}", said.out, said.err));
    assert!(hub.stop().success());
    std::fs::remove_dir_all(folder).unwrap();
    (sent.told, sent.took)
}

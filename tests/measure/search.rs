//! Finding a person among tens of thousands, in the store: what SQL and ranking take, without pages.

use std::path::Path;
use std::time::{Duration, Instant};

use harness::programs::run;
use harness::workload::Workload;
use rand::rngs::StdRng;
use rand::{RngExt as _, SeedableRng as _};
use records::patients::PatientLine;
use records::pinyin::name_keys;

use crate::figures::{Figure, Times, Unit};
use crate::import::DATA;
use crate::pages::runtime;
use crate::rows::Panel;

/// Searches of each kind.
const SEARCHES: usize = 1_000;
/// Most milliseconds of 99 in 100.
const P99_MAX_MS: f64 = 1.0;
/// Hits that a page shows, and one more.
const HITS: usize = 31;
/// Chooses what is searched.
const SEED: u64 = 1;

/// A way to type a person.
type Way = fn(&PatientLine) -> Option<String>;

/// What is typed.
const WAYS: [(&str, Way); 4] = [
    ("one character", |line| line.name.chars().next().map(String::from)),
    ("two characters", |line| Some(line.name.chars().take(2).collect())),
    ("initials", |line| {
        let keys = name_keys(&line.name);
        let syllables = keys.full.first()?;
        Some(syllables.iter().filter_map(|one| one.chars().next()).collect())
    }),
    ("phone tail", |line| line.phone_tail.clone()),
];

fn import(people: Workload, folder: &Path) {
    let (lines, data) = (folder.join("lines"), folder.join(DATA));
    people.write_charts(&lines);
    let arguments = [
        "import",
        "--data",
        data.to_str().unwrap(),
        lines.to_str().unwrap(),
    ];
    let said = run("appliance", &arguments, b"");
    assert_eq!(said.code, 0, "{}", said.err);
}

/// The figures of searches among so many people.
pub(crate) fn figures(people: Workload) -> Vec<Figure> {
    let folder = tempfile::tempdir().unwrap();
    eprintln!("importing {} people to search among", people.patients);
    import(people, folder.path());
    let panel = Panel::open(&folder.path().join(DATA));
    let lines = panel.patients();
    assert_eq!(lines.len(), people.patients as usize);
    eprintln!("searching");
    let runtime = runtime();
    let mut figures = Vec::new();
    for (what, way) in WAYS {
        let mut dice = StdRng::seed_from_u64(SEED);
        let mut times: Vec<Duration> = Vec::new();
        while times.len() < SEARCHES {
            let line = &lines[dice.random_range(0..lines.len())];
            let Some(query) = way(line).filter(|query| !query.is_empty()) else {
                continue;
            };
            let began = Instant::now();
            let found = runtime.block_on(panel.search(&query, HITS));
            times.push(began.elapsed());
            assert!(!found.is_empty(), "nobody is found");
        }
        let times = Times::of(times);
        let name = |percent| format!("search by {what} among {} people, p{percent}", people.patients);
        figures.push(Figure::told(name(50), times.percentile(50), Unit::Milliseconds));
        figures.push(Figure::told(name(99), times.percentile(99), Unit::Milliseconds).at_most(P99_MAX_MS));
    }
    figures
}

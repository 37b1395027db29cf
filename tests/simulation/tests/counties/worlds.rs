//! Counties under virtual time: nothing is lost, hidden, leaked or invented, and everything comes to rest.

use simulation::{Settings, run};

/// How many seeds are run; `CLINIC_SEEDS` asks for more.
fn seeds() -> u64 {
    let asked = std::env::var("CLINIC_SEEDS").ok();
    asked.and_then(|count| count.parse().ok()).unwrap_or(2)
}

/// How many hours of work; `CLINIC_HOURS` asks for more.
fn hours() -> u64 {
    let asked = std::env::var("CLINIC_HOURS").ok();
    asked.and_then(|count| count.parse().ok()).unwrap_or(3)
}

#[track_caller]
fn holds(settings: impl Fn(u64, u64) -> Settings, first: u64, all: &str) {
    for seed in first..first + seeds() {
        if let Err(failure) = run(settings(seed, hours())) {
            let hours = failure.hours;
            panic!("seed {seed}:\n{failure}\n  again: simulation --seed {seed} --hours {hours}{all}");
        }
    }
}

#[test]
fn behind_a_flapping_village_link_nothing_is_lost_and_everything_comes_to_rest() {
    holds(Settings::village, 0, "");
}

#[test]
fn with_restores_copied_disks_sticks_and_patients_who_move_nothing_is_lost_or_leaked() {
    holds(Settings::county, 300, " --all");
}

#[test]
fn the_same_seed_gives_the_same_run() {
    let once = run(Settings::village(77, 1)).unwrap();
    assert_eq!(run(Settings::village(77, 1)).unwrap(), once);
    assert_ne!(run(Settings::village(78, 1)).unwrap().digest, once.digest);
}

//! Ends the real process under load, as a power cut would, and looks for every record that it had acknowledged.
//!
//! `CLINIC_KILLS` says how many times (100 where it is not set), `CLINIC_SEED` repeats a run.

use std::path::Path;

use harness::kills::kill;
use harness::programs::{Program, run, wait_until};
use harness::workload::Workload;
use rand::RngExt as _;

/// Kills of an ordinary run.
const KILLS: u32 = 100;

/// A number from the environment.
fn setting(name: &str) -> Option<u64> {
    std::env::var(name).ok().map(|text| {
        text.parse()
            .unwrap_or_else(|_| panic!("{name} is no number: {text}"))
    })
}

#[test]
fn no_acknowledged_record_is_lost_when_the_process_dies() {
    let kills = setting("CLINIC_KILLS").map_or(KILLS, |kills| u32::try_from(kills).unwrap());
    let seed = setting("CLINIC_SEED").unwrap_or_else(|| rand::rng().random_range(0..1_000_000));
    println!("{kills} kills, CLINIC_SEED={seed}");
    let told = kill(kills, seed);
    assert!(told.faults.is_empty(), "{:#?}", told.faults);
    assert!(told.acknowledged > 0, "nothing was acknowledged");
    assert!(kills < KILLS || told.at_points > 0, "no named point was reached");
    println!(
        "{kills} kills ({} at named points), {} acknowledged records, none lost",
        told.at_points, told.acknowledged
    );
}

#[test]
fn an_import_that_is_killed_goes_on_where_it_stopped() {
    let folder = tempfile::tempdir().unwrap();
    let (lines, data) = (folder.path().join("lines"), folder.path().join("data"));
    let few = Workload {
        patients: 120,
        years: 1,
        visits: 4,
        seed: 3,
    };
    few.write(&lines);
    let (lines, data) = (lines.to_str().unwrap(), data.to_str().unwrap());
    let import = ["import", "--data", data, lines, "--json"];
    let program = Program::start("appliance", &import, &[], folder.path());
    let log = Path::new(data).join("clinic.db-wal");
    // The write-ahead log has grown past the making of the tables: a batch is on the disk.
    wait_until("the import writes", || {
        std::fs::metadata(&log)
            .ok()
            .filter(|file| file.len() > 600 * 1024)
    });
    program.kill();
    let verify = ["verify", "--data", data, "--rebuild", "--json"];
    let half = run("appliance", &verify, b"");
    assert_eq!(half.code, 0, "{} {}", half.out, half.err);
    let rest = run("appliance", &import, b"").json();
    let number = |key: &str| rest[key].as_u64().unwrap();
    assert_eq!(number("lines"), number("new") + number("known"));
    assert_eq!(number("refused"), 0);
    let whole = run("appliance", &verify, b"");
    assert_eq!(whole.code, 0, "{} {}", whole.out, whole.err);
    assert_eq!(whole.json()["patients"], 120);
    let wanted = std::fs::read_to_string(lines).unwrap().lines().count();
    let export = run("appliance", &["export", "--data", data, "--all", "-"], b"");
    assert_eq!(export.out.lines().count(), wanted);
}

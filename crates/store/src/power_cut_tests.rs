//! Power cuts: what was not brought to the disk before the last commit that returned is dropped, reordered or half
//! written. Whatever was acknowledged is there at the next start, and all of it can be read.

use std::fs;

use records::ids::DocKind;
use records::tree::Edit;

use crate::workbench::{Bench, new_doc, random, write};
use crate::{OpenOptions, Side, Store};

/// Commits of the run that is cut.
const COMMITS: usize = 8;
/// Cuts, each with another damage to what was in flight.
const CUTS: u64 = 60;
/// The unit in which a disk writes whole or not at all.
const SECTOR: usize = 512;

/// What lay in the two files when a commit had returned.
struct Moment {
    database: Vec<u8>,
    log: Vec<u8>,
}

/// Spoils `tail`, the part of the log that no commit has vouched for: sectors stay, vanish, hold the bytes of
/// another one or are torn in the middle; the end may be missing.
fn spoil(tail: &mut Vec<u8>, mut roll: impl FnMut(usize) -> usize) {
    let before = tail.clone();
    let sectors = tail.len().div_ceil(SECTOR);
    for n in 0..sectors {
        let range = n * SECTOR..((n + 1) * SECTOR).min(before.len());
        match roll(5) {
            0 => tail[range].fill(0),
            1 => {
                let from = roll(sectors) * SECTOR;
                let length = range.len().min(before.len() - from);
                tail[range.start..range.start + length].copy_from_slice(&before[from..from + length]);
            }
            2 => {
                let middle = range.start + range.len() / 2;
                tail[middle..range.end].fill(0xa5);
            }
            _ => {}
        }
    }
    if roll(2) == 0 {
        tail.truncate(roll(before.len() + 1));
    }
}

#[tokio::test]
async fn what_was_acknowledged_survives_whatever_becomes_of_the_rest() {
    let bench = Bench::new();
    let store = bench.open();
    let (path, log) = (
        bench.folder.path().join("clinic.db"),
        bench.folder.path().join("clinic.db-wal"),
    );
    let mut moments = Vec::new();
    for n in 0..COMMITS {
        let named = Edit::put(&["person", "name"], format!("示例{n}").repeat(40).as_str());
        write(&store, new_doc(DocKind::Chart, vec![named])).await;
        moments.push(Moment {
            database: fs::read(&path).unwrap(),
            log: fs::read(&log).unwrap(),
        });
    }
    let key = fs::read(bench.folder.path().join("device.key")).unwrap();
    let mut harmed = 0;
    for seed in 0..CUTS {
        let mut bytes = random(seed);
        let mut roll = move |below: usize| {
            let mut drawn = [0; 8];
            bytes(&mut drawn);
            u64::from_le_bytes(drawn) as usize % below
        };
        let acknowledged = 1 + roll(COMMITS - 1);
        let (vouched, in_flight) = (&moments[acknowledged - 1], &moments[acknowledged]);
        let (whole, tail) = in_flight.log.split_at(vouched.log.len());
        let mut tail = tail.to_vec();
        spoil(&mut tail, roll);
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("device.key"), &key).unwrap();
        fs::write(folder.path().join("clinic.db"), &in_flight.database).unwrap();
        fs::write(folder.path().join("clinic.db-wal"), [whole, &tail].concat()).unwrap();
        let options = OpenOptions::new(Side::Box, bench.clock.clone(), random(10_000 + seed));
        let again = Store::open(folder.path(), options).unwrap();
        assert!(again.alarms().await.unwrap().is_empty(), "seed {seed}");
        let found = again.verify(None, Box::new(|_, _| {})).await.unwrap();
        assert!(found.problems.is_empty(), "seed {seed}: {:?}", found.problems);
        let kept = found.patients as usize;
        assert!(
            (acknowledged..=acknowledged + 1).contains(&kept),
            "seed {seed}: {kept} of {acknowledged}"
        );
        harmed += usize::from(kept == acknowledged);
    }
    assert!(harmed > 0, "no cut took anything: the test spoils nothing");
}

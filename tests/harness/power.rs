//! A disk that loses its power while a store writes to it.
//!
//! The store really works; after each commit and each checkpoint of its write-ahead log the bytes of both files are
//! kept. What SQLite brings to the disk before it goes on (its "Atomic Commit" and "WAL mode" documents, with
//! `synchronous=FULL`) says what a power cut can leave between two such moments: of what differs between them every
//! sector may be the old one, the new one, torn, or another sector's, in any combination; what they share is safe.
//! A cut while a commit is written thus spoils the log's tail, or its begin where the log starts over; one during a
//! checkpoint spoils pages of the database file itself.

use std::fs;
use std::ops::Range;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use rand::rngs::StdRng;
use rand::{RngExt as _, SeedableRng as _};
use records::ids::DocKind;
use records::time::{ClockSource, Stamp, WallTime};
use records::tree::Edit;
use rusqlite::Connection;
use store::{AuditAct, By, Clock, Commit, OpenOptions, Side, Store, Target, Write};

/// Commits of the run that is cut.
const COMMITS: usize = 24;
/// After how many commits the log is brought into the database file.
const CHECKPOINT_EVERY: usize = 4;
/// Bytes of a page of the database.
const PAGE: usize = 4096;
/// The unit in which a disk writes whole or not at all.
const SECTOR: usize = 512;

/// What lay in the two files at a moment at which nothing was under way.
#[derive(Clone)]
struct Moment {
    database: Vec<u8>,
    log: Vec<u8>,
    /// Commits that had been acknowledged.
    acknowledged: usize,
}

/// A run of a store, moment by moment.
pub struct Run {
    key: Vec<u8>,
    moments: Vec<Moment>,
}

/// What a cut left.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Left {
    /// Whether the cut was during a checkpoint.
    pub checkpoint: bool,
    /// Whether it fell into a log that had started over.
    pub started_over: bool,
    /// Whether what was under way at the cut is there; it need not be.
    pub unacknowledged_kept: bool,
}

struct Still;

impl Clock for Still {
    fn now(&self) -> Stamp {
        Stamp {
            at: WallTime(1_760_000_000_000),
            source: ClockSource::Tablet,
        }
    }

    fn uptime(&self) -> Duration {
        Duration::ZERO
    }
}

fn open(folder: &Path, seed: u64) -> Store {
    let mut dice = StdRng::seed_from_u64(seed);
    let random = Box::new(move |bytes: &mut [u8]| dice.fill(bytes));
    Store::open(folder, OpenOptions::new(Side::Box, Arc::new(Still), random)).unwrap()
}

fn phone(n: usize) -> String {
    format!("139{n:08}")
}

/// A chart that takes some pages, with what it is found by.
async fn commit(store: &Store, n: usize) {
    let edits = vec![
        Edit::put(&["person", "name"], format!("示例{n}").repeat(30).as_str()),
        Edit::put(&["person", "phone"], phone(n).as_str()),
    ];
    let target = Target::New {
        kind: DocKind::Chart,
        owner: "0017".parse().unwrap(),
    };
    let write = Write::new(target, edits);
    let commit = Commit {
        blobs: vec![vec![n as u8; 3_000]],
        ..Commit::new(By::System, AuditAct::ChartChange, vec![write])
    };
    store.commit(commit).await.unwrap();
}

impl Run {
    /// Lets a store work.
    pub async fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let store = open(folder.path(), 0);
        let database = folder.path().join("clinic.db");
        let look = |acknowledged| Moment {
            database: fs::read(&database).unwrap(),
            log: fs::read(folder.path().join("clinic.db-wal")).unwrap(),
            acknowledged,
        };
        let mut moments = Vec::new();
        for n in 0..COMMITS {
            commit(&store, n).await;
            moments.push(look(n + 1));
            if n % CHECKPOINT_EVERY == CHECKPOINT_EVERY - 1 {
                let sql = Connection::open(&database).unwrap();
                let told: (i64, i64, i64) = sql
                    .query_row("PRAGMA wal_checkpoint(PASSIVE)", [], |row| {
                        Ok((row.get(0)?, row.get(1)?, row.get(2)?))
                    })
                    .unwrap();
                assert!(told.0 == 0 && told.1 == told.2, "the whole log: {told:?}");
                moments.push(look(n + 1));
            }
        }
        Self {
            key: fs::read(folder.path().join("device.key")).unwrap(),
            moments,
        }
    }

    /// Cuts the power at a moment and in a way that the seed decides, starts again, and looks for everything that
    /// had been acknowledged.
    ///
    /// # Errors
    ///
    /// Something acknowledged is lost or unreadable; the text says what.
    pub async fn cut(&self, seed: u64) -> Result<Left, String> {
        let mut dice = StdRng::seed_from_u64(seed);
        let at = dice.random_range(1..self.moments.len());
        let (before, after) = (&self.moments[at - 1], &self.moments[at]);
        let checkpoint = before.acknowledged == after.acknowledged;
        let folder = tempfile::tempdir().unwrap();
        let log = if checkpoint {
            // It stays as it was until the database file is on the disk.
            before.log.clone()
        } else {
            let written = written(&before.log, &after.log);
            mix(&before.log, &after.log, &written, &mut dice)
        };
        fs::write(folder.path().join("device.key"), &self.key).unwrap();
        let pages = pages_written(&before.database, &after.database);
        let database = mix(&before.database, &after.database, &pages, &mut dice);
        fs::write(folder.path().join("clinic.db"), database).unwrap();
        fs::write(folder.path().join("clinic.db-wal"), log).unwrap();
        let store = open(folder.path(), seed + 1);
        let case = format!("seed {seed}, moment {at}");
        let alarms = store.alarms().await.unwrap();
        let found = store.verify(None, Box::new(|_, _| {})).await.unwrap();
        if !alarms.is_empty() || !found.problems.is_empty() {
            return Err(format!("{case}: {alarms:?} {:?}", found.problems));
        }
        let kept = usize::try_from(found.patients).unwrap();
        if !(before.acknowledged..=after.acknowledged).contains(&kept) {
            return Err(format!("{case}: {kept} of {}", before.acknowledged));
        }
        for n in 0..before.acknowledged {
            let hits = store.search_patients(&phone(n), 2).await.unwrap();
            if hits.len() != 1 {
                return Err(format!("{case}: {n} was acknowledged and is lost"));
            }
        }
        // And work goes on.
        commit(&store, COMMITS).await;
        Ok(Left {
            checkpoint,
            started_over: !checkpoint && !after.log.starts_with(&before.log),
            unacknowledged_kept: kept > before.acknowledged,
        })
    }
}

/// The stretch of the log that was being written. What stands in the same sector before it is safe: SQLite counts on
/// that ("powersafe overwrite"), as every file system with a journal does.
fn written(old: &[u8], new: &[u8]) -> Vec<Range<usize>> {
    let differs = |at: &usize| old.get(*at) != new.get(*at);
    let all = 0..old.len().max(new.len());
    let (first, last) = (all.clone().find(differs), all.rev().find(differs));
    first
        .zip(last)
        .map(|(first, last)| first..last + 1)
        .into_iter()
        .collect()
}

/// The pages of the database file that were being written, each as a whole.
fn pages_written(old: &[u8], new: &[u8]) -> Vec<Range<usize>> {
    let length = old.len().max(new.len());
    let pages = (0..length).step_by(PAGE).map(|at| at..(at + PAGE).min(length));
    pages
        .filter(|page| old.get(page.clone()) != new.get(page.clone()))
        .collect()
}

/// What a cut makes of a file of which these stretches were being changed from `old` to `new`.
fn mix(old: &[u8], new: &[u8], written: &[Range<usize>], dice: &mut StdRng) -> Vec<u8> {
    let longest = old.len().max(new.len());
    let whole = |bytes: &[u8]| {
        let mut whole = bytes.to_vec();
        whole.resize(longest, 0);
        whole
    };
    let (was, is) = (whole(old), whole(new));
    // Some cuts come when all is written and nobody has heard, some in the middle of a write that goes in order.
    match dice.random_range(0..4) {
        0 => return new.to_vec(),
        1 => {
            let until = dice.random_range(0..=longest);
            return [&is[..until], &was[until..]].concat();
        }
        _ => {}
    }
    let mut mixed = was.clone();
    for stretch in written {
        let mut at = stretch.start;
        while at < stretch.end {
            let end = ((at / SECTOR + 1) * SECTOR).min(stretch.end);
            let middle = at + (end - at) / 2;
            match dice.random_range(0..5) {
                0 | 1 => mixed[at..end].copy_from_slice(&is[at..end]),
                2 => mixed[at..middle].copy_from_slice(&is[at..middle]),
                3 => {
                    let from = dice.random_range(0..=longest - (end - at));
                    mixed[at..end].copy_from_slice(&is[from..from + end - at]);
                }
                _ => {}
            }
            at = end;
        }
    }
    if new.len() > old.len() && dice.random_bool(0.5) {
        mixed.truncate(dice.random_range(old.len()..=new.len()));
    }
    mixed
}

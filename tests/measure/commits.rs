//! Durable single commits: a visit with its reading, saved by the store, against bare SQLite writing the same rows.

use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use appliance::clock::SystemClock;
use records::encounters::open_visit;
use records::ids::{ClinicCode, DocKind, FormId, ObservationId, PatientId, StaffId};
use records::patients::NewPatient;
use records::time::{ClockSource, Stamp, WallTime};
use records::units::{Bpm, MmHg};
use records::vitals::{Measured, Observation, Origin, add_observation};
use rusqlite::types::Value;
use rusqlite::{Connection, params_from_iter};
use store::{AuditAct, By, Commit, OpenOptions, Side, Store, Target, Write};

use crate::figures::{Figure, Times, Unit, milliseconds};
use crate::pages::runtime;

/// Commits that are timed, of each.
const COMMITS: usize = 400;
/// The same for each run of the tests.
const COMMITS_SHORT: usize = 40;
/// Commits before them that are not.
const WARM_UP: usize = 40;
/// How many times what bare SQLite takes a commit of the store may take: it makes 0.75 times as many in the same time.
const TIMES_MAX: f64 = 1.0 / 0.75;
/// Doctor of these visits.
const DOCTOR: StaffId = StaffId([7; 8]);
/// The database in a data folder.
const DATABASE: &str = "clinic.db";

/// Rows that a run added, table by table.
type Added = Vec<(String, Vec<Vec<Value>>)>;

fn stamp(n: usize) -> Stamp {
    Stamp {
        at: WallTime(1_760_000_000_000 + n as i64 * 60_000),
        source: ClockSource::Hub,
    }
}

fn commit(write: Write, form: [u8; 16]) -> Commit {
    Commit {
        form: Some(FormId(form)),
        ..Commit::new(By::Staff(DOCTOR), AuditAct::VisitOpen, vec![write])
    }
}

/// A visit with a blood pressure, as a doctor saves it.
pub(crate) fn visit(patient: PatientId, clinic: &ClinicCode, n: usize) -> Commit {
    let reading = Observation {
        id: ObservationId(rand::random()),
        measured: Measured::BloodPressure {
            systolic: MmHg::new(110 + (n % 50) as i64).unwrap(),
            diastolic: MmHg::new(70 + (n % 20) as i64).unwrap(),
            pulse: Bpm::new(60 + (n % 30) as i64).ok(),
        },
        taken: stamp(n),
        origin: Origin::Device {
            key: "omron-hbp9030".into(),
            serial: "20260001".into(),
        },
        by: Some(DOCTOR),
        marks: Vec::new(),
        withdrawn: None,
    };
    let mut edits = open_visit(patient, clinic, DOCTOR, "李医生", stamp(n));
    edits.extend(add_observation(&reading));
    let target = Target::New {
        kind: DocKind::Encounter,
        owner: clinic.clone(),
    };
    let write = Write::new(target, edits);
    commit(write, rand::random())
}

/// Registers a person.
pub(crate) async fn register(store: &Store, clinic: &ClinicCode) -> PatientId {
    let person = NewPatient {
        name: "王秀英".into(),
        ..NewPatient::default()
    };
    let edits = person.edits(Some(DOCTOR), stamp(0), &mut || store.fresh());
    let target = Target::New {
        kind: DocKind::Chart,
        owner: clinic.clone(),
    };
    let write = Write::new(target, edits);
    let made = store.commit(commit(write, rand::random())).await.unwrap();
    made.docs[0].patient().unwrap()
}

fn open(folder: &Path) -> Store {
    let random = Box::new(|bytes: &mut [u8]| rand::fill(bytes));
    let clock = Arc::new(SystemClock::start());
    Store::open(folder, OpenOptions::new(Side::Box, clock, random)).unwrap()
}

/// Rows of `after` that `before` lacks.
fn added(before: &Path, after: &Path) -> Added {
    let sql = Connection::open(after).unwrap();
    sql.execute("ATTACH ?1 AS before", [before.to_str().unwrap()])
        .unwrap();
    let mut tables = sql
        .prepare("SELECT name FROM before.sqlite_schema WHERE type = 'table' AND name NOT LIKE 'sqlite_%'")
        .unwrap();
    let tables = tables.query_map([], |row| row.get::<_, String>(0)).unwrap();
    let rows_of = |table: &str| {
        let query = format!("SELECT * FROM main.{table} EXCEPT SELECT * FROM before.{table}");
        let mut find = sql.prepare(&query).unwrap();
        let columns = find.column_count();
        let rows = find.query_map([], |row| (0..columns).map(|at| row.get(at)).collect());
        rows.unwrap().map(Result::unwrap).collect::<Vec<Vec<Value>>>()
    };
    let all = tables.map(|table| {
        let table = table.unwrap();
        let rows = rows_of(&table);
        (table, rows)
    });
    all.filter(|(_, rows)| !rows.is_empty()).collect()
}

/// Writes the rows by SQLite alone, a commit's share in each transaction; how long each took.
fn write_bare(path: &Path, added: &Added, commits: usize) -> Vec<Duration> {
    let sql = Connection::open(path).unwrap();
    sql.pragma_update(None, "journal_mode", "WAL").unwrap();
    sql.pragma_update(None, "synchronous", "FULL").unwrap();
    sql.pragma_update(None, "cache_size", -16_384).unwrap();
    // What the store's triggers write stands among the rows.
    let triggers: Vec<String> = {
        let mut names = sql
            .prepare("SELECT name FROM sqlite_schema WHERE type = 'trigger'")
            .unwrap();
        let names = names.query_map([], |row| row.get(0)).unwrap();
        names.map(Result::unwrap).collect()
    };
    for trigger in triggers {
        sql.execute_batch(&format!("DROP TRIGGER {trigger}")).unwrap();
    }
    let mut puts: Vec<_> = added
        .iter()
        .map(|(table, rows)| {
            let places = vec!["?"; rows[0].len()].join(", ");
            let put = sql.prepare(&format!("INSERT OR REPLACE INTO {table} VALUES({places})"));
            (put.unwrap(), rows)
        })
        .collect();
    let mut times = Vec::new();
    for n in 0..commits {
        let began = Instant::now();
        sql.execute_batch("BEGIN IMMEDIATE").unwrap();
        for (put, rows) in &mut puts {
            let share = if rows.len() < commits {
                // One row that every commit writes anew.
                &rows[..]
            } else {
                &rows[n * rows.len() / commits..(n + 1) * rows.len() / commits]
            };
            for row in share {
                put.execute(params_from_iter(row)).unwrap();
            }
        }
        sql.execute_batch("COMMIT").unwrap();
        times.push(began.elapsed());
    }
    times
}

/// The figures of single commits.
pub(crate) fn figures(short: bool) -> Vec<Figure> {
    eprintln!("committing");
    let commits = if short { COMMITS_SHORT } else { COMMITS };
    let folder = tempfile::tempdir().unwrap();
    let (data, before) = (folder.path().join("box"), folder.path().join("before.db"));
    let clinic: ClinicCode = "0017".parse().unwrap();
    let store = open(&data);
    let runtime = runtime();
    let patient = runtime.block_on(async {
        store.set_clinic(&clinic).await.unwrap();
        register(&store, &clinic).await
    });
    let save = |n: usize| {
        let commit = visit(patient, &clinic, n);
        let began = Instant::now();
        runtime.block_on(store.commit(commit)).unwrap();
        began.elapsed()
    };
    for n in 0..WARM_UP {
        save(n);
    }
    {
        let sql = Connection::open(data.join(DATABASE)).unwrap();
        sql.execute("VACUUM INTO ?1", [before.to_str().unwrap()]).unwrap();
    }
    let ours: Vec<Duration> = (WARM_UP..WARM_UP + commits).map(save).collect();
    drop(store);
    let rows = added(&before, &data.join(DATABASE));
    let count: usize = rows.iter().map(|(_, rows)| rows.len()).sum();
    assert!(count >= commits * 4, "the rows of {commits} commits: {count}");
    let bare = Times::of(write_bare(&before, &rows, commits));
    let ours = Times::of(ours);
    let each = |times: &Times| milliseconds(times.sum()) / commits as f64;
    let what = format!(
        "durable single commits, {:.2} ms each (half of them within {:.2}), against",
        each(&ours),
        ours.percentile(50)
    );
    vec![
        Figure::told(what, each(&ours) / each(&bare), Unit::Times)
            .against("bare SQLite, ms:", each(&bare))
            .at_most(TIMES_MAX),
    ]
}

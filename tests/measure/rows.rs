//! The rows behind a patient's page: how long the store takes for them, and how long bare SQLite does.

use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use appliance::clock::SystemClock;
use records::ids::PatientId;
use records::patients::PatientLine;
use rusqlite::{Connection, OpenFlags, params};
use store::{Mode, OpenOptions, Side, Store};

use crate::figures::{Figure, Times, Unit, milliseconds};
use crate::pages::runtime;

/// Patients whose rows are read.
const PATIENTS: usize = 500;
/// How many times what bare SQLite takes the store may take.
const TIMES_MAX: f64 = 3.0;
/// Visits that the page reads.
const VISITS: usize = 9;
/// Readings that the page reads.
const READINGS: usize = 300;
/// Patients in one step of a list.
const STEP: usize = 500;
/// Documents that hold readings of a patient.
const OF_PATIENT: &str =
    "(SELECT d, id FROM encounters WHERE patient = ?1 UNION ALL SELECT d, id FROM series WHERE patient = ?1)";

/// A panel, read beside the program that serves it.
pub(crate) struct Panel(Store);

impl Panel {
    pub(crate) fn open(data: &Path) -> Self {
        let random = Box::new(|bytes: &mut [u8]| rand::fill(bytes));
        let clock = Arc::new(SystemClock::start());
        let options = OpenOptions {
            mode: Mode::Beside,
            ..OpenOptions::new(Side::Box, clock, random)
        };
        Self(Store::open(data, options).unwrap())
    }

    /// Everybody on it.
    pub(crate) fn patients(&self) -> Vec<PatientLine> {
        runtime().block_on(async {
            let mut all: Vec<PatientLine> = Vec::new();
            loop {
                let after = all.last().map(|line| line.id);
                let some = self.0.patients_page(after, STEP).await.unwrap();
                if some.is_empty() {
                    return all;
                }
                all.extend(some);
            }
        })
    }

    /// Searches as a page does.
    pub(crate) async fn search(&self, query: &str, limit: usize) -> Vec<PatientLine> {
        self.0.search_patients(query, limit).await.unwrap()
    }

    /// How the link of the running box stands.
    pub(crate) async fn link_status(&self) -> store::LinkStatus {
        self.0.link_status().await.unwrap()
    }

    /// Reads what a patient's page shows; the number of rows.
    async fn read(&self, patient: PatientId) -> usize {
        let record = self.0.patient_record(patient, VISITS, READINGS).await.unwrap();
        let record = record.unwrap();
        1 + record.visits.len() + record.readings.len() + record.ecgs.len()
    }
}

/// Reads the same rows by SQLite alone; their number.
fn read_bare(sql: &Connection, patient: PatientId) -> usize {
    let readings = format!(
        "SELECT x.id, o.id, o.kind, o.taken, o.clock, o.value1, o.value2, o.value3, o.missing, o.timing, o.origin,
             o.device, o.serial, o.author, o.marks, o.withdrawn
         FROM {OF_PATIENT} x JOIN observations o ON o.d = x.d ORDER BY o.taken DESC, o.id LIMIT {READINGS}"
    );
    let ecgs = format!(
        "SELECT x.id, e.body FROM {OF_PATIENT} x JOIN ecgs e ON e.d = x.d
         ORDER BY e.taken DESC, e.id LIMIT 1000"
    );
    let visits = format!(
        "SELECT id, patient, opened, clock, doctor, state, triage, complaint, diagnosis, clinic
         FROM encounters WHERE patient = ?1 ORDER BY opened DESC, id LIMIT {VISITS}"
    );
    let chart = "SELECT c.body, x.heads FROM documents x JOIN charts c ON c.d = x.d WHERE x.id = ?1";
    let queries = [chart, &visits, &readings, &ecgs];
    queries.map(|query| rows_of(sql, query, patient)).iter().sum()
}

/// Steps through a query and takes every value out, as text or bytes would be.
fn rows_of(sql: &Connection, query: &str, patient: PatientId) -> usize {
    let mut statement = sql.prepare_cached(query).unwrap();
    let columns = statement.column_count();
    let mut rows = statement.query(params![patient.as_bytes()]).unwrap();
    let mut count = 0;
    while let Some(row) = rows.next().unwrap() {
        for column in 0..columns {
            std::hint::black_box(row.get::<_, rusqlite::types::Value>(column).unwrap());
        }
        count += 1;
    }
    count
}

/// The figure of the rows behind a patient's page.
pub(crate) fn figure(data: &Path, lines: &[PatientLine]) -> Figure {
    eprintln!("reading rows");
    let step = (lines.len() / PATIENTS).max(1);
    let patients: Vec<PatientId> = lines
        .iter()
        .step_by(step)
        .take(PATIENTS)
        .map(|line| line.id)
        .collect();
    let panel = Panel::open(data);
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let sql = Connection::open_with_flags(data.join("clinic.db"), flags).unwrap();
    sql.pragma_update(None, "cache_size", -16_384).unwrap();
    sql.set_prepared_statement_cache_capacity(16);
    let runtime = runtime();
    let (mut ours, mut bare): (Vec<Duration>, Vec<Duration>) = (Vec::new(), Vec::new());
    for turn in 0..2 {
        for patient in &patients {
            let began = Instant::now();
            let found = runtime.block_on(panel.read(*patient));
            let between = Instant::now();
            let wanted = read_bare(&sql, *patient);
            let ended = Instant::now();
            assert_eq!(found, wanted, "rows of one patient");
            // The first turn fills the caches of both.
            if turn == 1 {
                ours.push(between - began);
                bare.push(ended - between);
            }
        }
    }
    let count = patients.len() as f64;
    let (ours, bare) = (Times::of(ours).sum(), Times::of(bare).sum());
    let each = |time: Duration| milliseconds(time) / count;
    let what = format!("rows of a patient's page, {:.3} ms each, against", each(ours));
    Figure::told(what, ours.as_secs_f64() / bare.as_secs_f64(), Unit::Times)
        .against("bare SQLite, ms:", each(bare))
        .at_most(TIMES_MAX)
}

//! Lines of a made-up clinic, from `workload/gen.py`: one seed gives the same bytes everywhere.

use std::fs::File;
use std::path::Path;
use std::process::{Command, Stdio};

/// What is generated.
#[derive(Debug, Clone, Copy)]
pub struct Workload {
    /// Patients.
    pub patients: u32,
    /// Years of history.
    pub years: u32,
    /// Visits of a patient in a year.
    pub visits: u32,
    /// Seed.
    pub seed: u64,
}

impl Workload {
    /// Writes the panel with its history.
    pub fn write(self, path: &Path) {
        self.run(path, &[]);
    }

    /// Writes the lines of one working day of the same clinic.
    pub fn write_day(self, path: &Path) {
        self.run(path, &["--day"]);
    }

    /// Writes the charts of the clinic and two visits of each patient, without readings: what a hub gets first.
    pub fn write_base(self, path: &Path) {
        let numbers = [("--patients", u64::from(self.patients)), ("--seed", self.seed)];
        generate(path, &numbers, &["--per-patient", "2", "--no-vitals"]);
    }

    /// Writes the charts of the clinic with one visit each, without readings.
    pub fn write_charts(self, path: &Path) {
        let numbers = [("--patients", u64::from(self.patients)), ("--seed", self.seed)];
        generate(path, &numbers, &["--per-patient", "1", "--no-vitals"]);
    }

    /// Writes a working day of the clinic of [`Self::write_base`].
    pub fn write_day_after_base(self, path: &Path) {
        let numbers = [("--patients", u64::from(self.patients)), ("--seed", self.seed)];
        generate(path, &numbers, &["--day"]);
    }

    fn run(self, path: &Path, more: &[&str]) {
        let numbers = [
            ("--patients", u64::from(self.patients)),
            ("--years", u64::from(self.years)),
            ("--visits", u64::from(self.visits)),
            ("--seed", self.seed),
        ];
        generate(path, &numbers, more);
    }
}

fn generate(path: &Path, numbers: &[(&str, u64)], more: &[&str]) {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("workload/gen.py");
    let arguments = numbers
        .iter()
        .flat_map(|(name, n)| [(*name).to_owned(), n.to_string()]);
    let status = Command::new("python3")
        .arg(script)
        .args(arguments)
        .args(more)
        .stdin(Stdio::null())
        .stdout(File::create(path).unwrap())
        .status()
        .unwrap_or_else(|error| panic!("python3 is needed for the workload: {error}"));
    assert!(status.success(), "gen.py failed");
}

impl std::fmt::Display for Workload {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self {
            patients,
            years,
            visits,
            seed,
        } = self;
        write!(
            f,
            "gen.py --patients {patients} --years {years} --visits {visits} --seed {seed}"
        )
    }
}

//! A device that is not there: opens a pseudo terminal, prints its path, then obeys lines on standard input.

use std::io::{BufRead, Write};
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use clap::Parser;
use device_drivers::catalogue::DeviceKey;
use device_drivers::simulators::{Command, Faults, Replay, SimOptions, Simulator};
use jiff::tz::Offset;

/// China Standard Time, which the devices' own clocks show.
const CHINA: Offset = Offset::constant(8);

/// Simulates a device on a pseudo terminal. Its path is the first line of output; it stays the same over an
/// unplug. Lines on standard input: measure 138/86/77, fail 7, hold 36.5, card IDNUMBER NAME, lift, record,
/// unplug, replug. End of input ends the program.
#[derive(Parser)]
#[command(name = "simulate")]
struct Arguments {
    /// Key of the device, as in the catalogue.
    #[arg(long)]
    device: DeviceKey,
    /// A 12-lead WFDB record for the ECG, by its header; without one the synthetic heart plays.
    #[arg(long, value_name = "RECORD")]
    replay: Option<PathBuf>,
    /// The subject that the monitor sends with its results.
    #[arg(long, value_name = "ID")]
    patient: Option<String>,
    /// Faults, with commas between: noise, unplug, replay, baud, clock.
    #[arg(long, default_value = "", value_name = "LIST")]
    faults: Faults,
    /// Length of a measurement in seconds (cuff: 20); of the ECG, after which it plays from its start again.
    #[arg(long, value_name = "S", value_parser = clap::value_parser!(u64).range(1..=3600))]
    duration: Option<u64>,
    /// Beats a minute of the synthetic heart.
    #[arg(long, value_name = "BPM", default_value_t = 72, value_parser = clap::value_parser!(u16).range(20..=250))]
    heart_rate: u16,
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    match run(&arguments) {
        Ok(()) => ExitCode::SUCCESS,
        Err(problem) => {
            complain(&format!("{problem:#}"));
            ExitCode::FAILURE
        }
    }
}

fn run(arguments: &Arguments) -> anyhow::Result<()> {
    let clock = CHINA.to_datetime(jiff::Timestamp::now());
    let mut options = SimOptions::new(arguments.device, clock);
    options.patient.clone_from(&arguments.patient);
    options.faults = arguments.faults;
    options.heart_rate_bpm = arguments.heart_rate;
    options.duration = arguments.duration.map(Duration::from_secs);
    if let Some(record) = &arguments.replay {
        options.replay = Some(Arc::new(
            Replay::from_wfdb(record).context("cannot play the recording")?,
        ));
    }
    let simulator = Simulator::spawn(options)?;
    let mut out = std::io::stdout();
    writeln!(out, "{}", simulator.path().display()).context("cannot write standard output")?;
    out.flush().context("cannot write standard output")?;
    for line in std::io::stdin().lock().lines() {
        let line = line.context("cannot read standard input")?;
        if line.trim().is_empty() {
            continue;
        }
        match line.parse::<Command>() {
            Ok(command) => {
                anyhow::ensure!(simulator.send(command), "the simulator has stopped");
            }
            Err(problem) => complain(&problem.to_string()),
        }
    }
    Ok(())
}

#[expect(clippy::print_stderr, reason = "a program speaks to its user")]
fn complain(problem: &str) {
    eprintln!("simulate: {problem}");
}

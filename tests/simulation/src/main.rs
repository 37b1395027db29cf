//! Runs simulated counties, seed after seed, and prints what did not hold with the line that replays it.

#![expect(clippy::print_stdout, reason = "a test program prints")]

use std::process::ExitCode;
use std::time::Instant;

use clap::Parser;
use simulation::{Broken, Settings, run};

/// Simulates counties under virtual time and lets a model decide whether anything was lost, hidden or leaked.
#[derive(Debug, Parser)]
#[command(name = "simulation")]
struct Arguments {
    /// The first seed.
    #[arg(long, default_value_t = 0)]
    seed: u64,
    /// How many seeds.
    #[arg(long, default_value_t = 1)]
    seeds: u64,
    /// Hours of work in each run.
    #[arg(long, default_value_t = 24)]
    hours: u64,
    /// Also restores, copied disks, sticks, and patients who change clinics.
    #[arg(long)]
    all: bool,
    /// Breaks a rule of the exchange on purpose.
    #[arg(long, value_enum)]
    broken: Option<Broken>,
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let began = Instant::now();
    let (mut failed, mut box_hours) = (0, 0);
    for seed in arguments.seed..arguments.seed + arguments.seeds {
        let settings = |hours| {
            let settings = if arguments.all {
                Settings::county(seed, hours)
            } else {
                Settings::village(seed, hours)
            };
            Settings {
                broken: arguments.broken,
                ..settings
            }
        };
        match run(settings(arguments.hours)) {
            Ok(report) => {
                box_hours += report.counts.box_hours;
                println!("seed {seed}: holds, {:?}", report.counts);
            }
            Err(failure) => {
                failed += 1;
                // The same run, cut short after what went wrong.
                let all = if arguments.all { " --all" } else { "" };
                println!("seed {seed}: FAILS\n{failure}");
                println!("  again: simulation --seed {seed} --hours {}{all}", failure.hours);
            }
        }
    }
    let minutes = began.elapsed().as_secs_f64() / 60.0;
    println!(
        "{} seeds, {failed} failed, {box_hours} box-hours, {:.0} box-hours a minute",
        arguments.seeds,
        box_hours as f64 / minutes
    );
    if failed == 0 {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    }
}

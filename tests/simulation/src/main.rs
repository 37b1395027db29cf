//! Runs simulated counties, seed after seed, and prints what did not hold with the line that replays it.

#![expect(clippy::print_stdout, reason = "a test program prints")]

use std::process::ExitCode;
use std::time::Instant;

use clap::{Parser, ValueEnum};
use simulation::{Broken, Settings, sweep};

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
    /// How many run at the same time.
    #[arg(long, default_value_t = 1)]
    jobs: usize,
    /// Breaks a rule of the exchange on purpose.
    #[arg(long, value_enum)]
    broken: Option<Broken>,
}

impl Arguments {
    fn settings(&self, seed: u64) -> Settings {
        let settings = if self.all {
            Settings::county(seed, self.hours)
        } else {
            Settings::village(seed, self.hours)
        };
        Settings {
            broken: self.broken,
            ..settings
        }
    }

    /// The arguments that run a seed again, cut short after what went wrong.
    fn again(&self, seed: u64, hours: u64) -> String {
        let all = if self.all { " --all" } else { "" };
        let broken = self
            .broken
            .and_then(|rule| rule.to_possible_value())
            .map_or_else(String::new, |rule| format!(" --broken {}", rule.get_name()));
        format!("simulation --seed {seed} --hours {hours}{all}{broken}")
    }
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let began = Instant::now();
    let seeds = arguments.seed..arguments.seed + arguments.seeds;
    let (mut failed, mut box_hours) = (0, 0);
    sweep(
        seeds,
        arguments.jobs,
        |seed| arguments.settings(seed),
        |seed, outcome| match outcome {
            Ok(report) => {
                box_hours += report.counts.box_hours;
                println!("seed {seed}: holds, {:?}", report.counts);
            }
            Err(failure) => {
                failed += 1;
                println!("seed {seed}: FAILS\n{failure}");
                println!("  again: {}", arguments.again(seed, failure.hours));
            }
        },
    );
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

//! Simulated counties: how many come to rest with nothing lost, hidden or leaked, and how fast they are simulated.

use std::time::Instant;

use simulation::{Settings, sweep};

use crate::figures::{Figure, Unit};

/// Counties of the promise.
const COUNTIES: u64 = 500;
/// Counties that everything befalls.
const TROUBLED: u64 = 100;
/// Hours of work in each.
const HOURS: u64 = 24;
/// Counties and hours for each run of the tests.
const SHORT: (u64, u64) = (2, 3);
/// Seed of the first county.
const FIRST: u64 = 5_000;

/// A kind of county: what befalls it, how many are run, and its settings by seed and hours.
type Kind = (&'static str, u64, fn(u64, u64) -> Settings);

/// The figures of simulated counties.
pub(crate) fn figures(short: bool) -> Vec<Figure> {
    let jobs = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
    let mut figures = Vec::new();
    let kinds: [Kind; 2] = [
        ("a flapping village link", COUNTIES, Settings::village),
        ("everything that may befall one", TROUBLED, Settings::county),
    ];
    for (what, seeds, settings) in kinds {
        let (seeds, hours) = if short { SHORT } else { (seeds, HOURS) };
        eprintln!("{seeds} simulated counties of {hours} hours, {what}");
        let began = Instant::now();
        let (mut box_hours, mut failed) = (0, 0);
        sweep(
            FIRST..FIRST + seeds,
            jobs,
            |seed| settings(seed, hours),
            |seed, outcome| match outcome {
                Ok(report) => box_hours += report.counts.box_hours,
                Err(failure) => {
                    failed += 1;
                    eprintln!("seed {seed}:\n{failure}");
                }
            },
        );
        let speed = box_hours as f64 / began.elapsed().as_secs_f64() * 60.0;
        let of = format!("{seeds} counties of {hours} h, {what}");
        figures.push(
            Figure::told(
                format!("{of}: did not come to rest, or lost, hid or leaked something"),
                f64::from(failed),
                Unit::Count,
            )
            .at_most(0.0),
        );
        figures.push(
            Figure::told(
                format!("box-hours simulated in a minute, {jobs} at a time, {what}"),
                speed,
                Unit::PerMinute,
            )
            .at_least(1_000.0),
        );
    }
    figures
}

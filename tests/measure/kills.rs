//! What a killed process had acknowledged, and what of it is lost.

use harness::kills::kill;

use crate::figures::{Figure, Unit};

/// Kills of the long lane.
const KILLS: u32 = 2_000;
/// Kills of a short run.
const SHORT: u32 = 10;
/// Chooses when and where.
const SEED: u64 = 1;

/// The figures.
pub(crate) fn figures(short: bool) -> Vec<Figure> {
    let kills = if short { SHORT } else { KILLS };
    eprintln!("killing the box or its hub {kills} times");
    let told = kill(kills, SEED);
    for fault in &told.faults {
        eprintln!("{fault}");
    }
    let count = |what: &str, n: usize| Figure::told(what, n as f64, Unit::Count);
    vec![
        count("kills of box or hub under a mixed load", told.kills as usize),
        count("kills at a named point of the code", told.at_points as usize),
        count("records acknowledged before kills", told.acknowledged),
        count("of them lost, or folders not clean", told.faults.len()).at_most(0.0),
    ]
}

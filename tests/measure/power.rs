//! Power cuts: how many acknowledged records are lost, over how many cuts.

use harness::power::Run;

use crate::figures::{Figure, Unit};
use crate::pages::runtime;

/// Cuts of the promise.
const CUTS: u64 = 1_000;
/// Cuts for each run of the tests.
const CUTS_SHORT: u64 = 40;

/// The figures of power cuts.
pub(crate) fn figures(short: bool) -> Vec<Figure> {
    let cuts = if short { CUTS_SHORT } else { CUTS };
    eprintln!("{cuts} power cuts");
    let (mut checkpoints, mut lost) = (0, 0);
    runtime().block_on(async {
        let run = Run::new().await;
        for seed in 0..cuts {
            match run.cut(seed).await {
                Ok(left) => checkpoints += u64::from(left.checkpoint),
                Err(what) => {
                    eprintln!("{what}");
                    lost += 1;
                }
            }
        }
    });
    let what = format!("{cuts} power cuts ({checkpoints} in a checkpoint) after which a record was lost");
    vec![Figure::told(what, f64::from(lost), Unit::Count).at_most(0.0)]
}

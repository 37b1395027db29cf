//! Many counties, several at the same time.

use std::ops::Range;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc;

use crate::check::run;
use crate::report::{Failure, Report};
use crate::settings::Settings;

/// Runs a county for each seed, so many at the same time, and tells what came of each as it ends. Each county lives in
/// one thread, and they share nothing: a seed comes to the same whatever runs beside it.
pub fn sweep(
    seeds: Range<u64>,
    jobs: usize,
    settings: impl Fn(u64) -> Settings + Sync,
    mut told: impl FnMut(u64, Result<Report, Box<Failure>>),
) {
    let next = AtomicU64::new(seeds.start);
    let (done, outcomes) = mpsc::channel();
    std::thread::scope(|scope| {
        for _ in 0..jobs.max(1) {
            let (done, next, settings) = (done.clone(), &next, &settings);
            scope.spawn(move || {
                loop {
                    let seed = next.fetch_add(1, Ordering::Relaxed);
                    if seed >= seeds.end || done.send((seed, run(settings(seed)))).is_err() {
                        break;
                    }
                }
            });
        }
        drop(done);
        for (seed, outcome) in outcomes {
            told(seed, outcome);
        }
    });
}

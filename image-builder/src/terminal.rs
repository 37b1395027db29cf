//! Progress on a terminal: a line for each card with its rate and the time that is left; nothing where standard
//! error is no terminal.

use std::path::Path;

use image_builder::flash::{Step, Watch};
use indicatif::{MultiProgress, ProgressBar, ProgressStyle};

/// A line of one step that moves so many bytes.
pub(crate) fn line(what: &'static str, bytes: u64) -> ProgressBar {
    let line = ProgressBar::new(bytes);
    let form = "{msg:12} {wide_bar} {decimal_bytes_per_sec:>12} {eta:>4}";
    if let Ok(style) = ProgressStyle::with_template(form) {
        line.set_style(style);
    }
    line.with_message(what)
}

/// The lines of all cards, and how many are done.
pub(crate) struct Bars {
    lines: MultiProgress,
    count: ProgressBar,
}

/// The line of one card.
pub(crate) struct Bar {
    line: ProgressBar,
    count: ProgressBar,
}

impl Bars {
    pub(crate) fn new(cards: usize) -> Self {
        let lines = MultiProgress::new();
        let count = lines.add(ProgressBar::new(cards as u64));
        if let Ok(style) = ProgressStyle::with_template("card {pos} of {len} done") {
            count.set_style(style);
        }
        count.tick();
        Self { lines, count }
    }

    /// A new line.
    pub(crate) fn of(&self, path: &Path) -> Bar {
        let line = self.lines.add(ProgressBar::new(0));
        let form = "{prefix:14} {msg:9} {wide_bar} {decimal_bytes_per_sec:>12} {eta:>4}";
        if let Ok(style) = ProgressStyle::with_template(form) {
            line.set_style(style);
        }
        line.set_prefix(path.display().to_string());
        Bar {
            line,
            count: self.count.clone(),
        }
    }

    /// A new line of a comparison that moves so many bytes.
    pub(crate) fn verifying(&self, path: &Path, bytes: u64) -> Bar {
        let mut bar = self.of(path);
        bar.step(Step::Verifying, bytes);
        bar
    }
}

impl Watch for Bar {
    fn step(&mut self, step: Step, bytes: u64) {
        self.line.reset();
        self.line.set_length(bytes);
        self.line.set_message(match step {
            Step::Probing => "probing",
            Step::Writing => "writing",
            Step::Verifying => "verifying",
        });
    }

    fn moved(&mut self, bytes: u64) {
        self.line.inc(bytes);
    }
}

impl Drop for Bar {
    fn drop(&mut self) {
        self.line.finish_and_clear();
        self.count.inc(1);
    }
}

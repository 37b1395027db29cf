//! Progress bars of verbs that take long: on a terminal with rate and remaining time, elsewhere nothing.

use indicatif::{ProgressBar, ProgressStyle};

/// A bar over bytes.
pub fn bytes(total: u64) -> ProgressBar {
    styled(
        total,
        "{bar:40} {percent:>3} %  {msg}  {bytes_per_sec}  {eta} left",
    )
}

/// A bar over things, whose number is told as the work goes on.
pub fn things() -> ProgressBar {
    styled(0, "{bar:40} {pos}/{len} {msg}  {per_sec}  {eta} left")
}

fn styled(total: u64, template: &str) -> ProgressBar {
    let bar = ProgressBar::new(total);
    match ProgressStyle::with_template(template) {
        Ok(style) => bar.with_style(style),
        Err(_) => bar,
    }
}

/// Moves a bar as a long work of the store tells how far it is.
pub fn follow(bar: &ProgressBar, doing: &'static str) -> store::Progress {
    let bar = bar.clone();
    bar.set_message(doing);
    Box::new(move |done, total| {
        bar.set_length(total);
        bar.set_position(done);
    })
}

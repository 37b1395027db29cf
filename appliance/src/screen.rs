//! When the browser of the box's own screen runs: while the box answers. A page that was left over from before would call
//! no doctor, and behind the browser stands what [`crate::lamp`] writes about a box that does not answer.

use std::time::Duration;

/// Between two looks at the box and at the browser.
pub const LOOK_EVERY: Duration = Duration::from_secs(2);
/// Looks in a row without an answer after which the browser ends: one may fall into a busy moment.
const SILENT_MAX: u32 = 3;

/// What is to be done with the browser.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Todo {
    /// Nothing.
    Wait,
    /// It is to be started.
    Start,
    /// It is to be ended.
    End,
}

/// The browser as far as it was started, and how long the box has been silent.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Watch {
    runs: bool,
    silent: u32,
}

impl Watch {
    /// Takes in whether the box answered.
    pub fn look(&mut self, answers: bool) -> Todo {
        self.silent = if answers { 0 } else { self.silent.saturating_add(1) };
        match (self.runs, answers) {
            (false, true) => {
                self.runs = true;
                Todo::Start
            }
            (true, false) if self.silent >= SILENT_MAX => Todo::End,
            _ => Todo::Wait,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_browser_starts_with_the_box_and_ends_when_that_stays_silent() {
        let mut watch = Watch::default();
        for _ in 0..2 * SILENT_MAX {
            assert_eq!(watch.look(false), Todo::Wait);
        }
        assert_eq!(watch.look(true), Todo::Start);
        for _ in 0..3 {
            assert_eq!(watch.look(false), Todo::Wait);
            assert_eq!(watch.look(false), Todo::Wait);
            assert_eq!(watch.look(true), Todo::Wait);
        }
        for todo in [Todo::Wait, Todo::Wait, Todo::End] {
            assert_eq!(watch.look(false), todo);
        }
    }
}

//! `screen`: runs the browser of the box's own screen while the box answers there. It ends with the browser, and when the
//! box has been silent for too long; what starts it anew then waits for the box.

use std::net::SocketAddr;
use std::process::{Child, Command, ExitCode};
use std::thread::sleep;

use clap::Args;
use shell::verbs::{Failure, Outcome, say};

use crate::screen::{LOOK_EVERY, Todo, Watch};
use crate::update::health;

/// Where the box is asked, and the browser.
#[derive(Debug, Args)]
pub(crate) struct ScreenArgs {
    /// The box's listener for its own screen.
    #[arg(long, value_name = "ADDR", default_value = "127.0.0.1:8082")]
    pages: SocketAddr,
    /// The browser with its arguments.
    #[arg(value_name = "PROGRAM", required = true, last = true)]
    browser: Vec<String>,
}

pub(super) fn run(arguments: &ScreenArgs) -> Outcome {
    let mut watch = Watch::default();
    let mut browser: Option<Child> = None;
    loop {
        match watch.look(health::is_there(arguments.pages)) {
            Todo::Wait => {}
            Todo::Start => browser = Some(start(&arguments.browser)?),
            Todo::End => {
                end(browser);
                return Err(Failure::new("the box does not answer; the browser was ended"));
            }
        }
        let ended = browser.as_mut().map(Child::try_wait).transpose();
        if let Some(status) = ended
            .map_err(|error| Failure::of("the browser", &error))?
            .flatten()
        {
            say(&format!("the browser ended: {status}"));
            return Ok(ExitCode::FAILURE);
        }
        sleep(LOOK_EVERY);
    }
}

fn start(words: &[String]) -> Result<Child, Failure> {
    let (program, arguments) = words
        .split_first()
        .ok_or_else(|| Failure::new("no browser is named"))?;
    Command::new(program)
        .args(arguments)
        .spawn()
        .map_err(|error| Failure::of(program, &error))
}

/// What it started itself ends with the unit.
fn end(browser: Option<Child>) {
    if let Some(mut browser) = browser {
        let _ = browser.kill();
        let _ = browser.wait();
    }
}

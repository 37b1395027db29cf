//! `lamp`: says by the board's lamp and on a plugged-in screen how the box is, until it is ended.

use std::fs;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::sleep;
use std::time::Instant;

use card::starting::Health;
use clap::Args;
use machine::data::is_mounted;
use shell::verbs::{Failure, Outcome, complain, say};

use super::technician::own_address;
use crate::lamp::{LOOK_EVERY, Lamp, Look, STORE_EVERY, Seen, Standing};
use crate::update::health;

/// Longest line of another program that is shown, in characters.
const LINE_MAX: usize = 200;

/// Looks after which the screen is drawn anew, changed or not.
const DRAW_EVERY: u32 = 6;

/// What is asked, and what shows the answer.
#[derive(Debug, Args)]
pub(crate) struct LampArgs {
    /// The box's pages on this machine.
    #[arg(long, value_name = "ADDR", default_value = "127.0.0.1:8080")]
    pages: SocketAddr,
    /// Where the data partition is mounted.
    #[arg(long, value_name = "DIR", default_value = "/data")]
    data: PathBuf,
    /// Folder where the first program says why the data do not open.
    #[arg(long, value_name = "DIR", default_value = "/run/clinic")]
    run: PathBuf,
    /// The kernel's folder of lamps.
    #[arg(long, value_name = "DIR", default_value = "/sys/class/leds")]
    lamps: PathBuf,
    /// The text screen.
    #[arg(long, value_name = "FILE", default_value = "/dev/tty1")]
    screen: PathBuf,
}

pub(super) fn run(arguments: LampArgs) -> Outcome {
    let standing = Arc::new(Mutex::new(Standing::Starting));
    let shown = Arc::clone(&standing);
    let lamps = arguments.lamps.clone();
    let looking = std::thread::Builder::new().spawn(move || look(&arguments, &shown));
    looking.map_err(|error| Failure::of("a thread could not be started", &error))?;
    let mut lamp = None;
    loop {
        // Its module may be loaded later than this starts.
        if lamp.is_none() {
            lamp = Lamp::take(&lamps).unwrap_or_else(|error| {
                complain(&format!("the lamp: {error}"));
                None
            });
        }
        let now = *standing.lock().unwrap_or_else(PoisonError::into_inner);
        for (is_lit, time) in now.round() {
            if let Some(Err(error)) = lamp.as_ref().map(|lamp| lamp.set(is_lit)) {
                return Err(Failure::of("the lamp", &error));
            }
            sleep(time);
        }
        if ended(&standing) {
            return Ok(ExitCode::FAILURE);
        }
    }
}

/// Whether the looking thread is gone: a lamp that says what was once so would lie.
fn ended(standing: &Arc<Mutex<Standing>>) -> bool {
    Arc::strong_count(standing) < 2
}

fn look(arguments: &LampArgs, shown: &Mutex<Standing>) {
    let (begin, mut seen, mut before) = (Instant::now(), Seen::default(), None);
    for round in 0_u32.. {
        let look = look_once(arguments, round);
        let standing = seen.look(&look, begin.elapsed());
        *shown.lock().unwrap_or_else(PoisonError::into_inner) = standing;
        let lines = lines(arguments, &look, standing);
        let now = standing.screen(&lines);
        let is_new = before.as_ref() != Some(&now);
        if is_new {
            say(&format!("the box is {standing:?}: {}", lines.join("; ")));
        }
        // The kernel writes there, too. A box without a screen has none to write to.
        if is_new || round.is_multiple_of(DRAW_EVERY) {
            let _ = fs::write(&arguments.screen, &now);
        }
        before = Some(now);
        sleep(LOOK_EVERY);
    }
}

fn look_once(arguments: &LampArgs, round: u32) -> Look {
    if !is_mounted(&arguments.data) {
        let waits = arguments.run.join("waits").exists();
        return if waits { Look::Waits } else { Look::NoData };
    }
    // A box that is not well is asked for its reason, which writes nothing that lasts.
    Look::Asked(match health::ask_page(arguments.pages) {
        Health::Well if !round.is_multiple_of(STORE_EVERY) => Health::Well,
        Health::Well | Health::Ill(_) => health::ask(arguments.pages),
    })
}

/// What stands below: where the pages are, or what is wrong.
fn lines(arguments: &LampArgs, look: &Look, standing: Standing) -> Vec<String> {
    let text = match (standing, look) {
        (Standing::Working | Standing::Waiting, _) => format!("https://{}", own_address()),
        (Standing::Locked, _) => {
            let said = fs::read_to_string(arguments.run.join("locked"));
            said.unwrap_or_else(|_| "the first program did not say why".to_owned())
        }
        (Standing::Ill, Look::Asked(Health::Ill(why))) => why.clone(),
        (Standing::Starting | Standing::Ill, _) => return Vec::new(),
    };
    vec![text.trim().chars().take(LINE_MAX).collect()]
}

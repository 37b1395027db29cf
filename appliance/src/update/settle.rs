//! After a start: the verdict over the running system, and what follows from it for the slots.

use std::time::{Duration, Instant};

use card::starting::{self, Health, Place, Settling};
use card::state::Why;

use super::UpdateFault;
use super::own::{Held, slot};
use super::work::Restart;
use crate::config::CardConfig;

/// Time between two looks while the box is not well yet.
const BETWEEN: Duration = Duration::from_secs(2);

/// Asks until the box is well or patience ends.
pub fn wait(patience: Duration, mut ask: impl FnMut() -> Health) -> Health {
    let begin = Instant::now();
    loop {
        let health = ask();
        if health == Health::Well || begin.elapsed() >= patience {
            return health;
        }
        std::thread::sleep(BETWEEN);
    }
}

/// Does with the slots what the verdict asks for. Tells how the machine has to restart, if at all.
///
/// # Errors
/// [`UpdateFault`].
pub fn settle(config: &CardConfig, health: &Health) -> Result<(Settling, Option<Restart>), UpdateFault> {
    let running = slot(config)?;
    let card = &mut Held::open(config)?.card;
    let state = card.state();
    let version = |slot| state.system(slot).map(|system| system.version);
    let place = Place {
        running: version(running),
        other: version(running.other()),
        trial: state.trial,
        is_on_trial: state.trial.is_some_and(|trial| trial.slot == running),
        last: &state.last,
    };
    let settling = starting::settle(&place, health);
    let restart = match &settling {
        Settling::Note => {
            card.healthy(running)?;
            None
        }
        Settling::NoteAndTry => {
            card.healthy(running)?;
            card.ask_for_trial(running)?;
            Some(Restart::Trial)
        }
        Settling::TryAgain => {
            card.ask_for_trial(running)?;
            Some(Restart::Trial)
        }
        Settling::GoBack(why) => {
            card.roll_back(Why::Unhealthy, why)?;
            Some(Restart::Plain)
        }
        Settling::Stay => None,
    };
    Ok((settling, restart))
}

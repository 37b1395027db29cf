//! After a start: the verdict over the running system, and what follows from it for the slots.

use std::time::{Duration, Instant};

use card::starting::{Health, Restart, Settling};

use super::UpdateFault;
use super::own::{Held, slot};
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
    Ok(Held::open(config)?.card.settle(running, health)?)
}

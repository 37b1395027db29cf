//! The hub's clock: the operating system's, which a server keeps right by its network.

use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use records::time::{ClockSource, Stamp, WallTime};

/// The clock of this process.
#[derive(Debug)]
pub struct HubClock {
    started: Instant,
}

impl HubClock {
    /// Starts counting the age of the process.
    pub fn start() -> Self {
        Self {
            started: Instant::now(),
        }
    }
}

impl store::Clock for HubClock {
    fn now(&self) -> Stamp {
        let since_1970 = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        Stamp {
            at: WallTime(i64::try_from(since_1970.as_millis()).unwrap_or(i64::MAX)),
            source: ClockSource::Network,
        }
    }

    fn uptime(&self) -> Duration {
        self.started.elapsed()
    }
}

#[cfg(test)]
mod tests {
    use store::Clock as _;

    use super::*;

    #[test]
    fn the_time_is_the_networks_and_the_age_only_grows() {
        let clock = HubClock::start();
        assert_eq!(clock.now().source, ClockSource::Network);
        let before = clock.uptime();
        assert!(clock.uptime() >= before);
    }
}

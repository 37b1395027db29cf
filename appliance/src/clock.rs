//! The box's clock. A box has no battery clock: its wall time is an offset over the age of the process, moved
//! when somebody who knows better tells the time; timers never depend on it.

use std::path::Path;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use records::time::{ClockSource, Stamp, WallTime};

/// When this program was built, milliseconds since 1970: no true clock tells an earlier time.
pub const BUILT_AT: WallTime = WallTime(parse_decimal(env!("BUILT_AT_MILLISECONDS")));
/// How far beyond the build an offered time may lie: 30 years, longer than any box lives.
const OFFER_YEARS_MAX: i64 = 30;
const YEAR_MILLISECONDS: i64 = 366 * 24 * 3600 * 1000;
/// Stands where the system's own time service has set the clock since boot (systemd-timesyncd(8)).
const SYNCHRONISED_MARK: &str = "/run/systemd/timesync/synchronized";

const fn parse_decimal(text: &str) -> i64 {
    let digits = text.as_bytes();
    let mut value = 0;
    let mut place = 0;
    while place < digits.len() {
        value = value * 10 + (digits[place] - b'0') as i64;
        place += 1;
    }
    value
}

/// What an offered time did to the clock.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Offer {
    /// The clock goes by the offered time now; it stood this many milliseconds behind (negative: ahead).
    Taken(i64),
    /// A source that is at least as good was heard before.
    Worse,
    /// Earlier than this program's build, or decades after it.
    Implausible,
}

/// The wall clock of this process.
#[derive(Debug)]
pub struct SystemClock {
    started: Instant,
    wall: Mutex<Wall>,
}

#[derive(Debug, Clone, Copy)]
struct Wall {
    at_start: i64,
    source: ClockSource,
}

impl SystemClock {
    /// Takes the operating system's clock; where that stands before the build it starts at the build.
    pub fn start() -> Self {
        let synchronised = Path::new(SYNCHRONISED_MARK).exists();
        let source = if synchronised {
            ClockSource::Network
        } else {
            ClockSource::None
        };
        Self::start_at(system_time(), source)
    }

    fn start_at(system: WallTime, source: ClockSource) -> Self {
        let plausible = system >= BUILT_AT;
        let wall = Wall {
            at_start: if plausible { system.0 } else { BUILT_AT.0 },
            source: if plausible { source } else { ClockSource::None },
        };
        Self {
            started: Instant::now(),
            wall: Mutex::new(wall),
        }
    }

    /// Takes an offered time if its source is better than the one before, or the same one again.
    pub fn offer(&self, at: WallTime, source: ClockSource) -> Offer {
        let latest = BUILT_AT.0 + OFFER_YEARS_MAX * YEAR_MILLISECONDS;
        if at < BUILT_AT || at.0 > latest {
            return Offer::Implausible;
        }
        let age = milliseconds(self.started.elapsed());
        let mut wall = self.wall.lock().unwrap_or_else(PoisonError::into_inner);
        if source < wall.source || source == ClockSource::None {
            return Offer::Worse;
        }
        let behind = at.0 - (wall.at_start + age);
        *wall = Wall {
            at_start: at.0 - age,
            source,
        };
        Offer::Taken(behind)
    }

    /// Looks whether the system's time service has set the clock meanwhile.
    pub fn look_at_system(&self) -> Offer {
        if !Path::new(SYNCHRONISED_MARK).exists() {
            return Offer::Worse;
        }
        self.offer(system_time(), ClockSource::Network)
    }
}

impl store::Clock for SystemClock {
    fn now(&self) -> Stamp {
        let wall = *self.wall.lock().unwrap_or_else(PoisonError::into_inner);
        let at = WallTime(wall.at_start + milliseconds(self.started.elapsed()));
        Stamp {
            at,
            source: wall.source,
        }
    }

    fn uptime(&self) -> Duration {
        self.started.elapsed()
    }
}

fn system_time() -> WallTime {
    let since_1970 = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    WallTime(milliseconds(since_1970))
}

fn milliseconds(time: Duration) -> i64 {
    i64::try_from(time.as_millis()).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use store::Clock as _;

    const DAY: i64 = 24 * 3600 * 1000;

    #[test]
    fn a_clock_before_the_build_starts_at_the_build() {
        let clock = SystemClock::start_at(WallTime(0), ClockSource::Network);
        assert!(clock.now().at >= BUILT_AT);
        assert_eq!(clock.now().source, ClockSource::None);
    }

    #[test]
    fn better_sources_win_and_worse_ones_do_not() {
        let clock = SystemClock::start_at(WallTime(BUILT_AT.0 + 72 * 365 * DAY), ClockSource::None);
        let told = WallTime(BUILT_AT.0 + DAY);
        assert!(matches!(clock.offer(told, ClockSource::Tablet), Offer::Taken(behind) if behind < 0));
        assert_eq!(clock.now().source, ClockSource::Tablet);
        assert!(clock.now().at.0 - told.0 < DAY);
        assert!(matches!(clock.offer(told, ClockSource::Hub), Offer::Taken(_)));
        assert_eq!(clock.offer(told, ClockSource::Tablet), Offer::Worse);
    }

    #[test]
    fn implausible_offers_change_nothing() {
        let clock = SystemClock::start_at(BUILT_AT, ClockSource::None);
        for at in [0, BUILT_AT.0 - 1, BUILT_AT.0 + 31 * YEAR_MILLISECONDS, i64::MAX] {
            assert_eq!(clock.offer(WallTime(at), ClockSource::Tablet), Offer::Implausible);
        }
        assert_eq!(clock.now().source, ClockSource::None);
    }

    #[test]
    fn the_age_of_the_process_ignores_corrections() {
        let clock = SystemClock::start_at(WallTime(BUILT_AT.0 + 20 * 365 * DAY), ClockSource::None);
        let before = clock.uptime();
        clock.offer(BUILT_AT, ClockSource::Hub);
        assert!(clock.uptime() - before < Duration::from_secs(60));
    }
}

//! Virtual time, and the clocks of machines that run by it.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, AtomicU8, AtomicU64, Ordering};
use std::time::Duration;

use records::time::{ClockSource, Stamp, WallTime};

/// When the simulated time begins: a day in October 2025, in milliseconds since 1970.
const START_MS: i64 = 1_760_000_000_000;

/// The time of the world: moved by the world alone.
#[derive(Debug, Default)]
pub(crate) struct WorldTime(AtomicU64);

impl WorldTime {
    pub(crate) fn set(&self, now: Duration) {
        self.0.store(now.as_millis() as u64, Ordering::Relaxed);
    }

    fn millis(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

/// The clock of one machine: it runs as the world does, and its wall time may be anything.
#[derive(Debug)]
pub(crate) struct MachineClock {
    world: Arc<WorldTime>,
    off_ms: AtomicI64,
    source: AtomicU8,
    began: AtomicU64,
}

impl MachineClock {
    pub(crate) fn new(world: Arc<WorldTime>) -> Self {
        let began = world.millis();
        Self {
            world,
            off_ms: AtomicI64::new(0),
            source: AtomicU8::new(1),
            began: AtomicU64::new(began),
        }
    }

    /// A program starts: its time since the start begins at zero.
    pub(crate) fn start(&self) {
        self.began.store(self.world.millis(), Ordering::Relaxed);
    }

    /// The wall clock jumps: this far from the true time, told by nobody.
    pub(crate) fn jump(&self, off_ms: i64) {
        self.off_ms.store(off_ms, Ordering::Relaxed);
        self.source.store(0, Ordering::Relaxed);
    }

    /// The hub told the time.
    pub(crate) fn hear(&self, told: WallTime) {
        let now = START_MS + self.world.millis().cast_signed();
        self.off_ms.store(told.0.saturating_sub(now), Ordering::Relaxed);
        self.source.store(2, Ordering::Relaxed);
    }
}

impl store::Clock for MachineClock {
    fn now(&self) -> Stamp {
        let at = START_MS
            .saturating_add(self.world.millis().cast_signed())
            .saturating_add(self.off_ms.load(Ordering::Relaxed));
        let source =
            ClockSource::ALL[usize::from(self.source.load(Ordering::Relaxed)) % ClockSource::ALL.len()];
        Stamp {
            at: WallTime(at.clamp(WallTime::MIN.0, WallTime::MAX.0)),
            source,
        }
    }

    fn uptime(&self) -> Duration {
        Duration::from_millis(
            self.world
                .millis()
                .saturating_sub(self.began.load(Ordering::Relaxed)),
        )
    }
}

//! A machine with a real store on a simulated disk: it starts, loses power, goes back to an old disk, and is copied.

use std::pin::pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};

use store::{OpenOptions, Side, Store, StoreEvent};
use tokio::sync::broadcast::Receiver;
use tokio::sync::broadcast::error::TryRecvError;

use crate::clock::{MachineClock, WorldTime};
use crate::dice::{Dice, random_bytes};
use crate::disk::Disk;

/// Cost of password hashes: nobody signs in here.
const PASSWORD_COST_KIB: u32 = 64;

/// What a store without threads answers: it is there when the call returns.
pub(crate) fn at_once<T>(work: impl Future<Output = T>) -> T {
    match pin!(work).poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(value) => value,
        Poll::Pending => panic!("a store without threads made its caller wait"),
    }
}

/// The power went while the store worked: nobody hears what became of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct PowerCut;

/// A store that runs, and what it tells.
struct Running {
    store: Store,
    events: Receiver<StoreEvent>,
}

/// A box or a hub.
pub(crate) struct Machine {
    pub(crate) clock: Arc<MachineClock>,
    side: Side,
    seed: u64,
    number: u64,
    runs: u64,
    disk: Disk,
    running: Option<Running>,
    /// Calls of the store until the power goes in the middle of one.
    fuse: Option<u64>,
    dice: Dice,
    /// Calls of the store.
    pub(crate) calls: u64,
}

impl Machine {
    /// A new machine, started.
    pub(crate) fn new(side: Side, seed: u64, number: u64, world: &Arc<WorldTime>) -> Self {
        let mut machine = Self {
            clock: Arc::new(MachineClock::new(Arc::clone(world))),
            side,
            seed,
            number,
            runs: 0,
            disk: Disk::new(),
            running: None,
            fuse: None,
            dice: Dice::new(seed ^ number, "power"),
            calls: 0,
        };
        machine.start();
        machine
    }

    /// Another machine with a copy of this one's disk. With `same_random` it draws the numbers that this one draws.
    pub(crate) fn clone_of(
        other: &Self,
        number: u64,
        same_random: bool,
        world: &Arc<WorldTime>,
        disk: Disk,
    ) -> Self {
        let mut machine = Self {
            clock: Arc::new(MachineClock::new(Arc::clone(world))),
            side: other.side,
            seed: other.seed,
            number: if same_random { other.number } else { number },
            runs: other.runs,
            disk,
            running: None,
            fuse: None,
            dice: Dice::new(other.seed ^ number, "power"),
            calls: 0,
        };
        machine.start();
        machine
    }

    /// Starts the program on what the disk holds.
    pub(crate) fn start(&mut self) {
        self.stop();
        self.runs += 1;
        self.clock.start();
        let random = random_bytes(self.seed, self.number, self.runs);
        let mut options = OpenOptions::new(self.side, self.clock.clone(), random);
        options.password_cost_kib = Some(PASSWORD_COST_KIB);
        options.inline = true;
        let store = Store::open(self.disk.path(), options).unwrap();
        let events = store.changes();
        self.running = Some(Running { store, events });
    }

    /// The program ends as it should.
    pub(crate) fn stop(&mut self) {
        self.running = None;
    }

    pub(crate) fn is_running(&self) -> bool {
        self.running.is_some()
    }

    /// The store of a machine that runs.
    pub(crate) fn store(&self) -> &Store {
        &self.running.as_ref().expect("the machine runs").store
    }

    /// The power goes in the middle of one of the next calls of the store.
    pub(crate) fn light_fuse(&mut self, calls: u64) {
        self.fuse = Some(calls);
    }

    /// A call of the store that a power cut may meet. The files are then as the cut leaves them and the machine is
    /// off.
    pub(crate) fn call<T>(&mut self, work: impl FnOnce(&Store) -> T) -> Result<T, PowerCut> {
        self.calls += 1;
        match self.fuse {
            Some(0) => {
                self.fuse = None;
                let before = self.disk.log_end();
                drop(work(self.store()));
                let left = self.disk.cut_since(&before, &mut self.dice);
                self.stop();
                self.disk = left;
                Err(PowerCut)
            }
            fuse => {
                self.fuse = fuse.map(|left| left - 1);
                Ok(work(self.store()))
            }
        }
    }

    /// The disk as it is now, copied.
    pub(crate) fn image(&self) -> Disk {
        self.disk.copy()
    }

    /// The power goes between two calls; another disk is in the machine when it comes back.
    pub(crate) fn replace_disk(&mut self, disk: Disk) {
        self.stop();
        self.fuse = None;
        self.disk = disk;
    }

    /// Whether something happened that a link has to look at.
    pub(crate) fn has_news(&mut self) -> bool {
        let Some(running) = &mut self.running else {
            return false;
        };
        let mut news = false;
        loop {
            match running.events.try_recv() {
                Ok(StoreEvent::DocChanged { .. } | StoreEvent::SyncState | StoreEvent::Bulk)
                | Err(TryRecvError::Lagged(_)) => news = true,
                Ok(StoreEvent::Tray | StoreEvent::Staff | StoreEvent::Alarm) => {}
                Err(TryRecvError::Empty | TryRecvError::Closed) => return news,
            }
        }
    }
}

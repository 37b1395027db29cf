//! What the tests of this crate share: a clock that is moved by hand, a folder that goes away, and edits of
//! documents that need no form.

pub(crate) mod server;

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use records::ids::{ClinicCode, DocId, DocKind};
use records::time::{ClockSource, Stamp, WallTime};
use records::tree::Edit;
use tempfile::TempDir;

use crate::{AuditAct, By, Clock, Commit, Committed, Lane, OpenOptions, Random, Side, Store, Target, Write};

pub(crate) const START: i64 = 1_760_000_000_000;

/// A clock that stands still until it is moved.
pub(crate) struct HandClock(AtomicI64);

impl HandClock {
    pub(crate) fn advance(&self, by: Duration) {
        self.0
            .fetch_add(i64::try_from(by.as_millis()).unwrap(), Ordering::SeqCst);
    }
}

impl Clock for HandClock {
    fn now(&self) -> Stamp {
        Stamp {
            at: WallTime(START + self.0.load(Ordering::SeqCst)),
            source: ClockSource::Tablet,
        }
    }

    fn uptime(&self) -> Duration {
        Duration::from_millis(self.0.load(Ordering::SeqCst).unsigned_abs())
    }
}

/// Random bytes that depend on the seed only.
pub(crate) fn random(seed: u64) -> Random {
    let mut stream = blake3::Hasher::new().update(&seed.to_be_bytes()).finalize_xof();
    Box::new(move |bytes| stream.fill(bytes))
}

/// A data folder and its clock.
pub(crate) struct Bench {
    pub(crate) folder: TempDir,
    pub(crate) clock: Arc<HandClock>,
    seeds: AtomicI64,
}

impl Bench {
    pub(crate) fn new() -> Self {
        Self {
            folder: tempfile::tempdir().unwrap(),
            clock: Arc::new(HandClock(AtomicI64::new(1_000))),
            seeds: AtomicI64::new(1),
        }
    }

    pub(crate) fn options(&self) -> OpenOptions {
        let seed = self.seeds.fetch_add(1, Ordering::SeqCst).unsigned_abs();
        let mut options = OpenOptions::new(Side::Box, self.clock.clone(), random(seed));
        options.password_cost_kib = Some(64);
        options
    }

    pub(crate) fn open(&self) -> Store {
        Store::open(self.folder.path(), self.options()).unwrap()
    }
}

pub(crate) fn clinic() -> ClinicCode {
    "0017".parse().unwrap()
}

/// A commit by the program.
pub(crate) fn commit(writes: Vec<Write>) -> Commit {
    Commit {
        writes,
        blobs: Vec::new(),
        by: By::System,
        act: AuditAct::ChartChange,
        lane: Lane::P2,
        form: None,
        settle: Vec::new(),
    }
}

pub(crate) fn new_doc(kind: DocKind, edits: Vec<Edit>) -> Write {
    Write {
        target: Target::New {
            kind,
            owner: clinic(),
        },
        base: None,
        edits,
    }
}

pub(crate) fn on(doc: DocId, edits: Vec<Edit>) -> Write {
    Write {
        target: Target::Existing(doc),
        base: None,
        edits,
    }
}

pub(crate) async fn write(store: &Store, write: Write) -> Committed {
    store.commit(commit(vec![write])).await.unwrap()
}

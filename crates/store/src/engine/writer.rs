//! The thread that writes: one transaction after the other.

use std::fs::File;
use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{self, RecvTimeoutError};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use records::ids::SessionId;
use records::time::Stamp;
use sync_core::fingerprint::Fingerprint;
use sync_core::identity::{Actor, DeviceKey};
use tokio::sync::broadcast;

use super::fault::note_damage;
use super::{StoreError, StoreEvent, files, telling};
use crate::audit::Chain;
use crate::open::{Clock, CrashPoint, Mode, Random, Side};
use crate::sql::Connection;

/// Changed documents of one transaction that are told one by one.
pub(super) const EVENTS_EACH_MAX: usize = 64;
/// Bytes of the write-ahead log above which a commit brings it into the file and has it start over. SQLite's own
/// checkpoint after each 4 MiB does so only where no reader is inside at that very moment; with ten pages that read
/// without pause there always is one.
pub(super) const LOG_HIGH: u64 = 16 * 1024 * 1024;
/// Growth after which that is tried again where a reader did not leave in time, or the disk was full.
const LOG_STEP: u64 = 4 * 1024 * 1024;
/// How long readers are waited for. None of them takes longer than the building of one page.
const LOG_WAIT: Duration = Duration::from_millis(500);
/// Views of records are written to the audit log together at least this often.
const VIEW_GROUP: Duration = Duration::from_secs(1);

/// Work for the writing thread.
pub(super) type Job = Box<dyn FnOnce(&mut Writer) + Send>;

/// The state of the thread that writes.
pub(crate) struct Writer {
    pub(crate) sql: Connection,
    pub(crate) state: State,
    pub(super) clock: Arc<dyn Clock>,
    pub(super) events: broadcast::Sender<StoreEvent>,
    pub(super) folder: PathBuf,
    /// Bytes of the write-ahead log at which it is brought into the file.
    pub(super) log_limit: u64,
    /// Held until the thread ends; another process cannot serve the folder before.
    pub(super) _lock: Option<File>,
}

/// What the writer remembers between transactions.
pub(crate) struct State {
    pub(crate) side: Side,
    pub(crate) mode: Mode,
    /// The device's key: a hub signs its facts with it.
    pub(crate) key: DeviceKey,
    /// Who writes. Another session goes on where this one was found to be another machine's, too.
    pub(crate) actor: Actor,
    /// The session that this run began with: its name among the nodes of a database.
    pub(super) run: SessionId,
    /// The same session for whoever asks the store from outside.
    pub(super) session_now: Arc<AtomicU64>,
    /// Further sessions of this run, for edits on old heads that the main session has written past.
    pub(crate) side_sessions: Vec<SessionId>,
    pub(crate) random: Random,
    /// Something was purged: what is left of it in free pages and the write-ahead log goes after the commit.
    pub(crate) scrub: bool,
    /// What packing messages learned: a purge clears it.
    pub(super) packing: Arc<Mutex<crate::sync::Packing>>,
    /// The audit chain of this run.
    pub(crate) chain: Chain,
    /// Whether the chain may have entries that this run does not know of.
    pub(crate) chain_in_doubt: bool,
    /// Bytes of blobs that may wait for their move out of the database.
    pub(crate) waiting_max: u64,
    pub(super) crash_at: Option<(CrashPoint, u64)>,
}

impl State {
    /// Ends the process if a test asked for it at this point.
    pub(crate) fn pass(&mut self, point: CrashPoint) {
        if let Some((at, left)) = &mut self.crash_at
            && *at == point
        {
            if *left <= 1 {
                std::process::abort();
            }
            *left -= 1;
        }
    }

    /// Random bytes for an id.
    pub(crate) fn fresh(&mut self) -> [u8; 8] {
        let mut bytes = [0; 8];
        (self.random)(&mut bytes);
        bytes
    }
}

/// One transaction of the writer.
pub(crate) struct Tx<'a> {
    pub(crate) sql: &'a Connection,
    pub(crate) state: &'a mut State,
    pub(crate) now: Stamp,
    pub(crate) fingerprint: Option<Fingerprint>,
    events: Vec<StoreEvent>,
}

impl Tx<'_> {
    /// Tells listeners once the transaction is on the disk.
    pub(crate) fn emit(&mut self, event: StoreEvent) {
        let is_doc = |event: &StoreEvent| matches!(event, StoreEvent::DocChanged { .. });
        if is_doc(&event) && self.events.contains(&StoreEvent::Bulk) {
            return;
        }
        if is_doc(&event) && self.events.len() >= EVENTS_EACH_MAX {
            self.events.retain(|event| !is_doc(event));
            self.events.push(StoreEvent::Bulk);
        } else if !self.events.contains(&event) {
            self.events.push(event);
        }
    }
}

impl Writer {
    /// Runs one transaction: all of it is on the disk when this returns `Ok`, nothing of it on `Err`.
    pub(crate) fn transact<T, E: From<StoreError>>(
        &mut self,
        work: impl FnOnce(&mut Tx<'_>) -> Result<T, E>,
    ) -> Result<T, E> {
        let chain = self.state.chain.clone();
        let (actor, side_sessions) = (self.state.actor, self.state.side_sessions.clone());
        let outcome = self.attempt(work);
        note_damage(&self.folder);
        if outcome.is_err() {
            self.state.chain = chain;
            // Of a server that does not answer nobody knows whether it wrote.
            self.state.chain_in_doubt = !self.sql.is_file();
            self.state.actor = actor;
            self.state.side_sessions = side_sessions;
            if !self.sql.is_autocommit()
                && let Err(error) = self.sql.rollback()
            {
                tracing::error!(%error, "rollback failed");
            }
        }
        if outcome.is_ok() {
            self.bound_log();
        }
        if outcome.is_ok() && self.state.scrub {
            self.state
                .packing
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
                .forget();
            self.scrub();
        }
        outcome
    }

    /// Keeps the write-ahead log from growing while readers come without pause: new ones need nothing of it once all
    /// of it is in the file, and those inside leave soon.
    fn bound_log(&mut self) {
        let log = self.folder.join(format!("{}-wal", crate::folder::DATABASE));
        let size = log.metadata().map_or(0, |meta| meta.len());
        if size < self.log_limit {
            return;
        }
        self.log_limit = match files::start_log_over(&self.sql, LOG_WAIT) {
            Ok(true) => LOG_HIGH,
            Ok(false) => size + LOG_STEP,
            Err(error) => {
                tracing::warn!(%error, size, "the write-ahead log could not be brought into the file; tried again later");
                size + LOG_STEP
            }
        };
    }

    /// Overwrites free pages and empties the write-ahead log; tried again while a reader is in the way.
    fn scrub(&mut self) {
        match files::scrub(&self.sql) {
            Ok(done) => self.state.scrub = !done,
            Err(error) => tracing::error!(%error, "what was purged is not overwritten yet"),
        }
    }

    fn attempt<T, E: From<StoreError>>(
        &mut self,
        work: impl FnOnce(&mut Tx<'_>) -> Result<T, E>,
    ) -> Result<T, E> {
        let seen = |error: crate::sql::Error| E::from(StoreError::from(error));
        self.sql.begin_write().map_err(&seen)?;
        if self.state.chain_in_doubt {
            self.state.chain.look_up(&self.sql)?;
            self.state.chain_in_doubt = false;
        }
        let mut tx = Tx {
            sql: &self.sql,
            now: self.clock.now(),
            state: &mut self.state,
            fingerprint: None,
            events: Vec::new(),
        };
        let value = work(&mut tx)?;
        crate::log::flush_fingerprint(&mut tx)?;
        let events = std::mem::take(&mut tx.events);
        self.state.pass(CrashPoint::BeforeCommit);
        if !self.sql.is_file() && (self.state.scrub || !events.is_empty()) {
            let told = telling::told(self.state.run, self.state.scrub, &events);
            self.sql.notify(&told).map_err(&seen)?;
        }
        self.sql.commit().map_err(&seen)?;
        let session = u64::from_be_bytes(self.state.actor.session.0);
        self.state.session_now.store(session, Ordering::Release);
        self.state.pass(CrashPoint::BeforeReply);
        for event in events {
            // Nobody listens: nothing to tell.
            let _ = self.events.send(event);
        }
        Ok(value)
    }

    pub(super) fn run(mut self, jobs: &mpsc::Receiver<Job>) {
        loop {
            match jobs.recv_timeout(VIEW_GROUP) {
                Ok(job) => job(&mut self),
                Err(RecvTimeoutError::Timeout) => {
                    crate::audit::flush_views(&mut self);
                    if self.state.scrub {
                        self.scrub();
                    }
                }
                Err(RecvTimeoutError::Disconnected) => break,
            }
        }
        self.end();
    }

    /// What is left to write before the database is closed.
    pub(super) fn end(&mut self) {
        crate::audit::flush_views(self);
        if self.sql.is_file()
            && let Err(error) = self.sql.execute_batch("PRAGMA optimize")
        {
            tracing::debug!(%error, "statistics not updated");
        }
    }
}

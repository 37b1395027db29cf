//! The store's handle, the thread that writes, and the connections that read.

use std::collections::HashMap;
use std::fs::File;
use std::path::{Path, PathBuf};
use std::sync::mpsc::{self, RecvTimeoutError};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use records::ids::{DeviceId, DocId, PatientId, SessionId};
use records::time::{Stamp, WallTime};
use rusqlite::{Connection, ErrorCode, OpenFlags};
use sync_core::document::DocumentError;
use sync_core::identity::{Actor, DeviceKey};
use tokio::sync::{Semaphore, broadcast, oneshot};

use crate::audit::Chain;
use crate::open::{Clock, CrashPoint, Mode, OpenError, OpenOptions, Random, Side};
use crate::{folder, schema};

/// Connections that read at the same time.
const READERS: usize = 4;
/// Secrets that are hashed at the same time.
const HASHINGS: usize = 2;
/// Events that a slow listener may lag behind before it misses some.
const EVENTS: usize = 256;
/// Changed documents of one transaction that are told one by one.
const EVENTS_EACH_MAX: usize = 64;
/// Views of records are written to the audit log together at least this often.
const VIEW_GROUP: Duration = Duration::from_secs(1);
/// A database up to this size is checked whole at each start; a larger one when it gave reason to.
const CHECK_ALWAYS_BYTES: u64 = 64 * 1024 * 1024;

/// Reading or writing failed.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// No space is left; nothing of the write was kept.
    #[error("the disk is full")]
    DiskFull,
    /// The file system or the folder takes no writes.
    #[error("the data folder is read-only")]
    ReadOnly,
    /// The database file is damaged; it is checked and set aside at the next start.
    #[error("the database is damaged")]
    Damaged,
    /// This process does not write documents: another one serves this folder.
    #[error("another process serves this folder")]
    NotServing,
    /// The database refused for another reason.
    #[error("database: {0}")]
    Database(#[source] rusqlite::Error),
    /// A document could not be read or edited.
    #[error(transparent)]
    Document(#[from] DocumentError),
    /// A stored row is not what this release writes.
    #[error("a stored {0} is unreadable")]
    Unreadable(&'static str),
    /// The store was shut down.
    #[error("the store is closed")]
    Closed,
}

impl From<rusqlite::Error> for StoreError {
    fn from(error: rusqlite::Error) -> Self {
        let code = error.sqlite_error_code();
        match code {
            Some(ErrorCode::DiskFull) => Self::DiskFull,
            Some(ErrorCode::ReadOnly) => Self::ReadOnly,
            Some(ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase) => Self::Damaged,
            Some(_) | None => Self::Database(error),
        }
    }
}

/// What pages with live badges listen to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum StoreEvent {
    /// A document changed here or by what arrived.
    DocChanged {
        /// The document.
        doc: DocId,
        /// The patient that it is about, where it is about one.
        patient: Option<PatientId>,
    },
    /// Many documents changed at once (an import, a long history): look at everything anew.
    Bulk,
    /// Something in the unclaimed tray changed.
    Tray,
    /// The state of the link to the other side changed.
    SyncState,
    /// Staff or their rights changed.
    Staff,
    /// An alarm was raised or taken away.
    Alarm,
}

/// Something that a person must know about this machine.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Alarm {
    /// Stable word: `damaged`, `disk_full`, `clone`, ...
    pub kind: String,
    /// When it was raised.
    pub at: WallTime,
    /// What is the matter: paths, ids and codes, no personal data.
    pub text: String,
}

type Job = Box<dyn FnOnce(&mut Writer) + Send>;

/// What is kept on disk. A cheap clone of one handle; the last one that goes closes the database.
#[derive(Clone)]
pub struct Store {
    pub(crate) inner: Arc<Inner>,
}

pub(crate) struct Inner {
    pub(crate) side: Side,
    pub(crate) mode: Mode,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) folder: PathBuf,
    pub(crate) key: DeviceKey,
    pub(crate) actor: Actor,
    pub(crate) random: Mutex<Random>,
    pub(crate) password_cost_kib: Option<u32>,
    /// Turns at hashing secrets: each takes 19 MiB.
    pub(crate) hashing: Semaphore,
    /// When browser sessions were last used, by the hash of their token.
    pub(crate) last_used: Mutex<HashMap<[u8; 32], Duration>>,
    events: broadcast::Sender<StoreEvent>,
    idle: Mutex<Vec<Connection>>,
    permits: Semaphore,
    jobs: Mutex<Option<mpsc::Sender<Job>>>,
    thread: Mutex<Option<JoinHandle<()>>>,
}

impl Drop for Inner {
    fn drop(&mut self) {
        drop(self.jobs.get_mut().unwrap_or_else(PoisonError::into_inner).take());
        let thread = self
            .thread
            .get_mut()
            .unwrap_or_else(PoisonError::into_inner)
            .take();
        if let Some(thread) = thread
            && thread.thread().id() != std::thread::current().id()
            && thread.join().is_err()
        {
            tracing::error!("the writing thread ended by a panic");
        }
    }
}

/// The state of the thread that writes.
pub(crate) struct Writer {
    pub(crate) sql: Connection,
    pub(crate) state: State,
    clock: Arc<dyn Clock>,
    events: broadcast::Sender<StoreEvent>,
    folder: PathBuf,
    _lock: Option<File>,
}

/// What the writer remembers between transactions.
pub(crate) struct State {
    pub(crate) side: Side,
    pub(crate) mode: Mode,
    /// Who writes.
    pub(crate) actor: Actor,
    /// Further sessions of this run, for edits on old heads that the main session has written past.
    pub(crate) side_sessions: Vec<SessionId>,
    pub(crate) random: Random,
    /// The audit chain of this run.
    pub(crate) chain: Chain,
    crash_at: Option<(CrashPoint, u64)>,
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
    pub(crate) fingerprint: Option<sync_core::fingerprint::Fingerprint>,
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
        let outcome = self.attempt(work);
        if outcome.is_err() {
            self.state.chain = chain;
            if !self.sql.is_autocommit()
                && let Err(error) = self.sql.execute_batch("ROLLBACK")
            {
                tracing::error!(%error, "rollback failed");
            }
        }
        outcome
    }

    fn attempt<T, E: From<StoreError>>(
        &mut self,
        work: impl FnOnce(&mut Tx<'_>) -> Result<T, E>,
    ) -> Result<T, E> {
        let folder = self.folder.clone();
        let seen = move |error: rusqlite::Error| E::from(note_damage(&folder, error.into()));
        self.sql.execute_batch("BEGIN IMMEDIATE").map_err(&seen)?;
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
        self.sql.execute_batch("COMMIT").map_err(&seen)?;
        self.state.pass(CrashPoint::BeforeReply);
        for event in events {
            // Nobody listens: nothing to tell.
            let _ = self.events.send(event);
        }
        Ok(value)
    }

    fn run(mut self, jobs: &mpsc::Receiver<Job>) {
        loop {
            match jobs.recv_timeout(VIEW_GROUP) {
                Ok(job) => job(&mut self),
                Err(RecvTimeoutError::Timeout) => crate::audit::flush_views(&mut self),
                Err(RecvTimeoutError::Disconnected) => break,
            }
        }
        crate::audit::flush_views(&mut self);
        if let Err(error) = self.sql.execute_batch("PRAGMA optimize") {
            tracing::debug!(%error, "statistics not updated");
        }
    }
}

fn note_damage(folder: &Path, error: StoreError) -> StoreError {
    if matches!(error, StoreError::Damaged) {
        tracing::error!("the database answered with damage; it will be checked at the next start");
        folder::mark_suspect(folder);
    }
    error
}

impl Store {
    /// Opens the store of a data folder, making what is missing. A damaged database is set aside, an alarm
    /// says where, and a fresh one begins.
    pub fn open(folder: &Path, mut options: OpenOptions) -> Result<Self, OpenError> {
        let serving = options.mode == Mode::Serve;
        if serving {
            folder::make(folder)?;
        }
        let lock = serving.then(|| folder::lock(folder)).transpose()?;
        let key = folder::device_key(folder, serving, || {
            let mut seed = [0; 32];
            (options.random)(&mut seed);
            seed
        })?;
        let path = folder.join(folder::DATABASE);
        if !serving && !path.exists() {
            return Err(OpenError::Missing);
        }
        let aside = if serving {
            set_aside_if_damaged(folder, &path, &options)?
        } else {
            None
        };
        let sql = open_writer(&path, &options)?;
        let mut session = [0; 8];
        (options.random)(&mut session);
        let actor = Actor {
            device: key.device(),
            session: SessionId(session),
        };
        let mut own_random = [0u8; 32];
        (options.random)(&mut own_random);
        let state = State {
            side: options.side,
            mode: options.mode,
            actor,
            side_sessions: Vec::new(),
            random: derived_random(own_random),
            chain: Chain::new(actor),
            crash_at: options.crash_at,
        };
        let (events, _) = broadcast::channel(EVENTS);
        let writer = Writer {
            sql,
            state,
            clock: options.clock.clone(),
            events: events.clone(),
            folder: folder.to_owned(),
            _lock: lock,
        };
        Self::start(folder, key, options, actor, events, writer, aside)
    }

    fn start(
        folder: &Path,
        key: DeviceKey,
        options: OpenOptions,
        actor: Actor,
        events: broadcast::Sender<StoreEvent>,
        mut writer: Writer,
        aside: Option<PathBuf>,
    ) -> Result<Self, OpenError> {
        let outdated = schema::create(&writer.sql)?;
        if outdated {
            tracing::info!("derived tables are of another version: building them again");
            writer
                .transact(crate::derive::rebuild_in_place)
                .map_err(|error: StoreError| OpenError::Rebuild(Box::new(error)))?;
        }
        if let Some(path) = aside {
            let text = path.display().to_string();
            writer
                .transact(move |tx| raise_alarm(tx, "damaged", &text))
                .map_err(|error: StoreError| OpenError::Rebuild(Box::new(error)))?;
        }
        let (sender, receiver) = mpsc::channel::<Job>();
        let thread = std::thread::Builder::new()
            .name("store-writer".to_owned())
            .spawn(move || writer.run(&receiver))
            .map_err(OpenError::Thread)?;
        Ok(Self {
            inner: Arc::new(Inner {
                side: options.side,
                mode: options.mode,
                clock: options.clock,
                folder: folder.to_owned(),
                key,
                actor,
                random: Mutex::new(options.random),
                password_cost_kib: options.password_cost_kib,
                hashing: Semaphore::new(HASHINGS),
                last_used: Mutex::new(HashMap::new()),
                events,
                idle: Mutex::new(Vec::new()),
                permits: Semaphore::new(READERS),
                jobs: Mutex::new(Some(sender)),
                thread: Mutex::new(Some(thread)),
            }),
        })
    }

    /// This device.
    pub fn device(&self) -> DeviceId {
        self.inner.actor.device
    }

    /// This run of the program.
    pub fn session(&self) -> SessionId {
        self.inner.actor.session
    }

    /// Device and session: the actor of the changes that this run writes.
    pub fn actor(&self) -> Actor {
        self.inner.actor
    }

    /// The device's key.
    pub fn device_key(&self) -> &DeviceKey {
        &self.inner.key
    }

    /// Box or hub.
    pub fn side(&self) -> Side {
        self.inner.side
    }

    /// The data folder.
    pub fn folder(&self) -> &Path {
        &self.inner.folder
    }

    /// The time as the program knows it.
    pub fn clock(&self) -> &Arc<dyn Clock> {
        &self.inner.clock
    }

    /// Fills `bytes` from the program's source of randomness.
    pub fn fill_random(&self, bytes: &mut [u8]) {
        let mut random = self.inner.random.lock().unwrap_or_else(PoisonError::into_inner);
        random(bytes);
    }

    /// Eight random bytes, for an id inside a document.
    pub fn fresh(&self) -> [u8; 8] {
        let mut bytes = [0; 8];
        self.fill_random(&mut bytes);
        bytes
    }

    /// What changes from now on. A listener that falls far behind misses events and is told so.
    pub fn changes(&self) -> broadcast::Receiver<StoreEvent> {
        self.inner.events.subscribe()
    }

    /// Tells listeners now.
    pub fn emit(&self, event: StoreEvent) {
        // Nobody listens: nothing to tell.
        let _ = self.inner.events.send(event);
    }

    /// Runs one transaction on the writing thread. All of it is on the disk when this returns `Ok`; nothing of
    /// it was kept on `Err`.
    pub(crate) async fn write<T, E>(
        &self,
        work: impl FnOnce(&mut Tx<'_>) -> Result<T, E> + Send + 'static,
    ) -> Result<T, E>
    where
        T: Send + 'static,
        E: From<StoreError> + Send + 'static,
    {
        self.on_writer(move |writer| writer.transact(work)).await?
    }

    /// Runs work on the writing thread that makes its own transactions.
    pub(crate) async fn on_writer<T: Send + 'static>(
        &self,
        work: impl FnOnce(&mut Writer) -> T + Send + 'static,
    ) -> Result<T, StoreError> {
        let (reply, answer) = oneshot::channel();
        let job: Job = Box::new(move |writer| {
            // The caller went away: what was written stays written.
            let _ = reply.send(work(writer));
        });
        {
            let jobs = self.inner.jobs.lock().unwrap_or_else(PoisonError::into_inner);
            jobs.as_ref()
                .ok_or(StoreError::Closed)?
                .send(job)
                .map_err(|_| StoreError::Closed)?;
        }
        answer.await.map_err(|_| StoreError::Closed)
    }

    /// Runs reads on one connection and one consistent state.
    pub(crate) async fn read<T, E>(
        &self,
        work: impl FnOnce(&Connection) -> Result<T, E> + Send + 'static,
    ) -> Result<T, E>
    where
        T: Send + 'static,
        E: From<StoreError> + Send + 'static,
    {
        let permit = self
            .inner
            .permits
            .acquire()
            .await
            .map_err(|_| E::from(StoreError::Closed))?;
        let inner = self.inner.clone();
        let outcome = tokio::task::spawn_blocking(move || inner.read(work)).await;
        drop(permit);
        outcome.map_err(|_| E::from(StoreError::Closed))?
    }

    /// Alarms that stand, oldest first.
    pub async fn alarms(&self) -> Result<Vec<Alarm>, StoreError> {
        self.read(|sql| {
            let mut rows = sql.prepare_cached("SELECT kind, at, text FROM local_alarms ORDER BY id")?;
            let alarms = rows.query_map([], |row| {
                Ok(Alarm {
                    kind: row.get(0)?,
                    at: WallTime(row.get(1)?),
                    text: row.get(2)?,
                })
            })?;
            Ok(alarms.collect::<rusqlite::Result<Vec<_>>>()?)
        })
        .await
    }

    /// Raises an alarm; one of the same kind is replaced. The text holds no personal data.
    pub async fn raise_alarm(&self, kind: &str, text: &str) -> Result<(), StoreError> {
        let (kind, text) = (kind.to_owned(), text.to_owned());
        self.write(move |tx| raise_alarm(tx, &kind, &text)).await
    }

    /// Takes an alarm away.
    pub async fn clear_alarm(&self, kind: &str) -> Result<(), StoreError> {
        let kind = kind.to_owned();
        self.write(move |tx| {
            if tx
                .sql
                .execute("DELETE FROM local_alarms WHERE kind = ?1", [&kind])?
                > 0
            {
                tx.emit(StoreEvent::Alarm);
            }
            Ok(())
        })
        .await
    }
}

impl Inner {
    fn read<T, E: From<StoreError>>(&self, work: impl FnOnce(&Connection) -> Result<T, E>) -> Result<T, E> {
        let spare = self.idle.lock().unwrap_or_else(PoisonError::into_inner).pop();
        let seen = |error: rusqlite::Error| E::from(note_damage(&self.folder, error.into()));
        let sql = match spare {
            Some(sql) => sql,
            None => open_reader(&self.folder.join(folder::DATABASE)).map_err(&seen)?,
        };
        sql.execute_batch("BEGIN").map_err(&seen)?;
        let outcome = work(&sql);
        sql.execute_batch("COMMIT").map_err(&seen)?;
        self.idle.lock().unwrap_or_else(PoisonError::into_inner).push(sql);
        outcome
    }
}

pub(crate) fn raise_alarm(tx: &mut Tx<'_>, kind: &str, text: &str) -> Result<(), StoreError> {
    tx.sql.execute(
        "INSERT INTO local_alarms(kind, at, text) VALUES(?1, ?2, ?3)
         ON CONFLICT(kind) DO UPDATE SET at = ?2, text = ?3",
        rusqlite::params![kind, tx.now.at.0, text],
    )?;
    tx.emit(StoreEvent::Alarm);
    Ok(())
}

fn open_writer(path: &Path, options: &OpenOptions) -> Result<Connection, OpenError> {
    let sql = Connection::open(path)?;
    let found: i64 = sql.query_row("PRAGMA user_version", [], |row| row.get(0))?;
    if found > schema::VERSION {
        return Err(OpenError::Newer {
            found,
            known: schema::VERSION,
        });
    }
    schema::prepare_writer(&sql, options.pages_max)?;
    Ok(sql)
}

fn open_reader(path: &Path) -> rusqlite::Result<Connection> {
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let sql = Connection::open_with_flags(path, flags)?;
    schema::prepare(&sql)?;
    Ok(sql)
}

/// Checks the database where it is small or gave reason to, and sets a damaged one aside.
fn set_aside_if_damaged(
    folder: &Path,
    path: &Path,
    options: &OpenOptions,
) -> Result<Option<PathBuf>, OpenError> {
    if !path.exists() {
        return Ok(None);
    }
    let length = path.metadata().map_or(0, |meta| meta.len());
    let whole = length <= CHECK_ALWAYS_BYTES || folder::is_suspect(folder);
    let sound = check(path, whole);
    let aside = match sound {
        Ok(()) => None,
        Err(StoreError::Damaged) => {
            let aside = folder::set_aside(folder, options.clock.now().at.0)?;
            tracing::error!(path = %aside.display(), "the database was damaged and has been set aside");
            Some(aside)
        }
        Err(StoreError::Database(error)) => return Err(OpenError::Database(error)),
        Err(other) => return Err(OpenError::Rebuild(Box::new(other))),
    };
    folder::clear_suspect(folder);
    Ok(aside)
}

fn check(path: &Path, whole: bool) -> Result<(), StoreError> {
    let sql = Connection::open(path)?;
    sql.query_row("SELECT count(*) FROM sqlite_schema", [], |_| Ok(()))?;
    if whole {
        let verdict: String = sql.query_row("PRAGMA quick_check(1)", [], |row| row.get(0))?;
        if verdict != "ok" {
            return Err(StoreError::Damaged);
        }
    }
    Ok(())
}

/// The writer's own stream of random bytes: BLAKE3 in its extendable form over a secret seed.
fn derived_random(seed: [u8; 32]) -> Random {
    let mut stream = blake3::Hasher::new_keyed(&seed).finalize_xof();
    Box::new(move |bytes| stream.fill(bytes))
}

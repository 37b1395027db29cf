//! The store's handle, the thread that writes, and the connections that read.

mod fault;
mod files;
mod hands;
mod salvage;
mod telling;
mod writer;

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use records::ids::{DeviceId, DocId, PatientId, SessionId};
use sync_core::identity::{Actor, DeviceKey};
use tokio::sync::{Semaphore, broadcast};

pub(crate) use crate::alarms::{clear_alarm, raise_alarm};
use crate::audit::Chain;
use crate::objects::{BlobStore, Objects, WAITING_BYTES_MAX};
use crate::open::{Clock, Mode, OpenError, OpenOptions, Random, Side};
use crate::sql::{Address, Connection, Listening};
use crate::{folder, schema, settings};

pub use fault::StoreError;
use fault::note_damage;
pub(crate) use files::open_reader;
use files::{open_on_server, open_writer, set_aside_if_damaged};
use hands::Hands;
pub(crate) use writer::{State, Tx, Writer};

/// Connections that read at the same time.
const READERS: usize = 4;
/// Secrets that are hashed at the same time.
const HASHINGS: usize = 2;
/// Setting of a database on a server: the device whose key its nodes share.
const HUB: &str = "hub";
/// Events that a slow listener may lag behind before it misses some.
const EVENTS: usize = 256;

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

/// What is kept on disk. A cheap clone of one handle; the last one that goes closes the database.
#[derive(Clone)]
pub struct Store {
    pub(crate) inner: Arc<Inner>,
}

pub(crate) struct Inner {
    /// The connection that writes: it goes when [`Drop`] has closed those that read.
    hands: Hands,
    pub(crate) side: Side,
    pub(crate) mode: Mode,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) folder: PathBuf,
    pub(crate) key: DeviceKey,
    /// This device and the session that it began with.
    pub(crate) actor: Actor,
    session_now: Arc<AtomicU64>,
    pub(crate) random: Mutex<Random>,
    pub(crate) password_cost_kib: Option<u32>,
    /// Turns at hashing secrets: each takes 19 MiB.
    pub(crate) hashing: Semaphore,
    /// When browser sessions were last used, by the hash of their token.
    pub(crate) last_used: Mutex<HashMap<[u8; 32], Duration>>,
    /// What was learned for packing messages.
    pub(crate) packing: Arc<Mutex<crate::sync::Packing>>,
    /// How far the look for damage has come.
    pub(crate) round: tokio::sync::Mutex<crate::upkeep::Round>,
    events: broadcast::Sender<StoreEvent>,
    database: Option<Address>,
    /// Blobs outside the database.
    pub(crate) objects: Option<Objects>,
    /// Hears of what other processes write into the same database.
    _listening: Option<Listening>,
    idle: Mutex<Vec<Connection>>,
    permits: Semaphore,
}

impl Drop for Inner {
    fn drop(&mut self) {
        // The writer closes last: it brings the write-ahead log into the file.
        self.idle
            .get_mut()
            .unwrap_or_else(PoisonError::into_inner)
            .clear();
    }
}

impl Store {
    /// Opens the store of a data folder, making what is missing. A damaged database is set aside, an alarm
    /// says where, and a fresh one begins.
    pub fn open(folder: &Path, mut options: OpenOptions) -> Result<Self, OpenError> {
        let serving = options.mode == Mode::Serve;
        if serving {
            folder::make(folder)?;
        }
        if crate::backup::is_unfinished(folder) {
            return Err(OpenError::RestoreCutOff);
        }
        let path = folder.join(folder::DATABASE);
        if options.database.is_some() && options.side == Side::Box {
            return Err(OpenError::BoxOnServer);
        }
        let in_file = options.database.is_none();
        if !serving && in_file && !path.exists() {
            return Err(OpenError::Missing);
        }
        let lock = serving.then(|| folder::lock(folder)).transpose()?;
        if serving {
            folder::clear_scratch(folder);
        }
        let on_server = match &options.database {
            Some(address) => Some(open_on_server(address, &options)?),
            None => None,
        };
        // All nodes of a database are one hub: they have its key from their keeper, and do not make one.
        let hub = match &on_server {
            Some(sql) => hub_of(sql)?,
            None => None,
        };
        let made = folder::device_key(folder, serving && hub.is_none(), || {
            let mut seed = [0; 32];
            (options.random)(&mut seed);
            seed
        });
        let key = match (made, hub) {
            (Err(OpenError::Folder { .. }), Some(_)) => return Err(OpenError::OtherHub),
            (Ok(key), Some(hub)) if key.device() != hub => return Err(OpenError::OtherHub),
            (made, _) => made?,
        };
        let aside = if serving && in_file {
            set_aside_if_damaged(folder, &path, &options)?
        } else {
            None
        };
        let sql = match on_server {
            Some(sql) => sql,
            None => open_writer(&path, &options)?,
        };
        let key = if serving {
            folder::change_key(folder, key, |next| {
                crate::sync::successions::is_kept(&sql, next.device())
            })?
        } else {
            key
        };
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
            key: key.clone(),
            actor,
            session_now: Arc::new(AtomicU64::new(u64::from_be_bytes(actor.session.0))),
            side_sessions: Vec::new(),
            random: derived_random(own_random),
            scrub: false,
            packing: Arc::default(),
            chain: Chain::new(actor),
            chain_in_doubt: false,
            run: actor.session,
            crash_at: options.crash_at,
            waiting_max: options
                .blobs
                .as_ref()
                .map_or(WAITING_BYTES_MAX, BlobStore::waiting_max),
        };
        let (events, _) = broadcast::channel(EVENTS);
        let writer = Writer {
            sql,
            state,
            clock: options.clock.clone(),
            events: events.clone(),
            folder: folder.to_owned(),
            log_limit: writer::LOG_HIGH,
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
        aside: Option<salvage::Aside>,
    ) -> Result<Self, OpenError> {
        // Beside a running process the tables are as that one made them.
        let outdated = options.mode == Mode::Serve && schema::create(&writer.sql)?;
        if outdated {
            tracing::info!("derived tables are of another version: building them again");
            writer
                .transact(crate::derive::rebuild_in_place)
                .map_err(|error: StoreError| OpenError::Rebuild(Box::new(error)))?;
        }
        if options.mode == Mode::Serve {
            writer
                .transact(|tx| {
                    if !tx.sql.is_file() {
                        settings::put(tx, HUB, &serde_json::Value::String(actor.device.to_string()))?;
                    }
                    crate::sync::after_start(tx)
                })
                .map_err(|error: StoreError| OpenError::Rebuild(Box::new(error)))?;
        }
        if let Some(aside) = aside {
            let (kind, text) = aside.alarm();
            writer
                .transact(move |tx| raise_alarm(tx, &kind, &text))
                .map_err(|error: StoreError| OpenError::Rebuild(Box::new(error)))?;
        }
        let session_now = Arc::clone(&writer.state.session_now);
        let packing = Arc::clone(&writer.state.packing);
        let listening = match &options.database {
            Some(address) => Some(telling::listen(
                address,
                actor.session,
                events.clone(),
                Arc::clone(&packing),
            )?),
            None => None,
        };
        let hands = if options.inline {
            Hands::of_the_caller(writer)
        } else {
            Hands::of_a_thread(writer).map_err(OpenError::Thread)?
        };
        Ok(Self {
            inner: Arc::new(Inner {
                hands,
                side: options.side,
                mode: options.mode,
                clock: options.clock,
                folder: folder.to_owned(),
                key,
                actor,
                session_now,
                random: Mutex::new(options.random),
                password_cost_kib: options.password_cost_kib,
                hashing: Semaphore::new(HASHINGS),
                last_used: Mutex::new(HashMap::new()),
                packing,
                round: tokio::sync::Mutex::default(),
                events,
                database: options.database,
                objects: options.blobs.map(Objects::new),
                _listening: listening,
                idle: Mutex::new(Vec::new()),
                permits: Semaphore::new(READERS),
            }),
        })
    }

    /// This device.
    pub fn device(&self) -> DeviceId {
        self.inner.actor.device
    }

    /// The session under which this run writes: the one that it began with, until that turns out to be another
    /// machine's, too.
    pub fn session(&self) -> SessionId {
        SessionId(self.inner.session_now.load(Ordering::Acquire).to_be_bytes())
    }

    /// Device and session: the actor of the changes that this run writes.
    pub fn actor(&self) -> Actor {
        Actor {
            device: self.device(),
            session: self.session(),
        }
    }

    /// The device's key.
    pub fn device_key(&self) -> &DeviceKey {
        &self.inner.key
    }

    /// Whether this process serves the folder or works beside the one that does.
    pub fn mode(&self) -> Mode {
        self.inner.mode
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
        self.inner.hands.run(work).await
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
        if self.inner.hands.is_caller() {
            return self.inner.read(work);
        }
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
}

impl Inner {
    /// A connection of its own that reads.
    pub(crate) fn reader(&self) -> crate::sql::Result<Connection> {
        match &self.database {
            Some(address) => Connection::open_address(address),
            None => open_reader(&self.folder.join(folder::DATABASE)),
        }
    }

    /// Whether the store is a file of the data folder.
    pub(crate) fn is_file(&self) -> bool {
        self.database.is_none()
    }

    fn read<T, E: From<StoreError>>(&self, work: impl FnOnce(&Connection) -> Result<T, E>) -> Result<T, E> {
        let spare = self.idle.lock().unwrap_or_else(PoisonError::into_inner).pop();
        let seen = |error: crate::sql::Error| E::from(StoreError::from(error));
        let sql = match spare {
            Some(sql) => sql,
            None => self.reader().map_err(&seen)?,
        };
        sql.begin_read().map_err(&seen)?;
        let outcome = work(&sql);
        // Nothing was written: it ends the same way whether a query failed or not.
        let ended = sql.rollback().map_err(&seen);
        note_damage(&self.folder);
        ended?;
        self.idle.lock().unwrap_or_else(PoisonError::into_inner).push(sql);
        outcome
    }
}

/// The device whose key the nodes of this database share; `None` where no node has served it yet.
fn hub_of(sql: &Connection) -> Result<Option<DeviceId>, OpenError> {
    if sql.version()? == 0 {
        return Ok(None);
    }
    let hub = settings::get(sql, HUB).map_err(|error| OpenError::Rebuild(Box::new(error)))?;
    Ok(hub.and_then(|hub| hub.as_str()?.parse().ok()))
}

/// The writer's own stream of random bytes: BLAKE3 in its extendable form over a secret seed.
fn derived_random(seed: [u8; 32]) -> Random {
    let mut stream = blake3::Hasher::new_keyed(&seed).finalize_xof();
    Box::new(move |bytes| stream.fill(bytes))
}

//! The hub's side of the link: takes connections of boxes, and takes boxes in.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use records::ids::{ClinicCode, DeviceId};
use records::time::WallTime;
use store::{AlarmKind, Standing, Store, StoreError};
use sync_core::exchange::{Answer, Ask, Credentials, Exchange};
use sync_core::identity::{Actor, DevicePublicKey};
use sync_core::wire::{Bye, Frame, Lane};
use tokio::io::AsyncWriteExt;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Notify, Semaphore, watch};
use tokio::task::{JoinHandle, JoinSet};
use tokio::time::{Instant, timeout};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;

use crate::cable::Cable;
use crate::carry::{Answers, Beside, Carried, End, Outside, carry, hear_out};
use crate::certificate_files::CaFault;
use crate::dial::HANDSHAKE_LIMIT;
use crate::enrol::serve_enrolment;
use crate::hub_ca::HubCa;
use crate::tls::{peer_clinic, peer_key, peer_predecessors, server_config};

/// Connections at the same time.
const CONNECTIONS_MAX: usize = 4096;
/// Connections without a certificate at the same time: whoever has no certificate gets no more of the hub.
const ENROLMENTS_MAX: usize = 32;
/// How often a connection looks for news that another process wrote.
const LOOK_EVERY: Duration = Duration::from_secs(15);

/// The listener could not be started.
#[derive(Debug, thiserror::Error)]
pub enum ServerError {
    /// The hub's certificate could not be made.
    #[error(transparent)]
    Certificate(#[from] CaFault),
    /// The TLS library refused.
    #[error(transparent)]
    Tls(#[from] rustls::Error),
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The listener's own address is not to be had.
    #[error(transparent)]
    Listener(#[from] std::io::Error),
}

/// The hub's listener for boxes, running.
pub struct Server {
    address: SocketAddr,
    stop: watch::Sender<bool>,
    task: JoinHandle<()>,
}

struct Shared {
    store: Store,
    ca: Arc<HubCa>,
    cable: Cable,
    /// Open connections by device and session: a session that connects again takes its old connection's place;
    /// a clone of the box is another session and stays.
    open: Mutex<BTreeMap<Actor, Entry>>,
    enrolments: Semaphore,
}

/// How long a connection waits for the one that it takes the place of.
const REPLACED_LIMIT: Duration = Duration::from_secs(2);

/// An open connection.
struct Entry {
    /// Closes it.
    close: Arc<Notify>,
    /// It is closed, and what came over it is in the store.
    closed: Arc<Notify>,
    /// When its box greeted.
    since: Instant,
}

impl Server {
    /// Starts serving boxes on a listener.
    ///
    /// # Errors
    /// Where the hub's own certificate cannot be made.
    pub async fn start(
        store: Store,
        listener: TcpListener,
        ca: Arc<HubCa>,
        cable: Cable,
    ) -> Result<Self, ServerError> {
        let now: WallTime = store.clock().now().at;
        let leaf = ca.issue_leaf(&[], now)?;
        let acceptor = TlsAcceptor::from(Arc::new(server_config(&ca, &leaf)?));
        store.set_county(ca.county()).await?;
        let address = listener.local_addr()?;
        let stop = watch::Sender::new(false);
        let shared = Arc::new(Shared {
            store,
            ca,
            cable,
            open: Mutex::new(BTreeMap::new()),
            enrolments: Semaphore::new(ENROLMENTS_MAX),
        });
        let task = tokio::spawn(accept(listener, acceptor, shared, stop.subscribe()));
        Ok(Self { address, stop, task })
    }

    /// Where it listens.
    pub fn local_addr(&self) -> SocketAddr {
        self.address
    }

    /// Closes all connections and ends.
    pub async fn stop(self) {
        self.stop.send_replace(true);
        if self.task.await.is_err() {
            tracing::error!("the listener for boxes ended by a panic");
        }
    }
}

async fn accept(
    listener: TcpListener,
    acceptor: TlsAcceptor,
    shared: Arc<Shared>,
    mut stop: watch::Receiver<bool>,
) {
    let mut connections = JoinSet::new();
    loop {
        let accepted = tokio::select! {
            biased;
            _ = stop.wait_for(|stop| *stop) => break,
            Some(_) = connections.join_next(), if !connections.is_empty() => continue,
            accepted = listener.accept(), if connections.len() < CONNECTIONS_MAX => accepted,
        };
        match accepted {
            Ok((stream, _)) => {
                let (acceptor, shared, stop) = (acceptor.clone(), Arc::clone(&shared), stop.clone());
                connections.spawn(async move { serve(stream, acceptor, &shared, stop).await });
            }
            Err(error) => {
                // Out of file handles, say: others go on meanwhile.
                tracing::error!(%error, "a connection could not be accepted");
                tokio::time::sleep(Duration::from_millis(100)).await;
            }
        }
    }
    drop(listener);
    while connections.join_next().await.is_some() {}
}

async fn serve(stream: TcpStream, acceptor: TlsAcceptor, shared: &Shared, stop: watch::Receiver<bool>) {
    if shared.cable.is_cut() {
        return;
    }
    if let Err(error) = stream.set_nodelay(true) {
        tracing::debug!(%error, "delay not switched off");
    }
    let accepted = tokio::select! {
        biased;
        () = shared.cable.until_cut() => return,
        accepted = timeout(HANDSHAKE_LIMIT, acceptor.accept(stream)) => accepted,
    };
    let mut stream = match accepted {
        Ok(Ok(stream)) => stream,
        Ok(Err(error)) => {
            tracing::info!(%error, "a handshake failed");
            return;
        }
        Err(_) => return,
    };
    let shown = stream.get_ref().1.peer_certificates();
    let (key, clinic, before) = (peer_key(shown), peer_clinic(shown), peer_predecessors(shown));
    match key {
        Some(key) => serve_box(stream, shared, key, clinic, &before, stop).await,
        None => {
            let Ok(_turn) = shared.enrolments.try_acquire() else {
                return;
            };
            let served = serve_enrolment(&mut stream, &shared.store, &shared.ca).await;
            if let Err(error) = served {
                tracing::debug!(%error, "an enrolment was not finished");
            }
        }
    }
}

/// Whether the hub serves the owner of a good certificate. One that it does not know is taken in again: the
/// directory of a restored hub may be older than the certificate.
async fn standing(
    store: &Store,
    key: DevicePublicKey,
    clinic: Option<ClinicCode>,
    before: &[DeviceId],
) -> Result<Option<Bye>, StoreError> {
    match store.device_standing(key.device()).await? {
        Standing::Served => Ok(None),
        Standing::Revoked => Ok(Some(Bye::Revoked)),
        Standing::Unknown => match clinic {
            Some(clinic) => {
                store.enrol_again(key, &clinic, before).await?;
                tracing::warn!(device = %key.device(), "a box that the directory did not have was taken in again");
                Ok(None)
            }
            None => Ok(Some(Bye::UnknownDevice)),
        },
    }
}

struct HubAnswers<'a> {
    shared: &'a Shared,
    key: DevicePublicKey,
    replaced: Arc<Notify>,
    closed: Arc<Notify>,
    actor: Option<Actor>,
    alarmed: bool,
    /// Ends of the clinic's feed when it was last looked at.
    seen: [u64; Lane::COUNT],
}

impl HubAnswers<'_> {
    /// A session that still works after another session of its device connected is a twin: one card was written
    /// twice. A box that merely started again left its old session silent.
    fn is_twin(&self) -> bool {
        let Some(own) = self.actor else { return false };
        let open = self.shared.open.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(mine) = open.get(&own).map(|entry| entry.since) else {
            return false;
        };
        open.iter()
            .any(|(actor, entry)| actor.device == own.device && *actor != own && entry.since > mine)
    }
}

impl Answers for HubAnswers<'_> {
    async fn answer(&mut self, ask: Ask) -> Result<Answer, StoreError> {
        if let Ask::Greet(hello) = &ask {
            self.actor = Some(hello.actor);
            let entry = Entry {
                close: Arc::clone(&self.replaced),
                closed: Arc::clone(&self.closed),
                since: Instant::now(),
            };
            let before = {
                let mut open = self.shared.open.lock().unwrap_or_else(PoisonError::into_inner);
                open.insert(hello.actor, entry)
            };
            if let Some(before) = before {
                before.close.notify_one();
                // What it kept of a blob is told to the box only then; one that hangs is not waited for.
                let _ = timeout(REPLACED_LIMIT, before.closed.notified()).await;
            }
        }
        let came_from_box = matches!(ask, Ask::TakeBatch { .. } | Ask::TakeAudit { .. } | Ask::Acked(_));
        if came_from_box && !self.alarmed && self.is_twin() {
            self.alarmed = true;
            let device = self.key.device().to_string();
            tracing::warn!(%device, "two boxes with one key are connected");
            self.shared.store.raise_alarm(AlarmKind::Clone, &device).await?;
        }
        self.shared.store.answer_as_hub(self.key.device(), ask).await
    }

    fn answer_beside(&self, ask: Ask) -> Beside {
        let (store, device) = (self.shared.store.clone(), self.key.device());
        tokio::spawn(async move { store.answer_as_hub(device, ask).await })
    }

    async fn news(&mut self) -> Result<Vec<Lane>, StoreError> {
        // Most news are of other clinics: one look tells whether any lane of this feed grew.
        let ends = self.shared.store.feed_positions(self.key.device()).await?;
        let grown = Lane::ALL
            .into_iter()
            .filter(|lane| ends[lane.index()] != self.seen[lane.index()])
            .collect();
        self.seen = ends;
        Ok(grown)
    }

    fn kept_all(&self) {
        self.closed.notify_one();
    }
}

impl Drop for HubAnswers<'_> {
    fn drop(&mut self) {
        let Some(actor) = self.actor else { return };
        let mut open = self.shared.open.lock().unwrap_or_else(PoisonError::into_inner);
        if open
            .get(&actor)
            .is_some_and(|current| Arc::ptr_eq(&current.close, &self.replaced))
        {
            open.remove(&actor);
        }
    }
}

async fn serve_box(
    mut stream: TlsStream<TcpStream>,
    shared: &Shared,
    key: DevicePublicKey,
    clinic: Option<ClinicCode>,
    before: &[DeviceId],
    mut stop: watch::Receiver<bool>,
) {
    let known = match standing(&shared.store, key, clinic, before).await {
        Ok(None) => shared.store.predecessors(key.device()).await.map(Ok),
        Ok(Some(bye)) => Ok(Err(bye)),
        Err(error) => Err(error),
    };
    let known = known.unwrap_or_else(|error| {
        tracing::error!(%error, "the directory could not be read");
        Err(Bye::StoreFault)
    });
    let predecessors = match known {
        Ok(predecessors) => predecessors,
        Err(bye) => {
            let say = async {
                stream.write_all(&Frame::Bye(bye).encode()).await?;
                stream.shutdown().await?;
                hear_out(&mut stream).await
            };
            // Whether the box hears it or not, it is not served.
            let _ = timeout(HANDSHAKE_LIMIT, say).await;
            return;
        }
    };
    let credentials = Credentials {
        key: shared.store.device_key().clone(),
        county: shared.ca.county(),
        peer: key,
        predecessors,
    };
    let started = Instant::now();
    let mut exchange = Exchange::for_hub(credentials, Duration::ZERO);
    let replaced = Arc::new(Notify::new());
    let mut answers = HubAnswers {
        shared,
        key,
        replaced: Arc::clone(&replaced),
        closed: Arc::default(),
        actor: None,
        alarmed: false,
        seen: [0; Lane::COUNT],
    };
    let mut ended = Box::pin(async move {
        tokio::select! {
            _ = stop.wait_for(|stop| *stop) => {}
            () = replaced.notified() => {}
        }
    });
    let outside = Outside {
        store: &shared.store,
        events: shared.store.changes(),
        beside: None,
        cable: &shared.cable,
        stop: &mut ended,
        look_every: Some(LOOK_EVERY),
        until_settled: false,
        again: None,
    };
    let mut carried = Carried::default();
    let end = carry(
        stream,
        &mut exchange,
        started,
        &mut answers,
        outside,
        &mut carried,
    )
    .await;
    match &end {
        End::Settled | End::Stopped | End::Cut(_) => {
            tracing::debug!(device = %key.device(), up = carried.up, down = carried.down, %end, "link closed");
        }
        End::Fault(_) | End::Store(_) => {
            tracing::warn!(device = %key.device(), %end, "link closed");
        }
    }
}

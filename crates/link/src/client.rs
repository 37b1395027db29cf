//! The box's side of the link: one long-lived connection to its hub, made anew whenever it breaks.

use std::sync::Arc;
use std::time::Duration;

use rand::RngExt as _;
use records::time::WallTime;
use rustls::ClientConfig;
use store::{Cause, Enrolment, Store, StoreError, StoreEvent};
use sync_core::backoff::Backoff;
use sync_core::exchange::{Answer, Ask, Counts, Credentials, Exchange};
use sync_core::identity::DeviceKey;
use sync_core::wire::Lane;
use tokio::sync::broadcast::error::RecvError;
use tokio::sync::{Notify, watch};
use tokio::task::{JoinHandle, JoinSet};
use tokio::time::{Instant, sleep};

use crate::cable::Cable;
use crate::carry::{Answers, Beside, Carried, End, Outside, carry, let_finish, prepare};
use crate::dial::{HubAddress, Limits, LinkError, Meter, dial};
use crate::tls::{BoxIdentity, Trust, client_config};

/// Changes of the day's work are gathered this long before they are sent.
pub const GATHER: Duration = Duration::from_secs(5);

/// Called with the hub's time at every contact.
pub type OnHubTime = Arc<dyn Fn(WallTime) + Send + Sync>;

/// How the link of a box runs.
#[derive(Clone)]
pub struct ClientOptions {
    /// Version of the program, told to the hub.
    pub software: String,
    /// How long changes of the less urgent lanes are gathered.
    pub gather: Duration,
    /// The cable.
    pub cable: Cable,
    /// Hears the hub's time.
    pub on_hub_time: Option<OnHubTime>,
    /// How long each step may take.
    pub limits: Limits,
}

impl ClientOptions {
    /// Options of an ordinary link.
    pub fn new(software: &str) -> Self {
        Self {
            software: software.to_owned(),
            gather: GATHER,
            cable: Cable::default(),
            on_hub_time: None,
            limits: Limits::default(),
        }
    }
}

/// The link of a box, running.
pub struct Client {
    again: Arc<Notify>,
    stop: watch::Sender<bool>,
    task: JoinHandle<()>,
}

impl Client {
    /// Starts the link. It waits until the box has joined a hub, and connects again for ever. With `hub_url` it
    /// goes there instead of to the address of the enrolment.
    pub fn start(store: Store, hub_url: Option<String>, options: ClientOptions) -> Self {
        let (again, stop) = (Arc::new(Notify::new()), watch::Sender::new(false));
        let running = Running {
            store,
            hub_url,
            options,
            handshakes: Handshakes::default(),
            again: Arc::clone(&again),
            stop: stop.subscribe(),
        };
        let task = tokio::spawn(running.run());
        Self { again, stop, task }
    }

    /// Tries at once instead of waiting for the next try.
    pub fn try_now(&self) {
        self.again.notify_one();
    }

    /// Closes the connection and ends.
    pub async fn stop(self) {
        self.stop.send_replace(true);
        if self.task.await.is_err() {
            tracing::error!("the link ended by a panic");
        }
    }
}

/// What a link keeps from one contact to the next: with a ticket of the last one no certificates travel.
#[derive(Default)]
struct Handshakes(Option<(Enrolment, Arc<ClientConfig>)>);

impl Handshakes {
    /// How the box of this enrolment shakes hands.
    fn of(&mut self, enrolment: &Enrolment, key: &DeviceKey) -> Result<Arc<ClientConfig>, rustls::Error> {
        if let Some((known, config)) = &self.0
            && known == enrolment
        {
            return Ok(Arc::clone(config));
        }
        let identity = BoxIdentity {
            certificate: &enrolment.certificate,
            key,
        };
        let made = Arc::new(client_config(Trust::Root(enrolment.ca.clone()), Some(&identity))?);
        self.0 = Some((enrolment.clone(), Arc::clone(&made)));
        Ok(made)
    }
}

struct Running {
    store: Store,
    hub_url: Option<String>,
    options: ClientOptions,
    handshakes: Handshakes,
    again: Arc<Notify>,
    stop: watch::Receiver<bool>,
}

impl Running {
    async fn run(mut self) {
        let mut backoff = Backoff::default();
        self.note_stopped().await;
        while !*self.stop.borrow() {
            let enrolment = match self.store.enrolment().await {
                Ok(Some(enrolment)) => enrolment,
                Ok(None) => {
                    self.until_joined().await;
                    continue;
                }
                Err(error) => {
                    tracing::error!(%error, "the enrolment could not be read");
                    self.pause(backoff.failed(random())).await;
                    continue;
                }
            };
            let outcome = self.once(&enrolment).await;
            if *self.stop.borrow() {
                break;
            }
            if let Some(lasted) = outcome.reached_for {
                backoff.reached(lasted, outcome.carried_something);
            }
            let wait = backoff.failed(random());
            tracing::info!(
                cause = outcome.cause.word(),
                wait_ms = wait.as_millis() as u64,
                "link down"
            );
            if let Err(error) = self.store.note_failure(outcome.cause, Some(wait)).await {
                tracing::error!(%error, "the state of the link could not be written");
            }
            self.pause(wait).await;
        }
        self.note_stopped().await;
    }

    async fn note_stopped(&self) {
        if let Err(error) = self.store.note_stopped().await {
            tracing::error!(%error, "the state of the link could not be written");
        }
    }

    /// Waits until the box may have joined a hub.
    async fn until_joined(&mut self) {
        let mut events = self.store.changes();
        if self
            .store
            .enrolment()
            .await
            .is_ok_and(|enrolment| enrolment.is_some())
        {
            return;
        }
        let told = async {
            loop {
                match events.recv().await {
                    Ok(StoreEvent::SyncState) | Err(RecvError::Lagged(_)) => break,
                    Ok(_) => {}
                    Err(RecvError::Closed) => std::future::pending().await,
                }
            }
        };
        tokio::select! {
            () = told => {}
            () = self.again.notified() => {}
            _ = self.stop.wait_for(|stop| *stop) => {}
        }
    }

    /// Waits for the next try; shorter when somebody asks for it or the cable comes back.
    async fn pause(&mut self, wait: Duration) {
        let cable = self.options.cable.clone();
        let plugged_in = async {
            if cable.is_cut() {
                cable.until_whole().await;
            } else {
                std::future::pending::<()>().await;
            }
        };
        tokio::select! {
            () = sleep(wait) => {}
            () = self.again.notified() => {}
            () = plugged_in => {}
            _ = self.stop.wait_for(|stop| *stop) => {}
        }
    }

    async fn once(&mut self, enrolment: &Enrolment) -> Outcome {
        let mut stop = self.stop.clone();
        let stopped = Box::pin(async move {
            // The sender is held by the client: waiting cannot fail before the end.
            let _ = stop.wait_for(|stop| *stop).await.map(|_| ());
        });
        let mut contact = Contact::new(&self.store, &self.options, &mut self.handshakes);
        let end = contact
            .make(enrolment, self.hub_url.as_deref(), false, stopped)
            .await;
        let cause = match end {
            Ok(end) => end.cause().unwrap_or(Cause::Cut),
            Err(error) => error.cause,
        };
        Outcome {
            reached_for: contact.reached_for,
            carried_something: contact.counts.is_something_new(),
            cause,
        }
    }
}

struct Outcome {
    /// How long the hub was reached; `None` where it never greeted.
    reached_for: Option<Duration>,
    carried_something: bool,
    cause: Cause,
}

fn random() -> u64 {
    rand::rng().random()
}

/// One contact with the hub.
struct Contact<'a> {
    store: &'a Store,
    options: &'a ClientOptions,
    handshakes: &'a mut Handshakes,
    reached_for: Option<Duration>,
    counts: Counts,
    carried: Carried,
}

struct BoxAnswers<'a> {
    store: &'a Store,
    on_hub_time: Option<&'a OnHubTime>,
}

impl Answers for BoxAnswers<'_> {
    async fn answer(&mut self, ask: Ask) -> Result<Answer, StoreError> {
        if let (Ask::Welcomed(welcome), Some(tell)) = (&ask, self.on_hub_time) {
            tell(welcome.at);
        }
        self.store.answer_as_box(ask).await
    }

    fn answer_beside(&self, ask: Ask) -> Beside {
        let store = self.store.clone();
        tokio::spawn(async move { store.answer_as_box(ask).await })
    }

    async fn news(&mut self) -> Result<Vec<Lane>, StoreError> {
        Ok(Lane::ALL.to_vec())
    }
}

impl<'a> Contact<'a> {
    fn new(store: &'a Store, options: &'a ClientOptions, handshakes: &'a mut Handshakes) -> Self {
        Self {
            store,
            options,
            handshakes,
            reached_for: None,
            counts: Counts::default(),
            carried: Carried::default(),
        }
    }

    async fn make(
        &mut self,
        enrolment: &Enrolment,
        hub_url: Option<&str>,
        until_settled: bool,
        stop: impl Future<Output = ()> + Unpin + Send,
    ) -> Result<End, LinkError> {
        let meter = Meter::default();
        let outcome = self
            .connected(enrolment, hub_url, until_settled, stop, &meter)
            .await;
        if let Err(error) = self.store.note_spent(meter.up(), meter.down()).await {
            tracing::error!(%error, "the data plan's meter could not be written");
        }
        outcome
    }

    async fn connected(
        &mut self,
        enrolment: &Enrolment,
        hub_url: Option<&str>,
        until_settled: bool,
        mut stop: impl Future<Output = ()> + Unpin + Send,
        meter: &Meter,
    ) -> Result<End, LinkError> {
        let own = |error: StoreError| LinkError::by(Cause::OwnStore, error);
        let address = HubAddress::parse(hub_url.unwrap_or(&enrolment.hub_url))
            .map_err(|error| LinkError::by(Cause::Unreachable, error))?;
        let config = self
            .handshakes
            .of(enrolment, self.store.device_key())
            .map_err(|error| LinkError::by(Cause::OwnStore, error))?;
        let limits = self.options.limits;
        let (cable, meter) = (self.options.cable.clone(), meter.clone());
        let mut dialling = JoinSet::new();
        dialling.spawn(async move { dial(&address, config, &cable, &meter, limits).await });
        let events = self.store.changes();
        let hello = self.store.hello(&self.options.software).await.map_err(own)?;
        let hello = hello.ok_or_else(|| LinkError::new(Cause::NotJoined))?;
        let credentials = Credentials {
            key: self.store.device_key().clone(),
            county: enrolment.county,
            peer: enrolment.hub().map_err(own)?,
            predecessors: self.store.predecessors(self.store.device()).await.map_err(own)?,
        };
        let gather = if until_settled {
            Duration::ZERO
        } else {
            self.options.gather
        };
        let mut exchange = Exchange::for_box(credentials, &hello, gather, Duration::ZERO);
        exchange.set_silence_limit(limits.silence);
        let mut answers = BoxAnswers {
            store: self.store,
            on_hub_time: self.options.on_hub_time.as_ref(),
        };
        // What goes out first is read and packed while the hub is being reached: a Pi takes seconds for a day.
        let beside = match prepare(&mut exchange, &mut answers).await {
            Ok(beside) => beside,
            Err(end) => return Ok(end),
        };
        let dialled = tokio::select! {
            biased;
            () = &mut stop => None,
            dialled = dialling.join_next() => dialled,
        };
        let dialled = match dialled {
            Some(Ok(Ok(stream))) => Ok(stream),
            Some(Ok(Err(error))) => Err(Err(error)),
            Some(Err(panicked)) => Err(Err(LinkError::by(Cause::Cut, panicked))),
            None => Err(Ok(End::Stopped)),
        };
        let stream = match dialled {
            Ok(stream) => stream,
            Err(ended) => {
                let_finish(beside).await;
                return ended;
            }
        };
        let started = Instant::now();
        let outside = Outside {
            store: self.store,
            events,
            beside,
            cable: &self.options.cable,
            stop: &mut stop,
            look_every: None,
            until_settled,
            again: Some(limits.again),
        };
        let end = carry(
            stream,
            &mut exchange,
            started,
            &mut answers,
            outside,
            &mut self.carried,
        )
        .await;
        self.reached_for = exchange.is_open().then(|| started.elapsed());
        self.counts = exchange.counts();
        Ok(end)
    }
}

/// What one `sync --once` carried.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct SyncReport {
    /// Bytes written to the TLS stream after the handshake.
    pub bytes_up: u64,
    /// Bytes read from it.
    pub bytes_down: u64,
    /// The part of both that is audit.
    pub audit_bytes: u64,
    /// Round trips after the handshake.
    pub round_trips: u64,
    /// Changes of this box that the hub stored.
    pub changes_sent: u64,
    /// Changes that came and were new.
    pub changes_received: u64,
    /// Blobs that the hub has whole now.
    pub blobs_sent: u64,
    /// Changes and blobs that the hub has not acknowledged.
    pub pending: u64,
    /// Fingerprint of what the box holds.
    pub fingerprint: [u8; 32],
    /// How long it took.
    pub seconds: f64,
}

/// Exchanges everything once and closes. With `hub_url` it goes there instead of to the enrolment's address.
///
/// # Errors
/// The cause why not everything was exchanged; what was acknowledged until then stays.
pub async fn sync_once(
    store: &Store,
    hub_url: Option<&str>,
    options: &ClientOptions,
) -> Result<SyncReport, LinkError> {
    let own = |error: StoreError| LinkError::by(Cause::OwnStore, error);
    let started = Instant::now();
    let enrolment = store.enrolment().await.map_err(own)?;
    let enrolment = enrolment.ok_or_else(|| LinkError::new(Cause::NotJoined))?;
    let mut handshakes = Handshakes::default();
    let mut contact = Contact::new(store, options, &mut handshakes);
    let outcome = contact
        .make(&enrolment, hub_url, true, std::future::pending())
        .await;
    let failed = match outcome {
        Ok(End::Settled) => None,
        Ok(end) => Some(LinkError::by(end.cause().unwrap_or(Cause::Cut), end)),
        Err(error) => Some(error),
    };
    if let Some(error) = failed {
        store.note_failure(error.cause, None).await.map_err(own)?;
        return Err(error);
    }
    store.note_stopped().await.map_err(own)?;
    let Contact { counts, carried, .. } = contact;
    Ok(SyncReport {
        bytes_up: carried.up,
        bytes_down: carried.down,
        audit_bytes: counts.audit_bytes,
        round_trips: counts.round_trips,
        changes_sent: counts.changes_sent,
        changes_received: counts.changes_received,
        blobs_sent: counts.blobs_sent,
        pending: store.link_status().await.map_err(own)?.pending,
        fingerprint: store.fingerprint().await.map_err(own)?.to_bytes(),
        seconds: started.elapsed().as_secs_f64(),
    })
}

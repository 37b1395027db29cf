//! A box whose data wait for a person: its pages until then. They are served with the papers that the open box left,
//! ask for the start PIN, ask the county's hub to open the data where it may, and take readings, which are sealed and
//! wait in the vestibule. Nothing of a patient is shown here: nothing of one can be read.

mod asking;
mod kiosk;
pub mod pages;
mod readings;

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};

use axum_server::tls_rustls::RustlsConfig;
use card::random::Random;
use card::sealed::InboxPublic;
use card::vestibule::Papers;
use shell::errors::Page;
use shell::listening::{self, Bound, ListenFault, Served};
use store::Clock;
use tokio::task::JoinHandle;
use web::trouble::Trouble;
use zeroize::Zeroizing;

use crate::bays::Bays;
use crate::bays::keeper::Queue;
use crate::bays::runner::Threads;
use crate::clock::SystemClock;
use crate::config::{BayConfig, ConfigError, LanConfig, check_bays, check_loopback};
use crate::inbox::Message;
use crate::limits::Limits;
use crate::live::Live;
use crate::opener::client::{Door, NoAnswer};
use crate::opener::protocol::{Answer, Request};
use crate::state::Transport;
use crate::tls::{LanTls, TlsFault, config_of};

/// How the locked pages are served.
pub struct Options {
    /// The opener.
    pub door: Door,
    /// A folder in memory, for a certificate where the open box left none.
    pub folder: PathBuf,
    /// Loopback HTTP of the pages.
    pub listen: SocketAddr,
    /// HTTPS on the local network.
    pub lan_listen: Option<SocketAddr>,
    /// Plain HTTP on the local network, which only says where the pages are.
    pub setup_listen: Option<SocketAddr>,
    /// Loopback HTTP of the box's own screen: the kiosk and nothing else.
    pub screen_listen: Option<SocketAddr>,
    /// The box's own network.
    pub lan: LanConfig,
    /// Device bays.
    pub bays: Vec<BayConfig>,
}

/// Why they are not served.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// A setting cannot be.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// An address cannot be listened on.
    #[error(transparent)]
    Listen(#[from] ListenFault),
    /// The opener does not answer.
    #[error(transparent)]
    Door(#[from] NoAnswer),
    /// A thread could not be started.
    #[error("a thread could not be started: {0}")]
    Thread(#[source] std::io::Error),
    /// No certificate can be served.
    #[error(transparent)]
    Tls(#[from] TlsFault),
}

/// What the pages need.
#[derive(Clone)]
pub struct LockedState {
    /// The opener.
    pub door: Door,
    /// The time.
    pub clock: Arc<SystemClock>,
    /// Where tablets reach the box.
    pub address: Arc<str>,
    /// The device bays.
    pub bays: Bays,
    /// Bounds on what one caller sends.
    pub limits: Arc<Limits>,
    /// How the hub is asked.
    asking: asking::Asking,
    /// What readings are sealed to; `None` where the open box left nothing.
    inbox: Option<InboxPublic>,
    random: Arc<Mutex<Random>>,
}

/// The open box left no key to seal to.
#[derive(Debug, thiserror::Error)]
#[error("the open box left no key for readings")]
struct NoInbox;

impl LockedState {
    /// Seals a reading and keeps it; `false` where no more is kept.
    ///
    /// # Errors
    /// A fault with a number: the opener does not answer, or the open box left no key.
    async fn keep(&self, id: [u8; 16], message: &Message) -> Page<bool> {
        let inbox = self.inbox.ok_or_else(|| Trouble::broken(&NoInbox))?;
        let message = message.seal(
            inbox,
            &mut self.random.lock().unwrap_or_else(PoisonError::into_inner),
        );
        match pages::ask(&self.door, Request::Put { id, message }).await? {
            Answer::Done => Ok(true),
            Answer::Full => Ok(false),
            _ => Err(Trouble::Unreadable.into()),
        }
    }
}

/// Pages that are served.
pub struct Running {
    addresses: Vec<(&'static str, String)>,
    servers: Vec<Served>,
    tasks: Vec<JoinHandle<()>>,
    state: LockedState,
    queue: Arc<Queue>,
    threads: Threads,
}

/// Serves the locked pages. When this returns the listeners answer.
///
/// # Errors
/// [`StartError`].
pub async fn run(options: Options) -> Result<Running, StartError> {
    check_loopback([Some(options.listen), options.screen_listen])?;
    check_bays(&options.bays)?;
    let inside = Bound::to(options.listen)?;
    let lan = options.lan_listen.map(Bound::to).transpose()?;
    let setup = options.setup_listen.map(Bound::to).transpose()?;
    let screen = options.screen_listen.map(Bound::to).transpose()?;
    let clock = Arc::new(SystemClock::start());
    let papers = match options.door.ask(Request::Papers).await? {
        Answer::Papers { papers } => papers,
        _ => None,
    };
    let queue = Arc::new(Queue::default());
    let state = LockedState {
        door: options.door.clone(),
        clock: Arc::clone(&clock),
        address: format!("https://{}", options.lan.name).into(),
        bays: Bays::new(
            &options.bays,
            clock as Arc<dyn Clock>,
            Arc::clone(&queue),
            Live::default(),
        ),
        limits: Arc::default(),
        asking: asking::Asking::default(),
        inbox: papers
            .as_ref()
            .and_then(|papers| InboxPublic::from_hex(&papers.inbox)),
        random: Arc::new(Mutex::new(Random::new(Zeroizing::new(rand::random())))),
    };
    let mut running = Running {
        addresses: vec![("pages", format!("http://{}/", inside.address))],
        servers: Vec::new(),
        tasks: vec![
            tokio::spawn(readings::follow(state.clone(), Arc::clone(&queue))),
            tokio::spawn(asking::follow(state.door.clone(), state.asking.clone())),
        ],
        threads: state.bays.start_devices().map_err(StartError::Thread)?,
        state: state.clone(),
        queue,
    };
    let router = pages::router(state.clone(), Transport::Loopback);
    running.servers.push(inside.serve(router)?);
    if let Some(lan) = lan {
        running
            .addresses
            .push(("lan", format!("https://{}/", lan.address)));
        let config = certificate(&options, papers, lan.address, state.clock.as_ref())?;
        let router = pages::router(state.clone(), Transport::Lan);
        running.servers.push(lan.serve_tls(router, config)?);
    }
    if let Some(setup) = setup {
        running
            .addresses
            .push(("setup", format!("http://{}/", setup.address)));
        running.servers.push(setup.serve(pages::signpost(state.clone()))?);
    }
    if let Some(screen) = screen {
        running
            .addresses
            .push(("screen", format!("http://{}/", screen.address)));
        running.servers.push(screen.serve(pages::own_screen(state))?);
    }
    Ok(running)
}

/// The certificate that the open box left, which tablets trust; else one for this start, so that a person can open the
/// box at all.
fn certificate(
    options: &Options,
    papers: Option<Papers>,
    address: SocketAddr,
    clock: &dyn Clock,
) -> Result<RustlsConfig, StartError> {
    if let Some(papers) = papers {
        match config_of(&papers.certificate, &papers.key) {
            Ok(config) => return Ok(RustlsConfig::from_config(config)),
            Err(error) => tracing::error!(%error, "the certificate that was left cannot be served"),
        }
    }
    tracing::warn!("the open box left no certificate: tablets will not trust the one of this start");
    let own = LanTls::load(&options.folder, &options.lan, address, None, clock.now())?;
    Ok(own.config())
}

impl Running {
    /// Names and addresses of the listeners.
    pub fn addresses(&self) -> &[(&'static str, String)] {
        &self.addresses
    }

    /// Takes no new request, lets open ones end.
    pub async fn stop(self) {
        for server in &self.servers {
            server.close();
        }
        for server in self.servers {
            server.ended().await;
        }
        self.state.bays.stop_devices();
        let threads = self.threads;
        if tokio::task::spawn_blocking(move || threads.join()).await.is_err() {
            tracing::error!("waiting for the bays ended by a panic");
        }
        self.queue.close();
        listening::end(self.tasks).await;
    }
}

//! A running box: store, bays, link, and the listeners of its pages; stopped by one signal.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use shell::closing::Closing;
use shell::listening::{self, Bound, ListenFault, Served};
use shell::opening::{self, OpeningFault};
use shell::upkeep;
use store::{Clock, CrashPoint, Mode, Side, Store, StoreError};
use tokio::sync::watch;
use tokio::task::JoinHandle;

use crate::bays::Bays;
use crate::bays::keeper::{Keeper, Queue};
use crate::card_identity;
use crate::clock::SystemClock;
use crate::config::{BayConfig, CardConfig, ConfigError, KioskConfig, LanConfig, check_bays, check_loopback};
use crate::hub_link::HubLink;
use crate::hub_opening;
use crate::kiosk::Kiosks;
use crate::kiosk::screens::Screens;
use crate::live::Live;
use crate::router;
use crate::setup::Radio;
use crate::state::{AppState, Transport};
use crate::tls::{LanTls, TlsFault};
use crate::update::{Mailbox, fetched};

/// Time between looks at sessions and screens that nobody touches.
const TICK: Duration = Duration::from_millis(500);
/// Time between looks at the system's own clock and at the certificate's age.
const SLOW_TICK: Duration = Duration::from_secs(60);

/// How a box is started.
pub struct Options {
    /// Folder of its data.
    pub data: PathBuf,
    /// Loopback HTTP of the pages; port 0 takes a free one.
    pub listen: SocketAddr,
    /// HTTPS on the local network.
    pub lan_listen: Option<SocketAddr>,
    /// The set-up page's plain HTTP.
    pub setup_listen: Option<SocketAddr>,
    /// Loopback HTTP of the box's own screen: the kiosk and nothing else.
    pub screen_listen: Option<SocketAddr>,
    /// https://HOST:PORT of the hub, where it is not the one of the enrolment.
    pub hub: Option<String>,
    /// The box's own network.
    pub lan: LanConfig,
    /// The kiosk.
    pub kiosk: KioskConfig,
    /// Device bays.
    pub bays: Vec<BayConfig>,
    /// The card that the box started from, where it was provisioned for a clinic.
    pub card: Option<CardConfig>,
    /// A clock that is driven by hand; none takes the system's.
    pub clock: Option<Arc<dyn Clock>>,
    /// A switch in the cable to the hub, for demonstrations and tests.
    pub cable: Option<crate::hub_link::Cable>,
    /// Words above every page, such as 演示数据.
    pub notice: Option<String>,
    /// Ends the process at this point; for kill tests only.
    pub crash_at: Option<(CrashPoint, u64)>,
    /// Cost of new password hashes in KiB; none takes the recommended one.
    pub password_cost_kib: Option<u32>,
}

impl Options {
    /// A box on this folder with defaults.
    pub fn new(data: impl Into<PathBuf>) -> Self {
        Self {
            data: data.into(),
            listen: SocketAddr::from(([127, 0, 0, 1], 8080)),
            lan_listen: None,
            setup_listen: None,
            screen_listen: None,
            hub: None,
            lan: LanConfig::default(),
            kiosk: KioskConfig::default(),
            bays: Vec::new(),
            card: None,
            clock: None,
            cable: None,
            notice: None,
            crash_at: None,
            password_cost_kib: None,
        }
    }
}

/// Why a box did not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// A setting cannot be.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// The data folder cannot be opened.
    #[error(transparent)]
    Folder(#[from] OpeningFault),
    /// An address cannot be listened on.
    #[error(transparent)]
    Listen(#[from] ListenFault),
    /// The store failed while the box started.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The box's own certificate could not be made or read.
    #[error(transparent)]
    Tls(#[from] TlsFault),
    /// A thread could not be started.
    #[error("a thread could not be started: {0}")]
    Thread(#[source] std::io::Error),
}

/// A box that runs.
pub struct Running {
    /// Address of the pages over loopback HTTP.
    pub pages: SocketAddr,
    /// Address of the pages over HTTPS.
    pub lan: Option<SocketAddr>,
    /// Address of the set-up page.
    pub setup: Option<SocketAddr>,
    /// Address of the box's own screen.
    pub screen: Option<SocketAddr>,
    /// What its pages see.
    pub state: AppState,
    switch: watch::Sender<bool>,
    servers: Vec<Served>,
    tasks: Vec<JoinHandle<()>>,
    keeper: JoinHandle<()>,
    queue: Arc<Queue>,
    threads: crate::bays::runner::Threads,
}

/// Starts a box. When this returns its listeners answer.
pub async fn run(options: Options) -> Result<Running, StartError> {
    check_loopback([Some(options.listen), options.screen_listen])?;
    check_bays(&options.bays)?;
    let pages = Bound::to(options.listen)?;
    let lan = options.lan_listen.map(Bound::to).transpose()?;
    let setup = options.setup_listen.map(Bound::to).transpose()?;
    let screen = options.screen_listen.map(Bound::to).transpose()?;
    let system_clock = options.clock.is_none().then(|| Arc::new(SystemClock::start()));
    let clock: Arc<dyn Clock> = match (&options.clock, &system_clock) {
        (Some(clock), _) => Arc::clone(clock),
        (None, Some(clock)) => Arc::clone(clock) as Arc<dyn Clock>,
        (None, None) => Arc::new(SystemClock::start()),
    };
    let store = open_store(&options, Arc::clone(&clock)).await?;
    let live = Live::default();
    let queue = Arc::new(Queue::default());
    let bays = Bays::new(
        &options.bays,
        Arc::clone(&clock),
        Arc::clone(&queue),
        live.clone(),
    );
    let screens = Screens::load(&store).await?;
    let kiosks = Kiosks::new(
        bays.clone(),
        store.clone(),
        Arc::clone(&clock),
        live.clone(),
        screens,
    );
    let (switch, closing) = Closing::new();
    let addresses = (
        lan.as_ref().map(|lan| lan.address),
        setup.as_ref().map(|setup| setup.address),
    );
    let tls = match addresses.0 {
        Some(address) => Some(LanTls::load(
            &options.data,
            &options.lan,
            address,
            addresses.1,
            clock.now(),
        )?),
        None => None,
    };
    let radio = match options.card.clone() {
        Some(card) => Radio::of(card).await,
        None => None,
    };
    let state = AppState {
        keeping: shell::keeping::Keeping::default(),
        updates: crate::pages::update::Updates::default(),
        checkup: crate::checkup::Checkup::default(),
        link: HubLink::new(&store, options.hub.clone(), options.cable.clone()),
        store,
        clock,
        system_clock,
        bays,
        kiosks,
        live,
        lan: Arc::new(tls.as_ref().map(|tls| tls.lan().clone())),
        lan_config: Arc::new(options.lan.clone()),
        radio: Arc::new(radio),
        kiosk_config: Arc::new(options.kiosk.clone()),
        card: Arc::new(options.card.clone()),
        limits: Arc::default(),
        closing,
        notice: options.notice.as_deref().map(Arc::from),
        unreadable: Arc::default(),
    };
    if let Some(card) = &options.card {
        // Before the link's first contact.
        fetched::tell(&state.store, card).await;
    }
    let mut running = start(state, switch, queue, pages.address)?;
    if let Some(card) = options.card {
        let fetching = fetched::follow(running.state.clone(), card.clone());
        running.tasks.push(tokio::spawn(fetching));
        let joining = card_identity::join(running.state.link.clone(), card, Mailbox::of(&options.data));
        running.tasks.push(tokio::spawn(joining));
        if let Some(desk) = running.state.desk() {
            running.tasks.push(tokio::spawn(desk.follow()));
        }
        let opening = hub_opening::follow(running.state.clone());
        running.tasks.push(tokio::spawn(opening));
    }
    let router = router::pages(running.state.clone(), Transport::Loopback);
    running.servers.push(pages.serve(router)?);
    if let (Some(lan), Some(tls)) = (lan, tls) {
        running.lan = Some(lan.address);
        let router = router::pages(running.state.clone(), Transport::Lan);
        running.servers.push(lan.serve_tls(router, tls.config())?);
        let clock = Arc::clone(&running.state.clock);
        let desk = running.state.desk();
        running.tasks.push(tokio::spawn(tls.keep_fresh(clock, desk)));
    }
    if let Some(setup) = setup {
        running.setup = Some(setup.address);
        let router = router::setup_page(running.state.clone());
        running.servers.push(setup.serve(router)?);
    }
    if let Some(screen) = screen {
        running.screen = Some(screen.address);
        let router = router::own_screen(running.state.clone());
        running.servers.push(screen.serve(router)?);
    }
    Ok(running)
}

async fn open_store(options: &Options, clock: Arc<dyn Clock>) -> Result<Store, OpeningFault> {
    let open = store::OpenOptions {
        crash_at: options.crash_at,
        password_cost_kib: options.password_cost_kib,
        ..opening::options(Side::Box, clock, Mode::Serve)
    };
    opening::open(&options.data, open).await
}

fn start(
    state: AppState,
    switch: watch::Sender<bool>,
    queue: Arc<Queue>,
    pages: SocketAddr,
) -> Result<Running, StartError> {
    let keeper = Keeper::new(&state, Arc::clone(&queue));
    let keeper = tokio::spawn(keeper.run());
    let tasks = vec![
        tokio::spawn(state.live.clone().follow(state.store.changes())),
        tokio::spawn(state.kiosks.clone().follow(state.bays.news())),
        tokio::spawn(tick(state.clone())),
        tokio::spawn(look_at_clock(state.clone())),
        tokio::spawn(upkeep::look_after(state.store.clone())),
    ];
    state.link.start(&state);
    let threads = state.bays.start_devices().map_err(StartError::Thread)?;
    Ok(Running {
        pages,
        lan: None,
        setup: None,
        screen: None,
        state,
        switch,
        servers: Vec::new(),
        tasks,
        keeper,
        queue,
        threads,
    })
}

/// Closes sessions and clears screens that nobody touches.
async fn tick(state: AppState) {
    let mut every = tokio::time::interval(TICK);
    every.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        every.tick().await;
        state.bays.tick();
        state.kiosks.tick().await;
    }
}

/// Takes over the time of the system's own time service once there is one.
async fn look_at_clock(state: AppState) {
    let mut every = tokio::time::interval(SLOW_TICK);
    loop {
        every.tick().await;
        if let Some(clock) = &state.system_clock
            && let crate::clock::Offer::Taken(behind) = clock.look_at_system()
            && behind.abs() > 1000
        {
            tracing::info!(behind_ms = behind, "the clock follows the system's time service");
            state.note_time().await;
        }
    }
}

impl Running {
    /// Names and addresses of the listeners, as `serve` prints them.
    pub fn addresses(&self) -> Vec<(&'static str, String)> {
        let lan = self.lan.map(|lan| ("lan", format!("https://{lan}/")));
        let setup = self.setup.map(|setup| ("setup", format!("http://{setup}/")));
        let screen = self.screen.map(|screen| ("screen", format!("http://{screen}/")));
        [("pages", format!("http://{}/", self.pages))]
            .into_iter()
            .chain(lan)
            .chain(setup)
            .chain(screen)
            .collect()
    }

    /// Stops in order: no new request, open ones end, devices stop, what they told is saved, the store closes.
    pub async fn stop(self) {
        let _told = self.switch.send(true);
        for server in &self.servers {
            server.close();
        }
        for server in self.servers {
            server.ended().await;
        }
        self.state.link.stop().await;
        self.state.bays.stop_devices();
        let threads = self.threads;
        if tokio::task::spawn_blocking(move || threads.join()).await.is_err() {
            tracing::error!("waiting for the bays ended by a panic");
        }
        self.queue.close();
        if self.keeper.await.is_err() {
            tracing::error!("the keeper of readings ended by a panic");
        }
        listening::end(self.tasks).await;
    }
}

//! A running hub: its store, the listener of the desks and the one of the boxes; stopped by one signal.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpListener};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use axum_server::tls_rustls::RustlsConfig;
use link::hub_ca::HubCa;
use link::server::{Server, ServerError};
use link::{CaFault, Cable};
use shell::closing::Closing;
use shell::listening::{self, Bound, ListenFault, Served};
use shell::opening::{self, OpeningFault};
use shell::upkeep;
use store::{Address, BlobStore, Clock, CrashPoint, Mode, ObjectsFault, Side, Store, StoreError};
use tokio::sync::watch;
use tokio::task::JoinHandle;

use crate::clock::HubClock;
use crate::live::Live;
use crate::state::HubState;
use crate::upstream::{self, Upstream, UpstreamFault};
use crate::{blobs, clinics, releases, router};

/// Time between looks at the age of the desks' certificate.
const LEAF_LOOK: Duration = Duration::from_secs(24 * 3600);
/// Setting under which the desks' address is kept, for sign-ins that are printed beside a running `serve`.
pub(crate) const DESK_URL: &str = "desk-url";

/// How desks reach the hub.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Desk {
    /// HTTPS with a leaf of the hub's CA.
    Https(SocketAddr),
    /// Plain HTTP, on this machine only: demonstrations and tests.
    LoopbackHttp(SocketAddr),
}

/// How a hub is started.
pub struct Options {
    /// Folder of its data.
    pub data: PathBuf,
    /// The PostgreSQL database of the county's records; none keeps them in a file of the folder.
    pub database: Option<Address>,
    /// Where blobs lie outside the database; none keeps them in it.
    pub blobs: Option<BlobStore>,
    /// The desks.
    pub desk: Desk,
    /// Address for boxes (mutual TLS); port 0 takes a free one.
    pub link: Option<SocketAddr>,
    /// The hub above this one.
    pub upstream: Option<Upstream>,
    /// A switch in the cable to the boxes, for demonstrations and tests.
    pub cable: Cable,
    /// A clock that is driven by hand; none takes the system's.
    pub clock: Option<Arc<dyn Clock>>,
    /// Words above every page, such as 演示数据.
    pub notice: Option<String>,
    /// Ends the process at this point; for kill tests only.
    pub crash_at: Option<(CrashPoint, u64)>,
    /// Cost of new password hashes in KiB; none takes the recommended one.
    pub password_cost_kib: Option<u32>,
}

impl Options {
    /// A hub on this folder with defaults.
    pub fn new(data: impl Into<PathBuf>) -> Self {
        Self {
            data: data.into(),
            database: None,
            blobs: None,
            desk: Desk::Https(SocketAddr::from(([127, 0, 0, 1], 8443))),
            link: None,
            upstream: None,
            cable: Cable::default(),
            clock: None,
            notice: None,
            crash_at: None,
            password_cost_kib: None,
        }
    }
}

/// Why a hub did not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// Plain HTTP was asked for beyond this machine.
    #[error("desks over plain http are served on loopback only, not on {0}")]
    NotLoopback(SocketAddr),
    /// The data folder cannot be opened.
    #[error(transparent)]
    Folder(#[from] OpeningFault),
    /// An address cannot be listened on.
    #[error(transparent)]
    Listen(#[from] ListenFault),
    /// The blobs outside the database are not this hub's, or were not named.
    #[error(transparent)]
    Blobs(#[from] ObjectsFault),
    /// The link to the hub above could not be begun.
    #[error(transparent)]
    Upstream(#[from] UpstreamFault),
    /// The store failed while the hub started.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The hub's own certificates could not be made or read.
    #[error(transparent)]
    Ca(#[from] CaFault),
    /// The certificate of the desks could not be used.
    #[error("the certificate of the desks cannot be used")]
    Leaf(#[source] std::io::Error),
    /// The listener of the boxes could not be started.
    #[error("the listener of the boxes cannot be started")]
    Link(#[from] ServerError),
}

/// A hub that runs.
pub struct Running {
    /// Address of the desks.
    pub desk: SocketAddr,
    /// Address for boxes.
    pub link: Option<SocketAddr>,
    /// What its pages see.
    pub state: HubState,
    switch: watch::Sender<bool>,
    desks: Served,
    server: Option<Server>,
    upstream: Option<upstream::Running>,
    tasks: Vec<JoinHandle<()>>,
}

/// Starts a hub. When this returns its listeners answer.
pub async fn run(options: Options) -> Result<Running, StartError> {
    let (wanted, secure) = match options.desk {
        Desk::Https(address) => (address, true),
        Desk::LoopbackHttp(address) if address.ip().is_loopback() => (address, false),
        Desk::LoopbackHttp(address) => return Err(StartError::NotLoopback(address)),
    };
    let desks = Bound::to(wanted)?;
    let desk = desks.address;
    let link = options.link.map(Bound::to).transpose()?;
    let link_address = link.as_ref().map(|link| link.address);
    let clock: Arc<dyn Clock> = options
        .clock
        .clone()
        .unwrap_or_else(|| Arc::new(HubClock::start()));
    let store = open_store(&options, Arc::clone(&clock)).await?;
    store.meet_objects().await?;
    let ca = clinics::open_ca(&store)?;
    let (switch, closing) = Closing::new();
    let state = HubState {
        keeping: shell::keeping::Keeping::default(),
        store: store.clone(),
        clock: Arc::clone(&clock),
        live: Live::default(),
        sign_in: HubState::limits(),
        secure,
        link: link_address.map(|address| Arc::from(format!("https://{address}"))),
        closing,
        notice: options.notice.as_deref().map(Arc::from),
    };
    let mut tasks = vec![
        tokio::spawn(state.live.clone().follow(store.changes())),
        tokio::spawn(upkeep::look_after(store.clone())),
        tokio::spawn(releases::look_after(store.clone())),
        tokio::spawn(blobs::look_after(store.clone())),
    ];
    let router = router::pages(state.clone());
    let desks = if secure {
        let names = desk_names(desk.ip());
        let config = leaf(&ca, &names, clock.as_ref()).await?;
        tasks.push(tokio::spawn(keep_leaf_fresh(
            store.clone(),
            names,
            Arc::clone(&clock),
            config.clone(),
        )));
        desks.serve_tls(router, config)?
    } else {
        desks.serve(router)?
    };
    let server = match link {
        Some(link) => Some(start_link(&store, link.into_listener(), ca, options.cable).await?),
        None => None,
    };
    let upstream = match options.upstream {
        Some(above) => {
            let begun = upstream::start(&store, &options.data, above, clock, Cable::default());
            Some(begun.await?)
        }
        None => None,
    };
    let running = Running {
        desk,
        link: link_address,
        state,
        switch,
        desks,
        server,
        upstream,
        tasks,
    };
    store
        .put_setting(DESK_URL, &serde_json::Value::String(running.desk_url()))
        .await?;
    Ok(running)
}

async fn open_store(options: &Options, clock: Arc<dyn Clock>) -> Result<Store, OpeningFault> {
    let open = store::OpenOptions {
        crash_at: options.crash_at,
        password_cost_kib: options.password_cost_kib,
        database: options.database.clone(),
        blobs: options.blobs.clone(),
        ..opening::options(Side::Hub, clock, Mode::Serve)
    };
    opening::open(&options.data, open).await
}

async fn start_link(
    store: &Store,
    listener: TcpListener,
    ca: HubCa,
    cable: Cable,
) -> Result<Server, StartError> {
    let listener = tokio::net::TcpListener::from_std(listener).map_err(ServerError::Listener)?;
    Ok(Server::start(store.clone(), listener, Arc::new(ca), cable).await?)
}

/// What the desks' certificate names: the machine's host name, and the address where desks reach it. On the
/// unspecified address, which means every one, that is the one from which the machine reaches others.
fn desk_names(listens: IpAddr) -> Vec<String> {
    let host = std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default();
    let host = host.trim();
    let loopback = [IpAddr::V4(Ipv4Addr::LOCALHOST), IpAddr::V6(Ipv6Addr::LOCALHOST)];
    let outwards = if listens.is_unspecified() {
        listening::own_address()
    } else {
        Some(listens)
    };
    let addresses = loopback
        .into_iter()
        .chain(outwards.filter(|ip| !ip.is_loopback()));
    let names = ["localhost", host]
        .into_iter()
        .filter(|name| !name.is_empty())
        .map(str::to_owned);
    names.chain(addresses.map(|ip| ip.to_string())).collect()
}

async fn leaf(ca: &HubCa, names: &[String], clock: &dyn Clock) -> Result<RustlsConfig, StartError> {
    // The first use of TLS in the process chooses the provider; a second choice is the same one.
    let _chosen = rustls::crypto::ring::default_provider().install_default();
    let leaf = ca.issue_leaf(names, clock.now().at)?;
    let config = RustlsConfig::from_pem(leaf.chain_pem.into_bytes(), leaf.key_pem.into_bytes()).await;
    config.map_err(StartError::Leaf)
}

/// A leaf holds for months; a new one each day costs nothing and never runs out.
async fn keep_leaf_fresh(store: Store, names: Vec<String>, clock: Arc<dyn Clock>, config: RustlsConfig) {
    loop {
        tokio::time::sleep(LEAF_LOOK).await;
        let renewed = match clinics::open_ca(&store).and_then(|ca| ca.issue_leaf(&names, clock.now().at)) {
            Ok(leaf) => {
                config
                    .reload_from_pem(leaf.chain_pem.into_bytes(), leaf.key_pem.into_bytes())
                    .await
            }
            Err(error) => Err(std::io::Error::other(error)),
        };
        if let Err(error) = renewed {
            tracing::error!(%error, "the certificate of the desks was not renewed");
        }
    }
}

impl Running {
    /// What the hub keeps on disk.
    pub fn store(&self) -> &Store {
        &self.state.store
    }

    /// Address of the desks for a browser.
    pub fn desk_url(&self) -> String {
        let scheme = if self.state.secure { "https" } else { "http" };
        format!("{scheme}://{}/", self.desk)
    }

    /// Address for boxes, as `--hub` takes it.
    pub fn link_url(&self) -> Option<String> {
        self.link.map(|link| format!("https://{link}"))
    }

    /// Names and addresses of the listeners, as `serve` prints them.
    pub fn addresses(&self) -> Vec<(&'static str, String)> {
        let link = self.link_url().map(|link| ("link", link));
        [("desk", self.desk_url())].into_iter().chain(link).collect()
    }

    /// Stops in order: no new request or box, open ones end, the store closes.
    pub async fn stop(self) {
        let _told = self.switch.send(true);
        self.desks.close();
        if let Some(server) = self.server {
            server.stop().await;
        }
        if let Some(upstream) = self.upstream {
            upstream.stop().await;
        }
        self.desks.ended().await;
        listening::end(self.tasks).await;
    }
}

//! The hub above this one: to it a county's hub is a box, with a data folder and a device key of its own.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use link::Cable;
use link::client::{Client, ClientOptions};
use link::enrol::{EnrolError, join};
use shell::opening::{self, OpeningFault};
use store::{Bridge, Clock, Mode, Side, Store, StoreError};
use tokio::sync::watch;
use tokio::task::JoinHandle;

/// Folder of that box, below the hub's.
pub const FOLDER: &str = "upstream";
/// Between two looks where neither store told of anything.
const LOOK: Duration = Duration::from_secs(15);
/// After a failure.
const AGAIN: Duration = Duration::from_secs(5);
/// After a commit, so that what comes together is copied together.
const GATHER: Duration = Duration::from_millis(200);

/// Where the hub above is.
#[derive(Debug, Clone)]
pub struct Upstream {
    /// Its address for boxes: `https://HOST:PORT`.
    pub url: String,
    /// One-time token of the county at that hub; needed once.
    pub token: Option<String>,
}

/// The link to the hub above cannot be begun.
#[derive(Debug, thiserror::Error)]
pub enum UpstreamFault {
    /// Its folder cannot be opened.
    #[error("the folder {0} of the link to the hub above")]
    Folder(PathBuf, #[source] OpeningFault),
    /// The county has not joined, and there is no token.
    #[error(
        "this hub has not joined the one above: a token of that hub is needed once (--upstream-token-file)"
    )]
    NoToken,
    /// The hub above did not take the county in.
    #[error("the hub above did not take this one in")]
    Refused(#[from] EnrolError),
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// The link, running.
pub(crate) struct Running {
    client: Client,
    stop: watch::Sender<bool>,
    copying: JoinHandle<()>,
}

/// Joins the hub above where that was not done yet, and begins to exchange with it.
pub(crate) async fn start(
    hub: &Store,
    data: &Path,
    above: Upstream,
    clock: Arc<dyn Clock>,
    cable: Cable,
) -> Result<Running, UpstreamFault> {
    let folder = data.join(FOLDER);
    let options = opening::options(Side::Box, clock, Mode::Serve);
    let own = opening::open(&folder, options)
        .await
        .map_err(|fault| UpstreamFault::Folder(folder, fault))?;
    if own.enrolment().await?.is_none() {
        let token = above.token.ok_or(UpstreamFault::NoToken)?;
        join(&own, &above.url, token.trim(), None, "county hub", &cable).await?;
        tracing::info!(url = above.url, "joined the hub above");
    }
    let mut link = ClientOptions::new(env!("CARGO_PKG_VERSION"));
    link.cable = cable;
    let client = Client::start(own.clone(), Some(above.url), link);
    let stop = watch::Sender::new(false);
    let copying = tokio::spawn(copy(hub.clone(), own, stop.subscribe()));
    Ok(Running {
        client,
        stop,
        copying,
    })
}

async fn copy(hub: Store, own: Store, mut stop: watch::Receiver<bool>) {
    let (mut here, mut above) = (hub.changes(), own.changes());
    let mut seen = Bridge::default();
    while !*stop.borrow() {
        let pause = match hub.bridge(&own, &mut seen).await {
            Ok(_) => LOOK,
            Err(StoreError::Closed) => return,
            Err(error) => {
                tracing::error!(error = %shell::verbs::chain(&error), "what goes to the hub above waits; it is tried again");
                AGAIN
            }
        };
        tokio::select! {
            _ = here.recv() => {}
            _ = above.recv() => {}
            () = tokio::time::sleep(pause) => {}
            _ = stop.wait_for(|stop| *stop) => {}
        }
        tokio::time::sleep(GATHER).await;
    }
}

impl Running {
    /// Closes the link and ends.
    pub(crate) async fn stop(self) {
        self.client.stop().await;
        self.stop.send_replace(true);
        if self.copying.await.is_err() {
            tracing::error!("copying to the hub above ended by a panic");
        }
    }
}

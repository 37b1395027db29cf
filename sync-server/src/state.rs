//! What every page of the hub needs: the store, the clock, live events.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use shell::closing::Closing;
use shell::keeping::Keeping;
use store::Store;
use web::guard::RateLimit;

use crate::live::Live;

/// Sign-in tries of one address at once; the store's lock-out counts per person besides.
const SIGN_IN_BURST: u32 = 20;
const SIGN_IN_EACH: Duration = Duration::from_secs(3);

/// Shared by all pages; a cheap clone.
#[derive(Clone)]
pub struct HubState {
    /// What the hub keeps on disk.
    pub store: Store,
    /// The time.
    pub clock: Arc<dyn store::Clock>,
    /// Events for open pages.
    pub live: Live,
    /// Bounds on sign-in tries, by address.
    pub sign_in: Arc<RateLimit<Option<IpAddr>>>,
    /// Whether the desks come over HTTPS, so that their cookies never travel without it.
    pub secure: bool,
    /// Address for boxes, as a clinic types it when its box joins.
    pub link: Option<Arc<str>>,
    /// Backups and sticks.
    pub keeping: Keeping,
    /// Tells when the hub is stopping.
    pub closing: Closing,
    /// Words above every page, such as 演示数据.
    pub notice: Option<Arc<str>>,
}

impl HubState {
    /// The bounds on tries.
    pub fn limits() -> Arc<RateLimit<Option<IpAddr>>> {
        Arc::new(RateLimit::new(SIGN_IN_BURST, SIGN_IN_EACH))
    }
}

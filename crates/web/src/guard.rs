//! What stands between the network and the pages: who may ask for what, and what is refused before a page sees
//! it.
//!
//! Programs collect their pages in [`Routes`], where each route names its [`Access`] and none can be forgotten,
//! and wrap the finished router by [`layers`]:
//!
//! ```text
//! security headers ← gzip ← error pages ← access log ← cross-site check ← time limit ← panics ← router
//! ```

mod headers;
mod outer;
mod rate;
mod routes;

pub use outer::{layers, quiet_panics};
pub use rate::{RateLimit, Refused};
pub use routes::{Access, RouteLine, Routes};

use std::future::Future;
use std::net::{IpAddr, SocketAddr};
use std::pin::Pin;

use axum::extract::{ConnectInfo, FromRequestParts};
use axum::http::request::Parts;
use records::ids::StaffId;
use records::staff::{Action, Role, may};

use crate::trouble::Trouble;

/// An answer that takes time.
pub type Answer<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

/// Whether a request tells that a person is there. Streams and polls do not keep a screen awake.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Wake {
    /// A person did something: the idle clock starts anew.
    Person,
    /// A script asked by itself.
    Background,
}

/// A person at a browser.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SignedIn {
    /// Who.
    pub staff: StaffId,
    /// The name on screens.
    pub name: String,
    /// What the roster says they are.
    pub roles: Vec<Role>,
    /// Whether the screen is locked: only the PIN page answers then.
    pub locked: bool,
    /// The browser session's token, as the store knows it.
    pub token: String,
}

impl SignedIn {
    /// Whether one of the person's roles allows this.
    pub fn may(&self, action: Action) -> bool {
        self.roles.iter().any(|role| may(*role, action))
    }
}

/// Where a request came from.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Caller {
    /// Address of the other end, where the server was told it.
    pub peer: Option<IpAddr>,
    /// Token of a paired screen, from its cookie.
    pub screen: Option<String>,
}

/// Name of the cookie of a paired kiosk screen.
pub const SCREEN_COOKIE: &str = "clinic_screen";

/// The sessions could not be asked.
#[derive(Debug, thiserror::Error)]
#[error("the browser sessions could not be read")]
pub struct SessionsDown(#[source] pub Box<dyn std::error::Error + Send + Sync>);

/// Browser sessions as a program keeps them.
pub trait Sessions: Send + Sync + 'static {
    /// The person behind a token; `None` for a token that is unknown or ended. A session that was idle too long
    /// comes back locked.
    fn look_up<'a>(
        &'a self,
        token: &'a str,
        wake: Wake,
    ) -> Answer<'a, Result<Option<SignedIn>, SessionsDown>>;

    /// Whether this caller is a kiosk screen: the box's own one (loopback), or a paired one.
    fn is_kiosk<'a>(&'a self, caller: &'a Caller) -> Answer<'a, bool> {
        Box::pin(async move { caller.peer.is_some_and(|peer| peer.is_loopback()) })
    }
}

impl Caller {
    /// Reads the caller off a request.
    pub fn of(parts: &Parts) -> Self {
        let peer = parts
            .extensions
            .get::<ConnectInfo<SocketAddr>>()
            .map(|info| info.0.ip().to_canonical());
        Self {
            peer,
            screen: crate::cookies::get(&parts.headers, SCREEN_COOKIE),
        }
    }
}

impl<S: Send + Sync> FromRequestParts<S> for Caller {
    type Rejection = std::convert::Infallible;

    async fn from_request_parts(parts: &mut Parts, _state: &S) -> Result<Self, Self::Rejection> {
        Ok(Self::of(parts))
    }
}

impl<S: Send + Sync> FromRequestParts<S> for SignedIn {
    type Rejection = Trouble;

    /// The person whom the route's guard found; refuses on open routes where nobody is signed in.
    async fn from_request_parts(parts: &mut Parts, _state: &S) -> Result<Self, Trouble> {
        parts
            .extensions
            .get::<Self>()
            .cloned()
            .ok_or(Trouble::SignInNeeded)
    }
}

/// The person who is signed in, if somebody is; for open routes.
#[derive(Debug, Clone)]
pub struct MaybeSignedIn(pub Option<SignedIn>);

impl<S: Send + Sync> FromRequestParts<S> for MaybeSignedIn {
    type Rejection = std::convert::Infallible;

    async fn from_request_parts(parts: &mut Parts, _state: &S) -> Result<Self, Self::Rejection> {
        Ok(Self(parts.extensions.get::<SignedIn>().cloned()))
    }
}

/// Keeps a return address inside this site: a path, or else the front page.
pub fn safe_return(wanted: &str) -> &str {
    let local = wanted.starts_with('/') && !wanted.starts_with("//") && !wanted.starts_with("/\\");
    let plain = wanted.len() <= 512
        && wanted
            .bytes()
            .all(|byte| byte > 0x20 && byte != 0x7f && byte != b'\\');
    if local && plain { wanted } else { "/" }
}

#[cfg(test)]
mod tests;

//! HTTPS on the local network.

use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;

use axum_server::tls_rustls::RustlsConfig;
use records::time::WallTime;
use store::{Clock, Store};

use crate::config::LanConfig;
use crate::setup::Lan;

/// Why.
#[derive(Debug, thiserror::Error)]
pub enum TlsFault {
    /// No.
    #[error("not yet")]
    NotYet,
}

pub(crate) struct LanTls {
    lan: Lan,
    config: RustlsConfig,
}

impl LanTls {
    pub(crate) fn load(
        _data: &Path,
        _config: &LanConfig,
        _address: SocketAddr,
        _setup: Option<SocketAddr>,
        _now: WallTime,
    ) -> Result<Self, TlsFault> {
        Err(TlsFault::NotYet)
    }

    pub(crate) fn lan(&self) -> &Lan {
        &self.lan
    }

    pub(crate) fn config(&self) -> RustlsConfig {
        self.config.clone()
    }

    pub(crate) async fn keep_fresh(self, _clock: Arc<dyn Clock>, _store: Store) {}
}

//! HTTPS on the local network under the box's own root, with a certificate that is renewed while it is served.

use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use axum_server::tls_rustls::RustlsConfig;
use link::CaFault;
use link::box_ca::{BoxCa, LanLeaf, LanNames, base_time, wants_renewal};
use records::time::Stamp;
use rustls::ServerConfig;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use store::Clock;

use crate::clock::BUILT_AT;
use crate::config::LanConfig;
use crate::inbox::Desk;
use crate::setup::{Lan, words};

/// Name of the folder with root and key, inside the data folder.
const FOLDER: &str = "lan";
/// Time between looks at the certificate's age.
const LOOK_EVERY: Duration = Duration::from_secs(60);
/// The port that an address need not name.
const HTTPS_PORT: u16 = 443;
const HTTP_PORT: u16 = 80;

/// The box cannot speak HTTPS.
#[derive(Debug, thiserror::Error)]
pub enum TlsFault {
    /// Root or certificate cannot be made or read.
    #[error("the box's own certificate: {0}")]
    Certificate(#[from] CaFault),
    /// The library does not take the certificate.
    #[error("the box's own certificate cannot be served: {0}")]
    Serve(#[from] rustls::Error),
    /// The certificate's text is damaged.
    #[error("the box's own certificate is damaged: {0}")]
    Pem(#[from] rustls::pki_types::pem::Error),
}

/// Root, certificate and settings of the HTTPS listener.
pub(crate) struct LanTls {
    ca: BoxCa,
    names: LanNames,
    leaf: LanLeaf,
    lan: Lan,
    config: RustlsConfig,
}

impl LanTls {
    /// Reads or makes the box's root, and a certificate for the listener at `address`.
    pub(crate) fn load(
        data: &Path,
        config: &LanConfig,
        address: SocketAddr,
        setup: Option<SocketAddr>,
        now: Stamp,
    ) -> Result<Self, TlsFault> {
        let names = names(config, address);
        let base = base_time(now, BUILT_AT);
        let ca = BoxCa::open(&data.join(FOLDER), &names, base)?;
        let leaf = ca.leaf(&names, base)?;
        let served = RustlsConfig::from_config(config_of(&leaf.certificate_pem, &leaf.key_pem)?);
        let lan = Lan {
            ca: ca.der().to_vec(),
            words: words::of_certificate(ca.der()),
            address: format!("https://{}{}", config.name, port(address, HTTPS_PORT)),
            setup_address: setup.map(|setup| setup_address(config, setup)),
        };
        Ok(Self {
            ca,
            names,
            leaf,
            lan,
            config: served,
        })
    }

    /// What the set-up pages say about it.
    pub(crate) fn lan(&self) -> &Lan {
        &self.lan
    }

    /// What the listener serves; it follows every renewal.
    pub(crate) fn config(&self) -> RustlsConfig {
        self.config.clone()
    }

    /// Makes the certificate anew half a year before its end, and where a better clock shows that it must be; leaves it
    /// for the locked pages of the next start, where there are such.
    pub(crate) async fn keep_fresh(mut self, clock: Arc<dyn Clock>, desk: Option<Desk>) {
        let mut every = tokio::time::interval(LOOK_EVERY);
        let mut is_left = false;
        loop {
            every.tick().await;
            if let Some(desk) = &desk
                && !is_left
            {
                // A key of its own: what lies before the data is less well kept than they are.
                let base = base_time(clock.now(), BUILT_AT);
                is_left = match self.ca.leaf(&self.names, base) {
                    Ok(leaf) => desk.leave(&leaf).await,
                    Err(error) => {
                        tracing::error!(%error, "no certificate could be made for the locked pages");
                        false
                    }
                };
            }
            let base = base_time(clock.now(), BUILT_AT);
            if !wants_renewal(self.leaf.not_after, base) {
                continue;
            }
            let renewed = self.ca.leaf(&self.names, base).map_err(TlsFault::from);
            match renewed.and_then(|leaf| Ok((config_of(&leaf.certificate_pem, &leaf.key_pem)?, leaf))) {
                Ok((config, leaf)) => {
                    tracing::info!(until = %leaf.not_after.rfc3339(), "the box's certificate was made anew");
                    self.config.reload_from_config(config);
                    self.leaf = leaf;
                    is_left = false;
                }
                Err(error) => tracing::error!(%error, "the box's certificate could not be made anew"),
            }
        }
    }
}

/// The names and addresses of the box on its own network: those of the settings, and the one that it listens on.
fn names(config: &LanConfig, address: SocketAddr) -> LanNames {
    let mut addresses = config.addresses.clone();
    if !address.ip().is_unspecified() && !addresses.contains(&address.ip()) {
        addresses.push(address.ip());
    }
    LanNames {
        names: vec![config.name.clone()],
        addresses,
    }
}

fn port(address: SocketAddr, usual: u16) -> String {
    if address.port() == usual {
        String::new()
    } else {
        format!(":{}", address.port())
    }
}

/// A tablet that is being set up may not use the box's DNS yet: it gets an address.
fn setup_address(config: &LanConfig, setup: SocketAddr) -> String {
    let own = (!setup.ip().is_unspecified()).then(|| setup.ip());
    let host = own.or_else(|| config.addresses.first().copied());
    let host = host.map_or_else(
        || config.name.clone(),
        |host| SocketAddr::new(host, 0).to_string(),
    );
    let host = host.strip_suffix(":0").unwrap_or(&host);
    format!("http://{host}{}/", port(setup, HTTP_PORT))
}

/// What a listener serves with this certificate and its key (PEM).
pub(crate) fn config_of(certificate: &str, key: &str) -> Result<Arc<ServerConfig>, TlsFault> {
    let chain: Vec<CertificateDer<'static>> =
        CertificateDer::pem_slice_iter(certificate.as_bytes()).collect::<Result<_, _>>()?;
    let key = PrivateKeyDer::from_pem_slice(key.as_bytes())?;
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let mut config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()?
        .with_no_client_auth()
        .with_single_cert(chain, key)?;
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    Ok(Arc::new(config))
}

#[cfg(test)]
mod tests {
    use records::time::{ClockSource, WallTime};

    use super::*;

    fn load(data: &Path, now: Stamp) -> Result<LanTls, TlsFault> {
        let address = "0.0.0.0:8443".parse().unwrap();
        LanTls::load(
            data,
            &LanConfig::default(),
            address,
            "0.0.0.0:80".parse().ok(),
            now,
        )
    }

    #[test]
    fn the_root_stays_and_its_words_with_it() {
        let folder = tempfile::tempdir().unwrap();
        let now = Stamp {
            at: BUILT_AT,
            source: ClockSource::Hub,
        };
        let first = load(folder.path(), now).unwrap();
        let again = load(folder.path(), now).unwrap();
        assert_eq!(first.lan(), again.lan());
        assert_ne!(first.leaf, again.leaf);
        assert_eq!(first.lan().address, "https://clinic.internal:8443");
        assert_eq!(first.lan().setup_address.as_deref(), Some("http://192.168.8.1/"));
    }

    /// A first start at 1970 or 2098: what is made then serves a tablet with today's date.
    #[test]
    fn a_clock_that_nobody_set_dates_nothing() {
        for at in [0, 4_050_000_000_000] {
            let folder = tempfile::tempdir().unwrap();
            let tls = load(
                folder.path(),
                Stamp {
                    at: WallTime(at),
                    source: ClockSource::None,
                },
            )
            .unwrap();
            assert!(!wants_renewal(tls.leaf.not_after, BUILT_AT));
        }
    }

    #[test]
    fn a_certificate_near_its_end_or_from_the_future_is_made_anew() {
        let folder = tempfile::tempdir().unwrap();
        let now = Stamp {
            at: BUILT_AT,
            source: ClockSource::Hub,
        };
        let tls = load(folder.path(), now).unwrap();
        let day = 24 * 3600 * 1000;
        assert!(wants_renewal(
            tls.leaf.not_after,
            WallTime(BUILT_AT.0 + 700 * day)
        ));
        assert!(wants_renewal(
            tls.leaf.not_after,
            WallTime(BUILT_AT.0 - 365 * day)
        ));
    }

    #[test]
    fn the_address_that_it_listens_on_stands_in_the_certificate() {
        let named = names(&LanConfig::default(), "10.0.0.7:8443".parse().unwrap());
        assert!(named.addresses.contains(&"10.0.0.7".parse().unwrap()));
        let anywhere = names(&LanConfig::default(), "0.0.0.0:8443".parse().unwrap());
        assert_eq!(anywhere.addresses, LanConfig::default().addresses);
    }
}

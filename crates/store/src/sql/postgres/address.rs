//! Where a database is, and how what goes to it is protected on the way.

use std::net::IpAddr;
use std::path::PathBuf;
use std::sync::Arc;

use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject as _;
use rustls::{ClientConfig, RootCertStore};
use tokio_postgres::Config;
use tokio_postgres::config::{Host, SslMode};
use tokio_postgres_rustls::MakeRustlsConnect;
use url::form_urlencoded;

/// The parameters of an address that are read here, with the names that libpq gives them.
const AUTHORITY: &str = "sslrootcert";
const MODE: &str = "sslmode";
/// With an authority the server's name is always verified; the weaker modes of libpq are refused, not strengthened in
/// silence.
const VERIFIED: &str = "verify-full";
/// Certificates of authorities in one file at most.
const AUTHORITIES_MAX: usize = 256;

/// Where a database is.
#[derive(Clone)]
pub struct Address {
    pub(super) config: Config,
    /// `None` on this machine, where nothing leaves it.
    pub(super) tls: Option<MakeRustlsConnect>,
}

impl Address {
    /// Whether a password stands in it.
    pub fn has_password(&self) -> bool {
        self.config.get_password().is_some()
    }
}

impl std::fmt::Debug for Address {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Address(..)")
    }
}

/// An address of a database that cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum AddressFault {
    /// The text is no address.
    #[error("the address is not of the form postgres://NAME@HOST/DATABASE")]
    Malformed,
    /// What is sent could be read on the way.
    #[error(
        "the database is on another machine: name the certificate authority that vouches for it, with {AUTHORITY}=FILE \
         behind a question mark at the end of the address"
    )]
    Unprotected,
    /// A mode that verifies less than the server's name.
    #[error("{MODE} must be {VERIFIED}, and {AUTHORITY} must name a file")]
    Unverified,
    /// The file holds no certificates.
    #[error("{} holds no certificate authority that can be read: {why}", .file.display())]
    Authority {
        /// The file.
        file: PathBuf,
        /// What is wrong with it.
        why: String,
    },
}

impl std::str::FromStr for Address {
    type Err = AddressFault;

    /// Reads an address, and the file of certificates that it names.
    fn from_str(text: &str) -> Result<Self, AddressFault> {
        let schemes = ["postgres://", "postgresql://"];
        if !schemes.iter().any(|scheme| text.starts_with(scheme)) {
            return Err(AddressFault::Malformed);
        }
        let (rest, authority) = take_authority(text)?;
        let mut config: Config = rest.parse().map_err(|_| AddressFault::Malformed)?;
        if config.get_hosts().is_empty() {
            return Err(AddressFault::Malformed);
        }
        let tls = authority.map(protection).transpose()?;
        if tls.is_some() {
            config.ssl_mode(SslMode::Require);
        } else if !stays_here(&config) {
            return Err(AddressFault::Unprotected);
        }
        Ok(Self { config, tls })
    }
}

/// Whether nothing that is sent leaves this machine.
fn stays_here(config: &Config) -> bool {
    let near = |host: &Host| match host {
        Host::Unix(_) => true,
        Host::Tcp(name) => name == "localhost" || name.parse().is_ok_and(|ip: IpAddr| ip.is_loopback()),
    };
    config.get_hostaddrs().iter().all(IpAddr::is_loopback) && config.get_hosts().iter().all(near)
}

/// The address without what says how it is protected, and the file of authorities.
fn take_authority(text: &str) -> Result<(String, Option<PathBuf>), AddressFault> {
    let Some((place, query)) = text.split_once('?') else {
        return Ok((text.to_owned(), None));
    };
    let (mut authority, mut mode, mut rest) = (None, None, Vec::new());
    for pair in query.split('&') {
        // A plus is a plus here, as in libpq, and no space as in forms.
        let plain = pair.replace('+', "%2B");
        match form_urlencoded::parse(plain.as_bytes()).next() {
            Some((key, value)) if key == AUTHORITY => authority = Some(PathBuf::from(&*value)),
            Some((key, value)) if key == MODE => mode = Some(value.into_owned()),
            Some(_) | None => rest.push(pair),
        }
    }
    match (mode.as_deref(), &authority) {
        (None, _) | (Some(VERIFIED), Some(_)) => {}
        (Some(_), _) => return Err(AddressFault::Unverified),
    }
    let rest = rest.join("&");
    let place = if rest.is_empty() {
        place.to_owned()
    } else {
        format!("{place}?{rest}")
    };
    Ok((place, authority))
}

/// TLS to a server that one of these authorities vouches for by the name in the address.
fn protection(file: PathBuf) -> Result<MakeRustlsConnect, AddressFault> {
    let mut roots = RootCertStore::empty();
    let read = || {
        for certificate in CertificateDer::pem_file_iter(&file).map_err(|error| error.to_string())? {
            let certificate = certificate.map_err(|error| error.to_string())?;
            roots.add(certificate).map_err(|error| error.to_string())?;
            if roots.len() > AUTHORITIES_MAX {
                return Err(format!("more than {AUTHORITIES_MAX} certificates"));
            }
        }
        if roots.is_empty() {
            return Err("no certificate in it".to_owned());
        }
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let builder = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .map_err(|error| error.to_string())?;
        let config = builder.with_root_certificates(roots).with_no_client_auth();
        Ok(MakeRustlsConnect::new(config))
    };
    let made: Result<_, String> = (read)();
    made.map_err(|why| AddressFault::Authority { file, why })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fault(text: &str) -> AddressFault {
        text.parse::<Address>().unwrap_err()
    }

    #[test]
    fn what_would_leave_this_machine_in_clear_is_refused() {
        for near in [
            "postgres://clinic@%2Frun%2Fpostgresql/county",
            "postgresql://clinic@localhost/county?application_name=hub",
            "postgres://clinic@127.0.0.1:5433/county",
        ] {
            assert!(near.parse::<Address>().unwrap().tls.is_none(), "{near}");
        }
        for far in [
            "postgres://clinic@db.example/county",
            "postgres://clinic@localhost,db.example/county",
            "postgres://clinic@localhost/county?hostaddr=192.0.2.7",
        ] {
            assert_eq!(fault(far), AddressFault::Unprotected, "{far}");
        }
        for weak in ["disable", "prefer", "require", "verify-ca", "verify-full"] {
            let address = format!("postgres://clinic@db.example/county?sslmode={weak}");
            assert_eq!(fault(&address), AddressFault::Unverified, "{weak}");
        }
        for nothing in [
            "mysql://clinic@localhost/county",
            "postgres:///county",
            "postgres://a@b:x/c",
        ] {
            assert_eq!(fault(nothing), AddressFault::Malformed, "{nothing}");
        }
    }

    #[test]
    fn an_authority_is_read_from_its_file() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("the county+1.pem");
        let address = format!(
            "postgres://clinic@db.example/county?sslmode=verify-full&sslrootcert={}",
            file.display().to_string().replace(' ', "%20")
        );
        assert!(
            matches!(fault(&address), AddressFault::Authority { .. }),
            "not there"
        );
        for wrong in [
            "",
            "no certificate",
            "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n",
        ] {
            std::fs::write(&file, wrong).unwrap();
            assert!(
                matches!(fault(&address), AddressFault::Authority { .. }),
                "{wrong}"
            );
        }
        let key = rcgen::KeyPair::generate().unwrap();
        let own = rcgen::CertificateParams::new(vec![])
            .unwrap()
            .self_signed(&key)
            .unwrap();
        std::fs::write(&file, own.pem()).unwrap();
        let address: Address = address.parse().unwrap();
        assert!(address.tls.is_some());
        assert_eq!(address.config.get_ssl_mode(), SslMode::Require);
    }
}

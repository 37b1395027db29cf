//! TLS 1.3 with certificates of the county on both sides, without anybody's clock.

use std::sync::Arc;

use records::ids::{ClinicCode, DeviceId};
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::client::verify_server_cert_signed_by_trust_anchor;
use rustls::crypto::{CryptoProvider, WebPkiSupportedAlgorithms, ring, verify_tls13_signature};
use rustls::pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer, ServerName, UnixTime};
use rustls::server::danger::{ClientCertVerified, ClientCertVerifier};
use rustls::server::{
    ClientHello, ParsedCertificate, ResolvesServerCert, ServerSessionMemoryCache, WebPkiClientVerifier,
};
use rustls::sign::CertifiedKey;
use rustls::{
    CertificateError, ClientConfig, DigitallySignedStruct, DistinguishedName, Error, RootCertStore,
    ServerConfig, SignatureScheme, version,
};
use sync_core::identity::{DeviceKey, DevicePublicKey};
use x509_parser::prelude::{FromDer as _, X509Certificate};

use crate::hub_ca::{HubCa, HubLeaf, county_of};

/// Handshakes that a hub remembers: a box that shows a ticket of one comes back without certificates. Each ticket is good
/// once, and a box gets two at a time.
const REMEMBERED_MAX: usize = 8192;

/// Whom a box takes for its hub.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Trust {
    /// Whoever shows a certificate of this root (DER).
    Root(Vec<u8>),
    /// Whoever shows a certificate of a root with this public key (SHA-256), as a token carries it.
    County([u8; 32]),
}

/// What a box shows.
pub struct BoxIdentity<'a> {
    /// Its certificate (DER).
    pub certificate: &'a [u8],
    /// Its device key.
    pub key: &'a DeviceKey,
}

/// The hub's side: boxes show their certificate; who shows none can only enrol.
///
/// # Errors
/// Where certificate and key do not fit.
pub fn server_config(ca: &HubCa, leaf: &HubLeaf) -> Result<ServerConfig, Error> {
    let roots = only(ca.der().clone())?;
    let shown = Shown::of(leaf, roots.subjects())?;
    let inner = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider())
        .allow_unauthenticated()
        .build()
        .map_err(|error| Error::General(error.to_string()))?;
    let mut config = ServerConfig::builder_with_provider(provider())
        .with_protocol_versions(&[&version::TLS13])?
        .with_client_cert_verifier(Arc::new(AnyTimeClients(inner)))
        .with_cert_resolver(Arc::new(shown));
    config.session_storage = ServerSessionMemoryCache::new(REMEMBERED_MAX);
    Ok(config)
}

/// The box's side.
///
/// # Errors
/// Where certificate and key do not fit.
pub fn client_config(trust: Trust, identity: Option<&BoxIdentity<'_>>) -> Result<ClientConfig, Error> {
    let verifier = AnyTimeServer {
        known: match &trust {
            Trust::Root(der) => Some(only(CertificateDer::from(der.clone()))?.subjects()),
            Trust::County(_) => None,
        },
        trust,
        algorithms: provider().signature_verification_algorithms,
    };
    let builder = ClientConfig::builder_with_provider(provider())
        .with_protocol_versions(&[&version::TLS13])?
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(verifier));
    match identity {
        None => Ok(builder.with_no_client_auth()),
        Some(identity) => {
            let key = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(identity.key.to_pkcs8()));
            let certificate = CertificateDer::from(identity.certificate.to_vec());
            builder.with_client_auth_cert(vec![certificate], key)
        }
    }
}

/// The device key in the certificate that a box showed.
pub fn peer_key(shown: Option<&[CertificateDer<'_>]>) -> Option<DevicePublicKey> {
    let (_, certificate) = X509Certificate::from_der(shown?.first()?).ok()?;
    DevicePublicKey::from_slice(&certificate.public_key().subject_public_key.data).ok()
}

/// The clinic in the certificate that a box showed.
pub fn peer_clinic(shown: Option<&[CertificateDer<'_>]>) -> Option<ClinicCode> {
    let (_, certificate) = X509Certificate::from_der(shown?.first()?).ok()?;
    let unit = certificate.subject().iter_organizational_unit().next()?;
    unit.as_str().ok()?.parse().ok()
}

/// The devices of which the one that showed this certificate took the place.
pub fn peer_predecessors(shown: Option<&[CertificateDer<'_>]>) -> Vec<DeviceId> {
    let read = || {
        let (_, certificate) = X509Certificate::from_der(shown?.first()?).ok()?;
        let before = certificate.subject().iter_organization().next()?.as_str().ok()?;
        Some(before.split(' ').filter_map(|text| text.parse().ok()).collect())
    };
    read().unwrap_or_default()
}

/// The beginning of a certificate's validity: it serves as "now", so that no clock decides.
fn beginning(certificate: &CertificateDer<'_>) -> Result<UnixTime, Error> {
    let bad = || Error::InvalidCertificate(CertificateError::BadEncoding);
    let (_, parsed) = X509Certificate::from_der(certificate).map_err(|_| bad())?;
    let seconds = u64::try_from(parsed.validity().not_before.timestamp()).map_err(|_| bad())?;
    Ok(UnixTime::since_unix_epoch(std::time::Duration::from_secs(
        seconds,
    )))
}

fn provider() -> Arc<CryptoProvider> {
    Arc::new(ring::default_provider())
}

/// The roots of an end that trusts one.
fn only(root: CertificateDer<'static>) -> Result<RootCertStore, Error> {
    let mut roots = RootCertStore::empty();
    roots.add(root)?;
    Ok(roots)
}

/// What a hub shows of itself: its own certificate, and the county's root only to whoever does not say that it knows one
/// (RFC 8446 section 4.2.4): the bytes of a root are on their way longer than a twentieth of a second over 64 kbit/s.
#[derive(Debug)]
struct Shown {
    whole: Arc<CertifiedKey>,
    own: Arc<CertifiedKey>,
    roots: Vec<DistinguishedName>,
}

impl Shown {
    fn of(leaf: &HubLeaf, roots: Vec<DistinguishedName>) -> Result<Self, Error> {
        let whole = CertifiedKey::from_der(leaf.chain.clone(), leaf.key.clone_key(), &provider())?;
        let own = whole.cert.iter().take(1).cloned().collect();
        Ok(Self {
            own: Arc::new(CertifiedKey::new(own, Arc::clone(&whole.key))),
            whole: Arc::new(whole),
            roots,
        })
    }
}

impl ResolvesServerCert for Shown {
    fn resolve(&self, hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        let known = hello.certificate_authorities().unwrap_or_default();
        let is_known = |root: &DistinguishedName| known.iter().any(|known| known.as_ref() == root.as_ref());
        let knows = self.roots.iter().all(is_known);
        Some(Arc::clone(if knows { &self.own } else { &self.whole }))
    }
}

/// Checks the hub's certificate by the county's key alone: not by dates, and not by name, since a hub may move to
/// another address. A box's certificate is no hub's: its use is another.
#[derive(Debug)]
struct AnyTimeServer {
    trust: Trust,
    /// The subject of the root that is here already.
    known: Option<Vec<DistinguishedName>>,
    algorithms: WebPkiSupportedAlgorithms,
}

impl AnyTimeServer {
    fn root(&self, shown: &[CertificateDer<'_>]) -> Option<CertificateDer<'static>> {
        match &self.trust {
            Trust::Root(der) => Some(CertificateDer::from(der.clone())),
            Trust::County(pin) => shown
                .iter()
                .find(|shown| county_of(shown) == Some(*pin))
                .map(|root| root.clone().into_owned()),
        }
    }
}

impl ServerCertVerifier for AnyTimeServer {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        _name: &ServerName<'_>,
        _ocsp: &[u8],
        _now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        let root = self
            .root(intermediates)
            .ok_or(Error::InvalidCertificate(CertificateError::UnknownIssuer))?;
        let roots = only(root)?;
        let parsed = ParsedCertificate::try_from(end_entity)?;
        let now = beginning(end_entity)?;
        verify_server_cert_signed_by_trust_anchor(&parsed, &roots, &[], now, self.algorithms.all)?;
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        _message: &[u8],
        _certificate: &CertificateDer<'_>,
        _signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        Err(Error::General("TLS 1.2 is not spoken".to_owned()))
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls13_signature(message, certificate, signature, &self.algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.algorithms.supported_schemes()
    }

    fn root_hint_subjects(&self) -> Option<&[DistinguishedName]> {
        self.known.as_deref()
    }
}

/// Checks a box's certificate without its dates.
#[derive(Debug)]
struct AnyTimeClients(Arc<dyn ClientCertVerifier>);

impl ClientCertVerifier for AnyTimeClients {
    fn offer_client_auth(&self) -> bool {
        self.0.offer_client_auth()
    }

    fn client_auth_mandatory(&self) -> bool {
        self.0.client_auth_mandatory()
    }

    fn root_hint_subjects(&self) -> &[DistinguishedName] {
        // A box has one certificate to show, whatever it is asked for.
        &[]
    }

    fn verify_client_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        _now: UnixTime,
    ) -> Result<ClientCertVerified, Error> {
        self.0
            .verify_client_cert(end_entity, intermediates, beginning(end_entity)?)
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.0.verify_tls12_signature(message, certificate, signature)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.0.verify_tls13_signature(message, certificate, signature)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.supported_verify_schemes()
    }
}

#[cfg(test)]
mod tests {
    use std::io::{Read as _, Write as _};

    use records::ids::ClinicCode;
    use records::time::WallTime;
    use rustls::{ClientConnection, HandshakeKind, ServerConnection};

    use super::*;

    const TODAY: WallTime = WallTime(1_795_564_800_000);
    const IN_1971: WallTime = WallTime(31_536_000_000);

    struct County {
        _folder: tempfile::TempDir,
        ca: HubCa,
    }

    fn county(base: WallTime) -> County {
        let folder = tempfile::tempdir().unwrap();
        let ca = HubCa::open(folder.path(), base).unwrap();
        County { _folder: folder, ca }
    }

    /// What came of a handshake.
    struct Met {
        /// The key that the server saw.
        key: Option<DevicePublicKey>,
        kind: Option<HandshakeKind>,
        /// How many certificates the server showed.
        shown: usize,
    }

    /// Shakes hands in memory.
    fn shake(server: ServerConfig, client: ClientConfig) -> Result<Met, Error> {
        shake_again(&Arc::new(server), &Arc::new(client))
    }

    /// The same between ends that may have met before.
    fn shake_again(server: &Arc<ServerConfig>, client: &Arc<ClientConfig>) -> Result<Met, Error> {
        let name = ServerName::try_from("127.0.0.1").unwrap();
        let mut client = ClientConnection::new(Arc::clone(client), name)?;
        let mut server = ServerConnection::new(Arc::clone(server))?;
        for _ in 0..8 {
            let mut wire = Vec::new();
            while client.wants_write() {
                client.write_tls(&mut wire).unwrap();
            }
            let mut wire = wire.as_slice();
            while !wire.is_empty() {
                server.read_tls(&mut wire).unwrap();
                server.process_new_packets()?;
            }
            let mut wire = Vec::new();
            while server.wants_write() {
                server.write_tls(&mut wire).unwrap();
            }
            let mut wire = wire.as_slice();
            while !wire.is_empty() {
                client.read_tls(&mut wire).unwrap();
                client.process_new_packets()?;
            }
        }
        client.writer().write_all(b"x").unwrap();
        let mut wire = Vec::new();
        client.write_tls(&mut wire).unwrap();
        server.read_tls(&mut wire.as_slice()).unwrap();
        server.process_new_packets()?;
        let mut heard = [0];
        server.reader().read_exact(&mut heard).unwrap();
        Ok(Met {
            key: peer_key(server.peer_certificates()),
            kind: client.handshake_kind(),
            shown: client.peer_certificates().map_or(0, <[_]>::len),
        })
    }

    fn server(county: &County, base: WallTime) -> ServerConfig {
        let leaf = county.ca.issue_leaf(&["hub.example".to_owned()], base).unwrap();
        server_config(&county.ca, &leaf).unwrap()
    }

    fn clinic() -> ClinicCode {
        "LS01".parse().unwrap()
    }

    #[test]
    fn a_box_and_its_hub_know_each_other_whatever_the_clocks_say() {
        for base in [TODAY, IN_1971] {
            let county = county(base);
            let key = DeviceKey::from_seed(&[7; 32]);
            let certificate = county.ca.issue_box(&key.public(), &clinic(), &[], base).unwrap();
            let identity = BoxIdentity {
                certificate: &certificate,
                key: &key,
            };
            let client = client_config(Trust::Root(county.ca.der().to_vec()), Some(&identity)).unwrap();
            let met = shake(server(&county, base), client).unwrap();
            assert_eq!(met.key.unwrap().to_bytes(), key.public().to_bytes());
            assert_eq!(met.shown, 1, "the root, which the box knows");
        }
    }

    #[test]
    fn a_box_that_comes_back_needs_no_certificates_and_the_hub_knows_it_all_the_same() {
        let county = county(TODAY);
        let hub = Arc::new(server(&county, TODAY));
        let key = DeviceKey::from_seed(&[7; 32]);
        let certificate = county.ca.issue_box(&key.public(), &clinic(), &[], TODAY).unwrap();
        let identity = BoxIdentity {
            certificate: &certificate,
            key: &key,
        };
        let root = || Trust::Root(county.ca.der().to_vec());
        let client = Arc::new(client_config(root(), Some(&identity)).unwrap());
        let contact = |hub: &Arc<ServerConfig>| {
            let met = shake_again(hub, &client).unwrap();
            assert_eq!(met.key.unwrap().to_bytes(), key.public().to_bytes());
            met.kind
        };
        assert_eq!(contact(&hub), Some(HandshakeKind::Full));
        for _ in 0..4 {
            assert_eq!(contact(&hub), Some(HandshakeKind::Resumed));
        }
        let started_anew = Arc::new(server(&county, TODAY));
        assert_eq!(contact(&started_anew), Some(HandshakeKind::Full));
    }

    #[test]
    fn without_a_certificate_the_hub_sees_nobody_and_the_pin_tells_the_hub() {
        let county = county(TODAY);
        let client = client_config(Trust::County(county.ca.county()), None).unwrap();
        let met = shake(server(&county, TODAY), client).unwrap();
        assert!(met.key.is_none());
        assert_eq!(met.shown, 2, "the root is told by its pin alone");
        let stranger = client_config(Trust::County([1; 32]), None).unwrap();
        assert!(shake(server(&county, TODAY), stranger).is_err());
    }

    #[test]
    fn who_says_nothing_of_roots_is_shown_the_whole_chain() {
        // As a box of an earlier release does.
        let county = county(TODAY);
        let client = ClientConfig::builder_with_provider(provider())
            .with_protocol_versions(&[&version::TLS13])
            .unwrap()
            .dangerous()
            .with_custom_certificate_verifier(Arc::new(AnyTimeServer {
                trust: Trust::Root(county.ca.der().to_vec()),
                known: None,
                algorithms: provider().signature_verification_algorithms,
            }))
            .with_no_client_auth();
        assert_eq!(shake(server(&county, TODAY), client).unwrap().shown, 2);
    }

    #[test]
    fn another_county_is_refused_by_both_ends() {
        let (ours, theirs) = (county(TODAY), county(TODAY));
        let key = DeviceKey::from_seed(&[7; 32]);
        let certificate = theirs.ca.issue_box(&key.public(), &clinic(), &[], TODAY).unwrap();
        let identity = BoxIdentity {
            certificate: &certificate,
            key: &key,
        };
        let client = client_config(Trust::Root(ours.ca.der().to_vec()), Some(&identity)).unwrap();
        assert!(
            shake(server(&ours, TODAY), client).is_err(),
            "the hub took a box of another county"
        );
        let client = client_config(Trust::Root(theirs.ca.der().to_vec()), None).unwrap();
        assert!(
            shake(server(&ours, TODAY), client).is_err(),
            "the box took a hub of another county"
        );
    }

    #[test]
    fn a_box_cannot_play_the_hub() {
        let county = county(TODAY);
        let key = DeviceKey::from_seed(&[7; 32]);
        let certificate = county.ca.issue_box(&key.public(), &clinic(), &[], TODAY).unwrap();
        let leaf = HubLeaf {
            chain: vec![CertificateDer::from(certificate), county.ca.der().clone()],
            key: PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(key.to_pkcs8())),
            chain_pem: String::new(),
            key_pem: String::new(),
        };
        let server = server_config(&county.ca, &leaf).unwrap();
        for trust in [
            Trust::Root(county.ca.der().to_vec()),
            Trust::County(county.ca.county()),
        ] {
            assert!(shake(server.clone(), client_config(trust, None).unwrap()).is_err());
        }
    }
}

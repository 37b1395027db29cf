//! The box's own certificate authority for HTTPS on the clinic's network.
//!
//! Each box makes its own root, and the root may only vouch for the box's own names and addresses (name
//! constraints, RFC 5280 section 4.2.1.10), so that installing it on a tablet lets nobody else be trusted. The
//! leaf is short enough for every tablet and is renewed by the box alone.

use std::net::IpAddr;
use std::path::{Path, PathBuf};

use rcgen::{
    BasicConstraints, CidrSubnet, DnType, ExtendedKeyUsagePurpose, GeneralSubtree, IsCa, Issuer, KeyPair,
    KeyUsagePurpose, NameConstraints, PKCS_ECDSA_P256_SHA256, SanType,
};
use records::time::{ClockSource, Stamp, WallTime};
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject as _;
use sha2::{Digest, Sha256};
use x509_parser::prelude::{FromDer as _, GeneralName, ParsedExtension, X509Certificate};

use crate::certificate_files::{BACKDATED_DAYS, CaFault, DAY_MILLISECONDS, dated, read, write_secret};

/// Days that a leaf is valid. iPads refuse server certificates over 825 days, even under an installed root (Apple,
/// "Requirements for trusted certificates in iOS 13").
const LEAF_DAYS: i64 = 820;
/// Days that a root is valid.
const ROOT_DAYS: i64 = 20 * 366;
/// Days before its end when a leaf is made anew.
const RENEWAL_DAYS: i64 = 183;
/// Most names and addresses of a box.
pub const LAN_NAMES_MAX: usize = 16;

const ROOT_FILE: &str = "root.pem";
const KEY_FILE: &str = "root.key.pem";

/// What tablets call the box.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LanNames {
    /// Names that the box's DNS answers.
    pub names: Vec<String>,
    /// Addresses on the clinic's network.
    pub addresses: Vec<IpAddr>,
}

/// A certificate for the box's HTTPS listener.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LanLeaf {
    /// The leaf and its root.
    pub certificate_pem: String,
    /// The leaf's secret key.
    pub key_pem: String,
    /// When it ends.
    pub not_after: WallTime,
}

/// The box's root.
pub struct BoxCa {
    issuer: Issuer<'static, KeyPair>,
    root: CertificateDer<'static>,
    pem: String,
}

/// The time that certificates are dated by: the clock where somebody set it, else the day the program was built. A
/// clock that nobody set may stand in 1970 or in 2098, and what is made then must serve a tablet of today.
pub fn base_time(now: Stamp, built_at: WallTime) -> WallTime {
    if now.source == ClockSource::None || now.at < built_at {
        built_at
    } else {
        now.at
    }
}

/// Whether a leaf that ends at `not_after` is to be made anew: half a year before its end, or where it begins after
/// what a better clock tells.
pub fn wants_renewal(not_after: WallTime, base: WallTime) -> bool {
    let left = not_after.0 - base.0;
    !(RENEWAL_DAYS * DAY_MILLISECONDS..=LEAF_DAYS * DAY_MILLISECONDS).contains(&left)
}

impl BoxCa {
    /// Reads the root in `folder`, or makes one for these names where there is none.
    ///
    /// # Errors
    /// Where the files cannot be read, written or understood.
    pub fn open(folder: &Path, names: &LanNames, base: WallTime) -> Result<Self, CaFault> {
        names.check()?;
        let (root_path, key_path) = (folder.join(ROOT_FILE), folder.join(KEY_FILE));
        if !root_path.exists() {
            Self::make(folder, names, base)?;
        }
        let pem = read(&root_path)?;
        let damaged = |path: PathBuf| move |_| CaFault::Damaged { path: path.clone() };
        let root = CertificateDer::from_pem_slice(pem.as_bytes())
            .map_err(|_| CaFault::Damaged {
                path: root_path.clone(),
            })?
            .into_owned();
        let key = KeyPair::from_pem(&read(&key_path)?).map_err(damaged(key_path))?;
        let issuer = Issuer::from_ca_cert_der(&root, key).map_err(damaged(root_path))?;
        Ok(Self { issuer, root, pem })
    }

    fn make(folder: &Path, names: &LanNames, base: WallTime) -> Result<(), CaFault> {
        let fault = |source| CaFault::File {
            path: folder.to_owned(),
            source,
        };
        std::fs::create_dir_all(folder).map_err(fault)?;
        let key = KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256)?;
        let mut params = dated(base, ROOT_DAYS);
        let first = names.names.first().cloned().unwrap_or_default();
        params
            .distinguished_name
            .push(DnType::CommonName, format!("Clinic box {first}"));
        params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
        params.name_constraints = Some(NameConstraints {
            permitted_subtrees: names.subtrees(),
            excluded_subtrees: Vec::new(),
        });
        let root = params.self_signed(&key)?;
        // The key first: a root without its key would be found and could not be used.
        write_secret(&folder.join(KEY_FILE), &key.serialize_pem())?;
        write_secret(&folder.join(ROOT_FILE), &root.pem())
    }

    /// The root as PEM.
    pub fn pem(&self) -> &str {
        &self.pem
    }

    /// The root as DER, which Android's settings install.
    pub fn der(&self) -> &[u8] {
        &self.root
    }

    /// SHA-256 of the root, for the label and the check page.
    pub fn fingerprint(&self) -> [u8; 32] {
        Sha256::digest(self.der()).into()
    }

    /// Makes a certificate for the listener.
    ///
    /// # Errors
    /// Where a name lies outside what the root may vouch for.
    pub fn leaf(&self, names: &LanNames, base: WallTime) -> Result<LanLeaf, CaFault> {
        names.check()?;
        self.check_constraints(names)?;
        let key = KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256)?;
        let mut params = dated(base, LEAF_DAYS);
        let first = names.names.first().cloned().unwrap_or_default();
        params.distinguished_name.push(DnType::CommonName, first);
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
        for name in &names.names {
            params
                .subject_alt_names
                .push(SanType::DnsName(name.as_str().try_into()?));
        }
        params
            .subject_alt_names
            .extend(names.addresses.iter().copied().map(SanType::IpAddress));
        let leaf = params.signed_by(&key, &self.issuer)?;
        let end = base.0 + (LEAF_DAYS - BACKDATED_DAYS) * DAY_MILLISECONDS;
        Ok(LanLeaf {
            certificate_pem: format!("{}{}", leaf.pem(), self.pem),
            key_pem: key.serialize_pem(),
            not_after: WallTime(end),
        })
    }

    fn check_constraints(&self, names: &LanNames) -> Result<(), CaFault> {
        let permitted = permitted(&self.root);
        let wanted = names
            .names
            .iter()
            .cloned()
            .chain(names.addresses.iter().map(IpAddr::to_string));
        match wanted.into_iter().find(|name| !permitted.contains(name)) {
            Some(name) => Err(CaFault::Outside(name)),
            None => Ok(()),
        }
    }
}

/// The names and addresses that a root may vouch for, as texts.
fn permitted(root: &CertificateDer<'_>) -> Vec<String> {
    let Ok((_, certificate)) = X509Certificate::from_der(root) else {
        return Vec::new();
    };
    let constraints =
        certificate
            .extensions()
            .iter()
            .find_map(|extension| match extension.parsed_extension() {
                ParsedExtension::NameConstraints(constraints) => constraints.permitted_subtrees.as_ref(),
                _ => None,
            });
    let text = |name: &GeneralName<'_>| match name {
        GeneralName::DNSName(name) => Some((*name).to_owned()),
        GeneralName::IPAddress(bytes) => {
            let (address, _mask) = bytes.split_at(bytes.len() / 2);
            <[u8; 4]>::try_from(address)
                .map(IpAddr::from)
                .or_else(|_| <[u8; 16]>::try_from(address).map(IpAddr::from))
                .ok()
                .map(|address| address.to_string())
        }
        _ => None,
    };
    constraints
        .into_iter()
        .flatten()
        .filter_map(|subtree| text(&subtree.base))
        .collect()
}

impl LanNames {
    fn check(&self) -> Result<(), CaFault> {
        let count = self.names.len() + self.addresses.len();
        if (1..=LAN_NAMES_MAX).contains(&count) {
            Ok(())
        } else {
            Err(CaFault::Names)
        }
    }

    fn subtrees(&self) -> Vec<GeneralSubtree> {
        let names = self.names.iter().cloned().map(GeneralSubtree::DnsName);
        let whole = |address: &IpAddr| if address.is_ipv4() { 32 } else { 128 };
        let addresses = self
            .addresses
            .iter()
            .map(|address| CidrSubnet::from_addr_prefix(*address, whole(address)));
        names.chain(addresses.map(GeneralSubtree::IpAddress)).collect()
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::time::Duration;

    use rustls::RootCertStore;
    use rustls::client::WebPkiServerVerifier;
    use rustls::client::danger::ServerCertVerifier as _;
    use rustls::pki_types::{ServerName, UnixTime};

    use super::*;

    /// 2026-11-25.
    const TODAY: WallTime = WallTime(1_795_564_800_000);

    fn names() -> LanNames {
        LanNames {
            names: vec!["box.clinic.internal".to_owned()],
            addresses: vec![IpAddr::from([192, 168, 8, 1])],
        }
    }

    /// Whether a tablet that trusts the root takes the leaf under this name at this time.
    fn tablet_takes(ca: &BoxCa, leaf: &LanLeaf, name: &str, at: WallTime) -> bool {
        let mut roots = RootCertStore::empty();
        roots.add(ca.root.clone()).unwrap();
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let verifier = WebPkiServerVerifier::builder_with_provider(Arc::new(roots), provider)
            .build()
            .unwrap();
        let chain: Vec<_> = CertificateDer::pem_slice_iter(leaf.certificate_pem.as_bytes())
            .collect::<Result<_, _>>()
            .unwrap();
        let name = ServerName::try_from(name.to_owned()).unwrap();
        let at = UnixTime::since_unix_epoch(Duration::from_millis(u64::try_from(at.0).unwrap()));
        verifier
            .verify_server_cert(&chain[0], &chain[1..], &name, &[], at)
            .is_ok()
    }

    #[test]
    fn a_tablet_takes_the_box_by_name_and_address_and_nothing_else() {
        let folder = tempfile::tempdir().unwrap();
        let ca = BoxCa::open(folder.path(), &names(), TODAY).unwrap();
        let leaf = ca.leaf(&names(), TODAY).unwrap();
        assert!(tablet_takes(&ca, &leaf, "box.clinic.internal", TODAY));
        assert!(tablet_takes(&ca, &leaf, "192.168.8.1", TODAY));
        assert!(!tablet_takes(&ca, &leaf, "bank.example", TODAY));
        let foreign = LanNames {
            names: vec!["bank.example".to_owned()],
            addresses: Vec::new(),
        };
        assert!(matches!(ca.leaf(&foreign, TODAY), Err(CaFault::Outside(name)) if name == "bank.example"));
    }

    #[test]
    fn the_root_itself_forbids_what_the_box_would_not_sign() {
        let folder = tempfile::tempdir().unwrap();
        let ca = BoxCa::open(folder.path(), &names(), TODAY).unwrap();
        // Somebody who took the key signs past the box's own check.
        let key = KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256).unwrap();
        let mut stolen = dated(TODAY, LEAF_DAYS);
        stolen
            .subject_alt_names
            .push(SanType::DnsName("bank.example".try_into().unwrap()));
        stolen.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
        let certificate = stolen.signed_by(&key, &ca.issuer).unwrap();
        let leaf = LanLeaf {
            certificate_pem: format!("{}{}", certificate.pem(), ca.pem()),
            key_pem: String::new(),
            not_after: TODAY,
        };
        assert!(!tablet_takes(&ca, &leaf, "bank.example", TODAY));
    }

    #[test]
    fn what_is_made_under_a_senseless_clock_serves_a_tablet_of_today() {
        for (at, source) in [(0, ClockSource::None), (4_070_908_800_000, ClockSource::None)] {
            let folder = tempfile::tempdir().unwrap();
            let base = base_time(
                Stamp {
                    at: WallTime(at),
                    source,
                },
                TODAY,
            );
            let ca = BoxCa::open(folder.path(), &names(), base).unwrap();
            let leaf = ca.leaf(&names(), base).unwrap();
            assert!(tablet_takes(&ca, &leaf, "192.168.8.1", TODAY));
        }
        let heard = Stamp {
            at: WallTime(TODAY.0 + 1),
            source: ClockSource::Hub,
        };
        assert_eq!(base_time(heard, TODAY), heard.at);
    }

    #[test]
    fn a_leaf_is_short_enough_for_ipads_and_renewed_in_time() {
        let folder = tempfile::tempdir().unwrap();
        let ca = BoxCa::open(folder.path(), &names(), TODAY).unwrap();
        let leaf = ca.leaf(&names(), TODAY).unwrap();
        let der = CertificateDer::from_pem_slice(leaf.certificate_pem.as_bytes()).unwrap();
        let (_, certificate) = X509Certificate::from_der(&der).unwrap();
        let validity = certificate.validity();
        assert!((validity.not_after.timestamp() - validity.not_before.timestamp()) / 86_400 <= 825);
        let day = |days: i64| WallTime(TODAY.0 + days * DAY_MILLISECONDS);
        assert!(!wants_renewal(leaf.not_after, day(0)));
        assert!(!wants_renewal(leaf.not_after, day(500)));
        assert!(wants_renewal(leaf.not_after, day(600)));
        assert!(
            wants_renewal(leaf.not_after, day(-400)),
            "made under a clock that ran ahead"
        );
    }

    #[test]
    fn the_root_stays_the_same_and_its_key_is_nobody_elses() {
        use std::os::unix::fs::PermissionsExt as _;
        let folder = tempfile::tempdir().unwrap();
        let first = BoxCa::open(folder.path(), &names(), TODAY).unwrap().fingerprint();
        assert_eq!(
            BoxCa::open(folder.path(), &names(), TODAY).unwrap().fingerprint(),
            first
        );
        let mode = std::fs::metadata(folder.path().join(KEY_FILE))
            .unwrap()
            .permissions()
            .mode();
        assert_eq!(mode & 0o777, 0o600);
        std::fs::write(folder.path().join(KEY_FILE), "no key").unwrap();
        assert!(matches!(
            BoxCa::open(folder.path(), &names(), TODAY),
            Err(CaFault::Damaged { .. })
        ));
    }
}

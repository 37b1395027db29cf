//! The county's certificate authority: it vouches for the hub's listeners and for the boxes.
//!
//! Both ends of a link leave validity dates out (clocks are wrong, boxes are away for months); what decides is the
//! county's key and, at the hub, the directory of devices. The dates matter only to the browsers of the desks.

use std::net::IpAddr;
use std::path::Path;

use rcgen::{
    BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair,
    KeyUsagePurpose, PKCS_ECDSA_P256_SHA256, SanType, SubjectPublicKeyInfo,
};
use records::ids::{ClinicCode, DeviceId};
use records::time::WallTime;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer};
use sha2::{Digest, Sha256};
use sync_core::identity::DevicePublicKey;
use x509_parser::prelude::{FromDer as _, X509Certificate};

use crate::certificate_files::{CaFault, dated, read, write_secret};

const ROOT_FILE: &str = "county.pem";
const KEY_FILE: &str = "county.key.pem";
/// Days that the county's root is valid: longer than a box lives.
const ROOT_DAYS: i64 = 40 * 366;
/// Days that a leaf for desks is valid (Apple takes 825 at most); it is made anew at each start of the hub.
const LEAF_DAYS: i64 = 820;
/// DER of a SubjectPublicKeyInfo with the Ed25519 algorithm, up to the 32 key bytes (RFC 8410 section 4).
const SPKI_ED25519_HEAD: [u8; 12] = [
    0x30, 0x2a, 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70, 0x03, 0x21, 0x00,
];

/// A certificate of the hub with its key, for one of its listeners.
pub struct HubLeaf {
    /// The leaf and the county's root.
    pub chain: Vec<CertificateDer<'static>>,
    /// The leaf's secret key.
    pub key: PrivateKeyDer<'static>,
    /// Both as PEM, for listeners that want files.
    pub chain_pem: String,
    /// The key as PEM.
    pub key_pem: String,
}

/// The county's root.
pub struct HubCa {
    issuer: Issuer<'static, KeyPair>,
    root: CertificateDer<'static>,
    pem: String,
}

impl HubCa {
    /// Reads the root in `folder`, or makes one where there is none; `base` is the time now.
    ///
    /// # Errors
    /// Where the files cannot be read, written or understood.
    pub fn open(folder: &Path, base: WallTime) -> Result<Self, CaFault> {
        let (root_path, key_path) = (folder.join(ROOT_FILE), folder.join(KEY_FILE));
        if !root_path.exists() {
            make(folder, base)?;
        }
        let pem = read(&root_path)?;
        let damaged = |path: &Path| CaFault::Damaged {
            path: path.to_owned(),
        };
        let root = CertificateDer::from_pem_slice(pem.as_bytes())
            .map_err(|_| damaged(&root_path))?
            .into_owned();
        let key = KeyPair::from_pem(&read(&key_path)?).map_err(|_| damaged(&key_path))?;
        let issuer = Issuer::from_ca_cert_der(&root, key).map_err(|_| damaged(&root_path))?;
        Ok(Self { issuer, root, pem })
    }

    /// The root as PEM.
    pub fn pem(&self) -> &str {
        &self.pem
    }

    /// The root as DER.
    pub fn der(&self) -> &CertificateDer<'static> {
        &self.root
    }

    /// The county: SHA-256 of the root's public key. Boxes pin it.
    pub fn county(&self) -> [u8; 32] {
        county_of(&self.root).unwrap_or_default()
    }

    /// Vouches for a box's device key, as a client only, and names the devices of which it took the place.
    ///
    /// # Errors
    /// Where the library refuses.
    pub fn issue_box(
        &self,
        key: &DevicePublicKey,
        clinic: &ClinicCode,
        predecessors: &[DeviceId],
        base: WallTime,
    ) -> Result<Vec<u8>, CaFault> {
        let mut spki = SPKI_ED25519_HEAD.to_vec();
        spki.extend_from_slice(&key.to_bytes());
        let public = SubjectPublicKeyInfo::from_der(&spki)?;
        let mut params = leaf_params(base);
        params
            .distinguished_name
            .push(DnType::CommonName, key.device().to_string());
        params
            .distinguished_name
            .push(DnType::OrganizationalUnitName, clinic.as_str());
        if !predecessors.is_empty() {
            let before: Vec<String> = predecessors.iter().map(DeviceId::to_string).collect();
            params
                .distinguished_name
                .push(DnType::OrganizationName, before.join(" "));
        }
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
        Ok(params.signed_by(&public, &self.issuer)?.der().to_vec())
    }

    /// Makes a certificate for one of the hub's own listeners under these host names or addresses.
    ///
    /// # Errors
    /// Where a host is no name, or the library refuses.
    pub fn issue_leaf(&self, hosts: &[String], base: WallTime) -> Result<HubLeaf, CaFault> {
        let key = KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256)?;
        let mut params = leaf_params(base);
        params.distinguished_name.push(DnType::CommonName, "County hub");
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
        for host in hosts {
            params.subject_alt_names.push(match host.parse::<IpAddr>() {
                Ok(address) => SanType::IpAddress(address),
                Err(_) => SanType::DnsName(host.as_str().try_into()?),
            });
        }
        let leaf = params.signed_by(&key, &self.issuer)?;
        Ok(HubLeaf {
            chain: vec![leaf.der().clone(), self.root.clone()],
            key: PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(key.serialize_der())),
            chain_pem: format!("{}{}", leaf.pem(), self.pem),
            key_pem: key.serialize_pem(),
        })
    }
}

/// SHA-256 of the public key in a certificate; `None` for bytes that are no certificate.
pub fn county_of(root: &CertificateDer<'_>) -> Option<[u8; 32]> {
    let (_, certificate) = X509Certificate::from_der(root).ok()?;
    Some(Sha256::digest(certificate.public_key().raw).into())
}

fn make(folder: &Path, base: WallTime) -> Result<(), CaFault> {
    let fault = |source| CaFault::File {
        path: folder.to_owned(),
        source,
    };
    std::fs::create_dir_all(folder).map_err(fault)?;
    let key = KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256)?;
    let mut params = dated(base, ROOT_DAYS);
    params
        .distinguished_name
        .push(DnType::CommonName, "County hub root");
    params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    let root = params.self_signed(&key)?;
    // The key first: a root without its key would be found and could not be used.
    write_secret(&folder.join(KEY_FILE), &key.serialize_pem())?;
    write_secret(&folder.join(ROOT_FILE), &root.pem())
}

fn leaf_params(base: WallTime) -> CertificateParams {
    let mut params = dated(base, LEAF_DAYS);
    params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
    params
}

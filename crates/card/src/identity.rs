//! Who a box is: the identity row that `provision` puts onto a card and the box reads at its first start.
//!
//! The row is signed and bound to one card by its disk signature. What is used once (the token, the first sign-in
//! code) stands in a sector of its own, named by the row through its hash, and is overwritten in place after use.

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::device::{BlockDevice, DeviceFault, SECTOR, read_sector, write_sector};
use crate::fat::{Fat, FatFault};
use crate::layout::Layout;
use crate::protection::Protection;
use crate::select::{IDENTITY, SECRETS};
use crate::signed::{self, PublicKey, Purpose, SecretKey, SignedFault};

/// Longest row with its signature, in bytes.
pub const ROW_MAX: usize = 16 << 10;
/// Characters of a drawn Wi-Fi password, hyphens left out: 60 bits.
pub const WIFI_PASSWORD_LETTERS: usize = 12;
/// Digits of a drawn first sign-in code.
pub const CODE_DIGITS: usize = 8;
/// The form of a row; others are refused.
const FORM: u32 = 1;
/// No letter or digit that is taken for another one.
const LETTERS: &[u8; 32] = b"abcdefghijkmnpqrstuvwxyz23456789";

/// The row of one box.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Identity {
    form: u32,
    /// Number of the row: the beginning of its token's hash, which gives nothing away.
    pub row: String,
    /// The card that the row was written for.
    pub disk_signature: u32,
    /// Code of the county, which update bundles name.
    pub county: String,
    /// Code of the clinic.
    pub clinic: String,
    /// Its name.
    pub clinic_name: String,
    /// Address of the hub, `https://HOST:PORT`.
    pub hub: String,
    /// Certificate of the hub's CA (PEM).
    pub hub_ca: String,
    /// Name of the box's radio network.
    pub wifi_name: String,
    /// Its password.
    pub wifi_password: String,
    /// Two letters by which a radio knows its channels.
    pub country: String,
    /// Language of the first pages.
    pub locale: String,
    /// Time zone by its usual name.
    pub time_zone: String,
    /// The technician's SSH key, where there is one.
    pub admin_key: Option<String>,
    /// SHA-256 of the sector of secrets.
    #[serde(with = "hex::serde")]
    pub secrets_sha256: [u8; 32],
    /// How the data are protected at this site.
    #[serde(default)]
    pub data: Protection,
    /// When the row was made, RFC 3339.
    pub issued: String,
}

/// What a clinic's line says, before a card is chosen.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Row {
    /// Code of the county, which update bundles name.
    pub county: String,
    /// Code of the clinic.
    pub clinic: String,
    /// Its name.
    pub clinic_name: String,
    /// Address of the hub.
    pub hub: String,
    /// Certificate of the hub's CA (PEM).
    pub hub_ca: String,
    /// Name of the radio network.
    pub wifi_name: String,
    /// Two letters by which a radio knows its channels.
    pub country: String,
    /// Language of the first pages.
    pub locale: String,
    /// Time zone by its usual name.
    pub time_zone: String,
    /// The technician's SSH key.
    pub admin_key: Option<String>,
    /// How the data are protected at this site.
    pub data: Protection,
    /// The one-time token, as the hub printed it.
    pub token: String,
}

/// What is drawn at random for each card.
#[derive(Clone, Copy)]
pub struct Drawn {
    /// Of the Wi-Fi password.
    pub wifi: [u8; WIFI_PASSWORD_LETTERS],
    /// Of the first sign-in code.
    pub code: [u8; CODE_DIGITS],
    /// The card's disk signature; 0 stands for 1.
    pub signature: u32,
}

/// What is used once.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Secrets {
    /// The enrolment token.
    pub token: String,
    /// The code of the first sign-in.
    pub code: String,
}

impl std::fmt::Debug for Secrets {
    /// Never shows them.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Secrets")
    }
}

/// The sector of secrets.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Kept {
    /// They were not used yet.
    Fresh(Secrets),
    /// They were used and overwritten.
    Used,
}

/// Why a row is not believed or cannot be made.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum IdentityFault {
    /// The card failed.
    #[error(transparent)]
    Device(#[from] DeviceFault),
    /// The select partition cannot be read.
    #[error(transparent)]
    Fat(#[from] FatFault),
    /// There is none.
    #[error("the card belongs to no clinic yet")]
    None,
    /// The signature.
    #[error("the identity of the card is not believed: {0}")]
    Signed(#[from] SignedFault),
    /// A field that cannot be.
    #[error("the identity's {field} {what}")]
    Field {
        /// Which.
        field: &'static str,
        /// What is wrong with it.
        what: &'static str,
    },
    /// Not a row of this form.
    #[error("the identity of the card is of another form: {0}")]
    Form(String),
    /// The row was copied from another card.
    #[error("the identity was made for another card")]
    OtherCard,
    /// The secrets are not those of the row.
    #[error("the secrets beside the identity are not its own, or damaged")]
    OtherSecrets,
}

fn field(field: &'static str, what: &'static str) -> IdentityFault {
    IdentityFault::Field { field, what }
}

/// Text without control characters, of so many characters and bytes.
fn is_text(text: &str, chars: std::ops::RangeInclusive<usize>) -> bool {
    chars.contains(&text.chars().count()) && !text.chars().any(char::is_control)
}

fn is_made_of(text: &str, others: &str) -> bool {
    text.chars()
        .all(|c| c.is_ascii_alphanumeric() || others.contains(c))
}

impl Row {
    /// Checks every field.
    ///
    /// # Errors
    /// [`IdentityFault::Field`], the first that cannot be.
    pub fn check(&self) -> Result<(), IdentityFault> {
        if !(1..=16).contains(&self.county.len()) || !is_made_of(&self.county, "-") {
            return Err(field("county code", "has 1 to 16 letters, digits or hyphens"));
        }
        if !(1..=16).contains(&self.clinic.len()) || !is_made_of(&self.clinic, "-") {
            return Err(field("clinic code", "has 1 to 16 letters, digits or hyphens"));
        }
        if !is_text(&self.clinic_name, 1..=60) {
            return Err(field("clinic name", "has 1 to 60 characters"));
        }
        let host = self.hub.strip_prefix("https://").unwrap_or_default();
        if host.is_empty() || host.len() > 200 || !is_made_of(host, ".-:[]") {
            return Err(field("hub address", "is https://HOST:PORT"));
        }
        if !self.hub_ca.contains("-----BEGIN CERTIFICATE-----") || self.hub_ca.len() > 8 << 10 {
            return Err(field("hub certificate", "is a PEM certificate as `ca` prints it"));
        }
        // 32 bytes are the radio's limit, eight of Chinese.
        if !(1..=32).contains(&self.wifi_name.len()) || !is_text(&self.wifi_name, 1..=32) {
            return Err(field("radio network's name", "has 1 to 32 bytes"));
        }
        if self.country.len() != 2 || !self.country.bytes().all(|byte| byte.is_ascii_uppercase()) {
            return Err(field("country", "has two capital letters"));
        }
        if !["zh-CN", "en"].contains(&self.locale.as_str()) {
            return Err(field("language", "is zh-CN or en"));
        }
        let zone = &self.time_zone;
        if !(1..=64).contains(&zone.len()) || !is_made_of(zone, "_/+-") || zone.starts_with('/') {
            return Err(field("time zone", "is a name such as Asia/Shanghai"));
        }
        let key_fits =
            |key: &String| key.starts_with("ssh-ed25519 ") && key.len() <= 800 && is_text(key, 1..=800);
        if !self.admin_key.as_ref().is_none_or(key_fits) {
            return Err(field(
                "administrator's key",
                "is one line that begins with ssh-ed25519",
            ));
        }
        if !(16..=300).contains(&self.token.len()) || !is_made_of(&self.token, "- ") {
            return Err(field("token", "is the text that `sync-server token` printed"));
        }
        Ok(())
    }

    /// Number of the row: tells whether it was used, and says nothing of its token.
    pub fn number(&self) -> String {
        let mut hash = Sha256::new();
        hash.update(b"clinic box row 1\n");
        // Case, spaces and hyphens are the printer's.
        let plain: String = self.token.chars().filter(char::is_ascii_alphanumeric).collect();
        hash.update(plain.to_ascii_uppercase());
        hex::encode(&hash.finalize()[..8])
    }

    /// The identity and the secrets of one card.
    ///
    /// # Errors
    /// [`IdentityFault::Field`].
    pub fn make(&self, drawn: &Drawn, issued: String) -> Result<(Identity, Secrets), IdentityFault> {
        self.check()?;
        let secrets = Secrets {
            token: self.token.clone(),
            code: drawn
                .code
                .iter()
                .map(|byte| char::from(b'0' + byte % 10))
                .collect(),
        };
        let row = self.clone();
        let identity = Identity {
            form: FORM,
            row: self.number(),
            disk_signature: drawn.signature.max(1),
            county: row.county,
            clinic: row.clinic,
            clinic_name: row.clinic_name,
            hub: row.hub,
            hub_ca: row.hub_ca,
            wifi_name: row.wifi_name,
            wifi_password: password(&drawn.wifi),
            country: row.country,
            locale: row.locale,
            time_zone: row.time_zone,
            admin_key: row.admin_key,
            data: row.data,
            secrets_sha256: Sha256::digest(secrets.to_sector()).into(),
            issued,
        };
        Ok((identity, secrets))
    }
}

/// Groups of four letters.
fn password(random: &[u8; WIFI_PASSWORD_LETTERS]) -> String {
    let letters: Vec<u8> = random
        .iter()
        .map(|byte| LETTERS[usize::from(byte % 32)])
        .collect();
    let groups: Vec<_> = letters.chunks(4).map(String::from_utf8_lossy).collect();
    groups.join("-")
}

impl Secrets {
    /// The sector: one line of JSON, filled up with spaces.
    pub fn to_sector(&self) -> [u8; SECTOR as usize] {
        padded(&serde_json::to_string(self).unwrap_or_default())
    }
}

fn padded(line: &str) -> [u8; SECTOR as usize] {
    let mut sector = [b' '; SECTOR as usize];
    let len = line.len().min(sector.len() - 1);
    sector[..len].copy_from_slice(&line.as_bytes()[..len]);
    sector[SECTOR as usize - 1] = b'\n';
    sector
}

/// What stands in the place of secrets that were used.
const USED: &str = "{\"used\":true}";

impl Identity {
    /// The file of the row.
    pub fn seal(&self, key: &SecretKey) -> String {
        key.seal(
            Purpose::Identity,
            &serde_json::to_string(self).unwrap_or_default(),
        )
    }

    /// Reads the file of a row that one of these keys signed.
    ///
    /// # Errors
    /// [`IdentityFault`].
    pub fn parse(file: &[u8], keys: &[PublicKey]) -> Result<Self, IdentityFault> {
        if file.len() > ROW_MAX {
            return Err(IdentityFault::Form("it is too long".to_owned()));
        }
        let line = signed::open(Purpose::Identity, file, keys)?;
        let identity: Self =
            serde_json::from_str(line).map_err(|error| IdentityFault::Form(error.to_string()))?;
        if identity.form != FORM {
            return Err(IdentityFault::Form("made by a later program".to_owned()));
        }
        identity.row_of().check()?;
        let password = &identity.wifi_password;
        if !(8..=63).contains(&password.len()) || !is_made_of(password, "-") {
            return Err(field("radio password", "has 8 to 63 letters, digits or hyphens"));
        }
        Ok(identity)
    }

    /// The row without its token, for the checks of its fields.
    fn row_of(&self) -> Row {
        let one = self.clone();
        Row {
            county: one.county,
            clinic: one.clinic,
            clinic_name: one.clinic_name,
            hub: one.hub,
            hub_ca: one.hub_ca,
            wifi_name: one.wifi_name,
            country: one.country,
            locale: one.locale,
            time_zone: one.time_zone,
            admin_key: one.admin_key,
            data: one.data,
            token: "0".repeat(16),
        }
    }
}

/// The file of the row on a card, whatever it says.
///
/// # Errors
/// [`IdentityFault::None`] where there is none.
pub fn file_on(device: &mut (impl BlockDevice + ?Sized), layout: &Layout) -> Result<Vec<u8>, IdentityFault> {
    let fat = Fat::open(device, layout.select)?;
    let file = fat.find(device, IDENTITY)?.ok_or(IdentityFault::None)?;
    if file.len > ROW_MAX as u64 {
        return Err(IdentityFault::Form("it is too long".to_owned()));
    }
    Ok(fat.read(device, &file)?)
}

/// Where the sector of secrets lies.
fn secrets_at(device: &mut (impl BlockDevice + ?Sized), layout: &Layout) -> Result<u64, IdentityFault> {
    let fat = Fat::open(device, layout.select)?;
    let file = fat.find(device, SECRETS)?.ok_or(IdentityFault::OtherSecrets)?;
    match fat.sectors(device, &file)?.as_slice() {
        [at] if file.len == SECTOR => Ok(*at),
        _ => Err(IdentityFault::OtherSecrets),
    }
}

/// Reads the row of a card, and checks that it was made for it.
///
/// # Errors
/// [`IdentityFault`].
pub fn row_on(
    device: &mut (impl BlockDevice + ?Sized),
    layout: &Layout,
    keys: &[PublicKey],
) -> Result<Identity, IdentityFault> {
    let identity = Identity::parse(&file_on(device, layout)?, keys)?;
    if identity.disk_signature != layout.signature {
        return Err(IdentityFault::OtherCard);
    }
    Ok(identity)
}

/// How a card's data are to be protected: as its row says. A card that belongs to no clinic has no one's data to protect.
///
/// # Errors
/// [`IdentityFault`] where there is a row that is not believed: it may have asked for encryption.
pub fn protection_on(
    device: &mut (impl BlockDevice + ?Sized),
    layout: &Layout,
    keys: &[PublicKey],
) -> Result<Protection, IdentityFault> {
    match row_on(device, layout, keys) {
        Ok(identity) => Ok(identity.data),
        Err(IdentityFault::None) => Ok(Protection::Plain),
        Err(fault) => Err(fault),
    }
}

/// Reads row and secrets of a card, and checks that they were made for it and belong together.
///
/// # Errors
/// [`IdentityFault`].
pub fn read(
    device: &mut (impl BlockDevice + ?Sized),
    layout: &Layout,
    keys: &[PublicKey],
) -> Result<(Identity, Kept), IdentityFault> {
    let identity = row_on(device, layout, keys)?;
    let at = secrets_at(device, layout)?;
    let sector = read_sector(device, at)?;
    if sector == padded(USED) {
        return Ok((identity, Kept::Used));
    }
    if <[u8; 32]>::from(Sha256::digest(sector)) != identity.secrets_sha256 {
        return Err(IdentityFault::OtherSecrets);
    }
    let secrets = serde_json::from_slice(&sector).map_err(|_| IdentityFault::OtherSecrets)?;
    Ok((identity, Kept::Fresh(secrets)))
}

/// Overwrites the secrets in place; they are gone from the medium when this returns.
///
/// # Errors
/// [`IdentityFault`].
pub fn use_up(device: &mut (impl BlockDevice + ?Sized), layout: &Layout) -> Result<(), IdentityFault> {
    let at = secrets_at(device, layout)?;
    write_sector(device, at, &padded(USED))?;
    device.flush()?;
    Ok(())
}

/// What a fuzzer calls: a row under any signature is refused, and a line under a good one is read or refused.
pub fn fuzz_one(bytes: &[u8]) {
    let key = SecretKey::from_seed(&[1; 32]);
    assert!(Identity::parse(bytes, &[key.public()]).is_err());
    let line = String::from_utf8_lossy(bytes).replace('\n', " ");
    let _ = Identity::parse(key.seal(Purpose::Identity, &line).as_bytes(), &[key.public()]);
}

//! The header of an encrypted volume in the LUKS2 form (the on-disk format, version 1.1.1), which `cryptsetup` opens
//! too: two copies of a binary header with a text in JSON, and the volume's key wrapped once for each of two secrets.
//!
//! The volume is ciphered by the kernel with Adiantum, which is quick on processors without AES instructions. The
//! first slot opens with the device's key, the second with the recovery key, which lies beside it sealed to the county.
//! Where a person opens the data at each start, a slot of the start PIN takes the place of the first ([`set_pin`]); where
//! the county's hub may open them too, a slot of its share stands beside it ([`set_share`]).

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};
use stretch::Stretch;
use zeroize::Zeroizing;

use crate::device::{BLOCK, BlockDevice, DeviceFault};
use crate::mbr::Extent;
use crate::protection::{DeviceKey, Source};
use crate::random::Random;
use crate::vestibule;

mod change;
mod slot;
mod stretch;

pub use change::{ChangeFault, PinSlot, leave_to_county, set_pin, set_share, settle};
pub use stretch::Cost;

/// Bytes of one copy of the header: 4 KiB binary, 12 KiB text.
const HEADER: u64 = 16 << 10;
/// Bytes of its binary part.
const BINARY: usize = 4096;
/// Bytes of a text, with the zero that ends it left out.
const TEXT_MAX: usize = HEADER as usize - BINARY - 1;
/// Bytes before the data: both copies of the header and the slots. Cryptsetup's usual place.
pub const DATA_OFFSET: u64 = 16 << 20;
/// How the kernel ciphers the data.
pub const CIPHER: &str = "xchacha12,aes-adiantum-plain64";
/// Bytes that are ciphered as one: a block of the file system.
pub const DATA_SECTOR: u64 = BLOCK;
/// Rounds over a secret of 256 random bits: the fewest that cryptsetup takes, since nobody guesses it.
const ROUNDS: u32 = 1000;
/// Rounds over a secret that can be guessed: about a second on a Raspberry Pi 3.
const ROUNDS_OF_SERIAL: u32 = 100_000;
/// Most slots that are tried.
const SLOTS_MAX: usize = 8;
const MAGICS: [&[u8; 6]; 2] = [b"LUKS\xba\xbe", b"SKUL\xba\xbe"];
/// Where fields of the binary header stand.
const SIZE_AT: usize = 8;
const SEQUENCE_AT: usize = 16;
const LABEL_AT: usize = 24;
const HASH_AT: usize = 72;
const SALT_AT: usize = 104;
const UUID_AT: usize = 168;
const UUID_LEN: usize = 40;
const OFFSET_AT: usize = 256;
const SUM_AT: usize = 448;
const SUM_LEN: usize = 64;
/// The kinds of our tokens: who may open which slot.
const DEVICE_TOKEN: &str = "clinic-device";
const RECOVERY_TOKEN: &str = "clinic-recovery";
const PIN_TOKEN: &str = "clinic-pin";
const HUB_TOKEN: &str = "clinic-hub";
/// The kind of the token that says that a person opens the data, and that a vestibule lies before them.
const PERSON_TOKEN: &str = "clinic-person";
/// The kind of the token that says that the county revoked the box: only its recovery key opens the data.
const REVOKED_TOKEN: &str = "clinic-revoked";
/// Tokens that say something without naming a slot.
const MARKS: [&str; 2] = [PERSON_TOKEN, REVOKED_TOKEN];

/// The key that the data are ciphered with; wiped when dropped.
#[derive(Clone, PartialEq, Eq)]
pub struct VolumeKey(Zeroizing<[u8; 32]>);

impl VolumeKey {
    /// Lower-case hex, as the kernel's table wants it.
    pub fn to_hex(&self) -> Zeroizing<String> {
        Zeroizing::new(hex::encode(*self.0))
    }
}

impl std::fmt::Debug for VolumeKey {
    /// Never shows it.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("VolumeKey")
    }
}

/// Who opens a volume at each start.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OpenedBy {
    /// The machine by itself.
    Machine,
    /// A person, from the first start PIN on.
    Person,
    /// The same, or the county's hub.
    PersonOrHub,
}

/// What a new volume is made with.
pub struct New<'a> {
    /// Its number.
    pub id: [u8; 16],
    /// The key of this machine.
    pub device_key: &'a DeviceKey,
    /// The recovery key's text, and the same sealed to the county ([`crate::recovery`]).
    pub recovery: &'a str,
    /// The sealed form.
    pub sealed: &'a str,
    /// Who is to open it at each start.
    pub opened_by: OpenedBy,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
struct KeySlot {
    r#type: String,
    key_size: u32,
    af: Value,
    area: Area,
    kdf: Stretch,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
struct Area {
    r#type: String,
    offset: String,
    size: String,
    encryption: String,
    key_size: u32,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
struct Check {
    r#type: String,
    keyslots: Vec<String>,
    segments: Vec<String>,
    hash: String,
    iterations: u32,
    salt: String,
    digest: String,
}

/// The text of a header.
#[derive(Debug, Clone, Serialize, Deserialize)]
struct Text {
    keyslots: serde_json::Map<String, Value>,
    tokens: serde_json::Map<String, Value>,
    segments: serde_json::Map<String, Value>,
    digests: serde_json::Map<String, Value>,
    config: Value,
}

/// A volume's header.
#[derive(Debug, Clone)]
pub struct Header {
    /// The number of the volume.
    pub id: [u8; 16],
    text: Text,
    /// The number of its version, which copy it stands in, and whether the other copy says the same.
    sequence: u64,
    copy: usize,
    is_twin: bool,
}

/// Makes the header of a new volume. What stood in the partition before must be of no worth.
///
/// # Errors
/// What the device reports.
pub fn make<D: BlockDevice + ?Sized>(
    device: &mut D,
    extent: Extent,
    new: &New<'_>,
    random: &mut Random,
) -> Result<VolumeKey, DeviceFault> {
    let key = VolumeKey(random.draw());
    let of_device = match new.device_key.source() {
        Source::Serial => ROUNDS_OF_SERIAL,
        Source::Otp | Source::Emulated => ROUNDS,
    };
    let mut slots = serde_json::Map::new();
    let secrets = [
        (new.device_key.secret(), of_device),
        (new.recovery.as_bytes(), ROUNDS),
    ];
    for (number, (secret, rounds)) in secrets.into_iter().enumerate() {
        let salt: Zeroizing<[u8; 32]> = random.draw();
        let stretch = Stretch::by_rounds(rounds, &*salt);
        let described = put_slot(device, extent, number, &key, secret, stretch, random)?;
        slots.insert(number.to_string(), described);
    }
    // The slots are on the medium before a header names them.
    let salt: Zeroizing<[u8; 32]> = random.draw();
    let check = Check {
        r#type: "pbkdf2".to_owned(),
        keyslots: vec!["0".to_owned(), "1".to_owned()],
        segments: vec!["0".to_owned()],
        hash: "sha256".to_owned(),
        iterations: ROUNDS,
        salt: to_base64(&*salt),
        digest: to_base64(&digest(&key, &*salt, ROUNDS)),
    };
    let mut tokens = json!({
        "0": { "type": DEVICE_TOKEN, "keyslots": ["0"], "source": new.device_key.source().word() },
        "1": { "type": RECOVERY_TOKEN, "keyslots": ["1"], "sealed": new.sealed },
    });
    let mut slots_end = DATA_OFFSET;
    if new.opened_by != OpenedBy::Machine {
        let by_hub = new.opened_by == OpenedBy::PersonOrHub;
        tokens["2"] = json!({ "type": PERSON_TOKEN, "keyslots": [], "hub": by_hub });
        slots_end = vestibule::AT;
    }
    let text = json!({
        "keyslots": slots,
        "tokens": tokens,
        "segments": { "0": {
            "type": "crypt", "offset": DATA_OFFSET.to_string(), "size": "dynamic", "iv_tweak": "0",
            "encryption": CIPHER, "sector_size": DATA_SECTOR,
        } },
        "digests": { "0": check },
        "config": {
            "json_size": (HEADER - BINARY as u64).to_string(),
            "keyslots_size": (slots_end - 2 * HEADER).to_string(),
        },
    })
    .to_string();
    for (copy, at) in [(1, HEADER), (0, 0)] {
        let salt: Zeroizing<[u8; 64]> = random.draw();
        device.write_at(extent.at + at, &header_bytes(copy, at, 1, new.id, &salt, &text))?;
        device.flush()?;
    }
    Ok(key)
}

/// Writes the material of a slot, which no header names yet; returns what one will say about it.
fn put_slot<D: BlockDevice + ?Sized>(
    device: &mut D,
    extent: Extent,
    number: usize,
    key: &VolumeKey,
    secret: &[u8],
    stretch: Stretch,
    random: &mut Random,
) -> Result<Value, DeviceFault> {
    let no_memory = || DeviceFault::Other("there is no memory for the key of a slot".to_owned());
    let stretched = stretch.of(secret).ok_or_else(no_memory)?;
    let at = slot_at(number);
    device.write_at(extent.at + at, &slot::wrap(&key.0, &stretched, random))?;
    device.flush()?;
    Ok(json!(KeySlot {
        r#type: "luks2".to_owned(),
        key_size: 32,
        af: json!({ "type": "luks1", "stripes": slot::STRIPES, "hash": "sha256" }),
        area: Area {
            r#type: "raw".to_owned(),
            offset: at.to_string(),
            size: slot::AREA.to_string(),
            encryption: slot::CIPHER.to_owned(),
            key_size: 64,
        },
        kdf: stretch,
    }))
}

/// Where the material of a slot of ours lies.
fn slot_at(number: usize) -> u64 {
    2 * HEADER + number as u64 * slot::AREA
}

fn header_bytes(copy: usize, at: u64, sequence: u64, id: [u8; 16], salt: &[u8; 64], text: &str) -> Vec<u8> {
    let mut bytes = vec![0; HEADER as usize];
    let mut put = |at: usize, what: &[u8]| bytes[at..at + what.len()].copy_from_slice(what);
    put(0, MAGICS[copy]);
    put(6, &2_u16.to_be_bytes());
    put(SIZE_AT, &HEADER.to_be_bytes());
    put(SEQUENCE_AT, &sequence.to_be_bytes());
    put(LABEL_AT, b"clinic-data");
    put(HASH_AT, b"sha256");
    put(SALT_AT, salt);
    put(UUID_AT, dashed(id).as_bytes());
    put(OFFSET_AT, &at.to_be_bytes());
    // A text that is too long would be a fault of this file: it has about 1,700 bytes, and 700 more for a PIN.
    put(BINARY, &text.as_bytes()[..text.len().min(TEXT_MAX)]);
    let sum = Sha256::digest(&bytes);
    bytes[SUM_AT..SUM_AT + 32].copy_from_slice(&sum);
    bytes
}

/// Reads the header: the newer of its two copies that is whole. `None` where there is none.
///
/// # Errors
/// What the device reports, except for places that cannot be read: the other copy is there for that.
pub fn read<D: BlockDevice + ?Sized>(device: &mut D, extent: Extent) -> Result<Option<Header>, DeviceFault> {
    let mut newest: Option<Header> = None;
    for (copy, at) in [(0, 0), (1, HEADER)] {
        let mut bytes = vec![0; HEADER as usize];
        match device.read_at(extent.at + at, &mut bytes) {
            Ok(()) => {}
            Err(DeviceFault::CannotRead { .. } | DeviceFault::Outside { .. }) => continue,
            Err(fault) => return Err(fault),
        }
        let Some(found) = parse(copy, at, bytes) else {
            continue;
        };
        match &mut newest {
            Some(newest) if newest.sequence == found.sequence => newest.is_twin = true,
            Some(newest) if newest.sequence > found.sequence => {}
            Some(_) | None => newest = Some(found),
        }
    }
    Ok(newest)
}

/// One copy of a header.
fn parse(copy: usize, at: u64, mut bytes: Vec<u8>) -> Option<Header> {
    let number = |bytes: &[u8], at: usize| Some(u64::from_be_bytes(bytes.get(at..at + 8)?.try_into().ok()?));
    let is_ours = bytes.starts_with(*MAGICS.get(copy)?)
        && bytes.get(6..8)? == 2_u16.to_be_bytes()
        && number(&bytes, SIZE_AT)? == HEADER
        && number(&bytes, OFFSET_AT)? == at
        && bytes.get(HASH_AT..)?.starts_with(b"sha256\0");
    if !is_ours {
        return None;
    }
    let sum: [u8; 32] = bytes.get(SUM_AT..SUM_AT + 32)?.try_into().ok()?;
    bytes.get_mut(SUM_AT..SUM_AT + SUM_LEN)?.fill(0);
    if Sha256::digest(&bytes)[..] != sum {
        return None;
    }
    let uuid = bytes.get(UUID_AT..UUID_AT + UUID_LEN)?;
    let uuid: String = uuid
        .iter()
        .take_while(|byte| **byte != 0)
        .map(|byte| char::from(*byte))
        .filter(|c| *c != '-')
        .collect();
    let mut id = [0; 16];
    hex::decode_to_slice(&uuid, &mut id).ok()?;
    let text = bytes.get(BINARY..)?;
    let text = text.split(|byte| *byte == 0).next()?;
    let text = serde_json::from_slice(text).ok()?;
    Some(Header {
        id,
        text,
        sequence: number(&bytes, SEQUENCE_AT)?,
        copy,
        is_twin: false,
    })
}

impl Header {
    /// Whose key opens the first slot; `None` where no token of ours says so.
    pub fn source(&self) -> Option<Source> {
        self.source_in(DEVICE_TOKEN)
    }

    fn source_in(&self, kind: &str) -> Option<Source> {
        Source::named(self.token(kind)?.get("source")?.as_str()?)
    }

    /// Whether a person is to open the data at each start, once there is a start PIN.
    pub fn is_by_person(&self) -> bool {
        self.token(PERSON_TOKEN).is_some()
    }

    /// Whether the county's hub may open them too.
    pub fn is_by_hub(&self) -> bool {
        let token = self.token(PERSON_TOKEN);
        token.and_then(|token| token.get("hub")) == Some(&json!(true))
    }

    /// Whose key is mixed into the start PIN; `None` where there is no such PIN.
    pub fn pin_source(&self) -> Option<Source> {
        self.source_in(PIN_TOKEN)
    }

    /// Whether a slot opens by the hub's share.
    pub fn has_share(&self) -> bool {
        self.token(HUB_TOKEN).is_some()
    }

    /// Whether the county revoked the box: only its recovery key opens the data.
    pub fn is_revoked(&self) -> bool {
        self.token(REVOKED_TOKEN).is_some()
    }

    /// Whose key this machine has to the vestibule of a volume that a person opens.
    pub fn machine_source(&self) -> Option<Source> {
        let kinds = [PIN_TOKEN, DEVICE_TOKEN, REVOKED_TOKEN];
        kinds.into_iter().find_map(|kind| self.source_in(kind))
    }

    /// The recovery key, sealed to the county.
    pub fn sealed_recovery(&self) -> Option<&str> {
        self.token(RECOVERY_TOKEN)?.get("sealed")?.as_str()
    }

    fn token(&self, kind: &str) -> Option<&Value> {
        let mut tokens = self.text.tokens.values();
        tokens.find(|token| token.get("type").and_then(Value::as_str) == Some(kind))
    }

    /// Whether the data are ciphered as this program ciphers them.
    pub fn is_ours(&self) -> bool {
        let Some(segment) = self.text.segments.get("0") else {
            return false;
        };
        let is = |field: &str, value: Value| segment.get(field) == Some(&value);
        self.text.segments.len() == 1
            && is("encryption", json!(CIPHER))
            && is("offset", json!(DATA_OFFSET.to_string()))
            && is("sector_size", json!(DATA_SECTOR))
    }

    /// Opens the volume with a secret; `None` where no slot takes it.
    ///
    /// # Errors
    /// What the device reports.
    pub fn open<D: BlockDevice + ?Sized>(
        &self,
        device: &mut D,
        extent: Extent,
        secret: &[u8],
    ) -> Result<Option<VolumeKey>, DeviceFault> {
        for number in self.text.keyslots.keys().take(SLOTS_MAX) {
            if let Some(key) = self.open_slot(device, extent, number, secret)? {
                return Ok(Some(key));
            }
        }
        Ok(None)
    }

    /// The same by the slot of the hub's share alone: the others would take their time.
    ///
    /// # Errors
    /// What the device reports.
    pub fn open_by_share<D: BlockDevice + ?Sized>(
        &self,
        device: &mut D,
        extent: Extent,
        secret: &[u8],
    ) -> Result<Option<VolumeKey>, DeviceFault> {
        let slots = self.token(HUB_TOKEN).and_then(|token| token.get("keyslots"));
        let slots = slots.and_then(Value::as_array).into_iter().flatten();
        for number in slots.filter_map(Value::as_str).take(SLOTS_MAX) {
            if let Some(key) = self.open_slot(device, extent, number, secret)? {
                return Ok(Some(key));
            }
        }
        Ok(None)
    }

    /// The same by one slot.
    fn open_slot<D: BlockDevice + ?Sized>(
        &self,
        device: &mut D,
        extent: Extent,
        number: &str,
        secret: &[u8],
    ) -> Result<Option<VolumeKey>, DeviceFault> {
        let Some((at, stretch)) = self.text.keyslots.get(number).and_then(place) else {
            return Ok(None);
        };
        let mut material = vec![0; slot::AREA as usize];
        match device.read_at(extent.at + at, &mut material) {
            Ok(()) => {}
            // The other slots are there for that.
            Err(DeviceFault::CannotRead { .. } | DeviceFault::Outside { .. }) => return Ok(None),
            Err(fault) => return Err(fault),
        }
        let Some(stretched) = stretch.of(secret) else {
            return Ok(None);
        };
        let key = VolumeKey(slot::unwrap(material, &stretched));
        Ok(self.confirms(&key).then_some(key))
    }

    fn confirms(&self, key: &VolumeKey) -> bool {
        let checks = self.text.digests.values();
        checks
            .filter_map(|check| serde_json::from_value::<Check>(check.clone()).ok())
            .any(|check| check.confirms(key))
    }
}

/// Where a slot of our kind lies, and how its secret is stretched.
fn place(described: &Value) -> Option<(u64, Stretch)> {
    let slot: KeySlot = serde_json::from_value(described.clone()).ok()?;
    let stripes = slot.af.get("stripes").and_then(Value::as_u64);
    let is_ours = slot.r#type == "luks2"
        && slot.key_size == 32
        && stripes == Some(slot::STRIPES as u64)
        && slot.area.encryption == slot::CIPHER
        && slot.area.key_size == 64
        && slot.kdf.salt().is_some();
    let at: u64 = slot.area.offset.parse().ok()?;
    let fits = at.is_multiple_of(BLOCK) && (2 * HEADER..=DATA_OFFSET - slot::AREA).contains(&at);
    (is_ours && fits).then_some((at, slot.kdf))
}

impl Check {
    fn confirms(&self, key: &VolumeKey) -> bool {
        let is_counted = self.r#type == "pbkdf2"
            && self.hash == "sha256"
            && (1..=stretch::ROUNDS_MAX).contains(&self.iterations);
        match (of_base64(&self.salt), of_base64(&self.digest)) {
            (Some(salt), Some(expected)) if is_counted => {
                digest(key, &salt, self.iterations)[..] == expected[..]
            }
            _ => false,
        }
    }
}

fn digest(key: &VolumeKey, salt: &[u8], rounds: u32) -> [u8; 32] {
    pbkdf2::pbkdf2_hmac_array::<Sha256, 32>(&*key.0, salt, rounds)
}

fn to_base64(bytes: &[u8]) -> String {
    use base64::Engine as _;
    base64::engine::general_purpose::STANDARD.encode(bytes)
}

fn of_base64(text: &str) -> Option<Vec<u8>> {
    use base64::Engine as _;
    base64::engine::general_purpose::STANDARD.decode(text).ok()
}

/// A number as tools write it: 8, 4, 4, 4 and 12 digits.
pub fn dashed(id: [u8; 16]) -> String {
    let hex = hex::encode(id);
    [&hex[..8], &hex[8..12], &hex[12..16], &hex[16..20], &hex[20..]].join("-")
}

/// What a fuzzer calls: any bytes are a header or none, and whatever they say, no slot opens with a wrong secret.
pub fn fuzz_one(bytes: &[u8]) {
    let mut header = vec![0; HEADER as usize];
    let len = bytes.len().min(HEADER as usize);
    header[..len].copy_from_slice(&bytes[..len]);
    header[..6].copy_from_slice(MAGICS[0]);
    header[6..8].copy_from_slice(&2_u16.to_be_bytes());
    header[SIZE_AT..SIZE_AT + 8].copy_from_slice(&HEADER.to_be_bytes());
    header[OFFSET_AT..OFFSET_AT + 8].fill(0);
    header[HASH_AT..HASH_AT + 7].copy_from_slice(b"sha256\0");
    header[SUM_AT..SUM_AT + SUM_LEN].fill(0);
    let sum = Sha256::digest(&header);
    header[SUM_AT..SUM_AT + 32].copy_from_slice(&sum);
    if let Some(header) = parse(0, 0, header) {
        let _ = (header.source(), header.sealed_recovery(), header.is_ours());
        let _ = (header.machine_source(), header.has_share(), header.dead_slots());
        for described in header.text.keyslots.values().take(SLOTS_MAX) {
            let _ = place(described);
        }
    }
}

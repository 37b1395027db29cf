//! The vestibule: a stretch of the data partition before the data, for what a box needs while nobody has opened them.
//!
//! Two copies of a state (how often a wrong start PIN was typed, the certificate of the locked pages, the inbox's
//! public key, which hub may open the data and the key by which the box proves itself to it), and the inbox: readings
//! that were taken meanwhile, each in a block of its own, sealed so that only the open box reads them
//! ([`crate::sealed`]). The state is enciphered with a key that is made of the machine's, so a card alone shows nothing
//! of it. There is no file system here: one write of one block is one change, and a cut leaves the state before or
//! after it.

use chacha20poly1305::aead::{Aead, Payload};
use chacha20poly1305::{KeyInit, XChaCha20Poly1305, XNonce};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use zeroize::Zeroizing;

use crate::device::{BLOCK, BlockDevice, DeviceFault};
use crate::luks::DATA_OFFSET;
use crate::mbr::Extent;
use crate::pin::mixed;
use crate::protection::DeviceKey;
use crate::random::Random;

/// Where it begins in the data partition: behind the header and its slots.
pub const AT: u64 = 2 << 20;
/// Bytes of one copy of the state.
const STATE: u64 = 32 << 10;
/// Where the inbox begins, and how many items it takes: a day and a night of a busy kiosk, many times over.
const INBOX_AT: u64 = AT + 2 * STATE;
/// Most items that wait.
pub const ITEMS_MAX: usize = 2048;
/// Places that are read at once.
const AT_ONCE: usize = 64;
/// Where it ends.
const END: u64 = INBOX_AT + ITEMS_MAX as u64 * BLOCK;
/// Bytes that are wiped at once when it is made.
const WIPED: u64 = 1 << 20;
/// Bytes of a sum, at the end of a state and of an item.
const SUM: usize = 32;
/// Where fields of a copy of the state stand.
const SEQUENCE_AT: usize = 16;
const NONCE_AT: usize = 24;
const LEN_AT: usize = 48;
const BODY_AT: usize = 52;
/// Longest address of a hub, in bytes.
const URL_MAX: usize = 300;
/// Longest enciphered state: two certificates of a box with their key have some 3 kB.
const BODY_MAX: usize = STATE as usize - BODY_AT - SUM;
const STATE_MAGIC: &[u8; 16] = b"clinic-door-1\r\n\0";
const ITEM_MAGIC: &[u8; 16] = b"clinic-item-1\r\n\0";
/// Where fields of an item stand.
const ID_AT: usize = 16;
const ITEM_LEN_AT: usize = 32;
const ITEM_AT: usize = 34;
/// Longest item.
pub const ITEM_BYTES_MAX: usize = BLOCK as usize - ITEM_AT - SUM;

const _: () = assert!(END <= DATA_OFFSET && END.is_multiple_of(BLOCK) && ITEMS_MAX.is_multiple_of(AT_ONCE));

/// What the open box leaves for the locked one.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Papers {
    /// Certificate of the locked pages and of who issued it (PEM).
    pub certificate: String,
    /// Its key (PEM).
    pub key: Zeroizing<String>,
    /// What readings are sealed to, in hexadecimal digits ([`crate::sealed::InboxPublic`]).
    pub inbox: String,
}

impl std::fmt::Debug for Papers {
    /// Never shows the key.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Papers")
    }
}

/// Which hub a locked box asks, and as whom.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct HubPapers {
    /// Address of the hub: `https://HOST:PORT`.
    pub url: String,
    /// The county: SHA-256 of the public key of the hub's CA, which is all that a box goes by.
    #[serde(with = "hex::serde")]
    pub county: [u8; 32],
    /// The hub's own key, with which it signs what it says (Ed25519).
    #[serde(with = "hex::serde")]
    pub hub: [u8; 32],
    /// The device that this box is to its hub.
    #[serde(with = "hex::serde")]
    pub device: [u8; 8],
}

/// The state.
#[derive(Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct State {
    /// Start PINs that did not open the data since one did.
    wrong: u32,
    papers: Option<Papers>,
    // What a box without a hub leaves out is read by releases that do not know it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    hub: Option<HubPapers>,
    /// The seed of the key by which the box proves itself to its hub while it is locked, in hexadecimal digits.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    opening: Option<Zeroizing<String>>,
}

/// Why the vestibule did not do what it was asked.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum VestibuleFault {
    /// The card failed.
    #[error(transparent)]
    Device(#[from] DeviceFault),
    /// No item more is taken.
    #[error("{ITEMS_MAX} readings wait already: open the data of this box, so that it takes them in")]
    Full,
    /// Larger than there is room for.
    #[error("a message of {0} bytes is longer than there is room for")]
    TooLong(usize),
}

/// What lies in a place of the inbox.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Item {
    /// A sealed message under its id.
    Whole([u8; 16], Vec<u8>),
    /// Something that is no message any more; the block as it is.
    Damaged(Vec<u8>),
}

/// An opened vestibule. It is the only writer of its stretch of the card.
pub struct Vestibule {
    extent: Extent,
    volume: [u8; 16],
    key: Zeroizing<[u8; 32]>,
    sequence: u64,
    state: State,
    /// What each place of the inbox holds.
    places: Vec<Place>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Place {
    Free,
    Damaged,
    Taken([u8; 16]),
}

/// Wipes what stood there before a volume was made.
///
/// # Errors
/// What the device reports.
pub fn make<D: BlockDevice + ?Sized>(device: &mut D, extent: Extent) -> Result<(), DeviceFault> {
    let zeros = vec![0; WIPED as usize];
    for at in (AT..END).step_by(WIPED as usize) {
        let len = WIPED.min(END - at) as usize;
        device.write_at(extent.at + at, &zeros[..len])?;
    }
    device.flush()
}

impl Vestibule {
    /// Reads the vestibule of the volume with this number. A state that cannot be read is an empty one: the open box
    /// writes its papers again.
    ///
    /// # Errors
    /// What the device reports, except for places that cannot be read.
    pub fn read<D: BlockDevice + ?Sized>(
        device: &mut D,
        extent: Extent,
        volume: [u8; 16],
        own: &DeviceKey,
    ) -> Result<Self, DeviceFault> {
        let mut this = Self {
            extent,
            volume,
            key: mixed(own, b"clinic box vestibule 1\n", volume, b""),
            sequence: 0,
            state: State::default(),
            places: Vec::with_capacity(ITEMS_MAX),
        };
        for copy in 0..2 {
            let mut bytes = vec![0; STATE as usize];
            if !readable(device.read_at(extent.at + AT + copy * STATE, &mut bytes))? {
                continue;
            }
            if let Some((sequence, state)) = this.parse(&bytes)
                && sequence > this.sequence
            {
                (this.sequence, this.state) = (sequence, state);
            }
        }
        for first in (0..ITEMS_MAX).step_by(AT_ONCE) {
            this.read_places(device, first)?;
        }
        Ok(this)
    }

    /// Reads what some places hold: together, or one by one where the card does not read them all.
    fn read_places<D: BlockDevice + ?Sized>(
        &mut self,
        device: &mut D,
        first: usize,
    ) -> Result<(), DeviceFault> {
        let mut blocks = vec![0; AT_ONCE * BLOCK as usize];
        let is_whole = readable(device.read_at(self.at(first), &mut blocks))?;
        for (number, block) in (first..).zip(blocks.chunks(BLOCK as usize)) {
            let item = match is_whole {
                true => item_of(block.to_vec(), self.volume),
                false => self.item(device, number)?,
            };
            self.places.push(match item {
                None => Place::Free,
                Some(Item::Whole(id, _)) => Place::Taken(id),
                Some(Item::Damaged(_)) => Place::Damaged,
            });
        }
        Ok(())
    }

    /// How many start PINs did not open the data since one did.
    pub fn wrong(&self) -> u32 {
        self.state.wrong
    }

    /// Notes how many they are; it is on the card when this returns.
    ///
    /// # Errors
    /// What the device reports.
    pub fn set_wrong<D: BlockDevice + ?Sized>(
        &mut self,
        device: &mut D,
        wrong: u32,
        random: &mut Random,
    ) -> Result<(), DeviceFault> {
        let state = State {
            wrong,
            ..self.state.clone()
        };
        self.write(device, state, random)
    }

    /// What the open box left.
    pub fn papers(&self) -> Option<&Papers> {
        self.state.papers.as_ref()
    }

    /// Leaves these papers; the same again are not written.
    ///
    /// # Errors
    /// What the device reports.
    pub fn set_papers<D: BlockDevice + ?Sized>(
        &mut self,
        device: &mut D,
        papers: Papers,
        random: &mut Random,
    ) -> Result<(), VestibuleFault> {
        if self.state.papers.as_ref() == Some(&papers) {
            return Ok(());
        }
        let len = papers.certificate.len() + papers.key.len() + papers.inbox.len();
        if len > BODY_MAX / 2 {
            return Err(VestibuleFault::TooLong(len));
        }
        let state = State {
            papers: Some(papers),
            ..self.state.clone()
        };
        Ok(self.write(device, state, random)?)
    }

    /// Which hub a locked box asks; `None` where the open box left none.
    pub fn hub(&self) -> Option<&HubPapers> {
        self.state.hub.as_ref()
    }

    /// Leaves what a locked box asks its hub by; the same again is not written.
    ///
    /// # Errors
    /// What the device reports, and an address that is too long.
    pub fn set_hub<D: BlockDevice + ?Sized>(
        &mut self,
        device: &mut D,
        hub: HubPapers,
        random: &mut Random,
    ) -> Result<(), VestibuleFault> {
        if self.state.hub.as_ref() == Some(&hub) {
            return Ok(());
        }
        if hub.url.len() > URL_MAX {
            return Err(VestibuleFault::TooLong(hub.url.len()));
        }
        let state = State {
            hub: Some(hub),
            ..self.state.clone()
        };
        Ok(self.write(device, state, random)?)
    }

    /// The seed of the key by which the box proves itself to its hub; drawn where there is none, and on the card when
    /// this returns.
    ///
    /// # Errors
    /// What the device reports.
    pub fn opening_seed<D: BlockDevice + ?Sized>(
        &mut self,
        device: &mut D,
        random: &mut Random,
    ) -> Result<Zeroizing<[u8; 32]>, DeviceFault> {
        let mut seed = Zeroizing::new([0; 32]);
        let kept = self.state.opening.as_ref();
        if kept.is_some_and(|hex| hex::decode_to_slice(hex.as_bytes(), &mut *seed).is_ok()) {
            return Ok(seed);
        }
        let seed = random.draw::<32>();
        let state = State {
            opening: Some(Zeroizing::new(hex::encode(*seed))),
            ..self.state.clone()
        };
        self.write(device, state, random)?;
        Ok(seed)
    }

    /// Writes the copy that is not the newest.
    fn write<D: BlockDevice + ?Sized>(
        &mut self,
        device: &mut D,
        state: State,
        random: &mut Random,
    ) -> Result<(), DeviceFault> {
        let sequence = self.sequence.saturating_add(1);
        let bytes = self.state_bytes(sequence, &state, &random.draw::<24>());
        device.write_at(self.extent.at + AT + sequence % 2 * STATE, &bytes)?;
        device.flush()?;
        (self.sequence, self.state) = (sequence, state);
        Ok(())
    }

    fn state_bytes(&self, sequence: u64, state: &State, nonce: &[u8; 24]) -> Vec<u8> {
        let text = Zeroizing::new(serde_json::to_vec(state).unwrap_or_default());
        let payload = Payload {
            msg: &text,
            aad: &self.bound_to(sequence),
        };
        let body = self.cipher().encrypt(XNonce::from_slice(nonce), payload);
        let body = body.unwrap_or_default();
        let mut bytes = vec![0; STATE as usize];
        let mut put = |at: usize, what: &[u8]| bytes[at..at + what.len()].copy_from_slice(what);
        put(0, STATE_MAGIC);
        put(SEQUENCE_AT, &sequence.to_be_bytes());
        put(NONCE_AT, nonce);
        // What is written fits: `set_papers` and `set_hub` bound what is long in it.
        let len = body.len().min(BODY_MAX);
        put(LEN_AT, &(len as u32).to_be_bytes());
        put(BODY_AT, &body[..len]);
        sum(&mut bytes, self.volume);
        bytes
    }

    fn parse(&self, bytes: &[u8]) -> Option<(u64, State)> {
        if !bytes.starts_with(STATE_MAGIC) || !is_whole(bytes, self.volume) {
            return None;
        }
        let sequence = u64::from_be_bytes(bytes.get(SEQUENCE_AT..NONCE_AT)?.try_into().ok()?);
        let len = u32::from_be_bytes(bytes.get(LEN_AT..BODY_AT)?.try_into().ok()?) as usize;
        let body = bytes.get(BODY_AT..BODY_AT + len.min(BODY_MAX))?;
        let payload = Payload {
            msg: body,
            aad: &self.bound_to(sequence),
        };
        let nonce = XNonce::from_slice(bytes.get(NONCE_AT..LEN_AT)?);
        let text = Zeroizing::new(self.cipher().decrypt(nonce, payload).ok()?);
        Some((sequence, serde_json::from_slice(&text).ok()?))
    }

    fn cipher(&self) -> XChaCha20Poly1305 {
        XChaCha20Poly1305::new(&(*self.key).into())
    }

    fn bound_to(&self, sequence: u64) -> Vec<u8> {
        [&self.volume[..], &sequence.to_be_bytes()].concat()
    }

    /// How many items wait, damaged ones among them.
    pub fn waiting(&self) -> usize {
        self.places.iter().filter(|place| **place != Place::Free).count()
    }

    /// Whether no item more is taken.
    pub fn is_full(&self) -> bool {
        self.waiting() >= ITEMS_MAX
    }

    /// Puts a sealed message into the inbox; it is on the card when this returns. The same id twice is one message.
    ///
    /// # Errors
    /// [`VestibuleFault`].
    pub fn put<D: BlockDevice + ?Sized>(
        &mut self,
        device: &mut D,
        id: [u8; 16],
        message: &[u8],
    ) -> Result<(), VestibuleFault> {
        if message.len() > ITEM_BYTES_MAX {
            return Err(VestibuleFault::TooLong(message.len()));
        }
        if self.places.contains(&Place::Taken(id)) {
            return Ok(());
        }
        let free = self.places.iter().position(|place| *place == Place::Free);
        let number = free.ok_or(VestibuleFault::Full)?;
        let mut block = vec![0; BLOCK as usize];
        let mut put = |at: usize, what: &[u8]| block[at..at + what.len()].copy_from_slice(what);
        put(0, ITEM_MAGIC);
        put(ID_AT, &id);
        put(ITEM_LEN_AT, &(message.len() as u16).to_be_bytes());
        put(ITEM_AT, message);
        sum(&mut block, self.volume);
        device.write_at(self.at(number), &block)?;
        device.flush()?;
        self.places[number] = Place::Taken(id);
        Ok(())
    }

    /// The first place from this one on that holds something, and what it holds.
    ///
    /// # Errors
    /// What the device reports, except for places that cannot be read: they hold nothing.
    pub fn next<D: BlockDevice + ?Sized>(
        &self,
        device: &mut D,
        from: usize,
    ) -> Result<Option<(usize, Item)>, DeviceFault> {
        for number in from..ITEMS_MAX {
            if self.places[number] == Place::Free {
                continue;
            }
            if let Some(item) = self.item(device, number)? {
                return Ok(Some((number, item)));
            }
        }
        Ok(None)
    }

    /// Empties a place whose content is kept elsewhere by now.
    ///
    /// # Errors
    /// What the device reports.
    pub fn remove<D: BlockDevice + ?Sized>(
        &mut self,
        device: &mut D,
        number: usize,
    ) -> Result<(), DeviceFault> {
        let Some(place) = self.places.get_mut(number) else {
            return Ok(());
        };
        let at = self.extent.at + INBOX_AT + number as u64 * BLOCK;
        device.write_at(at, &vec![0; BLOCK as usize])?;
        device.flush()?;
        *place = Place::Free;
        Ok(())
    }

    fn at(&self, number: usize) -> u64 {
        self.extent.at + INBOX_AT + number as u64 * BLOCK
    }

    fn item<D: BlockDevice + ?Sized>(
        &self,
        device: &mut D,
        number: usize,
    ) -> Result<Option<Item>, DeviceFault> {
        let mut block = vec![0; BLOCK as usize];
        if !readable(device.read_at(self.at(number), &mut block))? {
            return Ok(None);
        }
        Ok(item_of(block, self.volume))
    }
}

/// What a block of the inbox holds.
fn item_of(block: Vec<u8>, volume: [u8; 16]) -> Option<Item> {
    if block.iter().all(|byte| *byte == 0) {
        return None;
    }
    let whole = || {
        let is_item = block.starts_with(ITEM_MAGIC) && is_whole(&block, volume);
        let id = block.get(ID_AT..ITEM_LEN_AT)?.try_into().ok()?;
        let len = u16::from_be_bytes(block.get(ITEM_LEN_AT..ITEM_AT)?.try_into().ok()?) as usize;
        let fits = is_item && len <= ITEM_BYTES_MAX;
        fits.then(|| Item::Whole(id, block[ITEM_AT..ITEM_AT + len].to_vec()))
    };
    Some(whole().unwrap_or(Item::Damaged(block)))
}

/// Whether a read succeeded; a place that cannot be read is none.
fn readable(read: Result<(), DeviceFault>) -> Result<bool, DeviceFault> {
    match read {
        Ok(()) => Ok(true),
        Err(DeviceFault::CannotRead { .. } | DeviceFault::Outside { .. }) => Ok(false),
        Err(fault) => Err(fault),
    }
}

fn digest(bytes: &[u8], volume: [u8; 16]) -> [u8; SUM] {
    let mut hash = Sha256::new();
    hash.update(volume);
    hash.update(bytes);
    hash.finalize().into()
}

/// Puts the sum at the end.
fn sum(bytes: &mut [u8], volume: [u8; 16]) {
    if let Some((body, place)) = bytes.split_last_chunk_mut::<SUM>() {
        *place = digest(body, volume);
    }
}

fn is_whole(bytes: &[u8], volume: [u8; 16]) -> bool {
    let parts = bytes.split_last_chunk::<SUM>();
    parts.is_some_and(|(body, sum)| digest(body, volume) == *sum)
}

/// What a fuzzer calls: any block is an item, something damaged or nothing, also under a right sum.
pub fn fuzz_one(bytes: &[u8]) {
    let mut block = vec![0; BLOCK as usize];
    let len = bytes.len().min(BLOCK as usize);
    block[..len].copy_from_slice(&bytes[..len]);
    let _ = item_of(block.clone(), [1; 16]);
    block[..16].copy_from_slice(ITEM_MAGIC);
    sum(&mut block, [1; 16]);
    let _ = item_of(block, [1; 16]);
}

//! The state of a card: two copies of one sector, written in turn, so that a write that a power cut tears leaves the
//! one before it. It remembers; which slot starts is decided by `autoboot.txt` alone.

use sha2::{Digest, Sha256};

use crate::device::{BlockDevice, DeviceFault, SECTOR, read_sector, write_sector};
use crate::layout::{STATE_AT, Slot};

/// Longest detail of a reason, in bytes.
pub const DETAIL_MAX: usize = 120;
const MAGIC: &[u8; 16] = b"clinic-state-1\r\n";
const SUM_AT: usize = 480;

/// Version of a system; later ones have greater numbers.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, serde::Serialize, serde::Deserialize,
)]
#[serde(transparent)]
pub struct Version(pub u64);

impl std::fmt::Display for Version {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.0.fmt(f)
    }
}

/// The used part of a partition, by its hash.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Content {
    /// Length in bytes from the partition's start.
    pub len: u64,
    /// SHA-256 of these bytes.
    #[serde(with = "hex::serde")]
    pub sha256: [u8; 32],
}

impl Content {
    /// The content that these bytes are.
    pub fn of(bytes: &[u8]) -> Self {
        Self {
            len: bytes.len() as u64,
            sha256: Sha256::digest(bytes).into(),
        }
    }
}

/// A system that was written to a slot and read back.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub struct System {
    /// Its version.
    pub version: Version,
    /// Its boot partition.
    pub boot: Content,
    /// Its root partition.
    pub root: Content,
}

/// Whether data were made on this card.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Data {
    /// Never.
    Blank,
    /// They were, under this number.
    Made([u8; 16]),
}

/// A new system that is being tried.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Trial {
    /// Where it lies.
    pub slot: Slot,
    /// How often a start of it was asked for.
    pub asked: u8,
    /// How often its first program ran.
    pub began: u8,
}

/// Why a version went back.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Why {
    /// Its first program never ran.
    NeverBegan,
    /// It began, and the box was restarted before it was found healthy.
    NotHealthyInTime,
    /// It looked at itself and found a fault.
    Unhealthy,
    /// What lies in its slot is damaged.
    Damaged,
    /// A person sent it back.
    Asked,
}

/// How the last trial ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// None was made yet.
    None,
    /// The version is the one that starts.
    Committed(Version),
    /// The box went back from the version.
    RolledBack {
        /// From which.
        version: Version,
        /// Why.
        why: Why,
        /// What exactly, in a few words; at most [`DETAIL_MAX`] bytes.
        detail: String,
    },
}

/// What a card remembers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct State {
    /// Number of this state; each write adds one.
    pub sequence: u64,
    /// Whether data were made.
    pub data: Data,
    /// The whole systems in A and B; `None` where there is none or one is being written.
    pub systems: [Option<System>; 2],
    /// What is being tried.
    pub trial: Option<Trial>,
    /// Starts of the selected slot since it was last found healthy.
    pub starts: u8,
    /// How the last trial ended.
    pub last: Outcome,
}

/// Why there is no state.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum StateFault {
    /// The device failed.
    #[error(transparent)]
    Device(#[from] DeviceFault),
    /// Neither copy is one.
    #[error("both copies of the card's state are damaged")]
    Lost,
}

const WHYS: [(u8, Why); 5] = [
    (1, Why::NeverBegan),
    (2, Why::NotHealthyInTime),
    (3, Why::Unhealthy),
    (4, Why::Damaged),
    (5, Why::Asked),
];

/// Writes fields one after the other into a sector.
struct Pen<'a>(&'a mut [u8]);

impl Pen<'_> {
    fn put(&mut self, bytes: &[u8]) {
        let rest = std::mem::take(&mut self.0);
        if let Some((place, rest)) = rest.split_at_mut_checked(bytes.len()) {
            place.copy_from_slice(bytes);
            self.0 = rest;
        }
    }
}

/// Reads them again.
struct Eye<'a>(&'a [u8]);

impl Eye<'_> {
    fn take<const N: usize>(&mut self) -> Option<[u8; N]> {
        let (bytes, rest) = self.0.split_first_chunk::<N>()?;
        self.0 = rest;
        Some(*bytes)
    }

    fn byte(&mut self) -> Option<u8> {
        self.take::<1>().map(|[byte]| byte)
    }

    fn number(&mut self) -> Option<u64> {
        self.take().map(u64::from_le_bytes)
    }
}

/// Shortens a text to so many bytes, at a character's boundary.
pub(crate) fn shortened(text: &str, most: usize) -> &str {
    let end = (0..=most.min(text.len()))
        .rev()
        .find(|end| text.is_char_boundary(*end));
    text.get(..end.unwrap_or(0)).unwrap_or_default()
}

impl State {
    /// The state of a new image whose slot A holds this system.
    pub fn new(system: System) -> Self {
        Self {
            sequence: 0,
            data: Data::Blank,
            systems: [Some(system), None],
            trial: None,
            starts: 0,
            last: Outcome::None,
        }
    }

    /// The system of a slot.
    pub fn system(&self, slot: Slot) -> Option<&System> {
        self.systems[slot.index()].as_ref()
    }

    /// The sector.
    pub fn to_sector(&self) -> [u8; SECTOR as usize] {
        let mut sector = [0; SECTOR as usize];
        let mut pen = Pen(&mut sector[..SUM_AT]);
        pen.put(MAGIC);
        pen.put(&self.sequence.to_le_bytes());
        let (made, id) = match self.data {
            Data::Blank => (0, [0; 16]),
            Data::Made(id) => (1, id),
        };
        pen.put(&[made]);
        pen.put(&id);
        for system in &self.systems {
            pen.put(&[u8::from(system.is_some())]);
            let (version, parts) = system.map_or((0, [(0, [0; 32]); 2]), |system| {
                let part = |content: Content| (content.len, content.sha256);
                (system.version.0, [part(system.boot), part(system.root)])
            });
            pen.put(&version.to_le_bytes());
            for (len, sha256) in parts {
                pen.put(&len.to_le_bytes());
                pen.put(&sha256);
            }
        }
        let trial = self.trial.map_or([0; 3], |trial| {
            [trial.slot.boot_partition(), trial.asked, trial.began]
        });
        pen.put(&trial);
        pen.put(&[self.starts]);
        let (kind, version, why, detail) = match &self.last {
            Outcome::None => (0, Version(0), 0, ""),
            Outcome::Committed(version) => (1, *version, 0, ""),
            Outcome::RolledBack { version, why, detail } => {
                let code = WHYS.iter().find(|(_, known)| known == why);
                (2, *version, code.map_or(0, |(code, _)| *code), detail.as_str())
            }
        };
        let detail = shortened(detail, DETAIL_MAX);
        pen.put(&[kind]);
        pen.put(&version.0.to_le_bytes());
        pen.put(&[why, detail.len() as u8]);
        pen.put(detail.as_bytes());
        let sum = Sha256::digest(&sector[..SUM_AT]);
        sector[SUM_AT..].copy_from_slice(&sum);
        sector
    }

    /// Reads a sector; `None` for one that is no state or was torn.
    pub fn parse(sector: &[u8]) -> Option<Self> {
        let (content, sum) = sector.split_at_checked(SUM_AT)?;
        if Sha256::digest(content)[..] != *sum {
            return None;
        }
        let mut eye = Eye(content);
        if eye.take()? != *MAGIC {
            return None;
        }
        let sequence = eye.number()?;
        let (made, id) = (eye.byte()?, eye.take()?);
        let data = match made {
            0 => Data::Blank,
            1 => Data::Made(id),
            _ => return None,
        };
        let mut system = || {
            let there = eye.byte()?;
            let version = Version(eye.number()?);
            let mut part = || {
                Some(Content {
                    len: eye.number()?,
                    sha256: eye.take()?,
                })
            };
            let system = System {
                version,
                boot: part()?,
                root: part()?,
            };
            Some((there == 1).then_some(system))
        };
        let systems = [system()?, system()?];
        let [slot, asked, began] = eye.take()?;
        let trial = Slot::of_boot_partition(u64::from(slot)).map(|slot| Trial { slot, asked, began });
        let starts = eye.byte()?;
        let (kind, version) = (eye.byte()?, Version(eye.number()?));
        let [why, len] = eye.take()?;
        let detail = eye.0.get(..usize::from(len))?;
        if detail.len() > DETAIL_MAX {
            return None;
        }
        let last = match kind {
            0 => Outcome::None,
            1 => Outcome::Committed(version),
            2 => Outcome::RolledBack {
                version,
                why: WHYS.iter().find(|(code, _)| *code == why)?.1,
                detail: std::str::from_utf8(detail).ok()?.to_owned(),
            },
            _ => return None,
        };
        Some(Self {
            sequence,
            data,
            systems,
            trial,
            starts,
            last,
        })
    }

    /// Reads the newer of the two copies.
    ///
    /// # Errors
    /// [`StateFault`].
    pub fn read(device: &mut (impl BlockDevice + ?Sized)) -> Result<Self, StateFault> {
        let mut newest: Option<Self> = None;
        for at in STATE_AT {
            let found = match read_sector(device, at) {
                Ok(sector) => Self::parse(&sector),
                // A sector that cannot be read is a damaged one; the other copy is there for that.
                Err(DeviceFault::CannotRead { .. }) => None,
                Err(fault) => return Err(fault.into()),
            };
            if let Some(found) = found
                && newest
                    .as_ref()
                    .is_none_or(|newest| newest.sequence < found.sequence)
            {
                newest = Some(found);
            }
        }
        newest.ok_or(StateFault::Lost)
    }

    /// Writes the next state over the older copy; it is on the medium when this returns.
    ///
    /// # Errors
    /// What the device reports.
    pub fn write(&mut self, device: &mut (impl BlockDevice + ?Sized)) -> Result<(), DeviceFault> {
        let next = Self {
            sequence: self.sequence.saturating_add(1),
            ..self.clone()
        };
        let place = STATE_AT[(next.sequence % 2) as usize];
        write_sector(device, place, &next.to_sector())?;
        device.flush()?;
        // Only now: after a failed write the next one must not take the place of the good copy.
        *self = next;
        Ok(())
    }

    /// Writes the first state of a new image: both copies.
    ///
    /// # Errors
    /// What the device reports.
    pub fn write_new(&mut self, device: &mut (impl BlockDevice + ?Sized)) -> Result<(), DeviceFault> {
        self.write(device)?;
        self.write(device)
    }
}

/// What a fuzzer calls: what is read is written the same.
pub fn fuzz_one(bytes: &[u8]) {
    let mut sector = [0; SECTOR as usize];
    let len = bytes.len().min(SUM_AT);
    sector[..len].copy_from_slice(&bytes[..len]);
    let sum = Sha256::digest(&sector[..SUM_AT]);
    sector[SUM_AT..].copy_from_slice(&sum);
    if let Some(state) = State::parse(&sector) {
        assert_eq!(State::parse(&state.to_sector()).as_ref(), Some(&state));
    }
}

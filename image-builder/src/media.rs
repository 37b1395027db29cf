//! Which disks of this machine may be a card to write, and why each other one may not. Read from the kernel's
//! tables (`/sys/block`, `/proc/self/mountinfo`, `/proc/swaps`), whose root a test replaces by a folder.

use std::collections::BTreeSet;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use serde::Serialize;

use crate::size::Size;

/// Cards are not larger than this: the next size sold is 1 TB, and what is that large on a technician's desk is
/// somebody's backup. Decimal, as the print on cards.
pub const CARD_BYTES_MAX: u64 = 512_110_190_592;
/// Bytes of a sector as `/sys/block/*/size` counts them, whatever the disk's own sectors are.
const SYSFS_SECTOR: u64 = 512;
/// Most disks that are looked at.
const DISKS_MAX: usize = 1_000;

/// How a disk is attached.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Bus {
    /// Over USB: a card reader, a stick, a disk.
    Usb,
    /// A card in the machine's own slot.
    SdSlot,
    /// Flash memory soldered in.
    BuiltInFlash,
    /// Anything inside the machine.
    Fixed,
    /// No hardware: loop, RAM, device mapper, network.
    Virtual,
}

/// Why a disk is not offered.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, thiserror::Error)]
#[serde(tag = "reason", rename_all = "snake_case")]
pub enum Refusal {
    /// The system that runs now lies on it.
    #[error("this machine's own system lies on it")]
    System,
    /// Something of it is mounted.
    #[error("it is mounted at {at}: take it out by your desktop's eject, then put it back")]
    Mounted {
        /// Where.
        at: String,
    },
    /// The machine swaps to it.
    #[error("this machine swaps to it")]
    Swap,
    /// Another layer uses it: encryption, RAID, volumes.
    #[error("{holder} of this machine uses it")]
    Held {
        /// The kernel's name of the user.
        holder: String,
    },
    /// It is built in.
    #[error("it is built into this machine")]
    BuiltIn,
    /// It is no disk.
    #[error("it is no card but a device that the system made up")]
    Virtual,
    /// Nobody's card is so large.
    #[error("it has {}, more than any card ({} at most)", Size(*bytes), Size(CARD_BYTES_MAX))]
    TooLarge {
        /// Its capacity.
        bytes: u64,
    },
    /// A reader without a card.
    #[error("no card is in it")]
    Empty,
    /// It does not write.
    #[error("it is write-protected: slide the switch on the card's side away from LOCK")]
    ReadOnly,
}

/// A disk of this machine.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Disk {
    /// The kernel's name (`sdb`).
    pub name: String,
    /// Its device file.
    pub path: PathBuf,
    /// Capacity in bytes.
    pub bytes: u64,
    /// How it is attached.
    pub bus: Bus,
    /// Maker and model as it tells them.
    pub model: String,
    /// Its serial number, the reader's where a reader stands between.
    pub serial: Option<String>,
    /// The card's own register, where the slot shows it: no two cards have the same.
    pub card_register: Option<String>,
    /// Why it is not offered; empty for what may be a card.
    pub refusals: Vec<Refusal>,
}

impl Disk {
    /// Whether it may be a card.
    pub fn is_offered(&self) -> bool {
        self.refusals.is_empty()
    }

    /// What the technician types to name this disk beside its path, so that no slip of a letter takes another:
    /// the last four characters of its serial number, or of its capacity where it has none.
    pub fn check_code(&self) -> String {
        let digits = self.bytes.to_string();
        let text = self.serial.as_deref().unwrap_or(&digits);
        let skip = text.chars().count().saturating_sub(4);
        text.chars().skip(skip).collect()
    }
}

/// The kernel's tables under a root: `/` in life.
#[derive(Debug, Clone)]
pub struct Machine {
    root: PathBuf,
}

/// Where something of a disk is in use.
#[derive(Debug, Default)]
struct Uses {
    /// Device number (`8:17`) or device file, and mount point.
    mounts: Vec<(String, String, String)>,
    swaps: BTreeSet<String>,
}

impl Machine {
    /// The machine whose `sys` and `proc` lie under this folder.
    pub fn at(root: &Path) -> Self {
        Self {
            root: root.to_owned(),
        }
    }

    /// All disks in the order of their names.
    ///
    /// # Errors
    /// Where the kernel's tables cannot be read; a disk that goes away meanwhile is left out.
    pub fn disks(&self) -> io::Result<Vec<Disk>> {
        let uses = self.uses()?;
        let mut names: Vec<String> = fs::read_dir(self.root.join("sys/block"))?
            .take(DISKS_MAX)
            .filter_map(|entry| entry.ok()?.file_name().into_string().ok())
            .collect();
        names.sort();
        let disks = names.iter().filter_map(|name| self.disk(name, &uses));
        Ok(disks.collect())
    }

    fn uses(&self) -> io::Result<Uses> {
        let mounts = fs::read_to_string(self.root.join("proc/self/mountinfo"))?;
        // Where the kernel knows no swapping there is no such table.
        let swaps = fs::read_to_string(self.root.join("proc/swaps")).unwrap_or_default();
        let swaps = swaps
            .lines()
            .skip(1)
            .filter_map(|line| line.split_whitespace().next());
        Ok(Uses {
            mounts: mounts.lines().filter_map(mount).collect(),
            swaps: swaps
                .filter_map(|path| path.strip_prefix("/dev/"))
                .map(str::to_owned)
                .collect(),
        })
    }

    fn disk(&self, name: &str, uses: &Uses) -> Option<Disk> {
        let folder = self.root.join("sys/block").join(name);
        let text = |file: &str| read_word(&folder.join(file));
        let bytes = text("size")?.parse::<u64>().ok()?.checked_mul(SYSFS_SECTOR)?;
        let model = [text("device/vendor"), text("device/model"), text("device/name")];
        let model: Vec<String> = model
            .into_iter()
            .flatten()
            .filter(|part| !part.is_empty())
            .collect();
        let bus = bus(name, &folder, text("device/type").as_deref());
        let mut disk = Disk {
            name: name.to_owned(),
            path: PathBuf::from("/dev").join(name),
            bytes,
            bus,
            model: model.join(" "),
            serial: text("device/serial").or_else(|| usb_serial(&folder)),
            card_register: text("device/cid"),
            refusals: Vec::new(),
        };
        disk.refusals = refusals(&disk, &folder, uses, text("ro").as_deref() == Some("1"));
        Some(disk)
    }
}

/// Device number, source and mount point of a line of mountinfo (proc(5)).
fn mount(line: &str) -> Option<(String, String, String)> {
    let (left, right) = line.split_once(" - ")?;
    let mut left = left.split(' ').skip(2);
    let number = left.next()?.to_owned();
    let at = left.nth(1)?.replace("\\040", " ");
    let source = right.split(' ').nth(1)?.to_owned();
    Some((number, source, at))
}

/// A file of one line without the padding that some devices give; control characters are left out, since the
/// words of a device are printed.
fn read_word(path: &Path) -> Option<String> {
    let text = fs::read_to_string(path).ok()?;
    let text: String = text.trim().chars().filter(|c| !c.is_control()).collect();
    (!text.is_empty()).then_some(text)
}

fn bus(name: &str, folder: &Path, kind: Option<&str>) -> Bus {
    const MADE_UP: [&str; 8] = ["loop", "ram", "zram", "dm-", "md", "nbd", "sr", "fd"];
    let real = fs::canonicalize(folder).unwrap_or_else(|_| folder.to_owned());
    let parts: Vec<&str> = real.iter().filter_map(|part| part.to_str()).collect();
    if MADE_UP.iter().any(|prefix| name.starts_with(prefix)) || parts.contains(&"virtual") {
        return Bus::Virtual;
    }
    if name.starts_with("mmcblk") {
        return if kind == Some("SD") {
            Bus::SdSlot
        } else {
            Bus::BuiltInFlash
        };
    }
    let is_usb = |part: &&str| {
        part.strip_prefix("usb")
            .is_some_and(|rest| rest.chars().all(|c| c.is_ascii_digit()))
    };
    if parts.iter().any(is_usb) {
        Bus::Usb
    } else {
        Bus::Fixed
    }
}

/// The serial number of the USB device above the disk.
fn usb_serial(folder: &Path) -> Option<String> {
    let real = fs::canonicalize(folder).ok()?;
    let above = real
        .ancestors()
        .skip(1)
        .find(|folder| folder.join("serial").is_file())?;
    read_word(&above.join("serial"))
}

fn refusals(disk: &Disk, folder: &Path, uses: &Uses, read_only: bool) -> Vec<Refusal> {
    let mut found = Vec::new();
    match disk.bus {
        Bus::Virtual => found.push(Refusal::Virtual),
        Bus::Fixed | Bus::BuiltInFlash => found.push(Refusal::BuiltIn),
        Bus::Usb | Bus::SdSlot => {}
    }
    let mut parts = vec![(disk.name.clone(), folder.to_owned())];
    parts.extend(partitions(&disk.name, folder));
    let mut mounted: Vec<String> = Vec::new();
    for (name, folder) in &parts {
        let (names, numbers) = with_users(name, folder);
        for (number, source, at) in &uses.mounts {
            let is_source = source
                .strip_prefix("/dev/")
                .is_some_and(|source| names.contains(source));
            if is_source || numbers.contains(number) {
                mounted.push(at.clone());
            }
        }
        if names.iter().any(|name| uses.swaps.contains(name)) {
            found.push(Refusal::Swap);
        }
        let holders = listed(&folder.join("holders"));
        found.extend(holders.into_iter().map(|holder| Refusal::Held { holder }));
    }
    let is_system = |at: &String| {
        [
            "/",
            "/boot",
            "/boot/efi",
            "/boot/firmware",
            "/usr",
            "/home",
            "/var",
        ]
        .contains(&at.as_str())
    };
    if mounted.iter().any(is_system) {
        found.insert(0, Refusal::System);
    } else if let Some(at) = mounted.first() {
        found.push(Refusal::Mounted { at: at.clone() });
    }
    match disk.bytes {
        0 if disk.bus != Bus::Virtual => found.push(Refusal::Empty),
        bytes if bytes > CARD_BYTES_MAX => found.push(Refusal::TooLarge { bytes }),
        _ => {}
    }
    if read_only && disk.bytes > 0 {
        found.push(Refusal::ReadOnly);
    }
    found
}

fn listed(folder: &Path) -> Vec<String> {
    let entries = fs::read_dir(folder).into_iter().flatten();
    let mut names: Vec<String> = entries
        .filter_map(|entry| entry.ok()?.file_name().into_string().ok())
        .collect();
    names.sort();
    names
}

fn partitions(disk: &str, folder: &Path) -> Vec<(String, PathBuf)> {
    let names = listed(folder).into_iter().filter(|name| name.starts_with(disk));
    names
        .map(|name| (name.clone(), folder.join(name)))
        .filter(|(_, folder)| folder.join("partition").is_file())
        .collect()
}

/// Names and device numbers of a disk or partition and of the layers above it: a file system on an encrypted
/// volume is mounted from the volume. Layers have layers; the kernel allows no rings.
fn with_users(name: &str, folder: &Path) -> (BTreeSet<String>, BTreeSet<String>) {
    let (mut names, mut numbers) = (BTreeSet::from([name.to_owned()]), BTreeSet::new());
    let mut waiting = vec![folder.to_owned()];
    while let Some(folder) = waiting.pop() {
        numbers.extend(read_word(&folder.join("dev")));
        // How the device mapper's volumes are called under /dev/mapper.
        names.extend(read_word(&folder.join("dm/name")).map(|name| format!("mapper/{name}")));
        for holder in listed(&folder.join("holders")) {
            if names.insert(holder.clone()) {
                waiting.push(folder.join("holders").join(holder));
            }
        }
    }
    (names, numbers)
}

#[cfg(test)]
mod tests;

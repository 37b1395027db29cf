//! What the firmware of a Raspberry Pi would start from a card: an emulation of its first steps, for tests and for a
//! look at a returned card.
//!
//! The rules are those of the maker's documentation on `autoboot.txt` and `tryboot`: the first FAT partition is
//! searched for `autoboot.txt`, of which 512 bytes are read; the partition that it names must hold the files that its
//! `config.txt` names. The flag of a trial start is used up by it.

use crate::device::{BLOCK, BlockDevice, DeviceFault, SECTOR};
use crate::fat::{Fat, FatFault};
use crate::layout::{SELECT_PARTITION, Slot};
use crate::mbr::{self, Entry, TableFault};
use crate::select::{AUTOBOOT, Autoboot};

/// The kernel that is loaded where `config.txt` names none.
const KERNEL: &str = "kernel8.img";

/// A start that succeeds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Start {
    /// The partition that it loads from.
    pub partition: u8,
    /// The slot of that partition, where it is one.
    pub slot: Option<Slot>,
}

/// Why nothing starts.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NoStart {
    /// No table.
    #[error(transparent)]
    Table(#[from] TableFault),
    /// A partition that cannot be read.
    #[error("partition {partition}: {fault}")]
    Partition {
        /// Its number.
        partition: u64,
        /// What is wrong with it.
        fault: FatFault,
    },
    /// A partition that is not there.
    #[error("there is no partition {0}")]
    NoPartition(u64),
    /// A file is missing.
    #[error("partition {partition} has no {file}")]
    NoFile {
        /// The partition.
        partition: u64,
        /// The file.
        file: String,
    },
}

impl From<DeviceFault> for NoStart {
    fn from(fault: DeviceFault) -> Self {
        Self::Table(TableFault::Device(fault))
    }
}

/// Finds out what starts. `trial` is the one-shot flag of `reboot "0 tryboot"`.
///
/// # Errors
/// [`NoStart`]: the box would stay dark.
pub fn starts(device: &mut (impl BlockDevice + ?Sized), trial: bool) -> Result<Start, NoStart> {
    let table = mbr::read(device)?;
    let first = u64::from(SELECT_PARTITION);
    let fat = open(device, &table.entries, first)?;
    let at = |partition: u64| move |fault| NoStart::Partition { partition, fault };
    let said = match fat.find(device, AUTOBOOT).map_err(at(first))? {
        Some(file) => {
            let mut text = fat.read(device, &file).map_err(at(first))?;
            text.truncate(SECTOR as usize);
            Autoboot::parse(&text)
        }
        None => Autoboot::parse(&[]),
    };
    let partition = if trial { said.trial } else { said.partition };
    let fat = open(device, &table.entries, partition)?;
    let config = if trial && !said.same_files {
        "tryboot.txt"
    } else {
        "config.txt"
    };
    let missing = |file: &str| NoStart::NoFile {
        partition,
        file: file.to_owned(),
    };
    let file = fat.find(device, config).map_err(at(partition))?;
    let file = file.ok_or_else(|| missing(config))?;
    let text = fat.read(device, &file).map_err(at(partition))?;
    for name in named(&String::from_utf8_lossy(&text)) {
        let found = fat.find(device, &name).map_err(at(partition))?;
        if found.is_none_or(|file| file.is_folder || file.len == 0) {
            return Err(missing(&name));
        }
    }
    Ok(Start {
        partition: u8::try_from(partition).unwrap_or(0),
        slot: Slot::of_boot_partition(partition),
    })
}

fn open(device: &mut (impl BlockDevice + ?Sized), entries: &[Entry], partition: u64) -> Result<Fat, NoStart> {
    let found = entries.iter().find(|entry| u64::from(entry.number) == partition);
    let entry = found.ok_or(NoStart::NoPartition(partition))?;
    Fat::open(device, entry.extent).map_err(|fault| NoStart::Partition { partition, fault })
}

/// What a fuzzer calls: a card that holds these bytes is looked through, and the look ends.
pub fn fuzz_one(bytes: &[u8]) {
    let capacity = (bytes.len() as u64).next_multiple_of(BLOCK);
    let mut card = crate::power_cut::LoggedCard::new(capacity);
    let mut padded = bytes.to_vec();
    padded.resize(capacity as usize, 0);
    if card.write_at(0, &padded).is_err() {
        return;
    }
    for trial in [false, true] {
        let _ = starts(&mut card, trial);
    }
    if let Ok(layout) = crate::layout::Layout::read(&mut card) {
        assert!(layout.root[1].end() <= capacity);
    }
}

/// The files that a `config.txt` has loaded.
fn named(config: &str) -> Vec<String> {
    let mut kernel = KERNEL.to_owned();
    let mut files = Vec::new();
    for line in config.lines().map(str::trim) {
        if let Some(name) = line.strip_prefix("kernel=") {
            kernel = name.trim().to_owned();
        } else if let Some(rest) = line.strip_prefix("initramfs ") {
            files.extend(rest.split_whitespace().next().map(str::to_owned));
        }
    }
    files.push(kernel);
    files
}

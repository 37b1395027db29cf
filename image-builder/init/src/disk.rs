//! Finds the card that the system stands on, and the slot on it.

use std::fs;
use std::path::{Path, PathBuf};
use std::thread::sleep;
use std::time::{Duration, Instant};

use card::layout::{Layout, Slot};
use card::verity::Word;
use card::{BLOCK, BlockDevice, FileDevice};
use sha2::{Digest, Sha256};

use crate::Failure;

/// How long a disk may take to appear.
const PATIENCE: Duration = Duration::from_secs(20);
const BETWEEN_LOOKS: Duration = Duration::from_millis(50);
/// Where the firmware says which partition it booted from.
const BOOTED_FROM: &str = "/proc/device-tree/chosen/bootloader/partition";
/// Names of disks by how likely the system stands on one: a card slot, QEMU's disk, a USB reader.
const KINDS: [&str; 4] = ["mmcblk", "vd", "nvme", "sd"];

/// The card with its slot.
pub(crate) struct Found {
    pub(crate) path: PathBuf,
    pub(crate) device: FileDevice,
    pub(crate) layout: Layout,
    pub(crate) slot: Slot,
}

/// Waits for the card whose slot has this root. Of several the likeliest is taken; the others are named and untouched.
pub(crate) fn find(word: &Word) -> Result<Found, Failure> {
    let start = Instant::now();
    loop {
        let mut found = None;
        for path in disks() {
            match look(&path, word) {
                Some(other) if found.is_none() => found = Some(other),
                Some(other) => crate::say(&format!(
                    "{} is another card of a box: left alone",
                    other.path.display()
                )),
                None => {}
            }
        }
        match found {
            Some(found) => return Ok(found),
            None if start.elapsed() > PATIENCE => return Err(Failure::NoCard),
            None => sleep(BETWEEN_LOOKS),
        }
    }
}

fn disks() -> Vec<PathBuf> {
    let mut names: Vec<(usize, String)> = fs::read_dir("/sys/block")
        .into_iter()
        .flatten()
        .flatten()
        .filter_map(|entry| {
            let name = entry.file_name().to_string_lossy().into_owned();
            let kind = KINDS.iter().position(|kind| name.starts_with(kind))?;
            // A card chip's own boot areas are no disks.
            (!name.contains("boot") && !name.contains("rpmb")).then_some((kind, name))
        })
        .collect();
    names.sort();
    names
        .into_iter()
        .map(|(_, name)| Path::new("/dev").join(name))
        .collect()
}

fn look(path: &Path, word: &Word) -> Option<Found> {
    let mut device = FileDevice::open_in_use(path).ok()?;
    let layout = Layout::read(&mut device).ok()?;
    let holders: Vec<Slot> = Slot::BOTH
        .into_iter()
        .filter(|slot| holds(&mut device, &layout, *slot, word))
        .collect();
    let slot = match holders.as_slice() {
        [] => return None,
        [only] => *only,
        // Both hold the same system: the firmware knows, else it makes no difference.
        [first, ..] => told_by_firmware().unwrap_or(*first),
    };
    Some(Found {
        path: path.to_owned(),
        device,
        layout,
        slot,
    })
}

fn told_by_firmware() -> Option<Slot> {
    let bytes = fs::read(BOOTED_FROM).ok()?;
    let number = u32::from_be_bytes(bytes.try_into().ok()?);
    Slot::of_boot_partition(u64::from(number))
}

/// Whether the block at the top of this slot's hash tree is the one that the start asks for.
fn holds(device: &mut FileDevice, layout: &Layout, slot: Slot, word: &Word) -> bool {
    let root = layout.root_of(slot);
    let top = (word.data_blocks + 1) * BLOCK;
    if top + BLOCK > root.len {
        return false;
    }
    let mut block = vec![0; BLOCK as usize];
    if device.read_at(root.at + top, &mut block).is_err() {
        return false;
    }
    let mut hash = Sha256::new();
    hash.update(word.salt);
    hash.update(&block);
    hash.finalize()[..] == word.root_hash
}

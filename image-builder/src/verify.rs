//! Compares a card with its image again, later: a computer that mounted the card has left traces in the boot
//! partition, and these are told from damage.

use std::collections::BTreeMap;
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::path::Path;

use card::{BLOCK, BlockDevice, BlockMap, DeviceFault, FileDevice};

use crate::flash::{FlashFault, Watch};
use crate::inspect::{Partition, inspect};

/// Most files and folders of a boot partition that are compared.
const ENTRIES_MAX: usize = 10_000;
/// Longest file of a boot partition that is compared, in bytes: a kernel has some 40 MB.
const FILE_MAX: u64 = 256 << 20;
/// Deepest folder that is looked into.
const DEPTH_MAX: usize = 8;
/// Differences that are listed by name.
const LISTED_MAX: usize = 20;
/// Where a partition table keeps the disk's signature, which some systems write where it was zero.
const DISK_SIGNATURE: std::ops::Range<usize> = 440..444;

/// What a card is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum State {
    /// Every byte of the image is there.
    Whole,
    /// The system is whole; a computer wrote into a boot partition.
    Touched {
        /// What it left, a path or a word each.
        traces: Vec<String>,
    },
    /// Not what was written.
    Damaged {
        /// What differs, a sentence each.
        places: Vec<String>,
    },
}

/// Compares the card with the image.
///
/// # Errors
/// What the card or the image reports.
pub fn verify(
    card: &mut impl BlockDevice,
    image: &Path,
    map: &BlockMap,
    watch: &mut impl Watch,
) -> Result<State, FlashFault> {
    if card.capacity() < map.image_bytes() {
        return Err(FlashFault::TooSmall {
            card: card.capacity(),
            image: map.image_bytes(),
        });
    }
    let differing = differing_blocks(card, image, map, watch)?;
    if differing.is_empty() {
        return Ok(State::Whole);
    }
    let inspection =
        inspect(image).map_err(|error| FlashFault::Device(DeviceFault::Other(format!("{error:#}"))))?;
    let (mut traces, mut places) = (Vec::new(), Vec::new());
    let mut by_partition: BTreeMap<usize, Vec<u64>> = BTreeMap::new();
    for (at, signature_only) in differing {
        let owner = inspection
            .partitions
            .iter()
            .position(|partition| holds(partition, at));
        match owner {
            Some(owner) => by_partition.entry(owner).or_default().push(at),
            None if signature_only => traces.push("the disk's signature".to_owned()),
            None => places.push(format!("byte {at}, outside the partitions, differs")),
        }
    }
    for (owner, blocks) in by_partition {
        let partition = &inspection.partitions[owner];
        let is_boot = partition
            .file_system
            .as_ref()
            .is_some_and(|found| found.name == "vfat");
        let first = blocks.first().copied().unwrap_or_default();
        let damaged = |number| {
            format!(
                "partition {number} differs in {} blocks from byte {first} on",
                blocks.len()
            )
        };
        if !is_boot {
            places.push(damaged(partition.number));
            continue;
        }
        match compare_files(card, image, partition) {
            Ok(Compared { added, lost }) if lost.is_empty() => {
                traces.extend(added);
                traces.push(format!("marks of mounting in partition {}", partition.number));
            }
            Ok(Compared { lost, .. }) => places.extend(lost),
            Err(_) => places.push(damaged(partition.number)),
        }
    }
    traces.truncate(LISTED_MAX);
    places.truncate(LISTED_MAX);
    Ok(if places.is_empty() {
        State::Touched { traces }
    } else {
        State::Damaged { places }
    })
}

/// A partition of the image; the one without number stands for the whole file where there is no table.
fn holds(partition: &Partition, at: u64) -> bool {
    (partition.start..partition.start.saturating_add(partition.bytes)).contains(&at)
        // An extended partition only contains others.
        && !["0x05", "0x0f"].contains(&partition.kind.as_str())
}

/// First bytes of the blocks that differ, and whether only the disk's signature does.
fn differing_blocks(
    card: &mut impl BlockDevice,
    image: &Path,
    map: &BlockMap,
    watch: &mut impl Watch,
) -> Result<Vec<(u64, bool)>, FlashFault> {
    let mut image = std::fs::File::open(image).map_err(card::BlockMapError::Image)?;
    let mut differing = Vec::new();
    for stretch in map.stretches() {
        let mut found = vec![0; stretch.len as usize];
        card.read_at(stretch.at, &mut found)?;
        watch.moved(stretch.len);
        if stretch.holds(&found) {
            continue;
        }
        let meant = map.read(&mut image, stretch)?;
        let blocks = meant.chunks(BLOCK as usize).zip(found.chunks(BLOCK as usize));
        for ((meant, found), at) in blocks.zip((stretch.at..).step_by(BLOCK as usize)) {
            if meant != found {
                differing.push((
                    at,
                    at == 0 && without_signature(meant) == without_signature(found),
                ));
            }
        }
    }
    Ok(differing)
}

fn without_signature(block: &[u8]) -> Vec<u8> {
    let mut block = block.to_vec();
    if let Some(signature) = block.get_mut(DISK_SIGNATURE) {
        signature.fill(0);
    }
    block
}

struct Compared {
    added: Vec<String>,
    lost: Vec<String>,
}

/// Compares the files of a boot partition, as an independent reader of its file system sees them.
fn compare_files(card: &mut impl BlockDevice, image: &Path, partition: &Partition) -> io::Result<Compared> {
    let mut image = FileDevice::open_to_read(image)?;
    let meant = files(Section::of(&mut image, partition))?;
    let found = files(Section::of(card, partition))?;
    let number = partition.number;
    let lost = meant.iter().filter_map(|(path, content)| match found.get(path) {
        Some(same) if same == content => None,
        Some(_) => Some(format!("{path} in partition {number} was changed")),
        None => Some(format!("{path} in partition {number} is missing")),
    });
    let added = found.keys().filter(|path| !meant.contains_key(*path));
    Ok(Compared {
        lost: lost.collect(),
        added: added
            .map(|path| format!("{path} in partition {number}"))
            .collect(),
    })
}

/// All files of a FAT with their contents' hashes; folders have none.
fn files<T: Read + Write + Seek>(section: T) -> io::Result<BTreeMap<String, Option<[u8; 32]>>> {
    use sha2::{Digest, Sha256};
    let options = fatfs::FsOptions::new().update_accessed_date(false);
    let system = fatfs::FileSystem::new(section, options)?;
    let mut found = BTreeMap::new();
    let mut waiting = vec![(String::new(), system.root_dir(), 0)];
    while let Some((above, folder, depth)) = waiting.pop() {
        for entry in folder.iter() {
            let entry = entry?;
            let name = entry.file_name();
            if name == "." || name == ".." {
                continue;
            }
            if found.len() >= ENTRIES_MAX || depth >= DEPTH_MAX || entry.len() > FILE_MAX {
                return Err(io::Error::other("the boot partition is out of all bounds"));
            }
            let path = format!("{above}/{}", name.replace(char::is_control, "?"));
            if entry.is_dir() {
                waiting.push((path.clone(), entry.to_dir(), depth + 1));
                found.insert(path, None);
            } else {
                let mut content = Vec::new();
                entry.to_file().take(FILE_MAX).read_to_end(&mut content)?;
                found.insert(path, Some(Sha256::digest(&content).into()));
            }
        }
    }
    Ok(found)
}

/// A partition of a device as a stream that is only read.
struct Section<'a, D> {
    device: &'a mut D,
    start: u64,
    len: u64,
    at: u64,
}

impl<'a, D: BlockDevice> Section<'a, D> {
    fn of(device: &'a mut D, partition: &Partition) -> Self {
        Self {
            device,
            start: partition.start,
            len: partition.bytes,
            at: 0,
        }
    }
}

impl<D: BlockDevice> Read for Section<'_, D> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        let len = into
            .len()
            .min(usize::try_from(self.len.saturating_sub(self.at)).unwrap_or(usize::MAX));
        let from = self.start.saturating_add(self.at);
        let end = from.saturating_add(len as u64);
        let first = from / BLOCK * BLOCK;
        let mut blocks = vec![0; (end.next_multiple_of(BLOCK) - first) as usize];
        self.device
            .read_at(first, &mut blocks)
            .map_err(io::Error::other)?;
        into[..len].copy_from_slice(&blocks[(from - first) as usize..][..len]);
        self.at += len as u64;
        Ok(len)
    }
}

impl<D> Write for Section<'_, D> {
    fn write(&mut self, _bytes: &[u8]) -> io::Result<usize> {
        Err(io::Error::from(io::ErrorKind::PermissionDenied))
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl<D> Seek for Section<'_, D> {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        let at = match to {
            SeekFrom::Start(at) => Some(at),
            SeekFrom::End(by) => self.len.checked_add_signed(by),
            SeekFrom::Current(by) => self.at.checked_add_signed(by),
        };
        self.at = at.ok_or_else(|| io::Error::from(io::ErrorKind::InvalidInput))?;
        Ok(self.at)
    }
}

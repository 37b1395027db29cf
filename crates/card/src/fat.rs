//! Reads FAT16 and FAT32 as the firmware does: where a file lies on the card and what is in it. It never writes.
//!
//! Offsets are those of Microsoft's "FAT: General Overview of On-Disk Format" 1.03. Names are looked up in their short
//! form; every file that the firmware or a box looks for has one.

use crate::device::{BLOCK, BlockDevice, DeviceFault, SECTOR, read_bytes, read_sector};
use crate::mbr::Extent;

/// Most entries of a folder that are looked at.
const ENTRIES_MAX: usize = 1 << 14;
/// Longest file that is read, in bytes.
pub const FILE_MAX: u64 = 1 << 20;
const ENTRY: usize = 32;

/// A FAT file system.
#[derive(Debug, Clone)]
pub struct Fat {
    at: u64,
    is_32: bool,
    table: u64,
    /// The folder of the root: first byte and length of its fixed place (FAT16), or its first cluster (FAT32).
    root: Root,
    data: u64,
    cluster_len: u64,
    clusters: u64,
}

#[derive(Debug, Clone, Copy)]
enum Root {
    Fixed(Extent),
    Cluster(u64),
}

/// A file or folder.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Found {
    /// Length in bytes; 0 for a folder.
    pub len: u64,
    /// Whether it is a folder.
    pub is_folder: bool,
    cluster: u64,
}

/// Why a file system cannot be read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum FatFault {
    /// The device failed.
    #[error(transparent)]
    Device(#[from] DeviceFault),
    /// It is no FAT, or one that the firmware takes for another kind.
    #[error("no FAT file system: {0}")]
    Form(&'static str),
    /// A chain leaves the file system or turns in a circle.
    #[error("the FAT file system is damaged")]
    Damaged,
    /// A file of more than [`FILE_MAX`] bytes.
    #[error("a file of {0} bytes is too long")]
    TooLong(u64),
}

fn u16_at(bytes: &[u8], at: usize) -> u64 {
    let two = bytes.get(at..at + 2).and_then(|two| two.try_into().ok());
    two.map_or(0, |two| u64::from(u16::from_le_bytes(two)))
}

fn u32_at(bytes: &[u8], at: usize) -> u64 {
    let four = bytes.get(at..at + 4).and_then(|four| four.try_into().ok());
    four.map_or(0, |four| u64::from(u32::from_le_bytes(four)))
}

/// `autoboot.txt` as a folder holds it: eleven capital letters, padded. `None` for a name that has no short form.
fn short(name: &str) -> Option<[u8; 11]> {
    let (stem, ending) = name.split_once('.').unwrap_or((name, ""));
    if stem.is_empty() || stem.len() > 8 || ending.len() > 3 || !name.is_ascii() {
        return None;
    }
    let mut short = [b' '; 11];
    for (place, letter) in short.iter_mut().zip(stem.bytes()) {
        *place = letter.to_ascii_uppercase();
    }
    for (place, letter) in short[8..].iter_mut().zip(ending.bytes()) {
        *place = letter.to_ascii_uppercase();
    }
    Some(short)
}

impl Fat {
    /// Opens the file system of a partition.
    ///
    /// # Errors
    /// [`FatFault`].
    pub fn open(device: &mut (impl BlockDevice + ?Sized), part: Extent) -> Result<Self, FatFault> {
        let boot = read_sector(device, part.at)?;
        if boot[510..] != [0x55, 0xaa] {
            return Err(FatFault::Form("no boot sector"));
        }
        if u16_at(&boot, 11) != SECTOR {
            return Err(FatFault::Form("its sectors are not 512 bytes long"));
        }
        let per_cluster = u64::from(boot[13]);
        if !per_cluster.is_power_of_two() {
            return Err(FatFault::Form("its clusters have no length"));
        }
        let reserved = u16_at(&boot, 14);
        let tables = u64::from(boot[16]);
        let root_entries = u16_at(&boot, 17);
        let total = match u16_at(&boot, 19) {
            0 => u32_at(&boot, 32),
            few => few,
        };
        let (table_len, is_32) = match u16_at(&boot, 22) {
            0 => (u32_at(&boot, 36), true),
            few => (few, false),
        };
        let root_sectors = (root_entries * ENTRY as u64).div_ceil(SECTOR);
        let data = reserved + tables * table_len + root_sectors;
        if reserved == 0 || tables == 0 || data >= total || total * SECTOR > part.len {
            return Err(FatFault::Form("its sizes contradict each other"));
        }
        let clusters = (total - data) / per_cluster;
        // The kind is told by the number of clusters alone, and the firmware holds to it.
        match (is_32, clusters) {
            (true, ..65525) => return Err(FatFault::Form("FAT32 with too few clusters, taken for FAT16")),
            (false, ..4085) => return Err(FatFault::Form("FAT12")),
            (false, 65525..) => return Err(FatFault::Form("FAT16 with too many clusters")),
            (true | false, _) => {}
        }
        let entry_len = if is_32 { 4 } else { 2 };
        if table_len * SECTOR / entry_len < clusters + 2 {
            return Err(FatFault::Form("its table is too short"));
        }
        let byte = |sector: u64| part.at + sector * SECTOR;
        let root = if is_32 {
            Root::Cluster(u32_at(&boot, 44))
        } else {
            Root::Fixed(Extent {
                at: byte(reserved + tables * table_len),
                len: root_sectors * SECTOR,
            })
        };
        Ok(Self {
            at: part.at,
            is_32,
            table: byte(reserved),
            root,
            data: byte(data),
            cluster_len: per_cluster * SECTOR,
            clusters,
        })
    }

    /// First byte of the partition.
    pub fn at(&self) -> u64 {
        self.at
    }

    /// Looks a path up, such as `clinic/identity`.
    ///
    /// # Errors
    /// [`FatFault`].
    pub fn find(
        &self,
        device: &mut (impl BlockDevice + ?Sized),
        path: &str,
    ) -> Result<Option<Found>, FatFault> {
        let mut folder = None;
        let mut found = None;
        for name in path.split('/').filter(|name| !name.is_empty()) {
            let Some(short) = short(name) else {
                return Ok(None);
            };
            let entries = self.folder(device, folder)?;
            found = entries
                .chunks_exact(ENTRY)
                .take_while(|entry| entry[0] != 0)
                // 0x08 marks a volume's label, 0x0f a piece of a long name.
                .find(|entry| entry[0] != 0xe5 && entry[11] & 0x08 == 0 && entry[..11] == short)
                .map(|entry| Found {
                    len: u32_at(entry, 28),
                    is_folder: entry[11] & 0x10 != 0,
                    cluster: (u16_at(entry, 20) << 16) | u16_at(entry, 26),
                });
            match found {
                Some(entry) => folder = Some(entry.cluster),
                None => return Ok(None),
            }
        }
        Ok(found)
    }

    /// The bytes of a folder: the root where there is none.
    fn folder(
        &self,
        device: &mut (impl BlockDevice + ?Sized),
        cluster: Option<u64>,
    ) -> Result<Vec<u8>, FatFault> {
        let extents = match (cluster, self.root) {
            (Some(cluster), _) => self.chain(device, cluster, None)?,
            (None, Root::Cluster(cluster)) => self.chain(device, cluster, None)?,
            (None, Root::Fixed(extent)) => vec![extent],
        };
        let mut bytes = Vec::new();
        for extent in extents {
            if bytes.len() >= ENTRIES_MAX * ENTRY {
                break;
            }
            let mut part = vec![0; extent.len as usize];
            read_bytes(device, extent.at, &mut part)?;
            bytes.extend_from_slice(&part);
            // The first empty entry ends a folder.
            if part.chunks_exact(ENTRY).any(|entry| entry[0] == 0) {
                break;
            }
        }
        Ok(bytes)
    }

    /// The clusters of a chain, at most so many bytes of them.
    fn chain(
        &self,
        device: &mut (impl BlockDevice + ?Sized),
        first: u64,
        len: Option<u64>,
    ) -> Result<Vec<Extent>, FatFault> {
        let most = len.map_or(ENTRIES_MAX as u64 * ENTRY as u64, |len| len);
        let most = most.div_ceil(self.cluster_len).min(self.clusters);
        let mut extents = Vec::new();
        let mut cluster = first;
        // One block of the table serves many links.
        let mut cached: Option<(u64, Vec<u8>)> = None;
        let (end, width) = if self.is_32 { (0x0fff_fff8, 4) } else { (0xfff8, 2) };
        while (extents.len() as u64) < most {
            if cluster < 2 || cluster >= self.clusters + 2 {
                return Err(FatFault::Damaged);
            }
            extents.push(Extent {
                at: self.data + (cluster - 2) * self.cluster_len,
                len: self.cluster_len,
            });
            let at = self.table + cluster * width;
            let block = at / BLOCK * BLOCK;
            if cached.as_ref().is_none_or(|(from, _)| *from != block) {
                let mut bytes = vec![0; BLOCK as usize];
                device.read_at(block, &mut bytes)?;
                cached = Some((block, bytes));
            }
            let bytes = cached.as_ref().map_or(&[][..], |(_, bytes)| bytes);
            let place = (at - block) as usize;
            cluster = if self.is_32 {
                u32_at(bytes, place) & 0x0fff_ffff
            } else {
                u16_at(bytes, place)
            };
            if cluster >= end {
                break;
            }
        }
        Ok(extents)
    }

    /// Where the sectors of a file lie on the card, in order.
    ///
    /// # Errors
    /// [`FatFault`].
    pub fn sectors(
        &self,
        device: &mut (impl BlockDevice + ?Sized),
        file: &Found,
    ) -> Result<Vec<u64>, FatFault> {
        if file.len == 0 {
            return Ok(Vec::new());
        }
        if file.len > FILE_MAX {
            return Err(FatFault::TooLong(file.len));
        }
        let chain = self.chain(device, file.cluster, Some(file.len))?;
        let count = file.len.div_ceil(SECTOR) as usize;
        let sectors: Vec<u64> = chain
            .iter()
            .flat_map(|extent| (extent.at..extent.end()).step_by(SECTOR as usize))
            .take(count)
            .collect();
        if sectors.len() == count {
            Ok(sectors)
        } else {
            Err(FatFault::Damaged)
        }
    }

    /// The content of a file.
    ///
    /// # Errors
    /// [`FatFault`].
    pub fn read(&self, device: &mut (impl BlockDevice + ?Sized), file: &Found) -> Result<Vec<u8>, FatFault> {
        let mut bytes = Vec::new();
        for at in self.sectors(device, file)? {
            bytes.extend_from_slice(&read_sector(device, at)?);
        }
        bytes.truncate(usize::try_from(file.len).unwrap_or(usize::MAX));
        Ok(bytes)
    }
}

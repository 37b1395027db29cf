//! Partition tables of the old kind (MBR), with the chain of logical partitions: the only kind that the firmware of
//! every Raspberry Pi starts from without trouble.
//!
//! Layout: four entries of 16 bytes from byte 446, the signature 0x55AA at 510, the disk's own signature at 440. A
//! link of the chain (EBR) stands in a sector before its partition; its first entry counts from the link, its second
//! from the start of the extended partition.

use crate::device::{BlockDevice, DeviceFault, SECTOR, read_sector};

/// FAT32, addressed by sector numbers.
pub const FAT32: u8 = 0x0c;
/// A Linux file system or anything else of ours.
pub const LINUX: u8 = 0x83;
/// An extended partition, addressed by sector numbers.
pub const EXTENDED: u8 = 0x0f;
/// Most logical partitions that are looked for.
pub const LOGICAL_MAX: usize = 8;

const ENTRIES: usize = 446;
const ENTRY: usize = 16;
const DISK_SIGNATURE: usize = 440;
const MARK: [u8; 2] = [0x55, 0xaa];

/// A run of bytes on a card; both numbers are multiples of [`SECTOR`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Extent {
    /// First byte.
    pub at: u64,
    /// Length in bytes.
    pub len: u64,
}

impl Extent {
    /// Byte after the last.
    pub fn end(&self) -> u64 {
        self.at + self.len
    }
}

/// A used entry of a table.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Entry {
    /// Number as Linux and the firmware count: 1 to 4 primary, from 5 logical.
    pub number: u8,
    /// Type byte.
    pub kind: u8,
    /// Where.
    pub extent: Extent,
}

/// What a table says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Table {
    /// The disk signature.
    pub signature: u32,
    /// Used entries in the order of their numbers.
    pub entries: Vec<Entry>,
    /// Where the link of each logical partition stands, in the order of the chain.
    pub links: Vec<u64>,
}

/// Why a table cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TableFault {
    /// The device failed.
    #[error(transparent)]
    Device(#[from] DeviceFault),
    /// No table at all.
    #[error("no partition table")]
    None,
    /// A partition leaves the card.
    #[error("partition {number} leaves the card")]
    Outside {
        /// Its number.
        number: u8,
    },
    /// The chain of logical partitions is broken.
    #[error("the chain of logical partitions is broken after partition {after}")]
    Chain {
        /// The last good partition.
        after: u8,
    },
}

type Sector = [u8; SECTOR as usize];

fn u32_at(bytes: &[u8], at: usize) -> u32 {
    let four = bytes.get(at..at + 4).and_then(|four| four.try_into().ok());
    four.map_or(0, u32::from_le_bytes)
}

/// Type, start and length in sectors of an entry.
fn raw(sector: &Sector, index: usize) -> (u8, u64, u64) {
    let entry = ENTRIES + index * ENTRY;
    let sectors = |at| u64::from(u32_at(sector, entry + at));
    (sector[entry + 4], sectors(8), sectors(12))
}

fn is_extended(kind: u8) -> bool {
    matches!(kind, 0x05 | EXTENDED | 0x85)
}

/// Reads the table and the chain. The stated length of the extended partition is not believed: a power cut in the
/// middle of its sector may leave any, and every logical partition is checked against the card itself.
///
/// # Errors
/// [`TableFault`].
pub fn read(device: &mut (impl BlockDevice + ?Sized)) -> Result<Table, TableFault> {
    let capacity = device.capacity();
    let sector = read_sector(device, 0)?;
    if sector[510..] != MARK {
        return Err(TableFault::None);
    }
    let mut table = Table {
        signature: u32_at(&sector, DISK_SIGNATURE),
        entries: Vec::new(),
        links: Vec::new(),
    };
    let extent = |start: u64, len: u64| Extent {
        at: start * SECTOR,
        len: len * SECTOR,
    };
    let mut extended = None;
    for (index, number) in (0..4).zip(1_u8..) {
        let (kind, start, len) = raw(&sector, index);
        if kind == 0 || len == 0 {
            continue;
        }
        let found = extent(start, len);
        if is_extended(kind) {
            extended = Some(start);
        } else if start == 0 || found.end() > capacity {
            return Err(TableFault::Outside { number });
        }
        table.entries.push(Entry {
            number,
            kind,
            extent: found,
        });
    }
    let Some(first) = extended else {
        return Ok(table);
    };
    let (mut link, mut number) = (first, 5_u8);
    for _ in 0..LOGICAL_MAX {
        let at = link * SECTOR;
        let broken = |number: u8| TableFault::Chain { after: number - 1 };
        if at >= capacity {
            return Err(broken(number));
        }
        let sector = read_sector(device, at)?;
        if sector[510..] != MARK {
            return Err(broken(number));
        }
        let (kind, start, len) = raw(&sector, 0);
        if kind != 0 && len != 0 {
            let found = extent(link + start, len);
            if start == 0 || found.end() > capacity {
                return Err(TableFault::Outside { number });
            }
            table.links.push(at);
            table.entries.push(Entry {
                number,
                kind,
                extent: found,
            });
            number += 1;
        }
        let (kind, start, len) = raw(&sector, 1);
        if !is_extended(kind) || len == 0 {
            return Ok(table);
        }
        // Always onward: a chain that turns back would never end.
        if first + start <= link {
            return Err(broken(number));
        }
        link = first + start;
    }
    Err(TableFault::Chain { after: number - 1 })
}

fn put(sector: &mut Sector, index: usize, kind: u8, start: u64, len: u64) {
    let entry = ENTRIES + index * ENTRY;
    // No geometry: the values that mean "beyond what cylinders can tell".
    let words = [(8, start), (12, len)];
    sector[entry] = 0;
    for at in [1, 5] {
        sector[entry + at..entry + at + 3].copy_from_slice(&[0xfe, 0xff, 0xff]);
    }
    sector[entry + 4] = kind;
    for (at, value) in words {
        let sectors = u32::try_from(value / SECTOR).unwrap_or(u32::MAX);
        sector[entry + at..entry + at + 4].copy_from_slice(&sectors.to_le_bytes());
    }
}

/// A first sector with these primary entries.
pub fn first_sector(signature: u32, entries: &[(u8, Extent)]) -> Sector {
    let mut sector = [0; SECTOR as usize];
    sector[DISK_SIGNATURE..DISK_SIGNATURE + 4].copy_from_slice(&signature.to_le_bytes());
    for (index, (kind, extent)) in entries.iter().take(4).enumerate() {
        put(&mut sector, index, *kind, extent.at, extent.len);
    }
    sector[510..].copy_from_slice(&MARK);
    sector
}

/// The first sector with another disk signature; nothing else in it changes.
pub fn with_signature(mut sector: Sector, signature: u32) -> Sector {
    sector[DISK_SIGNATURE..DISK_SIGNATURE + 4].copy_from_slice(&signature.to_le_bytes());
    sector
}

/// The first sector with another length of its extended partition; nothing else in it changes.
pub fn with_extended_end(mut sector: Sector, end: u64) -> Sector {
    for index in 0..4 {
        let (kind, start, _) = raw(&sector, index);
        if is_extended(kind) {
            put(
                &mut sector,
                index,
                kind,
                start * SECTOR,
                end.saturating_sub(start * SECTOR),
            );
        }
    }
    sector
}

/// The link of a logical partition: where it stands itself, the partition, and where the next link stands with the
/// partition that follows it.
pub fn link_sector(extended: u64, link: u64, partition: Extent, next: Option<(u64, Extent)>) -> Sector {
    let mut sector = [0; SECTOR as usize];
    put(&mut sector, 0, LINUX, partition.at - link, partition.len);
    if let Some((next, partition)) = next {
        put(&mut sector, 1, 0x05, next - extended, partition.end() - next);
    }
    sector[510..].copy_from_slice(&MARK);
    sector
}

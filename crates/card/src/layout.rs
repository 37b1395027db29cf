//! What stands where on a card.
//!
//! | number | role | holds |
//! |---|---|---|
//! | before 1 | state | two sectors of [`crate::state`], each in a block of its own |
//! | 1 | select | FAT32: `autoboot.txt` (which slot starts), `clinic/` (who this box is) |
//! | 2, 3 | boot A, B | FAT: firmware, kernel, initial root, command line |
//! | 4 | extended | only the frame of what follows |
//! | 5, 6 | root A, B | the read-only system with its hash tree and error correction |
//! | 7 | data | made on the box at its first start, to the size of the card |
//!
//! An image ends after the data mark: the first block of the place where the link of partition 7 will stand and the
//! block after it, which says that no data were made yet. Both are written to every card, so that nothing of a card's
//! earlier life is taken for data of this one.

use crate::device::{BLOCK, BlockDevice, DeviceFault, SECTOR, read_sector, write_sector};
use crate::mbr::{self, EXTENDED, Extent, FAT32, LINUX, TableFault};

/// Every partition and every link begins on a multiple of this: the erase blocks of common cards.
pub const ALIGN: u64 = 4 << 20;
/// Where the two copies of the state stand, in bytes.
pub const STATE_AT: [u64; 2] = [8192, 12288];
/// From the link of the data partition to the data mark, in bytes.
pub const DATA_MARK: u64 = BLOCK;
/// Fewest bytes that a data partition must have to be worth making.
pub const DATA_MIN: u64 = 64 << 20;
/// Largest partition of an image in bytes.
pub const PART_MAX: u64 = 16 << 30;

/// Which of the two systems of a card.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Slot {
    /// The first.
    A,
    /// The second.
    B,
}

impl Slot {
    /// Both, in order.
    pub const BOTH: [Self; 2] = [Self::A, Self::B];

    /// The other one.
    #[must_use]
    pub fn other(self) -> Self {
        match self {
            Self::A => Self::B,
            Self::B => Self::A,
        }
    }

    /// 0 or 1, for arrays.
    pub fn index(self) -> usize {
        match self {
            Self::A => 0,
            Self::B => 1,
        }
    }

    /// The number of its boot partition: what `autoboot.txt` names.
    pub fn boot_partition(self) -> u8 {
        match self {
            Self::A => 2,
            Self::B => 3,
        }
    }

    /// The slot of a boot partition.
    pub fn of_boot_partition(number: u64) -> Option<Self> {
        Self::BOTH
            .into_iter()
            .find(|slot| u64::from(slot.boot_partition()) == number)
    }

    /// The number of its root partition.
    pub fn root_partition(self) -> u8 {
        match self {
            Self::A => 5,
            Self::B => 6,
        }
    }
}

/// Number of the select partition.
pub const SELECT_PARTITION: u8 = 1;
/// Number of the data partition.
pub const DATA_PARTITION: u8 = 7;

/// Sizes in bytes, as the manifest of an image gives them; multiples of [`ALIGN`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Sizes {
    /// The select partition.
    pub select: u64,
    /// Each boot partition.
    pub boot: u64,
    /// Each root partition.
    pub root: u64,
}

/// Where everything stands on one card, in bytes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Layout {
    /// The disk signature, drawn for each card.
    pub signature: u32,
    /// The select partition.
    pub select: Extent,
    /// The boot partitions of A and B.
    pub boot: [Extent; 2],
    /// The root partitions of A and B.
    pub root: [Extent; 2],
    /// Where the links of the root partitions stand; the first is the start of the extended partition.
    pub links: [u64; 2],
    /// The data partition, where it was made.
    pub data: Option<Extent>,
}

/// Why there is no such layout.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum LayoutFault {
    /// A size that cannot be.
    #[error(
        "the size of the {role} partition must be a multiple of 4 MiB between 4 MiB and 16 GiB, and is {bytes} bytes"
    )]
    Size {
        /// Which partition.
        role: &'static str,
        /// What was asked for.
        bytes: u64,
    },
    /// The table cannot be read.
    #[error(transparent)]
    Table(#[from] TableFault),
    /// A table, but of another disk than a card of ours.
    #[error("the partitions are not those of a clinic box: {0}")]
    Other(&'static str),
}

impl From<DeviceFault> for LayoutFault {
    fn from(fault: DeviceFault) -> Self {
        Self::Table(TableFault::Device(fault))
    }
}

impl Layout {
    /// The layout of a new image.
    ///
    /// # Errors
    /// [`LayoutFault::Size`].
    pub fn new(sizes: &Sizes, signature: u32) -> Result<Self, LayoutFault> {
        for (role, bytes) in [
            ("select", sizes.select),
            ("boot", sizes.boot),
            ("root", sizes.root),
        ] {
            if !(ALIGN..=PART_MAX).contains(&bytes) || !bytes.is_multiple_of(ALIGN) {
                return Err(LayoutFault::Size { role, bytes });
            }
        }
        let mut end = ALIGN;
        let mut next = |skip: u64, len: u64| {
            let at = end + skip;
            end = at + len;
            Extent { at, len }
        };
        let select = next(0, sizes.select);
        let boot = [next(0, sizes.boot), next(0, sizes.boot)];
        // The link of each logical partition has an erase block of its own before it.
        let root = [next(ALIGN, sizes.root), next(ALIGN, sizes.root)];
        Ok(Self {
            signature,
            select,
            boot,
            root,
            links: [boot[1].end(), root[0].end()],
            data: None,
        })
    }

    /// Reads the layout of a card or an image.
    ///
    /// # Errors
    /// [`LayoutFault`].
    pub fn read(device: &mut (impl BlockDevice + ?Sized)) -> Result<Self, LayoutFault> {
        let table = mbr::read(device)?;
        let find = |number: u8, kind: u8, what: &'static str| {
            let found = table.entries.iter().find(|entry| entry.number == number);
            match found.filter(|entry| entry.kind == kind) {
                Some(entry)
                    if entry.extent.at.is_multiple_of(BLOCK) && entry.extent.len.is_multiple_of(BLOCK) =>
                {
                    Ok(entry.extent)
                }
                _ => Err(LayoutFault::Other(what)),
            }
        };
        let layout = Self {
            signature: table.signature,
            select: find(1, FAT32, "partition 1 selects no slot")?,
            boot: [
                find(2, FAT32, "partition 2 does not boot")?,
                find(3, FAT32, "partition 3 does not boot")?,
            ],
            root: [
                find(5, LINUX, "partition 5 holds no system")?,
                find(6, LINUX, "partition 6 holds no system")?,
            ],
            links: match table.links.as_slice() {
                [first, second, ..] => [*first, *second],
                _ => return Err(LayoutFault::Other("there are not two systems")),
            },
            data: find(DATA_PARTITION, LINUX, "").ok(),
        };
        let order = [
            layout.select,
            layout.boot[0],
            layout.boot[1],
            layout.root[0],
            layout.root[1],
        ];
        let apart = order.windows(2).all(|pair| pair[0].end() <= pair[1].at);
        if !apart || layout.select.at < STATE_AT[1] + BLOCK {
            return Err(LayoutFault::Other("they lie over each other"));
        }
        if layout
            .data
            .is_some_and(|data| data.at < layout.data_link() + ALIGN)
        {
            return Err(LayoutFault::Other("the data lie over the systems"));
        }
        Ok(layout)
    }

    /// Writes table, links and the mark that no data were made. What stands in the partitions is untouched.
    ///
    /// # Errors
    /// What the device reports.
    pub fn write_new(&self, device: &mut (impl BlockDevice + ?Sized)) -> Result<(), DeviceFault> {
        let end = self.root[1].end();
        let [first, second] = self.links;
        let extended = Extent {
            at: first,
            len: end - first,
        };
        let link = mbr::link_sector(first, first, self.root[0], Some((second, self.root[1])));
        write_sector(device, first, &link)?;
        write_sector(
            device,
            second,
            &mbr::link_sector(first, second, self.root[1], None),
        )?;
        write_sector(
            device,
            self.data_mark(),
            &crate::first_start::Mark::Blank.to_sector(),
        )?;
        let table = mbr::first_sector(
            self.signature,
            &[
                (FAT32, self.select),
                (FAT32, self.boot[0]),
                (FAT32, self.boot[1]),
                (EXTENDED, extended),
            ],
        );
        write_sector(device, 0, &table)
    }

    /// Gives the card another disk signature, by its first sector alone.
    ///
    /// # Errors
    /// What the device reports.
    pub fn sign(device: &mut (impl BlockDevice + ?Sized), signature: u32) -> Result<(), DeviceFault> {
        let sector = read_sector(device, 0)?;
        write_sector(device, 0, &mbr::with_signature(sector, signature))
    }

    /// Where the link of the data partition stands or will stand.
    pub fn data_link(&self) -> u64 {
        self.root[1].end().next_multiple_of(ALIGN)
    }

    /// Where the mark stands that says whether data were made.
    pub fn data_mark(&self) -> u64 {
        self.data_link() + DATA_MARK
    }

    /// The data partition of a card of this capacity; `None` where too little is left.
    pub fn data_for(&self, capacity: u64) -> Option<Extent> {
        // A table counts sectors with 32 bits.
        let end = capacity.min(u64::from(u32::MAX) * SECTOR) / ALIGN * ALIGN;
        let at = self.data_link() + ALIGN;
        let len = end.checked_sub(at)?;
        (len >= DATA_MIN).then_some(Extent { at, len })
    }

    /// Bytes of an image of this layout: all up to the data mark.
    pub fn image_bytes(&self) -> u64 {
        self.data_mark() + BLOCK
    }

    /// The boot partition of a slot.
    pub fn boot_of(&self, slot: Slot) -> Extent {
        self.boot[slot.index()]
    }

    /// The root partition of a slot.
    pub fn root_of(&self, slot: Slot) -> Extent {
        self.root[slot.index()]
    }
}

//! Recognises file systems and containers by their superblocks, and reads size and label where they say it.
//!
//! Offsets are those of the formats' published layouts: ext2/3/4 (kernel documentation, "The Super Block"),
//! FAT (Microsoft, "FAT: General Overview of On-Disk Format" 1.03), squashfs (kernel documentation), LUKS2
//! (cryptsetup, "LUKS2 On-Disk Format Specification"), dm-verity (cryptsetup, "DMVerity" superblock), swap
//! (mkswap(8)).

/// Number of bytes at the start of a partition that the recognition looks at.
pub const HEAD_LEN: usize = 4096;

/// A file system or container found at the start of a partition.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FileSystem {
    /// The usual short name: `ext4`, `vfat`, `squashfs`, `luks2`, `verity`, `swap`.
    pub name: &'static str,
    /// The label that its maker gave it, if it holds one.
    pub label: Option<String>,
    /// Size in bytes as the superblock tells it; containers and swap tell none.
    pub bytes: Option<u64>,
}

/// Recognises what begins with `head`; `None` for what is not known here.
pub fn recognise(head: &[u8]) -> Option<FileSystem> {
    [ext, squashfs, luks2, verity, swap, fat]
        .into_iter()
        .find_map(|recogniser| recogniser(head))
}

fn bytes_at<const N: usize>(head: &[u8], offset: usize) -> Option<[u8; N]> {
    head.get(offset..offset.checked_add(N)?)?.try_into().ok()
}

fn u16_at(head: &[u8], offset: usize) -> Option<u64> {
    bytes_at(head, offset).map(|bytes| u64::from(u16::from_le_bytes(bytes)))
}

fn u32_at(head: &[u8], offset: usize) -> Option<u64> {
    bytes_at(head, offset).map(|bytes| u64::from(u32::from_le_bytes(bytes)))
}

/// A label padded with zeros or blanks; control characters are left out, so that it may be printed.
fn label_at(head: &[u8], offset: usize, len: usize) -> Option<String> {
    let bytes = head.get(offset..offset.checked_add(len)?)?;
    let text = String::from_utf8_lossy(bytes);
    let label: String = text
        .split('\0')
        .next()?
        .trim()
        .chars()
        .filter(|c| !c.is_control())
        .collect();
    (!label.is_empty()).then_some(label)
}

fn ext(head: &[u8]) -> Option<FileSystem> {
    const SUPERBLOCK: usize = 1024;
    const MAGIC: u64 = 0xef53;
    const HAS_JOURNAL: u64 = 0x4;
    const EXTENTS: u64 = 0x40;
    const BLOCKS_64_BIT: u64 = 0x80;
    if u16_at(head, SUPERBLOCK + 0x38)? != MAGIC {
        return None;
    }
    let compatible = u32_at(head, SUPERBLOCK + 0x5c)?;
    let incompatible = u32_at(head, SUPERBLOCK + 0x60)?;
    let name = match (incompatible & EXTENTS != 0, compatible & HAS_JOURNAL != 0) {
        (true, _) => "ext4",
        (false, true) => "ext3",
        (false, false) => "ext2",
    };
    let high = if incompatible & BLOCKS_64_BIT == 0 {
        0
    } else {
        u32_at(head, SUPERBLOCK + 0x150)?
    };
    let blocks = (high << 32) | u32_at(head, SUPERBLOCK + 0x04)?;
    let block_len = 1024_u64.checked_shl(u32::try_from(u32_at(head, SUPERBLOCK + 0x18)?).ok()?);
    let bytes = block_len.and_then(|len| blocks.checked_mul(len));
    Some(FileSystem {
        name,
        label: label_at(head, SUPERBLOCK + 0x78, 16),
        bytes,
    })
}

fn squashfs(head: &[u8]) -> Option<FileSystem> {
    (bytes_at(head, 0)? == *b"hsqs").then_some(())?;
    let bytes = bytes_at(head, 40).map(u64::from_le_bytes);
    Some(FileSystem {
        name: "squashfs",
        label: None,
        bytes,
    })
}

fn luks2(head: &[u8]) -> Option<FileSystem> {
    (bytes_at(head, 0)? == *b"LUKS\xba\xbe\0\x02").then_some(())?;
    Some(FileSystem {
        name: "luks2",
        label: label_at(head, 24, 48),
        bytes: None,
    })
}

fn verity(head: &[u8]) -> Option<FileSystem> {
    (bytes_at(head, 0)? == *b"verity\0\0").then_some(())?;
    Some(FileSystem {
        name: "verity",
        label: None,
        bytes: None,
    })
}

fn swap(head: &[u8]) -> Option<FileSystem> {
    (bytes_at(head, HEAD_LEN - 10)? == *b"SWAPSPACE2").then_some(())?;
    Some(FileSystem {
        name: "swap",
        label: label_at(head, 1024 + 28, 16),
        bytes: None,
    })
}

fn fat(head: &[u8]) -> Option<FileSystem> {
    const SIGNATURE: u64 = 0xaa55;
    let is_fat32 = bytes_at(head, 82)? == *b"FAT32   ";
    let is_fat16 = matches!(&bytes_at(head, 54)?, b"FAT16   " | b"FAT12   ");
    if u16_at(head, 510)? != SIGNATURE || !(is_fat32 || is_fat16) {
        return None;
    }
    let sectors = match u16_at(head, 19)? {
        0 => u32_at(head, 32)?,
        few => few,
    };
    let label = label_at(head, if is_fat32 { 71 } else { 43 }, 11).filter(|label| label != "NO NAME");
    Some(FileSystem {
        name: "vfat",
        label,
        bytes: sectors.checked_mul(u16_at(head, 11)?),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_is_recognised_in_what_is_empty_short_or_random() {
        assert_eq!(recognise(&[]), None);
        assert_eq!(recognise(&[0; HEAD_LEN]), None);
        let noise: Vec<u8> = (0..HEAD_LEN as u32)
            .map(|i| (i.wrapping_mul(2_654_435_761) >> 24) as u8)
            .collect();
        assert_eq!(recognise(&noise), None);
    }

    #[test]
    fn a_superblock_that_lies_about_its_block_size_gives_no_size() {
        let mut head = vec![0; HEAD_LEN];
        head[1024 + 0x38..1024 + 0x3a].copy_from_slice(&[0x53, 0xef]);
        head[1024 + 0x18..1024 + 0x1c].copy_from_slice(&u32::MAX.to_le_bytes());
        let found = recognise(&head).unwrap();
        assert_eq!((found.name, found.bytes), ("ext2", None));
    }

    #[test]
    fn containers_are_named() {
        let mut head = vec![0; HEAD_LEN];
        head[..8].copy_from_slice(b"LUKS\xba\xbe\0\x02");
        head[24..28].copy_from_slice(b"data");
        assert_eq!(recognise(&head).unwrap().label.as_deref(), Some("data"));
        head[..8].copy_from_slice(b"verity\0\0");
        assert_eq!(recognise(&head).unwrap().name, "verity");
    }
}

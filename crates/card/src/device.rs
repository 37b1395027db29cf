//! A device of blocks: a card in a reader, a partition, a plain file, or a simulated card.

use std::io;

/// Bytes of a block. Reads and writes begin and end on a multiple of it: direct input and output needs the
/// device's sector length, which is 512 or 4096 on every card reader.
pub const BLOCK: u64 = 4096;

/// Bytes of a sector: what a partition table counts in, and what a card writes whole or not at all.
pub const SECTOR: u64 = 512;

/// A device that is read and written by blocks.
pub trait BlockDevice {
    /// The capacity that the device claims, in bytes; a multiple of [`BLOCK`].
    fn capacity(&self) -> u64;

    /// Bytes of the smallest write that the device takes: [`SECTOR`] or [`BLOCK`].
    fn grain(&self) -> u64 {
        BLOCK
    }

    /// Reads from byte `at` on, from the medium and not from a memory of what was written.
    ///
    /// # Errors
    /// What the device reports; [`DeviceFault::Outside`] where the range leaves the capacity or its blocks.
    fn read_at(&mut self, at: u64, into: &mut [u8]) -> Result<(), DeviceFault>;

    /// Writes at byte `at`. What was written is on the medium after [`Self::flush`], not before.
    ///
    /// # Errors
    /// As of [`Self::read_at`].
    fn write_at(&mut self, at: u64, bytes: &[u8]) -> Result<(), DeviceFault>;

    /// Returns when all that was written lies on the medium.
    ///
    /// # Errors
    /// What the device reports.
    fn flush(&mut self) -> Result<(), DeviceFault>;
}

/// Why a device did not do what it was asked.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum DeviceFault {
    /// It is not there any more.
    #[error("the card was taken out")]
    Gone,
    /// It gives no data there.
    #[error("the card cannot be read at byte {at}")]
    CannotRead {
        /// Where.
        at: u64,
    },
    /// It takes no data there.
    #[error("the card cannot be written at byte {at}")]
    CannotWrite {
        /// Where.
        at: u64,
    },
    /// Its switch stands on "lock", or the reader does not write.
    #[error("the card is write-protected")]
    WriteProtected,
    /// The range does not lie on the device, or not on its blocks.
    #[error("bytes {at} to {end} are not blocks of the card")]
    Outside {
        /// First byte.
        at: u64,
        /// Byte after the last.
        end: u64,
    },
    /// Anything else, in the words of the system.
    #[error("{0}")]
    Other(String),
}

/// Checks that a range stands on the grain of a device with this capacity.
///
/// # Errors
/// [`DeviceFault::Outside`].
pub fn check_range(capacity: u64, grain: u64, at: u64, len: usize) -> Result<(), DeviceFault> {
    let end = at.saturating_add(len as u64);
    if at.is_multiple_of(grain) && end.is_multiple_of(grain) && end <= capacity {
        Ok(())
    } else {
        Err(DeviceFault::Outside { at, end })
    }
}

/// Reads any range of bytes, by the blocks around it.
///
/// # Errors
/// As of [`BlockDevice::read_at`].
pub fn read_bytes(
    device: &mut (impl BlockDevice + ?Sized),
    at: u64,
    into: &mut [u8],
) -> Result<(), DeviceFault> {
    let outside = DeviceFault::Outside {
        at,
        end: at.saturating_add(into.len() as u64),
    };
    let from = at / BLOCK * BLOCK;
    let end = at.checked_add(into.len() as u64).ok_or_else(|| outside.clone())?;
    if from == at && end.is_multiple_of(BLOCK) {
        return device.read_at(at, into);
    }
    let mut blocks = vec![0; (end.next_multiple_of(BLOCK) - from) as usize];
    device.read_at(from, &mut blocks)?;
    into.copy_from_slice(&blocks[(at - from) as usize..][..into.len()]);
    Ok(())
}

/// Reads one sector.
///
/// # Errors
/// As of [`BlockDevice::read_at`].
pub fn read_sector(
    device: &mut (impl BlockDevice + ?Sized),
    at: u64,
) -> Result<[u8; SECTOR as usize], DeviceFault> {
    let mut sector = [0; SECTOR as usize];
    read_bytes(device, at, &mut sector)?;
    Ok(sector)
}

/// Writes one sector and nothing else; on a device of a coarser grain the block around it, with what stood there.
///
/// # Errors
/// As of [`BlockDevice::write_at`].
pub fn write_sector(
    device: &mut (impl BlockDevice + ?Sized),
    at: u64,
    sector: &[u8; SECTOR as usize],
) -> Result<(), DeviceFault> {
    if device.grain() <= SECTOR {
        return device.write_at(at, sector);
    }
    let from = at / BLOCK * BLOCK;
    let mut block = vec![0; BLOCK as usize];
    device.read_at(from, &mut block)?;
    block[(at - from) as usize..][..SECTOR as usize].copy_from_slice(sector);
    device.write_at(from, &block)
}

impl DeviceFault {
    /// The fault behind an error of the system while reading at this byte.
    pub fn reading(at: u64, error: &io::Error) -> Self {
        Self::of(error).unwrap_or(Self::CannotRead { at })
    }

    /// The fault behind an error of the system while writing at this byte.
    pub fn writing(at: u64, error: &io::Error) -> Self {
        Self::of(error).unwrap_or(Self::CannotWrite { at })
    }

    /// What the error says by itself; `None` for the plain input-output error, whose meaning is its place.
    fn of(error: &io::Error) -> Option<Self> {
        use rustix::io::Errno;
        match Errno::from_io_error(error) {
            Some(Errno::NODEV | Errno::NXIO | Errno::NOMEDIUM) => Some(Self::Gone),
            Some(Errno::ROFS | Errno::ACCESS | Errno::PERM) => Some(Self::WriteProtected),
            Some(Errno::IO | Errno::REMOTEIO | Errno::NODATA | Errno::TIMEDOUT) => None,
            Some(_) | None if error.kind() == io::ErrorKind::UnexpectedEof => None,
            Some(_) | None => Some(Self::Other(error.to_string())),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_card_taken_out_is_told_from_one_that_fails() {
        let system = |number| io::Error::from_raw_os_error(number);
        assert_eq!(DeviceFault::reading(0, &system(19)), DeviceFault::Gone);
        assert_eq!(DeviceFault::writing(0, &system(123)), DeviceFault::Gone);
        assert_eq!(
            DeviceFault::reading(8192, &system(5)),
            DeviceFault::CannotRead { at: 8192 }
        );
        assert_eq!(
            DeviceFault::writing(8192, &system(5)),
            DeviceFault::CannotWrite { at: 8192 }
        );
        assert_eq!(DeviceFault::writing(0, &system(30)), DeviceFault::WriteProtected);
        assert!(matches!(
            DeviceFault::writing(0, &system(28)),
            DeviceFault::Other(_)
        ));
    }

    #[test]
    fn only_whole_blocks_of_the_device_are_in_range() {
        check_range(3 * BLOCK, BLOCK, BLOCK, 8192).unwrap();
        for (at, len) in [(0, 100), (512, 4096), (2 * BLOCK, 8192), (u64::MAX - 4095, 4096)] {
            assert!(check_range(3 * BLOCK, BLOCK, at, len).is_err(), "{at} {len}");
        }
        check_range(3 * BLOCK, SECTOR, 512, 4096).unwrap();
    }
}

//! A real block device, or a plain file in its place.

use std::fs::{File, OpenOptions};
use std::io;
use std::os::unix::fs::{FileExt, FileTypeExt, OpenOptionsExt};
use std::path::Path;

use rustix::fs::OFlags;

use crate::device::{BLOCK, BlockDevice, DeviceFault, SECTOR, check_range};

/// Most bytes that one call to the system carries; larger ranges go in several.
const AT_ONCE: usize = 4 << 20;

/// A device of the system, opened past the kernel's memory of it: what is read back comes from the card.
#[derive(Debug)]
pub struct FileDevice {
    file: File,
    capacity: u64,
    grain: u64,
    /// Bytes for one call, with room to begin at an address that direct input and output takes.
    buffer: Vec<u8>,
}

impl FileDevice {
    /// Opens a device for reading and writing and for nobody else: it fails while something of it is mounted.
    ///
    /// # Errors
    /// What the system says.
    pub fn open_to_write(path: &Path) -> io::Result<Self> {
        let exclusive = if is_block_device(path)? {
            OFlags::EXCL
        } else {
            OFlags::empty()
        };
        Self::open(path, true, exclusive)
    }

    /// Opens the card that this machine runs from: its partitions are mounted, so nothing that is mounted may be
    /// written here.
    ///
    /// # Errors
    /// What the system says.
    pub fn open_in_use(path: &Path) -> io::Result<Self> {
        Self::open(path, true, OFlags::empty())
    }

    /// Opens a device, a file or an image for reading.
    ///
    /// # Errors
    /// What the system says.
    pub fn open_to_read(path: &Path) -> io::Result<Self> {
        Self::open(path, false, OFlags::empty())
    }

    fn open(path: &Path, write: bool, flags: OFlags) -> io::Result<Self> {
        let with = |flags: OFlags| {
            let flags = i32::try_from(flags.bits()).unwrap_or(0);
            OpenOptions::new()
                .read(true)
                .write(write)
                .custom_flags(flags)
                .open(path)
        };
        let file = match with(flags | OFlags::DIRECT) {
            // Some file systems of plain files have no direct way; there is no card behind them either.
            Err(error) if error.kind() == io::ErrorKind::InvalidInput => with(flags)?,
            opened => opened?,
        };
        let mut end = &file;
        let length = io::Seek::seek(&mut end, io::SeekFrom::End(0))?;
        let mut device = Self {
            file,
            capacity: length / BLOCK * BLOCK,
            grain: SECTOR,
            buffer: vec![0; AT_ONCE + BLOCK as usize],
        };
        // A reader with sectors of 4096 bytes refuses a shorter direct read.
        let (file, buffer) = device.aligned();
        if file.read_at(&mut buffer[..SECTOR as usize], 0).is_err() {
            device.grain = BLOCK;
        }
        Ok(device)
    }

    /// The part of the buffer that begins on a block's boundary.
    fn aligned(&mut self) -> (&File, &mut [u8]) {
        let skip = self
            .buffer
            .as_ptr()
            .align_offset(BLOCK as usize)
            .min(BLOCK as usize);
        (&self.file, &mut self.buffer[skip..skip + AT_ONCE])
    }
}

fn is_block_device(path: &Path) -> io::Result<bool> {
    Ok(std::fs::metadata(path)?.file_type().is_block_device())
}

impl BlockDevice for FileDevice {
    fn capacity(&self) -> u64 {
        self.capacity
    }

    fn grain(&self) -> u64 {
        self.grain
    }

    fn read_at(&mut self, at: u64, into: &mut [u8]) -> Result<(), DeviceFault> {
        check_range(self.capacity, self.grain, at, into.len())?;
        let (file, buffer) = self.aligned();
        let mut at = at;
        for part in into.chunks_mut(AT_ONCE) {
            let bytes = &mut buffer[..part.len()];
            file.read_exact_at(bytes, at)
                .map_err(|error| DeviceFault::reading(at, &error))?;
            part.copy_from_slice(bytes);
            at += part.len() as u64;
        }
        Ok(())
    }

    fn write_at(&mut self, at: u64, bytes: &[u8]) -> Result<(), DeviceFault> {
        check_range(self.capacity, self.grain, at, bytes.len())?;
        let (file, buffer) = self.aligned();
        let mut at = at;
        for part in bytes.chunks(AT_ONCE) {
            buffer[..part.len()].copy_from_slice(part);
            file.write_all_at(&buffer[..part.len()], at)
                .map_err(|error| DeviceFault::writing(at, &error))?;
            at += part.len() as u64;
        }
        Ok(())
    }

    fn flush(&mut self) -> Result<(), DeviceFault> {
        self.file
            .sync_all()
            .map_err(|error| DeviceFault::writing(0, &error))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_gives_back_what_was_written_in_pieces_larger_than_one_call() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("card");
        File::create(&path).unwrap().set_len(9 << 20).unwrap();
        let bytes: Vec<u8> = (0..5_u32 << 20)
            .map(|i| (i.wrapping_mul(2_654_435_761) >> 24) as u8)
            .collect();
        let mut device = FileDevice::open_to_write(&path).unwrap();
        device.write_at(BLOCK, &bytes).unwrap();
        device.flush().unwrap();
        let mut device = FileDevice::open_to_read(&path).unwrap();
        let mut back = vec![0; bytes.len()];
        device.read_at(BLOCK, &mut back).unwrap();
        assert_eq!(back, bytes);
        assert!(device.write_at(0, &[0; 4096]).is_err(), "opened for reading");
    }
}

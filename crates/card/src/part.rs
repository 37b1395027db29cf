//! A partition as a stream of bytes, for libraries that know files only.

use std::io::{self, Read, Seek, SeekFrom, Write};

use crate::device::{BLOCK, BlockDevice, DeviceFault};
use crate::mbr::Extent;

/// A partition of a device. It holds one block; [`Write::flush`] brings it to the device, and dropping does not.
#[derive(Debug)]
pub struct Part<'a, D: ?Sized> {
    device: &'a mut D,
    extent: Extent,
    at: u64,
    block: Option<Held>,
}

#[derive(Debug)]
struct Held {
    at: u64,
    bytes: Vec<u8>,
    is_changed: bool,
}

fn error(fault: DeviceFault) -> io::Error {
    io::Error::other(fault)
}

impl<'a, D: BlockDevice + ?Sized> Part<'a, D> {
    /// A stream over a partition that stands on whole blocks.
    pub fn new(device: &'a mut D, extent: Extent) -> Self {
        Self {
            device,
            extent,
            at: 0,
            block: None,
        }
    }

    fn put_back(&mut self) -> io::Result<()> {
        if let Some(held) = &mut self.block
            && held.is_changed
        {
            self.device.write_at(held.at, &held.bytes).map_err(error)?;
            held.is_changed = false;
        }
        Ok(())
    }

    /// The rest of the block at the present place, at most so many bytes; empty at the end.
    fn here(&mut self, most: usize, changes: bool) -> io::Result<&mut [u8]> {
        let left = self.extent.len.saturating_sub(self.at);
        if left == 0 {
            return Ok(&mut []);
        }
        let place = self.extent.at + self.at;
        let from = place / BLOCK * BLOCK;
        if self.block.as_ref().is_none_or(|held| held.at != from) {
            self.put_back()?;
            let mut bytes = vec![0; BLOCK as usize];
            self.device.read_at(from, &mut bytes).map_err(error)?;
            self.block = Some(Held {
                at: from,
                bytes,
                is_changed: false,
            });
        }
        let Some(held) = &mut self.block else {
            return Ok(&mut []);
        };
        held.is_changed |= changes;
        let skip = (place - from) as usize;
        let len = most.min(held.bytes.len() - skip).min(left as usize);
        self.at += len as u64;
        Ok(&mut held.bytes[skip..skip + len])
    }
}

impl<D: BlockDevice + ?Sized> Read for Part<'_, D> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        let here = self.here(into.len(), false)?;
        let len = here.len();
        into[..len].copy_from_slice(here);
        Ok(len)
    }
}

impl<D: BlockDevice + ?Sized> Write for Part<'_, D> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let here = self.here(bytes.len(), true)?;
        let len = here.len();
        here.copy_from_slice(&bytes[..len]);
        Ok(len)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.put_back()?;
        self.device.flush().map_err(error)
    }
}

impl<D: BlockDevice + ?Sized> Seek for Part<'_, D> {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        let target = match to {
            SeekFrom::Start(at) => Some(at),
            SeekFrom::End(by) => self.extent.len.checked_add_signed(by),
            SeekFrom::Current(by) => self.at.checked_add_signed(by),
        };
        self.at = target.ok_or(io::ErrorKind::InvalidInput)?;
        Ok(self.at)
    }
}

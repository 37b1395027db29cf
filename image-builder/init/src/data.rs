//! The data partition: an ext4 volume over the rest of the card, made once. It is not encrypted yet.

use std::path::{Path, PathBuf};
use std::process::Command;

use card::first_start::{DataFault, Volume};
use card::mbr::Extent;
use card::{BLOCK, BlockDevice, DeviceFault, FileDevice, SECTOR};

use crate::dm;

/// Where the superblock of an ext4 stands, its mark and its number in it.
const SUPERBLOCK: usize = 1024;
const MARK: (usize, [u8; 2]) = (0x38, [0x53, 0xef]);
const NUMBER: usize = 0x68;

/// Makes and finds the volume with the tools of the root.
pub(crate) struct Ext4<'a> {
    /// Where the root is mounted.
    pub(crate) root: &'a Path,
    /// The whole card.
    pub(crate) disk: &'a Path,
    /// The device over the partition, once there is one.
    pub(crate) device: Option<PathBuf>,
}

impl Ext4<'_> {
    /// The device over the data partition. The kernel's table does not know a partition that was made just now; this
    /// way it need not.
    pub(crate) fn device(&mut self, extent: Extent) -> Result<PathBuf, DataFault> {
        if let Some(device) = &self.device {
            return Ok(device.clone());
        }
        let parameters = format!("{} {}", self.disk.display(), extent.at / SECTOR);
        let device = dm::device("clinic-data", "linear", extent.len / SECTOR, &parameters, false)
            .map_err(|error| DataFault::Volume(error.to_string()))?;
        self.device = Some(device.clone());
        Ok(device)
    }

    /// A program of the root, started from outside of it.
    fn tool(&self, name: &str) -> Command {
        let loader = self.root.join("usr/lib/ld-linux-aarch64.so.1");
        let mut command = Command::new(loader);
        command
            .arg("--library-path")
            .arg(self.root.join("usr/lib/aarch64-linux-gnu"))
            .arg(self.root.join("usr/sbin").join(name))
            .env("MKE2FS_CONFIG", self.root.join("etc/mke2fs.conf"));
        command
    }

    /// Plays the journal back and mends what needs no decision; says in words what remained.
    pub(crate) fn check(&self, device: &Path) -> Option<String> {
        // 0: well, 1: mended; anything above is left to a person.
        match self.tool("e2fsck").arg("-p").arg(device).status() {
            Ok(status) if status.code().is_some_and(|code| code <= 1) => None,
            Ok(status) => Some(format!("e2fsck ends with {status}")),
            Err(error) => Some(error.to_string()),
        }
    }
}

impl Volume<FileDevice> for Ext4<'_> {
    fn make(&mut self, _: &mut FileDevice, extent: Extent, id: [u8; 16]) -> Result<(), DataFault> {
        let device = self.device(extent)?;
        let volume = |what: String| DataFault::Volume(what);
        let status = self
            .tool("mke2fs")
            .args(["-q", "-F", "-t", "ext4", "-m", "1", "-L", "clinic-data", "-U"])
            .arg(dashed(id))
            .arg(&device)
            .status()
            .map_err(|error| volume(error.to_string()))?;
        if !status.success() {
            return Err(volume(format!("mke2fs ends with {status}")));
        }
        let file = std::fs::File::open(&device).map_err(|error| volume(error.to_string()))?;
        file.sync_all().map_err(|error| volume(error.to_string()))
    }

    fn find(&mut self, device: &mut FileDevice, extent: Extent) -> Result<Option<[u8; 16]>, DataFault> {
        let mut block = vec![0; BLOCK as usize];
        match device.read_at(extent.at, &mut block) {
            Ok(()) => {}
            Err(DeviceFault::Outside { .. }) => return Ok(None),
            Err(fault) => return Err(fault.into()),
        }
        let superblock = &block[SUPERBLOCK..];
        let (at, mark) = MARK;
        if superblock[at..at + 2] != mark {
            return Ok(None);
        }
        Ok(superblock[NUMBER..NUMBER + 16].try_into().ok())
    }
}

/// A number as tools write it.
fn dashed(id: [u8; 16]) -> String {
    let hex = hex::encode(id);
    let parts = [&hex[..8], &hex[8..12], &hex[12..16], &hex[16..20], &hex[20..]];
    parts.join("-")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_is_written_as_tools_read_it() {
        assert_eq!(
            dashed(*b"\x11\x11\x11\x11\x22\x22\x33\x33\x44\x44\x55\x55\x55\x55\x55\x55"),
            "11111111-2222-3333-4444-555555555555"
        );
    }
}

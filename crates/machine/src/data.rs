//! The data partition's device, and the programs that make, check and mount the file system on it.

use std::ffi::CStr;
use std::fs::{self, File};
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use card::luks::{CIPHER, DATA_OFFSET, DATA_SECTOR, VolumeKey, dashed};
use card::mbr::Extent;
use card::{BLOCK, SECTOR};
use rustix::mount::{MountFlags, mount};
use zeroize::Zeroizing;

use crate::dm;

/// The device over the data, and the label of their file system.
const NAME: &str = "clinic-data";

/// The data as they lie on a card without a cipher. The kernel's table does not know a partition that was made just now;
/// a device of our own need not ask it.
///
/// # Errors
/// What the kernel says.
pub fn open_plain(disk: &Path, extent: Extent) -> io::Result<PathBuf> {
    dm::device(&dm::Target {
        name: NAME,
        number: "",
        kind: "linear",
        sectors: extent.len / SECTOR,
        parameters: &format!("{} {}", disk.display(), extent.at / SECTOR),
        is_read_only: false,
        is_secret: false,
    })
}

/// The data of the encrypted volume with this number, behind its cipher.
///
/// # Errors
/// What the kernel says, among it that the data are open already.
pub fn open_encrypted(disk: &Path, extent: Extent, id: [u8; 16], key: &VolumeKey) -> io::Result<PathBuf> {
    let too_small = || io::Error::from(io::ErrorKind::InvalidInput);
    let sectors = extent.len.checked_sub(DATA_OFFSET).ok_or_else(too_small)? / SECTOR;
    let (key, disk) = (key.to_hex(), disk.display());
    let at = (extent.at + DATA_OFFSET) / SECTOR;
    let parameters = format!("{CIPHER} {} 0 {disk} {at} 1 sector_size:{DATA_SECTOR}", *key);
    dm::device(&dm::Target {
        name: NAME,
        // As cryptsetup names it: programs that ask whether a disk is encrypted look here.
        number: &format!("CRYPT-LUKS2-{}-{NAME}", hex::encode(id)),
        kind: "crypt",
        sectors: sectors / (BLOCK / SECTOR) * (BLOCK / SECTOR),
        parameters: &Zeroizing::new(parameters),
        is_read_only: false,
        is_secret: true,
    })
}

/// Takes the data's device away, where nothing holds it.
///
/// # Errors
/// What the kernel says.
pub fn close() -> io::Result<()> {
    dm::remove(NAME)
}

/// The programs of a root for file systems.
#[derive(Debug, Clone, Copy)]
pub struct Tools<'a> {
    /// Where the root is mounted, `/` for the one that runs.
    pub root: &'a Path,
}

impl Tools<'_> {
    /// A program of the root, which may be started from outside of it.
    fn command(&self, name: &str) -> Command {
        let loader = self.root.join("usr/lib/ld-linux-aarch64.so.1");
        let mut command = Command::new(loader);
        command
            .arg("--library-path")
            .arg(self.root.join("usr/lib/aarch64-linux-gnu"))
            .arg(self.root.join("usr/sbin").join(name))
            .env("MKE2FS_CONFIG", self.root.join("etc/mke2fs.conf"));
        command
    }

    /// Makes the file system of this number.
    ///
    /// # Errors
    /// What the program or the system says.
    pub fn make(&self, device: &Path, id: [u8; 16]) -> io::Result<()> {
        let status = self
            .command("mke2fs")
            .args(["-q", "-F", "-t", "ext4", "-m", "1", "-L", NAME, "-U"])
            .arg(dashed(id))
            .arg(device)
            .status()?;
        if !status.success() {
            return Err(io::Error::other(format!("mke2fs ends with {status}")));
        }
        File::open(device)?.sync_all()
    }

    /// Plays the journal back and mends what needs no decision; says in words what remained.
    pub fn check(&self, device: &Path) -> Option<String> {
        // 0: well, 1: mended; anything above is left to a person.
        match self.command("e2fsck").arg("-p").arg(device).status() {
            Ok(status) if status.code().is_some_and(|code| code <= 1) => None,
            Ok(status) => Some(format!("e2fsck ends with {status}")),
            Err(error) => Some(error.to_string()),
        }
    }
}

/// Whether a folder lies on another device than the folder that it stands in.
pub fn is_mounted(folder: &Path) -> bool {
    let device = |path: &Path| fs::metadata(path).map(|found| found.dev()).ok();
    let above = folder.parent().unwrap_or(folder);
    device(folder).is_some_and(|own| device(above) != Some(own))
}

/// Mounts the data.
///
/// # Errors
/// What the kernel says.
pub fn mount_at(device: &Path, folder: &Path) -> io::Result<()> {
    const WORDS: &CStr = c"errors=remount-ro";
    fs::create_dir_all(folder)?;
    let flags = MountFlags::NOSUID | MountFlags::NODEV | MountFlags::NOEXEC | MountFlags::NOATIME;
    Ok(mount(device, folder, "ext4", flags, WORDS)?)
}

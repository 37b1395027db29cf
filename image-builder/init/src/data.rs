//! The data partition: an ext4 volume over the rest of the card, made once; behind a cipher where the site's policy asks
//! for it.

use std::path::{Path, PathBuf};
use std::process::Command;

use card::first_start::{DataFault, Volume};
use card::identity;
use card::layout::Layout;
use card::luks::{self, CIPHER, DATA_OFFSET, DATA_SECTOR, Header, New, VolumeKey, dashed};
use card::mbr::Extent;
use card::protection::{DeviceKeys, Protection, Source};
use card::random::Random;
use card::recovery;
use card::signed::PublicKey;
use card::{BLOCK, BlockDevice, DeviceFault, FileDevice, SECTOR};
use zeroize::Zeroizing;

use crate::{dm, keys};

/// Where the superblock of an ext4 stands, its mark and its number in it.
const SUPERBLOCK: usize = 1024;
const MARK: (usize, [u8; 2]) = (0x38, [0x53, 0xef]);
const NUMBER: usize = 0x68;
/// The device over the data.
const NAME: &str = "clinic-data";
/// The county's key, in the root.
const COUNTY_KEY: &str = "etc/clinic/county.pub";

/// The data, ready to be mounted.
#[derive(Clone)]
pub(crate) struct Opened {
    /// The device with the file system.
    pub(crate) path: PathBuf,
    /// Whose key opened them; `None` where they lie open on the card.
    pub(crate) protection: Option<Source>,
}

/// Makes and finds the volume with the tools of the root.
pub(crate) struct Data<'a, K> {
    /// Where the root is mounted.
    pub(crate) root: &'a Path,
    /// The whole card.
    pub(crate) disk: &'a Path,
    /// The keys of this machine.
    pub(crate) keys: &'a K,
    /// What was opened, once it was.
    pub(crate) opened: Option<Opened>,
}

fn volume(error: impl ToString) -> DataFault {
    DataFault::Volume(error.to_string())
}

/// The county's key, where the image has one.
pub(crate) fn county(root: &Path) -> Option<PublicKey> {
    let text = std::fs::read_to_string(root.join(COUNTY_KEY)).ok()?;
    PublicKey::parse(&text).ok()
}

impl<K: DeviceKeys> Data<'_, K> {
    /// Opens the data that are there.
    pub(crate) fn open(&mut self, device: &mut FileDevice, extent: Extent) -> Result<Opened, DataFault> {
        if let Some(opened) = &self.opened {
            return Ok(opened.clone());
        }
        match luks::read(device, extent)? {
            Some(header) => self.unlock(device, extent, &header),
            None => self.plain(extent),
        }
    }

    /// The kernel's table does not know a partition that was made just now; a device of our own need not ask it.
    fn plain(&mut self, extent: Extent) -> Result<Opened, DataFault> {
        let path = dm::device(&dm::Target {
            name: NAME,
            number: "",
            kind: "linear",
            sectors: extent.len / SECTOR,
            parameters: &format!("{} {}", self.disk.display(), extent.at / SECTOR),
            is_read_only: false,
            is_secret: false,
        });
        Ok(self.keep(path.map_err(volume)?, None))
    }

    fn unlock(
        &mut self,
        device: &mut FileDevice,
        extent: Extent,
        header: &Header,
    ) -> Result<Opened, DataFault> {
        if !header.is_ours() {
            return Err(volume(
                "the data are encrypted in a way that this system does not know",
            ));
        }
        let source = header.source().ok_or(DataFault::Locked)?;
        let own = self.keys.key(source).ok_or(DataFault::Locked)?;
        let key = header.open(device, extent, own.secret())?;
        self.cipher(extent, header.id, &key.ok_or(DataFault::Locked)?, source)
    }

    fn cipher(
        &mut self,
        extent: Extent,
        id: [u8; 16],
        key: &VolumeKey,
        source: Source,
    ) -> Result<Opened, DataFault> {
        let sectors = extent.len.checked_sub(DATA_OFFSET).ok_or(DataFault::TooSmall)? / SECTOR;
        let (key, disk) = (key.to_hex(), self.disk.display());
        let at = (extent.at + DATA_OFFSET) / SECTOR;
        let parameters = format!("{CIPHER} {} 0 {disk} {at} 1 sector_size:{DATA_SECTOR}", *key);
        let path = dm::device(&dm::Target {
            name: NAME,
            // As cryptsetup names it: programs that ask whether a disk is encrypted look here.
            number: &format!("CRYPT-LUKS2-{}-{NAME}", hex::encode(id)),
            kind: "crypt",
            sectors: sectors / (BLOCK / SECTOR) * (BLOCK / SECTOR),
            parameters: &Zeroizing::new(parameters),
            is_read_only: false,
            is_secret: true,
        });
        Ok(self.keep(path.map_err(volume)?, Some(source)))
    }

    fn keep(&mut self, path: PathBuf, protection: Option<Source>) -> Opened {
        let opened = Opened { path, protection };
        self.opened = Some(opened.clone());
        opened
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

    /// An encrypted volume, and its device.
    fn make_encrypted(
        &mut self,
        device: &mut FileDevice,
        extent: Extent,
        id: [u8; 16],
    ) -> Result<Opened, DataFault> {
        let own = self.keys.strongest().ok_or(DataFault::NoKey)?;
        let no_county = || DataFault::NoPolicy("the system has no county's key".to_owned());
        let county = county(self.root).ok_or_else(no_county)?;
        let mut random = Random::new(keys::random().map_err(volume)?);
        let recovery = recovery::draw(&mut random);
        let new = New {
            id,
            device_key: &own,
            recovery: &recovery,
            sealed: &recovery::seal(&recovery, &county, &mut random),
        };
        let key = luks::make(device, extent, &new, &mut random)?;
        self.cipher(extent, id, &key, own.source())
    }
}

impl<K: DeviceKeys> Volume<FileDevice> for Data<'_, K> {
    fn make(&mut self, device: &mut FileDevice, extent: Extent, id: [u8; 16]) -> Result<(), DataFault> {
        let layout = Layout::read(device)?;
        let county: Vec<PublicKey> = county(self.root).into_iter().collect();
        let policy = identity::protection_on(device, &layout, &county);
        let opened = match policy.map_err(|fault| DataFault::NoPolicy(fault.to_string()))? {
            Protection::Plain => self.plain(extent)?,
            Protection::Device => self.make_encrypted(device, extent, id)?,
        };
        let status = self
            .tool("mke2fs")
            .args(["-q", "-F", "-t", "ext4", "-m", "1", "-L", NAME, "-U"])
            .arg(dashed(id))
            .arg(&opened.path)
            .status()
            .map_err(volume)?;
        if !status.success() {
            return Err(volume(format!("mke2fs ends with {status}")));
        }
        let file = std::fs::File::open(&opened.path).map_err(volume)?;
        file.sync_all().map_err(volume)
    }

    fn find(&mut self, device: &mut FileDevice, extent: Extent) -> Result<Option<[u8; 16]>, DataFault> {
        if let Some(header) = luks::read(device, extent)? {
            return Ok(Some(header.id));
        }
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

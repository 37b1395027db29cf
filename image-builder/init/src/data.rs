//! The data partition: an ext4 volume over the rest of the card, made once; behind a cipher where the site's policy asks
//! for it.

use std::path::{Path, PathBuf};

use card::first_start::{DataFault, Volume};
use card::identity;
use card::layout::Layout;
use card::luks::{self, Header, New, OpenedBy, VolumeKey};
use card::mbr::Extent;
use card::protection::{DeviceKeys, Protection, Source};
use card::random::Random;
use card::recovery;
use card::signed::PublicKey;
use card::{BLOCK, BlockDevice, DeviceFault, FileDevice, vestibule};
use machine::data::Tools;
use machine::keys;

/// Where the superblock of an ext4 stands, its mark and its number in it.
const SUPERBLOCK: usize = 1024;
const MARK: (usize, [u8; 2]) = (0x38, [0x53, 0xef]);
const NUMBER: usize = 0x68;
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
    /// Whose key opens the data or is mixed into the PIN that does, where a person is to open them.
    pub(crate) by_person: Option<Source>,
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
            Some(header) => {
                let mut random = Random::new(keys::random().map_err(volume)?);
                let header = luks::settle(device, extent, header, &mut random)?;
                if header.is_by_person() {
                    self.by_person = header.machine_source();
                }
                self.unlock(device, extent, &header)
            }
            None => self.plain(extent),
        }
    }

    fn plain(&mut self, extent: Extent) -> Result<Opened, DataFault> {
        let path = machine::data::open_plain(self.disk, extent);
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
        let closed = header.pin_source().is_some() || header.is_revoked();
        if let (true, Some(source)) = (closed, header.machine_source()) {
            let has_key = self.keys.key(source).is_some();
            return Err(if has_key {
                DataFault::WaitsForPerson
            } else {
                DataFault::Locked
            });
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
        let path = machine::data::open_encrypted(self.disk, extent, id, key);
        Ok(self.keep(path.map_err(volume)?, Some(source)))
    }

    fn keep(&mut self, path: PathBuf, protection: Option<Source>) -> Opened {
        let opened = Opened { path, protection };
        self.opened = Some(opened.clone());
        opened
    }

    fn tools(&self) -> Tools<'_> {
        Tools { root: self.root }
    }

    /// Plays the journal back; says in words what remained.
    pub(crate) fn check(&self, device: &Path) -> Option<String> {
        self.tools().check(device)
    }

    /// An encrypted volume, and its device.
    fn make_encrypted(
        &mut self,
        device: &mut FileDevice,
        extent: Extent,
        id: [u8; 16],
        opened_by: OpenedBy,
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
            opened_by,
        };
        if opened_by != OpenedBy::Machine {
            self.by_person = Some(own.source());
            vestibule::make(device, extent)?;
        }
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
            Protection::Device => self.make_encrypted(device, extent, id, OpenedBy::Machine)?,
            Protection::Pin => self.make_encrypted(device, extent, id, OpenedBy::Person)?,
            Protection::Hub => self.make_encrypted(device, extent, id, OpenedBy::PersonOrHub)?,
        };
        self.tools().make(&opened.path, id).map_err(volume)
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

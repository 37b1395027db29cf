//! The technician's door: SSH for the key that a county's permit names, for as many minutes of a running box as it says,
//! and only while the permit is there. A box's clock plays no part; the minutes that are gone are kept under the permit's
//! number, each noted before it begins, so that neither a restart nor a power cut gives one back.

use std::fs::{self, File};
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};

use card::FileDevice;
use card::identity::{self, Identity};
use card::layout::Layout;
use card::signed::PublicKey;
use card::technician::{FILE, PERMIT_MAX, Permit, PermitFault, file_on};

use crate::config::CardConfig;
use crate::update::UpdateFault;
use crate::update::own::county_key;

/// Why the door stays shut. Each is a sentence.
#[derive(Debug, thiserror::Error)]
pub enum DoorFault {
    /// The card, its row or the county's key.
    #[error(transparent)]
    Card(#[from] UpdateFault),
    /// The permit.
    #[error("{from}: {fault}")]
    Permit {
        /// Where it lies.
        from: String,
        /// Why it opens nothing.
        fault: PermitFault,
    },
    /// The minutes that are gone cannot be noted, and without that none is given.
    #[error("the minutes of a technician's permit cannot be noted in {}: {source}", path.display())]
    Notes {
        /// Where.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
}

/// Where a permit may lie, and what this box is.
#[derive(Debug)]
pub struct Place {
    /// The card and the county's key.
    pub card: CardConfig,
    /// Folder of the stick that is looked at; without it the card is.
    pub stick: Option<PathBuf>,
    /// Folder where the minutes are noted.
    pub notes: PathBuf,
}

/// A permit's file and where it lies.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Offer {
    /// In words.
    pub from: String,
    bytes: Vec<u8>,
}

/// A permit that opens this box.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Admitted {
    /// The permit.
    pub permit: Permit,
    /// Its file.
    pub offer: Offer,
    /// Minutes that it is still good for, never 0.
    pub left: u32,
}

impl Place {
    /// The permit that is there, whatever it says.
    ///
    /// # Errors
    /// [`DoorFault::Card`] where the card cannot be read.
    pub fn offer(&self) -> Result<Option<Offer>, DoorFault> {
        let Some(stick) = &self.stick else {
            let (mut device, layout) = self.open_card()?;
            let bytes = file_on(&mut device, &layout).map_err(UpdateFault::from)?;
            let from = "the card".to_owned();
            return Ok(bytes.map(|bytes| Offer { from, bytes }));
        };
        let bytes = small(&stick.join(FILE)).ok();
        let from = stick.display().to_string();
        Ok(bytes.map(|bytes| Offer { from, bytes }))
    }

    /// Whom the permit that is there lets in; `None` where there is none, as on nearly every box.
    ///
    /// # Errors
    /// [`DoorFault`]: why it opens nothing.
    pub fn admit(&self) -> Result<Option<Admitted>, DoorFault> {
        let Some(offer) = self.offer()? else {
            return Ok(None);
        };
        let refused = |fault| DoorFault::Permit {
            from: offer.from.clone(),
            fault,
        };
        let keys = [county_key(&self.card)?];
        let permit = Permit::parse(&offer.bytes, &keys).map_err(refused)?;
        let here = self.here(&keys)?;
        let left = permit.left(&here, self.used(&permit)?).map_err(refused)?;
        Ok(Some(Admitted { permit, offer, left }))
    }

    /// Whether the permit's file still lies where it lay.
    pub fn is_there(&self, admitted: &Admitted) -> bool {
        self.offer()
            .is_ok_and(|offer| offer.as_ref() == Some(&admitted.offer))
    }

    fn note(&self, permit: &Permit) -> PathBuf {
        self.notes.join(&permit.number)
    }

    /// Minutes of a permit that are gone.
    ///
    /// # Errors
    /// [`DoorFault::Notes`]; also where the note is not one: it may have said that all are gone.
    fn used(&self, permit: &Permit) -> Result<u32, DoorFault> {
        let path = self.note(permit);
        let failed = |source| DoorFault::Notes {
            path: path.clone(),
            source,
        };
        match small(&path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(0),
            Err(error) => Err(failed(error)),
            Ok(bytes) => {
                let text = String::from_utf8_lossy(&bytes);
                let number = text.trim().parse();
                number.map_err(|_| failed(io::Error::other("it is no number")))
            }
        }
    }

    /// Notes that one more minute is gone, on the medium when this returns; how many are left after it.
    ///
    /// # Errors
    /// [`DoorFault::Notes`]: then none may be given.
    pub fn spend(&self, permit: &Permit) -> Result<u32, DoorFault> {
        let used = self.used(permit)?.saturating_add(1);
        let path = self.note(permit);
        let partial = path.with_extension("partial");
        let write = || {
            fs::create_dir_all(&self.notes)?;
            let mut file = File::create(&partial)?;
            writeln!(file, "{used}")?;
            file.sync_all()?;
            fs::rename(&partial, &path)?;
            File::open(&self.notes)?.sync_all()
        };
        write().map_err(|source| DoorFault::Notes {
            path: path.clone(),
            source,
        })?;
        Ok(permit.minutes.saturating_sub(used))
    }

    fn open_card(&self) -> Result<(FileDevice, Layout), UpdateFault> {
        let path = &self.card.device;
        let mut device = FileDevice::open_to_read(path).map_err(|source| UpdateFault::File {
            path: path.clone(),
            source,
        })?;
        let layout = Layout::read(&mut device)?;
        Ok((device, layout))
    }

    fn here(&self, keys: &[PublicKey]) -> Result<Identity, UpdateFault> {
        let (mut device, layout) = self.open_card()?;
        Ok(identity::row_on(&mut device, &layout, keys)?)
    }
}

fn small(path: &Path) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    File::open(path)?
        .take(PERMIT_MAX as u64 + 1)
        .read_to_end(&mut bytes)?;
    Ok(bytes)
}

#[cfg(test)]
#[path = "technician_tests.rs"]
mod tests;

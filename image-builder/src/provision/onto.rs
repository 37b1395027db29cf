//! Puts a row onto a card that was flashed, and reads it back by another reader than the one that wrote it.
//!
//! The order makes a half-done card harmless and known: the files first, then the ledger's line, then the card's own
//! disk signature, which the row names. A card whose signature is not the one of its row is no clinic's card.

use std::io::{self, Write};

use card::identity::{self, Drawn, Identity, IdentityFault, Kept, Row, Secrets};
use card::layout::{Layout, LayoutFault};
use card::part::Part;
use card::select::{CLINIC, IDENTITY, SECRETS};
use card::signed::SecretKey;
use card::state::{Data, State, StateFault};
use card::{BlockDevice, DeviceFault};

/// Why a card was not provisioned.
#[derive(Debug, thiserror::Error)]
pub enum ProvisionFault {
    /// Not a card of ours.
    #[error("this is no card of a clinic box: flash it first ({0})")]
    NotFlashed(String),
    /// It belongs to a clinic.
    #[error("this card belongs to clinic {0} already: flash it again before it is given to another")]
    CardUsed(String),
    /// The row was given to a card.
    #[error("clinic {clinic} got a card at {at}: a new card needs a new token in the table")]
    RowUsed {
        /// The clinic.
        clinic: String,
        /// When.
        at: String,
    },
    /// It served.
    #[error("this card served in a box and holds its data: flash it again before it is given to a clinic")]
    HasData,
    /// The row.
    #[error(transparent)]
    Identity(#[from] IdentityFault),
    /// The card failed.
    #[error(transparent)]
    Device(#[from] DeviceFault),
    /// The files cannot be written.
    #[error("the clinic's files cannot be written to the card: {0}")]
    Files(#[from] io::Error),
    /// It gave other bytes back.
    #[error("the card gave other data back than was written: it is worn out, throw it away")]
    Worn,
    /// The ledger.
    #[error("{0}: the card was not finished")]
    Ledger(String),
}

impl From<LayoutFault> for ProvisionFault {
    fn from(fault: LayoutFault) -> Self {
        Self::NotFlashed(fault.to_string())
    }
}

impl From<StateFault> for ProvisionFault {
    fn from(fault: StateFault) -> Self {
        Self::NotFlashed(fault.to_string())
    }
}

impl ProvisionFault {
    /// The fault as one word, for scripts and for the ledger.
    pub fn word(&self) -> &'static str {
        match self {
            Self::NotFlashed(_) => "not_flashed",
            Self::CardUsed(_) => "card_used",
            Self::RowUsed { .. } => "row_used",
            Self::HasData => "has_data",
            Self::Identity(_) => "identity",
            Self::Device(_) => "device_error",
            Self::Files(_) => "files",
            Self::Worn => "worn",
            Self::Ledger(_) => "ledger",
        }
    }
}

/// Whether a row was begun on this card and not finished: the row's number.
///
/// # Errors
/// [`ProvisionFault`]: the card may not be written.
pub fn unfinished(device: &mut impl BlockDevice, key: &SecretKey) -> Result<Option<String>, ProvisionFault> {
    let layout = Layout::read(device)?;
    if State::read(device)?.data != Data::Blank {
        return Err(ProvisionFault::HasData);
    }
    match identity::file_on(device, &layout) {
        Err(IdentityFault::None) => Ok(None),
        Err(fault) => Err(fault.into()),
        Ok(file) => match Identity::parse(&file, &[key.public()]) {
            Ok(found) if found.disk_signature != layout.signature => Ok(Some(found.row)),
            Ok(found) => Err(ProvisionFault::CardUsed(found.clinic)),
            // A row that stops in its middle was never finished; one of another key is somebody's.
            Err(IdentityFault::Signed(card::signed::SignedFault::Form)) => Ok(Some(String::new())),
            Err(_) => Err(ProvisionFault::CardUsed("of another key".to_owned())),
        },
    }
}

/// Puts the row onto the card. `note` writes the ledger's line; only then is the card finished.
///
/// # Errors
/// [`ProvisionFault`]; then the card is no clinic's card.
pub fn provision(
    device: &mut impl BlockDevice,
    row: &Row,
    drawn: &Drawn,
    issued: String,
    key: &SecretKey,
    note: impl FnOnce(&Identity) -> Result<(), ProvisionFault>,
) -> Result<(Identity, Secrets), ProvisionFault> {
    unfinished(device, key)?;
    let layout = Layout::read(device)?;
    let mut drawn = *drawn;
    if drawn.signature.max(1) == layout.signature {
        // A signature that does not change would hide a card that is half done.
        drawn.signature = layout.signature.wrapping_add(1).max(1);
    }
    let (made, secrets) = row.make(&drawn, issued)?;
    let file = made.seal(key);
    write(
        device,
        &layout,
        &[(IDENTITY, file.as_bytes()), (SECRETS, &secrets.to_sector())],
    )?;
    device.flush()?;
    // Every check that the box will make but the one of the signature, which is not there yet.
    let mut promised = layout.clone();
    promised.signature = made.disk_signature;
    expect(device, &promised, key, &made, &secrets)?;
    note(&made)?;
    Layout::sign(device, made.disk_signature)?;
    device.flush()?;
    let layout = Layout::read(device)?;
    expect(device, &layout, key, &made, &secrets)?;
    Ok((made, secrets))
}

fn expect(
    device: &mut impl BlockDevice,
    layout: &Layout,
    key: &SecretKey,
    made: &Identity,
    secrets: &Secrets,
) -> Result<(), ProvisionFault> {
    let (found, kept) = identity::read(device, layout, &[key.public()]).map_err(|fault| match fault {
        IdentityFault::Device(fault) => ProvisionFault::Device(fault),
        _ => ProvisionFault::Worn,
    })?;
    if found == *made && kept == Kept::Fresh(secrets.clone()) {
        Ok(())
    } else {
        Err(ProvisionFault::Worn)
    }
}

fn write(device: &mut impl BlockDevice, layout: &Layout, files: &[(&str, &[u8])]) -> Result<(), io::Error> {
    let mut part = Part::new(device, layout.select);
    let system = fatfs::FileSystem::new(&mut part, fatfs::FsOptions::new())?;
    {
        let root = system.root_dir();
        root.create_dir(CLINIC)?;
        for (name, bytes) in files {
            let mut file = root.create_file(name)?;
            file.truncate()?;
            file.write_all(bytes)?;
            file.flush()?;
        }
    }
    system.unmount()?;
    part.flush()
}

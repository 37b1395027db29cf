//! Update bundles: a new system for boxes of one county, whole or as the difference from the one that runs.
//!
//! A bundle is the line [`MAGIC`], a signed manifest of two lines ([`crate::signed`]), and the boot and root partitions as
//! differences ([`crate::difference`]), one after the other. The manifest holds the hash of every [`PIECE`] bytes of
//! these, so that a bundle is judged by its first bytes, checked as it arrives, and fetched on at the byte where a line
//! died.

use std::cell::RefCell;
use std::io::{self, Read, Seek, SeekFrom};

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::device::{BlockDevice, DeviceFault, read_bytes};
use crate::difference::{self, Unpacking};
use crate::layout::{PART_MAX, Slot};
use crate::mbr::Extent;
use crate::signed::{self, PublicKey, Purpose, SecretKey, SignedFault};
use crate::slots::{Card, SlotFault};
use crate::state::{Content, System, Version};

mod arrival;
mod judge;

pub use arrival::Arrival;
pub use judge::{DataForms, Taker};

/// The first line of a bundle.
pub const MAGIC: &[u8] = b"clinic-bundle-2\n";
/// Bytes that have a hash of their own.
pub const PIECE: u64 = 256 << 10;
/// Longest magic line and manifest, in bytes.
pub const HEAD_MAX: usize = 4 << 20;
/// Most boards that a bundle names.
pub const HARDWARE_MAX: usize = 16;
/// Largest partition of a bundle, in bytes: whoever makes one holds the old and the new one in memory.
pub const UNPACKED_MAX: u64 = 1 << 30;
/// The form of a manifest.
const FORM: u32 = 2;

/// A partition inside a bundle.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Packed {
    /// Length in bytes as it travels.
    pub len: u64,
    /// SHA-256 of every [`PIECE`] bytes, the last one shorter.
    pub pieces: Vec<PieceHash>,
}

/// The hash of a piece.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct PieceHash(#[serde(with = "hex::serde")] pub [u8; 32]);

/// What a bundle says of itself.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Manifest {
    form: u32,
    /// The county whose boxes take it.
    pub county: String,
    /// The boards that it starts on.
    pub hardware: Vec<String>,
    /// The forms of data that the new system's program knows.
    pub data: DataForms,
    /// The new system.
    pub system: System,
    /// The system from which it is the difference; `None` for a whole one.
    pub base: Option<System>,
    /// The boot partition.
    pub boot: Packed,
    /// The root partition.
    pub root: Packed,
}

/// Why a bundle is not taken. Each is a sentence.
#[derive(Debug, thiserror::Error)]
pub enum BundleFault {
    /// Not a bundle.
    #[error("this is no update bundle")]
    Form,
    /// The signature, or a change in the manifest.
    #[error("the update bundle is not believed: {0}")]
    Signed(#[from] SignedFault),
    /// A manifest of another program.
    #[error("the update bundle is of another form: {0}")]
    Manifest(String),
    /// Another county's.
    #[error("the update bundle is for another county")]
    OtherCounty,
    /// Another board's.
    #[error("the update bundle is for other hardware ({for_these}), and this box is a {this}")]
    OtherHardware {
        /// What it is for.
        for_these: String,
        /// What this is.
        this: String,
    },
    /// Not newer.
    #[error("the update bundle has version {offered}, and version {running} runs already")]
    NotNewer {
        /// The bundle's version.
        offered: Version,
        /// What runs.
        running: Version,
    },
    /// The box went back from this very version.
    #[error("version {0} was tried on this box and went back: it is not tried again by itself")]
    WentBack(Version),
    /// It cannot read the data of this box.
    #[error(
        "version {offered} does not read the data of this box (form {writes}): take a version between the two first"
    )]
    DataTooOld {
        /// The bundle's version.
        offered: Version,
        /// What the running program writes.
        writes: u32,
    },
    /// After a trial the running program could not read what the new one wrote.
    #[error(
        "version {offered} writes data (form {writes}) that the running version could not read after going back: take a version between the two first"
    )]
    NoWayBack {
        /// The bundle's version.
        offered: Version,
        /// What the new program writes.
        writes: u32,
    },
    /// The difference from another system.
    #[error(
        "the update bundle is a difference from another version than the one that runs: fetch the whole one"
    )]
    OtherBase,
    /// It ends too soon or too late.
    #[error("the update bundle has {has} bytes instead of {needs}: it was cut short or added to")]
    Length {
        /// Its length.
        has: u64,
        /// What its manifest says.
        needs: u64,
    },
    /// Changed bytes.
    #[error("the update bundle was changed or damaged at byte {at}")]
    Damaged {
        /// First byte of the piece.
        at: u64,
    },
    /// It cannot be read or written.
    #[error("the update bundle cannot be read or written: {0}")]
    File(#[from] io::Error),
    /// The card.
    #[error(transparent)]
    Slot(#[from] SlotFault),
    /// The card.
    #[error(transparent)]
    Device(#[from] DeviceFault),
}

impl Packed {
    fn of(bytes: &[u8]) -> Self {
        let hash = |piece: &[u8]| PieceHash(Sha256::digest(piece).into());
        Self {
            len: bytes.len() as u64,
            pieces: bytes.chunks(PIECE as usize).map(hash).collect(),
        }
    }

    fn is_sound(&self) -> bool {
        self.len <= PART_MAX && self.pieces.len() as u64 == self.len.div_ceil(PIECE)
    }
}

impl Manifest {
    fn parse(line: &str) -> Result<Self, BundleFault> {
        let manifest: Self =
            serde_json::from_str(line).map_err(|error| BundleFault::Manifest(error.to_string()))?;
        let wrong = |what: &str| Err(BundleFault::Manifest(what.to_owned()));
        if manifest.form != FORM {
            return wrong("made by a later program");
        }
        if manifest.hardware.len() > HARDWARE_MAX || manifest.system.version == Version(0) {
            return wrong("its hardware or its version cannot be");
        }
        if !manifest.data.is_sound() {
            return wrong("its forms of data cannot be");
        }
        if manifest.system.boot.len.max(manifest.system.root.len) > UNPACKED_MAX {
            return wrong("its parts are too large");
        }
        if !manifest.boot.is_sound() || !manifest.root.is_sound() {
            return wrong("its pieces do not make up its parts");
        }
        Ok(manifest)
    }

    /// Bytes behind the manifest.
    pub fn body_len(&self) -> u64 {
        self.boot.len + self.root.len
    }

    /// The pieces of the body in order: first byte in the body, length, hash.
    fn pieces(&self) -> impl Iterator<Item = (u64, u64, [u8; 32])> + '_ {
        [(0, &self.boot), (self.boot.len, &self.root)]
            .into_iter()
            .flat_map(|(from, part)| {
                let places = (0..part.len).step_by(PIECE as usize);
                places
                    .zip(&part.pieces)
                    .map(move |(at, hash)| (from + at, PIECE.min(part.len - at), hash.0))
            })
    }
}

/// The two partitions of a system.
#[derive(Debug, Clone, Copy)]
pub struct Images<'a> {
    /// Its version.
    pub version: Version,
    /// Its boot partition, the used part.
    pub boot: &'a [u8],
    /// Its root partition.
    pub root: &'a [u8],
}

impl Images<'_> {
    /// The system that these are.
    pub fn system(&self) -> System {
        System {
            version: self.version,
            boot: Content::of(self.boot),
            root: Content::of(self.root),
        }
    }
}

/// A system as it stands on a card, hash-clean.
#[derive(Debug, Clone)]
pub struct Installed {
    /// Which it is.
    pub system: System,
    /// Its boot partition, the used part.
    pub boot: Vec<u8>,
    /// Its root partition.
    pub root: Vec<u8>,
}

impl Installed {
    /// Reads the system of a slot; `None` where none lies there, or not the one that was installed.
    ///
    /// # Errors
    /// What the device reports.
    pub fn read<D: BlockDevice>(card: &mut Card<D>, slot: Slot) -> Result<Option<Self>, DeviceFault> {
        let Some(system) = card.state().system(slot).copied() else {
            return Ok(None);
        };
        let (boot, root) = (card.layout().boot_of(slot), card.layout().root_of(slot));
        let device = card.parts().0;
        let boot = content(device, boot, &system.boot)?;
        let root = content(device, root, &system.root)?;
        Ok(boot.zip(root).map(|(boot, root)| Self { system, boot, root }))
    }

    /// Its partitions.
    pub fn images(&self) -> Images<'_> {
        Images {
            version: self.system.version,
            boot: &self.boot,
            root: &self.root,
        }
    }
}

/// The content of a partition; `None` where it is another one.
fn content(
    device: &mut impl BlockDevice,
    extent: Extent,
    content: &Content,
) -> Result<Option<Vec<u8>>, DeviceFault> {
    if content.len > extent.len.min(UNPACKED_MAX) {
        return Ok(None);
    }
    let mut bytes = vec![0; content.len as usize];
    read_bytes(device, extent.at, &mut bytes)?;
    Ok((Content::of(&bytes) == *content).then_some(bytes))
}

/// Whom a bundle is for.
#[derive(Debug, Clone, Copy)]
pub struct Addressed<'a> {
    /// The county whose boxes take it.
    pub county: &'a str,
    /// The boards that it starts on.
    pub hardware: &'a [String],
    /// The forms of data that its program knows.
    pub data: DataForms,
}

/// Makes a bundle: whole, or as the difference from `base`.
///
/// # Errors
/// What the compression reports.
pub fn make(
    new: &Images<'_>,
    base: Option<&Images<'_>>,
    to: &Addressed<'_>,
    key: &SecretKey,
    level: i32,
) -> io::Result<Vec<u8>> {
    let (old_boot, old_root) = base.map_or((&[][..], &[][..]), |base| (base.boot, base.root));
    let boot = difference::make(new.boot, old_boot, level)?;
    let root = difference::make(new.root, old_root, level)?;
    let manifest = Manifest {
        form: FORM,
        county: to.county.to_owned(),
        hardware: to.hardware.to_vec(),
        data: to.data,
        system: new.system(),
        base: base.map(Images::system),
        boot: Packed::of(&boot),
        root: Packed::of(&root),
    };
    let line = serde_json::to_string(&manifest).map_err(io::Error::from)?;
    let mut bundle = MAGIC.to_vec();
    bundle.extend_from_slice(key.seal(Purpose::Bundle, &line).as_bytes());
    bundle.extend_from_slice(&boot);
    bundle.extend_from_slice(&root);
    Ok(bundle)
}

/// Reads magic line and manifest off the first bytes of a bundle: the manifest and where the body begins. `None` while
/// too few bytes are there to tell.
///
/// # Errors
/// [`BundleFault`].
pub fn head(bytes: &[u8], keys: &[PublicKey]) -> Result<Option<(Manifest, u64)>, BundleFault> {
    let known = bytes.len().min(MAGIC.len());
    if bytes[..known] != MAGIC[..known] {
        return Err(BundleFault::Form);
    }
    let rest = bytes.get(MAGIC.len()..).unwrap_or_default();
    let mut ends = rest
        .iter()
        .enumerate()
        .filter(|(_, byte)| **byte == b'\n')
        .map(|(at, _)| at + 1);
    let Some(end) = ends.nth(1) else {
        return if bytes.len() > HEAD_MAX {
            Err(BundleFault::Form)
        } else {
            Ok(None)
        };
    };
    let line = signed::open(Purpose::Bundle, &rest[..end], keys)?;
    Ok(Some((Manifest::parse(line)?, (MAGIC.len() + end) as u64)))
}

/// A bundle that is there whole.
#[derive(Debug)]
pub struct Bundle<F> {
    file: F,
    manifest: Manifest,
    body: u64,
}

impl<F: Read + Seek> Bundle<F> {
    /// Opens a bundle: checks its signature, its length and every piece.
    ///
    /// # Errors
    /// [`BundleFault`].
    pub fn open(mut file: F, keys: &[PublicKey]) -> Result<Self, BundleFault> {
        let (manifest, body, has) = read_head(&mut file, keys)?.ok_or(BundleFault::Form)?;
        let needs = body + manifest.body_len();
        if has != needs {
            return Err(BundleFault::Length { has, needs });
        }
        let mut bytes = vec![0; PIECE as usize];
        file.seek(SeekFrom::Start(body))?;
        for (at, len, hash) in manifest.pieces() {
            let piece = &mut bytes[..len as usize];
            file.read_exact(piece)?;
            if <[u8; 32]>::from(Sha256::digest(piece)) != hash {
                return Err(BundleFault::Damaged { at: body + at });
            }
        }
        Ok(Self { file, manifest, body })
    }

    /// What it says of itself.
    pub fn manifest(&self) -> &Manifest {
        &self.manifest
    }

    /// Installs the bundle into the slot that does not run. The box must have judged it before.
    ///
    /// # Errors
    /// [`BundleFault`]; the running system goes on.
    pub fn install<D: BlockDevice>(
        &mut self,
        card: &mut Card<D>,
        running: Slot,
        moved: impl FnMut(u64),
    ) -> Result<Slot, BundleFault> {
        let Manifest {
            system,
            base,
            boot,
            root,
            ..
        } = self.manifest.clone();
        // What is not what was installed is no base.
        if base.is_some() && (card.state().system(running) != base.as_ref() || !card.is_whole(running)?) {
            return Err(BundleFault::OtherBase);
        }
        let layout = card.layout();
        let old = |at: Extent, content: fn(&System) -> u64| Extent {
            at: at.at,
            len: base.as_ref().map_or(0, content),
        };
        let old_boot = old(layout.boot_of(running), |base| base.boot.len);
        let old_root = old(layout.root_of(running), |base| base.root.len);
        let file = RefCell::new(&mut self.file);
        let mut new_boot = Unpacking::new(&file, self.body, boot.len, old_boot, system.boot.len)?;
        let root_at = self.body + boot.len;
        let mut new_root = Unpacking::new(&file, root_at, root.len, old_root, system.root.len)?;
        Ok(card.install(running, &system, [&mut new_boot, &mut new_root], moved)?)
    }
}

/// Manifest, begin of the body, and length of the file.
fn read_head<F: Read + Seek>(
    file: &mut F,
    keys: &[PublicKey],
) -> Result<Option<(Manifest, u64, u64)>, BundleFault> {
    let has = file.seek(SeekFrom::End(0))?;
    file.seek(SeekFrom::Start(0))?;
    let mut bytes = Vec::new();
    (&mut *file).take(HEAD_MAX as u64 + 1).read_to_end(&mut bytes)?;
    Ok(head(&bytes, keys)?.map(|(manifest, body)| (manifest, body, has)))
}

/// What a fuzzer calls: no bytes without a signature are a bundle, and a manifest under one is read or refused.
pub fn fuzz_one(bytes: &[u8]) {
    let key = SecretKey::from_seed(&[1; 32]);
    let keys = [key.public()];
    assert!(!matches!(head(bytes, &keys), Ok(Some(_))));
    let line = String::from_utf8_lossy(bytes).replace('\n', " ");
    let mut sealed = MAGIC.to_vec();
    sealed.extend_from_slice(key.seal(Purpose::Bundle, &line).as_bytes());
    let _ = Bundle::open(io::Cursor::new(sealed), &keys);
}

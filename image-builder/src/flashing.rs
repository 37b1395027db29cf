//! Several cards at once: who may be written, one thread a card, a line in the ledger for each; the failure of one
//! stops no other.

use std::collections::BTreeSet;
use std::fs::File;
use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::sync::{Mutex, PoisonError};

use anyhow::{Context, Result, bail};
use card::{BlockDevice, BlockMap, FileDevice};

use crate::flash::{FlashFault, Watch, flash, holds_already};
use crate::ledger::{Card, Ledger};
use crate::media::Disk;

/// What stands in the place of a check code for a plain file.
const FILE_CODE: &str = "file";

/// A card as the technician names it: its device file and the code that `devices` shows beside it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Target {
    /// The device file.
    pub path: PathBuf,
    /// The code.
    pub code: String,
}

impl FromStr for Target {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text.rsplit_once(':') {
            Some((path, code)) if !path.is_empty() && !code.is_empty() => Ok(Self {
                path: PathBuf::from(path),
                code: code.to_owned(),
            }),
            _ => {
                Err("name a card as DEVICE:CODE, with the code that `image-builder devices` shows".to_owned())
            }
        }
    }
}

/// What became of a card.
#[derive(Debug)]
pub struct Outcome {
    /// Its device file.
    pub path: PathBuf,
    /// `ready`, or the fault as one word.
    pub word: &'static str,
    /// What to tell the technician of it.
    pub sentence: String,
}

/// Finds out what a target is and whether it may be written.
///
/// # Errors
/// One sentence: the reason of the refusal.
pub fn admit(target: &Target, disks: &[Disk]) -> Result<Card> {
    let path = std::fs::canonicalize(&target.path)
        .with_context(|| format!("{} is not there", target.path.display()))?;
    let kind = std::fs::metadata(&path)?;
    if kind.is_file() {
        if target.code != FILE_CODE {
            bail!(
                "{} is a plain file: write it as {0}:{FILE_CODE}",
                target.path.display()
            );
        }
        return Ok(Card {
            model: FILE_CODE.to_owned(),
            serial: None,
            register: None,
            bytes: kind.len(),
        });
    }
    let Some(disk) = disks.iter().find(|disk| disk.path == path) else {
        bail!(
            "{} is no disk of this machine, or only a part of one: name the whole card",
            target.path.display()
        );
    };
    if let Some(refusal) = disk.refusals.first() {
        bail!("{} is not written: {refusal}", target.path.display());
    }
    if target.code != disk.check_code() {
        bail!(
            "the code {} does not belong to {}: look at `image-builder devices` again",
            target.code,
            target.path.display()
        );
    }
    Ok(Card {
        model: disk.model.clone(),
        serial: disk.serial.clone(),
        register: disk.card_register.clone(),
        bytes: disk.bytes,
    })
}

/// Refuses a list that names one card twice, by whatever path.
///
/// # Errors
/// One sentence.
pub fn refuse_twice(targets: &[Target]) -> Result<()> {
    let mut seen = BTreeSet::new();
    for target in targets {
        let path = std::fs::canonicalize(&target.path).unwrap_or_else(|_| target.path.clone());
        if !seen.insert(path) {
            bail!("{} is named twice", target.path.display());
        }
    }
    Ok(())
}

/// One batch of cards.
#[derive(Debug)]
pub struct Batch<'a> {
    /// The image.
    pub image: &'a Path,
    /// Its block map.
    pub map: &'a BlockMap,
    /// Where each card's line goes.
    pub ledger: Mutex<Ledger>,
    /// Whether a card that is ready already is written once more.
    pub again: bool,
}

impl Batch<'_> {
    /// Writes all cards, each in a thread of its own. `now` is the time of a ledger's line, RFC 3339; `nonce` draws
    /// what a probe marks with; `watch` makes who hears of a card's progress.
    pub fn run<W: Watch + Send>(
        &self,
        cards: Vec<(Target, Card)>,
        now: impl Fn() -> String + Sync,
        nonce: impl Fn() -> [u8; 16] + Sync,
        watch: impl Fn(&Path) -> W + Sync,
    ) -> Vec<Outcome> {
        std::thread::scope(|scope| {
            let (now, nonce, watch) = (&now, &nonce, &watch);
            let threads: Vec<_> = cards
                .into_iter()
                .map(|(target, card)| {
                    let path = target.path.clone();
                    let thread =
                        scope.spawn(move || self.one(&target, card, now, nonce(), watch(&target.path)));
                    (path, thread)
                })
                .collect();
            threads
                .into_iter()
                .map(|(path, thread)| {
                    thread.join().unwrap_or_else(|_| Outcome {
                        path,
                        word: "failed",
                        sentence: "the program failed while it wrote this card: write it again".to_owned(),
                    })
                })
                .collect()
        })
    }

    fn one(
        &self,
        target: &Target,
        card: Card,
        now: &(impl Fn() -> String + Sync),
        nonce: [u8; 16],
        mut watch: impl Watch,
    ) -> Outcome {
        let (word, sentence) = match self.write(target, &card, nonce, &mut watch) {
            Ok(Written::Ready) => ("ready", "ready".to_owned()),
            Ok(Written::Before(why)) => ("used_before", why),
            Err(fault) => (fault.word(), fault.to_string()),
        };
        let mut outcome = Outcome {
            path: target.path.clone(),
            word,
            sentence,
        };
        let image = hex::encode(self.map.image_hash());
        let mut ledger = self.ledger.lock().unwrap_or_else(PoisonError::into_inner);
        if let Err(error) = ledger.add(now(), image, card, word) {
            outcome.sentence = format!("{}; but {error}", outcome.sentence);
        }
        outcome
    }

    fn write(
        &self,
        target: &Target,
        card: &Card,
        nonce: [u8; 16],
        watch: &mut impl Watch,
    ) -> Result<Written, FlashFault> {
        if !self.again {
            let ledger = self.ledger.lock().unwrap_or_else(PoisonError::into_inner);
            if let Some(before) = ledger.made_before(card) {
                return Ok(Written::Before(format!(
                    "this card was made ready at {}; --again writes it once more",
                    before.at
                )));
            }
        }
        let open = |error: std::io::Error| {
            let busy = rustix::io::Errno::from_io_error(&error) == Some(rustix::io::Errno::BUSY);
            let words = if busy {
                "another program uses the card".to_owned()
            } else {
                error.to_string()
            };
            FlashFault::Device(card::DeviceFault::Other(words))
        };
        let mut device = FileDevice::open_to_write(&target.path).map_err(open)?;
        if !self.again && holds_already(&mut device, self.map)? {
            return Ok(Written::Before(
                "this card holds this image already; --again writes it once more".to_owned(),
            ));
        }
        if device.capacity() == 0 {
            return Err(FlashFault::Device(card::DeviceFault::Gone));
        }
        let mut image = File::open(self.image).map_err(card::BlockMapError::Image)?;
        flash(&mut device, &mut image, self.map, nonce, watch)?;
        Ok(Written::Ready)
    }
}

enum Written {
    Ready,
    Before(String),
}

/// The block map of an image: the file beside it (`IMAGE.map`) where there is one, else made from the image.
///
/// # Errors
/// Where the file is no block map, or the image is not the one that it was made for.
pub fn block_map(image: &Path, map: Option<&Path>) -> Result<BlockMap> {
    let mut file = File::open(image).with_context(|| format!("cannot open {}", image.display()))?;
    let mut beside = image.as_os_str().to_owned();
    beside.push(".map");
    let beside = PathBuf::from(beside);
    let Some(path) = map
        .map(Path::to_owned)
        .or_else(|| beside.is_file().then_some(beside))
    else {
        return Ok(BlockMap::of(&mut file)?);
    };
    let size = std::fs::metadata(&path)
        .with_context(|| format!("cannot open {}", path.display()))?
        .len();
    if size > card::block_map::MAP_FILE_MAX {
        bail!("{} is too long for a block map", path.display());
    }
    let map = BlockMap::parse(&std::fs::read(&path)?).with_context(|| path.display().to_string())?;
    map.check_image(&mut file)?;
    Ok(map)
}

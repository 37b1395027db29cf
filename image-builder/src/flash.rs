//! Writes an image to a card, reads every byte back, and writes the first block last: a card that is not whole
//! cannot start.

use std::io::{Read, Seek};

use card::{BLOCK, BlockDevice, BlockMap, BlockMapError, DeviceFault, Stretch};

use crate::probe::{Probe, Verdict};
use crate::size::Size;

/// What is being done, for the person who waits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Step {
    /// The capacity is tried with marks.
    Probing,
    /// The image is written.
    Writing,
    /// What was written is read back and compared.
    Verifying,
}

/// Hears how far a card is.
pub trait Watch {
    /// A step begins; it moves so many bytes.
    fn step(&mut self, step: Step, bytes: u64);
    /// So many bytes were moved.
    fn moved(&mut self, bytes: u64);
}

/// Why a card is not ready.
#[derive(Debug, thiserror::Error)]
pub enum FlashFault {
    /// The image does not fit.
    #[error("the card has {} and the image needs {}: take a larger card", Size(*card), Size(*image))]
    TooSmall {
        /// Capacity of the card in bytes.
        card: u64,
        /// Length of the image in bytes.
        image: u64,
    },
    /// The card lies about its size.
    #[error(
        "the card claims {} and holds at most {}: it is counterfeit, throw it away",
        Size(*claims), Size(*holds_at_most)
    )]
    Counterfeit {
        /// What it claims, in bytes.
        claims: u64,
        /// Upper bound of what it holds, in bytes.
        holds_at_most: u64,
    },
    /// It gives other bytes back than it was given.
    #[error("the card gave other data back than was written at byte {at}: it is worn out, throw it away")]
    Worn {
        /// Where, in bytes.
        at: u64,
    },
    /// It keeps nothing.
    #[error("the card keeps nothing that is written to it: it is at the end of its life, throw it away")]
    KeepsNothing,
    /// It reports an error of its own.
    #[error("{fault}{advice}", fault = .0, advice = advice(.0))]
    Device(#[from] DeviceFault),
    /// The image is at fault, not the card.
    #[error(transparent)]
    Image(#[from] BlockMapError),
}

fn advice(fault: &DeviceFault) -> &'static str {
    match fault {
        DeviceFault::CannotRead { .. } | DeviceFault::CannotWrite { .. } => {
            ": it is dying, or the reader is; try another reader once, then throw the card away"
        }
        DeviceFault::WriteProtected => ": slide the switch on its side away from LOCK",
        DeviceFault::Gone => " before it was ready: put it back and begin again",
        DeviceFault::Outside { .. } | DeviceFault::Other(_) => "",
    }
}

impl FlashFault {
    /// The fault as one word, for scripts and for the ledger.
    pub fn word(&self) -> &'static str {
        match self {
            Self::TooSmall { .. } => "too_small",
            Self::Counterfeit { .. } => "counterfeit",
            Self::Worn { .. } => "worn",
            Self::KeepsNothing => "keeps_nothing",
            Self::Device(DeviceFault::Gone) => "taken_out",
            Self::Device(DeviceFault::WriteProtected) => "write_protected",
            Self::Device(DeviceFault::CannotRead { .. } | DeviceFault::CannotWrite { .. }) => "dying",
            Self::Device(DeviceFault::Outside { .. } | DeviceFault::Other(_)) => "device_error",
            Self::Image(_) => "image",
        }
    }
}

/// Whether the card holds this image already, told by its first and its last stretch.
///
/// # Errors
/// What the card reports.
pub fn holds_already(card: &mut impl BlockDevice, map: &BlockMap) -> Result<bool, DeviceFault> {
    if card.capacity() < map.image_bytes() {
        return Ok(false);
    }
    let stretches = map.stretches();
    for stretch in stretches.first().into_iter().chain(stretches.last()) {
        if !stretch.holds(&read(card, stretch)?) {
            return Ok(false);
        }
    }
    Ok(true)
}

/// Makes a card of the image. `nonce` is drawn anew for each call.
///
/// # Errors
/// [`FlashFault`]; a card that it leaves behind does not start.
pub fn flash(
    card: &mut impl BlockDevice,
    image: &mut (impl Read + Seek),
    map: &BlockMap,
    nonce: [u8; 16],
    watch: &mut impl Watch,
) -> Result<(), FlashFault> {
    let (capacity, image_bytes) = (card.capacity(), map.image_bytes());
    if capacity < image_bytes {
        return Err(FlashFault::TooSmall {
            card: capacity,
            image: image_bytes,
        });
    }
    let probe = Probe::new(capacity, nonce);
    watch.step(Step::Probing, probe.bytes());
    probe.write(card, |bytes| watch.moved(bytes))?;
    judged(capacity, probe.judge(card, 0, |bytes| watch.moved(bytes))?)?;

    watch.step(Step::Writing, map.mapped_bytes());
    // The probe's mark stands where the partition table comes to stand: nothing starts from it.
    card.write_at(0, &[0; BLOCK as usize])?;
    let mut first_block = Vec::new();
    for stretch in map.stretches() {
        let mut bytes = map.read(image, stretch)?;
        if stretch.at == 0 {
            first_block = bytes[..BLOCK as usize].to_vec();
            bytes[..BLOCK as usize].fill(0);
        }
        card.write_at(stretch.at, &bytes)?;
        watch.moved(stretch.len);
    }
    card.flush()?;

    watch.step(Step::Verifying, map.mapped_bytes());
    for stretch in map.stretches() {
        let mut bytes = read(card, stretch)?;
        if stretch.at == 0 {
            bytes[..BLOCK as usize].copy_from_slice(&first_block);
        }
        if !stretch.holds(&bytes) {
            return Err(other_bytes(capacity, image, map, stretch, &bytes, &probe));
        }
        watch.moved(stretch.len);
    }
    // The image must not have reached what lies beyond it.
    judged(capacity, probe.judge(card, image_bytes, |_| {})?)?;

    card.write_at(0, &first_block)?;
    card.flush()?;
    match map.stretches().first() {
        Some(stretch) if !stretch.holds(&read(card, stretch)?) => Err(FlashFault::Worn { at: 0 }),
        _ => Ok(()),
    }
}

fn read(card: &mut impl BlockDevice, stretch: &Stretch) -> Result<Vec<u8>, DeviceFault> {
    let mut bytes = vec![0; stretch.len as usize];
    card.read_at(stretch.at, &mut bytes)?;
    Ok(bytes)
}

fn judged(claims: u64, verdict: Verdict) -> Result<(), FlashFault> {
    match verdict {
        Verdict::Honest => Ok(()),
        Verdict::Counterfeit { holds_at_most } => Err(FlashFault::Counterfeit {
            claims,
            holds_at_most,
        }),
        Verdict::Worn { at } => Err(FlashFault::Worn { at }),
        Verdict::KeepsNothing => Err(FlashFault::KeepsNothing),
    }
}

/// What it means that a stretch came back with other bytes: where they belong elsewhere, the card's addresses wrap
/// around after all.
fn other_bytes(
    claims: u64,
    image: &mut (impl Read + Seek),
    map: &BlockMap,
    stretch: &Stretch,
    found: &[u8],
    probe: &Probe,
) -> FlashFault {
    let Ok(meant) = map.read(image, stretch) else {
        return FlashFault::Worn { at: stretch.at };
    };
    let blocks = meant.chunks(BLOCK as usize).zip(found.chunks(BLOCK as usize));
    let places = (stretch.at..).step_by(BLOCK as usize);
    let Some((at, (_, wrong))) = places.zip(blocks).find(|(_, (meant, found))| meant != found) else {
        return FlashFault::Worn { at: stretch.at };
    };
    let elsewhere = probe
        .place_of(wrong)
        .or_else(|| place_in_image(image, map, wrong));
    match elsewhere.filter(|place| *place > at) {
        Some(place) => FlashFault::Counterfeit {
            claims,
            holds_at_most: place - at,
        },
        None => FlashFault::Worn { at },
    }
}

fn place_in_image(image: &mut (impl Read + Seek), map: &BlockMap, wanted: &[u8]) -> Option<u64> {
    map.stretches().iter().find_map(|stretch| {
        let bytes = map.read(image, stretch).ok()?;
        let number = bytes.chunks(BLOCK as usize).position(|block| block == wanted)?;
        Some(stretch.at + number as u64 * BLOCK)
    })
}

#[cfg(test)]
mod tests;

//! Which blocks of an image hold anything, with the hash of each stretch: what has to be written to a card, and
//! what has to be found there again.

use std::io::{self, Read, Seek, SeekFrom};

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::device::BLOCK;
use crate::mbr::Extent;

/// Longest stretch in bytes: one read, one hash, one place that a fault can be told to lie in.
pub const STRETCH_MAX: u64 = 4 << 20;
/// Most stretches of a map: an image of 256 GiB without a hole has 65,536.
pub const STRETCHES_MAX: usize = 1 << 18;
/// Longest file of a map in bytes.
pub const MAP_FILE_MAX: u64 = 64 << 20;
/// The form of the file; others are refused.
const FORM: u32 = 1;

/// A run of blocks that hold something.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Stretch {
    /// First byte in the image.
    pub at: u64,
    /// Length in bytes, at most [`STRETCH_MAX`].
    pub len: u64,
    /// SHA-256 of these bytes, hex.
    #[serde(with = "hex::serde")]
    pub sha256: [u8; 32],
}

/// The block map of an image.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct BlockMap {
    form: u32,
    image_bytes: u64,
    stretches: Vec<Stretch>,
}

/// Why a block map cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum BlockMapError {
    /// The file is no block map.
    #[error("not a block map: {0}")]
    Form(String),
    /// The image cannot be read.
    #[error("the image cannot be read: {0}")]
    Image(#[from] io::Error),
    /// The image is not the one of the map.
    #[error(
        "the image is not the one that this block map was made for: it was changed or cut short at byte {at}"
    )]
    OtherImage {
        /// Where the first difference lies.
        at: u64,
    },
}

impl BlockMap {
    /// Maps an image. Blocks of zeros are left out, as a copy tool leaves holes: an image's file systems give them
    /// no meaning.
    ///
    /// # Errors
    /// Where the image cannot be read, is empty, or is not made of whole blocks.
    pub fn of(image: &mut (impl Read + Seek)) -> Result<Self, BlockMapError> {
        Self::of_parts(image, &[])
    }

    /// Maps an image in which also the zeros of these parts mean something: tables of a FAT, blocks that a hash tree
    /// covers. On a card that held something else before, they must be written.
    ///
    /// # Errors
    /// As of [`BlockMap::of`].
    pub fn of_parts(image: &mut (impl Read + Seek), parts: &[Extent]) -> Result<Self, BlockMapError> {
        let image_bytes = image.seek(SeekFrom::End(0))?;
        image.seek(SeekFrom::Start(0))?;
        let mut stretches: Vec<Stretch> = Vec::new();
        let mut buffer = vec![0; STRETCH_MAX as usize];
        let mut at = 0;
        while at < image_bytes {
            let len = STRETCH_MAX.min(image_bytes - at) as usize;
            image.read_exact(&mut buffer[..len])?;
            let is_meant = |from: u64| {
                let place = at + from;
                parts.iter().any(|part| part.at <= place && place < part.end())
            };
            runs(&buffer[..len], is_meant, |from, bytes| {
                stretches.push(Stretch {
                    at: at + from,
                    len: bytes.len() as u64,
                    sha256: Sha256::digest(bytes).into(),
                });
            });
            at += len as u64;
        }
        let map = Self {
            form: FORM,
            image_bytes,
            stretches,
        };
        map.checked()
    }

    /// Reads a map's file.
    ///
    /// # Errors
    /// [`BlockMapError::Form`] with what is wrong in it.
    pub fn parse(text: &[u8]) -> Result<Self, BlockMapError> {
        if text.len() as u64 > MAP_FILE_MAX {
            return Err(BlockMapError::Form("it is too long".to_owned()));
        }
        let map: Self =
            serde_json::from_slice(text).map_err(|error| BlockMapError::Form(error.to_string()))?;
        map.checked()
    }

    /// The map's file.
    pub fn to_text(&self) -> String {
        serde_json::to_string(self).unwrap_or_default()
    }

    fn checked(self) -> Result<Self, BlockMapError> {
        let wrong = |what: &str| Err(BlockMapError::Form(what.to_owned()));
        if self.form != FORM {
            return wrong("its form is of another version");
        }
        if self.image_bytes == 0 || !self.image_bytes.is_multiple_of(BLOCK) {
            return wrong("an image is made of whole blocks of 4096 bytes");
        }
        if self.stretches.len() > STRETCHES_MAX {
            return wrong("it has too many stretches");
        }
        let mut end = 0;
        for stretch in &self.stretches {
            let after = stretch.at.checked_add(stretch.len);
            let fits = stretch.at >= end
                && (1..=STRETCH_MAX).contains(&stretch.len)
                && stretch.at.is_multiple_of(BLOCK)
                && stretch.len.is_multiple_of(BLOCK);
            match after.filter(|after| fits && *after <= self.image_bytes) {
                Some(after) => end = after,
                None => return wrong("its stretches do not follow each other inside the image"),
            }
        }
        if self.stretches.first().is_none_or(|first| first.at != 0) {
            return wrong("the first block of an image holds its partition table");
        }
        Ok(self)
    }

    /// Length of the image in bytes.
    pub fn image_bytes(&self) -> u64 {
        self.image_bytes
    }

    /// The stretches in the order of the image; the first begins at byte 0.
    pub fn stretches(&self) -> &[Stretch] {
        &self.stretches
    }

    /// Bytes that are written to a card.
    pub fn mapped_bytes(&self) -> u64 {
        self.stretches.iter().map(|stretch| stretch.len).sum()
    }

    /// SHA-256 over places and hashes: names the image.
    pub fn image_hash(&self) -> [u8; 32] {
        let mut hash = Sha256::new();
        hash.update(self.image_bytes.to_le_bytes());
        for stretch in &self.stretches {
            hash.update(stretch.at.to_le_bytes());
            hash.update(stretch.len.to_le_bytes());
            hash.update(stretch.sha256);
        }
        hash.finalize().into()
    }

    /// Reads the whole image and compares it with the map.
    ///
    /// # Errors
    /// [`BlockMapError::OtherImage`] at the first difference.
    pub fn check_image(&self, image: &mut (impl Read + Seek)) -> Result<(), BlockMapError> {
        if image.seek(SeekFrom::End(0))? < self.image_bytes {
            return Err(BlockMapError::OtherImage { at: self.image_bytes });
        }
        for stretch in &self.stretches {
            self.read(image, stretch)?;
        }
        Ok(())
    }

    /// The bytes of a stretch from the image, compared with its hash.
    ///
    /// # Errors
    /// [`BlockMapError::OtherImage`] where they differ.
    pub fn read(&self, image: &mut (impl Read + Seek), stretch: &Stretch) -> Result<Vec<u8>, BlockMapError> {
        image.seek(SeekFrom::Start(stretch.at))?;
        let mut bytes = vec![0; stretch.len as usize];
        image.read_exact(&mut bytes)?;
        if stretch.holds(&bytes) {
            Ok(bytes)
        } else {
            Err(BlockMapError::OtherImage { at: stretch.at })
        }
    }
}

impl Stretch {
    /// Whether these are its bytes.
    pub fn holds(&self, bytes: &[u8]) -> bool {
        <[u8; 32]>::from(Sha256::digest(bytes)) == self.sha256
    }
}

/// What a fuzzer calls: a map that is read is one that may be used.
pub fn fuzz_one(text: &[u8]) {
    if let Ok(map) = BlockMap::parse(text) {
        assert!(map.mapped_bytes() <= map.image_bytes());
        assert_eq!(map.stretches().first().map(|first| first.at), Some(0));
    }
}

/// Calls `take` for each run of blocks that are not all zero, or mean something all the same.
fn runs(bytes: &[u8], is_meant: impl Fn(u64) -> bool, mut take: impl FnMut(u64, &[u8])) {
    let block = BLOCK as usize;
    let mut from = None;
    for (number, content) in bytes.chunks(block).enumerate() {
        let holds_something = content.iter().any(|byte| *byte != 0) || is_meant((number * block) as u64);
        match (holds_something, from) {
            (true, None) => from = Some(number * block),
            (false, Some(start)) => {
                take(start as u64, &bytes[start..number * block]);
                from = None;
            }
            (true, Some(_)) | (false, None) => {}
        }
    }
    if let Some(start) = from {
        take(start as u64, &bytes[start..]);
    }
}

#[cfg(test)]
mod tests {
    use std::io::Cursor;

    use proptest::prelude::*;

    use super::*;

    /// An image whose blocks hold these bytes each.
    fn image(blocks: &[u8]) -> Cursor<Vec<u8>> {
        Cursor::new(blocks.iter().flat_map(|byte| [*byte; BLOCK as usize]).collect())
    }

    #[test]
    fn holes_are_left_out_and_the_rest_is_known_by_its_hash() {
        let mut card = image(&[1, 0, 0, 2, 3, 0]);
        let map = BlockMap::of(&mut card).unwrap();
        let places: Vec<_> = map
            .stretches()
            .iter()
            .map(|stretch| (stretch.at, stretch.len))
            .collect();
        assert_eq!(places, [(0, 4096), (3 * 4096, 2 * 4096)]);
        assert_eq!((map.mapped_bytes(), map.image_bytes()), (3 * 4096, 6 * 4096));
        assert_eq!(BlockMap::parse(map.to_text().as_bytes()).unwrap(), map);
        map.check_image(&mut card).unwrap();
        card.get_mut()[4 * 4096 + 17] ^= 1;
        let error = map.check_image(&mut card).unwrap_err();
        assert!(
            matches!(error, BlockMapError::OtherImage { at: 12288 }),
            "{error}"
        );
        let error = map.check_image(&mut image(&[1, 0, 0])).unwrap_err();
        assert!(
            matches!(error, BlockMapError::OtherImage { .. }),
            "cut short: {error}"
        );
    }

    #[test]
    fn what_is_no_card_image_has_no_map() {
        assert!(BlockMap::of(&mut Cursor::new(Vec::new())).is_err());
        assert!(
            BlockMap::of(&mut Cursor::new(vec![1; 5000])).is_err(),
            "no whole blocks"
        );
        assert!(BlockMap::of(&mut image(&[0, 1])).is_err(), "no partition table");
    }

    #[test]
    fn a_map_that_leaves_its_image_is_refused() {
        let stretch =
            |at: u64, len: u64| format!(r#"{{"at":{at},"len":{len},"sha256":"{}"}}"#, "00".repeat(32));
        let map = |form: u32, bytes: u64, stretches: &[String]| {
            let text = format!(
                r#"{{"form":{form},"image_bytes":{bytes},"stretches":[{}]}}"#,
                stretches.join(",")
            );
            BlockMap::parse(text.as_bytes())
        };
        map(1, 8192, &[stretch(0, 4096), stretch(4096, 4096)]).unwrap();
        for bad in [
            map(2, 8192, &[stretch(0, 4096)]),
            map(1, 8193, &[stretch(0, 4096)]),
            map(1, 8192, &[]),
            map(1, 8192, &[stretch(4096, 4096)]),
            map(1, 8192, &[stretch(0, 8192), stretch(4096, 4096)]),
            map(1, 8192, &[stretch(0, 4096), stretch(4096, 8192)]),
            map(1, 8192, &[stretch(0, 100)]),
            map(1, 8192, &[stretch(0, 4096), stretch(u64::MAX - 4095, 4096)]),
            map(1, 1 << 40, &[stretch(0, STRETCH_MAX + 4096)]),
        ] {
            assert!(matches!(bad, Err(BlockMapError::Form(_))));
        }
    }

    proptest! {
        #[test]
        fn every_block_is_in_a_stretch_or_zero(blocks in proptest::collection::vec(0_u8..3, 1..40)) {
            let mut blocks = blocks;
            blocks[0] = 1;
            let mut card = image(&blocks);
            let map = BlockMap::of(&mut card).unwrap();
            let mut rebuilt = vec![0; card.get_ref().len()];
            for stretch in map.stretches() {
                let bytes = map.read(&mut card, stretch).unwrap();
                rebuilt[stretch.at as usize..][..bytes.len()].copy_from_slice(&bytes);
            }
            prop_assert_eq!(&rebuilt, card.get_ref());
        }

        #[test]
        fn no_text_breaks_the_parser(text in "[\\[\\]{}\":,a-z0-9]{0,200}") {
            fuzz_one(text.as_bytes());
        }
    }
}

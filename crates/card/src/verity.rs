//! The hash tree and the error correction of a root partition, as the kernel's dm-verity reads them.
//!
//! Formats: "DMVerity" of cryptsetup's documentation (superblock version 1, hash type 1: the salt goes before each
//! block) and the kernel's `verity-fec`: a Reed–Solomon code over 255 bytes with two parity bytes, its rows taken from
//! blocks far apart, so that a whole run of lost blocks is put right. A partition holds the file system, the
//! superblock, the tree and the parity, each from a block on.

use std::fmt;

use sha2::{Digest, Sha256};

use crate::device::BLOCK;

/// Length of a salt in bytes.
pub const SALT: usize = 32;
/// Parity bytes of a row.
pub const PARITY: u64 = 2;
/// Data bytes of a row.
const ROW: u64 = 255 - PARITY;
const HASH: u64 = 32;
const PER_BLOCK: u64 = BLOCK / HASH;

/// What makes a tree this tree: fixed for a release, so that two builds are equal.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Seed {
    /// The superblock's number.
    pub uuid: [u8; 16],
    /// The salt.
    pub salt: [u8; SALT],
}

/// What goes behind a file system, and what the kernel is told.
#[derive(Debug, Clone)]
pub struct Verity {
    /// Blocks of the file system.
    pub data_blocks: u64,
    /// Blocks of the tree.
    pub tree_blocks: u64,
    /// Blocks of the parity.
    pub parity_blocks: u64,
    /// The hash at the top.
    pub root_hash: [u8; 32],
    /// The salt.
    pub salt: [u8; SALT],
    /// Superblock, tree and parity: what is written behind the file system.
    pub trailer: Vec<u8>,
}

/// A file system that is not made of whole blocks, or of fewer than two: a tree needs something to stand on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a root file system of {0} bytes is not made of whole blocks of 4096 bytes, two at least")]
pub struct NoBlocks(pub u64);

impl Verity {
    /// Makes tree and parity of a file system.
    ///
    /// # Errors
    /// [`NoBlocks`].
    pub fn of(data: &[u8], seed: &Seed) -> Result<Self, NoBlocks> {
        let len = data.len() as u64;
        if !len.is_multiple_of(BLOCK) {
            return Err(NoBlocks(len));
        }
        let mut maker = Maker::new(len / BLOCK, seed)?;
        for block in data.as_chunks().0 {
            maker.take(block);
        }
        Ok(maker.finish())
    }

    /// Blocks of all that a partition holds.
    pub fn blocks(&self) -> u64 {
        self.data_blocks + 1 + self.tree_blocks + self.parity_blocks
    }

    /// What a start has to know of the tree, as one word of the kernel's command line.
    pub fn word(&self) -> Word {
        Word {
            data_blocks: self.data_blocks,
            root_hash: self.root_hash,
            salt: self.salt,
        }
    }
}

/// Makes tree and parity of a file system that passes by: it holds some 16 bytes for each block, and the file system
/// never.
#[derive(Debug)]
pub struct Maker {
    seed: Seed,
    data_blocks: u64,
    /// The lowest level of the tree.
    leaves: Vec<u8>,
    parity: Parity,
}

impl Maker {
    /// Begins with a file system of so many blocks.
    ///
    /// # Errors
    /// [`NoBlocks`].
    pub fn new(data_blocks: u64, seed: &Seed) -> Result<Self, NoBlocks> {
        let most = crate::layout::PART_MAX / BLOCK;
        if !(2..=most).contains(&data_blocks) {
            return Err(NoBlocks(data_blocks.saturating_mul(BLOCK)));
        }
        let covered = data_blocks + levels(data_blocks).iter().sum::<u64>();
        Ok(Self {
            seed: *seed,
            data_blocks,
            leaves: Vec::new(),
            parity: Parity::new(covered),
        })
    }

    /// Takes the next block.
    pub fn take(&mut self, block: &[u8; BLOCK as usize]) {
        self.leaves.extend_from_slice(&hash(block, &self.seed.salt));
        self.parity.take(block);
    }

    /// What goes behind the file system, after its last block was taken.
    pub fn finish(mut self) -> Verity {
        let (tree, root_hash) = tree(self.leaves, &self.seed.salt);
        for block in tree.as_chunks().0 {
            self.parity.take(block);
        }
        let tree_blocks = tree.len() as u64 / BLOCK;
        let parity = self.parity.finish();
        let mut trailer = superblock(self.data_blocks, &self.seed);
        trailer.extend_from_slice(&tree);
        trailer.extend_from_slice(&parity);
        Verity {
            data_blocks: self.data_blocks,
            tree_blocks,
            parity_blocks: parity.len() as u64 / BLOCK,
            root_hash,
            salt: self.seed.salt,
            trailer,
        }
    }
}

/// `blocks:root hash:salt`: all that a start needs, since the rest follows from the number of blocks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Word {
    /// Blocks of the file system.
    pub data_blocks: u64,
    /// The hash at the top.
    pub root_hash: [u8; 32],
    /// The salt.
    pub salt: [u8; SALT],
}

impl fmt::Display for Word {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (root, salt) = (hex::encode(self.root_hash), hex::encode(self.salt));
        write!(f, "{}:{root}:{salt}", self.data_blocks)
    }
}

impl std::str::FromStr for Word {
    type Err = BadWord;

    fn from_str(text: &str) -> Result<Self, BadWord> {
        let mut parts = text.split(':');
        let mut part = || parts.next().ok_or(BadWord);
        let data_blocks = part()?.parse().map_err(|_| BadWord)?;
        let mut hash = || {
            let mut bytes = [0; 32];
            hex::decode_to_slice(part()?, &mut bytes).map_err(|_| BadWord)?;
            Ok(bytes)
        };
        let word = Self {
            data_blocks,
            root_hash: hash()?,
            salt: hash()?,
        };
        let fits = (2..=crate::layout::PART_MAX / BLOCK).contains(&data_blocks);
        if fits && parts.next().is_none() {
            Ok(word)
        } else {
            Err(BadWord)
        }
    }
}

/// A text that is no [`Word`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not a description of a hash tree")]
pub struct BadWord;

impl Word {
    /// Blocks of the tree.
    pub fn tree_blocks(&self) -> u64 {
        levels(self.data_blocks).iter().sum()
    }

    /// The parameters of the kernel's `verity` target for a partition that holds everything. The table begins at
    /// sector 0 and has eight sectors a block.
    pub fn table(&self, partition: &str) -> String {
        let blocks = self.data_blocks;
        let tree = blocks + 1;
        let covered = blocks + self.tree_blocks();
        let parity = tree + self.tree_blocks();
        let (root, salt) = (hex::encode(self.root_hash), hex::encode(self.salt));
        format!(
            "1 {partition} {partition} {BLOCK} {BLOCK} {blocks} {tree} sha256 {root} {salt} 8 \
             use_fec_from_device {partition} fec_roots {PARITY} fec_blocks {covered} fec_start {parity}"
        )
    }
}

/// Blocks of each level of the tree, the top first.
fn levels(data_blocks: u64) -> Vec<u64> {
    let mut levels = Vec::new();
    let mut blocks = data_blocks;
    loop {
        blocks = blocks.div_ceil(PER_BLOCK);
        levels.insert(0, blocks);
        if blocks == 1 {
            return levels;
        }
    }
}

fn superblock(data_blocks: u64, seed: &Seed) -> Vec<u8> {
    let mut block = Vec::with_capacity(BLOCK as usize);
    block.extend_from_slice(b"verity\0\0");
    block.extend_from_slice(&1_u32.to_le_bytes());
    block.extend_from_slice(&1_u32.to_le_bytes());
    block.extend_from_slice(&seed.uuid);
    let mut algorithm = [0; 32];
    algorithm[..6].copy_from_slice(b"sha256");
    block.extend_from_slice(&algorithm);
    for size in [BLOCK as u32; 2] {
        block.extend_from_slice(&size.to_le_bytes());
    }
    block.extend_from_slice(&data_blocks.to_le_bytes());
    block.extend_from_slice(&(SALT as u16).to_le_bytes());
    block.extend_from_slice(&[0; 6]);
    block.extend_from_slice(&seed.salt);
    block.resize(BLOCK as usize, 0);
    block
}

/// The seed of a superblock and how many blocks of data it speaks of; `None` where it is none of ours.
pub fn seed_of(block: &[u8]) -> Option<(u64, Seed)> {
    let field = |from: usize, len: usize| block.get(from..from + len);
    let seed = Seed {
        uuid: field(16, 16)?.try_into().ok()?,
        salt: field(88, SALT)?.try_into().ok()?,
    };
    let data_blocks = u64::from_le_bytes(field(72, 8)?.try_into().ok()?);
    (block == superblock(data_blocks, &seed)).then_some((data_blocks, seed))
}

fn hash(block: &[u8], salt: &[u8; SALT]) -> [u8; 32] {
    let mut hash = Sha256::new();
    hash.update(salt);
    hash.update(block);
    hash.finalize().into()
}

/// The levels one after the other, the top first, and the hash of the top block; of the hashes of the data.
fn tree(mut leaves: Vec<u8>, salt: &[u8; SALT]) -> (Vec<u8>, [u8; 32]) {
    let padded = |mut level: Vec<u8>| {
        level.resize(level.len().next_multiple_of(BLOCK as usize), 0);
        level
    };
    leaves = padded(leaves);
    let mut top = leaves.clone();
    let mut tree = leaves;
    while top.len() as u64 > BLOCK {
        let hashes = top.chunks(BLOCK as usize).flat_map(|block| hash(block, salt));
        top = padded(hashes.collect());
        tree.splice(0..0, top.iter().copied());
    }
    (tree, hash(&top, salt))
}

/// Twice in the field of the code (polynomial 0x11d).
fn twice(byte: u8) -> u8 {
    (byte << 1) ^ (0x1d & (byte >> 7).wrapping_neg())
}

/// The parity of data and tree: for each byte of a block its two bytes, one round of blocks after the other.
#[derive(Debug)]
struct Parity {
    rounds: u64,
    taken: u64,
    /// The remainder of each byte of each round's block.
    high: Vec<u8>,
    low: Vec<u8>,
}

impl Parity {
    /// Of so many blocks of data and tree.
    fn new(covered: u64) -> Self {
        let rounds = covered.div_ceil(ROW);
        let bytes = (rounds * BLOCK) as usize;
        Self {
            rounds,
            taken: 0,
            high: vec![0; bytes],
            low: vec![0; bytes],
        }
    }

    /// The next block: a row's bytes come from blocks that lie [`Self::rounds`] apart, so each row grows in order.
    fn take(&mut self, block: &[u8; BLOCK as usize]) {
        let from = (self.taken % self.rounds * BLOCK) as usize;
        let part = from..from + BLOCK as usize;
        let (high, low) = (&mut self.high[part.clone()], &mut self.low[part]);
        for ((byte, high), low) in block.iter().zip(high).zip(low) {
            // Division by (x + 1)(x + 2) = x² + 3x + 2.
            let feedback = byte ^ *high;
            let double = twice(feedback);
            *high = *low ^ double ^ feedback;
            *low = double;
        }
        self.taken += 1;
    }

    fn finish(mut self) -> Vec<u8> {
        // Beyond the end stand zeros.
        while self.taken < self.rounds * ROW {
            self.take(&[0; BLOCK as usize]);
        }
        self.high
            .iter()
            .zip(&self.low)
            .flat_map(|(high, low)| [*high, *low])
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use std::process::Command;

    use super::*;

    fn seed() -> Seed {
        Seed {
            uuid: *b"\x11\x11\x11\x11\x22\x22\x33\x33\x44\x44\x55\x55\x55\x55\x55\x55",
            salt: [0xa5; SALT],
        }
    }

    fn noise(blocks: usize) -> Vec<u8> {
        (0..(blocks * BLOCK as usize) as u32)
            .map(|i| (i.wrapping_mul(2_654_435_761) >> 24) as u8)
            .collect()
    }

    /// What cryptsetup makes of the same data: hash file, parity file, root hash.
    fn by_cryptsetup(data: &[u8]) -> (Vec<u8>, Vec<u8>, String) {
        let folder = tempfile::tempdir().unwrap();
        let path = |name: &str| folder.path().join(name);
        std::fs::write(path("data"), data).unwrap();
        let output = Command::new("veritysetup")
            .current_dir(&folder)
            .args(["format", "data", "hash", "--fec-device=fec", "--fec-roots=2"])
            .arg(format!("--salt={}", hex::encode(seed().salt)))
            .arg("--uuid=11111111-2222-3333-4444-555555555555")
            .output()
            .expect("veritysetup of the package cryptsetup-bin");
        let text = String::from_utf8(output.stdout).unwrap();
        assert!(
            output.status.success(),
            "{text}{}",
            String::from_utf8_lossy(&output.stderr)
        );
        let root = text.lines().find_map(|line| line.strip_prefix("Root hash:"));
        (
            std::fs::read(path("hash")).unwrap(),
            std::fs::read(path("fec")).unwrap(),
            root.unwrap().trim().to_owned(),
        )
    }

    #[test]
    fn tree_and_parity_are_those_of_cryptsetup_byte_for_byte() {
        // Two blocks, a full level, one more, more than one round of the code, three levels.
        for blocks in [2, 127, 128, 129, 252, 253, 600, 17_000] {
            let data = noise(blocks);
            let ours = Verity::of(&data, &seed()).unwrap();
            let (tree, parity, root) = by_cryptsetup(&data);
            assert_eq!(hex::encode(ours.root_hash), root, "{blocks}");
            let (our_tree, our_parity) = ours.trailer.split_at(tree.len());
            assert!(our_tree == tree, "tree of {blocks} blocks");
            assert!(our_parity == parity, "parity of {blocks} blocks");
            assert_eq!(ours.blocks() as usize * 4096, data.len() + ours.trailer.len());
            assert_eq!(ours.word().tree_blocks(), ours.tree_blocks);
        }
    }

    #[test]
    fn the_word_of_a_tree_is_read_as_it_was_written_and_names_the_kernels_parameters() {
        let word = Verity::of(&noise(200), &seed()).unwrap().word();
        assert_eq!(word.to_string().parse::<Word>().unwrap(), word);
        let table = word.table("179:5");
        assert!(
            table.starts_with("1 179:5 179:5 4096 4096 200 201 sha256 "),
            "{table}"
        );
        assert!(
            table.ends_with("fec_roots 2 fec_blocks 203 fec_start 204"),
            "{table}"
        );
        for bad in [
            "",
            "1:00:00",
            "0:aa:bb",
            "a:b:c:d",
            &format!("{word}:"),
            &format!("9{word}")[..40],
        ] {
            assert!(bad.parse::<Word>().is_err(), "{bad}");
        }
    }

    #[test]
    fn what_is_not_made_of_blocks_has_no_tree() {
        assert_eq!(Verity::of(&[], &seed()).unwrap_err(), NoBlocks(0));
        assert_eq!(Verity::of(&[1; 4096], &seed()).unwrap_err(), NoBlocks(4096));
        assert_eq!(Verity::of(&[1; 9000], &seed()).unwrap_err(), NoBlocks(9000));
    }
}

//! The disk of a machine: a data folder in memory, copied as a power cut or a card reader would find it.
//!
//! A commit is on the disk when it returns (WAL with `synchronous=FULL`), so all that a power cut can harm is what
//! was written after the last commit before it. The write-ahead log tells where commits end (SQLite's file format,
//! section 4): what lies behind the last one that counts is dropped, half written or exchanged, sector by sector.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use tempfile::TempDir;

use crate::dice::Dice;

const DATABASE: &str = "clinic.db";
const LOG: &str = "clinic.db-wal";
/// SQLite makes it anew from the log.
const SHARED_MEMORY: &str = "clinic.db-shm";
const LOG_HEADER: usize = 32;
const FRAME_HEADER: usize = 24;
/// The unit in which a disk writes whole or not at all.
const SECTOR: usize = 512;
/// Folders in memory are made here where it is there.
const MEMORY: &str = "/dev/shm";

/// A data folder.
#[derive(Debug)]
pub(crate) struct Disk(TempDir);

/// Where the log of a database ended at some moment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct LogEnd {
    salts: Vec<u8>,
    bytes: usize,
    database_written: Option<SystemTime>,
}

/// A folder for files that live as long as the run.
pub(crate) fn scratch() -> TempDir {
    let made = if Path::new(MEMORY).is_dir() {
        tempfile::tempdir_in(MEMORY)
    } else {
        tempfile::tempdir()
    };
    made.unwrap()
}

impl Disk {
    pub(crate) fn new() -> Self {
        Self(scratch())
    }

    pub(crate) fn path(&self) -> &Path {
        self.0.path()
    }

    fn file(&self, name: &str) -> PathBuf {
        self.path().join(name)
    }

    /// The files as they are between two writes.
    pub(crate) fn copy(&self) -> Self {
        let copy = Self::new();
        for entry in fs::read_dir(self.path()).unwrap() {
            let entry = entry.unwrap();
            if entry.file_type().unwrap().is_file() && entry.file_name() != SHARED_MEMORY {
                fs::copy(entry.path(), copy.path().join(entry.file_name())).unwrap();
            }
        }
        copy
    }

    pub(crate) fn log_end(&self) -> LogEnd {
        let log = fs::read(self.file(LOG)).unwrap_or_default();
        let commits = commits(&log);
        LogEnd {
            salts: log.get(16..24).unwrap_or_default().to_vec(),
            bytes: commits.last().copied().unwrap_or(LOG_HEADER),
            database_written: fs::metadata(self.file(DATABASE))
                .and_then(|file| file.modified())
                .ok(),
        }
    }

    /// The files as a power cut leaves them that comes while what was written since `before` is being written: after
    /// any of its commits, or in the middle of one.
    pub(crate) fn cut_since(&self, before: &LogEnd, dice: &mut Dice) -> Self {
        let copy = self.copy();
        let log = fs::read(copy.file(LOG)).unwrap_or_default();
        let now = self.log_end();
        // Where the log began anew or went into the database meanwhile, all of it was on the disk before.
        if now.salts != before.salts || now.database_written != before.database_written {
            return copy;
        }
        let ends: Vec<usize> = std::iter::once(before.bytes)
            .chain(commits(&log).into_iter().filter(|end| *end > before.bytes))
            .collect();
        let kept = dice.index(ends.len());
        let until = ends.get(kept + 1).copied().unwrap_or(ends[kept]).min(log.len());
        let (whole, rest) = log.split_at(ends[kept].min(log.len()));
        let mut tail = rest[..until - whole.len()].to_vec();
        spoil(&mut tail, dice);
        fs::write(copy.file(LOG), [whole, &tail].concat()).unwrap();
        copy
    }
}

/// Ends of the commits in a log, in bytes.
fn commits(log: &[u8]) -> Vec<usize> {
    let Some(header) = log.get(..LOG_HEADER) else {
        return Vec::new();
    };
    let number = |bytes: &[u8]| {
        bytes
            .iter()
            .fold(0usize, |sum, byte| sum << 8 | usize::from(*byte))
    };
    let page = number(&header[8..12]);
    let salts = &header[16..24];
    let frames = log[LOG_HEADER..].chunks_exact(FRAME_HEADER + page);
    let mut ends = Vec::new();
    for (n, frame) in frames.enumerate() {
        if frame[8..16] != *salts {
            break;
        }
        if number(&frame[4..8]) > 0 {
            ends.push(LOG_HEADER + (n + 1) * (FRAME_HEADER + page));
        }
    }
    ends
}

/// Sectors vanish, are torn in the middle or hold the bytes of another one; the end may be missing. At least the first
/// sector is spoiled: what is whole was written whole.
fn spoil(tail: &mut Vec<u8>, dice: &mut Dice) {
    let before = tail.clone();
    let sectors = tail.len().div_ceil(SECTOR);
    for n in 0..sectors {
        let range = n * SECTOR..((n + 1) * SECTOR).min(before.len());
        match if n == 0 { dice.below(3) } else { dice.below(6) } {
            0 => tail[range].fill(0),
            1 => {
                let from = dice.index(sectors) * SECTOR;
                let length = range.len().min(before.len() - from);
                tail[range.start..range.start + length].copy_from_slice(&before[from..from + length]);
                tail[range.start] ^= 1;
            }
            2 => {
                let middle = range.start + range.len() / 2;
                tail[middle..range.end].fill(0xa5);
            }
            _ => {}
        }
    }
    if dice.chance(50) {
        tail.truncate(dice.index(before.len() + 1));
    }
}

//! The technician's ledger of cards: one line a card, each naming the hash of the line before, so that no line can
//! be taken out or changed unseen.

use std::fs::{File, OpenOptions};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::path::Path;

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

/// Result of a card that was given to a clinic.
const PROVISIONED: &str = "provisioned";
/// Longest ledger in bytes: some 100,000 cards.
pub const LEDGER_MAX: u64 = 64 << 20;

/// A line of the ledger.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Entry {
    /// Number of the line, from 1.
    pub n: u64,
    /// When, RFC 3339.
    pub at: String,
    /// Name of the image: the hash of its block map, hex; empty where none was written.
    pub image: String,
    /// The clinic that the card was given to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub clinic: Option<String>,
    /// Number of the identity row on it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub row: Option<String>,
    /// What was written to.
    pub card: Card,
    /// `ready`, `provisioned`, or the word of the fault.
    pub result: String,
    /// SHA-256 of the line before, hex; empty in the first.
    pub before: String,
}

/// A card as its reader tells it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Card {
    /// Maker and model.
    pub model: String,
    /// Serial number, the reader's where one stands between.
    pub serial: Option<String>,
    /// The card's own register, where the slot shows it.
    pub register: Option<String>,
    /// Capacity in bytes, as claimed.
    pub bytes: u64,
}

/// Why a ledger cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum LedgerError {
    /// It cannot be read or written.
    #[error("the ledger cannot be read or written: {0}")]
    File(#[from] io::Error),
    /// A line is not what was written.
    #[error(
        "line {line} of the ledger was changed, or one before it was taken out: keep the file and begin a new one"
    )]
    Broken {
        /// The first bad line, from 1.
        line: u64,
    },
    /// It has grown out of all bounds.
    #[error("the ledger is too long: begin a new one")]
    TooLong,
}

/// A ledger's file, held by this process alone.
#[derive(Debug)]
pub struct Ledger {
    file: File,
    entries: Vec<Entry>,
    last_hash: String,
}

impl Ledger {
    /// Opens or begins the ledger and checks its chain. A last line without its end is of a write that a power cut
    /// ended: it is left out, and the next line takes its place.
    ///
    /// # Errors
    /// [`LedgerError`].
    pub fn open(path: &Path) -> Result<Self, LedgerError> {
        let file = OpenOptions::new()
            .read(true)
            .append(true)
            .create(true)
            .open(path)?;
        rustix::fs::flock(&file, rustix::fs::FlockOperation::NonBlockingLockExclusive)
            .map_err(io::Error::from)?;
        let mut text = String::new();
        if (&file).take(LEDGER_MAX + 1).read_to_string(&mut text)? as u64 > LEDGER_MAX {
            return Err(LedgerError::TooLong);
        }
        let whole = text.rfind('\n').map_or(0, |end| end + 1);
        if whole < text.len() {
            file.set_len(whole as u64)?;
        }
        let (mut entries, mut last_hash) = (Vec::new(), String::new());
        for (number, line) in (1..).zip(text[..whole].lines()) {
            let entry: Entry =
                serde_json::from_str(line).map_err(|_| LedgerError::Broken { line: number })?;
            if entry.n != number || entry.before != last_hash {
                return Err(LedgerError::Broken { line: number });
            }
            last_hash = hash(line);
            entries.push(entry);
        }
        Ok(Self {
            file,
            entries,
            last_hash,
        })
    }

    /// The lines so far.
    pub fn entries(&self) -> &[Entry] {
        &self.entries
    }

    /// The line of a card that was made ready before, told by the card's own register.
    pub fn made_before(&self, card: &Card) -> Option<&Entry> {
        let register = card.register.as_ref()?;
        let same = |entry: &&Entry| entry.result == "ready" && entry.card.register.as_ref() == Some(register);
        self.entries.iter().rev().find(same)
    }

    /// The line of the card that an identity row was given to.
    pub fn given(&self, row: &str) -> Option<&Entry> {
        let same = |entry: &&Entry| entry.result == PROVISIONED && entry.row.as_deref() == Some(row);
        self.entries.iter().find(same)
    }

    /// Adds the line of a card that was written, and returns when it is on disk.
    ///
    /// # Errors
    /// What the system says; then the line counts as not written.
    pub fn add(&mut self, at: String, image: String, card: Card, result: &str) -> Result<(), LedgerError> {
        self.append(Entry {
            n: 0,
            at,
            image,
            clinic: None,
            row: None,
            card,
            result: result.to_owned(),
            before: String::new(),
        })
    }

    /// Adds the line of a card that is given to a clinic.
    ///
    /// # Errors
    /// As of [`Self::add`].
    pub fn give(&mut self, at: String, card: Card, clinic: String, row: String) -> Result<(), LedgerError> {
        self.append(Entry {
            n: 0,
            at,
            image: String::new(),
            clinic: Some(clinic),
            row: Some(row),
            card,
            result: PROVISIONED.to_owned(),
            before: String::new(),
        })
    }

    /// Numbers and chains a line.
    fn append(&mut self, entry: Entry) -> Result<(), LedgerError> {
        let entry = Entry {
            n: self.entries.len() as u64 + 1,
            before: self.last_hash.clone(),
            ..entry
        };
        let line = serde_json::to_string(&entry).map_err(io::Error::from)?;
        let end = self.file.seek(SeekFrom::End(0))?;
        let written = self
            .file
            .write_all(format!("{line}\n").as_bytes())
            .and_then(|()| self.file.sync_data());
        if let Err(error) = written {
            // Half a line would be taken for a change.
            let _ = self.file.set_len(end);
            return Err(error.into());
        }
        self.last_hash = hash(&line);
        self.entries.push(entry);
        Ok(())
    }
}

fn hash(line: &str) -> String {
    hex::encode(Sha256::digest(line.as_bytes()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn card(register: &str) -> Card {
        Card {
            model: "Reader".to_owned(),
            serial: None,
            register: Some(register.to_owned()),
            bytes: 32_000_000_000,
        }
    }

    fn add(ledger: &mut Ledger, register: &str, result: &str) {
        ledger
            .add(
                "2026-11-26T08:00:00Z".to_owned(),
                "aa".to_owned(),
                card(register),
                result,
            )
            .unwrap();
    }

    #[test]
    fn a_card_made_ready_before_is_known_and_a_failed_one_is_not() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("cards.jsonl");
        let mut ledger = Ledger::open(&path).unwrap();
        add(&mut ledger, "one", "ready");
        add(&mut ledger, "two", "worn");
        assert!(Ledger::open(&path).is_err(), "one process at a time");
        drop(ledger);
        let ledger = Ledger::open(&path).unwrap();
        assert_eq!(ledger.made_before(&card("one")).unwrap().n, 1);
        assert_eq!(ledger.made_before(&card("two")), None);
    }

    #[test]
    fn a_changed_or_missing_line_is_named_and_a_torn_one_is_left_out() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("cards.jsonl");
        let mut ledger = Ledger::open(&path).unwrap();
        for register in ["one", "two", "three"] {
            add(&mut ledger, register, "ready");
        }
        drop(ledger);
        let text = std::fs::read_to_string(&path).unwrap();
        let lines: Vec<&str> = text.lines().collect();
        let open = |text: String| {
            std::fs::write(&path, text).unwrap();
            Ledger::open(&path)
        };
        let taken_out = open(format!("{}\n{}\n", lines[0], lines[2]));
        assert!(matches!(taken_out, Err(LedgerError::Broken { line: 2 })));
        let changed = open(text.replacen("\"ready\"", "\"worn\"", 1));
        assert!(
            matches!(changed, Err(LedgerError::Broken { line: 2 })),
            "told by the line after it"
        );
        let mut torn = open(format!("{text}{{\"n\":4,\"at\"")).unwrap();
        add(&mut torn, "four", "ready");
        drop(torn);
        assert_eq!(Ledger::open(&path).unwrap().entries().len(), 4);
    }
}

//! `inspect`: which partitions a disk image has, what is in them, and whether the image is whole.

use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom};
use std::path::Path;

use anyhow::{Context, Result, bail};
use serde_json::{Value, json};

use crate::file_systems::{FileSystem, HEAD_LEN, recognise};

/// Bytes of a sector as partition tables of card images count them.
pub const SECTOR_LEN: u64 = 512;
/// Most GPT entries that are looked at; the standard's usual table has 128.
pub const GPT_ENTRIES_MAX: u32 = 1024;

/// What an image holds.
#[derive(Debug)]
pub struct Inspection {
    /// Size of the file in bytes.
    pub bytes: u64,
    /// `mbr`, `gpt`, or `none` where the image is one bare file system.
    pub table: &'static str,
    /// The partitions in the order of the table.
    pub partitions: Vec<Partition>,
}

/// A partition of an image.
#[derive(Debug)]
pub struct Partition {
    /// Number in the table, from 1; 0 for a bare file system.
    pub number: usize,
    /// Type as the table names it: an MBR byte (`0x0c`) or a GPT type id.
    pub kind: String,
    /// First byte in the image.
    pub start: u64,
    /// Length in bytes.
    pub bytes: u64,
    /// Whether the partition ends after the file does: the image was cut short.
    pub cut_short: bool,
    /// What is in it, where that is known here.
    pub file_system: Option<FileSystem>,
}

/// Looks into the image at `path`.
///
/// # Errors
/// Where the file cannot be read, or is neither a disk image nor a file system known here.
pub fn inspect(path: &Path) -> Result<Inspection> {
    let mut image = File::open(path).with_context(|| format!("cannot open {}", path.display()))?;
    let bytes = image
        .seek(SeekFrom::End(0))
        .with_context(|| format!("cannot read {}", path.display()))?;
    let (table, entries) = partition_table(&mut image, bytes)?;
    let partitions = entries
        .into_iter()
        .map(|entry| look_into(&mut image, bytes, entry))
        .collect::<io::Result<Vec<_>>>()
        .with_context(|| format!("cannot read {}", path.display()))?;
    Ok(Inspection {
        bytes,
        table,
        partitions,
    })
}

struct Entry {
    number: usize,
    kind: String,
    start: u64,
    bytes: u64,
}

fn partition_table(image: &mut File, bytes: u64) -> Result<(&'static str, Vec<Entry>)> {
    if recognise(&head_at(image, 0)?).is_some() {
        return Ok((
            "none",
            vec![Entry {
                number: 0,
                kind: String::new(),
                start: 0,
                bytes,
            }],
        ));
    }
    if let Some(entries) = gpt_entries(image) {
        return Ok(("gpt", entries));
    }
    image.seek(SeekFrom::Start(0))?;
    let Ok(table) = mbrman::MBRHeader::read_from(image) else {
        bail!("no partition table and no known file system: not a disk image, or cut off at its very start");
    };
    let used = table.iter().filter(|(_, entry)| entry.is_used());
    let entries = used.map(|(number, entry)| Entry {
        number,
        kind: format!("0x{:02x}", entry.sys),
        start: u64::from(entry.starting_lba) * SECTOR_LEN,
        bytes: u64::from(entry.sectors) * SECTOR_LEN,
    });
    Ok(("mbr", entries.collect()))
}

/// The used entries of a GPT; `None` where there is none, or one that claims absurd numbers.
fn gpt_entries(image: &mut File) -> Option<Vec<Entry>> {
    image.seek(SeekFrom::Start(SECTOR_LEN)).ok()?;
    let header = gptman::GPTHeader::read_from(image).ok()?;
    if header.number_of_partition_entries > GPT_ENTRIES_MAX {
        return None;
    }
    image.seek(SeekFrom::Start(0)).ok()?;
    let table = gptman::GPT::read_from(image, SECTOR_LEN).ok()?;
    let used = table.iter().filter(|(_, entry)| entry.is_used());
    let entries = used.filter_map(|(number, entry)| {
        Some(Entry {
            number: usize::try_from(number).ok()?,
            kind: guid_text(entry.partition_type_guid),
            start: entry.starting_lba.checked_mul(SECTOR_LEN)?,
            bytes: entry.size().ok()?.checked_mul(SECTOR_LEN)?,
        })
    });
    Some(entries.collect())
}

/// The text form of a GUID: its first three groups are stored with the low byte first (UEFI, appendix A).
fn guid_text(stored: [u8; 16]) -> String {
    const ORDER: [usize; 16] = [3, 2, 1, 0, 5, 4, 7, 6, 8, 9, 10, 11, 12, 13, 14, 15];
    let mut text = String::new();
    for (place, index) in ORDER.into_iter().enumerate() {
        if matches!(place, 4 | 6 | 8 | 10) {
            text.push('-');
        }
        text.push_str(&format!("{:02x}", stored[index]));
    }
    text
}

fn head_at(image: &mut File, start: u64) -> io::Result<Vec<u8>> {
    image.seek(SeekFrom::Start(start))?;
    let mut head = Vec::with_capacity(HEAD_LEN);
    image.by_ref().take(HEAD_LEN as u64).read_to_end(&mut head)?;
    Ok(head)
}

fn look_into(image: &mut File, image_bytes: u64, entry: Entry) -> io::Result<Partition> {
    let Entry {
        number,
        kind,
        start,
        bytes,
    } = entry;
    let mut head = head_at(image, start)?;
    head.truncate(usize::try_from(bytes).unwrap_or(HEAD_LEN));
    let cut_short = start.checked_add(bytes).is_none_or(|end| end > image_bytes);
    Ok(Partition {
        number,
        kind,
        start,
        bytes,
        cut_short,
        file_system: recognise(&head),
    })
}

impl Inspection {
    /// Whether the file ends before one of its partitions does.
    pub fn cut_short(&self) -> bool {
        self.partitions.iter().any(|partition| partition.cut_short)
    }

    /// The inspection as one JSON object; sizes in bytes, what is not known null.
    pub fn to_json(&self) -> Value {
        let partitions: Vec<Value> = self.partitions.iter().map(Partition::to_json).collect();
        json!({
            "bytes": self.bytes,
            "table": self.table,
            "cut_short": self.cut_short(),
            "partitions": partitions,
        })
    }

    /// The inspection as lines for a person.
    pub fn to_text(&self) -> String {
        let mut text = format!("{} bytes, partition table: {}\n", self.bytes, self.table);
        for partition in &self.partitions {
            text.push_str(&partition.to_text());
        }
        if self.cut_short() {
            text.push_str("The image is cut short: it ends before its last partition does.\n");
        }
        text
    }
}

impl Partition {
    fn to_json(&self) -> Value {
        let file_system = self.file_system.as_ref();
        json!({
            "number": self.number,
            "type": self.kind,
            "start": self.start,
            "bytes": self.bytes,
            "cut_short": self.cut_short,
            "file_system": file_system.map(|found| found.name),
            "label": file_system.and_then(|found| found.label.as_deref()),
            "file_system_bytes": file_system.and_then(|found| found.bytes),
        })
    }

    fn to_text(&self) -> String {
        let content = match &self.file_system {
            None => "unknown content".to_owned(),
            Some(found) => {
                let label = found
                    .label
                    .as_ref()
                    .map_or(String::new(), |label| format!(" \"{label}\""));
                let size = found
                    .bytes
                    .map_or(String::new(), |bytes| format!(", {bytes} bytes"));
                format!("{}{label}{size}", found.name)
            }
        };
        let Self {
            number,
            kind,
            start,
            bytes,
            ..
        } = self;
        let mark = if self.cut_short { "  CUT SHORT" } else { "" };
        format!("{number:>3}  {kind:<38}start {start:>13}  {bytes:>13} bytes  {content}{mark}\n")
    }
}

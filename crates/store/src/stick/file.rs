//! The file on the stick: sections of a tag, a length and bytes, then who wrote it and a signature over all before;
//! the whole encrypted to its receiver.

use std::fs::{self, File};
use std::io::{self, BufReader, BufWriter, Read, Write as _};
use std::path::{Path, PathBuf};

use age::stream::{StreamReader, StreamWriter};
use sync_core::identity::{Actor, SIGNATURE_LEN};

use super::{StickError, failed};
use crate::backup::{Draft, sync_parent_of};
use crate::sealing::{OpeningKey, SealFault, SealKey, seal, unreadable, unseal};

/// First bytes of the content, with the version of the layout.
const MAGIC: &[u8; 15] = b"clinic-stick 1\n";
/// Ends the sections.
const END: u8 = 0;
/// Longest section: a message of the link with its lane.
const SECTION_MAX: usize = 4 * 1024 * 1024 + 64;
/// Longest head.
const HEAD_MAX: usize = 16 * 1024;
/// Bytes of all acknowledgements, which are held in memory.
const ANSWERS_BYTES_MAX: usize = 16 * 1024 * 1024;

/// Which way a file goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Direction {
    ToHub,
    ToBox,
}

impl Direction {
    fn byte(self) -> u8 {
        match self {
            Self::ToHub => 1,
            Self::ToBox => 2,
        }
    }
}

/// What a section is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Tag {
    /// Who the box is and what it holds.
    Head,
    /// An acknowledgement.
    Answer,
    /// A message.
    Entry,
}

impl Tag {
    fn byte(self) -> u8 {
        match self {
            Self::Head => 1,
            Self::Answer => 2,
            Self::Entry => 3,
        }
    }

    fn from_byte(byte: u8) -> Option<Self> {
        [Self::Head, Self::Answer, Self::Entry]
            .into_iter()
            .find(|tag| tag.byte() == byte)
    }
}

/// A file that is being written; it gets its name when it is finished.
pub(super) struct StickWriter {
    out: StreamWriter<BufWriter<File>>,
    digest: blake3::Hasher,
    draft: Draft,
    path: PathBuf,
}

impl StickWriter {
    pub(super) fn begin(path: &Path, to: &SealKey, direction: Direction) -> Result<Self, StickError> {
        let draft = Draft::of(path);
        let file = File::create(&draft.0).map_err(failed(&draft.0))?;
        let mut writer = Self {
            out: seal(BufWriter::new(file), std::slice::from_ref(to))?,
            digest: blake3::Hasher::new(),
            draft,
            path: path.to_owned(),
        };
        writer.write(MAGIC).map_err(failed(path))?;
        writer.write(&[direction.byte()]).map_err(failed(path))?;
        Ok(writer)
    }

    fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.digest.update(bytes);
        self.out.write_all(bytes)
    }

    pub(super) fn put(&mut self, tag: Tag, bytes: &[u8]) -> io::Result<()> {
        let length = u32::try_from(bytes.len()).map_err(|_| io::ErrorKind::InvalidInput)?;
        self.write(&[tag.byte()])?;
        self.write(&length.to_le_bytes())?;
        self.write(bytes)
    }

    /// Signs the file, brings it to the medium and gives it its name. Returns that and the bytes.
    pub(super) fn finish(
        mut self,
        sign: impl FnOnce([u8; 32]) -> (Actor, [u8; SIGNATURE_LEN]),
    ) -> Result<(PathBuf, u64), StickError> {
        let path = self.path;
        self.digest.update(&[END]);
        let (actor, signature) = sign(*self.digest.finalize().as_bytes());
        let mut last = vec![END];
        last.extend_from_slice(&actor.to_bytes());
        last.extend_from_slice(&signature);
        self.out.write_all(&last).map_err(failed(&path))?;
        let out = self.out.finish().map_err(failed(&path))?;
        let file = out
            .into_inner()
            .map_err(|error| failed(&path)(error.into_error()))?;
        file.sync_all().map_err(failed(&path))?;
        let bytes = file.metadata().map_err(failed(&path))?.len();
        fs::rename(&self.draft.0, &path).map_err(failed(&path))?;
        sync_parent_of(&path).map_err(failed(&path))?;
        Ok((path, bytes))
    }
}

/// A file whose content was read to its end once.
pub(super) struct Contents {
    path: PathBuf,
    key: OpeningKey,
    direction: Direction,
    pub(super) head: Option<Vec<u8>>,
    pub(super) answers: Vec<Vec<u8>>,
    pub(super) actor: Actor,
    pub(super) digest: [u8; 32],
    pub(super) signature: [u8; SIGNATURE_LEN],
}

impl Contents {
    /// Reads a file to its end: whole, for this key, in this direction. Whose signature it bears is for the caller
    /// to check.
    pub(super) fn check(path: &Path, key: OpeningKey, direction: Direction) -> Result<Self, StickError> {
        let mut sections = Sections::open(path, &key, direction)?;
        let (mut head, mut answers, mut answer_bytes) = (None, Vec::new(), 0);
        while let Some((tag, bytes)) = sections.next_section()? {
            match tag {
                Tag::Head if head.is_none() && bytes.len() <= HEAD_MAX => head = Some(bytes),
                Tag::Head => return Err(StickError::NotForHere),
                Tag::Answer => {
                    answer_bytes += bytes.len();
                    if answer_bytes > ANSWERS_BYTES_MAX {
                        return Err(StickError::NotForHere);
                    }
                    answers.push(bytes);
                }
                Tag::Entry => {}
            }
        }
        let digest = *sections.digest.finalize().as_bytes();
        let mut actor = [0; 16];
        let mut signature = [0; SIGNATURE_LEN];
        sections.read(&mut actor)?;
        sections.read(&mut signature)?;
        if sections.from.read(&mut [0]).map_err(unreadable)? != 0 {
            return Err(SealFault::Damaged.into());
        }
        Ok(Self {
            path: path.to_owned(),
            key,
            direction,
            head,
            answers,
            actor: Actor::from_slice(&actor).ok_or(StickError::NotForHere)?,
            digest,
            signature,
        })
    }

    /// The messages, one after the other.
    pub(super) fn entries(
        &self,
    ) -> Result<impl Iterator<Item = io::Result<Vec<u8>>> + Send + use<>, StickError> {
        let mut sections = Sections::open(&self.path, &self.key, self.direction)?;
        Ok(std::iter::from_fn(move || {
            loop {
                match sections.next_section() {
                    Ok(Some((Tag::Entry, bytes))) => return Some(Ok(bytes)),
                    Ok(Some(_)) => {}
                    Ok(None) => return None,
                    Err(error) => return Some(Err(io::Error::other(error))),
                }
            }
        }))
    }
}

struct Sections<R> {
    from: R,
    digest: blake3::Hasher,
}

impl Sections<StreamReader<BufReader<File>>> {
    fn open(path: &Path, key: &OpeningKey, direction: Direction) -> Result<Self, StickError> {
        let file = File::open(path).map_err(failed(path))?;
        let opened = unseal(BufReader::new(file), std::slice::from_ref(key))?;
        Self::begin(opened, direction)
    }
}

impl<R: Read> Sections<R> {
    fn begin(from: R, direction: Direction) -> Result<Self, StickError> {
        let mut sections = Self {
            from,
            digest: blake3::Hasher::new(),
        };
        let mut start = [0; MAGIC.len() + 1];
        sections.read(&mut start)?;
        if start[..MAGIC.len()] != *MAGIC || start[MAGIC.len()] != direction.byte() {
            return Err(StickError::NotForHere);
        }
        Ok(sections)
    }

    fn read(&mut self, bytes: &mut [u8]) -> Result<(), StickError> {
        self.from.read_exact(bytes).map_err(unreadable)?;
        self.digest.update(bytes);
        Ok(())
    }

    fn next_section(&mut self) -> Result<Option<(Tag, Vec<u8>)>, StickError> {
        let mut tag = [0];
        self.read(&mut tag)?;
        if tag == [END] {
            return Ok(None);
        }
        let tag = Tag::from_byte(tag[0]).ok_or(StickError::NotForHere)?;
        let mut length = [0; 4];
        self.read(&mut length)?;
        let length = u32::from_le_bytes(length) as usize;
        if length > SECTION_MAX {
            return Err(StickError::NotForHere);
        }
        let mut bytes = vec![0; length];
        self.read(&mut bytes)?;
        Ok(Some((tag, bytes)))
    }
}

/// One run of a fuzzer: the bytes as an encrypted file, and as what such a file holds.
pub fn fuzz_one(bytes: &[u8]) {
    if let Ok(key) = OpeningKey::from_secret(&[1; 32])
        && let Ok(mut opened) = unseal(bytes, &[key])
    {
        let _ = io::copy(&mut opened, &mut io::sink());
    }
    for direction in [Direction::ToHub, Direction::ToBox] {
        let Ok(mut sections) = Sections::begin(bytes, direction) else {
            continue;
        };
        while let Ok(Some((_, section))) = sections.next_section() {
            assert!(section.len() <= bytes.len(), "a section longer than its file");
        }
    }
}

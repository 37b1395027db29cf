//! A bundle that arrives piece by piece: judged by its first bytes, checked as it comes, fetched on where a line died.

use std::fs::File;
use std::io::{self, Cursor, Read, Seek, SeekFrom, Write};

use sha2::{Digest, Sha256};

use super::{BundleFault, HEAD_MAX, Manifest, Taker, head};
use crate::signed::PublicKey;
use crate::state::Version;

/// What a bundle arrives in: a file that can be shortened.
pub trait Shorten: Read + Write + Seek {
    /// Forgets what lies behind so many bytes.
    ///
    /// # Errors
    /// What the system says.
    fn shorten(&mut self, len: u64) -> io::Result<()>;
}

impl Shorten for File {
    fn shorten(&mut self, len: u64) -> io::Result<()> {
        self.set_len(len)?;
        self.sync_all()
    }
}

impl Shorten for Cursor<Vec<u8>> {
    fn shorten(&mut self, len: u64) -> io::Result<()> {
        self.get_mut()
            .truncate(usize::try_from(len).unwrap_or(usize::MAX));
        Ok(())
    }
}

/// A bundle that arrives, in a file that survives restarts.
#[derive(Debug)]
pub struct Arrival<F> {
    file: F,
    len: u64,
    keys: Vec<PublicKey>,
    head: Option<(Manifest, u64)>,
}

impl<F: Shorten> Arrival<F> {
    /// Goes on with what is in the file; pieces that are damaged there, and what follows them, are forgotten.
    ///
    /// # Errors
    /// [`BundleFault`], where these are no bytes of a bundle for this box.
    pub fn go_on(file: F, keys: &[PublicKey], taker: &Taker<'_>) -> Result<Self, BundleFault> {
        let mut arrival = Self {
            file,
            len: 0,
            keys: keys.to_vec(),
            head: None,
        };
        arrival.len = arrival.file.seek(SeekFrom::End(0))?;
        arrival.judge_head(taker)?;
        if let Some((manifest, body)) = arrival.head.clone() {
            for (at, len, hash) in manifest.pieces() {
                if !arrival.check(body + at, len, hash)? {
                    break;
                }
            }
        }
        Ok(arrival)
    }

    /// The next byte that is wanted.
    pub fn wants(&self) -> u64 {
        self.len
    }

    /// Bytes of the whole bundle; `None` before its manifest is there.
    pub fn needs(&self) -> Option<u64> {
        self.head
            .as_ref()
            .map(|(manifest, body)| body + manifest.body_len())
    }

    /// The version that it brings; `None` before its manifest is there.
    pub fn version(&self) -> Option<Version> {
        self.head.as_ref().map(|(manifest, _)| manifest.system.version)
    }

    /// Whether all of it is there.
    pub fn is_whole(&self) -> bool {
        self.needs() == Some(self.len)
    }

    /// Takes the next bytes. A bundle that is not for this box is refused with its first bytes; a damaged piece is
    /// forgotten and wanted again.
    ///
    /// # Errors
    /// [`BundleFault`].
    pub fn take(&mut self, bytes: &[u8], taker: &Taker<'_>) -> Result<(), BundleFault> {
        let room = self.needs().map_or(u64::MAX, |needs| needs - self.len);
        if bytes.len() as u64 > room {
            return Err(BundleFault::Length {
                has: self.len + bytes.len() as u64,
                needs: self.len + room,
            });
        }
        let before = self.len;
        self.file.seek(SeekFrom::Start(self.len))?;
        self.file.write_all(bytes)?;
        self.len += bytes.len() as u64;
        if self.head.is_none() {
            self.judge_head(taker)?;
        }
        let Some((manifest, body)) = self.head.clone() else {
            return Ok(());
        };
        // A piece that was whole before these bytes was checked then.
        let fresh = manifest.pieces().filter(|(at, len, _)| body + at + len > before);
        for (at, len, hash) in fresh {
            if body + at + len > self.len {
                break;
            }
            if !self.check(body + at, len, hash)? {
                return Err(BundleFault::Damaged { at: body + at });
            }
        }
        Ok(())
    }

    /// The bundle's file, on the medium, without what was left in it behind the bytes that count.
    ///
    /// # Errors
    /// What the system says.
    pub fn into_file(mut self) -> io::Result<F> {
        self.file.shorten(self.len)?;
        Ok(self.file)
    }

    fn judge_head(&mut self, taker: &Taker<'_>) -> Result<(), BundleFault> {
        self.file.seek(SeekFrom::Start(0))?;
        let mut bytes = Vec::new();
        (&mut self.file)
            .take(self.len.min(HEAD_MAX as u64 + 1))
            .read_to_end(&mut bytes)?;
        let found = head(&bytes, &self.keys)?;
        if let Some((manifest, body)) = &found {
            manifest.judge(taker)?;
            // A file that was left from before may hold more than the bundle.
            self.len = self.len.min(body + manifest.body_len());
        }
        self.head = found;
        Ok(())
    }

    /// Whether a piece is there and whole; a damaged one and all behind it are forgotten.
    fn check(&mut self, at: u64, len: u64, hash: [u8; 32]) -> Result<bool, BundleFault> {
        if at + len > self.len {
            return Ok(false);
        }
        let mut bytes = vec![0; len as usize];
        self.file.seek(SeekFrom::Start(at))?;
        self.file.read_exact(&mut bytes)?;
        let is_whole = <[u8; 32]>::from(Sha256::digest(&bytes)) == hash;
        if !is_whole {
            self.len = at;
        }
        Ok(is_whole)
    }
}

//! Makes the new partition of the old one and a difference, from its first byte to its last.

use std::cell::RefCell;
use std::io::{self, BufReader, Read, Seek, SeekFrom};

use super::code::{AHEAD, Foretelling, WORD};
use super::{HEAD, Plan, SECTIONS, Step, WINDOW_LOG_MAX, ill, needed, number};
use crate::device::{BLOCK, BlockDevice};
use crate::mbr::Extent;
use crate::slots::{SlotFault, Source};
use crate::verity::Maker;

/// Bytes of the old partition that are held at once.
const PIECE: u64 = 64 << 10;

/// A part of a file that others read too.
#[derive(Debug)]
struct Section<'f, F> {
    file: &'f RefCell<F>,
    at: u64,
    end: u64,
}

impl<F: Read + Seek> Read for Section<'_, F> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        let len = (into.len() as u64).min(self.end - self.at) as usize;
        let mut file = self.file.borrow_mut();
        file.seek(SeekFrom::Start(self.at))?;
        let done = file.read(&mut into[..len])?;
        self.at += done as u64;
        Ok(done)
    }
}

type Unpacked<'f, F> = BufReader<zstd::stream::read::Decoder<'static, BufReader<Section<'f, F>>>>;

fn unpacked<F: Read + Seek>(section: Section<'_, F>) -> io::Result<Unpacked<'_, F>> {
    let mut decoder = zstd::stream::read::Decoder::new(section)?;
    decoder.window_log_max(WINDOW_LOG_MAX)?;
    Ok(BufReader::new(decoder))
}

/// The new partition while it is made.
pub struct Unpacking<'f, F> {
    /// The old partition; empty for a whole one.
    old: Extent,
    plan: Plan,
    places: Unpacked<'f, F>,
    fixes: Unpacked<'f, F>,
    new: Unpacked<'f, F>,
    /// The step that is done, and its first byte in the new partition.
    step: usize,
    made: u64,
    /// What is left of it.
    left: Step,
    foretelling: Foretelling,
    /// Bytes that are right, then bytes that are not, until the next two numbers; `None` after the last.
    right: Option<u64>,
    wrong: u64,
    ready: Vec<u8>,
    taken: usize,
    /// What was read of the old partition last.
    window: Vec<u8>,
    window_at: u64,
    tail: Tail,
}

/// What comes behind the steps.
enum Tail {
    Nothing,
    /// The file system passes by; the block that is not full yet.
    Making(Box<Maker>, Vec<u8>),
    /// Tree and parity, and how much of them was given.
    Made(Vec<u8>, usize),
}

impl<'f, F: Read + Seek> Unpacking<'f, F> {
    /// Begins with a difference of `len` bytes that begins at byte `at` of a file. `old` is where the old partition's
    /// content lies, empty for none; `new_len` is the length of the new one.
    ///
    /// # Errors
    /// Where the file cannot be read or the difference cannot be.
    pub fn new(file: &'f RefCell<F>, at: u64, len: u64, old: Extent, new_len: u64) -> io::Result<Self> {
        let mut head = [0; HEAD];
        Section {
            file,
            at,
            end: at + len,
        }
        .read_exact(&mut head)?;
        let mut from = HEAD as u64;
        let mut sections = Vec::with_capacity(SECTIONS);
        for bytes in head.as_chunks().0 {
            let end = from.checked_add(u64::from_le_bytes(*bytes));
            let end = end
                .filter(|end| *end <= len)
                .ok_or_else(|| ill("its sections are longer than it is"))?;
            sections.push(unpacked(Section {
                file,
                at: at + from,
                end: at + end,
            })?);
            from = end;
        }
        let mut sections = sections.into_iter();
        let mut next = || sections.next().ok_or_else(|| ill("it has too few sections"));
        let plan = Plan::read(&mut next()?, old.len, new_len)?;
        let tail = match &plan.sealed {
            None => Tail::Nothing,
            Some((blocks, seed)) => {
                let maker = Maker::new(*blocks, seed).map_err(|error| ill(&error.to_string()))?;
                Tail::Making(Box::new(maker), Vec::new())
            }
        };
        let mut unpacking = Self {
            old,
            plan,
            places: next()?,
            fixes: next()?,
            new: next()?,
            step: 0,
            made: 0,
            left: Step::default(),
            foretelling: Foretelling::default(),
            right: Some(0),
            wrong: 0,
            ready: Vec::new(),
            taken: 0,
            window: Vec::new(),
            window_at: 0,
            tail,
        };
        unpacking.begin(0);
        Ok(unpacking)
    }

    fn begin(&mut self, step: usize) {
        self.step = step;
        self.left = self.plan.steps.get(step).copied().unwrap_or_default();
        self.foretelling = Foretelling::default();
    }

    /// Some of the next bytes, at least one where any is left.
    fn some(&mut self, device: &mut impl BlockDevice, into: &mut [u8]) -> Result<usize, SlotFault> {
        loop {
            if self.taken < self.ready.len() {
                let bytes = &self.ready[self.taken..];
                let len = bytes.len().min(into.len());
                into[..len].copy_from_slice(&bytes[..len]);
                self.taken += len;
                return Ok(len);
            }
            if self.left.copied > 0 {
                self.copy(device)?;
            } else if self.left.new > 0 {
                let len = self.left.new.min(into.len() as u64) as usize;
                self.new.read_exact(&mut into[..len])?;
                self.left.new -= len as u64;
                self.made += len as u64;
                return Ok(len);
            } else if self.step < self.plan.steps.len() {
                self.begin(self.step + 1);
            } else {
                return Ok(0);
            }
        }
    }

    /// Makes the next piece of the copied stretch ready.
    fn copy(&mut self, device: &mut impl BlockDevice) -> Result<(), SlotFault> {
        let Step {
            old, copied, is_code, ..
        } = self.left;
        // Pieces end at whole instructions, so that each is foretold as a part of the whole stretch.
        let len = copied.min(PIECE - old % WORD as u64) as usize;
        let ahead = if is_code {
            (AHEAD as u64).min(copied - len as u64) as usize
        } else {
            0
        };
        self.read_old(device, old, len + ahead)?;
        if is_code {
            self.foretelling
                .foretell(&self.plan.places, old, self.made, &mut self.ready, len);
        }
        self.ready.truncate(len);
        self.taken = 0;
        self.fix()?;
        self.left.old += len as u64;
        self.left.copied -= len as u64;
        self.made += len as u64;
        Ok(())
    }

    fn read_old(&mut self, device: &mut impl BlockDevice, at: u64, len: usize) -> Result<(), SlotFault> {
        let end = at + len as u64;
        if at < self.window_at || end > self.window_at + self.window.len() as u64 {
            // Steps that follow each other are often near each other.
            let (from, until) = (at / BLOCK * BLOCK, (at + PIECE).max(end).next_multiple_of(BLOCK));
            let until = until.min(self.old.len.next_multiple_of(BLOCK));
            self.window.resize((until - from) as usize, 0);
            self.window_at = from;
            device.read_at(self.old.at + from, &mut self.window)?;
        }
        let from = (at - self.window_at) as usize;
        self.ready.clear();
        self.ready.extend_from_slice(&self.window[from..from + len]);
        Ok(())
    }

    /// Puts right what was copied.
    fn fix(&mut self) -> io::Result<()> {
        let mut at = 0;
        while at < self.ready.len() {
            let here = self.ready.len() - at;
            match &mut self.right {
                None => return Ok(()),
                Some(right) if *right > 0 => {
                    let len = (here as u64).min(*right);
                    *right -= len;
                    at += len as usize;
                }
                Some(_) if self.wrong > 0 => {
                    let len = (here as u64).min(self.wrong);
                    for byte in &mut self.ready[at..at + len as usize] {
                        let mut fix = [0];
                        self.fixes.read_exact(&mut fix)?;
                        *byte = byte.wrapping_add(fix[0]);
                    }
                    self.wrong -= len;
                    at += len as usize;
                }
                Some(_) => {
                    self.right = number(&mut self.places)?;
                    if self.right.is_some() {
                        self.wrong = needed(&mut self.places)?;
                    }
                    if self.right == Some(0) && self.wrong == 0 {
                        return Err(ill("it fixes nothing"));
                    }
                }
            }
        }
        Ok(())
    }

    /// Has tree and parity made of what passes by.
    fn pass(&mut self, mut bytes: &[u8]) {
        let Tail::Making(maker, block) = &mut self.tail else {
            return;
        };
        while !bytes.is_empty() {
            let (part, rest) = bytes.split_at(bytes.len().min(BLOCK as usize - block.len()));
            block.extend_from_slice(part);
            bytes = rest;
            if let Ok(whole) = block.as_slice().try_into() {
                maker.take(whole);
                block.clear();
            }
        }
    }

    fn tail(&mut self, into: &mut [u8]) -> usize {
        if let Tail::Making(..) = self.tail
            && let Tail::Making(maker, _) = std::mem::replace(&mut self.tail, Tail::Nothing)
        {
            self.tail = Tail::Made(maker.finish().trailer, 0);
        }
        let Tail::Made(trailer, given) = &mut self.tail else {
            return 0;
        };
        let len = (trailer.len() - *given).min(into.len());
        into[..len].copy_from_slice(&trailer[*given..*given + len]);
        *given += len;
        len
    }
}

impl<D: BlockDevice, F: Read + Seek> Source<D> for Unpacking<'_, F> {
    fn fill(&mut self, device: &mut D, into: &mut [u8]) -> Result<(), SlotFault> {
        let mut done = 0;
        while done < into.len() {
            let mut len = self.some(device, &mut into[done..])?;
            if len == 0 {
                len = self.tail(&mut into[done..]);
            } else {
                self.pass(&into[done..done + len]);
            }
            if len == 0 {
                return Err(ill("it ends too soon").into());
            }
            done += len;
        }
        Ok(())
    }
}

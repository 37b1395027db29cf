//! Finds frames in a byte stream. One bounded buffer, one rule for all protocols: after a bad frame the search
//! goes on at the byte after the failed start, so one damaged frame never takes its neighbours with it.

/// Most bytes of a reject that are kept.
pub const REJECT_BYTES_MAX: usize = 64;

/// Who speaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Direction {
    /// The device answers or pushes.
    #[default]
    FromDevice,
    /// The host commands.
    FromHost,
}

/// Why bytes were refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum RejectReason {
    /// Bytes that cannot begin a frame.
    Junk,
    /// Wrong length, or a length field beyond the largest real frame.
    Length,
    /// Check byte or sum does not fit.
    Checksum,
    /// Something else stands where digits or blanks must.
    Digits,
    /// No real date or time.
    Timestamp,
    /// A separator is not in its place, or an unknown field layout.
    Layout,
    /// A frame ended early: another began inside it, or the line fell silent.
    Truncated,
    /// A line end that is only half there.
    Terminator,
    /// The monitor is set to another output format.
    OutputFormat,
    /// A text that is not in the card's encoding.
    Encoding,
}

impl RejectReason {
    /// The word in logs and JSON.
    pub fn word(self) -> &'static str {
        match self {
            Self::Junk => "junk",
            Self::Length => "length",
            Self::Checksum => "checksum",
            Self::Digits => "digits",
            Self::Timestamp => "timestamp",
            Self::Layout => "layout",
            Self::Truncated => "truncated",
            Self::Terminator => "terminator",
            Self::OutputFormat => "output_format",
            Self::Encoding => "encoding",
        }
    }
}

/// What stands at the beginning of the buffer.
#[derive(Debug)]
pub enum Scan<F> {
    /// So far the beginning of a frame.
    More,
    /// A whole frame of `length` bytes.
    Frame {
        /// The frame.
        frame: F,
        /// Its bytes, from the beginning of the buffer.
        length: usize,
    },
    /// A frame began here but is bad; the search goes on at `resume` (at least 1).
    Bad {
        /// Why.
        reason: RejectReason,
        /// Where the search goes on.
        resume: usize,
    },
    /// The first byte cannot begin a frame.
    Skip,
    /// The first bytes are legal filler between frames.
    Filler(usize),
}

/// The rules of one protocol.
pub trait Grammar {
    /// A frame in this protocol's own terms.
    type Frame;
    /// Longest real frame; more bytes than this are never kept.
    const FRAME_MAX: usize;

    /// Looks at a non-empty buffer. `ended` says that no byte will follow for now, which completes frames
    /// with an optional tail.
    fn scan(&mut self, buffer: &[u8], ended: bool) -> Scan<Self::Frame>;
}

/// What a framer found, in the order of the bytes.
#[derive(Debug, PartialEq, Eq)]
pub enum Found<F> {
    /// A checked frame.
    Frame(F),
    /// Bytes that are none; the first [`REJECT_BYTES_MAX`] of them.
    Reject(RejectReason, Vec<u8>),
}

/// Cuts a byte stream into frames; the result does not depend on how the stream was chopped.
#[derive(Debug)]
pub struct Framer<G> {
    grammar: G,
    buffer: Vec<u8>,
    junk: Vec<u8>,
    /// The bytes being skipped belong to a frame that was already refused.
    in_damage: bool,
}

impl<G: Grammar + Default> Default for Framer<G> {
    fn default() -> Self {
        Self {
            grammar: G::default(),
            buffer: Vec::new(),
            junk: Vec::new(),
            in_damage: false,
        }
    }
}

impl<G: Grammar> Framer<G> {
    /// A framer with rules that carry a setting.
    pub fn with(grammar: G) -> Self {
        Self {
            grammar,
            buffer: Vec::new(),
            junk: Vec::new(),
            in_damage: false,
        }
    }

    /// Takes bytes and gives what they completed.
    pub fn feed(&mut self, bytes: &[u8]) -> Vec<Found<G::Frame>> {
        let mut found = Vec::new();
        for &byte in bytes {
            self.buffer.push(byte);
            self.search(false, &mut found);
        }
        found
    }

    /// Says that the stream paused or ended: half frames are given up, frames with an optional tail complete.
    pub fn finish(&mut self) -> Vec<Found<G::Frame>> {
        let mut found = Vec::new();
        self.search(true, &mut found);
        self.flush_junk(&mut found);
        self.in_damage = false;
        found
    }

    /// Whether bytes wait for the rest of their frame.
    pub fn is_partial(&self) -> bool {
        !self.buffer.is_empty()
    }

    /// Bytes held at the moment, junk included.
    #[cfg(test)]
    pub(crate) fn held(&self) -> usize {
        self.buffer.len() + self.junk.len()
    }

    fn search(&mut self, ended: bool, found: &mut Vec<Found<G::Frame>>) {
        while !self.buffer.is_empty() {
            let scan = match self.grammar.scan(&self.buffer, ended) {
                Scan::More if ended => Scan::Bad {
                    reason: RejectReason::Truncated,
                    resume: 1,
                },
                Scan::More if self.buffer.len() > G::FRAME_MAX => Scan::Bad {
                    reason: RejectReason::Length,
                    resume: 1,
                },
                scan
                @ (Scan::More | Scan::Frame { .. } | Scan::Bad { .. } | Scan::Skip | Scan::Filler(_)) => scan,
            };
            match scan {
                // Junk before this is reported with what it turns out to be, whatever the chunks were.
                Scan::More => return,
                Scan::Frame { frame, length } => {
                    self.flush_junk(found);
                    self.in_damage = false;
                    found.push(Found::Frame(frame));
                    self.drop_front(length);
                }
                Scan::Bad { reason, resume } => {
                    self.flush_junk(found);
                    let kept = self.buffer.len().min(REJECT_BYTES_MAX);
                    if !self.in_damage || reason != RejectReason::Truncated {
                        found.push(Found::Reject(reason, self.buffer[..kept].to_vec()));
                    }
                    // A grammar that names a later place to go on knows where the damage ends.
                    self.in_damage = resume <= 1;
                    self.drop_front(resume.max(1));
                }
                Scan::Skip => {
                    self.skip_byte(found);
                }
                Scan::Filler(length) => self.drop_front(length.max(1)),
            }
        }
    }

    fn skip_byte(&mut self, found: &mut Vec<Found<G::Frame>>) {
        if !self.in_damage {
            self.junk.extend(self.buffer.first());
            if self.junk.len() >= REJECT_BYTES_MAX {
                self.flush_junk(found);
            }
        }
        self.drop_front(1);
    }

    fn flush_junk(&mut self, found: &mut Vec<Found<G::Frame>>) {
        if !self.junk.is_empty() {
            found.push(Found::Reject(RejectReason::Junk, std::mem::take(&mut self.junk)));
        }
    }

    fn drop_front(&mut self, length: usize) {
        self.buffer.drain(..length.min(self.buffer.len()));
    }
}

//! The stream of operations before it is coded: bytes, and at which of them a value of which field begins.

use crate::wire::WireFault;

/// Where a stream is read from.
pub(super) trait Source {
    /// The next byte belongs to a value of this field.
    fn begin(&mut self, field: u32);
    /// The next byte.
    fn take(&mut self) -> Result<u8, WireFault>;

    /// An unsigned number in groups of seven bits, least first.
    fn number(&mut self, field: u32) -> Result<u64, WireFault> {
        self.begin(field);
        let mut value = 0u64;
        for shift in (0..64).step_by(7) {
            let byte = self.take()?;
            let bits = u64::from(byte & 0x7f);
            if shift == 63 && bits > 1 {
                return Err(WireFault::BadValue("number"));
            }
            value |= bits << shift;
            if byte & 0x80 == 0 {
                return Ok(value);
            }
        }
        Err(WireFault::BadValue("number"))
    }

    /// A signed number, zigzag.
    fn signed(&mut self, field: u32) -> Result<i64, WireFault> {
        let value = self.number(field)?;
        Ok((value >> 1).cast_signed() ^ -((value & 1).cast_signed()))
    }

    /// One byte.
    fn byte(&mut self, field: u32) -> Result<u8, WireFault> {
        self.begin(field);
        self.take()
    }

    /// Bytes with their length in front.
    fn bytes(&mut self, field: u32, limit: usize) -> Result<Vec<u8>, WireFault> {
        let length = usize::try_from(self.number(field ^ LENGTH)?).unwrap_or(usize::MAX);
        if length > limit {
            return Err(WireFault::TooLong("bytes"));
        }
        self.begin(field);
        // Grows with what really comes: a stated length alone allocates nothing.
        let mut bytes = Vec::new();
        for _ in 0..length {
            bytes.push(self.take()?);
        }
        Ok(bytes)
    }

    /// Exactly this many bytes.
    fn array<const N: usize>(&mut self, field: u32) -> Result<[u8; N], WireFault> {
        self.begin(field);
        let mut bytes = [0; N];
        for byte in &mut bytes {
            *byte = self.take()?;
        }
        Ok(bytes)
    }

    /// A text up to the byte that no UTF-8 has.
    fn text(&mut self, field: u32, limit: usize) -> Result<String, WireFault> {
        self.begin(field);
        let mut bytes = Vec::new();
        loop {
            match self.take()? {
                TEXT_END => break,
                byte => bytes.push(byte),
            }
            if bytes.len() > limit {
                return Err(WireFault::TooLong("text"));
            }
        }
        String::from_utf8(bytes).map_err(|_| WireFault::BadValue("text"))
    }
}

/// Marks the field of a length.
const LENGTH: u32 = 0x4000_0000;
/// Ends a text; stands in no UTF-8.
const TEXT_END: u8 = 0xff;

/// A stream that was written and not coded yet.
#[derive(Debug, Default, Clone)]
pub(super) struct Tape {
    pub(super) bytes: Vec<u8>,
    /// Places where a value begins, with its field.
    pub(super) begins: Vec<(usize, u32)>,
}

impl Tape {
    pub(super) fn begin(&mut self, field: u32) {
        self.begins.push((self.bytes.len(), field));
    }

    pub(super) fn number(&mut self, field: u32, mut value: u64) {
        self.begin(field);
        while value >= 0x80 {
            self.bytes.push((value & 0x7f) as u8 | 0x80);
            value >>= 7;
        }
        self.bytes.push(value as u8);
    }

    pub(super) fn signed(&mut self, field: u32, value: i64) {
        self.number(field, ((value << 1) ^ (value >> 63)).cast_unsigned());
    }

    pub(super) fn byte(&mut self, field: u32, byte: u8) {
        self.begin(field);
        self.bytes.push(byte);
    }

    pub(super) fn bytes(&mut self, field: u32, bytes: &[u8]) {
        self.number(field ^ LENGTH, bytes.len() as u64);
        self.array(field, bytes);
    }

    pub(super) fn array(&mut self, field: u32, bytes: &[u8]) {
        self.begin(field);
        self.bytes.extend_from_slice(bytes);
    }

    pub(super) fn text(&mut self, field: u32, text: &str) {
        self.begin(field);
        self.bytes.extend_from_slice(text.as_bytes());
        self.bytes.push(TEXT_END);
    }

    /// Reads the tape back.
    pub(super) fn read(&self) -> TapeReader<'_> {
        TapeReader { rest: &self.bytes }
    }
}

/// Reads a tape.
pub(super) struct TapeReader<'a> {
    rest: &'a [u8],
}

impl<'a> TapeReader<'a> {
    pub(super) fn of(bytes: &'a [u8]) -> Self {
        Self { rest: bytes }
    }

    /// Whether all of it was read.
    pub(super) fn is_at_end(&self) -> bool {
        self.rest.is_empty()
    }
}

impl Source for TapeReader<'_> {
    fn begin(&mut self, _: u32) {}

    fn take(&mut self) -> Result<u8, WireFault> {
        let (byte, rest) = self
            .rest
            .split_first()
            .ok_or(WireFault::Truncated("operations"))?;
        self.rest = rest;
        Ok(*byte)
    }
}

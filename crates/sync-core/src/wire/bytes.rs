//! Reading and writing of bounded binary values. Nothing is allocated before its length is checked against
//! both a named limit and the bytes that are really there.

/// Bytes that are not what the wire format asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum WireFault {
    /// The bytes end inside a value.
    #[error("the bytes end inside {0}")]
    Truncated(&'static str),
    /// A length or count is over its limit.
    #[error("{0} is over its limit")]
    TooLong(&'static str),
    /// A value that the format does not have.
    #[error("{0} has a value that the format does not know")]
    BadValue(&'static str),
    /// What the bytes build on is not here; told in full it would be read.
    #[error("{0} is not here")]
    NotHere(&'static str),
    /// Bytes are left over behind a complete value.
    #[error("bytes are left over behind {0}")]
    Trailing(&'static str),
}

/// Takes values from the front of a slice.
#[derive(Debug)]
pub(crate) struct Reader<'a> {
    rest: &'a [u8],
}

impl<'a> Reader<'a> {
    pub(crate) fn new(bytes: &'a [u8]) -> Self {
        Self { rest: bytes }
    }

    pub(crate) fn take(&mut self, len: usize, what: &'static str) -> Result<&'a [u8], WireFault> {
        if len > self.rest.len() {
            return Err(WireFault::Truncated(what));
        }
        let (taken, rest) = self.rest.split_at(len);
        self.rest = rest;
        Ok(taken)
    }

    pub(crate) fn array<const N: usize>(&mut self, what: &'static str) -> Result<[u8; N], WireFault> {
        self.take(N, what)?
            .try_into()
            .map_err(|_| WireFault::Truncated(what))
    }

    pub(crate) fn byte(&mut self, what: &'static str) -> Result<u8, WireFault> {
        Ok(self.array::<1>(what)?[0])
    }

    pub(crate) fn flag(&mut self, what: &'static str) -> Result<bool, WireFault> {
        match self.byte(what)? {
            0 => Ok(false),
            1 => Ok(true),
            _ => Err(WireFault::BadValue(what)),
        }
    }

    /// An unsigned number in groups of seven bits, least first; only the shortest form is taken.
    pub(crate) fn number(&mut self, what: &'static str) -> Result<u64, WireFault> {
        let mut value = 0u64;
        for shift in (0..64).step_by(7) {
            let byte = self.byte(what)?;
            let bits = u64::from(byte & 0x7f);
            if shift == 63 && bits > 1 || byte == 0 && shift > 0 {
                return Err(WireFault::BadValue(what));
            }
            value |= bits << shift;
            if byte & 0x80 == 0 {
                return Ok(value);
            }
        }
        Err(WireFault::BadValue(what))
    }

    pub(crate) fn number_u32(&mut self, what: &'static str) -> Result<u32, WireFault> {
        u32::try_from(self.number(what)?).map_err(|_| WireFault::BadValue(what))
    }

    /// A signed number, zigzag.
    pub(crate) fn signed(&mut self, what: &'static str) -> Result<i64, WireFault> {
        let value = self.number(what)?;
        Ok((value >> 1).cast_signed() ^ -((value & 1).cast_signed()))
    }

    /// A count of items that take at least `each` bytes: checked against `limit` and against the bytes left.
    pub(crate) fn count(
        &mut self,
        limit: usize,
        each: usize,
        what: &'static str,
    ) -> Result<usize, WireFault> {
        let count = usize::try_from(self.number(what)?).map_err(|_| WireFault::TooLong(what))?;
        if count > limit {
            return Err(WireFault::TooLong(what));
        }
        if count.saturating_mul(each.max(1)) > self.rest.len() {
            return Err(WireFault::Truncated(what));
        }
        Ok(count)
    }

    /// Bytes with their length in front.
    pub(crate) fn bytes(&mut self, limit: usize, what: &'static str) -> Result<&'a [u8], WireFault> {
        let len = self.count(limit, 1, what)?;
        self.take(len, what)
    }

    pub(crate) fn text(&mut self, limit: usize, what: &'static str) -> Result<String, WireFault> {
        let bytes = self.bytes(limit, what)?;
        std::str::from_utf8(bytes)
            .map(str::to_owned)
            .map_err(|_| WireFault::BadValue(what))
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.rest.is_empty()
    }

    pub(crate) fn end(self, what: &'static str) -> Result<(), WireFault> {
        if self.is_empty() {
            Ok(())
        } else {
            Err(WireFault::Trailing(what))
        }
    }

    pub(crate) fn remaining(self) -> &'a [u8] {
        self.rest
    }
}

/// Puts values at the end of a buffer.
#[derive(Debug, Default)]
pub(crate) struct Writer {
    pub(crate) bytes: Vec<u8>,
}

impl Writer {
    pub(crate) fn put(&mut self, bytes: &[u8]) {
        self.bytes.extend_from_slice(bytes);
    }

    pub(crate) fn byte(&mut self, byte: u8) {
        self.bytes.push(byte);
    }

    pub(crate) fn flag(&mut self, flag: bool) {
        self.byte(u8::from(flag));
    }

    pub(crate) fn number(&mut self, mut value: u64) {
        loop {
            let bits = (value & 0x7f).to_le_bytes()[0];
            value >>= 7;
            if value == 0 {
                return self.byte(bits);
            }
            self.byte(bits | 0x80);
        }
    }

    pub(crate) fn signed(&mut self, value: i64) {
        self.number(((value << 1) ^ (value >> 63)).cast_unsigned());
    }

    pub(crate) fn count(&mut self, count: usize) {
        self.number(count as u64);
    }

    pub(crate) fn bytes(&mut self, bytes: &[u8]) {
        self.count(bytes.len());
        self.put(bytes);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn numbers_survive(value: u64, signed: i64) {
            let mut writer = Writer::default();
            writer.number(value);
            writer.signed(signed);
            let mut reader = Reader::new(&writer.bytes);
            prop_assert_eq!(reader.number("n"), Ok(value));
            prop_assert_eq!(reader.signed("s"), Ok(signed));
            prop_assert!(reader.end("numbers").is_ok());
        }
    }

    #[test]
    fn a_number_has_one_form_only() {
        assert_eq!(
            Reader::new(&[0x80, 0x00]).number("n"),
            Err(WireFault::BadValue("n"))
        );
        assert_eq!(
            Reader::new(&[0xff; 11]).number("n"),
            Err(WireFault::BadValue("n"))
        );
        assert_eq!(Reader::new(&[0x80]).number("n"), Err(WireFault::Truncated("n")));
    }

    #[test]
    fn a_length_is_checked_before_anything_is_taken() {
        assert_eq!(
            Reader::new(&[0x7f, 1, 2]).bytes(200, "b"),
            Err(WireFault::Truncated("b"))
        );
        assert_eq!(
            Reader::new(&[3, 1, 2, 3]).bytes(2, "b"),
            Err(WireFault::TooLong("b"))
        );
        assert_eq!(
            Reader::new(&[2, 1, 2]).count(9, 16, "c"),
            Err(WireFault::Truncated("c"))
        );
    }
}

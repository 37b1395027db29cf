//! Variable-length integers (LEB128, as in DWARF 5 section 7.6) and the checksum.

use super::CodecError;

pub(crate) fn put_unsigned(out: &mut Vec<u8>, mut value: u64) {
    while value >= 0x80 {
        out.push(value as u8 | 0x80);
        value >>= 7;
    }
    out.push(value as u8);
}

/// Zig-zag: small negative numbers stay short.
pub(crate) fn put_signed(out: &mut Vec<u8>, value: i64) {
    put_unsigned(out, ((value << 1) ^ (value >> 63)) as u64);
}

/// Takes fields off the front of a slice.
#[derive(Debug)]
pub(crate) struct Reader<'a>(pub(crate) &'a [u8]);

impl<'a> Reader<'a> {
    pub(crate) fn unsigned(&mut self) -> Result<u64, CodecError> {
        let mut value = 0u64;
        for place in 0..10 {
            let (byte, rest) = self.0.split_first().ok_or(CodecError::Length)?;
            self.0 = rest;
            let low = u64::from(byte & 0x7f);
            if place == 9 && low > 1 {
                break;
            }
            value |= low << (7 * place);
            if byte & 0x80 == 0 {
                return Ok(value);
            }
        }
        Err(CodecError::Field("number"))
    }

    pub(crate) fn signed_32(&mut self) -> Option<i32> {
        let coded = self.unsigned().ok()?;
        let value = (coded >> 1) as i64 ^ -((coded & 1) as i64);
        i32::try_from(value).ok()
    }

    pub(crate) fn take(&mut self, len: usize) -> Option<&'a [u8]> {
        let (taken, rest) = self.0.split_at_checked(len)?;
        self.0 = rest;
        Some(taken)
    }
}

const CRC_TABLE: [u32; 256] = {
    let mut table = [0u32; 256];
    let mut index = 0;
    while index < 256 {
        let mut sum = index as u32;
        let mut bit = 0;
        while bit < 8 {
            sum = if sum & 1 == 1 {
                sum >> 1 ^ 0xedb8_8320
            } else {
                sum >> 1
            };
            bit += 1;
        }
        table[index] = sum;
        index += 1;
    }
    table
};

/// CRC-32 of IEEE 802.3.
pub(crate) fn crc32(bytes: &[u8]) -> u32 {
    !bytes.iter().fold(u32::MAX, |sum, byte| {
        sum >> 8 ^ CRC_TABLE[((sum ^ u32::from(*byte)) & 0xff) as usize]
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_checksum_is_the_usual_one() {
        assert_eq!(crc32(b"123456789"), 0xcbf4_3926);
    }

    #[test]
    fn numbers_come_back() {
        for value in [0, 1, 127, 128, u64::from(u32::MAX), u64::MAX] {
            let mut out = Vec::new();
            put_unsigned(&mut out, value);
            assert_eq!(Reader(&out).unsigned(), Ok(value));
        }
        for value in [0, -1, 1, i32::MIN, i32::MAX] {
            let mut out = Vec::new();
            put_signed(&mut out, i64::from(value));
            assert_eq!(Reader(&out).signed_32(), Some(value));
        }
        assert_eq!(Reader(&[0xff; 10]).unsigned(), Err(CodecError::Field("number")));
        assert_eq!(Reader(&[0x80]).unsigned(), Err(CodecError::Length));
    }
}

//! Limits that are checked on the bytes of a change before Automerge unpacks them: its columns are run-length
//! coded, and a few bytes can stand for billions of operations.
//!
//! Layout by the Automerge binary format (automerge.org/automerge-binary-format-spec, "Change chunks").

use super::Fault;
use crate::document::{CHANGE_BYTES_MAX, OPS_MAX};

/// Magic bytes of every chunk.
const MAGIC: [u8; 4] = [0x85, 0x6f, 0x4a, 0x83];
/// Chunk type of a change that is not deflated.
const CHANGE_CHUNK: u8 = 1;
/// Where the chunk type stands, behind magic and checksum.
const TYPE_AT: usize = 8;
/// Most values in one column: operations, and the predecessors of them all.
const COLUMN_VALUES_MAX: u64 = 4 * OPS_MAX as u64;
/// Most columns in a change; the format knows 14.
const COLUMNS_MAX: u64 = 32;
/// Most changes on which one may build directly.
const DEPS_MAX: u64 = 64;
/// Most other actors whose operations a change may name.
const ACTORS_MAX: u64 = 256;

/// Checks the size of a change, of its chunk and of what its columns unpack to.
pub(super) fn check(bytes: &[u8]) -> Result<(), Fault> {
    if bytes.len() > CHANGE_BYTES_MAX {
        return Err(Fault::Bounds("change too long"));
    }
    let mut input = Input(bytes);
    let head = input.take(TYPE_AT + 1)?;
    if head[..4] != MAGIC || head[TYPE_AT] != CHANGE_CHUNK {
        return Err(Fault::Malformed("not a plain change chunk"));
    }
    let length = input.unsigned()?;
    if length != input.0.len() as u64 {
        return Err(Fault::Malformed("length of the chunk"));
    }
    input.skip_hashes()?;
    input.prefixed()?; // actor
    for _ in 0..3 {
        input.unsigned()?; // seq, start op, time (of equal length signed)
    }
    input.prefixed()?; // message
    let actors = input.unsigned()?;
    if actors > ACTORS_MAX {
        return Err(Fault::Bounds("too many actors"));
    }
    for _ in 0..actors {
        input.prefixed()?;
    }
    check_columns(&mut input)
}

fn check_columns(input: &mut Input<'_>) -> Result<(), Fault> {
    let count = input.unsigned()?;
    if count > COLUMNS_MAX {
        return Err(Fault::Bounds("too many columns"));
    }
    let columns = (0..count)
        .map(|_| Ok((input.unsigned()?, input.unsigned()?)))
        .collect::<Result<Vec<_>, Fault>>()?;
    for (spec, length) in columns {
        let length = usize::try_from(length).map_err(|_| Fault::Malformed("column length"))?;
        let mut column = Input(input.take(length)?);
        // The lowest three bits tell the column's type, the fourth whether it is deflated.
        let values = match (spec & 0b1000 != 0, spec & 0b111) {
            (true, _) => return Err(Fault::Malformed("deflated column")),
            (false, 4) => column.boolean_values()?,
            (false, 5) => column.run_values(true)?,
            (false, 7) => continue,
            (false, _) => column.run_values(false)?,
        };
        if values > COLUMN_VALUES_MAX {
            return Err(Fault::Bounds("too many operations"));
        }
    }
    Ok(())
}

struct Input<'a>(&'a [u8]);

impl<'a> Input<'a> {
    fn take(&mut self, count: usize) -> Result<&'a [u8], Fault> {
        let (taken, rest) = self
            .0
            .split_at_checked(count)
            .ok_or(Fault::Malformed("cut short"))?;
        self.0 = rest;
        Ok(taken)
    }

    /// An unsigned LEB128 number; of a signed one it reads the same bytes.
    fn unsigned(&mut self) -> Result<u64, Fault> {
        let mut value = 0u64;
        for shift in (0..70).step_by(7) {
            let byte = self.take(1)?[0];
            value |= u64::from(byte & 0x7f).checked_shl(shift).unwrap_or(0);
            if byte & 0x80 == 0 {
                return Ok(value);
            }
        }
        Err(Fault::Malformed("number too long"))
    }

    fn signed(&mut self) -> Result<i64, Fault> {
        let mut value = 0i64;
        for shift in (0..70).step_by(7) {
            let byte = self.take(1)?[0];
            value |= i64::from(byte & 0x7f).checked_shl(shift).unwrap_or(0);
            if byte & 0x80 == 0 {
                let negative = byte & 0x40 != 0 && shift + 7 < 64;
                return Ok(if negative {
                    value | (-1 << (shift + 7))
                } else {
                    value
                });
            }
        }
        Err(Fault::Malformed("number too long"))
    }

    fn prefixed(&mut self) -> Result<&'a [u8], Fault> {
        let length = usize::try_from(self.unsigned()?).map_err(|_| Fault::Malformed("length"))?;
        self.take(length)
    }

    fn skip_hashes(&mut self) -> Result<(), Fault> {
        let count = self.unsigned()?;
        if count > DEPS_MAX {
            return Err(Fault::Bounds("builds on too many changes"));
        }
        self.take(32 * usize::try_from(count).unwrap_or(usize::MAX / 64))
            .map(|_| ())
    }

    /// Number of values in a run-length coded column.
    fn run_values(&mut self, texts: bool) -> Result<u64, Fault> {
        let mut values = 0u64;
        while !self.0.is_empty() {
            let run = self.signed()?;
            let literals = match run {
                0 => {
                    values = values.saturating_add(self.unsigned()?);
                    0
                }
                1.. => {
                    values = values.saturating_add(run.unsigned_abs());
                    1
                }
                ..0 => {
                    values = values.saturating_add(run.unsigned_abs());
                    run.unsigned_abs()
                }
            };
            if values > COLUMN_VALUES_MAX {
                return Ok(values);
            }
            for _ in 0..literals {
                if texts {
                    self.prefixed()?;
                } else {
                    self.unsigned()?;
                }
            }
        }
        Ok(values)
    }

    fn boolean_values(&mut self) -> Result<u64, Fault> {
        let mut values = 0u64;
        while !self.0.is_empty() {
            values = values.saturating_add(self.unsigned()?);
        }
        Ok(values)
    }
}

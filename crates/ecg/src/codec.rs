//! Lossless compact form of a waveform, for storage and the wire.
//!
//! Samples are coded instant by instant. A limb lead that follows from I and II is coded as what differs from
//! the formula, every other one as what differs from a learned prediction; both go through an adaptive binary
//! range coder. All numbers are integers, so the bytes are the same on every machine.
//!
//! Layout: `ECGZ`, version, varints: sampling rate in mHz, number of leads, samples of each; for each lead its
//! name, scale in fV, zero, grid, and how it is coded; marks; length of the coded samples; the coded samples; CRC-32
//! (IEEE 802.3) of all bytes before it, little-endian.

pub(crate) mod bytes;
mod coding;
mod grid;
mod predict;
mod range;
mod residual;

use crate::model::{
    BadWaveform, Lead, LeadName, MAX_LEAD_NAME_BYTES, MAX_MARKS, Mark, MarkKind, SampleRateHz, Scale,
    Waveform, check_size,
};
use bytes::{Reader, crc32, put_signed, put_unsigned};
use coding::{Coding, Method, Rule, choose, code_samples};
use grid::Grid;
use range::{Decoder, Encoder, MAX_DECISIONS_PER_BYTE};

/// First bytes of the form.
pub const MAGIC: [u8; 4] = *b"ECGZ";
/// The version that is written, and the newest that is read.
pub const VERSION: u8 = 1;
/// Name code of a lead that is none of the twelve.
const OTHER_LEAD: u64 = 255;

/// What keeps bytes from being read as a waveform.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CodecError {
    /// Other bytes stand at the beginning.
    #[error("not a stored waveform")]
    NotAWaveform,
    /// Written by a newer release.
    #[error("version {0} of the stored waveform is newer than this release")]
    NewerVersion(u8),
    /// The bytes end too early or go on after the end.
    #[error("stored waveform has a wrong length")]
    Length,
    /// The checksum does not fit the bytes.
    #[error("stored waveform is damaged: its checksum does not fit")]
    Checksum,
    /// A field holds a value that it cannot have.
    #[error("stored waveform has an impossible {0}")]
    Field(&'static str),
    /// The content is no waveform.
    #[error(transparent)]
    Waveform(#[from] BadWaveform),
}

/// Writes the compact form.
pub fn encode(waveform: &Waveform) -> Vec<u8> {
    let codings = choose(waveform);
    let mut out = Vec::new();
    out.extend_from_slice(&MAGIC);
    out.push(VERSION);
    put_unsigned(&mut out, u64::from(waveform.rate().millihertz()));
    put_unsigned(&mut out, waveform.leads().len() as u64);
    put_unsigned(&mut out, waveform.len() as u64);
    for (lead, coding) in waveform.leads().iter().zip(&codings) {
        put_lead(&mut out, lead, *coding);
    }
    put_unsigned(&mut out, waveform.marks().len() as u64);
    for mark in waveform.marks() {
        put_mark(&mut out, mark);
    }
    let columns = waveform.leads().iter().zip(&codings);
    let mut columns: Vec<Vec<i32>> = columns
        .map(|(lead, coding)| {
            lead.samples
                .iter()
                .map(|units| coding.grid.steps(*units))
                .collect()
        })
        .collect();
    let mut encoder = Encoder::new();
    code_samples(&mut encoder, &codings, limbs(waveform.leads()), &mut columns);
    let coded = encoder.finish();
    put_unsigned(&mut out, coded.len() as u64);
    out.extend_from_slice(&coded);
    let sum = crc32(&out);
    out.extend_from_slice(&sum.to_le_bytes());
    out
}

/// Reads the compact form. What is not exactly what [`encode`] wrote is refused, and memory is taken only in
/// proportion to the number of bytes.
pub fn decode(bytes: &[u8]) -> Result<Waveform, CodecError> {
    let body = bytes.strip_prefix(&MAGIC).ok_or(CodecError::NotAWaveform)?;
    let (version, _) = body.split_first().ok_or(CodecError::Length)?;
    if *version == 0 {
        return Err(CodecError::Field("version"));
    }
    if *version > VERSION {
        return Err(CodecError::NewerVersion(*version));
    }
    let (content, sum) = bytes.split_last_chunk::<4>().ok_or(CodecError::Length)?;
    if crc32(content) != u32::from_le_bytes(*sum) {
        return Err(CodecError::Checksum);
    }
    let mut reader = Reader(content.get(MAGIC.len() + 1..).ok_or(CodecError::Length)?);
    let rate = u32::try_from(reader.unsigned()?).map_err(|_| CodecError::Field("sampling rate"))?;
    let rate = SampleRateHz::from_millihertz(rate)?;
    let count = usize::try_from(reader.unsigned()?).map_err(|_| CodecError::Field("number of leads"))?;
    let samples = reader.unsigned()?;
    check_size(count, samples)?;
    let mut leads = Vec::with_capacity(count);
    let mut codings = Vec::with_capacity(count);
    for _ in 0..count {
        let (lead, coding) = read_lead(&mut reader)?;
        leads.push(lead);
        codings.push(coding);
    }
    check_codings(&leads, &codings)?;
    let marks = read_marks(&mut reader)?;
    let coded = reader.unsigned()?;
    let coded = usize::try_from(coded)
        .ok()
        .and_then(|len| reader.take(len))
        .ok_or(CodecError::Length)?;
    if !reader.0.is_empty() || samples * count as u64 > (coded.len() as u64 + 1) * MAX_DECISIONS_PER_BYTE {
        return Err(CodecError::Length);
    }
    let mut columns = vec![vec![0; samples as usize]; count];
    code_samples(&mut Decoder::new(coded), &codings, limbs(&leads), &mut columns);
    for ((lead, column), coding) in leads.iter_mut().zip(columns).zip(&codings) {
        lead.samples = column.into_iter().map(|steps| coding.grid.units(steps)).collect();
    }
    Ok(Waveform::new(rate, leads, marks)?)
}

fn put_lead(out: &mut Vec<u8>, lead: &Lead, coding: Coding) {
    match lead.name.standard_index() {
        Some(index) => put_unsigned(out, index as u64),
        None => {
            put_unsigned(out, OTHER_LEAD);
            put_unsigned(out, lead.name.as_str().len() as u64);
            out.extend_from_slice(lead.name.as_str().as_bytes());
        }
    }
    put_unsigned(out, lead.scale.femtovolts() as u64);
    put_signed(out, i64::from(lead.zero));
    put_unsigned(out, coding.grid.step as u64);
    out.push(u8::from(coding.grid.cut));
    match coding.method {
        Method::Predicted { plateaus } => out.push(u8::from(plateaus)),
        Method::Derived { bias, .. } => {
            out.push(2);
            put_signed(out, i64::from(bias));
        }
    }
}

/// The lead without its samples, and how they are coded.
fn read_lead(reader: &mut Reader<'_>) -> Result<(Lead, Coding), CodecError> {
    let name = match reader.unsigned()? {
        OTHER_LEAD => {
            let len = usize::try_from(reader.unsigned()?)
                .ok()
                .filter(|len| *len <= MAX_LEAD_NAME_BYTES);
            let name = len
                .and_then(|len| reader.take(len))
                .and_then(|name| std::str::from_utf8(name).ok());
            match LeadName::parse(name.ok_or(CodecError::Field("lead name"))?)? {
                LeadName::Other(name) => LeadName::Other(name),
                _standard => return Err(CodecError::Field("lead name")),
            }
        }
        index => {
            let index = usize::try_from(index)
                .ok()
                .and_then(|index| LeadName::STANDARD.get(index));
            index.ok_or(CodecError::Field("lead name"))?.clone()
        }
    };
    let scale = i64::try_from(reader.unsigned()?).map_err(|_| CodecError::Field("scale"))?;
    let scale = Scale::from_femtovolts(scale)?;
    let zero = reader.signed_32().ok_or(CodecError::Field("zero"))?;
    let step = i64::try_from(reader.unsigned()?)
        .ok()
        .filter(|step| (grid::UNIT..=grid::MAX_STEP).contains(step));
    let step = step.ok_or(CodecError::Field("grid"))?;
    let cut = match reader.unsigned()? {
        0 => false,
        1 => true,
        _ => return Err(CodecError::Field("grid")),
    };
    let method = match reader.unsigned()? {
        0 => Method::Predicted { plateaus: false },
        1 => Method::Predicted { plateaus: true },
        2 => {
            let rule = Rule::of(&name).ok_or(CodecError::Field("coding"))?;
            Method::Derived {
                rule,
                bias: reader.signed_32().ok_or(CodecError::Field("bias"))?,
            }
        }
        _ => return Err(CodecError::Field("coding")),
    };
    let coding = Coding {
        grid: Grid { step, cut },
        method,
    };
    Ok((
        Lead {
            name,
            scale,
            zero,
            samples: Vec::new(),
        },
        coding,
    ))
}

/// Places of I and II; without them no lead is derived, and the places mean nothing.
fn limbs(leads: &[Lead]) -> (usize, usize) {
    let place = |name: LeadName| leads.iter().position(|lead| lead.name == name).unwrap_or(0);
    (place(LeadName::I), place(LeadName::II))
}

fn check_codings(leads: &[Lead], codings: &[Coding]) -> Result<(), CodecError> {
    let derived = codings
        .iter()
        .any(|coding| matches!(coding.method, Method::Derived { .. }));
    let there = |name: LeadName| leads.iter().any(|lead| lead.name == name);
    if derived && !(there(LeadName::I) && there(LeadName::II)) {
        return Err(CodecError::Field("coding"));
    }
    Ok(())
}

fn put_mark(out: &mut Vec<u8>, mark: &Mark) {
    out.push(match mark.kind {
        MarkKind::Gap => 0,
        MarkKind::Clipped => 1,
        MarkKind::LeadOff => 2,
    });
    put_unsigned(out, mark.lead.map_or(0, |lead| u64::from(lead) + 1));
    put_unsigned(out, u64::from(mark.start));
    put_unsigned(out, u64::from(mark.len));
}

fn read_marks(reader: &mut Reader<'_>) -> Result<Vec<Mark>, CodecError> {
    let count = usize::try_from(reader.unsigned()?)
        .ok()
        .filter(|count| *count <= MAX_MARKS);
    let mut marks = Vec::new();
    for _ in 0..count.ok_or(CodecError::Field("number of marks"))? {
        let kind = match reader.unsigned()? {
            0 => MarkKind::Gap,
            1 => MarkKind::Clipped,
            2 => MarkKind::LeadOff,
            _ => return Err(CodecError::Field("kind of mark")),
        };
        let lead = match reader.unsigned()? {
            0 => None,
            place => Some(u8::try_from(place - 1).map_err(|_| CodecError::Field("lead of a mark"))?),
        };
        let start = u32::try_from(reader.unsigned()?).map_err(|_| CodecError::Field("start of a mark"))?;
        let len = u32::try_from(reader.unsigned()?).map_err(|_| CodecError::Field("length of a mark"))?;
        marks.push(Mark {
            start,
            len,
            lead,
            kind,
        });
    }
    Ok(marks)
}

/// For fuzzing: whatever the bytes, decoding neither panics nor takes unbounded memory, and what it accepts
/// comes back from encoding and decoding again.
pub fn fuzz_one(bytes: &[u8]) {
    if let Ok(waveform) = decode(bytes) {
        assert_eq!(decode(&encode(&waveform)).as_ref(), Ok(&waveform));
    }
}

#[cfg(test)]
mod tests;

//! Records on the wire. Payload bytes have bit 7 clear, so a byte from 0x80 on is always a marker.

use super::{BASE_LINE, LEAD_COUNT};
use crate::framing::{Grammar, RejectReason, Scan};

const SAMPLE_MARKER: u8 = 0xa0;
const SAMPLE_LENGTH: usize = 15;
const STATUS_MARKER: u8 = 0xb0;
const STATUS_LENGTH: usize = 6;
const BOUNDARY: [u8; 2] = [0xee, 0x10];
/// Payload bytes of a sample record, after their high bits were put back.
const PAYLOAD: usize = 12;

/// What the recorder sends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Frame {
    /// EE 10: the stream (re)starts.
    Boundary,
    /// One value of each lead.
    Sample(Record),
    /// Five status bytes, about once a second; their meaning is not public.
    Status([u8; STATUS_LENGTH - 1]),
}

/// One value of each acquired lead, as the converter gave it: 0 to 4095, base line 2048.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Record {
    /// Converter values in the order of [`super::LEADS`].
    pub adc: [i16; LEAD_COUNT],
}

impl Record {
    fn decode(bytes: &[u8; SAMPLE_LENGTH - 1]) -> Self {
        let high = u16::from(bytes[0]) | u16::from(bytes[1]) << 7;
        let mut payload = [0u8; PAYLOAD];
        for (at, (byte, low)) in payload.iter_mut().zip(&bytes[2..]).enumerate() {
            *byte = low | if high >> at & 1 == 1 { 0x80 } else { 0 };
        }
        let mut adc = [0i16; LEAD_COUNT];
        for (pair, triplet) in adc.chunks_exact_mut(2).zip(payload.chunks_exact(3)) {
            pair[0] = i16::from(triplet[0] & 0xf0) << 4 | i16::from(triplet[1]);
            pair[1] = i16::from(triplet[0] & 0x0f) << 8 | i16::from(triplet[2]);
        }
        Self { adc }
    }

    /// The values as steps around the base line: -2048 to 2047.
    pub fn steps(&self) -> [i16; LEAD_COUNT] {
        self.adc.map(|value| value - BASE_LINE)
    }
}

/// Finds records of the recorder.
#[derive(Debug, Default)]
pub struct Rules;

impl Rules {
    /// A record of `N` payload bytes after its marker, unless another marker cuts it short.
    fn record<const N: usize>(buffer: &[u8], frame: impl Fn(&[u8; N]) -> Frame) -> Scan<Frame> {
        let rest = &buffer[1..];
        if let Some(cut) = rest.iter().take(N).position(|byte| *byte >= 0x80) {
            return Scan::Bad {
                reason: RejectReason::Truncated,
                resume: cut + 1,
            };
        }
        match rest.first_chunk::<N>() {
            Some(payload) => Scan::Frame {
                frame: frame(payload),
                length: N + 1,
            },
            None => Scan::More,
        }
    }
}

impl Grammar for Rules {
    type Frame = Frame;
    const FRAME_MAX: usize = SAMPLE_LENGTH;

    fn scan(&mut self, buffer: &[u8], _ended: bool) -> Scan<Frame> {
        match (buffer.first(), buffer.get(1)) {
            (Some(&SAMPLE_MARKER), _) => {
                Self::record::<{ SAMPLE_LENGTH - 1 }>(buffer, |bytes| Frame::Sample(Record::decode(bytes)))
            }
            (Some(&STATUS_MARKER), _) => {
                Self::record::<{ STATUS_LENGTH - 1 }>(buffer, |bytes| Frame::Status(*bytes))
            }
            (Some(first), None) if *first == BOUNDARY[0] => Scan::More,
            (Some(first), Some(second)) if [*first, *second] == BOUNDARY => Scan::Frame {
                frame: Frame::Boundary,
                length: BOUNDARY.len(),
            },
            (Some(_) | None, _) => Scan::Skip,
        }
    }
}

/// Commands of the host. The recorder also knows 8B, 8C and 8D, which delete; they do not exist here.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Command {
    /// 90 00: be idle; stops a stream.
    Idle,
    /// 85 01: prepare a stream.
    Prepare,
    /// 90 05: start the stream.
    Start,
}

impl Command {
    const ALL: [Self; 3] = [Self::Idle, Self::Prepare, Self::Start];

    /// The command on the wire.
    pub fn bytes(self) -> [u8; 2] {
        match self {
            Self::Idle => [0x90, 0x00],
            Self::Prepare => [0x85, 0x01],
            Self::Start => [0x90, 0x05],
        }
    }

    /// The name in traces.
    pub fn name(self) -> &'static str {
        match self {
            Self::Idle => "idle/stop",
            Self::Prepare => "prepare",
            Self::Start => "start stream",
        }
    }
}

/// Finds commands of the host.
#[derive(Debug, Default)]
pub struct HostRules;

impl Grammar for HostRules {
    type Frame = Command;
    const FRAME_MAX: usize = 2;

    fn scan(&mut self, buffer: &[u8], _ended: bool) -> Scan<Command> {
        let starts = |first: u8| Command::ALL.iter().any(|command| command.bytes()[0] == first);
        match (buffer.first(), buffer.get(1)) {
            (Some(&first), None) if starts(first) => Scan::More,
            (Some(&first), Some(&second)) => Command::ALL
                .into_iter()
                .find(|command| command.bytes() == [first, second])
                .map_or(Scan::Skip, |frame| Scan::Frame { frame, length: 2 }),
            (Some(_) | None, _) => Scan::Skip,
        }
    }
}

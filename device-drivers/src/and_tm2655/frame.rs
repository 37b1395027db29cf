//! The envelope: SYN SYN SOH, address and function, STX, text, ETX, check byte.

use super::answer::{self, PulseList, ResultFields};
use crate::framing::{Direction, Grammar, RejectReason, Scan};

const SOH: u8 = 0x01;
const STX: u8 = 0x02;
const ETX: u8 = 0x03;
const ACK: u8 = 0x06;
const NAK: u8 = 0x15;
const SYN: u8 = 0x16;
/// Separates the fields of an answer.
pub(super) const RS: u8 = 0x1e;

/// SYN bytes before SOH that are kept; more are idle filler.
const SYN_KEPT: usize = 2;
/// Longest text: a pulse list of 99 pairs at 8 characters, its head, and room for the fields that TM-2657
/// adds.
const TEXT_MAX: usize = 1024;

/// A whole frame.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Frame {
    /// The two characters after SOH: address and function of a command, `00` in answers.
    pub address: [u8; 2],
    /// What it says.
    pub body: Body,
}

/// The kinds of frames.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Body {
    /// ACK without an envelope.
    Acknowledged,
    /// NAK without an envelope.
    Refused,
    /// The last result.
    Result(ResultFields),
    /// The pulses of the last measurement.
    Pulses(PulseList),
    /// A host command.
    Command(Command),
}

/// Commands of the host.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Command {
    /// ST: start a measurement.
    Start,
    /// SP: stop it.
    Stop,
    /// RB: send the last result.
    LastResult,
    /// RP: send the pulses of the last measurement.
    PulseList,
}

impl Command {
    const ALL: [Self; 4] = [Self::Start, Self::Stop, Self::LastResult, Self::PulseList];

    /// The two letters.
    pub fn letters(self) -> &'static str {
        match self {
            Self::Start => "ST",
            Self::Stop => "SP",
            Self::LastResult => "RB",
            Self::PulseList => "RP",
        }
    }

    fn function(self) -> u8 {
        match self {
            Self::Start | Self::Stop => 0x20,
            Self::LastResult | Self::PulseList => 0x30,
        }
    }

    /// The command on the wire.
    pub fn encode(self) -> Vec<u8> {
        let text = self.letters().as_bytes();
        let mut bytes = vec![SYN, SYN, SOH, b'0', self.function(), STX];
        bytes.extend_from_slice(text);
        bytes.push(ETX);
        bytes.push(check_byte(text));
        bytes
    }
}

/// XOR of the bytes strictly between STX and ETX.
fn check_byte(text: &[u8]) -> u8 {
    text.iter().fold(0, |sum, byte| sum ^ byte)
}

/// Finds frames of one direction.
#[derive(Debug, Default)]
pub struct Rules {
    direction: Direction,
}

impl Rules {
    /// Rules for one direction.
    pub fn new(direction: Direction) -> Self {
        Self { direction }
    }

    fn scan_text(&self, buffer: &[u8], soh: usize, ended: bool) -> Scan<Frame> {
        let bad = |reason| Scan::Bad { reason, resume: 1 };
        let Some(head) = buffer.get(soh + 1..soh + 4) else {
            return if starts_wrong(&buffer[soh + 1..]) {
                bad(RejectReason::Layout)
            } else {
                Scan::More
            };
        };
        if starts_wrong(head) || head[2] != STX {
            return bad(RejectReason::Layout);
        }
        let text = &buffer[soh + 4..];
        let Some(length) = text
            .iter()
            .position(|&byte| byte != RS && !(0x20..0x7f).contains(&byte))
        else {
            return if text.len() > TEXT_MAX {
                bad(RejectReason::Length)
            } else {
                Scan::More
            };
        };
        if text[length] != ETX {
            return bad(RejectReason::Truncated);
        }
        let check = text.get(length + 1);
        let mut total = soh + 4 + length + 1;
        match (check, self.direction) {
            (None, _) if !ended => return Scan::More,
            (Some(&sent), _) if sent == check_byte(&text[..length]) => total += 1,
            // The next frame or answer begins right after ETX: this one came without a check byte.
            (None | Some(&(SYN | ACK | NAK)), Direction::FromDevice) => {}
            (None | Some(_), _) => return bad(RejectReason::Checksum),
        }
        match read_body(&text[..length], self.direction) {
            Ok(body) => Scan::Frame {
                frame: Frame {
                    address: [head[0], head[1]],
                    body,
                },
                length: total,
            },
            Err(reason) => Scan::Bad {
                reason,
                resume: total,
            },
        }
    }
}

/// Address and function are printable, digits or a blank.
fn starts_wrong(head: &[u8]) -> bool {
    head.iter()
        .take(2)
        .any(|byte| *byte != b' ' && !byte.is_ascii_digit())
}

fn read_body(text: &[u8], direction: Direction) -> Result<Body, RejectReason> {
    match direction {
        Direction::FromDevice => answer::parse(text),
        Direction::FromHost => Command::ALL
            .into_iter()
            .find(|command| command.letters().as_bytes() == text)
            .map(Body::Command)
            .ok_or(RejectReason::Layout),
    }
}

impl Grammar for Rules {
    type Frame = Frame;
    const FRAME_MAX: usize = SYN_KEPT + 1 + 3 + TEXT_MAX + 2;

    fn scan(&mut self, buffer: &[u8], ended: bool) -> Scan<Frame> {
        let single = |body| Scan::Frame {
            frame: Frame {
                address: *b"00",
                body,
            },
            length: 1,
        };
        match buffer.first() {
            Some(&ACK) => return single(Body::Acknowledged),
            Some(&NAK) => return single(Body::Refused),
            Some(&SYN) => {}
            Some(_) | None => return Scan::Skip,
        }
        let filler = buffer.iter().take_while(|&&byte| byte == SYN).count();
        match buffer.get(filler) {
            None if filler > SYN_KEPT => Scan::Filler(filler - SYN_KEPT),
            None if ended => Scan::Filler(filler),
            None => Scan::More,
            Some(&SOH) if filler > SYN_KEPT => Scan::Filler(filler - SYN_KEPT),
            Some(&SOH) => self.scan_text(buffer, filler, ended),
            Some(_) => Scan::Filler(filler),
        }
    }
}

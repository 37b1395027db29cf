//! The envelope of the SAM protocol, its commands and status words.

use super::card::{self, IdCard};
use crate::events::Fault;
use crate::framing::{Grammar, RejectReason, Scan};

const PREAMBLE: [u8; 5] = [0xaa, 0xaa, 0xaa, 0x96, 0x69];
/// Preamble and the two length bytes.
const HEAD: usize = 7;
/// Largest real length field: text, photo and finger prints.
const LENGTH_MAX: usize = 0x090a;
/// Smallest length field of an answer: three status bytes and the check.
const ANSWER_LENGTH_MIN: usize = 4;
/// Smallest length field of a command: command, parameter and the check.
const COMMAND_LENGTH_MIN: usize = 3;
/// Bytes of a SAM id.
const SAM_ID: usize = 16;
/// Bytes of the new-address block.
const NEW_ADDRESS: usize = 70;
/// Bytes after the status word when a card was selected.
const SELECTED: usize = 8;
/// Bytes after the status word when a card was found.
const FOUND: usize = 4;

/// A checked answer of the reader.
#[derive(Debug, Clone, PartialEq)]
pub struct Frame {
    /// The three status bytes.
    pub status: StatusWord,
    /// What follows them, by its length.
    pub answer: Answer,
}

/// SW1 SW2 SW3.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct StatusWord(pub [u8; 3]);

/// What an answer carries.
#[derive(Debug, Clone, PartialEq)]
pub enum Answer {
    /// Nothing but the status.
    Empty,
    /// A card was found.
    Found,
    /// A card was selected.
    Selected,
    /// The number of the security module, as printed on it.
    SamId(String),
    /// The address block written after the card was made.
    NewAddress(String),
    /// Text and photo of a card.
    Card(Box<IdCard>),
    /// Another payload, of this length.
    Other(usize),
}

impl StatusWord {
    /// Whether the status says that the command succeeded.
    pub fn is_ok(self) -> bool {
        matches!(self.0, [0, 0, 0x90 | 0x9f])
    }

    /// The name of the status.
    pub fn word(self) -> &'static str {
        match self.0 {
            [0, 0, 0x90] => "ok",
            [0, 0, 0x9f] => "card_found",
            [0, 0, 0x10] => "host_checksum",
            [0, 0, 0x11] => "host_length",
            [0, 0, 0x21] => "host_command",
            [0, 0, 0x24] => "unknown_error",
            [0, 0, 0x31] => "card_refuses_reader",
            [0, 0, 0x32] => "reader_refuses_card",
            [0, 0, 0x33] => "verification_failed",
            [0, 0, 0x40] => "wrong_card_type",
            [0, 0, 0x41] => "read_failed",
            [0, 0, 0x47] => "random_failed",
            [0, 0, 0x60] => "self_test_failed",
            [0, 0, 0x66] => "not_authorised",
            [0, 0, 0x80] => "no_card",
            [0, 0, 0x81] => "select_failed",
            [0, 0, 0x91] => "no_such_item",
            _ => "unknown",
        }
    }

    /// What a status that is no success means.
    pub fn fault(self) -> Fault {
        match self.0[2] {
            0x10 | 0x11 | 0x21 => Fault::HostFault,
            0x31..=0x33 | 0x66 => Fault::CardRefused,
            0x40 => Fault::WrongCardType,
            0x41 => Fault::ReadFailed,
            0x80 => Fault::NoCard,
            0x81 => Fault::SelectFailed,
            0x91 => Fault::NoSuchItem,
            _ => Fault::SensorFault,
        }
    }

    /// Six hexadecimal digits.
    pub fn hex(self) -> String {
        self.0.iter().map(|byte| format!("{byte:02x}")).collect()
    }
}

/// Commands of the host.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Command {
    /// Reset the reader.
    Reset,
    /// Ask for its state.
    SelfStatus,
    /// Ask for the number of its security module.
    SamId,
    /// Look for a card.
    Find,
    /// Select the card found.
    Select,
    /// Read text and photo.
    Read,
    /// Read text, photo and finger prints.
    ReadWithFinger,
    /// Read the address written later.
    NewAddress,
    /// Set 115,200 baud.
    Baud115200,
    /// Set 57,600 baud.
    Baud57600,
    /// Set 38,400 baud.
    Baud38400,
    /// Set 19,200 baud.
    Baud19200,
    /// Set 9,600 baud.
    Baud9600,
}

impl Command {
    const ALL: [Self; 13] = [
        Self::Reset,
        Self::SelfStatus,
        Self::SamId,
        Self::Find,
        Self::Select,
        Self::Read,
        Self::ReadWithFinger,
        Self::NewAddress,
        Self::Baud115200,
        Self::Baud57600,
        Self::Baud38400,
        Self::Baud19200,
        Self::Baud9600,
    ];

    fn code(self) -> [u8; 2] {
        match self {
            Self::Reset => [0x10, 0xff],
            Self::SelfStatus => [0x11, 0xff],
            Self::SamId => [0x12, 0xff],
            Self::Find => [0x20, 0x01],
            Self::Select => [0x20, 0x02],
            Self::Read => [0x30, 0x01],
            Self::ReadWithFinger => [0x30, 0x10],
            Self::NewAddress => [0x30, 0x03],
            Self::Baud115200 => [0x60, 0x00],
            Self::Baud57600 => [0x60, 0x01],
            Self::Baud38400 => [0x60, 0x02],
            Self::Baud19200 => [0x60, 0x03],
            Self::Baud9600 => [0x60, 0x04],
        }
    }

    /// The name in traces.
    pub fn name(self) -> &'static str {
        match self {
            Self::Reset => "reset",
            Self::SelfStatus => "self status",
            Self::SamId => "read SAM id",
            Self::Find => "find card",
            Self::Select => "select card",
            Self::Read => "read text+photo",
            Self::ReadWithFinger => "read text+photo+finger",
            Self::NewAddress => "read new address",
            Self::Baud115200 => "set 115200",
            Self::Baud57600 => "set 57600",
            Self::Baud38400 => "set 38400",
            Self::Baud19200 => "set 19200",
            Self::Baud9600 => "set 9600",
        }
    }

    /// The command on the wire.
    pub fn encode(self) -> Vec<u8> {
        let [command, parameter] = self.code();
        let checked = [0x00, 0x03, command, parameter];
        let mut bytes = PREAMBLE.to_vec();
        bytes.extend_from_slice(&checked);
        bytes.push(checked.iter().fold(0, |sum, byte| sum ^ byte));
        bytes
    }
}

/// The body of a checked frame at the beginning of the buffer, and the frame's whole length.
fn envelope(buffer: &[u8], length_min: usize) -> Result<(&[u8], usize), Scan<()>> {
    let bad = |reason| Err(Scan::Bad { reason, resume: 1 });
    let seen = buffer.len().min(PREAMBLE.len());
    if buffer[..seen] != PREAMBLE[..seen] {
        return Err(Scan::Skip);
    }
    let Some(&[high, low]) = buffer
        .get(PREAMBLE.len()..HEAD)
        .and_then(|bytes| bytes.first_chunk())
    else {
        return Err(Scan::More);
    };
    let length = usize::from(u16::from_be_bytes([high, low]));
    if !(length_min..=LENGTH_MAX).contains(&length) {
        return bad(RejectReason::Length);
    }
    let Some(checked) = buffer.get(PREAMBLE.len()..HEAD + length) else {
        return Err(Scan::More);
    };
    if checked.iter().fold(0, |sum, byte| sum ^ byte) != 0 {
        return bad(RejectReason::Checksum);
    }
    Ok((&checked[2..checked.len() - 1], HEAD + length))
}

fn scan_with<F>(
    buffer: &[u8],
    length_min: usize,
    read: impl Fn(&[u8]) -> Result<F, RejectReason>,
) -> Scan<F> {
    match envelope(buffer, length_min) {
        Ok((body, length)) => match read(body) {
            Ok(frame) => Scan::Frame { frame, length },
            Err(reason) => Scan::Bad {
                reason,
                resume: length,
            },
        },
        Err(Scan::Bad { reason, resume }) => Scan::Bad { reason, resume },
        Err(Scan::More) => Scan::More,
        Err(Scan::Skip | Scan::Frame { .. } | Scan::Filler(_)) => Scan::Skip,
    }
}

/// Finds answers of the reader.
#[derive(Debug, Default)]
pub struct Rules;

impl Grammar for Rules {
    type Frame = Frame;
    const FRAME_MAX: usize = HEAD + LENGTH_MAX;

    fn scan(&mut self, buffer: &[u8], _ended: bool) -> Scan<Frame> {
        scan_with(buffer, ANSWER_LENGTH_MIN, read_answer)
    }
}

fn read_answer(body: &[u8]) -> Result<Frame, RejectReason> {
    let (status, data) = body.split_first_chunk().ok_or(RejectReason::Length)?;
    let status = StatusWord(*status);
    let answer = match (status.0, data.len()) {
        (_, 0) => Answer::Empty,
        ([0, 0, 0x9f], FOUND) => Answer::Found,
        ([0, 0, 0x90], SELECTED) => Answer::Selected,
        ([0, 0, 0x90], SAM_ID) => Answer::SamId(sam_id(data)),
        ([0, 0, 0x90], NEW_ADDRESS) => Answer::NewAddress(card::text(data)?),
        ([0, 0, 0x90], length) if length > NEW_ADDRESS => Answer::Card(Box::new(IdCard::parse(data)?)),
        (_, length) => Answer::Other(length),
    };
    Ok(Frame { status, answer })
}

/// The number printed on the security module: two short numbers, a date, two long ones.
fn sam_id(data: &[u8]) -> String {
    let short = |at: usize| data.get(at).copied().unwrap_or_default();
    let long = |at: usize| {
        let bytes = data
            .get(at..at + 4)
            .and_then(|bytes| bytes.first_chunk())
            .copied();
        u32::from_le_bytes(bytes.unwrap_or_default())
    };
    format!(
        "{:02}.{:02}-{}-{:010}-{:010}",
        short(0),
        short(2),
        long(4),
        long(8),
        long(12)
    )
}

/// Finds commands of the host.
#[derive(Debug, Default)]
pub struct HostRules;

impl Grammar for HostRules {
    type Frame = Command;
    const FRAME_MAX: usize = HEAD + LENGTH_MAX;

    fn scan(&mut self, buffer: &[u8], _ended: bool) -> Scan<Command> {
        scan_with(buffer, COMMAND_LENGTH_MIN, |body| {
            let known = Command::ALL.into_iter().find(|command| command.code() == body);
            known.ok_or(RejectReason::Layout)
        })
    }
}

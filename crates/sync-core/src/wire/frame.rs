//! Frames and the reader that finds them in a stream.

use records::ids::SessionId;

use crate::wire::ack::Ack;
use crate::wire::bytes::{Reader, WireFault, Writer};
use crate::wire::enrol::{EnrolAnswer, EnrolRequest, SuccessionRequest};
use crate::wire::greeting::{Hello, Holds, Welcome, read_lacks, write_lacks};
use crate::wire::share::{Knock, NONCE_LEN, ShareAnswer, ShareAsk, ShareGive};
use crate::wire::sketch::SessionSketch;
use crate::wire::{Holdings, Lane, MAX_FRAME, MAX_HOLDS, MAX_MESSAGE, MAX_SEGMENT, Message, WantedBlob};

/// Most blobs in one WANT frame.
pub const MAX_WANTED: usize = 128;
/// Most prints in one frame.
pub const MAX_LACKING: usize = 256;
/// Length and type in front of each frame's body.
const HEAD: usize = 3;

/// A piece of a message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Segment {
    /// The lane of the message; messages of one lane follow each other whole.
    pub lane: Lane,
    /// The message's length, in its first segment.
    pub total: Option<u32>,
    /// The bytes.
    pub bytes: Vec<u8>,
}

/// The hub has handled everything that the box sent, and has nothing more to send itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Quiet {
    /// Messages of the box that were handled on this connection, all lanes together.
    pub handled: u64,
    /// First bytes of the fingerprint of what the clinic holds, as the hub has it.
    pub fingerprint: [u8; 8],
}

/// Why an end closes the connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Bye {
    /// The hub does not know the device.
    UnknownDevice,
    /// The device was revoked.
    Revoked,
    /// No common wire version.
    NoCommonVersion,
    /// A signature does not fit, or a frame is not well-formed.
    Malformed,
    /// The end could not read or write its store.
    StoreFault,
    /// The program is stopping.
    Stopping,
    /// Nothing was heard for too long.
    Silent,
    /// A message builds on what is not here: tell everything in full.
    NotHere,
    /// A reason of a newer release.
    Unknown(u8),
}

impl Bye {
    fn number(self) -> u8 {
        match self {
            Self::UnknownDevice => 1,
            Self::Revoked => 2,
            Self::NoCommonVersion => 3,
            Self::Malformed => 4,
            Self::StoreFault => 5,
            Self::Stopping => 6,
            Self::Silent => 7,
            Self::NotHere => 8,
            Self::Unknown(number) => number,
        }
    }

    fn from_number(number: u8) -> Self {
        match number {
            1 => Self::UnknownDevice,
            2 => Self::Revoked,
            3 => Self::NoCommonVersion,
            4 => Self::Malformed,
            5 => Self::StoreFault,
            6 => Self::Stopping,
            7 => Self::Silent,
            8 => Self::NotHere,
            other => Self::Unknown(other),
        }
    }
}

/// One frame.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Frame {
    /// The box's first word.
    Hello(Hello),
    /// The hub's answer.
    Welcome(Welcome),
    /// A page of holdings.
    Holds(Holds),
    /// What the hub holds of the box's sessions, in short; what goes beside it follows as holdings.
    Sketch(SessionSketch),
    /// Box: tell these sessions one by one; none named means all.
    Tell(Vec<SessionId>),
    /// A page of what the box lacks of its own sessions that the hub holds; it holds all the rest.
    Lacks(Holdings),
    /// A piece of a message.
    Segment(Segment),
    /// What was stored.
    Ack(Ack),
    /// The hub has nothing more to do.
    Quiet(Quiet),
    /// Blobs that the box was offered before and lacks.
    Want(Vec<WantedBlob>),
    /// A message of the comparison of what both ends hold.
    Compare(Vec<u8>),
    /// Prints of documents that the box lacks, or has in another state.
    Lacking(Vec<[u8; 32]>),
    /// Bytes of segments received so far: paces the sender.
    Progress(u64),
    /// Is anybody there?
    Ping,
    /// Yes.
    Pong,
    /// The end closes.
    Bye(Bye),
    /// A box asks to be taken in.
    Enrol(EnrolRequest),
    /// A box with a new key asks to take the place of the device that it was.
    Succeed(SuccessionRequest),
    /// The hub's answer to that.
    EnrolAnswer(EnrolAnswer),
    /// A box comes about its share, before it says what it wants.
    Knock(Knock),
    /// The hub's answer to that: a number that was never used and never will be.
    Nonce([u8; NONCE_LEN]),
    /// A locked box asks for its share.
    ShareAsk(ShareAsk),
    /// An open box gives its share to be kept.
    ShareGive(ShareGive),
    /// The hub's answer to either.
    ShareAnswer(ShareAnswer),
}

impl Frame {
    /// The frame's bytes, length first.
    pub fn encode(&self) -> Vec<u8> {
        let mut out = Writer { bytes: vec![0, 0] };
        match self {
            Self::Hello(hello) => {
                out.byte(1);
                hello.write(&mut out);
            }
            Self::Welcome(welcome) => {
                out.byte(2);
                welcome.write(&mut out);
            }
            Self::Holds(holds) => {
                out.byte(3);
                holds.write(&mut out);
            }
            Self::Segment(segment) => {
                out.byte(4);
                write_segment(segment, &mut out);
            }
            Self::Ack(ack) => {
                out.byte(5);
                ack.write(&mut out);
            }
            Self::Quiet(quiet) => {
                out.byte(6);
                out.number(quiet.handled);
                out.put(&quiet.fingerprint);
            }
            Self::Progress(bytes) => {
                out.byte(7);
                out.number(*bytes);
            }
            Self::Ping => out.byte(8),
            Self::Pong => out.byte(9),
            Self::Bye(bye) => {
                out.byte(10);
                out.byte(bye.number());
            }
            Self::Want(blobs) => {
                out.byte(13);
                out.count(blobs.len());
                blobs.iter().for_each(|blob| blob.write(&mut out));
            }
            Self::Compare(bytes) => {
                out.byte(14);
                out.put(bytes);
            }
            Self::Lacking(prints) => {
                out.byte(15);
                out.count(prints.len());
                prints.iter().for_each(|print| out.put(print));
            }
            Self::Sketch(sketch) => {
                out.byte(16);
                sketch.write(&mut out);
            }
            Self::Tell(sessions) => {
                out.byte(17);
                out.count(sessions.len());
                sessions.iter().for_each(|session| out.put(&session.0));
            }
            Self::Lacks(page) => {
                out.byte(18);
                write_lacks(page, &mut out);
            }
            Self::Enrol(request) => {
                out.byte(11);
                request.write(&mut out);
            }
            Self::Succeed(request) => {
                out.byte(19);
                request.write(&mut out);
            }
            Self::EnrolAnswer(answer) => {
                out.byte(12);
                answer.write(&mut out);
            }
            Self::Knock(knock) => {
                out.byte(20);
                knock.write(&mut out);
            }
            Self::Nonce(nonce) => {
                out.byte(21);
                out.put(nonce);
            }
            Self::ShareAsk(ask) => {
                out.byte(22);
                ask.write(&mut out);
            }
            Self::ShareGive(give) => {
                out.byte(23);
                give.write(&mut out);
            }
            Self::ShareAnswer(answer) => {
                out.byte(24);
                answer.write(&mut out);
            }
        }
        let length = u16::try_from(out.bytes.len() - HEAD).unwrap_or(u16::MAX);
        out.bytes[..2].copy_from_slice(&length.to_be_bytes());
        out.bytes
    }

    fn decode(kind: u8, body: &[u8]) -> Result<Self, WireFault> {
        let mut from = Reader::new(body);
        let frame = match kind {
            1 => Self::Hello(Hello::read(&mut from)?),
            2 => Self::Welcome(Welcome::read(&mut from)?),
            3 => Self::Holds(Holds::read(&mut from)?),
            4 => return read_segment(from).map(Self::Segment),
            5 => Self::Ack(Ack::read(&mut from)?),
            6 => Self::Quiet(Quiet {
                handled: from.number("handled messages")?,
                fingerprint: from.array("fingerprint")?,
            }),
            7 => Self::Progress(from.number("progress")?),
            8 => Self::Ping,
            9 => Self::Pong,
            10 => Self::Bye(Bye::from_number(from.byte("reason")?)),
            11 => Self::Enrol(EnrolRequest::read(&mut from)?),
            12 => Self::EnrolAnswer(EnrolAnswer::read(&mut from)?),
            13 => {
                let count = from.count(MAX_WANTED, WantedBlob::LEAST, "wanted blobs")?;
                Self::Want(
                    (0..count)
                        .map(|_| WantedBlob::read(&mut from))
                        .collect::<Result<_, _>>()?,
                )
            }
            14 => return Ok(Self::Compare(from.remaining().to_vec())),
            15 => {
                let count = from.count(MAX_LACKING, 32, "lacking documents")?;
                Self::Lacking(
                    (0..count)
                        .map(|_| from.array("print"))
                        .collect::<Result<_, _>>()?,
                )
            }
            16 => Self::Sketch(SessionSketch::read(&mut from)?),
            17 => {
                let count = from.count(MAX_HOLDS, 8, "sessions to tell")?;
                Self::Tell(
                    (0..count)
                        .map(|_| from.array("session").map(SessionId))
                        .collect::<Result<_, _>>()?,
                )
            }
            18 => Self::Lacks(read_lacks(&mut from)?),
            19 => Self::Succeed(SuccessionRequest::read(&mut from)?),
            20 => Self::Knock(Knock::read(&mut from)?),
            21 => Self::Nonce(from.array("nonce")?),
            22 => Self::ShareAsk(ShareAsk::read(&mut from)?),
            23 => Self::ShareGive(ShareGive::read(&mut from)?),
            24 => Self::ShareAnswer(ShareAnswer::read(&mut from)?),
            _ => return Err(WireFault::BadValue("frame type")),
        };
        from.end("frame")?;
        Ok(frame)
    }
}

/// Flag beside the lane's number: the message's length follows.
const FIRST_SEGMENT: u8 = 0x80;

fn write_segment(segment: &Segment, out: &mut Writer) {
    match segment.total {
        Some(total) => {
            out.byte(segment.lane.number() | FIRST_SEGMENT);
            out.number(total.into());
        }
        None => out.byte(segment.lane.number()),
    }
    out.put(&segment.bytes);
}

fn read_segment(mut from: Reader<'_>) -> Result<Segment, WireFault> {
    let tag = from.byte("lane")?;
    let lane = Lane::from_number(tag & !FIRST_SEGMENT).ok_or(WireFault::BadValue("lane"))?;
    let total = (tag & FIRST_SEGMENT != 0)
        .then(|| from.number_u32("message length"))
        .transpose()?;
    if total.is_some_and(|total| total as usize > MAX_MESSAGE) {
        return Err(WireFault::TooLong("message"));
    }
    let bytes = from.remaining();
    if bytes.is_empty() || bytes.len() > MAX_SEGMENT {
        return Err(WireFault::BadValue("segment length"));
    }
    Ok(Segment {
        lane,
        total,
        bytes: bytes.to_vec(),
    })
}

/// Finds frames in a stream. Holds at most one frame and what one read of the socket brought.
#[derive(Debug, Default)]
pub struct FrameReader {
    buffer: Vec<u8>,
    taken: usize,
}

impl FrameReader {
    /// Takes bytes as they came from the stream.
    pub fn push(&mut self, bytes: &[u8]) {
        self.buffer.drain(..self.taken);
        self.taken = 0;
        self.buffer.extend_from_slice(bytes);
    }

    /// The next whole frame. After a fault the stream cannot be read on.
    pub fn next_frame(&mut self) -> Result<Option<Frame>, WireFault> {
        let bytes = &self.buffer[self.taken..];
        let Some(head) = bytes.get(..HEAD) else {
            return Ok(None);
        };
        let length = usize::from(u16::from_be_bytes([head[0], head[1]]));
        if length > MAX_FRAME {
            return Err(WireFault::TooLong("frame"));
        }
        let kind = head[2];
        let Some(body) = bytes.get(HEAD..HEAD + length) else {
            return Ok(None);
        };
        let frame = Frame::decode(kind, body)?;
        self.taken += HEAD + length;
        Ok(Some(frame))
    }

    /// Whether bytes of an unfinished frame wait.
    pub fn is_inside_frame(&self) -> bool {
        self.taken < self.buffer.len()
    }
}

/// One run of a fuzzer: hostile bytes as a stream and as a message. Panics only where a decoder is wrong: what
/// it accepts must come out again the same.
pub fn fuzz_one(data: &[u8]) {
    let mut reader = FrameReader::default();
    for chunk in data.chunks(1500) {
        reader.push(chunk);
        while let Ok(Some(frame)) = reader.next_frame() {
            let mut again = FrameReader::default();
            again.push(&frame.encode());
            assert_eq!(again.next_frame(), Ok(Some(frame)), "a frame changed on its way");
        }
    }
    if let Ok(message) = Message::decode(data) {
        assert_eq!(
            Message::decode(&message.encode()),
            Ok(message),
            "a message changed on its way"
        );
    }
    if let Some(piece) = Message::decode_torn(data) {
        let end = piece.offset + piece.bytes.len() as u64;
        assert!(
            !piece.bytes.is_empty() && end <= piece.offer.length,
            "a piece beyond its blob"
        );
    }
    // The compact form: any bytes are read or refused.
    let _ = crate::compact::unpack(data, None, &crate::compact::Nothing);
}

#[cfg(test)]
#[path = "frame_tests.rs"]
mod tests;

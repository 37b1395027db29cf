//! The stream as lanes: cuts messages into segments, most urgent first, puts them together again, and keeps
//! the less urgent lanes from filling the way.

use std::collections::VecDeque;
use std::time::Duration;

use crate::exchange::ExchangeFault;
use crate::exchange::pace::Pace;
use crate::wire::{Frame, FrameReader, Lane, MAX_SEGMENT, Segment, WireFault};

/// After how many bytes of segments the receiver tells its progress; of what arrives together it tells once. It tells
/// the very first segment too: by that word the sender knows the round trip before it has filled any queue.
const PROGRESS_STEP: u64 = 1024;

#[derive(Debug, Default)]
struct LaneOut {
    messages: VecDeque<Vec<u8>>,
    /// Bytes of the first message that were sent.
    sent: usize,
    queued: usize,
}

#[derive(Debug, Default)]
struct LaneIn {
    total: usize,
    bytes: Vec<u8>,
}

/// What came out of the stream.
#[derive(Debug)]
pub(crate) enum Incoming {
    /// The first bytes of a message of which more is to come.
    Begun(Lane, Vec<u8>),
    /// A whole message of a lane.
    Message(Lane, Vec<u8>),
    /// A frame that is no segment.
    Control(Box<Frame>),
}

/// Both directions of one connection.
#[derive(Debug, Default)]
pub(crate) struct Pipe {
    reader: FrameReader,
    control: VecDeque<Vec<u8>>,
    /// Goes when nothing else waits.
    last: Option<Vec<u8>>,
    out: [LaneOut; Lane::COUNT],
    into: [LaneIn; Lane::COUNT],
    pace: Pace,
    received: u64,
    reported: u64,
    /// Whether the other end is to hear how much came.
    progress_due: bool,
}

impl Pipe {
    pub(crate) fn push_bytes(&mut self, bytes: &[u8]) {
        self.reader.push(bytes);
    }

    /// The next thing that came in whole.
    pub(crate) fn next_incoming(&mut self, now: Duration) -> Result<Option<Incoming>, ExchangeFault> {
        while let Some(frame) = self.reader.next_frame()? {
            match frame {
                Frame::Segment(segment) => {
                    let (lane, begins) = (segment.lane, segment.total.is_some());
                    if let Some(message) = self.take_segment(segment)? {
                        return Ok(Some(Incoming::Message(lane, message)));
                    }
                    if begins {
                        return Ok(Some(Incoming::Begun(lane, self.into[lane.index()].bytes.clone())));
                    }
                }
                Frame::Progress(bytes) => self.pace.told(bytes, now),
                Frame::Ping => self.send_control(&Frame::Pong),
                Frame::Pong => {}
                other @ (Frame::Hello(_)
                | Frame::Welcome(_)
                | Frame::Holds(_)
                | Frame::Sketch(_)
                | Frame::Tell(_)
                | Frame::Lacks(_)
                | Frame::Ack(_)
                | Frame::Quiet(_)
                | Frame::Want(_)
                | Frame::Compare(_)
                | Frame::Lacking(_)
                | Frame::Bye(_)
                | Frame::Enrol(_)
                | Frame::Succeed(_)
                | Frame::EnrolAnswer(_)
                | Frame::Knock(_)
                | Frame::Nonce(_)
                | Frame::ShareAsk(_)
                | Frame::ShareGive(_)
                | Frame::ShareAnswer(_)) => return Ok(Some(Incoming::Control(Box::new(other)))),
            }
        }
        Ok(None)
    }

    fn take_segment(&mut self, segment: Segment) -> Result<Option<Vec<u8>>, WireFault> {
        let first = self.received == 0;
        self.received += segment.bytes.len() as u64;
        self.progress_due |= first || self.received - self.reported >= PROGRESS_STEP;
        let lane = &mut self.into[segment.lane.index()];
        match segment.total {
            Some(total) if lane.total == 0 && total > 0 => lane.total = total as usize,
            None if lane.total > 0 => {}
            Some(_) | None => return Err(WireFault::BadValue("segment")),
        }
        if lane.bytes.len() + segment.bytes.len() > lane.total {
            return Err(WireFault::TooLong("segment"));
        }
        // Grows with what really came: a message's stated length alone allocates nothing.
        lane.bytes.extend_from_slice(&segment.bytes);
        if lane.bytes.len() < lane.total {
            return Ok(None);
        }
        lane.total = 0;
        Ok(Some(std::mem::take(&mut lane.bytes)))
    }

    /// What came of messages whose end did not.
    pub(crate) fn torn(&mut self) -> impl Iterator<Item = (Lane, Vec<u8>)> {
        Lane::ALL
            .into_iter()
            .map(|lane| (lane, std::mem::take(&mut self.into[lane.index()]).bytes))
    }

    pub(crate) fn send_control(&mut self, frame: &Frame) {
        self.control.push_back(frame.encode());
    }

    /// Sends a frame behind everything that waits; a later one takes its place.
    pub(crate) fn send_last(&mut self, frame: &Frame) {
        self.last = Some(frame.encode());
    }

    /// Takes back what [`Self::send_last`] left waiting; `true` where something was.
    pub(crate) fn take_back_last(&mut self) -> bool {
        self.last.take().is_some()
    }

    /// Puts a message in its lane; gives the bytes that it will take on the stream.
    pub(crate) fn send_message(&mut self, lane: Lane, message: Vec<u8>) -> u64 {
        let segments = message.len().div_ceil(MAX_SEGMENT);
        let cost = message.len() + segments * 4 + 3;
        let out = &mut self.out[lane.index()];
        out.queued += message.len();
        out.messages.push_back(message);
        cost as u64
    }

    /// Bytes of messages that wait in a lane.
    pub(crate) fn queued(&self, lane: Lane) -> usize {
        self.out[lane.index()].queued
    }

    /// Whether nothing waits to be sent.
    pub(crate) fn is_drained(&self) -> bool {
        !self.progress_due
            && self.control.is_empty()
            && self.last.is_none()
            && self.out.iter().all(|lane| lane.messages.is_empty())
    }

    /// The most urgent lane with something to send.
    fn next_lane(&self) -> Option<Lane> {
        let mut lanes = Lane::ALL.into_iter();
        lanes.find(|lane| !self.out[lane.index()].messages.is_empty())
    }

    /// When there is room for the next frame, where time makes it and not a word of the other end.
    pub(crate) fn room_at(&self) -> Option<Duration> {
        self.next_lane().and_then(|lane| self.pace.room_at(lane))
    }

    /// The next frame to send.
    pub(crate) fn next_outgoing(&mut self, now: Duration) -> Option<Vec<u8>> {
        if std::mem::take(&mut self.progress_due) {
            self.reported = self.received;
            return Some(Frame::Progress(self.received).encode());
        }
        if let Some(frame) = self.control.pop_front() {
            return Some(frame);
        }
        let Some(lane) = self.next_lane() else {
            return self.last.take();
        };
        if !self.pace.has_room(lane, now) {
            return None;
        }
        let out = &mut self.out[lane.index()];
        let message = out.messages.front()?;
        let end = message.len().min(out.sent + MAX_SEGMENT);
        let bytes = message[out.sent..end].to_vec();
        let total = (out.sent == 0).then(|| u32::try_from(message.len()).unwrap_or(u32::MAX));
        out.sent = end;
        out.queued -= bytes.len();
        if end == message.len() {
            out.messages.pop_front();
            out.sent = 0;
        }
        self.pace.sent(lane, bytes.len() as u64, now);
        Some(Frame::Segment(Segment { lane, total, bytes }).encode())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Duration = Duration::ZERO;

    fn carry(from: &mut Pipe, to: &mut Pipe) -> Vec<(Lane, usize)> {
        let mut arrived = Vec::new();
        while let Some(bytes) = from.next_outgoing(NOW) {
            to.push_bytes(&bytes);
            while let Some(incoming) = to.next_incoming(NOW).unwrap() {
                if let Incoming::Message(lane, message) = incoming {
                    arrived.push((lane, message.len()));
                }
            }
            while let Some(bytes) = to.next_outgoing(NOW) {
                from.push_bytes(&bytes);
                assert!(from.next_incoming(NOW).unwrap().is_none());
            }
        }
        arrived
    }

    #[test]
    fn an_urgent_message_overtakes_a_long_one() {
        let (mut here, mut there) = (Pipe::default(), Pipe::default());
        here.send_message(Lane::P4, vec![1; 9000]);
        there.push_bytes(&here.next_outgoing(NOW).unwrap());
        let begun = there.next_incoming(NOW).unwrap();
        assert!(
            matches!(begun, Some(Incoming::Begun(Lane::P4, bytes)) if bytes.iter().all(|byte| *byte == 1))
        );
        assert!(there.next_incoming(NOW).unwrap().is_none());
        here.send_message(Lane::P0, vec![2; 1500]);
        here.send_message(Lane::P2, vec![3; 10]);
        assert_eq!(
            carry(&mut here, &mut there),
            [(Lane::P0, 1500), (Lane::P2, 10), (Lane::P4, 9000)]
        );
        assert!(here.is_drained());
    }

    #[test]
    fn bulk_waits_for_progress_and_urgent_does_not() {
        let mut here = Pipe::default();
        here.send_message(Lane::P2, vec![1; 1 << 20]);
        let mut sent = 0;
        while let Some(bytes) = here.next_outgoing(NOW) {
            sent += bytes.len() - if sent == 0 { 7 } else { 4 };
        }
        assert!(
            sent < 40_000,
            "{sent} bytes in flight without a word from the other end"
        );
        here.send_message(Lane::P1, vec![2; 5_000]);
        let request = std::iter::from_fn(|| here.next_outgoing(NOW)).count();
        assert_eq!(request, 5);
        sent += 5_000;
        here.push_bytes(&Frame::Progress(sent as u64).encode());
        assert!(here.next_incoming(NOW).unwrap().is_none());
        assert!(here.next_outgoing(NOW).is_some());
    }

    #[test]
    fn a_long_request_leaves_room_for_a_notice() {
        let mut here = Pipe::default();
        here.send_message(Lane::P1, vec![1; 1 << 20]);
        let under_way = std::iter::from_fn(|| here.next_outgoing(NOW)).count();
        assert_eq!(under_way, 8, "segments of 1 KiB");
        here.send_message(Lane::P0, vec![2; 10]);
        let frame = here.next_outgoing(NOW).unwrap();
        let mut reader = FrameReader::default();
        reader.push(&frame);
        let frame = reader.next_frame().unwrap();
        assert!(matches!(
            frame,
            Some(Frame::Segment(Segment { lane: Lane::P0, .. }))
        ));
    }

    #[test]
    fn segments_that_do_not_belong_together_are_refused() {
        let segment = |total, length| {
            Frame::Segment(Segment {
                lane: Lane::P2,
                total,
                bytes: vec![0; length],
            })
        };
        let wrong: [&[Frame]; 4] = [
            &[segment(None, 5)],
            &[segment(Some(10), 5), segment(Some(10), 5)],
            &[segment(Some(10), 5), segment(None, 6)],
            &[segment(Some(0), 1)],
        ];
        for frames in wrong {
            let mut pipe = Pipe::default();
            frames.iter().for_each(|frame| pipe.push_bytes(&frame.encode()));
            let mut came = std::iter::from_fn(|| pipe.next_incoming(NOW).transpose());
            assert!(came.any(|came| came.is_err()));
        }
    }
}

//! A box and a hub that exchange over bytes in memory, and what they said.

use std::time::Duration;

use anyhow::{Context as _, Result, bail};
use store::Store;
use sync_core::exchange::{Counts, Credentials, Exchange};
use sync_core::wire::{Frame, FrameReader, Segment};

use crate::machine::COUNTY;

/// The exchange's own time: nothing waits for a timer here.
const NOW: Duration = Duration::from_secs(5);
/// Steps of a meeting, most.
const STEPS_MAX: u32 = 100_000;

/// What was said, in its order.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Said {
    /// Writes of an end: whether it was the box, and the bytes.
    pub writes: Vec<(bool, Vec<u8>)>,
}

impl Said {
    /// Bytes of one end as one stream.
    pub fn stream(&self, of_box: bool) -> Vec<u8> {
        let own = self.writes.iter().filter(|(by_box, _)| *by_box == of_box);
        own.flat_map(|(_, bytes)| bytes.iter().copied()).collect()
    }

    /// The form in which it is kept: who, length in four bytes, bytes.
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut out = Vec::new();
        for (by_box, bytes) in &self.writes {
            out.push(u8::from(*by_box));
            out.extend(u32::try_from(bytes.len()).unwrap_or(u32::MAX).to_be_bytes());
            out.extend(bytes);
        }
        out
    }

    /// Reads what [`Self::to_bytes`] wrote.
    ///
    /// # Errors
    /// Where the bytes end too early.
    pub fn from_bytes(mut bytes: &[u8]) -> Result<Self> {
        let mut writes = Vec::new();
        while let Some((by_box, rest)) = bytes.split_first() {
            let (length, rest) = rest.split_first_chunk().context("length cut")?;
            let length = u32::from_be_bytes(*length) as usize;
            let (content, rest) = rest.split_at_checked(length).context("bytes cut")?;
            writes.push((*by_box == 1, content.to_vec()));
            bytes = rest;
        }
        Ok(Self { writes })
    }

    /// The frames of one end.
    ///
    /// # Errors
    /// Where the bytes are no frames.
    pub fn frames(&self, of_box: bool) -> Result<Vec<Frame>> {
        let (mut reader, mut frames) = (FrameReader::default(), Vec::new());
        reader.push(&self.stream(of_box));
        while let Some(frame) = reader.next_frame()? {
            frames.push(frame);
        }
        if reader.is_inside_frame() {
            bail!("the stream ends inside a frame");
        }
        Ok(frames)
    }

    /// The whole messages of one end, put together from their segments.
    ///
    /// # Errors
    /// Where the bytes are no frames, or a message was not finished.
    pub fn messages(&self, of_box: bool) -> Result<Vec<Vec<u8>>> {
        let mut open: Vec<(Segment, usize)> = Vec::new();
        let mut whole = Vec::new();
        for frame in self.frames(of_box)? {
            let Frame::Segment(segment) = frame else { continue };
            let of_lane = open.iter_mut().find(|(held, _)| held.lane == segment.lane);
            match (of_lane, segment.total) {
                (Some((held, _)), None) => held.bytes.extend(segment.bytes),
                (None, Some(total)) => open.push((segment, total as usize)),
                _ => bail!("a segment out of turn"),
            }
            open.retain_mut(|(held, total)| {
                let is_open = held.bytes.len() < *total;
                if !is_open {
                    whole.push(std::mem::take(&mut held.bytes));
                }
                is_open
            });
        }
        if !open.is_empty() {
            bail!("a message was not finished");
        }
        Ok(whole)
    }
}

/// Lets a box meet its hub until everything is exchanged. `newest` is the newest wire version that the box speaks:
/// both then speak it.
///
/// # Errors
/// What stops the exchange.
pub async fn meet(end: &Store, hub: &Store, newest: u16) -> Result<(Counts, Said)> {
    let mut hello = end.hello("compat").await?.context("the box has not joined")?;
    hello.versions.1 = newest;
    let credentials = async |of: &Store, with: &Store| -> Result<Credentials> {
        Ok(Credentials {
            key: of.device_key().clone(),
            county: COUNTY,
            peer: with.device_key().public(),
            predecessors: of.predecessors(end.device()).await?,
        })
    };
    let mut at_box = Exchange::for_box(credentials(end, hub).await?, &hello, Duration::ZERO, NOW);
    let mut at_hub = Exchange::for_hub(credentials(hub, end).await?, NOW);
    let mut said = Said::default();
    for _ in 0..STEPS_MAX {
        while let Some(ask) = at_box.poll_ask(NOW) {
            at_box.handle_answer(end.answer_as_box(ask).await?, NOW)?;
        }
        while let Some(ask) = at_hub.poll_ask(NOW) {
            at_hub.handle_answer(hub.answer_as_hub(end.device(), ask).await?, NOW)?;
        }
        if at_box.is_settled() {
            return Ok((at_box.counts(), said));
        }
        while let Some(bytes) = at_box.poll_transmit(NOW) {
            at_hub.handle_bytes(&bytes, NOW)?;
            said.writes.push((true, bytes));
        }
        while let Some(bytes) = at_hub.poll_transmit(NOW) {
            at_box.handle_bytes(&bytes, NOW)?;
            said.writes.push((false, bytes));
        }
    }
    bail!("the exchange does not end")
}

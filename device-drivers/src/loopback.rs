//! The test plug of a serial port: its transmit and receive pins are bridged, so that what is sent comes back.

use std::time::Duration;

use crate::catalogue::{LineRule, SerialLine};
use crate::port::{Port, PortError};

/// The line at which a port is tested: every adapter can do it, and 256 bytes take a quarter of a second.
pub const LINE: SerialLine = SerialLine {
    baud: 9_600,
    dtr: LineRule::Untouched,
    rts: LineRule::Untouched,
};
/// Bytes that are sent: every value once, so that a bit that sticks is seen.
const BYTES: usize = 256;
/// How long a read waits.
const WAIT: Duration = Duration::from_millis(500);
/// Reads that bring nothing, one after the other, after which nothing more is waited for.
const EMPTY_READS_MAX: u32 = 3;

/// What came back.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Loopback {
    /// All of it.
    Whole,
    /// Nothing: no plug, or a broken adapter.
    Nothing,
    /// Something else, or a part of it: a bad contact, or a device instead of the plug.
    Other,
}

/// Sends every byte value once and compares what comes back.
///
/// # Errors
///
/// The port is gone or fails.
pub fn test(port: &mut dyn Port) -> Result<Loopback, PortError> {
    port.set_timeout(WAIT)?;
    let mut sent = [0; BYTES];
    for (byte, value) in sent.iter_mut().zip(0..=u8::MAX) {
        *byte = value;
    }
    let (mut came, mut empty, mut written) = (Vec::with_capacity(BYTES), 0, 0);
    let mut piece = [0; BYTES];
    while came.len() < BYTES && empty < EMPTY_READS_MAX {
        // Small pieces: an adapter's buffer may be shorter than the whole.
        if written < BYTES {
            let end = (written + 16).min(BYTES);
            written += port.write(&sent[written..end])?;
            port.flush()?;
        }
        match port.read(&mut piece) {
            Ok(0) | Err(PortError::TimedOut) => empty += 1,
            Ok(count) => {
                came.extend_from_slice(&piece[..count]);
                empty = 0;
            }
            Err(other) => return Err(other),
        }
    }
    Ok(match came.as_slice() {
        [] => Loopback::Nothing,
        came if came == sent => Loopback::Whole,
        _ => Loopback::Other,
    })
}

#[cfg(test)]
mod tests {
    use std::collections::VecDeque;

    use embedded_io::{ErrorType, Read, Write};

    use super::*;

    /// A port with a plug that changes bytes.
    struct Plug {
        waiting: VecDeque<u8>,
        bridge: fn(u8) -> Option<u8>,
    }

    impl ErrorType for Plug {
        type Error = PortError;
    }

    impl Read for Plug {
        fn read(&mut self, buffer: &mut [u8]) -> Result<usize, PortError> {
            let count = buffer.len().min(self.waiting.len()).min(7);
            if count == 0 {
                return Err(PortError::TimedOut);
            }
            for (to, from) in buffer.iter_mut().zip(self.waiting.drain(..count)) {
                *to = from;
            }
            Ok(count)
        }
    }

    impl Write for Plug {
        fn write(&mut self, bytes: &[u8]) -> Result<usize, PortError> {
            self.waiting.extend(bytes.iter().copied().filter_map(self.bridge));
            Ok(bytes.len())
        }

        fn flush(&mut self) -> Result<(), PortError> {
            Ok(())
        }
    }

    impl Port for Plug {
        fn set_timeout(&mut self, _: Duration) -> Result<(), PortError> {
            Ok(())
        }

        fn set_dtr(&mut self, _: bool) -> Result<(), PortError> {
            Ok(())
        }

        fn set_rts(&mut self, _: bool) -> Result<(), PortError> {
            Ok(())
        }
    }

    fn with(bridge: fn(u8) -> Option<u8>) -> Loopback {
        let mut plug = Plug {
            waiting: VecDeque::new(),
            bridge,
        };
        test(&mut plug).unwrap()
    }

    #[test]
    fn only_all_that_was_sent_is_whole() {
        assert_eq!(with(Some), Loopback::Whole);
        assert_eq!(with(|_| None), Loopback::Nothing);
        // A bit that sticks, a byte that is lost.
        assert_eq!(with(|byte| Some(byte | 0x40)), Loopback::Other);
        assert_eq!(with(|byte| (byte != 200).then_some(byte)), Loopback::Other);
    }
}

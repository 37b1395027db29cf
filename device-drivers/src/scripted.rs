//! A port that plays a script and writes down what is done to it: bytes sent, edges of DTR and RTS. Waiting
//! moves a hand-driven clock, so a test of minutes takes no time.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use embedded_io::{ErrorType, Read, Write};

use crate::clock::ManualClock;
use crate::port::{Port, PortError};

/// One thing that happens on the line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Step {
    /// These bytes arrive.
    Bytes(Vec<u8>),
    /// Nothing arrives for so long.
    Quiet(Duration),
    /// The plug is pulled.
    Unplug,
}

/// What was done to the port.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Seen {
    /// Every byte sent.
    pub sent: Vec<u8>,
    /// Changes of DTR.
    pub dtr_edges: u32,
    /// Changes of RTS.
    pub rts_edges: u32,
    /// DTR is on.
    pub dtr: bool,
    /// RTS is on.
    pub rts: bool,
}

#[derive(Debug, Default)]
struct State {
    steps: VecDeque<Step>,
    seen: Seen,
}

/// The script of a port, shared with the test that wrote it. It goes on where it was when a port of it is
/// opened again; at its end the line stays quiet.
#[derive(Debug, Clone, Default)]
pub struct Script(Arc<Mutex<State>>);

impl Script {
    /// A script of these steps.
    pub fn new(steps: impl IntoIterator<Item = Step>) -> Self {
        let script = Self::default();
        script.state().steps.extend(steps);
        script
    }

    /// What was done to the port so far.
    pub fn seen(&self) -> Seen {
        self.state().seen.clone()
    }

    /// A port that plays this script; waiting moves the clock.
    pub fn port(&self, clock: &ManualClock) -> ScriptedPort {
        ScriptedPort {
            script: self.clone(),
            clock: clock.clone(),
            timeout: Duration::from_millis(50),
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A port that plays a script.
#[derive(Debug)]
pub struct ScriptedPort {
    script: Script,
    clock: ManualClock,
    timeout: Duration,
}

impl ErrorType for ScriptedPort {
    type Error = PortError;
}

impl Read for ScriptedPort {
    fn read(&mut self, buffer: &mut [u8]) -> Result<usize, PortError> {
        let mut state = self.script.state();
        match state.steps.pop_front() {
            Some(Step::Bytes(mut bytes)) => {
                let length = bytes.len().min(buffer.len());
                buffer[..length].copy_from_slice(&bytes[..length]);
                if length < bytes.len() {
                    state.steps.push_front(Step::Bytes(bytes.split_off(length)));
                }
                Ok(length)
            }
            Some(Step::Quiet(time)) => {
                let waited = time.min(self.timeout);
                if time > waited {
                    state.steps.push_front(Step::Quiet(time - waited));
                }
                self.clock.advance(waited);
                Err(PortError::TimedOut)
            }
            Some(Step::Unplug) => Err(PortError::Gone),
            None => {
                self.clock.advance(self.timeout);
                Err(PortError::TimedOut)
            }
        }
    }
}

impl Write for ScriptedPort {
    fn write(&mut self, bytes: &[u8]) -> Result<usize, PortError> {
        self.script.state().seen.sent.extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> Result<(), PortError> {
        Ok(())
    }
}

impl Port for ScriptedPort {
    fn set_timeout(&mut self, timeout: Duration) -> Result<(), PortError> {
        self.timeout = timeout;
        Ok(())
    }

    fn set_dtr(&mut self, on: bool) -> Result<(), PortError> {
        let seen = &mut self.script.state().seen;
        seen.dtr_edges += u32::from(seen.dtr != on);
        seen.dtr = on;
        Ok(())
    }

    fn set_rts(&mut self, on: bool) -> Result<(), PortError> {
        let seen = &mut self.script.state().seen;
        seen.rts_edges += u32::from(seen.rts != on);
        seen.rts = on;
        Ok(())
    }
}

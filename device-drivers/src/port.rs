//! A byte stream with modem lines, as `embedded-io` traits: the real serial port stands in [`crate::serial`], a
//! scripted one for tests and demonstrations in [`crate::scripted`].

use std::io;
use std::path::PathBuf;
use std::time::Duration;

use embedded_io::{ErrorType, Read, Write};

use crate::catalogue::{LineRule, SerialLine};

/// What can go wrong on an open port.
#[derive(Debug, thiserror::Error)]
pub enum PortError {
    /// No byte came, or none could be sent, within the time limit.
    #[error("no byte within the time limit")]
    TimedOut,
    /// The port is gone: unplugged, or its other end closed.
    #[error("the port is gone")]
    Gone,
    /// The system reports something else.
    #[error("the port failed")]
    Io(#[source] io::Error),
}

impl embedded_io::Error for PortError {
    fn kind(&self) -> embedded_io::ErrorKind {
        match self {
            Self::TimedOut => embedded_io::ErrorKind::TimedOut,
            Self::Gone => embedded_io::ErrorKind::BrokenPipe,
            Self::Io(_) => embedded_io::ErrorKind::Other,
        }
    }
}

/// An open port. Reading waits for the first byte no longer than the read timeout.
pub trait Port: ErrorType<Error = PortError> + Read + Write + Send {
    /// Sets how long a read waits; also how long a write may be held up.
    fn set_timeout(&mut self, timeout: Duration) -> Result<(), PortError>;
    /// Switches DTR. A port without modem lines accepts that.
    fn set_dtr(&mut self, on: bool) -> Result<(), PortError>;
    /// Switches RTS. A port without modem lines accepts that.
    fn set_rts(&mut self, on: bool) -> Result<(), PortError>;
}

impl Port for Box<dyn Port> {
    fn set_timeout(&mut self, timeout: Duration) -> Result<(), PortError> {
        self.as_mut().set_timeout(timeout)
    }

    fn set_dtr(&mut self, on: bool) -> Result<(), PortError> {
        self.as_mut().set_dtr(on)
    }

    fn set_rts(&mut self, on: bool) -> Result<(), PortError> {
        self.as_mut().set_rts(on)
    }
}

/// Brings the modem lines of a newly opened port into the state that the catalogue wants, and touches nothing
/// else: on many devices an edge is a reset.
pub fn apply_lines(port: &mut dyn Port, line: &SerialLine) -> Result<(), PortError> {
    match line.dtr {
        LineRule::Untouched => {}
        LineRule::On => port.set_dtr(true)?,
    }
    match line.rts {
        LineRule::Untouched => Ok(()),
        LineRule::On => port.set_rts(true),
    }
}

/// Why a port could not be opened.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// Nothing is plugged in there.
    #[error("nothing is plugged in at {}", .0.display())]
    Absent(PathBuf),
    /// Another program holds it.
    #[error("{} is held by {}", .path.display(), .by.as_deref().unwrap_or("another program"))]
    Busy {
        /// The port.
        path: PathBuf,
        /// Name of the program, where it can be seen.
        by: Option<String>,
    },
    /// This program may not open it.
    #[error("no permission to open {}", .0.display())]
    Denied(PathBuf),
    /// Several adapters carry this name; the paths tell them apart.
    #[error("several adapters share the name {}", .path.display())]
    Ambiguous {
        /// The shared name.
        path: PathBuf,
        /// The adapters, by the USB socket that they are plugged in.
        by_path: Vec<PathBuf>,
    },
    /// The system reports something else.
    #[error("cannot open {}", .path.display())]
    Failed {
        /// The port.
        path: PathBuf,
        /// The system's answer.
        #[source]
        source: io::Error,
    },
}

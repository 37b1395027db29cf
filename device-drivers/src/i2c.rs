//! I2C buses: the Pi's own (`/dev/i2c-N`) and one behind an NXP SC18IM700 bridge on a serial line, which also
//! brings an I2C sensor to computers without such a bus.

use std::path::Path;

use embedded_hal::i2c::{ErrorKind, ErrorType, I2c, NoAcknowledgeSource, Operation, SevenBitAddress};
use linux_embedded_hal::I2cdev;

use crate::catalogue::{LineRule, SerialLine};
use crate::port::{OpenError, Port, PortError};
use crate::serial;

/// The bridge's line after power-on (data sheet SC18IM700, section 7.2).
pub const BRIDGE_LINE: SerialLine = SerialLine {
    baud: 9_600,
    dtr: LineRule::Untouched,
    rts: LineRule::Untouched,
};
const START: u8 = b'S';
const STOP: u8 = b'P';
const READ_REGISTER: u8 = b'R';
/// Status register of the bridge, and its value after a good exchange.
const STATUS: u8 = 0x0a;
const STATUS_OK: u8 = 0xf0;
/// Reads that may time out before an answer is given up.
const PATIENCE: u32 = 6;
/// Most bytes of one part of an exchange: the bridge's buffer.
const PART_MAX: usize = 16;

/// What can go wrong on a bus.
#[derive(Debug, thiserror::Error)]
pub enum I2cError {
    /// Nobody acknowledged.
    #[error("nobody acknowledged on the bus")]
    NoAcknowledge,
    /// The line to the bridge failed.
    #[error("the line to the bus bridge failed")]
    Port(#[source] PortError),
    /// The kernel's driver reports a fault.
    #[error("the bus failed")]
    Bus(ErrorKind),
    /// An exchange longer than the bridge can hold.
    #[error("an exchange is longer than {PART_MAX} bytes")]
    TooLong,
}

impl embedded_hal::i2c::Error for I2cError {
    fn kind(&self) -> ErrorKind {
        match self {
            Self::NoAcknowledge => ErrorKind::NoAcknowledge(NoAcknowledgeSource::Unknown),
            Self::Bus(kind) => *kind,
            Self::Port(_) | Self::TooLong => ErrorKind::Other,
        }
    }
}

impl I2cError {
    /// Whether the bus itself is gone, so that it must be opened anew.
    pub fn is_gone(&self) -> bool {
        matches!(self, Self::Port(PortError::Gone | PortError::Io(_)))
    }
}

/// An SC18IM700 on a port.
pub struct Sc18im700<P>(P);

impl<P: Port> Sc18im700<P> {
    /// The bridge on an open port.
    pub fn new(port: P) -> Self {
        Self(port)
    }

    fn send(&mut self, bytes: &[u8]) -> Result<(), I2cError> {
        let mut rest = bytes;
        while !rest.is_empty() {
            let length = self.0.write(rest).map_err(I2cError::Port)?;
            rest = rest.get(length.max(1)..).unwrap_or_default();
        }
        Ok(())
    }

    /// Fills the buffer; a bridge whose sensor did not acknowledge sends nothing.
    fn receive(&mut self, mut buffer: &mut [u8]) -> Result<(), I2cError> {
        let mut patience = PATIENCE;
        while !buffer.is_empty() {
            match self.0.read(buffer) {
                Ok(0) => return Err(I2cError::Port(PortError::Gone)),
                Ok(length) => buffer = buffer.get_mut(length..).unwrap_or_default(),
                Err(PortError::TimedOut) if patience > 0 => patience -= 1,
                Err(PortError::TimedOut) => return Err(I2cError::NoAcknowledge),
                Err(error @ (PortError::Gone | PortError::Io(_))) => return Err(I2cError::Port(error)),
            }
        }
        Ok(())
    }

    /// Throws away what an earlier, broken exchange left behind.
    fn clear(&mut self) -> Result<(), I2cError> {
        let mut stale = [0; PART_MAX];
        self.0
            .set_timeout(std::time::Duration::from_millis(1))
            .map_err(I2cError::Port)?;
        for _ in 0..PART_MAX {
            match self.0.read(&mut stale) {
                Ok(0) => return Err(I2cError::Port(PortError::Gone)),
                Ok(_) => {}
                Err(PortError::TimedOut) => break,
                Err(error @ (PortError::Gone | PortError::Io(_))) => return Err(I2cError::Port(error)),
            }
        }
        self.0
            .set_timeout(std::time::Duration::from_millis(50))
            .map_err(I2cError::Port)
    }
}

impl<P: Port> ErrorType for Sc18im700<P> {
    type Error = I2cError;
}

impl<P: Port> I2c<SevenBitAddress> for Sc18im700<P> {
    fn transaction(&mut self, address: u8, operations: &mut [Operation<'_>]) -> Result<(), I2cError> {
        self.clear()?;
        let mut command = Vec::new();
        for operation in operations.iter() {
            let (direction, length) = match operation {
                Operation::Write(bytes) => (0, bytes.len()),
                Operation::Read(buffer) => (1, buffer.len()),
            };
            let count = u8::try_from(length)
                .ok()
                .filter(|_| length <= PART_MAX)
                .ok_or(I2cError::TooLong)?;
            command.extend([START, address << 1 | direction, count]);
            if let Operation::Write(bytes) = operation {
                command.extend_from_slice(bytes);
            }
        }
        command.push(STOP);
        self.send(&command)?;
        for operation in operations.iter_mut() {
            if let Operation::Read(buffer) = operation {
                self.receive(buffer)?;
            }
        }
        let mut status = [0];
        self.send(&[READ_REGISTER, STATUS, STOP])?;
        self.receive(&mut status)?;
        if status == [STATUS_OK] {
            Ok(())
        } else {
            Err(I2cError::NoAcknowledge)
        }
    }
}

/// A bus of either kind.
pub enum Bus {
    /// The computer's own.
    Own(Box<I2cdev>),
    /// Behind a bridge.
    Bridged(Sc18im700<Box<dyn Port>>),
}

impl ErrorType for Bus {
    type Error = I2cError;
}

impl I2c<SevenBitAddress> for Bus {
    fn transaction(&mut self, address: u8, operations: &mut [Operation<'_>]) -> Result<(), I2cError> {
        match self {
            Self::Own(bus) => bus
                .transaction(address, operations)
                .map_err(|error| I2cError::Bus(embedded_hal::i2c::Error::kind(&error))),
            Self::Bridged(bridge) => bridge.transaction(address, operations),
        }
    }
}

/// Opens the bus at a configured path: a bus of the kernel by its name `i2c-N`, else a bridge on a serial line.
pub fn open(path: &Path) -> Result<Bus, OpenError> {
    let device = std::fs::canonicalize(path).map_err(|_| OpenError::Absent(path.to_owned()))?;
    let is_own = device
        .file_name()
        .is_some_and(|name| name.to_string_lossy().starts_with("i2c-"));
    if !is_own {
        let port = serial::open(path, &BRIDGE_LINE)?;
        return Ok(Bus::Bridged(Sc18im700::new(Box::new(port))));
    }
    match I2cdev::new(&device) {
        Ok(bus) => Ok(Bus::Own(Box::new(bus))),
        Err(error) => {
            let source = std::io::Error::from(error);
            Err(match source.kind() {
                std::io::ErrorKind::PermissionDenied => OpenError::Denied(path.to_owned()),
                _ => OpenError::Failed {
                    path: path.to_owned(),
                    source,
                },
            })
        }
    }
}

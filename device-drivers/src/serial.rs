//! Real serial ports: opened by their stable path, held alone, modem lines left as the catalogue says.
//!
//! Linux itself raises DTR and RTS when a port is opened; nothing here adds an edge to that, and a port is
//! opened once and kept.

mod holder;
mod inventory;

pub use holder::holder_of;
pub use inventory::{Inventory, PortInfo, UsbIdentity};

use std::io;
use std::io::{Read as _, Write as _};
use std::path::{Path, PathBuf};
use std::time::Duration;

use embedded_io::{ErrorType, Read, Write};
use serialport::{SerialPort, TTYPort};

use crate::catalogue::SerialLine;
use crate::port::{OpenError, Port, PortError, apply_lines};

/// How the system says that this kind of device has no modem lines (pseudo terminals): ENOTTY and EINVAL.
const NO_SUCH_LINES: [&str; 3] = [
    "Not a typewriter",
    "Inappropriate ioctl for device",
    "Invalid argument",
];

/// An open serial port.
#[derive(Debug)]
pub struct SerialLinePort(TTYPort);

/// Opens the port at a configured path and sets its lines.
///
/// A name that several adapters share is refused before anything is opened.
pub fn open(path: &Path, line: &SerialLine) -> Result<SerialLinePort, OpenError> {
    let device = Inventory::of_this_computer().resolve(path)?;
    if let Some(by) = holder_of(Path::new("/proc"), &device, std::process::id()) {
        return Err(OpenError::Busy {
            path: path.to_owned(),
            by: Some(by),
        });
    }
    let builder = serialport::new(device.to_string_lossy(), line.baud)
        .preserve_dtr_on_open()
        .timeout(Duration::from_millis(50));
    let tty = TTYPort::open(&builder).map_err(|error| open_error(path, &device, error))?;
    let mut port = SerialLinePort(tty);
    match apply_lines(&mut port, line) {
        Ok(()) => Ok(port),
        Err(PortError::Gone | PortError::TimedOut) => Err(OpenError::Absent(path.to_owned())),
        Err(PortError::Io(source)) => Err(OpenError::Failed {
            path: path.to_owned(),
            source,
        }),
    }
}

fn open_error(path: &Path, device: &Path, error: serialport::Error) -> OpenError {
    let path = path.to_owned();
    match error.kind() {
        serialport::ErrorKind::NoDevice => OpenError::Busy {
            by: holder_of(Path::new("/proc"), device, std::process::id()),
            path,
        },
        serialport::ErrorKind::Io(io::ErrorKind::NotFound) => OpenError::Absent(path),
        serialport::ErrorKind::Io(io::ErrorKind::PermissionDenied) => OpenError::Denied(path),
        serialport::ErrorKind::Io(io::ErrorKind::WouldBlock) => OpenError::Busy { by: None, path },
        serialport::ErrorKind::Unknown | serialport::ErrorKind::InvalidInput => OpenError::Failed {
            path,
            source: io::Error::from(error),
        },
        serialport::ErrorKind::Io(_) => OpenError::Failed {
            path,
            source: io::Error::from(error),
        },
    }
}

fn port_error(error: io::Error) -> PortError {
    match error.kind() {
        io::ErrorKind::TimedOut | io::ErrorKind::Interrupted | io::ErrorKind::WouldBlock => {
            PortError::TimedOut
        }
        io::ErrorKind::BrokenPipe | io::ErrorKind::NotFound => PortError::Gone,
        _ => PortError::Io(error),
    }
}

/// A port without modem lines (a pseudo terminal) accepts any setting of them.
fn line_result(result: serialport::Result<()>) -> Result<(), PortError> {
    match result {
        Err(error) if NO_SUCH_LINES.iter().any(|text| error.description.contains(text)) => Ok(()),
        Err(error) => Err(PortError::Io(io::Error::from(error))),
        Ok(()) => Ok(()),
    }
}

impl ErrorType for SerialLinePort {
    type Error = PortError;
}

impl Read for SerialLinePort {
    fn read(&mut self, buffer: &mut [u8]) -> Result<usize, PortError> {
        self.0.read(buffer).map_err(port_error)
    }
}

impl Write for SerialLinePort {
    fn write(&mut self, bytes: &[u8]) -> Result<usize, PortError> {
        self.0.write(bytes).map_err(port_error)
    }

    fn flush(&mut self) -> Result<(), PortError> {
        self.0.flush().map_err(port_error)
    }
}

impl Port for SerialLinePort {
    fn set_timeout(&mut self, timeout: Duration) -> Result<(), PortError> {
        self.0
            .set_timeout(timeout)
            .map_err(|error| port_error(io::Error::from(error)))
    }

    fn set_dtr(&mut self, on: bool) -> Result<(), PortError> {
        line_result(self.0.write_data_terminal_ready(on))
    }

    fn set_rts(&mut self, on: bool) -> Result<(), PortError> {
        line_result(self.0.write_request_to_send(on))
    }
}

/// A function that opens this port for a session, each time anew.
pub fn opener(path: PathBuf, line: SerialLine) -> impl FnMut() -> Result<Box<dyn Port>, OpenError> + Send {
    move || open(&path, &line).map(|port| Box::new(port) as Box<dyn Port>)
}

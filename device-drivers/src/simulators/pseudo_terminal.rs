//! A pseudo terminal in raw mode: the simulator's end of the cable.

use std::fs::{File, OpenOptions};
use std::io::{self, ErrorKind, Read, Write};
use std::os::unix::ffi::OsStringExt;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fs::{OFlags, fcntl_setfl};
use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};
use rustix::termios::{OptionalActions, tcgetattr, tcsetattr};

/// A host that takes nothing for this long is given up for that burst.
const HOST_STALLED: Duration = Duration::from_secs(10);

/// The master side.
#[derive(Debug)]
pub(super) struct PseudoTerminal {
    master: File,
    path: PathBuf,
}

impl PseudoTerminal {
    pub(super) fn open() -> io::Result<Self> {
        let master = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY | OpenptFlags::CLOEXEC)?;
        grantpt(&master)?;
        unlockpt(&master)?;
        let name = ptsname(&master, Vec::new())?;
        let path = PathBuf::from(std::ffi::OsString::from_vec(name.into_bytes()));
        // Raw before anybody opens it, else the terminal would echo our bytes back to us. Closing this end
        // again also makes the terminal say from now on whether a host is there.
        let flags = (OFlags::NOCTTY | OFlags::CLOEXEC).bits().cast_signed();
        let slave = OpenOptions::new()
            .read(true)
            .write(true)
            .custom_flags(flags)
            .open(&path)?;
        let mut settings = tcgetattr(&slave)?;
        settings.make_raw();
        tcsetattr(&slave, OptionalActions::Now, &settings)?;
        fcntl_setfl(&master, OFlags::NONBLOCK)?;
        Ok(Self {
            master: File::from(master),
            path,
        })
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// Waits until something comes from the host; whether a host has the line open.
    pub(super) fn wait(&self, time: Duration) -> io::Result<bool> {
        let revents = self.poll(PollFlags::IN, time)?;
        let open = !revents.contains(PollFlags::HUP);
        if !open {
            // A hung-up terminal is always "ready": without a host there is nothing to wait for but time.
            std::thread::sleep(time);
        }
        Ok(open)
    }

    fn poll(&self, events: PollFlags, time: Duration) -> io::Result<PollFlags> {
        let mut fds = [PollFd::new(&self.master, events)];
        let timeout = Timespec::try_from(time).map_err(io::Error::other)?;
        match poll(&mut fds, Some(&timeout)) {
            Ok(_) => Ok(fds[0].revents()),
            Err(rustix::io::Errno::INTR) => Ok(PollFlags::empty()),
            Err(error) => Err(error.into()),
        }
    }

    /// What the host sent; empty if nothing.
    pub(super) fn read(&mut self) -> Vec<u8> {
        let mut buffer = [0; 1024];
        let length = self.master.read(&mut buffer).unwrap_or_default();
        buffer.get(..length).unwrap_or_default().to_vec()
    }

    /// Sends bytes. They wait for a host that is slow; without one they go nowhere, as on a real cable.
    pub(super) fn write(&mut self, mut bytes: &[u8]) {
        let began = Instant::now();
        while !bytes.is_empty() && began.elapsed() < HOST_STALLED {
            match self.master.write(bytes) {
                Ok(length) => bytes = bytes.get(length..).unwrap_or_default(),
                Err(error) if error.kind() == ErrorKind::WouldBlock => {
                    match self.poll(PollFlags::OUT, Duration::from_millis(20)) {
                        Ok(revents) if !revents.contains(PollFlags::HUP) => {}
                        Ok(_) | Err(_) => return,
                    }
                }
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(_) => return,
            }
        }
    }
}

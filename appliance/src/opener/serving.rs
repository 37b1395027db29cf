//! The opener's socket: who may ask, one question at a time.

use std::fs;
use std::io;
use std::os::unix::fs::{PermissionsExt, chown};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::Path;
use std::time::{Duration, Instant};

use card::BlockDevice;

use super::protocol;
use super::{Opener, System};

/// How long one end may keep the other waiting for a question that it began.
const PATIENCE: Duration = Duration::from_secs(10);

/// Listens at a path that nothing else may stand at; the socket is for root and this user.
///
/// # Errors
/// What the system says.
pub fn listen(path: &Path, user: u32) -> io::Result<UnixListener> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        Ok(()) | Err(_) => {}
    }
    let listener = UnixListener::bind(path)?;
    fs::set_permissions(path, fs::Permissions::from_mode(0o600))?;
    chown(path, Some(user), None)?;
    Ok(listener)
}

/// Answers questions until the listener fails. After the data were opened and that was answered, `begin` starts what
/// works with them.
///
/// # Errors
/// What the system says.
pub fn serve<D: BlockDevice, S: System>(
    listener: &UnixListener,
    user: u32,
    opener: &mut Opener<D, S>,
    mut begin: impl FnMut(),
) -> io::Result<()> {
    let start = Instant::now();
    let mut has_begun = opener.system.is_open();
    for stream in listener.incoming() {
        if let Err(error) = converse(&mut stream?, user, opener, start) {
            tracing::warn!(%error, "a question to the opener was not answered");
        }
        // Also where who asked did not wait for the answer.
        if !has_begun && opener.system.is_open() {
            has_begun = true;
            begin();
        }
    }
    Ok(())
}

pub(crate) fn converse<D: BlockDevice, S: System>(
    stream: &mut UnixStream,
    user: u32,
    opener: &mut Opener<D, S>,
    start: Instant,
) -> io::Result<()> {
    let peer = rustix::net::sockopt::socket_peercred(&*stream)?.uid.as_raw();
    if peer != user && peer != 0 {
        return Err(io::ErrorKind::PermissionDenied.into());
    }
    stream.set_read_timeout(Some(PATIENCE))?;
    stream.set_write_timeout(Some(PATIENCE))?;
    let request = protocol::read(stream)?;
    let answer = opener.answer(request, start.elapsed());
    protocol::write(stream, &answer)
}

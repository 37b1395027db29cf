//! The other end of the opener's socket: asked by the box's programs.

use std::io;
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::time::Duration;

use super::protocol::{self, Answer, Request};

/// How long an answer may take: a slot's key, a check of the file system, on a slow board.
const PATIENCE: Duration = Duration::from_secs(300);

/// The opener did not answer.
#[derive(Debug, thiserror::Error)]
#[error("the opener of the data does not answer")]
pub struct NoAnswer(#[from] io::Error);

/// Where the opener listens.
#[derive(Debug, Clone)]
pub struct Door(PathBuf);

impl Door {
    /// The opener behind this socket.
    pub fn at(socket: PathBuf) -> Self {
        Self(socket)
    }

    /// Asks, and waits for the answer.
    ///
    /// # Errors
    /// [`NoAnswer`].
    pub fn ask_now(&self, request: &Request) -> Result<Answer, NoAnswer> {
        let mut stream = UnixStream::connect(&self.0)?;
        stream.set_read_timeout(Some(PATIENCE))?;
        stream.set_write_timeout(Some(PATIENCE))?;
        protocol::write(&mut stream, request)?;
        Ok(protocol::read(&mut stream)?)
    }

    /// The same where it holds up nobody.
    ///
    /// # Errors
    /// [`NoAnswer`].
    pub async fn ask(&self, request: Request) -> Result<Answer, NoAnswer> {
        let door = self.clone();
        let asked = tokio::task::spawn_blocking(move || door.ask_now(&request)).await;
        asked.unwrap_or_else(|_| Err(NoAnswer(io::ErrorKind::Interrupted.into())))
    }
}

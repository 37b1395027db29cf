//! Hearing of what other processes wrote into the same database.

use std::future::poll_fn;
use std::pin::pin;
use std::time::Duration;

use tokio::task::AbortHandle;
use tokio_postgres::tls::MakeTlsConnect;
use tokio_postgres::{AsyncMessage, NoTls, Socket};

use super::{Address, driver};
use crate::sql::Result;

/// The channel on which a commit is told.
pub(super) const CHANNEL: &str = "clinic_changes";
/// A connection may be dead without a word: those who wait look for themselves this often.
const LOOK_EVERY: Duration = Duration::from_secs(15);
/// Pause before a connection that broke is made again.
const AGAIN: Duration = Duration::from_secs(2);

/// Something for those who wait.
pub(crate) enum Heard {
    /// A commit told this.
    Told(String),
    /// Nothing for a while.
    Nothing,
    /// Listening began, maybe again: what was told before was not heard.
    Again,
}

/// Listens until it is dropped.
pub(crate) struct Listening(AbortHandle);

impl Drop for Listening {
    fn drop(&mut self) {
        self.0.abort();
    }
}

impl Listening {
    /// Calls `heard` for all that is told, and every few seconds.
    pub(crate) fn start(address: &Address, heard: impl Fn(Heard) + Send + Sync + 'static) -> Result<Self> {
        let address = address.clone();
        let task = driver()?.spawn(async move {
            loop {
                let ended = match address.tls.clone() {
                    Some(tls) => listen(&address, tls, &heard).await,
                    None => listen(&address, NoTls, &heard).await,
                };
                if let Err(error) = ended {
                    tracing::warn!(%error, "changes of other nodes are looked for, not heard");
                }
                heard(Heard::Nothing);
                tokio::time::sleep(AGAIN).await;
            }
        });
        Ok(Self(task.abort_handle()))
    }
}

async fn listen<T: MakeTlsConnect<Socket>>(
    address: &Address,
    tls: T,
    heard: &(impl Fn(Heard) + Sync),
) -> std::result::Result<(), tokio_postgres::Error> {
    let (client, mut connection) = address.config.connect(tls).await?;
    let listen = format!("LISTEN {CHANNEL}");
    let mut asked = pin!(client.batch_execute(&listen));
    let mut listens = false;
    let mut look = tokio::time::interval(LOOK_EVERY);
    look.tick().await;
    loop {
        tokio::select! {
            message = poll_fn(|context| connection.poll_message(context)) => match message {
                Some(Ok(AsyncMessage::Notification(note))) => heard(Heard::Told(note.payload().to_owned())),
                Some(Ok(_)) => {}
                Some(Err(error)) => return Err(error),
                None => return Ok(()),
            },
            answer = &mut asked, if !listens => {
                answer?;
                listens = true;
                heard(Heard::Again);
            }
            _ = look.tick() => heard(Heard::Nothing),
        }
    }
}

//! Hearing of what other processes wrote into the same database.

use std::future::poll_fn;
use std::pin::pin;
use std::time::Duration;

use tokio::task::AbortHandle;
use tokio_postgres::{AsyncMessage, NoTls};

use super::{Address, driver};
use crate::sql::Result;

/// The channel on which a commit is told.
pub(super) const CHANNEL: &str = "clinic_changes";
/// What was told may be lost with a connection: those who wait look for themselves this often.
const LOOK_EVERY: Duration = Duration::from_secs(5);

/// Listens until it is dropped.
pub(crate) struct Listening(AbortHandle);

impl Drop for Listening {
    fn drop(&mut self) {
        self.0.abort();
    }
}

impl Listening {
    /// Calls `heard` with `true` when a process told of a commit, and with `false` every few seconds.
    pub(crate) fn start(address: &Address, heard: impl Fn(bool) + Send + Sync + 'static) -> Result<Self> {
        let address = address.clone();
        let task = driver()?.spawn(async move {
            loop {
                if let Err(error) = listen(&address, &heard).await {
                    tracing::warn!(%error, "changes of other nodes are looked for, not heard");
                }
                heard(false);
                tokio::time::sleep(LOOK_EVERY).await;
            }
        });
        Ok(Self(task.abort_handle()))
    }
}

async fn listen(
    address: &Address,
    heard: &(impl Fn(bool) + Sync),
) -> std::result::Result<(), tokio_postgres::Error> {
    let (client, mut connection) = address.0.connect(NoTls).await?;
    let listen = format!("LISTEN {CHANNEL}");
    let mut asked = pin!(client.batch_execute(&listen));
    let mut listens = false;
    let mut look = tokio::time::interval(LOOK_EVERY);
    loop {
        tokio::select! {
            message = poll_fn(|context| connection.poll_message(context)) => match message {
                Some(Ok(AsyncMessage::Notification(_))) => heard(true),
                Some(Ok(_)) => {}
                Some(Err(error)) => return Err(error),
                None => return Ok(()),
            },
            answer = &mut asked, if !listens => {
                answer?;
                listens = true;
            }
            _ = look.tick() => heard(false),
        }
    }
}

//! The dull loop between a socket, an exchange and a store: the same for both ends.

use std::io;
use std::time::Duration;

use store::{Cause, Store, StoreError, StoreEvent};
use sync_core::exchange::{Answer, Ask, Exchange, ExchangeFault};
use sync_core::wire::{Bye, Lane};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, ReadHalf, WriteHalf};
use tokio::sync::broadcast;
use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep_until, timeout};

use crate::cable::Cable;
use crate::dial::AGAIN_MAX;

/// Bytes that are handed to the socket at once: few, so that something urgent does not wait behind them.
const WRITE_BYTES: usize = 4 * 1024;
/// Bytes that are taken from the socket at once.
const READ_BYTES: usize = 32 * 1024;
/// How long the last words may take.
const GOODBYE_LIMIT: Duration = Duration::from_secs(2);

/// Why a connection ended.
#[derive(Debug, thiserror::Error)]
pub(crate) enum End {
    /// Everything is exchanged, and that was all that was wanted.
    #[error("settled")]
    Settled,
    /// This end stops.
    #[error("stopped")]
    Stopped,
    /// The stream broke.
    #[error("the connection broke")]
    Cut(#[source] Option<io::Error>),
    /// The exchange cannot go on.
    #[error(transparent)]
    Fault(#[from] ExchangeFault),
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl End {
    /// The cause as the box shows it.
    pub(crate) fn cause(&self) -> Option<Cause> {
        match self {
            Self::Settled | Self::Stopped => None,
            Self::Cut(Some(error)) => Some(crate::dial::tls_cause(error)),
            Self::Cut(None) => Some(Cause::Cut),
            Self::Store(_) => Some(Cause::OwnStore),
            Self::Fault(fault) => Some(match fault {
                ExchangeFault::Silent(_) => Cause::Silent,
                ExchangeFault::Closed(bye) | ExchangeFault::Refused(bye) => bye_cause(*bye),
                ExchangeFault::OutOfTurn("a welcome of another hub") => Cause::NotThisHub,
                ExchangeFault::Wire(_)
                | ExchangeFault::Signature(_)
                | ExchangeFault::OutOfTurn(_)
                | ExchangeFault::ForeignBatch => Cause::Malformed,
            }),
        }
    }
}

fn bye_cause(bye: Bye) -> Cause {
    match bye {
        Bye::UnknownDevice => Cause::Unknown,
        Bye::Revoked => Cause::Revoked,
        Bye::NoCommonVersion => Cause::Version,
        Bye::StoreFault | Bye::Stopping => Cause::HubFault,
        Bye::Silent | Bye::NotHere => Cause::Cut,
        Bye::Malformed | Bye::Unknown(_) => Cause::Malformed,
    }
}

/// The answer to a long ask, on its way: a task of its own. A future that is looked at only between other asks could be
/// given the store's last free reader and keep it, while the ask in hand waits for one.
pub(crate) type Beside = JoinHandle<Result<Answer, StoreError>>;

/// Who carries out what the exchange asks.
pub(crate) trait Answers {
    /// Carries it out.
    async fn answer(&mut self, ask: Ask) -> Result<Answer, StoreError>;

    /// The same for one that is long, beside the others.
    fn answer_beside(&self, ask: Ask) -> Beside;

    /// The lanes that may have something to send since this was asked last.
    async fn news(&mut self) -> Result<Vec<Lane>, StoreError>;

    /// The connection is at its end, and what came of it is in the store. A box has nobody to tell.
    fn kept_all(&self) {}
}

/// Reads what the other end still sends until it closes, too: closed with bytes in it that nobody read, a socket is reset,
/// and the last words are lost.
pub(crate) async fn hear_out(stream: &mut (impl AsyncRead + Unpin)) -> io::Result<()> {
    tokio::io::copy(stream, &mut tokio::io::sink()).await.map(drop)
}

/// Has an end do what it can before it is connected: reads what it will send first, and begins to pack it.
pub(crate) async fn prepare(
    exchange: &mut Exchange,
    answers: &mut impl Answers,
) -> Result<Option<Beside>, End> {
    while let Some(ask) = exchange.poll_ask(Duration::ZERO) {
        if ask.is_long() {
            return Ok(Some(answers.answer_beside(ask)));
        }
        let answer = answers.answer(ask).await?;
        exchange.handle_answer(answer, Duration::ZERO)?;
    }
    Ok(None)
}

/// Nobody waits for an answer any more, but it works in the store: whoever closes that next must find it free.
pub(crate) async fn let_finish(beside: Option<Beside>) {
    if let Some(answer) = beside {
        drop(answer.await);
    }
}

/// What ends or wakes a connection from outside.
pub(crate) struct Outside<'a> {
    pub(crate) store: &'a Store,
    /// What the store told since the exchange read from it first.
    pub(crate) events: broadcast::Receiver<StoreEvent>,
    /// The answer to a long ask that was begun before.
    pub(crate) beside: Option<Beside>,
    pub(crate) cable: &'a Cable,
    /// Completes when this end stops.
    pub(crate) stop: &'a mut (dyn Future<Output = ()> + Unpin + Send),
    /// How often to look for news that no event told of (another process wrote them).
    pub(crate) look_every: Option<Duration>,
    /// Ends once everything is exchanged.
    pub(crate) until_settled: bool,
    /// Of a box: how soon it sends again what was not acknowledged.
    pub(crate) again: Option<Duration>,
}

/// Bytes that went over the TLS stream after the handshake.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Carried {
    pub(crate) up: u64,
    pub(crate) down: u64,
}

/// Carries until the connection ends. `started` is the zero of the exchange's time.
pub(crate) async fn carry<S: AsyncRead + AsyncWrite>(
    stream: S,
    exchange: &mut Exchange,
    started: Instant,
    answers: &mut impl Answers,
    mut outside: Outside<'_>,
    carried: &mut Carried,
) -> End {
    let (read, write) = tokio::io::split(stream);
    let mut line = Line {
        read,
        write,
        out: Vec::new(),
        unflushed: false,
        buffer: vec![0; READ_BYTES],
        carried,
        beside: outside.beside.take(),
    };
    let end = line.run(exchange, started, answers, outside).await;
    if matches!(&end, End::Fault(ExchangeFault::Closed(Bye::NotHere)))
        && let Err(error) = answers.answer(Ask::TellInFull).await
    {
        tracing::error!(%error, "the store failed while the link used it");
    }
    for ask in exchange.torn_off() {
        if let Err(error) = answers.answer(ask).await {
            tracing::error!(%error, "what came of a torn blob could not be kept");
        }
    }
    answers.kept_all();
    let bye = match &end {
        End::Settled | End::Cut(_) => None,
        End::Stopped => Some(Bye::Stopping),
        End::Fault(fault) => fault.bye(),
        End::Store(error) => {
            tracing::error!(%error, "the store failed while the link used it");
            Some(Bye::StoreFault)
        }
    };
    if let Some(bye) = bye {
        exchange.close(bye);
    }
    if !matches!(end, End::Cut(_)) {
        let goodbye = async {
            line.say_goodbye(exchange, started).await?;
            if bye.is_some() {
                hear_out(&mut line.read).await?;
            }
            Ok::<(), io::Error>(())
        };
        // The other end may be gone already: then nobody hears the last words.
        let _ = timeout(GOODBYE_LIMIT, goodbye).await;
    }
    let_finish(line.beside.take()).await;
    end
}

struct Line<'c, S> {
    read: ReadHalf<S>,
    write: WriteHalf<S>,
    out: Vec<u8>,
    unflushed: bool,
    buffer: Vec<u8>,
    carried: &'c mut Carried,
    /// The answer to a long ask that is under way.
    beside: Option<Beside>,
}

/// When a box looks whether the hub took everything, and sends the rest again.
struct Again {
    shortest: Duration,
    wait: Duration,
    at: Instant,
    /// Items that waited when it last sent them again.
    waited: u64,
}

impl Again {
    fn new(shortest: Duration) -> Self {
        Self {
            shortest,
            wait: shortest,
            at: Instant::now() + shortest,
            waited: 0,
        }
    }

    fn look(&mut self, waits: u64, exchange: &mut Exchange) {
        let helped = waits != self.waited;
        let sent = waits > 0 && exchange.send_again();
        self.wait = if sent && !helped {
            (self.wait * 2).min(AGAIN_MAX)
        } else {
            self.shortest
        };
        self.waited = waits;
        self.at = Instant::now() + self.wait;
    }
}

enum Happened {
    Read(usize),
    Wrote(usize),
    Answered(Result<Answer, StoreError>),
    News,
    TimeIsUp,
    /// There is room for more to send.
    Room,
    Again,
    Stopped,
    Cut(Option<io::Error>),
}

impl<S: AsyncRead + AsyncWrite> Line<'_, S> {
    async fn run(
        &mut self,
        exchange: &mut Exchange,
        started: Instant,
        answers: &mut impl Answers,
        mut outside: Outside<'_>,
    ) -> End {
        let mut again = outside.again.map(Again::new);
        loop {
            while let Some(ask) = exchange.poll_ask(started.elapsed()) {
                if ask.is_long() {
                    self.beside = Some(answers.answer_beside(ask));
                    continue;
                }
                let answer = match answers.answer(ask).await {
                    Ok(answer) => answer,
                    Err(error) => return error.into(),
                };
                if let Err(fault) = exchange.handle_answer(answer, started.elapsed()) {
                    return fault.into();
                }
            }
            self.fill(exchange, started);
            let drained = self.out.is_empty() && !self.unflushed;
            if outside.until_settled && drained && exchange.is_settled() {
                return End::Settled;
            }
            let due = started + exchange.poll_timeout();
            let again_at = again.as_ref().map(|again| again.at);
            let has_room = exchange.has_room();
            // Where the socket takes nothing, time makes no room.
            let room_at = exchange.poll_transmit_at().filter(|_| self.out.is_empty());
            let room_at = room_at.map(|at| started + at);
            let waits = self.wait(due, room_at, again_at, has_room, &mut outside);
            match waits.await {
                Happened::Answered(answer) => {
                    self.beside = None;
                    let answer = match answer {
                        Ok(answer) => answer,
                        Err(error) => return error.into(),
                    };
                    if let Err(fault) = exchange.handle_answer(answer, started.elapsed()) {
                        return fault.into();
                    }
                }
                Happened::Read(count) => {
                    self.carried.down += count as u64;
                    if let Err(fault) = exchange.handle_bytes(&self.buffer[..count], started.elapsed()) {
                        return fault.into();
                    }
                }
                Happened::Wrote(count) => {
                    self.carried.up += count as u64;
                    self.unflushed = count > 0;
                    self.out.drain(..count);
                }
                Happened::News => match answers.news().await {
                    Ok(lanes) => lanes
                        .into_iter()
                        .for_each(|lane| exchange.wake(lane, started.elapsed())),
                    Err(error) => return error.into(),
                },
                Happened::TimeIsUp => {
                    if let Err(fault) = exchange.handle_timeout(started.elapsed()) {
                        return fault.into();
                    }
                }
                Happened::Room => {}
                Happened::Again => {
                    let waits = match outside.store.link_status().await {
                        Ok(status) => status.pending,
                        Err(error) => return error.into(),
                    };
                    if let Some(again) = &mut again {
                        again.look(waits, exchange);
                    }
                }
                Happened::Stopped => return End::Stopped,
                Happened::Cut(error) => return End::Cut(error),
            }
        }
    }

    fn fill(&mut self, exchange: &mut Exchange, started: Instant) {
        while self.out.len() < WRITE_BYTES {
            let Some(bytes) = exchange.poll_transmit(started.elapsed()) else {
                break;
            };
            self.out.extend_from_slice(&bytes);
        }
    }

    /// Waits for the next thing to happen. Dropping any of the futures loses nothing.
    async fn wait(
        &mut self,
        due: Instant,
        room_at: Option<Instant>,
        again_at: Option<Instant>,
        has_room: bool,
        outside: &mut Outside<'_>,
    ) -> Happened {
        let Self {
            read,
            write,
            out,
            unflushed,
            buffer,
            beside,
            ..
        } = self;
        let write = async {
            if !out.is_empty() {
                write.write(out).await
            } else if *unflushed {
                write.flush().await.map(|()| 0)
            } else {
                std::future::pending().await
            }
        };
        let beside = async {
            match beside {
                // Only a panic ends it without an answer.
                Some(answer) => answer.await.unwrap_or(Err(StoreError::Closed)),
                None => std::future::pending().await,
            }
        };
        let look = async {
            match outside.look_every {
                Some(pause) => tokio::time::sleep(pause).await,
                None => std::future::pending().await,
            }
        };
        let until = async |at: Option<Instant>| match at {
            Some(at) => sleep_until(at).await,
            None => std::future::pending().await,
        };
        tokio::select! {
            biased;
            () = outside.cable.until_cut() => Happened::Cut(None),
            () = &mut *outside.stop => Happened::Stopped,
            count = write => match count {
                Ok(count) => Happened::Wrote(count),
                Err(error) => Happened::Cut(Some(error)),
            },
            answer = beside => Happened::Answered(answer),
            count = read.read(buffer), if has_room => match count {
                Ok(0) => Happened::Cut(None),
                Ok(count) => Happened::Read(count),
                Err(error) => Happened::Cut(Some(error)),
            },
            () = news(&mut outside.events) => Happened::News,
            () = look => Happened::News,
            () = until(room_at) => Happened::Room,
            () = until(again_at) => Happened::Again,
            () = sleep_until(due) => Happened::TimeIsUp,
        }
    }

    async fn say_goodbye(&mut self, exchange: &mut Exchange, started: Instant) -> io::Result<()> {
        while let Some(bytes) = exchange.poll_transmit(started.elapsed()) {
            self.out.extend_from_slice(&bytes);
        }
        self.write.write_all(&self.out).await?;
        self.carried.up += self.out.len() as u64;
        self.out.clear();
        self.write.flush().await?;
        self.write.shutdown().await
    }
}

/// Waits until the store tells of anything that may have to be sent; several at once are one.
async fn news(events: &mut broadcast::Receiver<StoreEvent>) {
    loop {
        match events.recv().await {
            Ok(StoreEvent::DocChanged { .. } | StoreEvent::SyncState | StoreEvent::Bulk)
            | Err(broadcast::error::RecvError::Lagged(_)) => break,
            Ok(StoreEvent::Tray | StoreEvent::Staff | StoreEvent::Alarm) => {}
            Err(broadcast::error::RecvError::Closed) => std::future::pending().await,
        }
    }
    while !matches!(
        events.try_recv(),
        Err(broadcast::error::TryRecvError::Empty | broadcast::error::TryRecvError::Closed)
    ) {}
}

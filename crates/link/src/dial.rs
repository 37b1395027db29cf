//! Reaching the hub: address, connection, TLS, each with its time limit, and the cause where it fails.

use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;

use rustls::pki_types::ServerName;
use rustls::{ClientConfig, Error as TlsError};
use socket2::{Domain, Protocol, Socket, Type};
use store::Cause;
use sync_core::exchange::SILENCE_LIMIT;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpSocket, TcpStream};
use tokio::time::timeout;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use crate::cable::Cable;

/// How long the TLS handshake may take.
pub(crate) const HANDSHAKE_LIMIT: Duration = Duration::from_secs(25);

/// Longest wait before a box sends again what the hub did not acknowledge: a hub without room must not eat a data
/// plan.
pub(crate) const AGAIN_MAX: Duration = Duration::from_secs(1800);

/// How long each step of a contact may take without a word from the other end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Finding and reaching the address.
    pub connect: Duration,
    /// The TLS handshake.
    pub handshake: Duration,
    /// Silence where an answer is due; 30 s at most.
    pub silence: Duration,
    /// How soon a box sends again, on an open connection, what the hub did not acknowledge; the wait doubles up to
    /// half an hour while nothing of it is taken.
    pub again: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            connect: Duration::from_secs(15),
            handshake: HANDSHAKE_LIMIT,
            silence: SILENCE_LIMIT,
            again: Duration::from_secs(60),
        }
    }
}
/// Segments fit into the smallest packets that IPv6 must carry (1,280 bytes, RFC 8200): some ways drop larger
/// ones without a word.
const SEGMENT_MAX: u32 = 1220;
/// Longest host name (RFC 1035).
const HOST_MAX: usize = 253;

/// A text that is no hub address.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not an address of the form https://HOST:PORT")]
pub struct BadAddress;

/// The hub was not reached, or does not serve this box.
#[derive(Debug, thiserror::Error)]
#[error("the hub was not reached: {}", .cause.word())]
pub struct LinkError {
    /// Why.
    pub cause: Cause,
    /// What the system or the library said.
    #[source]
    pub source: Option<Box<dyn std::error::Error + Send + Sync>>,
}

impl LinkError {
    pub(crate) fn new(cause: Cause) -> Self {
        Self { cause, source: None }
    }

    pub(crate) fn by<E: std::error::Error + Send + Sync + 'static>(cause: Cause, source: E) -> Self {
        Self {
            cause,
            source: Some(Box::new(source)),
        }
    }
}

/// Where a hub listens.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HubAddress {
    /// Host name or address.
    pub host: String,
    /// Port.
    pub port: u16,
}

impl HubAddress {
    /// Reads `https://HOST:PORT`; without a port it is 443.
    pub fn parse(url: &str) -> Result<Self, BadAddress> {
        let rest = url.trim().strip_prefix("https://").ok_or(BadAddress)?;
        let rest = rest.strip_suffix('/').unwrap_or(rest);
        let (host, port) = match rest.strip_prefix('[') {
            Some(bracketed) => {
                let (host, after) = bracketed.split_once(']').ok_or(BadAddress)?;
                (host, after.strip_prefix(':'))
            }
            None => match rest.rsplit_once(':') {
                Some((host, port)) => (host, Some(port)),
                None => (rest, None),
            },
        };
        let port = port.map_or(Ok(443), str::parse).map_err(|_| BadAddress)?;
        let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | ':' | '_');
        if host.is_empty() || host.len() > HOST_MAX || !host.chars().all(plain) || port == 0 {
            return Err(BadAddress);
        }
        Ok(Self {
            host: host.to_owned(),
            port,
        })
    }

    fn server_name(&self) -> Result<ServerName<'static>, BadAddress> {
        ServerName::try_from(self.host.clone()).map_err(|_| BadAddress)
    }
}

/// Bytes that went over a modem, handshakes included.
#[derive(Debug, Clone, Default)]
pub(crate) struct Meter(Arc<[AtomicU64; 2]>);

impl Meter {
    pub(crate) fn up(&self) -> u64 {
        self.0[0].load(Ordering::Relaxed)
    }

    pub(crate) fn down(&self) -> u64 {
        self.0[1].load(Ordering::Relaxed)
    }
}

/// A connection whose bytes are counted.
#[derive(Debug)]
pub(crate) struct Metered {
    stream: TcpStream,
    meter: Meter,
}

impl AsyncRead for Metered {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        into: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = into.filled().len();
        let outcome = Pin::new(&mut self.stream).poll_read(cx, into);
        self.meter.0[1].fetch_add((into.filled().len() - before) as u64, Ordering::Relaxed);
        outcome
    }
}

impl AsyncWrite for Metered {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let outcome = Pin::new(&mut self.stream).poll_write(cx, bytes);
        if let Poll::Ready(Ok(count)) = &outcome {
            self.meter.0[0].fetch_add(*count as u64, Ordering::Relaxed);
        }
        outcome
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}

/// Reaches the hub and shakes hands.
pub(crate) async fn dial(
    address: &HubAddress,
    config: Arc<ClientConfig>,
    cable: &Cable,
    meter: &Meter,
    limits: Limits,
) -> Result<TlsStream<Metered>, LinkError> {
    if cable.is_cut() {
        return Err(LinkError::new(Cause::Unreachable));
    }
    tokio::select! {
        biased;
        () = cable.until_cut() => Err(LinkError::new(Cause::Cut)),
        outcome = reach(address, config, meter, limits) => outcome,
    }
}

async fn reach(
    address: &HubAddress,
    config: Arc<ClientConfig>,
    meter: &Meter,
    limits: Limits,
) -> Result<TlsStream<Metered>, LinkError> {
    let name = address
        .server_name()
        .map_err(|error| LinkError::by(Cause::Unreachable, error))?;
    let stream = match timeout(limits.connect, connect(address)).await {
        Ok(Ok(stream)) => stream,
        Ok(Err(error)) => return Err(LinkError::by(Cause::Unreachable, error)),
        Err(_) => return Err(LinkError::new(Cause::Unreachable)),
    };
    let stream = Metered {
        stream,
        meter: meter.clone(),
    };
    let connector = TlsConnector::from(config);
    match timeout(limits.handshake, connector.connect(name, stream)).await {
        Ok(Ok(stream)) => Ok(stream),
        Ok(Err(error)) => Err(LinkError::by(tls_cause(&error), error)),
        Err(_) => Err(LinkError::new(Cause::Silent)),
    }
}

async fn connect(address: &HubAddress) -> io::Result<TcpStream> {
    let mut last = io::Error::from(io::ErrorKind::AddrNotAvailable);
    for at in tokio::net::lookup_host((address.host.as_str(), address.port)).await? {
        match connect_to(at).await {
            Ok(stream) => return Ok(stream),
            Err(error) => last = error,
        }
    }
    Err(last)
}

async fn connect_to(at: SocketAddr) -> io::Result<TcpStream> {
    let socket = Socket::new(Domain::for_address(at), Type::STREAM, Some(Protocol::TCP))?;
    // A system that does not know the option still connects.
    if let Err(error) = socket.set_tcp_mss(SEGMENT_MAX) {
        tracing::debug!(%error, "segment size not set");
    }
    socket.set_nonblocking(true)?;
    socket.set_tcp_nodelay(true)?;
    TcpSocket::from_std_stream(socket.into()).connect(at).await
}

/// What an error of the handshake or of the stream says about who is at the other end.
pub(crate) fn tls_cause(error: &io::Error) -> Cause {
    let tls = error.get_ref().and_then(|inner| inner.downcast_ref::<TlsError>());
    match tls {
        // The hub closed with an alert: it does not take our certificate.
        Some(TlsError::AlertReceived(_)) => Cause::Unknown,
        // Another certificate than the county's, or no TLS at all: something sits in between and answers.
        Some(_) => Cause::LoginPage,
        None => Cause::Cut,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_read_strictly() {
        let address = |host: &str, port| {
            Ok(HubAddress {
                host: host.to_owned(),
                port,
            })
        };
        assert_eq!(
            HubAddress::parse("https://hub.example:8443"),
            address("hub.example", 8443)
        );
        assert_eq!(HubAddress::parse(" https://10.0.0.1/ "), address("10.0.0.1", 443));
        assert_eq!(HubAddress::parse("https://[::1]:9"), address("::1", 9));
        for wrong in [
            "http://hub:1",
            "hub:1",
            "https://",
            "https://:1",
            "https://hub:0",
            "https://hub:99999",
            "https://a/b:1",
            "https://user@hub:1",
            "https://[::1",
            "https://卫生:1",
        ] {
            assert_eq!(HubAddress::parse(wrong), Err(BadAddress), "{wrong}");
        }
    }
}

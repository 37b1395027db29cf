//! Listeners of pages: bound before anything else is begun, served over HTTP or HTTPS, ended gracefully.

use std::net::{IpAddr, Ipv4Addr, SocketAddr, TcpListener, UdpSocket};
use std::time::Duration;

use axum::Router;
use axum_server::Handle;
use axum_server::tls_rustls::RustlsConfig;
use tokio::task::JoinHandle;

/// Time that open requests get to end when a program stops.
const STOP_WITHIN: Duration = Duration::from_secs(5);

/// An address cannot be listened on; the text says what to do.
#[derive(Debug, thiserror::Error)]
#[error("{}", sentence(*.address, .why))]
pub struct ListenFault {
    /// The address.
    pub address: SocketAddr,
    /// The system's answer; the sentence says it.
    pub why: std::io::Error,
}

fn sentence(address: SocketAddr, why: &std::io::Error) -> String {
    match why.kind() {
        std::io::ErrorKind::AddrInUse => {
            format!("address {address} is in use by another program; choose another port or stop it")
        }
        std::io::ErrorKind::PermissionDenied => {
            format!("no permission to listen on {address}; ports below 1024 need it")
        }
        std::io::ErrorKind::AddrNotAvailable => format!("this machine has no address {}", address.ip()),
        _ => format!("cannot listen on {address}: {why}"),
    }
}

/// The address from which this machine would reach others, as far as it has one. Nothing is sent: connecting a UDP socket
/// only looks up the route (the address is one of RFC 5737, set aside for documents).
pub fn own_address() -> Option<IpAddr> {
    let socket = UdpSocket::bind((Ipv4Addr::UNSPECIFIED, 0)).ok()?;
    socket.connect((Ipv4Addr::new(192, 0, 2, 1), 9)).ok()?;
    Some(socket.local_addr().ok()?.ip())
}

/// A listener that is bound, with the address it really has (port 0 takes a free one).
#[derive(Debug)]
pub struct Bound {
    listener: TcpListener,
    /// Where it listens.
    pub address: SocketAddr,
}

impl Bound {
    /// Listens on an address.
    ///
    /// # Errors
    ///
    /// The system does not let the program have it.
    pub fn to(address: SocketAddr) -> Result<Self, ListenFault> {
        let fault = |why| ListenFault { address, why };
        let listener = TcpListener::bind(address).map_err(fault)?;
        listener.set_nonblocking(true).map_err(fault)?;
        let address = listener.local_addr().map_err(fault)?;
        Ok(Self { listener, address })
    }

    /// The listener for another protocol than that of pages.
    pub fn into_listener(self) -> TcpListener {
        self.listener
    }

    /// Serves pages over plain HTTP from now on.
    ///
    /// # Errors
    ///
    /// The listener cannot be taken over by the runtime.
    pub fn serve(self, router: Router) -> Result<Served, ListenFault> {
        let address = self.address;
        let server = axum_server::from_tcp(self.listener).map_err(|why| ListenFault { address, why })?;
        let handle = Handle::new();
        let served = server
            .handle(handle.clone())
            .serve(router.into_make_service_with_connect_info::<SocketAddr>());
        Ok(Served {
            handle,
            task: tokio::spawn(served),
        })
    }

    /// Serves pages over HTTPS from now on.
    ///
    /// # Errors
    ///
    /// The listener cannot be taken over by the runtime.
    pub fn serve_tls(self, router: Router, config: RustlsConfig) -> Result<Served, ListenFault> {
        let address = self.address;
        let server = axum_server::from_tcp_rustls(self.listener, config)
            .map_err(|why| ListenFault { address, why })?;
        let handle = Handle::new();
        let served = server
            .handle(handle.clone())
            .serve(router.into_make_service_with_connect_info::<SocketAddr>());
        Ok(Served {
            handle,
            task: tokio::spawn(served),
        })
    }
}

/// Pages that are served.
#[derive(Debug)]
pub struct Served {
    handle: Handle<SocketAddr>,
    task: JoinHandle<std::io::Result<()>>,
}

impl Served {
    /// Takes no new request; open ones may end.
    pub fn close(&self) {
        self.handle.graceful_shutdown(Some(STOP_WITHIN));
    }

    /// Waits until the last request has ended.
    pub async fn ended(self) {
        match self.task.await {
            Ok(Ok(())) => {}
            Ok(Err(error)) => tracing::error!(%error, "a listener failed"),
            Err(_) => tracing::error!("a listener ended by a panic"),
        }
    }
}

/// Ends tasks that would go on for ever, and waits until they have.
pub async fn end(tasks: Vec<JoinHandle<()>>) {
    for task in &tasks {
        task.abort();
    }
    for task in tasks {
        // Aborted on purpose.
        let _ended = task.await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_in_use_is_said_so() {
        let first = Bound::to(SocketAddr::from(([127, 0, 0, 1], 0))).unwrap();
        let second = Bound::to(first.address).unwrap_err().to_string();
        assert!(second.contains("in use by another program"), "{second}");
    }
}

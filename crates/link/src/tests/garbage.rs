//! Bytes that no box would send: the hub ends the connection, keeps nothing of it and goes on serving.

use std::sync::Arc;

use rustls::pki_types::ServerName;
use sync_core::wire::{Bye, Frame};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use super::*;
use crate::client::sync_once;
use crate::tls::{BoxIdentity, Trust, client_config};

/// What a broken or hostile program sends once it is connected.
fn garbage() -> Vec<Vec<u8>> {
    let noise = (0..4_000_u32).map(|n| n.wrapping_mul(2_654_435_761).to_le_bytes()[3]);
    vec![
        b"GET / HTTP/1.1\r\nHost: hub\r\n\r\n".to_vec(),
        vec![0xff; 64],
        vec![0; 64],
        noise.collect(),
        // Kinds of frames there are, with lengths that promise more than anybody may send.
        (0..=u8::MAX)
            .flat_map(|kind| [kind, 0xff, 0xff, 0xff, 0xff, 0x7f])
            .collect(),
    ]
}

/// A connection as a box that the hub knows, or as nobody.
async fn connected(hub: &Hub, known: Option<&Machine>) -> TlsStream<TcpStream> {
    let enrolment = match known {
        Some(machine) => machine.store.enrolment().await.unwrap(),
        None => None,
    };
    let key = known.map(|machine| machine.store.device_key());
    let identity = enrolment.as_ref().zip(key).map(|(enrolment, key)| BoxIdentity {
        certificate: &enrolment.certificate,
        key,
    });
    let config = client_config(Trust::County(hub.ca.county()), identity.as_ref()).unwrap();
    let stream = TcpStream::connect(hub.server.local_addr()).await.unwrap();
    let name = ServerName::try_from("127.0.0.1").unwrap();
    TlsConnector::from(Arc::new(config))
        .connect(name, stream)
        .await
        .unwrap()
}

/// Sends bytes, and reads until the hub ends the connection.
async fn send(hub: &Hub, known: Option<&Machine>, bytes: &[u8]) {
    let mut stream = connected(hub, known).await;
    // The hub may hang up before it has read all of it.
    let sent = async { (stream.write_all(bytes).await, stream.shutdown().await) }.await;
    let mut heard = Vec::new();
    let ended = timeout(PATIENCE, stream.read_to_end(&mut heard)).await;
    assert!(ended.is_ok(), "the hub kept the connection open: {sent:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn bytes_that_are_no_frames_end_the_connection_and_nothing_else() {
    let hub = Hub::new().await;
    let machine = joined(&hub, "0017").await;
    let chart = chart(&machine.store, "0017", "示例").await;
    for bytes in garbage() {
        send(&hub, Some(&machine), &bytes).await;
        send(&hub, None, &bytes).await;
        // Not even TLS.
        let mut plain = TcpStream::connect(hub.server.local_addr()).await.unwrap();
        plain.write_all(&bytes).await.unwrap();
        let mut heard = Vec::new();
        let (_, ended) = (
            plain.shutdown().await,
            timeout(PATIENCE, plain.read_to_end(&mut heard)).await,
        );
        assert!(ended.is_ok(), "the hub kept a connection that is no TLS");
    }
    assert_eq!(hub.machine.store.fingerprint().await.unwrap(), Default::default());
    assert!(hub.machine.store.enrolment().await.unwrap().is_none());
    sync_once(&machine.store, None, &options()).await.unwrap();
    assert_eq!(name_of(&hub.machine.store, chart).await.as_deref(), Some("示例"));
    same(&machine, &hub, "0017").await;
    hub.server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn who_sends_without_listening_finds_the_last_words_all_the_same() {
    let hub = Hub::new().await;
    let machine = joined(&hub, "0017").await;
    let device = machine.store.device();
    assert!(hub.machine.store.revoke_device(device).await.unwrap());
    let mut stream = connected(&hub, Some(&machine)).await;
    // More than all buffers on the way hold: a hub that does not hear it out resets the connection in the midst of it.
    for _ in 0..256 {
        stream.write_all(&[0; 1 << 16]).await.unwrap();
    }
    stream.shutdown().await.unwrap();
    let mut heard = Vec::new();
    stream.read_to_end(&mut heard).await.unwrap();
    assert_eq!(heard, Frame::Bye(Bye::Revoked).encode());
    hub.server.stop().await;
}

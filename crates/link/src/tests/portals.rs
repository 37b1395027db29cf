//! What answers in the place of the hub: silence, login pages, other certificates.

use super::*;
use crate::client::sync_once;
use crate::dial::Limits;
use store::Cause;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

/// Answers every connection with these bytes once it heard something.
async fn impostor(answer: &'static [u8]) -> (String, tokio::task::JoinHandle<()>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("https://{}", listener.local_addr().unwrap());
    let task = tokio::spawn(async move {
        loop {
            let Ok((mut stream, _)) = listener.accept().await else {
                return;
            };
            let mut heard = [0; 1024];
            if stream.read(&mut heard).await.is_ok() && stream.write_all(answer).await.is_ok() {
                // Whether the other end still reads does not matter.
                let _ = stream.shutdown().await.is_ok();
            }
        }
    });
    (url, task)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_login_page_leaves_key_enrolment_and_queue_alone_and_heals() {
    let hub = Hub::new().await;
    let machine = joined(&hub, "0017").await;
    chart(&machine.store, "0017", "示例").await;
    let before = machine.store.enrolment().await.unwrap();
    let device = machine.store.device();
    for page in [
        &b"HTTP/1.1 200 OK\r\nContent-Type: text/html\r\n\r\n<html>login</html>"[..],
        b"HTTP/1.1 302 Found\r\nLocation: http://portal.example/\r\n\r\n",
    ] {
        let (url, task) = impostor(page).await;
        let outcome = sync_once(&machine.store, Some(&url), &options()).await;
        assert_eq!(outcome.err().map(|error| error.cause), Some(Cause::LoginPage));
        task.abort();
    }
    // A certificate of somebody else.
    let other = Hub::new().await;
    let outcome = sync_once(&machine.store, Some(&other.url()), &options()).await;
    assert_eq!(outcome.err().map(|error| error.cause), Some(Cause::LoginPage));
    let now = status(&machine).await;
    assert_eq!((now.pending, now.cause), (1, Some(Cause::LoginPage)));
    assert!(now.spent_today.tries >= 3 && now.spent_today.up > 0);
    assert_eq!(machine.store.enrolment().await.unwrap(), before);
    assert_eq!(machine.store.device(), device);
    sync_once(&machine.store, None, &options()).await.unwrap();
    assert_eq!(status(&machine).await.cause, None);
    same(&machine, &hub, "0017").await;
    other.server.stop().await;
    hub.server.stop().await;
}

/// Takes connections and says nothing more after this many bytes of the real hub's answers.
async fn falls_silent(hub: &Hub, after: usize) -> (String, tokio::task::JoinHandle<()>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("https://{}", listener.local_addr().unwrap());
    let to = hub.server.local_addr();
    let task = tokio::spawn(async move {
        let (near, _) = listener.accept().await.unwrap();
        let far = tokio::net::TcpStream::connect(to).await.unwrap();
        let (mut near_read, mut near_write) = near.into_split();
        let (mut far_read, mut far_write) = far.into_split();
        let up = async {
            // The box's bytes all go through.
            let _ = tokio::io::copy(&mut near_read, &mut far_write).await.map(|_| ());
        };
        let down = async {
            let mut left = after;
            let mut buffer = [0; 512];
            while left > 0 {
                let most = left.min(buffer.len());
                let Ok(count) = far_read.read(&mut buffer[..most]).await else {
                    break;
                };
                if count == 0 || near_write.write_all(&buffer[..count]).await.is_err() {
                    break;
                }
                left -= count;
            }
            std::future::pending::<()>().await;
        };
        tokio::join!(up, down);
    });
    (url, task)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_hub_that_falls_silent_is_given_up_and_nothing_is_lost() {
    let short = Limits {
        connect: Duration::from_millis(400),
        handshake: Duration::from_millis(400),
        silence: Duration::from_millis(400),
        ..Limits::default()
    };
    let limits = Limits::default();
    let half_a_minute = Duration::from_secs(30);
    assert!(limits.connect <= half_a_minute && limits.handshake <= half_a_minute);
    assert!(limits.silence <= half_a_minute);
    let hub = Hub::new().await;
    let machine = joined(&hub, "0017").await;
    chart(&machine.store, "0017", "示例").await;
    // Silent after TCP, inside the handshake, after TLS (whose last words take about 1,100 bytes).
    for after in [0, 200, 1_300] {
        let (url, task) = falls_silent(&hub, after).await;
        let short = ClientOptions {
            limits: short,
            ..options()
        };
        let outcome = sync_once(&machine.store, Some(&url), &short).await;
        task.abort();
        assert_eq!(
            outcome.err().map(|error| error.cause),
            Some(Cause::Silent),
            "after {after} bytes"
        );
        let now = status(&machine).await;
        assert_eq!(now.cause, Some(Cause::Silent));
    }
    sync_once(&machine.store, None, &options()).await.unwrap();
    assert_eq!(
        (status(&machine).await.pending, status(&machine).await.cause),
        (0, None)
    );
    hub.server.stop().await;
}

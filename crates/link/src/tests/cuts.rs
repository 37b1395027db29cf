//! A way that breaks after any number of bytes.

use super::*;
use crate::client::sync_once;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

/// A proxy that lets so many bytes through each way, over all, and then drops the connection.
pub(super) struct BreakingWay {
    pub(super) url: String,
    task: tokio::task::JoinHandle<()>,
    carried: Arc<AtomicU64>,
}

impl BreakingWay {
    pub(super) async fn new(hub: &Hub, after: usize) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("https://{}", listener.local_addr().unwrap());
        let to = hub.server.local_addr();
        let carried = Arc::new(AtomicU64::new(0));
        let counted = Arc::clone(&carried);
        let task = tokio::spawn(async move {
            let (near, _) = listener.accept().await.unwrap();
            let far = TcpStream::connect(to).await.unwrap();
            let (near_read, near_write) = near.into_split();
            let (far_read, far_write) = far.into_split();
            let up = pass(near_read, far_write, after, &counted);
            let down = pass(far_read, near_write, after, &counted);
            // Whichever way breaks first takes the other with it.
            tokio::select! {
                () = up => {}
                () = down => {}
            }
        });
        Self { url, task, carried }
    }

    /// Takes the way away; the bytes that it carried, both ways.
    pub(super) fn end(self) -> u64 {
        self.task.abort();
        self.carried.load(Ordering::SeqCst)
    }
}

async fn pass(
    mut from: impl AsyncReadExt + Unpin,
    mut to: impl AsyncWriteExt + Unpin,
    mut left: usize,
    carried: &AtomicU64,
) {
    let mut buffer = [0; 1024];
    while left > 0 {
        let most = left.min(buffer.len());
        let Ok(count) = from.read(&mut buffer[..most]).await else {
            return;
        };
        if count == 0 || to.write_all(&buffer[..count]).await.is_err() {
            return;
        }
        left -= count;
        carried.fetch_add(count as u64, Ordering::SeqCst);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_way_that_breaks_anywhere_loses_nothing() {
    let hub = Hub::new().await;
    let mut machine = joined(&hub, "0017").await;
    let (mut patients, mut blobs) = (Vec::new(), Vec::new());
    for round in 0..14usize {
        let patient = chart(&machine.store, "0017", &format!("示例{round}")).await;
        visit(&machine.store, "0017", patient, &"头痛".repeat(20 * round)).await;
        blobs.push(attach(&machine.store, patient, 9_000 + 7 * round).await);
        patients.push(patient);
        let at_hub = &hub.machine.store;
        for known in patients.iter().step_by(3) {
            if name_of(at_hub, *known).await.is_some() {
                edit(at_hub, *known, &["address", "group"], &format!("{round}组")).await;
            }
        }
        let way = BreakingWay::new(&hub, 211 * round * round + 300).await;
        // Broken or not: what was acknowledged stays, the rest comes again.
        let _ = sync_once(&machine.store, Some(&way.url), &options())
            .await
            .map(|_| ());
        way.end();
        if round % 5 == 4 {
            machine = machine.restart();
        }
    }
    sync_once(&machine.store, None, &options()).await.unwrap();
    same(&machine, &hub, "0017").await;
    for blob in blobs {
        let there = hub.machine.store.blob(blob).await.unwrap();
        assert!(there.is_some() && there == machine.store.blob(blob).await.unwrap());
    }
    for patient in patients {
        assert_eq!(
            name_of(&hub.machine.store, patient).await,
            name_of(&machine.store, patient).await
        );
    }
    assert_eq!(status(&machine).await.pending, 0);
    hub.server.stop().await;
}

/// Of a picture that nothing makes smaller, each connection carries its share, whatever byte it breaks at.
#[tokio::test(flavor = "multi_thread")]
async fn what_came_of_a_torn_piece_is_not_sent_again() {
    /// Bytes up of a connection: a handshake, a piece of 16 KiB and most of another.
    const CONNECTION: usize = 30_000;
    const PICTURE: usize = 150_000;
    /// With whole pieces alone it would be ten.
    const CONNECTIONS_MAX: usize = 7;
    let hub = Hub::new().await;
    let machine = joined(&hub, "0017").await;
    let patient = chart(&machine.store, "0017", "示例").await;
    sync_once(&machine.store, None, &options()).await.unwrap();
    let mut content = vec![0; PICTURE];
    rand::fill(&mut content[..]);
    let picture = sync_core::blobs::blob_id(&content);
    let edits = vec![Edit::put(&["ext", "attached"], PICTURE as i64)];
    commit(
        &machine.store,
        Target::Existing(patient),
        edits,
        vec![content.clone()],
    )
    .await;
    let mut connections = 0;
    while hub.machine.store.blob(picture).await.unwrap().is_none() {
        let way = BreakingWay::new(&hub, CONNECTION).await;
        let _ = sync_once(&machine.store, Some(&way.url), &options())
            .await
            .map(|_| ());
        way.end();
        connections += 1;
        assert!(connections <= CONNECTIONS_MAX, "pieces were sent again");
    }
    assert_eq!(hub.machine.store.blob(picture).await.unwrap(), Some(content));
    hub.server.stop().await;
}

//! A hub whose disk is full: the contact goes on, the box keeps everything and brings it when there is room.

use super::*;
use crate::StoreError;

/// Sets how many pages the hub's database may have.
async fn room(hub: &End, pages: u32) {
    let set = move |writer: &mut crate::engine::Writer| {
        let done = writer.sql.pragma_update("max_page_count", pages);
        done.map_err(StoreError::from)
    };
    hub.store.on_writer(set).await.unwrap().unwrap();
}

#[tokio::test]
async fn a_hub_without_room_takes_nothing_and_the_contact_goes_on() {
    // The engine of files: how a server's disk fills is its operator's business.
    let hub = hub(Engine::Sqlite).await;
    let end = boxed(&hub, 900, "0017").await;
    let first = chart(&end, "0017", "示例甲").await;
    sync(&end, &hub).await;
    edit(&hub, first, vec![Edit::put(&["person", "phone"], "1")]).await;
    // Long enough to need pages of its own in every table, and nothing packs it.
    let mut noise = [0; 20_000];
    random(77)(&mut noise);
    let text: String = noise.iter().map(|byte| char::from(b'a' + byte % 26)).collect();
    for n in 0..3 {
        visit(&end, "0017", first, &format!("{n}{text}")).await;
    }
    room(&hub, 1).await;
    let waits = end.store.link_status().await.unwrap().pending;
    let mut ends = connect(&end.store, &hub.store).await;
    let first_try = carry(&end.store, &hub.store, &mut ends, usize::MAX)
        .await
        .unwrap();
    let counts = ends.0.counts();
    assert_eq!(counts.changes_sent, 0, "something found room after all");
    assert_eq!(
        counts.changes_received, 1,
        "the hub's own change still comes down"
    );
    assert_eq!(end.store.link_status().await.unwrap().pending, waits);
    assert!(
        hub.store
            .verify(None, Box::new(|_, _| {}))
            .await
            .unwrap()
            .problems
            .is_empty()
    );
    // On the same connection: still no room, and then some.
    assert!(ends.0.send_again());
    let second_try = carry(&end.store, &hub.store, &mut ends, usize::MAX)
        .await
        .unwrap();
    assert!(
        second_try <= first_try,
        "{second_try} bytes to learn that there is no room"
    );
    assert_eq!(end.store.link_status().await.unwrap().pending, waits);
    room(&hub, 1 << 30).await;
    assert!(ends.0.send_again());
    carry(&end.store, &hub.store, &mut ends, usize::MAX)
        .await
        .unwrap();
    assert_eq!(end.store.link_status().await.unwrap().pending, 0);
    same(&end, &hub, "0017").await;
}

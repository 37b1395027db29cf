//! What failing tries cost on a data plan.

use super::cuts::BreakingWay;
use super::*;
use crate::client::sync_once;

/// A picture that nothing makes smaller.
const PICTURE: usize = 2_000_000;
/// Most bytes of a day on which such a picture goes up over a bad line.
const DAY_MAX: u64 = 3_000_000;
/// Tries of the day that end in the handshake or just after it.
const SHORT_TRIES: usize = 20;

#[tokio::test(flavor = "multi_thread")]
async fn a_line_that_dies_at_nine_tenths_costs_a_picture_little_more_than_itself() {
    let hub = Hub::new().await;
    let machine = joined(&hub, "0017").await;
    let patient = chart(&machine.store, "0017", "示例").await;
    // A generator of numbers that only have to look random (that of Knuth's MMIX).
    let mut state = 7u64;
    let content: Vec<u8> = (0..PICTURE)
        .map(|_| {
            state = state
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1_442_695_040_888_963_407);
            state.to_be_bytes()[0]
        })
        .collect();
    let picture = sync_core::blobs::blob_id(&content);
    let edits = vec![Edit::put(&["ext", "attached"], PICTURE as i64)];
    commit(&machine.store, Target::Existing(patient), edits, vec![content]).await;

    let before = status(&machine).await.spent_today;
    let mut carried = 0;
    let dying = std::iter::once(PICTURE * 9 / 10).chain((0..SHORT_TRIES).map(|n| 500 + 400 * n));
    for after in dying {
        let way = BreakingWay::new(&hub, after).await;
        let sent = sync_once(&machine.store, Some(&way.url), &options()).await;
        assert!(sent.is_err(), "a way of {after} bytes was enough");
        carried += way.end();
    }
    assert!(hub.machine.store.blob(picture).await.unwrap().is_none());
    sync_once(&machine.store, None, &options()).await.unwrap();
    assert!(hub.machine.store.blob(picture).await.unwrap().is_some());
    let after = status(&machine).await.spent_today;
    let spent = after.up + after.down - before.up - before.down;
    assert_eq!(
        after.tries - before.tries,
        SHORT_TRIES as u64 + 2,
        "failed tries count"
    );
    assert!(
        spent >= carried + (PICTURE / 10) as u64 / 2,
        "{spent} bytes on the meter, {carried} on the lines that died"
    );
    assert!(spent <= DAY_MAX, "{spent} bytes for a picture of {PICTURE}");
    hub.server.stop().await;
}

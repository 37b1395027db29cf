//! The exchange by files: in any order with the network, and twice.

use super::*;
use crate::{ParcelCounts, ParcelError, ParcelTaken};

/// What a box would carry to the hub.
async fn pack(end: &End) -> (Vec<u8>, Vec<Vec<u8>>, ParcelCounts) {
    let head = end.store.parcel_head("test").await.unwrap();
    let mut files = Vec::new();
    let counts = end
        .store
        .parcel_up(|entry| {
            files.push(entry);
            Ok(())
        })
        .await
        .unwrap();
    (head, files, counts)
}

async fn unpack(hub: &End, head: &[u8], files: &[Vec<u8>]) -> Result<ParcelTaken, ParcelError> {
    let entries: Vec<_> = files.iter().cloned().map(Ok).collect();
    hub.store.take_parcel_up(head, entries).await
}

async fn bring_back(hub: &End, head: &[u8], end: &End) -> ParcelCounts {
    let mut files = Vec::new();
    hub.store
        .parcel_down(head, |entry| {
            files.push(Ok(entry));
            Ok(())
        })
        .await
        .unwrap();
    end.store.take_parcel_down(files).await.unwrap()
}

async fn a_box_without_any_network_lives_by_the_stick(on: Engine) {
    let hub = hub(on).await;
    let end = boxed(&hub, 300, "0017").await;
    let patient = chart(&end, "0017", "示例甲").await;
    let blob = attach(&end, patient, 60_000).await;
    let (head, files, counts) = pack(&end).await;
    assert_eq!((counts.changes, counts.blobs), (2, 1));
    let taken = unpack(&hub, &head, &files).await.unwrap();
    assert_eq!((taken.device, &taken.clinic), (end.store.device(), &code("0017")));
    assert_eq!((taken.counts.changes, taken.counts.blobs), (2, 1));
    // Twice is a no-op, and answers the same.
    let again = unpack(&hub, &head, &files).await.unwrap();
    assert_eq!((again.counts.changes, again.counts.blobs), (0, 0));
    assert_eq!(again.answers.len(), taken.answers.len());
    assert!(end.store.link_status().await.unwrap().pending > 0);
    end.store.take_parcel_answers(&taken.answers).await.unwrap();
    assert_eq!(end.store.link_status().await.unwrap().pending, 0);
    assert_eq!(hub.store.blob(blob).await.unwrap().unwrap().len(), 60_000);
    edit(&hub, patient, vec![Edit::put(&["person", "phone"], "1")]).await;
    assert_eq!(bring_back(&hub, &head, &end).await.changes, 1);
    assert_eq!(bring_back(&hub, &head, &end).await.changes, 0);
    equal(&end, &hub, "0017").await;
    // The network goes on where the stick stopped.
    assert_eq!(sync(&end, &hub).await.changes_received, 0);
    same(&end, &hub, "0017").await;
}

async fn stick_and_network_may_overtake_each_other(on: Engine) {
    let hub = hub(on).await;
    let end = boxed(&hub, 310, "0017").await;
    let patient = chart(&end, "0017", "示例甲").await;
    let early = pack(&end).await;
    edit(&end, patient, vec![Edit::put(&["person", "phone"], "1")]).await;
    let late = pack(&end).await;
    sync(&end, &hub).await;
    edit(&hub, patient, vec![Edit::put(&["person", "phone"], "2")]).await;
    for (head, files, _) in [&late, &early] {
        let taken = unpack(&hub, head, files).await.unwrap();
        assert_eq!(taken.counts.changes, 0);
        end.store.take_parcel_answers(&taken.answers).await.unwrap();
        bring_back(&hub, head, &end).await;
    }
    sync(&end, &hub).await;
    same(&end, &hub, "0017").await;
    assert!(
        hub.store.alarms().await.unwrap().is_empty(),
        "a late stick alarms nobody"
    );
}

async fn a_parcel_fills_a_new_box_of_the_clinic(on: Engine) {
    let hub = hub(on).await;
    let end = boxed(&hub, 320, "0017").await;
    let patient = chart(&end, "0017", "示例甲").await;
    let blob = attach(&end, patient, 40_000).await;
    sync(&end, &hub).await;
    let new = boxed(&hub, 321, "0017").await;
    let head = new.store.parcel_head("test").await.unwrap();
    let counts = bring_back(&hub, &head, &new).await;
    assert_eq!((counts.changes, counts.blobs), (2, 1));
    assert!(new.store.blob(blob).await.unwrap().is_some());
    assert_eq!(sync(&new, &hub).await.changes_received, 0);
    same(&new, &hub, "0017").await;
}

async fn a_parcel_that_was_changed_or_is_a_strangers_is_refused(on: Engine) {
    let hub = hub(on).await;
    let end = boxed(&hub, 330, "0017").await;
    let stranger = boxed(&hub, 331, "0018").await;
    chart(&end, "0017", "示例甲").await;
    chart(&stranger, "0018", "示例乙").await;
    let (head, files, _) = pack(&end).await;
    let (foreign, _, _) = pack(&stranger).await;
    assert!(matches!(
        unpack(&hub, &foreign, &files).await,
        Err(ParcelError::Signature(_))
    ));
    // The lane in front is not signed; everything behind it is.
    for at in [1, 2, files[0].len() / 2, files[0].len() - 1] {
        let mut changed = files.clone();
        changed[0][at] ^= 1;
        assert!(unpack(&hub, &head, &changed).await.is_err(), "byte {at}");
    }
    let summary = hub.store.clinic_summary(&code("0017")).await.unwrap().unwrap();
    assert_eq!(summary.changes, 0);
    assert!(hub.store.revoke_device(end.store.device()).await.unwrap());
    assert!(matches!(
        unpack(&hub, &head, &files).await,
        Err(ParcelError::Revoked)
    ));
    assert!(unpack(&hub, b"nonsense", &files).await.is_err());
    let (actor, signature) = end.store.sign_parcel(&COUNTY, [7; 32]);
    assert!(matches!(
        hub.store.parcel_is_of_device(actor, [7; 32], &signature).await,
        Err(ParcelError::Revoked)
    ));
    let (actor, signature) = stranger.store.sign_parcel(&COUNTY, [7; 32]);
    assert!(
        hub.store
            .parcel_is_of_device(actor, [7; 32], &signature)
            .await
            .is_ok()
    );
    assert!(
        hub.store
            .parcel_is_of_device(actor, [8; 32], &signature)
            .await
            .is_err()
    );
}

on_both_engines! {
    a_box_without_any_network_lives_by_the_stick,
    stick_and_network_may_overtake_each_other,
    a_parcel_fills_a_new_box_of_the_clinic,
    a_parcel_that_was_changed_or_is_a_strangers_is_refused,
}

with_blobs_in_a_folder! {
    a_box_without_any_network_lives_by_the_stick,
    stick_and_network_may_overtake_each_other,
    a_parcel_fills_a_new_box_of_the_clinic,
}

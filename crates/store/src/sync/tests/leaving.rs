//! Patients who leave a clinic, while sticks and restored hubs bring back what was before.

use std::path::PathBuf;

use records::ids::PatientId;

use super::*;

/// What the hub writes for a box onto a stick now.
async fn answer(hub: &End, end: &End, stick: &TempDir) -> PathBuf {
    let (up, down) = (stick.path().join("up"), stick.path().join("down"));
    end.store.stick_to_hub(&up, "test").await.unwrap();
    hub.store.stick_from_box(&up).await.unwrap();
    hub.store.stick_to_box(end.store.device(), &down).await.unwrap();
    down
}

/// A patient of 0017, cared for by 0018 as well.
async fn shared(near: &End, hub: &End) -> (DocId, PatientId) {
    let doc = chart(near, "0017", "示例甲").await;
    sync(near, hub).await;
    let patient = doc.patient().unwrap();
    assert!(hub.store.join_patient(&code("0018"), patient).await.unwrap());
    (doc, patient)
}

async fn a_late_stick_does_not_bring_back_who_left(on: Engine) {
    let (hub, stick) = (hub(on).await, tempfile::tempdir().unwrap());
    let (near, far) = (boxed(&hub, 700, "0017").await, boxed(&hub, 701, "0018").await);
    let (doc, patient) = shared(&near, &hub).await;
    let visited = visit(&near, "0017", doc, "咳嗽").await;
    let picture = attach(&near, visited, 20_000).await;
    sync(&near, &hub).await;
    let late = answer(&hub, &far, &stick).await;
    // Without the stick the box has everything over the line, and puts it away again.
    sync(&far, &hub).await;
    assert_eq!(name_of(&far, doc).await.as_deref(), Some("示例甲"));
    assert!(hub.store.leave_patient(&code("0018"), patient).await.unwrap());
    sync(&far, &hub).await;
    for _ in 0..2 {
        far.store.stick_from_hub(&late).await.unwrap();
        assert_eq!(name_of(&far, doc).await, None, "leaked");
        assert_eq!(far.store.blob(picture).await.unwrap(), None, "leaked");
        sync(&far, &hub).await;
    }
    same(&far, &hub, "0018").await;
    assert!(hub.store.join_patient(&code("0018"), patient).await.unwrap());
    sync(&far, &hub).await;
    assert_eq!(name_of(&far, doc).await.as_deref(), Some("示例甲"));
    assert!(far.store.blob(picture).await.unwrap().is_some());
    same(&far, &hub, "0018").await;
}

/// The hub writes a stick and goes back to before; then the stick comes. `leaves`: the patient left meanwhile.
async fn only_a_stick_knows(on: Engine, seed: u64, leaves: bool) {
    let (hub, stick) = (hub(on).await, tempfile::tempdir().unwrap());
    let (near, far) = (
        boxed(&hub, seed, "0017").await,
        boxed(&hub, seed + 1, "0018").await,
    );
    let (doc, patient) = shared(&near, &hub).await;
    sync(&far, &hub).await;
    let (hub, old) = hub.copied(Side::Hub).await;
    edit(&hub, doc, vec![Edit::put(&["person", "phone"], "7")]).await;
    let late = answer(&hub, &far, &stick).await;
    let hub = hub.restored(old, Side::Hub);
    hub.store.begin_epoch().await.unwrap();
    for end in [&near, &far, &near, &far] {
        sync(end, &hub).await;
    }
    if leaves {
        assert!(hub.store.leave_patient(&code("0018"), patient).await.unwrap());
        sync(&far, &hub).await;
    }
    far.store.stick_from_hub(&late).await.unwrap();
    assert_eq!(name_of(&far, doc).await.is_some(), !leaves);
    sync(&far, &hub).await;
    let phone = hub.store.chart(patient).await.unwrap().unwrap().value.phone;
    assert_eq!(phone, "7", "lost");
    sync(&near, &hub).await;
    same(&near, &hub, "0017").await;
    same(&far, &hub, "0018").await;
}

async fn what_stands_only_on_a_stick_after_the_hub_went_back_reaches_it_again(on: Engine) {
    only_a_stick_knows(on, 710, false).await;
    only_a_stick_knows(on, 715, true).await;
}

async fn the_latest_statement_holds_in_whatever_order_they_come_back(on: Engine) {
    let hub = hub(on).await;
    let (near, far) = (boxed(&hub, 720, "0017").await, boxed(&hub, 721, "0018").await);
    let (doc, patient) = shared(&near, &hub).await;
    sync(&far, &hub).await;
    let (hub, old) = hub.copied(Side::Hub).await;
    assert!(hub.store.leave_patient(&code("0018"), patient).await.unwrap());
    sync(&far, &hub).await;
    assert_eq!(name_of(&far, doc).await, None);
    // The hub forgets that, and the county takes the clinic in again before the box tells.
    let hub = hub.restored(old, Side::Hub);
    hub.store.begin_epoch().await.unwrap();
    assert!(hub.store.join_patient(&code("0018"), patient).await.unwrap());
    for end in [&near, &far, &near, &far, &far] {
        sync(end, &hub).await;
    }
    assert_eq!(name_of(&far, doc).await.as_deref(), Some("示例甲"));
    equal(&far, &hub, "0018").await;
}

async fn a_restored_hub_is_known_by_a_stick_as_well_and_writes_none_for_a_thief(on: Engine) {
    let (hub, stick) = (hub(on).await, tempfile::tempdir().unwrap());
    let (near, thief) = (boxed(&hub, 730, "0017").await, boxed(&hub, 731, "0018").await);
    let (_, patient) = shared(&near, &hub).await;
    sync(&near, &hub).await;
    let (hub, old) = hub.copied(Side::Hub).await;
    chart(&near, "0017", "示例乙").await;
    sync(&near, &hub).await;
    assert!(hub.store.leave_patient(&code("0018"), patient).await.unwrap());
    sync(&thief, &hub).await;
    assert!(hub.store.revoke_device(thief.store.device()).await.unwrap());
    sync(&near, &hub).await;
    let hub = hub.restored(old, Side::Hub);
    let (up, down) = (stick.path().join("up"), stick.path().join("down"));
    thief.store.stick_to_hub(&up, "test").await.unwrap();
    hub.store.stick_from_box(&up).await.unwrap();
    let refused = hub.store.stick_to_box(thief.store.device(), &down).await;
    assert!(
        matches!(
            refused,
            Err(crate::StickError::Parcel(crate::ParcelError::Unheard))
        ),
        "{refused:?}"
    );
    sync(&near, &hub).await;
    assert!(matches!(
        hub.store.stick_to_box(thief.store.device(), &down).await,
        Err(crate::StickError::Parcel(crate::ParcelError::Revoked))
    ));
}

#[tokio::test]
async fn a_picture_that_is_whole_is_told_to_whoever_is_connected() {
    let hub = hub(Engine::Sqlite).await;
    let end = boxed(&hub, 740, "0017").await;
    let doc = chart(&end, "0017", "示例甲").await;
    sync(&end, &hub).await;
    let content = b"a small picture".to_vec();
    let offer = BlobOffer {
        blob: sync_core::blobs::blob_id(&content),
        doc,
        length: content.len() as u64,
    };
    let mut events = hub.store.changes();
    let ask = Ask::TakePiece {
        lane: Lane::P3,
        piece: sync_core::wire::BlobPiece {
            offer,
            offset: 0,
            bytes: content,
        },
    };
    hub.store.answer_as_hub(end.store.device(), ask).await.unwrap();
    assert!(hub.store.has_blob(offer.blob).await.unwrap());
    assert!(matches!(events.try_recv(), Ok(crate::StoreEvent::SyncState)));
}

async fn pieces_that_overlap_make_one_picture(engine: Engine) {
    let hub = hub(engine).await;
    let end = boxed(&hub, 741, "0017").await;
    let doc = chart(&end, "0017", "示例乙").await;
    sync(&end, &hub).await;
    let content: Vec<u8> = (0..200).collect();
    let offer = BlobOffer {
        blob: sync_core::blobs::blob_id(&content),
        doc,
        length: content.len() as u64,
    };
    // A torn piece, one that comes late, one that overlaps, one with a gap before it, and the rest.
    for (from, to, held) in [
        (0, 90, 90),
        (20, 60, 90),
        (50, 150, 150),
        (160, 200, 150),
        (100, 200, 200),
    ] {
        let ask = Ask::TakePiece {
            lane: Lane::P3,
            piece: sync_core::wire::BlobPiece {
                offer,
                offset: from as u64,
                bytes: content[from..to].to_vec(),
            },
        };
        let answer = hub.store.answer_as_hub(end.store.device(), ask).await.unwrap();
        let Answer::Taken(taken) = answer else {
            panic!("{answer:?}")
        };
        assert_eq!(taken.ack.blobs[0].have, held, "{from}..{to}");
    }
    assert_eq!(hub.store.blob(offer.blob).await.unwrap(), Some(content));
}

on_both_engines! {
    pieces_that_overlap_make_one_picture,
    a_late_stick_does_not_bring_back_who_left,
    what_stands_only_on_a_stick_after_the_hub_went_back_reaches_it_again,
    the_latest_statement_holds_in_whatever_order_they_come_back,
    a_restored_hub_is_known_by_a_stick_as_well_and_writes_none_for_a_thief,
}

with_blobs_in_a_folder! {
    pieces_that_overlap_make_one_picture,
    what_stands_only_on_a_stick_after_the_hub_went_back_reaches_it_again,
}

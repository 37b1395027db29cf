//! New systems for boxes: offered to some clinics, fetched after everything else, on from the byte where a line died.

use sync_core::wire::{RELEASE_PIECE, ReleaseOffer};

use super::*;

/// Bytes of a bundle that no compression shortens.
fn bundle(seed: u64, length: usize) -> Vec<u8> {
    let mut bytes = vec![0; length];
    random(seed)(&mut bytes);
    bytes
}

async fn take_in(hub: &End, version: u64, bundle: &[u8]) -> ReleaseOffer {
    let mut pieces = Vec::new();
    for piece in bundle.chunks(RELEASE_PIECE) {
        pieces.push(hub.store.put_release_piece(piece.to_vec()).await.unwrap());
    }
    let offer = ReleaseOffer { version, pieces };
    let about = serde_json::json!({ "bytes": bundle.len() });
    assert!(hub.store.put_release(offer.clone(), about.clone()).await.unwrap());
    assert!(
        !hub.store.put_release(offer.clone(), about).await.unwrap(),
        "once"
    );
    offer
}

async fn whole(end: &End) -> Option<Vec<u8>> {
    let release = end.store.whole_release().await.unwrap()?;
    let mut bytes = Vec::new();
    for (blob, _) in release.offer.pieces {
        bytes.extend(end.store.blob(blob).await.unwrap().unwrap());
    }
    Some(bytes)
}

async fn a_release_comes_whole_over_a_line_that_dies_and_only_to_whom_it_is_offered(on: Engine) {
    let hub = hub(on).await;
    let mut near = boxed(&hub, 700, "0017").await;
    let (other, plain) = (boxed(&hub, 701, "0018").await, boxed(&hub, 702, "0017").await);
    for end in [&near, &other] {
        end.store.tell_of_systems(4, "box+4").await.unwrap();
    }
    let bytes = bundle(7, RELEASE_PIECE + 200_000);
    let offer = take_in(&hub, 5, &bytes).await;
    assert!(
        hub.store
            .offer_release(&code("0017"), offer.clone())
            .await
            .unwrap()
    );
    assert!(
        !hub.store
            .offer_release(&code("0017"), offer.clone())
            .await
            .unwrap()
    );
    let mut carried = 0;
    for _ in 0..1000 {
        if whole(&near).await.is_some() {
            break;
        }
        carried += exchange(&near.store, &hub.store, 300_000).await.unwrap().1;
        near = near.restart(Side::Box);
    }
    assert!(carried > bytes.len());
    // Each cut costs at most what was under way: fewer than ten pieces of the wire, and the greetings.
    assert!(carried < bytes.len() + 5 * 250_000, "{carried}");
    assert_eq!(whole(&near).await.as_ref(), Some(&bytes));

    // Neither a clinic that is not offered it nor a box without a card of systems gets any of it, even by asking.
    for end in [&other, &plain] {
        sync(end, &hub).await;
        assert_eq!(whole(end).await, None);
        assert_eq!(end.store.release_progress().await.unwrap(), None);
    }
    let (blob, length) = offer.pieces[0];
    let (doc, offset) = (offer.doc(), 0);
    for (end, may) in [(&near, true), (&other, false)] {
        let offer = BlobOffer { blob, doc, length };
        let ask = Ask::ReadBlob { offer, offset };
        match hub.store.answer_as_hub(end.store.device(), ask).await.unwrap() {
            Answer::BlobBytes { bytes, .. } => assert_eq!(bytes.is_empty(), !may),
            other => panic!("{other:?}"),
        }
    }

    // Handed over, it leaves nothing and is not fetched again; what the box wrote stays.
    let patient = chart(&near, "0017", "示例甲").await;
    let kept = attach(&near, patient, 5000).await;
    near.store.release_done(doc).await.unwrap();
    assert!(!near.store.has_blob(blob).await.unwrap());
    near.store.tell_of_systems(4, "box+4-5H").await.unwrap();
    sync(&near, &hub).await;
    assert_eq!(whole(&near).await, None);
    assert_eq!(near.store.release_progress().await.unwrap(), None);
    assert!(near.store.has_blob(kept).await.unwrap());
    assert_eq!(near.store.link_status().await.unwrap().pending, 0);
}

async fn an_offer_that_is_taken_back_or_overtaken_is_fetched_no_more(on: Engine) {
    let hub = hub(on).await;
    let near = boxed(&hub, 710, "0017").await;
    near.store.tell_of_systems(4, "box+4").await.unwrap();
    let first = take_in(&hub, 5, &bundle(8, 400_000)).await;
    hub.store
        .offer_release(&code("0017"), first.clone())
        .await
        .unwrap();
    exchange(&near.store, &hub.store, 100_000).await.unwrap();
    let (here, of) = near.store.release_progress().await.unwrap().unwrap();
    assert!(here > 0 && here < of && of == 400_000, "{here} of {of}");
    let nothing = ReleaseOffer {
        version: 5,
        pieces: Vec::new(),
    };
    hub.store.offer_release(&code("0017"), nothing).await.unwrap();
    // The piece that is asked for at once may still come; the offer does not.
    exchange(&near.store, &hub.store, 60_000).await.unwrap();
    sync(&near, &hub).await;
    assert_eq!(near.store.release_progress().await.unwrap(), None);
    assert_eq!(whole(&near).await, None);

    let bytes = bundle(9, 300_000);
    let second = take_in(&hub, 6, &bytes).await;
    hub.store.offer_release(&code("0017"), second).await.unwrap();
    sync(&near, &hub).await;
    assert_eq!(whole(&near).await, Some(bytes));
    // Running it already, a box wants no older one.
    near.store.tell_of_systems(7, "box+7").await.unwrap();
    let third = take_in(&hub, 7, &bundle(10, 1000)).await;
    hub.store.offer_release(&code("0017"), third).await.unwrap();
    sync(&near, &hub).await;
    assert_eq!(whole(&near).await, None);
}

on_both_engines! {
    a_release_comes_whole_over_a_line_that_dies_and_only_to_whom_it_is_offered,
    an_offer_that_is_taken_back_or_overtaken_is_fetched_no_more,
}

with_blobs_in_a_folder! {
    a_release_comes_whole_over_a_line_that_dies_and_only_to_whom_it_is_offered,
    an_offer_that_is_taken_back_or_overtaken_is_fetched_no_more,
}

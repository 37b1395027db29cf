//! Boxes with a new key, thieves with an old one, and a hub that forgot both.

use sync_core::wire::SuccessionRequest;

use super::*;
use crate::Standing;

async fn request(end: &End) -> SuccessionRequest {
    let next = end.store.next_key().await.unwrap();
    SuccessionRequest::sign(
        end.store.device_key(),
        &next,
        end.store.session(),
        &COUNTY,
        Some(code("0017")),
        "box",
    )
}

/// The box gets a new key, as its verb does it.
async fn rekey(end: End, hub: &End) -> End {
    let next = end.store.next_key().await.unwrap();
    let request = request(&end).await;
    let taken = hub.store.succeed_device(&request).await.unwrap().unwrap();
    // The answer was lost: the box asks again with the same key.
    assert_eq!(
        hub.store.succeed_device(&request).await.unwrap(),
        Ok(taken.clone())
    );
    let enrolment = end.store.enrolment().await.unwrap().unwrap();
    end.store
        .keep_succession(&next, enrolment, taken.epoch)
        .await
        .unwrap();
    let old = end.store.device();
    let end = end.restart(Side::Box);
    assert_eq!(end.store.device(), next.device());
    assert_eq!(end.store.predecessors(next.device()).await.unwrap(), [old]);
    end
}

/// A box with 80 changes that the hub does not have, with a picture and its audit.
async fn busy(hub: &End, seed: u64) -> (End, DocId, BlobId) {
    let end = boxed(hub, seed, "0017").await;
    let patient = chart(&end, "0017", "示例甲").await;
    sync(&end, hub).await;
    for nth in 0..39 {
        visit(&end, "0017", patient, &format!("{nth}")).await;
        edit(&end, patient, vec![Edit::put(&["ext", "nth"], nth)]).await;
    }
    visit(&end, "0017", patient, "last").await;
    let blob = attach(&end, patient, 20_000).await;
    assert_eq!(end.store.link_status().await.unwrap().pending, 81);
    (end, patient, blob)
}

async fn a_box_with_a_new_key_brings_what_waited_under_the_old_one(on: Engine) {
    let hub = hub(on).await;
    let (end, patient, blob) = busy(&hub, 1100).await;
    let old = end.store.device();
    let end = rekey(end, &hub).await;
    edit(&end, patient, vec![Edit::put(&["person", "phone"], "1")]).await;
    sync(&end, &hub).await;
    assert_eq!(end.store.link_status().await.unwrap().pending, 0);
    assert!(hub.store.blob(blob).await.unwrap().is_some());
    same(&end, &hub, "0017").await;
    assert_eq!(sync(&end, &hub).await.round_trips, 1);
    assert_eq!(hub.store.device_standing(old).await.unwrap(), Standing::Revoked);
    assert_eq!(hub.store.clinics().await.unwrap()[0].devices, 1);
    // And once more, so that the first device is two generations back.
    visit(&end, "0017", patient, "again").await;
    let end = rekey_again(end, &hub).await;
    sync(&end, &hub).await;
    same(&end, &hub, "0017").await;
}

async fn rekey_again(end: End, hub: &End) -> End {
    let next = end.store.next_key().await.unwrap();
    let taken = hub
        .store
        .succeed_device(&request(&end).await)
        .await
        .unwrap()
        .unwrap();
    let enrolment = end.store.enrolment().await.unwrap().unwrap();
    end.store
        .keep_succession(&next, enrolment, taken.epoch)
        .await
        .unwrap();
    let end = end.restart(Side::Box);
    assert_eq!(end.store.predecessors(end.store.device()).await.unwrap().len(), 2);
    end
}

async fn a_hub_from_before_the_new_key_gets_everything_back(on: Engine) {
    for told in [true, false] {
        let hub = hub(on).await;
        let far = boxed(&hub, 1111, "0018").await;
        let (end, patient, blob) = busy(&hub, 1110).await;
        sync(&far, &hub).await;
        let (hub, backup) = hub.copied(Side::Hub).await;
        let old = end.store.device();
        let end = rekey(end, &hub).await;
        visit(&end, "0017", patient, "new key").await;
        for each in [&end, &far] {
            sync(each, &hub).await;
        }
        let before = hub.store.fingerprint().await.unwrap();
        let hub = hub.restored(backup, Side::Hub);
        hub.store.begin_epoch().await.unwrap();
        let new = end.store.device_key().public();
        if told {
            // Another box hands the succession back before.
            sync(&far, &hub).await;
            assert_eq!(hub.store.predecessors(new.device()).await.unwrap(), [old]);
        }
        // Else the certificate says it.
        hub.store.enrol_again(new, &code("0017"), &[old]).await.unwrap();
        for each in [&end, &far, &end] {
            sync(each, &hub).await;
        }
        assert_eq!(hub.store.fingerprint().await.unwrap(), before, "told: {told}");
        assert!(hub.store.blob(blob).await.unwrap().is_some());
        same(&end, &hub, "0017").await;
        assert_eq!(hub.store.device_standing(old).await.unwrap(), Standing::Revoked);
    }
}

async fn a_late_stick_of_the_old_key_is_taken(on: Engine) {
    let hub = hub(on).await;
    let (end, _, _) = busy(&hub, 1120).await;
    let head = end.store.parcel_head("test").await.unwrap();
    let mut messages = Vec::new();
    end.store
        .parcel_up(|message| {
            messages.push(message);
            Ok(())
        })
        .await
        .unwrap();
    let end = rekey(end, &hub).await;
    let taken = hub
        .store
        .take_parcel_up(&head, messages.into_iter().map(Ok))
        .await
        .unwrap();
    assert_eq!(taken.counts.changes, 80);
    end.store.take_parcel_answers(&taken.answers).await.unwrap();
    sync(&end, &hub).await;
    same(&end, &hub, "0017").await;
}

async fn nobody_takes_a_place_that_is_taken_or_was_revoked(on: Engine) {
    let hub = hub(on).await;
    let (end, _, _) = busy(&hub, 1130).await;
    let (end, stolen) = end.copied(Side::Box).await;
    let end = rekey(end, &hub).await;
    let clock = Arc::new(HandClock(AtomicI64::new(1000)));
    let thief = End {
        store: End::open(&stolen.folder, &clock, Side::Box, 1139, Place::default()),
        folder: stolen.folder,
        clock,
        seed: 1139,
        place: Place::default(),
    };
    assert_eq!(
        hub.store.succeed_device(&request(&thief).await).await.unwrap(),
        Err(EnrolRefusal::UsedToken)
    );
    let mut forged = request(&thief).await;
    forged.predecessor = end.store.device_key().public().to_bytes();
    assert_eq!(
        hub.store.succeed_device(&forged).await.unwrap(),
        Err(EnrolRefusal::BadProof)
    );
    let other = boxed(&hub, 1131, "0018").await;
    assert!(hub.store.revoke_device(other.store.device()).await.unwrap());
    assert_eq!(
        hub.store.succeed_device(&request(&other).await).await.unwrap(),
        Err(EnrolRefusal::Revoked)
    );
}

async fn what_a_thief_brings_to_a_hub_that_forgot_the_theft_is_never_taken(on: Engine) {
    let hub = hub(on).await;
    let (near, thief) = (boxed(&hub, 1140, "0017").await, boxed(&hub, 1141, "0017").await);
    let honest = chart(&thief, "0017", "示例实").await;
    for end in [&thief, &near] {
        sync(end, &hub).await;
    }
    let (hub, backup) = hub.copied(Side::Hub).await;
    let late = chart(&thief, "0017", "示例晚").await;
    for end in [&thief, &near] {
        sync(end, &hub).await;
    }
    assert!(hub.store.revoke_device(thief.store.device()).await.unwrap());
    sync(&near, &hub).await;
    let hub = hub.restored(backup, Side::Hub);
    hub.store.begin_epoch().await.unwrap();
    let forged = chart(&thief, "0017", "示例假").await;
    edit(&thief, honest, vec![Edit::put(&["person", "phone"], "666")]).await;
    assert!(exchange(&thief.store, &hub.store, usize::MAX).await.is_ok());
    assert_eq!(name_of(&hub, forged).await, None);
    sync(&near, &hub).await;
    assert_eq!(
        exchange(&thief.store, &hub.store, usize::MAX).await.err(),
        Some(ExchangeFault::Refused(Bye::Revoked))
    );
    sync(&near, &hub).await;
    for end in [&near, &hub] {
        assert_eq!(name_of(end, forged).await, None);
        assert_eq!(name_of(end, honest).await.as_deref(), Some("示例实"));
        // What the hub had taken before the theft was told stays, also where the hub forgot it.
        assert_eq!(name_of(end, late).await.as_deref(), Some("示例晚"));
        let chart = end.store.chart(honest.patient().unwrap()).await.unwrap();
        assert_eq!(chart.unwrap().value.phone, "");
    }
}

async fn what_an_honest_box_brings_first_waits_until_another_was_heard(on: Engine) {
    let hub = hub(on).await;
    let (near, far) = (boxed(&hub, 1150, "0017").await, boxed(&hub, 1151, "0017").await);
    let patient = chart(&near, "0017", "示例甲").await;
    for end in [&near, &far] {
        sync(end, &hub).await;
    }
    let (hub, backup) = hub.copied(Side::Hub).await;
    edit(&near, patient, vec![Edit::put(&["person", "phone"], "138")]).await;
    for end in [&near, &far] {
        sync(end, &hub).await;
    }
    // The other box writes on what the hub is going to forget.
    edit(&far, patient, vec![Edit::put(&["person", "phone"], "139")]).await;
    let hub = hub.restored(backup, Side::Hub);
    hub.store.begin_epoch().await.unwrap();
    for end in [&near, &far, &near, &far] {
        sync(end, &hub).await;
        assert_eq!(end.store.link_status().await.unwrap().parked, 0);
    }
    for end in [&near, &far] {
        same(end, &hub, "0017").await;
        let chart = end.store.chart(patient.patient().unwrap()).await.unwrap();
        assert_eq!(chart.unwrap().value.phone, "139");
        assert_eq!(sync(end, &hub).await.round_trips, 1);
    }
}

on_both_engines! {
    a_box_with_a_new_key_brings_what_waited_under_the_old_one,
    a_hub_from_before_the_new_key_gets_everything_back,
    a_late_stick_of_the_old_key_is_taken,
    nobody_takes_a_place_that_is_taken_or_was_revoked,
    what_a_thief_brings_to_a_hub_that_forgot_the_theft_is_never_taken,
    what_an_honest_box_brings_first_waits_until_another_was_heard,
}

with_blobs_in_a_folder! {
    a_box_with_a_new_key_brings_what_waited_under_the_old_one,
    a_hub_from_before_the_new_key_gets_everything_back,
}

//! Shares of openings at a hub: who gives one, who gets it, how often, and who never again.

use sync_core::identity::DeviceKey;
use sync_core::wire::{Meeting, Share, ShareAsk, ShareGive, ShareWhy, SuccessionRequest};

use super::*;
use crate::AuditFilter;
use crate::sync::shares::OPENINGS_AN_HOUR_MAX;

const SHARE: Share = Share([5; 32]);

fn opening_key(seed: u8) -> DeviceKey {
    DeviceKey::from_seed(&[seed; 32])
}

fn meeting(end: &End, nonce: u8) -> Meeting {
    Meeting {
        county: COUNTY,
        device: end.store.device(),
        nonce: [nonce; 32],
    }
}

async fn give(end: &End, hub: &End, key: u8, share: Share) -> Result<(), ShareWhy> {
    let meeting = meeting(end, 1);
    let public = opening_key(key).public().to_bytes();
    let give = ShareGive::sign(end.store.device_key(), &meeting, public, share);
    hub.store.keep_share(meeting, give).await.unwrap()
}

async fn ask(end: &End, hub: &End, key: u8) -> Result<Share, ShareWhy> {
    let meeting = meeting(end, 2);
    let ask = ShareAsk::sign(&opening_key(key), &meeting, [3; 32]);
    hub.store.give_share(meeting, ask).await.unwrap()
}

async fn count(hub: &End, end: &End) -> Option<u64> {
    let openings = hub.store.openings(&code("0017")).await.unwrap();
    openings.get(&end.store.device()).map(|openings| openings.count)
}

async fn a_share_is_given_to_the_key_that_it_was_kept_for_and_each_time_is_counted_and_noted(on: Engine) {
    let hub = hub(on).await;
    let end = boxed(&hub, 2100, "0017").await;
    assert_eq!(ask(&end, &hub, 8).await, Err(ShareWhy::NotKept));
    assert_eq!(count(&hub, &end).await, None);
    assert_eq!(give(&end, &hub, 8, SHARE).await, Ok(()));
    assert_eq!(ask(&end, &hub, 8).await, Ok(SHARE));
    assert_eq!(ask(&end, &hub, 9).await, Err(ShareWhy::BadProof), "another key");
    // Told again, as after each start: nothing changes.
    assert_eq!(give(&end, &hub, 8, SHARE).await, Ok(()));
    assert_eq!(ask(&end, &hub, 8).await, Ok(SHARE));
    assert_eq!(count(&hub, &end).await, Some(2));
    let noted = hub.store.audit_lines(AuditFilter::default(), 100).await.unwrap();
    let opened = noted.iter().filter(|(_, line)| line.act == "box_opened");
    assert_eq!(opened.count(), 2);
    // Another share and another key take their place.
    assert_eq!(give(&end, &hub, 9, Share([6; 32])).await, Ok(()));
    assert_eq!(ask(&end, &hub, 8).await, Err(ShareWhy::BadProof));
    assert_eq!(ask(&end, &hub, 9).await, Ok(Share([6; 32])));
    // It is each device's own.
    let other = boxed(&hub, 2101, "0017").await;
    assert_eq!(ask(&other, &hub, 9).await, Err(ShareWhy::NotKept));
}

async fn a_question_of_another_connection_proves_nothing(on: Engine) {
    let hub = hub(on).await;
    let end = boxed(&hub, 2110, "0017").await;
    assert_eq!(give(&end, &hub, 8, SHARE).await, Ok(()));
    let heard = ShareAsk::sign(&opening_key(8), &meeting(&end, 2), [3; 32]);
    let elsewhere = hub.store.give_share(meeting(&end, 3), heard).await.unwrap();
    assert_eq!(elsewhere, Err(ShareWhy::BadProof));
    let public = opening_key(9).public().to_bytes();
    let heard = ShareGive::sign(end.store.device_key(), &meeting(&end, 2), public, SHARE);
    let elsewhere = hub.store.keep_share(meeting(&end, 3), heard).await.unwrap();
    assert_eq!(elsewhere, Err(ShareWhy::BadProof));
    assert_eq!(ask(&end, &hub, 8).await, Ok(SHARE), "nothing took its place");
}

async fn a_revoked_unknown_or_succeeded_device_gets_nothing_and_its_share_is_gone(on: Engine) {
    let hub = hub(on).await;
    let end = boxed(&hub, 2120, "0017").await;
    let stranger = End::new_box(2121);
    assert_eq!(give(&stranger, &hub, 8, SHARE).await, Err(ShareWhy::Unknown));
    assert_eq!(ask(&stranger, &hub, 8).await, Err(ShareWhy::Unknown));
    assert_eq!(give(&end, &hub, 8, SHARE).await, Ok(()));
    assert!(hub.store.revoke_device(end.store.device()).await.unwrap());
    assert_eq!(ask(&end, &hub, 8).await, Err(ShareWhy::Revoked));
    assert_eq!(give(&end, &hub, 8, SHARE).await, Err(ShareWhy::Revoked));
    // Also to who cannot prove the key: a box whose share was never kept hears it as well.
    assert_eq!(ask(&end, &hub, 9).await, Err(ShareWhy::Revoked));
    assert_eq!(count(&hub, &end).await, None);

    let old = boxed(&hub, 2122, "0017").await;
    assert_eq!(give(&old, &hub, 8, SHARE).await, Ok(()));
    let next = old.store.next_key().await.unwrap();
    let session = old.store.session();
    let request = SuccessionRequest::sign(old.store.device_key(), &next, session, &COUNTY, None, "box");
    hub.store.succeed_device(&request).await.unwrap().unwrap();
    assert_eq!(ask(&old, &hub, 8).await, Err(ShareWhy::Succeeded));
}

async fn a_device_that_asks_too_often_waits_an_hour(on: Engine) {
    let hub = hub(on).await;
    let end = boxed(&hub, 2130, "0017").await;
    assert_eq!(give(&end, &hub, 8, SHARE).await, Ok(()));
    for _ in 0..OPENINGS_AN_HOUR_MAX {
        assert_eq!(ask(&end, &hub, 8).await, Ok(SHARE));
    }
    assert_eq!(ask(&end, &hub, 8).await, Err(ShareWhy::TooOften));
    // What proves nothing counts for nothing: nobody else locks a box out.
    let other = boxed(&hub, 2131, "0017").await;
    assert_eq!(give(&other, &hub, 9, SHARE).await, Ok(()));
    for _ in 0..OPENINGS_AN_HOUR_MAX {
        assert_eq!(ask(&other, &hub, 8).await, Err(ShareWhy::BadProof));
    }
    assert_eq!(ask(&other, &hub, 9).await, Ok(SHARE));
    hub.clock.0.fetch_add(3600 * 1000, Ordering::SeqCst);
    assert_eq!(ask(&end, &hub, 8).await, Ok(SHARE));
}

async fn a_hub_that_went_back_gives_no_share_until_another_box_was_heard(on: Engine) {
    let hub = hub(on).await;
    let end = boxed(&hub, 2140, "0017").await;
    let other = boxed(&hub, 2141, "0017").await;
    assert_eq!(give(&end, &hub, 8, SHARE).await, Ok(()));
    hub.store.begin_epoch().await.unwrap();
    assert_eq!(ask(&end, &hub, 8).await, Err(ShareWhy::NotYet));
    // What it forgot it is told again meanwhile.
    assert_eq!(give(&end, &hub, 9, SHARE).await, Ok(()));
    sync(&other, &hub).await;
    assert_eq!(ask(&end, &hub, 9).await, Ok(SHARE));
}

async fn no_share_lies_in_the_database_as_it_is(on: Engine) {
    let hub = hub(on).await;
    let end = boxed(&hub, 2150, "0017").await;
    assert_eq!(give(&end, &hub, 8, SHARE).await, Ok(()));
    let lies = hub.store.read(|sql| {
        let mut find = sql.prepare_cached("SELECT share FROM link_shares")?;
        Ok::<[u8; 32], crate::StoreError>(find.query_row([], |row| row.get(0))?)
    });
    assert_ne!(lies.await.unwrap(), SHARE.0);
    // Nor twice as the same.
    let other = boxed(&hub, 2151, "0017").await;
    assert_eq!(give(&other, &hub, 8, SHARE).await, Ok(()));
    let different = hub.store.read(|sql| {
        let mut find = sql.prepare_cached("SELECT count(DISTINCT share) FROM link_shares")?;
        Ok::<i64, crate::StoreError>(find.query_row([], |row| row.get(0))?)
    });
    assert_eq!(different.await.unwrap(), 2);
}

on_both_engines! {
    a_share_is_given_to_the_key_that_it_was_kept_for_and_each_time_is_counted_and_noted,
    a_question_of_another_connection_proves_nothing,
    a_revoked_unknown_or_succeeded_device_gets_nothing_and_its_share_is_gone,
    a_device_that_asks_too_often_waits_an_hour,
    a_hub_that_went_back_gives_no_share_until_another_box_was_heard,
    no_share_lies_in_the_database_as_it_is,
}

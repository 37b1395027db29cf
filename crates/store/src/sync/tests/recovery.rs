//! A hub that went back in time: nothing is lost, forgotten, or given twice.

use super::restores::Old;
use super::*;
use crate::StoreError;

fn nurse(id: u8) -> StaffMember {
    StaffMember {
        id: StaffId([id; 8]),
        name: format!("员工{id}"),
        login: format!("user{id}"),
        roles: vec![Role::Nurse],
        state: StaffState::Active,
        password_hash: "$argon2id$x".into(),
        pin_hash: String::new(),
        clinic: Some(code("0017")),
        must_change: false,
    }
}

async fn refused(end: &End, hub: &End) -> Option<ExchangeFault> {
    exchange(&end.store, &hub.store, usize::MAX).await.err()
}

/// A certificate is good and the directory does not know it: the hub's listener takes the box in again.
async fn enrol_again(hub: &End, end: &End, clinic: &str) {
    let key = end.store.device_key().public();
    hub.store.enrol_again(key, &code(clinic), &[]).await.unwrap();
}

/// What happens after the backup and is lost with the hub, and what must be so again.
async fn live_and_lose(on: Engine, told: bool) {
    let hub = hub(on).await;
    let near = boxed(&hub, 400, "0017").await;
    let far = boxed(&hub, 401, "0018").await;
    let thief = boxed(&hub, 402, "0018").await;
    let patient = chart(&near, "0017", "示例甲").await;
    let doomed = chart(&near, "0017", "示例删").await;
    for end in [&near, &far, &thief] {
        sync(end, &hub).await;
    }
    let (hub, backup) = hub.copied(Side::Hub).await;
    hub.store.put_member(nurse(5)).await.unwrap();
    let block = hub
        .store
        .allot_numbers(&code("0017"), 1, 100)
        .await
        .unwrap()
        .unwrap();
    assert!(hub.store.revoke_device(thief.store.device()).await.unwrap());
    assert!(hub.store.purge(&code("0017"), &[doomed]).await.unwrap());
    let late = boxed(&hub, 403, "0017").await;
    edit(&hub, patient, vec![Edit::put(&["person", "phone"], "138")]).await;
    let new = chart(&near, "0017", "示例乙").await;
    let blob = attach(&near, new, 30_000).await;
    for end in [&near, &far, &late, &near] {
        sync(end, &hub).await;
    }
    let before = hub.store.fingerprint().await.unwrap();
    let hub = hub.restored(backup, Side::Hub);
    if told {
        hub.store.begin_epoch().await.unwrap();
    }
    assert_eq!(name_of(&hub, new).await, None);
    assert!(name_of(&hub, doomed).await.is_some());
    // The thief may come first: what it brings is taken, and it is fed nothing.
    let counts = exchange(&thief.store, &hub.store, usize::MAX).await.unwrap().0;
    assert_eq!(counts.changes_received, 0);
    let counts = sync(&near, &hub).await;
    assert!(counts.round_trips <= 2 + 2, "{counts:?}");
    sync(&far, &hub).await;
    assert_eq!(
        hub.store.device_standing(thief.store.device()).await.unwrap(),
        crate::Standing::Revoked
    );
    assert_eq!(
        refused(&thief, &hub).await,
        Some(ExchangeFault::Refused(Bye::Revoked))
    );
    if hub.store.device_standing(late.store.device()).await.unwrap() == crate::Standing::Unknown {
        enrol_again(&hub, &late, "0017").await;
    }
    for _ in 0..2 {
        for end in [&near, &far, &late] {
            sync(end, &hub).await;
        }
    }
    // Nothing is lost, and the purged stays purged.
    assert_eq!(hub.store.fingerprint().await.unwrap(), before);
    assert_eq!(name_of(&hub, doomed).await, None);
    assert!(hub.store.is_purged(doomed).await.unwrap());
    assert_eq!(
        hub.store
            .chart(patient.patient().unwrap())
            .await
            .unwrap()
            .unwrap()
            .value
            .phone,
        "138"
    );
    assert_eq!(
        hub.store.blob(blob).await.unwrap().map(|bytes| bytes.len()),
        Some(30_000)
    );
    // Nobody is forgotten, and no number is given twice.
    let staff = hub.store.staff().await.unwrap();
    assert!(staff.iter().any(|member| member.id == StaffId([5; 8])));
    let next = hub
        .store
        .allot_numbers(&code("0017"), 1, 100)
        .await
        .unwrap()
        .unwrap();
    assert!(
        next.epoch != block.epoch || next.first > block.last,
        "{block:?} {next:?}"
    );
    assert!(
        hub.store
            .number_blocks(1)
            .await
            .unwrap()
            .contains(&(code("0017"), block))
    );
    for (end, clinic) in [(&near, "0017"), (&far, "0018"), (&late, "0017")] {
        sync(end, &hub).await;
        same(end, &hub, clinic).await;
        assert_eq!(sync(end, &hub).await.round_trips, 1);
    }
}

async fn a_restored_hub_forgets_nothing_and_gives_nothing_twice(on: Engine) {
    live_and_lose(on, true).await;
}

async fn a_hub_folder_that_was_merely_copied_back_finds_out_from_a_box(on: Engine) {
    live_and_lose(on, false).await;
}

async fn a_county_with_one_box_is_served_at_once_after_a_restore(on: Engine) {
    let hub = hub(on).await;
    let end = boxed(&hub, 410, "0017").await;
    let first = chart(&end, "0017", "示例甲").await;
    // Pictures of years, all of them in the backup: none is offered again.
    for nth in 0..60 {
        attach(&end, first, 100 + nth).await;
    }
    sync(&end, &hub).await;
    let (hub, backup) = hub.copied(Side::Hub).await;
    let mut lost = 0;
    for nth in 0..40 {
        let patient = chart(&end, "0017", &format!("示例{nth}")).await;
        visit(&end, "0017", patient, "咳嗽三天，夜间加重").await;
    }
    lost += exchange(&end.store, &hub.store, usize::MAX).await.unwrap().1;
    let hub = hub.restored(backup, Side::Hub);
    hub.store.begin_epoch().await.unwrap();
    edit(&hub, first, vec![Edit::put(&["person", "phone"], "1")]).await;
    let (counts, carried) = exchange(&end.store, &hub.store, usize::MAX).await.unwrap();
    assert!(counts.round_trips <= 2, "{counts:?}");
    assert!(
        carried * 10 <= lost * 11,
        "{carried} bytes for {lost} that were lost"
    );
    same(&end, &hub, "0017").await;
    assert_eq!(
        end.store
            .chart(first.patient().unwrap())
            .await
            .unwrap()
            .unwrap()
            .value
            .phone,
        "1"
    );
}

async fn what_lies_in_a_verified_backup_is_not_kept_for_the_hub_any_more(on: Engine) {
    let hub = hub(on).await;
    let (near, far) = (boxed(&hub, 420, "0017").await, boxed(&hub, 421, "0018").await);
    let patient = chart(&near, "0017", "示例甲").await;
    sync(&near, &hub).await;
    hub.store
        .join_patient(&code("0018"), patient.patient().unwrap())
        .await
        .unwrap();
    sync(&far, &hub).await;
    let kept = |sql: &crate::sql::Connection| {
        sql.query_row("SELECT count(*) FROM link_relays", [], |row| row.get::<_, i64>(0))
            .map_err(StoreError::from)
    };
    assert_eq!(far.store.read(kept).await.unwrap(), 1);
    let extent = hub.store.feed_extent().await.unwrap();
    hub.store.note_safe(extent).await.unwrap();
    sync(&far, &hub).await;
    assert_eq!(far.store.read(kept).await.unwrap(), 0);
    edit(&near, patient, vec![Edit::put(&["person", "phone"], "1")]).await;
    sync(&near, &hub).await;
    sync(&far, &hub).await;
    assert_eq!(far.store.read(kept).await.unwrap(), 1);
}

/// What only a box still holds after the hub went back: another clinic's work and a desk edit.
async fn only_at_a_box(on: Engine, seed: u64) -> (End, End, DocId, Old, Old) {
    let hub = hub(on).await;
    let (near, far) = (
        boxed(&hub, seed, "0017").await,
        boxed(&hub, seed + 1, "0018").await,
    );
    let patient = chart(&near, "0017", "示例甲").await;
    sync(&near, &hub).await;
    hub.store
        .join_patient(&code("0018"), patient.patient().unwrap())
        .await
        .unwrap();
    sync(&far, &hub).await;
    let (hub, one) = hub.copied(Side::Hub).await;
    let two = one.again();
    edit(&near, patient, vec![Edit::put(&["person", "phone"], "138")]).await;
    sync(&near, &hub).await;
    edit(&hub, patient, vec![Edit::put(&["address", "group"], "3组")]).await;
    sync(&far, &hub).await;
    // The box of the other clinic burnt.
    drop(near);
    (hub, far, patient, one, two)
}

async fn phone_and_group(hub: &End, patient: DocId) -> (Option<String>, Option<String>) {
    let tree = hub
        .store
        .chart_tree(patient.patient().unwrap())
        .await
        .unwrap()
        .unwrap()
        .value;
    let text = |path: &[&str]| tree.text(path).map(str::to_owned);
    (text(&["person", "phone"]), text(&["address", "group"]))
}

async fn hand_back_until_taken(end: &End, hub: &End) {
    // Until the hub took everything, and not so far that it fed anything: the connection breaks there.
    let hello = end.store.hello("test").await.unwrap().unwrap();
    let mut at_box = Exchange::for_box(
        credentials(&end.store, &hub.store, end.store.device()).await,
        &hello,
        Duration::ZERO,
        NOW,
    );
    let mut at_hub = Exchange::for_hub(credentials(&hub.store, &end.store, end.store.device()).await, NOW);
    for _ in 0..6 {
        while let Some(ask) = at_box.poll_ask(NOW) {
            at_box
                .handle_answer(end.store.answer_as_box(ask).await.unwrap(), NOW)
                .unwrap();
        }
        while let Some(bytes) = at_box.poll_transmit(NOW) {
            at_hub.handle_bytes(&bytes, NOW).unwrap();
        }
        while let Some(ask) = at_hub.poll_ask(NOW) {
            let answer = match ask {
                Ask::Next { lane, after, .. } => {
                    Answer::Next(sync_core::exchange::NextItems::none(lane, after))
                }
                other => hub.store.answer_as_hub(end.store.device(), other).await.unwrap(),
            };
            at_hub.handle_answer(answer, NOW).unwrap();
        }
        while let Some(bytes) = at_hub.poll_transmit(NOW) {
            at_box.handle_bytes(&bytes, NOW).unwrap();
        }
    }
}

async fn a_hub_that_goes_back_again_before_it_fed_is_given_everything_again(on: Engine) {
    for told in [true, false] {
        let (hub, far, patient, one, two) = only_at_a_box(on, 430).await;
        let hub = hub.restored(one, Side::Hub);
        hub.store.begin_epoch().await.unwrap();
        hand_back_until_taken(&far, &hub).await;
        assert_eq!(phone_and_group(&hub, patient).await.0.as_deref(), Some("138"));
        let hub = hub.restored(two, Side::Hub);
        if told {
            hub.store.begin_epoch().await.unwrap();
        }
        hub.clock.0.fetch_add(25 * 3600 * 1000, Ordering::SeqCst);
        for _ in 0..2 {
            sync(&far, &hub).await;
        }
        assert_eq!(
            phone_and_group(&hub, patient).await,
            (Some("138".into()), Some("3组".into())),
            "told: {told}"
        );
        assert_eq!(sync(&far, &hub).await.round_trips, 1);
    }
}

async fn a_hub_copied_back_within_its_epoch_is_given_everything_again(on: Engine) {
    let (hub, far, patient, one, _) = only_at_a_box(on, 440).await;
    let hub = hub.restored(one, Side::Hub);
    hub.store.begin_epoch().await.unwrap();
    let (hub, copy) = hub.copied(Side::Hub).await;
    hand_back_until_taken(&far, &hub).await;
    let hub = hub.restored(copy, Side::Hub);
    // No other box is left: it serves after a day.
    hub.clock.0.fetch_add(25 * 3600 * 1000, Ordering::SeqCst);
    for _ in 0..2 {
        sync(&far, &hub).await;
    }
    assert_eq!(
        phone_and_group(&hub, patient).await,
        (Some("138".into()), Some("3组".into()))
    );
    assert_eq!(sync(&far, &hub).await.round_trips, 1);
}

async fn what_a_box_put_away_outlives_a_hub_that_goes_back_until_a_backup_holds_it(on: Engine) {
    let hub = hub(on).await;
    let (near, far) = (boxed(&hub, 450, "0017").await, boxed(&hub, 451, "0018").await);
    let patient = chart(&near, "0017", "示例甲").await;
    sync(&near, &hub).await;
    let person = patient.patient().unwrap();
    hub.store.join_patient(&code("0018"), person).await.unwrap();
    sync(&far, &hub).await;
    let (hub, backup) = hub.copied(Side::Hub).await;
    edit(&far, patient, vec![Edit::put(&["person", "phone"], "138")]).await;
    let blob = attach(&far, patient, 30_000).await;
    edit(&near, patient, vec![Edit::put(&["address", "group"], "3组")]).await;
    for end in [&near, &far, &near, &far] {
        sync(end, &hub).await;
    }
    hub.store.leave_patient(&code("0018"), person).await.unwrap();
    sync(&far, &hub).await;
    sync(&far, &hub).await;
    // Put away: nobody reads it here.
    assert_eq!(name_of(&far, patient).await, None);
    assert_eq!(far.store.blob(blob).await.unwrap(), None);
    let kept = |end: &End| {
        let store = end.store.clone();
        async move { store.read(super::super::kept::count).await.unwrap() }
    };
    assert!(kept(&far).await.0 >= 4 && kept(&far).await.1 == 1);
    let before = hub.store.fingerprint().await.unwrap();
    // The hub goes back, and the other box burnt.
    drop(near);
    let hub = hub.restored(backup, Side::Hub);
    hub.store.begin_epoch().await.unwrap();
    hub.clock.0.fetch_add(25 * 3600 * 1000, Ordering::SeqCst);
    for _ in 0..3 {
        sync(&far, &hub).await;
    }
    assert_eq!(hub.store.fingerprint().await.unwrap(), before);
    assert_eq!(
        phone_and_group(&hub, patient).await,
        (Some("138".into()), Some("3组".into()))
    );
    assert!(hub.store.blob(blob).await.unwrap().is_some());
    assert_eq!(name_of(&far, patient).await, None);
    assert_eq!(far.store.link_status().await.unwrap().pending, 0);
    // Once a backup holds it, it goes for good.
    let extent = hub.store.feed_extent().await.unwrap();
    hub.store.note_safe(extent).await.unwrap();
    sync(&far, &hub).await;
    assert_eq!(kept(&far).await, (0, 0));
    assert_eq!(sync(&far, &hub).await.round_trips, 1);
}

on_both_engines! {
    a_restored_hub_forgets_nothing_and_gives_nothing_twice,
    a_hub_folder_that_was_merely_copied_back_finds_out_from_a_box,
    a_county_with_one_box_is_served_at_once_after_a_restore,
    what_lies_in_a_verified_backup_is_not_kept_for_the_hub_any_more,
    a_hub_that_goes_back_again_before_it_fed_is_given_everything_again,
    a_hub_copied_back_within_its_epoch_is_given_everything_again,
    what_a_box_put_away_outlives_a_hub_that_goes_back_until_a_backup_holds_it,
}

with_blobs_in_a_folder! {
    a_restored_hub_forgets_nothing_and_gives_nothing_twice,
    a_hub_folder_that_was_merely_copied_back_finds_out_from_a_box,
    a_hub_that_goes_back_again_before_it_fed_is_given_everything_again,
    what_a_box_put_away_outlives_a_hub_that_goes_back_until_a_backup_holds_it,
}

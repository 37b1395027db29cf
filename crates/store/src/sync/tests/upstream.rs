//! A hub above a county's hub: what the county's boxes write is there under their own names, what is written there comes
//! down, and whoever of them goes back in time gets everything again.

use super::*;
use crate::Bridge;

/// The county at the hub above.
const COUNTY_CODE: &str = "330185";

/// The hub of a city that has one county.
async fn city(on: Engine) -> End {
    let city = End::hub(800, on);
    city.store.set_county(COUNTY).await.unwrap();
    city.store.meet_objects().await.unwrap();
    assert!(city.store.add_clinic(&code(COUNTY_CODE), "示例县").await.unwrap());
    assert!(city.store.make_county(&code(COUNTY_CODE)).await.unwrap());
    city
}

/// The box that the county's hub is to the city.
async fn joined(city: &End, seed: u64) -> End {
    let up = End::new_box(seed);
    join(&up, city, COUNTY_CODE).await;
    up
}

/// Copies and exchanges until nothing is left to do. A device that the city hears of for the first time costs one
/// connection: the list of those that a connection may carry is read when it begins.
async fn settle(county: &End, up: &End, city: &End) {
    let mut seen = Bridge::default();
    for _ in 0..3 {
        county.store.bridge(&up.store, &mut seen).await.unwrap();
        let mut tries = 0;
        while let Err(fault) = exchange(&up.store, &city.store, usize::MAX).await {
            assert!(matches!(fault, ExchangeFault::ForeignBatch), "{fault:?}");
            tries += 1;
            assert!(tries < 3, "the city does not learn whom the county carries");
        }
    }
    county.store.bridge(&up.store, &mut seen).await.unwrap();
    assert_eq!(up.store.link_status().await.unwrap().pending, 0);
    assert_eq!(up.store.alarms().await.unwrap(), []);
    assert_eq!(up.store.link_status().await.unwrap().parked, 0);
}

async fn print(hub: &End, clinic: Option<&str>) -> sync_core::fingerprint::Fingerprint {
    let found = hub
        .store
        .verify(clinic.map(code), Box::new(|_, _| {}))
        .await
        .unwrap();
    assert_eq!(found.problems, Vec::<String>::new());
    found.fingerprint
}

/// County and city hold the same of the county and of each of its clinics.
async fn agree(county: &End, city: &End) {
    for clinic in ["0017", "0018"] {
        assert_eq!(
            print(county, Some(clinic)).await,
            print(city, Some(clinic)).await,
            "{clinic}"
        );
    }
    assert_eq!(print(county, None).await, print(city, Some(COUNTY_CODE)).await);
}

async fn what_a_county_holds_goes_up_and_what_is_written_there_comes_down(on: Engine) {
    let (county, city) = (hub(on).await, city(on).await);
    let (near, far) = (
        boxed(&county, 801, "0017").await,
        boxed(&county, 802, "0018").await,
    );
    let patient = chart(&near, "0017", "示例甲").await;
    let seen = visit(&near, "0017", patient, "头晕").await;
    let picture = attach(&near, patient, 40_000).await;
    chart(&far, "0018", "示例乙").await;
    for end in [&near, &far] {
        sync(end, &county).await;
    }
    let join = code("0018");
    assert!(
        county
            .store
            .join_patient(&join, patient.patient().unwrap())
            .await
            .unwrap()
    );
    sync(&far, &county).await;
    visit(&far, "0018", patient, "复诊").await;
    sync(&far, &county).await;
    edit(&county, patient, vec![Edit::put(&["address", "group"], "三组")]).await;

    let up = joined(&city, 803).await;
    settle(&county, &up, &city).await;
    agree(&county, &city).await;
    assert_eq!(
        city.store.blob(picture).await.unwrap(),
        near.store.blob(picture).await.unwrap()
    );
    // Everybody wrote under their own name.
    let devices: Vec<_> = city.store.arrivals(patient).await.unwrap();
    for device in [near.store.device(), county.store.device()] {
        assert!(devices.iter().any(|arrival| arrival.device == device));
    }

    // The city writes; the county and its boxes have it.
    edit(&city, patient, vec![Edit::put(&["person", "name"], "示例丙")]).await;
    settle(&county, &up, &city).await;
    assert_eq!(name_of(&county, patient).await.as_deref(), Some("示例丙"));
    for end in [&near, &far] {
        sync(end, &county).await;
        assert_eq!(name_of(end, patient).await.as_deref(), Some("示例丙"));
    }
    agree(&county, &city).await;
    // Nothing new costs one round trip, and a round of copying nothing.
    assert_eq!(
        county
            .store
            .bridge(&up.store, &mut Bridge::default())
            .await
            .unwrap(),
        crate::Bridged::default()
    );
    assert_eq!(sync(&up, &city).await.round_trips, 1);

    // What either purges is gone in all places.
    assert!(city.store.purge(&code(COUNTY_CODE), &[seen]).await.unwrap());
    settle(&county, &up, &city).await;
    sync(&near, &county).await;
    assert!(near.store.is_purged(seen).await.unwrap());
    assert!(county.store.purge(&code("0017"), &[patient]).await.unwrap());
    settle(&county, &up, &city).await;
    assert!(city.store.is_purged(patient).await.unwrap());
    assert_eq!(name_of(&city, patient).await, None);
    assert_eq!(city.store.blob(picture).await.unwrap(), None);
    agree(&county, &city).await;
}

async fn whoever_goes_back_in_time_gets_everything_again(on: Engine) {
    let (county, city) = (hub(on).await, city(on).await);
    let near = boxed(&county, 811, "0017").await;
    let patient = chart(&near, "0017", "示例甲").await;
    sync(&near, &county).await;
    let up = joined(&city, 812).await;
    settle(&county, &up, &city).await;
    let (county, old) = county.copied(Side::Hub).await;
    let later = chart(&near, "0017", "示例乙").await;
    let picture = attach(&near, later, 30_000).await;
    sync(&near, &county).await;
    edit(&county, patient, vec![Edit::put(&["person", "name"], "示例丙")]).await;
    settle(&county, &up, &city).await;
    agree(&county, &city).await;

    // The county's hub is restored from before; the clinic's box is gone for good, and so is the folder of the link up.
    let county = county.restored(old, Side::Hub);
    county.store.begin_epoch().await.unwrap();
    assert_eq!(name_of(&county, later).await, None);
    drop((near, up));
    let up = joined(&city, 813).await;
    settle(&county, &up, &city).await;
    assert_eq!(name_of(&county, later).await.as_deref(), Some("示例乙"));
    assert_eq!(name_of(&county, patient).await.as_deref(), Some("示例丙"));
    assert_eq!(
        county.store.blob(picture).await.unwrap().map(|bytes| bytes.len()),
        Some(30_000)
    );
    assert_eq!(print(&county, None).await, print(&city, Some(COUNTY_CODE)).await);

    // The city goes back: the county brings it again.
    let (city, old) = city.copied(Side::Hub).await;
    edit(&county, patient, vec![Edit::put(&["person", "name"], "示例丁")]).await;
    settle(&county, &up, &city).await;
    let city = city.restored(old, Side::Hub);
    city.store.begin_epoch().await.unwrap();
    settle(&county, &up, &city).await;
    assert_eq!(name_of(&city, patient).await.as_deref(), Some("示例丁"));
    assert_eq!(print(&county, None).await, print(&city, Some(COUNTY_CODE)).await);
}

async fn a_county_that_went_back_beside_its_link_sends_what_it_writes_then(on: Engine) {
    let (county, city) = (hub(on).await, city(on).await);
    let near = boxed(&county, 841, "0017").await;
    let patient = chart(&near, "0017", "示例甲").await;
    sync(&near, &county).await;
    let up = joined(&city, 842).await;
    settle(&county, &up, &city).await;
    let (county, old) = county.copied(Side::Hub).await;
    for group in ["一组", "二组"] {
        edit(&county, patient, vec![Edit::put(&["address", "group"], group)]).await;
    }
    settle(&county, &up, &city).await;
    // The rows of the log that were copied up are other ones now.
    let county = county.restored(old, Side::Hub);
    county.store.begin_epoch().await.unwrap();
    let later = chart(&county, "0017", "示例乙").await;
    settle(&county, &up, &city).await;
    assert_eq!(name_of(&city, later).await.as_deref(), Some("示例乙"));
    assert_eq!(print(&county, None).await, print(&city, Some(COUNTY_CODE)).await);
}

async fn a_hub_above_that_went_back_hears_anew_whom_the_county_carries(on: Engine) {
    let (county, city) = (hub(on).await, city(on).await);
    let near = boxed(&county, 861, "0017").await;
    chart(&near, "0017", "示例甲").await;
    sync(&near, &county).await;
    let up = joined(&city, 862).await;
    settle(&county, &up, &city).await;
    let (city, old) = city.copied(Side::Hub).await;
    let newer = boxed(&county, 863, "0018").await;
    let newest = chart(&newer, "0018", "示例乙").await;
    sync(&newer, &county).await;
    settle(&county, &up, &city).await;
    let city = city.restored(old, Side::Hub);
    city.store.begin_epoch().await.unwrap();
    assert_eq!(name_of(&city, newest).await, None);
    settle(&county, &up, &city).await;
    assert_eq!(name_of(&city, newest).await.as_deref(), Some("示例乙"));
    agree(&county, &city).await;
}

async fn a_change_is_judged_by_whose_device_wrote_it(on: Engine) {
    let (county, city) = (hub(on).await, city(on).await);
    let (near, far) = (
        boxed(&county, 850, "0017").await,
        boxed(&county, 851, "0018").await,
    );
    for (end, clinic) in [(&near, "0017"), (&far, "0018")] {
        chart(end, clinic, "示例甲").await;
        sync(end, &county).await;
    }
    let up = joined(&city, 852).await;
    settle(&county, &up, &city).await;
    // A county that lets its clinics write under each other's name.
    let forged = visit(&far, "0017", DocId([1; 16]), "x").await;
    far.store.copy_up(&up.store).await.unwrap();
    exchange(&up.store, &city.store, usize::MAX).await.unwrap();
    assert_eq!(up.store.link_status().await.unwrap().parked, 1);
    assert!(city.store.arrivals(forged).await.unwrap().is_empty());
}

async fn nobody_vouches_for_what_is_not_theirs(on: Engine) {
    let (county, city) = (hub(on).await, city(on).await);
    // A clinic of the city itself has the code of one of the county's, and a box.
    assert!(city.store.add_clinic(&code("0018"), "别处").await.unwrap());
    let other = boxed(&city, 821, "0018").await;
    let theirs = chart(&other, "0018", "示例丁").await;
    sync(&other, &city).await;
    let far = boxed(&county, 822, "0018").await;
    let ours = chart(&far, "0018", "示例甲").await;
    sync(&far, &county).await;
    let up = joined(&city, 823).await;
    county
        .store
        .bridge(&up.store, &mut Bridge::default())
        .await
        .unwrap();
    let fault = async || exchange(&up.store, &city.store, usize::MAX).await.err();
    for _ in 0..2 {
        let refused = fault().await;
        assert!(
            matches!(refused, Some(ExchangeFault::ForeignBatch)),
            "{refused:?}"
        );
    }
    assert_eq!(name_of(&city, ours).await, None);
    sync(&other, &city).await;
    assert_eq!(print(&city, Some("0018")).await, print(&other, None).await);
    assert!(name_of(&city, theirs).await.is_some());

    // A clinic that is no county vouches for nobody.
    let plain = self::city(on).await;
    let plain_code = code("0900");
    assert!(plain.store.add_clinic(&plain_code, "普通诊所").await.unwrap());
    let up = End::new_box(824);
    join(&up, &plain, "0900").await;
    county
        .store
        .bridge(&up.store, &mut Bridge::default())
        .await
        .unwrap();
    for _ in 0..2 {
        let refused = exchange(&up.store, &plain.store, usize::MAX).await.err();
        assert!(
            matches!(refused, Some(ExchangeFault::ForeignBatch)),
            "{refused:?}"
        );
    }
    assert_eq!(name_of(&plain, ours).await, None);
}

async fn a_copy_that_was_cut_off_anywhere_goes_on(on: Engine) {
    let (county, city) = (hub(on).await, city(on).await);
    let near = boxed(&county, 831, "0017").await;
    let mut up = joined(&city, 832).await;
    let mut patients = Vec::new();
    for round in 0..8usize {
        let patient = chart(&near, "0017", "示例甲").await;
        visit(&near, "0017", patient, &"头晕".repeat(round * 30)).await;
        attach(&near, patient, 20_000 + round).await;
        patients.push(patient);
        sync(&near, &county).await;
        county
            .store
            .bridge(&up.store, &mut Bridge::default())
            .await
            .unwrap();
        // Cut anywhere; a first device costs its connection.
        let _cut = exchange(&up.store, &city.store, 500 * round * round + 60).await;
        if round % 3 == 1 {
            up = up.restart(Side::Box);
        }
    }
    settle(&county, &up, &city).await;
    for patient in patients {
        assert!(name_of(&city, patient).await.is_some());
    }
    assert_eq!(
        print(&county, Some("0017")).await,
        print(&city, Some("0017")).await
    );
    assert_eq!(print(&near, None).await, print(&city, Some("0017")).await);
}

on_both_engines! {
    what_a_county_holds_goes_up_and_what_is_written_there_comes_down,
    whoever_goes_back_in_time_gets_everything_again,
    a_county_that_went_back_beside_its_link_sends_what_it_writes_then,
    a_hub_above_that_went_back_hears_anew_whom_the_county_carries,
    a_change_is_judged_by_whose_device_wrote_it,
    nobody_vouches_for_what_is_not_theirs,
    a_copy_that_was_cut_off_anywhere_goes_on,
}

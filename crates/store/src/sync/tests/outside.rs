//! Blobs of a hub outside its database: told held only when they are safe, moved by any node, found damaged or missing,
//! and kept by the boxes while nothing can be moved.

use object_store::path::Path;
use object_store::{ObjectStoreExt as _, PutPayload};

use super::*;
use crate::workbench::Outside;
use crate::{AlarmKind, Moved, ObjectsFault, StoreError};

/// A hub and a box whose patient has pictures of these lengths; nothing was moved yet.
async fn with_pictures(on: Engine, lengths: &[usize]) -> (End, End, DocId, Vec<BlobId>) {
    let hub = hub(on).await;
    let end = boxed(&hub, 900, "0017").await;
    let patient = chart(&end, "0017", "示例").await;
    let mut pictures = Vec::new();
    for length in lengths {
        pictures.push(attach(&end, patient, *length).await);
    }
    (hub, end, patient, pictures)
}

fn outside(hub: &End) -> &Outside {
    hub.place.outside.as_ref().unwrap()
}

/// The objects that hold blobs.
async fn pictures(hub: &End) -> Vec<(String, Vec<u8>)> {
    let mut all = outside(hub).all().await;
    all.retain(|(name, _)| name != "hub");
    all
}

/// Bytes of blobs that stand in the database.
async fn bytes_inside(hub: &End) -> i64 {
    let count = "SELECT CAST(coalesce(sum(length(body)), 0) AS INTEGER) FROM blobs";
    hub.store
        .read(move |sql| Ok::<_, StoreError>(sql.query_row(count, [], |row| row.get(0))?))
        .await
        .unwrap()
}

async fn problems(hub: &End) -> Vec<String> {
    hub.store
        .verify(None, Box::new(|_, _| {}))
        .await
        .unwrap()
        .problems
}

async fn alarms(hub: &End) -> Vec<AlarmKind> {
    let alarms = hub.store.alarms().await.unwrap();
    alarms.into_iter().map(|alarm| alarm.kind).collect()
}

async fn what_was_in_the_database_before_is_moved_and_read_as_before(on: Engine) {
    let place = on.place();
    let inside = Place {
        outside: None,
        ..place.clone()
    };
    let folder = tempfile::tempdir().unwrap();
    let clock = Arc::new(HandClock(AtomicI64::new(1000)));
    let before = End::begin(folder, clock, Side::Hub, 1, inside);
    before.store.set_county(COUNTY).await.unwrap();
    let blob = before.store.put_blob(vec![5; 70_000]).await.unwrap();
    // The same hub, which now has a place for its blobs.
    let mut hub = before;
    hub.place = place;
    let hub = hub.restart(Side::Hub);
    assert!(hub.store.meet_objects().await.unwrap());
    assert_eq!(hub.store.move_blobs().await.unwrap().moved, 1);
    assert_eq!(bytes_inside(&hub).await, 0);
    assert_eq!(hub.store.blob(blob).await.unwrap(), Some(vec![5; 70_000]));
    assert_eq!(pictures(&hub).await[0].1, vec![5; 70_000]);
    assert_eq!(problems(&hub).await, Vec::<String>::new());
    assert_eq!(hub.store.move_blobs().await.unwrap(), Moved::default());
    // Once blobs are outside, nothing begins that does not know where.
    let mut hub = hub;
    hub.place.outside = None;
    let hub = hub.restart(Side::Hub);
    let refused = hub.store.meet_objects().await;
    assert!(matches!(refused, Err(ObjectsFault::NotNamed(_))), "{refused:?}");
    assert!(matches!(
        hub.store.blob(blob).await,
        Err(StoreError::BlobsNotNamed)
    ));
    assert_eq!(problems(&hub).await.len(), 1);
}

async fn a_damaged_and_a_missing_object_are_faults_and_nothing_else_stops(on: Engine) {
    let (hub, end, patient, blobs) = with_pictures(on, &[20_000, 30_000, 40_000]).await;
    sync(&end, &hub).await;
    let far = boxed(&hub, 901, "0018").await;
    let other = code("0018");
    let joined = hub.store.join_patient(&other, patient.patient().unwrap());
    assert!(joined.await.unwrap());
    let there = pictures(&hub).await;
    let name_of = |blob: BlobId| {
        let named = there.iter().find(|(name, _)| name.contains(&blob.to_string()));
        Path::from(named.unwrap().0.as_str())
    };
    let objects = &outside(&hub).objects;
    objects.delete(&name_of(blobs[0])).await.unwrap();
    let mut flipped = vec![0; 30_000];
    flipped[17] = 1;
    objects
        .put(&name_of(blobs[1]), PutPayload::from(flipped))
        .await
        .unwrap();
    for blob in &blobs[..2] {
        let read = hub.store.blob(*blob).await;
        assert!(
            matches!(read, Err(StoreError::BlobLost(lost)) if lost == *blob),
            "{read:?}"
        );
    }
    assert_eq!(alarms(&hub).await, [AlarmKind::BlobLost]);
    assert_eq!(problems(&hub).await.len(), 2);
    // The other clinic gets the chart and the picture that is whole.
    sync(&far, &hub).await;
    assert!(name_of_patient(&far, patient).await);
    assert_eq!(
        far.store.blob(blobs[2]).await.unwrap().map(|bytes| bytes.len()),
        Some(40_000)
    );
    assert_eq!(far.store.blob(blobs[0]).await.unwrap(), None);
    // Its keeper brings the objects back: the rest follows.
    for (name, content) in there {
        objects
            .put(&Path::from(name.as_str()), PutPayload::from(content))
            .await
            .unwrap();
    }
    sync(&far, &hub).await;
    for blob in &blobs {
        assert_eq!(
            far.store.blob(*blob).await.unwrap(),
            end.store.blob(*blob).await.unwrap()
        );
    }
    assert_eq!(problems(&hub).await, Vec::<String>::new());
}

async fn name_of_patient(end: &End, patient: DocId) -> bool {
    name_of(end, patient).await.is_some()
}

async fn boxes_keep_what_finds_no_room_and_lose_nothing(on: Engine) {
    let (mut hub, end, _, blobs) = with_pictures(on, &[20_000, 21_000, 22_000, 23_000]).await;
    // Room for two, and nobody moves them: the store of the blobs does not answer.
    let mut there = hub.place.outside.take().unwrap();
    there.blobs = there.blobs.with_room(30_000);
    hub.place.outside = Some(there);
    let hub = hub.restart(Side::Hub);
    unmoved(&end, &hub).await;
    let held = async |hub: &End| {
        let mut held = 0;
        for blob in &blobs {
            held += u64::from(hub.store.has_blob(*blob).await.unwrap());
        }
        held
    };
    assert_eq!(held(&hub).await, 2);
    assert_eq!(
        end.store.link_status().await.unwrap().pending,
        2,
        "the box keeps the others"
    );
    assert!(pictures(&hub).await.is_empty());
    // It answers again.
    assert_eq!(hub.store.move_blobs().await.unwrap().moved, 2);
    for _ in 0..8 {
        sync(&end, &hub).await;
    }
    assert_eq!(held(&hub).await, 4);
    assert_eq!(end.store.link_status().await.unwrap().pending, 0);
    assert_eq!(pictures(&hub).await.len(), 4);
}

/// An exchange in which nothing is moved.
async fn unmoved(end: &End, hub: &End) {
    let (mut at_box, mut at_hub) = connect(&end.store, &hub.store).await;
    for _ in 0..100_000 {
        while let Some(ask) = at_box.poll_ask(NOW) {
            at_box
                .handle_answer(end.store.answer_as_box(ask).await.unwrap(), NOW)
                .unwrap();
        }
        while let Some(ask) = at_hub.poll_ask(NOW) {
            let answer = hub.store.answer_as_hub(end.store.device(), ask).await.unwrap();
            at_hub.handle_answer(answer, NOW).unwrap();
        }
        if at_box.is_settled() {
            return;
        }
        while let Some(bytes) = at_box.poll_transmit(NOW) {
            at_hub.handle_bytes(&bytes, NOW).unwrap();
        }
        while let Some(bytes) = at_hub.poll_transmit(NOW) {
            at_box.handle_bytes(&bytes, NOW).unwrap();
        }
    }
    panic!("the exchange does not end");
}

async fn what_went_while_it_was_moved_leaves_no_object(on: Engine) {
    let (hub, end, patient, blobs) = with_pictures(on, &[20_000]).await;
    unmoved(&end, &hub).await;
    // A node that died after it had written the object, and before it said so.
    let ticket = hub
        .store
        .read(move |sql| {
            let find = "SELECT ticket FROM objects WHERE moved = 0";
            Ok::<[u8; 8], StoreError>(sql.query_row(find, [], |row| row.get(0))?)
        })
        .await
        .unwrap();
    let name = blobs[0].to_string();
    let object = Path::from(format!("{}/{name}/{}", &name[..2], hex::encode(ticket)));
    let late = PutPayload::from(hub.store.blob(blobs[0]).await.unwrap().unwrap());
    assert!(hub.store.purge(&code("0017"), &[patient]).await.unwrap());
    hub.store.move_blobs().await.unwrap();
    assert!(pictures(&hub).await.is_empty());
    // Its write comes through only now; nobody tells of it, it is looked for again.
    outside(&hub).objects.put(&object, late).await.unwrap();
    hub.store.move_blobs().await.unwrap();
    hub.clock.0.fetch_add(11 * 60 * 1000, Ordering::SeqCst);
    assert_eq!(hub.store.move_blobs().await.unwrap().removed, 1);
    assert!(pictures(&hub).await.is_empty());
    let left = "SELECT (SELECT count(*) FROM objects) + (SELECT count(*) FROM objects_gone)";
    let left = hub
        .store
        .read(move |sql| Ok::<i64, StoreError>(sql.query_row(left, [], |row| row.get(0))?));
    assert_eq!(left.await.unwrap(), 0);
}

async fn what_comes_back_after_it_went_is_not_taken_away_with_it(on: Engine) {
    let hub = hub(on).await;
    let content = vec![9; 5_000];
    let blob = hub.store.put_blob(content.clone()).await.unwrap();
    hub.store.move_blobs().await.unwrap();
    let first = pictures(&hub).await;
    hub.store
        .write(move |tx| crate::objects::remove(tx, blob))
        .await
        .unwrap();
    hub.store.put_blob(content.clone()).await.unwrap();
    // Old and new are both there before the old one is taken away.
    hub.store.move_blobs().await.unwrap();
    hub.store.move_blobs().await.unwrap();
    hub.clock.0.fetch_add(11 * 60 * 1000, Ordering::SeqCst);
    hub.store.move_blobs().await.unwrap();
    let second = pictures(&hub).await;
    assert_eq!((first.len(), second.len()), (1, 1));
    assert_ne!(first[0].0, second[0].0, "an object is never written over");
    assert_eq!(hub.store.blob(blob).await.unwrap(), Some(content));
}

async fn another_hubs_blobs_are_not_touched(on: Engine) {
    let hub = hub(on).await;
    hub.store.put_blob(vec![9; 5_000]).await.unwrap();
    let objects = Arc::clone(&outside(&hub).objects);
    let owner = Path::from("hub");
    objects
        .put(&owner, PutPayload::from("0011223344556677".to_owned()))
        .await
        .unwrap();
    let met = hub.store.meet_objects().await;
    assert!(matches!(met, Err(ObjectsFault::OtherHub(_))), "{met:?}");
    let moved = hub.store.move_blobs().await;
    assert!(matches!(moved, Err(StoreError::NotOurObjects)), "{moved:?}");
    assert!(pictures(&hub).await.is_empty());
    // A disk that is not mounted is an empty folder, and nobody's.
    objects
        .put(&owner, PutPayload::from(hub.store.device().to_string()))
        .await
        .unwrap();
    hub.store.move_blobs().await.unwrap();
    objects.delete(&owner).await.unwrap();
    let met = hub.store.meet_objects().await;
    assert!(matches!(met, Err(ObjectsFault::Empty(_, 1))), "{met:?}");
}

#[tokio::test]
async fn a_bucket_that_cannot_be_reached_stops_nothing_and_is_told() {
    let (hub, end, patient, blobs) = with_pictures(Engine::Bucket, &[20_000, 30_000, 40_000]).await;
    let bucket = outside(&hub).bucket.clone().unwrap();
    // In the middle of the second object.
    bucket.cut_after(35_000);
    unmoved(&end, &hub).await;
    let failed = hub.store.move_blobs().await;
    assert!(matches!(failed, Err(StoreError::Objects(_))), "{failed:?}");
    assert_eq!(alarms(&hub).await, [AlarmKind::BlobStore]);
    assert_eq!(
        end.store.link_status().await.unwrap().pending,
        0,
        "all are in the database"
    );
    assert!(
        !hub.store.meet_objects().await.unwrap(),
        "a node begins all the same"
    );
    let whole = end.store.blob(blobs[2]).await.unwrap();
    let mut read = 0;
    for blob in &blobs {
        match hub.store.blob(*blob).await {
            Ok(Some(content)) => {
                assert_eq!(Some(content), end.store.blob(*blob).await.unwrap());
                read += 1;
            }
            Err(StoreError::Objects(_)) => {}
            other => panic!("{other:?}"),
        }
    }
    assert!(read >= 2, "what waits is read from the database");
    // A box that wants one meanwhile gets everything else and does not wait for it.
    let far = boxed(&hub, 902, "0017").await;
    unmoved(&far, &hub).await;
    let got = far.store.chart_tree(patient.patient().unwrap()).await.unwrap();
    assert!(got.is_some());
    bucket.mend();
    hub.store.move_blobs().await.unwrap();
    unmoved(&far, &hub).await;
    for blob in &blobs {
        assert_eq!(
            far.store.blob(*blob).await.unwrap(),
            end.store.blob(*blob).await.unwrap()
        );
    }
    assert_eq!(alarms(&hub).await, []);
    assert_eq!(bytes_inside(&hub).await, 0);
    assert_eq!(hub.store.blob(blobs[2]).await.unwrap(), whole);
    assert_eq!(problems(&hub).await, Vec::<String>::new());
}

#[tokio::test]
async fn two_nodes_move_the_same_blobs_at_the_same_time_and_each_is_there_once() {
    let (mut first, end, _, blobs) = with_pictures(Engine::Bucket, &[20_000, 30_000, 40_000, 50_000]).await;
    unmoved(&end, &first).await;
    let folder = tempfile::tempdir().unwrap();
    let key = |folder: &TempDir| folder.path().join("device.key");
    std::fs::copy(key(&first.folder), key(&folder)).unwrap();
    let clock = Arc::clone(&first.clock);
    let second = End::begin(folder, clock, Side::Hub, 950, first.place.clone());
    let (one, two) = tokio::join!(first.store.move_blobs(), second.store.move_blobs());
    assert_eq!(one.unwrap().moved + two.unwrap().moved, 4);
    assert_eq!(pictures(&first).await.len(), 4);
    first = first.restart(Side::Hub);
    for node in [&first, &second] {
        for blob in &blobs {
            assert_eq!(
                node.store.blob(*blob).await.unwrap(),
                end.store.blob(*blob).await.unwrap()
            );
        }
    }
}

#[tokio::test]
async fn a_backup_says_which_blobs_it_does_not_hold_and_a_restore_finds_them() {
    let (hub, end, _, blobs) = with_pictures(Engine::Folder, &[20_000, 30_000]).await;
    sync(&end, &hub).await;
    let medium = tempfile::tempdir().unwrap();
    let key = crate::OpeningKey::from_secret(&[3; 32]).unwrap();
    let path = medium.path().join("hub.backup");
    let made = hub
        .store
        .backup(&path, vec![key.public()], Box::new(|_, _| {}))
        .await
        .unwrap();
    assert_eq!((made.blobs, made.blobs_outside), (2, 2));
    let safe = hub.store.feed_extent().await.unwrap();
    assert_ne!(safe, crate::FeedExtent::default());
    let into = tempfile::tempdir().unwrap();
    let options = OpenOptions::new(Side::Hub, hub.clock.clone(), random(77));
    let restored = crate::restore(
        &path,
        &into.path().join("hub"),
        vec![key],
        options,
        Box::new(|_, _| {}),
    )
    .await
    .unwrap();
    assert_eq!((restored.blobs, restored.blobs_outside), (2, 2));
    let mut options = OpenOptions::new(Side::Hub, hub.clock.clone(), random(78));
    let there = outside(&hub).clone();
    options.blobs = Some(there.blobs.clone());
    drop(hub);
    let again = Store::open(&into.path().join("hub"), options).unwrap();
    assert!(again.meet_objects().await.unwrap());
    for blob in blobs {
        assert_eq!(
            again.blob(blob).await.unwrap(),
            end.store.blob(blob).await.unwrap()
        );
    }
}

with_blobs_outside! {
    what_was_in_the_database_before_is_moved_and_read_as_before,
    a_damaged_and_a_missing_object_are_faults_and_nothing_else_stops,
    boxes_keep_what_finds_no_room_and_lose_nothing,
    what_went_while_it_was_moved_leaves_no_object,
    what_comes_back_after_it_went_is_not_taken_away_with_it,
    another_hubs_blobs_are_not_touched,
}

//! Files of the stick: to their receiver only, whole or not at all, in any order with the network.

use std::fs;
use std::path::{Path, PathBuf};

use super::*;
use crate::{Mode, ParcelError, SealFault, StickError};

/// The box's file on a stick.
async fn carried(end: &End, stick: &Path) -> PathBuf {
    let path = stick.join("up");
    end.store.stick_to_hub(&path, "test").await.unwrap();
    path
}

/// Brings the hub's answer back.
async fn answered(hub: &End, end: &End, stick: &Path) -> u64 {
    let path = stick.join("down");
    hub.store.stick_to_box(end.store.device(), &path).await.unwrap();
    end.store.stick_from_hub(&path).await.unwrap().changes
}

async fn a_stick_carries_there_and_back_and_twice_is_once(on: Engine) {
    let (hub, stick) = (hub(on).await, tempfile::tempdir().unwrap());
    let end = boxed(&hub, 500, "0017").await;
    let patient = chart(&end, "0017", "示例甲").await;
    let blob = attach(&end, patient, 60_000).await;
    assert!(matches!(
        hub.store
            .stick_to_box(end.store.device(), &stick.path().join("down"))
            .await,
        Err(StickError::NobodyWaits)
    ));
    let up = carried(&end, stick.path()).await;
    let bytes = fs::read(&up).unwrap();
    for shown in ["示例甲", "person", "0017", "chart"] {
        let found = bytes.windows(shown.len()).any(|part| part == shown.as_bytes());
        assert!(!found, "a lost stick shows {shown}");
    }
    let taken = hub.store.stick_from_box(&up).await.unwrap();
    assert_eq!((taken.device, taken.clinic), (end.store.device(), code("0017")));
    assert_eq!((taken.counts.changes, taken.counts.blobs), (2, 1));
    assert_eq!(hub.store.stick_from_box(&up).await.unwrap().counts.changes, 0);
    assert_eq!(hub.store.stick_waiting().await.unwrap(), [end.store.device()]);
    edit(&hub, patient, vec![Edit::put(&["person", "phone"], "1")]).await;
    assert_eq!(answered(&hub, &end, stick.path()).await, 1);
    assert_eq!(answered(&hub, &end, stick.path()).await, 0);
    assert_eq!(end.store.link_status().await.unwrap().pending, 0);
    assert!(hub.store.blob(blob).await.unwrap().is_some());
    equal(&end, &hub, "0017").await;
    // The network goes on where the stick stopped, and a late stick does no harm.
    assert_eq!(sync(&end, &hub).await.changes_received, 0);
    hub.store.stick_from_box(&up).await.unwrap();
    answered(&hub, &end, stick.path()).await;
    same(&end, &hub, "0017").await;
    assert!(hub.store.alarms().await.unwrap().is_empty());
}

async fn a_stick_fills_a_box_that_has_just_joined(on: Engine) {
    let (hub, stick) = (hub(on).await, tempfile::tempdir().unwrap());
    let end = boxed(&hub, 510, "0017").await;
    let patient = chart(&end, "0017", "示例甲").await;
    attach(&end, patient, 40_000).await;
    sync(&end, &hub).await;
    let new = boxed(&hub, 511, "0017").await;
    let up = carried(&new, stick.path()).await;
    assert_eq!(hub.store.stick_from_box(&up).await.unwrap().counts.changes, 0);
    assert_eq!(answered(&hub, &new, stick.path()).await, 2);
    same(&new, &hub, "0017").await;
}

async fn a_box_that_serves_can_be_written_to_the_stick(on: Engine) {
    let (hub, stick) = (hub(on).await, tempfile::tempdir().unwrap());
    let end = boxed(&hub, 520, "0017").await;
    chart(&end, "0017", "示例甲").await;
    let mut options = OpenOptions::new(Side::Box, end.clock.clone(), random(521));
    options.mode = Mode::Beside;
    let beside = Store::open(end.folder.path(), options).unwrap();
    let up = stick.path().join("up");
    beside.stick_to_hub(&up, "test").await.unwrap();
    assert_eq!(hub.store.stick_from_box(&up).await.unwrap().counts.changes, 1);
    answered(&hub, &end, stick.path()).await;
    same(&end, &hub, "0017").await;
}

async fn what_is_not_whole_or_not_for_here_is_refused_and_nothing_is_taken(on: Engine) {
    let (hub, stick) = (hub(on).await, tempfile::tempdir().unwrap());
    let end = boxed(&hub, 530, "0017").await;
    let neighbour = boxed(&hub, 531, "0018").await;
    chart(&end, "0017", "示例甲").await;
    let up = carried(&end, stick.path()).await;
    let other_county = End::hub(2, on);
    other_county.store.set_county([8; 32]).await.unwrap();
    assert!(matches!(
        other_county.store.stick_from_box(&up).await,
        Err(StickError::Seal(SealFault::OtherKey))
    ));
    let whole = fs::read(&up).unwrap();
    let (changed, step) = (stick.path().join("changed"), whole.len() / 20);
    for at in (0..whole.len()).step_by(step) {
        let mut bytes = whole.clone();
        bytes[at] ^= 1;
        fs::write(&changed, &bytes).unwrap();
        assert!(hub.store.stick_from_box(&changed).await.is_err(), "byte {at}");
        fs::write(&changed, &whole[..at]).unwrap();
        assert!(hub.store.stick_from_box(&changed).await.is_err(), "cut at {at}");
    }
    assert!(
        hub.store.stick_waiting().await.unwrap().is_empty(),
        "nothing was taken"
    );
    assert_eq!(hub.store.storage().await.unwrap().changes, 0);
    hub.store.stick_from_box(&up).await.unwrap();
    // The answer to one box is none to another, nor to the hub itself.
    let down = stick.path().join("down");
    hub.store.stick_to_box(end.store.device(), &down).await.unwrap();
    assert!(matches!(
        neighbour.store.stick_from_hub(&down).await,
        Err(StickError::Seal(SealFault::OtherKey))
    ));
    assert!(hub.store.stick_from_box(&down).await.is_err());
    assert!(matches!(
        End::new_box(540).store.stick_to_hub(&changed, "test").await,
        Err(StickError::Parcel(ParcelError::NotJoined))
    ));
}

async fn a_revoked_box_brings_nothing_more(on: Engine) {
    let (hub, stick) = (hub(on).await, tempfile::tempdir().unwrap());
    let end = boxed(&hub, 550, "0017").await;
    chart(&end, "0017", "示例甲").await;
    let up = carried(&end, stick.path()).await;
    hub.store.revoke_device(end.store.device()).await.unwrap();
    assert!(matches!(
        hub.store.stick_from_box(&up).await,
        Err(StickError::Parcel(ParcelError::Revoked))
    ));
}

on_both_engines! {
    a_stick_carries_there_and_back_and_twice_is_once,
    a_stick_fills_a_box_that_has_just_joined,
    a_box_that_serves_can_be_written_to_the_stick,
    what_is_not_whole_or_not_for_here_is_refused_and_nothing_is_taken,
    a_revoked_box_brings_nothing_more,
}

with_blobs_in_a_folder! {
    a_stick_carries_there_and_back_and_twice_is_once,
    a_stick_fills_a_box_that_has_just_joined,
}

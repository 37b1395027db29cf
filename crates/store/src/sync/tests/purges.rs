//! Records that go: for ever, or from one clinic.

use records::ids::{ObservationId, TrayId};

use super::*;
use crate::LocalEffect;

const NAME: &str = "示例要删除的人";
const COMPLAINT: &str = "一句任何地方都不该剩下的话";

/// Whether any file of the folder or row of the database holds these bytes.
async fn is_anywhere(end: &End, needle: &[u8]) -> bool {
    let mut outside = Vec::new();
    if let Some(there) = &end.place.outside {
        end.store.move_blobs().await.unwrap();
        outside = there.all().await;
    }
    is_below(end.folder.path(), needle)
        || outside.iter().any(|(_, bytes)| is_in(bytes, needle))
        || end
            .place
            .database
            .as_ref()
            .is_some_and(|database| database.holds(needle))
}

fn is_in(bytes: &[u8], needle: &[u8]) -> bool {
    bytes.windows(needle.len()).any(|window| window == needle)
}

fn is_below(folder: &std::path::Path, needle: &[u8]) -> bool {
    std::fs::read_dir(folder).unwrap().any(|entry| {
        let path = entry.unwrap().path();
        if path.is_dir() {
            return is_below(&path, needle);
        }
        let bytes = std::fs::read(path).unwrap_or_default();
        is_in(&bytes, needle)
    })
}

/// Content that no compression shortens, so that it can be looked for.
fn content() -> Vec<u8> {
    let mut bytes = vec![0; 40_000];
    random(77)(&mut bytes);
    bytes
}

async fn a_purge_leaves_no_byte_behind_and_never_comes_back(on: Engine) {
    let hub = hub(on).await;
    let (near, away) = (boxed(&hub, 500, "0017").await, boxed(&hub, 501, "0017").await);
    let keep = chart(&near, "0017", "示例留").await;
    let patient = chart(&near, "0017", NAME).await;
    let visited = visit(&near, "0017", patient, COMPLAINT).await;
    edit(&near, visited, vec![Edit::put(&["note", "advice"], COMPLAINT)]).await;
    let blob = {
        let commit = Commit {
            blobs: vec![content()],
            ..commit(vec![Write {
                target: Target::Existing(visited),
                base: None,
                edits: vec![Edit::put(&["ext", "attached"], 1)],
            }])
        };
        near.store.commit(commit).await.unwrap();
        sync_core::blobs::blob_id(&content())
    };
    let form = records::ids::FormId([6; 16]);
    let page = format!("/visits/{visited}");
    let draft = serde_json::json!({ "complaint": COMPLAINT });
    near.store
        .put_draft(form, StaffId([1; 8]), &page, &draft)
        .await
        .unwrap();
    // A reading that waited in the tray under that name, and is attached to the visit now.
    let (item, told) = (TrayId([9; 16]), serde_json::json!({ "card": NAME }));
    let now = near.store.clock().now().at;
    assert!(
        near.store
            .tray_put(item, "bay", now, "no-session", &told)
            .await
            .unwrap()
    );
    let claimed = Commit {
        settle: vec![LocalEffect::ClaimTray {
            item,
            by: StaffId([1; 8]),
            write: 0,
            entry: ObservationId([3; 8]),
        }],
        ..commit(vec![Write {
            target: Target::Existing(visited),
            base: None,
            edits: vec![Edit::put(&["ext", "claimed"], 1)],
        }])
    };
    near.store.commit(claimed).await.unwrap();
    sync(&near, &hub).await;
    sync(&away, &hub).await;
    // Every way to type the name is a key of the search, too.
    let keys = records::pinyin::name_keys(NAME).keys;
    let typed = keys.iter().max_by_key(|key| key.len()).unwrap();
    assert!(is_anywhere(&near, typed.as_bytes()).await, "{typed}");
    assert!(is_anywhere(&near, NAME.as_bytes()).await && is_anywhere(&hub, NAME.as_bytes()).await);
    // One box writes on while it is away.
    edit(
        &away,
        visited,
        vec![Edit::put(&["note", "advice"], format!("{COMPLAINT}又"))],
    )
    .await;
    assert!(hub.store.purge(&code("0017"), &[patient, visited]).await.unwrap());
    for end in [&near, &away, &near] {
        sync(end, &hub).await;
    }
    for end in [&near, &away, &hub] {
        assert_eq!(name_of(end, patient).await, None);
        assert!(
            !is_anywhere(end, NAME.as_bytes()).await,
            "the name is still in a file"
        );
        assert!(
            !is_anywhere(end, typed.as_bytes()).await,
            "a key is still in a file"
        );
        assert!(
            !is_anywhere(end, COMPLAINT.as_bytes()).await,
            "the text is still in a file"
        );
        assert!(
            !is_anywhere(end, &content()[5_000..5_064]).await,
            "the blob is still in a file"
        );
        assert_eq!(end.store.blob(blob).await.unwrap(), None);
        assert!(name_of(end, keep).await.is_some());
        assert!(end.store.is_purged(patient).await.unwrap());
        assert!(end.store.search_patients("示例要", 5).await.unwrap().is_empty());
    }
    assert_eq!(near.store.draft(form).await.unwrap(), None);
    assert_eq!(near.store.tray_item(item).await.unwrap(), None);
    for end in [&near, &away] {
        assert_eq!(end.store.link_status().await.unwrap().pending, 0);
        same(end, &hub, "0017").await;
        assert_eq!(sync(end, &hub).await.round_trips, 1);
    }
}

async fn a_late_stick_does_not_bring_a_purged_record_back(on: Engine) {
    let hub = hub(on).await;
    let end = boxed(&hub, 510, "0017").await;
    let patient = chart(&end, "0017", NAME).await;
    let head = end.store.parcel_head("test").await.unwrap();
    let mut files = Vec::new();
    end.store
        .parcel_up(|entry| {
            files.push(Ok(entry));
            Ok(())
        })
        .await
        .unwrap();
    sync(&end, &hub).await;
    assert!(hub.store.purge(&code("0017"), &[patient]).await.unwrap());
    sync(&end, &hub).await;
    let taken = hub.store.take_parcel_up(&head, files).await.unwrap();
    assert_eq!(taken.counts.changes, 0);
    assert_eq!(name_of(&hub, patient).await, None);
    assert!(hub.store.alarms().await.unwrap().is_empty());
    same(&end, &hub, "0017").await;
}

async fn a_new_clinic_hears_of_purges_and_revocations(on: Engine) {
    let hub = hub(on).await;
    let end = boxed(&hub, 520, "0017").await;
    let patient = chart(&end, "0017", NAME).await;
    sync(&end, &hub).await;
    assert!(hub.store.purge(&code("0017"), &[patient]).await.unwrap());
    assert!(hub.store.add_clinic(&code("0019"), "杨树村").await.unwrap());
    let new = boxed(&hub, 521, "0019").await;
    sync(&new, &hub).await;
    assert!(new.store.is_purged(patient).await.unwrap());
}

async fn consent_that_is_withdrawn_and_given_again_loses_and_leaks_nothing(on: Engine) {
    let hub = hub(on).await;
    let (near, far) = (boxed(&hub, 530, "0017").await, boxed(&hub, 531, "0018").await);
    let patient = chart(&near, "0017", "示例甲").await;
    let visited = visit(&near, "0017", patient, "咳嗽").await;
    let blob = attach(&near, visited, 20_000).await;
    sync(&near, &hub).await;
    let (id, other) = (patient.patient().unwrap(), code("0018"));
    hub.store.join_patient(&other, id).await.unwrap();
    sync(&far, &hub).await;
    let own = visit(&far, "0018", patient, "复诊").await;
    sync(&far, &hub).await;
    sync(&near, &hub).await;
    // The far box is away; it edits what it still may, and the county withdraws the relation meanwhile.
    edit(&far, patient, vec![Edit::put(&["person", "phone"], "7")]).await;
    assert!(hub.store.leave_patient(&other, id).await.unwrap());
    edit(&near, patient, vec![Edit::put(&["address", "town"], "之后")]).await;
    sync(&near, &hub).await;
    sync(&far, &hub).await;
    sync(&far, &hub).await;
    assert_eq!(
        hub.store.chart(id).await.unwrap().unwrap().value.phone,
        "7",
        "lost"
    );
    assert_eq!(
        far.store.chart(id).await.unwrap().map(|read| read.value.name),
        None,
        "leaked"
    );
    assert_eq!(far.store.blob(blob).await.unwrap(), None);
    assert!(
        far.store
            .encounter_line(own.encounter().unwrap())
            .await
            .unwrap()
            .is_some()
    );
    assert_eq!(far.store.link_status().await.unwrap().parked, 0);
    same(&far, &hub, "0018").await;
    // Another visit of its own does not bring the records back by itself.
    visit(&far, "0018", patient, "又来").await;
    sync(&far, &hub).await;
    sync(&far, &hub).await;
    assert!(far.store.chart(id).await.unwrap().is_none());
    same(&far, &hub, "0018").await;
    // Given again, everything is back, what was written since included.
    assert!(hub.store.join_patient(&other, id).await.unwrap());
    sync(&far, &hub).await;
    sync(&near, &hub).await;
    let back = far.store.chart(id).await.unwrap().unwrap().value;
    assert_eq!((back.phone.as_str(), back.name.as_str()), ("7", "示例甲"));
    assert!(far.store.blob(blob).await.unwrap().is_some());
    sync(&near, &hub).await;
    same(&near, &hub, "0017").await;
    same(&far, &hub, "0018").await;
    assert_eq!(sync(&far, &hub).await.round_trips, 1);
}

on_both_engines! {
    a_purge_leaves_no_byte_behind_and_never_comes_back,
    a_late_stick_does_not_bring_a_purged_record_back,
    a_new_clinic_hears_of_purges_and_revocations,
    consent_that_is_withdrawn_and_given_again_loses_and_leaks_nothing,
}

with_blobs_outside! {
    a_purge_leaves_no_byte_behind_and_never_comes_back,
    a_late_stick_does_not_bring_a_purged_record_back,
    consent_that_is_withdrawn_and_given_again_loses_and_leaks_nothing,
}

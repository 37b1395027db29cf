//! Folders that go back in time.

use postgresql_for_tests::Database;

use super::*;

/// Copies the files of a folder whose store is closed.
pub(super) fn copy(from: &std::path::Path) -> TempDir {
    let to = tempfile::tempdir().unwrap();
    for entry in std::fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        if entry.file_type().unwrap().is_file() {
            std::fs::copy(entry.path(), to.path().join(entry.file_name())).unwrap();
        }
    }
    to
}

/// What was on a disk at some moment.
pub(super) struct Old {
    pub(super) folder: TempDir,
    place: Place,
}

impl Old {
    /// Another one of the same moment.
    pub(super) fn again(&self) -> Self {
        Self {
            folder: copy(self.folder.path()),
            place: Place {
                database: self.place.database.as_ref().map(Database::copied),
                outside: self.place.outside.clone(),
            },
        }
    }
}

impl End {
    /// The folder, and the database of a server, as they are now, on another disk.
    pub(super) async fn copied(self, side: Side) -> (Self, Old) {
        let Self {
            folder,
            clock,
            store,
            seed,
            place,
        } = self;
        drop(store);
        let old = Old { folder, place };
        let copy = old.again();
        let end = Self::begin(old.folder, clock, side, seed + 1, old.place);
        (end, copy)
    }

    /// Goes back to an old copy.
    pub(super) fn restored(self, old: Old, side: Side) -> Self {
        let Self {
            folder,
            clock,
            store,
            seed,
            ..
        } = self;
        drop((store, folder));
        Self::begin(old.folder, clock, side, seed + 2, old.place)
    }
}

async fn a_restored_box_gets_its_own_work_back(on: Engine) {
    let hub = hub(on).await;
    let end = boxed(&hub, 50, "0017").await;
    chart(&end, "0017", "示例己").await;
    sync(&end, &hub).await;
    let (end, old) = end.copied(Side::Box).await;
    let later = chart(&end, "0017", "示例庚").await;
    sync(&end, &hub).await;
    let end = end.restored(old, Side::Box);
    assert_eq!(name_of(&end, later).await, None);
    let newest = chart(&end, "0017", "示例辛").await;
    sync(&end, &hub).await;
    assert!(name_of(&end, later).await.is_some() && name_of(&hub, newest).await.is_some());
    same(&end, &hub, "0017").await;
    assert_eq!(sync(&end, &hub).await.round_trips, 1);
}

async fn a_restored_hub_gets_back_what_it_lost(on: Engine) {
    let hub = hub(on).await;
    let end = boxed(&hub, 60, "0017").await;
    let first = chart(&end, "0017", "示例壬").await;
    sync(&end, &hub).await;
    let (hub, old) = hub.copied(Side::Hub).await;
    let second = chart(&end, "0017", "示例癸").await;
    let blob = attach(&end, second, 40_000).await;
    sync(&end, &hub).await;
    let hub = hub.restored(old, Side::Hub);
    assert_eq!(name_of(&hub, second).await, None);
    edit(&hub, first, vec![Edit::put(&["person", "phone"], "1")]).await;
    sync(&end, &hub).await;
    assert!(name_of(&hub, second).await.is_some());
    assert_eq!(
        hub.store.blob(blob).await.unwrap().map(|content| content.len()),
        Some(40_000)
    );
    same(&end, &hub, "0017").await;
    assert_eq!(sync(&end, &hub).await.round_trips, 1);
}

on_both_engines! {
    a_restored_box_gets_its_own_work_back,
    a_restored_hub_gets_back_what_it_lost,
}

with_blobs_outside! {
    a_restored_box_gets_its_own_work_back,
    a_restored_hub_gets_back_what_it_lost,
}

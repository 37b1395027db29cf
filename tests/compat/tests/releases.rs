//! Copies of what each release left are opened, read as pages read them, and exchanged by every wire version.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking, in its helpers too")]

use std::fs;

use compat::machine::{clinic, open};
use compat::meeting::meet;
use compat::release::{FILE_BYTES_MAX, all, edit_of_first, folder_of, kept, said, unpack};
use store::{AuditFilter, ExportOf, Side, Store};
use sync_core::wire::{FrameReader, Message, VERSIONS};

fn quiet() -> store::Progress {
    Box::new(|_, _| {})
}

#[test]
fn this_release_is_kept_and_the_files_are_small() {
    let releases = all().unwrap();
    assert!(!releases.is_empty());
    let newest = kept(releases.last().unwrap()).unwrap();
    assert_eq!(newest.versions, (VERSIONS.0..=VERSIONS.1).collect::<Vec<_>>());
    for release in &releases {
        for entry in fs::read_dir(folder_of(release)).unwrap() {
            let entry = entry.unwrap();
            let size = entry.metadata().unwrap().len();
            assert!(size <= FILE_BYTES_MAX, "{:?}: {size} bytes", entry.path());
        }
    }
}

/// What the pages of a clinic ask for.
async fn look_through(store: &Store, name: &str) {
    assert_eq!(
        store.verify(None, quiet()).await.unwrap().problems,
        Vec::<String>::new()
    );
    assert_eq!(store.alarms().await.unwrap(), []);
    let found = store.search_patients(name, 5).await.unwrap();
    let patient = found.first().unwrap().id;
    let chart = store.chart(patient).await.unwrap().unwrap().value;
    assert_eq!(chart.name, name);
    let visits = store.visits_of(patient, 50).await.unwrap();
    assert!(
        visits.len() >= 2,
        "visits of the history and the one with the photo"
    );
    for visit in visits {
        assert!(store.encounter(visit.id).await.unwrap().is_some());
    }
    let audit = store.audit_lines(AuditFilter::default(), 50).await.unwrap();
    assert!(!audit.is_empty());
    let lines = store.export(ExportOf::All, Box::new(|_| true)).await.unwrap();
    assert!(lines > 20, "{lines} lines");
}

#[tokio::test]
async fn files_of_every_release_are_read_as_pages_read_them() {
    for release in all().unwrap() {
        let kept = kept(&release).unwrap();
        let folder = unpack(&release, "box").unwrap();
        let store = open(folder.path(), Side::Box, 500, 200).unwrap();
        let held = store.verify(None, quiet()).await.unwrap();
        assert_eq!(
            (held.patients, held.encounters, held.observations, held.changes),
            (kept.patients, kept.encounters, kept.observations, kept.changes)
        );
        assert_eq!(held.fingerprint.to_string(), kept.fingerprint);
        assert_eq!(store.link_status().await.unwrap().pending, kept.pending);
        look_through(&store, &kept.name).await;
        assert!(store.rebuild(quiet()).await.unwrap().is_empty());
        let photo = store.blob(kept.photo.parse().unwrap()).await.unwrap().unwrap();
        assert_eq!(sync_core::blobs::blob_id(&photo).to_string(), kept.photo);
        let folder = unpack(&release, "hub").unwrap();
        let hub = open(folder.path(), Side::Hub, 501, 200).unwrap();
        look_through(&hub, &kept.name).await;
        assert!(hub.rebuild(quiet()).await.unwrap().is_empty());
        assert!(hub.has_blob(kept.photo.parse().unwrap()).await.unwrap());
    }
}

/// A box and a hub with files of these releases exchange by each wire version that both know.
async fn exchange(box_of: &str, hub_of: &str, newest: u16) {
    let (box_folder, hub_folder) = (unpack(box_of, "box").unwrap(), unpack(hub_of, "hub").unwrap());
    let end = open(box_folder.path(), Side::Box, 600, 300).unwrap();
    let hub = open(hub_folder.path(), Side::Hub, 601, 301).unwrap();
    let sent = end.link_status().await.unwrap().pending;
    assert!(sent > 0);
    let (counts, _) = meet(&end, &hub, newest).await.unwrap();
    assert_eq!(
        (counts.changes_sent, counts.changes_received),
        (sent, 1),
        "version {newest}"
    );
    // Both go on writing, and hear of each other once more.
    edit_of_first(&end, "phone", "13900000001").await.unwrap();
    edit_of_first(&hub, "address", "示例县柳树村二组").await.unwrap();
    meet(&end, &hub, newest).await.unwrap();
    let summary = hub.clinic_summary(&clinic().unwrap()).await.unwrap().unwrap();
    let own = end.verify(None, quiet()).await.unwrap();
    assert_eq!(
        summary.fingerprint,
        own.fingerprint.to_bytes(),
        "version {newest}"
    );
    assert_eq!(end.link_status().await.unwrap().pending, 0);
    assert_eq!(
        (end.alarms().await.unwrap(), hub.alarms().await.unwrap()),
        (vec![], vec![])
    );
    let first = end.patients_page(None, 1).await.unwrap()[0].id;
    for store in [&end, &hub] {
        let tree = store.chart_tree(first).await.unwrap().unwrap().value;
        assert_eq!(tree.text(&["person", "phone"]), Some("13900000001"));
        assert_eq!(tree.text(&["person", "address"]), Some("示例县柳树村二组"));
    }
}

#[tokio::test]
async fn box_and_hub_exchange_by_every_wire_version() {
    for release in all().unwrap() {
        for newest in VERSIONS.0..=VERSIONS.1 {
            exchange(&release, &release, newest).await;
        }
    }
}

#[test]
fn what_each_release_said_is_understood_and_said_the_same_again() {
    for release in all().unwrap() {
        for version in kept(&release).unwrap().versions {
            let said = said(&release, version).unwrap();
            for of_box in [true, false] {
                let frames = said.frames(of_box).unwrap();
                assert!(frames.len() > 3, "version {version}");
                for frame in frames {
                    let mut reader = FrameReader::default();
                    reader.push(&frame.encode());
                    assert_eq!(reader.next_frame(), Ok(Some(frame)));
                }
                let messages = said.messages(of_box).unwrap();
                // Later versions speak in the compact form, which is read with what went before.
                for message in messages.iter().filter(|_| version == 1) {
                    let read = Message::decode(message).unwrap();
                    assert_eq!(Message::decode(&read.encode()).as_ref(), Ok(&read));
                }
            }
        }
    }
}

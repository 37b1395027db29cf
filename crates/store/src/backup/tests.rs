//! Backups: made beside a box that works, opened by the right key only, restored whole or not at all.

use std::fs;
use std::path::PathBuf;

use records::ids::DocKind;
use records::tree::Edit;
use tempfile::TempDir;

use super::*;
use crate::workbench::{Bench, new_doc, on, random, write};
use crate::{Mode, OpenOptions};

fn quiet() -> Progress {
    Box::new(|_, _| {})
}

fn key(seed: u8) -> OpeningKey {
    OpeningKey::from_secret(&[seed; 32]).unwrap()
}

/// A box with a chart that was edited, a setting, and a certificate beside the database.
async fn box_with_a_chart(bench: &Bench) -> (Store, records::ids::DocId) {
    let store = bench.open();
    let chart = new_doc(DocKind::Chart, vec![Edit::put(&["person", "name"], "示例甲")]);
    let doc = write(&store, chart).await.docs[0];
    write(
        &store,
        on(doc, vec![Edit::put(&["person", "phone"], "13800000000")]),
    )
    .await;
    store
        .put_setting("colour", &serde_json::json!("green"))
        .await
        .unwrap();
    fs::create_dir(bench.folder.path().join("tls")).unwrap();
    fs::write(bench.folder.path().join("tls/ca.pem"), b"certificate").unwrap();
    (store, doc)
}

async fn backed_up(store: &Store, to: &TempDir) -> PathBuf {
    let path = to.path().join("b.backup");
    let made = store.backup(&path, vec![key(1).public()], quiet()).await.unwrap();
    assert_eq!(made.fingerprint, store.fingerprint().await.unwrap());
    assert_eq!(made.bytes, path.metadata().unwrap().len());
    path
}

fn names(folder: &Path) -> Vec<String> {
    let entries = fs::read_dir(folder).unwrap();
    let mut names: Vec<_> = entries
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    names
}

fn box_options(seed: u64) -> OpenOptions {
    OpenOptions::new(
        Side::Box,
        std::sync::Arc::clone(&Bench::new().clock) as _,
        random(seed),
    )
}

#[tokio::test]
async fn a_restored_box_is_the_same_and_writes_under_a_new_session() {
    let (bench, medium) = (Bench::new(), tempfile::tempdir().unwrap());
    let (store, doc) = box_with_a_chart(&bench).await;
    // Beside the process that serves the folder, as the verb does.
    let mut beside = bench.options();
    beside.mode = Mode::Beside;
    let beside = Store::open(bench.folder.path(), beside).unwrap();
    let path = backed_up(&beside, &medium).await;
    assert!(store.last_backup().await.unwrap().is_some());
    assert!(!names(bench.folder.path()).contains(&WORK.to_owned()));
    let to = medium.path().join("new");
    let restored = restore(&path, &to, vec![key(2), key(1)], box_options(9), quiet())
        .await
        .unwrap();
    assert_eq!(restored.fingerprint, store.fingerprint().await.unwrap());
    assert_eq!((restored.changes, restored.epoch), (2, None));
    assert_eq!(names(&to), ["clinic.db", "device.key", "tls"]);
    let again = Store::open(&to, box_options(10)).unwrap();
    assert_eq!(again.device(), store.device());
    assert_ne!(again.session(), store.session());
    assert_eq!(
        again.setting("colour").await.unwrap(),
        Some(serde_json::json!("green"))
    );
    assert_eq!(fs::read(to.join("tls/ca.pem")).unwrap(), b"certificate");
    write(&again, on(doc, vec![Edit::put(&["person", "phone"], "2")])).await;
    assert!(again.verify(None, quiet()).await.unwrap().problems.is_empty());
}

#[tokio::test]
async fn damaged_cut_and_foreign_files_leave_nothing_behind() {
    let (bench, medium) = (Bench::new(), tempfile::tempdir().unwrap());
    let (store, _) = box_with_a_chart(&bench).await;
    let path = backed_up(&store, &medium).await;
    let whole = fs::read(&path).unwrap();
    let to = medium.path().join("new");
    let other = restore(&path, &to, vec![key(2)], box_options(9), quiet()).await;
    assert!(matches!(other, Err(BackupError::Seal(SealFault::OtherKey))));
    assert!(!to.exists());
    let step = whole.len() / 12;
    for at in (0..whole.len()).step_by(step) {
        let mut changed = whole.clone();
        changed[at] ^= 0x40;
        fs::write(&path, &changed).unwrap();
        assert!(
            restore(&path, &to, vec![key(1)], box_options(9), quiet())
                .await
                .is_err(),
            "byte {at}"
        );
        fs::write(&path, &whole[..at]).unwrap();
        assert!(
            restore(&path, &to, vec![key(1)], box_options(9), quiet())
                .await
                .is_err(),
            "cut at {at}"
        );
        assert!(!to.exists());
    }
    fs::write(&path, &whole[..whole.len() - 1]).unwrap();
    assert!(
        restore(&path, &to, vec![key(1)], box_options(9), quiet())
            .await
            .is_err()
    );
    let text = whole.windows(6).any(|bytes| bytes == "示例".as_bytes());
    assert!(!text, "a lost file shows no name");
}

#[tokio::test]
async fn only_an_empty_folder_is_restored_to() {
    let (bench, medium) = (Bench::new(), tempfile::tempdir().unwrap());
    let (store, _) = box_with_a_chart(&bench).await;
    let path = backed_up(&store, &medium).await;
    // Over the folder of a process that serves it, and over a log that is left of another database.
    let before = store.fingerprint().await.unwrap();
    let serving = restore(&path, bench.folder.path(), vec![key(1)], box_options(9), quiet()).await;
    assert!(matches!(serving, Err(BackupError::NotEmpty)));
    assert_eq!(store.verify(None, quiet()).await.unwrap().fingerprint, before);
    let left = tempfile::tempdir().unwrap();
    fs::write(left.path().join("clinic.db-wal"), b"old log").unwrap();
    let over = restore(&path, left.path(), vec![key(1)], box_options(9), quiet()).await;
    assert!(matches!(over, Err(BackupError::NotEmpty)));
    assert_eq!(names(left.path()), ["clinic.db-wal"]);
}

#[tokio::test]
async fn a_restore_that_was_cut_off_is_done_again_before_anything_begins_there() {
    let (bench, medium) = (Bench::new(), tempfile::tempdir().unwrap());
    let (store, _) = box_with_a_chart(&bench).await;
    let path = backed_up(&store, &medium).await;
    let to = tempfile::tempdir().unwrap();
    fs::create_dir(to.path().join("restore.work")).unwrap();
    fs::write(to.path().join("device.key"), b"half").unwrap();
    assert!(matches!(
        Store::open(to.path(), box_options(9)),
        Err(OpenError::RestoreCutOff)
    ));
    restore(&path, to.path(), vec![key(1)], box_options(9), quiet())
        .await
        .unwrap();
    assert_eq!(
        Store::open(to.path(), box_options(9)).unwrap().device(),
        store.device()
    );
}

#[tokio::test]
async fn a_backup_needs_a_key_and_replaces_a_good_one_by_a_good_one_only() {
    let (bench, medium) = (Bench::new(), tempfile::tempdir().unwrap());
    let (store, doc) = box_with_a_chart(&bench).await;
    let path = medium.path().join("b.backup");
    let none = store
        .backup(&path, store.backup_keys().await.unwrap(), quiet())
        .await;
    assert!(matches!(none, Err(BackupError::NoKey)));
    let recovery = store.new_recovery_key().await.unwrap();
    let keys = store.backup_keys().await.unwrap();
    assert_eq!(keys, [recovery.public()]);
    store.backup(&path, keys.clone(), quiet()).await.unwrap();
    let good = fs::read(&path).unwrap();
    // One body of the log no longer is what its document needs.
    let spoil = Connection::open(bench.folder.path().join(folder::DATABASE)).unwrap();
    spoil.execute("UPDATE log SET body = zeroblob(9)", []).unwrap();
    let unsound = store.backup(&path, keys, quiet()).await;
    assert!(matches!(unsound, Err(BackupError::NotWhole(_))), "{doc}");
    assert_eq!(fs::read(&path).unwrap(), good);
    assert_eq!(names(medium.path()), ["b.backup"]);
    assert!(!names(bench.folder.path()).contains(&WORK.to_owned()));
}

#[tokio::test]
async fn a_hubs_restore_begins_a_new_epoch_and_its_backup_says_what_is_safe() {
    let (bench, medium) = (Bench::new(), tempfile::tempdir().unwrap());
    let hub_options = |seed| OpenOptions {
        side: Side::Hub,
        ..box_options(seed)
    };
    let hub = Store::open(bench.folder.path(), hub_options(1)).unwrap();
    let path = medium.path().to_owned();
    let made = hub.backup(&path, vec![key(1).public()], quiet()).await.unwrap();
    let name = made.path.file_name().unwrap().to_str().unwrap();
    assert!(name.starts_with("hub-") && name.ends_with(".backup"), "{name}");
    let (as_box, to) = (medium.path().join("a"), medium.path().join("b"));
    let other = restore(&made.path, &as_box, vec![key(1)], box_options(9), quiet()).await;
    assert!(matches!(other, Err(BackupError::OtherSide)));
    let restored = restore(&made.path, &to, vec![key(1)], hub_options(9), quiet())
        .await
        .unwrap();
    assert_eq!(restored.epoch, Some(2));
    let again = Store::open(&to, hub_options(10)).unwrap();
    assert_eq!(again.begin_epoch().await.unwrap(), 3);
}

#[tokio::test]
async fn a_hub_opens_a_boxs_backup_for_whoever_restores_it() {
    let (bench, medium) = (Bench::new(), tempfile::tempdir().unwrap());
    let (store, _) = box_with_a_chart(&bench).await;
    let (path, other) = (backed_up(&store, &medium).await, medium.path().join("other"));
    assert!(reseal(&path, &other, &[key(3)], &[key(2).public()]).is_err());
    assert_eq!(names(medium.path()), ["b.backup"]);
    reseal(&path, &other, &[key(1)], &[key(2).public()]).unwrap();
    let to = medium.path().join("new");
    assert!(
        restore(&other, &to, vec![key(1)], box_options(9), quiet())
            .await
            .is_err()
    );
    restore(&other, &to, vec![key(2)], box_options(9), quiet())
        .await
        .unwrap();
}

#[test]
fn archives_that_reach_out_of_their_folder_are_refused() {
    for (name, kind) in [
        ("../out", tar::EntryType::Regular),
        ("/tmp/out", tar::EntryType::Regular),
        ("a/b/c/d", tar::EntryType::Regular),
        (".hidden", tar::EntryType::Regular),
        ("link", tar::EntryType::Symlink),
    ] {
        let into = tempfile::tempdir().unwrap();
        let sealed = seal(Vec::new(), &[key(1).public()]).unwrap();
        let mut archive = tar::Builder::new(zstd::Encoder::new(sealed, 1).unwrap());
        let manifest = Manifest {
            format: 1,
            side: "box".to_owned(),
            made_ms: 0,
            device: String::new(),
            fingerprint: String::new(),
            changes: 0,
            blobs: 0,
            blobs_outside: 0,
        };
        let told = serde_json::to_vec(&manifest).unwrap();
        let mut head = tar::Header::new_gnu();
        head.set_size(told.len() as u64);
        archive
            .append_data(&mut head, "manifest.json", told.as_slice())
            .unwrap();
        let mut head = tar::Header::new_gnu();
        head.set_entry_type(kind);
        head.set_size(0);
        head.as_gnu_mut().unwrap().name[..name.len()].copy_from_slice(name.as_bytes());
        head.set_cksum();
        archive.append(&head, &[][..]).unwrap();
        let bytes = archive.into_inner().unwrap().finish().unwrap().finish().unwrap();
        let unpacked = archive::unpack(bytes.as_slice(), &[key(1)], into.path());
        assert!(matches!(unpacked, Err(BackupError::NotABackup(_))), "{name}");
        assert!(names(into.path()).is_empty(), "{name}");
    }
}

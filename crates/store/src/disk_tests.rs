//! Little room and much traffic: the write-ahead log stays small while many read, work goes on after a disk was
//! full, and no file lies outside the data folder.

use std::fs;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use records::ids::DocKind;
use records::tree::Edit;

use crate::workbench::{Bench, commit, new_doc, write};
use crate::{BackupError, CommitError, ExportOf, OpeningKey, Store, StoreError};

/// Commits of an ordinary run; `CLINIC_COMMITS` asks for more.
const COMMITS: usize = 400;
/// Bytes that they write together: several times the limit.
const WRITTEN: usize = 150_000_000;
/// Pages that read without pause.
const PAGES: usize = 10;
/// Most bytes of the write-ahead log.
const LOG_MAX: u64 = 64 * 1024 * 1024;

fn log_size(folder: &Path) -> u64 {
    fs::metadata(folder.join("clinic.db-wal")).map_or(0, |meta| meta.len())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn readers_without_pause_do_not_let_the_log_grow() {
    let asked = std::env::var("CLINIC_COMMITS").ok();
    let commits = asked.map_or(COMMITS, |asked| asked.parse().unwrap());
    let bench = Bench::new();
    let store = bench.open();
    let chart = new_doc(DocKind::Chart, vec![Edit::put(&["person", "name"], "示例甲")]);
    let doc = write(&store, chart).await.docs[0];
    let patient = doc.patient().unwrap();
    let (stop, reads) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicU64::new(0)));
    let mut readers = Vec::new();
    for page in 0..=PAGES {
        let (store, stop, reads) = (store.clone(), Arc::clone(&stop), Arc::clone(&reads));
        readers.push(tokio::spawn(async move {
            while !stop.load(Ordering::Acquire) {
                if page == PAGES {
                    store.export(ExportOf::All, Box::new(|_| true)).await.unwrap();
                } else {
                    assert!(store.chart(patient).await.unwrap().is_some());
                }
                reads.fetch_add(1, Ordering::AcqRel);
            }
        }));
    }
    let mut highest = 0;
    for n in 0..commits {
        let mut blob = vec![0; WRITTEN / commits];
        crate::workbench::random(n as u64)(&mut blob);
        let phone = Edit::put(&["person", "phone"], format!("138{n:08}").as_str());
        let one = crate::Commit {
            blobs: vec![blob],
            ..commit(vec![new_doc(DocKind::Chart, vec![phone])])
        };
        store.commit(one).await.unwrap();
        highest = highest.max(log_size(bench.folder.path()));
    }
    stop.store(true, Ordering::Release);
    for reader in readers {
        reader.await.unwrap();
    }
    assert!(reads.load(Ordering::Acquire) > 20, "nobody read");
    assert!(highest <= LOG_MAX, "{highest} bytes of log");
}

fn quiet() -> crate::Progress {
    Box::new(|_, _| {})
}

fn key() -> OpeningKey {
    OpeningKey::from_secret(&[7; 32]).unwrap()
}

async fn save(store: &Store, bytes: usize) -> Result<(), CommitError> {
    let mut blob = vec![0; bytes];
    crate::workbench::random(bytes as u64)(&mut blob);
    let one = crate::Commit {
        blobs: vec![blob],
        ..commit(vec![new_doc(DocKind::Chart, vec![])])
    };
    store.commit(one).await.map(drop)
}

/// Sets how many pages the database may have: a disk that becomes full, and one on which somebody made room.
async fn room(store: &Store, pages: u32) {
    store
        .on_writer(move |writer| {
            writer
                .sql
                .pragma_update("max_page_count", pages)
                .map_err(StoreError::from)
        })
        .await
        .unwrap()
        .unwrap();
}

#[tokio::test]
async fn after_a_disk_was_full_every_job_works_again_without_a_restart() {
    let (bench, medium) = (Bench::new(), tempfile::tempdir().unwrap());
    let store = bench.open();
    save(&store, 200_000).await.unwrap();
    // A folder in the place of its scratch folder's parent cannot be: the backup fails half-way.
    let blocked = bench.folder.path().join("backup.work");
    fs::write(&blocked, b"no folder").unwrap();
    let path = medium.path().join("b.backup");
    let failed = store.backup(&path, vec![key().public()], quiet()).await;
    assert!(matches!(failed, Err(BackupError::File { .. })), "{failed:?}");
    room(&store, 80).await;
    for _ in 0..3 {
        assert!(matches!(save(&store, 900_000).await, Err(CommitError::DiskFull)));
        assert!(matches!(
            store.replace_derived().await,
            Ok(()) | Err(StoreError::DiskFull)
        ));
        // Reads go on.
        assert!(store.verify(None, quiet()).await.unwrap().problems.is_empty());
    }
    fs::remove_file(&blocked).unwrap();
    room(&store, 1 << 30).await;
    for n in 1..30 {
        save(&store, 900_000 + n).await.unwrap();
    }
    assert!(
        log_size(bench.folder.path()) <= 24 * 1024 * 1024,
        "checkpoints go on"
    );
    store.replace_derived().await.unwrap();
    store.backup(&path, vec![key().public()], quiet()).await.unwrap();
    assert!(path.exists());
    while store.look_for_damage().await.unwrap() == crate::Looked::More {}
    assert_eq!(store.alarms().await.unwrap(), []);
}

#[tokio::test]
async fn what_a_killed_process_left_goes_at_the_next_start() {
    let bench = Bench::new();
    drop(bench.open());
    let left = |name: &str| bench.folder.path().join(name);
    fs::create_dir(left("backup.work")).unwrap();
    fs::write(left("backup.work").join("copy.db"), "示例甲").unwrap();
    for name in ["upkeep.scratch", "rebuild.scratch"] {
        fs::write(left(name), "示例甲").unwrap();
    }
    let store = bench.open();
    let mut names: Vec<String> = fs::read_dir(bench.folder.path())
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .filter(|name| !name.starts_with("clinic.db"))
        .collect();
    names.sort();
    assert_eq!(names, ["device.key", "lock"]);
    drop(store);
}

/// Files of this process that are open and lie outside the folder or were deleted: a temporary file is deleted as
/// soon as it is open.
fn strays(folder: &Path) -> Vec<String> {
    let open = fs::read_dir("/proc/self/fd").unwrap().flatten();
    open.filter_map(|fd| fs::read_link(fd.path()).ok())
        .map(|path| path.to_string_lossy().into_owned())
        .filter(|path| path.contains("etilqs") || (path.ends_with("(deleted)") && path.contains("sqlite")))
        .filter(|path| !Path::new(path).starts_with(folder))
        .collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_temporary_file_of_the_database_lies_outside_the_data_folder() {
    let (bench, medium) = (Bench::new(), tempfile::tempdir().unwrap());
    let store = bench.open();
    for n in 0..200 {
        let named = Edit::put(&["person", "name"], format!("示例{n}").repeat(20).as_str());
        write(&store, new_doc(DocKind::Chart, vec![named])).await;
    }
    let stop = Arc::new(AtomicBool::new(false));
    let (seen, folder) = (Arc::clone(&stop), bench.folder.path().to_owned());
    let watching = std::thread::spawn(move || {
        let mut found = Vec::new();
        while !seen.load(Ordering::Acquire) {
            found.extend(strays(&folder));
        }
        found
    });
    assert!(store.rebuild(quiet()).await.unwrap().is_empty());
    store.replace_derived().await.unwrap();
    let path = medium.path().join("b.backup");
    store.backup(&path, vec![key().public()], quiet()).await.unwrap();
    stop.store(true, Ordering::Release);
    assert_eq!(watching.join().unwrap(), Vec::<String>::new());
}

//! What the tests of this crate share: a clock that is moved by hand, a folder that goes away, and edits of
//! documents that need no form.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use std::os::unix::fs::FileExt as _;
use std::path::Path;

use futures_util::TryStreamExt as _;
use object_store::{ObjectStore, ObjectStoreExt as _};
use objects_for_tests::Bucket;
use postgresql_for_tests::Database;
use records::ids::{ClinicCode, DocId, DocKind};
use records::time::{ClockSource, Stamp, WallTime};
use records::tree::Edit;
use tempfile::TempDir;

use crate::{
    AuditAct, BlobStore, By, Clock, Commit, Committed, OpenOptions, Random, Side, Store, Target, Write,
};

pub(crate) const START: i64 = 1_760_000_000_000;

/// A clock that stands still until it is moved.
pub(crate) struct HandClock(AtomicI64);

impl HandClock {
    pub(crate) fn advance(&self, by: Duration) {
        self.0
            .fetch_add(i64::try_from(by.as_millis()).unwrap(), Ordering::SeqCst);
    }
}

impl Clock for HandClock {
    fn now(&self) -> Stamp {
        Stamp {
            at: WallTime(START + self.0.load(Ordering::SeqCst)),
            source: ClockSource::Tablet,
        }
    }

    fn uptime(&self) -> Duration {
        Duration::from_millis(self.0.load(Ordering::SeqCst).unsigned_abs())
    }
}

/// Where the hub of a test keeps its records.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Engine {
    /// A file of its data folder.
    Sqlite,
    /// An empty database on a server.
    Postgresql,
    /// A file of its data folder, and blobs in another folder.
    Folder,
    /// An empty database on a server, and blobs in an empty bucket.
    Bucket,
}

impl Engine {
    pub(crate) fn place(self) -> Place {
        Place {
            database: matches!(self, Self::Postgresql | Self::Bucket).then(Database::new),
            outside: match self {
                Self::Folder => Some(Outside::folder()),
                Self::Bucket => Some(Outside::bucket()),
                Self::Sqlite | Self::Postgresql => None,
            },
        }
    }
}

/// What a hub has besides its data folder; nothing for a box.
#[derive(Clone, Default)]
pub(crate) struct Place {
    /// Its database on a server; `None` for a file in the folder.
    pub(crate) database: Option<Database>,
    /// Its blobs outside the database.
    pub(crate) outside: Option<Outside>,
}

/// Blobs outside of a database, in a folder or a bucket that goes with the last of these.
#[derive(Clone)]
pub(crate) struct Outside {
    pub(crate) blobs: BlobStore,
    /// As somebody sees them who is not the hub.
    pub(crate) objects: Arc<dyn ObjectStore>,
    pub(crate) bucket: Option<Arc<Bucket>>,
    _folder: Option<Arc<TempDir>>,
}

impl Outside {
    pub(crate) fn folder() -> Self {
        let folder = Arc::new(tempfile::tempdir().unwrap());
        let objects = objects_for_tests::in_folder(folder.path());
        Self {
            blobs: BlobStore::new(Arc::clone(&objects), "a folder"),
            objects,
            bucket: None,
            _folder: Some(folder),
        }
    }

    pub(crate) fn bucket() -> Self {
        let bucket = Arc::new(Bucket::new());
        Self {
            blobs: BlobStore::new(bucket.objects(), "a bucket"),
            objects: bucket.outside(),
            bucket: Some(bucket),
            _folder: None,
        }
    }

    /// The names and contents of what is there.
    pub(crate) async fn all(&self) -> Vec<(String, Vec<u8>)> {
        let there: Vec<_> = self.objects.list(None).try_collect().await.unwrap();
        let mut all = Vec::new();
        for object in there {
            let content = self.objects.get(&object.location).await.unwrap();
            all.push((
                object.location.to_string(),
                content.bytes().await.unwrap().to_vec(),
            ));
        }
        all
    }
}

/// Makes two tests of each of these functions, one for each engine. One that is not named is dead code, which does not
/// pass the lints.
macro_rules! on_both_engines {
    ($($name:ident),+ $(,)?) => {
        $crate::workbench::on_engines!(sqlite Sqlite, $($name),+);
        $crate::workbench::on_engines!(postgresql Postgresql, $($name),+);
    };
}
pub(crate) use on_both_engines;

/// The same where a hub has its blobs outside its database: in a folder, and in a bucket.
macro_rules! with_blobs_outside {
    ($($name:ident),+ $(,)?) => {
        $crate::workbench::on_engines!(folder Folder, $($name),+);
        $crate::workbench::on_engines!(bucket Bucket, $($name),+);
    };
}
pub(crate) use with_blobs_outside;

/// The same in a folder only: a server for each test takes seconds.
macro_rules! with_blobs_in_a_folder {
    ($($name:ident),+ $(,)?) => {
        $crate::workbench::on_engines!(folder Folder, $($name),+);
    };
}
pub(crate) use with_blobs_in_a_folder;

macro_rules! on_engines {
    ($module:ident $engine:ident, $($name:ident),+) => {
        mod $module {
            $(#[tokio::test]
            async fn $name() {
                super::$name($crate::workbench::Engine::$engine).await;
            })+
        }
    };
}
pub(crate) use on_engines;

/// Random bytes that depend on the seed only.
pub(crate) fn random(seed: u64) -> Random {
    let mut stream = blake3::Hasher::new().update(&seed.to_be_bytes()).finalize_xof();
    Box::new(move |bytes| stream.fill(bytes))
}

/// A data folder and its clock.
pub(crate) struct Bench {
    pub(crate) folder: TempDir,
    pub(crate) clock: Arc<HandClock>,
    seeds: AtomicI64,
}

impl Bench {
    pub(crate) fn new() -> Self {
        Self {
            folder: tempfile::tempdir().unwrap(),
            clock: Arc::new(HandClock(AtomicI64::new(1_000))),
            seeds: AtomicI64::new(1),
        }
    }

    pub(crate) fn options(&self) -> OpenOptions {
        let seed = self.seeds.fetch_add(1, Ordering::SeqCst).unsigned_abs();
        let mut options = OpenOptions::new(Side::Box, self.clock.clone(), random(seed));
        options.password_cost_kib = Some(64);
        options
    }

    pub(crate) fn open(&self) -> Store {
        Store::open(self.folder.path(), self.options()).unwrap()
    }
}

pub(crate) fn clinic() -> ClinicCode {
    "0017".parse().unwrap()
}

/// A commit by the program.
pub(crate) fn commit(writes: Vec<Write>) -> Commit {
    Commit::new(By::System, AuditAct::ChartChange, writes)
}

pub(crate) fn new_doc(kind: DocKind, edits: Vec<Edit>) -> Write {
    Write::new(
        Target::New {
            kind,
            owner: clinic(),
        },
        edits,
    )
}

pub(crate) fn on(doc: DocId, edits: Vec<Edit>) -> Write {
    Write::new(Target::Existing(doc), edits)
}

pub(crate) async fn write(store: &Store, write: Write) -> Committed {
    store.commit(commit(vec![write])).await.unwrap()
}

/// Bytes of a page of the database.
pub(crate) const PAGE: usize = 4096;

/// The first page of a table or index.
pub(crate) fn root_page(path: &Path, name: &str) -> usize {
    let sql = crate::sql::Connection::open(path).unwrap();
    let find = "SELECT rootpage FROM sqlite_schema WHERE name = ?1";
    sql.query_row(find, [name], |row| row.get::<_, u32>(0)).unwrap() as usize
}

/// The pages that hold the rows of a table, in their order; see "B-tree Pages" in SQLite's file format.
pub(crate) fn leaf_pages(path: &Path, name: &str) -> Vec<usize> {
    let root = root_page(path, name);
    let bytes = std::fs::read(path).unwrap();
    let mut leaves = Vec::new();
    collect_leaves(&bytes, root, &mut leaves);
    leaves
}

fn collect_leaves(bytes: &[u8], page: usize, leaves: &mut Vec<usize>) {
    const INTERIOR_TABLE: u8 = 5;
    let content = &bytes[(page - 1) * PAGE..page * PAGE];
    let number = |at: usize, width: usize| {
        content[at..at + width]
            .iter()
            .fold(0, |sum, byte| sum << 8 | usize::from(*byte))
    };
    if content[0] != INTERIOR_TABLE {
        leaves.push(page);
        return;
    }
    for cell in 0..number(3, 2) {
        collect_leaves(bytes, number(number(12 + 2 * cell, 2), 4), leaves);
    }
    collect_leaves(bytes, number(8, 4), leaves);
}

/// Overwrites a page of the file with one byte, also while the database is open.
pub(crate) fn tear_page(path: &Path, page: usize) {
    let file = std::fs::File::options().write(true).open(path).unwrap();
    file.write_all_at(&[0x5a; PAGE], ((page - 1) * PAGE) as u64)
        .unwrap();
}

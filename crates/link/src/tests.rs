//! Real sockets, real stores: boxes that join, work without the hub, and meet it again.

mod cuts;
mod garbage;
mod gathering;
mod joining;
mod portals;
mod shares;
mod tariff;

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::time::Duration;

use records::ids::{BlobId, ClinicCode, DocId, DocKind};
use records::time::{ClockSource, Stamp, WallTime};
use records::tree::{Edit, Scalar};
use store::{AuditAct, By, Clock, Commit, LinkStatus, OpenOptions, Side, Store, Target, Write};
use tempfile::TempDir;
use tokio::net::TcpListener;
use tokio::time::timeout;

use crate::cable::Cable;
use crate::client::{Client, ClientOptions};
use crate::enrol::join;
use crate::hub_ca::HubCa;
use crate::server::Server;
use crate::token::new_token;

/// Nothing in these tests takes this long; it only ends a test that hangs.
const PATIENCE: Duration = Duration::from_secs(60);

/// A clock that stands still.
struct StillClock(AtomicI64);

impl Clock for StillClock {
    fn now(&self) -> Stamp {
        Stamp {
            at: WallTime(self.0.load(Ordering::SeqCst)),
            source: ClockSource::Tablet,
        }
    }

    fn uptime(&self) -> Duration {
        Duration::from_secs(60)
    }
}

static SEEDS: AtomicU64 = AtomicU64::new(1);

/// A store in a folder of its own.
struct Machine {
    folder: TempDir,
    side: Side,
    clock: Arc<StillClock>,
    store: Store,
}

impl Machine {
    fn new(side: Side) -> Self {
        Self::at(side, 1_790_000_000_000)
    }

    fn at(side: Side, now_ms: i64) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let clock = Arc::new(StillClock(AtomicI64::new(now_ms)));
        let store = Self::open(&folder, side, &clock);
        Self {
            folder,
            side,
            clock,
            store,
        }
    }

    fn open(folder: &TempDir, side: Side, clock: &Arc<StillClock>) -> Store {
        let mut state = SEEDS
            .fetch_add(1, Ordering::SeqCst)
            .wrapping_mul(0x9e37_79b9_7f4a_7c15)
            | 1;
        let random = Box::new(move |bytes: &mut [u8]| {
            for byte in bytes {
                state ^= state << 13;
                state ^= state >> 7;
                state ^= state << 17;
                *byte = state.to_be_bytes()[3];
            }
        });
        Store::open(folder.path(), OpenOptions::new(side, clock.clone(), random)).unwrap()
    }

    /// The same box a second time, from a copy of its card.
    fn copy(&self) -> Self {
        let folder = tempfile::tempdir().unwrap();
        for entry in std::fs::read_dir(self.folder.path()).unwrap() {
            let entry = entry.unwrap();
            if entry.file_type().unwrap().is_file() {
                std::fs::copy(entry.path(), folder.path().join(entry.file_name())).unwrap();
            }
        }
        let clock = Arc::clone(&self.clock);
        let store = Self::open(&folder, self.side, &clock);
        Self {
            folder,
            side: self.side,
            clock,
            store,
        }
    }

    /// Another run of the program on the same folder.
    fn restart(self) -> Self {
        let Self {
            folder,
            side,
            clock,
            store,
        } = self;
        drop(store);
        let store = Self::open(&folder, side, &clock);
        Self {
            folder,
            side,
            clock,
            store,
        }
    }
}

/// A hub with its listener.
struct Hub {
    machine: Machine,
    ca: Arc<HubCa>,
    server: Server,
    cable: Cable,
}

impl Hub {
    async fn new() -> Self {
        let machine = Machine::new(Side::Hub);
        for clinic in ["0017", "0018"] {
            machine
                .store
                .add_clinic(&code(clinic), "示例村卫生室")
                .await
                .unwrap();
        }
        Self::serve(machine, "127.0.0.1:0").await
    }

    async fn serve(machine: Machine, at: &str) -> Self {
        let ca = Arc::new(HubCa::open(machine.folder.path(), machine.clock.now().at).unwrap());
        let listener = TcpListener::bind(at).await.unwrap();
        let cable = Cable::default();
        let server = Server::start(machine.store.clone(), listener, Arc::clone(&ca), cable.clone())
            .await
            .unwrap();
        Self {
            machine,
            ca,
            server,
            cable,
        }
    }

    async fn restart(self) -> Self {
        let at = self.server.local_addr().to_string();
        self.server.stop().await;
        drop(self.ca);
        Self::serve(self.machine.restart(), &at).await
    }

    /// A hub of the same county and key whose folder is new otherwise, as after a restore from before everything.
    async fn emptied(self) -> Self {
        let fresh = Machine::new(Side::Hub);
        for file in ["county.pem", "county.key.pem", "device.key"] {
            let from = self.machine.folder.path().join(file);
            if from.exists() {
                std::fs::copy(from, fresh.folder.path().join(file)).unwrap();
            }
        }
        self.server.stop().await;
        Self::serve(fresh.restart(), "127.0.0.1:0").await
    }

    fn url(&self) -> String {
        format!("https://{}", self.server.local_addr())
    }

    async fn token(&self, clinic: &str) -> String {
        new_token(&self.machine.store, self.ca.county(), &code(clinic))
            .await
            .unwrap()
    }

    async fn take_in(&self, machine: &Machine, clinic: &str) {
        let token = self.token(clinic).await;
        join(
            &machine.store,
            &self.url(),
            &token,
            None,
            "box",
            &Cable::default(),
        )
        .await
        .unwrap();
    }
}

async fn joined(hub: &Hub, clinic: &str) -> Machine {
    let machine = Machine::new(Side::Box);
    hub.take_in(&machine, clinic).await;
    machine
}

fn code(text: &str) -> ClinicCode {
    text.parse().unwrap()
}

fn options() -> ClientOptions {
    ClientOptions {
        gather: Duration::ZERO,
        ..ClientOptions::new("test")
    }
}

async fn commit(store: &Store, target: Target, edits: Vec<Edit>, blobs: Vec<Vec<u8>>) -> DocId {
    let commit = Commit {
        blobs,
        ..Commit::new(By::System, AuditAct::ChartChange, vec![Write::new(target, edits)])
    };
    store.commit(commit).await.unwrap().docs[0]
}

async fn chart(store: &Store, owner: &str, name: &str) -> DocId {
    let target = Target::New {
        kind: DocKind::Chart,
        owner: code(owner),
    };
    commit(store, target, vec![Edit::put(&["person", "name"], name)], vec![]).await
}

async fn visit(store: &Store, owner: &str, chart: DocId, complaint: &str) -> DocId {
    let target = Target::New {
        kind: DocKind::Encounter,
        owner: code(owner),
    };
    let edits = vec![
        Edit::put(&["visit", "patient"], Scalar::Bytes(chart.0.to_vec())),
        Edit::put(&["note", "complaint"], complaint),
    ];
    commit(store, target, edits, vec![]).await
}

async fn edit(store: &Store, doc: DocId, path: &[&str], value: &str) {
    commit(store, Target::Existing(doc), vec![Edit::put(path, value)], vec![]).await;
}

async fn attach(store: &Store, doc: DocId, length: usize) -> BlobId {
    let content: Vec<u8> = (0..length)
        .map(|n| n.to_le_bytes()[0] ^ n.to_le_bytes()[1])
        .collect();
    let id = sync_core::blobs::blob_id(&content);
    let edits = vec![Edit::put(&["ext", "attached"], length as i64)];
    commit(store, Target::Existing(doc), edits, vec![content]).await;
    id
}

async fn name_of(store: &Store, chart: DocId) -> Option<String> {
    let read = store.chart_tree(chart.patient().unwrap()).await.unwrap()?;
    read.value.text(&["person", "name"]).map(str::to_owned)
}

/// Waits until the condition holds, looking again whenever the store tells of anything.
async fn until(store: &Store, what: &str, holds: impl AsyncFn() -> bool) {
    let mut events = store.changes();
    let waiting = async {
        while !holds().await {
            // An event that was missed is one more reason to look.
            let _ = timeout(Duration::from_millis(200), events.recv()).await;
        }
    };
    assert!(timeout(PATIENCE, waiting).await.is_ok(), "never: {what}");
}

async fn status(machine: &Machine) -> LinkStatus {
    machine.store.link_status().await.unwrap()
}

/// Box and hub hold the same for this clinic.
async fn same(machine: &Machine, hub: &Hub, clinic: &str) {
    let summary = hub
        .machine
        .store
        .clinic_summary(&code(clinic))
        .await
        .unwrap()
        .unwrap();
    let own = machine.store.verify(None, Box::new(|_, _| {})).await.unwrap();
    assert_eq!(own.problems, Vec::<String>::new());
    assert_eq!(summary.fingerprint, own.fingerprint.to_bytes());
    assert_eq!(
        (summary.patients, summary.encounters),
        (own.patients, count_visits(&own))
    );
}

fn count_visits(own: &store::Verify) -> u64 {
    own.encounters
}

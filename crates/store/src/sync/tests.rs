//! Box and hub stores that exchange over bytes in memory: what one writes the other holds, and only what it
//! should.

use std::sync::Arc;
use std::time::Duration;

use records::ids::{ClinicCode, DocId, DocKind, StaffId};
use records::staff::{Role, StaffMember, StaffState};
use records::tree::Edit;
use sync_core::exchange::{Counts, Credentials, Exchange, ExchangeFault};
use sync_core::identity::DevicePublicKey;
use sync_core::wire::{Bye, EnrolRefusal, EnrolRequest};
use tempfile::TempDir;

use super::Enrolment;
use crate::workbench::{HandClock, commit, random};
use crate::{Commit, Lane, OpenOptions, Side, Store, Target, Write};

const COUNTY: [u8; 32] = [7; 32];
const NOW: Duration = Duration::from_secs(5);

struct End {
    folder: TempDir,
    clock: Arc<HandClock>,
    store: Store,
    seed: u64,
}

impl End {
    fn new(side: Side, seed: u64) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let clock = Arc::new(HandClock::new());
        let store = Self::open(&folder, &clock, side, seed);
        Self { folder, clock, store, seed }
    }

    fn open(folder: &TempDir, clock: &Arc<HandClock>, side: Side, seed: u64) -> Store {
        Store::open(folder.path(), OpenOptions::new(side, clock.clone(), random(seed))).unwrap()
    }

    /// Another run of the program on the same folder.
    fn restart(self, side: Side) -> Self {
        let Self { folder, clock, store, seed } = self;
        drop(store);
        let store = Self::open(&folder, &clock, side, seed + 1000);
        Self { folder, clock, store, seed: seed + 1000 }
    }
}

fn code(text: &str) -> ClinicCode {
    text.parse().unwrap()
}

async fn hub() -> End {
    let hub = End::new(Side::Hub, 1);
    hub.store.set_county(COUNTY).await.unwrap();
    for clinic in ["0017", "0018"] {
        assert!(hub.store.add_clinic(&code(clinic), "柳树村").await.unwrap());
    }
    hub
}

async fn join(end: &End, hub: &End, clinic: &str) {
    let secret = hub.store.new_token_secret(&code(clinic)).await.unwrap().unwrap();
    let request = EnrolRequest::sign(end.store.device_key(), end.store.actor(), secret, None, "box");
    let key = request.verify().unwrap();
    let taken = hub.store.enrol_device(&request, key).await.unwrap().unwrap();
    let enrolment = Enrolment {
        hub_url: "https://127.0.0.1:1".into(),
        clinic: taken.clinic,
        clinic_name: taken.clinic_name,
        county: COUNTY,
        hub_key: hub.store.device_key().public().to_bytes(),
        ca: vec![],
        certificate: vec![],
    };
    end.store.keep_enrolment(enrolment, taken.epoch).await.unwrap();
}

async fn boxed(hub: &End, seed: u64, clinic: &str) -> End {
    let end = End::new(Side::Box, seed);
    join(&end, hub, clinic).await;
    end
}

fn credentials(of: &Store, peer: DevicePublicKey) -> Credentials {
    Credentials { key: of.device_key().clone(), county: COUNTY, peer }
}

/// Exchanges until the box is settled, or until `most` bytes went each way.
async fn exchange(end: &Store, hub: &Store, most: usize) -> Result<(Counts, usize), ExchangeFault> {
    let hello = end.hello("test").await.unwrap().unwrap();
    let mut at_box = Exchange::for_box(credentials(end, hub.device_key().public()), &hello, Duration::ZERO, NOW);
    let mut at_hub = Exchange::for_hub(credentials(hub, end.device_key().public()), NOW);
    let mut carried = 0;
    for _ in 0..100_000 {
        while let Some(ask) = at_box.poll_ask(NOW) {
            at_box.handle_answer(end.answer_as_box(ask).await.unwrap(), NOW)?;
        }
        while let Some(ask) = at_hub.poll_ask(NOW) {
            let answer = hub.answer_as_hub(end.device(), ask).await.unwrap();
            at_hub.handle_answer(answer, NOW)?;
        }
        if at_box.is_settled() {
            return Ok((at_box.counts(), carried));
        }
        while let Some(bytes) = at_box.poll_transmit(NOW) {
            carried += bytes.len();
            at_hub.handle_bytes(&bytes, NOW)?;
        }
        while let Some(bytes) = at_hub.poll_transmit(NOW) {
            carried += bytes.len();
            at_box.handle_bytes(&bytes, NOW)?;
        }
        if carried > most {
            return Ok((at_box.counts(), carried));
        }
    }
    panic!("the exchange does not end");
}

async fn sync(end: &End, hub: &End) -> Counts {
    exchange(&end.store, &hub.store, usize::MAX).await.unwrap().0
}

async fn write(end: &End, owner: &str, kind: DocKind, edits: Vec<Edit>) -> DocId {
    let target = Target::New { kind, owner: code(owner) };
    let done = end.store.commit(commit(vec![Write { target, base: None, edits }])).await.unwrap();
    done.docs[0]
}

async fn edit(end: &End, doc: DocId, edits: Vec<Edit>) {
    let write = Write { target: Target::Existing(doc), base: None, edits };
    end.store.commit(commit(vec![write])).await.unwrap();
}

async fn chart(end: &End, owner: &str, name: &str) -> DocId {
    write(end, owner, DocKind::Chart, vec![Edit::put(&["identity", "name"], name)]).await
}

async fn text(end: &End, doc: DocId, path: &[&str]) -> Option<String> {
    let tree = end.store.tree(doc).await.unwrap()?;
    tree.text(path).map(str::to_owned)
}

async fn same(end: &End, hub: &End, clinic: &str) {
    let summary = hub.store.clinic_summary(&code(clinic)).await.unwrap().unwrap();
    let own = end.store.verify(None, &mut |_, _| {}).await.unwrap();
    assert_eq!(own.problems, Vec::<String>::new());
    assert_eq!(summary.fingerprint, own.fingerprint.to_bytes());
    assert_eq!((summary.patients, summary.changes), (own.patients, own.changes));
    let kept = hub.store.verify(Some(code(clinic)), &mut |_, _| {}).await.unwrap();
    assert_eq!(kept.fingerprint, own.fingerprint);
    assert!(end.store.alarms().await.unwrap().is_empty());
}

//! Two real nodes of a hub on one PostgreSQL database and one bucket over TLS: a node dies in the middle of a blob, the
//! other goes on at the byte, the blob leaves the database, and a box of the clinic gets it through either.

use futures_util::TryStreamExt as _;
use harness::one_address::OneAddress;
use harness::programs::{run, wait_until};
use harness::workload::Workload;
use object_store::ObjectStoreExt as _;
use objects_for_tests::Bucket;
use rand::rngs::StdRng;
use rand::{Rng as _, SeedableRng as _};
use records::ids::BlobId;
use records::tree::Edit;
use store::{AuditAct, By, Commit, Mode, OpenOptions, Side, Store, Target, Write};

use crate::nodes::County;

/// Bytes of the picture; more than goes at once.
const PICTURE: usize = 1_500_000;
/// Bytes of the exchange after which the node dies.
const DIES_AFTER: u64 = 500_000;
/// Most bytes that may come twice: what was under way when it died, and another greeting.
const AGAIN_MAX: u64 = 200_000;

/// What stands in the bucket besides the name of its owner.
fn objects(bucket: &Bucket) -> Vec<Vec<u8>> {
    runtime().block_on(async {
        let bucket = bucket.outside();
        let there: Vec<_> = bucket.list(None).try_collect().await.unwrap();
        let mut found = Vec::new();
        for object in there
            .iter()
            .filter(|object| object.location.filename() != Some("hub"))
        {
            let content = bucket.get(&object.location).await.unwrap();
            found.push(content.bytes().await.unwrap().to_vec());
        }
        found
    })
}

fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap()
}

fn open(county: &County, name: &str, mode: Mode) -> Store {
    let clock = std::sync::Arc::new(sync_server::clock::HubClock::start());
    let options = OpenOptions {
        mode,
        ..OpenOptions::new(Side::Box, clock, Box::new(|bytes| rand::fill(bytes)))
    };
    Store::open(&county.path(name), options).unwrap()
}

/// Gives a patient a picture that nothing makes smaller.
fn attach(county: &County, name: &str) -> (BlobId, Vec<u8>) {
    let mut picture = vec![0; PICTURE];
    StdRng::seed_from_u64(1).fill_bytes(&mut picture);
    let content = picture.clone();
    runtime().block_on(async {
        let store = open(county, name, Mode::Serve);
        let patients = store.patients_page(None, 1).await.unwrap();
        let edits = vec![Edit::put(&["ext", "attached"], PICTURE as i64)];
        let write = Write::new(Target::Existing(patients[0].id.doc()), edits);
        let commit = Commit {
            blobs: vec![content],
            ..Commit::new(By::System, AuditAct::ChartChange, vec![write])
        };
        store.commit(commit).await.unwrap();
    });
    (sync_core::blobs::blob_id(&picture), picture)
}

#[test]
fn a_node_dies_in_a_blob_and_the_other_goes_on_at_the_byte() {
    let county = County::new(Some(Bucket::secure()));
    let bucket = county.bucket.as_ref().unwrap();
    let (first, one) = county.node("first");
    let (second, two) = county.node("second");
    let address = OneAddress::before(vec![one]);
    county.enrol("near", &address);
    county.enrol("far", &address);
    let base = county.path("base");
    let few = Workload {
        patients: 3,
        years: 1,
        visits: 1,
        seed: 5,
    };
    few.write_base(&base);
    county.import("near", &base);
    county.sync("near", &address);
    let (blob, picture) = attach(&county, "near");

    // The node dies in the middle of it; the box meets the other one.
    let before = address.carried();
    county.dies_in_exchange(first, "near", &address, DIES_AFTER);
    address.stands_before(vec![two]);
    county.sync("near", &address);
    let sent = address.carried() - before;
    assert!(
        sent < PICTURE as u64 + AGAIN_MAX,
        "{sent} bytes for a picture of {PICTURE}"
    );

    // It leaves the database for the bucket.
    wait_until("the picture is in the bucket", || {
        (objects(bucket) == [picture.clone()]).then_some(())
    });
    let needle = &picture[700_000..700_064];
    wait_until("its bytes have left the database", || {
        (!county.database.holds(needle)).then_some(())
    });

    // Another box of the clinic gets it through the node that comes back, and not through one without the bucket.
    second.kill();
    let (first, one) = county.node("first");
    address.stands_before(vec![one]);
    county.sync("far", &address);
    let got = runtime().block_on(async { open(&county, "far", Mode::Beside).blob(blob).await.unwrap() });
    assert!(got == Some(picture), "another picture came");
    let checked = county.hub_verb(&["verify"], &["--blobs", &bucket.url(), "--json"]);
    let unnamed = county.hub_says(&["verify"], &["--json"]);
    assert_eq!(
        unnamed.code, 1,
        "what was not looked at is no problem: {}",
        unnamed.out
    );
    assert!(first.stop().success());
    let data = county.text("first");
    let url = county.database.url();
    let without = [
        "serve",
        "--data",
        &data,
        "--database-url",
        &url,
        "--listen",
        "127.0.0.1:0",
    ];
    let refused = run("sync-server", &without, b"");
    assert!(
        refused.code == 1 && refused.err.contains(&bucket.url()),
        "{} {}",
        refused.out,
        refused.err
    );
    for said in [&checked, &unnamed, &refused] {
        assert!(!format!("{}{}", said.out, said.err).contains("a-secret-of-the-tests"));
    }
}

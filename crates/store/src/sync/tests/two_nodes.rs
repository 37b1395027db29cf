//! Two nodes of one hub on one PostgreSQL database.

use super::*;
use crate::StoreEvent;

/// Charts that each node writes.
const CHARTS: usize = 12;

/// The two nodes: they share the key of the hub, which a keeper copies, and the database.
async fn nodes() -> (End, End) {
    let database = Database::new();
    let clock = || Arc::new(HandClock(AtomicI64::new(1000)));
    let folder = tempfile::tempdir().unwrap();
    let first = End::begin(folder, clock(), Side::Hub, 1, Some(database.clone()));
    let folder = tempfile::tempdir().unwrap();
    std::fs::copy(
        first.folder.path().join("device.key"),
        folder.path().join("device.key"),
    )
    .unwrap();
    let second = End::begin(folder, clock(), Side::Hub, 2, Some(database));
    first.store.set_county(COUNTY).await.unwrap();
    assert!(first.store.add_clinic(&code("0017"), "柳树村").await.unwrap());
    (first, second)
}

fn charts(end: &End, name: &'static str) -> tokio::task::JoinHandle<Vec<DocId>> {
    let store = end.store.clone();
    tokio::spawn(async move {
        let mut docs = Vec::new();
        for n in 0..CHARTS {
            let edits = vec![Edit::put(&["person", "name"], format!("{name}{n}").as_str())];
            let target = Target::New {
                kind: DocKind::Chart,
                owner: code("0017"),
            };
            let write = Write {
                target,
                base: None,
                edits,
            };
            docs.extend(store.commit(commit(vec![write])).await.unwrap().docs);
        }
        docs
    })
}

async fn feed(node: &End) -> Vec<(i64, i64)> {
    let rows = |sql: &crate::sql::Connection| {
        let mut rows = sql.prepare("SELECT lane, position FROM link_feed ORDER BY lane, position")?;
        let rows = rows.query_map([], |row| Ok((row.get(0)?, row.get(1)?)))?;
        Ok::<_, crate::StoreError>(rows.collect::<crate::sql::Result<Vec<_>>>()?)
    };
    node.store.read(rows).await.unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn no_entry_of_a_feed_is_missed_while_both_nodes_write() {
    let (first, second) = nodes().await;
    assert_eq!(first.store.device(), second.store.device());
    assert_ne!(first.store.session(), second.store.session());
    let end = boxed(&first, 7, "0017").await;
    let writing = [charts(&first, "张"), charts(&second, "李")];
    let mut own = Vec::new();
    let mut turn = 0;
    while !writing.iter().all(tokio::task::JoinHandle::is_finished) {
        own.push(chart(&end, "0017", "王").await);
        sync(&end, if turn % 2 == 0 { &first } else { &second }).await;
        turn += 1;
    }
    let mut docs = own;
    for written in writing {
        docs.extend(written.await.unwrap());
    }
    sync(&end, &second).await;
    for doc in &docs {
        assert!(name_of(&end, *doc).await.is_some(), "{doc} did not come");
        assert!(name_of(&first, *doc).await.is_some(), "{doc} is not at the hub");
    }
    for node in [&first, &second] {
        assert_eq!(
            node.store.fingerprint().await.unwrap(),
            end.store.fingerprint().await.unwrap()
        );
        let found = node.store.verify(None, Box::new(|_, _| {})).await.unwrap();
        assert_eq!((found.problems, found.patients), (vec![], docs.len() as u64));
    }
    let mut last = std::collections::BTreeMap::new();
    for (lane, position) in feed(&first).await {
        let before = last.insert(lane, position).unwrap_or(0);
        assert_eq!(position, before + 1, "the feed of lane {lane} has a gap");
    }
    assert!(!last.is_empty());
}

#[tokio::test]
async fn a_node_hears_of_what_the_other_wrote() {
    let (first, second) = nodes().await;
    let mut heard = second.store.changes();
    // Listening may begin after a commit, so there is always one more.
    loop {
        chart(&first, "0017", "张").await;
        if matches!(heard.recv().await.unwrap(), StoreEvent::Bulk) {
            break;
        }
    }
}

#[tokio::test]
async fn what_a_server_cannot_do_is_refused() {
    let (first, _second) = nodes().await;
    let compared = first.store.rebuild(Box::new(|_, _| {})).await.unwrap_err();
    assert!(
        compared.to_string().contains("not possible on PostgreSQL"),
        "{compared}"
    );
    let to = first.folder.path().join("b");
    let backed = first
        .store
        .backup(&to, vec![], Box::new(|_, _| {}))
        .await
        .unwrap_err();
    assert!(
        backed.to_string().contains("not possible on PostgreSQL"),
        "{backed}"
    );
    let mut options = OpenOptions::new(Side::Box, first.clock.clone(), random(9));
    options.database = first
        .database
        .as_ref()
        .map(|database| database.url().parse().unwrap());
    let folder = tempfile::tempdir().unwrap();
    assert!(matches!(
        Store::open(folder.path(), options),
        Err(crate::OpenError::BoxOnServer)
    ));
    let far = "postgres://clinic@db.example/county".parse::<crate::Address>();
    assert_eq!(far.unwrap_err(), crate::AddressFault::Unprotected);
}

//! Two nodes of one hub on one PostgreSQL database.

use std::path::{Path, PathBuf};

use super::*;
use crate::{SignIn, StoreEvent};

/// Charts that each node writes.
const CHARTS: usize = 12;

/// The two nodes: they share the key of the hub, which a keeper copies, and the database.
async fn nodes() -> (End, End) {
    let place = Engine::Postgresql.place();
    let clock = || Arc::new(HandClock(AtomicI64::new(1000)));
    let folder = tempfile::tempdir().unwrap();
    let first = End::begin(folder, clock(), Side::Hub, 1, place.clone());
    let folder = tempfile::tempdir().unwrap();
    std::fs::copy(
        first.folder.path().join("device.key"),
        folder.path().join("device.key"),
    )
    .unwrap();
    let second = End::begin(folder, clock(), Side::Hub, 2, place);
    first.store.set_county(COUNTY).await.unwrap();
    assert!(first.store.add_clinic(&code("0017"), "柳树村").await.unwrap());
    (first, second)
}

fn doctor() -> StaffMember {
    StaffMember {
        id: StaffId([5; 8]),
        name: "示例医生".into(),
        login: "doctor".into(),
        roles: vec![Role::HubAdministrator],
        state: StaffState::Active,
        password_hash: String::new(),
        pin_hash: String::new(),
        clinic: None,
        must_change: false,
    }
}

fn new_chart(name: &str) -> Write {
    Write {
        target: Target::New {
            kind: DocKind::Chart,
            owner: code("0017"),
        },
        base: None,
        edits: vec![Edit::put(&["person", "name"], name)],
    }
}

fn charts(end: &End, name: &'static str) -> tokio::task::JoinHandle<Vec<DocId>> {
    let store = end.store.clone();
    tokio::spawn(async move {
        let mut docs = Vec::new();
        for n in 0..CHARTS {
            let write = new_chart(&format!("{name}{n}"));
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

/// Waits until a node hears that a document changed.
async fn heard(events: &mut tokio::sync::broadcast::Receiver<StoreEvent>, doc: DocId) -> StoreEvent {
    loop {
        let event = events.recv().await.unwrap();
        if matches!(&event, StoreEvent::DocChanged { doc: changed, .. } if *changed == doc) {
            return event;
        }
    }
}

/// Waits until both nodes hear each other.
async fn both_listen(first: &End, second: &End) {
    for (one, other) in [(first, second), (second, first)] {
        let mut events = other.store.changes();
        loop {
            let doc = chart(one, "0017", "张").await;
            let deadline = Duration::from_secs(1);
            // What was told before the other listened is not heard: there is always one more.
            if tokio::time::timeout(deadline, heard(&mut events, doc))
                .await
                .is_ok()
            {
                break;
            }
        }
    }
}

#[tokio::test]
async fn a_node_hears_who_was_changed_at_the_other_and_not_twice_of_its_own() {
    let (first, second) = nodes().await;
    both_listen(&first, &second).await;
    let (mut own, mut others) = (first.store.changes(), second.store.changes());
    let docs = [
        chart(&first, "0017", "张").await,
        chart(&second, "0017", "李").await,
    ];
    let told = StoreEvent::DocChanged {
        doc: docs[0],
        patient: docs[0].patient(),
    };
    assert_eq!(heard(&mut others, docs[0]).await, told);
    // All that the first node told itself came before what it heard of the second.
    let mut of_own = 0;
    loop {
        match own.recv().await.unwrap() {
            StoreEvent::DocChanged { doc, .. } if doc == docs[1] => break,
            StoreEvent::DocChanged { doc, .. } if doc == docs[0] => of_own += 1,
            _ => {}
        }
    }
    assert_eq!(of_own, 1);
}

#[tokio::test]
async fn nothing_stays_learned_from_what_the_other_node_purged() {
    let (first, second) = nodes().await;
    both_listen(&first, &second).await;
    let mut events = second.store.changes();
    let doc = chart(&first, "0017", "张").await;
    heard(&mut events, doc).await;
    let purges = |node: &End| node.store.inner.packing.lock().unwrap().purges();
    let before = purges(&second);
    assert!(first.store.purge(&code("0017"), &[doc]).await.unwrap());
    heard(&mut events, doc).await;
    assert_eq!(purges(&second), before + 1);
}

#[tokio::test]
async fn a_browser_that_is_served_by_either_node_locks_when_it_is_idle_at_both() {
    let (first, second) = nodes().await;
    let member = StaffMember {
        password_hash: "x".to_owned(),
        ..doctor()
    };
    first.store.put_member(member.clone()).await.unwrap();
    let token = first.store.new_session(member.id, "desk").await.unwrap();
    let wait = |by: u64| {
        for node in [&first, &second] {
            let by = i64::try_from(by).unwrap();
            node.clock.0.fetch_add(by, Ordering::SeqCst);
        }
    };
    let is_locked = async |node: &End| {
        node.store
            .browser_session(&token, true)
            .await
            .unwrap()
            .unwrap()
            .locked
    };
    for node in [&second, &first, &second] {
        wait(120_000);
        assert!(!is_locked(node).await);
    }
    wait(180_000);
    assert!(is_locked(&first).await);
    assert!(is_locked(&second).await);
}

#[tokio::test]
async fn tries_at_both_nodes_count_together_and_the_lock_ends() {
    let (first, second) = nodes().await;
    let password = "correct horse battery";
    let member = StaffMember {
        password_hash: first.store.hash_secret(password).await.unwrap(),
        ..doctor()
    };
    first.store.put_member(member.clone()).await.unwrap();
    let mut turn = [&first, &second].into_iter().cycle();
    let mut next = async |word: &str| {
        turn.next()
            .unwrap()
            .store
            .check_password(&member.login, word)
            .await
            .unwrap()
    };
    let mut tries = 0;
    while !matches!(next("wrong").await, SignIn::Locked { .. }) {
        tries += 1;
        assert!(tries < 20, "tries at two nodes are not counted together");
    }
    // Waiting and asking at both by turns, as behind one address, does not begin the time anew.
    let mut minutes = 0;
    while matches!(next(password).await, SignIn::Locked { .. }) {
        minutes += 1;
        assert!(minutes < 60, "the lock does not end");
        for node in [&first, &second] {
            node.clock.0.fetch_add(60_000, Ordering::SeqCst);
        }
    }
    assert!(minutes > 0);
}

#[tokio::test]
async fn a_commit_whose_answer_was_lost_does_not_stop_the_node() {
    let (first, _second) = nodes().await;
    let written = |tx: &mut crate::engine::Tx<'_>| {
        crate::audit::append(tx, crate::By::System, crate::AuditAct::Export, None, None)
    };
    let twice = first.store.on_writer(move |writer| {
        let before = writer.state.chain.clone();
        writer.transact(written)?;
        // The server wrote it, and the node does not know.
        writer.state.chain = before;
        writer.state.chain_in_doubt = true;
        writer.transact(written)
    });
    twice.await.unwrap().unwrap();
    let kept = first.store.verify(None, Box::new(|_, _| {})).await.unwrap();
    assert_eq!(kept.problems, Vec::<String>::new());
    // The server ends the connection while the node writes.
    let cut = first.store.write(move |tx| {
        written(tx)?;
        Ok::<_, crate::StoreError>(
            tx.sql
                .execute("SELECT pg_terminate_backend(pg_backend_pid())", [])?,
        )
    });
    assert!(cut.await.is_err());
    chart(&first, "0017", "张").await;
    let kept = first.store.verify(None, Box::new(|_, _| {})).await.unwrap();
    assert_eq!((kept.problems, kept.patients), (vec![], 1));
}

#[tokio::test]
async fn a_box_that_one_node_revoked_is_not_served_by_the_other() {
    let (first, second) = nodes().await;
    let end = boxed(&first, 8, "0017").await;
    sync(&end, &second).await;
    assert!(first.store.revoke_device(end.store.device()).await.unwrap());
    let refused = exchange(&end.store, &second.store, usize::MAX).await;
    assert_eq!(refused.err(), Some(ExchangeFault::Refused(Bye::Revoked)));
}

#[tokio::test]
async fn a_node_of_another_hub_is_refused() {
    let (first, second) = nodes().await;
    let county = second.store.set_county([8; 32]).await;
    assert!(matches!(county, Err(crate::StoreError::OtherCounty)));
    let (empty, other) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    std::fs::write(other.path().join("device.key"), [9; 32]).unwrap();
    for folder in [&empty, &other] {
        let mut options = OpenOptions::new(Side::Hub, first.clock.clone(), random(9));
        options.database = first.address();
        let opened = Store::open(folder.path(), options);
        assert!(matches!(opened, Err(crate::OpenError::OtherHub)));
    }
    assert!(!empty.path().join("device.key").exists());
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
    assert!(backed.to_string().contains("pg_dump"), "{backed}");
    let mut options = OpenOptions::new(Side::Box, first.clock.clone(), random(9));
    options.database = first
        .place
        .database
        .as_ref()
        .map(|database| database.url().parse().unwrap());
    let folder = tempfile::tempdir().unwrap();
    assert!(matches!(
        Store::open(folder.path(), options),
        Err(crate::OpenError::BoxOnServer)
    ));
}

/// The certificate of an authority, and that of a server of this name with its key.
fn certificates(folder: &Path, name: &str) -> (PathBuf, String, String) {
    let own = rcgen::KeyPair::generate().unwrap();
    let mut params = rcgen::CertificateParams::new(vec![]).unwrap();
    params.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
    let authority = rcgen::CertifiedIssuer::self_signed(params, own).unwrap();
    let file = folder.join(format!("{name}.pem"));
    std::fs::write(&file, authority.pem()).unwrap();
    let key = rcgen::KeyPair::generate().unwrap();
    let params = rcgen::CertificateParams::new(vec![name.to_owned()]).unwrap();
    let certificate = params.signed_by(&key, &authority).unwrap();
    (file, certificate.pem(), key.serialize_pem())
}

#[tokio::test]
async fn nodes_work_on_a_database_elsewhere_that_its_authority_vouches_for() {
    let files = tempfile::tempdir().unwrap();
    let (authority, certificate, key) = certificates(files.path(), "localhost");
    let server = postgresql_for_tests::FarServer::start(&certificate, &key);
    let clock = Arc::new(HandClock(AtomicI64::new(1000)));
    let open = |folder: &TempDir, seed: u64, address: String| {
        let mut options = OpenOptions::new(Side::Hub, clock.clone(), random(seed));
        options.database = Some(address.parse().unwrap());
        Store::open(folder.path(), options)
    };
    let protected = |name: &str, authority: &Path| {
        format!(
            "{}?sslmode=verify-full&sslrootcert={}",
            server.url(name),
            authority.display()
        )
    };
    let (one, two) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let first = open(&one, 1, protected("localhost", &authority)).unwrap();
    let key = "device.key";
    std::fs::copy(one.path().join(key), two.path().join(key)).unwrap();
    let second = open(&two, 2, protected("localhost", &authority)).unwrap();
    first.set_county(COUNTY).await.unwrap();
    first.add_clinic(&code("0017"), "柳树村").await.unwrap();
    let mut told = second.changes();
    let write = new_chart("示例");
    let docs = first.commit(commit(vec![write])).await.unwrap().docs;
    // The other node hears of it through a connection of its own.
    heard(&mut told, docs[0]).await;
    // Another authority; a name that is not in the certificate; no TLS at all.
    let (other, _, _) = certificates(files.path(), "other.example");
    let third = tempfile::tempdir().unwrap();
    for wrong in [
        protected("localhost", &other),
        protected("127.0.0.1", &authority),
        server.url("localhost"),
    ] {
        let refused = open(&third, 3, wrong.clone());
        assert!(
            matches!(&refused, Err(crate::OpenError::Database(_))),
            "{wrong}: {:?}",
            refused.err()
        );
    }
    let refused = open(&third, 3, protected("localhost", &other)).err().unwrap();
    let said = refused.to_string();
    assert!(said.contains("is not whom the address names"), "{said}");
}

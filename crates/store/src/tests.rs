//! What a store promises: what was committed stays, what failed left nothing.

use records::ids::{DocId, DocKind, FormId, ObservationId, PatientId, StaffId, TrayId};
use records::time::WallTime;
use records::tree::{Edit, Node};
use sync_core::document::Document;

use crate::engine::StoreError;
use crate::workbench::{Bench, commit, new_doc, on, write};
use crate::*;

async fn tree(store: &Store, doc: DocId) -> Node {
    store
        .read(move |sql| log::load(sql, doc))
        .await
        .unwrap()
        .unwrap()
        .tree()
}

async fn count(store: &Store, sql_text: &'static str) -> i64 {
    store
        .read(move |sql| Ok::<i64, StoreError>(sql.query_row(sql_text, [], |row| row.get(0))?))
        .await
        .unwrap()
}

fn name(text: &str) -> Edit {
    Edit::put(&["ext", "name"], text)
}

#[tokio::test]
async fn what_was_committed_is_there_after_the_next_start() {
    let bench = Bench::new();
    let store = bench.open();
    let device = store.device();
    let done = write(&store, new_doc(DocKind::Chart, vec![name("a")])).await;
    let doc = done.docs[0];
    write(&store, on(doc, vec![name("b")])).await;
    let session = store.session();
    drop(store);
    let store = bench.open();
    assert_eq!(store.device(), device);
    assert_ne!(store.session(), session);
    assert_eq!(tree(&store, doc).await.text(&["ext", "name"]), Some("b"));
    write(&store, on(doc, vec![name("c")])).await;
    assert_eq!(tree(&store, doc).await.text(&["ext", "name"]), Some("c"));
    assert_eq!(count(&store, "SELECT count(*) FROM log").await, 3);
    assert_eq!(
        count(&store, "SELECT count(*) FROM sessions WHERE parent IS NOT NULL").await,
        1
    );
}

#[tokio::test]
async fn a_folder_is_open_once() {
    let bench = Bench::new();
    let store = bench.open();
    let refused = Store::open(bench.folder.path(), bench.options());
    assert!(matches!(refused, Err(OpenError::InUse { pid: Some(pid) }) if pid == std::process::id()));
    drop(store);
    bench.open();
}

#[tokio::test]
async fn beside_a_running_store_one_reads_and_writes_local_tables_only() {
    let bench = Bench::new();
    let mut options = bench.options();
    options.mode = Mode::Beside;
    assert!(Store::open(bench.folder.path(), options).is_err());
    let store = bench.open();
    let mut options = bench.options();
    options.mode = Mode::Beside;
    let beside = Store::open(bench.folder.path(), options).unwrap();
    assert_eq!(beside.device(), store.device());
    let done = write(&store, new_doc(DocKind::Chart, vec![name("a")])).await;
    assert_eq!(
        tree(&beside, done.docs[0]).await.text(&["ext", "name"]),
        Some("a")
    );
    let refused = beside
        .commit(commit(vec![on(done.docs[0], vec![name("b")])]))
        .await;
    assert!(matches!(refused, Err(CommitError::Store(StoreError::NotServing))));
    beside.put_setting("k", &serde_json::json!(1)).await.unwrap();
    assert_eq!(store.setting("k").await.unwrap(), Some(serde_json::json!(1)));
}

#[tokio::test]
async fn a_form_that_comes_twice_is_applied_once() {
    let bench = Bench::new();
    let store = bench.open();
    let form = FormId([7; 16]);
    let staff = StaffId([1; 8]);
    store
        .put_draft(form, staff, "visit", &serde_json::json!({"a": "b"}))
        .await
        .unwrap();
    let mut sent = commit(vec![new_doc(DocKind::Encounter, vec![name("a")])]);
    sent.form = Some(form);
    sent.settle = vec![LocalEffect::DropDraft(form)];
    let first = store.commit(sent.clone()).await.unwrap();
    assert!(!first.already);
    let second = store.commit(sent).await.unwrap();
    assert!(second.already);
    assert_eq!((second.docs, second.heads), (first.docs, first.heads));
    assert_eq!(count(&store, "SELECT count(*) FROM log").await, 1);
    assert_eq!(store.draft(form).await.unwrap(), None);
    // An autosave that was still on its way brings no draft back.
    assert!(
        !store
            .put_draft(form, staff, "visit", &serde_json::json!({"a": "b"}))
            .await
            .unwrap()
    );
}

#[tokio::test]
async fn two_tabs_on_old_heads_keep_both_values_under_one_device() {
    let bench = Bench::new();
    let store = bench.open();
    let done = write(&store, new_doc(DocKind::Encounter, vec![name("a")])).await;
    let (doc, base) = (done.docs[0], done.heads[0].clone());
    for text in ["b", "c", "d"] {
        let late = Write {
            target: Target::Existing(doc),
            base: Some(base.clone()),
            edits: vec![name(text)],
        };
        store.commit(commit(vec![late])).await.unwrap();
    }
    let found = tree(&store, doc).await.leaf(&["ext", "name"]).unwrap().clone();
    let mut all: Vec<String> = std::iter::once(&found.winner)
        .chain(&found.others)
        .map(|value| value.as_text().unwrap().to_owned())
        .collect();
    all.sort();
    assert_eq!(all, ["b", "c", "d"]);
    // One further session for each rival, and each can go on.
    assert_eq!(count(&store, "SELECT count(*) FROM sessions").await, 3);
    write(&store, on(doc, vec![name("e")])).await;
    let other = write(&store, new_doc(DocKind::Encounter, vec![name("x")])).await;
    let late = Write {
        target: Target::Existing(other.docs[0]),
        base: Some(other.heads[0].clone()),
        edits: vec![name("y")],
    };
    store.commit(commit(vec![late])).await.unwrap();
    assert_eq!(count(&store, "SELECT count(*) FROM sessions").await, 3);
    let unknown = Write {
        target: Target::Existing(doc),
        base: Some(sync_core::document::Heads::new([[9; 32]])),
        edits: vec![name("z")],
    };
    assert!(matches!(
        store.commit(commit(vec![unknown])).await,
        Err(CommitError::Stale)
    ));
}

#[tokio::test]
async fn positions_have_no_gap_whatever_fails() {
    let bench = Bench::new();
    let store = bench.open();
    let done = write(&store, new_doc(DocKind::Chart, vec![name("a")])).await;
    let bad = commit(vec![
        new_doc(DocKind::Encounter, vec![name("half")]),
        on(done.docs[0], vec![Edit::put(&["person"], "x")]),
    ]);
    assert!(store.commit(bad).await.is_err());
    let twice = commit(vec![
        on(done.docs[0], vec![name("b")]),
        on(done.docs[0], vec![name("c")]),
    ]);
    assert!(matches!(store.commit(twice).await, Err(CommitError::Refused(_))));
    let missing = commit(vec![on(DocId([1; 16]), vec![name("b")])]);
    assert!(matches!(
        store.commit(missing).await,
        Err(CommitError::UnknownDocument(_))
    ));
    write(&store, on(done.docs[0], vec![name("b")])).await;
    assert_eq!(count(&store, "SELECT count(*) FROM log").await, 2);
    assert_eq!(count(&store, "SELECT max(seq) FROM log").await, 2);
    assert_eq!(count(&store, "SELECT count(*) FROM documents").await, 1);
}

#[tokio::test]
async fn a_full_disk_refuses_a_save_and_keeps_nothing_of_it() {
    let bench = Bench::new();
    drop(bench.open());
    let pages: u32 = {
        let sql = crate::sql::Connection::open(bench.folder.path().join("clinic.db")).unwrap();
        sql.query_row("PRAGMA page_count", [], |row| row.get(0)).unwrap()
    };
    let mut options = bench.options();
    options.pages_max = Some(pages + 20);
    let store = Store::open(bench.folder.path(), options).unwrap();
    let done = write(&store, new_doc(DocKind::Chart, vec![name("a")])).await;
    let mut large = commit(vec![on(done.docs[0], vec![name("b")])]);
    large.blobs = vec![vec![7; 400_000]];
    large.form = Some(FormId([3; 16]));
    assert!(matches!(
        store.commit(large.clone()).await,
        Err(CommitError::DiskFull)
    ));
    assert_eq!(tree(&store, done.docs[0]).await.text(&["ext", "name"]), Some("a"));
    assert_eq!(count(&store, "SELECT count(*) FROM blobs").await, 0);
    assert_eq!(count(&store, "SELECT count(*) FROM local_forms").await, 0);
    // With space again the same form goes through.
    drop(store);
    let store = bench.open();
    let again = store.commit(large).await.unwrap();
    assert!(!again.already);
    assert_eq!(tree(&store, done.docs[0]).await.text(&["ext", "name"]), Some("b"));
    assert!(audit_is_clean(&store).await);
}

#[tokio::test]
async fn a_damaged_database_is_set_aside_and_reported() {
    let bench = Bench::new();
    let store = bench.open();
    let device = store.device();
    for n in 0..40 {
        write(
            &store,
            new_doc(DocKind::Chart, vec![name(&format!("{n}").repeat(200))]),
        )
        .await;
    }
    drop(store);
    let path = bench.folder.path().join("clinic.db");
    for spoil in [
        |_: &[u8]| b"no database at all, but a text".repeat(400),
        |bytes: &[u8]| {
            let mut bytes = bytes.to_vec();
            // The page that says which tables there are.
            bytes[100..4096].fill(0x5a);
            bytes
        },
    ] {
        let sound = std::fs::read(&path).unwrap();
        std::fs::write(&path, spoil(&sound)).unwrap();
        let store = bench.open();
        let alarms = store.alarms().await.unwrap();
        assert_eq!(alarms[0].kind, AlarmKind::Damaged);
        let aside = std::path::PathBuf::from(&alarms[0].text);
        assert_eq!(std::fs::read(aside).unwrap(), spoil(&sound));
        assert_eq!(store.device(), device);
        assert_eq!(count(&store, "SELECT count(*) FROM log").await, 0);
        write(&store, new_doc(DocKind::Chart, vec![name("new")])).await;
        assert!(
            store
                .settle_alarm(By::System, AlarmKind::Damaged, alarms[0].at)
                .await
                .unwrap()
        );
        drop(store);
        bench.clock.advance(std::time::Duration::from_secs(1));
        std::fs::write(&path, sound).unwrap();
        for end in ["-wal", "-shm"] {
            let _ = std::fs::remove_file(bench.folder.path().join(format!("clinic.db{end}")));
        }
    }
}

#[tokio::test]
async fn a_reading_is_claimed_once_and_can_be_taken_back() {
    let bench = Bench::new();
    let store = bench.open();
    let (item, by, entry) = (TrayId([1; 16]), StaffId([2; 8]), ObservationId([3; 8]));
    let content = serde_json::json!({"kind": "bp"});
    assert!(
        store
            .tray_put(item, "bp-1", WallTime(5), "no_session", &content)
            .await
            .unwrap()
    );
    assert!(
        !store
            .tray_put(item, "bp-1", WallTime(5), "no_session", &content)
            .await
            .unwrap()
    );
    let mut claim = commit(vec![new_doc(DocKind::Series, vec![name("r")])]);
    claim.settle = vec![LocalEffect::ClaimTray {
        item,
        by,
        write: 0,
        entry,
    }];
    let done = store.commit(claim.clone()).await.unwrap();
    let found = store.tray_item(item).await.unwrap().unwrap();
    assert_eq!((found.state, found.claimed_by), (TrayState::Claimed, Some(by)));
    assert_eq!(found.became, Some((done.docs[0], entry)));
    assert!(matches!(store.commit(claim).await, Err(CommitError::TrayMoved)));
    assert_eq!(count(&store, "SELECT count(*) FROM log").await, 1);
    let mut back = commit(vec![on(done.docs[0], vec![name("withdrawn")])]);
    back.settle = vec![LocalEffect::ReleaseTray(item)];
    store.commit(back).await.unwrap();
    assert_eq!(store.tray_list(TrayState::Waiting, 10).await.unwrap().len(), 1);
    assert!(store.tray_dismiss(item, true).await.unwrap());
    assert!(!store.tray_dismiss(item, true).await.unwrap());
}

async fn audit_is_clean(store: &Store) -> bool {
    store.read(audit::verify).await.unwrap().is_empty()
}

#[tokio::test]
async fn the_audit_chain_holds_views_and_changes_and_shows_tampering() {
    let bench = Bench::new();
    let store = bench.open();
    let (who, patient) = (By::Staff(StaffId([1; 8])), PatientId([1; 16]));
    for _ in 0..3 {
        store
            .audit_view(who, AuditAct::ViewPatient, Some(patient), None)
            .await
            .unwrap();
    }
    write(&store, new_doc(DocKind::Chart, vec![name("a")])).await;
    let lines = store.audit_lines(AuditFilter::default(), 10).await.unwrap();
    let acts: Vec<&str> = lines.iter().map(|(_, line)| line.act.as_str()).collect();
    assert_eq!(acts, ["chart_change", "view_patient"]);
    let filter = AuditFilter {
        patient: Some(patient),
        by: Some(who),
        before: None,
    };
    assert_eq!(store.audit_lines(filter, 10).await.unwrap().len(), 1);
    drop(store);
    let store = bench.open();
    store.audit_note(who, AuditAct::SignIn, None).await.unwrap();
    store
        .audit_view(who, AuditAct::ViewPatient, Some(patient), None)
        .await
        .unwrap();
    drop(store);
    let store = bench.open();
    assert_eq!(count(&store, "SELECT count(*) FROM audit").await, 4);
    assert!(audit_is_clean(&store).await);
    for spoil in [
        "UPDATE audit SET entry = (SELECT entry FROM audit WHERE a = 2) WHERE a = 1",
        "DELETE FROM audit WHERE a = 3",
    ] {
        store
            .write(move |tx| Ok::<_, StoreError>(tx.sql.execute(spoil, [])?))
            .await
            .unwrap();
        assert!(!audit_is_clean(&store).await);
    }
}

#[tokio::test]
async fn a_view_and_a_failed_commit_lose_no_entry() {
    let bench = Bench::new();
    let store = bench.open();
    let patient = PatientId([1; 16]);
    store
        .audit_view(By::Kiosk, AuditAct::ViewPatient, Some(patient), None)
        .await
        .unwrap();
    let bad = commit(vec![new_doc(DocKind::Chart, vec![Edit::put(&["person"], "x")])]);
    assert!(store.commit(bad).await.is_err());
    let lines = store.audit_lines(AuditFilter::default(), 10).await.unwrap();
    assert_eq!(lines.len(), 1);
    assert!(audit_is_clean(&store).await);
}

#[tokio::test]
async fn the_fingerprint_depends_on_content_and_not_on_the_way_there() {
    let bench = Bench::new();
    let store = bench.open();
    let done = write(&store, new_doc(DocKind::Chart, vec![name("a")])).await;
    let other = write(&store, new_doc(DocKind::Chart, vec![name("b")])).await;
    write(&store, on(done.docs[0], vec![name("c")])).await;
    let ids = [done.docs[0], other.docs[0]];
    let (kept, counted) = store
        .read(move |sql| {
            let kept = log::stored_fingerprint(sql)?;
            let mut counted = sync_core::fingerprint::Fingerprint::default();
            for doc in ids {
                let document: Document = log::load(sql, doc)?.unwrap();
                counted.add(&sync_core::fingerprint::print_of(doc, &document.heads()));
            }
            Ok::<_, StoreError>((kept, counted))
        })
        .await
        .unwrap();
    assert_eq!(kept, counted);
}

#[tokio::test]
async fn bay_lines_are_bounded_and_newest_first() {
    let bench = Bench::new();
    let store = bench.open();
    for n in 0..5 {
        store
            .bay_note("bp-1", "out_of_range", &n.to_string())
            .await
            .unwrap();
    }
    let lines = store.bay_log("bp-1", 2).await.unwrap();
    assert_eq!(
        lines.iter().map(|line| line.detail.as_str()).collect::<Vec<_>>(),
        ["4", "3"]
    );
    assert!(store.bay_log("bp-2", 2).await.unwrap().is_empty());
}

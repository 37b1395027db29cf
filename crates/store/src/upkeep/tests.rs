//! What rots while nobody reads it is found by the next round; what is derived is made again alone while everybody
//! works, records are told and saved at the next start.

use std::fs;
use std::path::PathBuf;

use records::ids::DocKind;
use records::tree::Edit;

use super::*;
use crate::sql::Connection;
use crate::workbench::{Bench, PAGE, commit, leaf_pages, new_doc, on, root_page, tear_page, write};

const CHARTS: usize = 60;

fn quiet() -> crate::Progress {
    Box::new(|_, _| {})
}

/// An open box whose charts all stand in the database file, nothing in its log.
async fn box_with_charts(bench: &Bench) -> (Store, PathBuf) {
    let store = bench.open();
    for n in 0..CHARTS {
        let named = Edit::put(&["person", "name"], format!("示例{n}").as_str());
        let doc = write(&store, new_doc(DocKind::Chart, vec![named])).await.docs[0];
        let phone = Edit::put(&["person", "phone"], format!("138{n:08}").as_str());
        write(&store, on(doc, vec![phone])).await;
    }
    drop(store);
    (bench.open(), bench.folder.path().join("clinic.db"))
}

/// One round; how many stretches it took.
async fn round(store: &Store) -> usize {
    for n in 1..10_000 {
        if store.look_for_damage().await.unwrap() == Looked::Done {
            return n;
        }
    }
    panic!("the round does not end");
}

async fn kinds(store: &Store) -> Vec<(String, String)> {
    let alarms = store.alarms().await.unwrap();
    alarms
        .into_iter()
        .map(|alarm| (alarm.kind.word().to_owned(), alarm.text))
        .collect()
}

async fn is_sound(store: &Store, case: &str) {
    let found = store.verify(None, quiet()).await.unwrap();
    assert!(found.problems.is_empty(), "{case}: {:?}", found.problems);
    assert!(store.rebuild(quiet()).await.unwrap().is_empty(), "{case}");
}

#[tokio::test]
async fn a_sound_box_is_looked_at_without_a_word() {
    let bench = Bench::new();
    let (store, _) = box_with_charts(&bench).await;
    assert_eq!(store.checked_at().await.unwrap(), None);
    assert!(round(&store).await > 30);
    assert_eq!(kinds(&store).await, []);
    let ended = store.checked_at().await.unwrap();
    assert!(ended.is_some());
    drop(store);
    assert_eq!(bench.open().checked_at().await.unwrap(), ended);
}

#[tokio::test]
async fn a_torn_page_of_a_derived_table_or_an_index_is_made_again_alone_while_the_box_works() {
    let bench = Bench::new();
    let (mut store, path) = box_with_charts(&bench).await;
    for (name, told) in [
        ("patients", "patients"),
        ("charts", "charts"),
        ("patient_keys", "patient_keys"),
        ("patient_keys_by_document", "patient_keys"),
        ("log_by_document", "log_by_document"),
        ("log_by_position", "log_by_position"),
        ("link_queue_by_lane", "link_queue_by_lane"),
    ] {
        tear_page(&path, root_page(&path, name));
        // A record that is written while the page is torn and nobody knows.
        let between = new_doc(
            DocKind::Chart,
            vec![Edit::put(&["person", "phone"], "13700000000")],
        );
        let written = store.commit(commit(vec![between])).await;
        round(&store).await;
        assert_eq!(
            kinds(&store).await,
            [("rebuilt".to_owned(), told.to_owned())],
            "{name}"
        );
        assert!(!store.has_met_damage(), "{name}: the mark is taken away");
        is_sound(&store, name).await;
        let found = store.search_patients("示例7", 5).await.unwrap();
        assert_eq!(found.len(), 1, "{name}");
        let doc = new_doc(DocKind::Chart, vec![Edit::put(&["person", "name"], name)]);
        write(&store, doc).await;
        assert_eq!(store.search_patients(name, 5).await.unwrap().len(), 1);
        if let Ok(written) = written {
            let found = store.search_patients("13700000000", 50).await.unwrap();
            assert!(
                found.iter().any(|line| line.id.doc() == written.docs[0]),
                "{name}"
            );
        }
        store.clear_alarm(AlarmKind::Rebuilt).await.unwrap();
        // The next start makes the file anew without the torn pages, and has nothing to complain about.
        drop(store);
        store = bench.open();
        assert_eq!(kinds(&store).await, [], "{name}");
        assert_eq!(strict_check(&path), ["ok"], "{name}");
        is_sound(&store, name).await;
    }
}

/// What SQLite itself says of the file, unused pages included.
fn strict_check(path: &std::path::Path) -> Vec<String> {
    let sql = Connection::open(path).unwrap();
    let mut rows = sql.prepare("PRAGMA integrity_check").unwrap();
    let rows = rows.query_map([], |row| row.get(0)).unwrap();
    rows.collect::<crate::sql::Result<_>>().unwrap()
}

#[tokio::test]
async fn documents_that_changed_while_a_table_was_built_again_are_not_forgotten() {
    let bench = Bench::new();
    let (store, _) = box_with_charts(&bench).await;
    let doc = store.search_patients("示例9", 1).await.unwrap()[0].id.doc();
    // The build reads a few documents at a time; between two of its reads somebody changes a name.
    let (built, renamed) = tokio::join!(store.rebuild_alone("patient_keys".to_owned()), async {
        for n in 0..20 {
            let name = Edit::put(&["person", "phone"], format!("139000000{n:02}").as_str());
            write(&store, on(doc, vec![name])).await;
        }
    });
    built.unwrap();
    let () = renamed;
    is_sound(&store, "after the swap").await;
    assert_eq!(store.search_patients("13900000019", 5).await.unwrap().len(), 1);
}

#[tokio::test]
async fn a_derived_row_that_says_something_else_is_written_again() {
    let bench = Bench::new();
    let (store, path) = box_with_charts(&bench).await;
    let sql = Connection::open(&path).unwrap();
    sql.execute("UPDATE patients SET allergies = 'x' || allergies WHERE d = 7", [])
        .unwrap();
    sql.execute("DELETE FROM charts WHERE d = 9", []).unwrap();
    round(&store).await;
    assert_eq!(
        kinds(&store).await,
        [("rebuilt".to_owned(), "charts, patients".to_owned())]
    );
    is_sound(&store, "rows").await;
}

#[tokio::test]
async fn a_torn_page_of_the_log_is_told_within_a_round_and_saved_at_the_next_start() {
    let bench = Bench::new();
    let (store, path) = box_with_charts(&bench).await;
    let leaves = leaf_pages(&path, "log");
    tear_page(&path, leaves[leaves.len() / 2]);
    round(&store).await;
    assert_eq!(kinds(&store).await, [("suspect".to_owned(), "log".to_owned())]);
    assert!(store.has_met_damage());
    // Everything else goes on, and the next round says the same once.
    write(
        &store,
        new_doc(DocKind::Chart, vec![Edit::put(&["person", "name"], "后来")]),
    )
    .await;
    round(&store).await;
    assert_eq!(kinds(&store).await.len(), 1);
    drop(store);
    let store = bench.open();
    let kinds: Vec<String> = kinds(&store).await.into_iter().map(|(kind, _)| kind).collect();
    assert_eq!(kinds, ["suspect", "salvaged"]);
    is_sound_but_for_audit(&store).await;
    assert_eq!(store.search_patients("后来", 5).await.unwrap().len(), 1);
    // The next whole round takes the mark away.
    round(&store).await;
    assert!(!store.has_met_damage());
}

async fn is_sound_but_for_audit(store: &Store) {
    let found = store.verify(None, quiet()).await.unwrap();
    let mut problems = found.problems.iter();
    assert!(
        problems.all(|problem| problem.contains("audit entry")),
        "{:?}",
        found.problems
    );
}

#[tokio::test]
async fn a_change_whose_bytes_rotted_is_told_by_its_document() {
    let bench = Bench::new();
    let (store, path) = box_with_charts(&bench).await;
    let sql = Connection::open(&path).unwrap();
    let body: Vec<u8> = sql
        .query_row("SELECT body FROM log WHERE k = 40", [], |row| row.get(0))
        .unwrap();
    let mut rotten = body.clone();
    let middle = rotten.len() / 2;
    rotten[middle] ^= 4;
    sql.execute("UPDATE log SET body = ?1 WHERE k = 40", [&rotten])
        .unwrap();
    drop(sql);
    round(&store).await;
    let told = kinds(&store).await;
    assert_eq!((told.len(), told[0].0.as_str()), (1, "suspect"));
    drop(store);
    let store = bench.open();
    let told = kinds(&store).await;
    assert_eq!(told[1].0, "salvaged");
    assert!(
        told[1].1.ends_with("stretches 0, rows 1, documents 1"),
        "{told:?}"
    );
    is_sound(&store, "salvaged").await;
}

#[tokio::test]
async fn a_wasteful_file_is_made_anew_at_a_start() {
    let bench = Bench::new();
    let (store, path) = box_with_charts(&bench).await;
    let before = store.fingerprint().await.unwrap();
    drop(store);
    let sql = Connection::open(&path).unwrap();
    sql.execute_batch(
        "CREATE TABLE filling(x); INSERT INTO filling VALUES(zeroblob(32000000)); DROP TABLE filling",
    )
    .unwrap();
    drop(sql);
    let wasteful = fs::metadata(&path).unwrap().len();
    assert!(wasteful > 4_096 * PAGE as u64);
    let store = bench.open();
    assert!(fs::metadata(&path).unwrap().len() < wasteful / 4);
    assert_eq!(store.fingerprint().await.unwrap(), before);
    is_sound(&store, "compacted").await;
    assert!(!bench.folder.path().join("compact.work").exists());
}

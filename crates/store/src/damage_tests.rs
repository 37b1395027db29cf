//! Damaged files: found with a reason, set aside, repaired where the records can still be read, and never shown as
//! if they were whole.

use std::fs;
use std::path::{Path, PathBuf};

use records::ids::DocKind;
use records::time::WallTime;
use records::tree::Edit;

use crate::workbench::{Bench, leaf_pages, new_doc, on, random, root_page, tear_page, write};
use crate::{AlarmKind, By, OpenOptions, Side, Store};

/// Charts in the box that is damaged.
const CHARTS: usize = 60;
/// Random bytes of the file's damage: how many runs CI takes.
const SEEDS: u64 = 48;

fn quiet() -> crate::Progress {
    Box::new(|_, _| {})
}

/// A closed box with charts that were edited.
async fn closed_box() -> (Bench, PathBuf) {
    let bench = Bench::new();
    let store = bench.open();
    for n in 0..CHARTS {
        let named = Edit::put(&["person", "name"], format!("示例{n}").as_str());
        // What no compression shortens, so that the log takes some pages.
        let mut bytes = [0; 200];
        random(n as u64)(&mut bytes);
        let filling = Edit::put(&["ext", "filling"], hex::encode(bytes).as_str());
        let doc = write(&store, new_doc(DocKind::Chart, vec![named, filling]))
            .await
            .docs[0];
        let phone = Edit::put(&["person", "phone"], format!("138{n:08}").as_str());
        write(&store, on(doc, vec![phone])).await;
    }
    drop(store);
    let path = bench.folder.path().join("clinic.db");
    (bench, path)
}

fn options(bench: &Bench, seed: u64) -> OpenOptions {
    OpenOptions::new(Side::Box, bench.clock.clone(), random(seed))
}

#[tokio::test]
async fn a_torn_page_of_a_list_or_an_index_costs_no_record() {
    let (bench, path) = closed_box().await;
    for name in ["charts", "patient_keys", "log_by_document", "log_by_position"] {
        let page = root_page(&path, name);
        tear_page(&path, page);
        let bytes = fs::read(&path).unwrap();
        let store = bench.open();
        let alarms = store.alarms().await.unwrap();
        assert_eq!(alarms.len(), 1, "{name}");
        assert_eq!(alarms[0].kind, AlarmKind::Repaired, "{name}");
        assert_eq!(
            fs::read(&alarms[0].text).unwrap(),
            bytes,
            "{name}: the damaged file is kept"
        );
        let found = store.verify(None, quiet()).await.unwrap();
        assert_eq!(
            (found.problems.len(), found.changes),
            (0, 2 * CHARTS as u64),
            "{name}"
        );
        assert!(store.rebuild(quiet()).await.unwrap().is_empty(), "{name}");
        assert!(!bench.folder.path().join("salvage.work").exists());
        assert!(
            store
                .settle_alarm(By::System, AlarmKind::Repaired, WallTime::MAX)
                .await
                .unwrap()
        );
        drop(store);
        bench.clock.advance(std::time::Duration::from_secs(1));
    }
}

#[tokio::test]
async fn a_process_that_dies_while_it_repairs_loses_nothing() {
    let (bench, path) = closed_box().await;
    let work = bench.folder.path().join("salvage.work");
    // Before the damaged file is set aside, the copy does not count; afterwards it is the database.
    fs::create_dir(&work).unwrap();
    fs::write(work.join("clinic.db"), b"half a copy").unwrap();
    assert!(bench.open().alarms().await.unwrap().is_empty());
    assert!(!work.exists());
    fs::create_dir(&work).unwrap();
    fs::rename(&path, work.join("sound.db")).unwrap();
    let store = bench.open();
    assert_eq!(store.alarms().await.unwrap()[0].kind, AlarmKind::Repaired);
    let found = store.verify(None, quiet()).await.unwrap();
    assert_eq!((found.problems.len(), found.changes), (0, 2 * CHARTS as u64));
}

/// What a look at a damaged box came to.
#[derive(Debug, PartialEq)]
enum Came {
    Refused,
    SetAside,
    Salvaged,
    Repaired,
    Told,
    Unharmed,
}

async fn look(bench: &Bench, folder: &Path, seed: u64, fingerprint: &str) -> Came {
    let Ok(store) = Store::open(folder, options(bench, 1_000 + seed)) else {
        return Came::Refused;
    };
    match store.alarms().await {
        Ok(alarms) if alarms.iter().any(|alarm| alarm.kind == AlarmKind::Damaged) => return Came::SetAside,
        Ok(alarms) if alarms.iter().any(|alarm| alarm.kind == AlarmKind::Salvaged) => {
            is_whole_again(&store, seed).await;
            return Came::Salvaged;
        }
        Ok(_) => {}
        Err(_) => return Came::Told,
    }
    let repaired = store
        .alarms()
        .await
        .unwrap()
        .iter()
        .any(|alarm| alarm.kind == AlarmKind::Repaired);
    let Ok(found) = store.verify(None, quiet()).await else {
        return Came::Told;
    };
    if !found.problems.is_empty() {
        return Came::Told;
    }
    match store.rebuild(quiet()).await {
        Ok(differences) if differences.is_empty() => {}
        Ok(_) | Err(_) => return Came::Told,
    }
    assert_eq!(
        found.fingerprint.to_string(),
        fingerprint,
        "seed {seed}: other records, and nobody was told"
    );
    assert_eq!(found.changes, 2 * CHARTS as u64, "seed {seed}");
    if repaired { Came::Repaired } else { Came::Unharmed }
}

/// What was saved of a torn file holds by itself: nothing of it is half there.
async fn is_whole_again(store: &Store, seed: u64) {
    let found = store.verify(None, quiet()).await.unwrap();
    let mut problems = found.problems.iter();
    assert!(
        problems.all(|problem| problem.contains("audit entry")),
        "seed {seed}: {:?}",
        found.problems
    );
    assert!(store.rebuild(quiet()).await.unwrap().is_empty(), "seed {seed}");
}

#[tokio::test]
async fn a_torn_page_of_the_log_costs_only_what_stood_on_it() {
    let (bench, path) = closed_box().await;
    let leaves = leaf_pages(&path, "log");
    assert!(leaves.len() > 4, "{leaves:?}");
    // One in the middle, then the first of what is left, then the last.
    for (n, pick) in [2, 0, usize::MAX].into_iter().enumerate() {
        let leaves = leaf_pages(&path, "log");
        let before = fs::read(&path).unwrap();
        tear_page(&path, leaves[pick.min(leaves.len() - 1)]);
        let torn = fs::read(&path).unwrap();
        let store = bench.open();
        let alarm = store.alarms().await.unwrap().remove(0);
        assert_eq!(alarm.kind, AlarmKind::Salvaged, "{n}: {alarm:?}");
        let aside = alarm.text.split(" · ").next().unwrap();
        assert_eq!(fs::read(aside).unwrap(), torn, "{n}: the damaged file is kept");
        is_whole_again(&store, n as u64).await;
        let found = store.verify(None, quiet()).await.unwrap();
        assert!(found.changes > 0 && before.len() > found.changes as usize, "{n}");
        let lost = CHARTS as u64 - found.patients;
        assert!(
            lost <= 60 * (n as u64 + 1) / 3 && found.patients > 15,
            "{n}: {found:?}"
        );
        // Chart names can be searched, new ones written.
        write(&store, new_doc(DocKind::Chart, vec![])).await;
        store.clear_alarm(AlarmKind::Salvaged).await.unwrap();
        drop(store);
        bench.clock.advance(std::time::Duration::from_secs(1));
    }
}

#[tokio::test]
async fn flipped_bits_are_found_or_do_no_harm() {
    let (bench, path) = closed_box().await;
    let whole = fs::read(&path).unwrap();
    let fingerprint = bench.open().fingerprint().await.unwrap().to_string();
    let mut came = Vec::new();
    for seed in 0..SEEDS {
        let folder = tempfile::tempdir().unwrap();
        fs::copy(
            bench.folder.path().join("device.key"),
            folder.path().join("device.key"),
        )
        .unwrap();
        let mut bytes = whole.clone();
        let mut random = random(seed);
        for _ in 0..[1, 3, 30, 1_000][seed as usize % 4] {
            let mut place = [0; 8];
            random(&mut place);
            let bit = u64::from_le_bytes(place) as usize % (bytes.len() * 8);
            bytes[bit / 8] ^= 1 << (bit % 8);
        }
        fs::write(folder.path().join("clinic.db"), &bytes).unwrap();
        let outcome = look(&bench, folder.path(), seed, &fingerprint).await;
        if seed % 4 == 3 {
            assert_ne!(outcome, Came::Unharmed, "seed {seed}: a thousand flipped bits");
        }
        came.push(outcome);
    }
    assert!(came.contains(&Came::Salvaged), "{came:?}");
}

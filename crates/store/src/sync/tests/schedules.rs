//! Boxes that are restored, cloned (also with the same random numbers), restarted and cut in any order: nothing is
//! lost, nothing wedges, and both sides end alike.

use std::collections::BTreeSet;

use proptest::prelude::*;

use super::restores::copy;
use super::*;
use crate::AlarmKind;

/// How many schedules are run; `CLINIC_SCHEDULES` asks for more.
fn cases() -> u32 {
    let asked = std::env::var("CLINIC_SCHEDULES").ok();
    asked.and_then(|count| count.parse().ok()).unwrap_or(12)
}

struct Machine {
    end: End,
    /// Marks that were written here or came from here: what must never be lost.
    wrote: BTreeSet<String>,
    charts: Vec<DocId>,
}

/// Another run of the program on these files; `same` draws the random numbers of a machine that runs.
fn open(folder: TempDir, seed: u64) -> End {
    let clock = Arc::new(HandClock(AtomicI64::new(1000)));
    End {
        store: End::open(&folder, &clock, Side::Box, seed, Place::default()),
        clock,
        seed,
        folder,
        place: Place::default(),
    }
}

/// The files of a machine as they are at this moment, as a copied card has them.
fn snapshot(machine: &Machine) -> TempDir {
    copy(machine.end.folder.path())
}

async fn mark(machine: &mut Machine, n: usize) {
    let mark = format!("m{n}");
    if n.is_multiple_of(3) || machine.charts.is_empty() {
        machine.charts.push(chart(&machine.end, "0017", &mark).await);
    } else {
        let doc = machine.charts[n % machine.charts.len()];
        let known = machine.end.store.chart(doc.patient().unwrap()).await.unwrap();
        if known.is_some() {
            edit(&machine.end, doc, vec![Edit::put(&["ext", &mark], n as i64)]).await;
        } else {
            machine.charts.push(chart(&machine.end, "0017", &mark).await);
        }
    }
    machine.wrote.insert(mark);
}

/// Every mark that stands in a record, as a name or as a field.
async fn marks(end: &End) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    for line in end.store.patients_page(None, 10_000).await.unwrap() {
        found.insert(line.name.clone());
        let tree = end.store.chart_tree(line.id).await.unwrap().unwrap().value;
        if let Some(records::tree::Node::Map(fields)) = tree.at(&["ext"]) {
            found.extend(fields.keys().cloned());
        }
    }
    found
}

async fn run(on: Engine, steps: Vec<(u8, u8, u16)>) {
    let hub = hub(on).await;
    let first = boxed(&hub, 800, "0017").await;
    let mut machines = vec![Machine {
        end: first,
        wrote: BTreeSet::new(),
        charts: Vec::new(),
    }];
    let mut old: Option<(TempDir, BTreeSet<String>, Vec<DocId>)> = None;
    for (n, (what, which, amount)) in steps.into_iter().enumerate() {
        let at = usize::from(which) % machines.len();
        match what % 10 {
            0..=3 => mark(&mut machines[at], n).await,
            4..=6 => {
                let most = usize::from(amount) * 4 + 1;
                let sent = exchange(&machines[at].end.store, &hub.store, most).await;
                assert!(sent.is_ok(), "{sent:?}");
            }
            7 => {
                let machine = machines.remove(at);
                let folder = snapshot(&machine);
                let Machine { end, wrote, charts } = machine;
                drop(end);
                machines.push(Machine {
                    end: open(folder, 900 + n as u64),
                    wrote,
                    charts,
                });
            }
            8 if machines.len() < 3 => {
                // Every second clone draws the very same random numbers.
                let machine = machines.remove(at);
                let (one, two) = (snapshot(&machine), snapshot(&machine));
                let Machine { end, wrote, charts } = machine;
                drop(end);
                let seed = 900 + n as u64;
                for (folder, seed) in [(one, seed), (two, seed + u64::from(amount % 2) * 5000)] {
                    machines.push(Machine {
                        end: open(folder, seed),
                        wrote: wrote.clone(),
                        charts: charts.clone(),
                    });
                }
            }
            8 => {
                old = Some((
                    snapshot(&machines[at]),
                    machines[at].wrote.clone(),
                    machines[at].charts.clone(),
                ));
            }
            _ => {
                // An old image is put back; what was at the hub comes back, what was nowhere else is gone with it.
                if let Some((folder, wrote, charts)) = old.take() {
                    machines[at] = Machine {
                        end: open(folder, 900 + n as u64),
                        wrote,
                        charts,
                    };
                }
            }
        }
    }
    let mut expected = marks(&hub).await;
    for machine in &machines {
        expected.extend(machine.wrote.iter().cloned());
    }
    for _ in 0..4 {
        for machine in &machines {
            sync(&machine.end, &hub).await;
        }
    }
    let at_hub = marks(&hub).await;
    assert!(
        at_hub.is_superset(&expected),
        "lost: {:?}",
        expected.difference(&at_hub)
    );
    for machine in &machines {
        equal(&machine.end, &hub, "0017").await;
        let status = machine.end.store.link_status().await.unwrap();
        assert_eq!((status.pending, status.parked), (0, 0));
        assert_eq!(sync(&machine.end, &hub).await.round_trips, 1);
        let alarms = machine.end.store.alarms().await.unwrap();
        assert!(
            alarms.iter().all(|alarm| alarm.kind == AlarmKind::SessionSpoiled),
            "{alarms:?}"
        );
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(cases()))]
    #[test]
    fn restores_and_clones_lose_nothing_and_wedge_nothing(
        steps in prop::collection::vec((any::<u8>(), any::<u8>(), any::<u16>()), 4..24),
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(run(Engine::Sqlite, steps));
    }
}

async fn a_session_that_comes_back_after_another_one_alarms_and_a_restart_does_not(on: Engine) {
    let hub = hub(on).await;
    let mut end = boxed(&hub, 850, "0017").await;
    for _ in 0..3 {
        sync(&end, &hub).await;
        sync(&end, &hub).await;
        end = end.restart(Side::Box);
    }
    assert!(hub.store.alarms().await.unwrap().is_empty());
    let machine = Machine {
        end,
        wrote: BTreeSet::new(),
        charts: Vec::new(),
    };
    let twin = open(snapshot(&machine), 860);
    sync(&machine.end, &hub).await;
    sync(&twin, &hub).await;
    assert!(
        hub.store.alarms().await.unwrap().is_empty(),
        "it may have been restarted"
    );
    sync(&machine.end, &hub).await;
    let alarms = hub.store.alarms().await.unwrap();
    assert_eq!(alarms.len(), 1);
    assert_eq!(alarms[0].kind, AlarmKind::Clone);
    for part in [
        machine.end.store.device().to_string(),
        machine.end.store.session().to_string(),
        twin.store.session().to_string(),
    ] {
        assert!(alarms[0].text.contains(&part));
    }
}

async fn an_audit_chain_that_two_machines_wrote_is_told_apart(on: Engine) {
    // The second machine's next entry has the right number and another past.
    let steps = [
        (0, 0, 0),
        (0, 0, 0),
        (0, 0, 0),
        (0, 0, 0),
        (78, 0, 11676),
        (149, 0, 0),
        (10, 65, 0),
        (140, 36, 0),
        (94, 43, 321),
        (200, 30, 0),
        (27, 0, 0),
        (24, 0, 0),
    ];
    run(on, steps.to_vec()).await;
}

async fn twins_that_created_documents_under_the_same_ids_keep_them_all(on: Engine) {
    let steps = [
        (158, 0, 15194),
        (110, 30, 0),
        (10, 103, 0),
        (200, 56, 0),
        (217, 32, 0),
        (64, 72, 168),
        (50, 86, 0),
        (144, 223, 191),
    ];
    run(on, steps.to_vec()).await;
}

on_both_engines! {
    a_session_that_comes_back_after_another_one_alarms_and_a_restart_does_not,
    an_audit_chain_that_two_machines_wrote_is_told_apart,
    twins_that_created_documents_under_the_same_ids_keep_them_all,
}

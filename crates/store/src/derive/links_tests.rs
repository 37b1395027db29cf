//! Links between charts: what counts as one person, and that a rebuild comes out equal.

use records::ids::{DocKind, PatientId, StaffId};
use records::links::{LinkState, Say};
use records::patients::{AllergyAnswer, AllergyBadge, NewAllergy, NewPatient};
use records::time::{ClockSource, Stamp, WallTime};

use crate::workbench::{Bench, new_doc, on, write};
use crate::{SameBy, Store};

const DOCTOR: StaffId = StaffId([7; 8]);
/// Right by its check character.
const NUMBER: &str = "350426194803159992";

fn stamp(ms: i64) -> Stamp {
    Stamp {
        at: WallTime(1_760_000_000_000 + ms),
        source: ClockSource::Hub,
    }
}

async fn register(store: &Store, name: &str, number: &str) -> PatientId {
    let person = NewPatient {
        name: name.into(),
        id_number: number.into(),
        ..NewPatient::default()
    };
    let edits = person.edits(Some(DOCTOR), stamp(0), &mut || store.fresh());
    let done = write(store, new_doc(DocKind::Chart, edits)).await;
    done.docs[0].patient().unwrap()
}

async fn say(store: &Store, charts: [PatientId; 2], state: LinkState, ms: i64) {
    let say = Say {
        state,
        reason: "当面核对".into(),
    };
    let known = store.link_of(charts).await.unwrap();
    let new = known.is_none().then_some(charts);
    let edits = say.edits(new, DOCTOR, stamp(ms), &mut || store.fresh());
    match known {
        Some((doc, _)) => write(store, on(doc, edits)).await,
        None => write(store, new_doc(DocKind::Link, edits)).await,
    };
}

async fn others(store: &Store, patient: PatientId) -> Vec<(PatientId, SameBy)> {
    let found = store.other_charts(patient).await.unwrap();
    found.into_iter().map(|other| (other.id, other.by)).collect()
}

#[tokio::test]
async fn charts_with_one_checked_number_are_one_person_until_somebody_decides() {
    let bench = Bench::new();
    let store = bench.open();
    assert!(records::identity::ResidentIdNumber::parse(NUMBER).is_ok());
    let a = register(&store, "王秀英", NUMBER).await;
    let b = register(&store, "王秀瑛", NUMBER).await;
    let spoilt = "350426194803159991";
    let c = register(&store, "张三", spoilt).await;
    let d = register(&store, "李四", spoilt).await;
    assert_eq!(others(&store, a).await, [(b, SameBy::IdNumber)]);
    assert_eq!(others(&store, b).await, [(a, SameBy::IdNumber)]);
    // A number that fails its check stands for nobody.
    assert_eq!(
        (others(&store, c).await, others(&store, d).await),
        (vec![], vec![])
    );
    let open = store.open_links(10).await.unwrap();
    assert_eq!((open.len(), open[0].by), (1, SameBy::IdNumber));

    say(&store, [a, b], LinkState::Apart, 1_000).await;
    assert_eq!(others(&store, a).await, []);
    assert!(store.open_links(10).await.unwrap().is_empty());
    say(&store, [a, b], LinkState::Same, 2_000).await;
    assert_eq!(others(&store, b).await, [(a, SameBy::Decision)]);
    say(&store, [c, d], LinkState::Proposed, 3_000).await;
    assert_eq!(others(&store, c).await, [(d, SameBy::Proposal)]);
    assert_eq!(store.open_links(10).await.unwrap()[0].by, SameBy::Proposal);
    assert!(store.rebuild(Box::new(|_, _| {})).await.unwrap().is_empty());
}

#[tokio::test]
async fn one_person_s_charts_reach_each_other_and_what_is_apart_stays_apart() {
    let bench = Bench::new();
    let store = bench.open();
    let mut charts = Vec::new();
    for name in ["甲", "乙", "丙"] {
        charts.push(register(&store, name, "").await);
    }
    let [a, b, c] = charts[..] else { unreachable!() };
    say(&store, [a, b], LinkState::Same, 1_000).await;
    say(&store, [b, c], LinkState::Same, 2_000).await;
    let found = others(&store, a).await;
    assert!(found.contains(&(b, SameBy::Decision)) && found.contains(&(c, SameBy::Decision)));
    say(&store, [a, c], LinkState::Apart, 3_000).await;
    assert_eq!(others(&store, a).await, [(b, SameBy::Decision)]);
    // Taken back, and rebuilt equal.
    say(&store, [a, b], LinkState::Apart, 4_000).await;
    assert_eq!(others(&store, a).await, []);
    let (_, link) = store.link_of([b, a]).await.unwrap().unwrap();
    assert_eq!(link.value.said.len(), 2);
    assert!(store.rebuild(Box::new(|_, _| {})).await.unwrap().is_empty());
}

#[tokio::test]
async fn lists_count_what_every_chart_of_a_person_says_of_allergies() {
    let bench = Bench::new();
    let store = bench.open();
    let a = register(&store, "王秀英", NUMBER).await;
    let badge = async |patient| store.patient_line(patient).await.unwrap().unwrap().allergies;
    assert_eq!(badge(a).await, AllergyBadge::NotAsked);
    let allergic = NewPatient {
        name: "王秀瑛".into(),
        allergies: AllergyAnswer::Known(vec![NewAllergy {
            agent: "青霉素".into(),
            ..NewAllergy::default()
        }]),
        ..NewPatient::default()
    };
    let edits = allergic.edits(Some(DOCTOR), stamp(0), &mut || store.fresh());
    let b = write(&store, new_doc(DocKind::Chart, edits)).await.docs[0]
        .patient()
        .unwrap();
    say(&store, [a, b], LinkState::Proposed, 1_000).await;
    assert_eq!(
        badge(a).await,
        AllergyBadge::NotAsked,
        "a proposal is no fact yet"
    );
    say(&store, [a, b], LinkState::Same, 2_000).await;
    assert_eq!(badge(a).await, AllergyBadge::Known);
    let found = store.search_patients("王秀英", 5).await.unwrap();
    let page = store.patients_page(None, 5).await.unwrap();
    for lines in [found, page] {
        let line = lines.iter().find(|line| line.id == a).unwrap();
        assert_eq!(line.allergies, AllergyBadge::Known);
    }
    say(&store, [a, b], LinkState::Apart, 3_000).await;
    assert_eq!(badge(a).await, AllergyBadge::NotAsked);
}

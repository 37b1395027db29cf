//! Derived tables follow their documents, whatever was written and in whatever order it came.

use proptest::prelude::*;
use records::encounters::{Triage, VisitForm, open_visit, sign};
use records::ids::{EncounterId, FormId, ObservationId, PatientId, StaffId};
use records::patients::{AllergyAnswer, AllergyBadge, ChartCommand, NewAllergy, NewPatient};
use records::staff::{Role, StaffMember, StaffState};
use records::time::{ClockSource, Stamp, WallTime};
use records::units::MmHg;
use records::vitals::{
    Measured, Observation, Origin, VitalKind, Withdrawal, add_observation, withdraw_observation,
};
use sync_core::document::Heads;

use crate::workbench::{Bench, START, clinic, commit, new_doc, on, write};
use crate::*;
use records::ids::DocKind;

const DOCTOR: StaffId = StaffId([7; 8]);

fn stamp(ms: i64) -> Stamp {
    Stamp {
        at: WallTime(START + ms),
        source: ClockSource::Hub,
    }
}

fn person(name: &str, id_number: &str, phone: &str) -> NewPatient {
    NewPatient {
        name: name.into(),
        id_number: id_number.into(),
        phone: phone.into(),
        ..NewPatient::default()
    }
}

async fn register(store: &Store, person: &NewPatient) -> PatientId {
    let edits = person.edits(Some(DOCTOR), stamp(0), &mut || store.fresh());
    let done = write(store, new_doc(DocKind::Chart, edits)).await;
    done.docs[0].patient().unwrap()
}

async fn visit(store: &Store, patient: PatientId, ms: i64) -> EncounterId {
    let edits = open_visit(patient, &clinic(), DOCTOR, "李医生", stamp(ms));
    write(store, new_doc(DocKind::Encounter, edits)).await.docs[0]
        .encounter()
        .unwrap()
}

fn pressure(id: u8, systolic: i64) -> Observation {
    Observation {
        id: ObservationId([id; 8]),
        measured: Measured::BloodPressure {
            systolic: MmHg::new(systolic).unwrap(),
            diastolic: MmHg::new(80).unwrap(),
            pulse: None,
        },
        taken: stamp(i64::from(id)),
        origin: Origin::Typed,
        by: Some(DOCTOR),
        marks: Vec::new(),
        withdrawn: None,
    }
}

async fn found(store: &Store, query: &str) -> Vec<String> {
    let lines = store.search_patients(query, 20).await.unwrap();
    lines.into_iter().map(|line| line.name).collect()
}

async fn rebuilt_equal(store: &Store) {
    let differences = store.rebuild(Box::new(|_, _| {})).await.unwrap();
    assert_eq!(differences, []);
    let checked = store.verify(None, Box::new(|_, _| {})).await.unwrap();
    assert_eq!(checked.problems, Vec::<String>::new());
    assert_eq!(checked.fingerprint, store.fingerprint().await.unwrap());
}

#[tokio::test]
async fn a_person_is_found_by_every_way_to_type_them() {
    let bench = Bench::new();
    let store = bench.open();
    register(&store, &person("王秀英", "11010519491231002X", "13800001234")).await;
    register(&store, &person("吕小兰", "", "")).await;
    register(&store, &person("古丽·示例", "", "")).await;
    register(&store, &person("单田芳", "", "13912345678")).await;
    for query in [
        "王秀英",
        "秀英",
        "英",
        "王",
        "wangxiuying",
        "wangxiu",
        "xiuying",
        "ying",
        "wxy",
        "xy",
        "WXY",
        "wang xiu ying",
        "11010519491231002x",
        "11010519491231002X",
        "002x",
        "13800001234",
        "138 0000 1234",
        "1234",
        "19491231",
        "1949-12-31",
        "王 1949",
        "１３８００００１２３４",
    ] {
        assert_eq!(found(&store, query).await, ["王秀英"], "{query}");
    }
    for query in [
        "lvxl",
        "luxl",
        "lyuxiaolan",
        "lǚxiaolan",
        "lvxiaolan",
        "吕",
        "小兰",
    ] {
        assert_eq!(found(&store, query).await, ["吕小兰"], "{query}");
    }
    for query in [
        "古丽·示例",
        "古丽‧示例",
        "古丽•示例",
        "古丽・示例",
        "古丽．示例",
        "古丽示例",
        "示例",
    ] {
        assert_eq!(found(&store, query).await, ["古丽·示例"], "{query}");
    }
    for query in ["shantianfang", "dantianfang", "stf", "dtf"] {
        assert_eq!(found(&store, query).await, ["单田芳"], "{query}");
    }
    for query in ["", "  ", "%", "_", "王*", "zz", "'", "王 1950", "\u{10ffff}"] {
        assert!(found(&store, query).await.is_empty(), "{query}");
    }
}

#[tokio::test]
async fn a_changed_name_is_found_and_the_old_one_is_not() {
    let bench = Bench::new();
    let store = bench.open();
    let patient = register(&store, &person("王秀英", "", "13800001234")).await;
    let chart = store.chart(patient).await.unwrap().unwrap();
    let rename = ChartCommand::SetName("李桂花".into());
    let edits = rename
        .edits(&chart.value, DOCTOR, stamp(1), &mut || store.fresh())
        .unwrap();
    write(&store, on(patient.doc(), edits)).await;
    assert!(found(&store, "王秀英").await.is_empty());
    assert_eq!(found(&store, "lgh").await, ["李桂花"]);
    // Two names at once: both find the person until somebody chooses.
    let base = Some(chart.heads);
    let late = ChartCommand::SetName("王绣英".into());
    let edits = late
        .edits(&chart.value, DOCTOR, stamp(2), &mut || store.fresh())
        .unwrap();
    let write_late = Write {
        target: Target::Existing(patient.doc()),
        base,
        edits,
    };
    store.commit(commit(vec![write_late])).await.unwrap();
    for query in ["李桂花", "王绣英"] {
        assert_eq!(store.search_patients(query, 5).await.unwrap()[0].id, patient);
    }
    assert!(store.patient_line(patient).await.unwrap().unwrap().clash);
    assert_eq!(store.clashing_count().await.unwrap(), 1);
    assert_eq!(store.clashing(5).await.unwrap()[0].id, patient);
    rebuilt_equal(&store).await;
}

#[tokio::test]
async fn namesakes_are_told_apart_and_equal_numbers_found() {
    let bench = Bench::new();
    let store = bench.open();
    let number = "11010519491231002X";
    let first = register(&store, &person("王秀英", number, "")).await;
    let second = register(&store, &person("王秀英", number, "")).await;
    let third = register(&store, &person("王秀英", "", "")).await;
    let mut same = store.patients_with_id_number(number).await.unwrap();
    same.sort();
    let mut expected = vec![first, second];
    expected.sort();
    assert_eq!(same, expected);
    // Who was here last comes first.
    visit(&store, third, 5).await;
    assert_eq!(store.search_patients("王秀英", 5).await.unwrap()[0].id, third);
    let all = store.patients_page(None, 2).await.unwrap();
    let rest = store.patients_page(Some(all[1].id), 2).await.unwrap();
    assert_eq!((all.len(), rest.len()), (2, 1));
    assert_eq!(store.patients_count().await.unwrap(), 3);
}

#[tokio::test]
async fn the_four_states_of_the_allergy_line_reach_the_lists() {
    let bench = Bench::new();
    let store = bench.open();
    let known = AllergyAnswer::Known(vec![NewAllergy {
        agent: "青霉素".into(),
        ..NewAllergy::default()
    }]);
    for (answer, badge) in [
        (AllergyAnswer::NotAsked, AllergyBadge::NotAsked),
        (AllergyAnswer::NoneKnown, AllergyBadge::NoneKnown),
        (known, AllergyBadge::Known),
    ] {
        let patient = register(
            &store,
            &NewPatient {
                allergies: answer,
                ..person("王秀英", "", "")
            },
        )
        .await;
        assert_eq!(
            store.patient_line(patient).await.unwrap().unwrap().allergies,
            badge
        );
    }
}

#[tokio::test]
async fn a_visit_is_listed_written_signed_and_frozen() {
    let bench = Bench::new();
    let store = bench.open();
    let patient = register(&store, &person("王秀英", "", "")).await;
    let id = visit(&store, patient, 5).await;
    let day = stamp(0).at.china_date();
    assert_eq!(store.open_encounter_of(patient, day).await.unwrap(), Some(id));
    let shown = store.encounter(id).await.unwrap().unwrap();
    let form = VisitForm {
        triage: Some(Triage {
            level: 4,
            reason: "咳嗽".into(),
        }),
        complaint: "咳嗽3天".into(),
        ..VisitForm::default()
    };
    let edits = form
        .edits_against(&shown.value, DOCTOR, stamp(6), &mut || store.fresh())
        .unwrap();
    write(&store, on(id.doc(), edits)).await;
    let saved = store.encounter(id).await.unwrap().unwrap();
    let edits = sign(&saved.value, DOCTOR, "李医生", stamp(7), FormId([9; 16])).unwrap();
    write(&store, on(id.doc(), edits)).await;
    assert_eq!(store.open_encounter_of(patient, day).await.unwrap(), None);
    // A form that was opened before the signature arrives late: the signed text stands, the late one is shown.
    let late = VisitForm {
        complaint: "咳嗽5天".into(),
        ..form
    };
    let edits = late
        .edits_against(&shown.value, DOCTOR, stamp(8), &mut || store.fresh())
        .unwrap();
    let late = Write {
        target: Target::Existing(id.doc()),
        base: Some(saved.heads.clone()),
        edits,
    };
    store.commit(commit(vec![late])).await.unwrap();
    let read = store.encounter(id).await.unwrap().unwrap().value;
    assert_eq!(read.complaint, "咳嗽3天");
    assert!(
        read.late
            .iter()
            .any(|late| late.value.as_text() == Some("咳嗽5天"))
    );
    let line = &store.visits_of(patient, 5).await.unwrap()[0];
    assert_eq!((line.state, line.complaint.as_str()), ("signed", "咳嗽3天"));
    let today = store.today(day).await.unwrap();
    assert_eq!(today[0].visit.id, id);
    assert_eq!(today[0].patient.as_ref().unwrap().name, "王秀英");
    assert!(store.encounter_at(id, &saved.heads).await.unwrap().is_some());
    assert!(
        store
            .encounter_at(id, &Heads::new([[1; 32]]))
            .await
            .unwrap()
            .is_none()
    );
    rebuilt_equal(&store).await;
}

#[tokio::test]
async fn a_visit_whose_chart_has_not_arrived_is_listed_without_a_name() {
    let bench = Bench::new();
    let store = bench.open();
    visit(&store, PatientId([1; 16]), 5).await;
    let today = store.today(stamp(0).at.china_date()).await.unwrap();
    assert_eq!((today.len(), &today[0].patient), (1, &None));
}

#[tokio::test]
async fn readings_of_visits_and_series_come_together_newest_first() {
    let bench = Bench::new();
    let store = bench.open();
    let patient = register(&store, &person("王秀英", "", "")).await;
    let id = visit(&store, patient, 5).await;
    write(&store, on(id.doc(), add_observation(&pressure(1, 120)))).await;
    let series = |edits| Write {
        target: Target::Series {
            patient,
            month: "2025-10".into(),
            owner: clinic(),
        },
        base: None,
        edits,
    };
    let first = write(&store, series(add_observation(&pressure(2, 130)))).await;
    let second = write(&store, series(add_observation(&pressure(3, 140)))).await;
    assert_eq!(first.docs, second.docs);
    let withdrawal = Withdrawal {
        by: Some(DOCTOR),
        at: stamp(9),
        reason: "wrong_person".into(),
    };
    write(
        &store,
        on(
            first.docs[0],
            withdraw_observation(ObservationId([3; 8]), &withdrawal),
        ),
    )
    .await;
    let lines = store
        .observations_of(patient, Some(VitalKind::BloodPressure), 10)
        .await
        .unwrap();
    let ids: Vec<u8> = lines.iter().map(|line| line.observation.id.0[0]).collect();
    assert_eq!(ids, [3, 2, 1]);
    assert_eq!(lines[0].observation.withdrawn, Some(withdrawal));
    assert_eq!(lines[1].observation, pressure(2, 130));
    assert_eq!(lines[2].doc, id.doc());
    assert!(
        store
            .observations_of(patient, Some(VitalKind::Temperature), 10)
            .await
            .unwrap()
            .is_empty()
    );
    assert_eq!(store.observations_of(patient, None, 2).await.unwrap().len(), 2);
    rebuilt_equal(&store).await;
}

#[tokio::test]
async fn the_clinic_document_gives_staff_and_name() {
    let bench = Bench::new();
    let store = bench.open();
    assert_eq!(store.clinic_document().await.unwrap(), None);
    store.set_clinic(&clinic()).await.unwrap();
    let member = StaffMember {
        id: DOCTOR,
        name: "李医生".into(),
        login: "li".into(),
        roles: vec![Role::VillageDoctor],
        state: StaffState::Active,
        password_hash: String::new(),
        pin_hash: String::new(),
        clinic: Some(clinic()),
        must_change: false,
    };
    let doc = write(&store, new_doc(DocKind::Clinic, member.edits())).await.docs[0];
    assert_eq!(store.clinic_document().await.unwrap(), Some(doc));
    assert_eq!(
        store.clinic_record().await.unwrap().unwrap().value.staff,
        std::slice::from_ref(&member)
    );
    assert_eq!(store.staff().await.unwrap(), std::slice::from_ref(&member));
    // The roster wins by id.
    let renamed = StaffMember {
        name: "李主任".into(),
        ..member
    };
    store.put_roster(vec![renamed.clone()], true).await.unwrap();
    assert_eq!(store.staff().await.unwrap(), [renamed]);
    assert!(store.in_roster(DOCTOR).await.unwrap());
    store.put_roster(Vec::new(), true).await.unwrap();
    assert_eq!(store.staff().await.unwrap()[0].name, "李医生");
    rebuilt_equal(&store).await;
}

#[tokio::test]
async fn a_spoilt_derived_row_is_found_and_built_again() {
    let bench = Bench::new();
    let store = bench.open();
    let patient = register(&store, &person("王秀英", "", "")).await;
    let other = register(&store, &person("李桂花", "", "")).await;
    store
        .write(move |tx| {
            tx.sql.execute(
                "UPDATE patients SET name = 'x' WHERE id = ?1",
                [patient.as_bytes()],
            )?;
            tx.sql.execute("DELETE FROM patient_keys WHERE key = 'lgh'", [])?;
            Ok::<_, StoreError>(())
        })
        .await
        .unwrap();
    let differences = store.rebuild(Box::new(|_, _| {})).await.unwrap();
    let tables: Vec<(&str, bool)> = differences
        .iter()
        .map(|found| (found.table.as_str(), found.only_in_use))
        .collect();
    assert_eq!(
        tables,
        [("patients", true), ("patients", false), ("patient_keys", false)]
    );
    assert_eq!(differences[0].document, Some(patient.doc()));
    assert_eq!(differences[2].document, Some(other.doc()));
    store.replace_derived().await.unwrap();
    rebuilt_equal(&store).await;
}

#[tokio::test]
async fn damage_to_a_document_row_or_blob_is_a_problem() {
    let bench = Bench::new();
    let store = bench.open();
    let patient = register(&store, &person("王秀英", "", "")).await;
    store.put_blob(vec![1, 2, 3]).await.unwrap();
    rebuilt_equal(&store).await;
    for (spoil, problems) in [
        ("UPDATE documents SET heads = zeroblob(32)", 1),
        (
            "UPDATE totals SET value = zeroblob(32) WHERE name = 'fingerprint'",
            2,
        ),
        ("UPDATE blobs SET body = x'0000'", 3),
        ("UPDATE log SET body = x'00'", 2),
        ("UPDATE log SET seq = 5", 3),
    ] {
        store
            .write(move |tx| Ok::<_, StoreError>(tx.sql.execute(spoil, [])?))
            .await
            .unwrap();
        let found = store.verify(None, Box::new(|_, _| {})).await.unwrap();
        assert_eq!(found.problems.len(), problems, "{spoil}: {:?}", found.problems);
    }
    let read = store.chart_at(patient, &Heads::new([[1; 32]])).await;
    assert!(
        matches!(read, Err(StoreError::Unreadable("change"))),
        "a rotten change is never shown"
    );
}

/// A step of a random day at a clinic.
#[derive(Debug, Clone)]
enum Deed {
    Register(u8),
    Phone(usize, u8, bool),
    Visit(usize),
    Complaint(usize, u8, bool),
    Measure(usize, u8, i64),
    Withdraw(usize, u8),
    Series(usize, u8),
}

fn any_deed() -> impl Strategy<Value = Deed> {
    prop_oneof![
        any::<u8>().prop_map(Deed::Register),
        (any::<usize>(), any::<u8>(), any::<bool>()).prop_map(|(at, x, stale)| Deed::Phone(at, x, stale)),
        any::<usize>().prop_map(Deed::Visit),
        (any::<usize>(), any::<u8>(), any::<bool>()).prop_map(|(at, x, stale)| Deed::Complaint(at, x, stale)),
        (any::<usize>(), 0..4u8, 90..200i64).prop_map(|(at, id, value)| Deed::Measure(at, id, value)),
        (any::<usize>(), 0..4u8).prop_map(|(at, id)| Deed::Withdraw(at, id)),
        (any::<usize>(), 0..4u8).prop_map(|(at, id)| Deed::Series(at, id)),
    ]
}

struct Day {
    store: Store,
    charts: Vec<(PatientId, Heads)>,
    visits: Vec<(EncounterId, Heads)>,
}

impl Day {
    async fn live(&mut self, deed: Deed) {
        use records::tree::Edit;
        let names = ["王秀英", "李桂花", "古丽·示例", "单田芳"];
        match deed {
            Deed::Register(x) => {
                let person = person(names[usize::from(x) % 4], "", &format!("138{x:08}"));
                let edits = person.edits(None, stamp(0), &mut || self.store.fresh());
                let done = write(&self.store, new_doc(DocKind::Chart, edits)).await;
                self.charts
                    .push((done.docs[0].patient().unwrap(), done.heads[0].clone()));
            }
            Deed::Phone(at, x, stale) if !self.charts.is_empty() => {
                let (patient, base) = self.charts[at % self.charts.len()].clone();
                let edits = vec![Edit::put(&["person", "phone"], format!("139{x:08}"))];
                let base = stale.then_some(base);
                let target = Target::Existing(patient.doc());
                self.store
                    .commit(commit(vec![Write { target, base, edits }]))
                    .await
                    .unwrap();
            }
            Deed::Visit(at) if !self.charts.is_empty() => {
                let patient = self.charts[at % self.charts.len()].0;
                let edits = open_visit(patient, &clinic(), DOCTOR, "李医生", stamp(at as i64 % 1000));
                let done = write(&self.store, new_doc(DocKind::Encounter, edits)).await;
                self.visits
                    .push((done.docs[0].encounter().unwrap(), done.heads[0].clone()));
            }
            Deed::Complaint(at, x, stale) if !self.visits.is_empty() => {
                let (visit, base) = self.visits[at % self.visits.len()].clone();
                let edits = vec![Edit::put(&["note", "complaint"], format!("咳嗽{x}天"))];
                let base = stale.then_some(base);
                let target = Target::Existing(visit.doc());
                self.store
                    .commit(commit(vec![Write { target, base, edits }]))
                    .await
                    .unwrap();
            }
            Deed::Measure(at, id, value) if !self.visits.is_empty() => {
                let visit = self.visits[at % self.visits.len()].0;
                write(
                    &self.store,
                    on(visit.doc(), add_observation(&pressure(id, value))),
                )
                .await;
            }
            Deed::Withdraw(at, id) if !self.visits.is_empty() => {
                let visit = self.visits[at % self.visits.len()].0;
                let withdrawal = Withdrawal {
                    by: None,
                    at: stamp(1),
                    reason: "x".into(),
                };
                let edits = withdraw_observation(ObservationId([id; 8]), &withdrawal);
                write(&self.store, on(visit.doc(), edits)).await;
            }
            Deed::Series(at, id) if !self.charts.is_empty() => {
                let patient = self.charts[at % self.charts.len()].0;
                let target = Target::Series {
                    patient,
                    month: "2025-10".into(),
                    owner: clinic(),
                };
                let edits = add_observation(&pressure(id, 120));
                self.store
                    .commit(commit(vec![Write {
                        target,
                        base: None,
                        edits,
                    }]))
                    .await
                    .unwrap();
            }
            Deed::Phone(..)
            | Deed::Visit(_)
            | Deed::Complaint(..)
            | Deed::Measure(..)
            | Deed::Withdraw(..)
            | Deed::Series(..) => {}
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(12))]

    /// I-2: whatever was written, the tables built from the log are those in use.
    #[test]
    fn rebuilt_tables_equal_those_in_use(deeds in prop::collection::vec(any_deed(), 1..20)) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let bench = Bench::new();
            let mut day = Day { store: bench.open(), charts: Vec::new(), visits: Vec::new() };
            day.live(Deed::Register(0)).await;
            for deed in deeds {
                day.live(deed).await;
            }
            rebuilt_equal(&day.store).await;
        });
    }
}

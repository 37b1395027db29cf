//! Two machines that write under one session, and changes that the hub does not take.

use super::restores::copy;
use super::*;
use crate::{AlarmKind, RefusedChange};
use records::encounters::{Triage, VisitForm};
use sync_core::wire::ParkReason;

impl End {
    /// Two machines that run with one key and one session, as after a clone that drew the same random bytes.
    fn twins(self) -> (Self, Self) {
        let Self {
            folder,
            clock,
            store,
            seed,
            ..
        } = self;
        drop(store);
        let other = copy(folder.path());
        let open = |folder: TempDir| Self {
            store: Self::open(&folder, &clock, Side::Box, seed + 7, Place::default()),
            clock: clock.clone(),
            seed: seed + 7,
            folder,
            place: Place::default(),
        };
        let (one, two) = (open(folder), open(other));
        assert_eq!(one.store.actor(), two.store.actor());
        (one, two)
    }
}

async fn alarms(end: &End) -> Vec<AlarmKind> {
    let alarms = end.store.alarms().await.unwrap();
    alarms.into_iter().map(|alarm| alarm.kind).collect()
}

async fn settle(ends: &[&End], hub: &End) {
    for _ in 0..3 {
        for end in ends {
            sync(end, hub).await;
        }
    }
    for end in ends {
        equal(end, hub, "0017").await;
        let status = end.store.link_status().await.unwrap();
        assert_eq!((status.pending, status.parked), (0, 0));
        assert_eq!(sync(end, hub).await.round_trips, 1);
    }
}

async fn two_machines_with_one_session_lose_nothing(on: Engine) {
    let hub = hub(on).await;
    let end = boxed(&hub, 200, "0017").await;
    let shared = chart(&end, "0017", "示例甲").await;
    sync(&end, &hub).await;
    let (one, two) = end.twins();
    // Both edit the same chart, as the same number of the same session; then each another document.
    edit(&one, shared, vec![Edit::put(&["person", "phone"], "1")]).await;
    edit(&two, shared, vec![Edit::put(&["person", "phone"], "2")]).await;
    let here = chart(&one, "0017", "示例乙").await;
    let visited = visit(&two, "0017", shared, "咳嗽").await;
    sync(&one, &hub).await;
    sync(&two, &hub).await;
    assert_ne!(one.store.actor(), two.store.actor());
    assert!(alarms(&two).await.contains(&AlarmKind::SessionSpoiled));
    assert!(alarms(&hub).await.contains(&AlarmKind::SessionSpoiled));
    // The other one learns it as soon as it goes on.
    let more = chart(&one, "0017", "示例丙").await;
    settle(&[&one, &two], &hub).await;
    for end in [&one, &two, &hub] {
        for chart in [shared, here, more] {
            assert!(name_of(end, chart).await.is_some());
        }
        let tree = end
            .store
            .chart_tree(shared.patient().unwrap())
            .await
            .unwrap()
            .unwrap();
        let phone = tree.value.leaf(&["person", "phone"]).unwrap();
        assert_eq!(phone.others.len(), 1, "both values are readable");
        assert!(
            end.store
                .encounter_line(visited.encounter().unwrap())
                .await
                .unwrap()
                .is_some()
        );
    }
    // Everybody's audit is there, and the record of who did it holds together.
    for end in [&one, &two, &hub] {
        let checked = end.store.verify(None, Box::new(|_, _| {})).await.unwrap();
        assert_eq!(checked.problems, Vec::<String>::new());
    }
}

async fn two_patients_under_one_id_are_never_mixed(on: Engine) {
    let hub = hub(on).await;
    let end = boxed(&hub, 210, "0017").await;
    sync(&end, &hub).await;
    let (one, two) = end.twins();
    let first = chart(&one, "0017", "示例甲").await;
    let second = chart(&two, "0017", "示例乙").await;
    assert_eq!(first, second, "one session gives one id twice");
    let blob = attach(&two, second, 20_000).await;
    visit(&two, "0017", second, "头痛").await;
    sync(&one, &hub).await;
    settle(&[&two, &one], &hub).await;
    let patients = hub.store.patients_page(None, 10).await.unwrap();
    let mut names: Vec<String> = patients.iter().map(|line| line.name.clone()).collect();
    names.sort();
    assert_eq!(names, ["示例乙", "示例甲"]);
    assert_eq!(name_of(&hub, first).await.as_deref(), Some("示例甲"));
    for line in &patients {
        let visits = hub.store.visits_of(line.id, 10).await.unwrap().len();
        assert_eq!(
            visits,
            usize::from(line.name == "示例乙"),
            "the visit is its patient's"
        );
    }
    assert!(hub.store.blob(blob).await.unwrap().is_some());
    settle(&[&one, &two], &hub).await;
}

async fn a_signed_visit_stays_signed_when_it_is_written_again(on: Engine) {
    let hub = hub(on).await;
    let end = boxed(&hub, 220, "0017").await;
    let patient = chart(&end, "0017", "示例甲").await;
    let visited = visit(&end, "0017", patient, "咳嗽").await;
    sync(&end, &hub).await;
    let (one, two) = end.twins();
    chart(&one, "0017", "示例丁").await;
    let shown = two
        .store
        .encounter(visited.encounter().unwrap())
        .await
        .unwrap()
        .unwrap();
    let form = VisitForm {
        triage: Some(Triage {
            level: 4,
            reason: "咳嗽".into(),
        }),
        complaint: "咳嗽3天".into(),
        ..VisitForm::default()
    };
    let filled = form.edits_against(&shown.value, StaffId([1; 8]), two.clock.now(), &mut || {
        two.store.fresh()
    });
    edit(&two, visited, filled.unwrap()).await;
    let before = two
        .store
        .encounter(visited.encounter().unwrap())
        .await
        .unwrap()
        .unwrap();
    let sign = records::encounters::sign(
        &before.value,
        StaffId([1; 8]),
        "示例医生",
        two.clock.now(),
        records::ids::FormId([3; 16]),
    )
    .unwrap();
    edit(&two, visited, sign).await;
    let opened = two
        .store
        .encounter(visited.encounter().unwrap())
        .await
        .unwrap()
        .unwrap();
    sync(&one, &hub).await;
    settle(&[&two, &one], &hub).await;
    for end in [&one, &two, &hub] {
        let read = end
            .store
            .encounter(visited.encounter().unwrap())
            .await
            .unwrap()
            .unwrap();
        assert!(!read.value.is_open());
        assert!(read.value.late.is_empty(), "nothing of it became an amendment");
    }
    // A form that was open all the while still goes through on the heads that it saw.
    let write = Write {
        target: Target::Existing(visited),
        base: Some(opened.heads),
        edits: vec![Edit::put(&["ext", "late"], "x")],
    };
    two.store.commit(commit(vec![write])).await.unwrap();
    settle(&[&two, &one], &hub).await;
}

async fn what_builds_on_a_refused_change_goes_on_and_its_text_stays_readable(on: Engine) {
    let hub = hub(on).await;
    let (near, far) = (boxed(&hub, 230, "0017").await, boxed(&hub, 231, "0018").await);
    let patient = chart(&near, "0017", "示例甲").await;
    let visited = visit(&near, "0017", patient, "咳嗽").await;
    sync(&near, &hub).await;
    hub.store
        .join_patient(&code("0018"), patient.patient().unwrap())
        .await
        .unwrap();
    sync(&far, &hub).await;
    // A visit is written by its own clinic only; the chart by both.
    edit(&far, visited, vec![Edit::put(&["note", "complaint"], "不该写")]).await;
    edit(&far, visited, vec![Edit::put(&["note", "advice"], "也不该写")]).await;
    edit(&far, patient, vec![Edit::put(&["person", "phone"], "3")]).await;
    sync(&far, &hub).await;
    sync(&far, &hub).await;
    let read = far
        .store
        .encounter(visited.encounter().unwrap())
        .await
        .unwrap()
        .unwrap();
    let at_hub = hub
        .store
        .encounter(visited.encounter().unwrap())
        .await
        .unwrap()
        .unwrap();
    assert_eq!(
        read.heads, at_hub.heads,
        "the box went on before the refused change"
    );
    let refused: Vec<RefusedChange> = far.store.refused_changes(10).await.unwrap();
    assert_eq!(refused.len(), 2);
    assert!(refused.iter().any(|one| one.text == "note.complaint: 不该写"));
    assert!(refused.iter().all(|one| one.patient == patient.patient()));
    let parked = hub.store.parked_changes(10).await.unwrap();
    assert_eq!((parked.len(), hub.store.parked_count().await.unwrap()), (2, 2));
    for one in &parked {
        assert_eq!((one.doc, one.patient), (visited, patient.patient()));
        assert_eq!(
            (&one.clinic, one.device),
            (&Some(code("0018")), far.store.device())
        );
        assert!(one.written.is_some());
    }
    let reasons: Vec<ParkReason> = parked.iter().rev().map(|one| one.reason).collect();
    assert_eq!(reasons, [ParkReason::NotAllowed, ParkReason::BuildsOnParked]);
    assert_eq!(hub.store.parked_changes(1).await.unwrap().len(), 1);
    equal(&far, &hub, "0018").await;
    assert_eq!(far.store.link_status().await.unwrap().pending, 0);
    let chart = hub
        .store
        .chart(patient.patient().unwrap())
        .await
        .unwrap()
        .unwrap();
    assert_eq!(chart.value.phone, "3");
}

/// The relation of a clinic to a patient is gone at the hub, as after a consent that was withdrawn.
async fn part(hub: &End, clinic: &str, patient: DocId) {
    let (clinic, patient) = (code(clinic), patient.patient().unwrap());
    hub.store
        .write(move |tx| {
            let c = super::super::directory::clinic_row(tx.sql, &clinic)?.unwrap();
            tx.sql.execute(
                "DELETE FROM link_patients WHERE c = ?1 AND patient = ?2",
                (c, patient.0),
            )?;
            tx.sql.execute(
                "DELETE FROM link_holds WHERE c = ?1 AND d IN
                     (SELECT d FROM link_patient_documents WHERE patient = ?2)",
                (c, patient.0),
            )?;
            let left = super::super::feeds::sum(tx.sql, c)?;
            super::super::directory::change_print(tx.sql, c, |sum| *sum = left)
        })
        .await
        .unwrap();
}

async fn a_refused_change_is_taken_and_comes_back_when_the_rule_changes(on: Engine) {
    let hub = hub(on).await;
    let (near, far) = (boxed(&hub, 240, "0017").await, boxed(&hub, 241, "0018").await);
    let patient = chart(&near, "0017", "示例甲").await;
    sync(&near, &hub).await;
    let (id, other) = (patient.patient().unwrap(), code("0018"));
    hub.store.join_patient(&other, id).await.unwrap();
    sync(&far, &hub).await;
    part(&hub, "0018", patient).await;
    edit(&far, patient, vec![Edit::put(&["person", "phone"], "7")]).await;
    sync(&far, &hub).await;
    assert_eq!(far.store.chart(id).await.unwrap().unwrap().value.phone, "");
    assert_eq!(far.store.refused_changes(5).await.unwrap().len(), 1);
    hub.store.join_patient(&other, id).await.unwrap();
    assert_eq!(hub.store.chart(id).await.unwrap().unwrap().value.phone, "7");
    sync(&far, &hub).await;
    sync(&near, &hub).await;
    for end in [&near, &far] {
        assert_eq!(end.store.chart(id).await.unwrap().unwrap().value.phone, "7");
    }
    assert_eq!(far.store.refused_changes(5).await.unwrap(), []);
    assert_eq!(hub.store.parked_changes(5).await.unwrap(), []);
    assert_eq!(far.store.link_status().await.unwrap().parked, 0);
    same(&near, &hub, "0017").await;
    same(&far, &hub, "0018").await;
}

async fn a_new_release_takes_what_the_last_one_set_aside(on: Engine) {
    let hub = hub(on).await;
    let end = boxed(&hub, 250, "0017").await;
    let first = chart(&end, "0017", "示例甲").await;
    sync(&end, &hub).await;
    part(&hub, "0017", first).await;
    let later = chart(&end, "0017", "示例乙").await;
    let rows = |sql: &crate::sql::Connection| {
        sql.query_row("SELECT count(*) FROM parked", [], |row| row.get::<_, i64>(0))
            .map_err(crate::StoreError::from)
    };
    // A release that did not know this kind of document had set it aside.
    let own = end.store.device();
    let item = end
        .store
        .read(move |sql| super::super::queue::next(sql, own, Lane::P2, 0, 10_000))
        .await
        .unwrap()
        .items;
    let Some((_, sync_core::exchange::LaneItem::Change(change))) = item.into_iter().next() else {
        panic!("nothing waits")
    };
    hub.store
        .write(move |tx| {
            let s = crate::log::session_row(tx, change.position.actor)?;
            let hash = sync_core::wire::change_hash(&change.bytes);
            super::super::ranges::hold(tx.sql, s, change.position.seq, &hash)?;
            tx.sql.execute(
                "INSERT INTO parked(s, seq, doc, lane, hash, reason, body) VALUES(?1, ?2, ?3, 2, ?4, 'kind', ?5)",
                crate::sql::params![
                    s,
                    change.position.seq.cast_signed(),
                    change.doc.as_bytes(),
                    hash,
                    crate::log::pack(&change.bytes)
                ],
            )?;
            super::super::state::put(tx.sql, "parked_tried_under", Some(b"old"))
        })
        .await
        .unwrap();
    assert_eq!(hub.store.read(rows).await.unwrap(), 1);
    let hub = hub.restart(Side::Hub);
    assert_eq!(hub.store.read(rows).await.unwrap(), 0);
    assert!(name_of(&hub, later).await.is_some());
    sync(&end, &hub).await;
    assert_eq!(end.store.link_status().await.unwrap().pending, 0);
}

on_both_engines! {
    two_machines_with_one_session_lose_nothing,
    two_patients_under_one_id_are_never_mixed,
    a_signed_visit_stays_signed_when_it_is_written_again,
    what_builds_on_a_refused_change_goes_on_and_its_text_stays_readable,
    a_refused_change_is_taken_and_comes_back_when_the_rule_changes,
    a_new_release_takes_what_the_last_one_set_aside,
}

with_blobs_in_a_folder! {
    two_machines_with_one_session_lose_nothing,
}

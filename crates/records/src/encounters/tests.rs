//! Tests of writing, signing and amending visits, run on plain data.

use proptest::prelude::*;

use super::*;
use crate::faults::FaultKind;
use crate::ids::{ClinicCode, DocKind, EncounterId, FormId, PatientId, StaffId};
use crate::layout;
use crate::time::{ClockSource, Stamp, WallTime};
use crate::tree::{self, Edit, Leaf, Node};

const DOCTOR: StaffId = StaffId([5; 8]);
const PATIENT: PatientId = PatientId([1; 16]);

fn at(minutes: i64) -> Stamp {
    Stamp {
        at: WallTime(1_760_000_000_000 + minutes * 60_000),
        source: ClockSource::Hub,
    }
}

fn clinic() -> ClinicCode {
    "0017".parse().unwrap()
}

fn counter(from: u64) -> impl FnMut() -> [u8; 8] {
    let mut count = from;
    move || {
        count += 1;
        count.to_be_bytes()
    }
}

fn opened() -> Node {
    let mut document = Node::default();
    let edits = open_visit(PATIENT, &clinic(), DOCTOR, "李医生", at(0));
    tree::apply_all(&mut document, &edits).unwrap();
    document
}

fn diagnosis(code: &str, name: &str) -> Diagnosis {
    Diagnosis {
        id: None,
        code: code.into(),
        name: name.into(),
        certainty: Some(Certainty::Confirmed),
    }
}

fn form() -> VisitForm {
    VisitForm {
        triage: Some(Triage {
            level: 4,
            reason: "慢病取药".into(),
        }),
        complaint: "咳嗽3天".into(),
        history: "患者3天前受凉后出现咳嗽。".into(),
        examination: "双肺呼吸音清".into(),
        diagnoses: vec![
            diagnosis("J06.900", "急性上呼吸道感染"),
            diagnosis("I10.x00", "高血压病"),
        ],
        advice: "多饮温开水".into(),
    }
}

fn save(document: &mut Node, form: &VisitForm, from: u64) -> Vec<Edit> {
    let shown = Encounter::read(document);
    let edits = form
        .edits_against(&shown, DOCTOR, at(1), &mut counter(from))
        .unwrap();
    tree::apply_all(document, &edits).unwrap();
    edits
}

fn signed() -> (Node, Node) {
    let mut document = opened();
    save(&mut document, &form(), 0);
    let frozen = document.clone();
    let edits = sign(
        &Encounter::read(&document),
        DOCTOR,
        "李医生",
        at(9),
        FormId([3; 16]),
    )
    .unwrap();
    tree::apply_all(&mut document, &edits).unwrap();
    (frozen, document)
}

fn said(form: &VisitForm) -> VisitForm {
    let mut form = form.clone();
    form.diagnoses
        .iter_mut()
        .for_each(|diagnosis| diagnosis.id = None);
    form
}

#[test]
fn a_visit_comes_back_as_written() {
    let mut document = opened();
    save(&mut document, &form(), 0);
    let visit = Encounter::read(&document);
    assert_eq!(said(&VisitForm::of(&visit)), form());
    assert_eq!(
        (visit.patient, visit.opened, visit.opened_by),
        (Some(PATIENT), at(0), Some(DOCTOR))
    );
    assert_eq!(visit.clinic, Some(clinic()));
    let line = visit.line(EncounterId([2; 16])).unwrap();
    assert_eq!(
        (line.state, line.triage, line.diagnosis.as_str()),
        ("open", Some(4), "急性上呼吸道感染")
    );
    assert_eq!(line.doctor, "李医生");
}

#[test]
fn saving_the_same_form_again_edits_nothing() {
    let mut document = opened();
    save(&mut document, &form(), 0);
    assert!(save(&mut document, &form(), 100).is_empty());
    let note = VisitForm {
        advice: "卧床休息两天".into(),
        ..form()
    };
    assert_eq!(
        save(&mut document, &note, 100),
        [Edit::put(&["note", "advice"], "卧床休息两天")]
    );
}

#[test]
fn diagnoses_change_their_order_and_go_away() {
    let mut document = opened();
    save(&mut document, &form(), 0);
    let mut turned = form();
    turned.diagnoses.reverse();
    save(&mut document, &turned, 100);
    assert_eq!(said(&VisitForm::of(&Encounter::read(&document))), turned);
    turned.diagnoses.truncate(1);
    save(&mut document, &turned, 200);
    assert_eq!(said(&VisitForm::of(&Encounter::read(&document))), turned);
}

#[test]
fn a_form_that_cannot_be_taken_is_refused() {
    let shown = Encounter::read(&opened());
    let refused = |form: &VisitForm| {
        form.edits_against(&shown, DOCTOR, at(1), &mut counter(0))
            .is_err()
    };
    assert!(refused(&VisitForm {
        triage: Some(Triage {
            level: 7,
            reason: String::new()
        }),
        ..form()
    }));
    assert!(refused(&VisitForm {
        complaint: "长".repeat(COMPLAINT_CHARS_MAX + 1),
        ..form()
    }));
    assert!(refused(&VisitForm {
        diagnoses: vec![diagnosis("", " ")],
        ..form()
    }));
    assert!(refused(&VisitForm {
        diagnoses: vec![diagnosis("", "x"); DIAGNOSES_MAX + 1],
        ..form()
    }));
    assert!(!refused(&VisitForm::default()), "an unfinished note can be saved");
}

#[test]
fn signing_needs_a_level_a_reason_and_a_complaint() {
    let visit = Encounter::read(&opened());
    let Err(VisitFault::Fields(faults)) = sign(&visit, DOCTOR, "李医生", at(1), FormId([3; 16])) else {
        panic!("signed an empty visit")
    };
    let fields: Vec<_> = faults.iter().map(|fault| (fault.field, fault.kind)).collect();
    assert_eq!(
        fields,
        [("triage", FaultKind::Missing), ("complaint", FaultKind::Missing)]
    );
}

#[test]
fn what_is_signed_is_frozen_and_can_be_amended() {
    let (_, mut document) = signed();
    let visit = Encounter::read(&document);
    assert!(matches!(&visit.state, EncounterState::Signed(signature)
        if signature.by == DOCTOR && signature.at == at(9) && signature.form == FormId([3; 16])));
    let again = form().edits_against(&visit, DOCTOR, at(10), &mut counter(0));
    assert_eq!(again, Err(VisitFault::Closed));
    assert_eq!(
        sign(&visit, DOCTOR, "李医生", at(10), FormId([4; 16])),
        Err(VisitFault::Closed)
    );
    let empty = amend(&visit, DOCTOR, "李医生", at(10), "", "x", &mut counter(0));
    assert!(matches!(empty, Err(VisitFault::Fields(_))));
    let edits = amend(
        &visit,
        DOCTOR,
        "李医生",
        at(10),
        "漏记",
        "有青霉素过敏史",
        &mut counter(0),
    )
    .unwrap();
    tree::apply_all(&mut document, &edits).unwrap();
    let visit = Encounter::read(&document);
    assert_eq!(visit.amendments[0].text, "有青霉素过敏史");
    assert_eq!(visit.amendments[0].at, Some(at(10)));
    let open = Encounter::read(&opened());
    assert_eq!(
        amend(&open, DOCTOR, "x", at(1), "r", "t", &mut counter(0)),
        Err(VisitFault::StillOpen)
    );
}

#[test]
fn an_edit_that_did_not_know_of_the_signature_is_shown_beside_it() {
    let (frozen, mut document) = signed();
    let clash = Leaf {
        winner: "多饮水".into(),
        others: vec!["多饮温开水".into()],
    };
    tree::apply(
        &mut document,
        &Edit::put_node(&["note", "advice"], Node::Leaf(clash)),
    )
    .unwrap();
    tree::apply(&mut document, &Edit::put(&["note", "history"], "另一份病史")).unwrap();
    let visit = Encounter::read_signed(&frozen, &document);
    assert_eq!(
        (visit.advice.as_str(), visit.history),
        ("多饮温开水", form().history)
    );
    let late: Vec<_> = visit
        .late
        .iter()
        .map(|late| (late.path[1].as_str(), late.value.as_text()))
        .collect();
    assert_eq!(
        late,
        [("advice", Some("多饮水")), ("history", Some("另一份病史"))]
    );
    assert!(matches!(visit.state, EncounterState::Signed(_)));
}

#[test]
fn two_people_who_sign_at_once_have_both_signed() {
    let (frozen, mut document) = signed();
    let edits = sign(
        &Encounter::read(&frozen),
        StaffId([6; 8]),
        "王医生",
        at(8),
        FormId([2; 16]),
    )
    .unwrap();
    tree::apply_all(&mut document, &edits).unwrap();
    let visit = Encounter::read(&document);
    let names: Vec<_> = visit
        .signatures
        .iter()
        .map(|signature| signature.name.as_str())
        .collect();
    assert_eq!(names, ["王医生", "李医生"]);
}

#[test]
fn a_visit_before_the_birth_is_flagged() {
    let visit = Encounter::read(&opened());
    assert_eq!(visit.oddities("2030-01-01".parse().ok()), ["before_birth"]);
    assert!(visit.oddities("1955-08-20".parse().ok()).is_empty() && visit.oddities(None).is_empty());
}

fn any_form() -> impl Strategy<Value = VisitForm> {
    let text = || "[a-z，。咳嗽\n 0-9]{0,12}";
    let diagnosis = (
        "[A-Z0-9.]{0,6}",
        "[a-z病]{1,6}",
        prop::option::of(prop::sample::select(Certainty::ALL.to_vec())),
    )
        .prop_map(|(code, name, certainty)| Diagnosis {
            id: None,
            code,
            name,
            certainty,
        });
    let triage = prop::option::of((1u8..=4, text()).prop_map(|(level, reason)| Triage { level, reason }));
    let diagnoses = prop::collection::vec(diagnosis, 0..=DIAGNOSES_MAX);
    (triage, text(), text(), text(), diagnoses, text()).prop_map(
        |(triage, complaint, history, examination, diagnoses, advice)| VisitForm {
            triage,
            complaint,
            history,
            examination,
            diagnoses,
            advice,
        },
    )
}

fn tidied(form: &VisitForm, earlier: Option<&Triage>) -> VisitForm {
    use crate::text::{fold, tidy};
    let diagnoses = form.diagnoses.iter().map(|diagnosis| Diagnosis {
        id: None,
        code: fold(&diagnosis.code),
        name: tidy(&diagnosis.name),
        certainty: diagnosis.certainty,
    });
    let triage = form.triage.as_ref().or(earlier);
    VisitForm {
        triage: triage.map(|triage| Triage {
            level: triage.level,
            reason: tidy(&triage.reason),
        }),
        complaint: tidy(&form.complaint),
        history: tidy(&form.history),
        examination: tidy(&form.examination),
        diagnoses: diagnoses.collect(),
        advice: tidy(&form.advice),
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 100, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn forms_saved_one_after_the_other_leave_the_last(forms in prop::collection::vec(any_form(), 1..6)) {
        let mut document = opened();
        let mut earlier = None;
        for (form, from) in forms.iter().zip((0u64..).step_by(100)) {
            for edit in save(&mut document, form, from) {
                let (Edit::Put(path, _) | Edit::Append(path, _) | Edit::Delete(path)) = edit;
                prop_assert!(layout::containers(DocKind::Encounter).contains(&path[0].as_str()));
            }
            let wanted = tidied(form, earlier.as_ref());
            prop_assert_eq!(said(&VisitForm::of(&Encounter::read(&document))), wanted.clone());
            prop_assert!(save(&mut document, form, from + 50).is_empty());
            earlier = wanted.triage;
        }
    }
}

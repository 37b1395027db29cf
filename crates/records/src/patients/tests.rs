//! Tests of registration and of chart commands, run on plain data.

use proptest::prelude::*;

use super::*;
use crate::conflicts::Policy;
use crate::faults::{FaultKind, any_hard};
use crate::identity::IdNumber;
use crate::ids::{DocKind, EntryId, PatientId, StaffId};
use crate::layout;
use crate::time::{ClockSource, Stamp, WallTime};
use crate::tree::{self, Edit, Leaf, Node, Scalar};

const ID: &str = "35042619550820998X";
const DOCTOR: StaffId = StaffId([5; 8]);

fn at(day: &str) -> Stamp {
    let day: crate::time::Date = day.parse().unwrap();
    Stamp {
        at: WallTime::from_china(day.at(9, 0, 0, 0)),
        source: ClockSource::Hub,
    }
}

fn counter() -> impl FnMut() -> [u8; 8] {
    let mut count = 0u64;
    move || {
        count += 1;
        count.to_be_bytes()
    }
}

fn person() -> NewPatient {
    NewPatient {
        name: "古丽・示例".into(),
        id_number: "35042619550820998x".into(),
        phone: "１３８ ０００ ００００１".into(),
        address: Address {
            village: "上湾村".into(),
            group: "3组".into(),
            ..Address::default()
        },
        ..NewPatient::default()
    }
}

fn chart_of(edits: &[Edit]) -> (Node, Chart) {
    let mut document = Node::default();
    tree::apply_all(&mut document, edits).unwrap();
    let chart = Chart::read(&document);
    (document, chart)
}

/// A chart and the commands that are run on it.
struct Case {
    document: Node,
    fresh: Box<dyn FnMut() -> [u8; 8]>,
}

impl Case {
    fn new(patient: &NewPatient) -> Self {
        let mut fresh: Box<dyn FnMut() -> [u8; 8]> = Box::new(counter());
        let (document, _) = chart_of(&patient.edits(Some(DOCTOR), at("2026-03-10"), &mut fresh));
        Self { document, fresh }
    }

    fn chart(&self) -> Chart {
        Chart::read(&self.document)
    }

    fn run(&mut self, command: &ChartCommand) -> Vec<Edit> {
        let edits = command
            .edits(&self.chart(), DOCTOR, at("2026-03-11"), &mut self.fresh)
            .unwrap();
        tree::apply_all(&mut self.document, &edits).unwrap();
        edits
    }

    fn known(&self) -> Vec<Allergy> {
        match self.chart().allergies {
            AllergyState::Known(list) => list,
            other => panic!("{other:?}"),
        }
    }
}

fn penicillin() -> NewAllergy {
    NewAllergy {
        agent: "青霉素".into(),
        reaction: "皮疹".into(),
        severity: String::new(),
    }
}

#[test]
fn a_person_is_registered_by_card_alone() {
    let patient = person();
    assert!(patient.check("2026-03-10".parse().unwrap()).is_empty());
    let case = Case::new(&patient);
    let chart = case.chart();
    assert_eq!(chart.name, "古丽·示例");
    assert_eq!(
        (chart.sex, chart.birth.unwrap().to_string().as_str()),
        (Sex::Female, "1955-08-20")
    );
    assert!(matches!(&chart.id_number, Some(IdNumber::Checked(number)) if number.as_str() == ID));
    assert_eq!(chart.phone, "13800000001");
    assert_eq!(chart.allergies, AllergyState::NotAsked);
    let line = chart.line(PatientId([1; 16]), None);
    assert_eq!(
        (line.id_tail.as_deref(), line.phone_tail.as_deref()),
        (Some("998X"), Some("0001"))
    );
    assert_eq!(line.village_group, "上湾村3组");
}

#[test]
fn a_spoilt_number_is_asked_once_and_kept() {
    let patient = NewPatient {
        id_number: "350426195508209981".into(),
        ..person()
    };
    let faults = patient.check("2026-03-10".parse().unwrap());
    assert_eq!(faults[0].kind, FaultKind::Unverified);
    assert!(!any_hard(&faults));
    let chart = Case::new(&patient).chart();
    assert_eq!(
        chart.id_number,
        Some(IdNumber::Unverified("350426195508209981".into()))
    );
    assert_eq!((chart.sex, chart.birth), (Sex::Unknown, None));
}

#[test]
fn forms_that_cannot_be_true_are_refused_or_asked() {
    let today = "2026-03-10".parse().unwrap();
    let kinds = |patient: &NewPatient| -> Vec<FaultKind> {
        patient.check(today).into_iter().map(|fault| fault.kind).collect()
    };
    assert_eq!(
        kinds(&NewPatient {
            name: " 　".into(),
            ..person()
        }),
        [FaultKind::Missing]
    );
    assert_eq!(
        kinds(&NewPatient {
            name: "长".repeat(51),
            ..person()
        }),
        [FaultKind::TooLong]
    );
    assert_eq!(
        kinds(&NewPatient {
            phone: "abc".into(),
            ..person()
        }),
        [FaultKind::NotANumber]
    );
    assert_eq!(
        kinds(&NewPatient {
            sex: Sex::Male,
            ..person()
        }),
        [FaultKind::Contradiction]
    );
    let unborn = NewPatient {
        birth: "2027-01-01".parse().ok(),
        id_number: String::new(),
        ..person()
    };
    assert_eq!(kinds(&unborn), [FaultKind::InFuture]);
    let card_of_the_future = NewPatient {
        id_number: "451225209912319998".into(),
        ..person()
    };
    assert_eq!(kinds(&card_of_the_future), [FaultKind::Unverified]);
    let asked = NewPatient {
        allergies: AllergyAnswer::Known(Vec::new()),
        ..person()
    };
    assert_eq!(kinds(&asked), [FaultKind::Missing]);
}

#[test]
fn an_edit_of_the_telephone_leaves_the_birth_alone() {
    let mut case = Case::new(&person());
    let edits = case.run(&ChartCommand::SetPhone("139-0000-0002".into()));
    assert_eq!(edits, [Edit::put(&["person", "phone"], "13900000002")]);
    assert_eq!(case.chart().birth.unwrap().to_string(), "1955-08-20");
    assert!(case.run(&ChartCommand::SetPhone("13900000002".into())).is_empty());
    assert!(
        case.run(&ChartCommand::SetBirth("1955-08-20".parse().ok()))
            .is_empty()
    );
}

#[test]
fn the_allergy_line_has_its_four_states() {
    let mut case = Case::new(&person());
    assert_eq!(case.chart().allergies, AllergyState::NotAsked);
    case.run(&ChartCommand::SetNoKnownAllergy);
    assert_eq!(case.chart().allergies, AllergyState::NoneKnown);
    case.run(&ChartCommand::AddAllergy(penicillin()));
    assert_eq!(case.known()[0].agent, "青霉素");
    assert_eq!(case.known()[0].by, Some(DOCTOR));
    let damaged = Edit::put(&["allergies", &EntryId([9; 8]).to_string()], vec![0xff_u8]);
    tree::apply(&mut case.document, &damaged).unwrap();
    assert_eq!(
        case.known().len(),
        2,
        "a known one still shows beside one that cannot be read"
    );
    let unreadable = Node::map([("allergies", Node::map([("zz", Node::from(Scalar::Int(1)))]))]);
    assert_eq!(Chart::read(&unreadable).allergies, AllergyState::Unreadable);
    for badge in AllergyBadge::ALL {
        assert_eq!(AllergyBadge::from_word(badge.word()), badge);
    }
}

#[test]
fn an_allergy_said_after_none_counts_whatever_the_order() {
    let none = ChartCommand::SetNoKnownAllergy;
    let add = ChartCommand::AddAllergy(penicillin());
    for order in [[&none, &add], [&add, &none]] {
        let mut case = Case::new(&person());
        for command in order {
            case.run(command);
        }
        assert_eq!(case.known().len(), 1);
    }
}

#[test]
fn a_refuted_allergy_stays_readable_with_its_reason() {
    let mut case = Case::new(&person());
    case.run(&ChartCommand::AddAllergy(penicillin()));
    let id = case.known()[0].id;
    let empty = ChartCommand::RefuteAllergy {
        id,
        reason: "  ".into(),
    };
    assert!(
        empty
            .edits(&case.chart(), DOCTOR, at("2026-03-11"), &mut counter())
            .is_err()
    );
    let unknown = ChartCommand::RefuteAllergy {
        id: EntryId([7; 8]),
        reason: "x".into(),
    };
    assert!(
        unknown
            .edits(&case.chart(), DOCTOR, at("2026-03-11"), &mut counter())
            .is_err()
    );
    case.run(&ChartCommand::RefuteAllergy {
        id,
        reason: "皮试阴性".into(),
    });
    let chart = case.chart();
    assert_eq!(chart.allergies, AllergyState::NotAsked);
    let act = chart.refuted_allergies[0].refuted.clone().unwrap();
    assert_eq!((act.by, act.reason.as_str()), (Some(DOCTOR), "皮试阴性"));
}

#[test]
fn two_allergies_written_under_one_key_both_count() {
    let mut case = Case::new(&person());
    case.run(&ChartCommand::AddAllergy(penicillin()));
    let id = case.known()[0].id.to_string();
    let mut other = Case::new(&person());
    other.run(&ChartCommand::AddAllergy(NewAllergy {
        agent: "磺胺".into(),
        ..NewAllergy::default()
    }));
    let theirs = other.document.leaf(&["allergies", &id]).unwrap().winner.clone();
    let ours = case.document.leaf(&["allergies", &id]).unwrap().winner.clone();
    let clash = Node::Leaf(Leaf {
        winner: ours,
        others: vec![theirs],
    });
    tree::apply(&mut case.document, &Edit::put_node(&["allergies", &id], clash)).unwrap();
    let agents: Vec<String> = case.known().into_iter().map(|allergy| allergy.agent).collect();
    assert_eq!(agents, ["青霉素", "磺胺"]);
    assert!(case.chart().clashes.is_empty(), "a union is no clash");
}

#[test]
fn problems_and_medicines_end_and_stay() {
    let mut case = Case::new(&person());
    let problem = ChartCommand::AddProblem {
        code: "I10.x00".into(),
        name: "高血压病".into(),
        onset: "2012-05".into(),
    };
    case.run(&problem);
    case.run(&ChartCommand::AddMedication {
        drug: "硝苯地平控释片".into(),
        spec: "30mg".into(),
        dose: "1片".into(),
        route: "口服".into(),
        freq: "qd".into(),
        since: "2020-01".into(),
    });
    let (problem, medication) = (
        case.chart().problems[0].clone(),
        case.chart().medications[0].clone(),
    );
    assert_eq!(
        (problem.name.as_str(), medication.freq.as_str()),
        ("高血压病", "qd")
    );
    case.run(&ChartCommand::EndProblem {
        id: problem.id,
        reason: String::new(),
    });
    case.run(&ChartCommand::StopMedication {
        id: medication.id,
        reason: "踝肿".into(),
    });
    assert!(case.chart().problems[0].ended.is_some());
    assert_eq!(
        case.chart().medications[0].stopped.as_ref().unwrap().reason,
        "踝肿"
    );
}

#[test]
fn a_clash_of_identity_blocks_until_a_person_chooses() {
    let mut case = Case::new(&person());
    let clash = Leaf {
        winner: "王五".into(),
        others: vec!["王吾".into()],
    };
    tree::apply(
        &mut case.document,
        &Edit::put_node(&["person", "name"], Node::Leaf(clash)),
    )
    .unwrap();
    let chart = case.chart();
    assert!(chart.needs_choice() && chart.clashes[0].policy == Policy::Block);
    assert_eq!(Chart::all_names(&case.document), ["王五", "王吾"]);
    let path = chart.clashes[0].path.clone();
    let wrong = ChartCommand::ResolveClash {
        path: path.clone(),
        chosen: "王六".into(),
    };
    assert!(
        wrong
            .edits(&chart, DOCTOR, at("2026-03-11"), &mut counter())
            .is_err()
    );
    case.run(&ChartCommand::ResolveClash {
        path,
        chosen: "王吾".into(),
    });
    assert_eq!(
        (case.chart().name.as_str(), case.chart().needs_choice()),
        ("王吾", false)
    );
}

#[test]
fn death_is_told_with_or_without_its_date_and_can_be_an_error() {
    let mut case = Case::new(&person());
    case.run(&ChartCommand::SetDeceased(None));
    assert_eq!(case.chart().deceased, Some(Deceased { on: None }));
    case.run(&ChartCommand::SetDeceased("2026-03-01".parse().ok()));
    assert_eq!(case.chart().deceased.unwrap().on, "2026-03-01".parse().ok());
    case.run(&ChartCommand::ClearDeceased);
    assert_eq!(case.chart().deceased, None);
}

fn any_command() -> impl Strategy<Value = ChartCommand> {
    let text = || "[ 　a-z张王0-9·é]{0,8}";
    prop_oneof![
        text().prop_map(|name| ChartCommand::SetName(format!("王{name}"))),
        prop::sample::select(Sex::ALL.to_vec()).prop_map(ChartCommand::SetSex),
        "[0-9 -]{0,14}".prop_map(ChartCommand::SetPhone),
        "[0-9Xx]{0,19}".prop_map(ChartCommand::SetIdNumber),
        (text(), text()).prop_map(|(village, house)| {
            ChartCommand::SetAddress(Address {
                village,
                house,
                ..Address::default()
            })
        }),
        text().prop_map(ChartCommand::SetEthnicity),
        (text(), text()).prop_map(|(group, rhesus)| ChartCommand::SetBlood(Blood { group, rhesus })),
        (text(), text()).prop_map(|(kind, number)| ChartCommand::SetInsurance(Insurance { kind, number })),
        text().prop_map(|agent| ChartCommand::AddAllergy(NewAllergy {
            agent: format!("a{agent}"),
            ..NewAllergy::default()
        })),
        Just(ChartCommand::SetNoKnownAllergy),
        text().prop_map(|name| ChartCommand::AddProblem {
            code: String::new(),
            name: format!("p{name}"),
            onset: String::new()
        }),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 100, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn a_command_does_what_it_says_once_and_only_in_planned_containers(
        commands in prop::collection::vec(any_command(), 1..8),
    ) {
        let mut case = Case::new(&person());
        for command in commands {
            let before = case.chart();
            let edits = case.run(&command);
            for edit in &edits {
                let (Edit::Put(path, _) | Edit::Append(path, _) | Edit::Delete(path)) = edit;
                prop_assert!(layout::containers(DocKind::Chart).contains(&path[0].as_str()));
            }
            let after = case.chart();
            let adds = matches!(
                command,
                ChartCommand::AddAllergy(_) | ChartCommand::AddProblem { .. } | ChartCommand::SetNoKnownAllergy
            );
            if adds {
                prop_assert!(!edits.is_empty());
            } else {
                prop_assert_eq!(edits.is_empty(), before == after);
                prop_assert!(case.run(&command).is_empty(), "the second time changes nothing");
            }
        }
    }
}

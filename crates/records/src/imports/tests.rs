//! Tests of imported lines: every field comes back, and typed views see what they know.

use proptest::prelude::*;

use super::*;
use crate::encounters::{Encounter, EncounterState};
use crate::ids::PatientId;
use crate::layout;
use crate::patients::{AllergyState, Chart, Sex};
use crate::tree::{self, Leaf};
use crate::vitals::Measured;

const CHART_ID: PatientId = PatientId([1; 16]);

fn text(text: &str) -> Node {
    Scalar::from(text).into()
}

fn int(number: i64) -> Node {
    Scalar::Int(number).into()
}

fn float(number: f64) -> Node {
    Scalar::Float(number).into()
}

fn texts<const N: usize>(pairs: [(&str, &str); N]) -> Node {
    Node::map(pairs.map(|(key, value)| (key, text(value))))
}

fn with(node: Node, parts: impl IntoIterator<Item = (&'static str, Node)>) -> Node {
    let Node::Map(mut map) = node else {
        panic!("no map")
    };
    map.extend(parts.into_iter().map(|(key, part)| (key.to_owned(), part)));
    Node::Map(map)
}

fn patient_line() -> Node {
    let known = texts([
        ("t", "patient"),
        ("id", "P0017-000000"),
        ("clinic", "0017"),
        ("name", "卢丽"),
        ("sex", "女"),
        ("birth_date", "1970-12-05"),
        ("id_no", "410124197012059080"),
        ("phone", "15841040595"),
        ("phone2", ""),
        ("ethnicity", "汉族"),
        ("county", "示例县"),
        ("village", "柳树村"),
        ("group", "9组"),
        ("house", "15号"),
        ("blood_type", "A"),
        ("insurance", "城乡居民医保"),
        ("smoking", "从不"),
    ]);
    let problem = |code, name| {
        texts([
            ("code", code),
            ("name", name),
            ("onset", "2012-05"),
            ("status", "在管"),
        ])
    };
    with(
        known,
        [
            ("height_cm", float(155.1)),
            ("weight_kg", float(52.0)),
            ("chronic", Node::List(vec![text("高血压")])),
            (
                "problems",
                Node::List(vec![problem("I10.x00", "高血压病"), problem("M10.900", "痛风")]),
            ),
            (
                "allergies",
                Node::List(vec![texts([
                    ("agent", "青霉素"),
                    ("reaction", "皮疹"),
                    ("severity", "轻"),
                ])]),
            ),
            ("medications", Node::List(Vec::new())),
        ],
    )
}

fn encounter_line() -> Node {
    let known = texts([
        ("t", "encounter"),
        ("id", "E0017-190307-15838"),
        ("patient", "P0017-000000"),
        ("clinic", "0017"),
        ("doctor", "冯素云"),
        ("kind", "初诊"),
        ("started_at", "2019-03-07T10:52:16"),
        ("ended_at", "2019-03-07T10:57:14"),
        ("chief_complaint", "活动后气促3天"),
        ("history", "病程中无意识障碍。"),
        ("past_history", "既往体健"),
        ("exam", "心律绝对不齐"),
        ("advice", "低盐低脂饮食"),
    ]);
    let diagnosis = |code, name, certainty| texts([("code", code), ("name", name), ("certainty", certainty)]);
    let drug = with(
        texts([("drug", "卡托普利片"), ("unit", "袋")]),
        [("days", int(14)), ("price", float(8.39))],
    );
    with(
        known,
        [
            ("temp_c", float(36.2)),
            ("pulse", int(99)),
            ("referral", Scalar::Bool(false).into()),
            (
                "diagnoses",
                Node::List(vec![
                    diagnosis("S93.400", "踝关节扭伤", "确诊"),
                    diagnosis("", "痛风", "疑似"),
                ]),
            ),
            ("prescriptions", Node::List(vec![drug])),
        ],
    )
}

fn vital_line(id: &str, kind: &str, values: Vec<Node>) -> Node {
    let known = texts([
        ("t", "vital"),
        ("id", id),
        ("patient", "P0017-000000"),
        ("encounter", "E0017-190307-15838"),
        ("kind", kind),
        ("taken_at", "2019-03-07T10:32:27"),
        ("device", "HK-3000/A21908"),
        ("quality", "motion"),
    ]);
    with(known, [("values", Node::List(values))])
}

fn edit_line(path: Vec<Node>, op: &str, value: Node) -> Node {
    let known = texts([
        ("t", "edit"),
        ("doc", "P0017-000000"),
        ("at", "2025-11-04T12:30:48"),
        ("op", op),
    ]);
    with(known, [("path", Node::List(path)), ("value", value)])
}

fn line(node: &Node) -> Line {
    Line::read(node.clone()).unwrap()
}

fn document(edits: &[Edit]) -> Node {
    let mut document = Node::default();
    tree::apply_all(&mut document, edits).unwrap();
    document
}

fn chart() -> Node {
    document(&patient_edits(&line(&patient_line())).unwrap())
}

fn edited(before: &Node, node: &Node, hash: u8) -> Node {
    let mut after = before.clone();
    let edits = edit_edits(&line(node), &[hash; 32], DocKind::Chart, before).unwrap();
    tree::apply_all(&mut after, &edits).unwrap();
    after
}

#[test]
fn a_patient_line_is_seen_typed_and_comes_back_equal() {
    let document = chart();
    let chart = Chart::read(&document);
    assert_eq!((chart.name.as_str(), chart.sex), ("卢丽", Sex::Female));
    assert_eq!(chart.birth.unwrap().to_string(), "1970-12-05");
    assert!(chart.id_number.unwrap().checked().is_some());
    assert_eq!(chart.address.house, "15号");
    assert!(matches!(&chart.allergies, AllergyState::Known(list) if list[0].agent == "青霉素"));
    let problems: Vec<_> = chart
        .problems
        .iter()
        .map(|problem| problem.code.as_str())
        .collect();
    assert_eq!(problems, ["I10.x00", "M10.900"]);
    assert_eq!(chart.source.unwrap().id, "P0017-000000");
    assert_eq!(chart.further.get("height_cm"), Some(&float(155.1)));
    assert!(!chart.further.contains_key("name"), "nothing is stored twice");
    assert_eq!(lines(DocKind::Chart, &document, &document), [patient_line()]);
}

#[test]
fn a_visit_with_its_readings_is_seen_typed_and_comes_back_equal() {
    let vitals = [
        vital_line("V1", "bp", vec![int(113), int(74), int(99)]),
        vital_line("V2", "temp", vec![float(36.2)]),
        vital_line("V3", "weight", vec![float(60.2), float(166.4)]),
        vital_line("V4", "steps", vec![int(4000)]),
    ];
    let mut edits = encounter_edits(&line(&encounter_line()), CHART_ID).unwrap();
    for vital in &vitals {
        edits.extend(vital_edits(&line(vital), Some(("E0017-190307-15838", "P0017-000000"))).unwrap());
    }
    let document = document(&edits);
    let visit = Encounter::read(&document);
    assert!(matches!(&visit.state, EncounterState::Imported(source) if source.id == "E0017-190307-15838"));
    assert_eq!(visit.patient, Some(CHART_ID));
    assert_eq!(
        (visit.complaint.as_str(), visit.doctor.as_str()),
        ("活动后气促3天", "冯素云")
    );
    assert_eq!(visit.opened.at.rfc3339(), "2019-03-07T02:52:16Z");
    assert_eq!(visit.diagnoses[0].name, "踝关节扭伤");
    assert_eq!(visit.further.get("pulse"), Some(&int(99)));
    let shown: Vec<_> = visit
        .observations
        .iter()
        .map(|o| (o.measured.kind_word(), o.measured.numbers()))
        .collect();
    for wanted in [
        ("bp", vec![113, 74, 99]),
        ("temp", vec![362]),
        ("weight", vec![6020, 1664]),
        ("steps", vec![]),
    ] {
        assert!(shown.contains(&wanted), "{wanted:?} in {shown:?}");
    }
    assert!(
        visit
            .observations
            .iter()
            .all(|observation| observation.marks == ["motion"])
    );
    let mut ids = vital_ids(&document);
    ids.sort();
    assert_eq!(ids, ["V1", "V2", "V3", "V4"]);
    let back = lines(DocKind::Encounter, &document, &document);
    assert_eq!(back[0], encounter_line());
    assert_eq!(back[1..], vitals);
}

#[test]
fn readings_that_name_another_visit_or_none_come_back_as_they_were() {
    let mut odd = vital_line("V9", "bp", vec![float(113.0), int(74)]);
    if let Node::Map(parts) = &mut odd {
        parts.remove("encounter");
        parts.insert("patient".into(), text("P-other"));
        parts.insert("no patient".into(), int(3));
    }
    let mut edits = encounter_edits(&line(&encounter_line()), CHART_ID).unwrap();
    edits.extend(vital_edits(&line(&odd), Some(("E0017-190307-15838", "P0017-000000"))).unwrap());
    let in_visit = document(&edits);
    let in_series = document(&vital_edits(&line(&odd), None).unwrap());
    assert_eq!(lines(DocKind::Encounter, &in_visit, &in_visit)[1], odd);
    assert_eq!(lines(DocKind::Series, &in_series, &in_series), [odd]);
    let reading = &Encounter::read(&in_visit).observations[0];
    assert_eq!(reading.measured.numbers(), [113, 74]);
}

#[test]
fn impossible_readings_are_kept_and_not_invented() {
    for values in [
        vec![int(900), int(74)],
        vec![float(1.5), int(2)],
        vec![],
        vec![text("x"), int(1)],
    ] {
        let line_node = vital_line("V1", "bp", values);
        let document = document(&vital_edits(&line(&line_node), None).unwrap());
        let observation = &crate::vitals::read_observations(&document)[0];
        assert!(matches!(&observation.measured, Measured::Unread { kind } if kind == "bp"));
        assert_eq!(lines(DocKind::Series, &document, &document), [line_node]);
    }
}

#[test]
fn edits_of_known_fields_are_seen_and_come_back_after_the_original() {
    let original = chart();
    let medication = texts([("drug", "螺内酯片"), ("freq", "bid")]);
    let edits = [
        edit_line(vec![text("phone")], "set", text("15279155090")),
        edit_line(
            vec![text("problems")],
            "push",
            texts([("code", "J30.400"), ("name", "过敏性鼻炎")]),
        ),
        edit_line(vec![text("medications")], "push", medication),
        edit_line(
            vec![text("problems"), int(0), text("status")],
            "set",
            text("已愈"),
        ),
        edit_line(vec![text("smoking")], "set", text("已戒")),
        edit_line(vec![text("chronic")], "push", text("痛风")),
        edit_line(vec![text("new field"), text("deep")], "set", Scalar::Null.into()),
        edit_line(vec![text("phone")], "set", int(5)),
    ];
    let mut now = original.clone();
    for (edit, hash) in edits.iter().zip(1..) {
        now = edited(&now, edit, hash);
        assert_eq!(edited(&now, edit, hash), now, "known by its hash");
    }
    let chart = Chart::read(&now);
    assert_eq!(chart.phone, "15279155090");
    let problems: Vec<_> = chart
        .problems
        .iter()
        .map(|p| (p.name.as_str(), p.status.as_str()))
        .collect();
    assert_eq!(
        problems,
        [("高血压病", "已愈"), ("痛风", "在管"), ("过敏性鼻炎", "")]
    );
    assert_eq!(chart.medications[0].drug, "螺内酯片");
    assert_eq!(chart.further["smoking"], text("已戒"));
    assert_eq!(
        chart.further["chronic"],
        Node::List(vec![text("高血压"), text("痛风")])
    );
    assert_eq!(
        chart.further["phone"],
        int(5),
        "a value of another shape is kept beside"
    );
    assert_eq!(edit_hashes(&now).len(), edits.len());
    let back = lines(DocKind::Chart, &original, &now);
    assert_eq!(back[0], patient_line());
    assert_eq!(back[1..], edits);
}

#[test]
fn an_allergy_never_goes_away_by_an_edit() {
    let now = edited(
        &chart(),
        &edit_line(vec![text("allergies")], "set", Node::List(Vec::new())),
        1,
    );
    assert!(matches!(Chart::read(&now).allergies, AllergyState::Known(list) if list.len() == 1));
    let odd = edited(
        &chart(),
        &edit_line(vec![text("problems")], "set", Node::List(Vec::new())),
        2,
    );
    assert!(Chart::read(&odd).problems.is_empty());
}

#[test]
fn allergies_of_an_odd_form_are_never_taken_for_none() {
    let odd = with(patient_line(), [("allergies", text("青霉素过敏"))]);
    let document = document(&patient_edits(&line(&odd)).unwrap());
    assert_eq!(Chart::read(&document).allergies, AllergyState::Unreadable);
    let bare = with(patient_line(), [("allergies", Node::List(vec![text("青霉素")]))]);
    let document = self::document(&patient_edits(&line(&bare)).unwrap());
    assert!(
        matches!(Chart::read(&document).allergies, AllergyState::Known(list) if list[0].agent == "青霉素")
    );
    let empty = with(patient_line(), [("allergies", Node::List(Vec::new()))]);
    let document = self::document(&patient_edits(&line(&empty)).unwrap());
    assert_eq!(Chart::read(&document).allergies, AllergyState::NotAsked);
}

#[test]
fn edits_that_do_not_fit_are_refused() {
    let document = chart();
    let bad = [
        edit_line(vec![], "set", int(1)),
        edit_line(vec![text("phone")], "push", int(1)),
        edit_line(vec![text("phone"), text("deep")], "set", int(1)),
        edit_line(vec![text("problems"), int(7), text("status")], "set", int(1)),
        edit_line(vec![text("problems"), int(-1)], "set", int(1)),
        edit_line(vec![text("id")], "set", text("P2")),
        edit_line(vec![int(3)], "set", int(1)),
        edit_line(vec![text("phone")], "delete", int(1)),
        edit_line(vec![text("x"); 17], "set", int(1)),
    ];
    for node in bad {
        let outcome = edit_edits(&line(&node), &[1; 32], DocKind::Chart, &document);
        assert_eq!(outcome, Err(LineFault::BadEdit), "{node:?}");
    }
}

#[test]
fn lines_that_are_none_are_refused() {
    assert_eq!(Line::read(Node::List(Vec::new())), Err(LineFault::NotAnObject));
    assert_eq!(Line::read(Node::default()), Err(LineFault::UnknownKind));
    assert_eq!(
        Line::read(texts([("t", "receipt"), ("id", "1")])),
        Err(LineFault::UnknownKind)
    );
    assert_eq!(Line::read(texts([("t", "patient")])), Err(LineFault::NoId));
    assert_eq!(
        Line::read(texts([("t", "patient"), ("id", "")])),
        Err(LineFault::NoId)
    );
    assert!(Line::read(texts([("t", "meta")])).is_ok());
    let deep = (0..40).fold(int(1), |node, _| Node::List(vec![node]));
    let too_deep = with(patient_line(), [("x", deep)]);
    assert_eq!(patient_edits(&line(&too_deep)), Err(LineFault::TooLarge));
}

#[test]
fn clinic_and_meta_lines_are_kept_in_the_clinic() {
    let clinic = with(
        texts([("t", "clinic"), ("code", "0017"), ("town", "石门镇")]),
        [("villages", Node::List(vec![text("柳树村")]))],
    );
    let meta = with(
        texts([("t", "meta")]),
        [("years", int(10)), ("visits", float(6.0))],
    );
    let mut document = Node::default();
    for (node, hash) in [(&meta, 1), (&clinic, 2), (&meta, 1)] {
        let edits = clinic_edits(&line(node), &[hash; 32], &document).unwrap();
        tree::apply_all(&mut document, &edits).unwrap();
    }
    assert_eq!(document.text(&["clinic", "town"]), Some("石门镇"));
    assert_eq!(lines(DocKind::Clinic, &document, &document), [meta, clinic]);
}

#[test]
fn local_times_are_chinas_and_offsets_count() {
    let at = local_time("2019-03-07T10:52:16").unwrap();
    assert_eq!(local_time("2019-03-07T02:52:16Z"), Some(at));
    assert_eq!(local_time("yesterday"), None);
}

fn any_value() -> impl Strategy<Value = Node> {
    let value = prop_oneof![
        Just(Scalar::Null),
        any::<bool>().prop_map(Scalar::Bool),
        any::<i64>().prop_map(Scalar::Int),
        (-1e9..1e9f64).prop_map(Scalar::Float),
        "\\PC{0,10}".prop_map(Scalar::Text),
        prop::sample::select(vec!["男", "女", "male", "2020-01-01"]).prop_map(Scalar::from),
    ];
    value.prop_map(Node::from).prop_recursive(3, 20, 5, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Node::List),
            prop::collection::btree_map("[a-z]{0,4}", inner, 0..4).prop_map(Node::Map),
        ]
    })
}

fn any_line(kind: DocKind, word: &'static str) -> impl Strategy<Value = Node> {
    let placed: Vec<String> = places::placed(kind)
        .iter()
        .map(|(name, _)| (*name).to_owned())
        .collect();
    let others = [
        "by",
        "at",
        "line",
        "patient",
        "encounter",
        "source",
        "rest",
        "n",
        "",
    ]
    .map(str::to_owned);
    let names: Vec<String> = placed.into_iter().chain(others).collect();
    let fields = prop::collection::btree_map(prop::sample::select(names), any_value(), 0..12);
    fields.prop_map(move |mut parts| {
        parts.insert("t".into(), text(word));
        parts.insert("id".into(), text("X1"));
        Node::Map(parts)
    })
}

fn planned(kind: DocKind, edits: &[Edit]) -> bool {
    edits.iter().all(|edit| {
        let (Edit::Put(path, node) | Edit::Append(path, node)) = edit else {
            return false;
        };
        let plain = matches!(node, Node::Leaf(Leaf { others, .. }) if others.is_empty());
        plain
            && path.iter().all(|key| !key.is_empty())
            && layout::containers(kind).contains(&path[0].as_str())
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 150, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn whatever_a_patient_line_holds_comes_back(node in any_line(DocKind::Chart, "patient")) {
        let edits = patient_edits(&line(&node)).unwrap();
        prop_assert!(planned(DocKind::Chart, &edits));
        let document = document(&edits);
        let _ = Chart::read(&document);
        prop_assert_eq!(lines(DocKind::Chart, &document, &document), vec![node]);
    }

    #[test]
    fn whatever_a_visit_holds_comes_back(
        visit in any_line(DocKind::Encounter, "encounter"),
        vital in any_line(DocKind::Series, "vital"),
    ) {
        let mut edits = encounter_edits(&line(&visit), CHART_ID).unwrap();
        let patient = line(&visit).patient().unwrap_or_default().to_owned();
        edits.extend(vital_edits(&line(&vital), Some(("X1", &patient))).unwrap());
        prop_assert!(planned(DocKind::Encounter, &edits));
        let document = document(&edits);
        let _ = Encounter::read(&document);
        prop_assert_eq!(lines(DocKind::Encounter, &document, &document), vec![visit, vital]);
    }

    #[test]
    fn whatever_an_edit_sets_is_there_afterwards(
        field in prop::sample::select(vec!["name", "sex", "problems", "allergies", "smoking", "new"]),
        values in prop::collection::vec(any_value(), 1..4),
    ) {
        let original = chart();
        let mut now = original.clone();
        let mut edits = Vec::new();
        for (value, hash) in values.into_iter().zip(1..) {
            let edit = edit_line(vec![text(field)], "set", value);
            now = edited(&now, &edit, hash);
            edits.push(edit);
        }
        let back = lines(DocKind::Chart, &original, &now);
        prop_assert_eq!(&back[1..], edits.as_slice());
    }
}

//! Imports: every line once, every field back.

use serde_json::{Value, json};

use crate::workbench::Bench;
use crate::*;
use records::imports::LineFault;

fn file(lines: &[Value]) -> Vec<std::io::Result<Vec<u8>>> {
    lines
        .iter()
        .map(|line| Ok(line.to_string().into_bytes()))
        .collect()
}

async fn import(store: &Store, lines: Vec<std::io::Result<Vec<u8>>>) -> ImportReport {
    store.import(lines.into_iter(), Box::new(|_| {})).await.unwrap()
}

async fn export(store: &Store, what: ExportOf) -> Vec<Value> {
    let (send, receive) = std::sync::mpsc::channel();
    store
        .export(what, Box::new(move |line| send.send(line.clone()).is_ok()))
        .await
        .unwrap();
    receive.into_iter().collect()
}

fn people() -> Vec<Value> {
    vec![
        json!({"t": "meta", "format": 1, "seed": 1}),
        json!({"t": "clinic", "code": "0017", "region": "410121", "town": "示例镇", "doctors": ["李医生"]}),
        json!({"t": "patient", "id": "P1", "clinic": "0017", "name": "王秀英", "sex": "女",
            "birth_date": "1949-12-31", "id_no": "11010519491231002X", "phone": "13800001234", "phone2": "",
            "height_cm": 153.0, "chronic": ["高血压"], "odd": {"a": [1, 2.5, null, true]},
            "allergies": [{"agent": "青霉素", "reaction": "皮疹", "severity": "轻"}], "medications": []}),
        json!({"t": "encounter", "id": "E1", "patient": "P1", "clinic": "0017", "doctor": "李医生",
            "started_at": "2025-10-01T08:00:00", "chief_complaint": "咳嗽3天", "temp_c": 36.0, "sbp": 150,
            "diagnoses": [{"code": "I10", "name": "高血压", "certainty": "确诊"}], "referral": false}),
        json!({"t": "vital", "id": "V1-bp-0", "patient": "P1", "encounter": "E1", "kind": "bp",
            "values": [150, 90, 77], "taken_at": "2025-10-01T07:50:00", "device": "BP-88/0042", "quality": "ok"}),
        json!({"t": "vital", "id": "V1-temp-1", "patient": "P1", "encounter": "E1", "kind": "temp",
            "values": [36.0], "taken_at": "2025-10-01T07:51:00", "device": "BP-88/0042", "quality": "motion"}),
        json!({"t": "vital", "id": "V2-bp-0", "patient": "P1", "kind": "bp",
            "values": [148, 88, 70], "taken_at": "2025-10-02T07:50:00", "device": "", "quality": "ok"}),
        json!({"t": "edit", "doc": "P1", "at": "2025-11-04T09:00:00", "path": ["phone"], "op": "set",
            "value": "13900005678"}),
        json!({"t": "edit", "doc": "P1", "at": "2025-11-04T09:01:00", "path": ["problems"], "op": "push",
            "value": {"code": "E11", "name": "糖尿病", "onset": "2025-11", "status": "在管"}}),
    ]
}

/// Each line with its keys in order, in the order of the texts.
fn sorted(lines: &[Value]) -> Vec<String> {
    let ordered =
        |line: &Value| crate::json::from_node(&crate::json::to_node(line.clone()).unwrap()).to_string();
    let mut texts: Vec<String> = lines.iter().map(ordered).collect();
    texts.sort();
    texts
}

#[tokio::test]
async fn lines_become_records_once_and_come_out_equal() {
    let bench = Bench::new();
    let store = bench.open();
    let lines = people();
    let first = import(&store, file(&lines)).await;
    assert_eq!(
        (first.lines, first.new, first.known, first.refused),
        (9, 9, 0, 0),
        "{first:?}"
    );
    assert_eq!(store.clinic().await.unwrap().unwrap().as_str(), "0017");
    let patient = store.patient_named("P1").await.unwrap().unwrap();
    let line = store.patient_line(patient).await.unwrap().unwrap();
    assert_eq!(
        (line.name.as_str(), line.phone_tail.as_deref()),
        ("王秀英", Some("5678"))
    );
    let visits = store.visits_of(patient, 5).await.unwrap();
    assert_eq!(
        (visits.len(), visits[0].state, visits[0].complaint.as_str()),
        (1, "imported", "咳嗽3天")
    );
    assert_eq!(store.observations_of(patient, None, 10).await.unwrap().len(), 3);
    assert_eq!(
        sorted(&export(&store, ExportOf::Patient(patient)).await),
        sorted(&lines[2..])
    );
    assert_eq!(sorted(&export(&store, ExportOf::All).await), sorted(&lines));
    let fingerprint = store.fingerprint().await.unwrap();
    let again = import(&store, file(&lines)).await;
    assert_eq!(
        (again.lines, again.new, again.known, again.refused),
        (9, 0, 9, 0),
        "{again:?}"
    );
    assert_eq!(store.fingerprint().await.unwrap(), fingerprint);
    let checked = store.verify(None, Box::new(|_, _| {})).await.unwrap();
    assert_eq!(
        (checked.patients, checked.encounters, checked.observations),
        (1, 1, 3)
    );
    assert!(checked.problems.is_empty(), "{:?}", checked.problems);
    assert!(store.rebuild(Box::new(|_, _| {})).await.unwrap().is_empty());
}

#[tokio::test]
async fn lines_in_pieces_and_doubled_end_in_the_same_records() {
    let bench = Bench::new();
    let store = bench.open();
    let lines = people();
    // The second reading of the visit comes in a later file, everything else twice.
    let mut early: Vec<Value> = lines
        .iter()
        .flat_map(|line| [line.clone(), line.clone()])
        .collect();
    early.retain(|line| line["id"] != "V1-temp-1");
    let first = import(&store, file(&early)).await;
    assert_eq!((first.new, first.known, first.refused), (8, 8, 0), "{first:?}");
    let second = import(&store, file(&lines[5..6])).await;
    assert_eq!(
        (second.new, second.known, second.refused),
        (1, 0, 0),
        "{second:?}"
    );
    assert_eq!(sorted(&export(&store, ExportOf::All).await), sorted(&lines));
}

#[tokio::test]
async fn what_cannot_be_taken_is_named_by_its_line_and_the_rest_goes_on() {
    let bench = Bench::new();
    let store = bench.open();
    let mut lines = file(&people()[1..4]);
    lines.splice(
        1..1,
        [
            "no json",
            "[1]",
            "{\"t\":\"cow\",\"id\":\"1\"}",
            "{\"t\":\"patient\"}",
            "",
            "  ",
        ]
        .map(|text| Ok(text.as_bytes().to_vec())),
    );
    lines.extend(file(&[
        json!({"t": "encounter", "id": "E9", "patient": "P9"}),
        json!({"t": "vital", "id": "V9", "encounter": "E9", "patient": "P1", "kind": "bp", "values": [1, 2]}),
        json!({"t": "vital", "id": "V8", "patient": "P9", "kind": "bp", "values": [1, 2]}),
        json!({"t": "edit", "doc": "P9", "path": ["phone"], "op": "set", "value": "1"}),
        json!({"t": "edit", "doc": "P1", "path": ["phone", "x"], "op": "push", "value": "1"}),
        json!({"t": "patient", "id": "P2", "name": "李桂花"}),
    ]));
    lines.push(Ok(vec![b' '; 10]));
    lines.push(Ok(format!(
        "{{\"t\":\"patient\",\"id\":\"P3\",\"x\":\"{}\"}}",
        "y".repeat(LINE_BYTES_MAX)
    )
    .into()));
    let report = import(&store, lines).await;
    assert_eq!((report.lines, report.new, report.known), (14, 4, 0), "{report:?}");
    let faults: Vec<(u64, LineFault)> = report.faults.clone();
    assert_eq!(
        faults,
        [
            (2, LineFault::NotAnObject),
            (3, LineFault::NotAnObject),
            (4, LineFault::UnknownKind),
            (5, LineFault::NoId),
            (10, LineFault::UnknownPatient),
            (11, LineFault::UnknownVisit),
            (12, LineFault::UnknownPatient),
            (13, LineFault::UnknownPatient),
            (14, LineFault::BadEdit),
            (17, LineFault::TooLarge),
        ]
    );
    assert_eq!(report.refused, 10);
}

#[tokio::test]
async fn what_staff_add_to_an_imported_record_is_exported_too() {
    use crate::workbench::{commit, on};
    let bench = Bench::new();
    let store = bench.open();
    import(&store, file(&people()[1..4])).await;
    let patient = store.patient_named("P1").await.unwrap().unwrap();
    let edits = vec![records::tree::Edit::put(&["person", "phone"], "13700000000")];
    store
        .commit(commit(vec![on(patient.doc(), edits)]))
        .await
        .unwrap();
    let lines = export(&store, ExportOf::Patient(patient)).await;
    assert!(sorted(&lines).contains(&sorted(&people()[2..3])[0]));
    let whole = lines.iter().find(|line| line["t"] == "document").unwrap();
    assert_eq!(whole["content"]["person"]["phone"], "13700000000");
    assert_eq!(
        store.patient_named(&patient.to_string()).await.unwrap(),
        Some(patient)
    );
    assert_eq!(store.patient_named("P2").await.unwrap(), None);
}

#[tokio::test]
async fn the_samples_of_an_ecg_are_exported_after_its_document() {
    use crate::workbench::{clinic, commit};
    use records::ecgs::{EcgMeta, add_ecg};
    use records::ids::{DocKind, EcgId, PatientId};
    use records::time::{ClockSource, Stamp, WallTime};
    let bench = Bench::new();
    let store = bench.open();
    let samples = vec![1u8, 2, 3];
    let ecg = EcgMeta {
        id: EcgId([1; 8]),
        blob: sync_core::blobs::blob_id(&samples),
        preview: Some(sync_core::blobs::blob_id(b"elsewhere")),
        rate_hz: 500,
        leads: vec!["I".into()],
        duration_ms: 10,
        taken: Stamp {
            at: WallTime(5),
            source: ClockSource::Hub,
        },
        device: "contec-8000g".into(),
        serial: String::new(),
        heart_rate: None,
        gaps: 0,
        clipped: false,
        by: None,
        withdrawn: None,
    };
    let patient = PatientId([1; 16]);
    let target = Target::Series {
        patient,
        month: "2025-10".into(),
        owner: clinic(),
    };
    let mut record = commit(vec![Write {
        target,
        base: None,
        edits: add_ecg(&ecg),
    }]);
    record.blobs = vec![samples];
    let doc = store.commit(record).await.unwrap().docs[0];
    assert_eq!(doc.kind(), Some(DocKind::Series));
    assert_eq!(store.ecgs_of(patient).await.unwrap()[0].ecg, ecg);
    let lines = export(&store, ExportOf::Patient(patient)).await;
    let found: Vec<(&Value, &Value)> = lines.iter().map(|line| (&line["t"], &line["hex"])).collect();
    assert_eq!(
        found,
        [
            (&json!("document"), &Value::Null),
            (&json!("blob"), &Value::Null),
            (&json!("blob"), &json!("010203"))
        ]
    );
}

#[tokio::test]
async fn an_import_that_meets_a_full_disk_stops_and_goes_on_later() {
    let bench = Bench::new();
    drop(bench.open());
    let pages: u32 = {
        let sql = crate::sql::Connection::open(bench.folder.path().join("clinic.db")).unwrap();
        sql.query_row("PRAGMA page_count", [], |row| row.get(0)).unwrap()
    };
    let mut lines = people();
    for n in 0..1_500 {
        lines.push(json!({"t": "encounter", "id": format!("X{n}"), "patient": "P1", "history": format!("{n}").repeat(40)}));
    }
    let mut options = bench.options();
    options.pages_max = Some(pages + 60);
    let store = Store::open(bench.folder.path(), options).unwrap();
    let stopped = store.import(file(&lines).into_iter(), Box::new(|_| {})).await;
    assert!(
        matches!(stopped, Err(ImportError::Store(StoreError::DiskFull))),
        "{stopped:?}"
    );
    drop(store);
    let store = bench.open();
    let report = import(&store, file(&lines)).await;
    assert_eq!((report.new + report.known, report.refused), (1_509, 0));
    assert!(sorted(&export(&store, ExportOf::All).await) == sorted(&lines));
    let checked = store.verify(None, Box::new(|_, _| {})).await.unwrap();
    assert!(checked.problems.is_empty(), "{:?}", checked.problems);
}

#[test]
fn lines_are_split_and_an_endless_one_is_cut() {
    let text = format!("a\nb\n{}\nc", "x".repeat(3 * LINE_BYTES_MAX));
    let lines: Vec<Vec<u8>> = lines_of(std::io::Cursor::new(text.into_bytes()))
        .map(Result::unwrap)
        .collect();
    assert_eq!(lines.len(), 4);
    assert_eq!(
        (lines[0].as_slice(), lines[3].as_slice()),
        (&b"a\n"[..], &b"c"[..])
    );
    assert!(lines[2].len() > LINE_BYTES_MAX && lines[2].len() < 2 * LINE_BYTES_MAX);
}

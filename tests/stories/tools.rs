//! `decode`, `simulate` and `appliance ecg` as scripts use them.

use std::io::Read as _;
use std::path::{Path, PathBuf};

use ecg::model::SampleRateHz;
use ecg::synthetic::{Heart, HeartSettings};
use harness::programs::{Program, run, wait_until};
use serde_json::{Value, json};

/// Kinds of vectors that are no bytes of a serial line.
const LEFT_OUT: [&str; 3] = ["exchange", "i2c_read", "scalar"];

fn vectors() -> Vec<Value> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../device-drivers/vectors");
    let mut files: Vec<PathBuf> = std::fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .collect();
    files.sort();
    let read = |path: PathBuf| -> Value { serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap() };
    files
        .into_iter()
        .flat_map(|path| read(path)["vectors"].as_array().unwrap().clone())
        .filter(|vector| !LEFT_OUT.contains(&vector["kind"].as_str().unwrap()))
        .collect()
}

fn bytes_of(vector: &Value) -> Vec<u8> {
    let hex = vector["hex"].as_str().unwrap();
    (0..hex.len() / 2)
        .map(|at| u8::from_str_radix(&hex[2 * at..2 * at + 2], 16).unwrap())
        .collect()
}

/// Whether everything that is wanted stands in what was found; null means absent.
fn holds(wanted: &Value, found: &Value) -> bool {
    match (wanted, found) {
        (Value::Object(wanted), found) => wanted
            .iter()
            .all(|(key, value)| holds(value, found.get(key).unwrap_or(&Value::Null))),
        (Value::Array(wanted), Value::Array(found)) => {
            wanted.len() == found.len()
                && wanted
                    .iter()
                    .zip(found)
                    .all(|(wanted, found)| holds(wanted, found))
        }
        (Value::Number(wanted), Value::Number(found)) => {
            (wanted.as_f64().unwrap() - found.as_f64().unwrap()).abs() < 1e-6
        }
        (wanted, found) => wanted == found,
    }
}

fn judge(vector: &Value, events: &[Value]) -> Result<(), String> {
    let (expect, wanted) = (vector["expect"].as_str().unwrap(), &vector["decoded"]);
    let of = |kind: &str| events.iter().filter(|event| event["event"] == kind).count();
    let (readings, rejects) = (of("reading"), of("reject"));
    let one = |kind: Option<&str>| {
        let fits = |event: &&Value| kind.map_or(event["event"] != "reject", |kind| event["event"] == kind);
        events.iter().filter(fits).any(|event| holds(wanted, event))
    };
    let verdict = if expect.starts_with("reject") {
        readings == 0 && rejects > 0
    } else if expect == "device_error" || expect == "out_of_range" {
        readings == 0 && one(Some(expect))
    } else if vector["kind"] == "stream" {
        let mut rest = events.iter();
        let list = wanted["readings"].as_array().unwrap();
        let in_order = list.iter().all(|wanted| rest.any(|event| holds(wanted, event)));
        in_order && readings <= list.len() && rejects as u64 >= wanted["min_errors"].as_u64().unwrap_or(0)
    } else {
        one(None)
    };
    verdict
        .then_some(())
        .ok_or_else(|| format!("{}: {events:?}", vector["id"]))
}

#[test]
fn decode_prints_what_the_vectors_promise() {
    let vectors = vectors();
    assert!(vectors.len() >= 40, "only {} vectors were found", vectors.len());
    let faults: Vec<String> = vectors
        .iter()
        .filter_map(|vector| {
            let mut arguments = vec!["--device", vector["device"].as_str().unwrap(), "--json"];
            if vector["direction"] == "host_to_device" {
                arguments.extend(["--direction", "host"]);
            }
            let said = run("decode", &arguments, &bytes_of(vector));
            assert_eq!(said.code, 0, "{}: {}", vector["id"], said.err);
            let events: Vec<Value> = said
                .out
                .lines()
                .map(|line| serde_json::from_str(line).unwrap())
                .collect();
            judge(vector, &events).err()
        })
        .collect();
    assert!(faults.is_empty(), "{faults:#?}");
}

#[test]
fn what_simulate_sends_decode_reads() {
    let folder = tempfile::tempdir().unwrap();
    let arguments = [
        "--device",
        "omron-hbp9030",
        "--duration",
        "1",
        "--patient",
        "P0017",
    ];
    let mut simulate = Program::start("simulate", &arguments, &[], folder.path());
    let mut port = std::fs::File::open(simulate.next_line()).unwrap();
    let bytes = std::thread::spawn(move || {
        let mut bytes = Vec::new();
        let mut piece = [0; 256];
        while !bytes.ends_with(b"\n") {
            let length = port.read(&mut piece).unwrap();
            bytes.extend_from_slice(&piece[..length]);
        }
        bytes
    });
    simulate.tell("measure 138/86/77");
    wait_until("the monitor's result", || bytes.is_finished().then_some(()));
    let said = run(
        "decode",
        &["--device", "omron-hbp9030", "--json"],
        &bytes.join().unwrap(),
    );
    let events: Vec<Value> = said
        .out
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    let wanted =
        json!({"event": "reading", "sys_mmhg": 138, "dia_mmhg": 86, "pulse_bpm": 77, "subject_id": "P0017"});
    assert!(events.iter().any(|event| holds(&wanted, event)), "{events:?}");
    drop(simulate);
    assert_eq!(run("simulate", &["--device", "toaster"], b"").code, 2);
    assert_eq!(run("decode", &["--device", "toaster"], b"").code, 2);
}

#[test]
fn ecg_measures_a_record_on_the_command_line() {
    let folder = tempfile::tempdir().unwrap();
    let settings = HeartSettings {
        rate_bpm: 75.0,
        ..HeartSettings::default()
    };
    let waveform = Heart::new(settings, 7).record(10.0, SampleRateHz::DIAGNOSTIC);
    let written = ecg::wfdb::write(&waveform, "heart").unwrap();
    std::fs::write(folder.path().join("heart.hea"), written.header).unwrap();
    std::fs::write(folder.path().join("heart.dat"), written.samples).unwrap();
    let record = folder.path().join("heart").to_str().unwrap().to_owned();
    let svg = folder.path().join("heart.svg").to_str().unwrap().to_owned();
    let said = run("appliance", &["ecg", &record, "--json", "--svg", &svg], b"");
    assert_eq!(said.code, 0, "{}", said.err);
    let object = said.json();
    assert_eq!(object["fs_hz"], 500);
    assert_eq!(object["samples"], 5000);
    assert_eq!(object["leads"].as_array().unwrap().len(), 12);
    let rate = object["heart_rate_per_min"].as_f64().unwrap();
    assert!((74.0..=76.0).contains(&rate), "{rate}");
    let drawn = std::fs::read_to_string(&svg).unwrap();
    assert!(drawn.starts_with("<svg") && drawn.contains("</svg>"));
    let beats = run("appliance", &["ecg", &format!("{record}.hea"), "--beats"], b"");
    let beats: Vec<u32> = beats.out.lines().map(|line| line.parse().unwrap()).collect();
    assert!((11..=13).contains(&beats.len()) && beats.is_sorted() && beats[beats.len() - 1] < 5000);

    std::fs::write(folder.path().join("broken.hea"), "broken 12 500 5000\n").unwrap();
    let broken = folder.path().join("broken").to_str().unwrap().to_owned();
    let said = run("appliance", &["ecg", &broken, "--json"], b"");
    assert_eq!(said.code, 1);
    assert!(said.json()["error"].is_string());
}

/// Programs with verbs, and what has no verbs.
const PROGRAMS: [(&str, &[&[&str]]); 5] = [
    (
        "appliance",
        &[
            &["serve"],
            &["enroll"],
            &["import"],
            &["export"],
            &["sync"],
            &["status"],
            &["verify"],
            &["ecg"],
        ],
    ),
    (
        "sync-server",
        &[
            &["serve"],
            &["clinic", "add"],
            &["staff", "add"],
            &["ca"],
            &["token"],
            &["verify"],
        ],
    ),
    ("decode", &[&[]]),
    ("simulate", &[&[]]),
    ("image-builder", &[&["inspect"]]),
];

/// The part of the document about a program, or about one of its verbs where that has a part of its own.
fn part<'a>(document: &'a str, program: &str, verb: &[&str]) -> &'a str {
    let after = |heading: &str| document.split_once(heading).map(|(_, part)| part);
    let own = after(&format!("\n### {program} {}\n", verb.join(" ")));
    let (part, end) = match own {
        Some(part) => (part, "\n##"),
        None => (after(&format!("\n## {program}")).unwrap(), "\n## "),
    };
    part.split(end).next().unwrap()
}

#[test]
fn the_document_names_every_flag_and_cause() {
    let document = include_str!("../../docs/cli.md");
    let mut missing = Vec::new();
    for (program, verbs) in PROGRAMS {
        for verb in verbs {
            let part = match program {
                "simulate" => part(document, "decode and simulate", verb),
                _ => part(document, program, verb),
            };
            let arguments: Vec<&str> = verb.iter().copied().chain(["--help"]).collect();
            let said = run(program, &arguments, b"");
            assert_eq!(said.code, 0, "{program} {verb:?}: {}", said.err);
            let words = said.out.split(|c: char| !(c.is_ascii_lowercase() || c == '-'));
            let flags = words.filter(|word| word.starts_with("--") && word.len() > 2);
            let said_elsewhere = ["--help", "--version"];
            missing.extend(
                flags
                    .filter(|flag| !said_elsewhere.contains(flag) && !part.contains(flag))
                    .map(|flag| format!("{program} {} {flag}", verb.join(" "))),
            );
        }
    }
    let causes = store::Cause::ALL.map(store::Cause::word);
    let unsaid = causes
        .iter()
        .filter(|word| !document.contains(&format!("| `{word}` |")));
    missing.extend(unsaid.map(|word| format!("cause {word}")));
    assert!(missing.is_empty(), "docs/cli.md does not name {missing:?}");
}

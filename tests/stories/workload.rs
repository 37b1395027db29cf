//! `appliance import`, `export`, `verify` and their neighbours on the lines of a made-up clinic.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use harness::programs::{Program, Said, run};
use harness::workload::Workload;
use serde_json::{Value, json};
use tempfile::TempDir;

/// Small enough for each run of the tests; `measure import` takes the full size.
const SMALL: Workload = Workload {
    patients: 200,
    years: 1,
    visits: 4,
    seed: 1,
};

/// A folder for data and lines.
struct Bench {
    folder: TempDir,
}

impl Bench {
    fn new() -> Self {
        Self {
            folder: tempfile::tempdir().unwrap(),
        }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn text(&self, name: &str) -> String {
        self.path(name).to_str().unwrap().to_owned()
    }

    /// Runs a verb on the data folder `name`.
    fn verb(&self, verb: &str, name: &str, more: &[&str]) -> Said {
        let data = self.text(name);
        let arguments: Vec<&str> = [verb, "--data", &data]
            .into_iter()
            .chain(more.iter().copied())
            .collect();
        run("appliance", &arguments, b"")
    }

    fn import(&self, name: &str, lines: &str) -> Said {
        self.verb("import", name, &[&self.text(lines), "--json"])
    }

    fn export(&self, name: &str) -> Vec<Value> {
        let said = self.verb("export", name, &["--all", "-"]);
        assert_eq!(said.code, 0, "{}", said.err);
        lines(&said.out)
    }

    /// `verify --rebuild` finds nothing; what it counted.
    fn verified(&self, name: &str) -> Value {
        let said = self.verb("verify", name, &["--rebuild", "--json"]);
        assert_eq!(said.code, 0, "{} {}", said.out, said.err);
        let found = said.json();
        assert_eq!(found["problems"], json!([]));
        found
    }

    fn write(&self, name: &str, content: &str) {
        std::fs::write(self.path(name), content).unwrap();
    }

    fn serve(&self, name: &str, more: &[&str]) -> Program {
        let data = self.text(name);
        let arguments: Vec<&str> = ["serve", "--data", &data, "--listen", "127.0.0.1:0"]
            .into_iter()
            .chain(more.iter().copied())
            .collect();
        Program::start("appliance", &arguments, &[], self.folder.path())
    }
}

fn lines(text: &str) -> Vec<Value> {
    text.lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect()
}

fn lines_of(path: &Path) -> Vec<Value> {
    lines(&std::fs::read_to_string(path).unwrap())
}

/// The lines without regard to their order and to the order of keys.
fn sorted(lines: &[Value]) -> Vec<String> {
    fn plain(value: &Value) -> Value {
        match value {
            Value::Object(parts) => {
                let parts: BTreeMap<&String, Value> =
                    parts.iter().map(|(key, value)| (key, plain(value))).collect();
                json!(parts)
            }
            Value::Array(items) => items.iter().map(plain).collect(),
            other => other.clone(),
        }
    }
    let mut all: Vec<String> = lines.iter().map(|line| plain(line).to_string()).collect();
    all.sort();
    all
}

fn count(lines: &[Value], kind: &str) -> usize {
    lines.iter().filter(|line| line["t"] == kind).count()
}

fn assert_counts(said: &Said, lines: usize, new: usize, known: usize, refused: usize) {
    let told = said.json();
    let found = ["lines", "new", "known", "refused"].map(|key| told[key].as_u64());
    let wanted = [lines, new, known, refused].map(|n| Some(n as u64));
    assert_eq!(found, wanted, "lines, new, known, refused: {}", said.err);
    assert!(told["seconds"].as_f64().unwrap() > 0.0);
    assert_eq!(said.code, i32::from(refused > 0));
}

/// Equal line for line, with a short word about the first that differs: whole files would flood the report.
fn assert_same_lines(found: &[Value], wanted: &[Value]) {
    let (found, wanted) = (sorted(found), sorted(wanted));
    let differs = found.iter().zip(&wanted).find(|(found, wanted)| found != wanted);
    assert!(
        differs.is_none(),
        "{}\nstands for\n{}",
        differs.unwrap().0,
        differs.unwrap().1
    );
    assert_eq!(found.len(), wanted.len(), "lines");
}

#[test]
fn a_panel_and_a_day_come_in_once_and_go_out_equal() {
    let bench = Bench::new();
    SMALL.write(&bench.path("base"));
    SMALL.write_day(&bench.path("day"));
    let (base, day) = (lines_of(&bench.path("base")), lines_of(&bench.path("day")));
    assert_counts(&bench.import("box", "base"), base.len(), base.len(), 0, 0);
    assert_same_lines(&bench.export("box"), &base);
    let found = bench.verified("box");
    assert_eq!(found["patients"], 200);
    assert_eq!(found["encounters"], count(&base, "encounter"));
    assert_eq!(found["observations"], count(&base, "vital"));

    assert_counts(&bench.import("box", "base"), base.len(), 0, base.len(), 0);
    let again = bench.verified("box");
    assert_eq!(
        again["fingerprint"], found["fingerprint"],
        "the same lines twice change nothing"
    );

    // The second file begins with the clinic that is known already.
    let told = bench.import("box", "day");
    let fresh = day.iter().filter(|line| !base.contains(line)).count();
    assert_counts(&told, day.len(), fresh, day.len() - fresh, 0);
    assert_counts(&bench.import("box", "day"), day.len(), 0, day.len(), 0);
    let both: Vec<Value> = base
        .iter()
        .chain(day.iter().filter(|line| !base.contains(line)))
        .cloned()
        .collect();
    let out = bench.export("box");
    assert_same_lines(&out, &both);
    assert_order(&out, &day);
    let found = bench.verified("box");
    assert_eq!(found["encounters"], count(&both, "encounter"));
    assert_eq!(found["observations"], count(&both, "vital"));
}

/// A patient's line comes before their edits, which stand in the order in which they came.
fn assert_order(out: &[Value], day: &[Value]) {
    for patient in out.iter().filter(|line| line["t"] == "patient") {
        let edits = |lines: &[Value]| -> Vec<Value> {
            let of = |line: &&Value| line["t"] == "edit" && line["doc"] == patient["id"];
            lines.iter().filter(of).cloned().collect()
        };
        let place = out.iter().position(|line| line == patient).unwrap();
        assert_eq!(edits(&out[place..]), edits(day), "edits of {}", patient["id"]);
    }
}

#[test]
fn what_was_exported_can_be_imported_elsewhere() {
    let bench = Bench::new();
    let few = Workload {
        patients: 30,
        ..SMALL
    };
    few.write(&bench.path("base"));
    few.write_day(&bench.path("day"));
    for lines in ["base", "day"] {
        assert_eq!(bench.import("one", lines).code, 0);
    }
    let out = bench.text("out");
    assert_eq!(bench.verb("export", "one", &["--all", &out]).code, 0);
    let exported = lines_of(&bench.path("out"));
    assert_counts(&bench.import("two", "out"), exported.len(), exported.len(), 0, 0);
    assert_same_lines(&bench.export("two"), &exported);

    let id = exported.iter().find(|line| line["t"] == "patient").unwrap()["id"].clone();
    let said = bench.verb("export", "two", &["--patient", id.as_str().unwrap(), "-"]);
    let theirs = |line: &&Value| line["patient"] == id || line["doc"] == id || line["id"] == id;
    let wanted: Vec<Value> = exported.iter().filter(theirs).cloned().collect();
    assert_same_lines(&lines(&said.out), &wanted);
    let unknown = bench.verb("export", "two", &["--patient", "P9999-000000", "-"]);
    assert_eq!((unknown.code, unknown.out.as_str()), (1, ""));
}

#[test]
fn refused_lines_are_named_and_the_rest_goes_on() {
    let bench = Bench::new();
    let secret = "王不泄露";
    let patient = json!({"t": "patient", "id": "P1", "name": secret, "birth_date": "1990-05-01"});
    // A visit before the birth is implausible, not refused.
    let early = json!({"t": "encounter", "id": "E1", "patient": "P1", "started_at": "1980-01-01T08:00:00"});
    let wrong = [
        "not json at all".to_owned(),
        json!(["t", "patient", secret]).to_string(),
        json!({"t": "horoscope", "id": "H1", "name": secret}).to_string(),
        json!({"t": "patient", "name": secret}).to_string(),
        json!({"t": "encounter", "id": "E2", "patient": "P404", "history": secret}).to_string(),
        json!({"t": "vital", "id": "V2", "patient": "P1", "encounter": "E404", "kind": "bp", "values": [138, 86, 77]})
            .to_string(),
        json!({"t": "edit", "doc": "P404", "path": ["phone"], "op": "set", "value": secret}).to_string(),
    ];
    let vital = json!({"t": "vital", "id": "V1", "patient": "P1", "encounter": "E1", "kind": "bp",
        "values": [138, 86, 77], "taken_at": "1980-01-01T08:05:00"});
    let mut file = vec![
        json!({"t": "clinic", "code": "0017"}).to_string(),
        patient.to_string(),
    ];
    file.extend(wrong.iter().cloned());
    file.extend([early.to_string(), String::new(), vital.to_string()]);
    bench.write("lines", &(file.join("\n") + "\n"));
    let said = bench.import("box", "lines");
    assert_counts(&said, 11, 4, 0, wrong.len());
    assert!(said.json()["error"].is_string());
    for number in 3..3 + wrong.len() {
        assert!(said.err.contains(&format!("line {number}: ")), "{}", said.err);
    }
    for number in [1, 2, 10, 12] {
        assert!(!said.err.contains(&format!("line {number}: ")), "{}", said.err);
    }
    assert!(
        !said.err.contains(secret),
        "a person's name stands in {}",
        said.err
    );
    let out = bench.export("box");
    assert!(out.contains(&patient) && out.contains(&early) && out.contains(&vital));
    assert_eq!(bench.verified("box")["patients"], 1);
}

#[test]
fn a_damaged_database_is_set_aside_and_reported() {
    let bench = Bench::new();
    let few = Workload { patients: 5, ..SMALL };
    few.write(&bench.path("base"));
    assert_eq!(bench.import("box", "base").code, 0);
    let database = bench.path("box").join("clinic.db");
    let mut bytes = std::fs::read(&database).unwrap();
    assert!(bytes.len() > 16 * 4096);
    bytes[..64].fill(0x5a);
    std::fs::write(&database, &bytes).unwrap();

    let mut serve = bench.serve("box", &[]);
    serve.url("pages");
    assert!(serve.stop().success());
    let aside = std::fs::read_dir(bench.path("box"))
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .find(|path| {
            path.file_name()
                .unwrap()
                .to_string_lossy()
                .starts_with("clinic.db.damaged-")
        });
    let kept = std::fs::read(aside.unwrap()).unwrap();
    assert_eq!(
        (kept.len(), &kept[..64]),
        (bytes.len(), &bytes[..64]),
        "nothing was wiped"
    );
    let status = bench.verb("status", "box", &["--json"]).json();
    let alarms = status["alarms"].as_array().unwrap();
    assert!(
        alarms.iter().any(|alarm| alarm["kind"] == "damaged"),
        "{alarms:?}"
    );
    // The box works on, and the lines can come in again.
    assert_eq!(bench.import("box", "base").code, 0);
    assert_eq!(bench.verified("box")["patients"], 5);
}

#[test]
fn a_folder_or_port_in_use_is_said_in_one_sentence() {
    let bench = Bench::new();
    bench.write("lines", "{\"t\":\"patient\",\"id\":\"P1\",\"name\":\"王测\"}\n");
    let mut serve = bench.serve("box", &[]);
    let pages = serve.url("pages");
    let address = pages
        .trim_start_matches("http://")
        .trim_end_matches('/')
        .to_owned();
    let said = bench.import("box", "lines");
    assert_eq!(said.code, 1);
    let sentence = format!("in use by process {}", serve.pid());
    assert!(said.err.contains(&sentence), "{}", said.err);
    assert!(
        said.json()["error"].as_str().unwrap().contains(&sentence),
        "{}",
        said.out
    );
    let second = bench.verb("serve", "box", &["--listen", "127.0.0.1:0"]);
    assert_eq!(second.code, 1);
    assert!(second.err.contains(&sentence), "{}", second.err);
    let port = bench.verb("serve", "other", &["--listen", &address]);
    assert_eq!(port.code, 1);
    assert!(
        port.err.contains(&address) && port.err.contains("in use"),
        "{}",
        port.err
    );
    // What only reads works beside it.
    for (verb, more) in [
        ("status", &["--json"][..]),
        ("verify", &["--json"]),
        ("export", &["--all", "-"]),
    ] {
        let said = bench.verb(verb, "box", more);
        assert_eq!(said.code, 0, "{verb}: {}", said.err);
    }
    assert!(serve.stop().success());
    assert_counts(&bench.import("box", "lines"), 1, 1, 0, 0);
}

#[test]
fn a_folder_without_data_and_wrong_arguments_are_told_apart() {
    let bench = Bench::new();
    for verb in ["status", "verify"] {
        let said = bench.verb(verb, "nothing", &["--json"]);
        assert_eq!(said.code, 1, "{verb}");
        assert!(said.json()["error"].is_string(), "{verb}");
    }
    assert_eq!(bench.verb("export", "nothing", &["out"]).code, 2);
    assert_eq!(run("appliance", &["dance"], b"").code, 2);
    let open = bench.verb("serve", "box", &["--listen", "0.0.0.0:0"]);
    assert_eq!(open.code, 1);
    assert!(open.err.contains("loopback"), "{}", open.err);
    bench.write("config", "[http]\ncolour = 1\n");
    let unknown = bench.verb("serve", "box", &["--config", &bench.text("config")]);
    assert_eq!(unknown.code, 1);
    assert!(unknown.err.contains("colour"), "{}", unknown.err);
}

#[test]
fn keys_of_json_objects_are_as_promised() {
    let bench = Bench::new();
    bench.write(
        "lines",
        "{\"t\":\"clinic\",\"code\":\"0017\"}\n{\"t\":\"patient\",\"id\":\"P1\",\"name\":\"王测\"}\n",
    );
    assert_counts(&bench.import("box", "lines"), 2, 2, 0, 0);
    let status = bench.verb("status", "box", &["--json"]).json();
    for key in [
        "queue",
        "pending",
        "last_contact",
        "cause",
        "next_try",
        "clock",
        "storage",
        "devices",
        "alarms",
        "versions",
    ] {
        assert!(status.get(key).is_some(), "status has no {key}");
    }
    let lanes: Vec<&String> = status["queue"].as_object().unwrap().keys().collect();
    assert_eq!(lanes, ["P0", "P1", "P2", "P3", "P4"]);
    for lane in status["queue"].as_object().unwrap().values() {
        assert!(lane["items"].is_u64() && lane["bytes"].is_u64());
        assert!(lane["oldest"].is_null() || lane["oldest"].is_string());
    }
    assert_eq!(status["pending"], 2, "two documents that no hub has acknowledged");
    assert_eq!(status["last_contact"], Value::Null);
    for (object, keys) in [
        ("clock", &["now", "source", "heard"][..]),
        (
            "storage",
            &["folder", "free_bytes", "size_bytes", "read_only", "encrypted"],
        ),
        ("versions", &["program", "built", "tables"]),
    ] {
        for key in keys {
            assert!(status[object].get(*key).is_some(), "{object} has no {key}");
        }
    }
    let verify = bench.verified("box");
    for key in ["patients", "encounters", "observations", "changes"] {
        assert!(verify[key].is_u64(), "verify has no {key}");
    }
    let print = verify["fingerprint"].as_str().unwrap();
    assert!(
        print.len() == 64
            && print
                .chars()
                .all(|c| c.is_ascii_digit() || ('a'..='f').contains(&c))
    );
}

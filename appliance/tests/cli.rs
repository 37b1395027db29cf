//! The command line as scripts see it: exit codes, the last line of stdout, sentences on stderr.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking, in its helpers too")]

use std::io::{BufRead as _, BufReader, Read as _};
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};

use ecg::model::SampleRateHz;
use ecg::synthetic::{Heart, HeartSettings};
use serde_json::Value;
use tempfile::TempDir;

const PROGRAM: &str = env!("CARGO_BIN_EXE_appliance");

fn appliance(arguments: &[&str]) -> Output {
    Command::new(PROGRAM).args(arguments).output().unwrap()
}

fn code(output: &Output) -> i32 {
    output.status.code().unwrap()
}

fn errors(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

fn object(output: &Output) -> Value {
    let text = String::from_utf8_lossy(&output.stdout);
    serde_json::from_str(text.lines().last().unwrap_or_default()).unwrap()
}

fn text(path: &Path) -> &str {
    path.to_str().unwrap()
}

/// A box that is served until it is dropped.
struct Served {
    child: Child,
    lines: Vec<String>,
}

impl Served {
    fn start(data: &Path, more: &[&str]) -> Self {
        let mut arguments = vec!["serve", "--data", text(data), "--listen", "127.0.0.1:0"];
        arguments.extend(more);
        let mut command = Command::new(PROGRAM);
        let mut child = command
            .args(arguments)
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let mut reader = BufReader::new(child.stdout.take().unwrap());
        let wanted = 1 + more
            .iter()
            .filter(|argument| argument.ends_with("-listen"))
            .count();
        let lines = (0..wanted)
            .map(|_| {
                let mut line = String::new();
                reader.read_line(&mut line).unwrap();
                line.trim().to_owned()
            })
            .collect();
        Self { child, lines }
    }

    fn address(&self, name: &str) -> String {
        let prefix = format!("listening {name} ");
        let line = self.lines.iter().find_map(|line| line.strip_prefix(&prefix));
        line.unwrap_or_else(|| panic!("no {name} in {:?}", self.lines))
            .to_owned()
    }

    /// Ends it as a service manager does; returns the exit code.
    fn terminate(mut self) -> i32 {
        let pid = self.child.id().to_string();
        assert!(
            Command::new("kill")
                .args(["-TERM", &pid])
                .status()
                .unwrap()
                .success()
        );
        self.child.wait().unwrap().code().unwrap()
    }
}

impl Drop for Served {
    fn drop(&mut self) {
        let _gone = self.child.kill();
        let _gone = self.child.wait();
    }
}

fn ask(address: &str, path: &str) -> String {
    use std::io::Write as _;
    let host = address.trim_start_matches("http://").trim_end_matches('/');
    let mut stream = std::net::TcpStream::connect(host).unwrap();
    write!(
        stream,
        "GET {path} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n"
    )
    .unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    answer
}

const LINES: &str = concat!(
    r#"{"t":"meta","format":1,"seed":1}"#,
    "\n",
    r#"{"t":"clinic","code":"0017","region":"410122","town":"青石镇","villages":["上湾村"],"doctors":["王伟"],"device":"BOX"}"#,
    "\n",
    r#"{"t":"patient","id":"P0017-000000","clinic":"0017","name":"张示例","sex":"女","birth_date":"1949-12-31","id_no":"11010519491231002X","phone":"13800000000"}"#,
    "\n",
    r#"{"t":"encounter","id":"E0017-251103-00001","patient":"P0017-000000","clinic":"0017","doctor":"王伟","started_at":"2025-11-03T08:30:00","ended_at":"2025-11-03T08:40:00","chief_complaint":"头晕3天","temp_c":36.5,"fee_total":12.50}"#,
    "\n",
    r#"{"t":"vital","id":"V0017-251103-00001-bp-0","patient":"P0017-000000","encounter":"E0017-251103-00001","kind":"bp","values":[138,86,77],"taken_at":"2025-11-03T08:20:00","device":"BP-88/0042","quality":"ok"}"#,
    "\n",
    r#"{"t":"edit","doc":"P0017-000000","at":"2025-11-04T09:00:00","path":["phone"],"op":"set","value":"13900000000"}"#,
    "\n",
);

fn workload(folder: &TempDir, name: &str, lines: &str) -> PathBuf {
    let path = folder.path().join(name);
    std::fs::write(&path, lines).unwrap();
    path
}

fn imported() -> (TempDir, PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");
    let file = workload(&folder, "base.ndjson", LINES);
    let output = appliance(&["import", "--data", text(&data), text(&file), "--json"]);
    assert_eq!(code(&output), 0, "{}", errors(&output));
    (folder, data)
}

#[test]
fn usage_errors_exit_with_2_and_help_with_0() {
    assert_eq!(code(&appliance(&["frobnicate"])), 2);
    assert_eq!(code(&appliance(&["verify"])), 2);
    assert_eq!(code(&appliance(&["sync", "--data", "x"])), 2);
    for verb in [
        "serve", "enroll", "import", "export", "sync", "status", "verify", "ecg",
    ] {
        assert_eq!(code(&appliance(&[verb, "--help"])), 0, "{verb}");
    }
}

#[test]
fn the_same_lines_twice_change_nothing() {
    let (folder, data) = imported();
    let verified = object(&appliance(&["verify", "--data", text(&data), "--json"]));
    let file = workload(&folder, "again.ndjson", LINES);
    let again = appliance(&["import", "--data", text(&data), text(&file), "--json"]);
    let counted = object(&again);
    assert_eq!(counted["lines"], 6);
    assert_eq!(
        (&counted["new"], &counted["known"], &counted["refused"]),
        (&0.into(), &6.into(), &0.into())
    );
    assert!(counted["seconds"].is_number());
    let after = object(&appliance(&["verify", "--data", text(&data), "--json"]));
    assert_eq!(verified["fingerprint"], after["fingerprint"]);
    assert_eq!(after["fingerprint"].as_str().unwrap().len(), 64);
    assert_eq!(
        (&after["patients"], &after["encounters"], &after["observations"]),
        (&1.into(), &1.into(), &1.into())
    );
    assert_eq!(after["problems"].as_array().unwrap().len(), 0);
}

#[test]
fn refused_lines_are_named_by_their_number_and_the_rest_goes_on() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");
    let bad = "not json\n{\"t\":\"dream\",\"id\":\"x\"}\n{\"t\":\"patient\",\"name\":\"甲\"}\n\
               {\"t\":\"vital\",\"id\":\"V1\",\"patient\":\"nobody\",\"kind\":\"bp\",\"values\":[1,2]}\n";
    let file = workload(&folder, "bad.ndjson", &format!("{LINES}{bad}"));
    let output = appliance(&["import", "--data", text(&data), text(&file), "--json"]);
    assert_eq!(code(&output), 1);
    let counted = object(&output);
    assert_eq!(
        (&counted["lines"], &counted["new"], &counted["refused"]),
        (&10.into(), &6.into(), &4.into())
    );
    for line in ["line 7:", "line 8:", "line 9:", "line 10:"] {
        assert!(errors(&output).contains(line), "{line} in {}", errors(&output));
    }
    assert!(!errors(&output).contains('甲'), "no names on stderr");
}

#[test]
fn verify_rebuilds_the_derived_tables_and_finds_them_equal() {
    let (_folder, data) = imported();
    let output = appliance(&["verify", "--data", text(&data), "--rebuild", "--json"]);
    assert_eq!(code(&output), 0, "{}", errors(&output));
    assert_eq!(object(&output)["problems"].as_array().unwrap().len(), 0);
}

#[test]
fn a_folder_without_data_is_said_and_not_made() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("nothing");
    let output = appliance(&["verify", "--data", text(&data), "--json"]);
    assert_eq!(code(&output), 1);
    assert!(
        object(&output)["error"]
            .as_str()
            .unwrap()
            .contains("no clinic data")
    );
    assert!(!data.exists());
}

#[test]
fn serve_tells_its_address_and_stops_in_order() {
    let (_folder, data) = imported();
    let served = Served::start(&data, &[]);
    let address = served.address("pages");
    assert!(address.starts_with("http://127.0.0.1:"));
    assert!(ask(&address, "/ping").starts_with("HTTP/1.1 204"));
    assert!(ask(&address, "/kiosk").contains("没有安装读卡器"));
    assert_eq!(served.terminate(), 0);
}

#[test]
fn a_folder_in_use_refuses_writers_and_lets_readers_in() {
    let (folder, data) = imported();
    let served = Served::start(&data, &[]);
    let second = appliance(&["serve", "--data", text(&data), "--listen", "127.0.0.1:0"]);
    assert_eq!(code(&second), 1);
    assert!(
        errors(&second).contains("in use by process"),
        "{}",
        errors(&second)
    );
    let file = workload(&folder, "more.ndjson", LINES);
    let import = appliance(&["import", "--data", text(&data), text(&file), "--json"]);
    assert_eq!(code(&import), 1);
    assert!(object(&import)["error"].as_str().unwrap().contains("is running"));
    assert_eq!(code(&appliance(&["verify", "--data", text(&data), "--json"])), 0);
    assert_eq!(code(&appliance(&["status", "--data", text(&data), "--json"])), 0);
    assert_eq!(served.terminate(), 0);
}

#[test]
fn a_port_in_use_is_said() {
    let folder = tempfile::tempdir().unwrap();
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let output = appliance(&["serve", "--data", text(folder.path()), "--listen", &address]);
    assert_eq!(code(&output), 1);
    assert!(
        errors(&output).contains("is in use by another program"),
        "{}",
        errors(&output)
    );
}

#[test]
fn pages_are_not_served_over_plain_http_beyond_this_machine() {
    let folder = tempfile::tempdir().unwrap();
    let output = appliance(&["serve", "--data", text(folder.path()), "--listen", "0.0.0.0:0"]);
    assert_eq!(code(&output), 1);
    assert!(errors(&output).contains("loopback"));
}

#[test]
fn an_unknown_key_in_the_settings_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let config = workload(
        &folder,
        "box.toml",
        "[[bay]]\nname = \"a\"\ndevice = \"omron-hbp9030\"\nport = \"/p\"\nbaud = 1\n",
    );
    let output = appliance(&["serve", "--data", text(folder.path()), "--config", text(&config)]);
    assert_eq!(code(&output), 1);
    assert!(errors(&output).contains("unknown field"), "{}", errors(&output));
}

#[test]
fn a_damaged_database_is_set_aside_and_reported() {
    let (_folder, data) = imported();
    let database = data.join("clinic.db");
    let mut bytes = std::fs::read(&database).unwrap();
    bytes[..64].fill(0);
    std::fs::write(&database, bytes).unwrap();
    let served = Served::start(&data, &[]);
    let status = object(&appliance(&["status", "--data", text(&data), "--json"]));
    assert!(
        status["alarms"]
            .as_array()
            .unwrap()
            .iter()
            .any(|alarm| alarm["kind"] == "damaged"),
        "{status}"
    );
    assert_eq!(served.terminate(), 0);
    let aside = std::fs::read_dir(&data).unwrap().flatten();
    assert!(
        aside
            .into_iter()
            .any(|entry| entry.file_name().to_string_lossy().contains("damaged"))
    );
}

#[test]
fn status_has_every_lane_and_words_for_the_cause() {
    let (_folder, data) = imported();
    let status = object(&appliance(&["status", "--data", text(&data), "--json"]));
    for lane in ["P0", "P1", "P2", "P3", "P4"] {
        let lane = &status["queue"][lane];
        assert!(
            lane["items"].is_u64() && lane["bytes"].is_u64() && lane.get("oldest").is_some(),
            "{status}"
        );
    }
    assert!(status["pending"].is_u64());
    for key in [
        "last_contact",
        "cause",
        "next_try",
        "clock",
        "storage",
        "devices",
        "alarms",
        "versions",
    ] {
        assert!(status.get(key).is_some(), "{key}");
    }
}

#[test]
fn an_export_gives_back_every_field_of_every_line() {
    let (folder, data) = imported();
    let out = folder.path().join("out.ndjson");
    let output = appliance(&[
        "export",
        "--data",
        text(&data),
        "--patient",
        "P0017-000000",
        text(&out),
    ]);
    assert_eq!(code(&output), 0, "{}", errors(&output));
    let exported = std::fs::read_to_string(&out).unwrap();
    let values: Vec<Value> = exported
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    for line in LINES.lines().skip(2) {
        let original: Value = serde_json::from_str(line).unwrap();
        assert!(values.contains(&original), "{line} not in\n{exported}");
    }
    let unknown = appliance(&["export", "--data", text(&data), "--patient", "nobody", text(&out)]);
    assert_eq!(code(&unknown), 1);
}

#[test]
fn sync_without_an_enrolment_says_so() {
    let (_folder, data) = imported();
    let output = appliance(&["sync", "--data", text(&data), "--once", "--json"]);
    assert_eq!(code(&output), 1);
    assert!(
        object(&output)["error"].as_str().unwrap().contains("enrol"),
        "{}",
        object(&output)
    );
}

#[test]
fn a_heart_is_measured() {
    let folder = tempfile::tempdir().unwrap();
    let heart = Heart::new(
        HeartSettings {
            rate_bpm: 72.0,
            ..HeartSettings::default()
        },
        1,
    );
    let record = ecg::wfdb::write(&heart.record(10.0, SampleRateHz::DIAGNOSTIC), "heart").unwrap();
    std::fs::write(folder.path().join("heart.hea"), record.header).unwrap();
    std::fs::write(folder.path().join("heart.dat"), record.samples).unwrap();
    let path = folder.path().join("heart");
    let measured = object(&appliance(&["ecg", text(&path), "--json"]));
    assert_eq!(
        (&measured["fs_hz"], &measured["samples"]),
        (&500.into(), &5000.into())
    );
    assert_eq!(measured["leads"].as_array().unwrap().len(), 12);
    let rate = measured["heart_rate_per_min"].as_f64().unwrap();
    assert!((71.0..73.0).contains(&rate), "{rate}");
    let drawn = folder.path().join("heart.svg");
    let with_ending = format!("{}.hea", text(&path));
    let beats = appliance(&["ecg", &with_ending, "--beats", "--svg", text(&drawn)]);
    let numbers: Vec<u32> = String::from_utf8_lossy(&beats.stdout)
        .lines()
        .map(|line| line.parse().unwrap())
        .collect();
    assert!(numbers.len() >= 11 && numbers.is_sorted());
    assert!(std::fs::read_to_string(drawn).unwrap().contains("<svg"));
    let missing = appliance(&["ecg", text(&folder.path().join("none")), "--json"]);
    assert_eq!(code(&missing), 1);
    assert!(object(&missing)["error"].is_string());
}

//! The verbs of `sync-server` as a script calls them.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::io::{BufRead, BufReader, Read};
use std::net::TcpListener;
use std::path::Path;
use std::process::{Child, Command, Output, Stdio};

use serde_json::Value;
use tempfile::TempDir;

fn program() -> Command {
    Command::new(env!("CARGO_BIN_EXE_sync-server"))
}

/// Runs a verb on a data folder.
fn verb(data: &Path, words: &[&str]) -> Output {
    program().args(words).arg("--data").arg(data).output().unwrap()
}

fn out(output: &Output) -> String {
    String::from_utf8(output.stdout.clone()).unwrap()
}

fn err(output: &Output) -> String {
    String::from_utf8(output.stderr.clone()).unwrap()
}

/// The object on the last line of stdout.
fn object(output: &Output) -> Value {
    serde_json::from_str(out(output).lines().last().unwrap()).unwrap()
}

/// A folder with one clinic.
fn county() -> TempDir {
    let folder = TempDir::new().unwrap();
    let added = verb(
        folder.path(),
        &["clinic", "add", "--code", "0017", "--name", "石桥村卫生室"],
    );
    assert!(added.status.success(), "{}", err(&added));
    folder
}

/// A running hub; it ends with the value.
struct Serve {
    child: Child,
    addresses: Vec<(String, String)>,
}

impl Serve {
    fn start(data: &Path) -> Self {
        let words = ["serve", "--listen", "127.0.0.1:0", "--link", "127.0.0.1:0"];
        let mut serve = program();
        serve
            .args(words)
            .arg("--data")
            .arg(data)
            .stdout(Stdio::piped())
            .stderr(Stdio::null());
        let mut child = serve.spawn().unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let mut listening = || {
            let line = lines.next().unwrap().unwrap();
            let words: Vec<&str> = line.split(' ').collect();
            let ["listening", name, url] = words[..] else {
                panic!("{line}")
            };
            (name.to_owned(), url.to_owned())
        };
        Self {
            addresses: vec![listening(), listening()],
            child,
        }
    }

    fn pid(&self) -> u32 {
        self.child.id()
    }
}

impl Drop for Serve {
    fn drop(&mut self) {
        // Ended already where this fails.
        let _ended = self.child.kill();
        let _waited = self.child.wait();
    }
}

#[test]
fn a_clinic_is_added_once_and_renamed_after() {
    let folder = county();
    let again = verb(
        folder.path(),
        &["clinic", "add", "--code", "0017", "--name", "石桥村中心卫生室"],
    );
    assert!(
        again.status.success() && out(&again).contains("was there"),
        "{}",
        out(&again)
    );
    let unnamed = verb(
        folder.path(),
        &["clinic", "add", "--code", "0018", "--name", "  "],
    );
    assert_eq!(unnamed.status.code(), Some(1));
    assert!(err(&unnamed).contains("name"), "{}", err(&unnamed));
}

#[test]
fn a_bad_code_or_role_is_wrong_usage() {
    let folder = TempDir::new().unwrap();
    let bad: [&[&str]; 4] = [
        &["clinic", "add", "--code", "17 a", "--name", "x"],
        &["staff", "add", "--role", "chief", "--name", "x"],
        &["token"],
        &["verify", "--clinic", "../etc"],
    ];
    for words in bad {
        let output = verb(folder.path(), words);
        assert_eq!(output.status.code(), Some(2), "{words:?}: {}", err(&output));
    }
    assert!(
        std::fs::read_dir(folder.path()).unwrap().next().is_none(),
        "nothing was begun"
    );
}

#[test]
fn a_box_that_nobody_knows_is_not_revoked() {
    let folder = county();
    let list = verb(folder.path(), &["box", "list", "--json"]);
    assert_eq!(out(&list).trim(), r#"{"boxes":[]}"#);
    let unknown = verb(folder.path(), &["box", "revoke", "0123456789abcdef"]);
    assert_eq!(unknown.status.code(), Some(1));
    assert!(err(&unknown).contains("0123456789abcdef"), "{}", err(&unknown));
    let malformed = verb(folder.path(), &["box", "revoke", "the-stolen-one"]);
    assert_eq!(malformed.status.code(), Some(2));
    let clinic = verb(folder.path(), &["box", "list", "--clinic", "0099"]);
    assert!(clinic.status.code() == Some(1) && err(&clinic).contains("0099"));
}

#[test]
fn a_token_is_all_that_stands_on_stdout_and_each_differs() {
    let folder = county();
    let token = || {
        let output = verb(folder.path(), &["token", "--clinic", "0017"]);
        assert!(output.status.success(), "{}", err(&output));
        out(&output)
    };
    let (first, second) = (token(), token());
    assert_eq!(first.lines().count(), 1);
    assert!(first.trim().len() > 40 && first != second);
    let unknown = verb(folder.path(), &["token", "--clinic", "0099"]);
    assert_eq!(unknown.status.code(), Some(1));
    assert!(
        out(&unknown).is_empty() && err(&unknown).contains("0099"),
        "{}",
        err(&unknown)
    );
}

#[test]
fn a_one_time_sign_in_is_told_as_an_object() {
    let folder = county();
    let add = |words: &[&str]| verb(folder.path(), &[&["staff", "add", "--json"], words].concat());
    let output = add(&["--role", "expert", "--name", "何县医"]);
    assert!(output.status.success(), "{}", err(&output));
    let told = object(&output);
    assert_eq!(told["user"], "hexianyi");
    assert!(told["password"].as_str().unwrap().len() >= 12 && told["url"].is_null());
    let nurse = object(&add(&["--role", "nurse", "--name", "周护士", "--clinic", "0017"]));
    assert_eq!(nurse["user"], "zhouhushi");
    let wrong: [&[&str]; 4] = [
        &["--role", "nurse", "--name", "周护士"],
        &["--role", "nurse", "--name", "周护士", "--clinic", "0099"],
        &["--role", "expert", "--name", "何县医", "--clinic", "0017"],
        &["--role", "kiosk", "--name", "自助机"],
    ];
    for words in wrong {
        let output = add(words);
        assert_eq!(output.status.code(), Some(1), "{words:?}");
        assert!(object(&output)["error"].is_string(), "{words:?}");
    }
}

#[test]
fn the_ca_is_made_once() {
    let folder = TempDir::new().unwrap();
    let ca = || out(&verb(folder.path(), &["ca"]));
    let first = ca();
    assert!(
        first.starts_with("-----BEGIN CERTIFICATE-----")
            && first.trim_end().ends_with("-----END CERTIFICATE-----")
    );
    assert_eq!(first, ca());
}

#[test]
fn verify_tells_the_county_and_one_clinic() {
    let folder = county();
    for words in [
        &["verify", "--json"][..],
        &["verify", "--json", "--clinic", "0017"],
    ] {
        let output = verb(folder.path(), words);
        assert!(output.status.success(), "{}", err(&output));
        let told = object(&output);
        assert_eq!(told["patients"], 0);
        assert_eq!(told["fingerprint"].as_str().unwrap().len(), 64);
        assert_eq!(told["problems"], serde_json::json!([]));
    }
    let unknown = verb(folder.path(), &["verify", "--json", "--clinic", "0099"]);
    assert_eq!(unknown.status.code(), Some(1));
    assert!(object(&unknown)["error"].as_str().unwrap().contains("0099"));
    let empty = TempDir::new().unwrap();
    let nothing = verb(empty.path(), &["verify", "--json"]);
    assert_eq!(nothing.status.code(), Some(1));
    assert!(
        object(&nothing)["error"]
            .as_str()
            .unwrap()
            .contains("holds no county data")
    );
}

#[test]
fn verbs_work_beside_a_running_hub_and_a_second_hub_does_not() {
    let folder = county();
    let serve = Serve::start(folder.path());
    assert_eq!(serve.addresses[0].0, "desk");
    assert_eq!(serve.addresses[1].0, "link");
    assert!(
        serve
            .addresses
            .iter()
            .all(|(_, url)| url.starts_with("https://127.0.0.1:"))
    );
    let clinic = verb(
        folder.path(),
        &["clinic", "add", "--code", "0018", "--name", "青石村卫生室"],
    );
    assert!(clinic.status.success(), "{}", err(&clinic));
    assert!(
        verb(folder.path(), &["token", "--clinic", "0018"])
            .status
            .success()
    );
    let staff = object(&verb(
        folder.path(),
        &[
            "staff",
            "add",
            "--json",
            "--role",
            "hub_admin",
            "--name",
            "管理员",
        ],
    ));
    assert_eq!(staff["url"], serve.addresses[0].1.as_str());
    assert!(verb(folder.path(), &["verify"]).status.success());
    assert!(verb(folder.path(), &["ca"]).status.success());
    let second = verb(folder.path(), &["serve", "--listen", "127.0.0.1:0"]);
    assert_eq!(second.status.code(), Some(1));
    assert!(
        err(&second).contains(&format!("in use by process {}", serve.pid())),
        "{}",
        err(&second)
    );
}

#[test]
fn a_port_in_use_is_said() {
    let folder = TempDir::new().unwrap();
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    for words in [
        vec!["serve", "--listen", address.as_str()],
        vec!["serve", "--listen", "127.0.0.1:0", "--link", address.as_str()],
    ] {
        let output = verb(folder.path(), &words);
        assert_eq!(output.status.code(), Some(1));
        assert!(
            err(&output).contains(&format!("{address} is in use")),
            "{}",
            err(&output)
        );
    }
}

#[cfg(unix)]
#[test]
fn a_hub_ends_cleanly_when_it_is_told_to() {
    let folder = county();
    let mut serve = Serve::start(folder.path());
    let told = Command::new("kill")
        .arg("-TERM")
        .arg(serve.pid().to_string())
        .status()
        .unwrap();
    assert!(told.success());
    assert!(serve.child.wait().unwrap().success());
    let mut rest = String::new();
    if let Some(mut stdout) = serve.child.stdout.take() {
        stdout.read_to_string(&mut rest).unwrap();
    }
    assert!(rest.is_empty());
    assert!(verb(folder.path(), &["verify"]).status.success());
}

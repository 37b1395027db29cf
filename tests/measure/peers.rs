//! The same clinic and the same day kept equal by other programs: PouchDB with a CouchDB-speaking server, and
//! automerge-repo with its sync server. They are fetched by npm at the versions of `peers/package-lock.json`. Bytes are
//! counted by a proxy between their two ends, ours beside them as in `wire`.

use std::io::{BufRead as _, BufReader, Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdout, Command, Stdio};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use harness::workload::Workload;

use crate::figures::{Figure, Unit};
use crate::wire::{Contacts, VISITS, contacts};

/// Patients of what automerge-repo keeps equal: with 5,000 it did not come to an end within a quarter of an hour.
const FEW: u32 = 300;
/// So long nothing comes any more, when everything is said.
const QUIET: Duration = Duration::from_secs(10);

/// A program of the peers, which answers each line with a line.
struct Script {
    child: Child,
    says: BufReader<ChildStdout>,
}

impl Script {
    fn start(name: &str, folder: &Path, arguments: &[String]) -> Self {
        let mut child = Command::new("node")
            .arg(name)
            .args(arguments)
            .current_dir(folder)
            .env("LOG", folder.join("hub.log"))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let says = BufReader::new(child.stdout.take().unwrap());
        Self { child, says }
    }

    fn line(&mut self) -> String {
        let mut line = String::new();
        self.says.read_line(&mut line).unwrap();
        assert!(!line.is_empty(), "a peer ended");
        line.trim().to_owned()
    }

    /// Tells it a line; what it answers behind "done".
    fn ask(&mut self, line: &str) -> String {
        writeln!(self.child.stdin.as_mut().unwrap(), "{line}").unwrap();
        let answer = self.line();
        answer
            .strip_prefix("done")
            .unwrap_or_else(|| panic!("{answer}"))
            .trim()
            .to_owned()
    }
}

impl Drop for Script {
    fn drop(&mut self) {
        if self.child.kill().is_ok() {
            let _status = self.child.wait();
        }
    }
}

/// A TCP forwarder that counts what goes through, both ways.
struct Counter {
    port: u16,
    bytes: Arc<AtomicU64>,
    open: Arc<Mutex<Vec<TcpStream>>>,
}

impl Counter {
    fn before(port: u16) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let this = Self {
            port: listener.local_addr().unwrap().port(),
            bytes: Arc::default(),
            open: Arc::default(),
        };
        let (bytes, open) = (Arc::clone(&this.bytes), Arc::clone(&this.open));
        std::thread::spawn(move || {
            for near in listener.incoming().map_while(Result::ok) {
                let far = TcpStream::connect(("127.0.0.1", port)).unwrap();
                for (from, to) in [(&near, &far), (&far, &near)] {
                    let (from, to) = (from.try_clone().unwrap(), to.try_clone().unwrap());
                    let bytes = Arc::clone(&bytes);
                    std::thread::spawn(move || pass(from, to, &bytes));
                }
                let mut open = open.lock().unwrap_or_else(PoisonError::into_inner);
                open.extend([near, far]);
            }
        });
        this
    }

    /// Bytes since it was asked last.
    fn since(&self) -> u64 {
        self.bytes.swap(0, Ordering::SeqCst)
    }

    /// Ends the connections that are open.
    fn cut(&self) {
        let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        for stream in open.drain(..) {
            // One that has ended already is what is wanted.
            let _ended = stream.shutdown(Shutdown::Both);
        }
    }

    /// Waits until nothing has come for a while.
    fn quiet(&self) {
        let mut before = u64::MAX;
        while self.bytes.load(Ordering::SeqCst) != before {
            before = self.bytes.load(Ordering::SeqCst);
            std::thread::sleep(QUIET);
        }
    }
}

fn pass(mut from: TcpStream, mut to: TcpStream, bytes: &AtomicU64) {
    let mut buffer = [0; 16 * 1024];
    while let Ok(count @ 1..) = from.read(&mut buffer) {
        bytes.fetch_add(count as u64, Ordering::SeqCst);
        if to.write_all(&buffer[..count]).is_err() {
            break;
        }
    }
    // One that has ended already is what is wanted.
    let _ended = to.shutdown(Shutdown::Write);
}

/// What one of them carried.
struct Carried {
    first: u64,
    nothing: u64,
    day: u64,
}

/// The figures.
pub(crate) fn figures(panel: Workload) -> Vec<Figure> {
    let few = Workload {
        patients: FEW.min(panel.patients),
        ..panel
    };
    let Some(programs) = install() else {
        return ["PouchDB", "automerge-repo"]
            .map(|name| Figure::absent(format!("{name}: the day, bytes a visit"), Unit::Count))
            .into();
    };
    let folder = tempfile::tempdir().unwrap();
    let mut figures = Vec::new();
    for (name, panel) in [("PouchDB", panel), ("automerge-repo", few)] {
        eprintln!("{name}: {} patients", panel.patients);
        let (base, day) = (folder.path().join("base"), folder.path().join("day"));
        panel.write_base(&base);
        panel.write_day_after_base(&day);
        let (peer, requests) = if name == "PouchDB" {
            let (peer, requests) = pouchdb(&programs, &base, &day);
            (peer, Some(requests))
        } else {
            (automerge(&programs, folder.path(), &base, &day), None)
        };
        eprintln!("ours: {} patients", panel.patients);
        figures.extend(rows(name, panel, &peer, &contacts(panel)));
        if let Some([nothing, day]) = requests {
            figures.push(Figure::told(
                format!("{name}: nothing new, requests"),
                nothing,
                Unit::Count,
            ));
            figures.push(Figure::told(
                format!("{name}: the day, requests"),
                day,
                Unit::Count,
            ));
        }
    }
    figures
}

fn rows(name: &str, panel: Workload, peer: &Carried, ours: &Contacts) -> [Figure; 3] {
    let patients = panel.patients;
    [
        Figure::told(
            format!("{name}: first fill, {patients} patients with two visits, MB"),
            peer.first as f64 / 1e6,
            Unit::Count,
        )
        .against("ours:", ours.first.without_audit() / 1e6),
        Figure::told(
            format!("{name}: nothing new, bytes both ways ({patients} patients)"),
            peer.nothing as f64,
            Unit::Count,
        )
        .against("ours:", ours.nothing.bytes as f64),
        Figure::told(
            format!("{name}: the day, bytes a visit ({patients} patients)"),
            peer.day as f64 / VISITS,
            Unit::Count,
        )
        .against("ours:", ours.day.without_audit() / VISITS),
    ]
}

/// Fetches the programs into a folder of the build; `None` where npm or the registry is not there.
fn install() -> Option<PathBuf> {
    let from = Path::new(env!("CARGO_MANIFEST_DIR")).join("measure/peers");
    let here = std::env::current_exe().unwrap();
    let to = here.parent().unwrap().join("peers");
    std::fs::create_dir_all(&to).unwrap();
    for entry in std::fs::read_dir(from).unwrap().map(Result::unwrap) {
        std::fs::copy(entry.path(), to.join(entry.file_name())).unwrap();
    }
    // `npm ci` takes a lock without the optional, native parts of one package for incomplete.
    let install = [
        "install",
        "--no-save",
        "--silent",
        "--no-audit",
        "--no-fund",
        "--ignore-scripts",
    ];
    let done = Command::new("npm").args(install).current_dir(&to).status();
    let done = done.is_ok_and(|status| status.success());
    if !done {
        eprintln!("npm could not fetch the peers");
    }
    done.then_some(to)
}

/// PouchDB sends upwards only, which is less than the exchange of both ways; also its requests with nothing new, and those
/// of the day.
fn pouchdb(programs: &Path, base: &Path, day: &Path) -> (Carried, [f64; 2]) {
    let mut hub = Script::start("pouchdb-hub.js", programs, &[]);
    let counter = Counter::before(hub.line().parse().unwrap());
    let mut end = Script::start("pouchdb-box.js", programs, &[counter.port.to_string()]);
    let mut send = |load: Option<&Path>| {
        if let Some(path) = load {
            end.ask(&format!("load {}", path.display()));
        }
        counter.since();
        let requests: f64 = end.ask("sync").parse().unwrap();
        (counter.since(), requests)
    };
    let (first, _) = send(Some(base));
    let (nothing, idle) = send(None);
    let (day, busy) = send(Some(day));
    (Carried { first, nothing, day }, [idle, busy])
}

/// automerge-repo sends as soon as something is there; nothing new is what a connection says that is made again.
fn automerge(programs: &Path, folder: &Path, base: &Path, day: &Path) -> Carried {
    let mut hub = Script::start("automerge-hub.js", programs, &[]);
    let counter = Counter::before(hub.line().parse().unwrap());
    let mut end = Script::start("automerge-box.js", programs, &[counter.port.to_string()]);
    let told = folder.join("told");
    let mut send = |path: &Path| {
        end.ask(&format!("load {}", path.display()));
        end.ask(&format!("tell {}", told.display()));
        hub.ask(&format!("same {}", told.display()));
        counter.quiet();
        counter.since()
    };
    let first = send(base);
    counter.cut();
    counter.quiet();
    let nothing = counter.since();
    assert!(nothing > 0, "it did not connect again");
    let day = send(day);
    Carried { first, nothing, day }
}

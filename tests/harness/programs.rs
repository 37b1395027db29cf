//! Child processes: the built programs of this workspace, their addresses and their logs.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, ExitStatus, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::time::{Duration, Instant};

/// Longest wait for something that a healthy program does at once; generous, because machines are busy.
pub const PATIENCE: Duration = Duration::from_secs(60);

/// Names a folder whose programs are taken in place of this build's: those of another processor under its emulator, as
/// `tests/arm64` makes it.
const OTHER_PROGRAMS: &str = "CLINIC_PROGRAMS";

/// Where cargo put the built programs: beside the running test or one folder above it.
pub fn program_path(name: &str) -> PathBuf {
    if let Some(folder) = std::env::var_os(OTHER_PROGRAMS) {
        let path = Path::new(&folder).join(name);
        assert!(path.is_file(), "{} is not there", path.display());
        return path;
    }
    let me = std::env::current_exe().unwrap();
    let found = me
        .ancestors()
        .skip(1)
        .map(|folder| folder.join(name))
        .find(|path| path.is_file());
    found.unwrap_or_else(|| panic!("{name} is not built: run `cargo build --workspace` first"))
}

/// A running program of the workspace. It is killed when this value goes.
pub struct Program {
    name: String,
    child: Child,
    lines: Receiver<String>,
    seen: Vec<String>,
    addresses: BTreeMap<String, String>,
    stdin: Option<ChildStdin>,
    /// The file that its standard error goes to.
    pub log: PathBuf,
}

impl Program {
    /// Starts a program of the workspace; its standard error is appended to a file in `logs`.
    pub fn start(name: &str, arguments: &[&str], environment: &[(&str, &str)], logs: &Path) -> Self {
        Self::start_in(None, name, arguments, environment, logs)
    }

    /// The same in a network namespace.
    pub fn start_in(
        namespace: Option<&str>,
        name: &str,
        arguments: &[&str],
        environment: &[(&str, &str)],
        logs: &Path,
    ) -> Self {
        let log = logs.join(format!("{name}.log"));
        let errors = File::options().create(true).append(true).open(&log).unwrap();
        let mut child = command(namespace, name)
            .args(arguments)
            .envs(environment.iter().copied())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(errors)
            .spawn()
            .unwrap();
        let (sender, lines) = channel();
        let stdout = BufReader::new(child.stdout.take().unwrap());
        let stdin = child.stdin.take();
        std::thread::spawn(move || {
            for line in stdout.lines().map_while(Result::ok) {
                if sender.send(line).is_err() {
                    break;
                }
            }
        });
        Self {
            name: name.to_owned(),
            child,
            lines,
            seen: Vec::new(),
            addresses: BTreeMap::new(),
            stdin,
            log,
        }
    }

    /// Waits for the next line of standard output.
    pub fn next_line(&mut self) -> String {
        match self.lines.recv_timeout(PATIENCE) {
            Ok(line) => {
                self.seen.push(line.clone());
                line
            }
            Err(RecvTimeoutError::Timeout) => panic!("{} says nothing; so far: {:?}", self.name, self.seen),
            Err(RecvTimeoutError::Disconnected) => {
                let log = std::fs::read_to_string(&self.log).unwrap_or_default();
                panic!("{} ended; it said {:?} and {log}", self.name, self.seen)
            }
        }
    }

    /// The URL of a listener, from the program's line `listening NAME URL`.
    pub fn url(&mut self, listener: &str) -> String {
        loop {
            if let Some(url) = self.addresses.get(listener) {
                return url.clone();
            }
            let line = self.next_line();
            let mut words = line.split(' ');
            if let (Some("listening"), Some(name), Some(url)) = (words.next(), words.next(), words.next()) {
                self.addresses.insert(name.to_owned(), url.to_owned());
            }
        }
    }

    /// Number of its process.
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Writes a line to the program's standard input.
    pub fn tell(&mut self, line: &str) {
        writeln!(self.stdin.as_mut().unwrap(), "{line}").unwrap();
    }

    /// Ends the program at once, as a power cut would.
    pub fn kill(mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    /// The same for one that may have ended by itself already; whether it had.
    pub(crate) fn kill_unless_gone(mut self) -> bool {
        let gone = self.child.try_wait().unwrap().is_some();
        self.child.kill().unwrap();
        self.child.wait().unwrap();
        gone
    }

    /// Asks the program to stop (SIGTERM) and waits for its end.
    pub fn stop(mut self) -> ExitStatus {
        let pid = self.child.id().to_string();
        assert!(Command::new("kill").arg(&pid).status().unwrap().success());
        self.wait()
    }

    /// Waits for the program's own end.
    pub fn wait(&mut self) -> ExitStatus {
        let deadline = Instant::now() + PATIENCE;
        loop {
            if let Some(status) = self.child.try_wait().unwrap() {
                return status;
            }
            assert!(Instant::now() < deadline, "{} does not end", self.name);
            std::thread::yield_now();
        }
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        // It may have ended by itself already; then there is nothing to kill.
        if self.child.kill().is_ok() {
            let _status = self.child.wait();
        }
    }
}

/// What a program that ran to its end said.
pub struct Said {
    /// Exit code.
    pub code: i32,
    /// Standard output.
    pub out: String,
    /// Standard error.
    pub err: String,
}

impl Said {
    /// The last line of standard output as JSON: what `--json` promises.
    pub fn json(&self) -> serde_json::Value {
        let last = self.out.lines().last().unwrap_or_default();
        serde_json::from_str(last).unwrap_or_else(|error| panic!("{error}: {} {}", self.out, self.err))
    }
}

/// A program of the workspace, in a network namespace where one is named: `ip` becomes the program there.
fn command(namespace: Option<&str>, name: &str) -> Command {
    let program = program_path(name);
    let Some(namespace) = namespace else {
        return Command::new(program);
    };
    let mut command = Command::new("ip");
    command.args(["netns", "exec", namespace]).arg(program);
    command
}

/// Runs a program of the workspace to its end with this input.
pub fn run(name: &str, arguments: &[&str], input: &[u8]) -> Said {
    run_in(None, name, arguments, input)
}

/// The same in a network namespace.
pub fn run_in(namespace: Option<&str>, name: &str, arguments: &[&str], input: &[u8]) -> Said {
    ended(command(namespace, name), arguments, &[], input)
}

/// The same with these environment variables.
pub fn run_to(name: &str, arguments: &[&str], environment: &[(&str, &str)], input: &[u8]) -> Said {
    ended(command(None, name), arguments, environment, input)
}

fn ended(mut command: Command, arguments: &[&str], environment: &[(&str, &str)], input: &[u8]) -> Said {
    let mut child = command
        .args(arguments)
        .envs(environment.iter().copied())
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut stdin = child.stdin.take().unwrap();
    let bytes = input.to_vec();
    // A program that refuses its arguments closes its input before it was written: no failure of the test.
    let writer = std::thread::spawn(move || drop(stdin.write_all(&bytes)));
    let output = child.wait_with_output().unwrap();
    writer.join().unwrap();
    Said {
        code: output.status.code().unwrap_or(-1),
        out: String::from_utf8_lossy(&output.stdout).into_owned(),
        err: String::from_utf8_lossy(&output.stderr).into_owned(),
    }
}

/// Runs `check` again and again until it gives a value; fails with `what` after [`PATIENCE`].
pub fn wait_until<T>(what: &str, mut check: impl FnMut() -> Option<T>) -> T {
    let deadline = Instant::now() + PATIENCE;
    loop {
        if let Some(value) = check() {
            return value;
        }
        assert!(Instant::now() < deadline, "waited in vain: {what}");
        std::thread::sleep(Duration::from_millis(50));
    }
}

/// Runs a verb of the hub with this data folder; it must succeed.
pub(crate) fn hub_verb(data: &str, words: &[&str], arguments: &[&str]) -> Said {
    let all: Vec<&str> = words
        .iter()
        .chain(&["--data", data])
        .chain(arguments)
        .copied()
        .collect();
    let said = run("sync-server", &all, b"");
    assert_eq!(said.code, 0, "{words:?}: {} {}", said.out, said.err);
    said
}

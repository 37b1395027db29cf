//! The command line: verbs, their arguments, and how their results and failures are told.
//!
//! Exit code 0 success, 1 failure, 2 usage. With `--json` the last line of stdout is one object, also when the
//! verb fails.

mod ecg;
mod enroll;
mod export;
mod import;
mod open;
mod progress;
mod serve;
mod status;
mod sync;
mod verify;

pub(crate) use open::{options as open_options, sentence as open_sentence};

use std::io::Write as _;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Args, Parser, Subcommand};

/// The clinic box: pages for tablet and kiosk, device bays and the link to the county hub.
#[derive(Debug, Parser)]
#[command(name = "appliance", version, propagate_version = true)]
pub struct Cli {
    /// What to do.
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Debug, Subcommand)]
enum Verb {
    /// Serves the pages, runs the device bays and keeps the link to the hub.
    Serve(ServeArgs),
    /// Joins this box to a county hub by a one-time token.
    Enroll(EnrollArgs),
    /// Takes in lines of patients, visits and readings; the same line twice changes nothing.
    Import(ImportArgs),
    /// Writes patients out as lines of JSON; nothing is lost.
    Export(ExportArgs),
    /// Exchanges with the hub once and says what went over the wire.
    Sync(SyncArgs),
    /// Tells what waits for the hub, the clock, the storage and the devices.
    Status(FolderArgs),
    /// Checks the data folder and prints its fingerprint.
    Verify(VerifyArgs),
    /// Measures an ECG record: heart rate, beats, drawing.
    Ecg(EcgArgs),
}

/// Arguments of `serve`.
#[derive(Debug, Args)]
pub(crate) struct ServeArgs {
    /// Folder that holds the clinic's data.
    #[arg(long, value_name = "DIR")]
    data: PathBuf,
    /// Settings file (TOML); unknown keys are refused.
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Loopback address of the pages over plain HTTP [default: 127.0.0.1:8080].
    #[arg(long, value_name = "ADDR")]
    listen: Option<SocketAddr>,
    /// Address of the pages over HTTPS for tablets on the local network.
    #[arg(long, value_name = "ADDR")]
    lan_listen: Option<SocketAddr>,
    /// Address of the set-up page for tablets over plain HTTP.
    #[arg(long, value_name = "ADDR")]
    setup_listen: Option<SocketAddr>,
    /// The hub's address for boxes: https://HOST:PORT.
    #[arg(long, value_name = "URL")]
    hub: Option<String>,
}

/// Arguments of `enroll`.
#[derive(Debug, Args)]
pub(crate) struct EnrollArgs {
    /// Folder that holds the clinic's data.
    #[arg(long, value_name = "DIR")]
    data: PathBuf,
    /// The hub's address for boxes: https://HOST:PORT.
    #[arg(long, value_name = "URL")]
    hub: String,
    /// File that holds the one-time token; - reads it from stdin.
    #[arg(long, value_name = "FILE")]
    token_file: PathBuf,
    /// The hub's CA certificate (PEM); without it the pin inside the token decides.
    #[arg(long, value_name = "FILE")]
    hub_ca: Option<PathBuf>,
}

/// Arguments of `import`.
#[derive(Debug, Args)]
pub(crate) struct ImportArgs {
    /// Folder that holds the clinic's data.
    #[arg(long, value_name = "DIR")]
    data: PathBuf,
    /// File of lines (NDJSON).
    #[arg(value_name = "FILE.ndjson")]
    file: PathBuf,
    /// Prints one object as the last line.
    #[arg(long)]
    json: bool,
}

/// Arguments of `export`.
#[derive(Debug, Args)]
pub(crate) struct ExportArgs {
    /// Folder that holds the clinic's data.
    #[arg(long, value_name = "DIR")]
    data: PathBuf,
    /// Only this patient: the imported id, else the document id in hexadecimal.
    #[arg(
        long,
        value_name = "ID",
        conflicts_with = "all",
        required_unless_present = "all"
    )]
    patient: Option<String>,
    /// Every patient.
    #[arg(long)]
    all: bool,
    /// File to write; - writes to stdout.
    #[arg(value_name = "PATH")]
    path: PathBuf,
}

/// Arguments of `sync`.
#[derive(Debug, Args)]
pub(crate) struct SyncArgs {
    /// Folder that holds the clinic's data.
    #[arg(long, value_name = "DIR")]
    data: PathBuf,
    /// Exchanges once and ends; the steady link belongs to `serve`.
    #[arg(long, required = true)]
    once: bool,
    /// The hub's address for boxes; without it the one of the enrolment.
    #[arg(long, value_name = "URL")]
    hub: Option<String>,
    /// Prints one object as the last line.
    #[arg(long)]
    json: bool,
}

/// Arguments of verbs that only read a data folder.
#[derive(Debug, Args)]
pub(crate) struct FolderArgs {
    /// Folder that holds the clinic's data.
    #[arg(long, value_name = "DIR")]
    data: PathBuf,
    /// Prints one object as the last line.
    #[arg(long)]
    json: bool,
}

/// Arguments of `verify`.
#[derive(Debug, Args)]
pub(crate) struct VerifyArgs {
    /// Folder that holds the clinic's data.
    #[arg(long, value_name = "DIR")]
    data: PathBuf,
    /// Builds the derived tables anew beside the present ones and lists every difference.
    #[arg(long)]
    rebuild: bool,
    /// Prints one object as the last line.
    #[arg(long)]
    json: bool,
}

/// Arguments of `ecg`.
#[derive(Debug, Args)]
pub(crate) struct EcgArgs {
    /// WFDB header, with or without .hea.
    #[arg(value_name = "RECORD")]
    record: PathBuf,
    /// Prints one object as the last line.
    #[arg(long, conflicts_with = "beats")]
    json: bool,
    /// Draws the record true to scale into this file.
    #[arg(long, value_name = "FILE")]
    svg: Option<PathBuf>,
    /// Prints the sample number of each R peak, one a line.
    #[arg(long)]
    beats: bool,
}

/// Why a verb failed, in words for the person or script that called it.
#[derive(Debug)]
pub(crate) struct Failure {
    /// One clear sentence.
    pub(crate) sentence: String,
    /// What the verb counted before it failed; printed with `error` under `--json`.
    pub(crate) partial: serde_json::Map<String, serde_json::Value>,
}

impl Failure {
    /// A failure with nothing but its sentence.
    pub(crate) fn new(sentence: impl Into<String>) -> Self {
        Self {
            sentence: sentence.into(),
            partial: serde_json::Map::new(),
        }
    }

    /// A failure whose sentence ends in the whole chain of causes.
    pub(crate) fn of(doing: &str, error: &(dyn std::error::Error + 'static)) -> Self {
        Self::new(format!("{doing}: {}", chain(error)))
    }
}

/// An error and its causes as one text, without saying the same twice.
pub(crate) fn chain(error: &(dyn std::error::Error + 'static)) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(next) = cause {
        let words = next.to_string();
        if !text.contains(&words) {
            text = format!("{text}: {words}");
        }
        cause = next.source();
    }
    text
}

/// Result of a verb: its exit code where it went to its end.
pub(crate) type Outcome = Result<ExitCode, Failure>;

/// Runs the verb that the arguments name.
pub fn main() -> ExitCode {
    let cli = Cli::parse();
    let json = cli.verb.wants_json();
    match cli.verb.run() {
        Ok(code) => code,
        Err(failure) => {
            complain(&format!("error: {}", failure.sentence));
            if json {
                let mut object = failure.partial;
                object.insert("error".to_owned(), serde_json::Value::String(failure.sentence));
                say(&serde_json::Value::Object(object).to_string());
            }
            ExitCode::FAILURE
        }
    }
}

impl Verb {
    fn wants_json(&self) -> bool {
        match self {
            Self::Serve(_) | Self::Enroll(_) | Self::Export(_) => false,
            Self::Import(args) => args.json,
            Self::Sync(args) => args.json,
            Self::Status(args) => args.json,
            Self::Verify(args) => args.json,
            Self::Ecg(args) => args.json,
        }
    }

    fn run(self) -> Outcome {
        match self {
            Self::Serve(args) => serve::run(args),
            Self::Enroll(args) => on_runtime(enroll::run(args)),
            Self::Import(args) => on_runtime(import::run(args)),
            Self::Export(args) => on_runtime(export::run(args)),
            Self::Sync(args) => on_runtime(sync::run(args)),
            Self::Status(args) => on_runtime(status::run(args)),
            Self::Verify(args) => on_runtime(verify::run(args)),
            Self::Ecg(args) => ecg::run(args),
        }
    }
}

/// Worker threads of the runtime: pages are short and the heavy work has threads of its own.
const WORKER_THREADS: usize = 2;

/// A runtime for one verb.
pub(crate) fn runtime() -> Result<tokio::runtime::Runtime, Failure> {
    tokio::runtime::Builder::new_multi_thread()
        .worker_threads(WORKER_THREADS)
        .enable_all()
        .build()
        .map_err(|error| Failure::of("cannot start", &error))
}

fn on_runtime(verb: impl Future<Output = Outcome>) -> Outcome {
    runtime()?.block_on(verb)
}

/// Prints one line on stdout. A closed pipe is the reader's choice and no failure of the verb.
pub(crate) fn say(line: &str) {
    let mut out = std::io::stdout().lock();
    let _closed_pipe = writeln!(out, "{line}").and_then(|()| out.flush());
}

/// Prints one line on stderr.
pub(crate) fn complain(line: &str) {
    let _closed_pipe = writeln!(std::io::stderr().lock(), "{line}");
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory as _;

    #[test]
    fn the_arguments_are_consistent() {
        Cli::command().debug_assert();
    }

    #[test]
    fn secrets_never_stand_on_the_command_line() {
        for verb in Cli::command().get_subcommands() {
            for argument in verb.get_arguments() {
                let name = argument.get_id().as_str();
                assert!(!["token", "password", "pin", "key"].contains(&name), "{name}");
            }
        }
    }

    #[test]
    fn export_wants_one_patient_or_all() {
        assert!(Cli::try_parse_from(["appliance", "export", "--data", "d", "out"]).is_err());
        assert!(Cli::try_parse_from(["appliance", "export", "--data", "d", "--all", "out"]).is_ok());
        let both = [
            "appliance",
            "export",
            "--data",
            "d",
            "--all",
            "--patient",
            "P1",
            "out",
        ];
        assert!(Cli::try_parse_from(both).is_err());
    }

    #[test]
    fn sync_wants_once() {
        assert!(Cli::try_parse_from(["appliance", "sync", "--data", "d"]).is_err());
        assert!(Cli::try_parse_from(["appliance", "sync", "--data", "d", "--once"]).is_ok());
    }
}

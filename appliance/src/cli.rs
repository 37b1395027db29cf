//! The command line: verbs and their arguments.

mod ecg;
mod enroll;
mod export;
mod import;
mod keep;
mod lamp;
mod locked;
mod open;
mod opener;
mod rekey;
mod screen;
mod serve;
mod status;
mod sync;
mod technician;
mod update;
mod verify;

use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Args, Parser, Subcommand};
use shell::backups::{BackupArgs, RecoveryKeyArgs, RestoreArgs};
use shell::sticks::BundleVerb;
use shell::verbs::{self, Outcome};

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
    /// Gives this box a new device key, which the old one vouches for at the hub.
    Rekey(RekeyArgs),
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
    /// Writes an encrypted backup, also beside a running `serve`, and checks it by restoring it.
    Backup(BackupArgs),
    /// Restores a backup into an empty folder.
    Restore(RestoreArgs),
    /// Exchanges with the hub by files on a stick.
    #[command(subcommand)]
    Bundle(BundleVerb),
    /// Makes the recovery key that opens backups, and prints it once.
    RecoveryKey(RecoveryKeyArgs),
    /// Takes update bundles, and does for the pages what needs to write the card.
    #[command(subcommand)]
    Update(update::UpdateVerb),
    /// Opens the box by SSH for the key of a county's permit, for the permit's minutes and while the permit is there; ends
    /// at once where there is none. Needs the system's rights.
    Technician(technician::TechnicianArgs),
    /// Opens the data of a box by its start PIN, for the box's own programs. Needs the system's rights.
    Opener(opener::OpenerArgs),
    /// Serves the pages of a box whose data wait for the start PIN.
    Locked(locked::LockedArgs),
    /// Says by the board's lamp and on a plugged-in screen how the box is. Needs the system's rights.
    Lamp(lamp::LampArgs),
    /// Runs the browser of the box's own screen while the box answers there.
    Screen(screen::ScreenArgs),
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
    /// Loopback address of the box's own screen: the kiosk over plain HTTP, and no other page.
    #[arg(long, value_name = "ADDR")]
    screen_listen: Option<SocketAddr>,
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

/// Arguments of `rekey`.
#[derive(Debug, Args)]
pub(crate) struct RekeyArgs {
    /// Folder that holds the clinic's data.
    #[arg(long, value_name = "DIR")]
    data: PathBuf,
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

/// Runs the verb that the arguments name.
pub fn main() -> ExitCode {
    let cli = Cli::parse();
    let json = cli.verb.wants_json();
    verbs::finish(cli.verb.run(), json)
}

impl Verb {
    fn wants_json(&self) -> bool {
        match self {
            Self::Serve(_)
            | Self::Enroll(_)
            | Self::Rekey(_)
            | Self::Export(_)
            | Self::RecoveryKey(_)
            | Self::Technician(_)
            | Self::Opener(_)
            | Self::Locked(_)
            | Self::Lamp(_)
            | Self::Screen(_) => false,
            Self::Bundle(verb) => verb.wants_json(),
            Self::Update(verb) => verb.wants_json(),
            Self::Backup(args) => args.json,
            Self::Restore(args) => args.json,
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
            Self::Rekey(args) => on_runtime(rekey::run(args)),
            Self::Import(args) => on_runtime(import::run(args)),
            Self::Export(args) => on_runtime(export::run(args)),
            Self::Sync(args) => on_runtime(sync::run(args)),
            Self::Status(args) => on_runtime(status::run(args)),
            Self::Verify(args) => on_runtime(verify::run(args)),
            Self::Bundle(verb) => on_runtime(keep::bundle(verb)),
            Self::Backup(args) => on_runtime(keep::backup(args)),
            Self::Restore(args) => on_runtime(keep::restore(args)),
            Self::RecoveryKey(args) => on_runtime(keep::recovery_key(args)),
            Self::Update(verb) => update::run(&verb),
            Self::Technician(arguments) => technician::run(&arguments),
            Self::Opener(arguments) => opener::run(&arguments),
            Self::Locked(arguments) => locked::run(arguments),
            Self::Lamp(args) => lamp::run(args),
            Self::Screen(args) => screen::run(&args),
            Self::Ecg(args) => ecg::run(args),
        }
    }
}

/// A bar on stderr where that is a terminal; of unknown length where `bytes` is 0.
fn bar(bytes: u64) -> indicatif::ProgressBar {
    let bar = if bytes == 0 {
        indicatif::ProgressBar::no_length()
    } else {
        indicatif::ProgressBar::new(bytes)
    };
    let style =
        indicatif::ProgressStyle::with_template("{bytes} of {total_bytes}, {bytes_per_sec}, {eta} left");
    style.map_or(bar.clone(), |style| bar.with_style(style))
}

/// Worker threads of the runtime: pages are short and the heavy work has threads of its own.
const WORKER_THREADS: usize = 2;

fn on_runtime(verb: impl Future<Output = Outcome>) -> Outcome {
    verbs::on_runtime(Some(WORKER_THREADS), verb)
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

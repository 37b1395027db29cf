//! The command line: verbs and their arguments.

mod boxes;
mod copies;
mod fleet;
mod keep;
mod open;
mod place;
mod release;
mod serve;
mod verify;

use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Args, Parser, Subcommand};
use records::ids::ClinicCode;
use records::staff::Role;
use shell::backups::{BackupArgs, RecoveryKeyArgs, ResealArgs, RestoreArgs};
use shell::sticks::BundleVerb;
use shell::verbs::{self, Outcome};

/// The county hub: exchanges with the clinics' boxes and serves the desks of the county's staff.
#[derive(Debug, Parser)]
#[command(name = "sync-server", version, propagate_version = true)]
pub struct Cli {
    /// What to do.
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Debug, Subcommand)]
enum Verb {
    /// Serves the desks and exchanges with the boxes.
    Serve(ServeArgs),
    /// Clinics of the county.
    #[command(subcommand)]
    Clinic(ClinicVerb),
    /// Boxes that joined the county.
    #[command(subcommand)]
    Box(boxes::BoxVerb),
    /// Staff of the county and of its clinics.
    #[command(subcommand)]
    Staff(StaffVerb),
    /// Prints the hub's CA certificate (PEM).
    Ca(DataArgs),
    /// Prints a one-time enrolment token for a box of a clinic; it carries the pin of the hub's CA.
    Token(TokenArgs),
    /// Checks the data folder and prints its fingerprint.
    Verify(AboutArgs),
    /// Writes an encrypted backup, also beside a running `serve`, and checks it by restoring it.
    Backup(BackupArgs),
    /// Restores a backup into an empty folder; the hub begins a new epoch.
    Restore(RestoreArgs),
    /// Begins a new epoch, after its keeper restored the PostgreSQL database and before any node serves it.
    NewEpoch(NewEpochArgs),
    /// Checks a copy that was restored from a backup of the PostgreSQL database; boxes hear that what it holds is safe.
    CheckCopy(CheckCopyArgs),
    /// Exchanges with boxes by files on a stick.
    #[command(subcommand)]
    Bundle(BundleVerb),
    /// New systems for boxes, and the plan by which they are offered.
    #[command(subcommand)]
    Release(release::ReleaseVerb),
    /// Makes the recovery key that opens backups, and prints it once.
    RecoveryKey(RecoveryKeyArgs),
    /// Opens a box's backup with the county's key and encrypts it to another key, to restore it with.
    Reseal(ResealArgs),
}

#[derive(Debug, Subcommand)]
enum ClinicVerb {
    /// Adds a clinic, or gives the one with this code its new name.
    Add(ClinicAddArgs),
}

#[derive(Debug, Subcommand)]
enum StaffVerb {
    /// Adds a person and prints a sign-in for one use.
    Add(StaffAddArgs),
}

/// Where the county's data are.
#[derive(Debug, Args)]
pub(crate) struct Place {
    /// Folder that holds the county's data; with a database on a server, the keys of the hub.
    #[arg(long, value_name = "DIR")]
    data: PathBuf,
    /// PostgreSQL database that holds the county's records, shared by the nodes of the hub: postgres://NAME@HOST/DATABASE.
    /// An address with a password belongs into a file or into the environment variable SYNC_SERVER_DATABASE_URL.
    #[arg(long, value_name = "URL", conflicts_with = "database_url_file")]
    database_url: Option<String>,
    /// File whose first line is that address.
    #[arg(long, value_name = "FILE")]
    database_url_file: Option<PathBuf>,
    /// Where recordings and pictures lie outside the database, shared by the nodes of the hub: file:///FOLDER or
    /// s3://BUCKET/PREFIX. Or the environment variable SYNC_SERVER_BLOBS. The keys of a bucket stand in the environment
    /// (AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY, AWS_REGION, AWS_ENDPOINT_URL) or in a file.
    #[arg(long, value_name = "URL")]
    blobs: Option<String>,
    /// File with the keys of the bucket: lines NAME=VALUE with those names. Or SYNC_SERVER_BLOBS_KEYS.
    #[arg(long, value_name = "FILE")]
    blobs_keys: Option<PathBuf>,
}

/// Arguments of `serve`.
#[derive(Debug, Args)]
pub(crate) struct ServeArgs {
    #[command(flatten)]
    place: Place,
    /// Address of the desks, over HTTPS with a certificate of the hub's CA.
    #[arg(long, value_name = "ADDR", default_value = "127.0.0.1:8443")]
    listen: SocketAddr,
    /// Address for boxes, over mutual TLS; without it no box can reach this hub.
    #[arg(long, value_name = "ADDR")]
    link: Option<SocketAddr>,
    /// The hub above this one, at its address for boxes: https://HOST:PORT. This hub joins it as a county.
    #[arg(long, value_name = "URL")]
    upstream: Option<String>,
    /// File with the one-time token of the county at that hub, needed once.
    #[arg(long, value_name = "FILE", requires = "upstream")]
    upstream_token_file: Option<PathBuf>,
}

/// Arguments of verbs that only name the folder.
#[derive(Debug, Args)]
pub(crate) struct DataArgs {
    #[command(flatten)]
    place: Place,
}

/// Arguments of `clinic add`.
#[derive(Debug, Args)]
pub(crate) struct ClinicAddArgs {
    #[command(flatten)]
    place: Place,
    /// The clinic's code: letters, digits and hyphens.
    #[arg(long, value_name = "CODE")]
    code: ClinicCode,
    /// The clinic's name.
    #[arg(long, value_name = "NAME")]
    name: String,
    /// It is a county: its own hub will carry the records of its clinics here.
    #[arg(long)]
    county: bool,
}

/// Arguments of `staff add`.
#[derive(Debug, Args)]
pub(crate) struct StaffAddArgs {
    #[command(flatten)]
    place: Place,
    /// The person's role.
    #[arg(long, value_name = "ROLE", value_parser = role)]
    role: Role,
    /// The person's name.
    #[arg(long, value_name = "NAME")]
    name: String,
    /// The clinic, for roles of a clinic.
    #[arg(long, value_name = "CODE")]
    clinic: Option<ClinicCode>,
    /// Prints one object as the last line.
    #[arg(long)]
    json: bool,
}

/// Arguments of `token`.
#[derive(Debug, Args)]
pub(crate) struct TokenArgs {
    #[command(flatten)]
    place: Place,
    /// The clinic whose box is to join.
    #[arg(long, value_name = "CODE")]
    clinic: ClinicCode,
}

/// Arguments of verbs that tell of the whole county or of one clinic.
#[derive(Debug, Args)]
pub(crate) struct AboutArgs {
    #[command(flatten)]
    place: Place,
    /// Only what is of this clinic.
    #[arg(long, value_name = "CODE")]
    clinic: Option<ClinicCode>,
    /// Prints one object as the last line.
    #[arg(long)]
    json: bool,
}

/// Arguments of `new-epoch`.
#[derive(Debug, Args)]
pub(crate) struct NewEpochArgs {
    #[command(flatten)]
    place: Place,
    /// Prints one object as the last line.
    #[arg(long)]
    json: bool,
}

/// Arguments of `check-copy`.
#[derive(Debug, Args)]
pub(crate) struct CheckCopyArgs {
    #[command(flatten)]
    place: Place,
    /// The copy: another database, restored from the backup.
    #[arg(
        long,
        value_name = "URL",
        conflicts_with = "copy_file",
        required_unless_present = "copy_file"
    )]
    copy: Option<String>,
    /// File whose first line is its address.
    #[arg(long, value_name = "FILE")]
    copy_file: Option<PathBuf>,
    /// Prints one object as the last line.
    #[arg(long)]
    json: bool,
}

fn role(text: &str) -> Result<Role, String> {
    Role::from_word(text).ok_or_else(|| {
        let words: Vec<&str> = Role::ALL.iter().map(|role| role.word()).collect();
        format!("one of: {}", words.join(", "))
    })
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
            Self::Serve(_) | Self::Clinic(_) | Self::Ca(_) | Self::Token(_) => false,
            Self::RecoveryKey(_) | Self::Reseal(_) => false,
            Self::Box(verb) => verb.wants_json(),
            Self::Bundle(verb) => verb.wants_json(),
            Self::Release(verb) => verb.wants_json(),
            Self::Backup(args) => args.json,
            Self::Restore(args) => args.json,
            Self::Staff(StaffVerb::Add(args)) => args.json,
            Self::Verify(args) => args.json,
            Self::NewEpoch(args) => args.json,
            Self::CheckCopy(args) => args.json,
        }
    }

    fn run(self) -> Outcome {
        match self {
            Self::Serve(args) => serve::run(args),
            Self::Clinic(ClinicVerb::Add(args)) => on_runtime(fleet::add_clinic(args)),
            Self::Box(verb) => on_runtime(boxes::run(verb)),
            Self::Staff(StaffVerb::Add(args)) => on_runtime(fleet::add_staff(args)),
            Self::Ca(args) => on_runtime(fleet::ca(args)),
            Self::Token(args) => on_runtime(fleet::token(args)),
            Self::Verify(args) => on_runtime(verify::run(args)),
            Self::Bundle(verb) => on_runtime(keep::bundle(verb)),
            Self::Release(verb) => on_runtime(release::run(verb)),
            Self::Backup(args) => on_runtime(keep::backup(args)),
            Self::Restore(args) => on_runtime(keep::restore(args)),
            Self::NewEpoch(args) => on_runtime(copies::new_epoch(args)),
            Self::CheckCopy(args) => on_runtime(copies::check(args)),
            Self::RecoveryKey(args) => on_runtime(keep::recovery_key(args)),
            Self::Reseal(args) => on_runtime(keep::reseal(args)),
        }
    }
}

fn on_runtime(verb: impl Future<Output = Outcome>) -> Outcome {
    verbs::on_runtime(None, verb)
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory as _;

    use super::*;

    #[test]
    fn the_arguments_are_consistent() {
        Cli::command().debug_assert();
    }

    #[test]
    fn a_role_and_a_code_are_checked_before_anything_is_opened() {
        let add = |role: &str, code: &str| {
            let words = [
                "sync-server",
                "staff",
                "add",
                "--data",
                "d",
                "--name",
                "x",
                "--role",
                role,
                "--clinic",
                code,
            ];
            Cli::try_parse_from(words).is_ok()
        };
        assert!(add("nurse", "0017"));
        assert!(!add("chief", "0017") && !add("nurse", "17 a"));
    }
}

//! `opener`: opens the data of a box for the start PIN or the hub's share, for the box's own programs. It runs with the
//! system's rights and as long as the system does.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode, ExitStatus};
use std::time::Duration;

use card::FileDevice;
use card::luks::{Cost, VolumeKey};
use card::mbr::Extent;
use card::random::Random;
use clap::Args;
use machine::data::{self, Tools};
use machine::keys;
use shell::serving;
use shell::verbs::{Failure, Outcome, chain};
use tracing_subscriber::EnvFilter;

use crate::config::Config;
use crate::opener::{Opener, System, serving as socket};
use crate::update::UpdateFault;

/// What begins once the data are mounted, in the service manager's words: folders of the data, and what works with them.
const FOLDERS: [&str; 2] = ["/usr/bin/systemd-tmpfiles", "--create"];
const BEGIN: [&str; 3] = ["/usr/bin/systemctl", "--no-block", "start"];
/// What closes data that are open.
const START_ANEW: [&str; 3] = ["/usr/bin/systemctl", "--no-block", "reboot"];
const LOCKED: &str = "clinic-locked.service";
const UNITS: [&str; 4] = [
    "clinic-box.service",
    "clinic-card.path",
    "clinic-settle.service",
    "clinic-technician.service",
];

/// Which card, and who may ask.
#[derive(Debug, Args)]
pub(crate) struct OpenerArgs {
    /// Settings file (TOML) with the section `card`.
    #[arg(long, value_name = "FILE")]
    config: PathBuf,
    /// Where the data are mounted.
    #[arg(long, value_name = "DIR", default_value = "/data")]
    data: PathBuf,
    /// Number of the user whose programs may ask, beside root.
    #[arg(long, value_name = "UID", default_value_t = 900)]
    user: u32,
}

/// The system that this program runs on.
struct Here {
    /// The whole card.
    disk: PathBuf,
    data: PathBuf,
}

pub(super) fn run(arguments: &OpenerArgs) -> Outcome {
    serving::start_log(EnvFilter::new("info"));
    let config = Config::read(&arguments.config).map_err(|error| Failure::of("settings", &error))?;
    let card = config
        .card
        .ok_or_else(|| Failure::new(chain(&UpdateFault::NoCard)))?;
    let device = FileDevice::open_in_use(&card.device).map_err(|error| Failure::of("the card", &error))?;
    let seed = keys::random().map_err(|error| Failure::of("a random number", &error))?;
    let here = Here {
        disk: card.device.clone(),
        data: arguments.data.clone(),
    };
    let opener = Opener::new(
        device,
        here,
        &keys::Files,
        Random::new(seed),
        Cost::BOX,
        Duration::ZERO,
    );
    let mut opener = opener.map_err(|fault| Failure::of("the data", &fault))?;
    let listener = socket::listen(&card.run.join("opener.sock"), arguments.user)
        .map_err(|error| Failure::of("the opener's socket", &error))?;
    if !data::is_mounted(&arguments.data) {
        said(start(&[LOCKED]));
    }
    socket::serve(&listener, arguments.user, &mut opener, || begin(&card.run))
        .map_err(|error| Failure::of("the opener's socket", &error))?;
    Ok(ExitCode::SUCCESS)
}

impl System for Here {
    fn is_open(&self) -> bool {
        data::is_mounted(&self.data)
    }

    fn open(&mut self, extent: Extent, volume: [u8; 16], key: &VolumeKey) -> Result<(), String> {
        let device = data::open_encrypted(&self.disk, extent, volume, key)
            .map_err(|error| format!("the device of the data: {error}"))?;
        let tools = Tools { root: Path::new("/") };
        if let Some(what) = tools.check(&device) {
            tracing::warn!(what, "the data partition is not in order");
        }
        data::mount_at(&device, &self.data).map_err(|error| {
            // Else its name is taken at the next try.
            let _ = data::close();
            format!("mounting the data: {error}")
        })
    }

    fn start_anew(&mut self) {
        let [manager, no_block, reboot] = START_ANEW;
        said(Command::new(manager).args([no_block, reboot]).status());
    }
}

/// Starts what works with the data. Nobody waits for it here: the locked pages end by it.
fn begin(run: &Path) {
    if let Err(error) = fs::remove_file(run.join("waits")) {
        tracing::warn!(%error, "the mark that the data wait was not removed");
    }
    let [maker, create] = FOLDERS;
    said(Command::new(maker).arg(create).status());
    said(start(&UNITS));
}

fn start(units: &[&str]) -> io::Result<ExitStatus> {
    let [manager, no_block, start] = BEGIN;
    Command::new(manager).args([no_block, start]).args(units).status()
}

fn said(step: io::Result<ExitStatus>) {
    match step {
        Ok(status) if status.success() => {}
        Ok(status) => tracing::error!(%status, "a unit was not started"),
        Err(error) => tracing::error!(%error, "a unit was not started"),
    }
}

//! `technician`: opens the box for the SSH key of a county's permit, as long as the permit says and is there.

use std::fs;
use std::io;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitCode};
use std::thread::sleep;
use std::time::{Duration, Instant};

use clap::Args;
use shell::listening;
use shell::verbs::{Failure, Outcome, chain, say};

use crate::config::Config;
use crate::technician::{Admitted, Place};
use crate::update::UpdateFault;

/// A minute of a permit.
const MINUTE: Duration = Duration::from_secs(60);
/// How soon it is noticed that the permit was pulled out, or that the server ended.
const LOOK: Duration = Duration::from_secs(2);
/// How long a rule of the wall outlives a program that was killed, at most.
const RULE_SECONDS: u64 = 75;
/// The programs of the image: a small SSH server, the maker of its key, the wall's tool.
const SERVER: &str = "/usr/sbin/dropbear";
const KEY_MAKER: &str = "/usr/bin/dropbearkey";
const WALL: &str = "/usr/sbin/nft";
const PORT: u16 = 22;
/// What shuts the port.
const SHUT: &str = "flush set inet box technician";

/// Where permits lie and minutes are noted.
#[derive(Debug, Args)]
pub(crate) struct TechnicianArgs {
    /// Settings file (TOML) with the section `card`.
    #[arg(long, value_name = "FILE")]
    config: PathBuf,
    /// Folder of the stick to look at; without it the card is looked at.
    #[arg(long, value_name = "DIR")]
    stick: Option<PathBuf>,
    /// Folder where the minutes of permits are noted.
    #[arg(long, value_name = "DIR", default_value = "/data/technician")]
    notes: PathBuf,
}

pub(super) fn run(arguments: &TechnicianArgs) -> Outcome {
    let config = Config::read(&arguments.config).map_err(|error| Failure::of("settings", &error))?;
    let no_card = || Failure::new(chain(&UpdateFault::NoCard));
    let card = config.card.ok_or_else(no_card)?;
    let name = arguments.stick.as_deref().and_then(Path::file_name);
    let run = card.run.join("technician").join(name.unwrap_or("card".as_ref()));
    let place = Place {
        card,
        stick: arguments.stick.clone(),
        notes: arguments.notes.clone(),
    };
    match place.admit() {
        Ok(None) => {}
        Ok(Some(admitted)) => {
            let shut = Shut;
            open(&place, &admitted, &run)?;
            drop(shut);
        }
        Err(fault) => return Err(Failure::new(format!("nobody is let in: {}", chain(&fault)))),
    }
    Ok(ExitCode::SUCCESS)
}

/// Shuts the port when it goes; the unit does the same for a program that was killed.
struct Shut;

impl Drop for Shut {
    fn drop(&mut self) {
        let _ = wall(SHUT);
        say("SSH is off");
    }
}

/// Ends the server when it goes; its sessions end with the unit.
struct Server(Child);

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn open(place: &Place, admitted: &Admitted, run: &Path) -> Result<(), Failure> {
    let permit = &admitted.permit;
    let print = prepare(run, &permit.key).map_err(|error| Failure::of("SSH", &error))?;
    let mut left = spend(place, admitted)?;
    let mut server = None;
    say(&format!(
        "SSH is on for {} minutes by permit {} of {}: ssh root@{}, key {print}",
        left + 1,
        permit.number,
        admitted.offer.from,
        own_address()
    ));
    loop {
        // The rule ends by itself where this program cannot take it back.
        let rule = format!("{SHUT}; add element inet box technician {{ {PORT} timeout {RULE_SECONDS}s }}");
        wall(&rule).map_err(|error| Failure::of("nft", &error))?;
        if server.is_none() {
            server = Some(Server(serve(run).map_err(|error| Failure::of(SERVER, &error))?));
        }
        let minute = Instant::now();
        while minute.elapsed() < MINUTE {
            sleep(LOOK);
            if !place.is_there(admitted) {
                say("the permit was taken away");
                return Ok(());
            }
            if let Some(Server(child)) = &mut server
                && let Some(status) = child.try_wait().map_err(|error| Failure::of(SERVER, &error))?
            {
                return Err(Failure::new(format!("{SERVER} ends with {status}")));
            }
        }
        if left == 0 {
            say("the minutes of the permit are over");
            return Ok(());
        }
        left = spend(place, admitted)?;
    }
}

fn spend(place: &Place, admitted: &Admitted) -> Result<u32, Failure> {
    place
        .spend(&admitted.permit)
        .map_err(|fault| Failure::new(chain(&fault)))
}

/// Lays out what the server reads: the one key that it lets in, and a key of its own, whose fingerprint comes back.
fn prepare(run: &Path, key: &str) -> io::Result<String> {
    let _ = fs::remove_dir_all(run);
    fs::DirBuilder::new().recursive(true).mode(0o700).create(run)?;
    let mut keys = fs::OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(run.join("authorized_keys"))?;
    io::Write::write_all(&mut keys, format!("{key}\n").as_bytes())?;
    let made = Command::new(KEY_MAKER)
        .args(["-t", "ed25519", "-f"])
        .arg(run.join("host_key"))
        .output()?;
    let text = String::from_utf8_lossy(&made.stdout).into_owned();
    let print = text.lines().find_map(|line| line.strip_prefix("Fingerprint: "));
    match print {
        Some(print) if made.status.success() => Ok(print.to_owned()),
        Some(_) | None => Err(io::Error::other(format!("{KEY_MAKER} ends with {}", made.status))),
    }
}

/// Starts the server: keys only, no way through to other machines.
fn serve(run: &Path) -> io::Result<Child> {
    Command::new(SERVER)
        .args(["-F", "-E", "-s", "-g", "-j", "-k", "-m", "-p"])
        .arg(PORT.to_string())
        .arg("-r")
        .arg(run.join("host_key"))
        .arg("-D")
        .arg(run)
        .arg("-P")
        .arg(run.join("pid"))
        .spawn()
}

/// Changes the wall, in one step.
fn wall(words: &str) -> io::Result<()> {
    let status = Command::new(WALL).arg(words).status()?;
    if status.success() {
        Ok(())
    } else {
        Err(io::Error::other(format!("nft {words} ends with {status}")))
    }
}

/// The address by which other machines of the local network reach this one, or the name that it has there.
pub(super) fn own_address() -> String {
    listening::own_address().map_or_else(|| "clinic-box.local".to_owned(), |address| address.to_string())
}

//! `update`: takes a bundle, does what the pages may not do themselves, and settles how the running system stands.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};
use std::time::Duration;

use card::starting::Restart;
use clap::{Args, Subcommand};
use serde_json::{Value, json};
use shell::verbs::{Failure, Outcome, chain, say};

use crate::config::{CardConfig, Config};
use crate::systems::{self, Systems};
use crate::update::own::DATA;
use crate::update::{Mailbox, Own, UpdateFault, health, settle, taking, work};

/// The words that a Raspberry Pi's firmware takes for its one-shot flag.
const TRIAL: &str = "0 tryboot";

/// What to do about updates of a box that starts from a card.
#[derive(Debug, Subcommand)]
pub(crate) enum UpdateVerb {
    /// Checks a bundle and leaves it for installing; a box that serves installs it at once and tries it at its next
    /// start.
    Take {
        /// The bundle.
        #[arg(value_name = "FILE.bundle")]
        file: PathBuf,
        /// Folder that holds the clinic's data.
        #[arg(long, value_name = "DIR")]
        data: PathBuf,
        #[command(flatten)]
        card: CardArgs,
    },
    /// Tells the systems of the card, how the last update ended, and the forms of data of this program.
    Status {
        #[command(flatten)]
        card: CardArgs,
    },
    /// Answers what the pages asked for: installs, clears a used token, restarts for a trial. Needs to write the card.
    Work {
        /// Folder that holds the clinic's data.
        #[arg(long, value_name = "DIR")]
        data: PathBuf,
        /// Tells how to restart instead of restarting.
        #[arg(long)]
        no_restart: bool,
        #[command(flatten)]
        card: CardArgs,
    },
    /// Asks the running box for its health; commits the running system, goes back, or tries the other slot. Needs to
    /// write the card.
    Settle {
        /// The box's pages on this machine.
        #[arg(long, value_name = "ADDR", default_value = "127.0.0.1:8080")]
        pages: SocketAddr,
        /// Seconds until a box that is not well counts as ill.
        #[arg(long, value_name = "SECONDS", default_value_t = 600)]
        patience: u64,
        /// Tells how to restart instead of restarting.
        #[arg(long)]
        no_restart: bool,
        #[command(flatten)]
        card: CardArgs,
    },
}

/// The card, by the box's settings.
#[derive(Debug, Args)]
pub(crate) struct CardArgs {
    /// Settings file (TOML) with the section `card`.
    #[arg(long, value_name = "FILE")]
    config: PathBuf,
    /// Prints one object as the last line.
    #[arg(long)]
    json: bool,
}

impl UpdateVerb {
    fn card(&self) -> &CardArgs {
        match self {
            Self::Take { card, .. }
            | Self::Status { card }
            | Self::Work { card, .. }
            | Self::Settle { card, .. } => card,
        }
    }

    pub(super) fn wants_json(&self) -> bool {
        self.card().json
    }
}

pub(super) fn run(verb: &UpdateVerb) -> Outcome {
    let path = &verb.card().config;
    let config = Config::read(path).map_err(|error| Failure::of("settings", &error))?;
    let card = config.card.ok_or_else(|| failed(&UpdateFault::NoCard))?;
    let said = match verb {
        UpdateVerb::Take { file, data, .. } => take(&card, file, data)?,
        UpdateVerb::Status { .. } => status(&card)?,
        UpdateVerb::Work { data, no_restart, .. } => answer(&card, data, *no_restart)?,
        UpdateVerb::Settle {
            pages,
            patience,
            no_restart,
            ..
        } => judge(&card, *pages, Duration::from_secs(*patience), *no_restart)?,
    };
    if verb.wants_json() {
        say(&said.to_string());
    } else {
        for (key, value) in said.as_object().into_iter().flatten() {
            say(&format!("{key:<12}{value}"));
        }
    }
    Ok(ExitCode::SUCCESS)
}

fn failed(fault: &UpdateFault) -> Failure {
    Failure::new(chain(fault))
}

fn take(card: &CardConfig, file: &Path, data: &Path) -> Result<Value, Failure> {
    let own = Own::read(card).map_err(|fault| failed(&fault))?;
    let len = std::fs::metadata(file).map_or(0, |meta| meta.len());
    let bar = super::bar(len);
    let taken = taking::take(file, &own, &Mailbox::of(data), |bytes| bar.inc(bytes));
    bar.finish_and_clear();
    let version = taken.map_err(|fault| failed(&fault))?;
    Ok(json!({ "version": version.0, "bytes": len }))
}

fn status(card: &CardConfig) -> Result<Value, Failure> {
    let standing = match systems::read_now(card) {
        Systems::Read(standing) => standing,
        Systems::NoCard => return Err(failed(&UpdateFault::NoCard)),
        Systems::Unreadable(why) => return Err(Failure::new(format!("the card cannot be read: {why}"))),
    };
    let version = |version: Option<card::state::Version>| version.map(|version| version.0);
    Ok(json!({
        "starts": format!("{:?}", standing.starts),
        "version": version(standing.version),
        "other": version(standing.other),
        "on_trial": standing.on_trial,
        "last": systems::told(&standing.last),
        "answer": standing.said,
        "data": { "oldest": DATA.oldest, "newest": DATA.newest, "writes": DATA.writes },
    }))
}

fn answer(card: &CardConfig, data: &Path, no_restart: bool) -> Result<Value, Failure> {
    let bar = super::bar(0);
    let done = work::work(card, &Mailbox::of(data), |bytes| bar.inc(bytes));
    bar.finish_and_clear();
    let restart = done.map_err(|fault| failed(&fault))?;
    restarted(restart, no_restart)?;
    Ok(json!({ "restart": restart }))
}

fn judge(
    card: &CardConfig,
    pages: SocketAddr,
    patience: Duration,
    no_restart: bool,
) -> Result<Value, Failure> {
    let health = settle::wait(patience, || health::ask(pages));
    let (settling, restart) = settle::settle(card, &health).map_err(|fault| failed(&fault))?;
    // Also on the screen of a box that has no page to tell it.
    say(&format!("settled: {health:?}: {settling:?}"));
    restarted(restart, no_restart)?;
    Ok(json!({ "health": format!("{health:?}"), "settled": format!("{settling:?}"), "restart": restart }))
}

fn restarted(restart: Option<Restart>, no_restart: bool) -> Result<(), Failure> {
    let Some(restart) = restart.filter(|_| !no_restart) else {
        return Ok(());
    };
    let mut command = Command::new("systemctl");
    command.arg("reboot");
    if restart == Restart::Trial {
        command.arg(format!("--reboot-argument={TRIAL}"));
    }
    let status = command
        .status()
        .map_err(|error| Failure::of("systemctl", &error))?;
    if status.success() {
        Ok(())
    } else {
        Err(Failure::new(format!("systemctl reboot ends with {status}")))
    }
}

//! `locked`: the pages of a box whose data wait for the start PIN, until Ctrl-C or SIGTERM.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::Args;
use shell::serving;
use shell::verbs::{Failure, Outcome, chain, say};

use super::on_runtime;
use super::serve::filter;
use crate::config::Config;
use crate::inbox::door_of;
use crate::locked::{self, Options};

/// Where the pages are served.
#[derive(Debug, Args)]
pub(crate) struct LockedArgs {
    /// Settings file (TOML) with the section `card`.
    #[arg(long, value_name = "FILE")]
    config: PathBuf,
    /// Folder in memory, for a certificate where the open box left none.
    #[arg(long, value_name = "DIR")]
    state: PathBuf,
    /// Loopback address of the pages over plain HTTP.
    #[arg(long, value_name = "ADDR")]
    listen: SocketAddr,
    /// Address of the pages over HTTPS for tablets on the local network.
    #[arg(long, value_name = "ADDR")]
    lan_listen: Option<SocketAddr>,
    /// Address that says over plain HTTP where the pages are.
    #[arg(long, value_name = "ADDR")]
    setup_listen: Option<SocketAddr>,
}

pub(super) fn run(arguments: LockedArgs) -> Outcome {
    let config = Config::read(&arguments.config).map_err(|error| Failure::of("settings", &error))?;
    serving::start_log(filter(&config.log.level)?);
    web::guard::quiet_panics();
    let door = door_of(config.card.as_ref());
    let door = door.ok_or_else(|| Failure::new("this box opens its data without a person".to_owned()))?;
    on_runtime(serve(Options {
        door,
        folder: arguments.state,
        listen: arguments.listen,
        lan_listen: arguments.lan_listen,
        setup_listen: arguments.setup_listen,
        screen_listen: config.http.screen_listen,
        lan: config.lan,
        bays: config.bays,
    }))
}

async fn serve(options: Options) -> Outcome {
    let stop = serving::stop_signal()?;
    let running = locked::run(options)
        .await
        .map_err(|error| Failure::new(chain(&error)))?;
    for (name, url) in running.addresses() {
        say(&format!("listening {name} {url}"));
    }
    stop.await;
    running.stop().await;
    Ok(ExitCode::SUCCESS)
}

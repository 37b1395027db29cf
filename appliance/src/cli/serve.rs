//! `serve`: the box itself, until Ctrl-C or SIGTERM.

use std::io::IsTerminal as _;
use std::net::SocketAddr;
use std::process::ExitCode;
use std::time::Duration;

use sd_notify::NotifyState;
use tracing_subscriber::EnvFilter;

use super::{Failure, Outcome, ServeArgs, runtime, say};
use crate::config::Config;
use crate::{Options, Running};

/// Default address of the pages.
const LISTEN: SocketAddr = SocketAddr::new(std::net::IpAddr::V4(std::net::Ipv4Addr::LOCALHOST), 8080);
/// Environment variable of kill tests: `word:count`, the point of the code at which the process ends.
const CRASH_AT: &str = "APPLIANCE_CRASH_AT";

pub(super) fn run(args: ServeArgs) -> Outcome {
    let config = match &args.config {
        Some(path) => Config::read(path).map_err(|error| Failure::of("settings", &error))?,
        None => Config::default(),
    };
    start_log(&config.log.level)?;
    web::guard::quiet_panics();
    let options = options(args, config);
    runtime()?.block_on(serve(options))
}

fn options(args: ServeArgs, config: Config) -> Options {
    let crash_at = std::env::var(CRASH_AT)
        .ok()
        .and_then(|text| store::CrashPoint::parse(&text));
    Options {
        listen: args.listen.or(config.http.listen).unwrap_or(LISTEN),
        lan_listen: args.lan_listen.or(config.http.lan_listen),
        setup_listen: args.setup_listen.or(config.http.setup_listen),
        hub: args.hub.or(config.hub.url),
        lan: config.lan,
        kiosk: config.kiosk,
        bays: config.bays,
        crash_at,
        ..Options::new(args.data)
    }
}

async fn serve(options: Options) -> Outcome {
    let opening = tokio::spawn(tell_opening());
    let started = crate::run(options).await;
    opening.abort();
    let running = started.map_err(|error| Failure::new(super::chain(&error)))?;
    for (name, url) in running.addresses() {
        say(&format!("listening {name} {url}"));
    }
    notify(&[NotifyState::Ready]);
    let feeding = tokio::spawn(feed_watchdog(running.state.store.clone()));
    wait_for_signal().await?;
    notify(&[NotifyState::Stopping]);
    feeding.abort();
    stop(running).await;
    Ok(ExitCode::SUCCESS)
}

async fn stop(running: Running) {
    tracing::info!("stopping");
    running.stop().await;
    tracing::info!("stopped");
}

async fn wait_for_signal() -> Result<(), Failure> {
    use tokio::signal::unix::{SignalKind, signal};
    let listen = |kind| signal(kind).map_err(|error| Failure::of("cannot listen for signals", &error));
    let (mut interrupt, mut terminate) = (listen(SignalKind::interrupt())?, listen(SignalKind::terminate())?);
    tokio::select! {
        _ = interrupt.recv() => {}
        _ = terminate.recv() => {}
    }
    Ok(())
}

/// Log lines are JSON on stderr: the console's reader is a machine.
fn start_log(level: &str) -> Result<(), Failure> {
    let filter = EnvFilter::try_new(level)
        .map_err(|error| Failure::new(format!("log level {level:?} is not usable: {error}")))?;
    let log = tracing_subscriber::fmt()
        .json()
        .with_env_filter(filter)
        .with_writer(std::io::stderr);
    // A process that runs a box inside has a log of its own already.
    let _kept = log.with_ansi(std::io::stderr().is_terminal()).try_init();
    Ok(())
}

fn notify(state: &[NotifyState<'_>]) {
    if let Err(error) = sd_notify::notify(state) {
        tracing::debug!(%error, "the service manager was not told");
    }
}

/// Opening may rebuild tables for minutes: the service manager hears that it goes on.
async fn tell_opening() {
    let mut every = tokio::time::interval(Duration::from_secs(5));
    loop {
        every.tick().await;
        notify(&[
            NotifyState::Status("opening the data folder"),
            NotifyState::ExtendTimeoutUsec(30_000_000),
        ]);
        notify(&[NotifyState::Watchdog]);
    }
}

/// Feeds the watchdog from work that is really done: a read of the store.
async fn feed_watchdog(store: store::Store) {
    let Some(limit) = sd_notify::watchdog_enabled() else {
        return;
    };
    let mut every = tokio::time::interval(limit / 3);
    loop {
        every.tick().await;
        if store.clinic().await.is_ok() {
            notify(&[NotifyState::Watchdog]);
        }
    }
}

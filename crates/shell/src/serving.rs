//! The verb `serve`: a program that runs until Ctrl-C or SIGTERM, and tells the service manager how it is.

use std::io::IsTerminal as _;
use std::process::ExitCode;
use std::time::Duration;

use sd_notify::NotifyState;
use store::{CrashPoint, Store};
use tracing_subscriber::EnvFilter;

use crate::verbs::{Failure, Outcome, chain, say};

/// A program whose listeners answer.
pub trait Serving: Send {
    /// Names and addresses of the listeners, as `serve` prints them.
    fn addresses(&self) -> Vec<(&'static str, String)>;
    /// What it keeps on disk.
    fn store(&self) -> &Store;
    /// Stops in order.
    fn stop(self) -> impl Future<Output = ()> + Send;
}

/// Starts a program, tells that it is there, and stops it at the first signal.
///
/// # Errors
///
/// It cannot be started, or signals cannot be listened for.
pub async fn serve<R: Serving, E: std::error::Error + 'static>(
    starting: impl Future<Output = Result<R, E>>,
) -> Outcome {
    // Before anything says that the program is there: who hears that may stop it at once.
    let stop = stop_signal()?;
    let opening = tokio::spawn(tell_opening());
    let started = starting.await;
    opening.abort();
    let running = started.map_err(|error| Failure::new(chain(&error)))?;
    for (name, url) in running.addresses() {
        say(&format!("listening {name} {url}"));
    }
    notify(&[NotifyState::Ready]);
    let feeding = tokio::spawn(feed_watchdog(running.store().clone()));
    stop.await;
    notify(&[NotifyState::Stopping]);
    feeding.abort();
    tracing::info!("stopping");
    running.stop().await;
    tracing::info!("stopped");
    Ok(ExitCode::SUCCESS)
}

/// Listens for the signals that stop a program from now on; the answer waits for the first.
///
/// # Errors
///
/// The system does not let the program listen.
pub fn stop_signal() -> Result<impl Future<Output = ()>, Failure> {
    use tokio::signal::unix::{SignalKind, signal};
    let listen = |kind| signal(kind).map_err(|error| Failure::of("cannot listen for signals", &error));
    let (mut interrupt, mut terminate) = (listen(SignalKind::interrupt())?, listen(SignalKind::terminate())?);
    Ok(async move {
        tokio::select! {
            _ = interrupt.recv() => {}
            _ = terminate.recv() => {}
        }
    })
}

/// Begins the log: lines are JSON on stderr, for the console's reader is a machine.
pub fn start_log(filter: EnvFilter) {
    let log = tracing_subscriber::fmt()
        .json()
        .with_env_filter(filter)
        .with_writer(std::io::stderr);
    // A process that runs a program inside has a log of its own already.
    let _kept = log.with_ansi(std::io::stderr().is_terminal()).try_init();
}

/// The point of the code at which the process is to end, from an environment variable `word:count`; for kill tests.
pub fn crash_at(variable: &str) -> Option<(CrashPoint, u64)> {
    std::env::var(variable)
        .ok()
        .and_then(|text| CrashPoint::parse(&text))
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
async fn feed_watchdog(store: Store) {
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

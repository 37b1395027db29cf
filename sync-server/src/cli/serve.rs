//! `serve`: the hub itself, until Ctrl-C or SIGTERM.

use std::io::IsTerminal as _;
use std::process::ExitCode;

use sd_notify::NotifyState;
use tracing_subscriber::EnvFilter;

use super::{Failure, Outcome, ServeArgs, runtime, say};
use crate::{Desk, Options};

/// Environment variable of kill tests: `word:count`, the point of the code at which the process ends.
const CRASH_AT: &str = "SYNC_SERVER_CRASH_AT";
/// What is logged without `RUST_LOG`.
const LOG: &str = "info";

pub(super) fn run(args: ServeArgs) -> Outcome {
    start_log();
    web::guard::quiet_panics();
    let crash_at = std::env::var(CRASH_AT).ok();
    let options = Options {
        desk: Desk::Https(args.listen),
        link: args.link,
        crash_at: crash_at.and_then(|text| store::CrashPoint::parse(&text)),
        ..Options::new(args.data)
    };
    runtime()?.block_on(serve(options))
}

async fn serve(options: Options) -> Outcome {
    // Before anything says that the hub is there: who hears that may stop it at once.
    let stop = stop_signal()?;
    let started = crate::run(options).await;
    let running = started.map_err(|error| Failure::new(super::chain(&error)))?;
    for (name, url) in running.addresses() {
        say(&format!("listening {name} {url}"));
    }
    notify(&[NotifyState::Ready]);
    stop.await;
    notify(&[NotifyState::Stopping]);
    tracing::info!("stopping");
    running.stop().await;
    tracing::info!("stopped");
    Ok(ExitCode::SUCCESS)
}

/// Listens for the signals that stop the hub from now on; the answer waits for the first.
fn stop_signal() -> Result<impl Future<Output = ()>, Failure> {
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

/// Log lines are JSON on stderr: the console's reader is a machine.
fn start_log() {
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new(LOG));
    let log = tracing_subscriber::fmt()
        .json()
        .with_env_filter(filter)
        .with_writer(std::io::stderr);
    // A process that runs a hub inside has a log of its own already.
    let _kept = log.with_ansi(std::io::stderr().is_terminal()).try_init();
}

fn notify(state: &[NotifyState<'_>]) {
    if let Err(error) = sd_notify::notify(state) {
        tracing::debug!(%error, "the service manager was not told");
    }
}

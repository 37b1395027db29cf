//! `serve`: the hub itself, until Ctrl-C or SIGTERM.

use shell::serving;
use shell::verbs::Outcome;
use tracing_subscriber::EnvFilter;

use super::{ServeArgs, on_runtime};
use crate::{Desk, Options, Running};

/// Environment variable of kill tests: `word:count`, the point of the code at which the process ends.
const CRASH_AT: &str = "SYNC_SERVER_CRASH_AT";
/// What is logged without `RUST_LOG`.
const LOG: &str = "info";

pub(super) fn run(args: ServeArgs) -> Outcome {
    serving::start_log(EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new(LOG)));
    web::guard::quiet_panics();
    let options = Options {
        database: args.place.database()?,
        blobs: args.place.blobs()?,
        desk: Desk::Https(args.listen),
        link: args.link,
        crash_at: serving::crash_at(CRASH_AT),
        ..Options::new(args.place.data)
    };
    on_runtime(serving::serve(crate::run(options)))
}

impl serving::Serving for Running {
    fn addresses(&self) -> Vec<(&'static str, String)> {
        Running::addresses(self)
    }

    fn store(&self) -> &store::Store {
        Running::store(self)
    }

    async fn stop(self) {
        Running::stop(self).await;
    }
}

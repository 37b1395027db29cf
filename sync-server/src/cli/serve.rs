//! `serve`: the hub itself, until Ctrl-C or SIGTERM.

use std::path::Path;

use shell::serving;
use shell::verbs::{Failure, Outcome};
use tracing_subscriber::EnvFilter;

use super::{ServeArgs, on_runtime};
use crate::upstream::Upstream;
use crate::{Desk, Options, Running};

/// Environment variable of kill tests: `word:count`, the point of the code at which the process ends.
const CRASH_AT: &str = "SYNC_SERVER_CRASH_AT";
/// What is logged without `RUST_LOG`.
const LOG: &str = "info";
/// Bytes of a token's file at most.
const TOKEN_BYTES_MAX: u64 = 64 * 1024;

pub(super) fn run(args: ServeArgs) -> Outcome {
    serving::start_log(EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new(LOG)));
    web::guard::quiet_panics();
    let token = args.upstream_token_file.as_deref().map(token).transpose()?;
    let upstream = args.upstream.map(|url| Upstream { url, token });
    let options = Options {
        database: args.place.database()?,
        blobs: args.place.blobs()?,
        desk: Desk::Https(args.listen),
        link: args.link,
        upstream,
        crash_at: serving::crash_at(CRASH_AT),
        ..Options::new(args.place.data)
    };
    on_runtime(serving::serve(crate::run(options)))
}

fn token(path: &Path) -> Result<String, Failure> {
    let failed = |why: String| Failure::new(format!("cannot read the token from {}: {why}", path.display()));
    let size = path.metadata().map_err(|error| failed(error.to_string()))?.len();
    if size > TOKEN_BYTES_MAX {
        return Err(failed("it is too long for a token".to_owned()));
    }
    std::fs::read_to_string(path).map_err(|error| failed(error.to_string()))
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

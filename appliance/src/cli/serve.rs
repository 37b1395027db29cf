//! `serve`: the box itself, until Ctrl-C or SIGTERM.

use std::net::SocketAddr;

use shell::serving;
use shell::verbs::{Failure, Outcome};
use tracing_subscriber::EnvFilter;

use super::{ServeArgs, on_runtime};
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
    serving::start_log(filter(&config.log.level)?);
    web::guard::quiet_panics();
    on_runtime(serving::serve(crate::run(options(args, config))))
}

/// Which lines a log of this level has.
pub(super) fn filter(level: &str) -> Result<EnvFilter, Failure> {
    EnvFilter::try_new(level)
        .map_err(|error| Failure::new(format!("log level {level:?} is not usable: {error}")))
}

fn options(args: ServeArgs, config: Config) -> Options {
    Options {
        listen: args.listen.or(config.http.listen).unwrap_or(LISTEN),
        lan_listen: args.lan_listen.or(config.http.lan_listen),
        setup_listen: args.setup_listen.or(config.http.setup_listen),
        screen_listen: args.screen_listen.or(config.http.screen_listen),
        hub: args.hub.or(config.hub.url),
        lan: config.lan,
        kiosk: config.kiosk,
        bays: config.bays,
        card: config.card,
        crash_at: serving::crash_at(CRASH_AT),
        ..Options::new(args.data)
    }
}

impl serving::Serving for Running {
    fn addresses(&self) -> Vec<(&'static str, String)> {
        Running::addresses(self)
    }

    fn store(&self) -> &store::Store {
        &self.state.store
    }

    async fn stop(self) {
        Running::stop(self).await;
    }
}

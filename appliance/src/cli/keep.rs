//! `backup`, `restore`, `recovery-key` and `bundle` of the box.

use std::sync::Arc;

use shell::backups::{self, BackupArgs, RecoveryKeyArgs, RestoreArgs};
use shell::opening;
use shell::sticks::{self, BundleVerb};
use shell::verbs::Outcome;
use store::{Mode, Side};

use super::open::{alone, beside};
use crate::clock::SystemClock;

const PROGRAM: &str = "appliance";

pub(super) async fn backup(args: BackupArgs) -> Outcome {
    backups::backup(beside(&args.data).await?, PROGRAM, args).await
}

pub(super) async fn restore(args: RestoreArgs) -> Outcome {
    let options = opening::options(Side::Box, Arc::new(SystemClock::start()), Mode::Serve);
    backups::bring_back(options, PROGRAM, args).await
}

pub(super) async fn recovery_key(args: RecoveryKeyArgs) -> Outcome {
    backups::recovery_key(beside(&args.data).await?, args).await
}

pub(super) async fn bundle(verb: BundleVerb) -> Outcome {
    match verb {
        BundleVerb::Export(args) => {
            sticks::export(beside(&args.data).await?, env!("CARGO_PKG_VERSION"), args).await
        }
        BundleVerb::Import(args) => sticks::import(alone(&args.data).await?, args).await,
    }
}

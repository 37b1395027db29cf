//! `backup`, `restore`, `recovery-key`, `reseal` and `bundle` of the hub.

use std::sync::Arc;

use shell::backups::{self, BackupArgs, RecoveryKeyArgs, ResealArgs, RestoreArgs};
use shell::opening;
use shell::sticks::{self, BundleVerb};
use shell::verbs::Outcome;
use store::{Mode, Side};

use super::open::{alone, folder, folder_or_new};
use crate::clock::HubClock;

const PROGRAM: &str = "sync-server";

pub(super) async fn backup(args: BackupArgs) -> Outcome {
    backups::backup(folder(&args.data).await?, PROGRAM, args).await
}

pub(super) async fn restore(args: RestoreArgs) -> Outcome {
    let options = opening::options(Side::Hub, Arc::new(HubClock::start()), Mode::Serve);
    backups::bring_back(options, PROGRAM, args).await
}

pub(super) async fn recovery_key(args: RecoveryKeyArgs) -> Outcome {
    backups::recovery_key(folder_or_new(&args.data).await?, args).await
}

pub(super) async fn reseal(args: ResealArgs) -> Outcome {
    backups::hand_on(folder(&args.data).await?, PROGRAM, args).await
}

pub(super) async fn bundle(verb: BundleVerb) -> Outcome {
    match verb {
        BundleVerb::Export(args) => {
            sticks::export(folder(&args.data).await?, env!("CARGO_PKG_VERSION"), args).await
        }
        BundleVerb::Import(args) => sticks::import(alone(&args.data).await?, args).await,
    }
}

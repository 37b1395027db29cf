//! `backup`, `restore` and `recovery-key` of the box.

use std::sync::Arc;

use shell::backups::{self, BackupArgs, RecoveryKeyArgs, RestoreArgs};
use shell::opening;
use shell::verbs::Outcome;
use store::{Mode, Side};

use super::open::beside;
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

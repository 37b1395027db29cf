//! `new-epoch` and `check-copy`: what a hub on PostgreSQL needs besides its keeper's own backups.

use std::process::ExitCode;

use serde_json::json;
use shell::checking;
use shell::progress::{follow, things};
use shell::verbs::{Failure, Outcome, chain, say};

use super::open::{alone_at, beside, copy};
use super::{CheckCopyArgs, NewEpochArgs, place};

/// Setting by which a copy is told from the database itself.
const MARK: &str = "copy-check";

pub(super) async fn new_epoch(args: NewEpochArgs) -> Outcome {
    let hub = alone_at(&args.place).await?;
    let epoch = hub.begin_epoch().await;
    let epoch = epoch.map_err(|error| Failure::of("no new epoch was begun", &error))?;
    if args.json {
        say(&json!({ "epoch": epoch }).to_string());
    } else {
        say(&format!("epoch         {epoch}"));
    }
    Ok(ExitCode::SUCCESS)
}

pub(super) async fn check(args: CheckCopyArgs) -> Outcome {
    let named = place::named("--copy", args.copy.as_deref(), args.copy_file.as_ref())?;
    let address = named.ok_or_else(|| Failure::new("name the copy by --copy or --copy-file".to_owned()))?;
    let (hub, copy) = (beside(&args.place).await?, copy(&args.place, address).await?);
    let failed =
        |error: store::StoreError| Failure::new(format!("the copy cannot be checked: {}", chain(&error)));
    let mark = json!(hub.fresh());
    hub.put_setting(MARK, &mark).await.map_err(failed)?;
    if copy.setting(MARK).await.map_err(failed)? == Some(mark) {
        return Err(Failure::new(
            "that is the database itself and no copy of it: restore the backup into another database and name that one"
                .to_owned(),
        ));
    }
    let bar = things();
    let found = copy.verify(None, follow(&bar, "documents")).await;
    bar.finish_and_clear();
    let mut found = found.map_err(failed)?;
    if found.problems.is_empty() && !hub.note_checked_copy(&copy).await.map_err(failed)? {
        found
            .problems
            .push("the copy is of another epoch: it was made before this hub was restored".to_owned());
    }
    if args.json {
        say(&checking::object(&found, &found.problems).to_string());
    } else {
        checking::tell(&found, &found.problems);
    }
    Ok(if found.problems.is_empty() {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}

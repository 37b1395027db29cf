//! `verify`: checks the data folder and prints its fingerprint, also beside a running `serve`.

use std::process::ExitCode;

use shell::checking;
use shell::opening::{self, OpeningFault};
use shell::progress::{follow, things};
use shell::verbs::{Failure, Outcome, chain, complain, say};
use store::{Difference, Mode, OpenError, Side, Verify};

use super::VerifyArgs;

pub(super) async fn run(args: VerifyArgs) -> Outcome {
    let store = super::open::beside(&args.data).await?;
    let bar = things();
    let failed = |error: store::StoreError| {
        Failure::new(format!("the data folder cannot be checked: {}", chain(&error)))
    };
    let found = store
        .verify(None, follow(&bar, "documents"))
        .await
        .map_err(failed)?;
    let differences = if args.rebuild {
        bar.reset();
        Some(
            store
                .rebuild(follow(&bar, "derived rows"))
                .await
                .map_err(failed)?,
        )
    } else {
        None
    };
    bar.finish_and_clear();
    drop(store);
    let replaced = match &differences {
        Some(differences) if !differences.is_empty() => replace(&args).await?,
        Some(_) | None => false,
    };
    let problems = problems(&found, differences.as_deref(), replaced);
    if args.json {
        say(&checking::object(&found, &problems).to_string());
    } else {
        checking::tell(&found, &problems);
    }
    Ok(if problems.is_empty() {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}

/// Puts the rebuilt tables in the place of those in use, unless a `serve` runs.
async fn replace(args: &VerifyArgs) -> Result<bool, Failure> {
    let clock = std::sync::Arc::new(crate::clock::SystemClock::start());
    let options = opening::options(Side::Box, clock, Mode::Serve);
    let store = match opening::open(&args.data, options).await {
        Ok(store) => store,
        Err(OpeningFault::Refused {
            why: OpenError::InUse { .. },
            ..
        }) => {
            complain("the derived tables stay as they are while appliance serve is running");
            return Ok(false);
        }
        Err(fault) => return Err(Failure::new(fault.to_string())),
    };
    let replaced = store.replace_derived().await;
    replaced
        .map_err(|error| Failure::new(format!("the derived tables were not replaced: {}", chain(&error))))?;
    Ok(true)
}

fn problems(found: &Verify, differences: Option<&[Difference]>, replaced: bool) -> Vec<String> {
    let after = if replaced { " (replaced)" } else { "" };
    let differing = differences.unwrap_or_default().iter().map(|difference| {
        let place = if difference.only_in_use {
            "only in the table in use"
        } else {
            "missing in the table in use"
        };
        let of = difference
            .document
            .map(|document| format!(" of document {document}"))
            .unwrap_or_default();
        format!("derived table {}: a row{of} is {place}{after}", difference.table)
    });
    found.problems.iter().cloned().chain(differing).collect()
}

//! `verify`: checks the data folder and prints its fingerprint, also beside a running `serve`.

use std::process::ExitCode;

use serde_json::{Value, json};
use store::{Difference, Mode, Store, Verify};

use super::progress::{follow, things};
use super::{Failure, Outcome, VerifyArgs, chain, complain, say};

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
        say(&object(&found, &problems).to_string());
    } else {
        tell(&found, &problems);
    }
    Ok(if problems.is_empty() {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}

/// Puts the rebuilt tables in the place of those in use, unless a `serve` runs.
async fn replace(args: &VerifyArgs) -> Result<bool, Failure> {
    let data = args.data.clone();
    let clock = std::sync::Arc::new(crate::clock::SystemClock::start());
    let options = super::open_options(clock, Mode::Serve);
    let opened = tokio::task::spawn_blocking(move || Store::open(&data, options)).await;
    let store = match opened {
        Ok(Ok(store)) => store,
        Ok(Err(store::OpenError::InUse { .. })) => {
            complain("the derived tables stay as they are while appliance serve is running");
            return Ok(false);
        }
        Ok(Err(error)) => return Err(Failure::new(super::open_sentence(&args.data, &error))),
        Err(_) => return Err(Failure::new("opening the data folder ended unexpectedly")),
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

fn object(found: &Verify, problems: &[String]) -> Value {
    let mut object = json!({
        "patients": found.patients,
        "encounters": found.encounters,
        "observations": found.observations,
        "changes": found.changes,
        "fingerprint": found.fingerprint.to_string(),
        "problems": problems,
    });
    if !problems.is_empty() {
        object["error"] = json!(format!("{} problems found", problems.len()));
    }
    object
}

fn tell(found: &Verify, problems: &[String]) {
    say(&format!("patients      {}", found.patients));
    say(&format!("encounters    {}", found.encounters));
    say(&format!("observations  {}", found.observations));
    say(&format!("changes       {}", found.changes));
    say(&format!("fingerprint   {}", found.fingerprint));
    for problem in problems {
        say(&format!("problem       {problem}"));
    }
    if problems.is_empty() {
        say("no problems");
    }
}

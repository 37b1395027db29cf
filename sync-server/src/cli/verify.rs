//! `verify`: checks the data folder and prints its fingerprint, or that of what one clinic holds; also beside a
//! running `serve`.

use std::process::ExitCode;

use indicatif::{ProgressBar, ProgressStyle};
use serde_json::{Value, json};
use store::{Progress, Verify};

use super::open::beside;
use super::{Failure, Outcome, VerifyArgs, chain, say};
use crate::clinics;

/// On a terminal a bar with rate and remaining time, elsewhere nothing.
const BAR: &str = "{bar:40} {pos}/{len} documents  {per_sec}  {eta} left";

pub(super) async fn run(args: VerifyArgs) -> Outcome {
    let store = beside(&args.data).await?;
    if let Some(code) = &args.clinic {
        let known = clinics::find(&store, code).await;
        known.map_err(|error| Failure::new(chain(&error)))?;
    }
    let bar = bar();
    let found = store.verify(args.clinic, follow(&bar)).await;
    bar.finish_and_clear();
    let found = found
        .map_err(|error| Failure::new(format!("the data folder cannot be checked: {}", chain(&error))))?;
    if args.json {
        say(&object(&found).to_string());
    } else {
        tell(&found);
    }
    let whole = found.problems.is_empty();
    Ok(if whole {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}

fn bar() -> ProgressBar {
    let bar = ProgressBar::new(0);
    match ProgressStyle::with_template(BAR) {
        Ok(style) => bar.with_style(style),
        Err(_) => bar,
    }
}

fn follow(bar: &ProgressBar) -> Progress {
    let bar = bar.clone();
    Box::new(move |done, total| {
        bar.set_length(total);
        bar.set_position(done);
    })
}

fn object(found: &Verify) -> Value {
    let mut object = json!({
        "patients": found.patients,
        "encounters": found.encounters,
        "observations": found.observations,
        "changes": found.changes,
        "fingerprint": found.fingerprint.to_string(),
        "problems": found.problems,
    });
    if !found.problems.is_empty() {
        object["error"] = json!(format!("{} problems found", found.problems.len()));
    }
    object
}

fn tell(found: &Verify) {
    say(&format!("patients      {}", found.patients));
    say(&format!("encounters    {}", found.encounters));
    say(&format!("observations  {}", found.observations));
    say(&format!("changes       {}", found.changes));
    say(&format!("fingerprint   {}", found.fingerprint));
    for problem in &found.problems {
        say(&format!("problem       {problem}"));
    }
    if found.problems.is_empty() {
        say("no problems");
    }
}

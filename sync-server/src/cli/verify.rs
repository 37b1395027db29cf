//! `verify`: checks the data folder and prints its fingerprint, or that of what one clinic holds; also beside a
//! running `serve`.

use std::process::ExitCode;

use shell::checking;
use shell::progress::{follow, things};
use shell::verbs::{Failure, Outcome, chain, say};

use super::AboutArgs;
use super::open::about;

pub(super) async fn run(args: AboutArgs) -> Outcome {
    let store = about(&args).await?;
    let bar = things();
    let found = store.verify(args.clinic, follow(&bar, "documents")).await;
    bar.finish_and_clear();
    let found = found
        .map_err(|error| Failure::new(format!("the data folder cannot be checked: {}", chain(&error))))?;
    if args.json {
        say(&checking::object(&found, &found.problems).to_string());
    } else {
        checking::tell(&found, &found.problems);
    }
    let whole = found.problems.is_empty();
    Ok(if whole {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}

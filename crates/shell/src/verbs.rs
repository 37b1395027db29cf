//! How a verb of a command line ends: exit code 0 success, 1 failure, 2 usage. With `--json` the last line of stdout
//! is one object, also when the verb fails.

use std::io::Write as _;
use std::process::ExitCode;

use serde_json::{Map, Value};

/// Why a verb failed, in words for the person or script that called it.
#[derive(Debug)]
pub struct Failure {
    /// One clear sentence.
    pub sentence: String,
    /// What the verb counted before it failed; printed with `error` under `--json`.
    pub partial: Map<String, Value>,
}

impl Failure {
    /// A failure with nothing but its sentence.
    pub fn new(sentence: impl Into<String>) -> Self {
        Self {
            sentence: sentence.into(),
            partial: Map::new(),
        }
    }

    /// A failure whose sentence ends in the whole chain of causes.
    pub fn of(doing: &str, error: &(dyn std::error::Error + 'static)) -> Self {
        Self::new(format!("{doing}: {}", chain(error)))
    }
}

/// An error and its causes as one text, without saying the same twice.
pub fn chain(error: &(dyn std::error::Error + 'static)) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(next) = cause {
        let words = next.to_string();
        if !text.contains(&words) {
            text = format!("{text}: {words}");
        }
        cause = next.source();
    }
    text
}

/// Result of a verb: its exit code where it went to its end.
pub type Outcome = Result<ExitCode, Failure>;

/// Tells how a verb ended; a failure also as an object where `json` was asked for.
pub fn finish(outcome: Outcome, json: bool) -> ExitCode {
    let failure = match outcome {
        Ok(code) => return code,
        Err(failure) => failure,
    };
    complain(&format!("error: {}", failure.sentence));
    if json {
        let mut object = failure.partial;
        object.insert("error".to_owned(), Value::String(failure.sentence));
        say(&Value::Object(object).to_string());
    }
    ExitCode::FAILURE
}

/// Runs a verb to its end on a runtime of its own. Without a number of worker threads it has one a core.
///
/// # Errors
///
/// What the verb answers, or that no runtime can be started.
pub fn on_runtime(workers: Option<usize>, verb: impl Future<Output = Outcome>) -> Outcome {
    let mut builder = tokio::runtime::Builder::new_multi_thread();
    if let Some(workers) = workers {
        builder.worker_threads(workers);
    }
    let runtime = builder.enable_all().build();
    runtime
        .map_err(|error| Failure::of("cannot start", &error))?
        .block_on(verb)
}

/// Prints one line on stdout. A closed pipe is the reader's choice and no failure of the verb.
pub fn say(line: &str) {
    let mut out = std::io::stdout().lock();
    let _closed_pipe = writeln!(out, "{line}").and_then(|()| out.flush());
}

/// Prints one line on stderr.
pub fn complain(line: &str) {
    let _closed_pipe = writeln!(std::io::stderr().lock(), "{line}");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, thiserror::Error)]
    #[error("{0}")]
    struct Layer(&'static str, #[source] Option<Box<Layer>>);

    #[test]
    fn a_chain_says_each_cause_once() {
        let inner = Layer("no such file", None);
        let middle = Layer("cannot read: no such file", Some(Box::new(inner)));
        let outer = Layer("settings", Some(Box::new(middle)));
        assert_eq!(
            Failure::of("starting", &outer).sentence,
            "starting: settings: cannot read: no such file"
        );
    }
}

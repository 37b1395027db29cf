//! How the verb `verify` tells what it found: as lines, or as the object of `--json`.

use serde_json::{Value, json};
use store::Verify;

use crate::verbs::say;

/// The findings as the one object of `--json`.
pub fn object(found: &Verify, problems: &[String]) -> Value {
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

/// Prints the findings, one a line.
pub fn tell(found: &Verify, problems: &[String]) {
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

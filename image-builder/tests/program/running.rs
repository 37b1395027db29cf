//! Runs the program.

use std::path::Path;
use std::process::Command;

use serde_json::Value;

/// Everything that a run wrote.
#[derive(Debug)]
pub(crate) struct Ran {
    /// Whether it ended with exit code 0.
    pub(crate) is_well: bool,
    /// Its object, the last line of standard output.
    pub(crate) object: Value,
    /// Standard output.
    pub(crate) stdout: String,
    /// Standard error.
    pub(crate) stderr: String,
}

impl Ran {
    /// The sentence of a run that failed.
    pub(crate) fn error(&self) -> &str {
        assert!(!self.is_well, "{self:?}");
        self.object["error"].as_str().unwrap_or_default()
    }

    /// What stood on the terminal.
    pub(crate) fn all(&self) -> String {
        format!("{}{}", self.stdout, self.stderr)
    }
}

/// Runs the program with `--json` in the folder.
pub(crate) fn run(folder: &Path, arguments: &[&str]) -> Ran {
    let output = Command::new(env!("CARGO_BIN_EXE_image-builder"))
        .current_dir(folder)
        .args(arguments)
        .arg("--json")
        .output()
        .unwrap();
    let stdout = String::from_utf8(output.stdout).unwrap();
    let last = stdout.lines().last();
    Ran {
        is_well: output.status.success(),
        object: last.map_or(Value::Null, |line| serde_json::from_str(line).unwrap()),
        stdout,
        stderr: String::from_utf8(output.stderr).unwrap(),
    }
}

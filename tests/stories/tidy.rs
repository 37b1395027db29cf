//! House rules that a compiler does not know, read off the files of the workspace.

use std::path::{Path, PathBuf};
use std::process::Command;

/// Longest source file in lines; what grows beyond it is cut by domain.
const LINES_MAX: usize = 700;
/// Largest file that belongs into the repository, in bytes.
const FILE_BYTES_MAX: u64 = 1_500_000;

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().to_owned()
}

/// The files that git tracks, or all but the ignored ones in a checkout without commits.
fn files(ending: &str) -> Vec<PathBuf> {
    let listing = Command::new("git")
        .args(["ls-files", "-co", "--exclude-standard"])
        .current_dir(root())
        .output();
    let listing = String::from_utf8(listing.unwrap().stdout).unwrap();
    let found: Vec<PathBuf> = listing
        .lines()
        .filter(|line| line.ends_with(ending))
        .map(|line| root().join(line))
        .collect();
    found.into_iter().filter(|path| path.is_file()).collect()
}

fn sources() -> Vec<(String, String)> {
    let read = |path: PathBuf| {
        (
            path.display().to_string(),
            std::fs::read_to_string(&path).unwrap(),
        )
    };
    let sources: Vec<_> = files(".rs").into_iter().map(read).collect();
    assert!(sources.len() > 50, "the sources were not found");
    sources
}

#[test]
fn every_source_file_has_a_head_and_a_bounded_length() {
    let mut faults = Vec::new();
    for (path, text) in sources() {
        if !text.starts_with("//!") {
            faults.push(format!("{path} does not say what it is for"));
        }
        let lines = text.lines().count();
        if lines > LINES_MAX {
            faults.push(format!("{path} has {lines} lines"));
        }
    }
    assert!(faults.is_empty(), "{faults:#?}");
}

#[test]
fn nothing_is_left_unfinished() {
    // Spelt so that this file does not find itself.
    let marks = ["TO", "FIX", "unimple"].into_iter().zip(["DO", "ME", "mented!("]);
    let marks: Vec<String> = marks
        .map(|(start, end)| format!("{start}{end}"))
        .chain(["todo".to_owned() + "!(", "#[ign".to_owned() + "ore"])
        .collect();
    let mut faults = Vec::new();
    for (path, text) in sources() {
        faults.extend(
            marks
                .iter()
                .filter(|mark| text.contains(*mark))
                .map(|mark| format!("{path}: {mark}")),
        );
    }
    assert!(faults.is_empty(), "{faults:#?}");
}

#[test]
fn each_direct_dependency_says_why_it_is_there() {
    let mut faults = Vec::new();
    for path in files("Cargo.toml") {
        let text = std::fs::read_to_string(&path).unwrap();
        let mut in_dependencies = false;
        let mut explained = false;
        for line in text.lines() {
            if line.starts_with('[') {
                in_dependencies = line.contains("dependencies") && !line.contains("workspace.");
                explained = false;
            } else if line.starts_with('#') {
                explained = true;
            } else if line.is_empty() {
                explained = false;
            } else if in_dependencies {
                let name = line.split(['.', ' ', '=']).next().unwrap_or_default();
                if !explained && !OURS.contains(&name) && !PLAIN.contains(&name) {
                    faults.push(format!("{}: {name}", path.display()));
                }
            }
        }
    }
    assert!(faults.is_empty(), "{faults:#?}");
}

/// Crates of this workspace.
const OURS: [&str; 13] = [
    "card",
    "machine",
    "records",
    "ecg",
    "sync-core",
    "store",
    "link",
    "web",
    "shell",
    "device-drivers",
    "appliance",
    "sync-server",
    "demo",
];

/// Libraries whose purpose their name tells everybody who writes Rust.
const PLAIN: [&str; 16] = [
    "anyhow",
    "axum",
    "clap",
    "hex",
    "maud",
    "proptest",
    "rand",
    "serde",
    "serde_json",
    "tempfile",
    "thiserror",
    "tokio",
    "tower",
    "tracing",
    "tracing-subscriber",
    "futures-util",
];

#[test]
fn no_file_is_too_large_for_the_repository() {
    let large: Vec<PathBuf> = files("")
        .into_iter()
        .filter(|path| path.metadata().unwrap().len() > FILE_BYTES_MAX)
        .collect();
    assert!(large.is_empty(), "{large:?}");
}

/// The table of field traps names tests: each must be there under that name.
#[test]
fn every_test_that_the_traps_name_is_there() {
    let table = std::fs::read_to_string(root().join("docs/traps.md")).unwrap();
    let text: String = sources().into_iter().map(|(_, text)| text).collect();
    // Every second piece stands between backticks; a path of modules ends in the test's name.
    let named = table
        .split('`')
        .skip(1)
        .step_by(2)
        .filter_map(|code| code.rsplit("::").next());
    let tests: Vec<&str> = named.filter(|name| name.matches('_').count() > 2).collect();
    assert!(tests.len() > 60, "{} tests are named", tests.len());
    let lost: Vec<&str> = tests
        .into_iter()
        .filter(|name| !text.contains(&format!("fn {name}(")))
        .collect();
    assert!(lost.is_empty(), "{lost:#?}");
}

/// Licences under which a dependency may come: each lets an Apache-2.0 program carry it.
const LICENCES: [&str; 15] = [
    "0BSD",
    "Apache-2.0",
    "Apache-2.0 WITH LLVM-exception",
    "BSD-2-Clause",
    "BSD-3-Clause",
    "BSL-1.0",
    "CC0-1.0",
    "CDLA-Permissive-2.0",
    "ISC",
    "MIT",
    "MIT-0",
    "MPL-2.0",
    "Unicode-3.0",
    "Unlicense",
    "Zlib",
];

#[test]
fn every_dependency_comes_under_a_licence_that_we_may_carry() {
    let metadata = cargo_metadata::MetadataCommand::new().exec().unwrap();
    let mut faults = Vec::new();
    for package in &metadata.packages {
        let Some(licence) = &package.license else {
            if package.license_file.is_none() {
                faults.push(format!("{} names no licence", package.name));
            }
            continue;
        };
        // Of alternatives one must do; of a conjunction each part must.
        let alternatives = licence.replace('/', " OR ");
        let fits = alternatives.split(" OR ").any(|alternative| {
            let parts = alternative
                .split(" AND ")
                .map(|part| part.trim_matches(['(', ')', ' ']));
            let mut parts = parts.peekable();
            parts.peek().is_some() && parts.all(|part| LICENCES.contains(&part))
        });
        if !fits {
            faults.push(format!("{}: {licence}", package.name));
        }
    }
    assert!(faults.is_empty(), "{faults:#?}");
}

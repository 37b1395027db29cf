//! Replays what is kept of each target, and inputs made from it.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking, in its helpers too")]

use std::fs;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};

use decoders::{Mutations, TARGETS, corpus_of, run};

/// Changed inputs of each target; `CLINIC_MUTATIONS` asks for more.
const MUTATIONS: usize = 400;

fn inputs(name: &str) -> Vec<(PathBuf, Vec<u8>)> {
    let folder = corpus_of(name);
    let entries = fs::read_dir(&folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display()));
    let mut paths: Vec<PathBuf> = entries.map(|entry| entry.unwrap().path()).collect();
    paths.sort();
    assert!(!paths.is_empty(), "no corpus for {name}");
    paths
        .into_iter()
        .map(|path| (path.clone(), fs::read(path).unwrap()))
        .collect()
}

fn replay(names: &[&str]) {
    let asked = std::env::var("CLINIC_MUTATIONS").ok();
    let count = asked.map_or(MUTATIONS, |asked| asked.parse().unwrap());
    for name in names {
        let inputs = inputs(name);
        for (path, bytes) in &inputs {
            let held = catch_unwind(|| run(name, bytes));
            assert!(held.is_ok(), "{name}: {}", path.display());
        }
        let mut mutations = Mutations::new(1);
        for n in 0..count {
            let input = &inputs[n % inputs.len()].1;
            let other = &inputs[mutations.below(inputs.len())].1;
            let bytes = mutations.mutate(input, other);
            let held = catch_unwind(AssertUnwindSafe(|| run(name, &bytes)));
            assert!(held.is_ok(), "{name}: mutation {n}: {}", hex::encode(&bytes));
        }
    }
}

/// Targets in the crates that read the exchange, and all others: two tests run side by side.
fn names(of_exchange: bool) -> Vec<&'static str> {
    let names = TARGETS.iter().map(|target| target.name);
    names
        .filter(|name| name.starts_with("sync_") == of_exchange)
        .collect()
}

#[test]
fn what_reads_the_exchange_takes_or_refuses_every_input() {
    replay(&names(true));
}

#[test]
fn every_other_decoder_takes_or_refuses_every_input() {
    replay(&names(false));
}

fn sources(folder: &Path, into: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        if path.is_dir() && !["target", "node_modules", ".git"].contains(&name.as_str()) {
            sources(&path, into);
        } else if name.ends_with(".rs") {
            into.push(path);
        }
    }
}

#[test]
fn every_function_for_fuzzing_is_a_target_with_a_program() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let mut files = Vec::new();
    sources(&root, &mut files);
    let declared = format!("pub fn fuzz_one{}", '(');
    let found = files
        .iter()
        .filter(|path| fs::read_to_string(path).unwrap().contains(&declared));
    // `hub_address`, `resident_list` and `roster` call a public reader itself.
    assert_eq!(
        found.count() + 3,
        TARGETS.len(),
        "a function fuzz_one that no target calls"
    );
    let manifest = fs::read_to_string(root.join("tests/fuzz/Cargo.toml")).unwrap();
    for target in TARGETS {
        assert!(
            manifest.contains(&format!("\"targets/{}.rs\"", target.name)),
            "{}",
            target.name
        );
    }
    let kept = fs::read_dir(root.join("tests/fuzz/corpus")).unwrap().count();
    assert_eq!(kept, TARGETS.len(), "a corpus without a target");
}

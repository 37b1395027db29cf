//! The list of an image's parts as SPDX 2.3: its packages by the lock file, the crates of the box's program by its own
//! lock file.

use serde::Deserialize;
use serde_json::{Value, json};

use crate::packages::lock::Lock;

#[derive(Deserialize)]
struct CargoLock {
    #[serde(default)]
    package: Vec<Crate>,
}

#[derive(Deserialize)]
struct Crate {
    name: String,
    version: String,
    source: Option<String>,
    checksum: Option<String>,
}

/// A word that SPDX takes in an identifier.
fn word(text: &str) -> String {
    text.chars()
        .map(|letter| {
            if letter.is_ascii_alphanumeric() || letter == '.' {
                letter
            } else {
                '-'
            }
        })
        .collect()
}

/// The document. `image_hash` names it, `crates` is the text of a `Cargo.lock`.
///
/// # Errors
/// In words, where `crates` is none.
pub fn spdx(lock: &Lock, image_hash: &str, crates: Option<&str>) -> Result<String, String> {
    let crates: CargoLock =
        toml::from_str(crates.unwrap_or_default()).map_err(|error| error.message().to_owned())?;
    let mut packages: Vec<Value> = Vec::new();
    for package in &lock.packages {
        let (name, version) = (&package.name, &package.version);
        packages.push(entry(
            &format!("deb-{}", word(name)),
            (name, version),
            Some(&package.sha256),
            &format!("pkg:deb/debian/{name}@{version}?arch={}", lock.architecture),
        ));
    }
    for package in crates.package.iter().filter(|package| package.source.is_some()) {
        let (name, version) = (&package.name, &package.version);
        packages.push(entry(
            &format!("crate-{}-{}", word(name), word(version)),
            (name, version),
            package.checksum.as_deref(),
            &format!("pkg:cargo/{name}@{version}"),
        ));
    }
    let relations: Vec<Value> = packages
        .iter()
        .map(|package| {
            json!({
                "spdxElementId": "SPDXRef-DOCUMENT",
                "relationshipType": "DESCRIBES",
                "relatedSpdxElement": package["SPDXID"],
            })
        })
        .collect();
    let document = json!({
        "spdxVersion": "SPDX-2.3",
        "dataLicense": "CC0-1.0",
        "SPDXID": "SPDXRef-DOCUMENT",
        "name": lock.manifest,
        // A name, not an address: the image's hash makes it one of its kind.
        "documentNamespace": format!("urn:clinic-box:image:{image_hash}"),
        "creationInfo": { "created": "2026-01-01T00:00:00Z", "creators": ["Tool: image-builder"] },
        "packages": packages,
        "relationships": relations,
    });
    Ok(format!("{document:#}\n"))
}

/// One package of the list. `locator` is its package URL.
fn entry(id: &str, (name, version): (&str, &str), sha256: Option<&str>, locator: &str) -> Value {
    let checksums: Vec<Value> = sha256
        .iter()
        .map(|sum| json!({ "algorithm": "SHA256", "checksumValue": sum }))
        .collect();
    json!({
        "SPDXID": format!("SPDXRef-{id}"),
        "name": name,
        "versionInfo": version,
        "downloadLocation": "NOASSERTION",
        "filesAnalyzed": false,
        "licenseConcluded": "NOASSERTION",
        "licenseDeclared": "NOASSERTION",
        "copyrightText": "NOASSERTION",
        "checksums": checksums,
        "externalRefs": [{
            "referenceCategory": "PACKAGE-MANAGER",
            "referenceType": "purl",
            "referenceLocator": locator,
        }],
    })
}

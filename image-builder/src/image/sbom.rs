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
        packages.push(json!({
            "SPDXID": format!("SPDXRef-deb-{}", word(&package.name)),
            "name": package.name,
            "versionInfo": package.version,
            "downloadLocation": "NOASSERTION",
            "filesAnalyzed": false,
            "licenseConcluded": "NOASSERTION",
            "licenseDeclared": "NOASSERTION",
            "copyrightText": "NOASSERTION",
            "checksums": [{ "algorithm": "SHA256", "checksumValue": package.sha256 }],
            "externalRefs": [{
                "referenceCategory": "PACKAGE-MANAGER",
                "referenceType": "purl",
                "referenceLocator": format!("pkg:deb/debian/{}@{}?arch={}", package.name, package.version, lock.architecture),
            }],
        }));
    }
    for package in crates.package.iter().filter(|package| package.source.is_some()) {
        let checksums: Vec<Value> = package
            .checksum
            .iter()
            .map(|sum| json!({ "algorithm": "SHA256", "checksumValue": sum }))
            .collect();
        packages.push(json!({
            "SPDXID": format!("SPDXRef-crate-{}-{}", word(&package.name), word(&package.version)),
            "name": package.name,
            "versionInfo": package.version,
            "downloadLocation": "NOASSERTION",
            "filesAnalyzed": false,
            "licenseConcluded": "NOASSERTION",
            "licenseDeclared": "NOASSERTION",
            "copyrightText": "NOASSERTION",
            "checksums": checksums,
            "externalRefs": [{
                "referenceCategory": "PACKAGE-MANAGER",
                "referenceType": "purl",
                "referenceLocator": format!("pkg:cargo/{}@{}", package.name, package.version),
            }],
        }));
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

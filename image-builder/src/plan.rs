//! The plan: what `build` would do, as text that a person reads before it is done and that tests compare.

use std::fmt::Write;

use crate::manifest::Manifest;
use crate::packages::lock::Lock;
use crate::size::Size;

/// Digits of a hash that a plan shows.
const HASH_DIGITS: usize = 12;

/// The plan of an image.
pub fn plan(manifest: &Manifest, lock: &Lock) -> String {
    let mut text = String::new();
    let mut line = |line: String| {
        let _ = writeln!(text, "{}", line.trim_end());
    };
    line(format!("image {} for {}", manifest.name, manifest.architecture));
    line(format!("suites {}", manifest.all_suites().join(", ")));
    line(String::new());
    let size = |mib: Option<u32>| mib.map_or("default".to_owned(), |mib| format!("{mib} MiB"));
    line("card".to_owned());
    line(format!("  select  {}", size(manifest.card.select_mib)));
    line(format!(
        "  boot    {} each, two slots",
        size(manifest.card.boot_mib)
    ));
    line(format!(
        "  root    {} each, two slots",
        size(manifest.card.root_mib)
    ));
    line(format!(
        "  data    {}, grows at the first start",
        size(manifest.card.data_mib)
    ));
    line(String::new());
    line(format!(
        "packages: {}, {} to fetch",
        lock.packages.len(),
        Size(lock.bytes())
    ));
    let width =
        |of: fn(&crate::packages::lock::Locked) -> usize| lock.packages.iter().map(of).max().unwrap_or(0);
    let (names, versions, suites) = (
        width(|package| package.name.len()),
        width(|package| package.version.len()),
        width(|package| package.suite.len()),
    );
    for package in &lock.packages {
        line(format!(
            "  {:names$}  {:versions$}  {:suites$}  {:>9}  {}  {}",
            package.name,
            package.version,
            package.suite,
            Size(package.size).to_string(),
            &package.sha256[..HASH_DIGITS.min(package.sha256.len())],
            package.why,
        ));
    }
    if !manifest.leave_out.is_empty() {
        line(String::new());
        line("left out".to_owned());
        for (name, reason) in &manifest.leave_out {
            line(format!("  {name}: {reason}"));
        }
    }
    line(String::new());
    line(format!("modules at the start: {}", list(&manifest.modules.first)));
    line(format!("modules of the root: {}", list(&manifest.modules.root)));
    line(format!("units switched on: {}", list(&manifest.units.enable)));
    line(format!("units that never start: {}", list(&manifest.units.mask)));
    text
}

fn list(words: &[String]) -> String {
    if words.is_empty() {
        "none".to_owned()
    } else {
        words.join(", ")
    }
}

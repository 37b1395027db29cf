//! Searches what programs left behind for what must not stand there.

use std::path::Path;

/// The texts of `forbidden` that stand in a file of `folder`, with the file's name.
pub fn leaks(folder: &Path, forbidden: &[&str]) -> Vec<String> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let content = String::from_utf8_lossy(&std::fs::read(&path).unwrap()).into_owned();
        let here = forbidden.iter().filter(|text| content.contains(**text));
        found.extend(here.map(|text| format!("{}: {text}", path.display())));
    }
    found
}

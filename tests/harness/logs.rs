//! Searches what programs left behind for what must not stand there.

use std::path::Path;

use crate::plain_browser::percent_encoded;
use crate::programs::Said;

/// The texts of `forbidden` that stand in a file of `folder`, as they are or written as addresses and debug forms
/// write them, with the file's name.
pub fn leaks(folder: &Path, forbidden: &[&str]) -> Vec<String> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let content = String::from_utf8_lossy(&std::fs::read(&path).unwrap()).to_lowercase();
        for text in forbidden {
            let here = spellings(text).into_iter().find(|spelt| content.contains(spelt));
            found.extend(here.map(|spelt| format!("{}: {text} as {spelt}", path.display())));
        }
    }
    found
}

/// A text in lower case: plain, in an address, as bytes of a debug form, as numbers, with JSON's escapes.
fn spellings(text: &str) -> Vec<String> {
    let each = |write: fn(u8) -> String, between: &str| {
        let parts: Vec<String> = text.bytes().map(write).collect();
        parts.join(between)
    };
    let bytes = each(
        |byte| match byte {
            b' '..=b'~' => char::from(byte).to_string(),
            other => format!("\\x{other:02x}"),
        },
        "",
    );
    let units: String = text.encode_utf16().map(|unit| format!("\\u{unit:04x}")).collect();
    let spelt = [
        text.to_owned(),
        percent_encoded(text),
        bytes.replace('\\', "\\\\"),
        bytes,
        each(|byte| byte.to_string(), ", "),
        each(|byte| format!("{byte:02x}"), ""),
        units,
    ];
    spelt.into_iter().map(|one| one.to_lowercase()).collect()
}

/// Keeps what a verb wrote to standard error as a log in `folder`.
pub fn keep(folder: &Path, name: &str, said: &Said) {
    std::fs::write(folder.join(format!("{name}.err")), &said.err).unwrap();
}

//! Looks over a finished root for what would only show on a box.

use std::collections::BTreeSet;

use object::Endianness;
use object::elf::{DT_NEEDED, EM_AARCH64, ET_DYN, ET_EXEC, FileHeader64};
use object::read::elf::{Dyn, FileHeader};

use crate::image::accounts::Accounts;
use crate::image::tree::{Kind, SET_ID, Tree};
use crate::image::units;
use crate::manifest::Manifest;

/// Longest file that is searched for keys, in bytes.
const SEARCHED_MAX: usize = 1 << 20;

/// All findings, one sentence each; none for a root that is well.
pub fn lint(root: &Tree, accounts: &Accounts, manifest: &Manifest) -> Vec<String> {
    let mut findings = Vec::new();
    libraries(root, &mut findings);
    started_units(root, accounts, &mut findings);
    for (path, node) in root.iter() {
        if let Kind::File(bytes) = &node.kind {
            if node.mode & SET_ID != 0 && !manifest.setuid.iter().any(|known| known == path) {
                findings.push(format!(
                    "/{path} runs with another user's rights and is not listed"
                ));
            }
            if bytes.len() <= SEARCHED_MAX && holds_key(bytes) {
                findings.push(format!("/{path} holds a private key"));
            }
        }
        if node.mode & 0o002 != 0 && node.mode & 0o1000 == 0 && !matches!(node.kind, Kind::Link(_)) {
            findings.push(format!("/{path} can be written by anyone"));
        }
    }
    findings
}

/// Whether a key in PEM stands here: the frame's line and something in it. A program that only knows the frame is none.
fn holds_key(bytes: &[u8]) -> bool {
    const BEGIN: &[u8] = b"-----BEGIN ";
    let mut begins = bytes
        .windows(BEGIN.len())
        .enumerate()
        .filter(|(_, window)| *window == BEGIN)
        .map(|(at, _)| at);
    begins.any(|at| {
        let line = bytes[at..]
            .split(|byte| *byte == b'\n')
            .next()
            .unwrap_or_default();
        let after = bytes
            .get(at + line.len() + 1..at + line.len() + 33)
            .unwrap_or_default();
        let is_text = after.len() == 32
            && after
                .iter()
                .all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'/'));
        line.ends_with(b"PRIVATE KEY-----") && is_text
    })
}

/// Every library that a program names is there, and every program is for the image's processor.
fn libraries(root: &Tree, findings: &mut Vec<String>) {
    let names: BTreeSet<&str> = root
        .iter()
        .filter(|(path, _)| path.starts_with("usr/lib/"))
        .filter(|(path, _)| root.resolve(path).is_some())
        .filter_map(|(path, _)| path.rsplit('/').next())
        .collect();
    for (path, node) in root.iter() {
        let Kind::File(bytes) = &node.kind else {
            continue;
        };
        if !bytes.starts_with(b"\x7fELF") || path.ends_with(".ko") || path.ends_with(".o") {
            continue;
        }
        match needed(bytes) {
            None => findings.push(format!("/{path} is no program for this processor")),
            Some(wanted) => {
                for name in wanted.iter().filter(|name| !names.contains(name.as_str())) {
                    findings.push(format!("/{path} needs {name}, which is not there"));
                }
            }
        }
    }
}

/// The libraries that a program for arm64 names; `None` for one of another processor.
fn needed(bytes: &[u8]) -> Option<Vec<String>> {
    let header = FileHeader64::<Endianness>::parse(bytes).ok()?;
    let endian = header.endian().ok()?;
    let kind = header.e_type(endian);
    if header.e_machine(endian) != EM_AARCH64 || !matches!(kind, ET_DYN | ET_EXEC) {
        return None;
    }
    let sections = header.sections(endian, bytes).ok()?;
    let Some((dynamic, link)) = sections.dynamic(endian, bytes).ok()? else {
        return Some(Vec::new());
    };
    let strings = sections.strings(endian, bytes, link).ok()?;
    let names = dynamic
        .iter()
        .filter(|entry| entry.tag32(endian) == Some(DT_NEEDED))
        .filter_map(|entry| entry.string(endian, strings).ok())
        .map(|name| String::from_utf8_lossy(name).into_owned());
    Some(names.collect())
}

/// The programs and accounts of units that are switched on are there.
fn started_units(root: &Tree, accounts: &Accounts, findings: &mut Vec<String>) {
    let started: BTreeSet<&str> = root
        .iter()
        .filter(|(path, _)| path.contains(".wants/") || path.contains(".requires/"))
        .filter_map(|(path, _)| path.rsplit('/').next())
        .collect();
    for unit in started {
        let mask = format!("etc/systemd/system/{unit}");
        let is_masked =
            matches!(root.get(&mask).map(|node| &node.kind), Some(Kind::Link(to)) if to == "/dev/null");
        if is_masked {
            continue;
        }
        let Some((_, text)) = units::text(root, unit) else {
            findings.push(format!("the unit {unit} is switched on and not there"));
            continue;
        };
        for key in ["ExecStartPre", "ExecStart"] {
            let Some(program) = units::words(&text, "Service", key).into_iter().next() else {
                continue;
            };
            let program = program.trim_start_matches(['-', '@', ':', '+', '!']);
            if program.starts_with('/') && root.resolve(program).is_none() {
                findings.push(format!("the unit {unit} starts {program}, which is not there"));
            }
        }
        let account = |key: &str| units::words(&text, "Service", key).into_iter().next();
        if let Some(user) = account("User").filter(|user| !accounts.has_user(user) && !user.contains('%')) {
            let is_dynamic = account("DynamicUser").is_some_and(|word| word == "yes");
            if !is_dynamic {
                findings.push(format!("the unit {unit} runs as {user}, who is not there"));
            }
        }
        for group in units::words(&text, "Service", "SupplementaryGroups") {
            if !accounts.has_group(&group) {
                findings.push(format!("the unit {unit} belongs to {group}, which is not there"));
            }
        }
    }
}

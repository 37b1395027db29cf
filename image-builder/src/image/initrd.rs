//! The archive that the kernel unpacks before there is a root: the first program and the modules it loads.

use crate::image::tree::{Kind, Tree};

/// The end of an archive.
const END: &str = "TRAILER!!!";

/// An archive of a tree in the kernel's form (`newc` of cpio), uncompressed: an update then carries only what changed.
pub fn archive(tree: &Tree) -> Vec<u8> {
    let mut out = Vec::new();
    for (number, (path, node)) in tree.iter().enumerate() {
        let (kind, content): (u32, &[u8]) = match &node.kind {
            Kind::Folder => (0o040_000, &[]),
            Kind::File(bytes) => (0o100_000, bytes),
            Kind::Link(target) => (0o120_000, target.as_bytes()),
        };
        let mode = kind | u32::from(node.mode);
        entry(&mut out, number as u32 + 1, mode, path, content);
    }
    entry(&mut out, 0, 0, END, &[]);
    out.resize(out.len().next_multiple_of(512), 0);
    out
}

fn entry(out: &mut Vec<u8>, number: u32, mode: u32, path: &str, content: &[u8]) {
    let links = if mode & 0o040_000 == 0 { 1 } else { 2 };
    let fields = [
        number,
        mode,
        0,
        0,
        links,
        0,
        content.len() as u32,
        0,
        0,
        0,
        0,
        path.len() as u32 + 1,
        0,
    ];
    out.extend_from_slice(b"070701");
    for field in fields {
        out.extend_from_slice(format!("{field:08X}").as_bytes());
    }
    out.extend_from_slice(path.as_bytes());
    out.push(0);
    out.resize(out.len().next_multiple_of(4), 0);
    out.extend_from_slice(content);
    out.resize(out.len().next_multiple_of(4), 0);
}

//! A tree as a read-only ext4 file system: the same tree gives the same bytes.

use std::collections::HashMap;

use card::BLOCK;
use mkext4::sink::VecSink;
use mkext4::{FsBuilder, InodeCount, Meta, Options, ROOT};

use crate::image::tree::{Kind, Node, Tree};
use crate::image::{BuildError, STAMP};

/// Number of the file system, the same in all releases.
const UUID: [u8; 16] = *b"clinic-box-root1";
/// The smallest journal that the format knows, in blocks; nothing is ever written to it.
const JOURNAL: u32 = 1024;
/// What a group of blocks takes for itself: two maps and a table, rounded up.
const OVERHEAD: u64 = 64;

/// The file system, just large enough.
///
/// # Errors
/// Where a name or a size cannot be in one.
pub fn image(tree: &Tree) -> Result<Vec<u8>, BuildError> {
    let blocks: u64 = tree
        .iter()
        .map(|(_, node)| match &node.kind {
            Kind::File(bytes) => (bytes.len() as u64).div_ceil(BLOCK),
            Kind::Folder => 1,
            Kind::Link(_) => 0,
        })
        .sum();
    let inodes = tree.iter().count() as u64 + 64;
    let inode_blocks = (inodes * 256).div_ceil(BLOCK);
    // A group holds 32,768 blocks.
    let groups = blocks / 32_768 + 1;
    let total = blocks + inode_blocks + u64::from(JOURNAL) + groups * OVERHEAD + 1024;
    // The format gives a journal a quarter at most.
    let total = total.max(u64::from(JOURNAL) * 4 + 256);
    let wrong = |error: mkext4::Error| BuildError::Other(format!("the root cannot be made: {error}"));
    let mut options = Options::new(total.next_multiple_of(256) * BLOCK, UUID, STAMP);
    options.inodes = InodeCount::Exact(inodes as u32);
    options.label = Some("clinic-root".to_owned());
    options.reserved_percent = 0;
    options.journal_blocks = Some(JOURNAL);
    let mut builder = FsBuilder::new(options).map_err(wrong)?;
    let meta = |node: &Node| Meta::new(node.mode, node.user, node.group, (STAMP, 0));
    let mut folders = HashMap::from([("", ROOT)]);
    let mut fills = Vec::new();
    for (path, node) in tree.iter() {
        let (parent, name) = path.rsplit_once('/').unwrap_or(("", path));
        let parent = *folders
            .get(parent)
            .ok_or_else(|| BuildError::Other(format!("{path} lies in something that is no folder")))?;
        match &node.kind {
            Kind::Folder => {
                folders.insert(path, builder.mkdir(parent, name, meta(node)).map_err(wrong)?);
            }
            Kind::Link(target) => {
                builder.symlink(parent, name, target, meta(node)).map_err(wrong)?;
            }
            Kind::File(bytes) => {
                let len = bytes.len() as u64;
                let file = builder.file(parent, name, meta(node), len).map_err(wrong)?;
                if len > 0 {
                    fills.push((file, bytes));
                }
            }
        }
    }
    let layout = builder.seal().map_err(wrong)?;
    let mut sink = VecSink::default();
    let mut writer = layout.writer(&mut sink).map_err(wrong)?;
    for (file, bytes) in fills {
        writer.fill(file, &mut &bytes[..]).map_err(wrong)?;
    }
    writer.finish().map_err(wrong)?;
    Ok(sink.buf)
}

//! Unpacks Debian packages: an `ar` of archives, of which only the files are taken. No script runs. Packages are
//! checked against the lock's hashes before; they are parsed as bytes from outside all the same.

use std::io::Read;

use crate::image::BuildError;
use crate::image::tree::{Kind, Node, Tree, normal};

const MAGIC: &[u8] = b"!<arch>\n";
/// Length of the header of one member.
const HEADER: usize = 60;
/// Longest file of a package in bytes; the largest font has 120 MB.
const FILE_MAX: u64 = 1 << 29;
/// Most files of a package; the kernel's has 4,600.
const FILES_MAX: usize = 200_000;

/// Adds the files of a package to a tree.
///
/// # Errors
/// [`BuildError::Package`] with what is wrong in it.
pub fn unpack(name: &str, package: &[u8], tree: &mut Tree) -> Result<(), BuildError> {
    let wrong = |what: String| BuildError::Package {
        name: name.to_owned(),
        what,
    };
    let (member, data) = data_member(package).ok_or_else(|| wrong("it holds no files".to_owned()))?;
    let stream: Box<dyn Read> = match member.rsplit('.').next() {
        Some("xz") => Box::new(liblzma::read::XzDecoder::new(data)),
        Some("zst") => {
            Box::new(zstd::stream::read::Decoder::new(data).map_err(|error| wrong(error.to_string()))?)
        }
        Some("tar") => Box::new(data),
        Some(_) | None => {
            return Err(wrong(format!(
                "{member} is compressed in a way that is not known"
            )));
        }
    };
    let mut archive = tar::Archive::new(stream);
    let entries = archive.entries().map_err(|error| wrong(error.to_string()))?;
    for (count, entry) in entries.enumerate() {
        let mut entry = entry.map_err(|error| wrong(error.to_string()))?;
        if count >= FILES_MAX || entry.size() > FILE_MAX {
            return Err(wrong("it holds more than any package does".to_owned()));
        }
        let text =
            |bytes: &[u8]| String::from_utf8(bytes.to_vec()).map_err(|_| "a name is no text".to_owned());
        let path = text(&entry.path_bytes()).map_err(wrong)?;
        let target = entry
            .link_name_bytes()
            .map(|bytes| text(&bytes))
            .transpose()
            .map_err(wrong)?;
        if normal(&path).is_none() {
            return Err(wrong(format!("{path} lies outside the root")));
        }
        let header = entry.header();
        let number = |value: std::io::Result<u64>| value.ok().and_then(|value| u32::try_from(value).ok());
        let (mode, user, group) = (
            header.mode().unwrap_or(0) as u16 & 0o7777,
            number(header.uid()).unwrap_or(0),
            number(header.gid()).unwrap_or(0),
        );
        let kind = match header.entry_type() {
            tar::EntryType::Directory => Kind::Folder,
            tar::EntryType::Symlink => Kind::Link(target.unwrap_or_default()),
            tar::EntryType::Link => {
                let target = target.unwrap_or_default();
                let same = tree.content(&target).cloned();
                Kind::File(same.ok_or_else(|| wrong(format!("{path} is {target}, which is not there")))?)
            }
            tar::EntryType::Regular | tar::EntryType::Continuous => {
                let mut bytes = Vec::with_capacity(entry.size() as usize);
                entry
                    .read_to_end(&mut bytes)
                    .map_err(|error| wrong(error.to_string()))?;
                Kind::File(bytes.into())
            }
            _ => return Err(wrong(format!("{path} is neither file, folder nor link"))),
        };
        tree.put(
            &path,
            Node {
                kind,
                mode,
                user,
                group,
            },
        );
    }
    Ok(())
}

/// Name and content of the archive of files.
fn data_member(package: &[u8]) -> Option<(String, &[u8])> {
    let mut rest = package.strip_prefix(MAGIC)?;
    while let Some((header, after)) = rest.split_at_checked(HEADER) {
        let text = |range: std::ops::Range<usize>| std::str::from_utf8(&header[range]).ok().map(str::trim);
        let name = text(0..16)?.trim_end_matches('/');
        let len: usize = text(48..58)?.parse().ok()?;
        let (content, after) = after.split_at_checked(len)?;
        if name.starts_with("data.tar") {
            return Some((name.to_owned(), content));
        }
        // Members begin on even bytes.
        rest = after.get(len % 2..).unwrap_or_default();
    }
    None
}

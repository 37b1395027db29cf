//! A bundle arrives: from a stick, or from any reader that can go on at a byte.

use std::fs::{self, File};
use std::io::{Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};

use card::bundle::{Arrival, MAGIC};
use card::state::Version;

use super::{Mailbox, Own, UpdateFault};

/// Bytes that are read at once.
const AT_ONCE: usize = 256 << 10;
/// Bundles that are shown of one stick.
pub const SHOWN_MAX: usize = 8;
/// Files of a folder that are looked at.
const LOOKED_MAX: usize = 1000;

/// Copies a bundle into the mailbox, checked as it comes: signature, county, board, version and base by its first
/// bytes, then piece by piece. `moved` hears of bytes.
///
/// # Errors
/// [`UpdateFault`]; nothing is left to be installed then.
pub fn take(
    source: &Path,
    own: &Own,
    mailbox: &Mailbox,
    mut moved: impl FnMut(u64),
) -> Result<Version, UpdateFault> {
    mailbox.make().map_err(UpdateFault::file(mailbox.arriving()))?;
    let arriving = mailbox.arriving();
    // What another bundle left here would be compared with this one's pieces.
    let file = File::options()
        .read(true)
        .write(true)
        .create(true)
        .truncate(true)
        .open(&arriving)
        .map_err(UpdateFault::file(&arriving))?;
    let taken = copy(source, file, own, &mut moved);
    match taken {
        Ok(version) => {
            mailbox.hand_over().map_err(UpdateFault::file(mailbox.bundle()))?;
            Ok(version)
        }
        Err(fault) => {
            let _ = fs::remove_file(&arriving);
            Err(fault)
        }
    }
}

fn copy(source: &Path, file: File, own: &Own, moved: &mut impl FnMut(u64)) -> Result<Version, UpdateFault> {
    let reading = |error| UpdateFault::file(source)(error);
    let mut bundle = File::open(source).map_err(reading)?;
    let taker = own.taker();
    let mut arrival = Arrival::go_on(file, &own.keys, &taker)?;
    bundle.seek(SeekFrom::Start(arrival.wants())).map_err(reading)?;
    let mut buffer = vec![0; AT_ONCE];
    loop {
        let count = bundle.read(&mut buffer).map_err(reading)?;
        if count == 0 {
            break;
        }
        arrival.take(&buffer[..count], &taker)?;
        moved(count as u64);
    }
    if !arrival.is_whole() {
        return Err(UpdateFault::CutShort);
    }
    let version = arrival.version().ok_or(UpdateFault::CutShort)?;
    arrival.into_file().map_err(UpdateFault::file(source))?;
    Ok(version)
}

/// The bundles in a stick's top folder, by their names.
pub fn bundles_in(place: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(place).into_iter().flatten().flatten();
    let mut found: Vec<PathBuf> = entries
        .take(LOOKED_MAX)
        .map(|entry| entry.path())
        .filter(|path| path.extension().is_some_and(|end| end == "bundle") && begins_as_bundle(path))
        .collect();
    found.sort();
    found.truncate(SHOWN_MAX);
    found
}

fn begins_as_bundle(path: &Path) -> bool {
    let mut magic = vec![0; MAGIC.len()];
    File::open(path).is_ok_and(|mut file| file.read_exact(&mut magic).is_ok() && magic == MAGIC)
}

//! What the data folder lies on: how much is free, whether it takes writes, whether the device below it is
//! encrypted.

use std::fs;
use std::path::{Path, PathBuf};

use store::AlarmKind;
use web::status::{Level, StateRow};
use web::texts::Lang;

use crate::alarms;

/// Free space below which somebody is told to make room, in bytes: a day of a busy clinic with its ECGs, many times
/// over.
pub const LOW_BYTES: u64 = 512 * 1024 * 1024;
/// Free space that saving needs, with the database's working room, in bytes. Below it nothing is measured or typed
/// that would be lost.
pub const NEEDED_BYTES: u64 = 16 * 1024 * 1024;
/// Devices below devices that are looked at: a logical volume on LUKS on a RAID is three.
const DEPTH_MAX: usize = 8;

/// What the room that is left means.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Room {
    /// Nothing needs to be done.
    Enough,
    /// Less than [`LOW_BYTES`]: somebody should make room.
    Low,
    /// Less than [`NEEDED_BYTES`]: nothing is saved any more; reading goes on.
    Full,
    /// The file system takes no writes: nothing is saved; reading goes on.
    ReadOnly,
}

/// What the data folder lies on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Storage {
    /// Free bytes for this program.
    pub free: Option<u64>,
    /// Size of the file system in bytes.
    pub size: Option<u64>,
    /// Whether the file system is mounted read-only.
    pub read_only: Option<bool>,
    /// Whether the block device is encrypted; `None` where the folder lies on no block device that can be seen.
    pub encrypted: Option<bool>,
}

impl Storage {
    /// Looks at the file system of a folder.
    pub fn of(folder: &Path) -> Self {
        let stat = rustix::fs::statvfs(folder).ok();
        Self {
            free: stat
                .as_ref()
                .map(|stat| stat.f_bavail.saturating_mul(stat.f_frsize)),
            size: stat
                .as_ref()
                .map(|stat| stat.f_blocks.saturating_mul(stat.f_frsize)),
            read_only: stat.map(|stat| stat.f_flag.contains(rustix::fs::StatVfsMountFlags::RDONLY)),
            encrypted: encrypted(
                folder,
                Path::new("/proc/self/mountinfo"),
                Path::new("/sys/dev/block"),
            ),
        }
    }

    /// What the room that is left means. What cannot be seen counts as enough.
    pub fn room(&self) -> Room {
        match (self.read_only, self.free) {
            (Some(true), _) => Room::ReadOnly,
            (_, Some(free)) if free <= NEEDED_BYTES => Room::Full,
            (_, Some(free)) if free < LOW_BYTES => Room::Low,
            _ => Room::Enough,
        }
    }

    /// Whether a reading can be saved: nothing is measured that would be lost.
    pub fn takes_writes(&self) -> bool {
        self.room() < Room::Full
    }
}

/// What a status page says of the room that is left; nothing where there is enough.
pub fn room_row(lang: Lang, room: Room) -> Option<StateRow> {
    let (kind, level) = match room {
        Room::Enough => return None,
        Room::Low => (AlarmKind::DiskLow, Level::Known),
        Room::Full => (AlarmKind::DiskFull, Level::Bad),
        Room::ReadOnly => (AlarmKind::ReadOnly, Level::Bad),
    };
    Some(alarms::row(lang, &kind, level, String::new()))
}

fn encrypted(folder: &Path, mounts: &Path, devices: &Path) -> Option<bool> {
    let folder = fs::canonicalize(folder).ok()?;
    let mounts = fs::read_to_string(mounts).ok()?;
    let device = device_of(&folder, &mounts)?;
    is_encrypted(&devices.join(device), DEPTH_MAX)
}

/// `major:minor` of the device on which a folder lies, from proc(5) `mountinfo`.
fn device_of(folder: &Path, mounts: &str) -> Option<String> {
    let mounted = mounts.lines().filter_map(|line| {
        let mut fields = line.split(' ').skip(2);
        let (device, place) = (fields.next()?, fields.nth(1)?);
        Some((PathBuf::from(place.replace("\\040", " ")), device))
    });
    let inside = mounted.filter(|(place, _)| folder.starts_with(place));
    // The last of equal ones hides those before it.
    let nearest = inside.max_by_key(|(place, _)| place.components().count());
    nearest.map(|(_, device)| device.to_owned())
}

/// Whether a block device, or all below it, is a dm-crypt mapping.
fn is_encrypted(device: &Path, depth: usize) -> Option<bool> {
    if depth == 0 || !device.exists() {
        return None;
    }
    if fs::read_to_string(device.join("dm/uuid")).is_ok_and(|uuid| uuid.starts_with("CRYPT-")) {
        return Some(true);
    }
    let below: Vec<PathBuf> = fs::read_dir(device.join("slaves"))
        .ok()
        .into_iter()
        .flatten()
        .flatten()
        .map(|entry| entry.path())
        .collect();
    if below.is_empty() {
        return Some(false);
    }
    below
        .iter()
        .map(|device| is_encrypted(device, depth - 1))
        .reduce(|all, one| Some(all? && one?))?
}

#[cfg(test)]
mod tests {
    use super::*;

    const MOUNTS: &str = "21 1 253:0 / / rw - ext4 /dev/root rw\n\
                          22 21 253:1 / /data rw - ext4 /dev/mapper/data rw\n\
                          23 22 0:40 / /data/tmp\\040x rw - tmpfs tmpfs rw\n";

    #[test]
    fn room_has_two_levels_before_it_is_gone() {
        let with = |free, read_only| Storage {
            free,
            size: None,
            read_only,
            encrypted: None,
        };
        for (free, room, saves) in [
            (LOW_BYTES, Room::Enough, true),
            (LOW_BYTES - 1, Room::Low, true),
            (NEEDED_BYTES + 1, Room::Low, true),
            (NEEDED_BYTES, Room::Full, false),
            (0, Room::Full, false),
        ] {
            let storage = with(Some(free), Some(false));
            assert_eq!((storage.room(), storage.takes_writes()), (room, saves), "{free}");
        }
        assert_eq!(with(None, None).room(), Room::Enough);
        assert_eq!(with(Some(LOW_BYTES), Some(true)).room(), Room::ReadOnly);
    }

    #[test]
    fn the_nearest_mount_counts() {
        let of = |folder: &str| device_of(Path::new(folder), MOUNTS);
        assert_eq!(of("/data/clinic").as_deref(), Some("253:1"));
        assert_eq!(of("/database").as_deref(), Some("253:0"));
        assert_eq!(of("/data/tmp x/y").as_deref(), Some("0:40"));
    }

    #[test]
    fn encryption_is_seen_through_layers() {
        let folder = tempfile::tempdir().unwrap();
        let device = |name: &str, uuid: Option<&str>| {
            let path = folder.path().join(name);
            fs::create_dir_all(path.join("slaves")).unwrap();
            if let Some(uuid) = uuid {
                fs::create_dir_all(path.join("dm")).unwrap();
                fs::write(path.join("dm/uuid"), uuid).unwrap();
            }
            path
        };
        let plain = device("179:2", None);
        let luks = device("253:0", Some("CRYPT-LUKS2-00ff-data\n"));
        let volume = device("253:1", Some("LVM-abc\n"));
        fs::create_dir_all(volume.join("slaves/dm-0/dm")).unwrap();
        fs::write(volume.join("slaves/dm-0/dm/uuid"), "CRYPT-LUKS2-1\n").unwrap();
        assert_eq!(is_encrypted(&plain, DEPTH_MAX), Some(false));
        assert_eq!(is_encrypted(&luks, DEPTH_MAX), Some(true));
        assert_eq!(is_encrypted(&volume, DEPTH_MAX), Some(true));
        assert_eq!(is_encrypted(&folder.path().join("0:40"), DEPTH_MAX), None);
    }

    #[test]
    fn this_file_system_has_a_size() {
        let folder = tempfile::tempdir().unwrap();
        let storage = Storage::of(folder.path());
        assert!(storage.size.unwrap() >= storage.free.unwrap());
        assert_eq!(storage.read_only, Some(false));
    }
}

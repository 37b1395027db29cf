//! What the running system learns from its first program: the card, the slot, the board, and whether this is a trial.

use std::fs;
use std::io::Write;
use std::os::unix::fs::{MetadataExt, OpenOptionsExt, chown};
use std::path::Path;

use card::board;
use card::layout::Slot;
use card::protection::Source;
use card::slots::Began;
use rustix::fs::{FileType, Mode, mknodat};

use crate::{Failure, step};

/// Where it is told; the folder of memory moves into the new root.
const FOLDER: &str = "/run/clinic";
/// A name for the card that other programs leave alone.
const CARD: &str = "/dev/clinic-card";
/// The number of the group that may read the card: the box's program. It writes through another one.
const GROUP: u32 = 900;
const COMPATIBLE: &str = "/proc/device-tree/compatible";

/// Tells it.
pub(crate) fn tell(disk: &Path, slot: Slot, began: &Began) -> Result<(), Failure> {
    fs::create_dir_all(FOLDER).map_err(step(FOLDER))?;
    let letter = match slot {
        Slot::A => "A\n",
        Slot::B => "B\n",
    };
    put("slot", letter)?;
    if let Began::OnTrial(version) = began {
        put("trial", &format!("{version}\n"))?;
    }
    let compatible = fs::read(COMPATIBLE).unwrap_or_default();
    if let Some(board) = board::named(&compatible) {
        put("board", &format!("{board}\n"))?;
    }
    let number = fs::metadata(disk)
        .map_err(step(disk.display().to_string()))?
        .rdev();
    mknodat(
        rustix::fs::CWD,
        CARD,
        FileType::BlockDevice,
        Mode::from_raw_mode(0o640),
        number,
    )
    .map_err(step(CARD))?;
    chown(CARD, Some(0), Some(GROUP)).map_err(step(CARD))
}

/// Tells how the data are protected: a word for the machine's key, or `plain`.
pub(crate) fn protection(source: Option<Source>) -> Result<(), Failure> {
    put("data", &format!("{}\n", source.map_or("plain", Source::word)))
}

/// Tells that a person is to open the data: the system then starts what asks for the start PIN.
pub(crate) fn waits() -> Result<(), Failure> {
    put("waits", "pin\n")
}

/// Tells that this box has data that a person opens: its opener is started, and its pages know of it.
pub(crate) fn by_person() -> Result<(), Failure> {
    put("person", "yes\n")
}

/// Tells why the data do not open, for the screen of a box without pages.
pub(crate) fn locked(why: &str) -> Result<(), Failure> {
    put("locked", &format!("{why}\n"))
}

/// Tells the settings of the radio network; only the system itself reads them, they hold its password.
pub(crate) fn radio(settings: &str) -> Result<(), Failure> {
    let path = Path::new(FOLDER).join("radio.conf");
    let failed = || step(path.display().to_string());
    let mut file = fs::OpenOptions::new();
    file.write(true).create_new(true).mode(0o600);
    let mut file = file.open(&path).map_err(failed())?;
    file.write_all(settings.as_bytes()).map_err(failed())
}

fn put(name: &str, text: &str) -> Result<(), Failure> {
    let path = Path::new(FOLDER).join(name);
    fs::write(&path, text).map_err(step(path.display().to_string()))
}

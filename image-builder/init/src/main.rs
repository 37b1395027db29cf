//! The first program on a card. The kernel starts it from the archive beside itself; it loads the modules of disks and
//! file systems, finds its card, notes the start, lets the kernel check every block of the root, makes or opens the
//! data partition, and starts `systemd`. Where it cannot, it says why and restarts the box, so that the firmware or
//! the next start may take the other slot.

mod data;
mod disk;
mod told;

use std::convert::Infallible;
use std::ffi::{CStr, CString};
use std::fs;
use std::io::Write;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::Command;
use std::thread::sleep;
use std::time::Duration;

use card::first_start::{self, DataFault};
use card::identity::{self, IdentityFault};
use card::layout::Slot;
use card::radio;
use card::slots::{Card, SlotFault};
use card::starting::{self, Step};
use card::state::Why;
use card::verity::Word;
use card::{BLOCK, FileDevice, SECTOR};
use machine::{dm, keys};
use rustix::mount::{MountFlags, mount, mount_move};

use crate::data::Data;

/// Where the new root is put together.
const ROOT: &str = "/system";
/// Where the checked root is mounted before a layer in memory goes over it.
const CHECKED: &str = "/run/root";
const DATA: &str = "/system/data";
/// How long the reason stays on the screen before the restart.
const READING_TIME: Duration = Duration::from_secs(5);

/// Why the system cannot start.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Failure {
    /// The words of the start say no root.
    #[error("the start names no root (clinic.root=…)")]
    NoRoot,
    /// No disk holds the root that the start names.
    #[error("no card holds the system that was started")]
    NoCard,
    /// The state of the slots.
    #[error("the card's state: {0}")]
    Slots(#[from] SlotFault),
    /// The slot was left for the other one.
    #[error("the other slot is taken from now on ({0:?})")]
    Left(Why),
    /// A step of the system.
    #[error("{what}: {error}")]
    Step {
        /// Which.
        what: String,
        /// Why.
        error: std::io::Error,
    },
}

fn step<E: Into<std::io::Error>>(what: impl Into<String>) -> impl FnOnce(E) -> Failure {
    let what = what.into();
    move |error| Failure::Step {
        what,
        error: error.into(),
    }
}

/// A line in the kernel's log, which also the console shows.
pub(crate) fn say(line: &str) {
    if let Ok(mut log) = fs::OpenOptions::new().write(true).open("/dev/kmsg") {
        let _ = log.write_all(format!("<4>clinic: {line}\n").as_bytes());
    }
}

fn main() {
    let failure = match start() {
        Ok(never) => match never {},
        Err(failure) => failure,
    };
    say(&format!("the system does not start: {failure}"));
    sleep(READING_TIME);
    let _ = rustix::system::reboot(rustix::system::RebootCommand::Restart);
}

fn start() -> Result<Infallible, Failure> {
    first_mounts()?;
    load_modules()?;
    let words = fs::read_to_string("/proc/cmdline").map_err(step("the words of the start"))?;
    let word = root_of(&words).ok_or(Failure::NoRoot)?;
    let found = disk::find(&word)?;
    let (path, slot, extent) = (found.path, found.slot, found.layout.root_of(found.slot));
    let mut card = Card::open(found.device)?;
    let began = card.begin(slot)?;
    say(&format!("slot {slot:?} of {}: {began:?}", path.display()));
    let other_is_there = card.fallback(slot).is_some();
    let next = match starting::first_step(&began, other_is_there) {
        Step::Look => {
            say("the last starts were in vain: the slot is compared with what was installed");
            starting::after_look(card.is_whole(slot)?, other_is_there)
        }
        next => next,
    };
    if let Step::Leave(why) = next {
        return Err(leave(&mut card, slot, why, "")?);
    }

    let disk = path.display();
    let parameters = format!("{disk} {}", extent.at / SECTOR);
    let plain = dm::device(&dm::Target {
        name: "clinic-slot",
        number: "",
        kind: "linear",
        sectors: extent.len / SECTOR,
        parameters: &parameters,
        is_read_only: true,
        is_secret: false,
    })
    .map_err(step("the slot's device"))?;
    let table = word.table(&plain.display().to_string());
    let checked = dm::device(&dm::Target {
        name: "clinic-root",
        number: "",
        kind: "verity",
        sectors: word.data_blocks * (BLOCK / SECTOR),
        parameters: &table,
        is_read_only: true,
        is_secret: false,
    })
    .map_err(step("the checked root"))?;
    if let Err(failure) = mount_root(&checked) {
        // The kernel's own look found the top of the tree or of the file system damaged.
        return match starting::after_look(false, other_is_there) {
            Step::Leave(why) => Err(leave(&mut card, slot, why, &failure.to_string())?),
            Step::Go | Step::Look => Err(failure),
        };
    }
    told::tell(&path, slot, &began)?;
    name_radio(&mut card)?;
    open_data(&path, &mut card)?;
    name_machine()?;
    // Only what was read so far was looked at; the rest is the next starts' business, where this one is in vain.
    if dm::found_corrupt("clinic-root").unwrap_or(false)
        && let Step::Leave(why) = starting::after_look(false, other_is_there)
    {
        return Err(leave(
            &mut card,
            slot,
            why,
            "the kernel found blocks that cannot be mended",
        )?);
    }
    change_root()
}

/// Makes ordinary starts take the other slot; the reason is kept on the card. What comes back is why this start ends. A
/// slot on trial is not left: the firmware takes the other one by itself.
fn leave(card: &mut Card<FileDevice>, slot: Slot, why: Why, detail: &str) -> Result<Failure, Failure> {
    if card.state().trial.is_some_and(|trial| trial.slot == slot) {
        card.roll_back(why, detail)?;
    } else {
        card.leave(slot, why, detail)?;
    }
    Ok(Failure::Left(why))
}

fn root_of(words: &str) -> Option<Word> {
    let word = words
        .split_whitespace()
        .find_map(|word| word.strip_prefix("clinic.root="))?;
    word.parse().ok()
}

fn mount_at(source: &str, target: &str, kind: &str, flags: MountFlags, words: &str) -> Result<(), Failure> {
    fs::create_dir_all(target).map_err(step(target))?;
    let words = CString::new(words).unwrap_or_default();
    let words: Option<&CStr> = Some(words.as_c_str());
    mount(source, target, kind, flags, words).map_err(step(format!("mounting {target}")))
}

fn first_mounts() -> Result<(), Failure> {
    let safe = MountFlags::NOSUID | MountFlags::NOEXEC;
    mount_at("proc", "/proc", "proc", safe | MountFlags::NODEV, "")?;
    mount_at("sysfs", "/sys", "sysfs", safe | MountFlags::NODEV, "")?;
    // The kernel may have mounted it already.
    let _ = mount_at("devtmpfs", "/dev", "devtmpfs", safe, "mode=0755");
    mount_at(
        "tmpfs",
        "/run",
        "tmpfs",
        MountFlags::NOSUID | MountFlags::NODEV,
        "mode=0755",
    )
}

/// Loads the modules in the order of their names. One that this board has no use for is no failure.
fn load_modules() -> Result<(), Failure> {
    let mut paths: Vec<_> = fs::read_dir("/modules")
        .map_err(step("the modules"))?
        .flatten()
        .map(|entry| entry.path())
        .collect();
    paths.sort();
    for path in paths {
        let file = fs::File::open(&path).map_err(step(path.display().to_string()))?;
        match rustix::system::finit_module(&file, c"", 0) {
            Ok(()) | Err(rustix::io::Errno::EXIST | rustix::io::Errno::NODEV) => {}
            Err(error) => say(&format!("{}: {error}", path.display())),
        }
    }
    Ok(())
}

/// The checked root with a layer in memory over it: what is changed is gone at the next start.
fn mount_root(checked: &Path) -> Result<(), Failure> {
    let checked = checked.display().to_string();
    mount_at(
        &checked,
        CHECKED,
        "ext4",
        MountFlags::RDONLY | MountFlags::NODEV,
        "",
    )?;
    let layer = "/run/layer";
    mount_at("tmpfs", layer, "tmpfs", MountFlags::empty(), "mode=0755,size=25%")?;
    for folder in ["upper", "work"] {
        let path = format!("{layer}/{folder}");
        fs::create_dir(&path).map_err(step(path))?;
    }
    let words = format!("lowerdir={CHECKED},upperdir={layer}/upper,workdir={layer}/work");
    mount_at("overlay", ROOT, "overlay", MountFlags::empty(), &words)
}

/// Hands on the settings of the radio network. A card without a row that is believed has none, and starts all the same.
fn name_radio(card: &mut Card<FileDevice>) -> Result<(), Failure> {
    let Some(county) = data::county(Path::new(CHECKED)) else {
        return Ok(());
    };
    let layout = card.layout().clone();
    match identity::read(card.parts().0, &layout, &[county]) {
        Ok((identity, _)) => told::radio(&radio::settings(&identity)),
        Err(IdentityFault::None) => Ok(()),
        Err(fault) => {
            say(&format!("the box has no radio network: {fault}"));
            Ok(())
        }
    }
}

/// Makes the data at the first start and mounts them. A box without its data starts all the same, so that a person
/// can see on its page what is wrong; nothing is made in their place.
fn open_data(disk: &Path, card: &mut Card<FileDevice>) -> Result<(), Failure> {
    // Waits until the kernel has gathered enough: at a first start, keys are drawn.
    let id = *keys::random::<16>().map_err(step("a random number"))?;
    let root = Path::new(CHECKED);
    let (device, state) = card.parts();
    let mut volume = Data {
        root,
        disk,
        keys: &keys::Files,
        opened: None,
        by_person: None,
    };
    let opened = first_start::start(device, state, &mut volume, id)
        .and_then(|ready| Ok((ready, volume.open(device, ready.extent)?)));
    if volume.by_person.is_some() {
        told::by_person()?;
    }
    match opened {
        Ok((ready, opened)) => {
            let device = opened.path;
            told::protection(opened.protection)?;
            say(if ready.is_new {
                "the data partition was made"
            } else {
                "the data partition is there"
            });
            if let Some(what) = volume.check(&device) {
                say(&format!("the data partition is not in order: {what}"));
            }
            machine::data::mount_at(&device, Path::new(DATA)).map_err(step(format!("mounting {DATA}")))
        }
        Err(DataFault::WaitsForPerson) => {
            say("the data wait for the start PIN");
            told::protection(volume.by_person)?;
            told::waits()
        }
        Err(fault @ (DataFault::Device(_) | DataFault::TooSmall)) => Err(Failure::Step {
            what: "the data partition".to_owned(),
            error: std::io::Error::other(fault),
        }),
        Err(fault) => {
            say(&format!("the box starts without its data: {fault}"));
            told::locked(&fault.to_string())
        }
    }
}

/// The number of the machine, the same at every start: `systemd` takes a box without one for a new one.
fn name_machine() -> Result<(), Failure> {
    let kept = Path::new(DATA).join("machine-id");
    let is_number =
        |text: &str| text.trim().len() == 32 && text.trim().bytes().all(|b| b.is_ascii_hexdigit());
    let number = match fs::read_to_string(&kept) {
        Ok(text) if is_number(&text) => text,
        Ok(_) | Err(_) => {
            let bytes = keys::random::<16>().map_err(step("a random number"))?;
            let text = format!("{}\n", hex::encode(*bytes));
            let _ = fs::write(&kept, &text);
            text
        }
    };
    let place = Path::new(ROOT).join("etc/machine-id");
    fs::write(&place, number).map_err(step(place.display().to_string()))
}

fn change_root() -> Result<Infallible, Failure> {
    for folder in ["/dev", "/proc", "/sys", "/run"] {
        let inside = format!("{ROOT}{folder}");
        fs::create_dir_all(&inside).map_err(step(inside.clone()))?;
        mount_move(folder, &inside).map_err(step(format!("moving {folder}")))?;
    }
    std::env::set_current_dir(ROOT).map_err(step(ROOT))?;
    mount_move(".", "/").map_err(step("moving the root"))?;
    rustix::process::chroot(".").map_err(step("changing the root"))?;
    std::env::set_current_dir("/").map_err(step("/"))?;
    // The console that the kernel gave stays; nothing else is handed on.
    let error = Command::new("/usr/lib/systemd/systemd").env_clear().exec();
    Err(step("systemd")(error))
}

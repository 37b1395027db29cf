//! `flash` and `verify` by the real program on plain files, and what a computer that mounted a card does to it.

use serde_json::Value;
use std::fs::File;
use std::io::Write;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use crate::running::{Ran, run};

const MIB: u64 = 1 << 20;
/// Where the boot partition of the test's image begins and ends.
const BOOT: std::ops::Range<u64> = MIB..9 * MIB;
/// Where its system partition begins.
const SYSTEM: u64 = 9 * MIB;

/// An image with a partition table, a FAT boot partition with two files, and a system partition.
fn image(folder: &Path) -> PathBuf {
    let path = folder.join("clinic.img");
    let mut file = File::options()
        .read(true)
        .write(true)
        .create(true)
        .truncate(true)
        .open(&path)
        .unwrap();
    file.set_len(12 * MIB).unwrap();
    let mut table = mbrman::MBR::new_from(&mut file, 512, [0; 4]).unwrap();
    let partition = |sys: u8, start: u64, end: u64| mbrman::MBRPartitionEntry {
        boot: mbrman::BOOT_INACTIVE,
        first_chs: mbrman::CHS::empty(),
        sys,
        last_chs: mbrman::CHS::empty(),
        starting_lba: (start / 512) as u32,
        sectors: ((end - start) / 512) as u32,
    };
    table[1] = partition(0x0c, BOOT.start, BOOT.end);
    table[2] = partition(0x83, SYSTEM, 12 * MIB);
    table.write_into(&mut file).unwrap();
    with_boot(&path, true, |root| {
        root.create_file("config.txt")
            .unwrap()
            .write_all(b"arm_64bit=1\n")
            .unwrap();
        let kernel: Vec<u8> = (0..100_000_u32)
            .map(|i| (i.wrapping_mul(2_654_435_761) >> 24) as u8)
            .collect();
        root.create_file("vmlinuz").unwrap().write_all(&kernel).unwrap();
    });
    let system: Vec<u8> = (0..MIB as u32)
        .map(|i| (i.wrapping_mul(0x9e37_79b9) >> 23) as u8)
        .collect();
    file.write_all_at(&system, SYSTEM).unwrap();
    path
}

/// Opens the boot partition of a card or image as a computer would that mounts it.
fn with_boot(path: &Path, format: bool, act: impl FnOnce(fatfs::Dir<'_, &mut std::io::Cursor<Vec<u8>>>)) {
    let file = File::options().read(true).write(true).open(path).unwrap();
    let mut bytes = vec![0; (BOOT.end - BOOT.start) as usize];
    file.read_exact_at(&mut bytes, BOOT.start).unwrap();
    let mut cursor = std::io::Cursor::new(bytes);
    if format {
        fatfs::format_volume(&mut cursor, fatfs::FormatVolumeOptions::new()).unwrap();
    }
    let system = fatfs::FileSystem::new(&mut cursor, fatfs::FsOptions::new()).unwrap();
    act(system.root_dir());
    system.unmount().unwrap();
    file.write_all_at(cursor.get_ref(), BOOT.start).unwrap();
}

fn card(folder: &Path, name: &str) -> PathBuf {
    let path = folder.join(name);
    File::create(&path).unwrap().set_len(24 * MIB).unwrap();
    path
}

#[test]
fn several_cards_are_written_at_once_and_verified_later() {
    let folder = tempfile::tempdir().unwrap();
    let image = image(folder.path());
    let cards = [card(folder.path(), "a"), card(folder.path(), "b")];
    let Ran {
        is_well,
        object,
        stderr,
        ..
    } = run(
        folder.path(),
        &["flash", "clinic.img", "--card", "a:file", "--card", "b:file"],
    );
    assert!(is_well, "{object}");
    assert_eq!(
        (&object["ready"], stderr.as_str()),
        (&Value::from(2), ""),
        "nothing where stderr is no terminal"
    );
    assert!(
        object["mapped_bytes"].as_u64().unwrap() < 2 * MIB,
        "holes are not written: {object}"
    );
    let written = std::fs::read(&image).unwrap();
    for card in &cards {
        assert!(std::fs::read(card).unwrap().starts_with(&written[..MIB as usize]));
        let name = card.file_name().unwrap().to_str().unwrap();
        let Ran { is_well, object, .. } = run(folder.path(), &["verify", name, "--image", "clinic.img"]);
        assert!(is_well && object["state"] == "whole", "{object}");
    }
    let ledger = std::fs::read_to_string(folder.path().join("cards.jsonl")).unwrap();
    assert_eq!(ledger.lines().count(), 2);

    // The same card once more is a slip, unless somebody says so.
    let Ran { is_well, object, .. } = run(folder.path(), &["flash", "clinic.img", "--card", "a:file"]);
    assert!(
        !is_well && object["cards"][0]["result"] == "used_before",
        "{object}"
    );
    let Ran { is_well, object, .. } = run(
        folder.path(),
        &["flash", "clinic.img", "--card", "a:file", "--again"],
    );
    assert!(is_well, "{object}");
}

#[test]
fn a_card_that_a_computer_mounted_is_whole_and_what_was_left_there_is_named() {
    let folder = tempfile::tempdir().unwrap();
    image(folder.path());
    let card = card(folder.path(), "a");
    assert!(run(folder.path(), &["flash", "clinic.img", "--card", "a:file"]).is_well);
    with_boot(&card, false, |root| {
        root.create_dir("System Volume Information").unwrap();
    });
    // Some systems also write a signature into a partition table that has none.
    let file = File::options().write(true).open(&card).unwrap();
    file.write_all_at(&[1, 2, 3, 4], 440).unwrap();
    let Ran { is_well, object, .. } = run(folder.path(), &["verify", "a", "--image", "clinic.img"]);
    assert!(is_well && object["state"] == "touched", "{object}");
    let details = object["details"].to_string();
    assert!(
        details.contains("System Volume Information") && details.contains("signature"),
        "{details}"
    );
}

#[test]
fn damage_is_named_by_file_by_partition_and_by_byte() {
    let folder = tempfile::tempdir().unwrap();
    image(folder.path());
    let state = |name: &str, spoil: &dyn Fn(&File, &Path)| {
        let path = card(folder.path(), name);
        let argument = format!("{name}:file");
        assert!(run(folder.path(), &["flash", "clinic.img", "--card", &argument]).is_well);
        spoil(
            &File::options().read(true).write(true).open(&path).unwrap(),
            &path,
        );
        let Ran { is_well, object, .. } = run(folder.path(), &["verify", name, "--image", "clinic.img"]);
        assert!(!is_well && object["state"] == "damaged", "{object}");
        object["details"].to_string()
    };
    let system = state("a", &|file, _| {
        file.write_all_at(&[0xff; 3], SYSTEM + 70_000).unwrap()
    });
    assert!(system.contains("partition 2"), "{system}");
    let missing = state("b", &|_, path| {
        with_boot(path, false, |root| root.remove("config.txt").unwrap())
    });
    assert!(
        missing.contains("/config.txt") && missing.contains("missing"),
        "{missing}"
    );
    let changed = state("c", &|_, path| {
        with_boot(path, false, |root| {
            root.open_file("config.txt")
                .unwrap()
                .write_all(b"arm_64bit=0\n")
                .unwrap()
        });
    });
    assert!(
        changed.contains("/config.txt") && changed.contains("changed"),
        "{changed}"
    );
    let table = state("d", &|file, _| file.write_all_at(&[0x83], 446 + 4).unwrap());
    assert!(table.contains("byte 0"), "{table}");
    let no_fat = state("e", &|file, _| file.write_all_at(&[0; 4096], BOOT.start).unwrap());
    assert!(no_fat.contains("partition 1"), "{no_fat}");
}

#[test]
fn what_is_wrong_with_a_call_is_said_before_anything_is_written() {
    let folder = tempfile::tempdir().unwrap();
    let image = image(folder.path());
    let card = card(folder.path(), "a");
    let before = std::fs::read(&card).unwrap();
    let flash = |more: &[&str]| {
        let ran = run(folder.path(), &[&["flash", "clinic.img"], more].concat());
        ran.error().to_owned()
    };
    assert!(flash(&["--card", "a:1234"]).contains("plain file"));
    assert!(flash(&["--card", "a:file", "--card", "./a:file"]).contains("named twice"));
    assert!(flash(&["--card", "a:file", "--card", "nowhere:file"]).contains("not there"));
    assert!(flash(&["--card", "/dev/null:file"]).contains("no disk of this machine"));
    std::fs::write(folder.path().join("clinic.img.map"), "{}").unwrap();
    assert!(flash(&["--card", "a:file"]).contains("not a block map"));
    std::fs::remove_file(folder.path().join("clinic.img.map")).unwrap();
    // The map of another state of the image: it was cut short since.
    let mut file = File::open(&image).unwrap();
    let map = card::BlockMap::of(&mut file).unwrap();
    std::fs::write(folder.path().join("clinic.img.map"), map.to_text()).unwrap();
    File::options()
        .write(true)
        .open(&image)
        .unwrap()
        .set_len(8 * MIB)
        .unwrap();
    assert!(flash(&["--card", "a:file"]).contains("changed or cut short"));
    assert_eq!(std::fs::read(&card).unwrap(), before);
    let small = folder.path().join("small");
    File::create(&small).unwrap().set_len(MIB).unwrap();
    std::fs::remove_file(folder.path().join("clinic.img.map")).unwrap();
    let Ran { is_well, object, .. } = run(folder.path(), &["flash", "clinic.img", "--card", "small:file"]);
    assert!(
        !is_well && object["cards"][0]["result"] == "too_small",
        "{object}"
    );
}

#[test]
fn devices_names_the_disks_of_this_machine_and_offers_none_that_runs_it() {
    let folder = tempfile::tempdir().unwrap();
    let Ran { is_well, object, .. } = run(folder.path(), &["devices"]);
    assert!(is_well, "{object}");
    for device in object["devices"].as_array().unwrap() {
        let refused = !device["refusals"].as_array().unwrap().is_empty();
        assert_eq!(device["offered"].as_bool().unwrap(), !refused);
        let system = device["refusals"].to_string().contains("\"system\"");
        assert!(!system || refused);
    }
}

//! Boots a built image in QEMU, up to an answer of the box's pages through a forwarded port. The long lane runs it on
//! what `image-builder/run` made: `CLINIC_IMAGE` names that folder.

use std::fs::File;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::time::Instant;

use card::layout::{Layout, Slot};
use card::state::{Data, State};
use card::{BLOCK, FileDevice};
use tempfile::TempDir;

use crate::qemu::{CARD, Machine, card_of};

/// Spoils blocks of the running system: what a worn card does.
fn spoil(card: &Path) {
    let mut device = FileDevice::open_to_read(card).unwrap();
    let root = Layout::read(&mut device).unwrap().root_of(Slot::A);
    drop(device);
    let file = File::options().read(true).write(true).open(card).unwrap();
    // Eight neighbours and single bits far from them, each in another row of the code.
    let blocks = 44_000;
    file.write_all_at(&[0; 8 * BLOCK as usize], root.at + blocks / 2 * BLOCK)
        .unwrap();
    for block in [700, 9_000, 21_001] {
        let at = root.at + block * BLOCK + 100;
        let mut byte = [0];
        file.read_exact_at(&mut byte, at).unwrap();
        file.write_all_at(&[byte[0] ^ 0x10], at).unwrap();
    }
}

#[test]
fn a_card_boots_to_the_sign_in_page_and_again_with_worn_blocks_and_its_data() {
    let image =
        PathBuf::from(std::env::var_os("CLINIC_IMAGE").expect("CLINIC_IMAGE names the folder of an image"));
    let folder = TempDir::new().unwrap();
    let card = folder.path().join("card");
    card_of(&image.join("clinic.img"), &card);

    let start = Instant::now();
    let mut first = Machine::start(folder.path(), "first", None, false);
    let (address, page) = first.get("/");
    println!(
        "the first start answered after {:.0} s",
        start.elapsed().as_secs_f64()
    );
    assert!(
        address.contains("/sign-in") || address.contains("/language"),
        "{address}"
    );
    assert!(
        page.contains("<!DOCTYPE html>") && page.contains("lang=\"zh-CN\""),
        "{page}"
    );
    let log = first.log();
    assert!(
        log.contains("clinic: slot A of /dev/vda: Ordinary { starts: 1 }"),
        "{log}"
    );
    assert!(log.contains("clinic: the data partition was made"), "{log}");
    drop(first);

    // The data take the rest of the card, and the state says so.
    let mut device = FileDevice::open_to_read(&card).unwrap();
    let data = Layout::read(&mut device).unwrap().data.unwrap();
    assert_eq!(data.end(), CARD);
    assert!(matches!(State::read(&mut device).unwrap().data, Data::Made(_)));
    drop(device);

    spoil(&card);
    let start = Instant::now();
    let mut second = Machine::start(folder.path(), "second", None, false);
    let (_, page) = second.get("/");
    println!(
        "the second start answered after {:.0} s",
        start.elapsed().as_secs_f64()
    );
    assert!(page.contains("<!DOCTYPE html>"), "{page}");
    let log = second.log();
    assert!(log.contains("clinic: the data partition is there"), "{log}");
}

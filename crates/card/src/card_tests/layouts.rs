//! Tables and file systems: what is written is read, by us and by others, and what is hostile is refused.

use std::io::{Cursor, Read, Seek, SeekFrom, Write};

use proptest::prelude::*;

use super::*;
use crate::device::{SECTOR, read_sector, write_sector};
use crate::fat::{Fat, FatFault};
use crate::firmware::{NoStart, starts};
use crate::first_start;
use crate::layout::LayoutFault;
use crate::mbr::{self, TableFault};

#[test]
fn a_layout_is_read_as_it_was_written_by_us_and_by_another_library() {
    let layout = layout();
    let mut card = LoggedCard::new(CAPACITY);
    layout.write_new(&mut card).unwrap();
    assert_eq!(Layout::read(&mut card).unwrap(), layout);
    let mut bytes = vec![0; CAPACITY as usize];
    card.read_at(0, &mut bytes).unwrap();
    let table = sfdisk::partitions(&bytes);
    let meant: Vec<(u8, Extent)> = [
        (1, layout.select),
        (2, layout.boot[0]),
        (3, layout.boot[1]),
        (5, layout.root[0]),
        (6, layout.root[1]),
    ]
    .into();
    assert_eq!(table, meant);
    // An image ends after the mark, and is a card by itself.
    let mut image = LoggedCard::new(layout.image_bytes());
    layout.write_new(&mut image).unwrap();
    assert_eq!(Layout::read(&mut image).unwrap(), layout);
    assert_eq!(layout.data_for(layout.image_bytes()), None);
}

/// The system's own `sfdisk`, a reader of tables that is not ours.
mod sfdisk {
    use super::*;

    pub(super) fn partitions(card: &[u8]) -> Vec<(u8, Extent)> {
        let mut file = tempfile::NamedTempFile::new().unwrap();
        file.write_all(card).unwrap();
        let output = std::process::Command::new("sfdisk")
            .args(["--dump"])
            .arg(file.path())
            .output()
            .unwrap();
        let text = String::from_utf8(output.stdout).unwrap();
        let number = |line: &str, key: &str| -> u64 {
            let (_, rest) = line.split_once(key).unwrap();
            rest.split(',').next().unwrap().trim().parse().unwrap()
        };
        text.lines()
            .filter(|line| line.contains("start=") && !line.contains("type=f"))
            .map(|line| {
                let name = line.split(" :").next().unwrap().trim();
                let digits = name.rsplit(|c: char| !c.is_ascii_digit()).next().unwrap();
                let extent = Extent {
                    at: number(line, "start=") * SECTOR,
                    len: number(line, "size=") * SECTOR,
                };
                (digits.parse().unwrap(), extent)
            })
            .collect()
    }

    pub(super) fn complaints(card: &[u8]) -> String {
        let mut file = tempfile::NamedTempFile::new().unwrap();
        file.write_all(card).unwrap();
        let output = std::process::Command::new("sfdisk")
            .arg("--verify")
            .arg(file.path())
            .output()
            .unwrap();
        String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned()
    }
}

#[test]
fn a_grown_card_is_clean_for_another_program_and_grows_once() {
    for capacity in [CAPACITY, CAPACITY + 12345 * BLOCK] {
        let mut card = card(&release(1));
        card = card.with_capacity(capacity);
        let mut state = State::read(&mut card).unwrap();
        let ready = first_start::start(&mut card, &mut state, &mut Plain, [9; 16]).unwrap();
        assert!(ready.is_new && ready.extent.end() <= capacity);
        assert!(capacity - ready.extent.end() < ALIGN);
        assert_eq!(Layout::read(&mut card).unwrap().data, Some(ready.extent));
        let mut bytes = vec![0; capacity as usize];
        card.read_at(0, &mut bytes).unwrap();
        assert_eq!(sfdisk::partitions(&bytes).last(), Some(&(7, ready.extent)));
        let said = sfdisk::complaints(&bytes);
        assert!(said.contains("No errors detected"), "{said}");
        let mut card = card.settled();
        let mut state = State::read(&mut card).unwrap();
        let again = first_start::start(&mut card, &mut state, &mut Plain, [8; 16]).unwrap();
        assert_eq!((again.extent, again.is_new), (ready.extent, false));
        assert_eq!(card.events(), 0, "an ordinary start writes nothing here");
    }
}

#[test]
fn another_card_of_the_same_image_is_told_apart_by_its_signature() {
    let mut other = card(&release(1));
    Layout::sign(&mut other, 0x9999_0001).unwrap();
    assert_eq!(Layout::read(&mut other).unwrap().signature, 0x9999_0001);
    assert_eq!(Layout::read(&mut card(&release(1))).unwrap().signature, SIGNATURE);
    assert_eq!(starts(&mut other, false).unwrap().slot, Some(Slot::A));
}

#[test]
fn sizes_that_cannot_be_and_tables_of_other_disks_are_refused() {
    let sizes = |select, boot, root| Layout::new(&Sizes { select, boot, root }, 1);
    for (bad, role) in [
        (sizes(0, ALIGN, ALIGN), "select"),
        (sizes(ALIGN, ALIGN + 512, ALIGN), "boot"),
        (sizes(ALIGN, ALIGN, 1 << 50), "root"),
    ] {
        assert!(bad.unwrap_err().to_string().contains(role));
    }
    let mut empty = LoggedCard::new(CAPACITY);
    assert_eq!(
        Layout::read(&mut empty),
        Err(LayoutFault::Table(TableFault::None))
    );
    let stick = mbr::first_sector(
        7,
        &[(
            mbr::FAT32,
            Extent {
                at: ALIGN,
                len: ALIGN,
            },
        )],
    );
    write_sector(&mut empty, 0, &stick).unwrap();
    assert!(matches!(Layout::read(&mut empty), Err(LayoutFault::Other(_))));
    let outside = mbr::first_sector(
        7,
        &[(
            mbr::FAT32,
            Extent {
                at: ALIGN,
                len: CAPACITY,
            },
        )],
    );
    write_sector(&mut empty, 0, &outside).unwrap();
    assert_eq!(mbr::read(&mut empty), Err(TableFault::Outside { number: 1 }));
}

#[test]
fn a_chain_of_links_that_turns_in_a_circle_ends() {
    let mut card = card(&release(1));
    let layout = layout();
    let [first, second] = layout.links;
    let circle = mbr::link_sector(first, second, layout.root[1], Some((first, layout.root[0])));
    write_sector(&mut card, second, &circle).unwrap();
    assert_eq!(mbr::read(&mut card), Err(TableFault::Chain { after: 6 }));
}

#[test]
fn files_are_found_as_another_library_wrote_them() {
    let mut fat = Cursor::new(vec![0; SELECT as usize]);
    let options = fatfs::FormatVolumeOptions::new()
        .fat_type(fatfs::FatType::Fat32)
        .bytes_per_cluster(512);
    fatfs::format_volume(&mut fat, options).unwrap();
    let system = fatfs::FileSystem::new(&mut fat, fatfs::FsOptions::new()).unwrap();
    let long = noise(3, 200_000);
    // More entries than one cluster holds, and files whose clusters are mixed.
    let root = system.root_dir();
    let folder = root.create_dir("clinic").unwrap();
    for number in 0..60 {
        folder
            .create_file(&format!("file{number}"))
            .unwrap()
            .write_all(&long[..number * 37])
            .unwrap();
    }
    folder.create_file("identity").unwrap().write_all(&long).unwrap();
    drop(folder);
    drop(root);
    system.unmount().unwrap();
    let mut card = LoggedCard::new(SELECT);
    card.write_at(0, fat.get_ref()).unwrap();
    let part = Extent { at: 0, len: SELECT };
    let fat = Fat::open(&mut card, part).unwrap();
    let mut read = |path: &str| {
        let file = fat.find(&mut card, path).unwrap()?;
        Some(fat.read(&mut card, &file).unwrap())
    };
    assert_eq!(read("clinic/identity").unwrap(), long);
    for number in [0, 1, 13, 14, 59] {
        assert_eq!(
            read(&format!("CLINIC/File{number}")).unwrap(),
            &long[..number * 37]
        );
    }
    assert_eq!(read("clinic/file60"), None);
    assert_eq!(read("identity"), None);
    assert_eq!(read("clinic/a name without a short form"), None);
}

#[test]
fn a_fat32_of_too_few_clusters_is_not_taken_as_the_firmware_does_not_take_it() {
    let mut card = card(&release(1));
    let layout = layout();
    let mut boot = read_sector(&mut card, layout.select.at).unwrap();
    boot[32..36].copy_from_slice(&60_000_u32.to_le_bytes());
    write_sector(&mut card, layout.select.at, &boot).unwrap();
    let refused = starts(&mut card, false);
    let is_form = matches!(
        refused,
        Err(NoStart::Partition {
            partition: 1,
            fault: FatFault::Form(_)
        })
    );
    assert!(is_form, "{refused:?}");
}

#[test]
fn an_empty_slot_does_not_start_and_the_reason_names_the_partition() {
    let mut card = card(&release(1));
    assert_eq!(starts(&mut card, false).unwrap().slot, Some(Slot::A));
    let refused = starts(&mut card, true).unwrap_err();
    assert!(refused.to_string().starts_with("partition 3"), "{refused}");
}

#[test]
fn a_stream_over_a_partition_reads_what_it_wrote_at_any_place() {
    let mut card = LoggedCard::new(1 << 20);
    let extent = Extent {
        at: 2 * BLOCK,
        len: 8 * BLOCK,
    };
    let bytes = noise(1, 20_000);
    let mut part = Part::new(&mut card, extent);
    part.seek(SeekFrom::Start(1234)).unwrap();
    part.write_all(&bytes).unwrap();
    part.flush().unwrap();
    part.seek(SeekFrom::Start(1234)).unwrap();
    let mut back = vec![0; bytes.len()];
    part.read_exact(&mut back).unwrap();
    assert_eq!(back, bytes);
    part.seek(SeekFrom::End(-5)).unwrap();
    assert_eq!(part.write(&[1; 100]).unwrap(), 5, "never beyond the partition");
    assert_eq!(part.write(&[1; 100]).unwrap(), 0);
}

proptest! {
    /// Whatever stands on a card, reading it ends and stays inside.
    #[test]
    fn a_hostile_card_breaks_no_reader(
        places in proptest::collection::vec((0_usize..6, 0_usize..512, any::<u8>()), 1..40)
    ) {
        let mut card = card(&release(1));
        let layout = layout();
        let at = [
            0,
            layout.links[0],
            layout.links[1],
            layout.select.at,
            layout.boot[0].at,
            layout.select.at + 32 * SECTOR,
        ];
        for (place, byte, value) in places {
            let mut sector = read_sector(&mut card, at[place]).unwrap();
            sector[byte] = value;
            write_sector(&mut card, at[place], &sector).unwrap();
        }
        let _ = starts(&mut card, false);
        let _ = starts(&mut card, true);
        if let Ok(found) = Layout::read(&mut card) {
            prop_assert!(found.root[1].end() <= CAPACITY);
        }
    }
}

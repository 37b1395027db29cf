//! A small card of our layout, written by another library than the one that reads it, and what holds for it.

#[cfg(feature = "bundle")]
mod bundles;
mod cuts;
mod encrypted;
mod identities;
mod layouts;
mod lives;
mod permits;
mod pins;
mod shares;
mod starts;
mod vestibules;

use std::io::{Cursor, Write};

use crate::device::{BLOCK, BlockDevice};
use crate::first_start::{DataFault, Volume};
use crate::layout::{ALIGN, DATA_MIN, Layout, Sizes, Slot};
use crate::mbr::Extent;
use crate::part::Part;
use crate::power_cut::LoggedCard;
use crate::select::{AUTOBOOT, autoboot_sector};
use crate::state::{Content, State, System, Version};

/// The least that FAT32 with one sector a cluster takes is above 33 MB.
const SELECT: u64 = 9 * ALIGN;
const SIGNATURE: u32 = 0x1234_abcd;
const CAPACITY: u64 = 256 << 20;

/// The two partitions of a version.
struct Release {
    system: System,
    boot: Vec<u8>,
    root: Vec<u8>,
}

fn noise(seed: u64, len: usize) -> Vec<u8> {
    let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    (0..len)
        .map(|_| {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            (state >> 56) as u8
        })
        .collect()
}

/// A boot partition with the files that the firmware wants; only its used part is kept.
fn release(version: u64) -> Release {
    let mut fat = Cursor::new(vec![0; ALIGN as usize]);
    let options = fatfs::FormatVolumeOptions::new()
        .fat_type(fatfs::FatType::Fat16)
        .bytes_per_cluster(512);
    fatfs::format_volume(&mut fat, options).unwrap();
    let system = fatfs::FileSystem::new(&mut fat, fatfs::FsOptions::new()).unwrap();
    let put = |name: &str, bytes: &[u8]| {
        system
            .root_dir()
            .create_file(name)
            .unwrap()
            .write_all(bytes)
            .unwrap();
    };
    put(
        "config.txt",
        b"arm_64bit=1\nkernel=vmlinuz\ninitramfs initrd followkernel\n",
    );
    put("vmlinuz", &noise(version, 3000));
    put("initrd", &noise(version + 1000, 1500));
    system.unmount().unwrap();
    let mut boot = fat.into_inner();
    let used = boot.iter().rposition(|byte| *byte != 0).unwrap() + 1;
    boot.truncate(used);
    let root = noise(version + 2000, 10_000);
    Release {
        system: System {
            version: Version(version),
            boot: Content::of(&boot),
            root: Content::of(&root),
        },
        boot,
        root,
    }
}

fn layout() -> Layout {
    let sizes = Sizes {
        select: SELECT,
        boot: ALIGN,
        root: ALIGN,
    };
    Layout::new(&sizes, SIGNATURE).unwrap()
}

/// A card as it is flashed: this version in slot A, slot B empty.
fn card(release: &Release) -> LoggedCard {
    let layout = layout();
    let mut card = LoggedCard::new(CAPACITY);
    layout.write_new(&mut card).unwrap();
    State::new(release.system).write_new(&mut card).unwrap();
    let mut select = Part::new(&mut card, layout.select);
    let options = fatfs::FormatVolumeOptions::new()
        .fat_type(fatfs::FatType::Fat32)
        .bytes_per_cluster(512);
    fatfs::format_volume(&mut select, options).unwrap();
    let system = fatfs::FileSystem::new(&mut select, fatfs::FsOptions::new()).unwrap();
    let root = system.root_dir();
    root.create_file("readme.txt")
        .unwrap()
        .write_all(&[b'x'; 700])
        .unwrap();
    let mut file = root.create_file(AUTOBOOT).unwrap();
    file.write_all(&autoboot_sector(Slot::A)).unwrap();
    drop(file);
    drop(root);
    system.unmount().unwrap();
    select.flush().unwrap();
    for (extent, bytes) in [
        (layout.boot_of(Slot::A), &release.boot),
        (layout.root_of(Slot::A), &release.root),
    ] {
        let mut part = Part::new(&mut card, extent);
        part.write_all(bytes).unwrap();
        part.flush().unwrap();
    }
    card.settled()
}

/// A volume that is known by its first and its last block, which stand for the header and the file system.
struct Plain;

impl Plain {
    fn head(id: [u8; 16]) -> Vec<u8> {
        let mut block = vec![0; BLOCK as usize];
        block[..4].copy_from_slice(b"vol!");
        block[4..20].copy_from_slice(&id);
        block
    }
}

impl<D: BlockDevice + ?Sized> Volume<D> for Plain {
    fn make(&mut self, device: &mut D, extent: Extent, id: [u8; 16]) -> Result<(), DataFault> {
        assert!(extent.len >= DATA_MIN);
        device.write_at(extent.at, &Self::head(id))?;
        device.write_at(extent.end() - BLOCK, &Self::head(id))?;
        Ok(())
    }

    fn find(&mut self, device: &mut D, extent: Extent) -> Result<Option<[u8; 16]>, DataFault> {
        let (mut head, mut end) = (vec![0; BLOCK as usize], vec![0; BLOCK as usize]);
        device.read_at(extent.at, &mut head)?;
        device.read_at(extent.end() - BLOCK, &mut end)?;
        Ok((head.starts_with(b"vol!") && head == end).then(|| head[4..20].try_into().unwrap()))
    }
}

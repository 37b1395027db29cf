//! A small card image of our layout, as the tests of the program use it.

use std::fs::File;
use std::io::Write;
use std::path::Path;

use card::layout::{ALIGN, Layout, Sizes, Slot};
use card::part::Part;
use card::select::{AUTOBOOT, autoboot_sector};
use card::state::{Content, State, System, Version};
use card::{BlockDevice, FileDevice};

/// An image with an empty system in slot A.
pub(crate) fn image(path: &Path) {
    image_of(path, 1, &[], &[]);
}

/// An image with this system in slot A; both partitions are made of whole blocks.
pub(crate) fn image_of(path: &Path, version: u64, boot: &[u8], root: &[u8]) {
    let sizes = Sizes {
        select: 9 * ALIGN,
        boot: ALIGN,
        root: ALIGN,
    };
    let layout = Layout::new(&sizes, 0x0bad_cafe).unwrap();
    File::create(path).unwrap().set_len(layout.image_bytes()).unwrap();
    let mut device = FileDevice::open_to_write(path).unwrap();
    layout.write_new(&mut device).unwrap();
    device.write_at(layout.boot_of(Slot::A).at, boot).unwrap();
    device.write_at(layout.root_of(Slot::A).at, root).unwrap();
    let system = System {
        version: Version(version),
        boot: Content::of(boot),
        root: Content::of(root),
    };
    State::new(system).write_new(&mut device).unwrap();
    let mut part = Part::new(&mut device, layout.select);
    let options = fatfs::FormatVolumeOptions::new()
        .fat_type(fatfs::FatType::Fat32)
        .bytes_per_cluster(512);
    fatfs::format_volume(&mut part, options).unwrap();
    let files = fatfs::FileSystem::new(&mut part, fatfs::FsOptions::new()).unwrap();
    let mut file = files.root_dir().create_file(AUTOBOOT).unwrap();
    file.write_all(&autoboot_sector(Slot::A)).unwrap();
    drop(file);
    files.unmount().unwrap();
    part.flush().unwrap();
    device.flush().unwrap();
}

/// An empty card.
pub(crate) fn card(path: &Path) {
    File::create(path).unwrap().set_len(96 << 20).unwrap();
}

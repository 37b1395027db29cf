//! Writes a system to a card image: slot A whole, slot B empty, no data yet.

use std::fs::{self, File};
use std::path::{Path, PathBuf};

use card::layout::{Layout, Sizes, Slot};
use card::mbr::Extent;
use card::select::{AUTOBOOT, autoboot_sector};
use card::state::{Content, State, System as Installed, Version};
use card::verity::{Seed, Verity};
use card::{BlockDevice, BlockMap, FileDevice};

use crate::image::root::System;
use crate::image::{BuildError, boot, ext4};
use crate::manifest::{CardSizes, Manifest};

/// What makes the hash tree of every release: fixed, so that an update carries only the hashes that changed.
const SEED: Seed = Seed {
    uuid: *b"clinic-box-tree1",
    salt: *b"the clinic box's salt, 32 bytes.",
};
/// Numbers of the partitions' file systems; `flash` draws a number for each card's table.
const SELECT_NUMBER: u32 = 0xc11c_0001;
const BOOT_NUMBER: u32 = 0xc11c_0002;
/// The table's number in an image.
const SIGNATURE: u32 = 0xc11c_b0c5;
/// How the firmware starts the kernel; device trees have the names that Linux gives them.
const CONFIG: &str = "\
arm_64bit=1
upstream_kernel=1
kernel=vmlinuz
initramfs initrd followkernel
enable_uart=1
dtparam=watchdog=on
dtparam=i2c_arm=on
disable_splash=1
";

/// What was written.
#[derive(Debug)]
pub struct Written {
    /// The card image.
    pub image: PathBuf,
    /// SHA-256 of it, hex.
    pub sha256: String,
    /// Its length in bytes.
    pub bytes: u64,
    /// Bytes that flashing writes.
    pub mapped: u64,
    /// Bytes of the root partition that are used.
    pub root: u64,
    /// Bytes of the boot partition that are used.
    pub boot: u64,
    /// The words that the kernel is started with.
    pub words: String,
}

/// Writes image, block map and the parts of a slot into a folder; a name appears when its file is whole.
///
/// # Errors
/// [`BuildError`].
pub fn write(
    manifest: &Manifest,
    system: &System,
    version: Version,
    folder: &Path,
) -> Result<Written, BuildError> {
    fs::create_dir_all(folder).map_err(BuildError::file(folder))?;
    let sizes = sizes(&manifest.card)?;
    let layout = Layout::new(&sizes, SIGNATURE).map_err(|error| BuildError::Other(error.to_string()))?;
    let mut root = ext4::image(&system.root)?;
    let verity = Verity::of(&root, &SEED).map_err(|error| BuildError::Other(error.to_string()))?;
    root.extend_from_slice(&verity.trailer);
    fits("root", sizes.root, root.len())?;
    let words = format!("{} clinic.root={}", manifest.cmdline, verity.word());
    let boot = boot_partition(system, &words, sizes.boot)?;
    let select = select_partition(system, sizes.select)?;

    let installed = Installed {
        version,
        boot: Content::of(&boot),
        root: Content::of(&root),
    };
    let image = folder.join(format!("{}.img", manifest.name));
    let partial = folder.join(format!("{}.img.partial", manifest.name));
    let file = File::create(&partial).map_err(BuildError::file(&partial))?;
    file.set_len(layout.image_bytes())
        .map_err(BuildError::file(&partial))?;
    drop(file);
    let mut device = FileDevice::open_to_write(&partial).map_err(BuildError::file(&partial))?;
    let parts = [
        (layout.select, &select),
        (layout.boot_of(Slot::A), &boot),
        (layout.root_of(Slot::A), &root),
    ];
    let failed = |error: card::DeviceFault| BuildError::Other(error.to_string());
    for (extent, bytes) in parts {
        device.write_at(extent.at, bytes).map_err(failed)?;
    }
    State::new(installed).write_new(&mut device).map_err(failed)?;
    layout.write_new(&mut device).map_err(failed)?;
    device.flush().map_err(failed)?;
    drop(device);
    let mut file = File::open(&partial).map_err(BuildError::file(&partial))?;
    let meant: Vec<Extent> = parts
        .iter()
        .map(|(extent, bytes)| Extent {
            at: extent.at,
            len: bytes.len() as u64,
        })
        .collect();
    let map = BlockMap::of_parts(&mut file, &meant).map_err(|error| BuildError::Other(error.to_string()))?;
    let whole = crate::packages::store::hash_of(&partial).map_err(BuildError::file(&partial))?;
    put(
        &folder.join(format!("{}.img.map", manifest.name)),
        map.to_text().as_bytes(),
    )?;
    put(&folder.join(format!("{}.boot", manifest.name)), &boot)?;
    put(&folder.join(format!("{}.root", manifest.name)), &root)?;
    put(&folder.join("vmlinuz"), &system.kernel)?;
    put(&folder.join("initrd"), &system.initrd)?;
    put(&folder.join("cmdline.txt"), words.as_bytes())?;
    fs::rename(&partial, &image).map_err(BuildError::file(&image))?;
    Ok(Written {
        image,
        sha256: whole,
        bytes: layout.image_bytes(),
        mapped: map.mapped_bytes(),
        root: root.len() as u64,
        boot: boot.len() as u64,
        words,
    })
}

fn put(path: &Path, bytes: &[u8]) -> Result<(), BuildError> {
    fs::write(path, bytes).map_err(BuildError::file(path))
}

fn sizes(card: &CardSizes) -> Result<Sizes, BuildError> {
    let bytes = |mib: Option<u32>, part: &str| {
        let mib = mib.ok_or_else(|| {
            BuildError::Other(format!(
                "the manifest does not say the size of the {part} partition"
            ))
        })?;
        Ok(u64::from(mib) << 20)
    };
    Ok(Sizes {
        select: bytes(card.select_mib, "select")?,
        boot: bytes(card.boot_mib, "boot")?,
        root: bytes(card.root_mib, "root")?,
    })
}

fn fits(part: &'static str, has: u64, needs: usize) -> Result<(), BuildError> {
    let needs = needs as u64;
    if needs > has {
        return Err(BuildError::TooSmall { part, has, needs });
    }
    Ok(())
}

fn boot_partition(system: &System, words: &str, bytes: u64) -> Result<Vec<u8>, BuildError> {
    let mut files = vec![
        ("config.txt".to_owned(), CONFIG.as_bytes().to_vec()),
        ("cmdline.txt".to_owned(), format!("{words}\n").into_bytes()),
        ("vmlinuz".to_owned(), system.kernel.clone()),
        ("initrd".to_owned(), system.initrd.clone()),
    ];
    files.extend(system.firmware.iter().cloned());
    let fat = boot::fat("boot", *b"CLINIC-BOOT", BOOT_NUMBER, bytes, &files)?;
    let used = boot::used(fat);
    fits("boot", bytes, used.len())?;
    Ok(used)
}

fn select_partition(system: &System, bytes: u64) -> Result<Vec<u8>, BuildError> {
    let mut files = vec![(AUTOBOOT.to_owned(), autoboot_sector(Slot::A).to_vec())];
    // The Raspberry Pi 3 has no firmware of its own: it looks for this on the first partition.
    let own = system.firmware.iter().filter(|(name, _)| name == "bootcode.bin");
    files.extend(own.cloned());
    let fat = boot::fat("select", *b"CLINIC-SEL ", SELECT_NUMBER, bytes, &files)?;
    Ok(boot::used(fat))
}

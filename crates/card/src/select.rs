//! The select partition: which slot the firmware starts, and the names of the files that say who a box is.
//!
//! `autoboot.txt` is one sector. To select another slot is to write that sector and nothing else: no table of the file
//! system changes, the partition is never mounted for writing. The texts for the two slots differ in two bytes, so that
//! even a sector that was written half way starts a slot that is whole.

use crate::device::{BlockDevice, DeviceFault, SECTOR, read_sector, write_sector};
use crate::fat::{Fat, FatFault};
use crate::layout::{Layout, Slot};

/// What the firmware reads first.
pub const AUTOBOOT: &str = "autoboot.txt";
/// The folder of what makes a card the card of one clinic.
pub const CLINIC: &str = "clinic";
/// The signed row: clinic, hub, radio, language.
pub const IDENTITY: &str = "clinic/identity";
/// What is used once and then overwritten in place: one sector.
pub const SECRETS: &str = "clinic/secrets";
/// A technician's permit, where one was put here.
pub const PERMIT: &str = "clinic/permit";

/// What an `autoboot.txt` says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Autoboot {
    /// The partition of an ordinary start; 1, the select partition itself, where the text names none.
    pub partition: u64,
    /// The partition of a trial start.
    pub trial: u64,
    /// Whether a trial start reads the same files as an ordinary one (`tryboot_a_b`).
    pub same_files: bool,
}

/// Why the selection cannot be read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SelectFault {
    /// The file system.
    #[error(transparent)]
    Fat(#[from] FatFault),
    /// The file is not there.
    #[error("there is no autoboot.txt")]
    Missing,
    /// The firmware reads one sector of it.
    #[error("autoboot.txt has {0} bytes instead of 512")]
    Length(u64),
}

impl From<DeviceFault> for SelectFault {
    fn from(fault: DeviceFault) -> Self {
        Self::Fat(FatFault::Device(fault))
    }
}

/// The sector of `autoboot.txt` that starts this slot and tries the other.
pub fn autoboot_sector(slot: Slot) -> [u8; SECTOR as usize] {
    let text = format!(
        "[all]\ntryboot_a_b=1\nboot_partition={}\n[tryboot]\nboot_partition={}\n",
        slot.boot_partition(),
        slot.other().boot_partition()
    );
    // The rest is one comment, so that the file is always one sector long.
    let mut sector = [b'#'; SECTOR as usize];
    sector[..text.len()].copy_from_slice(text.as_bytes());
    sector[SECTOR as usize - 1] = b'\n';
    sector
}

impl Autoboot {
    /// Reads the text as the firmware does: sections `[all]`, `[none]` and `[tryboot]`, the last value of a section
    /// counts, what is not understood is passed over.
    pub fn parse(text: &[u8]) -> Self {
        let mut said = Self {
            partition: u64::from(crate::layout::SELECT_PARTITION),
            trial: 0,
            same_files: false,
        };
        let (mut ordinary, mut trial) = (true, true);
        for line in text.split(|byte| *byte == b'\n') {
            let line = String::from_utf8_lossy(line);
            let line = line.trim();
            match line {
                "[all]" => (ordinary, trial) = (true, true),
                "[none]" => (ordinary, trial) = (false, false),
                "[tryboot]" => (ordinary, trial) = (false, true),
                _ => {}
            }
            if ordinary && let Some(flag) = line.strip_prefix("tryboot_a_b=") {
                said.same_files = flag.trim() == "1";
            }
            let Some(number) = line.strip_prefix("boot_partition=") else {
                continue;
            };
            let Ok(number) = number.trim().parse::<u8>() else {
                continue;
            };
            if ordinary {
                said.partition = u64::from(number);
            }
            if trial {
                said.trial = u64::from(number);
            }
        }
        if said.trial == 0 {
            said.trial = said.partition;
        }
        said
    }
}

/// Where the sector of `autoboot.txt` lies on the card.
///
/// # Errors
/// [`SelectFault`].
pub fn autoboot_at(device: &mut (impl BlockDevice + ?Sized), layout: &Layout) -> Result<u64, SelectFault> {
    let fat = Fat::open(device, layout.select)?;
    let file = fat.find(device, AUTOBOOT)?.ok_or(SelectFault::Missing)?;
    if file.len != SECTOR || file.is_folder {
        return Err(SelectFault::Length(file.len));
    }
    let sectors = fat.sectors(device, &file)?;
    sectors.first().copied().ok_or(SelectFault::Missing)
}

/// The slot that an ordinary start takes; `None` where the text names none.
///
/// # Errors
/// [`SelectFault`].
pub fn selected(
    device: &mut (impl BlockDevice + ?Sized),
    layout: &Layout,
) -> Result<Option<Slot>, SelectFault> {
    let at = autoboot_at(device, layout)?;
    let said = Autoboot::parse(&read_sector(device, at)?);
    Ok(Slot::of_boot_partition(said.partition))
}

/// Makes ordinary starts take this slot: one sector, on the medium when it returns.
///
/// # Errors
/// [`SelectFault`].
pub fn select(
    device: &mut (impl BlockDevice + ?Sized),
    layout: &Layout,
    slot: Slot,
) -> Result<(), SelectFault> {
    let at = autoboot_at(device, layout)?;
    write_sector(device, at, &autoboot_sector(slot))?;
    device.flush()?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_texts_of_the_two_slots_say_what_they_mean_and_differ_in_two_bytes() {
        let (a, b) = (autoboot_sector(Slot::A), autoboot_sector(Slot::B));
        let said = |partition, trial| Autoboot {
            partition,
            trial,
            same_files: true,
        };
        assert_eq!(Autoboot::parse(&a), said(2, 3));
        assert_eq!(Autoboot::parse(&b), said(3, 2));
        assert_eq!(a.iter().zip(b).filter(|(a, b)| **a != *b).count(), 2);
    }

    #[test]
    fn a_sector_torn_anywhere_between_them_names_a_slot() {
        let (a, b) = (autoboot_sector(Slot::A), autoboot_sector(Slot::B));
        for tear in 0..a.len() {
            let torn = [&b[..tear], &a[tear..]].concat();
            let said = Autoboot::parse(&torn);
            assert!(
                Slot::of_boot_partition(said.partition).is_some(),
                "torn at {tear}"
            );
        }
    }

    #[test]
    fn other_texts_are_read_as_the_firmware_reads_them() {
        let parse = |text: &str| {
            let said = Autoboot::parse(text.as_bytes());
            (said.partition, said.trial)
        };
        assert_eq!(parse(""), (1, 1));
        assert_eq!(parse("boot_partition=3\r\n"), (3, 3));
        assert_eq!(parse("[none]\nboot_partition=3\n[all]\nboot_partition=2"), (2, 2));
        assert_eq!(parse("[tryboot]\nboot_partition=3"), (1, 3));
        assert_eq!(
            parse("boot_partition=99999999999999999999\n#boot_partition=2"),
            (1, 1)
        );
    }
}

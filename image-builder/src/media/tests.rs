//! A table of simulated machines: of all their disks only the card is offered.

use std::os::unix::fs::symlink;

use super::*;

const GB: u64 = 1_000_000_000;

/// A machine under construction in a folder.
struct Desk {
    root: tempfile::TempDir,
    mounts: String,
    swaps: String,
    number: u32,
}

impl Desk {
    fn new() -> Self {
        let root = tempfile::tempdir().unwrap();
        fs::create_dir_all(root.path().join("sys/block")).unwrap();
        fs::create_dir_all(root.path().join("proc/self")).unwrap();
        Self {
            root,
            mounts: "22 1 0:21 / /proc rw,nosuid shared:5 - proc proc rw\n".to_owned(),
            swaps: "Filename\tType\tSize\tUsed\tPriority\n".to_owned(),
            number: 0,
        }
    }

    fn put(&self, path: &str, text: &str) {
        let path = self.root.path().join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, format!("{text}\n")).unwrap();
    }

    /// A disk below this place of `/sys/devices`, with so many partitions.
    fn disk(&mut self, place: &str, name: &str, bytes: u64, partitions: u32) -> &mut Self {
        let folder = format!("sys/devices/{place}/block/{name}");
        self.number += 16;
        self.put(&format!("{folder}/size"), &(bytes / 512).to_string());
        self.put(&format!("{folder}/ro"), "0");
        self.put(&format!("{folder}/dev"), &format!("8:{}", self.number));
        self.put(&format!("{folder}/device/model"), "Model   ");
        for number in 1..=partitions {
            let infix = if name.ends_with(|c: char| c.is_ascii_digit()) {
                "p"
            } else {
                ""
            };
            let part = format!("{folder}/{name}{infix}{number}");
            self.put(&format!("{part}/partition"), &number.to_string());
            self.put(&format!("{part}/dev"), &format!("8:{}", self.number + number));
        }
        let target = format!("../devices/{place}/block/{name}");
        symlink(target, self.root.path().join("sys/block").join(name)).unwrap();
        self
    }

    fn mount(&mut self, number: &str, source: &str, at: &str) -> &mut Self {
        let at = at.replace(' ', "\\040");
        self.mounts.push_str(&format!(
            "30 22 {number} / {at} rw,relatime shared:1 - ext4 {source} rw\n"
        ));
        self
    }

    fn disks(&self) -> Vec<Disk> {
        self.put("proc/self/mountinfo", &self.mounts);
        self.put("proc/swaps", &self.swaps);
        Machine::at(self.root.path()).disks().unwrap()
    }

    fn offered(&self) -> Vec<String> {
        let disks = self.disks();
        let offered = disks.iter().filter(|disk| disk.is_offered());
        offered.map(|disk| disk.name.clone()).collect()
    }

    fn refusals(&self, name: &str) -> Vec<Refusal> {
        self.disks()
            .into_iter()
            .find(|disk| disk.name == name)
            .unwrap()
            .refusals
    }
}

const SATA: &str = "pci0000:00/0000:00:17.0/ata1/host0/target0:0:0/0:0:0:0";
const NVME: &str = "pci0000:00/0000:00:1d.0/nvme/nvme0";
const USB: &str = "pci0000:00/0000:00:14.0/usb1/1-2/1-2:1.0/host4/target4:0:0/4:0:0:0";
const USB_B: &str = "pci0000:00/0000:00:14.0/usb2/2-1/2-1:1.0/host5/target5:0:0/5:0:0:0";
const SLOT: &str = "pci0000:00/0000:00:1c.0/mmc_host/mmc0/mmc0:aaaa";

#[test]
fn on_a_desk_with_everything_only_the_card_is_offered() {
    let mut desk = Desk::new();
    // The system, a mounted stick, a backup of 4 TB, a reader with a card, and one without.
    desk.disk(NVME, "nvme0n1", 512 * GB, 3)
        .mount("8:18", "/dev/nvme0n1p2", "/");
    desk.disk(USB, "sda", 64 * GB, 1)
        .mount("8:33", "/dev/sda1", "/media/tech/MY STICK");
    desk.disk(USB_B, "sdb", 4_000 * GB, 1);
    let reader = USB.replace("host4", "host6").replace("4:0:0", "6:0:0");
    desk.disk(&reader, "sdc", 32 * GB, 2);
    let empty = USB.replace("host4", "host7").replace("4:0:0", "7:0:0");
    desk.disk(&empty, "sdd", 0, 0);
    desk.disk("virtual", "loop0", GB, 0).disk(SATA, "sde", 64 * GB, 0);
    assert_eq!(desk.offered(), ["sdc"]);
    assert_eq!(desk.refusals("nvme0n1"), [Refusal::System, Refusal::BuiltIn]);
    let mounted = Refusal::Mounted {
        at: "/media/tech/MY STICK".to_owned(),
    };
    assert_eq!(desk.refusals("sda"), [mounted]);
    assert_eq!(desk.refusals("sdb"), [Refusal::TooLarge { bytes: 4_000 * GB }]);
    assert_eq!(desk.refusals("sdd"), [Refusal::Empty]);
    assert_eq!(desk.refusals("loop0"), [Refusal::Virtual]);
    assert_eq!(desk.refusals("sde"), [Refusal::BuiltIn]);
}

#[test]
fn a_card_in_the_machines_own_slot_is_offered_and_soldered_flash_is_not() {
    let mut desk = Desk::new();
    desk.disk(SLOT, "mmcblk0", 32 * GB, 2);
    desk.put(&format!("sys/devices/{SLOT}/block/mmcblk0/device/type"), "SD");
    desk.put(
        &format!("sys/devices/{SLOT}/block/mmcblk0/device/cid"),
        "0353445342333247807f2c1a0f013a00",
    );
    let soldered = SLOT.replace("mmc0", "mmc1");
    desk.disk(&soldered, "mmcblk1", 32 * GB, 2);
    desk.put(
        &format!("sys/devices/{soldered}/block/mmcblk1/device/type"),
        "MMC",
    );
    assert_eq!(desk.offered(), ["mmcblk0"]);
    assert_eq!(desk.refusals("mmcblk1"), [Refusal::BuiltIn]);
    assert!(desk.disks()[0].card_register.is_some());
}

#[test]
fn a_raspberry_pi_that_runs_from_its_card_does_not_offer_it() {
    let mut desk = Desk::new();
    desk.disk(
        "platform/emmc2bus/fe340000.mmc/mmc_host/mmc0/mmc0:aaaa",
        "mmcblk0",
        32 * GB,
        2,
    );
    desk.put(
        "sys/devices/platform/emmc2bus/fe340000.mmc/mmc_host/mmc0/mmc0:aaaa/block/mmcblk0/device/type",
        "SD",
    );
    // An overlay hides the device number of the root; the boot partition still tells.
    desk.mount("0:25", "overlay", "/")
        .mount("8:17", "/dev/mmcblk0p1", "/boot/firmware");
    desk.disk(USB, "sda", 32 * GB, 0);
    assert_eq!(desk.offered(), ["sda"]);
    assert_eq!(desk.refusals("mmcblk0"), [Refusal::System]);
}

#[test]
fn a_system_on_an_encrypted_usb_disk_is_found_through_its_layers() {
    let mut desk = Desk::new();
    desk.disk(USB, "sda", 256 * GB, 2);
    let holder = format!("sys/devices/{USB}/block/sda/sda2/holders/dm-0");
    desk.put(&format!("{holder}/dev"), "254:0");
    desk.put(&format!("{holder}/dm/name"), "cryptroot");
    desk.put(&format!("{holder}/holders/dm-1/dev"), "254:1");
    desk.put(&format!("{holder}/holders/dm-1/dm/name"), "vg-root");
    desk.mount("254:1", "/dev/mapper/vg-root", "/");
    let held = Refusal::Held {
        holder: "dm-0".to_owned(),
    };
    assert_eq!(desk.refusals("sda"), [Refusal::System, held.clone()]);
    // A file system that shows a number of its own, as btrfs does, is known by its source.
    desk.mounts = String::new();
    desk.mount("0:31", "/dev/mapper/vg-root", "/data");
    assert_eq!(
        desk.refusals("sda"),
        [
            held,
            Refusal::Mounted {
                at: "/data".to_owned()
            }
        ]
    );
}

#[test]
fn swap_and_locked_cards_are_refused_and_a_whole_disk_may_be_mounted_too() {
    let mut desk = Desk::new();
    desk.disk(USB, "sda", 32 * GB, 1).disk(USB_B, "sdb", 32 * GB, 0);
    desk.swaps.push_str("/dev/sda1 partition 1000 0 -2\n");
    desk.put(&format!("sys/devices/{USB_B}/block/sdb/ro"), "1");
    assert_eq!(desk.refusals("sda"), [Refusal::Swap]);
    assert_eq!(desk.refusals("sdb"), [Refusal::ReadOnly]);
    desk.mount("8:32", "/dev/sdb", "/mnt");
    assert!(desk.refusals("sdb").contains(&Refusal::Mounted {
        at: "/mnt".to_owned()
    }));
    assert_eq!(desk.offered(), [""; 0]);
}

#[test]
fn the_code_to_type_is_the_end_of_the_serial_number_or_of_the_size() {
    let mut desk = Desk::new();
    desk.disk(USB, "sda", 32 * GB, 0)
        .disk(USB_B, "sdb", 31_914_983_424, 0);
    desk.put(
        "sys/devices/pci0000:00/0000:00:14.0/usb1/1-2/serial",
        "000000001532",
    );
    let disks = desk.disks();
    assert_eq!(
        (disks[0].serial.as_deref(), disks[0].check_code().as_str()),
        (Some("000000001532"), "1532")
    );
    assert_eq!(
        (disks[1].serial.as_deref(), disks[1].check_code().as_str()),
        (None, "3424")
    );
}

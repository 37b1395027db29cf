//! The very card file that a technician writes, in an emulated Raspberry Pi 3: its SD controller, its parts as the image
//! brings them, its network on the USB bus, its processor's number as the key of the data. Of a real board this shows no
//! firmware, no radio and no clock. The long lane runs it, as [`crate::updating`].

use std::time::Instant;

use crate::clinic::{Clinic, found, shows};
use crate::qemu::{Board, Machine};

#[test]
fn the_same_card_starts_a_raspberry_pi_3_to_its_pages_and_finds_itself_healthy() {
    let clinic = Clinic::new();
    let begin = Instant::now();
    let mut machine = Machine::start_on(Board::Pi3, clinic.folder.path(), "pi3", None, false);
    let (last, page) = machine.get("/");
    println!("the Pi 3 answered after {:.0} s", begin.elapsed().as_secs_f64());
    assert!(last.ends_with("/start/language 200"), "{last}");
    assert!(page.contains("lang=\"zh-CN\""), "{page}");
    let log = machine.log();
    assert!(log.contains("clinic: slot A of /dev/mmcblk0: Ordinary"), "{log}");
    assert!(log.contains("clinic: the data partition was made"), "{log}");

    machine.until("the box finds itself healthy", |machine| {
        machine.log().contains("\"settled\":\"Note\"").then_some(())
    });
    println!("and was healthy after {:.0} s", begin.elapsed().as_secs_f64());
    let (last, _) = machine.get("/health");
    assert_eq!(last, "/health 404", "its health is told on its loopback only");

    found(&mut machine);
    shows(&mut machine, "/status", "已加密（基本）");
    std::fs::remove_file(clinic.at("cookies")).unwrap();
    let (last, _) = machine.get("/");
    assert!(last.starts_with("/sign-in") && last.ends_with(" 200"), "{last}");
}

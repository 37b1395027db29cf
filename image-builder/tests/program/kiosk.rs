//! A box with a screen of its own: the patients' page stands on it, and a finger on it calls the doctor. The image is that
//! of the manifest `kiosk` in the folder `kiosk` of the one that `CLINIC_IMAGES` names; the long lane runs it.

use std::time::Instant;

use crate::clinic::{Clinic, found, shows};
use crate::qemu::{Board, Machine};
use crate::screen::{self, Monitor, Picture};

/// A usual screen; an emulated processor draws each of its dots.
const SIZE: (usize, usize) = (1280, 720);
/// The bar at the top of the page, and the button that calls the doctor.
const BAR: [u8; 3] = [8, 59, 64];
const CALL: [u8; 3] = [163, 18, 18];
/// What a doctor's tablet says of a call from a screen without a card reader.
const CALLS: &str = "1 呼叫医生";

/// What is on the screen once a button that calls the doctor stands in a bar at its top.
fn page(monitor: &mut Monitor) -> Option<(Picture, (usize, usize))> {
    let picture = monitor.look();
    let ((_, bar), dark) = picture.middle_of(BAR)?;
    let ((x, y), red) = picture.middle_of(CALL)?;
    let is_page = bar < picture.height / 5
        && dark > picture.width * 20
        && y < picture.height / 5
        && x > picture.width / 2
        && red > 2_000;
    is_page.then_some((picture, (x, y)))
}

#[test]
fn a_finger_on_the_boxs_own_screen_calls_the_doctor() {
    let clinic = Clinic::alone("kiosk");
    let begin = Instant::now();
    let folder = clinic.folder.path();
    let seen = screen::arguments(folder, SIZE);
    let mut machine = Machine::start_with(Board::Virt, folder, "kiosk", false, &seen);
    found(&mut machine);
    println!("founded after {:.0} s", begin.elapsed().as_secs_f64());
    let mut monitor = Monitor::of(folder);
    let (picture, call) = machine.until("the page stands on the screen", |_| page(&mut monitor));
    println!("on the screen after {:.0} s", begin.elapsed().as_secs_f64());
    assert_eq!((picture.width, picture.height), SIZE);
    let (_, before) = machine.get("/");
    assert!(!before.contains(CALLS), "{before}");
    monitor.press(call, &picture);
    shows(&mut machine, "/", CALLS);
}

//! The whole life of updates in QEMU: real images, real bundles, a stick, the box's own pages, power cuts. The long lane
//! runs it on three images of one county that `image-builder/run` and `build` made; `CLINIC_IMAGES` names their folder.

use std::fs;
use std::time::{Duration, Instant};

use card::FileDevice;
use card::layout::Slot;
use card::slots::Card;
use card::state::{Outcome, Version, Why};

use crate::clinic::{Clinic, found, shows, sign_in};
use crate::qemu::{Machine, copy};

/// Takes a bundle off the stick by the page.
fn take(machine: &mut Machine, name: &str) {
    shows(machine, "/update", name);
    machine.post("/update/take", &[("bundle", &format!("/media/sda/{name}"))]);
}

#[test]
fn a_box_is_updated_from_a_stick_and_goes_back_from_a_bad_version() {
    let clinic = Clinic::new();
    let good = fs::read(clinic.bundle(2)).unwrap();
    println!("the bundle has {} bytes", good.len());
    let mut tampered = good.clone();
    let place = tampered.len() - 1;
    tampered[place] ^= 1;
    let mut forged = good.clone();
    forged[200] ^= 1;
    let stick = clinic.stick(&[
        ("good.bundle", good),
        ("tampered.bundle", tampered),
        ("forged.bundle", forged),
        ("bad.bundle", fs::read(clinic.bundle(3)).unwrap()),
    ]);

    let begin = Instant::now();
    let mut machine = clinic.follow("first", Some(&stick), false);
    assert_eq!(machine.slot, Slot::A);
    found(&mut machine);
    for (name, words) in [("tampered.bundle", "已损坏"), ("forged.bundle", "不是本县签名")] {
        take(&mut machine, name);
        shows(&mut machine, "/update", words);
        assert!(clinic.state().systems[1].is_none(), "{name}");
    }
    take(&mut machine, "good.bundle");
    shows(&mut machine, "/update", "新系统已装好");
    machine.post("/update/restart", &[]);
    assert!(
        machine.restarts(),
        "the restart for a trial sets the firmware's flag"
    );
    let mut machine = clinic.follow("second", Some(&stick), true);
    assert_eq!(machine.slot, Slot::B);
    assert_eq!(clinic.state().last, Outcome::Committed(Version(2)));
    sign_in(&mut machine);
    shows(&mut machine, "/status", "已升级到版本 2");
    println!(
        "taken, tried and kept after {:.0} s",
        begin.elapsed().as_secs_f64()
    );

    // The bad one is a difference from release 1: a box that runs release 2 refuses it.
    take(&mut machine, "bad.bundle");
    shows(&mut machine, "/update", "不是从现在的版本升级用的");
}

#[test]
fn a_version_that_never_gets_well_is_left_and_its_reason_is_shown() {
    let clinic = Clinic::new();
    let stick = clinic.stick(&[("bad.bundle", fs::read(clinic.bundle(3)).unwrap())]);
    let begin = Instant::now();
    let mut machine = clinic.follow("first", Some(&stick), false);
    found(&mut machine);
    take(&mut machine, "bad.bundle");
    shows(&mut machine, "/update", "新系统已装好");
    drop(machine);
    // The power comes back: the next start is the trial, by the box itself.
    let mut machine = clinic.follow("bad", Some(&stick), false);
    assert_eq!(machine.slot, Slot::A);
    let last = clinic.state().last;
    assert!(
        matches!(&last, Outcome::RolledBack { version: Version(3), why: Why::Unhealthy, detail }
            if detail.contains("page does not answer")),
        "{last:?}"
    );
    sign_in(&mut machine);
    shows(&mut machine, "/status", "已从版本 3 退回");
    shows(&mut machine, "/status", "page does not answer");
    println!("tried and gone back after {:.0} s", begin.elapsed().as_secs_f64());
}

#[test]
fn the_power_cut_at_any_moment_of_an_update_costs_nothing() {
    let cuts: u32 = std::env::var("CLINIC_UPDATE_CUTS").map_or(20, |text| text.parse().unwrap());
    let clinic = Clinic::new();
    let stick = clinic.stick(&[("good.bundle", fs::read(clinic.bundle(2)).unwrap())]);
    let mut machine = clinic.follow("first", Some(&stick), false);
    found(&mut machine);
    take(&mut machine, "good.bundle");
    shows(&mut machine, "/update", "版本 2");
    drop(machine);
    copy(&clinic.at("card"), &clinic.at("taken"));

    let (mut seed, mut flag, mut kept) = (0x9e37_79b9_7f4a_7c15_u64, false, 0);
    for cut in 0..cuts {
        let mut machine = clinic.start(&format!("cut-{cut}"), None, flag);
        seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        // Up to 65 s: installing, shutting down, starting, trying, committing.
        flag = machine.restarted_within(Duration::from_millis(seed >> 48)) == Some(true);
        drop(machine);
        whole(&clinic);
        let state = clinic.state();
        // A trial that is cut a second time ends as a failure: one cut of each is enough.
        let is_tried = state.trial.is_some() && !flag;
        if is_tried || state.last == Outcome::Committed(Version(2)) || cut + 1 == cuts {
            drop(clinic.follow(&format!("after-{cut}"), None, flag));
            assert_eq!(
                clinic.state().last,
                Outcome::Committed(Version(2)),
                "after cut {cut}"
            );
            kept += 1;
            flag = false;
            copy(&clinic.at("taken"), &clinic.at("card"));
        }
    }
    println!("{cuts} cuts, {kept} times to the end");
}

/// The slot that an ordinary start takes is what was installed there.
fn whole(clinic: &Clinic) {
    let device = FileDevice::open_to_read(&clinic.at("card")).unwrap();
    let mut card = Card::open(device).unwrap();
    let slot = card.selected().unwrap().unwrap();
    assert!(card.is_whole(slot).unwrap(), "{:?}", card.state());
}

//! The whole life of updates in QEMU: real images, real bundles, a stick, the box's own pages, power cuts. The long lane
//! runs it on three images of one county that `image-builder/run` and `build` made; `CLINIC_IMAGES` names their folder.

use std::fs::{self, File};
use std::io::{Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use card::FileDevice;
use card::layout::Slot;
use card::slots::Card;
use card::state::{Outcome, State, Version, Why};
use tempfile::TempDir;

use crate::qemu::{Machine, card_of, copy};
use crate::running::run;

/// Bytes of the stick.
const STICK: u64 = 256 << 20;
const COUNTY: &str = "441802";

struct Clinic {
    folder: TempDir,
    images: PathBuf,
}

impl Clinic {
    /// A card of release 1 that was provisioned for a clinic whose hub cannot be reached.
    fn new() -> Self {
        let images =
            std::env::var_os("CLINIC_IMAGES").expect("CLINIC_IMAGES names the folder of three images");
        let this = Self {
            folder: TempDir::new().unwrap(),
            images: PathBuf::from(images),
        };
        card_of(&this.image(1), &this.at("card"));
        let table = "机构代码,名称,入网码\n0017,石门村卫生室,AAAAAAAA-BBBBBBBB-0001\n";
        fs::write(this.at("clinics.csv"), table).unwrap();
        let hub = "-----BEGIN CERTIFICATE-----\nAA==\n-----END CERTIFICATE-----\n";
        fs::write(this.at("hub.pem"), hub).unwrap();
        let key = this.key();
        let call = ["provision", "clinics.csv", "--county", COUNTY, "--key", &key];
        let more = ["--hub-ca", "hub.pem", "--hub", "https://10.0.2.99:8444"];
        let card = ["--card", "card:file"];
        let ran = run(this.folder.path(), &[&call[..], &more, &card].concat());
        assert!(ran.is_well, "{ran:?}");
        this
    }

    fn at(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn image(&self, release: u64) -> PathBuf {
        let folder = fs::read_dir(self.images.join(release.to_string())).unwrap();
        let mut files = folder.map(|entry| entry.unwrap().path());
        files
            .find(|path| path.extension().is_some_and(|end| end == "img"))
            .unwrap()
    }

    fn key(&self) -> String {
        self.images.join("county.key").display().to_string()
    }

    /// A bundle from release 1 to another one.
    fn bundle(&self, release: u64) -> PathBuf {
        let path = self.at(&format!("{release}.bundle"));
        if !path.exists() {
            let (old, new) = (self.image(1), self.image(release));
            let (old, new) = (old.display().to_string(), new.display().to_string());
            let (key, out) = (self.key(), path.display().to_string());
            let call = [
                "bundle", &new, &out, "--from", &old, "--county", COUNTY, "--key", &key,
            ];
            let to = ["--hardware", "virt", "--level", "3"];
            let data = ["--data-oldest", "1", "--data-newest", "2", "--data-writes", "2"];
            let ran = run(self.folder.path(), &[&call[..], &to, &data].concat());
            assert!(ran.is_well, "{ran:?}");
        }
        path
    }

    /// A stick with these files.
    fn stick(&self, files: &[(&str, Vec<u8>)]) -> PathBuf {
        let path = self.at("stick");
        let mut file = File::options()
            .read(true)
            .write(true)
            .create(true)
            .truncate(true)
            .open(&path)
            .unwrap();
        file.set_len(STICK).unwrap();
        fatfs::format_volume(&mut file, fatfs::FormatVolumeOptions::new()).unwrap();
        file.seek(SeekFrom::Start(0)).unwrap();
        let system = fatfs::FileSystem::new(&mut file, fatfs::FsOptions::new()).unwrap();
        for (name, bytes) in files {
            system
                .root_dir()
                .create_file(name)
                .unwrap()
                .write_all(bytes)
                .unwrap();
        }
        system.unmount().unwrap();
        path
    }

    fn state(&self) -> State {
        let mut device = FileDevice::open_to_read(&self.at("card")).unwrap();
        State::read(&mut device).unwrap()
    }

    fn start(&self, name: &str, stick: Option<&Path>, flag: bool) -> Machine {
        Machine::start(self.folder.path(), name, stick, flag)
    }

    /// Starts the box as it restarts by itself, until it stays: the last start, settled.
    fn follow(&self, name: &str, stick: Option<&Path>, mut flag: bool) -> Machine {
        for round in 0..6 {
            let mut machine = self.start(&format!("{name}-{round}"), stick, flag);
            let settled = machine.until("the box settles or restarts", |machine| {
                let log = machine.log();
                let is_over = log.contains("reboot: ") || log.contains("Rebooting");
                let stays = ["Note", "Stay"]
                    .iter()
                    .any(|word| log.contains(&format!("\"settled\":\"{word}\"")));
                (is_over || stays).then_some(stays && !is_over)
            });
            if settled {
                return machine;
            }
            flag = machine.restarts();
        }
        panic!("the box never stays: {:?}", self.state());
    }
}

/// First start by the pages: the doctor is signed in then.
fn found(machine: &mut Machine) {
    let steps: [(&str, &[(&str, &str)]); 5] = [
        ("/start/language", &[("language", "zh")]),
        (
            "/start/clinic",
            &[("clinic_name", "石门村卫生室"), ("code", "0017")],
        ),
        (
            "/start/doctor",
            &[
                ("name", "李医生"),
                ("login", "li"),
                ("password", "correct horse"),
                ("pin", "4827"),
            ],
        ),
        ("/start/hub/later", &[]),
        ("/start/tablet", &[]),
    ];
    machine.get("/start");
    for (path, fields) in steps {
        let (last, page) = machine.post(path, fields);
        assert!(last.ends_with(" 200"), "{path}: {last} {page}");
    }
}

/// Signs in at a box that was founded.
fn sign_in(machine: &mut Machine) {
    let (last, page) = machine.post("/sign-in", &[("user", "li"), ("password", "correct horse")]);
    assert!(last.ends_with(" 200"), "{last} {page}");
}

/// Waits for words on a page.
fn shows(machine: &mut Machine, path: &str, words: &str) {
    let begin = Instant::now();
    loop {
        let (last, page) = machine.get(path);
        if page.contains(words) {
            return;
        }
        assert!(
            begin.elapsed() < Duration::from_secs(300),
            "{path} does not show {words}: {last} {page}\n{}",
            machine.log()
        );
        std::thread::sleep(Duration::from_secs(1));
    }
}

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
    let place = tampered.len() - 1000;
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

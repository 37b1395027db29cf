//! Bundles reach a box's card, are tried, kept or gone back from: a card in a file, no power cuts (those are `card`'s).

use std::fs;
use std::io::Write;
use std::path::PathBuf;
use std::time::Duration;

use card::bundle::{Addressed, DataForms, Images, make};
use card::identity::{Drawn, Kept, Row};
use card::layout::{Layout, Slot};
use card::part::Part;
use card::protection::Protection;
use card::select::{CLINIC, IDENTITY, SECRETS};
use card::signed::SecretKey;
use card::slots::{Began, Card};
use card::starting::{Health, Restart, Settling};
use card::state::{Outcome, Version, Why};
use card::{BlockDevice, FileDevice};
use tempfile::TempDir;

use super::own::{DATA, Own};
use super::settle::settle;
use super::work::{Said, work};
use super::*;
use crate::clinic_card;
use crate::config::CardConfig;
use crate::systems::{Standing, Systems, read_now};

const COUNTY: &str = "441802";

pub(crate) fn key() -> SecretKey {
    SecretKey::from_seed(&[3; 32])
}

/// A partition of a version: versions differ in a few bytes.
fn partition(version: u8, len: usize) -> Vec<u8> {
    let mut bytes: Vec<u8> = (0..len as u32)
        .map(|at| (at.wrapping_mul(2_654_435_761) >> 24) as u8)
        .collect();
    bytes[1000..1010].fill(version);
    bytes
}

fn parts(version: u8) -> (Vec<u8>, Vec<u8>) {
    (partition(version, 64 << 10), partition(version, 512 << 10))
}

/// Whom a test's bundle is for.
pub(crate) struct To {
    pub(crate) county: &'static str,
    pub(crate) board: &'static str,
    pub(crate) data: DataForms,
}

/// A box that runs version 1 from slot A of a provisioned card.
pub(crate) struct Bench {
    folder: TempDir,
    pub(crate) config: CardConfig,
    mailbox: Mailbox,
}

impl Bench {
    pub(crate) fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name);
        let config = CardConfig {
            device: at("card"),
            county_key: at("county.pub"),
            run: at("run"),
        };
        fs::create_dir(&config.run).unwrap();
        fs::write(config.run.join("slot"), "A\n").unwrap();
        fs::write(config.run.join("board"), "virt\n").unwrap();
        fs::write(&config.county_key, format!("{}\n", key().public())).unwrap();
        let (boot, root) = parts(1);
        clinic_card::image_of(&config.device, 1, &boot, &root);
        provision(&config);
        let mailbox = Mailbox::of(&at("data"));
        Self {
            folder,
            config,
            mailbox,
        }
    }

    pub(crate) fn at(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Puts a file beside the row of the card.
    pub(crate) fn put_on_card(&self, name: &str, bytes: &[u8]) {
        let mut device = FileDevice::open_to_write(&self.config.device).unwrap();
        let layout = Layout::read(&mut device).unwrap();
        let mut part = Part::new(&mut device, layout.select);
        let system = fatfs::FileSystem::new(&mut part, fatfs::FsOptions::new()).unwrap();
        let mut file = system.root_dir().create_file(name).unwrap();
        file.write_all(bytes).unwrap();
        drop(file);
        system.unmount().unwrap();
        part.flush().unwrap();
        device.flush().unwrap();
    }

    /// A bundle of a version in a file: whole, or as the difference from version 1.
    pub(crate) fn bundle(&self, version: u8, is_whole: bool, change: impl FnOnce(&mut To)) -> PathBuf {
        let ((boot, root), (old_boot, old_root)) = (parts(version), parts(1));
        let images = |version: u8, boot, root| Images {
            version: Version(version.into()),
            boot,
            root,
        };
        let (new, old) = (images(version, &boot, &root), images(1, &old_boot, &old_root));
        let mut said = To {
            county: COUNTY,
            board: "virt",
            data: DATA,
        };
        change(&mut said);
        let to = Addressed {
            county: said.county,
            hardware: &[said.board.to_owned()],
            data: said.data,
        };
        let base = (!is_whole).then_some(&old);
        let path = self.at("new.bundle");
        fs::write(&path, make(&new, base, &to, &key(), 3).unwrap()).unwrap();
        path
    }

    fn take(&self, path: &std::path::Path) -> Result<Version, UpdateFault> {
        taking::take(path, &Own::read(&self.config).unwrap(), &self.mailbox, |_| {})
    }

    fn work(&self) -> Option<Restart> {
        work(&self.config, &self.mailbox, |_| {}).unwrap()
    }

    /// What the firmware and the first program do.
    pub(crate) fn start(&self, slot: Slot) -> Began {
        fs::write(self.config.run.join("slot"), format!("{slot:?}\n")).unwrap();
        let mut card = Card::open(FileDevice::open_to_write(&self.config.device).unwrap()).unwrap();
        card.begin(slot).unwrap()
    }

    pub(crate) fn settle(&self, health: &Health) -> (Settling, Option<Restart>) {
        settle(&self.config, health).unwrap()
    }

    fn standing(&self) -> Standing {
        match read_now(&self.config) {
            Systems::Read(standing) => standing,
            other => panic!("{other:?}"),
        }
    }
}

fn provision(config: &CardConfig) {
    let row = Row {
        county: COUNTY.to_owned(),
        clinic: "0017".to_owned(),
        clinic_name: "石门村卫生室".to_owned(),
        hub: "https://hub.example:8444".to_owned(),
        hub_ca: "-----BEGIN CERTIFICATE-----\nAA==\n-----END CERTIFICATE-----\n".to_owned(),
        wifi_name: "clinic-0017".to_owned(),
        country: "CN".to_owned(),
        locale: "zh-CN".to_owned(),
        time_zone: "Asia/Shanghai".to_owned(),
        admin_key: None,
        data: Protection::Plain,
        token: "ABCDEFGH-01234567-ABCDEFGH-01234567".to_owned(),
    };
    let drawn = Drawn {
        wifi: [1; 12],
        code: [2; 8],
        signature: 0xfeed_0001,
    };
    let (identity, secrets) = row.make(&drawn, "2026-11-26T08:00:00Z".to_owned()).unwrap();
    let mut device = FileDevice::open_to_write(&config.device).unwrap();
    let layout = Layout::read(&mut device).unwrap();
    let mut part = Part::new(&mut device, layout.select);
    let system = fatfs::FileSystem::new(&mut part, fatfs::FsOptions::new()).unwrap();
    system.root_dir().create_dir(CLINIC).unwrap();
    for (name, bytes) in [
        (IDENTITY, identity.seal(&key()).as_bytes()),
        (SECRETS, &secrets.to_sector()[..]),
    ] {
        let mut file = system.root_dir().create_file(name).unwrap();
        file.write_all(bytes).unwrap();
    }
    system.unmount().unwrap();
    part.flush().unwrap();
    Layout::sign(&mut device, identity.disk_signature).unwrap();
    device.flush().unwrap();
}

#[test]
fn a_bundle_is_taken_installed_tried_and_kept() {
    for is_whole in [true, false] {
        let bench = Bench::new();
        assert_eq!(bench.start(Slot::A), Began::Ordinary { starts: 1 });
        assert_eq!(bench.settle(&Health::Well), (Settling::Note, None));
        let path = bench.bundle(2, is_whole, |_| {});
        assert_eq!(bench.take(&path).unwrap(), Version(2));
        assert!(bench.mailbox.bundle().exists() && !bench.mailbox.arriving().exists());
        assert_eq!(bench.work(), None);
        assert!(!bench.mailbox.bundle().exists(), "an answered request is gone");
        let standing = bench.standing();
        assert!(standing.is_ready() && standing.said == Some(Said::Installed { version: 2 }));

        // The next start: the box is well, and restarts for the trial.
        bench.start(Slot::A);
        let tried = bench.settle(&Health::Well);
        assert_eq!(tried, (Settling::NoteAndTry, Some(Restart::Trial)));
        assert_eq!(bench.start(Slot::B), Began::OnTrial(Version(2)));
        assert!(bench.standing().on_trial);
        assert_eq!(bench.settle(&Health::Well), (Settling::Note, None));
        let standing = bench.standing();
        assert_eq!(standing.last, Outcome::Committed(Version(2)));
        assert_eq!((standing.starts, standing.version), (Slot::B, Some(Version(2))));
        // The older one in the other slot is not tried again.
        bench.start(Slot::B);
        assert_eq!(bench.settle(&Health::Well), (Settling::Note, None));
    }
}

#[test]
fn a_person_may_restart_at_once_and_a_bad_version_goes_back_with_its_reason() {
    let bench = Bench::new();
    bench.start(Slot::A);
    bench.settle(&Health::Well);
    let path = bench.bundle(2, true, |_| {});
    bench.take(&path).unwrap();
    bench.work();
    bench.mailbox.ask(&bench.mailbox.restart()).unwrap();
    assert_eq!(bench.work(), Some(Restart::Trial));
    assert_eq!(bench.start(Slot::B), Began::OnTrial(Version(2)));
    let ill = Health::Ill("store: no room".to_owned());
    let (settling, restart) = bench.settle(&ill);
    assert!(matches!(settling, Settling::GoBack(_)) && restart == Some(Restart::Plain));
    bench.start(Slot::A);
    assert_eq!(bench.settle(&Health::Well), (Settling::Note, None));
    let last = bench.standing().last;
    assert!(
        matches!(&last, Outcome::RolledBack { version: Version(2), why: Why::Unhealthy, detail }
            if detail == "store: no room"),
        "{last:?}"
    );
    let again = bench.take(&path).unwrap_err();
    assert_eq!(again.text(), "update-went-back", "{again}");
}

#[test]
fn a_request_that_comes_back_after_a_power_cut_does_not_undo_what_was_installed() {
    let bench = Bench::new();
    bench.start(Slot::A);
    bench.settle(&Health::Well);
    let path = bench.bundle(2, true, |_| {});
    bench.take(&path).unwrap();
    bench.work();
    let installed = fs::read(&bench.config.device).unwrap();
    bench.take(&path).unwrap();
    let mut moved = 0;
    work(&bench.config, &bench.mailbox, |bytes| moved += bytes).unwrap();
    assert_eq!(moved, 0, "nothing is written twice");
    assert!(fs::read(&bench.config.device).unwrap() == installed);
    assert_eq!(bench.settle(&Health::Well).0, Settling::NoteAndTry);
}

#[test]
fn a_trial_that_ends_with_the_power_is_asked_for_once_more_and_a_sick_box_stays_where_it_is() {
    let bench = Bench::new();
    bench.start(Slot::A);
    bench.settle(&Health::Well);
    bench.take(&bench.bundle(2, true, |_| {})).unwrap();
    bench.work();
    bench.settle(&Health::Well);
    // The power goes while the flag is set: the firmware takes the old slot.
    assert_eq!(bench.start(Slot::A), Began::TrialOpen(Version(2)));
    let again = bench.settle(&Health::Ill("the page does not answer".to_owned()));
    assert_eq!(again, (Settling::TryAgain, Some(Restart::Trial)));
    let began = bench.start(Slot::A);
    assert_eq!(began, Began::RolledBack(Version(2), Why::NeverBegan));
    let sick = bench.settle(&Health::Ill("store".to_owned()));
    assert_eq!(sick, (Settling::Stay, None));
}

#[test]
fn what_is_not_for_this_box_leaves_nothing_behind() {
    let bench = Bench::new();
    bench.start(Slot::A);
    bench.settle(&Health::Well);
    let refused = |path: &std::path::Path, text: &str| {
        let fault = bench.take(path).unwrap_err();
        assert_eq!(fault.text(), text, "{fault}");
        assert!(!bench.mailbox.bundle().exists() && !bench.mailbox.arriving().exists());
    };
    refused(
        &bench.bundle(2, true, |to| to.county = "441803"),
        "update-other-county",
    );
    refused(
        &bench.bundle(2, true, |to| to.board = "pi4"),
        "update-other-hardware",
    );
    refused(&bench.bundle(1, true, |_| {}), "update-not-newer");
    let later = DataForms {
        oldest: DATA.writes,
        newest: DATA.newest + 1,
        writes: DATA.newest + 1,
    };
    refused(&bench.bundle(2, true, |to| to.data = later), "update-no-way-back");
    let path = bench.bundle(2, true, |_| {});
    let whole = fs::read(&path).unwrap();
    fs::write(&path, &whole[..whole.len() - 1]).unwrap();
    refused(&path, "update-damaged");
    let mut tampered = whole.clone();
    tampered[300] ^= 1;
    fs::write(&path, &tampered).unwrap();
    refused(&path, "update-not-believed");
    let mut damaged = whole.clone();
    let last = damaged.len() - 5;
    damaged[last] ^= 1;
    fs::write(&path, &damaged).unwrap();
    refused(&path, "update-damaged");
    fs::write(&path, "no bundle").unwrap();
    refused(&path, "update-not-believed");
    refused(&bench.at("gone"), "update-file");

    // Changed between the check and the installing: refused there, said, and the request is gone.
    bench.mailbox.make().unwrap();
    fs::write(bench.mailbox.bundle(), &damaged).unwrap();
    let fault = work(&bench.config, &bench.mailbox, |_| {}).unwrap_err();
    assert_eq!(fault.text(), "update-damaged", "{fault}");
    assert!(!bench.mailbox.bundle().exists());
    assert!(matches!(bench.standing().said, Some(Said::Refused { text, .. }) if text == "update-damaged"));
    assert_eq!(bench.settle(&Health::Well), (Settling::Note, None));
}

#[test]
fn the_used_token_is_cleared_for_a_process_that_may_not_write_the_card() {
    let bench = Bench::new();
    bench.mailbox.ask(&bench.mailbox.token_used()).unwrap();
    bench.work();
    let mut device = FileDevice::open_to_read(&bench.config.device).unwrap();
    let layout = Layout::read(&mut device).unwrap();
    let (_, kept) = card::identity::read(&mut device, &layout, &[key().public()]).unwrap();
    assert_eq!(kept, Kept::Used);
    assert!(!bench.mailbox.token_used().exists());
}

#[test]
fn bundles_on_a_stick_are_found_by_what_they_are() {
    let bench = Bench::new();
    let stick = bench.at("stick");
    fs::create_dir(&stick).unwrap();
    fs::copy(bench.bundle(2, true, |_| {}), stick.join("b.bundle")).unwrap();
    fs::write(stick.join("a.bundle"), "photo").unwrap();
    fs::write(stick.join("c.txt"), card::bundle::MAGIC).unwrap();
    assert_eq!(taking::bundles_in(&stick), [stick.join("b.bundle")]);
    assert!(taking::bundles_in(&bench.at("gone")).is_empty());
}

#[tokio::test]
async fn a_box_that_serves_is_well_and_one_that_does_not_is_told() {
    let folder = tempfile::tempdir().unwrap();
    let options = crate::Options {
        listen: "127.0.0.1:0".parse().unwrap(),
        ..crate::Options::new(folder.path())
    };
    let running = crate::run(options).await.unwrap();
    let pages = running.pages;
    let ask = move || settle::wait(Duration::ZERO, || health::ask(pages));
    let well = tokio::task::spawn_blocking(ask).await.unwrap();
    assert_eq!(well, Health::Well);
    running.stop().await;
    let silent = tokio::task::spawn_blocking(ask).await.unwrap();
    assert!(matches!(silent, Health::Ill(why) if why.contains("does not answer")));
}

//! A box whose data a person opens, as people meet it: founded, without power, asked at the kiosk before anybody came,
//! opened at a tablet that trusts it. The programs and the browser are real, and so is the opener over a card in a file;
//! only its mount is a note, since a test mounts nothing.

#[path = "../../image-builder/tests/clinic_card/person.rs"]
pub(crate) mod person_card;

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use appliance::opener::{Opener, System, serving};
use card::FileDevice;
use card::luks::{Cost, VolumeKey};
use card::mbr::Extent;
use card::random::Random;
use harness::browser::{Browser, Screen};
use harness::programs::{Program, wait_until};
use person_card::Board;

const PIN: &str = "红旗渠1969";
const NAME: &str = "吕小兰";
const NUMBER: &str = "11010519491231002X";

/// The mount, as a note.
struct Noted(Arc<AtomicBool>);

impl System for Noted {
    fn is_open(&self) -> bool {
        self.0.load(Ordering::SeqCst)
    }

    fn open(&mut self, _: Extent, _: [u8; 16], _: &VolumeKey) -> Result<(), String> {
        self.0.store(true, Ordering::SeqCst);
        Ok(())
    }

    fn start_anew(&mut self) {
        self.0.store(false, Ordering::SeqCst);
    }
}

/// A box in a folder.
pub(crate) struct Site {
    folder: tempfile::TempDir,
    starts: u8,
}

impl Site {
    /// One whose card is made so.
    pub(crate) fn new(made: fn(&Path) -> VolumeKey) -> Self {
        let folder = tempfile::tempdir().unwrap();
        made(&folder.path().join("card"));
        let run = folder.path().join("run");
        for folder in [&run, &folder.path().join("logs"), &folder.path().join("memory")] {
            std::fs::create_dir(folder).unwrap();
        }
        std::fs::write(run.join("person"), "yes\n").unwrap();
        let settings = format!(
            "[card]\ndevice = {:?}\ncounty_key = {:?}\nrun = {:?}\n[http]\nscreen_listen = \"127.0.0.1:0\"\n[lan]\nname = \"localhost\"\naddresses = [\"127.0.0.1\"]\n",
            folder.path().join("card"),
            folder.path().join("none"),
            run
        );
        std::fs::write(folder.path().join("box.toml"), settings).unwrap();
        Self { folder, starts: 0 }
    }

    /// Something below its folder.
    pub(crate) fn at(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// The opener of a start; what it answers follows from whether the data are mounted.
    pub(crate) fn opener(&mut self, is_open: bool) -> Arc<AtomicBool> {
        self.starts += 1;
        let mounted = Arc::new(AtomicBool::new(is_open));
        let device = FileDevice::open_in_use(&self.at("card")).unwrap();
        let random = Random::new([self.starts; 32].into());
        let noted = Noted(Arc::clone(&mounted));
        let opener = Opener::new(device, noted, &Board, random, Cost::BOX, Duration::ZERO);
        let mut opener = opener.unwrap();
        let user = std::os::unix::fs::MetadataExt::uid(&std::fs::metadata(self.at("run")).unwrap());
        let listener = serving::listen(&self.at("run").join("opener.sock"), user).unwrap();
        std::thread::spawn(move || serving::serve(&listener, user, &mut opener, || {}));
        mounted
    }

    /// A program of the box on a folder of its own.
    pub(crate) fn program(&self, verb: &str, folder: &str) -> Program {
        let (path, config) = (
            self.at(folder).display().to_string(),
            self.at("box.toml").display().to_string(),
        );
        let place = if verb == "serve" { "--data" } else { "--state" };
        let arguments = [
            verb,
            place,
            &path,
            "--config",
            &config,
            "--listen",
            "127.0.0.1:0",
            "--lan-listen",
            "127.0.0.1:0",
        ];
        Program::start("appliance", &arguments, &[], &self.at("logs"))
    }

    /// The box's own authority, as a tablet installs it.
    pub(crate) fn authority(&self) -> PathBuf {
        let folder = self.at("box").join("lan");
        let files = std::fs::read_dir(folder)
            .unwrap()
            .map(|entry| entry.unwrap().path());
        files.into_iter().find(|path| is_certificate(path)).unwrap()
    }
}

fn is_certificate(path: &Path) -> bool {
    std::fs::read_to_string(path).is_ok_and(|text| text.starts_with("-----BEGIN CERTIFICATE"))
}

async fn send(browser: &Browser, fields: &[(&str, &str)]) {
    for (name, value) in fields {
        browser.fill(&format!("[name={name}]"), value).await;
    }
    browser.submit("form .button-main[type=submit]").await;
}

/// First start at the box's own screen, with its step of the start PIN.
async fn found(browser: &Browser, url: &str) {
    browser.open(url).await;
    browser.submit("form .button-main[type=submit]").await;
    send(browser, &[("clinic_name", "石门村卫生室"), ("code", "0017")]).await;
    let doctor = [
        ("name", "李医生"),
        ("login", "li"),
        ("password", "correct horse"),
        ("pin", "4827"),
    ];
    send(browser, &doctor).await;
    browser.wait_text("第 4 步，共 6 步").await;
    send(browser, &[("new", "123456"), ("again", "123456")]).await;
    browser.wait_text("太容易猜到").await;
    browser.screenshot("locked-first-start").await;
    send(browser, &[("new", PIN), ("again", PIN)]).await;
    browser.wait_text("第 5 步，共 6 步").await;
}

#[tokio::test]
async fn a_locked_box_takes_a_reading_at_the_kiosk_and_is_opened_at_a_tablet_that_trusts_it() {
    let mut site = Site::new(person_card::by_person);
    site.opener(true);
    let mut open = site.program("serve", "box");
    let browser = Browser::start(Screen::Tablet).await;
    found(&browser, &open.url("pages")).await;
    let left = || {
        let card = std::fs::read(site.at("card")).unwrap();
        card.windows(13)
            .any(|window| window == b"clinic-door-1")
            .then_some(())
    };
    wait_until("the papers are left", left);
    open.stop();

    // A start without a person.
    let mounted = site.opener(false);
    let mut locked = site.program("locked", "memory");
    let (pages, lan, screen) = (locked.url("pages"), locked.url("lan"), locked.url("screen"));
    let lan = lan.replace("127.0.0.1", "localhost");
    let kiosk = Browser::start(Screen::Kiosk).await;
    // From the box's own screen nothing leads to the start PIN.
    kiosk.open(&screen.replace("127.0.0.1", "localhost")).await;
    kiosk.find("[name=number]").await;
    kiosk.open(&format!("{screen}recover")).await;
    kiosk.find("[name=number]").await;
    kiosk.open(&format!("{pages}kiosk")).await;
    kiosk.screenshot("locked-kiosk").await;
    send(&kiosk, &[("name", NAME), ("number", NUMBER)]).await;
    kiosk.screenshot("locked-kiosk-values").await;
    send(&kiosk, &[("bp", "151/97")]).await;
    kiosk.wait_text("已密封保存").await;
    kiosk.screenshot("locked-kiosk-done").await;

    let tablet = Browser::start_trusting(Screen::Tablet, &site.authority(), &[]).await;
    tablet.open(&lan).await;
    tablet.wait_text("请输入开机密码").await;
    tablet.screenshot("locked-tablet").await;
    for _ in 0..4 {
        send(&tablet, &[("pin", "红旗渠1968")]).await;
    }
    tablet.wait_text("秒后再试").await;
    tablet.resize(Screen::TabletUpright).await;
    tablet.screenshot("locked-wait-upright").await;
    // Its own time comes, and the page with the field by itself.
    tablet.find("[name=pin]").await;
    tablet.screenshot("locked-upright").await;
    tablet.speak("en").await;
    tablet.open(&lan).await;
    tablet.screenshot("locked-upright-en").await;
    tablet.open(&format!("{lan}recover")).await;
    tablet.screenshot("locked-recover-en").await;
    tablet.open(&lan).await;
    send(&tablet, &[("pin", PIN)]).await;
    tablet.wait_text("Data open").await;
    assert!(mounted.load(Ordering::SeqCst));
    locked.stop();

    let mut open = site.program("serve", "box");
    let url = open.url("pages");
    browser.open(&format!("{url}tray")).await;
    // A tablet that nobody touched is locked by now.
    send(&browser, &[("pin", "4827")]).await;
    browser.wait_text("151/97").await;
    browser.screenshot("locked-tray").await;
}

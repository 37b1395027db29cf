//! A clinic of the long lane: a card of a real image, provisioned, in an emulated box, with sticks and bundles. The image is
//! that of release 1 in the folder that `CLINIC_IMAGES` names, beside the key of its county.

use std::fs::{self, File};
use std::io::{Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use card::FileDevice;
use card::state::State;
use tempfile::TempDir;

use crate::qemu::{Machine, card_of};
use crate::running::run;

/// Bytes of the stick.
const STICK: u64 = 256 << 20;
const COUNTY: &str = "441802";

/// A clinic whose box is emulated.
pub(crate) struct Clinic {
    pub(crate) folder: TempDir,
    images: PathBuf,
}

impl Clinic {
    /// A card of release 1 that was provisioned for a clinic whose hub cannot be reached.
    pub(crate) fn new() -> Self {
        Self::alone("1")
    }

    /// The same with the image of this folder.
    pub(crate) fn alone(image: &str) -> Self {
        let hub = "-----BEGIN CERTIFICATE-----\nAA==\n-----END CERTIFICATE-----\n";
        Self::on(
            image,
            "https://10.0.2.99:8444",
            hub,
            "AAAAAAAA-BBBBBBBB-0001",
            &[],
        )
    }

    /// The same for this hub, with its certificate and its token, and with more words of `provision`.
    pub(crate) fn of(hub: &str, authority: &str, token: &str, words: &[&str]) -> Self {
        Self::on("1", hub, authority, token, words)
    }

    /// A clinic whose hub cannot be reached, and whose data a person opens.
    pub(crate) fn by_person() -> Self {
        let hub = "-----BEGIN CERTIFICATE-----\nAA==\n-----END CERTIFICATE-----\n";
        Self::made(
            "1",
            "https://10.0.2.99:8444",
            hub,
            "AAAAAAAA-BBBBBBBB-0001,口令",
            &[],
        )
    }

    /// A clinic of this hub, which opens its data.
    pub(crate) fn by_hub(hub: &str, authority: &str, token: &str) -> Self {
        Self::made("1", hub, authority, &format!("{token},县中心"), &[])
    }

    /// The same with the image of this folder.
    pub(crate) fn on(image: &str, hub: &str, authority: &str, token: &str, words: &[&str]) -> Self {
        Self::made(image, hub, authority, &format!("{token},"), words)
    }

    /// The same; behind the token stands how the data are protected.
    fn made(image: &str, hub: &str, authority: &str, token: &str, words: &[&str]) -> Self {
        let images =
            std::env::var_os("CLINIC_IMAGES").expect("CLINIC_IMAGES names the folder of three images");
        let this = Self {
            folder: TempDir::new().unwrap(),
            images: PathBuf::from(images),
        };
        card_of(&this.image(image), &this.at("card"));
        let table = format!("机构代码,名称,入网码,数据加密\n0017,石门村卫生室,{token}\n");
        fs::write(this.at("clinics.csv"), table).unwrap();
        fs::write(this.at("hub.pem"), authority).unwrap();
        let key = this.key();
        let call = ["provision", "clinics.csv", "--county", COUNTY, "--key", &key];
        let more = ["--hub-ca", "hub.pem", "--hub", hub];
        let card = ["--card", "card:file"];
        let ran = run(this.folder.path(), &[&call[..], &more, &card, words].concat());
        assert!(ran.is_well, "{ran:?}");
        this
    }

    pub(crate) fn at(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    pub(crate) fn image(&self, name: &str) -> PathBuf {
        let folder = fs::read_dir(self.images.join(name)).unwrap();
        let mut files = folder.map(|entry| entry.unwrap().path());
        files
            .find(|path| path.extension().is_some_and(|end| end == "img"))
            .unwrap()
    }

    pub(crate) fn key(&self) -> String {
        self.images.join("county.key").display().to_string()
    }

    /// A bundle from release 1 to another one.
    pub(crate) fn bundle(&self, release: u64) -> PathBuf {
        let path = self.at(&format!("{release}.bundle"));
        if !path.exists() {
            let (old, new) = (self.image("1"), self.image(&release.to_string()));
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
    pub(crate) fn stick(&self, files: &[(&str, Vec<u8>)]) -> PathBuf {
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

    pub(crate) fn state(&self) -> State {
        let mut device = FileDevice::open_to_read(&self.at("card")).unwrap();
        State::read(&mut device).unwrap()
    }

    pub(crate) fn start(&self, name: &str, stick: Option<&Path>, flag: bool) -> Machine {
        Machine::start(self.folder.path(), name, stick, flag)
    }

    /// Starts the box as it restarts by itself, until it stays: the last start, settled.
    pub(crate) fn follow(&self, name: &str, stick: Option<&Path>, mut flag: bool) -> Machine {
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
pub(crate) fn found(machine: &mut Machine) {
    found_with(machine, None);
}

/// The same, with a start PIN where the box asks for one.
pub(crate) fn found_with(machine: &mut Machine, pin: Option<&str>) {
    let pin = pin.map(|pin| [("new", pin), ("again", pin)]);
    let mut steps: Vec<(&str, &[(&str, &str)])> = vec![
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
    if let Some(fields) = &pin {
        steps.insert(3, ("/start/pin", fields));
    }
    machine.get("/start");
    for (path, fields) in steps {
        let (last, page) = machine.post(path, fields);
        assert!(last.ends_with(" 200"), "{path}: {last} {page}");
    }
}

/// Signs in at a box that was founded.
pub(crate) fn sign_in(machine: &mut Machine) {
    let (last, page) = machine.post("/sign-in", &[("user", "li"), ("password", "correct horse")]);
    assert!(last.ends_with(" 200"), "{last} {page}");
}

/// Waits for words on a page.
pub(crate) fn shows(machine: &mut Machine, path: &str, words: &str) {
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

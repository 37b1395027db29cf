//! A release goes out to a county: put in at the hub, fetched by a box over the link, written into the other slot of a card in
//! a file, tried and kept; the next one is bad, comes back, and the hub offers it to nobody else. Real programs.

use std::path::{Path, PathBuf};

use card::FileDevice;
use card::bundle::{Addressed, DataForms, Images, make};
use card::layout::Slot;
use card::signed::SecretKey;
use card::slots::{Began, Card};
use card::state::Version;
use harness::county_hub::CountyHub;
use harness::programs::{Program, Said, run, wait_until};
use serde_json::Value;

use super::first_start::clinic_card;

/// The clinics: the first stage, and the one behind it.
const CLINICS: [(&str, &str); 2] = [("0017", "石门村卫生室"), ("0018", "柳树湾村卫生室")];

/// Content of a version's partition, of whole blocks.
fn partition(version: u64, length: usize) -> Vec<u8> {
    let mut bytes: Vec<u8> = (0..length as u32)
        .map(|at| (at.wrapping_mul(2_654_435_761) >> 24) as u8)
        .collect();
    bytes[..8].copy_from_slice(&version.to_be_bytes());
    bytes
}

/// A box that starts from a card in a file.
struct CardBox {
    folder: PathBuf,
    name: &'static str,
    program: Option<Program>,
}

impl CardBox {
    fn path(&self, name: &str) -> String {
        self.folder
            .join(format!("{}-{name}", self.name))
            .display()
            .to_string()
    }

    /// What the firmware and the first program do, then the box.
    fn start(&mut self, slot: Slot) -> Began {
        std::fs::write(self.path("run") + "/slot", format!("{slot:?}\n")).unwrap();
        let device = FileDevice::open_to_write(Path::new(&self.path("card"))).unwrap();
        let began = Card::open(device).unwrap().begin(slot).unwrap();
        let (data, config) = (self.path("data"), self.path("box.toml"));
        let words = [
            "serve",
            "--data",
            &data,
            "--config",
            &config,
            "--listen",
            "127.0.0.1:0",
        ];
        let logs = self.folder.join(format!("{}-logs", self.name));
        std::fs::create_dir_all(&logs).unwrap();
        let mut program = Program::start("appliance", &words, &[], &logs);
        program.url("pages");
        self.program = Some(program);
        began
    }

    fn stop(&mut self) {
        assert!(self.program.take().unwrap().stop().success());
    }

    fn update(&self, words: &[&str]) -> Value {
        let config = self.path("box.toml");
        let mut all = vec!["update"];
        all.extend(words);
        all.extend(["--config", &config, "--json"]);
        let said: Said = run("appliance", &all, b"");
        assert_eq!(said.code, 0, "{words:?} {} {}", said.out, said.err);
        said.json()
    }

    /// What the service manager does once a request lies in the mailbox.
    fn work(&self) {
        let request = PathBuf::from(self.path("data")).join("update/requests/ready.bundle");
        wait_until("the release came whole", || request.exists().then_some(()));
        let data = self.path("data");
        self.update(&["work", "--data", &data, "--no-restart"]);
    }

    /// The verdict after a start, over the running box or over nobody who answers.
    fn settle(&mut self, is_well: bool) -> Value {
        let pages = match (&mut self.program, is_well) {
            (Some(program), true) => program.url("pages"),
            _ => "http://127.0.0.1:9/".to_owned(),
        };
        let pages = pages
            .trim_start_matches("http://")
            .trim_end_matches('/')
            .to_owned();
        self.update(&["settle", "--pages", &pages, "--patience", "0", "--no-restart"])
    }
}

fn provisioned(folder: &Path, hub: &CountyHub) -> Vec<CardBox> {
    let path = |name: &str| folder.join(name).display().to_string();
    let image_builder = |words: &[&str]| {
        let said = run("image-builder", words, b"");
        assert_eq!(said.code, 0, "{words:?} {} {}", said.out, said.err);
    };
    let (boot, root) = (partition(1, 64 << 10), partition(1, 512 << 10));
    clinic_card::image_of(&folder.join("clinic.img"), 1, &boot, &root);
    let (key, table, ledger) = (path("county.key"), path("clinics.csv"), path("cards.jsonl"));
    image_builder(&["key", &key]);
    let mut lines = "机构代码,名称,入网码\n".to_owned();
    for (code, name) in CLINICS {
        lines.push_str(&format!("{code},{name},{}\n", hub.invite(code, name)));
    }
    std::fs::write(&table, lines).unwrap();
    let authority = hub.authority().display().to_string();
    let address = format!("https://{}", hub.link());
    CLINICS
        .iter()
        .map(|(code, _)| {
            let made = CardBox {
                folder: folder.to_owned(),
                name: code,
                program: None,
            };
            let card = made.path("card");
            clinic_card::card(Path::new(&card));
            let target = format!("{card}:file");
            image_builder(&[
                "flash",
                &path("clinic.img"),
                "--card",
                &target,
                "--ledger",
                &ledger,
            ]);
            image_builder(&[
                "provision",
                &table,
                "--county",
                "441802",
                "--key",
                &key,
                "--hub-ca",
                &authority,
                "--hub",
                &address,
                "--card",
                &target,
                "--clinic",
                code,
                "--ledger",
                &ledger,
            ]);
            std::fs::create_dir(made.path("run")).unwrap();
            std::fs::write(made.path("run") + "/board", "virt\n").unwrap();
            let settings = format!(
                "[card]\ndevice = {card:?}\ncounty_key = {:?}\nrun = {:?}\n",
                path("county.key.pub"),
                made.path("run"),
            );
            std::fs::write(made.path("box.toml"), settings).unwrap();
            made
        })
        .collect()
}

/// A signed bundle of a version, whole.
fn bundle(folder: &Path, version: u64, data: DataForms) -> String {
    let key = std::fs::read_to_string(folder.join("county.key")).unwrap();
    let key = SecretKey::parse(key.trim()).unwrap();
    let (boot, root) = (partition(version, 64 << 10), partition(version, 512 << 10));
    let new = Images {
        version: Version(version),
        boot: &boot,
        root: &root,
    };
    let to = Addressed {
        county: "441802",
        hardware: &["virt".to_owned()],
        data,
    };
    let path = folder.join(format!("{version}.bundle"));
    std::fs::write(&path, make(&new, None, &to, &key, 3).unwrap()).unwrap();
    path.display().to_string()
}

fn box_of(hub: &CountyHub, clinic: &str) -> Value {
    let told = hub.verb(&["release", "list"], &["--json"]).json();
    let mut boxes = told["boxes"].as_array().unwrap().iter();
    let found = boxes.rfind(|one| one["clinic"] == clinic);
    found.cloned().unwrap_or_default()
}

#[test]
fn a_release_reaches_the_first_boxes_and_a_bad_one_stops_there() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let hub = CountyHub::start(folder);
    let mut boxes = provisioned(folder, &hub);
    for one in &mut boxes {
        assert_eq!(one.start(Slot::A), Began::Ordinary { starts: 1 });
        one.settle(true);
    }
    for (code, _) in CLINICS {
        wait_until("the hub hears which system runs", || {
            (box_of(&hub, code)["running"] == 1).then_some(())
        });
    }
    let forms = boxes[0].update(&["status"])["data"].clone();
    let form = |key: &str| forms[key].as_u64().unwrap() as u32;
    let data = DataForms {
        oldest: form("oldest"),
        newest: form("newest"),
        writes: form("writes"),
    };
    let county_key = folder.join("county.key.pub").display().to_string();
    let add = |version: u64| {
        let file = bundle(folder, version, data);
        hub.verb(
            &["release", "add", &file],
            &["--county-key", &county_key, "--json"],
        );
    };

    // Version 2 goes to both stages.
    add(2);
    let offered = hub.verb(
        &["release", "offer", "2"],
        &["--stage", "0017", "--stage", "rest", "--json"],
    );
    assert_eq!(offered.json()["offered_now"], serde_json::json!(["0017"]));
    let first = &mut boxes[0];
    first.work();
    first.stop();
    first.start(Slot::A);
    assert_eq!(first.settle(true)["restart"], "trial");
    first.stop();
    assert_eq!(first.start(Slot::B), Began::OnTrial(Version(2)));
    first.settle(true);
    assert_eq!(first.update(&["status"])["version"], 2);
    wait_until("the hub hears of it", || {
        (box_of(&hub, "0017")["running"] == 2).then_some(())
    });
    assert!(
        !PathBuf::from(boxes[1].path("data"))
            .join("update/requests/ready.bundle")
            .exists()
    );
    let gone_on = hub.verb(&["release", "go-on"], &["--json"]).json();
    assert_eq!(gone_on["offered_now"], serde_json::json!(["0018"]));
    boxes[1].work();

    // Version 3 is bad: nobody answers when it looks at itself.
    add(3);
    hub.verb(
        &["release", "offer", "3"],
        &["--stage", "0017", "--stage", "rest", "--json"],
    );
    let first = &mut boxes[0];
    first.work();
    first.stop();
    first.start(Slot::B);
    first.settle(true);
    first.stop();
    assert_eq!(first.start(Slot::A), Began::OnTrial(Version(3)));
    assert_eq!(first.settle(false)["restart"], "plain");
    first.stop();
    first.start(Slot::B);
    first.settle(true);
    let told = wait_until("the hub hears that it went back", || {
        Some(box_of(&hub, "0017")).filter(|told| told["went_back"]["version"] == 3)
    });
    assert_eq!(
        (&told["running"], &told["went_back"]["why"]),
        (&2.into(), &"Unhealthy".into())
    );
    let now = hub.verb(&["release", "list"], &["--json"]).json();
    assert_eq!(now["now"]["stopped"], true, "{now}");
    assert_eq!(now["now"]["offered_now"], serde_json::json!([]));
    for one in &mut boxes {
        one.stop();
    }
}

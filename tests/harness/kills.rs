//! Ends the real processes under a mixed load, as a power cut would, and looks for every record that they had
//! acknowledged: tablets register, write and edit, some of it urgent; the box sends to its hub; a backup is made. A seed
//! decides for each kill whether the box or the hub dies, and whether it is killed after the n-th acknowledgement or
//! ends itself at a named point of its code.

use std::collections::{BTreeMap, HashMap};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Mutex, PoisonError};

use rand::rngs::StdRng;
use rand::{RngExt as _, SeedableRng as _};
use serde_json::{Value, json};
use tokio::sync::Notify;

use crate::doctor::CODE;
use crate::far_hub::{self, FarHub};
use crate::plain_browser::{Answer, PlainBrowser, form_id};
use crate::programs::{PATIENCE, Program, program_path, run};

/// Folders that are worked on at the same time.
const LANES: u32 = 2;
/// Kills of one folder, one after the other, before a fresh one is taken: the recovered state is killed again, and
/// folders stay small.
const KILLS_OF_FOLDER: u32 = 5;
/// Tablets that save at the same time.
const TABLETS: usize = 4;
/// How often a backup runs beside.
const BACKUPS: f64 = 0.3;
/// Acknowledgements after which a process is killed even where it never came to its named point.
const ACKNOWLEDGED_MAX: usize = 150;
/// The same where the hub is to die.
const HUB_ACKNOWLEDGED_MAX: usize = 60;

/// A pressure that somebody must see at once: it goes to the hub without waiting for more.
const CRITICAL: &str = "186/122";
/// What the page asks to confirm of it.
const CONFIRMING: &str = "bp=186/122";

/// Who dies.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Side {
    Box,
    Hub,
}

/// How one process ends.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Death {
    /// SIGKILL after so many acknowledgements of the box.
    Killed(Side, usize),
    /// By itself at `point:count`.
    AtPoint(Side, String),
}

impl Death {
    fn draw(dice: &mut StdRng) -> Self {
        let points = ["mid-derive", "before-commit", "before-reply"];
        let side = if dice.random_bool(0.6) {
            Side::Box
        } else {
            Side::Hub
        };
        if dice.random_bool(0.5) {
            return Self::Killed(side, dice.random_range(1..=40));
        }
        let point = points[dice.random_range(0..points.len())];
        // The first transactions open the session, before anybody saves.
        let count = match side {
            Side::Box => dice.random_range(12..=80),
            Side::Hub => dice.random_range(4..=20),
        };
        Self::AtPoint(side, format!("{point}:{count}"))
    }

    /// What tells a program of this side to end by itself.
    fn environment(&self, of: Side) -> Vec<(&'static str, &str)> {
        let name = match of {
            Side::Box => "APPLIANCE_CRASH_AT",
            Side::Hub => "SYNC_SERVER_CRASH_AT",
        };
        match self {
            Self::AtPoint(side, at) if *side == of => vec![(name, at.as_str())],
            Self::AtPoint(..) | Self::Killed(..) => Vec::new(),
        }
    }

    /// Acknowledgements after which it comes, or is not waited for any longer.
    fn after(&self) -> usize {
        match self {
            Self::Killed(_, after) => *after,
            Self::AtPoint(Side::Box, _) => ACKNOWLEDGED_MAX,
            Self::AtPoint(Side::Hub, _) => HUB_ACKNOWLEDGED_MAX,
        }
    }
}

/// What the box said was saved: document and a text that stands in it.
#[derive(Debug, Default)]
struct Acknowledged {
    records: Mutex<Vec<(String, String)>>,
    news: Notify,
}

impl Acknowledged {
    fn add(&self, document: &str, text: &str) {
        let mut records = self.records.lock().unwrap_or_else(PoisonError::into_inner);
        records.push((document.to_owned(), text.to_owned()));
        drop(records);
        self.news.notify_one();
    }

    fn all(&self) -> Vec<(String, String)> {
        self.records
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    fn len(&self) -> usize {
        self.all().len()
    }

    async fn reach(&self, wanted: usize) {
        while self.len() < wanted {
            self.news.notified().await;
        }
    }
}

fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap()
}

/// A clinic with its doctor, enrolled at a hub; the cookies of the doctor's tablet.
fn found(folder: &Path) -> BTreeMap<String, String> {
    let ends = FarHub::of(folder, CODE);
    let data = ends.box_data();
    let arguments = [
        "serve",
        "--data",
        data.to_str().unwrap(),
        "--listen",
        "127.0.0.1:0",
    ];
    let mut box_ = Program::start("appliance", &arguments, &[], &folder.join("logs"));
    let tablet = PlainBrowser::new(&box_.url("pages"), BTreeMap::new());
    runtime().block_on(tablet.found());
    assert!(box_.stop().success());
    ends.enrol();
    tablet.cookies()
}

/// One tablet: registers people, opens their visits, saves them again and again, until the box is gone.
async fn work(
    tablet: &PlainBrowser,
    run: u32,
    lane: usize,
    done: &Acknowledged,
) -> Result<(), reqwest::Error> {
    for n in 0.. {
        let phone = format!("139{:08}", (run as usize * TABLETS + lane) * 1_000 + n);
        let fields = [("name", "王测"), ("phone", phone.as_str()), ("allergies", "none")];
        let patient = save(tablet, "/patients/new", &fields).await?;
        done.add(&patient, &phone);
        let visit = save(tablet, &format!("/patients/{patient}/visits"), &[]).await?;
        done.add(&visit, "");
        let (complaint, advice) = (format!("咳嗽{phone}"), format!("多饮温开水{phone}"));
        write(tablet, &visit, &[("complaint", &complaint)]).await?;
        done.add(&visit, &complaint);
        let all = [
            ("complaint", complaint.as_str()),
            ("advice", advice.as_str()),
            ("bp", CRITICAL),
            ("confirming", CONFIRMING),
            ("confirm", "yes"),
        ];
        write(tablet, &visit, &all).await?;
        done.add(&visit, &advice);
    }
    Ok(())
}

/// Opens a visit's form, fills it in and saves it.
async fn write(tablet: &PlainBrowser, visit: &str, fields: &[(&str, &str)]) -> Result<(), reqwest::Error> {
    let address = format!("/visits/{visit}");
    let page = tablet.get(&address).await?;
    let base = page
        .hidden("base")
        .unwrap_or_else(|| panic!("{address} is no form: {}", page.body));
    let fields: Vec<(&str, &str)> = [("base", base)]
        .into_iter()
        .chain(fields.iter().copied())
        .collect();
    save(tablet, &address, &fields).await?;
    Ok(())
}

/// Sends a form; the id of what it made or changed. The box is gone where this fails; a refusal is a fault.
async fn save(
    tablet: &PlainBrowser,
    action: &str,
    fields: &[(&str, &str)],
) -> Result<String, reqwest::Error> {
    let form = form_id();
    let fields: Vec<(&str, &str)> = [("form", form.as_str())]
        .into_iter()
        .chain(fields.iter().copied())
        .collect();
    let answer: Answer = tablet.post(action, &fields).await?;
    assert_eq!(
        answer.status, 303,
        "{action} was refused: {:?} {}",
        answer.location, answer.body
    );
    Ok(answer.id().unwrap().to_owned())
}

/// Lets tablets work on a box beside its hub until one of the two dies; whether it did so by itself.
fn load(
    box_: Program,
    hub: Program,
    tablet: &PlainBrowser,
    run: u32,
    death: &Death,
    done: &Acknowledged,
) -> bool {
    let wanted = done.len() + death.after();
    let gone = runtime().block_on(async {
        let reached = async {
            let reached = tokio::time::timeout(PATIENCE, done.reach(wanted)).await;
            assert!(reached.is_ok(), "{death:?}: saving takes too long");
        };
        let tablets = async {
            // The box may die while the PIN is looked at.
            if tablet.unlock().await.is_err() {
                return;
            }
            let tablets = std::array::from_fn::<_, TABLETS, _>(|lane| work(tablet, run, lane, done));
            let [one, two, three, four] = tablets;
            let ends = tokio::join!(one, two, three, four);
            let ends = [ends.0, ends.1, ends.2, ends.3];
            assert!(ends.iter().all(Result::is_err), "a tablet stopped before its box");
        };
        tokio::select! {
            () = reached => false,
            () = tablets => true,
        }
    });
    match death {
        Death::Killed(Side::Box, _) | Death::AtPoint(Side::Box, _) => {
            box_.kill();
            assert!(hub.stop().success(), "{death:?}: the hub stays whole");
            gone
        }
        Death::Killed(Side::Hub, _) | Death::AtPoint(Side::Hub, _) => {
            assert!(!gone, "{death:?}: the box goes on without its hub");
            let by_itself = hub.kill_unless_gone();
            assert!(box_.stop().success(), "{death:?}: the box stays whole");
            by_itself
        }
    }
}

/// Acknowledged records that are gone and what `verify` finds broken, in words.
fn faults(ends: &FarHub, done: &Acknowledged, case: &str) -> Vec<String> {
    let (data, hub) = (ends.box_data(), ends.hub_data());
    let (data, hub) = (data.to_str().unwrap(), hub.to_str().unwrap());
    for (program, data) in [("appliance", data), ("sync-server", hub)] {
        let verify = run(program, &["verify", "--data", data, "--json"], b"");
        if verify.code != 0 || verify.json()["problems"] != json!([]) {
            return vec![format!("{case}: {program}: {} {}", verify.out, verify.err)];
        }
    }
    let export = run("appliance", &["export", "--data", data, "--all", "-"], b"");
    if export.code != 0 {
        return vec![format!("{case}: {}", export.err)];
    }
    let mut documents = HashMap::new();
    for line in export.out.lines() {
        let value: Value = serde_json::from_str(line).unwrap();
        if let Some(id) = value["id"].as_str() {
            documents.insert(id.to_owned(), line);
        }
    }
    let is_there =
        |(document, text): &(String, String)| documents.get(document).is_some_and(|line| line.contains(text));
    let lost = done.all().into_iter().filter(|record| !is_there(record));
    lost.map(|(document, text)| format!("{case}: {document} with {text:?} was acknowledged and is lost"))
        .collect()
}

/// One pair of folders: founded, then killed and started again several times.
struct Folder<'a> {
    ends: FarHub,
    cookies: &'a BTreeMap<String, String>,
    done: Acknowledged,
}

impl Folder<'_> {
    /// Starts box and hub, kills one of them under load and looks for what was acknowledged; whether it came to a named
    /// point, and what is lost or broken.
    fn kill_once(&self, run: u32, seed: u64) -> (bool, Vec<String>) {
        let mut dice = StdRng::seed_from_u64(seed.wrapping_add(u64::from(run)));
        let death = Death::draw(&mut dice);
        let case = format!("seed {seed}, kill {run}, {death:?}");
        let (hub, url) = self
            .ends
            .serve_to(None, "127.0.0.1", &death.environment(Side::Hub));
        let mut box_ = self.ends.serve_box_to(&url, &death.environment(Side::Box));
        let tablet = PlainBrowser::new(&box_.url("pages"), self.cookies.clone());
        let backup = dice.random_bool(BACKUPS).then(|| self.begin_backup());
        let by_itself = load(box_, hub, &tablet, run, &death, &self.done);
        assert!(
            !by_itself || matches!(death, Death::AtPoint(..)),
            "{case}: it ended by itself"
        );
        let mut faults = faults(&self.ends, &self.done, &case);
        if let Some(said) = backup.map(|backup| backup.wait_with_output().unwrap())
            && !said.status.success()
        {
            let said = String::from_utf8_lossy(&said.stderr);
            faults.push(format!("{case}: the backup failed: {said}"));
        }
        (by_itself, faults)
    }

    /// A backup by a program beside the box; it checks itself by restoring.
    fn begin_backup(&self) -> Child {
        Command::new(program_path("appliance"))
            .arg("backup")
            .arg("--data")
            .arg(self.ends.box_data())
            .arg(self.ends.box_data().with_file_name("backup.age"))
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap()
    }

    /// What is missing once everything was sent that still waited.
    fn settle(&self, first: u32, seed: u64) -> Option<String> {
        (!self.ends.meets())
            .then(|| format!("seed {seed}, kills from {first}: box and hub hold different records"))
    }
}

/// What became of the records of all kills.
#[derive(Debug, Default)]
pub struct Told {
    /// Kills.
    pub kills: u32,
    /// How many of them came at a named point of the code.
    pub at_points: u32,
    /// Records that a box had said were saved.
    pub acknowledged: usize,
    /// What is lost or broken, one line each.
    pub faults: Vec<String>,
}

/// Kills a box or its hub so many times.
pub fn kill(kills: u32, seed: u64) -> Told {
    let folder = tempfile::tempdir().unwrap();
    let founded = folder.path().join("founded");
    let cookies = found(&founded);
    let next = AtomicU32::new(0);
    let told = Mutex::new(Told {
        kills,
        ..Told::default()
    });
    std::thread::scope(|scope| {
        for _ in 0..LANES {
            let (next, told, folder, founded, cookies) = (&next, &told, folder.path(), &founded, &cookies);
            scope.spawn(move || {
                loop {
                    let first = next.fetch_add(KILLS_OF_FOLDER, Ordering::SeqCst);
                    if first >= kills {
                        return;
                    }
                    let data = folder.join(format!("killed-{first}"));
                    far_hub::copy(founded, &data);
                    let killed = Folder {
                        ends: FarHub::of(&data, CODE),
                        cookies,
                        done: Acknowledged::default(),
                    };
                    for run in first..kills.min(first + KILLS_OF_FOLDER) {
                        let (at_point, faults) = killed.kill_once(run, seed);
                        let mut told = told.lock().unwrap_or_else(PoisonError::into_inner);
                        told.at_points += u32::from(at_point);
                        told.faults.extend(faults);
                    }
                    let different = killed.settle(first, seed);
                    let mut told = told.lock().unwrap_or_else(PoisonError::into_inner);
                    told.acknowledged += killed.done.len();
                    told.faults.extend(different);
                    drop(told);
                    std::fs::remove_dir_all(&data).unwrap();
                }
            });
        }
    });
    told.into_inner().unwrap_or_else(PoisonError::into_inner)
}

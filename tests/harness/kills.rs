//! Ends the real process under load, as a power cut would, and looks for every record that it had acknowledged. A seed
//! decides for each kill whether the process is killed after the n-th acknowledgement or ends itself at a named point of
//! its code.

use std::collections::{BTreeMap, HashMap};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Mutex, PoisonError};

use rand::rngs::StdRng;
use rand::{RngExt as _, SeedableRng as _};
use serde_json::{Value, json};
use tokio::sync::Notify;

use crate::plain_browser::{Answer, PlainBrowser, form_id};
use crate::programs::{PATIENCE, Program, run};

/// Folders that are worked on at the same time.
const LANES: u32 = 2;
/// Kills of one folder, one after the other, before a fresh one is taken: the recovered state is killed again, and
/// folders stay small.
const KILLS_OF_FOLDER: u32 = 5;
/// Tablets that save at the same time.
const TABLETS: usize = 4;
/// Acknowledgements after which a process is killed even where it never came to its named point.
const ACKNOWLEDGED_MAX: usize = 150;

/// How one process ends.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Death {
    /// SIGKILL after so many acknowledgements.
    Killed(usize),
    /// By itself at `point:count`.
    AtPoint(String),
}

impl Death {
    fn draw(dice: &mut StdRng) -> Self {
        let points = ["mid-derive", "before-commit", "before-reply"];
        if dice.random_bool(0.5) {
            return Self::Killed(dice.random_range(1..=40));
        }
        let point = points[dice.random_range(0..points.len())];
        // The first transactions open the session, before anybody saves.
        Self::AtPoint(format!("{point}:{}", dice.random_range(12..=80)))
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

fn serve(data: &Path, logs: &Path, crash_at: Option<&str>) -> Program {
    let arguments = [
        "serve",
        "--data",
        data.to_str().unwrap(),
        "--listen",
        "127.0.0.1:0",
    ];
    let environment: Vec<(&str, &str)> = crash_at
        .map(|at| ("APPLIANCE_CRASH_AT", at))
        .into_iter()
        .collect();
    Program::start("appliance", &arguments, &environment, logs)
}

fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap()
}

/// A clinic with its doctor; the cookies of the doctor's tablet.
fn found(data: &Path, logs: &Path) -> BTreeMap<String, String> {
    let mut box_ = serve(data, logs, None);
    let tablet = PlainBrowser::new(&box_.url("pages"), BTreeMap::new());
    runtime().block_on(tablet.found());
    assert!(box_.stop().success());
    tablet.cookies()
}

fn copy(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).unwrap();
    for entry in std::fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        std::fs::copy(entry.path(), to.join(entry.file_name())).unwrap();
    }
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
        write(tablet, &visit, &[("complaint", &complaint), ("advice", &advice)]).await?;
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

/// Lets tablets work on a box until it dies; whether it did so by itself.
fn load(program: Program, tablet: &PlainBrowser, run: u32, death: &Death, done: &Acknowledged) -> bool {
    let limit = match death {
        Death::Killed(after) => *after,
        Death::AtPoint(_) => ACKNOWLEDGED_MAX,
    };
    let wanted = done.len() + limit;
    runtime().block_on(async {
        let killed = async {
            let reached = tokio::time::timeout(PATIENCE, done.reach(wanted)).await;
            assert!(reached.is_ok(), "{death:?}: saving takes too long");
        };
        let tablets = async {
            let tablets = std::array::from_fn::<_, TABLETS, _>(|lane| work(tablet, run, lane, done));
            let [one, two, three, four] = tablets;
            let ends = tokio::join!(one, two, three, four);
            let ends = [ends.0, ends.1, ends.2, ends.3];
            assert!(ends.iter().all(Result::is_err), "a tablet stopped before its box");
        };
        let by_itself = tokio::select! {
            () = killed => false,
            () = tablets => true,
        };
        program.kill();
        by_itself
    })
}

/// Acknowledged records that are gone and what `verify` finds broken, in words.
fn faults(data: &Path, done: &Acknowledged, case: &str) -> Vec<String> {
    let data = data.to_str().unwrap();
    let verify = run("appliance", &["verify", "--data", data, "--json"], b"");
    if verify.code != 0 || verify.json()["problems"] != json!([]) {
        return vec![format!("{case}: {} {}", verify.out, verify.err)];
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

/// One folder: founded, then killed and started again several times.
struct Folder<'a> {
    data: PathBuf,
    logs: &'a Path,
    cookies: &'a BTreeMap<String, String>,
    done: Acknowledged,
}

impl Folder<'_> {
    /// Starts the box, kills it under load and looks for what it had acknowledged; whether it came to a named point,
    /// and what is lost or broken.
    fn kill_once(&self, run: u32, seed: u64) -> (bool, Vec<String>) {
        let mut dice = StdRng::seed_from_u64(seed.wrapping_add(u64::from(run)));
        let death = Death::draw(&mut dice);
        let case = format!("seed {seed}, kill {run}, {death:?}");
        let at = match &death {
            Death::AtPoint(at) => Some(at.as_str()),
            Death::Killed(_) => None,
        };
        let mut program = serve(&self.data, self.logs, at);
        let tablet = PlainBrowser::new(&program.url("pages"), self.cookies.clone());
        runtime().block_on(tablet.unlock());
        let by_itself = load(program, &tablet, run, &death, &self.done);
        assert!(!by_itself || at.is_some(), "{case}: the box ended by itself");
        (by_itself, faults(&self.data, &self.done, &case))
    }
}

/// What became of the records of all kills.
#[derive(Debug, Default)]
pub struct Told {
    /// Kills.
    pub kills: u32,
    /// How many of them came at a named point of the code.
    pub at_points: u32,
    /// Records that the box had said were saved.
    pub acknowledged: usize,
    /// What is lost or broken, one line each.
    pub faults: Vec<String>,
}

/// Kills the box so many times.
pub fn kill(kills: u32, seed: u64) -> Told {
    let folder = tempfile::tempdir().unwrap();
    let founded = folder.path().join("founded");
    let cookies = found(&founded, folder.path());
    let next = AtomicU32::new(0);
    let told = Mutex::new(Told {
        kills,
        ..Told::default()
    });
    std::thread::scope(|scope| {
        for lane in 0..LANES {
            let (next, told, folder, founded, cookies) = (&next, &told, folder.path(), &founded, &cookies);
            scope.spawn(move || {
                let logs = folder.join(format!("logs-{lane}"));
                std::fs::create_dir_all(&logs).unwrap();
                loop {
                    let first = next.fetch_add(KILLS_OF_FOLDER, Ordering::SeqCst);
                    if first >= kills {
                        return;
                    }
                    let data = folder.join(format!("killed-{first}"));
                    copy(founded, &data);
                    let killed = Folder {
                        data,
                        logs: &logs,
                        cookies,
                        done: Acknowledged::default(),
                    };
                    for run in first..kills.min(first + KILLS_OF_FOLDER) {
                        let (at_point, faults) = killed.kill_once(run, seed);
                        let mut told = told.lock().unwrap_or_else(PoisonError::into_inner);
                        told.at_points += u32::from(at_point);
                        told.faults.extend(faults);
                    }
                    let mut told = told.lock().unwrap_or_else(PoisonError::into_inner);
                    told.acknowledged += killed.done.len();
                    drop(told);
                    std::fs::remove_dir_all(&killed.data).unwrap();
                }
            });
        }
    });
    told.into_inner().unwrap_or_else(PoisonError::into_inner)
}

//! The acceptance test of a box: what a field technician has to know before leaving it with a clinic. Each item is measured
//! here and judged against a limit; the sheet is shown, and printed to be signed.

mod disk;
mod machine;

use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};

use device_drivers::loopback::{self, Loopback};
use device_drivers::serial::{self, Inventory};
use device_drivers::session::LinkState;
use records::time::{ClockSource, WallTime};
use shell::storage::{LOW_BYTES, Storage};
use store::Store;

use crate::state::AppState;
use machine::{Kernel, Wear};

/// Slowest long write, in megabytes a second: half of what cards of speed class 10 promise (SD Association), because
/// encryption and the file system take their part.
pub(crate) const MEGABYTES_MIN: f64 = 5.0;
/// Slowest small write, in milliseconds: a saved page waits for two or three of them.
pub(crate) const MILLISECONDS_MAX: f64 = 100.0;
/// Highest temperature, in degrees Celsius: from here on a Raspberry Pi slows itself down (its documentation,
/// "Frequency management and thermal control").
pub(crate) const DEGREES_MAX: f64 = 80.0;
/// Most of its life that soldered storage may have used, in steps of ten percent.
const USED_MAX: u8 = 8;
/// The reserve of soldered storage that is normal.
const RESERVE_NORMAL: u8 = 1;
/// Ports that the page offers for the test plug.
const PORTS_MAX: usize = 16;

/// What is looked at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Item {
    LongWrite,
    SmallWrite,
    Wear,
    Room,
    Clock,
    Power,
    Heat,
    Radio,
    Loopback,
    Devices,
    Backup,
    Hub,
}

/// How it came out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Verdict {
    Pass,
    Fail,
    /// This machine does not tell it, or it was not asked for.
    NotHere,
}

/// An item, measured and judged.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Finding {
    pub(crate) item: Item,
    pub(crate) verdict: Verdict,
    /// Key of the words, with `$value` in them.
    pub(crate) text: &'static str,
    pub(crate) value: String,
}

impl Finding {
    fn new(item: Item, passes: bool, text: &'static str, value: impl ToString) -> Self {
        Self {
            item,
            verdict: if passes { Verdict::Pass } else { Verdict::Fail },
            text,
            value: value.to_string(),
        }
    }

    fn not_here(item: Item, text: &'static str) -> Self {
        Self {
            item,
            verdict: Verdict::NotHere,
            text,
            value: String::new(),
        }
    }
}

/// All findings of one run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Sheet {
    pub(crate) at: WallTime,
    pub(crate) findings: Vec<Finding>,
}

impl Sheet {
    /// How many items failed.
    pub(crate) fn failed(&self) -> usize {
        let fails = |finding: &&Finding| finding.verdict == Verdict::Fail;
        self.findings.iter().filter(fails).count()
    }
}

#[derive(Debug, Default)]
struct State {
    running: bool,
    last: Option<Sheet>,
}

/// The acceptance test that runs, and the last sheet. A cheap clone.
#[derive(Debug, Clone, Default)]
pub struct Checkup(Arc<Mutex<State>>);

impl Checkup {
    /// Whether one runs, and the last sheet.
    pub(crate) fn now(&self) -> (bool, Option<Sheet>) {
        let state = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        (state.running, state.last.clone())
    }

    /// Begins one beside the pages, unless one runs; with the test plug in this port.
    pub(crate) fn begin(&self, state: &AppState, plug: Option<PathBuf>) {
        let mut own = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if std::mem::replace(&mut own.running, true) {
            return;
        }
        let (checkup, state) = (self.clone(), state.clone());
        tokio::spawn(async move {
            // A task of its own, so that one that panics does not stand as running for ever.
            let worker = state.clone();
            let done = tokio::spawn(async move { run(&worker, plug).await }).await;
            let mut own = checkup.0.lock().unwrap_or_else(PoisonError::into_inner);
            own.running = false;
            match done {
                Ok(findings) => {
                    own.last = Some(Sheet {
                        at: state.clock.now().at,
                        findings,
                    });
                }
                Err(error) => tracing::error!(%error, "the acceptance test broke off"),
            }
        });
    }
}

/// Ports in which the test plug may be: those of this computer.
pub(crate) fn ports() -> Vec<PathBuf> {
    let computer = Inventory::of_this_computer();
    let ports = computer.ports().iter();
    ports
        .map(|port| port.by_path.clone().unwrap_or_else(|| port.device.clone()))
        .take(PORTS_MAX)
        .collect()
}

async fn run(state: &AppState, plug: Option<PathBuf>) -> Vec<Finding> {
    let folder = state.store.folder().to_owned();
    let slow = tokio::task::spawn_blocking(move || {
        let kernel = Kernel::of_this_computer();
        let mut findings = written(disk::measure(&folder).ok()).to_vec();
        findings.extend([
            worn(kernel.wear()),
            room(&Storage::of(&folder)),
            powered(kernel.undervoltage()),
            heat(kernel.degrees()),
            radio(&kernel.radios()),
            plugged(plug.map(|path| loop_back(&path))),
        ]);
        findings
    });
    let mut findings = slow.await.unwrap_or_default();
    findings.push(clock(state.clock.now().source));
    let bays = state.bays.list();
    let links: Vec<&LinkState> = bays.iter().map(|bay| &bay.link).collect();
    findings.push(devices(&links));
    findings.push(backup(&state.store).await);
    findings.push(hub(state).await);
    findings
}

fn written(speed: Option<disk::Speed>) -> [Finding; 2] {
    let Some(speed) = speed else {
        return [Item::LongWrite, Item::SmallWrite]
            .map(|item| Finding::new(item, false, "checkup-no-writes", ""));
    };
    let (long, small) = (speed.megabytes, speed.milliseconds);
    [
        Finding::new(
            Item::LongWrite,
            long >= MEGABYTES_MIN,
            "checkup-megabytes",
            format!("{long:.1}"),
        ),
        Finding::new(
            Item::SmallWrite,
            small <= MILLISECONDS_MAX,
            "checkup-milliseconds",
            format!("{small:.1}"),
        ),
    ]
}

fn worn(wear: Option<Wear>) -> Finding {
    let Some(wear) = wear else {
        return Finding::not_here(Item::Wear, "checkup-wear-untold");
    };
    let passes = wear.used <= USED_MAX && wear.reserve <= RESERVE_NORMAL;
    let percent = u32::from(wear.used.min(11)) * 10;
    Finding::new(Item::Wear, passes, "checkup-wear-used", percent)
}

fn room(storage: &Storage) -> Finding {
    match storage.free {
        Some(free) => {
            let passes = free >= LOW_BYTES && storage.read_only != Some(true);
            let gigabytes = format!("{:.1}", free as f64 / 1e9);
            Finding::new(Item::Room, passes, "checkup-room-free", gigabytes)
        }
        None => Finding::new(Item::Room, false, "checkup-room-untold", ""),
    }
}

fn powered(undervoltage: Option<bool>) -> Finding {
    match undervoltage {
        Some(false) => Finding::new(Item::Power, true, "checkup-power-good", ""),
        Some(true) => Finding::new(Item::Power, false, "checkup-power-low", ""),
        None => Finding::not_here(Item::Power, "checkup-untold"),
    }
}

fn heat(degrees: Option<f64>) -> Finding {
    match degrees {
        Some(degrees) => {
            let value = format!("{degrees:.0}");
            Finding::new(Item::Heat, degrees < DEGREES_MAX, "checkup-degrees", value)
        }
        None => Finding::not_here(Item::Heat, "checkup-untold"),
    }
}

fn radio(radios: &[String]) -> Finding {
    if radios.is_empty() {
        return Finding::not_here(Item::Radio, "checkup-radio-none");
    }
    Finding::new(Item::Radio, true, "checkup-radio-there", radios.join(" "))
}

/// What came back, or why the port could not be tested.
fn loop_back(path: &std::path::Path) -> Result<Loopback, String> {
    let mut port = serial::open(path, &loopback::LINE).map_err(|error| error.to_string())?;
    loopback::test(&mut port).map_err(|error| error.to_string())
}

fn plugged(outcome: Option<Result<Loopback, String>>) -> Finding {
    match outcome {
        None => Finding::not_here(Item::Loopback, "checkup-plug-none"),
        Some(Ok(Loopback::Whole)) => Finding::new(Item::Loopback, true, "checkup-plug-whole", ""),
        Some(Ok(Loopback::Nothing)) => Finding::new(Item::Loopback, false, "checkup-plug-nothing", ""),
        Some(Ok(Loopback::Other)) => Finding::new(Item::Loopback, false, "checkup-plug-other", ""),
        Some(Err(why)) => Finding::new(Item::Loopback, false, "checkup-plug-fault", why),
    }
}

fn clock(source: ClockSource) -> Finding {
    let text = match source {
        ClockSource::None => "clock-none",
        ClockSource::Tablet => "clock-tablet",
        ClockSource::Hub => "clock-hub",
        ClockSource::Network => "clock-network",
    };
    Finding::new(Item::Clock, source != ClockSource::None, text, "")
}

fn devices(links: &[&LinkState]) -> Finding {
    if links.is_empty() {
        return Finding::not_here(Item::Devices, "checkup-devices-none");
    }
    let answer = links
        .iter()
        .filter(|link| matches!(link, LinkState::Connected))
        .count();
    let value = format!("{answer} / {}", links.len());
    Finding::new(
        Item::Devices,
        answer == links.len(),
        "checkup-devices-answer",
        value,
    )
}

async fn backup(store: &Store) -> Finding {
    match store.rehearse_backup().await {
        Ok(made) => Finding::new(Item::Backup, true, "checkup-backup-whole", made.changes),
        Err(error) => {
            tracing::warn!(%error, "a backup cannot be restored");
            Finding::new(Item::Backup, false, "checkup-backup-fails", "")
        }
    }
}

async fn hub(state: &AppState) -> Finding {
    match (state.link.is_joined().await, state.store.link_status().await) {
        (Ok(true), Ok(status)) if status.connected => {
            Finding::new(Item::Hub, true, "checkup-hub-reached", "")
        }
        (Ok(true), _) => Finding::new(Item::Hub, false, "checkup-hub-silent", ""),
        _ => Finding::not_here(Item::Hub, "checkup-hub-none"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_limit_parts_what_passes_from_what_fails() {
        let verdicts = |megabytes, milliseconds| {
            let speed = disk::Speed {
                megabytes,
                milliseconds,
            };
            written(Some(speed)).map(|finding| finding.verdict)
        };
        assert_eq!(verdicts(5.0, 100.0), [Verdict::Pass; 2]);
        assert_eq!(verdicts(4.9, 100.1), [Verdict::Fail; 2]);
        assert_eq!(written(None).map(|finding| finding.verdict), [Verdict::Fail; 2]);
        let wear = |used, reserve| worn(Some(Wear { used, reserve })).verdict;
        assert_eq!(
            (wear(8, 1), wear(9, 1), wear(1, 2)),
            (Verdict::Pass, Verdict::Fail, Verdict::Fail)
        );
        assert_eq!(worn(None).verdict, Verdict::NotHere);
        assert_eq!(heat(Some(79.9)).verdict, Verdict::Pass);
        assert_eq!(heat(Some(80.0)).verdict, Verdict::Fail);
        assert_eq!(powered(Some(true)).verdict, Verdict::Fail);
        assert_eq!(clock(ClockSource::None).verdict, Verdict::Fail);
        assert_eq!(devices(&[]).verdict, Verdict::NotHere);
        assert_eq!(
            devices(&[&LinkState::Connected, &LinkState::Gone]).verdict,
            Verdict::Fail
        );
        assert_eq!(plugged(None).verdict, Verdict::NotHere);
        assert_eq!(plugged(Some(Ok(Loopback::Other))).verdict, Verdict::Fail);
        let full = Storage {
            free: Some(LOW_BYTES - 1),
            size: None,
            read_only: Some(false),
            encrypted: None,
        };
        assert_eq!(room(&full).verdict, Verdict::Fail);
        let read_only = Storage {
            free: Some(LOW_BYTES),
            read_only: Some(true),
            ..full
        };
        assert_eq!(room(&read_only).verdict, Verdict::Fail);
    }
}

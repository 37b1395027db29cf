//! The end of a run: everything is let come to rest, and then the model decides.

use std::collections::BTreeSet;
use std::time::Duration;

use store::{AlarmKind, Store};

use crate::machine::at_once;
use crate::model::Place;
use crate::people::{code, content_of};
use crate::reading::Found;
use crate::report::{Failure, Report};
use crate::settings::Settings;
use crate::world::{HUB, World};

const HOUR: Duration = Duration::from_secs(3600);
const MINUTE: Duration = Duration::from_secs(60);
/// How long everything may take to come to rest.
const REST_MAX: Duration = Duration::from_secs(4 * 3600);
/// The same where a hub's disk went back: it serves everybody within a day.
const REST_AFTER_RESTORE_MAX: Duration = Duration::from_secs(27 * 3600);
/// Alarms that a run with restores, clones and liars may raise.
const TOLD: [AlarmKind; 2] = [AlarmKind::SessionSpoiled, AlarmKind::Clone];

/// Runs a county.
///
/// # Errors
/// What did not hold.
pub fn run(settings: Settings) -> Result<Report, Box<Failure>> {
    let (seed, hours, boxes) = (settings.seed, settings.hours, settings.boxes as u64);
    let mut world = World::new(settings);
    world.run_until(HOUR * u32::try_from(hours).unwrap_or(u32::MAX));
    if world.wrong.is_empty() {
        world.come_to_rest();
    }
    if world.wrong.is_empty() {
        world.judge();
    }
    world.counts.calls = world.hub.calls + world.boxes.iter().map(|end| end.machine.calls).sum::<u64>();
    world.counts.facts = world.model.facts.len() as u64;
    world.counts.box_hours = hours * boxes;
    let counts = world.counts;
    if world.wrong.is_empty() {
        Ok(Report {
            counts,
            digest: *world.digest.finalize().as_bytes(),
        })
    } else {
        Err(Box::new(Failure {
            seed,
            hours: hours.min(world.now.as_secs().div_ceil(3600)),
            wrong: world.wrong,
            counts,
        }))
    }
}

fn check(store: &Store) -> store::Verify {
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    runtime.block_on(store.verify(None, Box::new(|_, _| {}))).unwrap()
}

impl World {
    fn come_to_rest(&mut self) {
        self.resting = true;
        self.boxes
            .iter_mut()
            .for_each(|end| end.down_until = Duration::ZERO);
        let rest = if self.settings.broken.is_some() {
            HOUR
        } else {
            REST_MAX
        };
        let end = self.now
            + if self.counts.restores > 0 {
                REST_AFTER_RESTORE_MAX
            } else {
                rest
            };
        // Whoever is off comes back.
        self.run_until(self.now + HOUR);
        for at in (0..self.boxes.len()).chain([HUB]) {
            if !self.machine(at).is_running() {
                self.happens(crate::world::Event::On(at));
            }
        }
        self.settle_panels();
        self.spread_news();
        while self.wrong.is_empty() {
            self.run_until(self.now + MINUTE * 5);
            if self.is_at_rest() || self.now > end {
                break;
            }
        }
    }

    fn is_at_rest(&self) -> bool {
        self.is_everything_on()
            && self.honest().all(|(_, end)| {
                let settled = end
                    .line
                    .and_then(|id| self.lines.get(&id)?.box_end.as_ref())
                    .is_some_and(sync_core::exchange::Exchange::is_settled);
                let status = at_once(end.machine.store().link_status()).unwrap();
                let own = at_once(end.machine.store().fingerprint()).unwrap().to_bytes();
                let hub = at_once(self.hub.store().clinic_summary(&code(end.clinic))).unwrap();
                settled && status.pending == 0 && hub.is_some_and(|hub| hub.fingerprint == own)
            })
    }

    /// Whether everything came to rest, nothing is lost, nothing is hidden, nothing leaked and nothing was invented.
    fn judge(&mut self) {
        if !self.is_everything_on() {
            self.wrong.push("a machine does not come back".to_owned());
            return;
        }
        let charts = self.charts();
        let mut wrong = Vec::new();
        let hub = Found::of(self.hub.store(), charts.clone());
        self.counts.found += hub.facts.len() as u64;
        self.judge_one("the hub", self.hub.store(), &hub, None, &mut wrong);
        for at in (0..self.boxes.len()).filter(|at| self.is_stolen(*at)) {
            let reached = self.reached_thief(at);
            // A hub that went back served the thief until it was told again.
            if !reached.is_empty() && self.counts.restores == 0 {
                wrong.push(format!(
                    "box {at}: the thief has what was written later {reached:?}"
                ));
            }
        }
        let mut held = 0;
        for (at, end) in self.honest() {
            let name = format!("box {at}");
            let store = end.machine.store();
            let found = Found::of(store, charts.clone());
            self.judge_one(&name, store, &found, Some(end.clinic), &mut wrong);
            held += found.facts.len() as u64;
            let status = at_once(store.link_status()).unwrap();
            if status.pending > 0 || status.parked > 0 {
                wrong.push(format!(
                    "{name}: {} wait, {} are set aside",
                    status.pending, status.parked
                ));
            }
            let own = at_once(store.fingerprint()).unwrap().to_bytes();
            let at_hub = at_once(self.hub.store().clinic_summary(&code(end.clinic))).unwrap();
            if at_hub.is_none_or(|hub| hub.fingerprint != own) {
                wrong.push(format!("{name}: the hub has another fingerprint"));
            }
        }
        self.counts.found += held;
        self.wrong.extend(wrong);
    }

    fn judge_one(
        &self,
        name: &str,
        store: &Store,
        found: &Found,
        clinic: Option<usize>,
        wrong: &mut Vec<String>,
    ) {
        let has = |id: &u32| found.facts.contains_key(id);
        let mut tell = |what: &str, ids: Vec<u32>| {
            if !ids.is_empty() {
                wrong.push(format!("{name}: {what} {ids:?}"));
            }
        };
        let required = self
            .model
            .required()
            .filter(|(_, fact)| clinic.is_none_or(|clinic| self.model.may_see(clinic, fact)));
        tell(
            "lost",
            required.filter(|(id, _)| !has(id)).map(|(id, _)| id).collect(),
        );
        let leaked = found.facts.keys().filter(|id| {
            self.model
                .facts
                .get(id)
                .is_some_and(|fact| clinic.is_some_and(|clinic| !self.model.may_see(clinic, fact)))
        });
        tell("leaked", leaked.copied().collect());
        let gone = found.facts.keys().filter(|id| self.model.gone.contains(id));
        tell("purged and still there", gone.copied().collect());
        let known: BTreeSet<u32> = self.model.facts.keys().copied().collect();
        tell(
            "invented",
            found
                .facts
                .keys()
                .filter(|id| !known.contains(id))
                .copied()
                .collect(),
        );
        let twice = found.facts.iter().filter(|(id, places)| {
            **places > 1
                && self
                    .model
                    .facts
                    .get(id)
                    .is_some_and(|fact| fact.place == Place::Entry)
        });
        tell("twice", twice.map(|(id, _)| *id).collect());
        let blobs = self.model.required().filter(|(id, fact)| {
            let Some(length) = self.model.blobs.get(id) else {
                return false;
            };
            let seen = clinic.is_none_or(|clinic| self.model.may_see(clinic, fact));
            let blob = sync_core::blobs::blob_id(&content_of(*id, *length));
            seen && !at_once(store.has_blob(blob)).unwrap()
        });
        tell("without its picture", blobs.map(|(id, _)| id).collect());
        let foreign = self.model.blobs.iter().filter(|(id, length)| {
            let fact = self.model.facts.get(id);
            let seen = clinic.is_none_or(|clinic| fact.is_none_or(|fact| self.model.may_see(clinic, fact)));
            (!seen || self.model.gone.contains(id))
                && at_once(store.has_blob(sync_core::blobs::blob_id(&content_of(**id, **length)))).unwrap()
        });
        tell("a picture leaked", foreign.map(|(id, _)| *id).collect());
        let verified = check(store);
        if !verified.problems.is_empty() {
            wrong.push(format!("{name}: {:?}", verified.problems));
        }
        for alarm in at_once(store.alarms()).unwrap() {
            let expected = self.counts.clones + self.counts.restores > 0 || self.settings.liars > 0;
            if !TOLD.contains(&alarm.kind) || !expected {
                wrong.push(format!("{name}: alarm {} {}", alarm.kind.word(), alarm.text));
            }
        }
    }
}

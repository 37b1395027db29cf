//! Sticks that are carried, and patients who join clinics and leave them.

use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::machine::{PowerCut, at_once};
use crate::people::{Trust, code};
use crate::reading::Found;
use crate::world::{Event, HUB, World};

const HOUR: Duration = Duration::from_secs(3600);

impl World {
    /// A box writes its file; it reaches the hub hours later, sometimes twice, sometimes never.
    pub(crate) fn stick_begins(&mut self) {
        let at = self.dice.index(self.boxes.len());
        if !self.boxes[at].machine.is_running() {
            return;
        }
        let path = self.file("up");
        let target = path.clone();
        let written = self.boxes[at]
            .machine
            .call(|store| at_once(store.stick_to_hub(&target, "simulation")));
        match written {
            Ok(file) => {
                file.unwrap();
                for _ in 0..self.dice.below(3) {
                    let wait = self.dice.around(HOUR * 2);
                    self.after(wait, Event::StickAtHub(at, path.clone()));
                }
            }
            Err(PowerCut) => self.power_off(at),
        }
    }

    fn file(&mut self, way: &str) -> PathBuf {
        self.next_file += 1;
        self.scratch.path().join(format!("{way}{}", self.next_file))
    }

    pub(crate) fn stick_at_hub(&mut self, at: usize, path: &Path) {
        if !self.hub.is_running() {
            return;
        }
        let device = self.boxes[at].device;
        let down = self.file("down");
        let answered = self
            .hub
            .call(|store| at_once(store.stick_from_box(path)))
            .and_then(|taken| {
                // A hub that went back to an old disk may not know the box yet.
                match taken {
                    Ok(_) => self
                        .hub
                        .call(|store| at_once(store.stick_to_box(device, &down)).map(drop)),
                    Err(error) => Ok(Err(error)),
                }
            });
        match answered {
            Ok(Ok(())) => {
                if self.trust_in(at) == Trust::ShutOut {
                    self.wrong
                        .push(format!("the hub takes the stick of box {at}, which was stolen"));
                }
                self.counts.sticks += 1;
                for _ in 0..self.dice.below(3) {
                    let wait = self.dice.around(HOUR * 2);
                    self.after(wait, Event::StickAtBox(at, down.clone()));
                }
                self.spread_news();
            }
            Ok(Err(error)) => {
                if self.counts.restores == 0 && self.trust_in(at) == Trust::Honest {
                    self.wrong
                        .push(format!("the hub refuses the stick of box {at}: {error}"));
                }
            }
            Err(PowerCut) => self.power_off(HUB),
        }
    }

    pub(crate) fn stick_at_box(&mut self, at: usize, path: &Path) {
        if !self.boxes[at].machine.is_running() {
            return;
        }
        match self.boxes[at]
            .machine
            .call(|store| at_once(store.stick_from_hub(path)))
        {
            Ok(taken) => {
                if let Err(error) = taken
                    && self.counts.restores == 0
                    && self.trust_in(at) == Trust::Honest
                {
                    self.wrong
                        .push(format!("box {at} refuses the hub's stick: {error}"));
                }
                self.counts.sticks += 1;
                self.spread_news();
            }
            Err(PowerCut) => self.power_off(at),
        }
    }

    /// The county lets a clinic care for somebody, or ends it.
    pub(crate) fn panel(&mut self) {
        if !self.hub.is_running() || self.resting {
            return;
        }
        let clinic = self.dice.index(self.settings.clinics);
        let lines = at_once(self.hub.store().patients_page(None, 1_000_000)).unwrap();
        // Every second time somebody whom the clinic cares for leaves it.
        let cared_for: Vec<_> = lines
            .iter()
            .filter(|line| {
                crate::model::marks(&line.name).any(|number| {
                    let patient = self.model.patients.get(&number);
                    patient.is_some_and(|patient| {
                        patient.owner != clinic && patient.cared_for_by.contains(&clinic)
                    })
                })
            })
            .cloned()
            .collect();
        let leaves = !cared_for.is_empty() && self.dice.chance(50);
        let Some(line) = self.dice.pick(if leaves { &cared_for } else { &lines }) else {
            return;
        };
        let Some(number) = crate::model::marks(&line.name).next() else {
            return;
        };
        let Some(patient) = self
            .model
            .patients
            .get_mut(&number)
            .filter(|patient| patient.owner != clinic)
        else {
            return;
        };
        let (id, joins) = (line.id, !patient.cared_for_by.contains(&clinic));
        if joins {
            // Before it is done: should the power go meanwhile, it may have been done.
            patient.ever.insert(clinic);
            patient.cared_for_by.insert(clinic);
        }
        let done = self.hub.call(|store| {
            if joins {
                at_once(store.join_patient(&code(clinic), id))
            } else {
                at_once(store.leave_patient(&code(clinic), id))
            }
        });
        match done {
            Ok(done) => {
                assert!(done.unwrap());
                self.counts.panels += 1;
                if !joins && let Some(patient) = self.model.patients.get_mut(&number) {
                    patient.cared_for_by.remove(&clinic);
                }
                self.spread_news();
            }
            Err(PowerCut) => {
                // Nobody heard that it was done: the county does it again.
                self.repeat.push((number, clinic, id, joins));
                self.power_off(HUB);
            }
        }
    }

    /// The county purges somebody's records.
    pub(crate) fn purge(&mut self) {
        if !self.hub.is_running() || self.resting {
            return;
        }
        let lines = at_once(self.hub.store().patients_page(None, 1_000_000)).unwrap();
        let Some((number, id)) = self
            .dice
            .pick(&lines)
            .and_then(|line| Some((crate::model::marks(&line.name).next()?, line.id)))
        else {
            return;
        };
        let mut found = Found::default();
        found.add_patient(self.hub.store(), id);
        let store = self.hub.store();
        let mut docs = vec![id.doc()];
        docs.extend(
            at_once(store.visits_of(id, 1_000_000))
                .unwrap()
                .iter()
                .map(|visit| visit.id.doc()),
        );
        docs.extend(
            at_once(store.observations_of(id, None, 1_000_000))
                .unwrap()
                .iter()
                .map(|line| line.doc),
        );
        docs.sort_unstable();
        docs.dedup();
        let Some(patient) = self.model.patients.get_mut(&number) else {
            return;
        };
        // Before it is done: should the power go meanwhile, it may have been done.
        patient.purged = true;
        let purge = (patient.owner, docs);
        let done = self
            .hub
            .call(|store| at_once(store.purge(&code(purge.0), &purge.1)));
        self.purges.push(purge);
        match done {
            Ok(done) => {
                assert!(done.unwrap());
                self.counts.purges += 1;
                self.model.gone.extend(found.facts.into_keys());
                self.spread_news();
            }
            Err(PowerCut) => self.power_off(HUB),
        }
    }

    /// After the hub lost its disk, the county looks through its papers and does again what may be lost.
    pub(crate) fn repeat_panels(&mut self) {
        self.repeat_all = true;
    }

    /// Does again what may not have been done; `true` where all of it is done.
    pub(crate) fn settle_panels(&mut self) {
        for (number, clinic, id, joins) in std::mem::take(&mut self.repeat) {
            let store = self.hub.store();
            let done = if joins {
                at_once(store.join_patient(&code(clinic), id))
            } else {
                at_once(store.leave_patient(&code(clinic), id))
            };
            assert!(done.unwrap());
            if !joins && let Some(patient) = self.model.patients.get_mut(&number) {
                patient.cared_for_by.remove(&clinic);
            }
        }
        if !std::mem::take(&mut self.repeat_all) {
            return;
        }
        for (clinic, docs) in &self.purges {
            assert!(at_once(self.hub.store().purge(&code(*clinic), docs)).unwrap());
        }
        let lines = at_once(self.hub.store().patients_page(None, 1_000_000)).unwrap();
        for line in lines {
            let Some(patient) = crate::model::marks(&line.name)
                .next()
                .and_then(|number| self.model.patients.get(&number))
            else {
                continue;
            };
            for clinic in (0..self.settings.clinics).filter(|clinic| *clinic != patient.owner) {
                let store = self.hub.store();
                let done = if patient.cared_for_by.contains(&clinic) {
                    at_once(store.join_patient(&code(clinic), line.id))
                } else if patient.ever.contains(&clinic) {
                    at_once(store.leave_patient(&code(clinic), line.id))
                } else {
                    continue;
                };
                assert!(done.unwrap());
            }
        }
    }
}

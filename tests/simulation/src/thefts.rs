//! Boxes that are stolen: the county revokes them, and another one takes their place. The thief works on.

use std::collections::BTreeSet;
use std::time::Duration;

use store::Standing as DeviceStanding;

use crate::broken::Broken;
use crate::machine::{PowerCut, at_once};
use crate::model::{DESK, FactId};
use crate::people::{Trust, content_of};
use crate::reading::Found;
use crate::world::{BoxEnd, Event, HUB, Theft, World};

const MINUTE: Duration = Duration::from_secs(60);
/// Most machines beside those that a county begins with.
const MORE_MACHINES: usize = 4;

impl World {
    /// Whether a machine works under the key of a revoked box: it, or a copy of its disk.
    pub(crate) fn is_stolen(&self, at: usize) -> bool {
        self.stolen.contains_key(&self.boxes[at].device)
    }

    /// The machines of the county's people, without those that were stolen and those that lie.
    pub(crate) fn honest(&self) -> impl Iterator<Item = (usize, &BoxEnd)> {
        self.boxes
            .iter()
            .enumerate()
            .filter(|(at, end)| !end.lies && !self.is_stolen(*at))
    }

    /// What is to become of what is written at a machine.
    pub(crate) fn trust_in(&self, at: usize) -> Trust {
        match self.stolen.get(&self.boxes[at].device) {
            None if self.boxes[at].lies => Trust::Doubtful,
            None => Trust::Honest,
            Some(Theft { told: true, .. }) => Trust::ShutOut,
            Some(Theft { told: false, .. }) => Trust::Doubtful,
        }
    }

    /// A box is stolen.
    pub(crate) fn theft(&mut self) {
        let at = self.dice.index(self.boxes.len());
        if self.trust_in(at) == Trust::Honest && self.boxes.len() < self.settings.boxes + MORE_MACHINES {
            self.after(Duration::ZERO, Event::Revoke(at));
        }
    }

    /// The county hears of it: the hub serves the box no more. It is told again until it has answered.
    pub(crate) fn revoke(&mut self, at: usize) {
        if !self.hub.is_running() {
            self.after(MINUTE * 10, Event::Revoke(at));
            return;
        }
        let device = self.boxes[at].device;
        if self.settings.broken != Some(Broken::ThiefServed) {
            match self.hub.call(|store| at_once(store.revoke_device(device))) {
                Ok(done) => drop(done.unwrap()),
                Err(PowerCut) => {
                    self.power_off(HUB);
                    self.after(MINUTE * 10, Event::Revoke(at));
                    return;
                }
            }
            if at_once(self.hub.store().device_standing(device)).unwrap() != DeviceStanding::Revoked {
                // A hub that went back does not know the box: there is nobody to revoke before it comes.
                self.after(MINUTE * 10, Event::Revoke(at));
                return;
            }
        }
        self.hang_up_on(device);
        let known = self.stolen.get(&device).map(|theft| theft.last);
        let last = known.unwrap_or_else(|| self.model.last());
        self.stolen.insert(device, Theft { last, told: true });
        self.shut_out();
        if known.is_none() {
            self.counts.thefts += 1;
            self.add_new_box(self.boxes[at].clinic);
        }
        self.spread_news();
    }

    /// What only the thief has stays out from now on: where it is found all the same, nobody wrote it.
    fn shut_out(&mut self) {
        let charts = self.charts();
        let mut shown: BTreeSet<FactId> = BTreeSet::new();
        let honest: Vec<usize> = self.honest().map(|(at, _)| at).collect();
        for at in honest.into_iter().chain([HUB]) {
            if self.machine(at).is_running() {
                shown.extend(
                    Found::of(self.machine(at).store(), charts.clone())
                        .facts
                        .into_keys(),
                );
            }
        }
        let thieves: BTreeSet<usize> = (0..self.boxes.len()).filter(|at| self.is_stolen(*at)).collect();
        let out = |id: &FactId, author: usize| thieves.contains(&author) && !shown.contains(id);
        let facts = self.model.facts.iter();
        let unseen: BTreeSet<FactId> = facts
            .filter(|(id, fact)| out(id, fact.author))
            .map(|(id, _)| *id)
            .collect();
        self.model.shut_out(unseen);
        self.forgive_pictures(&thieves);
    }

    /// A picture of which the thief alone has the bytes is lost with the box.
    fn forgive_pictures(&mut self, thieves: &BTreeSet<usize>) {
        let facts = &self.model.facts;
        let theirs = |id: &FactId| facts.get(id).is_some_and(|fact| thieves.contains(&fact.author));
        let lost: Vec<FactId> = self
            .model
            .blobs
            .iter()
            .filter(|(id, _)| theirs(id))
            .filter(|(id, length)| {
                let blob = sync_core::blobs::blob_id(&content_of(**id, **length));
                !at_once(self.hub.store().has_blob(blob)).unwrap()
            })
            .map(|(id, _)| *id)
            .collect();
        for id in lost {
            self.model.blobs.remove(&id);
        }
    }

    /// A hub that went back to an old disk may have forgotten a theft: the county tells it again, and what the thief
    /// sends before that may be there.
    pub(crate) fn tell_thefts_again(&mut self) {
        self.model.let_in();
        let mut again = Vec::new();
        for (device, theft) in &mut self.stolen {
            theft.told = false;
            again.extend(self.boxes.iter().position(|end| end.device == *device));
        }
        for at in again {
            let wait = self.dice.around(MINUTE * 20);
            self.after(wait, Event::Revoke(at));
        }
    }

    /// What the thief has that was written elsewhere after the box was revoked.
    pub(crate) fn reached_thief(&self, at: usize) -> Vec<FactId> {
        let Some(Theft { last, .. }) = self.stolen.get(&self.boxes[at].device) else {
            return Vec::new();
        };
        let found = Found::of(self.boxes[at].machine.store(), self.charts());
        found
            .facts
            .into_keys()
            .filter(|id| id > last)
            .filter(|id| {
                let fact = self.model.facts.get(id);
                fact.is_some_and(|fact| fact.author == DESK || !self.is_stolen(fact.author))
            })
            .collect()
    }
}

//! What happens in the world, event by event.

use std::collections::BTreeSet;
use std::time::Duration;

use crate::broken::Broken;
use crate::machine::{Machine, PowerCut, at_once};
use crate::model::{DESK, Standing};
use crate::people::{Person, Trust, code};
use crate::reading::Found;
use crate::world::{Event, HUB, World};

const HOUR: Duration = Duration::from_secs(3600);
const MINUTE: Duration = Duration::from_secs(60);
/// How long a store call may be off when the power goes in the middle of one.
const FUSE_CALLS: u64 = 60;
/// Where the connection holds, something urgent is at the hub after this.
const URGENT_MAX: Duration = Duration::from_secs(180);
/// Wrong clocks: a card without a battery says 1970, a flat one 2038 or 2099.
const JUMPS_MS: [i64; 5] = [
    -1_760_000_000_000,
    390_000_000_000,
    2_300_000_000_000,
    -86_400_000,
    7_200_000,
];

/// The time between two of so many an hour.
fn per_hour(count: u64) -> Duration {
    HOUR / u32::try_from(count.max(1)).unwrap_or(u32::MAX)
}

impl World {
    /// Begins what befalls the county.
    pub(crate) fn begin(&mut self) {
        let troubles = self.settings.troubles;
        self.again(Some(per_hour(2)), Event::Desk);
        for (mean, what) in [
            (troubles.power_cuts, Event::Fuse),
            (troubles.clock_jumps, Event::ClockJump),
            (troubles.box_restores, Event::Restore),
            (troubles.hub_restores, Event::HubRestore),
            (troubles.clones, Event::Clone),
            (troubles.sticks, Event::Stick),
            (troubles.panels, Event::Panel),
            (troubles.purges, Event::Purge),
            (troubles.thefts, Event::Theft),
            (troubles.releases, Event::Release),
        ] {
            self.again(mean, what);
        }
    }

    /// Begins the work at a box.
    pub(crate) fn begin_box(&mut self, at: usize) {
        self.after(Duration::from_secs(1), Event::Dial(at));
        self.boxes[at].dialling = true;
        self.again(Some(per_hour(self.settings.visits)), Event::Visit(at));
        self.again(Some(per_hour(self.settings.readings)), Event::Reading(at));
        self.again(Some(per_hour(2)), Event::Edit(at));
        self.again(Some(per_hour(1)), Event::Form(at));
        self.again(Some(HOUR * 4), Event::Attach(at));
        self.again(Some(HOUR), Event::Look(at));
        if self.settings.cuts > 0 {
            self.again(Some(per_hour(self.settings.cuts)), Event::Cut(at));
        }
    }

    fn again(&mut self, mean: Option<Duration>, what: Event) {
        if let Some(mean) = mean
            && !self.resting
        {
            let wait = self.dice.around(mean);
            self.after(wait, what);
        }
    }

    pub(crate) fn happens(&mut self, what: Event) {
        if self.resting && what.is_of_the_working_day() {
            return;
        }
        let settings = &self.settings;
        let (visits, readings, cuts, troubles) = (
            settings.visits,
            settings.readings,
            settings.cuts,
            settings.troubles,
        );
        match what {
            Event::Arrive(id, from, bytes) => self.arrive(id, from, &bytes),
            Event::Closed(id, side) => self.closed(id, side),
            Event::Wake(id, side) => self.wake(id, side),
            Event::Pump(id) => self.pump(id),
            Event::Dial(at) => self.dial(at),
            Event::On(at) => self.on(at),
            Event::Visit(at) => {
                let new = self.dice.chance(25);
                let mut urgent = None;
                self.act(at, |person| {
                    if new {
                        return person.register();
                    }
                    urgent = person.visit()?;
                    Ok(())
                });
                if let Some(id) = urgent
                    && let Some(line) = self.open_line_of(at)
                {
                    self.after(URGENT_MAX, Event::Urgent(at, line, id));
                }
                self.again(Some(per_hour(visits)), Event::Visit(at));
            }
            Event::Reading(at) => {
                self.act(at, |person| person.reading());
                self.again(Some(per_hour(readings)), Event::Reading(at));
            }
            Event::Edit(at) => {
                self.act(at, |person| match person.open_form() {
                    Some(form) => person.send(&form).map(drop),
                    None => Ok(()),
                });
                self.again(Some(per_hour(2)), Event::Edit(at));
            }
            Event::Attach(at) => {
                self.act(at, |person| person.attach());
                self.again(Some(HOUR * 4), Event::Attach(at));
            }
            Event::Form(at) => {
                let mut form = None;
                self.act(at, |person| {
                    form = person.open_form();
                    Ok(())
                });
                if let Some(form) = form {
                    let wait = self.dice.around(HOUR);
                    self.after(wait, Event::Send(at, Box::new(form)));
                }
                self.again(Some(per_hour(1)), Event::Form(at));
            }
            Event::Send(at, form) => {
                let mut again = self.dice.chance(30);
                let doubled = self.settings.broken == Some(Broken::FormCountsTwice);
                self.act(at, |person| {
                    let saved = person.send(&form);
                    again |= saved.is_err();
                    saved.map(drop)
                });
                if doubled {
                    self.act(at, |person| person.send_as_new(&form));
                }
                if again {
                    let wait = self.dice.around(MINUTE * 20);
                    self.after(wait, Event::Send(at, form));
                }
            }
            Event::Desk => {
                self.desk();
                self.again(Some(per_hour(2)), Event::Desk);
            }
            Event::Look(at) => {
                self.look(at);
                self.again(Some(HOUR), Event::Look(at));
            }
            Event::Cut(at) => {
                let down = match self.net.below(10) {
                    0..=5 => self.net.between(Duration::ZERO, Duration::from_secs(30)),
                    6..=8 => self.net.between(Duration::from_secs(30), MINUTE * 10),
                    _ => self.net.between(MINUTE * 10, HOUR * 2),
                };
                self.cut(at, down);
                self.again(Some(per_hour(cuts)), Event::Cut(at));
            }
            Event::Fuse => {
                let at = self.dice.index(self.boxes.len() + 1);
                let calls = self.dice.below(FUSE_CALLS);
                let machine = if at == self.boxes.len() { HUB } else { at };
                self.machine(machine).light_fuse(calls);
                self.again(troubles.power_cuts, Event::Fuse);
            }
            Event::ClockJump => {
                let at = self.dice.index(self.boxes.len());
                let by = JUMPS_MS[self.dice.index(JUMPS_MS.len())];
                self.boxes[at].machine.clock.jump(by);
                self.again(troubles.clock_jumps, Event::ClockJump);
            }
            Event::Keep(at) => self.keep(at),
            Event::GoBack(at) => self.go_back(at),
            Event::Restore => {
                let at = self.dice.index(self.boxes.len());
                self.soon(troubles.box_restores, Event::Keep(at), Event::GoBack(at));
                self.again(troubles.box_restores, Event::Restore);
            }
            Event::HubRestore => {
                self.soon(troubles.hub_restores, Event::Keep(HUB), Event::GoBack(HUB));
                self.again(troubles.hub_restores, Event::HubRestore);
            }
            Event::Clone => {
                self.copy_a_box();
                self.again(troubles.clones, Event::Clone);
            }
            Event::Stick => {
                self.stick_begins();
                self.again(troubles.sticks, Event::Stick);
            }
            Event::StickAtHub(at, path) => self.stick_at_hub(at, &path),
            Event::StickAtBox(at, path) => self.stick_at_box(at, &path),
            Event::Urgent(at, line, id) => self.urgent(at, line, id),
            Event::Panel => {
                self.panel();
                self.again(troubles.panels, Event::Panel);
            }
            Event::Purge => {
                self.purge();
                self.again(troubles.purges, Event::Purge);
            }
            Event::Theft => {
                self.theft();
                self.again(troubles.thefts, Event::Theft);
            }
            Event::Release => {
                self.release();
                self.again(troubles.releases, Event::Release);
            }
            Event::Revoke(at) => self.revoke(at),
        }
    }

    /// A copy is made now, and the machine goes back to it later.
    fn soon(&mut self, mean: Option<Duration>, first: Event, then: Event) {
        let wait = self.dice.around(mean.unwrap_or(HOUR) / 2);
        self.after(Duration::ZERO, first);
        self.after(wait, then);
    }

    /// Somebody does something at a box.
    pub(crate) fn act(&mut self, at: usize, what: impl FnOnce(&mut Person<'_>) -> Result<(), PowerCut>) {
        let trust = self.trust_in(at);
        let end = &mut self.boxes[at];
        if !end.machine.is_running() || self.resting {
            return;
        }
        let done = what(&mut Person {
            machine: &mut end.machine,
            model: &mut self.model,
            dice: &mut self.dice,
            author: at,
            clinic: end.clinic,
            trust,
        });
        match done {
            Ok(()) => self.spread_news(),
            Err(PowerCut) => self.power_off(at),
        }
    }

    /// A county doctor edits a chart, or numbers are allotted.
    fn desk(&mut self) {
        if !self.hub.is_running() || self.resting {
            return;
        }
        let done = Person {
            machine: &mut self.hub,
            model: &mut self.model,
            dice: &mut self.dice,
            author: DESK,
            clinic: 0,
            trust: Trust::Honest,
        }
        .at_the_desk();
        let done = done.and_then(|()| {
            let clinic = self.dice.index(self.settings.clinics);
            self.hub
                .call(|store| at_once(store.allot_numbers(&code(clinic), 1, 10)))
        });
        match done {
            Ok(block) => {
                if let Some(block) = block.unwrap() {
                    for number in block.first..=block.last {
                        if !self.model.numbers.insert((block.epoch, number)) {
                            self.wrong
                                .push(format!("number {number} of epoch {} is given twice", block.epoch));
                        }
                    }
                }
                self.spread_news();
            }
            Err(PowerCut) => self.power_off(HUB),
        }
    }

    /// The connection of a box, where both ends greeted and nothing cut it.
    fn open_line_of(&self, at: usize) -> Option<u64> {
        let id = self.boxes[at].line?;
        let line = self.lines.get(&id)?;
        let open = [&line.box_end, &line.hub_end]
            .into_iter()
            .all(|end| end.as_ref().is_some_and(sync_core::exchange::Exchange::is_open));
        (open && line.ways.iter().all(|way| way.cut_at.is_none())).then_some(id)
    }

    /// What is urgent is at the hub soon where the connection held.
    fn urgent(&mut self, at: usize, line: u64, id: u32) {
        if self.open_line_of(at) != Some(line) || self.trust_in(at) != Trust::Honest {
            return;
        }
        let patient = self.model.facts.get(&id).map_or(0, |fact| fact.patient);
        if self
            .model
            .patients
            .get(&patient)
            .is_some_and(|patient| patient.purged)
        {
            return;
        }
        let mut at_hub = Found::default();
        if let Some(chart) = self.model.patients.get(&patient).and_then(|patient| patient.id) {
            at_hub.add_patient(self.hub.store(), chart);
        }
        if !at_hub.facts.contains_key(&id) {
            self.wrong
                .push(format!("{id} of box {at} was urgent and is not at the hub"));
        }
    }

    /// A machine is switched on.
    fn on(&mut self, at: usize) {
        let jump = self
            .dice
            .chance(20)
            .then(|| JUMPS_MS[self.dice.index(JUMPS_MS.len())]);
        let machine = self.machine(at);
        if machine.is_running() {
            return;
        }
        machine.start();
        if at != HUB {
            jump.iter().for_each(|by| machine.clock.jump(*by));
            at_once(machine.store().note_stopped()).unwrap();
            if !self.boxes[at].dialling {
                self.boxes[at].dialling = true;
                self.after(Duration::from_secs(3), Event::Dial(at));
            }
        }
    }

    /// What the status light says is true: where nothing waits, all that was written there is at the hub.
    fn look(&mut self, at: usize) {
        let end = &self.boxes[at];
        if !end.machine.is_running()
            || !self.hub.is_running()
            || self.counts.restores > 0
            || self.trust_in(at) != Trust::Honest
        {
            return;
        }
        let status = at_once(end.machine.store().link_status()).unwrap();
        let foreign = self.foreign_on(at);
        if !foreign.is_empty() {
            self.wrong
                .push(format!("box {at} shows patients of others: {foreign:?}"));
        }
        if status.pending > 0 || status.parked > 0 {
            return;
        }
        let seen = self.boxes[at].seen_at_hub;
        let new: Vec<(u32, u32)> = self
            .model
            .required()
            .filter(|(id, fact)| fact.author == at && *id > seen)
            .map(|(id, fact)| (id, fact.patient))
            .collect();
        let mut at_hub = Found::default();
        let about: BTreeSet<u32> = new.iter().map(|(_, patient)| *patient).collect();
        for patient in about {
            if let Some(id) = self.model.patients.get(&patient).and_then(|patient| patient.id) {
                at_hub.add_patient(self.hub.store(), id);
            }
        }
        let missing: Vec<u32> = new
            .iter()
            .map(|(id, _)| *id)
            .filter(|id| !at_hub.facts.contains_key(id))
            .collect();
        self.boxes[at].seen_at_hub = new.last().map_or(seen, |(id, _)| *id);
        if !missing.is_empty() {
            self.wrong.push(format!(
                "box {at} says that nothing waits, and the hub has not {missing:?}"
            ));
        }
    }

    /// Patients on a box whom its clinic never cared for.
    fn foreign_on(&self, at: usize) -> Vec<u32> {
        let end = &self.boxes[at];
        let lines = at_once(end.machine.store().patients_page(None, 1_000_000)).unwrap();
        lines
            .iter()
            .flat_map(|line| crate::model::marks(&line.name).collect::<Vec<_>>())
            .filter(|number| {
                self.model
                    .patients
                    .get(number)
                    .is_none_or(|patient| !patient.ever.contains(&end.clinic))
            })
            .collect()
    }

    fn keep(&mut self, at: usize) {
        if !self.machine(at).is_running() {
            return;
        }
        let image = self.machine(at).image();
        if at == HUB {
            self.hub_kept = Some(image);
        } else {
            self.boxes[at].kept = Some(image);
        }
    }

    /// A machine goes back to its old disk. What stands nowhere else any more is lost with it, and nobody is blamed.
    fn go_back(&mut self, at: usize) {
        if self.resting {
            return;
        }
        if !self.is_everything_on() {
            self.after(MINUTE * 10, Event::GoBack(at));
            return;
        }
        let kept = if at == HUB {
            self.hub_kept.take()
        } else {
            self.boxes[at].kept.take()
        };
        let Some(disk) = kept else { return };
        self.counts.restores += 1;
        self.drop_lines_of(at);
        let machine = self.machine(at);
        machine.replace_disk(disk);
        machine.start();
        if at == HUB {
            if self.dice.chance(50) {
                at_once(self.hub.store().begin_epoch()).unwrap();
            }
            self.repeat_panels();
            self.tell_thefts_again();
        } else if !self.boxes[at].dialling {
            self.boxes[at].dialling = true;
            self.after(Duration::from_secs(3), Event::Dial(at));
        }
        self.forgive_what_is_gone();
    }

    /// What no machine shows was on the lost disk only.
    pub(crate) fn forgive_what_is_gone(&mut self) {
        let charts = self.charts();
        let mut shown = Found::of(self.hub.store(), charts.clone()).facts;
        for (_, end) in self.honest() {
            shown.extend(Found::of(end.machine.store(), charts.clone()).facts);
        }
        for (id, fact) in &mut self.model.facts {
            if !shown.contains_key(id) {
                fact.standing = Standing::Unsure;
            }
        }
    }

    /// A box's disk is copied into another machine; both work on.
    fn copy_a_box(&mut self) {
        let at = self.dice.index(self.boxes.len());
        if self.resting
            || self.boxes.len() >= self.settings.boxes + 2
            || self.boxes[at].lies
            || !self.boxes[at].machine.is_running()
        {
            return;
        }
        self.counts.clones += 1;
        let image = self.boxes[at].machine.image();
        let (number, clinic) = (self.boxes.len() as u64 + 1, self.boxes[at].clinic);
        // Every second one draws the very random numbers of the first, which starts again with it.
        let same = self.dice.chance(50);
        let machine = Machine::clone_of(&self.boxes[at].machine, number, same, &self.time, image);
        if same {
            self.drop_lines_of(at);
            self.boxes[at].machine.start();
            if !self.boxes[at].dialling {
                self.boxes[at].dialling = true;
                self.after(Duration::from_secs(3), Event::Dial(at));
            }
        }
        self.add_box(machine, clinic);
    }
}

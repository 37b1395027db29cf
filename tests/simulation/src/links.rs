//! Connections of the world: dialled, served, cut, and given up.

use std::time::Duration;

use store::{Cause, StoreError};
use sync_core::exchange::{Ask, Credentials, Exchange, ExchangeFault};
use sync_core::identity::Actor;
use sync_core::wire::{Bye, Lane, VERSIONS};

use crate::broken::{self, Broken};
use crate::lies;
use crate::line::{Line, Side};
use crate::machine::{PowerCut, at_once};
use crate::world::{COUNTY, Event, HUB, World};

/// Changes of the day's work are gathered this long, as the program does.
const GATHER: Duration = Duration::from_secs(5);
const MILLISECOND: Duration = Duration::from_millis(1);
/// How long an end waits that does not heed its timers, where that rule is broken on purpose.
const UNHEEDED: Duration = Duration::from_secs(100);

/// Why an end gives a connection up.
enum Trouble {
    Fault(ExchangeFault),
    Store(StoreError),
    Power,
}

impl From<ExchangeFault> for Trouble {
    fn from(fault: ExchangeFault) -> Self {
        Self::Fault(fault)
    }
}

impl From<StoreError> for Trouble {
    fn from(error: StoreError) -> Self {
        Self::Store(error)
    }
}

impl From<PowerCut> for Trouble {
    fn from(_: PowerCut) -> Self {
        Self::Power
    }
}

impl World {
    /// A box tries to reach its hub.
    pub(crate) fn dial(&mut self, at: usize) {
        let end = &mut self.boxes[at];
        end.dialling = false;
        if end.line.is_some() || !end.machine.is_running() {
            return;
        }
        if end.down_until > self.now || !self.hub.is_running() {
            self.failed(at, Cause::Unreachable);
            return;
        }
        match self.connect(at) {
            Ok(()) => {}
            Err(Trouble::Power) => self.power_off(at),
            Err(Trouble::Store(error)) => self.wrong.push(format!("box {at}: {error}")),
            Err(Trouble::Fault(_)) => self.failed(at, Cause::Revoked),
        }
    }

    fn connect(&mut self, at: usize) -> Result<(), Trouble> {
        let end = &mut self.boxes[at];
        let hello = end.machine.call(|store| at_once(store.hello("simulation")))??;
        let mut hello = hello.ok_or(StoreError::Unreadable("enrolment"))?;
        hello.versions.1 = end.speaks;
        self.counts.older_versions += u64::from(end.speaks < VERSIONS.1);
        let (box_key, clinic) = (end.machine.store().device_key().clone(), hello.clinic.clone());
        let hub = self.hub.store();
        let hub_key = hub.device_key().clone();
        match at_once(hub.device_standing(box_key.device()))? {
            store::Standing::Served => {}
            store::Standing::Revoked => return Err(ExchangeFault::Refused(Bye::Revoked).into()),
            store::Standing::Unknown => {
                // Its certificate is the county's, and the hub lost that it had taken it in.
                at_once(hub.enrol_again(box_key.public(), &clinic, &[]))?;
            }
        }
        let credentials = |key: &sync_core::identity::DeviceKey, peer| Credentials {
            key: key.clone(),
            county: COUNTY,
            peer,
            predecessors: Vec::new(),
        };
        let box_end = Exchange::for_box(credentials(&box_key, hub_key.public()), &hello, GATHER, self.now);
        let hub_end = Exchange::for_hub(credentials(&hub_key, box_key.public()), self.now);
        let latency = self
            .net
            .between(Duration::from_millis(40), Duration::from_millis(400));
        let rate = [4_000, 8_000, 32_000, 250_000][self.net.index(4)];
        let id = self.next_line;
        self.next_line += 1;
        self.counts.connections += 1;
        self.lines
            .insert(id, Line::new(at, (box_end, hub_end), self.now, latency, rate));
        self.boxes[at].line = Some(id);
        self.after(latency * 4, Event::Pump(id));
        Ok(())
    }

    /// A try failed: the next one follows after a pause.
    fn failed(&mut self, at: usize, cause: Cause) {
        let end = &mut self.boxes[at];
        if self.settings.broken == Some(Broken::NoRetry) && self.counts.cuts > 0 {
            return;
        }
        let wait = end.backoff.failed(self.net.roll());
        match end
            .machine
            .call(|store| at_once(store.note_failure(cause, Some(wait))))
        {
            Ok(done) => done.unwrap(),
            Err(PowerCut) => {
                self.power_off(at);
                return;
            }
        }
        if !end.dialling {
            end.dialling = true;
            self.after(wait, Event::Dial(at));
        }
    }

    /// The link of a box breaks. An end may learn it at once or not at all.
    pub(crate) fn cut(&mut self, at: usize, down: Duration) {
        self.counts.cuts += 1;
        self.boxes[at].down_until = self.now + down;
        let ids: Vec<u64> = self
            .lines
            .iter()
            .filter(|(_, line)| line.at == at)
            .map(|(id, _)| *id)
            .collect();
        for id in ids {
            let late = self.net.between(Duration::ZERO, Duration::from_secs(2));
            let mut told = Vec::new();
            if let Some(line) = self.lines.get_mut(&id) {
                line.ways
                    .iter_mut()
                    .for_each(|way| way.cut_at = Some(way.cut_at.unwrap_or(self.now + late)));
                for side in [Side::Box, Side::Hub] {
                    if self.net.chance(60) {
                        told.push((side, self.net.between(late, late + Duration::from_secs(5))));
                    }
                }
            }
            for (side, when) in told {
                self.after(when, Event::Closed(id, side));
            }
        }
    }

    pub(crate) fn arrive(&mut self, id: u64, from: Side, bytes: &[u8]) {
        let now = self.now;
        let Some(line) = self.lines.get_mut(&id) else {
            return;
        };
        if !line.lets_through(from, now) {
            return;
        }
        self.counts.bytes += bytes.len() as u64;
        let to = from.other();
        let Some(exchange) = line.end(to) else { return };
        match exchange.handle_bytes(bytes, now) {
            Ok(()) => self.pump(id),
            Err(fault) => self.give_up(id, to, Trouble::Fault(fault)),
        }
    }

    pub(crate) fn wake(&mut self, id: u64, side: Side) {
        let now = self.now;
        let hears = broken::hears_timeouts(self.settings.broken, side);
        let Some(line) = self.lines.get_mut(&id) else {
            return;
        };
        line.timers[side as usize] = None;
        let Some(exchange) = line.end(side) else { return };
        let outcome = if hears || exchange.poll_timeout() > now {
            exchange.handle_timeout(now)
        } else {
            Ok(())
        };
        match outcome {
            Ok(()) => self.pump(id),
            Err(fault) => self.give_up(id, side, Trouble::Fault(fault)),
        }
    }

    /// An end learns that the connection is over.
    pub(crate) fn closed(&mut self, id: u64, side: Side) {
        if self
            .lines
            .get_mut(&id)
            .is_some_and(|line| line.end(side).is_some())
        {
            self.drop_end(id, side, Cause::Cut);
        }
    }

    fn give_up(&mut self, id: u64, side: Side, trouble: Trouble) {
        let at = self.lines.get(&id).map_or(0, |line| line.at);
        let (bye, cause) = match &trouble {
            Trouble::Power => {
                self.power_off(if side == Side::Hub { HUB } else { at });
                return;
            }
            Trouble::Store(error) => {
                // A box that lies may be told what makes no sense to its own store.
                if self.settings.broken.is_none() && !(side == Side::Box && self.boxes[at].lies) {
                    self.wrong.push(format!("{side:?} of box {at}: {error}"));
                }
                (Some(Bye::StoreFault), Cause::OwnStore)
            }
            Trouble::Fault(fault) => {
                self.note_fault(at, side, fault);
                (fault.bye(), Cause::Cut)
            }
        };
        if let Trouble::Fault(ExchangeFault::Closed(Bye::NotHere)) = trouble {
            let device = self.boxes[at].device;
            let told = match side {
                Side::Box => self.boxes[at]
                    .machine
                    .call(|store| at_once(store.answer_as_box(Ask::TellInFull))),
                Side::Hub => self
                    .hub
                    .call(|store| at_once(store.answer_as_hub(device, Ask::TellInFull))),
            };
            if told.is_err() {
                self.power_off(if side == Side::Hub { HUB } else { at });
                return;
            }
        }
        if let (Some(bye), Some(line)) = (bye, self.lines.get_mut(&id)) {
            if let Some(exchange) = line.end(side) {
                exchange.close(bye);
            }
            self.transmit(id, side);
        }
        let other = side.other();
        if let Some(heard) = self.lines.get(&id).map(|line| line.heard_at(side, self.now)) {
            self.at(heard + MILLISECOND, Event::Closed(id, other));
        }
        self.drop_end(id, side, cause);
    }

    /// Ends of honest machines never find each other ill-formed.
    fn note_fault(&mut self, at: usize, side: Side, fault: &ExchangeFault) {
        let usual = matches!(
            fault,
            ExchangeFault::Silent(_)
                | ExchangeFault::Closed(Bye::Silent | Bye::Stopping | Bye::StoreFault | Bye::NotHere)
                | ExchangeFault::Refused(_)
                | ExchangeFault::Wire(sync_core::wire::WireFault::NotHere(_))
        );
        if !usual && self.settings.broken.is_none() && !self.boxes[at].lies {
            self.wrong.push(format!("{side:?} of box {at}: {fault}"));
        }
    }

    fn drop_end(&mut self, id: u64, side: Side, cause: Cause) {
        let Some(line) = self.lines.get_mut(&id) else {
            return;
        };
        let (at, since) = (line.at, line.since);
        let ended = line.end(side).take();
        if line.is_over() {
            self.lines.remove(&id);
        }
        if side == Side::Box && self.boxes[at].line == Some(id) {
            self.boxes[at].line = None;
            if let Some(exchange) = ended.filter(Exchange::is_open) {
                let lasted = self.now.saturating_sub(since);
                self.boxes[at]
                    .backoff
                    .reached(lasted, exchange.counts().is_something_new());
            }
            if self.boxes[at].machine.is_running() {
                self.failed(at, cause);
            }
        }
    }

    /// The power of a machine went: whoever is at the other end hears nothing.
    pub(crate) fn power_off(&mut self, at: usize) {
        self.counts.power_cuts += 1;
        self.drop_lines_of(at);
        let until = self
            .dice
            .between(Duration::from_secs(20), Duration::from_secs(1200));
        let until = if self.resting {
            Duration::from_secs(20)
        } else {
            until
        };
        self.after(until, Event::On(at));
    }

    pub(crate) fn drop_lines_of(&mut self, at: usize) {
        for line in self.lines.values_mut() {
            if at == HUB {
                line.hub_end = None;
            } else if line.at == at {
                line.box_end = None;
            }
        }
        self.lines.retain(|_, line| !line.is_over());
        if at != HUB {
            self.boxes[at].line = None;
        }
    }

    /// Lets both ends of a connection work until they wait.
    pub(crate) fn pump(&mut self, id: u64) {
        for _ in 0..64 {
            let mut moved = false;
            for side in [Side::Box, Side::Hub] {
                match self.serve(id, side) {
                    Ok(did) => moved |= did,
                    Err(trouble) => {
                        self.give_up(id, side, trouble);
                        break;
                    }
                }
                self.transmit(id, side);
            }
            self.spread_news();
            if !moved {
                break;
            }
        }
        self.set_timers(id);
    }

    fn serve(&mut self, id: u64, side: Side) -> Result<bool, Trouble> {
        let (now, broken) = (self.now, self.settings.broken);
        let Some(at) = self.lines.get(&id).map(|line| line.at) else {
            return Ok(false);
        };
        let device = self.boxes[at].device;
        let other = self
            .boxes
            .iter()
            .find(|end| end.clinic != self.boxes[at].clinic)
            .map_or(device, |end| end.device);
        let lies = self.boxes[at].lies;
        let others: Vec<Actor> = if lies {
            self.sessions_of_others(at)
        } else {
            Vec::new()
        };
        let mut moved = false;
        let Some(line) = self.lines.get_mut(&id) else {
            return Ok(false);
        };
        let known = line.long_until(side);
        while let Some(ask) = line.next_ask(side, now) {
            moved = true;
            let answer = match side {
                Side::Box => {
                    let machine = &mut self.boxes[at].machine;
                    if let Ask::Welcomed(welcome) = &ask {
                        machine.clock.hear(welcome.at);
                    }
                    let answer = machine.call(|store| broken::at_box(broken, store, ask))??;
                    if lies {
                        lies::twist(answer, &others, &mut self.net)
                    } else {
                        answer
                    }
                }
                Side::Hub => {
                    let greets = match &ask {
                        Ask::Greet(hello) => Some(hello.actor),
                        _ => None,
                    };
                    let answer = self
                        .hub
                        .call(|store| broken::at_hub(broken, store, device, other, ask))??;
                    line.actor = greets.or(line.actor);
                    answer
                }
            };
            let Some(exchange) = line.end(side) else { break };
            exchange.handle_answer(answer, now)?;
        }
        let until = line.long_until(side);
        if let Some(done) = until.filter(|_| until != known) {
            self.at(done, Event::Pump(id));
        }
        Ok(moved)
    }

    /// Sessions of machines that run, other than this one.
    fn sessions_of_others(&self, at: usize) -> Vec<Actor> {
        let others = self
            .boxes
            .iter()
            .enumerate()
            .filter(|(other, end)| *other != at && end.machine.is_running());
        others.map(|(_, end)| end.machine.store().actor()).collect()
    }

    fn transmit(&mut self, id: u64, side: Side) {
        let now = self.now;
        let Some(line) = self.lines.get_mut(&id) else {
            return;
        };
        let (sent, again) = line.send(side, now);
        let again = again.filter(|again| line.waits_for(side, *again, now));
        let lost = line.ways[side as usize].cut_at.is_some_and(|cut| cut < now);
        if !lost {
            for (when, bytes) in sent {
                self.at(when, Event::Arrive(id, side, bytes));
            }
        }
        if let Some(again) = again {
            self.at(again, Event::Pump(id));
        }
    }

    fn set_timers(&mut self, id: u64) {
        let now = self.now;
        let Some(line) = self.lines.get_mut(&id) else {
            return;
        };
        let mut wakes = Vec::new();
        for side in [Side::Box, Side::Hub] {
            let Some(exchange) = line.end(side) else { continue };
            let due = exchange.poll_timeout();
            // An end that does not heed its timers is not woken without pause.
            let deaf = self.settings.broken == Some(Broken::NoTimeout) && due <= now;
            let due = if deaf { now + UNHEEDED } else { due.max(now) };
            let timer = &mut line.timers[side as usize];
            if timer.is_none_or(|set| due < set) {
                *timer = Some(due);
                wakes.push((due, side));
            }
        }
        for (due, side) in wakes {
            self.at(due, Event::Wake(id, side));
        }
    }

    /// Tells the ends of connections that there may be more to send.
    pub(crate) fn spread_news(&mut self) {
        let now = self.now;
        let mut pumps = Vec::new();
        for at in 0..self.boxes.len() {
            if self.boxes[at].machine.has_news()
                && let Some(id) = self.boxes[at].line
                && let Some(exchange) = self.lines.get_mut(&id).and_then(|line| line.box_end.as_mut())
            {
                Lane::ALL.into_iter().for_each(|lane| exchange.wake(lane, now));
                pumps.push(id);
            }
        }
        if self.hub.has_news() {
            for (id, line) in &mut self.lines {
                let Some(exchange) = line.hub_end.as_mut() else {
                    continue;
                };
                let device = self.boxes[line.at].device;
                let Ok(ends) = at_once(self.hub.store().feed_positions(device)) else {
                    continue;
                };
                for lane in Lane::ALL
                    .into_iter()
                    .filter(|lane| ends[lane.index()] != line.seen[lane.index()])
                {
                    exchange.wake(lane, now);
                    if pumps.last() != Some(id) {
                        pumps.push(*id);
                    }
                }
                line.seen = ends;
            }
        }
        for id in pumps {
            self.after(MILLISECOND, Event::Pump(id));
        }
    }
}

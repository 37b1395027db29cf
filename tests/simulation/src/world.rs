//! The world: one queue of events in virtual time, and everything that they happen to.

use std::collections::{BTreeMap, BinaryHeap};
use std::sync::Arc;
use std::time::Duration;

use records::ids::{DeviceId, DocId, PatientId};
use store::{Enrolment, Side as MachineSide};
use sync_core::backoff::Backoff;
use sync_core::wire::{EnrolRequest, VERSIONS};
use tempfile::TempDir;

use crate::clock::WorldTime;
use crate::dice::Dice;
use crate::disk::{Disk, scratch};
use crate::line::{Line, Side};
use crate::machine::{Machine, at_once};
use crate::model::{FactId, Model};
use crate::people::{Form, code};
use crate::report::Counts;
use crate::settings::Settings;

/// The county: SHA-256 of a CA's key in a real one.
pub(crate) const COUNTY: [u8; 32] = [7; 32];
/// The hub's number among the machines.
pub(crate) const HUB: usize = usize::MAX;

/// Events of one machine in an hour that are far too many.
const EVENTS_AN_HOUR: u64 = 20_000;

/// Something that happens.
#[derive(Debug)]
pub(crate) enum Event {
    Visit(usize),
    Reading(usize),
    Edit(usize),
    Attach(usize),
    Form(usize),
    Send(usize, Box<Form>),
    Desk,
    Look(usize),
    Cut(usize),
    Dial(usize),
    Arrive(u64, Side, Vec<u8>),
    Closed(u64, Side),
    Wake(u64, Side),
    Pump(u64),
    On(usize),
    Fuse,
    ClockJump,
    Keep(usize),
    GoBack(usize),
    Restore,
    HubRestore,
    Clone,
    Stick,
    StickAtHub(usize, std::path::PathBuf),
    StickAtBox(usize, std::path::PathBuf),
    Panel,
    Purge,
    Theft,
    Release,
    Revoke(usize),
    Urgent(usize, u64, u32),
}

impl Event {
    /// Whether people or troubles do it: not any more once everything is let come to rest.
    pub(crate) fn is_of_the_working_day(&self) -> bool {
        !matches!(
            self,
            Self::Dial(_)
                | Self::Arrive(..)
                | Self::Closed(..)
                | Self::Wake(..)
                | Self::Pump(_)
                | Self::On(_)
                | Self::StickAtHub(..)
                | Self::StickAtBox(..)
                | Self::Revoke(_)
        )
    }
}

struct Due {
    at: Duration,
    nth: u64,
    what: Event,
}

impl PartialEq for Due {
    fn eq(&self, other: &Self) -> bool {
        (self.at, self.nth) == (other.at, other.nth)
    }
}

impl Eq for Due {}

impl PartialOrd for Due {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Due {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        // The heap gives its greatest first.
        (other.at, other.nth).cmp(&(self.at, self.nth))
    }
}

/// A box and what is around it.
pub(crate) struct BoxEnd {
    pub(crate) machine: Machine,
    pub(crate) clinic: usize,
    /// Its program was tampered with.
    pub(crate) lies: bool,
    pub(crate) device: DeviceId,
    /// The newest wire version that its program speaks.
    pub(crate) speaks: u16,
    pub(crate) down_until: Duration,
    pub(crate) line: Option<u64>,
    pub(crate) backoff: Backoff,
    pub(crate) dialling: bool,
    /// An old copy of its disk.
    pub(crate) kept: Option<Disk>,
    /// What was written here up to this number was seen at the hub.
    pub(crate) seen_at_hub: u32,
}

/// A stolen box.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Theft {
    /// What was written last, anywhere, when it was revoked.
    pub(crate) last: FactId,
    /// Whether the hub knows that; one that went back may not.
    pub(crate) told: bool,
}

/// Everything.
pub(crate) struct World {
    pub(crate) settings: Settings,
    pub(crate) now: Duration,
    pub(crate) time: Arc<WorldTime>,
    queue: BinaryHeap<Due>,
    nth: u64,
    pub(crate) dice: Dice,
    pub(crate) net: Dice,
    pub(crate) hub: Machine,
    pub(crate) hub_kept: Option<Disk>,
    pub(crate) boxes: Vec<BoxEnd>,
    pub(crate) lines: BTreeMap<u64, Line>,
    pub(crate) next_line: u64,
    pub(crate) model: Model,
    pub(crate) counts: Counts,
    pub(crate) scratch: TempDir,
    pub(crate) next_file: u64,
    /// What the county does again: patient, clinic, chart, joins.
    pub(crate) repeat: Vec<(u32, usize, PatientId, bool)>,
    /// Everything of that kind is to be done again.
    pub(crate) repeat_all: bool,
    /// Documents that were purged, and the clinics that own them.
    pub(crate) purges: Vec<(usize, Vec<DocId>)>,
    /// Boxes that were stolen and revoked.
    pub(crate) stolen: BTreeMap<DeviceId, Theft>,
    /// Nothing befalls anybody any more: everything comes to rest.
    pub(crate) resting: bool,
    /// What is wrong so far.
    pub(crate) wrong: Vec<String>,
    pub(crate) digest: blake3::Hasher,
}

impl World {
    pub(crate) fn new(settings: Settings) -> Self {
        let time = Arc::new(WorldTime::default());
        let hub = Machine::new(MachineSide::Hub, settings.seed, 0, &time);
        at_once(hub.store().set_county(COUNTY)).unwrap();
        for clinic in 0..settings.clinics {
            assert!(at_once(hub.store().add_clinic(&code(clinic), "柳树村")).unwrap());
        }
        let mut world = Self {
            dice: Dice::new(settings.seed, "people"),
            net: Dice::new(settings.seed, "network"),
            now: Duration::ZERO,
            queue: BinaryHeap::new(),
            nth: 0,
            hub,
            hub_kept: None,
            boxes: Vec::new(),
            lines: BTreeMap::new(),
            next_line: 0,
            model: Model::default(),
            counts: Counts::default(),
            scratch: scratch(),
            next_file: 0,
            repeat: Vec::new(),
            repeat_all: false,
            purges: Vec::new(),
            stolen: BTreeMap::new(),
            resting: false,
            wrong: Vec::new(),
            digest: blake3::Hasher::new(),
            time,
            settings,
        };
        for at in 0..world.settings.boxes {
            world.add_new_box(at % world.settings.clinics);
        }
        for _ in 0..world.settings.liars {
            let at = world.add_new_box(0);
            world.boxes[at].lies = true;
        }
        world.begin();
        world
    }

    /// The hub takes a box in.
    fn join(&self, machine: &Machine, clinic: usize) {
        let (hub, end) = (self.hub.store(), machine.store());
        let secret = at_once(hub.new_token_secret(&code(clinic))).unwrap().unwrap();
        let request = EnrolRequest::sign(end.device_key(), end.actor(), secret, None, "box");
        let key = request.verify().unwrap();
        let taken = at_once(hub.enrol_device(&request, key)).unwrap().unwrap();
        let enrolment = Enrolment {
            hub_url: "https://127.0.0.1:1".to_owned(),
            clinic: taken.clinic,
            clinic_name: taken.clinic_name,
            county: COUNTY,
            hub_key: hub.device_key().public().to_bytes(),
            ca: Vec::new(),
            certificate: Vec::new(),
        };
        at_once(end.keep_enrolment(enrolment, taken.epoch)).unwrap();
    }

    /// A new box of a clinic.
    pub(crate) fn add_new_box(&mut self, clinic: usize) -> usize {
        let at = self.boxes.len();
        let machine = Machine::new(MachineSide::Box, self.settings.seed, at as u64 + 1, &self.time);
        self.join(&machine, clinic);
        self.add_box(machine, clinic);
        at
    }

    pub(crate) fn add_box(&mut self, machine: Machine, clinic: usize) {
        let at = self.boxes.len();
        let speaks = self.some_version();
        self.boxes.push(BoxEnd {
            speaks,
            device: machine.store().device(),
            machine,
            clinic,
            lies: false,
            down_until: Duration::ZERO,
            line: None,
            backoff: Backoff::default(),
            dialling: false,
            kept: None,
            seen_at_hub: 0,
        });
        self.begin_box(at);
    }

    /// The newest wire version of some release that is in the field.
    fn some_version(&mut self) -> u16 {
        let (oldest, newest) = VERSIONS;
        if self.settings.troubles.releases.is_none() || self.net.chance(50) {
            return newest;
        }
        oldest + self.net.index(usize::from(newest - oldest) + 1) as u16
    }

    /// A box gets another release and starts again.
    pub(crate) fn release(&mut self) {
        let at = self.net.index(self.boxes.len());
        let speaks = self.some_version();
        if speaks != self.boxes[at].speaks {
            self.counts.releases += 1;
            self.boxes[at].speaks = speaks;
            self.hang_up_on(self.boxes[at].device);
        }
    }

    /// The connections of a device close.
    pub(crate) fn hang_up_on(&mut self, device: DeviceId) {
        let of_device = |line: &Line| self.boxes[line.at].device == device;
        let lines = self.lines.iter().filter(|(_, line)| of_device(line));
        let ids: Vec<u64> = lines.map(|(id, _)| *id).collect();
        for id in ids {
            for side in [Side::Hub, Side::Box] {
                self.after(Duration::ZERO, Event::Closed(id, side));
            }
        }
    }

    pub(crate) fn after(&mut self, wait: Duration, what: Event) {
        self.at(self.now + wait, what);
    }

    pub(crate) fn at(&mut self, at: Duration, what: Event) {
        self.nth += 1;
        self.queue.push(Due {
            at: at.max(self.now),
            nth: self.nth,
            what,
        });
    }

    /// Lets everything happen until then.
    pub(crate) fn run_until(&mut self, end: Duration) {
        while self.wrong.is_empty()
            && let Some(due) = self.queue.pop_if_due(end)
        {
            self.now = self.now.max(due.at);
            self.time.set(self.now);
            self.counts.events += 1;
            self.digest.update(&(self.now.as_millis() as u64).to_be_bytes());
            self.digest
                .update(format!("{:?}", std::mem::discriminant(&due.what)).as_bytes());
            self.happens(due.what);
            if self.counts.events > self.most_events() {
                self.wrong.push("much happens and nothing comes of it".to_owned());
            }
        }
        self.now = end;
        self.time.set(end);
    }

    /// Far more than any run in which something comes of what happens.
    fn most_events(&self) -> u64 {
        (self.settings.hours + 6) * (self.boxes.len() as u64 + 1) * EVENTS_AN_HOUR
    }

    pub(crate) fn machine(&mut self, at: usize) -> &mut Machine {
        if at == HUB {
            &mut self.hub
        } else {
            &mut self.boxes[at].machine
        }
    }

    pub(crate) fn is_everything_on(&self) -> bool {
        self.hub.is_running() && self.boxes.iter().all(|end| end.machine.is_running())
    }

    /// Charts as the model knows them.
    pub(crate) fn charts(&self) -> Vec<PatientId> {
        self.model
            .patients
            .values()
            .filter_map(|patient| patient.id)
            .collect()
    }
}

trait PopIfDue {
    fn pop_if_due(&mut self, end: Duration) -> Option<Due>;
}

impl PopIfDue for BinaryHeap<Due> {
    fn pop_if_due(&mut self, end: Duration) -> Option<Due> {
        if self.peek()?.at > end {
            return None;
        }
        self.pop()
    }
}

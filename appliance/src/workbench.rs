//! What the tests of this crate share: a box in a folder that goes away, under a clock that is moved by hand.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use device_drivers::events::{BloodPressure, BloodPressureQuality, DeviceEvent, Origin, Reading, SubjectId};
use device_drivers::idcard_sam::{CardKind, IdCard, Photo, Validity};
use device_drivers::session::{LinkState, SessionEvent};
use records::identity::ResidentIdNumber;
use records::ids::{ClinicCode, DocKind, ObservationId, PatientId, StaffId};
use records::patients::NewPatient;
use records::staff::{Role, StaffMember, StaffState};
use records::time::{ClockSource, Stamp, WallTime};
use records::tree::Edit;
use records::units::{Bpm, MmHg};
use records::vitals::{Measured, Observation, add_observation};
use shell::closing::Closing;
use store::{AuditAct, By, Clock, Commit, CommitError, Mode, OpenOptions, Side, Store, Target, Write};
use tempfile::TempDir;
use tokio::sync::{broadcast, watch};

use crate::bays::keeper::{Keeper, Queue};
use crate::bays::{Bays, News};
use crate::config::{BayConfig, KioskConfig, LanConfig};
use crate::hub_link::HubLink;
use crate::kiosk::Kiosks;
use crate::kiosk::screens::Screens;
use crate::live::Live;
use crate::state::AppState;

/// 2025-10-09 in the morning.
const START: i64 = 1_760_000_000_000;

/// A clock that stands still until it is moved.
pub(crate) struct HandClock(AtomicI64);

impl HandClock {
    pub(crate) fn advance(&self, by: Duration) {
        self.0
            .fetch_add(i64::try_from(by.as_millis()).unwrap(), Ordering::SeqCst);
    }
}

impl Clock for HandClock {
    fn now(&self) -> Stamp {
        Stamp {
            at: WallTime(START + self.0.load(Ordering::SeqCst)),
            source: ClockSource::Tablet,
        }
    }

    fn uptime(&self) -> Duration {
        Duration::from_millis(self.0.load(Ordering::SeqCst).unsigned_abs())
    }
}

/// A box without listeners and threads.
pub(crate) struct Bench {
    pub(crate) clock: Arc<HandClock>,
    pub(crate) state: AppState,
    keeper: Keeper,
    news: broadcast::Receiver<(usize, News)>,
    _switch: watch::Sender<bool>,
    _folder: TempDir,
}

pub(crate) fn clinic() -> ClinicCode {
    "0017".parse().unwrap()
}

/// A bay of this device; its port is never opened.
pub(crate) fn bay(name: &str, device: &str) -> BayConfig {
    BayConfig {
        name: name.to_owned(),
        device: device.to_owned(),
        port: format!("/nowhere/{name}").into(),
    }
}

impl Bench {
    pub(crate) async fn new(bays: &[BayConfig]) -> Self {
        Self::with_pages(bays, None).await
    }

    /// A box whose database takes at most so many pages.
    pub(crate) async fn with_pages(bays: &[BayConfig], pages: Option<u32>) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let clock = Arc::new(HandClock(AtomicI64::new(10_000_000)));
        let random = Box::new(|bytes: &mut [u8]| rand::fill(bytes));
        let mut options = OpenOptions::new(Side::Box, clock.clone(), random);
        options.mode = Mode::Serve;
        options.pages_max = pages;
        options.password_cost_kib = Some(64);
        let store = Store::open(folder.path(), options).unwrap();
        store.set_clinic(&clinic()).await.unwrap();
        let live = Live::default();
        let queue = Arc::new(Queue::default());
        let bays = Bays::new(bays, clock.clone(), queue.clone(), live.clone());
        let screens = Screens::load(&store).await.unwrap();
        let kiosks = Kiosks::new(bays.clone(), store.clone(), clock.clone(), live.clone(), screens);
        let (switch, closing) = Closing::new();
        let keeper = Keeper::of(store.clone(), bays.clone(), queue);
        let news = bays.news();
        for number in 0..bays.list().len() {
            bays.take(number, SessionEvent::Link(LinkState::Connected));
        }
        let state = AppState {
            keeping: shell::keeping::Keeping::default(),
            updates: crate::pages::update::Updates::default(),
            checkup: crate::checkup::Checkup::default(),
            link: HubLink::new(&store, None, None),
            store,
            clock: clock.clone(),
            system_clock: None,
            bays,
            kiosks,
            live,
            lan: Arc::default(),
            lan_config: Arc::new(LanConfig::default()),
            radio: Arc::default(),
            kiosk_config: Arc::new(KioskConfig::default()),
            card: Arc::default(),
            limits: Arc::default(),
            closing,
            notice: None,
            unreadable: Arc::default(),
        };
        Self {
            clock,
            state,
            keeper,
            news,
            _switch: switch,
            _folder: folder,
        }
    }

    /// Lets everything that follows from the last event happen.
    pub(crate) async fn settle(&mut self) {
        loop {
            while let Ok((bay, news)) = self.news.try_recv() {
                self.state.kiosks.hear(bay, news).await;
            }
            if !self.state.bays.is_stuck() {
                self.keeper.drain().await;
            }
            if self.news.is_empty() {
                return;
            }
        }
    }

    /// The keeper tries again what it could not save.
    pub(crate) async fn save_again(&mut self) {
        self.keeper.drain().await;
        self.settle().await;
    }

    /// Lets time pass, with all that becomes due.
    pub(crate) async fn pass(&mut self, time: Duration) {
        self.clock.advance(time);
        self.state.bays.tick();
        self.state.kiosks.tick().await;
        self.settle().await;
    }

    pub(crate) async fn device(&mut self, bay: usize, event: DeviceEvent) {
        self.state.bays.take(bay, SessionEvent::Device(event));
        self.settle().await;
    }

    pub(crate) async fn link(&mut self, bay: usize, link: LinkState) {
        self.state.bays.take(bay, SessionEvent::Link(link));
        self.settle().await;
    }

    /// Registers a person with this ID number.
    pub(crate) async fn register(&self, name: &str, id_number: &str) -> PatientId {
        self.try_register(name, id_number).await.unwrap()
    }

    pub(crate) async fn try_register(&self, name: &str, id_number: &str) -> Result<PatientId, CommitError> {
        let person = NewPatient {
            name: name.to_owned(),
            id_number: id_number.to_owned(),
            phone: "13800000000".to_owned(),
            ..NewPatient::default()
        };
        let store = self.state.store.clone();
        let edits = person.edits(None, self.clock.now(), &mut || store.fresh());
        self.create(DocKind::Chart, edits).await.map(PatientId)
    }

    /// Writes a typed reading into the series of a patient.
    pub(crate) async fn try_reading(&self, patient: PatientId) -> Result<(), CommitError> {
        let observation = Observation {
            id: ObservationId(self.state.store.fresh()),
            measured: Measured::Pulse(Bpm::new(70).unwrap()),
            taken: self.clock.now(),
            origin: records::vitals::Origin::Typed,
            by: None,
            marks: Vec::new(),
            withdrawn: None,
        };
        let month = "2025-10".to_owned();
        let target = Target::Series {
            patient,
            month,
            owner: clinic(),
        };
        self.write(target, add_observation(&observation)).await.map(drop)
    }

    async fn create(&self, kind: DocKind, edits: Vec<Edit>) -> Result<[u8; 16], CommitError> {
        self.write(
            Target::New {
                kind,
                owner: clinic(),
            },
            edits,
        )
        .await
    }

    async fn write(&self, target: Target, edits: Vec<Edit>) -> Result<[u8; 16], CommitError> {
        let commit = Commit::new(By::System, AuditAct::Register, vec![Write::new(target, edits)]);
        Ok(self.state.store.commit(commit).await?.docs[0].0)
    }

    /// A member of staff with this role, signed in: the cookie of their browser.
    pub(crate) async fn sign_in(&self, role: Role) -> (StaffId, String) {
        let store = &self.state.store;
        let id = StaffId(store.fresh());
        let member = StaffMember {
            id,
            name: "李医生".to_owned(),
            login: "li".to_owned(),
            roles: vec![role],
            state: StaffState::Active,
            password_hash: store.hash_secret("correct horse").await.unwrap(),
            pin_hash: store.hash_secret("2468").await.unwrap(),
            clinic: Some(clinic()),
            must_change: false,
        };
        store.put_roster(vec![member], false).await.unwrap();
        let token = store.new_session(id, "test").await.unwrap();
        (id, format!("{}={token}", web::cookies::SESSION_COOKIE))
    }
}

/// An ID number that passes its check, another one for each `n`.
pub(crate) fn id_number(n: u32) -> String {
    let digits = format!("11010519491231{n:03}");
    let checks = "0123456789X".chars();
    let mut numbers = checks.map(|check| format!("{digits}{check}"));
    numbers
        .find(|number| ResidentIdNumber::parse(number).is_ok())
        .unwrap()
}

pub(crate) fn card(name: &str, number: &str) -> DeviceEvent {
    DeviceEvent::Card(Box::new(IdCard {
        kind: CardKind::Resident,
        name: name.to_owned(),
        latin_name: None,
        sex_code: "2".to_owned(),
        ethnicity_code: Some("01".to_owned()),
        birth_text: "19491231".to_owned(),
        birth: None,
        address: Some("示例县青石镇上湾村3组12号".to_owned()),
        new_address: None,
        number: number.to_owned(),
        authority: None,
        validity: Validity::default(),
        pass_number: None,
        issue_count: None,
        nationality: None,
        photo: Photo::default(),
    }))
}

pub(crate) fn pressure(systolic: i64, diastolic: i64, subject: Option<&str>) -> DeviceEvent {
    DeviceEvent::Reading(Reading::BloodPressure(BloodPressure {
        systolic: MmHg::new(systolic).unwrap(),
        diastolic: MmHg::new(diastolic).unwrap(),
        mean: None,
        pulse: Bpm::new(77).ok(),
        subject: subject.and_then(SubjectId::from_field),
        device_time: None,
        quality: BloodPressureQuality::default(),
        origin: Origin::Fresh,
        raw: Vec::new(),
    }))
}

//! Device bays: places where one device stands, and what may come of a reading there.
//!
//! Each bay has a thread that runs its device's session ([`runner`]). What the device says goes through the pure
//! decision in [`attachment`]; the outcome is queued and saved by [`keeper`], and only then told to screens.

pub mod attachment;
pub mod ecgs;
#[cfg(test)]
mod hour_tests;
pub mod keeper;
pub mod readings;
pub mod recorder;
pub mod runner;
pub mod shown;
pub mod tray;
pub mod wave;

use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use device_drivers::catalogue::{DeviceKey, Measures, Model, StartedBy};
use device_drivers::events::{DeviceEvent, Fault, Progress, Status};
use device_drivers::idcard_sam::IdCard;
use device_drivers::machine::Request;
use device_drivers::session::{Control, LinkState, SessionEvent};
use records::ids::{PatientId, StaffId};
use store::Clock;
use tokio::sync::broadcast;

use attachment::{Arrival, Attachment, Bounds, CloseReason, Closed, Opener, Person, TrayReason, Verdict};
use keeper::{Keep, Queue};
use recorder::{RECORDING_SAMPLES, Recorder};
use shown::Shown;

use crate::config::BayConfig;
use crate::live::{Live, LiveEvent};

/// News that a slow listener may lag behind.
const NEWS: usize = 256;
/// Time that a bay shows its last result to the doctor.
const LAST_SHOWN_FOR: Duration = Duration::from_secs(600);

/// What happened at a bay, for kiosks.
#[derive(Debug, Clone, PartialEq)]
pub enum News {
    /// A card was read.
    Card,
    /// A card could not be read.
    CardUnreadable,
    /// The card was taken away.
    CardLifted,
    /// A reading was attached and saved.
    Attached(PatientId, Shown),
    /// A reading was saved in the tray.
    Handed(TrayReason),
    /// The measurement gave no result.
    Failed(crate::kiosk::flow::Failure),
    /// The open session was closed otherwise than by its reading.
    SessionEnded(CloseReason),
    /// Nothing can be saved at present.
    CannotSave,
}

/// What a bay is doing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Doing {
    /// Nothing that it shows.
    Idle,
    /// It measures since this many seconds.
    Measuring {
        /// Seconds since the start.
        seconds: u64,
    },
    /// Its trace is shown, nothing is recorded.
    Watching,
    /// It records.
    Recording {
        /// How much of the recording is there, in percent.
        percent: u8,
    },
}

/// A session as screens show it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SessionView {
    /// For whom.
    pub patient: PatientId,
    /// By whom.
    pub opener: Opener,
    /// For how long it is open.
    pub open_for: Duration,
}

/// A bay as screens show it.
#[derive(Debug, Clone)]
pub struct BayView {
    /// Its number, in the order of the settings.
    pub number: usize,
    /// Its name.
    pub name: String,
    /// Its device.
    pub device: &'static Model,
    /// The line to it.
    pub link: LinkState,
    /// The open session.
    pub session: Option<SessionView>,
    /// What it is doing.
    pub doing: Doing,
    /// Its last result of the last ten minutes: whose it is (none: it is in the tray), and what.
    pub last: Option<(Option<PatientId>, Shown)>,
}

/// Why a bay does not do what was asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum BayRefusal {
    /// There is no such bay.
    #[error("no such bay")]
    NoBay,
    /// Its device measures no patients.
    #[error("this device measures nobody")]
    NotForPatients,
    /// Its device is not there.
    #[error("the device is not connected")]
    NotConnected,
    /// Only the person at the device starts it.
    #[error("the device is started at the device")]
    StartedAtDevice,
    /// No session is open.
    #[error("no session is open at the bay")]
    NoSession,
    /// Too much waits already.
    #[error("the device is busy")]
    Busy,
}

/// All bays of the box. A cheap clone.
#[derive(Clone)]
pub struct Bays {
    inner: Arc<Inner>,
}

struct Inner {
    bays: Vec<Bay>,
    clock: Arc<dyn Clock>,
    queue: Arc<Queue>,
    live: Live,
    news: broadcast::Sender<(usize, News)>,
}

struct Bay {
    name: String,
    key: DeviceKey,
    port: PathBuf,
    control: Control,
    state: Mutex<State>,
    waves: wave::Waves,
}

struct State {
    link: LinkState,
    attachment: Attachment,
    card: Option<Box<IdCard>>,
    measuring_since: Option<Duration>,
    serial: Option<String>,
    recording: Recording,
    last: Option<(Duration, Option<PatientId>, Shown)>,
    /// The last link word that stands in the bay's log.
    logged_link: &'static str,
}

/// What an ECG bay does with its stream.
#[derive(Debug, Default)]
enum Recording {
    #[default]
    Off,
    /// Shows the trace.
    Watching,
    /// Collects; begun at this time.
    On(Box<Recorder>, Duration),
}

impl Bays {
    /// Bays of these settings; no thread runs yet.
    pub fn new(settings: &[BayConfig], clock: Arc<dyn Clock>, queue: Arc<Queue>, live: Live) -> Self {
        let bays = settings
            .iter()
            .filter_map(|bay| Bay::new(bay, bay.device.parse().ok()?))
            .collect();
        let (news, _) = broadcast::channel(NEWS);
        Self {
            inner: Arc::new(Inner {
                bays,
                clock,
                queue,
                live,
                news,
            }),
        }
    }

    /// Listens to what happens at bays, for kiosks.
    pub fn news(&self) -> broadcast::Receiver<(usize, News)> {
        self.inner.news.subscribe()
    }

    /// All bays.
    pub fn list(&self) -> Vec<BayView> {
        (0..self.inner.bays.len())
            .filter_map(|number| self.bay(number))
            .collect()
    }

    /// One bay.
    pub fn bay(&self, number: usize) -> Option<BayView> {
        let now = self.now();
        let bay = self.inner.bays.get(number)?;
        let state = bay.lock();
        let session = state.attachment.session().map(|session| SessionView {
            patient: session.person.patient,
            opener: session.opener,
            open_for: now.saturating_sub(session.opened),
        });
        let fresh =
            |(at, ..): &&(Duration, Option<PatientId>, Shown)| now.saturating_sub(*at) < LAST_SHOWN_FOR;
        Some(BayView {
            number,
            name: bay.name.clone(),
            device: bay.key.model(),
            link: state.link.clone(),
            session,
            doing: state.doing(now),
            last: state
                .last
                .as_ref()
                .filter(fresh)
                .map(|(_, patient, shown)| (*patient, shown.clone())),
        })
    }

    /// The card that lies on a reader: on this one, or on any.
    pub fn card(&self, reader: Option<usize>) -> Option<(usize, IdCard)> {
        let bays = self.inner.bays.iter().enumerate();
        let mut wanted = bays.filter(|(number, _)| reader.is_none_or(|reader| reader == *number));
        wanted.find_map(|(number, bay)| Some((number, bay.lock().card.as_deref()?.clone())))
    }

    /// Name of a bay.
    pub fn name(&self, number: usize) -> Option<&str> {
        self.inner.bays.get(number).map(|bay| bay.name.as_str())
    }

    /// The ECG stream of a bay.
    pub fn waves(&self, number: usize) -> Option<&wave::Waves> {
        let bay = self.inner.bays.get(number)?;
        (bay.key.model().measures == Measures::Ecg).then_some(&bay.waves)
    }

    /// A doctor chose a patient for a bay. Replaces an open session.
    pub fn open_for(&self, number: usize, person: Person, staff: StaffId) -> Result<(), BayRefusal> {
        self.open(number, person, Opener::Doctor(staff))
    }

    /// A person at the kiosk, their card on the reader, chose a bay.
    pub fn open_by_card(&self, number: usize, reader: usize, person: Person) -> Result<(), BayRefusal> {
        self.open(number, person, Opener::Card { reader })
    }

    fn open(&self, number: usize, person: Person, opener: Opener) -> Result<(), BayRefusal> {
        let bay = self.inner.bays.get(number).ok_or(BayRefusal::NoBay)?;
        match bay.key.model().measures {
            Measures::IdentityCard => return Err(BayRefusal::NotForPatients),
            Measures::BloodPressure | Measures::Ecg | Measures::SurfaceTemperature => {}
        }
        let now = self.now();
        let mut state = bay.lock();
        let (_, closed) = state.attachment.open(person, opener, now);
        if closed.is_some() {
            // What the device was recording was for somebody else.
            state.recording = Recording::Off;
        }
        drop(state);
        self.note(number, "opened", opener_word(opener));
        self.closed(number, closed);
        self.inner.live.tell(LiveEvent::Bay(number));
        Ok(())
    }

    /// Ends the open session of a bay.
    pub fn end(&self, number: usize) {
        self.close(number, CloseReason::Ended);
    }

    fn close(&self, number: usize, why: CloseReason) {
        let Some(bay) = self.inner.bays.get(number) else {
            return;
        };
        let closed = bay.lock().attachment.close(why, self.now());
        self.closed(number, closed);
    }

    /// Starts a measurement or recording for the open session, where the program can.
    pub fn start(&self, number: usize) -> Result<(), BayRefusal> {
        let bay = self.inner.bays.get(number).ok_or(BayRefusal::NoBay)?;
        let model = bay.key.model();
        if model.started_by == StartedBy::Device {
            return Err(BayRefusal::StartedAtDevice);
        }
        let now = self.now();
        let mut state = bay.lock();
        match state.link {
            LinkState::Connected | LinkState::Silent { .. } => {}
            LinkState::Gone
            | LinkState::Busy { .. }
            | LinkState::Ambiguous { .. }
            | LinkState::Denied
            | LinkState::Unusable => return Err(BayRefusal::NotConnected),
        }
        if state.attachment.session().is_none() {
            return Err(BayRefusal::NoSession);
        }
        let streaming = !matches!(state.recording, Recording::Off);
        if model.measures == Measures::Ecg {
            state.recording = Recording::On(Box::default(), now);
            state.attachment.measuring(now, now);
        }
        drop(state);
        if !(streaming || bay.control.request(Request::Start)) {
            return Err(BayRefusal::Busy);
        }
        self.note(number, "started", "");
        self.inner.live.tell(LiveEvent::Bay(number));
        Ok(())
    }

    /// Shows the trace of an ECG bay without recording.
    pub fn watch(&self, number: usize) -> Result<(), BayRefusal> {
        let bay = self.inner.bays.get(number).ok_or(BayRefusal::NoBay)?;
        if bay.key.model().measures != Measures::Ecg {
            return Err(BayRefusal::StartedAtDevice);
        }
        let mut state = bay.lock();
        if !matches!(state.recording, Recording::Off) {
            return Ok(());
        }
        state.recording = Recording::Watching;
        drop(state);
        if !bay.control.request(Request::Start) {
            return Err(BayRefusal::Busy);
        }
        self.inner.live.tell(LiveEvent::Bay(number));
        Ok(())
    }

    /// Stops what a bay is doing; nothing of a recording is kept.
    pub fn stop(&self, number: usize) -> Result<(), BayRefusal> {
        let bay = self.inner.bays.get(number).ok_or(BayRefusal::NoBay)?;
        bay.lock().recording = Recording::Off;
        if !bay.control.request(Request::Stop) {
            return Err(BayRefusal::Busy);
        }
        self.note(number, "stopped", "");
        self.inner.live.tell(LiveEvent::Bay(number));
        Ok(())
    }

    /// The person at this bay gave a sign.
    pub fn touched(&self, number: usize) {
        if let Some(bay) = self.inner.bays.get(number) {
            bay.lock().attachment.touched(self.now());
        }
    }

    /// Closes sessions whose person gave no sign for too long.
    pub fn tick(&self) {
        let now = self.now();
        for (number, bay) in self.inner.bays.iter().enumerate() {
            let closed = bay.lock().attachment.tick(now);
            self.closed(number, closed);
        }
    }

    /// Takes what the session of a bay's device tells.
    pub fn take(&self, number: usize, event: SessionEvent) {
        let Some(bay) = self.inner.bays.get(number) else {
            return;
        };
        match event {
            SessionEvent::Link(link) => self.take_link(number, bay, link),
            SessionEvent::Device(event) => self.take_event(number, bay, event),
        }
    }

    fn take_link(&self, number: usize, bay: &Bay, link: LinkState) {
        let word = link_word(&link);
        let mut state = bay.lock();
        let gone = !matches!(link, LinkState::Connected | LinkState::Silent { .. });
        state.link = link;
        let first_told = std::mem::replace(&mut state.logged_link, word) != word;
        let (mut closed, mut lifted) = (None, false);
        if gone {
            closed = state.attachment.device_gone(self.now());
            state.recording = Recording::Off;
            state.measuring_since = None;
            lifted = state.card.take().is_some();
        }
        drop(state);
        if first_told {
            self.note(number, word, "");
            self.inner.queue.push(Keep::Devices(self.summary()));
        }
        if lifted {
            self.card_lifted(number);
        }
        if closed.is_some() {
            self.tell(number, News::Failed(crate::kiosk::flow::Failure::DeviceGone));
        }
        if gone {
            bay.waves.lost();
        }
        self.closed(number, closed);
        self.inner.live.tell(LiveEvent::Bay(number));
    }

    fn take_event(&self, number: usize, bay: &Bay, event: DeviceEvent) {
        match event {
            DeviceEvent::Reading(reading) => self.take_reading(number, bay, &reading),
            DeviceEvent::Progress(progress) => self.take_progress(number, bay, progress),
            DeviceEvent::Wave(block) => self.take_wave(number, bay, &block),
            DeviceEvent::Status(status) => self.take_status(number, bay, status),
            DeviceEvent::OutOfRange(found) => {
                bay.lock().attachment.finished_without_result(self.now());
                self.note(number, "out_of_range", &readings::out_of_range_text(&found));
                self.failed(number, crate::kiosk::flow::Failure::OutOfRange);
            }
            DeviceEvent::DeviceError(error) => self.take_error(number, bay, &error),
            DeviceEvent::Reject(reject) => self.note(number, "reject", reject.reason.word()),
            DeviceEvent::Card(card) => self.take_card(number, bay, card),
            DeviceEvent::Command(_) => {}
        }
    }

    fn take_reading(&self, number: usize, bay: &Bay, reading: &device_drivers::events::Reading) {
        let now = self.now();
        let stamp = self.inner.clock.now();
        let found = readings::Found::of(reading);
        let arrival = Arrival {
            at: now,
            subject: found.subject.as_deref(),
            from_memory: found.from_memory,
        };
        let mut state = bay.lock();
        let (verdict, closed) = state.attachment.reading(&arrival);
        state.measuring_since = None;
        let serial = state.serial.clone();
        drop(state);
        self.note(number, "reading", verdict_word(verdict));
        let place = readings::Place {
            bay: bay.name.clone(),
            number,
            key: bay.key,
            serial,
        };
        self.inner.queue.push(Keep::Reading {
            place,
            found,
            verdict,
            taken: stamp,
        });
        self.closed(number, closed);
    }

    fn take_progress(&self, number: usize, bay: &Bay, progress: Progress) {
        let now = self.now();
        match progress {
            Progress::Measuring { seconds } => {
                let began = now.saturating_sub(Duration::from_secs(u64::from(seconds)));
                let mut state = bay.lock();
                // Told in whole seconds: the first word about a measurement is kept.
                let began = *state.measuring_since.get_or_insert(began);
                state.attachment.measuring(began, now);
            }
            Progress::SurfaceTemperature(_) => bay.lock().attachment.touched(now),
        }
        self.inner.live.tell(LiveEvent::Bay(number));
    }

    fn take_status(&self, number: usize, bay: &Bay, status: Status) {
        let now = self.now();
        match status {
            Status::Identified { serial } => bay.lock().serial = serial,
            Status::Started => {
                let mut state = bay.lock();
                state.measuring_since = Some(now);
                if bay.key.model().measures != Measures::Ecg {
                    state.attachment.measuring(now, now);
                }
            }
            Status::Stopped => {
                // Whoever asked for it has put the recording aside already; a new one may have begun.
                let mut state = bay.lock();
                state.measuring_since = None;
                state.attachment.finished_without_result(now);
            }
            Status::GaveUp => {
                bay.lock().attachment.finished_without_result(now);
                self.failed(number, crate::kiosk::flow::Failure::NoResult);
            }
            Status::CardGone => {
                if bay.lock().card.take().is_some() {
                    self.card_lifted(number);
                }
            }
            Status::Repeated => self.note(number, "repeated", ""),
            Status::Refused | Status::NotSupported => self.note(number, "refused", ""),
            Status::Acknowledged
            | Status::LastResultKnown
            | Status::StreamBoundary
            | Status::Raw(_)
            | Status::PulseList(_)
            | Status::CardFound => return,
        }
        self.inner.live.tell(LiveEvent::Bay(number));
    }

    fn take_error(&self, number: usize, bay: &Bay, error: &device_drivers::events::DeviceError) {
        self.note(
            number,
            "device_error",
            &format!("{} {}", error.fault.word(), error.code),
        );
        if bay.key.model().measures == Measures::IdentityCard {
            let unreadable = matches!(
                error.fault,
                Fault::SelectFailed | Fault::ReadFailed | Fault::CardRefused | Fault::WrongCardType
            );
            if unreadable {
                self.tell(number, News::CardUnreadable);
            }
            return;
        }
        let mut state = bay.lock();
        state.attachment.finished_without_result(self.now());
        state.measuring_since = None;
        drop(state);
        self.failed(number, crate::kiosk::flow::Failure::NoResult);
    }

    fn take_card(&self, number: usize, bay: &Bay, card: Box<IdCard>) {
        bay.lock().card = Some(card);
        self.note(number, "card", "");
        self.tell(number, News::Card);
        self.inner.live.tell(LiveEvent::Bay(number));
    }

    /// The card is gone: so are the sessions that it had opened.
    fn card_lifted(&self, reader: usize) {
        let now = self.now();
        self.tell(reader, News::CardLifted);
        for (number, bay) in self.inner.bays.iter().enumerate() {
            let closed = bay.lock().attachment.card_lifted(reader, now);
            self.closed(number, closed);
        }
        self.inner.live.tell(LiveEvent::Bay(reader));
    }

    fn take_wave(&self, number: usize, bay: &Bay, block: &device_drivers::contec_8000g::WaveBlock) {
        bay.waves.push(block);
        let now = self.now();
        let mut state = bay.lock();
        state.attachment.touched(now);
        let Recording::On(recorder, _) = &mut state.recording else {
            return;
        };
        let before = recorder.len() * 10 / RECORDING_SAMPLES;
        recorder.push(block);
        let moved = recorder.len() * 10 / RECORDING_SAMPLES != before;
        if !recorder.is_full() {
            drop(state);
            if moved {
                self.inner.live.tell(LiveEvent::Bay(number));
            }
            return;
        }
        let Recording::On(recorder, began) = std::mem::take(&mut state.recording) else {
            return;
        };
        state.attachment.measuring(began, now);
        let arrival = Arrival {
            at: now,
            subject: None,
            from_memory: false,
        };
        let (verdict, closed) = state.attachment.reading(&arrival);
        state.measuring_since = None;
        let serial = state.serial.clone();
        drop(state);
        // The stream has done its work; a refusal only means that it goes on.
        let _asked = bay.control.request(Request::Stop);
        self.note(number, "recording", verdict_word(verdict));
        let place = readings::Place {
            bay: bay.name.clone(),
            number,
            key: bay.key,
            serial,
        };
        let taken = self.inner.clock.now();
        self.inner.queue.push(Keep::Ecg {
            place,
            recorder,
            verdict,
            taken,
        });
        self.closed(number, closed);
        self.inner.live.tell(LiveEvent::Ecg(number));
    }

    fn failed(&self, number: usize, failure: crate::kiosk::flow::Failure) {
        self.tell(number, News::Failed(failure));
        self.inner.live.tell(LiveEvent::Bay(number));
    }

    fn closed(&self, number: usize, closed: Option<Closed>) {
        let Some(Closed { why, .. }) = closed else { return };
        if let Some(bay) = self.inner.bays.get(number) {
            let mut state = bay.lock();
            if state.attachment.session().is_none() && !matches!(state.recording, Recording::Off) {
                state.recording = Recording::Off;
                let _asked = bay.control.request(Request::Stop);
            }
        }
        if why != CloseReason::Finished {
            self.note(number, "closed", why.word());
            self.tell(number, News::SessionEnded(why));
        }
        self.inner.live.tell(LiveEvent::Bay(number));
    }

    /// What the keeper saved is shown.
    pub fn saved(&self, number: usize, patient: Option<PatientId>, shown: Shown, handed: Option<TrayReason>) {
        let Some(bay) = self.inner.bays.get(number) else {
            return;
        };
        bay.lock().last = Some((self.now(), patient, shown.clone()));
        self.inner.queue.set_stuck(false);
        match (patient, handed) {
            (Some(patient), _) => self.tell(number, News::Attached(patient, shown)),
            (None, Some(reason)) => self.tell(number, News::Handed(reason)),
            (None, None) => {}
        }
        self.inner.live.tell(LiveEvent::Bay(number));
    }

    /// The keeper cannot save at present.
    pub fn cannot_save(&self, number: usize) {
        self.inner.queue.set_stuck(true);
        self.tell(number, News::CannotSave);
        self.inner.live.tell(LiveEvent::Sync);
    }

    /// Whether readings wait that could not be saved.
    pub fn is_stuck(&self) -> bool {
        self.inner.queue.is_stuck()
    }

    /// Names, devices and lines of all bays, as the `status` verb tells them.
    fn summary(&self) -> serde_json::Value {
        let since = self.inner.clock.now().at.rfc3339();
        let bays = self.inner.bays.iter().map(|bay| {
            let link = link_word(&bay.lock().link);
            serde_json::json!({ "name": bay.name, "device": bay.key.as_str(), "link": link, "told": since })
        });
        bays.collect()
    }

    fn tell(&self, number: usize, news: News) {
        // No kiosk listens: nothing to tell.
        let _ = self.inner.news.send((number, news));
    }

    fn note(&self, number: usize, word: &'static str, detail: &str) {
        let Some(bay) = self.inner.bays.get(number) else {
            return;
        };
        tracing::debug!(bay = number, word, "bay");
        self.inner.queue.push(Keep::Note {
            bay: bay.name.clone(),
            word,
            detail: detail.to_owned(),
        });
    }

    fn now(&self) -> Duration {
        self.inner.clock.uptime()
    }
}

impl Bay {
    fn new(config: &BayConfig, key: DeviceKey) -> Option<Self> {
        let model = key.model();
        let shortest = match model.measures {
            // Its ten seconds are counted by the device's own clock, which may be fast.
            Measures::Ecg => model.shortest_measurement * 9 / 10,
            Measures::BloodPressure | Measures::IdentityCard | Measures::SurfaceTemperature => {
                model.shortest_measurement
            }
        };
        let bounds = Bounds {
            shortest,
            longest: model.longest_measurement,
        };
        Some(Self {
            name: config.name.clone(),
            key,
            port: config.port.clone(),
            control: Control::default(),
            state: Mutex::new(State {
                link: LinkState::Gone,
                attachment: Attachment::new(bounds),
                card: None,
                measuring_since: None,
                serial: None,
                recording: Recording::Off,
                last: None,
                logged_link: "",
            }),
            waves: wave::Waves::default(),
        })
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn doing(&self, now: Duration) -> Doing {
        match &self.recording {
            Recording::On(recorder, _) => {
                let percent = recorder.len() * 100 / RECORDING_SAMPLES;
                Doing::Recording {
                    percent: u8::try_from(percent).unwrap_or(100),
                }
            }
            Recording::Watching => Doing::Watching,
            Recording::Off => self
                .measuring_since
                .map_or(Doing::Idle, |since| Doing::Measuring {
                    seconds: now.saturating_sub(since).as_secs(),
                }),
        }
    }
}

fn opener_word(opener: Opener) -> &'static str {
    match opener {
        Opener::Card { .. } => "card",
        Opener::Doctor(_) => "doctor",
    }
}

fn verdict_word(verdict: Verdict) -> &'static str {
    match verdict {
        Verdict::Attach { .. } => "attached",
        Verdict::Tray(reason) => reason.word(),
    }
}

/// The word of a link's state in the bay's log and in `status`.
pub fn link_word(link: &LinkState) -> &'static str {
    match link {
        LinkState::Connected => "connected",
        LinkState::Silent { .. } => "silent",
        LinkState::Gone => "gone",
        LinkState::Busy { .. } => "busy",
        LinkState::Ambiguous { .. } => "ambiguous",
        LinkState::Denied => "denied",
        LinkState::Unusable => "unusable",
    }
}

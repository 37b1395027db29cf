//! Device bays: places where one device stands, and what may come of a reading there.
//!
//! Each bay has a thread that runs its device's session ([`runner`]). What the device says goes through the pure
//! decision in [`attachment`]; the outcome is queued and saved by [`keeper`], and only then told to screens.

pub mod attachment;
pub mod ecgs;
mod events;
#[cfg(test)]
mod hour_tests;
pub mod keeper;
pub mod readings;
pub mod recorder;
pub mod runner;
pub mod shown;
pub mod tray;
mod view;
pub mod wave;

use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use device_drivers::catalogue::{DeviceKey, Measures, StartedBy};
use device_drivers::idcard_sam::IdCard;
use device_drivers::machine::Request;
use device_drivers::session::{Control, LinkState};
use records::ids::{PatientId, StaffId};
use store::Clock;
use tokio::sync::broadcast;

use attachment::{Attachment, Bounds, CloseReason, Closed, Opener, Person, TrayReason, Verdict};
use keeper::{Keep, Queue};
use recorder::{RECORDING_SAMPLES, Recorder};
use shown::Shown;
pub use view::{BayRefusal, BayView, Doing, News, SessionView, link_word};

use crate::config::BayConfig;
use crate::live::{Live, LiveEvent};

/// News that a slow listener may lag behind.
const NEWS: usize = 256;
/// Time that a bay shows its last result to the doctor.
const LAST_SHOWN_FOR: Duration = Duration::from_secs(600);

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

//! Saves what bays deliver: readings into records or the tray, notes into the bays' log.
//!
//! A reading leaves the queue only once it is on the disk. While the disk is full it waits here, kiosks stop, and
//! it is tried again.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use records::ids::{BlobId, ClinicCode, DocId, EcgId, FormId, ObservationId, PatientId, TrayId};
use records::time::Stamp;
use records::tree::Edit;
use records::vitals::{PersonAge, add_observation};
use store::{AuditAct, By, Commit, CommitError, Store, Target, Write};
use tokio::sync::Notify;

use super::attachment::{Opener, TrayReason, Verdict};
use super::readings::{Found, Place, observation, to_tray};
use super::recorder::Recorder;
use super::shown::Shown;
use super::{Bays, ecgs};
use crate::state::AppState;
use crate::status::DEVICES_SETTING;

/// Time until something that could not be saved is tried again.
const AGAIN: Duration = Duration::from_secs(2);
/// Tries that a reading still gets when the box is stopping.
const LAST_TRIES: u32 = 3;
/// Notes that wait at most; the rest of a flood is dropped. Readings are never dropped.
const NOTES_MAX: usize = 512;

/// Something to save.
#[derive(Debug)]
pub enum Keep {
    /// A line of a bay's log.
    Note {
        /// Name of the bay.
        bay: String,
        /// What happened.
        word: &'static str,
        /// Codes about it.
        detail: String,
    },
    /// The state of all bays' lines, for the `status` verb.
    Devices(serde_json::Value),
    /// A reading, and to whom it belongs.
    Reading {
        /// Where it was taken.
        place: Place,
        /// What was measured.
        found: Found,
        /// Whose it is.
        verdict: Verdict,
        /// When.
        taken: Stamp,
    },
    /// A finished ECG recording, and to whom it belongs.
    Ecg {
        /// Where it was taken.
        place: Place,
        /// The samples.
        recorder: Box<Recorder>,
        /// Whose it is.
        verdict: Verdict,
        /// When it was finished.
        taken: Stamp,
    },
}

/// What waits to be saved.
#[derive(Default)]
pub struct Queue {
    items: Mutex<VecDeque<Job>>,
    woken: Notify,
    closed: AtomicBool,
    /// The last try to save a reading failed.
    stuck: AtomicBool,
}

/// Something to do: as it came, or ready to be written and tried before.
enum Job {
    New(Keep),
    Again(Box<Ready>, Verdict),
}

impl Queue {
    /// Adds something.
    pub fn push(&self, keep: Keep) {
        let mut items = self.lock();
        let dispensable = matches!(keep, Keep::Note { .. } | Keep::Devices(_));
        if dispensable && items.len() >= NOTES_MAX {
            return;
        }
        items.push_back(Job::New(keep));
        drop(items);
        self.woken.notify_one();
    }

    fn lock(&self) -> MutexGuard<'_, VecDeque<Job>> {
        self.items.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Nothing is added any more: the keeper ends when all is saved.
    pub fn close(&self) {
        self.closed.store(true, Ordering::Release);
        self.woken.notify_one();
    }

    /// Notes whether a reading could not be saved.
    pub fn set_stuck(&self, stuck: bool) {
        self.stuck.store(stuck, Ordering::Release);
    }

    /// Whether a reading waits that could not be saved.
    pub fn is_stuck(&self) -> bool {
        self.stuck.load(Ordering::Acquire)
    }

    fn is_closed(&self) -> bool {
        self.closed.load(Ordering::Acquire)
    }

    fn pop(&self) -> Option<Job> {
        self.lock().pop_front()
    }

    /// Puts back what could not be saved: nothing overtakes it.
    fn put_back(&self, job: Job) {
        self.lock().push_front(job);
    }

    /// The next thing to save, for who saves nothing twice; `None` once the queue is closed and empty.
    pub async fn take(&self) -> Option<Keep> {
        loop {
            if let Job::New(keep) = self.next().await? {
                return Some(keep);
            }
        }
    }

    async fn next(&self) -> Option<Job> {
        loop {
            if let Some(item) = self.pop() {
                return Some(item);
            }
            if self.is_closed() {
                return None;
            }
            self.woken.notified().await;
        }
    }
}

/// Saves what comes through a queue.
pub struct Keeper {
    store: Store,
    bays: Bays,
    queue: Arc<Queue>,
}

/// A reading or recording ready to be written, the same at every try.
struct Ready {
    place: Place,
    taken: Stamp,
    form: FormId,
    tray: TrayId,
    content: Content,
}

/// What is written.
enum Content {
    Reading(ObservationId, Found),
    Ecg(EcgId, Box<ecgs::Recording>),
}

impl Keeper {
    /// A keeper for this box.
    pub fn new(state: &AppState, queue: Arc<Queue>) -> Self {
        Self {
            store: state.store.clone(),
            bays: state.bays.clone(),
            queue,
        }
    }

    /// A keeper of these parts, for tests that run no listeners.
    pub fn of(store: Store, bays: Bays, queue: Arc<Queue>) -> Self {
        Self { store, bays, queue }
    }

    /// Runs until the queue is closed and empty, or cannot be emptied any more.
    pub async fn run(self) {
        let mut last_tries = 0;
        while let Some(job) = self.queue.next().await {
            let Err(job) = self.take(job).await else { continue };
            self.queue.put_back(job);
            last_tries += u32::from(self.queue.is_closed());
            if last_tries >= LAST_TRIES {
                tracing::error!("the box stopped before everything could be saved");
                return;
            }
            tokio::time::sleep(AGAIN).await;
        }
    }

    /// Saves what waits now, until something cannot be saved.
    pub async fn drain(&self) {
        while let Some(job) = self.queue.pop() {
            if let Err(job) = self.take(job).await {
                self.queue.put_back(job);
                return;
            }
        }
    }

    /// Does one job; a reading that could not be saved comes back.
    async fn take(&self, job: Job) -> Result<(), Job> {
        let (ready, verdict) = match job {
            Job::Again(ready, verdict) => (ready, verdict),
            Job::New(keep) => match self.prepare(keep).await {
                Some((ready, verdict)) => (Box::new(ready), verdict),
                None => return Ok(()),
            },
        };
        let number = ready.place.number;
        match self.save(&ready, verdict).await {
            Ok((patient, shown, handed)) => {
                self.bays.saved(number, patient, shown, handed);
                Ok(())
            }
            Err(error) => {
                tracing::error!(%error, "a reading could not be saved");
                self.bays.cannot_save(number);
                Err(Job::Again(ready, verdict))
            }
        }
    }

    /// Notes are kept at once; a reading or recording is made ready to be written, the same at every try.
    async fn prepare(&self, keep: Keep) -> Option<(Ready, Verdict)> {
        match keep {
            Keep::Note { bay, word, detail } => {
                if let Err(error) = self.store.bay_note(&bay, word, &detail).await {
                    tracing::warn!(%error, word, "a note of a bay was not kept");
                }
                None
            }
            Keep::Devices(devices) => {
                if let Err(error) = self.store.put_setting(DEVICES_SETTING, &devices).await {
                    tracing::warn!(%error, "the state of the bays was not kept");
                }
                None
            }
            Keep::Reading {
                place,
                found,
                verdict,
                taken,
            } => {
                let content = Content::Reading(ObservationId(self.store.fresh()), found);
                Some((self.ready(place, taken, content), verdict))
            }
            Keep::Ecg {
                place,
                recorder,
                verdict,
                taken,
            } => {
                let encoded = tokio::task::spawn_blocking(move || ecgs::Recording::of(*recorder)).await;
                match encoded {
                    Ok(Ok(recording)) => {
                        let content = Content::Ecg(EcgId(self.store.fresh()), Box::new(recording));
                        Some((self.ready(place, taken, content), verdict))
                    }
                    Ok(Err(error)) => {
                        tracing::error!(%error, "a recording is no waveform");
                        None
                    }
                    Err(_) => {
                        tracing::error!("encoding a recording ended by a panic");
                        None
                    }
                }
            }
        }
    }

    fn ready(&self, place: Place, taken: Stamp, content: Content) -> Ready {
        let mut form = [0; 16];
        self.store.fill_random(&mut form);
        let mut tray = [0; 16];
        self.store.fill_random(&mut tray);
        Ready {
            place,
            taken,
            form: FormId(form),
            tray: TrayId(tray),
            content,
        }
    }

    async fn save(
        &self,
        ready: &Ready,
        verdict: Verdict,
    ) -> Result<(Option<PatientId>, Shown, Option<TrayReason>), CommitError> {
        let (reason, clinic) = match verdict {
            Verdict::Attach { patient, opener, .. } => match self.store.clinic().await? {
                Some(clinic) => match self.attach(ready, patient, opener, &clinic).await? {
                    Some(shown) => return Ok((Some(patient), shown, None)),
                    None => (TrayReason::RecordRefused, Some(clinic)),
                },
                None => (TrayReason::RecordRefused, None),
            },
            Verdict::Tray(reason) => (reason, None),
        };
        if clinic.is_some() {
            tracing::error!("a record did not take a reading; it waits in the tray");
        }
        let shown = self.put_into_tray(ready, reason).await?;
        Ok((None, shown, Some(reason)))
    }

    /// Writes it into the record: the day's open visit, else the series of the month. `None` where neither can.
    async fn attach(
        &self,
        ready: &Ready,
        patient: PatientId,
        opener: Opener,
        clinic: &ClinicCode,
    ) -> Result<Option<Shown>, CommitError> {
        let day = ready.taken.at.china_date();
        let visit = self.store.open_encounter_of(patient, day).await?;
        let series = Target::Series {
            patient,
            month: month(day),
            owner: clinic.clone(),
        };
        let targets = visit
            .map(|visit| Target::Existing(DocId(visit.0)))
            .into_iter()
            .chain([series]);
        let person = self.person(patient, day).await?;
        for target in targets {
            match self.store.commit(commit(ready, target, opener, &person)).await {
                Ok(_) => return Ok(Some(shown(ready, &person))),
                Err(CommitError::UnknownDocument(_) | CommitError::Refused(_) | CommitError::Stale) => {}
                Err(error) => return Err(error),
            }
        }
        Ok(None)
    }

    async fn person(&self, patient: PatientId, day: records::time::Date) -> Result<PersonAge, CommitError> {
        let chart = self.store.chart(patient).await?;
        Ok(chart.map_or(PersonAge::UNKNOWN, |chart| {
            PersonAge::on(chart.value.birth, chart.value.sex, day)
        }))
    }

    async fn put_into_tray(&self, ready: &Ready, reason: TrayReason) -> Result<Shown, CommitError> {
        let (device, serial) = (
            ready.place.key.as_str(),
            ready.place.serial.as_deref().unwrap_or_default(),
        );
        let (content, shown) = match &ready.content {
            Content::Reading(_, found) => (
                to_tray(found, device, serial, ready.taken),
                Shown::unjudged(&found.measured),
            ),
            Content::Ecg(_, recording) => {
                self.store.put_blob(recording.samples.clone()).await?;
                self.store.put_blob(recording.preview.clone()).await?;
                let content = recording.to_tray(device, serial, ready.taken);
                (content, Shown::ecg(recording.blob, recording.heart_rate, None))
            }
        };
        self.store
            .tray_put(
                ready.tray,
                &ready.place.bay,
                ready.taken.at,
                reason.word(),
                &content,
            )
            .await?;
        Ok(shown)
    }
}

fn shown(ready: &Ready, person: &PersonAge) -> Shown {
    match &ready.content {
        Content::Reading(_, found) => Shown::of(&found.measured, &found.marks, person),
        Content::Ecg(_, recording) => Shown::ecg(recording.blob, recording.heart_rate, Some(person)),
    }
}

fn commit(ready: &Ready, target: Target, opener: Opener, person: &PersonAge) -> Commit {
    let (device, serial) = (
        ready.place.key.as_str(),
        ready.place.serial.as_deref().unwrap_or_default(),
    );
    let by = match opener {
        Opener::Card { .. } => By::Kiosk,
        Opener::Doctor(staff) => By::Staff(staff),
    };
    let (edits, blobs, act): (Vec<Edit>, Vec<Vec<u8>>, AuditAct) = match &ready.content {
        Content::Reading(id, found) => {
            let observation = observation(*id, found, device, serial, opener, ready.taken);
            (add_observation(&observation), Vec::new(), AuditAct::ReadingAttach)
        }
        Content::Ecg(id, recording) => {
            let meta = recording.meta(*id, device, serial, opener, ready.taken);
            let blobs = vec![recording.preview.clone(), recording.samples.clone()];
            (records::ecgs::add_ecg(&meta), blobs, AuditAct::EcgRecord)
        }
    };
    let lane = super::shown::lane(shown(ready, person).critical);
    let write = Write::new(target, edits);
    Commit {
        blobs,
        lane,
        form: Some(ready.form),
        ..Commit::new(by, act, vec![write])
    }
}

/// The month of a series document.
pub(crate) fn month(day: records::time::Date) -> String {
    format!("{:04}-{:02}", day.year(), day.month())
}

/// The id of a blob of this content.
pub(super) fn blob_of(content: &[u8]) -> BlobId {
    sync_core::blobs::blob_id(content)
}

//! Readings that were taken while the data were locked. A locked box seals each of them to a key of the open box; the
//! open box takes them in once: into the record of the person where number and name say whose they are, else into the
//! unclaimed tray. An item has one id from the kiosk to the record, so the same item twice is one reading.

#[cfg(test)]
mod tests;

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use card::random::Random;
use card::sealed::{InboxKey, InboxPublic};
use card::vestibule::Papers;
use link::box_ca::LanLeaf;
use records::identity::{IdNumber, ResidentIdNumber};
use records::ids::{DocId, FormId, ObservationId, PatientId, TrayId};
use records::patients::Chart;
use records::text::fold_name;
use records::time::ClockSource;
use records::vitals::{Observation, Origin, PersonAge, add_observation};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use store::{AuditAct, By, Commit, CommitError, Store, StoreError, Target, Write};
use zeroize::Zeroizing;

use crate::bays::attachment::TrayReason;
use crate::bays::keeper::month;
use crate::bays::readings::{Kept, from_tray};
use crate::bays::shown::{self, Shown};
use crate::config::CardConfig;
use crate::opener::client::{Door, NoAnswer};
use crate::opener::protocol::{Answer, Request};

/// The form of a message; others are not read.
const FORM: u32 = 1;
/// Setting that keeps the key that opens messages.
const KEY_SETTING: &str = "inbox_key";
/// Characters of a name that is kept.
pub const NAME_CHARS_MAX: usize = 60;

/// One reading as a locked box seals it.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Message {
    form: u32,
    /// Where it was taken: the name of a bay, or empty for the kiosk.
    pub bay: String,
    /// The person's name, as it was read or typed.
    pub name: String,
    /// The person's ID number, as it was read or typed.
    pub number: String,
    /// The reading as the tray keeps it.
    pub content: Value,
}

impl std::fmt::Debug for Message {
    /// Shows nothing of it: debug forms end in logs.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Message")
    }
}

impl Message {
    /// A reading of somebody.
    pub fn new(bay: &str, name: &str, number: &str, content: Value) -> Self {
        Self {
            form: FORM,
            bay: bay.to_owned(),
            name: name.chars().take(NAME_CHARS_MAX).collect(),
            number: number.to_owned(),
            content,
        }
    }

    /// Seals it to the open box.
    pub fn seal(&self, to: InboxPublic, random: &mut Random) -> Vec<u8> {
        let text = Zeroizing::new(serde_json::to_vec(self).unwrap_or_default());
        to.seal(&text, random)
    }

    /// Reads what was unsealed; `None` for anything else than a reading of this form.
    pub fn parse(bytes: &[u8]) -> Option<(Self, Kept)> {
        let message: Self = serde_json::from_slice(bytes).ok()?;
        let kept = from_tray(&message.content)?;
        (message.form == FORM).then_some((message, kept))
    }
}

/// What a fuzzer calls: any bytes are a reading or none.
pub fn fuzz_one(bytes: &[u8]) {
    let _ = Message::parse(bytes);
}

/// Where a reading goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Goes {
    /// Into the record of this patient.
    Record(PatientId),
    /// Into the tray.
    Tray,
}

/// Decides whose a reading is. The number and the name must both be those of the one chart with this number, as for a
/// card at the kiosk; and the day must be known, since a reading of an unknown day belongs into no month.
pub fn decide(message: &Message, taken: ClockSource, charts: &[(PatientId, Chart)]) -> Goes {
    let [(patient, chart)] = charts else {
        return Goes::Tray;
    };
    let number = ResidentIdNumber::parse(&message.number).ok();
    let is_same = number.is_some()
        && matches!(&chart.id_number, Some(IdNumber::Checked(own)) if Some(own) == number.as_ref())
        && fold_name(&chart.name) == fold_name(&message.name)
        && chart.deceased.is_none();
    if is_same && taken != ClockSource::None {
        Goes::Record(*patient)
    } else {
        Goes::Tray
    }
}

/// Takes in what waits.
pub struct Desk {
    door: Door,
    store: Store,
    unreadable: Arc<AtomicUsize>,
}

/// What could not be done now; it is tried again at the next start.
#[derive(Debug, thiserror::Error)]
pub enum InboxFault {
    /// The opener does not answer.
    #[error(transparent)]
    Door(#[from] NoAnswer),
    /// The opener could not do it.
    #[error("the opener refused")]
    Refused,
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// A reading was not saved.
    #[error(transparent)]
    Commit(#[from] CommitError),
}

/// What was taken in.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Taken {
    /// Into records.
    pub records: usize,
    /// Into the tray.
    pub tray: usize,
    /// Left where they are, since they cannot be read.
    pub unreadable: usize,
}

impl Desk {
    /// The desk of a box whose data a person opens; `None` on any other.
    pub fn of(card: Option<&CardConfig>, store: &Store, unreadable: Arc<AtomicUsize>) -> Option<Self> {
        Some(Self {
            door: door_of(card)?,
            store: store.clone(),
            unreadable,
        })
    }

    /// The key that opens messages; made where there is none.
    async fn key(&self) -> Result<InboxKey, StoreError> {
        let kept = self.store.setting(KEY_SETTING).await?;
        let mut secret = Zeroizing::new([0; 32]);
        let hex = kept.as_ref().and_then(Value::as_str).unwrap_or_default();
        if hex::decode_to_slice(hex, &mut *secret).is_err() {
            self.store.fill_random(&mut *secret);
            let text = Value::from(hex::encode(*secret));
            self.store.put_setting(KEY_SETTING, &text).await?;
        }
        Ok(InboxKey::new(secret))
    }

    /// Leaves certificate and inbox key for the locked pages of the next start; whether that was done.
    pub(crate) async fn leave(&self, leaf: &LanLeaf) -> bool {
        let left = self.try_leave(leaf).await;
        if let Err(fault) = &left {
            tracing::error!(%fault, "nothing was left for the locked pages of the next start");
        }
        left.is_ok()
    }

    async fn try_leave(&self, leaf: &LanLeaf) -> Result<(), InboxFault> {
        let papers = Papers {
            certificate: leaf.certificate_pem.clone(),
            key: leaf.key_pem.clone().into(),
            inbox: self.key().await?.public().to_hex(),
        };
        match self.door.ask(Request::Leave { papers }).await? {
            Answer::Done => Ok(()),
            _ => Err(InboxFault::Refused),
        }
    }

    /// Takes in what waits, once.
    pub(crate) async fn follow(self) {
        match self.take_in().await {
            Ok(taken) if taken == Taken::default() => {}
            Ok(taken) => tracing::info!(?taken, "readings of the locked box were taken in"),
            Err(fault) => tracing::error!(%fault, "readings of the locked box wait on"),
        }
    }

    /// Takes in what waits, and says how much that was.
    ///
    /// # Errors
    /// [`InboxFault`]; what was not taken in waits on.
    pub async fn take_in(&self) -> Result<Taken, InboxFault> {
        let key = self.key().await?;
        let (mut from, mut taken) = (0, Taken::default());
        loop {
            let (place, id, bytes) = match self.door.ask(Request::Next { from }).await? {
                Answer::Item { place, id, bytes } => (place, id, bytes),
                Answer::NoItem => break,
                _ => return Err(InboxFault::Refused),
            };
            from = place + 1;
            let mut item = [0; 16];
            let has_id = id.is_some_and(|id| hex::decode_to_slice(id, &mut item).is_ok());
            let opened = has_id.then(|| key.open(&bytes)).flatten();
            let Some((message, kept)) = opened.and_then(|text| Message::parse(&text)) else {
                taken.unreadable += 1;
                continue;
            };
            match self.save(item, &message, &kept).await? {
                Goes::Record(_) => taken.records += 1,
                Goes::Tray => taken.tray += 1,
            }
            // Only now: what is killed before this finds the reading saved.
            match self.door.ask(Request::Remove { place }).await? {
                Answer::Done => {}
                _ => return Err(InboxFault::Refused),
            }
        }
        self.unreadable.store(taken.unreadable, Ordering::Release);
        Ok(taken)
    }

    /// Saves a reading; where it was saved before, nothing is written.
    async fn save(&self, item: [u8; 16], message: &Message, kept: &Kept) -> Result<Goes, InboxFault> {
        let (form, tray) = (FormId(item), TrayId(item));
        if self.store.tray_item(tray).await?.is_some() {
            return Ok(Goes::Tray);
        }
        let charts = self.charts(&message.number).await?;
        let goes = decide(message, kept.taken.source, &charts);
        if let Goes::Record(patient) = goes
            && self.attach(item, patient, &charts, kept).await?
        {
            return Ok(goes);
        }
        if !self.store.form_applied(form).await? {
            let mut content = message.content.clone();
            content["subject"] = format!("{} {}", message.name, message.number).trim().into();
            let reason = TrayReason::TakenLocked.word();
            self.store
                .tray_put(tray, &message.bay, kept.taken.at, reason, &content)
                .await?;
        }
        Ok(Goes::Tray)
    }

    async fn charts(&self, number: &str) -> Result<Vec<(PatientId, Chart)>, StoreError> {
        let mut charts = Vec::new();
        if number.is_empty() {
            return Ok(charts);
        }
        for patient in self.store.patients_with_id_number(number).await? {
            if let Some(chart) = self.store.chart(patient).await? {
                charts.push((patient, chart.value));
            }
        }
        Ok(charts)
    }

    /// Writes it into the day's open visit, else into the series of its month; whether either took it.
    async fn attach(
        &self,
        item: [u8; 16],
        patient: PatientId,
        charts: &[(PatientId, Chart)],
        kept: &Kept,
    ) -> Result<bool, InboxFault> {
        let Some(owner) = self.store.clinic().await? else {
            return Ok(false);
        };
        let day = kept.taken.at.china_date();
        let visit = self.store.open_encounter_of(patient, day).await?;
        let series = Target::Series {
            patient,
            month: month(day),
            owner,
        };
        let targets = visit.map(|visit| Target::Existing(DocId(visit.0)));
        for target in targets.into_iter().chain([series]) {
            let commit = commit(item, target, charts, kept);
            match self.store.commit(commit).await {
                Ok(_) => return Ok(true),
                Err(CommitError::UnknownDocument(_) | CommitError::Refused(_) | CommitError::Stale) => {}
                Err(error) => return Err(error.into()),
            }
        }
        Ok(false)
    }
}

fn commit(item: [u8; 16], target: Target, charts: &[(PatientId, Chart)], kept: &Kept) -> Commit {
    let mut id = [0; 8];
    id.copy_from_slice(&item[..8]);
    let observation = Observation {
        id: ObservationId(id),
        measured: kept.found.measured.clone(),
        taken: kept.taken,
        origin: Origin::Kiosk {
            key: kept.device.clone(),
            serial: kept.serial.clone(),
        },
        by: None,
        marks: kept.found.marks.clone(),
        withdrawn: None,
    };
    let person = charts.first().map_or(PersonAge::UNKNOWN, |(_, chart)| {
        PersonAge::on(chart.birth, chart.sex, kept.taken.at.china_date())
    });
    let shown = Shown::of(&kept.found.measured, &kept.found.marks, &person);
    let write = Write::new(target, add_observation(&observation));
    Commit {
        lane: shown::lane(shown.critical),
        form: Some(FormId(item)),
        ..Commit::new(By::Kiosk, AuditAct::ReadingAttach, vec![write])
    }
}

/// The opener of a box whose data a person opens; `None` on any other.
pub fn door_of(card: Option<&CardConfig>) -> Option<Door> {
    let run = &card?.run;
    run.join("person")
        .exists()
        .then(|| Door::at(run.join("opener.sock")))
}

//! The unclaimed tray: a person attaches a waiting reading by two identifiers, and can take that back; both leave
//! a trace.

use records::ecgs::{EcgMeta, add_ecg, withdraw_ecg};
use records::ids::{DocId, EcgId, ObservationId, PatientId, StaffId, TrayId};
use records::patients::Chart;
use records::text::{fold, fold_name, fold_phone};
use records::time::{BirthDate, Stamp, WallTime};
use records::vitals::{PersonAge, Withdrawal, add_observation, withdraw_observation};
use store::{AuditAct, By, Commit, CommitError, LocalEffect, StoreError, Target, TrayItem, TrayState, Write};

use super::attachment::{Opener, TrayReason};
use super::keeper::month;
use super::readings::{Found, from_tray, observation};
use super::shown::Shown;
use super::{ecgs, shown};
use crate::state::AppState;

/// Shortest end of a number that identifies somebody.
pub const TAIL_CHARS_MIN: usize = 4;
/// Items of the tray that are listed.
pub const LISTED_MAX: usize = 200;

/// Something by which a person is identified, as the claimer entered it.
#[derive(Clone, PartialEq, Eq)]
pub enum Identifier {
    /// The name.
    Name(String),
    /// The birth date.
    BirthDate(BirthDate),
    /// The end of the ID number, at least four signs.
    IdTail(String),
    /// The end of the telephone number, at least four digits.
    PhoneTail(String),
}

impl Identifier {
    fn kind(&self) -> u8 {
        match self {
            Self::Name(_) => 0,
            Self::BirthDate(_) => 1,
            Self::IdTail(_) => 2,
            Self::PhoneTail(_) => 3,
        }
    }

    /// Whether it is the person of this chart.
    fn fits(&self, chart: &Chart) -> bool {
        let ends = |whole: &str, tail: &str| tail.chars().count() >= TAIL_CHARS_MIN && whole.ends_with(tail);
        match self {
            Self::Name(name) => !fold_name(name).is_empty() && fold_name(name) == fold_name(&chart.name),
            Self::BirthDate(birth) => chart.birth == Some(*birth),
            Self::IdTail(tail) => {
                let number = chart
                    .id_number
                    .as_ref()
                    .map(|number| fold(number.as_str()).to_uppercase());
                number.is_some_and(|number| ends(&number, &fold(tail).to_uppercase()))
            }
            Self::PhoneTail(tail) => ends(&fold_phone(&chart.phone), &fold_phone(tail)),
        }
    }
}

/// Why a claim was not taken.
#[derive(Debug, thiserror::Error)]
pub enum ClaimRefusal {
    /// Two different identifiers are needed.
    #[error("two different identifiers are needed")]
    TwoIdentifiers,
    /// An identifier is not the one of this patient.
    #[error("an identifier is not the one of this patient")]
    NotThisPerson,
    /// No such patient.
    #[error("no such patient")]
    NoPatient,
    /// No such reading, or this release cannot read it.
    #[error("no such reading in the tray")]
    NoReading,
    /// Somebody dealt with it meanwhile.
    #[error("the reading has been dealt with already")]
    Moved,
    /// The box belongs to no clinic yet.
    #[error("the box belongs to no clinic yet")]
    NoClinic,
    /// It could not be saved.
    #[error(transparent)]
    Commit(#[from] CommitError),
}

impl From<StoreError> for ClaimRefusal {
    fn from(error: StoreError) -> Self {
        Self::Commit(error.into())
    }
}

/// What waits.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum What {
    /// A reading.
    Reading(Found),
    /// An ECG recording.
    Ecg(Box<EcgMeta>),
    /// Something that a newer release put there.
    Unknown,
}

/// An item of the tray as pages show it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Waiting {
    /// Its id.
    pub id: TrayId,
    /// Name of the bay.
    pub bay: String,
    /// When it was taken.
    pub taken: Stamp,
    /// What it is.
    pub what: What,
    /// Why it was not attached by itself.
    pub reason: Option<TrayReason>,
    /// Where it stands.
    pub state: TrayState,
    /// Who claimed it and when.
    pub claimed: Option<(StaffId, WallTime)>,
    /// The document that it went into.
    pub became: Option<DocId>,
}

impl Waiting {
    /// The numbers with their units.
    pub fn numbers(&self) -> Vec<(String, &'static str)> {
        match &self.what {
            What::Reading(found) => shown::numbers(&found.measured),
            What::Ecg(meta) => Shown::ecg(meta.blob, meta.heart_rate, None).numbers,
            What::Unknown => Vec::new(),
        }
    }

    fn of(item: &TrayItem) -> Self {
        let nobody = StaffId([0; 8]);
        let reading = from_tray(&item.content);
        let ecg = ecgs::from_tray(&item.content, EcgId([0; 8]), item.claimed_by.unwrap_or(nobody));
        let taken = super::readings::taken_of(&item.content);
        Self {
            id: item.id,
            bay: item.bay.clone(),
            taken: taken.unwrap_or(Stamp {
                at: item.at,
                source: records::time::ClockSource::None,
            }),
            what: match (reading, ecg) {
                (Some(kept), _) => What::Reading(kept.found),
                (None, Some(meta)) => What::Ecg(Box::new(meta)),
                (None, None) => What::Unknown,
            },
            reason: TrayReason::from_word(&item.reason),
            state: item.state,
            claimed: item.claimed_by.zip(item.claimed_at),
            became: item.became.map(|(doc, _)| doc),
        }
    }
}

/// Items in a state, newest first.
pub async fn list(state: &AppState, wanted: TrayState) -> Result<Vec<Waiting>, StoreError> {
    let items = state.store.tray_list(wanted, LISTED_MAX).await?;
    Ok(items.iter().map(Waiting::of).collect())
}

/// One item.
pub async fn item(state: &AppState, id: TrayId) -> Result<Option<Waiting>, StoreError> {
    Ok(state.store.tray_item(id).await?.as_ref().map(Waiting::of))
}

/// Attaches a waiting reading to a patient: into the day's open visit, else the series of its month.
pub async fn claim(
    state: &AppState,
    id: TrayId,
    patient: PatientId,
    identifiers: &[Identifier; 2],
    staff: StaffId,
) -> Result<DocId, ClaimRefusal> {
    let [first, second] = identifiers;
    if first.kind() == second.kind() {
        return Err(ClaimRefusal::TwoIdentifiers);
    }
    let chart = state.store.chart(patient).await?.ok_or(ClaimRefusal::NoPatient)?;
    if !identifiers.iter().all(|identifier| identifier.fits(&chart.value)) {
        return Err(ClaimRefusal::NotThisPerson);
    }
    let item = state.store.tray_item(id).await?.ok_or(ClaimRefusal::NoReading)?;
    if item.state != TrayState::Waiting {
        return Err(ClaimRefusal::Moved);
    }
    let clinic = state.store.clinic().await?.ok_or(ClaimRefusal::NoClinic)?;
    let fresh = state.store.fresh();
    let taken = super::readings::taken_of(&item.content).ok_or(ClaimRefusal::NoReading)?;
    let day = taken.at.china_date();
    let person = PersonAge::on(chart.value.birth, chart.value.sex, day);
    let (edits, blobs, shown) = match (
        from_tray(&item.content),
        ecgs::from_tray(&item.content, EcgId(fresh), staff),
    ) {
        (Some(kept), _) => {
            let id = ObservationId(fresh);
            let opener = Opener::Doctor(staff);
            let observation = observation(id, &kept.found, &kept.device, &kept.serial, opener, taken);
            let shown = Shown::of(&kept.found.measured, &kept.found.marks, &person);
            (add_observation(&observation), Vec::new(), shown)
        }
        (None, Some(meta)) => {
            let shown = Shown::ecg(meta.blob, meta.heart_rate, Some(&person));
            (add_ecg(&meta), blobs_of(state, &meta).await?, shown)
        }
        (None, None) => return Err(ClaimRefusal::NoReading),
    };
    let visit = state.store.open_encounter_of(patient, day).await?;
    let series = Target::Series {
        patient,
        month: month(day),
        owner: clinic,
    };
    let target = visit.map_or(series, |visit| Target::Existing(DocId(visit.0)));
    let settle = LocalEffect::ClaimTray {
        item: id,
        by: staff,
        write: 0,
        entry: ObservationId(fresh),
    };
    let commit = Commit {
        blobs,
        lane: shown::lane(shown.critical),
        settle: vec![settle],
        ..Commit::new(
            By::Staff(staff),
            AuditAct::ReadingClaim,
            vec![Write::new(target, edits)],
        )
    };
    let done = save(state, commit).await?;
    done.docs.first().copied().ok_or(ClaimRefusal::NoReading)
}

async fn blobs_of(state: &AppState, meta: &EcgMeta) -> Result<Vec<Vec<u8>>, ClaimRefusal> {
    let mut blobs = Vec::new();
    for id in meta.preview.into_iter().chain([meta.blob]) {
        blobs.push(state.store.blob(id).await?.ok_or(ClaimRefusal::NoReading)?);
    }
    Ok(blobs)
}

/// Takes a claim back: the reading in the record is marked as attached in error and stays readable there; the item
/// waits in the tray again.
pub async fn give_back(
    state: &AppState,
    id: TrayId,
    staff: StaffId,
    reason: &str,
) -> Result<(), ClaimRefusal> {
    let item = state.store.tray_item(id).await?.ok_or(ClaimRefusal::NoReading)?;
    let (doc, entry) = item.became.ok_or(ClaimRefusal::Moved)?;
    let withdrawal = Withdrawal {
        by: Some(staff),
        at: state.clock.now(),
        reason: reason.to_owned(),
    };
    let edits = match from_tray(&item.content) {
        Some(_) => withdraw_observation(entry, &withdrawal),
        None => withdraw_ecg(EcgId(entry.0), &withdrawal),
    };
    let write = Write::new(Target::Existing(doc), edits);
    let commit = Commit {
        settle: vec![LocalEffect::ReleaseTray(id)],
        ..Commit::new(By::Staff(staff), AuditAct::ReadingReturn, vec![write])
    };
    save(state, commit).await?;
    Ok(())
}

async fn save(state: &AppState, commit: Commit) -> Result<store::Committed, ClaimRefusal> {
    match state.store.commit(commit).await {
        Ok(done) => Ok(done),
        Err(CommitError::TrayMoved) => Err(ClaimRefusal::Moved),
        Err(error) => Err(error.into()),
    }
}

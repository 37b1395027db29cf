//! Writing a visit: opening it, and the form with its note.

use super::reading::{Diagnosis, Encounter};
use super::{COMPLAINT_CHARS_MAX, DIAGNOSES_MAX, NOTE_CHARS_MAX, VisitFault};
use crate::entries::Entry;
use crate::faults::{FaultKind, FieldFault, any_hard, too_long};
use crate::ids::{ClinicCode, EntryId, PatientId, StaffId};
use crate::tables;
use crate::text::{fold, tidy};
use crate::time::Stamp;
use crate::tree::{Edit, Node};

/// How urgent a visit is, and why.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Triage {
    /// 1 (at once) to 4 (can wait).
    pub level: u8,
    /// Why.
    pub reason: String,
}

impl Triage {
    pub(super) fn read(document: &Node) -> Option<Self> {
        let level = u8::try_from(document.int(&["triage", "level"])?).ok()?;
        let reason = document
            .text(&["triage", "reason"])
            .unwrap_or_default()
            .to_owned();
        tables::triage_level(level).map(|_| Self { level, reason })
    }
}

/// The edits that begin an encounter document. `doctor` is the name that stands on it.
pub fn open_visit(
    patient: PatientId,
    clinic: &ClinicCode,
    by: StaffId,
    doctor: &str,
    at: Stamp,
) -> Vec<Edit> {
    vec![
        Edit::put(&["visit", "patient"], patient.0.to_vec()),
        Edit::put(&["visit", "clinic"], clinic.as_str()),
        Edit::put(&["visit", "by"], by.0.to_vec()),
        Edit::put(&["visit", "doctor"], doctor),
        Edit::put(&["visit", "opened"], at.at.0),
        Edit::put(&["visit", "clock"], at.source.word()),
    ]
}

/// The note of a visit as the form has it.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct VisitForm {
    /// Triage.
    pub triage: Option<Triage>,
    /// Complaint.
    pub complaint: String,
    /// History of the complaint.
    pub history: String,
    /// Examination.
    pub examination: String,
    /// Diagnoses, the main one first; their ids are not needed.
    pub diagnoses: Vec<Diagnosis>,
    /// Advice.
    pub advice: String,
}

impl VisitForm {
    /// The form as it shows this visit.
    pub fn of(encounter: &Encounter) -> Self {
        Self {
            triage: encounter.triage.clone(),
            complaint: encounter.complaint.clone(),
            history: encounter.history.clone(),
            examination: encounter.examination.clone(),
            diagnoses: encounter.diagnoses.clone(),
            advice: encounter.advice.clone(),
        }
    }

    /// Judges the form for saving: an unfinished note can be saved.
    pub fn check(&self) -> Vec<FieldFault> {
        let mut faults = Vec::new();
        if let Some(triage) = &self.triage {
            if tables::triage_level(triage.level).is_none() {
                faults.push(FieldFault::new("triage", FaultKind::UnknownCode));
            }
            too_long("triage_reason", &triage.reason, COMPLAINT_CHARS_MAX, &mut faults);
        }
        too_long("complaint", &self.complaint, COMPLAINT_CHARS_MAX, &mut faults);
        too_long("history", &self.history, NOTE_CHARS_MAX, &mut faults);
        too_long("examination", &self.examination, NOTE_CHARS_MAX, &mut faults);
        too_long("advice", &self.advice, NOTE_CHARS_MAX, &mut faults);
        if self.diagnoses.len() > DIAGNOSES_MAX {
            faults.push(FieldFault::new("diagnoses", FaultKind::TooLong));
        }
        for diagnosis in &self.diagnoses {
            if tidy(&diagnosis.name).is_empty() {
                faults.push(FieldFault::new("diagnoses", FaultKind::Missing));
            }
            too_long("diagnoses", &diagnosis.name, COMPLAINT_CHARS_MAX, &mut faults);
            too_long("diagnoses", &diagnosis.code, COMPLAINT_CHARS_MAX, &mut faults);
        }
        faults
    }

    /// Judges the form for signing: a visit has a triage level with its reason, and a complaint.
    pub fn check_for_signing(&self) -> Vec<FieldFault> {
        let mut faults = self.check();
        match &self.triage {
            None => faults.push(FieldFault::new("triage", FaultKind::Missing)),
            Some(triage) if tidy(&triage.reason).is_empty() => {
                faults.push(FieldFault::new("triage_reason", FaultKind::Missing));
            }
            Some(_) => {}
        }
        if tidy(&self.complaint).is_empty() {
            faults.push(FieldFault::new("complaint", FaultKind::Missing));
        }
        faults
    }

    /// The edits that turn the visit, as the form's page showed it, into this form: only what differs.
    pub fn edits_against(
        &self,
        shown: &Encounter,
        by: StaffId,
        at: Stamp,
        fresh: &mut crate::Fresh<'_>,
    ) -> Result<Vec<Edit>, VisitFault> {
        if !shown.is_open() {
            return Err(VisitFault::Closed);
        }
        let faults = self.check();
        if any_hard(&faults) {
            return Err(VisitFault::Fields(faults));
        }
        let mut edits = Vec::new();
        let texts = [
            ("complaint", &shown.complaint, &self.complaint),
            ("history", &shown.history, &self.history),
            ("examination", &shown.examination, &self.examination),
            ("advice", &shown.advice, &self.advice),
        ];
        for (key, old, new) in texts {
            let new = tidy(new);
            if *old != new {
                edits.push(Edit::put(&["note", key], new));
            }
        }
        self.triage_edits(shown, &mut edits);
        self.diagnosis_edits(shown, by, at, fresh, &mut edits);
        Ok(edits)
    }

    fn triage_edits(&self, shown: &Encounter, edits: &mut Vec<Edit>) {
        let Some(triage) = &self.triage else {
            // A level that was given is changed, never taken back.
            return;
        };
        let reason = tidy(&triage.reason);
        let old = shown.triage.as_ref();
        if old.map(|old| old.level) != Some(triage.level) {
            edits.push(Edit::put(&["triage", "level"], i64::from(triage.level)));
        }
        if old.map_or("", |old| old.reason.as_str()) != reason {
            edits.push(Edit::put(&["triage", "reason"], reason));
        }
    }

    /// A diagnosis that says the same keeps its entry; the others are added and taken away. An entry whose place
    /// among the others changed is written again under its own key.
    fn diagnosis_edits(
        &self,
        shown: &Encounter,
        by: StaffId,
        at: Stamp,
        fresh: &mut crate::Fresh<'_>,
        edits: &mut Vec<Edit>,
    ) {
        let mut old: Vec<(usize, &Diagnosis)> = shown.diagnoses.iter().enumerate().collect();
        for (place, diagnosis) in self.diagnoses.iter().enumerate() {
            let wanted = Diagnosis {
                id: None,
                code: fold(&diagnosis.code),
                name: tidy(&diagnosis.name),
                certainty: diagnosis.certainty,
            };
            let kept = old
                .iter()
                .position(|(_, old)| old.is_same(&wanted))
                .map(|found| old.remove(found));
            if kept.is_some_and(|(was, _)| was == place) {
                continue;
            }
            let id = kept
                .and_then(|(_, old)| old.id)
                .unwrap_or_else(|| EntryId(fresh()));
            let entry = Entry::by(Some(by), at)
                .text("code", &wanted.code)
                .text("name", &wanted.name)
                .text(
                    "certainty",
                    wanted.certainty.map_or("", |certainty| certainty.word()),
                )
                .value("place", i64::try_from(place).unwrap_or(i64::MAX));
            edits.push(entry.write("diagnoses", &id.to_string()));
        }
        let gone = old.iter().filter_map(|(_, old)| old.id);
        edits.extend(gone.map(|id| Edit::delete(&["diagnoses", &id.to_string()])));
    }
}

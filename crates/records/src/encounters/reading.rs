//! A visit's document, read.

use std::collections::BTreeMap;

use super::form::Triage;
use crate::conflicts::{self, Clash};
use crate::ecgs::{EcgMeta, read_ecgs};
use crate::entries::{Entry, read_container};
use crate::ids::{ClinicCode, DocKind, EncounterId, EntryId, FormId, PatientId, StaffId};
use crate::imports;
use crate::patients::ImportSource;
use crate::time::{BirthDate, ClockSource, Stamp, WallTime};
use crate::tree::{Node, Scalar};
use crate::vitals::{Observation, read_observations};

/// How sure a diagnosis is (code list `icd_verification`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Certainty {
    /// 疑似.
    Provisional,
    /// 确诊.
    Confirmed,
    /// 排除.
    Refuted,
}

impl Certainty {
    /// Every one, in the order of the code list.
    pub const ALL: [Self; 3] = [Self::Provisional, Self::Confirmed, Self::Refuted];

    /// The code of the code list.
    pub fn word(self) -> &'static str {
        match self {
            Self::Provisional => "provisional",
            Self::Confirmed => "confirmed",
            Self::Refuted => "refuted",
        }
    }

    /// The certainty with this code, or with the Chinese word that other programs write.
    pub fn from_word(word: &str) -> Option<Self> {
        match word {
            "疑似" => Some(Self::Provisional),
            "确诊" => Some(Self::Confirmed),
            "排除" => Some(Self::Refuted),
            _ => Self::ALL.into_iter().find(|certainty| certainty.word() == word),
        }
    }
}

/// A diagnosis of a visit.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Diagnosis {
    /// Its id within the visit; `None` for one that is only being entered.
    pub id: Option<EntryId>,
    /// ICD-10 code, of the Chinese extension where there is one; may be empty.
    pub code: String,
    /// Name.
    pub name: String,
    /// How sure; `None` where nobody said.
    pub certainty: Option<Certainty>,
}

impl Diagnosis {
    /// Whether two say the same.
    pub fn is_same(&self, other: &Self) -> bool {
        (&self.code, &self.name, self.certainty) == (&other.code, &other.name, other.certainty)
    }
}

/// That somebody signed a visit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Signature {
    /// Who.
    pub by: StaffId,
    /// The signer's name then.
    pub name: String,
    /// When.
    pub at: Stamp,
    /// The form by which it was signed.
    pub form: FormId,
}

/// Whether a visit can be written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum EncounterState {
    /// It is being written.
    Open,
    /// It is frozen; what it froze are the heads that the signing change builds on.
    Signed(Signature),
    /// It was imported, closed with its source.
    Imported(ImportSource),
}

impl EncounterState {
    /// The word by which pages find their text.
    pub fn word(&self) -> &'static str {
        match self {
            Self::Open => "open",
            Self::Signed(_) => "signed",
            Self::Imported(_) => "imported",
        }
    }
}

/// A text added to a closed visit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Amendment {
    /// Its id within the visit.
    pub id: EntryId,
    /// Who.
    pub by: Option<StaffId>,
    /// The author's name then.
    pub name: String,
    /// When.
    pub at: Option<Stamp>,
    /// Why.
    pub reason: String,
    /// What.
    pub text: String,
}

/// A field that was written by somebody who did not know of the signature. The signed text stands; this is shown as
/// an amendment.
#[derive(Debug, Clone, PartialEq)]
pub struct LateEdit {
    /// Container and field.
    pub path: Vec<String>,
    /// What was written.
    pub value: Scalar,
}

/// A visit.
#[derive(Debug, Clone, PartialEq)]
pub struct Encounter {
    /// The patient; `None` where the document does not say, which no program of ours writes.
    pub patient: Option<PatientId>,
    /// The clinic.
    pub clinic: Option<ClinicCode>,
    /// When it began. A time that cannot be read is the earliest there is.
    pub opened: Stamp,
    /// Who opened it.
    pub opened_by: Option<StaffId>,
    /// Name of the doctor.
    pub doctor: String,
    /// Kind of visit, as written; may be empty.
    pub kind: String,
    /// Whether it can be written.
    pub state: EncounterState,
    /// Every signature; two people may have signed at the same time.
    pub signatures: Vec<Signature>,
    /// Triage.
    pub triage: Option<Triage>,
    /// Complaint.
    pub complaint: String,
    /// History of the complaint.
    pub history: String,
    /// Earlier illnesses.
    pub past_history: String,
    /// Examination.
    pub examination: String,
    /// Diagnoses, the main one first.
    pub diagnoses: Vec<Diagnosis>,
    /// Advice.
    pub advice: String,
    /// Readings, oldest first.
    pub observations: Vec<Observation>,
    /// ECG recordings, oldest first.
    pub ecgs: Vec<EcgMeta>,
    /// What was added after closing, oldest first.
    pub amendments: Vec<Amendment>,
    /// What was written past the signature (see [`Encounter::read_signed`]).
    pub late: Vec<LateEdit>,
    /// Fields of the imported line that have no place of their own.
    pub further: BTreeMap<String, Node>,
    /// Fields whose values contradict each other.
    pub clashes: Vec<Clash>,
}

impl Encounter {
    /// Reads an encounter document.
    pub fn read(document: &Node) -> Self {
        let text =
            |container: &str, key: &str| document.text(&[container, key]).unwrap_or_default().to_owned();
        let signatures = read_signatures(document);
        let state = match (imports::source(document), signatures.first()) {
            (Some(source), _) => EncounterState::Imported(source),
            (None, Some(first)) => EncounterState::Signed(first.clone()),
            (None, None) => EncounterState::Open,
        };
        Self {
            patient: document
                .bytes(&["visit", "patient"])
                .and_then(|id| PatientId::from_slice(id).ok()),
            clinic: text("visit", "clinic").parse().ok(),
            opened: read_opened(document),
            opened_by: document
                .bytes(&["visit", "by"])
                .and_then(|id| StaffId::from_slice(id).ok()),
            doctor: text("visit", "doctor"),
            kind: text("visit", "kind"),
            state,
            signatures,
            triage: Triage::read(document),
            complaint: text("note", "complaint"),
            history: text("note", "history"),
            past_history: text("note", "past_history"),
            examination: text("note", "examination"),
            diagnoses: read_diagnoses(document),
            advice: text("note", "advice"),
            observations: read_observations(document),
            ecgs: read_ecgs(document),
            amendments: read_amendments(document),
            late: Vec::new(),
            further: imports::further(document),
            clashes: conflicts::clashes(DocKind::Encounter, document),
        }
    }

    /// Reads a signed visit: triage, note and diagnoses as they stood at the heads that the signature froze, everything
    /// else as it is now; what differs is told in `late`.
    pub fn read_signed(frozen: &Node, now: &Node) -> Self {
        let (signed, current) = (Self::read(frozen), Self::read(now));
        let mut late = Vec::new();
        for container in ["triage", "note", "diagnoses", "visit"] {
            for (key, node) in now.entries(&[container]) {
                let Node::Leaf(leaf) = node else { continue };
                let before = frozen.leaf(&[container, key]);
                for value in std::iter::once(&leaf.winner).chain(&leaf.others) {
                    let known =
                        before.is_some_and(|before| before.winner == *value || before.others.contains(value));
                    if !known {
                        late.push(LateEdit {
                            path: vec![container.into(), key.into()],
                            value: value.clone(),
                        });
                    }
                }
            }
        }
        Self {
            patient: signed.patient,
            opened: signed.opened,
            opened_by: signed.opened_by,
            doctor: signed.doctor,
            kind: signed.kind,
            triage: signed.triage,
            complaint: signed.complaint,
            history: signed.history,
            past_history: signed.past_history,
            examination: signed.examination,
            diagnoses: signed.diagnoses,
            advice: signed.advice,
            late,
            ..current
        }
    }

    /// Whether the note can be written.
    pub fn is_open(&self) -> bool {
        match self.state {
            EncounterState::Open => true,
            EncounterState::Signed(_) | EncounterState::Imported(_) => false,
        }
    }

    /// What cannot be true of the visit and is kept and flagged: `before_birth`.
    pub fn oddities(&self, birth: Option<BirthDate>) -> Vec<&'static str> {
        let before = birth
            .is_some_and(|birth| self.opened.at != WallTime::MIN && self.opened.at.china_date() < birth.0);
        if before { vec!["before_birth"] } else { Vec::new() }
    }

    /// The line that lists show; `None` where the document names no patient.
    pub fn line(&self, id: EncounterId) -> Option<EncounterLine> {
        Some(EncounterLine {
            id,
            patient: self.patient?,
            opened: self.opened,
            doctor: self.doctor.clone(),
            state: self.state.word(),
            triage: self.triage.as_ref().map(|triage| triage.level),
            complaint: self.complaint.clone(),
            diagnosis: self
                .diagnoses
                .first()
                .map(|diagnosis| diagnosis.name.clone())
                .unwrap_or_default(),
            clinic: self.clinic.clone(),
        })
    }
}

/// The patient of an encounter document, without reading the rest.
pub fn patient_of(document: &Node) -> Option<PatientId> {
    PatientId::from_slice(document.bytes(&["visit", "patient"])?).ok()
}

fn read_opened(document: &Node) -> Stamp {
    let source = ClockSource::from_word(document.text(&["visit", "clock"]).unwrap_or_default());
    let at = match document.leaf(&["visit", "opened"]).map(|leaf| &leaf.winner) {
        Some(Scalar::Int(at)) => Some(WallTime(*at)),
        Some(Scalar::Text(text)) => imports::local_time(text),
        Some(Scalar::Bool(_) | Scalar::Float(_) | Scalar::Bytes(_) | Scalar::Null) | None => None,
    };
    Stamp {
        at: at.unwrap_or(WallTime::MIN),
        source,
    }
}

fn read_signatures(document: &Node) -> Vec<Signature> {
    let entries = document.entries(&["signatures"]);
    let read = |(key, node): (&str, &Node)| {
        let entry = Entry::read(node)?;
        Some(Signature {
            by: entry.author()?,
            name: entry.get_text("name"),
            at: entry.written()?,
            form: key.parse().ok()?,
        })
    };
    let mut signatures: Vec<_> = entries.filter_map(read).collect();
    signatures.sort_by_key(|signature| (signature.at.at, signature.form));
    signatures
}

/// The diagnoses by the place that the doctor gave them; imported ones in the order of their line.
fn read_diagnoses(document: &Node) -> Vec<Diagnosis> {
    let entries = read_container(document, "diagnoses").filter_map(|(id, entry)| Some((id, entry?)));
    let read = |(id, entry): (EntryId, Entry)| {
        let diagnosis = Diagnosis {
            id: Some(id),
            code: entry.get_text("code"),
            name: entry.first_text(&["name", "text"]),
            certainty: Certainty::from_word(&entry.get_text("certainty")),
        };
        (entry.int("place").unwrap_or(0), id, diagnosis)
    };
    let mut placed: Vec<_> = entries.map(read).collect();
    placed.sort_by_key(|(place, id, _)| (*place, *id));
    placed.into_iter().map(|(_, _, diagnosis)| diagnosis).collect()
}

fn read_amendments(document: &Node) -> Vec<Amendment> {
    let entries = read_container(document, "amendments");
    let read = |(id, entry): (EntryId, Option<Entry>)| {
        let entry = entry.unwrap_or_default();
        Amendment {
            id,
            by: entry.author(),
            name: entry.get_text("name"),
            at: entry.written(),
            reason: entry.get_text("reason"),
            text: entry.get_text("text"),
        }
    };
    let mut amendments: Vec<_> = entries.map(read).collect();
    amendments.sort_by_key(|amendment| (amendment.at.map(|at| at.at), amendment.id));
    amendments
}

/// A visit as lists show it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EncounterLine {
    /// The visit.
    pub id: EncounterId,
    /// The patient.
    pub patient: PatientId,
    /// When it began.
    pub opened: Stamp,
    /// Name of the doctor.
    pub doctor: String,
    /// `open`, `signed` or `imported`.
    pub state: &'static str,
    /// Triage level.
    pub triage: Option<u8>,
    /// Complaint.
    pub complaint: String,
    /// Name of the first diagnosis; may be empty.
    pub diagnosis: String,
    /// The clinic.
    pub clinic: Option<ClinicCode>,
}

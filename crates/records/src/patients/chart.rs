//! A patient's chart, read.

use std::collections::BTreeMap;

use super::Sex;
use super::allergies::{self, Allergy, AllergyBadge, AllergyState};
use crate::conflicts::{self, Clash};
use crate::entries::{Entry, act, read_container};
use crate::identity::IdNumber;
use crate::ids::{DocKind, EntryId, PatientId, StaffId};
use crate::imports;
use crate::text::fold_phone;
use crate::time::{BirthDate, Stamp, WallTime};
use crate::tree::{Leaf, Node};

/// That somebody did something about an entry: ended, stopped, refuted it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Act {
    /// Who.
    pub by: Option<StaffId>,
    /// When.
    pub at: Option<Stamp>,
    /// Why; may be empty.
    pub reason: String,
}

impl Act {
    pub(crate) fn read(entry: &Entry) -> Self {
        Self {
            by: entry.author(),
            at: entry.written(),
            reason: entry.get_text("reason"),
        }
    }
}

/// Where a person lives.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Address {
    /// County.
    pub county: String,
    /// Township.
    pub town: String,
    /// Village.
    pub village: String,
    /// Villagers' group.
    pub group: String,
    /// House number, or the rest of the address.
    pub house: String,
}

/// The household that a person belongs to.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Household {
    /// Number of the household.
    pub id: String,
    /// Name of its head.
    pub householder: String,
    /// Relation to the head.
    pub relation: String,
}

/// Who pays.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Insurance {
    /// Kind of insurance.
    pub kind: String,
    /// Number of the insured person.
    pub number: String,
}

/// Blood group.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Blood {
    /// ABO group.
    pub group: String,
    /// Rhesus factor.
    pub rhesus: String,
}

/// That a person has died.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Deceased {
    /// The date, where it is known.
    pub on: Option<BirthDate>,
}

/// A diagnosis of long standing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// Its id within the chart.
    pub id: EntryId,
    /// ICD-10 code; may be empty.
    pub code: String,
    /// Name.
    pub name: String,
    /// Year, or year and month, of onset, as written.
    pub onset: String,
    /// Status, as written.
    pub status: String,
    /// Who recorded it.
    pub by: Option<StaffId>,
    /// When it was recorded.
    pub at: Option<Stamp>,
    /// That it is over.
    pub ended: Option<Act>,
}

/// A medicine taken for long.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Medication {
    /// Its id within the chart.
    pub id: EntryId,
    /// Generic name.
    pub drug: String,
    /// Strength.
    pub spec: String,
    /// Single dose.
    pub dose: String,
    /// Route; may be empty.
    pub route: String,
    /// Frequency (code list `freq`).
    pub freq: String,
    /// Since when, as written.
    pub since: String,
    /// Who recorded it.
    pub by: Option<StaffId>,
    /// When it was recorded.
    pub at: Option<Stamp>,
    /// That it was stopped.
    pub stopped: Option<Act>,
}

/// From which imported line a document came.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ImportSource {
    /// The id in the line.
    pub id: String,
}

/// A patient's chart.
#[derive(Debug, Clone, PartialEq)]
pub struct Chart {
    /// Name as written; empty where unknown.
    pub name: String,
    /// Sex.
    pub sex: Sex,
    /// Birth date.
    pub birth: Option<BirthDate>,
    /// Identity number.
    pub id_number: Option<IdNumber>,
    /// Telephone number.
    pub phone: String,
    /// Another telephone number.
    pub second_phone: String,
    /// Address.
    pub address: Address,
    /// Ethnic group, as written.
    pub ethnicity: String,
    /// Health archive number, as written.
    pub archive_number: String,
    /// Household.
    pub household: Household,
    /// Insurance.
    pub insurance: Insurance,
    /// Blood group.
    pub blood: Blood,
    /// Allergies that count.
    pub allergies: AllergyState,
    /// Allergies that a doctor refuted.
    pub refuted_allergies: Vec<Allergy>,
    /// Problems, also those that are over.
    pub problems: Vec<Problem>,
    /// Medicines, also those that were stopped.
    pub medications: Vec<Medication>,
    /// Name of the family doctor.
    pub family_doctor: String,
    /// Date of the family doctor's contract, as written.
    pub contract_date: String,
    /// That the person has died.
    pub deceased: Option<Deceased>,
    /// The imported line that the chart came from.
    pub source: Option<ImportSource>,
    /// Fields of the imported line that have no place of their own.
    pub further: BTreeMap<String, Node>,
    /// Fields whose values contradict each other.
    pub clashes: Vec<Clash>,
}

impl Chart {
    /// Reads a chart document. What cannot be read is empty, never invented.
    pub fn read(document: &Node) -> Self {
        let text =
            |container: &str, key: &str| document.text(&[container, key]).unwrap_or_default().to_owned();
        let further = imports::further(document);
        let (allergies, refuted_allergies) = allergies::read(document, odd_allergies(&further));
        Self {
            name: text("person", "name"),
            sex: Sex::from_word(&text("person", "sex")).unwrap_or_default(),
            birth: text("person", "birth").parse().ok(),
            id_number: IdNumber::read(&text("person", "id_number")),
            phone: text("person", "phone"),
            second_phone: text("person", "phone2"),
            address: Address {
                county: text("address", "county"),
                town: text("address", "town"),
                village: text("address", "village"),
                group: text("address", "group"),
                house: text("address", "house"),
            },
            ethnicity: text("person", "ethnicity"),
            archive_number: text("person", "archive_no"),
            household: Household {
                id: text("household", "id"),
                householder: text("household", "householder"),
                relation: text("household", "relation"),
            },
            insurance: Insurance {
                kind: text("insurance", "kind"),
                number: text("insurance", "number"),
            },
            blood: Blood {
                group: text("blood", "group"),
                rhesus: text("blood", "rhesus"),
            },
            allergies,
            refuted_allergies,
            problems: read_problems(document),
            medications: read_medications(document),
            family_doctor: text("care", "doctor"),
            contract_date: text("care", "contract_date"),
            deceased: read_deceased(document),
            source: imports::source(document),
            further,
            clashes: conflicts::clashes(DocKind::Chart, document),
        }
    }

    /// Whether a person has to choose between values.
    pub fn needs_choice(&self) -> bool {
        self.clashes.iter().any(|clash| clash.policy.needs_choice())
    }

    /// Every value of the identity number that the document holds, also those that clash: each stands for the
    /// person in safety checks.
    pub fn all_id_numbers(document: &Node) -> Vec<IdNumber> {
        let Some(leaf) = document.leaf(&["person", "id_number"]) else {
            return Vec::new();
        };
        texts(leaf).filter_map(IdNumber::read).collect()
    }

    /// Every value of the name that the document holds, also those that clash: each finds the person.
    pub fn all_names(document: &Node) -> Vec<String> {
        let Some(leaf) = document.leaf(&["person", "name"]) else {
            return Vec::new();
        };
        texts(leaf)
            .filter(|name| !name.is_empty())
            .map(str::to_owned)
            .collect()
    }

    /// The line that lists show.
    pub fn line(&self, id: PatientId, last_visit: Option<WallTime>) -> PatientLine {
        let phone: Vec<char> = fold_phone(&self.phone).chars().collect();
        let phone_tail: String = phone[phone.len().saturating_sub(4)..].iter().collect();
        PatientLine {
            id,
            name: self.name.clone(),
            sex: self.sex,
            birth: self.birth,
            village_group: format!("{}{}", self.address.village, self.address.group),
            id_tail: self.id_number.as_ref().map(IdNumber::tail),
            phone_tail: (!phone_tail.is_empty()).then_some(phone_tail),
            allergies: self.allergies.badge(),
            last_visit,
            clash: self.needs_choice(),
            deceased: self.deceased.is_some(),
        }
    }
}

/// Whether the imported line said something about allergies that could not be taken apart. An empty list says
/// nothing: nobody knows whether somebody asked.
fn odd_allergies(further: &BTreeMap<String, Node>) -> bool {
    match further.get("allergies") {
        Some(Node::List(items)) => !items.is_empty(),
        Some(Node::Leaf(_) | Node::Map(_)) => true,
        None => false,
    }
}

fn texts(leaf: &Leaf) -> impl Iterator<Item = &str> {
    std::iter::once(&leaf.winner)
        .chain(&leaf.others)
        .filter_map(|value| value.as_text())
}

fn read_deceased(document: &Node) -> Option<Deceased> {
    let said = document
        .text(&["person", "deceased"])
        .filter(|text| !text.is_empty())?;
    Some(Deceased {
        on: said.parse().ok(),
    })
}

fn read_problems(document: &Node) -> Vec<Problem> {
    let entries = read_container(document, "problems").filter_map(|(id, entry)| Some((id, entry?)));
    let read = |(id, entry): (EntryId, Entry)| Problem {
        id,
        code: entry.get_text("code"),
        name: entry.first_text(&["name", "text"]),
        onset: entry.get_text("onset"),
        status: entry.get_text("status"),
        by: entry.author(),
        at: entry.written(),
        ended: act(document, "ended", id).map(|entry| Act::read(&entry)),
    };
    entries.map(read).collect()
}

fn read_medications(document: &Node) -> Vec<Medication> {
    let entries = read_container(document, "medications").filter_map(|(id, entry)| Some((id, entry?)));
    let read = |(id, entry): (EntryId, Entry)| Medication {
        id,
        drug: entry.first_text(&["drug", "name", "text"]),
        spec: entry.get_text("spec"),
        dose: entry.get_text("dose"),
        route: entry.get_text("route"),
        freq: entry.get_text("freq"),
        since: entry.get_text("since"),
        by: entry.author(),
        at: entry.written(),
        stopped: act(document, "stopped", id).map(|entry| Act::read(&entry)),
    };
    entries.map(read).collect()
}

/// A patient as lists show them: enough to tell namesakes apart, nothing clinical but the state of the allergies.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PatientLine {
    /// The patient.
    pub id: PatientId,
    /// Name as written.
    pub name: String,
    /// Sex.
    pub sex: Sex,
    /// Birth date.
    pub birth: Option<BirthDate>,
    /// Village and group.
    pub village_group: String,
    /// Last four characters of the identity number.
    pub id_tail: Option<String>,
    /// Last four digits of the telephone number.
    pub phone_tail: Option<String>,
    /// State of the allergies.
    pub allergies: AllergyBadge,
    /// When the last visit was.
    pub last_visit: Option<WallTime>,
    /// Whether a person has to choose between values in the chart.
    pub clash: bool,
    /// Whether the person has died.
    pub deceased: bool,
}

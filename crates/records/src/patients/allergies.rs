//! Allergies: united over all writers, never deleted, refuted with name and reason.

use super::chart::Act;
use crate::entries::{Entry, act, read_container};
use crate::faults::{FaultKind, FieldFault, too_long};
use crate::ids::{EntryId, StaffId};
use crate::text::tidy;
use crate::time::Stamp;
use crate::tree::{Edit, Node};

/// Longest name of an agent or reaction, in characters.
const AGENT_CHARS_MAX: usize = 100;

/// An allergy or intolerance.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Allergy {
    /// Its id within the chart.
    pub id: EntryId,
    /// To what; empty where the entry cannot be read, which must be shown as such.
    pub agent: String,
    /// What happened; may be empty.
    pub reaction: String,
    /// How bad it was, as written; may be empty.
    pub severity: String,
    /// Who recorded it.
    pub by: Option<StaffId>,
    /// When it was recorded.
    pub at: Option<Stamp>,
    /// That a doctor refuted it.
    pub refuted: Option<Act>,
}

/// What is known of a person's allergies. Pages show exactly these four states.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum AllergyState {
    /// These are known and not refuted.
    Known(Vec<Allergy>),
    /// Somebody asked and there are none.
    NoneKnown,
    /// Nobody asked.
    NotAsked,
    /// What stands there cannot be read, or is still arriving. Never to be taken for none.
    Unreadable,
}

impl AllergyState {
    /// The state alone, for lists.
    pub fn badge(&self) -> AllergyBadge {
        match self {
            Self::Known(_) => AllergyBadge::Known,
            Self::NoneKnown => AllergyBadge::NoneKnown,
            Self::NotAsked => AllergyBadge::NotAsked,
            Self::Unreadable => AllergyBadge::Unreadable,
        }
    }
}

/// The state of the allergy line without its content.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum AllergyBadge {
    /// There are known allergies.
    Known,
    /// Asked, none.
    NoneKnown,
    /// Not asked.
    NotAsked,
    /// Cannot be read, or still arriving.
    Unreadable,
}

impl AllergyBadge {
    /// Every one.
    pub const ALL: [Self; 4] = [Self::Known, Self::NoneKnown, Self::NotAsked, Self::Unreadable];

    /// The word in tables and texts.
    pub fn word(self) -> &'static str {
        match self {
            Self::Known => "allergies_known",
            Self::NoneKnown => "allergies_none",
            Self::NotAsked => "allergies_not_asked",
            Self::Unreadable => "allergies_unreadable",
        }
    }

    /// The state with this word; an unknown word cannot be read.
    pub fn from_word(word: &str) -> Self {
        Self::ALL
            .into_iter()
            .find(|badge| badge.word() == word)
            .unwrap_or(Self::Unreadable)
    }

    /// The state once another chart of the same person is counted too. What is known anywhere is known, and an
    /// answer of "none" says nothing for a chart that cannot be read.
    #[must_use]
    pub fn counting(self, other: Self) -> Self {
        match (self, other) {
            (Self::Known, _) | (_, Self::Known) => Self::Known,
            (Self::Unreadable, _) | (_, Self::Unreadable) => Self::Unreadable,
            (own, Self::NoneKnown | Self::NotAsked) => own,
        }
    }
}

/// An allergy as it is entered.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct NewAllergy {
    /// To what.
    pub agent: String,
    /// What happened; may be empty.
    pub reaction: String,
    /// How bad; may be empty.
    pub severity: String,
}

impl NewAllergy {
    pub(super) fn check(&self, faults: &mut Vec<FieldFault>) {
        if tidy(&self.agent).is_empty() {
            faults.push(FieldFault::new("allergy_agent", FaultKind::Missing));
        }
        too_long("allergy_agent", &self.agent, AGENT_CHARS_MAX, faults);
        too_long("allergy_reaction", &self.reaction, AGENT_CHARS_MAX, faults);
        too_long("allergy_severity", &self.severity, AGENT_CHARS_MAX, faults);
    }

    pub(super) fn edit(&self, by: Option<StaffId>, at: Stamp, id: EntryId) -> Edit {
        Entry::by(by, at)
            .text("agent", &tidy(&self.agent))
            .text("reaction", &tidy(&self.reaction))
            .text("severity", &tidy(&self.severity))
            .write("allergies", &id.to_string())
    }
}

/// The edit that says: asked, none known.
pub(super) fn none_known(by: Option<StaffId>, at: Stamp, id: EntryId) -> Edit {
    Entry::by(by, at)
        .text("answer", "none")
        .write("asked", &id.to_string())
}

/// The state and the refuted allergies. `odd` says that the chart came with allergies in a form that could not be
/// taken apart.
pub(super) fn read(chart: &Node, odd: bool) -> (AllergyState, Vec<Allergy>) {
    let (mut known, mut refuted, mut damaged) = (Vec::new(), Vec::new(), odd);
    for (key, node) in chart.entries(&["allergies"]) {
        let Ok(id) = key.parse() else {
            damaged = true;
            continue;
        };
        for entry in Entry::read_all(node) {
            let readable = entry.is_some();
            let allergy = read_one(chart, id, &entry.unwrap_or_default());
            damaged |= !readable || allergy.agent.is_empty();
            if allergy.refuted.is_some() {
                refuted.push(allergy)
            } else {
                known.push(allergy)
            }
        }
    }
    let asked_none = read_container(chart, "asked")
        .any(|(_, entry)| entry.is_some_and(|entry| entry.get_text("answer") == "none"));
    let readable = known.iter().any(|allergy| !allergy.agent.is_empty());
    let state = if readable {
        AllergyState::Known(known)
    } else if damaged {
        AllergyState::Unreadable
    } else if asked_none {
        AllergyState::NoneKnown
    } else {
        AllergyState::NotAsked
    };
    (state, refuted)
}

fn read_one(chart: &Node, id: EntryId, entry: &Entry) -> Allergy {
    // A refutation counts only where it can be read: a damaged one must not hide a danger.
    let refuted = act(chart, "refuted", id).map(|entry| Act::read(&entry));
    Allergy {
        id,
        agent: entry.first_text(&["agent", "name", "text"]),
        reaction: entry.get_text("reaction"),
        severity: entry.get_text("severity"),
        by: entry.author(),
        at: entry.written(),
        refuted,
    }
}

impl super::Chart {
    pub(super) fn has_allergy(&self, id: EntryId) -> bool {
        match &self.allergies {
            AllergyState::Known(list) => list.iter().any(|allergy| allergy.id == id),
            AllergyState::NoneKnown | AllergyState::NotAsked | AllergyState::Unreadable => false,
        }
    }
}

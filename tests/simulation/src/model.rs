//! The reference model: what each person wrote and was told to be saved, what that replaced, and which clinics may
//! see it. It knows nothing of documents, changes and exchanges.

use std::collections::{BTreeMap, BTreeSet};

use records::ids::PatientId;

/// Number of something that a person wrote. It stands in what was written, so that a reader can tell it.
pub(crate) type FactId = u32;

/// The author of what is written at the hub's desks.
pub(crate) const DESK: usize = usize::MAX;

/// How sure it is that something must be there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Standing {
    /// The writer was told that it is saved.
    Saved,
    /// The power went before the writer was told, or the only disk that held it was lost: it may be there.
    Unsure,
}

/// Where it was written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Place {
    /// A field, which a later value replaces: a path within the patient's record.
    Field(String),
    /// Something of its own: a visit, a reading, an entry.
    Entry,
}

/// What a person wrote.
#[derive(Debug, Clone)]
pub(crate) struct Fact {
    /// The box at which it was written, or [`DESK`].
    pub(crate) author: usize,
    /// The patient, by number.
    pub(crate) patient: u32,
    /// The clinic that owns the document in which it stands.
    pub(crate) owner: usize,
    pub(crate) place: Place,
    /// What the writer saw there and replaced.
    pub(crate) over: Vec<FactId>,
    pub(crate) standing: Standing,
}

/// A patient.
#[derive(Debug, Clone)]
pub(crate) struct Patient {
    /// The clinic that registered the patient.
    pub(crate) owner: usize,
    /// Where the chart was made.
    pub(crate) id: Option<PatientId>,
    /// Clinics that care for the patient now.
    pub(crate) cared_for_by: BTreeSet<usize>,
    /// Clinics that ever did: what they held before, they saw.
    pub(crate) ever: BTreeSet<usize>,
    /// Purged by the county.
    pub(crate) purged: bool,
}

/// Everything that people know.
#[derive(Debug, Default)]
pub(crate) struct Model {
    pub(crate) facts: BTreeMap<FactId, Fact>,
    pub(crate) patients: BTreeMap<u32, Patient>,
    /// Pictures and recordings by the fact that names them, and their lengths.
    pub(crate) blobs: BTreeMap<FactId, usize>,
    /// What stood in documents that were purged: nobody shows it any more.
    pub(crate) gone: BTreeSet<FactId>,
    /// Written on a stolen box and kept from everybody: nobody shows it.
    out: BTreeMap<FactId, Fact>,
    next: FactId,
    /// First numbers of the blocks that were allotted, by epoch and number: none is given twice.
    pub(crate) numbers: BTreeSet<(u32, u64)>,
}

impl Model {
    /// A number for what is about to be written.
    pub(crate) fn draw(&mut self) -> FactId {
        self.next += 1;
        self.next
    }

    /// The number that was drawn last.
    pub(crate) fn last(&self) -> FactId {
        self.next
    }

    /// A patient was registered; the registration is a fact with the patient's own number.
    pub(crate) fn register(&mut self, number: u32, owner: usize, id: Option<PatientId>) {
        let patient = Patient {
            owner,
            id,
            cared_for_by: BTreeSet::from([owner]),
            ever: BTreeSet::from([owner]),
            purged: false,
        };
        self.patients.insert(number, patient);
    }

    /// Something was written.
    pub(crate) fn wrote(&mut self, id: FactId, fact: Fact) {
        self.facts.insert(id, fact);
    }

    /// These were written on a stolen box and nobody shows them. What somebody else replaced had reached them.
    pub(crate) fn shut_out(&mut self, mut unseen: BTreeSet<FactId>) {
        loop {
            let others = self.facts.iter().filter(|(id, _)| !unseen.contains(id));
            let replaced: BTreeSet<FactId> = others.flat_map(|(_, fact)| &fact.over).copied().collect();
            let known = unseen.len();
            unseen.retain(|id| !replaced.contains(id));
            if unseen.len() == known {
                break;
            }
        }
        for id in unseen {
            if let Some(fact) = self.facts.remove(&id) {
                self.out.insert(id, fact);
            }
        }
    }

    /// What was shut out may have come in.
    pub(crate) fn let_in(&mut self) {
        for (id, mut fact) in std::mem::take(&mut self.out) {
            fact.standing = Standing::Unsure;
            self.facts.insert(id, fact);
        }
    }

    /// Whether a clinic may hold this: it cares for the patient, or it is in the clinic's own documents.
    pub(crate) fn may_see(&self, clinic: usize, fact: &Fact) -> bool {
        fact.owner == clinic
            || self
                .patients
                .get(&fact.patient)
                .is_some_and(|patient| patient.cared_for_by.contains(&clinic))
    }

    /// What must be readable: saved, not purged, and not replaced by anything that may be there.
    pub(crate) fn required(&self) -> impl Iterator<Item = (FactId, &Fact)> {
        let replaced: BTreeSet<FactId> = self.facts.values().flat_map(|fact| &fact.over).copied().collect();
        self.facts.iter().filter_map(move |(id, fact)| {
            let purged = self
                .patients
                .get(&fact.patient)
                .is_some_and(|patient| patient.purged);
            let asked = fact.standing == Standing::Saved && !purged && !replaced.contains(id);
            asked.then_some((*id, fact))
        })
    }
}

/// How a fact stands in a text.
pub(crate) fn mark(id: FactId) -> String {
    format!("事实f{id};")
}

/// The facts that a text tells.
pub(crate) fn marks(text: &str) -> impl Iterator<Item = FactId> + '_ {
    text.split('f')
        .skip(1)
        .filter_map(|rest| rest.split_once(';')?.0.parse().ok())
}

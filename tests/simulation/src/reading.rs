//! What a person finds who reads everything that a machine shows, through the store's own reading interface.

use std::collections::BTreeMap;

use records::encounters::Encounter;
use records::ids::{ObservationId, PatientId};
use records::tree::{Leaf, Node, Scalar};
use store::Store;

use crate::machine::at_once;
use crate::model::{FactId, marks};

/// More than any simulated patient has.
const ALL: usize = 1_000_000;

/// What stands on a machine.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Found {
    /// Facts and in how many places each stands.
    pub(crate) facts: BTreeMap<FactId, u32>,
    /// Charts: the patient's number and id.
    pub(crate) patients: BTreeMap<u32, PatientId>,
}

impl Found {
    /// Everything that the machine shows. `also` are patients whose charts may not be there, but visits of whom may.
    pub(crate) fn of(store: &Store, also: impl IntoIterator<Item = PatientId>) -> Self {
        let mut found = Self::default();
        let lines = at_once(store.patients_page(None, ALL)).unwrap();
        let mut ids: Vec<PatientId> = lines.iter().map(|line| line.id).collect();
        for line in &lines {
            for number in marks(&line.name) {
                found.patients.insert(number, line.id);
            }
        }
        ids.extend(also);
        ids.sort_unstable();
        ids.dedup();
        for id in ids {
            found.add_patient(store, id);
        }
        found
    }

    /// What stands about one patient.
    pub(crate) fn add_patient(&mut self, store: &Store, id: PatientId) {
        if let Some(chart) = at_once(store.chart_tree(id)).unwrap() {
            self.add_node(&chart.value);
        }
        // Visits may stay where the chart went.
        for visit in at_once(store.visits_of(id, ALL)).unwrap() {
            if let Some(read) = at_once(store.encounter(visit.id)).unwrap() {
                self.add_visit(&read.value);
            }
        }
        for line in at_once(store.observations_of(id, None, ALL)).unwrap() {
            self.add(fact_of_reading(line.observation.id));
        }
    }

    fn add(&mut self, id: FactId) {
        *self.facts.entry(id).or_default() += 1;
    }

    fn add_text(&mut self, text: &str) {
        marks(text).for_each(|id| self.add(id));
    }

    fn add_node(&mut self, node: &Node) {
        match node {
            Node::Leaf(leaf) => self.add_leaf(leaf),
            Node::Map(parts) => parts.values().for_each(|part| self.add_node(part)),
            Node::List(items) => items.iter().for_each(|item| self.add_node(item)),
        }
    }

    fn add_leaf(&mut self, leaf: &Leaf) {
        for value in std::iter::once(&leaf.winner).chain(&leaf.others) {
            if let Scalar::Text(text) = value {
                self.add_text(text);
            }
        }
    }

    fn add_visit(&mut self, visit: &Encounter) {
        self.add_text(&visit.complaint);
        // Of a clash all values stand together; where there is none, the field says it.
        let clashed = |key: &str| {
            visit
                .clashes
                .iter()
                .find(|clash| clash.path.last().is_some_and(|last| last == key))
        };
        for (key, text) in [("advice", &visit.advice), ("history", &visit.history)] {
            match clashed(key) {
                Some(clash) => clash.values.iter().for_each(|value| {
                    if let Scalar::Text(text) = value {
                        self.add_text(text);
                    }
                }),
                None => self.add_text(text),
            }
        }
        visit
            .amendments
            .iter()
            .for_each(|amendment| self.add_text(&amendment.text));
    }
}

/// The facts that stand in a field.
pub(crate) fn facts_in(node: &Node, path: &[&str]) -> Vec<FactId> {
    let Some(leaf) = node.leaf(path) else {
        return Vec::new();
    };
    std::iter::once(&leaf.winner)
        .chain(&leaf.others)
        .filter_map(Scalar::as_text)
        .flat_map(marks)
        .collect()
}

/// The id of the reading that states a fact.
pub(crate) fn reading_of(id: FactId) -> ObservationId {
    ObservationId(u64::from(id).to_be_bytes())
}

fn fact_of_reading(id: ObservationId) -> FactId {
    FactId::try_from(u64::from_be_bytes(id.0)).unwrap_or(FactId::MAX)
}

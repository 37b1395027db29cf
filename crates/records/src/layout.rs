//! The layout of documents: which containers a document of each kind has from its first change on.
//!
//! Containers come from a change with fixed bytes, so that two writers never hide each other's map; a container
//! that is missing there can only be added below one that exists. Therefore the list also names what is planned.
//! It may never change: a document of another genesis would be an orphan at older releases. What nobody foresaw
//! goes into the container `ext`, which every kind has.

use crate::ids::DocKind;

const CHART: &[&str] = &[
    "person",
    "address",
    "household",
    "insurance",
    "blood",
    "care",
    "allergies",
    "refuted",
    "asked",
    "reactions",
    "problems",
    "ended",
    "medications",
    "stopped",
    "pregnancies",
    "contracts",
    "consents",
    "numbers",
    "forms",
    "followups",
    "notices",
    "choices",
    "source",
    "fields",
    "edits",
];
const ENCOUNTER: &[&str] = &[
    "visit",
    "triage",
    "note",
    "diagnoses",
    "observations",
    "ecgs",
    "withdrawn",
    "signatures",
    "amendments",
    "orders",
    "prescriptions",
    "dispensed",
    "charges",
    "forms",
    "attachments",
    "choices",
    "source",
    "fields",
    "edits",
];
const SERIES: &[&str] = &[
    "series",
    "observations",
    "ecgs",
    "withdrawn",
    "choices",
    "source",
    "fields",
    "edits",
];
const REQUEST: &[&str] = &[
    "request",
    "summary",
    "attachments",
    "states",
    "opinions",
    "messages",
    "calls",
    "signatures",
    "amendments",
    "choices",
    "source",
    "fields",
    "edits",
];
const LINK: &[&str] = &["link", "charts", "decisions", "choices"];
const CLINIC: &[&str] = &[
    "clinic", "settings", "bays", "staff", "stock", "counters", "plans", "choices", "imported",
];

/// The root containers of a kind, in the order in which its first change makes them. `doc` (what a document says
/// of itself) and `ext` stand beside these in every kind.
pub fn containers(kind: DocKind) -> &'static [&'static str] {
    match kind {
        DocKind::Chart => CHART,
        DocKind::Encounter => ENCOUNTER,
        DocKind::Series => SERIES,
        DocKind::Request => REQUEST,
        DocKind::Link => LINK,
        DocKind::Clinic => CLINIC,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_unique_and_leave_doc_and_ext_alone() {
        for kind in DocKind::ALL {
            let mut names = containers(kind).to_vec();
            names.extend(["doc", "ext"]);
            let count = names.len();
            names.sort_unstable();
            names.dedup();
            assert_eq!(names.len(), count, "{kind:?}");
        }
    }
}

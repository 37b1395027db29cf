//! Where the fields of imported lines stand in documents.

use crate::ids::DocKind;
use crate::patients::Sex;
use crate::tree::{Leaf, Node, Scalar};

/// The place of one field of a line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Place {
    /// A text of its own.
    Text(&'static str, &'static str),
    /// The sex: the line has the Chinese character, the document the word.
    Sex,
    /// A list whose items are entries of a container.
    Entries(&'static str),
    /// Kept with the line.
    Rest,
}

const CHART: &[(&str, Place)] = &[
    ("name", Place::Text("person", "name")),
    ("sex", Place::Sex),
    ("birth_date", Place::Text("person", "birth")),
    ("id_no", Place::Text("person", "id_number")),
    ("phone", Place::Text("person", "phone")),
    ("phone2", Place::Text("person", "phone2")),
    ("ethnicity", Place::Text("person", "ethnicity")),
    ("archive_no", Place::Text("person", "archive_no")),
    ("county", Place::Text("address", "county")),
    ("town", Place::Text("address", "town")),
    ("village", Place::Text("address", "village")),
    ("group", Place::Text("address", "group")),
    ("house", Place::Text("address", "house")),
    ("household_id", Place::Text("household", "id")),
    ("householder", Place::Text("household", "householder")),
    ("relation", Place::Text("household", "relation")),
    ("insurance", Place::Text("insurance", "kind")),
    ("insurance_no", Place::Text("insurance", "number")),
    ("blood_type", Place::Text("blood", "group")),
    ("rh", Place::Text("blood", "rhesus")),
    ("family_doctor", Place::Text("care", "doctor")),
    ("contract_date", Place::Text("care", "contract_date")),
    ("problems", Place::Entries("problems")),
    ("allergies", Place::Entries("allergies")),
    ("medications", Place::Entries("medications")),
];

const ENCOUNTER: &[(&str, Place)] = &[
    ("clinic", Place::Text("visit", "clinic")),
    ("doctor", Place::Text("visit", "doctor")),
    ("kind", Place::Text("visit", "kind")),
    ("started_at", Place::Text("visit", "opened")),
    ("chief_complaint", Place::Text("note", "complaint")),
    ("history", Place::Text("note", "history")),
    ("past_history", Place::Text("note", "past_history")),
    ("exam", Place::Text("note", "examination")),
    ("advice", Place::Text("note", "advice")),
    ("diagnoses", Place::Entries("diagnoses")),
];

/// The fields of a kind's lines that have a place of their own.
pub(super) fn placed(kind: DocKind) -> &'static [(&'static str, Place)] {
    match kind {
        DocKind::Chart => CHART,
        DocKind::Encounter => ENCOUNTER,
        DocKind::Series | DocKind::Request | DocKind::Link | DocKind::Clinic => &[],
    }
}

/// The place of a field.
pub(super) fn place_of(kind: DocKind, field: &str) -> Place {
    placed(kind)
        .iter()
        .find(|(name, _)| *name == field)
        .map_or(Place::Rest, |(_, place)| *place)
}

/// The text that is put for a value, where the place takes it so that it comes back equal.
pub(super) fn placed_text(place: Place, value: &Node) -> Option<String> {
    let Node::Leaf(Leaf {
        winner: Scalar::Text(text),
        ..
    }) = value
    else {
        return None;
    };
    match place {
        Place::Text(_, _) => Some(text.clone()),
        Place::Sex => {
            let known = Sex::ALL
                .into_iter()
                .find(|sex| !sex.written().is_empty() && sex.written() == text);
            known.map(|sex| sex.word().to_owned())
        }
        Place::Entries(_) | Place::Rest => None,
    }
}

/// The value of the line for a text that stands in a place.
pub(super) fn line_text(place: Place, text: &str) -> String {
    match place {
        Place::Sex => Sex::from_word(text).map_or_else(|| text.to_owned(), |sex| sex.written().to_owned()),
        Place::Text(_, _) | Place::Entries(_) | Place::Rest => text.to_owned(),
    }
}

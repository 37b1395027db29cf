//! Lines of people, visits and readings as edits of new documents.

use std::collections::BTreeMap;

use super::places::{Place, placed, placed_text};
use super::{Line, LineFault, key_of, pack, pack_entry, source_edits};
use crate::entries;
use crate::ids::{DocKind, EntryId, ObservationId, PatientId};
use crate::tree::{Edit, Node};

/// Most items of one list of a line that become entries.
const ITEMS_MAX: usize = 1000;

/// The edits that begin the chart of a `patient` line.
pub fn patient_edits(line: &Line) -> Result<Vec<Edit>, LineFault> {
    document_edits(DocKind::Chart, line)
}

/// The edits that begin the encounter of an `encounter` line, for the chart that its patient became.
pub fn encounter_edits(line: &Line, patient: PatientId) -> Result<Vec<Edit>, LineFault> {
    let mut edits = document_edits(DocKind::Encounter, line)?;
    edits.push(Edit::put(&["visit", "patient"], patient.0.to_vec()));
    Ok(edits)
}

fn document_edits(kind: DocKind, line: &Line) -> Result<Vec<Edit>, LineFault> {
    let mut rest: BTreeMap<String, Node> = line.parts.clone();
    rest.remove("t");
    rest.remove("id");
    let mut edits = Vec::new();
    for (field, place) in placed(kind) {
        let Some(value) = rest.get(*field) else { continue };
        let taken = match place {
            Place::Text(container, key) => put_text(*place, &[container, key], value, &mut edits),
            Place::Sex => put_text(*place, &["person", "sex"], value, &mut edits),
            Place::Entries(container) => put_entries(container, value, &mut edits)?,
            Place::Rest => false,
        };
        if taken {
            rest.remove(*field);
        }
    }
    edits.extend(source_edits(line.id(), rest)?);
    Ok(edits)
}

fn put_text(place: Place, path: &[&str], value: &Node, edits: &mut Vec<Edit>) -> bool {
    let Some(text) = placed_text(place, value) else {
        return false;
    };
    edits.push(Edit::put(path, text));
    true
}

/// The items of a list as entries whose keys count: a document is begun once, so nobody else gives these keys. An
/// empty list stays with the line, since a container cannot tell it from a missing one.
fn put_entries(container: &str, value: &Node, edits: &mut Vec<Edit>) -> Result<bool, LineFault> {
    let Node::List(items) = value else {
        return Ok(false);
    };
    if items.is_empty() || items.len() > ITEMS_MAX {
        return Ok(false);
    }
    for (item, number) in items.iter().zip(0u64..) {
        let key = EntryId(number.to_be_bytes()).to_string();
        edits.push(Edit::put(&[container, &key], pack_entry(item)?));
    }
    Ok(true)
}

/// The id of the observation that a `vital` line becomes.
pub fn vital_observation(line: &Line) -> ObservationId {
    ObservationId(key_of(line.id()))
}

/// The edits that add the reading of a `vital` line to its visit's document, or to a series. `visit` names the visit
/// and its patient as the imported lines call them; what the line repeats of that is not stored.
pub fn vital_edits(line: &Line, visit: Option<(&str, &str)>) -> Result<Vec<Edit>, LineFault> {
    let mut parts = line.parts.clone();
    parts.remove("t");
    let told = visit.is_some_and(|(encounter, patient)| {
        line.encounter() == Some(encounter) && line.patient() == Some(patient)
    });
    if told {
        parts.remove("encounter");
        parts.remove("patient");
    }
    let mark = if told { entries::LINE } else { entries::WHOLE_LINE };
    let entry = pack(&Node::map([(mark, Node::Map(parts))]))?;
    Ok(vec![Edit::put(
        &["observations", &vital_observation(line).to_string()],
        entry,
    )])
}

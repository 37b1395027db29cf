//! Observations: readings in a document. A reading is never edited; one taken in error is withdrawn and stays
//! readable.

use super::flags::{Flag, PersonAge, flag};
use super::measured::{GlucoseTiming, Measured, MissingReason, VitalKind};
use crate::entries::Entry;
use crate::ids::{ObservationId, PatientId, StaffId};
use crate::time::{ClockSource, Stamp, WallTime};
use crate::tree::{Edit, Node, Scalar};

/// From where a reading came.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Origin {
    /// A device at a bay, taken by staff.
    Device {
        /// Key of the device's model in the catalogue.
        key: String,
        /// Serial number; empty where the device does not tell it.
        serial: String,
    },
    /// A device at the kiosk, used by the resident.
    Kiosk {
        /// Key of the device's model in the catalogue.
        key: String,
        /// Serial number; empty where the device does not tell it.
        serial: String,
    },
    /// Typed by staff.
    Typed,
    /// Came with an imported line.
    Imported {
        /// The device as the line names it; may be empty.
        device: String,
    },
}

impl Origin {
    /// The word by which pages find their text.
    pub fn word(&self) -> &'static str {
        match self {
            Self::Device { .. } => "device",
            Self::Kiosk { .. } => "kiosk",
            Self::Typed => "typed",
            Self::Imported { .. } => "imported",
        }
    }
}

/// That something was recorded in error.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Withdrawal {
    /// Who says so.
    pub by: Option<StaffId>,
    /// When.
    pub at: Stamp,
    /// Why: a word of the pages or what was typed.
    pub reason: String,
}

/// A reading in a document.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Observation {
    /// Its id within the document.
    pub id: ObservationId,
    /// What it says.
    pub measured: Measured,
    /// When it was taken.
    pub taken: Stamp,
    /// From where it came.
    pub origin: Origin,
    /// Who took or typed it; `None` for a resident at the kiosk and for imported ones.
    pub by: Option<StaffId>,
    /// What the device said beside the numbers, as words (`irregular`, `motion`).
    pub marks: Vec<String>,
    /// That it was taken in error.
    pub withdrawn: Option<Withdrawal>,
}

/// Mark of a temperature that was taken at the skin without contact: it is no body temperature.
pub const SURFACE_MARK: &str = "surface";

impl Observation {
    /// The worst flag of the reading. A surface temperature is not judged by the limits of the body; a withdrawn
    /// reading is not judged at all.
    pub fn flag(&self, person: &PersonAge) -> Option<Flag> {
        let surface = self.measured.kind() == Some(VitalKind::Temperature)
            && self.marks.iter().any(|mark| mark == SURFACE_MARK);
        if surface || self.withdrawn.is_some() {
            None
        } else {
            flag(&self.measured, person)
        }
    }
}

/// The edits that add a reading to an encounter or series document. `withdrawn` is not written; see
/// [`withdraw_observation`].
pub fn add_observation(observation: &Observation) -> Vec<Edit> {
    let mut entry = Entry::by(observation.by, observation.taken)
        .text("kind", observation.measured.kind_word())
        .text("quality", &observation.marks.join(" "));
    let numbers: Vec<Node> = observation
        .measured
        .numbers()
        .into_iter()
        .map(|n| Scalar::Int(n).into())
        .collect();
    if !numbers.is_empty() {
        entry = entry.node("values", Node::List(numbers));
    }
    if let Measured::Missing { reason, .. } = &observation.measured {
        entry = entry.text("missing", reason.word());
    }
    if let Measured::Glucose { timing, .. } = &observation.measured {
        entry = entry.text("glucose_kind", timing.word());
    }
    entry = match &observation.origin {
        Origin::Device { key, serial } | Origin::Kiosk { key, serial } => entry
            .text("origin", observation.origin.word())
            .text("device", key)
            .text("serial", serial),
        Origin::Typed => entry.text("origin", "typed"),
        Origin::Imported { device } => entry.text("origin", "imported").text("device", device),
    };
    vec![entry.write("observations", &observation.id.to_string())]
}

/// The edits that mark a reading as taken in error. It stays in the document.
pub fn withdraw_observation(id: ObservationId, withdrawal: &Withdrawal) -> Vec<Edit> {
    vec![withdraw(&id.to_string(), withdrawal)]
}

pub(crate) fn withdraw(key: &str, withdrawal: &Withdrawal) -> Edit {
    Entry::by(withdrawal.by, withdrawal.at)
        .text("reason", &withdrawal.reason)
        .write("withdrawn", key)
}

pub(crate) fn read_withdrawal(document: &Node, key: &str) -> Option<Withdrawal> {
    let node = document.at(&["withdrawn", key])?;
    // What cannot be read is still a withdrawal: a reading never comes back by damage.
    let entry = Entry::read(node).unwrap_or_default();
    Some(Withdrawal {
        by: entry.author(),
        at: entry.written().unwrap_or(UNKNOWN_TIME),
        reason: entry.get_text("reason"),
    })
}

/// Stands for a time that cannot be read; sorts before every real one.
pub(crate) const UNKNOWN_TIME: Stamp = Stamp {
    at: WallTime::MIN,
    source: ClockSource::None,
};

/// The edits that begin a series document: readings of one patient outside visits in one month (`2026-03`).
pub fn start_series(patient: PatientId, month: &str) -> Vec<Edit> {
    vec![
        Edit::put(&["series", "patient"], patient.0.to_vec()),
        Edit::put(&["series", "month"], month),
    ]
}

/// The patient of a series document.
pub fn series_patient(document: &Node) -> Option<PatientId> {
    PatientId::from_slice(document.bytes(&["series", "patient"])?).ok()
}

/// The readings in an encounter or series document, oldest first. Of two written under one id both are given.
pub fn read_observations(document: &Node) -> Vec<Observation> {
    let mut found = Vec::new();
    for (key, node) in document.entries(&["observations"]) {
        let Ok(id) = key.parse() else { continue };
        let withdrawn = read_withdrawal(document, key);
        for entry in Entry::read_all(node) {
            found.push(read(id, &entry.unwrap_or_default(), withdrawn.clone()));
        }
    }
    found.sort_by_key(|observation| (observation.taken.at, observation.id));
    found
}

fn read(id: ObservationId, entry: &Entry, withdrawn: Option<Withdrawal>) -> Observation {
    let marks = entry.get_text("quality");
    let marks = marks
        .split(' ')
        .filter(|mark| !mark.is_empty() && *mark != "ok")
        .map(str::to_owned)
        .collect();
    Observation {
        id,
        measured: read_measured(entry),
        taken: read_taken(entry),
        origin: read_origin(entry),
        by: entry.author(),
        marks,
        withdrawn,
    }
}

fn read_origin(entry: &Entry) -> Origin {
    let (key, serial) = (entry.get_text("device"), entry.get_text("serial"));
    if entry.is_imported() {
        return Origin::Imported { device: key };
    }
    match entry.get_text("origin").as_str() {
        "device" => Origin::Device { key, serial },
        "kiosk" => Origin::Kiosk { key, serial },
        "typed" => Origin::Typed,
        _ => Origin::Imported { device: key },
    }
}

fn read_taken(entry: &Entry) -> Stamp {
    if entry.is_imported() {
        let taken = crate::imports::local_time(&entry.get_text("taken_at"));
        return taken.map_or(UNKNOWN_TIME, |at| Stamp {
            at,
            source: ClockSource::None,
        });
    }
    entry.written().unwrap_or(UNKNOWN_TIME)
}

fn read_measured(entry: &Entry) -> Measured {
    let word = entry.get_text("kind");
    let unread = || Measured::Unread { kind: word.clone() };
    let Some(kind) = VitalKind::from_word(&word) else {
        return unread();
    };
    if let Some(reason) = MissingReason::from_word(&entry.get_text("missing"))
        && !entry.is_imported()
    {
        return Measured::Missing { kind, reason };
    }
    let Some(Node::List(values)) = entry.part("values") else {
        return unread();
    };
    let scales = kind.scales();
    if values.len() > scales.len() {
        return unread();
    }
    let numbers: Option<Vec<i64>> = values
        .iter()
        .zip(scales)
        .map(|(value, scale)| number(value, *scale, entry.is_imported()))
        .collect();
    let timing = GlucoseTiming::from_word(&entry.get_text("glucose_kind")).unwrap_or(GlucoseTiming::Random);
    numbers
        .and_then(|numbers| Measured::from_numbers(kind, &numbers, timing))
        .unwrap_or_else(unread)
}

/// A stored number in its quantity's scale. Typed ones stand in that scale; imported ones are decimals of the unit
/// and must not be finer than the scale.
fn number(value: &Node, decimals: usize, imported: bool) -> Option<i64> {
    let Node::Leaf(leaf) = value else { return None };
    match (&leaf.winner, imported) {
        (Scalar::Int(number), false) => Some(*number),
        (Scalar::Int(number), true) => number.checked_mul(10_i64.pow(u32::try_from(decimals).ok()?)),
        (Scalar::Float(number), true) => crate::text::parse_number(&format!("{number}"), decimals),
        (Scalar::Float(_), false)
        | (Scalar::Bool(_) | Scalar::Text(_) | Scalar::Bytes(_) | Scalar::Null, _) => None,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::tree;

    fn any_measured() -> impl Strategy<Value = Measured> {
        let values = prop::sample::select(VitalKind::ALL.to_vec()).prop_flat_map(|kind| {
            let count = kind.scales().len();
            let least = if kind == VitalKind::BloodPressure { 2 } else { 1 };
            (
                prop::collection::vec(0i64..100, least..=count),
                prop::sample::select(GlucoseTiming::ALL.to_vec()),
            )
                .prop_map(move |(numbers, timing)| Measured::from_numbers(kind, &numbers, timing).unwrap())
        });
        let missing = (
            prop::sample::select(VitalKind::ALL.to_vec()),
            prop::sample::select(MissingReason::ALL.to_vec()),
        );
        prop_oneof![4 => values, 1 => missing.prop_map(|(kind, reason)| Measured::Missing { kind, reason })]
    }

    fn any_observation() -> impl Strategy<Value = Observation> {
        let origin = prop_oneof![
            Just(Origin::Typed),
            ("[a-z0-9]{1,8}", "[A-Z0-9]{0,6}").prop_map(|(key, serial)| Origin::Device { key, serial }),
            ("[a-z0-9]{1,8}", "[A-Z0-9]{0,6}").prop_map(|(key, serial)| Origin::Kiosk { key, serial }),
        ];
        let by = prop::option::of(any::<[u8; 8]>().prop_map(StaffId));
        let source = prop::sample::select(ClockSource::ALL.to_vec());
        let marks = prop::collection::vec("[a-z]{3,9}", 0..3);
        (
            any::<[u8; 8]>(),
            any_measured(),
            0i64..2_000_000_000_000,
            source,
            origin,
            by,
            marks,
        )
            .prop_map(|(id, measured, at, source, origin, by, marks)| Observation {
                id: ObservationId(id),
                measured,
                taken: Stamp {
                    at: WallTime(at),
                    source,
                },
                origin,
                by,
                marks: marks.into_iter().filter(|mark| mark != "ok").collect(),
                withdrawn: None,
            })
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: 200, failure_persistence: None, ..ProptestConfig::default() })]

        #[test]
        fn a_reading_comes_back_as_it_was_added(observation in any_observation()) {
            let mut document = Node::default();
            tree::apply_all(&mut document, &add_observation(&observation)).unwrap();
            prop_assert_eq!(read_observations(&document), vec![observation]);
        }
    }

    #[test]
    fn a_withdrawn_reading_stays() {
        let at = Stamp {
            at: WallTime(5),
            source: ClockSource::Tablet,
        };
        let mut observation = Observation {
            id: ObservationId([1; 8]),
            measured: Measured::Missing {
                kind: VitalKind::BloodPressure,
                reason: MissingReason::CuffLoose,
            },
            taken: at,
            origin: Origin::Typed,
            by: None,
            marks: Vec::new(),
            withdrawn: None,
        };
        let mut document = Node::default();
        tree::apply_all(&mut document, &add_observation(&observation)).unwrap();
        let withdrawal = Withdrawal {
            by: Some(StaffId([2; 8])),
            at,
            reason: "wrong person".into(),
        };
        tree::apply_all(&mut document, &withdraw_observation(observation.id, &withdrawal)).unwrap();
        observation.withdrawn = Some(withdrawal);
        assert_eq!(read_observations(&document), [observation]);
    }

    #[test]
    fn a_surface_temperature_is_not_judged_as_the_bodys() {
        let cold = Measured::from_numbers(VitalKind::Temperature, &[340], GlucoseTiming::Random).unwrap();
        let mut observation = Observation {
            id: ObservationId([1; 8]),
            measured: cold,
            taken: UNKNOWN_TIME,
            origin: Origin::Typed,
            by: None,
            marks: Vec::new(),
            withdrawn: None,
        };
        assert_eq!(observation.flag(&PersonAge::UNKNOWN), Some(Flag::CriticalLow));
        observation.marks.push(SURFACE_MARK.into());
        assert_eq!(observation.flag(&PersonAge::UNKNOWN), None);
    }

    #[test]
    fn a_damaged_or_newer_reading_is_shown_as_unread() {
        let document = Node::map([(
            "observations",
            Node::map([("00".repeat(8), Node::from(Scalar::Bytes(vec![1, 2, 3])))]),
        )]);
        let found = read_observations(&document);
        assert!(matches!(found[0].measured, Measured::Unread { .. }));
        assert_eq!(found[0].taken, UNKNOWN_TIME);
    }
}

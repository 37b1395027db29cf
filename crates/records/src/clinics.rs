//! The clinic document: what the clinic is called, its settings, its device bays and its own staff.

use crate::faults::{FaultKind, FieldFault, too_long};
use crate::ids::ClinicCode;
use crate::staff::StaffMember;
use crate::text::fold;
use crate::tree::{Edit, Node};

/// Longest name of a clinic, in characters.
pub const CLINIC_NAME_CHARS_MAX: usize = 70;
/// Longest name or path of a bay, in characters.
pub const BAY_CHARS_MAX: usize = 200;

/// A place where a device is connected.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Bay {
    /// Key of the bay: short, without spaces.
    pub key: String,
    /// Name as people call it.
    pub name: String,
    /// Key of the device's model in the catalogue.
    pub device: String,
    /// The port, as stable path.
    pub port: String,
}

/// A clinic.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Clinic {
    /// Registered name; it stands on prints.
    pub name: String,
    /// Code that the county gave; `None` before the box joined.
    pub code: Option<ClinicCode>,
    /// County region (GB/T 2260), as written.
    pub region: String,
    /// Township.
    pub town: String,
    /// Language of the pages where nobody chose: `zh` or `en`.
    pub language: String,
    /// Altitude in metres; oxygen saturation is judged by it.
    pub altitude_metres: Option<i64>,
    /// Device bays.
    pub bays: Vec<Bay>,
    /// Staff that the clinic itself keeps.
    pub staff: Vec<StaffMember>,
}

impl Clinic {
    /// Reads a clinic document.
    pub fn read(document: &Node) -> Self {
        let text =
            |container: &str, key: &str| document.text(&[container, key]).unwrap_or_default().to_owned();
        let bay = |(key, node): (&str, &Node)| {
            let text = |field: &str| node.text(&[field]).unwrap_or_default().to_owned();
            // A bay without device is one that was taken away.
            let device = text("device");
            (!device.is_empty()).then(|| Bay {
                key: key.to_owned(),
                name: text("name"),
                device,
                port: text("port"),
            })
        };
        Self {
            name: text("clinic", "name"),
            code: text("clinic", "code").parse().ok(),
            region: text("clinic", "region"),
            town: text("clinic", "town"),
            language: text("settings", "language"),
            altitude_metres: document.int(&["settings", "altitude"]),
            bays: document.entries(&["bays"]).filter_map(bay).collect(),
            staff: StaffMember::read_all(document),
        }
    }

    /// Judges the name and settings.
    pub fn check(&self) -> Vec<FieldFault> {
        let mut faults = Vec::new();
        if fold(&self.name).is_empty() {
            faults.push(FieldFault::new("clinic_name", FaultKind::Missing));
        }
        too_long("clinic_name", &self.name, CLINIC_NAME_CHARS_MAX, &mut faults);
        too_long("town", &self.town, CLINIC_NAME_CHARS_MAX, &mut faults);
        if self
            .altitude_metres
            .is_some_and(|metres| !(-200..=6000).contains(&metres))
        {
            faults.push(FieldFault::new("altitude", FaultKind::Impossible));
        }
        faults
    }

    /// The edits that turn `old` into this clinic: name and settings only; bays and staff have edits of their own.
    pub fn edits_from(&self, old: &Self) -> Vec<Edit> {
        let mut edits = Vec::new();
        let mut put = |container: &str, key: &str, old: &str, new: &str| {
            if old != new {
                edits.push(Edit::put(&[container, key], new));
            }
        };
        let code = |clinic: &Self| clinic.code.as_ref().map_or(String::new(), ToString::to_string);
        put("clinic", "name", &old.name, &fold(&self.name));
        put("clinic", "code", &code(old), &code(self));
        put("clinic", "region", &old.region, &fold(&self.region));
        put("clinic", "town", &old.town, &fold(&self.town));
        put("settings", "language", &old.language, &self.language);
        if self.altitude_metres != old.altitude_metres
            && let Some(metres) = self.altitude_metres
        {
            edits.push(Edit::put(&["settings", "altitude"], metres));
        }
        edits
    }
}

impl Bay {
    /// Judges the bay.
    pub fn check(&self) -> Vec<FieldFault> {
        let mut faults = Vec::new();
        let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
        if self.key.is_empty() || !self.key.chars().all(plain) {
            faults.push(FieldFault::new("bay_key", FaultKind::UnknownCode));
        }
        for (field, text) in [
            ("bay_name", &self.name),
            ("device", &self.device),
            ("port", &self.port),
        ] {
            if fold(text).is_empty() {
                faults.push(FieldFault::new(field, FaultKind::Missing));
            }
            too_long(field, text, BAY_CHARS_MAX, &mut faults);
        }
        too_long("bay_key", &self.key, BAY_CHARS_MAX, &mut faults);
        faults
    }

    /// The edits that write the bay.
    pub fn edits(&self) -> Vec<Edit> {
        let put = |field: &str, text: &str| Edit::put(&["bays", &self.key, field], text);
        vec![
            put("name", &fold(&self.name)),
            put("device", &self.device),
            put("port", &self.port),
        ]
    }

    /// The edits that take a bay away. What was measured there keeps naming it.
    pub fn remove(key: &str) -> Vec<Edit> {
        vec![Edit::put(&["bays", key, "device"], "")]
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tree;

    #[test]
    fn a_clinic_comes_back_as_written_and_only_changes_are_edits() {
        let bay = Bay {
            key: "bp-1".into(),
            name: "血压".into(),
            device: "hbp9030".into(),
            port: "/dev/x".into(),
        };
        let clinic = Clinic {
            name: "石门镇柳树村卫生室".into(),
            code: "0017".parse().ok(),
            town: "石门镇".into(),
            language: "zh".into(),
            altitude_metres: Some(300),
            bays: vec![bay.clone()],
            ..Clinic::default()
        };
        let mut document = Node::default();
        tree::apply_all(&mut document, &clinic.edits_from(&Clinic::default())).unwrap();
        tree::apply_all(&mut document, &bay.edits()).unwrap();
        assert_eq!(Clinic::read(&document), clinic);
        assert!(clinic.edits_from(&clinic).is_empty() && clinic.check().is_empty() && bay.check().is_empty());
        tree::apply_all(&mut document, &Bay::remove("bp-1")).unwrap();
        assert!(Clinic::read(&document).bays.is_empty());
    }

    #[test]
    fn a_clinic_without_name_and_a_bay_with_a_bad_key_are_refused() {
        assert_eq!(Clinic::default().check()[0].kind, FaultKind::Missing);
        let bay = Bay {
            key: "a b".into(),
            name: "x".into(),
            device: "d".into(),
            port: "p".into(),
        };
        assert_eq!(bay.check()[0].field, "bay_key");
    }
}

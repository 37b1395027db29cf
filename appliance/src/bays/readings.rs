//! What a device delivered, on its way into a record or the tray.

use device_drivers::catalogue::DeviceKey;
use device_drivers::events::{Origin as DeviceOrigin, OutOfRange, Quantity, Reading, TemperatureSite};
use records::ids::ObservationId;
use records::time::{ClockSource, Stamp, WallTime};
use records::vitals::{GlucoseTiming, Measured, Observation, Origin, VitalKind};
use serde_json::{Value, json};

use super::attachment::Opener;
use super::shown::SURFACE;

/// Where it was taken.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Place {
    /// Name of the bay.
    pub bay: String,
    /// Number of the bay.
    pub number: usize,
    /// Key of its device.
    pub key: DeviceKey,
    /// Serial number, where the device told it.
    pub serial: Option<String>,
}

/// A finished measurement.
#[derive(Clone, PartialEq, Eq)]
pub struct Found {
    /// What it says.
    pub measured: Measured,
    /// What the device said beside the numbers, as words.
    pub marks: Vec<String>,
    /// Whom the device names; compared, never logged.
    pub subject: Option<String>,
    /// Whether it came out of the device's memory.
    pub from_memory: bool,
}

impl std::fmt::Debug for Found {
    /// Without numbers and subject: debug forms end in logs.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Found({})", self.measured.kind_word())
    }
}

impl Found {
    /// The reading of a device's event.
    pub fn of(reading: &Reading) -> Self {
        match reading {
            Reading::BloodPressure(pressure) => {
                let quality = pressure.quality;
                let mut marks = Vec::new();
                if quality.movement.is_some_and(|count| count > 0) {
                    marks.push("motion".to_owned());
                }
                if quality.irregular_beats.is_some_and(|count| count > 0) {
                    marks.push("irregular".to_owned());
                }
                if quality.retested == Some(true) {
                    marks.push("retested".to_owned());
                }
                Self {
                    measured: Measured::BloodPressure {
                        systolic: pressure.systolic,
                        diastolic: pressure.diastolic,
                        pulse: pressure.pulse,
                    },
                    marks,
                    subject: pressure
                        .subject
                        .as_ref()
                        .map(|subject| subject.as_str().to_owned()),
                    from_memory: pressure.origin == DeviceOrigin::Memory,
                }
            }
            Reading::Temperature(temperature) => {
                let mark = match temperature.site {
                    TemperatureSite::Surface => SURFACE,
                };
                Self {
                    measured: Measured::Temperature(temperature.value),
                    marks: vec![mark.to_owned()],
                    subject: None,
                    from_memory: false,
                }
            }
        }
    }
}

/// The observation that a reading becomes in a record.
pub fn observation(
    id: ObservationId,
    found: &Found,
    device: &str,
    serial: &str,
    opener: Opener,
    taken: Stamp,
) -> Observation {
    let (key, serial) = (device.to_owned(), serial.to_owned());
    let (origin, by) = match opener {
        Opener::Card { .. } => (Origin::Kiosk { key, serial }, None),
        Opener::Doctor(staff) => (Origin::Device { key, serial }, Some(staff)),
    };
    Observation {
        id,
        measured: found.measured.clone(),
        taken,
        origin,
        by,
        marks: found.marks.clone(),
        withdrawn: None,
    }
}

/// A reading as the tray keeps it.
pub fn to_tray(found: &Found, device: &str, serial: &str, taken: Stamp) -> Value {
    json!({
        "kind": found.measured.kind_word(),
        "numbers": found.measured.numbers(),
        "marks": found.marks,
        "subject": found.subject,
        "device": device,
        "serial": serial,
        "taken": taken.at.0,
        "clock": taken.source.word(),
    })
}

/// What the tray kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Kept {
    /// The reading.
    pub found: Found,
    /// Key of the device.
    pub device: String,
    /// Serial number; empty where unknown.
    pub serial: String,
    /// When it was taken.
    pub taken: Stamp,
}

/// The reading that the tray kept; `None` for an ECG and for what this release cannot read.
pub fn from_tray(content: &Value) -> Option<Kept> {
    let text = |name: &str| {
        content
            .get(name)
            .and_then(Value::as_str)
            .unwrap_or_default()
            .to_owned()
    };
    let kind = VitalKind::from_word(&text("kind"))?;
    let numbers: Option<Vec<i64>> = content
        .get("numbers")?
        .as_array()?
        .iter()
        .map(Value::as_i64)
        .collect();
    let measured = Measured::from_numbers(kind, &numbers?, GlucoseTiming::Random)?;
    let marks = content.get("marks").and_then(Value::as_array);
    let marks = marks
        .into_iter()
        .flatten()
        .filter_map(Value::as_str)
        .map(str::to_owned)
        .collect();
    let subject = content.get("subject").and_then(Value::as_str).map(str::to_owned);
    let found = Found {
        measured,
        marks,
        subject,
        from_memory: false,
    };
    Some(Kept {
        found,
        device: text("device"),
        serial: text("serial"),
        taken: taken_of(content)?,
    })
}

/// When what the tray kept was taken.
pub fn taken_of(content: &Value) -> Option<Stamp> {
    let at = WallTime(content.get("taken")?.as_i64()?);
    let source = ClockSource::from_word(content.get("clock").and_then(Value::as_str).unwrap_or_default());
    Some(Stamp { at, source })
}

/// The numbers of a frame that are no reading, for the bay's log.
pub fn out_of_range_text(found: &OutOfRange) -> String {
    let name = |quantity: &Quantity| match quantity {
        Quantity::Systolic => "systolic",
        Quantity::Diastolic => "diastolic",
        Quantity::Mean => "mean",
        Quantity::Pulse => "pulse",
        Quantity::CentiCelsius => "centi_celsius",
    };
    let values: Vec<String> = found
        .values
        .iter()
        .map(|(quantity, value)| format!("{}={value}", name(quantity)))
        .collect();
    values.join(" ")
}

#[cfg(test)]
mod tests {
    use records::units::{Bpm, DeciCelsius, MmHg};

    use super::*;

    #[test]
    fn the_tray_gives_back_what_it_kept() {
        let pressure = Measured::BloodPressure {
            systolic: MmHg::new(138).unwrap(),
            diastolic: MmHg::new(86).unwrap(),
            pulse: Bpm::new(77).ok(),
        };
        let temperature = Measured::Temperature(DeciCelsius::new(365).unwrap());
        let taken = Stamp {
            at: WallTime(1_700_000_000_000),
            source: ClockSource::Tablet,
        };
        for measured in [pressure, temperature] {
            let subject = Some("11010519491231002X".to_owned());
            let found = Found {
                measured,
                marks: vec!["motion".to_owned()],
                subject,
                from_memory: false,
            };
            let kept = from_tray(&to_tray(&found, "omron-hbp9030", "A1", taken)).unwrap();
            assert_eq!(
                kept,
                Kept {
                    found,
                    device: "omron-hbp9030".into(),
                    serial: "A1".into(),
                    taken
                }
            );
        }
        assert_eq!(from_tray(&json!({"kind": "ecg"})), None);
        assert_eq!(from_tray(&json!({"kind": "bp", "numbers": [1]})), None);
    }

    #[test]
    fn debug_forms_hold_no_numbers() {
        let measured = Measured::Temperature(DeciCelsius::new(365).unwrap());
        let found = Found {
            measured,
            marks: Vec::new(),
            subject: Some("1101".into()),
            from_memory: false,
        };
        assert_eq!(format!("{found:?}"), "Found(temp)");
    }
}

//! What a reading says.

use crate::units::{
    Bpm, BreathsPerMinute, Decagrams, DeciCelsius, DeciMmolPerLitre, Millimetres, MmHg, SpO2Percent,
};

/// The kinds of readings.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum VitalKind {
    /// Systolic and diastolic pressure, with the pulse where the device tells it.
    BloodPressure,
    /// Pulse.
    Pulse,
    /// Body temperature.
    Temperature,
    /// Oxygen saturation.
    SpO2,
    /// Breathing rate.
    Respiration,
    /// Height.
    Height,
    /// Weight.
    Weight,
    /// Blood glucose.
    Glucose,
    /// Waist.
    Waist,
}

impl VitalKind {
    /// Every kind, in the order in which pages show them.
    pub const ALL: [Self; 9] = [
        Self::BloodPressure,
        Self::Pulse,
        Self::Temperature,
        Self::SpO2,
        Self::Respiration,
        Self::Glucose,
        Self::Weight,
        Self::Height,
        Self::Waist,
    ];

    /// The word in documents, tables and forms.
    pub fn word(self) -> &'static str {
        match self {
            Self::BloodPressure => "bp",
            Self::Pulse => "pulse",
            Self::Temperature => "temp",
            Self::SpO2 => "spo2",
            Self::Respiration => "resp",
            Self::Height => "height",
            Self::Weight => "weight",
            Self::Glucose => "glucose",
            Self::Waist => "waist",
        }
    }

    /// The kind with this word.
    pub fn from_word(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.word() == word)
    }

    /// The unit as it stands on screens.
    pub fn unit(self) -> &'static str {
        match self {
            Self::BloodPressure => MmHg::UNIT,
            Self::Pulse => Bpm::UNIT,
            Self::Temperature => DeciCelsius::UNIT,
            Self::SpO2 => SpO2Percent::UNIT,
            Self::Respiration => BreathsPerMinute::UNIT,
            Self::Height | Self::Waist => Millimetres::UNIT,
            Self::Weight => Decagrams::UNIT,
            Self::Glucose => DeciMmolPerLitre::UNIT,
        }
    }

    /// Decimal places of each of its numbers ([`Measured::numbers`]), in their order.
    pub fn scales(self) -> &'static [usize] {
        match self {
            Self::BloodPressure => &[0, 0, 0],
            Self::SpO2 => &[0, 0],
            Self::Pulse | Self::Respiration => &[0],
            Self::Temperature | Self::Glucose | Self::Height | Self::Waist => &[1],
            Self::Weight => &[2, 1],
        }
    }
}

/// Why there is no value.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum MissingReason {
    /// The cuff was loose or slipped.
    CuffLoose,
    /// An electrode or a finger had no contact.
    LeadOff,
    /// The device did not answer.
    DeviceSilent,
    /// The person did not want it.
    Declined,
    /// The device said that the value lies beyond its range.
    OutOfRange,
    /// The device reported an error.
    DeviceError,
}

impl MissingReason {
    /// Every reason.
    pub const ALL: [Self; 6] = [
        Self::CuffLoose,
        Self::LeadOff,
        Self::DeviceSilent,
        Self::Declined,
        Self::OutOfRange,
        Self::DeviceError,
    ];

    /// The word in documents and texts.
    pub fn word(self) -> &'static str {
        match self {
            Self::CuffLoose => "cuff_loose",
            Self::LeadOff => "lead_off",
            Self::DeviceSilent => "device_silent",
            Self::Declined => "declined",
            Self::OutOfRange => "out_of_range",
            Self::DeviceError => "device_error",
        }
    }

    /// The reason with this word.
    pub fn from_word(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|reason| reason.word() == word)
    }
}

/// When the person last ate, as they said (code list `glucose_timing`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum GlucoseTiming {
    /// Eight hours without food, says the patient.
    Fasting,
    /// One hour after a meal.
    OneHour,
    /// Two hours after a meal.
    TwoHours,
    /// At any time, or nobody asked.
    Random,
    /// Before going to bed.
    Bedtime,
}

impl GlucoseTiming {
    /// Every timing.
    pub const ALL: [Self; 5] = [
        Self::Fasting,
        Self::OneHour,
        Self::TwoHours,
        Self::Random,
        Self::Bedtime,
    ];

    /// The code of the code list.
    pub fn word(self) -> &'static str {
        match self {
            Self::Fasting => "fasting",
            Self::OneHour => "pc1h",
            Self::TwoHours => "pc2h",
            Self::Random => "random",
            Self::Bedtime => "bedtime",
        }
    }

    /// The timing with this code.
    pub fn from_word(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|timing| timing.word() == word)
    }
}

/// What a reading says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Measured {
    /// A blood pressure.
    BloodPressure {
        /// Systolic pressure.
        systolic: MmHg,
        /// Diastolic pressure.
        diastolic: MmHg,
        /// The pulse that the cuff counted.
        pulse: Option<Bpm>,
    },
    /// A pulse.
    Pulse(Bpm),
    /// A body temperature.
    Temperature(DeciCelsius),
    /// An oxygen saturation.
    SpO2 {
        /// The saturation.
        percent: SpO2Percent,
        /// The pulse that the sensor counted.
        pulse: Option<Bpm>,
    },
    /// A breathing rate.
    Respiration(BreathsPerMinute),
    /// A height.
    Height(Millimetres),
    /// A weight.
    Weight {
        /// The weight.
        weight: Decagrams,
        /// The height that was told with it.
        height: Option<Millimetres>,
    },
    /// A blood glucose.
    Glucose {
        /// The concentration.
        level: DeciMmolPerLitre,
        /// When the person last ate.
        timing: GlucoseTiming,
    },
    /// A waist.
    Waist(Millimetres),
    /// It was tried and there is no value.
    Missing {
        /// What was tried.
        kind: VitalKind,
        /// Why there is none.
        reason: MissingReason,
    },
    /// A reading of a newer release, or an imported one, that this release cannot read. It is kept as it is.
    Unread {
        /// The kind as it is written there.
        kind: String,
    },
}

impl Measured {
    /// The kind, where it is one that this release knows.
    pub fn kind(&self) -> Option<VitalKind> {
        match self {
            Self::BloodPressure { .. } => Some(VitalKind::BloodPressure),
            Self::Pulse(_) => Some(VitalKind::Pulse),
            Self::Temperature(_) => Some(VitalKind::Temperature),
            Self::SpO2 { .. } => Some(VitalKind::SpO2),
            Self::Respiration(_) => Some(VitalKind::Respiration),
            Self::Height(_) => Some(VitalKind::Height),
            Self::Weight { .. } => Some(VitalKind::Weight),
            Self::Glucose { .. } => Some(VitalKind::Glucose),
            Self::Waist(_) => Some(VitalKind::Waist),
            Self::Missing { kind, .. } => Some(*kind),
            Self::Unread { kind } => VitalKind::from_word(kind),
        }
    }

    /// The word of the kind, as it stands in the document.
    pub fn kind_word(&self) -> &str {
        match self {
            Self::Unread { kind } => kind,
            Self::BloodPressure { .. }
            | Self::Pulse(_)
            | Self::Temperature(_)
            | Self::SpO2 { .. }
            | Self::Respiration(_)
            | Self::Height(_)
            | Self::Weight { .. }
            | Self::Glucose { .. }
            | Self::Waist(_)
            | Self::Missing { .. } => self.kind().map_or("", VitalKind::word),
        }
    }

    /// The numbers as they are stored: in the scale of each quantity. Empty for a missing or unread value.
    pub fn numbers(&self) -> Vec<i64> {
        match self {
            Self::BloodPressure {
                systolic,
                diastolic,
                pulse,
            } => {
                let pulse = pulse.map(Bpm::get);
                [systolic.get(), diastolic.get()]
                    .into_iter()
                    .chain(pulse)
                    .collect()
            }
            Self::Pulse(rate) => vec![rate.get()],
            Self::Temperature(degrees) => vec![degrees.get()],
            Self::SpO2 { percent, pulse } => std::iter::once(percent.get())
                .chain(pulse.map(Bpm::get))
                .collect(),
            Self::Respiration(rate) => vec![rate.get()],
            Self::Height(length) | Self::Waist(length) => vec![length.get()],
            Self::Weight { weight, height } => std::iter::once(weight.get())
                .chain(height.map(Millimetres::get))
                .collect(),
            Self::Glucose { level, .. } => vec![level.get()],
            Self::Missing { .. } | Self::Unread { .. } => Vec::new(),
        }
    }

    /// A reading of these numbers, each in its quantity's scale; `None` where a number is missing, too many or
    /// outside what the quantity holds.
    pub fn from_numbers(kind: VitalKind, numbers: &[i64], timing: GlucoseTiming) -> Option<Self> {
        let pulse = |at: usize| numbers.get(at).map(|rate| Bpm::new(*rate)).transpose().ok();
        let one = || {
            if let [number] = numbers {
                Some(*number)
            } else {
                None
            }
        };
        match kind {
            VitalKind::BloodPressure => match numbers {
                [systolic, diastolic] | [systolic, diastolic, _] => Some(Self::BloodPressure {
                    systolic: MmHg::new(*systolic).ok()?,
                    diastolic: MmHg::new(*diastolic).ok()?,
                    pulse: pulse(2)?,
                }),
                _ => None,
            },
            VitalKind::Pulse => Bpm::new(one()?).ok().map(Self::Pulse),
            VitalKind::Temperature => DeciCelsius::new(one()?).ok().map(Self::Temperature),
            VitalKind::SpO2 => match numbers {
                [percent] | [percent, _] => Some(Self::SpO2 {
                    percent: SpO2Percent::new(*percent).ok()?,
                    pulse: pulse(1)?,
                }),
                _ => None,
            },
            VitalKind::Respiration => BreathsPerMinute::new(one()?).ok().map(Self::Respiration),
            VitalKind::Height => Millimetres::new(one()?).ok().map(Self::Height),
            VitalKind::Weight => match numbers {
                [weight] | [weight, _] => {
                    let height = numbers
                        .get(1)
                        .map(|height| Millimetres::new(*height))
                        .transpose()
                        .ok()?;
                    Some(Self::Weight {
                        weight: Decagrams::new(*weight).ok()?,
                        height,
                    })
                }
                _ => None,
            },
            VitalKind::Glucose => {
                let level = DeciMmolPerLitre::new(one()?).ok()?;
                Some(Self::Glucose { level, timing })
            }
            VitalKind::Waist => Millimetres::new(one()?).ok().map(Self::Waist),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_a_bijection() {
        for kind in VitalKind::ALL {
            assert_eq!(VitalKind::from_word(kind.word()), Some(kind));
        }
        for reason in MissingReason::ALL {
            assert_eq!(MissingReason::from_word(reason.word()), Some(reason));
        }
        let listed: Vec<_> = crate::tables::code_list("glucose_timing")
            .map(|code| code.code.clone())
            .collect();
        assert_eq!(GlucoseTiming::ALL.map(GlucoseTiming::word).to_vec(), listed);
    }

    #[test]
    fn numbers_outside_the_quantity_are_no_reading() {
        let read = |numbers: &[i64]| {
            Measured::from_numbers(VitalKind::BloodPressure, numbers, GlucoseTiming::Random)
        };
        assert!(read(&[138, 86, 77]).is_some());
        assert!(read(&[138, 86]).is_some());
        for bad in [&[138][..], &[], &[138, 401], &[138, 86, -1], &[1, 2, 3, 4]] {
            assert_eq!(read(bad), None, "{bad:?}");
        }
    }
}

//! A result as a kiosk and a bay's line show it: numbers, a word, a shape; never what it might mean.

use records::ids::BlobId;
use records::vitals::{Flag, Measured, PersonAge, flag};
use store::Lane;

/// The word beside a result.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Word {
    /// Inside the normal band.
    Normal,
    /// Above it.
    High,
    /// Below it.
    Low,
    /// At a critical limit or beyond: somebody must look now.
    SeeDoctor,
    /// Nothing is judged here.
    Recorded,
}

/// A result as it is shown.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Shown {
    /// The numbers with their units.
    pub numbers: Vec<(String, &'static str)>,
    /// The word.
    pub word: Word,
    /// Whether somebody must act now.
    pub critical: bool,
    /// The samples of an ECG.
    pub ecg: Option<BlobId>,
}

/// The mark of a temperature that was taken at a surface: it is not judged by the limits of the body.
pub const SURFACE: &str = "surface";

/// How urgently results travel: one that is critical for its person goes before everything else.
pub fn lane(critical: bool) -> Lane {
    if critical { Lane::P0 } else { Lane::P2 }
}

impl Shown {
    /// A reading of this person.
    pub fn of(measured: &Measured, marks: &[String], person: &PersonAge) -> Self {
        let judged = !marks.iter().any(|mark| mark == SURFACE);
        let flag = if judged { flag(measured, person) } else { None };
        let word = match flag {
            Some(Flag::Normal) => Word::Normal,
            Some(Flag::High) => Word::High,
            Some(Flag::Low) => Word::Low,
            Some(Flag::CriticalHigh | Flag::CriticalLow | Flag::BeyondHigh | Flag::BeyondLow) => {
                Word::SeeDoctor
            }
            None => Word::Recorded,
        };
        let critical = flag.is_some_and(Flag::is_critical);
        Self {
            numbers: numbers(measured),
            word,
            critical,
            ecg: None,
        }
    }

    /// A reading in the tray: nobody to judge it for.
    pub fn unjudged(measured: &Measured) -> Self {
        Self {
            numbers: numbers(measured),
            word: Word::Recorded,
            critical: false,
            ecg: None,
        }
    }

    /// An ECG: only its rate is a number, and only one that is critical for its person is judged.
    pub fn ecg(blob: BlobId, heart_rate: Option<records::units::Bpm>, person: Option<&PersonAge>) -> Self {
        let judged = person.zip(heart_rate);
        let flag = judged.and_then(|(person, rate)| flag(&Measured::Pulse(rate), person));
        let critical = flag.is_some_and(Flag::is_critical);
        let numbers = heart_rate
            .map(|rate| (rate.to_string(), records::units::Bpm::UNIT))
            .into_iter()
            .collect();
        Self {
            numbers,
            word: if critical { Word::SeeDoctor } else { Word::Recorded },
            critical,
            ecg: Some(blob),
        }
    }
}

/// The numbers of a reading with their units, as they stand on screens.
pub fn numbers(measured: &Measured) -> Vec<(String, &'static str)> {
    use records::units::{
        Bpm, BreathsPerMinute, Decagrams, DeciCelsius, DeciMmolPerLitre, MmHg, SpO2Percent,
    };
    let pulse = |rate: &Option<Bpm>| rate.map(|rate| (rate.to_string(), Bpm::UNIT));
    match measured {
        Measured::BloodPressure {
            systolic,
            diastolic,
            pulse: rate,
        } => {
            let pressure = (format!("{systolic}/{diastolic}"), MmHg::UNIT);
            std::iter::once(pressure).chain(pulse(rate)).collect()
        }
        Measured::Pulse(rate) => vec![(rate.to_string(), Bpm::UNIT)],
        Measured::Temperature(degrees) => vec![(degrees.to_string(), DeciCelsius::UNIT)],
        Measured::SpO2 { percent, pulse: rate } => std::iter::once((percent.to_string(), SpO2Percent::UNIT))
            .chain(pulse(rate))
            .collect(),
        Measured::Respiration(rate) => vec![(rate.to_string(), BreathsPerMinute::UNIT)],
        Measured::Height(length) | Measured::Waist(length) => vec![(centimetres(*length), "cm")],
        Measured::Weight { weight, .. } => vec![(weight.to_string(), Decagrams::UNIT)],
        Measured::Glucose { level, .. } => vec![(level.to_string(), DeciMmolPerLitre::UNIT)],
        Measured::Missing { .. } | Measured::Unread { .. } => Vec::new(),
    }
}

fn centimetres(length: records::units::Millimetres) -> String {
    format!("{}.{}", length.get() / 10, length.get() % 10)
}

#[cfg(test)]
mod tests {
    use records::units::{Bpm, DeciCelsius, MmHg};

    use super::*;

    fn pressure(systolic: i64, diastolic: i64) -> Measured {
        Measured::BloodPressure {
            systolic: MmHg::new(systolic).unwrap(),
            diastolic: MmHg::new(diastolic).unwrap(),
            pulse: Bpm::new(77).ok(),
        }
    }

    #[test]
    fn the_word_follows_the_flag() {
        let word = |systolic, diastolic| Shown::of(&pressure(systolic, diastolic), &[], &PersonAge::UNKNOWN);
        assert_eq!(word(120, 80).word, Word::Normal);
        assert_eq!(word(150, 80).word, Word::High);
        let critical = word(210, 120);
        assert_eq!((critical.word, critical.critical), (Word::SeeDoctor, true));
        assert_eq!(critical.numbers[0], ("210/120".to_owned(), "mmHg"));
    }

    #[test]
    fn of_an_ecg_only_a_critical_rate_is_judged() {
        let ecg = |rate, person| {
            let shown = Shown::ecg(BlobId([0; 32]), Bpm::new(rate).ok(), person);
            (shown.word, shown.critical)
        };
        let person = Some(&PersonAge::UNKNOWN);
        assert_eq!(ecg(110, person), (Word::Recorded, false));
        assert_eq!(ecg(30, person), (Word::SeeDoctor, true));
        assert_eq!(ecg(210, person), (Word::SeeDoctor, true));
        assert_eq!(ecg(210, None), (Word::Recorded, false));
    }

    #[test]
    fn a_surface_is_not_judged_as_a_body() {
        let cold = Measured::Temperature(DeciCelsius::new(331).unwrap());
        let shown = Shown::of(&cold, &[SURFACE.to_owned()], &PersonAge::UNKNOWN);
        assert_eq!((shown.word, shown.critical), (Word::Recorded, false));
        assert_eq!(shown.numbers, [("33.1".to_owned(), "℃")]);
    }
}

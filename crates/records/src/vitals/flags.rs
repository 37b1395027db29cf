//! Whether a reading alarms.
//!
//! A value equal to a normal limit is normal; equal to a critical limit it is critical. Between them it is high or
//! low. Beyond what is plausible it is marked as beyond.

use super::measured::{GlucoseTiming, Measured};
use crate::patients::Sex;
use crate::tables::{self, RangeLine};
use crate::time::{BirthDate, Date};
use crate::units::MmHg;

/// How a value stands to its limits, worst last.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Flag {
    /// Inside the normal band, or there is no band.
    Normal,
    /// Below the normal band.
    Low,
    /// Above the normal band.
    High,
    /// At or below the critical limit.
    CriticalLow,
    /// At or above the critical limit.
    CriticalHigh,
    /// Below what is plausible in a living person.
    BeyondLow,
    /// Above what is plausible in a living person.
    BeyondHigh,
}

impl Flag {
    /// The word by which pages find their text.
    pub fn word(self) -> &'static str {
        match self {
            Self::Normal => "normal",
            Self::Low => "low",
            Self::High => "high",
            Self::CriticalLow => "critical_low",
            Self::CriticalHigh => "critical_high",
            Self::BeyondLow => "beyond_low",
            Self::BeyondHigh => "beyond_high",
        }
    }

    /// Whether somebody must act now.
    pub fn is_critical(self) -> bool {
        match self {
            Self::CriticalLow | Self::CriticalHigh | Self::BeyondLow | Self::BeyondHigh => true,
            Self::Normal | Self::Low | Self::High => false,
        }
    }
}

/// What the ranges ask about a person.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PersonAge {
    /// Completed months of life; an unknown age is judged as an adult's.
    pub months: Option<i32>,
    /// The sex, where a range depends on it.
    pub sex: Sex,
}

/// First month that ranges call adult.
const ADULT_MONTHS: i32 = 18 * 12;

impl PersonAge {
    /// Somebody of whom nothing is known.
    pub const UNKNOWN: Self = Self {
        months: None,
        sex: Sex::Unknown,
    };

    /// A person with this birth date on a day.
    pub fn on(birth: Option<BirthDate>, sex: Sex, day: Date) -> Self {
        let months = birth.map(|birth| {
            let whole =
                i32::from(day.year() - birth.0.year()) * 12 + i32::from(day.month() - birth.0.month());
            (whole - i32::from(day.day() < birth.0.day())).max(0)
        });
        Self { months, sex }
    }

    /// Whether the limits of adults hold.
    pub fn is_adult(&self) -> bool {
        self.months.is_none_or(|months| months >= ADULT_MONTHS)
    }
}

/// The line of the table for a quantity and a person. Altitude is not known here: the first line of a group is the
/// one for low land.
pub(super) fn range_of(item: &str, person: &PersonAge) -> Option<&'static RangeLine> {
    let months = person.months.unwrap_or(ADULT_MONTHS);
    let sex = match person.sex {
        Sex::Male => "M",
        Sex::Female => "F",
        Sex::Unknown => "*",
    };
    tables::ranges().iter().find(|line| {
        line.item == item && line.months.contains(&months) && (line.sex == "*" || line.sex == sex)
    })
}

/// A number of a reading: its name, its row in the table of ranges, its value in thousandths of the unit there.
pub(super) struct Part {
    pub(super) name: &'static str,
    pub(super) item: &'static str,
    pub(super) thousandths: i64,
}

pub(super) fn parts(measured: &Measured) -> Vec<Part> {
    let part = |name, item, thousandths| Part {
        name,
        item,
        thousandths,
    };
    let pulse_part = |rate: &crate::units::Bpm| part("pulse", "hr", rate.get() * 1000);
    match measured {
        Measured::BloodPressure {
            systolic,
            diastolic,
            pulse,
        } => {
            let pressures = [
                part("systolic", "sbp", systolic.get() * 1000),
                part("diastolic", "dbp", diastolic.get() * 1000),
            ];
            pressures
                .into_iter()
                .chain(pulse.as_ref().map(pulse_part))
                .collect()
        }
        Measured::Pulse(rate) => vec![pulse_part(rate)],
        Measured::Temperature(degrees) => vec![part("temp", "temp", degrees.get() * 100)],
        Measured::SpO2 { percent, pulse } => {
            let saturation = part("spo2", "spo2", percent.get() * 1000);
            std::iter::once(saturation)
                .chain(pulse.as_ref().map(pulse_part))
                .collect()
        }
        Measured::Respiration(rate) => vec![part("resp", "rr", rate.get() * 1000)],
        Measured::Height(length) => vec![part("height", "height", length.get() * 100)],
        Measured::Weight { weight, height } => {
            let height = height.map(|length| part("height", "height", length.get() * 100));
            std::iter::once(part("weight", "weight", weight.get() * 10))
                .chain(height)
                .collect()
        }
        Measured::Glucose { level, timing } => {
            let item = if *timing == GlucoseTiming::Fasting {
                "glu_f"
            } else {
                "glu_r"
            };
            vec![part("glucose", item, level.get() * 100)]
        }
        Measured::Waist(length) => vec![part("waist", "waist", length.get() * 100)],
        Measured::Missing { .. } | Measured::Unread { .. } => Vec::new(),
    }
}

fn judge(value: i64, line: &RangeLine) -> Flag {
    let below = |limit: Option<i64>| limit.is_some_and(|limit| value < limit);
    let above = |limit: Option<i64>| limit.is_some_and(|limit| value > limit);
    let reaches_low = |limit: Option<i64>| limit.is_some_and(|limit| value <= limit);
    let reaches_high = |limit: Option<i64>| limit.is_some_and(|limit| value >= limit);
    if below(line.plausible.0) {
        Flag::BeyondLow
    } else if above(line.plausible.1) {
        Flag::BeyondHigh
    } else if reaches_low(line.critical.0) {
        Flag::CriticalLow
    } else if reaches_high(line.critical.1) {
        Flag::CriticalHigh
    } else if below(line.normal.0) {
        Flag::Low
    } else if above(line.normal.1) {
        Flag::High
    } else {
        Flag::Normal
    }
}

/// The flag of each number of a reading, with the number's name: `systolic`, `diastolic`, `pulse`, `temp`, `spo2`,
/// `resp`, `height`, `weight`, `glucose`, `waist`. A quantity without a range for this person is normal.
pub fn flags(measured: &Measured, person: &PersonAge) -> Vec<(&'static str, Flag)> {
    let judged = |part: Part| {
        let flag = range_of(part.item, person).map_or(Flag::Normal, |line| judge(part.thousandths, line));
        (part.name, flag)
    };
    parts(measured).into_iter().map(judged).collect()
}

/// The worst flag of a reading; `None` where there is no number.
pub fn flag(measured: &Measured, person: &PersonAge) -> Option<Flag> {
    flags(measured, person).into_iter().map(|(_, flag)| flag).max()
}

/// Grade of a blood pressure, as the Chinese guideline counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum BpGrade {
    /// Below 120/80.
    Normal,
    /// From 120/80 on.
    HighNormal,
    /// From 140/90 on.
    Grade1,
    /// From 160/100 on.
    Grade2,
    /// From 180/110 on.
    Grade3,
}

/// Whether only one of the two pressures is high.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Isolated {
    /// Only the systolic one.
    Systolic,
    /// Only the diastolic one.
    Diastolic,
}

/// Class of a blood pressure.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct BpClass {
    /// The grade; the higher of the two pressures decides.
    pub grade: BpGrade,
    /// Whether one pressure alone makes it.
    pub isolated: Option<Isolated>,
}

impl BpClass {
    /// The word by which pages find their text.
    pub fn word(self) -> &'static str {
        match (self.isolated, self.grade) {
            (Some(Isolated::Systolic), _) => "bp_isolated_systolic",
            (Some(Isolated::Diastolic), _) => "bp_isolated_diastolic",
            (None, BpGrade::Normal) => "bp_normal",
            (None, BpGrade::HighNormal) => "bp_high_normal",
            (None, BpGrade::Grade1) => "bp_grade_1",
            (None, BpGrade::Grade2) => "bp_grade_2",
            (None, BpGrade::Grade3) => "bp_grade_3",
        }
    }
}

/// Classes a blood pressure taken in a clinic; `None` for people below 18, who have limits by age and height.
pub fn bp_class(systolic: MmHg, diastolic: MmHg, person: &PersonAge) -> Option<BpClass> {
    if !person.is_adult() {
        return None;
    }
    let classes = tables::bp_classes();
    let grades = [
        BpGrade::Normal,
        BpGrade::HighNormal,
        BpGrade::Grade1,
        BpGrade::Grade2,
        BpGrade::Grade3,
    ];
    let reached = grades.iter().zip(classes).rev().find(|(_, class)| {
        class.both || systolic.get() >= *class.systolic.start() || diastolic.get() >= *class.diastolic.start()
    });
    let grade = reached.map_or(BpGrade::Normal, |(grade, _)| *grade);
    let fits = |name: &str| {
        let class = classes.iter().find(|class| class.en.starts_with(name));
        class.is_some_and(|c| c.systolic.contains(&systolic.get()) && c.diastolic.contains(&diastolic.get()))
    };
    let isolated = if fits("Isolated systolic") {
        Some(Isolated::Systolic)
    } else if fits("Isolated diastolic") {
        Some(Isolated::Diastolic)
    } else {
        None
    };
    Some(BpClass { grade, isolated })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::units::{DeciCelsius, SpO2Percent};

    fn pressure(systolic: i64, diastolic: i64) -> Measured {
        let (systolic, diastolic) = (MmHg::new(systolic).unwrap(), MmHg::new(diastolic).unwrap());
        Measured::BloodPressure {
            systolic,
            diastolic,
            pulse: None,
        }
    }

    #[test]
    fn limits_belong_where_the_boundary_rule_says() {
        let adult = PersonAge::UNKNOWN;
        let cases = [
            (139, 89, Flag::Normal),
            (140, 89, Flag::High),
            (90, 60, Flag::Normal),
            (89, 60, Flag::Low),
            (179, 89, Flag::High),
            (180, 89, Flag::CriticalHigh),
            (120, 110, Flag::CriticalHigh),
            (80, 60, Flag::CriticalLow),
            (300, 100, Flag::CriticalHigh),
            (301, 100, Flag::BeyondHigh),
            (39, 30, Flag::BeyondLow),
        ];
        for (systolic, diastolic, expected) in cases {
            assert_eq!(
                flag(&pressure(systolic, diastolic), &adult),
                Some(expected),
                "{systolic}/{diastolic}"
            );
        }
    }

    #[test]
    fn temperature_and_saturation_follow_the_table() {
        let of = |measured| flag(&measured, &PersonAge::UNKNOWN);
        assert_eq!(
            of(Measured::Temperature(DeciCelsius::new(372).unwrap())),
            Some(Flag::Normal)
        );
        assert_eq!(
            of(Measured::Temperature(DeciCelsius::new(373).unwrap())),
            Some(Flag::High)
        );
        assert_eq!(
            of(Measured::Temperature(DeciCelsius::new(410).unwrap())),
            Some(Flag::CriticalHigh)
        );
        let saturation = |percent| Measured::SpO2 {
            percent: SpO2Percent::new(percent).unwrap(),
            pulse: None,
        };
        assert_eq!(of(saturation(95)), Some(Flag::Normal));
        assert_eq!(of(saturation(90)), Some(Flag::CriticalLow));
        assert_eq!(of(Measured::Unread { kind: "bp".into() }), None);
    }

    #[test]
    fn children_have_their_own_ranges() {
        let birth = "2023-01-02".parse().ok();
        let child = PersonAge::on(birth, Sex::Male, "2026-03-10".parse().unwrap());
        assert_eq!(child.months, Some(38));
        assert_eq!(flag(&pressure(116, 60), &child), Some(Flag::High));
        assert_eq!(
            bp_class(MmHg::new(150).unwrap(), MmHg::new(95).unwrap(), &child),
            None
        );
    }

    #[test]
    fn every_pair_of_pressures_has_the_class_of_the_higher_one() {
        let class =
            |s, d| bp_class(MmHg::new(s).unwrap(), MmHg::new(d).unwrap(), &PersonAge::UNKNOWN).unwrap();
        let word = |s, d| class(s, d).word();
        assert_eq!(word(119, 79), "bp_normal");
        assert_eq!(word(120, 79), "bp_high_normal");
        assert_eq!(word(119, 80), "bp_high_normal");
        assert_eq!(word(140, 90), "bp_grade_1");
        assert_eq!(word(150, 105), "bp_grade_2");
        assert_eq!(word(181, 95), "bp_grade_3");
        assert_eq!(word(165, 85), "bp_isolated_systolic");
        assert_eq!(class(165, 85).grade, BpGrade::Grade2);
        assert_eq!(word(130, 95), "bp_isolated_diastolic");
    }
}

//! Ranges of readings, classes of blood pressure, triage levels and critical values.

use std::ops::RangeInclusive;
use std::sync::OnceLock;

use super::{cell, rows};

/// Normal, warning, critical and plausible limits of one quantity in one group of people. A missing limit means
/// that there is none, never zero. Limits are in thousandths of the unit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RangeLine {
    /// The quantity: `hr`, `rr`, `sbp`, `dbp`, `temp`, `spo2`, `glu_f`, `glu_r`, `waist`, `height`, `weight` …
    pub item: String,
    /// The group in Chinese.
    pub group_zh: String,
    /// The group in English.
    pub group_en: String,
    /// Ages of the group in completed months, the last one not included.
    pub months: std::ops::Range<i32>,
    /// `M`, `F` or `*`.
    pub sex: String,
    /// Limits of the normal band; a value equal to a limit is normal.
    pub normal: (Option<i64>, Option<i64>),
    /// Limits beyond which a value warns.
    pub warning: (Option<i64>, Option<i64>),
    /// Critical limits; a value equal to a limit is critical.
    pub critical: (Option<i64>, Option<i64>),
    /// Limits beyond which a value is taken for a mistake and asked again.
    pub plausible: (Option<i64>, Option<i64>),
    /// The unit as it stands on screens.
    pub unit: String,
}

fn thousandths(text: &str) -> Option<i64> {
    crate::text::parse_number(text, 3)
}

/// The ranges, in the order of the table.
pub fn ranges() -> &'static [RangeLine] {
    static LINES: OnceLock<Vec<RangeLine>> = OnceLock::new();
    LINES.get_or_init(|| {
        let lines = rows(include_str!("../../tables/vitals_ranges.csv"));
        let read = |line: Vec<String>| {
            let limit = |at: usize| line.get(at).and_then(|text| thousandths(text));
            let months = |at: usize| line.get(at).and_then(|text| text.parse().ok()).unwrap_or(0);
            RangeLine {
                item: cell(&line, 0),
                group_zh: cell(&line, 3),
                group_en: cell(&line, 4),
                months: months(5)..months(6),
                sex: cell(&line, 7),
                normal: (limit(8), limit(9)),
                warning: (limit(10), limit(11)),
                critical: (limit(12), limit(13)),
                plausible: (limit(14), limit(15)),
                unit: cell(&line, 16),
            }
        };
        lines.into_iter().map(read).collect()
    })
}

/// A class of blood pressure (Chinese guideline for the prevention and treatment of hypertension).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BpClassLine {
    /// Chinese name.
    pub zh: String,
    /// English name.
    pub en: String,
    /// Systolic pressures of the class, mmHg.
    pub systolic: RangeInclusive<i64>,
    /// Diastolic pressures of the class, mmHg.
    pub diastolic: RangeInclusive<i64>,
    /// Whether both must fit; else one is enough.
    pub both: bool,
}

/// The classes of blood pressure, in the order of the table.
pub fn bp_classes() -> &'static [BpClassLine] {
    static LINES: OnceLock<Vec<BpClassLine>> = OnceLock::new();
    LINES.get_or_init(|| {
        let lines = rows(include_str!("../../tables/bp_classification.csv"));
        let read = |line: Vec<String>| {
            let number = |at: usize| line.get(at).and_then(|text| text.parse().ok()).unwrap_or(0);
            BpClassLine {
                zh: cell(&line, 0),
                en: cell(&line, 1),
                systolic: number(2)..=number(3),
                diastolic: number(4)..=number(5),
                both: cell(&line, 6) == "and",
            }
        };
        lines.into_iter().map(read).collect()
    })
}

/// A triage level.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TriageLine {
    /// 1 (at once) to 4 (can wait).
    pub level: u8,
    /// Roman numeral with the sign for level.
    pub zh_level: String,
    /// Chinese name.
    pub zh: String,
    /// English name.
    pub en: String,
    /// Longest wait in minutes.
    pub response_minutes: u32,
    /// Colour, as a Chinese word.
    pub colour_zh: String,
    /// What such patients have.
    pub features_zh: String,
    /// What the clinic does.
    pub clinic_action: String,
}

/// The triage levels, most urgent first.
pub fn triage_levels() -> &'static [TriageLine] {
    static LINES: OnceLock<Vec<TriageLine>> = OnceLock::new();
    LINES.get_or_init(|| {
        let lines = rows(include_str!("../../tables/triage_levels.csv"));
        let read = |line: Vec<String>| TriageLine {
            level: cell(&line, 0).parse().unwrap_or(0),
            zh_level: cell(&line, 1),
            zh: cell(&line, 2),
            en: cell(&line, 3),
            response_minutes: cell(&line, 5).parse().unwrap_or(0),
            colour_zh: cell(&line, 6),
            features_zh: cell(&line, 7),
            clinic_action: cell(&line, 9),
        };
        lines.into_iter().map(read).collect()
    })
}

/// The level with this number.
pub fn triage_level(level: u8) -> Option<&'static TriageLine> {
    triage_levels().iter().find(|line| line.level == level)
}

/// A critical value and what to do about it. The rules themselves belong to the county.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CriticalValue {
    /// Number of the line.
    pub id: String,
    /// `ecg`, `vital`, `poct`, `lab` or `image`.
    pub kind: String,
    /// What it is, in Chinese.
    pub zh: String,
    /// What it is, in English.
    pub en: String,
    /// What to do.
    pub response: String,
}

/// The critical values, in the order of the table.
pub fn critical_values() -> &'static [CriticalValue] {
    static LINES: OnceLock<Vec<CriticalValue>> = OnceLock::new();
    LINES.get_or_init(|| {
        let lines = rows(include_str!("../../tables/critical_values.csv"));
        let read = |line: Vec<String>| CriticalValue {
            id: cell(&line, 0),
            kind: cell(&line, 1),
            zh: cell(&line, 2),
            en: cell(&line, 3),
            response: cell(&line, 5),
        };
        lines.into_iter().map(read).collect()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn limits_are_thousandths_and_a_missing_one_is_none() {
        let temperature = ranges().iter().find(|line| line.item == "temp").unwrap();
        assert_eq!(temperature.normal, (Some(36_000), Some(37_200)));
        let spo2 = ranges().iter().find(|line| line.item == "spo2").unwrap();
        assert_eq!(spo2.critical, (Some(90_000), None));
    }

    #[test]
    fn levels_and_classes_are_all_there() {
        assert_eq!(
            triage_levels().iter().map(|line| line.level).collect::<Vec<_>>(),
            [1, 2, 3, 4]
        );
        assert_eq!(bp_classes().len(), 7);
        assert!(critical_values().iter().any(|value| value.id == "CV20"));
        assert!(triage_level(9).is_none());
    }
}

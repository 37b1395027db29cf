//! Readings that a person types.

use super::flags::{PersonAge, parts, range_of};
use super::measured::{GlucoseTiming, Measured, VitalKind};
use crate::faults::{FaultKind, FieldFault};
use crate::text::{fold, parse_number};

/// Reads what was typed: one number, or several with slashes between (`138/88`, `138/88/77`, `97/72`), full-width or
/// not. Glucose counts as `timing`.
pub fn parse_typed(kind: VitalKind, typed: &str, timing: GlucoseTiming) -> Result<Measured, FieldFault> {
    let folded = fold(typed);
    if folded.is_empty() {
        return Err(FieldFault::new(kind.word(), FaultKind::Missing));
    }
    let scales = kind.scales();
    let fields: Vec<&str> = folded.split(['/', '\\', '|']).collect();
    let numbers: Option<Vec<i64>> = fields
        .iter()
        .zip(scales)
        .map(|(field, scale)| parse_number(field, *scale))
        .collect();
    let numbers = numbers.filter(|_| fields.len() <= scales.len());
    let numbers = numbers.ok_or(FieldFault::new(kind.word(), FaultKind::NotANumber))?;
    if kind == VitalKind::BloodPressure && numbers.len() < 2 {
        return Err(FieldFault::new(kind.word(), FaultKind::NotANumber));
    }
    let impossible = FieldFault::new(kind.word(), FaultKind::Impossible);
    Measured::from_numbers(kind, &numbers, timing).ok_or(impossible)
}

/// Judges a typed reading: outside the plausible limits, or a diastolic pressure that is not below the systolic one,
/// is refused; at or beyond a critical limit it is asked once.
pub fn check_typed(measured: &Measured, person: &PersonAge) -> Vec<FieldFault> {
    let mut faults = Vec::new();
    for part in parts(measured) {
        let Some(line) = range_of(part.item, person) else {
            continue;
        };
        let value = part.thousandths;
        let (low, high) = line.plausible;
        let (critical_low, critical_high) = line.critical;
        if low.is_some_and(|low| value < low) || high.is_some_and(|high| value > high) {
            faults.push(FieldFault::new(part.name, FaultKind::Impossible));
        } else if critical_low.is_some_and(|low| value <= low)
            || critical_high.is_some_and(|high| value >= high)
        {
            faults.push(FieldFault::new(part.name, FaultKind::Unusual));
        }
    }
    if let Measured::BloodPressure {
        systolic, diastolic, ..
    } = measured
        && diastolic >= systolic
    {
        faults.retain(|fault| fault.field != "diastolic");
        faults.push(FieldFault::new("diastolic", FaultKind::Impossible));
    }
    faults
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::faults::any_hard;

    fn typed(kind: VitalKind, text: &str) -> Result<Measured, FaultKind> {
        parse_typed(kind, text, GlucoseTiming::Random).map_err(|fault| fault.kind)
    }

    #[test]
    fn full_width_readings_are_taken() {
        let pressure = typed(VitalKind::BloodPressure, "１３８／８８").unwrap();
        assert_eq!(pressure.numbers(), [138, 88]);
        assert_eq!(
            typed(VitalKind::Temperature, "３６。５").unwrap().numbers(),
            [365]
        );
        assert_eq!(typed(VitalKind::Weight, "６２．５").unwrap().numbers(), [6250]);
        assert_eq!(
            typed(VitalKind::BloodPressure, "138/88/77").unwrap().numbers(),
            [138, 88, 77]
        );
    }

    #[test]
    fn what_is_no_reading_is_refused() {
        assert_eq!(typed(VitalKind::BloodPressure, ""), Err(FaultKind::Missing));
        assert_eq!(typed(VitalKind::BloodPressure, "138"), Err(FaultKind::NotANumber));
        assert_eq!(
            typed(VitalKind::BloodPressure, "1/2/3/4"),
            Err(FaultKind::NotANumber)
        );
        assert_eq!(typed(VitalKind::Temperature, "36.55"), Err(FaultKind::NotANumber));
        assert_eq!(typed(VitalKind::SpO2, "101"), Err(FaultKind::Impossible));
    }

    #[test]
    fn hard_limits_refuse_and_soft_limits_ask() {
        let check = |text| {
            let measured = typed(VitalKind::BloodPressure, text).unwrap();
            check_typed(&measured, &PersonAge::UNKNOWN)
        };
        assert!(any_hard(&check("300/400")));
        assert!(any_hard(&check("88/138")));
        assert!(any_hard(&check("120/120")));
        let asked = check("230/130");
        assert!(!asked.is_empty() && !any_hard(&asked));
        assert!(check("138/88").is_empty());
    }
}

//! From readings in records to what screens show.

use records::patients::Sex;
use records::tables;
use records::time::{BirthDate, ClockSource};
use records::units::{Bpm, BreathsPerMinute, Decagrams};
use records::vitals::{Flag, Measured, MissingReason, Observation, Origin, PersonAge, VitalKind, flag};

use super::{ReadingView, VitalView};
use crate::charts::{Band, Pressure, TrendPoint};
use crate::texts::Lang;

/// The name of a kind of reading.
pub fn kind_name(lang: Lang, kind: VitalKind) -> String {
    match kind {
        VitalKind::BloodPressure => lang.t("vital-bp"),
        VitalKind::Pulse => lang.t("vital-pulse"),
        VitalKind::Temperature => lang.t("vital-temp"),
        VitalKind::SpO2 => lang.t("vital-spo2"),
        VitalKind::Respiration => lang.t("vital-resp"),
        VitalKind::Height => lang.t("vital-height"),
        VitalKind::Weight => lang.t("vital-weight"),
        VitalKind::Glucose => lang.t("vital-glucose"),
        VitalKind::Waist => lang.t("vital-waist"),
    }
}

/// The unit of a kind, in the reader's language.
pub fn unit_of(lang: Lang, kind: VitalKind) -> &'static str {
    unit_words(lang, kind.unit())
}

/// A unit as it is written in the reader's language: only rates have words in theirs.
pub fn unit_words(lang: Lang, unit: &'static str) -> &'static str {
    if lang == Lang::En && (unit == Bpm::UNIT || unit == BreathsPerMinute::UNIT) {
        "/min"
    } else {
        unit
    }
}

/// Why there is no value.
pub fn missing_word(lang: Lang, reason: MissingReason) -> String {
    match reason {
        MissingReason::CuffLoose => lang.t("no-value-cuff-loose"),
        MissingReason::LeadOff => lang.t("no-value-lead-off"),
        MissingReason::DeviceSilent => lang.t("no-value-device-silent"),
        MissingReason::Declined => lang.t("no-value-declined"),
        MissingReason::OutOfRange => lang.t("no-value-out-of-range"),
        MissingReason::DeviceError => lang.t("no-value-device-error"),
    }
}

/// Where a reading came from. `device` tells the name of a model by its key.
pub fn origin_words(lang: Lang, origin: &Origin, device: impl Fn(&str) -> String) -> String {
    match origin {
        Origin::Device { key, .. } => device(key),
        Origin::Kiosk { .. } => lang.t("from-kiosk"),
        Origin::Typed => lang.t("from-typed"),
        Origin::Imported { device } if device.is_empty() => lang.t("from-imported"),
        Origin::Imported { device } => format!("{} {device}", lang.t("from-imported")),
    }
}

/// The value as it was measured and its unit; a missing value is its reason, without a unit.
pub fn value_words(lang: Lang, measured: &Measured) -> (String, &'static str) {
    let value = match measured {
        Measured::BloodPressure {
            systolic, diastolic, ..
        } => format!("{systolic}/{diastolic}"),
        Measured::Pulse(rate) => rate.to_string(),
        Measured::Temperature(degrees) => degrees.to_string(),
        Measured::SpO2 { percent, .. } => percent.to_string(),
        Measured::Respiration(rate) => rate.to_string(),
        Measured::Height(length) | Measured::Waist(length) => length.to_string(),
        Measured::Weight { weight, .. } => weight_words(*weight),
        Measured::Glucose { level, .. } => level.to_string(),
        Measured::Missing { reason, .. } => return (missing_word(lang, *reason), ""),
        Measured::Unread { .. } => return (lang.t("reading-not-read"), ""),
    };
    (value, measured.kind().map_or("", |kind| unit_of(lang, kind)))
}

/// Scales measure to 50 or 100 g: the second decimal is shown only where it says something.
fn weight_words(weight: Decagrams) -> String {
    let text = weight.to_string();
    text.strip_suffix('0').map_or_else(|| text.clone(), str::to_owned)
}

fn pulse_of(measured: &Measured) -> Option<Bpm> {
    match measured {
        Measured::BloodPressure { pulse, .. } | Measured::SpO2 { pulse, .. } => *pulse,
        Measured::Pulse(_)
        | Measured::Temperature(_)
        | Measured::Respiration(_)
        | Measured::Height(_)
        | Measured::Weight { .. }
        | Measured::Glucose { .. }
        | Measured::Waist(_)
        | Measured::Missing { .. }
        | Measured::Unread { .. } => None,
    }
}

/// A reading as screens show it, judged for the person's age on its day.
pub fn reading_of(
    lang: Lang,
    reading: &Observation,
    birth: Option<BirthDate>,
    sex: Sex,
    device: impl Fn(&str) -> String,
) -> ReadingView {
    let (value, unit) = value_words(lang, &reading.measured);
    let age = PersonAge::on(birth, sex, reading.taken.at.china_date());
    ReadingView {
        value,
        unit,
        flag: flag(&reading.measured, &age).unwrap_or(Flag::Normal),
        beside: pulse_of(&reading.measured).map(|pulse| lang.t_n("reading-pulse", pulse.get())),
        at: reading.taken.at,
        clock_doubtful: reading.taken.source == ClockSource::None,
        origin: origin_words(lang, &reading.origin, device),
        withdrawn: reading
            .withdrawn
            .as_ref()
            .map(|withdrawn| withdrawn.reason.clone()),
        withdraw: None,
    }
}

/// The last reading of each kind and the one before it; `readings` are newest first. Withdrawn ones are left out.
pub fn vitals_of(
    lang: Lang,
    readings: &[Observation],
    birth: Option<BirthDate>,
    sex: Sex,
    device: impl Fn(&str) -> String,
) -> Vec<VitalView> {
    let of_kind = |kind: VitalKind| {
        let standing = readings.iter().filter(|reading| reading.withdrawn.is_none());
        let mut two = standing
            .filter(|reading| reading.measured.kind() == Some(kind))
            .take(2);
        let latest = reading_of(lang, two.next()?, birth, sex, &device);
        let before = two
            .next()
            .map(|reading| reading_of(lang, reading, birth, sex, &device));
        Some(VitalView {
            title: kind_name(lang, kind),
            latest,
            before,
            href: None,
        })
    };
    VitalKind::ALL.into_iter().filter_map(of_kind).collect()
}

/// The blood pressures among readings that stand, for their chart.
pub fn pressures_of(readings: &[Observation]) -> Vec<Pressure> {
    let standing = readings.iter().filter(|reading| reading.withdrawn.is_none());
    let pressures = standing.filter_map(|reading| match reading.measured {
        Measured::BloodPressure {
            systolic, diastolic, ..
        } => Some(Pressure {
            at: reading.taken.at,
            systolic: systolic.get(),
            diastolic: diastolic.get(),
        }),
        Measured::Pulse(_)
        | Measured::Temperature(_)
        | Measured::SpO2 { .. }
        | Measured::Respiration(_)
        | Measured::Height(_)
        | Measured::Weight { .. }
        | Measured::Glucose { .. }
        | Measured::Waist(_)
        | Measured::Missing { .. }
        | Measured::Unread { .. } => None,
    });
    pressures.collect()
}

/// The points of one kind among readings that stand; a missing one breaks the line. Blood pressures have a chart
/// of their own.
pub fn points_of(lang: Lang, readings: &[Observation], kind: VitalKind) -> Vec<TrendPoint> {
    let standing = readings.iter().filter(|reading| reading.withdrawn.is_none());
    let of_kind = standing.filter(|reading| reading.measured.kind() == Some(kind));
    let point = |reading: &Observation| TrendPoint {
        at: reading.taken.at,
        value: number_of(&reading.measured),
        text: value_words(lang, &reading.measured).0,
    };
    of_kind.map(point).collect()
}

fn number_of(measured: &Measured) -> Option<f64> {
    match measured {
        Measured::Pulse(rate) => Some(rate.get() as f64),
        Measured::Temperature(degrees) => Some(degrees.get() as f64 / 10.0),
        Measured::SpO2 { percent, .. } => Some(percent.get() as f64),
        Measured::Respiration(rate) => Some(rate.get() as f64),
        Measured::Height(length) | Measured::Waist(length) => Some(length.get() as f64 / 10.0),
        Measured::Weight { weight, .. } => Some(weight.get() as f64 / 100.0),
        Measured::Glucose { level, .. } => Some(level.get() as f64 / 10.0),
        Measured::BloodPressure { .. } | Measured::Missing { .. } | Measured::Unread { .. } => None,
    }
}

/// The normal band of a kind for a person, labelled with the people it is for; of a blood pressure the band of the
/// upper value. `None` where the tables have no closed band.
pub fn band_of(lang: Lang, kind: VitalKind, person: &PersonAge) -> Option<Band> {
    let item = match kind {
        VitalKind::BloodPressure => "sbp",
        VitalKind::Pulse => "hr",
        VitalKind::Temperature => "temp",
        VitalKind::SpO2 => "spo2",
        VitalKind::Respiration => "rr",
        VitalKind::Glucose => "glu_r",
        VitalKind::Height | VitalKind::Weight | VitalKind::Waist => return None,
    };
    let months = person.months.unwrap_or(ADULT_MONTHS);
    let sex = match person.sex {
        Sex::Male => "M",
        Sex::Female => "F",
        Sex::Unknown => "*",
    };
    let fits = |line: &&tables::RangeLine| {
        line.item == item && line.months.contains(&months) && (line.sex == "*" || line.sex == sex)
    };
    let line = tables::ranges().iter().find(fits)?;
    let (low, high) = (line.normal.0?, line.normal.1?);
    let group = if lang == Lang::Zh {
        &line.group_zh
    } else {
        &line.group_en
    };
    let values = [
        ("group", group.as_str()),
        ("low", &thousandths(low)),
        ("high", &thousandths(high)),
    ];
    Some(Band {
        low: low as f64 / 1000.0,
        high: high as f64 / 1000.0,
        label: lang.t_with("band-label", &values),
    })
}

/// An unknown age is judged as an adult's.
const ADULT_MONTHS: i32 = 18 * 12;

/// A number in thousandths without zeros at its end.
fn thousandths(value: i64) -> String {
    let text = format!("{:.3}", value as f64 / 1000.0);
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}

#[cfg(test)]
mod tests {
    use records::ids::ObservationId;
    use records::time::{Stamp, WallTime};
    use records::units::{DeciCelsius, MmHg};

    use super::*;

    fn reading(measured: Measured, minute: i64) -> Observation {
        Observation {
            id: ObservationId([1; 8]),
            measured,
            taken: Stamp {
                at: WallTime(1_773_100_000_000 + minute * 60_000),
                source: ClockSource::Hub,
            },
            origin: Origin::Typed,
            by: None,
            marks: Vec::new(),
            withdrawn: None,
        }
    }

    fn pressure(systolic: i64, diastolic: i64) -> Measured {
        Measured::BloodPressure {
            systolic: MmHg::new(systolic).unwrap(),
            diastolic: MmHg::new(diastolic).unwrap(),
            pulse: Bpm::new(77).ok(),
        }
    }

    #[test]
    fn values_carry_unit_flag_and_what_was_measured_beside() {
        let view = reading_of(
            Lang::Zh,
            &reading(pressure(168, 102), 0),
            None,
            Sex::Female,
            str::to_owned,
        );
        assert_eq!((view.value.as_str(), view.unit), ("168/102", "mmHg"));
        assert_eq!(view.flag, Flag::High);
        assert_eq!(view.beside.as_deref(), Some("脉搏 77 次/分"));
        let missing = Measured::Missing {
            kind: VitalKind::SpO2,
            reason: MissingReason::LeadOff,
        };
        assert_eq!(value_words(Lang::Zh, &missing), ("接触不良".to_owned(), ""));
        assert_eq!(weight_words(Decagrams::new(6250).unwrap()), "62.5");
        assert_eq!(weight_words(Decagrams::new(6205).unwrap()), "62.05");
    }

    #[test]
    fn the_last_two_of_each_kind_are_shown_without_withdrawn_ones() {
        let mut wrong = reading(pressure(230, 130), 9);
        let at = Stamp {
            at: WallTime(0),
            source: ClockSource::Hub,
        };
        wrong.withdrawn = Some(records::vitals::Withdrawal {
            by: None,
            at,
            reason: "x".into(),
        });
        let degrees = Measured::Temperature(DeciCelsius::new(365).unwrap());
        let readings = [
            wrong,
            reading(pressure(138, 86), 5),
            reading(degrees, 4),
            reading(pressure(152, 94), 1),
        ];
        let vitals = vitals_of(Lang::Zh, &readings, None, Sex::Unknown, str::to_owned);
        assert_eq!(vitals.len(), 2);
        assert_eq!(vitals[0].latest.value, "138/86");
        assert_eq!(vitals[0].before.as_ref().unwrap().value, "152/94");
        assert_eq!(pressures_of(&readings).len(), 2);
    }

    #[test]
    fn a_band_names_its_people() {
        let adult = PersonAge::UNKNOWN;
        let band = band_of(Lang::Zh, VitalKind::BloodPressure, &adult).unwrap();
        assert!(
            band.low >= 80.0 && band.high <= 140.0 && band.label.contains("正常"),
            "{band:?}"
        );
        assert!(band_of(Lang::Zh, VitalKind::Weight, &adult).is_none());
    }
}

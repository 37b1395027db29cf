//! The course of a person's readings: one chart a kind, in a range of days.

use maud::{Markup, html};
use records::patients::Chart;
use records::time::Date;
use records::vitals::{Observation, PersonAge, VitalKind};

use crate::charts::{PressureChart, Range, TrendChart, pressure_chart, trend_chart};
use crate::texts::Lang;
use crate::vitals::{band_of, kind_name, points_of, pressures_of, unit_of};

/// Charts on a person's page; the course of every kind has a page of its own.
const CHARTS: usize = 2;

/// The charts of a range: blood pressure, and the next kind that has at least two readings in it.
pub fn courses(
    lang: Lang,
    chart: &Chart,
    readings: &[Observation],
    range: Range,
    today: Date,
) -> Vec<Markup> {
    let first = readings.iter().map(|reading| reading.taken.at.china_date()).min();
    let days = range.days(first, today);
    let inside = |reading: &&Observation| (days.0..=days.1).contains(&reading.taken.at.china_date());
    let mut drawn = Vec::new();
    for kind in VitalKind::ALL {
        let count = readings
            .iter()
            .filter(inside)
            .filter(|reading| reading.measured.kind() == Some(kind))
            .count();
        if count > 1 || (kind == VitalKind::BloodPressure && !readings.is_empty()) {
            drawn.push(course(lang, chart, kind, readings, days, today));
        }
    }
    drawn.truncate(CHARTS);
    drawn
}

fn course(
    lang: Lang,
    chart: &Chart,
    kind: VitalKind,
    readings: &[Observation],
    days: (Date, Date),
    today: Date,
) -> Markup {
    let band = band_of(lang, kind, &PersonAge::on(chart.birth, chart.sex, today));
    let title = kind_name(lang, kind);
    match always(kind) {
        None => pressure_chart(
            lang,
            &PressureChart {
                readings: &pressures_of(readings),
                days,
                band,
            },
        ),
        Some(always) => {
            let points = points_of(lang, readings, kind);
            let unit = unit_of(lang, kind);
            trend_chart(
                lang,
                &TrendChart {
                    title: &title,
                    unit,
                    points: &points,
                    days,
                    band,
                    always,
                },
            )
        }
    }
}

/// The values that the chart of a kind always shows; none for blood pressure, which has a chart of its own.
fn always(kind: VitalKind) -> Option<(f64, f64)> {
    match kind {
        VitalKind::BloodPressure => None,
        VitalKind::Pulse => Some((40.0, 130.0)),
        VitalKind::Temperature => Some((35.0, 40.0)),
        VitalKind::SpO2 => Some((85.0, 100.0)),
        VitalKind::Respiration => Some((8.0, 30.0)),
        VitalKind::Height => Some((100.0, 190.0)),
        VitalKind::Weight => Some((40.0, 90.0)),
        VitalKind::Glucose => Some((3.0, 12.0)),
        VitalKind::Waist => Some((60.0, 110.0)),
    }
}

/// The course of one kind with the switch between ranges; `path` is the address of the person's page.
pub fn course_card(
    lang: Lang,
    chart: &Chart,
    path: &str,
    kind: VitalKind,
    readings: &[Observation],
    (range, today): (Range, Date),
) -> Markup {
    let first = readings.iter().map(|reading| reading.taken.at.china_date()).min();
    let ranges = [
        (Range::Week, lang.t("range-week")),
        (Range::Month, lang.t("range-month")),
        (Range::Year, lang.t("range-year")),
        (Range::All, lang.t("range-all")),
    ];
    html! {
        section.card {
            div.card-head {
                h2 { (lang.t("trends-title")) }
                nav.ranges aria-label=(lang.t("range-label")) {
                    @for (one, words) in &ranges {
                        a href={ (path) "/readings?kind=" (kind.word()) "&range=" (one.code()) } aria-current=[(*one == range).then_some("true")] { (words) }
                    }
                }
            }
            (course(lang, chart, kind, readings, range.days(first, today), today))
        }
    }
}

//! Charts as SVG made here, each with a table of the same values.
//!
//! Rules: points and thin straight lines, a gap stays a gap; blood pressure as one double T a reading, never
//! joined; time on x in proportion; y shows the whole normal band at least; one band at most, labelled with the
//! people it is for.

mod axis;

use maud::{Markup, html};
use records::time::{Date, WallTime};

use crate::moments;
use crate::texts::Lang;
use axis::{Axis, TimeAxis};

/// Width of a chart in its own units.
const WIDTH: f64 = 720.0;
/// Height of a chart in its own units.
const HEIGHT: f64 = 300.0;
/// Room for the labels of the y axis.
const LEFT: f64 = 48.0;
/// Room to the right, where a band's label ends.
const RIGHT: f64 = 12.0;
/// Room above the plot.
const TOP: f64 = 26.0;
/// Room for the labels of the x axis.
const BOTTOM: f64 = 30.0;
/// Readings that are drawn at most; a screen has no room for more. The latest are kept.
const POINTS_LIMIT: usize = 600;

/// The fixed ranges of time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Range {
    /// 7 days.
    Week,
    /// 30 days.
    Month,
    /// A year.
    #[default]
    Year,
    /// From the first reading on.
    All,
}

impl Range {
    /// Every range, shortest first.
    pub const ALL: [Self; 4] = [Self::Week, Self::Month, Self::Year, Self::All];

    /// The value in addresses.
    pub fn code(self) -> &'static str {
        match self {
            Self::Week => "7d",
            Self::Month => "30d",
            Self::Year => "1y",
            Self::All => "all",
        }
    }

    /// The range with this value; a year for any other.
    pub fn from_code(code: &str) -> Self {
        Self::ALL
            .into_iter()
            .find(|range| range.code() == code)
            .unwrap_or_default()
    }

    fn word(self, lang: Lang) -> String {
        match self {
            Self::Week => lang.t("range-week"),
            Self::Month => lang.t("range-month"),
            Self::Year => lang.t("range-year"),
            Self::All => lang.t("range-all"),
        }
    }

    /// First and last day, where the last is `today` and `first` the day of the earliest reading.
    pub fn days(self, first: Option<Date>, today: Date) -> (Date, Date) {
        let back =
            |days: i64| WallTime(WallTime::from_china(today.at(12, 0, 0, 0)).0 - days * DAY_MS).china_date();
        let from = match self {
            Self::Week => back(6),
            Self::Month => back(29),
            Self::Year => back(365),
            Self::All => first.unwrap_or(today).min(back(6)),
        };
        (from, today)
    }
}

const DAY_MS: i64 = 86_400_000;

/// The switch between ranges: links that end at `anchor`.
pub fn range_switch(lang: Lang, current: Range, path: &str, anchor: &str) -> Markup {
    html! {
        nav.ranges aria-label=(lang.t("range-label")) {
            @for range in Range::ALL {
                a href={ (path) "?range=" (range.code()) "#" (anchor) } aria-current=[(range == current).then_some("true")] {
                    (range.word(lang))
                }
            }
        }
    }
}

/// The normal range behind a chart.
#[derive(Debug, Clone, PartialEq)]
pub struct Band {
    /// Lowest normal value.
    pub low: f64,
    /// Highest normal value.
    pub high: f64,
    /// Its label, with the people it is for.
    pub label: String,
}

/// One blood pressure.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Pressure {
    /// When.
    pub at: WallTime,
    /// Upper value in mmHg.
    pub systolic: i64,
    /// Lower value in mmHg.
    pub diastolic: i64,
}

/// Pressures over time.
#[derive(Debug, Clone)]
pub struct PressureChart<'a> {
    /// Readings, any order.
    pub readings: &'a [Pressure],
    /// First and last day.
    pub days: (Date, Date),
    /// Normal range of the upper value.
    pub band: Option<Band>,
}

/// Draws blood pressures: one bar a reading, capped at both values.
pub fn pressure_chart(lang: Lang, chart: &PressureChart<'_>) -> Markup {
    let time = TimeAxis::new(chart.days);
    let mut shown: Vec<Pressure> = chart
        .readings
        .iter()
        .copied()
        .filter(|r| time.holds(r.at))
        .collect();
    shown.sort_by_key(|reading| reading.at);
    let shown = &shown[shown.len().saturating_sub(POINTS_LIMIT)..];
    let ends = shown
        .iter()
        .flat_map(|reading| [reading.systolic as f64, reading.diastolic as f64]);
    let y = Axis::new((50.0, 190.0), ends, HEIGHT - BOTTOM, TOP);
    let half = if shown.len() > 60 { 3.0 } else { 6.0 };
    let label = lang.t_n("chart-pressure-alt", shown.len());
    let plot = html! {
        (band(&y, chart.band.as_ref()))
        (grid(lang, &y, &time, "mmHg"))
        @if y.holds(90.0) {
            line.chart-limit x1=(LEFT) x2=(WIDTH - RIGHT) y1=(y.at(90.0)) y2=(y.at(90.0)) {}
        }
        @for reading in shown {
            @let x = time.at(reading.at);
            @let (high, low) = (y.at(reading.systolic as f64), y.at(reading.diastolic as f64));
            path.chart-pressure d=(format!("M{0:.1} {2:.1}H{1:.1}M{3:.1} {2:.1}V{4:.1}M{0:.1} {4:.1}H{1:.1}", x - half, x + half, high, x, low)) {
                title { (moments::day_and_clock(lang, reading.at, chart.days.1)) " " (reading.systolic) "/" (reading.diastolic) " mmHg" }
            }
        }
    };
    let legend = html! {
        (band_legend(chart.band.as_ref()))
        span { i.swatch.swatch-limit {} (lang.t("chart-diastolic-limit")) }
    };
    let rows = shown.iter().rev().map(|reading| {
        (
            moments::day_and_clock(lang, reading.at, chart.days.1),
            format!("{}/{}", reading.systolic, reading.diastolic),
        )
    });
    let rows: Vec<_> = rows.collect();
    let drawn = Drawn {
        title: &lang.t("vital-bp"),
        label: &label,
        unit: "mmHg",
        plot: &plot,
        legend: &legend,
        y: &y,
        rows: &rows,
    };
    figure(lang, &drawn)
}

/// One value over time.
#[derive(Debug, Clone)]
pub struct TrendPoint {
    /// When.
    pub at: WallTime,
    /// How high it is drawn; `None` where a measurement was tried and gave no value: the line breaks there.
    pub value: Option<f64>,
    /// The value as it was measured, without its unit, or the reason for its absence.
    pub text: String,
}

/// One kind of value over time.
#[derive(Debug, Clone)]
pub struct TrendChart<'a> {
    /// What it is.
    pub title: &'a str,
    /// Its unit.
    pub unit: &'a str,
    /// Points, any order.
    pub points: &'a [TrendPoint],
    /// First and last day.
    pub days: (Date, Date),
    /// Normal range.
    pub band: Option<Band>,
    /// Lowest and highest value that is always in sight.
    pub always: (f64, f64),
}

/// Draws one kind of value: points joined by thin lines.
pub fn trend_chart(lang: Lang, chart: &TrendChart<'_>) -> Markup {
    let time = TimeAxis::new(chart.days);
    let mut shown: Vec<&TrendPoint> = chart.points.iter().filter(|point| time.holds(point.at)).collect();
    shown.sort_by_key(|point| point.at);
    let shown = &shown[shown.len().saturating_sub(POINTS_LIMIT)..];
    let y = Axis::new(
        chart.always,
        shown.iter().filter_map(|point| point.value),
        HEIGHT - BOTTOM,
        TOP,
    );
    let label = lang.t_with(
        "chart-trend-alt",
        &[("what", chart.title), ("n", &shown.len().to_string())],
    );
    let plot = html! {
        (band(&y, chart.band.as_ref()))
        (grid(lang, &y, &time, chart.unit))
        path.chart-line d=(line_of(shown, &time, &y)) {}
        @for point in shown {
            @if let Some(value) = point.value {
                circle.chart-point cx=(format!("{:.1}", time.at(point.at))) cy=(format!("{:.1}", y.at(value))) r="4.5" {
                    title { (moments::day_and_clock(lang, point.at, chart.days.1)) " " (point.text) " " (chart.unit) }
                }
            }
        }
    };
    let legend = band_legend(chart.band.as_ref());
    let rows: Vec<_> = shown
        .iter()
        .rev()
        .map(|point| {
            (
                moments::day_and_clock(lang, point.at, chart.days.1),
                point.text.clone(),
            )
        })
        .collect();
    let drawn = Drawn {
        title: chart.title,
        label: &label,
        unit: chart.unit,
        plot: &plot,
        legend: &legend,
        y: &y,
        rows: &rows,
    };
    figure(lang, &drawn)
}

fn line_of(points: &[&TrendPoint], time: &TimeAxis, y: &Axis) -> String {
    let mut path = String::new();
    let mut open = false;
    for point in points {
        match point.value {
            Some(value) => {
                path.push_str(&format!(
                    "{}{:.1} {:.1}",
                    if open { 'L' } else { 'M' },
                    time.at(point.at),
                    y.at(value)
                ));
                open = true;
            }
            None => open = false,
        }
    }
    path
}

fn band(y: &Axis, band: Option<&Band>) -> Markup {
    html! {
        @if let Some(band) = band {
            @let (top, bottom) = (y.at(band.high), y.at(band.low));
            rect.chart-band x=(LEFT) y=(format!("{top:.1}")) width=(WIDTH - LEFT - RIGHT) height=(format!("{:.1}", bottom - top)) {}
        }
    }
}

/// The band's label stands above the plot, where no reading covers it.
fn band_legend(band: Option<&Band>) -> Markup {
    html! { @if let Some(band) = band { span { i.swatch.swatch-band {} (band.label) } } }
}

fn grid(lang: Lang, y: &Axis, time: &TimeAxis, unit: &str) -> Markup {
    html! {
        @for value in y.ticks() {
            line.chart-grid x1=(LEFT) x2=(WIDTH - RIGHT) y1=(format!("{:.1}", y.at(value))) y2=(format!("{:.1}", y.at(value))) {}
            text.chart-tick x=(LEFT - 6.0) y=(format!("{:.1}", y.at(value) + 5.0)) text-anchor="end" { (y.text(value)) }
        }
        @for date in time.ticks() {
            @let x = format!("{:.1}", time.at(WallTime::from_china(date.at(0, 0, 0, 0))));
            line.chart-grid x1=(x) x2=(x) y1=(TOP) y2=(HEIGHT - BOTTOM) {}
            text.chart-tick x=(x) y=(HEIGHT - 9.0) text-anchor="middle" { (time.text(lang, date)) }
        }
        line.chart-axis x1=(LEFT) x2=(WIDTH - RIGHT) y1=(HEIGHT - BOTTOM) y2=(HEIGHT - BOTTOM) {}
        text.chart-tick x="4" y="15" { (unit) }
    }
}

struct Drawn<'a> {
    title: &'a str,
    label: &'a str,
    unit: &'a str,
    plot: &'a Markup,
    legend: &'a Markup,
    y: &'a Axis,
    rows: &'a [(String, String)],
}

fn figure(lang: Lang, drawn: &Drawn<'_>) -> Markup {
    html! {
        figure.chart {
            h3 { (drawn.title) }
            @if drawn.rows.is_empty() {
                p.empty { (lang.t("chart-empty")) }
            } @else {
                p.chart-legend { (drawn.legend) }
                svg viewBox=(format!("0 0 {WIDTH} {HEIGHT}")) width=(WIDTH) height=(HEIGHT) role="img" aria-label=(drawn.label) { (drawn.plot) }
                @if let Some((low, high)) = drawn.y.widened() {
                    p.hint { (lang.t_with("chart-widened", &[("low", &drawn.y.text(low)), ("high", &drawn.y.text(high)), ("unit", drawn.unit)])) }
                }
                details.chart-values {
                    summary { (lang.t("chart-as-table")) }
                    table.table {
                        thead { tr { th scope="col" { (lang.t("column-time")) } th scope="col" { (lang.t("column-value")) } } }
                        tbody { @for (at, value) in drawn.rows { tr { td { (at) } td.num { (value) span.unit { (drawn.unit) } } } } }
                    }
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn today() -> Date {
        "2026-03-10".parse().unwrap()
    }

    fn at(day: &str) -> WallTime {
        WallTime::from_china(day.parse::<Date>().unwrap().at(8, 0, 0, 0))
    }

    #[test]
    fn pressures_are_capped_bars_that_nothing_joins() {
        let readings = [
            Pressure {
                at: at("2026-03-01"),
                systolic: 152,
                diastolic: 94,
            },
            Pressure {
                at: at("2026-03-08"),
                systolic: 138,
                diastolic: 86,
            },
            Pressure {
                at: at("2024-03-08"),
                systolic: 120,
                diastolic: 80,
            },
        ];
        let days = Range::Month.days(None, today());
        let chart = PressureChart {
            readings: &readings,
            days,
            band: None,
        };
        let drawn = pressure_chart(Lang::Zh, &chart).into_string();
        assert_eq!(drawn.matches("chart-pressure\"").count(), 2, "{drawn}");
        assert!(drawn.contains("152/94") && !drawn.contains("120/80"));
        assert!(!drawn.contains("chart-line"));
    }

    #[test]
    fn a_missing_value_breaks_the_line_and_stands_in_the_table() {
        let point = |day, value: Option<f64>, text: &str| TrendPoint {
            at: at(day),
            value,
            text: text.into(),
        };
        let points = [
            point("2026-03-01", Some(36.5), "36.5"),
            point("2026-03-02", None, "探头脱落"),
            point("2026-03-03", Some(37.0), "37.0"),
        ];
        let days = Range::Month.days(None, today());
        let chart = TrendChart {
            title: "体温",
            unit: "℃",
            points: &points,
            days,
            band: None,
            always: (35.0, 40.0),
        };
        let drawn = trend_chart(Lang::Zh, &chart).into_string();
        let line = drawn
            .split("chart-line\" d=\"")
            .nth(1)
            .unwrap()
            .split('"')
            .next()
            .unwrap();
        assert_eq!((line.matches('M').count(), line.matches('L').count()), (2, 0));
        assert!(drawn.contains("探头脱落") && drawn.contains("36.5"));
    }

    #[test]
    fn the_whole_band_is_in_sight_and_widening_is_said() {
        let band = Band {
            low: 90.0,
            high: 139.0,
            label: "成人".into(),
        };
        let far = [Pressure {
            at: at("2026-03-09"),
            systolic: 230,
            diastolic: 130,
        }];
        let days = Range::Week.days(None, today());
        let chart = PressureChart {
            readings: &far,
            days,
            band: Some(band),
        };
        let drawn = pressure_chart(Lang::Zh, &chart).into_string();
        assert!(drawn.contains("chart-band") && drawn.contains("成人"));
        assert!(drawn.contains("纵轴"), "{drawn}");
    }

    #[test]
    fn ranges_end_today() {
        assert_eq!(Range::Week.days(None, today()).0.to_string(), "2026-03-04");
        let first = Some("2016-01-01".parse().unwrap());
        assert_eq!(Range::All.days(first, today()).0.to_string(), "2016-01-01");
        assert_eq!(Range::from_code("nonsense"), Range::Year);
    }
}

//! Axes: from values and times to places, and the ticks beside them.

use records::time::{Date, WallTime};

use super::{DAY_MS, LEFT, RIGHT, WIDTH};
use crate::moments;
use crate::texts::Lang;

/// A vertical axis.
pub(super) struct Axis {
    low: f64,
    high: f64,
    step: f64,
    bottom: f64,
    top: f64,
    widened: bool,
}

impl Axis {
    /// An axis that shows `always`, and more where a value lies outside.
    pub(super) fn new(always: (f64, f64), values: impl Iterator<Item = f64>, bottom: f64, top: f64) -> Self {
        let (mut low, mut high) = always;
        for value in values.filter(|value| value.is_finite()) {
            low = low.min(value);
            high = high.max(value);
        }
        let step = step_for(high - low);
        let widened = low < always.0 || high > always.1;
        let (low, high) = ((low / step).floor() * step, (high / step).ceil() * step);
        Self {
            low,
            high,
            step,
            bottom,
            top,
            widened,
        }
    }

    /// The place of a value.
    pub(super) fn at(&self, value: f64) -> f64 {
        let share = (value - self.low) / (self.high - self.low);
        self.bottom - share.clamp(0.0, 1.0) * (self.bottom - self.top)
    }

    /// Whether a value is in sight.
    pub(super) fn holds(&self, value: f64) -> bool {
        (self.low..=self.high).contains(&value)
    }

    /// The values beside the axis.
    pub(super) fn ticks(&self) -> impl Iterator<Item = f64> + '_ {
        // Steps are counted, not added: sums of 0.2 drift.
        let count = ((self.high - self.low) / self.step).round() as usize;
        (0..=count).map(|n| self.low + self.step * n as f64)
    }

    /// A value with as many decimals as the steps have.
    pub(super) fn text(&self, value: f64) -> String {
        let decimals = usize::from(self.step < 1.0);
        format!("{value:.decimals$}")
    }

    /// The range, where it is wider than usual.
    pub(super) fn widened(&self) -> Option<(f64, f64)> {
        self.widened.then_some((self.low, self.high))
    }
}

/// A step of 1, 2 or 5 times a power of ten that gives five to eight lines.
fn step_for(span: f64) -> f64 {
    let rough = (span / 6.0).max(0.1);
    let power = 10_f64.powf(rough.log10().floor());
    let lead = rough / power;
    power
        * if lead <= 1.0 {
            1.0
        } else if lead <= 2.0 {
            2.0
        } else if lead <= 5.0 {
            5.0
        } else {
            10.0
        }
}

/// The axis of time, in proportion.
pub(super) struct TimeAxis {
    from: WallTime,
    to: WallTime,
    days: (Date, Date),
}

impl TimeAxis {
    /// From the beginning of the first day to the end of the last.
    pub(super) fn new(days: (Date, Date)) -> Self {
        let from = WallTime::from_china(days.0.at(0, 0, 0, 0));
        let to = WallTime(WallTime::from_china(days.1.at(0, 0, 0, 0)).0 + DAY_MS);
        Self { from, to, days }
    }

    /// Whether a time is in sight.
    pub(super) fn holds(&self, at: WallTime) -> bool {
        (self.from..=self.to).contains(&at)
    }

    /// The place of a time.
    pub(super) fn at(&self, at: WallTime) -> f64 {
        let share = (at.0 - self.from.0) as f64 / (self.to.0 - self.from.0).max(1) as f64;
        LEFT + 8.0 + share * (WIDTH - LEFT - RIGHT - 16.0)
    }

    /// Days (or months, or years) below the axis: four to eight of them.
    pub(super) fn ticks(&self) -> Vec<Date> {
        let span = moments::days_between(self.days.0, self.days.1);
        match span {
            ..=10 => self.every_days(1),
            11..=60 => self.every_days(7),
            61..=800 => self.every_months(if span > 400 { 4 } else { 2 }),
            _ => self.every_months(i16::try_from((span / 365 / 6 + 1) * 12).unwrap_or(120)),
        }
    }

    fn every_days(&self, step: i64) -> Vec<Date> {
        let noon = WallTime::from_china(self.days.1.at(12, 0, 0, 0)).0;
        let back = (0..).map(|n| WallTime(noon - n * step * DAY_MS).china_date());
        back.take_while(|date| *date >= self.days.0).collect()
    }

    fn every_months(&self, step: i16) -> Vec<Date> {
        let month_of = |date: Date| date.year() * 12 + i16::from(date.month()) - 1;
        let first = month_of(self.days.0) + 1;
        let first = first + (step - first.rem_euclid(step)) % step;
        let months = (first..=month_of(self.days.1)).step_by(usize::from(step.unsigned_abs().max(1)));
        months
            .filter_map(|month| Date::new(month / 12, i8::try_from(month % 12 + 1).unwrap_or(1), 1).ok())
            .collect()
    }

    /// A tick's words: the year where years pass, else month and day.
    pub(super) fn text(&self, lang: Lang, date: Date) -> String {
        let span = moments::days_between(self.days.0, self.days.1);
        if span > 800 {
            date.year().to_string()
        } else if span > 60 {
            format!("{}-{:02}", date.year(), date.month())
        } else {
            let numbers = [("month", i64::from(date.month())), ("day", i64::from(date.day()))];
            lang.t_mixed("tick-day", &numbers, &[])
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn steps_are_round_numbers() {
        assert_eq!(step_for(140.0), 50.0);
        assert_eq!(step_for(100.0), 20.0);
        assert_eq!(step_for(5.0), 1.0);
        assert!(step_for(0.0) > 0.0);
        let axis = Axis::new((35.0, 40.0), [f64::NAN, 36.4].into_iter(), 100.0, 0.0);
        assert_eq!(axis.ticks().count(), 6);
        assert_eq!(axis.at(35.0), 100.0);
    }

    #[test]
    fn every_range_has_a_few_ticks_inside_it() {
        for (from, most) in [
            ("2026-03-04", 8),
            ("2026-02-09", 6),
            ("2025-03-10", 8),
            ("2016-01-01", 12),
            ("1926-01-01", 12),
        ] {
            let days: (Date, Date) = (from.parse().unwrap(), "2026-03-10".parse().unwrap());
            let ticks = TimeAxis::new(days).ticks();
            assert!((3..=most).contains(&ticks.len()), "{from}: {ticks:?}");
            assert!(ticks.iter().all(|date| (days.0..=days.1).contains(date)));
        }
    }
}

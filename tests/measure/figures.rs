//! A measured figure, and how figures are printed.

use std::time::Duration;

use serde_json::{Value, json};

/// What a figure is counted in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Unit {
    /// Milliseconds: judged only where the machine and the build are meant for it.
    Milliseconds,
    /// Seconds, likewise.
    Seconds,
    /// Things in a second, likewise.
    PerSecond,
    /// Things in a minute, likewise.
    PerMinute,
    /// How many times the baseline, likewise.
    Times,
    /// Mebibytes.
    Mebibytes,
    /// Kilobytes, of 1,000 bytes: as tariffs and page weights count.
    Kilobytes,
    /// Things.
    Count,
}

impl Unit {
    fn word(self) -> &'static str {
        match self {
            Self::Milliseconds => "ms",
            Self::Seconds => "s",
            Self::PerSecond => "/s",
            Self::PerMinute => "/min",
            Self::Times => "x",
            Self::Mebibytes => "MiB",
            Self::Kilobytes => "kB",
            Self::Count => "",
        }
    }

    fn is_time(self) -> bool {
        match self {
            Self::Milliseconds | Self::Seconds | Self::PerSecond | Self::PerMinute | Self::Times => true,
            Self::Mebibytes | Self::Kilobytes | Self::Count => false,
        }
    }
}

/// A measured figure.
#[derive(Debug, Clone)]
pub(crate) struct Figure {
    /// What was measured, with its size.
    pub(crate) what: String,
    /// The figure.
    pub(crate) measured: f64,
    /// The unit of figure, baseline and target.
    pub(crate) unit: Unit,
    /// What it is compared with, measured in the same run, and its figure.
    pub(crate) baseline: Option<(&'static str, f64)>,
    /// What was promised.
    pub(crate) target: Option<f64>,
    /// Whether the promise is to reach the target, instead of staying within it.
    pub(crate) at_least: bool,
    /// Whether the promise holds; `None` where nothing was promised or it is not judged.
    pub(crate) holds: Option<bool>,
}

impl Figure {
    /// A figure that is only told.
    pub(crate) fn told(what: impl Into<String>, measured: f64, unit: Unit) -> Self {
        Self {
            what: what.into(),
            measured,
            unit,
            baseline: None,
            target: None,
            at_least: false,
            holds: None,
        }
    }

    /// A figure that this machine cannot give.
    pub(crate) fn absent(what: impl Into<String>, unit: Unit) -> Self {
        Self::told(what, f64::NAN, unit)
    }

    /// Promises that the figure is at most this.
    pub(crate) fn at_most(mut self, target: f64) -> Self {
        self.target = Some(target);
        self.holds = self.measured.is_finite().then_some(self.measured <= target);
        self
    }

    /// Promises that the figure is at least this.
    pub(crate) fn at_least(mut self, target: f64) -> Self {
        self.target = Some(target);
        self.at_least = true;
        self.holds = self.measured.is_finite().then_some(self.measured >= target);
        self
    }

    /// What the figure is compared with.
    pub(crate) fn against(mut self, what: &'static str, measured: f64) -> Self {
        self.baseline = Some((what, measured));
        self
    }

    /// Takes the judgement of a time away: a build for tests on a busy machine keeps no promise about time.
    pub(crate) fn judge_no_time(&mut self) {
        if self.unit.is_time() {
            self.holds = None;
        }
    }
}

/// Times of many equal things.
pub(crate) struct Times(Vec<Duration>);

impl Times {
    pub(crate) fn of(mut times: Vec<Duration>) -> Self {
        assert!(!times.is_empty(), "nothing was timed");
        times.sort();
        Self(times)
    }

    /// The time that so many percent stay within (nearest rank), in milliseconds.
    pub(crate) fn percentile(&self, percent: usize) -> f64 {
        let rank = (self.0.len() * percent).div_ceil(100).max(1);
        milliseconds(self.0[rank - 1])
    }

    pub(crate) fn sum(&self) -> Duration {
        self.0.iter().sum()
    }
}

pub(crate) fn milliseconds(time: Duration) -> f64 {
    time.as_secs_f64() * 1e3
}

pub(crate) fn mebibytes(bytes: u64) -> f64 {
    bytes as f64 / f64::from(1 << 20)
}

fn rounded(value: f64) -> f64 {
    let digits = if value.abs() >= 100.0 { 1.0 } else { 100.0 };
    (value * digits).round() / digits
}

/// All figures as one object.
pub(crate) fn object(figures: &[Figure]) -> Value {
    let rows: Vec<Value> = figures
        .iter()
        .map(|figure| {
            json!({
                "what": figure.what,
                "measured": rounded(figure.measured),
                "unit": figure.unit.word(),
                "baseline": figure.baseline.map(|(what, measured)| json!({ "what": what, "measured": rounded(measured) })),
                "target": figure.target,
                "at_least": figure.at_least,
                "holds": figure.holds,
            })
        })
        .collect();
    json!({ "figures": rows })
}

/// All figures as a table.
pub(crate) fn print(figures: &[Figure]) {
    let text = |value: f64, unit: Unit| {
        if value.is_nan() {
            return "not here".to_owned();
        }
        format!("{} {}", rounded(value), unit.word()).trim().to_owned()
    };
    println!(
        "{:<72} {:>12} {:>28} {:>12}  holds",
        "what", "measured", "baseline", "target"
    );
    for figure in figures {
        let baseline = figure.baseline.map_or_else(
            || "-".to_owned(),
            |(what, value)| format!("{what} {}", rounded(value)),
        );
        let target = figure.target.map_or_else(
            || "-".to_owned(),
            |target| {
                let sign = if figure.at_least { ">=" } else { "<=" };
                format!("{sign} {}", text(target, figure.unit))
            },
        );
        let holds = match figure.holds {
            Some(true) => "yes",
            Some(false) => "NO",
            None => "-",
        };
        println!(
            "{:<72} {:>12} {baseline:>28} {target:>12}  {holds}",
            figure.what,
            text(figure.measured, figure.unit),
        );
    }
}

//! Vital signs on screens: the last value large, the one before it small, each with unit, flag, age and origin.

use maud::{Markup, html};
use records::time::{Date, WallTime};

use crate::moments;
use crate::texts::Lang;

/// How a value stands to the ranges of its age group. Drawn as colour, arrows and a word, never colour alone.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mark {
    /// Within the normal range, or no range is known.
    Plain,
    /// Below normal.
    Low,
    /// Above normal.
    High,
    /// At or below the critical limit.
    CriticalLow,
    /// At or above the critical limit.
    CriticalHigh,
    /// Below what the instrument measures.
    BelowInstrument,
    /// Above what the instrument measures.
    AboveInstrument,
}

impl Mark {
    /// Every mark.
    pub const ALL: [Self; 7] = [
        Self::Plain,
        Self::Low,
        Self::High,
        Self::CriticalLow,
        Self::CriticalHigh,
        Self::BelowInstrument,
        Self::AboveInstrument,
    ];

    fn arrows(self) -> &'static str {
        match self {
            Self::Plain => "",
            Self::Low => "↓",
            Self::High => "↑",
            Self::CriticalLow => "↓↓",
            Self::CriticalHigh => "↑↑",
            Self::BelowInstrument => "↓↓↓",
            Self::AboveInstrument => "↑↑↑",
        }
    }

    fn word(self, lang: Lang) -> String {
        match self {
            Self::Plain => String::new(),
            Self::Low => lang.t("mark-low"),
            Self::High => lang.t("mark-high"),
            Self::CriticalLow => lang.t("mark-critical-low"),
            Self::CriticalHigh => lang.t("mark-critical-high"),
            Self::BelowInstrument => lang.t("mark-below-instrument"),
            Self::AboveInstrument => lang.t("mark-above-instrument"),
        }
    }

    fn class(self) -> &'static str {
        match self {
            Self::Plain => "flag",
            Self::Low | Self::High => "flag flag-off",
            Self::CriticalLow | Self::CriticalHigh => "flag flag-critical",
            Self::BelowInstrument | Self::AboveInstrument => "flag flag-beyond",
        }
    }

    /// Whether it opens a blocking panel.
    pub fn is_critical(self) -> bool {
        match self {
            Self::Plain | Self::Low | Self::High => false,
            Self::CriticalLow | Self::CriticalHigh | Self::BelowInstrument | Self::AboveInstrument => true,
        }
    }

    /// The flag beside a value; nothing for a plain one.
    pub fn flag(self, lang: Lang) -> Markup {
        html! { @if self != Self::Plain { span class=(self.class()) { span aria-hidden="true" { (self.arrows()) } (self.word(lang)) } } }
    }
}

/// One measurement in words.
#[derive(Debug, Clone)]
pub struct ReadingView {
    /// The value as it was measured (`138/86`, `36.5`), or the reason why there is none.
    pub value: String,
    /// Its unit; empty where there is no value.
    pub unit: &'static str,
    /// How it stands.
    pub mark: Mark,
    /// What else was measured with it: the pulse of a blood pressure.
    pub beside: Option<String>,
    /// When.
    pub at: WallTime,
    /// Whether its clock is not to be trusted.
    pub clock_doubtful: bool,
    /// Where it came from, in words.
    pub origin: String,
    /// Who withdrew it and why.
    pub withdrawn: Option<String>,
    /// Where it can be marked as taken in error.
    pub withdraw: Option<String>,
}

/// One kind of measurement.
#[derive(Debug, Clone)]
pub struct VitalView {
    /// Its name.
    pub title: String,
    /// The last one.
    pub latest: ReadingView,
    /// The one before.
    pub before: Option<ReadingView>,
    /// Where its course is shown.
    pub href: Option<String>,
}

/// Draws the last values, one tile a kind.
pub fn tiles(lang: Lang, vitals: &[VitalView], today: Date) -> Markup {
    html! {
        @if vitals.is_empty() { p.empty { (lang.t("vitals-none")) } }
        ul.vitals {
            @for vital in vitals {
                @let mark = vital.latest.mark;
                li.vital.vital-critical[mark.is_critical()].vital-off[matches!(mark, Mark::Low | Mark::High)] {
                    h3 { @match &vital.href { Some(href) => a href=(href) { (vital.title) }, None => (vital.title) } }
                    p.value.num { (vital.latest.value) @if !vital.latest.unit.is_empty() { span.unit { (vital.latest.unit) } } }
                    (mark.flag(lang))
                    @if let Some(beside) = &vital.latest.beside { p.small { (beside) } }
                    p.origin { (told(lang, &vital.latest, today)) }
                    @if let Some(before) = &vital.before {
                        p.before { (lang.t("vitals-before")) " " span.num { (before.value) } " " (before.mark.flag(lang)) " " (when(lang, before, today)) }
                    }
                }
            }
        }
    }
}

/// When it was, and how old it is where it is not of today.
fn when(lang: Lang, reading: &ReadingView, today: Date) -> String {
    let date = reading.at.china_date();
    let at = moments::day_and_clock(lang, reading.at, today);
    match moments::age(lang, date, today) {
        Some(age) if moments::days_between(date, today) > 1 => format!("{at}({age})"),
        Some(_) | None => at,
    }
}

fn told(lang: Lang, reading: &ReadingView, today: Date) -> Markup {
    html! {
        (when(lang, reading, today)) " · " (reading.origin)
        @if reading.clock_doubtful { " · " span.tag.tag-warn { (lang.t("clock-doubtful")) } }
    }
}

/// A line of the table of readings.
#[derive(Debug, Clone)]
pub struct ReadingLine {
    /// Kind of measurement.
    pub title: String,
    /// The measurement.
    pub reading: ReadingView,
}

/// Draws readings as a table, newest first as given. Withdrawn ones stay, struck through, with their reason.
pub fn table(lang: Lang, lines: &[ReadingLine], today: Date) -> Markup {
    let acts = lines.iter().any(|line| line.reading.withdraw.is_some());
    html! {
        @if lines.is_empty() { p.empty { (lang.t("vitals-none")) } } @else {
            div.scroll {
                table.table {
                    thead { tr {
                        th scope="col" { (lang.t("column-what")) }
                        th scope="col" { (lang.t("column-value")) }
                        th scope="col" { (lang.t("column-time")) }
                        th scope="col" { (lang.t("column-origin")) }
                        @if acts { th scope="col" { span.only-read { (lang.t("column-act")) } } }
                    } }
                    tbody { @for line in lines { (row(lang, line, today, acts)) } }
                }
            }
        }
    }
}

fn row(lang: Lang, line: &ReadingLine, today: Date, acts: bool) -> Markup {
    let reading = &line.reading;
    html! {
        tr {
            td { (line.title) }
            td {
                span.num.withdrawn[reading.withdrawn.is_some()] { strong { (reading.value) } @if !reading.unit.is_empty() { span.unit { (reading.unit) } } }
                " " (reading.mark.flag(lang))
                @if let Some(beside) = &reading.beside { " " span.small { (beside) } }
                @if let Some(withdrawn) = &reading.withdrawn { p.small { (lang.t("withdrawn")) " · " (withdrawn) } }
            }
            td { (when(lang, reading, today)) @if reading.clock_doubtful { " " span.tag.tag-warn { (lang.t("clock-doubtful")) } } }
            td { (reading.origin) }
            @if acts {
                td { @if let Some(href) = reading.withdraw.as_ref().filter(|_| reading.withdrawn.is_none()) { a.button href=(href) { (lang.t("withdraw")) } } }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_flag_is_arrows_and_a_word_that_no_other_has() {
        let drawn: std::collections::BTreeSet<String> =
            Mark::ALL.iter().map(|mark| mark.flag(Lang::Zh).into_string()).collect();
        assert_eq!(drawn.len(), Mark::ALL.len());
        assert!(Mark::CriticalHigh.flag(Lang::Zh).into_string().contains("↑↑"));
        assert!(Mark::Plain.flag(Lang::Zh).into_string().is_empty());
    }

    #[test]
    fn a_withdrawn_reading_stays_readable_with_its_reason() {
        let reading = ReadingView {
            value: "230/130".into(),
            unit: "mmHg",
            mark: Mark::CriticalHigh,
            beside: None,
            at: WallTime(1_773_100_000_000),
            clock_doubtful: false,
            origin: "设备".into(),
            withdrawn: Some("李医生:袖带松脱".into()),
            withdraw: Some("/x".into()),
        };
        let drawn = table(Lang::Zh, &[ReadingLine { title: "血压".into(), reading }], "2026-03-10".parse().unwrap());
        let drawn = drawn.into_string();
        assert!(drawn.contains("230/130") && drawn.contains("袖带松脱") && drawn.contains("withdrawn"));
        assert!(!drawn.contains("href=\"/x\""));
    }
}

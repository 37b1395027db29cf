//! Vital signs on screens: the last value large, the one before it small, each with unit, flag, age and origin.

mod read;

pub use read::{
    band_of, kind_name, missing_word, origin_words, points_of, pressures_of, reading_of, unit_of, unit_words,
    value_words, vitals_of,
};

use maud::{Markup, html};
use records::time::{Date, WallTime};
use records::vitals::Flag;

use crate::moments;
use crate::texts::Lang;

/// The flag beside a value: colour, arrows and a word, never colour alone; nothing where the value is normal.
pub fn flag(lang: Lang, flag: Flag) -> Markup {
    let class = match flag {
        Flag::Normal => return html! {},
        Flag::Low | Flag::High => "flag flag-off",
        Flag::CriticalLow | Flag::CriticalHigh => "flag flag-critical",
        Flag::BeyondLow | Flag::BeyondHigh => "flag flag-beyond",
    };
    html! { span class=(class) { span aria-hidden="true" { (arrows(flag)) } (flag_word(lang, flag)) } }
}

fn arrows(flag: Flag) -> &'static str {
    match flag {
        Flag::Normal => "",
        Flag::Low => "↓",
        Flag::High => "↑",
        Flag::CriticalLow => "↓↓",
        Flag::CriticalHigh => "↑↑",
        Flag::BeyondLow => "↓↓↓",
        Flag::BeyondHigh => "↑↑↑",
    }
}

/// The word of a flag.
pub fn flag_word(lang: Lang, flag: Flag) -> String {
    match flag {
        Flag::Normal => lang.t("flag-normal"),
        Flag::Low => lang.t("flag-low"),
        Flag::High => lang.t("flag-high"),
        Flag::CriticalLow => lang.t("flag-critical-low"),
        Flag::CriticalHigh => lang.t("flag-critical-high"),
        Flag::BeyondLow => lang.t("flag-beyond-low"),
        Flag::BeyondHigh => lang.t("flag-beyond-high"),
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
    pub flag: Flag,
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
                @let state = vital.latest.flag;
                li.vital.vital-critical[state.is_critical()].vital-off[matches!(state, Flag::Low | Flag::High)] {
                    h3 { @match &vital.href { Some(href) => a href=(href) { (vital.title) }, None => (vital.title) } }
                    p.value.num { (vital.latest.value) @if !vital.latest.unit.is_empty() { span.unit { (vital.latest.unit) } } }
                    (flag(lang, state))
                    @if let Some(beside) = &vital.latest.beside { p.small { (beside) } }
                    p.origin { (told(lang, &vital.latest, today)) }
                    @if let Some(before) = &vital.before {
                        p.before { (lang.t("vitals-before")) " " span.num { (before.value) } " " (flag(lang, before.flag)) " " (day_only(lang, before, today)) }
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
        Some(age) if moments::days_between(date, today) > 1 => {
            lang.t_with("when-with-age", &[("when", &at), ("age", &age)])
        }
        Some(_) | None => at,
    }
}

/// The day alone, with its age: what stands beside another value has little room.
fn day_only(lang: Lang, reading: &ReadingView, today: Date) -> String {
    let date = reading.at.china_date();
    match moments::age(lang, date, today) {
        Some(age) => lang.t_with(
            "when-with-age",
            &[("when", &moments::short_day(lang, date, today)), ("age", &age)],
        ),
        None => moments::day_and_clock(lang, reading.at, today),
    }
}

fn told(lang: Lang, reading: &ReadingView, today: Date) -> Markup {
    html! {
        @if moments::days_between(reading.at.china_date(), today) > 1 { (day_only(lang, reading, today)) } @else { (when(lang, reading, today)) }
        " · " (reading.origin)
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
                " " (flag(lang, reading.flag))
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
        let all = [
            Flag::Normal,
            Flag::Low,
            Flag::High,
            Flag::CriticalLow,
            Flag::CriticalHigh,
            Flag::BeyondLow,
            Flag::BeyondHigh,
        ];
        let drawn: std::collections::BTreeSet<String> =
            all.iter().map(|one| flag(Lang::Zh, *one).into_string()).collect();
        assert_eq!(drawn.len(), all.len());
        assert!(flag(Lang::Zh, Flag::CriticalHigh).into_string().contains("↑↑"));
        assert!(flag(Lang::Zh, Flag::Normal).into_string().is_empty());
    }

    #[test]
    fn a_withdrawn_reading_stays_readable_with_its_reason() {
        let reading = ReadingView {
            value: "230/130".into(),
            unit: "mmHg",
            flag: Flag::CriticalHigh,
            beside: None,
            at: WallTime(1_773_100_000_000),
            clock_doubtful: false,
            origin: "设备".into(),
            withdrawn: Some("李医生：袖带松脱".into()),
            withdraw: Some("/x".into()),
        };
        let drawn = table(
            Lang::Zh,
            &[ReadingLine {
                title: "血压".into(),
                reading,
            }],
            "2026-03-10".parse().unwrap(),
        );
        let drawn = drawn.into_string();
        assert!(drawn.contains("230/130") && drawn.contains("袖带松脱") && drawn.contains("withdrawn"));
        assert!(!drawn.contains("href=\"/x\""));
    }
}

//! Finding people, lists of them, and the page of one.

use maud::{Markup, html};
use records::time::{BirthDate, Date, WallTime};

use crate::charts::{self, Range};
use crate::icons::Icon;
use crate::moments;
use crate::texts::Lang;
use crate::visits::{self, VisitRow};
use crate::vitals::{self, ReadingLine, VitalView};

/// One person in a list: enough to tell namesakes apart.
#[derive(Debug, Clone)]
pub struct PatientRow {
    /// The person's page.
    pub href: String,
    /// Name as it is written.
    pub name: String,
    /// Word for the sex; empty where unknown.
    pub sex: String,
    /// Date of birth.
    pub birth: Option<BirthDate>,
    /// Village and group.
    pub village_group: String,
    /// Last four signs of the ID number.
    pub id_tail: Option<String>,
    /// Last four digits of the telephone.
    pub phone_tail: Option<String>,
    /// Whether allergies are known; `None` where the reader sees no clinical facts.
    pub allergic: Option<bool>,
    /// Whether the person has died.
    pub died: bool,
    /// Last visit.
    pub last_visit: Option<WallTime>,
    /// Whether two records of the person differ.
    pub clash: bool,
    /// Whether the person stands on today's list.
    pub today: bool,
}

/// The search field of people. Works as a plain form; the script adds searching while typing, and where `scan` is
/// set, scanners that type anywhere on the page. `action` answers a request of htmx with [`hits`] only.
pub fn search_box(lang: Lang, action: &str, query: &str, scan: bool, focus: bool) -> Markup {
    html! {
        search-box hits="#hits" scan[scan] {
            form.search method="get" action=(action) role="search" hx-get=(action) hx-trigger="find" hx-target="#hits" hx-sync="this:replace" {
                label.only-read for="q" { (lang.t("search-label")) }
                input #q name="q" type="text" inputmode="search" enterkeyhint="search" value=(query) placeholder=(lang.t("search-hint"))
                    maxlength="64" autocomplete="off" autocapitalize="off" spellcheck="false" autofocus[focus];
                button.button.button-main type="submit" { (Icon::Search.svg()) (lang.t("search-go")) }
            }
        }
    }
}

/// The answer to a search: names the query that it answers, so that an older answer opens nothing.
pub fn hits(lang: Lang, query: &str, rows: &[PatientRow], more: bool, today: Date) -> Markup {
    html! {
        div data-query=(query) {
            p.only-read role="status" { (lang.t_n("search-found", rows.len())) }
            @if rows.is_empty() {
                p.empty { @if query.trim().is_empty() { (lang.t("patients-none")) } @else { (lang.t_with("search-nobody", &[("query", query)])) } }
            } @else {
                (lines(lang, rows, today))
                @if more { p.hint { (lang.t("search-more")) } }
            }
        }
    }
}

/// The place of the hits on a page.
pub fn hits_place(content: &Markup) -> Markup {
    html! { div #hits { (content) } }
}

/// People, one line each.
pub fn lines(lang: Lang, rows: &[PatientRow], today: Date) -> Markup {
    html! { ul.lines { @for row in rows { li { (line(lang, row, today)) } } } }
}

fn line(lang: Lang, row: &PatientRow, today: Date) -> Markup {
    html! {
        a.line-row href=(row.href) data-hit="" {
            span.line-main {
                span.line-name { (row.name) }
                span { (person(lang, &row.sex, row.birth, today)) }
                span.line-sub { (row.village_group) }
                span.line-sub.num {
                    @if let Some(tail) = &row.id_tail { (lang.t("banner-id-tail")) " " (tail) }
                    @if let (None, Some(tail)) = (&row.id_tail, &row.phone_tail) { (lang.t("phone-tail")) " " (tail) }
                }
            }
            span.line-side {
                @if row.died { span.tag { (lang.t("banner-died")) } }
                @if row.clash { span.tag.tag-bad { "◆ " (lang.t("clash-short")) } }
                @if row.allergic == Some(true) { span.tag.tag-bad { "▲ " (lang.t("allergies-known")) } }
                @if row.today { span.tag.tag-note { (lang.t("on-todays-list")) } }
                @if let Some(at) = row.last_visit { span { (lang.t("last-visit")) " " (moments::day(lang, at.china_date(), today)) } }
            }
        }
    }
}

/// Sex and age in a line: `女 67岁`.
pub fn person(lang: Lang, sex: &str, birth: Option<BirthDate>, today: Date) -> String {
    let sex = if sex.is_empty() {
        lang.t("person-sex-unknown")
    } else {
        sex.to_owned()
    };
    match birth {
        Some(birth) => format!("{sex} {}", moments::person_age(lang, birth, today)),
        None => format!("{sex} {}", lang.t("person-age-unknown")),
    }
}

/// A drug on a person's list. Attributes wrap between, never within.
#[derive(Debug, Clone, Default)]
pub struct DrugLine {
    /// Generic name.
    pub generic: String,
    /// Brand.
    pub brand: String,
    /// Dose with its unit.
    pub dose: String,
    /// Route.
    pub route: String,
    /// Frequency.
    pub frequency: String,
    /// Where it can be stopped.
    pub stop: Option<String>,
}

/// An ECG in a list.
#[derive(Debug, Clone)]
pub struct EcgRow {
    /// Its page.
    pub href: String,
    /// When.
    pub at: WallTime,
    /// Heart rate per minute.
    pub heart_rate: Option<i64>,
    /// Whether it was withdrawn.
    pub withdrawn: bool,
}

/// A fact of long standing, in words, with what can be done about it.
#[derive(Debug, Clone)]
pub struct FactLine {
    /// The fact.
    pub words: String,
    /// Smaller words: since when, who says so.
    pub note: String,
    /// Whether it no longer holds (ended, refuted): shown struck through with its note.
    pub ended: bool,
    /// What can be done.
    pub action: Option<Markup>,
}

/// The page of one person. The banner stands above it.
#[derive(Debug, Clone)]
pub struct PatientPageView<'a> {
    /// Today.
    pub today: Date,
    /// Path of the page, for the switch between ranges.
    pub path: &'a str,
    /// What can be done for the person: buttons.
    pub actions: &'a Markup,
    /// Questions that need a person: clashes, doubles.
    pub questions: &'a [Markup],
    /// Last values.
    pub vitals: &'a [VitalView],
    /// The range of the charts.
    pub range: Range,
    /// Charts in that range.
    pub charts: &'a [Markup],
    /// Readings of the range as a table.
    pub readings: &'a [ReadingLine],
    /// Visits, newest first.
    pub visits: &'a [VisitRow],
    /// Where all visits are listed, if there are more.
    pub more_visits: Option<&'a str>,
    /// ECGs, newest first.
    pub ecgs: &'a [EcgRow],
    /// Allergies with their history.
    pub allergies: &'a [FactLine],
    /// Problems.
    pub problems: &'a [FactLine],
    /// Long-term medication.
    pub drugs: &'a [DrugLine],
    /// Where allergies, problems and drugs are edited.
    pub edit_chart: Option<&'a str>,
    /// Who the person is: label and value.
    pub facts: &'a [(String, String)],
    /// Where these are edited.
    pub edit_facts: Option<&'a str>,
}

/// Draws the page of one person, for those who may see clinical facts.
pub fn page(lang: Lang, view: &PatientPageView<'_>) -> Markup {
    html! {
        h1.only-read { (lang.t("person-page-title")) }
        div.actions.patient-actions { (view.actions) }
        @for question in view.questions { (question) }
        div.columns {
            div.stack {
                section.card #vitals aria-labelledby="vitals-title" {
                    div.card-head { h2 #vitals-title { (lang.t("vitals-title")) } }
                    (vitals::tiles(lang, view.vitals, view.today))
                }
                (trends(lang, view))
                (visit_card(lang, view))
            }
            div.stack {
                (facts_card(lang, &lang.t("allergies-title"), view.allergies, view.edit_chart))
                (facts_card(lang, &lang.t("problems-title"), view.problems, view.edit_chart))
                (drugs_card(lang, view))
                (ecg_card(lang, view))
                section.card {
                    div.card-head {
                        h2 { (lang.t("facts-title")) }
                        @if let Some(edit) = view.edit_facts { a.button.button-soft href=(edit) { (lang.t("edit")) } }
                    }
                    (pairs(view.facts))
                }
            }
        }
    }
}

/// Labels and values below each other; empty values are left out.
pub fn pairs(facts: &[(String, String)]) -> Markup {
    html! {
        dl.pairs { @for (label, value) in facts.iter().filter(|(_, value)| !value.is_empty()) { dt { (label) } dd { (value) } } }
    }
}

fn trends(lang: Lang, view: &PatientPageView<'_>) -> Markup {
    html! {
        section.card #trends aria-labelledby="trends-title" {
            div.card-head {
                h2 #trends-title { (lang.t("trends-title")) }
                (charts::range_switch(lang, view.range, view.path, "trends"))
            }
            div.stack { @for chart in view.charts { (chart) } }
            @if !view.readings.is_empty() {
                details.chart-values {
                    summary { (lang.t("readings-all")) }
                    (vitals::table(lang, view.readings, view.today))
                }
            }
        }
    }
}

fn visit_card(lang: Lang, view: &PatientPageView<'_>) -> Markup {
    html! {
        section.stack aria-labelledby="visits-title" {
            h2 #visits-title { (lang.t("visits-title")) }
            (visits::lines(lang, view.visits, view.today))
            @if let Some(more) = view.more_visits { p { a.button href=(more) { (lang.t("visits-more")) } } }
        }
    }
}

fn facts_card(lang: Lang, title: &str, facts: &[FactLine], edit: Option<&str>) -> Markup {
    html! {
        section.card {
            div.card-head { h2 { (title) } @if let Some(edit) = edit { a.button.button-soft href=(edit) { (lang.t("edit")) } } }
            @if facts.is_empty() { p.empty { (lang.t("nothing-noted")) } }
            ul.facts {
                @for fact in facts {
                    li {
                        @if fact.ended { s { (fact.words) } } @else { strong { (fact.words) } }
                        @if !fact.note.is_empty() { " " span.quiet.small { (fact.note) } }
                        @if let Some(action) = &fact.action { (action) }
                    }
                }
            }
        }
    }
}

fn drugs_card(lang: Lang, view: &PatientPageView<'_>) -> Markup {
    html! {
        section.card {
            div.card-head { h2 { (lang.t("drugs-title")) } @if let Some(edit) = view.edit_chart { a.button.button-soft href=(edit) { (lang.t("edit")) } } }
            @if view.drugs.is_empty() { p.empty { (lang.t("nothing-noted")) } }
            ul.facts { @for drug in view.drugs { li { (drug_line(lang, drug)) } } }
        }
    }
}

/// One drug: generic name first and bold, dose bold with its label, nothing abbreviated.
pub fn drug_line(lang: Lang, drug: &DrugLine) -> Markup {
    html! {
        p.drug {
            span { strong { (drug.generic) } }
            @if !drug.brand.is_empty() { span { (drug.brand) } }
            @if !drug.dose.is_empty() { span { span.dose-label { (lang.t("drug-line-dose")) } span.dose { (drug.dose) } } }
            @if !drug.route.is_empty() { span { (drug.route) } }
            @if !drug.frequency.is_empty() { span { (drug.frequency) } }
            @if let Some(stop) = &drug.stop { a.button href=(stop) { (lang.t("drug-stop")) } }
        }
    }
}

fn ecg_card(lang: Lang, view: &PatientPageView<'_>) -> Markup {
    html! {
        section.card {
            h2 { (lang.t("ecg-title")) }
            @if view.ecgs.is_empty() { p.empty { (lang.t("nothing-noted")) } }
            ul.facts {
                @for ecg in view.ecgs {
                    li {
                        a.line-row href=(ecg.href) {
                            span.line-main {
                                (Icon::Trace.svg()) " "
                                @if ecg.withdrawn { s { (moments::day_and_clock(lang, ecg.at, view.today)) } } @else { strong { (moments::day_and_clock(lang, ecg.at, view.today)) } }
                            }
                            span.line-side {
                                @if ecg.withdrawn { (lang.t("withdrawn")) }
                                @else if let Some(rate) = ecg.heart_rate { span.num { (lang.t("ecg-rate")) " " (rate) span.unit { (lang.t("unit-per-minute")) } } }
                            }
                        }
                    }
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(name: &str, tail: &str) -> PatientRow {
        PatientRow {
            href: format!("/patients/{tail}"),
            name: name.into(),
            sex: "女".into(),
            birth: "1958-04-01".parse().ok(),
            village_group: "石桥村3组".into(),
            id_tail: Some(tail.into()),
            phone_tail: None,
            allergic: Some(true),
            died: false,
            last_visit: None,
            clash: false,
            today: true,
        }
    }

    #[test]
    fn namesakes_differ_and_an_answer_names_its_query() {
        let today = "2026-03-10".parse().unwrap();
        let drawn = hits(
            Lang::Zh,
            "wxy",
            &[row("王秀英", "123X"), row("王秀英", "4567")],
            false,
            today,
        )
        .into_string();
        assert!(drawn.contains("data-query=\"wxy\"") && drawn.contains("123X") && drawn.contains("4567"));
        assert_eq!(drawn.matches("data-hit").count(), 2);
        assert!(drawn.contains("67岁") && drawn.contains("石桥村3组"));
        let nobody = hits(Lang::Zh, "<b>", &[], false, today).into_string();
        assert!(nobody.contains("&lt;b&gt;") && !nobody.contains("<b>"));
    }

    #[test]
    fn an_empty_field_of_a_person_is_left_out_but_a_missing_age_is_said() {
        let drawn = pairs(&[("民族".into(), "汉族".into()), ("电话".into(), String::new())]).into_string();
        assert!(drawn.contains("汉族") && !drawn.contains("电话"));
        assert!(person(Lang::Zh, "", None, "2026-03-10".parse().unwrap()).contains("年龄未知"));
    }
}

//! Visits: lists of them, a visit to read with its amendments, and the form to write one.

pub mod form;

pub use form::{DiagnosisLine, VisitFormView, diagnosis_hits, visit_form};

use maud::{Markup, html};
use records::time::{Date, WallTime};

use crate::moments;
use crate::patients::EcgRow;
use crate::texts::Lang;
use crate::vitals::{self, ReadingLine};

/// How far a visit has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum VisitState {
    /// Being written.
    Open,
    /// Signed and frozen.
    Signed,
    /// Brought in from elsewhere, closed.
    Imported,
}

impl VisitState {
    fn tag(self, lang: Lang) -> Markup {
        match self {
            Self::Open => html! { span.tag.tag-warn { (lang.t("visit-state-open")) } },
            Self::Signed => html! { span.tag.tag-good { "✓ " (lang.t("visit-state-signed")) } },
            Self::Imported => html! { span.tag { (lang.t("visit-state-imported")) } },
        }
    }
}

/// A triage level as a tag: its colour, its numeral and its word.
pub fn triage_tag(level: u8, words: &str) -> Markup {
    let class = match level {
        1 => "triage triage-1",
        2 => "triage triage-2",
        3 => "triage triage-3",
        _ => "triage triage-4",
    };
    html! { span class=(class) { (words) } }
}

/// One visit in a person's list.
#[derive(Debug, Clone)]
pub struct VisitRow {
    /// Its page.
    pub href: String,
    /// When it began.
    pub at: WallTime,
    /// Who saw the person.
    pub doctor: String,
    /// How far it has come.
    pub state: VisitState,
    /// Triage level and its words.
    pub triage: Option<(u8, String)>,
    /// Complaint.
    pub complaint: String,
    /// First diagnosis.
    pub diagnosis: String,
    /// The clinic, where it is another one.
    pub clinic: Option<String>,
}

/// A person's visits, one line each.
pub fn lines(lang: Lang, rows: &[VisitRow], today: Date) -> Markup {
    html! {
        @if rows.is_empty() { p.empty { (lang.t("visit-list-none")) } } @else {
            ul.lines {
                @for row in rows {
                    li {
                        a.line-row href=(row.href) {
                            span.line-main {
                                span.line-name { (moments::day_and_clock(lang, row.at, today)) }
                                @if !row.diagnosis.is_empty() { strong { (row.diagnosis) } }
                                span.line-sub { (row.complaint) }
                            }
                            span.line-side {
                                @if let Some((level, words)) = &row.triage { (triage_tag(*level, words)) }
                                (row.state.tag(lang))
                                span { (row.doctor) }
                                @if let Some(clinic) = &row.clinic { span { (clinic) } }
                            }
                        }
                    }
                }
            }
        }
    }
}

/// One person on today's list.
#[derive(Debug, Clone)]
pub struct TodayRow {
    /// The visit's page, or the person's where none is open.
    pub href: String,
    /// When the person came.
    pub at: WallTime,
    /// Name.
    pub name: String,
    /// Sex and age in words.
    pub person: String,
    /// Village and group.
    pub village_group: String,
    /// How far the visit has come.
    pub state: VisitState,
    /// Triage level and its words.
    pub triage: Option<(u8, String)>,
    /// Complaint.
    pub complaint: String,
    /// Who sees the person.
    pub doctor: String,
}

/// Today's list.
pub fn today_lines(lang: Lang, rows: &[TodayRow]) -> Markup {
    html! {
        @if rows.is_empty() { p.empty { (lang.t("today-none")) } } @else {
            ul.lines {
                @for row in rows {
                    li {
                        a.line-row href=(row.href) {
                            span.line-main {
                                span.line-time.num { (moments::clock(row.at)) }
                                span.line-name { (row.name) }
                                span { (row.person) }
                                span.line-sub { (row.village_group) }
                                span.line-sub { (row.complaint) }
                            }
                            span.line-side {
                                @if let Some((level, words)) = &row.triage { (triage_tag(*level, words)) }
                                (row.state.tag(lang))
                                span { (row.doctor) }
                            }
                        }
                    }
                }
            }
        }
    }
}

/// What was added to a visit after it was signed.
#[derive(Debug, Clone)]
pub struct AmendmentView {
    /// Who.
    pub by: String,
    /// When.
    pub at: WallTime,
    /// Why.
    pub reason: String,
    /// What.
    pub text: String,
}

/// A visit to read.
#[derive(Debug, Clone)]
pub struct VisitView<'a> {
    /// Today.
    pub today: Date,
    /// When it began.
    pub at: WallTime,
    /// Who saw the person.
    pub doctor: &'a str,
    /// The clinic.
    pub clinic: &'a str,
    /// How far it has come.
    pub state: VisitState,
    /// Where an imported visit came from.
    pub source: Option<&'a str>,
    /// Triage level, its words, and the reason.
    pub triage: Option<(u8, String, String)>,
    /// Notes: label and text, in the order of writing.
    pub notes: &'a [(String, String)],
    /// Diagnoses.
    pub diagnoses: &'a [DiagnosisLine],
    /// Readings.
    pub readings: &'a [ReadingLine],
    /// ECGs.
    pub ecgs: &'a [EcgRow],
    /// Who signed and when.
    pub signed: Option<(&'a str, WallTime)>,
    /// What was added later.
    pub amendments: &'a [AmendmentView],
    /// What can be done: buttons.
    pub actions: &'a Markup,
    /// Questions that need a person.
    pub questions: &'a [Markup],
    /// Words before the visit on prints: who the patient is.
    pub print_head: &'a Markup,
}

/// Draws a visit to read. Both the signed text and what was added later stay.
pub fn visit_page(lang: Lang, view: &VisitView<'_>) -> Markup {
    html! {
        div.heading {
            h1 { (lang.t("visit-title")) " " (moments::day_and_clock(lang, view.at, view.today)) }
            div.actions.no-print { (view.actions) }
        }
        div.print-only { (view.print_head) }
        @for question in view.questions { (question) }
        div.stack {
            section.card.stack {
                p.actions-line {
                    @if let Some((level, words, _)) = &view.triage { (triage_tag(*level, words)) " " }
                    (view.state.tag(lang)) " " (view.doctor) " · " (view.clinic)
                    @if let Some(source) = view.source { " · " (lang.t_with("visit-source", &[("source", source)])) }
                }
                (notes(lang, view))
                @if let Some((name, at)) = view.signed {
                    p.signature { strong { (lang.t_with("visit-signed-by", &[("name", name), ("at", &moments::day_and_clock(lang, at, view.today))])) } }
                }
            }
            @for amendment in view.amendments { (amended(lang, amendment, view.today)) }
            @if !view.readings.is_empty() {
                section.card { h2 { (lang.t("vitals-title")) } (vitals::table(lang, view.readings, view.today)) }
            }
            @if !view.ecgs.is_empty() {
                section.card {
                    h2 { (lang.t("ecg-title")) }
                    ul.facts { @for ecg in view.ecgs { li { a href=(ecg.href) { (moments::day_and_clock(lang, ecg.at, view.today)) } } } }
                }
            }
        }
    }
}

fn notes(lang: Lang, view: &VisitView<'_>) -> Markup {
    html! {
        dl.pairs {
            @if let Some((_, _, reason)) = view.triage.as_ref().filter(|(_, _, reason)| !reason.is_empty()) {
                dt { (lang.t("visit-triage-reason")) } dd { (reason) }
            }
            @for (label, text) in view.notes.iter().filter(|(_, text)| !text.is_empty()) { dt { (label) } dd { (text) } }
            @if !view.diagnoses.is_empty() {
                dt { (lang.t("visit-diagnoses")) }
                dd { @for diagnosis in view.diagnoses { p { (diagnosis.name) " " span.quiet { (diagnosis.code) } @if !diagnosis.certainty_word.is_empty() { " " span.tag { (diagnosis.certainty_word) } } } } }
            }
        }
    }
}

fn amended(lang: Lang, amendment: &AmendmentView, today: Date) -> Markup {
    html! {
        section.amendment {
            h2 { (lang.t("visit-amendment")) }
            p.small { (amendment.by) " · " (moments::day_and_clock(lang, amendment.at, today)) " · " (lang.t("visit-amendment-reason")) " " (amendment.reason) }
            p.note-text { (amendment.text) }
        }
    }
}

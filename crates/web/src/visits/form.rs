//! The form of a visit: one page from triage to advice, kept as a draft while it is written.

use maud::{Markup, html};

use crate::forms::{Area, Choice, Faults, Form, Input};
use crate::texts::Lang;

/// A diagnosis as it stands in a form.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DiagnosisLine {
    /// Code of the table; empty for words of one's own.
    pub code: String,
    /// Name.
    pub name: String,
    /// Word of how certain it is, as documents have it.
    pub certainty: String,
    /// The same for people.
    pub certainty_word: String,
}

/// What stands in the form.
#[derive(Debug, Clone)]
pub struct VisitFormView<'a> {
    /// Frame: address, id, heads, faults.
    pub form: Form<'a>,
    /// Triage levels: number and words.
    pub levels: &'a [(u8, String)],
    /// Chosen level.
    pub level: Option<u8>,
    /// Reason of the level.
    pub reason: &'a str,
    /// Complaint.
    pub complaint: &'a str,
    /// History.
    pub history: &'a str,
    /// Examination.
    pub examination: &'a str,
    /// Advice.
    pub advice: &'a str,
    /// Diagnoses chosen so far.
    pub diagnoses: &'a [DiagnosisLine],
    /// Certainties to choose from: (word in documents, words for people).
    pub certainties: &'a [(String, String)],
    /// What was typed in the field that looks for diagnoses, and what it found.
    pub wanted: &'a str,
    /// Diagnoses that fit it.
    pub found: &'a [(String, String)],
    /// Readings of the visit, above the examination.
    pub readings: &'a Markup,
    /// Buttons beside the main one, such as signing.
    pub extra: &'a Markup,
}

/// Names of the form's fields, in its order.
pub mod names {
    /// Triage level.
    pub const LEVEL: &str = "triage_level";
    /// Reason of the level.
    pub const REASON: &str = "triage_reason";
    /// Complaint.
    pub const COMPLAINT: &str = "complaint";
    /// History.
    pub const HISTORY: &str = "history";
    /// Examination.
    pub const EXAMINATION: &str = "examination";
    /// Code of a diagnosis; repeated.
    pub const DIAGNOSIS_CODE: &str = "diagnosis_code";
    /// Name of a diagnosis; repeated, in step with the codes.
    pub const DIAGNOSIS_NAME: &str = "diagnosis_name";
    /// Certainty of a diagnosis; repeated, in step with the codes.
    pub const DIAGNOSIS_CERTAINTY: &str = "diagnosis_certainty";
    /// What is looked for among diagnoses.
    pub const WANTED: &str = "diagnosis_wanted";
    /// Button: look for diagnoses (without a script).
    pub const FIND: &str = "diagnosis_find";
    /// Button: take the diagnosis `code name` (without a script).
    pub const ADD: &str = "diagnosis_add";
    /// Button: take out the diagnosis at this position (without a script).
    pub const REMOVE: &str = "diagnosis_remove";
    /// Advice.
    pub const ADVICE: &str = "advice";
}

/// Draws the form. `/diagnoses?diagnosis_wanted=…` answers with [`diagnosis_hits`].
pub fn visit_form(lang: Lang, view: &VisitFormView<'_>) -> Markup {
    let none = Faults::none();
    let faults = view.form.faults.unwrap_or(&none);
    let level = view.level.map(|level| level.to_string());
    let levels = view
        .levels
        .iter()
        .map(|(number, words)| (number.to_string(), words.clone()))
        .collect();
    let reason_hint = lang.t("visit-triage-hint");
    let fields = html! {
        section.form-section {
            h2 { (lang.t("visit-triage")) }
            (Choice::new(names::LEVEL, &lang.t("visit-level"), levels).chosen(level.as_deref()).optional().markup(lang, faults))
            (Input::text(names::REASON, &lang.t("visit-triage-reason")).value(view.reason).hint(&reason_hint).optional().markup(lang, faults))
        }
        section.form-section {
            h2 { (lang.t("visit-notes")) }
            (Area::new(names::COMPLAINT, &lang.t("visit-complaint"), view.complaint).rows(2).markup(lang, faults))
            (Area::new(names::HISTORY, &lang.t("visit-history"), view.history).optional().markup(lang, faults))
            (view.readings)
            (Area::new(names::EXAMINATION, &lang.t("visit-examination"), view.examination).optional().markup(lang, faults))
        }
        section.form-section {
            h2 { (lang.t("visit-diagnoses")) }
            (diagnoses(lang, view, faults))
        }
        section.form-section {
            (Area::new(names::ADVICE, &lang.t("visit-advice"), view.advice).optional().markup(lang, faults))
        }
    };
    view.form.around(lang, &fields, view.extra)
}

fn diagnoses(lang: Lang, view: &VisitFormView<'_>, faults: &Faults) -> Markup {
    let label = lang.t("visit-diagnosis-find");
    let hint = lang.t("visit-diagnosis-hint");
    let id = crate::forms::id_of(names::WANTED);
    let fault = faults.of(names::WANTED);
    html! {
        diagnosis-box {
            ul.picked data-picked="" {
                @for (at, line) in view.diagnoses.iter().enumerate() { (picked(lang, view, line, at)) }
            }
            template { (picked(lang, view, &DiagnosisLine { code: String::new(), name: String::new(), certainty: String::new(), certainty_word: String::new() }, 0)) }
            div.field.field-faulty[fault.is_some()] {
                label for=(id) { (label) }
                p.hint id={ (id) "-hint" } { (hint) }
                @if let Some(fault) = fault { p.fault { (fault) } }
                div.search {
                    input id=(id) name=(names::WANTED) type="text" value=(view.wanted) maxlength="64" autocomplete="off" autocapitalize="off" spellcheck="false"
                        aria-describedby={ (id) "-hint" } hx-get="/diagnoses" hx-trigger="find" hx-target="#diagnosis-hits" hx-sync="this:replace";
                    button.button type="submit" name=(names::FIND) value="yes" { (lang.t("search-go")) }
                }
            }
            div #diagnosis-hits { (diagnosis_hits(lang, view.wanted, view.found)) }
        }
    }
}

fn picked(lang: Lang, view: &VisitFormView<'_>, line: &DiagnosisLine, at: usize) -> Markup {
    html! {
        li.picked-line {
            input type="hidden" name=(names::DIAGNOSIS_CODE) value=(line.code) data-code="";
            input type="hidden" name=(names::DIAGNOSIS_NAME) value=(line.name) data-name="";
            strong data-shown="" { (line.name) " " (line.code) }
            label {
                span.only-read { (lang.t("visit-certainty")) }
                select name=(names::DIAGNOSIS_CERTAINTY) {
                    @for (word, shown) in view.certainties { option value=(word) selected[line.certainty == *word] { (shown) } }
                }
            }
            button.button-quiet type="submit" name=(names::REMOVE) value=(at) data-remove="" { (lang.t("remove")) }
        }
    }
}

/// The diagnoses that fit what was typed: buttons, so that each is one touch, with a script or without.
pub fn diagnosis_hits(lang: Lang, wanted: &str, found: &[(String, String)]) -> Markup {
    html! {
        @if !wanted.trim().is_empty() {
            p.only-read role="status" { (lang.t_n("search-found", found.len())) }
            div.suggestions {
                @for (code, name) in found {
                    button type="submit" name=(names::ADD) value={ (code) " " (name) } data-code=(code) data-name=(name) { code { (code) } span { (name) } }
                }
                button type="submit" name=(names::ADD) value={ " " (wanted.trim()) } data-code="" data-name=(wanted.trim()) { code { "—" } span { (lang.t_with("visit-diagnosis-own", &[("words", wanted.trim())])) } }
            }
        }
    }
}

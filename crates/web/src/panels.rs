//! Panels that stop or guide a person. Three classes, told by shape: triangle = warning, barred circle =
//! forbidden, filled circle = must do; colour only adds.

use maud::{Markup, html};

use crate::texts::Lang;

/// What a panel wants from its reader.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Class {
    /// Take care.
    Warning,
    /// Do not.
    Forbidden,
    /// This has to be done.
    Must,
    /// It is done.
    Done,
}

impl Class {
    fn css(self) -> &'static str {
        match self {
            Self::Warning => "panel panel-warning",
            Self::Forbidden => "panel panel-forbidden",
            Self::Must => "panel panel-must",
            Self::Done => "panel panel-done",
        }
    }

    /// The class's shape.
    pub fn shape(self) -> Markup {
        html! {
            svg.alert-shape viewBox="0 0 24 24" width="24" height="24" aria-hidden="true" focusable="false" {
                @match self {
                    Self::Warning => {
                        path d="M12 2.5L23 21.5H1z" fill="none" stroke="currentColor" stroke-width="2.2" stroke-linejoin="round" {}
                        path d="M12 9v6M12 17.3v1.6" fill="none" stroke="currentColor" stroke-width="2.4" stroke-linecap="round" {}
                    }
                    Self::Forbidden => {
                        circle cx="12" cy="12" r="9.5" fill="none" stroke="currentColor" stroke-width="2.6" {}
                        path d="M5.4 5.4l13.2 13.2" stroke="currentColor" stroke-width="2.6" {}
                    }
                    Self::Must => {
                        circle cx="12" cy="12" r="11" fill="currentColor" {}
                        path d="M12 6v8M12 16.6v1.6" fill="none" stroke="#fff" stroke-width="2.6" stroke-linecap="round" {}
                    }
                    Self::Done => {
                        circle cx="12" cy="12" r="10" fill="none" stroke="currentColor" stroke-width="2" {}
                        path d="M7 12.5l3.5 3.5L17 8.5" fill="none" stroke="currentColor" stroke-width="2.4" stroke-linecap="round" stroke-linejoin="round" {}
                    }
                }
            }
        }
    }

    fn word(self, lang: Lang) -> String {
        match self {
            Self::Warning => lang.t("panel-warning"),
            Self::Forbidden => lang.t("panel-forbidden"),
            Self::Must => lang.t("panel-must"),
            Self::Done => lang.t("panel-done"),
        }
    }
}

/// A panel in the page.
pub fn panel(lang: Lang, class: Class, title: &str, body: &Markup) -> Markup {
    html! {
        section class=(class.css()) role=(if class == Class::Done { "status" } else { "alert" }) {
            h2 { (class.shape()) span.only-read { (class.word(lang)) } span { (title) } }
            (body)
        }
    }
}

/// One thing that can be done about a critical value.
#[derive(Debug, Clone)]
pub struct NextStep {
    /// Value of the button.
    pub value: String,
    /// Its words.
    pub label: String,
}

/// A critical value: fills the page below the banner until the person has said what is done about it.
pub fn critical(
    lang: Lang,
    sentence: &str,
    reading: &str,
    action: &str,
    form: &str,
    steps: &[NextStep],
) -> Markup {
    html! {
        section.critical.narrow role="alertdialog" aria-labelledby="critical-title" aria-describedby="critical-reading" {
            h1 #critical-title { (Class::Must.shape()) (lang.t("critical-title")) }
            p.critical-reading #critical-reading { (reading) }
            p.lead { (sentence) }
            form.stack method="post" action=(action) {
                input type="hidden" name="form" value=(form);
                @for step in steps {
                    button.button.button-main type="submit" name="step" value=(step.value) { (step.label) }
                }
            }
        }
    }
}

/// An offer to take something back, for half a minute; without a script it stands until the next page.
pub fn undo(lang: Lang, sentence: &str, action: &str, fields: &[(&str, &str)]) -> Markup {
    html! {
        undo-toast seconds="30" {
            form.toast method="post" action=(action) {
                span role="status" { (sentence) }
                @for (name, value) in fields { input type="hidden" name=(name) value=(value); }
                button.button type="submit" { (lang.t("undo")) }
            }
        }
    }
}

/// Two records of one fact: a clinical question, both kept until a person chooses.
pub fn clash(lang: Lang, what: &str, action: &str, field: &str, values: &[(String, String)]) -> Markup {
    let body = html! {
        p { (lang.t_with("clash-question", &[("what", what)])) }
        form.stack method="post" action=(action) {
            input type="hidden" name="field" value=(field);
            div.choices {
                @for (value, shown) in values {
                    button.button type="submit" name="choose" value=(value) { (shown) }
                }
            }
        }
    };
    panel(lang, Class::Must, &lang.t("clash-title"), &body)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_class_has_a_shape_and_a_word_of_its_own() {
        let all = [Class::Warning, Class::Forbidden, Class::Must, Class::Done];
        let shapes: std::collections::BTreeSet<String> =
            all.iter().map(|c| c.shape().into_string()).collect();
        let words: std::collections::BTreeSet<String> = all.iter().map(|c| c.word(Lang::En)).collect();
        assert_eq!((shapes.len(), words.len()), (4, 4));
    }
}

//! Forms: one column, label above, hint below it, faults in a summary that takes the focus and again beside the
//! field. Checks happen at the server; a form works without a script, and carries an id made when it was opened.

mod fields;

pub use fields::{Area, Choice, Input, Pick, Tick};

use maud::{Markup, html};

use crate::texts::Lang;

/// What is wrong with a form that was sent, field by field, in the order of the form.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Faults(Vec<(String, String)>);

impl Faults {
    /// Nothing is wrong.
    pub fn none() -> Self {
        Self::default()
    }

    /// Notes what is wrong with a field, as a whole sentence in the person's language.
    pub fn add(&mut self, field: impl Into<String>, sentence: impl Into<String>) {
        self.0.push((field.into(), sentence.into()));
    }

    /// Whether nothing is wrong.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// What is wrong with a field.
    pub fn of(&self, field: &str) -> Option<&str> {
        self.0
            .iter()
            .find(|(name, _)| name == field)
            .map(|(_, sentence)| sentence.as_str())
    }

    /// The box at the top: how many things need a change, each linked to its field. It takes the focus.
    pub fn summary(&self, lang: Lang) -> Markup {
        html! {
            @if !self.0.is_empty() {
                div.summary role="alert" tabindex="-1" autofocus {
                    h2 { (lang.t_n("errors-count", self.0.len())) }
                    ul { @for (field, sentence) in &self.0 { li { a href={ "#" (id_of(field)) } { (sentence) } } } }
                }
            }
        }
    }
}

impl FromIterator<(String, String)> for Faults {
    fn from_iter<I: IntoIterator<Item = (String, String)>>(faults: I) -> Self {
        Self(faults.into_iter().collect())
    }
}

/// The id of a field's element: names of fields may hold characters that a fragment may not.
pub fn id_of(field: &str) -> String {
    let plain = field.chars().map(|c| {
        if c.is_ascii_alphanumeric() || c == '-' {
            c
        } else {
            '-'
        }
    });
    format!("f-{}", plain.collect::<String>())
}

/// A value that is possible but rare: asked once, and the answer kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Doubt {
    /// Name of the field.
    pub field: String,
    /// The question, with the value: 血压 230/130,确认?
    pub question: String,
}

/// What stands around the fields of a form.
#[derive(Debug, Clone, Default)]
pub struct Form<'a> {
    /// Address that takes it.
    pub action: &'a str,
    /// Its id, made when it was opened: a form that is sent twice counts once.
    pub id: Option<String>,
    /// Heads of the record that it was filled from, so that what others wrote meanwhile stays beside it.
    pub base: Option<String>,
    /// Whether its fields are kept as a draft while they are typed, at `/drafts/ID`.
    pub draft: bool,
    /// Time at which the draft shown was kept, as `hh:mm`.
    pub draft_from: Option<String>,
    /// What is wrong with it.
    pub faults: Option<&'a Faults>,
    /// Values that the person should confirm.
    pub doubts: &'a [Doubt],
    /// Fields whose rare values the person has confirmed before.
    pub confirmed: &'a [String],
    /// Word of the main button.
    pub submit: &'a str,
    /// Where the way back leads.
    pub back: Option<&'a str>,
    /// Whether files are sent along.
    pub files: bool,
}

/// Most fields that count as confirmed.
const CONFIRMED_LIMIT: usize = 32;

impl Form<'_> {
    /// Draws the form around its fields; `extra` are further buttons beside the main one.
    pub fn around(&self, lang: Lang, fields: &Markup, extra: &Markup) -> Markup {
        let form = html! {
            form.form method="post" action=(self.action) novalidate enctype=[self.files.then_some("multipart/form-data")] {
                // The default press of the Enter key: the first button of a form, which must not confirm a doubt.
                button type="submit" hidden tabindex="-1" {}
                @if let Some(faults) = self.faults { (faults.summary(lang)) }
                (self.questions(lang))
                @if let Some(id) = &self.id { input type="hidden" name="form" value=(id); }
                @if let Some(base) = &self.base { input type="hidden" name="base" value=(base); }
                @for field in self.confirmed.iter().take(CONFIRMED_LIMIT) { input type="hidden" name="confirmed" value=(field); }
                (fields)
                div.form-foot {
                    button.button.button-main type="submit" { (self.submit) }
                    (extra)
                    @if let Some(back) = self.back { a.button href=(back) { (lang.t("form-back")) } }
                    @if self.draft {
                        span.draft-state role="status" {
                            @if let Some(at) = &self.draft_from { (lang.t("draft-saved")) " " (at) }
                        }
                    }
                }
            }
        };
        match (&self.id, self.draft) {
            (Some(id), true) => html! {
                draft-form save={ "/drafts/" (id) } saved=(lang.t("draft-saved")) failed=(lang.t("draft-failed")) { (form) }
            },
            _ => form,
        }
    }

    /// The questions about rare values: one press confirms them all and sends the form again.
    fn questions(&self, lang: Lang) -> Markup {
        html! {
            @if !self.doubts.is_empty() {
                section.panel.panel-warning.confirm role="alert" tabindex="-1" autofocus {
                    h2 { (crate::panels::Class::Warning.shape()) (lang.t("doubt-title")) }
                    @for doubt in self.doubts {
                        p.values { (doubt.question) }
                        input type="hidden" name="confirming" value=(doubt.field);
                    }
                    p { (lang.t("doubt-do")) }
                    p.actions {
                        button.button.button-main type="submit" name="confirm" value="yes" { (lang.t("doubt-confirm")) }
                    }
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_refused_form_links_each_fault_to_its_field() {
        let mut faults = Faults::none();
        faults.add("bp.systolic", "收缩压应在 40–300 之间");
        faults.add("name", "请填写姓名");
        let summary = faults.summary(Lang::Zh).into_string();
        assert!(summary.contains("有 2 处需要修改"));
        assert!(summary.contains("href=\"#f-bp-systolic\"") && summary.contains("autofocus"));
        let field = Input::text("bp.systolic", "收缩压")
            .markup(Lang::Zh, &faults)
            .into_string();
        assert!(field.contains("id=\"f-bp-systolic\"") && field.contains("收缩压应在 40–300 之间"));
        assert!(field.contains("aria-invalid=\"true\""));
        assert!(Faults::none().summary(Lang::Zh).into_string().is_empty());
    }

    #[test]
    fn a_form_carries_its_id_base_and_answers() {
        let doubts = [Doubt {
            field: "systolic".into(),
            question: "血压 230/130，确认？".into(),
        }];
        let confirmed = ["pulse".to_owned()];
        let form = Form {
            action: "/visits/1",
            id: Some("ab".into()),
            base: Some("00ff".into()),
            draft: true,
            doubts: &doubts,
            confirmed: &confirmed,
            submit: "保存",
            ..Form::default()
        };
        let drawn = form.around(Lang::Zh, &html! {}, &html! {}).into_string();
        for part in [
            "save=\"/drafts/ab\"",
            "name=\"form\" value=\"ab\"",
            "name=\"base\" value=\"00ff\"",
            "name=\"confirming\" value=\"systolic\"",
            "name=\"confirmed\" value=\"pulse\"",
            "230/130",
        ] {
            assert!(drawn.contains(part), "{part} in {drawn}");
        }
    }
}

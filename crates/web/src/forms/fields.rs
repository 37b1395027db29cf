//! The fields of forms.

use std::marker::PhantomData;

use maud::{Markup, html};

use super::{Faults, id_of};
use crate::texts::Lang;

/// How a one-line field is typed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Keys {
    Text,
    /// A whole number: digits only.
    Digits,
    /// A number with a point; a slash for pairs needs the full keyboard.
    Decimal,
    Telephone,
    Password,
    Pin,
    File,
}

/// A field of one line.
#[derive(Debug, Clone)]
pub struct Input<'a> {
    name: &'a str,
    label: &'a str,
    keys: Keys,
    value: &'a str,
    hint: Option<&'a str>,
    unit: Option<&'a str>,
    optional: bool,
    short: bool,
    focus: bool,
    fills: &'a str,
    accept: Option<&'a str>,
}

impl<'a> Input<'a> {
    fn new(name: &'a str, label: &'a str, keys: Keys) -> Self {
        Self {
            name,
            label,
            keys,
            value: "",
            hint: None,
            unit: None,
            optional: false,
            short: false,
            focus: false,
            fills: "off",
            accept: None,
        }
    }

    /// A text.
    pub fn text(name: &'a str, label: &'a str) -> Self {
        Self::new(name, label, Keys::Text)
    }

    /// Digits: the keyboard shows numbers; full-width ones are taken too.
    pub fn digits(name: &'a str, label: &'a str) -> Self {
        Self {
            short: true,
            ..Self::new(name, label, Keys::Digits)
        }
    }

    /// A number with a point.
    pub fn decimal(name: &'a str, label: &'a str) -> Self {
        Self {
            short: true,
            ..Self::new(name, label, Keys::Decimal)
        }
    }

    /// A telephone number.
    pub fn telephone(name: &'a str, label: &'a str) -> Self {
        Self {
            short: true,
            ..Self::new(name, label, Keys::Telephone)
        }
    }

    /// A password. Its value is never shown again.
    pub fn password(name: &'a str, label: &'a str) -> Self {
        Self::new(name, label, Keys::Password)
    }

    /// A PIN: hidden digits.
    pub fn pin(name: &'a str, label: &'a str) -> Self {
        Self {
            short: true,
            ..Self::new(name, label, Keys::Pin)
        }
    }

    /// A file; `accept` are the endings or types that are offered.
    pub fn file(name: &'a str, label: &'a str, accept: &'a str) -> Self {
        Self {
            accept: Some(accept),
            ..Self::new(name, label, Keys::File)
        }
    }

    /// What stands in it.
    pub fn value(mut self, value: &'a str) -> Self {
        self.value = value;
        self
    }

    /// What helps to fill it.
    pub fn hint(mut self, hint: &'a str) -> Self {
        self.hint = Some(hint);
        self
    }

    /// The unit behind it.
    pub fn unit(mut self, unit: &'a str) -> Self {
        self.unit = Some(unit);
        self
    }

    /// It may stay empty.
    pub fn optional(mut self) -> Self {
        self.optional = true;
        self
    }

    /// It takes the focus when the page opens.
    pub fn focus(mut self) -> Self {
        self.focus = true;
        self
    }

    /// What the browser may fill in (`username`, `current-password`, …).
    pub fn fills(mut self, fills: &'a str) -> Self {
        self.fills = fills;
        self
    }

    /// Draws it.
    pub fn markup(&self, lang: Lang, faults: &Faults) -> Markup {
        let id = id_of(self.name);
        let fault = faults.of(self.name);
        let described = described_by(&id, self.hint.is_some(), fault.is_some());
        let secret = matches!(self.keys, Keys::Password | Keys::Pin | Keys::File);
        let (kind, mode) = match self.keys {
            Keys::Text => ("text", None),
            Keys::Digits => ("text", Some("numeric")),
            Keys::Decimal => ("text", Some("decimal")),
            Keys::Telephone => ("tel", Some("tel")),
            Keys::Password => ("password", None),
            Keys::Pin => ("password", Some("numeric")),
            Keys::File => ("file", None),
        };
        let input = html! {
            input id=(id) name=(self.name) type=(kind) inputmode=[mode] value=[(!secret).then_some(self.value)]
                autocomplete=(self.fills) accept=[self.accept] autofocus[self.focus && faults.is_empty()]
                aria-describedby=[described] aria-invalid=[fault.map(|_| "true")]
                spellcheck="false" autocapitalize="off";
        };
        html! {
            div.field.field-short[self.short].field-faulty[fault.is_some()] {
                label for=(id) { (self.label) (optional(lang, self.optional)) }
                (above(&id, self.hint, fault))
                @if let Some(unit) = self.unit { span.with-unit { (input) span.unit { (unit) } } } @else { (input) }
            }
        }
    }
}

/// A field of several lines.
#[derive(Debug, Clone)]
pub struct Area<'a> {
    name: &'a str,
    label: &'a str,
    value: &'a str,
    hint: Option<&'a str>,
    rows: u8,
    optional: bool,
}

impl<'a> Area<'a> {
    /// A field of some lines.
    pub fn new(name: &'a str, label: &'a str, value: &'a str) -> Self {
        Self {
            name,
            label,
            value,
            hint: None,
            rows: 3,
            optional: false,
        }
    }

    /// Its height in lines.
    pub fn rows(mut self, rows: u8) -> Self {
        self.rows = rows;
        self
    }

    /// What helps to fill it.
    pub fn hint(mut self, hint: &'a str) -> Self {
        self.hint = Some(hint);
        self
    }

    /// It may stay empty.
    pub fn optional(mut self) -> Self {
        self.optional = true;
        self
    }

    /// Draws it.
    pub fn markup(&self, lang: Lang, faults: &Faults) -> Markup {
        let id = id_of(self.name);
        let fault = faults.of(self.name);
        html! {
            div.field.field-faulty[fault.is_some()] {
                label for=(id) { (self.label) (optional(lang, self.optional)) }
                (above(&id, self.hint, fault))
                textarea id=(id) name=(self.name) rows=(self.rows) autocomplete="off"
                    aria-describedby=[described_by(&id, self.hint.is_some(), fault.is_some())]
                    // A line feed right after the start of a text area is dropped by browsers; this one is spare.
                    aria-invalid=[fault.map(|_| "true")] { "\n" (self.value) }
            }
        }
    }
}

/// All options in sight, one touch.
#[derive(Debug, Clone, Copy)]
pub enum InSight {}

/// A list of options that opens.
#[derive(Debug, Clone, Copy)]
pub enum InList {}

/// One of several options; `Look` is how they are shown.
#[derive(Debug, Clone)]
pub struct OneOf<'a, Look> {
    name: &'a str,
    label: &'a str,
    options: Vec<(String, String)>,
    chosen: Option<&'a str>,
    hint: Option<&'a str>,
    optional: bool,
    look: PhantomData<Look>,
}

/// One of a few: all of them in sight, one touch.
pub type Choice<'a> = OneOf<'a, InSight>;

/// One of many; an empty option stands before them.
pub type Pick<'a> = OneOf<'a, InList>;

impl<'a, Look> OneOf<'a, Look> {
    /// Options are (value, word).
    pub fn new(name: &'a str, label: &'a str, options: Vec<(String, String)>) -> Self {
        Self {
            name,
            label,
            options,
            chosen: None,
            hint: None,
            optional: false,
            look: PhantomData,
        }
    }

    /// The value that is chosen.
    pub fn chosen(mut self, chosen: Option<&'a str>) -> Self {
        self.chosen = chosen;
        self
    }

    /// What helps to choose.
    pub fn hint(mut self, hint: &'a str) -> Self {
        self.hint = Some(hint);
        self
    }

    /// It may stay open.
    pub fn optional(mut self) -> Self {
        self.optional = true;
        self
    }
}

impl Choice<'_> {
    /// Draws it. The first option carries the id that the error summary links to.
    pub fn markup(&self, lang: Lang, faults: &Faults) -> Markup {
        let id = id_of(self.name);
        let fault = faults.of(self.name);
        let described = described_by(&id, self.hint.is_some(), fault.is_some());
        html! {
            fieldset.field.field-faulty[fault.is_some()] aria-describedby=[described] {
                legend { (self.label) (optional(lang, self.optional)) }
                (above(&id, self.hint, fault))
                div.choices {
                    @for (at, (value, word)) in self.options.iter().enumerate() {
                        label.choice {
                            input id=[(at == 0).then_some(&id)] type="radio" name=(self.name) value=(value)
                                checked[self.chosen == Some(value.as_str())];
                            span { (word) }
                        }
                    }
                }
            }
        }
    }
}

impl Pick<'_> {
    /// Draws it. A value that is no option (of a newer release, or imported) stays choosable.
    pub fn markup(&self, lang: Lang, faults: &Faults) -> Markup {
        let id = id_of(self.name);
        let fault = faults.of(self.name);
        let foreign = self
            .chosen
            .filter(|chosen| !chosen.is_empty() && self.options.iter().all(|(value, _)| value != chosen));
        html! {
            div.field.field-short.field-faulty[fault.is_some()] {
                label for=(id) { (self.label) (optional(lang, self.optional)) }
                (above(&id, self.hint, fault))
                select id=(id) name=(self.name) aria-describedby=[described_by(&id, self.hint.is_some(), fault.is_some())]
                    aria-invalid=[fault.map(|_| "true")] {
                    option value="" selected[self.chosen.is_none()] { (lang.t("pick-none")) }
                    @if let Some(foreign) = foreign { option value=(foreign) selected { (foreign) } }
                    @for (value, word) in &self.options {
                        option value=(value) selected[self.chosen == Some(value.as_str())] { (word) }
                    }
                }
            }
        }
    }
}

/// A box to tick; its value is `yes`.
#[derive(Debug, Clone)]
pub struct Tick<'a> {
    /// Name of the field.
    pub name: &'a str,
    /// The sentence that is true when it is ticked.
    pub label: &'a str,
    /// Whether it is ticked.
    pub ticked: bool,
}

impl Tick<'_> {
    /// Draws it.
    pub fn markup(&self, faults: &Faults) -> Markup {
        let id = id_of(self.name);
        let fault = faults.of(self.name);
        html! {
            div.field.field-faulty[fault.is_some()] {
                @if let Some(fault) = fault { p.fault id={ (id) "-fault" } { (fault) } }
                label.tick {
                    input id=(id) type="checkbox" name=(self.name) value="yes" checked[self.ticked]
                        aria-describedby=[fault.map(|_| format!("{id}-fault"))];
                    span { (self.label) }
                }
            }
        }
    }
}

fn optional(lang: Lang, optional: bool) -> Markup {
    html! { @if optional { span.optional { (lang.t("form-optional")) } } }
}

/// What stands between the label of a field and the field: what helps to fill it, and what is wrong with it.
fn above(id: &str, hint: Option<&str>, fault: Option<&str>) -> Markup {
    html! {
        @if let Some(hint) = hint { p.hint id={ (id) "-hint" } { (hint) } }
        @if let Some(fault) = fault { p.fault id={ (id) "-fault" } { (fault) } }
    }
}

fn described_by(id: &str, hint: bool, fault: bool) -> Option<String> {
    let parts: Vec<String> = [(hint, "hint"), (fault, "fault")]
        .iter()
        .filter(|(is, _)| *is)
        .map(|(_, end)| format!("{id}-{end}"))
        .collect();
    (!parts.is_empty()).then(|| parts.join(" "))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secrets_are_never_drawn_again() {
        for field in [Input::password("p", "密码"), Input::pin("p", "PIN")] {
            assert!(
                !field
                    .value("s3cret")
                    .markup(Lang::Zh, &Faults::none())
                    .into_string()
                    .contains("s3cret")
            );
        }
    }

    #[test]
    fn numbers_use_the_number_keyboard_and_no_spinner() {
        let drawn = Input::digits("n", "脉搏")
            .unit("次/分")
            .markup(Lang::Zh, &Faults::none())
            .into_string();
        assert!(
            drawn.contains("inputmode=\"numeric\"")
                && drawn.contains("type=\"text\"")
                && drawn.contains("次/分")
        );
    }

    #[test]
    fn what_people_typed_is_escaped() {
        let evil = "\"><script>alert(1)</script>";
        let drawn = Input::text("n", "姓名")
            .value(evil)
            .markup(Lang::Zh, &Faults::none())
            .into_string();
        assert!(!drawn.contains("<script>"));
        let drawn = Area::new("n", "主诉", "</textarea><script>")
            .markup(Lang::Zh, &Faults::none())
            .into_string();
        assert!(!drawn.contains("<script>"));
    }

    #[test]
    fn an_unknown_value_stays_choosable() {
        let options = vec![("01".to_owned(), "汉族".to_owned())];
        let drawn = Pick::new("e", "民族", options)
            .chosen(Some("97"))
            .markup(Lang::Zh, &Faults::none())
            .into_string();
        assert!(drawn.contains("<option value=\"97\" selected>97</option>"));
    }
}

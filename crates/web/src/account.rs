//! A person's own password and PIN.

use maud::{Markup, html};
use records::faults::{FaultKind, FieldFault};

use crate::checks::secret_sentence;
use crate::fields::Fields;
use crate::forms::{Faults, Form, Input};
use crate::layout::{Page, heading};
use crate::panels::{Class, panel};
use crate::texts::Lang;

/// Shortest password, in characters: tries are counted, and a tablet is typed on.
const PASSWORD_CHARS_MIN: usize = 8;
/// Longest password, in bytes, as the store hashes.
const PASSWORD_BYTES_MAX: usize = 256;
/// Digits of a PIN.
const PIN_DIGITS: std::ops::RangeInclusive<usize> = 4..=8;

/// What is wrong with a password and a PIN; with `may_be_empty` an empty one means "as it is".
pub fn secret_faults(password: &str, pin: &str, may_be_empty: bool) -> Vec<FieldFault> {
    let mut faults = Vec::new();
    let short = password.chars().count() < PASSWORD_CHARS_MIN || password.len() > PASSWORD_BYTES_MAX;
    if short && !(may_be_empty && password.is_empty()) {
        faults.push(FieldFault::new("password", FaultKind::Impossible));
    }
    let digits = PIN_DIGITS.contains(&pin.len()) && pin.bytes().all(|byte| byte.is_ascii_digit());
    let first = pin.bytes().next().unwrap_or_default();
    let trivial = pin.bytes().all(|byte| byte == first) || "0123456789876543210".contains(pin);
    if (!digits || trivial) && !(may_be_empty && pin.is_empty()) {
        faults.push(FieldFault::new("pin", FaultKind::Impossible));
    }
    faults
}

/// What is wrong with the form of a new password and PIN.
pub fn wanted_faults(lang: Lang, fields: &Fields) -> Faults {
    let mut found = Vec::new();
    if !fields.has("present") {
        found.push(FieldFault::new("present", FaultKind::Missing));
    }
    if !fields.has("password") && !fields.has("pin") {
        found.push(FieldFault::new("password", FaultKind::Missing));
    }
    found.extend(secret_faults(fields.get("password"), fields.get("pin"), true));
    let mut faults = Faults::none();
    for fault in found {
        faults.add(fault.field, secret_sentence(lang, fault));
    }
    if fields.get("password") != fields.get("repeat") {
        faults.add("repeat", lang.t("password-repeat-differs"));
    }
    faults
}

/// The page of a person's own password and PIN, sent to `/account`. `must_change` says that somebody else gave the
/// password, `done` that the form was taken.
pub fn page(lang: Lang, back: &str, must_change: bool, done: bool, faults: &Faults) -> Page {
    let title = lang.t("account-title");
    let body = html! {
        (heading(&title, &html! {}))
        div.narrow.stack {
            @if done { (panel(lang, Class::Done, &lang.t("account-done"), &html! {})) }
            @if must_change { (panel(lang, Class::Must, &lang.t("account-must-change"), &html! {})) }
            section.card { (form(lang, back, faults)) }
        }
    };
    Page::new(title.clone(), body)
}

fn form(lang: Lang, back: &str, faults: &Faults) -> Markup {
    let (present, password) = (lang.t("account-present"), lang.t("account-new-password"));
    let (repeat, pin) = (lang.t("account-repeat"), lang.t("account-new-pin"));
    let (password_hint, pin_hint) = (lang.t("password-hint"), lang.t("pin-hint"));
    let submit = lang.t("save");
    let password = Input::password("password", &password)
        .hint(&password_hint)
        .fills("new-password");
    let fields = html! {
        (Input::password("present", &present).fills("current-password").markup(lang, faults))
        (password.optional().markup(lang, faults))
        (Input::password("repeat", &repeat).fills("new-password").optional().markup(lang, faults))
        (Input::pin("pin", &pin).hint(&pin_hint).fills("new-password").optional().markup(lang, faults))
    };
    let form = Form {
        action: "/account",
        faults: Some(faults),
        submit: &submit,
        back: Some(back),
        ..Form::default()
    };
    form.around(lang, &fields, &html! {})
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn weak_secrets_are_refused() {
        let fields = |password, pin, empty| {
            secret_faults(password, pin, empty)
                .iter()
                .map(|fault| fault.field)
                .collect::<Vec<_>>()
        };
        assert_eq!(fields("long enough", "4827", false), Vec::<&str>::new());
        assert_eq!(fields("short", "1234", false), ["password", "pin"]);
        assert_eq!(fields("long enough", "7777", false), ["pin"]);
        assert_eq!(fields("long enough", "48 27", false), ["pin"]);
        assert_eq!(fields("", "", true), Vec::<&str>::new());
        assert_eq!(fields("", "", false), ["password", "pin"]);
        assert_eq!(fields(&"x".repeat(300), "4827", false), ["password"]);
    }
}

//! Changes that were not taken, as a list: what, whose, since when, why, and what to do. Their text stays readable.

use maud::{Markup, html};
use records::time::{Date, WallTime};
use sync_core::wire::ParkReason;
use web::checks::label;
use web::moments;
use web::texts::Lang;

/// One change that was not taken.
#[derive(Debug, Clone)]
pub struct Aside {
    /// What kind of record it is about.
    pub what: String,
    /// The person it is about: address of their page, and name.
    pub person: Option<(String, String)>,
    /// The clinic that wrote it: its address where there is one, and name.
    pub clinic: Option<(String, String)>,
    /// Since when, in words before the time.
    pub since: String,
    /// The time; `None` where the change does not say it in a readable form.
    pub at: Option<WallTime>,
    /// Why.
    pub reason: ParkReason,
    /// What it had written, a line for each field: name and value. `None` where the reader may not see it.
    pub text: Option<String>,
}

/// Why a change was not taken, and what to do about it.
pub fn reason_words(lang: Lang, reason: ParkReason) -> (String, String) {
    let (why, todo) = match reason {
        ParkReason::Malformed => ("aside-malformed", "aside-malformed-do"),
        ParkReason::WrongActor => ("aside-wrong-actor", "aside-malformed-do"),
        ParkReason::NotAllowed => ("aside-not-allowed", "aside-not-allowed-do"),
        ParkReason::Spoiled => ("aside-spoiled", "aside-again-do"),
        ParkReason::BuildsOnParked => ("aside-builds-on", "aside-builds-on-do"),
        ParkReason::Revoked => ("aside-revoked", "aside-revoked-do"),
        ParkReason::IdTaken => ("aside-id-taken", "aside-again-do"),
        ParkReason::UnknownKind => ("aside-newer", "aside-newer-do"),
        ParkReason::Unknown(number) => {
            let why = lang.t_with("aside-unknown", &[("number", &number.to_string())]);
            return (why, lang.t("aside-newer-do"));
        }
    };
    (lang.t(why), lang.t(todo))
}

/// Draws the list.
pub fn list(lang: Lang, rows: &[Aside], today: Date) -> Markup {
    html! {
        @if rows.is_empty() { p.empty { (lang.t("aside-none")) } }
        @for row in rows {
            @let (why, todo) = reason_words(lang, row.reason);
            section.card.aside-change {
                h2 {
                    (row.what)
                    @if let Some((href, name)) = &row.person { " · " a href=(href) { (name) } }
                }
                dl.pairs {
                    @if let Some((href, name)) = &row.clinic {
                        dt { (lang.t("aside-clinic")) } dd { a href=(href) { (name) } }
                    }
                    dt { (row.since) } dd.num { @match row.at {
                        Some(at) => (moments::day_and_clock(lang, at, today)),
                        None => (lang.t("unknown")),
                    } }
                    dt { (lang.t("aside-why")) } dd { (why) }
                    dt { (lang.t("aside-do")) } dd { (todo) }
                }
                @if let Some(text) = row.text.as_deref().filter(|text| !text.is_empty()) {
                    details { summary { (lang.t("aside-text")) } (written(lang, text)) }
                }
            }
        }
    }
}

/// The lines of a change, each under the words of its field.
fn written(lang: Lang, text: &str) -> Markup {
    html! {
        dl.pairs { @for line in text.lines() {
            @let (path, value) = line.split_once(": ").unwrap_or(("", line));
            dt { (label(lang, path.rsplit('.').next().unwrap_or_default())) }
            dd { (value) }
        } }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_reason_says_why_and_what_to_do() {
        for lang in Lang::ALL {
            for number in 1..=9 {
                let reason = ParkReason::from_number(number);
                let (why, todo) = reason_words(lang, reason);
                assert!(!why.contains('⟦') && !todo.contains('⟦'), "{reason:?}");
                assert!(
                    lang == Lang::En || !why.contains(reason.word()),
                    "{reason:?} shows its word"
                );
            }
        }
        assert!(reason_words(Lang::Zh, ParkReason::Unknown(77)).0.contains("77"));
    }
}

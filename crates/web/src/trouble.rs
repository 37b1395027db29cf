//! What a page says when something cannot be done: a plain sentence, what to do next, and for faults of our own
//! a number that stands in the log.
//!
//! A handler returns a [`Trouble`]; the outer layer of [`crate::guard`] knows the language and draws the page.

use std::hash::{BuildHasher, Hasher, RandomState};
use std::sync::LazyLock;
use std::sync::atomic::{AtomicU32, Ordering};

use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use maud::{Markup, html};

use crate::icons::Icon;
use crate::layout::{self, Screen};
use crate::texts::Lang;

/// Why a request got no answer of the ordinary kind.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Trouble {
    /// There is nothing at this address.
    NotFound,
    /// The role of the person does not allow it.
    Forbidden,
    /// Nobody is signed in.
    SignInNeeded,
    /// The request came from another site.
    ForeignSite,
    /// The request cannot be read.
    Unreadable,
    /// The page knows no such way of asking.
    WrongMethod,
    /// More was sent than the page takes.
    TooLarge,
    /// Too many tries.
    TooMany {
        /// Seconds until the next try is allowed.
        wait: u64,
    },
    /// It took too long.
    TooSlow,
    /// The disk is full; nothing of the request was saved.
    DiskFull,
    /// The disk takes no writes; nothing of the request was saved.
    ReadOnly,
    /// The record changed since the page was opened.
    Stale,
    /// A fault of ours, logged under this number.
    Broken(FaultNumber),
}

/// The number of a fault, the same on the screen and in the log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FaultNumber(String);

impl FaultNumber {
    /// The next number of this process: four signs that differ between starts, and a count.
    fn next() -> Self {
        static START: LazyLock<u16> =
            LazyLock::new(|| u16::try_from(RandomState::new().build_hasher().finish() & 0xffff).unwrap_or(0));
        static COUNT: AtomicU32 = AtomicU32::new(1);
        Self(format!(
            "{:04X}-{}",
            *START,
            COUNT.fetch_add(1, Ordering::Relaxed)
        ))
    }
}

impl std::fmt::Display for FaultNumber {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

impl Trouble {
    /// A fault of ours: logs its cause under a new number. The text of `fault` must hold no personal data.
    pub fn broken(fault: &dyn std::error::Error) -> Self {
        let number = FaultNumber::next();
        let mut causes = fault.to_string();
        let mut next = fault.source();
        while let Some(cause) = next {
            causes.push_str(": ");
            causes.push_str(&cause.to_string());
            next = cause.source();
        }
        tracing::error!(number = %number, cause = %causes, "a request failed");
        Self::Broken(number)
    }

    /// A panic that was caught. Its message is not logged: it may quote what a person entered.
    pub(crate) fn panicked() -> Self {
        let number = FaultNumber::next();
        tracing::error!(number = %number, "a request panicked");
        Self::Broken(number)
    }

    /// The trouble that an answer's status tells, for answers that say nothing more.
    pub(crate) fn of_status(status: StatusCode) -> Option<Self> {
        match status.as_u16() {
            401 => Some(Self::SignInNeeded),
            403 => Some(Self::Forbidden),
            404 => Some(Self::NotFound),
            405 => Some(Self::WrongMethod),
            408 | 504 => Some(Self::TooSlow),
            413 => Some(Self::TooLarge),
            429 => Some(Self::TooMany { wait: 60 }),
            400 | 415 | 422 => Some(Self::Unreadable),
            500..=599 => Some(Self::Broken(FaultNumber::next())),
            _ => None,
        }
    }

    /// The status of the answer.
    pub fn status(&self) -> StatusCode {
        match self {
            Self::NotFound => StatusCode::NOT_FOUND,
            Self::Forbidden | Self::ForeignSite => StatusCode::FORBIDDEN,
            Self::SignInNeeded => StatusCode::UNAUTHORIZED,
            Self::Unreadable => StatusCode::BAD_REQUEST,
            Self::WrongMethod => StatusCode::METHOD_NOT_ALLOWED,
            Self::TooLarge => StatusCode::PAYLOAD_TOO_LARGE,
            Self::TooMany { .. } => StatusCode::TOO_MANY_REQUESTS,
            Self::TooSlow => StatusCode::SERVICE_UNAVAILABLE,
            Self::DiskFull | Self::ReadOnly => StatusCode::INSUFFICIENT_STORAGE,
            Self::Stale => StatusCode::CONFLICT,
            Self::Broken(_) => StatusCode::INTERNAL_SERVER_ERROR,
        }
    }

    /// What happened, in a few words.
    pub fn title(&self, lang: Lang) -> String {
        match self {
            Self::NotFound => lang.t("trouble-not-found"),
            Self::Forbidden => lang.t("trouble-forbidden"),
            Self::SignInNeeded => lang.t("trouble-sign-in"),
            Self::ForeignSite => lang.t("trouble-foreign-site"),
            Self::Unreadable | Self::WrongMethod => lang.t("trouble-unreadable"),
            Self::TooLarge => lang.t("trouble-too-large"),
            Self::TooMany { .. } => lang.t("trouble-too-many"),
            Self::TooSlow => lang.t("trouble-too-slow"),
            Self::DiskFull => lang.t("trouble-disk-full"),
            Self::ReadOnly => lang.t("trouble-read-only"),
            Self::Stale => lang.t("trouble-stale"),
            Self::Broken(_) => lang.t("trouble-broken"),
        }
    }

    /// What the person can do now, and whether anything was saved.
    pub fn advice(&self, lang: Lang) -> String {
        match self {
            Self::NotFound => lang.t("trouble-not-found-do"),
            Self::Forbidden => lang.t("trouble-forbidden-do"),
            Self::SignInNeeded => lang.t("trouble-sign-in-do"),
            Self::ForeignSite => lang.t("trouble-foreign-site-do"),
            Self::Unreadable | Self::WrongMethod => lang.t("trouble-unreadable-do"),
            Self::TooLarge => lang.t("trouble-too-large-do"),
            Self::TooMany { wait } => lang.t_n("trouble-too-many-do", *wait),
            Self::TooSlow => lang.t("trouble-too-slow-do"),
            Self::DiskFull => lang.t("trouble-disk-full-do"),
            Self::ReadOnly => lang.t("trouble-read-only-do"),
            Self::Stale => lang.t("trouble-stale-do"),
            Self::Broken(_) => lang.t("trouble-broken-do"),
        }
    }

    /// The trouble as a panel inside a page.
    pub fn panel(&self, lang: Lang) -> Markup {
        html! {
            section.panel.panel-fault role="alert" {
                h2 { (self.title(lang)) }
                p { (self.advice(lang)) }
                @if let Self::Broken(number) = self { p.fault-number { (lang.t("trouble-number")) " " strong { (number) } } }
            }
        }
    }

    /// The trouble as a page of its own.
    pub fn page(&self, lang: Lang) -> Markup {
        let body = html! {
            div.trouble {
                h1 { (self.title(lang)) }
                p.lead { (self.advice(lang)) }
                @if let Self::Broken(number) = self {
                    p.fault-number { (lang.t("trouble-number")) " " strong { (number) } }
                }
                p.actions {
                    @if matches!(self, Self::SignInNeeded) {
                        a.button.button-main href="/sign-in" { (Icon::Person.svg()) (lang.t("sign-in-title")) }
                    } @else {
                        a.button.button-main href="/" { (Icon::Today.svg()) (lang.t("trouble-home")) }
                    }
                }
            }
        };
        layout::bare_page(lang, Screen::Tablet, &self.title(lang), true, &body)
    }

    /// The answer to a request with these headers: a page, or only the panel where a script asked for a part.
    pub(crate) fn answer(&self, lang: Lang, asked: &HeaderMap) -> Response {
        let markup = if asked.contains_key("hx-request") {
            self.panel(lang)
        } else {
            self.page(lang)
        };
        let mut response = (self.status(), markup).into_response();
        if let Self::TooMany { wait } = self {
            response.headers_mut().insert("retry-after", (*wait).into());
        }
        response
    }
}

impl IntoResponse for Trouble {
    /// Only the status and the trouble itself: the outer layer draws the page in the right language.
    fn into_response(self) -> Response {
        let mut response = self.status().into_response();
        response.extensions_mut().insert(self);
        response
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fault_carries_one_number_for_screen_and_log() {
        let Trouble::Broken(first) = Trouble::broken(&std::fmt::Error) else {
            panic!("not a fault")
        };
        let page = Trouble::Broken(first.clone()).page(Lang::Zh).into_string();
        assert!(page.contains(&first.to_string()));
        assert_ne!(FaultNumber::next(), FaultNumber::next());
    }

    #[test]
    fn each_status_of_an_error_leads_to_a_sentence() {
        for code in 400..600 {
            let status = StatusCode::from_u16(code).unwrap();
            if let Some(trouble) = Trouble::of_status(status) {
                assert!(!trouble.advice(Lang::En).contains('⟦'), "{code}");
                assert!(trouble.status().as_u16() >= 400);
            }
        }
    }
}

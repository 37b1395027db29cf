//! The page that leads to everything that is not daily work, and the help page with the versions in force.

use axum::response::Response;
use maud::{Markup, html};
use records::staff::Action;
use shell::errors::Page as Answer;
use web::icons::Icon;
use web::layout::{Page, heading};

use crate::pages::start_pin;
use crate::pages::visitor::Visitor;

/// `GET /more`.
pub async fn page(visitor: Visitor) -> Answer {
    let lang = visitor.lang;
    let title = lang.t("more-title");
    let entries = [
        (
            Some(Action::SeeLink),
            "/status",
            Icon::Heart,
            lang.t("more-status"),
            lang.t("more-status-about"),
        ),
        (
            Some(Action::ManageStaff),
            "/staff",
            Icon::People,
            lang.t("more-staff"),
            lang.t("more-staff-about"),
        ),
        (
            Some(Action::ReadAudit),
            "/audit",
            Icon::Shield,
            lang.t("more-audit"),
            lang.t("more-audit-about"),
        ),
        (
            Some(Action::ExchangeResidents),
            "/residents",
            Icon::Download,
            lang.t("more-residents"),
            lang.t("more-residents-about"),
        ),
        (
            Some(Action::ManageClinic),
            "/keeping",
            Icon::Download,
            lang.t("keeping-title"),
            lang.t("keeping-about"),
        ),
        (
            Some(Action::ManageClinic),
            start_pin::PATH,
            Icon::Lock,
            lang.t("start-pin"),
            lang.t("more-start-pin-about"),
        ),
        (
            Some(Action::ManageDevices),
            "/checkup",
            Icon::Check,
            lang.t("checkup-title"),
            lang.t("more-checkup-about"),
        ),
        (
            None,
            "/setup",
            Icon::Device,
            lang.t("more-tablets"),
            lang.t("more-tablets-about"),
        ),
        (
            None,
            "/account",
            Icon::Lock,
            lang.t("more-account"),
            lang.t("more-account-about"),
        ),
        (
            None,
            "/help",
            Icon::Note,
            lang.t("more-help"),
            lang.t("more-help-about"),
        ),
    ];
    // Only a box whose data a person opens has one.
    let has_pin = visitor.state.door().is_some();
    let body = html! {
        (heading(&title, &html! {}))
        ul.lines {
            @for (action, href, icon, label, about) in &entries {
                @if action.is_none_or(|action| visitor.may(action)) && (has_pin || *href != start_pin::PATH) {
                    li { a.line-row href=(href) { span.line-main { (icon.svg()) span.line-name { (label) } span.line-sub { (about) } } } }
                }
            }
        }
    };
    visitor.page(&Page::new(title.clone(), body)).await
}

/// `GET /help`.
pub async fn help(visitor: Visitor) -> Answer<Response> {
    let lang = visitor.lang;
    let title = lang.t("help-title");
    let topics = [
        (lang.t("help-find"), lang.t("help-find-do")),
        (lang.t("help-register"), lang.t("help-register-do")),
        (lang.t("help-measure"), lang.t("help-measure-do")),
        (lang.t("help-visit"), lang.t("help-visit-do")),
        (lang.t("help-tray"), lang.t("help-tray-do")),
        (lang.t("help-offline"), lang.t("help-offline-do")),
        (lang.t("help-start-pin"), lang.t("help-start-pin-do")),
    ];
    let body = html! {
        (heading(&title, &html! {}))
        div.columns {
            section.card.stack {
                @for (topic, words) in &topics { div { h2 { (topic) } p { (words) } } }
            }
            section.card { h2 { (lang.t("help-versions")) } (versions(&visitor).await?) }
        }
    };
    visitor.page(&Page::new(title.clone(), body)).await
}

async fn versions(visitor: &Visitor) -> Answer<Markup> {
    let lang = visitor.lang;
    let store = &visitor.state.store;
    let clinic = store
        .clinic()
        .await?
        .map(|code| code.to_string())
        .unwrap_or_else(|| lang.t("unknown"));
    let words = visitor.state.lan.as_ref().as_ref().map(|lan| lan.words.join(" "));
    Ok(html! {
        dl.pairs {
            dt { (lang.t("help-program")) } dd.num { (env!("CARGO_PKG_VERSION")) }
            dt { (lang.t("help-tables")) } dd.num { (records::tables::VERSION) }
            dt { (lang.t("help-clinic")) } dd.num { (clinic) }
            dt { (lang.t("help-device")) } dd.num { (store.device()) }
            @if let Some(words) = words { dt { (lang.t("help-words")) } dd { (words) } }
            dt { (lang.t("help-licence")) } dd { "Apache-2.0" }
        }
    })
}

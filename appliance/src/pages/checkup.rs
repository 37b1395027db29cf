//! The acceptance test: begins it, shows the sheet, prints it for the technician's and the clinic's signatures.

use std::path::PathBuf;

use axum::response::Response;
use maud::{Markup, html};
use shell::errors::Page as Answer;
use web::fields::Fields;
use web::forms::{Faults, Pick};
use web::icons::Icon;
use web::layout::{Page, heading};
use web::moments;
use web::panels::{Class, panel};
use web::texts::Lang;
use web::trouble::Trouble;

use crate::checkup::{self, DEGREES_MAX, Finding, Item, MEGABYTES_MIN, MILLISECONDS_MAX, Sheet, Verdict};
use crate::pages::visitor::{Visitor, go_to};

/// `GET /checkup`.
pub async fn page(visitor: Visitor) -> Answer {
    let facts = facts(&visitor).await?;
    if visitor.part {
        return visitor.part(facts);
    }
    let title = visitor.t("checkup-title");
    let body = html! { (heading(&title, &html! {})) (facts) };
    visitor.page(&Page::new(title.clone(), body)).await
}

/// `POST /checkup`: begins an acceptance test, with the test plug in a port where one is named.
pub async fn begin(visitor: Visitor, fields: Fields) -> Answer<Response> {
    let wanted = fields.get("port");
    let plug = match wanted {
        "" => None,
        name => {
            let known = |path: &PathBuf| path.as_os_str() == name;
            Some(
                checkup::ports()
                    .into_iter()
                    .find(known)
                    .ok_or(Trouble::Unreadable)?,
            )
        }
    };
    visitor.state.checkup.begin(&visitor.state, plug);
    go_to("/checkup")
}

async fn facts(visitor: &Visitor) -> Answer<Markup> {
    let lang = visitor.lang;
    let (running, sheet) = visitor.state.checkup.now();
    let place = crate::pages::place(&visitor.state, lang).await?;
    // Nobody tells of its end: while it runs the page looks again by itself.
    let renews = if running {
        "every 2s, live-tick from:body"
    } else {
        "live-tick from:body"
    };
    Ok(html! {
        div.stack #checkup hx-get="/checkup" hx-trigger=(renews) hx-swap="outerHTML" hx-sync="this:replace" {
            section.card.stack.no-print {
                p { (lang.t("checkup-about")) }
                (form(lang, running))
            }
            @if let Some(sheet) = &sheet { (printed(visitor, &place, sheet)) }
        }
    })
}

fn form(lang: Lang, running: bool) -> Markup {
    let label = lang.t("checkup-port");
    let ports = checkup::ports();
    let mut options = vec![(String::new(), lang.t("checkup-port-none"))];
    options.extend(ports.iter().map(|port| {
        let name = port.display().to_string();
        (name.clone(), name)
    }));
    html! {
        form.form method="post" action="/checkup" {
            @if !ports.is_empty() {
                (Pick::new("port", &label, options).chosen(Some("")).markup(lang, &Faults::none()))
                p.quiet { (lang.t("checkup-port-about")) }
            }
            div.form-foot {
                button.button.button-main type="submit" disabled[running] { (lang.t("checkup-go")) }
                @if running { p.tag.tag-note role="status" { (lang.t("checkup-running")) } }
            }
        }
    }
}

fn printed(visitor: &Visitor, place: &str, sheet: &Sheet) -> Markup {
    let lang = visitor.lang;
    let at = format!("{} {}", sheet.at.china_date(), moments::clock(sheet.at));
    let failed = sheet.failed();
    let (class, words) = if failed == 0 {
        (Class::Done, lang.t("checkup-all-good"))
    } else {
        (Class::Warning, lang.t_n("checkup-failed", failed as u64))
    };
    html! {
        (panel(lang, class, &words, &html! {}))
        section.card.stack {
            h2 { (lang.t("checkup-sheet")) }
            dl.pairs {
                dt { (lang.t("checkup-place")) } dd { (place) }
                dt { (lang.t("help-device")) } dd.num { (visitor.state.store.device()) }
                dt { (lang.t("help-program")) } dd.num { (env!("CARGO_PKG_VERSION")) }
                dt { (lang.t("checkup-at")) } dd.num { (at) }
            }
            div.scroll { table.table {
                thead { tr {
                    th scope="col" { (lang.t("checkup-item")) }
                    th scope="col" { (lang.t("checkup-verdict")) }
                    th scope="col" { (lang.t("checkup-measured")) }
                    th scope="col" { (lang.t("checkup-wanted")) }
                } }
                tbody { @for finding in &sheet.findings { (row(lang, finding)) } }
            } }
            dl.pairs.print-only {
                dt { (lang.t("checkup-signed-technician")) } dd { "____________________" }
                dt { (lang.t("checkup-signed-clinic")) } dd { "____________________" }
            }
            p.actions.no-print { button.button type="button" data-print="" { (Icon::Print.svg()) (lang.t("print")) } }
        }
    }
}

fn row(lang: Lang, finding: &Finding) -> Markup {
    let measured = lang.t_with(finding.text, &[("value", &finding.value)]);
    let (tag, verdict) = match finding.verdict {
        Verdict::Pass => ("tag tag-good", "checkup-pass"),
        Verdict::Fail => ("tag tag-bad", "checkup-fail"),
        Verdict::NotHere => ("tag", "checkup-not-here"),
    };
    html! {
        tr {
            th scope="row" { (lang.t(name(finding.item))) }
            td { span class=(tag) { (lang.t(verdict)) } }
            td { (measured) }
            td { (wanted(lang, finding.item)) }
        }
    }
}

fn name(item: Item) -> &'static str {
    match item {
        Item::LongWrite => "checkup-item-long",
        Item::SmallWrite => "checkup-item-small",
        Item::Wear => "checkup-item-wear",
        Item::Room => "checkup-item-room",
        Item::Clock => "checkup-item-clock",
        Item::Power => "checkup-item-power",
        Item::Heat => "checkup-item-heat",
        Item::Radio => "checkup-item-radio",
        Item::Loopback => "checkup-item-loopback",
        Item::Devices => "checkup-item-devices",
        Item::Backup => "checkup-item-backup",
        Item::Hub => "checkup-item-hub",
    }
}

/// What is wanted of it, in words.
fn wanted(lang: Lang, item: Item) -> String {
    let limit = |text: &str, value: f64| lang.t_with(text, &[("value", &format!("{value:.0}"))]);
    match item {
        Item::LongWrite => limit("checkup-want-long", MEGABYTES_MIN),
        Item::SmallWrite => limit("checkup-want-small", MILLISECONDS_MAX),
        Item::Wear => lang.t("checkup-want-wear"),
        Item::Room => lang.t("checkup-want-room"),
        Item::Clock => lang.t("checkup-want-clock"),
        Item::Power => lang.t("checkup-want-power"),
        Item::Heat => limit("checkup-want-heat", DEGREES_MAX),
        Item::Radio => lang.t("checkup-want-radio"),
        Item::Loopback => lang.t("checkup-want-loopback"),
        Item::Devices => lang.t("checkup-want-devices"),
        Item::Backup => lang.t("checkup-want-backup"),
        Item::Hub => lang.t("checkup-want-hub"),
    }
}

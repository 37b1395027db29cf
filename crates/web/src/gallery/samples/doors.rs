//! Doors, the status page, panels.

use maud::{Markup, html};

use super::tablet;
use crate::forms::Faults;
use crate::layout::{Page, Screen};
use crate::light::StatusLight;
use crate::panels::{self, Class};
use crate::sign_in::{self, SignInView, UnlockView};
use crate::status::{Guide, Level, StateRow, states};
use crate::texts::Lang;
use crate::trouble::Trouble;

pub(super) fn sign_in_page(lang: Lang) -> Markup {
    let faults = Faults::none();
    sign_in::page(
        lang,
        &SignInView {
            screen: Screen::Tablet,
            place: "石桥村卫生室",
            user: "",
            next: "/",
            faults: &faults,
            note: None,
        },
    )
}

pub(super) fn sign_in_faulty(lang: Lang) -> Markup {
    let mut faults = Faults::none();
    faults.add(
        "password",
        if lang == Lang::Zh {
            "密码不对，还可以试 4 次"
        } else {
            "Wrong password, 4 tries left"
        },
    );
    sign_in::page(
        lang,
        &SignInView {
            screen: Screen::Tablet,
            place: "石桥村卫生室",
            user: "李医生",
            next: "/",
            faults: &faults,
            note: None,
        },
    )
}

pub(super) fn unlock_page(lang: Lang) -> Markup {
    let faults = Faults::none();
    sign_in::unlock_page(
        lang,
        &UnlockView {
            screen: Screen::Tablet,
            place: "石桥村卫生室",
            user: "李医生",
            next: "/",
            faults: &faults,
        },
    )
}

pub(super) fn status_page(lang: Lang) -> Markup {
    let row = |level, title: &str, words: &str| StateRow::new(level, title.into(), words.into());
    let guide = Guide {
        todo: lang.t("alarm-repaired-do"),
        who: lang.t_with("alarm-who", &[("who", &lang.t("alarm-who-technician"))]),
        reference: Some("3f9a2c10".into()),
    };
    let rows = [
        row(Level::Good, "SQLite", "12.4 GB"),
        row(Level::Known, "https://hub", "14"),
        row(Level::Bad, "COM3", "Omron HBP-9030").guided(guide),
    ];
    let qr = crate::qr::code(&crate::qr::wifi("clinic", "12345678"), "Wi-Fi").unwrap();
    let body = html! { h1 { (StatusLight::Unreached { kept: 14 }.words(lang)) } div.columns { div.card { (states(&rows)) } div.card { (qr) } } };
    tablet(lang, "/status", &Page::new("status", body))
}

pub(super) fn panels_page(lang: Lang) -> Markup {
    let body = html! {
        h1 { (lang.t("panel-warning")) }
        div.stack {
            @for class in [Class::Warning, Class::Forbidden, Class::Must, Class::Done] {
                (panels::panel(lang, class, &lang.t("withdrawn"), &html! { p { (lang.t("doubt-do")) } }))
            }
            (Trouble::DiskFull.panel(lang))
        }
    };
    tablet(lang, "/x", &Page::new("panels", body))
}

pub(super) fn trouble_page(lang: Lang) -> Markup {
    Trouble::broken(&std::fmt::Error).page(lang)
}

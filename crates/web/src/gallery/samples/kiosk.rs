//! The screens of the kiosk.

use maud::{Markup, html};

use crate::icons::Icon;
use crate::layout;
use crate::texts::Lang;

pub(super) fn kiosk_start(lang: Lang) -> Markup {
    let word = |zh: &str, en: &str| {
        if lang == Lang::Zh {
            zh.to_owned()
        } else {
            en.to_owned()
        }
    };
    let body = html! {
        div.kiosk-picture.kiosk-card-here aria-hidden="true" { (Icon::Card.svg()) }
        h1 { (word("请把身份证放在读卡区", "Put your ID card on the reader")) }
        p.kiosk-sentence { (word("屏幕显示您的姓名后，请坐好。", "Sit down when the screen shows your name.")) }
        (layout::language_switch(lang, "/kiosk"))
    };
    layout::kiosk_page(lang, "石桥村卫生室", "kiosk", &body, None)
}

pub(super) fn kiosk_choose(lang: Lang) -> Markup {
    let word = |zh: &str, en: &str| {
        if lang == Lang::Zh {
            zh.to_owned()
        } else {
            en.to_owned()
        }
    };
    let body = html! {
        h1 { (word("您想测什么？", "What would you like to measure?")) }
        div.kiosk-choices {
            form { button.button.button-go type="button" { (Icon::Heart.svg()) span { (word("量血压", "Blood pressure")) } } }
            form { button.button.button-go type="button" { (Icon::Trace.svg()) span { (word("做心电图", "ECG")) } } }
            form { button.button.button-back type="button" { (word("离开", "Leave")) } }
        }
    };
    layout::kiosk_page(lang, "石桥村卫生室", "kiosk", &body, Some("/kiosk/clear"))
}

pub(super) fn kiosk_result(lang: Lang) -> Markup {
    let word = |zh: &str, en: &str| {
        if lang == Lang::Zh {
            zh.to_owned()
        } else {
            en.to_owned()
        }
    };
    let body = html! {
        h1 { (word("您的血压", "Your blood pressure")) }
        p.kiosk-value { strong { "138/86" } " " span.unit { "mmHg" } }
        p.kiosk-word.word-normal { "● " (word("正常", "Normal")) }
        div.kiosk-choices {
            form { button.button.button-go type="button" { (word("再测一次", "Again")) } }
            form { button.button.button-back type="button" { (word("完成", "Done")) } }
        }
    };
    layout::kiosk_page(lang, "石桥村卫生室", "kiosk", &body, Some("/kiosk/clear"))
}

//! What pages say about bays: devices, lines, what is going on, why something is refused.

use device_drivers::catalogue::Measures;
use device_drivers::session::LinkState;
use maud::{Markup, html};
use web::texts::Lang;

use crate::bays::shown::Word;
use crate::bays::{BayRefusal, BayView, Doing};

/// What a device measures, in words.
pub fn kind(lang: Lang, measures: Measures) -> String {
    match measures {
        Measures::BloodPressure => lang.t("device-blood-pressure"),
        Measures::Ecg => lang.t("device-ecg"),
        Measures::IdentityCard => lang.t("device-id-card"),
        Measures::SurfaceTemperature => lang.t("device-surface-thermometer"),
    }
}

/// The state of the line to a device, as a tag.
pub fn link_tag(lang: Lang, link: &LinkState) -> Markup {
    let words = link_words(lang, link);
    match link {
        LinkState::Connected => html! { span.tag.tag-good { "● " (words) } },
        LinkState::Silent { .. } => html! { span.tag.tag-warn { "▲ " (words) } },
        LinkState::Gone
        | LinkState::Busy { .. }
        | LinkState::Ambiguous { .. }
        | LinkState::Denied
        | LinkState::Unusable => html! { span.tag.tag-bad { "■ " (words) } },
    }
}

/// The state of the line to a device, in words.
pub fn link_words(lang: Lang, link: &LinkState) -> String {
    match link {
        LinkState::Connected => lang.t("link-connected"),
        LinkState::Silent { since } => lang.t_n("link-silent", since.as_secs()),
        LinkState::Gone => lang.t("link-gone"),
        LinkState::Busy { by: Some(program) } => lang.t_with("link-busy-by", &[("program", program)]),
        LinkState::Busy { by: None } => lang.t("link-busy"),
        LinkState::Ambiguous { .. } => lang.t("link-ambiguous"),
        LinkState::Denied => lang.t("link-denied"),
        LinkState::Unusable => lang.t("link-unusable"),
    }
}

pub(super) fn doing(lang: Lang, bay: &BayView) -> String {
    match bay.doing {
        Doing::Measuring { seconds } => lang.t_n("bay-measuring", seconds),
        Doing::Watching => lang.t("bay-watching"),
        Doing::Recording { percent } => lang.t_n("bay-recording", percent),
        Doing::Idle if bay.session.is_some() => lang.t("bay-waiting"),
        Doing::Idle => lang.t("bay-idle"),
    }
}

pub(super) fn refusal_word(refusal: BayRefusal) -> &'static str {
    match refusal {
        BayRefusal::NoBay => "no-bay",
        BayRefusal::NotForPatients => "not-for-patients",
        BayRefusal::NotConnected => "not-connected",
        BayRefusal::StartedAtDevice => "at-device",
        BayRefusal::NoSession => "no-session",
        BayRefusal::Busy => "busy",
    }
}

pub(super) fn refusal_words(lang: Lang, word: &str) -> Option<String> {
    match word {
        "no-bay" => Some(lang.t("refused-no-bay")),
        "not-for-patients" => Some(lang.t("refused-not-for-patients")),
        "not-connected" => Some(lang.t("refused-not-connected")),
        "at-device" => Some(lang.t("refused-at-device")),
        "no-session" => Some(lang.t("refused-no-session")),
        "busy" => Some(lang.t("refused-busy")),
        _ => None,
    }
}

pub(super) fn word(lang: Lang, word: Word) -> String {
    match word {
        Word::Normal => lang.t("result-normal"),
        Word::High => lang.t("result-high"),
        Word::Low => lang.t("result-low"),
        Word::SeeDoctor => lang.t("result-critical"),
        Word::Recorded => lang.t("result-recorded"),
    }
}

/// Words of the log that are known; codes of devices stand as they are.
pub(super) fn log_word(lang: Lang, word: &str) -> String {
    match word {
        "opened" => lang.t("log-opened"),
        "closed" => lang.t("log-closed"),
        "started" => lang.t("log-started"),
        "stopped" => lang.t("log-stopped"),
        "reading" => lang.t("log-reading"),
        "recording" => lang.t("log-recording"),
        "out_of_range" => lang.t("log-out-of-range"),
        "device_error" | "error" => lang.t("log-device-error"),
        "reject" => lang.t("log-reject"),
        "card" => lang.t("log-card"),
        "doctor" => lang.t("log-doctor"),
        "attached" => lang.t("log-attached"),
        "finished" => lang.t("log-finished"),
        "replaced" => lang.t("log-replaced"),
        "card_lifted" => lang.t("log-card-lifted"),
        "timed_out" => lang.t("log-timed-out"),
        "ended" => lang.t("log-ended"),
        "device_gone" => lang.t("log-device-gone"),
        "connected" => lang.t("link-connected"),
        "gone" => lang.t("link-gone"),
        "busy" => lang.t("link-busy"),
        "ambiguous" => lang.t("link-ambiguous"),
        "denied" => lang.t("link-denied"),
        "unusable" => lang.t("link-unusable"),
        "silent" => lang.t("log-silent"),
        other => crate::pages::tray::reason_of_word(lang, other).unwrap_or_else(|| other.to_owned()),
    }
}

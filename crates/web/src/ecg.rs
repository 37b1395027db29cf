//! ECG pages: a recording true to scale with its facts, and the running trace. Facts only, never a diagnosis.

use maud::{Markup, html};
use records::time::{Date, WallTime};

use crate::icons::Icon;
use crate::moments;
use crate::panels::{self, Class};
use crate::texts::Lang;

/// A recording as its page shows it.
#[derive(Debug, Clone)]
pub struct RecordingView<'a> {
    /// When it was taken.
    pub taken: WallTime,
    /// Today, for the words of the time.
    pub today: Date,
    /// The recorder, as the catalogue names it.
    pub device: &'a str,
    /// Heart rate measured from the R peaks, per minute; `None` where it cannot be measured.
    pub heart_rate: Option<i64>,
    /// Length in tenths of a second.
    pub tenths_of_second: i64,
    /// Samples a second.
    pub fs_hz: u32,
    /// Places where samples were lost.
    pub gaps: usize,
    /// Leads in which the recorder ran against its limit.
    pub clipped: &'a [String],
    /// Who withdrew it and why, where somebody did.
    pub withdrawn: Option<&'a str>,
    /// Whether the samples have arrived here; without them only the facts are shown.
    pub paper: Option<&'a Markup>,
    /// Address of a PDF at true size, where the box makes one.
    pub pdf: Option<&'a str>,
    /// Whether it comes from the synthetic heart of a demonstration.
    pub synthetic: bool,
}

/// Draws a recording. The paper is an SVG whose lengths are in mm: 25 mm/s, 10 mm/mV.
pub fn recording(lang: Lang, view: &RecordingView<'_>) -> Markup {
    html! {
        section.card.stack.ecg-print aria-labelledby="ecg-title" {
            div.card-head {
                h1 #ecg-title { (lang.t("ecg-title")) " " (moments::day_and_clock(lang, view.taken, view.today)) }
                div.actions.no-print {
                    @if let Some(pdf) = view.pdf { a.button href=(pdf) { (Icon::Print.svg()) (lang.t("ecg-pdf")) } }
                    button.button type="button" data-print="" { (Icon::Print.svg()) (lang.t("print")) }
                }
            }
            @if let Some(withdrawn) = view.withdrawn {
                (panels::panel(lang, Class::Forbidden, &lang.t("withdrawn"), &html! { p { (withdrawn) } }))
            }
            (facts(lang, view))
            @if view.gaps > 0 {
                (panels::panel(lang, Class::Warning, &lang.t_n("ecg-gaps", view.gaps), &html! { p { (lang.t("ecg-gaps-do")) } }))
            }
            @if !view.clipped.is_empty() {
                @let leads = view.clipped.join(" ");
                (panels::panel(lang, Class::Warning, &lang.t_with("ecg-clipped", &[("leads", &leads)]), &html! { p { (lang.t("ecg-clipped-do")) } }))
            }
            @match view.paper {
                Some(paper) => div.ecg-paper tabindex="0" role="group" aria-label=(lang.t("ecg-paper-label")) { (paper) },
                None => p.empty { (lang.t("ecg-not-here")) },
            }
            p.quiet.small { (lang.t("ecg-no-diagnosis")) }
        }
    }
}

fn facts(lang: Lang, view: &RecordingView<'_>) -> Markup {
    let seconds = format!("{}.{}", view.tenths_of_second / 10, view.tenths_of_second % 10);
    html! {
        div.ecg-legend {
            span { (lang.t("ecg-rate")) " " @match view.heart_rate {
                Some(rate) => strong.num { (rate) span.unit { (lang.t("unit-per-minute")) } },
                None => strong { (lang.t("ecg-rate-none")) },
            } }
            span { "25 mm/s · 10 mm/mV" }
            span.num { (seconds) " s · " (view.fs_hz) " Hz" }
            span { (view.device) }
            @if view.synthetic { span.tag.tag-note { (lang.t("demo-data")) } }
        }
    }
}

/// The running trace of a recorder, over the socket at `src`.
pub fn live(lang: Lang, src: &str) -> Markup {
    html! {
        ecg-live src=(src) data-state="waiting" word-waiting=(lang.t("ecg-state-waiting")) word-contact=(lang.t("ecg-state-contact"))
            word-running=(lang.t("ecg-state-running")) word-frozen=(lang.t("ecg-state-frozen")) word-lost=(lang.t("ecg-state-lost")) {
            div.ecg-bar {
                span.ecg-state role="status" { (lang.t("ecg-state-waiting")) }
                span { (lang.t("ecg-rate")) " " span.ecg-rate { "—" } span.unit { (lang.t("unit-per-minute")) } }
                span.quiet { "25 mm/s · 10 mm/mV" }
                button.button type="button" data-freeze="" aria-pressed="false" { (lang.t("ecg-freeze")) }
            }
            canvas role="img" aria-label=(lang.t("ecg-live-label")) {}
            noscript { p { (lang.t("ecg-live-noscript")) } }
        }
    }
}

//! The status light: where what was saved has got to, as a shape and a sentence. It claims no more than the
//! facts that it is given.

use maud::{Markup, html};
use records::time::WallTime;

use crate::moments;
use crate::texts::Lang;

/// What the light shows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum StatusLight {
    /// Everything has been acknowledged by the hub.
    Synced {
        /// Last acknowledgement.
        at: Option<WallTime>,
    },
    /// The hub is reached and things are on their way.
    Sending {
        /// Changes and blobs that are not acknowledged.
        waiting: u64,
    },
    /// The hub is not reached: normal, work goes on.
    Unreached {
        /// Changes and blobs kept here.
        kept: u64,
    },
    /// The clinic has not joined a hub.
    Alone {
        /// Changes and blobs kept here.
        kept: u64,
    },
    /// Something needs a person: a clash, a refusal, an alarm.
    NeedsPerson {
        /// How many things.
        count: u64,
    },
    /// A hub: boxes that have been in touch of all that are enrolled.
    Fleet {
        /// Boxes heard of within the last day.
        heard: u64,
        /// Boxes enrolled.
        enrolled: u64,
    },
}

impl StatusLight {
    fn shape(&self) -> &'static str {
        match self {
            Self::Synced { .. } | Self::Sending { .. } | Self::Fleet { .. } => "●",
            Self::Unreached { .. } | Self::Alone { .. } => "▲",
            Self::NeedsPerson { .. } => "◆",
        }
    }

    fn class(&self) -> &'static str {
        match self {
            Self::Synced { .. } | Self::Fleet { .. } => "light light-synced",
            Self::Sending { .. } => "light light-sending",
            Self::Unreached { .. } | Self::Alone { .. } => "light light-unreached",
            Self::NeedsPerson { .. } => "light light-person",
        }
    }

    /// The sentence beside the shape.
    pub fn words(&self, lang: Lang) -> String {
        match self {
            Self::Synced { at: Some(at) } => lang.t_with("light-synced-at", &[("at", &moments::clock(*at))]),
            Self::Synced { at: None } => lang.t("light-synced"),
            Self::Sending { waiting } => lang.t_n("light-sending", *waiting),
            Self::Unreached { kept } => lang.t_n("light-unreached", *kept),
            Self::Alone { kept } => lang.t_n("light-alone", *kept),
            Self::NeedsPerson { count } => lang.t_n("light-person", *count),
            Self::Fleet { heard, enrolled } => lang.t_with(
                "light-fleet",
                &[("heard", &heard.to_string()), ("enrolled", &enrolled.to_string())],
            ),
        }
    }

    /// The light as it stands in the head of each page; it leads to `href` and renews itself from
    /// `renew` (an address that answers with this markup) when the box tells of a change.
    pub fn slot(&self, lang: Lang, href: &str, renew: Option<&str>) -> Markup {
        html! {
            a #light class=(self.class()) href=(href) hx-get=[renew] hx-trigger=[renew.map(|_| "live-sync from:body, live-tick from:body")] hx-swap=[renew.map(|_| "outerHTML")] hx-sync=[renew.map(|_| "this:replace")] {
                span.light-shape aria-hidden="true" { (self.shape()) }
                span.light-words { (self.words(lang)) }
            }
        }
    }
}

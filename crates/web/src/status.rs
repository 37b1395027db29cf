//! Pieces of the status page: facts as rows, each a shape and a sentence.

use maud::{Markup, html};

/// How a fact stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Level {
    /// As it should be.
    Good,
    /// Normal, but worth knowing.
    Known,
    /// A person should look at it.
    Bad,
}

/// One fact.
#[derive(Debug, Clone)]
pub struct StateRow {
    /// How it stands.
    pub level: Level,
    /// What it is about.
    pub title: String,
    /// The fact.
    pub words: String,
    /// What can be done about it.
    pub action: Option<Markup>,
}

impl Level {
    fn shape(self) -> &'static str {
        match self {
            Self::Good => "●",
            Self::Known => "▲",
            Self::Bad => "◆",
        }
    }

    fn class(self) -> &'static str {
        match self {
            Self::Good => "state-row state-good",
            Self::Known => "state-row state-warn",
            Self::Bad => "state-row state-bad",
        }
    }
}

/// Draws facts below each other.
pub fn states(rows: &[StateRow]) -> Markup {
    html! {
        ul.states {
            @for row in rows {
                li class=(row.level.class()) {
                    span.state-shape aria-hidden="true" { (row.level.shape()) }
                    div { strong { (row.title) } p { (row.words) } }
                    @if let Some(action) = &row.action { div.actions { (action) } }
                }
            }
        }
    }
}

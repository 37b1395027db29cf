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
    /// What to do about it, where that needs words.
    pub guide: Option<Guide>,
    /// What can be done about it.
    pub action: Option<Markup>,
}

/// What to do about a fact, who can do it, and what a technician asks for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Guide {
    /// What to do.
    pub todo: String,
    /// Who can do it.
    pub who: String,
    /// A small reference: the beginning of an id, the name of a file.
    pub reference: Option<String>,
}

impl StateRow {
    /// A fact.
    pub fn new(level: Level, title: String, words: String) -> Self {
        Self {
            level,
            title,
            words,
            guide: None,
            action: None,
        }
    }

    /// The fact with what to do about it.
    pub fn guided(mut self, guide: Guide) -> Self {
        self.guide = Some(guide);
        self
    }

    /// The fact with what can be done about it here.
    pub fn with_action(mut self, action: Markup) -> Self {
        self.action = Some(action);
        self
    }
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
                    div {
                        strong { (row.title) }
                        @if !row.words.is_empty() { p { (row.words) } }
                        @if let Some(guide) = &row.guide {
                            p { (guide.todo) }
                            p.quiet.small { (guide.who) @if let Some(reference) = &guide.reference { " · " (reference) } }
                        }
                    }
                    @if let Some(action) = &row.action { div.actions { (action) } }
                }
            }
        }
    }
}

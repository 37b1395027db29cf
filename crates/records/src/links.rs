//! That two charts are of one person, or are not: a document of its own, so that charts are never merged and every
//! decision can be taken back. A clinic proposes with a reason; the county decides.

use std::collections::BTreeSet;

use crate::Fresh;
use crate::entries::{Entry, read_container};
use crate::faults::{FaultKind, FieldFault, too_long};
use crate::ids::{EntryId, PatientId, StaffId};
use crate::text::tidy;
use crate::time::Stamp;
use crate::tree::{Edit, Node};

/// Longest reason, in characters.
pub const REASON_CHARS_MAX: usize = 500;
/// Root container of decisions: only the county writes below it.
pub const DECISIONS: &str = "decisions";
const CHARTS: &str = "charts";

/// How a link stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum LinkState {
    /// Somebody thinks that the charts are of one person; nobody has decided.
    Proposed,
    /// The charts are of one person.
    Same,
    /// The charts are of different people.
    Apart,
}

impl LinkState {
    /// Every state.
    pub const ALL: [Self; 3] = [Self::Proposed, Self::Same, Self::Apart];

    /// The word in tables.
    pub fn word(self) -> &'static str {
        match self {
            Self::Proposed => "proposed",
            Self::Same => "same",
            Self::Apart => "apart",
        }
    }

    /// The state with this word.
    pub fn from_word(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|state| state.word() == word)
    }
}

/// Something that was said about the charts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Said {
    /// What: a proposal, or a decision.
    pub state: LinkState,
    /// Who.
    pub by: Option<StaffId>,
    /// When.
    pub at: Option<Stamp>,
    /// Why.
    pub reason: String,
}

/// A link between charts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Link {
    /// The charts, at least two.
    pub charts: BTreeSet<PatientId>,
    /// How it stands: what the latest decision says.
    pub state: LinkState,
    /// Everything that was said, oldest first.
    pub said: Vec<Said>,
}

impl Link {
    /// Reads a link document; `None` where it names fewer than two charts.
    pub fn read(document: &Node) -> Option<Self> {
        let charts: BTreeSet<PatientId> = document
            .entries(&[CHARTS])
            .filter_map(|(key, _)| key.parse().ok())
            .collect();
        if charts.len() < 2 {
            return None;
        }
        let proposals = read_container(document, "link").map(|entry| (false, entry));
        let decisions = read_container(document, DECISIONS).map(|entry| (true, entry));
        let mut said: Vec<(bool, EntryId, Said)> = proposals
            .chain(decisions)
            .filter_map(|(decision, (id, entry))| Some((decision, id, said(decision, &entry?))))
            .collect();
        // By time; of one time by key, so that every replica reads the same. A proposal never outweighs a decision.
        said.sort_by_key(|(_, id, said)| (said.at.map(|stamp| stamp.at), *id));
        let decided = said.iter().rev().find(|(decision, ..)| *decision);
        let state = decided.map_or(LinkState::Proposed, |(_, _, said)| said.state);
        Some(Self {
            charts,
            state,
            said: said.into_iter().map(|(_, _, said)| said).collect(),
        })
    }

    /// What was said last.
    pub fn latest(&self) -> Option<&Said> {
        self.said.last()
    }
}

fn said(decision: bool, entry: &Entry) -> Said {
    let state = match entry.flag("same") {
        _ if !decision => LinkState::Proposed,
        Some(true) => LinkState::Same,
        // What cannot be read must not join two people.
        Some(false) | None => LinkState::Apart,
    };
    Said {
        state,
        by: entry.author(),
        at: entry.written(),
        reason: entry.get_text("reason"),
    }
}

/// Something to say about two charts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Say {
    /// What.
    pub state: LinkState,
    /// Why.
    pub reason: String,
}

impl Say {
    /// What is wrong with it.
    pub fn faults(&self) -> Vec<FieldFault> {
        let mut faults = Vec::new();
        if tidy(&self.reason).is_empty() {
            faults.push(FieldFault::new("reason", FaultKind::Missing));
        }
        too_long("reason", &self.reason, REASON_CHARS_MAX, &mut faults);
        faults
    }

    /// The edits that say it; of a new link document with the charts that it is about.
    pub fn edits(
        &self,
        new: Option<[PatientId; 2]>,
        by: StaffId,
        at: Stamp,
        fresh: &mut Fresh<'_>,
    ) -> Vec<Edit> {
        let charts = new.into_iter().flatten();
        let mut edits: Vec<Edit> = charts
            .map(|chart| Edit::put(&[CHARTS, &chart.to_string()], true))
            .collect();
        let entry = Entry::by(Some(by), at).text("reason", &tidy(&self.reason));
        let key = EntryId(fresh()).to_string();
        edits.push(match self.state {
            LinkState::Proposed => entry.write("link", &key),
            LinkState::Same => entry.value("same", true).write(DECISIONS, &key),
            LinkState::Apart => entry.value("same", false).write(DECISIONS, &key),
        });
        edits
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::time::{ClockSource, WallTime};
    use crate::tree;

    fn say(document: &mut Node, state: LinkState, at: i64, key: u8, new: bool) {
        let charts = [PatientId([1; 16]), PatientId([2; 16])];
        let stamp = Stamp {
            at: WallTime(at),
            source: ClockSource::Hub,
        };
        let say = Say {
            state,
            reason: " 同名同号 ".to_owned(),
        };
        assert!(say.faults().is_empty());
        let edits = say.edits(new.then_some(charts), StaffId([7; 8]), stamp, &mut || [key; 8]);
        tree::apply_all(document, &edits).unwrap();
    }

    #[test]
    fn the_latest_decision_counts_and_a_proposal_never_undoes_one() {
        let mut document = Node::default();
        assert_eq!(Link::read(&document), None);
        say(&mut document, LinkState::Proposed, 1_000, 1, true);
        let link = Link::read(&document).unwrap();
        assert_eq!((link.state, link.charts.len()), (LinkState::Proposed, 2));
        assert_eq!(link.latest().unwrap().reason, "同名同号");
        say(&mut document, LinkState::Same, 2_000, 2, false);
        assert_eq!(Link::read(&document).unwrap().state, LinkState::Same);
        say(&mut document, LinkState::Apart, 3_000, 3, false);
        say(&mut document, LinkState::Proposed, 4_000, 4, false);
        let link = Link::read(&document).unwrap();
        assert_eq!((link.state, link.said.len()), (LinkState::Apart, 4));
    }

    #[test]
    fn decisions_of_one_moment_read_the_same_in_any_order() {
        let (mut one, mut two) = (Node::default(), Node::default());
        for document in [&mut one, &mut two] {
            say(document, LinkState::Proposed, 1_000, 1, true);
        }
        say(&mut one, LinkState::Same, 2_000, 2, false);
        say(&mut one, LinkState::Apart, 2_000, 3, false);
        say(&mut two, LinkState::Apart, 2_000, 3, false);
        say(&mut two, LinkState::Same, 2_000, 2, false);
        assert_eq!(Link::read(&one), Link::read(&two));
    }

    #[test]
    fn what_cannot_be_read_joins_nobody_and_a_reason_is_needed() {
        let mut document = Node::default();
        say(&mut document, LinkState::Proposed, 1_000, 1, true);
        let torn = Edit::put(&[DECISIONS, &EntryId([9; 8]).to_string()], vec![0xff_u8, 1]);
        tree::apply_all(&mut document, &[torn]).unwrap();
        assert_eq!(Link::read(&document).unwrap().state, LinkState::Proposed);
        let empty = Say {
            state: LinkState::Same,
            reason: "  ".to_owned(),
        };
        assert_eq!(empty.faults()[0].kind, FaultKind::Missing);
        for state in LinkState::ALL {
            assert_eq!(LinkState::from_word(state.word()), Some(state));
        }
    }
}

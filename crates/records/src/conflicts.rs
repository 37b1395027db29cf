//! Two writers, one field: what happens then. One table says it for every field.
//!
//! Every value stays readable; no merge decides anything medical.

use crate::entries::Entry;
use crate::ids::{DocKind, StaffId};
use crate::packed;
use crate::text::fold_search;
use crate::time::Stamp;
use crate::tree::{Edit, Node, Path, Scalar};

/// What happens when a field was written twice at the same time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Policy {
    /// All values count: dangers, and facts that are added under keys of their own.
    Union,
    /// The newest is shown, the others are in the history; nobody is asked.
    Latest,
    /// Both are shown until a person chooses.
    Review,
    /// As `Review`, and prescribing for the patient requires seeing it.
    Block,
}

impl Policy {
    /// The word in tables and pages.
    pub fn word(self) -> &'static str {
        match self {
            Self::Union => "union",
            Self::Latest => "latest",
            Self::Review => "review",
            Self::Block => "block",
        }
    }

    /// Whether a person has to choose.
    pub fn needs_choice(self) -> bool {
        match self {
            Self::Review | Self::Block => true,
            Self::Union | Self::Latest => false,
        }
    }
}

/// The policies: kind, first keys of the path, policy. The first line that fits holds; what no line names is
/// `Review`.
const POLICIES: &[(DocKind, &[&str], Policy)] = &[
    (DocKind::Chart, &["allergies"], Policy::Union),
    (DocKind::Chart, &["asked"], Policy::Union),
    (DocKind::Chart, &["reactions"], Policy::Union),
    (DocKind::Chart, &["pregnancies"], Policy::Union),
    (DocKind::Chart, &["notices"], Policy::Union),
    (DocKind::Chart, &["choices"], Policy::Union),
    (DocKind::Chart, &["edits"], Policy::Union),
    (DocKind::Chart, &["person", "phone"], Policy::Latest),
    (DocKind::Chart, &["person", "phone2"], Policy::Latest),
    (DocKind::Chart, &["person", "photo"], Policy::Latest),
    (DocKind::Chart, &["person", "ethnicity"], Policy::Review),
    (DocKind::Chart, &["person"], Policy::Block),
    (DocKind::Chart, &["address"], Policy::Latest),
    (DocKind::Chart, &["household"], Policy::Latest),
    (DocKind::Chart, &["blood"], Policy::Block),
    (DocKind::Chart, &["refuted"], Policy::Block),
    (DocKind::Chart, &["stopped"], Policy::Block),
    (DocKind::Encounter, &["visit", "patient"], Policy::Block),
    (DocKind::Encounter, &["observations"], Policy::Union),
    (DocKind::Encounter, &["ecgs"], Policy::Union),
    (DocKind::Encounter, &["withdrawn"], Policy::Union),
    (DocKind::Encounter, &["signatures"], Policy::Union),
    (DocKind::Encounter, &["amendments"], Policy::Union),
    (DocKind::Encounter, &["choices"], Policy::Union),
    (DocKind::Encounter, &["edits"], Policy::Union),
    (DocKind::Series, &["series", "patient"], Policy::Block),
    (DocKind::Series, &["observations"], Policy::Union),
    (DocKind::Series, &["ecgs"], Policy::Union),
    (DocKind::Series, &["withdrawn"], Policy::Union),
    (DocKind::Link, &[], Policy::Union),
    (DocKind::Clinic, &[], Policy::Latest),
];

/// The policy of a field.
pub fn policy_for(kind: DocKind, path: &[String]) -> Policy {
    let fits = |prefix: &[&str]| {
        prefix.len() <= path.len() && prefix.iter().zip(path).all(|(wanted, key)| *wanted == key)
    };
    let line = POLICIES
        .iter()
        .find(|(of, prefix, _)| *of == kind && fits(prefix));
    line.map_or(Policy::Review, |(_, _, policy)| *policy)
}

/// Whether two values say the same: equal, or equal when folded. Such values are no clash.
pub fn is_same(left: &Scalar, right: &Scalar) -> bool {
    match (left, right) {
        (Scalar::Text(left), Scalar::Text(right)) => {
            left == right
                || fold_search(left) == fold_search(right) && {
                    // Folding for search is cut at a length; longer texts must be equal as they are.
                    left.chars().count().max(right.chars().count()) <= crate::text::SEARCH_CHARS_MAX
                }
        }
        (Scalar::Int(whole), Scalar::Float(float)) | (Scalar::Float(float), Scalar::Int(whole)) => {
            *whole as f64 == *float
        }
        (Scalar::Bytes(left), Scalar::Bytes(right)) => left == right || same_fact(left, right),
        _ => left == right,
    }
}

/// Whether two packed facts say the same apart from who wrote them and when.
fn same_fact(left: &[u8], right: &[u8]) -> bool {
    let fact = |bytes| match packed::unpack(bytes) {
        Ok(Node::Map(mut parts)) => {
            parts.retain(|key, _| !matches!(key.as_str(), "by" | "at" | "clock"));
            Some(parts)
        }
        Ok(Node::Leaf(_) | Node::List(_)) | Err(_) => None,
    };
    fact(left).is_some_and(|left| fact(right).as_ref() == Some(&left))
}

/// A field with values that contradict each other.
#[derive(Debug, Clone, PartialEq)]
pub struct Clash {
    /// The field.
    pub path: Path,
    /// Its values, the shown one first; no two say the same.
    pub values: Vec<Scalar>,
    /// What happens.
    pub policy: Policy,
}

/// A value as text for a person who chooses: of a packed fact what it says, without who wrote it and when.
pub fn shown(value: &Scalar) -> String {
    match value {
        Scalar::Bool(truth) => truth.to_string(),
        Scalar::Int(number) => number.to_string(),
        Scalar::Float(number) => number.to_string(),
        Scalar::Text(text) => text.clone(),
        Scalar::Null => String::new(),
        Scalar::Bytes(bytes) => {
            let mut words = Vec::new();
            if let Ok(fact) = packed::unpack(bytes) {
                collect_words(&fact, &mut words);
            }
            words.join(" · ")
        }
    }
}

fn collect_words(node: &Node, words: &mut Vec<String>) {
    match node {
        Node::Leaf(leaf) => {
            if !matches!(leaf.winner, Scalar::Bytes(_) | Scalar::Null) {
                words.push(shown(&leaf.winner));
            }
        }
        Node::List(items) => items.iter().for_each(|item| collect_words(item, words)),
        Node::Map(parts) => {
            let told = parts
                .iter()
                .filter(|(key, _)| !matches!(key.as_str(), "by" | "at" | "clock" | "place"));
            told.for_each(|(_, part)| collect_words(part, words));
        }
    }
}

/// Most clashes of one document that are told.
pub const CLASHES_MAX: usize = 100;

/// The fields of a document whose values contradict each other and that are not `Union`, in the order of the tree.
pub fn clashes(kind: DocKind, document: &Node) -> Vec<Clash> {
    let mut found = Vec::new();
    collect(kind, document, &mut Vec::new(), &mut found);
    found
}

fn collect<'a>(kind: DocKind, node: &'a Node, path: &mut Vec<&'a str>, found: &mut Vec<Clash>) {
    match node {
        Node::Leaf(leaf) if leaf.others.is_empty() => {}
        Node::Leaf(leaf) => {
            let mut values = vec![leaf.winner.clone()];
            for other in &leaf.others {
                if !values.iter().any(|value| is_same(value, other)) {
                    values.push(other.clone());
                }
            }
            let path: Path = path.iter().map(|key| (*key).to_owned()).collect();
            let policy = policy_for(kind, &path);
            if values.len() > 1 && policy != Policy::Union && found.len() < CLASHES_MAX {
                found.push(Clash { path, values, policy });
            }
        }
        Node::Map(parts) => {
            for (key, part) in parts {
                path.push(key);
                collect(kind, part, path, found);
                path.pop();
            }
        }
        Node::List(_) => {}
    }
}

/// The edits by which a person chooses one of the values of a clash. The others stay readable among the choices.
/// `None` where the value is not one of them.
pub fn resolve(
    clash: &Clash,
    chosen: &Scalar,
    by: StaffId,
    at: Stamp,
    fresh: &mut crate::Fresh<'_>,
) -> Option<Vec<Edit>> {
    let (kept, refused): (Vec<_>, Vec<_>) = clash.values.iter().cloned().partition(|value| value == chosen);
    let kept = kept.into_iter().next()?;
    let key = crate::ids::EntryId(fresh()).to_string();
    let choice = Entry::by(Some(by), at)
        .text("path", &clash.path.join("/"))
        .value("chosen", kept.clone())
        .node(
            "refused",
            Node::List(refused.into_iter().map(Node::from).collect()),
        )
        .write("choices", &key);
    Some(vec![Edit::Put(clash.path.clone(), kept.into()), choice])
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::time::{ClockSource, WallTime};
    use crate::tree::{self, Leaf};

    fn path(keys: &[&str]) -> Path {
        keys.iter().map(|key| (*key).to_owned()).collect()
    }

    fn clashing(key: &str, values: [&str; 2]) -> Node {
        let leaf = Leaf {
            winner: values[0].into(),
            others: vec![values[1].into()],
        };
        Node::map([("person", Node::map([(key, Node::Leaf(leaf))]))])
    }

    #[test]
    fn the_table_names_only_containers_that_exist() {
        for (kind, prefix, _) in POLICIES {
            let known = prefix
                .first()
                .is_none_or(|name| crate::layout::containers(*kind).contains(name));
            assert!(known, "{kind:?} {prefix:?}");
        }
    }

    #[test]
    fn dangers_are_united_identity_blocks_and_the_rest_is_reviewed() {
        assert_eq!(
            policy_for(DocKind::Chart, &path(&["allergies", "x"])),
            Policy::Union
        );
        assert_eq!(
            policy_for(DocKind::Chart, &path(&["person", "id_number"])),
            Policy::Block
        );
        assert_eq!(
            policy_for(DocKind::Chart, &path(&["person", "phone"])),
            Policy::Latest
        );
        assert_eq!(
            policy_for(DocKind::Chart, &path(&["problems", "x"])),
            Policy::Review
        );
        assert_eq!(policy_for(DocKind::Chart, &path(&["unheard of"])), Policy::Review);
        assert_eq!(
            policy_for(DocKind::Encounter, &path(&["note", "history"])),
            Policy::Review
        );
    }

    #[test]
    fn equally_normalised_values_do_not_clash() {
        assert!(clashes(DocKind::Chart, &clashing("name", ["古丽·示例", "古丽•示例"])).is_empty());
        let clash = clashes(DocKind::Chart, &clashing("name", ["王五", "王吾"]));
        assert_eq!(
            (clash.len(), clash[0].policy, clash[0].values.len()),
            (1, Policy::Block, 2)
        );
        let long = "长".repeat(70);
        assert!(!is_same(
            &Scalar::Text(format!("{long}甲")),
            &Scalar::Text(format!("{long}乙"))
        ));
    }

    #[test]
    fn a_fact_is_shown_by_what_it_says() {
        let at = Stamp {
            at: WallTime(5),
            source: ClockSource::Hub,
        };
        let edit = Entry::by(Some(StaffId([1; 8])), at)
            .text("agent", "青霉素")
            .text("reaction", "皮疹");
        let Edit::Put(_, Node::Leaf(leaf)) = edit.write("allergies", "x") else {
            panic!("no leaf")
        };
        assert_eq!(shown(&leaf.winner), "青霉素 · 皮疹");
        assert_eq!(shown(&"王五".into()), "王五");
        assert_eq!(shown(&Scalar::Bytes(vec![0x40])), "");
    }

    #[test]
    fn a_choice_settles_and_keeps_what_was_refused() {
        let mut document = clashing("name", ["王五", "王吾"]);
        let clash = clashes(DocKind::Chart, &document).remove(0);
        let at = Stamp {
            at: WallTime(0),
            source: ClockSource::None,
        };
        let mut fresh = || [1; 8];
        assert!(resolve(&clash, &"王".into(), StaffId([1; 8]), at, &mut fresh).is_none());
        let edits = resolve(&clash, &"王吾".into(), StaffId([1; 8]), at, &mut fresh).unwrap();
        tree::apply_all(&mut document, &edits).unwrap();
        assert!(clashes(DocKind::Chart, &document).is_empty());
        assert_eq!(document.text(&["person", "name"]), Some("王吾"));
        let choice = Entry::read(document.at(&["choices", &"01".repeat(8)]).unwrap()).unwrap();
        assert_eq!(
            choice.part("refused"),
            Some(&Node::List(vec![Scalar::from("王五").into()]))
        );
    }
}

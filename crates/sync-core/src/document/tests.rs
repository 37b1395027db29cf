//! Properties of documents: what people wrote stays, whatever the order in which it met.

use proptest::prelude::*;
use records::tree::{Leaf, Scalar};

use super::*;

pub(crate) fn actor(device: u8, session: u8) -> Actor {
    Actor {
        device: DeviceId([device; 8]),
        session: SessionId([session; 8]),
    }
}

pub(crate) fn origin(actor: Actor, n: u64) -> Origin {
    Origin {
        device: actor.device,
        session: actor.session,
        n,
    }
}

const AT: WallTime = WallTime(1_760_000_000_000);

fn chart(edits: &[Edit]) -> (Document, Change) {
    let clinic = "0017".parse().unwrap();
    Document::create(
        DocKind::Chart,
        &clinic,
        origin(actor(1, 1), 7),
        actor(1, 1),
        AT,
        edits,
    )
    .unwrap()
}

fn load(id: DocId, changes: &[Change]) -> Document {
    Document::load(id, changes.iter().map(|change| change.bytes.as_slice())).unwrap()
}

fn texts(node: &Node, path: &[&str]) -> Vec<String> {
    let Some(Leaf { winner, others }) = node.leaf(path) else {
        return Vec::new();
    };
    let mut all: Vec<String> = std::iter::once(winner)
        .chain(others)
        .filter_map(|value| value.as_text().map(str::to_owned))
        .collect();
    all.sort();
    all
}

#[test]
fn a_created_document_is_read_back_from_its_change() {
    let (document, change) = chart(&[
        Edit::put(&["person", "name"], "王秀英"),
        Edit::put_node(
            &["allergies", "aa", "agents"],
            Node::List(vec![Scalar::from("青霉素").into()]),
        ),
    ]);
    let loaded = load(document.id(), std::slice::from_ref(&change));
    assert_eq!(loaded.tree(), document.tree());
    assert_eq!(loaded.heads(), document.heads());
    assert_eq!(loaded.heads(), Heads::new([change.hash]));
    assert_eq!(chunk_hash(&change.bytes), Some(change.hash));
    assert_eq!(loaded.owner().unwrap().as_str(), "0017");
    assert_eq!(loaded.schema(), SCHEMA);
    assert_eq!(loaded.change_count(), 1);
    assert_eq!(loaded.changes(), [change]);
    assert_eq!(loaded.tree().text(&["person", "name"]), Some("王秀英"));
    assert_eq!(loaded.tree().at(&[SELF_KEY]), None);
    assert_eq!(document.id(), origin(actor(1, 1), 7).id(DocKind::Chart));
    assert_eq!(document.id().kind(), Some(DocKind::Chart));
}

#[test]
fn an_edit_that_changes_nothing_is_no_change() {
    let (mut document, _) = chart(&[Edit::put(&["person", "name"], "王秀英")]);
    let again = [
        Edit::put(&["person", "name"], "王秀英"),
        Edit::delete(&["person", "phone"]),
        Edit::put_node(&["allergies"], Node::default()),
    ];
    assert_eq!(document.edit(actor(1, 1), AT, &again).unwrap(), None);
}

#[test]
fn lists_are_replaced_whole_or_appended_to() {
    let list = |texts: &[&str]| Node::List(texts.iter().map(|text| Scalar::from(*text).into()).collect());
    let (mut document, _) = chart(&[Edit::put_node(&["ext", "list"], list(&["a", "b"]))]);
    assert_eq!(
        document
            .edit(
                actor(1, 1),
                AT,
                &[Edit::put_node(&["ext", "list"], list(&["a", "b"]))]
            )
            .unwrap(),
        None
    );
    let path = vec!["ext".to_owned(), "list".to_owned()];
    document
        .edit(actor(1, 1), AT, &[Edit::Append(path, Scalar::from("c").into())])
        .unwrap();
    assert_eq!(
        document.tree().at(&["ext", "list"]),
        Some(&list(&["a", "b", "c"]))
    );
    document
        .edit(actor(1, 1), AT, &[Edit::put_node(&["ext", "list"], list(&["c"]))])
        .unwrap();
    assert_eq!(document.tree().at(&["ext", "list"]), Some(&list(&["c"])));
}

#[test]
fn edits_outside_the_layout_are_refused_and_leave_nothing() {
    let (mut document, _) = chart(&[Edit::put(&["person", "name"], "王秀英")]);
    let before = (document.heads(), document.tree());
    let long = "x".repeat(FIELD_BYTES_MAX + 1);
    let deep: Vec<&str> = vec!["ext"; DEPTH_MAX + 1];
    let refused: [Vec<Edit>; 9] = [
        vec![
            Edit::put(&["person", "phone"], "1"),
            Edit::put(&[SELF_KEY, "n"], 3i64),
        ],
        vec![Edit::put(&["person", "phone"], "1"), Edit::put(&["person"], "x")],
        vec![Edit::put(&["person", "phone"], "1"), Edit::delete(&["allergies"])],
        vec![
            Edit::put(&["person", "phone"], "1"),
            Edit::put(&["person", "name", "x"], "y"),
        ],
        vec![Edit::put(&["person", ""], "1")],
        vec![Edit::put(&["person", "name"], long)],
        vec![Edit::put(&deep, "1")],
        vec![Edit::put_node(&["ext", "f"], Node::from(Scalar::Float(f64::NAN)))],
        vec![Edit::Put(Vec::new(), Node::default())],
    ];
    for edits in refused {
        let outcome = document.edit(actor(1, 1), AT, &edits);
        assert!(
            matches!(outcome, Err(DocumentError::BadEdit { .. })),
            "{outcome:?}"
        );
        assert_eq!((document.heads(), document.tree()), before);
    }
}

#[test]
fn a_form_on_old_heads_keeps_both_values() {
    let (mut document, _) = chart(&[Edit::put(&["person", "phone"], "1")]);
    let base = document.heads();
    document
        .edit(actor(1, 1), AT, &[Edit::put(&["person", "phone"], "2")])
        .unwrap();
    assert!(!document.is_free(actor(1, 1), &base));
    let edits = [Edit::put(&["person", "phone"], "3")];
    assert_eq!(
        document.clone().edit_at(&base, actor(1, 1), AT, &edits),
        Err(DocumentError::ActorBusy)
    );
    assert!(document.is_free(actor(1, 2), &base));
    let change = document.edit_at(&base, actor(1, 2), AT, &edits).unwrap().unwrap();
    assert_eq!(texts(&document.tree(), &["person", "phone"]), ["2", "3"]);
    assert_eq!(document.heads().len(), 2);
    assert!(document.changes().contains(&change));
    assert_eq!(load(document.id(), &document.changes()).tree(), document.tree());
    // A choice by a person ends the clash.
    document
        .edit(actor(1, 1), AT, &[Edit::put(&["person", "phone"], "2")])
        .unwrap();
    assert_eq!(texts(&document.tree(), &["person", "phone"]), ["2"]);
    let unknown = Heads::new([[9; 32]]);
    assert_eq!(
        document.edit_at(&unknown, actor(1, 3), AT, &edits),
        Err(DocumentError::UnknownBase)
    );
}

#[test]
fn maps_and_lists_made_under_one_name_are_shown_together() {
    let (mut here, _) = chart(&[]);
    let base = here.heads();
    let list = |text: &str| Node::List(vec![Scalar::from(text).into()]);
    here.edit(
        actor(1, 1),
        AT,
        &[
            Edit::put(&["ext", "new", "a"], "1"),
            Edit::put_node(&["ext", "l"], list("x")),
        ],
    )
    .unwrap();
    let there = [
        Edit::put(&["ext", "new", "b"], "2"),
        Edit::put_node(&["ext", "l"], list("y")),
    ];
    here.edit_at(&base, actor(2, 1), AT, &there).unwrap();
    let tree = here.tree();
    assert_eq!(tree.text(&["ext", "new", "a"]), Some("1"));
    assert_eq!(tree.text(&["ext", "new", "b"]), Some("2"));
    assert_eq!(tree.items(&["ext", "l"]).len(), 2);
    // Both halves can still be edited and deleted.
    here.edit(
        actor(1, 1),
        AT,
        &[
            Edit::put(&["ext", "new", "b"], "3"),
            Edit::delete(&["ext", "new", "a"]),
        ],
    )
    .unwrap();
    assert_eq!(texts(&here.tree(), &["ext", "new", "b"]), ["3"]);
    assert_eq!(here.tree().at(&["ext", "new", "a"]), None);
}

#[test]
fn what_was_signed_is_read_at_its_heads() {
    let (mut document, first) = chart(&[Edit::put(&["person", "name"], "a")]);
    let signed = document.heads();
    let later = document
        .edit(actor(1, 1), AT, &[Edit::put(&["person", "name"], "b")])
        .unwrap()
        .unwrap();
    assert_eq!(
        document.tree_at(&signed).unwrap().text(&["person", "name"]),
        Some("a")
    );
    assert_eq!(document.tree().text(&["person", "name"]), Some("b"));
    assert!(document.is_in_past(&first.hash, &document.heads()));
    assert!(!document.is_in_past(&later.hash, &signed));
    assert_eq!(document.base_of(&["person", "name"]), Some(signed));
    assert_eq!(document.base_of(&["person", "phone"]), None);
}

#[test]
fn what_a_newer_release_wrote_survives_an_older_one() {
    let (mut newer, first) = chart(&[Edit::put(&["person", "name"], "a")]);
    let unknown = [
        Edit::put(&["person", "blood_type_2030"], "x"),
        Edit::put(&["genomes", "g1", "marker"], 7i64),
        Edit::put_node(&["ext", "plan"], Node::List(vec![Scalar::Null.into()])),
    ];
    let second = newer.edit(actor(2, 1), AT, &unknown).unwrap().unwrap();
    // The older release loads, checks and edits what it does not know, and gives it back.
    let older = load(newer.id(), std::slice::from_ref(&first));
    let checked =
        crate::check::check_foreign(Some(&older), older.id(), &second.bytes, actor(2, 1).at(1), &[]).unwrap();
    let mut older = checked.document;
    older
        .edit(actor(1, 1), AT, &[Edit::put(&["person", "name"], "b")])
        .unwrap();
    let back = load(older.id(), &older.changes()).tree();
    assert_eq!(back.text(&["person", "blood_type_2030"]), Some("x"));
    assert_eq!(back.int(&["genomes", "g1", "marker"]), Some(7));
    assert_eq!(back.items(&["ext", "plan"]).len(), 1);
    assert_eq!(back.text(&["person", "name"]), Some("b"));
}

#[test]
fn damaged_or_missing_changes_are_an_error() {
    let (mut document, first) = chart(&[Edit::put(&["person", "name"], "a")]);
    let second = document
        .edit(actor(1, 1), AT, &[Edit::put(&["person", "name"], "b")])
        .unwrap()
        .unwrap();
    let missing = Document::load(document.id(), [second.bytes.as_slice()]);
    assert!(matches!(missing, Err(DocumentError::Broken(_))));
    let mut damaged = first.bytes.clone();
    *damaged.last_mut().unwrap() ^= 1;
    assert!(matches!(
        Document::load(document.id(), [damaged.as_slice()]),
        Err(DocumentError::Broken(_))
    ));
    assert!(matches!(
        Document::load(DocId([0; 16]), []),
        Err(DocumentError::UnknownKind)
    ));
}

/// One step of a random history: who writes, on the latest or an older state, and what.
#[derive(Debug, Clone)]
struct Step {
    writer: u8,
    stale: bool,
    edit: Edit,
}

fn any_step() -> impl Strategy<Value = Step> {
    let key = prop::sample::select(vec!["a", "b", "c"]);
    let edit = prop_oneof![
        (key.clone(), 0..4i64).prop_map(|(key, value)| Edit::put(&["ext", key], value)),
        (key.clone(), key.clone(), 0..4i64)
            .prop_map(|(map, key, value)| Edit::put(&["person", map, key], value)),
        key.clone().prop_map(|key| Edit::delete(&["ext", key])),
        (key.clone(), key.clone()).prop_map(|(map, key)| Edit::delete(&["person", map, key])),
        (key.clone(), prop::collection::vec(0..4i64, 0..3)).prop_map(|(key, values)| {
            let items = values
                .into_iter()
                .map(|value| Scalar::from(value).into())
                .collect();
            Edit::put_node(&["problems", key], Node::List(items))
        }),
        (key, 0..4i64).prop_map(|(key, value)| {
            Edit::Append(
                vec!["problems".to_owned(), key.to_owned()],
                Scalar::from(value).into(),
            )
        }),
    ];
    (0..3u8, any::<bool>(), edit).prop_map(|(writer, stale, edit)| Step { writer, stale, edit })
}

/// Lets writers with replicas of their own follow the steps, and gathers all changes.
fn play(steps: &[Step]) -> (Document, Vec<Change>) {
    let (document, first) = chart(&[]);
    let mut replicas = [document.clone(), document.clone(), document];
    let mut changes = vec![first];
    for step in steps {
        let me = usize::from(step.writer);
        if !step.stale {
            for change in &changes {
                let parsed = automerge::Change::try_from(change.bytes.as_slice()).unwrap();
                replicas[me].inner.apply_changes([parsed]).unwrap();
            }
        }
        // What a layout does not allow (a value where a map stands) changes nothing.
        if let Ok(Some(change)) =
            replicas[me].edit(actor(step.writer + 1, 1), AT, std::slice::from_ref(&step.edit))
        {
            changes.push(change);
        }
    }
    let merged = load(replicas[0].id(), &changes);
    (merged, changes)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    /// I-6: any order of arrival gives the same document.
    #[test]
    fn replicas_converge_in_any_order(
        steps in prop::collection::vec(any_step(), 1..24),
        order in prop::collection::vec(any::<prop::sample::Index>(), 24),
    ) {
        let (merged, changes) = play(&steps);
        let mut shuffled = changes.clone();
        for (at, index) in order.iter().enumerate().take(shuffled.len()) {
            let other = index.index(shuffled.len());
            shuffled.swap(at, other);
        }
        let again = load(merged.id(), &shuffled);
        prop_assert_eq!(again.heads(), merged.heads());
        prop_assert_eq!(again.tree(), merged.tree());
    }

    /// A document that is saved and loaded equals its replay in heads and all values.
    #[test]
    fn save_and_load_equal_the_replay(steps in prop::collection::vec(any_step(), 1..32)) {
        let (merged, _) = play(&steps);
        let loaded = Automerge::load(&merged.save()).unwrap();
        let loaded = Document::from_parts(merged.id(), merged.kind(), loaded);
        prop_assert_eq!(loaded.heads(), merged.heads());
        prop_assert_eq!(loaded.tree(), merged.tree());
        prop_assert_eq!(loaded.changes().len(), merged.changes().len());
    }

    /// I-3: of two values put at once into one field, both stay readable.
    #[test]
    fn no_concurrent_value_is_hidden(mine in 0..100i64, theirs in 0..100i64) {
        let (mut document, _) = chart(&[Edit::put(&["ext", "a"], -1i64)]);
        let base = document.heads();
        document.edit(actor(1, 1), AT, &[Edit::put(&["ext", "a"], mine)]).unwrap();
        document.edit_at(&base, actor(2, 1), AT, &[Edit::put(&["ext", "a"], theirs)]).unwrap();
        let tree = document.tree();
        let leaf = tree.leaf(&["ext", "a"]).unwrap();
        for value in [mine, theirs] {
            let value = Scalar::Int(value);
            prop_assert!(leaf.winner == value || leaf.others.contains(&value));
        }
    }
}

//! Changes that are written again: nothing is lost, every side takes them, ids and signatures stay.

use proptest::prelude::*;
use records::ids::DocKind;
use records::time::WallTime;
use records::tree::{Edit, Node, Scalar};

use super::*;
use crate::check::{Fault, check_foreign};
use crate::document::Heads;
use crate::document::tests::{actor, origin};

const AT: WallTime = WallTime(1_760_000_000_000);

fn create(writer: Actor, n: u64, name: &str) -> (Document, Change) {
    let clinic = "0017".parse().unwrap();
    let edits = [Edit::put(&["person", "name"], name)];
    Document::create(DocKind::Chart, &clinic, origin(writer, n), writer, AT, &edits).unwrap()
}

fn phone(document: &mut Document, writer: Actor, text: &str) -> Change {
    let edits = [Edit::put(&["person", "phone"], text)];
    document.edit(writer, AT, &edits).unwrap().unwrap()
}

fn both(done: Result<Rewritten, DocumentError>) -> (Document, Vec<Again>) {
    let done = done.unwrap();
    (done.document, done.again)
}

fn part(change: &Change, fate: Fate) -> Part<'_> {
    Part {
        bytes: &change.bytes,
        fate,
    }
}

/// Every written change is taken by another side that holds what stayed.
fn is_taken(id: DocId, stayed: &[&Change], again: &[Again]) -> Document {
    let bytes = stayed.iter().map(|change| change.bytes.as_slice());
    let mut held = (!stayed.is_empty()).then(|| Document::load(id, bytes).unwrap());
    for (nth, change) in again.iter().enumerate() {
        let Some(made) = &change.change else { continue };
        let position = change.actor.at(nth as u64 + 1);
        let checked = check_foreign(held.as_ref(), id, &made.bytes, position, &[]).unwrap();
        assert!(!checked.known);
        held = Some(checked.document);
    }
    held.unwrap()
}

#[test]
fn a_spoiled_session_is_written_again_beside_its_rival() {
    let (mine, fresh) = (actor(1, 1), actor(1, 9));
    let (document, first) = create(mine, 7, "王秀英");
    let id = document.id();
    let (mut here, mut there) = (document.clone(), document);
    let rival = phone(&mut there, mine, "138");
    let old = phone(&mut here, mine, "139");
    let signed = here
        .edit(mine, AT, &[Edit::put(&["address", "town"], "柳树")])
        .unwrap()
        .unwrap();
    assert_eq!(here.rival_of(&rival.bytes), Some(old.hash));
    assert_eq!(here.rival_of(&old.bytes), None);
    let parts = [
        part(&first, Fate::Stays),
        part(&old, Fate::Again(fresh)),
        part(&signed, Fate::Again(fresh)),
        part(&rival, Fate::Stays),
    ];
    let (document, again) = both(write_again(id, origin(mine, 7), &parts, &[]));
    assert_eq!(
        again.iter().map(|one| one.old).collect::<Vec<_>>(),
        [old.hash, signed.hash]
    );
    let both = document.tree().leaf(&["person", "phone"]).cloned().unwrap();
    assert_eq!(both.others.len(), 1);
    assert_eq!(document.tree().text(&["address", "town"]), Some("柳树"));
    let there = is_taken(id, &[&first, &rival], &again);
    assert_eq!((there.heads(), there.tree()), (document.heads(), document.tree()));
    // What was signed is the state before, written again as well.
    let base = document.base_of(&["address", "town"]).unwrap();
    assert_eq!(base, Heads::new([again[0].change.as_ref().unwrap().hash]));
    assert_eq!(
        document.tree_at(&base).unwrap().text(&["person", "phone"]),
        Some("139")
    );
}

#[test]
fn a_creating_change_keeps_its_documents_id_or_gets_another_on_purpose() {
    let (mine, fresh) = (actor(1, 1), actor(1, 9));
    let (mut document, first) = create(mine, 7, "王秀英");
    let second = phone(&mut document, mine, "139");
    let parts = [
        part(&first, Fate::Again(fresh)),
        part(&second, Fate::Again(fresh)),
    ];
    let (again, changes) = both(write_again(document.id(), origin(mine, 7), &parts, &[]));
    assert_eq!((again.id(), again.tree()), (document.id(), document.tree()));
    let there = is_taken(document.id(), &[], &changes);
    assert_eq!(there.heads(), again.heads());
    assert_eq!(there.owner(), document.owner());
    // Written a third time it still carries the first position.
    let twice: Vec<Part<'_>> = changes
        .iter()
        .map(|one| part(one.change.as_ref().unwrap(), Fate::Again(actor(1, 10))))
        .collect();
    let (_, changes) = both(write_again(document.id(), origin(mine, 7), &twice, &[]));
    is_taken(document.id(), &[], &changes);
    // The id is another patient's at the hub: a new one, and what names the old one names it.
    let new = origin(fresh, 1).id(DocKind::Chart);
    let (moved, changes) = both(write_again(new, origin(fresh, 1), &parts, &[]));
    assert_eq!(moved.tree(), document.tree());
    is_taken(new, &[], &changes);
}

#[test]
fn what_names_a_moved_document_names_its_new_id() {
    let (mine, fresh) = (actor(1, 1), actor(1, 9));
    let (old, new) = (
        origin(mine, 7).id(DocKind::Chart),
        origin(fresh, 1).id(DocKind::Chart),
    );
    let packed = [&[3u8, 1][..], &old.0, &[9]].concat();
    let edits = [
        Edit::put(&["visit", "patient"], Scalar::Bytes(old.0.to_vec())),
        Edit::put(&["ext", "packed"], Scalar::Bytes(packed)),
    ];
    let clinic = "0017".parse().unwrap();
    let (document, change) =
        Document::create(DocKind::Encounter, &clinic, origin(mine, 8), mine, AT, &edits).unwrap();
    let parts = [part(&change, Fate::Again(fresh))];
    let (again, _) = both(write_again(document.id(), origin(mine, 8), &parts, &[(old, new)]));
    let bytes = |path: &[&str]| match again.tree().leaf(path).map(|leaf| leaf.winner.clone()) {
        Some(Scalar::Bytes(bytes)) => bytes,
        other => panic!("{other:?}"),
    };
    assert_eq!(bytes(&["visit", "patient"]), new.0);
    assert_eq!(bytes(&["ext", "packed"])[2..18], new.0);
}

#[test]
fn what_builds_on_a_refused_change_goes_on_without_it() {
    let (mine, fresh) = (actor(1, 1), actor(1, 9));
    let (mut document, first) = create(mine, 7, "王秀英");
    let before = phone(&mut document, mine, "1");
    let refused = document
        .edit(
            mine,
            AT,
            &[
                Edit::put(&["person", "phone"], "2"),
                Edit::put_node(&["ext", "list"], Node::List(vec![Scalar::from("a").into()])),
            ],
        )
        .unwrap()
        .unwrap();
    let later = document
        .edit(
            mine,
            AT,
            &[
                Edit::put(&["person", "phone"], "3"),
                Edit::put(&["address", "town"], "柳树"),
                Edit::Append(vec!["ext".into(), "list".into()], Scalar::from("b").into()),
            ],
        )
        .unwrap()
        .unwrap();
    let all = [&first, &before, &refused, &later];
    let gone = dependants(
        all.iter().map(|change| change.bytes.as_slice()),
        &[refused.hash].into(),
    )
    .unwrap();
    assert_eq!(gone, [refused.hash, later.hash].into());
    let parts = [
        part(&first, Fate::Stays),
        part(&before, Fate::Stays),
        part(&refused, Fate::Out),
        part(&later, Fate::Again(fresh)),
    ];
    let (again, changes) = both(write_again(document.id(), origin(mine, 7), &parts, &[]));
    let tree = again.tree();
    // It overwrites what the refused one had overwritten, and no clash is left.
    let phone = tree.leaf(&["person", "phone"]).cloned().unwrap();
    assert_eq!((phone.winner.as_text(), phone.others.len()), (Some("3"), 0));
    assert_eq!(tree.text(&["address", "town"]), Some("柳树"));
    assert!(
        tree.at(&["ext", "list"]).is_none(),
        "its list was the refused change's"
    );
    is_taken(document.id(), &[&first, &before], &changes);
}

#[test]
fn a_document_is_created_once() {
    let (mine, twin) = (actor(1, 1), actor(1, 9));
    let (document, first) = create(mine, 7, "王秀英");
    let (other, _) = create(mine, 7, "李建国");
    assert_eq!(document.id(), other.id());
    let parts_of = other.changes();
    let parts = [part(&parts_of[0], Fate::Again(twin))];
    let (_, changes) = both(write_again(other.id(), origin(mine, 7), &parts, &[]));
    let made = changes[0].change.as_ref().unwrap();
    let held = Document::load(document.id(), [first.bytes.as_slice()]).unwrap();
    let verdict = check_foreign(Some(&held), document.id(), &made.bytes, twin.at(1), &[]);
    assert_eq!(verdict.err(), Some(Fault::CreatedBefore));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// Whatever a session wrote, the half that goes is written again, is taken everywhere, and reads the same.
    #[test]
    fn a_history_written_again_reads_the_same(
        steps in prop::collection::vec((0u8..6, 0u8..4, any::<bool>()), 1..12),
        from in 0usize..12,
    ) {
        let (mine, fresh) = (actor(1, 1), actor(1, 9));
        let (mut document, first) = create(mine, 7, "王秀英");
        let mut changes = vec![first];
        for (field, value, delete) in steps {
            let key = format!("f{field}");
            let edit = match (delete, field) {
                (true, _) => Edit::Delete(vec!["ext".into(), key]),
                (false, 5) => Edit::Append(vec!["ext".into(), "list".into()], Scalar::from(i64::from(value)).into()),
                (false, _) => Edit::put(&["ext", &key], i64::from(value)),
            };
            if let Some(change) = document.edit(mine, AT, &[edit]).unwrap() {
                changes.push(change);
            }
        }
        let from = from.min(changes.len() - 1);
        let parts: Vec<Part<'_>> = changes
            .iter()
            .enumerate()
            .map(|(at, change)| part(change, if at < from { Fate::Stays } else { Fate::Again(fresh) }))
            .collect();
        let (again, written) = both(write_again(document.id(), origin(mine, 7), &parts, &[]));
        prop_assert_eq!(again.tree(), document.tree());
        prop_assert_eq!(written.len(), changes.len() - from);
        let stayed: Vec<&Change> = changes[..from].iter().collect();
        let there = is_taken(document.id(), &stayed, &written);
        prop_assert_eq!(there.heads(), again.heads());
    }
}

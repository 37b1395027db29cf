//! Forged changes: each is refused and leaves the document as it was.

use automerge::ObjType;
use automerge::legacy::{ElementId, Key, ObjectId, Op, OpId, SortedVec};
use proptest::prelude::*;
use records::ids::{DocKind, SessionId};
use records::tree::{Edit, Node, Scalar};

use super::*;
use crate::document::OPS_MAX;

const AT: WallTime = WallTime(1_760_000_000_000);

fn actor(device: u8, session: u8) -> Actor {
    Actor {
        device: DeviceId([device; 8]),
        session: SessionId([session; 8]),
    }
}

fn create(writer: Actor, n: u64, as_written_by: Actor) -> (Document, Change) {
    let clinic = "0017".parse().unwrap();
    let origin = Origin {
        device: writer.device,
        session: writer.session,
        n,
    };
    let edits = [
        Edit::put(&["person", "name"], "王秀英"),
        Edit::put_node(
            &["ext", "list"],
            Node::List(vec![Scalar::from("a").into(), Scalar::from("b").into()]),
        ),
    ];
    Document::create(DocKind::Chart, &clinic, origin, as_written_by, AT, &edits).unwrap()
}

fn expand(change: &Change) -> ExpandedChange {
    automerge::Change::try_from(change.bytes.as_slice())
        .unwrap()
        .decode()
}

fn forge(expanded: ExpandedChange) -> Vec<u8> {
    automerge::Change::from(expanded).raw_bytes().to_vec()
}

/// A document, and an honest change by another device on top of it as operations to be spoilt.
fn scene() -> (Document, ExpandedChange, Position) {
    let (document, _) = create(actor(1, 1), 1, actor(1, 1));
    let mut copy = document.clone();
    let edits = [
        Edit::put(&["person", "name"], "王秀兰"),
        Edit::put(&["person", "phone"], "1"),
    ];
    let change = copy.edit(actor(2, 1), AT, &edits).unwrap().unwrap();
    (document, expand(&change), actor(2, 1).at(5))
}

fn judge(document: &Document, expanded: ExpandedChange, position: Position) -> Result<Checked, Fault> {
    let before = (document.heads(), document.tree());
    let verdict = check_foreign(Some(document), document.id(), &forge(expanded), position, &[]);
    assert_eq!((document.heads(), document.tree()), before);
    verdict
}

#[test]
fn an_honest_change_passes_and_tells_where_it_writes() {
    let (document, change, position) = scene();
    let checked = judge(&document, change, position).unwrap();
    assert_eq!(checked.touched, ["person"]);
    assert_eq!(checked.creates, None);
    assert_eq!(checked.document.tree().text(&["person", "name"]), Some("王秀兰"));
    let again = check_foreign(
        Some(&checked.document),
        document.id(),
        &checked.change.bytes,
        position,
        &[],
    );
    assert!(again.unwrap().known);
}

#[test]
fn a_creating_change_is_checked_against_the_id() {
    let (document, change) = create(actor(1, 1), 7, actor(1, 1));
    let check = |id, position| check_foreign(None, id, &change.bytes, position, &[]);
    let checked = check(document.id(), actor(1, 1).at(7)).unwrap();
    assert_eq!(checked.creates.unwrap().as_str(), "0017");
    assert_eq!(checked.document.heads(), document.heads());
    assert!(matches!(
        check(document.id(), actor(1, 1).at(8)),
        Err(Fault::Head(_))
    ));
    let mut other = document.id();
    other.0[9] ^= 1;
    assert_eq!(
        check(other, actor(1, 1).at(7)).unwrap_err(),
        Fault::Head("another document")
    );
    assert_eq!(
        check(document.id(), actor(1, 2).at(7)).unwrap_err(),
        Fault::WrongActor
    );
}

#[test]
fn a_creating_change_written_again_keeps_the_id() {
    let (document, change) = create(actor(1, 1), 7, actor(1, 2));
    let (original, first) = create(actor(1, 1), 7, actor(1, 1));
    assert_eq!(document.id(), original.id());
    let position = actor(1, 2).at(1);
    assert!(check_foreign(None, document.id(), &change.bytes, position, &[]).is_ok());
    // Both may meet; the document stays whole.
    let both = check_foreign(Some(&original), document.id(), &change.bytes, position, &[]).unwrap();
    assert_eq!(both.document.heads().len(), 2);
    assert_ne!(first.hash, change.hash);
    // A stranger cannot carry it on, a signed successor can.
    let (_, stolen) = create(actor(1, 1), 7, actor(3, 1));
    let check = |predecessors: &[DeviceId]| {
        check_foreign(
            None,
            original.id(),
            &stolen.bytes,
            actor(3, 1).at(1),
            predecessors,
        )
    };
    assert_eq!(check(&[]).unwrap_err(), Fault::Head("origin of a stranger"));
    assert!(check(&[DeviceId([1; 8])]).is_ok());
}

#[test]
fn a_change_under_a_foreign_actor_is_refused() {
    let (document, change, _) = scene();
    assert_eq!(
        judge(&document, change, actor(3, 1).at(5)).unwrap_err(),
        Fault::WrongActor
    );
}

#[test]
fn numbers_that_do_not_follow_from_the_past_are_refused() {
    let (document, change, position) = scene();
    for start in [
        1,
        change.start_op.get() - 1,
        change.start_op.get() + 1,
        u64::MAX / 2,
        u64::MAX,
    ] {
        let mut forged = change.clone();
        forged.start_op = start.try_into().unwrap();
        assert!(judge(&document, forged, position).is_err(), "{start}");
    }
    for seq in [0, 2, u64::MAX] {
        let mut forged = change.clone();
        forged.seq = seq;
        assert!(judge(&document, forged, position).is_err(), "{seq}");
    }
}

#[test]
fn a_reused_number_is_told_as_a_spoiled_session() {
    let (document, change, position) = scene();
    let held = judge(&document, change.clone(), position).unwrap().document;
    let mut rival = change;
    rival.time += 1;
    assert_eq!(judge(&held, rival, position).unwrap_err(), Fault::Spoiled);
}

#[test]
fn predecessors_outside_the_past_are_refused() {
    let (document, change, position) = scene();
    let concurrent = {
        let mut other = document.clone();
        other
            .edit(actor(3, 1), AT, &[Edit::put(&["person", "name"], "李")])
            .unwrap();
        other
    };
    let hidden = OpId::new(change.start_op.get(), &ActorId::from(&actor(3, 1).to_bytes()[..]));
    let invented = OpId::new(3, &ActorId::from(&[9u8; 16][..]));
    let elsewhere = change.operations[1].pred.get(0).cloned();
    for pred in [hidden, invented] {
        let mut forged = change.clone();
        forged.operations[0].pred = SortedVec::from_iter([pred]);
        assert_eq!(
            judge(&concurrent, forged, position).unwrap_err(),
            Fault::UnknownPredecessor
        );
    }
    assert!(elsewhere.is_none());
    let mut forged = change.clone();
    forged.operations[1].pred = change.operations[0].pred.clone();
    assert_eq!(
        judge(&document, forged, position).unwrap_err(),
        Fault::UnknownPredecessor
    );
    let mut forged = change.clone();
    forged.operations[0].action = OpType::Delete;
    forged.operations[0].pred = SortedVec::new();
    assert_eq!(
        judge(&document, forged, position).unwrap_err(),
        Fault::UnknownPredecessor
    );
}

#[test]
fn objects_and_elements_outside_the_past_are_refused() {
    let (document, change, position) = scene();
    let nobody = ActorId::from(&[9u8; 16][..]);
    let mut forged = change.clone();
    forged.operations[1].obj = ObjectId::Id(OpId::new(4, &nobody));
    assert_eq!(
        judge(&document, forged, position).unwrap_err(),
        Fault::UnknownObject
    );
    // A value is no object.
    let mut forged = change.clone();
    forged.operations[1].obj = ObjectId::Id(change.operations[0].pred.get(0).unwrap().clone());
    assert_eq!(
        judge(&document, forged, position).unwrap_err(),
        Fault::UnknownObject
    );
    // A map has no elements.
    let mut forged = change.clone();
    forged.operations[1].key = Key::Seq(ElementId::Head);
    forged.operations[1].insert = true;
    assert_eq!(
        judge(&document, forged, position).unwrap_err(),
        Fault::UnknownElement
    );
    // An element of nobody in a real list.
    let list = {
        let mut copy = document.clone();
        let append = Edit::Append(
            vec!["ext".to_owned(), "list".to_owned()],
            Scalar::from("c").into(),
        );
        expand(&copy.edit(actor(2, 1), AT, &[append]).unwrap().unwrap())
    };
    assert!(judge(&document, list.clone(), position).is_ok());
    let mut forged = list;
    forged.operations[0].key = Key::Seq(ElementId::Id(OpId::new(5, &nobody)));
    assert_eq!(
        judge(&document, forged, position).unwrap_err(),
        Fault::UnknownElement
    );
}

#[test]
fn containers_and_the_documents_head_are_out_of_reach() {
    let (document, change, position) = scene();
    let root = |key: &str, action| Op {
        action,
        obj: ObjectId::Root,
        key: Key::Map(key.into()),
        pred: SortedVec::new(),
        insert: false,
    };
    for key in ["person", "ext", crate::document::SELF_KEY] {
        let mut forged = change.clone();
        forged.operations = vec![root(key, OpType::Make(ObjType::Map))];
        assert_eq!(judge(&document, forged, position).unwrap_err(), Fault::Container);
    }
    let mut forged = change.clone();
    let own = ObjectId::Id(OpId::new(1, &ActorId::from(&[0u8; 16][..])));
    forged.operations = vec![Op {
        obj: own,
        ..root("owner", OpType::Put(ScalarValue::Str("evil".into())))
    }];
    assert!(matches!(judge(&document, forged, position), Err(Fault::Head(_))));
}

#[test]
fn operations_that_nobody_here_writes_are_refused() {
    let (document, change, position) = scene();
    let actions = [
        OpType::Make(ObjType::Text),
        OpType::Increment(i64::MAX),
        OpType::Put(ScalarValue::counter(i64::MAX)),
        OpType::Put(ScalarValue::Uint(u64::MAX)),
        OpType::Put(ScalarValue::F64(f64::NAN)),
        OpType::Put(ScalarValue::Str("x".repeat(FIELD_BYTES_MAX + 1).into())),
        OpType::MarkEnd(false),
    ];
    for action in actions {
        let mut forged = change.clone();
        forged.operations[1].action = action.clone();
        assert!(judge(&document, forged, position).is_err(), "{action:?}");
    }
    let mut forged = change.clone();
    forged.message = Some("hello".to_owned());
    assert!(judge(&document, forged, position).is_err());
    let mut forged = change.clone();
    forged.extra_bytes = vec![1, 2, 3];
    assert!(judge(&document, forged, position).is_err());
    let mut forged = change.clone();
    forged.time = i64::MAX;
    assert_eq!(
        judge(&document, forged, position).unwrap_err(),
        Fault::Bounds("time")
    );
    let mut forged = change.clone();
    forged.operations.clear();
    assert!(judge(&document, forged, position).is_err());
    let mut forged = change;
    forged.operations = vec![forged.operations[1].clone(); OPS_MAX + 1];
    assert!(judge(&document, forged, position).is_err());
}

#[test]
fn what_builds_on_the_unknown_waits() {
    let (document, change, position) = scene();
    let mut forged = change.clone();
    forged.deps = vec![automerge::ChangeHash([7; 32])];
    assert_eq!(
        judge(&document, forged, position).unwrap_err(),
        Fault::MissingDependencies
    );
    let mut forged = change;
    forged.deps.clear();
    assert!(matches!(judge(&document, forged, position), Err(Fault::Head(_))));
}

#[test]
fn a_few_bytes_that_stand_for_billions_of_operations_are_refused() {
    let (document, change, position) = scene();
    let bytes = forge(change);
    // The action column is run-length coded; a run of two to the forty in its place.
    let found = bytes
        .windows(3)
        .rposition(|window| window == [2, 1, 0x56])
        .or(Some(bytes.len() - 1));
    let mut forged = bytes[..found.unwrap()].to_vec();
    forged.extend_from_slice(&[0x80, 0x80, 0x80, 0x80, 0x80, 0x20, 1]);
    assert!(check_foreign(Some(&document), document.id(), &forged, position, &[]).is_err());
    let mut column = bounds_column(&[0x80, 0x80, 0x80, 0x80, 0x80, 0x20, 1]);
    column[9] = u8::try_from(column.len() - 10).unwrap();
    assert_eq!(bounds::check(&column), Err(Fault::Bounds("too many operations")));
}

/// A chunk whose only column is an action column with this content.
fn bounds_column(content: &[u8]) -> Vec<u8> {
    let mut chunk = vec![0x85, 0x6f, 0x4a, 0x83, 0, 0, 0, 0, 1, 0];
    // No dependencies; a one-byte actor; seq, start op, time; no message, no actors; one column.
    chunk.extend_from_slice(&[0, 1, 7, 1, 1, 0, 0, 0, 1, 0x42]);
    chunk.push(u8::try_from(content.len()).unwrap());
    chunk.extend_from_slice(content);
    chunk
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(96))]

    /// Whatever the bytes, the check answers and never panics.
    #[test]
    fn any_bytes_are_judged(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        fuzz_one(&bytes);
    }

    /// A change with some bytes flipped and its checksum made right again never harms.
    #[test]
    fn spoilt_changes_are_judged(flips in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..4)) {
        let (document, change, position) = scene();
        let mut bytes = forge(change);
        for (at, value) in flips {
            let at = 8 + at.index(bytes.len() - 8);
            bytes[at] = value;
        }
        let hash = crate::document::chunk_hash(&bytes).unwrap();
        bytes[4..8].copy_from_slice(&hash[..4]);
        if let Ok(checked) = check_foreign(Some(&document), document.id(), &bytes, position, &[]) {
            // What passes leaves a document that can be written, saved and loaded.
            let mut next = checked.document;
            next.edit(actor(4, 1), AT, &[Edit::put(&["person", "phone"], "2")]).unwrap();
            let changes = next.changes();
            let loaded = Document::load(next.id(), changes.iter().map(|change| change.bytes.as_slice())).unwrap();
            prop_assert_eq!(loaded.tree(), next.tree());
        }
    }
}
